//! The leaves of an entry, of which some have been taken.
//!
//! Whatever a mapper takes goes into an attribute; whatever it leaves goes to `unmapped`, in its old place. So nothing can
//! be lost by forgetting it. A leaf is a scalar, `null`, or an empty array or object: empty is not the same as absent.

use crate::shown::{Fields, Shown};
use gridwatch_event::part::{Part, Place};
use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub(crate) struct Leaves<'e> {
    entry: Part<'e>,
    taken: Taken,
}

#[derive(Clone, Debug, Default)]
struct Taken {
    written: Vec<bool>,
    read: HashSet<usize>,
}

impl Taken {
    fn has(&self, part: Part<'_>) -> bool {
        match part.place() {
            Place::Written(number) => self.written.get(number).is_some_and(|taken| *taken),
            Place::Read(number) => self.read.contains(&number),
        }
    }

    fn add(&mut self, part: Part<'_>) {
        match part.place() {
            Place::Written(number) => {
                if number >= self.written.len() {
                    self.written.resize(number + 1, false);
                }
                self.written[number] = true;
            }
            Place::Read(number) => _ = self.read.insert(number),
        }
    }
}

impl<'e> Leaves<'e> {
    /// `None` if the entry isn't a JSON object.
    pub(crate) fn of(entry: Part<'e>) -> Option<Self> {
        entry.is_object().then(|| Self { entry, taken: Taken::default() })
    }

