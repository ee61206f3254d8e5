//! The attacks. Each is a short script; a file holds those of one kind and lists them as [`Plot`]s.
//!
//! A script has people of its own, who otherwise live as everybody does. Who they are, when it happens, how much and how
//! fast comes from the seed. What an extension adds is told as [`Tale`]s.

mod apps;
mod control;
mod data;
mod outsiders;
mod slipping;
mod takeover;
mod tale;
mod trouble;

use super::life::{RESERVED_ADMINS, RESERVED_GUESTS, weekday};
use super::stage::{HOUR, Stage};
use super::world::{Device, World};
use super::{Label, SECS_A_DAY, Variant, clients};
use crate::internet::{self, NetworkKind};
use crate::org::SimEntry;
use crate::org::cast::Person;
use crate::org::dice::Dice;
use crate::org::entry::{Context, Entity, Session};
use crate::wire::Obj;
pub(super) use tale::{MORE_FAMILIES, tales, tell_more};
use tale::{Own, Tale};

/// Kinds of rule, and what one of the kind says.
pub(crate) const FAMILIES: &[(&str, &str)] = &[
    ("anomaly", "Slack itself found something odd that is more than a new address"),
    ("anomaly-ignored", "Slack ended the sessions, and the same stranger was back at once"),
    ("app-access-widened", "an app got access to more than it had, beyond what is harmless"),
    ("app-bulk-read", "an app read far more than such apps do"),
    ("app-governance-weakened", "rules on which apps may be added became laxer"),
    ("app-powerful-install", "an app was added that may read or administer much"),
    ("connect-drain", "people of a newly connected organization took many files"),
    ("connect-new-organization", "an organization that nobody dealt with before was let in"),
    ("control-relaxed", "a protective setting became laxer"),
    ("decoy", "something was touched that nobody has a reason to touch"),
    ("deletion-burst", "somebody deleted much in a short time"),
    ("dormant-admin", "an admin acted as one after a long time"),
    ("encryption", "the organization's own keys were removed, replaced or no longer logged"),
    ("export", "messages were exported by somebody whose work that isn't, or fetched by another"),
    ("external-sharing", "things were opened to people outside"),
    ("federation", "another identity provider or domain was trusted"),
    ("files-collected", "somebody took many distinct files in a short time"),
    ("forwarding", "many private messages were forwarded, or a private channel got a mail address"),
    ("grant-then-use", "new power was used at once for something sensitive"),
    ("guest-made-durable", "a guest's end date went away and private channels came"),
    ("huddle-intrusion", "somebody who doesn't belong there was let into an incident call"),
    ("impersonation", "a name was made to look like somebody trusted"),
    ("ip-allowlist", "one person was refused at several addresses and then got in"),
    ("join-sweep", "somebody joined very many channels of their own accord"),
    ("legal-hold", "a hold on evidence was lifted"),
    ("legal-hold-then-deletion", "a hold was lifted and then much was deleted"),
    ("login-guessing", "many wrong passwords for one account"),
    ("login-spraying", "wrong passwords for many accounts from one place"),
    ("login-success-after-failures", "wrong passwords and then the right one"),
    ("mcp-sweep", "an assistant read very many channels for one person"),
    ("new-context-then-collection", "a new network and client, then much was read"),
    ("ownership", "who owns the organization changed"),
    ("preview-sweep", "somebody looked into very many channels without joining"),
    ("privilege-granted", "somebody got more power"),
    ("recovery-takeover", "an account's recovery was followed by a sign-in from elsewhere and new credentials"),
    ("retention-shortened", "what is kept is kept for less long"),
    ("service-off-network", "an account of a machine came from where no machine of ours is"),
    ("session-moved", "one session went on with another network and another client"),
    ("session-reset-wave", "one admin ended very many people's sessions"),
    ("sso-exemption", "an account may sign in without the identity provider"),
    ("token-of-leaver", "an app that a leaver set up lives on, and acts"),
    ("watcher-blinded", "those who watch see less: anomalies, audit log, our own app"),
    ("weaken-act-restore", "a control was relaxed, used, and put back"),
];

/// An attack before it has happened.
#[derive(Clone, Copy)]
pub(super) struct Plot {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) references: &'static [&'static str],
    pub(super) families: &'static [&'static str],
    pub(super) tell: fn(&mut Script<'_>),
}

