//! `cargo xtask`: everything that is done to this repository, in one place and the same for people and CI.
//!
//! It promises to need nothing but cargo to start with: what building a module takes is found, or fetched and announced
//! (`toolchain`). It decides nothing about the product; it only calls cargo in the right order.

mod browser;
#[cfg(test)]
mod crates;
mod debian;
mod modules;
mod process;
mod toolchain;
mod workspace;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};

use crate::toolchain::Choice;
use crate::workspace::Workspace;

/// Build, try, test and measure gridwatch.
///
/// New here? `cargo xtask demo` shows gridwatch at work on a simulated Slack organization, and `cargo xtask test` runs
/// every test. Both build the WASM modules they need. The first run compiles wasmtime and takes minutes.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,

    /// Compiler for the modules. Without it: rustup's when it has the wasm32-unknown-unknown target, else Debian's when
    /// its packages are there, else what is missing gets installed, rustup's first
    #[arg(long, global = true, value_enum)]
    toolchain: Option<Choice>,

    /// Workspace to work on; xtask's own unless it is being tried out on another one
    #[arg(long, global = true, hide = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build guest-rules/* into WASM modules: target/modules/<name>-<version>.wasm
    ///
    /// A guest is a directory with a Cargo.toml and a module.toml (its manifest). Each becomes one component that carries
    /// its manifest as a custom section, `gridwatch:manifest`, so that it can be read without running code.
    Modules {
        /// Where the modules go [default: target/modules]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,

        /// Build tests/guests/* as well, into target/test-modules: guests that misbehave, for the tests
        #[arg(long)]
        test_guests: bool,
    },

    /// Run `gridwatch demo` with freshly built modules
    ///
    /// What follows is handed to `gridwatch demo`; its own options are shown by `cargo xtask demo -- --help`.
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },

    /// Run every test of the workspace, with freshly built modules
    ///
    /// For one test: `cargo xtask test -- NAME`, and with its output: `cargo xtask test -- NAME -- --nocapture`.
    Test {
        /// How many seeds each simulation test runs; the tests have a small default of their own
        #[arg(long, value_name = "N")]
        seeds: Option<u64>,

        /// Only the page, in Debian's Chromium: ten journeys by keyboard, what must not happen on the way, and each view in each state. Needs
        /// chromium, node and npm, and leaves pictures in target/browser/pictures
        #[arg(long, conflicts_with_all = ["seeds", "args"])]
        web: bool,

        /// Handed to `cargo test`
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },

    /// Build the program to hand out: target/release/gridwatch, with the modules in it
    ///
    /// Such a gridwatch runs its demo, `detections` and `coverage` anywhere. For `run`, copy target/modules/*.wasm to where the
    /// configuration says.
    Release,

    /// Measure
    Bench {
        /// What to measure
        #[arg(value_enum)]
        what: Bench,

        /// Handed to the benchmark: a part of a name measures those only
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },

    /// The program through every fault that it has to outlast, and a table of what came of each
    ///
    /// Kills at each write, full disks, receivers and a Slack that fail, clocks that are off, late entries, damaged files. The whole takes most of an
    /// hour; `cargo xtask chaos --short` a minute or two. `--only points,moments,disks,sinks,file-sinks,slack,clocks,late,files,processes`
    /// runs some of them, `--kills N`, `--points N`, `--away S`, `--full S` and `--damages N` say how much, `--json` prints the table as JSON.
    Chaos {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },

    /// Write docs/: the event mapping, a JSON Schema per view, the rules and what they cover, as gridwatch itself prints them
    Docs,

    /// Check the formatting, lint with warnings denied, then test: what a change has to pass
    Ci,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bench {
    /// A call into a module: encoding a batch, crossing the boundary, one event's share of it
    Abi,
    /// What the modules find of the labelled org's stories, how soon, and how much noise they make; `-- --users N --days N
    /// --seeds 1,2` for another org
    Detections,
    /// CPU and memory of `gridwatch replay` against the floor, which is serde_json over the same file; `-- --entries N --runs N
    /// --binary PATH --json` and more, as for those below
    Replay,
    /// The same of `gridwatch normalize`
    Normalize,
    /// The same of `gridwatch run --once` from a Slack on this machine, and what it writes and leaves
    Ingest,
    /// How soon alerts are there while entries come, `-- --rate N --seconds N`
    Latency,
    /// What 200 browsers that have the page open and 20 that are slow cost: commits, and how soon alerts are there, with them and without
    Page,
    /// How long a start takes, with nothing in the store and with much
    Start,
    /// Whether ten times as many entries cost ten times as much
    Growth,
}

