//! `gridwatch web`: the page by itself, over a state folder on which nothing may run; and the link that logs somebody in.

use super::respond::Wrong;
use super::state::State;
use crate::app::signals;
use crate::clock::Clock;
use crate::config::web::{USUAL, Web};
use crate::config::{Configs, operator};
use crate::telemetry::log;
use crate::web::guard::link;
use crate::web::{self, Setup};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a link that logs in to the page: good once, and for two minutes.
    ///
    /// For whoever may write into the state folder as the user that gridwatch runs as; they may do everything on the page.
    Open(Where),
    /// Serve the page from a state folder until SIGTERM or SIGINT, also while no gridwatch runs on it.
    ///
    /// A gridwatch that runs serves it itself where `listen` is set in [web].
    Serve(Where),
}

#[derive(Debug, Args)]
pub struct Where {
    #[command(flatten)]
    state: State,
    /// Where the page is served, instead of what the configuration says; 127.0.0.1:9900 where nobody says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// # Errors
/// The configuration or the state folder can't be read, or the page can't be served.
pub fn run(command: &Command, log: Option<&str>, clock: Clock) -> Result<u8> {
    match command {
        Command::Open(place) => open(place, clock),
        Command::Serve(place) => serve(place, log, clock),
    }
}

impl Where {
    fn configs(&self) -> Result<Option<Configs>> {
        Ok(self.state.config().map(Configs::look).transpose()?)
    }

    fn web(&self, configs: Option<&Configs>) -> Web {
        let configured = configs.map(|configs| configs.process().web.clone());
        let mut web = configured.unwrap_or_else(|| Web::usual(USUAL));
        web.listen = self.listen.or(web.listen).or(Some(USUAL));
        web
    }
}

fn open(place: &Where, clock: Clock) -> Result<u8> {
    let web = place.web(place.configs()?.as_ref());
    let listen = web.listen.unwrap_or(USUAL);
    let secret = link::make(&place.state.dir()?, &operator(), clock.now())?;
    println!("{}/open/{secret}", base(&web, listen));
    if TcpStream::connect_timeout(&listen, Duration::from_secs(2)).is_err() {
        eprintln!(
            "note: nobody answers at {listen}: set `listen` in [web] and start gridwatch, or run `gridwatch web serve`"
        );
    }
    Ok(0)
}

/// What the page is called from outside.
fn base(web: &Web, listen: SocketAddr) -> String {
    match (web.hosts.first(), web.tls.is_some()) {
        (Some(host), false) if web.behind_proxy => format!("https://{host}"),
        (Some(host), true) if !listen.ip().is_loopback() => format!("https://{host}:{}", listen.port()),
        (_, true) => format!("https://{listen}"),
        (_, false) => format!("http://{listen}"),
    }
}

fn serve(place: &Where, log: Option<&str>, clock: Clock) -> Result<u8> {
    log::start(log.unwrap_or("info"))?;
    let configs = place.configs()?;
    let (web, homes) = (place.web(configs.as_ref()), place.state.homes()?);
    let listen = web.listen.unwrap_or(USUAL);
    if !listen.ip().is_loopback() && web.tls.is_none() && !web.behind_proxy {
        let hint = "listen on 127.0.0.1, or set `cert_file` and `key_file`, or `behind_proxy`, in [web]";
        return Err(Wrong(format!("{listen} is not this machine's own, and there is no TLS\nhint: {hint}")).into());
    }
    signals::runtime()?.block_on(async {
        let (mut stop, _reload) = signals::listen()?;
        web::start(Setup { web, homes, configs }, listen, clock)?;
        stop.wait_for(Option::is_some).await.context("signals")?;
        Ok(0)
    })
}
