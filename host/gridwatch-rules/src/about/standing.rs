//! What stands out of an alert, and what is as usual: the few lines that decide whether somebody looks further.
//!
//! Made of what is told about the alert and of what its rule counted. What isn't known is neither: it is said in one line, so
//! that silence is never taken for "as usual".

use super::{About, Activity, Address, DAY_S, MAX_COUNTED, Seen};
use crate::alert::Alert;
use crate::headline;
use gridwatch_event::time::UnixSeconds;
use std::collections::BTreeMap;

/// An account, a client or an app that is younger is worth a word.
const YOUNG_S: u64 = 7 * DAY_S;
/// So many others who do the same make it ordinary.
const COMMON: u64 = 3;
/// A family of acts stands out of a day if it is so many times the average day of the month, and at least so many.
const MANY_TIMES: u64 = 5;
const AT_LEAST: u64 = 10;
/// Before so many days were watched, an average says nothing.
const MIN_DAYS: u64 = 3;

/// What is known of whether an alert's acts are usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub unusual: Vec<String>,
    pub usual: Vec<String>,
}

impl Standing {
    pub fn of(alert: &Alert) -> Self {
        let about = &alert.about;
        let mut standing = Self::default();
        standing.numbers(alert);
        // What began with the alert itself is not what is usual.
        let since = alert.first.minus(DAY_S);
        let is_known = about.activity.as_ref().and_then(|activity| activity.first).is_some_and(|first| first < since);
        if is_known {
            standing.place(about, since);
        }
        if let Some(activity) = &about.activity {
            if is_known {
                standing.client(activity, since);
            }
            standing.person(about, activity, alert.first);
            standing.amounts(activity, alert.last);
        }
        standing.session(about);
        standing.app(about, alert.first);
        standing.peers(about);
        standing.alerts(about);
        standing
    }

    fn numbers(&mut self, alert: &Alert) {
        match headline::usual(alert) {
            Some(usual) if usual.contains("not known") => {}
            Some(usual) => self.unusual.push(format!("the number: {usual}")),
            None => {}
        }
        if alert.days > 1 {
            self.usual.push(format!("the same was found on {} days", alert.days));
        }
    }

    fn place(&mut self, about: &About, since: UnixSeconds) {
        let Some(address) = about.address.as_ref().filter(|address| is_persons(address)) else { return };
        let named = place_text(address);
        match (known(address.network_before.as_ref(), since), known(address.before.as_ref(), since)) {
            (None, _) => self
                .unusual
                .push(format!("the address {named}: neither it nor its network is known of them before this")),
            (Some(network), None) => {
                self.usual.push(format!("the network of {named} is theirs since {}", day(network.first)))
            }
            (Some(_), Some(seen)) => {
                self.usual.push(format!("the address {named} is theirs since {}", day(seen.first)))
            }
        }
        if !address.country.is_empty()
            && let Some(activity) = &about.activity
            && !activity.countries.is_empty()
            && activity.countries.iter().all(|seen| seen.value != address.country || seen.first >= since)
            && activity.countries.iter().any(|seen| seen.value != address.country)
        {
            let known: Vec<&str> = activity
                .countries
                .iter()
                .filter(|seen| seen.value != address.country)
                .take(3)
                .map(|seen| seen.value.as_str())
                .collect();
            self.unusual.push(format!("the country {}: until now {}", address.country, known.join(", ")));
        }
        if ["hosting", "vpn", "tor"].contains(&address.kind.as_str()) {
            self.unusual.push(format!("the address is of the kind {}", address.kind));
        }
        if address.others_total > 0 {
            self.usual.push(format!(
                "{} at that address in 24 hours",
                people(address.others_total, "other person", "other people")
            ));
        }
        if address.claimed_total > 0 {
            let who = people(address.claimed_total, "other person", "other people");
            self.unusual.push(format!("somebody at that address was refused or flagged as {who} in 24 hours"));
        }
    }

    fn client(&mut self, activity: &Activity, since: UnixSeconds) {
        if activity.client.is_empty() {
            return;
        }
        match known(activity.client_before.as_ref(), since) {
            None => self.unusual.push(format!(
                "the client {}: not known of them before this{}",
                activity.client,
                instead(&activity.clients, since)
            )),
            Some(seen) => {
                self.usual.push(format!("the client {} is theirs since {}", activity.client, day(seen.first)))
            }
        }
    }

    fn person(&mut self, about: &About, activity: &Activity, at: UnixSeconds) {
        let actor = &about.actor;
        if activity.of != actor.id {
            return;
        }
        let made = actor.created.as_ref().map(|made| made.value);
        match (activity.first, activity.before) {
            (_, _) if made.is_some_and(|made| made.plus(YOUNG_S) > at) => {
                let made = made.map(day).unwrap_or_default();
                self.unusual.push(format!("the account is new: made {made}"));
            }
            (None, _) => self.unusual.push("it is their first act in this log".to_owned()),
            (Some(first), _) if first.plus(DAY_S) > at => {
                self.unusual.push(format!("they were first seen in this log {first}"));
            }
            (Some(_), Some(before)) if actor.dormant.as_ref().is_some_and(|dormant| dormant.value) => {
                self.unusual.push(format!("they had done nothing since {}", day(before)));
            }
            _ => {}
        }
        if actor.external.as_ref().is_some_and(|external| external.value) {
            self.unusual.push("they belong to another organization".to_owned());
        } else if actor.guest.as_ref().is_some_and(|guest| guest.value) {
            self.unusual.push("they are a guest".to_owned());
        }
    }

