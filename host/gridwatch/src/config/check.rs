//! From what was said to what is true: one function for each section.

use super::{
    Archive, Asking, Config, DEFAULT_BATCH, Detect, Homes, Include, ListFile, Log, LogFormat, Modules, Network, Place,
    Places, Respond, Since, Sink, Slack, Store, TokenRotation, Tuning, Written, org_dir,
};
use crate::config::mmdb;
use crate::reader::{DAY_S, Edge, GIB, HOUR_S, KIB, MIB, Problems, Purpose, Section, read_text, seconds_in};
use crate::secret::{self, Kind};
use crate::sink;
use gridwatch_event::network::{NetworkKind, Networks, NotNetworks};
use gridwatch_event::org::OrgId;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::text::{clean, hex};
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::zone::Zone;
use gridwatch_manifest::Grant;
use gridwatch_manifest::document::{Document, Item};
use gridwatch_module::development::TRUST;
use gridwatch_module::lock::{Lock, MAX_LOCK};
use gridwatch_module::trust::{self, MAX_TRUST, Policy, Trust, TrustedKey};
use gridwatch_names::suggest::did_you_mean;
use gridwatch_poll::MAX_WAIT_MS;
use gridwatch_rules::risk::RiskThreshold;
use gridwatch_rules::subject::is_id;
use gridwatch_rules::windows::MAX_TOTAL_BYTES;
use gridwatch_views::{LEAST_MAX_BYTES, RawData, View};
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

/// A file larger than this is no configuration.
const MAX_CONFIG_BYTES: u64 = 4 * MIB;
/// A lookup is held in memory as a whole; a million addresses take about 100 MB.
const MAX_LOOKUP_BYTES: u64 = 64 * MIB;
const MAX_NAME_CHARS: usize = 64;
const MAX_REASON_CHARS: usize = 200;
/// Module calls beyond this contend for memory bandwidth rather than gain anything.
const DEFAULT_MAX_THREADS: u64 = 4;

type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

pub(super) fn load(path: &Path, env: Env<'_>, purpose: Purpose) -> Result<Vec<Config>, Problems> {
    let text = config_text(path)?;
    let document = document(path, &text)?;
    let edge = Edge { file: path, folder: folder_of(path), env, purpose };
    let orgs = orgs(&document);
    let configs: Vec<Option<Config>> = orgs.into_iter().map(|(org, section)| config(section, org, &edge)).collect();
    same_everywhere(&document, &configs);
    let written = Arc::new(written(&text, &document));
    let problems = document.into_problems();
    match configs.into_iter().collect::<Option<Vec<_>>>() {
        Some(configs) if problems.is_empty() => {
            Ok(configs.into_iter().map(|config| Config { written: written.clone(), ..config }).collect())
        }
        _ => Err(Problems::of_file(path.to_owned(), problems)),
    }
}

fn written(text: &str, document: &Document<'_>) -> Written {
    let mut keys = BTreeMap::new();
    for (key, item) in document.root().entries() {
        leaves(text, key.to_owned(), item, &mut keys);
    }
    Written { digest: hex(&Sha256::digest(text)), keys }
}

/// Each key below an item, with a digest of what stands behind it.
fn leaves(text: &str, path: String, item: Item<'_>, to: &mut BTreeMap<String, String>) {
    if let Some(table) = item.get_ref().as_table() {
        for (key, item) in table.iter() {
            leaves(text, format!("{path}.{}", key.get_ref()), item, to);
        }
        return;
    }
    let tables = item.get_ref().as_array().filter(|all| all.iter().any(|item| item.get_ref().as_table().is_some()));
    match tables {
        Some(all) => {
            for (place, item) in (1..).zip(all.iter()) {
                let name = item.get_ref().as_table().and_then(|table| table.get("name")?.get_ref().as_str());
                leaves(text, format!("{path}.{}", name.map_or_else(|| place.to_string(), str::to_owned)), item, to);
            }
        }
        None => _ = to.insert(path, hex(&Sha256::digest(text.get(item.span()).unwrap_or_default()))),
    }
}

/// What a section of an organization may say. Everything else belongs to the process.
const OF_AN_ORG: [&str; 7] = ["slack", "modules", "lookups", "detect", "enrich", "archive", "respond"];

/// Each organization with what is said of it: its section over what is said of all. Without such sections there is one.
fn orgs<'d>(document: &'d Document<'_>) -> Vec<(OrgId, Section<'d>)> {
    let mut root = document.root();
    let named = root.section("org");
    if !named.is_present() {
        return vec![(OrgId::default(), document.root())];
    }
    let mut orgs = Vec::new();
    for (name, _) in named.entries() {
        let section = named.free_section(name);
        let whole = "belongs to the whole process: set it outside of the sections of organizations".to_owned();
        for (key, _) in section.entries().filter(|(key, _)| !OF_AN_ORG.contains(key)) {
            section.problem(key, "can't be set for an organization", whole.clone());
        }
        for key in ["dir", "trust", "lock", "allow_unsigned"]
            .into_iter()
            .filter(|key| section.free_section("modules").has(key))
        {
            section.free_section("modules").problem(key, "can't be set for an organization", whole.clone());
        }
        match OrgId::named(name) {
            Ok(org) => orgs.push((org, section.over(document.root()))),
            Err(problem) => named.problem(name, problem.to_string(), None),
        }
    }
    if named.entries().next().is_none() {
        root.problem("org", "names no organization", "add [org.NAME], or leave it out".to_owned());
    }
    orgs.sort_by(|(a, _), (b, _)| a.cmp(b));
    orgs
}

