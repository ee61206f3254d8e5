//! What gridwatch says of itself: the status, the verdict on it, the log, metrics and probes.

pub mod actions;
mod gauges;
pub mod health;
pub mod ledger;
pub mod log;
pub mod metrics;
pub mod progress;
pub mod server;
pub mod service;
pub mod status;
