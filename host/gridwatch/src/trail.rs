//! The audit trail of gridwatch itself on disk: a [log](gridwatch_log) of deeds, each chained to the one before
//! ([`gridwatch_rules::audit`]), with how far it goes in a file beside it.
//!
//! It is only added to, by the store, in the same change as what the deed is about, and never trimmed. Reading takes no lock. A trail that
//! isn't what the store knows of is set aside whole, as evidence; what is new goes on in the same chain.

use crate::disk::{self, OsDisk};
use crate::folder;
use anyhow::{Context, Result, bail};
use gridwatch_event::time::UnixMillis;
use gridwatch_log::{End, Log, LogError, Reader, Settings};
use gridwatch_rules::audit::{Audited, Broken, Deed, Followed, Via, Who};
use gridwatch_rules::monitor::heartbeat::Chain;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LOG: &str = "audit";
const SETTINGS: Settings = Settings { name: LOG, segment_bytes: 16 << 20, block_bytes: 64 << 10 };
/// In its folder: the newest link of the chain.
const HEAD: &str = "head.json";
/// Things wrong with it that are named.
const MAX_BROKEN: usize = 100;

/// The trail, by the one who adds to it.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    log: Log,
    chain: Chain,
    /// Of the record that was written and isn't kept yet.
    new: Option<Chain>,
}

/// Where its files are.
pub fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("audit")
}

impl Writer {
    /// Opens it as it was when this end was saved, at this link. Nothing is cut off before [`Writer::settle`].
    ///
    /// # Errors
    /// It isn't what was saved, or the disk refuses.
    pub fn open(state_dir: &Path, end: End, chain: Chain) -> Result<Self> {
        let folder = made(state_dir)?;
        let log = Log::check(Box::new(OsDisk), &folder, SETTINGS, end)?;
        Ok(Self { folder, log, chain, new: None })
    }

    /// Opens what there is of it, where nobody knows its end any more.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn recover(state_dir: &Path) -> Result<Self> {
        let folder = made(state_dir)?;
        let mut log = Log::recover(Box::new(OsDisk), &folder, SETTINGS, 1)?;
        let said = head(&folder).unwrap_or_default();
        let found = match log.end().next.checked_sub(1).filter(|last| *last > 0) {
            Some(last) => Reader::open(&folder, LOG)?.get(last).ok().flatten(),
            None => None,
        };
        let found = found.and_then(|bytes| serde_json::from_slice::<Audited>(&bytes).ok());
        let chain = found.map(|last| last.link()).filter(|chain| chain.number >= said.number).unwrap_or(said);
        log.skip_to(chain.number + 1);
        Ok(Self { folder, log, chain, new: None })
    }

    /// Sets what there is of it aside, and goes on from this link: what is missing then shows.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn set_aside(state_dir: &Path, chain: &Chain) -> Result<Self> {
        let from = folder(state_dir);
        let aside = (1..).map(|n| from.with_extension(format!("broken-{n}"))).find(|aside| !aside.exists());
        if let Some(aside) = aside.filter(|_| from.exists()) {
            std::fs::rename(&from, &aside).with_context(|| format!("can't set {} aside", from.display()))?;
        }
        say_head(&made(state_dir)?, chain)?;
        Self::recover(state_dir)
    }

    /// Cuts off what comes after its end, and says how far it goes.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn settle(&mut self) -> Result<()> {
        self.log.settle()?;
        if self.chain.number > 0 && head(&self.folder).as_ref() != Some(&self.chain) {
            say_head(&self.folder, &self.chain)?;
        }
        Ok(())
    }

    /// How far it goes, as saved.
    pub fn end(&self) -> End {
        self.log.end()
    }

    /// The newest link.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Adds a deed, which outlasts a power cut when it returns; it counts from [`Writer::keep`] on. `seed` names the chain, if this is its
    /// first one.
    ///
    /// # Errors
    /// The disk refuses; the same may be written again.
    pub fn write(&mut self, deed: Deed, seed: u64) -> Result<(Audited, End)> {
        if let Some(path) = self.log.removed()? {
            bail!(
                "{} was removed, and with it what people did\nhint: restart gridwatch, which says so and goes on",
                path.display()
            );
        }
        let begun = (self.chain.number == 0).then(|| Chain::begin(seed, deed.at));
        let audited = Audited::next(begun.as_ref().unwrap_or(&self.chain), deed);
        let end = self.log.write([(audited.deed.at.seconds().0, serde_json::to_vec(&audited)?)])?;
        self.new = Some(audited.link());
        Ok((audited, end))
    }

    /// What was written last is saved.
    pub fn keep(&mut self) {
        self.log.keep();
        if let Some(new) = self.new.take() {
            self.chain = new;
            if let Err(error) = say_head(&self.folder, &self.chain) {
                tracing::warn!(error = format!("{error:#}"), "how far the audit trail goes can't be written beside it");
            }
        }
    }
}

