//! A slot: one window of one module, with what it remembers under each key.

use super::baseline::{Buckets, Change, Cut};
use super::hit::{self, Hit, Keep, Near};
use super::journal::{Journal, Row, Value};
use super::row::{self, SlotId};
use super::seen::{Seen, SeenKey};
use super::{Keys, LEARNING, MAX_KEYS, MAX_TOTAL_HITS, NEVER, NOT_YET, Seeing, Stubs, WindowSize, chain, travel};
use crate::state::{self, Forgotten, StateOp, WINDOWS};
use crate::stub::Stub;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Conditions, Saying, SequenceStep, WindowKind, WindowSpec};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: SlotId,
    module: String,
    pub(super) spec: WindowSpec,
    /// Numbers of its keys in [`Keys`]. A sequence's are its steps'.
    feed_keys: Vec<usize>,
    read_key: Option<usize>,
    held: HashMap<Box<str>, Held>,
    /// Hits, buckets and values of all keys.
    weight: usize,
    /// What all of it costs in memory, estimated: see [`cost`].
    bytes: usize,
    pub(super) bounds: Bounds,
    /// What was dropped since the changes were taken: events before that still have it as evidence.
    dropped: HashMap<Box<str>, Vec<Dropped>>,
    /// Time of the first event this window ever saw.
    since: Option<UnixSeconds>,
    /// Rows that changed since the changes were taken.
    dirty: BTreeMap<Vec<u8>, Value>,
    journal: Journal,
}

/// What one window may hold in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) keys: usize,
    pub(super) weight: usize,
}

/// What a window remembers under one key, by its kind.
#[derive(Debug)]
enum Held {
    /// In order of (time, seq).
    Hits(VecDeque<Hit>),
    Seen(SeenKey),
    Buckets(Buckets),
}

/// The steps of a sequence that an event takes under one key, and the values it brings to those that count them.
struct Taken {
    key: Rc<str>,
    /// As bits.
    steps: u64,
    values: Vec<(u8, u64)>,
}

#[derive(Debug)]
struct Dropped {
    /// The event that made it go.
    by: u64,
    hit: Hit,
}

impl Seeing<'_, '_> {
    fn event(&self) -> &Event {
        self.reading.event
    }

    fn hold(&self, when: &Conditions) -> bool {
        when.fields.iter().all(|test| test.holds(&self.reading.text(&test.field)))
            && when.windows.iter().all(|test| {
                let value = self.slots.get(test.window).map_or(0, |slot| slot.value(self));
                says(&test.says, value)
            })
    }
}

fn says(saying: &Saying, value: u64) -> bool {
    match saying {
        Saying::Never => value == NEVER,
        Saying::Learning => value == LEARNING,
        Saying::Seen => value != NEVER && value != LEARNING,
        // Of a baseline that has yet to learn nothing can be said.
        Saying::AtLeast(threshold) => value >= threshold.number && value != NOT_YET,
        Saying::Below(threshold) => value < threshold.number && value != NOT_YET,
    }
}

impl Slot {
    pub(super) fn new(id: SlotId, module: &str, spec: WindowSpec, keys: &mut Keys) -> Self {
        let feed_keys = match &spec.kind {
            WindowKind::Sequence { steps } => steps.iter().map(|step| keys.number(&step.key)).collect(),
            _ => vec![keys.number(&spec.key)],
        };
        Self {
            id,
            module: module.to_owned(),
            read_key: spec.read_key.as_ref().map(|key| keys.number(key)),
            feed_keys,
            spec,
            held: HashMap::new(),
            weight: 0,
            bytes: 0,
            bounds: Bounds { keys: MAX_KEYS, weight: MAX_TOTAL_HITS },
            dropped: HashMap::new(),
            since: None,
            dirty: BTreeMap::new(),
            journal: Journal::default(),
        }
    }

    /// Every window sees the first event that comes, whatever it is: from then on it watches.
    pub(super) fn start(&mut self, event: &Event) {
        if self.since.is_none() {
            self.since = Some(event.time);
            self.dirty.insert(row::START.to_vec(), saying(&event.time));
        }
    }

