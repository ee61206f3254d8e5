//! Detection and condition of a rule as one expression.

use crate::action;
use crate::document::{Document, Problem};
use crate::field;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridwatch_manifest::expression::{Expression, Matcher, Test};
use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier, SigmaString, SigmaValue, SpecialChar,
    StringPart,
};

/// What `windash` makes of one value at most.
const MAX_DASHES: usize = 3;
/// What may stand for a dash before an option.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// Reads the detections of a document, and gathers what can't be taken.
pub(crate) struct Reader<'d> {
    pub(crate) document: Document<'d>,
    pub(crate) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Of several conditions, one is enough.
    pub(crate) fn detections(&mut self, detections: &Detections) -> Expression {
        let conditions: Vec<Expression> =
            detections.conditions.iter().map(|condition| self.condition(condition, detections)).collect();
        let expression = one_or(conditions, Expression::Any);
        if self.problems.is_empty()
            && let Err(problem) = Matcher::new(&expression)
        {
            self.problem(&["detection:"], problem.to_string());
        }
        expression
    }

    fn problem(&mut self, needles: &[&str], what: impl Into<String>) {
        let problem = self.document.at(needles, what);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn condition(&mut self, condition: &ConditionExpr, detections: &Detections) -> Expression {
        let mut parts = |parts: &[ConditionExpr]| -> Vec<Expression> {
            parts.iter().map(|part| self.condition(part, detections)).collect()
        };
        match condition {
            ConditionExpr::And(all) => Expression::All(parts(all)),
            ConditionExpr::Or(any) => Expression::Any(parts(any)),
            ConditionExpr::Not(part) => Expression::Not(Box::new(self.condition(part, detections))),
            ConditionExpr::Identifier(name) => match detections.named.get(name) {
                Some(detection) => self.detection(detection),
                None => {
                    self.problem(&["condition:"], format!("the condition names `{name}`, which the detection hasn't"));
                    nothing()
                }
            },
            ConditionExpr::Selector { quantifier, pattern } => {
                let mut names: Vec<&String> =
                    detections.named.keys().filter(|name| pattern.matches_detection_name(name)).collect();
                names.sort();
                if names.is_empty() {
                    self.problem(&["condition:"], format!("`{condition}`: the detection has nothing of that name"));
                }
                let of = names.into_iter().map(|name| self.detection(&detections.named[name])).collect();
                match quantifier {
                    Quantifier::Any | Quantifier::Count(1) => Expression::Any(of),
                    Quantifier::All => Expression::All(of),
                    Quantifier::Count(_) => {
                        self.problem(&["condition:"], format!("`{condition}`: only `1 of` and `all of` are taken"));
                        nothing()
                    }
                }
            }
        }
    }

    fn detection(&mut self, detection: &Detection) -> Expression {
        match detection {
            Detection::AllOf(items) => one_or(items.iter().map(|item| self.item(item)).collect(), Expression::All),
            Detection::AnyOf(parts) => one_or(parts.iter().map(|part| self.detection(part)).collect(), Expression::Any),
            Detection::And(parts) => one_or(parts.iter().map(|part| self.detection(part)).collect(), Expression::All),
            Detection::Keywords(values) => self.keywords(values, false),
            Detection::ArrayMatch { field, .. } => {
                self.problem(&[field], format!("`{field}[…]`: what is asked of the members of a list isn't taken"));
                nothing()
            }
            Detection::Conditional { .. } => {
                self.problem(&["condition:"], "a condition inside of a selection isn't taken");
                nothing()
            }
        }
    }

    /// Words that stand anywhere in the entry.
    fn keywords(&mut self, values: &[SigmaValue], all: bool) -> Expression {
        let mut words = Vec::new();
        for value in values {
            match value {
                SigmaValue::Null => self.problem(&["null"], "null is no keyword"),
                value => words.push(pattern(value)),
            }
        }
        match all {
            true => Expression::All(words.into_iter().map(|word| Expression::Anywhere(vec![word])).collect()),
            false => Expression::Anywhere(words),
        }
    }

    fn item(&mut self, item: &DetectionItem) -> Expression {
        let asked = Asked::of(&item.field.modifiers);
        let Some(name) = &item.field.name else {
            return match item.field.modifiers.iter().all(|modifier| *modifier == Modifier::All) {
                true => self.keywords(&item.values, asked.all),
                false => {
                    self.problem(&["|"], "of keywords, no modifier but `all` is taken");
                    nothing()
                }
            };
        };
        let (with_pipe, with_colon) = (format!("{name}|"), format!("{name}:"));
        let value = item.values.iter().map(ToString::to_string).find(|value| !value.is_empty()).unwrap_or_default();
        let needles: [&str; 4] = match item.field.modifiers.is_empty() {
            true => [&with_colon, name, &value, ""],
            false => [&with_pipe, name, &value, ""],
        };
        let made = field::of(name)
            .and_then(|field| asked.expression(&field, &item.values).map_err(|what| format!("`{name}`: {what}")));
        match made {
            Ok(expression) => {
                self.unknown_actions(&expression, &needles);
                expression
            }
            Err(what) => {
                self.problem(&needles, what);
                nothing()
            }
        }
    }

    /// A rule that waits for an action that Slack doesn't have is silent for ever.
    fn unknown_actions(&mut self, expression: &Expression, needles: &[&str]) {
        match expression {
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().for_each(|part| self.unknown_actions(part, needles));
            }
            Expression::Not(part) => self.unknown_actions(part, needles),
            Expression::Field(field, Test::Is(list) | Test::Cased(list)) if field == "action" => {
                for action in list.iter().filter(|action| !action::is_known(&Test::Is(vec![(*action).clone()]))) {
                    let near = gridwatch_names::suggest::did_you_mean(action, gridwatch_names::catalogue::actions());
                    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    let what = format!("`{action}` fits no action of Slack's catalogue; it would never match{near}");
                    self.problem(&[action, needles[0]], what);
                }
            }
            Expression::Field(..) | Expression::Anywhere(_) => {}
        }
    }
}

