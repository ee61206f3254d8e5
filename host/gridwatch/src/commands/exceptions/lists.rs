//! Lists of the configuration that quiet their members: who is on them, and the same lists with whoever does a story on them.

use super::found::Findings;
use crate::modules::Wanted;
use gridwatch_manifest::{ConfigKind, Manifest, Severity};
use serde_json::Value;
use std::collections::BTreeSet;

/// One list with members.
#[derive(Debug)]
pub struct List {
    /// `files.bulk_apps`, or `detect.provisioning.NAME`.
    pub setting: String,
    place: Place,
    /// By the first letters of Slack's ids, what its members are.
    kinds: BTreeSet<char>,
}

#[derive(Debug)]
enum Place {
    Module { module: String, key: String },
    Provisioning(&'static str),
}

/// All lists that silence and have members.
pub fn of(manifests: &[Manifest], wanted: &Wanted) -> Vec<List> {
    let of_module = |manifest: &Manifest| {
        let silencing = manifest.config.iter().filter(|(_, key)| key.silences && key.kind == ConfigKind::Texts);
        let list = silencing.filter_map(|(key, spec)| {
            let given = wanted.settings.get(&manifest.name).and_then(|settings| settings.get(key));
            let members = given.unwrap_or(&spec.default).as_array()?;
            let kinds = kinds(members.iter().filter_map(Value::as_str));
            let place = Place::Module { module: manifest.name.clone(), key: key.clone() };
            (!members.is_empty()).then(|| List { setting: format!("{}.{key}", manifest.name), place, kinds })
        });
        list.collect::<Vec<_>>()
    };
    let provisioning = wanted.provisioning.lists().into_iter().filter(|(_, members)| !members.is_empty());
    let provisioning = provisioning.map(|(name, members)| List {
        setting: format!("detect.provisioning.{name}"),
        place: Place::Provisioning(name),
        kinds: kinds(members.iter().map(String::as_str)),
    });
    manifests.iter().flat_map(of_module).chain(provisioning).collect()
}

fn kinds<'t>(members: impl Iterator<Item = &'t str>) -> BTreeSet<char> {
    let is_id = |text: &&str| text.len() > 2 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let first = members.filter(is_id).filter_map(|member| member.chars().next());
    // People have two letters, and so do other organizations.
    first
        .map(|first| match first {
            'U' => 'W',
            'T' => 'E',
            other => other,
        })
        .collect()
}

impl List {
    /// Whoever did something that somebody would be told of, of the kind that the list has.
    pub fn like(&self, findings: &Findings) -> BTreeSet<String> {
        let told = findings.found.iter().filter(|found| found.alert.severity >= Severity::Medium);
        let mut all = BTreeSet::new();
        for found in told {
            let subjects = &found.alert.subjects;
            for (kind, ids) in [
                ('W', &subjects.actors.ids),
                ('W', &subjects.behind_apps.ids),
                ('A', &subjects.apps.ids),
                ('A', &subjects.calling_apps.ids),
                ('E', &subjects.orgs.ids),
                ('C', &subjects.channels.ids),
            ] {
                if self.kinds.contains(&kind) {
                    all.extend(ids.iter().cloned());
                }
            }
        }
        all
    }

    /// What is wanted, with these on the list.
    pub fn with(&self, wanted: &Wanted, more: BTreeSet<String>) -> Wanted {
        let mut wanted = wanted.clone();
        match &self.place {
            Place::Module { module, key } => {
                let settings = wanted.settings.entry(module.clone()).or_default();
                let there = settings.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(there) = there {
                    there.extend(more.into_iter().map(Value::from));
                }
            }
            Place::Provisioning(name) => {
                if let Some(list) = wanted.provisioning.list_mut(name) {
                    list.extend(more);
                }
            }
        }
        wanted
    }
}
