//! The rules as a document for a forge: an index table that links to one section for each rule.
//!
//! A heading of a rule is its id alone, so that links to it survive a change of the title. Forges make an anchor of a heading
//! by dropping its punctuation; [`anchor`] does the same.

use crate::look::detections::one_line;
use anyhow::Result;
use gridwatch_manifest::{ConfigKey, Manifest, Rule, Severity, Step, span_text};
use gridwatch_names::attack;
use serde_json::Value;
use std::io::Write;

/// Actions of a rule that the index names before it counts the others.
const ACTIONS_IN_INDEX: usize = 2;
/// Items of a setting's default that are written out before the others are counted.
const DEFAULTS_SHOWN: usize = 8;
/// What begins the sentences of a condition that say what the rule doesn't see.
const LEFT_OUT: &str = "Left out:";
const DAY_S: u64 = 86_400;

/// # Errors
/// `out` refuses.
pub fn markdown(manifests: &[Manifest], out: &mut dyn Write) -> Result<()> {
    let rules: usize = manifests.iter().map(|manifest| manifest.rules.len()).sum();
    writeln!(out, "# Detections\n")?;
    writeln!(
        out,
        "The {rules} rules that gridwatch comes with, by module. The severity is the highest that a rule gives.\n"
    )?;
    writeln!(out, "| rule | title | severity | actions | ATT&CK |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for (manifest, rule) in
        manifests.iter().flat_map(|manifest| manifest.rules.iter().map(move |rule| (manifest, rule)))
    {
        let id = format!("{}.{}", manifest.name, rule.id);
        let cells = [
            format!("[`{id}`](#{})", anchor(&id)),
            rule.title.clone(),
            rule.severity.name().to_owned(),
            first_actions(&rule.actions),
            rule.attack.join(", "),
        ];
        row(&cells, out)?;
    }
    for manifest in manifests {
        writeln!(out, "\n## {}\n\n{}.", manifest.name, manifest.title)?;
        manifest.rules.iter().try_for_each(|rule| section(manifest, rule, out))?;
    }
    Ok(())
}

fn section(manifest: &Manifest, rule: &Rule, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\n### {}.{}\n\n**{}**\n", manifest.name, rule.id, rule.title)?;
    let condition = one_line(&rule.condition);
    let (condition, left_out) = condition.split_once(LEFT_OUT).unwrap_or((&condition, ""));
    writeln!(out, "{}", sentence(condition))?;
    if !left_out.is_empty() {
        writeln!(out, "\n**Left out:** {}", sentence_end(left_out))?;
    }
    writeln!(out, "\n- **Threshold:** {}", sentence_end(&one_line(&rule.threshold)))?;
    writeln!(out, "- **Severity:** {}.", rule.severity.name())?;
    writeln!(out, "- **Folding:** {}", folding(rule))?;
    writeln!(out, "- **Noise budget:** {}", budget(rule))?;
    writeln!(out, "- **ATT&CK:** {}", techniques(&rule.attack))?;
    writeln!(out, "- **Actions:** {}", all_actions(&rule.actions))?;
    settings(manifest, rule, out)?;
    if !rule.false_positives.is_empty() {
        writeln!(out, "\n**False positives**\n")?;
        rule.false_positives.iter().try_for_each(|text| writeln!(out, "- {}", sentence(&one_line(text))))?;
    }
    let playbook = &rule.playbook;
    for (phase, steps) in [("Verify", &playbook.verify), ("Contain", &playbook.contain), ("Then", &playbook.then)] {
        phase_of(phase, steps, out)?;
    }
    Ok(())
}

/// The settings that the rule's texts name in backticks, and the one that says how long it folds.
fn settings(manifest: &Manifest, rule: &Rule, out: &mut dyn Write) -> Result<()> {
    let named = named(rule);
    let used = |name: &str| named.iter().any(|n| n == name) || rule.fold_setting.as_deref() == Some(name);
    let mut rows = manifest.config.iter().filter(|(name, _)| used(name)).peekable();
    if rows.peek().is_some() {
        writeln!(out, "\n| setting | what it is | default |\n|---|---|---|")?;
    }
    rows.try_for_each(|(name, key)| row(&[format!("`{name}`"), one_line(&key.help), default_text(key)], out))
}

/// Everything that stands in backticks in the texts of a rule.
fn named(rule: &Rule) -> Vec<String> {
    let playbook = &rule.playbook;
    let steps = [&playbook.verify, &playbook.contain, &playbook.then].into_iter().flatten().map(|step| &step.text);
    let texts = [&rule.condition, &rule.threshold].into_iter().chain(&rule.false_positives).chain(steps);
    texts.flat_map(|text| text.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

fn default_text(key: &ConfigKey) -> String {
    let Value::Array(items) = &key.default else {
        return format!("`{}`", key.default.as_str().map_or_else(|| key.default.to_string(), str::to_owned));
    };
    if items.is_empty() {
        return "empty".to_owned();
    }
    shortened(items.iter().map(|item| format!("`{}`", item.as_str().unwrap_or_default())), DEFAULTS_SHOWN)
}

fn phase_of(phase: &str, steps: &[Step], out: &mut dyn Write) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n**{phase}**\n")?;
    for (number, step) in (1..).zip(steps) {
        writeln!(out, "{number}. {}", sentence_end(&step_text(step)))?;
    }
    Ok(())
}

/// ``End all sessions of the user (`admin.users.session.reset`, scope `admin.users:write`)``
fn step_text(step: &Step) -> String {
    let text = one_line(&step.text);
    match (&step.method, &step.scope) {
        (Some(method), Some(scope)) => format!("{text} (`{method}`, scope `{scope}`)"),
        (Some(method), None) => format!("{text} (`{method}`)"),
        (None, _) => text,
    }
}

fn folding(rule: &Rule) -> String {
    let days = rule.fold_s / DAY_S;
    let stretch = match rule.fold_s {
        DAY_S => "on the same day (UTC)".to_owned(),
        span if span.is_multiple_of(DAY_S) => format!("within the same {days} days"),
        span => format!("within the same {}", span_text(span)),
    };
    let setting = rule.fold_setting.as_ref().map(|name| format!(" (`{name}`)")).unwrap_or_default();
    let labels: Vec<String> = rule.news.iter().map(|label| format!("`{label}`")).collect();
    let news = match labels.is_empty() {
        true => String::new(),
        false => format!(" An open alert is sent again at once when there is a new value of {}.", labels.join(", ")),
    };
    format!("Findings about the same subject {stretch}{setting} are one alert.{news}")
}

fn budget(rule: &Rule) -> String {
    let severity = match rule.severity {
        Severity::Informational | Severity::Low => rule.severity.name().to_owned(),
        Severity::Medium => "Medium".to_owned(),
        Severity::High | Severity::Critical => "Medium or higher".to_owned(),
    };
    match rule.budget {
        0.0 => format!("Ordinary use should raise no alert of severity {severity} at all."),
        budget if budget < 1.0 => format!(
            "Ordinary use should raise at most {budget} alerts of severity {severity} a day for every 1,000 users, or one \
             in {:.0} days.",
            1.0 / budget
        ),
        budget => {
            format!("At most {budget} a day of severity {severity} for every 1,000 users are expected in ordinary use.")
        }
    }
}

fn techniques(ids: &[String]) -> String {
    let link = |id: &String| {
        let name = attack::technique(id).and_then(|t| t.name).map(|name| format!(" {name}")).unwrap_or_default();
        format!("[{id}](https://attack.mitre.org/techniques/{}/){name}", id.replace('.', "/"))
    };
    match ids.is_empty() {
        true => "None.".to_owned(),
        false => ids.iter().map(link).collect::<Vec<_>>().join(", "),
    }
}

fn all_actions(actions: &[String]) -> String {
    match actions {
        [all] if all == "*" => "All.".to_owned(),
        _ => shortened(actions.iter().map(|action| format!("`{action}`")), usize::MAX),
    }
}

fn first_actions(actions: &[String]) -> String {
    match actions {
        [all] if all == "*" => "all".to_owned(),
        _ => shortened(actions.iter().map(|action| format!("`{action}`")), ACTIONS_IN_INDEX),
    }
}

/// The first `most` of the items, and how many more there are. One more is written out: the words would take its room.
fn shortened(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let count = items.len();
    let shown = if count > most.saturating_add(1) { most } else { count };
    let first = items.take(shown).collect::<Vec<_>>().join(", ");
    match count - shown {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The anchor of a heading, as forges make it: lower case, blanks as hyphens, without other punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let ended = sentence_end(text);
    let mut letters = ended.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}", letters.as_str())
}

fn sentence_end(text: &str) -> String {
    let text = text.trim();
    match text.ends_with(['.', '?', '!']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn row(cells: &[String], out: &mut dyn Write) -> Result<()> {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    Ok(writeln!(out, "| {} |", cells.join(" | "))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
name = "sample"
version = "1.0.0"
abi = "gridwatch:detect@1"
title = "A sample"
fields = ["action"]

[[rule]]
id = "several-things"
title = "A | happened"
actions = ["user_login", "user_logout", "user_created", "user_deactivated"]
condition = """
somebody did \
it. Left out: robots in `robots`"""
threshold = "`most` (3) in an hour"
severity = "high"
budget = 0.05
fold = "24h"
attack = ["T1110.001"]
false_positives = ["a test"]

[rule.playbook]
verify = [{ do = "Ask the user" }]
contain = [{ do = "End the sessions", method = "admin.users.session.reset", scope = "admin.users:write" }]

[config.most]
type = "integer"
help = "How often."
default = 3
min = 1
max = 9

[config.robots]
type = "texts"
help = "Names."
default = ["a", "b"]

[config.unrelated]
type = "boolean"
help = "Nothing of this rule."
default = true
"#;

    fn rendered(text: &str) -> String {
        let mut out = Vec::new();
        markdown(&[Manifest::parse(text).unwrap()], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_index_links_to_the_section_of_each_rule() {
        let text = rendered(MANIFEST);
        let index = "| [`sample.several-things`](#sampleseveral-things) | A \\| happened | High \
                     | `user_login`, `user_logout` and 2 more | T1110.001 |";
        assert!(text.contains(index), "{text}");
        assert!(text.contains("\n### sample.several-things\n\n**A | happened**\n"), "{text}");
    }

    #[test]
    fn a_section_has_all_that_the_manifest_says() {
        let text = rendered(MANIFEST);
        for part in [
            "\nSomebody did it.\n\n**Left out:** robots in `robots`.\n",
            "- **Threshold:** `most` (3) in an hour.\n",
            "on the same day (UTC) are one alert. An open alert is sent again at once when there is a new value of `reason`, `scope`.\n",
            "at most 0.05 alerts of severity Medium or higher a day for every 1,000 users, or one in 20 days.\n",
            "[T1110.001](https://attack.mitre.org/techniques/T1110/001/)",
            "- **Actions:** `user_login`, `user_logout`, `user_created`, `user_deactivated`\n",
            "| `most` | How often. | `3` |\n| `robots` | Names. | `a`, `b` |\n",
            "**False positives**\n\n- A test.\n",
            "**Verify**\n\n1. Ask the user.\n",
            "**Contain**\n\n1. End the sessions (`admin.users.session.reset`, scope `admin.users:write`).\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("unrelated") && !text.contains("**Then**"), "{text}");
    }
}
