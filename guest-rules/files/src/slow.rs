//! Collecting that takes its time: files over a week, looking, an app's day, and channels that are opened to somebody who empties them.

use crate::{Config, Fields, has, has_actor, is_newcomer, is_unusual_hour_of_app, of_actor, rules, windows, word};
use gridwatch_sdk::{Finding, Findings, Row, Severity, Usual, first_or};

/// Former weeks, or days of an app, from which the usual is known.
pub(crate) const KNOWN: u64 = 3;
/// While nothing is known of anybody, so many times the minimum.
const UNKNOWN_TIMES: u64 = 3;

/// Three weeks of usual days, in one.
const BY_HAND_TIMES: u64 = 15;
/// So many times the people who take much in usual days make a season.
const SEASON_TIMES: u64 = 2;

pub(crate) fn collected(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let by_person = row.context_app_id().is_empty();
    match row.action() {
        "file_downloaded" | "canvas_downloaded" | "list_downloaded" if by_person => {
            findings.extend(slow(row, config));
            findings.extend(opened_then_taken(row, config));
        }
        "file_downloaded" | "canvas_downloaded" | "list_downloaded" => findings.extend(app_day(row, config)),
        "user_channel_join" | "guest_channel_join" => findings.extend(opened_then_taken(row, config)),
        "public_channel_preview" | "canvas_opened" | "list_opened" => findings.extend(looked_at(row, config)),
        action if action.starts_with("slack_ai_") || action.starts_with("mcp_slack_") => {
            findings.extend(looked_at(row, config));
        }
        _ => {}
    }
}

/// What a week is compared with.
struct Week {
    now: u64,
    usual: Usual,
    weeks: u64,
    day: Usual,
}

impl Week {
    /// `None`: nothing out of the ordinary. Of somebody whose usual nobody knows yet, it takes more and is Low.
    fn severity(&self, least: u64, config: &Config) -> Option<Severity> {
        let exceeds = |least: u64, usual: u64, times: u64| self.now >= least && self.now >= usual.saturating_mul(times);
        let is_unusual = match (self.usual, self.day) {
            (Usual::AtMost(usual), _) if self.weeks >= KNOWN => exceeds(least, usual, config.slow_times),
            (_, Usual::AtMost(day)) => exceeds(least + least / 2, day, config.slow_usual_days),
            _ => return (self.now >= least * UNKNOWN_TIMES).then_some(Severity::Low),
        };
        is_unusual.then_some(Severity::Medium)
    }

    /// What it is compared with, in words.
    fn beside(&self) -> String {
        match (self.usual, self.day) {
            (Usual::AtMost(usual), _) if self.weeks >= KNOWN => format!("where {usual} a week are usual"),
            (_, Usual::AtMost(day)) => format!("where {day} a day are usual"),
            _ => "and nobody knows yet what is usual".into(),
        }
    }

    fn told(&self, finding: Finding) -> Finding {
        let usual = if self.weeks >= KNOWN { word(self.usual) } else { "can't tell yet".into() };
        finding.label("usual_week", usual).label("usual_day", word(self.day))
    }
}

fn slow(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let week = Week {
        now: row.window(windows::FILES_7D),
        usual: row.usual(windows::USUAL_FILES_7D),
        weeks: row.window(windows::WEEKS_OF_FILES),
        day: row.usual(windows::USUAL_DAY_OF_FILES),
    };
    let days = row.window(windows::FULL_DAYS_7D);
    let severity = week.severity(config.slow_files, config)?;
    if days < config.slow_days || !has_actor(row) || is_newcomer(row) {
        return None;
    }
    let (forwards, others) = (row.window(windows::FORWARDS_7D), row.window(windows::PEOPLE_TAKING));
    let before = row.window(windows::FULL_DAYS_28D).saturating_sub(days);
    let is_trade = week.weeks < KNOWN && before >= config.slow_days;
    let severity = if is_trade || is_season(row, config) { Severity::Low } else { severity };
    let finding = of_actor(row, row.finding(rules::SLOW, severity))
        .title(format!("{} took {} files in 7 days, many on {days} of them, {}", row.who(), week.now, week.beside()))
        .window(windows::FULL_DAYS_7D)
        .label("files_7d", week.now.to_string())
        .label("full_days", days.to_string())
        .label("full_days_before", before.to_string())
        .label("forwards_7d", forwards.to_string())
        .label("people_who_do_so_too", others.to_string());
    Some(week.told(finding))
}

/// Many take much in these days, who seldom do; and the person doesn't send it on.
pub(crate) fn is_season(row: &Row<'_>, config: &Config) -> bool {
    let many = row.window(windows::PEOPLE_TAKING) >= config.season_people;
    let now = row.window(windows::PEOPLE_WITH_FULL_DAYS);
    let usual = row.usual(windows::USUAL_PEOPLE_WITH_FULL_DAYS);
    let more = usual.is_exceeded(now, SEASON_TIMES, config.season_people);
    (many || more) && row.window(windows::FORWARDS_7D) < config.slow_forwards
}

