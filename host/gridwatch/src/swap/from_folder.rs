//! What the modules folder holds, taken in: what is news takes over, and what can't is told.

use super::{MAX_TOLD, Origin, State, Swapper, placed};
use crate::modules::lineup::Placed;
use crate::modules::{Folder, Served, folder};
use crate::trail;
use anyhow::Result;
use gridwatch_rules::audit::{Via, What};
use std::path::Path;

impl Swapper {
    /// Takes in the folder as it is now: what is news takes over, what can't is told.
    ///
    /// # Errors
    /// What is told can't be saved.
    pub fn take_folder(&self) -> Result<()> {
        let mut state = self.lock();
        let folder = state.wanted.folder();
        let mut waiting: Vec<String> =
            folder.problems.iter().map(|problem| format!("can't be used: {problem}")).collect();
        for problem in &folder.problems {
            let (file, why) = named(&state.wanted.dir, problem);
            self.refused(&mut state, &file, &why, None)?;
        }
        for (name, there) in &folder.serving {
            waiting.extend(self.take_file(&mut state, name, there)?);
        }
        waiting.extend(self.missing(&mut state, &folder)?);
        self.note(&state);
        // The board has the lines of all organizations.
        let whose = self.shared.org.name().map_or(String::new(), |name| format!("{name}: "));
        let lines = waiting.iter().map(|line| format!("{whose}{}", line.replace("\n  ", "; ")));
        self.shared.process.board.update(|status| {
            status.modules_waiting.retain(|line| !line.starts_with(&whose));
            status.modules_waiting.extend(lines);
        });
        Ok(())
    }

    /// Has a file of the folder take over, if it is news; or says why it doesn't.
    fn take_file(&self, state: &mut State, name: &str, there: &Served) -> Result<Option<String>> {
        let (digest, file) = (&there.component.digest, folder::file_name(&there.path));
        let Placed { serving, pinned, disabled, offered, .. } = {
            state.told.retain(|told| !told.starts_with(&gone(name)));
            let placed = placed(state, name);
            placed.gone = false;
            placed.clone()
        };
        if serving.digest == *digest && !disabled {
            placed(state, name).offered = Some(digest.clone());
            return Ok(None);
        }
        if offered.as_ref() == Some(digest) {
            return Ok(state.refused.get(digest).cloned());
        }
        let version = &there.component.manifest.version;
        if pinned {
            return Ok(Some(format!("{name}@{version} of {file} waits, for {name}@{} is pinned", serving.version)));
        }
        placed(state, name).offered = Some(digest.clone());
        if disabled {
            return Ok(None);
        }
        let who = trail::owner(&there.path, Via::File);
        let by = Some((What::ModuleInstall, &who));
        let Err(why) = self.bring(state, there, Origin::Folder, by) else { return Ok(None) };
        let line = format!("{name}@{version} of {file} can't serve: {why:#}");
        self.refused(state, &file, &format!("{why:#}"), Some(name))?;
        if state.refused.len() >= MAX_TOLD {
            state.refused.clear();
        }
        state.refused.insert(digest.clone(), line.clone());
        Ok(Some(line))
    }

    /// Modules that serve, and whose files are gone. A file that can't be used may be the one that is missing.
    fn missing(&self, state: &mut State, folder: &Folder) -> Result<Vec<String>> {
        let is_missing = |name: &String, placed: &Placed| {
            placed.offered.is_some() && !placed.disabled && !folder.serving.contains_key(name)
        };
        let missing = state.lineup.modules.iter().filter(|(name, placed)| is_missing(name, placed));
        let missing: Vec<(String, String)> =
            missing.map(|(name, placed)| (name.clone(), placed.serving.version.clone())).collect();
        for (name, _) in &missing {
            if folder.problems.is_empty() && !std::mem::replace(&mut placed(state, name).gone, true) {
                let hint = format!("it goes on until `gridwatch module disable {name}`");
                self.refused(state, &gone(name), &format!("it is gone from the folder; {hint}"), Some(name))?;
            }
        }
        let line = |(name, version): (String, String)| format!("{name}@{version} runs, but isn't in the folder");
        Ok(missing.into_iter().map(line).collect())
    }
}

/// The file that a line about the folder is about, and what it says of it.
fn named(dir: &Path, problem: &str) -> (String, String) {
    let of_dir = problem.strip_prefix(&format!("{}/", dir.display()));
    let cut = of_dir.and_then(|rest| rest.split_once(": ")).or_else(|| problem.split_once(": "));
    cut.map_or_else(|| (String::new(), problem.to_owned()), |(file, why)| (file.to_owned(), why.to_owned()))
}

/// What stands in the place of a file that is gone.
fn gone(name: &str) -> String {
    format!("of {name}")
}
