//! Habits: what each person does how often, from where and with what, as far back as a month; and what others do in their name,
//! which is kept apart: an attacker's address must not become a known one, nor an app's night shift wake a dormant account.
//!
//! Learned event by event, in order, and trimmed as it is learned, so that what is remembered depends on the events alone.
//! A person is four rows: what changes with every act; the days before; places, which change once an hour at most; and alerts.

use super::{Activity, AdminAct, Alerted, DAY_S, HOUR_S, Seen, SeenSession};
use crate::alert::Alert;
use crate::directory::RecentAct;
use crate::state::{ABOUT, Forgotten, StateOp, StateRow};
use gridwatch_event::event::Event;
use gridwatch_event::grant::{self, Scope};
use gridwatch_event::time::UnixSeconds;
use gridwatch_names::catalogue;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, LazyLock};

/// People kept, at about 5 KB each. The ones unseen longest go first.
pub(super) const MAX_PEOPLE: usize = 100_000;
/// Acts kept as recent activity.
pub(super) const MAX_RECENT: usize = 10;
/// Addresses, networks, countries and clients kept of a person, each.
const MAX_PLACES: usize = 16;
/// Alerts kept of a person.
const MAX_ALERTS: usize = 16;
/// Different actions kept of a person.
const MAX_ACTIONS: usize = 128;
/// Families times hours or days kept of a person.
const MAX_TALLIES: usize = 512;
const DAYS: u64 = 30;
const HOURS: u64 = 24;
/// Longest text kept, in characters.
pub(super) const MAX_TEXT: usize = 128;

/// Slack's groups of actions, and what is in none. Rows hold their numbers, so new ones go to the end.
const FAMILIES: [&str; 26] = [
    "other",
    "account_type_role",
    "anomaly",
    "app",
    "app_approval_automation_rule",
    "barrier",
    "canvas",
    "channel",
    "file",
    "function",
    "huddle",
    "legal_hold",
    "list",
    "message",
    "native_dlp",
    "role",
    "sales_elevate",
    "salesforce_mcp_server",
    "slack_cli",
    "slack_first_crm",
    "subteam",
    "template",
    "user",
    "workflow_builder",
    "workflow_v2",
    "workspace_or_org",
];

/// What only admins, owners and holders of system roles do, by the start of the name.
const ADMIN: [&str; 35] = [
    "pref.",
    "role_",
    "permissions_",
    "owner_transferred",
    "org_owner_created",
    "app_approved",
    "app_restricted",
    "app_removed_from_whitelist",
    "auth_policy_",
    "idp_",
    "domain_",
    "ekm_",
    "ip_allowlist_enabled",
    "ip_allowlist_disabled",
    "team_authorized_ip_range_",
    "native_dlp_rule_",
    "barrier_",
    "legal_hold_",
    "intune_",
    "manual_export_",
    "manual_user_export_",
    "channels_export_",
    "scheduled_export_",
    "corporate_exports_",
    "user_session_reset_by_admin",
    "bulk_session_reset_by_admin",
    "user_password_reset_by_admin",
    "user_deactivated",
    "audit_logs_records_searched",
    "audit_logs_export_",
    "search_query_audit_logs_export_",
    "channel_audit_export_",
    "security_settings_export_",
    "user_session_settings_changed",
    "channel_retention_changed",
];

/// Who did what a person is named in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Own,
    /// An app or an agent, in their name.
    ByApp,
    /// Somebody who brought them in or removed them.
    ByOther,
    /// Whoever claimed to be them: refused, or judged by Slack.
    Claimed,
}

impl Doing {
    const ALL: [Self; 4] = [Self::Own, Self::ByApp, Self::ByOther, Self::Claimed];

    fn label(self) -> &'static str {
        match self {
            Self::Own => "",
            Self::ByApp => "by app: ",
            Self::ByOther => "by others: ",
            Self::Claimed => "refused or flagged: ",
        }
    }

    /// A tally's number of a family of actions done so. Rows hold it.
    fn of_family(self, family: u8) -> u8 {
        let doing = Self::ALL.iter().position(|doing| *doing == self).unwrap_or_default();
        family + FAMILIES_MAX * doing as u8
    }

    fn from_number(number: u8) -> (Self, u8) {
        let doing = Self::ALL.get(usize::from(number / FAMILIES_MAX)).copied().unwrap_or(Self::Own);
        (doing, number % FAMILIES_MAX)
    }
}

