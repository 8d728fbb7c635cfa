-- The atomic commit of one batch: all of it or nothing.
--
-- KEYS: 1 the inbox, 2 the stage's checkpoint hash, 3.. the output streams, each once.
-- ARGV: 1 group, 2 epoch, 3 the batch's first id, 4 its last, 5 how many entries, 6 output hash after it,
--       7 `id` and 8 `text` of an entry this commit quarantines (or two empty strings),
--       then the ids to acknowledge, then segments until the end:
--         index into KEYS, field name ('' when every item is a whole entry), MAXLEN (0: keep all), how many items,
--         then the items: a value each, or for whole entries the count of names and values, then those.
-- Returns 'OK', or {'FENCED', epoch} or {'GAP', pending count, first pending id} having changed nothing.

local inbox, checkpoint = KEYS[1], KEYS[2]
local group, epoch, first, last, n = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

local current = redis.call('HGET', checkpoint, 'epoch')
if current ~= epoch then return { 'FENCED', current or '' } end

-- Exactly this batch may be pending: anything older was skipped, anything more was read by somebody else.
local pending = redis.call('XPENDING', inbox, group)
if pending[1] ~= n or pending[2] ~= first or pending[3] ~= last then
  return { 'GAP', pending[1], pending[2] or '' }
end

local i = 9 + n
while i <= #ARGV do
  local key, field, maxlen, count = KEYS[tonumber(ARGV[i])], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  i = i + 4
  if field == '' then
    for _ = 1, count do
      local width = tonumber(ARGV[i])
      redis.call('XADD', key, '*', unpack(ARGV, i + 1, i + width))
      i = i + 1 + width
    end
  elseif maxlen > 0 then
    for j = i, i + count - 1 do redis.call('XADD', key, 'MAXLEN', '~', maxlen, '*', field, ARGV[j]) end
    i = i + count
  else
    for j = i, i + count - 1 do redis.call('XADD', key, '*', field, ARGV[j]) end
    i = i + count
  end
end

redis.call('XACK', inbox, group, unpack(ARGV, 9, 8 + n))
redis.call('HSET', checkpoint, 'id', last, 'digest', ARGV[6])
redis.call('HINCRBY', checkpoint, 'entries', n)
if ARGV[7] ~= '' then
  redis.call('HSET', checkpoint, 'poisoned:' .. ARGV[7], ARGV[8])
  redis.call('HDEL', checkpoint, 'suspect')
end
return 'OK'
