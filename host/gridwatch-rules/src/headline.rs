//! A headline: an alert in one sentence, for a reader who may see nothing else.
//!
//! A module's title says who did what. The host adds what it knows better: that an app did it and not the person in whose name it
//! acted, what is usual, the names of what it was done to, and in the rule's own words why it is as severe as it is. It
//! invents nothing: each name is from an entry, each number from the module's labels.

use crate::alert::{AND_MORE, Alert, LABEL_SEPARATOR};
use crate::stub::Stub;
use gridwatch_event::event::Event;
use gridwatch_event::mention::app_id;
use gridwatch_event::text::{clean, clip};
use gridwatch_event::whose::{self, is_placeholder};
use gridwatch_manifest::{Rule, Severity};

/// Names that a headline shows; of the others it says how many there are.
pub const NAMES_SHOWN: usize = 5;
/// Longest headline, name in it, and reason of a severity, in characters.
pub const MAX_HEADLINE: usize = 500;
const MAX_NAME: usize = 60;
const MAX_REASON: usize = 400;
/// Sentences of a rule's condition that a reason is made of.
const MAX_SENTENCES: usize = 2;

/// A module's title, with the app or agent as the one who did it where the module named the person in whose name it was done.
pub fn with_doer(title: &str, event: &Event) -> String {
    let Some(through) = acted_through(event) else { return title.to_owned() };
    let person = person(event);
    if person.is_empty() || through.is_in(title) || !title.contains(&person) {
        return title.to_owned();
    }
    let doer = format!("{}, in the name of {person},", through.said());
    // A title that begins with its doer goes on with a verb; elsewhere the comma would be one too many.
    match title.strip_prefix(person.as_str()) {
        Some(rest) => format!("{doer}{rest}"),
        None => title.replacen(&person, doer.trim_end_matches(','), 1),
    }
}

/// What acted in a person's name.
struct Through {
    kind: &'static str,
    id: String,
    name: String,
}

impl Through {
    fn is_in(&self, title: &str) -> bool {
        [&self.id, &self.name].into_iter().any(|text| !text.is_empty() && title.contains(text.as_str()))
    }

    fn said(&self) -> String {
        match (self.name.as_str(), self.id.as_str()) {
            ("", id) => format!("{} {id}", self.kind),
            (name, "") => format!("{} {name}", self.kind),
            (name, id) => format!("{} {name} ({id})", self.kind),
        }
    }
}

/// The app or agent that acted in a person's name, in words; `None` where the person did it.
pub fn doing_app(event: &Event) -> Option<String> {
    acted_through(event).map(|through| through.said())
}

fn acted_through(event: &Event) -> Option<Through> {
    if event.traits().is_claimed {
        return None;
    }
    if let Some(agent) = whose::agent(event) {
        return Some(Through { kind: "Agent", id: String::new(), name: clean(&agent.str(), MAX_NAME) });
    }
    let app = whose::app(event)?;
    let id = app_id(app).unwrap_or_default();
    // Of an app's own entries (installed, approved) a person at a dialog is the actor, whatever made the call.
    let is_about_itself = event.entity_type() == "app" && event.entity().and_then(app_id).is_some_and(|of| of == id);
    let name = clean(&app.text("name"), MAX_NAME);
    (!is_about_itself).then(|| Through { kind: "App", id: clean(&id, MAX_NAME), name })
}

/// As the SDK's `who()` has it.
fn person(event: &Event) -> String {
    let Some(actor) = event.actor().filter(|_| !is_placeholder(event.actor_id())) else { return String::new() };
    ["email", "name", "id"]
        .into_iter()
        .map(|name| actor.text(name).into_owned())
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// The whole headline of an alert that has its title from a module: with what is usual, and with the names of what it was done to.
pub fn of(alert: &Alert) -> String {
    let title = &alert.title;
    // Some titles say it themselves.
    let usual = usual(alert).filter(|_| !title.contains("usual"));
    let usual = usual.map(|usual| format!(" ({usual})")).unwrap_or_default();
    let names = objects(alert).said_beside(title);
    clean(&format!("{title}{usual}{names}"), MAX_HEADLINE)
}

/// What a module said is usual, in words.
pub fn usual(alert: &Alert) -> Option<String> {
    const LABELS: [(&str, &str); 5] = [
        ("usual_hour", " an hour"),
        ("usual_day", " a day"),
        ("usual_week", " a week"),
        ("usual_fortnight", " in 14 days"),
        ("usual", ""),
    ];
    let (value, per) = LABELS.into_iter().find_map(|(label, per)| Some((alert.labels.get(label)?, per)))?;
    // The newest of what several findings said.
    let value = value.strip_suffix(AND_MORE).unwrap_or(value).rsplit(LABEL_SEPARATOR).next()?;
    match value.parse::<u64>() {
        Ok(0) => Some("usually none".to_owned()),
        Ok(n) => Some(format!("usually at most {n}{per}")),
        Err(_) => Some("what is usual is not known yet".to_owned()),
    }
}

/// What an alert's events were done to, as far as it is of the kind that the deciding event is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Names, or ids where there is no name: each once, the oldest first.
    pub names: Vec<String>,
    pub total: u64,
    /// In the plural.
    pub kind: &'static str,
}

