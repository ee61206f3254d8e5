//! Whether a file may serve, and who signed it.
//!
//! The policy decides whether a signature is needed, never what lies beside the file: a signature or a lock that was taken away is
//! missing, and not "not asked for". [`Trust::verify`] looks at the bytes alone, before anything of them is parsed; what it gives
//! has to be asked once more, [`Verified::of`], when the manifest is known.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use crate::digest;
use crate::file::ModuleId;
use crate::key::{KeyId, PublicKey};
use crate::lock::Lock;
use crate::sign::{BadSignature, Signature};

const DAY_S: u64 = 86_400;
/// How long before its end a key is said to end soon.
pub const SOON_S: u64 = 30 * DAY_S;
/// Keys of one file.
const MAX_KEYS: usize = 256;
/// Bytes of a file of trusted keys.
pub const MAX_TRUST: usize = 256 << 10;

/// Whom to trust with what.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    pub keys: Vec<TrustedKey>,
    /// If there is one, files that it doesn't name are refused, whoever signed them.
    pub lock: Option<Lock>,
    /// Digests of the modules that the program carries.
    pub built_in: BTreeSet<String>,
    pub policy: Policy,
}

/// Whether a file that nobody known signed may serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Signed,
    /// For development. A signature that is there and wrong, and a revoked key, are refused all the same.
    AllowUnsigned,
}

/// A key of `trust.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    pub key: PublicKey,
    /// What people call it.
    pub name: String,
    /// Names of modules that it may sign, `acme-*` for several; none means all.
    pub modules: Vec<String>,
    /// The first second at which it is trusted no more.
    pub ends_s: Option<u64>,
    pub revoked: bool,
    /// Made by `cargo xtask modules` for whoever works on gridwatch itself.
    pub development: bool,
}

/// Who answers for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The program carries the same bytes.
    BuiltIn,
    Key {
        id: KeyId,
        name: String,
        development: bool,
        comment: String,
    },
    /// Nobody, which the policy allows; why it isn't somebody.
    Nobody(Unknown),
}

/// Why nobody is known to answer for a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("it is not signed (there is no signature file beside it)")]
    Unsigned,
    #[error("it is signed with the key {0}, which is not trusted here")]
    Key(KeyId),
    #[error("it is signed with the key {id} ({name}), which ended")]
    Ended { id: KeyId, name: String },
}

/// Why a file may not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("{0}\n  hint: {hint}", hint = hint(.0))]
    Unknown(Unknown),
    #[error("{0}")]
    Signature(BadSignature),
    #[error(
        "it is signed with the key {id} ({name}), which is revoked\n  hint: have it signed with another key, if you know what is in it"
    )]
    Revoked { id: KeyId, name: String },
    #[error("the key {id} ({name}) may sign {}, and not a module called {module}", .modules.join(", "))]
    NotItsModule { id: KeyId, name: String, modules: Vec<String>, module: String },
    #[error(
        "it is no module of the lock, which names {0}\n  hint: `gridwatch module lock` takes it in, if that is meant"
    )]
    NotLocked(String),
    #[error(
        "the lock has {locked}, and the file is {is}\n  hint: `gridwatch module lock` takes it in, if that is meant"
    )]
    OtherThanLocked { locked: String, is: String },
}

fn hint(unknown: &Unknown) -> &'static str {
    match unknown {
        Unknown::Unsigned => {
            "sign it with `gridwatch module sign`, or set `allow_unsigned = true` under [modules] while you develop it"
        }
        Unknown::Key(_) => "add the key to the file that `[modules] trust` names, if you know whose it is",
        Unknown::Ended { .. } => "sign it again with a key that is trusted now, or set a later `not_after`",
    }
}

/// Bytes whose signature held, or that need none. Whether they may serve is for [`Verified::of`] to say.
#[derive(Debug)]
#[must_use = "who signed says nothing until it is asked about the module's name"]
pub struct Verified<'t> {
    trust: &'t Trust,
    digest: String,
    signer: Signer,
    key: Option<&'t TrustedKey>,
}