/// Two organizations must not be the same one, nor share what each needs for itself.
fn same_everywhere(document: &Document<'_>, configs: &[Option<Config>]) {
    let known: Vec<&Config> = configs.iter().flatten().collect();
    let names = || known.iter().filter_map(|config| config.org.name()).collect::<Vec<_>>();
    let mut root = document.root();
    let sinks = root.sections("sink");
    for (sink, section) in known.first().iter().flat_map(|config| &config.sinks).zip(sinks) {
        for org in sink.include.orgs.iter().flatten().filter(|org| known.iter().all(|config| config.org != **org)) {
            let near =
                did_you_mean(&org.to_string(), names().into_iter()).map(|near| format!("did you mean `{near}`?"));
            section.problem("orgs", format!("there is no organization `{org}`"), near);
        }
    }
    let users = root.section("web").sections("user");
    for (user, section) in known.first().iter().flat_map(|config| &config.web.users).zip(users) {
        for (key, orgs) in [("see", &user.see), ("act", &user.act)] {
            for org in orgs.names().filter(|org| known.iter().all(|config| config.org.to_string() != **org)) {
                let near = did_you_mean(org, names().into_iter()).map(|near| format!("did you mean `{near}`?"));
                section.problem(key, format!("there is no organization `{org}`"), near);
            }
        }
    }
    for (i, config) in known.iter().enumerate() {
        let has_its_token = |other: &&&Config| other.slack.token.is_at(&config.slack.token);
        if let Some(other) = known[..i].iter().find(has_its_token) {
            let (one, two) = (&other.org, &config.org);
            let what = format!("organizations `{one}` and `{two}` have the same token: each would read the same log");
            root.section("org").problem(config.org.name().unwrap_or_default(), what, None);
        }
        let archive = |config: &Config| config.archive.as_ref().map(|archive| archive.dir.clone());
        if let Some(other) =
            known[..i].iter().find(|other| archive(other).is_some() && archive(other) == archive(config))
        {
            let what = format!("organizations `{}` and `{}` have the same archive", other.org, config.org);
            root.section("org").problem(config.org.name().unwrap_or_default(), what, None);
        }
    }
}

/// Only where things are; what else is wrong with the file is no business of whoever asks.
pub(super) fn homes(path: &Path) -> Result<Homes, Problems> {
    let text = config_text(path)?;
    let document = document(path, &text)?;
    let (mut root, folder) = (document.root(), folder_of(path));
    let state_dir = root.required_text("state_dir", STATE_DIR).map(|dir| folder.join(dir));
    let mut archives = BTreeMap::new();
    for (org, mut section) in orgs(&document) {
        let mut archive = section.section("archive");
        let (enabled, dir) = (archive.flag("enabled", true), archive_dir(&mut archive, &org, &folder));
        let default = || Some(org_dir(state_dir.as_deref()?, &org).join("archive"));
        if let Some(dir) = dir.or_else(default).filter(|_| enabled) {
            archives.insert(org, dir);
        }
    }
    let problems = document.into_problems();
    match state_dir {
        Some(state_dir) if problems.is_empty() => Ok(Homes { state_dir, archives: Some(archives) }),
        _ => Err(Problems::of_file(path.to_owned(), problems)),
    }
}

/// Where an archive is to be. A folder that is named for all organizations has one in it for each that has a name.
fn archive_dir(section: &mut Section<'_>, org: &OrgId, folder: &Path) -> Option<PathBuf> {
    let is_its_own = section.key("dir").starts_with("org.");
    let dir = folder.join(section.text("dir")?);
    match org.name() {
        Some(name) if !is_its_own => Some(dir.join(name)),
        _ => Some(dir),
    }
}

pub(super) fn config_text(path: &Path) -> Result<String, Problems> {
    read_text(path, MAX_CONFIG_BYTES).map_err(|e| {
        let hint = "`gridwatch check --example` prints one to start from";
        Problems::of_whole_file(path.to_owned(), format!("cannot be read: {e}"), hint)
    })
}

pub(super) fn document<'t>(path: &Path, text: &'t str) -> Result<Document<'t>, Problems> {
    Document::parse(text).map_err(|problem| Problems::of_file(path.to_owned(), vec![problem]))
}

pub(super) fn folder_of(path: &Path) -> PathBuf {
    let folder = std::path::absolute(path).unwrap_or(path.to_owned());
    folder.parent().unwrap_or(Path::new("/")).to_owned()
}

