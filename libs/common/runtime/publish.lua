#!lua name=fillstream
-- The strict way to publish a signal: FCALL fs_publish 1 signals symbol AAPL side BUY quantity 100 signal_id first
--
-- KEYS: 1 the stream. ARGV: names and values in turn.
-- Appends with an id of the server's and without MAXLEN, and returns the id; or refuses with a sentence, having appended
-- nothing: no fields, a name without a value, more than 100 fields, more than 65536 bytes.
-- It guards against mistakes. Whoever may call it may append past it: the server compares what a function calls with
-- what its caller may, so XADD must be allowed as well.

local MAX_FIELDS, MAX_BYTES = 100, 65536

local function refuse(text) return redis.error_reply('FILLSTREAM ' .. text) end

local function fs_publish(keys, args)
  if #keys ~= 1 then return refuse('key: ' .. #keys .. ' were given, it must be one, the stream') end
  if #args == 0 or #args % 2 == 1 then
    return refuse('fields: ' .. #args .. ' arguments, they must be names and values in turn, one pair at least')
  end
  if #args > 2 * MAX_FIELDS then
    return refuse('fields: ' .. #args / 2 .. ', a signal has at most ' .. MAX_FIELDS)
  end
  local size = 0
  for _, each in ipairs(args) do size = size + #each end
  if size > MAX_BYTES then return refuse('signal: ' .. size .. ' bytes, a signal has at most ' .. MAX_BYTES) end
  return redis.call('XADD', keys[1], '*', unpack(args))
end

redis.register_function('fs_publish', fs_publish)
