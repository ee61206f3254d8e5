//! `cargo xtask bench detections`: the modules over the labelled org, as WASM, through the same pipeline as live.
//!
//! For each seed: which story was found and how long after its first and its decisive entry; which alerts belong to no story
//! (noise), by rule beside the rule's budget; and what the state weighs at the end. Ends with 1 if a story is missed or
//! anything is louder than it may be.
//!
//! `--shape offices|home|shared` makes another kind of organization, and `--tell attacks,trouble` tells more stories in it; trouble is
//! ordinary life, and noise. Noise is printed by week too: the first and second, while what is usual is learned, and later.
//!
//! `--users N`, `--days N`, `--seeds 1,2`, `--benign` (no story happens). The thresholds and budgets were set on seeds 1 to 9 and
//! 201 to 209; the default is another. Settings are those of [`gridwatch_tests::labelled`]: what a team knows of its organization on
//! the first day. With `--unconfigured` the modules are told nothing at all, as on an installation that nobody has configured.
//!
//! An alert belongs to a story if it cites one of the story's entries. A story counts as found if an alert of at least
//! Medium does; what only a lower one cites is shown as "seen".

use gridwatch_detect::{Detector, Module};
use gridwatch_event::event::Event;
use gridwatch_event::network::Networks;
use gridwatch_manifest::{Rule, Severity};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::pipeline::Pipeline;
use gridwatch_rules::windows::MAX_TOTAL_BYTES;
use gridwatch_stories::benchmark::{Benchmark, Extension, Facts, Label, Labelled};
use gridwatch_tests::labelled::{FROM, events, is_over, is_too_loud, modules, networks, rules, setting};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;

/// The most that the whole set may cost: alerts of Medium or above a day and thousand users. None of them may be High.
const MEDIUM_BUDGET: f64 = 0.1;
/// Told only if somebody says what nobody has a reason to touch, or whom to watch more closely, which no log does.
const NEEDS_SETTINGS: &[&str] =
    &["decoy-touched", "leaver-takes-along", "executive-elsewhere", "emergency-account-used"];
const BATCH: usize = 4_096;
/// How many of the heaviest windows are shown.
const HEAVIEST: usize = 5;
/// How many of the noisiest rules are shown with examples, and how many of these.
const NOISIEST: usize = 15;
const EXAMPLES: usize = 4;

struct Options {
    users: u32,
    days: u32,
    seeds: Vec<u64>,
    stories: bool,
    unconfigured: bool,
    extension: Extension,
}

/// What ordinary life with its trouble may cost in the first two weeks and later, in alerts of Medium or above a day and thousand users.
const TROUBLE_BUDGET: [f64; 3] = [1.0, 1.0, 0.5];
const WEEK_S: u64 = 7 * 86_400;

