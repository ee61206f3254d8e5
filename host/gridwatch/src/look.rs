//! What can be looked at in a state folder and in manifests: data, a file for each question. `commands` print it and `web` shows it, so that
//! nothing is on the page that isn't on the command line. Nothing here changes anything.

pub mod alerts;
pub mod coverage;
pub mod detections;
pub mod exceptions;
pub mod foreign;
pub mod now;
pub mod reach;
pub mod running;
pub mod sinks;