/// Tells the build script of gridwatch which modules to put into the program.
const EMBED: &str = "GRIDWATCH_EMBED_MODULES";
/// How many tests run at a time, for libtest.
const TEST_THREADS: &str = "RUST_TEST_THREADS";
/// The same of what runs rules that nobody compiles.
const EMBED_INTERPRETER: &str = "GRIDWATCH_EMBED_INTERPRETER";

/// Each file in `docs` and what prints it.
const DOCS: &[(&str, &[&str])] = &[
    ("actions.md", &["schema"]),
    ("ocsf.schema.json", &["schema", "--format", "json-schema", "--view", "ocsf"]),
    ("ocsf-1.1.0.schema.json", &["schema", "--format", "json-schema", "--view", "ocsf-1.1.0"]),
    ("ecs.schema.json", &["schema", "--format", "json-schema", "--view", "ecs"]),
    ("raw.schema.json", &["schema", "--format", "json-schema", "--view", "raw"]),
    ("detections.md", &["detections", "--format", "md"]),
    ("coverage.txt", &["coverage"]),
    ("settings.txt", &["coverage", "--settings"]),
];

fn main() -> ExitCode {
    let Err(error) = run(&Cli::parse()) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error:#}");
    ExitCode::from(error.downcast_ref::<process::Failed>().map_or(1, |failed| failed.code))
}

fn run(cli: &Cli) -> Result<()> {
    let root = cli.root.canonicalize().with_context(|| format!("looking for the workspace {}", cli.root.display()))?;
    let repo = Repo { workspace: Workspace::read(&root)?, toolchain: cli.toolchain };
    match &cli.task {
        Task::Modules { out, test_guests } => {
            let out = out.clone().unwrap_or_else(|| repo.modules());
            match test_guests {
                true => repo.build_guests(&[("guest-rules", &out), ("tests/guests", &repo.test_modules())]),
                false => repo.build_guests(&[("guest-rules", &out)]),
            }
        }
        Task::Demo { args } => repo.demo(args),
        Task::Test { web: true, .. } => repo.test_page(),
        Task::Test { seeds, args, web: false } => repo.test(*seeds, args),
        Task::Release => repo.release(),
        Task::Bench { what, args } => repo.bench(*what, args),
        Task::Chaos { args } => repo.chaos(args),
        Task::Docs => repo.docs(),
        Task::Ci => repo.ci(),
    }
}

/// The repository and what was said about how to build it.
struct Repo {
    workspace: Workspace,
    toolchain: Option<Choice>,
}

impl Repo {
    fn demo(&self, args: &[OsString]) -> Result<()> {
        self.build_guests(&[("guest-rules", &self.modules())])?;
        self.build_gridwatch()?;
        process::become_it(Command::new(self.gridwatch()).arg("demo").arg("--modules").arg(self.modules()).args(args))
    }

    /// One failing test doesn't hide the others: `--no-fail-fast`.
    fn test(&self, seeds: Option<u64>, args: &[OsString]) -> Result<()> {
        let started = now();
        self.build_modules_and_test_guests()?;
        // The crash and hazard tests run the real binary, and cargo doesn't build it for another package's tests.
        self.build_gridwatch()?;
        let mut cargo = self.cargo();
        cargo.args(["test", "--workspace", "--no-fail-fast"]).args(args);
        if let Some(seeds) = seeds {
            cargo.env("GRIDWATCH_SEEDS", seeds.to_string());
        }
        // Most tests start the program and wait for what it does: two to a core keep the cores busy.
        if std::env::var_os(TEST_THREADS).is_none() {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            cargo.env(TEST_THREADS, (2 * cores).to_string());
        }
        let outcome = process::run(&mut cargo);
        eprintln!("total time: {} s", started.elapsed().as_secs());
        outcome
    }

    fn test_page(&self) -> Result<()> {
        self.build_modules_and_test_guests()?;
        self.build_gridwatch()?;
        browser::test(&self.workspace, &self.gridwatch(), [&self.modules(), &self.test_modules()])
    }

    fn release(&self) -> Result<()> {
        let modules = self.modules();
        self.build_guests(&[("guest-rules", &modules)])?;
        let build = ["build", "--release", "--workspace", "--bin", "gridwatch"];
        process::run(
            self.cargo().args(build).env(EMBED, &modules).env(EMBED_INTERPRETER, modules::interpreter(&self.workspace)),
        )?;
        let path = self.workspace.target.join("release").join(format!("gridwatch{}", std::env::consts::EXE_SUFFIX));
        let size = std::fs::metadata(&path).with_context(|| format!("looking for {}", path.display()))?.len();
        eprintln!("{}: {} MB, with the modules of {} in it", path.display(), size / 1_000_000, modules.display());
        Ok(())
    }

