//! The items: each thing that an alert should say about who, whether it is usual, and from where, as a line of text.
//!
//! One list decides what is shown, in which order, and what counts as unknown.

use super::{
    About, Activity, Address, Alerted, App, Channel, MAX_COUNTED, Peers, Person, SENSITIVE_CHANNELS, Seen, Session,
};
use super::{DAY_S, HOUR_S, SeenSession, Source, Sourced, Through};
use gridwatch_event::role::Role;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Severity;
use std::collections::BTreeMap;

/// How much of a list a line shows.
const SHOWN: usize = 5;
const OF_TARGET: &str = "target: ";

pub(super) struct Item {
    pub(super) label: String,
    /// `None`: unknown.
    pub(super) text: Option<String>,
    /// Why it would be unknown.
    pub(super) why: String,
    pub(super) asked: Asked,
}

/// Whom the host may ask for what the log doesn't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nobody,
    /// `users.info`, about the actor or the target.
    Users {
        of_target: bool,
    },
    /// `conversations.info`, about the channel.
    Conversations,
}

#[derive(Default)]
struct Items(Vec<Item>);

impl Items {
    fn put(&mut self, label: &str, text: Option<String>, why: &str) {
        self.ask(Asked::Nobody, label, text, why);
    }

    fn ask(&mut self, asked: Asked, label: &str, text: Option<String>, why: &str) {
        self.0.push(Item { label: label.to_owned(), text, why: why.to_owned(), asked });
    }

    fn said(&mut self, label: &str, text: impl Into<String>) {
        self.put(label, Some(text.into()), "");
    }

    fn account(&mut self, label: &str, text: Option<String>) {
        let of_target = label.starts_with(OF_TARGET);
        self.ask(Asked::Users { of_target }, label, text, "the log doesn't tell, and users.info was not asked");
    }

    fn conversation(&mut self, label: &str, text: Option<String>) {
        self.ask(Asked::Conversations, label, text, "the log doesn't tell, and conversations.info was not asked");
    }
}

pub(super) fn of(about: &About) -> Vec<Item> {
    let mut items = Items::default();
    if about.is_empty() {
        return items.0;
    }
    actor(&mut items, about);
    activity(&mut items, &about.actor, about.activity.as_ref());
    session(&mut items, about.session.as_ref());
    alerts(&mut items, &about.alerts);
    address(&mut items, about.address.as_ref());
    target(&mut items, about.target.as_ref());
    app(&mut items, about.app.as_ref());
    channel(&mut items, about.channel.as_ref());
    peers(&mut items, about.peers.as_ref());
    items.0
}

/// Says of what the networks would tell that there are none.
pub(super) fn note_no_networks(about: &mut About) {
    const WHY: &str = "no table or database of networks is configured";
    let of_networks = ["country", "network", "kind of address"];
    for item in of(about).into_iter().filter(|item| item.text.is_none() && of_networks.contains(&item.label.as_str())) {
        about.lacks.push(super::Lack { what: item.label, why: WHY.to_owned() });
    }
}

fn actor(items: &mut Items, about: &About) {
    if about.actor.id.is_empty() {
        return items.said("actor", "none: the entry names nobody");
    }
    if about.actor.placeholder {
        items.said("actor", format!("{}: Slack's placeholder, no person", about.actor.id));
    } else {
        items.said("actor", person_text(&about.actor));
        person(items, "", &about.actor);
    }
    let through: Vec<String> = about.acted_through.iter().map(Through::to_string).collect();
    items.said("acted through", if through.is_empty() { "nothing else".to_owned() } else { through.join("; ") });
}

fn target(items: &mut Items, target: Option<&Person>) {
    match target {
        None => items.said("target", "none: it was done to no other user"),
        Some(target) => {
            items.said("target", person_text(target));
            person(items, OF_TARGET, target);
        }
    }
}

fn person_text(person: &Person) -> String {
    let named: Vec<&str> =
        [&person.name, &person.email].into_iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
    if named.is_empty() { person.id.clone() } else { format!("{} ({})", person.id, named.join(", ")) }
}

fn person(items: &mut Items, whose: &str, person: &Person) {
    let label = |name: &str| format!("{whose}{name}");
    let role = |role: &Option<Sourced<Role>>| role.as_ref().map(|known| sourced_text(known, known.value.name()));
    let flag = |flag: &Option<Sourced<bool>>| flag.as_ref().map(|known| sourced_text(known, yes(known.value)));
    items.put(&label("role at the event"), role(&person.role_at_event), "no entry up to then told it");
    items.account(&label("role now"), role(&person.role_now));
    if !person.system_roles.is_empty() {
        let roles: Vec<&str> = person.system_roles.iter().map(String::as_str).collect();
        items.said(&label("system roles"), shown(&roles));
    }
    items.account(&label("guest"), flag(&person.guest));
    items.account(&label("bot"), flag(&person.bot));
    items.account(&label("external"), flag(&person.external));
    items.account(&label("deactivated"), flag(&person.deactivated));
    items.put(&label("dormant"), flag(&person.dormant), "never seen, and the log was watched for less than 30 days");
    items.account(&label("two-factor"), flag(&person.two_factor));
    let created = person.created.as_ref().map(|known| sourced_text(known, &known.value.to_string()));
    items.put(&label("account made"), created, "before the log was watched");
}

