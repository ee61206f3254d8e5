//! Membership in the configuration's tables, a whole column at a time. Authors use [`crate::Row::is_in`].

#[cfg(target_arch = "wasm32")]
pub(crate) fn contains_many(table: &str, ids: &[u32], _text: impl Fn(u32) -> String) -> Vec<bool> {
    match crate::guest::bindings::gridwatch::detect::lookup::contains_many(table, ids) {
        Ok(answers) => answers.into_iter().map(|a| a != 0).collect(),
        Err(_) => vec![false; ids.len()],
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::contains_many;
#[cfg(all(not(target_arch = "wasm32"), feature = "testing"))]
pub(crate) use native::set_tables;

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;

    /// Does this table hold this text?
    type Contains = Box<dyn Fn(&str, &str) -> bool>;

    thread_local! {
        /// Without tables there are none: nothing is in them.
        static TABLES: RefCell<Contains> = RefCell::new(Box::new(|_, _| false));
    }

    pub(crate) fn contains_many(table: &str, ids: &[u32], text: impl Fn(u32) -> String) -> Vec<bool> {
        TABLES.with_borrow(|contains| ids.iter().map(|id| contains(table, &text(*id))).collect())
    }

    #[cfg(feature = "testing")]
    pub(crate) fn set_tables(contains: impl Fn(&str, &str) -> bool + 'static) {
        TABLES.set(Box::new(contains));
    }
}
