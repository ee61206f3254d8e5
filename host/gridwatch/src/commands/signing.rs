//! `gridwatch module keygen|sign|verify|lock|bundle|unbundle`: who answers for a module file, and how files get to a host that
//! nothing reaches.

use super::FAILED;
use crate::config::Configs;
use crate::modules::folder::{self, Folder};
use crate::modules::{Served, Wanted, asked_for};
use crate::telemetry::log;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use gridwatch_detect::{Component, Limits};
use gridwatch_module::development::write_secret;
use gridwatch_module::file::{self, ModuleId};
use gridwatch_module::key::{NewKey, PublicKey, SecretKey};
use gridwatch_module::lock::{Lock, Locked};
use gridwatch_module::sign::{sign, signature_path};
use gridwatch_module::trust::{Policy, Trust, TrustedKey};
use gridwatch_module::{bundle, digest, trust};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a bundle; what is in it has bounds of its own.
const MAX_BUNDLE: u64 = 1 << 30;
const MAX_SECRET: usize = 4_096;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key to sign modules with: FILE, which is secret, and FILE's name with .pub, which is not.
    ///
    /// Keys and signatures are minisign's (Ed25519), so its own program reads ours. The secret key has no password: whoever reads the
    /// file can sign. For one with a password use `minisign -G`, and sign with `minisign -S`; gridwatch takes its signatures as its own.
    Keygen {
        /// Where the secret key goes.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Sign module files: writes FILE.minisig beside each. The signature covers every byte, the manifest included.
    Sign {
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// The secret key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Say who signed module files. Exits with 1 if `run` would not serve one of them.
    Verify {
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        who: Who,
    },
    /// Write down which module files serve, by digest and signer: with `[modules] lock`, `run` serves no other.
    Lock {
        /// The configuration that names the folder of modules, the keys and the lock.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print it instead of writing it.
        #[arg(long)]
        print: bool,
    },
    /// Put module files with their signatures into one file.
    Bundle {
        /// Module files, or folders of them.
        #[arg(value_name = "FILE|DIR", required = true)]
        from: Vec<PathBuf>,
        /// The bundle.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Verify what is in a bundle, and put it into a folder: all of it, or nothing.
    Unbundle {
        #[arg(value_name = "FILE")]
        bundle: PathBuf,
        /// The folder that it goes to.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Debug, Args)]
pub struct Who {
    /// A public key, or a file with one or more (.pub, trust.toml). Without it: those of the configuration.
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "config")]
    key: Option<String>,
    /// The configuration, for the keys that it trusts. Without either: those that this user trusts.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// # Errors
/// A file can't be read or written, a key or a password is wrong, or standard output refuses.
pub fn run(command: &Command, log: Option<&str>) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    let out = &mut std::io::stdout().lock();
    match command {
        Command::Keygen { file } => keygen(file, out),
        Command::Sign { files, key } => sign_all(files, key, out),
        Command::Verify { files, who } => verify(files, &who.wanted()?, out),
        Command::Lock { config, print } => lock(config, *print, out),
        Command::Bundle { from, out: to } => pack(from, to, out),
        Command::Unbundle { bundle, to, who } => unpack(bundle, to, &who.wanted()?, out),
    }
}

impl Who {
    /// What is asked of a signature: always that there is one.
    fn wanted(&self) -> Result<Wanted> {
        let mut wanted = match (&self.key, &self.config) {
            (None, None) => Wanted::in_dir(Path::new(".")),
            (None, Some(config)) => Wanted::of(Configs::look(config)?.process()).looking(),
            (Some(key), _) => {
                let keys = keys(key)?;
                Wanted { trust: Arc::new(Trust { keys, ..Trust::default() }), ..Wanted::in_dir(Path::new(".")) }
            }
        };
        Arc::make_mut(&mut wanted.trust).policy = Policy::Signed;
        Ok(wanted)
    }
}

/// From a public key itself, a `.pub` file or a `trust.toml`.
fn keys(text_or_file: &str) -> Result<Vec<TrustedKey>> {
    let path = Path::new(text_or_file);
    let (name, text) = match path.is_file() {
        true => (folder::file_name(path), String::from_utf8_lossy(&read(path, trust::MAX_TRUST)?).into_owned()),
        false => ("the key given".to_owned(), text_or_file.to_owned()),
    };
    if let Ok(key) = PublicKey::parse(&text) {
        let (modules, ends_s) = (Vec::new(), None);
        return Ok(vec![TrustedKey { key, name, modules, ends_s, revoked: false, development: false }]);
    }
    let keys = trust::keys(&text)
        .map_err(|what| anyhow!("{text_or_file}: neither a public key nor a list of them: {what}"))?;
    ensure!(!keys.is_empty(), "{text_or_file}: there is no key in it");
    Ok(keys)
}

fn keygen(path: &Path, out: &mut dyn Write) -> Result<u8> {
    let public = path.with_extension("pub");
    ensure!(public != path, "{}: the secret key can't be called .pub", path.display());
    let new = NewKey::make()?;
    ensure!(!public.exists(), "{} is there already; a key is never written over", public.display());
    write_secret(path, &new.secret).with_context(|| format!("can't write {}", path.display()))?;
    file::put(&public, new.public.file_text().as_bytes())
        .with_context(|| format!("can't write {}", public.display()))?;
    writeln!(out, "{}: the secret key; keep it where modules are signed, and nowhere else", path.display())?;
    writeln!(out, "{}: the public key {}", public.display(), new.public.id)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    writeln!(out, "for the file that `[modules] trust` names:\n\n{}", trust::entry(&name, &new.public, false))?;
    Ok(0)
}

fn sign_all(files: &[PathBuf], key: &Path, out: &mut dyn Write) -> Result<u8> {
    let text = String::from_utf8_lossy(&read(key, MAX_SECRET)?).into_owned();
    let secret = SecretKey::open(&text);
    let secret = secret.with_context(|| format!("{}: can't sign with it", key.display()))?;
    let public = secret.public()?;
    for path in files {
        let bytes = module(path)?;
        let id = id(path, &bytes)?;
        let text = sign(&bytes, &id, &secret);
        let to = signature_path(path);
        file::put(&to, text.as_bytes()).with_context(|| format!("can't write {}", to.display()))?;
        writeln!(
            out,
            "{}: {}@{} sha256:{}, signed with {}",
            to.display(),
            id.name,
            id.version,
            digest::short(&bytes),
            public.id
        )?;
    }
    Ok(0)
}

fn verify(files: &[PathBuf], wanted: &Wanted, out: &mut dyn Write) -> Result<u8> {
    let mut refused = 0;
    for path in files {
        match folder::component(path, Limits::default().component_bytes, &asked_for, wanted.judge()) {
            Ok((Served { component, .. }, signer)) => {
                let (manifest, digest) = (&component.manifest, &component.digest);
                writeln!(
                    out,
                    "{}: {}@{} sha256:{digest}, by {signer}",
                    path.display(),
                    manifest.name,
                    manifest.version
                )?;
            }
            Err(problem) => {
                refused += 1;
                eprintln!("{problem}");
            }
        }
    }
    Ok(if refused == 0 { 0 } else { FAILED })
}

fn lock(config: &Path, print: bool, out: &mut dyn Write) -> Result<u8> {
    let configs = Configs::look(config)?;
    let (mut wanted, named) = (Wanted::of(configs.process()).looking(), configs.process().modules.lock_file.clone());
    Arc::make_mut(&mut wanted.trust).lock = None;
    let Folder { serving, signers, problems, .. } = wanted.folder();
    ensure!(problems.is_empty(), "nothing is locked, because some files may not serve:\n{}", problems.join("\n"));
    let locked = |(name, served): (&String, &folder::Served)| {
        let signer = signers.get(name).map(|signer| signer.locked()).unwrap_or_default();
        let (version, sha256) = (served.component.manifest.version.to_string(), served.component.digest.clone());
        (name.clone(), Locked { version, sha256, signer })
    };
    let lock = Lock { modules: serving.iter().map(locked).collect() };
    if print {
        write!(out, "{}", lock.text())?;
        return Ok(0);
    }
    let Some(path) = named else {
        bail!("{}: it names no lock\nhint: write `lock = \"modules.lock\"` under [modules]", config.display());
    };
    let before = std::fs::read_to_string(&path).ok().and_then(|text| Lock::parse(&text).ok()).unwrap_or_default();
    file::put(&path, lock.text().as_bytes()).with_context(|| format!("can't write {}", path.display()))?;
    for line in changes(&before, &lock) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}: {} modules", path.display(), lock.modules.len())?;
    Ok(0)
}

fn changes(before: &Lock, after: &Lock) -> Vec<String> {
    let told = |l: &Locked| format!("{} sha256:{} of {}", l.version, l.sha256.get(..12).unwrap_or_default(), l.signer);
    let names: std::collections::BTreeSet<&String> = before.modules.keys().chain(after.modules.keys()).collect();
    let change = |name: &String| match (before.modules.get(name), after.modules.get(name)) {
        (Some(old), Some(new)) if old != new => Some(format!("{name}: {} was {}", told(new), told(old))),
        (None, Some(new)) => Some(format!("{name}: {} is new", told(new))),
        (Some(old), None) => Some(format!("{name}: {} is gone", told(old))),
        _ => None,
    };
    names.into_iter().filter_map(change).collect()
}

fn pack(from: &[PathBuf], to: &Path, out: &mut dyn Write) -> Result<u8> {
    let mut files = BTreeMap::new();
    let mut paths = Vec::new();
    for path in from {
        match path.is_dir() {
            false => paths.push(path.clone()),
            true => {
                let listing = std::fs::read_dir(path).with_context(|| format!("can't list {}", path.display()))?;
                let all = listing.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
                paths.extend(all.into_iter().filter(|path| path.extension().is_some_and(|end| end == "wasm")));
            }
        }
    }
    paths.sort();
    ensure!(!paths.is_empty(), "there are no module files (.wasm)");
    for path in paths {
        let bytes = module(&path)?;
        let id = id(&path, &bytes)?;
        let signature = signature_path(&path);
        if signature.exists() {
            files.insert(
                format!("{}.minisig", id.file_name()),
                read(&signature, gridwatch_module::sign::MAX_SIGNATURE)?,
            );
        } else {
            eprintln!("notice: {} is not signed, so `unbundle` will refuse it", path.display());
        }
        ensure!(files.insert(id.file_name(), bytes).is_none(), "{}@{} is there twice", id.name, id.version);
    }
    let packed = bundle::pack(&files)?;
    file::put(to, &packed).with_context(|| format!("can't write {}", to.display()))?;
    let modules = files.keys().filter(|name| name.ends_with(".wasm")).count();
    writeln!(out, "{}: {modules} modules, sha256:{}", to.display(), digest::of(&packed))?;
    Ok(0)
}

/// Verified in a folder of its own first: nothing that is refused comes near the one that is watched.
fn unpack(path: &Path, to: &Path, wanted: &Wanted, out: &mut dyn Write) -> Result<u8> {
    let size = std::fs::metadata(path).with_context(|| format!("can't read {}", path.display()))?.len();
    ensure!(size <= MAX_BUNDLE, "{}: {size} bytes, over the limit of {MAX_BUNDLE}", path.display());
    let open = std::fs::File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    let files = bundle::unpack(std::io::BufReader::new(open)).with_context(|| path.display().to_string())?;
    let aside = crate::modules::embedded::temporary("bundle")?;
    for (name, bytes) in &files {
        file::put(&aside.path().join(name), bytes)?;
    }
    let folder = Folder::read(aside.path(), Limits::default().component_bytes, &asked_for, wanted.judge());
    if !folder.problems.is_empty() {
        let aside = format!("{}/", aside.path().display());
        folder.problems.iter().for_each(|problem| eprintln!("{}: {}", path.display(), problem.replace(&aside, "")));
        bail!("nothing of it was put into {}", to.display());
    }
    // A signature before its module, so that no module is without one for a moment.
    let order = |name: &&String| !name.ends_with(".minisig");
    let mut names: Vec<&String> = files.keys().filter(|name| *name != "modules.lock").collect();
    names.sort_by_key(|name| (order(name), (*name).clone()));
    for name in names {
        let path = to.join(name);
        file::put(&path, &files[name]).with_context(|| format!("can't write {}", path.display()))?;
    }
    for (name, served) in &folder.serving {
        let manifest = &served.component.manifest;
        let signer = folder.signers.get(name).map(ToString::to_string).unwrap_or_default();
        writeln!(out, "{name}@{} sha256:{}, by {signer}", manifest.version, &served.component.digest[..12])?;
    }
    Ok(0)
}

fn module(path: &Path) -> Result<Vec<u8>> {
    folder::bytes(path, Limits::default().component_bytes).map_err(|what| anyhow!("{}: {what}", path.display()))
}

fn id(path: &Path, bytes: &[u8]) -> Result<ModuleId> {
    let manifest = Component::manifest_of(bytes).with_context(|| path.display().to_string())?;
    Ok(ModuleId { name: manifest.name, version: manifest.version.to_string() })
}

fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>> {
    folder::bytes(path, max_bytes).map_err(|what| anyhow!("{}: {what}", path.display()))
}
