//! Files, canvases and lists: taken in bulk, published, disguised, malicious or destroyed; and decoys that nobody should
//! touch.
//!
//! Slack writes the same entry for a view as for a download and says nothing of where a file was posted: what is counted
//! is which files somebody had.

mod decoys;
mod names;
mod slow;

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Usual, Window, first_or};

gridwatch_sdk::module!(detect);

/// One in so many names has to be risky while an app's usual is learned.
const RISKY_SHARE: u64 = 3;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let told = match row.action() {
        "file_downloaded" => [downloads(row, config), malicious(row, config), disguised(row)],
        "canvas_downloaded" | "list_downloaded" => [downloads(row, config), None, None],
        "file_uploaded" | "file_shared" => [disguised(row), program(row), archives(row, config)],
        "file_public_link_created" | "canvas_linksharing_enabled" | "list_linksharing_enabled" => {
            [links(row, config), sensitive_link(row, config), None]
        }
        "message_tombstoned" | "file_deleted" => [deletions(row, config), None, None],
        "file_malicious_content_detected" => [malicious(row, config), None, None],
        "file_download_blocked" | "file_downloaded_blocked" => [blocked(row, config), None, None],
        _ => [None, None, None],
    };
    findings.extend(told.into_iter().flatten());
    slow::collected(row, config, findings);
    findings.extend(decoys::touched(row, config));
}

fn downloads(row: &Row<'_>, config: &Config) -> Option<Finding> {
    // The windows count nobody's and bulk apps' downloads as none.
    match row.context_app_id() {
        "" => own_downloads(row, config),
        // An app's downloads name whoever installed it; they are the app's.
        app => app_downloads(row, config, app),
    }
}

fn own_downloads(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (files, usual) = (row.window(windows::FILES_60M), row.usual(windows::USUAL_FILES));
    let risky = row.window(windows::RISKY_FILES_60M);
    let newcomer = is_newcomer(row);
    let least = if newcomer { config.newcomer_files.max(config.least_files) } else { config.least_files };
    if is_unusual(files, usual, config.usual_times, least) {
        let worse = Worse::of(row);
        let channels = row.window(windows::NEW_SOURCES_60M).max(row.window(windows::NEW_LOOKS_60M));
        let high = worse != Worse::No || risky >= config.risky_files || !newcomer && channels >= config.new_channels;
        let severity = if high { Severity::High } else { Severity::Medium };
        let finding = of_actor(row, row.finding(rules::DOWNLOADS, severity))
            .title(format!("{} downloaded {files} files in an hour{}", row.who(), worse.said()))
            .window(windows::FILES_60M)
            .label("files_60m", files.to_string())
            .label("usual_hour", word(usual))
            .label("risky_names_60m", risky.to_string())
            .label("new_channels_60m", channels.to_string())
            .label("network_and_client_new", worse.word());
        return Some(finding);
    }
    let (files, usual) = (row.window(windows::FILES_24H), row.usual(windows::USUAL_FILES_A_DAY));
    let least = if newcomer { config.newcomer_files.max(config.least_files_a_day) } else { config.least_files_a_day };
    if is_unusual(files, usual, config.usual_times, least) {
        let others = row.window(windows::PEOPLE_TAKING);
        let severity = if slow::is_season(row, config) { Severity::Low } else { of_a_day(usual) };
        let finding = of_actor(row, row.finding(rules::DOWNLOADS, severity))
            .title(format!("{} downloaded {files} files in a day", row.who()))
            .window(windows::FILES_24H)
            .label("files_24h", files.to_string())
            .label("usual_day", word(usual))
            .label("people_who_do_so_too", others.to_string());
        return Some(finding);
    }
    (risky >= config.risky_files).then(|| {
        of_actor(row, row.finding(rules::DOWNLOADS, Severity::Low))
            .title(format!("{} downloaded {risky} files with risky names in an hour", row.who()))
            .window(windows::RISKY_FILES_60M)
            .label("risky_names_60m", risky.to_string())
    })
}

/// From where somebody downloads, if that makes it worse.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worse {
    No,
    /// Network and client both new within the hour.
    Strange,
    /// The network new within the hour, and a rented server's or Tor's.
    Rented,
}

impl Worse {
    fn of(row: &Row<'_>) -> Self {
        match () {
            () if !row.last_seen(windows::STRANGE_60M).is_never() => Self::Strange,
            () if !row.last_seen(windows::RENTED_60M).is_never() => Self::Rented,
            () => Self::No,
        }
    }

