//! The OCSF view: one [`Event`](gridwatch_event::event::Event) as an OCSF event, one alert as a Detection Finding, in 1.8.0 or 1.1.0.
//!
//! Promises, each with a test in `tests/tests/ocsf.rs`, for both versions:
//! - total: any event has a view, also when its entry is no object or its action is in no list;
//! - valid: required attributes, constraints, types and enums of the compiled schema are kept, and nothing is there that
//!   the version lacks; [`json_schema`] says the same to any validator;
//! - lossless: each leaf of the entry is in an attribute by value, or in `unmapped` in its old place;
//! - the same event gives the same bytes: no clock, no environment, sorted keys.
//!
//! Through which app or agent an actor acted is always in one place: the enrichment of type `acted_through`.
//!
//! Detections never read this view, so a change here changes no verdict.

mod agency;
mod alert;
mod anomaly;
mod audit;
mod classes;
mod event;
mod heartbeat;
mod json_schema;
mod objects;
mod schema;
mod vocabulary;

pub(crate) use alert::shown as alert_shown;
pub use alert::{EVIDENCES_MAX, detection_finding};
pub(crate) use audit::shown as audit_shown;
pub(crate) use classes::matches;
pub use classes::{ActionMapping, Activity, Class, Mapping, Status, mapping, mapping_rows};
pub use event::event;
pub(crate) use event::shown as event_shown;
pub(crate) use heartbeat::shown as heartbeat_shown;
pub use json_schema::json_schema;
pub use schema::Version;

use super::line::{Layout, Order};
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Severity;
use schema::Made;

/// 2000-01-01 to 2100-01-01: consumers take numbers outside for a wrong unit.
const EARLIEST: UnixMillis = UnixMillis(946_684_800_000);
const LATEST: UnixMillis = UnixMillis(4_102_444_800_000);

/// What says which record it is stands in its first kilobytes.
pub(super) const LAYOUT: Layout = Layout {
    order: &[
        Order {
            of: "",
            first: &[],
            then: &["metadata", "actor", "finding_info"],
            last: &["status_detail", "enrichments", "unmapped", "raw_data"],
        },
        Order { of: "metadata", first: &["uid", "event_code"], then: &[], last: &[] },
        Order { of: "finding_info", first: &["uid", "title"], then: &["analytic"], last: &["desc", "tags"] },
    ],
    cut_at: &["unmapped", "gridwatch_cut"],
    truncated_in: Some("metadata"),
    spare: &[
        &["unmapped"],
        &["enrichments"],
        &["observables"],
        &["finding_info", "tags"],
        &["finding_info", "related_events"],
        &["evidences"],
        &["remediation"],
    ],
};
pub(super) const LAYOUT_1_1: Layout = Layout { truncated_in: None, ..LAYOUT };

/// OCSF's `timestamp_t`: milliseconds, held within the years that consumers believe.
fn timestamp(time: UnixMillis) -> u64 {
    time.0.clamp(EARLIEST.0, LATEST.0)
}

fn is_believable(time: UnixMillis) -> bool {
    (EARLIEST..=LATEST).contains(&time)
}

/// An event with the attributes that name class, activity and severity.
fn classified<'e>(version: Version, activity: Activity, activity_name: &'e str, severity: Severity) -> Made<'e> {
    let class = activity.class;
    version
        .make(class.spec())
        .set("activity_id", activity.id)
        .set("activity_name", activity_name)
        .set("category_name", class.category_name())
        .set("category_uid", class.category_uid())
        .set("class_name", class.name())
        .set("class_uid", class.uid())
        .id("severity_id", "severity", severity.id().into(), severity.name())
        .set("type_name", format!("{}: {activity_name}", class.name()))
        .set("type_uid", activity.type_uid())
}
