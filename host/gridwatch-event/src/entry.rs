//! An entry: one record of the audit log, exactly as Slack sent it.
//!
//! Parsing never fails on a single entry: whatever stands in `entries` becomes an [`Entry`] with the bytes kept, an id
//! to count it by and [`Mark`]s that say what was odd. Only a body that isn't a page at all is an error.

use crate::content::{Content, Head};
use crate::json::{self, Said};
use crate::part::Part;
use crate::range::Range;
use crate::text::hex;
use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;

/// What was unusual about an entry. Kept, counted and shown; never a reason to drop one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Not a JSON object.
    NotAnObject,
    /// No usable `id`: the content hash stands in for it.
    NoId,
    /// No usable `date_create`: the end of the range that showed it stands in.
    NoTime,
    /// `date_create` lies ahead of the range that showed the entry, or beyond any calendar: it is taken for milliseconds or less
    /// where that is a time in the range, and else for the range's end.
    DatedAhead,
    /// `date_create` lies before there was a Slack: the end of the range that showed it stands in.
    DatedBeforeSlack,
    /// No usable `action`.
    NoAction,
    /// The action is not in the built-in catalogue.
    UnknownAction,
    /// The entity type is not in the built-in catalogue.
    UnknownEntity,
    /// The body wasn't valid UTF-8; what couldn't be read is U+FFFD.
    NotUtf8,
    /// A text holds what none can: half of a surrogate pair, a control character as it is, an escape that is none. Read with
    /// U+FFFD, with the character, as it is written.
    OddText,
    /// A number that JSON doesn't allow, as `007` or `NaN`: read as a text.
    OddNumber,
    /// Brackets inside one another beyond [`json::MAX_DEPTH`]: what is deeper is read as one text.
    TooDeep,
    /// Quotes, brackets or commas don't fit: what could be read may not be all there is.
    Unreadable,
    /// Another version of an entry that has been delivered before: see [`crate::event::Sight`].
    Version,
    /// A version that tells of another act than the one before: other action, actor or entity.
    OtherAct,
}

pub type Marks = BTreeSet<Mark>;

impl Mark {
    /// As views write it: `unknown_action`.
    pub fn name(self) -> String {
        // A unit variant always becomes a text.
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Identity of an entry: Slack's `id` (a UUID, the only thing that tells two entries apart) and a hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    id: Id,
    /// `date_create`, if there is a usable one; of one beyond any calendar, what it is in milliseconds or less.
    pub time: Option<UnixSeconds>,
    pub marks: Marks,
    content: Content,
}

/// Slack's id, or what stands in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// The text that the content has, without escapes.
    Written,
    Other(Box<str>),
}

impl Id {
    pub(crate) fn of<'e>(&'e self, content: &'e Content) -> &'e str {
        match self {
            Self::Written => content.plain(Head::Id),
            Self::Other(id) => id,
        }
    }
}

impl Entry {
    /// Takes one element of `entries`: any JSON value, as its exact bytes.
    pub fn from_json(raw: &str) -> Self {
        Self::of(Content::of(raw.trim()))
    }

    /// The entry that a text is just as Slack writes one: an object with Slack's own keys and no other. `None` of all else, which may be
    /// an entry, or have one in it, all the same.
    pub fn as_written(raw: &str) -> Option<Self> {
        let content = Content::of(raw.trim());
        content.is_as_written().then(|| Self::of(content))
    }

    /// The entries of a text that has one a line, up to the first line that isn't just as Slack writes one ([`Entry::as_written`]), and
    /// how many bytes these lines take. They share a copy of them, which is kept for as long as one of them is.
    pub fn lines_as_written(text: &str) -> (Vec<Self>, usize) {
        let (contents, taken) = Content::of_lines(text);
        (contents.map(Self::of).collect(), taken)
    }

    fn of(content: Content) -> Self {
        let mut marks = Marks::new();
        let (id, date_create) = if content.is_ordinary() {
            (id_in(&content), content.head(Head::DateCreate).and_then(Written::in_part))
        } else {
            let odd = Odd::of(content.raw(), &mut marks);
            (odd.id.map(|id| Id::Other(id.into())), odd.date_create)
        };
        let id = id.unwrap_or_else(|| {
            marks.insert(Mark::NoId);
            Id::Other(format!("sha256:{}", hex(&json::hash(content.raw().as_bytes()))).into())
        });
        let time = date_create.map(|written| {
            if written.is_ahead_of_all() {
                marks.insert(Mark::DatedAhead);
            }
            written.plausible()
        });
        if time.is_none() {
            marks.insert(Mark::NoTime);
        }
        Self { id, time, marks, content }
    }