    fn said(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Strange => ", from a network and with a client that are new",
            Self::Rented => ", from a new network of rented servers or Tor",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::No => "not known",
            Self::Strange => "yes",
            Self::Rented => "the network, of rented servers or Tor",
        }
    }
}

/// Everything is new of them: the account is of this week.
fn is_newcomer(row: &Row<'_>) -> bool {
    !row.last_seen(windows::BEGAN).is_never()
}

fn app_downloads(row: &Row<'_>, config: &Config, app: &str) -> Option<Finding> {
    let (files, usual) = (row.window(windows::APP_FILES_60M), row.usual(windows::USUAL_APP_FILES));
    if !is_unusual_hour_of_app(row, config) {
        return None;
    }
    let is_new = !row.last_seen(windows::APP_LET_IN_7D).is_never();
    let elsewhere = !row.last_seen(windows::APP_ELSEWHERE_60M).is_never() && !is_new;
    let risky = row.window(windows::APP_RISKY_FILES_60M);
    let severity = match usual {
        _ if elsewhere => Severity::High,
        // While nothing is known of what it reads, some names are no sign: of two hundred files ten always look like keys.
        _ if is_risky(usual, risky, files, config) => Severity::High,
        // What it did yesterday too is the best guess of what is usual.
        Usual::Learning if downloads_since_yesterday(row) => Severity::Low,
        _ => Severity::Medium,
    };
    let name = first_or([row.context_app_name()], app);
    let from = if elsewhere { ", from a network that is new for it" } else { "" };
    let finding = row
        .finding(rules::APP_DOWNLOADS, severity)
        .key(app)
        .title(format!("App {name} downloaded {files} files in an hour{from}"))
        .window(windows::APP_FILES_60M)
        .label("files_60m", files.to_string())
        .label("usual_hour", word(usual))
        .label("risky_names_60m", risky.to_string())
        .label("network_new", if elsewhere { "yes" } else { "not known" })
        .labels([("let_in_this_week", if is_new { "yes" } else { "" })])
        .labels([("app", app), ("actor", row.actor_id()), ("address", row.context_ip_address())]);
    Some(finding)
}

/// The windows count those in `bulk_apps` as nothing.
fn is_unusual_hour_of_app(row: &Row<'_>, config: &Config) -> bool {
    let (files, usual) = (row.window(windows::APP_FILES_60M), row.usual(windows::USUAL_APP_FILES));
    is_unusual(files, usual, config.usual_times, config.least_files)
}

fn is_risky(usual: Usual, risky: u64, files: u64, config: &Config) -> bool {
    let share = if usual == Usual::Learning { RISKY_SHARE } else { u64::MAX };
    risky >= config.risky_files && risky.saturating_mul(share) >= files
}

/// The app was seen downloading from this network more than a day ago.
fn downloads_since_yesterday(row: &Row<'_>) -> bool {
    matches!(row.first_seen(windows::APP_NETWORKS), Seen::At(since) if since + DAY_MS <= row.time_ms())
}

/// While what is usual is learned, the floor alone decides: a thief doesn't wait for it.
fn is_unusual(count: u64, usual: Usual, times: u64, floor: u64) -> bool {
    match usual {
        Usual::Learning => count >= floor,
        usual => usual.is_exceeded(count, times, floor),
    }
}

/// What a day is worth: as much as an hour, once it is known to be unusual for the person.
fn of_a_day(usual: Usual) -> Severity {
    match usual {
        Usual::Learning => Severity::Low,
        Usual::AtMost(_) => Severity::Medium,
    }
}

fn links(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let usual = row.usual(windows::USUAL_LINKS_A_DAY);
    let hour = (row.window(windows::LINKS_60M), windows::LINKS_60M);
    let day = (row.window(windows::LINKS_24H), windows::LINKS_24H);
    let week = (row.window(windows::LINKS_7D), windows::LINKS_7D);
    let usual_week = match row.usual(windows::USUAL_LINKS_7D) {
        Usual::AtMost(usual) if row.window(windows::WEEKS_OF_LINKS) >= slow::KNOWN => usual,
        _ => 0,
    };
    let many = week.0 >= config.links_a_week && week.0 >= usual_week.saturating_mul(config.slow_times);
    let pace = Pace::of(hour, day, usual, config.links, config.usual_times);
    let pace = pace.or_else(|| many.then(|| Pace::of_a_week(week))).filter(|_| has_actor(row))?;
    // A day's work of somebody who makes as many a week.
    let is_habit = pace.span == "a day" && !many && week.0 < usual_week.saturating_mul(config.slow_times);
    let severity = if is_habit { Severity::Low } else { pace.severity };
    let finding = of_actor(row, row.finding(rules::LINKS, severity))
        .title(format!("{} opened {} files by link in {}", row.who(), pace.count, pace.span))
        .window(pace.window)
        .label(format!("opened_{}", pace.label), pace.count.to_string())
        .label("usual_day", word(usual));
    Some(finding)
}

