//! Do the exceptions make known true positives go quiet? Runs them with the exceptions and without, and compares.
//!
//! Two sorts of case. The shipped ones are the attacks of a labelled org (`shipped.rs`), whose people and things no team's exceptions
//! name. So the subject of each exception is also put in the place of whoever the story's alerts are about (`rules::exception::cast`):
//! if that subject were the attacker, would anybody be told? Hiding its own rules is what an exception is for; that nothing of
//! Medium or above is left of a whole story makes the check fail, unless the entry `accepts` the story. The team's own cases
//! are files in a folder, each the entries of one confirmed case as Slack sent them, oldest first, after a first line that
//! says which rules it has to fire:
//!
//! ```text
//! # fires: apps.install, privilege.granted
//! {"id":"…","date_create":1790000000,"action":"app_installed",…}
//! ```
//!
//! A case from last year has to be told of today as well, so an exception that holds now counts as if it held at any time. One
//! that has expired suppresses nothing.
//!
//! Lists of the configuration that silence (`bulk_apps`, `export_actors`, provisioning accounts and others) are tried too, one after the
//! other: whoever does the stories is put on the list, and what nobody would be told of then is said. It doesn't make the check fail,
//! for such a list has no owner who could accept it, unless `--strict` is given; but it is never passed over.

use super::found::{Findings, Found};
use super::{lists, shipped};
use crate::input::{Entries, Given};
use crate::modules::{Wanted, manifests};
use anyhow::{Context, Result, bail};
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_manifest::{Manifest, Severity};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use gridwatch_rules::exception::{Exception, Exceptions};
use gridwatch_stories::Label;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// A file of the team's own cases holds entries of one case, not of a year.
const MAX_CASE_BYTES: u64 = 256 << 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases run, and those of them that were told of without any exception.
    pub cases: usize,
    pub told: usize,
    /// What makes the check fail.
    pub quiet: BTreeSet<Quiet>,
    /// Cases of the team's own that fire nothing, with exceptions or without.
    pub dead: Vec<String>,
    /// Shipped stories that the modules' default settings tell of and the configured ones don't.
    pub lost_to_settings: BTreeSet<String>,
    /// By exception: what it would suppress of its subject in shipped stories of which somebody is still told.
    pub by_design: BTreeMap<String, Suppressed>,
    /// By exception: shipped stories that its subject would get away with, as the entry accepts.
    pub accepted: BTreeMap<String, BTreeSet<String>>,
    /// By exception: stories that it accepts without need.
    pub idle: BTreeMap<String, BTreeSet<String>>,
    /// By exception: rules of Medium or above that it hides of its subject. Where nothing else tells, nobody is told.
    pub alone: BTreeMap<String, BTreeSet<String>>,
    /// By list of the configuration: stories that nobody would be told of if one of its members did them.
    pub by_lists: BTreeMap<String, BTreeSet<String>>,
    /// Lists whose members are nobody who could do a story, such as names: nothing was tried with them.
    pub untried: BTreeSet<String>,
}

/// A known true positive that nobody would be told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quiet {
    pub case: String,
    /// (exception, rule) that suppress it.
    pub by: BTreeSet<(String, String)>,
}

#[derive(Debug, Default)]
pub struct Suppressed {
    pub rules: BTreeSet<String>,
    pub stories: BTreeSet<String>,
}

impl Report {
    pub fn is_fine(&self) -> bool {
        self.quiet.is_empty() && self.dead.is_empty()
    }
}

/// Which cases to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    /// The team's own.
    Own,
}

