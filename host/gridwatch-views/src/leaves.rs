//! A copy of an entry that is taken apart leaf by leaf.
//!
//! Whatever a mapper takes goes into an attribute; whatever it leaves goes to `unmapped`, in its old place. So nothing can
//! be lost by forgetting it. A leaf is a scalar, `null`, or an empty array or object: empty is not the same as absent.

use serde_json::{Map, Value};
use std::net::IpAddr;

type Object = Map<String, Value>;

#[derive(Clone, Debug)]
pub(crate) struct Leaves(Object);

impl Leaves {
    /// `None` if the entry isn't a JSON object.
    pub(crate) fn of(entry: &Value) -> Option<Self> {
        entry.as_object().cloned().map(Self)
    }

    pub(crate) fn into_rest(self) -> Object {
        self.0
    }

    pub(crate) fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.get(*first)?, |value, key| value.as_object()?.get(*key))
    }

    /// Text that says something; "" stays where it is.
    pub(crate) fn text(&mut self, path: &[&str]) -> Option<String> {
        self.take(path, |value| value.as_str().is_some_and(|text| !text.is_empty())).and_then(into_text)
    }

    /// Text or a number: `account_type_role.id` and `session_id` come as either. A number keeps its digits.
    pub(crate) fn id(&mut self, path: &[&str]) -> Option<String> {
        self.take(path, is_id).and_then(into_text)
    }

    /// Slack sends "" for what its own servers do; that stays where it is.
    pub(crate) fn ip(&mut self, path: &[&str]) -> Option<String> {
        self.take(path, |value| value.as_str().is_some_and(is_ip)).and_then(into_text)
    }

    /// Text that passes a test of the caller's.
    pub(crate) fn text_where(&mut self, path: &[&str], accept: impl Fn(&str) -> bool) -> Option<String> {
        self.take(path, |value| value.as_str().is_some_and(&accept)).and_then(into_text)
    }

    /// Whatever stands there, if it says something: no null, no "", nothing empty.
    pub(crate) fn saying(&mut self, path: &[&str]) -> Option<Value> {
        self.take(path, says_something)
    }

    /// An array of texts, at least one.
    pub(crate) fn texts(&mut self, path: &[&str]) -> Option<Value> {
        self.take(path, |value| value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string)))
    }

    /// Whatever stands there, with all below it.
    pub(crate) fn value(&mut self, path: &[&str]) -> Option<Value> {
        self.take(path, |_| true)
    }

    /// The object there with all that is left in it, unless that is nothing.
    pub(crate) fn object(&mut self, path: &[&str]) -> Option<Value> {
        self.take(path, |value| value.as_object().is_some_and(|object| !object.is_empty()))
    }

    fn take(&mut self, path: &[&str], accept: impl Fn(&Value) -> bool) -> Option<Value> {
        take(&mut self.0, path, accept)
    }
}

/// An object that this empties goes with its last leaf; one that was empty from the start is a leaf itself.
fn take(object: &mut Object, path: &[&str], accept: impl Fn(&Value) -> bool) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return if accept(object.get(*first)?) { object.remove(*first) } else { None };
    }
    let inner = object.get_mut(*first)?.as_object_mut()?;
    let taken = take(inner, rest, accept)?;
    if inner.is_empty() {
        object.remove(*first);
    }
    Some(taken)
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn is_id(value: &Value) -> bool {
    value.is_number() || value.as_str().is_some_and(|text| !text.is_empty())
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
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
    use serde_json::json;

    #[test]
    fn taking_the_last_leaf_takes_the_object_and_empty_things_stay() {
        let mut leaves = Leaves::of(&json!({"a": {"b": {"c": "x"}}, "e": {}, "s": "", "n": null, "l": []})).unwrap();
        assert_eq!(leaves.text(&["a", "b", "c"]).as_deref(), Some("x"));
        assert_eq!(leaves.text(&["s"]), None);
        assert_eq!(leaves.object(&["e"]), None);
        assert_eq!(Value::Object(leaves.into_rest()), json!({"e": {}, "s": "", "n": null, "l": []}));
    }

    #[test]
    fn a_number_keeps_its_digits_as_an_id() {
        for digits in ["1656410836837", "18446744073709551616000", "1e3", "-0", "1.50"] {
            let entry: Value = serde_json::from_str(&format!(r#"{{"id":{digits}}}"#)).unwrap();
            let text = Leaves::of(&entry).unwrap().id(&["id"]).unwrap();
            assert!(format!(r#"{{"id":{text}}}"#) == serde_json::to_string(&entry).unwrap(), "{digits} became {text}");
        }
    }

    #[test]
    fn only_what_ocsf_allows_is_an_address() {
        let mut leaves =
            Leaves::of(&json!({"a": "", "b": "1.2.3.04", "c": "fe80::1%eth0", "d": "::1", "e": "1.2.3.4"})).unwrap();
        assert_eq!(["a", "b", "c", "d", "e"].map(|key| leaves.ip(&[key]).is_some()), [false, false, false, true, true]);
        assert!(is_email("botuser-T1-A1@slack-bots.com") && is_email("o'hara+x@a.b.co"));
        assert!(
            !is_email("") && !is_email("a@b") && !is_email("a b@c.de") && !is_email("a@b@c.de") && !is_email("a@b.c\n")
        );
    }
}