fn sensitive_link(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let found = [row.entity_name(), row.entity_title()]
        .into_iter()
        .find_map(|name| names::sensitive(name, &config.sensitive_names).map(|word| (name, word)));
    let (name, word) = found?;
    let finding = row
        .finding(rules::SENSITIVE_LINK, Severity::Medium)
        .key(row.doer_or(row.entity_id()))
        .title(format!("{} opened `{name}` by link", row.who()))
        .label("name", name)
        .label("sensitive_by", word)
        .labels([("actor", row.actor_id()), ("address", row.context_ip_address())]);
    Some(finding)
}

fn deletions(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if !has_actor(row) || has(&config.bulk_apps, row.context_app_id()) {
        return None;
    }
    // The two sums may be of different hours; the count is of one, and of entries. The lesser is different things of one.
    let of = |all, files, messages| row.window(all).min(row.window(files) + row.window(messages));
    let hour = of(windows::DELETED_60M, windows::DELETED_FILES_60M, windows::DELETED_MESSAGES_60M);
    let day = of(windows::DELETED_24H, windows::DELETED_FILES_24H, windows::DELETED_MESSAGES_24H);
    let usual = row.usual(windows::USUAL_DELETED_A_DAY);
    let (hour, day) = ((hour, windows::DELETED_60M), (day, windows::DELETED_24H));
    let pace = Pace::of(hour, day, usual, config.deletions, config.usual_times)?;
    let finding = of_actor(row, row.finding(rules::DELETIONS, pace.severity))
        .title(format!("{} deleted {} messages and files in {}", row.who(), pace.count, pace.span))
        .window(pace.window)
        .label(format!("deleted_{}", pace.label), pace.count.to_string())
        .label("usual_day", word(usual));
    Some(finding)
}

/// The verdict, and every download of the file since.
fn malicious(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let verdict = row.action() == "file_malicious_content_detected";
    let opened_now = !verdict && !row.last_seen(windows::FOUND_MALICIOUS).is_never();
    let by_order = row.is_by_nobody() || has(&config.bulk_apps, row.context_app_id());
    if !verdict && (!opened_now || by_order) {
        return None;
    }
    let openers = row.window(windows::OPENERS_24H);
    let name = first_or([row.entity_name(), row.entity_title(), row.entity_id()], "something unnamed");
    let (severity, title) = match (verdict, openers) {
        (true, 0) => (Severity::Medium, format!("Slack found malicious content in `{name}`")),
        (true, _) => (Severity::High, format!("Slack found malicious content in `{name}`, which {openers} opened")),
        (false, _) => {
            (Severity::High, format!("{} opened `{name}`, in which Slack found malicious content", row.who()))
        }
    };
    let opener = if opened_now { row.actor_id() } else { "" };
    let finding = row
        .finding(rules::MALICIOUS, severity)
        .key(row.entity_id())
        .title(title)
        .window(windows::OPENERS_24H)
        .label("opened_by_24h", openers.to_string())
        .labels([("opened_by", opener), ("name", name)])
        .labels([("md5", first_or([row.details_md5()], row.details_md5_hash()))]);
    Some(finding)
}

fn disguised(row: &Row<'_>) -> Option<Finding> {
    let (name, how) = [row.entity_name(), row.entity_title()]
        .into_iter()
        .find_map(|name| names::disguise(name).map(|how| (name, how)))?;
    let did = match row.action() {
        "file_downloaded" => "downloaded",
        "file_shared" => "shared",
        _ => "uploaded",
    };
    // What turns writing around would do so in the title as well.
    let shown = names::plain(name);
    let finding = row
        .finding(rules::DISGUISED, Severity::Medium)
        .key(row.doer_or(row.entity_id()))
        .title(format!("{} {did} `{shown}`, which poses as another type", row.who()))
        .label("disguise", how)
        .labels([("actor", row.actor_id()), ("address", row.context_ip_address())]);
    Some(finding)
}

