//! A module as its author and its operator handle it, from an empty folder to a file that a running gridwatch may serve.
//!
//! ```text
//! scaffold ─► a folder with a manifest, a rule, its cases and the SDK, in Rust, Python or JavaScript
//! names    ─► what the manifest declares, as that language's constants and accessors
//! build    ─► the component, by that language's own tools (reuse: or what they made before)
//! sigma    ─► or of a folder of Sigma rules, without any (feature `run`)
//! file     ─► the module file: the component with its manifest in it
//! key, sign, trust, lock, bundle ─► who made a file, and whether it may serve
//! cases, check, bench            ─► what it does when it runs (feature `run`)
//! ```
//!
//! `gridwatch module …` and `cargo xtask modules` both call it. It prints nothing and reads no clock: what there is to say is returned.

#[cfg(feature = "run")]
pub mod bench;
pub mod build;
pub mod bundle;
#[cfg(feature = "run")]
pub mod cases;
#[cfg(feature = "run")]
pub mod check;
pub mod development;
pub mod digest;
pub mod file;
pub mod key;
pub mod lock;
pub mod names;
mod reuse;
pub mod scaffold;
pub mod schema;
#[cfg(feature = "run")]
pub mod sigma;
pub mod sign;
pub mod trust;
