//! Folding: which findings become one alert, and when that alert is sent again.
//!
//! A finding joins the open alert of its rule and key whose period it falls into. An alert that goes on over the border of a
//! period, within [`QUIET_S`], keeps the id of its first period. Everything goes by event time, so a replay that begins before
//! an alert makes the same revisions of it, however the events were cut into batches. Only what is sent here has a number of a
//! revision: what Slack answers and what people do about an alert are numbered by themselves ([`Source`](crate::alert::Source)).
//!
//! An alert is sent when it opens, and again
//!
//! - at once for what is news: a graver finding, somebody else who did it, and a new value of the labels that the rule calls
//!   news (of a scope or a number: a larger one);
//! - for more of the same at 2, 5, 10, 20, 50 … different objects, addresses or doers, and at 10, 100, 1,000 … findings, but
//!   not within [`SPACING_S`] of the revision before: then with the next finding after that;
//! - when it goes on on another day as it was before: see below;
//! - with the final numbers, when nothing more came for [`QUIET_S`] and something is untold. Whatever goes on and off would have
//!   that each time, so the second time takes four times as long, and from the third on sixteen times.
//!
//! What was found [`HABIT`] times, comes again within [`RECURS_S`] and is nothing new (nobody else, no other network, no graver, no new value, done to nothing
//! that it was not done to before) is the same alert, which goes on: it says so on the 2nd, 5th, 10th, 20th day. Of what a rule counts, the
//! things differ each day; it goes on all the same, and says so each day. A single act on something new is an alert of its own.
//!
//! The severity rises with the scope: what is Medium once is one higher when the same doer has done it to [`WIDE`] different things,
//! as far as the rule goes at all. Of a rule that counts it takes [`FAR`] times what it had counted when it first told, and a person as the doer,
//! for its threshold has been graded already.

use crate::about::About;
use crate::alert::{AND_MORE, Alert, Counts, Doer, LABEL_SEPARATOR};
use crate::basis::Basis;
use crate::distinct::Distinct;
use crate::headline;
use crate::state::{ALERTS, Forgotten, StateOp, StateRow};
use crate::subject::Subjects;
use crate::windows::LATE_S;
use gridwatch_event::event::Event;
use gridwatch_event::network::prefix_of;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_event::whose;
use gridwatch_manifest::Severity;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Alerts that are open at once. Ordinary life has some hundred; a flood of made-up actors could have one for each.
pub const MAX_OPEN: usize = 10_000;
/// For each of those, alerts set aside: what was told of them stays known, so that no revision number comes twice and no
/// severity is told again as a lower one.
const ASIDE_FOR_EACH: usize = 9;
/// Who and what is news at once, of one alert. More of them count, and are told as more of the same.
const MAX_DOERS: usize = 20;
const MAX_VALUES: usize = 20;
/// Periods that one alert goes on over; then the next one opens.
const MAX_PERIODS: u64 = 7;
/// More of the same isn't told within this of the revision before.
const SPACING_S: u64 = 900;
/// What is as it was goes on after so long: a weekend, and the day after.
pub const RECURS_S: u64 = 3 * 86_400;
/// Findings that make it a habit; fewer are acts, of which each day's is told by itself.
const HABIT: u64 = 5;
/// And for so long in all; then it is told anew.
const MAX_RECURRING_S: u64 = 30 * 86_400;
/// Networks of an alert that are known, for what is as it was.
const MAX_PLACES: usize = 20;
/// Different things that make what is Medium once graver.
pub const WIDE: u64 = 20;
/// So many times what a rule had counted when it first told, if it counts.
const FAR: u64 = 5;
/// Without more for so long an alert is at rest.
pub const QUIET_S: u64 = 3_600;
/// How often [`QUIET_S`] has to pass before the final numbers are told for the first time, the second and any further time.
const PATIENCE: [u64; 3] = [1, 4, 16];

/// What decides whether a finding is news, as its event tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Event time.
    pub at: UnixSeconds,
    /// The newest event time known at the event.
    pub newest: UnixSeconds,
    pub doer: Option<Doer>,
    /// Ids of what it was done to.
    pub objects: Vec<String>,
    pub address: String,
    /// The values of labels that are news, each with its label.
    pub values: Vec<(String, String)>,
    /// The most that the rule counted, 0 if it counted nothing. Of what is counted another day's things are others, and no less the same.
    pub counted: u64,
    /// As grave as the rule's findings can be.
    pub most: Option<Severity>,
}

