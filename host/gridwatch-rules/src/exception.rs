//! Exceptions: what a team has decided not to be told of, by subject *and* rule or action, until a date.
//!
//! A finding that an exception holds for is suppressed, not lost: it makes an alert of its own, marked with the exception's id,
//! that is stored and handed to no sink that doesn't ask for such. The event's time decides whether an exception holds, so that
//! a replay agrees with what happened live.
//!
//! An allowed app has a largest set of scopes. What it is known to have beyond that takes it out of the exception, and the alert
//! says so. How to write the file is in `examples/exceptions.toml`; [`parse`] says everything that is wrong with one.

mod bounds;
mod cast;
mod lowered;
mod proposal;
mod read;

pub use bounds::{Beyond, Bounds, Hours, Said, volume};
pub use lowered::Lowered;
pub use proposal::{Proposal, propose};
pub use read::{Known, MAX_BYTES, parse};

use crate::apps::{Apps, Scopes, scopes_at};
use gridwatch_event::event::Event;
use gridwatch_event::mention::channel_of;
use gridwatch_event::network::Networks;
use gridwatch_event::time::UnixSeconds;
use ipnet::IpNet;
use serde::Serialize;
use std::borrow::Cow;
use std::net::IpAddr;

/// A file's entries, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    entries: Vec<Exception>,
    lowered: Vec<Lowered>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exception {
    pub id: String,
    pub who: Who,
    /// `apps.install`, or `apps.*`; empty: any rule that fires on one of `actions`.
    pub rules: Vec<String>,
    /// Empty: any action.
    pub actions: Vec<String>,
    /// The most that an allowed app may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes_max: Option<Scopes>,
    #[serde(flatten)]
    pub bounds: Bounds,
    pub reason: String,
    pub owner: String,
    pub ticket: String,
    /// Shipped stories that the subject would get away with, which the owner knows: `gridwatch exceptions check` allows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepts: Vec<String>,
    /// It holds from here on; `None`: always did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<UnixSeconds>,
    /// The first second at which it doesn't hold any more.
    pub expires: UnixSeconds,
    /// Where it stands in the file, from 1.
    pub line: usize,
}

/// The subject: all that is given has to fit, of each list one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Who {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actor: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub app: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub ip: Vec<IpNet>,
    /// As in `AS64500`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asn: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channel: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organization: Vec<String>,
}

fn as_texts<S: serde::Serializer>(nets: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(nets.iter().map(ToString::to_string))
}

/// What the exceptions say of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExceptionMatch<'x> {
    /// No exception is about it.
    None,
    Suppressed(&'x Exception),
    /// It would be suppressed, but for what the app has beyond its allowance.
    Exceeded(&'x Exception, Excess),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excess {
    Scopes(Vec<String>),
    /// The app is let in or widened, and nothing says with what.
    Unknown,
    /// It is beyond the hours, the volume or the labels that the entry is for.
    Bounds(Beyond),
}

/// What is known beyond an event.
#[derive(Clone, Copy, Debug)]
pub struct AppKnowledge<'e> {
    pub networks: &'e Networks,
    /// Has to have learned the event.
    pub apps: &'e Apps,
}

impl Exceptions {
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.entries.iter()
    }

    /// Rules that are rated lower, or not told of, whoever sets them off.
    pub fn lowered(&self) -> &[Lowered] {
        &self.lowered
    }

    /// How a rule's finding at this time is rated lower.
    pub fn lowering(&self, rule: &str, time: UnixSeconds) -> Option<&Lowered> {
        self.lowered.iter().find(|lowered| lowered.rule == rule && lowered.holds_at(time))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Those that hold now, as if they held at any time: for asking what they would suppress of cases from another time.
    pub fn at_any_time(&self, now: UnixSeconds) -> Self {
        let holding = self.entries.iter().filter(|exception| exception.holds_at(now)).cloned();
        let always = |exception| Exception { added: None, expires: UnixSeconds(u64::MAX), ..exception };
        let lowered = self.lowered.iter().filter(|lowered| lowered.holds_at(now)).cloned();
        let always_lowered = |lowered| Lowered { added: None, expires: UnixSeconds(u64::MAX), ..lowered };
        Self { entries: holding.map(always).collect(), lowered: lowered.map(always_lowered).collect() }
    }

    /// Lets what is said of a module's rules hold of the same rules under other module names too.
    pub fn also_for(&mut self, module: &str, names: &[String]) {
        for exception in &mut self.entries {
            let of_module = |rule: &String| Some(rule.strip_prefix(module)?.strip_prefix('.')?.to_owned());
            let rules: Vec<String> = exception.rules.iter().filter_map(of_module).collect();
            let others = names.iter().flat_map(|name| rules.iter().map(move |rule| format!("{name}.{rule}")));
            exception.rules.extend(others);
        }
    }

    /// Those that have run out and of which nobody was told yet; `reported` are keys as [`Exception::expiry_key`] makes them.
    pub fn expired<'x>(&'x self, now: UnixSeconds, reported: &dyn Fn(&str) -> bool) -> Vec<&'x Exception> {
        let due = |exception: &&Exception| exception.expires <= now && !reported(&exception.expiry_key());
        self.entries.iter().filter(due).collect()
    }

    /// Is a finding of this rule on this event to be told? The first entry that suppresses it is named.
    pub fn matching<'a>(
        &self,
        said: impl Into<Said<'a>>,
        event: &Event,
        known: AppKnowledge<'_>,
    ) -> ExceptionMatch<'_> {
        let said = said.into();
        let mut found = ExceptionMatch::None;
        let about = |exception: &&Exception| {
            exception.holds_at(event.time)
                && exception.covers(said.rule, event.action())
                && exception.who.fits(event, known.networks)
        };
        for exception in self.entries.iter().filter(about) {
            let beyond = || exception.bounds.beyond(&said, event.time).map(Excess::Bounds);
            match exception.excess(event, known.apps).or_else(beyond) {
                None => return ExceptionMatch::Suppressed(exception),
                Some(excess) if found == ExceptionMatch::None => found = ExceptionMatch::Exceeded(exception, excess),
                Some(_) => {}
            }
        }
        found
    }
}

