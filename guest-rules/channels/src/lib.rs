//! Channels: joined or looked into one after the other, opened, deleted, and what is forwarded out of them.
//!
//! Slack doesn't log reading. Who wants to read has to join or look in, and that is logged.

use gridwatch_sdk::change::{self, Direction};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Usual, Window, first_or};

gridwatch_sdk::module!(detect);

/// Channels that hold what few may know.
const SENSITIVE: &str = "sensitive_channels";

const HOUR_MS: u64 = 3_600_000;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    findings.extend(brought_in(row, config));
    let finding = match row.action() {
        "user_channel_join" | "guest_channel_join" => join_sweep(row, config),
        "file_downloaded" | "canvas_downloaded" | "list_downloaded" => None,
        "public_channel_preview" => preview_sweep(row, config),
        "private_channel_converted_to_public" => Some(made_public(row)),
        "public_channel_deleted" | "private_channel_deleted" => deletions(row, config),
        "private_message_forwarded" => forwards(row, config),
        "channel_email_address_created" => mail_address(row),
        _ => rescoped(row),
    };
    findings.extend(finding);
}

fn join_sweep(row: &Row<'_>, config: &Config) -> Option<Finding> {
    // An invited one's entry reads the same counts, but its context is the inviter's.
    let invited = !matches!(row.details_inviter(), "" | "{}");
    if !is_somebodys(row, config) || invited || is_newcomer(row, config) {
        return None;
    }
    let day = Counted::new(row, windows::JOINS_24H, "24h", "a day");
    let hour = Counted::new(row, windows::JOINS_60M, "60m", "an hour");
    let usual = row.usual(windows::USUAL_JOINS_A_DAY);
    // On the third day a newcomer may still join as many as a sweeper; only a known past tells them apart.
    let day = if usual == Usual::Learning { Counted { count: 0, ..day } } else { day };
    let pace = Pace::of(hour, day, usual, config.joins, config.usual_times)?;
    Some(pace.finding(row, row.finding(rules::JOIN_SWEEP, pace.severity), "joined", "channels"))
}

/// Somebody else is the doer: who brings one account into dozens of channels. Fires on a join, or on a file when those were many.
fn brought_in(row: &Row<'_>, config: &Config) -> Option<Finding> {
    const BOTH_STEPS: u64 = 2;
    let joins = matches!(row.action(), "user_channel_join" | "guest_channel_join");
    if !(joins || row.action().ends_with("_downloaded")) || !is_somebodys(row, config) || is_newcomer(row, config) {
        return None;
    }
    let took = row.window(windows::BROUGHT_THEN_TOOK) >= BOTH_STEPS;
    let channels = if joins { row.window(windows::BROUGHT_60M) } else { 0 };
    let inviter = first_or([row.details_inviter_id(), row.details_inviter_user_id()], row.details_inviter());
    let (severity, window, title) = match () {
        () if took => {
            let title = format!("{} was brought into many private channels, and then downloaded many files", row.who());
            (Severity::High, windows::BROUGHT_THEN_TOOK, title)
        }
        () if channels >= config.brought && !matches!(inviter, "" | "{}") => {
            let title = format!("{inviter} brought {} into {channels} private channels in an hour", row.who());
            (Severity::Medium, windows::BROUGHT_60M, title)
        }
        () => return None,
    };
    let finding = row.finding(rules::BROUGHT_IN, severity).key(row.actor_id()).title(title).window(window);
    let count = if channels > 0 { channels.to_string() } else { String::new() };
    Some(with_facts(finding.labels([("inviter", inviter), ("channels_60m", &*count)]), row))
}

/// Came to a workspace just now, and did nothing before.
fn is_newcomer(row: &Row<'_>, config: &Config) -> bool {
    let just_now = config.newcomer_hours * HOUR_MS;
    let within = |seen| matches!(seen, Seen::At(time) if row.time_ms().saturating_sub(time) <= just_now);
    let active = row.first_seen(windows::ACTIVE_SINCE);
    let was_there = matches!(active, Seen::At(_)) && !within(active);
    config.newcomer_hours > 0 && within(row.last_seen(windows::JOINED_WORKSPACE)) && !was_there
}

