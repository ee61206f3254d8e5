//! A component file before any of its code runs: what it is, what it says of itself, what it wants.

use gridwatch_event::text::clean;
use gridwatch_event::text::hex;
use gridwatch_manifest::{Grant, Manifest, ManifestError, SECTION};
use gridwatch_rules::builtin;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmparser::{Encoding, Parser, Payload};

/// What every WebAssembly file begins with.
const MAGIC: &[u8] = b"\0asm";
/// Characters of a parser's own words.
const MAX_WHY: usize = 200;

/// A component that may be compiled: its manifest is sound and it imports nothing it wasn't granted.
#[derive(Clone, Debug)]
pub struct Component {
    pub manifest: Arc<Manifest>,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub digest: String,
    /// What it wants of the host, by name.
    pub imports: Vec<String>,
    pub(crate) bytes: Arc<[u8]>,
}

/// Why a file is not put into service.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("can't read {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{bytes} bytes, over the limit of {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("a precompiled artifact: native code that would run outside the sandbox; give the .wasm component instead")]
    Precompiled,
    #[error("not a WebAssembly component: {why}")]
    NotAComponent { why: String },
    #[error("no manifest: the custom section `{SECTION}` is missing; build it with `cargo xtask modules`")]
    NoManifest,
    #[error("its manifest is wrong: {0}")]
    Manifest(#[from] ManifestError),
    #[error("is called `{0}`, which is what gridwatch's own alerts go by; give it another name")]
    Reserved(&'static str),
    #[error("imports `{import}`, which {why}")]
    Import { import: String, why: String },
    #[error("does not export gridwatch:detect/rules@1: built for another ABI?")]
    NoExport,
    #[error("does not compile: {why}")]
    Compile { why: String },
    #[error("does not start: {why}")]
    Start { why: String },
    #[error("refuses its configuration: {}", .problems.join("; "))]
    Configuration { problems: Vec<String> },
    #[error("can't start the clock that ends calls: {why}")]
    Clock { why: String },
}

impl Component {
    /// # Errors
    /// The file can't be read or is larger than `max_bytes`, or as [`Self::from_bytes`].
    pub fn read(path: &Path, granted: &BTreeSet<Grant>, max_bytes: usize) -> Result<Self, Refused> {
        let unreadable = |source| Refused::Unreadable { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(unreadable)?.len() as usize;
        if size > max_bytes {
            return Err(Refused::TooLarge { bytes: size, max: max_bytes });
        }
        Self::from_bytes(std::fs::read(path).map_err(unreadable)?, granted, max_bytes)
    }

    /// # Errors
    /// It is too large, compiled already, no component, has no manifest or a wrong one, has the name of gridwatch's own alerts, or
    /// imports something that neither its manifest nor `granted` allows.
    pub fn from_bytes(bytes: Vec<u8>, granted: &BTreeSet<Grant>, max_bytes: usize) -> Result<Self, Refused> {
        if bytes.len() > max_bytes {
            return Err(Refused::TooLarge { bytes: bytes.len(), max: max_bytes });
        }
        if wasmtime::Engine::detect_precompiled(&bytes).is_some() {
            return Err(Refused::Precompiled);
        }
        let Outline { manifest, imports } = Outline::of(&bytes)?;
        let manifest = Manifest::parse(&manifest.ok_or(Refused::NoManifest)?)?;
        if manifest.name == builtin::NAME {
            return Err(Refused::Reserved(builtin::NAME));
        }
        for import in &imports {
            if let Some(why) = refusal(import, &manifest, granted) {
                return Err(Refused::Import { import: import.clone(), why });
            }
        }
        let digest = hex(&Sha256::digest(&bytes));
        Ok(Self { manifest: Arc::new(manifest), digest, imports, bytes: bytes.into() })
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Just the manifest of a component, for tables and reports.
    ///
    /// # Errors
    /// It is no component, or has no manifest or a wrong one.
    pub fn manifest_of(bytes: &[u8]) -> Result<Manifest, Refused> {
        Ok(Manifest::parse(&Outline::of(bytes)?.manifest.ok_or(Refused::NoManifest)?)?)
    }
}

/// What stands at the top level of a component.
#[derive(Default)]
struct Outline {
    manifest: Option<String>,
    imports: Vec<String>,
}

impl Outline {
    fn of(bytes: &[u8]) -> Result<Self, Refused> {
        let wrong = |why: String| Refused::NotAComponent { why: clean(&why, MAX_WHY) };
        match bytes {
            [] => return Err(wrong("the file is empty".into())),
            _ if !bytes.starts_with(MAGIC) => {
                return Err(wrong("it doesn't begin as one does; was it built or copied to its end?".into()));
            }
            _ => {}
        }
        let (mut outline, mut depth) = (Self::default(), 0_u32);
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|e| wrong(e.message().to_owned()))? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(wrong("a core module; build it into a component with `cargo xtask modules`".into()));
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        let import = import.map_err(|e| wrong(e.message().to_owned()))?;
                        outline.imports.push(import.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                    let text =
                        std::str::from_utf8(section.data()).map_err(|_| wrong("its manifest is not UTF-8".into()))?;
                    outline.manifest = Some(text.to_owned());
                }
                _ => {}
            }
        }
        Ok(outline)
    }
}

/// Why an import can't be had, if it can't.
fn refusal(import: &str, manifest: &Manifest, granted: &BTreeSet<Grant>) -> Option<String> {
    let name = import.split('@').next().unwrap_or(import);
    let needs = match name {
        "gridwatch:detect/types" | "gridwatch:detect/log" => return None,
        "gridwatch:detect/kv" => Grant::Kv,
        "gridwatch:detect/lookup" => Grant::Lookup,
        _ if name.starts_with("wasi:") => Grant::Wasi,
        _ => return Some("no host of gridwatch:detect@1 offers".into()),
    };
    let grant = format!("{needs:?}").to_lowercase();
    if !manifest.grants.contains(&needs) {
        Some(format!("its manifest doesn't ask for (`grants = [\"{grant}\"]`)"))
    } else if !granted.contains(&needs) {
        Some(format!(
            "wasn't granted: add \"{grant}\" to `grants` of this module in the configuration if you trust it with that"
        ))
    } else {
        None
    }
}