    pub(crate) fn into_rest(self) -> Fields<'e> {
        self.left_in(self.entry)
    }

    pub(crate) fn get(&self, path: &[&str]) -> Option<Part<'e>> {
        path.iter().try_fold(self.entry, |part, name| part.get(name).filter(|inner| !self.taken.has(*inner)))
    }

    /// Text that says something; "" stays where it is.
    pub(crate) fn text(&mut self, path: &[&str]) -> Option<Cow<'e, str>> {
        self.take(path, says_text).and_then(Part::as_str)
    }

    /// Text or a number: `account_type_role.id` and `session_id` come as either. A number keeps its digits.
    pub(crate) fn id(&mut self, path: &[&str]) -> Option<Cow<'e, str>> {
        self.take(path, |part| part.as_number().is_some() || says_text(part)).and_then(as_text)
    }

    /// Slack sends "" for what its own servers do; that stays where it is.
    pub(crate) fn ip(&mut self, path: &[&str]) -> Option<Cow<'e, str>> {
        self.text_where(path, is_ip)
    }

    /// Text that passes a test of the caller's.
    pub(crate) fn text_where(&mut self, path: &[&str], accept: impl Fn(&str) -> bool) -> Option<Cow<'e, str>> {
        self.take(path, |part| part.as_str().is_some_and(|text| accept(&text))).and_then(Part::as_str)
    }

    /// Whatever stands there, if it says something: no null, no "", nothing empty.
    pub(crate) fn saying(&mut self, path: &[&str]) -> Option<Shown<'e>> {
        self.take_all(path, says_something)
    }

    /// An array of texts, at least one.
    pub(crate) fn texts(&mut self, path: &[&str]) -> Option<Shown<'e>> {
        self.take_all(path, |part| part.items().next().is_some() && part.items().all(Part::is_text))
    }

    /// Whatever stands there, with all below it.
    pub(crate) fn value(&mut self, path: &[&str]) -> Option<Shown<'e>> {
        self.take_all(path, |_| true)
    }

    /// The object there with all that is left in it, unless that is nothing.
    pub(crate) fn object(&mut self, path: &[&str]) -> Option<Shown<'e>> {
        self.take_all(path, |part| part.members().next().is_some())
    }

    /// With what is left in it.
    fn take_all(&mut self, path: &[&str], accept: impl Fn(Part<'e>) -> bool) -> Option<Shown<'e>> {
        let part = self.get(path).filter(|part| accept(*part))?;
        let left = self.left_of(part);
        self.take(path, accept)?;
        Some(left)
    }

    /// An object that this empties goes with its last leaf; one that was empty from the start is a leaf itself.
    fn take(&mut self, path: &[&str], accept: impl Fn(Part<'e>) -> bool) -> Option<Part<'e>> {
        let (name, way) = path.split_last()?;
        let mut outer = self.get(way)?;
        let part = outer.get(name).filter(|part| !self.taken.has(*part) && accept(*part))?;
        self.taken.add(part);
        for end in (1..=way.len()).rev() {
            if outer.members().any(|(_, inner)| !self.taken.has(inner)) {
                break;
            }
            self.taken.add(outer);
            outer = self.get(&way[..end - 1])?;
        }
        Some(part)
    }

    fn left_of(&self, part: Part<'e>) -> Shown<'e> {
        match self.has_lost(part) {
            true => self.left_in(part).into(),
            false => Shown::Part(part),
        }
    }

    fn left_in(&self, object: Part<'e>) -> Fields<'e> {
        let mut left = Fields::new();
        for (key, part) in object.members().filter(|(_, part)| !self.taken.has(*part)) {
            left.push(key, self.left_of(part));
        }
        left
    }

    /// Was anything taken out of it?
    fn has_lost(&self, part: Part<'e>) -> bool {
        part.members().any(|(_, inner)| self.taken.has(inner) || self.has_lost(inner))
    }
}

fn says_text(part: Part<'_>) -> bool {
    part.is_text() && !part.is("")
}

fn says_something(part: Part<'_>) -> bool {
    match part {
        text if text.is_text() => !text.is(""),
        list if list.is_list() => list.items().next().is_some(),
        object if object.is_object() => object.members().next().is_some(),
        other => !other.is_null(),
    }
}

/// A text, or the digits of a number.
pub(crate) fn as_text(part: Part<'_>) -> Option<Cow<'_, str>> {
    part.as_number().map(Cow::Borrowed).or_else(|| part.as_str())
}

/// OCSF's `ip_t`, without the zone that its pattern has room for: a zone means something on one machine only.
pub(crate) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// OCSF's `email_t`: `^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$`, where `+-/` is a range.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let Some((host, rest)) = domain.split_once('.') else {
        return false;
    };
    let is_host =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let is_local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+,-./=?^_`{|}~".contains(&b);
    !local.is_empty() && local.bytes().all(is_local) && is_host(host) && is_host(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn taking_the_last_leaf_takes_the_object_and_empty_things_stay() {
        let entry = json!({"a": {"b": {"c": "x"}}, "e": {}, "s": "", "n": null, "l": []});
        let mut leaves = Leaves::of(Part::read(&entry)).unwrap();
        assert_eq!(leaves.text(&["a", "b", "c"]).as_deref(), Some("x"));
        assert_eq!(leaves.text(&["s"]), None);
        assert_eq!(leaves.object(&["e"]), None);
        assert_eq!(Value::from(leaves.into_rest()), json!({"e": {}, "s": "", "n": null, "l": []}));
    }

    #[test]
    fn a_number_keeps_its_digits_as_an_id() {
        for digits in ["1656410836837", "18446744073709551616000", "1e3", "-0", "1.50"] {
            let entry: Value = serde_json::from_str(&format!(r#"{{"id":{digits}}}"#)).unwrap();
            let text = Leaves::of(Part::read(&entry)).unwrap().id(&["id"]).unwrap();
            assert!(format!(r#"{{"id":{text}}}"#) == serde_json::to_string(&entry).unwrap(), "{digits} became {text}");
        }
    }

    #[test]
    fn only_what_ocsf_allows_is_an_address() {
        let entry = json!({"a": "", "b": "1.2.3.04", "c": "fe80::1%eth0", "d": "::1", "e": "1.2.3.4"});
        let mut leaves = Leaves::of(Part::read(&entry)).unwrap();
        assert_eq!(["a", "b", "c", "d", "e"].map(|key| leaves.ip(&[key]).is_some()), [false, false, false, true, true]);
        assert!(is_email("botuser-T1-A1@slack-bots.com") && is_email("o'hara+x@a.b.co"));
        assert!(
            !is_email("") && !is_email("a@b") && !is_email("a b@c.de") && !is_email("a@b@c.de") && !is_email("a@b.c\n")
        );
    }
}
