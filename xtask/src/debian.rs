//! Debian's packages as a compiler for WASM, for machines that reach a Debian mirror and crates.io but not rustup's server.
//!
//! Debian has no standard library for WASM that goes with its newest compiler, so cargo builds it from Debian's source
//! package (`-Zbuild-std`). That is a nightly feature: `RUSTC_BOOTSTRAP=1` has the stable compiler accept it. Std's own
//! dependencies come from crates.io, pinned by the lockfile in the source package.
//!
//! Installing never removes a package: `--no-remove` makes apt-get fail where Debian's rustc would displace another.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::process;
use crate::workspace::{Workspace, says_who_xtask_is, without_variables};

/// Where Debian's packages put their programs. By absolute path, for rustup's are usually first in `PATH`.
const BIN: &str = "/usr/bin";

/// Debian backports a new compiler to its stable releases under the names for Firefox and Chromium builds (`-web`). A
/// release whose plain packages are new enough has only those.
const FAMILIES: [Family; 2] = [
    Family { rustc: "rustc-web", cargo: "cargo-web", source: "rust-web-src" },
    Family { rustc: "rustc", cargo: "cargo", source: "rust-src" },
];

/// Seconds for each run of apt-get that uses the network. About 130 MB are downloaded on a fresh machine.
const APT_LIMIT_S: &str = "600";

struct Family {
    rustc: &'static str,
    cargo: &'static str,
    source: &'static str,
}

/// Debian's compiler, complete.
pub(crate) struct Debian {
    linker: PathBuf,
    release: Release,
}

/// Major and minor version of a compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Release(u32, u32);

/// The oldest compiler the workspace accepts: `rust-version`.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

impl Debian {
    /// What is installed, if it is all there.
    pub(crate) fn find() -> Result<Debian> {
        let rustc = Path::new(BIN).join("rustc");
        ensure!(rustc.is_file(), "no {}", rustc.display());
        ensure!(Path::new(BIN).join("cargo").is_file(), "no {BIN}/cargo");
        let about = process::output(rustc_command(&rustc).arg("-vV"))?;
        let release = Release::read(&about, "release: ").ok_or_else(|| anyhow!("no release in: {about}"))?;
        ensure!(release >= Release::oldest(), "{BIN}/rustc is {release}; gridwatch needs {OLDEST} or newer");
        let sysroot = process::output(rustc_command(&rustc).args(["--print", "sysroot"]))?;
        let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.lock");
        ensure!(source.is_file(), "no source of std: {} is missing", source.display());
        let linker = find_linker(Path::new(BIN), Release::read(&about, "LLVM version: "))
            .ok_or_else(|| anyhow!("no wasm-ld in {BIN} (Debian's package lld)"))?;
        Ok(Debian { linker, release })
    }

    pub(crate) fn install() -> Result<Debian> {
        ensure!(Path::new(BIN).join("apt-get").is_file(), "not a Debian system (no apt-get)");
        let as_root = as_root().map_err(|error| match packages() {
            Ok(names) => anyhow!("{error}; as root: apt-get install --no-install-recommends {}", names.join(" ")),
            Err(lists) => anyhow!("{error}; and {lists:#} (as root, `apt-get update` may bring newer ones)"),
        })?;
        eprintln!("wasm target: apt-get update");
        if let Err(error) = process::run(&mut as_root.apt_get(&["update", "-qq"])) {
            eprintln!("warning: {error:#}; going on with the package lists there are");
        }
        let packages = packages()?;
        eprintln!("wasm target: installing {} (Debian)", packages.join(", "));
        let mut install = vec!["install", "-qq", "-y", "--no-install-recommends", "--no-remove"];
        install.extend(packages.iter().map(String::as_str));
        let by_hand = || format!("to see more, run as root: apt-get {}", install[..].join(" "));
        // Downloading may be cut off at its time limit. Unpacking may not: that would leave half an installed package.
        process::run(&mut as_root.apt_get(&[&install[..], &["--download-only"]].concat())).with_context(by_hand)?;
        process::run(&mut as_root.apt_get_without_limit(&install)).with_context(by_hand)?;
        Debian::find().context("the packages are installed, but something is missing")
    }

