//! Everything that is said to Slack over HTTP.

pub mod http;
pub mod logs;
pub mod public_lists;
pub mod token;
pub mod web_api;