/// Tells all stories; returns their entries, those of the victims' ordinary hours around them too, and the labels.
pub(super) fn tell(world: &World) -> (Vec<SimEntry>, Vec<Label>) {
    let plots = [takeover::PLOTS, apps::PLOTS, data::PLOTS, control::PLOTS, outsiders::PLOTS].concat();
    let mut pool = Pool::default();
    let mut entries = Vec::new();
    let mut labels: Vec<Label> = plots.iter().map(|plot| tell_one(plot, world, &mut pool, &mut entries)).collect();
    labels.sort_by_key(|label| label.first_entry_at);
    (entries, labels)
}

fn tell_one(plot: &Plot, world: &World, pool: &mut Pool, entries: &mut Vec<SimEntry>) -> Label {
    const SLOWEST_DAYS: u64 = 4;
    tell_over(plot, SLOWEST_DAYS, world, pool, entries)
}

/// Tells what takes at most so many days.
fn tell_over(plot: &Plot, days: u64, world: &World, pool: &mut Pool, entries: &mut Vec<SimEntry>) -> Label {
    let name: Vec<u64> = plot.name.bytes().map(u64::from).collect();
    let mut dice = Dice::of(world.plan.seed, &name);
    let variant = dice.weighted(&[(50, Variant::Plain), (25, Variant::Near), (25, Variant::Slow)]);
    let at = beginning(world, days, &mut dice) * SECS_A_DAY + 12 * HOUR;
    let mut script = Script {
        world,
        stage: Stage::new(world, dice, at),
        pool,
        variant,
        counted: false,
        actors: Vec::new(),
        scenery: Vec::new(),
        decisive: None,
    };
    (plot.tell)(&mut script);
    let Script { stage, variant, counted, actors, scenery, decisive, .. } = script;
    let mut told: Vec<&SimEntry> =
        stage.done.iter().enumerate().filter(|(n, _)| !scenery.contains(n)).map(|(_, entry)| entry).collect();
    let decisive = decisive.map_or_else(|| told[told.len() - 1], |n| &stage.done[n]);
    let (decisive_at, decisive_entry) = (decisive.date_create, decisive.id.clone());
    told.sort_by(|a, b| super::in_order(a, b));
    let label = Label {
        story: plot.name.into(),
        description: plot.about.into(),
        references: plot.references.iter().map(|reference| (*reference).into()).collect(),
        variant: if counted { variant } else { Variant::Plain },
        actors,
        first_entry_at: told[0].date_create,
        last_entry_at: told[told.len() - 1].date_create,
        decisive_at,
        decisive_entry,
        entry_ids: told.iter().map(|entry| entry.id.clone()).collect(),
        families: plot.families.iter().map(|family| (*family).into()).collect(),
        expected: None,
    };
    entries.extend(stage.done);
    label
}

/// A workday after the first quarter, with the days left that the story takes.
fn beginning(world: &World, lasts_days: u64, dice: &mut Dice) -> u64 {
    let days = u64::from(world.plan.days);
    let first = world.first_day + days / 4 + 1;
    let last = world.first_day + days - lasts_days;
    let workdays: Vec<u64> = (first..=last).filter(|day| !matches!(weekday(*day), 0 | 6)).collect();
    *dice.pick(&workdays)
}

/// People that no other story uses.
#[derive(Default)]
pub(super) struct Pool {
    admins: usize,
    guests: usize,
    members: usize,
    addresses: u64,
    /// Of a tale, which doesn't share a pool with other stories.
    own: Option<Own>,
}

/// One story being told, on a stage of its own.
pub(super) struct Script<'w> {
    pub(super) world: &'w World,
    pub(super) stage: Stage<'w>,
    pool: &'w mut Pool,
    variant: Variant,
    /// Whether the variant made a difference.
    counted: bool,
    actors: Vec<String>,
    /// Which acts are no part of the attack.
    scenery: Vec<usize>,
    decisive: Option<usize>,
}

impl<'w> Script<'w> {
    /// Somebody without special rights. The first person of a story sets its time: a working hour of theirs.
    pub(super) fn member(&mut self) -> usize {
        let nth = self.pool.members;
        self.pool.members += 1;
        let own = self.pool.own.as_ref().map(|own| own.members[nth]);
        self.cast(own.unwrap_or_else(|| self.reserved(RESERVED_ADMINS + RESERVED_GUESTS + nth)))
    }

