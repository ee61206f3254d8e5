//! Habits: what each person does how often, from where and with what, as far back as a month; and what others do in their name,
//! which is kept apart: an attacker's address must not become a known one, nor an app's night shift wake a dormant account.
//!
//! Learned event by event, in order, and trimmed as it is learned, so that what is remembered depends on the events alone.
//! A person is four rows: what changes with every act; the days before; places, which change once an hour at most; and alerts.

use super::people::{At, Doer, Doers};
use super::{Activity, AdminAct, Alerted, DAY_S, HOUR_S, Seen, SeenSession};
use crate::alert::Alert;
use crate::directory::RecentAct;
use crate::keyed::Map;
use crate::state::{ABOUT, Forgotten, StateOp, StateRow};
use gridwatch_event::event::Event;
use gridwatch_event::grant::{self, Scope};
use gridwatch_event::time::UnixSeconds;
use gridwatch_names::catalogue;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU128;
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
    numbers: Map<Arc<str>, u32>,
    people: Vec<Habit>,
    /// Of the same positions. Has no influence on an answer.
    quick: Vec<Quick>,
    /// By what people did and where they were, as `people` has it.
    doers: Doers,
    at: At,
    claimed_at: At,
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

/// Where things stand in what is known of a person. Kept apart from it, so that most of it needn't be looked at; has no influence on an
/// answer.
#[derive(Clone, Debug, Default)]
struct Quick {
    /// Where they were last, with which client and session.
    places: [Option<Known>; 3],
    /// The actions that they did, in the order of [`Places::actions`].
    did: Vec<Option<u16>>,
}

/// An address with its network and country, a client and a session, in one number, and where each of them stands in its list, if it is
/// told. The session was last seen on that network, with that client.
#[derive(Clone, Copy, Debug)]
struct Known {
    mark: NonZeroU128,
    at: [Option<u8>; 5],
}

impl Quick {
    fn of(places: &Places) -> Self {
        Self { did: places.actions.iter().map(|done| done.place).collect(), places: Default::default() }
    }

    fn know(&mut self, known: Known) {
        // In the place of what was known of the same, else of the oldest.
        let is_it = |there: &Option<Known>| there.is_none_or(|there| there.mark == known.mark);
        let at = self.places.iter().position(is_it).unwrap_or(self.places.len() - 1);
        self.places[at] = Some(known);
        self.places[..=at].rotate_right(1);
    }
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
    /// Where this person stands among those who did it.
    at: u32,
}

