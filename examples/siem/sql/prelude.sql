-- What the queries beside this file read: a table `events`, one row for each event or alert of a gridwatch file sink
-- (view `ocsf`), with the attributes they need as columns and the whole line as `event`.
--
--   files   where the sink writes; rotated files are named `events.ndjson.<number>`, so the pattern takes them too
--   now     what the queries take for the present, in UTC; without it, the clock
--
-- Each line is read as one JSON value and taken apart by path. Letting DuckDB infer a schema instead would make a column
-- of every key that ever stood under `unmapped`, and fail at the first entry that has one of them in another shape.
--
-- A line is counted once. After the loss of its state gridwatch delivers some of them again, with the same ids.

CREATE OR REPLACE TEMP MACRO present() AS
  coalesce(getvariable('now')::TIMESTAMP, make_timestamp(epoch_us(get_current_timestamp())));

-- The texts at a path: of a list, of a list written as a string, of `a,b`, or the one text that stands there.
CREATE OR REPLACE TEMP MACRO texts(event, path) AS
  CASE
    WHEN json_type(event, path) = 'ARRAY' THEN coalesce(json_extract_string(event, path || '[*]'), [])
    WHEN json_extract_string(event, path) IS NULL OR json_type(event, path) = 'OBJECT' THEN []
    ELSE list_filter(regexp_split_to_array(json_extract_string(event, path), '[\[\]", ]+'), lambda text: text <> '')
  END;

CREATE OR REPLACE TEMP TABLE events AS
WITH lines AS (
  -- A line that is still being written is no JSON yet and comes out as NULL.
  -- The bytes that Slack sent (`raw_data`) are half of it and needed by no query.
  SELECT json_merge_patch(json, '{"raw_data": null}') AS event
  FROM read_ndjson_objects(coalesce(getvariable('files'), '/var/log/gridwatch/events.ndjson*'), ignore_errors = true)
  WHERE json IS NOT NULL
)
SELECT
  event->>'$.metadata.uid' AS uid,
  epoch_ms((event->>'$.time')::BIGINT) AS time,
  -- When gridwatch first saw it.
  epoch_ms((event->>'$.metadata.logged_time')::BIGINT) AS seen,
  (event->>'$.class_uid')::INTEGER AS class_uid,
  event->>'$.severity' AS severity,
  -- Slack's name of what was done; the rule, for an alert of gridwatch.
  event->>'$.metadata.event_code' AS action,
  event->>'$.metadata.product.name' AS product,
  event->>'$.actor.user.uid' AS actor_id,
  coalesce(event->>'$.actor.user.email_addr', event->>'$.actor.user.name', event->>'$.actor.user.uid') AS actor,
  event->>'$.actor.user.type' AS actor_type,
  (event->>'$.actor.user.type_id')::INTEGER AS actor_type_id,
  event->>'$.actor.app_uid' AS via_app_id,
  -- The one it was done to, where it was done to a user.
  coalesce(
    event->>'$.user.uid',
    event->>'$.entity.user.uid',
    CASE WHEN (event->>'$.resources[0].type') = 'user' THEN event->>'$.resources[0].uid' END,
    event->>'$.unmapped.details.user'
  ) AS target_id,
  coalesce(event->>'$.user.email_addr', event->>'$.user.name', event->>'$.entity.user.email_addr') AS target,
  event->>'$.user.type' AS target_type,
  -- The thing it was done to or with.
  coalesce(
    event->>'$.file.uid', event->>'$.app.uid', event->>'$.group.uid', event->>'$.web_resources[0].uid',
    event->>'$.entity.uid', event->>'$.entity.policy.name', event->>'$.resources[0].uid'
  ) AS object_id,
  coalesce(
    event->>'$.file.name', event->>'$.app.name', event->>'$.group.name', event->>'$.web_resources[0].name',
    event->>'$.entity.name', event->>'$.entity.policy.name', event->>'$.resources[0].name'
  ) AS object_name,
  -- Of the actor. When somebody is invited to a channel or thrown out of it, Slack gives the address of the one who did
  -- that; it is left out here, as it would look like a second place of the member's.
  CASE
    WHEN (event->>'$.unmapped.details.type') IN ('INVITED', 'KICKED') OR (event->'$.src_endpoint.owner') IS NOT NULL
      THEN NULL
    ELSE coalesce(event->>'$.src_endpoint.ip', event->>'$.device.ip', event->>'$.evidences[0].src_endpoint.ip')
  END AS ip,
  coalesce(
    event->>'$.http_request.user_agent', event->>'$.unmapped.context.ua', event->>'$.evidences[0].http_request.user_agent'
  ) AS user_agent,
  coalesce(event->>'$.session.uid', event->>'$.actor.session.uid') AS session_id,
  event->>'$.cloud.account.uid' AS workspace_id,
  event
FROM lines
QUALIFY row_number() OVER (PARTITION BY event->>'$.metadata.uid' ORDER BY event->>'$.metadata.logged_time') = 1;