fn made(state_dir: &Path) -> Result<PathBuf> {
    let folder = folder(state_dir);
    folder::make(&folder, folder::SHOWN).with_context(|| format!("can't make {}", folder.display()))?;
    Ok(folder)
}

/// How far it goes, by the file beside it. That is never ahead of it.
fn head(folder: &Path) -> Option<Chain> {
    serde_json::from_slice(&std::fs::read(folder.join(HEAD)).ok()?).ok()
}

fn say_head(folder: &Path, chain: &Chain) -> Result<()> {
    let path = folder.join(HEAD);
    disk::replace(&path, &serde_json::to_vec(chain)?).with_context(|| format!("can't write {}", path.display()))
}

/// A link that the trail has to have, and who says so.
#[derive(Clone, Debug)]
pub struct Known {
    pub number: u64,
    pub hash: String,
    pub says: &'static str,
}

/// What came of looking through all of it.
#[derive(Debug, Default)]
pub struct Verified {
    pub records: u64,
    pub head: Chain,
    pub first: Option<UnixMillis>,
    /// What is wrong, the oldest first.
    pub broken: Vec<String>,
}

/// Gives each record of it that can be read, with its place.
///
/// # Errors
/// The disk refuses, or `take` does.
pub fn each(state_dir: &Path, mut take: impl FnMut(u64, Found) -> Result<()>) -> Result<()> {
    let folder = folder(state_dir);
    if !folder.is_dir() {
        return Ok(());
    }
    let mut reader = Reader::open(&folder, LOG)?;
    let mut place = reader.first().unwrap_or(1);
    loop {
        match reader.block(place, |_, _| true) {
            Ok(Some(block)) => {
                for place in place.max(block.first)..block.next {
                    let read = serde_json::from_slice(block.get(place).unwrap_or_default());
                    take(place, read.map_or_else(|why| Found::No(why.to_string()), |one| Found::One(Box::new(one))))?;
                }
                place = block.next;
            }
            Ok(None) => return Ok(()),
            Err(error) if error.is_damage() => {
                let next = reader.after_damage(place)?;
                take(place, Found::No(error.to_string()))?;
                let Some(next) = next else { return Ok(()) };
                // What is damaged lies before it, and was passed over.
                if next == place && reader.block(place, |_, _| true).is_err() {
                    return Ok(());
                }
                place = next.max(place);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is in a place.
#[derive(Debug)]
pub enum Found {
    One(Box<Audited>),
    /// Nothing that can be read, for this reason.
    No(String),
}

/// Looks through all of it: is each record what was written, and where? `known` are links that it has to have.
///
/// # Errors
/// The disk refuses.
pub fn verify(state_dir: &Path, known: &[Known]) -> Result<Verified> {
    let head = head(&folder(state_dir)).filter(|head| head.number > 0);
    let said = head.map(|head| Known { number: head.number, hash: head.hash, says: "head.json beside it" });
    let known: Vec<Known> = said.into_iter().chain(known.iter().cloned()).collect();
    let (mut verified, mut followed) = (Verified::default(), Followed::default());
    let mut has = vec![None::<String>; known.len()];
    each(state_dir, |place, found| {
        match found {
            Found::One(one) => {
                for (has, known) in has.iter_mut().zip(&known) {
                    if known.number == place {
                        *has = Some(one.hash.clone());
                    }
                }
                verified.records += 1;
                verified.first = verified.first.or(Some(one.deed.at));
                let broken = followed.follow(place, &one).err().unwrap_or_default();
                verified.broken.extend(broken.iter().map(ToString::to_string));
            }
            Found::No(why) => {
                let next = followed.head().number + 1;
                if place > next {
                    verified.broken.push(Broken::missing(next, place - 1).to_string());
                }
                verified.broken.push(format!("record {place} can't be read: {why}"));
                followed.pass(place);
            }
        }
        verified.broken.truncate(MAX_BROKEN);
        Ok(())
    })?;
    verified.head = followed.head().clone();
    for (has, Known { number, hash, says }) in has.into_iter().zip(&known) {
        let last = verified.head.number;
        let wrong = match has {
            None if *number > last => format!("{}, which {says} knows of", Broken::missing(last + 1, *number)),
            Some(has) if has != *hash => format!("record {number} is another one than {says} knows of"),
            _ => continue,
        };
        if !verified.broken.contains(&wrong) {
            verified.broken.push(wrong);
        }
    }
    Ok(verified)
}

/// Is the trail itself not what was written?
pub fn is_damage(error: &anyhow::Error) -> bool {
    error.downcast_ref::<LogError>().is_some_and(LogError::is_damage)
}

/// Whose a file is: as near as one comes to who changed it.
pub fn owner(path: &Path, via: Via) -> Who {
    let uid = std::fs::metadata(path).ok().map(|meta| meta.uid());
    let name = uid.and_then(uzers::get_user_by_uid).map(|user| user.name().to_string_lossy().into_owned());
    let by = name.or_else(|| uid.map(|uid| format!("uid {uid}"))).unwrap_or_else(|| "unknown".to_owned());
    Who { by: format!("{by} (owner of the file)"), uid, via }
}
