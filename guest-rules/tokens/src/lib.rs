//! Tokens: those that outlive their owner, those used from somewhere else, and those of other services.
//!
//! What a token does is in the audit log only where Slack logs the act itself, with the app or the client in its context.

use gridwatch_sdk::scopes;
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Rule, Seen, Severity, Window, is_nobody};

gridwatch_sdk::module!(detect);

const DAY_MS: u64 = 86_400_000;
/// The value of `kept_then_acted` with both steps done.
const BOTH_STEPS: u64 = 2;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "app_token_preserved" | "workflow_app_token_preserved" => findings.add(kept(row)),
        "seamless_auth_org_created" | "seamless_auth_org_update" | "seamless_auth_org_updated" => {
            findings.add(seamless_trust(row));
        }
        "seamless_auth_user_token_created" | "seamless_auth_team_token_created" => findings.extend(seamless_token(row)),
        "external_auth_oauth2_token_fetched" => findings.extend(external_token(row)),
        "cli_login" => findings.extend(cli_login(row)),
        _ => {}
    }
    findings.extend(acted(row).or_else(|| off_network(row, config)));
    findings.extend(scripted_client(row));
}

/// Every offboarding keeps some tokens. What they may do is what tells them apart.
fn kept(row: &Row<'_>) -> Finding {
    let (how, window) = leaver(row);
    let held = scopes::read(&[row.details_scopes(), row.entity_scopes(), row.entity_bot_scopes()]);
    let (severity, lower) = match scopes::highest_tier(&held) {
        _ if held.is_empty() => (Severity::Medium, Severity::Low),
        tier if tier >= scopes::MUCH => (Severity::High, Severity::Medium),
        _ => (Severity::Low, Severity::Informational),
    };
    let name = named(row.entity_name(), row.entity_id());
    let scopes = [row.details_scopes(), row.entity_scopes(), row.entity_bot_scopes()];
    let scopes = scopes.into_iter().find(|scopes| !scopes.is_empty()).unwrap_or_default();
    let finding = start(row, rules::OF_LEAVER, if window.is_some() { severity } else { lower })
        .key(row.doer_or(row.entity_id()))
        .title(format!("{} let {name} keep its token; {how}", row.who()))
        .labels([("app", row.entity_id()), ("scopes", scopes), ("leaver", how)]);
    match window {
        Some(window) => finding.window(window),
        None => finding,
    }
}

/// How it is known that the one who set the app up has gone, and the window that has their leaving.
fn leaver(row: &Row<'_>) -> (&'static str, Option<Window>) {
    [
        ("its owner was deactivated within 7 days", windows::OWNER_LEFT),
        ("its installer was deactivated within 7 days", windows::INSTALLER_LEFT),
        ("the actor was deactivated within 7 days", windows::ACTOR_LEFT),
        ("the actor had just deactivated somebody", windows::CLOSED_BY_SAME),
    ]
    .into_iter()
    .find(|(_, window)| row.window(*window) > 0)
    .map_or(("nobody is known to have left", None), |(how, window)| (how, Some(window)))
}

/// The app with the kept token acts, from where it never did. Where that came first, the keeping of the token completes it.
fn acted(row: &Row<'_>) -> Option<Finding> {
    if row.window(windows::KEPT_THEN_ACTED) < BOTH_STEPS {
        return None;
    }
    let kept_last = row.action().ends_with("_token_preserved");
    let (id, name) = match kept_last {
        true => (row.entity_id(), named(row.entity_name(), row.entity_id())),
        false => (row.context_app_id(), named(row.context_app_name(), row.context_app_id())),
    };
    let finding = start(row, rules::OF_LEAVER, Severity::High)
        .key(id)
        .title(format!("{name} acts from a network that is new for it, and its token had been kept"))
        .window(windows::KEPT_THEN_ACTED)
        .label("app", id);
    Some(finding)
}

fn off_network(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let Seen::At(since) = row.first_seen(windows::APP_ANYWHERE) else { return None };
    let known = row.time_ms().saturating_sub(since) >= config.known_days * DAY_MS;
    let networks = row.window(windows::APP_NETWORKS);
    let elsewhere = !row.context_network().is_empty() && row.first_seen(windows::APP_NETWORK).is_never();
    if !known || !elsewhere || networks > config.most_networks {
        return None;
    }
    let name = named(row.context_app_name(), row.context_app_id());
    let own = config.service_apps.iter().any(|id| id == row.context_app_id());
    let finding = start(row, rules::SERVICE_OFF_NETWORK, if own { Severity::High } else { Severity::Medium })
        .key(row.context_app_id())
        .title(format!("{name} acts from {}, for the first time in 30 days", row.context_network()))
        .labels([("app", row.context_app_id()), ("runs_here_only", if own { "yes" } else { "" })])
        .label("networks_30d", networks.to_string());
    Some(finding)
}