fn main() -> ExitCode {
    let options = options();
    let mut problems = Vec::new();
    for seed in &options.seeds {
        let plan =
            Benchmark { seed: *seed, users: options.users, from: FROM, days: options.days, stories: options.stories };
        problems.extend(report(&plan, &options).into_iter().map(|problem| format!("seed {seed}: {problem}")));
    }
    println!("{} seeds; peak resident memory of the whole bench {}", options.seeds.len(), peak_memory());
    problems.iter().for_each(|problem| println!("FAILED  {problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What cargo adds to the arguments is passed over.
fn options() -> Options {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1).cloned());
    let number = |name: &str, default: u32| value(name).map_or(default, |text| text.parse().expect("a number"));
    let seeds = value("--seeds").unwrap_or_else(|| "101".to_owned());
    let seeds = seeds.split(',').map(|seed| seed.parse().expect("a seed")).collect();
    let said = |name: &str| args.iter().any(|arg| arg == name);
    let (stories, unconfigured) = (!said("--benign"), said("--unconfigured"));
    let shape = value("--shape").map_or_else(Default::default, |shape| shape.parse().expect("a shape"));
    let tell: Vec<String> = value("--tell").map_or_else(Vec::new, |tell| tell.split(',').map(str::to_owned).collect());
    let extension = Extension::of(shape, &tell).expect("stories");
    Options { users: number("--users", 1_000), days: number("--days", 30), seeds, stories, unconfigured, extension }
}

/// Prints what came of one organization; returns what isn't as it should be.
fn report(plan: &Benchmark, options: &Options) -> Vec<String> {
    let unconfigured = options.unconfigured;
    let labelled = plan.run_with(&options.extension);
    let (facts, networks) = if unconfigured {
        (Facts::default(), Networks::default())
    } else {
        (labelled.labels.facts.clone(), networks(&labelled))
    };
    let modules = modules(&facts);
    let rules = rules(modules.iter().map(|module| &*module.manifest));
    let stories = &labelled.labels.stories;
    let told = if unconfigured { "nothing configured" } else { "configured" };
    println!("seed {}: {} users, {} days, {} stories, {told}", plan.seed, plan.users, plan.days, stories.len());
    let alerts = alerts(&labelled, modules, &facts, networks);
    let by_entry: HashMap<&str, usize> = stories
        .iter()
        .enumerate()
        .flat_map(|(at, story)| story.entry_ids.iter().map(move |id| (id.as_str(), at)))
        .collect();
    let (mut of_story, mut noise) = (vec![Vec::new(); stories.len()], Vec::new());
    for alert in &alerts {
        let cited: BTreeSet<usize> = alert.entries.iter().filter_map(|id| by_entry.get(id.as_str()).copied()).collect();
        if cited.is_empty() {
            noise.push(alert);
        }
        cited.into_iter().for_each(|story| of_story[story].push(alert));
    }
    let mut problems = found(stories, &of_story);
    if unconfigured {
        problems.retain(|problem| !NEEDS_SETTINGS.iter().any(|story| problem.contains(story)));
    }
    noisiest(&noise);
    let problems_of_weeks = weeks(&noise, plan.from, plan.users.into(), plan.days.into(), options.extension.trouble);
    match options.extension.trouble {
        true => problems.extend(problems_of_weeks),
        false => problems.extend(quiet(&noise, &rules, plan.users.into(), plan.days.into())),
    }
    let serious = |alert: &&Seen| alert.severity >= Severity::Medium;
    let wrong = noise.iter().copied().filter(serious).count();
    let all = alerts.iter().filter(serious).count();
    println!("  precision of Medium and above: {} of {all} alerts belong to a story", all - wrong);
    problems
}

/// Each story with what found it and when; returns the missed ones.
fn found(stories: &[Label], of_story: &[Vec<&Seen>]) -> Vec<String> {
    let (mut missed, mut delays) = (Vec::new(), Vec::new());
    for (story, alerts) in stories.iter().zip(of_story) {
        let serious = |alert: &&&Seen| alert.severity >= Severity::Medium;
        let first = alerts.iter().filter(serious).min_by_key(|alert| alert.at);
        let rules: BTreeSet<&str> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
        let variant = format!("{:?}", story.variant).to_lowercase();
        let Some(alert) = first else {
            let word = if rules.is_empty() { "MISSED" } else { "seen  " };
            println!("  {word}  {:<28} {variant:<5} {} {rules}", story.story, story.actors.join(","));
            missed.push(format!("story {} ({variant}) missed", story.story));
            continue;
        };
        let after = alert.at.saturating_sub(story.first_entry_at);
        let decisive = alert.at as i64 - story.decisive_at as i64;
        println!("  found   {:<28} {variant:<5} after {after:>6} s ({decisive:>+7} s)  {rules}", story.story);
        delays.push((after, decisive));
    }
    if !stories.is_empty() {
        let middle = |mut all: Vec<i64>| {
            all.sort_unstable();
            (all.get(all.len() / 2).copied().unwrap_or(0), all.last().copied().unwrap_or(0))
        };
        let first = middle(delays.iter().map(|(after, _)| *after as i64).collect());
        let decisive = middle(delays.iter().map(|(_, decisive)| *decisive).collect());
        println!(
            "  recall {}/{}; after the first entry: median {} s, longest {} s; after the decisive one: {} s, {} s",
            delays.len(),
            stories.len(),
            first.0,
            first.1,
            decisive.0,
            decisive.1
        );
    }
    missed
}

/// Noise, alerts that belong to no story, beside what each rule may cost; returns what is too loud.
fn quiet(noise: &[&Seen], rules: &BTreeMap<String, Rule>, users: f64, days: f64) -> Vec<String> {
    let (mut problems, scale) = (Vec::new(), users / 1_000.0 * days);
    let mut by_rule: BTreeMap<(&str, Severity), (u64, &str)> = BTreeMap::new();
    for alert in noise {
        let level = alert.severity.min(Severity::Medium);
        by_rule.entry((&alert.rule, level)).or_insert((0, &alert.title)).0 += 1;
    }
    for ((name, severity), (count, title)) in by_rule {
        let rule = rules.get(name);
        let budget = rule.map_or(0.0, |rule| rule.budget_of(severity));
        let (measured, over) = (count as f64 / scale, is_too_loud(rule, severity, count, users, days));
        println!(
            "  noise   {name:<36} {:<13} {count:>6} {measured:>8.3} of {budget:>6.3} {}  e.g. {title}",
            severity.name(),
            if over { "OVER" } else { "    " }
        );
        if over {
            problems.push(format!("{name}: {count} alerts of {}, budget {budget}", severity.name()));
        }
    }
    let of = |least| noise.iter().filter(|alert| alert.severity >= least).count() as u64;
    let (medium, high) = (of(Severity::Medium), of(Severity::High));
    println!(
        "  noise of Medium and above {:.3} a day and 1,000 users (at most {MEDIUM_BUDGET}); of High and above {high} alerts \
         (none allowed)",
        medium as f64 / scale
    );
    if is_over(medium, MEDIUM_BUDGET, scale) {
        problems.push(format!("{medium} alerts of Medium and above in all"));
    }
    for alert in noise.iter().filter(|alert| alert.severity >= Severity::High) {
        problems.push(format!("{} says {} of ordinary life: {}", alert.rule, alert.severity.name(), alert.title));
    }
    problems
}

/// Noise of Medium and above by week: the first, the second, and all that came later; what is too loud where trouble is told.
fn weeks(noise: &[&Seen], from: u64, users: f64, days: f64, has_trouble: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let names = ["week one", "week two", "later"];
    for ((name, budget), week) in names.into_iter().zip(TROUBLE_BUDGET).zip(0..) {
        let is_of = |at: u64| (at.saturating_sub(from) / WEEK_S).min(2) == week;
        let long = if week < 2 { 7.0 } else { days - 14.0 };
        let of = |least| noise.iter().filter(|alert| alert.severity >= least && is_of(alert.at)).count() as f64;
        let a_day = of(Severity::Medium) / long / (users / 1_000.0);
        let high = of(Severity::High);
        println!("  {name:<9} {a_day:>6.2} alerts of Medium and above a day and 1,000 users, {high} of High");
        if has_trouble && long > 0.0 && a_day > budget {
            problems
                .push(format!("{name}: {a_day:.2} alerts of Medium and above a day and 1,000 users, at most {budget}"));
        }
        if has_trouble && high > 0.0 {
            problems.push(format!("{name}: {high} alerts of High of ordinary life"));
        }
    }
    problems
}

/// The rules that say most of ordinary life: how often, of which acts, and in which words.
fn noisiest(noise: &[&Seen]) {
    let mut by_rule: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    noise.iter().for_each(|alert| by_rule.entry(&alert.rule).or_default().push(alert));
    let serious = |alerts: &[&Seen]| alerts.iter().filter(|alert| alert.severity >= Severity::Medium).count();
    let mut loudest: Vec<_> = by_rule.into_iter().collect();
    loudest.sort_by_key(|(_, alerts)| std::cmp::Reverse((serious(alerts), alerts.len())));
    for (rule, alerts) in loudest.iter().take(NOISIEST) {
        let mut levels: BTreeMap<Severity, u64> = BTreeMap::new();
        alerts.iter().for_each(|alert| *levels.entry(alert.severity).or_default() += 1);
        let levels: Vec<String> = levels.iter().map(|(severity, n)| format!("{n} {}", severity.name())).collect();
        let acts: BTreeSet<&str> = alerts.iter().map(|alert| alert.action.as_str()).collect();
        let acts = acts.into_iter().collect::<Vec<_>>().join(", ");
        println!("  noisy   {rule}: {}; of {acts}", levels.join(", "));
        let mut worst: Vec<_> = alerts.iter().collect();
        worst.sort_by_key(|alert| std::cmp::Reverse(alert.severity));
        let shown = worst.len().div_ceil(EXAMPLES).max(1);
        for alert in worst.iter().step_by(shown) {
            println!("            {:<13} {}  [{}]", alert.severity.name(), alert.title, alert.entry);
        }
    }
}

/// An alert as far as scoring goes, all its revisions together.
#[derive(Debug)]
struct Seen {
    rule: String,
    severity: Severity,
    title: String,
    /// Event time of the first revision.
    at: u64,
    /// Action and id of the first entry that it cites.
    action: String,
    entry: String,
    entries: BTreeSet<String>,
}

/// Every alert that the modules make of the org. Prints what it cost.
fn alerts(labelled: &Labelled, modules: Vec<Module>, facts: &Facts, networks: Networks) -> Vec<Seen> {
    let mut detector = Detector::new(setting(facts, networks), modules).expect("threads");
    let (mut seen, mut seq, mut entries) = (BTreeMap::new(), 0, events(labelled).peekable());
    while entries.peek().is_some() {
        let batch: Vec<Event> = entries.by_ref().take(BATCH).collect();
        seq = batch.last().map_or(seq, |event| event.seq);
        let concluded = detector.detect(&batch).concluded;
        if let Some(fault) = concluded.faults.first() {
            println!("  FAULT   {fault:?}");
        }
        concluded.alerts.iter().for_each(|alert| note(&mut seen, alert));
    }
    weigh(detector.pipeline(), seq);
    seen.into_values().collect()
}

/// What the windows remember in the end.
fn weigh(pipeline: &Pipeline, entries: u64) {
    let mut sizes = pipeline.window_sizes();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.hits + size.keys));
    println!(
        "  state   {entries} entries left about {} MB in {} windows (at most {} MB)",
        pipeline.window_bytes() / 1_000_000,
        sizes.len(),
        MAX_TOTAL_BYTES / 1_000_000
    );
    for size in sizes.iter().take(HEAVIEST) {
        let name = format!("{}.{}", size.module, size.window);
        println!("          {name:<40} {:>8} keys {:>8} hits", size.keys, size.hits);
    }
}

/// As Linux counts it: generator, labels, engine and all.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".into(), |size| size.trim().to_owned())
}

fn note(seen: &mut BTreeMap<String, Seen>, alert: &Alert) {
    let entry = seen.entry(alert.uid.clone()).or_insert_with(|| Seen {
        rule: alert.rule.clone(),
        severity: alert.severity,
        title: alert.title.clone(),
        at: alert.last.0,
        action: alert.evidence.first().map(|stub| stub.action.clone()).unwrap_or_default(),
        entry: alert.evidence.first().map(|stub| stub.id.clone()).unwrap_or_default(),
        entries: BTreeSet::new(),
    });
    entry.severity = entry.severity.max(alert.severity);
    entry.entries.extend(alert.evidence.iter().map(|stub| stub.id.clone()));
}
