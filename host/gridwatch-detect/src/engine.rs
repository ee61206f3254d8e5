//! The engine: what of WebAssembly is allowed, and the clock that ends calls.

use crate::cache::{Access, Cache};
use crate::component::{Component, Refused};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// One epoch. Deadlines are counted in these, so a call may run this much over.
pub(crate) const TICK_MS: u64 = 5;
/// Stack of a guest; the threads that run one have [`THREAD_STACK`], far above it, or an overflow would abort the process.
const GUEST_STACK: usize = 256 << 10;
pub(crate) const THREAD_STACK: usize = 4 << 20;
/// Raised when the rules for what may be compiled change, so that artifacts of looser rules are not loaded again.
pub(crate) const POLICY_VERSION: u32 = 1;

/// Compiles components and gives their calls a deadline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    cache: Option<Arc<Cache>>,
    /// Counts the work that calls do.
    pub(crate) measures: bool,
    /// Without it no deadline is ever due. Whatever runs code of this engine holds a clone of the engine, and so the ticker.
    ticker: Arc<Ticker>,
}

impl Engine {
    /// `cache_dir`: where compiled components are kept (made, and kept private, by us); `None` compiles every time.
    ///
    /// # Errors
    /// The engine can't be set up on this machine, or the cache's folder can't be made or kept private.
    pub fn new(cache_dir: Option<&Path>) -> Result<Self, Refused> {
        Self::with_cache(cache_dir, Access::Keep, false)
    }

    /// The same for measuring: [`crate::Module::fuel`] says how much work calls did, in units that are the same on every machine. Costs
    /// some time, so nothing is in service on it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn measuring(cache_dir: Option<&Path>) -> Result<Self, Refused> {
        Self::with_cache(cache_dir, Access::Keep, true)
    }

    /// The same, and leaves nothing behind: what is kept already is used, nothing is added.
    ///
    /// # Errors
    /// The engine can't be set up on this machine.
    pub fn looking(cache_dir: Option<&Path>) -> Result<Self, Refused> {
        Self::with_cache(cache_dir, Access::Look, false)
    }

    fn with_cache(cache_dir: Option<&Path>, access: Access, measures: bool) -> Result<Self, Refused> {
        let wasmtime = wasmtime::Engine::new(config().consume_fuel(measures))
            .map_err(|e| Refused::Compile { why: e.to_string() })?;
        let cache = cache_dir.and_then(|dir| Cache::open(dir, &wasmtime, access)).map(Arc::new);
        let ticker = Arc::new(Ticker::start(&wasmtime).map_err(|e| Refused::Clock { why: e.to_string() })?);
        Ok(Self { wasmtime, cache, measures, ticker })
    }

    /// Time by the clock that ends calls. On a machine that is too busy it goes slower than others do, and so do deadlines: what a
    /// module may take is measured by the same clock that stops it.
    pub(crate) fn ticked_ms(&self) -> u64 {
        self.ticker.ticks.load(Ordering::Relaxed) * TICK_MS
    }

    /// Compiles a component into the cache.
    ///
    /// # Errors
    /// It doesn't compile.
    pub fn compile(&self, component: &Component) -> Result<(), Refused> {
        self.code(component).map(drop)
    }

    /// Is there compiled code for it, or nowhere to keep any?
    pub fn is_compiled(&self, digest: &str) -> bool {
        self.cache.as_ref().is_none_or(|cache| cache.has(digest))
    }

    /// Removes what was compiled of it.
    pub fn forget(&self, digest: &str) {
        if let Some(cache) = &self.cache {
            cache.remove(digest);
        }
    }

    /// Compiled code for a component: from the cache, or compiled now.
    pub(crate) fn code(&self, component: &Component) -> Result<wasmtime::component::Component, Refused> {
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(&self.wasmtime, &component.digest)) {
            return Ok(code);
        }
        let compile = || wasmtime::component::Component::new(&self.wasmtime, &component.bytes);
        // wasmtime has panicked on valid components under unusual settings; a bad file must not take the host along.
        let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(compile))
            .map_err(|_| Refused::Compile { why: "the compiler panicked".into() })?
            .map_err(|e| Refused::Compile { why: format!("{e:#}") })?;
        if let Some(cache) = &self.cache {
            cache.put(&component.digest, &code);
        }
        Ok(code)
    }
}

/// Everything a detection doesn't need is off: it is attack surface (most of wasmtime's advisories of 2026 are about these).
/// Multi-memory stays on: `Component::new` panics on composed components without it.
fn config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_memory64(false)
        .shared_memory(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .wasm_stack_switching(false)
        // The same bits on every machine and in every replay.
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(GUEST_STACK)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16));
    config
}

/// Raises the engine's epoch every [`TICK_MS`], until the last engine, and so the last module, is dropped.
#[derive(Debug)]
struct Ticker {
    stop: Arc<AtomicBool>,
    ticks: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let ticks = Arc::new(AtomicU64::new(0));
        let (stopped, ticked, engine) = (stop.clone(), ticks.clone(), engine.weak());
        let tick = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(TICK_MS));
                match engine.upgrade() {
                    Some(engine) => {
                        engine.increment_epoch();
                        ticked.fetch_add(1, Ordering::Relaxed);
                    }
                    None => break,
                }
            }
        };
        let thread = std::thread::Builder::new().name("epoch".into()).spawn(tick)?;
        Ok(Self { stop, ticks, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
