//! What gridwatch says of itself: the status, the verdict on it, and the log.

pub mod health;
pub mod log;
pub mod metrics;
pub mod progress;
pub mod status;
