//! A secret with the place it came from, so that one that is replaced while gridwatch runs is taken.
//!
//! It is read again with the same checks as at the start. What can't be used changes nothing: the secret read before stays,
//! and that is told once.

mod token;

pub use token::Token;

use crate::reader::{Edge, Purpose, Section};
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use token::BadToken;

/// Where a secret is, that isn't read before it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    Environment(String),
}

impl Place {
    /// The user's token that is there now.
    ///
    /// # Errors
    /// What is wrong with it, with a hint.
    pub fn user_token(&self) -> Result<Token, (String, Option<String>)> {
        let read = match self {
            Self::File(path) => token::from_file(path),
            Self::Environment(name) => token::from_env(name, environment(name)),
        };
        read.map_err(|bad| {
            let hint = match &bad {
                BadToken::WrongKind { .. } => Some("admin methods want a user token (xoxp-)".to_owned()),
                _ => bad.hint(),
            };
            (bad.to_string(), hint)
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment, for secrets that the configuration names and for who is asking"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Cloning it clones what is known of the file, too: each clone looks for itself.
#[derive(Clone)]
pub struct Secret {
    token: Token,
    place: Place,
    kind: Kind,
    /// The file that was read last.
    seen: Option<Stamp>,
    /// What was wrong at the last look, and whether that was told: a file that is just being written is no news.
    wrong: Option<(String, bool)>,
}

/// Its place, which is all that a configuration says of it: one that was replaced in its file is no change of that.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.place).finish()
    }
}

/// What sort of token will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    AuditLog,
    Any,
}

/// What tells one file from another, or from itself before it was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// What a look at the place found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The secret is what it was.
    Same,
    Replaced,
    /// There is something else now, and it won't do, with the reason; said once.
    Unusable(String),
}

impl Secret {
    /// Is it read from the same place?
    pub fn is_at(&self, other: &Self) -> bool {
        self.place == other.place
    }

    fn read(place: Place, kind: Kind, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadToken> {
        let (seen, token) = match &place {
            Place::File(path) => (Stamp::of(path), kind.from_file(path)?),
            Place::Environment(name) => (None, kind.from_env(name, env(name))?),
        };
        Ok(Self { token, place, kind, seen, wrong: None })
    }

    /// Of somebody who only looks and has no use for it.
    fn unread(place: Place, kind: Kind) -> Self {
        Self { token: Token::new(""), place, kind, seen: None, wrong: None }
    }

    /// The same place, holding what is valid now.
    pub fn holding(&self, token: Token) -> Self {
        Self { token, ..self.clone() }
    }

    pub fn token(&self) -> &Token {
        &self.token
    }

    /// For the `Authorization` header or a form body, and nothing else.
    pub fn expose(&self) -> &str {
        self.token.expose()
    }

    /// Reads the file again if it is another than the one read last, or `anyway`. The environment never changes.
    pub fn look(&mut self, anyway: bool) -> Look {
        let Place::File(path) = &self.place else { return Look::Same };
        let stamp = Stamp::of(path);
        if !anyway && stamp == self.seen {
            return Look::Same;
        }
        match self.kind.from_file(path) {
            Ok(token) => {
                (self.seen, self.wrong) = (stamp, None);
                let is_same = token.expose() == self.token.expose();
                self.token = token;
                if is_same { Look::Same } else { Look::Replaced }
            }
            Err(bad) => {
                let hint = bad.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let what = format!("{bad}{hint}");
                // Told at the second look that finds the same.
                let (is_second, was_reported) = match &self.wrong {
                    Some((before, reported)) if *before == what => (true, *reported),
                    _ => (false, false),
                };
                self.wrong = Some((what.clone(), is_second));
                if is_second && !was_reported { Look::Unusable(what) } else { Look::Same }
            }
        }
    }
}

/// A key in PEM is far shorter.
const MAX_PEM_BYTES: u64 = 64 << 10;

/// A private key from a file that only its owner can read, as its bytes.
///
/// # Errors
/// What is wrong with it, with a hint.
pub fn pem_of(path: &Path) -> Result<Vec<u8>, (String, Option<String>)> {
    let bytes = token::private_bytes(path, MAX_PEM_BYTES).map_err(|bad| (bad.to_string(), bad.hint()))?;
    match bytes.windows(12).any(|part| part == b"PRIVATE KEY-") {
        true => Ok(bytes),
        false => Err((format!("{} holds no private key in PEM", path.display()), None)),
    }
}

/// A secret from at most one of two keys, `<key>_file` and `<key>_env`.
pub fn optional(
    section: &mut Section<'_>,
    (file_key, env_key): (&'static str, &'static str),
    kind: Kind,
    edge: &Edge<'_>,
) -> Option<Secret> {
    let (path, name) = (section.text(file_key), section.text(env_key));
    if section.has(file_key) && section.has(env_key) {
        section.problem(env_key, format!("is there beside `{file_key}`"), "keep one of the two".to_owned());
    }
    let (key, place) = match (path, name) {
        (Some(path), _) => (file_key, Place::File(edge.folder.join(path))),
        (None, Some(name)) => (env_key, Place::Environment(name)),
        (None, None) => return None,
    };
    at(section, key, place, kind, edge)
}

/// The same, and it has to be there.
pub fn required(
    section: &mut Section<'_>,
    (file_key, env_key): (&'static str, &'static str),
    kind: Kind,
    edge: &Edge<'_>,
) -> Option<Secret> {
    if !section.has(file_key) && !section.has(env_key) {
        let hint = format!("give the path of a file that only its owner can read, or use `{env_key}`");
        section.problem(file_key, "is missing", hint);
    }
    optional(section, (file_key, env_key), kind, edge)
}

/// Who only looks has no use for secrets, and may not be allowed to read them.
pub fn at(section: &Section<'_>, key: &str, place: Place, kind: Kind, edge: &Edge<'_>) -> Option<Secret> {
    match edge.purpose {
        Purpose::Look => Some(Secret::unread(place, kind)),
        Purpose::Run => {
            let read = Secret::read(place, kind, edge.env);
            read.map_err(|bad| section.problem(key, bad.to_string(), bad.hint())).ok()
        }
    }
}

impl Kind {
    fn from_file(self, path: &Path) -> Result<Token, BadToken> {
        match self {
            Self::AuditLog => token::from_file(path),
            Self::Any => token::any_from_file(path),
        }
    }

