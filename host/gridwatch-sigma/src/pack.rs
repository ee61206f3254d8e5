//! All rules of a folder as one manifest, with the program that the interpreter reads.
//!
//! Each rule and each base rule of a correlation is asked under `[match]`. A rule is a trigger that waits for its match, and a way of
//! the program: which match, which windows with how much, under which key. The program is the manifest's `program`.

use crate::action::subscribed;
use crate::counting::{self, Base, Counted, Reached, Setting, Steps, Trigger, Way, Window};
use crate::document::{Document, Parsed, Problem};
use crate::head::{HEAD, Head, Own, slug};
use crate::matching::Reader;
use crate::{File, Pack, field};
use gridwatch_manifest::expression::Expression;
use gridwatch_manifest::{ABI, Manifest, Playbook};
use gridwatch_names::attack;
use rsigma_parser::{CorrelationRule, Level, LogSource, Status};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// So that what is made of a rule's name fits as well.
const MAX_NAME: usize = 48;
/// An alert has so many labels.
const MAX_LABELS: usize = 32;
/// Who did it, in the order in which it is told.
const WHO: [&str; 3] = ["actor.email", "actor.name", "actor.id"];
/// Whose findings are one alert where nobody says.
const KEY: &str = "actor.id";

/// A manifest as it is written.
#[derive(Serialize)]
struct Written {
    name: String,
    version: String,
    abi: &'static str,
    title: String,
    fields: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    program: Program,
    #[serde(rename = "match")]
    matches: BTreeMap<String, Expression>,
    window: Vec<Window>,
    rule: Vec<Rule>,
    config: BTreeMap<String, Setting>,
}

#[derive(Serialize)]
struct Rule {
    id: String,
    title: String,
    actions: Vec<String>,
    trigger: Vec<Trigger>,
    condition: String,
    threshold: String,
    severity: &'static str,
    fold: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<f64>,
    attack: Vec<String>,
    false_positives: Vec<String>,
    playbook: Playbook,
}

/// What the interpreter does: `guest-rules/interpreter` reads it.
#[derive(Serialize)]
struct Program {
    /// Columns that say who did it; the first that is given is told.
    who: Vec<usize>,
    /// In the order of the manifest's rules.
    rules: Vec<Steps>,
}

/// What rules and correlations have in common.
struct Said<'r> {
    id: &'r str,
    title: &'r str,
    description: Option<&'r str>,
    uuid: Option<&'r str>,
    references: &'r [String],
    fields: &'r [String],
    falsepositives: &'r [String],
    tags: &'r [String],
    level: Level,
    own: Own,
}

/// What a rule comes to.
struct Made {
    actions: Vec<String>,
    triggers: Vec<Trigger>,
    threshold: String,
    ways: Vec<Way>,
    counted: Option<String>,
}

pub(crate) fn of(folder: &str, files: &[File]) -> Result<Pack, Vec<Problem>> {
    let (heads, rules): (Vec<&File>, Vec<&File>) = files.iter().partition(|file| file.name == HEAD);
    let mut pack = Building::new(Head::of(folder, heads.first().copied())?);
    for file in rules {
        Document::all_of(file).into_iter().for_each(|document| pack.read(document));
    }
    pack.finish()
}

