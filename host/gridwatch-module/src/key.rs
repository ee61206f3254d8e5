//! Keys that modules are signed with, in the form that minisign writes (Ed25519), so that its own program reads ours and we read its.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// What a file of a key begins with.
const COMMENT: &str = "untrusted comment:";
/// A public key as bytes: two of the algorithm, eight of the id, 32 of the key.
const PUBLIC_BYTES: usize = 42;
const ALGORITHM: &[u8] = b"Ed";
/// Characters of a file with a key; ours have 212.
const MAX_KEY_FILE: usize = 4_096;

/// What a public key and a signature are matched by. Says nothing of who has the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

/// As minisign prints it.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A public key: the line of text that stands in a `.pub` file and in `trust.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub id: KeyId,
    line: String,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("not a public key of minisign, which is one line that begins with RW")]
    NotPublic,
    #[error("not a secret key of minisign")]
    NotSecret,
    #[error(
        "the secret key has a password, which this program doesn't open\nhint: sign with minisign itself, `minisign -Sm MODULE.wasm -s KEY`; its \
         signature is the same"
    )]
    Password,
    #[error("can't make a key: {0}")]
    Made(&'static str),
}

impl PublicKey {
    /// From the line itself, or from a file that has it below a comment.
    ///
    /// # Errors
    /// There is no such line.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_FILE {
            return Err(KeyError::NotPublic);
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(COMMENT));
        let line = lines.next().filter(|_| lines.next().is_none()).ok_or(KeyError::NotPublic)?;
        let bytes = STANDARD.decode(line).map_err(|_| KeyError::NotPublic)?;
        let is_key = bytes.len() == PUBLIC_BYTES && bytes.starts_with(ALGORITHM);
        let is_key = is_key && minisign_verify::PublicKey::from_base64(line).is_ok();
        let id = bytes.get(2..10).and_then(|id| id.try_into().ok()).filter(|_| is_key).ok_or(KeyError::NotPublic)?;
        Ok(Self { id: KeyId(id), line: line.to_owned() })
    }

    /// The line: base64 of algorithm, id and key.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// As a `.pub` file has it.
    pub fn file_text(&self) -> String {
        format!("{COMMENT} gridwatch public key {}\n{}\n", self.id, self.line)
    }

    pub(crate) fn verifier(&self) -> Option<minisign_verify::PublicKey> {
        minisign_verify::PublicKey::from_base64(&self.line).ok()
    }
}

/// A secret key, opened. Its bytes never print.
pub struct SecretKey {
    pub id: KeyId,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// From the text of its file.
    ///
    /// # Errors
    /// It is none, or one with a password.
    pub fn open(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_FILE || !text.starts_with(COMMENT) {
            return Err(KeyError::NotSecret);
        }
        let line = text.lines().nth(1).ok_or(KeyError::NotSecret)?;
        let bytes = STANDARD.decode(line.trim()).map_err(|_| KeyError::NotSecret)?;
        let bytes: &[u8; SECRET_BYTES] = bytes.as_slice().try_into().map_err(|_| KeyError::NotSecret)?;
        let (head, body) = bytes.split_at(BODY);
        match (&head[..2], &head[2..4], &head[4..6]) {
            (ALGORITHM, NO_PASSWORD, CHECKSUM) => {}
            (ALGORITHM, SCRYPT, CHECKSUM) => return Err(KeyError::Password),
            _ => return Err(KeyError::NotSecret),
        }
        let (id, seed, public, sum) = (&body[..8], &body[8..40], &body[40..72], &body[72..]);
        // minisign leaves the checksum of a key without a password empty.
        let is_sum = *sum == checksum(id, &body[8..72]) || sum.iter().all(|byte| *byte == 0);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok().filter(|_| is_sum);
        let id = id.try_into().map(KeyId).map_err(|_| KeyError::NotSecret)?;
        Ok(Self { id, pair: pair.ok_or(KeyError::NotSecret)? })
    }

