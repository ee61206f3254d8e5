//! A new module: a folder anywhere that builds, passes its tests and passes `check` as it is. What it is written with, the SDK, is
//! beside it as a copy that this program carries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::file::is_name;

/// What a rule may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
}

/// Work that an event of the new module may cost, with room for a rule that does more: measured by `check` on its own cases.
const FUEL: [(Language, u64); 3] =
    [(Language::Rust, 20_000), (Language::Python, 2_000_000), (Language::JavaScript, 2_000_000)];

const MANIFEST: &str = include_str!("../template/common/module.toml");
const README: &str = include_str!("../template/common/README.md");
const IGNORED: &str = include_str!("../template/common/gitignore");

macro_rules! cases {
    ($($name:literal),*) => { &[$((concat!("cases/", $name), include_str!(concat!("../template/common/cases/", $name)))),*] };
}
const CASES: &[(&str, &str)] = cases!(
    "ten-failures.json",
    "from-three-addresses.json",
    "three-mistypes.json",
    "nine-failures.json",
    "late-and-twice.json"
);

macro_rules! sources {
    ($to:literal, $from:literal, $($name:literal),*) => { &[$((concat!($to, $name), include_str!(concat!($from, $name)))),*] };
}
/// The SDK of the workspace itself, but for what only the workspace needs (reading manifests, running cases natively); and the two crates
/// that it is built on.
const RUST_SDK: &[&[(&str, &str)]] = &[
    sources!(
        "sdk/src/",
        "../../../guest-rules/sdk/src/",
        "finding.rs",
        "guest.rs",
        "guest/bindings.rs",
        "kv.rs",
        "lib.rs",
        "log.rs",
        "lookup.rs",
        "row.rs",
        "scopes.rs"
    ),
    sources!(
        "sdk/settings/src/",
        "../../gridwatch-settings/src/",
        "audience.rs",
        "change.rs",
        "json.rs",
        "length.rs",
        "lib.rs",
        "number.rs",
        "ranges.rs",
        "retention.rs",
        "table.rs"
    ),
    sources!("sdk/looks/src/", "../../gridwatch-looks/src/", "lib.rs"),
];
const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../template/rust/Cargo.toml")),
    ("Cargo.lock", include_str!("../template/rust/Cargo.lock.txt")),
    ("build.rs", include_str!("../template/rust/build.rs")),
    ("src/lib.rs", include_str!("../template/rust/src/lib.rs")),
    ("sdk/Cargo.toml", include_str!("../template/rust/sdk/Cargo.toml.txt")),
    ("sdk/settings/Cargo.toml", include_str!("../template/rust/sdk/settings.toml.txt")),
    ("sdk/looks/Cargo.toml", include_str!("../template/rust/sdk/looks.toml.txt")),
];
const PYTHON: &[(&str, &str)] = &[
    ("rule.py", include_str!("../template/python/rule.py")),
    ("requirements.txt", include_str!("../template/python/requirements.txt")),
    ("sdk/gridwatch.py", include_str!("../template/python/gridwatch.py")),
];
const JAVASCRIPT: &[(&str, &str)] = &[
    ("rule.js", include_str!("../template/javascript/rule.js")),
    ("package.json", include_str!("../template/javascript/package.json")),
    ("sdk/gridwatch.js", include_str!("../template/javascript/gridwatch.js")),
];

/// The contract between host and module, carried in every new module and used to build those that are not in Rust.
pub const WIT: &str = include_str!("../../../wit/detect.wit");
/// The release of wit-bindgen that made the SDK's bindings, and that the copy is built with.
pub const WIT_BINDGEN: &str = "=0.61.1";

#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    #[error("`{0}` is no name of a module: use a-z, 0-9 and -, beginning with a letter")]
    Name(String),
    #[error("{0} is there already, and isn't an empty folder")]
    NotEmpty(PathBuf),
    #[error("can't write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Language {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The file that the rule is written in.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::Python => "rule.py",
            Self::JavaScript => "rule.js",
        }
    }

    /// What a module's folder is written in, by what lies in it.
    pub fn of(folder: &Path) -> Option<Self> {
        let mark = |language: &Self| match language {
            Self::Rust => "Cargo.toml",
            other => other.rule(),
        };
        [Self::Rust, Self::Python, Self::JavaScript].into_iter().find(|language| folder.join(mark(language)).is_file())
    }

    /// What has to be fetched once before the first build, as a line of shell; nothing for Rust, whose cargo does it.
    pub fn preparation(self) -> &'static str {
        match self {
            Self::Rust => "",
            Self::Python => "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt   # once",
            Self::JavaScript => "npm install                 # once",
        }
    }
}

