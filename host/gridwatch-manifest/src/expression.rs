//! What is asked of one event beyond what `only` and `not` can say: alternatives across fields, patterns with wildcards anywhere,
//! whatever the case, regular expressions, networks, numbers. A manifest gives such a question a name under `[match]`, and each place
//! that takes a field takes `match.NAME`: its text is `1` where it holds, and "" where it doesn't.
//!
//! ```toml
//! [match.strange_export]
//! all = [
//!   { field = ["action", { is = ["*_export_*"] }] },
//!   { not = { field = ["context.ip_address", { network = ["192.0.2.0/24"] }] } },
//! ]
//! ```
//!
//! A test of a field holds if one of its patterns fits one of the field's values: a list has several, all else one. Nothing fits a
//! field that the event doesn't have, so `not` of it holds. The meaning is that of Sigma's specification, for whose rules it was made.

mod pattern;

use crate::field::Field;
use ipnet::IpNet;
use pattern::{Case, Pattern, folded};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// How deep questions may stand in questions, and how many tests there are in one.
const MAX_DEPTH: usize = 24;
const MAX_TESTS: usize = 1_024;
/// Patterns, networks and expressions of all tests of one question.
const MAX_ALTERNATIVES: usize = 8_192;
/// What a regular expression may come to when it is compiled.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// As a manifest writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expression {
    /// Each of them holds; of none, it does.
    All(Vec<Expression>),
    /// At least one of them holds; of none, it doesn't.
    Any(Vec<Expression>),
    Not(Box<Expression>),
    /// The name of a field, and what is asked of its values.
    Field(String, Test),
    /// Some text or number anywhere in the entry has one of these in it.
    Anywhere(Vec<String>),
}

/// What is asked of a field. Of alternatives, one is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The whole text, whatever its case: `*` for anything, `?` for one character, and `\` before these two and itself for themselves.
    Is(Vec<String>),
    /// The same in the given case.
    Cased(Vec<String>),
    /// A part of the text fits this regular expression (of the crate `regex`: no look-around, no back-references).
    Regex(Vec<String>),
    /// An address in one of these networks.
    Network(Vec<String>),
    /// Numbers, as texts.
    Below(String),
    AtMost(String),
    Above(String),
    AtLeast(String),
    /// Does the entry have it, `null` too?
    Exists(bool),
    /// Absent or `null`.
    Null(bool),
    /// The text of another field, whatever the case.
    Same(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
}

/// Why something is no question to be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoExpression(pub String);

