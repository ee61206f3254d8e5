//! `gridwatch audit list|verify`: what people did to gridwatch itself, and whether the trail of it is whole.

use super::state::State;
use super::{FAILED, values};
use crate::control::{self, Order, Request};
use crate::trail::{self, Found, Known, Verified};
use anyhow::Result;
use clap::{Args, Subcommand};
use gridwatch_rules::audit::Audited;
use gridwatch_rules::monitor::heartbeat::Chain;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what was done, the newest last: who, when, what, and how.
    List(List),
    /// Look through all of the trail: exits with 1, and says where, if a record is missing, altered or in another place.
    ///
    /// Each record holds the hash of the one before. That the newest ones are gone, the trail itself can't say: the gridwatch that runs is
    /// asked how far it goes, and a file beside it. Give --head from a heartbeat or a record that a sink has, to measure it by what nobody
    /// on this machine can change.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    state: State,
    /// At most so many, the newest; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// One JSON object a line, with the hashes.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    state: State,
    /// A record that the trail has to have, by its number and hash.
    #[arg(long, value_name = "NUMBER:HASH", value_parser = values::link)]
    head: Vec<(u64, String)>,
    /// As one JSON object.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// The trail can't be read, or `out` refuses.
pub fn run(command: &Command, out: &mut dyn Write) -> Result<u8> {
    match command {
        Command::List(options) => list(&options.state.dir()?, options, out),
        Command::Verify(options) => verify(&options.state.dir()?, options, out),
    }
}

fn list(state_dir: &Path, options: &List, out: &mut dyn Write) -> Result<u8> {
    let (mut newest, mut unreadable) = (VecDeque::new(), 0);
    trail::each(state_dir, |_, found| {
        match found {
            Found::One(one) => newest.push_back(*one),
            Found::No(_) => unreadable += 1,
        }
        if options.limit > 0 && newest.len() > options.limit {
            newest.pop_front();
        }
        Ok(())
    })?;
    for one in &newest {
        match options.json {
            true => writeln!(out, "{}", as_json(one)?)?,
            false => as_text(one, out)?,
        }
    }
    if newest.is_empty() && !options.json {
        writeln!(out, "nothing was done to this gridwatch so far")?;
    }
    if unreadable > 0 {
        eprintln!("note: {unreadable} places can't be read; `gridwatch audit verify` says which");
    }
    Ok(0)
}

fn as_json(one: &Audited) -> Result<Value> {
    let mut deed = serde_json::to_value(&one.deed)?;
    deed["previous"] = json!(one.previous);
    deed["hash"] = json!(one.hash);
    Ok(deed)
}

fn as_text(one: &Audited, out: &mut dyn Write) -> std::io::Result<()> {
    let deed = &one.deed;
    let uid = deed.who.uid.map(|uid| format!(", uid {uid}")).unwrap_or_default();
    let (via, org) =
        (deed.who.via.name(), if deed.org.is_empty() { String::new() } else { format!("  [{}]", deed.org) });
    let about = if deed.about.is_empty() { String::new() } else { format!("  {}", deed.about) };
    let (number, at, what, by) = (deed.number, deed.at.seconds(), deed.what, &deed.who.by);
    writeln!(out, "{number:>5}  {at}  {what}{about}{org}  by {by} ({via}{uid})")?;
    if let Some(why) = &deed.failed {
        writeln!(out, "       failed: {why}")?;
    }
    deed.details.iter().try_for_each(|(name, value)| writeln!(out, "       {name}: {value}"))
}

fn verify(state_dir: &Path, options: &Verify, out: &mut dyn Write) -> Result<u8> {
    let of = |(number, hash): &(u64, String)| Known { number: *number, hash: hash.clone(), says: "--head" };
    let mut known: Vec<Known> = options.head.iter().map(of).collect();
    // Whoever may not ask it still has the rest.
    let running = control::ask(state_dir, &Request::new(None, Order::Trail)).ok();
    let running = running.and_then(|head| serde_json::from_value::<Chain>(head).ok()).filter(|head| head.number > 0);
    known.extend(running.map(|head| Known { number: head.number, hash: head.hash, says: "the gridwatch that runs" }));
    let Verified { records, head, first, broken } = trail::verify(state_dir, &known)?;
    let code = if broken.is_empty() { 0 } else { FAILED };
    if options.json {
        let head = json!({ "chain": head.name, "number": head.number, "hash": head.hash });
        writeln!(out, "{}", json!({ "records": records, "head": head, "broken": broken }))?;
        return Ok(code);
    }
    broken.iter().try_for_each(|what| writeln!(out, "{what}"))?;
    match (broken.len(), first) {
        (0, None) => writeln!(out, "nothing was done to this gridwatch so far")?,
        (0, Some(first)) => {
            writeln!(out, "{records} records since {}, all of them whole and in their places", first.seconds())?;
            writeln!(out, "head {}:{}", head.number, head.hash)?;
        }
        (many, _) => writeln!(out, "the audit trail is not what was written: {many} faults in {records} records")?,
    }
    Ok(code)
}
