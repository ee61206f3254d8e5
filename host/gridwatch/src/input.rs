//! Entries from files, in whatever form people have them: one a line, lists, saved pages, pretty-printed; packed; in UTF-16; our own
//! event files; exports of a SIEM.
//!
//! Nothing is passed over in silence. What isn't an entry is counted with its place, and an input without any entry is told:
//! whoever replays after an incident must not take a file that wasn't understood for an all-clear. Memory is bounded by the
//! longest single value, not by the file.

mod decode;
mod frame;
mod shape;

use anyhow::{Context, Result};
use decode::{Decoded, decoded};
use foldhash::quality::RandomState;
use frame::Pieces;
use gridwatch_event::entry::{Entry, Mark};
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_rules::organization::Organization;
use shape::Found;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Places of what is no entry that are named; the others are counted.
const PLACES: usize = 5;
/// Ids that are remembered to count those that come again: 16 MB or so.
const MAX_IDS: usize = 1_000_000;
/// Bytes of lines that are looked at as one text, so that their entries share it; less where one was no entry, for what is behind
/// it is looked at again.
const MAX_LINES: usize = 64 << 10;
const MIN_LINES: usize = 4 << 10;
/// Files of a folder.
const MAX_FILES: usize = 100_000;

/// What comes out of an input.
#[derive(Clone, Debug)]
pub enum Given {
    Entry(Entry),
    /// No entry; as it would be kept.
    Odd(Entry),
}

/// What an input was made of.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub entries: u64,
    /// Entries whose id was there before.
    pub again: u64,
    pub first: Option<UnixSeconds>,
    pub last: Option<UnixSeconds>,
    /// Alerts of gridwatch's.
    pub alerts: u64,
    /// Events of gridwatch's without Slack's bytes.
    pub bare: u64,
    /// Values that are no entry, and where the first of them stand.
    pub odd: u64,
    pub places: Vec<String>,
    /// What entries were unwrapped from.
    pub unwrapped: BTreeMap<&'static str, u64>,
    /// Entries with a mark, by what is odd about them.
    pub marked: BTreeMap<Mark, u64>,
    /// What couldn't be read to its end, and inputs without an entry; each with its hint.
    pub problems: Vec<String>,
    /// Files of folders that are no text.
    pub passed: Vec<String>,
}

/// The entries of one input after the other.
pub struct Entries {
    inputs: VecDeque<Input>,
    open: Option<Open>,
    ready: VecDeque<Given>,
    /// Hashes of those seen, unless who asks counts by itself what comes again.
    ids: Option<HashSet<u64, RandomState>>,
    /// Bytes of lines to look at as one text.
    lines_at_once: usize,
    report: Report,
    /// With alerts given too, for those that ask for them.
    alerts: Option<VecDeque<Vec<u8>>>,
}

/// A file, or the files of a folder.
struct Input {
    path: PathBuf,
    files: VecDeque<PathBuf>,
    is_folder: bool,
    before: Counts,
}

struct Open {
    name: String,
    pieces: Pieces<Box<dyn Read>>,
}

/// What an input had found, to see what the next adds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    entries: u64,
    alerts: u64,
    bare: u64,
    odd: u64,
}

