//! What is handed out: programs, disk images, macros and odd archives that one person shares into many channels, or many people take.
//!
//! One such file is daily work. The more channels it reaches and the more people take it, the higher.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Severity, Window, first_or};

gridwatch_sdk::module!(detect);

/// So many times a threshold is High.
const FAR: u64 = 3;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    if config.odd_endings.iter().any(|ending| ending == row.entity_name_ending()) && !row.is_by_nobody() {
        findings.extend(if row.action() == "file_downloaded" { taken(row, config) } else { handed_out(row, config) });
    }
}

fn handed_out(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let by_order = config.bulk_apps.iter().any(|id| id == row.context_app_id());
    let ways = [(windows::CHANNELS_24H, config.channels, "channels"), (windows::FILES_24H, config.files, "files")];
    let reached = ways.into_iter().filter(|(window, least, _)| row.window(*window) >= *least);
    let (window, least, what) = reached.max_by_key(|(window, least, _)| row.window(*window) * 100 / least)?;
    let count = row.window(window);
    let habit = row.window(windows::DAYS_30D) >= config.habit_days;
    let title = match what {
        "channels" => format!("{} shared {} and the like into {count} channels in a day", row.who(), shown(row)),
        _ => format!("{} handed out {count} files such as {} in a day", row.who(), shown(row)),
    };
    let finding = finding(row, severity(count, least, habit), row.actor_id(), title, window);
    (!by_order).then(|| finding.label(format!("{what}_24h"), count.to_string()))
}

fn taken(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let takers = row.window(windows::TAKERS_24H);
    if takers < config.takers || row.last_seen(windows::HANDED_OUT).is_never() || !row.context_app_id().is_empty() {
        return None;
    }
    let title = format!("{takers} people took {} within a day, last {}", shown(row), row.who());
    let finding = finding(row, severity(takers, config.takers, false), row.entity_id(), title, windows::TAKERS_24H);
    Some(finding.label("takers_24h", takers.to_string()))
}

fn severity(count: u64, least: u64, habit: bool) -> Severity {
    match (count >= least.saturating_mul(FAR), habit) {
        (true, false) => Severity::High,
        (true, true) | (false, false) => Severity::Medium,
        (false, true) => Severity::Low,
    }
}

fn finding(row: &Row<'_>, severity: Severity, key: &str, title: String, window: Window) -> Finding {
    row.finding(rules::FILE, severity)
        .key(key)
        .title(title)
        .window(window)
        .labels([("file", row.entity_id()), ("name", row.entity_name()), ("kind", row.entity_name_ending())])
        .labels([("actor", row.actor_id()), ("actor_role", row.actor_role()), ("external", row.actor_external())])
        .labels([("address", row.context_ip_address()), ("client", row.context_client())])
}

fn shown<'b>(row: &Row<'b>) -> &'b str {
    first_or([row.entity_name(), row.entity_title()], row.entity_id())
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let wrong =
            self.odd_endings.iter().filter(|end| end.contains('.') || **end != end.to_lowercase() || end.is_empty());
        wrong
            .map(|end| format!("`odd_endings` has `{end}`; write what stands behind the last dot, in small letters"))
            .collect()
    }
}
