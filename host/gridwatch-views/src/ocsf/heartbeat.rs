//! A heartbeat of gridwatch's as an OCSF Application Lifecycle event, activity 99 `Heartbeat`: OCSF has no class for one.

use super::classes;
use super::schema::{Made, Version};
use super::vocabulary as v;
use super::{classified, timestamp};
use crate::Product;
use crate::shown::{Fields, Shown};
use gridwatch_manifest::Severity;
use gridwatch_rules::monitor::Heartbeat;
use serde_json::json;

/// `metadata.uid` is the record's; number, hash and what it says are in `unmapped.heartbeat`.
pub(crate) fn shown<'e>(beat: &'e Heartbeat, product: &Product<'e>, version: Version) -> Shown<'e> {
    let gridwatch = || -> Made<'e> {
        let made = version.make(&v::PRODUCT).set("name", Product::NAME).set("vendor_name", Product::NAME);
        made.set("version", product.version)
    };
    let metadata = version
        .make(&v::METADATA)
        .set("version", version.name())
        .set("uid", beat.record_id())
        .set("event_code", "gridwatch.heartbeat")
        .set("product", gridwatch());
    let says = &beat.says;
    let heartbeat = Fields::new()
        .set("number", beat.number)
        .set("chain", beat.chain.as_str())
        .set("previous", beat.previous.as_str())
        .set("hash", beat.hash.as_str())
        .maybe("next", beat.next.map(|next| next.0))
        .set("orgs", json!(says.orgs))
        .set("sinks", json!(says.sinks))
        .maybe("audit", says.audit.as_ref().map(|audit| json!(audit)))
        .set("troubles", json!(says.troubles))
        .set("statement", beat.statement.as_str());
    classified(version, classes::HEARTBEAT, "Heartbeat", Severity::Informational)
        .set("app", gridwatch())
        .set("metadata", metadata)
        .set("time", timestamp(beat.at))
        .set("unmapped", Fields::new().set("heartbeat", heartbeat))
        .into()
}
