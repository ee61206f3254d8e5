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

fn clip(text: &str) -> String {
    text::clip(text, MAX_TEXT).to_owned()
}
