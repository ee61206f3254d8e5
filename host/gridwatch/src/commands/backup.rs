//! `gridwatch state export|import`: all that a gridwatch remembers as one file, and put in place elsewhere.
//!
//! A gridwatch that runs commits nothing while its store is copied, and goes on while its logs are, as long as they were: a copy is what
//! a crash at that moment would have left. What was delivered after the copy was made is delivered again by whoever goes on from it, under the same ids, and so is the batch that a
//! sink was being given at that moment.

use super::recorded;
use super::state::State;
use crate::clock::Clock;
use crate::config::Homes;
use crate::context::Paths;
use crate::control::Held;
use crate::{disk, folder};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use gridwatch_event::org::OrgId;
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::audit::What;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// The last file of an export: what is in it. Without it the export isn't whole.
const CONTENTS: &str = "CONTENTS.json";
/// Its version, for exports that are older or newer than this program.
const VERSION: u32 = 1;
const LEVEL: i32 = 3;
/// Bytes of the list of files that are read.
const MOST_CONTENTS: u64 = 64 << 20;
/// In the state folder, and about one process or made anew: locks, compiled code, what a process says of itself.
const LEFT_OUT: [&str; 5] = ["compiled", "gridwatch.lock", "status.json", "metrics.prom", "starts"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write all that gridwatch remembers into one file: positions, what was read and delivered, what the rules remember, the archive,
    /// the alerts. Also while it runs.
    ///
    /// Only its owner can read the file: it holds entries as Slack sent them and, where tokens rotate, the newest pair. Configuration,
    /// modules that never served and secrets in files of their own are not in it.
    Export(Export),
    /// Put an export in place, where no gridwatch has run yet. It is verified as a whole first.
    Import(Import),
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    state: State,
    /// The file to write, such as gridwatch-state.tar.zst. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    state: State,
    /// What `gridwatch state export` wrote.
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    gridwatch: String,
    made: UnixMillis,
    files: BTreeMap<String, Content>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    bytes: u64,
    sha256: String,
}

/// # Errors
/// What is to be copied can't be read or written; or there is something in the way.
pub fn run(command: &Command, clock: Clock) -> Result<u8> {
    match command {
        Command::Export(Export { state, to }) => {
            let homes = state.homes()?;
            let contents = export(&homes, to, clock)?;
            let bytes = std::fs::metadata(to).map_or(0, |meta| meta.len());
            println!("{}: {} files, {:.1} MB", to.display(), contents.files.len(), bytes as f64 / 1e6);
        }
        Command::Import(Import { state, from }) => {
            let homes = state.homes()?;
            let contents = import(&homes, from)?;
            let deed = recorded::deed(clock, What::StateImport, &from.display().to_string());
            recorded::looked(
                &homes.state_dir,
                deed.with("files", contents.files.len()).with("made", contents.made.seconds()),
            );
            let (files, made) = (contents.files.len(), contents.made.seconds());
            println!("{}: {files} files, as of {made}; the next start goes on from there", homes.state_dir.display());
        }
    }
    Ok(0)
}

/// The folders of an export, by the names they have in it: the state folder, and archives that lie elsewhere.
fn folders(homes: &Homes) -> BTreeMap<String, PathBuf> {
    let elsewhere = homes.archives().filter(|(_, archive)| !archive.starts_with(&homes.state_dir));
    let named = |(org, archive): (&OrgId, &PathBuf)| match org.name() {
        Some(name) => (format!("archive-of-{name}"), archive.clone()),
        None => ("archive".to_owned(), archive.clone()),
    };
    elsewhere.map(named).chain([("state".to_owned(), homes.state_dir.clone())]).collect()
}

