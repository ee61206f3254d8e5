//! What somebody did to gridwatch itself, as an OCSF Entity Management event: modules, exceptions, configuration, alerts, entries and state
//! are the entities.

use super::classes;
use super::schema::{Made, Version};
use super::vocabulary as v;
use super::{classified, timestamp};
use crate::Product;
use crate::shown::{Fields, Shown};
use gridwatch_manifest::Severity;
use gridwatch_rules::audit::{Audited, Kind};
use serde_json::json;

/// Captions of an OCSF id that has none for it.
const OTHER: u64 = 99;

/// `metadata.uid` is the record's, `metadata.event_code` says what was done; number, hashes and all that it says are in `unmapped.audit`.
pub(crate) fn shown<'e>(audited: &'e Audited, product: &Product<'e>, version: Version) -> Shown<'e> {
    let deed = &audited.deed;
    let activity = match deed.what.kind() {
        Kind::Create => classes::ENTITY_CREATE,
        Kind::Read => classes::ENTITY_READ,
        Kind::Update => classes::ENTITY_UPDATE,
    };
    let user =
        version.make(&v::USER).set("name", deed.who.by.as_str()).maybe("uid", deed.who.uid.map(|uid| uid.to_string()));
    // There is none to name of a whole state folder.
    let name = if deed.about.is_empty() { Product::NAME } else { &deed.about };
    let entity = version
        .make(&v::MANAGED_ENTITY)
        .set("name", name)
        .id("type_id", "type", OTHER, deed.what.entity())
        .maybe("data", (!deed.details.is_empty()).then(|| json!(deed.details)));
    let (status_id, status) = if deed.failed.is_some() { (2, "Failure") } else { (1, "Success") };
    let event = classified(version, activity, activity.name, Severity::Informational)
        .set("actor", version.make(&v::ACTOR).set("user", user))
        .set("entity", entity)
        .id("status_id", "status", status_id, status)
        .set("status_detail", deed.to_string())
        .set("time", timestamp(deed.at))
        .set("unmapped", Fields::new().set("audit", unmapped(audited)));
    let metadata = metadata(audited, product, version).maybe("profiles", some(event.profiles()));
    event.set("metadata", metadata).into()
}

fn unmapped(audited: &Audited) -> Fields<'_> {
    let deed = &audited.deed;
    Fields::new()
        .set("what", deed.what.name())
        .set("via", deed.who.via.name())
        .maybe("org", (!deed.org.is_empty()).then_some(deed.org.as_str()))
        .maybe("failed", deed.failed.as_deref())
        .set("number", deed.number)
        .set("chain", deed.chain.as_str())
        .set("previous", audited.previous.as_str())
        .set("hash", audited.hash.as_str())
        .set("statement", audited.statement.as_str())
}

fn metadata<'e>(audited: &'e Audited, product: &Product<'e>, version: Version) -> Made<'e> {
    let gridwatch = version.make(&v::PRODUCT).set("name", Product::NAME).set("vendor_name", Product::NAME);
    version
        .make(&v::METADATA)
        .set("version", version.name())
        .set("uid", audited.record_id())
        .set("event_code", "gridwatch.audit")
        .set("product", gridwatch.set("version", product.version))
}

fn some(profiles: Vec<&'static str>) -> Option<Vec<&'static str>> {
    (!profiles.is_empty()).then_some(profiles)
}
