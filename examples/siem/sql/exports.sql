-- Finds: every export that is started, downloaded or made possible by somebody who isn't known to do that, and whether it
--   was downloaded by another person than the one who started it, or from another address.
-- Why: an export holds what no reader could take one by one. The usual rate is near nothing, so no volume is asked for.
-- False positives: compliance and legal. Put their user ids into `exporters`.
-- ATT&CK: T1530 Data from Cloud Storage, T1213.005 Messaging Applications
WITH exporters(user_id) AS (
  VALUES ('U000EXAMPLE')
),
steps AS (
  SELECT
    *,
    regexp_replace(action, '_(started|downloaded)$', '') AS kind,
    ends_with(action, '_started') AS is_start,
    ends_with(action, '_downloaded') AS is_download
  FROM events
  WHERE action IN (
    'corporate_exports_approved', 'corporate_exports_enabled', 'organization_channel_audit_export_enabled',
    'workspace_channel_audit_export_enabled', 'export_app_configuration_upserted', 'workflow_responses_csv_download',
    'export_private_channel_analytics_created', 'manual_export_started', 'manual_export_downloaded',
    'manual_user_export_started', 'manual_user_export_downloaded', 'scheduled_export_started', 'scheduled_export_downloaded',
    'channels_export_started', 'channels_export_downloaded', 'channel_audit_export_started',
    'channel_audit_export_downloaded', 'search_query_audit_logs_export_started',
    'search_query_audit_logs_export_downloaded', 'security_settings_export_started', 'audit_logs_export_csv_started',
    'audit_logs_export_json_started'
  )
),
-- Each download beside the newest start of the same kind in the week before it.
compared AS (
  SELECT
    steps.*,
    CASE WHEN steps.is_download AND steps.time - starts.time <= INTERVAL 7 DAYS THEN starts.actor_id END AS starter_id,
    CASE WHEN steps.is_download AND steps.time - starts.time <= INTERVAL 7 DAYS THEN starts.ip END AS start_ip
  FROM steps ASOF LEFT JOIN (FROM steps WHERE is_start) AS starts
    ON steps.kind = starts.kind AND steps.time >= starts.time
)
SELECT
  CASE
    WHEN starter_id <> actor_id THEN 'export started by one, downloaded by another'
    WHEN start_ip <> ip THEN 'export downloaded elsewhere'
    WHEN is_start THEN 'export started'
    WHEN is_download THEN 'export downloaded'
    WHEN ends_with(action, '_enabled') OR ends_with(action, '_approved') OR ends_with(action, '_upserted')
      THEN 'exports made possible'
    ELSE 'report taken'
  END AS finding,
  CASE finding WHEN 'report taken' THEN 'Medium' ELSE 'High' END AS severity,
  actor_id,
  actor,
  starter_id AS target_id,
  ip,
  time AS first_time,
  time AS last_time,
  1 AS n,
  concat_ws(' ', action, event->>'$.unmapped.details.export_type') AS detail,
  [uid] AS uids
FROM compared
WHERE actor_id NOT IN (FROM exporters) OR starter_id NOT IN (FROM exporters)
ORDER BY last_time;