impl Entries {
    /// Of files and folders; `-` is standard input. Says at once what isn't there.
    ///
    /// # Errors
    /// A file or folder isn't there.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let inputs = paths.iter().map(|path| Input::of(path)).collect::<Result<_>>()?;
        Ok(Self { inputs, ..Self::empty() })
    }

    fn empty() -> Self {
        Self {
            inputs: VecDeque::new(),
            open: None,
            ready: VecDeque::new(),
            ids: Some(HashSet::default()),
            lines_at_once: MAX_LINES,
            report: Report::default(),
            alerts: None,
        }
    }

    /// Without counting what comes again.
    pub fn without_ids(mut self) -> Self {
        self.ids = None;
        self
    }

    /// Of what is in memory.
    pub fn of(text: &str) -> Self {
        let pieces = Pieces::new(Box::new(std::io::Cursor::new(text.as_bytes().to_vec())) as Box<dyn Read>);
        Self { open: Some(Open { name: String::new(), pieces }), ..Self::empty() }
    }

    /// What it was made of, as far as it was read.
    pub fn report(&self) -> &Report {
        &self.report
    }

    pub fn into_report(self) -> Report {
        self.report
    }

    /// Reads until something is ready; false at the end.
    fn fill(&mut self) -> bool {
        while self.ready.is_empty() && self.alerts.as_ref().is_none_or(VecDeque::is_empty) {
            let Some(open) = &mut self.open else {
                if self.advance() {
                    continue;
                }
                return false;
            };
            // Nearly every line of nearly every file is an entry as Slack wrote it, and needs no second look.
            if let Some(lines) = open.pieces.whole_lines(self.lines_at_once) {
                let valid = std::str::from_utf8(lines).map_or_else(|error| error.valid_up_to(), str::len);
                let whole = memchr::memrchr(b'\n', &lines[..valid]).map_or(0, |end| end + 1);
                let text = std::str::from_utf8(&lines[..whole]).unwrap_or_default();
                let (entries, taken) = Entry::lines_as_written(text);
                let is_all = taken == lines.len();
                open.pieces.take_lines(taken);
                // What isn't taken is read again.
                self.lines_at_once = if is_all { MAX_LINES.min(self.lines_at_once * 2) } else { MIN_LINES };
                let is_some = !entries.is_empty();
                entries.into_iter().for_each(|entry| self.take_entry(entry, None));
                if is_some {
                    continue;
                }
            }
            let Some(open) = &mut self.open else { continue };
            match open.pieces.next() {
                Some(piece) => {
                    let place = piece.place;
                    shape::found(piece).into_iter().for_each(|found| self.take(found, &place));
                }
                None => self.close(),
            }
        }
        true
    }

    fn take(&mut self, found: Found, place: &frame::Place) {
        let report = &mut self.report;
        match found {
            Found::Alert(json) => {
                report.alerts += 1;
                if let Some(alerts) = &mut self.alerts {
                    alerts.push_back(json);
                }
            }
            Found::Bare => report.bare += 1,
            Found::Odd(entry) => {
                report.odd += 1;
                if report.places.len() < PLACES {
                    let file = self.open.as_ref().map(|open| open.name.as_str()).unwrap_or_default();
                    report.places.push(format!("{file}{place}"));
                }
                self.ready.push_back(Given::Odd(entry));
            }
            Found::Entry(entry, from) => self.take_entry(entry, from),
        }
    }

    fn take_entry(&mut self, entry: Entry, from: Option<&'static str>) {
        self.report.count(&entry, from);
        if let Some(ids) = &mut self.ids {
            let id = ids.hasher().hash_one(entry.id());
            if ids.contains(&id) {
                self.report.again += 1;
            } else if ids.len() < MAX_IDS {
                ids.insert(id);
            }
        }
        self.ready.push_back(Given::Entry(entry));
    }

    fn close(&mut self) {
        let Some(Open { name, pieces }) = self.open.take() else { return };
        if let Some(failure) = pieces.failure() {
            let name = name.trim_end_matches([' ', ':']);
            self.report.problems.push(format!("{name} {failure}\nhint: what comes after that was not read"));
        }
    }

    /// Opens the next file; false if there is none.
    fn advance(&mut self) -> bool {
        let Some(input) = self.inputs.front_mut() else { return false };
        let (is_folder, path) = (input.is_folder, input.path.clone());
        match input.files.pop_front() {
            Some(file) => self.start(&file, is_folder),
            None => {
                let before = self.inputs.pop_front().map(|input| input.before).unwrap_or_default();
                let now = self.report.counts();
                if now.entries == before.entries && !self.report.is_reported(&path) {
                    self.report.problems.push(nothing(&path, before, now));
                }
                if let Some(next) = self.inputs.front_mut() {
                    next.before = now;
                }
            }
        }
        true
    }

    fn start(&mut self, file: &Path, is_folder: bool) {
        let opened = match file == Path::new("-") {
            true => Ok(Box::new(std::io::stdin()) as Box<dyn Read>),
            false => std::fs::File::open(file).map(|file| Box::new(file) as Box<dyn Read>),
        };
        let name = named(file);
        match opened.and_then(decoded) {
            Ok(Decoded::Text(text)) => self.open = Some(Open { name: format!("{name} "), pieces: Pieces::new(text) }),
            Ok(Decoded::Foreign(foreign)) if is_folder => {
                self.report.passed.push(format!("{name} is {}", foreign.what))
            }
            Ok(Decoded::Foreign(foreign)) => {
                self.report
                    .problems
                    .push(format!("{name} is {}, which isn't read\nhint: {}", foreign.what, foreign.hint));
            }
            Err(error) => {
                self.report.problems.push(format!("{name} can't be read: {error}\nhint: nothing of it was taken"))
            }
        }
    }
}

