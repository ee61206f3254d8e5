//! The units of `packaging/systemd`, as far as systemd's own tools can judge them without running one.

use gridwatch_tests::host::{gridwatch, root};
use std::process::Command;

/// As a number from 0 to 10; the smaller the better.
const MOST_EXPOSED: f64 = 1.5;

#[test]
fn the_units_are_what_systemd_reads_and_leave_little_open() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return eprintln!("skipped: there is no systemd-analyze");
    }
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["gridwatch.service", "gridwatch-watch.service"] {
        let unit = std::fs::read_to_string(root().join("packaging/systemd").join(name)).expect(name);
        // Where it is installed, there is a program and there are man pages.
        let program = gridwatch().get_program().to_string_lossy().into_owned();
        let installed = unit.replace("/usr/bin/gridwatch", &program);
        let installed: String = installed
            .lines()
            .filter(|line| !line.starts_with("Documentation="))
            .map(|line| format!("{line}\n"))
            .collect();
        let path = folder.path().join(name);
        std::fs::write(&path, installed).expect("a unit");
        let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().expect("systemd-analyze");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains(name), "{said}");
        let output =
            Command::new("systemd-analyze").args(["security", "--offline=yes"]).arg(&path).output().expect("it");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let level = said.lines().find(|line| line.contains("Overall exposure level")).expect("a verdict");
        let level: f64 =
            level.split(": ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).expect("a number");
        assert!(level <= MOST_EXPOSED, "{name}: {level}");
        // Modules are compiled: with it on, none of them runs. The watcher runs none.
        let denies = unit.contains("MemoryDenyWriteExecute=yes");
        assert_eq!(denies, name == "gridwatch-watch.service", "{name}");
    }
}
