//! JSON as it may come: read so that no single value costs the rest, and compared by what it says.
//!
//! [`read`] takes any text. What strict JSON refuses (half of a surrogate pair, a raw control character, a number with a
//! leading zero, brackets without end) is mended in the one place where it stands, and said as a [`Mark`]; all else is read as it
//! is. The bytes themselves are kept elsewhere: this is for reading only.
//!
//! Decisions, for reading and comparing alike:
//! - **A key that stands twice in an object counts by its last value.** RFC 8259 leaves it open; the last one is what serde_json,
//!   Python, JavaScript, jq and most SIEMs take, so rules and the people who look something up see the same.
//! - **Numbers are compared by value**: `1`, `1.0` and `10e-1` are one. A writer that changes between them means the same, and
//!   Slack has no field in which they differ. A number and a text of the same digits are two.
//! - **A key whose value is null says nothing**, so it may as well be missing; in a list, null keeps its place.
//! - Order counts in lists, never in objects.

use crate::entry::{Mark, Marks};
use crate::part::Part;
use crate::spans::{each_is, has_control, plain_bytes};
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Brackets inside one another that are read as such; what is deeper becomes a text. Whoever reads what we write has a limit,
/// too (serde_json has 128), views put things a few levels deeper, and no thread's stack may depend on what Slack sends.
pub const MAX_DEPTH: usize = 96;

/// Reads a value, whatever it takes; the marks say what had to be mended.
pub fn read(text: &str) -> (Value, Marks) {
    match strict(text) {
        Some(value) => (value, Marks::new()),
        None => Parser::of(text, Halves::Replace).whole(),
    }
}

fn strict(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|value| depth(value) <= MAX_DEPTH)
}

/// No deeper than serde_json reads.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// What a text says, to be compared with what others say. Where [`read`] would make two different halves of a surrogate pair the same,
/// they stay apart.
#[derive(Debug)]
pub struct Said {
    pub value: Value,
    /// First 16 bytes of SHA-256 over the value in its one form: two texts have the same exactly if they say the same. Of what
    /// can't be read for sure it is of the bytes.
    pub meaning: [u8; 16],
}

impl Said {
    pub fn of(text: &str) -> Self {
        let (value, marks) = match strict(text) {
            Some(value) => (value, Marks::new()),
            None => Parser::of(text, Halves::Keep).whole(),
        };
        if marks.contains(&Mark::Unreadable) {
            return Self { value, meaning: hash(text.as_bytes()) };
        }
        let mut canonical = String::with_capacity(text.len());
        write_canonical(&value, &mut canonical);
        Self { value, meaning: hash(canonical.as_bytes()) }
    }
}

/// First 16 bytes of SHA-256.
pub fn hash(bytes: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&Sha256::digest(bytes)[..16]);
    out
}

/// Keys in order, nothing that is null, numbers in their one form. No deeper than a value that was read.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut said: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            said.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in said {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => out.push_str(&plain_number(number.as_str())),
        other => out.push_str(&other.to_string()),
    }
}

/// The same of a value where it stands. Of the whole, its hash is [`Said::meaning`].
pub(crate) fn write_meaning(part: Part<'_>, out: &mut String) {
    if part.is_object() {
        out.push('{');
        part.sorted_members(|key, value| {
            if !value.is_null() {
                out.put_text(key);
                out.push(':');
                write_meaning(value, out);
                out.push(',');
            }
        });
        out.push('}');
    } else if part.is_list() {
        out.push('[');
        for item in part.items() {
            write_meaning(item, out);
            out.push(',');
        }
        out.push(']');
    } else if let Some(number) = part.as_number() {
        out.push_str(&plain_number(number));
    } else {
        part.write_json(out);
    }
}

