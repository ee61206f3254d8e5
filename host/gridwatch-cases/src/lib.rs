//! Cases: a module's tests as data. Entries in Slack's wire form, in order of arrival, and the alerts they have to make.
//!
//! ```json
//! { "kind": "positive",
//!   "config": { "burst_failures": 10 },
//!   "lookups": { "corporate_egress": ["198.51.100.0/24"] },
//!   "networks": ["198.51.100.0/24,AS64500,DE,52.52,13.40,"],
//!   "entries": [ { "id": "…", "date_create": 1790000000, "action": "user_login_failed", … },
//!                { "repeat": 9, "every_s": 20, "entry": { … } } ],
//!   "alerts": [ { "rule": "burst", "severity": "low", "key": "W1", "title": "10 failed", "evidence": 10 } ] }
//! ```
//!
//! `repeat` writes its entry that often, `every_s` seconds apart, with `{i}` in any text replaced by the number of the copy
//! (an id needs it). `of` names rules that the case is about where neither alerts nor actions tell. `alerts` has to be the whole list: what isn't in it must not fire. Of an alert only what is given is
//! compared; `title` has to be contained. One case runs natively in its crate and as WASM in the host's tests, and each
//! with several batch sizes and without the rules' triggers, none of which may matter.

mod random;
mod report;

pub use random::{Tried, try_triggers};

use gridwatch_event::entry::{Entry, Versions};
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_manifest::{Manifest, Rule, Severity};
use gridwatch_names::catalogue;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::batch::Batch;
use gridwatch_rules::pipeline::{Fault, ModuleOutcome, Pipeline, Service};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

const BATCH_SIZES: [usize; 3] = [1, 3, 1_024];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    pub kind: CaseKind,
    #[serde(default)]
    pub about: String,
    /// The rules that it is a case of beside those it expects and those whose actions it has: of a rule that fires on each of its
    /// actions, what is next to them is the near miss.
    #[serde(default)]
    of: Vec<String>,
    #[serde(default)]
    pub config: Map<String, Value>,
    #[serde(default)]
    pub lookups: BTreeMap<String, Vec<String>>,
    /// Lines of a table of networks, as [`Networks::parse`] reads it.
    #[serde(default)]
    pub networks: Vec<String>,
    /// Who provisions accounts, as `[detect.provisioning]` has it.
    #[serde(default)]
    pub provisioning: Provisioning,
    /// Each finding is an alert of its own: for cases of what is said of one thing, where one person does it to several.
    #[serde(default)]
    apart: bool,
    /// An hour goes by at the end, so that alerts have their final numbers.
    #[serde(default)]
    rest: bool,
    entries: Vec<Value>,
    alerts: Vec<Expected>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseKind {
    /// Fires.
    Positive,
    /// Ordinary life that must not fire.
    Negative,
    /// One step short of firing.
    NearMiss,
    /// Late, out of order, split, duplicated.
    Sequence,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rule: String,
    severity: Option<Severity>,
    key: Option<String>,
    title: Option<String>,
    evidence: Option<u64>,
    findings: Option<u64>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// What came of running a case.
struct Made {
    sent: Vec<Alert>,
    faults: Vec<Fault>,
    /// For each event that the module was given, by its number: what its windows said.
    windows: BTreeMap<u64, Vec<u64>>,
}

/// Whether the module is given what its rules wait for, or every event of their actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Triggers {
    Obeyed,
    Ignored,
}

impl CaseKind {
    /// As a case file has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::NearMiss => "near-miss",
            Self::Sequence => "sequence",
        }
    }
}

/// A way to run the module: a batch in, an outcome out.
pub type Run = Box<dyn FnMut(&Batch) -> ModuleOutcome>;

