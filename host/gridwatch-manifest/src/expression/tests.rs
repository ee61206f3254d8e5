//! What an expression means, asked of nested JSON in place of events.

use super::*;
use serde_json::{Value, json};

/// An event as nested JSON, asked by paths below `details`.
struct Entry(Value);

fn fact(value: Option<&Value>) -> Fact<'_> {
    match value {
        None => Fact::Absent,
        Some(Value::Null) => Fact::Null,
        Some(Value::String(text)) => Fact::Text(text.into()),
        Some(Value::Array(items)) => Fact::List(items.iter().map(|item| fact(Some(item))).collect()),
        Some(other) => Fact::Text(other.to_string().into()),
    }
}

impl Facts for Entry {
    fn fact(&self, field: &Field) -> Fact<'_> {
        fact(self.0.get(field.name().trim_start_matches("details.")))
    }

    fn any_text(&self, is_it: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.as_object().into_iter().flatten().any(|(_, value)| is_it(&fact(Some(value)).text()))
    }
}

impl Fact<'_> {
    fn text(&self) -> String {
        if let Self::Text(text) = self { text.to_string() } else { String::new() }
    }
}

fn asked(expression: Value, entry: Value) -> bool {
    let expression: Expression = serde_json::from_value(expression).unwrap();
    Matcher::new(&expression).unwrap_or_else(|e| panic!("{e}")).holds(&Entry(entry))
}

fn test(test: Value, value: Value) -> bool {
    asked(json!({ "field": ["details.x", test] }), json!({ "x": value }))
}

