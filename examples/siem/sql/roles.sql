-- Finds: somebody is made admin or owner, or gets a role or permissions, also through a user group that carries a role;
--   ownership goes to somebody else. `detail` says what the one who gained it did with it in the next 24 hours.
-- Why: everything else an intruder wants starts here. Critical if people serve themselves, if the one who grants it is
--   known to be no admin, or if it is used for exports, apps, sign-in settings or keys within a day.
-- False positives: IT making a colleague admin; there should be a ticket. An identity provider that assigns roles: put its
--   app id into `provisioning_apps`; what it does to itself stays in. Losing a role (`role_change_to_user`, `…_guest`) is
--   no finding, nor is a role in one channel: whoever makes a channel gets one.
-- ATT&CK: T1098.003 Additional Cloud Roles, T1078.004 Cloud Accounts
WITH provisioning_apps(app_id) AS (
  VALUES ('A000EXAMPLE')
),
-- Groups and when they got or lost a role.
group_roles AS (
  SELECT object_id AS group_id, time, action = 'role_added_to_usergroup' AS carries
  FROM events
  WHERE action IN ('role_added_to_usergroup', 'role_removed_from_usergroup')
),
added AS (
  SELECT events.*, coalesce(carries, FALSE) AS carries
  FROM (FROM events WHERE action = 'user_added_to_usergroup') AS events
  ASOF LEFT JOIN group_roles ON events.object_id = group_roles.group_id AND events.time >= group_roles.time
),
grants AS (
  SELECT uid, time, action, actor_id, actor, actor_type, actor_type_id, via_app_id, target_id, object_id, object_name, ip, event
  FROM events
  WHERE action IN (
    'role_change_to_admin', 'role_change_to_owner', 'org_owner_created', 'role_assigned', 'permissions_assigned',
    'role_added_to_usergroup', 'owner_transferred'
  )
    -- The place of a role stands beside it.
    AND NOT (action = 'role_assigned' AND regexp_matches(coalesce(event->>'$.resources[1].uid', ''), '^[CG]'))
  UNION ALL
  SELECT uid, time, action, actor_id, actor, actor_type, actor_type_id, via_app_id, target_id, object_id, object_name, ip, event
  FROM added
  WHERE carries
),
used AS (
  SELECT grants.uid AS grant_uid, list(DISTINCT events.action ORDER BY events.action) AS actions
  FROM grants JOIN events ON events.actor_id = grants.target_id
  WHERE events.time BETWEEN grants.time AND grants.time + INTERVAL 24 HOURS AND events.uid <> grants.uid
    AND regexp_matches(events.action,
      '_export_|^app_installed$|^app_approved$|^idp_|^auth_policy_|^pref\.(sso|two_factor)|^ekm_|^legal_hold_')
  GROUP BY ALL
),
judged AS (
  SELECT
    grants.*,
    actions AS then_did,
    coalesce(actor_id = target_id, FALSE) AS is_own,
    -- `User` is the class's own word for "nothing was said".
    actor_type_id NOT IN (0, 2, 3) AND actor_type <> 'User' AS is_by_no_admin
  FROM grants LEFT JOIN used ON uid = grant_uid
)
SELECT
  CASE WHEN contains(action, 'owner_transferred') THEN 'ownership transferred' ELSE 'privilege granted' END AS finding,
  CASE WHEN is_own OR is_by_no_admin OR then_did IS NOT NULL OR contains(action, 'owner_transferred') THEN 'Critical'
       ELSE 'High' END AS severity,
  actor_id,
  actor,
  coalesce(target_id, object_id) AS target_id,
  ip,
  time AS first_time,
  time AS last_time,
  1 AS n,
  concat_ws('; ',
    concat_ws(' ', action, coalesce(event->>'$.privileges[0]', object_name)),
    CASE WHEN is_own THEN 'to themselves' END,
    CASE WHEN is_by_no_admin THEN 'by no admin' END,
    'then: ' || array_to_string(then_did, ', ')
  ) AS detail,
  [uid] AS uids
FROM judged
WHERE is_own OR coalesce(via_app_id, '') NOT IN (FROM provisioning_apps)
ORDER BY last_time;
