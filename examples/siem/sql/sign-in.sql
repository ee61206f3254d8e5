-- Finds: 10 or more failed sign-ins of one user in any 10 minutes, and a success within 60 minutes of 5 or more failures.
-- Why: somebody guesses a password, and in the second case may have found it. The window slides, so no burst is cut in two
--   by a full hour. A success from an address the user had never acted from before is High, any other Medium.
-- False positives: a phone that keeps trying an old password; somebody who remembers the password at the sixth try.
-- ATT&CK: T1110.001 Password Guessing, T1078.004 Cloud Accounts
WITH sign_ins AS (
  SELECT
    *,
    count(*) FILTER (action = 'user_login_failed') OVER last_10m AS failed_10m,
    count(*) FILTER (action = 'user_login_failed') OVER last_60m AS failed_60m,
    min(time) FILTER (action = 'user_login_failed') OVER last_60m AS began,
    list(uid) OVER last_60m AS uids
  FROM events
  WHERE action IN ('user_login', 'user_login_failed') AND actor_id IS NOT NULL
  WINDOW
    last_10m AS (PARTITION BY actor_id ORDER BY time RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND CURRENT ROW),
    last_60m AS (PARTITION BY actor_id ORDER BY time RANGE BETWEEN INTERVAL 60 MINUTES PRECEDING AND CURRENT ROW)
),
judged AS (
  SELECT
    *,
    NOT EXISTS (
      FROM events AS known
      WHERE known.actor_id = sign_ins.actor_id AND known.ip = sign_ins.ip
        AND known.time < sign_ins.began AND known.action <> 'user_login_failed'
    ) AS is_new_address
  FROM sign_ins
  WHERE failed_10m >= 10 OR (action = 'user_login' AND failed_60m >= 5)
)
SELECT
  CASE action WHEN 'user_login' THEN 'failures, then a sign-in' ELSE 'burst of failed sign-ins' END AS finding,
  CASE WHEN action <> 'user_login' THEN 'Low' WHEN is_new_address THEN 'High' ELSE 'Medium' END AS severity,
  actor_id,
  actor,
  actor_id AS target_id,
  ip,
  began AS first_time,
  time AS last_time,
  failed_60m AS n,
  CASE WHEN is_new_address THEN 'address not seen before' ELSE 'known address' END AS detail,
  uids
FROM judged
-- One row for each user, kind and day: the fullest window.
QUALIFY row_number() OVER (PARTITION BY actor_id, action, time::DATE ORDER BY failed_60m DESC, time) = 1
ORDER BY last_time;
