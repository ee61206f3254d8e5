//! The stages: each reads the store, does one step, and saves it with one function. They share nothing else but a bell.

pub mod deliver;
pub mod detect;
pub mod enrich;
pub mod forgotten;
pub mod poll;
mod reminder;
mod room;
