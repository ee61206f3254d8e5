//! What people do for a living, when, and from when until when they are there.

use super::extension::Shape;
use crate::org::Role;
use crate::org::cast::Cast;
use crate::org::dice::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    It,
    Security,
    Counsel,
    Compliance,
    Developer,
    Designer,
    Support,
    Sales,
    Staff,
    Guest,
    Finance,
    Marketing,
    Recruiting,
    Executive,
    /// From outside, but with an account like anybody's.
    Contractor,
    /// Of the factory: at a machine that others use too, without a phone.
    Worker,
    /// Of the call-centre: at whichever desk is free.
    Agent,
}

impl Job {
    /// Whether several people use one computer in turns.
    pub(crate) fn shares_machines(self) -> bool {
        matches!(self, Self::Worker | Self::Agent)
    }
}

/// When work begins, by local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    Early,
    Day,
    Late,
    Night,
}

impl Shift {
    pub(crate) fn first_hour(self) -> i64 {
        match self {
            Self::Early => 6,
            Self::Day => 9,
            Self::Late => 14,
            Self::Night => 22,
        }
    }
}

/// What is known of a person beyond the cast.
pub(crate) struct Life {
    pub(crate) job: Job,
    pub(crate) shift: Shift,
    /// Days since 1970, both included. A joiner's first is a Monday of the period, a leaver's last a Friday.
    pub(crate) first_day: u64,
    pub(crate) last_day: u64,
    /// Says on which day sessions end, leases change and devices are replaced.
    pub(crate) phase: u64,
}

impl Life {
    /// Somebody's life, from the seed and their place in the cast: security, counsel and compliance come right after IT.
    pub(crate) fn new(seed: u64, shape: Shape, i: usize, cast: &Cast, first_day: u64, last_day: u64) -> Self {
        let mut dice = Dice::of(seed, &[0x11fe, i as u64]);
        let reserved = i >= cast.people.len() - RESERVED;
        let job = match (cast.people[i].user.role, i.wrapping_sub(cast.it_staff + 1)) {
            (Role::Guest, _) => Job::Guest,
            // The last admin has had no reason to act as one for long: see the story of the dormant admin.
            _ if i + 1 == cast.people.len() - RESERVED + RESERVED_ADMINS => Job::Staff,
            (Role::PrimaryOwner | Role::Owner | Role::Admin, _) => Job::It,
            (_, 0..4) => Job::Security,
            (_, 4..6) => Job::Counsel,
            (_, 6..8) => Job::Compliance,
            _ => dice.weighted(trades(shape)),
        };
        let shift = match job {
            Job::Support => dice.weighted(&[(50, Shift::Day), (20, Shift::Early), (30, Shift::Night)]),
            _ => dice.weighted(&[(94, Shift::Day), (6, Shift::Early)]),
        };
        let mut life = Self { job, shift, first_day: 0, last_day: u64::MAX, phase: dice.below(10_000) };
        if reserved {
            life.shift = Shift::Day;
        } else if i > cast.it_staff + TEAMS {
            let (come, go) = match job {
                Job::Guest => (300, 250),
                // Temporary workers come by the week.
                Job::Worker | Job::Agent => (60, 50),
                _ => (24, 16),
            };
            let weeks = (last_day - first_day) / 7 + 1;
            // Joiners and leavers in a thousand a month (guests come and go); a joiner of the period stays for it.
            let drawn = dice.below(1000);
            let week = first_day + 7 * dice.below(weeks);
            if drawn < come * weeks / 4 {
                life.first_day = next(week, MONDAY);
            } else if drawn < (come + go) * weeks / 4 {
                life.last_day = next(week, FRIDAY);
            }
        }
        life
    }
}

/// Who works there, by weight.
fn trades(shape: Shape) -> &'static [(u64, Job)] {
    match shape {
        Shape::Mixed => {
            &[(28, Job::Developer), (6, Job::Designer), (14, Job::Support), (14, Job::Sales), (38, Job::Staff)]
        }
        Shape::Offices => &[
            (18, Job::Developer),
            (4, Job::Designer),
            (10, Job::Support),
            (12, Job::Sales),
            (9, Job::Finance),
            (9, Job::Marketing),
            (5, Job::Recruiting),
            (2, Job::Executive),
            (4, Job::Contractor),
            (27, Job::Staff),
        ],
        Shape::Home => &[
            (38, Job::Developer),
            (8, Job::Designer),
            (12, Job::Support),
            (9, Job::Sales),
            (5, Job::Finance),
            (8, Job::Marketing),
            (4, Job::Recruiting),
            (2, Job::Executive),
            (10, Job::Contractor),
            (4, Job::Staff),
        ],
        Shape::Shared => &[
            (38, Job::Worker),
            (34, Job::Agent),
            (4, Job::Developer),
            (1, Job::Designer),
            (4, Job::Sales),
            (4, Job::Finance),
            (2, Job::Marketing),
            (3, Job::Recruiting),
            (1, Job::Executive),
            (5, Job::Contractor),
            (4, Job::Staff),
        ],
    }
}

/// People kept for stories, counted from the last: first admins, then guests, then members.
pub(crate) const RESERVED: usize = 80;
pub(crate) const RESERVED_ADMINS: usize = 24;
pub(crate) const RESERVED_GUESTS: usize = 5;

/// Four of security, two counsel, two of compliance.
pub(crate) const TEAMS: usize = 8;

pub(crate) fn reserved_role(n: usize) -> Role {
    match n {
        ..RESERVED_ADMINS => Role::Admin,
        n if n < RESERVED_ADMINS + RESERVED_GUESTS => Role::Guest,
        _ => Role::Member,
    }
}

pub(crate) const MONDAY: u64 = 1;
pub(crate) const FRIDAY: u64 = 5;

/// Sunday is 0; 1 January 1970 was a Thursday.
pub(crate) fn weekday(day: u64) -> u64 {
    (day + 4) % 7
}

/// This day or the next one that is such a weekday.
fn next(day: u64, wanted: u64) -> u64 {
    day + (wanted + 7 - weekday(day)) % 7
}
