#!lua flags=allow-oom
-- Give the entries of a stream that are ahead of the clock ids of now, in their order; every other one stays as it is.
-- A stream takes no id below its last: the only way back is another stream in its place, all of it at once.
--
-- KEYS: 1 the stream, 2 where it waits meanwhile.
-- ARGV: 1 the largest millisecond that an id may have.
-- Returns how many entries got another id; or, having changed nothing, the id of an entry with more fields than a script
-- can append, or 'ASIDE' when something waits there already. Groups keep their places; what was pending in a group is pending no more.

local stream, aside, last = KEYS[1], KEYS[2], ARGV[1] .. '-18446744073709551615'
if redis.call('EXISTS', stream) == 0 then return 0 end
if redis.call('EXISTS', aside) == 1 then return 'ASIDE' end
-- The server does not undo what a failing script has done, so what may fail is looked for first.
local seen = '-'
while true do
  local page = redis.call('XRANGE', stream, seen, '+', 'COUNT', 1000)
  for _, entry in ipairs(page) do
    if #entry[2] > 7000 then return entry[1] end
    seen = '(' .. entry[1]
  end
  if #page < 1000 or seen == '(18446744073709551615-18446744073709551615' then break end
end
local ahead = redis.call('XRANGE', stream, '(' .. last, '+')
local added = extent(stream)
local groups = redis.call('XINFO', 'GROUPS', stream)
redis.call('RENAME', stream, aside)

local newest, after = '0-0', '-'
while true do
  local page = redis.call('XRANGE', aside, after, last, 'COUNT', 1000)
  if #page == 0 then break end
  for _, entry in ipairs(page) do
    newest = entry[1]
    redis.call('XADD', stream, newest, unpack(entry[2]))
  end
  after = '(' .. newest
end
redis.call('XGROUP', 'CREATE', stream, 'rebuild', '0', 'MKSTREAM')
redis.call('XGROUP', 'DESTROY', stream, 'rebuild')
if newest ~= '0-0' then redis.call('XSETID', stream, newest, 'ENTRIESADDED', added - #ahead) end

local is_ahead = {}
for _, entry in ipairs(ahead) do is_ahead[entry[1]] = true end
for _, info in ipairs(groups) do
  local about = {}
  for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
  local at, read = about['last-delivered-id'], about['entries-read']
  if is_ahead[at] then at, read = newest, false end
  redis.call('XGROUP', 'CREATE', stream, about['name'], at)
  if read then redis.call('XGROUP', 'SETID', stream, about['name'], at, 'ENTRIESREAD', read) end
end
for _, entry in ipairs(ahead) do redis.call('XADD', stream, '*', unpack(entry[2])) end
redis.call('DEL', aside)
return #ahead
