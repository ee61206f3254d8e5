//! What somebody did to gridwatch itself, as an ECS document.

use super::document::Document;
use super::{VERSION, nearest_date};
use crate::Product;
use crate::shown::Shown;
use gridwatch_rules::audit::{Audited, Kind};

pub(crate) fn shown<'e>(audited: &'e Audited, product: &Product<'e>) -> Shown<'e> {
    let deed = &audited.deed;
    let kind = match deed.what.kind() {
        Kind::Create => "creation",
        Kind::Read => "access",
        Kind::Update => "change",
    };
    let mut document = Document::default();
    document.put("@timestamp", nearest_date(deed.at));
    document.put("ecs.version", VERSION);
    document.put("event.action", deed.what.name());
    document.list("event.category", ["configuration"]);
    document.put("event.dataset", "gridwatch.audit");
    document.put("event.id", audited.record_id());
    document.put("event.kind", "event");
    document.put("event.module", Product::NAME);
    document.put("event.outcome", if deed.failed.is_some() { "failure" } else { "success" });
    document.maybe("event.reason", deed.failed.as_deref());
    document.list("event.type", [kind]);
    document.put("gridwatch.audit.chain", deed.chain.as_str());
    document.list("gridwatch.audit.details", deed.details.iter().map(|(name, value)| format!("{name}: {value}")));
    document.put("gridwatch.audit.hash", audited.hash.as_str());
    document.put("gridwatch.audit.number", deed.number);
    document.text("gridwatch.audit.object", &deed.about);
    document.text("gridwatch.audit.org", &deed.org);
    document.put("gridwatch.audit.previous", audited.previous.as_str());
    document.put("gridwatch.audit.statement", audited.statement.as_str());
    document.put("gridwatch.audit.via", deed.who.via.name());
    document.put("gridwatch.version", product.version);
    document.put("message", deed.to_string());
    document.put("observer.product", Product::NAME);
    document.put("observer.vendor", Product::NAME);
    document.list("related.user", [deed.who.by.as_str()]);
    document.maybe("user.id", deed.who.uid.map(|uid| uid.to_string()));
    document.put("user.name", deed.who.by.as_str());
    document.into()
}
