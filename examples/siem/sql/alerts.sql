-- Finds: gridwatch's own alerts of the last 7 days that are not suppressed, each at its newest state, worst first.
-- Why: gridwatch sends an alert when it opens, at once for what is news, for more of the same now and then, and with
--   its final numbers, with one `uid` for all of these. The list to work from has a row for each alert and not for
--   each message. Slack's own findings have class 2004 too; these have the product gridwatch and a `finding_info.uid`
--   that begins with gw-.
-- False positives: those of the rules, which each rule names in its manifest.
-- ATT&CK: as the rules say, in `techniques`
WITH alerts AS (
  SELECT *, event->>'$.finding_info.uid' AS alert_id, (event->>'$.metadata.uid').split(':')[-1]::INTEGER AS revision
  FROM events
  WHERE class_uid = 2004 AND product = 'gridwatch'
)
SELECT
  action || ': ' || (event->>'$.finding_info.title') AS finding,
  severity,
  actor_id,
  actor,
  alert_id AS target_id,
  event->>'$.evidences[0].src_endpoint.ip' AS ip,
  epoch_ms((event->>'$.finding_info.first_seen_time')::BIGINT) AS first_time,
  epoch_ms((event->>'$.finding_info.last_seen_time')::BIGINT) AS last_time,
  (event->>'$.count')::BIGINT AS n,
  array_to_string(list_concat(
    json_extract_string(event, '$.finding_info.attacks[*].technique.uid'),
    json_extract_string(event, '$.finding_info.attacks[*].sub_technique.uid')
  ), ' ') AS techniques,
  split_part(event->>'$.remediation.desc', chr(10), 1) AS first_step,
  json_extract_string(event, '$.evidences[*].uid') AS uids
FROM alerts
WHERE (event->>'$.is_alert') = 'true' AND time >= present() - INTERVAL 7 DAYS
QUALIFY row_number() OVER (PARTITION BY alert_id ORDER BY revision DESC, time DESC) = 1
ORDER BY (event->>'$.severity_id')::INTEGER DESC, last_time DESC;
