//! What is needed to tell the stories of an extension: whom they take, how long they last, and what should be said of them.
//!
//! People, addresses and dice of a tale are its own, so that it is the same whichever others are told.

use super::{Label, Plot, Pool, slipping, tell_over, trouble};
use crate::benchmark::extension::{Expected, Extension, Level};
use crate::benchmark::life::{Job, RESERVED_ADMINS, Shift};
use crate::benchmark::world::World;
use crate::org::SimEntry;

/// What the rules of the tales are about.
pub(crate) const MORE_FAMILIES: &[(&str, &str)] = &[
    ("app-after-installation", "what an app is or may reach changed after somebody had agreed to less"),
    ("app-awake", "an app that had long done nothing acts"),
    ("app-day", "an app read more in a day than it ever does"),
    ("bad-network", "somebody acted from where nobody of the house works, without signing in there"),
    ("collected-slowly", "somebody took more over days than is usual for them, never much at once"),
    ("doer-behind", "somebody else's name stands on what one person brought about in numbers"),
    ("durable-guest-entered", "a guest whose end went away came from a new place"),
    (
        "evidence-removed",
        "what others would need to understand what happened was removed by somebody whose work it isn't",
    ),
    ("looked-at", "somebody looked at much without taking any of it"),
    ("look-alike", "a name is nearly, but not, that of somebody trusted"),
    ("many-from-one-place", "several accounts were used from a place that is new to each of them"),
    ("minted-then-used", "a token was made and then used from elsewhere"),
    (
        "recovered-then-entered",
        "an account was brought back or handed over, and then somebody came in from a new place",
    ),
    ("scope-grows", "one thing reaches more and more people"),
    ("settings-in-numbers", "one person made several protective settings laxer, one at a time"),
    ("sign-in-method", "somebody came by another way than they always do"),
    ("spraying-by-network", "one provider's addresses tried a few passwords each, over days"),
    ("trust-ended", "somebody who is trusted with much did it at an hour, in an amount or from a place that is new"),
    ("two-places-at-once", "one session was used in two networks within minutes"),
    ("watched-closely", "somebody or something on an operator's list of those to watch did what is ordinary of others"),
];

/// A story of an [`Extension`].
pub(crate) struct Tale {
    pub(crate) plot: Plot,
    /// Whom it takes of its own: members, admins, guests.
    pub(super) takes: [usize; 3],
    /// The most days from its first act to its last.
    pub(super) days: u64,
    /// In words, what somebody on call should hear.
    pub(super) told: &'static str,
    pub(super) wanted: Wanted,
}

/// How loud it should be.
pub(super) enum Wanted {
    /// Of an attack: at least so loud, and so many seconds after the decisive act at the latest.
    AtLeast(Level, u64),
    /// Of trouble.
    AtMost(Level),
}

/// Attacks, then trouble.
pub(crate) fn tales() -> impl Iterator<Item = &'static Tale> {
    slipping::TALES.into_iter().chain(trouble::TALES).flatten()
}

/// Tells what an extension adds: its entries, the labels of attacks and those of trouble.
pub(crate) fn tell_more(world: &World, extension: &Extension) -> (Vec<SimEntry>, Vec<Label>, Vec<Label>) {
    let mut taken = [0; 3];
    let (mut entries, mut told) = (Vec::new(), [Vec::new(), Vec::new()]);
    if !extension.attacks && !extension.trouble {
        return (entries, Vec::new(), Vec::new());
    }
    let seats = Seats::of(world);
    for (nth, tale) in tales().enumerate() {
        let is_attack = matches!(tale.wanted, Wanted::AtLeast(..));
        let mut pool = Pool { own: Some(seats.of_a_tale(nth, taken, tale.takes)), ..Pool::default() };
        // Also of what isn't told, so that no story depends on another.
        taken = std::array::from_fn(|kind| taken[kind] + tale.takes[kind]);
        if extension.tells(tale.plot.name) && (if is_attack { extension.attacks } else { extension.trouble }) {
            // In the west a working day ends on the next day of UTC.
            let mut label = tell_over(&tale.plot, tale.days + 1, world, &mut pool, &mut entries);
            let (least, most, by) = match tale.wanted {
                Wanted::AtLeast(level, secs) => (Some(level), None, Some(label.decisive_at + secs)),
                Wanted::AtMost(level) => (None, Some(level), None),
            };
            label.expected = Some(Expected { told: tale.told.into(), least, most, by, about: label.actors.clone() });
            told[usize::from(!is_attack)].push(label);
        }
    }
    told.iter_mut().for_each(|labels| labels.sort_by_key(|label| label.first_entry_at));
    let [attacks, trouble] = told;
    (entries, attacks, trouble)
}

