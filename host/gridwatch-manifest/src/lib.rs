//! What a module says of itself: its manifest, with the fields, windows, rules and settings in it.
//!
//! Nothing here reads an event or runs a rule. That is what lets a module's build script check a manifest without compiling
//! windows, views or polling.

pub mod document;
pub mod expression;
mod field;
mod manifest;
mod severity;
mod span;

pub use field::{AddressPart, Field, NotAField, Party, Source};
pub use manifest::{
    ABI, Baseline, Conditions, ConfigKey, ConfigKind, FieldTest, Grant, MAX_AT_LEAST, MAX_BUDGET, MAX_BYTES,
    MAX_FIELDS, MAX_MATCHES, MAX_RULES, MAX_SPAN_S, MAX_WINDOWS, Manifest, ManifestError, Playbook, Rule, SECTION,
    Saying, Says, SequenceStep, Step, Threshold, Trigger, WindowKind, WindowSpec, WindowTest,
};
pub use severity::Severity;
pub use span::{parse_span, span_text};