/// What an event has where a field looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<'f> {
    Absent,
    Null,
    /// A text, a number or a flag as written, or an object as JSON.
    Text(Cow<'f, str>),
    List(Vec<Fact<'f>>),
}

/// An event that is asked.
pub trait Facts {
    fn fact(&self, field: &Field) -> Fact<'_>;
    /// Every text and number in the entry, until `is_it` says that it is the one.
    fn any_text(&self, is_it: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// An expression ready to be asked. Two are the same if they are written the same.
#[derive(Clone, Debug)]
pub struct Matcher {
    written: String,
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Field(Field, Asked),
    Anywhere(Vec<Pattern>),
}

#[derive(Clone, Debug)]
enum Asked {
    Is(Case, Vec<Pattern>),
    Regex(Vec<Regex>),
    Network(Vec<IpNet>),
    Number(fn(&f64, &f64) -> bool, f64),
    Exists(bool),
    Null(bool),
    Like(fn(&str, &str) -> bool, Field),
}

impl Matcher {
    /// # Errors
    /// What is no field, pattern, network, number or regular expression, or too much.
    pub fn new(expression: &Expression) -> Result<Self, NoExpression> {
        let written = serde_json::to_string(expression).map_err(|e| NoExpression(e.to_string()))?;
        let mut room = Room { tests: MAX_TESTS, alternatives: MAX_ALTERNATIVES };
        Ok(Self { node: room.node(expression, MAX_DEPTH)?, written })
    }

    /// # Errors
    /// The text isn't one that [`Matcher::written`] gave.
    pub fn parse(written: &str) -> Result<Self, NoExpression> {
        let expression: Expression = serde_json::from_str(written).map_err(|e| NoExpression(e.to_string()))?;
        Self::new(&expression)
    }

    /// As compact JSON.
    pub fn written(&self) -> &str {
        &self.written
    }

    pub fn holds(&self, facts: &impl Facts) -> bool {
        self.node.holds(facts)
    }

    /// The fields that it asks for.
    pub fn fields(&self) -> Vec<&Field> {
        let mut fields = Vec::new();
        self.node.add_fields(&mut fields);
        fields
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Matcher {}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Matcher {
    fn cmp(&self, other: &Self) -> Ordering {
        self.written.cmp(&other.written)
    }
}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.written.hash(state);
    }
}

/// How much more may come.
struct Room {
    tests: usize,
    alternatives: usize,
}

impl Room {
    fn node(&mut self, expression: &Expression, depth: usize) -> Result<Node, NoExpression> {
        let depth = depth.checked_sub(1).ok_or_else(|| NoExpression(format!("stands deeper than {MAX_DEPTH}")))?;
        self.tests =
            self.tests.checked_sub(1).ok_or_else(|| NoExpression(format!("asks more than {MAX_TESTS} things")))?;
        Ok(match expression {
            Expression::All(parts) => Node::All(self.nodes(parts, depth)?),
            Expression::Any(parts) => Node::Any(self.nodes(parts, depth)?),
            Expression::Not(part) => Node::Not(Box::new(self.node(part, depth)?)),
            Expression::Field(name, test) => Node::Field(field(name)?, self.asked(test)?),
            Expression::Anywhere(patterns) => {
                self.take(patterns)?;
                Node::Anywhere(patterns.iter().map(|text| Pattern::within(text)).collect())
            }
        })
    }

    fn nodes(&mut self, parts: &[Expression], depth: usize) -> Result<Vec<Node>, NoExpression> {
        parts.iter().map(|part| self.node(part, depth)).collect()
    }

    fn take(&mut self, alternatives: &[String]) -> Result<(), NoExpression> {
        if alternatives.is_empty() {
            return Err(NoExpression("has a test without an alternative".into()));
        }
        let left = self.alternatives.checked_sub(alternatives.len());
        self.alternatives = left.ok_or_else(|| NoExpression(format!("has over {MAX_ALTERNATIVES} alternatives")))?;
        Ok(())
    }

    fn asked(&mut self, test: &Test) -> Result<Asked, NoExpression> {
        if let Test::Is(list) | Test::Cased(list) | Test::Regex(list) | Test::Network(list) = test {
            self.take(list)?;
        }
        let patterns =
            |list: &[String], case: Case| Asked::Is(case, list.iter().map(|text| Pattern::new(text, case)).collect());
        let like = |like: fn(&str, &str) -> bool, name: &str| Ok(Asked::Like(like, field(name)?));
        Ok(match test {
            Test::Is(list) => patterns(list, Case::Any),
            Test::Cased(list) => patterns(list, Case::AsWritten),
            Test::Regex(list) => Asked::Regex(list.iter().map(|text| regex(text)).collect::<Result<_, _>>()?),
            Test::Network(list) => Asked::Network(list.iter().map(|text| network(text)).collect::<Result<_, _>>()?),
            Test::Below(text) => Asked::Number(f64::lt, number(text)?),
            Test::AtMost(text) => Asked::Number(f64::le, number(text)?),
            Test::Above(text) => Asked::Number(f64::gt, number(text)?),
            Test::AtLeast(text) => Asked::Number(f64::ge, number(text)?),
            Test::Exists(wanted) => Asked::Exists(*wanted),
            Test::Null(wanted) => Asked::Null(*wanted),
            Test::Same(name) => return like(|text, other| text == other, name),
            Test::StartsWith(name) => return like(|text, other| text.starts_with(other), name),
            Test::EndsWith(name) => return like(|text, other| text.ends_with(other), name),
            Test::Contains(name) => return like(|text, other| text.contains(other), name),
        })
    }
}

fn field(name: &str) -> Result<Field, NoExpression> {
    match Field::parse(name) {
        Ok(field) if field.matcher().is_some() => Err(NoExpression(format!("`{name}` asks for another match"))),
        Ok(field) => Ok(field),
        Err(error) => Err(NoExpression(error.to_string())),
    }
}

fn regex(text: &str) -> Result<Regex, NoExpression> {
    let built = RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).dfa_size_limit(MAX_REGEX_BYTES).build();
    built.map_err(|error| {
        let why = error.to_string();
        let why = why.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        NoExpression(format!("`{text}` is not a regular expression: {}", why.trim().trim_start_matches("error: ")))
    })
}

/// A network, or an address alone.
fn network(text: &str) -> Result<IpNet, NoExpression> {
    let alone = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| alone()).map_err(|_| NoExpression(format!("`{text}` is not a network like 192.0.2.0/24")))
}

fn number(text: &str) -> Result<f64, NoExpression> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| NoExpression(format!("`{text}` is not a number")))
}

impl Node {
    fn holds(&self, facts: &impl Facts) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(facts)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(facts)),
            Self::Not(part) => !part.holds(facts),
            Self::Field(field, asked) => asked.holds(field, facts),
            Self::Anywhere(patterns) => facts.any_text(&mut |text| {
                let text = folded(text);
                patterns.iter().any(|pattern| pattern.fits(&text))
            }),
        }
    }

    fn add_fields<'n>(&'n self, fields: &mut Vec<&'n Field>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.add_fields(fields)),
            Self::Not(part) => part.add_fields(fields),
            Self::Field(field, asked) => {
                fields.push(field);
                if let Asked::Like(_, other) = asked {
                    fields.push(other);
                }
            }
            Self::Anywhere(_) => {}
        }
    }
}

impl Asked {
    fn holds(&self, field: &Field, facts: &impl Facts) -> bool {
        let fact = facts.fact(field);
        match self {
            Self::Exists(wanted) => (fact != Fact::Absent) == *wanted,
            Self::Null(wanted) => matches!(fact, Fact::Absent | Fact::Null) == *wanted,
            Self::Like(like, other) => {
                let other = facts.fact(other);
                fact.any(&|text| other.any(&|other| like(&folded(text), &folded(other))))
            }
            Self::Is(Case::Any, patterns) => fact.any(&|text| {
                let text = folded(text);
                patterns.iter().any(|pattern| pattern.fits(&text))
            }),
            Self::Is(Case::AsWritten, patterns) => fact.any(&|text| patterns.iter().any(|pattern| pattern.fits(text))),
            Self::Regex(list) => fact.any(&|text| list.iter().any(|regex| regex.is_match(text))),
            Self::Network(list) => fact.any(&|text| {
                let address = text.trim().parse::<IpAddr>().map(|address| address.to_canonical());
                address.is_ok_and(|address| list.iter().any(|network| network.contains(&address)))
            }),
            Self::Number(compares, with) => {
                fact.any(&|text| text.trim().parse::<f64>().is_ok_and(|number| compares(&number, with)))
            }
        }
    }
}

impl Fact<'_> {
    fn any(&self, is_it: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Absent | Self::Null => false,
            Self::Text(text) => is_it(text),
            Self::List(items) => items.iter().any(|item| item.any(is_it)),
        }
    }
}

#[cfg(test)]
mod tests;
