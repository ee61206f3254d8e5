//! `gridwatch alerts ack`, `note` and `close`: what a person does about an alert, said to the gridwatch that runs, or written down where none does.

use super::respond::Wrong;
use super::state::State;
use crate::acts::{self, Done};
use crate::app::{lifetime, open};
use crate::clock::Clock;
use crate::config;
use crate::context::Paths;
use crate::control::{self, NotRunning, Order, Request};
use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use gridwatch_rules::handling::{Act, Reason, What};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

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

/// How often, and how long, a gridwatch that starts or ends is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: u32 = 100;

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

/// Notes an act, by whoever has the store: the gridwatch that runs, or else this process. One that starts or ends takes no orders and is waited
/// for.
///
/// # Errors
/// There is no such alert, or it can't be saved.
pub fn note(state_dir: &Path, alert: &str, act: &Act) -> Result<Done> {
    let Act { by, what, text, .. } = act.clone();
    let order = Order::Act { alert: alert.to_owned(), by, what, text };
    let request = Request { v: control::VERSION, org: None, order };
    let paths = Paths::of(state_dir);
    for _ in 0..LOOKS {
        match control::ask(state_dir, &request) {
            Err(error) if error.is::<NotRunning>() => {}
            said => return Ok(serde_json::from_value(said?)?),
        }
        if !paths.store.is_dir() {
            bail!(
                "gridwatch has not run on state_dir {} yet\nhint: name the `state_dir` of the configuration",
                state_dir.display()
            );
        }
        if let Some(_held) = lifetime::hold(&paths)? {
            return acts::note_in(&open::at_rest(&paths)?, alert, act.clone());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!(
        "the gridwatch on state_dir {} is starting or ending, and takes no orders yet\nhint: say it again when `gridwatch status` says \
         that it runs",
        state_dir.display()
    )
}
