//! The memory: what has to be learned from every event to be able to tell about the few that make an alert.
//!
//! Asked in the order of events, each event before it is learned, so the answers are as of that event however the events
//! were cut into batches.

use super::channels::Channels;
use super::habits::{Doing, From, Habit, Habits, Kind, Place, Recent, Span, count, family_of};
use super::{About, Activity, Address, Alerted, App, Channel, DAY_S, DORMANT_S, HOUR_S, MAX_COUNTED, MAX_NAMED};
use super::{Peers, Person, SENSITIVE_CHANNELS, Session, Sourced, Through, items};
use crate::alert::Alert;
use crate::apps::Apps;
use crate::directory::{Directory, RecentAct, target_of};
use crate::keyed::Map;
use crate::state::{Forgotten, StateOp, StateRow};
use crate::subject::session_id;
use gridwatch_event::client::client_of;
use gridwatch_event::event::Event;
use gridwatch_event::lookup::Tables;
use gridwatch_event::mention::{self, app_id};
use gridwatch_event::network::{Network, Networks, prefix_of};
use gridwatch_event::part::{Part, Spelling};
use gridwatch_event::role::Role;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::whose::{self, Whose, is_placeholder};
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU128;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128_with_seed;

const MAX_ID: usize = 64;
/// User agents whose client is remembered, to save working it out again. Has no influence on an answer.
const MAX_AGENTS: usize = 4_096;
/// Longest address, session and user agent, all together, that one number stands for.
const MAX_MARKED: usize = 320;

#[derive(Debug, Default)]
pub struct Memory {
    habits: Habits,
    channels: Channels,
    newest: NewestOf,
}

/// What else is known, beside the memory.
#[derive(Clone, Copy, Debug)]
pub struct OrgKnowledge<'e> {
    /// Has to have learned the event, and so have the apps.
    pub directory: &'e Directory,
    pub apps: &'e Apps,
    pub networks: &'e Networks,
    pub tables: &'e Tables,
}

impl Memory {
    /// About an event that was not learned yet, but for the channel that it is about.
    pub fn about(&self, event: &Event, known: OrgKnowledge<'_>) -> About {
        let mut about = About {
            actor: self.person(event.actor(), event.actor_id(), event, known.directory),
            target: self.target(event, known.directory),
            acted_through: acted_through(event, known.apps),
            activity: self.activity(event),
            session: self.session(event),
            alerts: self.alerts(&whom(event), event.time),
            address: self.address(event, known.networks),
            app: app(event, known.apps),
            channel: self.channel(event, known.tables),
            peers: self.peers(event, known.directory),
            lacks: Vec::new(),
        };
        if !known.networks.knows_countries() {
            items::note_no_networks(&mut about);
        }
        about.note_lacks(None);
        about
    }

    /// What the actor did last, with this event, newest first.
    pub fn recent(&self, event: &Event) -> Vec<RecentAct> {
        let before = self.habits.of(event.actor_id()).into_iter().flat_map(|habit| habit.recent().iter().rev());
        [act(event, Whose::of(event), Kind::of(event), &mut Arc::default()).told()]
            .into_iter()
            .chain(before.take(super::habits::MAX_RECENT - 1).map(Recent::told))
            .collect()
    }

    /// The channel of an event, which may be asked about with it.
    pub fn learn_channel(&mut self, event: &Event) {
        self.channels.learn(event);
    }

    /// Takes in an alert that was sent, about the event that it is about.
    pub fn learn_alert(&mut self, alert: &Alert, event: &Event) {
        let whom = whom(event);
        if alert.suppressed_by.is_none() && is_person(&whom) {
            let person = self.habits.number(&whom);
            self.habits.alerted(person, event.seq, alert);
        }
    }