    /// Somebody of IT.
    pub(super) fn admin(&mut self) -> usize {
        let nth = self.pool.admins;
        self.pool.admins += 1;
        let own = self.pool.own.as_ref().map(|own| own.admins[nth]);
        self.cast(own.unwrap_or_else(|| self.reserved(nth)))
    }

    /// An admin who hasn't acted as one in the whole period.
    pub(super) fn dormant_admin(&mut self) -> usize {
        self.cast(self.reserved(RESERVED_ADMINS - 1))
    }

    pub(super) fn guest(&mut self) -> usize {
        let nth = self.pool.guests;
        self.pool.guests += 1;
        let own = self.pool.own.as_ref().map(|own| own.guests[nth]);
        self.cast(own.unwrap_or_else(|| self.reserved(RESERVED_ADMINS + nth)))
    }

    fn reserved(&self, nth: usize) -> usize {
        let i = self.world.first_reserved() + nth;
        debug_assert!(i < self.world.cast.people.len(), "more people are needed than are kept for stories");
        i
    }

    fn cast(&mut self, i: usize) -> usize {
        if self.actors.is_empty() {
            let local_noon = self.stage.at.saturating_add_signed(-self.world.utc_offset(i));
            self.stage.at = local_noon + self.stage.dice.between(0, 4 * HOUR) - 2 * HOUR;
        }
        let id = self.world.person(i).user.id.clone();
        self.also(id);
        i
    }

    /// Names one more who takes part.
    pub(super) fn also(&mut self, user_id: String) {
        self.actors.push(user_id);
    }

    pub(super) fn person(&self, i: usize) -> &'w Person {
        self.world.person(i)
    }

    /// The victim's ordinary work in the hour before: no part of the attack, but what it is seen against.
    pub(super) fn ordinary_work(&mut self, i: usize) -> Context {
        let context = Context { session: self.session(i), ..self.stage.desk(i) };
        let person = self.person(i);
        for _ in 0..3 {
            self.scenery.push(self.stage.done.len());
            let file = self.world.some_file(&mut self.stage.dice);
            self.stage.download(person, file, &context);
            self.stage.pause(8 * 60);
        }
        context
    }

    /// The session that somebody has at their desk now.
    fn session(&self, i: usize) -> Session {
        Session::Number(self.world.session(i, Device::Desktop, self.stage.day_of(i)))
    }

    /// Somebody at their own desk, in their own session.
    pub(super) fn desk(&mut self, i: usize) -> Context {
        Context { session: self.session(i), ..self.stage.desk(i) }
    }

    /// The same on the whole organization's admin pages.
    pub(super) fn console(&mut self, i: usize) -> Context {
        Context { location: self.world.cast.enterprise_location(), ..self.desk(i) }
    }

    /// An address that no story has used before.
    pub(super) fn address(&mut self, kind: NetworkKind) -> String {
        self.pool.addresses += 1;
        if let Some(own) = &self.pool.own {
            // Only the first blocks are large enough for addresses of one's own.
            let block = if kind == NetworkKind::Hosting { self.stage.dice.below(2) } else { 0 };
            return internet::address(internet::rented(kind, block), own.first_address + self.pool.addresses);
        }
        let (block, host) = (self.stage.dice.below(3), 7 * self.pool.addresses);
        internet::address(internet::rented(kind, block), 64 + host)
    }

    /// A browser of another kind than somebody uses at their desk.
    pub(super) fn browser(&mut self, i: usize) -> &'static str {
        let theirs = self.world.ua(i, Device::Desktop, self.stage.day_of(i));
        clients::other_browser(&theirs, self.stage.dice.below(12))
    }

    /// Somebody's session in other hands: another network, another client.
    pub(super) fn stolen(&mut self, i: usize, kind: NetworkKind, ua: &str) -> Context {
        let session = self.session(i);
        Context { session, ..self.stranger(i, kind, ua) }
    }

    /// A stranger who signs in as somebody, in a session of their own.
    pub(super) fn intruder(&mut self, i: usize, kind: NetworkKind, ua: &str) -> Context {
        let session = Session::Number(crate::org::cast::session(&mut self.stage.dice));
        Context { session, ..self.stranger(i, kind, ua) }
    }

    /// A stranger at the door.
    pub(super) fn stranger(&mut self, i: usize, kind: NetworkKind, ua: &str) -> Context {
        let ip = self.address(kind);
        let location = self.world.cast.workspace_location(self.person(i).workspace);
        Context { ip, ua: ua.into(), session: Session::Absent, ..Context::server_side(location) }
    }

    /// How many, where so many make a rule speak.
    pub(super) fn volume(&mut self, threshold: u64) -> u64 {
        self.counted = true;
        let dice = &mut self.stage.dice;
        match self.variant {
            Variant::Near => dice.between(threshold, threshold + 2),
            Variant::Plain => dice.between(threshold * 2, threshold * 4),
            Variant::Slow => dice.between(threshold, threshold * 2),
        }
    }

    /// Says that there is no slower window than the one that rules have: a slow story becomes a near one.
    pub(super) fn cant_be_slow(&mut self) {
        if self.variant == Variant::Slow {
            self.variant = Variant::Near;
        }
    }

    /// Seconds between two of so many acts that fit into a rule's window; of a slow story, into eight windows.
    pub(super) fn gap(&self, count: u64, window_secs: u64) -> u64 {
        let pace = if self.variant == Variant::Slow { 8 } else { 1 };
        (window_secs * 8 / 10 * pace / count).max(1)
    }

    /// The same hour of the next workday, or thereabouts.
    fn next_workday(&mut self) {
        self.stage.at += SECS_A_DAY;
        while matches!(weekday(self.stage.today()), 0 | 6) {
            self.stage.at += SECS_A_DAY;
        }
        self.stage.at = self.stage.at + self.stage.dice.between(0, 3_600) - 1_800;
    }

    /// How many of something, and whether an optional step is taken.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.stage.dice.between(low, high)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.stage.dice.percent(percent)
    }

    /// Says that the latest act was the one that gives it away.
    pub(super) fn decisive(&mut self) {
        self.decisive = Some(self.stage.done.len() - 1);
    }

    /// Says so once, at the act where a count reaches its threshold.
    pub(super) fn decisive_at(&mut self, nth: u64, threshold: u64) {
        if nth + 1 == threshold {
            self.decisive();
        }
    }

    /// So many distinct files, one after the other.
    pub(super) fn take_files(&mut self, who: &Person, count: u64, gap_secs: u64, context: &Context) {
        let first = self.world.some_file(&mut self.stage.dice);
        for n in 0..count {
            self.stage.download(who, first + n, context);
            self.stage.wait(gap_secs);
        }
    }

    /// A look into so many public channels.
    pub(super) fn look_into(&mut self, who: &Person, count: u64, gap_secs: u64, context: &Context) {
        let world = self.world;
        let channels: Vec<usize> = world.public_channels().collect();
        for n in 0..count as usize {
            let channel = channels[n % channels.len()];
            self.stage.bare("public_channel_preview", who, world.channel(channel), context);
            self.stage.wait(gap_secs);
        }
    }
}