impl Case {
    /// Every `*.json` of a folder, by name.
    ///
    /// # Errors
    /// The folder or a file can't be read, or a file is no case: the message names it.
    pub fn read_dir(dir: &Path) -> Result<Vec<Self>, String> {
        let mut files: Vec<_> = std::fs::read_dir(dir)
            .map_err(|e| format!("{}: {e}", dir.display()))?
            .filter_map(|file| file.ok().map(|f| f.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect();
        files.sort();
        files.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self, String> {
        let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| at(&e))?;
        let mut case: Self = serde_json::from_str(&text).map_err(|e| at(&e))?;
        case.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(case)
    }

    pub fn tables(&self) -> Tables {
        let mut tables = Tables::default();
        self.lookups.iter().for_each(|(name, items)| tables.insert(name, items.clone()));
        tables
    }

    /// The case's events, numbered from 1 in order of arrival. What is given again under its id and says the same is left out, as
    /// the host drops it before any module sees it; what says something else is a later version.
    pub fn events(&self) -> Vec<Event> {
        let entries = self.entries.iter().flat_map(expand).map(|json| Entry::from_json(&json.to_string()));
        let mut versions = Versions::default();
        let version = |entry: Entry| versions.see(&entry).map(|version| (entry, version));
        let event = |(i, (entry, (version, other_act))): (usize, (Entry, (u32, bool)))| {
            let seen = entry.time.unwrap_or_default().plus(60).millis();
            Event::seen(i as u64 + 1, Sight { version, other_act, ..Sight::first(seen) }, &entry)
        };
        entries.filter_map(version).enumerate().map(event).collect()
    }

    /// What a module is given of the case's events, triggers or not, in batches of the host's usual size: for asking the module itself.
    pub fn batches(&self, manifest: &Manifest) -> Vec<Batch> {
        let config = manifest.configuration(&self.config).unwrap_or_default();
        let networks = Networks::parse(&self.networks.join("\n")).unwrap_or_default();
        let given = Rc::new(RefCell::new(Vec::new()));
        let note = given.clone();
        let run: Run = Box::new(move |batch| {
            note.borrow_mut().push(batch.clone());
            ModuleOutcome::default()
        });
        let size = BATCH_SIZES[BATCH_SIZES.len() - 1];
        self.run(&manifest.with_settings(&config), &networks, size, Triggers::Ignored, run);
        given.take()
    }

    /// Runs the case with each batch size and without triggers, with a fresh `run` for each, and says what doesn't hold.
    pub fn problems(&self, manifest: &Manifest, mut run: impl FnMut() -> Run) -> Vec<String> {
        let manifest = match manifest.configuration(&self.config) {
            Ok(config) => &manifest.with_settings(&config),
            Err(problems) => return problems,
        };
        let networks = match Networks::parse(&self.networks.join("\n")) {
            Ok(networks) => networks,
            Err(e) => return vec![format!("{}: networks: {e}", self.name)],
        };
        let mut runs: Vec<_> =
            BATCH_SIZES.iter().map(|size| self.run(manifest, &networks, *size, Triggers::Obeyed, run())).collect();
        let every_event = self.run(manifest, &networks, BATCH_SIZES[0], Triggers::Ignored, run());
        let mut problems = Vec::new();
        problems.extend(self.hidden(&every_event.sent, &runs[0].sent));
        // Of what was held back, too, a reader wants to know what the windows said.
        runs[0].windows = every_event.windows;
        for (size, other) in BATCH_SIZES.iter().zip(&runs).skip(1) {
            if other.sent != runs[0].sent {
                problems.push(self.other_batches(*size, &runs[0].sent, &other.sent));
            }
        }
        problems.extend(runs[0].faults.iter().map(|fault| self.fault(fault)));
        problems.extend(self.differences(manifest, &runs[0]));
        problems
    }

    fn run(
        &self,
        manifest: &Manifest,
        networks: &Networks,
        batch_size: usize,
        triggers: Triggers,
        mut run: Run,
    ) -> Made {
        let service = Service { manifest: Arc::new(manifest.clone()), digest: "case".into(), serves: 0..u64::MAX };
        let mut pipeline =
            Pipeline::new(vec![service]).with_networks(networks.clone()).with_provisioning(self.provisioning.clone());
        if self.apart {
            pipeline = pipeline.without_folding();
        }
        if triggers == Triggers::Ignored {
            pipeline = pipeline.without_triggers();
        }
        let mut made = Made { sent: Vec::new(), faults: Vec::new(), windows: BTreeMap::new() };
        for events in self.events().chunks(batch_size) {
            let prepared = pipeline.prepare(events);
            for batch in prepared.asked.iter().map(|asked| &asked.batch) {
                let values = |row| (0..manifest.windows.len()).map(|window| batch.window_at(window, row)).collect();
                made.windows.extend(batch.seqs.iter().enumerate().map(|(row, seq)| (*seq, values(row))));
            }
            let mut judged = |batch| if Batch::rows(batch) == 0 { ModuleOutcome::default() } else { run(batch) };
            let outcomes: Vec<_> = prepared.asked.iter().map(|a| (a.service, judged(&a.batch))).collect();
            let concluded = pipeline.conclude(events, &prepared, outcomes);
            pipeline.take_changes();
            made.sent.extend(concluded.alerts);
            made.faults.extend(concluded.faults);
        }
        if self.rest {
            made.sent.extend(pipeline.rest());
        }
        made
    }

    /// The rules that name windows as what they go by.
    fn citing(&self, manifest: &Manifest, run: Run) -> BTreeSet<String> {
        let config = manifest.configuration(&self.config).unwrap_or_default();
        let networks = Networks::parse(&self.networks.join("\n")).unwrap_or_default();
        let Made { sent, .. } =
            self.run(&manifest.with_settings(&config), &networks, BATCH_SIZES[2], Triggers::Obeyed, run);
        let cites = |alert: &&Alert| alert.basis.windows.iter().any(|counted| counted.cited);
        sent.iter().filter(cites).map(|alert| alert.rule.clone()).collect()
    }
}

/// What a module's cases leave out: every rule has one of each kind, and one of a sequence if it cites windows.
pub fn gaps(manifest: &Manifest, cases: &[Case], mut run: impl FnMut(&Case) -> Run) -> Vec<String> {
    let citing: BTreeSet<String> = cases.iter().flat_map(|case| case.citing(manifest, run(case))).collect();
    let of_rule = |rule: &Rule| {
        let fires = |case: &&Case| case.alerts.iter().any(|expected| expected.rule == rule.id);
        // What has none of its actions says nothing of a rule.
        let stays_quiet = |case: &&Case| {
            let sees = |event: &Event| rule.actions.iter().any(|p| catalogue::pattern_matches(p, event.action()));
            !fires(case) && (case.of.contains(&rule.id) || case.events().iter().any(sees))
        };
        let has = |kind: CaseKind, is_it: &dyn Fn(&&Case) -> bool| {
            cases.iter().filter(|case| case.kind == kind).any(|case| is_it(&case))
        };
        let stateful = citing.contains(&format!("{}.{}", manifest.name, rule.id));
        let missing = [
            ("positive", has(CaseKind::Positive, &fires)),
            ("negative", has(CaseKind::Negative, &stays_quiet)),
            ("near-miss", has(CaseKind::NearMiss, &stays_quiet)),
            ("sequence", !stateful || has(CaseKind::Sequence, &fires)),
        ];
        missing
            .into_iter()
            .filter(|(_, is_there)| !is_there)
            .map(|(kind, _)| format!("rule `{}` has no {kind} case", rule.id))
            .collect::<Vec<_>>()
    };
    let strangers = cases.iter().flat_map(|case| case.of.iter().map(move |rule| (case, rule)));
    let strangers = strangers.filter(|(_, id)| !manifest.rules.iter().any(|rule| rule.id == **id));
    let strangers = strangers.map(|(case, id)| format!("{}: of `{id}`, which is not a rule", case.name));
    strangers.chain(manifest.rules.iter().flat_map(of_rule)).collect()
}

/// Entries as they are meant: `{"repeat": N, …}` as so many, and in them `{"times": N, "text": "W{n}"}` as a list of so many texts.
fn expand(item: &Value) -> Vec<Value> {
    let mut entries = repeated(item);
    entries.iter_mut().for_each(fill);
    entries
}

fn fill(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let list = fields.get("times").and_then(Value::as_u64).zip(fields.get("text").and_then(Value::as_str));
            match list {
                Some((times, text)) if fields.len() == 2 => {
                    *value = (0..times).map(|n| Value::from(text.replace("{n}", &n.to_string()))).collect();
                }
                _ => fields.values_mut().for_each(fill),
            }
        }
        Value::Array(items) => items.iter_mut().for_each(fill),
        _ => {}
    }
}

