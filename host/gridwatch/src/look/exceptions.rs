//! What is silenced: the exceptions in words, and the settings of modules that do the same.

use crate::modules::Wanted;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Manifest;
use gridwatch_rules::exception::{Exception, Who};
use serde::Serialize;

/// A list among a module's settings that does what an exception does.
#[derive(Serialize)]
pub struct Silencing {
    /// `apps.known_apps`
    pub setting: String,
    pub entries: usize,
    /// Where it stands, or `default`.
    pub place: String,
}

/// All lists that suppress alerts without an owner or an end.
pub fn silencing<'m>(manifests: impl Iterator<Item = &'m Manifest>, wanted: &Wanted) -> Vec<Silencing> {
    manifests.flat_map(|manifest| of_module(manifest, wanted)).chain(provisioned(wanted)).collect()
}

fn of_module(manifest: &Manifest, wanted: &Wanted) -> Vec<Silencing> {
    let module = &manifest.name;
    let lists = manifest.config.iter().filter(|(_, key)| key.silences);
    let lists = lists.filter_map(|(name, key)| {
        let given = wanted.settings.get(module).and_then(|settings| settings.get(name));
        let entries = given.unwrap_or(&key.default).as_array().map_or(0, Vec::len);
        let place = given.map_or_else(|| "default".to_owned(), |_| wanted.places.of(module, name));
        (entries > 0).then(|| Silencing { setting: format!("{module}.{name}"), entries, place })
    });
    lists.collect()
}

/// Who provisions accounts is told of less, in every module.
fn provisioned(wanted: &Wanted) -> Vec<Silencing> {
    let lists = wanted.provisioning.lists().into_iter().filter(|(_, list)| !list.is_empty());
    let silencing = |(name, list): (&str, &[String])| Silencing {
        setting: format!("detect.provisioning.{name}"),
        entries: list.len(),
        place: wanted.places.file.display().to_string(),
    };
    lists.map(silencing).collect()
}

/// In a word.
pub fn state(exception: &Exception, now: UnixSeconds) -> &'static str {
    match () {
        () if exception.holds_at(now) => "holds",
        () if exception.expires <= now => "expired",
        () => "not yet",
    }
}

/// `actor W1 or W2, ip 198.51.100.0/24`
pub fn who(who: &Who) -> String {
    let ranges: Vec<String> = who.ip.iter().map(ToString::to_string).collect();
    let parts = [
        ("actor", &who.actor),
        ("app", &who.app),
        ("ip", &ranges),
        ("asn", &who.asn),
        ("channel", &who.channel),
        ("organization", &who.organization),
    ];
    let said = parts.into_iter().filter(|(_, names)| !names.is_empty());
    said.map(|(kind, names)| format!("{kind} {}", names.join(" or "))).collect::<Vec<_>>().join(", ")
}
