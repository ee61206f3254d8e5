//! Signatures of module files: minisign's, prehashed, over every byte of the file, the manifest included. They stand beside the
//! file as `FILE.minisig`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest;
use crate::file::ModuleId;
use crate::key::{KeyId, PublicKey, SecretKey};

/// Bytes of a file with a signature; ours have some 400.
pub const MAX_SIGNATURE: usize = 4_096;
/// A signature as bytes: two of the algorithm, eight of the key's id, 64 of the signature.
const SIGNATURE_BYTES: usize = 74;
/// Of what the file is hashed to first. Signatures of the older kind ("Ed") are not accepted.
const PREHASHED: &[u8] = b"ED";

/// Where the signature of a module file stands.
pub fn signature_path(module: &Path) -> PathBuf {
    let mut path = module.as_os_str().to_owned();
    path.push(".minisig");
    path.into()
}

/// The text of a signature file. What is signed is the file's hash; what is told beside it (module, version, digest) is signed with it.
pub fn sign(bytes: &[u8], id: &ModuleId, key: &SecretKey) -> String {
    let told = format!("gridwatch module={} version={} sha256={}", id.name, id.version, digest::of(bytes));
    let signature = key.sign(blake2b_simd::blake2b(bytes).as_bytes());
    let whole = key.sign(&[signature.as_slice(), told.as_bytes()].concat());
    let line = STANDARD.encode([PREHASHED, &key.id.0, &signature].concat());
    let whole = STANDARD.encode(whole);
    format!("untrusted comment: signature of a gridwatch module\n{line}\ntrusted comment: {told}\n{whole}\n")
}

/// A signature that hasn't been verified: whose it says it is.
pub struct Signature {
    pub key: KeyId,
    inner: minisign_verify::Signature,
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signature").field("key", &self.key).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    #[error("its signature file is none of minisign: {0}")]
    Form(&'static str),
    #[error("its signature is of minisign's older kind, without a hash; sign it again")]
    Legacy,
    #[error("its signature doesn't match: the file is not what was signed")]
    Mismatch,
}

impl Signature {
    /// # Errors
    /// It isn't the text of a signature file.
    pub fn parse(text: &[u8]) -> Result<Self, BadSignature> {
        if text.len() > MAX_SIGNATURE {
            return Err(BadSignature::Form("it is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| BadSignature::Form("it is not UTF-8"))?;
        let line = text.lines().nth(1).ok_or(BadSignature::Form("it has fewer than four lines"))?;
        let bytes = STANDARD.decode(line.trim()).map_err(|_| BadSignature::Form("its second line is no base64"))?;
        if bytes.len() != SIGNATURE_BYTES {
            return Err(BadSignature::Form("its second line has another length"));
        }
        if !bytes.starts_with(PREHASHED) {
            return Err(BadSignature::Legacy);
        }
        let key = bytes[2..10].try_into().map(KeyId).map_err(|_| BadSignature::Form("it names no key"))?;
        let inner = minisign_verify::Signature::decode(text);
        let inner = inner.map_err(|_| BadSignature::Form("it can't be read to its end"))?;
        Ok(Self { key, inner })
    }

    /// What the signer wrote beside it, which is signed too. Only what verified bytes came with is worth reading.
    ///
    /// # Errors
    /// The bytes are not what the key signed.
    pub fn verify(&self, bytes: &[u8], key: &PublicKey) -> Result<&str, BadSignature> {
        let verifier = key.verifier().filter(|_| key.id == self.key).ok_or(BadSignature::Mismatch)?;
        match verifier.verify(bytes, &self.inner, false) {
            Ok(()) => Ok(self.inner.trusted_comment()),
            Err(_) => Err(BadSignature::Mismatch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::NewKey;

    fn signed() -> (SecretKey, PublicKey, String) {
        let new = NewKey::make().unwrap();
        let secret = SecretKey::open(&new.secret).unwrap();
        let id = ModuleId { name: "burst".into(), version: "1.0.0".into() };
        let text = sign(b"the whole file", &id, &secret);
        (secret, new.public, text)
    }

    #[test]
    fn every_byte_of_file_and_signature_counts() {
        let (_, public, text) = signed();
        let verify = |bytes: &[u8], text: &[u8]| {
            Signature::parse(text).and_then(|s| s.verify(bytes, &public).map(str::to_owned)).is_ok()
        };
        assert!(verify(b"the whole file", text.as_bytes()));
        assert!(!verify(b"the whole file ", text.as_bytes()) && !verify(b"", text.as_bytes()));
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate().skip(1) {
            for at in 0..line.len() {
                let mut other = lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
                let byte = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
                other[number].replace_range(at..=at, byte);
                assert!(!verify(b"the whole file", other.join("\n").as_bytes()), "line {number}, byte {at}");
            }
        }
    }

    #[test]
    fn a_signature_cut_anywhere_is_refused_and_panics_nowhere() {
        let (_, public, text) = signed();
        let end = text.trim_end().len();
        for at in 0..end {
            let verified =
                Signature::parse(&text.as_bytes()[..at]).is_ok_and(|s| s.verify(b"the whole file", &public).is_ok());
            assert!(!verified, "{at}");
        }
        let long = [text.as_bytes(), &[b'\n'; MAX_SIGNATURE]].concat();
        assert_eq!(Signature::parse(&long).unwrap_err(), BadSignature::Form("it is too long"));
    }

    #[test]
    fn the_older_kind_is_refused() {
        let (_, _, text) = signed();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut bytes = STANDARD.decode(&lines[1]).unwrap();
        bytes[1] = b'd';
        lines[1] = STANDARD.encode(bytes);
        assert_eq!(Signature::parse(lines.join("\n").as_bytes()).unwrap_err(), BadSignature::Legacy);
    }
}
