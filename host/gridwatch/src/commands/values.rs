//! Values on the command line: how each is written, and what to say of one that isn't.

use crate::config::Since;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Severity, parse_span};
use gridwatch_names::suggest::did_you_mean;
use gridwatch_views::View;

/// # Errors
/// The views that there are.
pub fn view(text: &str) -> Result<View, String> {
    let names = || View::ALL.map(View::name).join(", ");
    View::ALL.into_iter().find(|view| view.name() == text).ok_or_else(|| format!("the views are {}", names()))
}

/// # Errors
/// The severities that there are.
pub fn severity(text: &str) -> Result<Severity, String> {
    let names = Severity::ALL.map(|severity| severity.name().to_lowercase());
    let found = Severity::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let near = did_you_mean(&text.to_lowercase(), names.iter().map(String::as_str));
        let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        format!("{near}there are {}", names.join(", "))
    })
}

/// A link of a chain.
///
/// # Errors
/// How one is written.
pub fn link(text: &str) -> Result<(u64, String), String> {
    let link = text.split_once(':').and_then(|(number, hash)| Some((number.parse().ok()?, hash.to_owned())));
    link.ok_or_else(|| "write NUMBER:HASH, as heartbeats and records of the trail have them".to_owned())
}

/// # Errors
/// How a time or a span is written.
pub fn since(text: &str) -> Result<Since, String> {
    match parse_span(text).filter(|_| text.is_ascii()) {
        Some(seconds) => Ok(Since::Ago(seconds)),
        None => time(text).map(Since::At).map_err(|problem| format!("{problem}, or a span such as 24h or 7d")),
    }
}

fn time(text: &str) -> Result<UnixSeconds, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixSeconds(seconds));
    }
    let stamp: jiff::Timestamp =
        text.parse().map_err(|_| "write 2026-11-01T00:00:00Z or seconds since 1970".to_owned())?;
    u64::try_from(stamp.as_second()).map(UnixSeconds).map_err(|_| "before 1970".to_owned())
}
