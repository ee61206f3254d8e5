//! Mentions: ids that an entry names somewhere else than as its actor or entity.
//!
//! Slack has no one place and no one shape for them. What reads them asks here, so that an exception about a channel and a
//! response to it mean the same channel.

use crate::event::Event;
use crate::part::Part;
use std::borrow::Cow;

/// The channel that an event is about, or in which what it is about is.
pub fn channel_of(event: &Event) -> Option<Cow<'_, str>> {
    let entity = event.entity();
    if event.entity_type() == "channel" {
        return id_of(entity?.get("id")?);
    }
    let of_entity = ["channel", "channel_id"].into_iter().filter_map(|name| entity?.get(name));
    // The last is what tools of an MCP client or agent were called with.
    let details = [&["channel_id"][..], &["channel"], &["arguments", "channel_id"]];
    let of_details = details.into_iter().filter_map(|path| event.details()?.at(path));
    of_entity.chain(of_details).find_map(id_of)
}

/// An id, or that of an object.
pub fn id_of(named: Part<'_>) -> Option<Cow<'_, str>> {
    named.as_str().or_else(|| named.get("id")?.as_str()).filter(|id| !id.is_empty())
}

/// An app's own id: `app_id` where its object has one, for `id` may then be its bot's; else `id`.
pub fn app_id(app: Part<'_>) -> Option<Cow<'_, str>> {
    ["app_id", "id"].into_iter().filter_map(|name| app.get(name)?.as_str()).find(|id| !id.is_empty())
}

/// A list, or a text that holds one (`["W1","W2"]`): Slack has been seen to write both.
pub fn list(value: Option<Part<'_>>) -> Vec<Cow<'_, str>> {
    let Some(value) = value else { return Vec::new() };
    let Some(text) = value.as_str() else { return value.items().filter_map(Part::as_str).collect() };
    match text {
        Cow::Borrowed(text) => names_in(text).map(Cow::Borrowed).collect(),
        Cow::Owned(text) => names_in(&text).map(|name| Cow::Owned(name.to_owned())).collect(),
    }
}

fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    inner.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;
    use serde_json::{Value, json};

    #[test]
    fn a_channel_is_found_wherever_slack_names_it() {
        let entity = |kind: &str, body: Value| json!({ "entity": { "type": kind, kind: body } });
        let details =
            |details: Value| json!({ "entity": { "type": "file", "file": { "id": "F1" } }, "details": details });
        let both = json!({
            "entity": { "type": "channel", "channel": { "id": "C1" } }, "details": { "channel_id": "C2" },
        });
        for (entry, want) in [
            (entity("channel", json!({ "id": "C1" })), Some("C1")),
            (entity("message", json!({ "channel": "C1", "team": "T1" })), Some("C1")),
            (entity("huddle", json!({ "id": "R1", "channel_id": "C1" })), Some("C1")),
            (details(json!({ "channel_id": "C1" })), Some("C1")),
            (details(json!({ "channel": "C1" })), Some("C1")),
            (details(json!({ "channel": { "id": "C1", "name": "x" } })), Some("C1")),
            (details(json!({ "arguments": { "channel_id": "C1" } })), Some("C1")),
            (details(json!({ "channel_id": "", "channel": "C1" })), Some("C1")),
            (both, Some("C1")),
            (entity("channel", json!({ "id": "" })), None),
            (details(json!({ "channel": 7, "arguments": "{}" })), None),
            (json!({}), None),
        ] {
            let event = Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()));
            assert_eq!(channel_of(&event).as_deref(), want, "{entry}");
        }
    }

    #[test]
    fn an_app_is_named_by_its_own_id_before_its_bots() {
        for (app, want) in [
            (json!({ "id": "A1" }), Some("A1")),
            (json!({ "app_id": "A1" }), Some("A1")),
            (json!({ "app_id": "A1", "id": "B1" }), Some("A1")),
            (json!({ "app_id": "", "id": "A1" }), Some("A1")),
            (json!({ "app_id": null, "id": "" }), None),
            (json!("A1"), None),
        ] {
            assert_eq!(app_id(Part::read(&app)).as_deref(), want, "{app}");
        }
    }
}
