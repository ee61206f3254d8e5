//! What has to hold of any module, tried on its own cases, on random batches made of them, and on rows that no honest host would
//! send: that it is deterministic, judges each row by itself, fails nowhere, says nothing that can't be true, and costs no more
//! than its manifest says.

use crate::cases::Loaded;
use gridwatch_cases::{Case, try_triggers};
use gridwatch_detect::Module;
use gridwatch_manifest::{Grant, Manifest};
use gridwatch_rules::batch::Batch;
use gridwatch_rules::finding::{MAX_EVIDENCE, MAX_KEY, MAX_LABEL, MAX_LABELS, MAX_TITLE, RawFinding};
use std::collections::BTreeMap;
use std::ops::Range;

/// Random batches for the triggers.
const TRIGGER_SEEDS: Range<u64> = 0..100;
/// Rows of the batch of hostile ones.
const HOSTILE_ROWS: usize = 256;
/// Work that an event may cost on average where the manifest says nothing.
pub const FUEL: u64 = 5_000_000;
/// Problems of one kind that are told.
const MOST_TOLD: usize = 5;

/// What was found. Notes are for an author to think about, problems have to go.
#[derive(Debug, Default)]
pub struct Checked {
    /// What held, each as a sentence.
    pub held: Vec<String>,
    pub problems: Vec<String>,
    pub notes: Vec<String>,
    pub cost: Cost,
}

/// What events cost in units of work, the same on every machine and in every run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub events: u64,
    /// Of all of them together.
    pub fuel: u64,
    /// Of the costliest batch, an event.
    pub worst_per_event: u64,
    /// Bytes of linear memory at the end.
    pub memory: usize,
    pub findings: u64,
}

impl Cost {
    pub fn per_event(&self) -> u64 {
        self.fuel.checked_div(self.events).unwrap_or_default()
    }

    /// Findings of a thousand events that the module was given.
    pub fn hits_per_thousand(&self) -> u64 {
        (self.findings * 1_000).checked_div(self.events).unwrap_or_default()
    }
}

/// `loaded` has to be of an engine that measures.
pub fn check(loaded: &Loaded, cases: &[Case]) -> Checked {
    let mut checked = Checked::default();
    let batches: Vec<(&Case, Vec<Batch>)> = cases.iter().map(|case| (case, case.batches(&loaded.manifest))).collect();
    cases_hold(loaded, cases, &mut checked);
    deterministic(loaded, &batches, &mut checked);
    by_rows(loaded, &batches, &mut checked);
    triggers(loaded, cases, &mut checked);
    hostile(loaded, cases, &mut checked);
    cost(loaded, &batches, &mut checked);
    doubts(&loaded.manifest, cases, &mut checked);
    checked
}

impl Checked {
    fn tell(&mut self, held: &str, problems: Vec<String>) {
        let more = problems.len().saturating_sub(MOST_TOLD);
        if problems.is_empty() {
            self.held.push(held.to_owned());
        }
        self.problems.extend(problems.into_iter().take(MOST_TOLD));
        if more > 0 {
            self.problems.push(format!("and {more} more of that kind"));
        }
    }
}

fn cases_hold(loaded: &Loaded, cases: &[Case], checked: &mut Checked) {
    let report = crate::cases::test(loaded, cases);
    let problems = report.cases.into_iter().flat_map(|case| case.problems).chain(report.gaps);
    checked.tell("its cases hold, in batches of 1, 3 and 1,024 events, with and without triggers", problems.collect());
}

fn deterministic(loaded: &Loaded, batches: &[(&Case, Vec<Batch>)], checked: &mut Checked) {
    let mut problems = Vec::new();
    for (case, batches) in batches {
        let small: Vec<Batch> = batches.iter().flat_map(in_parts).collect();
        let once = |fresh_each: bool| -> Vec<Vec<RawFinding>> {
            let Ok(mut module) = loaded.of(case) else { return Vec::new() };
            let mut all = Vec::new();
            for batch in &small {
                if fresh_each && !loaded.manifest.grants.contains(&Grant::Kv) {
                    match loaded.of(case) {
                        Ok(fresh) => module = fresh,
                        Err(_) => return Vec::new(),
                    }
                }
                all.push(module.evaluate(batch).outcome.findings);
            }
            all
        };
        let (first, second, fresh) = (once(false), once(false), once(true));
        if first != second {
            problems.push(format!("case `{}`: two runs of the same batches find different things", case.name));
        } else if first != fresh {
            problems.push(format!(
                "case `{}`: it finds something else when it has seen other batches before: it keeps state of its own, which is gone \
                 whenever the host renews it",
                case.name
            ));
        }
    }
    checked.tell("deterministic: the same batches give the same findings, in a fresh instance too", problems);
}

