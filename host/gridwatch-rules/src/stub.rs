//! A stub: what an alert keeps of an event that it cites as evidence.
//!
//! Small, because windows hold many of them: enough to show the event and to find it again by Slack's id.

use gridwatch_event::event::Event;
use gridwatch_event::mention;
use gridwatch_event::text;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::whose;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stub {
    pub seq: u64,
    pub id: String,
    pub time: UnixSeconds,
    pub action: String,
    pub actor_id: String,
    pub ip_address: String,
    pub ua: String,
    /// What it was done to, by id and by name; empty where the entry says neither.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object_name: String,
}

/// A text of an entry can be megabytes long; a stub's texts are not.
const MAX_TEXT: usize = 512;
/// The same in bytes, and more than it can be.
const MAX_BYTES: usize = 4 * MAX_TEXT;
/// Longest id and name of what it was done to, in characters: windows hold one for each of their events.
const MAX_OBJECT: usize = 32;
const MAX_OBJECT_NAME: usize = 64;
/// Id, action, actor, address, user agent, and id and name of what it was done to.
pub(crate) const TEXTS: usize = 7;

impl Stub {
    pub fn of(event: &Event) -> Arc<Self> {
        let (object, object_name) = object_of(event);
        Arc::new(Self {
            seq: event.seq,
            id: clip(event.id()),
            time: event.time,
            action: clip(event.action()),
            actor_id: clip(event.actor_id()),
            ip_address: clip(event.ip_address()),
            ua: clip(&whose::user_agent(event)),
            object: text::clean(&object, MAX_OBJECT),
            object_name: text::clean(&object_name, MAX_OBJECT_NAME),
        })
    }
}

/// A stub as windows keep it: one block of memory, without the number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackedStub {
    pub(crate) time: UnixSeconds,
    texts: Box<str>,
    /// Where each text ends.
    ends: [u16; TEXTS],
}

impl PackedStub {
    pub(crate) fn of(event: &Event) -> Self {
        let ua = whose::user_agent(event);
        let (object, object_name) = object_of(event);
        let [id, action, actor, address, ua] = [event.id(), event.action(), event.actor_id(), event.ip_address(), &*ua]
            .map(|text| text::clip(text, MAX_TEXT));
        let (object, name) = (text::clip(&object, MAX_OBJECT), text::clip(&object_name, MAX_OBJECT_NAME));
        Self::of_texts(event.time, [id, action, actor, address, ua, object, name])
    }

    /// What is longer than a stub's texts is cut.
    pub(crate) fn of_texts(time: UnixSeconds, texts: [&str; TEXTS]) -> Self {
        let mut all = String::with_capacity(texts.map(str::len).iter().sum());
        let ends = texts.map(|text| {
            let end = text.floor_char_boundary(text.len().min(MAX_BYTES));
            all.push_str(&text[..end]);
            all.len() as u16
        });
        Self { time, texts: all.into(), ends }
    }

    pub(crate) fn texts(&self) -> [&str; TEXTS] {
        let mut start = 0;
        self.ends.map(|end| {
            let text = &self.texts[start..usize::from(end)];
            start = usize::from(end);
            text
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn stub(&self, seq: u64) -> Stub {
        let [id, action, actor_id, ip_address, ua, object, name] = self.texts().map(str::to_owned);
        let (object, object_name) = (text::clean(&object, MAX_OBJECT), text::clean(&name, MAX_OBJECT_NAME));
        Stub { seq, id, time: self.time, action, actor_id, ip_address, ua, object, object_name }
    }
}

/// Id and name of what an event was done to: its entity.
fn object_of(event: &Event) -> (Cow<'_, str>, Cow<'_, str>) {
    let Some(entity) = event.entity() else { return Default::default() };
    let id = match event.entity_type() {
        "app" => mention::app_id(entity),
        _ => mention::id_of(entity),
    };
    let name =
        ["name", "title", "email", "domain"].into_iter().map(|name| entity.text(name)).find(|text| !text.is_empty());
    (id.unwrap_or_default(), name.unwrap_or_default())
}

fn clip(text: &str) -> String {
    text::clip(text, MAX_TEXT).to_owned()
}
