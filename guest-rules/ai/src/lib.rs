//! Assistants, MCP servers and workflows: more reach for them, reading and writing in bulk through them, and ways out.
//!
//! MCP tools are the one place where Slack logs that messages are read. What the entries carry is known by the names of
//! the keys alone, so everything here is read tolerantly, and what can't be told is one step quieter.

use gridwatch_sdk::change::{self, Direction, Level};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Usual, first_or};

gridwatch_sdk::module!(detect);

/// The value of `published_then_out` with both steps done.
const BOTH_STEPS: u64 = 2;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let finding = match row.action() {
        "workflow_trigger_suspicious_keyword" | "workflow_ai_answer_suspicious_prompt" => Some(workflow_verdict(row)),
        "mcp_slack_send_message_tool_called"
        | "mcp_slack_send_message_draft_tool_called"
        | "mcp_slack_schedule_message_tool_called"
        | "mcp_slack_run_workflow_tool_called"
        | "slack_ai_mcp_message_sent" => broadcast(row, config),
        "slack_ai_mcp_resource_read" => read_sweep(row, config),
        action if action.starts_with("mcp_slack_") => read_sweep(row, config),
        "pref.platform_beta_external_triggers_enabled" => external_triggers(row),
        action if action.starts_with("workflow_") || action.starts_with("external_auth_") => workflow_out(row),
        _ => surface_opened(row, config),
    };
    findings.extend(finding);
}

fn surface_opened(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let direction = change::of_permission(row.details_previous_value(), row.details_new_value());
    let (severity, known) = match row.action() {
        "slack_ai_mcp_tool_permission_changed" if is_refused(row.details_decision()) => return None,
        "slack_ai_mcp_connector_changed" if is_refused(row.details_status()) => return None,
        "slack_ai_mcp_tool_permission_changed" | "slackbot_ai_canvas_approval_bypassed" => (Severity::Low, ""),
        action if action.starts_with("pref.") => (severity_of(direction)?, ""),
        _ if is_known(row, config) => (Severity::Low, "yes"),
        "app_mcp_server_added" | "salesforce_mcp_server_enabled" if is_first_server(row) => (Severity::High, "no"),
        _ => (Severity::Medium, "no"),
    };
    let what = what(row);
    let first = if is_first_server(row) { "not in 400 days" } else { "" };
    let finding = row
        .finding(rules::SURFACE_OPENED, severity)
        .key(row.doer_or(what))
        .title(format!("{} {} {what}", row.who(), did(row.action())))
        .labels([
            ("action", row.action()),
            ("server_url", row.details_server_url()),
            ("known_server", known),
            ("server_seen_before", first),
            ("tool", row.details_tool_name()),
            ("decision", row.details_decision()),
            ("direction", if row.action().starts_with("pref.") { word(direction) } else { "" }),
            ("from", row.details_previous_value()),
            ("to", row.details_new_value()),
            ("actor_role", row.actor_role()),
            ("address", row.context_ip_address()),
        ]);
    Some(finding)
}

/// `None` if it opens nothing.
fn severity_of(direction: Direction) -> Option<Severity> {
    match direction {
        Direction::Looser => Some(Severity::Medium),
        Direction::Unclear => Some(Severity::Low),
        Direction::Stricter => None,
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Looser => "opened",
        Direction::Unclear => "can't be told",
        Direction::Stricter => "not opened",
    }
}

/// Does it say that something isn't allowed, or is gone?
fn is_refused(text: &str) -> bool {
    change::permission(text) == Some(Level::Off)
}

fn is_first_server(row: &Row<'_>) -> bool {
    let adds = matches!(row.action(), "app_mcp_server_added" | "salesforce_mcp_server_enabled");
    adds && row.first_seen(windows::SERVERS_EVER) == Seen::Never
}

fn is_known(row: &Row<'_>, config: &Config) -> bool {
    let names = [row.details_server_name(), row.details_server_url(), row.details_app_id(), row.entity_id()];
    let mut given = names.into_iter().filter(|name| !name.is_empty());
    given.any(|name| config.known_servers.iter().any(|known| known == name))
}

/// What reaches further now: the server, else the setting.
fn what<'b>(row: &Row<'b>) -> &'b str {
    if row.action().starts_with("pref.") {
        return row.action();
    }
    // The entity of most of these is the workspace, whose name would say nothing.
    let own = !matches!(row.entity_type(), "workspace" | "enterprise");
    let (name, id) = if own { (row.entity_name(), row.entity_id()) } else { ("", "") };
    let names = [row.details_server_name(), row.details_server_url(), row.details_tool_name(), name, id];
    let given = names.into_iter().chain([row.details_app_id(), row.action()]).find(|name| !name.is_empty());
    given.unwrap_or_default()
}

/// Twice as many people's assistants read much today as usually do, of all or of those who seldom let them. What is far more than
/// everybody's is no part of it.
fn is_roll_out(row: &Row<'_>, read: u64, config: &Config) -> bool {
    const PEOPLE: u64 = 5;
    let all = row.usual(windows::USUAL_PEOPLE_READING).is_exceeded(row.window(windows::PEOPLE_READING), 2, PEOPLE);
    let starting =
        row.usual(windows::USUAL_PEOPLE_STARTING).is_exceeded(row.window(windows::PEOPLE_STARTING), 2, PEOPLE);
    (all || starting) && read < config.sweep_day.saturating_mul(2)
}