/// There is room for so many families.
const FAMILIES_MAX: u8 = 64;

/// Of each action of the catalogue, in its order: its name for good, its family, and whether it takes an admin.
static KNOWN: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let number = |group| FAMILIES.iter().position(|family| *family == group).unwrap_or_default() as u8;
    let kind = |(name, place): (&'static str, u16)| {
        let is_admins = ADMIN.iter().any(|start| name.starts_with(start));
        Kind { place, name, family: catalogue::group_of(name).map_or(0, number), is_admins }
    };
    catalogue::actions().zip(0..).map(kind).collect()
});

fn kind_of(action: &str) -> Option<Kind> {
    KNOWN.get(usize::from(catalogue::number_of(action)?)).copied()
}

/// What is known of an action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// In the catalogue.
    place: u16,
    pub(super) name: &'static str,
    family: u8,
    is_admins: bool,
}

impl Kind {
    /// `None` of an action that the catalogue doesn't have. A role in one channel is nothing that takes an admin.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let kind = KNOWN.get(usize::from(event.action_number()?)).copied()?;
        Some(Self { is_admins: kind.is_admins && grant::scope_of(event) != Some(Scope::Channel), ..kind })
    }
}

#[derive(Debug, Default)]
pub(super) struct Habits {
    /// Position of each person in `people`.
    numbers: HashMap<Arc<str>, u32>,
    people: Vec<Habit>,
    /// Of the same positions: what is to be saved, if anything.
    dirty: Vec<Option<Dirty>>,
    /// Positions that are nobody's any more.
    free: Vec<u32>,
    /// Positions of those of whom something is to be saved, once each, and who is to be forgotten.
    changed: Vec<u32>,
    gone: BTreeSet<Arc<str>>,
}

/// What is to be saved of a person beside what changes with every act.
#[derive(Clone, Copy, Debug, Default)]
struct Dirty {
    days: bool,
    places: bool,
    alerts: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Habit {
    id: Arc<str>,
    acts: Acts,
    days: Vec<Tally>,
    places: Places,
    alerts: Vec<Alerted>,
}

/// What changes with every act.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Acts {
    /// Number of the newest event.
    seq: u64,
    first: Option<UnixSeconds>,
    last: Option<UnixSeconds>,
    /// The newest entry that names them, whoever did it.
    #[serde(default)]
    newest: UnixSeconds,
    recent: VecDeque<Recent>,
    admin: Option<(String, UnixSeconds)>,
    hours: Vec<Tally>,
}

/// A [`RecentAct`], in the same words when it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recent {
    pub(super) seq: u64,
    pub(super) time: UnixSeconds,
    pub(super) action: Cow<'static, str>,
    pub(super) ip_address: Arc<str>,
}

impl Recent {
    pub(super) fn told(&self) -> RecentAct {
        let (action, ip_address) = (self.action.clone().into_owned(), self.ip_address.as_ref().to_owned());
        RecentAct { seq: self.seq, time: self.time, action, ip_address }
    }
}

/// From where and with what, and which actions: all of it to the hour or the day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Places {
    pub(super) addresses: Vec<Place>,
    pub(super) networks: Vec<Place>,
    countries: Vec<Place>,
    clients: Vec<Place>,
    /// Addresses from which somebody only claimed to be them.
    #[serde(default)]
    pub(super) claimed: Vec<Place>,
    #[serde(default)]
    sessions: Vec<SeenSession>,
    actions: Vec<Done>,
}

/// An action, with the last day (since 1970) on which it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, u64)", into = "(String, u64)")]
struct Done {
    /// In the catalogue; of one that has left it, none.
    place: Option<u16>,
    name: Cow<'static, str>,
    day: u64,
}

