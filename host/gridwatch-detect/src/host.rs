//! What a module can ask of the host: log, key-value state, lookups; and an empty WASI where that was granted.

use crate::limits::{Limits, Meter};
use crate::tail::Tail;
use gridwatch_event::lookup::Tables;
use gridwatch_event::text::clean;
use gridwatch_rules::windows::LATE_S;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

pub(crate) mod bindings {
    #![allow(missing_debug_implementations, unreachable_pub, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "module",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

use bindings::gridwatch::detect::{kv, log, lookup, types};

/// The highest log level (as in syslog: critical) whose line is the reason for the trap that follows it.
const LAST_WORDS: u8 = 2;

/// State of one instance's store.
pub(crate) struct Guest {
    pub(crate) module: Arc<str>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) meter: Meter,
    pub(crate) call: Call,
    pub(crate) tables: Arc<Tables>,
    pub(crate) kv: Kv,
    pub(crate) lines: Lines,
    wasi: Option<Wasi>,
    /// The end of what it wrote to standard error, where it has WASI.
    stderr: Tail,
}

/// What counts from one `evaluate` to the next.
#[derive(Debug, Default)]
pub(crate) struct Call {
    host_calls: u32,
    log_lines: u32,
    /// The batch's dictionary, which lookups refer to.
    pub(crate) dict: Dict,
    /// Why the host ended the call, when it did.
    pub(crate) ended: Option<&'static str>,
    /// What the module said at the level of last words.
    last_words: String,
}

impl Call {
    pub(crate) fn new(dict: Dict) -> Self {
        Self { dict, ..Self::default() }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Dict {
    pub(crate) offsets: Vec<u32>,
    pub(crate) bytes: Vec<u8>,
}

impl Dict {
    fn text(&self, id: u32) -> Option<&str> {
        let at = self.offsets.get(id as usize..id as usize + 2)?;
        std::str::from_utf8(self.bytes.get(at[0] as usize..at[1] as usize)?).ok()
    }
}

/// A module's key-value state, and the writes of the call that is running.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kv {
    pub(crate) items: BTreeMap<String, Item>,
    pub(crate) bytes: usize,
    pub(crate) writes: BTreeMap<String, Item>,
    /// Newest event time evaluated so far. Which items a row still sees is for the row's own time to say: this one depends
    /// on how events were cut into batches.
    pub(crate) newest_ms: u64,
}

/// How long after it expired an item is kept, for late rows that still see it.
const LATE_MS: u64 = LATE_S * 1_000;

impl Kv {
    /// Bytes of the whole state once this call's writes and these items are part of it.
    fn bytes_with(&self, items: &[kv::Item]) -> usize {
        let mut new: BTreeMap<&str, usize> = self.writes.iter().map(|(key, item)| (&**key, item.value.len())).collect();
        new.extend(items.iter().map(|item| (&*item.key, item.value.len())));
        let added: usize = new.iter().map(|(key, value)| key.len() + value).sum();
        let replaced: usize = new.keys().filter_map(|key| Some(key.len() + self.items.get(*key)?.value.len())).sum();
        self.bytes + added - replaced
    }

    /// Keys of what has expired for every row still to come, those later than [`LATE_S`] aside.
    pub(crate) fn out_of_reach(&self) -> Vec<String> {
        let gone = |item: &Item| item.expires_ms.saturating_add(LATE_MS) < self.newest_ms;
        self.items.iter().filter(|(_, item)| gone(item)).map(|(key, _)| key.clone()).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) value: Vec<u8>,
    pub(crate) expires_ms: u64,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

/// Log lines of a module over all its instances: how many this minute, and how many were dropped.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// When the minute began.
    since: Option<Instant>,
    this_minute: u32,
    pub(crate) dropped: u64,
}

impl Lines {
    fn may_write(&mut self, limits: &Limits) -> bool {
        #[expect(clippy::disallowed_methods, reason = "a limit by the minute, on what no verdict depends on")]
        let now = Instant::now();
        if self.since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(60)) {
            (self.since, self.this_minute) = (Some(now), 0);
        }
        self.this_minute = self.this_minute.saturating_add(1);
        self.this_minute <= limits.log_lines_per_minute
    }
}

impl Guest {
    pub(crate) fn new(module: Arc<str>, limits: Arc<Limits>, tables: Arc<Tables>, wasi: bool) -> Self {
        let (meter, stderr) = (Meter::new(&limits), Tail::new(limits.last_words_bytes));
        let wasi = wasi.then(|| Wasi { ctx: empty_wasi(&stderr), table: ResourceTable::new() });
        let (call, kv, lines) = (Call::default(), Kv::default(), Lines::default());
        Self { module, limits, meter, call, tables, kv, lines, wasi, stderr }
    }