    /// Families of acts that are many more today than on an average day of the month.
    fn amounts(&mut self, activity: &Activity, at: UnixSeconds) {
        let Some(first) = activity.first else { return };
        let days = (at.0.saturating_sub(first.0) / DAY_S).min(30);
        if days < MIN_DAYS {
            return;
        }
        let stands_out = |(family, today): (&String, &u64)| {
            let before = activity.month.get(family).copied().unwrap_or_default().saturating_sub(*today);
            let is_many = *today >= AT_LEAST && today * days >= before.saturating_mul(MANY_TIMES);
            is_many.then(|| format!("{today} acts on {family} in 24 hours, {before} in the {days} days before"))
        };
        self.unusual.extend(activity.day.iter().filter_map(stands_out));
    }

    fn session(&mut self, about: &About) {
        let Some(before) = about.session.as_ref().and_then(|session| session.before.as_ref()) else { return };
        let network = about.address.as_ref().filter(|address| is_persons(address)).map(network_of);
        if let Some(network) =
            network.filter(|network| !network.is_empty() && !before.network.is_empty() && *network != before.network)
        {
            self.unusual.push(format!("the session was last on {}, and is on {network} now", before.network));
        }
    }

    fn app(&mut self, about: &About, at: UnixSeconds) {
        let Some(app) = &about.app else { return };
        let name = if app.name.is_empty() { &app.id } else { &app.name };
        match app.first {
            None => self.unusual.push(format!("the app {name} was never seen before")),
            Some(first) if first.plus(YOUNG_S) > at => {
                self.unusual.push(format!("the app {name} is new: first seen {}", day(first)))
            }
            Some(first) => self.usual.push(format!("the app {name} is known since {}", day(first))),
        }
        match app.approved {
            Some(false) => self.unusual.push(format!("the app {name} is restricted")),
            Some(true) => self.usual.push(format!("an admin approved the app {name}")),
            None => {}
        }
    }

    fn peers(&mut self, about: &About) {
        let Some(peers) = about.peers.as_ref().filter(|peers| peers.watched_s >= MIN_DAYS * DAY_S) else { return };
        let days = (peers.watched_s / DAY_S).min(30);
        match peers.people {
            0 => self.unusual.push(format!("nobody else did this (`{}`) in {days} days", peers.action)),
            n if n >= COMMON => {
                let or_more = if n >= MAX_COUNTED { " or more" } else { "" };
                self.usual.push(format!("{n}{or_more} others did this (`{}`) in {days} days", peers.action));
            }
            n => self.unusual.push(format!(
                "only {} did this (`{}`) in {days} days",
                people(n, "other person", "other people"),
                peers.action
            )),
        }
    }

    fn alerts(&mut self, about: &About) {
        let mut open: BTreeMap<&str, u64> = BTreeMap::new();
        about.alerts.iter().filter(|alert| alert.open).for_each(|alert| *open.entry(&alert.rule).or_default() += 1);
        if !open.is_empty() {
            let rules: Vec<&str> = open.keys().take(5).copied().collect();
            self.unusual.push(format!("other alerts about them are open: {}", rules.join(", ")));
        }
    }
}

fn is_persons(address: &Address) -> bool {
    ["actor", "inviter"].contains(&address.whose.as_str()) && address.kind != "loopback"
}

/// `203.0.113.9 (AS64500 Example Net, NL)`
fn place_text(address: &Address) -> String {
    let network = format!("{} {}", address.asn, address.organization).trim().to_owned();
    let known: Vec<&str> =
        [network.as_str(), &address.country, &address.own].into_iter().filter(|text| !text.is_empty()).collect();
    if known.is_empty() { address.ip.clone() } else { format!("{} ({})", address.ip, known.join(", ")) }
}

/// As habits name it: the system's number, or the range.
fn network_of(address: &Address) -> String {
    match address.asn.is_empty() {
        false => address.asn.clone(),
        true => gridwatch_event::network::prefix_of(&address.ip),
    }
}

/// What was seen before the alert's own day.
fn known(seen: Option<&Seen>, since: UnixSeconds) -> Option<&Seen> {
    seen.filter(|seen| seen.first < since)
}

fn instead(clients: &[Seen], since: UnixSeconds) -> String {
    let known: Vec<&str> =
        clients.iter().filter(|seen| seen.first < since).take(2).map(|seen| seen.value.as_str()).collect();
    if known.is_empty() { String::new() } else { format!("; until now {}", known.join(", ")) }
}

fn people(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

fn day(time: UnixSeconds) -> String {
    time.to_string().chars().take(10).collect()
}