/// The stage's own acts.
impl Script<'_> {
    pub(super) fn wait(&mut self, secs: u64) {
        self.stage.wait(secs);
    }

    pub(super) fn pause(&mut self, secs: u64) {
        self.stage.pause(secs);
    }

    pub(super) fn act(&mut self, action: &str, who: &Person, entity: Entity, context: &Context) {
        self.stage.act(action, who, entity, context);
    }

    pub(super) fn act_with(
        &mut self,
        action: &str,
        who: &Person,
        entity: Entity,
        context: &Context,
        fill: impl FnOnce(&mut Obj<'_>),
    ) {
        self.stage.act_with(action, who, entity, context, fill);
    }

    pub(super) fn bare(&mut self, action: &str, who: &Person, entity: Entity, context: &Context) {
        self.stage.bare(action, who, entity, context);
    }

    pub(super) fn set(&mut self, pref: &str, who: &Person, context: &Context, previous: &str, new: &str) {
        self.stage.set(pref, who, context, previous, new);
    }

    pub(super) fn join(&mut self, who: &Person, channel: usize, context: &Context) {
        self.stage.join(who, channel, context);
    }

    pub(super) fn invite(&mut self, who: &Person, by: &Person, channel: usize, inviters: &Context) {
        self.stage.invite(who, by, channel, inviters);
    }

    pub(super) fn download(&mut self, who: &Person, file: u64, context: &Context) {
        self.stage.download(who, file, context);
    }

    pub(super) fn fail_login(&mut self, who: &Person, context: &Context) {
        self.stage.fail_login(who, context);
    }

    pub(super) fn log_in(&mut self, who: &Person, context: &Context) {
        self.stage.log_in(who, context);
    }
}

pub(super) const SCRIPT: &str = "python-requests/2.32.3";