    /// What it said last before its call ended: to the log at the level of last words, or to standard error.
    pub(crate) fn last_words(&self) -> Option<String> {
        let said = if self.call.last_words.is_empty() { self.stderr.text() } else { self.call.last_words.clone() };
        Some(said).filter(|said| !said.is_empty())
    }

    /// A new call: what was said in the one before is no reason for this one's end.
    pub(crate) fn begin(&mut self, call: Call) {
        self.call = call;
        self.stderr.clear();
    }

    /// Counts a host call; the one over the limit ends the module's call.
    fn count_call(&mut self) -> wasmtime::Result<()> {
        self.call.host_calls += 1;
        if self.call.host_calls > self.limits.host_calls {
            self.call.ended = Some("host calls over the limit");
            return Err(wasmtime::Error::msg("host calls over the limit"));
        }
        Ok(())
    }
}

/// No files, environment, arguments or network; no time passes; random numbers are the same every time.
fn empty_wasi(stderr: &Tail) -> WasiCtx {
    let seeded = || wasmtime_wasi::random::Deterministic::new(b"gridwatch".to_vec());
    wasmtime_wasi::WasiCtxBuilder::new()
        .secure_random(seeded())
        .insecure_random(seeded())
        .insecure_random_seed(0)
        .wall_clock(Still)
        .monotonic_clock(Still)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .stderr(stderr.clone())
        .build()
}

struct Still;

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Linked only for modules that were granted it; the others have an empty one made for nothing, once.
        let stderr = &self.stderr;
        let wasi = self.wasi.get_or_insert_with(|| Wasi { ctx: empty_wasi(stderr), table: ResourceTable::new() });
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl types::Host for Guest {}

impl log::Host for Guest {
    /// Lines over the limit are dropped, not punished: logging must never change what is detected.
    fn write(&mut self, level: u8, message: String) -> wasmtime::Result<()> {
        if level <= LAST_WORDS {
            self.call.last_words = cut(&message, self.limits.last_words_bytes);
        }
        self.call.log_lines = self.call.log_lines.saturating_add(1);
        if self.call.log_lines > self.limits.log_lines || !self.lines.may_write(&self.limits) {
            self.lines.dropped += 1;
            return Ok(());
        }
        let (module, line) = (&*self.module, &*cut(&message, self.limits.log_line_bytes));
        match level {
            0..=3 => tracing::error!(module, line, "module log"),
            4 => tracing::warn!(module, line, "module log"),
            5..=6 => tracing::info!(module, line, "module log"),
            _ => tracing::debug!(module, line, "module log"),
        }
        Ok(())
    }
}

/// Text for people, in so many bytes.
fn cut(text: &str, bytes: usize) -> String {
    let mut text = clean(text, bytes);
    text.truncate(text.floor_char_boundary(bytes));
    text
}

impl kv::Host for Guest {
    fn get_many(&mut self, keys: Vec<String>) -> wasmtime::Result<Vec<Option<kv::Held>>> {
        self.count_call()?;
        let kv = &self.kv;
        let get = |key: &String| kv.writes.get(key).or_else(|| kv.items.get(key));
        let held = |item: &Item| kv::Held { value: item.value.clone(), expires_ms: item.expires_ms };
        Ok(keys.iter().map(|key| get(key).map(held)).collect())
    }

    fn set_many(&mut self, items: Vec<kv::Item>) -> wasmtime::Result<Result<(), u32>> {
        self.count_call()?;
        let too_long =
            |i: &kv::Item| i.key.len() > self.limits.kv_key_bytes || i.value.len() > self.limits.kv_value_bytes;
        if items.iter().any(too_long) {
            return Ok(Err(2));
        }
        if self.kv.bytes_with(&items) > self.limits.kv_bytes {
            return Ok(Err(1));
        }
        let item = |i: kv::Item| (i.key, Item { value: i.value, expires_ms: i.expires_ms });
        self.kv.writes.extend(items.into_iter().map(item));
        Ok(Ok(()))
    }
}

impl lookup::Host for Guest {
    fn contains_many(&mut self, table: String, ids: Vec<u32>) -> wasmtime::Result<Result<Vec<u8>, u32>> {
        self.count_call()?;
        let contains = |id: &u32| {
            let text = self.call.dict.text(*id).unwrap_or_default();
            self.tables.contains(&table, text).map(u8::from)
        };
        Ok(ids.iter().map(contains).collect::<Option<Vec<u8>>>().ok_or(1))
    }
}
