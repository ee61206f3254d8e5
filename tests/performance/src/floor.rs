//! The floor: the least work that reading an audit log can be.
//!
//! A line at a time from a buffer, checked to be UTF-8, parsed by serde_json into types that borrow from the line. What
//! gridwatch costs is given as a multiple of this, measured in the same run, because machines differ and are shared: the multiple
//! says the same on all of them. It keeps nothing, so its memory is one line.
//!
//! Nothing of gridwatch is in here, and nothing of this is in gridwatch.

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

const BUFFER: usize = 256 << 10;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub entries: u64,
    /// Lines that are no entry.
    pub odd: u64,
    /// Of all times, so that nothing can be optimised away.
    pub sum: u64,
}

/// Reads a file of entries, one a line.
///
/// # Errors
/// The file can't be read.
pub fn read(path: &Path) -> io::Result<Counted> {
    let mut lines = BufReader::with_capacity(BUFFER, File::open(path)?);
    let (mut line, mut counted) = (Vec::new(), Counted::default());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(counted);
        }
        let text = std::str::from_utf8(&line).ok();
        match text.and_then(|text| serde_json::from_str::<Entry<'_>>(text).ok()) {
            Some(entry) => {
                counted.entries += 1;
                counted.sum = counted.sum.wrapping_add(entry.date_create);
                black_box(&entry);
            }
            None => counted.odd += 1,
        }
    }
}

/// A text that is borrowed unless it has escapes. `Option<Cow<str>>` by itself would always be copied.
#[derive(Debug)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "they are made to be parsed, not to be read")]
struct Entry<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    date_create: u64,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    actor: Actor<'a>,
    #[serde(borrow)]
    entity: Entity<'a>,
    #[serde(borrow)]
    context: Context<'a>,
    #[serde(borrow, default)]
    details: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "they are made to be parsed, not to be read")]
struct Actor<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    user: Option<User<'a>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "they are made to be parsed, not to be read")]
struct User<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
    #[serde(borrow, default)]
    team: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "they are made to be parsed, not to be read")]
struct Context<'a> {
    #[serde(borrow, default)]
    location: Option<Location<'a>>,
    #[serde(borrow, default)]
    ua: Option<Text<'a>>,
    /// A number or a text.
    #[serde(borrow, default)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ip_address: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "they are made to be parsed, not to be read")]
struct Location<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    domain: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[expect(dead_code, reason = "they are made to be parsed, not to be read")]
struct Object<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
    #[serde(borrow, default)]
    team: Option<Text<'a>>,
    #[serde(borrow, default)]
    filetype: Option<Text<'a>>,
    #[serde(borrow, default)]
    privacy: Option<Text<'a>>,
    #[serde(default)]
    is_shared: Option<bool>,
    #[serde(borrow, default)]
    scopes: Vec<Text<'a>>,
}

/// Its object stands under the name of its type.
#[derive(Debug)]
struct Entity<'a> {
    kind: Option<Text<'a>>,
    object: Option<Object<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entity<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Entity<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an entity")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entity<'de>, A::Error> {
                let mut entity = Entity { kind: None, object: None };
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    match &*key.0 {
                        "type" => entity.kind = Some(map.next_value()?),
                        "user" | "file" | "channel" | "app" | "workspace" | "message" | "workflow" | "huddle"
                        | "enterprise" => entity.object = map.next_value()?,
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(entity)
            }
        }
        deserializer.deserialize_map(Parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_and_what_is_none_too() {
        let file = std::env::temp_dir().join(format!("floor-{}", std::process::id()));
        let entry = r#"{"id":"a","date_create":7,"action":"x","actor":{"type":"user","user":{"id":"W1"}},"entity":{"type":"file","file":{"id":"F1"}},"context":{"session_id":12},"details":{"a":[1]}}"#;
        std::fs::write(&file, format!("{entry}\n{entry}\n{{}}\nnone\n")).unwrap();
        let counted = read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(counted, Counted { entries: 2, odd: 2, sum: 14 });
    }
}