/// Runs every case. `progress` is told what is going on.
///
/// # Errors
/// A case can't be read, or a module fails to start.
pub fn check(
    wanted: &Wanted,
    cases: Option<&Path>,
    exceptions: &Exceptions,
    scope: Scope,
    progress: &dyn Fn(&str),
) -> Result<Report> {
    let mut report = Report::default();
    for path in cases.map(files).transpose()?.unwrap_or_default() {
        progress(&format!("case {}", path.display()));
        own_case(&path, wanted, exceptions, &mut report)?;
    }
    let is_plain = exceptions.is_empty()
        && exceptions.lowered().is_empty()
        && wanted.settings.is_empty()
        && wanted.provisioning == Default::default();
    if scope == Scope::All && !is_plain {
        shipped_cases(wanted, exceptions, progress, &mut report)?;
    }
    Ok(report)
}

/// The attacks that gridwatch brings. Where nothing is excepted or set, none of them can go quiet.
fn shipped_cases(wanted: &Wanted, exceptions: &Exceptions, progress: &dyn Fn(&str), report: &mut Report) -> Result<()> {
    let manifests = manifests(&wanted.dir)?;
    let org = shipped::org();
    let (stories, networks) = (&org.labels.stories, shipped::networks(&org)?);
    let ids: HashSet<&str> = stories.iter().flat_map(|story| &story.entry_ids).map(String::as_str).collect();
    let run = |wanted: &Wanted| {
        let wanted = Wanted { networks: networks.clone(), ..shipped::wanted(wanted, &manifests, &org.labels.facts) };
        Findings::of(&wanted, shipped::events(&org), |alert| cites(alert, |id| ids.contains(id)))
    };
    progress("the shipped stories");
    let configured = run(wanted)?;
    for story in stories {
        report.cases += 1;
        if Story::of(story, &configured).is_told_of() {
            report.told += 1;
            progress(&format!("story {}, done by the subject of each exception", story.story));
            Story::of(story, &configured).judge(exceptions, report);
        }
    }
    let needed = |exception: &str, story: &String| report.accepted.get(exception).is_some_and(|s| s.contains(story));
    let idle = exceptions.iter().map(|exception| {
        let idle = exception.accepts.iter().filter(|story| !needed(&exception.id, story)).cloned();
        (exception.id.clone(), idle.collect::<BTreeSet<String>>())
    });
    report.idle = idle.filter(|(_, stories)| !stories.is_empty()).collect();
    if !wanted.settings.is_empty() || wanted.provisioning != Default::default() {
        progress("the shipped stories with default settings");
        let plain = run(&Wanted { settings: BTreeMap::new(), provisioning: Default::default(), ..wanted.clone() })?;
        let lost =
            |story: &&Label| Story::of(story, &plain).is_told_of() && !Story::of(story, &configured).is_told_of();
        report.lost_to_settings = stories.iter().filter(lost).map(|story| story.story.clone()).collect();
    }
    try_lists(wanted, &manifests, stories, &configured, run, progress, report)
}

/// The stories with whoever does them on a list, for each list that has members.
fn try_lists(
    wanted: &Wanted,
    manifests: &[Manifest],
    stories: &[Label],
    configured: &Findings,
    run: impl Fn(&Wanted) -> Result<Findings>,
    progress: &dyn Fn(&str),
    report: &mut Report,
) -> Result<()> {
    for list in lists::of(manifests, wanted) {
        let attackers = list.like(configured);
        if attackers.is_empty() {
            report.untried.insert(list.setting);
            continue;
        }
        progress(&format!("the stories, done by members of {}", list.setting));
        let with = run(&list.with(wanted, attackers))?;
        let is_lost =
            |story: &&Label| Story::of(story, configured).is_told_of() && !Story::of(story, &with).is_told_of();
        let lost = stories.iter().filter(is_lost).map(|story| story.story.clone()).collect();
        report.by_lists.insert(list.setting, lost);
    }
    Ok(())
}

fn cites(alert: &Alert, wanted: impl Fn(&str) -> bool) -> bool {
    alert.evidence.iter().any(|stub| wanted(&stub.id))
}

/// An attack of the labelled org, and what was found of it.
struct Story<'r> {
    name: &'r str,
    found: Vec<&'r Found>,
    run: &'r Findings,
}

