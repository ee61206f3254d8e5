//! A module in the sandbox: a warm instance that takes batches and gives findings, and what happens when it doesn't.

use crate::component::{Component, Refused};
use crate::engine::{Engine, TICK_MS};
use crate::host::bindings::exports::gridwatch::detect::rules;
use crate::host::bindings::gridwatch::detect::types;
use crate::host::{Call, Dict, Guest, Item, Kv, bindings};
use crate::limits::Limits;
use gridwatch_core::batch::Batch;
use gridwatch_core::finding::RawFinding;
use gridwatch_core::lookup::Tables;
use gridwatch_core::manifest::{Grant, Manifest};
use gridwatch_core::pipeline::{DeadRow, Outcome};
use gridwatch_core::state::{KV, StateOp};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

/// A module that has been compiled, started and configured once; what it was made from is kept to make it again.
pub struct Module {
    pub manifest: Arc<Manifest>,
    pub digest: String,
    name: Arc<str>,
    limits: Arc<Limits>,
    tables: Arc<Tables>,
    config: String,
    wasi: bool,
    pre: bindings::ModulePre<Guest>,
    /// `None` after a failure: the next call makes a fresh one.
    instance: Option<Instance>,
    kv: Kv,
    /// Instances made so far, the first one included.
    pub instances: u64,
}

struct Instance {
    store: Store<Guest>,
    exports: bindings::Module,
    calls: u32,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Evaluation {
    pub outcome: Outcome,
    /// The module's own state, to be saved with the batch's alerts.
    pub changes: Vec<StateOp>,
    /// Calls that failed, with what they failed of, the bisected ones included.
    pub failures: Vec<String>,
}

impl Evaluation {
    pub(crate) fn all_dead(rows: usize, reason: &str) -> Self {
        let dead = (0..rows).map(|row| dead(row, reason)).collect();
        Self { outcome: Outcome { dead, ..Outcome::default() }, ..Self::default() }
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
}

impl Module {
    /// Compiles, starts and configures a component. `given` are its settings from the configuration.
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
            config: config.to_string(),
            wasi,
            pre,
            instance: None,
            kv: Kv::default(),
            instances: 0,
        };
        let instance = module.start()?;
        module.instance = Some(instance);
        Ok(module)
    }

    /// Puts back one saved row of its key-value state.
    pub fn load_state(&mut self, key: &[u8], value: &[u8]) {
        let prefix = self.kv_row("");
        let key = key.strip_prefix(&prefix[..]).and_then(|k| std::str::from_utf8(k).ok());
        if let (Some(key), Some((expires, value))) = (key, value.split_first_chunk::<8>()) {
            self.kv.bytes += key.len() + value.len();
            self.kv.items.insert(key.into(), Item { value: value.to_vec(), expires_ms: u64::from_be_bytes(*expires) });
        }
    }

    /// Runs a batch. Total: an event that the module can't get over is alone in `dead`, everything else was evaluated.
    pub fn evaluate(&mut self, batch: &Batch) -> Evaluation {
        let mut evaluation = Evaluation::default();
        let all = 0..batch.rows();
        let mut todo = vec![all];
        while let Some(range) = todo.pop() {
            if range.is_empty() {
                continue;
            }
            if evaluation.failures.len() >= self.limits.failures_per_batch as usize {
                let reason = "not evaluated: the module kept failing in this batch";
                evaluation.outcome.dead.extend(range.map(|row| dead(row, reason)));
                continue;
            }
            let whole = range.len() == batch.rows();
            let result = if whole { self.call(batch) } else { self.call(&batch.slice(range.clone())) };
            match result {
                Ok(findings) => {
                    // A row beyond its range is a lie, and must not become a row that another call got.
                    let row = |row: u32| match (row as usize) < range.len() {
                        true => row + range.start as u32,
                        false => row.max(batch.rows() as u32),
                    };
                    let findings = findings.into_iter().map(|f| RawFinding { row: row(f.row), ..f });
                    evaluation.outcome.findings.extend(findings);
                    evaluation.changes.extend(self.keep_writes(&batch.times_ms[range]));
                }
                Err(failure) => {
                    let reason = failure.to_string();
                    tracing::warn!(module = &*self.name, rows = range.len(), reason, "module call failed");
                    self.instance = None;
                    if range.len() == 1 {
                        evaluation.outcome.dead.push(dead(range.start, &reason));
                    } else {
                        let middle = range.start + range.len() / 2;
                        todo.extend([middle..range.end, range.start..middle]);
                    }
                    evaluation.failures.push(reason);
                }
            }
        }
        evaluation.outcome.dead.sort_by_key(|dead| dead.row);
        evaluation
    }

