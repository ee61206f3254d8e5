//! Views: what an event or an alert looks like outside. Chosen per sink, read by no detection.
//!
//! A view takes an event apart leaf by leaf and puts each leaf somewhere: total, lossless, and the same bytes every time.
//! How much of a corpus arrives is measured by [`loss`].

pub mod ecs;
pub mod loss;
pub mod ocsf;

mod gist;
mod leaves;
mod line;
mod names;
mod shown;

pub use gist::gist;
pub use line::{DEFAULT_MAX_BYTES, LEAST_MAX_BYTES};

use gridwatch_event::event::Event;
use gridwatch_event::json::{self, Out};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::Audited;
use gridwatch_rules::monitor::Heartbeat;
use leaves::Taken;
use line::{Layout, Order};
use ocsf::Version;
use serde_json::{Value, json as object};

/// gridwatch itself, as the views name it.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    pub version: &'a str,
}

impl Product<'_> {
    pub(crate) const NAME: &'static str = "gridwatch";
}

/// Does a view carry the entry's bytes beside what it makes of them? They about double the size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RawData {
    #[default]
    Include,
    /// Only for entries that are an object and could be read as they are: of any other entry the bytes say more, so they stay.
    Omit,
}

/// What a sink's records look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// OCSF 1.8.0.
    Ocsf,
    /// OCSF 1.1.0: what Amazon Security Lake and AppFabric take.
    Ocsf1_1,
    /// Elastic Common Schema, with the field names of Elastic's Slack integration.
    Ecs,
    /// Slack's bytes; alerts as OCSF 1.8.0.
    Raw,
}

impl View {
    pub const ALL: [Self; 4] = [Self::Ocsf, Self::Ocsf1_1, Self::Ecs, Self::Raw];

    /// As configuration and command line call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ocsf => "ocsf",
            Self::Ocsf1_1 => "ocsf-1.1.0",
            Self::Ecs => "ecs",
            Self::Raw => "raw",
        }
    }

    /// One line, without the line feed.
    pub fn event_line(self, event: &Event, product: &Product<'_>, raw_data: RawData) -> String {
        self.event_line_within(event, product, raw_data, usize::MAX)
    }

    /// The same, at most this long with its line feed; what was cut is named in it. No less than [`LEAST_MAX_BYTES`] can be kept.
    pub fn event_line_within(
        self,
        event: &Event,
        product: &Product<'_>,
        raw_data: RawData,
        max_bytes: usize,
    ) -> String {
        let mut line = Vec::new();
        self.write_event(event, product, raw_data, max_bytes, &mut line);
        into_text(line)
    }

    /// The same behind what was written before. Of an ordinary entry it is written from where it stands there.
    pub fn write_event(
        self,
        event: &Event,
        product: &Product<'_>,
        raw_data: RawData,
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) {
        let (shown, taken) = match self {
            Self::Ocsf => ocsf::event_shown(event, product, Version::V1_8_0, raw_data),
            Self::Ocsf1_1 => ocsf::event_shown(event, product, Version::V1_1_0, raw_data),
            Self::Ecs => ecs::event_shown(event, product, raw_data),
            Self::Raw => return write_raw(event, max_bytes, out),
        };
        // Of what can't be read, the bytes are no copy of anything.
        let copy = event.whole().is_object().then_some(self.copy());
        line::write(&shown, &taken, self.layout(), copy, max_bytes, out);
    }

    /// One line, without the line feed.
    pub fn alert_line(self, alert: &Alert, product: &Product<'_>) -> String {
        self.alert_line_within(alert, product, usize::MAX)
    }

    /// The same, at most this long with its line feed; what was cut is named in it.
    pub fn alert_line_within(self, alert: &Alert, product: &Product<'_>, max_bytes: usize) -> String {
        let (finding, view) = match self {
            Self::Ocsf | Self::Raw => (ocsf::alert_shown(alert, product, Version::V1_8_0), Self::Ocsf),
            Self::Ocsf1_1 => (ocsf::alert_shown(alert, product, Version::V1_1_0), self),
            Self::Ecs => (ecs::alert_shown(alert, product), self),
        };
        let mut line = Vec::new();
        line::write(&finding, &Taken::default(), view.layout(), None, max_bytes, &mut line);
        into_text(line)
    }

    /// A heartbeat of gridwatch's own, at most this long with its line feed. In the view `raw`, as OCSF 1.8.0, like alerts.
    pub fn heartbeat_line_within(self, beat: &Heartbeat, product: &Product<'_>, max_bytes: usize) -> String {
        let (shown, view) = match self {
            Self::Ocsf | Self::Raw => (ocsf::heartbeat_shown(beat, product, Version::V1_8_0), Self::Ocsf),
            Self::Ocsf1_1 => (ocsf::heartbeat_shown(beat, product, Version::V1_1_0), self),
            Self::Ecs => (ecs::heartbeat_shown(beat, product), self),
        };
        let mut line = Vec::new();
        line::write(&shown, &Taken::default(), view.layout(), None, max_bytes, &mut line);
        into_text(line)
    }

    /// What somebody did to gridwatch itself, at most this long with its line feed. In the view `raw`, as OCSF 1.8.0, like alerts.
    pub fn audit_line_within(self, audited: &Audited, product: &Product<'_>, max_bytes: usize) -> String {
        let (shown, view) = match self {
            Self::Ocsf | Self::Raw => (ocsf::audit_shown(audited, product, Version::V1_8_0), Self::Ocsf),
            Self::Ocsf1_1 => (ocsf::audit_shown(audited, product, Version::V1_1_0), self),
            Self::Ecs => (ecs::audit_shown(audited, product), self),
        };
        let mut line = Vec::new();
        line::write(&shown, &Taken::default(), view.layout(), None, max_bytes, &mut line);
        into_text(line)
    }

    const fn layout(self) -> &'static Layout {
        match self {
            Self::Ocsf => &ocsf::LAYOUT,
            Self::Ocsf1_1 => &ocsf::LAYOUT_1_1,
            Self::Ecs => &ecs::LAYOUT,
            Self::Raw => &RAW_LAYOUT,
        }
    }

    /// Where a record has the entry's bytes.
    const fn copy(self) -> &'static [&'static str] {
        match self {
            Self::Ecs => &["event", "original"],
            _ => &["raw_data"],
        }
    }

    /// The JSON Schema (draft 2020-12) of what this view writes.
    pub fn json_schema(self) -> Value {
        match self {
            Self::Ocsf => ocsf::json_schema(Version::V1_8_0),
            Self::Ocsf1_1 => ocsf::json_schema(Version::V1_1_0),
            Self::Ecs => ecs::json_schema(),
            Self::Raw => object!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "gridwatch view `raw`",
                "description": "An entry exactly as Slack sent it, on one line; of a later version of an entry that was \
                                delivered before, `gridwatch` says which. Slack adds keys without notice, so this promises nothing: \
                                an ordinary entry is an object with `id`, `date_create` (seconds since 1970), `action`, \
                                `actor`, `entity` and `context`. One that is longer than the sink's `max_line` is cut, and \
                                says under `gridwatch_cut` what of it.",
            }),
        }
    }
}

