//! What a command does is noted in the audit trail: by the gridwatch that runs, or by this process where none does.

use crate::app::{lifetime, open};
use crate::clock::Clock;
use crate::config::operator;
use crate::context::Paths;
use crate::control::{self, NotRunning, Order, Request};
use crate::store::Store;
use anyhow::{Result, bail, ensure};
use gridwatch_rules::audit::{Deed, What, Who};
use serde::de::DeserializeOwned;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How often, and how long, a gridwatch that starts or ends is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: u32 = 100;

/// Nothing is there that could be noted anywhere.
#[derive(Debug, thiserror::Error)]
#[error("gridwatch has not run on state_dir {0} yet\nhint: name the `state_dir` of the configuration")]
pub struct NeverRan(String);

/// The user who runs this command.
pub fn who() -> Who {
    let uid = Some(uzers::get_current_uid());
    Who { by: operator(), uid, ..Who::default() }
}

/// What the user who runs this command does.
pub fn deed(clock: Clock, what: What, about: &str) -> Deed {
    Deed::new(clock.now(), what, &who(), about)
}

/// Has something done by whoever has the store: the gridwatch that runs, or else this process. One that starts or ends takes no orders and
/// is waited for.
///
/// # Errors
/// Gridwatch has never run there ([`NeverRan`]), it says why it doesn't do so, or it can't be saved.
pub fn by_whoever_has_the_store<T: DeserializeOwned>(
    state_dir: &Path,
    request: &Request,
    at_rest: impl FnOnce(&Store) -> Result<T>,
) -> Result<T> {
    let (paths, dir) = (Paths::of(state_dir), state_dir.display());
    for _ in 0..LOOKS {
        match control::ask(state_dir, request) {
            Err(error) if error.is::<NotRunning>() => {}
            said => return Ok(serde_json::from_value(said?)?),
        }
        if !paths.store.is_dir() {
            return Err(NeverRan(dir.to_string()).into());
        }
        if let Some(_held) = lifetime::hold(&paths)? {
            is_ours(&paths.store)?;
            return at_rest(&open::at_rest(&paths)?);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!(
        "the gridwatch on state_dir {dir} is starting or ending, and takes no orders yet\nhint: say it again when `gridwatch status` says \
         that it runs"
    )
}

/// What another user writes into a store, even root, gridwatch may not be able to open afterwards.
fn is_ours(store: &Path) -> Result<()> {
    let (owner, own) = (std::fs::metadata(store)?.uid(), uzers::get_effective_uid());
    ensure!(
        owner == own,
        "no gridwatch runs, and its store belongs to another user (uid {owner})\nhint: say it as that user, or start gridwatch first"
    );
    Ok(())
}

/// Notes what is about to be done. Where gridwatch has never run there is no trail yet, and that is said.
///
/// # Errors
/// It can't be saved; then it must not be done.
pub fn record(state_dir: &Path, deed: Deed) -> Result<()> {
    match noted(state_dir, deed) {
        Err(error) if error.is::<NeverRan>() => {
            eprintln!("note: gridwatch has not run there yet, so there is no audit trail that could have this");
            Ok(())
        }
        noted => noted,
    }
}

fn noted(state_dir: &Path, deed: Deed) -> Result<()> {
    let request = Request::new(None, Order::Record { deed: Box::new(deed.clone()) });
    by_whoever_has_the_store(state_dir, &request, |store| store.commit_deed(deed).map(|_| true)).map(|_: bool| ())
}

/// The same of what only reads: it is done also where it can't be noted, and that is said.
pub fn looked(state_dir: &Path, deed: Deed) {
    if let Err(error) = record(state_dir, deed) {
        let error = format!("{error:#}");
        eprintln!("note: the audit trail doesn't have this: {}", error.lines().next().unwrap_or_default());
    }
}