impl Trust {
    /// Looks at the bytes of a file and of the signature file beside it, if there is one. Parses none of the module.
    ///
    /// # Errors
    /// The policy wants a signature of somebody trusted and there is none; or what is there is wrong, whatever the policy.
    pub fn verify(&self, bytes: &[u8], signature: Option<&[u8]>, now_s: u64) -> Result<Verified<'_>, Untrusted> {
        let digest = digest::of(bytes);
        if self.built_in.contains(&digest) {
            return Ok(Verified { trust: self, digest, signer: Signer::BuiltIn, key: None });
        }
        let unknown = |why: Unknown, digest: String| match self.policy {
            Policy::Signed => Err(Untrusted::Unknown(why)),
            Policy::AllowUnsigned => Ok(Verified { trust: self, digest, signer: Signer::Nobody(why), key: None }),
        };
        let Some(text) = signature else { return unknown(Unknown::Unsigned, digest) };
        let signature = Signature::parse(text).map_err(Untrusted::Signature)?;
        let Some(key) = self.keys.iter().find(|key| key.key.id == signature.key) else {
            return unknown(Unknown::Key(signature.key), digest);
        };
        let comment = signature.verify(bytes, &key.key).map_err(Untrusted::Signature)?.to_owned();
        let (id, name) = (key.key.id, key.name.clone());
        if key.revoked {
            return Err(Untrusted::Revoked { id, name });
        }
        if key.ends_s.is_some_and(|ends| now_s >= ends) {
            return unknown(Unknown::Ended { id, name }, digest);
        }
        let signer = Signer::Key { id, name, development: key.development, comment };
        Ok(Verified { trust: self, digest, signer, key: Some(key) })
    }

    /// Whether a file that was taken in may serve again: who signed it has to answer for it still. That its key has ended since is no
    /// reason against it, for the key was trusted when the file came; that it was revoked or is gone from the list is one. What the
    /// lock names is about files that come in.
    ///
    /// # Errors
    /// The policy wants a signature of somebody trusted and there is none any more.
    pub fn still(&self, bytes: &[u8], signature: Option<&[u8]>, module: &str) -> Result<(), Untrusted> {
        self.verify(bytes, signature, 0)?.key.map_or(Ok(()), |key| key.signs(module))
    }

    /// Keys that end within [`SOON_S`], or have ended: what an operator has to know before a start is refused.
    pub fn ending(&self, now_s: u64) -> impl Iterator<Item = &TrustedKey> {
        let is_soon = move |key: &&TrustedKey| !key.revoked && key.ends_s.is_some_and(|ends| now_s + SOON_S >= ends);
        self.keys.iter().filter(is_soon)
    }
}

impl Verified<'_> {
    /// Who answers for it, now that its manifest says what it is.
    ///
    /// # Errors
    /// The key may not sign a module of this name, or the lock has another file under it.
    pub fn of(self, id: &ModuleId) -> Result<Signer, Untrusted> {
        self.key.map_or(Ok(()), |key| key.signs(&id.name))?;
        let Some(lock) = &self.trust.lock else { return Ok(self.signer) };
        let Some(locked) = lock.modules.get(&id.name) else {
            let names: Vec<&str> = lock.modules.keys().map(String::as_str).collect();
            return Err(Untrusted::NotLocked(if names.is_empty() { "none".into() } else { names.join(", ") }));
        };
        let signer = self.signer.locked();
        let is_it = locked.version == id.version && locked.sha256.eq_ignore_ascii_case(&self.digest);
        if is_it && locked.signer == signer {
            return Ok(self.signer);
        }
        let told = |version: &str, digest: &str, signer: &str| {
            format!("{}@{version} sha256:{} of {signer}", id.name, digest.get(..12).unwrap_or(digest))
        };
        Err(Untrusted::OtherThanLocked {
            locked: told(&locked.version, &locked.sha256, &locked.signer),
            is: told(&id.version, &self.digest, &signer),
        })
    }
}

impl Signer {
    /// As a lock has it.
    pub fn locked(&self) -> String {
        match self {
            Self::BuiltIn => "built-in".into(),
            Self::Key { id, .. } => id.to_string(),
            Self::Nobody(_) => "unsigned".into(),
        }
    }

    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody(_))
    }
}

/// For people: `detection team (A1B2…)`.
impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::Key { id, name, development: false, .. } => write!(f, "{name} ({id})"),
            Self::Key { id, name, development: true, .. } => write!(f, "{name} ({id}), a key of development"),
            Self::Nobody(_) => f.write_str("nobody"),
        }
    }
}

impl TrustedKey {
    /// Whether it may sign a module of this name.
    fn signs(&self, module: &str) -> Result<(), Untrusted> {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => module.starts_with(start),
            None => module == pattern,
        };
        if self.modules.is_empty() || self.modules.iter().any(matches) {
            return Ok(());
        }
        let (id, name, modules) = (self.key.id, self.name.clone(), self.modules.clone());
        Err(Untrusted::NotItsModule { id, name, modules, module: module.to_owned() })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    key: Vec<WrittenKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    name: String,
    key: String,
    modules: Option<Vec<String>>,
    not_after: Option<toml::value::Datetime>,
    #[serde(default)]
    revoked: bool,
    #[serde(default)]
    development: bool,
}

