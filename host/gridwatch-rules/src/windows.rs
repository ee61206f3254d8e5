//! Windows: the counts that modules declare and the host keeps.
//!
//! A module never counts for itself, so it can be swapped, rolled back or replayed without forgetting anything. State
//! belongs to (module name, window name, window spec), not to a module version: a new version with the same spec inherits
//! the counts, a changed spec starts empty. A threshold that comes from a setting is part of the spec.
//!
//! Time is event time. Each event first reads its values, having fed its own hit, so in the usual order a value says
//! "up to and including this event". A late event reads the densest stretch of `span` seconds that contains it, which is
//! what makes a burst visible whose middle arrives last.
//!
//! | kind | value |
//! |---|---|
//! | count | matching events in the stretch |
//! | distinct | distinct texts of `of` in the stretch |
//! | turns | how often the text of `of` is another than at the event before, in the stretch |
//! | first_seen | milliseconds of the earliest matching event before this one; [`NEVER`], or [`LEARNING`] while it can't know |
//! | last_seen | milliseconds of the newest matching event before this one; [`NEVER`], or [`LEARNING`] if it was told to learn |
//! | sequence | steps completed in order by a chain of at most `span` that includes this event |
//! | baseline | what is usual: a percentile of the counts of the hours, days or periods before the event's own; [`NOT_YET`] while it learns |
//! | baseline that says "now" | the count of the fullest period that contains the event's hour or day |
//! | baseline that says "periods" | how many former periods the usual is made of |
//! | travel | highest speed in km/h from the sighting before this event, or to the one after it; 0 where places are unknown |
//!
//! Whether an event feeds a window can depend on its fields and on what windows declared above say of the same event.
//!
//! Windows are views: an event goes once into what is remembered under each of its keys ([`table`]), and a window's value is read
//! from there when somebody asks. What feeds a window is a [`member`]; windows that are fed alike share it.
//!
//! Memory is bounded: hits a lane (the hits under one key that feed the same windows), values a bucket, keys a kind, bytes in all. A full lane gives
//! up its oldest hits, those first whose values stand again later; a kind with too many keys, and over the common bound the
//! heaviest kind, gives up the keys that were fed longest ago, so that a flood of one kind of event costs the windows that count
//! it. What is dropped, and when, depends on the events alone.

mod counted;
mod identity;
mod kind;
mod member;
mod near;
mod save;
mod seeing;
mod sketch;
mod table;

use crate::by_action::ByAction;
use crate::reading::Reading;
use crate::state::{self, Forgotten, StateOp};
use crate::stub::{PackedStub, Stub};
use counted::Counted;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Conditions, WindowKind, WindowSpec, WindowTest};
use identity::SlotId;
use kind::Sighted;
use member::{Fed, Member, Members, What, Window};
use save::{Header, Journal, Record, SavedWindow, Touch};
use seeing::Seeing;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use table::{Feeding, Key, RowId, Table};

/// Value of a first- or last-seen window: no matching event before this one.
pub const NEVER: u64 = 0;
/// Value of a first- or last-seen window that has not watched for its learning time yet: can't tell.
pub const LEARNING: u64 = 1;
/// Value of a baseline that has not watched for its learning time yet: more than anything, so that nothing exceeds it.
pub const NOT_YET: u64 = u64::MAX;

/// Hits kept in one lane of a key. A count never says more than this: it is "at least" from here on.
pub const MAX_HITS: usize = 4_096;
/// Keys of one kind: of the same fields.
pub const MAX_KEYS: usize = 500_000;
/// Bytes kept for all windows together, as [`Windows::bytes`] estimates them, unless an operator sets another bound.
pub const MAX_TOTAL_BYTES: usize = 1 << 30;
/// How long after its span a hit is still kept for late events (Slack promises no delivery time; re-reads go back 48 h).
pub const LATE_S: u64 = 48 * 3_600;

/// What one window counts. What several count, each of them counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize<'w> {
    pub module: &'w str,
    pub window: &'w str,
    pub keys: usize,
    /// Of a baseline: buckets and the values kept of them.
    pub hits: usize,
}

