//! Views: what an event or an alert looks like outside. Chosen per sink, read by no detection.
//!
//! A view takes an event apart leaf by leaf and puts each leaf somewhere: total, lossless, and the same bytes every time.
//! How much of a corpus arrives is measured by [`loss`].

pub mod ecs;
pub mod loss;
pub mod ocsf;

mod leaves;
mod line;
mod shown;

pub use line::{DEFAULT_MAX_BYTES, LEAST_MAX_BYTES};

use gridwatch_event::event::Event;
use gridwatch_event::json;
use gridwatch_rules::alert::Alert;
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
        let mut line = String::new();
        self.write_event(event, product, raw_data, max_bytes, &mut line);
        line
    }

    /// The same at the end of a text, which may be used again and again.
    pub fn write_event(
        self,
        event: &Event,
        product: &Product<'_>,
        raw_data: RawData,
        max_bytes: usize,
        out: &mut String,
    ) {
        let shown = match self {
            Self::Ocsf => ocsf::shown(event, product, Version::V1_8_0, raw_data),
            Self::Ocsf1_1 => ocsf::shown(event, product, Version::V1_1_0, raw_data),
            Self::Ecs => ecs::event(event, product, raw_data).into(),
            Self::Raw => return *out += &raw_line(event, max_bytes),
        };
        // Of what can't be read, the bytes are no copy of anything.
        let is_read = event.whole().is_object();
        line::line(shown, self.layout(), Some(self.copy()).filter(|_| is_read), max_bytes, out);
    }

    /// One line, without the line feed.
    pub fn alert_line(self, alert: &Alert, product: &Product<'_>) -> String {
        self.alert_line_within(alert, product, usize::MAX)
    }

    /// The same, at most this long with its line feed; what was cut is named in it.
    pub fn alert_line_within(self, alert: &Alert, product: &Product<'_>, max_bytes: usize) -> String {
        let (finding, view) = match self {
            Self::Ocsf | Self::Raw => (ocsf::detection_finding(alert, product, Version::V1_8_0), Self::Ocsf),
            Self::Ocsf1_1 => (ocsf::detection_finding(alert, product, Version::V1_1_0), self),
            Self::Ecs => (ecs::alert(alert, product), self),
        };
        let mut line = String::new();
        line::line(finding.into(), view.layout(), None, max_bytes, &mut line);
        line
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
fn raw_line(event: &Event, max_bytes: usize) -> String {
    let line = json::one_line(event.raw());
    let whole = match line.strip_suffix('}') {
        Some(entry) if !event.is_first_version() => {
            format!("{entry},\"gridwatch\":{{\"version\":{}}}}}", event.sight().version)
        }
        _ => line.into_owned(),
    };
    let had = whole.len();
    if had < line::room(max_bytes) {
        return whole;
    }
    let mut value = if event.whole().is_object() { event.json().clone() } else { object!({ "raw": whole }) };
    if !event.is_first_version() {
        value["gridwatch"] = object!({ "version": event.sight().version });
    }
    line::cut(value, &RAW_LAYOUT, None, had, max_bytes)
}
