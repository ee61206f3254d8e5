//! A heartbeat: what gridwatch says of itself at an interval, so that whoever receives its records notices when it says nothing.
//!
//! Each has a number, and a hash over the one before and its own statement: one that is missing leaves a hole in the numbers, and one
//! that was made up or changed doesn't fit the next. A chain begins with the store; a store that is begun anew begins another. Nothing in
//! it is about people.

use gridwatch_event::text::hex;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One heartbeat, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Names the chain: different for each store.
    pub chain: String,
    /// From 1 on, without a hole.
    pub number: u64,
    /// `hash` of the one before; empty for the first.
    pub previous: String,
    /// SHA-256 of `previous`, a line feed and `statement`, in hexadecimal.
    pub hash: String,
    pub at: UnixMillis,
    /// When the next one is due at the latest; nothing after the last one of a process that ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UnixMillis>,
    /// All that it says, as one JSON text, for the hash is over its bytes.
    pub statement: String,
    pub says: Statement,
}

/// What it says. `statement` is the JSON of this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statement {
    pub chain: String,
    pub number: u64,
    pub at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<UnixMillis>,
    pub version: String,
    /// When this process began.
    pub started: UnixMillis,
    pub orgs: Vec<OrgBeat>,
    pub sinks: Vec<SinkBeat>,
    /// `name@version sha256:digest`, those that are set aside with a mark.
    pub modules: Vec<String>,
    /// The newest record of the audit trail, so that a trail that lost its end shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditBeat>,
    /// Rules of gridwatch's own that somebody was told of and that aren't over.
    pub troubles: Vec<String>,
}

/// One organization. Counts are since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrgBeat {
    pub org: String,
    /// The last second up to which everything that Slack shows has been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<UnixSeconds>,
    /// The newest entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<UnixSeconds>,
    /// How far `settled` is behind.
    pub lag_s: u64,
    pub entries: u64,
    pub events: u64,
    pub alerts: u64,
    /// Stretches of time that were not read, and their length together.
    pub gaps: u64,
    pub gap_s: u64,
    /// Why polling stands still, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkBeat {
    pub name: String,
    pub waiting: u64,
    pub refused: u64,
    pub failing: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditBeat {
    pub number: u64,
    pub hash: String,
}

/// Where a chain has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    pub name: String,
    pub number: u64,
    pub hash: String,
}

/// Why a heartbeat isn't the one after another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("heartbeat {number} has another hash than its statement makes: it was changed or made up")]
    Forged { number: u64 },
    #[error("heartbeats {from} to {to} are missing")]
    Missing { from: u64, to: u64 },
    #[error("heartbeat {number} doesn't follow the one before it: one of the two was made up")]
    NotNext { number: u64 },
    #[error("heartbeat {number} came twice with different contents: one of them was made up")]
    Twice { number: u64 },
}

impl Chain {
    /// The first link of one; `seed` tells it from others.
    pub fn begin(seed: u64, at: UnixMillis) -> Self {
        Self { name: hex(&Sha256::digest(format!("{seed} {}", at.0))[..8]), ..Self::default() }
    }

    /// The heartbeat after this link.
    pub fn next(&self, says: Statement, at: UnixMillis, next: Option<UnixMillis>) -> Heartbeat {
        let (chain, number) = (self.name.clone(), self.number + 1);
        let says = Statement { chain: chain.clone(), number, at, next, ..says };
        // Texts, numbers and lists of them: there is nothing in it that can't be written.
        let statement = serde_json::to_string(&says).unwrap_or_default();
        let hash = hash(&self.hash, &statement);
        Heartbeat { chain, number, previous: self.hash.clone(), hash, at, next, statement, says }
    }

