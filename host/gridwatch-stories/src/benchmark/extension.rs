//! What a benchmark may have beyond [`Benchmark`](super::Benchmark): another shape of organization, and more stories.
//!
//! Without an extension a plan gives the bytes that it always gave. With one, ordinary life depends on the seed, the size and the
//! shape, never on which stories are told, and each story depends on nothing but these: told alone it has the same entries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The default adds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extension {
    pub shape: Shape,
    /// Whether attacks happen that no count over one person's hour shows; their labels stand among the others.
    pub attacks: bool,
    /// Whether ordinary trouble happens; see [`Labels::trouble`](super::Labels::trouble).
    pub trouble: bool,
    /// Of these attacks and troubles only those with such a name; all of them, if it is empty.
    pub only: Vec<String>,
}

impl Extension {
    /// So many people have a place for everybody whom a story needs. A larger plan is left as it is.
    pub const FEWEST_USERS: u32 = 600;
    /// The slowest story takes a fortnight, and wants a week of ordinary life before it.
    pub const FEWEST_DAYS: u32 = 26;

    /// The names of all stories that an extension can add: attacks, then trouble.
    pub fn stories() -> Vec<&'static str> {
        super::stories::tales().map(|tale| tale.plot.name).collect()
    }

    /// The one that tells what is named: `attacks` and `trouble` are all of those, any other name is a story's.
    ///
    /// # Errors
    /// No story has such a name, or names stand beside `attacks` and `trouble`.
    pub fn of(shape: Shape, names: &[String]) -> Result<Self, String> {
        const ATTACKS: &str = "attacks";
        const TROUBLE: &str = "trouble";
        let says = |set: &str| names.iter().any(|name| name == set);
        let only: Vec<String> = names.iter().filter(|name| *name != ATTACKS && *name != TROUBLE).cloned().collect();
        if only.is_empty() {
            return Ok(Self { shape, attacks: says(ATTACKS), trouble: says(TROUBLE), only });
        }
        let known = Self::stories();
        if let Some(name) = only.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!(
                "there is no story `{name}`: say {ATTACKS}, {TROUBLE}, or some of {}",
                known.join(", ")
            ));
        }
        if only.len() < names.len() {
            return Err(format!("say {ATTACKS} and {TROUBLE}, or names of stories, not both"));
        }
        Ok(Self { shape, attacks: true, trouble: true, only })
    }

    /// Days that a plan with it has at least.
    pub fn fewest_days(&self) -> u32 {
        if *self == Self::default() { super::Benchmark::FEWEST_DAYS } else { Self::FEWEST_DAYS }
    }

    /// People that a plan with it has at least.
    pub fn fewest_users(&self) -> u32 {
        if *self == Self::default() { super::Benchmark::FEWEST_USERS } else { Self::FEWEST_USERS }
    }

    pub(crate) fn tells(&self, story: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == story)
    }
}

/// What kind of organization it is: where people work, with which machines, what they do for a living.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Some of everything: the organization of the plain benchmark.
    #[default]
    Mixed,
    /// Nearly everybody is in one of the offices, each of which has one address.
    Offices,
    /// Nobody is: changing addresses, prefixes and carriers' gateways, relays, VPNs.
    Home,
    /// A factory and a call-centre: shifts, few machines for many people, one address a site.
    Shared,
}

impl Shape {
    pub const ALL: [Self; 4] = [Self::Mixed, Self::Offices, Self::Home, Self::Shared];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Offices => "offices",
            Self::Home => "home",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|shape| shape.name() == text).ok_or_else(|| format!("a shape is one of {}", known()))
    }
}

/// How loud an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Low,
    Medium,
    High,
}

/// What somebody on call should hear of a story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// In words.
    pub told: String,
    /// At least so loud, in one alert. `None` of what is ordinary.
    pub least: Option<Level>,
    /// At most so loud, whatever the number. `None` of an attack.
    pub most: Option<Level>,
    /// Epoch seconds by which it should have been told.
    pub by: Option<u64>,
    /// Ids of the people and apps that it is about: an alert that names none of them is about something else.
    pub about: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_told() {
        let of = |names: &[&str]| {
            Extension::of(Shape::Home, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        let told = |names: &[&str]| of(names).map(|e| (e.attacks, e.trouble, e.only.len()));
        assert_eq!(told(&[]), Ok((false, false, 0)));
        assert_eq!(told(&["trouble"]), Ok((false, true, 0)));
        assert_eq!(told(&["attacks", "trouble"]), Ok((true, true, 0)));
        assert_eq!(told(&["slow-fortnight", "conference"]), Ok((true, true, 2)));
        assert!(told(&["slow-fortnite"]).is_err_and(|e| e.contains("slow-fortnight")));
        assert!(told(&["attacks", "conference"]).is_err());
        for shape in Shape::ALL {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        assert!("office".parse::<Shape>().is_err());
    }
}