/// Few rows each, so that what is kept from one call to the next shows.
fn in_parts(batch: &Batch) -> Vec<Batch> {
    const ROWS: usize = 2;
    (0..batch.rows()).step_by(ROWS).map(|from| batch.slice(from..(from + ROWS).min(batch.rows()))).collect()
}

/// The function is about one row: what it finds in one must not hang on where the row stands or on who stands beside it. What a
/// module keeps under a key of its own (`kv`) does hang on the order, so there this isn't asked.
fn by_rows(loaded: &Loaded, batches: &[(&Case, Vec<Batch>)], checked: &mut Checked) {
    if loaded.manifest.grants.contains(&Grant::Kv) {
        checked.notes.push("the order of rows wasn't tried: with `kv` they may depend on each other".into());
        return;
    }
    let mut problems = Vec::new();
    for (case, batches) in batches {
        let Ok(mut module) = loaded.of(case) else { continue };
        for batch in batches {
            let found = |module: &mut Module, batch: &Batch| by_seq(batch, module.evaluate(batch).outcome.findings);
            let whole = found(&mut module, batch);
            let turned = turned(batch);
            let other = by_seq_turned(batch, found(&mut module, &turned));
            // What cites other rows of its batch may well depend on them.
            let alone = |findings: &BTreeMap<u64, Vec<RawFinding>>| {
                let own = |(seq, all): (&u64, &Vec<RawFinding>)| {
                    let all = all.iter().filter(|finding| finding.evidence.is_empty()).cloned();
                    (*seq, all.collect::<Vec<_>>())
                };
                findings.iter().map(own).filter(|(_, all)| !all.is_empty()).collect::<BTreeMap<_, _>>()
            };
            if alone(&whole) != alone(&other) {
                problems.push(format!(
                    "case `{}`: with the rows of a batch in another order it finds something else in them",
                    case.name
                ));
                break;
            }
        }
    }
    checked.tell("independent of the order of events within a batch", problems);
}

/// Findings by the number of the event that they are of.
fn by_seq(batch: &Batch, findings: Vec<RawFinding>) -> BTreeMap<u64, Vec<RawFinding>> {
    let mut by_seq = BTreeMap::<u64, Vec<RawFinding>>::new();
    for mut finding in findings {
        let seq = batch.seqs.get(finding.row as usize).copied().unwrap_or(u64::MAX);
        finding.row = 0;
        by_seq.entry(seq).or_default().push(finding);
    }
    by_seq
}

/// The same rows, the last one first, under rising numbers as before.
fn turned(batch: &Batch) -> Batch {
    let rows = batch.rows().max(1);
    let turn = |column: &[u64]| column.iter().rev().copied().collect::<Vec<_>>();
    Batch {
        seqs: batch.seqs.clone(),
        times_ms: turn(&batch.times_ms),
        texts: batch.texts.chunks_exact(rows).flat_map(|ids| ids.iter().rev().copied()).collect(),
        windows: batch.windows.chunks_exact(rows).flat_map(turn).collect(),
        dict_offsets: batch.dict_offsets.clone(),
        dict_bytes: batch.dict_bytes.clone(),
    }
}

/// Which event each number of a turned batch stands for.
fn by_seq_turned(batch: &Batch, findings: BTreeMap<u64, Vec<RawFinding>>) -> BTreeMap<u64, Vec<RawFinding>> {
    let original: BTreeMap<u64, u64> = batch.seqs.iter().copied().zip(batch.seqs.iter().rev().copied()).collect();
    findings.into_iter().map(|(seq, all)| (original.get(&seq).copied().unwrap_or(seq), all)).collect()
}