    pub(super) fn feed(&mut self, seeing: &Seeing<'_, '_>, steps: u64, stub: &mut Option<Arc<Stub>>) {
        let (event, spec) = (seeing.event(), &self.spec);
        if hit::is_dead(event.time, spec.span_s, seeing.newest) || !seeing.hold(&spec.when) {
            return;
        }
        let mut hit = |tag, of| Hit { tag, of, stub: stub.get_or_insert_with(|| Stub::of(event)).clone() };
        let key = || seeing.keys.text(self.feed_keys[0], seeing.reading);
        match &spec.kind {
            WindowKind::Sequence { steps: specs } => {
                for Taken { key, steps, values } in self.taken(seeing, steps, specs) {
                    self.add_hit(&key, hit(steps, values), seeing);
                }
            }
            WindowKind::Count => {
                if let Some(key) = key() {
                    self.add_hit(&key, hit(1, vec![]), seeing);
                }
            }
            WindowKind::Distinct { of } => {
                let text = seeing.reading.text(of);
                if let Some(key) = key().filter(|_| !text.is_empty()) {
                    self.add_hit(&key, hit(row::hash(&text), vec![]), seeing);
                }
            }
            WindowKind::Travel { .. } => {
                if let (Some(key), Some(place)) = (key(), seeing.reading.network().and_then(|n| n.place)) {
                    self.add_hit(&key, hit(travel::tag(place), vec![]), seeing);
                }
            }
            WindowKind::FirstSeen | WindowKind::LastSeen => {
                if let Some(key) = key() {
                    self.see(&key, seeing);
                }
            }
            WindowKind::Baseline { of, .. } => {
                let text = of.as_ref().map(|of| seeing.reading.text(of));
                if let Some(key) = key().filter(|_| text.as_ref().is_none_or(|text| !text.is_empty())) {
                    self.add_to_bucket(&key, text.map(|text| row::hash(&text)), seeing);
                }
            }
        }
    }

    /// The steps that an event takes, of those its action may take, by key.
    fn taken(&self, seeing: &Seeing<'_, '_>, may: u64, specs: &[SequenceStep]) -> Vec<Taken> {
        let mut taken: Vec<Taken> = Vec::new();
        for (at, step) in specs.iter().enumerate().filter(|(at, _)| may & (1 << at) != 0) {
            let text = step.distinct.as_ref().map(|of| seeing.reading.text(of));
            let is_nothing = text.as_ref().is_some_and(|text| text.is_empty());
            let key = seeing.keys.text(self.feed_keys[at], seeing.reading);
            let Some(key) = key.filter(|_| !is_nothing && seeing.hold(&step.when)) else {
                continue;
            };
            let value = text.map(|text| (at as u8, row::hash(&text)));
            match taken.iter_mut().find(|known| known.key == key) {
                Some(known) => {
                    known.steps |= 1 << at;
                    known.values.extend(value);
                }
                None => taken.push(Taken { key, steps: 1 << at, values: value.into_iter().collect() }),
            }
        }
        taken
    }

    fn add_hit(&mut self, key: &str, hit: Hit, seeing: &Seeing<'_, '_>) {
        let keep = match self.spec.kind {
            WindowKind::Distinct { .. } => Keep::Values,
            WindowKind::Sequence { .. } => Keep::Steps,
            WindowKind::Travel { .. } => Keep::Sightings,
            _ => Keep::Newest,
        };
        self.make_room(key, seeing);
        let row = row::key_row(key);
        let Held::Hits(hits) = hold(&mut self.held, &mut self.bytes, key, || Held::Hits(VecDeque::new())) else {
            return;
        };
        self.dirty.insert(row::hit_row(&row, &hit), saying(&hit));
        if hit::insert(hits, hit.clone()) {
            self.weight += 1;
            self.bytes += cost::of_hit(&hit);
        }
        let gone = hit::overflow(hits, &hit, keep, self.spec.span_s, seeing.newest);
        self.weight -= gone.len();
        self.bytes -= gone.iter().map(cost::of_hit).sum::<usize>();
        self.dirty.extend(gone.iter().map(|hit| (row::hit_row(&row, hit), Ok(None))));
        if !gone.is_empty() {
            let gone = gone.into_iter().map(|hit| Dropped { by: seeing.event().seq, hit });
            self.dropped.entry(key.into()).or_default().extend(gone);
        }
    }

