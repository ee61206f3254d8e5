//! The generator as its users meet it.

mod benchmark;
mod org;