/// For what can't be taken, which is a problem of its own.
fn nothing() -> Expression {
    Expression::Any(Vec::new())
}

fn one_or(mut parts: Vec<Expression>, of: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => of(parts),
    }
}

/// What the modifiers of an item ask for.
#[derive(Default)]
struct Asked {
    all: bool,
    cased: bool,
    place: Option<Modifier>,
    /// In the order in which they are applied.
    encodings: Vec<Modifier>,
    windash: bool,
    /// What isn't a comparison of texts.
    other: Vec<Modifier>,
    flags: String,
    clash: bool,
}

impl Asked {
    fn of(modifiers: &[Modifier]) -> Self {
        let mut asked = Self::default();
        for modifier in modifiers {
            match modifier {
                Modifier::All => asked.all = true,
                Modifier::Cased => asked.cased = true,
                Modifier::Contains | Modifier::StartsWith | Modifier::EndsWith => {
                    asked.clash |= asked.place.replace(*modifier).is_some();
                }
                Modifier::Base64 | Modifier::Base64Offset | Modifier::Wide | Modifier::Utf16 | Modifier::Utf16be => {
                    asked.encodings.push(*modifier);
                }
                Modifier::WindAsh => asked.windash = true,
                Modifier::IgnoreCase => asked.flags.push('i'),
                Modifier::Multiline => asked.flags.push('m'),
                Modifier::DotAll => asked.flags.push('s'),
                other => asked.other.push(*other),
            }
        }
        asked
    }

    fn compares_texts(&self) -> bool {
        self.cased || self.place.is_some() || !self.encodings.is_empty() || self.windash
    }