impl Sight {
    /// Of the alert that one finding on the event makes by itself. `news` names the labels of which a new value is news.
    pub fn of(event: &Event, alert: &Alert, news: &[String], newest: UnixSeconds) -> Self {
        let doer = Doer::of(event);
        let values = news.iter().filter_map(|name| Some((name, alert.labels.get(name)?))).flat_map(|(name, text)| {
            let parts = text.strip_suffix(AND_MORE).unwrap_or(text).split(LABEL_SEPARATOR);
            parts.filter(|value| !value.is_empty()).map(|value| (name.clone(), value.to_owned()))
        });
        Self {
            at: event.time,
            newest,
            objects: objects(event, &alert.subjects, doer.as_ref()),
            address: whose::address(event).to_owned(),
            values: values.collect(),
            counted: counted(alert),
            most: None,
            doer,
        }
    }
}

fn counted(alert: &Alert) -> u64 {
    let cited = alert.basis.windows.iter().filter(|counted| counted.cited && counted.counts());
    cited.map(|counted| counted.value).filter(|value| *value < u64::MAX).max().unwrap_or_default()
}

/// The things of one kind, the most particular that there is: a file in a channel is a file.
fn objects(event: &Event, subjects: &Subjects, doer: Option<&Doer>) -> Vec<String> {
    if event.traits().is_claimed {
        return vec![event.actor_id().to_owned()];
    }
    let is_other = |id: &&String| doer.is_none_or(|doer| doer.id != **id);
    let users: BTreeSet<String> = subjects.users.ids.iter().filter(is_other).cloned().collect();
    let kinds = [
        &subjects.files.ids,
        &subjects.workflows.ids,
        &subjects.apps.ids,
        &users,
        &subjects.channels.ids,
        &subjects.orgs.ids,
    ];
    match kinds.into_iter().find(|ids| !ids.is_empty()) {
        Some(ids) => ids.iter().cloned().collect(),
        None => event.entity().and_then(gridwatch_event::mention::id_of).map(Cow::into_owned).into_iter().collect(),
    }
}

/// A revision to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub alert: Alert,
    pub occasion: Occasion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The event at hand gave the alert its title: what is told about it is as of that event.
    Headline,
    /// It added to an alert that another event gave its title.
    Aside,
    /// Time went by.
    Closing,
}

/// An alert that may still take findings.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    alert: Alert,
    telling: Telling,
}

/// What was told of an alert, and what it takes to know what is news.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Telling {
    /// One period.
    fold_s: u64,
    /// Event time of the newest revision, and the numbers in it.
    at: UnixSeconds,
    findings: u64,
    counts: Counts,
    /// The newest event time known at the newest finding.
    touched: UnixSeconds,
    /// Times that it came to rest.
    rests: usize,
    /// Whose the title is, and the newest event time of the finding that gave it.
    head: Option<Doer>,
    head_at: UnixSeconds,
    /// Those that were news.
    known: Vec<Doer>,
    values: BTreeMap<String, BTreeSet<String>>,
    doers: Distinct,
    objects: Distinct,
    addresses: Distinct,
    places: BTreeSet<String>,
    /// What the rule had counted at the first finding, if it counts.
    began_with: u64,
    /// Periods with a finding, and the newest of them.
    days: u64,
    day: UnixSeconds,
    /// Taken out to make room; only what was told is kept.
    aside: bool,
}

/// At most `most` alerts are open: one more, and those whose newest event is oldest are set aside, a tenth at once.
#[derive(Debug)]
pub struct Folder {
    open: BTreeMap<String, Open>,
    /// Of each rule and key, by start.
    by_key: BTreeMap<String, BTreeMap<UnixSeconds, String>>,
    /// When an alert of which something is untold comes to rest.
    due: BTreeSet<(UnixSeconds, String)>,
    /// By severity and newest event.
    aside: BTreeSet<(u8, UnixSeconds, String)>,
    dirty: BTreeSet<String>,
    most: usize,
    /// Nothing is folded: each finding is sent by itself.
    apart: bool,
}

impl Default for Folder {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            by_key: BTreeMap::new(),
            due: BTreeSet::new(),
            aside: BTreeSet::new(),
            dirty: BTreeSet::new(),
            most: MAX_OPEN,
            apart: false,
        }
    }
}

impl Folder {
    /// One that folds nothing, for asking what single findings say.
    pub fn apart() -> Self {
        Self { apart: true, ..Self::default() }
    }

