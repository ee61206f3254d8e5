//! The glue between a module's function and the world of `wit/detect.wit`. Exists in WASM only.

#![allow(missing_debug_implementations, unreachable_pub, unsafe_code, reason = "generated bindings")]

use crate::finding::Findings;
use crate::row::{Batch, Row};
use serde::de::DeserializeOwned;
use std::cell::OnceCell;

#[rustfmt::skip]
pub mod bindings;

use bindings::exports::gridwatch::detect::rules as wit;

/// The host puts a line of this level into the fault, if a trap comes next.
const LAST_WORDS: u8 = 2;
/// A panic's message may hold anything, and what doesn't fit into a call would end it without a word.
const MAX_PANIC: usize = 1_000;

/// Has a panic say its message and place before it becomes a trap, which has neither.
pub fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text: String = panic.to_string().chars().take(MAX_PANIC).collect();
        bindings::gridwatch::detect::log::write(LAST_WORDS, &text);
    }));
}

/// Parses the configuration the host sends and keeps it for the instance's life.
pub fn configure<C: DeserializeOwned>(
    cell: &OnceCell<C>,
    json: &str,
    problems: fn(&C) -> Vec<String>,
) -> Result<(), Vec<String>> {
    tell_of_panics();
    let config: C = serde_json::from_str(json).map_err(|e| vec![e.to_string()])?;
    let problems = problems(&config);
    if !problems.is_empty() {
        return Err(problems);
    }
    cell.set(config).map_err(|_| vec!["configured twice".to_owned()])
}

pub fn evaluate<C>(
    config: &C,
    batch: wit::Batch,
    detect: fn(&Row<'_>, &C, &mut Findings),
) -> Result<Vec<wit::Finding>, String> {
    let wit::Batch { seqs, times_ms, texts, windows, dict_offsets, dict_bytes } = batch;
    let batch = Batch::new(seqs, times_ms, texts, windows, &dict_offsets, &dict_bytes)?;
    let mut findings = Findings::default();
    for row in batch.rows() {
        detect(&row, config, &mut findings);
    }
    let finding = |f: crate::Finding| wit::Finding {
        row: f.row,
        rule: f.rule,
        severity: f.severity as u8,
        dedup_key: f.key,
        title: f.title,
        evidence: f.evidence,
        windows: f.windows,
        labels: f
            .labels
            .into_iter()
            .map(|(key, value)| bindings::gridwatch::detect::types::Label { key, value })
            .collect(),
    };
    Ok(findings.list.into_iter().map(finding).collect())
}

/// Exports a module's function; called by [`crate::module!`].
#[macro_export]
macro_rules! export_module {
    ($config:ty, $detect:path) => {
        const _: () = {
            use $crate::guest::bindings::exports::gridwatch::detect::rules;

            struct Module;

            thread_local! {
                static CONFIG: ::std::cell::OnceCell<$config> = const { ::std::cell::OnceCell::new() };
            }

            impl rules::Guest for Module {
                fn configure(
                    json: ::std::string::String,
                ) -> ::std::result::Result<(), ::std::vec::Vec<::std::string::String>> {
                    #[allow(unused_imports, reason = "one of the two")]
                    use $crate::{Configuration as _, unchecked::NoProblems as _};
                    CONFIG.with(|config| $crate::guest::configure(config, &json, |config: &$config| config.problems()))
                }

                fn evaluate(
                    rows: rules::Batch,
                ) -> ::std::result::Result<::std::vec::Vec<rules::Finding>, ::std::string::String> {
                    CONFIG.with(|config| match config.get() {
                        Some(config) => $crate::guest::evaluate(config, rows, $detect),
                        None => Err("evaluate before configure".into()),
                    })
                }
            }

    $crate::guest::bindings::export!(Module with_types_in $crate::guest::bindings);
        };
    };
}
