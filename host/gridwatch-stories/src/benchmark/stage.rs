//! Where acts are put on record: a moment that moves on, dice, and what was done so far.

use super::SECS_A_DAY;
use super::world::{Device, World};
use crate::org::cast::{Channel, Person};
use crate::org::dice::Dice;
use crate::org::entry::{Context, Draft, Entity, Session};
use crate::org::{SimEntry, background, details, entities};
use crate::wire::{Obj, object};

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 3600;

pub(crate) struct Stage<'w> {
    pub(crate) world: &'w World,
    pub(crate) dice: Dice,
    /// Epoch seconds of the next act.
    pub(crate) at: u64,
    pub(crate) done: Vec<SimEntry>,
}

impl<'w> Stage<'w> {
    pub(crate) fn new(world: &'w World, dice: Dice, at: u64) -> Self {
        Self { world, dice, at, done: Vec::new() }
    }

    pub(crate) fn wait(&mut self, secs: u64) {
        self.at += secs;
    }

    /// Some time of about this length.
    pub(crate) fn pause(&mut self, secs: u64) {
        self.at += self.dice.between(secs / 2, secs * 3 / 2);
    }

    pub(crate) fn today(&self) -> u64 {
        self.at / SECS_A_DAY
    }

    /// Whoever is employed but one: nobody lends themselves a role at the help desk.
    pub(crate) fn anybody_but(&mut self, i: usize) -> usize {
        const MOST_TRIES: usize = 50;
        let (world, day) = (self.world, self.today());
        let drawn = (0..MOST_TRIES).map(|_| world.anybody(day, &mut self.dice)).find(|other| *other != i);
        drawn.unwrap_or(if i == 1 { 2 } else { 1 })
    }

    /// The local date at somebody's office.
    pub(crate) fn day_of(&self, i: usize) -> u64 {
        self.at.saturating_add_signed(self.world.utc_offset(i)) / SECS_A_DAY
    }

    /// An act with the details that are usual for it.
    pub(crate) fn act(&mut self, action: &str, who: &Person, entity: Entity, context: &Context) {
        let details = details::of(action, self.at, &self.world.cast, who, &mut self.dice);
        self.record(action, &who.wire, entity, context, details);
    }

    /// An act with details of its own.
    pub(crate) fn act_with(
        &mut self,
        action: &str,
        who: &Person,
        entity: Entity,
        context: &Context,
        fill: impl FnOnce(&mut Obj<'_>),
    ) {
        self.record(action, &who.wire, entity, context, Some(object(fill)));
    }

    /// An act without details.
    pub(crate) fn bare(&mut self, action: &str, who: &Person, entity: Entity, context: &Context) {
        self.record(action, &who.wire, entity, context, None);
    }

    /// Any act; `actor` is a user object.
    pub(crate) fn record(
        &mut self,
        action: &str,
        actor: &str,
        entity: Entity,
        context: &Context,
        details: Option<String>,
    ) {
        let draft = Draft { at: self.at, action, actor, entity, context: context.clone(), details };
        let entry = draft.write(&mut self.dice);
        self.done.push(entry);
    }

    /// Somebody at their usual device, wherever that is now.
    pub(crate) fn at(&mut self, i: usize, device: Device) -> Context {
        let day = self.day_of(i);
        self.world.context(i, device, day, self.at, &mut self.dice)
    }

    pub(crate) fn desk(&mut self, i: usize) -> Context {
        self.at(i, Device::Desktop)
    }

    /// An act that changes a preference of the whole organization from one value to another, both JSON.
    pub(crate) fn set(&mut self, pref: &str, who: &Person, context: &Context, previous: &str, new: &str) {
        let entity = crate::org::entities::enterprise(&self.world.cast);
        self.act_with(pref, who, entity, context, |o| {
            o.raw("new_value", new).raw("previous_value", previous);
        });
    }

    /// An act of the identity provider.
    pub(crate) fn provision(&mut self, action: &str, entity: Entity) {
        let world = self.world;
        let context = world.cast.provisioning(action);
        self.act(action, &world.cast.provisioner, entity, &context);
    }

    /// The same with details of its own.
    pub(crate) fn provision_with(&mut self, action: &str, entity: Entity, fill: impl FnOnce(&mut Obj<'_>)) {
        let world = self.world;
        let context = world.cast.provisioning(action);
        self.act_with(action, &world.cast.provisioner, entity, &context, fill);
    }

    /// Somebody makes a channel and is its manager from that second on. Returns the channel.
    pub(crate) fn make_channel(&mut self, who: &Person, private: bool, context: &Context) -> Channel {
        let channel = self.world.new_channel(private, &mut self.dice);
        let entries = background::make_channel(self.at, who, &channel, context, &mut self.dice);
        self.done.extend(entries);
        channel
    }

    /// Somebody gets one of the system roles for a channel, a workspace or the organization.
    pub(crate) fn assign_role(&mut self, role: usize, by: &Person, to: &Person, scope: &str, context: &Context) {
        let details = background::role_details(&to.user.id, scope);
        self.record("role_assigned", &by.wire, entities::system_role(role), context, Some(details));
    }

    /// Somebody joins a channel of their own accord.
    pub(crate) fn join(&mut self, who: &Person, channel: usize, context: &Context) {
        let guest = who.user.role == crate::org::Role::Guest;
        let action = if guest { "guest_channel_join" } else { "user_channel_join" };
        let entity = self.world.channel(channel);
        self.act_with(action, who, entity, context, |o| {
            o.str("type", "JOINED").flag("is_workflow", false);
        });
    }

    /// Somebody is brought into a channel. The context is the inviter's, as Slack documents it.
    pub(crate) fn invite(&mut self, who: &Person, by: &Person, channel: usize, inviters: &Context) {
        let guest = who.user.role == crate::org::Role::Guest;
        let action = if guest { "guest_channel_join" } else { "user_channel_join" };
        let entity = self.world.channel(channel);
        self.act_with(action, who, entity, inviters, |o| {
            o.str("type", "INVITED").raw("inviter", &by.wire).flag("is_workflow", false);
        });
    }

    pub(crate) fn download(&mut self, who: &Person, file: u64, context: &Context) {
        let entity = self.world.file(file);
        self.act("file_downloaded", who, entity, context);
    }

    pub(crate) fn fail_login(&mut self, who: &Person, context: &Context) {
        // Nobody is signed in yet, so there is no session.
        let context = Context { session: Session::Absent, ..context.clone() };
        self.bare("user_login_failed", who, crate::org::entities::user(who), &context);
    }

    pub(crate) fn log_in(&mut self, who: &Person, context: &Context) {
        self.act("user_login", who, crate::org::entities::user(who), context);
    }
}