const RAW_LAYOUT: Layout = Layout {
    order: &[Order {
        of: "",
        first: &["id", "date_create", "action"],
        then: &["actor", "entity", "context"],
        last: &["details"],
    }],
    cut_at: &["gridwatch_cut"],
    truncated_in: None,
    spare: &[&["details"], &["entity"], &["context"], &["actor"]],
};

/// Slack's bytes on one line. Whoever takes them has an id for each entry, and would take a later version for the same again, so
/// that one says what it is. Of an entry that is too long, an object of the same shape that says under `gridwatch_cut` what was
/// cut: whoever sees that key knows that it isn't what Slack sent. What is no object stands in one, as `raw`.
fn write_raw(event: &Event, max_bytes: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    let line = json::one_line(event.raw());
    match line.strip_suffix('}') {
        Some(entry) if !event.is_first_version() => {
            out.put(entry);
            out.put(&format!(",\"gridwatch\":{{\"version\":{}}}}}", event.sight().version));
        }
        _ => out.put(&line),
    }
    let had = out.len() - begin;
    if had < line::room(max_bytes) {
        return;
    }
    let whole = String::from_utf8_lossy(&out[begin..]).into_owned();
    out.truncate(begin);
    let mut value = if event.whole().is_object() { event.json().clone() } else { object!({ "raw": whole }) };
    if !event.is_first_version() {
        value["gridwatch"] = object!({ "version": event.sight().version });
    }
    out.put(&line::cut(value, &RAW_LAYOUT, None, had, max_bytes));
}

/// Lines are made of texts.
fn into_text(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;
    use gridwatch_stories::{OrgPlan, generate};

    /// What writes a line knows its order beforehand; the layout finds it in the value.
    #[test]
    fn a_line_is_what_its_value_is_written_as() {
        let org = generate(&OrgPlan { every_action: true, entries: Some(3_000), ..OrgPlan::default() });
        let odd = r#"{"action":"user_login","details":{"reason":["a"],"type":"INVITED"},"context":{"ua":"\u0001é\"\/","ip_address":"::1"}}"#;
        let odd = [odd, "7", "{", "{}", r#"{"id":"","action":7,"n":1e400,"x":[{"b":1,"a":2}]}"#];
        for raw in odd.into_iter().chain(org.entries.iter().map(|entry| entry.json.as_str())) {
            let event = Event::new(7, UnixMillis(1_790_000_000_000), &Entry::from_json(raw));
            for view in [View::Ocsf, View::Ocsf1_1, View::Ecs] {
                let line = view.event_line(&event, &Product { version: "1" }, RawData::Include);
                let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_eq!(line, view.layout().write(&value), "{raw}");
            }
        }
    }
}