const STATE_DIR: &str = "name the folder for gridwatch's own state, as in \"/var/lib/gridwatch\"";

/// `None` only after a problem was noted.
fn config(mut root: Section<'_>, org: OrgId, edge: &Edge<'_>) -> Option<Config> {
    root.know(&["org"]);
    let state_dir = root.required_text("state_dir", STATE_DIR).map(|dir| edge.folder.join(dir));
    if let Some(dir) = &state_dir {
        new_folder(&root, "state_dir", dir, edge);
    }
    let slack = slack(root.section("slack"), edge);
    let modules = modules(root.section("modules"), edge);
    let (lookups, mut lists) = lookups(root.section("lookups"), edge);
    let (detect, networks, provisioning, tuning) = detect(root.section("detect"), edge);
    let (below, asking) = enrich(root.section("enrich"), edge, slack.as_ref(), &mut lists);
    let sinks = sinks(&mut root, edge);
    let archive = archive(root.section("archive"), &org, edge, state_dir.as_deref());
    let store = store(root.section("store"));
    let respond = respond(root.section("respond"), edge);
    let monitor = super::monitor::monitor(root.section("monitor"));
    let telemetry = super::monitor::telemetry(root.section("telemetry"), edge);
    let web = super::web::web(root.section("web"), edge);
    let log = log(root.section("log"));
    root.finish();
    Some(Config {
        org,
        state_dir: state_dir?,
        slack: slack?,
        modules: modules?,
        lookups,
        detect,
        lists,
        networks: networks.over(below),
        provisioning,
        asking,
        tuning,
        sinks,
        archive,
        store,
        respond,
        monitor,
        telemetry,
        web,
        log,
        written: Arc::default(),
    })
}

fn slack(mut section: Section<'_>, edge: &Edge<'_>) -> Option<Slack> {
    // The limits of the poller itself; a test holds the two together.
    let interval_s = section.span("interval", 1..=MAX_WAIT_MS / 1000, 30);
    let settle_s = section.span("settle", 5..=HOUR_S, 60);
    let overlap_s = section.span("overlap", 0..=HOUR_S, 30);
    let max_range_s = section.span("max_window", 1..=7 * DAY_S, DAY_S);
    let page_limit = section.number("page_limit", 1..=9999, 1000) as u32;
    let requests_per_minute = section.number("requests_per_minute", 5..=6000, 50) as u32;
    // Slack builds large pages slowly; a minute is beyond the slowest it answers.
    let timeout_s = section.span("timeout", 1..=300, 60);
    // Slack adds actions a few times a month; both lists are public and count against no budget that polling needs.
    let catalogue_every_s = section.span("catalogue", 3_600..=30 * DAY_S, DAY_S);
    let base_url = base_url(&mut section);
    let network = Network::read(&mut section, edge);
    // A day: long enough to see that it works, short enough to be there at once.
    let start = since(&mut section, "start").unwrap_or(Since::Ago(DAY_S));
    let backfill = since(&mut section, "backfill");
    match (start, backfill) {
        (Since::Ago(start), Some(Since::Ago(back))) if back <= start => not_before_start(&section),
        (Since::At(start), Some(Since::At(back))) if back >= start => not_before_start(&section),
        _ => {}
    }
    let token = secret::required(&mut section, ("token_file", "token_env"), Kind::AuditLog, edge);
    let rotation_section = section.section("rotation");
    let is_rotating = rotation_section.is_present();
    let rotation = is_rotating.then(|| rotation(rotation_section, edge)).flatten();
    section.finish();
    Some(Slack {
        base_url,
        token: token?,
        rotation,
        start,
        backfill,
        interval_s,
        settle_s,
        overlap_s,
        max_range_s,
        page_limit,
        requests_per_minute,
        catalogue_every_s,
        timeout_s,
        network,
    })
}

fn not_before_start(section: &Section<'_>) {
    section.problem("backfill", "has to reach further back than `start`", None);
}

fn rotation(mut section: Section<'_>, edge: &Edge<'_>) -> Option<TokenRotation> {
    let client_id = section.required_text("client_id", "it is on the app's page, under Basic Information");
    let client_secret =
        secret::required(&mut section, ("client_secret_file", "client_secret_env"), Kind::AuditLog, edge);
    let refresh = section.required_text("refresh_token_file", "name a file with the first refresh token");
    let refresh_token = refresh.and_then(|path| {
        let place = Place::File(edge.folder.join(path));
        secret::at(&section, "refresh_token_file", place, Kind::AuditLog, edge)
    });
    section.finish();
    Some(TokenRotation { client_id: client_id?, client_secret: client_secret?, refresh_token: refresh_token? })
}

const BASE_URL: &str = "https://api.slack.com";

fn base_url(section: &mut Section<'_>) -> String {
    let Some(url) = section.text("base_url") else { return BASE_URL.into() };
    base_of(&url).unwrap_or_else(|(what, hint)| {
        section.problem("base_url", what, hint.to_owned());
        BASE_URL.into()
    })
}

