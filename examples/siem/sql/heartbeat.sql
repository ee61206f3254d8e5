-- Finds: no heartbeat of gridwatch by the time that the last one promised; numbers of heartbeats that are missing; two
--   heartbeats of one number, of which one was made up; one that does not follow the one before it. No row if all is well.
-- Why: an intruder who stops the collector is seen by no detection. So this must run somewhere else than gridwatch, every
--   5 minutes, and tell people by another way than Slack.
-- False positives: maintenance of gridwatch's host. After an orderly stop the last heartbeat promises no next one, and the
--   row says so. A line that the agent has not shipped yet looks like a missing one: the limit has 5 minutes for that.
-- ATT&CK: T1685.002 Disable or Modify Cloud Logs
WITH beats AS (
  SELECT
    time,
    event->>'$.unmapped.heartbeat.chain' AS chain,
    (event->>'$.unmapped.heartbeat.number')::BIGINT AS number,
    event->>'$.unmapped.heartbeat.previous' AS previous,
    event->>'$.unmapped.heartbeat.hash' AS hash,
    epoch_ms((event->>'$.unmapped.heartbeat.next')::BIGINT) AS next
  FROM events
  WHERE action = 'gridwatch.heartbeat' AND time BETWEEN present() - INTERVAL 7 DAYS AND present()
),
newest AS (
  SELECT max(time) AS last_time, arg_max(next, time) AS next FROM beats
),
followed AS (
  SELECT *, lag(number) OVER chained AS number_before, lag(hash) OVER chained AS hash_before
  FROM beats
  WINDOW chained AS (PARTITION BY chain ORDER BY number, time)
)
SELECT
  CASE WHEN last_time IS NOT NULL AND next IS NULL THEN 'gridwatch was stopped' ELSE 'no heartbeat from gridwatch' END AS finding,
  'High' AS severity,
  last_time,
  date_diff('minute', last_time, present()) AS minutes_silent,
  NULL::BIGINT AS number
FROM newest
WHERE last_time IS NULL OR present() > coalesce(next, last_time) + INTERVAL 5 MINUTES
UNION ALL
SELECT
  CASE
    WHEN number = number_before THEN 'two heartbeats of one number'
    WHEN number > number_before + 1 THEN 'heartbeats are missing before this one'
    ELSE 'a heartbeat does not follow the one before it'
  END,
  'High',
  time,
  NULL,
  number
FROM followed
WHERE number_before IS NOT NULL AND (number <> number_before + 1 OR previous <> hash_before)
ORDER BY last_time;