fn triggers(loaded: &Loaded, cases: &[Case], checked: &mut Checked) {
    let with_triggers: Vec<&str> =
        loaded.manifest.rules.iter().filter(|rule| !rule.triggers.is_empty()).map(|rule| rule.id.as_str()).collect();
    if with_triggers.is_empty() {
        return;
    }
    let accepts = |settings: &serde_json::Map<String, serde_json::Value>| {
        loaded.manifest.setting_problems(settings).is_empty() && loaded.accepts(settings)
    };
    let tried = try_triggers(&loaded.manifest, cases, TRIGGER_SEEDS, accepts, |case| loaded.run(case));
    let untried = with_triggers.iter().filter(|id| !tried.fired.contains(&format!("{}.{id}", loaded.manifest.name)));
    checked.notes.extend(untried.map(|id| {
        format!("rule `{id}` fired in none of the random batches, so its triggers are tried by its cases alone")
    }));
    let (held, rows) = (tried.held_back, tried.rows);
    checked.tell(
        &format!("its triggers hide nothing: {held} of {rows} events of random batches were held back"),
        tried.problems,
    );
}

/// Texts that break what was never tried with them.
const HOSTILE: [&str; 12] = [
    "",
    "\u{0}",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "a\nb\r\nc",
    "\u{202e}txt.exe",
    "{\"a\":[1,2,{\"b\":null}]",
    "[\"one\",\"two\",",
    "-1",
    "18446744073709551616",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "USLACKBOT",
    "' OR 1=1 --",
];

fn hostile(loaded: &Loaded, cases: &[Case], checked: &mut Checked) {
    let mut problems = Vec::new();
    let batch = hostile_batch(&loaded.manifest);
    let settings: Vec<&Case> =
        cases.iter().filter(|case| !case.config.is_empty()).take(MOST_TOLD).chain(cases.first()).collect();
    for case in settings {
        let Ok(mut module) = loaded.of(case) else { continue };
        let evaluation = module.evaluate(&batch);
        for dead in evaluation.outcome.dead.iter().take(MOST_TOLD) {
            let shown = |field: usize| {
                format!("{:?}", batch.text_at(field, dead.row as usize).chars().take(40).collect::<String>())
            };
            let texts: Vec<String> = (0..loaded.manifest.fields.len().min(4)).map(shown).collect();
            problems.push(format!("it fails on a row of odd texts ({}, …): {}", texts.join(", "), dead.reason));
        }
        if let Some(aside) = &evaluation.outcome.set_aside {
            problems.push(format!("on odd rows it would be set aside: {}", aside.why.text()));
        }
        problems.extend(
            evaluation.outcome.findings.iter().filter_map(|finding| impossible(finding, &batch, &loaded.manifest)),
        );
    }
    problems.sort();
    problems.dedup();
    checked.tell("hostile rows: nothing fails, and what it finds in them is bounded and could be true", problems);
}

/// All texts in all fields and all corners of the windows' values, each row another mixture.
fn hostile_batch(manifest: &Manifest) -> Batch {
    let long = "x".repeat(64 << 10);
    let texts: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    let (mut offsets, mut bytes) = (vec![0_u32], Vec::new());
    for text in &texts {
        bytes.extend_from_slice(text.as_bytes());
        offsets.push(bytes.len() as u32);
    }
    const VALUES: [u64; 7] = [0, 1, 2, 10, 1_790_000_000_000, u64::MAX - 1, u64::MAX];
    // Steps without a common divisor with the number of texts: every text comes in every field.
    let text = |field: usize, row: usize| ((row * (field + 1) + field) % texts.len()) as u32;
    let value = |window: usize, row: usize| VALUES[(row / (window + 1) + window + row) % VALUES.len()];
    let rows = 0..HOSTILE_ROWS;
    Batch {
        seqs: rows.clone().map(|row| row as u64 * 3 + 1).collect(),
        times_ms: rows.clone().map(|row| [0, 1, 1_790_000_000_000, u64::MAX][row % 4]).collect(),
        texts: (0..manifest.fields.len())
            .flat_map(|field| rows.clone().map(move |row| (field, row)))
            .map(|(f, r)| text(f, r))
            .collect(),
        windows: (0..manifest.windows.len())
            .flat_map(|window| rows.clone().map(move |row| (window, row)))
            .map(|(w, r)| value(w, r))
            .collect(),
        dict_offsets: offsets,
        dict_bytes: bytes,
    }
}

