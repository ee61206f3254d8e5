//! The server of orders: takes them from a socket, one connection each, and has them done.

use crate::acts;
use crate::context::Shared;
use crate::control::{Answer, MAX_LINE, Order, Request, VERSION, fits, socket};
use crate::swap::{Swapper, beside};
use anyhow::{Context, Result, bail};
use gridwatch_rules::audit::{self, Deed, Who};
use gridwatch_rules::handling::Act;
use serde::Serialize;
use serde_json::Value;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Connections at a time; more wait.
const MOST: usize = 8;
/// Faults told at a time.
const MOST_FAULTS: usize = 100;
/// How long somebody may take to say what they want.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long somebody may keep us from committing anything.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

pub type Orgs = Arc<Vec<(Arc<Shared>, Arc<Swapper>)>>;

/// Answers until it is dropped, and leaves no socket behind.
pub struct Server {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Server {
    /// `None` where there can be none: that is told, and gridwatch runs without.
    pub fn start(state_dir: &Path, orgs: Orgs) -> Option<Self> {
        let path = socket(state_dir);
        match listen(&path) {
            Ok(listener) => Some(Self { path, task: tokio::spawn(serve(listener, orgs)) }),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(
                    error,
                    "`gridwatch module install`, `alerts ack` and their like won't reach this gridwatch"
                );
                None
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whoever held the state folder's lock before us is gone, and so is who listened there.
fn listen(path: &Path) -> Result<UnixListener> {
    fits(path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("can't remove {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(|| format!("can't listen on {}", path.display()))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
        .with_context(|| format!("can't keep {} private", path.display()))?;
    Ok(listener)
}

async fn serve(listener: UnixListener, orgs: Orgs) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let orgs = orgs.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, orgs).await {
                        tracing::debug!(error = format!("{error:#}"), "an order was broken off");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "can't take an order");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, orgs: Orgs) -> Result<()> {
    let (ours, theirs) = (rustix::process::geteuid().as_raw(), stream.peer_cred()?.uid());
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(MAX_LINE));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let request = match theirs == ours || theirs == 0 {
        true => understood(&line),
        false => {
            tracing::warn!(uid = theirs, "somebody else's order was refused");
            Err(anyhow::anyhow!("only the user that gridwatch runs as, and root, may ask it"))
        }
    };
    let done = match request {
        Ok(Request { order: Order::Hold, .. }) => {
            let stream = reader.into_inner().into_inner().reunite(write)?.into_std()?;
            return beside(move || hold(stream, &orgs)).await?;
        }
        Ok(mut request) => {
            request.who.uid = Some(theirs);
            beside(move || done(&request, &orgs)).await?
        }
        Err(error) => Err(error),
    };
    write.write_all(&line_of(done)?).await?;
    Ok(())
}

fn line_of(done: Result<Value>) -> Result<Vec<u8>> {
    let answer = match done {
        Ok(done) => Answer { v: VERSION, done: Some(done), error: None },
        Err(error) => Answer { v: VERSION, done: None, error: Some(format!("{error:#}")) },
    };
    Ok([serde_json::to_vec(&answer)?, vec![b'\n']].concat())
}

/// Commits nothing until whoever asked says another line, hangs up, or takes too long. On a thread of its own, which needs no other to go on.
fn hold(mut stream: std::os::unix::net::UnixStream, orgs: &Orgs) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LONGEST_HOLD))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (shared, _) = orgs.first().context("there is no organization")?;
    let Some(_still) = shared.process.store.hold() else {
        let taken = anyhow::anyhow!("it is being copied already\nhint: try again when that is done");
        return Ok(stream.write_all(&line_of(Err(taken))?)?);
    };
    tracing::info!("holding still while the state is copied");
    stream.write_all(&line_of(Ok(Value::Bool(true)))?)?;
    match stream.read(&mut [0; 1]) {
        Ok(1..) => Ok(stream.write_all(&line_of(Ok(Value::Bool(true)))?)?),
        Ok(0) => bail!("whoever copied the state hung up"),
        Err(error) => {
            tracing::warn!(%error, "the state was being copied for too long; going on");
            Ok(())
        }
    }
}

