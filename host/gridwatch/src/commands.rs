//! The commands, one file each: what its arguments mean, and what it does. None knows another but for what it prints or reads alike.

pub mod acts;
pub mod alerts;
pub mod audit;
pub mod authoring;
pub mod backfill;
pub mod backup;
pub mod check;
mod compare;
pub mod compile;
pub mod coverage;
pub mod demo;
pub mod detections;
pub mod exceptions;
pub mod explain;
pub mod gaps;
mod live;
pub mod manual;
pub mod module;
pub mod normalize;
mod period;
pub mod plan;
mod recorded;
pub mod replay;
pub mod respond;
pub mod run;
pub mod schema;
mod show;
pub mod signing;
pub mod sim;
pub mod sink;
pub mod state;
pub mod status;
pub mod top;
pub mod tune;
pub mod values;
pub mod verify;
pub mod watch;
pub mod web;

/// Something went wrong that trying again may mend.
pub const FAILED: u8 = 1;
/// What was said makes no sense: arguments, configuration, modules.
pub const WRONG: u8 = 2;
