//! `gridwatch top`: what whoever is on duty looks at first, live in a terminal, with keys to go into alerts and say what was done about them.

mod view;

use super::acts;
use super::state::State;
use crate::clock::Clock;
use crate::config;
use crate::history::{Recorded, Watched};
use crate::look::now::{Extent, Now, Open};
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling::Act;
use ratatui::Terminal;
use ratatui::backend::TermionBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::termion::event::Key;
use ratatui::termion::input::TermRead;
use ratatui::termion::raw::IntoRawMode;
use ratatui::termion::screen::IntoAlternateScreen;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use view::{FIRST, Top, Wish};

/// How often it looks again.
const EVERY: Duration = Duration::from_secs(1);
/// What is shown where there is no terminal.
const SIZE: Rect = Rect::new(0, 0, 100, 40);

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    state: State,
}

/// # Errors
/// The state folder can't be read, or the terminal refuses.
pub fn run(options: &Options, clock: Clock) -> Result<u8> {
    let state_dir = options.state.dir()?;
    let mut eyes = Eyes { state_dir: state_dir.clone(), seen: Watched::default(), alerts: HashMap::new() };
    let top = Top::new(eyes.look(clock.now(), FIRST)?);
    match std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        true => live(top, eyes, &state_dir, clock)?,
        false => once(top)?,
    }
    Ok(0)
}

/// One look, as text.
fn once(mut top: Top) -> Result<()> {
    let mut buffer = Buffer::empty(SIZE);
    top.draw(SIZE, &mut buffer);
    let mut out = std::io::stdout().lock();
    let mut lines: Vec<String> = (0..SIZE.height - 2).map(|y| line(&buffer, y)).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    eprintln!(
        "hint: this is one look, for there is no terminal; `gridwatch status` and `gridwatch alerts list --open` print all of it"
    );
    Ok(())
}

fn line(buffer: &Buffer, y: u16) -> String {
    let cells = (0..SIZE.width).filter_map(|x| buffer.cell((x, y)));
    cells.map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
}

/// Reads what there is. The history is read again when it has grown.
struct Eyes {
    state_dir: PathBuf,
    seen: Watched,
    /// Those that were shown last: a record of an alert doesn't change.
    alerts: HashMap<Recorded, Alert>,
}

impl Eyes {
    fn look(&mut self, at: UnixMillis, extent: Extent) -> Result<Now> {
        let (status, health) = crate::look::running::look(&self.state_dir, at)?;
        // There is none before the first start.
        let before = std::mem::take(&mut self.alerts);
        let open = match self.seen.look(&self.state_dir)? {
            Some(history) => Open::read(
                history,
                at,
                extent,
                |_| true,
                |history, row| {
                    let known = before.get(&row.record()).cloned();
                    let alert = known.map_or_else(|| history.alert(row), |known| Ok(Some(known)))?;
                    self.alerts.extend(alert.iter().map(|alert| (row.record(), alert.clone())));
                    Ok(alert)
                },
            )?,
            None => Open::default(),
        };
        Ok(Now { at, status, health, open })
    }
}

/// What the screen waits for.
enum Event {
    Key(Key),
    /// Nobody types any more.
    Closed,
    Done(Box<Result<Alert>>),
}

fn live(mut top: Top, mut eyes: Eyes, state_dir: &Path, clock: Clock) -> Result<()> {
    let screen =
        std::io::stdout().into_raw_mode().context("the terminal can't be prepared")?.into_alternate_screen()?;
    let mut terminal = Terminal::new(TermionBackend::new(screen))?;
    terminal.hide_cursor()?;
    let (say, events) = channel();
    listen(say.clone())?;
    let result = until_left(&mut top, &mut eyes, (&mut terminal, &events, &say), state_dir, clock);
    terminal.show_cursor()?;
    result
}

fn until_left<W: Write>(
    top: &mut Top,
    eyes: &mut Eyes,
    (terminal, events, say): (&mut Terminal<TermionBackend<W>>, &Receiver<Event>, &Sender<Event>),
    state_dir: &Path,
    clock: Clock,
) -> Result<()> {
    loop {
        terminal.draw(|frame| top.draw(frame.area(), frame.buffer_mut()))?;
        match events.recv_timeout(EVERY) {
            Ok(Event::Key(key)) => match top.press(key) {
                None => continue,
                Some(Wish::Leave) => return Ok(()),
                Some(Wish::Look) => {}
                Some(Wish::Act { alert, what, text }) => {
                    let act = Act::new(clock.now(), &config::operator(), what, &text);
                    let (state_dir, say) = (state_dir.to_owned(), say.clone());
                    let work = move || {
                        let done =
                            act.map_err(anyhow::Error::from).and_then(|act| acts::note(&state_dir, &alert, &act));
                        let _ = say.send(Event::Done(Box::new(done.map(|done| *done.alert))));
                    };
                    std::thread::Builder::new().name("act".to_owned()).spawn(work).context("can't start a thread")?;
                    continue;
                }
            },
            Ok(Event::Done(done)) => top.tell(*done),
            Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        top.renew(eyes.look(clock.now(), top.extent())?);
    }
}

/// Hands on what is typed, on a thread that ends with the process.
fn listen(say: Sender<Event>) -> Result<()> {
    let listen = move || {
        for key in std::io::stdin().keys() {
            let Ok(key) = key else { break };
            if say.send(Event::Key(key)).is_err() {
                return;
            }
        }
        let _ = say.send(Event::Closed);
    };
    std::thread::Builder::new().name("keys".to_owned()).spawn(listen).context("can't start a thread")?;
    Ok(())
}