impl std::convert::From<(String, u64)> for Done {
    fn from((name, day): (String, u64)) -> Self {
        Self { place: catalogue::number_of(&name), name: name.into(), day }
    }
}

impl std::convert::From<Done> for (String, u64) {
    fn from(done: Done) -> Self {
        (done.name.into_owned(), done.day)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) value: String,
    first: UnixSeconds,
    pub(super) last: UnixSeconds,
}

/// Acts of one family in one hour or day since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tally(u64, u8, u64);

/// Where an act came from, as far as it says something of the person.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct From<'e> {
    pub(super) address: &'e str,
    pub(super) network: &'e str,
    pub(super) country: &'e str,
    pub(super) client: &'e str,
    /// "" if none is named.
    pub(super) session: &'e str,
}

impl Habits {
    pub(super) fn of(&self, id: &str) -> Option<&Habit> {
        self.numbers.get(id).map(|number| &self.people[*number as usize])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Habit)> {
        self.numbers.iter().map(|(id, number)| (&**id, &self.people[*number as usize]))
    }

    /// A person's position, for as long as nobody new comes.
    pub(super) fn number(&mut self, id: &str) -> u32 {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        self.make_room();
        self.add(id)
    }

    /// Takes in an act that a person is named in.
    pub(super) fn act(&mut self, person: u32, act: Recent, known: Option<Kind>, doing: Doing) {
        let time = act.time;
        let (habit, dirty) = self.person(person, act.seq);
        dirty.days |= habit.count(time, doing.of_family(known.map_or(0, |known| known.family)));
        if let Some(known) = known.filter(|_| doing == Doing::Own) {
            dirty.places |= habit.places.did(known, time.0 / DAY_S);
            if known.is_admins && habit.acts.admin.as_ref().is_none_or(|(_, last)| *last <= time) {
                habit.acts.admin = Some((known.name.to_owned(), time));
            }
        }
        let acts = &mut habit.acts;
        if doing == Doing::Own {
            acts.seen(time);
        }
        if acts.recent.len() >= MAX_RECENT {
            acts.recent.pop_front();
        }
        acts.recent.push_back(act);
    }

    /// Takes in where somebody was.
    pub(super) fn was(&mut self, person: u32, seq: u64, time: UnixSeconds, from: &From<'_>) {
        let (habit, dirty) = self.person(person, seq);
        habit.acts.seen(time);
        let places = &mut habit.places;
        for (place, value) in [
            (&mut places.addresses, from.address),
            (&mut places.networks, from.network),
            (&mut places.countries, from.country),
            (&mut places.clients, from.client),
        ] {
            dirty.places |= !value.is_empty() && see(place, value, time);
        }
        dirty.places |= !from.session.is_empty() && see_session(&mut places.sessions, from, time);
    }

    /// Takes in from where somebody claimed to be a person.
    pub(super) fn was_claimed(&mut self, person: u32, seq: u64, time: UnixSeconds, address: &str) {
        let (habit, dirty) = self.person(person, seq);
        dirty.places |= !address.is_empty() && see(&mut habit.places.claimed, address, time);
    }

    /// Takes in an alert about a person, as it was sent.
    pub(super) fn alerted(&mut self, person: u32, seq: u64, alert: &Alert) {
        let (habit, dirty) = self.person(person, seq);
        dirty.alerts = true;
        let alerts = &mut habit.alerts;
        alerts.retain(|known| known.uid != alert.uid);
        alerts.drain(..(alerts.len() + 1).saturating_sub(MAX_ALERTS));
        alerts.push(Alerted::of(alert));
    }

