//! Channels: what the log has said of each: its name, and whether it is private or shared.
//!
//! Entries about a channel say so, those about what is in it name it at most. The newest word counts, in the order of arrival.

use super::Channel;
use super::habits::{MAX_TEXT, clip};
use crate::keyed::Map;
use crate::state::{ABOUT, Forgotten, StateOp, StateRow};
use gridwatch_event::event::Event;
use gridwatch_event::mention::channel_of;
use gridwatch_event::part::Part;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Channels kept; the ones of which nothing new was said for longest go first.
const MAX_CHANNELS: usize = 50_000;

#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: Map<String, Known>,
    dirty: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    /// Number of the event that said something new last.
    seq: u64,
    name: String,
    private: Option<bool>,
    shared: Option<bool>,
    org_shared: Option<bool>,
}

impl Channels {
    /// Takes in what an event says of the channel that it is about.
    pub(super) fn learn(&mut self, event: &Event) {
        let Some(channel) = event.entity().filter(|_| event.entity_type() == "channel") else { return };
        let id = event.entity_id();
        if !is_channel(id) {
            return;
        }
        let flag = |name: &str| channel.get(name).and_then(Part::as_bool);
        let (name, privacy) = (channel.text("name"), channel.text("privacy"));
        let private = (!privacy.is_empty()).then(|| privacy != "public");
        let (shared, org_shared) = (flag("is_shared"), flag("is_org_shared"));
        let known = self.channels.get(id);
        let is_known = |known: &Known| {
            let same = |told: Option<bool>, known| told.is_none() || told == known;
            (name.is_empty() || *known.name == *clip(&name))
                && same(private, known.private)
                && same(shared, known.shared)
                && same(org_shared, known.org_shared)
        };
        if known.is_some_and(is_known) {
            return;
        }
        if known.is_none() {
            self.make_room();
        }
        self.dirty.insert(id.to_owned());
        let known = self.channels.entry(id.to_owned()).or_default();
        known.seq = event.seq;
        if !name.is_empty() {
            clip(&name).clone_into(&mut known.name);
        }
        known.private = private.or(known.private);
        known.shared = shared.or(known.shared);
        known.org_shared = org_shared.or(known.org_shared);
    }

    /// The channel that an event is about or names, with what is known of it once the event was taken in.
    pub(super) fn about(&self, event: &Event) -> Option<Channel> {
        let id = channel_of(event).filter(|id| is_channel(id))?;
        let known = self.channels.get(&*id).cloned().unwrap_or_default();
        Some(Channel {
            id: clip(&id).to_owned(),
            name: known.name,
            private: known.private,
            shared: known.shared,
            org_shared: known.org_shared,
            ..Channel::default()
        })
    }

    pub(super) fn take_changes(&mut self) -> Vec<StateOp> {
        let row = |id: String| StateOp::save(ABOUT, &[b"c", id.as_bytes()].concat(), self.channels.get(&id));
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }

    pub(super) fn load(&mut self, id: &str, row: StateRow<'_>) -> Result<(), Forgotten> {
        self.channels.insert(id.to_owned(), row.json()?);
        Ok(())
    }

    fn make_room(&mut self) {
        if self.channels.len() < MAX_CHANNELS {
            return;
        }
        let mut by_age: Vec<(u64, String)> = self.channels.iter().map(|(id, known)| (known.seq, id.clone())).collect();
        by_age.sort_unstable();
        for (_, id) in by_age.into_iter().take(MAX_CHANNELS / 10) {
            self.channels.remove(&id);
            self.dirty.insert(id);
        }
    }
}

fn is_channel(id: &str) -> bool {
    id.starts_with(['C', 'G', 'D']) && id.len() <= MAX_TEXT
}
