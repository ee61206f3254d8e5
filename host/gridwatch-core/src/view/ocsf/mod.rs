//! The OCSF 1.8.0 view: one [`Event`](crate::event::Event) as an OCSF event, one alert as a Detection Finding.
//!
//! Promises, each with a test in `tests/ocsf.rs`:
//! - total: any event has a view, also when its entry is no object or its action is in no list;
//! - valid: required attributes, constraints, types and enums of the compiled 1.8.0 schema are kept;
//! - lossless: each leaf of the entry is in an attribute by value, or in `unmapped` in its old place;
//! - the same event gives the same bytes: no clock, no environment, sorted keys.
//!
//! Detections never read this view, so a change here changes no verdict.

mod alert;
mod classes;
mod event;
mod objects;

pub use alert::{EVIDENCES_MAX, detection_finding};
pub use classes::{Activity, Class, Mapping, Status, mapping};
pub use event::{RawData, event, event_with};

use crate::manifest::Severity;
use crate::time::UnixMillis;
use crate::view::fields::Fields;
use serde_json::Value;

/// The schema all views are written in.
pub const SCHEMA_VERSION: &str = "1.8.0";

/// OCSF's profiles in use. An attribute that a profile brings is only valid where `metadata.profiles` names it.
mod profile {
    /// Brings `actor` and `device` to every class.
    pub(super) const HOST: &str = "host";
    /// Brings `cloud` and `api`.
    pub(super) const CLOUD: &str = "cloud";
    /// Brings `action_id`, `disposition_id` and `is_alert`.
    pub(super) const SECURITY_CONTROL: &str = "security_control";
    /// Brings `message_context`, to API Activity only.
    pub(super) const AI_OPERATION: &str = "ai_operation";
}

/// 2000-01-01 to 2100-01-01: consumers (and the validator) take numbers outside for a wrong unit.
const EARLIEST: UnixMillis = UnixMillis(946_684_800_000);
const LATEST: UnixMillis = UnixMillis(4_102_444_800_000);

/// OCSF's `timestamp_t`: milliseconds, held within the years that consumers believe.
fn timestamp(time: UnixMillis) -> Value {
    time.0.clamp(EARLIEST.0, LATEST.0).into()
}

fn is_believable(time: UnixMillis) -> bool {
    (EARLIEST..=LATEST).contains(&time)
}

/// The attributes that name class, activity and severity, the same for events and findings.
fn classification(activity: Activity, activity_name: &str, severity: Severity) -> Fields {
    let class = activity.class;
    Fields::new()
        .set("activity_id", activity.id)
        .set("activity_name", activity_name)
        .set("category_name", class.category_name())
        .set("category_uid", class.category_uid())
        .set("class_name", class.name())
        .set("class_uid", class.uid())
        .set("severity", severity.name())
        .set("severity_id", severity.id())
        .set("type_name", format!("{}: {activity_name}", class.name()))
        .set("type_uid", activity.type_uid())
}