    /// Takes the next one in.
    ///
    /// # Errors
    ///
    /// When it isn't what it says, or not the next one of the same chain. It is taken in all the same, unless it is forged.
    pub fn follow(&mut self, beat: &Heartbeat) -> Result<(), Broken> {
        let number = beat.number;
        if hash(&beat.previous, &beat.statement) != beat.hash
            || serde_json::from_str(&beat.statement).ok().as_ref() != Some(&beat.says)
        {
            return Err(Broken::Forged { number });
        }
        let before = std::mem::replace(self, beat.link());
        if before.name != beat.chain || before.number == 0 {
            return Ok(());
        }
        match number {
            _ if number == before.number && beat.hash == before.hash => Ok(()),
            _ if number <= before.number => {
                *self = before;
                Err(Broken::Twice { number })
            }
            _ if number > before.number + 1 => Err(Broken::Missing { from: before.number + 1, to: number - 1 }),
            _ if beat.previous != before.hash => Err(Broken::NotNext { number }),
            _ => Ok(()),
        }
    }
}

impl Heartbeat {
    /// What the next one goes on from.
    pub fn link(&self) -> Chain {
        Chain { name: self.chain.clone(), number: self.number, hash: self.hash.clone() }
    }

    /// Stable, and of no other one.
    pub fn record_id(&self) -> String {
        format!("gw-heartbeat-{}:{}", self.chain, self.number)
    }

    /// In one line.
    pub fn message(&self) -> String {
        let lag = self.says.orgs.iter().map(|org| org.lag_s).max().unwrap_or_default();
        let end = if self.next.is_none() { ", the last one: gridwatch ends" } else { "" };
        let troubles = match self.says.troubles.len() {
            0 => String::new(),
            n => format!(", {n} troubles"),
        };
        format!("gridwatch heartbeat {}: read up to {lag} s ago{troubles}{end}", self.number)
    }
}

/// What a link of a chain is known by.
pub(crate) fn hash(previous: &str, statement: &str) -> String {
    hex(&Sha256::digest(format!("{previous}\n{statement}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: u64) -> Vec<Heartbeat> {
        let mut link = Chain::begin(7, UnixMillis(1));
        let mut beats = Vec::new();
        for at in 1..=n {
            let says = Statement { version: "1".into(), modules: vec!["a@1 sha256:00".into()], ..Statement::default() };
            let beat = link.next(says, UnixMillis(at * 1_000), Some(UnixMillis(at * 1_000 + 1_000)));
            link = beat.link();
            beats.push(beat);
        }
        beats
    }

    fn followed<'b>(beats: impl IntoIterator<Item = &'b Heartbeat>) -> Vec<Broken> {
        let mut link = Chain::default();
        beats.into_iter().filter_map(|beat| link.follow(beat).err()).collect()
    }

    #[test]
    fn a_whole_chain_follows_and_each_other_one_shows() {
        let beats = chain(5);
        assert_eq!(followed(&beats), []);
        assert_eq!(followed(&beats[2..]), [], "whoever begins to look later");
        assert_eq!(followed([&beats[0], &beats[1], &beats[1], &beats[2]]), [], "delivered twice");
        assert_eq!(followed([&beats[0], &beats[3], &beats[4]]), [Broken::Missing { from: 2, to: 3 }]);
        let mut changed = beats[2].clone();
        changed.says.orgs = vec![OrgBeat::default()];
        assert_eq!(followed([&beats[1], &changed]), [Broken::Forged { number: 3 }]);
        let made_up = beats[0].link().next(Statement::default(), UnixMillis(9), None);
        assert_eq!(followed([&beats[0], &beats[1], &made_up]), [Broken::Twice { number: 2 }]);
        assert_eq!(followed([&beats[0], &made_up, &beats[2]]), [Broken::NotNext { number: 3 }]);
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let beat = &chain(1)[0];
        let back: Heartbeat = serde_json::from_str(&serde_json::to_string(beat).unwrap()).unwrap();
        assert_eq!((&back, followed([&back])), (beat, vec![]));
        assert!(beat.record_id().ends_with(":1"));
    }
}
