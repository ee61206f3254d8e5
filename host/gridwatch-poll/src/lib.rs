//! Polling: what to ask Slack next, and what an answer means, as data.
//!
//! The shell repeats four steps: [`Machine::next`] says what to do, the shell does it, [`Machine::apply`] turns the
//! outcome into a [`Commit`], and the shell saves the commit together with the page's entries in one atomic batch
//! before it calls `next` again. A shell that can't save must stop: the machine has already moved on in memory.
//!
//! Promises:
//! - The watermark moves only when a range has been walked to its end, only forward, and never past the point that both
//!   Slack's clock and ours had reached (less the settle time) when that walk began; a slow one of ours is put right by the
//!   entries shown.
//! - A cursor is only ever sent with the range and the limit it was minted for.
//! - Nothing is skipped: a range that can't be read is restarted, split and retried ever more slowly. A walk that doesn't
//!   show what was seen before is made again.
//! - Every wait, retry, page count and restart has a named maximum. A `Retry-After` is never shortened below that.
//!
//! Invariant: no clock, no IO and no randomness in here; `now` and the outcome are arguments, jitter is a hash.
//!
//! What wall time alone can't tell: whether our clock stepped forward or the host slept. Timers then end early; the
//! watermark is safe either way, because Slack's `Date` decides what was drained. Without one it may get ahead of Slack;
//! then time below it goes on being read.

mod backoff;
mod budget;
mod clock;
mod config;
mod late;
mod ledger;
mod machine;
mod outcome;
mod planner;
mod problem;
mod state;
#[cfg(test)]
mod tests;

pub use backoff::Timer;
pub use budget::{Budget, BudgetLimits};
pub use clock::SlackClock;
pub use config::{InvalidPollConfig, PollConfig, PollSettings, SettingProblem};
pub use late::LateHistogram;
pub use ledger::{Ledger, LedgerDelta, LedgerRange, RangeState, gaps};
pub use machine::{Commit, Drained, Machine, Note, Now, RestartReason, Step, WaitReason};
pub use outcome::{Failed, Failure, Outcome, PageReceived, PageSummary, Request};
pub use problem::Problem;
pub use state::{Lane, OpenRange, PollState, StateError};

/// Longest wait that Slack did not ask for: a clock step or a lost wake-up can't stall polling for longer.
pub const MAX_WAIT_MS: u64 = 300_000;

/// Longest `Retry-After` that is believed. Slack's are seconds; an hour of silence is already an incident.
pub const MAX_RETRY_AFTER_MS: u64 = 3_600_000;

/// Pages of one walk before it counts as endless. At the default limit that is ten million entries in one range.
pub const MAX_PAGES_PER_WALK: u32 = 10_000;

/// Pages in a row with entries that reach no further back in time before a walk counts as stuck: Slack's next page is older.
pub const MAX_STALLED_PAGES: u32 = 5;

/// Empty pages in a row before a walk counts as stuck. Slack docs, pagination: an empty page with a cursor is to be followed.
pub const MAX_EMPTY_PAGES: u32 = 500;

/// Walks in a row that don't show what was seen in the same time before, until Slack is believed. With the delays in between
/// that is a quarter of an hour of new time, and less of old time, which waits for nobody.
pub const DOUBTS_BEFORE_BELIEF: u32 = 20;
pub const DOUBTS_OF_OLD_TIME: u32 = 3;

/// First wait after an account problem; it doubles, as long as the problem lasts, up to what the problem allows.
pub const FIRST_HALT_MS: u64 = 5_000;

/// Failures at one cursor before the cursor itself is suspected and the range restarted.
pub const FAILURES_BEFORE_RESTART: u32 = 5;

/// Restarts of one range between two splits of it.
pub const RESTARTS_BEFORE_SPLIT: u32 = 2;

/// Refusals of an old range in a row before its time is written off as something Slack does not show. A nameless 400 can
/// be an incident of a few minutes; with the growing delays in between this outlasts one.
pub const REFUSALS_BEFORE_GAP: u32 = 8;
