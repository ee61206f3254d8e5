//! What a module costs on this machine: time of an event, memory, and how often it finds something. Measured on the events of
//! its own cases, in batches as large as the host's, again and again.

use crate::cases::Loaded;
use gridwatch_cases::Case;
use gridwatch_detect::Refused;
use gridwatch_rules::batch::Batch;
use std::time::Duration;

/// Rounds over all batches that aren't measured: the code is touched for the first time.
const WARM_UP: u32 = 3;
/// Rounds at least and at most, whatever they take.
const ROUNDS: std::ops::RangeInclusive<u32> = 5..=10_000;
/// Rows of a batch, as `detect.batch` has it by default.
const ROWS: usize = 1_024;

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub rounds: u32,
    /// Of one round.
    pub events: u64,
    pub findings: u64,
    /// Of an event, in the fastest round and in the one in the middle.
    pub fastest_ns: u64,
    pub median_ns: u64,
    /// Linear memory at the end.
    pub memory: usize,
    pub faults: u64,
}

/// Runs for about so long. `clock` is the time since any moment.
///
/// # Errors
/// The module doesn't start.
pub fn measure(
    loaded: &Loaded,
    cases: &[Case],
    take: Duration,
    clock: &dyn Fn() -> Duration,
) -> Result<Measured, Refused> {
    let mut scenes = Vec::new();
    for case in cases {
        let batches: Vec<Batch> =
            case.batches(&loaded.manifest).iter().map(filled).filter(|batch| batch.rows() > 0).collect();
        scenes.push((loaded.of(case)?, batches));
    }
    let mut measured = Measured::default();
    let mut rounds = Vec::new();
    let started = clock();
    while rounds.len() < *ROUNDS.start() as usize || (clock() - started < take && rounds.len() < *ROUNDS.end() as usize)
    {
        let (mut events, mut findings, mut faults) = (0, 0, 0);
        let before = clock();
        for (module, batches) in &mut scenes {
            for batch in batches {
                let evaluation = module.evaluate(batch);
                events += batch.rows() as u64;
                findings += evaluation.outcome.findings.len() as u64;
                faults += evaluation.failures.len() as u64;
            }
        }
        let took = clock() - before;
        (measured.events, measured.findings, measured.faults) = (events, findings, measured.faults + faults);
        measured.rounds += 1;
        if measured.rounds > WARM_UP {
            rounds.push(took.as_nanos() as u64 / events.max(1));
        }
    }
    rounds.sort_unstable();
    measured.rounds = rounds.len() as u32;
    measured.fastest_ns = rounds.first().copied().unwrap_or_default();
    measured.median_ns = rounds.get(rounds.len() / 2).copied().unwrap_or_default();
    measured.memory = scenes.iter().map(|(module, _)| module.memory_bytes()).max().unwrap_or_default();
    Ok(measured)
}

/// The rows of a batch over and over, until it is as large as the host's: a call has a cost of its own.
fn filled(batch: &Batch) -> Batch {
    let rows = batch.rows();
    if rows == 0 || rows >= ROWS {
        return batch.clone();
    }
    let times = ROWS / rows;
    Batch {
        seqs: (1..=(rows * times) as u64).collect(),
        times_ms: batch.times_ms.repeat(times),
        texts: batch.texts.chunks_exact(rows).flat_map(|column| column.repeat(times)).collect(),
        windows: batch.windows.chunks_exact(rows).flat_map(|column| column.repeat(times)).collect(),
        dict_offsets: batch.dict_offsets.clone(),
        dict_bytes: batch.dict_bytes.clone(),
    }
}