/// Different things of an alert, named by its evidence.
pub fn objects(alert: &Alert) -> Objects {
    let decided = alert.evidence.iter().find(|stub| stub.id == alert.basis.event).or(alert.evidence.last());
    let Some(first) = decided.and_then(|stub| stub.object.chars().next()) else { return Objects::default() };
    let is_actor = |stub: &Stub| stub.object == stub.actor_id;
    if first.is_ascii_uppercase() && decided.is_some_and(|stub| is_actor(stub)) && alert.counts.objects <= 1 {
        return Objects::default();
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut names = Vec::new();
    for stub in alert.evidence.iter().filter(|stub| stub.object.starts_with(first)) {
        if !seen.contains(&stub.object.as_str()) {
            seen.push(&stub.object);
            names.push(if stub.object_name.is_empty() { stub.object.clone() } else { stub.object_name.clone() });
        }
    }
    Objects { total: alert.counts.objects.max(seen.len() as u64), names, kind: kind(first) }
}

/// By the first letter of Slack's ids.
const fn kind(first: char) -> &'static str {
    match first {
        'F' => "files",
        'C' | 'G' => "channels",
        'A' => "apps",
        'U' | 'W' => "people",
        'T' | 'E' => "organizations",
        _ => "things",
    }
}

impl Objects {
    /// Beside a title that may name some of them. One that is about something else, as about a session's networks, stays as it is.
    fn said_beside(&self, title: &str) -> String {
        let named: Vec<&String> = self.names.iter().filter(|name| !title.contains(name.as_str())).collect();
        match self.total {
            0 | 1 => String::new(),
            // A title of one of them would hide that there are more.
            _ if named.len() == self.names.len() && !self.is_counted_in(title) => String::new(),
            total if named.len() < self.names.len() => format!("; {total} {} in all: {}", self.kind, self.listed()),
            _ => format!(": {}", self.listed()),
        }
    }

    /// Does the title say how many of such there are?
    fn is_counted_in(&self, title: &str) -> bool {
        let words: &[&str] = match self.kind {
            "files" => &["file", "canvas", "list", "object"],
            "channels" => &["channel"],
            "apps" => &["app"],
            "people" => &["people", "user", "guest", "member", "account", "admin"],
            "organizations" => &["organization", "workspace"],
            _ => &[],
        };
        title.bytes().any(|byte| byte.is_ascii_digit()) && words.iter().any(|word| title.contains(word))
    }