impl Input {
    fn of(path: &Path) -> Result<Self> {
        let can = || format!("can't read {}", path.display());
        let is_folder = path != Path::new("-") && std::fs::metadata(path).with_context(can)?.is_dir();
        let mut files = vec![path.to_owned()];
        if is_folder {
            let all =
                std::fs::read_dir(path).with_context(can)?.take(MAX_FILES).filter_map(|file| Some(file.ok()?.path()));
            let is_hidden =
                |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            files = all.filter(|path| path.is_file() && !is_hidden(path)).collect();
            files.sort();
        } else if path != Path::new("-") {
            std::fs::File::open(path).with_context(can)?;
        }
        Ok(Self { path: path.to_owned(), files: files.into(), is_folder, before: Counts::default() })
    }
}

impl Iterator for Entries {
    type Item = Given;

    fn next(&mut self) -> Option<Given> {
        if self.fill() { self.ready.pop_front() } else { None }
    }
}

/// What an input holds as events, in its order; also what is no entry, as it would be kept. One without a time of its own is as old
/// as the one before it.
pub struct Events {
    entries: Entries,
    seq: u64,
    time: UnixSeconds,
    organization: Organization,
}

impl Events {
    /// # Errors
    /// A file or folder isn't there.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        Ok(Self {
            entries: Entries::open(paths)?,
            seq: 0,
            time: UnixSeconds::default(),
            organization: Organization::default(),
        })
    }

    pub fn into_report(self) -> Report {
        self.entries.report
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (entry, is_odd) = match self.entries.next()? {
            Given::Entry(entry) => (entry, false),
            Given::Odd(entry) => (entry, true),
        };
        self.seq += 1;
        self.time = entry.time.unwrap_or(self.time);
        let mut event = Event::new(self.seq, self.time.millis(), &entry);
        self.organization.place(&mut event);
        if !is_odd {
            self.entries.report.mark(&event);
        }
        Some(event)
    }
}

/// The alerts of gridwatch's in files, as JSON, and what else was there.
///
/// # Errors
/// A file or folder isn't there.
pub fn alerts(paths: &[PathBuf], mut take: impl FnMut(&[u8])) -> Result<Report> {
    let mut entries = Entries::open(paths)?;
    entries.alerts = Some(VecDeque::new());
    while entries.fill() {
        entries.ready.clear();
        entries.alerts.iter_mut().flat_map(|alerts| alerts.drain(..)).for_each(|alert| take(&alert));
    }
    Ok(entries.report)
}

fn named(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.display().to_string() }
}

