//! Running other programs: their output passes through, and how they end is how xtask ends.

use std::fmt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// A program ended badly and has said why itself.
#[derive(Debug)]
pub(crate) struct Failed {
    command: String,
    status: ExitStatus,
    /// What xtask exits with: the program's own code, or 128 + the signal, as a shell has it.
    pub(crate) code: u8,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed ({})", self.command, self.status)
    }
}

impl std::error::Error for Failed {}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting `{}`", said(command)))?;
    check(command, status)
}

/// For what uses the network: ends it after `limit`.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<()> {
    const POLL: Duration = Duration::from_millis(100);
    let child = command.stdin(Stdio::null()).spawn();
    let mut child = child.with_context(|| format!("starting `{}`", said(command)))?;
    for _ in 0..limit.as_millis() / POLL.as_millis() {
        if let Some(status) = child.try_wait()? {
            return check(command, status);
        }
        sleep(POLL);
    }
    child.kill()?;
    child.wait()?;
    bail!("`{}` was not done after {} s", said(command), limit.as_secs())
}

/// What a program prints, without the newline at its end.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("starting `{}`", said(command)))?;
    check(command, output.status)?;
    let text = String::from_utf8(output.stdout).map_err(|_| anyhow!("`{}` printed no UTF-8", said(command)))?;
    Ok(text.trim_end().to_owned())
}

/// Replaces xtask by the program, so that Ctrl-C, other signals and the exit code are the program's own.
#[cfg(unix)]
pub(crate) fn become_it(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("starting `{}`", said(command)))
}

#[cfg(not(unix))]
pub(crate) fn become_it(command: &mut Command) -> Result<()> {
    run(command)
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(Failed { command: said(command), status, code: exit_code(status) }.into())
}

fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal.map(|signal: i32| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The command as a person would type it.
fn said(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_exit_code_of_a_program_is_passed_on() {
        for (script, code) in [("exit 7", 7), ("exit 101", 101), ("kill -TERM $$", 143)] {
            let error = run(&mut shell(script)).unwrap_err();
            assert_eq!(error.downcast_ref::<Failed>().unwrap().code, code, "{script}");
        }
    }

    #[test]
    fn a_program_within_its_limit_is_left_alone() {
        run_within(Duration::from_secs(60), &mut shell("exit 0")).unwrap();
    }

    #[test]
    fn a_program_over_its_limit_is_ended() {
        let error = run_within(Duration::from_millis(200), &mut shell("exec sleep 600")).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exec sleep 600` was not done after 0 s");
    }
}
