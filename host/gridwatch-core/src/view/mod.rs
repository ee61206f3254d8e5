//! Views: what an event or an alert looks like outside. Chosen per sink, read by no detection.
//!
//! A view takes an event apart leaf by leaf and puts each leaf somewhere: total, lossless, and the same bytes every time.
//! How much of a corpus arrives is measured by [`loss`].

pub mod ecs;
pub mod loss;
pub mod ocsf;

mod fields;
mod leaves;

use crate::alert::Alert;
use crate::event::Event;
use crate::json;
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
        match self {
            Self::Ocsf => ocsf::event(event, product, Version::V1_8_0, raw_data).to_string(),
            Self::Ocsf1_1 => ocsf::event(event, product, Version::V1_1_0, raw_data).to_string(),
            Self::Ecs => ecs::event(event, product, raw_data).to_string(),
            Self::Raw => raw_line(event),
        }
    }

    /// One line, without the line feed.
    pub fn alert_line(self, alert: &Alert, product: &Product<'_>) -> String {
        let finding = match self {
            Self::Ocsf | Self::Raw => ocsf::detection_finding(alert, product, Version::V1_8_0),
            Self::Ocsf1_1 => ocsf::detection_finding(alert, product, Version::V1_1_0),
            Self::Ecs => ecs::alert(alert, product),
        };
        finding.to_string()
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
                                `actor`, `entity` and `context`.",
            }),
        }
    }
}

/// Slack's bytes on one line. Whoever takes them has an id for each entry, and would take a later version for the same again, so
/// that one says what it is.
fn raw_line(event: &Event) -> String {
    let line = json::one_line(event.raw());
    match line.strip_suffix('}') {
        Some(entry) if !event.is_first_version() => {
            format!("{entry},\"gridwatch\":{{\"version\":{}}}}}", event.sight().version)
        }
        _ => line.into_owned(),
    }
}
