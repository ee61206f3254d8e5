//! `/_sim/…`: the handle's methods over HTTP, for a simulator that runs as a process of its own.
//!
//! | | |
//! |---|---|
//! | `GET /_sim/truth` | [`crate::Truth`] |
//! | `GET /_sim/stats` | [`crate::Stats`] |
//! | `POST /_sim/entries` | one entry in wire form a line; shows as soon as its `date_create` is reached |
//! | `POST /_sim/faults` | a list of [`crate::Fault`], replacing the present one |
//! | `POST /_sim/people_faults` | the same for `users.info` and `admin.users.list`, numbered for themselves |
//! | `GET /_sim/acts` | what was done through the Web API: a list of [`crate::WebAct`] |
//! | `POST /_sim/web_faults` | the same as `faults` for the Web API |
//! | `POST /_sim/clock` | `{"set_ms":…}` or `{"advance_ms":…}`; refused unless the clock is manual |

use serde::{Deserialize, Serialize};

use super::Shared;
use super::respond::{Answer, ok_false};
use gridwatch_stories::org::SimEntry;

pub(crate) fn answer(shared: &Shared, method: &str, path: &str, body: &[u8]) -> Answer {
    let result = match (method, path) {
        ("GET", "/_sim/truth") => json(&shared.state().truth()),
        ("GET", "/_sim/stats") => json(&shared.state().observed.stats()),
        ("GET", "/_sim/acts") => json(&shared.state().web.acts()),
        ("POST", "/_sim/entries") => add_entries(shared, body),
        ("POST", "/_sim/faults") => set_faults(shared, body),
        ("POST", "/_sim/people_faults") => set_people_faults(shared, body),
        ("POST", "/_sim/web_faults") => set_web_faults(shared, body),
        ("POST", "/_sim/clock") => set_clock(shared, body),
        _ => return Answer::with_status(404, ok_false("bad_endpoint")),
    };
    match result {
        Ok(body) => Answer::ok(body),
        Err(error) => Answer::with_status(400, ok_false(&format!("{error:#}"))),
    }
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// All lines or none.
fn add_entries(shared: &Shared, body: &[u8]) -> anyhow::Result<String> {
    let lines = std::str::from_utf8(body)?.lines().filter(|line| !line.trim().is_empty());
    let entries = lines.map(SimEntry::from_wire).collect::<anyhow::Result<Vec<_>>>()?;
    let added = entries.len();
    shared.state().add(entries);
    Ok(format!(r#"{{"ok":true,"added":{added}}}"#))
}

fn set_faults(shared: &Shared, body: &[u8]) -> anyhow::Result<String> {
    shared.state().faults = serde_json::from_slice(body)?;
    Ok(r#"{"ok":true}"#.into())
}

fn set_people_faults(shared: &Shared, body: &[u8]) -> anyhow::Result<String> {
    shared.state().people_faults = serde_json::from_slice(body)?;
    Ok(r#"{"ok":true}"#.into())
}

fn set_web_faults(shared: &Shared, body: &[u8]) -> anyhow::Result<String> {
    shared.state().web.faults = serde_json::from_slice(body)?;
    Ok(r#"{"ok":true}"#.into())
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Move {
    SetMs(u64),
    AdvanceMs(u64),
}

fn set_clock(shared: &Shared, body: &[u8]) -> anyhow::Result<String> {
    let moved = match serde_json::from_slice(body)? {
        Move::SetMs(ms) => shared.clock.set_ms(ms),
        Move::AdvanceMs(ms) => shared.clock.advance_ms(ms),
    };
    anyhow::ensure!(moved, "this simulator's clock can't be moved");
    Ok(format!(r#"{{"ok":true,"now_ms":{}}}"#, shared.clock.now_ms()))
}
