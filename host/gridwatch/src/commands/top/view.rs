//! What `gridwatch top` shows, and what a key does: from data to a screen, without a terminal.
//!
//! Whatever others wrote is shown so that it can neither hide nor repaint anything; colour says nothing that a word doesn't.

use super::super::show;
use crate::look::foreign;
use crate::look::now::{Extent, Now, Sight, ago, conspicuous, delivered, last_page, read_up_to, waits};
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling::{Reason, Status, What};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::termion::event::Key;
use ratatui::text::{Line, Span};

/// Smaller than this nothing can be shown.
pub const LEAST: (u16, u16) = (40, 10);
/// Characters of what somebody has to say: no more than an act takes.
const MAX_TYPED: usize = 1_000;
/// Of a line, before it is cut to the screen.
const MAX_LINE: usize = 2_000;
/// Alerts that are read at first, and how many more whenever somebody comes near their end.
pub const FIRST: Extent = Extent { most: SOME, older: false };
const SOME: usize = 200;
const NEAR: usize = 30;
/// Lines of each part that isn't the list of alerts.
const MAX_PART: usize = 4;

/// What is looked at.
#[derive(Debug)]
pub struct Top {
    now: Now,
    extent: Extent,
    page: Page,
    /// Which of the open alerts.
    chosen: usize,
    /// Lines of an alert that are above the screen.
    scrolled: usize,
    asked: Option<Asked>,
    /// What came of the last act.
    said: String,
}

#[derive(Debug)]
enum Page {
    Now,
    Alerts,
    /// One alert: its id, and its lines.
    Alert(String, Vec<String>),
}

/// What somebody is being asked for before an act.
#[derive(Debug)]
enum Asked {
    Reason,
    Text(What, String),
}

/// What is to be done beside the screen.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    Leave,
    /// There is more to be shown.
    Look,
    /// Something is to be noted about an alert.
    Act {
        alert: String,
        what: What,
        text: String,
    },
}

impl Top {
    pub const fn new(now: Now) -> Self {
        Self { now, extent: FIRST, page: Page::Now, chosen: 0, scrolled: 0, asked: None, said: String::new() }
    }

    /// Things are as they are now. The alert that is chosen stays chosen, wherever it is in the list.
    pub fn renew(&mut self, now: Now) {
        let chosen = self.alert().map(|alert| alert.uid.clone());
        self.now = now;
        let alerts = &self.now.open.gravest;
        let at = chosen.and_then(|uid| alerts.iter().position(|alert| alert.uid == uid));
        self.chosen = at.unwrap_or(self.chosen.min(alerts.len().saturating_sub(1)));
    }

    /// What is to be read of the open alerts.
    pub const fn extent(&self) -> Extent {
        self.extent
    }

    /// An act came to an end, or didn't.
    pub fn tell(&mut self, done: Result<Alert>) {
        match done {
            Ok(alert) => {
                self.said = alert.handling.acts.last().map(ToString::to_string).unwrap_or_default();
                if let Page::Alert(uid, _) = &self.page
                    && *uid == alert.uid
                {
                    self.page = Page::Alert(alert.uid.clone(), lines_of(&alert));
                }
            }
            Err(error) => self.said = format!("not done: {error:#}"),
        }
    }

    fn alert(&self) -> Option<&Alert> {
        self.now.open.gravest.get(self.chosen)
    }

    /// Whose id an act is about.
    fn about(&self) -> Option<String> {
        match &self.page {
            Page::Alert(uid, _) => Some(uid.clone()),
            Page::Now | Page::Alerts => self.alert().map(|alert| alert.uid.clone()),
        }
    }

