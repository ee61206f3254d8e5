//! The audit trail of gridwatch itself: what people did to it, each deed a link of a chain.
//!
//! A deed is numbered, and hashed over its own statement and the hash of the one before: one that was changed doesn't have the hash that it
//! says, and one that is missing, made up or in another place doesn't fit its neighbours. That the newest ones are missing shows only to
//! whoever knows how far the chain had come: heartbeats say so, and the sinks have each deed.

use crate::monitor::heartbeat::{Chain, hash};
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Characters of a name or of what a deed is about, and of a detail.
const MAX_NAME: usize = 256;
const MAX_DETAIL: usize = 4_000;

/// A deed in its place in the chain, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub struct Audited {
    /// `hash` of the one before; empty for the first.
    pub previous: String,
    /// SHA-256 of `previous`, a line feed and `statement`, in hexadecimal.
    pub hash: String,
    /// All that it says, as one JSON text, for the hash is over its bytes.
    pub statement: String,
    /// `statement`, read.
    pub deed: Deed,
}

/// What of it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    previous: String,
    hash: String,
    statement: String,
}

impl From<Audited> for Kept {
    fn from(Audited { previous, hash, statement, .. }: Audited) -> Self {
        Self { previous, hash, statement }
    }
}

impl TryFrom<Kept> for Audited {
    type Error = serde_json::Error;

    fn try_from(Kept { previous, hash, statement }: Kept) -> Result<Self, Self::Error> {
        Ok(Self { deed: serde_json::from_str(&statement)?, previous, hash, statement })
    }
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Names the chain.
    #[serde(default)]
    pub chain: String,
    /// From 1 on, without a hole.
    #[serde(default)]
    pub number: u64,
    pub at: UnixMillis,
    pub what: What,
    #[serde(flatten)]
    pub who: Who,
    /// Whose modules, alerts or entries, where the configuration names several organizations.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub org: String,
    /// What it was done to: a module, an alert, a file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Why it didn't come off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// What else there is to say. Never a secret, nor what a configuration has as a value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

/// Who did it, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// As they name themselves; of the page, who is logged in.
    pub by: String,
    /// Whose process it was, as the system says; of a file, whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    pub via: Via,
}

/// How it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    #[default]
    CommandLine,
    Page,
    /// A file was changed that gridwatch looks at. Who did it, only the file's owner hints at.
    File,
    /// SIGHUP.
    Reload,
    Start,
    /// gridwatch did it by itself.
    Itself,
}

/// What was done. The names are what queries go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum What {
    #[serde(rename = "module.install")]
    ModuleInstall,
    #[serde(rename = "module.rollback")]
    ModuleRollback,
    #[serde(rename = "module.enable")]
    ModuleEnable,
    #[serde(rename = "module.disable")]
    ModuleDisable,
    #[serde(rename = "module.pin")]
    ModulePin,
    #[serde(rename = "module.unpin")]
    ModuleUnpin,
    #[serde(rename = "exceptions.change")]
    ExceptionsChange,
    #[serde(rename = "configuration.change")]
    ConfigurationChange,
    #[serde(rename = "alert.acknowledge")]
    AlertAcknowledge,
    #[serde(rename = "alert.note")]
    AlertNote,
    #[serde(rename = "alert.close")]
    AlertClose,
    #[serde(rename = "alert.reopen")]
    AlertReopen,
    #[serde(rename = "alert.respond")]
    AlertRespond,
    #[serde(rename = "entries.read")]
    EntriesRead,
    #[serde(rename = "entries.backfill")]
    EntriesBackfill,
    #[serde(rename = "state.export")]
    StateExport,
    #[serde(rename = "state.import")]
    StateImport,
}

/// What kind of change it is, in the words that OCSF's Entity Management has in all its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Create,
    Read,
    Update,
}

