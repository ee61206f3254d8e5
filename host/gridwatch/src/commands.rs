//! The commands, one file each: what its arguments mean, and what it does. None knows another but for what it prints or reads alike.

pub mod alerts;
pub mod check;
pub mod coverage;
pub mod demo;
pub mod detections;
pub mod exceptions;
pub mod explain;
mod live;
pub mod manual;
pub mod module;
pub mod normalize;
pub mod replay;
pub mod respond;
pub mod run;
pub mod schema;
mod show;
pub mod sim;
pub mod state;
pub mod status;
pub mod tune;
pub mod values;

/// Something went wrong that trying again may mend.
pub const FAILED: u8 = 1;
/// What was said makes no sense: arguments, configuration, modules.
pub const WRONG: u8 = 2;
