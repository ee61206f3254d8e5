//! What was said makes no sense: told with its place and a way out, and exit code 2. What may mend itself is 1.

use gridwatch_manifest::SECTION;
use gridwatch_sim::{FaultKind, When};
use gridwatch_tests::guests::{built, manifest_text, test_guest, with_manifest, without_manifest};
use gridwatch_tests::host::{Host, Setup, gridwatch, our_modules, root};
use gridwatch_tests::sim::{Slack, now, org};
use std::process::Output;

/// A host whose Slack is never asked.
fn host() -> Host {
    Host::new(&Setup::new("http://127.0.0.1:1", 1_788_739_200))
}

fn gridwatch_with(args: &[&str]) -> (Option<i32>, String) {
    told(&gridwatch().args(args).output().expect("gridwatch runs"))
}

fn check(host: &Host) -> (Option<i32>, String) {
    told(&gridwatch().arg("check").arg("--config").arg(host.path("gridwatch.toml")).output().expect("gridwatch runs"))
}

fn told(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Changes the configuration's text; `from` has to be in it.
fn edit(host: &Host, from: &str, to: &str) {
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("configuration");
    assert!(text.contains(from), "no {from} in {text}");
    std::fs::write(path, text.replacen(from, to, 1)).expect("configuration");
}

#[test]
fn every_problem_of_a_configuration_is_told_with_its_place_and_a_way_out() {
    let host = host();
    let text = "state_dir = \"state\"\n\
                [slack]\n\
                token_file = \"nowhere\"\n\
                base_url = \"http://slack.example\"\n\
                page_limt = 50\n\
                settle = \"1s\"\n\
                interval = 30\n\
                start = \"yesterday\"\n\
                [modules]\n\
                dir = \"no-such-folder\"\n\
                [modules.grants]\n\
                sign-in = [\"lookups\"]\n\
                [[sink]]\n\
                name = \"Out\"\n\
                type = \"fil\"\n\
                [[sink]]\n\
                name = \"out\"\n\
                type = \"file\"\n\
                path = \"no/such/folder/out.ndjson\"\n\
                [archive]\n\
                keep = \"2s\"\n\
                [log]\n\
                level = \"loud\"\n";
    std::fs::write(host.path("gridwatch.toml"), text).expect("configuration");
    let (code, told) = check(&host);
    assert_eq!(code, Some(2), "{told}");
    for (line, key, what) in [
        (3, "slack.token_file", "cannot read"),
        (4, "slack.base_url", "would send the token unencrypted"),
        (5, "slack.page_limt", "unknown key"),
        (6, "slack.settle", "1s is under the minimum; allowed is 5s to 60m"),
        (7, "slack.interval", "it has to be a span"),
        (8, "slack.start", "neither a span nor a time"),
        (10, "modules.dir", "there is no folder"),
        (12, "modules.grants.sign-in", "`lookups` is not allowed"),
        (14, "sink.name", "`Out` is not a valid name"),
        (15, "sink.type", "`fil` is not allowed; allowed is stdout, file"),
        (19, "sink.path", "there is no folder"),
        (21, "archive.keep", "2s is under the minimum"),
        (23, "log.level", "`loud` is not allowed"),
    ] {
        let place = format!("gridwatch.toml:{line}:1: {key}: ");
        let found = told.lines().find(|told| told.contains(&place));
        assert!(found.is_some_and(|told| told.contains(what)), "{place}{what} is not in\n{told}");
    }
    for hint in
        ["did you mean `page_limit`?", "use https; http is for localhost", "did you mean `lookup`?", "mkdir -p "]
    {
        assert!(told.contains(hint), "no hint {hint} in\n{told}");
    }
    let (code, told) = told_by_run(&host);
    assert!(code == Some(2) && told.contains("slack.page_limt"), "run says the same: {told}");
}

fn told_by_run(host: &Host) -> (Option<i32>, String) {
    told(&host.run_once())
}

#[test]
fn a_configuration_that_is_missing_or_no_toml_is_told() {
    let host = host();
    std::fs::write(host.path("gridwatch.toml"), "state_dir = \"state\"\n[slack\n").expect("configuration");
    let (code, told) = check(&host);
    assert!(code == Some(2) && told.contains("gridwatch.toml:2:"), "{code:?} {told}");
    std::fs::remove_file(host.path("gridwatch.toml")).expect("configuration");
    let (code, told) = check(&host);
    assert!(code == Some(2) && told.contains("cannot be read") && told.contains("check --example"), "{code:?} {told}");
}

#[test]
fn a_token_that_others_can_read_is_refused_and_not_shown() {
    use std::os::unix::fs::PermissionsExt;
    let host = host();
    assert_eq!(check(&host).0, Some(0), "{}", check(&host).1);
    for mode in [0o644, 0o640, 0o604, 0o660] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(host.path("token"), permissions).expect("permissions");
        let (code, told) = check(&host);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(&format!("its mode is {mode:o}")) && told.contains("chmod 600"), "{told}");
        assert!(!told.contains("xoxp-test"), "{told}");
    }
}