/// What everything that is asked for is appended to. Plain `http` would show the token to everyone on the way; to a test server
/// on this machine there is no way.
fn base_of(text: &str) -> Result<String, (String, &'static str)> {
    let as_default = "write it as in \"https://api.slack.com\"";
    // Never shown: it may hold a password.
    if text.contains('@') {
        return Err(("holds a user name or a password".into(), "the token is all that Slack wants"));
    }
    let url = Url::parse(text).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
    let Some((url, host)) = url.as_ref().and_then(|url| Some((url, url.host_str()?))) else {
        return Err((format!("`{text}` is not a valid address"), as_default));
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "http" if !is_loopback => {
            Err((format!("`{text}` would send the token unencrypted"), "use https; http is for localhost"))
        }
        "http" | "https" => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err((format!("`{text}` is neither https nor http"), as_default)),
    }
}

/// A span back from now, or a time.
fn since(section: &mut Section<'_>, key: &'static str) -> Option<Since> {
    let text = section.time_text(key)?;
    if let Some(seconds) = seconds_in(&text) {
        return Some(Since::Ago(seconds));
    }
    let time = text.parse::<jiff::Timestamp>().ok();
    let seconds = time.and_then(|time| u64::try_from(time.as_second()).ok());
    if seconds.is_none() {
        let hint = "write a span back from now, \"24h\" or \"90d\", or a time with its zone, \"2026-01-31T00:00:00Z\"";
        section.problem(key, format!("`{text}` is neither a span nor a time"), hint.to_owned());
    }
    seconds.map(|seconds| Since::At(UnixSeconds(seconds)))
}

const GRANTS: [(&str, Grant); 3] = [("kv", Grant::Kv), ("lookup", Grant::Lookup), ("wasi", Grant::Wasi)];

fn modules(mut section: Section<'_>, edge: &Edge<'_>) -> Option<Modules> {
    let dir = section.required_text("dir", "name the folder with the component files");
    let dir = dir.map(|dir| edge.folder.join(dir));
    if let Some(dir) = &dir
        && !dir.is_dir()
    {
        let what = format!("there is no folder {}", dir.display());
        let hint =
            "name the folder with the module files (.wasm); in gridwatch's sources `cargo xtask modules` builds ours";
        section.problem("dir", what, hint.to_owned());
    }
    let shadow = section.texts("shadow").unwrap_or_default().into_iter().collect();
    let settings = section.section("config");
    let (mut config, mut places) = (BTreeMap::new(), Places { file: edge.file.to_owned(), ..Places::default() });
    places.settings.extend(settings.places().into_iter().map(|(module, at)| ((module.to_owned(), String::new()), at)));
    for (module, _) in settings.entries() {
        check_name(&settings, module, module);
        let of_module = settings.free_section(module);
        let keys = of_module.places().into_iter();
        places.settings.extend(keys.map(|(key, at)| ((module.to_owned(), key.to_owned()), at)));
        config.insert(module.to_owned(), of_module.json());
    }
    let granted = section.section("grants");
    places.grants.extend(granted.places().into_iter().map(|(module, at)| (module.to_owned(), at)));
    let grants = granted.entries().filter_map(|(module, item)| {
        check_name(&granted, module, module);
        Some((module.to_owned(), granted.free_choices(module, item, &GRANTS)?))
    });
    let grants = grants.collect();
    let (trust, lock_file) = trusted(&mut section, edge);
    let trust = Arc::new(trust);
    section.finish();
    Some(Modules { dir: dir?, config, places, grants, trust, lock_file, shadow })
}

/// Whether a signature or a lock is needed is said here alone: what lies beside the modules decides nothing.
fn trusted(section: &mut Section<'_>, edge: &Edge<'_>) -> (Trust, Option<PathBuf>) {
    let policy = match section.flag("allow_unsigned", false) {
        true => Policy::AllowUnsigned,
        false => Policy::Signed,
    };
    let named = section.text("trust").map(|path| edge.folder.join(path));
    let keys = match named.or_else(users_trust) {
        None => Vec::new(),
        Some(path) => match answered(&path, MAX_TRUST as u64).and_then(|text| trust::keys(&text)) {
            Ok(keys) => keys,
            Err(what) => {
                let hint = "it has a [[key]] with `name` and `key` for each key whose modules may serve; `gridwatch module keygen` prints one";
                section.problem("trust", format!("can't use {}: {what}", path.display()), hint.to_owned());
                Vec::new()
            }
        },
    };
    let lock_file = section.text("lock").map(|path| edge.folder.join(path));
    let lock = lock_file.as_ref().map(|path| {
        let read = answered(path, MAX_LOCK as u64).and_then(|text| Lock::parse(&text));
        read.unwrap_or_else(|what| {
            // An empty lock lets nothing serve. `module lock`, which only looks, is about to write another.
            if edge.purpose == Purpose::Look {
                return Lock::default();
            }
            let hint = "`gridwatch module lock --config FILE` writes it of the modules that lie there now".to_owned();
            section.problem("lock", format!("can't use {}: {what}", path.display()), hint);
            Lock::default()
        })
    });
    (Trust { keys, lock, policy, ..Trust::default() }, lock_file)
}

