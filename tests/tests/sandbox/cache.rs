//! The compile cache: what we compiled is loaded again, what others could have put there never is.

use gridwatch_detect::{Component, Engine, Limits, Module, Refused};
use gridwatch_tests::detection::plain;
use gridwatch_tests::guests::{ALL_GRANTS, component, test_guest};
use serde_json::Map;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes before the native code: a magic number and a checksum.
const HEAD: usize = 8 + 32;

fn guest(name: &str) -> Component {
    component(test_guest(name), &ALL_GRANTS).expect(name)
}

/// Loads a module with an engine of its own, as after a restart.
fn load(cache: &Path, component: &Component) -> Module {
    let engine = Engine::new(Some(cache)).expect("an engine");
    Module::load(&engine, component, &Map::new(), Arc::default(), Arc::new(Limits::default())).expect("a module")
}

fn artifacts(cache: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(cache).expect("a folder").map(|f| f.expect("a file").path()).collect();
    files.sort();
    files
}

fn artifact_of(cache: &Path, component: &Component) -> PathBuf {
    let of_it = |path: &PathBuf| path.to_string_lossy().contains(&component.digest);
    artifacts(cache).into_iter().find(of_it).expect("an artifact")
}

fn rules_fired(module: &mut Module) -> usize {
    super::evaluate(module, &[plain(1)]).outcome.findings.len()
}

#[test]
fn a_second_load_runs_what_the_first_one_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let (healthy, other) = (guest("healthy"), guest("bench-checks"));
    assert_eq!(rules_fired(&mut load(&cache, &healthy)), 1);
    load(&cache, &other);
    let kept = artifacts(&cache);
    assert_eq!(kept.len(), 2, "{kept:?}");
    let written = |path: &PathBuf| std::fs::metadata(path).map(|m| (m.ino(), m.mtime_nsec())).expect("a file");
    let before: Vec<_> = kept.iter().map(written).collect();
    assert_eq!(rules_fired(&mut load(&cache, &healthy)), 1);
    assert_eq!(artifacts(&cache).iter().map(written).collect::<Vec<_>>(), before, "nothing was compiled");
    // The other module's code under this one's name: if that is what runs, the cache was used.
    std::fs::copy(artifact_of(&cache, &other), artifact_of(&cache, &healthy)).expect("a copy");
    assert_eq!(rules_fired(&mut load(&cache, &healthy)), 0);
}

#[test]
fn a_damaged_artifact_is_compiled_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let healthy = guest("healthy");
    load(&cache, &healthy);
    let path = artifact_of(&cache, &healthy);
    let sound = std::fs::read(&path).expect("an artifact");
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damaged = [
        Vec::new(),
        sound[..HEAD - 1].to_vec(),
        sound[..HEAD].to_vec(),
        sound[..sound.len() - 1].to_vec(),
        sound[HEAD..].to_vec(),
        flipped(0),
        flipped(HEAD - 1),
        flipped(sound.len() / 2),
    ];
    for bytes in damaged {
        std::fs::write(&path, &bytes).expect("written");
        assert_eq!(rules_fired(&mut load(&cache, &healthy)), 1);
        let mended = std::fs::read(&path).expect("an artifact");
        assert!(mended.len() == sound.len() && mended[..8] == sound[..8] && mended != bytes, "compiled and kept again");
    }
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |dir: &Path| Engine::new(Some(dir)).expect_err("refused");
    for mode in [0o770, 0o707, 0o720, 0o777] {
        let dir = folder.path().join(format!("{mode:o}"));
        std::fs::create_dir(&dir)
            .and_then(|()| std::fs::set_permissions(&dir, PermissionsExt::from_mode(mode)))
            .unwrap();
        let refused = refused(&dir);
        assert!(matches!(refused, Refused::Cache { .. }), "{mode:o}: {refused}");
    }
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign)
        .and_then(|()| std::fs::set_permissions(&foreign, PermissionsExt::from_mode(0o700)))
        .unwrap();
    // Only root can give a folder away.
    if std::os::unix::fs::chown(&foreign, Some(12_345), None).is_ok() {
        assert!(matches!(refused(&foreign), Refused::Cache { .. }));
    }
    let ours = folder.path().join("made/by/us");
    Engine::new(Some(&ours)).expect("made by us");
    assert_eq!(std::fs::metadata(&ours).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn compiled_code_is_no_module() {
    let folder = tempfile::tempdir().expect("a folder");
    let healthy = guest("healthy");
    let cache = folder.path().join("cache");
    load(&cache, &healthy);
    let artifact = std::fs::read(artifact_of(&cache, &healthy)).expect("an artifact");
    let refused = |bytes: &[u8]| component(bytes.to_vec(), &ALL_GRANTS).expect_err("refused");
    assert!(matches!(refused(&artifact[HEAD..]), Refused::Precompiled));
    assert!(matches!(refused(&artifact), Refused::NotAComponent { .. }));
}
