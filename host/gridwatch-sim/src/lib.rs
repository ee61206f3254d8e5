//! A local stand-in for Slack's Audit Logs API, in front of an organization from `gridwatch-stories`.
//!
//! [`server::Sim::start`] serves its entries over real HTTP with the habits of the real API that break pollers: newest first,
//! whole seconds per page, cursors that forget `oldest`, one rate limit for the whole organization, empty 401s. What the public
//! record leaves open is a [`knobs::Knobs`] field; what goes wrong on purpose is a [`faults::Fault`].
//!
//! Of the Web API it has what a poller and a responder need: `oauth.v2.access` for refreshing tokens, `users.info`,
//! `admin.users.list`, `auth.test` and the acts that can be taken back. It does not stand in for SCIM, and never compresses.

pub mod clock;
pub mod faults;
pub mod knobs;
pub mod server;

mod catalogue;

pub use clock::SimClock;
pub use faults::{Fault, FaultKind, When};
pub use knobs::{Knobs, Reread, WebToken};
pub use server::{RequestSeen, RunningSim, Sim, SimConfig, Stats, Truth, WebAct};
