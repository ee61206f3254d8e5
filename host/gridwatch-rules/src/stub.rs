//! A stub: what an alert keeps of an event that it cites as evidence.
//!
//! Small, because windows hold many of them: enough to show the event and to find it again by Slack's id.

use gridwatch_event::event::Event;
use gridwatch_event::text;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::whose;
use serde::{Deserialize, Serialize};
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
}

/// A text of an entry can be megabytes long; a stub's texts are not.
const MAX_TEXT: usize = 512;
/// The same in bytes, and more than it can be.
const MAX_BYTES: usize = 4 * MAX_TEXT;

impl Stub {
    pub fn of(event: &Event) -> Arc<Self> {
        Arc::new(Self {
            seq: event.seq,
            id: clip(event.id()),
            time: event.time,
            action: clip(event.action()),
            actor_id: clip(event.actor_id()),
            ip_address: clip(event.ip_address()),
            ua: clip(&whose::user_agent(event)),
        })
    }
}

/// A stub as windows keep it: one block of memory, without the number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackedStub {
    pub(crate) time: UnixSeconds,
    texts: Box<str>,
    /// Where each text ends.
    ends: [u16; 5],
}

impl PackedStub {
    pub(crate) fn of(event: &Event) -> Self {
        let ua = whose::user_agent(event);
        let texts = [event.id(), event.action(), event.actor_id(), event.ip_address(), &*ua];
        Self::of_texts(event.time, texts.map(|text| text::clip(text, MAX_TEXT)))
    }

    /// Id, action, actor, address and user agent. What is longer than a stub's texts is cut.
    pub(crate) fn of_texts(time: UnixSeconds, texts: [&str; 5]) -> Self {
        let mut all = String::with_capacity(texts.map(str::len).iter().sum());
        let ends = texts.map(|text| {
            let end = text.floor_char_boundary(text.len().min(MAX_BYTES));
            all.push_str(&text[..end]);
            all.len() as u16
        });
        Self { time, texts: all.into(), ends }
    }

    pub(crate) fn texts(&self) -> [&str; 5] {
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
        let [id, action, actor_id, ip_address, ua] = self.texts().map(str::to_owned);
        Stub { seq, id, time: self.time, action, actor_id, ip_address, ua }
    }
}

fn clip(text: &str) -> String {
    text::clip(text, MAX_TEXT).to_owned()
}
