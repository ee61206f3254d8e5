//! What a module may use: one struct of named numbers, and the state of a store that holds it to them.

use wasmtime::ResourceLimiter;

/// Bounds on one module. Every one has a test in which it is kept and one in which it is broken.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Size of a component file. Compiling is not covered by wasmtime's security policy, so the input is bounded.
    pub component_bytes: usize,
    /// Wall time of one `evaluate` call. A part of a batch that failed gets its share of it, and at least a quarter: a module
    /// that loops on one row would else take the whole of it for each halving.
    pub evaluate_ms: u64,
    /// Wall time of all calls for one batch, starts after failures among them. What is left of the batch then is dead-lettered.
    pub batch_ms: u64,
    /// Wall time of instantiating and `configure`.
    pub setup_ms: u64,
    /// Linear memory, all of an instance's memories together.
    pub memory_bytes: usize,
    /// Table elements, all tables together.
    pub table_elements: usize,
    /// Calls to host functions in one `evaluate`. The default lets each row of the largest batch make one; a batch with
    /// more is cut in halves.
    pub host_calls: u32,
    /// Bytes a guest may hand over in one call, either way.
    pub transfer_bytes: usize,
    /// Findings of one `evaluate`. A batch with more is cut in halves; a row with more is dead-lettered.
    pub findings: usize,
    /// Log lines of one `evaluate` and of one minute, and the bytes of one line. More is counted and dropped.
    pub log_lines: u32,
    pub log_lines_per_minute: u32,
    pub log_line_bytes: usize,
    /// Bytes of what a module says last before it traps, such as a panic's message.
    pub last_words_bytes: usize,
    /// Key-value state of a module: bytes in all, of a key, of a value.
    pub kv_bytes: usize,
    pub kv_key_bytes: usize,
    pub kv_value_bytes: usize,
    /// A warm instance is renewed after this many calls, for guests that leak.
    pub renew_after_calls: u32,
    /// … or when its memory has grown to this.
    pub renew_at_bytes: usize,
    /// Failed calls in one batch after which the rest of the batch is dead-lettered for this module.
    pub failures_per_batch: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 32 << 20,
            evaluate_ms: 1_000,
            // Finds one row among 1,024 that loops: 1,000, 500 and nine times 250 ms, and a second to spare.
            batch_ms: 5_000,
            setup_ms: 5_000,
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            host_calls: 4_096,
            transfer_bytes: 8 << 20,
            findings: 4_096,
            log_lines: 20,
            log_lines_per_minute: 200,
            log_line_bytes: 512,
            last_words_bytes: 600,
            kv_bytes: 4 << 20,
            kv_key_bytes: 256,
            kv_value_bytes: 16 << 10,
            renew_after_calls: 10_000,
            renew_at_bytes: 48 << 20,
            // Enough to find 64 rows wherever they stand in a batch of 1,024, after which the module is set aside anyhow.
            failures_per_batch: 1_024,
        }
    }
}

/// Counts what an instance takes. Growth over a limit traps, so that the reason is ours to tell.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_max: usize,
    table_max: usize,
    pub(crate) memory: usize,
    tables: usize,
    /// Set when a growth was refused: the trap that follows is about memory.
    pub(crate) refused: Option<&'static str>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { memory_max: limits.memory_bytes, table_max: limits.table_elements, memory: 0, tables: 0, refused: None }
    }
}

/// Instances, tables and memories of one component; composed ones (QuickJS) need several of each.
const MAX_PARTS: usize = 40;

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.memory_max {
            self.refused = Some("memory");
            return Err(wasmtime::Error::msg(format!("memory over its limit of {} bytes", self.memory_max)));
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.tables.saturating_add(desired.saturating_sub(current));
        if total > self.table_max {
            self.refused = Some("tables");
            return Err(wasmtime::Error::msg(format!("tables over their limit of {} elements", self.table_max)));
        }
        self.tables = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}