    /// Takes in everything else of an event.
    pub fn learn(&mut self, event: &Event, networks: &Networks) {
        let whose = Whose::of(event);
        let actor = event.actor_id();
        let number = is_person(actor).then(|| self.habits.number(actor));
        if let Some(person) = number {
            let known = Kind::of(event);
            let act = act(event, whose, known, &mut self.newest.person(person).address_of_act);
            self.habits.act(person, act, known, doing(event, whose));
        }
        let address = whose::address(event);
        let by;
        let who = match whose {
            _ if address.len() > MAX_ID => return,
            Whose::Actor if event.traits().is_claimed => {
                if let Some(person) = number {
                    self.habits.was_claimed(person, event.seq, event.time, address);
                }
                return;
            }
            Whose::Actor => actor,
            Whose::Inviter(Some(user)) => {
                by = id_of(user);
                &by
            }
            _ => return,
        };
        if !is_person(who) {
            return;
        }
        let person = number.filter(|_| who == actor).unwrap_or_else(|| self.habits.number(who));
        if self.newest.is_of_other(networks) {
            self.habits.forget_marks();
        }
        let session = session_id(event);
        let mark = self.newest.mark(address, event.user_agent().and_then(Part::spelling), &session);
        if self.habits.was_again(person, event.seq, event.time, mark) {
            return;
        }
        let Newest { network, country, client, .. } = self.newest.at(person, address, event, networks);
        let from = From { address, network, country, client, session: &session };
        self.habits.was(person, event.seq, event.time, &from, mark);
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let mut changes = self.habits.take_changes();
        changes.extend(self.channels.take_changes());
        changes
    }

