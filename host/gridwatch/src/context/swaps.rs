//! What is to change in the modules of an organization while it runs: asked of the detect stage, which does it between two batches, and
//! what that stage has done by itself.

use gridwatch_detect::{Module, Relieved};
use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Something to do between two batches.
pub enum Turn {
    /// Puts a version into service.
    Serve {
        module: Box<Module>,
        /// The one before it judges on beside it.
        on_probation: bool,
    },
    /// Takes a module out of service.
    Retire { name: String },
    /// Other modules and rules run in shadow.
    Shadow(BTreeSet<String>),
    /// Brings back the version before one that is on probation.
    Back { name: String },
}

/// It is done.
#[derive(Debug)]
pub struct Turned {
    /// From this sequence number on it holds.
    pub from: u64,
    /// How long evaluation waited for it.
    pub pause: Duration,
    /// Who went, if somebody was brought back.
    pub relieved: Option<Relieved>,
}

/// Something that happened without being asked for.
#[derive(Debug)]
pub enum News {
    RolledBack(Relieved),
    /// A module has stood its probation.
    Confirmed(String),
}

type Turns = VecDeque<(Turn, SyncSender<Turned>)>;

pub struct Swaps {
    /// `None`: nobody takes any more.
    turns: Mutex<Option<Turns>>,
    news: Mutex<Vec<News>>,
}

impl Default for Swaps {
    fn default() -> Self {
        Self { turns: Mutex::new(Some(VecDeque::new())), news: Mutex::default() }
    }
}

impl Swaps {
    /// Asks for something. The answer comes when it is done; if never, the stage has ended.
    pub fn ask(&self, turn: Turn) -> Receiver<Turned> {
        let (done, answer) = sync_channel(1);
        if let Some(turns) = &mut *self.turns.lock().unwrap_or_else(PoisonError::into_inner) {
            turns.push_back((turn, done));
        }
        answer
    }

    /// The stage ends: whoever waits hears of it.
    pub fn close(&self) {
        *self.turns.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The next thing to do.
    pub fn next(&self) -> Option<(Turn, SyncSender<Turned>)> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.pop_front()
    }

    pub fn tell(&self, news: News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
    }

    pub fn news(&self) -> Vec<News> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
