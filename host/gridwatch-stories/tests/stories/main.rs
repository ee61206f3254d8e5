//! The generator as its users meet it.

mod benchmark;
mod extension;
mod org;
mod shapes;
mod unchanged;
