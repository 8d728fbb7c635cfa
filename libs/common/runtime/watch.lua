#!lua flags=allow-oom
-- Whether the partition is still this process's, and its log what it was; asked about once a second, as no commit tells
-- while nothing comes. Notes how many entries each output has had, so that a later start knows one that was deleted.
--
-- KEYS: 1 the inbox, 2 the stage's checkpoint hash, 3.. the outputs.
-- ARGV: 1 epoch.
-- Returns 'OK', {'FENCED', epoch}, {'GONE'} without a checkpoint, or {'ODD'}: look.lua says what.

local inbox, checkpoint = KEYS[1], KEYS[2]
local stands = redis.call('HMGET', checkpoint, 'epoch', 'id', 'entries', 'lost')
if not stands[1] then return { 'GONE' } end
if stands[1] ~= ARGV[1] then return { 'FENCED', stands[1] } end

local added, length, newest = extent(inbox)
local read = (tonumber(stands[3]) or 0) + (tonumber(stands[4]) or 0)
if not added or added < read or added - length > read then return { 'ODD' } end
if added > read and #redis.call('XRANGE', inbox, '(' .. (stands[2] or '0-0'), '+', 'COUNT', 1) == 0 then
  return { 'ODD' }
end
for k = 3, #KEYS do
  local has, had = extent(KEYS[k]), tonumber(redis.call('HGET', checkpoint, 'sent:' .. KEYS[k]) or 0)
  if (has or -1) < had then return { 'ODD' } end
  if has and has > had then redis.call('HSET', checkpoint, 'sent:' .. KEYS[k], has) end
end
return redis.status_reply('OK')
