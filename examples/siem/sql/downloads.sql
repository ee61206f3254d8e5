-- Finds: somebody who takes away 30 or more different files, canvases or lists in any 60 minutes, and 5 times as many as in
--   nearly all (95 %) of their own hours before.
-- Why: exfiltration by the user interface. Different files are counted and not entries: Slack writes `file_downloaded` for
--   viewing too, and one video played makes 19 of them in 38 seconds.
-- False positives: a laptop being set up, a hand-over of a project. An eDiscovery or DLP app downloads in the name of who
--   installed it: put its id into `collectors`.
-- ATT&CK: T1530 Data from Cloud Storage, T1567 Exfiltration Over Web Service
WITH collectors(app_id) AS (
  VALUES ('A000EXAMPLE')
),
taken AS (
  SELECT *
  FROM events
  WHERE action IN ('file_downloaded', 'canvas_downloaded', 'list_downloaded')
    AND object_id IS NOT NULL AND actor_id IS NOT NULL
    AND coalesce(via_app_id, '') NOT IN (FROM collectors)
),
counted AS (
  SELECT
    *,
    count(DISTINCT object_id) OVER last_60m AS files,
    min(time) OVER last_60m AS began,
    list(uid) OVER last_60m AS uids
  FROM taken
  WINDOW last_60m AS (PARTITION BY actor_id ORDER BY time RANGE BETWEEN INTERVAL 60 MINUTES PRECEDING AND CURRENT ROW)
),
hours AS (
  SELECT actor_id, date_trunc('hour', time) AS hour, count(DISTINCT object_id) AS files
  FROM taken
  GROUP BY ALL
),
judged AS (
  SELECT
    *,
    (
      SELECT coalesce(quantile_cont(hours.files, 0.95), 0)
      FROM hours
      WHERE hours.actor_id = counted.actor_id
        AND hours.hour BETWEEN counted.began - INTERVAL 28 DAYS AND counted.began - INTERVAL 60 MINUTES
    ) AS usual
  FROM counted
  WHERE files >= 30
)
SELECT
  'many files taken' AS finding,
  'Medium' AS severity,
  actor_id,
  actor,
  NULL AS target_id,
  ip,
  began AS first_time,
  time AS last_time,
  files AS n,
  format('{} different files; {:.1f} in a busy hour before', files, usual) AS detail,
  uids
FROM judged
WHERE files >= 5 * usual
QUALIFY row_number() OVER (PARTITION BY actor_id, time::DATE ORDER BY files DESC, time) = 1
ORDER BY last_time;
