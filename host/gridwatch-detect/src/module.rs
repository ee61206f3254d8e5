//! A module in the sandbox: a warm instance that takes batches and gives findings, and what happens when it doesn't.
//!
//! Two bounds hold whatever it does: what it may cost in one batch ([`Limits`]), and how it may go on (`rules::conduct`), beyond
//! which it is set aside and costs nothing any more.

use crate::component::{Component, Refused};
use crate::engine::{Engine, TICK_MS};
use crate::host::bindings::exports::gridwatch::detect::rules;
use crate::host::bindings::gridwatch::detect::types;
use crate::host::{Call, Dict, Guest, Kv, Lines, bindings};
use crate::kept::Kept;
use crate::limits::Limits;
use gridwatch_event::lookup::Tables;
use gridwatch_event::text::clean;
use gridwatch_manifest::{Grant, Manifest};
use gridwatch_rules::batch::Batch;
use gridwatch_rules::conduct::{Conduct, SetAside, Why};
use gridwatch_rules::finding::RawFinding;
use gridwatch_rules::pipeline::{DeadRow, ModuleOutcome};
use gridwatch_rules::state::{KV, StateOp};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

/// A module that has been compiled, started and configured once; what it was made from is kept to make it again.
pub struct Module {
    pub manifest: Arc<Manifest>,
    pub digest: String,
    name: Arc<str>,
    limits: Arc<Limits>,
    tables: Arc<Tables>,
    given: Map<String, Value>,
    config: String,
    wasi: bool,
    pre: bindings::ModulePre<Guest>,
    /// `None` after a failure: the next call makes a fresh one.
    instance: Option<Instance>,
    kv: Kv,
    lines: Lines,
    conduct: Conduct,
    /// Judges nothing any more.
    is_set_aside: bool,
    /// Work done by its calls so far, where the engine measures it.
    fuel: u64,
    /// Instances made so far, the first one included.
    pub instances: u64,
    /// Its ticker is what ends calls, so it has to live as long as the module does.
    engine: Engine,
}

struct Instance {
    store: Store<Guest>,
    exports: bindings::Module,
    calls: u32,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Evaluation {
    pub outcome: ModuleOutcome,
    /// The module's own state, to be saved with the batch's alerts.
    pub changes: Vec<StateOp>,
    /// Calls that failed, with what they failed of, the bisected ones included.
    pub failures: Vec<String>,
    /// Rows that it wasn't given because it is set aside.
    pub unjudged: u64,
    /// Log lines over the limits, since it was loaded.
    pub lines_dropped: u64,
    /// Wall time that the batch took.
    pub took: Duration,
}

impl Evaluation {
    pub(crate) fn all_dead(rows: usize, reason: &str) -> Self {
        let dead = (0..rows).map(|row| dead(row, reason)).collect();
        Self { outcome: ModuleOutcome { dead, ..ModuleOutcome::default() }, ..Self::default() }
    }
}

/// Why one call failed. The instance is gone with it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("trapped: {0}")]
    Trap(String),
    #[error("took longer than {0} ms")]
    Timeout(u64),
    #[error("used more {0} than allowed")]
    Resource(&'static str),
    #[error("{0}")]
    Ended(&'static str),
    #[error("{count} findings, more than {max}")]
    Flood { count: usize, max: usize },
    #[error("answered with an error: {0}")]
    Answer(String),
    /// Not the rows' doing: there was no instance to give them to.
    #[error("does not start again: {0}")]
    Start(String),
}

/// What is left of a batch that is being worked through, and of the time for it.
struct Work<'b> {
    batch: &'b Batch,
    todo: Vec<Range<usize>>,
    started: Instant,
    /// The same by the clock that ends calls.
    started_ms: u64,
    evaluation: Evaluation,
}

impl Module {
    /// Compiles, starts and configures a component. `given` are its settings from the configuration.
    ///
    /// # Errors
    /// A setting is wrong, the code doesn't compile or lacks the export, or it fails, traps or takes too long while it starts or is
    /// configured.
    pub fn load(
        engine: &Engine,
        component: &Component,
        given: &Map<String, Value>,
        tables: Arc<Tables>,
        limits: Arc<Limits>,
    ) -> Result<Self, Refused> {
        let declared = &component.manifest;
        let config = declared.configuration(given).map_err(|problems| Refused::Configuration { problems })?;
        let manifest = Arc::new(declared.with_settings(&config));
        let wasi = manifest.grants.contains(&Grant::Wasi);
        let code = engine.code(component)?;
        let pre = link(engine, wasi)
            .and_then(|linker| linker.instantiate_pre(&code))
            .map_err(|e| Refused::Start { why: format!("{e:#}") })?;
        let pre = bindings::ModulePre::new(pre).map_err(|_| Refused::NoExport)?;
        let mut module = Self {
            name: manifest.name.as_str().into(),
            digest: component.digest.clone(),
            manifest,
            limits,
            tables,
            given: given.clone(),
            config: config.to_string(),
            wasi,
            pre,
            instance: None,
            kv: Kv::default(),
            lines: Lines::default(),
            conduct: Conduct::default(),
            is_set_aside: false,
            fuel: 0,
            instances: 0,
            engine: engine.clone(),
        };
        let instance = module.start(module.limits.setup_ms)?;
        module.instance = Some(instance);
        Ok(module)
    }