fn export(homes: &Homes, to: &Path, clock: Clock) -> Result<Contents> {
    ensure!(
        homes.state_dir.is_dir(),
        "{} is no folder\nhint: name the `state_dir` of the configuration",
        homes.state_dir.display()
    );
    let folders = folders(homes);
    let holds_nothing = listed(&folders)?.is_empty();
    ensure!(!holds_nothing, "{} holds nothing that gridwatch remembers", homes.state_dir.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = file.with_context(|| format!("can't make {}", to.display()))?;
    recorded::looked(&homes.state_dir, recorded::deed(clock, What::StateExport, &to.display().to_string()));
    let written = Still::of(homes).and_then(|still| write(file, &folders, still, clock.now()));
    if written.is_err() {
        let _ = std::fs::remove_file(to);
    }
    written.with_context(|| format!("can't write {}", to.display()))
}

/// A store that nobody changes.
struct Still {
    /// None runs, and none starts meanwhile.
    _lock: Option<File>,
    /// One runs, and commits nothing.
    held: Option<Held>,
}

impl Still {
    fn of(homes: &Homes) -> Result<Self> {
        let lock = Paths::of(&homes.state_dir).lock;
        let lock = disk::lock(&lock).with_context(|| format!("can't lock {}", lock.display()))?;
        let held = match &lock {
            Some(_) => None,
            None => {
                Some(Held::by(&homes.state_dir).context("a gridwatch runs there, and can't be asked to hold still")?)
            }
        };
        Ok(Self { _lock: lock, held })
    }

    fn let_go(&mut self) -> Result<()> {
        let told = self.held.take().map_or(Ok(()), Held::end);
        told.context(
            "gridwatch went on before its store was copied\nhint: try again when less is going on, or stop it first",
        )
    }
}

fn write(file: File, folders: &BTreeMap<String, PathBuf>, mut still: Still, now: UnixMillis) -> Result<Contents> {
    let mut packed = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
    packed.include_checksum(true)?;
    let mut tar = tar::Builder::new(packed);
    let gridwatch = env!("CARGO_PKG_VERSION").to_owned();
    let mut contents = Contents { version: VERSION, gridwatch, made: now, files: BTreeMap::new() };
    let found = listed(folders)?.into_iter().map(|(name, path)| Ok((bytes_of(&path)?, name, path)));
    let found = found.collect::<Result<Vec<_>>>()?;
    let (logs, rest): (Vec<_>, Vec<_>) = found.iter().partition(|(_, name, _)| is_log(name));
    for (bytes, name, path) in rest {
        copy(&mut tar, &mut contents, (name, path), *bytes)?;
    }
    still.let_go()?;
    // As long as they were then: what came since belongs to changes that the copy of the store doesn't know of.
    for (bytes, name, path) in logs {
        copy(&mut tar, &mut contents, (name, path), *bytes)?;
    }
    let list = serde_json::to_vec_pretty(&contents)?;
    tar.append_data(&mut header(list.len() as u64, 0o600), CONTENTS, list.as_slice())?;
    let file = tar.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(contents)
}

/// 0 for one that retention has just removed.
fn bytes_of(path: &Path) -> Result<u64> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        meta => Ok(meta.with_context(|| format!("can't look at {}", path.display()))?.len()),
    }
}

/// Copies the first bytes of a file. One that retention has removed is needed by nobody.
fn copy(
    tar: &mut tar::Builder<impl io::Write>,
    contents: &mut Contents,
    (name, path): (&String, &Path),
    bytes: u64,
) -> Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.with_context(|| format!("can't read {}", path.display()))?,
    };
    let mut header = header(bytes, file.metadata()?.mode());
    let mut read = Hashed::of(BufReader::new(file).take(bytes));
    tar.append_data(&mut header, name, &mut read).with_context(|| format!("can't copy {}", path.display()))?;
    let content = read.content();
    // It would be a torn copy.
    ensure!(content.bytes == bytes, "{} became shorter while it was copied: try again", path.display());
    contents.files.insert(name.clone(), content);
    Ok(())
}

fn header(bytes: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(mode & 0o770);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Files of all folders, by the names that they have in an export.
fn listed(folders: &BTreeMap<String, PathBuf>) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for (name, folder) in folders.iter().filter(|(_, folder)| folder.is_dir()) {
        list(folder, name, &mut found).with_context(|| format!("can't read {}", folder.display()))?;
    }
    found.sort();
    Ok(found)
}