    /// # Errors
    /// The key is no sound one.
    pub fn public(&self) -> Result<PublicKey, KeyError> {
        PublicKey::parse(&STANDARD.encode([ALGORITHM, &self.id.0, self.pair.public_key().as_ref()].concat()))
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

/// Where in the bytes of a secret key its id stands, and the key, the public key and a checksum after it; these are hidden where there is a
/// password. Before it: how it is signed, how passwords are stretched, and how the checksum is made; a salt; two numbers for stretching.
const BODY: usize = 54;
const SECRET_BYTES: usize = BODY + 8 + 64 + 32;
const NO_PASSWORD: &[u8] = &[0, 0];
const SCRYPT: &[u8] = b"Sc";
const CHECKSUM: &[u8] = b"B2";
fn checksum(id: &[u8], key: &[u8]) -> [u8; 32] {
    let hash =
        blake2b_simd::Params::new().hash_length(32).to_state().update(ALGORITHM).update(id).update(key).finalize();
    let mut sum = [0; 32];
    sum.copy_from_slice(hash.as_bytes());
    sum
}

/// A new key, as the texts of its two files.
pub struct NewKey {
    pub secret: String,
    pub public: PublicKey,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl NewKey {
    /// Has no password: whoever reads the secret file can sign.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn make() -> Result<Self, KeyError> {
        let (mut seed, mut id) = ([0; 32], [0; 8]);
        let random = SystemRandom::new();
        let filled = random.fill(&mut seed).and_then(|()| random.fill(&mut id));
        filled.map_err(|_| KeyError::Made("the system gives no random numbers"))?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Made("its seed is none"))?;
        let public = PublicKey::parse(&STANDARD.encode([ALGORITHM, &id, pair.public_key().as_ref()].concat()))?;
        let key = [&seed, pair.public_key().as_ref()].concat();
        let head = [ALGORITHM, NO_PASSWORD, CHECKSUM, &[0; BODY - 6]].concat();
        let line = STANDARD.encode([head.as_slice(), &id, &key, &checksum(&id, &key)].concat());
        Ok(Self { secret: format!("{COMMENT} gridwatch secret key {}\n{line}\n", public.id), public })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_files() {
        let new = NewKey::make().unwrap();
        let secret = SecretKey::open(&new.secret).unwrap();
        assert_eq!(secret.public().unwrap(), new.public);
        assert_eq!(PublicKey::parse(&new.public.file_text()).unwrap(), new.public);
        assert_eq!(PublicKey::parse(new.public.line()).unwrap(), new.public);
        assert!(!format!("{new:?} {secret:?}").contains(&new.secret.lines().nth(1).unwrap()[..20]));
    }

    #[test]
    fn a_key_with_a_password_is_told_from_one_that_is_none() {
        let new = NewKey::make().unwrap();
        let mut bytes = STANDARD.decode(new.secret.lines().nth(1).unwrap()).unwrap();
        bytes[2..4].copy_from_slice(SCRYPT);
        let text = format!("{COMMENT} x\n{}\n", STANDARD.encode(&bytes));
        assert!(matches!(SecretKey::open(&text), Err(KeyError::Password)));
        for at in [0, 4, 60, 100] {
            let mut bytes = STANDARD.decode(new.secret.lines().nth(1).unwrap()).unwrap();
            bytes[at] ^= 1;
            let text = format!("{COMMENT} x\n{}\n", STANDARD.encode(&bytes));
            assert!(matches!(SecretKey::open(&text), Err(KeyError::NotSecret)), "{at}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let new = NewKey::make().unwrap();
        let line = new.public.line();
        let two = format!("{line}\n{line}");
        let mut other = STANDARD.decode(line).unwrap();
        other[0] = b'X';
        let other = STANDARD.encode(other);
        let long = "A".repeat(5_000);
        for text in ["", "RW", "not base64!", &line[1..], &two, &other, &long, &new.secret] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
        }
        for text in ["", "RWQ", &new.public.file_text(), "untrusted comment: x\nAAAA", &long] {
            assert!(matches!(SecretKey::open(text), Err(KeyError::NotSecret)), "{text}");
        }
    }
}
