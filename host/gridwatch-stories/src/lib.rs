//! Audit logs of organizations that don't exist: from a seed, believable, and with labelled attacks.
//!
//! [`generate`] makes days of a small organization, for trying things out and for what a sink shows. [`Benchmark::run`] makes weeks
//! of a larger one with labelled attacks, as a stream: a benchmark for detections, and what exceptions are tried on.
//! [`Benchmark::run_with`] makes it an organization of offices, of homes, or of shared machines, and tells more: attacks that are
//! slow, spread or done in others' names, and ordinary trouble that looks like one. How to add a story stands in [`benchmark`].
//!
//! Pure: the same plan gives the same bytes. Knows nothing of gridwatch's own. Over HTTP, as Slack would serve them, the entries
//! come from `gridwatch-sim`.

pub mod benchmark;
pub mod org;
pub mod wire;

mod catalogue;
mod internet;

pub use benchmark::{Benchmark, Expected, Extension, Facts, Label, Labelled, Labels, Level, Shape, Variant};
pub use catalogue::{action_names, memberships};
pub use internet::{Network, NetworkKind};
pub use org::{Org, OrgPlan, SimEntry, Story, generate};