    pub(super) fn take_changes(&mut self) -> Vec<StateOp> {
        let mut rows = Vec::new();
        let all = Dirty { days: true, places: true, alerts: true };
        // Of somebody who was forgotten and came back, all: nothing of before may be left beside the new.
        let mut changed: BTreeMap<Arc<str>, Dirty> =
            std::mem::take(&mut self.gone).into_iter().map(|id| (id, all)).collect();
        for number in std::mem::take(&mut self.changed) {
            if let Some(dirty) = self.dirty[number as usize].take() {
                changed.entry(self.people[number as usize].id.clone()).or_insert(dirty);
            }
        }
        for (id, dirty) in changed {
            let id_of = |what: u8| [&[what], id.as_bytes()].concat();
            let Some(habit) = self.of(&id) else {
                rows.extend([b'h', b'd', b'p', b'l'].map(|what| StateOp::delete(ABOUT, &id_of(what))));
                continue;
            };
            rows.push(StateOp::put(ABOUT, &id_of(b'h'), &habit.acts));
            if dirty.days {
                rows.push(StateOp::put(ABOUT, &id_of(b'd'), &habit.days));
            }
            if dirty.places {
                rows.push(StateOp::put(ABOUT, &id_of(b'p'), &habit.places));
            }
            if dirty.alerts {
                rows.push(StateOp::put(ABOUT, &id_of(b'l'), &habit.alerts));
            }
        }
        rows
    }

    /// Puts back what was saved of a person; `what` and `id` are of the row's key, as [`Habits::take_changes`] made it.
    pub(super) fn load(&mut self, what: u8, id: &str, row: StateRow<'_>) -> Result<(), Forgotten> {
        match what {
            b'h' => row.json().map(|acts| self.loaded(id).acts = acts),
            b'l' => row.json().map(|alerts| self.loaded(id).alerts = alerts),
            b'd' => row.json().map(|days| self.loaded(id).days = days),
            b'p' => row.json().map(|places| self.loaded(id).places = places),
            _ => Err(row.forgotten("its key doesn't say what it is")),
        }
    }

    fn loaded(&mut self, id: &str) -> &mut Habit {
        let number = self.numbers.get(id).copied().unwrap_or_else(|| self.add(id));
        &mut self.people[number as usize]
    }

    fn add(&mut self, id: &str) -> u32 {
        let id: Arc<str> = id.into();
        let habit = Habit { id: id.clone(), ..Habit::default() };
        let number = match self.free.pop() {
            Some(number) => {
                self.people[number as usize] = habit;
                number
            }
            None => {
                self.people.push(habit);
                self.dirty.push(None);
                // No more than are kept.
                (self.people.len() - 1) as u32
            }
        };
        self.numbers.insert(id, number);
        number
    }

    fn person(&mut self, number: u32, seq: u64) -> (&mut Habit, &mut Dirty) {
        let habit = &mut self.people[number as usize];
        habit.acts.seq = seq;
        let dirty = self.dirty[number as usize].get_or_insert_with(|| {
            self.changed.push(number);
            Dirty::default()
        });
        (habit, dirty)
    }

    fn make_room(&mut self) {
        if self.numbers.len() < MAX_PEOPLE {
            return;
        }
        let mut by_age: Vec<(u64, Arc<str>)> = self.iter().map(|(_, p)| (p.acts.seq, p.id.clone())).collect();
        by_age.sort_unstable();
        for (_, id) in by_age.into_iter().take(MAX_PEOPLE / 10) {
            if let Some(number) = self.numbers.remove(&id) {
                self.people[number as usize] = Habit::default();
                self.dirty[number as usize] = None;
                self.free.push(number);
            }
            self.gone.insert(id);
        }
    }
}

