//! What the integration tests share. The tests themselves are in `tests/tests`, misbehaving guests in `tests/guests`.

pub mod detection;
pub mod duckdb;
pub mod guests;
pub mod host;
pub mod sim;
