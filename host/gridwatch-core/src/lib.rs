//! The pure core of gridwatch: no clock, no IO, no environment, no ambient randomness.
//!
//! Everything here is data in, data out, so that a million simulated hours run in a test and a replay repeats itself
//! byte for byte. It names neither tokio nor HTTP, neither sled nor wasmtime.

pub mod about;
pub mod alert;
pub mod apps;
pub mod attack;
pub mod basis;
pub mod batch;
pub mod cases;
pub mod catalogue;
pub mod client;
pub mod conduct;
pub mod coverage;
pub mod declared;
pub mod directory;
pub mod distinct;
pub mod drift;
pub mod echo;
pub mod entry;
pub mod event;
pub mod exception;
pub mod field;
pub mod finding;
pub mod fold;
pub mod grant;
pub mod json;
pub mod lookup;
pub mod manifest;
pub mod mention;
pub mod method;
pub mod network;
pub mod organization;
pub mod own;
pub mod pipeline;
pub mod plan;
pub mod poll;
pub mod provisioning;
pub mod response;
pub mod risk;
pub mod roster;
pub mod slip;
pub mod state;
pub mod stub;
pub mod subject;
pub mod time;
pub mod view;
pub mod whose;
pub mod windows;
pub mod zone;