impl<'r> Story<'r> {
    fn of(label: &'r Label, run: &'r Findings) -> Self {
        let ids: HashSet<&str> = label.entry_ids.iter().map(String::as_str).collect();
        let found = run.found.iter().filter(|found| cites(&found.alert, |id| ids.contains(id))).collect();
        Self { name: &label.story, found, run }
    }

    fn is_told_of(&self) -> bool {
        self.run.are_told(self.found.iter().copied())
    }

    /// Of a story that is told of without exceptions: is it with them, whoever does it?
    fn judge(&self, exceptions: &Exceptions, report: &mut Report) {
        let as_they_are = self.suppressed(exceptions);
        if !self.is_left(&[&as_they_are]) {
            let case = format!("story `{}`", self.name);
            report.quiet.insert(Quiet { case, by: self.by(&as_they_are) });
            return;
        }
        for exception in exceptions.iter() {
            for cast in self.casts(exception, exceptions) {
                let suppressed = self.suppressed(&cast);
                let by = self.by(&suppressed);
                if !self.is_left(&[&as_they_are, &suppressed]) {
                    self.unseen(by, &cast, report);
                    continue;
                }
                let rules: BTreeSet<String> =
                    by.into_iter().filter(|(id, _)| *id == exception.id).map(|(_, rule)| rule).collect();
                let alone = self
                    .found
                    .iter()
                    .zip(&suppressed)
                    .filter(|(found, by)| **by == Some(&*exception.id) && found.alert.severity >= Severity::Medium);
                let alone: BTreeSet<String> = alone.map(|(found, _)| found.alert.rule.clone()).collect();
                if !alone.is_empty() {
                    report.alone.entry(exception.id.clone()).or_default().extend(alone);
                }
                if !rules.is_empty() {
                    let known = report.by_design.entry(exception.id.clone()).or_default();
                    known.rules.extend(rules);
                    known.stories.insert(self.name.to_owned());
                }
            }
        }
    }

    /// The exceptions about one's subject, said of each who is named by what tells.
    fn casts(&self, exception: &Exception, exceptions: &Exceptions) -> Vec<Exceptions> {
        let mut casts = Vec::new();
        let is_serious = |found: &&&Found| found.alert.severity >= Severity::Medium;
        // Where none is, it is what all of them add up to that tells.
        let all = !self.found.iter().any(|found| is_serious(&found));
        for found in self.found.iter().filter(|found| all || is_serious(found)) {
            let cast = exceptions.cast(exception, &found.event, &self.run.networks);
            casts.extend(cast.filter(|cast| !casts.contains(cast)));
        }
        casts
    }

    /// Nothing is left. One of the entries may accept that.
    fn unseen(&self, by: BTreeSet<(String, String)>, cast: &Exceptions, report: &mut Report) {
        let accepts = |exception: &&Exception| {
            by.iter().any(|(id, _)| *id == exception.id) && exception.accepts.iter().any(|story| story == self.name)
        };
        let accepting: Vec<String> = cast.iter().filter(accepts).map(|exception| exception.id.clone()).collect();
        if accepting.is_empty() {
            let case = format!("story `{}`, if its subject does that", self.name);
            report.quiet.insert(Quiet { case, by });
        }
        for id in accepting {
            report.accepted.entry(id).or_default().insert(self.name.to_owned());
        }
    }

    /// For each finding, the exception that suppresses it.
    fn suppressed<'x>(&self, exceptions: &'x Exceptions) -> Vec<Option<&'x str>> {
        self.found.iter().map(|found| self.run.hidden_by(exceptions, found)).collect()
    }

    fn is_left(&self, suppressed: &[&[Option<&str>]]) -> bool {
        let is_suppressed = |at: usize| suppressed.iter().any(|by| by[at].is_some());
        self.run.are_told(self.found.iter().enumerate().filter(|(at, _)| !is_suppressed(*at)).map(|(_, found)| *found))
    }

    fn by(&self, suppressed: &[Option<&str>]) -> BTreeSet<(String, String)> {
        let pairs = self.found.iter().zip(suppressed);
        pairs.filter_map(|(found, by)| Some(((*by)?.to_owned(), found.alert.rule.clone()))).collect()
    }
}