#[test]
fn a_modules_folder_is_refused_with_the_reason_for_each_file() {
    let host = host();
    // Compiles our modules, so that there is native code in the cache to offer as a module below.
    assert_eq!(check(&host).0, Some(0));
    let modules = host.path("modules");
    std::fs::create_dir(&modules).expect("modules");
    edit(&host, &format!("{:?}", our_modules()), "\"modules\"\nallow_unsigned = true");
    let (code, told) = check(&host);
    assert!(code == Some(2) && told.contains("no modules there"), "an empty folder: {told}");
    let other_abi = manifest_text("healthy").replace("gridwatch:detect@1", "gridwatch:detect@9");
    let as_us = manifest_text("healthy").replace("name = \"healthy\"", "name = \"gridwatch\"");
    let files = [
        ("core.wasm", b"\0asm\x01\0\0\0".to_vec(), "a core module"),
        ("garbage.wasm", b"#!/bin/sh\nexit 1\n".to_vec(), "not a WebAssembly component"),
        ("empty.wasm", Vec::new(), "not a WebAssembly component"),
        ("compiled.cwasm", precompiled(&host), "a precompiled artifact"),
        ("disguised.wasm", precompiled(&host), "a precompiled artifact"),
        ("cut.wasm", test_guest("healthy")[..5_000].to_vec(), "not a WebAssembly component"),
        ("bare.wasm", without_manifest("healthy"), "no manifest"),
        ("abi.wasm", with_manifest(without_manifest("healthy"), &other_abi), "`gridwatch:detect@9` is not"),
        ("broken.wasm", with_manifest(without_manifest("healthy"), "name = "), "its manifest is wrong"),
        ("ours.wasm", with_manifest(without_manifest("healthy"), &as_us), "what gridwatch's own alerts go by"),
        ("misbehave.wasm", test_guest("misbehave"), "imports `"),
    ];
    for (name, bytes, _) in &files {
        std::fs::write(modules.join(name), bytes).expect("a module");
    }
    let (code, told) = check(&host);
    assert_eq!(code, Some(2), "{told}");
    for (name, _, why) in &files {
        let line = told.lines().find(|line| line.contains(&format!("modules/{name}: ")));
        assert!(line.is_some_and(|line| line.contains(why)), "{name}: {why} is not in\n{told}");
    }
    assert!(told.contains(SECTION), "{told}");
}

/// Code that wasmtime compiled before, as it lies in a gridwatch's own cache: native, and never to be trusted.
fn precompiled(host: &Host) -> Vec<u8> {
    let cache = std::fs::read_dir(host.path("state/compiled")).expect("the cache");
    let files =
        cache.filter_map(|file| Some(file.ok()?.path())).filter(|file| file.extension().is_some_and(|e| e == "cwasm"));
    let cached =
        files.map(|file| std::fs::read(file).expect("a cached module")).next().expect("something in the cache");
    let code = cached.windows(4).position(|window| window == b"\x7fELF").expect("native code");
    cached[code..].to_vec()
}

#[test]
fn a_grant_that_is_missing_or_a_setting_that_is_wrong_keeps_a_module_out() {
    let ungranted = host();
    edit(&ungranted, "sign-in = [\"lookup\"]", "");
    let (code, told) = check(&ungranted);
    assert!(
        code == Some(2) && told.contains("/sign-in-") && told.contains("imports `gridwatch:detect/lookup"),
        "{code:?} {told}"
    );
    let host = host();
    edit(
        &host,
        "[modules.grants]",
        "[modules.config.sign-in]\nburst_failures = \"many\"\nno_such_key = 1\n[modules.grants]",
    );
    let (code, told) = check(&host);
    assert_eq!(code, Some(2), "{told}");
    for place in
        [".toml:11:1: modules.config.sign-in.burst_failures: ", ".toml:12:1: modules.config.sign-in.no_such_key: "]
    {
        assert!(told.contains(place), "{told}");
    }
}

