-- Finds: a door opened to an organization that was not seen before (High for a private channel); a channel whose host is now
--   another organization; the rules for Slack Connect loosened; a guest who is made permanent and then joins 3 or more
--   private channels.
-- Why: what is shared with another organization leaves the reach of one's own rules. Invitations sent are daily business;
--   what counts is that one was accepted. A guest is meant to end: one that doesn't is an account outside of the directory.
-- False positives: a new partner. After its first time an organization is known, for as long as its events are kept.
-- ATT&CK: T1199 Trusted Relationship, T1136.003 Cloud Account, T1537 Transfer Data to Cloud Account
WITH own(id) AS (
  SELECT workspace_id FROM events WHERE workspace_id IS NOT NULL
  UNION
  SELECT event->>'$.cloud.org.uid' FROM events WHERE (event->'$.cloud.org.uid') IS NOT NULL
),
-- Each opening with the other organization. Details name both sides; the other is the one that isn't ours.
openings AS (
  SELECT
    *,
    (
      SELECT any_value(id)
      FROM unnest([
        event->>'$.unmapped.details.external_organization_id', event->>'$.unmapped.details.origin_team',
        event->>'$.unmapped.details.target_team', event->>'$.unmapped.details.added_team_id'
      ]) AS sides(id)
      WHERE id IS NOT NULL AND id NOT IN (SELECT own.id FROM own)
    ) AS partner
  FROM events
  WHERE action IN (
    'external_shared_channel_connected', 'external_shared_channel_invite_accepted',
    'external_shared_channel_invite_approved', 'connect_dm_invite_accepted', 'approved_orgs_added'
  )
),
firsts AS (
  FROM openings
  WHERE partner IS NOT NULL
  QUALIFY row_number() OVER (PARTITION BY partner ORDER BY time, uid) = 1
),
guests AS (
  SELECT
    made.target_id AS guest_id,
    any_value(made.target) AS guest,
    arg_min(lasting.actor_id, lasting.time) AS actor_id,
    arg_min(lasting.actor, lasting.time) AS actor,
    arg_min(lasting.ip, lasting.time) AS ip,
    min(made.time) AS first_time,
    max(joins.time) AS last_time,
    count(DISTINCT joins.object_id) AS channels,
    list(DISTINCT made.uid) || list(DISTINCT lasting.uid) || list(DISTINCT joins.uid) AS uids
  FROM events AS made
  JOIN events AS lasting ON lasting.target_id = made.target_id
    AND lasting.action IN ('guest_expiration_cleared', 'guest_transferred_to_external_user')
    AND lasting.time BETWEEN made.time AND made.time + INTERVAL 14 DAYS
  JOIN events AS joins ON joins.actor_id = made.target_id AND joins.action = 'guest_channel_join'
    AND (joins.event->>'$.unmapped.entity.channel.privacy') = 'private'
    AND joins.time BETWEEN lasting.time AND made.time + INTERVAL 14 DAYS
  WHERE made.action = 'guest_created'
  GROUP BY made.target_id
),
found AS (
  SELECT
    'door opened to a new organization' AS finding,
    CASE WHEN (event->>'$.web_resources[0].data.privacy') = 'private' THEN 'High' ELSE 'Medium' END AS severity,
    actor_id,
    actor,
    partner AS target_id,
    ip,
    time AS first_time,
    time AS last_time,
    1 AS n,
    concat_ws(' ', action, object_name, event->>'$.unmapped.details.external_organization_name') AS detail,
    [uid] AS uids
  FROM firsts
  UNION ALL
  SELECT 'Slack Connect loosened', 'Medium', actor_id, actor, object_id, ip, time, time, 1, action, [uid]
  FROM events
  WHERE action IN ('external_shared_channel_host_transferred', 'slack_connect_invite_routing_disabled')
    OR (action IN (
        'slack_connect_pref_removed', 'pref.slack_connect_dm_only_verified_orgs', 'pref.slack_connect_approval_type',
        'pref.slack_connect_allowed_workspaces', 'pref.who_can_manage_ext_shared_channels'
      )
      AND (event->>'$.entity.policy.data') IS DISTINCT FROM (event->>'$.entity_result.policy.data')
      AND lower(event->>'$.entity_result.policy.data') IS DISTINCT FROM 'true')
  UNION ALL
  SELECT
    'guest made permanent', 'High', actor_id, actor, guest_id, ip, first_time, last_time, channels,
    format('{}: {} private channels', coalesce(guest, guest_id), channels), uids
  FROM guests
  WHERE channels >= 3
)
FROM found
ORDER BY last_time;
