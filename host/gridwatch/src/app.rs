//! The running host: opens what there is, starts the stages and the watches, and ends them in order.

pub mod control;
pub mod lifetime;
pub mod open;
pub mod signals;
pub mod starts;
pub mod supervise;
