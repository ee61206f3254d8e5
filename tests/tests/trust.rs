//! Whose modules serve: through the program, on files that somebody changed, stripped, signed with another key or put back.

use gridwatch_tests::guests::{test_guest, with_manifest, without_manifest};
use gridwatch_tests::host::{gridwatch, private};
use gridwatch_tests::served::Served;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A configuration with a modules folder of its own, a key and whoever else there is; nothing of this user's.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    /// One module, `healthy`, signed with `team.key`, which is trusted.
    fn new() -> Self {
        let scene = Self { dir: tempfile::tempdir().expect("a folder") };
        for folder in ["modules", "config/gridwatch", "out"] {
            std::fs::create_dir_all(scene.path(folder)).expect("a folder");
        }
        std::fs::write(scene.path("token"), "xoxp-test").expect("a token");
        private(&scene.path("token"));
        for name in ["team", "stranger"] {
            scene.does(&["module", "keygen", &format!("{name}.key")]);
        }
        scene.trust("team", "");
        scene.put(&test_guest("healthy"));
        scene.sign("team");
        scene.configure("trust = \"trust.toml\"\n");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, modules: &str) {
        let text = format!(
            "state_dir = \"state\"\n[slack]\nbase_url = \"http://127.0.0.1:9\"\ntoken_file = \"token\"\n[modules]\ndir = \"modules\"\n{modules}\
             [[sink]]\nname = \"out\"\ntype = \"file\"\npath = \"out/alerts.ndjson\"\n"
        );
        std::fs::write(self.path("gridwatch.toml"), text).expect("a configuration");
    }

    fn trust(&self, name: &str, more: &str) {
        let public = std::fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a key");
        let key = public.lines().nth(1).expect("its line");
        std::fs::write(self.path("trust.toml"), format!("[[key]]\nname = \"{name}\"\nkey = \"{key}\"\n{more}"))
            .expect("written");
    }

    fn file(&self) -> PathBuf {
        self.path("modules/healthy-1.0.0.wasm")
    }

    fn signature(&self) -> PathBuf {
        self.path("modules/healthy-1.0.0.wasm.minisig")
    }

    fn put(&self, bytes: &[u8]) {
        std::fs::write(self.file(), bytes).expect("a module");
    }

    fn sign(&self, key: &str) {
        self.does(&["module", "sign", "modules/healthy-1.0.0.wasm", "--key", &format!("{key}.key")]);
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = gridwatch();
        command.args(args).current_dir(self.dir.path()).env("XDG_CONFIG_HOME", self.path("config"));
        command.output().expect("gridwatch runs")
    }

    fn does(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Loads the modules as `run` does, and says whether they may serve.
    fn serves(&self) -> Result<(), String> {
        let output = self.run(&["check", "--config", "gridwatch.toml"]);
        match output.status.success() {
            true => Ok(()),
            false => Err(said(&output)),
        }
    }

    fn refused(&self, with: &str, case: &str) {
        let told = self.serves().expect_err(case);
        assert!(told.contains(with), "{case}: {told}");
        assert!(told.contains("healthy-1.0.0.wasm"), "{case}: {told}");
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("a file");
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn only_what_somebody_trusted_has_signed_serves() {
    let scene = Scene::new();
    assert_eq!(scene.serves(), Ok(()));
    let whole = std::fs::read(scene.file()).expect("a module");
    for at in [0, 9, whole.len() / 2, whole.len() - 1] {
        flip(&scene.file(), at);
        scene.refused("doesn't match", &format!("byte {at} changed"));
        scene.put(&whole);
    }
    // The manifest is covered as the code is: another severity, nothing else.
    let manifest = String::from_utf8_lossy(&whole).into_owned();
    let manifest = &manifest[manifest.rfind("name = \"healthy\"").expect("its manifest")..];
    scene.put(&with_manifest(without_manifest("healthy"), &manifest.replacen("title = \"", "title = \"Not ", 1)));
    scene.refused("doesn't match", "the manifest changed");
    scene.put(&whole);
    let signature = std::fs::read(scene.signature()).expect("a signature");
    std::fs::remove_file(scene.signature()).expect("removed");
    scene.refused("it is not signed", "the signature is gone");
    for (broken, told) in
        [(&b""[..], "none of minisign"), (&signature[..60], "none of minisign"), (&[b'x'; 5_000][..], "has 5000 bytes")]
    {
        std::fs::write(scene.signature(), broken).expect("written");
        scene.refused(told, "the signature is broken");
    }
    std::fs::write(scene.signature(), &signature).expect("written");
    assert_eq!(scene.serves(), Ok(()));
    scene.sign("stranger");
    scene.refused("which is not trusted here", "a stranger's key");
    std::fs::remove_file(scene.path("trust.toml")).expect("removed");
    let told = scene.serves().expect_err("no keys");
    assert!(
        told.contains("modules.trust: can't use"),
        "a list of keys that is gone isn't one that nobody asked for: {told}"
    );
}

#[test]
fn keys_end_are_revoked_and_sign_their_own_modules_alone() {
    let scene = Scene::new();
    for (more, told) in [
        ("revoked = true\n", "which is revoked"),
        ("not_after = 2001-01-01\n", "which ended"),
        ("modules = [\"acme-*\"]\n", "may sign acme-*, and not a module called healthy"),
    ] {
        scene.trust("team", more);
        scene.refused(told, more);
    }
    for more in ["not_after = 2150-01-01\n", "modules = [\"acme-*\", \"heal*\"]\n"] {
        scene.trust("team", more);
        assert_eq!(scene.serves(), Ok(()), "{more}");
    }
    // Two keys, one of which follows the other.
    let both = |name: &str| {
        scene.trust(name, "");
        std::fs::read_to_string(scene.path("trust.toml")).expect("keys")
    };
    let text = both("team") + &both("stranger");
    std::fs::write(scene.path("trust.toml"), text).expect("written");
    assert_eq!(scene.serves(), Ok(()));
    scene.sign("stranger");
    assert_eq!(scene.serves(), Ok(()));
}

#[test]
fn unsigned_modules_serve_only_where_the_configuration_says_so_and_what_is_wrong_never() {
    let scene = Scene::new();
    std::fs::remove_file(scene.signature()).expect("removed");
    scene.configure("trust = \"trust.toml\"\nallow_unsigned = true\n");
    assert_eq!(scene.serves(), Ok(()));
    scene.sign("stranger");
    assert_eq!(scene.serves(), Ok(()));
    scene.sign("team");
    flip(&scene.file(), 500);
    scene.refused("doesn't match", "changed, and unsigned is allowed");
    scene.put(&test_guest("healthy"));
    scene.trust("team", "revoked = true\n");
    scene.refused("which is revoked", "revoked, and unsigned is allowed");
}

#[test]
fn run_says_at_its_start_and_in_status_that_unsigned_modules_may_serve() {
    let slack = Served::always(Vec::new());
    let scene = Scene::new();
    std::fs::remove_file(scene.signature()).expect("removed");
    let with = |more: &str| {
        scene.configure(&format!("trust = \"trust.toml\"\n{more}"));
        let config = scene.path("gridwatch.toml");
        let text = std::fs::read_to_string(&config).expect("a configuration");
        std::fs::write(&config, text.replace("http://127.0.0.1:9", &slack.base_url())).expect("written");
    };
    with("");
    let refused = scene.run(&["run", "--once", "--config", "gridwatch.toml"]);
    assert!(refused.status.code() == Some(2) && said(&refused).contains("it is not signed"), "{}", said(&refused));
    with("allow_unsigned = true\n");
    let output = scene.run(&["run", "--once", "--config", "gridwatch.toml"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("UNSIGNED MODULES MAY SERVE"), "{}", said(&output));
    assert!(said(&output).contains("nobody who is trusted answers for these modules: healthy"), "{}", said(&output));
    let status = scene.run(&["status", "--state-dir", "state"]);
    assert!(said(&status).contains("UNSIGNED MODULES MAY SERVE"), "{}", said(&status));
}

/// What served goes on from its kept copy, whatever the folder holds; but not by a key that nobody trusts any more.
#[test]
fn a_kept_copy_serves_only_while_its_signer_is_trusted() {
    let slack = Served::always(Vec::new());
    let scene = Scene::new();
    let config = scene.path("gridwatch.toml");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(&config, text.replace("http://127.0.0.1:9", &slack.base_url())).expect("written");
    let starts = |case: &str| {
        let output = scene.run(&["run", "--once", "--config", "gridwatch.toml"]);
        assert!(output.status.success(), "{case}: {}", said(&output));
    };
    let is_refused = |with: &str, case: &str| {
        let output = scene.run(&["run", "--once", "--config", "gridwatch.toml"]);
        let told = said(&output);
        assert!(output.status.code() == Some(2) && told.contains(with), "{case}: {told}");
        assert!(told.contains("healthy@1.0.0"), "{case}: {told}");
    };
    starts("signed");
    let whole = std::fs::read(scene.file()).expect("a module");
    let empty = || {
        std::fs::remove_file(scene.file()).expect("removed");
        std::fs::remove_file(scene.signature()).expect("removed");
    };
    empty();
    starts("nothing in the folder");
    scene.trust("team", "not_after = 2001-01-01\n");
    starts("its key was trusted when it came");
    for (name, more, with) in [
        ("team", "revoked = true\n", "which is revoked"),
        ("team", "modules = [\"acme-*\"]\n", "may sign acme-*, and not a module called healthy"),
        ("stranger", "", "which is not trusted here"),
    ] {
        scene.trust(name, more);
        is_refused(with, with);
    }
    scene.put(&whole);
    scene.sign("stranger");
    starts("signed anew, in the folder");
    empty();
    starts("the signature of the newer key was kept");
    scene.trust("team", "");
    is_refused("which is not trusted here", "the older key again");
}

#[test]
fn a_lock_names_all_that_serves_and_a_lock_that_is_gone_lets_nothing_serve() {
    let scene = Scene::new();
    scene.configure("trust = \"trust.toml\"\nlock = \"modules.lock\"\n");
    let told = scene.serves().expect_err("no lock");
    assert!(told.contains("modules.lock: can't use") || told.contains("modules.lock"), "{told}");
    let locked = scene.does(&["module", "lock", "--config", "gridwatch.toml"]);
    assert!(locked.contains("healthy: 1.0.0 sha256:") && locked.contains("is new"), "{locked}");
    assert_eq!(scene.serves(), Ok(()));
    // Another file that the same key has signed: an older one, say.
    let newer = gridwatch_tests::guests::manifest_text("healthy").replace("version = \"1.0.0\"", "version = \"1.0.1\"");
    scene.put(&with_manifest(without_manifest("healthy"), &newer));
    scene.sign("team");
    scene.refused("the lock has healthy@1.0.0 sha256:", "another version");
    scene.does(&["module", "lock", "--config", "gridwatch.toml"]);
    assert_eq!(scene.serves(), Ok(()));
    let lock = scene.path("modules.lock");
    for broken in ["", "version = 1\n", "version = 9\n", "not a lock"] {
        std::fs::write(&lock, broken).expect("written");
        assert!(scene.serves().is_err(), "{broken:?}");
    }
    std::fs::remove_file(&lock).expect("removed");
    assert!(scene.serves().is_err());
}

#[test]
fn a_bundle_brings_what_is_signed_and_nothing_else() {
    let scene = Scene::new();
    let packed = scene.does(&["module", "bundle", "modules", "--out", "all.bundle"]);
    assert!(packed.starts_with("all.bundle: 1 modules"), "{packed}");
    let came = scene.does(&["module", "unbundle", "all.bundle", "--to", "there", "--key", "team.pub"]);
    assert!(came.starts_with("healthy@1.0.0 sha256:") && came.contains("by team.pub"), "{came}");
    let there = |name: &str| std::fs::read(scene.path("there").join(name)).expect("a file");
    assert_eq!(there("healthy-1.0.0.wasm"), std::fs::read(scene.file()).expect("a file"));
    assert_eq!(there("healthy-1.0.0.wasm.minisig"), std::fs::read(scene.signature()).expect("a file"));
    let bundle = std::fs::read(scene.path("all.bundle")).expect("a bundle");
    let refuses = |case: &str, bytes: &[u8], key: &str| {
        std::fs::write(scene.path("odd.bundle"), bytes).expect("written");
        let output = scene.run(&["module", "unbundle", "odd.bundle", "--to", "elsewhere", "--key", key]);
        assert!(!output.status.success() && !scene.path("elsewhere").exists(), "{case}: {}", said(&output));
    };
    refuses("another key", &bundle, "stranger.pub");
    refuses("cut", &bundle[..bundle.len() / 2], "team.pub");
    let mut changed = bundle.clone();
    changed[5_000] ^= 1;
    refuses("changed", &changed, "team.pub");
    std::fs::remove_file(scene.signature()).expect("removed");
    scene.does(&["module", "bundle", "modules", "--out", "bare.bundle"]);
    refuses("unsigned", &std::fs::read(scene.path("bare.bundle")).expect("a bundle"), "team.pub");
}