impl Acts {
    fn seen(&mut self, time: UnixSeconds) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

impl Habit {
    pub(super) fn last(&self) -> Option<UnixSeconds> {
        self.acts.last
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    pub(super) fn recent(&self) -> &VecDeque<Recent> {
        &self.acts.recent
    }

    /// Alerts about them in the 30 days up to then, the newest first.
    pub(super) fn alerts(&self, time: UnixSeconds) -> Vec<Alerted> {
        let mut alerts: Vec<Alerted> =
            self.alerts.iter().filter(|alert| alert.last.plus(DAYS * DAY_S) > time).cloned().collect();
        alerts.sort_by(|a, b| (b.last, &a.uid).cmp(&(a.last, &b.uid)));
        alerts
    }

    /// A session by its id, as it was before.
    pub(super) fn session(&self, id: &str) -> Option<&SeenSession> {
        self.places.sessions.iter().find(|session| session.id == id)
    }

    /// Did they do this in the 30 days up to then?
    pub(super) fn did(&self, action: &str, time: UnixSeconds) -> bool {
        let today = time.0 / DAY_S;
        let done = self.places.actions.iter().find(|done| done.name == action);
        done.is_some_and(|done| done.day + DAYS > today)
    }

    /// What this person did up to a time.
    pub(super) fn activity(&self, time: UnixSeconds) -> Activity {
        let (hour, today) = (time.0 / HOUR_S, time.0 / DAY_S);
        let mut activity = Activity {
            first: self.acts.first,
            before: self.acts.last,
            admin_act: self.acts.admin.as_ref().map(|(action, time)| AdminAct { action: action.clone(), time: *time }),
            addresses: newest_first(&self.places.addresses),
            networks: newest_first(&self.places.networks),
            countries: newest_first(&self.places.countries),
            clients: newest_first(&self.places.clients),
            sessions: self.sessions(time),
            ..Activity::default()
        };
        for Tally(at, family, n) in &self.acts.hours {
            // The hour in which the 24 began counts whole.
            if *at <= hour && at + HOURS >= hour {
                add(&mut activity, Span::Day, *family, *n);
            }
            if *at <= hour && at / 24 + DAYS > today {
                add(&mut activity, Span::Month, *family, *n);
            }
        }
        for Tally(_, family, n) in self.days.iter().filter(|t| t.0 <= today && t.0 + DAYS > today) {
            add(&mut activity, Span::Month, *family, *n);
        }
        activity
    }

    /// Those of the 30 days up to then, the newest first.
    fn sessions(&self, time: UnixSeconds) -> Vec<SeenSession> {
        let is_recent = |session: &&SeenSession| session.last.plus(DAYS * DAY_S) > time;
        let mut sessions: Vec<SeenSession> = self.places.sessions.iter().filter(is_recent).cloned().collect();
        sessions.sort_by(|a, b| (b.last, &a.id).cmp(&(a.last, &b.id)));
        sessions
    }

    /// Counts an act: in its hour, or, if that is of a day long over, in its day. `true`: a day changed.
    fn count(&mut self, time: UnixSeconds, family: u8) -> bool {
        let newest = self.acts.newest.max(time);
        self.acts.newest = newest;
        let kept_from = newest.0.saturating_sub(HOURS * HOUR_S) / DAY_S;
        let today = time.0 / DAY_S;
        if today < kept_from {
            tally(&mut self.days, today, family, 1);
        } else {
            tally(&mut self.acts.hours, time.0 / HOUR_S, family, 1);
        }
        let over = self.acts.hours.partition_point(|t| t.0 / 24 < kept_from);
        for Tally(hour, family, n) in self.acts.hours.drain(..over) {
            tally(&mut self.days, hour / 24, family, n);
        }
        if over == 0 && today >= kept_from {
            return false;
        }
        let horizon = (newest.0 / DAY_S).saturating_sub(DAYS);
        self.days.retain(|t| t.0 > horizon);
        self.days.drain(..self.days.len().saturating_sub(MAX_TALLIES));
        true
    }
}

impl Places {
    /// Did the day of an action change?
    fn did(&mut self, action: Kind, day: u64) -> bool {
        if let Some(done) = self.actions.iter_mut().find(|done| done.place == Some(action.place)) {
            let is_newer = done.day < day;
            done.day = day.max(done.day);
            return is_newer;
        }
        if self.actions.len() >= MAX_ACTIONS {
            let oldest = self.actions.iter().enumerate().min_by_key(|(_, done)| (done.day, done.name.clone()));
            let oldest = oldest.map_or(0, |(at, _)| at);
            self.actions.remove(oldest);
        }
        self.actions.push(Done { place: Some(action.place), name: action.name.into(), day });
        true
    }
}

impl Place {
    pub(super) fn seen(&self) -> Seen {
        Seen { value: self.value.clone(), first: self.first, last: self.last }
    }
}

pub(super) fn family_of(action: &str) -> &'static str {
    FAMILIES[usize::from(kind_of(action).map_or(0, |kind| kind.family))]
}

/// Takes in a sighting. Whether anything changed: the newest time moves in steps of an hour, for each costs a row.
fn see(places: &mut Vec<Place>, value: &str, time: UnixSeconds) -> bool {
    if let Some(known) = places.iter_mut().find(|place| place.value == value) {
        let moves = time >= known.last.plus(HOUR_S) || time < known.first;
        if moves {
            known.last = known.last.max(time);
            known.first = known.first.min(time);
        }
        return moves;
    }
    if places.len() >= MAX_PLACES {
        let oldest = places.iter().enumerate().min_by_key(|(at, place)| (place.last, *at));
        let oldest = oldest.map_or(0, |(at, _)| at);
        places.remove(oldest);
    }
    places.push(Place { value: clip(value).to_owned(), first: time, last: time });
    true
}

/// The same for a session, which also knows where it was last.
fn see_session(sessions: &mut Vec<SeenSession>, from: &From<'_>, time: UnixSeconds) -> bool {
    let (network, client) = (clip(from.network), clip(from.client));
    if let Some(known) = sessions.iter_mut().find(|session| session.id == from.session) {
        let elsewhere = time >= known.last && (network != known.network || client != known.client);
        let moves = elsewhere || time >= known.last.plus(HOUR_S) || time < known.first;
        if moves {
            known.first = known.first.min(time);
            if time >= known.last {
                (known.last, known.network, known.client) = (time, network.to_owned(), client.to_owned());
            }
        }
        return moves;
    }
    if sessions.len() >= MAX_PLACES {
        let oldest = sessions.iter().enumerate().min_by_key(|(at, session)| (session.last, *at));
        let oldest = oldest.map_or(0, |(at, _)| at);
        sessions.remove(oldest);
    }
    let (id, network, client) = (clip(from.session).to_owned(), network.to_owned(), client.to_owned());
    sessions.push(SeenSession { id, first: time, last: time, network, client });
    true
}

/// What is kept of a text.
pub(super) fn clip(text: &str) -> &str {
    gridwatch_event::text::clip(text, MAX_TEXT)
}

fn newest_first(places: &[Place]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = places.iter().map(Place::seen).collect();
    seen.sort_by(|a, b| (b.last, &a.value).cmp(&(a.last, &b.value)));
    seen
}

fn tally(tallies: &mut Vec<Tally>, at: u64, family: u8, n: u64) {
    match tallies.binary_search_by_key(&(at, family), |t| (t.0, t.1)) {
        Ok(i) => tallies[i].2 += n,
        Err(i) => tallies.insert(i, Tally(at, family, n)),
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Day,
    Month,
}

fn add(activity: &mut Activity, span: Span, number: u8, n: u64) {
    let (doing, family) = Doing::from_number(number);
    let family = FAMILIES.get(family as usize).copied().unwrap_or(FAMILIES[0]);
    count(activity, span, doing, family, n);
}

/// Adds acts of a family to what the person did, or to what was done in their name.
pub(super) fn count(activity: &mut Activity, span: Span, doing: Doing, family: &str, n: u64) {
    let counts = match (span, doing) {
        (Span::Day, Doing::Own) => &mut activity.day,
        (Span::Month, Doing::Own) => &mut activity.month,
        (Span::Day, _) => &mut activity.day_by_others,
        (Span::Month, _) => &mut activity.month_by_others,
    };
    *counts.entry(format!("{}{family}", doing.label())).or_default() += n;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const DAY0: u64 = 20_000 * DAY_S;

    fn act(seq: u64, time: u64, action: &str) -> Recent {
        Recent { seq, time: UnixSeconds(time), action: action.to_owned().into(), ip_address: "".into() }
    }

    fn habits(acts: &[(u64, &str)]) -> Habits {
        let mut habits = Habits::default();
        for (seq, (time, action)) in acts.iter().enumerate() {
            let who = habits.number("W1");
            habits.act(who, act(seq as u64, *time, action), kind_of(action), Doing::Own);
        }
        habits
    }

    fn counts(counts: &BTreeMap<String, u64>) -> String {
        counts.iter().map(|(family, n)| format!("{family} {n}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_families_are_those_of_the_catalogue_and_one_for_the_rest() {
        let theirs: BTreeSet<&str> = catalogue::memberships().map(|(group, _)| group).chain(["other"]).collect();
        assert_eq!(FAMILIES.into_iter().collect::<BTreeSet<_>>(), theirs);
        assert_eq!((family_of("file_downloaded"), family_of("made_up")), ("file", "other"));
        for start in ADMIN {
            assert!(catalogue::actions().any(|action| action.starts_with(start)), "{start}");
        }
    }

    #[test]
    fn acts_are_counted_over_a_day_and_over_thirty() {
        let habits = habits(&[
            (DAY0 - 31 * DAY_S, "user_login"),
            (DAY0 - 29 * DAY_S, "user_login"),
            (DAY0 - 2 * DAY_S, "file_downloaded"),
            (DAY0 - 23 * HOUR_S, "file_downloaded"),
            (DAY0, "file_downloaded"),
            (DAY0, "made_up"),
        ]);
        let now = habits.of("W1").unwrap().activity(UnixSeconds(DAY0 + 60));
        assert_eq!(
            (counts(&now.day), counts(&now.month)),
            ("file 2, other 1".into(), "file 3, other 1, user 1".into())
        );
        assert_eq!((now.first, now.before), (Some(UnixSeconds(DAY0 - 31 * DAY_S)), Some(UnixSeconds(DAY0))));
        let later = habits.of("W1").unwrap().activity(UnixSeconds(DAY0 + 2 * DAY_S));
        assert_eq!((counts(&later.day), counts(&later.month)), (String::new(), "file 3, other 1".into()));
        let earlier = habits.of("W1").unwrap().activity(UnixSeconds(DAY0 - DAY_S));
        assert_eq!(counts(&earlier.day), "", "what came after doesn't count");
    }

    #[test]
    fn a_late_act_is_counted_where_it_belongs() {
        let habits =
            habits(&[(DAY0, "user_login"), (DAY0 - 5 * DAY_S, "file_uploaded"), (DAY0 - HOUR_S, "file_uploaded")]);
        let now = habits.of("W1").unwrap().activity(UnixSeconds(DAY0));
        assert_eq!((counts(&now.day), counts(&now.month)), ("file 1, user 1".into(), "file 2, user 1".into()));
    }

    #[test]
    fn everything_is_bounded() {
        let mut habits = Habits::default();
        for i in 0..5_000_u64 {
            let (time, address) = (UnixSeconds(DAY0 + i * HOUR_S), format!("10.0.{}.{}", i / 256, i % 256));
            let action = catalogue::actions().nth(i as usize % 700).unwrap();
            let who = habits.number("W1");
            habits.act(who, act(i, time.0, action), kind_of(action), Doing::Own);
            let who = habits.number("W1");
            habits.was(who, i, time, &From { address: &address, client: "x", ..From::default() });
        }
        let habit = habits.of("W1").unwrap();
        assert_eq!((habit.places.addresses.len(), habit.places.clients.len()), (MAX_PLACES, 1));
        assert_eq!(habit.places.actions.len(), MAX_ACTIONS);
        assert!(habit.acts.hours.len() <= 48 && habit.days.len() <= MAX_TALLIES);
        assert_eq!(habit.acts.recent.len(), MAX_RECENT);
        assert!(habit.places.addresses.iter().any(|place| place.value == "10.0.19.135"), "the newest stay");
        for i in 0..MAX_PEOPLE as u64 + 1 {
            let who = habits.number(&format!("U{i}"));
            habits.act(who, act(10_000 + i, DAY0, "user_login"), kind_of("user_login"), Doing::Own);
        }
        assert!(habits.people.len() <= MAX_PEOPLE && habits.of("W1").is_none(), "the one unseen longest is gone");
        let row = habits.take_changes().into_iter().find(|row| row.key == ABOUT.key(b"hW1"));
        assert_eq!(row.unwrap().value, Ok(None));
    }

    #[test]
    fn what_others_do_in_somebodys_name_is_counted_apart_and_wakes_nobody() {
        let mut habits = habits(&[(DAY0 - 9 * DAY_S, "file_downloaded")]);
        for (seq, action, doing) in [
            (2, "user_login_failed", Doing::Claimed),
            (3, "file_downloaded", Doing::ByApp),
            (4, "pref.sso_setting_changed", Doing::ByApp),
            (5, "user_channel_join", Doing::ByOther),
        ] {
            let who = habits.number("W1");
            habits.act(who, act(seq, DAY0, action), kind_of(action), doing);
        }
        let habit = habits.of("W1").unwrap();
        let now = habit.activity(UnixSeconds(DAY0));
        assert_eq!((counts(&now.day), counts(&now.month)), (String::new(), "file 1".into()));
        assert_eq!(
            counts(&now.day_by_others),
            "by app: file 1, by app: workspace_or_org 1, by others: channel 1, refused or flagged: user 1"
        );
        assert_eq!((habit.last(), now.admin_act), (Some(UnixSeconds(DAY0 - 9 * DAY_S)), None));
        assert!(!habit.did("user_channel_join", UnixSeconds(DAY0)));
        assert_eq!(habit.recent().len(), 5, "recent entries name them all the same");
    }

    #[test]
    fn a_session_is_known_by_where_it_was_last() {
        let mut habits = Habits::default();
        let mut at = |after: u64, session: &str, network: &str| {
            let from = From { network, client: "chrome/macos", session, ..From::default() };
            let who = habits.number("W1");
            habits.was(who, after, UnixSeconds(DAY0 + after), &from);
            habits.of("W1").unwrap().activity(UnixSeconds(DAY0 + after)).sessions
        };
        at(0, "77", "AS1");
        at(60, "78", "AS1");
        let sessions = at(120, "77", "AS2");
        let told: Vec<_> = sessions.iter().map(|s| (s.id.as_str(), s.network.as_str(), s.last.0 - s.first.0)).collect();
        assert_eq!(told, [("77", "AS2", 120), ("78", "AS1", 0)]);
        assert!(at(31 * DAY_S, "79", "AS1").iter().all(|s| s.id == "79"), "those of 30 days");
        (0..40).for_each(|i| _ = at(32 * DAY_S + i, &format!("{i}"), "AS1"));
        assert_eq!(habits.of("W1").unwrap().places.sessions.len(), MAX_PLACES);
    }

    #[test]
    fn a_place_costs_a_row_once_an_hour() {
        let mut habits = Habits::default();
        let mut rows = |time: u64| {
            let who = habits.number("W1");
            habits.was(who, 1, UnixSeconds(time), &From { address: "10.0.0.1", ..From::default() });
            habits.take_changes().len()
        };
        assert_eq!([rows(DAY0), rows(DAY0 + 60), rows(DAY0 + 3_599), rows(DAY0 + 3_600)], [2, 1, 1, 2]);
    }

    #[test]
    fn what_is_loaded_is_what_was_saved() {
        let mut habits = habits(&[(DAY0 - 3 * DAY_S, "role_change_to_admin"), (DAY0, "file_downloaded")]);
        let who = habits.number("W1");
        habits.was(who, 2, UnixSeconds(DAY0), &From { address: "10.0.0.1", network: "AS1", ..From::default() });
        let mut again = Habits::default();
        for row in habits.take_changes() {
            let id = std::str::from_utf8(&row.key[2..]).unwrap();
            again.load(row.key[1], id, row.row().unwrap()).unwrap();
        }
        let told = |habits: &Habits| habits.of("W1").unwrap().activity(UnixSeconds(DAY0));
        assert_eq!(told(&again), told(&habits));
        assert_eq!(told(&again).admin_act.unwrap().action, "role_change_to_admin");
        assert!(again.of("W1").unwrap().did("file_downloaded", UnixSeconds(DAY0 + 29 * DAY_S)));
        assert!(!again.of("W1").unwrap().did("file_downloaded", UnixSeconds(DAY0 + 31 * DAY_S)));
    }
}