struct Building<'t> {
    head: Head,
    bases: Vec<Base<'t>>,
    correlations: Vec<(Document<'t>, CorrelationRule, String)>,
    columns: Vec<String>,
    matches: BTreeMap<String, Expression>,
    windows: Vec<Window>,
    settings: BTreeMap<String, Setting>,
    rules: Vec<Rule>,
    steps: Vec<Steps>,
    names: BTreeMap<String, String>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

impl<'t> Building<'t> {
    fn new(head: Head) -> Self {
        Self {
            head,
            bases: Vec::new(),
            correlations: Vec::new(),
            columns: Vec::new(),
            matches: BTreeMap::new(),
            windows: Vec::new(),
            settings: BTreeMap::new(),
            rules: Vec::new(),
            steps: Vec::new(),
            names: BTreeMap::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn read(&mut self, document: Document<'t>) {
        match document.parse() {
            Err(problems) => self.problems.extend(problems),
            Ok(Parsed::Correlation(rule)) => {
                if let Some(id) = self.named(&document, rule.name.as_deref(), &rule.title) {
                    self.correlations.push((document, *rule, id));
                }
            }
            Ok(Parsed::Rule(rule)) => {
                if let Some(Status::Deprecated | Status::Unsupported) = rule.status {
                    self.notes.push(document.at(&["status:"], format!("`{}` is left out for its status", rule.title)));
                    return;
                }
                let Some(id) = self.named(&document, rule.name.as_deref(), &rule.title) else { return };
                self.logsource(&document, &rule.logsource);
                let mut reader = Reader { document, problems: Vec::new() };
                let expression = reader.detections(&rule.detection);
                let actions = subscribed(&expression);
                if actions.is_empty() && reader.problems.is_empty() {
                    reader.problems.push(document.at(&["condition:"], "holds for no action of Slack's audit log"));
                }
                self.problems.append(&mut reader.problems);
                // Of what is only counted nothing else is asked, and a mistake in it is one all the same.
                self.own(&document, &rule.custom_attributes);
                self.fields(&document, &rule.fields);
                self.attack(&document, &rule.tags);
                self.bases.push(Base { document, rule: *rule, id, expression, actions });
            }
        }
    }

    /// What the rule is called in the manifest: its `name`, or else its title.
    fn named(&mut self, document: &Document<'_>, name: Option<&str>, title: &str) -> Option<String> {
        let id = slug(name.unwrap_or(title));
        let needles = if name.is_some() { ["name:", "title:"] } else { ["title:", ""] };
        if id.is_empty() || id.len() > MAX_NAME {
            let what = format!("needs a `name` with a letter, of at most {MAX_NAME} characters");
            self.problems.push(document.at(&needles, what));
            return None;
        }
        let here = document.at(&needles, "");
        let place = format!("{}:{}", here.file, here.line);
        if let Some(other) = self.names.insert(id.clone(), place) {
            self.problems.push(document.at(&needles, format!("`{id}` is the name of another rule too ({other})")));
        }
        Some(id)
    }

    fn logsource(&mut self, document: &Document<'_>, source: &LogSource) {
        if source.product.as_deref() != Some("slack") {
            let what = "is for another log: `logsource` needs `product: slack`";
            self.problems.push(document.at(&["product:", "logsource:", "title:"], what));
        }
        if source.category.is_some() || !source.custom.is_empty() {
            let what = "of a `logsource`, nothing but `product` and `service` is taken";
            self.problems.push(document.at(&["category:", "logsource:"], what));
        }
    }

    fn finish(mut self) -> Result<Pack, Vec<Problem>> {
        let correlations = std::mem::take(&mut self.correlations);
        let bases = std::mem::take(&mut self.bases);
        let who = WHO.map(|field| self.column(field)).to_vec();
        let is_counted_only = |base: &&Base<'_>| {
            let mut silent =
                correlations.iter().filter(|(_, rule, _)| !rule.generate).flat_map(|(_, rule, _)| &rule.rules);
            silent.any(|name| base.is_called(name))
        };
        bases.iter().filter(|base| !is_counted_only(base)).for_each(|base| self.plain(base));
        for (document, rule, id) in &correlations {
            self.correlation(document, rule, id, &bases);
        }
        self.problems.sort();
        self.problems.dedup();
        if self.rules.is_empty() && self.problems.is_empty() {
            self.problems.push(Problem {
                file: self.head.name.clone(),
                line: 0,
                what: "has no Sigma rule in it".into(),
            });
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let rules = self.rules.len();
        let written = Written {
            name: self.head.name.clone(),
            version: self.head.version,
            abi: ABI,
            title: self.head.title,
            fields: self.columns,
            fuel: self.head.fuel,
            program: Program { who, rules: self.steps },
            matches: self.matches,
            window: self.windows,
            rule: self.rules,
            config: self.settings,
        };
        let whole = |what: String| vec![Problem { file: self.head.name.clone(), line: 0, what }];
        let manifest = toml::to_string(&written).map_err(|error| whole(error.to_string()))?;
        let parsed = Manifest::parse(&manifest).map_err(|error| {
            error
                .problems
                .iter()
                .flat_map(|problem| whole(format!("{} {}", problem.key, problem.what)))
                .collect::<Vec<_>>()
        })?;
        self.notes.extend(parsed.unknown_fields().into_iter().flat_map(whole));
        Ok(Pack { manifest, rules, notes: self.notes })
    }

    /// The number of a field's column, which is added if there is none.
    fn column(&mut self, field: &str) -> usize {
        self.columns.iter().position(|known| known == field).unwrap_or_else(|| {
            self.columns.push(field.to_owned());
            self.columns.len() - 1
        })
    }

    /// Asks under `[match]`, and gives the column of the answer.
    fn asked(&mut self, name: &str, expression: &Expression) -> usize {
        self.matches.entry(name.to_owned()).or_insert_with(|| expression.clone());
        self.column(&format!("match.{name}"))
    }

    fn plain(&mut self, base: &Base<'_>) {
        let (document, rule) = (&base.document, &base.rule);
        let Some(own) = self.own(document, &rule.custom_attributes) else { return };
        let key = self.fields(document, &own.key.clone().unwrap_or_else(|| vec![KEY.into()]));
        let key = key.iter().map(|field| self.column(field)).collect();
        let way = Way { asked: self.asked(&base.id, &base.expression), key, reached: Vec::new() };
        let said = Said {
            id: &base.id,
            title: &rule.title,
            description: rule.description.as_deref(),
            uuid: rule.id.as_deref(),
            references: &rule.references,
            fields: &rule.fields,
            falsepositives: &rule.falsepositives,
            tags: &rule.tags,
            level: rule.level.unwrap_or(Level::Medium),
            own,
        };
        let made = Made {
            actions: base.actions.clone(),
            triggers: vec![Trigger::of(&base.id)],
            threshold: "each event that matches".into(),
            ways: vec![way],
            counted: None,
        };
        self.add(document, &said, made);
    }

    fn correlation(&mut self, document: &Document<'_>, rule: &CorrelationRule, id: &str, bases: &[Base<'_>]) {
        let Some(own) = self.own(document, &rule.custom_attributes) else { return };
        let counted = match counting::of(document, rule, id, bases) {
            Ok(counted) => counted,
            Err(problems) => return self.problems.extend(problems),
        };
        let of_bases = counted.bases.iter().map(|base| bases[*base].rule.level.unwrap_or(Level::Medium));
        let first = self.windows.len();
        self.windows.extend(counted.windows);
        self.settings.extend(counted.settings);
        let mut ways = Vec::new();
        for way in counted.ways {
            let asked = self.asked(&way.asked, &way.expression);
            let key = way.key.iter().map(|field| self.column(field)).collect();
            let behind = |reached: Reached| Reached { window: first + reached.window, ..reached };
            ways.push(Way { asked, key, reached: way.reached.into_iter().map(behind).collect() });
        }
        let said = Said {
            id,
            title: &rule.title,
            description: rule.description.as_deref(),
            uuid: rule.id.as_deref(),
            references: &rule.references,
            fields: &rule.fields,
            falsepositives: &rule.falsepositives,
            tags: &rule.tags,
            level: rule.level.or_else(|| of_bases.max_by_key(|level| rank(*level))).unwrap_or(Level::Medium),
            own,
        };
        let Counted { actions, triggers, threshold, counted, .. } = counted;
        self.add(document, &said, Made { actions, triggers, threshold, ways, counted });
    }

    /// What a rule says for gridwatch alone, or else the folder.
    fn own(&mut self, document: &Document<'_>, attributes: &HashMap<String, yaml_serde::Value>) -> Option<Own> {
        match Own::of(attributes) {
            Ok(own) => Some(own.over(&self.head.defaults)),
            Err(what) => {
                self.problems.push(document.at(&["gridwatch:"], what));
                None
            }
        }
    }

    /// Sigma's fields as a manifest's; those that aren't any are told.
    fn fields(&mut self, document: &Document<'_>, names: &[String]) -> Vec<String> {
        let mut fields = Vec::new();
        for name in names {
            match field::of(name) {
                Ok(field) => fields.push(field),
                Err(what) => self.problems.push(document.at(&[&format!("- {name}"), name], what)),
            }
        }
        fields
    }

    fn add(&mut self, document: &Document<'_>, said: &Said<'_>, made: Made) {
        if said.fields.len() > MAX_LABELS {
            let what = format!("{} fields are told with an alert; at most {MAX_LABELS}", said.fields.len());
            self.problems.push(document.at(&["fields:"], what));
        }
        let labels = self.fields(document, said.fields);
        let labels = said.fields.iter().cloned().zip(labels.iter().map(|field| self.column(field))).collect();
        let attack = self.attack(document, said.tags);
        let Made { actions, triggers, threshold, ways, counted } = made;
        self.steps.push(Steps { title: said.title.to_owned(), severity: rank(said.level), counted, labels, ways });
        self.rules.push(Rule {
            id: said.id.to_owned(),
            title: said.title.to_owned(),
            actions,
            trigger: triggers,
            condition: condition(said),
            threshold,
            severity: said.level.as_str(),
            fold: said.own.fold(),
            budget: said.own.budget(said.level),
            attack,
            false_positives: said.falsepositives.to_vec(),
            playbook: said.own.playbook(said.references),
        });
    }

    /// Tags of ATT&CK's techniques. Tactics follow from them, and other tags say nothing to gridwatch.
    fn attack(&mut self, document: &Document<'_>, tags: &[String]) -> Vec<String> {
        let mut techniques = Vec::new();
        for tag in tags {
            let Some(id) = tag.strip_prefix("attack.") else { continue };
            let id = id.to_ascii_uppercase();
            if !(id.starts_with('T') && id[1..].starts_with(|c: char| c.is_ascii_digit())) {
                continue;
            }
            match attack::problem(&id) {
                None if !techniques.contains(&id) => techniques.push(id),
                None => {}
                Some(what) => self.problems.push(document.at(&[tag], what)),
            }
        }
        techniques
    }
}

/// What the rule looks for, in its author's words, and where to find it.
fn condition(said: &Said<'_>) -> String {
    let words = said.description.unwrap_or(said.title).split_whitespace().collect::<Vec<_>>().join(" ");
    match said.uuid {
        Some(uuid) => format!("{words} (Sigma {uuid})"),
        None => words,
    }
}

/// OCSF's severity_id.
fn rank(level: Level) -> u8 {
    match level {
        Level::Informational => 1,
        Level::Low => 2,
        Level::Medium => 3,
        Level::High => 4,
        Level::Critical => 5,
    }
}