fn preview_sweep(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if !is_somebodys(row, config) {
        return None;
    }
    let chooses = |looked: u64, joined: u64| joined * 100 >= looked * config.joined_percent;
    // Who chooses has looked into nothing, as far as a sweep goes.
    let counted = |looked, joined, label, span| {
        let counted = Counted::new(row, looked, label, span);
        let count = if chooses(counted.count, row.window(joined)) { 0 } else { counted.count };
        Counted { count, ..counted }
    };
    let hour = counted(windows::PREVIEWS_30M, windows::JOINS_30M, "30m", "half an hour");
    let day = counted(windows::PREVIEWS_24H, windows::JOINS_24H, "24h", "a day");
    let usual = row.usual(windows::USUAL_PREVIEWS_A_DAY);
    let pace = Pace::of(hour, day, usual, config.previews, config.usual_times)?;
    let joined = row.window(if pace.counted.label == "24h" { windows::JOINS_24H } else { windows::JOINS_30M });
    let finding = pace.finding(row, row.finding(rules::PREVIEW_SWEEP, pace.severity), "looked into", "channels");
    Some(finding.label("joined_meanwhile", joined.to_string()))
}

fn made_public(row: &Row<'_>) -> Finding {
    let sensitive = is_sensitive(row);
    let severity = if sensitive { Severity::High } else { Severity::Medium };
    let finding = row.finding(rules::MADE_PUBLIC, severity).key(row.doer_or(row.entity_id())).title(format!(
        "{} made the {}channel {} public",
        row.who(),
        if sensitive { "sensitive " } else { "" },
        row.entity_label()
    ));
    with_facts(finding, row)
}

fn deletions(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if !is_somebodys(row, config) {
        return None;
    }
    let hour = Counted::new(row, windows::DELETED_60M, "60m", "an hour");
    let day = Counted::new(row, windows::DELETED_24H, "24h", "a day");
    let usual = row.usual(windows::USUAL_DELETED_A_DAY);
    let by_method = [("by_method", row.details_initiated_by())];
    if is_sensitive(row) {
        // One is enough: a table can't be asked of the day's others, and this one can't be had back.
        let finding = row
            .finding(rules::DELETIONS, Severity::High)
            .key(row.actor_id())
            .title(format!("{} deleted the sensitive channel {}", row.who(), row.entity_label()))
            .window(windows::DELETED_24H)
            .label("count_24h", day.count.to_string())
            .labels([("sensitive", row.entity_id())]);
        return Some(with_facts(finding.labels(by_method), row));
    }
    let pace = Pace::of(hour, day, usual, config.deletions, config.usual_times)?;
    let finding = pace.finding(row, row.finding(rules::DELETIONS, pace.severity), "deleted", "channels");
    Some(finding.labels(by_method))
}

fn forwards(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if !is_somebodys(row, config) {
        return None;
    }
    let from = privacy(row.details_source_channel(), row.details_source_channel_privacy());
    let to = privacy(row.details_destination_channel(), row.details_destination_channel_privacy());
    if from == "public" {
        return None;
    }
    let hour = Counted::new(row, windows::FORWARDED_60M, "60m", "an hour");
    let day = Counted::new(row, windows::FORWARDED_24H, "24h", "a day");
    let usual = row.usual(windows::USUAL_FORWARDED_A_DAY);
    let finding = match Pace::of(hour, day, usual, config.forwards, config.usual_times) {
        Some(pace) => pace.finding(row, row.finding(rules::FORWARDS, pace.severity), "forwarded", "private messages"),
        None if to == "public" && row.is_in(SENSITIVE, fields::DETAILS_SOURCE_CHANNEL) => {
            let title = format!("{} forwarded a message of a sensitive channel into a public one", row.who());
            with_facts(row.finding(rules::FORWARDS, Severity::Low).key(row.actor_id()).title(title), row)
        }
        None => return None,
    };
    Some(finding.labels([("last_from", from), ("last_to", to)]))
}

/// Of a channel that the details name: beside it, or in its object.
fn privacy<'b>(channel: &'b str, beside: &'b str) -> &'b str {
    let is = |kind: &str| channel.contains(&format!("\"privacy\":\"{kind}\""));
    match () {
        () if !beside.is_empty() => beside,
        () if is("public") => "public",
        () if is("private") => "private",
        () => "",
    }
}