    fn from_env(self, name: &str, value: Option<String>) -> Result<Token, BadToken> {
        match self {
            Self::AuditLog => token::from_env(name, value),
            Self::Any => token::any_from_env(name, value),
        }
    }
}

impl Stamp {
    /// Of what the path leads to: Kubernetes replaces a secret by changing a link.
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        let changed = (meta.ctime(), meta.ctime_nsec());
        Some(Self { device: meta.dev(), inode: meta.ino(), bytes: meta.len(), changed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_replaced_secret_is_taken_and_an_unusable_one_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write(&path, "xoxp-first", 0o600);
        let mut secret = Secret::read(Place::File(path.clone()), Kind::AuditLog, &|_| None).unwrap();
        assert_eq!(secret.look(false), Look::Same);
        write(&path, "", 0o600);
        assert_eq!(secret.look(false), Look::Same, "it may be just being written");
        write(&path, "xoxp-second", 0o600);
        assert_eq!((secret.look(false), secret.expose()), (Look::Replaced, "xoxp-second"));
        for (text, mode) in [("xoxp-third", 0o644), ("xoxb-third", 0o600), ("xoxp third", 0o600)] {
            write(&path, text, mode);
            let told: Vec<_> = (0..4).map(|_| secret.look(false)).collect();
            assert_eq!(told.iter().filter(|look| matches!(look, Look::Unusable(_))).count(), 1, "{told:?}");
            assert!(!format!("{told:?}").contains("third"), "{told:?}");
            assert_eq!(secret.expose(), "xoxp-second");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!((secret.look(true), secret.expose()), (Look::Same, "xoxp-second"));
        // As Kubernetes does it: another file behind the same name.
        write(&folder.path().join("other"), "xoxp-third", 0o600);
        std::os::unix::fs::symlink("other", &path).unwrap();
        assert_eq!((secret.look(false), secret.expose()), (Look::Replaced, "xoxp-third"));
        assert_eq!(secret.look(true), Look::Same);
    }
}
