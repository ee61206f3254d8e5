//! Small durable state that the host keeps, for what windows can't say. Needs `grants = ["kv"]`.
//!
//! Ask for all keys of a row in one call, and only for rows that need it: a call costs as much as several rows.

/// A value and the event time (milliseconds) from which it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub key: String,
    pub value: Vec<u8>,
    pub expires_ms: u64,
}

/// A value that is there, which a row may be too late to see.
struct Held {
    value: Vec<u8>,
    expires_ms: u64,
}

/// The value of each key, as of a row's time: `now_ms` is [`crate::Row::time_ms`]. What has expired by then isn't there.
pub fn get_many(keys: &[String], now_ms: u64) -> Vec<Option<Vec<u8>>> {
    let there = |held: &Held| held.expires_ms > now_ms;
    host::get_many(keys).into_iter().map(|held| held.filter(there).map(|held| held.value)).collect()
}

/// Why a write was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    OverQuota,
    TooLong,
    NotGranted,
}

#[cfg(target_arch = "wasm32")]
mod host {
    use super::{Held, Item, Refused};
    use crate::guest::bindings::gridwatch::detect::kv;

    pub(super) fn get_many(keys: &[String]) -> Vec<Option<Held>> {
        let held = |e: kv::Held| Held { value: e.value, expires_ms: e.expires_ms };
        kv::get_many(keys).into_iter().map(|found| found.map(held)).collect()
    }

    pub fn set_many(items: Vec<Item>) -> Result<(), Refused> {
        let item = |i: Item| kv::Item { key: i.key, value: i.value, expires_ms: i.expires_ms };
        kv::set_many(&items.into_iter().map(item).collect::<Vec<_>>()).map_err(|code| match code {
            1 => Refused::OverQuota,
            2 => Refused::TooLong,
            _ => Refused::NotGranted,
        })
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod host {
    use super::{Held, Item, Refused};
    use std::cell::RefCell;
    use std::collections::HashMap;

    thread_local! {
        static ITEMS: RefCell<HashMap<String, Item>> = RefCell::default();
    }

    pub(super) fn get_many(keys: &[String]) -> Vec<Option<Held>> {
        let held = |item: &Item| Held { value: item.value.clone(), expires_ms: item.expires_ms };
        ITEMS.with_borrow(|items| keys.iter().map(|key| items.get(key).map(held)).collect())
    }

    pub fn set_many(new: Vec<Item>) -> Result<(), Refused> {
        ITEMS.with_borrow_mut(|items| items.extend(new.into_iter().map(|i| (i.key.clone(), i))));
        Ok(())
    }

    #[cfg(feature = "testing")]
    pub(crate) fn clear() {
        ITEMS.with_borrow_mut(HashMap::clear);
    }
}

#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub(crate) use host::clear;
pub use host::set_many;
