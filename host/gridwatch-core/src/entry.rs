//! An entry: one record of the audit log, exactly as Slack sent it.
//!
//! Parsing never fails on a single entry: whatever stands in `entries` becomes an [`Entry`] with the bytes kept, an id
//! to count it by and [`Mark`]s that say what was odd. Only a body that isn't a page at all is an error.

use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What was unusual about an entry. Kept, counted and shown; never a reason to drop one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Not a JSON object.
    NotAnObject,
    /// No usable `id`: the content hash stands in for it.
    NoId,
    /// No usable `date_create`: the time we first saw it stands in.
    NoTime,
    /// No usable `action`.
    NoAction,
    /// The action is not in the built-in catalogue.
    UnknownAction,
    /// The entity type is not in the built-in catalogue.
    UnknownEntity,
    /// The body wasn't valid UTF-8; what couldn't be read is U+FFFD.
    NotUtf8,
}

pub type Marks = BTreeSet<Mark>;

/// Identity of an entry: Slack's `id` (a UUID, the only thing that tells two entries apart) and a hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    /// `date_create`, if there is a usable one.
    pub time: Option<UnixSeconds>,
    pub marks: Marks,
    raw: Box<str>,
}

impl Entry {
    /// Takes one element of `entries`: any JSON value, as its exact bytes.
    pub fn from_json(raw: &str) -> Self {
        let raw = raw.trim();
        let mut marks = Marks::new();
        // A sequence would pass for a struct with serde, hence the look at the first byte.
        let object = raw.starts_with('{').then(|| serde_json::from_str::<Head<'_>>(raw).ok()).flatten();
        let head = object.unwrap_or_else(|| {
            marks.insert(Mark::NotAnObject);
            Head { id: None, date_create: None }
        });
        let id = head.id.and_then(text_of).unwrap_or_else(|| {
            marks.insert(Mark::NoId);
            format!("sha256:{}", hex(&Sha256::digest(raw.as_bytes())[..16]))
        });
        let time = head.date_create.and_then(seconds_of);
        if time.is_none() {
            marks.insert(Mark::NoTime);
        }
        Self { id, time, marks, raw: raw.into() }
    }

    /// The bytes Slack sent (escaped slashes and all).
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// First 16 bytes of SHA-256 over the raw bytes: tells an id seen again from an id whose content changed.
    pub fn content_hash(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(&Sha256::digest(self.raw.as_bytes())[..16]);
        out
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    date_create: Option<&'a RawValue>,
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
    pub fn from_body(body: &[u8]) -> Result<Self, PageError> {
        let text = String::from_utf8_lossy(body);
        let lossy = matches!(text, std::borrow::Cow::Owned(_));
        let body: Body<'_> = serde_json::from_str(&text).map_err(|e| PageError::NotAPage { reason: e.to_string() })?;
        if body.ok == Some(false) {
            return Err(PageError::NotOk { error: body.error.unwrap_or_else(|| "no error given".into()) });
        }
        let raw = body.entries.ok_or_else(|| PageError::NotAPage { reason: "no `entries`".into() })?;
        let mut entries: Vec<Entry> = raw.into_iter().map(|raw| Entry::from_json(raw.get())).collect();
        if lossy {
            for entry in entries.iter_mut().filter(|e| e.raw.contains(char::REPLACEMENT_CHARACTER)) {
                entry.marks.insert(Mark::NotUtf8);
            }
        }
        let next_cursor = body.response_metadata.and_then(|m| m.next_cursor).filter(|c| !c.is_empty());
        Ok(Self { entries, next_cursor })
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    ok: Option<bool>,
    error: Option<String>,
    #[serde(borrow)]
    entries: Option<Vec<&'a RawValue>>,
    response_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    next_cursor: Option<String>,
}

/// An id is a non-empty string or, tolerantly, a number.
fn text_of(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(text).ok().filter(|s| !s.is_empty()),
        b'0'..=b'9' | b'-' => Some(text.to_owned()),
        _ => None,
    }
}

/// Whole seconds, also when they come as a string or with a fraction. Zero and negative times are no times.
fn seconds_of(raw: &RawValue) -> Option<UnixSeconds> {
    let text = raw.get().trim_matches('"');
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.is_finite() && (1.0..1e12).contains(&float)).then_some(float as u64)
    })?;
    (seconds > 0).then_some(UnixSeconds(seconds))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_are_kept_as_sent() {
        let raw = r#"{"id":"a","date_create":1611221649,"url":"https:\/\/x"}"#;
        let entry = Entry::from_json(raw);
        assert_eq!((entry.raw(), entry.id.as_str(), entry.time), (raw, "a", Some(UnixSeconds(1_611_221_649))));
        assert!(entry.marks.is_empty());
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
            assert_eq!(entry.id, Entry::from_json(raw).id);
            assert_eq!(entry.raw(), raw);
        }
        assert_eq!(Entry::from_json(r#"{"id":7,"date_create":"1611221649"}"#).id, "7");
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
