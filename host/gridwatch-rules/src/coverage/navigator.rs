//! Layers for MITRE's ATT&CK Navigator: what is covered, what is a gap and why, what was observed.
//!
//! Layer format 4.5, ATT&CK 19, Navigator 4.9.0 or newer; several layers in one file are a JSON list
//! (github.com/mitre-attack/attack-navigator, layers/spec).

use super::{Coverage, Why};
use gridwatch_names::attack;
use serde_json::{Value, json};

/// Covered, gaps, observed: in this order.
pub fn layers(coverage: &Coverage) -> Value {
    let covered = coverage.covered.iter().map(|covered| {
        let rules: Vec<&str> = covered.rules.iter().map(String::as_str).collect();
        technique(&covered.technique, covered.rules.len() as u64, "#2e7d32", &rules.join(", "))
    });
    let gaps = coverage.gaps.iter().map(|gap| {
        let colour = match gap.why {
            Why::NoRule => "#ef6c00",
            Why::PartlyVisible => "#fdd835",
            Why::NotVisible => "#9e9e9e",
        };
        let rest =
            [gap.unseen, gap.closes].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; see: ");
        let comment = format!("{}: {}. {rest}", gap.why.text(), gap.means);
        technique(gap.technique, 0, colour, comment.trim())
    });
    let observed = coverage.covered.iter().filter_map(|covered| {
        let count = covered.observed.filter(|count| *count > 0)?;
        Some(technique(&covered.technique, count, "#c62828", &format!("{count} alerts")))
    });
    let legend = |items: &[(&str, &str)]| -> Value {
        items.iter().map(|(label, color)| json!({ "label": label, "color": color })).collect()
    };
    json!([
        layer(
            "gridwatch: covered",
            "Techniques that a rule of the modules names. The score is the number of rules.",
            covered.collect(),
            legend(&[("a rule names it", "#2e7d32")]),
        ),
        layer(
            "gridwatch: gaps",
            "Techniques that no rule names, or that Slack's audit log shows in part or not at all; the comment says why.",
            gaps.collect(),
            legend(&[
                (Why::NoRule.text(), "#ef6c00"),
                (Why::PartlyVisible.text(), "#fdd835"),
                (Why::NotVisible.text(), "#9e9e9e"),
            ]),
        ),
        layer(
            "gridwatch: observed in 30 days",
            "Techniques of the alerts of the last 30 days. The score is the number of alerts.",
            observed.collect(),
            legend(&[("alerts named it", "#c62828")]),
        ),
    ])
}

fn layer(name: &str, description: &str, techniques: Vec<Value>, legend: Value) -> Value {
    json!({
        "name": name,
        "description": description,
        "domain": "enterprise-attack",
        "versions": { "attack": attack::VERSION.split('.').next(), "navigator": "4.9.0", "layer": "4.5" },
        "filters": { "platforms": ["SaaS", "Office Suite", "Identity Provider"] },
        "techniques": techniques,
        "legendItems": legend,
        "hideDisabled": false,
    })
}

fn technique(id: &str, score: u64, color: &str, comment: &str) -> Value {
    json!({ "techniqueID": id, "score": score, "color": color, "comment": comment, "enabled": true, "showSubtechniques": true })
}
