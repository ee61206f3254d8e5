//! Orders to a running gridwatch: a socket in its state folder, on which one line of JSON asks and one line answers.
//!
//! Who may ask is the user that gridwatch runs as, and root: the socket's rights say so, and the server asks the system who it is.

use crate::config::operator;
use anyhow::{Context, Result, bail};
use gridwatch_rules::audit::{Deed, Who};
use gridwatch_rules::handling::What;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of this protocol. Who speaks another one is told so.
pub const VERSION: u32 = 1;
/// A line, either way.
pub const MAX_LINE: u64 = 1 << 20;
/// Compiling and trying a large module takes its time.
const PATIENCE: Duration = Duration::from_secs(600);
/// What the system takes as the path of a socket.
const MAX_PATH: usize = 107;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub v: u32,
    /// Of several organizations: whose modules. An alert's id says it by itself.
    #[serde(default)]
    pub org: Option<String>,
    /// Who asks, as they name themselves. Whose process it is, the system says.
    #[serde(default)]
    pub who: Who,
    #[serde(flatten)]
    pub order: Order,
}

impl Request {
    /// As a command asks: in the name of the user who runs it.
    pub fn new(org: Option<String>, order: Order) -> Self {
        Self { v: VERSION, org, who: Who { by: operator(), ..Who::default() }, order }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Order {
    Install {
        file: PathBuf,
    },
    Rollback {
        module: String,
    },
    Pin {
        module: String,
    },
    Unpin {
        module: String,
    },
    Disable {
        module: String,
    },
    Enable {
        module: String,
    },
    List,
    /// The newest, or those from a number on.
    Faults {
        from: u64,
    },
    /// What somebody did about an alert, named by its id or the beginning of it.
    Act {
        alert: String,
        by: String,
        what: What,
        text: String,
    },
    /// Note in the audit trail what somebody does elsewhere.
    Record {
        deed: Box<Deed>,
    },
    /// How far the audit trail goes.
    Trail,
    /// Commit nothing while the state folder is copied. The answer says that it is so; another line ends it, and is answered if it was so
    /// until then.
    Hold,
}

impl Order {
    /// Is it about no organization's modules?
    pub fn is_of_process(&self) -> bool {
        matches!(self, Self::Act { .. } | Self::Record { .. } | Self::Trail)
    }
}

/// Nobody listens.
#[derive(Debug, thiserror::Error)]
#[error(
    "no gridwatch runs on state_dir {0}\nhint: start it with `gridwatch run --config FILE`; what the modules folder holds is taken at the \
     start"
)]
pub struct NotRunning(String);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Can there be a socket at all?
///
/// # Errors
/// The path is longer than the system takes.
pub fn fits(path: &Path) -> Result<()> {
    let bytes = path.as_os_str().len();
    if bytes > MAX_PATH {
        bail!(
            "{} has {bytes} bytes, and the path of a socket at most {MAX_PATH}\nhint: use a state_dir with a shorter path",
            path.display()
        );
    }
    Ok(())
}

/// Asks the gridwatch that runs on a state folder.
///
/// # Errors
/// None runs there ([`NotRunning`]), it can't be reached, or it says why it doesn't do so.
pub fn ask(state_dir: &Path, request: &Request) -> Result<Value> {
    say(&mut reach(state_dir)?, &serde_json::to_vec(request)?)
}

/// A gridwatch that commits nothing.
#[derive(Debug)]
pub struct Held(UnixStream);

impl Held {
    /// # Errors
    /// As for [`ask`].
    pub fn by(state_dir: &Path) -> Result<Self> {
        let mut stream = reach(state_dir)?;
        say(&mut stream, &serde_json::to_vec(&Request::new(None, Order::Hold))?)?;
        Ok(Self(stream))
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It went on before it was let.
    pub fn end(mut self) -> Result<()> {
        say(&mut self.0, b"").map(|_| ())
    }
}

fn reach(state_dir: &Path) -> Result<UnixStream> {
    let path = socket(state_dir);
    fits(&path)?;
    let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => NotRunning(state_dir.display().to_string()).into(),
        ErrorKind::PermissionDenied => anyhow::anyhow!(
            "only the user that gridwatch runs as, and root, may ask it ({}: permission denied)",
            path.display()
        ),
        _ => anyhow::Error::from(error).context(format!("can't reach {}", path.display())),
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One line, and the line that answers it.
fn say(stream: &mut UnixStream, line: &[u8]) -> Result<Value> {
    // Not as an error of the system's: a broken pipe is none of a command's that nobody reads any more.
    stream.write_all(&[line, b"\n"].concat()).map_err(|error| anyhow::anyhow!("gridwatch hung up: {error}"))?;
    let mut said = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut said).context("gridwatch didn't answer")?;
    let answer: Answer = serde_json::from_str(&said).context("gridwatch ended before it answered")?;
    match (answer.done, answer.error) {
        (Some(done), None) => Ok(done),
        (_, error) => bail!("{}", error.unwrap_or_else(|| "it answered nothing".to_owned())),
    }
}
