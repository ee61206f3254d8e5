//! Detection as data in, data out: from events in their order to alerts.
//!
//! Pure: no clock, no IO, no environment, no ambient randomness, so that a replay repeats itself byte for byte. It names neither
//! tokio nor HTTP, neither sled nor wasmtime: a module is whoever answers a batch.

pub mod about;
pub mod alert;
pub mod answer;
pub mod apps;
pub mod audit;
pub mod basis;
pub mod batch;
pub mod builtin;
mod by_action;
pub mod conduct;
pub mod coverage;
pub mod declared;
pub mod directory;
pub mod distinct;
pub mod echo;
pub mod exception;
pub mod finding;
pub mod fold;
pub mod handling;
pub mod headline;
mod keyed;
pub mod monitor;
pub mod organization;
pub mod pipeline;
pub mod plan;
pub mod reading;
pub mod response;
pub mod risk;
pub mod state;
pub mod stub;
pub mod subject;
pub mod unseen;
pub mod windows;