    /// Puts back what was saved of a person or channel.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<(), Forgotten> {
        match row.name()?.split_at_checked(1) {
            Some(("c", id)) => self.channels.load(id, row),
            Some((what, id)) => self.habits.load(what.as_bytes()[0], id, row),
            None => Err(row.forgotten("its key doesn't say what it is")),
        }
    }

    fn person(&self, user: Option<Part<'_>>, id: &str, event: &Event, directory: &Directory) -> Person {
        let text = |name: &str| clip(&user.map(|user| user.text(name)).unwrap_or_default());
        let known = |role: Role| (role != Role::Unknown).then(|| Sourced::by_log(role));
        let role = directory.role_at(id, event);
        let is = |which: Role| (role != Role::Unknown).then(|| Sourced::by_log(role == which));
        Person {
            id: id.chars().take(MAX_ID).collect(),
            name: text("name"),
            email: text("email"),
            placeholder: is_placeholder(id),
            role_at_event: known(role),
            role_now: known(directory.role_now(id, event)),
            system_roles: directory.grants_at(id, event),
            guest: is(Role::Guest),
            bot: is(Role::Bot),
            external: user.and_then(|user| directory.is_external(user, event)).map(Sourced::by_log),
            deactivated: directory.is_deactivated(id, event).map(Sourced::by_log),
            dormant: self.is_dormant(id, event, directory).map(Sourced::by_log),
            two_factor: None,
            created: directory.made(id, event).map(Sourced::by_log),
        }
    }

    /// `None` for somebody who was never seen, where the log wasn't watched for long enough to tell.
    fn is_dormant(&self, id: &str, event: &Event, directory: &Directory) -> Option<bool> {
        if id.is_empty() || is_placeholder(id) {
            return None;
        }
        let away_s = |since: u64| event.time.0.saturating_sub(since);
        let last = self.habits.of(id).and_then(Habit::last).or_else(|| directory.made(id, event));
        match last {
            Some(last) => Some(away_s(last.0) >= DORMANT_S),
            None => (directory.watched_s(event) >= DORMANT_S).then_some(true),
        }
    }

    fn target(&self, event: &Event, directory: &Directory) -> Option<Person> {
        let id = target_of(event)?;
        let user = event.entity().filter(|entity| event.entity_type() == "user" && id_of(*entity) == id);
        (id != event.actor_id()).then(|| self.person(user, &id, event, directory))
    }

    fn activity(&self, event: &Event) -> Option<Activity> {
        let id = whom(event);
        if !is_person(&id) {
            return None;
        }
        let mut activity = self.habits.of(&id).map(|habit| habit.activity(event.time)).unwrap_or_default();
        activity.of = clip(&id);
        let whose = Whose::of(event);
        if id == event.actor_id() {
            for span in [Span::Day, Span::Month] {
                count(&mut activity, span, doing(event, whose), family_of(event.action()), 1);
            }
        }
        if whose == Whose::Actor {
            activity.client = client_of(&whose::user_agent(event));
            activity.client_before = activity.clients.iter().find(|seen| seen.value == activity.client).cloned();
        }
        Some(activity)
    }

    fn session(&self, event: &Event) -> Option<Session> {
        let (id, whose) = (session_id(event), Whose::of(event));
        let who = match whose {
            Whose::Actor => event.actor_id().into(),
            Whose::Inviter(Some(by)) => id_of(by),
            _ => return None,
        };
        let before = self.habits.of(&who).and_then(|habit| habit.session(&id)).cloned();
        (!id.is_empty()).then(|| Session { whose: whose.name().to_owned(), before, id: id.into_owned() })
    }

    fn alerts(&self, id: &str, at: UnixSeconds) -> Vec<Alerted> {
        let mut alerts = self.habits.of(id).map(|habit| habit.alerts(at)).unwrap_or_default();
        alerts.iter_mut().for_each(|alert| alert.open = alert.until > at);
        alerts
    }

    fn channel(&self, event: &Event, tables: &Tables) -> Option<Channel> {
        let mut channel = self.channels.about(event)?;
        channel.sensitive = tables.contains(SENSITIVE_CHANNELS, &channel.id);
        Some(channel)
    }

    fn address(&self, event: &Event, networks: &Networks) -> Option<Address> {
        let ip = whose::address(event);
        if ip.is_empty() {
            return None;
        }
        let whose = Whose::of(event);
        let known = networks.of(ip).unwrap_or_default();
        let network = network_of(ip, Some(&known));
        let owner = match whose {
            Whose::Actor => event.actor_id().into(),
            Whose::Inviter(Some(by)) => id_of(by),
            _ => Cow::Borrowed(""),
        };
        let places = self.habits.of(&owner).map(Habit::places);
        let before = |places: &[Place], value: &str| places.iter().find(|place| place.value == value).map(Place::seen);
        let (mut others, mut claimed_total): (Vec<&str>, u64) = (Vec::new(), 0);
        if !whose::is_loopback(ip) {
            // Times are to the hour, so it may be an hour more than a day.
            let since = event.time.minus(DAY_S + HOUR_S);
            others = self.habits.who_was_at(ip, since).filter(|id| **id != *owner).collect();
            others.sort_unstable();
            claimed_total = self.habits.who_was_claimed_at(ip, since).filter(|id| **id != *owner).count() as u64;
        }
        let kind = match known.kind.map_or(known.usage.as_str(), |kind| kind.name()) {
            _ if whose::is_loopback(ip) => "loopback",
            "" if !known.own.is_empty() => "own",
            kind => kind,
        };
        Some(Address {
            ip: clip(ip),
            whose: whose.name().to_owned(),
            kind: kind.to_owned(),
            before: places.and_then(|places| before(&places.addresses, ip)),
            network_before: places.and_then(|places| before(&places.networks, &network)),
            claimed_before: places.and_then(|places| before(&places.claimed, ip)),
            claimed_total,
            others_total: others.len() as u64,
            others: others.into_iter().take(MAX_NAMED).map(str::to_owned).collect(),
            own: known.own.clone(),
            asn: known.asn.clone(),
            organization: known.organization.clone(),
            country: known.country.clone(),
        })
    }

    fn peers(&self, event: &Event, directory: &Directory) -> Option<Peers> {
        let action = event.action_number()?;
        let role = directory.role_at(event.actor_id(), event);
        let (mut people, mut same_role) = (0, 0);
        for id in self.habits.who_did(action, event.time).filter(|id| *id != event.actor_id()) {
            people += 1;
            same_role += u64::from(role != Role::Unknown && directory.role_now(id, event) == role);
            if people >= MAX_COUNTED && (role == Role::Unknown || same_role >= MAX_COUNTED) {
                break;
            }
        }
        Some(Peers {
            action: event.action().to_owned(),
            people: MAX_COUNTED.min(people),
            same_role: (role != Role::Unknown).then_some(MAX_COUNTED.min(same_role)),
            watched_s: directory.watched_s(event).min(DORMANT_S),
        })
    }
}