fn sourced_text<T>(known: &Sourced<T>, text: &str) -> String {
    match known.by {
        Source::Log => text.to_owned(),
        Source::UsersInfo(at) => format!("{text} (users.info, {at})"),
        Source::ConversationsInfo(at) => format!("{text} (conversations.info, {at})"),
    }
}

impl std::fmt::Display for Through {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |id: &str, name: &str| if name.is_empty() { id.to_owned() } else { format!("{name} ({id})") };
        let text = match self {
            Through::App { id, name, actor_installed_it } => {
                let installed = match actor_installed_it {
                    Some(true) => ", which the actor installed: the app acted in their name",
                    Some(false) => ", which somebody else installed",
                    None => ", whose installer the log doesn't tell",
                };
                format!("app {}{installed}", named(id, name))
            }
            Through::Agent { name } => format!("agent {name}, for the actor"),
            Through::Inviter { id, name } => {
                format!("{}, who brought them in or removed them: the address is theirs", named(id, name))
            }
        };
        f.write_str(&text)
    }
}

fn activity(items: &mut Items, actor: &Person, activity: Option<&Activity>) {
    let Some(activity) = activity else {
        return items.said("last 24 hours", "none: no person acted");
    };
    if activity.of != actor.id {
        items.said("activity", format!("of {}, to whom it was done", activity.of));
    }
    items.said("last 24 hours", counts(&activity.day));
    items.said("last 30 days", counts(&activity.month));
    items.said("not their own doing in 24 hours", counts(&activity.day_by_others));
    items.said("not their own doing in 30 days", counts(&activity.month_by_others));
    let first = activity.first.map(|time| format!("first {time}"));
    let before = activity.before.map(|time| format!(", last before this {time}"));
    items
        .said("seen", format!("{}{}", first.unwrap_or_else(|| "never before this".into()), before.unwrap_or_default()));
    items.said("known addresses", seen_list(&activity.addresses));
    items.said("known networks", seen_list(&activity.networks));
    items.said("known countries", seen_list(&activity.countries));
    items.said("known clients", seen_list(&activity.clients));
    items.said("sessions", session_list(&activity.sessions));
    if !activity.client.is_empty() {
        items.said("client", format!("{}, {}", activity.client, used(activity.client_before.as_ref())));
    }
    let admin = activity.admin_act.as_ref().map(|act| format!("{} at {}", act.action, act.time));
    items.said("last admin act", admin.unwrap_or_else(|| "none in this log before this".into()));
}

fn session(items: &mut Items, session: Option<&Session>) {
    let Some(session) = session else {
        return items.said("session", "none: the entry has none of a person's");
    };
    let before = match &session.before {
        None => "never before".to_owned(),
        Some(seen) => format!("since {}, last {} on {}", seen.first, seen.last, place_of(seen)),
    };
    items.said("session", format!("{} (the {}'s), {before}", session.id, session.whose));
}

fn session_list(sessions: &[SeenSession]) -> String {
    let each = sessions.iter().take(SHOWN).map(|s| format!("{} (since {}, {})", s.id, day(s.first), place_of(s)));
    listed(each.collect(), sessions.len())
}

fn place_of(session: &SeenSession) -> String {
    match (session.network.as_str(), session.client.as_str()) {
        (network, "") => network.to_owned(),
        (network, client) => format!("{network} with {client}"),
    }
}

fn alerts(items: &mut Items, alerts: &[Alerted]) {
    let open: Vec<&Alerted> = alerts.iter().filter(|alert| alert.open).collect();
    let each = open.iter().take(SHOWN).map(|a| format!("{} {} ({}, {})", a.severity.name(), a.rule, a.uid, a.last));
    items.said("open alerts about them", listed(each.collect(), open.len()));
    let of = |severity: Severity| alerts.iter().filter(|alert| alert.severity == severity).count();
    let counted =
        Severity::ALL.into_iter().rev().map(|severity| (severity.name(), of(severity))).filter(|(_, n)| *n > 0);
    let counted: Vec<String> = counted.map(|(name, n)| format!("{name} {n}")).collect();
    let none = "none before this".to_owned();
    items.said("alerts about them in 30 days", if counted.is_empty() { none } else { counted.join(", ") });
}