    pub fn press(&mut self, key: Key) -> Option<Wish> {
        if let Some(asked) = self.asked.take() {
            return self.answer(asked, key);
        }
        self.said.clear();
        match (key, &self.page) {
            (Key::Char('q') | Key::Ctrl('c'), _) => return Some(Wish::Leave),
            (Key::Esc | Key::Backspace | Key::Left, Page::Alert(..)) => self.turn(Page::Alerts),
            (Key::Esc | Key::Backspace | Key::Left, _) => self.turn(Page::Now),
            (Key::Char('l' | '\t'), Page::Now) => self.turn(Page::Alerts),
            (Key::Char('\n') | Key::Right, Page::Now | Page::Alerts) => {
                let page = self.alert().map(|alert| Page::Alert(alert.uid.clone(), lines_of(alert)));
                page.into_iter().for_each(|page| self.turn(page));
            }
            (Key::Up | Key::Char('k'), page) => return self.step(matches!(page, Page::Alert(..)), -1),
            (Key::Down | Key::Char('j'), page) => return self.step(matches!(page, Page::Alert(..)), 1),
            (Key::PageUp, page) => return self.step(matches!(page, Page::Alert(..)), -10),
            (Key::PageDown | Key::Char(' '), page) => return self.step(matches!(page, Page::Alert(..)), 10),
            (Key::Char('o'), Page::Now | Page::Alerts) => {
                self.extent.older = !self.extent.older;
                return Some(Wish::Look);
            }
            (Key::Char('a'), _) => return self.act(What::Acknowledge, String::new()),
            (Key::Char('n'), _) if self.about().is_some() => self.asked = Some(Asked::Text(What::Note, String::new())),
            (Key::Char('c'), _) if self.about().is_some() => self.asked = Some(Asked::Reason),
            _ => {}
        }
        None
    }

    fn answer(&mut self, asked: Asked, key: Key) -> Option<Wish> {
        match (asked, key) {
            (_, Key::Esc | Key::Ctrl('c')) => {}
            (Asked::Reason, Key::Char(letter)) => {
                let reason = Reason::ALL.into_iter().find(|reason| reason.name().starts_with(letter));
                self.asked =
                    Some(reason.map_or(Asked::Reason, |reason| Asked::Text(What::Close(reason), String::new())));
            }
            (Asked::Text(what, typed), Key::Char('\n')) => return self.act(what, typed),
            (Asked::Text(what, mut typed), Key::Char(letter)) if typed.chars().count() < MAX_TYPED => {
                typed.push(letter);
                self.asked = Some(Asked::Text(what, typed));
            }
            (Asked::Text(what, mut typed), Key::Backspace) => {
                typed.pop();
                self.asked = Some(Asked::Text(what, typed));
            }
            (asked, _) => self.asked = Some(asked),
        }
        None
    }

    fn act(&mut self, what: What, text: String) -> Option<Wish> {
        Some(Wish::Act { alert: self.about()?, what, text })
    }

    fn turn(&mut self, page: Page) {
        (self.page, self.scrolled) = (page, 0);
    }

    fn step(&mut self, scrolls: bool, by: isize) -> Option<Wish> {
        if scrolls {
            self.scrolled = self.scrolled.saturating_add_signed(by);
            return None;
        }
        let shown = self.now.open.gravest.len();
        self.chosen = self.chosen.saturating_add_signed(by).min(shown.saturating_sub(1));
        let is_near = self.chosen + NEAR >= shown && shown == self.extent.most;
        is_near.then(|| {
            self.extent.most += SOME;
            Wish::Look
        })
    }

    /// Draws all of it.
    pub fn draw(&mut self, area: Rect, buffer: &mut Buffer) {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        if area.width < LEAST.0 || area.height < LEAST.1 {
            let line = Line::raw(format!("at least {} columns and {} lines", LEAST.0, LEAST.1));
            buffer.set_line(area.x, area.y, &line, area.width);
            return;
        }
        let room = height - 2;
        let body = match &self.page {
            Page::Now => self.all(room),
            Page::Alerts => self.list(room),
            Page::Alert(_, lines) => {
                let wrapped: Vec<String> = lines.iter().flat_map(|line| wrap(line, width)).collect();
                self.scrolled = self.scrolled.min(wrapped.len().saturating_sub(room));
                wrapped.into_iter().skip(self.scrolled).map(Line::raw).collect()
            }
        };
        for (y, line) in body.iter().take(room).enumerate() {
            buffer.set_line(area.x, area.y + y as u16, line, area.width);
        }
        let (said, keys) = self.foot(width);
        buffer.set_line(area.x, area.y + area.height - 2, &said, area.width);
        buffer.set_line(area.x, area.y + area.height - 1, &keys, area.width);
    }

