//! A body with places in it: `{{ title }}` and other names, `{{ /finding_info/desc }}` for any value of the OCSF record by its JSON
//! pointer, `{{ json }}` or `{{ json /pointer }}` for a part of it as JSON.
//!
//! What is put in is escaped for the kind of text that the template is, so that no value ends a string or begins markup.

use crate::sink::message::{Link, Told, escaped};
use gridwatch_event::text::clean;
use serde_json::{Value, json};

/// Longest value put in, in characters; `json` has no bound but the record's own.
const MAX_VALUE: usize = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// Within quotes.
    Json,
    Form,
    Markup,
    Plain,
}

impl Escaping {
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Some(Self::Form),
            "text/plain" => Some(Self::Plain),
            kind if kind.ends_with("/json") || kind.ends_with("+json") => Some(Self::Json),
            kind if kind.ends_with("/xml") || kind.ends_with("+xml") || kind == "text/html" => Some(Self::Markup),
            _ => None,
        }
    }

    fn apply(self, text: &str) -> String {
        match self {
            Self::Json => {
                let quoted = Value::from(text).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Form => escaped(text),
            Self::Markup => {
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                text.replace('"', "&quot;").replace('\'', "&#39;")
            }
            Self::Plain => text.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name(&'static str),
    Pointer(String),
    Json(String),
}

#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    escaping: Escaping,
    link: Option<Link>,
}

const NAMES: [&str; 17] = [
    "id",
    "uid",
    "rule",
    "rule_title",
    "severity",
    "severity_id",
    "priority",
    "title",
    "who",
    "organization",
    "time",
    "last",
    "findings",
    "news",
    "act",
    "condition",
    "link",
];

impl Template {
    /// # Errors
    /// A place that isn't known or isn't closed, or a template of JSON that gives none.
    pub(super) fn read(text: &str, escaping: Escaping, link: Option<Link>) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let (place, after) = after.split_once("}}").ok_or("has a `{{` without `}}`")?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(piece(place.trim(), escaping)?);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        if pieces.contains(&Piece::Name("link")) && link.is_none() {
            return Err("has the place `link`, and the sink has no `link`".to_owned());
        }
        let template = Self { pieces, escaping, link };
        // What is put in never breaks it, so one that is JSON with this is JSON with everything.
        let sample = json!({ "finding_info": { "uid": "gw-0" } }).to_string();
        let told = Told::of(sample.as_bytes()).ok_or("can't be tried")?;
        if escaping == Escaping::Json
            && let Err(error) = serde_json::from_str::<Value>(&template.fill(&told, sample.as_bytes()))
        {
            return Err(format!("gives no JSON: {error}; a place for a text stands in quotes, one for `json` doesn't"));
        }
        Ok(template)
    }

    pub(super) fn fill(&self, told: &Told, record: &[u8]) -> String {
        let record: Value = serde_json::from_slice(record).unwrap_or_default();
        let mut body = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Name(name) => body.push_str(&self.escaping.apply(&self.named(name, told))),
                Piece::Pointer(pointer) => {
                    let text = match record.pointer(pointer) {
                        None | Some(Value::Null) => String::new(),
                        Some(Value::String(text)) => text.clone(),
                        Some(value) => value.to_string(),
                    };
                    body.push_str(&self.escaping.apply(&clean(&text, MAX_VALUE)));
                }
                Piece::Json(pointer) => match record.pointer(pointer) {
                    Some(value) => body.push_str(&value.to_string()),
                    None => body.push_str("null"),
                },
            }
        }
        body
    }

    fn named(&self, name: &str, told: &Told) -> String {
        let text = match name {
            "id" => told.id.clone(),
            "uid" => told.uid.clone(),
            "rule" => told.rule.clone(),
            "rule_title" => told.rule_title.clone(),
            "severity" => told.severity.clone(),
            "severity_id" => told.severity_id.to_string(),
            // P1 is the gravest, as in Jira Service Management.
            "priority" => format!("P{}", 6 - told.severity_id.clamp(1, 5)),
            "title" => told.title.clone(),
            "who" => told.who.clone(),
            "organization" => told.organization.clone(),
            "time" => told.time.clone(),
            "last" => told.last.clone(),
            "findings" => told.findings.to_string(),
            "news" => told.news.clone(),
            "act" => told.act.map_or_else(String::new, |act| act.word().to_owned()),
            "condition" => told.condition.clone(),
            _ => self.link.as_ref().map(|link| link.to(&told.uid)).unwrap_or_default(),
        };
        clean(&text, MAX_VALUE)
    }
}