    fn call(&mut self, batch: &Batch) -> Result<Vec<RawFinding>, Failure> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start().map_err(|e| Failure::Trap(e.to_string()))?,
        };
        let mut instance = self.instance.insert(instance);
        let guest = instance.store.data_mut();
        guest.call = Call::new(dict_for(&self.manifest, batch));
        guest.kv = std::mem::take(&mut self.kv);
        instance.store.set_epoch_deadline(deadline(self.limits.evaluate_ms));
        let result = call_evaluate(instance, batch);
        self.kv = std::mem::take(&mut instance.store.data_mut().kv);
        let result = match result {
            Ok(Ok(findings)) if findings.len() > self.limits.findings => {
                Err(Failure::Flood { count: findings.len(), max: self.limits.findings })
            }
            Ok(Ok(findings)) => Ok(findings.into_iter().map(raw).collect()),
            Ok(Err(answer)) => Err(Failure::Answer(gridwatch_core::finding::clean(&answer, 500))),
            Err(trap) => Err(self.explain(&trap)),
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
    fn start(&mut self) -> Result<Instance, Refused> {
        let why = |e: wasmtime::Error| Refused::Start { why: first_line(&e) };
        let guest = Guest::new(self.name.clone(), self.limits.clone(), self.tables.clone(), self.wasi);
        let mut store = Store::new(self.pre.engine(), guest);
        store.limiter(|guest| &mut guest.meter);
        store.set_hostcall_fuel(self.limits.transfer_bytes);
        // Instantiating runs code already, and a deadline of 0 is due at once.
        store.set_epoch_deadline(deadline(self.limits.setup_ms));
        let exports = self.pre.instantiate(&mut store).map_err(why)?;
        let configured = exports.gridwatch_detect_rules().call_configure(&mut store, &self.config).map_err(why)?;
        configured.map_err(|problems| Refused::Configuration { problems })?;
        self.instances += 1;
        Ok(Instance { store, exports, calls: 0 })
    }

    /// Makes a good call's writes part of the state, as rows to be saved. Goes by the times of the rows it evaluated.
    fn keep_writes(&mut self, times_ms: &[u64]) -> Vec<StateOp> {
        let writes = std::mem::take(&mut self.kv.writes);
        let mut changes = Vec::with_capacity(writes.len());
        for (key, item) in writes {
            let row = [&item.expires_ms.to_be_bytes()[..], &item.value].concat();
            changes.push(StateOp { key: self.kv_row(&key), value: Some(row) });
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
            changes.push(StateOp::delete(self.kv_row(&key)));
        }
        changes
    }

    fn kv_row(&self, key: &str) -> Vec<u8> {
        [&[KV], self.name.as_bytes(), &[0], key.as_bytes()].concat()
    }

    /// Names the limit that a trap was about, if it was about one.
    fn explain(&self, trap: &wasmtime::Error) -> Failure {
        let guest = self.instance.as_ref().map(|i| i.store.data());
        if let Some(ended) = guest.and_then(|g| g.call.ended) {
            return Failure::Ended(ended);
        }
        if let Some(resource) = guest.and_then(|g| g.meter.refused) {
            return Failure::Resource(resource);
        }
        match trap.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::Interrupt) => Failure::Timeout(self.limits.evaluate_ms),
            Some(wasmtime::Trap::StackOverflow) => Failure::Resource("stack"),
            Some(other) => Failure::Trap(other.to_string().replacen("wasm trap: ", "", 1)),
            None => Failure::Trap(first_line(trap)),
        }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
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

fn dead(row: usize, reason: &str) -> DeadRow {
    DeadRow { row: row as u32, reason: reason.to_owned() }
}

/// In ticks, rounded up, and never 0, which would be due at once.
fn deadline(ms: u64) -> u64 {
    ms.div_ceil(TICK_MS) + 1
}

fn first_line(error: &wasmtime::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

/// Which grants a set of names means; for configuration.
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
