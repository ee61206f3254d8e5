//! Casting: an exception's subject in the place of whoever an event is about.
//!
//! A known true positive is about ids that no team's exceptions name. What they would hide of it if one of their own subjects had
//! done it is asked by putting the event's ids into the entries, which comes to the same as putting theirs into the event.

use super::{Exception, Exceptions, Who, apps_of, organizations_of};
use gridwatch_event::event::Event;
use gridwatch_event::mention::channel_of;
use gridwatch_event::network::Networks;
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::IpAddr;

/// What an address stands for: whoever comes from one comes from others near it.
const V4_BITS: u8 = 24;
const V6_BITS: u8 = 48;

impl Exceptions {
    /// What stands in the file about the subject of one of its entries, said of whoever the event is about. An entry that shares an
    /// id of any kind with this one is about the same subject. `None` if the event has nobody of a kind that the entry names.
    pub fn cast(&self, exception: &Exception, event: &Event, networks: &Networks) -> Option<Self> {
        let whoever = Who::of(event, networks).only_kinds_of(&exception.who)?;
        let entries = self.entries.iter().filter_map(|entry| {
            let who = entry.who.joined(&exception.who, &whoever)?;
            Some(Exception { who, ..entry.clone() })
        });
        Some(Self { entries: entries.collect(), lowered: self.lowered.clone() })
    }
}

impl Who {
    fn of(event: &Event, networks: &Networks) -> Self {
        let owned = |ids: &[Cow<'_, str>]| -> Vec<String> {
            ids.iter().filter(|id| !id.is_empty()).map(|id| id.clone().into_owned()).collect()
        };
        let ip = event.ip_address();
        Self {
            actor: owned(&[event.actor_id().into()]),
            app: owned(&apps_of(event)),
            ip: range_of(ip).into_iter().collect(),
            asn: networks.of(ip).map(|network| owned(&[(&network.asn).into()])).unwrap_or_default(),
            channel: owned(channel_of(event).as_slice()),
            organization: owned(&organizations_of(event)),
        }
    }

    /// What is here of the kinds that the other names, if something is of each.
    fn only_kinds_of(self, other: &Self) -> Option<Self> {
        Some(Self {
            actor: kind(self.actor, &other.actor)?,
            app: kind(self.app, &other.app)?,
            ip: kind(self.ip, &other.ip)?,
            asn: kind(self.asn, &other.asn)?,
            channel: kind(self.channel, &other.channel)?,
            organization: kind(self.organization, &other.organization)?,
        })
    }

    /// This with `whoever` beside what it shares with `subject`; `None` if it shares nothing.
    fn joined(&self, subject: &Self, whoever: &Self) -> Option<Self> {
        let who = Self {
            actor: beside(&self.actor, &subject.actor, &whoever.actor),
            app: beside(&self.app, &subject.app, &whoever.app),
            ip: beside(&self.ip, &subject.ip, &whoever.ip),
            asn: beside(&self.asn, &subject.asn, &whoever.asn),
            channel: beside(&self.channel, &subject.channel, &whoever.channel),
            organization: beside(&self.organization, &subject.organization, &whoever.organization),
        };
        (who != *self).then_some(who)
    }
}

fn kind<T>(there: Vec<T>, named: &[T]) -> Option<Vec<T>> {
    match (named.is_empty(), there.is_empty()) {
        (true, _) => Some(Vec::new()),
        (false, true) => None,
        (false, false) => Some(there),
    }
}

fn beside<T: Clone + PartialEq>(own: &[T], subject: &[T], whoever: &[T]) -> Vec<T> {
    let more = if own.iter().any(|id| subject.contains(id)) { whoever } else { &[] };
    own.iter().chain(more.iter().filter(|id| !own.contains(id))).cloned().collect()
}

fn range_of(ip: &str) -> Option<IpNet> {
    let ip = ip.parse::<IpAddr>().ok()?.to_canonical();
    let bits = if ip.is_ipv4() { V4_BITS } else { V6_BITS };
    Some(IpNet::new(ip, bits).ok()?.trunc())
}