/// The keys of whoever runs this, for where a configuration names no others.
fn users_trust() -> Option<PathBuf> {
    dirs::config_dir().map(|dir| dir.join("gridwatch").join(TRUST)).filter(|path| path.is_file())
}

/// The same for a command without a configuration, which tells whose a file is and asks for nothing.
pub fn users_keys() -> Vec<TrustedKey> {
    let text = users_trust().and_then(|path| answered(&path, MAX_TRUST as u64).ok());
    text.and_then(|text| trust::keys(&text).ok()).unwrap_or_default()
}

/// The text of a file that decides what may run: one that anybody can write decides nothing.
fn answered(path: &Path, max_bytes: u64) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_err(|e| e.to_string())?.permissions().mode();
    if mode & 0o002 != 0 {
        return Err("everybody may write it; take that away with `chmod o-w`".into());
    }
    read_text(path, max_bytes).map_err(|e| e.to_string())
}

fn lookups(section: Section<'_>, edge: &Edge<'_>) -> (BTreeMap<String, Vec<String>>, Vec<ListFile>) {
    let (mut lookups, mut lists) = (BTreeMap::new(), Vec::new());
    for (name, item) in section.entries() {
        check_name(&section, name, name);
        let items = match item.get_ref().is_table() {
            true => lookup_file(section.free_section(name), edge, &format!("lookups.{name}"), &mut lists),
            false => section.free_texts(name, item),
        };
        let items = items.unwrap_or_default();
        for item in items.iter().filter(|item| !is_plausible_member(item)) {
            let what = format!("`{item}` looks like a range of addresses but is not a valid one");
            section.problem(name, what, "as in 198.51.100.0/24 or 2001:db8::/32".to_owned());
        }
        lookups.insert(name.to_owned(), items);
    }
    (lookups, lists)
}

/// One member a line; empty lines and those that begin with `#` don't count.
fn lookup_file(mut section: Section<'_>, edge: &Edge<'_>, key: &str, lists: &mut Vec<ListFile>) -> Option<Vec<String>> {
    let path = section.required_text("file", "name a file with one member on each line")?;
    let path = edge.folder.join(path);
    if section.has("max_age") {
        let max_age_s = section.span("max_age", MAX_AGE_S, DAY_S);
        lists.extend(list_file(key, &path, max_age_s, None));
    }
    let text = read_text(&path, MAX_LOOKUP_BYTES);
    let text = text.map_err(|e| section.problem("file", format!("cannot read {}: {e}", path.display()), None));
    section.finish();
    let text = text.ok()?;
    let lines = text.lines().map(str::trim);
    Some(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

/// How old a list may be said to get.
const MAX_AGE_S: std::ops::RangeInclusive<u64> = HOUR_S..=10_000 * DAY_S;

/// A file that somebody has to renew; `made` is what it says of itself. One that can't be read is a problem told elsewhere.
fn list_file(key: &str, path: &Path, max_age_s: u64, made: Option<u64>) -> Option<ListFile> {
    let written = || {
        let modified = std::fs::metadata(path).ok()?.modified().ok()?;
        Some(modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
    };
    let made = UnixSeconds(made.or_else(written)?);
    Some(ListFile { key: key.to_owned(), path: path.to_owned(), made, max_age_s })
}

/// An address with a length that isn't one would be a text that no event ever has: silent for ever.
fn is_plausible_member(item: &str) -> bool {
    let Some((address, bits)) = item.split_once('/') else { return !item.is_empty() };
    match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), bits) => bits.is_ok_and(|bits| bits <= 32),
        (Ok(IpAddr::V6(_)), bits) => bits.is_ok_and(|bits| bits <= 128),
        (Err(_), Ok(_)) => !address.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
        (Err(_), Err(_)) => true,
    }
}

fn detect(mut section: Section<'_>, edge: &Edge<'_>) -> (Detect, Networks, Provisioning, Tuning) {
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let detect = Detect {
        batch: section.number("batch", 1..=4096, DEFAULT_BATCH.into()) as usize,
        threads: section.number("threads", 1..=64, processors.min(DEFAULT_MAX_THREADS)) as usize,
        // 5,000 people make 0.4 GiB of it in a month.
        state_max_bytes: section.bytes("state_max", 64 * MIB..=1024 * GIB, MAX_TOTAL_BYTES as u64),
        risk: risk(section.section("risk")),
        zone: zone(&mut section),
    };
    let networks = section.text("networks").map(|path| networks(&section, &edge.folder.join(path)));
    let provisioning = provisioning(section.section("provisioning"));
    let tuning = tuning(&mut section, edge);
    section.finish();
    (detect, networks.unwrap_or_default(), provisioning, tuning)
}