    /// Slack's id or, where there is none that can be used, a hash of the bytes.
    pub fn id(&self) -> &str {
        self.id.of(&self.content)
    }

    /// The time as which the entry counts, when it was shown in `range` by `now`; `None` where it is its own.
    ///
    /// What happens by an entry's time (windows, periods, which of two comes first) must not hang on a time that can't be:
    /// one ahead would make everything else old, one long before Slack would pass for years of history. An old one is
    /// believed: entries do come late. So is one between the range and now in the newest range, which is read next.
    pub fn counts_as(&self, range: Range, newest_until: UnixSeconds) -> Option<UnixSeconds> {
        let until = range.latest().max(newest_until);
        match self.time {
            Some(time) if self.marks.contains(&Mark::DatedAhead) => {
                Some(if (range.oldest()..=until).contains(&time) { time } else { range.latest() })
            }
            Some(time) if time > until || before_slack(time) => Some(range.latest()),
            Some(_) => None,
            None => Some(range.latest()),
        }
    }

    /// The bytes Slack sent (escaped slashes and all).
    pub fn raw(&self) -> &str {
        self.content.raw()
    }

    pub(crate) fn content(&self) -> (&Id, &Content) {
        (&self.id, &self.content)
    }

    /// First 16 bytes of SHA-256 over the raw bytes: the same bytes are the same entry, without a closer look.
    pub fn content_hash(&self) -> [u8; 16] {
        json::hash(self.raw().as_bytes())
    }

    /// What the entry says, however it is written; and who did what to what by it.
    pub fn says(&self) -> Says {
        match self.content.is_ordinary() {
            true => self.says_as_written(),
            false => self.says_as_read(),
        }
    }

    fn says_as_written(&self) -> Says {
        let (whole, mut meaning) = (self.content.whole(), String::with_capacity(self.raw().len()));
        json::write_meaning(whole, &mut meaning);
        let typed = |outer: &str| {
            let outer = whole.get(outer)?;
            outer.get(&outer.get("type")?.as_str()?)?.get("id")
        };
        let act = [whole.get("action"), typed("actor"), whole.at(&["entity", "type"]), typed("entity")];
        let act = act.map(|part| part.map(|part| part.to_json().into_owned()));
        Says { meaning: json::hash(meaning.as_bytes()), act: json::hash(format!("{act:?}").as_bytes()) }
    }

    pub(crate) fn says_as_read(&self) -> Says {
        let said = Said::of(self.raw());
        let typed = |outer: &str| {
            let outer = said.value.get(outer)?;
            outer.get(outer.get("type")?.as_str()?)?.get("id")
        };
        let act = [said.value.get("action"), typed("actor"), said.value.pointer("/entity/type"), typed("entity")];
        let act = act.map(|value| value.map(Value::to_string));
        Says { meaning: said.meaning, act: json::hash(format!("{act:?}").as_bytes()) }
    }

    /// What two sightings of the same entry have in common: its id or, without one, what it says.
    pub fn identity(&self) -> Cow<'_, str> {
        match self.marks.contains(&Mark::NoId) {
            true => format!("means:{}", hex(&self.says().meaning)).into(),
            false => self.id().into(),
        }
    }
}

/// Hashes of an entry's content, for telling another version of it from the same one written in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Says {
    pub meaning: [u8; 16],
    /// Of action, actor and entity. Another version with another act is an act that nobody has judged.
    pub act: [u8; 16],
}

/// Tells the versions of ids apart where everything seen is at hand: in a file, in a case. The store does the same with its rows.
#[derive(Debug, Default)]
pub struct Versions(HashMap<String, Vec<Known>>);

/// One version of an id. What it says is worked out when another comes.
#[derive(Debug)]
enum Known {
    Entry(Entry),
    Says(Says),
}

impl Known {
    fn says(&mut self) -> Says {
        let says = match self {
            Self::Entry(entry) => entry.says(),
            Self::Says(says) => return *says,
        };
        *self = Self::Says(says);
        says
    }
}

/// Of many entries in their order, those that aren't simply the first of their id.
#[derive(Debug, Default)]
pub struct Repeated {
    /// Entries whose id was there before.
    pub again: u64,
    /// Positions of later versions, in order, each with its number and whether it tells of another act.
    pub later: Vec<(usize, (u32, bool))>,
}