/// `apps.install`, or `apps.*` for all of a module.
fn covers(pattern: &str, rule: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(module) => rule.split_once('.').is_some_and(|(of, _)| of == module),
        None => pattern == rule,
    }
}

impl Exception {
    pub fn holds_at(&self, time: UnixSeconds) -> bool {
        time < self.expires && self.added.is_none_or(|added| added <= time)
    }

    /// The same entry with another end is another expiry.
    pub fn expiry_key(&self) -> String {
        format!("{} {}", self.id, self.expires.0)
    }

    /// What an alert that it suppresses says of it, so that it can be explained when the entry is long gone.
    pub fn labels(&self) -> [(&'static str, String); 4] {
        [
            ("exception_owner", self.owner.clone()),
            ("exception_ticket", self.ticket.clone()),
            ("exception_expires", self.expires.to_string()),
            ("exception_reason", self.reason.clone()),
        ]
    }

    /// Is a finding of this rule on this action what it is about, whoever did it?
    pub fn covers(&self, rule: &str, action: &str) -> bool {
        (self.rules.is_empty() || self.rules.iter().any(|pattern| covers(pattern, rule)))
            && (self.actions.is_empty() || self.actions.iter().any(|named| named == action))
    }

    /// What takes the event's app out of the allowance, if it has one.
    fn excess(&self, event: &Event, apps: &Apps) -> Option<Excess> {
        let allowed = self.scopes_max.as_ref()?;
        let app = apps_of(event).into_iter().find_map(|app| apps.get(&app));
        match scopes_at(app, event) {
            Some(has) => {
                let beyond: Vec<String> = has.difference(allowed).cloned().collect();
                (!beyond.is_empty()).then_some(Excess::Scopes(beyond))
            }
            None if event.entity_type() == "app" => Some(Excess::Unknown),
            None => None,
        }
    }
}

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scopes(scopes) => f.write_str(&scopes.join(", ")),
            Self::Unknown => f.write_str("the entry doesn't say which scopes the app has"),
            Self::Bounds(beyond) => beyond.fmt(f),
        }
    }
}

impl Who {
    fn fits(&self, event: &Event, networks: &Networks) -> bool {
        let one_of = |wanted: &[String], there: &[Cow<'_, str>]| {
            wanted.is_empty() || there.iter().any(|id| !id.is_empty() && wanted.iter().any(|w| **w == **id))
        };
        let ip = event.ip_address();
        one_of(&self.actor, &[event.actor_id().into()])
            && one_of(&self.app, &apps_of(event))
            && one_of(&self.channel, channel_of(event).as_slice())
            && one_of(&self.organization, &organizations_of(event))
            && (self.ip.is_empty() || contains(&self.ip, ip))
            && (self.asn.is_empty()
                || networks.of(ip).is_some_and(|network| one_of(&self.asn, &[(&network.asn).into()])))
    }
}

fn contains(nets: &[IpNet], ip: &str) -> bool {
    let Ok(ip) = ip.parse::<IpAddr>() else { return false };
    nets.iter().any(|net| net.contains(&ip.to_canonical()))
}

/// The app that an event is about; where it is about none, the one through which it was done. Never both: whoever may act
/// through one app isn't thereby allowed to bring in another.
fn apps_of(event: &Event) -> Vec<Cow<'_, str>> {
    if event.entity_type() == "app" {
        return ["app_id", "id"].into_iter().map(|name| of_entity(event, name)).filter(|id| !id.is_empty()).collect();
    }
    let named = [event.text(&["details", "app_id"]), event.text(&["context", "app", "id"])];
    named.into_iter().filter(|id| !id.is_empty()).take(1).collect()
}

/// The organization from outside; where an event names both sides instead, either of them.
fn organizations_of(event: &Event) -> Vec<Cow<'_, str>> {
    let detail = |name| event.text(&["details", name]);
    let external = detail("external_organization_id");
    if !external.is_empty() {
        return vec![external];
    }
    ["target_team", "origin_team", "added_team_id", "source_team", "destination_team"].into_iter().map(detail).collect()
}

fn of_entity<'e>(event: &'e Event, name: &str) -> Cow<'e, str> {
    event.entity().map(|entity| entity.text(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