    fn expression(&self, field: &str, values: &[SigmaValue]) -> Result<Expression, String> {
        if values.is_empty() {
            return Err("has no value".into());
        }
        if self.clash || self.other.len() > 1 {
            return Err("these modifiers don't go together".into());
        }
        if !self.flags.is_empty() && self.other != [Modifier::Re] {
            return Err("`i`, `m` and `s` go with `re`".into());
        }
        let asks = |test: Test| Expression::Field(field.to_owned(), test);
        let Some(other) = self.other.first() else { return self.texts(&asks, values) };
        if self.compares_texts() && *other != Modifier::FieldRef && *other != Modifier::Neq {
            return Err("these modifiers don't go together".into());
        }
        match other {
            Modifier::Re => self.each(values, |value| match value {
                SigmaValue::String(text) if self.flags.is_empty() => Ok(asks(Test::Regex(vec![text.original.clone()]))),
                SigmaValue::String(text) => Ok(asks(Test::Regex(vec![format!("(?{}){}", self.flags, text.original)]))),
                other => Err(format!("`{other}` is no regular expression")),
            }),
            Modifier::Cidr => self.each(values, |value| match value {
                SigmaValue::String(text) => Ok(asks(Test::Network(vec![text.original.clone()]))),
                other => Err(format!("`{other}` is no network")),
            }),
            Modifier::Exists => match values {
                [SigmaValue::Bool(wanted)] => Ok(asks(Test::Exists(*wanted))),
                _ => Err("`exists` asks for true or false".into()),
            },
            Modifier::Lt => self.each(values, |value| Ok(asks(Test::Below(number(value)?)))),
            Modifier::Lte => self.each(values, |value| Ok(asks(Test::AtMost(number(value)?)))),
            Modifier::Gt => self.each(values, |value| Ok(asks(Test::Above(number(value)?)))),
            Modifier::Gte => self.each(values, |value| Ok(asks(Test::AtLeast(number(value)?)))),
            Modifier::Neq => Ok(Expression::Not(Box::new(self.texts(&asks, values)?))),
            Modifier::FieldRef => self.references(&asks, values),
            Modifier::Expand => Err("`expand` isn't taken: gridwatch fills in no placeholders".into()),
            _ => {
                Err("parts of times aren't taken; `time.hour_of_week` and `time.date` are fields of gridwatch's".into())
            }
        }
    }

    fn each(
        &self,
        values: &[SigmaValue],
        asked: impl Fn(&SigmaValue) -> Result<Expression, String>,
    ) -> Result<Expression, String> {
        let parts = values.iter().map(asked).collect::<Result<Vec<_>, _>>()?;
        Ok(one_or(parts, if self.all { Expression::All } else { Expression::Any }))
    }

    fn references(&self, asks: &dyn Fn(Test) -> Expression, values: &[SigmaValue]) -> Result<Expression, String> {
        if self.cased || !self.encodings.is_empty() || self.windash {
            return Err("with `fieldref`, only `contains`, `startswith` and `endswith` are taken".into());
        }
        self.each(values, |value| {
            let other = field::of(&value.to_string())?;
            Ok(asks(match self.place {
                None => Test::Same(other),
                Some(Modifier::StartsWith) => Test::StartsWith(other),
                Some(Modifier::EndsWith) => Test::EndsWith(other),
                Some(_) => Test::Contains(other),
            }))
        })
    }