fn repeated(item: &Value) -> Vec<Value> {
    let (Some(times), Some(entry)) = (item.get("repeat").and_then(Value::as_u64), item.get("entry")) else {
        return vec![item.clone()];
    };
    let every_s = item.get("every_s").and_then(Value::as_u64).unwrap_or(0);
    (0..times).map(|i| numbered(entry, i, every_s)).collect()
}

fn numbered(entry: &Value, i: u64, every_s: u64) -> Value {
    let text = entry.to_string().replace("{i}", &i.to_string());
    let mut entry: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(time) = entry.get("date_create").and_then(Value::as_u64) {
        entry["date_create"] = (time + i * every_s).into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_rules::finding::RawFinding;

    const MANIFEST: &str = r#"
        name = "m"
        version = "1.0.0"
        abi = "gridwatch:detect@1"
        title = "t"
        fields = ["context.network"]
        [[window]]
        name = "logins"
        kind = "count"
        actions = ["user_login"]
        key = ["context.network"]
        span = "1h"
        [[window]]
        name = "busy"
        kind = "count"
        actions = ["user_login"]
        when = { window = "logins", at_least = "many" }
        key = ["context.network"]
        span = "1h"
        [[rule]]
        id = "busy"
        title = "b"
        actions = ["user_login"]
        condition = "c"
        threshold = "t"
        severity = "low"
        fold = "24h"
        attack = []
        playbook = { verify = [{ do = "ask" }], contain = [{ do = "reset" }] }
        [config.many]
        type = "integer"
        help = "h"
        default = 5
        min = 1
    "#;

    /// A module that tells what it sees: the network as key, where `busy` says so.
    fn module(batch: &Batch) -> ModuleOutcome {
        let (busy, rows) = (&batch.windows[batch.rows()..], 0..batch.rows());
        let finding = |row: usize| RawFinding {
            row: row as u32,
            severity: 2,
            dedup_key: batch.text_at(0, row).to_owned(),
            ..RawFinding::default()
        };
        ModuleOutcome { findings: rows.filter(|row| busy[*row] > 0).map(finding).collect(), ..ModuleOutcome::default() }
    }

    #[test]
    fn a_case_brings_its_networks_and_settings() {
        let case = |alerts: &str| -> Case {
            let entry = r#"{"id":"e-{i}","date_create":1790000000,"action":"user_login","context":{"ip_address":"198.51.100.{i}"}}"#;
            let text = format!(
                r#"{{"kind":"positive","config":{{"many":3}},"networks":["198.51.100.0/24,AS64500"],
                    "entries":[{{"repeat":3,"every_s":1,"entry":{entry}}}],"alerts":[{alerts}]}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let manifest = Manifest::parse(MANIFEST).unwrap();
        let problems = |case: Case| case.problems(&manifest, || Box::new(module));
        assert_eq!(problems(case(r#"{"rule":"busy","key":"AS64500","findings":1}"#)), Vec::<String>::new());
        assert_eq!(problems(case("")).len(), 1, "an alert that isn't expected is a problem");
        let told =
            problems(case(r#"{"rule":"busy","key":"AS64501","severity":"low","evidence":7,"labels":{"a":"b"}}"#));
        let want = [
            "case ``, positive: rule `busy` makes another alert than expected",
            "  key        expected \"AS64501\"  made \"AS64500\"",
            "  evidence   expected 7  made 1",
            "  label a    expected \"b\"  made none",
            "  windows at `e-2` (user_login): logins 3, busy 1",
        ];
        assert_eq!(told, [want.join("\n")]);
        let told = problems(case(r#"{"rule":"busy"},{"rule":"busy","key":"AS1"}"#));
        let want = [
            "case ``, positive: rule `busy` makes no alert that is expected with key \"AS1\"",
            "  windows at `e-2` (user_login): logins 3, busy 1",
        ];
        assert_eq!(told, [want.join("\n")]);
        let told = problems(case(r#"{"rule":"bussy"}"#));
        assert!(told[0].contains("`bussy` is not a rule of the manifest"), "{told:?}");
        assert!(told[1].contains("rule `busy` makes an alert that isn't expected"), "{told:?}");
    }

    #[test]
    fn a_trigger_that_hides_something_is_told_of_a_case_and_of_random_batches() {
        let waiting = |least: u64| {
            let trigger = format!("trigger = [{{ when = {{ window = \"busy\", at_least = {least} }} }}]");
            Manifest::parse(&MANIFEST.replace("condition = \"c\"", &format!("{trigger}\ncondition = \"c\""))).unwrap()
        };
        let entry =
            r#"{"id":"e-{i}","date_create":1790000000,"action":"user_login","context":{"ip_address":"198.51.100.7"}}"#;
        let text = format!(
            r#"{{"kind":"positive","entries":[{{"repeat":6,"every_s":1,"entry":{entry}}}],"alerts":[{{"rule":"busy"}}]}}"#
        );
        let cases: [Case; 1] = [serde_json::from_str(&text).unwrap()];
        for (least, hides) in [(1, false), (2, true)] {
            let problems = cases[0].problems(&waiting(least), || Box::new(module));
            assert_eq!(problems.iter().any(|problem| problem.contains("change what they find")), hides, "{problems:?}");
            let tried = try_triggers(&waiting(least), &cases, 0..30, |_| true, |_| Box::new(module));
            assert_eq!(!tried.problems.is_empty(), hides, "{:?}", tried.problems);
            assert!(tried.fired.contains("m.busy") && tried.held_back > 0 && tried.rows > tried.held_back, "{tried:?}");
        }
    }

    #[test]
    fn an_entry_given_again_is_dropped_as_by_the_host() {
        let entry = |id: &str, time: u64, user: &str| {
            format!(
                r#"{{"id":"{id}","date_create":{time},"action":"user_login","actor":{{"type":"user","user":{{"id":"{user}"}}}}}}"#
            )
        };
        let [a, other_time] = [entry("a", 1, "U1"), entry("a", 2, "U1")];
        let [other_content, other_id] = [entry("a", 1, "U2"), entry("b", 1, "U1")];
        let entries = [&a, &a, &other_time, &other_content, &other_id, &other_time].map(String::as_str).join(",");
        let case = format!(r#"{{"kind":"sequence","entries":[{entries}],"alerts":[]}}"#);
        let case: Case = serde_json::from_str(&case).unwrap();
        let events = case.events();
        let told: Vec<_> = events.iter().map(|e| (e.seq, e.id(), e.time.0, e.sight().version)).collect();
        assert_eq!(told, [(1, "a", 1, 1), (2, "a", 2, 2), (3, "a", 1, 3), (4, "b", 1, 1)]);
    }

    #[test]
    fn a_rule_without_a_case_of_each_kind_is_told() {
        let case = |kind: &str, action: &str, times: u64, alerts: &str| -> Case {
            let entry = format!(r#"{{"id":"e-{{i}}","date_create":1790000000,"action":"{action}"}}"#);
            let entries = format!(r#"[{{"repeat":{times},"every_s":1,"entry":{entry}}}]"#);
            serde_json::from_str(&format!(r#"{{"kind":"{kind}","entries":{entries},"alerts":{alerts}}}"#)).unwrap()
        };
        let manifest = Manifest::parse(MANIFEST).unwrap();
        let gaps = |cases: &[Case]| super::gaps(&manifest, cases, |_| Box::new(module));
        let fires = r#"[{"rule":"busy"}]"#;
        assert_eq!(gaps(&[]).len(), 3, "what cites nothing needs no sequence");
        let mut all = vec![
            case("positive", "user_login", 9, fires),
            case("negative", "user_logout", 1, "[]"),
            case("near-miss", "user_login", 1, "[]"),
        ];
        assert_eq!(gaps(&all), ["rule `busy` has no negative case"], "one with other actions is none");
        all[1].of = vec!["busy".into(), "bussy".into()];
        assert_eq!(gaps(&all), [": of `bussy`, which is not a rule"]);
        all[1].of.clear();
        all.push(case("negative", "user_login", 1, "[]"));
        assert_eq!(gaps(&all), Vec::<String>::new());
    }
}
