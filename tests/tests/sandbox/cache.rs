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

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a folder").mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("permissions");
}

#[test]
fn a_folder_that_others_got_rights_to_is_put_right_and_what_they_could_write_is_never_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let (healthy, other) = (guest("healthy"), guest("bench-checks"));
    load(&cache, &other);
    // Swapped code, so that it shows whether it was run: by others if they can write, by us if they only read.
    for (mode_before, runs_it) in [(0o2770, false), (0o707, false), (0o777, false), (0o755, true), (0o750, true)] {
        load(&cache, &other);
        load(&cache, &healthy);
        std::fs::copy(artifact_of(&cache, &other), artifact_of(&cache, &healthy)).expect("a copy");
        set_mode(&cache, mode_before);
        let fired = rules_fired(&mut load(&cache, &healthy));
        assert_eq!(fired == 0, runs_it, "{mode_before:o}");
        assert_eq!(mode(&cache), 0o700, "{mode_before:o}");
        std::fs::remove_file(artifact_of(&cache, &healthy)).expect("removed");
    }
    // A file that others may write is never run either, whatever its folder is like by now.
    load(&cache, &healthy);
    load(&cache, &other);
    std::fs::copy(artifact_of(&cache, &other), artifact_of(&cache, &healthy)).expect("a copy");
    set_mode(&artifact_of(&cache, &healthy), 0o660);
    assert_eq!(rules_fired(&mut load(&cache, &healthy)), 1);
    assert_eq!(mode(&artifact_of(&cache, &healthy)), 0o600, "kept again, for us alone");
}

#[test]
fn a_folder_of_somebody_else_is_not_used_and_stops_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let (foreign, ours) = (folder.path().join("foreign"), folder.path().join("made/by/us"));
    let healthy = guest("healthy");
    load(&ours, &healthy);
    assert_eq!(mode(&ours), 0o700);
    std::fs::create_dir(&foreign).expect("a folder");
    set_mode(&foreign, 0o700);
    // Only root can give a folder away.
    if std::os::unix::fs::chown(&foreign, Some(12_345), None).is_ok() {
        assert_eq!(rules_fired(&mut load(&foreign, &healthy)), 1);
        assert!(artifacts(&foreign).is_empty());
    }
}

#[test]
fn who_only_looks_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (none, cache) = (folder.path().join("none"), folder.path().join("cache"));
    let healthy = guest("healthy");
    let look = |dir: &Path| {
        let engine = Engine::looking(Some(dir)).expect("an engine");
        let limits = Arc::new(Limits::default());
        Module::load(&engine, &healthy, &Map::new(), Arc::default(), limits).expect("a module")
    };
    assert_eq!(rules_fired(&mut look(&none)), 1);
    assert!(!none.exists());
    load(&cache, &guest("bench-checks"));
    set_mode(&cache, 0o770);
    assert_eq!(rules_fired(&mut look(&cache)), 1);
    assert_eq!((mode(&cache), artifacts(&cache).len()), (0o770, 1));
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
