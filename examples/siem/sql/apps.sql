-- Finds: an app that is let in, or gains scopes, and may do much: its strongest new scope and the doubts about it add up
--   to 5 (Medium) or more (6: High).
-- Why: an app outlives the password and the session of whoever installed it. A scope is worth 4 if it rules the
--   organization or reads its audit log, 3 if it reads what people wrote, 2 if it impersonates, 1 otherwise. A doubt is
--   worth 1: installed by somebody who is no admin, not approved for Slack's directory, made in-house.
-- How: what is new is new minus previous. Slack logs `app_scopes_expanded` also if nothing is.
-- False positives: developers in a sandbox workspace, a planned roll-out. Put an app and all the scopes it may have into
--   `known_apps`; one more than these, and it is judged like any other.
-- ATT&CK: T1671 Cloud Application Integration, T1528 Steal Application Access Token, T1098.001 Additional Cloud Credentials
WITH known_apps(app_id, may) AS (
  VALUES ('A000EXAMPLE', ['chat:write', 'users:read'])
),
let_in AS (
  SELECT
    *,
    texts(event, '$.unmapped.details.previous_scopes') || texts(event, '$.unmapped.details.old_scopes') AS previous,
    CASE
      WHEN action IN ('app_scopes_expanded', 'bot_token_upgraded') THEN
        texts(event, '$.unmapped.details.new_scopes') || texts(event, '$.unmapped.details.scopes')
          || texts(event, '$.unmapped.details.bot_scopes')
      ELSE
        texts(event, '$.unmapped.entity.app.scopes') || texts(event, '$.unmapped.entity.app.bot_scopes')
          || texts(event, '$.unmapped.entity.app.scopes_bot') || texts(event, '$.unmapped.details.new_scopes')
    END AS scopes
  FROM events
  WHERE action IN (
    'app_installed', 'org_app_installed', 'org_app_workspace_added', 'org_app_upgraded_to_org_install', 'app_approved',
    'app_resources_granted', 'cli_app_install', 'app_deployed', 'child_app_auto_installed', 'app_scopes_expanded',
    'bot_token_upgraded'
  )
),
gained AS (
  SELECT let_in.*, list_sort(list_distinct(list_filter(scopes, lambda scope:
    NOT list_contains(previous, scope) AND NOT list_contains(coalesce(may, []), scope)))) AS added
  FROM let_in LEFT JOIN known_apps ON app_id = object_id
),
rated AS (
  SELECT
    *,
    list_max(list_transform(added, lambda scope: CASE
      WHEN scope = 'admin' OR scope = 'auditlogs:read' OR regexp_matches(scope, '^(admin\.|discovery:)') THEN 4
      WHEN scope = 'files:read' OR regexp_matches(scope, ':history$|^search:read|^m?p?im:') THEN 3
      WHEN scope IN ('users:read.email', 'chat:write.customize', 'incoming-webhook') THEN 2
      ELSE 1
    END)) AS tier,
    list_filter([
      CASE WHEN actor_type_id IS DISTINCT FROM 2 THEN 'by no admin' END,
      CASE WHEN (event->>'$.unmapped.entity.app.is_directory_approved') = 'false' THEN 'not in Slack''s directory' END,
      CASE WHEN (event->>'$.unmapped.details.is_internal_integration') = 'true' THEN 'made in-house' END
    ], lambda doubt: doubt IS NOT NULL) AS doubts
  FROM gained
  WHERE len(added) > 0
)
SELECT
  CASE WHEN len(previous) > 0 THEN 'app gained scopes' ELSE 'app let in' END AS finding,
  CASE WHEN tier + len(doubts) >= 6 THEN 'High' ELSE 'Medium' END AS severity,
  actor_id,
  actor,
  object_id AS target_id,
  ip,
  time AS first_time,
  time AS last_time,
  tier + len(doubts) AS n,
  format('{} ({}): {}', coalesce(object_name, '?'), array_to_string(doubts, ', '), array_to_string(added, ' ')) AS detail,
  [uid] AS uids
FROM rated
WHERE tier + len(doubts) >= 5
ORDER BY last_time;