#[test]
fn patterns_fit_whole_texts_with_wildcards_and_escapes() {
    for (pattern, text, fits) in [
        ("abc", "ABC", true),
        ("abc", "abcd", false),
        ("a*", "ABC", true),
        ("*c", "abc", true),
        ("*b*", "abc", true),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abcd", false),
        ("a**e", "ae", true),
        ("*a*b", "xaxbxb", true),
        (r"a\*c", "a*c", true),
        (r"a\*c", "abc", false),
        (r"a\?c", "a?c", true),
        (r"a\?c", "abc", false),
        (r"a\\*", r"a\bc", true),
        (r"a\\", r"a\", true),
        (r"c:\windows\\*", r"C:\Windows\x", true),
        (r"c:\windows\*", r"C:\Windows\x", false),
        (r"\w", r"\w", true),
        ("straße*", "STRASSE 1", false),
        ("ÄRGER", "ärger", true),
        ("?", "ä", true),
    ] {
        assert_eq!(test(json!({ "is": [pattern] }), json!(text)), fits, "{pattern} {text}");
    }
    assert!(!test(json!({ "cased": ["abc"] }), json!("ABC")) && test(json!({ "cased": ["A*C"] }), json!("ABC")));
}

#[test]
fn a_wild_pattern_costs_no_more_than_its_lengths() {
    let (pattern, text) = (format!("{}b", "a*".repeat(60)), "a".repeat(20_000));
    assert!(!test(json!({ "is": [pattern] }), json!(text)));
}

#[test]
fn each_test_says_what_its_name_says() {
    for (asked, value, holds) in [
        (json!({ "regex": ["^a.c$"] }), json!("abc"), true),
        (json!({ "regex": ["b"] }), json!("abc"), true),
        (json!({ "regex": ["B"] }), json!("abc"), false),
        (json!({ "regex": ["(?i)B"] }), json!("abc"), true),
        (json!({ "network": ["192.0.2.0/24"] }), json!("192.0.2.9"), true),
        (json!({ "network": ["192.0.2.0/24"] }), json!("::ffff:192.0.2.9"), true),
        (json!({ "network": ["192.0.2.0/24"] }), json!("192.0.3.9"), false),
        (json!({ "network": ["2001:db8::/32"] }), json!("2001:db8:1::1"), true),
        (json!({ "network": ["192.0.2.9"] }), json!("192.0.2.9"), true),
        (json!({ "network": ["0.0.0.0/0"] }), json!("not an address"), false),
        (json!({ "below": "10" }), json!(9), true),
        (json!({ "below": "10" }), json!("9.5"), true),
        (json!({ "below": "10" }), json!(10), false),
        (json!({ "at_most": "10" }), json!(10), true),
        (json!({ "above": "10" }), json!(10.5), true),
        (json!({ "at_least": "10" }), json!("10"), true),
        (json!({ "at_least": "10" }), json!("ten"), false),
        (json!({ "exists": true }), json!(null), true),
        (json!({ "exists": false }), json!("a"), false),
        (json!({ "null": true }), json!(null), true),
        (json!({ "null": true }), json!(""), false),
        (json!({ "is": [""] }), json!(null), false),
        (json!({ "is": ["5"] }), json!(5), true),
        (json!({ "is": ["true"] }), json!(true), true),
        (json!({ "is": ["b"] }), json!(["a", "B"]), true),
        (json!({ "is": ["b"] }), json!([["a"], ["b"]]), true),
        (json!({ "is": ["b"] }), json!([]), false),
    ] {
        assert_eq!(test(asked.clone(), value.clone()), holds, "{asked} {value}");
    }
}

#[test]
fn nothing_fits_what_is_absent_and_not_of_it_holds() {
    let absent = |asked: Value| self::asked(asked, json!({ "y": 1 }));
    assert!(!absent(json!({ "field": ["details.x", { "is": ["*"] }] })));
    assert!(absent(json!({ "not": { "field": ["details.x", { "is": ["*"] }] } })));
    assert!(absent(json!({ "field": ["details.x", { "exists": false }] })));
    assert!(absent(json!({ "field": ["details.x", { "null": true }] })));
}

#[test]
fn fields_are_compared_with_fields_and_words_with_all_of_the_entry() {
    let entry = || json!({ "x": "Invoice.PDF", "y": "pdf", "z": ["a", "invoice.pdf"], "n": 42 });
    for (expression, holds) in [
        (json!({ "field": ["details.x", { "same": "details.z" }] }), true),
        (json!({ "field": ["details.x", { "same": "details.y" }] }), false),
        (json!({ "field": ["details.x", { "ends_with": "details.y" }] }), true),
        (json!({ "field": ["details.x", { "starts_with": "details.y" }] }), false),
        (json!({ "field": ["details.x", { "contains": "details.y" }] }), true),
        (json!({ "field": ["details.x", { "same": "details.none" }] }), false),
        (json!({ "anywhere": ["voice"] }), true),
        (json!({ "anywhere": ["42"] }), true),
        (json!({ "anywhere": ["nothing"] }), false),
        (json!({ "all": [] }), true),
        (json!({ "any": [] }), false),
        (json!({ "all": [{ "anywhere": ["voice"] }, { "not": { "anywhere": ["none"] } }] }), true),
    ] {
        assert_eq!(asked(expression.clone(), entry()), holds, "{expression}");
    }
}

#[test]
fn what_can_not_be_asked_says_why() {
    for (expression, why) in [
        (json!({ "field": ["user.id", { "is": ["a"] }] }), "`user.id` is not a field"),
        (json!({ "field": ["details.x", { "is": [] }] }), "without an alternative"),
        (json!({ "field": ["details.x", { "regex": ["(?<=a)b"] }] }), "look-around"),
        (json!({ "field": ["details.x", { "regex": ["(a{1000}){1000}"] }] }), "not a regular expression"),
        (json!({ "field": ["details.x", { "network": ["192.0.2.0/33"] }] }), "not a network"),
        (json!({ "field": ["details.x", { "below": "ten" }] }), "not a number"),
        (json!({ "field": ["details.x", { "below": "inf" }] }), "not a number"),
    ] {
        let expression: Expression = serde_json::from_value(expression).unwrap();
        let told = Matcher::new(&expression).unwrap_err().to_string();
        assert!(told.contains(why), "{why}: {told}");
    }
    let deep = (0..MAX_DEPTH).fold(Expression::All(Vec::new()), |inner, _| Expression::Not(Box::new(inner)));
    assert!(Matcher::new(&deep).is_err());
    let wide = Expression::All(vec![Expression::All(Vec::new()); MAX_TESTS]);
    assert!(Matcher::new(&wide).is_err());
}

#[test]
fn it_is_read_again_from_what_it_is_written_as() {
    let expression =
        json!({ "all": [{ "field": ["details.x", { "is": ["a*", "é\""] }] }, { "not": { "anywhere": ["w"] } }] });
    let matcher = Matcher::new(&serde_json::from_value(expression).unwrap()).unwrap();
    assert_eq!(Matcher::parse(matcher.written()).unwrap(), matcher);
    let toml = "all = [{ field = [\"details.x\", { is = [\"a*\", \"é\\\"\"] }] }, { not = { anywhere = [\"w\"] } }]";
    let table: toml::Value = toml::Value::Table(toml.parse().unwrap());
    assert_eq!(Matcher::new(&table.try_into().unwrap()).unwrap(), matcher);
}