/// Reads the keys of a `trust.toml`.
///
/// # Errors
/// It isn't one, names a key twice, or says something that isn't understood; with the line where that is known.
pub fn keys(text: &str) -> Result<Vec<TrustedKey>, String> {
    if text.len() > MAX_TRUST {
        return Err(format!("it has over {MAX_TRUST} bytes"));
    }
    let written: Written = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
    if written.key.len() > MAX_KEYS {
        return Err(format!("it has {} keys; the most is {MAX_KEYS}", written.key.len()));
    }
    let mut keys: Vec<TrustedKey> = Vec::new();
    for WrittenKey { name, key, modules, not_after, revoked, development } in written.key {
        let key = PublicKey::parse(&key).map_err(|e| format!("the key `{name}` is {e}"))?;
        if let Some(other) = keys.iter().find(|other| other.key.id == key.id) {
            return Err(format!("`{name}` and `{}` are the same key {}", other.name, key.id));
        }
        let ends_s = not_after.map(|date| end_of(&date)).transpose().map_err(|e| format!("the key `{name}`: {e}"))?;
        // A list without names would read as "none", and mean all.
        let modules = match modules {
            Some(names) if names.is_empty() => {
                return Err(format!("the key `{name}`: `modules` names none; leave it out for all"));
            }
            names => names.unwrap_or_default(),
        };
        let is_pattern =
            |name: &String| crate::file::is_name(name.strip_suffix('*').filter(|s| !s.is_empty()).unwrap_or(name));
        if let Some(odd) = modules.iter().find(|name| !is_pattern(name)) {
            return Err(format!("the key `{name}`: `{odd}` is no module's name; write one, or its beginning and *"));
        }
        keys.push(TrustedKey { key, name, modules, ends_s, revoked, development });
    }
    Ok(keys)
}

/// The end of a day, UTC.
fn end_of(date: &toml::value::Datetime) -> Result<u64, String> {
    let odd = || format!("`not_after = {date}` is no date of this or the next century, such as 2027-01-31");
    let (Some(day), None, None) = (date.date, date.time, date.offset) else { return Err(odd()) };
    if !(1970..=2200).contains(&day.year) {
        return Err(odd());
    }
    // Days of the civil calendar, March first.
    let (month, shifted) = (u64::from(day.month), u64::from(day.year) - u64::from(day.month <= 2));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + u64::from(day.day) - 1;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + of_year;
    /// From 0000-03-01 to 1970-01-01.
    const BEFORE_1970: u64 = 719_468;
    Ok((days + 1).saturating_sub(BEFORE_1970) * DAY_S)
}