    /// What is asked for or was said, and what keys do.
    fn foot(&self, width: usize) -> (Line<'static>, Line<'static>) {
        let (said, keys) = match (&self.asked, &self.page) {
            (Some(Asked::Reason), _) => ("close as: (t)rue, (f)alse or (e)xpected?".to_owned(), "Esc leaves it"),
            (Some(Asked::Text(what, typed)), _) => {
                let (asked, room) = (format!("{what}; what is there to say? "), width.saturating_sub(40));
                let end: String = typed.chars().skip(typed.chars().count().saturating_sub(room)).collect();
                (format!("{asked}{end}_"), "Enter does it, Esc leaves it")
            }
            (None, Page::Now) => {
                (self.said.clone(), "↑↓ choose  Enter alert  l list  o older  a ack  n note  c close  q leave")
            }
            (None, Page::Alerts) => {
                (self.said.clone(), "↑↓ choose  Enter alert  o older  a ack  n note  c close  Esc back  q leave")
            }
            (None, Page::Alert(..)) => (self.said.clone(), "↑↓ read on  a ack  n note  c close  Esc back  q leave"),
        };
        (Line::styled(harmless(&said), bold()), Line::styled(keys, dim()))
    }

    fn all(&self, room: usize) -> Vec<Line<'static>> {
        let (mut above, mut below) = (self.verdict(), Vec::new());
        above.extend(self.reading());
        below.extend(self.sinks());
        below.extend(self.modules());
        let mut alerts = self.list(room.saturating_sub(above.len() + below.len()).max(3));
        above.append(&mut alerts);
        above.append(&mut below);
        above
    }

    /// Are we blind, since when, and why?
    fn verdict(&self) -> Vec<Line<'static>> {
        let Now { at, status, health, .. } = &self.now;
        let sight = self.now.sight();
        let colour = match sight {
            Sight::Watching => Color::Green,
            Sight::Partly => Color::Yellow,
            Sight::Blind => Color::Red,
        };
        let mark = Style::new().fg(colour).add_modifier(Modifier::BOLD | Modifier::REVERSED);
        let since = self.now.since().map(|since| format!("  nothing is sure since {since} ({})", ago(*at, since)));
        let process = match status {
            Some(status) if self.now.is_there() => {
                format!("{}, up {}, version {}", health.state.name(), ago(*at, status.started), status.version)
            }
            Some(status) => format!("{}, last heard of {} ago", health.state.name(), ago(*at, status.written)),
            None => health.state.name().to_owned(),
        };
        let mut lines = vec![Line::from(vec![
            Span::styled(format!(" {} ", sight.name().to_uppercase()), mark),
            Span::raw(format!("  {process}{}", since.unwrap_or_default())),
        ])];
        let needs = health.needs.iter().map(|need| Line::styled(format!("needs: {}", harmless(need)), bold()));
        lines.extend(some(needs.collect()));
        lines
    }

    /// Up to when is everything read, and why does it wait?
    fn reading(&self) -> Vec<Line<'static>> {
        let at = self.now.at;
        let orgs = self.now.status.iter().flat_map(|status| &status.orgs);
        let lines = orgs.flat_map(|(org, of_org)| {
            let name = org.name().map(|name| format!("{name}: ")).unwrap_or_default();
            let read = format!("  {name}{}; {}", read_up_to(&of_org.poll, at), last_page(&of_org.poll, at));
            [read].into_iter().chain(waits(&of_org.poll).into_iter().map(|wait| format!("    {}", harmless(&wait))))
        });
        part("Reading", lines.map(Line::raw).collect())
    }

    /// What is open and grave.
    fn list(&self, room: usize) -> Vec<Line<'static>> {
        let open = &self.now.open;
        let counts = open.counts.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(severity, count)| format!("{count} {}", severity.name())).collect();
        let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        let acked = if open.acknowledged > 0 { format!("; {} acknowledged", open.acknowledged) } else { String::new() };
        let older = match (open.older, self.extent.older) {
            (0, _) => String::new(),
            (older, false) => format!("; {older} older"),
            (older, true) => format!("; and {older} older, shown too"),
        };
        let title = format!("Open alerts of 7 days: {counts}{acked}{older}");
        let rows = room.saturating_sub(1).max(1);
        let first = self.chosen.saturating_sub(rows.saturating_sub(1));
        let row = |(n, alert): (usize, &Alert)| row(alert, n == self.chosen, self.now.at);
        let rows = open.gravest.iter().enumerate().skip(first).take(rows).map(row);
        [Line::styled(title, bold())].into_iter().chain(rows).collect()
    }

    /// Who was told?
    fn sinks(&self) -> Vec<Line<'static>> {
        let at = self.now.at;
        let mut sinks: Vec<_> = self.now.status.iter().flat_map(|status| &status.sinks).collect();
        // Whoever lacks something comes first.
        sinks.sort_by_key(|(_, sink)| (sink.error.is_none(), sink.behind == 0));
        let line = |name: &str, sink| Line::raw(format!("  {name}: {}", harmless(&delivered(sink, at))));
        part("Sinks", sinks.into_iter().map(|(name, sink)| line(name, sink)).collect())
    }

    fn modules(&self) -> Vec<Line<'static>> {
        let orgs = || self.now.status.iter().flat_map(|status| status.orgs.values());
        let odd = orgs().flat_map(|org| &org.modules).filter_map(|module| {
            Some(Line::raw(format!("  {}@{}: {}", module.name, module.version, harmless(&conspicuous(module)?))))
        });
        let all: usize = orgs().map(|org| org.modules.len()).sum();
        match odd.collect::<Vec<_>>() {
            odd if odd.is_empty() && all > 0 => vec![Line::styled(format!("Modules: {all} serve"), bold())],
            odd => part("Modules", odd),
        }
    }
}

