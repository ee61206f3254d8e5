-- Finds: changes that make signing in easier for an intruder: two-factor or single sign-on no longer required, an account
--   exempt from them, an identity provider added, changed or removed, sessions that last longer, address ranges opened,
--   Slack's own answer to anomalies switched off.
-- Why: Slack logs no per-user second factor, so the organization's settings are what can be watched. Each is rare.
-- How: what is set to a stricter value is left out, and so is what was set to what it already was. A change whose
--   direction can't be told from its values stays in, as Medium.
-- False positives: a planned change; there should be a ticket. A certificate rotation is a change of the provider.
-- ATT&CK: T1556.006 Multi-Factor Authentication, T1484.002 Trust Modification, T1685 Disable or Modify Tools
WITH changes AS (
  SELECT
    *,
    lower(event->>'$.entity.policy.data') AS before,
    lower(event->>'$.entity_result.policy.data') AS after
  FROM events
  WHERE action IN (
    'pref.two_factor_auth_changed', 'pref.two_factor_prevent_sms_changed', 'pref.sso_setting_changed',
    'pref.session_duration_changed', 'pref.mobile_session_duration_changed', 'pref.anomaly_event_response_changed',
    'enterprise_managed_auth_disabled', 'enterprise_managed_auth_rebound', 'idp_configuration_added',
    'idp_configuration_deleted', 'idp_prod_configuration_updated', 'auth_policy_created', 'auth_policy_entity_assigned',
    'ip_allowlist_disabled', 'team_authorized_ip_range_added', 'user_anomaly_event_response_allowlist_changed',
    'user_anomaly_event_reponse_allowlist_changed', 'usergroup_anomaly_event_response_allowlist_changed'
  )
),
directed AS (
  SELECT
    *,
    CASE
      -- Only preferences have a direction; the other actions are it.
      WHEN NOT starts_with(action, 'pref.') THEN 'weaker'
      WHEN before = after THEN 'same'
      -- Longer, or for ever (0), is weaker.
      WHEN contains(action, 'session_duration') THEN CASE
        WHEN try_cast(after AS BIGINT) = 0 OR try_cast(after AS BIGINT) > try_cast(before AS BIGINT)
          AND try_cast(before AS BIGINT) <> 0 THEN 'weaker'
        WHEN try_cast(after AS BIGINT) IS NOT NULL AND try_cast(before AS BIGINT) IS NOT NULL THEN 'stricter'
        ELSE 'unclear'
      END
      WHEN after IN ('false', '0', 'off', 'none', 'no', 'disabled', 'optional') THEN 'weaker'
      WHEN after IN ('true', '1', 'on', 'all', 'yes', 'enabled', 'required') THEN 'stricter'
      ELSE 'unclear'
    END AS direction
  FROM changes
)
SELECT
  CASE direction WHEN 'unclear' THEN 'sign-in setting changed' ELSE 'sign-in weakened' END AS finding,
  CASE direction WHEN 'unclear' THEN 'Medium' ELSE 'High' END AS severity,
  actor_id,
  actor,
  coalesce(target_id, workspace_id) AS target_id,
  ip,
  time AS first_time,
  time AS last_time,
  1 AS n,
  action || CASE WHEN after IS NULL THEN '' ELSE format(': {} -> {}', coalesce(before, '?'), after) END AS detail,
  [uid] AS uids
FROM directed
WHERE direction IN ('weaker', 'unclear')
ORDER BY last_time;