/// The app that the event is about, else the one through which it was done.
fn app(event: &Event, apps: &Apps) -> Option<App> {
    let entity = event.entity().filter(|_| event.entity_type() == "app");
    let id = app_id(entity.or_else(|| whose::app(event))?)?;
    let known = apps.get(&id)?;
    Some(App {
        id: clip(&id),
        name: known.name().to_owned(),
        scopes: known.scopes().cloned().unwrap_or_default(),
        bot_scopes: known.bot_scopes().cloned().unwrap_or_default(),
        first: Some(known.first()),
        installer: known.installer().to_owned(),
        directory_approved: known.directory_approved(),
        approved: known.approved(),
        installs: known.installs(event.time),
    })
}

fn acted_through(event: &Event, apps: &Apps) -> Vec<Through> {
    let name = |of: Part<'_>| clip(&of.text("name"));
    let inviter = match Whose::of(event) {
        Whose::Inviter(Some(by)) => Some(Through::Inviter { id: clip(&id_of(by)), name: name(by) }),
        _ => None,
    };
    let agent = whose::agent(event).map(|agent| Through::Agent { name: clip(&agent.str()) });
    let installer = |app: Part<'_>| apps.get(&id_of(app)).map_or("", |known| known.installer()).to_owned();
    let app = whose::app(event).map(|app| Through::App {
        id: clip(&id_of(app)),
        name: name(app),
        actor_installed_it: Some(installer(app)).filter(|id| !id.is_empty()).map(|id| id == event.actor_id()),
    });
    [inviter, agent, app].into_iter().flatten().collect()
}

/// Who did what the actor is named in.
fn doing(event: &Event, whose: Whose<'_>) -> Doing {
    match whose {
        _ if event.traits().is_claimed => Doing::Claimed,
        Whose::App(_) | Whose::Server | Whose::Agent(_) => Doing::ByApp,
        Whose::Inviter(_) => Doing::ByOther,
        Whose::Actor | Whose::Nobodys => Doing::Own,
    }
}

/// The person whom an event is about: who acted or, where Slack itself did, whom it was done to.
fn whom(event: &Event) -> Cow<'_, str> {
    let actor = event.actor_id();
    match actor.is_empty() || is_placeholder(actor) {
        true => target_of(event).unwrap_or_default(),
        false => actor.into(),
    }
}

fn is_person(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && !is_placeholder(id)
}

/// `address` is the one of the act before, and becomes that of this one.
fn act(event: &Event, whose: Whose<'_>, known: Option<Kind>, address: &mut Arc<str>) -> Recent {
    let ip = if matches!(whose, Whose::Inviter(_)) { "" } else { whose::address(event) };
    if **address != *ip {
        *address = clip(ip).into();
    }
    let action = known.map_or_else(|| clip(event.action()).into(), |kind| kind.name.into());
    Recent { seq: event.seq, time: event.time, action, ip_address: address.clone() }
}

/// What stands for an address's network, as the field `context.network` has it.
fn network_of<'n>(address: &str, known: Option<&'n Network>) -> Cow<'n, str> {
    match known.map_or("", |network| &network.asn) {
        "" => prefix_of(address).into(),
        asn => asn.into(),
    }
}

/// Of each person, by position, what the newest entry told of where they were: the same again is looked up nowhere. Has no
/// influence on an answer, so a position may become another's.
#[derive(Debug)]
struct NewestOf {
    of: Vec<Newest>,
    /// Of marks.
    seed: u64,
    /// What was asked about addresses.
    networks: Networks,
    clients: Clients,
}

#[derive(Clone, Debug, Default)]
struct Newest {
    address_of_act: Arc<str>,
    address: Arc<str>,
    network: Arc<str>,
    country: Arc<str>,
    agent: Option<Agent>,
    client: Arc<str>,
}

impl Default for NewestOf {
    fn default() -> Self {
        // Nobody may be able to choose what has the mark of something else.
        let seed = RandomState::new().hash_one(0_u8);
        Self { of: Vec::new(), networks: Networks::default(), clients: Clients::default(), seed }
    }
}