/// A number as digits without zeros at either end, and a power of ten: `1.50e3` → `15e2`. Of any length.
fn plain_number(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return "0".into(); // -0 as well
    }
    let kept = significant.trim_end_matches('0');
    let zeros = (significant.len() - kept.len()) as i128;
    match exponent.parse::<i64>() {
        Ok(exponent) => format!("{sign}{kept}e{}", i128::from(exponent) - fraction.len() as i128 + zeros),
        // An exponent beyond all measure is compared as it is written.
        Err(_) => format!("{sign}{whole}.{fraction}e{exponent}"),
    }
}

/// The members of an object and their values, as they are written, in order; `None` if the text is none, or isn't closed.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    members_inside(text.trim().strip_prefix('{')?.strip_suffix('}')?)
}

/// The same of what stands between an object's brackets.
pub fn members_inside(text: &str) -> Option<Vec<(String, &str)>> {
    let mut parser = Parser::of(text, Halves::Replace);
    let mut members = Vec::new();
    loop {
        parser.skip_space();
        match parser.peek() {
            None => return Some(members),
            Some(b',') => parser.at += 1,
            Some(b'"') => {
                let key = parser.string();
                parser.skip_space();
                parser.take(b':').then_some(())?;
                members.push((key, parser.span()?));
            }
            Some(_) => return None,
        }
    }
}

/// The elements of a list as they are written; `None` if the text is no list, or isn't closed. One that is no JSON costs itself
/// alone wherever its quotes and brackets come in pairs.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut parser = Parser::of(text.trim().strip_prefix('[')?.strip_suffix(']')?, Halves::Replace);
    let mut elements = Vec::new();
    loop {
        parser.skip_space();
        match parser.peek() {
            None => return Some(elements),
            Some(b',') => parser.at += 1,
            Some(b']' | b'}') => return None,
            Some(_) => elements.push(parser.span()?),
        }
    }
}

/// Where JSON is written.
pub trait Out {
    fn put(&mut self, json: &str);

    /// A text in quotes, with those escapes alone that JSON asks for.
    fn put_text(&mut self, text: &str) {
        self.put("\"");
        self.put_escaped(text);
        self.put("\"");
    }

    /// The same without the quotes.
    fn put_escaped(&mut self, text: &str);
}

impl Out for String {
    fn put(&mut self, json: &str) {
        self.push_str(json);
    }

    fn put_escaped(&mut self, text: &str) {
        let mut rest = text;
        loop {
            let plain = plain_bytes(rest.as_bytes());
            self.push_str(&rest[..plain]);
            let Some(byte) = rest.as_bytes().get(plain) else { return };
            let (escape, length) = escape_of(*byte);
            escape[..length].iter().for_each(|byte| self.push(char::from(*byte)));
            rest = &rest[plain + 1..];
        }
    }
}

impl Out for Vec<u8> {
    #[inline]
    fn put(&mut self, json: &str) {
        self.extend_from_slice(json.as_bytes());
    }

    #[inline]
    fn put_escaped(&mut self, text: &str) {
        let plain = plain_bytes(text.as_bytes());
        let (plain, rest) = text.as_bytes().split_at(plain);
        self.extend_from_slice(plain);
        if !rest.is_empty() {
            escape_into(rest, self);
        }
    }
}

/// What stands for a byte that can't stand for itself in a text: so many bytes of it.
fn escape_of(byte: u8) -> ([u8; 6], usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = |letter| ([b'\\', letter, 0, 0, 0, 0], 2);
    match byte {
        b'"' | b'\\' => short(byte),
        0x8 => short(b'b'),
        0xc => short(b'f'),
        b'\n' => short(b'n'),
        b'\r' => short(b'r'),
        b'\t' => short(b't'),
        other => {
            let digit = |four: u8| DIGITS[usize::from(four & 0xf)];
            ([b'\\', b'u', b'0', b'0', digit(other >> 4), digit(other)], 6)
        }
    }
}