impl Repeated {
    /// Takes out entries that say what another of their id said before. `key` hashes ids: whoever writes them may not be able to choose
    /// hashes.
    pub fn take_out(entries: &mut Vec<Entry>, key: &impl BuildHasher) -> Self {
        // What has no id goes by what it says, under a name that another may have for an id.
        let is_odd = |entry: &Entry| entry.marks.contains(&Mark::NoId) || entry.id().starts_with("means:");
        let hash = |entry: &Entry| key.hash_one(entry.id());
        let mut hashes: Vec<u64> = entries.iter().map(hash).collect();
        hashes.sort_unstable();
        let twice: HashSet<u64> = hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        let (mut versions, mut repeated) = (Versions::default(), Self::default());
        hashes.dedup();
        repeated.again = (entries.len() - hashes.len()) as u64;
        if twice.is_empty() && !entries.iter().any(is_odd) {
            return repeated;
        }
        let mut kept = 0;
        entries.retain(|entry| {
            let version = match twice.contains(&hash(entry)) || is_odd(entry) {
                true => versions.see(entry),
                false => Some((1, false)),
            };
            if let Some(version) = version {
                if version.0 > 1 {
                    repeated.later.push((kept, version));
                }
                kept += 1;
            }
            version.is_some()
        });
        repeated
    }
}

impl Versions {
    /// Number of the version that the entry is, and whether it tells of another act than all before; `None` if it was seen.
    pub fn see(&mut self, entry: &Entry) -> Option<(u32, bool)> {
        let known = self.0.entry(entry.identity().into_owned()).or_default();
        if known.is_empty() {
            known.push(Known::Entry(entry.clone()));
            return Some((1, false));
        }
        let says = entry.says();
        if known.iter_mut().any(|known| known.says().meaning == says.meaning) {
            return None;
        }
        let other_act = known.iter_mut().all(|known| known.says().act != says.act);
        known.push(Known::Says(says));
        Some((u32::try_from(known.len()).unwrap_or(u32::MAX), other_act))
    }
}

/// Slack began in August 2013; an entry dated earlier is misdated.
const FIRST_ENTRY: UnixSeconds = UnixSeconds(1_375_315_200);

/// Was there no Slack yet?
pub fn before_slack(time: UnixSeconds) -> bool {
    time < FIRST_ENTRY
}

/// The last second of the year 9999: no calendar of ours or of any SIEM goes on.
const LAST_SECOND: u64 = 253_402_300_799;

/// The id of an ordinary entry.
fn id_in(content: &Content) -> Option<Id> {
    let id = content.head(Head::Id)?;
    match id.as_number() {
        Some(digits) => Some(Id::Other(digits.into())),
        None => (id.is_text() && !id.is("")).then_some(Id::Written),
    }
}

/// What identity and time of an odd entry are read from.
#[derive(Default)]
struct Odd {
    id: Option<String>,
    date_create: Option<Written>,
}

#[derive(Deserialize)]
struct Strict<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    date_create: Option<&'a RawValue>,
}

impl Odd {
    fn of(raw: &str, marks: &mut Marks) -> Self {
        // A sequence would pass for a struct with serde, hence the look at the first byte.
        let strict = raw.starts_with('{').then(|| serde_json::from_str::<Strict<'_>>(raw).ok()).flatten();
        let parsed = strict.and_then(|strict| {
            let value = |raw: Option<&RawValue>| raw.map(|raw| serde_json::from_str::<Value>(raw.get()).ok());
            // `None` inside where one can't be read.
            let (id, time) = (
                value(strict.id).unwrap_or(Some(Value::Null))?,
                value(strict.date_create).unwrap_or(Some(Value::Null))?,
            );
            Some((id, time))
        });
        if let Some((id, time)) = parsed {
            return Self { id: text_of(&id), date_create: Written::of(&time) };
        }
        // Odd in one place or another, perhaps as a whole.
        let (value, odd) = json::read(raw);
        marks.extend(odd);
        if !value.is_object() {
            marks.insert(Mark::NotAnObject);
            return Self::default();
        }
        let at = |key: &str| value.get(key).unwrap_or(&Value::Null);
        Self { id: text_of(at("id")), date_create: Written::of(at("date_create")) }
    }
}

/// `date_create` as it is written: whole seconds, also when they come as a text or with a fraction. Zero and negative times are
/// no times.
#[derive(Clone, Copy)]
struct Written(u128);

impl Written {
    fn of(value: &Value) -> Option<Self> {
        Self::in_part(Part::read(value))
    }

