//! *Sinks*: what is behind and since when, what each last said, and until when the disk lasts.

use super::parts::{ago, count, live, nothing, number, size, wide};
use super::{Page, Place, Reply};
use crate::look::sinks::Room;
use crate::telemetry::status::{SinkStatus, Status};
use crate::web::html::{address, long, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use maud::{Markup, html};
use std::collections::BTreeMap;

pub struct Sinks {
    pub now: UnixMillis,
    pub status: Status,
    /// What each is and where it sends, and in which view, as configured.
    pub setups: BTreeMap<String, (String, &'static str)>,
    pub room: Room,
}

/// # Errors
/// The state folder can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let (status, _) = asking.look()?;
    let status = status.unwrap_or_default();
    let config = asking.site.configs.as_ref().map(|configs| configs.process());
    let setups = config
        .iter()
        .flat_map(|config| &config.sinks)
        .map(|sink| (sink.name.clone(), (sink.setup.place(), sink.view.name())));
    let room = Room::of(&asking.site.homes.state_dir, config);
    let shown = Sinks { now: asking.now, status, setups: setups.collect(), room };
    let own = address(&["sinks"], &[("org", asking.org())]);
    let body = html! { h1 { "Sinks" } (live("live", &own, &shown.markup())) };
    Page { place: Place::Sinks, title: "Sinks".into(), body }.reply(asking)
}

impl Sinks {
    pub fn markup(&self) -> Markup {
        html! {
            @if self.status.sinks.is_empty() { (nothing("No sink has been opened yet.")) }
            @else { (wide("Sinks", &self.table())) }
            div.columns {
                section aria-label="What waits" {
                    h2 { "What waits in the store" }
                    dl {
                        dt { "to be judged" } dd { (count(self.status.backlog.entries, "entry").replace("entrys", "entries")) }
                        dt { "to be delivered" } dd { (count(self.status.backlog.records, "record")) }
                        dt { "of both" } dd { (size(self.status.backlog.bytes)) }
                        @if let Some(most) = self.room.outbox_max { dt { "polling pauses at" } dd { (size(most)) " that no sink has taken" } }
                    }
                }
                section aria-label="The disk" {
                    h2 { "The disk" }
                    dl {
                        dt { "free" } dd { @match self.room.free { Some(free) => { span.mark.good[self.room.is_enough()].bad[!self.room.is_enough()] { (size(free)) } } None => "not known" } }
                        @if let Some(least) = self.room.min_free { dt { "polling pauses below" } dd { (size(least)) } }
                        @if let Some(lasts) = self.room.lasts(&self.status, self.now) { dt { "there is room for" } dd { (lasts) } }
                    }
                    p.faint { "Nothing is dropped: polling waits, and goes on when there is room." }
                }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            table {
                thead { tr { th scope="col" { "sink" } th scope="col" { "state" } th scope="col" { "delivered" } th scope="col" { "behind" } th scope="col" { "refused for good" } th scope="col" { "last error" } } }
                tbody { @for (name, sink) in &self.status.sinks { (self.row(name, sink)) } }
            }
        }
    }

    fn row(&self, name: &str, sink: &SinkStatus) -> Markup {
        html! {
            tr {
                th scope="row" { (text(name)) @if let Some((place, view)) = self.setups.get(name) { p.faint { (text(place)) ", " (view) } } }
                td { @match (&sink.error, sink.behind) {
                    (Some(_), _) => span.mark.bad { "failing" },
                    (None, 0) => span.mark.good { "has all" },
                    (None, _) => span.mark { "behind" },
                } }
                td.n { (number(sink.delivered)) }
                td { @if sink.behind > 0 { (count(sink.behind, "record")) @if let Some(since) = sink.behind_since { p.faint { "since " (ago(since, self.now)) } } } @else { "–" } }
                td { @if sink.refused > 0 { span.mark.bad { (count(sink.refused, "record")) } p.faint { "in dead-letters/" (text(name)) ".ndjson" } } @else { "–" } }
                td { @if let Some(error) = &sink.error { (long(error)) } @else { "–" } @if sink.removed_unread > 0 { p { span.mark.bad { (count(sink.removed_unread, "file")) } " removed before its time: an agent may not have read it" } } }
            }
        }
    }
}
