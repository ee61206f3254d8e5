//! The pure core of gridwatch: no clock, no IO, no environment, no ambient randomness.
//!
//! Everything here is data in, data out, so that a million simulated hours run in a test and a replay repeats itself
//! byte for byte. It names neither tokio nor HTTP, neither sled nor wasmtime.

pub mod catalogue;
pub mod entry;
pub mod event;
pub mod time;
pub mod field;
pub mod manifest;
pub mod state;
pub mod stub;
pub mod windows;
pub mod alert;
pub mod batch;
pub mod directory;
pub mod finding;
pub mod pipeline;