    fn texts(&self, asks: &dyn Fn(Test) -> Expression, values: &[SigmaValue]) -> Result<Expression, String> {
        let is = |patterns: Vec<String>| asks(if self.cased { Test::Cased(patterns) } else { Test::Is(patterns) });
        let (mut any, mut parts) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                SigmaValue::Null if self.compares_texts() => return Err("null goes with no modifier".into()),
                SigmaValue::Null => parts.push(asks(Test::Null(true))),
                value if self.all => parts.push(is(self.patterns(value)?)),
                value => any.extend(self.patterns(value)?),
            }
        }
        if !any.is_empty() {
            parts.push(is(any));
        }
        Ok(one_or(parts, if self.all { Expression::All } else { Expression::Any }))
    }

    /// All that a value may be written as, any of which is enough.
    fn patterns(&self, value: &SigmaValue) -> Result<Vec<String>, String> {
        let mut texts = vec![pattern(value)];
        if self.windash {
            texts = dashes(&texts[0])?;
        }
        if !self.encodings.is_empty() {
            texts = self.encoded(&plain(value)?)?;
        }
        let placed = |text: String| match self.place {
            Some(Modifier::Contains) => format!("*{text}*"),
            Some(Modifier::StartsWith) => format!("{text}*"),
            Some(Modifier::EndsWith) => format!("*{text}"),
            _ => text,
        };
        Ok(texts.into_iter().map(placed).collect())
    }

    fn encoded(&self, text: &str) -> Result<Vec<String>, String> {
        let (last, before) = self.encodings.split_last().ok_or("has no encoding")?;
        let bytes: Vec<u8> = match before {
            [] => text.as_bytes().to_vec(),
            [Modifier::Wide] => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            [Modifier::Utf16be] => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            [Modifier::Utf16] => {
                [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
            }
            _ => return Err("these modifiers don't go together".into()),
        };
        match last {
            Modifier::Base64 => Ok(vec![STANDARD.encode(bytes)]),
            Modifier::Base64Offset => Ok((0..3).map(|offset| at_offset(&bytes, offset)).collect()),
            _ => Err("what is written in UTF-16 is no text; it goes with `base64` or `base64offset`".into()),
        }
    }
}

/// The characters of the encoding that depend on the bytes alone, when they stand behind so many others.
fn at_offset(bytes: &[u8], offset: usize) -> String {
    let padded: Vec<u8> = std::iter::repeat_n(b' ', offset).chain(bytes.iter().copied()).collect();
    let encoded = STANDARD.encode(&padded);
    let start = [0, 2, 3][offset];
    let end = encoded.len() - [0, 3, 2][padded.len() % 3];
    encoded.get(start..end).unwrap_or_default().to_owned()
}

/// The value as a pattern, in which `*`, `?` and `\` stand for themselves where they are escaped.
fn pattern(value: &SigmaValue) -> String {
    match value {
        SigmaValue::String(text) => written(text),
        SigmaValue::Null => String::new(),
        other => other.to_string(),
    }
}

fn written(text: &SigmaString) -> String {
    let part = |part: &StringPart| match part {
        StringPart::Plain(plain) => escaped(plain),
        StringPart::Special(SpecialChar::WildcardMulti) => "*".to_owned(),
        StringPart::Special(SpecialChar::WildcardSingle) => "?".to_owned(),
    };
    text.parts.iter().map(part).collect()
}

fn escaped(plain: &str) -> String {
    plain.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '*' | '?' | '\\') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

fn plain(value: &SigmaValue) -> Result<String, String> {
    match value {
        SigmaValue::String(text) => {
            text.as_plain().ok_or_else(|| format!("`{text}` has wildcards, which can't be encoded"))
        }
        other => Err(format!("`{other}` is no text, which can't be encoded")),
    }
}

fn number(value: &SigmaValue) -> Result<String, String> {
    let text = value.to_string();
    text.parse::<f64>().map(|_| text).map_err(|_| format!("`{value}` is not a number"))
}

/// Each way to write the dashes that stand before options.
fn dashes(text: &str) -> Result<Vec<String>, String> {
    let chars: Vec<char> = text.chars().collect();
    let is_word = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let is_dash = |at: &usize| matches!(chars[*at], '-' | '/') && !is_word(at.checked_sub(1)) && is_word(Some(at + 1));
    let places: Vec<usize> = (0..chars.len()).filter(is_dash).collect();
    if places.len() > MAX_DASHES {
        return Err(format!("`{text}` has over {MAX_DASHES} dashes for `windash`"));
    }
    let mut all = vec![chars.clone()];
    for place in places {
        let with = |text: &Vec<char>| {
            let with =
                |dash: char| text.iter().enumerate().map(|(at, c)| if at == place { dash } else { *c }).collect();
            DASHES.map(with)
        };
        all = all.iter().flat_map(with).collect();
    }
    Ok(all.into_iter().map(String::from_iter).collect())
}