fn program(row: &Row<'_>) -> Option<Finding> {
    let name = [row.entity_name(), row.entity_title()].into_iter().find(|name| names::runs(name))?;
    let whose = match (row.actor_external(), row.actor_role()) {
        ("true", _) => "of another organization",
        (_, "guest") => "a guest",
        _ => return None,
    };
    let did = if row.action() == "file_shared" { "shared" } else { "uploaded" };
    let finding = of_actor(row, row.finding(rules::PROGRAM, Severity::Medium))
        .title(format!("{}, {whose}, {did} `{}`, which runs when it is opened", row.who(), names::plain(name)))
        .labels([("file", row.entity_id()), ("name", name)]);
    Some(finding)
}

fn archives(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let files = row.window(windows::ARCHIVES_15M);
    if row.action() != "file_uploaded" || files < config.archives || !has_actor(row) {
        return None;
    }
    let finding = of_actor(row, row.finding(rules::ARCHIVES, Severity::Low))
        .title(format!("{} uploaded {files} archives in 15 minutes", row.who()))
        .window(windows::ARCHIVES_15M)
        .label("files_15m", files.to_string());
    Some(finding)
}

fn blocked(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let files = row.window(windows::BLOCKED_60M);
    if files < config.blocked || !has_actor(row) {
        return None;
    }
    let finding = of_actor(row, row.finding(rules::BLOCKED, Severity::Low))
        .title(format!("{} was refused the download of {files} files in an hour", row.who()))
        .window(windows::BLOCKED_60M)
        .label("files_60m", files.to_string());
    Some(finding)
}

/// How fast somebody does what should be seldom.
struct Pace {
    severity: Severity,
    count: u64,
    span: &'static str,
    label: &'static str,
    window: Window,
}

impl Pace {
    fn of_a_week((count, window): (u64, Window)) -> Self {
        Self { severity: Severity::Medium, count, span: "a week", label: "7d", window }
    }

    /// An hour speaks for itself; a day has to be unusual for the person, too, as far as that is known.
    fn of(hour: (u64, Window), day: (u64, Window), usual: Usual, least: u64, times: u64) -> Option<Self> {
        let pace = |severity, (count, window), span, label| Some(Self { severity, count, span, label, window });
        match () {
            () if hour.0 >= least => pace(Severity::Medium, hour, "an hour", "60m"),
            () if is_unusual(day.0, usual, times, least) => pace(of_a_day(usual), day, "a day", "24h"),
            () => None,
        }
    }
}

/// Key and labels of a finding that is about what one person did.
fn of_actor(row: &Row<'_>, finding: Finding) -> Finding {
    let facts = [("actor", row.actor_id()), ("address", row.context_ip_address()), ("client", row.context_client())];
    finding.key(row.actor_id()).labels(facts)
}

fn has_actor(row: &Row<'_>) -> bool {
    !row.is_by_nobody()
}

fn has(list: &[String], id: &str) -> bool {
    !id.is_empty() && list.iter().any(|item| item == id)
}

/// What is usual, for a label.
fn word(usual: Usual) -> String {
    match usual {
        Usual::Learning => "can't tell yet".into(),
        Usual::AtMost(count) => count.to_string(),
    }
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let ids = [
            ("bulk_apps", &self.bulk_apps, "an app's id starts with A", &["A"][..]),
            ("decoy_files", &self.decoy_files, "the id of a file, canvas or list starts with F", &["F"]),
            ("decoy_channels", &self.decoy_channels, "a channel's id starts with C, G or D", &["C", "G", "D"]),
            ("decoy_users", &self.decoy_users, "a user's id starts with U or W", &["U", "W"]),
            ("decoy_keepers", &self.decoy_keepers, "a user's id starts with U or W", &["U", "W"]),
        ];
        let wrong = |id: &&String, starts: &[&str]| !starts.iter().any(|start| id.starts_with(start));
        let mut problems = Vec::new();
        for (setting, given, should, starts) in ids {
            let bad = given.iter().filter(|id| wrong(id, starts));
            problems.extend(bad.map(|id| format!("`{setting}` has `{id}`; {should}")));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_wrong_kind_are_told() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let config = Config {
            bulk_apps: vec!["A1".into(), "B1".into()],
            decoy_files: vec!["F1".into(), "C1".into()],
            decoy_channels: vec!["C1".into(), "#general".into()],
            decoy_users: vec!["W1".into(), "dora".into()],
            decoy_keepers: vec!["U1".into(), "".into()],
            ..Config::default()
        };
        let told = config.problems();
        let names = ["`B1`", "`C1`", "`#general`", "`dora`", "``"];
        assert!(told.len() == 5 && told.iter().zip(names).all(|(told, name)| told.contains(name)), "{told:?}");
    }
}