/// All windows of all modules in service.
#[derive(Debug)]
pub struct Windows {
    /// Each after those that it refers to.
    windows: Vec<Window>,
    members: Members,
    /// Which members an action feeds; emptied when a window comes.
    plans: ByAction<Arc<[Fed]>>,
    table: Table,
    counted: Counted,
    clock: Clock,
    /// Does some window have yet to see its first event?
    unstarted: bool,
    /// What the event that is being fed saw of itself.
    sighted: Vec<Sighted>,
    scratch: Scratch,
    journal: Journal,
    /// Are changes of no interest to anybody?
    saves_nothing: bool,
    /// Is the header that was written last still true?
    has_header: bool,
    /// What hashes begin with, so that nobody can choose texts of the same hash.
    seed: u64,
    /// Rows by their events' numbers, while pages are loaded.
    loaded: HashMap<u64, RowId>,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            windows: Vec::new(),
            members: Members::default(),
            plans: ByAction::default(),
            table: Table::new(MAX_TOTAL_BYTES),
            counted: Counted::default(),
            clock: Clock::default(),
            unstarted: false,
            sighted: Vec::new(),
            scratch: Scratch::default(),
            journal: Journal::default(),
            saves_nothing: false,
            has_header: false,
            seed: 0,
            loaded: HashMap::new(),
        }
    }
}

/// Conditions that are asked of events as they come, worked out beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    tests: Box<[u16]>,
    windows: Box<[WindowTest]>,
}

/// What is worked out for one event, and its buffers.
#[derive(Debug, Default)]
struct Scratch {
    /// Results of tests, by their numbers.
    tests: Vec<Option<bool>>,
    /// Hashes of columns, by their numbers; of nothing, if there is nothing.
    columns: Vec<Option<Option<u64>>>,
    /// The keys of a stage under which something is fed, and what, by their places.
    touched: Vec<(Key, u16)>,
    fed: Vec<(usize, usize)>,
    bits: Vec<u64>,
    /// Columns that the members of a key look at.
    wanted: Vec<u16>,
    touches: Vec<Touch>,
}

/// Newest event time fed, which is what expiry goes by: now, and as of each event since the last settling.
#[derive(Debug, Default)]
struct Clock {
    newest: UnixSeconds,
    settled: UnixSeconds,
    /// Each event that moved it, by its number.
    moved: Vec<(u64, UnixSeconds)>,
}

impl Clock {
    fn see(&mut self, event: &Event) {
        if event.time > self.newest {
            self.newest = event.time;
            self.moved.push((event.seq, event.time));
        }
    }

    fn as_of(&self, seq: u64) -> UnixSeconds {
        let at = self.moved.partition_point(|(moved, _)| *moved <= seq);
        at.checked_sub(1).map_or(self.settled, |at| self.moved[at].1)
    }

    fn settle(&mut self) {
        self.settled = self.newest;
        self.moved.clear();
    }

    fn resume_at(&mut self, newest: UnixSeconds) {
        self.newest = self.newest.max(newest);
        self.settle();
    }
}

impl Windows {
    /// Adds a module's windows. Windows already there (same module name and spec) keep their counts.
    pub fn declare(&mut self, module: &str, specs: &[WindowSpec]) {
        let mut positions = Vec::new();
        for (spec, id) in specs.iter().zip(identity::slot_ids(module, specs)) {
            let position = self.windows.iter().position(|window| window.id == id).unwrap_or_else(|| {
                let spec = spec_at_positions(spec, &positions);
                let window = new_window(id, module, spec);
                self.add(window, &[]);
                self.windows.len() - 1
            });
            positions.push(position);
        }
        self.settle_members();
        self.unstarted = true;
    }

    fn add(&mut self, mut window: Window, known: &[Option<u32>]) {
        self.members.join(&mut window, &self.windows, known);
        self.windows.push(window);
    }

