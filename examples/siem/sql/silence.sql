-- Finds: nothing has come from gridwatch for longer than is usual at this hour: one row if so, none if all is well.
-- Why: an intruder who stops the collector is seen by no detection. So this must run somewhere else than gridwatch, and
--   tell people by another way than Slack.
-- How: usual is twice the longest pause of the last 28 days that ended in the same hour of a day of the same kind (weekdays
--   and weekends apart), and never less than 30 minutes. What counts is when gridwatch first saw an entry: a backfill of
--   old entries is a sign of life.
-- False positives: a public holiday. A harmless act that Slack logs every hour (a bot that uploads a file to a test
--   channel) makes the pauses short and this sharp; it is also the only proof that the whole path works.
-- ATT&CK: T1685.002 Disable or Modify Cloud Logs
WITH arrivals AS (
  SELECT DISTINCT date_trunc('second', seen) AS seen
  FROM events
  WHERE product <> 'gridwatch' AND seen BETWEEN present() - INTERVAL 28 DAYS AND present()
),
pauses AS (
  SELECT seen, seen - lag(seen) OVER (ORDER BY seen) AS pause
  FROM arrivals
),
usual AS (
  SELECT greatest(INTERVAL 30 MINUTES, coalesce(2 * max(pause), INTERVAL 30 MINUTES)) AS longest
  FROM pauses
  WHERE hour(seen) = hour(present()) AND (isodow(seen) >= 6) = (isodow(present()) >= 6)
),
newest AS (
  SELECT max(seen) AS seen FROM events WHERE product <> 'gridwatch' AND seen <= present()
)
SELECT
  'no events from gridwatch' AS finding,
  'High' AS severity,
  seen AS last_time,
  date_diff('minute', seen, present()) AS minutes_silent,
  date_diff('minute', present(), present() + longest) AS minutes_usual
FROM newest, usual
WHERE seen IS NULL OR present() - seen > longest;