    fn see(&mut self, key: &str, seeing: &Seeing<'_, '_>) {
        self.make_room(key, seeing);
        let event = seeing.event();
        let (span_s, newest) = (self.spec.span_s, seeing.newest);
        let seen = match self.held.get_mut(key) {
            Some(Held::Seen(known)) => {
                known.feed(event, span_s, newest);
                known.seen
            }
            _ => {
                let new = SeenKey::new(event);
                let seen = new.seen;
                hold(&mut self.held, &mut self.bytes, key, || Held::Seen(new));
                seen
            }
        };
        self.dirty.insert(row::key_row(key), saying(&seen));
    }

    fn add_to_bucket(&mut self, key: &str, value: Option<u64>, seeing: &Seeing<'_, '_>) {
        let Some(cut) = self.cut() else { return };
        self.make_room(key, seeing);
        let Held::Buckets(buckets) = hold(&mut self.held, &mut self.bytes, key, || Held::Buckets(Buckets::default()))
        else {
            return;
        };
        let before = buckets.weight();
        let change = buckets.feed(cut, seeing.event().time, value, seeing.newest);
        let added = buckets.weight() - before;
        self.weight += added;
        self.bytes += added * cost::BUCKET;
        self.save(key, change);
    }

    pub(super) fn value(&self, seeing: &Seeing<'_, '_>) -> u64 {
        let near = || self.read_text(seeing).map(|key| self.near(&key, seeing));
        match &self.spec.kind {
            WindowKind::Count => self.count(seeing),
            WindowKind::Distinct { .. } => near().map_or(0, |near| near.most_values().0 as u64),
            WindowKind::FirstSeen | WindowKind::LastSeen => self.seen(seeing),
            WindowKind::Sequence { steps } => self.chain(seeing, steps).0,
            WindowKind::Baseline { .. } => self.usual(seeing),
            WindowKind::Travel { min_km } => {
                near().and_then(|near| fastest(seeing, &near, *min_km)).map_or(0, |(speed, _)| speed)
            }
        }
    }

    /// The events behind the value that an event read at its turn.
    pub(super) fn evidence(&self, seeing: &Seeing<'_, '_>) -> Vec<Arc<Stub>> {
        let near = || self.read_text(seeing).map(|key| self.near(&key, seeing));
        let hits = match &self.spec.kind {
            WindowKind::Count => near().map(|near| near.densest().to_vec()).unwrap_or_default(),
            WindowKind::Distinct { .. } => near().map(|near| newest_of_each(near.most_values().1)).unwrap_or_default(),
            WindowKind::Sequence { steps } => self.chain(seeing, steps).1,
            WindowKind::Travel { min_km } => {
                near().and_then(|near| fastest(seeing, &near, *min_km)).map(|(_, hit)| hit).into_iter().collect()
            }
            WindowKind::FirstSeen | WindowKind::LastSeen | WindowKind::Baseline { .. } => Vec::new(),
        };
        hits.into_iter().map(|hit| hit.stub.clone()).collect()
    }

    fn read_text(&self, seeing: &Seeing<'_, '_>) -> Option<Rc<str>> {
        seeing.keys.text(self.read_key?, seeing.reading)
    }

    fn hits(&self, key: &str) -> Option<&VecDeque<Hit>> {
        match self.held.get(key) {
            Some(Held::Hits(hits)) => Some(hits),
            _ => None,
        }
    }