    /// Its settings, as far as they were given.
    pub fn settings(&self) -> &Map<String, Value> {
        &self.given
    }

    /// The same code, started anew with other settings and tables and no state: nothing is compiled again.
    ///
    /// # Errors
    /// A setting is wrong, or it fails, traps or takes too long while it starts or is configured.
    pub fn again(&self, given: &Map<String, Value>, tables: Arc<Tables>) -> Result<Self, Refused> {
        let config = self.manifest.configuration(given).map_err(|problems| Refused::Configuration { problems })?;
        let mut module = Self {
            name: self.name.clone(),
            digest: self.digest.clone(),
            manifest: Arc::new(self.manifest.with_settings(&config)),
            limits: self.limits.clone(),
            tables,
            given: given.clone(),
            config: config.to_string(),
            wasi: self.wasi,
            pre: self.pre.clone(),
            instance: None,
            kv: Kv::default(),
            lines: Lines::default(),
            conduct: Conduct::default(),
            is_set_aside: false,
            fuel: 0,
            instances: 0,
            engine: self.engine.clone(),
        };
        let instance = module.start(module.limits.setup_ms)?;
        module.instance = Some(instance);
        Ok(module)
    }

    /// Work done by all its calls so far, in units that are the same on every machine; 0 where the engine doesn't measure.
    pub fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Bytes of linear memory that its instance has.
    pub fn memory_bytes(&self) -> usize {
        self.instance.as_ref().map(|instance| instance.store.data().meter.memory).unwrap_or_default()
    }

    /// Gives it the state that it has kept.
    pub fn keep(&mut self, kept: Kept) {
        self.kv = kept.0;
    }

    /// What a version that goes on beside this one is to have.
    pub fn kept(&self) -> Kept {
        Kept(self.kv.clone())
    }

    /// What the next version is to have.
    pub fn into_kept(self) -> Kept {
        Kept(self.kv)
    }

    /// Runs a batch. Total: an event that the module can't get over is alone in `dead`, everything else was evaluated. Unless it
    /// is set aside: then from the row after that one on nothing is.
    pub fn evaluate(&mut self, batch: &Batch) -> Evaluation {
        let evaluation = Evaluation { lines_dropped: self.lines.dropped, ..Evaluation::default() };
        if self.is_set_aside {
            return Evaluation { unjudged: batch.rows() as u64, ..evaluation };
        }
        let mut work = Work {
            batch,
            todo: vec![0..batch.rows()],
            started: now(),
            started_ms: self.engine.ticked_ms(),
            evaluation,
        };
        while let Some(range) = work.todo.pop() {
            if !range.is_empty() && self.part(&mut work, range) == Next::Nothing {
                break;
            }
        }
        self.end(work)
    }

    /// One part of a batch: its findings, or its failure and its halves.
    fn part(&mut self, work: &mut Work<'_>, range: Range<usize>) -> Next {
        let (whole, left_ms) = (range.len() == work.batch.rows(), self.left_ms(work));
        // Time that is too short for a fair trial would call rows poison that aren't.
        let is_out = left_ms < self.share_ms(0, 1).min(self.limits.batch_ms);
        if work.evaluation.failures.len() >= self.limits.failures_per_batch as usize || is_out {
            let reason = "not evaluated: the module kept failing in this batch";
            work.evaluation.outcome.dead.extend(range.map(|row| dead(row, reason)));
            return Next::Part;
        }
        let result = match whole {
            true => self.call(work.batch, self.limits.evaluate_ms.min(left_ms), left_ms),
            false => {
                let call_ms = self.share_ms(range.len(), work.batch.rows()).min(left_ms);
                self.call(&work.batch.slice(range.clone()), call_ms, left_ms)
            }
        };
        match result {
            Ok(findings) => self.judged(work, range, findings),
            Err(failure) => self.failed(work, range, &failure),
        }
    }