fn scripted_client(row: &Row<'_>) -> Option<Finding> {
    // Who fails or is refused has given a name and done nothing by it; `cli-login` has its own rule.
    let other = matches!(row.action(), "user_login_failed" | "ip_allowlist_access_denied" | "anomaly" | "cli_login");
    let by_script = row.context_client().starts_with("script/") && !other;
    let theirs = !row.is_by_nobody() && row.context_whose() == "actor";
    let person = matches!(row.first_seen(windows::WITH_PROGRAM), Seen::At(_));
    if !by_script || !theirs || !person || !row.first_seen(windows::WITH_SCRIPT).is_never() {
        return None;
    }
    let finding = start(row, rules::SCRIPTED_CLIENT, Severity::Medium).key(row.actor_id()).title(format!(
        "{} acts through {}, which they never do",
        row.who(),
        row.context_client()
    ));
    Some(finding)
}

fn seamless_trust(row: &Row<'_>) -> Finding {
    let created = row.action() == "seamless_auth_org_created";
    let (severity, what) = match created {
        true => (Severity::High, "connected an organization for seamless sign-in"),
        false => (Severity::Medium, "changed a connection for seamless sign-in"),
    };
    // `update` and `updated` are one thing that Slack spells in two ways.
    let key = if created { "created" } else { "updated" };
    start(row, rules::SEAMLESS_TRUST, severity)
        .key(format!("{key} {}", row.entity_id()))
        .title(format!("{} {what}", row.who()))
        .labels([("entity", row.entity_id())])
}

fn seamless_token(row: &Row<'_>) -> Option<Finding> {
    let before = row.first_seen(windows::SEAMLESS_TOKENS);
    let severity = match before {
        Seen::Never => Severity::Medium,
        Seen::Learning => Severity::Low,
        Seen::At(_) => return None,
    };
    let whose = if row.action() == "seamless_auth_team_token_created" { "a workspace" } else { "a person" };
    let finding = start(row, rules::SEAMLESS_TOKEN, severity)
        .key(row.doer_or(row.action()))
        .title(format!("{} made a token for the seamless sign-in of {whose}", row.who()))
        .labels([("entity", row.entity_id()), ("made_in_90_days", before.word())]);
    Some(finding)
}

fn external_token(row: &Row<'_>) -> Option<Finding> {
    let is_step = row.entity_type().starts_with("workflow") || row.entity_type().starts_with("function");
    let (subject, window) = match (row.details_app_id(), is_step) {
        ("", true) => (row.entity_id(), windows::FETCHED_BY_STEP),
        ("", false) => (row.actor_id(), windows::FETCHED_BY_PERSON),
        (app, _) => (app, windows::FETCHED_BY_APP),
    };
    if is_nobody(subject) || !row.first_seen(window).is_never() {
        return None;
    }
    let provider = if row.details_provider_key().is_empty() { "another service" } else { row.details_provider_key() };
    let finding = start(row, rules::EXTERNAL_TOKEN, Severity::Medium)
        .key(subject)
        .title(format!("{subject} fetched a token of {provider}, for the first time in 90 days"))
        .labels([("actor", row.actor_id()), ("fetched_by", subject), ("provider", row.details_provider_key())]);
    Some(finding)
}

fn cli_login(row: &Row<'_>) -> Option<Finding> {
    let first = row.first_seen(windows::CLI).is_never();
    let odd = !row.context_network_kind().is_empty() || row.context_client().starts_with("script/");
    let (severity, how) = match row.context_network_kind() {
        // Who hides where they are does so every time: a habit excuses nothing.
        "tor" => (Severity::Medium, "from Tor"),
        _ if odd && first => (Severity::Low, "for the first time in 90 days"),
        _ => return None,
    };
    if row.is_by_nobody() {
        return None;
    }
    let finding = row
        .finding(rules::CLI_LOGIN, severity)
        .key(row.actor_id())
        .title(format!("{} signed in with the command line tool, {how}", row.who()));
    Some(finding)
}

fn start(row: &Row<'_>, rule: Rule, severity: Severity) -> Finding {
    row.finding(rule, severity).labels([
        ("action", row.action()),
        ("address", row.context_ip_address()),
        ("network", row.context_network()),
        ("network_kind", row.context_network_kind()),
        ("client", row.context_client()),
    ])
}

/// Name and id: names are chosen by the app's author.
fn named(name: &str, id: &str) -> String {
    if name.is_empty() { id.into() } else { format!("{name} ({id})") }
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let wrong = self.service_apps.iter().filter(|id| !id.starts_with('A'));
        let problem = |id| format!("`service_apps` has `{id}`; an app's id starts with A");
        wrong.map(problem).collect()
    }
}
