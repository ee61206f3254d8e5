//! Rows of a window: what identifies a window, a key and a hit in the saved bytes. How they are saved is [`super::journal`]'s.
//!
//! ```text
//! (nothing)                            time of the first event the window ever saw
//! key · 0                              first and last seen
//! key · 0 · time (8) · seq (8)         a hit
//! key · 0 · bucket (8)                 a baseline's count
//! key · 0 · bucket (8) · value (8)     one distinct value in it
//! ```

use super::hit::Hit;
use super::journal::Value;
use crate::reading::{Reading, WindowKey};
use crate::state::{self, WINDOWS};
use gridwatch_event::text::hex;
use gridwatch_manifest::Field;
use gridwatch_manifest::{Conditions, Saying, Threshold, WindowKind, WindowSpec};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Longest key text kept as it is; a longer one is kept as its hash.
const MAX_KEY_TEXT: usize = 256;
/// Separates the texts of a key of several fields.
const KEY_SEPARATOR: char = '\u{1f}';

pub(super) type SlotId = [u8; 8];

/// Identities of a module's windows: who declared each and what exactly it counts, the windows it refers to included.
pub(super) fn slot_ids(module: &str, specs: &[WindowSpec]) -> Vec<SlotId> {
    let mut ids: Vec<SlotId> = Vec::new();
    for spec in specs {
        let digest = Sha256::digest(format!("{module}\n{}", identity(spec, &ids)));
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        ids.push(id);
    }
    ids
}

/// Everything of a spec that decides what it counts, written so that changes of our code don't change it.
fn identity(spec: &WindowSpec, ids: &[SlotId]) -> String {
    let kind = match &spec.kind {
        WindowKind::Count => "count".into(),
        WindowKind::Distinct { of } => format!("distinct {of}"),
        WindowKind::FirstSeen => "first_seen".into(),
        WindowKind::LastSeen => "last_seen".into(),
        WindowKind::Travel { min_km } => format!("travel {min_km}"),
        WindowKind::Baseline { of, bucket_s, percentile } => {
            format!("baseline {} {bucket_s} {percentile}", of.as_ref().map_or("", Field::name))
        }
        WindowKind::Sequence { steps } => steps.iter().fold(String::from("sequence"), |mut out, step| {
            let distinct = step.distinct.as_ref().map_or("", Field::name);
            let (when, at_least) = (conditions(&step.when, ids), step.at_least.number);
            let _ = write!(out, "\nstep {:?} {} {distinct} {at_least}{when}", step.actions, names(&step.key));
            out
        }),
    };
    let read_key = spec.read_key.as_deref().map(names);
    let (key, when) = (names(&spec.key), conditions(&spec.when, ids));
    format!("{}\n{kind}\n{:?} {key} {read_key:?} {} {}{when}", spec.name, spec.actions, spec.span_s, spec.learn_s)
}

fn conditions(when: &Conditions, ids: &[SlotId]) -> String {
    let mut out = String::new();
    for test in &when.fields {
        let _ = write!(out, "\n{} {} {:?}", if test.wanted { "only" } else { "not" }, test.field, test.texts);
    }
    for test in &when.windows {
        let number = |word: &str, threshold: &Threshold| format!("{word} {}", threshold.number);
        let says = match &test.says {
            Saying::Never => "never".into(),
            Saying::Learning => "learning".into(),
            Saying::Seen => "seen".into(),
            Saying::AtLeast(threshold) => number("at_least", threshold),
            Saying::Below(threshold) => number("below", threshold),
        };
        let _ = write!(out, "\nwhen {} {says}", hex(&ids[test.window]));
    }
    out
}

fn names(fields: &[Field]) -> String {
    format!("{:?}", fields.iter().map(Field::name).collect::<Vec<_>>())
}

/// See [`super::Keys::text`].
pub(super) fn key_text(fields: &[Field], reading: &Reading<'_>) -> WindowKey {
    let mut key = String::new();
    for (i, field) in fields.iter().enumerate() {
        let text = reading.text(field);
        if text.is_empty() {
            return None;
        }
        if i > 0 {
            key.push(KEY_SEPARATOR);
        }
        key.push_str(&text);
    }
    if key.len() > MAX_KEY_TEXT || key.contains('\0') {
        key = format!("sha256:{}", hex(&Sha256::digest(&key)));
    }
    Some(key.into())
}

/// A value by which texts are told apart without keeping them.
pub(super) fn hash(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(text)[..8]);
    u64::from_be_bytes(first)
}

pub(super) const START: &[u8] = &[];

pub(super) fn key_row(key: &str) -> Vec<u8> {
    [key.as_bytes(), &[0]].concat()
}

pub(super) fn hit_row(key_row: &[u8], hit: &Hit) -> Vec<u8> {
    let (time, seq) = hit.order();
    [key_row, &time.0.to_be_bytes(), &seq.to_be_bytes()].concat()
}

pub(super) fn bucket_row(key_row: &[u8], bucket: u64) -> Vec<u8> {
    [key_row, &bucket.to_be_bytes()].concat()
}

pub(super) fn value_row(key_row: &[u8], bucket: u64, value: u64) -> Vec<u8> {
    [key_row, &bucket.to_be_bytes(), &value.to_be_bytes()].concat()
}

/// What a row says, as it is saved.
pub(super) fn saying<T: Serialize>(value: &T) -> Value {
    state::encoded(WINDOWS, value).map(Some)
}

/// Key, and the numbers after it, of a row.
pub(super) fn split(row: &[u8]) -> Option<(&str, Vec<u64>)> {
    let end = row.iter().position(|b| *b == 0)?;
    let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
    let numbers: Option<Vec<u64>> = row[end + 1..].chunks(8).map(number).collect();
    Some((std::str::from_utf8(&row[..end]).ok()?, numbers?))
}