    fn judged(&mut self, work: &mut Work<'_>, range: Range<usize>, findings: Vec<RawFinding>) -> Next {
        let rows = work.batch.rows();
        // A row beyond its range is a lie, and must not become a row that another call got.
        let row = |row: u32| match (row as usize) < range.len() {
            true => row + range.start as u32,
            false => row.max(rows as u32),
        };
        let mut of_row = vec![0_u64; range.len()];
        let last = of_row.len() - 1;
        findings.iter().for_each(|finding| of_row[(finding.row as usize).min(last)] += 1);
        let rules = self.manifest.rules.len() as u64;
        let flood = of_row.iter().zip(range.clone()).find_map(|(findings, row)| {
            let why = self.conduct.judged(*findings, rules)?;
            Some((row, why))
        });
        let until = flood.map_or(rows, |(row, _)| row);
        let findings = findings.into_iter().map(|f| RawFinding { row: row(f.row), ..f });
        // What stands at no row is told as a lie, but not by a module that is set aside in the middle of the batch.
        let kept = findings.filter(|finding| flood.is_none() || (finding.row as usize) < until);
        work.evaluation.outcome.findings.extend(kept);
        work.evaluation.changes.extend(self.keep_writes(&work.batch.times_ms[range]));
        match flood {
            Some((row, why)) => self.set_aside(work, row, why),
            None => Next::Part,
        }
    }

    fn failed(&mut self, work: &mut Work<'_>, range: Range<usize>, failure: &Failure) -> Next {
        let reason = failure.to_string();
        tracing::debug!(module = &*self.name, rows = range.len(), reason, "module call failed");
        self.instance = None;
        work.evaluation.failures.push(reason.clone());
        let is_alone = range.len() == 1 || matches!(failure, Failure::Start(_));
        if !is_alone {
            let middle = range.start + range.len() / 2;
            work.todo.extend([middle..range.end, range.start..middle]);
            return Next::Part;
        }
        // A start that fails isn't about these rows, so halving them finds nothing: the next row tries again.
        work.todo.push(range.start + 1..range.end);
        work.evaluation.outcome.dead.push(dead(range.start, &reason));
        match self.conduct.failed() {
            Some(why) => self.set_aside(work, range.start, why),
            None => Next::Part,
        }
    }

    /// Rows are worked through in their order, so nothing after this one was judged.
    fn set_aside(&mut self, work: &mut Work<'_>, row: usize, why: Why) -> Next {
        let last = work.evaluation.failures.last().cloned().unwrap_or_default();
        let set_aside = SetAside { row: row as u32, why, faults: self.conduct.faults(), last };
        work.evaluation.unjudged = (work.batch.rows() - row - 1) as u64;
        tracing::error!(
            module = &*self.name,
            why = why.text(),
            faults = set_aside.faults,
            last = set_aside.last,
            "module set aside: it judges nothing any more"
        );
        work.evaluation.outcome.set_aside = Some(set_aside);
        (self.is_set_aside, self.instance) = (true, None);
        Next::Nothing
    }

    fn end(&mut self, mut work: Work<'_>) -> Evaluation {
        let took = now() - work.started;
        let took_ms = self.engine.ticked_ms() - work.started_ms;
        if let Some(why) = self.conduct.took(took_ms).filter(|_| !self.is_set_aside)
            && let Some(last) = work.batch.rows().checked_sub(1)
        {
            self.set_aside(&mut work, last, why);
        }
        let mut evaluation = work.evaluation;
        (evaluation.took, evaluation.lines_dropped) = (took, self.lines.dropped);
        evaluation.outcome.dead.sort_by_key(|dead| dead.row);
        evaluation
    }

    fn left_ms(&self, work: &Work<'_>) -> u64 {
        self.limits.batch_ms.saturating_sub(self.engine.ticked_ms() - work.started_ms)
    }

    /// The time for a part of a batch.
    fn share_ms(&self, part: usize, rows: usize) -> u64 {
        let all = self.limits.evaluate_ms;
        (all * part as u64 / rows.max(1) as u64).max(all / 4).max(1)
    }