    /// The hits under a key that may share a stretch with the event, as they were at its turn.
    fn near(&self, key: &str, seeing: &Seeing<'_, '_>) -> Near<'_> {
        let (at, seq, span_s) = (seeing.event().time, seeing.event().seq, self.spec.span_s);
        let live = self.hits(key).into_iter().flat_map(|hits| {
            let start = hits.partition_point(|h| h.stub.time.plus(span_s) <= at);
            hits.range(start..).take_while(move |h| h.stub.time < at.plus(span_s))
        });
        let dropped = self.dropped.get(key).into_iter().flatten().filter(|d| d.by > seq).map(|d| &d.hit);
        let mut near = Near::of(live.chain(dropped), (at, seq), span_s, seeing.newest);
        if self.dropped.contains_key(key) {
            near.hits.sort_by_key(|hit| hit.order());
        }
        near
    }

    fn count(&self, seeing: &Seeing<'_, '_>) -> u64 {
        let Some(key) = self.read_text(seeing) else { return 0 };
        let Some(hits) = self.hits(&key) else { return 0 };
        let at = seeing.event().time;
        if at == seeing.newest && hits.back().is_none_or(|last| last.stub.time <= at) {
            // In the usual order the densest stretch is the last one.
            return (hits.len() - hits.partition_point(|h| h.stub.time.plus(self.spec.span_s) <= at)) as u64;
        }
        self.near(&key, seeing).densest().len() as u64
    }

    /// The best chain under any key that the event fed; if it fed none, under the key it reads by.
    fn chain(&self, seeing: &Seeing<'_, '_>, steps: &[SequenceStep]) -> chain::Chain<'_> {
        let event = seeing.event();
        let (mut best, mut fed): (chain::Chain<'_>, bool) = ((0, Vec::new()), false);
        let different = |(at, number): &(usize, &usize)| !self.feed_keys[..*at].contains(number);
        for (_, number) in self.feed_keys.iter().enumerate().filter(different) {
            let Some(key) = seeing.keys.text(*number, seeing.reading) else { continue };
            let near = self.near(&key, seeing);
            if near.hits.iter().any(|hit| hit.stub.seq == event.seq) {
                let chain = chain::best(&near, event.seq, steps);
                fed = true;
                if chain.0 > best.0 {
                    best = chain;
                }
            }
        }
        match self.read_text(seeing).filter(|_| !fed) {
            Some(key) => chain::best(&self.near(&key, seeing), event.seq, steps),
            None => best,
        }
    }

    fn seen(&self, seeing: &Seeing<'_, '_>) -> u64 {
        let event = seeing.event();
        let before: Option<Seen> = self.read_text(seeing).and_then(|key| match self.held.get(&*key) {
            Some(Held::Seen(known)) => known.before(event, self.spec.span_s, seeing.newest),
            _ => None,
        });
        match before {
            None if self.watched_s(event) < self.spec.learn_s => LEARNING,
            None => NEVER,
            Some(seen) if self.spec.kind == WindowKind::FirstSeen || seen.last > event.time => seen.first.millis().0,
            Some(seen) => seen.last.millis().0,
        }
    }

    fn usual(&self, seeing: &Seeing<'_, '_>) -> u64 {
        let (event, key) = (seeing.event(), self.read_text(seeing));
        if self.watched_s(event) < self.spec.learn_s {
            return NOT_YET;
        }
        match (self.cut(), key.and_then(|key| self.held.get(&*key))) {
            (Some(cut), Some(Held::Buckets(buckets))) => buckets.usual(cut, event.time, seeing.newest),
            _ => 0,
        }
    }

    fn watched_s(&self, event: &Event) -> u64 {
        self.since.map_or(0, |since| event.time.0.saturating_sub(since.0))
    }

    fn cut(&self) -> Option<Cut> {
        match self.spec.kind {
            WindowKind::Baseline { bucket_s, percentile, .. } => {
                Some(Cut { bucket_s, percentile, span_s: self.spec.span_s })
            }
            _ => None,
        }
    }

    /// Drops what is past its span and the late allowance. Inside a batch, `by` names the event it happens at.
    pub(super) fn expire(&mut self, newest: UnixSeconds, by: Option<u64>) {
        let (span_s, cut) = (self.spec.span_s, self.cut());
        let mut gone: Vec<(Box<str>, Lost)> = Vec::new();
        let mut freed = 0;
        self.held.retain(|key, held| {
            let stays = match held {
                Held::Hits(hits) => {
                    while let Some(hit) = hits.pop_front_if(|h| h.is_dead(span_s, newest)) {
                        gone.push((key.clone(), Lost::Hit(hit)));
                    }
                    !hits.is_empty()
                }
                Held::Seen(known) => {
                    let dead = hit::is_dead(known.seen.last, span_s, newest);
                    if dead {
                        gone.push((key.clone(), Lost::Seen));
                    }
                    !dead
                }
                Held::Buckets(buckets) => {
                    let changes = cut.map(|cut| buckets.expire(cut, newest)).unwrap_or_default();
                    gone.extend(changes.into_iter().map(|change| (key.clone(), Lost::Change(change))));
                    !buckets.is_empty()
                }
            };
            freed += if stays { 0 } else { cost::of_key(key) };
            stays
        });
        self.bytes -= freed;
        self.lose(gone, by);
    }

    /// Before a key is fed: keeps the window within its bounds. The keys that were fed longest ago go, a tenth at once.
    fn make_room(&mut self, key: &str, seeing: &Seeing<'_, '_>) {
        let Bounds { keys, weight } = self.bounds;
        let is_full = |slot: &Self| slot.weight >= weight || slot.held.len() >= keys && !slot.held.contains_key(key);
        if !is_full(self) {
            return;
        }
        let by = seeing.event().seq;
        // The dead first, so that it doesn't matter whether they had been swept out before.
        self.expire(seeing.newest, Some(by));
        if !is_full(self) {
            return;
        }
        let (most_keys, most_weight) = (keys - keys.div_ceil(10), weight - weight.div_ceil(10));
        self.shed(by, |slot| slot.held.len() <= most_keys && slot.weight <= most_weight);
    }

    /// Gives up a tenth of what it remembers: the keys that were fed longest ago.
    pub(super) fn shed_a_tenth(&mut self, by: u64) {
        let most = self.bytes - self.bytes.div_ceil(10);
        self.shed(by, |slot| slot.bytes <= most);
    }

    fn shed(&mut self, by: u64, is_enough: impl Fn(&Self) -> bool) {
        let cut = self.cut();
        let mut by_age: Vec<(UnixSeconds, Box<str>)> =
            self.held.iter().map(|(key, held)| (held.last(cut), key.clone())).collect();
        by_age.sort_unstable();
        for (_, key) in by_age {
            if is_enough(self) {
                break;
            }
            self.bytes -= cost::of_key(&key);
            let lost: Vec<Lost> = match self.held.remove(&key) {
                Some(Held::Hits(hits)) => hits.into_iter().map(Lost::Hit).collect(),
                Some(Held::Seen(_)) => vec![Lost::Seen],
                Some(Held::Buckets(buckets)) => buckets.rows().iter().map(|row| Lost::Change(row.gone())).collect(),
                None => vec![],
            };
            self.lose(lost.into_iter().map(|lost| (key.clone(), lost)).collect(), Some(by));
        }
    }

    /// Takes down what is no longer held.
    fn lose(&mut self, gone: Vec<(Box<str>, Lost)>, by: Option<u64>) {
        for (key, lost) in gone {
            match lost {
                Lost::Seen => {
                    self.dirty.insert(row::key_row(&key), Ok(None));
                }
                Lost::Hit(hit) => {
                    self.weight -= 1;
                    self.bytes -= cost::of_hit(&hit);
                    self.dirty.insert(row::hit_row(&row::key_row(&key), &hit), Ok(None));
                    if let Some(by) = by {
                        self.dropped.entry(key).or_default().push(Dropped { by, hit });
                    }
                }
                Lost::Change(change) => {
                    self.weight -= usize::from(change.is_loss());
                    self.bytes -= cost::BUCKET * usize::from(change.is_loss());
                    self.save(&key, Some(change));
                }
            }
        }
    }

    fn save(&mut self, key: &str, change: Option<Change>) {
        self.dirty.extend(change.map(|change| bucket_row(key, &change)));
    }

    pub(super) fn take_changes(&mut self) -> Vec<StateOp> {
        self.dropped.clear();
        if self.dirty.is_empty() {
            return Vec::new();
        }
        let (changed, mut journal) = (std::mem::take(&mut self.dirty), std::mem::take(&mut self.journal));
        let ops = journal.save(&self.id, changed.into_iter(), || self.rows());
        self.journal = journal;
        ops.unwrap_or_else(|error| vec![StateOp::unwritable(WINDOWS, error)])
    }

    /// The window is no more: the rows to delete.
    pub(super) fn forget(&mut self) -> Vec<StateOp> {
        std::mem::take(&mut self.journal).forget(&self.id)
    }

    /// Everything that it remembers.
    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.since.iter().map(|since| (row::START.to_vec(), saying(since))).collect();
        for (key, held) in &self.held {
            let row = row::key_row(key);
            match held {
                Held::Seen(known) => rows.push((row, saying(&known.seen))),
                Held::Hits(hits) => {
                    rows.extend(hits.iter().map(|hit| (row::hit_row(&row, hit), saying(hit))));
                }
                Held::Buckets(buckets) => {
                    rows.extend(buckets.rows().iter().map(|change| bucket_row(key, change)));
                }
            }
        }
        rows
    }

    /// Puts a saved page back, all of it or nothing. Returns the newest time it tells of.
    pub(super) fn load(&mut self, page: state::Row<'_>, stubs: &mut Stubs) -> Result<Option<UnixSeconds>, Forgotten> {
        let not_a_page = || page.forgotten("it isn't a page of a window");
        let rows = self.journal.load(&page.id()[self.id.len()..], page.body()).ok_or_else(not_a_page)?;
        let read = rows.into_iter().map(|(row, value)| self.read(row, value));
        let read: Option<Vec<Loaded<'_>>> = read.collect();
        let read = read.ok_or_else(|| page.forgotten("a row in it says nothing that this window counts"))?;
        Ok(read.into_iter().filter_map(|loaded| self.put_back(loaded, stubs)).max())
    }

    /// What a row of a page says; `None` if that is nothing of this window's kind.
    fn read<'p>(&self, row: &'p [u8], value: Option<&[u8]>) -> Option<Loaded<'p>> {
        if row == row::START {
            return Some(Loaded::Start(serde_json::from_slice(value?).ok()?));
        }
        let (key, numbers) = row::split(row)?;
        let what = match (&self.spec.kind, value, &numbers[..]) {
            (WindowKind::FirstSeen | WindowKind::LastSeen, None, []) => What::Unseen,
            (WindowKind::FirstSeen | WindowKind::LastSeen, Some(value), []) => {
                What::Seen(serde_json::from_slice(value).ok()?)
            }
            (WindowKind::FirstSeen | WindowKind::LastSeen, ..) => return None,
            (WindowKind::Baseline { .. }, None, &[bucket]) => What::Changed(Change::Count { bucket, count: None }),
            (WindowKind::Baseline { .. }, Some(value), &[bucket]) => {
                What::Changed(Change::Count { bucket, count: Some(serde_json::from_slice(value).ok()?) })
            }
            (WindowKind::Baseline { .. }, there, &[bucket, value]) => {
                What::Changed(Change::Value { bucket, value, is_there: there.is_some() })
            }
            (WindowKind::Baseline { .. }, ..) => return None,
            (_, None, &[time, seq]) => What::Dropped(UnixSeconds(time), seq),
            (_, Some(value), &[_, _]) => What::Hit(serde_json::from_slice(value).ok()?),
            _ => return None,
        };
        Some(Loaded::Under(key, what))
    }

    fn put_back(&mut self, loaded: Loaded<'_>, stubs: &mut Stubs) -> Option<UnixSeconds> {
        let (key, what) = match loaded {
            Loaded::Start(since) => {
                self.since = Some(since);
                return self.since;
            }
            Loaded::Under(key, what) => (key, what),
        };
        match what {
            What::Seen(seen) => {
                let held = hold(&mut self.held, &mut self.bytes, key, || Held::Seen(SeenKey::loaded(seen)));
                *held = Held::Seen(SeenKey::loaded(seen));
                Some(seen.last)
            }
            What::Changed(change) if !change.is_loss() => {
                let held = hold(&mut self.held, &mut self.bytes, key, || Held::Buckets(Buckets::default()));
                let Held::Buckets(buckets) = held else { return None };
                let before = buckets.weight();
                buckets.load(&change);
                let added = buckets.weight() - before;
                self.weight += added;
                self.bytes += added * cost::BUCKET;
                None
            }
            What::Hit(mut hit) => {
                hit.stub = stubs.entry(hit.stub.seq).or_insert(hit.stub).clone();
                let (time, bytes) = (hit.stub.time, cost::of_hit(&hit));
                let held = hold(&mut self.held, &mut self.bytes, key, || Held::Hits(VecDeque::new()));
                let Held::Hits(hits) = held else { return None };
                if hit::insert(hits, hit) {
                    self.weight += 1;
                    self.bytes += bytes;
                }
                Some(time)
            }
            gone => self.take_out(key, &gone),
        }
    }

    /// A row was deleted after an earlier page had it. Tells of no time.
    fn take_out(&mut self, key: &str, gone: &What) -> Option<UnixSeconds> {
        let held = self.held.get_mut(key)?;
        let (lost, bytes, is_empty) = match (held, gone) {
            (Held::Seen(_), _) => (0, 0, true),
            (Held::Hits(hits), What::Dropped(time, seq)) => {
                let at = hits.binary_search_by_key(&(*time, *seq), Hit::order);
                let lost = at.ok().and_then(|at| hits.remove(at));
                (usize::from(lost.is_some()), lost.as_ref().map_or(0, cost::of_hit), hits.is_empty())
            }
            (Held::Buckets(buckets), What::Changed(change)) => {
                let before = buckets.weight();
                buckets.load(change);
                let lost = before - buckets.weight();
                (lost, lost * cost::BUCKET, buckets.is_empty())
            }
            _ => return None,
        };
        self.weight -= lost;
        self.bytes -= bytes;
        if is_empty {
            self.bytes -= cost::of_key(key);
            self.held.remove(key);
        }
        None
    }

    pub(super) fn size(&self) -> WindowSize<'_> {
        let (module, window) = (&*self.module, &*self.spec.name);
        WindowSize { module, window, keys: self.held.len(), hits: self.weight, bytes: self.bytes }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What is held under a key, and first of all put there.
