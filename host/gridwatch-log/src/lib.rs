//! A log: records that are appended once and found again by their number.
//!
//! A log is a row of files in a folder, its segments, each named after its first record: `<name>-<number, 20 digits>.log`. A segment is a
//! header and blocks; a block is some records compressed together ([`format`]). Whoever keeps the log's [`End`] in a place of its own, with what
//! else belongs to the same change, has a commit: [`Log::write`], save the end, [`Log::keep`].
//!
//! Promises:
//! - What [`Log::write`] returned for outlasts a power cut. Opened again with a saved [`End`], a log holds exactly what it held then: what
//!   comes after is cut off.
//! - Damage is an error that names the file and the place: a checksum that is wrong, a file that is too short, a segment that is missing,
//!   numbers that don't follow each other. A record is never passed over in silence, and never given out changed.
//! - A log that goes on beyond its saved end by more than one change isn't cut: then the end is an old one ([`LogError::Ahead`]).
//! - Reading ([`Reader`]) takes no lock and changes nothing; it may go on in another process beside the one that writes.
//!
//! It reads no clock, keeps no lock, and doesn't know what a record is. A record has a *key* beside its bytes, a time as a rule, so that
//! blocks of other times needn't be unpacked.

pub mod disk;
mod error;
mod format;
mod log;
mod reader;

#[cfg(test)]
mod tests;

pub use error::LogError;
pub use format::{Segment, name_of};
pub use log::{End, Log, Settings};
pub use reader::{Block, Reader, Record, is_there};