    /// Folds a new one-finding alert into the open one that it belongs to, if any; returns what is to be sent.
    pub fn fold(&mut self, new: Alert, sight: &Sight) -> Vec<Sent> {
        if self.apart {
            return vec![Sent { alert: new, occasion: Occasion::Headline }];
        }
        let known = self.find(&new, sight).and_then(|uid| self.take_out(&uid));
        let mut sent = match &known {
            Some(open) if !open.telling.aside => Vec::new(),
            _ => self.make_room(sight.newest, new.seen),
        };
        let (open, news) = match known {
            None => Open::new(new, sight),
            Some(open) => open.with(new, sight),
        };
        self.put_in(open);
        sent.extend(news);
        sent
    }

    /// Different things that an exception has hidden in the period of a finding, with those of the finding.
    pub fn hidden(&self, alert: &Alert, by: &str, sight: &Sight) -> u64 {
        let mut suppressed = alert.clone();
        suppressed.suppressed_by = Some(by.to_owned());
        let starts = self.by_key.get(&key_of(&suppressed, alert.period_s));
        let newest = starts.and_then(|starts| starts.range(..=time_of(alert, sight)).next_back());
        let open = newest.and_then(|(_, uid)| self.open.get(uid)).filter(|open| time_of(alert, sight) < open.end());
        let Some(open) = open else { return sight.objects.len() as u64 };
        let new = sight.objects.iter().filter(|id| !open.telling.objects.contains(id)).count() as u64;
        open.telling.objects.count() + new
    }

    /// The final numbers of the alerts that have come to rest by then. `seen` is when the event that says so was first seen.
    pub fn rest(&mut self, newest: UnixSeconds, seen: UnixMillis) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some((_, uid)) = self.due.first().filter(|(due, _)| *due <= newest).cloned() {
            let Some(mut open) = self.take_out(&uid) else { continue };
            sent.push(open.rest(seen, newest, "nothing more came: these are the final numbers"));
            self.put_in(open);
        }
        sent
    }

    /// Keeps what is told about the event that gave an alert its title, for later revisions.
    pub fn remember(&mut self, uid: &str, about: &About) {
        if let Some(open) = self.open.get_mut(uid) {
            (*open.alert.about).clone_from(about);
            self.dirty.insert(uid.to_owned());
        }
    }

    /// Forgets alerts whose period, and the time in which late entries may still join it, is over.
    pub fn expire(&mut self, newest: UnixSeconds) {
        let gone: Vec<String> = self.open.values().filter(|o| o.is_over(newest)).map(|o| o.alert.uid.clone()).collect();
        for uid in gone {
            self.take_out(&uid);
        }
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let row = |uid: String| StateOp::save(ALERTS, uid.as_bytes(), self.open.get(&uid));
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }

    /// Puts a saved alert back.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<(), Forgotten> {
        self.put_in(row.json()?);
        self.dirty.clear();
        Ok(())
    }

    fn find(&mut self, new: &Alert, sight: &Sight) -> Option<String> {
        let starts = self.by_key.get(&key_of(new, new.period_s))?;
        let uid = starts.range(..=time_of(new, sight)).next_back()?.1.clone();
        let open = &self.open[&uid];
        if open.is_over(sight.newest) {
            self.take_out(&uid);
            return None;
        }
        open.takes(new, sight).then_some(uid)
    }

    fn take_out(&mut self, uid: &str) -> Option<Open> {
        let open = self.open.remove(uid)?;
        self.dirty.insert(uid.to_owned());
        let key = key_of(&open.alert, open.telling.fold_s);
        if let Some(starts) = self.by_key.get_mut(&key) {
            starts.remove(&open.alert.period_start);
            if starts.is_empty() {
                self.by_key.remove(&key);
            }
        }
        if let Some(due) = open.due() {
            self.due.remove(&(due, uid.to_owned()));
        }
        if open.telling.aside {
            self.aside.remove(&open.place_aside());
        }
        Some(open)
    }

    fn put_in(&mut self, open: Open) {
        let uid = open.alert.uid.clone();
        self.by_key
            .entry(key_of(&open.alert, open.telling.fold_s))
            .or_default()
            .insert(open.alert.period_start, uid.clone());
        if let Some(due) = open.due() {
            self.due.insert((due, uid.clone()));
        }
        if open.telling.aside {
            self.aside.insert(open.place_aside());
        }
        self.dirty.insert(uid.clone());
        self.open.insert(uid, open);
    }

    fn make_room(&mut self, newest: UnixSeconds, seen: UnixMillis) -> Vec<Sent> {
        let is_full = |folder: &Self| folder.open.len() - folder.aside.len() >= folder.most;
        if !is_full(self) {
            return Vec::new();
        }
        // Those that are over first, so that it doesn't matter whether they had been swept out before.
        self.expire(newest);
        if !is_full(self) {
            return Vec::new();
        }
        let whole = self.open.values().filter(|open| !open.telling.aside);
        let mut by_age: Vec<_> = whole.map(|open| (open.alert.last, open.alert.uid.clone())).collect();
        by_age.sort_unstable();
        by_age.truncate(self.most.div_ceil(10));
        let mut sent = Vec::new();
        for (_, uid) in by_age {
            let Some(mut open) = self.take_out(&uid) else { continue };
            if open.due().is_some() {
                sent.push(open.rest(seen, newest, "too many alerts are open: these are the numbers so far"));
            }
            open.set_aside();
            self.put_in(open);
        }
        while self.aside.len() > self.most * ASIDE_FOR_EACH {
            let Some((_, _, uid)) = self.aside.first().cloned() else { break };
            self.take_out(&uid);
        }
        sent
    }
}

