-- The atomic commit of one batch: all of it or nothing.
--
-- KEYS: 1 the inbox, 2 the stage's checkpoint hash, 3.. the output streams, each once.
-- ARGV: 1 group, 2 epoch, 3 the checkpoint the batch was read after, 4 the batch's first id, 5 its last,
--       6 how many entries, 7 output hash after it,
--       8 `id` and 9 `text` of an entry this commit quarantines (or two empty strings),
--       10 '1': count what the inbox has had (it takes longest where its first or last entry is large),
--       then segments until the end:
--         index into KEYS, field name ('' when every item is a whole entry), MAXLEN (0: keep all), how many items,
--         then the items: a value each, or for whole entries the count of names and values, then those.
-- Returns 'OK', or, having changed nothing: {'FENCED', epoch}; {'GAP', checkpoint, id that follows it}; {'GONE'}: there
-- is no checkpoint; {'ODD'}: entries were lost before they were read, or the stream is another; {'FULL', key}: nothing can
-- be appended to that output. Nor has an error changed anything.

local inbox, checkpoint = KEYS[1], KEYS[2]
local after, first, last = ARGV[3], ARGV[4], ARGV[5]

local stands = redis.call('HMGET', checkpoint, 'epoch', 'id', 'entries', 'lost')
if not stands[1] then return { 'GONE' } end
if stands[1] ~= ARGV[2] then return { 'FENCED', stands[1] } end
local entries = tonumber(stands[3]) or 0
local read = entries + (tonumber(stands[4]) or 0)

-- The batch must begin right after the checkpoint: nothing skipped, nothing committed twice.
local follows = redis.call('XRANGE', inbox, '(' .. after, '+', 'COUNT', 1)
local next_id = follows[1] and follows[1][1] or ''
if (stands[2] or '0-0') ~= after or next_id ~= first then
  return { 'GAP', stands[2] or '0-0', next_id }
end

-- What was trimmed or deleted unread leaves no hole to be seen. So entries are counted: no more were ever removed than
-- were read, and once nothing follows the batch, all that were ever appended have been read.
if ARGV[10] == '1' then
  local added, length, newest = extent(inbox)
  if added - length > read or (newest == last and added ~= read + ARGV[6]) then return { 'ODD' } end
end

-- The server does not undo what a failing script has written. What may fail, fails here: an output that is no stream
-- (WRONGTYPE), one whose newest entry has the largest id of all, a group that somebody destroyed (NOGROUP). Memory and disk
-- the server checks at the first write only.
local largest = '18446744073709551615-18446744073709551615'
for k = 3, #KEYS do
  if #redis.call('XRANGE', KEYS[k], largest, largest) > 0 then return { 'FULL', KEYS[k] } end
end
redis.call('XPENDING', inbox, ARGV[1])

local i = 11
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

redis.call('HSET', checkpoint, 'id', last, 'digest', ARGV[7], 'entries', entries + ARGV[6])
-- The group's position is the acknowledgement that everybody else sees: XINFO GROUPS, trimming, dashboards.
redis.call('XGROUP', 'SETID', inbox, ARGV[1], last, 'ENTRIESREAD', read + ARGV[6])
if ARGV[8] ~= '' then
  redis.call('HSET', checkpoint, 'poisoned:' .. ARGV[8], ARGV[9])
  redis.call('HDEL', checkpoint, 'suspect')
end
return 'OK'