fn risk(mut section: Section<'_>) -> RiskThreshold {
    let usual = RiskThreshold::default();
    let bar = RiskThreshold {
        span_s: section.span("span", 3_600..=7 * DAY_S, usual.span_s),
        // One rule is no sum; a number that is never reached turns that way off.
        rules: section.number("rules", 2..=1_000, usual.rules),
        points: section.number("points", 1..=100_000, usual.points),
        tactics: section.number("tactics", 1..=14, usual.tactics),
    };
    section.finish();
    bar
}

fn provisioning(mut section: Section<'_>) -> Provisioning {
    let provisioning = Provisioning {
        apps: section.texts("apps").unwrap_or_default(),
        accounts: section.texts("accounts").unwrap_or_default(),
        clients: section.texts("clients").unwrap_or_default(),
    };
    for (list, what) in provisioning.problems() {
        section.problem(list, what, None);
    }
    section.finish();
    provisioning
}

fn tuning(section: &mut Section<'_>, edge: &Edge<'_>) -> Tuning {
    let exceptions = section.text("exceptions").map(|path| edge.folder.join(path));
    if let Some(path) = exceptions.as_ref().filter(|path| !path.is_file()) {
        let hint = "create it, even if it stays empty; how to write it is in examples/exceptions.toml".to_owned();
        section.problem("exceptions", format!("there is no file {}", path.display()), hint);
    }
    let true_positives = section.text("true_positives").map(|path| edge.folder.join(path));
    if let Some(path) = true_positives.as_ref().filter(|path| !path.is_dir()) {
        let hint = "create it, and put a file for each confirmed case there".to_owned();
        section.problem("true_positives", format!("there is no folder {}", path.display()), hint);
    }
    Tuning { exceptions, true_positives }
}

fn zone(section: &mut Section<'_>) -> Zone {
    let Some(name) = section.text("timezone") else { return Zone::default() };
    Zone::named(&name).unwrap_or_else(|| {
        let hint =
            "write the name of the zone, as in Europe/Berlin or America/New_York; gridwatch has them all with it";
        section.problem("timezone", format!("`{name}` is not a time zone"), hint.to_owned());
        Zone::default()
    })
}

fn networks(section: &Section<'_>, path: &Path) -> Networks {
    let parsed = match read_text(path, MAX_LOOKUP_BYTES) {
        Ok(text) => Networks::parse(&text).map_err(|bad| problems_of(path, &bad)),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    };
    parsed.unwrap_or_else(|what| {
        let hint = "lines of `cidr,asn,country,latitude,longitude,kind`; all but the range may be empty";
        section.problem("networks", what, hint.to_owned());
        Networks::default()
    })
}

/// What is known of addresses beneath the table of `detect.networks`, and how to ask Slack about people and channels.
fn enrich(
    mut section: Section<'_>,
    edge: &Edge<'_>,
    slack: Option<&Slack>,
    lists: &mut Vec<ListFile>,
) -> (Networks, Option<Asking>) {
    // Databases come out every week or two, lists of exits every hour: a month is old for any of them.
    let max_age_s = section.span("max_age", MAX_AGE_S, 30 * DAY_S);
    let path_of = |section: &mut Section<'_>, key: &'static str| section.text(key).map(|path| edge.folder.join(path));
    let own = own(section.section("own"));
    let mut list = |key, kind| {
        let Some(path) = path_of(&mut section, key) else { return Networks::default() };
        lists.extend(list_file(&format!("enrich.{key}"), &path, max_age_s, None));
        addresses(&section, key, kind, &path)
    };
    let [tor, hosting, vpn] = [("tor", NetworkKind::Tor), ("hosting", NetworkKind::Hosting), ("vpn", NetworkKind::Vpn)]
        .map(|(key, kind)| list(key, kind));
    let mut networks = own.over(tor).over(hosting).over(vpn);
    let path = path_of(&mut section, "asn");
    if let Some(systems) = database(&section, "asn", path.as_deref().map(mmdb::Systems::open)) {
        lists.extend(path.and_then(|path| list_file("enrich.asn", &path, max_age_s, Some(systems.made()))));
        networks = networks.over_database(Arc::new(systems));
    }
    let path = path_of(&mut section, "city");
    if let Some(places) = database(&section, "city", path.as_deref().map(mmdb::Places::open)) {
        lists.extend(path.and_then(|path| list_file("enrich.city", &path, max_age_s, Some(places.made()))));
        networks = networks.over_database(Arc::new(places));
    }
    // Nobody is to hear of an attack later because Slack is slow.
    let wait = Duration::from_secs(section.span("wait", 0..=30, 0));
    let keep_s = section.span("keep", 60..=30 * DAY_S, DAY_S);
    let roster_every_s = Some(section.span("roster", 0..=30 * DAY_S, 0)).filter(|every_s| *every_s > 0);
    let token = secret::optional(&mut section, ("token_file", "token_env"), Kind::Any, edge);
    if roster_every_s.is_some() && token.is_none() {
        let hint = "a user token with the scope `admin.users:read`, as `token_file` or `token_env`".to_owned();
        section.problem("roster", "needs a token".to_owned(), hint);
    }
    section.finish();
    let asking = slack.zip(token).map(|(slack, token)| {
        let (base_url, network) = (slack.web_url(), slack.network.clone());
        Asking { base_url, network, token, wait, keep_s, roster_every_s }
    });
    (networks, asking)
}