#[test]
fn the_newest_version_of_a_module_serves() {
    let host = host();
    std::fs::create_dir(host.path("modules")).expect("modules");
    edit(&host, &format!("{:?}", our_modules()), "\"modules\"\nallow_unsigned = true");
    let newer = manifest_text("healthy").replace("version = \"1.0.0\"", "version = \"1.10.0\"");
    let files = [
        ("sign-in.wasm", built(&our_modules(), "sign-in")),
        ("sessions.wasm", built(&our_modules(), "sessions")),
        ("channels.wasm", built(&our_modules(), "channels")),
        ("connect.wasm", built(&our_modules(), "connect")),
        ("places.wasm", built(&our_modules(), "places")),
        ("healthy-1.0.0.wasm", test_guest("healthy")),
        ("healthy-1.10.0.wasm", with_manifest(without_manifest("healthy"), &newer)),
    ];
    for (name, bytes) in files {
        std::fs::write(host.path("modules").join(name), bytes).expect("a module");
    }
    let (code, told) = check(&host);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("healthy@1.10.0") && !told.contains("healthy@1.0.0"), "{told}");
}

#[test]
fn a_rejected_token_ends_a_single_run_with_advice_and_a_new_one_works_at_once() {
    let (to, from) = (now() - 120, now() - 600);
    let slack = Slack::faulty(org(30, from, to), vec![FaultKind::Unauthorized.at(When::Nth(vec![1]))]);
    let host = Host::new(&Setup::new(&slack.base_url(), from));
    let (code, text) = told(&host.run_once());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("token_rejected") && text.contains("replace the token in `slack.token_file`"), "{text}");
    host.run_once_well();
    assert_eq!(host.delivered().len(), 30);
}

#[test]
fn a_command_line_that_makes_no_sense_is_told() {
    for args in [
        &["frobnicate"][..],
        &[],
        &["run"],
        &["check"],
        &["replay"],
        &["replay", "x", "--modules", "m", "--batch", "0"],
        &["replay", "x", "--archive", "a", "--modules", "m"],
        &["status"],
        &["demo", "--users", "many"],
        &["run", "--config", "x", "--twice"],
    ] {
        let (code, told) = gridwatch_with(args);
        assert_eq!(code, Some(2), "{args:?}: {told}");
        assert!(told.contains("error: ") || told.contains("Usage: "), "{args:?}: {told}");
        assert!(told.contains("--help"), "{args:?}: {told}");
    }
    let (code, told) = gridwatch_with(&["status", "--state-dir", "/nowhere"]);
    assert!(code == Some(1) && told.contains("there is no such folder"), "{code:?} {told}");
}

#[test]
fn every_subcommand_explains_itself() {
    let (code, told) = gridwatch_with(&["--help"]);
    assert!(code == Some(0) && told.contains("Exit codes: 0 done"), "{told}");
    for command in ["run", "check", "demo", "sim", "normalize", "replay", "status"] {
        assert!(told.contains(&format!("\n  {command}  ")), "{command} is not in\n{told}");
        let (code, help) = gridwatch_with(&[command, "--help"]);
        assert_eq!(code, Some(0), "{help}");
        assert!(help.contains(&format!("Usage: gridwatch {command}")), "{help}");
        let said = |line: &str| line.trim_start().split_once("  ").is_some_and(|(_, rest)| !rest.trim().is_empty());
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[0].trim_start().starts_with("--")) {
            // In a table, or on the next line where the longest needs more.
            assert!(said(pair[0]) || pair[1].starts_with("          "), "{command}: not explained: {}", pair[0]);
        }
    }
}

#[test]
fn the_example_is_a_configuration_that_works() {
    let host = host();
    let (code, example) = gridwatch_with(&["check", "--example"]);
    assert_eq!(code, Some(0), "{example}");
    let folder = host.path("");
    let here = |name: &str| folder.join(name).display().to_string();
    std::fs::create_dir(folder.join("log")).expect("log");
    let config = example
        .replace("/var/lib/gridwatch", &here("state"))
        .replace("/etc/gridwatch/slack-token", &here("token"))
        .replace("/etc/gridwatch/modules", &root().join("target/modules").display().to_string())
        .replace("/var/log/gridwatch", &here("log"));
    std::fs::write(host.path("gridwatch.toml"), config).expect("configuration");
    let (code, told) = check(&host);
    assert_eq!(code, Some(0), "{told}");
    let files = std::fs::read_dir(root().join("target/modules")).expect("our modules");
    let ours =
        files.filter(|file| file.as_ref().is_ok_and(|f| f.path().extension().is_some_and(|e| e == "wasm"))).count();
    assert!(ours > 4 && told.contains(&format!("fine; {ours} modules, 2 sinks")), "{told}");
}
