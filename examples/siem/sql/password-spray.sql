-- Finds: one address from which the sign-ins of 5 or more users failed 15 or more times in any 60 minutes, a few tries
--   each: none above 8, at least 6 in 10 users with 2 to 6, over 5 minutes or longer. 20 users need no such shape.
-- Why: a spray tries few passwords on many accounts, so that no account shows a burst. `detail` says who signed in from the
--   address then; `actor_id` is the first of them, or else one of those tried.
-- False positives: an office or VPN on a morning when single sign-on is down. Put your own addresses into
--   `corporate_egress`; they are left out of this query and of no other.
-- ATT&CK: T1110.003 Password Spraying
WITH corporate_egress(prefix) AS (
  VALUES ('198.51.100.'), ('2001:db8:ffff:')
),
failures AS (
  SELECT
    *,
    count(DISTINCT actor_id) OVER last_60m AS users,
    count(*) OVER last_60m AS failed
  FROM events
  WHERE action = 'user_login_failed' AND ip IS NOT NULL AND actor_id IS NOT NULL
    AND NOT EXISTS (FROM corporate_egress WHERE starts_with(events.ip, prefix))
  WINDOW last_60m AS (PARTITION BY ip ORDER BY time RANGE BETWEEN INTERVAL 60 MINUTES PRECEDING AND CURRENT ROW)
),
-- The fullest window of each address and day.
fullest AS (
  SELECT ip, time AS ended
  FROM failures
  WHERE users >= 5 AND failed >= 15
  QUALIFY row_number() OVER (PARTITION BY ip, time::DATE ORDER BY users DESC, failed DESC, time) = 1
),
tries AS (
  SELECT ip, ended, actor_id, count(*) AS n, min(time) AS began, list(uid) AS uids
  FROM fullest JOIN failures USING (ip)
  WHERE time BETWEEN ended - INTERVAL 60 MINUTES AND ended
  GROUP BY ALL
),
sprays AS (
  SELECT
    ip,
    ended,
    min(began) AS began,
    sum(n) AS n,
    list(actor_id ORDER BY actor_id) AS tried,
    flatten(list(uids)) AS uids
  FROM tries
  GROUP BY ALL
  HAVING count(*) >= 20
    OR (max(n) <= 8 AND count(*) FILTER (n BETWEEN 2 AND 6) >= 0.6 * count(*) AND ended - min(began) >= INTERVAL 5 MINUTES)
),
got_in AS (
  SELECT ip, ended, list(DISTINCT actor_id ORDER BY actor_id) AS users
  FROM sprays JOIN events USING (ip)
  WHERE action = 'user_login' AND time BETWEEN began AND ended + INTERVAL 60 MINUTES
  GROUP BY ALL
)
SELECT
  'password spray' AS finding,
  CASE WHEN users IS NULL THEN 'Medium' ELSE 'High' END AS severity,
  coalesce(users, tried)[1] AS actor_id,
  NULL AS actor,
  NULL AS target_id,
  ip,
  began AS first_time,
  ended AS last_time,
  n::BIGINT AS n,
  format('{} users tried; signed in: {}', len(tried), coalesce(array_to_string(users, ', '), 'nobody')) AS detail,
  uids
FROM sprays LEFT JOIN got_in USING (ip, ended)
ORDER BY last_time;
