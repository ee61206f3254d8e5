//! Secrets: where they come from, and a type that doesn't let them out by accident.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A secret. There is no `Display`, no `Serialize`, and `Debug` shows nothing; [`Token::expose`] is the one way to it.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// For the `Authorization` header or a form body, and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([not shown])")
    }
}

/// Why there is no token. Never says what was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadToken {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("{path} is not a regular file")]
    NotAFile { path: String },
    #[error("{path} can be {} by others (its mode is {mode:03o}); allowed is 600 or 400", .how.word())]
    Exposed { path: String, mode: u32, how: Exposure },
    #[error("the environment variable {name} is not set")]
    Unset { name: String },
    #[error("{place} is empty")]
    Empty { place: String },
    #[error("{place} contains more than one word, or more than {MAX_BYTES} bytes")]
    NotOneWord { place: String },
    #[error("{place} contains a bot or app-level token; a user token is needed")]
    WrongKind { place: String },
}

/// What others could do with a secret's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    Read,
    Written,
}

impl Exposure {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Written => "written",
        }
    }
}

/// Slack's tokens are about 80 characters, those that rotate about 200.
const MAX_BYTES: u64 = 4096;

impl BadToken {
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Some("give the path of a file that contains only the secret".into()),
                io::ErrorKind::PermissionDenied => Some(
                    "make it owned by the user gridwatch runs as, or hand it over with systemd's `LoadCredential`"
                        .into(),
                ),
                _ => None,
            },
            Self::Exposed { path, .. } => Some(format!(
                "chmod 600 {path} (a Kubernetes secret: `defaultMode: 0400`, with `fsGroup` 0440), and consider replacing the \
                 secret"
            )),
            Self::Unset { .. } => Some("set it for the service, or use the `_file` key".into()),
            Self::WrongKind { .. } => {
                Some("use the `xoxp-` token of an org owner's installation, with scope `auditlogs:read`".into())
            }
            Self::NotAFile { .. } | Self::Empty { .. } | Self::NotOneWord { .. } => {
                Some("it has to hold the secret and nothing else".into())
            }
        }
    }
}

/// A token for the audit log from a file that only its owner can read.
pub(super) fn from_file(path: &Path) -> Result<Token, BadToken> {
    for_audit_log(any_from_file(path)?, &path.display().to_string())
}

/// The same from the environment.
pub(super) fn from_env(name: &str, value: Option<String>) -> Result<Token, BadToken> {
    for_audit_log(any_from_env(name, value)?, &format!("the environment variable {name}"))
}

/// A secret of any kind from a file that only its owner can read.
pub(super) fn any_from_file(path: &Path) -> Result<Token, BadToken> {
    let text = private_bytes(path, MAX_BYTES)?;
    from_text(&String::from_utf8_lossy(&text), path.display().to_string())
}

/// What a file that only its owner can read begins with: at most one byte more than this.
pub(super) fn private_bytes(path: &Path, max: u64) -> Result<Vec<u8>, BadToken> {
    let shown = || path.display().to_string();
    let unreadable = |source| BadToken::Unreadable { path: shown(), source };
    // Asked by name first: opening a pipe would wait for someone to write to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(BadToken::NotAFile { path: shown() });
    }
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file, so that it can't be another one than the one that is read.
    let meta = file.metadata().map_err(unreadable)?;
    let rights = Rights {
        mode: meta.mode() & 0o777,
        is_ours: crate::folder::is_ours(&meta),
        group_is_ours: our_groups().contains(&meta.gid()),
        is_read_only: is_read_only(&file),
        is_credential: is_credential(path),
    };
    if let Some(how) = rights.exposure() {
        return Err(BadToken::Exposed { path: shown(), mode: rights.mode, how });
    }
    let mut text = Vec::new();
    file.take(max + 1).read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// What decides whether a secret's file is only for those who are meant to have it.
#[derive(Clone, Copy, Debug)]
struct Rights {
    mode: u32,
    is_ours: bool,
    group_is_ours: bool,
    is_read_only: bool,
    /// In the folder that the service manager made for this service's secrets.
    is_credential: bool,
}

impl Rights {
    /// Nobody but the owner may write it, and everybody may never read it. Its group may read it only where that is how we
    /// are handed it: by systemd's `LoadCredential` (0440, belonging to root, with an entry for us in a list that the mode
    /// doesn't show), or by somebody else's file or a read-only mount, of a group that is ours (a Kubernetes secret under
    /// `fsGroup`). In a file of our own that we could change, a group's right is an oversight, and `chmod` mends it.
    fn exposure(self) -> Option<Exposure> {
        let is_handed_over = self.is_credential || self.group_is_ours && (!self.is_ours || self.is_read_only);
        match () {
            () if self.mode & 0o022 != 0 => Some(Exposure::Written),
            () if self.mode & 0o007 != 0 => Some(Exposure::Read),
            () if self.mode & 0o070 != 0 && !is_handed_over => Some(Exposure::Read),
            () => None,
        }
    }
}

