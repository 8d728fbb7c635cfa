-- Everything Redis holds about one stage's partition, at one moment; changes nothing.
--
-- KEYS: 1 the inbox, 2 the stage's checkpoint hash, 3 the desk's hash.
-- ARGV: 1 the stage's consumer group.
-- Returns {the desk's hash flat, the checkpoint flat, {added, length, newest id, first id after the checkpoint or ''}
-- of the inbox or {} without one, the server's clock in milliseconds, {output key, entries it has had or -1, ...} of the outputs the checkpoint names,
-- {position, entries read or ''} of the group or {} without one}.

local inbox, checkpoint = KEYS[1], redis.call('HGETALL', KEYS[2])
local id, outputs = '0-0', {}
for i = 1, #checkpoint, 2 do
  if checkpoint[i] == 'id' then id = checkpoint[i + 1] end
  local key = string.match(checkpoint[i], '^sent:(.*)$')
  if key then
    outputs[#outputs + 1] = key
    outputs[#outputs + 1] = extent(key) or -1
  end
end
local found, stands, added, length, newest = {}, {}, extent(inbox)
if added then
  local follows = redis.call('XRANGE', inbox, '(' .. id, '+', 'COUNT', 1)
  found = { added, length, newest, follows[1] and follows[1][1] or '' }
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', inbox)) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    if group['name'] == ARGV[1] then stands = { group['last-delivered-id'], group['entries-read'] or '' } end
  end
end
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
return { redis.call('HGETALL', KEYS[3]), checkpoint, found, now_ms, outputs, stands }