impl What {
    pub const ALL: [Self; 17] = [
        Self::ModuleInstall,
        Self::ModuleRollback,
        Self::ModuleEnable,
        Self::ModuleDisable,
        Self::ModulePin,
        Self::ModuleUnpin,
        Self::ExceptionsChange,
        Self::ConfigurationChange,
        Self::AlertAcknowledge,
        Self::AlertNote,
        Self::AlertClose,
        Self::AlertReopen,
        Self::AlertRespond,
        Self::EntriesRead,
        Self::EntriesBackfill,
        Self::StateExport,
        Self::StateImport,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::ModuleInstall => "module.install",
            Self::ModuleRollback => "module.rollback",
            Self::ModuleEnable => "module.enable",
            Self::ModuleDisable => "module.disable",
            Self::ModulePin => "module.pin",
            Self::ModuleUnpin => "module.unpin",
            Self::ExceptionsChange => "exceptions.change",
            Self::ConfigurationChange => "configuration.change",
            Self::AlertAcknowledge => "alert.acknowledge",
            Self::AlertNote => "alert.note",
            Self::AlertClose => "alert.close",
            Self::AlertReopen => "alert.reopen",
            Self::AlertRespond => "alert.respond",
            Self::EntriesRead => "entries.read",
            Self::EntriesBackfill => "entries.backfill",
            Self::StateExport => "state.export",
            Self::StateImport => "state.import",
        }
    }

    /// What it is done to: the name up to the dot.
    pub fn entity(self) -> &'static str {
        self.name().split_once('.').map_or("", |(entity, _)| entity)
    }

    pub const fn kind(self) -> Kind {
        match self {
            Self::EntriesRead | Self::StateExport => Kind::Read,
            Self::ModuleInstall | Self::StateImport => Kind::Create,
            _ => Kind::Update,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Via {
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommandLine => "command line",
            Self::Page => "page",
            Self::File => "file",
            Self::Reload => "reload",
            Self::Start => "start",
            Self::Itself => "gridwatch itself",
        }
    }
}

impl Who {
    /// Of what gridwatch does by itself.
    pub fn itself() -> Self {
        Self { by: "gridwatch".to_owned(), uid: None, via: Via::Itself }
    }
}

impl Deed {
    /// Texts are cleaned of what could repaint a terminal, and bounded.
    pub fn new(at: UnixMillis, what: What, who: &Who, about: &str) -> Self {
        let who = Who { by: clean(&who.by, MAX_NAME).trim().to_owned(), ..who.clone() };
        let about = clean(about, MAX_NAME);
        let (chain, number, org, failed, details) = Default::default();
        Self { chain, number, at, what, who, org, about, failed, details }
    }

    #[must_use]
    pub fn of_org(mut self, org: &str) -> Self {
        self.org = clean(org, MAX_NAME);
        self
    }

    /// Says more about it; nothing, if that is empty.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        let value = clean(&value.to_string(), MAX_DETAIL);
        if !value.is_empty() {
            self.details.insert(name.to_owned(), value);
        }
        self
    }

    /// The same, of what may be missing.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// It didn't come off.
    #[must_use]
    pub fn failed(mut self, why: &str) -> Self {
        self.failed = Some(clean(&why.replace('\n', "; "), MAX_DETAIL));
        self
    }
}

/// `module.install of sign-in by anna`
impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what.name())?;
        if !self.about.is_empty() {
            write!(f, " of {}", self.about)?;
        }
        write!(f, " by {}", self.who.by)?;
        self.failed.as_ref().map_or(Ok(()), |why| write!(f, ", failed: {why}"))
    }
}

/// Why a record isn't the one after another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("record {number} was altered: it has another hash than its statement makes")]
    Altered { number: u64 },
    #[error("record {0} is missing")]
    OneMissing(u64),
    #[error("records {from} to {to} are missing")]
    Missing { from: u64, to: u64 },
    #[error("in the place of record {place} is record {number}: records are in another order, or one was put there")]
    Reordered { place: u64, number: u64 },
    #[error("record {number} doesn't follow the one before it: one of the two was altered or put there")]
    NotNext { number: u64 },
    #[error("record {number} begins another chain: the trail was begun anew")]
    OtherChain { number: u64 },
}

impl Broken {
    /// Those between two places.
    pub fn missing(from: u64, to: u64) -> Self {
        if from == to { Self::OneMissing(from) } else { Self::Missing { from, to } }
    }
}

impl Audited {
    /// The link after this one of the chain.
    pub fn next(chain: &Chain, deed: Deed) -> Self {
        let deed = Deed { chain: chain.name.clone(), number: chain.number + 1, ..deed };
        // Texts and numbers: there is nothing in it that can't be written.
        let statement = serde_json::to_string(&deed).unwrap_or_default();
        Self { previous: chain.hash.clone(), hash: hash(&chain.hash, &statement), statement, deed }
    }

    /// What the next one goes on from.
    pub fn link(&self) -> Chain {
        Chain { name: self.deed.chain.clone(), number: self.deed.number, hash: self.hash.clone() }
    }

