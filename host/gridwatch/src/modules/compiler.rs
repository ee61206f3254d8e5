//! Compiling beside the running host: in a child process with bounds on memory, time and files.
//!
//! A child, not a thread: what a compiler has allocated stays with its process (a Python module leaves 300 MB behind), compiling has no
//! bound of its own, and a crash of it is then a refused file instead of an outage. What it leaves is an artifact in the cache, which
//! the host checks and loads as any other.

use crate::modules::{Wanted, folder};
use anyhow::{Context, Result};
use gridwatch_detect::{Engine, Limits};
use gridwatch_event::text::clean;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The hidden command that the child is.
pub const COMMAND: &str = "compile-module";
/// Memory of the child: a Python module of 18 MB takes 411 MB.
const MEMORY: u64 = 1 << 30;
/// Processor time: the same module takes 8 s on one core.
const CPU_S: u64 = 60;
/// Its longest file: that module's artifact has 35 MB.
const FILE: u64 = 256 << 20;
const FILES: u64 = 64;
/// Wall time, on a machine where others get most of the processor.
const WALL: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(10);
/// Of what the child says last.
const SAID: u64 = 4 << 10;

/// Compiles a kept file into the cache.
///
/// # Errors
/// Why it can't be: the file's fault, or that it took too much of something.
pub fn compile(file: &Path, cache: &Path) -> Result<(), String> {
    let mut command = Command::new("/proc/self/exe");
    // Each thread would have its own share of address space.
    command.arg(COMMAND).arg(file).arg(cache).env_clear().env("RAYON_NUM_THREADS", "2").env("MALLOC_ARENA_MAX", "2");
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| format!("can't be compiled: no process can be started ({e})"))?;
    let mut waited = Duration::ZERO;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if waited >= WALL => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("does not compile: it takes longer than {} s", WALL.as_secs()));
            }
            Ok(None) => {
                std::thread::sleep(LOOK);
                waited += LOOK;
            }
            Err(e) => return Err(format!("can't be compiled: {e}")),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(SAID).read_to_string(&mut said);
    }
    let said = clean(said.lines().last().unwrap_or_default().trim_start_matches("error: "), 300);
    Err(match said.is_empty() {
        true => {
            format!("does not compile within {CPU_S} s and {} MiB (the compiler ended with {status})", MEMORY >> 20)
        }
        false => said,
    })
}

/// What the child does.
///
/// # Errors
/// The file doesn't compile.
pub fn child(file: &Path, cache: &Path) -> Result<()> {
    let limit = |resource, most| {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).context("can't bound what compiling takes")
    };
    limit(Resource::As, MEMORY)?;
    limit(Resource::Cpu, CPU_S)?;
    limit(Resource::Fsize, FILE)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, FILES)?;
    // Whoever asks for this has judged the file.
    let anybodys = Wanted::in_dir(Path::new("."));
    let component = folder::component(file, Limits::default().component_bytes, &super::asked_for, anybodys.judge());
    let (served, _) = component.map_err(anyhow::Error::msg)?;
    Engine::new(Some(cache))?.compile(&served.component)?;
    Ok(())
}
