//! A batch of rows, and one row of it, as a detection reads them.

use crate::finding::{Finding, Severity};
use crate::lookup;
use std::cell::RefCell;
use std::collections::HashMap;

/// A declared text field, by its position in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Text(pub u32);

/// A declared window, by its position in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(pub u32);

/// A declared rule, by its position in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule(pub u32);

/// Columns as the host sent them: `batch` of `wit/detect.wit`, its texts found and checked to be UTF-8 once, so that
/// reading a field is no more than two look-ups.
#[derive(Debug, Default)]
pub struct Batch<'h> {
    seqs: Vec<u64>,
    times_ms: Vec<u64>,
    /// Column by column: see [`Self::at`].
    texts: Vec<u32>,
    windows: Vec<u64>,
    /// By dictionary id.
    dict: Vec<&'h str>,
    /// Answers of lookups, one per (table, field), for the whole column at once.
    lookups: RefCell<HashMap<(&'static str, Text), Vec<bool>>>,
}

impl<'h> Batch<'h> {
    /// `texts` and `windows` column by column, in the manifest's order. `Err` if the heap is not UTF-8 or cut inside a
    /// character, which no host sends.
    pub fn new(
        seqs: Vec<u64>,
        times_ms: Vec<u64>,
        texts: Vec<u32>,
        windows: Vec<u64>,
        offsets: &[u32],
        heap: &'h [u8],
    ) -> Result<Self, String> {
        let heap = std::str::from_utf8(heap).map_err(|_| "the batch's texts are not UTF-8".to_owned())?;
        let mut dict = Vec::with_capacity(offsets.len());
        for ends in offsets.windows(2) {
            let text = heap.get(ends[0] as usize..ends[1] as usize);
            dict.push(text.ok_or("the batch's offsets are not into its texts")?);
        }
        Ok(Self { seqs, times_ms, texts, windows, dict, lookups: RefCell::default() })
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.seqs.len()).map(|at| Row { batch: self, at })
    }

    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    /// Where a row of a column is in `texts` or `windows`.
    #[inline]
    fn at(&self, column: u32, row: usize) -> usize {
        column as usize * self.len() + row
    }
}

/// When a first- or last-seen window saw its key before this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not within the window's span, and the window has watched long enough to say so.
    Never,
    /// Not so far, but the window is too young to know.
    Learning,
    /// First (or last) at this time, in milliseconds since 1970.
    At(u64),
}

impl Seen {
    pub fn is_never(self) -> bool {
        self == Self::Never
    }

    /// A word for a label: `yes`, `no`, `can't tell yet`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "no",
            Self::Learning => "can't tell yet",
            Self::At(_) => "yes",
        }
    }
}

/// What a baseline window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// The window is too young to know.
    Learning,
    /// So much in one bucket; 0 if the key never did it.
    AtMost(u64),
}

impl Usual {
    /// Is `count` at least `times` the usual, and at least `floor`? Never while learning: what isn't known can't be exceeded.
    pub fn is_exceeded(self, count: u64, times: u64, floor: u64) -> bool {
        match self {
            Self::Learning => false,
            Self::AtMost(usual) => count >= floor && count >= usual.saturating_mul(times),
        }
    }
}

/// What a period holds now, beside what is usual for the same key: three windows that share what they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    pub now: u64,
    pub usual: Usual,
    /// Former periods that the usual is made of.
    pub periods: u64,
}

/// How much it takes at least, however little is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors {
    /// Of a key with at least so many former `periods`.
    pub known: u64,
    /// Of all others, and while the window learns.
    pub unknown: u64,
    pub periods: u64,
}

impl Compared {
    /// Is it at least `times` the usual, as far as that is known, and at least the floor?
    pub fn is_unusual(self, times: u64, floors: Floors) -> bool {
        match self.usual {
            Usual::Learning => self.now >= floors.unknown,
            usual if self.periods < floors.periods => usual.is_exceeded(self.now, times, floors.unknown),
            usual => usual.is_exceeded(self.now, times, floors.known),
        }
    }
}

/// One event, as far as the module asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'b> {
    batch: &'b Batch<'b>,
    at: usize,
}

