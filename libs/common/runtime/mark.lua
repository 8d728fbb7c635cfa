#!lua flags=allow-oom
-- A stage's low-water mark, unless another process has claimed its partition: that one may have older snapshots.
--
-- KEYS[1] the checkpoint   KEYS[2] the marks of the inbox
-- ARGV[1] the epoch        ARGV[2] the stage   ARGV[3] the id below which it needs nothing
--
-- Returns OK, or the epoch that has claimed the partition, or GONE without a checkpoint. Allowed when memory is full: trimming waits for it.

local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return {'GONE'} end
if epoch ~= ARGV[1] then
  return {'FENCED', epoch}
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return redis.status_reply('OK')