fn own_case(path: &Path, wanted: &Wanted, exceptions: &Exceptions, report: &mut Report) -> Result<()> {
    let case = Case::read(path)?;
    let run = Findings::of(wanted, case.events.into_iter().map(Ok), |_| true)?;
    report.cases += 1;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let suppressed: Vec<(&Found, Option<&str>)> =
        run.found.iter().map(|found| (found, run.hidden_by(exceptions, found))).collect();
    let left = || suppressed.iter().filter(|(_, by)| by.is_none()).map(|(found, _)| *found);
    let mut dead = Vec::new();
    for rule in &case.rules {
        let is_own = run.own.contains(rule);
        if !is_own && !run.found.iter().any(|found| found.alert.rule == *rule) {
            dead.push(rule.as_str());
            continue;
        }
        // Of gridwatch's own, the sum lives on what is told; nothing suppresses the others.
        let is_left = match is_own {
            true => rule != builtin::RISK || run.add_up(left()),
            false => left().any(|found| found.alert.rule == *rule),
        };
        if !is_left {
            let of_rule = suppressed.iter().filter(|(found, _)| is_own || found.alert.rule == *rule);
            let by = of_rule.filter_map(|(found, by)| Some(((*by)?.to_owned(), found.alert.rule.clone()))).collect();
            report.quiet.insert(Quiet { case: format!("case `{name}` ({rule})"), by });
        }
    }
    match dead.is_empty() {
        true => report.told += 1,
        false => {
            report.dead.push(format!("case `{name}` doesn't fire {}, even without any exception", dead.join(", ")))
        }
    }
    Ok(())
}

/// One of the team's own.
struct Case {
    rules: Vec<String>,
    events: Vec<Event>,
}

impl Case {
    fn read(path: &Path) -> Result<Self> {
        let at = || format!("{}", path.display());
        let size = std::fs::metadata(path).with_context(at)?.len();
        if size > MAX_CASE_BYTES {
            bail!("{}: {size} bytes; a case is at most {MAX_CASE_BYTES}", path.display());
        }
        let text = std::fs::read_to_string(path).with_context(at)?;
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let rules = first.strip_prefix('#').and_then(|line| line.trim().strip_prefix("fires:"));
        let rules: Vec<String> =
            rules.unwrap_or_default().split(',').map(|rule| rule.trim().to_owned()).filter(|r| !r.is_empty()).collect();
        if rules.is_empty() {
            bail!(
                "{}:1: doesn't say which rules it fires\nhint: begin with a line `# fires: apps.install, privilege.granted`",
                path.display()
            );
        }
        let mut given = Entries::of(rest);
        let entry = |given| match given {
            Given::Entry(entry) => Some(entry),
            Given::Odd(_) => None,
        };
        let mut entries: Vec<Entry> = given.by_ref().filter_map(entry).collect();
        if entries.is_empty() {
            bail!("{}: has no entries", path.display());
        }
        if given.report().odd > 0 {
            // The first line isn't among them.
            tracing::warn!(file = %path.display(), values = given.report().odd, "not every value of a case is an entry");
        }
        entries.sort_by(|a, b| (a.time, a.id()).cmp(&(b.time, b.id())));
        let earliest = entries.iter().find_map(|entry| entry.time).unwrap_or_default();
        let event =
            |(i, entry): (usize, &Entry)| Event::new(i as u64 + 1, entry.time.unwrap_or(earliest).millis(), entry);
        Ok(Self { rules, events: entries.iter().enumerate().map(event).collect() })
    }
}

/// The cases of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = listing.filter_map(|file| Some(file.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "ndjson" || e == "jsonl" || e == "json"));
    files.sort();
    Ok(files)
}