    /// With the dev profile, whose dependencies are optimised: the bench profile would compile wasmtime a second time.
    fn bench(&self, what: Bench, args: &[OsString]) -> Result<()> {
        self.build_modules_and_test_guests()?;
        let (name, part) = match what {
            Bench::Abi => ("abi", None),
            Bench::Detections => ("detections", None),
            Bench::Replay => ("performance", Some("replay")),
            Bench::Normalize => ("performance", Some("normalize")),
            Bench::Ingest => ("performance", Some("ingest")),
            Bench::Latency => ("performance", Some("latency")),
            Bench::Page => ("performance", Some("page")),
            Bench::Start => ("performance", Some("start")),
            Bench::Growth => ("performance", Some("growth")),
        };
        if part.is_some() {
            // They measure the real program, and cargo doesn't build it for another package's benchmarks.
            self.build_gridwatch()?;
        }
        let bench = ["bench", "--profile", "dev", "--workspace", "--bench", name, "--"];
        process::run(self.cargo().args(bench).args(part).args(args))
    }

    fn chaos(&self, args: &[OsString]) -> Result<()> {
        self.build_guests(&[("guest-rules", &self.modules())])?;
        self.build_gridwatch()?;
        let bench = ["bench", "--profile", "dev", "--workspace", "--bench", "chaos", "--"];
        process::run(self.cargo().args(bench).args(args))
    }

    /// What DOCS lists is never written by hand; a test compares it with what is printed.
    fn docs(&self) -> Result<()> {
        self.build_guests(&[("guest-rules", &self.modules())])?;
        self.build_gridwatch()?;
        let docs = self.workspace.root.join("docs");
        std::fs::create_dir_all(&docs).with_context(|| format!("making {}", docs.display()))?;
        for (name, args) in DOCS {
            let output = Command::new(self.gridwatch())
                .args(*args)
                .current_dir(&self.workspace.root)
                .output()
                .context("running gridwatch")?;
            anyhow::ensure!(output.status.success(), "gridwatch {} failed", args.join(" "));
            let path = docs.join(name);
            std::fs::write(&path, output.stdout).with_context(|| format!("writing {}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        Ok(())
    }

    fn gridwatch(&self) -> PathBuf {
        self.workspace.target.join("debug").join(format!("gridwatch{}", std::env::consts::EXE_SUFFIX))
    }

    fn ci(&self) -> Result<()> {
        process::run(self.cargo().args(["fmt", "--all", "--check"]))?;
        process::run(self.cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
        self.test(None, &[])
    }

    /// Of the whole workspace, as the tests and the benchmark are: what is selected decides the features of shared
    /// dependencies (serde's, semver's), and with other features wasmtime is compiled a second time.
    fn build_gridwatch(&self) -> Result<()> {
        process::run(self.cargo().args(["build", "--workspace", "--bin", "gridwatch"]))
    }

    fn build_modules_and_test_guests(&self) -> Result<()> {
        self.build_guests(&[("guest-rules", &self.modules()), ("tests/guests", &self.test_modules())])
    }

    fn build_guests(&self, from_to: &[(&str, &Path)]) -> Result<()> {
        modules::build(&self.workspace, self.toolchain, from_to)
    }

    fn cargo(&self) -> Command {
        self.workspace.cargo()
    }

    /// Under the workspace even when `CARGO_TARGET_DIR` is elsewhere: the README and the tests name these paths.
    fn modules(&self) -> PathBuf {
        self.workspace.root.join("target/modules")
    }

    fn test_modules(&self) -> PathBuf {
        self.workspace.root.join("target/test-modules")
    }
}

#[expect(clippy::disallowed_methods, reason = "measures how long people wait for the tests; nothing depends on it")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_demo_is_for_the_demo() {
        let cli = Cli::parse_from(["xtask", "--toolchain", "debian", "demo", "--speed", "60", "--help"]);
        let Task::Demo { args } = cli.task else { panic!("not the demo: {:?}", cli.task) };
        assert_eq!(args, ["--speed", "60", "--help"]);
        assert_eq!(cli.toolchain, Some(Choice::Debian));
    }

    #[test]
    fn what_follows_two_dashes_is_for_cargo_test() {
        let cli = Cli::parse_from(["xtask", "test", "--seeds", "500", "--", "a_name", "--", "--nocapture"]);
        let Task::Test { seeds, args, .. } = cli.task else { panic!("not the test: {:?}", cli.task) };
        assert_eq!((seeds, args), (Some(500), vec!["a_name".into(), "--".into(), "--nocapture".into()]));
    }
}