impl NewestOf {
    fn person(&mut self, person: u32) -> &mut Newest {
        let at = person as usize;
        if at >= self.of.len() {
            self.of.resize(at + 1, Newest::default());
        }
        &mut self.of[at]
    }

    /// Are these other networks than those that were asked? Then what they told is forgotten.
    fn is_of_other(&mut self, networks: &Networks) -> bool {
        if self.networks.is(networks) {
            return false;
        }
        self.networks = networks.clone();
        // Of no address nothing is known in any tables.
        self.of.iter_mut().for_each(|newest| {
            (newest.address, newest.network, newest.country) = (Arc::default(), Arc::default(), Arc::default());
        });
        true
    }

    /// One number for an address, a user agent as it is written, and a session; `None` where they are too long for one.
    fn mark(&self, address: &str, agent: Option<Spelling<'_>>, session: &str) -> Option<NonZeroU128> {
        let (kind, agent) = match agent {
            None => (0, ""),
            Some(Spelling::Plain(agent)) => (1, agent),
            Some(Spelling::Escaped(agent)) => (2, agent),
        };
        let (mut said, mut length) = ([0_u8; MAX_MARKED], 0);
        let lengths = [&[kind, u8::try_from(address.len()).ok()?, u8::try_from(session.len()).ok()?][..]];
        for part in lengths.into_iter().chain([address, session, agent].map(str::as_bytes)) {
            said.get_mut(length..length + part.len())?.copy_from_slice(part);
            length += part.len();
        }
        NonZeroU128::new(xxh3_128_with_seed(&said[..length], self.seed))
    }

    /// What is known of somebody at an address, with a user agent.
    fn at(&mut self, person: u32, address: &str, event: &Event, networks: &Networks) -> &Newest {
        let at = person as usize;
        if *self.person(person).address != *address {
            let known = networks.of(address);
            let newest = &mut self.of[at];
            newest.address = address.into();
            newest.network = (*network_of(address, known.as_deref())).into();
            newest.country = known.as_deref().map_or("", |network| &network.country).into();
        }
        let agent = event.user_agent().and_then(Part::spelling);
        let newest = &mut self.of[at];
        if newest.agent.as_ref().map(Agent::spelling) != agent {
            (newest.agent, newest.client) = match agent {
                Some(agent) => {
                    let (agent, client) = self.clients.of(agent, event);
                    (Some(agent), client)
                }
                None => (None, Arc::default()),
            };
        }
        newest
    }
}

/// A user agent as it was written.
#[derive(Clone, Debug)]
enum Agent {
    Plain(Arc<str>),
    Escaped(Arc<str>),
}

impl Agent {
    fn spelling(&self) -> Spelling<'_> {
        match self {
            Self::Plain(text) => Spelling::Plain(text),
            Self::Escaped(text) => Spelling::Escaped(text),
        }
    }
}

/// Clients by how their user agent is written: it need not be unescaped to be known again.
#[derive(Debug, Default)]
struct Clients {
    plain: Map<Arc<str>, Arc<str>>,
    escaped: Map<Arc<str>, Arc<str>>,
}

impl Clients {
    fn of(&mut self, agent: Spelling<'_>, event: &Event) -> (Agent, Arc<str>) {
        let (known, written, agent): (_, _, fn(Arc<str>) -> Agent) = match agent {
            Spelling::Plain(written) => (&mut self.plain, written, Agent::Plain),
            Spelling::Escaped(written) => (&mut self.escaped, written, Agent::Escaped),
        };
        if let Some((written, client)) = known.get_key_value(written) {
            return (agent(written.clone()), client.clone());
        }
        if known.len() >= MAX_AGENTS {
            known.clear();
        }
        let (written, client): (Arc<str>, Arc<str>) = (written.into(), client_of(&whose::user_agent(event)).into());
        known.insert(written.clone(), client.clone());
        (agent(written), client)
    }
}

fn id_of(named: Part<'_>) -> Cow<'_, str> {
    mention::id_of(named).unwrap_or_default()
}

fn clip(text: &str) -> String {
    super::habits::clip(text).to_owned()
}
