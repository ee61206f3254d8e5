//! Membership in the configuration's tables, a whole column at a time. Authors use [`crate::Row::is_in`].

#[cfg(target_arch = "wasm32")]
pub(crate) fn contains_many(table: &str, ids: &[u32], _text: impl Fn(u32) -> String) -> Vec<bool> {
    match crate::guest::bindings::gridwatch::detect::lookup::contains_many(table, ids) {
        Ok(answers) => answers.into_iter().map(|a| a != 0).collect(),
        Err(_) => vec![false; ids.len()],
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{contains_many, set_tables};

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use gridwatch_core::lookup::Tables;
    use std::cell::RefCell;

    thread_local! {
        static TABLES: RefCell<Tables> = RefCell::default();
    }

    pub(crate) fn contains_many(table: &str, ids: &[u32], text: impl Fn(u32) -> String) -> Vec<bool> {
        TABLES.with_borrow(|tables| ids.iter().map(|id| tables.contains(table, &text(*id)).unwrap_or(false)).collect())
    }

    pub(crate) fn set_tables(tables: Tables) {
        TABLES.set(tables);
    }
}