/// Why an input gave no entry.
fn nothing(path: &Path, before: Counts, now: Counts) -> String {
    let (alerts, bare, odd) = (now.alerts - before.alerts, now.bare - before.bare, now.odd - before.odd);
    let name = named(path);
    let (what, hint) = match (alerts, bare, odd) {
        (0, 0, 0) => (
            "it is empty".to_owned(),
            "entries are JSON objects as Slack's Audit Logs API sends them, one a line or in a list",
        ),
        (0, 0, _) => (
            format!("{} in it, and none is an entry of Slack's audit log", count(odd, "value")),
            "entries are JSON objects with `id`, `date_create` and `action`, one a line or in a list; those in `_raw`, `_source`, \
             `event.original` or `raw_data` are unwrapped",
        ),
        (_, 0, _) => (
            format!("{} gridwatch's alerts", are(alerts, "value in it is one of", "values in it are")),
            "alerts are made of entries: give the file of a sink with events, or the archive with --archive",
        ),
        _ => (
            format!(
                "{} without Slack's own bytes",
                are(bare, "event of gridwatch's in it is", "events of gridwatch's in it are")
            ),
            "they were written with `raw_data = false` or cut; give the archive with --archive",
        ),
    };
    format!("there is no entry in {name}: {what}\nhint: {hint}")
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn are(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

impl Report {
    fn count(&mut self, entry: &Entry, from: Option<&'static str>) {
        self.entries += 1;
        if let Some(time) = entry.time {
            self.reach(time);
        }
        if let Some(from) = from {
            *self.unwrapped.entry(from).or_default() += 1;
        }
    }

    fn reach(&mut self, time: UnixSeconds) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(Some(time));
    }

    /// Counts an entry of the archive.
    pub fn archived(&mut self, time: UnixSeconds) {
        self.entries += 1;
        self.reach(time);
    }

    /// An archive without an entry between the times asked for is a problem too.
    pub fn needs_some(&mut self, archive: &Path) {
        if self.entries == 0 {
            let dir = archive.display();
            self.problems.push(format!(
                "there is no entry in {dir} between these times\nhint: --from and --to go by event time"
            ));
        }
    }

    /// Counts what is odd about an event.
    pub fn mark(&mut self, event: &Event) {
        event.marks.iter().for_each(|mark| *self.marked.entry(*mark).or_default() += 1);
    }

    fn counts(&self) -> Counts {
        Counts { entries: self.entries, alerts: self.alerts, bare: self.bare, odd: self.odd }
    }

    fn is_reported(&self, path: &Path) -> bool {
        self.problems.iter().any(|problem| problem.starts_with(&named(path)))
    }

    /// The same input, with what was counted of its events.
    pub fn with_marks(self, counted: Self) -> Self {
        Self { marked: counted.marked, ..self }
    }

    /// Whether every input was read to its end and had entries.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    /// Says what there was; `odd` is what becomes of values that aren't entries, as in `left out`.
    ///
    /// # Errors
    /// `out` refuses.
    pub fn print(&self, odd: &str, out: &mut dyn Write) -> std::io::Result<()> {
        let span = match (self.first, self.last) {
            (Some(first), Some(last)) => format!(" from {first} to {last}"),
            _ => String::new(),
        };
        let again = if self.again > 0 {
            format!(", {} of them under an id that was there before", self.again)
        } else {
            String::new()
        };
        writeln!(out, "{}{span}{again}", are(self.entries, "entry", "entries"))?;
        for (from, n) in &self.unwrapped {
            writeln!(out, "{} unwrapped from `{from}`", are(*n, "entry was", "entries were"))?;
        }
        for (mark, n) in &self.marked {
            writeln!(out, "warning: {} {}", are(*n, "entry", "entries"), means(*mark))?;
        }
        if self.alerts > 0 {
            writeln!(
                out,
                "{} gridwatch's alerts, which aren't entries",
                are(self.alerts, "value is one of", "values are")
            )?;
        }
        if self.bare > 0 {
            let are = are(self.bare, "event of gridwatch's has", "events of gridwatch's have");
            writeln!(out, "warning: {are} none of Slack's own bytes (`raw_data = false`, or cut) and can't be used")?;
        }
        if self.odd > 0 {
            let more = self.odd - self.places.len() as u64;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let are = are(self.odd, "value is", "values are");
            writeln!(out, "warning: {are} no entry, {odd}: {}{more}", self.places.join(", "))?;
        }
        for passed in &self.passed {
            writeln!(out, "warning: {passed} and was passed over")?;
        }
        for problem in &self.problems {
            writeln!(out, "error: {problem}")?;
        }
        Ok(())
    }
}

fn means(mark: Mark) -> &'static str {
    match mark {
        Mark::NotAnObject => "can't be read as JSON",
        Mark::NoId => "without an id",
        Mark::NoTime => "without a time",
        Mark::NoAction => "without an action",
        Mark::UnknownAction => "with an action that isn't known",
        Mark::UnknownEntity => "with an entity that isn't known",
        Mark::NotUtf8 => "with bytes that are not UTF-8",
        Mark::DatedAhead => "dated ahead of all calendars",
        Mark::DatedBeforeSlack => "dated before there was a Slack",
        Mark::OddText => "with a text that none can be, such as half a character; the rest was read",
        Mark::OddNumber => "with a number that JSON doesn't allow; the rest was read",
        Mark::TooDeep => "nested too deep; the rest was read",
        Mark::Unreadable => "with quotes, brackets or commas that don't fit: what was read may not be all",
        Mark::Version => "that came before with other content",
        Mark::OtherAct => "that came before as another act",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        let id = |given| match given {
            Given::Entry(entry) => entry.id().to_owned(),
            Given::Odd(_) => "odd".to_owned(),
        };
        Entries::of(text).map(id).collect()
    }

    #[test]
    fn entries_come_in_their_order_with_what_is_odd_between_them() {
        let entry = |id: &str| format!(r#"{{"id":"{id}","date_create":1,"action":"user_login"}}"#);
        let [a, b, c] = ["a", "b", "c"].map(entry);
        assert_eq!(ids(&format!("{a}\n\n{b}")), ["a", "b"]);
        assert_eq!(
            ids(&format!("{a}\nnot json\n{{\"id\":\"b\",\n{c}\n[1]\n{b}")),
            ["a", "odd", "odd", "c", "odd", "b"]
        );
        assert_eq!(ids(&format!("[{a},\n17,\n{b}]")), ["a", "odd", "b"]);
    }

    /// Lines are looked at many at once where they are ordinary; it must show in nothing.
    #[test]
    fn how_many_lines_are_looked_at_at_once_shows_in_nothing() {
        let odd = [
            "",
            " ",
            "17",
            "{\"id\":\"o\",",
            "\u{a0}",
            "{\"entries\":[",
            "]}",
            "x{\"id\":1}",
            "{\"a\":\"\u{e9}\"}",
            "}",
        ];
        let mut dice = 5_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for odds in [2, 10, 200] {
            for _ in 0..40 {
                let mut text = Vec::new();
                for at in 0..300 {
                    let entry = format!(r#"{{"id":"{at}","date_create":{},"action":"user_login"}}"#, at + 1);
                    match roll(odds) {
                        0 if roll(4) == 0 => text.extend_from_slice(b"{\"id\":\"\xff\",\"action\":\"x\"}"),
                        0 => text.extend_from_slice(odd[roll(odd.len() as u64) as usize].as_bytes()),
                        _ => text.extend_from_slice(entry.as_bytes()),
                    }
                    text.push(b'\n');
                }
                let read = |lines_at_once: usize| {
                    let pieces = Pieces::new(Box::new(std::io::Cursor::new(text.clone())) as Box<dyn Read>);
                    let open = Some(Open { name: String::new(), pieces });
                    let mut entries = Entries { open, lines_at_once, ..Entries::empty() };
                    let given = |given| match given {
                        Given::Entry(entry) => (entry.raw().to_owned(), true),
                        Given::Odd(entry) => (entry.raw().to_owned(), false),
                    };
                    let all: Vec<(String, bool)> = std::iter::from_fn(|| {
                        if lines_at_once == 0 {
                            entries.lines_at_once = 0; // one by one, always
                        }
                        entries.next()
                    })
                    .map(given)
                    .collect();
                    let mut report = Vec::new();
                    entries.report().print("left out", &mut report).unwrap();
                    (all, String::from_utf8(report).unwrap())
                };
                let one_by_one = read(0);
                assert!(one_by_one == read(MAX_LINES) && one_by_one == read(300), "{}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn what_is_odd_is_told_by_its_first_places() {
        let mut entries = Entries::of(&format!("{}\n{}", r#"{"id":"a","action":"user_login"}"#, "x\n".repeat(9)));
        entries.by_ref().for_each(drop);
        let mut out = Vec::new();
        entries.report().print("left out", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("1 entry\n"), "{text}");
        let odd = "warning: 9 values are no entry, left out: line 2, line 3, line 4, line 5, line 6 and 4 more\n";
        assert!(text.contains(odd), "{text}");
    }
}