fn read_sweep(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.is_by_nobody() || config.bulk_apps.iter().any(|id| id == row.context_app_id()) {
        return None;
    }
    let windows = [windows::READ_60M, windows::READ_WITHOUT_APP_60M, windows::READ_BY_ARGUMENT_60M];
    let most = windows.into_iter().max_by_key(|window| row.window(*window))?;
    let (hour, day) = (row.window(most), row.window(windows::READ_24H));
    let (usual_hour, usual_day) = (row.usual(windows::USUAL_HOUR), row.usual(windows::USUAL_DAY));
    // The other two have no usual: they are what is left where an entry says less.
    let unusual = match usual_hour {
        Usual::AtMost(_) if most == windows::READ_60M => {
            usual_hour.is_exceeded(hour, config.times_usual, config.sweep_hour)
        }
        _ => hour >= config.sweep_hour,
    };
    let (severity, count, span, cited) = match () {
        () if unusual && hour >= config.sweep_high => (Severity::High, hour, "an hour", most),
        () if unusual => (Severity::Medium, hour, "an hour", most),
        () if usual_day.is_exceeded(day, config.times_usual, config.sweep_day) => (
            if is_roll_out(row, day, config) { Severity::Low } else { Severity::Medium },
            day,
            "a day",
            windows::READ_24H,
        ),
        () => return None,
    };
    let usual = match (span, usual_hour, usual_day) {
        ("an hour", Usual::AtMost(usual), _) | ("a day", _, Usual::AtMost(usual)) => usual.to_string(),
        _ => "can't tell yet".into(),
    };
    let finding = row
        .finding(rules::READ_SWEEP, severity)
        .key(format!("{} {}", row.actor_id(), row.context_app_id()).trim_end())
        .title(format!("{} read {count} channels and files for {} in {span}", assistant(row), row.who()))
        .window(cited)
        .label("objects", count.to_string())
        .label("usual", usual)
        .labels([("app", row.context_app_id()), ("address", row.context_ip_address())]);
    Some(finding)
}

fn broadcast(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let windows = [windows::WROTE_60M, windows::WROTE_MESSAGES_60M, windows::WROTE_BY_ARGUMENT_60M];
    let most = windows.into_iter().max_by_key(|window| row.window(*window))?;
    let channels = row.window(most);
    if channels < config.broadcast_channels || row.is_by_nobody() {
        return None;
    }
    let finding = row
        .finding(rules::BROADCAST, Severity::Medium)
        .key(row.actor_id())
        .title(format!("{} wrote to {channels} channels for {} in an hour", assistant(row), row.who()))
        .window(most)
        .label("channels", channels.to_string())
        .labels([("app", row.context_app_id()), ("address", row.context_ip_address())]);
    Some(finding)
}

fn workflow_verdict(row: &Row<'_>) -> Finding {
    let prompt = row.action() == "workflow_ai_answer_suspicious_prompt";
    let what = if prompt { "a suspicious prompt" } else { "a suspicious word in the trigger" };
    row.finding(rules::WORKFLOW_VERDICT, Severity::Medium)
        .key(first_or([row.entity_id(), row.actor_id()], "somebody unnamed"))
        .title(format!("Slack found {what} of workflow {}", row.entity_label()))
        .labels([("workflow", row.entity_id()), ("by", row.actor_id()), ("address", row.context_ip_address())])
}

fn workflow_out(row: &Row<'_>) -> Option<Finding> {
    if row.window(windows::PUBLISHED_THEN_OUT) < BOTH_STEPS || row.is_by_nobody() {
        return None;
    }
    let finding = row
        .finding(rules::WORKFLOW_OUT, Severity::Low)
        .key(row.actor_id())
        .title(format!("{} published a first workflow, and within a day it reached out", row.who()))
        .window(windows::PUBLISHED_THEN_OUT)
        .labels([("act", row.action()), ("address", row.context_ip_address())]);
    Some(finding)
}

fn external_triggers(row: &Row<'_>) -> Option<Finding> {
    let direction = change::of_permission(row.details_previous_value(), row.details_new_value());
    let what = match direction {
        Direction::Unclear => "changed whether workflows can be triggered from outside; which way can't be told",
        _ => "let workflows be triggered from outside",
    };
    let finding = row
        .finding(rules::WORKFLOW_OUT, severity_of(direction)?)
        .key(format!("{} {}", row.action(), row.actor_id()))
        .title(format!("{} {what}", row.who()))
        .labels([
            ("direction", word(direction)),
            ("from", row.details_previous_value()),
            ("to", row.details_new_value()),
            ("address", row.context_ip_address()),
        ]);
    Some(finding)
}

fn assistant<'b>(row: &Row<'b>) -> &'b str {
    first_or([row.context_app_name(), row.context_app_id()], "An assistant")
}

fn did(action: &str) -> &'static str {
    match action {
        "app_mcp_server_added" | "salesforce_mcp_server_enabled" => "added MCP server",
        "slack_ai_mcp_tool_permission_changed" => "allowed assistants",
        "slackbot_ai_canvas_approval_bypassed" => "bypassed an approval:",
        "agentforce_agent_slack_connection_added" => "connected agent",
        "agentforce_agent_actions_updated" => "changed what may be done by agent",
        "slack_ai_mcp_connector_changed" => "changed connector",
        action if action.starts_with("pref.") => "changed",
        _ => "changed MCP server",
    }
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.sweep_high < self.sweep_hour {
            let (high, hour) = (self.sweep_high, self.sweep_hour);
            problems.push(format!("`sweep_high` is {high}; it can't be below `sweep_hour` ({hour})"));
        }
        for (name, ids) in [("bulk_apps", &self.bulk_apps), ("broadcast_apps", &self.broadcast_apps)] {
            let wrong = ids.iter().filter(|id| !id.starts_with('A'));
            problems.extend(wrong.map(|id| format!("`{name}` has `{id}`; an app's id starts with A")));
        }
        problems
    }
}