fn key_of(alert: &Alert, fold_s: u64) -> String {
    let suppressed = alert.suppressed_by.as_deref().unwrap_or_default();
    format!("{}\n{}\n{suppressed}\n{fold_s}", alert.rule, alert.dedup_key)
}

/// By which a finding belongs to a period. A sum's newest event may be later than the event that made it.
fn time_of(new: &Alert, sight: &Sight) -> UnixSeconds {
    sight.at.max(new.period_start)
}

impl Open {
    fn new(alert: Alert, sight: &Sight) -> (Self, Option<Sent>) {
        let (fold_s, head, head_at) = (alert.period_s, sight.doer.clone(), alert.last);
        let telling = Telling { fold_s, head, head_at, began_with: sight.counted, ..Telling::default() };
        let mut open = Self { alert, telling };
        open.telling.learn(sight);
        open.telling.on_day(open.alert.period_start);
        let sent = open.send(sight.at, Vec::new(), Occasion::Headline);
        (open, Some(sent))
    }

    fn end(&self) -> UnixSeconds {
        self.alert.period_start.plus(self.alert.period_s)
    }

    /// Late entries, as they come while old windows are read, keep it for as long as they come.
    fn is_over(&self, newest: UnixSeconds) -> bool {
        self.end().max(self.telling.touched).plus(LATE_S.max(RECURS_S)) < newest
    }

    fn takes(&self, new: &Alert, sight: &Sight) -> bool {
        let at = time_of(new, sight);
        let is_within = at < self.end();
        let goes_on = self.end() == new.period_start
            && at <= self.alert.last.plus(QUIET_S)
            && self.alert.period_s < self.telling.fold_s.saturating_mul(MAX_PERIODS);
        let recurs = self.alert.findings >= HABIT
            && at <= self.alert.last.plus(RECURS_S)
            && self.alert.period_s < MAX_RECURRING_S
            && new.severity <= self.alert.severity
            && self.telling.is_as_before(sight);
        is_within || goes_on || recurs
    }

    fn due(&self) -> Option<UnixSeconds> {
        let patience = PATIENCE[self.telling.rests.min(PATIENCE.len() - 1)];
        (self.alert.findings > self.telling.findings).then(|| self.telling.touched.plus(QUIET_S * patience))
    }

    fn place_aside(&self) -> (u8, UnixSeconds, String) {
        (self.alert.severity.id(), self.alert.last, self.alert.uid.clone())
    }