/// Escapes what is full of quotes, as a copy of JSON is: eight bytes at a time, whatever is in them.
fn escape_into(text: &[u8], out: &mut Vec<u8>) {
    /// Bytes that room is made for at once.
    const WINDOW: usize = 1_024;
    let mut rest = text;
    while !rest.is_empty() {
        let window = &rest[..rest.len().min(WINDOW)];
        let from = out.len();
        // Twice as long if each byte is escaped; what is stored at once is eight bytes.
        out.resize(from + 2 * window.len() + 8, 0);
        let (taken, written) = escape_words(window, &mut out[from..]);
        out.truncate(from + written);
        // Up to eight bytes of which one is a control character, or that are the last ones.
        let few = window.len().min(taken + 8);
        for byte in &window[taken..few] {
            match byte {
                b'"' | b'\\' | 0..0x20 => {
                    let (escape, length) = escape_of(*byte);
                    out.extend_from_slice(&escape[..length]);
                }
                plain => out.push(*plain),
            }
        }
        rest = &rest[few..];
    }
}

/// As many times eight bytes as have no control character in them: how many bytes those are, and how many are written for them.
fn escape_words(text: &[u8], out: &mut [u8]) -> (usize, usize) {
    let (mut taken, mut at) = (0, 0);
    for eight in text.as_chunks::<8>().0 {
        let mut word = u64::from_le_bytes(*eight);
        if has_control(word) {
            break;
        }
        let (mut marks, mut left) = (each_is(word, b'"') | each_is(word, b'\\'), 8);
        loop {
            out[at..at + 8].copy_from_slice(&word.to_le_bytes());
            if marks == 0 {
                break;
            }
            let before = marks.trailing_zeros() as usize / 8;
            out[at + before] = b'\\';
            at += before + 1;
            left -= before;
            word >>= 8 * before;
            marks = (marks >> (8 * before)) & !0xff;
        }
        at += left;
        taken += 8;
    }
    (taken, at)
}

/// The text with what JSON forbids inside of strings escaped, so that it stays on one line and others can read it. Means the same.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let is_one =
        !words.iter().any(|word| has_control(u64::from_le_bytes(*word))) && !rest.iter().any(|byte| *byte < b' ');
    if is_one {
        return Cow::Borrowed(text);
    }
    let forbidden = |c: char| c < ' ';
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(text.len() + 16), false, false);
    for c in text.chars() {
        match c {
            c if forbidden(c) && in_string => {
                if escaped {
                    out.push('\\'); // a backslash before it escapes nothing
                }
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
        (in_string, escaped) = match (in_string, c) {
            (true, _) if escaped => (true, false),
            (true, '\\') => (true, true),
            (inside, '"') => (!inside, false),
            (inside, _) => (inside, false),
        };
    }
    // A text that was no JSON in another way stays what it is, but for its line ends.
    let is_json = serde_json::from_str::<IgnoredAny>(&out).is_ok();
    Cow::Owned(if is_json { out } else { text.replace(['\n', '\r'], " ") })
}

/// A text that holds JSON which strict readers refuse for one value in it, so that they don't; any other as it is.
pub fn mended(text: &str) -> Cow<'_, str> {
    let is_json = matches!(text.trim_start().as_bytes().first(), Some(b'[' | b'{'));
    if !is_json || strict(text).is_some() {
        return Cow::Borrowed(text);
    }
    match Parser::of(text, Halves::Replace).whole() {
        (_, marks) if marks.contains(&Mark::Unreadable) => Cow::Borrowed(text),
        (value, _) => Cow::Owned(value.to_string()),
    }
}

/// How many texts are in a value: itself, or those in its lists and objects, also in a list that is written into a text. What is
/// empty or null is none.
pub fn count_texts(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::String(text) => match text.trim_start().as_bytes().first() {
            None => 0,
            Some(b'[' | b'{') => match read(text) {
                (inner, marks) if !marks.contains(&Mark::Unreadable) => count_inside(&inner),
                _ => 1,
            },
            Some(_) => 1,
        },
        other => count_inside(other),
    }
}

fn count_inside(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::String(text) => u64::from(!text.is_empty()),
        Value::Array(items) => items.iter().map(count_inside).sum(),
        Value::Object(fields) => fields.values().map(count_inside).sum(),
        _ => 1,
    }
}