    /// Windows or members are others than before.
    fn settle_members(&mut self) {
        self.plans.clear();
        self.counted.clear();
        self.members.number_fields();
        self.has_header = false;
        let members = &self.members.list;
        self.table.set_lives(|member| life_of(members, member));
    }

    /// Forgets every window but those of these modules, for good.
    pub fn keep_only<'m>(&mut self, modules: impl Iterator<Item = (&'m str, &'m [WindowSpec])>) {
        let wanted: HashSet<SlotId> = modules.flat_map(|(module, specs)| identity::slot_ids(module, specs)).collect();
        let windows = std::mem::take(&mut self.windows);
        let mut moved = Vec::with_capacity(windows.len());
        for window in windows {
            moved.push(self.windows.len());
            if wanted.contains(&window.id) {
                self.windows.push(window);
            }
        }
        // Whatever refers to a window is kept together with it.
        self.windows.iter_mut().for_each(|window| window.spec = Arc::new(spec_at_positions(&window.spec, &moved)));
        self.members.keep_only(&self.windows);
        self.join_again();
        let members = &self.members.list;
        self.table.keep_only(|member| life_of(members, member));
        self.settle_members();
        self.journal.is_outdated = true;
    }

    /// Works out anew what the members of all windows are, which keep their numbers.
    fn join_again(&mut self) {
        for mut window in std::mem::take(&mut self.windows) {
            let known: Vec<Option<u32>> = window.members.iter().copied().map(Some).collect();
            window.members.clear();
            self.add(window, &known);
        }
    }

    /// Sets the bound of all windows together.
    pub fn keep_at_most(&mut self, bytes: usize) {
        self.table.max_bytes = bytes;
    }

    /// Nothing is going to be saved, so changes needn't be written down.
    pub fn save_nothing(&mut self) {
        self.saves_nothing = true;
    }

    /// Sets what hashes begin with: a secret of whoever keeps the state. Before anything is counted or loaded, which brings its own.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Positions of a module's windows here, in the manifest's order.
    pub fn positions(&self, module: &str, specs: &[WindowSpec]) -> Vec<usize> {
        let position = |id| self.windows.iter().position(|window| window.id == id);
        identity::slot_ids(module, specs).into_iter().filter_map(position).collect()
    }

    /// Feeds one event to every window it matches. Call before reading its values.
    pub fn feed(&mut self, reading: &Reading<'_>) {
        let event = reading.event;
        self.clock.see(event);
        self.begin(event);
        let feeding = Feeding { time: event.time, seq: event.seq, newest: self.clock.newest };
        let is_another_hour = self.table.tick(feeding.newest, feeding.seq);
        let has_made_room = self.table.make_room(feeding.seq);
        self.sighted.clear();
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.start(&self.members);
        let (plan, mut row) = (self.plan(event), None);
        for stage in plan.chunk_by(|a, b| a.stage == b.stage) {
            self.decide(stage, reading, &mut scratch);
            let touched = std::mem::take(&mut scratch.touched);
            let all = std::mem::take(&mut scratch.fed);
            for (place, key) in touched.iter().enumerate() {
                let fed = all.iter().filter(|(of, _)| *of == place).map(|(_, at)| &stage[*at]);
                self.touch(*key, fed, (reading, feeding), &mut row, &mut scratch);
            }
            (scratch.touched, scratch.fed) = (touched, all);
        }
        // Also of one that fed nothing, if anything went by it: whoever reads this again has to let it go then, too.
        if !self.saves_nothing && (is_another_hour || has_made_room || !scratch.touches.is_empty()) {
            let row = row.map(|row| self.table.row(row));
            self.journal.write(|to| to.event(feeding, row, &scratch.touches));
        }
        self.scratch = scratch;
    }

    /// Before anything is fed: every window sees the first event that comes, whatever it is.
    fn begin(&mut self, event: &Event) {
        if std::mem::take(&mut self.unstarted) {
            self.windows.iter_mut().for_each(|window| _ = window.since.get_or_insert(event.time));
            self.members.list.iter_mut().for_each(|member| member.has_begun = true);
            self.has_header = false;
        }
        if !self.loaded.is_empty() {
            self.loaded = HashMap::new();
        }
        if !self.saves_nothing && !std::mem::replace(&mut self.has_header, true) {
            let header = self.header();
            self.journal.write(|to| to.header(&header));
        }
    }

    /// Which members of a stage the event feeds, key by key.
    fn decide(&self, stage: &[Fed], reading: &Reading<'_>, scratch: &mut Scratch) {
        scratch.touched.clear();
        scratch.fed.clear();
        let seeing = self.seeing(reading, self.clock.newest);
        for (at, fed) in stage.iter().enumerate() {
            let is_dead = table::is_dead(reading.event.time, fed.life_s, seeing.newest);
            let holds = !is_dead
                && fed.tests.iter().all(|test| scratch.holds(*test, &self.members, reading))
                && fed.windows.iter().all(|test| seeing.holds(test));
            let Some(key) = holds.then(|| seeing.key(fed.key)).flatten() else { continue };
            let place = scratch.touched.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                scratch.touched.push((key, fed.key));
                scratch.touched.len() - 1
            });
            scratch.fed.push((place, at));
        }
    }

    /// Does what an event does under one key.
    fn touch<'f>(
        &mut self,
        (key, kind): (Key, u16),
        fed: impl Iterator<Item = &'f Fed>,
        (reading, feeding): (&Reading<'_>, Feeding),
        row: &mut Option<RowId>,
        scratch: &mut Scratch,
    ) {
        let (mut touch, mut columns) = (Touch { key, kind, ..Touch::default() }, std::mem::take(&mut scratch.wanted));
        columns.clear();
        scratch.bits.clear();
        scratch.bits.resize(self.members.list.len().div_ceil(64), 0);
        let id = self.table.enter(key, kind, feeding.seq);
        for Fed { member, what, columns: looked_at, .. } in fed {
            match what {
                What::Hit => {
                    scratch.bits[*member as usize / 64] |= 1 << (member % 64);
                    columns.extend_from_slice(looked_at);
                }
                What::Seen { span_s } => {
                    let before = self.table.see(id, *member, *span_s, feeding);
                    self.sighted.push(Sighted { seq: feeding.seq, member: *member, key, before });
                    touch.seen.push(*member);
                }
                What::Tally { of, cut } => {
                    let value = of.map(|of| scratch.value(of, &self.members, reading, self.seed));
                    if value != Some(None) {
                        let value = value.flatten();
                        self.table.tally(id, *member, *cut, value, feeding);
                        touch.tallies.push((*member, value));
                    }
                }
            }
        }
        if scratch.bits.iter().any(|word| *word != 0) {
            let row =
                *row.get_or_insert_with(|| self.table.new_row(feeding.seq, PackedStub::of(reading.event), Vec::new()));
            for column in &columns {
                if let Some(value) = scratch.value(*column, &self.members, reading, self.seed) {
                    self.table.add_value(row, *column, value);
                }
            }
            let class = self.class(&scratch.bits);
            self.table.push(id, class, row, feeding);
            touch.class = Some(class);
        }
        self.table.leave(id);
        scratch.wanted = columns;
        if !self.saves_nothing {
            scratch.touches.push(touch);
        }
    }

    fn class(&mut self, bits: &[u64]) -> u32 {
        let members = &self.members.list;
        let life_s = || {
            let set = (0..bits.len() as u32 * 64).filter(|bit| bits[*bit as usize / 64] >> (bit % 64) & 1 != 0);
            set.filter_map(|member| life_of(members, member)).max().unwrap_or(0)
        };
        let (class, is_new) = self.table.number(bits, life_s);
        if is_new && !self.saves_nothing {
            let members = self.table.class(class).members();
            self.journal.write(|to| to.class(class, members));
        }
        class
    }

    /// Conditions to be asked of events, with windows by their positions here. Not to be used any more once windows come or are
    /// loaded.
    pub(crate) fn gate(&mut self, when: &Conditions) -> Gate {
        let tests = self.members.tests_of(&when.fields).into();
        self.members.number_fields();
        Gate { tests, windows: when.windows.clone().into() }
    }

    /// Do the conditions hold for the event that was fed last?
    pub(crate) fn passes(&mut self, gate: &Gate, reading: &Reading<'_>) -> bool {
        let Self { scratch, members, .. } = self;
        scratch.tests.resize(members.tests.len(), None);
        let holds = gate.tests.iter().all(|test| scratch.holds(*test, members, reading));
        holds && {
            let seeing = self.seeing(reading, self.clock.newest);
            gate.windows.iter().all(|test| seeing.holds(test))
        }
    }

    /// Bytes that all of it takes, estimated from above.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// The window's value for the event that was fed last.
    pub fn value(&self, position: usize, reading: &Reading<'_>) -> u64 {
        self.seeing(reading, self.clock.newest).value(position)
    }

    /// The events that made up the value that an event read, oldest first, at most `max` (the newest of them). May be asked
    /// until the changes are taken, also of events that weren't fed last.
    pub fn evidence(&self, position: usize, reading: &Reading<'_>, max: usize) -> Vec<Arc<Stub>> {
        let Some(window) = self.windows.get(position) else {
            return Vec::new();
        };
        let seeing = self.seeing(reading, self.clock.as_of(reading.event.seq));
        let hits = kind::evidence(window, &seeing, max);
        let newest = &hits[hits.len().saturating_sub(max)..];
        newest.iter().map(|hit| self.table.stub(hit.row)).collect()
    }

    fn seeing<'s, 'e>(&'s self, reading: &'s Reading<'e>, newest: UnixSeconds) -> Seeing<'s, 'e> {
        Seeing {
            reading,
            windows: &self.windows,
            members: &self.members,
            table: &self.table,
            counted: &self.counted,
            sighted: &self.sighted,
            newest,
            seed: self.seed,
        }
    }

    /// Rows changed since the last call. What was dropped since then is forgotten for good, also as evidence.
    pub fn take_changes(&mut self) -> Vec<StateOp> {
        self.clock.settle();
        self.table.settle();
        if self.saves_nothing {
            return Vec::new();
        }
        let (mut journal, header) = (std::mem::take(&mut self.journal), self.header());
        let ops = journal.save(|journal| {
            self.has_header = true;
            journal.write(|to| to.header(&header));
            for (number, class) in (0..).zip(self.table.classes()) {
                journal.write(|to| to.class(number, class.members()));
            }
            journal.write(|to| to.clock(self.clock.newest, self.table.hour()));
            for row in self.table.rows() {
                journal.write(|to| to.row(row));
            }
            for held in self.table.in_order() {
                journal.write(|to| to.held(held, &self.table));
            }
        });
        self.journal = journal;
        ops
    }

    fn header(&self) -> Header {
        let window =
            |window: &Window| SavedWindow { id: window.id, since: window.since, members: window.members.clone() };
        Header {
            windows: self.windows.iter().map(window).collect(),
            members: self.members.list.len() as u32,
            keys: self.members.keys.clone(),
            columns: self.members.columns.clone(),
            seed: self.seed,
        }
    }

    /// Puts a saved page back. What it counts for windows that no module declares is kept, in case one does before long.
    ///
    /// # Errors
    /// The page can't be read, and changes nothing: what it says was counted is not known.
    pub fn load(&mut self, page: state::StateRow<'_>) -> Result<(), Forgotten> {
        let not_a_page = || page.forgotten("it isn't a page of the windows");
        self.journal.found(page.id(), page.body().len()).ok_or_else(not_a_page)?;
        let records = save::records(page.body(), page.version()).ok_or_else(not_a_page)?;
        if !self.are_known(&records) {
            return Err(page.forgotten("a page that it builds on is missing"));
        }
        records.into_iter().for_each(|record| self.put_back(record));
        Ok(())
    }

    /// Are all classes that records name told of in them or before?
    fn are_known(&self, records: &[Record]) -> bool {
        let mut classes = self.table.classes().len() as u32;
        records.iter().all(|record| {
            let known = |class: u32| class < classes;
            match record {
                Record::Class { number, .. } => {
                    // The next one, or something in between was lost.
                    let is_next = *number == classes;
                    classes += 1;
                    is_next
                }
                Record::Event { row, touches, .. } => {
                    touches.iter().filter_map(|touch| touch.class).all(|class| row.is_some() && known(class))
                }
                Record::Held(held) => held.classes().all(known),
                Record::Header(_) | Record::Row { .. } | Record::Clock { .. } => true,
            }
        })
    }

    fn put_back(&mut self, record: Record) {
        match record {
            Record::Header(header) => self.resume(header),
            Record::Class { members, .. } => {
                let mut bits =
                    vec![
                        0;
                        self.members.list.len().max(members.iter().max().map_or(0, |m| *m as usize + 1)).div_ceil(64)
                    ];
                members.iter().for_each(|member| bits[*member as usize / 64] |= 1 << (member % 64));
                let list = &self.members.list;
                let life_s = members.iter().filter_map(|member| life_of(list, *member)).max();
                self.table.define(&bits, life_s.unwrap_or(0));
            }
            Record::Clock { newest, hour } => {
                self.clock.resume_at(newest);
                self.table.resume_in(hour);
            }
            Record::Row { seq, stub, values } => {
                let row = self.table.new_row(seq, stub, values);
                self.loaded.insert(seq, row);
            }
            Record::Held(held) => {
                let held = held.restored(&self.loaded, &mut self.table);
                self.table.restore(held);
            }
            Record::Event { feeding, row, touches } => self.feed_again(feeding, row, touches),
        }
    }

    /// Does what an event did.
    fn feed_again(&mut self, feeding: Feeding, row: Option<(PackedStub, Vec<(u16, u64)>)>, touches: Vec<Touch>) {
        self.clock.resume_at(feeding.newest);
        self.table.tick(feeding.newest, feeding.seq);
        self.table.make_room(feeding.seq);
        let row = row.map(|(stub, values)| self.table.new_row(feeding.seq, stub, values));
        for touch in touches {
            let id = self.table.enter(touch.key, touch.kind, feeding.seq);
            for member in touch.seen {
                if let Some(What::Seen { span_s }) = self.what(member) {
                    self.table.see(id, member, span_s, feeding);
                }
            }
            for (member, value) in touch.tallies {
                if let Some(What::Tally { cut, .. }) = self.what(member) {
                    self.table.tally(id, member, cut, value, feeding);
                }
            }
            if let (Some(class), Some(row)) = (touch.class, row) {
                self.table.push(id, class, row, feeding);
            }
            self.table.leave(id);
        }
        self.table.settle();
    }

    fn what(&self, member: u32) -> Option<What> {
        self.members.list.get(member as usize)?.feed.as_ref().map(|feed| feed.what.clone())
    }

    /// Takes over whose the numbers are, as it was saved; windows that weren't there then come after those.
    fn resume(&mut self, header: Header) {
        self.seed = header.seed;
        self.members = Members { keys: header.keys, columns: header.columns, ..Members::default() };
        // A number that no window has is free.
        let is_had = |member: u32| header.windows.iter().any(|window| window.members.contains(&member));
        let had = (0..header.members).map(|member| Member::unknown(is_had(member)));
        self.members.list = had.collect();
        let saved: HashMap<SlotId, SavedWindow> =
            header.windows.into_iter().map(|window| (window.id, window)).collect();
        for mut window in std::mem::take(&mut self.windows) {
            let known = saved.get(&window.id);
            window.since = known.and_then(|saved| saved.since).or(window.since);
            let known: Vec<Option<u32>> =
                known.map(|saved| saved.members.iter().copied().map(Some).collect()).unwrap_or_default();
            self.add(window, &known);
        }
        self.settle_members();
        self.unstarted = true;
    }

    /// Sets the newest event time seen, which is saved by the pipeline.
    pub fn resume_at(&mut self, newest: UnixSeconds) {
        self.clock.resume_at(newest);
    }

    /// The newest event time when this event was fed. May be asked until the changes are taken.
    pub fn newest_as_of(&self, seq: u64) -> UnixSeconds {
        self.clock.as_of(seq)
    }

    pub fn newest(&self) -> UnixSeconds {
        self.clock.newest
    }

    /// What each window counts. Looks at all there is.
    pub fn sizes(&self) -> Vec<WindowSize<'_>> {
        let mut of_members: Vec<(usize, usize)> = vec![(0, 0); self.members.list.len()];
        let mut add = |member: u32, hits: usize| {
            if let Some((keys, all)) = of_members.get_mut(member as usize) {
                (*keys, *all) = (*keys + 1, *all + hits);
            }
        };
        for held in self.table.all() {
            for lane in &held.lanes {
                self.table.class(lane.class).members().for_each(|member| add(member, lane.hits.len()));
            }
            held.seen.iter().for_each(|(member, _)| add(*member, 0));
            held.buckets.iter().for_each(|(member, buckets)| {
                let (buckets, values) = buckets.weight();
                add(*member, buckets + values);
            });
        }
        let size = |window: &'_ Window| {
            let members: HashSet<u32> = window.members.iter().copied().collect();
            let sizes = members.into_iter().map(|member| of_members[member as usize]);
            sizes.fold((0, 0), |(keys, hits), of| (keys.max(of.0), hits + of.1))
        };
        let sized = self.windows.iter().map(|window| (window, size(window)));
        sized
            .map(|(window, (keys, hits))| WindowSize { module: &window.module, window: &window.spec.name, keys, hits })
            .collect()
    }

    fn plan(&mut self, event: &Event) -> Arc<[Fed]> {
        let members = &self.members;
        self.plans.get(event, || members.fed_by(event.action()).into()).clone()
    }
}