/// The files of a new module, by their paths in its folder.
pub fn files(name: &str, language: Language) -> Vec<(String, String)> {
    let (of_language, sdk): (&[(&str, &str)], &[&[(&str, &str)]]) = match language {
        Language::Rust => (RUST, RUST_SDK),
        Language::Python => (PYTHON, &[]),
        Language::JavaScript => (JAVASCRIPT, &[]),
    };
    let common = [("module.toml", MANIFEST), ("README.md", README), (".gitignore", IGNORED), ("wit/detect.wit", WIT)];
    let all = common.iter().chain(CASES).chain(of_language).chain(sdk.iter().copied().flatten());
    let filled = |(path, text): &(&str, &str)| {
        let text = if is_template(path) { fill(text, name, language) } else { (*text).to_owned() };
        ((*path).to_owned(), text)
    };
    all.map(filled).collect()
}

/// Only these have anything to fill in: code has braces of its own.
fn is_template(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, "module.toml" | "README.md" | "Cargo.toml" | "Cargo.lock" | "package.json")
}

fn fill(text: &str, name: &str, language: Language) -> String {
    let fuel = FUEL.iter().find(|(of, _)| *of == language).map_or(0, |(_, fuel)| *fuel);
    let prepare = match language.preparation() {
        "" => String::new(),
        line => format!("{line}\n"),
    };
    text.replace("{name}", name)
        .replace("{fuel}", &thousands(fuel))
        .replace("{language}", language.name())
        .replace("{rule}", language.rule())
        .replace("{prepare}", &prepare)
        .replace("{gridwatch}", env!("CARGO_PKG_VERSION"))
        .replace("{wit_bindgen}", WIT_BINDGEN)
}

/// As TOML writes a large number.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let start = digits.len() % 3;
    let groups = digits.as_bytes()[start..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let first = (start > 0).then(|| digits[..start].to_owned());
    first.into_iter().chain(groups).collect::<Vec<_>>().join("_")
}

/// The manifest that a new module has.
pub fn manifest_text(name: &str) -> String {
    fill(MANIFEST, name, Language::Rust)
}

/// Writes a new module into a folder that doesn't exist yet, or is empty.
///
/// # Errors
/// The name is none, the folder isn't empty, or something can't be written.
pub fn write(folder: &Path, name: &str, language: Language) -> Result<(), ScaffoldError> {
    if !is_name(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        return Err(ScaffoldError::Name(name.to_owned()));
    }
    let is_free = match fs::read_dir(folder) {
        Ok(mut listing) => listing.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(ScaffoldError::NotEmpty(folder.to_owned()));
    }
    for (path, text) in files(name, language) {
        let path = folder.join(path);
        let write = |path: &Path| {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, text)
        };
        write(&path).map_err(|source| ScaffoldError::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_manifest::Manifest;

    #[test]
    fn a_new_modules_manifest_is_sound_and_its_files_have_nothing_left_to_fill_in() {
        for language in [Language::Rust, Language::Python, Language::JavaScript] {
            let files = files("a-rule", language);
            let text = |path: &str| files.iter().find(|(at, _)| at == path).map(|(_, text)| text.as_str());
            let manifest = Manifest::parse(text("module.toml").unwrap()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((manifest.name.as_str(), manifest.unknown_fields()), ("a-rule", vec![]));
            for (path, text) in files.iter().filter(|(path, _)| is_template(path)) {
                for left in ["{name}", "{fuel}", "{language}", "{rule}", "{prepare}", "{gridwatch}", "{wit_bindgen}"] {
                    assert!(!text.contains(left), "{path}: {left}");
                }
            }
        }
        assert_eq!(["5", "5_000", "20_000", "2_000_000"], [5, 5_000, 20_000, 2_000_000].map(thousands));
    }

    #[test]
    fn the_examples_are_what_a_new_module_is() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/modules");
        for (folder, language) in
            [("rust", Language::Rust), ("python", Language::Python), ("javascript", Language::JavaScript)]
        {
            let files = files("burst", language);
            for path in ["module.toml", language.rule()] {
                let there = fs::read_to_string(examples.join(folder).join(path)).unwrap();
                let (_, new) = files.iter().find(|(at, _)| at == path).unwrap();
                assert!(there == *new, "examples/modules/{folder}/{path} is another one");
            }
        }
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let folder = std::env::temp_dir().join(format!("gridwatch-scaffold-{}", std::process::id()));
        write(&folder, "a-rule", Language::Python).unwrap();
        assert_eq!(Language::of(&folder), Some(Language::Python));
        let again = write(&folder, "a-rule", Language::Rust).unwrap_err();
        fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(again, ScaffoldError::NotEmpty(_)));
        for name in ["", "A", "a_b", "../a", "a/b", "1a", "-a", "a-"] {
            assert!(matches!(write(&folder, name, Language::Rust), Err(ScaffoldError::Name(_))), "{name}");
        }
    }
}
