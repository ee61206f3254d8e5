//! The manifest: what a module says of itself, readable without running any of its code.
//!
//! It is the TOML of `module.toml`, carried in the component's custom section [`SECTION`]. Reading it reports every problem
//! at once, and checks each action name against Slack's catalogue: a rule that waits for a name that doesn't exist would
//! be silent for ever, and nobody would notice.

mod check;
mod doubt;
mod read;
mod rule;
mod setting;
mod window;

pub use rule::{Playbook, Rule, Step};
pub use setting::{ConfigKey, ConfigKind};
pub use window::{
    Baseline, Conditions, FieldTest, MAX_AT_LEAST, Saying, Says, SequenceStep, Threshold, Trigger, WindowKind,
    WindowSpec, WindowTest,
};

use crate::document::Problem;
use crate::field::{Field, MATCH};
use check::Check;
use gridwatch_names::catalogue;
use read::{Places, Read, read};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Name of the component's custom section that holds the manifest.
pub const SECTION: &str = "gridwatch:manifest";
/// What the module's program is called among its settings.
const PROGRAM: &str = "program";
/// The ABI this host speaks.
pub const ABI: &str = "gridwatch:detect@1";

/// Limits that keep a manifest from costing more than the module is worth.
pub const MAX_BYTES: usize = 256 << 10;
pub const MAX_FIELDS: usize = 64;
pub const MAX_WINDOWS: usize = 64;
pub const MAX_RULES: usize = 128;
/// Things that are asked under `[match]`: one for each rule, and as many for windows. Columns of them don't count as fields.
pub const MAX_MATCHES: usize = 2 * MAX_RULES;
/// The highest noise budget: an alert a day for each user. A rule that needs more is a log.
pub const MAX_BUDGET: f64 = 1_000.0;
/// The longest span a window may remember: 400 days, a year and its seasons.
pub const MAX_SPAN_S: u64 = 400 * 86_400;

#[derive(Clone, Debug)]
pub struct Manifest {
    pub name: String,
    pub version: semver::Version,
    pub title: String,
    pub grants: Vec<Grant>,
    pub lookups: Vec<String>,
    pub fields: Vec<Field>,
    pub windows: Vec<WindowSpec>,
    pub rules: Vec<Rule>,
    pub config: BTreeMap<String, ConfigKey>,
    /// The most work that an event may cost on average, in units that are the same on every machine. `gridwatch module check`
    /// measures it; nothing in service depends on it.
    pub fuel: Option<u64>,
    /// Handed to the module with its settings, as `program`: what a component that serves many manifests is to do for this one.
    pub program: Option<Value>,
}

/// What a module may be given beyond its batch; the configuration has to grant it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// The host's small durable key-value state.
    Kv,
    /// Membership in the tables named under `lookups`.
    Lookup,
    /// An empty WASI: no files, environment or network, a fixed clock, seeded random.
    Wasi,
}

/// Everything wrong with a manifest: first its form, then what it says. The key of a problem is the part that it is about, as in
/// ``rule `burst` ``.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", self.lines().join("\n"))]
pub struct ManifestError {
    pub problems: Vec<Problem>,
}

impl ManifestError {
    fn lines(&self) -> Vec<String> {
        self.problems.iter().map(ToString::to_string).collect()
    }
}