    fn with(mut self, new: Alert, sight: &Sight) -> (Self, Option<Sent>) {
        if time_of(&new, sight) >= self.end() {
            let ahead = new.period_start.0.saturating_sub(self.alert.period_start.0);
            self.alert.period_s = (ahead + self.telling.fold_s).max(self.alert.period_s);
        }
        let is_another_day = new.period_start > self.telling.day && !self.telling.aside;
        let is_as_before = is_another_day && new.severity <= self.alert.severity && self.telling.is_as_before(sight);
        let has_new_things = !self.telling.knows_objects(sight);
        self.telling.on_day(new.period_start);
        self.telling.aside = false;
        let (is_graver, is_as_grave) = (new.severity > self.alert.severity, new.severity == self.alert.severity);
        let found = self.telling.learn(sight);
        // What comes late doesn't take the title from what was done after it.
        let is_newest = self.telling.head == sight.doer && new.last >= self.telling.head_at;
        let is_headline = is_graver || is_as_grave && (found.is_new_doer || is_newest);
        let mut news = Vec::new();
        if is_graver {
            news.push(format!("severity {} instead of {}", new.severity.name(), self.alert.severity.name()));
        }
        if let Some(doer) = sight.doer.as_ref().filter(|_| found.is_new_doer) {
            news.push(format!("somebody else: {doer}: {}", new.title));
        }
        news.extend(found.values);
        let days = self.telling.days;
        if is_as_before && (has_new_things || rung(days) == days) {
            news.push(format!("it goes on as before: found on {days} days"));
        }
        if is_headline {
            self.telling.head.clone_from(&sight.doer);
            self.telling.head_at = new.last;
        }
        self.alert.take_in(new, is_headline);
        news.extend(self.wider(sight));
        let is_spaced = sight.at >= self.telling.at.plus(SPACING_S);
        let sent = (!news.is_empty() || is_spaced && self.telling.is_more(self.alert.findings)).then(|| {
            let occasion = if is_headline { Occasion::Headline } else { Occasion::Aside };
            self.alert.revision += 1;
            self.send(sight.at, news, occasion)
        });
        (self, sent)
    }

    /// Raises the severity for what was done to many things, if that is news.
    fn wider(&mut self, sight: &Sight) -> Option<String> {
        let objects = self.telling.now().objects;
        // A rule that counts has said already what its threshold is worth; and an app that reads reads thousands.
        let by_app = sight.doer.as_ref().is_some_and(|doer| !doer.app.is_empty());
        let is_far = sight.counted == 0 || !by_app && sight.counted >= self.telling.began_with.saturating_mul(FAR);
        let alert = &mut self.alert;
        if objects < WIDE || !is_far || alert.severity != Severity::Medium || sight.most <= Some(alert.severity) {
            return None;
        }
        let raised = Severity::High;
        let said =
            format!("severity {} instead of {}: {objects} different things", raised.name(), alert.severity.name());
        alert.reason = format!(
            "what is {} once was done to {objects} different things by the same doer ({})",
            alert.severity.name(),
            alert.reason
        );
        alert.severity = raised;
        Some(said)
    }

    fn rest(&mut self, seen: UnixMillis, newest: UnixSeconds, why: &str) -> Sent {
        self.alert.revision += 1;
        self.alert.seen = seen;
        self.telling.rests += 1;
        self.send(newest, vec![why.to_owned()], Occasion::Closing)
    }

    fn send(&mut self, at: UnixSeconds, mut news: Vec<String>, occasion: Occasion) -> Sent {
        let telling = &mut self.telling;
        let now = telling.now();
        if self.alert.revision > 1 {
            news.extend(telling.grown(self.alert.findings));
        }
        (telling.at, telling.findings, telling.counts) = (at, self.alert.findings, now);
        let others = telling.known.iter().filter(|doer| telling.head.as_ref().is_none_or(|head| !head.is(doer)));
        self.alert.others = others.cloned().collect();
        (self.alert.counts, self.alert.news) = (now, news);
        self.alert.days = if telling.days > 1 { telling.days } else { 0 };
        // The title by itself stays, for the next headline.
        let mut alert = self.alert.clone();
        alert.title = headline::of(&alert);
        Sent { alert, occasion }
    }

    /// Forgets all but what was told.
    fn set_aside(&mut self) {
        let telling = &self.telling;
        self.telling = Telling {
            fold_s: telling.fold_s,
            at: telling.at,
            findings: telling.findings,
            counts: telling.counts,
            touched: telling.touched,
            rests: telling.rests,
            head: telling.head.clone(),
            head_at: telling.head_at,
            began_with: telling.began_with,
            days: telling.days,
            day: telling.day,
            aside: true,
            ..Telling::default()
        };
        let alert = &mut self.alert;
        (alert.evidence, alert.recent, alert.others, alert.news) = Default::default();
        (alert.subjects, alert.basis, *alert.about) = (Subjects::default(), Basis::default(), About::default());
        alert.labels.clear();
    }
}

/// What a finding brought that is news at once.
struct Found {
    is_new_doer: bool,
    values: Vec<String>,
}