    /// Debian's cargo with nothing left of the rustup toolchain that runs xtask.
    pub(crate) fn cargo(&self, workspace: &Workspace) -> Command {
        let mut cargo = Command::new(Path::new(BIN).join("cargo"));
        without_variables(&mut cargo, |variable| {
            let misleads = ["CARGO", "LD_LIBRARY_PATH", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOC"];
            says_who_xtask_is(variable)
                || variable.to_string_lossy().starts_with("RUSTUP_")
                || misleads.iter().any(|misleading| variable == *misleading)
        });
        cargo
            .env("RUSTC", Path::new(BIN).join("rustc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &self.linker)
            .current_dir(&workspace.root);
        cargo
    }
}

impl fmt::Display for Debian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Debian's rustc {}, with a standard library built here", self.release)
    }
}

/// Debian's rustc doesn't need it, but a `LD_LIBRARY_PATH` set by the rustup cargo that started xtask has it load that
/// toolchain's libraries first.
fn rustc_command(rustc: &Path) -> Command {
    let mut command = Command::new(rustc);
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// The wasm-ld of the LLVM that rustc was built with, or else the newest: an older one may not know what rustc writes.
fn find_linker(bin: &Path, llvm: Option<Release>) -> Option<PathBuf> {
    let same = llvm.map(|Release(major, _)| bin.join(format!("wasm-ld-{major}"))).filter(|path| path.is_file());
    let versions = || {
        let names = bin.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_prefix("wasm-ld-")?.parse::<u32>().ok()).max()
    };
    let newest = || Some(bin.join(format!("wasm-ld-{}", versions()?)));
    let plain = || Some(bin.join("wasm-ld")).filter(|path| path.is_file());
    same.or_else(newest).or_else(plain)
}

/// The packages to install: the first family that is new enough, and the newest lld.
fn packages() -> Result<Vec<String>> {
    let mut offered = Vec::new();
    for family in FAMILIES {
        let policy = process::output(Command::new("apt-cache").args(["policy", family.rustc]))?;
        match candidate(&policy) {
            Some(release) if release >= Release::oldest() => {
                let names = process::output(Command::new("apt-cache").args(["pkgnames", "lld"]))?;
                let lld = newest_lld(&names).ok_or_else(|| anyhow!("its package lists have no lld"))?;
                return Ok(vec![family.rustc.into(), family.cargo.into(), family.source.into(), lld]);
            }
            Some(release) => offered.push(format!("{} {release}", family.rustc)),
            None => offered.push(format!("no {}", family.rustc)),
        }
    }
    bail!("its package lists have {}; gridwatch needs {OLDEST} or newer", offered.join(" and "))
}

/// The version that `apt-cache policy` says would be installed.
fn candidate(policy: &str) -> Option<Release> {
    Release::read(policy, "  Candidate: ")
}

/// `lld-22` before `lld-19` before `lld`.
fn newest_lld(package_names: &str) -> Option<String> {
    let numbered = package_names.lines().filter_map(|name| name.strip_prefix("lld-")?.parse::<u32>().ok()).max();
    let plain = || package_names.lines().any(|name| name == "lld").then(|| "lld".to_owned());
    numbered.map(|number| format!("lld-{number}")).or_else(plain)
}

impl Release {
    fn oldest() -> Release {
        Release::parse(OLDEST).expect("rust-version is x.y")
    }

    /// From the line of `text` that begins with `label`.
    fn read(text: &str, label: &str) -> Option<Release> {
        Release::parse(text.lines().find_map(|line| line.strip_prefix(label))?)
    }

    /// `1.96`, `1.96.0`, `1.96.0+dfsg1-1~deb12u2`
    fn parse(version: &str) -> Option<Release> {
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
        Some(Release(numbers.next()??, numbers.next()??))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// How this user becomes root without being asked for a password.
#[derive(Clone, Copy)]
enum AsRoot {
    Already,
    Sudo,
}

fn as_root() -> Result<AsRoot> {
    if process::output(Command::new("id").arg("-u"))? == "0" {
        return Ok(AsRoot::Already);
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).output();
    ensure!(
        sudo.is_ok_and(|sudo| sudo.status.success()),
        "installing its packages needs root, or sudo without a password"
    );
    Ok(AsRoot::Sudo)
}

impl AsRoot {
    /// The limit is kept by coreutils' `timeout`, run as root too: a user can't end root's apt-get.
    fn apt_get(self, arguments: &[&str]) -> Command {
        self.command(&["timeout", "--foreground", APT_LIMIT_S, "apt-get"], arguments)
    }

    fn apt_get_without_limit(self, arguments: &[&str]) -> Command {
        self.command(&["apt-get"], arguments)
    }

    fn command(self, program: &[&str], arguments: &[&str]) -> Command {
        let sudo: &[&str] = match self {
            AsRoot::Already => &[],
            AsRoot::Sudo => &["sudo", "-n"],
        };
        let words = [sudo, &["env", "DEBIAN_FRONTEND=noninteractive"], program, arguments].concat();
        let mut command = Command::new(words[0]);
        // Errors are on stderr; what apt-get and dpkg say on stdout even with -qq is a page of progress.
        command.args(&words[1..]).stdout(Stdio::null());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read_from_apt_cache_policy() {
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate(policy), Some(Release(1, 96)));
        assert_eq!(candidate("rustc-web:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(Release::parse("1.100.0") > Release::parse("1.95"));
        assert_eq!(Release::read("rustc 1.96.0\nLLVM version: 22.1.8", "LLVM version: "), Some(Release(22, 1)));
    }

    #[test]
    fn the_newest_lld_wins_and_lldb_is_not_one() {
        for (names, expected) in [
            ("lld-9\nlldb-30\nlld-22\nlld-19\nlld\nlldpad-dev", Some("lld-22")),
            ("lldpd\nlld", Some("lld")),
            ("lldb\nlldpad", None),
        ] {
            assert_eq!(newest_lld(names).as_deref(), expected, "{names}");
        }
    }
}
