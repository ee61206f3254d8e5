//! From a folder of Sigma rules for Slack's audit log to the manifest of a module.
//!
//! ```text
//! document ─► the YAML documents of each file, parsed, with the lines that problems are told with
//! field    ─► Sigma's names of fields (Slack's paths, ECS, gridwatch's own) as fields of a manifest
//! matching ─► detection and condition as an expression of the manifest's `[match]`
//! counting ─► correlations as windows
//! pack     ─► all of it as a manifest, with the program that the interpreter reads
//! ```
//!
//! Nothing is approximated: what a manifest can't say is a problem, with its file and line. Reads no file and runs nothing.

mod action;
mod counting;
mod document;
mod field;
mod head;
mod matching;
mod pack;

pub use document::Problem;
pub use head::HEAD;

/// A file of the folder, by the name that problems are told with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// What a folder of rules comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// As TOML.
    pub manifest: String,
    pub rules: usize,
    /// What is worth knowing and stops nothing, each with its place.
    pub notes: Vec<Problem>,
}

/// `folder` names the module where no `pack.toml` is among the files.
///
/// # Errors
/// Everything in the files that can't be taken.
pub fn pack(folder: &str, files: &[File]) -> Result<Pack, Vec<Problem>> {
    pack::of(folder, files)
}