    /// Stable, and of no other one.
    pub fn record_id(&self) -> String {
        format!("gw-audit-{}:{}", self.deed.chain, self.deed.number)
    }
}

/// A chain that is followed from its beginning.
#[derive(Debug, Default)]
pub struct Followed(Chain);

impl Followed {
    /// How far it has come.
    pub fn head(&self) -> &Chain {
        &self.0
    }

    /// Takes in what was found in a place, also what isn't as it should be: whatever follows is measured against it.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn follow(&mut self, place: u64, found: &Audited) -> Result<(), Vec<Broken>> {
        let (before, number) = (std::mem::replace(&mut self.0, found.link()), found.deed.number);
        let mut broken = Vec::new();
        if place > before.number + 1 {
            broken.push(Broken::missing(before.number + 1, place - 1));
        }
        if number != place {
            broken.push(Broken::Reordered { place, number });
        }
        if hash(&found.previous, &found.statement) != found.hash {
            broken.push(Broken::Altered { number: place });
        }
        let is_next = place == before.number + 1 && number == place;
        if is_next && before.number > 0 && before.name != found.deed.chain {
            broken.push(Broken::OtherChain { number });
        } else if is_next && before.hash != found.previous {
            broken.push(Broken::NotNext { number });
        }
        self.0.number = place;
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }

    /// A place where nothing can be read.
    pub fn pass(&mut self, place: u64) {
        self.0.number = self.0.number.max(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(n: u64) -> Deed {
        let who = Who { by: "anna".into(), uid: Some(1_000), via: Via::CommandLine };
        Deed::new(UnixMillis(n), What::ALL[n as usize % What::ALL.len()], &who, &format!("m{n}"))
    }

    fn chain(n: u64) -> Vec<Audited> {
        let mut link = Chain::begin(7, UnixMillis(1));
        let mut next = |n| {
            let next = Audited::next(&link, deed(n));
            link = next.link();
            next
        };
        (1..=n).map(&mut next).collect()
    }

    fn broken<'a>(found: impl IntoIterator<Item = (u64, &'a Audited)>) -> Vec<Broken> {
        let mut followed = Followed::default();
        found.into_iter().filter_map(|(place, found)| followed.follow(place, found).err()).flatten().collect()
    }

    #[test]
    fn what_is_altered_missing_or_in_another_place_shows() {
        let all = chain(5);
        let placed = || (1..).zip(&all);
        assert_eq!(broken(placed()), []);
        assert_eq!(broken(placed().filter(|(n, _)| *n != 3)), [Broken::OneMissing(3)]);
        assert_eq!(broken(placed().skip(2)), [Broken::Missing { from: 1, to: 2 }], "the oldest");
        let swapped = [&all[0], &all[2], &all[1], &all[3]];
        let found = broken((1..).zip(swapped));
        assert!(found.contains(&Broken::Reordered { place: 2, number: 3 }), "{found:?}");
        let mut altered = all.clone();
        altered[1].statement = altered[1].statement.replace("anna", "nobody");
        assert_eq!(broken((1..).zip(&altered)), [Broken::Altered { number: 2 }]);
        // Whoever knows how to hash still breaks the one after it.
        altered[1].hash = hash(&altered[1].previous, &altered[1].statement);
        assert_eq!(broken((1..).zip(&altered)), [Broken::NotNext { number: 3 }]);
        let gone = [&all[0], &all[2], &all[3]];
        assert!(broken((1..).zip(gone)).contains(&Broken::Reordered { place: 2, number: 3 }), "moved up");
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was_and_names_agree() {
        for (n, what) in (1..).zip(What::ALL) {
            let one =
                Audited::next(&Chain::begin(7, UnixMillis(1)), Deed { what, ..deed(n) }.with("a", "b").failed("c\nd"));
            let back: Audited = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
            assert_eq!((&back, serde_json::to_value(what).unwrap()), (&one, what.name().into()));
            assert!(!what.entity().is_empty());
        }
    }

    #[test]
    fn texts_are_harmless_and_bounded() {
        let who = Who { by: " an\u{1b}[31mna\u{202e} ".into(), ..Who::default() };
        let deed =
            Deed::new(UnixMillis(1), What::AlertNote, &who, "x\ny").with("text", "é".repeat(9_000)).with("no", "");
        assert_eq!((deed.who.by.as_str(), deed.about.as_str()), ("an [31mna", "x y"));
        assert!(deed.details["text"].chars().count() <= MAX_DETAIL && deed.details.len() == 1);
    }
}
