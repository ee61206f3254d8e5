//! Attacks that slip through what looks at one person, one kind of act and one short span: they are slow, spread over many
//! accounts, done in somebody else's name, or by somebody whom a list quiets.
//!
//! Their causes are those of published incidents; how many people, how much, in which order and what is left out comes from the
//! seed.

mod accounts;
mod collecting;
mod listed;
mod programs;
mod trust;

use super::{Script, Tale};
use crate::internet::{self, NetworkKind};
use crate::org::cast::Person;
use crate::org::entities;
use crate::org::entry::Context;

/// In the order in which people are given out: append.
pub(super) const TALES: [&[Tale]; 5] =
    [accounts::TALES, collecting::TALES, trust::TALES, programs::TALES, listed::TALES];

/// How somebody proves at a sign-in who they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Through the identity provider, like everybody of the house.
    SingleSignOn,
    Password,
    /// A link in a mail.
    MagicLink,
}

/// Where an intruder comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Rented,
    Vpn,
    Tor,
    /// A line in somebody's home in the victim's country.
    Proxy,
}

impl Script<'_> {
    /// An intruder's address that no other story has.
    fn lair(&mut self, i: usize, place: Place) -> String {
        match place {
            Place::Rented => self.address(NetworkKind::Hosting),
            Place::Vpn => self.address(NetworkKind::Vpn),
            Place::Tor => self.address(NetworkKind::Tor),
            Place::Proxy => {
                self.pool.addresses += 1;
                let first = self.pool.own.as_ref().map_or(0, |own| own.first_address);
                internet::proxy(self.world.country(i), (first + self.pool.addresses) % 2_000)
            }
        }
    }

    /// Somebody else who signs in as them.
    fn intruder_at(&mut self, i: usize, place: Place) -> Context {
        let ip = self.lair(i, place);
        let browser = self.browser(i);
        Context { ip, ..self.intruder(i, NetworkKind::Hosting, browser) }
    }

    fn sign_in(&mut self, i: usize, context: &Context, method: Method) {
        let who = self.person(i);
        let details = match method {
            Method::SingleSignOn => return self.log_in(who, context),
            Method::Password => "password",
            Method::MagicLink => "magic_link",
        };
        self.act_with("user_login", who, entities::user(who), context, |o| {
            o.str("authentication_method", details);
        });
    }

    /// What is done meanwhile is no part of the story.
    fn meanwhile(&mut self, play: impl FnOnce(&mut Self)) {
        let first = self.stage.done.len();
        play(self);
        self.scenery.extend(first..self.stage.done.len());
    }

    /// A file that is like any other.
    fn one_file(&mut self, who: &Person, context: &Context) {
        let file = self.world.some_file(&mut self.stage.dice);
        self.download(who, file, context);
    }
}
