//! Runs detection modules: untrusted WASM components, each in a box of its own.
//!
//! ```text
//! component file ─► component (is it one? its manifest, its imports: read, not run)
//!                ─► engine    (compiled once, kept in a cache of our own making)
//!                ─► module    (a warm instance; a batch in, findings out; limits, renewal, bisection)
//!                ─► workers   (own threads, so that a module that spins stops nobody else)
//!                ─► detector  (modules that come and go, with the pipeline before and behind them; a new version on probation)
//! ```
//!
//! A module can hurt only itself: no ambient authority, bounded time, memory, stack and output. A trap costs one
//! (module, event): the batch is cut in halves until the event that can't be digested is alone. One that keeps failing,
//! flooding or holding up the others is set aside (`rules::conduct` says when).
//!
//! This is the only crate that names wasmtime. What a batch is and what becomes of findings is the business of `gridwatch-rules`.

pub mod cache;
pub mod component;
pub mod detector;
pub mod engine;
pub mod kept;
pub mod limits;
pub mod module;
pub mod probation;
pub mod workers;

mod host;
mod tail;

pub use component::{Component, Refused};
pub use detector::{Detected, Detector, DetectorConfig, Relieved};
pub use engine::Engine;
pub use limits::Limits;
pub use module::{Evaluation, Module};
pub use workers::Workers;
