-- What a desk holds at one moment, its streams' entries aside; changes nothing.
--
-- KEYS: the streams, then the hashes.
-- ARGV: 1 how many streams there are.
-- Returns {the server's clock in milliseconds, of each stream {} or {added, length, newest id, newest id that was deleted,
-- {group, position, entries read or '', pending, ...}}, of each hash its names and values in turn}.

local streams, hashes = {}, {}
for k = 1, #KEYS do
  if k > tonumber(ARGV[1]) then
    hashes[#hashes + 1] = redis.call('HGETALL', KEYS[k])
  elseif redis.call('EXISTS', KEYS[k]) == 0 then
    streams[#streams + 1] = {}
  else
    local about = {}
    local info = redis.call('XINFO', 'STREAM', KEYS[k])
    for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
    local groups = {}
    for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[k])) do
      local group = {}
      for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
      groups[#groups + 1] = group['name']
      groups[#groups + 1] = group['last-delivered-id']
      groups[#groups + 1] = group['entries-read'] or ''
      groups[#groups + 1] = group['pending']
    end
    streams[#streams + 1] =
      { about['entries-added'], about['length'], about['last-generated-id'], about['max-deleted-entry-id'], groups }
  end
end
local now = redis.call('TIME')
return { now[1] * 1000 + math.floor(now[2] / 1000), streams, hashes }
