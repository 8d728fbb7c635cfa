-- Take the fence of a stage: whoever claimed it before can commit no more.
--
-- KEYS: 1 the inbox, 2 the stage's checkpoint hash.   ARGV: 1 group.
-- The group, which shows the stage's position to everybody else, is made at the stream's beginning when it is not there.
-- Returns the checkpoint hash as a flat list.

local inbox, checkpoint, group = KEYS[1], KEYS[2], ARGV[1]

local exists = false
if redis.call('EXISTS', inbox) == 1 then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', inbox)) do
    for j = 1, #info, 2 do
      if info[j] == 'name' and info[j + 1] == group then exists = true end
    end
  end
end
if not exists then redis.call('XGROUP', 'CREATE', inbox, group, '0', 'MKSTREAM') end

redis.call('HINCRBY', checkpoint, 'epoch', 1)
return redis.call('HGETALL', checkpoint)