fn hold<'h>(
    held: &'h mut HashMap<Box<str>, Held>,
    bytes: &mut usize,
    key: &str,
    new: impl FnOnce() -> Held,
) -> &'h mut Held {
    if !held.contains_key(key) {
        *bytes += cost::of_key(key);
    }
    held.entry(key.into()).or_insert_with(new)
}

/// What things cost in memory, in bytes, rounded up: what the allocator and half-empty tables waste is in it. It is the same
/// on all machines and after a restart, for what has to go is decided by it.
mod cost {
    use super::Hit;

    /// A bucket of a baseline or one of its values, with its share of a tree's node.
    pub(super) const BUCKET: usize = 96;
    /// Place in a table that may be half empty, and what is held there before the first hit.
    const KEY: usize = 320;
    /// Place in a queue that may be half empty, and a stub without its texts.
    const HIT: usize = 80 + 240;
    /// One value that a step of a sequence counts.
    const VALUE: usize = 48;

    pub(super) fn of_key(key: &str) -> usize {
        KEY + key.len()
    }

    /// Windows share an event's stub, but each pays for it: who shares with whom changes with every one that goes.
    pub(super) fn of_hit(hit: &Hit) -> usize {
        let stub = &hit.stub;
        let texts = [&stub.id, &stub.action, &stub.actor_id, &stub.ip_address, &stub.ua];
        HIT + texts.map(|text| text.len()).iter().sum::<usize>() + VALUE * hit.of.len()
    }
}