/// Ranges of the organization's own ways out, by what it calls them.
fn own(section: Section<'_>) -> Networks {
    let mut ranges = Vec::new();
    for (label, item) in section.entries() {
        let texts = section.free_texts(label, item).unwrap_or_default();
        ranges.extend(texts.into_iter().map(|range| (label.to_owned(), range)));
    }
    let parsed = Networks::own(ranges.iter().map(|(label, range)| (label.as_str(), range.as_str())));
    parsed.unwrap_or_else(|bad| {
        // Each problem by its place among all ranges, of which the label is what a reader looks for.
        for problem in &bad.problems {
            let (at, what) = problem.trim_start_matches("line ").split_once(": ").unwrap_or(("", problem));
            let label = at.parse::<usize>().ok().and_then(|at| ranges.get(at - 1)).map_or("", |(label, _)| label);
            section.problem(label, what, None);
        }
        Networks::default()
    })
}

/// A file of addresses and ranges, one a line.
fn addresses(section: &Section<'_>, key: &str, kind: NetworkKind, path: &Path) -> Networks {
    let parsed = match read_text(path, MAX_LOOKUP_BYTES) {
        Ok(text) => Networks::parse_list(&text, kind).map_err(|bad| problems_of(path, &bad)),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    };
    parsed.unwrap_or_else(|what| {
        section.problem(key, what, "one address or range per line; # begins a comment".to_owned());
        Networks::default()
    })
}

fn database<T>(section: &Section<'_>, key: &str, opened: Option<Result<T, String>>) -> Option<T> {
    let noted = |what| section.problem(key, what, "a file in MaxMind's format, `.mmdb`, unpacked".to_owned());
    opened?.map_err(noted).ok()
}

fn problems_of(path: &Path, bad: &NotNetworks) -> String {
    format!("{}: {}", path.display(), bad.problems.join("; "))
}

pub(super) fn sinks(root: &mut Section<'_>, edge: &Edge<'_>) -> Vec<Sink> {
    let sections = root.sections("sink");
    if sections.is_empty() {
        let hint = "add [[sink]] with name = \"out\" and type = \"stdout\"".to_owned();
        root.problem("sink", "there is none; at least one is needed", hint);
    }
    let mut sinks: Vec<Sink> = Vec::new();
    for mut section in sections {
        let sink = sink(&mut section, edge);
        if let Some(sink) = sink {
            if sinks.iter().any(|other| other.name == sink.name) {
                section.problem("name", format!("another sink is called `{}`", sink.name), None);
            }
            if let Some(path) = sink.setup.file()
                && let Some(other) = sinks.iter().find(|other| other.setup.file().is_some_and(|its| is_same(its, path)))
            {
                section.problem("path", format!("sink `{}` writes to the same file", other.name), None);
            }
            sinks.push(sink);
        }
        section.finish();
    }
    sinks
}

fn is_same(a: &Path, b: &Path) -> bool {
    a.components().eq(b.components())
}