fn piece(place: &str, escaping: Escaping) -> Result<Piece, String> {
    if let Some(pointer) = place.strip_prefix("json") {
        let pointer = pointer.trim();
        return match escaping {
            Escaping::Json if pointer.is_empty() || pointer.starts_with('/') => Ok(Piece::Json(pointer.to_owned())),
            Escaping::Json => Err(format!("has the place `{place}`; a pointer begins with a slash")),
            _ => Err("has the place `json`, which is for templates of JSON".to_owned()),
        };
    }
    if place.starts_with('/') {
        return Ok(Piece::Pointer(place.to_owned()));
    }
    let name = NAMES.iter().find(|name| **name == place);
    name.map(|name| Piece::Name(name)).ok_or_else(|| {
        format!(
            "has the place `{}`, which is not known; known are {}, json, and /pointers",
            clean(place, 40),
            NAMES.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::message::testing::record;

    fn filled(text: &str, escaping: Escaping, record: &Value) -> String {
        let bytes = record.to_string().into_bytes();
        Template::read(text, escaping, None).unwrap().fill(&Told::of(&bytes).unwrap(), &bytes)
    }

    #[test]
    fn what_an_attacker_wrote_ends_no_string_and_begins_no_markup() {
        let mut evil = record();
        evil["finding_info"]["title"] = "\",\"admin\":true,\"x\":\"\\ <script>&a=b {{ uid }}".into();
        let text = filled(
            r#"{"t":"{{ title }}","d":"{{/finding_info/title}}","all":{{ json }},"none":{{json /nowhere}}}"#,
            Escaping::Json,
            &evil,
        );
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 4, "{text}");
        assert_eq!((&value["t"], &value["all"]), (&evil["finding_info"]["title"], &evil));
        assert_eq!(value["t"], value["d"]);
        assert!(!filled("<a t='{{title}}'>", Escaping::Markup, &evil).contains("<script>"));
        assert!(!filled("t={{title}}", Escaping::Form, &evil)[2..].contains(['&', '=', '<']));
    }

    #[test]
    fn names_and_pointers_are_filled_and_what_is_not_there_is_empty() {
        let text = "{{priority}} {{ severity }} {{who}} {{/count}} {{/nothing/here}}.";
        assert_eq!(filled(text, Escaping::Plain, &record()), "P2 High eve@acme.example (W1) 7 .");
    }

    #[test]
    fn a_template_that_cannot_work_is_told_before_anything_is_sent() {
        let read = |text, escaping| Template::read(text, escaping, None).unwrap_err();
        for (text, escaping, what) in [
            ("{{ titel }}", Escaping::Plain, "`titel`, which is not known"),
            ("{{ title", Escaping::Plain, "without `}}`"),
            ("{\"a\": {{ title }}}", Escaping::Json, "gives no JSON"),
            ("{\"a\": \"{{ link }}\"}", Escaping::Json, "no `link`"),
            ("{{ json }}", Escaping::Plain, "for templates of JSON"),
            ("{{ json x }}", Escaping::Json, "begins with a slash"),
        ] {
            assert!(read(text, escaping).contains(what), "{text}: {}", read(text, escaping));
        }
        for (kind, escaping) in [
            ("application/json; charset=utf-8", Some(Escaping::Json)),
            ("application/vnd.api+json", Some(Escaping::Json)),
            ("application/x-www-form-urlencoded", Some(Escaping::Form)),
            ("text/xml", Some(Escaping::Markup)),
            ("text/plain", Some(Escaping::Plain)),
            ("application/octet-stream", None),
        ] {
            assert_eq!(Escaping::of(kind), escaping, "{kind}");
        }
    }
}