    fn in_part(part: Part<'_>) -> Option<Self> {
        let text = part.as_number().map(Cow::Borrowed).or_else(|| part.as_str())?;
        let text = if part.is_text() { text.trim() } else { &text };
        // Rust reads `inf` and `nan` as numbers, too.
        let number = Some(text).filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))?;
        // One beyond all measure is still a time, ahead of everything.
        let whole = number.parse::<u64>().map(u128::from).or_else(|_| number.parse::<u128>()).ok();
        let seconds = whole.or_else(|| number.parse::<f64>().ok().map(|float| float as u128))?;
        (seconds > 0).then_some(Self(seconds))
    }

    fn is_ahead_of_all(self) -> bool {
        self.0 > u128::from(LAST_SECOND)
    }

    /// Milliseconds have thirteen digits, microseconds sixteen, nanoseconds nineteen.
    fn plausible(self) -> UnixSeconds {
        let mut seconds = self.0;
        while seconds > u128::from(LAST_SECOND) {
            seconds /= 1_000;
        }
        UnixSeconds(u64::try_from(seconds).unwrap_or(LAST_SECOND))
    }
}

/// One answer of `/audit/v1/logs`.
#[derive(Debug)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// `None` on the last page, which Slack shows as `""`, `null`, a missing key or a missing `response_metadata`.
    pub next_cursor: Option<String>,
}

/// A 200 whose body is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The Web API's way of refusing with a 200. A page that succeeds has no `ok` at all.
    #[error("Slack answered 200 with ok:false ({error})")]
    NotOk { error: String },
    #[error("the body is not a page of entries: {reason}")]
    NotAPage { reason: String },
}

impl Page {
    /// Takes a body apart. What is odd in one entry costs nothing but what is odd, and what stands beside `entries` is not
    /// looked at, except for how paging goes on.
    pub fn from_body(body: &[u8]) -> Result<Self, PageError> {
        let text = String::from_utf8_lossy(body);
        let lossy = matches!(text, Cow::Owned(_));
        let body = Body::of(text.trim_start_matches('\u{feff}'))?;
        body.refusal()?;
        let raw = body.entries()?;
        let mut entries: Vec<Entry> = raw.into_iter().map(Entry::from_json).collect();
        if lossy {
            for entry in entries.iter_mut().filter(|e| e.raw().contains(char::REPLACEMENT_CHARACTER)) {
                entry.marks.insert(Mark::NotUtf8);
            }
        }
        Ok(Self { entries, next_cursor: body.next_cursor()? })
    }
}

/// The parts of a page, as they are written.
struct Body<'a> {
    ok: Option<&'a str>,
    error: Option<&'a str>,
    entries: Option<&'a str>,
    response_metadata: Option<&'a str>,
}

impl<'a> Body<'a> {
    fn of(text: &'a str) -> Result<Self, PageError> {
        let not = |reason: &str| PageError::NotAPage { reason: reason.into() };
        let text = text.trim();
        if !text.starts_with('{') {
            return Err(not("it is no JSON object"));
        }
        let members = json::members(text)
            .or_else(|| around_broken_entries(text))
            .ok_or_else(|| not("its JSON breaks off, or its quotes and brackets don't fit"))?;
        // Of a key that stands twice the last one counts, as everywhere.
        let part = |name: &str| members.iter().rev().find(|(key, _)| key == name).map(|(_, raw)| *raw);
        Ok(Self {
            ok: part("ok"),
            error: part("error"),
            entries: part("entries"),
            response_metadata: part("response_metadata"),
        })
    }

    /// `ok: false` in a 200; and an `error` where entries ought to be.
    fn refusal(&self) -> Result<(), PageError> {
        let said = |raw: Option<&str>| raw.map(|raw| json::read(raw).0).unwrap_or_default();
        let error = said(self.error).as_str().map(str::to_owned);
        let refused = said(self.ok) == Value::Bool(false);
        match (refused, self.entries, error) {
            (false, Some(_), _) | (false, None, None) => Ok(()),
            (_, _, error) => Err(PageError::NotOk { error: error.unwrap_or_else(|| "no error given".into()) }),
        }
    }

