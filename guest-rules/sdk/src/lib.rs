//! gridwatch-sdk: write a detection as a plain function over typed rows.
//!
//! A module is a crate with a `module.toml` (its manifest), a two-line `build.rs` and a function:
//!
//! ```ignore
//! gridwatch_sdk::module!(detect);
//!
//! fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
//!     if row.action() == "user_login_failed" && row.window(windows::FAILED_10M) >= config.burst_failures {
//!         findings.add(
//!             row.finding(rules::BURST, Severity::Low)
//!                 .key(row.actor_id())
//!                 .title(format!("{} failed sign-ins of {}", row.window(windows::FAILED_10M), row.who()))
//!                 .window(windows::FAILED_10M),
//!         );
//!     }
//! }
//! ```
//!
//! The build script turns the manifest into Rust: an accessor for each declared field (`row.actor_email()`), a constant
//! for each window and rule, a `Config` with the declared settings; and `row.who()`, the actor's e-mail, name or id, whichever
//! of those declared is given first, with `row.is_by_nobody()` and `row.doer_or(thing)`. A name that the manifest doesn't declare does not
//! compile, so what a module reads is what its manifest says it reads.
//!
//! In `Cargo.toml` the SDK stands three times: plain under `dependencies`, with the feature `build` (reads manifests) under
//! `build-dependencies`, and with `testing` (the host's windows and folding) under `dev-dependencies`.
//!
//! Every key of the manifest, and how to say things with windows, is in `guest-rules/README.md`.
//!
//! The same function runs in three places: as WASM in the host, natively in the module's tests, and in replays. It must
//! depend on nothing but its row and configuration; counting is the host's business (windows).

pub mod finding;
pub mod kv;
pub mod log;
mod lookup;
pub mod row;
pub mod scopes;

#[cfg(all(feature = "build", not(target_arch = "wasm32")))]
pub mod build;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
pub mod guest;

pub use gridwatch_looks as looks;
pub use gridwatch_settings as settings;
pub use gridwatch_settings::{change, json};

pub use finding::{Finding, Findings, Severity};
pub use row::{Batch, Compared, Floors, Row, Rule, Seen, Text, Usual, Window};
pub use serde;

/// What every detection names; [`module!`] brings it into scope.
pub mod prelude {
    pub use crate::finding::{Finding, Findings, Severity};
    pub use crate::row::{Compared, Floors, Row, Seen, Usual};
}

/// Is it no account: absent, or a stand-in that Slack writes where nobody in particular acted? What is counted under such an
/// id is many people's.
pub fn is_nobody(id: &str) -> bool {
    matches!(id, "" | "USLACKUSER" | "USLACKSECURITY" | "USLACKBOT")
}

/// The first of these texts that is given, else `or`.
pub fn first_or<'t, const N: usize>(texts: [&'t str; N], or: &'t str) -> &'t str {
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or(or)
}

/// A module's settings, generated from its manifest. To be implemented for them only where there is something to check.
pub trait Configuration: Default + for<'de> serde::Deserialize<'de> {
    /// What the host's checks of single values can't say, such as one setting that has to be below another.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// For settings without a [`Configuration`] of their own: nothing can be wrong with them.
pub mod unchecked {
    /// Implemented for references, so that the compiler takes [`super::Configuration::problems`] where the settings have it.
    pub trait NoProblems {
        fn problems(&self) -> Vec<String> {
            Vec::new()
        }
    }

    impl<T> NoProblems for &T {}
}

/// Declares the crate to be a module whose detection is the given function. Brings into scope what the manifest declares
/// (`Config`, `fields`, `windows`, `rules`, the rows' accessors) and the names of [`prelude`].
#[macro_export]
macro_rules! module {
    ($detect:ident) => {
        #[allow(unused_imports, reason = "not every module names all of them")]
        use $crate::prelude::*;

        include!(concat!(env!("OUT_DIR"), "/manifest.rs"));

        #[cfg(target_arch = "wasm32")]
        $crate::export_module!(Config, $detect);

        $crate::native_tests!($detect);
    };
}

/// A module's own tests, run natively: with the feature `testing`, so only inside of gridwatch's workspace. Anywhere else
/// `gridwatch module test` runs the cases, on the component.
#[cfg(feature = "testing")]
#[macro_export]
macro_rules! native_tests {
    ($detect:ident) => {
        #[cfg(test)]
        mod cases {
            const MANIFEST: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/module.toml"));
            const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");

            /// Every file of `cases/`, natively, each with several batch sizes and without triggers.
            #[test]
            fn cases_hold() {
                $crate::testing::run_cases::<super::Config>(MANIFEST, super::$detect, CASES);
            }

            /// What the rules' triggers hold back changes nothing, whatever comes.
            #[test]
            fn triggers_hide_nothing() {
                #[allow(unused_imports, reason = "one of the two")]
                use $crate::{Configuration as _, unchecked::NoProblems as _};
                let accepts = |config: &super::Config| config.problems().is_empty();
                $crate::testing::try_random_batches::<super::Config>(MANIFEST, super::$detect, accepts, CASES);
            }
        }
    };
}

/// Without the feature `testing` there is nothing to run them with.
#[cfg(not(feature = "testing"))]
#[macro_export]
macro_rules! native_tests {
    ($detect:ident) => {};
}