fn sink(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Sink> {
    let name = section.required_text("name", "it is what logs and metrics call the sink, and its place in the store");
    if let Some(name) = &name {
        check_name(section, "name", name);
    }
    let types = sink::TYPES.map(|kind| (kind.name, Some(kind)));
    let chosen = section.choice("type", &types, None);
    if !section.has("type") {
        let names = sink::TYPES.map(|kind| kind.name).join(", ");
        section.problem("type", format!("is missing; allowed is {names}"), None);
    }
    let usual = chosen.unwrap_or(sink::Type::USUAL);
    let view = section.choice("view", &View::ALL.map(|view| (view.name(), view)), usual.views[0]);
    if !usual.views.contains(&view) {
        let names: Vec<&str> = usual.views.iter().map(|view| view.name()).collect();
        section.problem(
            "view",
            format!("is not for sinks of type \"{}\"; they take {}", usual.name, names.join(", ")),
            None,
        );
    }
    let raw_data = if section.flag("raw_data", true) { RawData::Include } else { RawData::Omit };
    let least = LEAST_MAX_BYTES as u64;
    let max_line = section.bytes("max_line", least..=16 * MIB, usual.max_line as u64) as usize;
    let include = Include::read(section, usual.takes);
    of_other_types(section, chosen);
    let setup = (chosen?.configure)(section, edge);
    Some(Sink { name: name?, setup: setup?, view, raw_data, max_line, include })
}

/// Keys that only sinks of other types have. Where the type isn't known, none of them is wrong.
fn of_other_types(section: &mut Section<'_>, chosen: Option<sink::Type>) {
    let all: BTreeSet<&'static str> = sink::TYPES.iter().flat_map(|kind| kind.keys.concat()).collect();
    for key in all.into_iter().filter(|key| chosen.is_none_or(|chosen| !chosen.has_key(key))) {
        if chosen.is_some() && section.has(key) {
            let types = sink::TYPES.iter().filter(|kind| kind.has_key(key)).map(|kind| format!("\"{}\"", kind.name));
            section.problem(key, format!("is for sinks of type {}", types.collect::<Vec<_>>().join(", ")), None);
        }
        section.know(&[key]);
    }
}

fn archive(mut section: Section<'_>, org: &OrgId, edge: &Edge<'_>, state_dir: Option<&Path>) -> Option<Archive> {
    let enabled = section.flag("enabled", true);
    let given = archive_dir(&mut section, org, &edge.folder);
    // The state folder may not be there yet; it is created before the archive is.
    if let Some(dir) = given.as_deref().filter(|dir| dir.parent() != state_dir) {
        new_folder(&section, "dir", dir, edge);
    }
    // A segment is the unit of forgetting; 64 MiB is a day or so of a large organization.
    let segment_bytes = section.bytes("segment_bytes", 64 * KIB..=16 * GIB, 64 * MIB);
    // A year and its seasons, as long as the longest window of a module.
    let keep_s = section.span("keep", DAY_S..=10_000 * DAY_S, 400 * DAY_S);
    section.finish();
    let dir = given.or_else(|| Some(org_dir(state_dir?, org).join("archive")))?;
    enabled.then_some(Archive { dir, segment_bytes, keep_s })
}

fn store(mut section: Section<'_>) -> Store {
    let store = Store {
        // Room to write down what is in flight, and for the rest of the machine to go on.
        min_free_bytes: section.bytes("min_free", 16 * MIB..=1024 * GIB, 512 * MIB),
        // About a million entries waiting for the slowest sink.
        outbox_max_bytes: section.bytes("outbox_max", 16 * MIB..=1024 * GIB, 2 * GIB),
        // Beyond the oldest time that is looked at again (30 days), about 100 bytes an entry.
        dedup_s: section.span("dedup", 3 * DAY_S..=400 * DAY_S, 35 * DAY_S),
    };
    section.finish();
    store
}

/// The token's place alone: only `gridwatch respond` may need to be able to read it.
fn respond(mut section: Section<'_>, edge: &Edge<'_>) -> Respond {
    let (file, name) = (section.text("token_file"), section.text("token_env"));
    if file.is_some() && name.is_some() {
        section.problem("token_env", "is there beside `token_file`", "keep one of the two".to_owned());
    }
    let file = file.map(|path| Place::File(edge.folder.join(path)));
    let break_glass = section.texts("break_glass").unwrap_or_default();
    for id in break_glass.iter().filter(|id| !is_id(id)) {
        let hint = "as in \"W012A3BCD\"; apps (A…), channels (C…) and files (F…) may be there too".to_owned();
        section.problem("break_glass", format!("`{id}` is not a Slack id"), hint);
    }
    let own_apps = section.texts("own_apps").unwrap_or_default();
    for id in own_apps.iter().filter(|id| !is_id(id) || !id.starts_with('A')) {
        let hint = "as in \"A012A3BCD\", from the app's page at api.slack.com/apps".to_owned();
        section.problem("own_apps", format!("`{id}` is not the id of an app"), hint);
    }
    let reason = section.text("reason").unwrap_or_default();
    if clean(&reason, MAX_REASON_CHARS) != reason {
        let what = format!("is over {MAX_REASON_CHARS} characters, or contains characters that cannot be printed");
        section.problem("reason", what, None);
    }
    section.finish();
    Respond {
        token: file.or(name.map(Place::Environment)),
        break_glass: break_glass.into_iter().collect(),
        own_apps: own_apps.into_iter().collect(),
        reason,
    }
}

pub(super) fn log(mut section: Section<'_>) -> Log {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let log = Log {
        format: section.choice("format", &formats, LogFormat::Text),
        level: section.choice("level", &levels, Level::INFO),
    };
    section.finish();
    log
}

/// Names become parts of keys in the store and labels of metrics.
fn check_name(section: &Section<'_>, key: &str, name: &str) {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let good = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits);
    if !good || name.len() > MAX_NAME_CHARS {
        let hint = format!("use a-z, 0-9, - and _, starting with a letter, at most {MAX_NAME_CHARS}");
        section.problem(key, format!("`{name}` is not a valid name"), hint);
    }
}

/// A folder that gridwatch may create, in one that is there.
fn new_folder(section: &Section<'_>, key: &str, path: &Path, edge: &Edge<'_>) {
    if path.exists() && !path.is_dir() {
        section.problem(key, format!("{} is not a folder", path.display()), None);
    } else if !path.exists() {
        edge.needs_parent(section, key, path);
    }
}
