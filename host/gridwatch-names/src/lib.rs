//! Names that others have given, as tables: Slack's actions, entity types and Web API methods, MITRE's techniques.
//!
//! Whatever gridwatch reads or is told to look for is checked against them. The crate needs none of the others: a module's build
//! script compiles it, and what reads a manifest, and nothing else of the host.

pub mod attack;
pub mod catalogue;
mod known;
pub mod method;
pub mod suggest;