/// The first part of a text, of at most `max` bytes. Of JSON's lists and objects the part is one, too: as many whole elements as
/// fit, and its brackets closed, so that whoever reads it finds the first ones instead of nothing.
pub fn first_part(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let is_json = matches!(text.trim_start().as_bytes().first(), Some(b'[' | b'{'));
    match is_json.then(|| first_elements(text, max)).flatten() {
        Some(part) => Cow::Owned(part),
        None => Cow::Borrowed(clip(text, max)),
    }
}

/// At most `max` bytes, whole characters.
pub fn clip(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn first_elements(text: &str, max: usize) -> Option<String> {
    let mut scan = Scan::default();
    for (at, byte) in text.bytes().enumerate() {
        if at + scan.open.len() + 2 > max {
            break;
        }
        scan.take(text, at, byte);
    }
    let in_value = scan.in_value;
    let (part, quote, open) = match scan.element.filter(|(end, _)| *end > max / 2 || !in_value) {
        Some((end, open)) => (&text[..end], "", open),
        // An element that takes more than half of the room is cut itself.
        None if in_value => (clip(text, scan.character), "\"", scan.open),
        None => return None,
    };
    let brackets: String = open.iter().rev().map(|bracket| char::from(*bracket)).collect();
    Some(format!("{part}{quote}{brackets}"))
}

/// Where a JSON text may be cut, as far as it has been looked through.
#[derive(Default)]
struct Scan {
    /// What closes the brackets that are open.
    open: Vec<u8>,
    /// End of the last whole element, and what was open there.
    element: Option<(usize, Vec<u8>)>,
    /// End of the last whole character or escape.
    character: usize,
    in_string: bool,
    /// In a string that is no key.
    in_value: bool,
    after_colon: bool,
    escaped: bool,
    /// End of the `\uXXXX`, or pair of them, at hand.
    escape_end: usize,
}

impl Scan {
    fn take(&mut self, text: &str, at: usize, byte: u8) {
        match (self.in_string, byte) {
            (true, _) if self.escaped => {
                self.escaped = false;
                // The second of a pair belongs to the first.
                if byte == b'u' && at >= self.escape_end {
                    let high = matches!(
                        text.as_bytes().get(at + 1..at + 3),
                        Some([b'd' | b'D', b'8' | b'9' | b'a'..=b'b' | b'A'..=b'B'])
                    );
                    let pair = high && text.get(at + 5..at + 7) == Some("\\u");
                    self.escape_end = at + if pair { 11 } else { 5 };
                }
            }
            (true, b'\\') => self.escaped = true,
            (true, b'"') => (self.in_string, self.in_value) = (false, false),
            (true, _) => {}
            (false, b'"') => {
                self.in_string = true;
                self.in_value = self.after_colon || self.open.last() == Some(&b']');
            }
            (false, b'[') => self.open.push(b']'),
            (false, b'{') => self.open.push(b'}'),
            (false, b']' | b'}') => {
                self.open.pop();
            }
            (false, b',') => self.element = Some((at, self.open.clone())),
            (false, _) => {}
        }
        self.after_colon = !self.in_string && (byte == b':' || self.after_colon && byte <= b' ');
        if !self.escaped && at + 1 >= self.escape_end {
            self.character = at + 1;
        }
    }
}

/// What becomes of half of a surrogate pair: U+FFFD in what is read; in what is compared, it keeps its number, so that two
/// different halves stay different.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halves {
    Replace,
    Keep,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    halves: Halves,
    marks: Marks,
}

impl<'t> Parser<'t> {
    fn of(text: &'t str, halves: Halves) -> Self {
        Self { text: text.trim_start_matches('\u{feff}'), at: 0, halves, marks: Marks::new() }
    }