/// Something that is no longer held under a key.
enum Lost {
    Hit(Hit),
    Seen,
    Change(Change),
}

/// What a row of a saved page says.
enum Loaded<'p> {
    /// When the window saw its first event.
    Start(UnixSeconds),
    /// Something under a key.
    Under(&'p str, What),
}

enum What {
    Seen(Seen),
    Unseen,
    Changed(Change),
    Hit(Hit),
    /// The hit of an event with this time and number.
    Dropped(UnixSeconds, u64),
}

fn bucket_row(key: &str, change: &Change) -> Row {
    let row = row::key_row(key);
    match *change {
        Change::Count { bucket, count } => {
            (row::bucket_row(&row, bucket), count.map_or(Ok(None), |count| saying(&count)))
        }
        Change::Value { bucket, value, is_there } => {
            (row::value_row(&row, bucket, value), Ok(is_there.then(|| b"1".to_vec())))
        }
    }
}

/// What a row says, as it is saved.
fn saying<T: Serialize>(value: &T) -> Value {
    state::encoded(WINDOWS, value).map(Some)
}

impl Held {
    /// When it was fed last, in event time.
    fn last(&self, cut: Option<Cut>) -> UnixSeconds {
        match self {
            Self::Hits(hits) => hits.back().map_or(UnixSeconds(0), |h| h.stub.time),
            Self::Seen(known) => known.seen.last,
            Self::Buckets(buckets) => cut.map_or(UnixSeconds(0), |cut| buckets.last(cut)),
        }
    }
}

fn fastest<'k>(seeing: &Seeing<'_, '_>, near: &Near<'k>, min_km: u64) -> Option<(u64, &'k Hit)> {
    let (place, event) = (seeing.reading.network()?.place?, seeing.event());
    travel::fastest(&near.hits, travel::tag(place), (event.time, event.seq), min_km)
}

/// One hit for each value: the newest.
fn newest_of_each<'k>(run: &[&'k Hit]) -> Vec<&'k Hit> {
    let mut seen = std::collections::HashSet::new();
    let mut newest: Vec<&Hit> = run.iter().rev().filter(|hit| seen.insert(hit.tag)).copied().collect();
    newest.reverse();
    newest
}