/// Under its heading; nothing where there is nothing to say.
fn part(heading: &'static str, lines: Vec<Line<'static>>) -> Vec<Line<'static>> {
    match lines.is_empty() {
        true => Vec::new(),
        false => [Line::styled(heading, bold())].into_iter().chain(some(lines)).collect(),
    }
}

/// The first ones, and how many there are beside them.
fn some(mut lines: Vec<Line<'static>>) -> Vec<Line<'static>> {
    let more = lines.len().saturating_sub(MAX_PART);
    if more > 0 {
        lines.truncate(MAX_PART - 1);
        lines.push(Line::styled(format!("  … and {} more: see `gridwatch status`", more + 1), dim()));
    }
    lines
}

fn row(alert: &Alert, is_chosen: bool, at: UnixMillis) -> Line<'static> {
    let colour = match alert.severity {
        Severity::Critical => Color::Magenta,
        Severity::High => Color::Red,
        Severity::Medium => Color::Yellow,
        Severity::Low => Color::Cyan,
        Severity::Informational => Color::DarkGray,
    };
    let severity = alert.severity.name().to_uppercase();
    let (mark, acked) =
        (if is_chosen { '>' } else { ' ' }, if alert.handling.status == Status::Acknowledged { "ack" } else { "" });
    let whole = if is_chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
    let spans = vec![
        Span::raw(format!("{mark} ")),
        Span::styled(format!("{severity:<8.8}"), whole.fg(colour)),
        Span::raw(format!(" {:<11.11} {acked:<3} {}", ago(at, alert.last.millis()), harmless(&alert.title))),
    ];
    Line::from(spans).style(whole)
}

/// What `gridwatch alerts show` prints.
fn lines_of(alert: &Alert) -> Vec<String> {
    let mut text = Vec::new();
    // Memory refuses nothing.
    let _ = show::whole_alert(alert, &mut text);
    let text = String::from_utf8_lossy(&text);
    text.lines().map(|line| harmless(&anstream::adapter::strip_str(line).to_string())).collect()
}

fn harmless(text: &str) -> String {
    foreign::line(text, MAX_LINE)
}

/// In lines of at most so many columns, between words where there are any; those after the first are as far in as the first.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let columns = |text: &str| Span::raw(text).width();
    if columns(text) <= width {
        return vec![text.to_owned()];
    }
    let indent: String = text.chars().take_while(|letter| *letter == ' ').take(width / 2).collect();
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_inclusive(' ') {
        if columns(&line) + columns(word.trim_end()) > width && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, indent.clone()));
        }
        for letter in word.chars() {
            let is_full = columns(&line) + columns(letter.encode_utf8(&mut [0; 4])) > width;
            if is_full && letter == ' ' {
                continue;
            }
            if is_full {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    lines
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

#[cfg(test)]
mod tests;
