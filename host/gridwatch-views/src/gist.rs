//! What a line says, whenever and under whichever number it was made: how a sink knows that it has a record already.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is another when an entry is read and judged once more: its place in gridwatch's order, and when it was seen.
const OF_THE_MAKING: [(&str, &str); 5] = [
    ("metadata", "sequence"),
    ("metadata", "loggers"),
    ("metadata", "logged_time"),
    ("event", "sequence"),
    ("event", "created"),
];
/// Where the id of a record of an alert is. There is no other one under it.
const IDS: [&str; 2] = ["/metadata/uid", "/event/id"];

/// The same for two lines of one record, in whatever view. `None` for what isn't JSON.
pub fn gist(line: &[u8]) -> Option<[u8; 32]> {
    let mut value: Value = serde_json::from_slice(line).ok()?;
    let id = IDS.iter().find_map(|at| value.pointer(at)?.as_str()).filter(|id| id.starts_with("gw-"));
    if let Some(id) = id {
        return Some(Sha256::digest(id).into());
    }
    for (object, key) in OF_THE_MAKING {
        if let Some(object) = value.get_mut(object).and_then(Value::as_object_mut) {
            object.remove(key);
        }
    }
    Some(Sha256::digest(value.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Product, RawData, View};
    use gridwatch_event::entry::Entry;
    use gridwatch_event::event::{Event, Sight};
    use gridwatch_event::time::UnixMillis;

    const PRODUCT: Product<'static> = Product { version: "1" };

    fn line(view: View, id: &str, seq: u64, sight: Sight) -> String {
        let raw = format!(
            r#"{{"id":"{id}","date_create":1790000000,"action":"user_login","actor":{{"type":"user","user":{{"id":"W1"}}}}}}"#
        );
        view.event_line(&Event::seen(seq, sight, &Entry::from_json(&raw)), &PRODUCT, RawData::Include)
    }

    #[test]
    fn a_record_is_known_again_under_another_number_and_not_taken_for_another() {
        let [first, later] = [1_790_000_100_000, 1_790_000_900_000].map(|ms| Sight::first(UnixMillis(ms)));
        for view in View::ALL {
            let known = gist(line(view, "a", 7, first).as_bytes()).unwrap();
            assert_eq!(gist(line(view, "a", 90, later).as_bytes()), Some(known), "{view:?}");
            assert_ne!(gist(line(view, "b", 7, first).as_bytes()), Some(known), "{view:?}");
            let changed = Sight { version: 2, ..first };
            assert_ne!(gist(line(view, "a", 7, changed).as_bytes()), Some(known), "{view:?}");
        }
        assert_eq!(gist(b"{torn"), None);
    }
}