    fn call(&mut self, batch: &Batch, call_ms: u64, setup_ms: u64) -> Result<Vec<RawFinding>, Failure> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start(self.limits.setup_ms.min(setup_ms)).map_err(|e| Failure::Start(why(&e)))?,
        };
        let mut instance = self.instance.insert(instance);
        let guest = instance.store.data_mut();
        guest.begin(Call::new(dict_for(&self.manifest, batch)));
        (guest.kv, guest.lines) = (std::mem::take(&mut self.kv), self.lines);
        instance.store.set_epoch_deadline(deadline(call_ms));
        refuel(&self.engine, &mut instance.store);
        let result = call_evaluate(instance, batch);
        if self.engine.measures {
            self.fuel += TANK - instance.store.get_fuel().unwrap_or(TANK);
        }
        let guest = instance.store.data_mut();
        (self.kv, self.lines) = (std::mem::take(&mut guest.kv), guest.lines);
        let result = match result {
            Ok(Ok(findings)) if findings.len() > self.limits.findings => {
                Err(Failure::Flood { count: findings.len(), max: self.limits.findings })
            }
            Ok(Ok(findings)) => Ok(findings.into_iter().map(raw).collect()),
            Ok(Err(answer)) => Err(Failure::Answer(clean(&answer, self.limits.last_words_bytes))),
            Err(trap) => Err(explain(&trap, instance.store.data(), call_ms)),
        };
        if result.is_err() {
            self.kv.writes.clear();
        }
        instance = match &mut self.instance {
            Some(instance) => instance,
            None => return result,
        };
        instance.calls += 1;
        let grown = instance.store.data().meter.memory >= self.limits.renew_at_bytes;
        if instance.calls >= self.limits.renew_after_calls || grown {
            self.instance = None;
        }
        result
    }

    /// A fresh instance, configured.
    fn start(&mut self, setup_ms: u64) -> Result<Instance, Refused> {
        let mut guest = Guest::new(self.name.clone(), self.limits.clone(), self.tables.clone(), self.wasi);
        guest.lines = self.lines;
        let mut store = Store::new(&self.engine.wasmtime, guest);
        store.limiter(|guest| &mut guest.meter);
        store.set_hostcall_fuel(self.limits.transfer_bytes);
        // Instantiating runs code already, and a deadline of 0 is due at once.
        store.set_epoch_deadline(deadline(setup_ms));
        refuel(&self.engine, &mut store);
        let started = self.pre.instantiate(&mut store).and_then(|exports| {
            let configured = exports.gridwatch_detect_rules().call_configure(&mut store, &self.config)?;
            Ok((exports, configured))
        });
        self.lines = store.data().lines;
        let (exports, configured) =
            started.map_err(|trap| Refused::Start { why: not_started(&trap, store.data(), setup_ms) })?;
        configured.map_err(|problems| Refused::Configuration { problems: cleaned(problems) })?;
        self.instances += 1;
        Ok(Instance { store, exports, calls: 0 })
    }

    /// Makes a good call's writes part of the state, as rows to be saved. Goes by the times of the rows it evaluated.
    fn keep_writes(&mut self, times_ms: &[u64]) -> Vec<StateOp> {
        let writes = std::mem::take(&mut self.kv.writes);
        let mut changes = Vec::with_capacity(writes.len());
        for (key, item) in writes {
            changes.push(Kept::row(&self.name, &key, &item));
            self.kv.bytes += key.len() + item.value.len();
            if let Some(old) = self.kv.items.insert(key.clone(), item) {
                self.kv.bytes -= key.len() + old.value.len();
            }
        }
        self.kv.newest_ms = times_ms.iter().copied().fold(self.kv.newest_ms, u64::max);
        for key in self.kv.out_of_reach() {
            if let Some(old) = self.kv.items.remove(&key) {
                self.kv.bytes -= key.len() + old.value.len();
            }
            changes.push(StateOp::delete(KV, &Kept::id(&self.name, &key)));
        }
        changes
    }
}

/// What comes after a part of a batch.
#[derive(PartialEq, Eq)]
enum Next {
    Part,
    Nothing,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// Names the limit that a trap was about, if it was about one; else what the module said before it.
fn explain(trap: &wasmtime::Error, guest: &Guest, call_ms: u64) -> Failure {
    if let Some(ended) = guest.call.ended {
        return Failure::Ended(ended);
    }
    if let Some(resource) = guest.meter.refused {
        return Failure::Resource(resource);
    }
    match trap.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => Failure::Timeout(call_ms),
        Some(wasmtime::Trap::StackOverflow) => Failure::Resource("stack"),
        other => Failure::Trap(guest.last_words().unwrap_or_else(|| match other {
            Some(other) => other.to_string().replacen("wasm trap: ", "", 1),
            None => first_line(trap),
        })),
    }
}