/// A key as an entry of `trust.toml`.
pub fn entry(name: &str, key: &PublicKey, development: bool) -> String {
    let name = toml::Value::from(name);
    let development = if development { "development = true\n" } else { "" };
    format!("[[key]]\nname = {name}\nkey = \"{}\"\n{development}", key.line())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{NewKey, SecretKey};
    use crate::lock::Locked;
    use crate::sign::sign;

    const FILE: &[u8] = b"a module";
    const NOW: u64 = 1_790_000_000;

    fn id() -> ModuleId {
        ModuleId { name: "acme-burst".into(), version: "1.0.0".into() }
    }

    struct Scene {
        trust: Trust,
        signature: Vec<u8>,
        line: String,
    }

    fn scene(more: &str) -> Scene {
        let new = NewKey::make().unwrap();
        let secret = SecretKey::open(&new.secret).unwrap();
        let signature = sign(FILE, &id(), &secret).into_bytes();
        let text = entry("team", &new.public, false) + more;
        let trust = Trust { keys: keys(&text).unwrap(), ..Trust::default() };
        Scene { trust, signature, line: new.public.line().to_owned() }
    }

    fn asked(trust: &Trust, signature: Option<&[u8]>) -> Result<Signer, Untrusted> {
        trust.verify(FILE, signature, NOW)?.of(&id())
    }

    #[test]
    fn a_file_of_a_trusted_key_serves_and_says_whose_it_is() {
        let Scene { trust, signature, .. } = scene("");
        let Signer::Key { name, comment, .. } = asked(&trust, Some(&signature)).unwrap() else { panic!("no key") };
        assert_eq!(name, "team");
        assert_eq!(comment, format!("gridwatch module=acme-burst version=1.0.0 sha256={}", digest::of(FILE)));
    }

    #[test]
    fn a_signature_that_was_taken_away_is_missing() {
        let Scene { mut trust, signature, .. } = scene("");
        assert_eq!(asked(&trust, None), Err(Untrusted::Unknown(Unknown::Unsigned)));
        let nobody = Trust::default();
        assert!(matches!(asked(&nobody, Some(&signature)), Err(Untrusted::Unknown(Unknown::Key(_)))));
        assert_eq!(
            asked(&nobody, None),
            Err(Untrusted::Unknown(Unknown::Unsigned)),
            "no key is no reason to ask for none"
        );
        trust.policy = Policy::AllowUnsigned;
        assert_eq!(asked(&trust, None), Ok(Signer::Nobody(Unknown::Unsigned)));
    }

    #[test]
    fn what_is_wrong_is_refused_under_any_policy() {
        for policy in [Policy::Signed, Policy::AllowUnsigned] {
            let Scene { mut trust, signature, .. } = scene("revoked = true");
            trust.policy = policy;
            assert!(matches!(asked(&trust, Some(&signature)), Err(Untrusted::Revoked { .. })));
            trust.keys[0].revoked = false;
            let verified = trust.verify(b"another module", Some(&signature), NOW).map(drop);
            assert_eq!(verified, Err(Untrusted::Signature(BadSignature::Mismatch)));
            let verified = trust.verify(FILE, Some(b""), NOW).map(drop);
            assert!(
                matches!(verified, Err(Untrusted::Signature(BadSignature::Form(_)))),
                "an empty file is no missing one"
            );
        }
    }

    #[test]
    fn a_key_counts_until_the_end_of_its_last_day() {
        for (date, ends) in [("1970-01-01", 86_400), ("2000-02-29", 951_868_800), ("2026-09-21", 1_790_035_200)] {
            let text = format!("not_after = {date}");
            let Scene { trust, signature, .. } = scene(&text);
            assert_eq!(trust.keys[0].ends_s, Some(ends), "{date}");
            let at = |now: u64| trust.verify(FILE, Some(&signature), now).is_ok();
            assert!(at(ends - 1) && !at(ends), "{date}");
            assert_eq!(trust.ending(ends - 1).count() + trust.ending(ends).count(), 2);
        }
        let Scene { trust, .. } = scene("not_after = 2026-12-31");
        assert_eq!((trust.ending(NOW).count(), trust.ending(NOW + 80 * DAY_S).count()), (0, 1));
    }

    #[test]
    fn a_key_signs_its_own_modules_alone() {
        for (modules, may) in [("acme-*", true), ("acme-burst", true), ("acme", false), ("other-*", false)] {
            let Scene { trust, signature, .. } = scene(&format!("modules = [\"{modules}\"]"));
            let asked = asked(&trust, Some(&signature));
            assert_eq!(asked.is_ok(), may, "{modules}");
            assert!(may || matches!(asked, Err(Untrusted::NotItsModule { .. })));
        }
    }

    #[test]
    fn a_lock_holds_against_any_signature() {
        let Scene { mut trust, signature, .. } = scene("");
        let signer = asked(&trust, Some(&signature)).unwrap().locked();
        trust.lock = Some(Lock::default());
        assert_eq!(asked(&trust, Some(&signature)), Err(Untrusted::NotLocked("none".into())));
        let good = Locked { version: "1.0.0".into(), sha256: digest::of(FILE), signer };
        let others = [
            (good.clone(), true),
            (Locked { version: "1.0.1".into(), ..good.clone() }, false),
            (Locked { sha256: digest::of(b"older"), ..good.clone() }, false),
            (Locked { signer: "unsigned".into(), ..good }, false),
        ];
        for (locked, holds) in others {
            trust.lock = Some(Lock { modules: [("acme-burst".to_owned(), locked)].into() });
            assert_eq!(asked(&trust, Some(&signature)).is_ok(), holds);
        }
    }

    #[test]
    fn what_the_program_carries_needs_no_signature() {
        let trust = Trust { built_in: [digest::of(FILE)].into(), ..Trust::default() };
        assert_eq!(asked(&trust, None), Ok(Signer::BuiltIn));
        assert!(trust.verify(b"a modulf", None, NOW).is_err());
    }

    #[test]
    fn a_file_of_keys_that_is_not_understood_is_refused() {
        let Scene { line, .. } = scene("");
        let key = format!("[[key]]\nname = \"a\"\nkey = \"{line}\"\n");
        for (text, part) in [
            ("keys = []", "unknown field `keys`"),
            ("[[key]]\nname = \"a\"\nkey = \"RW\"\n", "the key `a` is not a public key"),
            (&*format!("{key}revokd = true\n"), "unknown field `revokd`"),
            (&*format!("{key}{key}"), "are the same key"),
            (&*format!("{key}modules = []\n"), "`modules` names none"),
            (&*format!("{key}modules = [\"*\"]\n"), "no module's name"),
            (&*format!("{key}not_after = 1931-01-01\n"), "no date of this or the next century"),
            (&*format!("{key}not_after = 2027-01-01T10:00:00Z\n"), "no date"),
        ] {
            let told = keys(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
