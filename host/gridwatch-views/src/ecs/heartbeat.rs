//! A heartbeat of gridwatch's as an ECS document.

use super::document::Document;
use super::{VERSION, date, nearest_date};
use crate::Product;
use crate::shown::{Fields, Shown};
use gridwatch_rules::monitor::Heartbeat;
use gridwatch_rules::monitor::heartbeat::{OrgBeat, SinkBeat};

pub(crate) fn shown<'e>(beat: &'e Heartbeat, product: &Product<'e>) -> Shown<'e> {
    let mut document = Document::default();
    document.put("@timestamp", nearest_date(beat.at));
    document.put("ecs.version", VERSION);
    document.put("event.action", "heartbeat");
    document.put("event.dataset", "gridwatch.heartbeat");
    document.put("event.id", beat.record_id());
    document.put("event.kind", "metric");
    document.put("event.module", Product::NAME);
    document.put("gridwatch.version", product.version);
    document.put("message", beat.message());
    document.put("observer.product", Product::NAME);
    document.put("observer.vendor", Product::NAME);
    document.maybe("gridwatch.heartbeat.audit_hash", beat.says.audit.as_ref().map(|audit| audit.hash.as_str()));
    document.maybe("gridwatch.heartbeat.audit_number", beat.says.audit.as_ref().map(|audit| audit.number));
    document.put("gridwatch.heartbeat.chain", beat.chain.as_str());
    document.put("gridwatch.heartbeat.hash", beat.hash.as_str());
    document.maybe("gridwatch.heartbeat.next", beat.next.and_then(date));
    document.put("gridwatch.heartbeat.number", beat.number);
    document.list("gridwatch.heartbeat.orgs", beat.says.orgs.iter().map(org));
    document.put("gridwatch.heartbeat.previous", beat.previous.as_str());
    document.list("gridwatch.heartbeat.sinks", beat.says.sinks.iter().map(sink));
    document.put("gridwatch.heartbeat.statement", beat.statement.as_str());
    document.list("gridwatch.heartbeat.troubles", beat.says.troubles.iter().map(String::as_str));
    document.into()
}

fn org(org: &OrgBeat) -> Fields<'_> {
    Fields::new()
        .set("alerts", org.alerts)
        .set("entries", org.entries)
        .set("events", org.events)
        .set("gap_s", org.gap_s)
        .set("gaps", org.gaps)
        .set("lag_s", org.lag_s)
        .maybe("newest", org.newest.and_then(|at| date(at.millis())))
        .set("org", org.org.as_str())
        .maybe("paused", org.paused.as_deref())
        .maybe("settled", org.settled.and_then(|at| date(at.millis())))
}

fn sink(sink: &SinkBeat) -> Fields<'_> {
    Fields::new()
        .set("failing", sink.failing)
        .set("name", sink.name.as_str())
        .set("refused", sink.refused)
        .set("waiting", sink.waiting)
}
