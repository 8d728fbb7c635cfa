#!lua flags=allow-oom
-- Publish a copy of a snapshot whose chunks are written and verified, and drop every other chunk; or only the latter.
--
-- KEYS[1] the checkpoint   KEYS[2] the copy: a hash of `header` and of chunks, each `generation/number`
-- ARGV[1] the epoch        ARGV[2] the generation whose chunks stay        ARGV[3] its header, or empty: as it was
--
-- Returns OK, or the epoch that has claimed the partition. Allowed when memory is full: it frees more than it takes.

local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch ~= ARGV[1] then
  return {'FENCED', epoch}
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], 'header', ARGV[3]) end
local keep = ARGV[2] .. '/'
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  if name ~= 'header' and string.sub(name, 1, #keep) ~= keep then redis.call('HDEL', KEYS[2], name) end
end
return redis.status_reply('OK')
