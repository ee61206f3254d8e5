//! The leaves of an entry, of which some have been taken.
//!
//! Whatever a mapper takes goes into an attribute; whatever it leaves goes to `unmapped`, in its old place. So nothing can
//! be lost by forgetting it. A leaf is a scalar, `null`, or an empty array or object: empty is not the same as absent.

use crate::shown::Shown;
use gridwatch_event::part::{Part, Place};
use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

#[derive(Clone, Debug)]
pub(crate) struct Leaves<'e> {
    entry: Part<'e>,
    /// Where all of it stands.
    actor: Option<Part<'e>>,
    entity: Option<Part<'e>>,
    context: Option<Part<'e>>,
    details: Option<Part<'e>>,
    taken: Taken,
}

/// Which parts of an entry have been taken, and so all that is inside them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// By number, as many as an ordinary entry has.
    few: [u64; 4],
    /// Those behind.
    more: Vec<bool>,
    read: HashSet<usize>,
}

impl Taken {
    #[inline]
    pub(crate) fn has(&self, part: Part<'_>) -> bool {
        match part.place() {
            Place::Written { at, .. } => self.has_number(at),
            Place::Read(number) => self.read.contains(&number),
        }
    }

    #[inline]
    fn has_number(&self, at: usize) -> bool {
        match self.few.get(at / 64) {
            Some(bits) => bits >> (at % 64) & 1 == 1,
            None => self.more.get(at - 64 * self.few.len()).is_some_and(|taken| *taken),
        }
    }

    fn add(&mut self, part: Part<'_>) {
        let at = match part.place() {
            Place::Written { at, .. } => at,
            Place::Read(number) => {
                self.read.insert(number);
                return;
            }
        };
        if let Some(bits) = self.few.get_mut(at / 64) {
            *bits |= 1 << (at % 64);
            return;
        }
        let at = at - 64 * self.few.len();
        if at >= self.more.len() {
            self.more.resize(at + 1, false);
        }
        self.more[at] = true;
    }

    /// Was anything taken out of it?
    fn has_inside(&self, part: Part<'_>) -> bool {
        match part.place() {
            Place::Written { at, after } => (at + 1..after).any(|number| self.has_number(number)),
            Place::Read(_) => {
                let inside = part.members().map(|(_, inner)| inner).chain(part.items());
                !self.read.is_empty() && { inside }.any(|inner| self.has(inner) || self.has_inside(inner))
            }
        }
    }
}

impl<'e> Leaves<'e> {
    /// `None` if the entry isn't a JSON object.
    pub(crate) fn of(entry: Part<'e>) -> Option<Self> {
        let [actor, entity, context, details] = ["actor", "entity", "context", "details"].map(|key| entry.get(key));
        entry.is_object().then(|| Self { entry, actor, entity, context, details, taken: Taken::default() })
    }

    /// All that is left, if anything is; and what isn't.
    pub(crate) fn into_rest(self) -> (Option<Shown<'e>>, Taken) {
        let is_left = self.entry.has_member(|part| !self.taken.has(part));
        (is_left.then_some(Shown::Left(self.entry)), self.taken)
    }

    pub(crate) fn get(&self, path: &[&str]) -> Option<Part<'e>> {
        let Some((first, rest)) = path.split_first() else { return Some(self.entry) };
        let from = match *first {
            "actor" => self.actor,
            "entity" => self.entity,
            "context" => self.context,
            "details" => self.details,
            other => self.entry.get(other),
        };
        let from = from.filter(|part| !self.taken.has(*part))?;
        rest.iter().try_fold(from, |part, name| part.get(name).filter(|inner| !self.taken.has(*inner)))
    }

    /// A member that is left.
    pub(crate) fn inside(&self, part: Part<'e>, name: &str) -> Option<Part<'e>> {
        part.get(name).filter(|inner| !self.taken.has(*inner))
    }

    pub(crate) fn into_taken(self) -> Taken {
        self.taken
    }

    /// The same as [`text`](Self::text), to be shown as it is.
    pub(crate) fn show_text(&mut self, path: &[&str]) -> Option<Shown<'e>> {
        self.take(path, says_text).map(Shown::Part)
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

    /// The same as [`text_where`](Self::text_where), to be shown as it is.
    pub(crate) fn show_text_where(&mut self, path: &[&str], accept: impl Fn(&str) -> bool) -> Option<Shown<'e>> {
        self.take(path, |part| part.as_str().is_some_and(|text| accept(&text))).map(Shown::Part)
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
        self.take_all(path, |part| part.has_member(|_| true))
    }

    /// With what is left in it.
    fn take_all(&mut self, path: &[&str], accept: impl Fn(Part<'e>) -> bool) -> Option<Shown<'e>> {
        let part = self.take(path, accept)?;
        let is_whole = !self.taken.has_inside(part);
        Some(if is_whole { Shown::Part(part) } else { Shown::Left(part) })
    }

    /// An object that this empties goes with its last leaf; one that was empty from the start is a leaf itself.
    fn take(&mut self, path: &[&str], accept: impl Fn(Part<'e>) -> bool) -> Option<Part<'e>> {
        let (name, way) = path.split_last()?;
        let outer = self.get(way)?;
        let part = outer.get(name).filter(|part| !self.taken.has(*part) && accept(*part))?;
        self.taken.add(part);
        self.drop_emptied(outer, way);
        Some(part)
    }

    fn drop_emptied(&mut self, object: Part<'e>, path: &[&str]) {
        if let Some((_, way)) = path.split_last()
            && !object.has_member(|inner| !self.taken.has(inner))
        {
            self.taken.add(object);
            if let Some(outer) = self.get(way) {
                self.drop_emptied(outer, way);
            }
        }
    }
}

fn says_text(part: Part<'_>) -> bool {
    part.is_text() && !part.is("")
}

fn says_something(part: Part<'_>) -> bool {
    match part {
        text if text.is_text() => !text.is(""),
        list if list.is_list() => list.items().next().is_some(),
        object if object.is_object() => object.has_member(|_| true),
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
        assert!(leaves.object(&["e"]).is_none());
        let (rest, taken) = leaves.into_rest();
        let mut out = Vec::new();
        rest.unwrap().write(&taken, &mut out);
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), json!({"e": {}, "s": "", "n": null, "l": []}));
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
