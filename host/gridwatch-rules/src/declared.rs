//! Declared: whose windows are counted. Those of a module that is away go on counting, so that it finds them as an
//! uninterrupted run would have left them: a version that is taken back, a file that was missing at a start.
//!
//! A declaration is what one version of a module, with its settings, counts. It is saved, for at the next start the module may
//! not be there to say it. It ends [`AWAY_S`] after the module was last in service, or when the same module has had
//! [`MAX_OF_A_MODULE`] newer ones; what no other declares any more is then forgotten.

use crate::state::{DECLARED, Forgotten, StateOp, StateRow};
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::WindowSpec;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// How long the windows of a module that is away go on counting, in event time.
pub const AWAY_S: u64 = 14 * 86_400;
/// Declarations of one module that are kept.
pub const MAX_OF_A_MODULE: usize = 4;

/// Module, and a digest of what it declared.
type Key = (String, [u8; 8]);

#[derive(Debug, Serialize, Deserialize)]
struct Declaration {
    windows: Vec<WindowSpec>,
    /// When the module was last in service; `None` while it is.
    left: Option<UnixSeconds>,
    /// Modules in service that declare it. Not saved: a process begins without any.
    #[serde(skip)]
    serving: u32,
}

#[derive(Debug, Default)]
pub struct Declared {
    declarations: BTreeMap<Key, Declaration>,
    dirty: BTreeSet<Key>,
}

impl Declared {
    /// A module comes into service.
    pub fn enter(&mut self, module: &str, windows: &[WindowSpec]) {
        let key = key(module, windows);
        let fresh = || Declaration { windows: windows.to_vec(), left: None, serving: 0 };
        let declaration = self.declarations.entry(key.clone()).or_insert_with(fresh);
        declaration.serving += 1;
        declaration.left = None;
        self.dirty.insert(key);
    }

    /// A module goes out of service.
    pub fn leave(&mut self, module: &str, windows: &[WindowSpec], at: UnixSeconds) {
        let key = key(module, windows);
        let Some(declaration) = self.declarations.get_mut(&key) else { return };
        declaration.serving = declaration.serving.saturating_sub(1);
        if declaration.serving == 0 {
            declaration.left = Some(at);
            self.dirty.insert(key);
        }
    }

    /// Puts a saved row back. Returns what it declares if no module in service says the same.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<Option<(&str, &[WindowSpec])>, Forgotten> {
        let declaration: Declaration = row.json()?;
        let module = row.id().split_last_chunk::<8>().and_then(|(module, _)| std::str::from_utf8(module).ok());
        let module = module.ok_or_else(|| row.forgotten("its key names no module"))?;
        let key = key(module, &declaration.windows);
        if self.declarations.contains_key(&key) {
            return Ok(None);
        }
        self.declarations.insert(key.clone(), declaration);
        Ok(self.declarations.get_key_value(&key).map(|((module, _), there)| (&**module, &*there.windows)))
    }

    /// Ends what has been away for too long. Is anything gone?
    pub fn expire(&mut self, newest: UnixSeconds) -> bool {
        for (key, declaration) in &mut self.declarations {
            if declaration.serving == 0 && declaration.left.is_none() {
                declaration.left = Some(newest);
                self.dirty.insert(key.clone());
            }
        }
        let mut gone: Vec<Key> = Vec::new();
        let mut of_module: BTreeMap<&str, Vec<(UnixSeconds, &Key)>> = BTreeMap::new();
        for (key, declaration) in &self.declarations {
            match declaration.left {
                Some(left) if left.plus(AWAY_S) < newest => gone.push(key.clone()),
                left => of_module.entry(&key.0).or_default().push((left.unwrap_or(UnixSeconds(u64::MAX)), key)),
            }
        }
        for mut kept in of_module.into_values() {
            kept.sort_unstable();
            let (too_many, most) = (kept.len().saturating_sub(MAX_OF_A_MODULE), UnixSeconds(u64::MAX));
            gone.extend(kept.into_iter().take(too_many).filter(|(left, _)| *left < most).map(|(_, key)| key.clone()));
        }
        gone.iter().for_each(|key| _ = self.declarations.remove(key));
        let is_less = !gone.is_empty();
        self.dirty.extend(gone);
        is_less
    }

    /// What is counted, and for which module.
    pub fn windows(&self) -> impl Iterator<Item = (&str, &[WindowSpec])> {
        self.declarations.iter().map(|((module, _), declaration)| (&**module, &*declaration.windows))
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let row = |key: Key| {
            let id = [key.0.as_bytes(), &key.1[..]].concat();
            StateOp::save(DECLARED, &id, self.declarations.get(&key))
        };
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }
}

fn key(module: &str, windows: &[WindowSpec]) -> Key {
    let mut digest = [0; 8];
    let whole = Sha256::digest(crate::windows::identities(module, windows));
    digest.copy_from_slice(&whole[..8]);
    (module.to_owned(), digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_manifest::WindowKind;

    fn windows(span_s: u64) -> Vec<WindowSpec> {
        vec![WindowSpec {
            name: "w".into(),
            kind: WindowKind::Count,
            actions: vec!["user_login".into()],
            when: Default::default(),
            key: vec![],
            read_key: None,
            span_s,
            learn_s: 0,
            spans: Default::default(),
        }]
    }

    fn kept(declared: &Declared) -> Vec<u64> {
        declared.windows().map(|(_, windows)| windows[0].span_s).collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn what_a_module_declared_is_kept_over_restarts_until_it_is_away_for_too_long() {
        let mut declared = Declared::default();
        declared.enter("m", &windows(60));
        declared.enter("gone", &windows(90));
        let rows = declared.take_changes();
        // The next process finds one of the two.
        let mut declared = Declared::default();
        declared.enter("m", &windows(60));
        let load = |op: &StateOp| declared.load(op.row().unwrap()).unwrap().map(|(module, _)| module.to_owned());
        assert_eq!(rows.iter().filter_map(load).collect::<Vec<_>>(), ["gone"]);
        assert_eq!(kept(&declared), [60, 90]);
        assert!(!declared.expire(UnixSeconds(1_000)));
        assert!(!declared.expire(UnixSeconds(1_000 + AWAY_S)));
        assert!(declared.expire(UnixSeconds(1_001 + AWAY_S)));
        assert_eq!(kept(&declared), [60]);
        assert!(declared.take_changes().iter().any(|row| row.value == Ok(None)));
    }

    #[test]
    fn of_many_declarations_of_one_module_the_newest_are_kept_and_those_in_service_always() {
        let mut declared = Declared::default();
        for n in 1..=9 {
            declared.enter("m", &windows(n));
            declared.leave("m", &windows(n), UnixSeconds(n));
        }
        declared.enter("m", &windows(60));
        declared.enter("m", &windows(1));
        assert!(declared.expire(UnixSeconds(10)));
        assert_eq!(kept(&declared), [1, 8, 9, 60]);
    }
}
