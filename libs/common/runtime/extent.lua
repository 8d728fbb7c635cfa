-- Put before scripts that ask: how many entries a stream has ever had, how many are there, and its newest id.
-- Nothing of a stream that is not there.
local function extent(stream)
  if redis.call('EXISTS', stream) == 0 then return nil end
  local info, added, length, newest = redis.call('XINFO', 'STREAM', stream), 0, 0, '0-0'
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then added = info[i + 1]
    elseif info[i] == 'length' then length = info[i + 1]
    elseif info[i] == 'last-generated-id' then newest = info[i + 1] end
  end
  return added, length, newest
end