impl std::convert::From<(String, u64)> for Done {
    fn from((name, day): (String, u64)) -> Self {
        Self { place: catalogue::number_of(&name), name: name.into(), day, at: 0 }
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

    /// Who did this in the 30 days up to then.
    pub(super) fn who_did(&self, action: u16, time: UnixSeconds) -> impl Iterator<Item = &str> {
        let today = time.0 / DAY_S;
        let doers = self.doers.of(action).iter().filter(move |doer| doer.day + DAYS > today);
        doers.map(|doer| &*self.people[doer.person as usize].id)
    }

    /// Who was at an address at this time or later.
    pub(super) fn who_was_at(&self, address: &str, since: UnixSeconds) -> impl Iterator<Item = &str> {
        let people = self.at.of(address).map(|person| &self.people[person as usize]);
        people.filter(move |habit| was_at(&habit.places.addresses, address, since)).map(|habit| &*habit.id)
    }

    /// Whom somebody at an address claimed to be, at this time or later.
    pub(super) fn who_was_claimed_at(&self, address: &str, since: UnixSeconds) -> impl Iterator<Item = &str> {
        let people = self.claimed_at.of(address).map(|person| &self.people[person as usize]);
        people.filter(move |habit| was_at(&habit.places.claimed, address, since)).map(|habit| &*habit.id)
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
        if let Some(known) = known.filter(|_| doing == Doing::Own) {
            let did = self.did(person, known, time.0 / DAY_S);
            self.person(person, act.seq).1.places |= did;
        }
        let (habit, dirty) = self.person(person, act.seq);
        dirty.days |= habit.count(time, doing.of_family(known.map_or(0, |known| known.family)));
        if let Some(known) = known.filter(|known| doing == Doing::Own && known.is_admins)
            && habit.acts.admin.as_ref().is_none_or(|(_, last)| *last <= time)
        {
            habit.acts.admin = Some((known.name.to_owned(), time));
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

    /// Takes in that somebody was where they were not long before, by its mark; false, and nothing taken in, if it isn't known.
    pub(super) fn was_again(&mut self, person: u32, seq: u64, time: UnixSeconds, mark: Option<NonZeroU128>) -> bool {
        let known = self.quick[person as usize].places.iter().flatten().find(|known| Some(known.mark) == mark);
        let Some(Known { at: [address, network, country, client, session], .. }) = known.copied() else { return false };
        let (habit, dirty) = self.person(person, seq);
        habit.acts.seen(time);
        let places = &mut habit.places;
        for (list, at) in [
            (&mut places.addresses, address),
            (&mut places.networks, network),
            (&mut places.countries, country),
            (&mut places.clients, client),
        ] {
            if let Some(place) = at.and_then(|at| list.get_mut(usize::from(at))) {
                dirty.places |= moves(&mut place.first, &mut place.last, time);
            }
        }
        if let Some(known) = session.and_then(|at| places.sessions.get_mut(usize::from(at))) {
            dirty.places |= moves(&mut known.first, &mut known.last, time);
        }
        true
    }

    /// Takes in where somebody was. The mark stands for all of `from`.
    pub(super) fn was(&mut self, person: u32, seq: u64, time: UnixSeconds, from: &From<'_>, mark: Option<NonZeroU128>) {
        let (habit, dirty) = touched(&mut self.people, &mut self.dirty, &mut self.changed, person, seq);
        habit.acts.seen(time);
        let (places, at) = (&mut habit.places, &mut self.at);
        let address = (!from.address.is_empty()).then(|| see_at(&mut places.addresses, from.address, time, at, person));
        let see = |list, value: &str| (!value.is_empty()).then(|| see(list, value, time));
        let seen = [
            address,
            see(&mut places.networks, from.network),
            see(&mut places.countries, from.country),
            see(&mut places.clients, from.client),
            (!from.session.is_empty()).then(|| see_session(&mut places.sessions, from, time)),
        ];
        dirty.places |= seen.iter().flatten().any(|seen| seen.moves);
        let quick = &mut self.quick[person as usize];
        if seen.iter().flatten().any(|seen| seen.disturbs) {
            quick.places = Default::default();
        }
        if let Some(mark) = mark.filter(|_| !seen.iter().flatten().any(|seen| seen.is_past)) {
            quick.know(Known { mark, at: seen.map(|seen| seen.map(|seen| seen.at)) });
        }
    }

    /// What marks stand for isn't what it was.
    pub(super) fn forget_marks(&mut self) {
        self.quick.iter_mut().for_each(|quick| quick.places = Default::default());
    }

    /// Takes in from where somebody claimed to be a person.
    pub(super) fn was_claimed(&mut self, person: u32, seq: u64, time: UnixSeconds, address: &str) {
        let (habit, dirty) = touched(&mut self.people, &mut self.dirty, &mut self.changed, person, seq);
        if !address.is_empty() {
            dirty.places |= see_at(&mut habit.places.claimed, address, time, &mut self.claimed_at, person).moves;
        }
    }

    /// Did the day of an action change?
    fn did(&mut self, person: u32, action: Kind, day: u64) -> bool {
        let (place, quick) = (action.place, &mut self.quick[person as usize]);
        let actions = &mut self.people[person as usize].places.actions;
        if let Some(done) = quick.did.iter().position(|did| *did == Some(place)).and_then(|at| actions.get_mut(at)) {
            let is_newer = done.day < day;
            if is_newer {
                done.day = day;
                self.doers.set_day(place, done.at, day);
            }
            return is_newer;
        }
        if actions.len() >= MAX_ACTIONS {
            let oldest = actions.iter().enumerate().min_by_key(|(_, done)| (done.day, done.name.clone()));
            let oldest = oldest.map_or(0, |(at, _)| at);
            quick.did.remove(oldest);
            let oldest = actions.remove(oldest);
            self.undo(&oldest);
        }
        let at = self.doers.add(place, Doer { person, day });
        let done = Done { place: Some(place), name: action.name.into(), day, at };
        self.people[person as usize].places.actions.push(done);
        self.quick[person as usize].did.push(Some(place));
        true
    }

    /// Takes somebody out of those who did an action.
    fn undo(&mut self, done: &Done) {
        let Some(action) = done.place else { return };
        let Some(moved) = self.doers.remove(action, done.at) else { return };
        let mut actions = self.people[moved.person as usize].places.actions.iter_mut();
        if let Some(other) = actions.find(|other| other.place == Some(action)) {
            other.at = done.at;
        }
    }

    /// Enters somebody by what they did and where they were, as it is known of them now.
    fn enter(&mut self, person: u32) {
        let places = &mut self.people[person as usize].places;
        for done in &mut places.actions {
            if let Some(action) = done.place {
                done.at = self.doers.add(action, Doer { person, day: done.day });
            }
        }
        places.addresses.iter().for_each(|place| self.at.add(&place.value, person));
        places.claimed.iter().for_each(|place| self.claimed_at.add(&place.value, person));
    }

    /// Takes them out again.
    fn leave(&mut self, person: u32) {
        let places = std::mem::take(&mut self.people[person as usize].places);
        places.actions.iter().for_each(|done| self.undo(done));
        places.addresses.iter().for_each(|place| self.at.remove(&place.value, person));
        places.claimed.iter().for_each(|place| self.claimed_at.remove(&place.value, person));
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
            b'h' => row.json().map(|acts| self.loaded(id).1.acts = acts),
            b'l' => row.json().map(|alerts| self.loaded(id).1.alerts = alerts),
            b'd' => row.json().map(|days| self.loaded(id).1.days = days),
            b'p' => row.json().map(|places| self.load_places(id, places)),
            _ => Err(row.forgotten("its key doesn't say what it is")),
        }
    }

    fn loaded(&mut self, id: &str) -> (u32, &mut Habit) {
        let number = self.numbers.get(id).copied().unwrap_or_else(|| self.add(id));
        (number, &mut self.people[number as usize])
    }

    fn load_places(&mut self, id: &str, places: Places) {
        let (person, _) = self.loaded(id);
        self.leave(person);
        self.quick[person as usize] = Quick::of(&places);
        self.people[person as usize].places = places;
        self.enter(person);
    }

    fn add(&mut self, id: &str) -> u32 {
        let id: Arc<str> = id.into();
        let habit = Habit { id: id.clone(), ..Habit::default() };
        let number = match self.free.pop() {
            Some(number) => {
                self.people[number as usize] = habit;
                self.quick[number as usize] = Quick::default();
                number
            }
            None => {
                self.people.push(habit);
                self.quick.push(Quick::default());
                self.dirty.push(None);
                // No more than are kept.
                (self.people.len() - 1) as u32
            }
        };
        self.numbers.insert(id, number);
        number
    }

    fn person(&mut self, number: u32, seq: u64) -> (&mut Habit, &mut Dirty) {
        touched(&mut self.people, &mut self.dirty, &mut self.changed, number, seq)
    }

    fn make_room(&mut self) {
        if self.numbers.len() < MAX_PEOPLE {
            return;
        }
        let people = self.numbers.values().map(|number| &self.people[*number as usize]);
        let mut by_age: Vec<(u64, Arc<str>)> = people.map(|p| (p.acts.seq, p.id.clone())).collect();
        by_age.sort_unstable();
        for (_, id) in by_age.into_iter().take(MAX_PEOPLE / 10) {
            if let Some(number) = self.numbers.remove(&id) {
                self.leave(number);
                self.people[number as usize] = Habit::default();
                self.dirty[number as usize] = None;
                self.free.push(number);
            }
            self.gone.insert(id);
        }
    }
}

/// Somebody of whom something changes, and what is to be saved of them.
fn touched<'h>(
    people: &'h mut [Habit],
    dirty: &'h mut [Option<Dirty>],
    changed: &mut Vec<u32>,
    number: u32,
    seq: u64,
) -> (&'h mut Habit, &'h mut Dirty) {
    let habit = &mut people[number as usize];
    habit.acts.seq = seq;
    let dirty = dirty[number as usize].get_or_insert_with(|| {
        changed.push(number);
        Dirty::default()
    });
    (habit, dirty)
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
        let is_over = |t: &Tally| t.0 / 24 < kept_from;
        let over =
            if self.acts.hours.first().is_some_and(is_over) { self.acts.hours.partition_point(is_over) } else { 0 };
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

impl Place {
    pub(super) fn seen(&self) -> Seen {
        Seen { value: self.value.clone(), first: self.first, last: self.last }
    }
}

pub(super) fn family_of(action: &str) -> &'static str {
    FAMILIES[usize::from(kind_of(action).map_or(0, |kind| kind.family))]
}

/// What a sighting changed.
#[derive(Clone, Copy, Debug)]
struct Sighted {
    /// Where it stands.
    at: u8,
    /// Anything that is saved?
    moves: bool,
    /// Does anything else stand elsewhere now, or is it known otherwise?
    disturbs: bool,
    /// Is it another than what is known to have been later?
    is_past: bool,
}

/// Takes in a sighting of what is known. Whether anything changed: the newest time moves in steps of an hour, for each costs a row.
fn moves(first: &mut UnixSeconds, last: &mut UnixSeconds, time: UnixSeconds) -> bool {
    let moves = time >= last.plus(HOUR_S) || time < *first;
    if moves {
        (*first, *last) = (time.min(*first), time.max(*last));
    }
    moves
}

fn see(places: &mut Vec<Place>, value: &str, time: UnixSeconds) -> Sighted {
    see_and(places, value, time, |_| {})
}

/// The same of an address.
fn see_at(places: &mut Vec<Place>, address: &str, time: UnixSeconds, at: &mut At, person: u32) -> Sighted {
    see_and(places, address, time, |gone| {
        if let Some(gone) = gone {
            at.remove(&gone.value, person);
        }
        at.add(address, person);
    })
}

/// `is_new` is told of what had to go for what is new.
fn see_and(places: &mut Vec<Place>, value: &str, time: UnixSeconds, is_new: impl FnOnce(Option<Place>)) -> Sighted {
    // There are no more than MAX_PLACES.
    if let Some(at) = places.iter().position(|place| place.value == value) {
        let place = &mut places[at];
        let moves = moves(&mut place.first, &mut place.last, time);
        return Sighted { at: at as u8, moves, disturbs: false, is_past: false };
    }
    let gone = (places.len() >= MAX_PLACES).then(|| {
        let oldest = places.iter().enumerate().min_by_key(|(at, place)| (place.last, *at));
        places.remove(oldest.map_or(0, |(at, _)| at))
    });
    places.push(Place { value: clip(value).to_owned(), first: time, last: time });
    let disturbs = gone.is_some();
    is_new(gone);
    Sighted { at: (places.len() - 1) as u8, moves: true, disturbs, is_past: false }
}

fn was_at(places: &[Place], address: &str, since: UnixSeconds) -> bool {
    places.iter().any(|place| place.value == address && place.last >= since)
}

/// The same for a session, which also knows where it was last.
fn see_session(sessions: &mut Vec<SeenSession>, from: &From<'_>, time: UnixSeconds) -> Sighted {
    let (network, client) = (clip(from.network), clip(from.client));
    if let Some(at) = sessions.iter().position(|session| session.id == from.session) {
        let known = &mut sessions[at];
        let is_other = network != known.network || client != known.client;
        let elsewhere = time >= known.last && is_other;
        let moves = elsewhere || time >= known.last.plus(HOUR_S) || time < known.first;
        if moves {
            known.first = known.first.min(time);
            if time >= known.last {
                (known.last, known.network, known.client) = (time, network.to_owned(), client.to_owned());
            }
        }
        return Sighted { at: at as u8, moves, disturbs: elsewhere, is_past: is_other && !elsewhere };
    }
    let is_full = sessions.len() >= MAX_PLACES;
    if is_full {
        let oldest = sessions.iter().enumerate().min_by_key(|(at, session)| (session.last, *at));
        let oldest = oldest.map_or(0, |(at, _)| at);
        sessions.remove(oldest);
    }
    let (id, network, client) = (clip(from.session).to_owned(), network.to_owned(), client.to_owned());
    sessions.push(SeenSession { id, first: time, last: time, network, client });
    Sighted { at: (sessions.len() - 1) as u8, moves: true, disturbs: is_full, is_past: false }
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
    // As a rule it is of the newest hour or day, of which there are a few at the end.
    let mut newest = tallies.iter_mut().rev().take(4);
    if let Some(tally) = newest.find(|tally| (tally.0, tally.1) == (at, family)) {
        tally.2 += n;
        return;
    }
    if tallies.last().is_none_or(|last| (last.0, last.1) < (at, family)) {
        tallies.push(Tally(at, family, n));
        return;
    }
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

    fn did(habits: &Habits, action: &str, time: u64) -> usize {
        habits.who_did(catalogue::number_of(action).unwrap(), UnixSeconds(time)).count()
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
            habits.was(who, i, time, &From { address: &address, client: "x", ..From::default() }, None);
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
        assert_eq!(did(&habits, "user_channel_join", DAY0), 0);
        assert_eq!(habit.recent().len(), 5, "recent entries name them all the same");
    }

    #[test]
    fn a_session_is_known_by_where_it_was_last() {
        let mut habits = Habits::default();
        let mut at = |after: u64, session: &str, network: &str| {
            let from = From { network, client: "chrome/macos", session, ..From::default() };
            let who = habits.number("W1");
            habits.was(who, after, UnixSeconds(DAY0 + after), &from, None);
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

    /// What the indexes say of an action and an address is what looking at all people would.
    #[test]
    fn who_did_it_and_who_was_there_is_found_without_looking_at_everybody() {
        let actions: Vec<&str> = catalogue::actions().collect();
        let (mut habits, mut again) = (Habits::default(), Habits::default());
        let mut dice = 7_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for seq in 0..40_000_u64 {
            let (time, person) = (UnixSeconds(DAY0 + seq * 120 - roll(2) * DAY_S), format!("W{}", roll(7)));
            let action = actions[roll(200) as usize];
            let (address, is_claimed) = (format!("10.0.0.{}", roll(40)), roll(3) == 0);
            for habits in [&mut habits, &mut again] {
                let who = habits.number(&person);
                habits.act(who, act(seq, time.0, action), kind_of(action), Doing::Own);
                match is_claimed {
                    true => habits.was_claimed(who, seq, time, &address),
                    false => habits.was(who, seq, time, &From { address: &address, ..From::default() }, None),
                }
            }
            if roll(1_000) == 0 {
                // As after a restart, and with somebody forgotten.
                let saved = again.take_changes();
                let gone = again.numbers["W0"];
                again.leave(gone);
                again.people[gone as usize] = Habit { id: "W0".into(), ..Habit::default() };
                again.quick[gone as usize] = Quick::default();
                for row in &saved {
                    let id = std::str::from_utf8(&row.key[2..]).unwrap();
                    again.load(row.key[1], id, row.row().unwrap()).unwrap();
                }
            }
            if seq % 500 == 0 {
                for habits in [&habits, &again] {
                    agrees(habits, action, &address, time);
                }
            }
        }
    }

    fn agrees(habits: &Habits, action: &str, address: &str, time: UnixSeconds) {
        let all = |holds: &dyn Fn(&Habit) -> bool| -> BTreeSet<&str> {
            habits.people.iter().filter(|habit| holds(habit)).map(|habit| &*habit.id).collect()
        };
        let today = time.0 / DAY_S;
        let is_done = |done: &Done| done.name == action && done.day + DAYS > today;
        let did = all(&|habit| habit.places.actions.iter().any(is_done));
        assert_eq!(habits.who_did(catalogue::number_of(action).unwrap(), time).collect::<BTreeSet<_>>(), did);
        let was = all(&|habit| was_at(&habit.places.addresses, address, time));
        assert_eq!(habits.who_was_at(address, time).collect::<BTreeSet<_>>(), was);
        let claimed = all(&|habit| was_at(&habit.places.claimed, address, time));
        assert_eq!(habits.who_was_claimed_at(address, time).collect::<BTreeSet<_>>(), claimed);
    }

    #[test]
    fn to_be_where_one_was_is_taken_in_without_a_look_at_it_as_if_it_had_been_looked_at() {
        let (mut quick, mut slow) = (Habits::default(), Habits::default());
        let (mut dice, mut passed) = (3_u64, 0);
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for seq in 0..30_000_u64 {
            let time = UnixSeconds(DAY0 + seq * 40 - [0, 0, 0, 100, 9_000][roll(5) as usize]);
            let of = if roll(4) == 0 { roll(60) } else { 7 };
            let (address, session) = (format!("10.0.0.{}", of / 2), format!("{}", of % 20));
            let (network, client) = (format!("AS{}", of / 3), format!("c{}", of / 5));
            let country = if of % 3 == 0 { "" } else { "DE" };
            let from = From { address: &address, network: &network, country, client: &client, session: &session };
            let (who, mark) = (quick.number("W1"), NonZeroU128::new(u128::from(of) + 1));
            match quick.was_again(who, seq, time, mark) {
                true => passed += 1,
                false => quick.was(who, seq, time, &from, mark),
            }
            let who = slow.number("W1");
            slow.was(who, seq, time, &from, None);
            let rows = |habits: &mut Habits| {
                habits.take_changes().into_iter().map(|row| (row.key, row.value.unwrap())).collect::<Vec<_>>()
            };
            assert_eq!(rows(&mut quick), rows(&mut slow), "{seq}");
        }
        assert!(passed > 5_000, "{passed}");
    }

    #[test]
    fn a_place_costs_a_row_once_an_hour() {
        let mut habits = Habits::default();
        let mut rows = |time: u64| {
            let who = habits.number("W1");
            habits.was(who, 1, UnixSeconds(time), &From { address: "10.0.0.1", ..From::default() }, None);
            habits.take_changes().len()
        };
        assert_eq!([rows(DAY0), rows(DAY0 + 60), rows(DAY0 + 3_599), rows(DAY0 + 3_600)], [2, 1, 1, 2]);
    }

    #[test]
    fn what_is_loaded_is_what_was_saved() {
        let mut habits = habits(&[(DAY0 - 3 * DAY_S, "role_change_to_admin"), (DAY0, "file_downloaded")]);
        let who = habits.number("W1");
        habits.was(who, 2, UnixSeconds(DAY0), &From { address: "10.0.0.1", network: "AS1", ..From::default() }, None);
        let mut again = Habits::default();
        for row in habits.take_changes() {
            let id = std::str::from_utf8(&row.key[2..]).unwrap();
            again.load(row.key[1], id, row.row().unwrap()).unwrap();
        }
        let told = |habits: &Habits| habits.of("W1").unwrap().activity(UnixSeconds(DAY0));
        assert_eq!(told(&again), told(&habits));
        assert_eq!(told(&again).admin_act.unwrap().action, "role_change_to_admin");
        assert_eq!(did(&again, "file_downloaded", DAY0 + 29 * DAY_S), 1);
        assert_eq!(did(&again, "file_downloaded", DAY0 + 31 * DAY_S), 0);
    }
}