impl Scratch {
    fn start(&mut self, members: &Members) {
        self.tests.clear();
        self.tests.resize(members.tests.len(), None);
        self.columns.clear();
        self.columns.resize(members.columns.len(), None);
        self.touches.clear();
    }

    fn holds(&mut self, test: u16, members: &Members, reading: &Reading<'_>) -> bool {
        *self.tests[usize::from(test)].get_or_insert_with(|| members.test_holds(test, reading))
    }

    fn value(&mut self, column: u16, members: &Members, reading: &Reading<'_>, seed: u64) -> Option<u64> {
        *self.columns[usize::from(column)].get_or_insert_with(|| members.column_value(column, reading, seed))
    }
}

/// Tells a module's windows from all others: who declared them, and what exactly each counts.
pub fn identities(module: &str, specs: &[WindowSpec]) -> Vec<u8> {
    identity::slot_ids(module, specs).concat()
}

fn new_window(id: SlotId, module: &str, spec: WindowSpec) -> Window {
    Window {
        id,
        module: module.to_owned(),
        spec: Arc::new(spec),
        members: Vec::new(),
        columns: Vec::new(),
        feed_keys: Vec::new(),
        read_key: None,
        since: None,
    }
}

fn life_of(members: &[Member], member: u32) -> Option<u64> {
    let member = members.get(member as usize)?;
    member.feed.as_ref().map(|_| member.life_s)
}

/// The conditions with the windows they refer to by their positions here instead of in the manifest.
pub(crate) fn at_positions(when: &Conditions, positions: &[usize]) -> Conditions {
    let mut when = when.clone();
    when.windows.iter_mut().for_each(|test| test.window = positions[test.window]);
    when
}

fn spec_at_positions(spec: &WindowSpec, positions: &[usize]) -> WindowSpec {
    let mut spec = WindowSpec { when: at_positions(&spec.when, positions), ..spec.clone() };
    if let WindowKind::Sequence { steps } = &mut spec.kind {
        steps.iter_mut().for_each(|step| step.when = at_positions(&step.when, positions));
    }
    spec
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
