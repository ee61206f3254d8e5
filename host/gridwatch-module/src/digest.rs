//! The digest that a module goes by: SHA-256 of the whole file.

use sha2::{Digest, Sha256};

/// Lower-case hexadecimal, as alerts, locks and `module list` show it.
pub fn of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As much of it as a person compares by eye.
pub fn short(bytes: &[u8]) -> String {
    of(bytes)[..12].to_owned()
}