    /// Elements as they are written. An empty object is an empty list, as some servers write it; null is one if the page says how
    /// paging goes on, for then it was made by who makes pages. What else isn't a list is no page: taken for an empty one, it would
    /// end the range with all that is in it unread.
    fn entries(&self) -> Result<Vec<&'a str>, PageError> {
        let wrong = |reason: &str| PageError::NotAPage { reason: reason.into() };
        let raw = self.entries.ok_or_else(|| wrong("no `entries`"))?;
        match raw.as_bytes().first() {
            Some(b'[') => Ok(match json::elements(raw) {
                Some(elements) => elements.into_iter().flat_map(whole_entries).collect(),
                None => {
                    whole_entries(raw.trim().strip_prefix('[').and_then(|raw| raw.strip_suffix(']')).unwrap_or(raw))
                }
            }),
            Some(b'{') if json::members(raw).is_some_and(|members| members.is_empty()) => Ok(Vec::new()),
            Some(b'n') if raw == "null" && self.response_metadata.is_some_and(|m| m.starts_with('{')) => Ok(Vec::new()),
            Some(b'n') if raw == "null" => Err(wrong("`entries` is null, and there is no `response_metadata`")),
            _ => Err(wrong("`entries` is no list")),
        }
    }

    /// A cursor is a text; a number is sent back as it is written. Nothing, and what stands for nothing in other languages (null, "",
    /// 0, false, an empty list or object), ends the walk. What can't be understood doesn't: the rest would be lost.
    fn next_cursor(&self) -> Result<Option<String>, PageError> {
        let wrong = |field: &str, value: &Value| {
            let kind = match value {
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
                Value::String(_) => "a text",
                Value::Number(_) => "a number",
                Value::Bool(_) | Value::Null => "true",
            };
            PageError::NotAPage { reason: format!("paging can't be understood: `{field}` is {kind}") }
        };
        let metadata = self.response_metadata.map(|raw| json::read(raw).0).unwrap_or_default();
        let Value::Object(fields) = &metadata else {
            return if is_nothing(&metadata) { Ok(None) } else { Err(wrong("response_metadata", &metadata)) };
        };
        match fields.get("next_cursor") {
            None => Ok(None),
            Some(nothing) if is_nothing(nothing) => Ok(None),
            Some(Value::String(cursor)) => Ok(Some(cursor.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(wrong("response_metadata.next_cursor", other)),
        }
    }
}

/// The members of a page in which an entry's quotes don't come in pairs, so that nothing after it can be told by counting them:
/// the list ends at the last bracket after which the rest of the page is in order. Only of a page that says how paging goes on;
/// any other may have been cut off anywhere.
fn around_broken_entries(text: &str) -> Option<Vec<(String, &str)>> {
    /// Brackets to try, from the last on; a `response_metadata` may have lists of its own.
    const TRIES: usize = 100;
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    let (before, from) = inside.split_once("\"entries\"")?;
    let from = from.trim_start().strip_prefix(':')?.trim_start();
    let mut members = json::members_inside(before)?;
    for (end, _) in from.rmatch_indices(']').take(TRIES).filter(|_| from.starts_with('[')) {
        let after = from[end + 1..].trim_start();
        let after = if after.is_empty() { Some(after) } else { after.strip_prefix(',') };
        let Some(after) = after.and_then(json::members_inside) else { continue };
        if members.iter().chain(&after).any(|(key, _)| key == "response_metadata") {
            members.push(("entries".to_owned(), &from[..=end]));
            members.extend(after);
            return Some(members);
        }
    }
    None
}

/// A broken element may have swallowed the whole entries after it: they are found by what every entry has.
fn whole_entries(element: &str) -> Vec<&str> {
    if serde_json::from_str::<serde::de::IgnoredAny>(element).is_ok() {
        return vec![element];
    }
    let (mut found, mut from) = (Vec::new(), 0);
    for (at, _) in element.match_indices('{') {
        let Some(before) = element.get(from..at).map(str::trim_end) else { continue };
        // Between entries there is a comma.
        let Some(before) = before.strip_suffix(',').or(before.is_empty().then_some(before)) else { continue };
        let Some(entry) = entry_at(&element[at..]) else { continue };
        found.extend(broken(before));
        found.push(entry);
        from = at + entry.len();
    }
    found.extend(broken(&element[from..]));
    found
}

/// What stands between whole entries, unless it is only what separates them.
fn broken(between: &str) -> Option<&str> {
    let text = between.trim_matches(|c: char| c == ',' || c.is_whitespace());
    (!text.is_empty()).then_some(text)
}

/// The whole JSON object at the beginning of a text, if it is what an entry is.
fn entry_at(text: &str) -> Option<&str> {
    let raw: &RawValue = serde_json::Deserializer::from_str(text).into_iter().next()?.ok()?;
    let head: Strict<'_> = serde_json::from_str(raw.get()).ok()?;
    (head.id.is_some() && head.date_create.is_some()).then_some(raw.get())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// An id is a non-empty string or, tolerantly, a number.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_are_kept_as_sent() {
        let raw = r#"{"id":"a","date_create":1611221649,"url":"https:\/\/x"}"#;
        let entry = Entry::from_json(raw);
        assert_eq!((entry.raw(), entry.id(), entry.time), (raw, "a", Some(UnixSeconds(1_611_221_649))));
        assert!(entry.marks.is_empty());
    }

    #[test]
    fn lines_are_entries_up_to_the_first_that_is_none_as_slack_writes_it() {
        let entry = |id: &str| format!(r#"{{"id":"{id}","date_create":1,"action":"user_login","x":"é"}}"#);
        let [a, b, c] = ["a", "b", "c"].map(|id| entry(id).replace(r#","x":"é""#, ""));
        let taken = |text: &str| {
            let (entries, taken) = Entry::lines_as_written(text);
            for entry in &entries {
                assert_eq!(Entry::as_written(entry.raw()).as_ref(), Some(entry), "of one line, and alone");
            }
            (entries.iter().map(|entry| entry.id().to_owned()).collect::<String>(), text[..taken].to_owned())
        };
        let all = format!("{a}\n\r\n  {b} \r\n\t\n{c}");
        assert_eq!(taken(&all), ("abc".to_owned(), all.clone()));
        for odd in [&*entry("o"), "17", "[1]", "{}", &a[1..], &a[..9], "\u{a0}", &format!("\u{a0}{a}"), &a.repeat(2)] {
            let before = format!("{a}\n{b}\n");
            assert_eq!(taken(&format!("{before}{odd}\n{c}\n")), ("ab".to_owned(), before), "{odd}");
            assert_eq!(taken(&format!("{odd}\n{c}\n")), (String::new(), String::new()), "{odd}");
        }
        assert_eq!(taken(""), (String::new(), String::new()));
    }

    #[test]
    fn what_is_repeated_is_told_as_one_after_the_other_would_be() {
        let mut dice = 11_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for ids in [2, 20, 1_000] {
            let mut entries: Vec<Entry> = (0..200)
                .map(|_| {
                    let id = match roll(ids) {
                        0 => String::new(),
                        1 => format!(r#""id":"means:{}","#, roll(3)),
                        id => format!(r#""id":"{id}","#),
                    };
                    let action = ["user_login", "user_logout"][roll(2) as usize];
                    let space = ["", " "][roll(2) as usize];
                    Entry::from_json(&format!(r#"{{{id}"date_create":{},{space}"action":"{action}"}}"#, roll(2) + 9))
                })
                .collect();
            let mut versions = Versions::default();
            let one_by_one: Vec<(Entry, (u32, bool))> =
                entries.iter().filter_map(|entry| Some((entry.clone(), versions.see(entry)?))).collect();
            let (all, names) = (entries.len(), entries.iter().map(Entry::id).collect::<HashSet<_>>().len());
            let repeated = Repeated::take_out(&mut entries, &std::hash::RandomState::new());
            assert_eq!(repeated.again, (all - names) as u64);
            let later: HashMap<usize, (u32, bool)> = repeated.later.into_iter().collect();
            let version = |(at, entry)| (entry, later.get(&at).copied().unwrap_or((1, false)));
            let at_once: Vec<(Entry, (u32, bool))> = entries.into_iter().enumerate().map(version).collect();
            assert_eq!(at_once, one_by_one);
        }
    }

    #[test]
    fn an_odd_entry_is_kept_marked_and_has_a_stable_id() {
        for (raw, mark) in [
            ("17", Mark::NotAnObject),
            ("[1]", Mark::NotAnObject),
            (r#"{"date_create":1}"#, Mark::NoId),
            (r#"{"id":"","date_create":1}"#, Mark::NoId),
            (r#"{"id":null,"date_create":1}"#, Mark::NoId),
            (r#"{"id":"x"}"#, Mark::NoTime),
            (r#"{"id":"x","date_create":"soon"}"#, Mark::NoTime),
            (r#"{"id":"x","date_create":-4}"#, Mark::NoTime),
        ] {
            let entry = Entry::from_json(raw);
            assert!(entry.marks.contains(&mark), "{raw}: {:?}", entry.marks);
            assert_eq!(entry.id(), Entry::from_json(raw).id());
            assert_eq!(entry.raw(), raw);
        }
        assert_eq!(Entry::from_json(r#"{"id":7,"date_create":"1611221649"}"#).id(), "7");
    }

    #[test]
    fn an_odd_entry_is_read_as_far_as_it_goes() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for odd in [r#""\ud83d""#, "\"\u{1}\"", &deep, "007", "oops", r#""x" "y""#] {
            for raw in [
                format!(r#"{{"id":"a","date_create":1794000000,"x":{odd}}}"#),
                format!(r#"{{"x":{odd},"date_create":1794000000,"id":"a"}}"#),
            ] {
                let entry = Entry::from_json(&raw);
                assert_eq!((entry.id(), entry.time), ("a", Some(UnixSeconds(1_794_000_000))), "{odd}");
                assert_eq!(entry.raw(), raw);
            }
        }
        let entry = Entry::from_json(r#"{"id":"a","id":"b","date_create":1794000000}"#);
        assert_eq!((entry.id(), entry.marks.len()), ("b", 0), "the last of two keys counts");
        assert_eq!(Entry::from_json(r#"{"id":"\ud83d","date_create":1}"#).id(), "\u{fffd}");
    }

    #[test]
    fn a_time_that_cant_be_gives_way_to_the_range_that_showed_the_entry() {
        let range = Range::new(UnixSeconds(1_794_000_000), UnixSeconds(1_794_003_600)).unwrap();
        let now = UnixSeconds(1_794_003_700);
        let end = Some(range.latest());
        for (written, counts_as) in [
            ("1794000100", None),
            ("1793000000", None), // late, and believed
            ("1794003650", None), // between the range and now: read next
            ("1794003701", end),
            ("1794007200", end),
            ("1794000100123", Some(UnixSeconds(1_794_000_100))),
            ("1794000100123456", Some(UnixSeconds(1_794_000_100))),
            ("1794003650123", Some(UnixSeconds(1_794_003_650))),
            ("1794003701123", end),
            ("\"1794000100123\"", Some(UnixSeconds(1_794_000_100))),
            ("1677628800000", end),
            ("1e400", end),
            (&"9".repeat(400), end),
            ("7", end),
            ("0", end),
            ("-5", end),
            ("null", end),
            ("\"soon\"", end),
            ("\"inf\"", end),
        ] {
            let entry = Entry::from_json(&format!(r#"{{"id":"a","date_create":{written}}}"#));
            assert_eq!(entry.counts_as(range, now), counts_as, "{written}");
        }
    }

    #[test]
    fn one_entry_costs_no_other() {
        let good = |id: &str| {
            format!(r#"{{"id":"{id}","date_create":1794000000,"action":"x","l":[{{"id":"in"}},{{"id":"in"}}]}}"#)
        };
        for broken in [
            "{\"id\":\"b\",\"n\":\"raw \u{1} control\"}",
            r#"{"id":"b","n":"\ud83d"}"#,
            r#"{"id":"b" "n":1}"#,
            r#"{"id":"b","n":"5" tall","m":1}"#,
            r#"{"id":"b","n":"never ends}"#,
            r#"{"id":"b","n":[1}"#,
            "7",
            "\u{0}",
        ] {
            let (a, c) = (good("a"), good("c"));
            for order in [[&*a, broken, &c], [broken, &a, &c], [&a, &c, broken]] {
                let body =
                    format!(r#"{{"entries":[{}],"response_metadata":{{"next_cursor":"n","l":[1]}}}}"#, order.join(","));
                let page = Page::from_body(body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {body}"));
                let ids: Vec<&str> = page.entries.iter().map(|entry| entry.id()).collect();
                assert!(ids.contains(&"a") && ids.contains(&"c"), "{ids:?}: {body}");
                assert!(page.entries.len() == 3 || broken == "\u{0}", "{ids:?}: {body}");
                assert_eq!(page.next_cursor.as_deref(), Some("n"));
            }
        }
    }

    #[test]
    fn a_page_that_was_cut_is_none_wherever_it_was_cut() {
        let entry = r#"{"id":"a","date_create":1794000000,"action":"x","l":[[1],{"b":{}}]}"#;
        let body = format!(r#"{{"entries":[{entry},{entry}],"response_metadata":{{"next_cursor":"n"}}}}"#);
        for end in 0..body.len() {
            assert!(Page::from_body(&body.as_bytes()[..end]).is_err(), "{}", &body[..end]);
        }
    }

    #[test]
    fn what_stands_beside_entries_costs_nothing_unless_paging_depends_on_it() {
        let page = |tail: &str| Page::from_body(format!(r#"{{"entries":[{{"id":"a"}}],{tail}}}"#).as_bytes());
        for (tail, cursor) in [
            (r#""response_metadata":[]"#, None),
            (r#""response_metadata":"""#, None),
            (r#""response_metadata":{"next_cursor":0}"#, None),
            (r#""response_metadata":{"next_cursor":false}"#, None),
            (r#""response_metadata":{"next_cursor":[]}"#, None),
            (r#""response_metadata":{"next_cursor":17}"#, Some("17")),
            (r#""ok":"yes""#, None),
            (r#""ok":1,"warning":["x"],"error":null"#, None),
            (r#""ok":true,"ok":{}"#, None),
            ("\"extra\":\"\u{1}\\ud83d\"", None),
            (r#""extra":007"#, None),
        ] {
            let page = page(tail).unwrap_or_else(|e| panic!("{e}: {tail}"));
            assert_eq!((page.entries.len(), page.next_cursor.as_deref()), (1, cursor), "{tail}");
        }
        for (tail, field) in [
            (r#""response_metadata":["x"]"#, "`response_metadata` is a list"),
            (r#""response_metadata":7"#, "`response_metadata` is a number"),
            (r#""response_metadata":{"next_cursor":{"a":1}}"#, "`response_metadata.next_cursor` is an object"),
            (r#""response_metadata":{"next_cursor":true}"#, "`response_metadata.next_cursor` is true"),
        ] {
            let error = page(tail).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn no_entries_are_an_empty_page_only_if_it_is_a_page() {
        for body in [
            r#"{"entries":{}}"#,
            r#"{"entries":null,"response_metadata":{"next_cursor":""}}"#,
            "\u{feff}{\"entries\":[]}",
        ] {
            assert!(Page::from_body(body.as_bytes()).unwrap().entries.is_empty(), "{body}");
        }
        for body in [r#"{"entries":null}"#, r#"{"entries":7,"response_metadata":{}}"#, r#"{"entries":{"a":1}}"#] {
            assert!(matches!(Page::from_body(body.as_bytes()), Err(PageError::NotAPage { .. })), "{body}");
        }
        assert!(matches!(Page::from_body(br#"{"error":"fatal_error"}"#), Err(PageError::NotOk { .. })));
    }

    #[test]
    fn every_shape_of_a_last_page_ends_the_walk() {
        for tail in [
            r#""response_metadata":{"next_cursor":""}"#,
            r#""response_metadata":{"next_cursor":null}"#,
            r#""response_metadata":{}"#,
            r#""response_metadata":null"#,
            r#""other":1"#,
        ] {
            let page = Page::from_body(format!(r#"{{"entries":[],{tail}}}"#).as_bytes()).unwrap();
            assert_eq!(page.next_cursor, None, "{tail}");
        }
        let more = br#"{"entries":[],"response_metadata":{"next_cursor":"abc="}}"#;
        assert_eq!(Page::from_body(more).unwrap().next_cursor.as_deref(), Some("abc="));
    }

    #[test]
    fn a_refusal_inside_a_200_is_no_empty_page() {
        let body = br#"{"ok":false,"error":"user_not_authorized"}"#;
        assert!(matches!(Page::from_body(body), Err(PageError::NotOk { error }) if error == "user_not_authorized"));
        for body in [&b"{}"[..], b"", b"[]", b"{\"entries\":[", b"<html>"] {
            assert!(matches!(Page::from_body(body), Err(PageError::NotAPage { .. })));
        }
    }

    #[test]
    fn a_body_that_is_not_utf_8_loses_no_entry() {
        let mut body = br#"{"entries":[{"id":"a","date_create":1,"n":"?"}]}"#.to_vec();
        let at = body.iter().position(|b| *b == b'?').unwrap();
        body[at] = 0xff;
        let page = Page::from_body(&body).unwrap();
        assert!(page.entries[0].marks.contains(&Mark::NotUtf8));
    }
}