/// Groups of this process. Empty where there is no `/proc`: then a group's right is never taken for one that is meant.
fn our_groups() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().split_whitespace();
    // Real, effective, saved, file system.
    of("Gid:").nth(1).into_iter().chain(of("Groups:")).filter_map(|id| id.parse().ok()).collect()
}

fn is_read_only(file: &File) -> bool {
    rustix::fs::fstatvfs(file).is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

fn is_credential(path: &Path) -> bool {
    let Some(dir) = super::environment("CREDENTIALS_DIRECTORY").filter(|dir| !dir.is_empty()) else { return false };
    let whole = |path: &Path| path.canonicalize().ok();
    whole(path).zip(whole(Path::new(&dir))).is_some_and(|(path, dir)| path.starts_with(dir))
}

pub(super) fn any_from_env(name: &str, value: Option<String>) -> Result<Token, BadToken> {
    let value = value.ok_or_else(|| BadToken::Unset { name: name.to_owned() })?;
    from_text(&value, format!("the environment variable {name}"))
}

/// Slack's words for what it won't take here: bot and app-level tokens can't have `auditlogs:read`.
const WRONG_KINDS: [&str; 3] = ["xoxb-", "xoxe.xoxb-", "xapp-"];

fn from_text(text: &str, place: String) -> Result<Token, BadToken> {
    let text = text.trim();
    if text.is_empty() {
        return Err(BadToken::Empty { place });
    }
    // It becomes a header: a line break or a control character in it would end up as someone else's header.
    if text.len() as u64 > MAX_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(BadToken::NotOneWord { place });
    }
    Ok(Token(text.into()))
}

fn for_audit_log(token: Token, place: &str) -> Result<Token, BadToken> {
    match WRONG_KINDS.iter().any(|kind| token.expose().starts_with(kind)) {
        true => Err(BadToken::WrongKind { place: place.to_owned() }),
        false => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_of_its_owner_alone_is_read_and_trimmed() {
        for mode in [0o600, 0o400] {
            let (_folder, path) = file("xoxp-secret\n", mode);
            assert_eq!(from_file(&path).unwrap().expose(), "xoxp-secret");
        }
    }

    #[test]
    fn a_bad_secret_is_refused_and_not_repeated() {
        let long = "s3cret".repeat(1000);
        for (text, mode, what) in [
            ("s3cret", 0o640, "by others"),
            ("s3cret", 0o604, "read by others"),
            ("s3cret", 0o620, "written by others"),
            ("s3cret", 0o660, "written by others"),
            (" \n", 0o600, "empty"),
            ("s3cret s3cret", 0o600, "more than one word"),
            ("s3cret\u{7f}", 0o600, "more than one word"),
            (&long, 0o600, "more than one word"),
            ("xoxb-s3cret", 0o600, "bot"),
        ] {
            let (_folder, path) = file(text, mode);
            let error = from_file(&path).unwrap_err();
            let told = format!("{error} {error:?} {:?}", error.hint());
            assert!(error.to_string().contains(what), "{error}");
            assert!(!told.contains("s3cret"), "{told}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(from_file(folder.path()), Err(BadToken::NotAFile { .. })));
        assert!(matches!(from_env("X", None), Err(BadToken::Unset { .. })));
    }

    #[test]
    fn a_group_may_read_a_secret_only_where_that_is_how_it_is_handed_over() {
        let own = Rights { mode: 0, is_ours: true, group_is_ours: true, is_read_only: false, is_credential: false };
        let handed = [
            ("LoadCredential", Rights { is_ours: false, group_is_ours: false, is_credential: true, ..own }),
            ("fsGroup", Rights { is_ours: false, ..own }),
            ("fsGroup, as root", Rights { is_read_only: true, ..own }),
        ];
        for (what, place) in handed {
            for (mode, exposure) in [
                (0o400, None),
                (0o440, None),
                (0o640, None),
                (0o444, Some(Exposure::Read)),
                (0o441, Some(Exposure::Read)),
                (0o460, Some(Exposure::Written)),
                (0o666, Some(Exposure::Written)),
            ] {
                assert_eq!(Rights { mode, ..place }.exposure(), exposure, "{what} {mode:o}");
            }
        }
        let foreign_group = Rights { is_ours: false, group_is_ours: false, ..own };
        for place in [own, foreign_group] {
            assert_eq!(Rights { mode: 0o440, ..place }.exposure(), Some(Exposure::Read), "{place:?}");
            assert_eq!(Rights { mode: 0o400, ..place }.exposure(), None);
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let token = from_env("X", Some("xoxp-s3cret".into())).unwrap();
        assert_eq!(format!("{token:?} {:#?}", Some(&token)).matches("s3cret").count(), 0);
    }
}
