//! What tells a window from all others, in memory and in what is saved: its module, and what exactly it counts.

use gridwatch_event::text::hex;
use gridwatch_manifest::Field;
use gridwatch_manifest::{Baseline, Conditions, Saying, Threshold, WindowKind, WindowSpec};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

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
        WindowKind::Distinct { of } => format!("distinct {}", of.name()),
        WindowKind::Turns { of } => format!("turns {}", of.name()),
        WindowKind::FirstSeen => "first_seen".into(),
        WindowKind::LastSeen => "last_seen".into(),
        WindowKind::Travel { min_km } => format!("travel {min_km}"),
        WindowKind::Baseline(baseline) => baseline_identity(baseline),
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

/// What came later is only told where it is used, so that windows of before keep what they have counted.
fn baseline_identity(baseline: &Baseline) -> String {
    let Baseline { of, bucket_s, percentile, period_s, says, not_above } = baseline;
    let mut out = format!("baseline {} {bucket_s} {percentile}", of.as_ref().map_or("", Field::name));
    if let Some(period_s) = period_s {
        let _ = write!(out, " period {period_s} {says:?}");
    }
    if let Some(times) = not_above {
        let _ = write!(out, " not_above {times}");
    }
    out
}

fn conditions(when: &Conditions, ids: &[SlotId]) -> String {
    let mut out = String::new();
    for test in &when.fields {
        let _ = write!(out, "\n{} {} {:?}", if test.wanted { "only" } else { "not" }, test.field.name(), test.texts);
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