fn address(items: &mut Items, address: Option<&Address>) {
    let Some(address) = address else {
        return items.said("address", "none: the entry has none");
    };
    if address.kind == "loopback" {
        return items.said("address", format!("{}: Slack's own servers", address.ip));
    }
    items.said("address", format!("{} (the {}'s)", address.ip, address.whose));
    let is_persons = ["actor", "inviter"].contains(&address.whose.as_str());
    if is_persons {
        items.said("address used", used(address.before.as_ref()));
        items.said("network used", used(address.network_before.as_ref()));
        let claimed = address.claimed_before.as_ref();
        items.said("refused or flagged from the address", used(claimed));
    }
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    items.said("own way out", some(&address.own).unwrap_or_else(|| "none that is configured".into()));
    items.put("country", some(&address.country), "no table or database has the address");
    let network = some(format!("{} {}", address.asn, address.organization).trim());
    items.put("network", network, "no table or database has the address");
    items.put("kind of address", some(&address.kind), "no table or list has the address");
    let others: Vec<&str> = address.others.iter().map(String::as_str).collect();
    let others = match address.others_total {
        0 => "nobody".to_owned(),
        n => format!("{n}: {}{}", shown(&others), if n > SHOWN as u64 { ", …" } else { "" }),
    };
    items.said("others at the address in 24 hours", others);
    let claimed = match address.claimed_total {
        0 => "nobody".to_owned(),
        1 => "1 other".to_owned(),
        n => format!("{n} others"),
    };
    items.said("refused or flagged there in 24 hours", claimed);
}

fn app(items: &mut Items, app: Option<&App>) {
    let Some(app) = app else {
        return items.said("app", "none: the entry names no app");
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    items.said("app", format!("{} {}", app.id, app.name).trim().to_owned());
    let scopes: Vec<&str> = app.scopes.iter().chain(&app.bot_scopes).map(String::as_str).collect();
    items.put("app's scopes", some(&scopes.join(", ")), "no entry told them");
    items.put("app first seen", app.first.map(|time| time.to_string()), "never");
    items.put("app's installer", some(&app.installer), "installed before the log was watched");
    let directory = app.directory_approved.map(|is| yes(is).to_owned());
    items.put("in Slack's app directory", directory, "no entry told it");
    let approved = app.approved.map(|is| if is { "approved" } else { "restricted" }.to_owned());
    items.put("app's approval", approved, "decided before the log was watched, or never");
    items.said("app's installs in 24 hours", app.installs.to_string());
}

fn channel(items: &mut Items, channel: Option<&Channel>) {
    let Some(channel) = channel else {
        return items.said("channel", "none: the entry names no channel");
    };
    let flag = |flag: Option<bool>| flag.map(|is| yes(is).to_owned());
    items.said("channel", format!("{} {}", channel.id, channel.name).trim().to_owned());
    items.conversation("channel is private", flag(channel.private));
    items.conversation("channel is shared outside", flag(channel.shared));
    let members = channel.members.as_ref().map(|known| sourced_text(known, &known.value.to_string()));
    items.conversation("channel's members", members);
    let why = format!("there is no lookup table `{SENSITIVE_CHANNELS}`");
    items.put("channel is sensitive", flag(channel.sensitive), &why);
}

fn peers(items: &mut Items, peers: Option<&Peers>) {
    let Some(peers) = peers else {
        return items.put("others who did this in 30 days", None, "the action is in no catalogue");
    };
    let counted = |n: u64| if n >= MAX_COUNTED { format!("{n} or more") } else { n.to_string() };
    let watched = match peers.watched_s {
        s if s >= 30 * DAY_S => String::new(),
        s if s >= 2 * DAY_S => format!(" (the log was watched for {} days only)", s / DAY_S),
        s => format!(" (the log was watched for {} hours only)", s / HOUR_S),
    };
    items.said("others who did this in 30 days", format!("{}{watched}", counted(peers.people)));
    items.put("of them in the same role", peers.same_role.map(counted), "the actor's role is unknown");
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let mut families: Vec<(&String, &u64)> = counts.iter().collect();
    families.sort_by_key(|(family, n)| (std::cmp::Reverse(**n), (*family).clone()));
    let families: Vec<String> = families.into_iter().map(|(family, n)| format!("{family} {n}")).collect();
    if families.is_empty() { "nothing".to_owned() } else { families.join(", ") }
}

fn seen_list(seen: &[Seen]) -> String {
    let each = seen.iter().take(SHOWN).map(|s| format!("{} ({} to {})", s.value, day(s.first), day(s.last)));
    listed(each.collect(), seen.len())
}

/// Those that are shown of so many.
fn listed(shown: Vec<String>, all: usize) -> String {
    match all {
        0 => "none before this".to_owned(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}

fn day(time: UnixSeconds) -> String {
    time.to_string().chars().take(10).collect()
}

fn used(before: Option<&Seen>) -> String {
    match before {
        None => "never before".to_owned(),
        Some(seen) => format!("since {}, last {}", seen.first, seen.last),
    }
}

fn shown(names: &[&str]) -> String {
    names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ")
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
