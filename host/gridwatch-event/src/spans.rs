//! Spans: where each value of an entry begins and ends in its bytes, found in one pass and without a copy.
//!
//! [`Spans::scan`] takes only what is in order in every way: JSON that strict readers take, an object, of ordinary size and depth, no key
//! twice in an object or written with escapes, numbers without an exponent. Of anything else it says `None`, and [`json::read`] answers,
//! which takes whatever comes. So there is one place that decides what odd bytes mean, and this isn't it.
//!
//! [`json::read`]: crate::json::read

use std::borrow::Cow;

/// Longest text taken: positions are two bytes.
const MAX_BYTES: usize = u16::MAX as usize;
/// Brackets inside one another. Slack's have five.
const MAX_DEPTH: usize = 24;
/// Members of one object: each is compared with those that look like it.
const MAX_MEMBERS: usize = 256;
/// Bytes of an ordinary entry for each value in it.
const BYTES_A_VALUE: usize = 16;

/// The values of a text, each before those inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spans<'s>(&'s [Span]);

/// Number of a value in [`Spans`]; 0 is all of it.
pub(crate) type At = u16;

/// One value. Of a text without its quotes, of a list or object with its brackets. Places are counted from where the text begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    from: u16,
    to: u16,
    /// Number of the first value behind it and all that is inside it.
    after: At,
    /// Where its key begins, if it is a member of an object.
    key: u16,
    key_len: u8,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    False,
    True,
    Number,
    Text,
    /// A text that is written with escapes.
    Escaped,
    List,
    Object,
}

impl<'s> Spans<'s> {
    /// Adds the values of a text to those of others; `None`, and nothing added, where it is out of the ordinary in any way.
    pub(crate) fn scan(text: &str, all: &mut Vec<Span>) -> Option<()> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let before = all.len();
        all.reserve(text.len() / BYTES_A_VALUE);
        let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, spans: std::mem::take(all), before };
        let scanned = scanner.whole();
        *all = scanner.spans;
        if scanned.is_none() {
            all.truncate(before);
        }
        scanned
    }

    /// Those of one text, as [`Spans::scan`] added them.
    pub(crate) fn new(of_text: &'s [Span]) -> Self {
        Self(of_text)
    }

    #[inline]
    pub(crate) fn kind(self, at: At) -> Kind {
        self.0[usize::from(at)].kind
    }

    /// As it is written: of a text without its quotes.
    #[inline]
    pub(crate) fn written(self, text: &str, at: At) -> &str {
        let span = self.0[usize::from(at)];
        &text[usize::from(span.from)..usize::from(span.to)]
    }

    /// A text, as it is meant.
    pub(crate) fn text<'t>(self, text: &'t str, at: At) -> Option<Cow<'t, str>> {
        match self.kind(at) {
            Kind::Text => Some(Cow::Borrowed(self.written(text, at))),
            Kind::Escaped => Some(Cow::Owned(unescaped(self.written(text, at)))),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn key(self, text: &str, at: At) -> &str {
        let span = self.0[usize::from(at)];
        let key = usize::from(span.key);
        &text[key..key + usize::from(span.key_len)]
    }

    /// Number of the first value behind it and all that is inside it.
    #[inline]
    pub(crate) fn after(self, at: At) -> At {
        self.0[usize::from(at)].after
    }

    /// What is directly inside a list or object, in the order in which it is written.
    #[inline]
    pub(crate) fn inside(self, at: At) -> impl Iterator<Item = At> + use<'s> {
        let (first, after) = match self.kind(at) {
            Kind::List | Kind::Object => (at + 1, self.0[usize::from(at)].after),
            _ => (0, 0),
        };
        let next = move |at: &At| Some(self.0[usize::from(*at)].after).filter(|next| *next < after);
        std::iter::successors((first < after).then_some(first), next)
    }

    /// A member of an object.
    #[inline]
    pub(crate) fn get(self, text: &str, at: At, name: &str) -> Option<At> {
        let spans = self.0;
        let of = spans[usize::from(at)];
        if of.kind != Kind::Object {
            return None;
        }
        let mut member = at + 1;
        while member < of.after {
            let span = spans[usize::from(member)];
            if usize::from(span.key_len) == name.len() {
                let key = usize::from(span.key);
                if is_same(&text.as_bytes()[key..key + name.len()], name.as_bytes()) {
                    return Some(member);
                }
            }
            member = span.after;
        }
        None
    }
}

