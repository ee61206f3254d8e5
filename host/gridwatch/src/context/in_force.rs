//! What is in force, as digests by name: configuration and exceptions. What the store has of it is what the audit trail last told, so that a
//! start tells what was changed meanwhile.

use super::{Process, Shared};
use crate::config::Config;
use crate::store::InForce;
use crate::trail::owner;
use anyhow::Result;
use gridwatch_event::text::hex;
use gridwatch_rules::audit::{Deed, Via, What};
use gridwatch_rules::exception::{Exception, Exceptions};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The whole file, and what its keys begin with.
const FILE: &str = "configuration";
const KEY: &str = "configuration ";

pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// What a configuration says: its file, each of its keys, and what is in the lists that it names.
pub fn configuration<'c>(configs: impl IntoIterator<Item = &'c Config>) -> InForce {
    let mut all = InForce::from([(format!("{KEY}gridwatch itself"), env!("CARGO_PKG_VERSION").to_owned())]);
    for config in configs {
        all.insert(FILE.to_owned(), config.written.digest.clone());
        all.extend(config.written.keys.iter().map(|(key, value)| (format!("{KEY}{key}"), value.clone())));
        let whose = config.org.name().map_or(String::new(), |org| format!("org.{org}."));
        let lists = config.lookups.iter();
        all.extend(
            lists.map(|(name, rows)| (format!("{KEY}{whose}lookups.{name} (its rows)"), digest(rows.join("\n")))),
        );
    }
    all
}

/// What an organization's exceptions file says, entry by entry.
pub fn exceptions(shared: &Shared, text: Option<&Arc<str>>, exceptions: &Exceptions) -> InForce {
    let whole = text.map(|text| (names(shared).0, digest(text.as_bytes())));
    let entry = |exception: &Exception| {
        // Where an entry stands is no part of what it says.
        let said = format!("{:?}", Exception { line: 0, ..exception.clone() });
        (format!("{}{}", names(shared).1, exception.id), digest(said))
    };
    whole.into_iter().chain(exceptions.iter().map(entry)).collect()
}

/// What an organization's file goes by, and what its entries begin with.
fn names(shared: &Shared) -> (String, String) {
    let name = format!("exceptions of {}", shared.org);
    (name.clone(), format!("{name}: "))
}

/// What is other than before, by name.
struct Change {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl Change {
    fn between(before: &InForce, now: &InForce, begin: &str) -> Self {
        let named = |all: &InForce| -> BTreeSet<String> {
            all.keys().filter_map(|name| Some(name.strip_prefix(begin)?.to_owned())).collect()
        };
        let (old, new) = (named(before), named(now));
        let is_other = |name: &&String| {
            let name = format!("{begin}{name}");
            before.get(&name) != now.get(&name)
        };
        Self {
            added: new.difference(&old).cloned().collect(),
            removed: old.difference(&new).cloned().collect(),
            changed: old.intersection(&new).filter(is_other).cloned().collect(),
        }
    }

    fn is_nothing(&self) -> bool {
        [&self.added, &self.removed, &self.changed].iter().all(|names| names.is_empty())
    }

    fn said_in(&self, deed: Deed) -> Deed {
        let [added, removed, changed] = [&self.added, &self.removed, &self.changed].map(|names| names.join(", "));
        deed.with("added", added).with("removed", removed).with("changed", changed)
    }
}

/// Everything of before that isn't named so, with what is.
fn replaced(before: &InForce, is_part: impl Fn(&str) -> bool, now: &InForce) -> InForce {
    let rest = before.iter().filter(|(name, _)| !is_part(name));
    rest.map(|(name, value)| (name.clone(), value.clone())).chain(now.clone()).collect()
}

fn is_of_configuration(name: &str) -> bool {
    name == FILE || name.starts_with(KEY)
}

/// Tells of a configuration that is other than what was told last.
///
/// # Errors
/// It can't be saved.
pub fn tell_configuration(process: &Process, path: &Path, via: Via, now: &InForce) -> Result<()> {
    tell_configuration_with(process, (path, via), now, |deed| deed)
}

/// The same, with what else there is to say.
///
/// # Errors
/// It can't be saved.
pub fn tell_configuration_with(
    process: &Process,
    (path, via): (&Path, Via),
    now: &InForce,
    more: impl FnOnce(Deed) -> Deed,
) -> Result<()> {
    let before = process.store.in_force();
    let change = Change::between(&before, now, KEY);
    let is_same_file = before.get(FILE) == now.get(FILE);
    if is_same_file && change.is_nothing() {
        return Ok(());
    }
    let all = replaced(&before, is_of_configuration, now);
    // Of what was there before there was a trail, nobody knows whether it was changed.
    if !before.contains_key(FILE) {
        return process.store.commit_in_force(all);
    }
    let deed =
        Deed::new(process.clock.now(), What::ConfigurationChange, &owner(path, via), &path.display().to_string());
    let deed = deed.maybe("digest_before", before.get(FILE)).maybe("digest", now.get(FILE));
    process.record_with(more(change.said_in(deed)), Some(all))
}

/// Tells of exceptions that are other than what was told last.
///
/// # Errors
/// It can't be saved.
pub fn tell_exceptions(shared: &Shared, path: &Path, via: Via, now: &InForce) -> Result<()> {
    let (process, (file, entries)) = (&shared.process, names(shared));
    let before = process.store.in_force();
    let change = Change::between(&before, now, &entries);
    if before.get(&file) == now.get(&file) && change.is_nothing() {
        return Ok(());
    }
    let all = replaced(&before, |name| name == file || name.starts_with(&entries), now);
    let is_first = !before.contains_key(FILE) || !before.contains_key(&file) && change.is_nothing();
    if is_first || before.get(&file) == now.get(&file) {
        return process.store.commit_in_force(all);
    }
    let deed = Deed::new(process.clock.now(), What::ExceptionsChange, &owner(path, via), &path.display().to_string());
    let deed = deed.of_org(shared.org.name().unwrap_or_default());
    let deed = deed.maybe("digest_before", before.get(&file)).maybe("digest", now.get(&file));
    process.record_with(change.said_in(deed), Some(all))
}

/// What a start finds otherwise than it was.
///
/// # Errors
/// It can't be saved.
pub fn tell_start(process: &Process, orgs: &[Arc<Shared>]) -> Result<()> {
    let Some(first) = orgs.first() else { return Ok(()) };
    for shared in orgs {
        let Some(source) = shared.exceptions.source() else { continue };
        let in_force = shared.exceptions.in_force_with_text();
        let now = exceptions(shared, in_force.text.as_ref(), &in_force.exceptions);
        tell_exceptions(shared, &source.path, Via::Start, &now)?;
    }
    let now = configuration(orgs.iter().map(|org| &org.config));
    tell_configuration(process, &first.config.modules.places.file, Via::Start, &now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_named_and_what_is_elsewhere_stays() {
        let of = |all: &[(&str, &str)]| -> InForce {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let before = of(&[("k a", "1"), ("k b", "1"), ("k c", "1"), ("x a", "1")]);
        let now = of(&[("k b", "2"), ("k c", "1"), ("k d", "1")]);
        let Change { added, removed, changed } = Change::between(&before, &now, "k ");
        assert_eq!((added, removed, changed), (vec!["d".to_owned()], vec!["a".to_owned()], vec!["b".to_owned()]));
        let all = replaced(&before, |name| name.starts_with("k "), &now);
        assert_eq!(all, of(&[("k b", "2"), ("k c", "1"), ("k d", "1"), ("x a", "1")]));
        assert!(Change::between(&before, &before, "k ").is_nothing());
    }
}
