//! What another folder of modules makes of the same entries. One module beside the version that serves is compared by `module backtest`.

use super::{End, Ran, Replay};
use crate::commands::compare::{AlertsById, Said, differences};
use crate::modules::Wanted;
use anyhow::Result;
use gridwatch_rules::exception::Exceptions;
use std::io::Write;
use std::sync::Arc;

/// Writes what the modules of `new` say otherwise than those of `old`; true if that is nothing, and what came of `new`. The
/// exceptions are those of `new` for both.
///
/// # Errors
/// A module fails to start, the archive can't be read, or `out` refuses.
pub fn compare(
    replay: &Replay<'_>,
    old: &Wanted,
    new: &Wanted,
    json: bool,
    out: &mut dyn Write,
) -> Result<(bool, Ran)> {
    let (mut before, mut after) = (AlertsById::new(), AlertsById::new());
    let ran = told(replay, new, None, &mut after)?;
    told(replay, old, Some(ran.exceptions.clone()), &mut before)?;
    let differences = differences(&before, &after);
    for difference in &differences {
        match json {
            true => writeln!(out, "{}", serde_json::to_string(difference)?)?,
            false => difference.write(out)?,
        }
    }
    if !json {
        let count = |change: &str| differences.iter().filter(|difference| difference.change == change).count();
        let (added, lost, changed) = (count("added"), count("lost"), count("changed"));
        writeln!(
            out,
            "{added} added, {lost} lost, {changed} changed; {} alerts before, {} now",
            before.len(),
            after.len()
        )?;
    }
    Ok((differences.is_empty(), ran))
}

fn told(
    replay: &Replay<'_>,
    wanted: &Wanted,
    exceptions: Option<Arc<Exceptions>>,
    told: &mut AlertsById,
) -> Result<Ran> {
    let ran = replay.run(wanted, exceptions, End::AsLive, &mut |alert| {
        let said = Said { rule: alert.rule.clone(), severity: alert.severity, title: alert.title.clone() };
        told.insert(alert.uid.clone(), said);
        Ok(())
    })?;
    ran.troubles.lines().for_each(|line| eprintln!("{}: {line}", wanted.dir.display()));
    Ok(ran)
}