/// Are two texts of one length the same? Names are too short for a call to be worth it.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (ends, others) =
        ((one.first_chunk::<8>(), one.last_chunk::<8>()), (other.first_chunk::<8>(), other.last_chunk::<8>()));
    match one.len() {
        0..8 => one.iter().zip(other).all(|(one, other)| one == other),
        8..=16 => ends == others,
        _ => ends == others && one == other,
    }
}

/// The text of a string's inside that is known to be in order.
fn unescaped(written: &str) -> String {
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (c, length) = escape(&rest[at..]);
        out.push(c);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

/// The character that an escape stands for, and how many bytes it takes.
pub(crate) fn escape(written: &str) -> (char, usize) {
    let hex = |from: usize| written.get(from..from + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let plain = |c: char| (c, 2);
    match written.as_bytes().get(1) {
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'u') => match (hex(2).unwrap_or_default(), hex(8).unwrap_or_default()) {
            (high @ 0xd800..0xdc00, low) => {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (code, _) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
        },
        Some(other) => plain(char::from(*other)),
        None => ('\\', 1),
    }
}

#[derive(Clone, Copy, Default)]
struct Key {
    from: u16,
    len: u8,
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Of other texts, and from `before` on of this one.
    spans: Vec<Span>,
    before: usize,
}

impl Scanner<'_> {
    fn whole(&mut self) -> Option<()> {
        self.skip_space();
        self.take(b'{')?;
        self.object(Key::default(), 0)?;
        self.skip_space();
        (self.at == self.bytes.len()).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// What begins here.
    fn value(&mut self, key: Key, depth: usize) -> Option<()> {
        let first = self.peek()?;
        self.at += 1;
        match first {
            b'"' => {
                let from = self.at;
                let kind = if self.text()? { Kind::Escaped } else { Kind::Text };
                self.push(key, kind, from, self.at - 1);
            }
            b'{' => self.object(key, depth)?,
            b'[' => self.list(key, depth)?,
            b'n' => self.word(key, Kind::Null, b"ull")?,
            b't' => self.word(key, Kind::True, b"rue")?,
            b'f' => self.word(key, Kind::False, b"alse")?,
            b'-' | b'0'..=b'9' => self.number(key, first)?,
            _ => return None,
        }
        Some(())
    }

    fn push(&mut self, key: Key, kind: Kind, from: usize, to: usize) -> usize {
        let at = self.spans.len() - self.before;
        // Neither can be cut: there are fewer values than bytes, and those are bounded.
        let (from, to) = (from as u16, to as u16);
        self.spans.push(Span { from, to, after: at as u16 + 1, key: key.from, key_len: key.len, kind });
        at
    }

    /// Behind the last bracket of a list or object.
    fn close(&mut self, at: usize) {
        let after = (self.spans.len() - self.before) as u16;
        let span = &mut self.spans[self.before + at];
        (span.to, span.after) = (self.at as u16, after);
    }

    /// Behind its first bracket.
    fn object(&mut self, key: Key, depth: usize) -> Option<()> {
        let object = self.push(key, Kind::Object, self.at - 1, 0);
        let (mut known, mut members) = (0_u128, 0);
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            self.close(object);
            return (depth < MAX_DEPTH).then_some(());
        }
        loop {
            self.take(b'"')?;
            let from = self.at;
            if self.text()? {
                return None;
            }
            let name = &self.bytes[from..self.at - 1];
            let key = Key { from: from as u16, len: u8::try_from(name.len()).ok()? };
            let mark = 1_u128 << look_of(name);
            if known & mark != 0 && self.has(object, name) {
                return None;
            }
            known |= mark;
            members += 1;
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
            self.value(key, depth + 1)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    self.close(object);
                    return (depth < MAX_DEPTH && members <= MAX_MEMBERS).then_some(());
                }
                _ => return None,
            }
            if members > MAX_MEMBERS || depth >= MAX_DEPTH {
                return None;
            }
            self.skip_space();
        }
    }

    /// Does an object that isn't closed have this key already?
    #[cold]
    fn has(&self, object: usize, name: &[u8]) -> bool {
        let mut at = object + 1;
        while let Some(span) = self.spans.get(self.before + at) {
            let key = usize::from(span.key);
            if self.bytes[key..key + usize::from(span.key_len)] == *name {
                return true;
            }
            at = usize::from(span.after);
        }
        false
    }

    fn list(&mut self, key: Key, depth: usize) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let list = self.push(key, Kind::List, self.at - 1, 0);
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            self.close(list);
            return Some(());
        }
        loop {
            self.value(Key::default(), depth + 1)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    self.close(list);
                    return Some(());
                }
                _ => return None,
            }
            self.skip_space();
        }
    }

    fn word(&mut self, key: Key, kind: Kind, rest: &[u8]) -> Option<()> {
        let end = self.at + rest.len();
        (self.bytes.get(self.at..end)? == rest).then_some(())?;
        self.push(key, kind, self.at - 1, end);
        self.at = end;
        Some(())
    }

    /// Digits, at most with a sign and a fraction; `-0` and what has an exponent is left to others.
    fn number(&mut self, key: Key, first: u8) -> Option<()> {
        let from = self.at - 1;
        let first = match first {
            b'-' => {
                self.at += 1;
                *self.bytes.get(self.at - 1)?
            }
            digit => digit,
        };
        match first {
            b'0' if self.at - from > 1 || self.peek().is_some_and(|next| next.is_ascii_digit()) => return None,
            b'0'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            let fraction = self.at;
            self.digits();
            if self.at == fraction {
                return None;
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            return None;
        }
        self.push(key, Kind::Number, from, self.at);
        Some(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// Behind a quote, to behind the next one: is anything escaped?
    #[inline]
    fn text(&mut self) -> Option<bool> {
        let mut escaped = false;
        loop {
            self.at += plain_bytes(self.bytes.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        self.at += 2;
        match *self.bytes.get(self.at - 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.hex()? {
                0xd800..0xdc00 => {
                    self.take(b'\\')?;
                    self.take(b'u')?;
                    matches!(self.hex()?, 0xdc00..0xe000).then_some(())
                }
                0xdc00..0xe000 => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
    }
}

/// What a key looks like at a glance, from 0 to 127.
fn look_of(name: &[u8]) -> u32 {
    let at = |i: usize| name.get(i).map_or(0, |byte| u32::from(*byte));
    let (length, middle) = (name.len() as u32, name.len() / 2);
    (length.wrapping_mul(31) ^ at(0).wrapping_mul(7) ^ at(middle).wrapping_mul(13) ^ at(name.len().wrapping_sub(1)))
        % 128
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many bytes come before the first quote, backslash or control character.
#[inline]
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let eight = u64::from_le_bytes(*eight);
        let ends = is(eight, b'"') | is(eight, b'\\') | (eight.wrapping_sub(ONES * 0x20) & !eight);
        // The lowest that is set is right; those above it may be set by what was borrowed.
        let ends = ends & HIGHS;
        if ends != 0 {
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    rest.map_or(bytes.len(), |more| at + more)
}

/// The highest bit of each byte that is this one.
#[inline]
fn is(eight: u64, byte: u8) -> u64 {
    let other = eight ^ (ONES * u64::from(byte));
    other.wrapping_sub(ONES) & !other
}

/// The highest bit of each byte that is this one, and no other bit.
#[inline]
pub(crate) fn each_is(eight: u64, byte: u8) -> u64 {
    let other = eight ^ (ONES * u64::from(byte));
    !((other & !HIGHS).wrapping_add(!HIGHS) | other | !HIGHS)
}

/// Is any byte a control character?
#[inline]
pub(crate) fn has_control(eight: u64) -> bool {
    eight.wrapping_sub(ONES * 0x20) & !eight & HIGHS != 0
}