fn looked_at(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let week = Week {
        now: row.window(windows::LOOKS_7D),
        usual: row.usual(windows::USUAL_LOOKS_7D),
        weeks: row.window(windows::WEEKS_OF_LOOKS),
        day: row.usual(windows::USUAL_DAY_OF_LOOKS),
    };
    let severity = week.severity(config.slow_looks, config).filter(|_| has_actor(row))?;
    let others = row.window(windows::PEOPLE_LOOKING);
    let is_roll_out = others >= config.season_people && !is_by_hand(row, config);
    let severity = if is_newcomer(row) || is_roll_out { Severity::Low } else { severity };
    let finding = of_actor(row, row.finding(rules::LOOKED_AT, severity))
        .title(format!(
            "{} looked at {} things in 7 days, by themselves or by an assistant, {}",
            row.who(),
            week.now,
            week.beside()
        ))
        .window(windows::LOOKS_24H)
        .label("looks_7d", week.now.to_string())
        .label("of_them_by_hand", row.window(windows::LOOKS_BY_HAND_7D).to_string())
        .label("people_who_do_so_too", others.to_string())
        .labels([("by_app", first_or([row.context_app_name()], row.context_app_id()))]);
    Some(week.told(finding))
}

/// What they previewed and opened themselves is as unusual by itself.
fn is_by_hand(row: &Row<'_>, config: &Config) -> bool {
    let usual = row.usual(windows::USUAL_DAY_OF_LOOKS);
    usual.is_exceeded(row.window(windows::LOOKS_BY_HAND_7D), BY_HAND_TIMES, config.looks_by_hand)
}

fn app_day(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let app = row.context_app_id();
    let (now, usual, days) =
        (row.window(windows::APP_DAY), row.usual(windows::USUAL_APP_DAY), row.window(windows::APP_DAYS));
    let bulk = has(&config.bulk_apps, app);
    let (least, times) = match bulk {
        true => (config.bulk_files_a_day, config.bulk_times),
        false => (config.app_files_a_day, config.usual_times),
    };
    let severity = match usual {
        Usual::AtMost(usual) if days >= KNOWN => {
            (now >= least && now >= usual.saturating_mul(times)).then_some(Severity::Medium)
        }
        // Of an app that reads in bulk by order nobody knows yet how much that is.
        _ if bulk => None,
        Usual::AtMost(_) => (now >= least).then_some(Severity::Medium),
        Usual::Learning => (now >= least * UNKNOWN_TIMES).then_some(Severity::Low),
    }?;
    // The hour is told already, or the first such hour of an app that was let in this week.
    let was_let_in = !row.last_seen(windows::APP_LET_IN_7D).is_never();
    let was_loud = matches!(row.usual(windows::USUAL_APP_FILES), Usual::AtMost(hour) if hour >= config.least_files);
    let hour_is_told = is_unusual_hour_of_app(row, config)
        || was_let_in && (was_loud || row.window(windows::APP_FILES_60M) >= config.least_files);
    let severity = if hour_is_told { Severity::Low } else { severity };
    let name = first_or([row.context_app_name()], app);
    let finding = row
        .finding(rules::APP_DAY, severity)
        .key(app)
        .title(format!(
            "App {name} read {now} files within 24 hours, where {} a day is usual for it",
            told(usual, days)
        ))
        .window(windows::APP_ACTS_60M)
        .label("files_24h", now.to_string())
        .label("usual_app_day", told(usual, days))
        .labels([
            ("app", app),
            ("bulk_by_order", if bulk { "yes" } else { "" }),
            ("actor", row.actor_id()),
            ("address", row.context_ip_address()),
        ]);
    Some(finding)
}

fn told(usual: Usual, days: u64) -> String {
    match usual {
        Usual::AtMost(_) if days == 0 => "none".into(),
        Usual::AtMost(usual) => usual.to_string(),
        Usual::Learning => "an unknown number".into(),
    }
}

fn opened_then_taken(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (brought, let_in) = (row.window(windows::BROUGHT_INTO_2H), row.window(windows::LET_INTO_PRIVATE_2H));
    let (files, taking) = (row.window(windows::FILES_60M), row.action().ends_with("_downloaded"));
    let (channels, how, window) = match () {
        () if brought >= config.brought_into => (brought, "was brought into", windows::BROUGHT_INTO_2H),
        () if let_in >= config.let_into => (let_in, "let themselves into", windows::LET_INTO_PRIVATE_2H),
        () => return None,
    };
    if !has_actor(row) || taking && files < config.then_files {
        return None;
    }
    let (severity, then) = match taking && !is_newcomer(row) {
        true => (Severity::Medium, format!(", and then took {files} files")),
        false => (Severity::Low, String::new()),
    };
    let inviter = [row.details_inviter_user_id(), row.details_inviter_id()];
    let inviter_name = [row.details_inviter_user_email(), row.details_inviter_email()];
    let finding = row
        .finding(rules::OPENED_THEN_TAKEN, severity)
        .key(row.actor_id())
        .title(format!("{} {how} {channels} channels within 2 hours{then}", row.who()))
        .window(window)
        .window(windows::FILES_60M)
        .label("channels", channels.to_string())
        .label("files_60m", files.to_string())
        .labels([
            ("actor", row.actor_id()),
            ("inviter", first_or(inviter, "")),
            ("inviter_email", first_or(inviter_name, "")),
        ]);
    Some(finding)
}
