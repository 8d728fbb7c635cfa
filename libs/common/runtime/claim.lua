-- Take the fence of a stage: whoever claimed it before can commit no more.
--
-- KEYS: 1 the inbox, 2 the stage's checkpoint hash.
-- ARGV: 1 group, 2 the release that claims, 3 the release that left no notes,
--       4 where the claimer's state stands, or empty: it does not say.
-- The group, which shows the stage's position to everybody else, is made at the stream's beginning when it is not there.
-- A release that takes over from another notes it: an entry in the inbox, and a field of the hash for whoever folds the
-- log again (see release.py). It must stand at the checkpoint then: what the other one decided it cannot decide again.
-- Returns the checkpoint hash as a flat list, or {'MOVED', checkpoint, release} having changed nothing.

local inbox, checkpoint, group, release = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local stands = redis.call('HMGET', checkpoint, 'id', 'release')
local id = stands[1] or '0-0'
local decides = stands[2] or (stands[1] and ARGV[3])
if decides and decides ~= release and stands[1] and ARGV[4] ~= '' and ARGV[4] ~= id then
  return { 'MOVED', id, decides }
end

local exists = false
if redis.call('EXISTS', inbox) == 1 then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', inbox)) do
    for j = 1, #info, 2 do
      if info[j] == 'name' and info[j + 1] == group then exists = true end
    end
  end
end
if not exists then redis.call('XGROUP', 'CREATE', inbox, group, '0', 'MKSTREAM') end

if decides ~= release then
  local note = '0-0'
  if stands[1] then note = redis.call('XADD', inbox, '*', 'release', release, 'after', id) end
  redis.call('HSET', checkpoint, 'release', release, 'release_after', id, 'release:' .. note, release .. ' ' .. id)
end
redis.call('HINCRBY', checkpoint, 'epoch', 1)
return redis.call('HGETALL', checkpoint)
