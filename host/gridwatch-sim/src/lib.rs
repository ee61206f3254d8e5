//! A local stand-in for Slack's Audit Logs API, and a seeded organization to put behind it.
//!
//! [`Benchmark::run`] makes weeks of a larger organization with labelled attacks, as a stream: a benchmark for detections.
//!
//! [`org::generate`] is pure: the same plan gives the same bytes. [`server::Sim::start`] serves them over real HTTP with the
//! habits of the real API that break pollers: newest first, whole seconds per page, cursors that forget `oldest`, one rate
//! limit for the whole organization, empty 401s. What the public record leaves open is a [`knobs::Knobs`] field; what goes
//! wrong on purpose is a [`faults::Fault`].
//!
//! Of the Web API it has what a poller and a responder need: `oauth.v2.access` for refreshing tokens, `users.info`,
//! `admin.users.list`, `auth.test` and the acts that can be taken back. It does not stand in for SCIM, and never compresses.

pub mod benchmark;
pub mod clock;
pub mod faults;
pub mod knobs;
pub mod org;
pub mod server;

mod catalogue;
mod internet;
mod wire;

pub use benchmark::{Benchmark, Facts, Label, Labelled, Labels, Variant};
pub use catalogue::action_names;
pub use clock::SimClock;
pub use faults::{Fault, FaultKind, When};
pub use internet::{Network, NetworkKind};
pub use knobs::{Knobs, Reread, WebToken};
pub use org::{Org, OrgPlan, SimEntry, Story, generate};
pub use server::{RequestSeen, RunningSim, Sim, SimConfig, Stats, Truth, WebAct};
