-- Finds: the organization's own encryption keys given up or changed, or what is logged about them; tokens that outlive the
--   person they came from; credentials of the organization made or fetched.
-- Why: without its keys the organization can't lock Slack out any more, and without their log can't see who reads.
--   A preserved token is how an app stays after its owner has gone: High within 7 days of a deactivation by the same
--   admin (offboarding) if the token reads content or rules the organization, else Medium.
-- False positives: a key rotation adds one key and removes another; there should be a ticket. `ekm_slackbot_…` notices
--   follow from the others and are left out.
-- ATT&CK: T1600 Weaken Encryption, T1685.002 Disable or Modify Cloud Logs, T1550.001 Application Access Token, T1671 Cloud
--   Application Integration
WITH acts AS (
  SELECT
    *,
    texts(event, '$.unmapped.details.scopes') || texts(event, '$.unmapped.entity.app.scopes')
      || texts(event, '$.unmapped.entity.app.bot_scopes') AS scopes,
    EXISTS (
      FROM events AS gone
      WHERE gone.action = 'user_deactivated' AND gone.actor_id = events.actor_id
        AND gone.time BETWEEN events.time - INTERVAL 7 DAYS AND events.time
    ) AS is_after_leaving
  FROM events
  WHERE action IN (
    'ekm_unenrolled', 'ekm_key_removed', 'ekm_key_added', 'ekm_logging_config_set', 'ekm_clear_cache_set',
    'app_token_preserved', 'workflow_app_token_preserved', 'seamless_auth_user_token_created',
    'seamless_auth_team_token_created', 'external_auth_oauth2_token_fetched'
  )
),
-- A workflow that fetches its own credential does so every day: only its first time counts.
first_uses AS (
  FROM acts
  WHERE action <> 'external_auth_oauth2_token_fetched' OR NOT EXISTS (
    FROM events AS earlier
    WHERE earlier.action = 'external_auth_oauth2_token_fetched' AND earlier.time < acts.time
      AND (earlier.event->>'$.unmapped.details.app_id') = (acts.event->>'$.unmapped.details.app_id')
  )
)
SELECT
  CASE
    WHEN starts_with(action, 'ekm_') THEN 'encryption keys touched'
    WHEN ends_with(action, '_preserved') THEN 'token kept alive'
    ELSE 'credential made or fetched'
  END AS finding,
  CASE
    WHEN action IN ('ekm_unenrolled', 'ekm_key_removed') THEN 'Critical'
    WHEN starts_with(action, 'ekm_') THEN 'High'
    WHEN ends_with(action, '_preserved') AND is_after_leaving AND len(list_filter(scopes, lambda scope:
      regexp_matches(scope, '^admin|^auditlogs|^discovery|:history$|^files:read$|^search:read'))) > 0 THEN 'High'
    ELSE 'Medium'
  END AS severity,
  actor_id,
  actor,
  object_id AS target_id,
  ip,
  time AS first_time,
  time AS last_time,
  1 AS n,
  concat_ws(' ', action, object_name, CASE WHEN is_after_leaving THEN '(after a deactivation)' END,
    array_to_string(list_sort(list_distinct(scopes)), ' ')) AS detail,
  [uid] AS uids
FROM first_uses
ORDER BY last_time;
