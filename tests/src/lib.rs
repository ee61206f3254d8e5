//! What the integration tests share. The tests themselves are in `tests/tests`, misbehaving guests in `tests/guests`.

pub mod about;
pub mod chaos;
pub mod detection;
pub mod disk;
pub mod duckdb;
pub mod guests;
pub mod host;
pub mod labelled;
pub mod logs;
pub mod mmdb;
pub mod raw;
pub mod receiver;
pub mod served;
pub mod shim;
pub mod sim;
pub mod web;

/// The kinds of entity that Slack is known to log, none at all, and one that nobody knows.
pub const KINDS: [&str; 22] = [
    "user",
    "workspace",
    "enterprise",
    "channel",
    "file",
    "app",
    "usergroup",
    "message",
    "workflow",
    "workflow_v2",
    "barrier",
    "role",
    "account_type_role",
    "huddle",
    "canvas",
    "list",
    "template",
    "legal_hold_policy",
    "function",
    "external_auth_oauth2_token",
    "",
    "made_up",
];
