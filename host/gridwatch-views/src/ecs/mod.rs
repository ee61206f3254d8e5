//! The ECS view: one [`Event`](gridwatch_event::event::Event) or [`Alert`](gridwatch_rules::alert::Alert) as one document of the Elastic Common
//! Schema 8.11.
//!
//! Promises, each with a test in `tests/tests/ecs.rs`:
//! - total and repeatable: any event has a document, and the same event always the same bytes;
//! - lossless: each leaf of the entry is in a field by value. What no field of ECS takes stays under `slack.audit.*`;
//! - no mapping conflicts: a path holds one JSON type (text, number, boolean or object) in all documents there can ever be.
//!   An index refuses a document whose field is an object where another's is text; see [`shape`] for how that is kept;
//! - `event.category` and `event.type` are what ECS allows, and go together as ECS expects.
//!
//! # Whose names these are
//! From Elastic's integration `slack`, data stream `audit`, so that its dashboards and rules work: `user.id`, `user.email`,
//! `user.full_name`, `source.address`, `source.ip`, `user_agent.original`, `event.*` as far as below, `file.hash.md5`,
//! `related.user`, `related.ip`, `related.hash`, `slack.audit.actor.*`, `slack.audit.entity.*` (the object of the entity's type
//! moved up, its type as `entity_type`), `slack.audit.context.*` (the location moved up) and `slack.audit.details.*`.
//!
//! From ECS itself, and not in that integration: `user.name`, `user.target.*`, `user.changes.*`, `user.roles`, `event.reason`,
//! `event.start`, `event.end`, `event.created`, `event.hash`, `event.sequence`, `event.severity`, `organization.*`, `file.name`,
//! `file.extension`, `file.mime_type`, `group.*`, `tls.client.ja3`, `error.message`, `tags`, `rule.*`, `threat.*`, `message`,
//! `observer.*`. Ours is `gridwatch.*`. [`fields()`] has a line about each.
//!
//! # Where it differs from the integration on purpose
//! - `@timestamp` is Slack's `date_create` and nothing else. The integration puts `details.action_timestamp` over it, which is
//!   in milliseconds in some entries and in microseconds in others (elastic/integrations#6965); here that is `event.start`.
//! - An address is `source.ip` only if it is one. "" is common, also in `details.previous_ip_address`
//!   (elastic/integrations#14821, #17029).
//! - `organization.*` is the enterprise and never a workspace. A workspace is `slack.audit.context.*`. `cloud.*` isn't used:
//!   agents write there about the machine that they run on.
//! - Who really acted is `user.*` with `slack.audit.context.app.*` (the app that acted for the user),
//!   `slack.audit.context.acting_agent` and `slack.audit.context.agent_message.*` (the agent, and the message that asked it to).
//! - Empty things are kept: "", `[]`, `{}` and `null` each say something else than an absent key.
//! - ECS has no category for messages. What happens to one is `web`, as in Elastic's integrations of mail and chat.
//!
//! # Sending it
//! `event.id` is Slack's id, or an alert's uid and revision: use it as `_id` and a second delivery replaces the first. `data_stream.*`,
//! `event.ingested`, `source.geo` and `source.as` belong to whoever receives this. Alerts want a data stream of their own: Elastic's
//! package declares `event.dataset` a constant. Text longer than 32,766 bytes needs `ignore_above` on its field.

mod alert;
mod audit;
mod categories;
mod document;
mod event;
mod fields;
mod heartbeat;
mod schema;
mod shape;

pub use alert::alert;
pub(crate) use alert::shown as alert_shown;
pub(crate) use audit::shown as audit_shown;
pub use categories::categories;
pub use event::event;
pub(crate) use event::shown as event_shown;
pub use fields::{Field, Type, fields};
pub(crate) use heartbeat::shown as heartbeat_shown;
pub use schema::json_schema;
pub use shape::MAX_NEW_KEYS;

use super::line::{Layout, Order};
use gridwatch_event::time::UnixMillis;

/// What the documents say in `ecs.version`, written as Elastic's packages do.
pub const VERSION: &str = "8.11.0";

/// What says which document it is stands in its first kilobytes.
pub(super) const LAYOUT: Layout = Layout {
    order: &[
        Order {
            of: "",
            first: &["@timestamp", "message"],
            then: &["event", "user", "rule"],
            last: &["related", "tags", "gridwatch", "slack"],
        },
        Order { of: "event", first: &["id"], then: &[], last: &["reason", "original"] },
        Order { of: "rule", first: &["id"], then: &[], last: &["description"] },
        Order { of: "gridwatch", first: &[], then: &[], last: &[] },
        Order { of: "gridwatch.alert", first: &["uid"], then: &[], last: &[] },
    ],
    cut_at: &["gridwatch", "cut"],
    truncated_in: None,
    spare: &[
        &["slack", "audit"],
        &["gridwatch", "alert", "recent"],
        &["gridwatch", "alert", "facts"],
        &["gridwatch", "alert", "subjects"],
        &["gridwatch", "alert", "labels"],
        &["related"],
        &["gridwatch", "alert", "playbook"],
        &["gridwatch", "alert", "evidence"],
        &["tags"],
    ],
};

/// The last moment that the calendar can express in every time zone: 9999-12-30T22:00:00Z.
const LATEST: UnixMillis = UnixMillis(253_402_207_200_000);

/// RFC 3339, UTC, milliseconds; `None` past the end of the calendar.
fn date(time: UnixMillis) -> Option<String> {
    let millis = i64::try_from(time.0).ok().filter(|_| time <= LATEST)?;
    let stamp = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(format!("{stamp:.3}"))
}

/// For `@timestamp`, which every document must have.
fn nearest_date(time: UnixMillis) -> String {
    date(time.min(LATEST)).unwrap_or_default()
}
