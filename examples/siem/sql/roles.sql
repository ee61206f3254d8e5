-- Finds: somebody is made admin or owner, or gets a role or permissions, also through a user group that carries a role;
--   ownership goes to somebody else. `detail` says what the one who gained it did with it in the next 24 hours.
-- Why: everything else an intruder wants starts here. Critical if people serve themselves, if the one who grants it is
--   known to be no admin, or if it is used for exports, apps, sign-in settings or keys within a day. Else a new admin is
--   Medium, a role in one workspace is Low, and what reaches farther is High. Rights of an account type, which are nobody's
--   in particular, are Low for owners and admins, Medium for a workspace's members, and High for guests, of the whole
--   organization, and where it isn't said whose or where.
-- Left out: roles in a channel, as whoever makes one gets one; what Slack lets the account types do in a workspace or
--   organization within ten minutes of its making; what is taken away (`role_change_to_user`, `…_guest`, a right that is no
--   longer allowed). Our module `privilege` does better: it tells of channel roles other than manager, and of guests who get
--   one; of several places it takes the widest, where this counts as nothing said; it knows guests and bots as targets, those
--   who were made admin yesterday, new networks, and whose work it is to grant roles (`it_admins`).
-- False positives: IT making a colleague admin; there should be a ticket. An identity provider that assigns roles: put its
--   app id into `provisioning_apps`; what it does to itself stays in.
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
    -- 2 is to revoke: rights may be set to "not allowed".
    AND (event->>'$.activity_id') <> '2'
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
    actor_type_id NOT IN (0, 2, 3) AND actor_type <> 'User' AS is_by_no_admin,
    -- The place of a role or right stands beside it: a channel, a workspace (T…) or the organization (E…).
    coalesce(event->>'$.resources[1].uid', '') AS place,
    coalesce((event->>'$.resources[0].type') = 'account_type_role', FALSE) AND target_id IS NULL AS is_of_type
  FROM grants LEFT JOIN used ON uid = grant_uid
)
SELECT
  CASE WHEN contains(action, 'owner_transferred') THEN 'ownership transferred' ELSE 'privilege granted' END AS finding,
  CASE WHEN is_own OR is_by_no_admin OR then_did IS NOT NULL OR contains(action, 'owner_transferred') THEN 'Critical'
       WHEN is_of_type AND regexp_matches(object_name, 'owner|admin', 'i') THEN 'Low'
       WHEN is_of_type AND place LIKE 'T%' AND NOT regexp_matches(object_name, 'guest|restricted', 'i') THEN 'Medium'
       WHEN is_of_type THEN 'High'
       WHEN action = 'role_change_to_admin' THEN 'Medium'
       WHEN action IN ('role_assigned', 'permissions_assigned') AND place LIKE 'T%' THEN 'Low'
       ELSE 'High' END AS severity,
  actor_id,
  actor,
  coalesce(target_id, CASE WHEN is_of_type THEN nullif(place, '') END, object_id) AS target_id,
  ip,
  time AS first_time,
  time AS last_time,
  1 AS n,
  concat_ws('; ',
    concat_ws(' ', action, coalesce(event->>'$.privileges[0]', object_name)),
    CASE WHEN is_of_type THEN 'for ' || object_name END,
    CASE WHEN is_own THEN 'to themselves' END,
    CASE WHEN is_by_no_admin THEN 'by no admin' END,
    'then: ' || array_to_string(then_did, ', ')
  ) AS detail,
  [uid] AS uids
FROM judged
WHERE (is_own OR coalesce(via_app_id, '') NOT IN (FROM provisioning_apps))
  AND NOT regexp_matches(place, '^[CDG]')
  AND NOT (is_of_type AND EXISTS (
    FROM events AS made
    WHERE made.action IN ('workspace_created', 'organization_created') AND made.object_id = place
      AND judged.time BETWEEN made.time AND made.time + INTERVAL 10 MINUTES
  ))
ORDER BY last_time;