/// Files below a folder, with the names that they have in an export. What is no file, as the control socket, isn't remembered.
fn list(folder: &Path, name: &str, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (own, kind) = (entry.file_name().to_string_lossy().into_owned(), entry.file_type()?);
        let is_set_aside = own.starts_with("store.") && kind.is_dir();
        let is_passing = own.ends_with(".tmp") || own.ends_with(".lock");
        if name == "state" && LEFT_OUT.contains(&own.as_str()) || is_set_aside || is_passing {
            continue;
        }
        let below = format!("{name}/{own}");
        match () {
            () if kind.is_dir() => list(&entry.path(), &below, found)?,
            () if kind.is_file() => found.push((below, entry.path())),
            () => {}
        }
    }
    Ok(())
}

/// A segment of a log: it only grows, also while gridwatch runs.
fn is_log(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.ends_with(".log") && ["entries-", "order-", "alerts-", "audit-"].iter().any(|log| file.starts_with(log))
}

fn import(homes: &Homes, from: &Path) -> Result<Contents> {
    let folders = folders(homes);
    let contents =
        verify(from).with_context(|| format!("{} can't be imported; nothing was changed", from.display()))?;
    for name in contents.files.keys() {
        let folder = name.split('/').next().unwrap_or_default();
        ensure!(
            folders.contains_key(folder),
            "the export has a folder `{folder}`, for which the configuration has none\nhint: configure the same organizations, and \
             `archive.dir` outside of the state folder or in it, as where it was made"
        );
    }
    folder::make(&homes.state_dir, folder::SHOWN)
        .with_context(|| format!("can't make {}", homes.state_dir.display()))?;
    let lock = Paths::of(&homes.state_dir).lock;
    let held = disk::lock(&lock).with_context(|| format!("can't lock {}", lock.display()))?;
    ensure!(held.is_some(), "a gridwatch runs on {}\nhint: stop it first", homes.state_dir.display());
    if let Some((_, path)) = listed(&folders)?.first() {
        bail!(
            "{} is there already\nhint: an export is put in place where no gridwatch has run; move what is there away",
            path.display()
        );
    }
    let mut made = Vec::new();
    let placed = place(from, &folders, &contents, &mut made);
    if placed.is_err() {
        made.iter().for_each(|path| drop(std::fs::remove_file(path)));
    }
    placed.with_context(|| format!("can't import {}; what was written of it is removed again", from.display()))?;
    Ok(contents)
}

fn archive(from: &Path) -> Result<tar::Archive<impl Read>> {
    let file = File::open(from).with_context(|| format!("can't read {}", from.display()))?;
    Ok(tar::Archive::new(zstd::Decoder::new(file)?))
}

/// Reads an export to its end: what is in it is what it says, and has names that stay within their folders.
fn verify(from: &Path) -> Result<Contents> {
    let (mut found, mut contents) = (BTreeMap::new(), None);
    for entry in archive(from)?.entries()? {
        let entry = entry.context("it is no export, or not whole")?;
        let name = name_of(&entry)?;
        ensure!(contents.is_none(), "something follows its list of files");
        if name == CONTENTS {
            let mut text = Vec::new();
            entry.take(MOST_CONTENTS).read_to_end(&mut text).context("it is not whole")?;
            contents = Some(serde_json::from_slice::<Contents>(&text).context("its list of files can't be read")?);
            continue;
        }
        let mut read = Hashed::of(entry);
        io::copy(&mut read, &mut io::sink()).context("it is not whole")?;
        ensure!(found.insert(name.clone(), read.content()).is_none(), "`{name}` is in it twice");
    }
    let contents = contents.context("its list of files is missing: it is no export, or not whole")?;
    let (is, knows) = (contents.version, VERSION);
    ensure!(is == knows, "it is of version {is}, and this gridwatch knows version {knows}");
    ensure!(found == contents.files, "what is in it isn't what it says");
    Ok(contents)
}

