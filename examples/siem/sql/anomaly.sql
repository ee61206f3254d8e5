-- Finds: Slack's own anomalies, one row for each user and day with all their reasons. High: `session_fingerprint`,
--   `unexpected_admin_action`, `unexpected_credential_testing`, or two of `tor`, `asn`, `spoofed_user_agent`,
--   `unexpected_client`. Medium: the other telling ones, one we have no rating for, or none at all. Else Low.
-- Why: a rule that passes them all on drowns; one that reads the first reason only misses the telling ones.
--   gridwatch's own alerts, of the same class 2004, are left out: their product is gridwatch, and their action is a rule.
-- False positives: a new phone or home provider. A change of address alone is left out, unless Slack says that the address
--   is in a cloud or on its list of bad ones. Networks on Slack's anomaly allowlist make no anomalies: nothing here does
--   not mean clean.
-- ATT&CK: T1078.004 Cloud Accounts, T1539 Steal Web Session Cookie, T1090.003 Multi-hop Proxy
WITH anomalies AS (
  SELECT
    *,
    CASE WHEN (event->'$.finding_info.types') IS NOT NULL THEN texts(event, '$.finding_info.types')
         WHEN (event->'$.status_detail') IS NOT NULL THEN texts(event, '$.status_detail')
         ELSE texts(event, '$.unmapped.details.reason') END AS reasons,
    texts(event, '$.unmapped.details.ip_address_details') AS about_ip
  FROM events
  WHERE action = 'anomaly'
),
telling AS (
  SELECT * FROM anomalies
  WHERE reasons <> ['ip_address'] OR list_has_any(about_ip, ['cloud-asn', 'in-ioc-list'])
),
by_day AS (
  SELECT
    coalesce(actor_id, target_id) AS actor_id,
    any_value(actor) AS actor,
    min(time) AS first_time,
    max(time) AS last_time,
    count(*) AS n,
    list_sort(list_distinct(flatten(list(reasons)))) AS reasons,
    bool_or(len(reasons) = 0 OR list_contains(about_ip, 'in-ioc-list')) AS is_odd,
    arg_max(ip, time) AS ip,
    list(uid) AS uids
  FROM telling
  GROUP BY coalesce(actor_id, target_id), time::DATE
)
SELECT
  'anomaly: ' || coalesce(nullif(array_to_string(reasons, ', '), ''), 'no reason given') AS finding,
  CASE
    WHEN list_has_any(reasons, ['session_fingerprint', 'unexpected_admin_action', 'unexpected_credential_testing'])
      OR len(list_intersect(reasons, ['tor', 'asn', 'spoofed_user_agent', 'unexpected_client'])) >= 2 THEN 'High'
    WHEN is_odd OR len(list_filter(reasons, lambda reason: reason NOT IN (
      'asn', 'ip_address', 'excessive_file_shares', 'unexpected_client', 'unexpected_user_agent', 'user_agent',
      'potential_spam', 'search_volume'))) > 0 THEN 'Medium'
    ELSE 'Low'
  END AS severity,
  actor_id,
  actor,
  actor_id AS target_id,
  ip,
  first_time,
  last_time,
  n,
  array_to_string(reasons, ', ') AS detail,
  uids
FROM by_day
ORDER BY last_time;