fn rescoped(row: &Row<'_>) -> Option<Finding> {
    if !is_sensitive(row) {
        return None;
    }
    let (severity, did) = match row.action() {
        "channel_workspaces_updated" => (Severity::Medium, "changed the workspaces of"),
        "channel_moved" => (Severity::Medium, "moved to another workspace"),
        // The restriction protects while it is on.
        "channel_restrict_guests_updated" => {
            match change::of_protection(row.details_previous_value(), row.details_new_value()) {
                Direction::Stricter => return None,
                Direction::Looser => (Severity::Medium, "allowed guests in"),
                Direction::Unclear => (Severity::Low, "changed whether guests may be in"),
            }
        }
        _ => (Severity::Medium, "changed the kind of"),
    };
    let direction = match (row.action(), severity) {
        ("channel_restrict_guests_updated", Severity::Low) => "can't tell",
        _ => "",
    };
    let facts = [
        ("direction", direction),
        ("shared_to", row.details_shared_to()),
        ("teams_shared_with", row.details_teams_shared_with()),
        ("from_workspace", row.details_source_team()),
        ("to_workspace", row.details_destination_team()),
    ];
    let finding = row
        .finding(rules::RESCOPED, severity)
        .key(row.doer_or(row.entity_id()))
        .title(format!("{} {did} the sensitive channel {}", row.who(), row.entity_label()))
        .label("action", row.action())
        .labels(facts);
    Some(with_facts(finding, row))
}

fn mail_address(row: &Row<'_>) -> Option<Finding> {
    let (severity, kind) = match (is_sensitive(row), row.entity_privacy()) {
        (true, _) => (Severity::Medium, "sensitive"),
        (false, "" | "public") => return None,
        (false, _) => (Severity::Low, "private"),
    };
    let finding = row.finding(rules::MAIL_ADDRESS, severity).key(row.doer_or(row.entity_id())).title(format!(
        "{} gave the {kind} channel {} a mail address",
        row.who(),
        row.entity_label()
    ));
    Some(with_facts(finding, row))
}

/// What a window of different things says of this row.
#[derive(Clone, Copy)]
struct Counted {
    count: u64,
    window: Window,
    /// Ends the name of a label.
    label: &'static str,
    /// As said in a title.
    span: &'static str,
}

impl Counted {
    fn new(row: &Row<'_>, window: Window, label: &'static str, span: &'static str) -> Self {
        Self { count: row.window(window), window, label, span }
    }
}

/// How fast somebody does what should be seldom.
struct Pace {
    severity: Severity,
    counted: Counted,
    usual: Usual,
}

impl Pace {
    /// An hour speaks for itself; a day has to be unusual for the person, too, as far as that is known.
    fn of(hour: Counted, day: Counted, usual: Usual, least: u64, times: u64) -> Option<Self> {
        let unusual = match usual {
            Usual::Learning => day.count >= least,
            usual => usual.is_exceeded(day.count, times, least),
        };
        let (severity, counted) = match () {
            () if hour.count >= least => (Severity::Medium, hour),
            // As much as an hour, once it is known to be unusual for the person.
            () if unusual && matches!(usual, Usual::AtMost(_)) => (Severity::Medium, day),
            () if unusual => (Severity::Low, day),
            () => return None,
        };
        Some(Self { severity, counted, usual })
    }

    fn finding(&self, row: &Row<'_>, finding: Finding, did: &str, what: &str) -> Finding {
        let Counted { count, window, label, span } = self.counted;
        let usual = match self.usual {
            Usual::Learning => "can't tell yet".into(),
            Usual::AtMost(count) => count.to_string(),
        };
        let finding = finding
            .key(row.actor_id())
            .title(format!("{} {did} {count} {what} in {span}", row.who()))
            .window(window)
            .label(format!("count_{label}"), count.to_string())
            .label("usual_day", usual);
        with_facts(finding, row)
    }
}

/// Does one person answer for it?
fn is_somebodys(row: &Row<'_>, config: &Config) -> bool {
    !row.is_by_nobody() && !config.bulk_apps.iter().any(|id| id == row.context_app_id())
}

fn is_sensitive(row: &Row<'_>) -> bool {
    row.is_in(SENSITIVE, fields::ENTITY_ID)
}

fn with_facts(finding: Finding, row: &Row<'_>) -> Finding {
    finding.labels([
        ("actor", row.actor_id()),
        ("address", row.context_ip_address()),
        ("client", row.context_client()),
        ("app", row.context_app_id()),
    ])
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let apps = self.bulk_apps.iter().filter(|id| !id.starts_with('A'));
        apps.map(|id| format!("`bulk_apps` has `{id}`; an app's id starts with A")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_wrong_kind_are_told() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let config = Config { bulk_apps: vec!["A1".into(), "B1".into()], ..Config::default() };
        let told = config.problems();
        assert!(told.len() == 1 && told[0].contains("`B1`"), "{told:?}");
    }
}