impl Manifest {
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_BYTES {
            let what = format!("the manifest is over {MAX_BYTES} bytes");
            let problem = Problem { place: None, key: String::new(), what, hint: None };
            return Err(ManifestError { problems: vec![problem] });
        }
        let Read { raw, mut problems } = read(text);
        let mut check = Check::default();
        let manifest = raw.and_then(|raw| raw.validate(&mut check));
        let places = Places::of(text);
        problems.extend(check.problems.iter().map(|problem| places.placed(problem)));
        match manifest {
            Some(manifest) if problems.is_empty() => Ok(manifest),
            _ => Err(ManifestError { problems }),
        }
    }

    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.label() == name)
    }

    /// Does any rule want to see this action?
    pub fn subscribes(&self, action: &str) -> bool {
        self.rules.iter().any(|rule| rule.actions.iter().any(|p| catalogue::pattern_matches(p, action)))
    }

    /// The longest time this module looks back: how far a rebuilt store has to re-read.
    pub fn longest_span_s(&self) -> u64 {
        self.windows.iter().map(WindowSpec::reach_s).max().unwrap_or(0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    version: String,
    abi: String,
    title: String,
    #[serde(default)]
    grants: Vec<Grant>,
    #[serde(default)]
    lookups: Vec<String>,
    fields: Vec<String>,
    #[serde(default)]
    sets: BTreeMap<String, Vec<String>>,
    #[serde(default, rename = "match")]
    matches: BTreeMap<String, toml::Value>,
    program: Option<toml::Value>,
    #[serde(default)]
    window: Vec<window::RawWindow>,
    #[serde(default)]
    rule: Vec<rule::RawRule>,
    #[serde(default)]
    config: BTreeMap<String, setting::RawConfig>,
    fuel: Option<u64>,
}

impl RawManifest {
    fn validate(self, check: &mut Check) -> Option<Manifest> {
        check.name("name", &self.name);
        if self.abi != ABI {
            check.problem(format!("abi: `{}` is not `{ABI}`, the one this host speaks", self.abi));
        }
        let version = check.take("version", semver::Version::parse(&self.version));
        check.matches(self.matches);
        let fields = check.fields("fields", &self.fields);
        let (asked, texts): (Vec<&str>, Vec<&str>) =
            self.fields.iter().map(String::as_str).partition(|name| name.starts_with(MATCH));
        check.unique("field", texts.into_iter(), MAX_FIELDS);
        check.unique("field", asked.into_iter(), MAX_MATCHES);
        check.unique("window", self.window.iter().map(|w| w.name.as_str()), MAX_WINDOWS);
        check.unique("rule", self.rule.iter().map(|r| r.id.as_str()), MAX_RULES);
        if self.rule.is_empty() {
            check.problem("a module needs at least one [[rule]]".into());
        }
        if !self.lookups.is_empty() && !self.grants.contains(&Grant::Lookup) {
            check.problem("lookups: needs `grants = [\"lookup\"]`".into());
        }
        check.sets = self.sets;
        let config =
            self.config.into_iter().filter_map(|(name, key)| Some((name.clone(), key.validate(&name, check)?)));
        let config = config.collect();
        let windows = windows(self.window, &config, check);
        let above = window::Above { config: &config, windows: &windows };
        let rules = self.rule.into_iter().map(|r| r.validate(&above, check)).collect();
        check.unused_sets();
        check.unused_matches();
        let program = self.program.and_then(|program| check.take("program", serde_json::to_value(program)));
        if program.is_some() && config.contains_key(PROGRAM) {
            check.problem(format!(
                "config `{PROGRAM}`: the manifest has a `{PROGRAM}`, which the module gets under that name"
            ));
        }
        if self.fuel == Some(0) {
            check
                .problem("fuel: 0 allows no event; leave it out, or say what `gridwatch module check` measures".into());
        }
        Some(Manifest {
            config,
            fuel: self.fuel,
            program,
            name: self.name,
            version: version?,
            title: self.title,
            grants: self.grants,
            lookups: self.lookups,
            fields,
            windows,
            rules,
        })
    }
}

/// In the order of the file: a window may refer to those above it, so that none can wait for itself.
fn windows(raw: Vec<window::RawWindow>, config: &BTreeMap<String, ConfigKey>, check: &mut Check) -> Vec<WindowSpec> {
    let mut windows = Vec::new();
    for raw in raw {
        let window = raw.validate(&window::Above { config, windows: &windows }, check);
        windows.extend(window);
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Severity;
    use gridwatch_names::method;
    use serde_json::json;

    #[test]
    fn every_playbook_of_ours_names_methods_and_scopes_that_exist() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-rules");
        let files = std::fs::read_dir(folder).unwrap().map(|dir| dir.unwrap().path().join("module.toml"));
        let mut steps = 0;
        for file in files.filter(|file| file.is_file()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let manifest = Manifest::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let playbooks = manifest.rules.iter().map(|rule| &rule.playbook);
            let all = playbooks.flat_map(|book| [&book.verify, &book.contain, &book.then]).flatten();
            for step in all.filter(|step| step.method.is_some()) {
                let method = method::called(step.method.as_deref().unwrap()).unwrap();
                assert_eq!(step.scope.is_some(), !method.scopes.is_empty(), "{step:?}");
                steps += 1;
            }
        }
        assert!(steps > 150, "{steps} steps with a method");
    }

    #[test]
    fn a_playbook_that_slack_could_not_do_is_refused_and_a_missing_scope_is_filled_in() {
        let with = |step: &str| Manifest::parse(&GOOD.replace(r#"method = "admin.users.session.reset""#, step));
        for (step, part) in [
            (
                r#"method = "admin.users.session.resett""#,
                "rule `burst`: step \"reset\": `admin.users.session.resett` is not a Web API method",
            ),
            (r#"method = "admin.users.session.reset", scope = "admin""#, "does not accept the scope `admin`"),
            (r#"scope = "admin.users:write""#, "go with a `method`"),
            (r#"on = "actor""#, "go with a `method`"),
            (r#"method = "files.delete", on = "target""#, "at most be \"others\""),
        ] {
            let problem = with(step).unwrap_err().to_string();
            assert!(problem.contains(part), "{step}: {problem}");
        }
        let step = Manifest::parse(GOOD).unwrap().rules[0].playbook.contain[0].clone();
        assert_eq!(step.scope.as_deref(), Some("admin.users:write"));
    }

    const GOOD: &str = r#"
        name = "sign-in"
        version = "1.2.0"
        abi = "gridwatch:detect@1"
        title = "Sign-in abuse"
        fields = ["action", "actor.id"]
        [[window]]
        name = "failed_10m"
        kind = "count"
        actions = ["user_login_failed"]
        key = ["actor.id"]
        span = "10m"
        [[rule]]
        id = "burst"
        title = "Failed sign-ins"
        actions = ["user_login_failed"]
        condition = "c"
        threshold = "t"
        severity = "low"
        fold = "24h"
        attack = ["T1110"]
        playbook = { verify = [{ do = "ask" }], contain = [{ do = "reset", method = "admin.users.session.reset" }] }
        [config.burst]
        type = "integer"
        help = "failures"
        default = 10
        min = 2
        max = 100
    "#;

    #[test]
    fn a_good_manifest_says_what_it_is() {
        let m = Manifest::parse(GOOD).unwrap();
        assert_eq!((m.name.as_str(), m.version.to_string().as_str()), ("sign-in", "1.2.0"));
        assert!(m.subscribes("user_login_failed") && !m.subscribes("user_login"));
        assert_eq!((m.windows[0].span_s, m.rules[0].fold_s), (600, 86_400));
    }

    /// The manifest with more windows in it.
    fn with_windows(tables: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(&GOOD.replace("[[rule]]", &format!("{tables}\n[[rule]]")))
    }

    #[test]
    fn what_the_page_for_authors_shows_is_a_sound_manifest() {
        let page = include_str!("../../../guest-rules/README.md");
        let mut tables: Vec<&str> =
            page.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
        let trigger = tables.iter().position(|table| table.starts_with("trigger")).map(|at| tables.remove(at)).unwrap();
        assert_eq!(tables.len(), 5);
        let asked = tables.remove(1);
        // The first shows all keys, and refers to a window of the last.
        tables.rotate_right(1);
        let only = "only = { \"entity.type\"";
        let text = (asked.to_owned() + &tables.concat())
            .replace("name = \"failed_10m\"", "name = \"shown\"")
            .replace(only, &only.replace("{ ", "{ \"match.from_outside\" = [\"1\"], "));
        let manifest = with_windows(&text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(manifest.windows.len(), 1 + text.matches("[[window]]").count());
        let manifest = with_trigger(&text, trigger).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(manifest.rules[0].triggers.len(), 2);
    }

    /// The manifest with more windows, and with what its rule waits for.
    fn with_trigger(windows: &str, trigger: &str) -> Result<Manifest, ManifestError> {
        let text = GOOD.replace("[[rule]]", &format!("{windows}\n[[rule]]"));
        Manifest::parse(&text.replace("condition = \"c\"", &format!("{trigger}\ncondition = \"c\"")))
    }

    #[test]
    fn a_rule_looks_at_what_its_triggers_are_for_and_at_all_else() {
        let of = |trigger: &str| {
            let text = GOOD.replace(
                "actions = [\"user_login_failed\"]\n        condition",
                "actions = [\"user_login*\"]\n        trigger = [TRIGGER]\n        condition",
            );
            Manifest::parse(&text.replace("TRIGGER", trigger)).unwrap().rules.remove(0)
        };
        let conditions = |rule: &Rule, action: &str| rule.looks_at(action).map(|conditions| conditions.len());
        let rule = of("{ actions = [\"user_login\"], when = { window = \"failed_10m\", at_least = \"burst\" } }");
        assert_eq!(conditions(&rule, "user_login"), Some(1));
        assert_eq!(conditions(&rule, "user_login_failed"), Some(0), "no trigger is for it: each");
        assert_eq!(conditions(&rule, "user_logout"), None);
        let rule =
            of("{ only = { \"actor.id\" = [\"W1\"] } }, { actions = [\"user_login_failed\"], not = { id = [\"\"] } }");
        assert_eq!(["user_login", "user_login_failed"].map(|action| conditions(&rule, action)), [Some(1), Some(2)]);
    }

    #[test]
    fn what_is_asked_under_match_is_a_field_wherever_fields_are() {
        let asked =
            "[match.outside]\nnot = { field = [\"context.ip_address\", { network = [\"192.0.2.0/24\"] }] }\n[[window]]";
        let text = GOOD
            .replacen("[[window]]", asked, 1)
            .replace(
                "fields = [\"action\"",
                "program = { n = 3, list = [\"a\"] }\nfields = [\"match.outside\", \"action\"",
            )
            .replace("kind = \"count\"", "kind = \"count\"\nonly = { \"match.outside\" = [\"1\"] }");
        let manifest = Manifest::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        let (column, test) = (&manifest.fields[0], &manifest.windows[0].when.fields[0]);
        assert_eq!((column.label(), column, manifest.field("match.outside")), ("match.outside", &test.field, Some(0)));
        assert_eq!(Field::parse(column.name()).unwrap(), *column, "it is saved by its name");
        let config = manifest.configuration(&serde_json::Map::new()).unwrap();
        assert_eq!(config["program"], json!({ "n": 3, "list": ["a"] }));
        for (from, to, part) in [
            (
                "\"match.outside\" = [",
                "\"match.outsid\" = [",
                "window `failed_10m`: `match.outsid` names nothing under [match]; did you mean `match.outside`?",
            ),
            ("192.0.2.0/24", "192.0.2.0/99", "match `outside`: `192.0.2.0/99` is not a network"),
            ("network = [", "netwerk = [", "match `outside`: unknown variant `netwerk`"),
            (
                "[match.outside]",
                "[match.inside]\nanywhere = [\"x\"]\n[match.outside]",
                "match `inside`: nothing refers to `match.inside`",
            ),
            (
                "[config.burst]",
                "[config.program]\ntype = \"boolean\"\nhelp = \"h\"\ndefault = true\n[config.burst]",
                "config `program`",
            ),
        ] {
            let problems = Manifest::parse(&text.replace(from, to)).unwrap_err().to_string();
            assert!(problems.contains(part), "{part} not in {problems}");
        }
    }

    #[test]
    fn a_setting_moves_a_trigger() {
        let trigger = "trigger = [{ when = { window = \"failed_10m\", at_least = \"burst\" } }]";
        let manifest = with_trigger("", trigger).unwrap();
        let config = manifest.configuration(json!({"burst": 7}).as_object().unwrap()).unwrap();
        let bound = |manifest: &Manifest| match &manifest.rules[0].triggers[0].when.windows[0].says {
            Saying::AtLeast(threshold) => threshold.number,
            other => panic!("{other:?}"),
        };
        assert_eq!((bound(&manifest), bound(&manifest.with_settings(&config))), (10, 7));
    }

    #[test]
    fn every_problem_of_a_trigger_is_told() {
        for (trigger, part) in [
            ("{ when = { window = \"failed\", at_least = 2 } }", "names window `failed`, which does not stand above"),
            ("{ when = { window = \"failed_10m\", at_least = \"bursts\" } }", "`bursts` is not a [config] key"),
            ("{ when = { window = \"failed_10m\", is = \"never\" } }", "needs one of `at_least` and `below`"),
            ("{ only = { \"user.id\" = [\"x\"] } }", "`user.id` is not a field"),
            ("{ actions = [\"user_logon\"] }", "`user_logon` is not in Slack's catalogue"),
            ("{ actions = [\"user_login\"] }", "`user_login` is none of the rule's actions"),
        ] {
            let problems = with_trigger("", &format!("trigger = [{trigger}]")).unwrap_err().lines();
            let is_told = |problem: &String| problem.contains("rule `burst`, trigger") && problem.contains(part);
            assert!(problems.iter().any(is_told), "{trigger}\n{problems:#?}");
        }
        let problems = with_trigger("", "trigger = [{ whenn = {} }]").unwrap_err().lines();
        assert!(problems[0].contains("whenn"), "{problems:?}");
    }

    #[test]
    fn every_problem_of_a_window_is_told_with_a_hint() {
        let window = |name: &str, rest: &str| {
            format!("[[window]]\nname = \"{name}\"\nactions = [\"user_login\"]\nspan = \"1h\"\n{rest}\n")
        };
        for (rest, part) in [
            ("kind = \"count\"", "`key = []` makes one count of the whole organization"),
            ("kind = \"counts\"\nkey = []", "allowed are count, distinct"),
            ("kind = \"count\"\nkey = [\"actor.role\"]", "a role cannot be a key"),
            ("kind = \"count\"\nkey = [\"actor.id\"]\nread_key = []", "as many fields"),
            (
                "kind = \"count\"\nkey = []\nof = \"id\"",
                "`of` is for distinct, turns and baseline windows, this one is `count`",
            ),
            ("kind = \"count\"\nkey = []\nlearn = \"1d\"", "`learn` is for first_seen"),
            ("kind = \"distinct\"\nkey = []", "needs `of`"),
            ("kind = \"count\"\nkey = []\nonly = { \"actor.id\" = [] }", "no text is given"),
            ("kind = \"count\"\nkey = []\nonly = { \"user.id\" = [\"x\"] }", "`user.id` is not a field"),
            (
                "kind = \"count\"\nkey = []\nwhen = { window = \"w\", at_least = 2 }",
                "`w`, which does not stand above this one (failed_10m)",
            ),
            ("kind = \"count\"\nkey = []\nwhen = { window = \"later\", at_least = 2 }", "does not stand above"),
            (
                "kind = \"count\"\nkey = []\nwhen = { window = \"failed_10m\", is = \"never\" }",
                "needs one of `at_least` and `below`",
            ),
            ("kind = \"count\"\nkey = []\nwhen = { window = \"failed_10m\" }", "needs one of"),
            ("kind = \"count\"\nkey = []\nwhen = { window = \"failed_10m\", at_least = 0 }", "allowed is 1 or more"),
            (
                "kind = \"count\"\nkey = []\nwhen = { window = \"failed_10m\", at_least = \"bursts\" }",
                "`bursts` is not a [config] key",
            ),
            ("kind = \"count\"\nkey = []\nwhen = { windows = \"failed_10m\" }", "unknown field `windows`"),
            ("kind = \"baseline\"\nkey = []", "needs `bucket`"),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1d\"", "whole buckets"),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1h\"\npercentile = 0", "allowed is 1 to 100"),
            ("kind = \"count\"\nkey = []\nperiod = \"1h\"", "`period` is for baseline windows, this one is `count`"),
            ("kind = \"count\"\nkey = []\nsays = \"now\"", "`says` is for baseline windows"),
            ("kind = \"distinct\"\nof = \"id\"\nkey = []\nnot_above = 3", "`not_above` is for baseline windows"),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nperiod = \"90m\"", "number of whole buckets, at most 28"),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nperiod = \"29h\"", "number of whole buckets, at most 28"),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nperiod = \"2h\"", "write a span of several periods"),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nperiod = \"long\"", "`long` is not a span"),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nsays = \"now\"", "`says` needs `period`"),
            (
                "kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nperiod = \"1h\"\nsays = \"then\"",
                "allowed are usual, now and periods",
            ),
            (
                "kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nperiod = \"1h\"\nsays = \"now\"\npercentile = 50",
                "`percentile` is about former periods",
            ),
            (
                "kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nperiod = \"1h\"\nsays = \"periods\"\nlearn = \"1h\"",
                "`learn` is for a baseline that says `usual`",
            ),
            ("kind = \"baseline\"\nkey = []\nbucket = \"1h\"\nnot_above = 1", "allowed is 2 or more"),
        ] {
            let tables = window("w", rest) + &window("later", "kind = \"count\"\nkey = []");
            let problems = with_windows(&tables).map(|m| m.windows).unwrap_err().lines();
            assert!(problems.iter().any(|p| p.contains("window `w`") && p.contains(part)), "{rest}\n{problems:#?}");
        }
    }

    #[test]
    fn every_problem_of_a_step_is_told_with_a_hint() {
        let sequence = |steps: &str, rest: &str| {
            with_windows(&format!(
                "[[window]]\nname = \"w\"\nkind = \"sequence\"\nspan = \"1h\"\nsteps = [{steps}]\n{rest}\n"
            ))
        };
        let good = "{ actions = [\"user_login\"], at_least = \"burst\" }";
        assert!(sequence(&format!("{good}, {good}"), "key = [\"actor.id\"]").is_ok());
        for (step, rest, part) in [
            ("", "key = []", "has 2 to 8 `steps`"),
            (", { actions = [\"user_logon\"] }", "key = []", "step 2: `user_logon`"),
            (", { actions = [\"user_login\"] }", "", "step 2: needs a `key`"),
            (", { actions = [\"user_login\"], key = [\"id\"] }", "key = []", "as many fields"),
            (", { actions = [\"user_login\"], at_least = 257 }", "key = []", "allowed is 1 to 256"),
            (", { actions = [\"user_login\"], distinct = \"x\" }", "key = []", "step 2: `x` is not a field"),
            (", { actions = [\"user_login\"] }", "key = []\nactions = [\"user_login\"]", "each of its `steps` has"),
        ] {
            let problems = sequence(&format!("{good}{step}"), rest).map(|m| m.windows).unwrap_err().lines();
            assert!(
                problems.iter().any(|p| p.contains("window `w`") && p.contains(part)),
                "{step} {rest}\n{problems:#?}"
            );
        }
        let problems = sequence("{ actions = [\"user_login\"], at_last = 2 }", "key = []").unwrap_err().lines();
        assert!(problems[0].contains("at_last"), "{problems:?}");
    }

    #[test]
    fn a_setting_gives_a_threshold_its_number() {
        let tables = "[[window]]\nname = \"w\"\nkind = \"count\"\nspan = \"1h\"\nkey = []\nactions = [\"user_login\"]\n\
            when = { window = \"failed_10m\", at_least = \"burst\" }";
        let number = |m: &Manifest| match &m.windows[1].when.windows[0].says {
            Saying::AtLeast(threshold) => threshold.number,
            other => panic!("{other:?}"),
        };
        let manifest = with_windows(tables).unwrap();
        assert_eq!(number(&manifest), 10, "the default");
        let config = manifest.configuration(json!({"burst": 7}).as_object().unwrap()).unwrap();
        assert_eq!(number(&manifest.with_settings(&config)), 7);
    }

    #[test]
    fn a_setting_gives_a_condition_its_texts() {
        let tables = "[[window]]\nname = \"w\"\nkind = \"count\"\nspan = \"1h\"\nkey = []\nactions = [\"user_login\"]\n\
            only = { \"actor.id\" = \"responders\" }";
        assert!(with_windows(tables).unwrap_err().lines()[0].contains("not a [config] key of type texts"));
        let setting = "[config.responders]\ntype = \"texts\"\nhelp = \"h\"\ndefault = [\"W1\"]\n[[window]]";
        let manifest = with_windows(&tables.replacen("[[window]]", setting, 1)).unwrap();
        let texts = |m: &Manifest| m.windows[1].when.fields[0].texts.clone();
        assert_eq!(texts(&manifest), ["W1"], "the default");
        let config = manifest.configuration(json!({"responders": ["W2", "W3"]}).as_object().unwrap()).unwrap();
        assert_eq!(texts(&manifest.with_settings(&config)), ["W2", "W3"]);
    }

    const LATELY: &str =
        "[config.lately]\ntype = \"span\"\nhelp = \"h\"\ndefault = \"30d\"\nmin = \"1h\"\nmax = \"60d\"\n";

    /// A first_seen window, a rule's fold and a setting of type span.
    fn with_spans(window: &str, fold: &str) -> Result<Manifest, ManifestError> {
        let table = format!(
            "{LATELY}[[window]]\nname = \"w\"\nkind = \"first_seen\"\nkey = []\nactions = [\"user_login\"]\n{window}\n[[rule]]"
        );
        let text = GOOD.replacen("[[rule]]", &table, 1);
        Manifest::parse(&text.replace("fold = \"24h\"", &format!("fold = \"{fold}\"")))
    }

    #[test]
    fn a_setting_gives_spans() {
        let spans = |window: &str, given: Value| {
            let manifest = with_spans(window, "lately").unwrap_or_else(|e| panic!("{e}"));
            let config = manifest.configuration(given.as_object().unwrap()).unwrap();
            let set = manifest.with_settings(&config);
            assert_eq!(config["lately"], set.rules[0].fold_s, "the module gets seconds");
            assert_eq!(set.longest_span_s(), set.windows[1].span_s);
            (set.windows[1].span_s, set.windows[1].learn_s, set.rules[0].fold_s)
        };
        const DAY: u64 = 86_400;
        let span = "span = \"lately\"";
        assert_eq!(spans(span, json!({})), (30 * DAY, 14 * DAY, 30 * DAY), "the default");
        assert_eq!(spans(span, json!({"lately": "60d"})), (60 * DAY, 14 * DAY, 60 * DAY));
        assert_eq!(spans(span, json!({"lately": "2d"})), (2 * DAY, 2 * DAY, 2 * DAY), "learning is at most the span");
        let learn = "span = \"60d\"\nlearn = \"lately\"";
        assert_eq!(spans(learn, json!({"lately": "90m"})), (60 * DAY, 5_400, 5_400));
        assert_eq!(with_spans(span, "24h").unwrap().rules[0].fold_s, DAY);
    }

    #[test]
    fn a_setting_for_a_span_is_checked_where_it_stands_and_where_it_is_given() {
        let manifest = with_spans("span = \"lately\"", "24h").unwrap();
        for (given, part) in [
            (json!("59m"), "is 59m; allowed is 60m to 60d"),
            (json!("61d"), "allowed is 60m to 60d"),
            (json!("soon"), "`soon`, which is not a span"),
            (json!(3_600), "has to be a span in quotes"),
        ] {
            let problems = manifest.setting_problems(json!({ "lately": given }).as_object().unwrap());
            assert!(problems[0].0 == "lately" && problems[0].1.contains(part), "{problems:?}");
        }
        for (window, part) in [
            ("span = \"lateley\"", "window `w`: `lateley` is not a span; write 90s"),
            ("span = \"burst\"", "window `w`: `burst` is a [config] key of another type"),
            ("span = \"1d\"\nlearn = \"burst\"", "of another type"),
            ("span = \"1d\"\nlearn = \"2d\"", "window `w`: `learn` is longer than `span`"),
        ] {
            let problems = with_spans(window, "24h").unwrap_err().lines();
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
        }
        let baseline = "[[window]]\nname = \"w\"\nkind = \"baseline\"\nbucket = \"1d\"\nkey = []\nspan = \"lately\"\n\
            actions = [\"user_login\"]";
        let problems = with_windows(&format!("{LATELY}{baseline}")).unwrap_err().lines();
        assert!(problems[0].contains("a baseline's span can't be a setting"), "{problems:?}");
        for (bad, part) in [
            ("max = 5", "`max` is for integers as a number"),
            ("max = \"500d\"", "config `lately`, max: `500d` is not a span"),
            ("max = \"1d\"", "its default is 30d; allowed is 60m to 24h"),
        ] {
            let text = GOOD.replacen("[[rule]]", &format!("{}[[rule]]", LATELY.replace("max = \"60d\"", bad)), 1);
            let problems = Manifest::parse(&text).unwrap_err().lines();
            assert!(problems[0].contains(part), "{bad}: {problems:?}");
        }
    }

    #[test]
    fn a_period_reaches_back_beyond_its_span() {
        let reach = |says: &str| {
            let window = format!(
                "[[window]]\nname = \"w\"\nkind = \"baseline\"\nbucket = \"1d\"\nperiod = \"14d\"\nkey = []\nspan = \"84d\"\n\
                 actions = [\"user_login\"]\n{says}"
            );
            let manifest = with_windows(&window).unwrap_or_else(|e| panic!("{e}"));
            (manifest.longest_span_s() / 86_400, manifest.windows[1].learn_s / 86_400)
        };
        assert_eq!(reach(""), (98, 28), "the former ones are before the one of now, and one of them has to be known");
        assert_eq!(reach("says = \"now\""), (14, 0));
        assert_eq!(reach("says = \"periods\""), (98, 0));
        assert_eq!(reach("learn = \"70d\""), (98, 70));
    }

    #[test]
    fn a_list_says_whether_it_silences() {
        let with = |kind: &str, default: &str| {
            let setting =
                format!("[config.known]\ntype = \"{kind}\"\nhelp = \"h\"\ndefault = {default}\nsilences = true");
            Manifest::parse(&format!("{GOOD}\n{setting}"))
        };
        let manifest = with("texts", "[]").unwrap();
        assert!(manifest.config["known"].silences && !manifest.config["burst"].silences);
        let problems = with("boolean", "true").unwrap_err().lines();
        assert!(problems[0].contains("config `known`: `silences` is for lists of texts"), "{problems:?}");
    }

    #[test]
    fn a_setting_that_moved_names_its_new_place() {
        let manifest = Manifest::parse(GOOD).unwrap();
        let given = serde_json::json!({ "provisioning_apps": ["A1"] });
        let problems = manifest.setting_problems(given.as_object().unwrap());
        assert!(problems[0].1.contains("`apps` under `[detect.provisioning]`"), "{problems:?}");
    }

    #[test]
    fn a_set_stands_for_its_actions_wherever_actions_do() {
        let text = GOOD.replace("[[window]]", "[sets]\nins = [\"user_login\", \"cli_login\"]\n[[window]]");
        let used = text.replace("[\"user_login_failed\"]", "[\"@ins\", \"user_login_failed\"]");
        let manifest = Manifest::parse(&used).unwrap();
        let all = ["user_login", "cli_login", "user_login_failed"];
        assert_eq!(manifest.windows[0].actions, all);
        assert_eq!(manifest.rules[0].actions, all);
        let step = "[[window]]\nname = \"w\"\nkind = \"sequence\"\nspan = \"1h\"\nkey = []\n\
            steps = [{ actions = [\"@ins\"] }, { actions = [\"user_logout\"] }]\n[[rule]]";
        let manifest = Manifest::parse(&text.replace("[[rule]]", step)).unwrap();
        let WindowKind::Sequence { steps } = &manifest.windows[1].kind else { panic!("a sequence") };
        assert_eq!(steps[0].actions, all[..2]);
        for (text, part) in [
            (text.clone(), "nothing refers to `@ins`"),
            (used.replace("@ins", "@inns"), "`@inns` names no list under [sets]; did you mean `@ins`?"),
            (used.replace("\"cli_login\"", "\"cli_logon\""), "rule `burst`: `cli_logon` is not in Slack's catalogue"),
        ] {
            let problems = Manifest::parse(&text).unwrap_err().to_string();
            assert!(problems.contains(part), "{part} not in {problems}");
        }
    }

    #[test]
    fn a_revoked_technique_is_refused_with_what_it_became() {
        let problems = Manifest::parse(&GOOD.replace("T1110", "T1562.008")).unwrap_err().lines();
        assert!(problems[0].contains("rule `burst`") && problems[0].contains("use T1685.002"), "{problems:?}");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = GOOD
            .replace("user_login_failed", "login_failed")
            .replace("span = \"10m\"", "span = \"soon\"")
            .replace("T1110", "1110")
            .replace("\"actor.id\"]\n        [[window]]", "\"user.id\"]\n        [[window]]")
            .replace("default = 10", "default = 1");
        let problems = Manifest::parse(&bad).unwrap_err().lines();
        for part in [
            "window `failed_10m`: `login_failed`",
            "rule `burst`: `login_failed`",
            "`soon`",
            "`1110`",
            "`user.id`",
            "is 1; allowed is 2 to 100",
        ] {
            assert!(problems.iter().any(|p| p.contains(part)), "{part} not in {problems:#?}");
        }
    }

    #[test]
    fn what_may_wake_somebody_states_its_budget() {
        let with = |severity: &str, budget: &str| {
            let keys = format!("severity = \"{severity}\"\n{budget}");
            Manifest::parse(&GOOD.replace("severity = \"low\"", &keys)).map(|m| m.rules[0].budget)
        };
        for severity in ["medium", "high", "critical"] {
            let problems = with(severity, "").unwrap_err().lines();
            assert!(problems[0].contains("rule `burst`: from medium on a rule states its `budget`"), "{problems:?}");
        }
        assert_eq!((with("low", ""), with("informational", "")), (Ok(1.0), Ok(10.0)));
        let mut rule = Manifest::parse(GOOD).unwrap().rules.remove(0);
        (rule.severity, rule.budget) = (Severity::High, 0.5);
        let of = [Severity::Informational, Severity::Low, Severity::Medium, Severity::Critical];
        assert_eq!(of.map(|severity| rule.budget_of(severity)), [10.0, 1.0, 0.5, 0.5]);
        assert_eq!((with("high", "budget = 0"), with("low", "budget = 0.25")), (Ok(0.0), Ok(0.25)));
        for nonsense in ["-0.1", "1000.5", "nan", "inf"] {
            let problems = with("high", &format!("budget = {nonsense}")).unwrap_err().lines();
            assert!(problems[0].contains("is not within 0 and 1000"), "{nonsense}: {problems:?}");
        }
        assert!(with("high", "budget = \"few\"").is_err());
    }

    #[test]
    fn an_unknown_key_names_its_line() {
        let bad = GOOD.replace("title = \"Sign-in abuse\"", "title = \"x\"\n        tilte = \"y\"");
        let problems = Manifest::parse(&bad).unwrap_err().lines();
        assert!(problems[0].starts_with("6:") && problems[0].contains("tilte"), "{problems:?}");
    }

    #[test]
    fn settings_are_checked_and_defaults_filled_in() {
        let m = Manifest::parse(GOOD).unwrap();
        let given = |v: Value| m.configuration(v.as_object().unwrap());
        assert_eq!(given(json!({})).unwrap()["burst"], 10);
        assert_eq!(given(json!({"burst": 5})).unwrap()["burst"], 5);
        assert_eq!(given(json!({"burst": 500, "brust": 5})).unwrap_err().len(), 2);
    }
}
