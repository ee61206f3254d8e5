-- Finds: one session that in any 60 minutes comes from two networks and two kinds of client; one admin who ends the
--   sessions of 20 or more users in 60 minutes; a user whom Slack logged out as compromised.
-- Why: a session's cookie stays on the machine it was made on. A second network alone is a train ride, a second kind of
--   client alone an odd proxy; both at once is a stolen cookie. Mass resets lock people out, defenders among them.
-- How: version numbers are taken out of the user agent, so that an update is no second client. For lack of an AS number a
--   network is the first half of an IPv4 address, or the first three groups of an IPv6 one.
-- False positives: a script that somebody runs on their own session; a reset of everybody after an incident.
-- ATT&CK: T1539 Steal Web Session Cookie, T1550.004 Web Session Cookie, T1531 Account Access Removal
WITH seen AS (
  SELECT
    *,
    regexp_replace(lower(user_agent), '[0-9]+([._][0-9]+)*', '', 'g') AS client,
    CASE WHEN contains(ip, ':') THEN regexp_extract(ip, '^([0-9a-f]*:){3}') ELSE regexp_extract(ip, '^[0-9]+\.[0-9]+\.') END
      AS network
  FROM events
  WHERE session_id IS NOT NULL AND user_agent <> '' AND ip NOT IN ('', '127.0.0.1', '::1') AND actor_id IS NOT NULL
),
moved AS (
  SELECT
    *,
    count(DISTINCT network) OVER last_60m AS networks,
    count(DISTINCT client) OVER last_60m AS clients,
    list(uid) OVER last_60m AS uids,
    list(DISTINCT ip) OVER last_60m AS ips,
    min(time) OVER last_60m AS began
  FROM seen
  WINDOW last_60m AS (PARTITION BY session_id ORDER BY time RANGE BETWEEN INTERVAL 60 MINUTES PRECEDING AND CURRENT ROW)
),
ended AS (
  SELECT uid, time, actor_id, actor, ip, target_id AS user_id
  FROM events
  WHERE action IN ('user_session_reset_by_admin', 'user_session_invalidated')
  UNION ALL
  SELECT uid, time, actor_id, actor, ip, unnest(texts(event, '$.unmapped.details.succeeded_users'))
  FROM events
  WHERE action = 'bulk_session_reset_by_admin'
),
resets AS (
  SELECT
    *,
    count(DISTINCT user_id) OVER last_60m AS users,
    list(DISTINCT uid) OVER last_60m AS uids,
    min(time) OVER last_60m AS began
  FROM ended
  WHERE user_id IS DISTINCT FROM actor_id
  WINDOW last_60m AS (PARTITION BY actor_id ORDER BY time RANGE BETWEEN INTERVAL 60 MINUTES PRECEDING AND CURRENT ROW)
),
found AS (
  (
    SELECT
      'session in two places' AS finding, 'High' AS severity, actor_id, actor, actor_id AS target_id, ip,
      began AS first_time, time AS last_time, networks AS n,
      format('session {}: {}', session_id, array_to_string(list_sort(ips), ', ')) AS detail, uids
    FROM moved
    WHERE networks >= 2 AND clients >= 2
    QUALIFY row_number() OVER (PARTITION BY session_id, time::DATE ORDER BY networks DESC, time) = 1
  )
  UNION ALL
  (
    SELECT
      'sessions of many users ended', 'High', actor_id, actor, NULL, ip, began, time, users,
      format('{} users', users), uids
    FROM resets
    WHERE users >= 20
    QUALIFY row_number() OVER (PARTITION BY actor_id, time::DATE ORDER BY users DESC, time) = 1
  )
  UNION ALL
  SELECT
    'logged out by Slack as compromised', 'High', actor_id, actor, coalesce(target_id, actor_id), ip, time, time, 1,
    'Slack''s own verdict', [uid]
  FROM events
  WHERE action = 'user_logout_compromised'
)
FROM found
ORDER BY last_time;
