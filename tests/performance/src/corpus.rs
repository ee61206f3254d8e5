//! What is measured on.

use gridwatch_stories::Benchmark;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// As `gridwatch sim --benchmark --users 3450 --days 30 --seed 7 --to 1790000000` writes it: 1.01 million entries.
const PLAN: Benchmark = Benchmark { seed: 7, users: 3_450, from: TO - DAYS as u64 * 86_400, days: DAYS, stories: true };
const TO: u64 = 1_790_000_000;
const DAYS: u32 = 30;
/// Of a hundred entries, those whose session is never seen again.
const FRESH_PERCENT: u32 = 85;
/// No session of the generator's has such a number.
const FIRST_FRESH: u64 = 7_000_000_000_000;
const SESSION: &str = "\"session_id\":";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A month of a large organization, with attacks in it.
    Realistic,
    /// The same entries, but the session of most of them is never seen again: hostile to whatever remembers sessions.
    Hostile,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Realistic, Self::Hostile];

    pub fn name(self) -> &'static str {
        match self {
            Self::Realistic => "realistic",
            Self::Hostile => "hostile",
        }
    }
}

/// A file of entries, one a line, oldest first.
#[derive(Clone, Debug)]
pub struct Corpus {
    pub kind: Kind,
    pub path: PathBuf,
    pub entries: u64,
    pub bytes: u64,
    /// Epoch seconds of the first entry.
    pub first: u64,
}

impl Corpus {
    /// Writes the first so many entries of a corpus: the same bytes each time.
    ///
    /// # Panics
    /// The file can't be written.
    pub fn make(kind: Kind, entries: u64, folder: &Path) -> Self {
        let path = folder.join(format!("{}-{entries}.ndjson", kind.name()));
        let mut out = BufWriter::new(std::fs::File::create(&path).expect("a file for the corpus"));
        let mut corpus = Self { kind, path, entries: 0, bytes: 0, first: 0 };
        let mut dice = SmallRng::seed_from_u64(PLAN.seed);
        let wanted = usize::try_from(entries).unwrap_or(usize::MAX);
        for entry in PLAN.run().entries().take(wanted) {
            let line = match kind {
                Kind::Realistic => entry.json,
                Kind::Hostile if dice.random_range(0..100) < FRESH_PERCENT => {
                    of_session(&entry.json, FIRST_FRESH + corpus.entries)
                }
                Kind::Hostile => entry.json,
            };
            writeln!(out, "{line}").expect("room for the corpus");
            if corpus.entries == 0 {
                corpus.first = entry.date_create;
            }
            corpus.entries += 1;
            corpus.bytes += line.len() as u64 + 1;
        }
        out.flush().expect("room for the corpus");
        corpus
    }
}

/// The entry with another session, if it has one: a number or a text, as Slack writes both.
fn of_session(json: &str, session: u64) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let at = json.find(SESSION).map(|at| at + SESSION.len());
    let at = at.map(|at| at + usize::from(json[at..].starts_with('"'))).filter(|at| json[*at..].starts_with(is_digit));
    let Some(at) = at else { return json.to_owned() };
    format!("{}{session}{}", &json[..at], json[at..].trim_start_matches(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn of_the_hostile_corpus_most_sessions_are_new_and_all_else_is_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |kind| {
            let corpus = Corpus::make(kind, 3_000, folder.path());
            let text = std::fs::read_to_string(&corpus.path).expect("the corpus");
            assert_eq!((corpus.entries, corpus.bytes), (3_000, text.len() as u64));
            text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect::<Vec<Value>>()
        };
        let (realistic, mut hostile) = (read(Kind::Realistic), read(Kind::Hostile));
        let sessions = |entries: &[Value]| {
            entries.iter().map(|entry| entry["context"]["session_id"].to_string()).collect::<BTreeSet<_>>().len()
        };
        assert!(sessions(&hostile) > 2 * sessions(&realistic), "{} {}", sessions(&hostile), sessions(&realistic));
        for (hostile, realistic) in hostile.iter_mut().zip(&realistic) {
            let session = |entry: &Value| entry["context"]["session_id"].clone();
            assert_eq!(session(hostile).is_string(), session(realistic).is_string());
            if let Some(of_hostile) = hostile["context"].get_mut("session_id") {
                *of_hostile = session(realistic);
            }
        }
        assert!(hostile == realistic, "something else differs");
    }
}
