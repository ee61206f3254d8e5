//! A setting's values before and after, as far as every rule reads them alike. Slack documents neither their words nor their
//! shapes: `true`, `"on"`, `["1"]` and `{"type":["ON"]}` were all seen, and the value before may be missing.
//!
//! Which way a change went depends on the setting, so that each module judges it.

use crate::json;
use serde_json::Value;

/// Was the setting saved as it was? However the two are spelled, and in whatever order a list is. Not of values that say
/// nothing, as `[]`: they may as well be what Slack left out; nor of those of which only the first part was given.
pub fn is_same(before: &str, after: &str) -> bool {
    let is_said = !texts(before).is_empty();
    // Of what is too long only the first part is here, and what changed may stand behind it.
    let is_all = !json::may_be_cut(before) && !json::may_be_cut(after);
    is_said && is_all && (plain(&parsed(before)) == plain(&parsed(after)) || is_switched_alike(before, after))
}

fn is_switched_alike(before: &str, after: &str) -> bool {
    switch(before).is_some_and(|on| switch(after) == Some(on))
}

/// On or off, in the words that mean it of any setting; `None` of all others, of several and of none.
pub fn switch(value: &str) -> Option<bool> {
    match only_text(value)?.as_str() {
        "true" | "on" | "1" | "yes" | "enabled" => Some(true),
        "false" | "off" | "0" | "no" | "disabled" | "none" => Some(false),
        _ => None,
    }
}

/// The text that the value consists of, in small letters; `None` of several and of none.
pub fn only_text(value: &str) -> Option<String> {
    match texts(value).as_slice() {
        [text] => Some(text.clone()),
        _ => None,
    }
}

/// All texts in the value, in small letters and without what surrounds them.
pub fn texts(value: &str) -> Vec<String> {
    let texts = json::texts(value).into_iter().map(|text| word(&text));
    texts.filter(|text| !text.is_empty()).collect()
}

fn word(text: &str) -> String {
    text.trim().trim_matches('"').to_ascii_lowercase()
}

fn parsed(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))
}

/// Two values that say the same are equal in this form: a list is a set, and what stands alone in a list or an object is
/// itself. Several fields of an object keep their names, since 30 days of messages and 90 of files aren't the reverse.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(plain).collect();
            items.sort_by_key(Value::to_string);
            items.dedup();
            if items.len() == 1 { items.remove(0) } else { items.into() }
        }
        Value::Object(fields) => match fields.values().next() {
            Some(only) if fields.len() == 1 => plain(only),
            _ => fields.iter().map(|(name, item)| (name.clone(), plain(item))).collect(),
        },
        Value::String(text) => word(text).into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_saved_as_they_were_are_the_same_in_every_shape() {
        for (before, after) in [
            ("manual", "manual"),
            ("Manual", r#"["manual"]"#),
            (r#"{"type":["MANUAL"]}"#, r#""manual""#),
            ("true", r#"["1"]"#),
            (r#""off""#, "disabled"),
            (r#"["T1","T2"]"#, r#"["T2","T1"]"#),
            (r#"{"type":["A"],"user":["U1","U2"]}"#, r#"{"user":["U2","U1"],"type":["A"]}"#),
            (r#"{"type":"EXPIRE","days":90}"#, r#"{"days":"90","type":["EXPIRE"]}"#),
        ] {
            assert!(is_same(before, after) && is_same(after, before), "{before} and {after}");
        }
    }

    #[test]
    fn what_differs_or_isnt_given_is_not_the_same() {
        for (before, after) in [
            ("", ""),
            ("", "manual"),
            ("[]", ""),
            ("[]", "[]"),
            (r#"{"type":[]}"#, r#"{"type":[""]}"#),
            ("manual", "auto"),
            ("true", "false"),
            ("1", "2"),
            (r#"["T1"]"#, r#"["T1","T2"]"#),
            (r#"{"messages":30,"files":90}"#, r#"{"messages":90,"files":30}"#),
            (r#"{"type":["A"],"user":["U1"]}"#, r#"{"type":["A"]}"#),
        ] {
            assert!(!is_same(before, after) && !is_same(after, before), "{before} and {after}");
        }
    }

    #[test]
    fn a_switch_is_one_plain_word() {
        for on in ["true", "On", r#"["1"]"#, r#"{"type":["ENABLED"]}"#, r#""yes""#] {
            assert_eq!(switch(on), Some(true), "{on}");
        }
        for off in ["false", "OFF", "0", "[\"disabled\"]", "none"] {
            assert_eq!(switch(off), Some(false), "{off}");
        }
        for neither in ["", "[]", "optional", "everyone", r#"["on","off"]"#] {
            assert_eq!(switch(neither), None, "{neither}");
        }
    }
}
