//! Ordinary trouble: what honest people do that looks like an attack to a careless rule. Nobody should be alarmed by it.

mod changes;
mod crowds;

use super::{Script, Tale};
use crate::benchmark::life::Job;
use crate::benchmark::world::Device;
use crate::org::cast::{DOMAINS, Person, machine};
use crate::org::entry::Context;
use crate::org::{Role, User, entities, names};
use crate::wire::object;

/// In the order in which people are given out: append.
pub(super) const TALES: [&[Tale]; 2] = [crowds::TALES, changes::TALES];

impl Script<'_> {
    /// So many people who have no part in other stories, or all there are.
    fn crowd(&mut self, count: u64) -> Vec<usize> {
        let mut left = self.pool.own.as_ref().map(|own| own.crowd.clone()).unwrap_or_default();
        self.drawn_from(&mut left, count)
    }

    /// The same of one job; of anybody, where nobody has it.
    fn crowd_of(&mut self, job: Job, count: u64) -> Vec<usize> {
        let all = self.pool.own.as_ref().map(|own| own.crowd.clone()).unwrap_or_default();
        let mut left: Vec<usize> = all.iter().copied().filter(|i| self.world.lives[*i].job == job).collect();
        if left.len() < 3 {
            left = all;
        }
        self.drawn_from(&mut left, count)
    }

    fn drawn_from(&mut self, left: &mut Vec<usize>, count: u64) -> Vec<usize> {
        let count = (count as usize).min(left.len());
        let drawn: Vec<usize> =
            (0..count).map(|_| left.swap_remove(self.stage.dice.below(left.len() as u64) as usize)).collect();
        for &i in &drawn {
            let id = self.person(i).user.id.clone();
            self.also(id);
        }
        drawn
    }

    /// A share of the organization.
    fn share(&self, percent: u64, most: u64) -> u64 {
        (self.world.cast.people.len() as u64 * percent / 100).min(most)
    }

    /// So many hours after somebody's midnight, of the day that it is for them at that moment.
    fn begin_at(&mut self, i: usize, moment: u64, hour: u64) {
        self.stage.at = moment;
        let day = self.stage.day_of(i);
        self.stage.at = self.world.midnight(i, day) + hour * super::HOUR + self.stage.dice.below(super::HOUR);
    }

    /// Their phone, in its session.
    fn phone(&mut self, i: usize) -> Context {
        self.stage.at(i, Device::Phone)
    }

    /// Something that everybody does all day.
    fn something(&mut self, i: usize, context: &Context) {
        let who = self.person(i);
        match self.stage.dice.below(5) {
            0 => {
                let canvas = entities::any("canvas", &self.world.cast, who, &mut self.stage.dice);
                self.act("canvas_opened", who, canvas, context);
            }
            1 => {
                let file = self.world.some_file(&mut self.stage.dice);
                self.bare("file_shared", who, self.world.file(file), context);
            }
            2 => {
                let list = entities::any("list", &self.world.cast, who, &mut self.stage.dice);
                self.act("list_opened", who, list, context);
            }
            _ => {
                let file = self.world.some_file(&mut self.stage.dice);
                self.download(who, file, context);
            }
        }
    }

    /// Somebody whom nobody here has seen before.
    fn newcomer(&mut self, domain: &str) -> Person {
        let number = self.stage.dice.between(100_000, 999_999) as usize;
        let (name, mailbox) = names::person(&mut self.stage.dice, number);
        let id = self.stage.dice.id("U");
        let user = User { id, name, email: format!("{mailbox}@{domain}"), role: Role::Member };
        let workspace = self.stage.dice.below(self.world.cast.workspaces.len() as u64) as usize;
        let team = self.world.cast.workspaces[workspace].id.clone();
        let ua = crate::benchmark::clients::desktop(self.stage.dice.below(1 << 30), 0);
        let mut person = machine(user, Some(&team), workspace, &ua, &mut self.stage.dice);
        person.mobile_ua = crate::benchmark::clients::phone(self.stage.dice.below(1 << 30), 0);
        self.also(person.user.id.clone());
        person
    }

    /// What the identity provider's directory does for somebody new.
    fn provision(&mut self, person: &Person) {
        let world = self.world;
        self.stage.provision("user_created", entities::user(person));
        for _ in 0..self.stage.dice.between(1, 3) {
            let group = entities::any("usergroup", &world.cast, person, &mut self.stage.dice);
            self.stage.provision_with("user_added_to_usergroup", group, |o| {
                o.str("user", &person.user.id);
            });
        }
        let secs = self.stage.dice.below(3);
        self.wait(secs);
    }

    /// First steps of somebody new: a look around, channels, and the papers that everybody gets.
    fn settle_in(&mut self, person: &Person, context: &Context, papers: u64) {
        self.act("user_joined_workspace", person, entities::user(person), context);
        self.act("user_login", person, entities::user(person), context);
        self.pause(super::HOUR / 12);
        if self.stage.dice.percent(60) {
            self.act("user_passkey_created", person, entities::user(person), context);
        }
        let profile = |title: &str| {
            object(|o| {
                o.str("real_name", &person.user.name).str("display_name", &person.user.name).str("title", title);
            })
        };
        let (before, after) = (profile(""), profile("New here"));
        self.act_with("user_profile_updated", person, entities::user(person), context, |o| {
            o.raw("previous_profile", &before).raw("new_profile", &after);
        });
        for _ in 0..self.stage.dice.between(6, 18) {
            let channel = self.world.some_public_channel(&mut self.stage.dice);
            if self.stage.dice.percent(55) {
                self.bare("public_channel_preview", person, self.world.channel(channel), context);
                self.pause(25);
            }
            self.join(person, channel, context);
            self.pause(70);
        }
        // The same files for everybody: the first there are.
        for n in 0..papers {
            self.download(person, n, context);
            self.pause(100);
        }
    }

    fn own_domain(&self) -> &'static str {
        DOMAINS[0]
    }
}