/// What the host would throw away or cut of a finding.
fn impossible(finding: &RawFinding, batch: &Batch, manifest: &Manifest) -> Option<String> {
    let Some(rule) = manifest.rules.get(finding.rule as usize) else {
        return Some(format!("it names rule {} of {}", finding.rule, manifest.rules.len()));
    };
    let told = |what: String| Some(format!("rule `{}` {what}", rule.id));
    let chars = |text: &str| text.chars().count();
    match () {
        () if finding.row as usize >= batch.rows() => told(format!("names row {} of {}", finding.row, batch.rows())),
        () if finding.windows.iter().any(|window| *window as usize >= manifest.windows.len()) => {
            told("cites a window that isn't declared".into())
        }
        () if finding.evidence.iter().any(|seq| batch.seqs.binary_search(seq).is_err()) => {
            told("cites an event that isn't in its batch".into())
        }
        () if finding.evidence.len() > MAX_EVIDENCE => {
            told(format!("cites {} events itself; {MAX_EVIDENCE} are kept", finding.evidence.len()))
        }
        () if finding.labels.len() > MAX_LABELS => {
            told(format!("has {} labels; {MAX_LABELS} are kept", finding.labels.len()))
        }
        () if !(1..=5).contains(&finding.severity) => told(format!("has severity {}, which is none", finding.severity)),
        // Texts that come from the entry may be of any length: the host cuts them. What is long beyond all of them is made.
        () if chars(&finding.title) > MAX_TITLE + (64 << 10) || chars(&finding.dedup_key) > MAX_KEY + (64 << 10) => {
            told("makes texts longer than those it is given".into())
        }
        () if finding.labels.iter().any(|(key, _)| chars(key) > MAX_LABEL) => {
            told("has a label whose name isn't one".into())
        }
        () => None,
    }
}

/// What the events of the cases cost. `loaded` has to be of an engine that measures.
pub fn cost_of(loaded: &Loaded, cases: &[Case]) -> Cost {
    let batches: Vec<(&Case, Vec<Batch>)> = cases.iter().map(|case| (case, case.batches(&loaded.manifest))).collect();
    measured(loaded, &batches)
}

fn measured(loaded: &Loaded, batches: &[(&Case, Vec<Batch>)]) -> Cost {
    let mut cost = Cost::default();
    for (case, batches) in batches {
        let Ok(mut module) = loaded.of(case) else { continue };
        for batch in batches.iter().filter(|batch| batch.rows() > 0) {
            let before = module.fuel();
            let evaluation = module.evaluate(batch);
            let (used, rows) = (module.fuel() - before, batch.rows() as u64);
            cost.worst_per_event = cost.worst_per_event.max(used / rows);
            (cost.events, cost.fuel) = (cost.events + rows, cost.fuel + used);
            cost.findings += evaluation.outcome.findings.len() as u64;
        }
        cost.memory = cost.memory.max(module.memory_bytes());
    }
    cost
}

fn cost(loaded: &Loaded, batches: &[(&Case, Vec<Batch>)], checked: &mut Checked) {
    let cost = measured(loaded, batches);
    checked.cost = cost;
    let allowed = loaded.manifest.fuel.unwrap_or(FUEL);
    let problem = (cost.per_event() > allowed).then(|| {
        format!("an event costs {} units of work on average; the manifest's `fuel` allows {allowed}", cost.per_event())
    });
    let held = format!("an event costs {} units of work on average, of {allowed} that are allowed", cost.per_event());
    checked.tell(&held, problem.into_iter().collect());
}

/// What nobody would notice: names that nothing ever has.
fn doubts(manifest: &Manifest, cases: &[Case], checked: &mut Checked) {
    checked.notes.extend(manifest.unknown_fields());
    for table in &manifest.lookups {
        if !cases.iter().any(|case| case.lookups.contains_key(table)) {
            checked.notes.push(format!("no case fills the lookup table `{table}`, so what it does is tried by none"));
        }
    }
    for window in &manifest.windows {
        let is_asked =
            |case: &&Case| case.batches(manifest).iter().any(|batch| has_value(batch, manifest, &window.name));
        if !cases.iter().any(|case| is_asked(&case)) {
            checked.notes.push(format!("window `{}` says nothing but 0 in all cases", window.name));
        }
    }
    if manifest.fuel.is_none() {
        checked.notes.push(format!(
            "the manifest has no `fuel`: `fuel = {}` would be twice what an event costs now",
            (checked.cost.per_event() * 2).max(1_000)
        ));
    }
}

fn has_value(batch: &Batch, manifest: &Manifest, name: &str) -> bool {
    let window = manifest.windows.iter().position(|window| window.name == name);
    window.is_some_and(|window| (0..batch.rows()).any(|row| batch.window_at(window, row) > 0))
}
