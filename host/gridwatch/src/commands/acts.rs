//! `gridwatch alerts ack`, `note` and `close`: what a person does about an alert, said to the gridwatch that runs, or written down where none does.

use super::recorded;
use super::respond::Wrong;
use super::state::State;
use crate::acts::{self, Done};
use crate::clock::Clock;
use crate::config;
use crate::control::{Order, Request};
use crate::store::Store;
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use gridwatch_rules::handling::{Act, Reason, What};
use std::io::Write;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Acknowledge an alert: somebody is at it. Of a closed one: it is open again.
    Ack {
        #[command(flatten)]
        which: Which,
        /// What there is to say about it.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        text: String,
    },
    /// Note something about an alert; where it stands doesn't change.
    Note {
        #[command(flatten)]
        which: Which,
        /// The note.
        text: String,
    },
    /// Close an alert, with what it turned out to be. Another finding opens it again.
    Close {
        #[command(flatten)]
        which: Which,
        /// What it turned out to be.
        #[arg(long, value_enum)]
        reason: Turned,
        /// What there is to say about it.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        text: String,
    },
}

#[derive(Debug, Args)]
pub struct Which {
    /// The alert's id, or a unique beginning of it.
    alert: String,
    #[command(flatten)]
    state: State,
    /// Who does it; without this, the user who runs the command.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Turned {
    /// It happened, and was not wanted.
    True,
    /// It did not happen: the rule is wrong.
    False,
    /// It happened, and is known and wanted.
    Expected,
}

/// # Errors
/// There is no such alert, it is no act, or it can't be saved.
pub fn run(command: &Command, clock: Clock, out: &mut dyn Write) -> Result<u8> {
    let (which, what, text) = match command {
        Command::Ack { which, text } => (which, What::Acknowledge, text),
        Command::Note { which, text } => (which, What::Note, text),
        Command::Close { which, reason, text } => (which, What::Close(reason.reason()), text),
    };
    let by = which.by.clone().unwrap_or_else(config::operator);
    let act = Act::new(clock.now(), &by, what, text).map_err(|unfit| Wrong(unfit.to_string()))?;
    let Done { alert, is_news } = note(&which.state.dir()?, &which.alert, &act)?;
    let title = &alert.title;
    match is_news {
        true => writeln!(out, "{}: {act}\n  {title}", alert.uid)?,
        false => writeln!(out, "{}: {} by {} already; nothing changed\n  {title}", alert.uid, act.what, act.by)?,
    }
    Ok(0)
}

impl Turned {
    const fn reason(self) -> Reason {
        match self {
            Self::True => Reason::True,
            Self::False => Reason::False,
            Self::Expected => Reason::Expected,
        }
    }
}

/// Notes an act, by whoever has the store.
///
/// # Errors
/// There is no such alert, or it can't be saved.
pub fn note(state_dir: &Path, alert: &str, act: &Act) -> Result<Done> {
    let Act { by, what, text, .. } = act.clone();
    let request = Request::new(None, Order::Act { alert: alert.to_owned(), by, what, text });
    let at_rest = |store: &Store| acts::note_in(store, alert, act.clone(), &recorded::who());
    recorded::by_whoever_has_the_store(state_dir, &request, at_rest)
}