    fn whole(mut self) -> (Value, Marks) {
        self.skip_space();
        let value = self.value(0);
        self.skip_space();
        if self.at < self.text.len() {
            self.marks.insert(Mark::Unreadable);
        }
        (value, self.marks)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Control characters too: between tokens they can only be space.
    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte <= b' ') {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => {
                self.marks.insert(Mark::TooDeep);
                let from = self.at;
                match self.span() {
                    Some(deep) => deep.into(),
                    None => {
                        self.marks.insert(Mark::Unreadable);
                        self.at = self.text.len();
                        self.text[from..].into()
                    }
                }
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().into(),
            Some(b',' | b']' | b'}') | None => {
                self.marks.insert(Mark::Unreadable);
                Value::Null
            }
            Some(_) => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let mut fields = Map::new();
        self.at += 1;
        let mut separated = true;
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return fields.into();
                }
                Some(b',') if !separated => {
                    separated = true;
                    self.at += 1;
                }
                Some(b'"') => {
                    if !separated {
                        self.marks.insert(Mark::Unreadable);
                    }
                    let key = self.string();
                    self.skip_space();
                    let value = if self.take(b':') {
                        self.skip_space();
                        self.value(depth + 1)
                    } else {
                        self.marks.insert(Mark::Unreadable);
                        Value::Null
                    };
                    fields.insert(key, value);
                    separated = false;
                }
                // Not what a member begins with: passed over.
                Some(_) => {
                    self.marks.insert(Mark::Unreadable);
                    self.pass();
                }
                None => {
                    self.marks.insert(Mark::Unreadable);
                    return fields.into();
                }
            }
        }
    }

    fn array(&mut self, depth: usize) -> Value {
        let mut items = Vec::new();
        self.at += 1;
        let mut separated = true;
        loop {
            self.skip_space();
            match self.peek() {
                Some(b']') => {
                    self.at += 1;
                    return items.into();
                }
                Some(b',') if !separated => {
                    separated = true;
                    self.at += 1;
                }
                Some(b',' | b':' | b'}') => {
                    self.marks.insert(Mark::Unreadable);
                    self.pass();
                }
                Some(_) => {
                    if !separated {
                        self.marks.insert(Mark::Unreadable);
                    }
                    items.push(self.value(depth + 1));
                    separated = false;
                }
                None => {
                    self.marks.insert(Mark::Unreadable);
                    return items.into();
                }
            }
        }
    }

    fn pass(&mut self) {
        self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
    }

    /// What isn't in quotes: a number, a word, or what was meant as one.
    fn word(&mut self) -> Value {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| c <= ' ' || matches!(c, ',' | ']' | '}' | '[' | '{' | '"' | ':'));
        let word = &rest[..length.unwrap_or(rest.len())];
        if word.is_empty() {
            self.marks.insert(Mark::Unreadable);
            self.pass();
            return Value::Null;
        }
        self.at += word.len();
        match word {
            "null" => Value::Null,
            "true" => true.into(),
            "false" => false.into(),
            _ => match word.parse::<Number>() {
                Ok(number) => Value::Number(number),
                Err(_) => {
                    let number_like = word.bytes().all(|b| b.is_ascii_digit() || b"+-.eExXabcdefABCDEF".contains(&b))
                        || matches!(word.trim_start_matches(['+', '-']), "NaN" | "nan" | "Infinity" | "inf");
                    self.marks.insert(if number_like { Mark::OddNumber } else { Mark::Unreadable });
                    word.into()
                }
            },
        }
    }

    fn string(&mut self) -> String {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c < ' ' || c == '"' || c == '\\').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return out;
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out);
                }
                Some(control) => {
                    self.marks.insert(Mark::OddText);
                    out.push(char::from(control));
                    self.at += 1;
                }
                None => {
                    self.marks.insert(Mark::Unreadable);
                    return out;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut String) {
        let Some(byte) = self.peek() else { return };
        let known = match byte {
            b'"' | b'\\' | b'/' => Some(char::from(byte)),
            b'b' => Some('\u{8}'),
            b'f' => Some('\u{c}'),
            b'n' => Some('\n'),
            b'r' => Some('\r'),
            b't' => Some('\t'),
            b'u' => {
                self.at += 1;
                return self.unicode(out);
            }
            _ => None,
        };
        match known {
            Some(c) => {
                out.push(c);
                self.at += 1;
            }
            // No escape at all: the backslash stands for itself.
            None => {
                self.marks.insert(Mark::OddText);
                out.push('\\');
            }
        }
    }

    /// After `\u`.
    fn unicode(&mut self, out: &mut String) {
        let Some(unit) = self.hex(self.at) else {
            self.marks.insert(Mark::OddText);
            out.push_str("\\u");
            return;
        };
        self.at += 4;
        let second = (self.text[self.at..].starts_with("\\u")).then(|| self.hex(self.at + 2)).flatten();
        let c = match (unit, second) {
            (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                self.at += 6;
                char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
            }
            _ => char::from_u32(unit),
        };
        match c {
            Some(c) => out.push(c),
            None => {
                self.marks.insert(Mark::OddText);
                out.push(char::REPLACEMENT_CHARACTER);
                if self.halves == Halves::Keep {
                    out.push_str(&format!("{unit:04x}"));
                }
            }
        }
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// A value as it is written, found by its quotes and brackets alone and without recursion; `None` if it doesn't end.
    fn span(&mut self) -> Option<&'t str> {
        self.skip_space();
        let (from, mut depth) = (self.at, 0_usize);
        loop {
            let Some(byte) = self.peek() else {
                return (depth == 0).then(|| self.text[from..self.at].trim_end());
            };
            match byte {
                b'"' => self.skip_string()?,
                b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                b']' | b'}' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return Some(&self.text[from..self.at]);
                    }
                }
                b',' | b']' | b'}' if depth == 0 => return Some(self.text[from..self.at].trim_end()),
                _ => self.at += 1,
            }
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meaning(text: &str) -> [u8; 16] {
        Said::of(text).meaning
    }

    fn marks(text: &str) -> Vec<Mark> {
        read(text).1.into_iter().collect()
    }

    #[test]
    fn one_value_costs_itself_and_nothing_else() {
        let long = "9".repeat(400);
        for (odd, read_as, mark) in [
            (r#""Mallory \ud83d""#, json!("Mallory \u{fffd}"), Some(Mark::OddText)),
            (r#""\udc00\ud83d\ude00 \ud83dx""#, json!("\u{fffd}\u{1f600} \u{fffd}x"), Some(Mark::OddText)),
            (r#""\ud83d\u0041""#, json!("\u{fffd}A"), Some(Mark::OddText)),
            ("\"a\u{1}b\nc\0\"", json!("a\u{1}b\nc\0"), Some(Mark::OddText)),
            (r#""\x \u12""#, json!("\\x \\u12"), Some(Mark::OddText)),
            ("007", json!("007"), Some(Mark::OddNumber)),
            ("NaN", json!("NaN"), Some(Mark::OddNumber)),
            ("1e999", serde_json::from_str("1e999").unwrap(), None),
            ("-0", serde_json::from_str("-0").unwrap(), None),
            (&long, serde_json::from_str(&long).unwrap(), None),
            ("oops", json!("oops"), Some(Mark::Unreadable)),
        ] {
            let text = format!(r#"{{"before":1,"odd":{odd},"after":{{"x":[true,null]}}}}"#);
            let (value, marks) = read(&text);
            assert_eq!(value["odd"], read_as, "{text}");
            assert_eq!((&value["before"], &value["after"]), (&json!(1), &json!({"x": [true, null]})), "{text}");
            assert_eq!(marks.into_iter().next(), mark, "{text}");
        }
    }

    #[test]
    fn an_odd_key_keeps_its_value_and_the_last_of_two_counts() {
        let (value, _) = read(r#"{"k\ud83d":7,"a":1,"a":2}"#);
        assert_eq!(value, json!({"k\u{fffd}": 7, "a": 2}));
        assert_eq!(read(r#"{"a":1,"a":2}"#).0, json!({"a": 2}));
    }

    #[test]
    fn any_depth_is_read_without_a_deep_stack() {
        for depth in [MAX_DEPTH - 1, MAX_DEPTH, 127, 128, 500, 1_000_000] {
            let text = format!(r#"{{"id":"d","x":{}1{},"z":2}}"#, "[".repeat(depth), "]".repeat(depth));
            let (value, marks) = read(&text);
            assert_eq!((&value["id"], &value["z"]), (&json!("d"), &json!(2)), "{depth}");
            assert_eq!(marks.contains(&Mark::TooDeep), depth + 1 > MAX_DEPTH, "{depth}");
            assert!(serde_json::from_str::<Value>(&json!({"a": {"b": value}}).to_string()).is_ok(), "{depth}");
        }
        assert_eq!(marks(&"[".repeat(1_000_000)), [Mark::TooDeep, Mark::Unreadable]);
    }

    #[test]
    fn what_is_broken_gives_what_is_left_of_it() {
        for (text, want) in [
            (r#"{"a":1,"b":"never ends"#, json!({"a": 1, "b": "never ends"})),
            (r#"{"a":1 "b":2}"#, json!({"a": 1, "b": 2})),
            (r#"{"a":1,,"b":2,}"#, json!({"a": 1, "b": 2})),
            (r#"{"a":[1,"#, json!({"a": [1]})),
            (r#"{"a" "b":2}"#, json!({"a": null, "b": 2})),
            (r#"{a:1,"b":2}"#, json!({"b": 2})),
            ("", json!(null)),
        ] {
            let (value, marks) = read(text);
            assert_eq!(value, want, "{text}");
            // A comma at the end is the only one that can't cost anything.
            assert!(marks.contains(&Mark::Unreadable), "{text}");
        }
    }

    #[test]
    fn what_says_the_same_has_the_same_meaning() {
        let base = r#"{"id":"a","n":1,"x":{"k":"é","u":"https://x","l":[1,2]}}"#;
        for same in [
            r#"{"x":{"l":[1,2],"u":"https://x","k":"é"},"n":1,"id":"a"}"#,
            r#" { "id" : "a",  "n":1,"x":{"k":"\u00e9","u":"https:\/\/x","l":[ 1,2 ]}}"#,
            r#"{"id":"a","n":1.0,"x":{"k":"é","u":"https://x","l":[10e-1,2],"nothing":null},"no":null}"#,
            r#"{"id":"b","id":"a","n":1,"x":{"k":"é","u":"https://x","l":[1,2]}}"#,
        ] {
            assert_eq!(meaning(base), meaning(same), "{same}");
        }
        for other in [
            r#"{"id":"a","n":"1","x":{"k":"é","u":"https://x","l":[1,2]}}"#,
            r#"{"id":"a","n":1,"x":{"k":"e","u":"https://x","l":[1,2]}}"#,
            r#"{"id":"a","n":1,"x":{"k":"é","u":"https://x","l":[2,1]}}"#,
            r#"{"id":"a","n":1,"x":{"k":"é","u":"https://x","l":[1,2,null]}}"#,
            r#"{"id":"a","n":1,"x":{"k":"é","u":"https://x","l":[1,2]},"more":""}"#,
        ] {
            assert_ne!(meaning(base), meaning(other), "{other}");
        }
        assert_eq!(meaning(r#"{"a":"\ud83d","b":1}"#), meaning(r#"{"b":1,"a":"\uD83D"}"#));
        assert_ne!(meaning(r#"{"a":"\ud83d"}"#), meaning(r#"{"a":"\ud83e"}"#));
        assert_ne!(meaning(r#"{"a":"\ud83d"}"#), meaning("{\"a\":\"\u{fffd}\"}"));
        assert_ne!(meaning(r#"{"a":1"#), meaning(r#"{"a":1,"#), "what can't be read for sure is its bytes");
    }

    #[test]
    fn numbers_are_compared_by_value_at_any_length() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("1e2", "1E+2"),
            ("0", "-0"),
            ("0.5", "5e-1"),
            ("0", "0e9"),
            ("-15e2", "-1500.00"),
        ] {
            assert_eq!(plain_number(one), plain_number(other), "{one} {other}");
        }
        let long = "9".repeat(400);
        assert_ne!(plain_number(&long), plain_number(&format!("{long}8")));
        assert_ne!(plain_number("1e999"), plain_number("1e998"));
        assert_ne!(plain_number("1"), plain_number("-1"));
    }

    #[test]
    fn a_list_too_long_is_given_by_its_first_part_and_stays_one() {
        let list = |n: usize| json!((0..n).map(|i| format!("U{i:08}")).collect::<Vec<_>>()).to_string();
        for (text, least) in [
            (list(100), 50),
            (format!(r#"{{"users":{},"more":"x"}}"#, list(100)), 50),
            (format!(r#"[["a","b"],{}]"#, list(100)), 50),
        ] {
            let part = first_part(&text, 800);
            assert!(part.len() <= 800 && part.len() > 400, "{part}");
            let value: Value = serde_json::from_str(&part).unwrap_or_else(|e| panic!("{e}: {part}"));
            assert!(count_texts(&value) >= least, "{part}");
        }
        for text in [
            format!(r#"["{}","b"]"#, "\\ud83d\\ude00".repeat(200)),
            format!(r#"{{"a":"{}"}}"#, "é\\n".repeat(400)),
            format!(r#"{{"a": "{}"}}"#, "\\\\".repeat(400)),
        ] {
            for max in 100..130 {
                let part = first_part(&text, max);
                let value: Value = serde_json::from_str(&part).unwrap_or_else(|e| panic!("{e}: {part}"));
                assert!(part.len() <= max && count_texts(&value) == 1, "{part}");
            }
        }
        assert_eq!(first_part("plain text", 5), "plain");
        assert_eq!(first_part(&list(3), 800), list(3));
    }

    #[test]
    fn a_list_in_a_text_is_mended_and_no_other_text_is_touched() {
        assert_eq!(mended(r#"["U1","\ud83d"]"#), "[\"U1\",\"\u{fffd}\"]");
        for text in ["", "plain", r#"["a", "b"]"#, "[broken", "{x}", "[deleted] by"] {
            assert_eq!(mended(text), text);
        }
    }

    #[test]
    fn texts_are_counted_in_every_shape() {
        for (value, count) in [
            (json!(null), 0),
            (json!(""), 0),
            (json!("a"), 1),
            (json!(7), 1),
            (json!(["a", "b", ""]), 2),
            (json!({"type": ["A"], "user": ["W1", "W2"]}), 3),
            (json!(r#"["a","b"]"#), 2),
            (json!("[broken"), 1),
        ] {
            assert_eq!(count_texts(&value), count, "{value}");
        }
    }

    #[test]
    fn a_line_stays_one_and_means_the_same() {
        for text in ["{\"a\":\"x\ny\u{1}\",\n\t\"b\":1}", "{\"a\":\"\\\n\"}", "{}"] {
            let line = one_line(text);
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(read(&line).0, read(text).0, "{line}");
        }
        assert_eq!(one_line("no\njson"), "no json");
    }

    #[test]
    fn parts_are_found_whatever_is_in_them() {
        let body = r#" {"entries":[{"id":"a","n":"\ud83d]}"},{"id":"b" "x"},7],"ok":true} "#;
        let members = members(body).unwrap();
        assert_eq!(members.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["entries", "ok"]);
        assert_eq!(elements(members[0].1).unwrap(), [r#"{"id":"a","n":"\ud83d]}"}"#, r#"{"id":"b" "x"}"#, "7"]);
        for open in ["{\"entries\":[{\"a\":1},{", "[1", "{\"a\":\"x", "", "[1]]"] {
            assert!(super::members(open).is_none() && elements(open).is_none(), "{open}");
        }
    }
}