/// The same for a start, of which wasmtime's own words are kept where it is about a limit: they say how much.
fn not_started(trap: &wasmtime::Error, guest: &Guest, setup_ms: u64) -> String {
    match (trap.downcast_ref::<wasmtime::Trap>(), guest.last_words()) {
        (Some(wasmtime::Trap::Interrupt), _) => format!("it takes longer than {setup_ms} ms"),
        (Some(wasmtime::Trap::StackOverflow), _) => "it uses more stack than allowed".to_owned(),
        (_, Some(said)) if guest.meter.refused.is_none() => said,
        _ => first_line(trap),
    }
}

/// Why there is no instance, without "does not start" of its own.
fn why(refused: &Refused) -> String {
    match refused {
        Refused::Start { why } => why.clone(),
        other => other.to_string(),
    }
}

/// Problems that a module told, as few and as short as a person would read.
fn cleaned(problems: Vec<String>) -> Vec<String> {
    const MOST: usize = 20;
    problems.iter().take(MOST).map(|problem| clean(problem, 300)).collect()
}

#[expect(clippy::disallowed_methods, reason = "how long a module takes is measured where it runs")]
fn now() -> Instant {
    Instant::now()
}

fn link(engine: &Engine, wasi: bool) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(&engine.wasmtime);
    bindings::Module::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    if wasi {
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    }
    Ok(linker)
}

fn call_evaluate(instance: &mut Instance, batch: &Batch) -> wasmtime::Result<Result<Vec<rules::Finding>, String>> {
    let rows = types::Batch {
        seqs: &batch.seqs,
        times_ms: &batch.times_ms,
        texts: &batch.texts,
        windows: &batch.windows,
        dict_offsets: &batch.dict_offsets,
        dict_bytes: &batch.dict_bytes,
    };
    instance.exports.gridwatch_detect_rules().call_evaluate(&mut instance.store, rows)
}

/// Lookups name texts by dictionary id, so the host keeps the dictionary for as long as the call lasts.
fn dict_for(manifest: &Manifest, batch: &Batch) -> Dict {
    match manifest.lookups.is_empty() {
        true => Dict::default(),
        false => Dict { offsets: batch.dict_offsets.clone(), bytes: batch.dict_bytes.clone() },
    }
}

fn raw(f: rules::Finding) -> RawFinding {
    RawFinding {
        row: f.row,
        rule: f.rule,
        severity: f.severity,
        dedup_key: f.dedup_key,
        title: f.title,
        evidence: f.evidence,
        windows: f.windows,
        labels: f.labels.into_iter().map(|label| (label.key, label.value)).collect(),
    }
}

/// What comes of a batch that a module couldn't be started for.
pub fn refused(rows: usize, reason: &str) -> ModuleOutcome {
    Evaluation::all_dead(rows, reason).outcome
}

/// More than any deadline lets a call use.
const TANK: u64 = u64::MAX;

/// An engine that measures wants to know beforehand how much may be used.
fn refuel(engine: &Engine, store: &mut Store<Guest>) {
    if engine.measures {
        // Fails only where the engine doesn't measure.
        let _ = store.set_fuel(TANK);
    }
}

fn dead(row: usize, reason: &str) -> DeadRow {
    DeadRow { row: row as u32, reason: reason.to_owned() }
}

/// In ticks, rounded up, and never 0, which would be due at once.
fn deadline(ms: u64) -> u64 {
    ms.div_ceil(TICK_MS) + 1
}

fn first_line(error: &wasmtime::Error) -> String {
    clean(format!("{error:#}").lines().next().unwrap_or_default(), 300)
}

/// Which grants a set of names means; for configuration.
///
/// # Errors
/// The name that is no grant.
pub fn grants<'a>(names: impl Iterator<Item = &'a str>) -> Result<BTreeSet<Grant>, String> {
    names
        .map(|name| match name {
            "kv" => Ok(Grant::Kv),
            "lookup" => Ok(Grant::Lookup),
            "wasi" => Ok(Grant::Wasi),
            other => Err(other.to_owned()),
        })
        .collect()
}