impl<'b> Row<'b> {
    /// A field's text; "" for absent, null and empty alike.
    #[inline]
    pub fn text(&self, field: Text) -> &'b str {
        self.batch.dict[self.text_id(field) as usize]
    }

    /// A field's dictionary id: equal ids are equal texts, within one batch. 0 is "".
    #[inline]
    pub fn text_id(&self, field: Text) -> u32 {
        self.batch.texts[self.batch.at(field.0, self.at)]
    }

    /// The value that the host's window has for this row.
    #[inline]
    pub fn window(&self, window: Window) -> u64 {
        self.batch.windows[self.batch.at(window.0, self.at)]
    }

    /// The value of a first-seen window.
    pub fn first_seen(&self, window: Window) -> Seen {
        match self.window(window) {
            0 => Seen::Never,
            1 => Seen::Learning,
            ms => Seen::At(ms),
        }
    }

    /// The value of a last-seen window. It says [`Seen::Learning`] only if its manifest gives it `learn`.
    pub fn last_seen(&self, window: Window) -> Seen {
        self.first_seen(window)
    }

    /// The value of a baseline window.
    pub fn usual(&self, window: Window) -> Usual {
        match self.window(window) {
            u64::MAX => Usual::Learning,
            count => Usual::AtMost(count),
        }
    }

    /// The values of three baselines that are alike but for `says`: `now`, `usual` and `periods`.
    pub fn compared(&self, now: Window, usual: Window, periods: Window) -> Compared {
        Compared { now: self.window(now), usual: self.usual(usual), periods: self.window(periods) }
    }

    /// Event time in milliseconds since 1970.
    pub fn time_ms(&self) -> u64 {
        self.batch.times_ms[self.at]
    }

    pub fn seq(&self) -> u64 {
        self.batch.seqs[self.at]
    }

    /// Is the field's text in a table that the configuration fills? Asked once for the whole batch. An ungranted or
    /// missing table holds nothing.
    pub fn is_in(&self, table: &'static str, field: Text) -> bool {
        let mut lookups = self.batch.lookups.borrow_mut();
        let answers = lookups.entry((table, field)).or_insert_with(|| {
            let ids = &self.batch.texts[self.batch.at(field.0, 0)..self.batch.at(field.0 + 1, 0)];
            lookup::contains_many(table, ids, |id| self.batch.dict[id as usize].to_owned())
        });
        answers.get(self.at).copied().unwrap_or(false)
    }

    /// Starts a finding of this row.
    pub fn finding(&self, rule: Rule, severity: Severity) -> Finding {
        Finding::new(self.at as u32, rule, severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_with(value: u64, read: impl Fn(&Row<'_>)) {
        let batch = Batch::new(vec![1], vec![0], vec![], vec![value], &[0, 0], b"").unwrap();
        batch.rows().for_each(|row| read(&row));
    }

    #[test]
    fn windows_say_what_the_hosts_numbers_mean() {
        use gridwatch_rules::windows::{LEARNING, NEVER, NOT_YET};
        let window = Window(0);
        for (value, seen) in [(NEVER, Seen::Never), (LEARNING, Seen::Learning), (5_000, Seen::At(5_000))] {
            row_with(value, |row| assert_eq!((row.first_seen(window), row.last_seen(window)), (seen, seen)));
        }
        for (value, usual) in [(NOT_YET, Usual::Learning), (0, Usual::AtMost(0)), (1, Usual::AtMost(1))] {
            row_with(value, |row| assert_eq!(row.usual(window), usual));
        }
    }

    #[test]
    fn a_baseline_is_exceeded_by_factor_and_floor() {
        assert!(Usual::AtMost(10).is_exceeded(50, 5, 30) && !Usual::AtMost(10).is_exceeded(49, 5, 30));
        assert!(Usual::AtMost(0).is_exceeded(30, 5, 30) && !Usual::AtMost(0).is_exceeded(29, 5, 30));
        assert!(!Usual::Learning.is_exceeded(u64::MAX, 1, 1));
    }

    #[test]
    fn the_floor_sinks_where_the_usual_is_known() {
        let floors = Floors { known: 30, unknown: 100, periods: 3 };
        let is_unusual = |now, usual, periods| Compared { now, usual, periods }.is_unusual(3, floors);
        assert!(is_unusual(30, Usual::AtMost(5), 3) && !is_unusual(29, Usual::AtMost(5), 3));
        assert!(is_unusual(60, Usual::AtMost(20), 3) && !is_unusual(59, Usual::AtMost(20), 3));
        assert!(is_unusual(100, Usual::AtMost(5), 2) && !is_unusual(99, Usual::AtMost(5), 2));
        assert!(is_unusual(100, Usual::Learning, 9) && !is_unusual(99, Usual::Learning, 9));
        assert!(!is_unusual(119, Usual::AtMost(40), 2) && is_unusual(120, Usual::AtMost(40), 2));
    }

    #[test]
    fn what_is_compared_comes_from_three_windows() {
        let batch = Batch::new(vec![1], vec![0], vec![], vec![7, u64::MAX, 2], &[0, 0], b"").unwrap();
        let compared = batch.rows().next().unwrap().compared(Window(0), Window(1), Window(2));
        assert_eq!(compared, Compared { now: 7, usual: Usual::Learning, periods: 2 });
    }
}
