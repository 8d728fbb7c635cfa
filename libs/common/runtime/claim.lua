-- Take the fence of a stage: whoever claimed it before can commit no more.
--
-- KEYS: 1 the inbox, 2 the stage's checkpoint hash, 3 the desk's hash.
-- ARGV: 1 group, 2 the release that claims, 3 the release that left no notes,
--       4 where the claimer's state stands, or empty: it does not say,
--       5 id of the desk that the claimer found, empty when it found none, '*': it did not look,
--       6 an id for a new desk, 7 and 8 its counts of account and symbol partitions.
-- The group, which shows the stage's position to everybody else, is made at the checkpoint when it is not there.
-- The first claim of all makes the desk; each stage's first leaves its name there, so that a checkpoint that is gone is
-- missed (see continuity.py).
-- A release that takes over from another notes it: an entry in the inbox, and a field of the hash for whoever folds the
-- log again (see release.py). It must stand at the checkpoint then: what the other one decided it cannot decide again.
-- Returns the checkpoint hash as a flat list, or {'MOVED', checkpoint, release}, or {'CHANGED'}: there is another desk
-- than the claimer found; both having changed nothing.

local inbox, checkpoint, desk, group, release = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2]

local known = redis.call('HGET', desk, 'id') or ''
if ARGV[5] ~= '*' and ARGV[5] ~= known then return { 'CHANGED' } end
local stands = redis.call('HMGET', checkpoint, 'id', 'release', 'entries', 'lost')
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
if not exists then
  local read = (tonumber(stands[3]) or 0) + (tonumber(stands[4]) or 0)
  redis.call('XGROUP', 'CREATE', inbox, group, id, 'MKSTREAM', 'ENTRIESREAD', read)
end

if decides ~= release then
  local note = '0-0'
  if stands[1] then note = redis.call('XADD', inbox, '*', 'release', release, 'after', id) end
  redis.call('HSET', checkpoint, 'release', release, 'release_after', id, 'release:' .. note, release .. ' ' .. id)
end
local now = redis.call('TIME')
local now_ms = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
if known == '' then
  known = ARGV[6]
  redis.call('HSET', desk, 'id', known, 'born_ms', now_ms, 'release', release,
    'account_partitions', ARGV[7], 'symbol_partitions', ARGV[8])
end
redis.call('HSETNX', desk, 'stage:' .. checkpoint, now_ms)
redis.call('HSET', checkpoint, 'desk', known)
redis.call('HINCRBY', checkpoint, 'epoch', 1)
return redis.call('HGETALL', checkpoint)
