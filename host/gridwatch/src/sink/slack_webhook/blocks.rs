//! An alert as a message of blocks. What others wrote can neither call anybody, nor look like a link, nor end a block.

use crate::sink::message::{Link, Told};
use gridwatch_event::text::clip;
use serde_json::{Value, json};

/// Slack's bounds, in characters.
const MAX_HEADER: usize = 150;
const MAX_FIELD: usize = 1_900;
const MAX_SECTION: usize = 2_900;
/// Of what a notification shows.
const MAX_HEADLINE: usize = 400;

pub(super) fn message(told: &Told, link: Option<&Link>) -> Value {
    let mut blocks = vec![
        json!({ "type": "header", "text": plain_text(&headline(told), MAX_HEADER) }),
        json!({ "type": "section", "fields": fields(told) }),
    ];
    let more: Vec<&str> =
        [&told.news, &told.condition].into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    if !more.is_empty() {
        blocks.push(json!({ "type": "section", "text": plain_text(&more.join("\n"), MAX_SECTION) }));
    }
    if let Some(link) = link {
        // The address is ours; Slack wants its own characters escaped in it all the same.
        let text = format!("<{}|Open the alert>", escape(&link.to(&told.uid)).replace('|', "%7C"));
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } }));
    }
    let id = format!("{}  ·  gridwatch explain {}", told.id, told.uid);
    blocks.push(json!({ "type": "context", "elements": [plain_text(&id, MAX_FIELD)] }));
    json!({ "text": text(told), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

/// For a receiver that doesn't take the blocks.
pub(super) fn plain(told: &Told) -> Value {
    json!({ "text": text(told), "unfurl_links": false, "unfurl_media": false })
}

fn headline(told: &Told) -> String {
    let state = match (told.act, told.is_resolved, told.is_opening) {
        (Some(act), ..) => act.word().to_owned(),
        (None, true, _) => "Resolved".to_owned(),
        (None, false, true) => told.severity.clone(),
        (None, false, false) => format!("{} (again)", told.severity),
    };
    format!("{state}: {}", told.title)
}

/// What a notification shows.
fn text(told: &Told) -> String {
    let headline = headline(told);
    escape(&format!("{} [{}, {}]", clip(&headline, MAX_HEADLINE), told.rule, told.id))
}

fn fields(told: &Told) -> Vec<Value> {
    let rule = format!("{}\n{}", told.rule, told.rule_title);
    let findings = told.findings.to_string();
    [
        ("Severity", &told.severity),
        ("Rule", &rule),
        ("Who", &told.who),
        ("Last seen", &told.last),
        ("Findings", &findings),
        ("Organization", &told.organization),
    ]
    .into_iter()
    .filter(|(_, value)| !value.trim().is_empty())
    .map(|(name, value)| plain_text(&format!("{name}: {value}"), MAX_FIELD))
    .collect()
}

/// Shown as it is: no markup, no links, no mentions.
fn plain_text(text: &str, max: usize) -> Value {
    // Escaping makes it longer, at most five times; the bounds are of what is shown.
    json!({ "type": "plain_text", "text": escape(clip(text, max)), "emoji": false })
}

/// Slack's own rule: these three, and no more.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::message::testing::{acted, record};

    #[test]
    fn what_an_attacker_wrote_calls_nobody_and_links_nowhere() {
        let told = Told::of(record().to_string().as_bytes()).unwrap();
        let message = message(&told, None);
        let text = message.to_string();
        assert!(!text.contains("<!channel>") && text.contains("&lt;!channel&gt; &amp;"), "{text}");
        assert_eq!(message["blocks"][0]["text"]["type"], "plain_text");
        assert!(!text.contains("mrkdwn"));
        assert!(message["text"].as_str().unwrap().starts_with("High: &lt;!channel&gt;"), "{text}");
    }

    #[test]
    fn what_somebody_did_is_said_first() {
        for (act, status, want) in
            [("acknowledge", 2, "Acknowledged: "), ("note", 1, "Note: "), ("close", 3, "Closed: ")]
        {
            let message = message(&Told::of(acted(act, status).to_string().as_bytes()).unwrap(), None);
            assert!(message["text"].as_str().unwrap().starts_with(want), "{message}");
            assert!(message.to_string().contains(&format!("{act} by anna")), "{message}");
        }
    }

    #[test]
    fn a_message_keeps_slacks_bounds() {
        let mut long = record();
        long["finding_info"]["title"] = "é".repeat(5_000).into();
        long["finding_info"]["desc"] = "x".repeat(5_000).into();
        let message = message(&Told::of(long.to_string().as_bytes()).unwrap(), None);
        let chars = |path: &str| message.pointer(path).unwrap().as_str().unwrap().chars().count();
        assert!(chars("/blocks/0/text/text") <= MAX_HEADER && chars("/blocks/2/text/text") <= MAX_SECTION);
        assert!(chars("/text") <= MAX_HEADLINE + 100);
    }
}