    /// The first of them, and how many more there are.
    pub fn listed(&self) -> String {
        let shown: Vec<&str> = self.names.iter().take(NAMES_SHOWN).map(|name| clip(name, MAX_NAME)).collect();
        match self.total.saturating_sub(shown.len() as u64) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

/// Why a finding of the rule is of that severity: the sentences of the rule's own condition that say when it is.
pub fn reason(rule: &Rule, severity: Severity) -> String {
    let text = format!("{} {}", one_line(&rule.condition), one_line(&rule.threshold));
    let names =
        |sentence: &&str| sentence.split(|c: char| !c.is_ascii_alphabetic()).any(|word| word == severity.name());
    let mut said: Vec<&str> = Vec::new();
    for sentence in sentences(&text).filter(names) {
        if said.len() < MAX_SENTENCES && !said.contains(&sentence) {
            said.push(sentence);
        }
    }
    match said.is_empty() {
        false => clean(&said.join(" "), MAX_REASON),
        true if severity == rule.severity => format!("whatever this rule finds is {}", severity.name()),
        true => format!("this rule is at most {}, and what it found here is less", rule.severity.name()),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A sentence ends with a full stop before a space and a capital letter.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let is_end = |(at, _): &(usize, &str)| {
            rest[at + 2..].trim_start_matches('`').starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
                || rest[at + 2..].starts_with('`')
        };
        let end = rest.match_indices(". ").find(is_end).map_or(rest.len(), |(at, _)| at + 1);
        let (sentence, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(sentence.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use gridwatch_event::drift::Drift;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::{UnixMillis, UnixSeconds};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn event(context: &Value, entity: &Value) -> Event {
        let entry = json!({
            "id": "e1", "date_create": 1, "action": "file_downloaded", "context": context, "entity": entity,
            "actor": { "type": "user", "user": { "id": "W1", "email": "ada@corp.example", "name": "Ada" } },
        });
        Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()))
    }

    /// Of as many files as named, with what its module said.
    fn alert(title: &str, names: &[&str], total: u64) -> Alert {
        let stub = |(i, name): (usize, &&str)| {
            Arc::new(Stub {
                seq: i as u64,
                id: format!("e{i}"),
                time: UnixSeconds(1),
                action: "a".into(),
                actor_id: "W1".into(),
                ip_address: String::new(),
                ua: String::new(),
                object: format!("F{i}"),
                object_name: (*name).to_owned(),
            })
        };
        let mut alert = builtin::catalogue_drift(&Drift::default(), UnixMillis(0));
        alert.evidence = names.iter().enumerate().map(stub).collect();
        (alert.title, alert.counts.objects) = (title.to_owned(), total);
        alert.labels.clear();
        alert
    }

    #[test]
    fn who_did_it_is_the_app_and_not_its_installer() {
        let file = json!({ "type": "file", "file": { "id": "F1" } });
        let app = json!({ "app": { "id": "A1", "name": "Exporter" } });
        let said = |title, context: &Value, entity: &Value| with_doer(title, &event(context, entity));
        let title = "ada@corp.example deleted 60 files";
        assert_eq!(said(title, &app, &file), "App Exporter (A1), in the name of ada@corp.example, deleted 60 files");
        assert_eq!(said(title, &json!({}), &file), title, "no app");
        let last = "A hold was lifted; last: ada@corp.example";
        assert!(said(last, &app, &file).ends_with("last: App Exporter (A1), in the name of ada@corp.example"));
        for named in ["App Exporter read files of ada@corp.example", "Nobody is named"] {
            assert_eq!(said(named, &app, &file), named);
        }
        let itself = json!({ "type": "app", "app": { "id": "A1" } });
        assert_eq!(said("ada@corp.example installed it", &app, &itself), "ada@corp.example installed it");
        let agent = json!({ "acting_agent": "slackbot" });
        assert!(said(title, &agent, &file).starts_with("Agent slackbot, in the name of ada@corp.example,"));
    }

    #[test]
    fn a_headline_names_the_first_five_and_how_many_there_are() {
        let names = ["a.pdf", "b.pdf", "c.pdf", "d.pdf", "e.pdf", "f.pdf"];
        assert_eq!(
            of(&alert("x took 30 files", &names, 30)),
            "x took 30 files: a.pdf, b.pdf, c.pdf, d.pdf, e.pdf and 25 more"
        );
        assert_eq!(of(&alert("x shared b.pdf", &names[..2], 2)), "x shared b.pdf; 2 files in all: a.pdf, b.pdf");
        assert_eq!(
            of(&alert("x moved over 2 networks", &names, 30)),
            "x moved over 2 networks",
            "it is about something else"
        );
        assert_eq!(of(&alert("x took 1 file", &["a.pdf"], 1)), "x took 1 file");
        let long = "n".repeat(900);
        assert!(of(&alert("x took 2 files", &[&long, "b"], 2)).chars().count() <= MAX_HEADLINE);
    }

    #[test]
    fn what_is_usual_is_said_beside_the_number() {
        for (label, value, want) in [
            ("usual_hour", "2", "x took 30 files (usually at most 2 an hour)"),
            ("usual_day", "0", "x took 30 files (usually none)"),
            ("usual", "3, 7", "x took 30 files (usually at most 7)"),
            ("usual_day", "can't tell yet", "x took 30 files (what is usual is not known yet)"),
        ] {
            let mut alert = alert("x took 30 files", &[], 0);
            alert.labels.insert(label.to_owned(), value.to_owned());
            assert_eq!(of(&alert), want);
        }
        let mut alert = alert("x took 30 files, where 4 a day are usual", &[], 0);
        alert.labels.insert("usual_day".to_owned(), "4".to_owned());
        assert_eq!(of(&alert), "x took 30 files, where 4 a day are usual", "once");
    }

    #[test]
    fn a_severity_has_the_reason_that_its_rule_gives() {
        let mut rule = builtin::manifest().rules.iter().find(|rule| rule.id == "risk").expect("a rule").clone();
        rule.condition =
            "Files go.\nIt is Medium, e.g. in an hour, and High from Tor. Left out: highest low things.".into();
        rule.threshold = "`a` (5) in an hour.".into();
        assert_eq!(reason(&rule, Severity::High), "It is Medium, e.g. in an hour, and High from Tor.");
        assert_eq!(reason(&rule, Severity::Low), "this rule is at most High, and what it found here is less");
        rule.condition = "Files go.".into();
        assert_eq!(reason(&rule, Severity::High), "whatever this rule finds is High");
    }
}
