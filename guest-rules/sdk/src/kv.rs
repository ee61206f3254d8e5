//! Small durable state that the host keeps, for what windows can't say. Needs `grants = ["kv"]`.
//!
//! Ask for all keys of a batch in one call: a call costs as much as several rows.

/// A value and the event time (milliseconds) from which it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub key: String,
    pub value: Vec<u8>,
    pub expires_ms: u64,
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
    use super::{Item, Refused};
    use crate::guest::bindings::gridwatch::detect::kv;

    pub fn get_many(keys: &[String]) -> Vec<Option<Vec<u8>>> {
        kv::get_many(keys)
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
    use super::{Item, Refused};
    use std::cell::RefCell;
    use std::collections::HashMap;

    thread_local! {
        static ITEMS: RefCell<HashMap<String, Vec<u8>>> = RefCell::default();
    }

    pub fn get_many(keys: &[String]) -> Vec<Option<Vec<u8>>> {
        ITEMS.with_borrow(|items| keys.iter().map(|key| items.get(key).cloned()).collect())
    }

    pub fn set_many(new: Vec<Item>) -> Result<(), Refused> {
        ITEMS.with_borrow_mut(|items| items.extend(new.into_iter().map(|i| (i.key, i.value))));
        Ok(())
    }

    pub(crate) fn clear() {
        ITEMS.with_borrow_mut(HashMap::clear);
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use host::clear;
pub use host::{get_many, set_many};