/// Who is there for tales, of all that are no other story's: always the same for the same organization.
struct Seats {
    members: Vec<usize>,
    admins: Vec<usize>,
    guests: Vec<usize>,
}

/// What of a tale's is nobody else's.
pub(super) struct Own {
    pub(super) members: Vec<usize>,
    pub(super) admins: Vec<usize>,
    pub(super) guests: Vec<usize>,
    /// People without a seat, in any number: those whom a tale has as a crowd.
    pub(super) crowd: Vec<usize>,
    pub(super) first_address: u64,
}

impl Seats {
    fn of(world: &World) -> Self {
        let stays = |i: &usize| world.lives[*i].first_day == 0 && world.lives[*i].last_day == u64::MAX;
        let ordinary = || (0..world.first_reserved()).filter(stays);
        // Of the house, with single sign-on, and without special rights.
        let plain = |i: &usize| {
            !matches!(
                world.lives[*i].job,
                Job::It | Job::Security | Job::Counsel | Job::Compliance | Job::Guest | Job::Contractor
            ) && world.lives[*i].shift == Shift::Day
        };
        let mut members: Vec<usize> = ordinary().filter(plain).collect();
        // Those with a machine of their own first: most attackers want them.
        members.sort_by_key(|i| (world.lives[*i].job.shares_machines(), world.drawn(*i, [0x5ea7, 0])));
        let unused = world.first_reserved() + FORMER_ADMINS..world.first_reserved() + RESERVED_ADMINS - 1;
        Self {
            members,
            admins: (2..=world.cast.it_staff).chain(unused).collect(),
            guests: ordinary().filter(|i| world.lives[*i].job == Job::Guest).collect(),
        }
    }

    fn of_a_tale(&self, nth: usize, before: [usize; 3], takes: [usize; 3]) -> Own {
        // Attackers are nobody else's; those of IT who look after several troubles are counted round.
        let some = |all: &[usize], kind: usize| {
            let first = before[kind].min(ADMINS_OF_ATTACKS * usize::from(kind == 1));
            all[first..].iter().cycle().skip(before[kind] - first).take(takes[kind]).copied().collect()
        };
        const FOR_TALES: usize = 60;
        const FIRST: u64 = 7_010;
        const PER_TALE: u64 = 24;
        Own {
            members: some(&self.members, 0),
            admins: some(&self.admins, 1),
            guests: some(&self.guests, 2),
            crowd: self.members[FOR_TALES.min(self.members.len() / 2)..].to_vec(),
            first_address: FIRST + PER_TALE * nth as u64,
        }
    }
}

/// So many of IT have a part in the attacks among the tales.
const ADMINS_OF_ATTACKS: usize = 6;

/// So many of the reserved admins are taken by the stories that aren't tales.
const FORMER_ADMINS: usize = 20;

#[cfg(test)]
mod tests {
    use super::super::{apps, control, data, outsiders, takeover, tell_one};
    use super::*;
    use crate::benchmark::{Benchmark, Shape};

    #[test]
    fn tales_take_only_admins_that_no_other_story_has() {
        for seed in 0..8 {
            let plan = Benchmark { seed, users: 600, days: 26, ..Benchmark::default() };
            let (world, mut pool) = (World::new(&plan, Shape::Mixed), Pool::default());
            for plot in [takeover::PLOTS, apps::PLOTS, data::PLOTS, control::PLOTS, outsiders::PLOTS].concat() {
                tell_one(&plot, &world, &mut pool, &mut Vec::new());
            }
            assert!(pool.admins <= FORMER_ADMINS, "seed {seed}: {}", pool.admins);
            let sum = |tales: &[&Tale], kind: usize| tales.iter().map(|tale| tale.takes[kind]).sum::<usize>();
            let (all, attacks) =
                (tales().collect::<Vec<_>>(), slipping::TALES.into_iter().flatten().collect::<Vec<_>>());
            assert_eq!(sum(&attacks, 1), ADMINS_OF_ATTACKS);
            let seats = Seats::of(&world);
            // The largest trouble has two admins.
            assert!(seats.admins.len() >= ADMINS_OF_ATTACKS + 2, "seed {seed}: {:?}", seats.admins);
            assert!(seats.members.len() >= sum(&all, 0) * 4 && seats.guests.len() >= sum(&all, 2), "seed {seed}");
        }
    }
}
