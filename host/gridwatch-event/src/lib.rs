//! What Slack said: entries, the events made of them, and what can be read in one event alone.
//!
//! Pure: no clock, no IO, no environment, no ambient randomness. What takes more than one event (who somebody is, what is usual,
//! how often) is in `gridwatch-rules`.

pub mod client;
mod content;
pub mod drift;
pub mod entry;
pub mod event;
pub mod grant;
pub mod json;
pub mod lookup;
pub mod mention;
pub mod network;
pub mod org;
pub mod part;
pub mod provisioning;
pub mod range;
pub mod role;
pub mod roster;
pub mod sign_in;
pub mod slices;
mod spans;
pub mod text;
pub mod time;
pub mod traits;
pub mod whose;
pub mod zone;