impl Telling {
    fn learn(&mut self, sight: &Sight) -> Found {
        self.touched = self.touched.max(sight.newest).max(sight.at);
        let new_doer = sight.doer.as_ref().filter(|doer| !self.known.iter().any(|known| known.is(doer)));
        let new_doer = new_doer.filter(|_| self.known.len() < MAX_DOERS);
        self.known.extend(new_doer.cloned());
        if let Some(doer) = &sight.doer {
            self.doers.insert(&format!("{}\n{}", doer.id, doer.app));
        }
        sight.objects.iter().for_each(|id| self.objects.insert(id));
        if !sight.address.is_empty() {
            self.addresses.insert(&sight.address);
        }
        if self.places.len() < MAX_PLACES {
            self.places.insert(prefix_of(&sight.address));
        }
        let mut values = Vec::new();
        for (label, value) in &sight.values {
            let known = self.values.entry(label.clone()).or_default();
            if known.len() < MAX_VALUES && is_news(known, value) {
                known.insert(value.clone());
                values.push(format!("{label}: {value}"));
            }
        }
        Found { is_new_doer: new_doer.is_some(), values }
    }

    /// Is there nothing that wasn't there before, but for the things that a rule counts?
    fn is_as_before(&self, sight: &Sight) -> bool {
        let is_known = |doer: &Doer| self.known.iter().any(|known| known.is(doer));
        let has_new_value = || {
            let is_new =
                |(label, value): &(String, String)| self.values.get(label).is_none_or(|known| is_news(known, value));
            sight.values.iter().any(is_new)
        };
        !self.aside
            && sight.doer.as_ref().is_none_or(is_known)
            && self.places.contains(&prefix_of(&sight.address))
            && !has_new_value()
            && (sight.counted > 0 || self.knows_objects(sight))
    }

    fn knows_objects(&self, sight: &Sight) -> bool {
        sight.objects.iter().all(|id| self.objects.contains(id))
    }

    fn on_day(&mut self, day: UnixSeconds) {
        if day > self.day || self.days == 0 {
            (self.days, self.day) = (self.days + 1, day);
        }
    }

    /// Never less than what was told: who was set aside starts to count again.
    fn now(&self) -> Counts {
        let reported = self.counts;
        Counts {
            doers: self.doers.count().max(reported.doers),
            objects: self.objects.count().max(reported.objects),
            addresses: self.addresses.count().max(reported.addresses),
        }
    }

    fn is_more(&self, findings: u64) -> bool {
        let now = self.now();
        let pairs = [
            (now.doers, self.counts.doers),
            (now.objects, self.counts.objects),
            (now.addresses, self.counts.addresses),
        ];
        pairs.into_iter().any(|(now, reported)| rung(now) > reported) || power_of_ten(findings) > self.findings
    }

    /// The numbers that have grown, in words.
    fn grown(&self, findings: u64) -> Vec<String> {
        let now = self.now();
        let numbers = [
            ("findings", findings, self.findings),
            ("different doers", now.doers, self.counts.doers),
            ("different objects", now.objects, self.counts.objects),
            ("different addresses", now.addresses, self.counts.addresses),
        ];
        numbers
            .into_iter()
            .filter(|(_, now, reported)| now > reported)
            .map(|(what, now, reported)| format!("{now} {what} instead of {reported}"))
            .collect()
    }
}

/// Of numbers and of scopes, only larger ones are news.
fn is_news(known: &BTreeSet<String>, value: &str) -> bool {
    match size(value) {
        Some(size_now) => known.iter().filter_map(|known| size(known)).all(|known| known < size_now),
        None => !known.contains(value),
    }
}

fn size(value: &str) -> Option<u64> {
    match value {
        "channel" => Some(1),
        "workspace" => Some(2),
        "organization" => Some(3),
        number => number.parse().ok(),
    }
}

/// The largest of 2, 5, 10, 20, 50 … that isn't above `n`; 0 if none is.
fn rung(n: u64) -> u64 {
    let ten = 10_u64.pow(n.max(1).ilog10());
    let of_it = [5, 2, 1].into_iter().map(|factor| factor * ten).find(|rung| *rung <= n);
    of_it.filter(|rung| *rung > 1).unwrap_or_default()
}

/// The largest of 10, 100, 1,000 … that isn't above `n`; 0 if none is.
fn power_of_ten(n: u64) -> u64 {
    Some(10_u64.pow(n.max(1).ilog10())).filter(|power| *power >= 10).unwrap_or_default()
}

#[cfg(test)]
mod tests;