fn understood(line: &str) -> Result<Request> {
    let request: Request = serde_json::from_str(line).context("that is no order that this gridwatch knows")?;
    if request.v != VERSION {
        bail!("this gridwatch speaks version {VERSION} of the protocol, and was asked in version {}", request.v);
    }
    Ok(request)
}

fn done(request: &Request, orgs: &Orgs) -> Result<Value> {
    let (shared, swapper) = match (&request.org, &orgs[..]) {
        (None, [(shared, swapper)]) => (shared, swapper),
        // An alert's id says by itself whose it is, and there is one trail.
        (_, [(shared, swapper), ..]) if request.order.is_of_process() => (shared, swapper),
        (None, _) => bail!("there are several organizations\nhint: name one with --org: {}", names(orgs)),
        (Some(org), _) => {
            let found = orgs.iter().find(|(shared, _)| shared.org.name() == Some(org));
            let (shared, swapper) =
                found.with_context(|| format!("there is no organization `{org}`: {}", names(orgs)))?;
            (shared, swapper)
        }
    };
    let who = &request.who;
    match &request.order {
        Order::Install { file } => json(told(shared, request, swapper.install(file, who))?),
        Order::Rollback { module } => json(told(shared, request, swapper.rollback(module, who))?),
        Order::Pin { module } => json(told(shared, request, swapper.pin(module, true, who))?),
        Order::Unpin { module } => json(told(shared, request, swapper.pin(module, false, who))?),
        Order::Disable { module } => json(told(shared, request, swapper.disable(module, who))?),
        Order::Enable { module } => json(told(shared, request, swapper.enable(module, who))?),
        Order::List => json(swapper.list()),
        Order::Faults { from } => json(shared.store.faults_from(*from, MOST_FAULTS)?),
        Order::Act { alert, by, what, text } => {
            json(acts::note(&shared.process, alert, Act::new(shared.now(), by, *what, text)?, who)?)
        }
        Order::Record { deed } => {
            let deed = Deed { at: shared.now(), who: Who { uid: who.uid, ..deed.who.clone() }, ..(**deed).clone() };
            shared.process.record(deed)?;
            Ok(Value::Bool(true))
        }
        Order::Trail => json(shared.process.store.trail_head()),
        Order::Hold => bail!("that is done elsewhere"),
    }
}

/// Notes in the audit trail that an order about a module came to nothing. What it came to, whoever did it has noted.
fn told<T>(shared: &Shared, request: &Request, done: Result<T>) -> Result<T> {
    let Err(error) = &done else { return done };
    let (what, about) = match &request.order {
        Order::Install { file } => (audit::What::ModuleInstall, file.display().to_string()),
        Order::Rollback { module } => (audit::What::ModuleRollback, module.clone()),
        Order::Pin { module } => (audit::What::ModulePin, module.clone()),
        Order::Unpin { module } => (audit::What::ModuleUnpin, module.clone()),
        Order::Disable { module } => (audit::What::ModuleDisable, module.clone()),
        Order::Enable { module } => (audit::What::ModuleEnable, module.clone()),
        _ => return done,
    };
    let deed = Deed::new(shared.now(), what, &request.who, &about).failed(&format!("{error:#}"));
    if let Err(error) = shared.record(deed) {
        tracing::error!(
            error = format!("{error:#}"),
            "an order that came to nothing can't be noted in the audit trail"
        );
    }
    done
}

fn names(orgs: &Orgs) -> String {
    let names: Vec<&str> = orgs.iter().filter_map(|(shared, _)| shared.org.name()).collect();
    names.join(", ")
}

fn json(done: impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(done)?)
}