/// The name of a plain file, relative and without a step upwards.
fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> Result<String> {
    let path = entry.path()?.into_owned();
    let shown = || gridwatch_event::text::clean(&path.display().to_string(), 200);
    ensure!(entry.header().entry_type().is_file(), "`{}` is no file", shown());
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let name = path.to_str().filter(|_| is_plain).map(str::to_owned);
    name.with_context(|| format!("`{}` is no name of a file within an export", shown()))
}

fn place(from: &Path, folders: &BTreeMap<String, PathBuf>, contents: &Contents, made: &mut Vec<PathBuf>) -> Result<()> {
    for entry in archive(from)?.entries()? {
        let mut entry = entry?;
        let name = name_of(&entry)?;
        let Some((folder, below)) = name.split_once('/') else { continue };
        let path = folders.get(folder).context("a folder that nobody knows")?.join(below);
        make_folders(&path)?;
        let mode = entry.header().mode()? & 0o660 | 0o600;
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let file = file.with_context(|| format!("can't make {}", path.display()))?;
        made.push(path);
        let (mut read, mut written) = (Hashed::of(&mut entry), BufWriter::new(file));
        io::copy(&mut read, &mut written)?;
        written.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        ensure!(contents.files.get(&name) == Some(&read.content()), "`{name}` changed while it was read");
    }
    let folders: std::collections::BTreeSet<&Path> = made.iter().filter_map(|path| path.parent()).collect();
    for folder in folders {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The folders that a file lies in; the next start gives those that others may look into their rights.
fn make_folders(path: &Path) -> Result<()> {
    let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        folder::make(folder, folder::PRIVATE).with_context(|| format!("can't make {}", folder.display()))?;
    }
    Ok(())
}

/// Something that is read, with the hash of what was.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    fn of(inner: R) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    fn content(self) -> Content {
        Content { bytes: self.bytes, sha256: hex(&self.hash.finalize()) }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(to)?;
        self.hash.update(&to[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An export of one file of this kind and name, which says of itself that it is whole.
    fn made(name: &str, kind: tar::EntryType, link: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut tar = tar::Builder::new(zstd::Encoder::new(file.reopen().unwrap(), LEVEL).unwrap());
        let mut header = header(1, 0o600);
        header.set_entry_type(kind);
        if !link.is_empty() {
            header.set_link_name(link).unwrap();
        }
        // As nobody's library would write it.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, b"x".as_slice()).unwrap();
        let content = Content { bytes: 1, sha256: hex(&Sha256::digest(b"x")) };
        let files = BTreeMap::from([(name.to_owned(), content)]);
        let contents = Contents { version: VERSION, gridwatch: String::new(), made: UnixMillis(0), files };
        let list = serde_json::to_vec(&contents).unwrap();
        tar.append_data(&mut super::header(list.len() as u64, 0o600), CONTENTS, list.as_slice()).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        file
    }

    #[test]
    fn nothing_is_written_outside_of_the_folders() {
        let dir = tempfile::tempdir().unwrap();
        let homes = Homes::of_state_dir(&dir.path().join("state"));
        let (file, link) = (tar::EntryType::Regular, tar::EntryType::Symlink);
        for (name, kind, to) in [
            ("../x", file, ""),
            ("state/../../x", file, ""),
            ("/x", file, ""),
            ("state/x", link, "/etc/passwd"),
            ("state/x", tar::EntryType::Link, "../x"),
            ("state/x", tar::EntryType::Fifo, ""),
            ("elsewhere/x", file, ""),
        ] {
            let refused = import(&homes, made(name, kind, to).path());
            assert!(refused.is_err(), "{name} {kind:?}");
            assert!(!homes.state_dir.exists() && !dir.path().join("x").exists(), "{name} {kind:?}");
        }
        import(&homes, made("state/orgs/acme/x", file, "").path()).unwrap();
        assert_eq!(std::fs::read(homes.state_dir.join("orgs/acme/x")).unwrap(), b"x");
    }
}
