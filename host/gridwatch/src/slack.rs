//! Everything that is said to Slack over HTTP.

pub mod logs;
pub mod public_lists;
pub mod token;
pub mod web_api;
