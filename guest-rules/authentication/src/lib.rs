//! Authentication weakened: controls relaxed, providers and domains trusted, accounts exempted, recovery abused.
//!
//! Direction matters: what makes signing in harder is no alert, whoever does it. That one user switches their second factor
//! off is not in the audit log; what is here are the organization's own demands.

use gridwatch_sdk::change::{self, Direction};
use gridwatch_sdk::settings::length::{Length, length, length_changed};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Usual, first_or, is_nobody, json};

gridwatch_sdk::module!(detect);

/// Modes that go through an identity provider. A name with "password" in it doesn't.
const WITHOUT_PASSWORD: [&str; 5] = ["sso", "saml", "oidc", "google", "okta"];

/// Values of the sequences with all steps done.
const RECOVERED_AND_PASSKEY: u64 = 2;
const TAKEN_OVER: u64 = 3;

const DAY_MS: u64 = 86_400_000;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "pref.two_factor_auth_changed"
        | "pref.two_factor_prevent_sms_changed"
        | "pref.sso_setting_changed"
        | "pref.sso_sync_with_provider"
        | "enterprise_managed_auth_disabled" => findings.extend(control_relaxed(row)),
        "idp_configuration_added"
        | "idp_configuration_deleted"
        | "idp_prod_configuration_updated"
        | "idp_test_configuration_updated" => findings.add(identity_provider(row)),
        "user_login" => {
            findings.extend(new_provider(row));
            findings.extend(recovery(row, config));
        }
        "domain_verified"
        | "domain_unverified"
        | "enterprise_managed_auth_rebound"
        | "pref.workspace_access_changed" => findings.extend(federation(row)),
        "auth_policy_entity_assigned" | "auth_policy_created" => findings.add(sso_exemption(row)),
        "pref.session_duration_changed"
        | "pref.session_duration_type_changed"
        | "pref.mobile_session_duration_changed"
        | "user_session_settings_changed" => findings.extend(sessions_lengthened(row, config)),
        _ => {
            findings.extend(recovery(row, config));
            findings.extend(recovered_many(row, config));
        }
    }
}

fn control_relaxed(row: &Row<'_>) -> Option<Finding> {
    let (before, now) = (row.details_previous_value(), row.details_new_value());
    let change = match row.action() {
        "enterprise_managed_auth_disabled" => Direction::Looser,
        _ => change::of_protection(before, now),
    };
    let (what, severity) = match row.action() {
        "pref.two_factor_auth_changed" => ("two-factor authentication is demanded less", Severity::High),
        "pref.sso_setting_changed" => ("single sign-on is demanded less", Severity::High),
        "pref.two_factor_prevent_sms_changed" => ("codes by SMS are allowed again", Severity::Medium),
        "pref.sso_sync_with_provider" => ("profiles are no longer synced with the identity provider", Severity::Medium),
        _ => ("managed authentication is off", Severity::High),
    };
    let (severity, direction) = judged(change, severity)?;
    let title = match change {
        Direction::Unclear => format!("{} changed {}; which way isn't clear", row.who(), row.action()),
        _ => format!("{what}: changed by {}", row.who()),
    };
    let finding = row.finding(rules::CONTROL_RELAXED, severity).key(act(row)).title(title);
    Some(with_facts(finding, row, &[("direction", direction), ("before", before), ("now", now)]))
}

/// How loud a change is, and the label that says why.
fn judged(change: Direction, severity: Severity) -> Option<(Severity, &'static str)> {
    match change {
        Direction::Looser => Some((severity, "weaker")),
        Direction::Stricter => None,
        Direction::Unclear if severity == Severity::High => Some((Severity::Medium, "can't tell")),
        Direction::Unclear => Some((Severity::Low, "can't tell")),
    }
}

fn identity_provider(row: &Row<'_>) -> Finding {
    let (did, severity) = match row.action() {
        "idp_configuration_added" => ("added an identity provider", Severity::High),
        "idp_configuration_deleted" => ("deleted an identity provider", Severity::High),
        "idp_prod_configuration_updated" => ("changed the identity provider in use", Severity::High),
        _ => ("changed an identity provider's test configuration", Severity::Low),
    };
    let title = format!("{} {did}", row.who());
    with_facts(row.finding(rules::IDENTITY_PROVIDER, severity).key(act(row)).title(title), row, &[])
}

fn new_provider(row: &Row<'_>) -> Option<Finding> {
    let config = row.details_idp_config_id();
    if config.is_empty() || row.is_by_nobody() || !row.first_seen(windows::PROVIDERS).is_never() {
        return None;
    }
    let network = match (row.context_network(), row.first_seen(windows::NETWORKS)) {
        ("", _) => "unknown",
        (_, Seen::Never) => "not in 90 days",
        (_, Seen::Learning) => "can't tell yet",
        (_, Seen::At(_)) => "yes",
    };
    // Whom the log never said to be anything may be an owner.
    let may_rule = !matches!(row.actor_role(), "member" | "guest" | "bot");
    let severity = if may_rule || network == "not in 90 days" { Severity::High } else { Severity::Medium };
    let provider = first_or([row.details_label(), row.details_idp_entity_id()], config);
    let title = format!("{} signed in by way of {provider}, by which nobody did before", row.who());
    let facts = [("provider", config), ("entity_id", row.details_idp_entity_id()), ("network_seen_before", network)];
    Some(with_facts(row.finding(rules::NEW_PROVIDER_USED, severity).key(config).title(title), row, &facts))
}

fn federation(row: &Row<'_>) -> Option<Finding> {
    let (before, now) = (row.details_previous_value(), row.details_new_value());
    let (did, severity) = match row.action() {
        "pref.workspace_access_changed" if change::is_same(before, now) => return None,
        "enterprise_managed_auth_rebound" => ("bound managed authentication to another provider", Severity::High),
        "domain_verified" => ("claimed a domain", Severity::Medium),
        "domain_unverified" => ("gave up a domain", Severity::Medium),
        _ => ("changed who may get into workspaces", Severity::Medium),
    };
    let facts = [("entity", row.entity_id()), ("entity_name", row.entity_name()), ("before", before), ("now", now)];
    let title = format!("{} {did}", row.who());
    Some(with_facts(row.finding(rules::FEDERATION, severity).key(act(row)).title(title), row, &facts))
}

fn sso_exemption(row: &Row<'_>) -> Finding {
    let policy = first_or([row.details_policy_name()], row.details_policyname());
    let mode = first_or([row.details_authentication_mode()], row.details_authenticationmode());
    let password = allows_password(&[policy, mode]);
    let (severity, says) = match password {
        Some(true) => (Severity::High, "yes"),
        Some(false) => (Severity::Low, "no"),
        None => (Severity::High, "not said"),
    };
    let entities = json::texts(row.details_entity_ids()).join(", ");
    let (id, name) = match (row.entity_type(), row.entity_id()) {
        ("user", id) if !id.is_empty() => (id, row.entity_label()),
        (_, id) if entities.is_empty() => (id, row.entity_label()),
        _ => (entities.as_str(), entities.as_str()),
    };
    let title = match row.action() {
        "auth_policy_created" => format!("{} made an authentication policy of its own", row.who()),
        _ => format!("{} exempted {name} from single sign-on", row.who()),
    };
    let facts = [("allows_password", says), ("policy", policy), ("mode", mode), ("accounts", &entities)];
    with_facts(row.finding(rules::SSO_EXEMPTION, severity).key(row.doer_or(id)).title(title), row, &facts)
}

/// `None` where the texts say neither.
fn allows_password(texts: &[&str]) -> Option<bool> {
    let texts: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    let has = |word: &str| texts.iter().any(|text| text.contains(word));
    match has("password") && !has("passwordless") {
        true => Some(true),
        false => WITHOUT_PASSWORD.iter().any(|mode| has(mode)).then_some(false),
    }
}

fn sessions_lengthened(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (change, before, now) = match row.action() {
        "user_session_settings_changed" => (of_one_person(row, config), "", row.details_duration()),
        _ => {
            let (before, now) = (row.details_previous_value(), row.details_new_value());
            (length_changed(before, now), before, now)
        }
    };
    let (severity, direction, how) = match (change, length(now)) {
        (Direction::Stricter, _) => return None,
        (Direction::Looser, Some(Length::Endless)) => (Severity::High, "weaker", "don't end any more"),
        (Direction::Looser, _) => (Severity::Medium, "weaker", "last longer"),
        (Direction::Unclear, _) => (Severity::Low, "can't tell", "end sooner or later than before"),
    };
    let whose = match row.action() {
        "user_session_settings_changed" => format!("sessions of {}", row.entity_label()),
        "pref.mobile_session_duration_changed" => "sessions on phones".into(),
        _ => "sessions".into(),
    };
    let title = format!("{whose} {how}: changed by {}", row.who());
    let finding = row.finding(rules::SESSIONS_LENGTHENED, severity).key(act(row)).title(title);
    let target = if row.entity_type() == "user" { row.entity_id() } else { "" };
    Some(with_facts(finding, row, &[("direction", direction), ("before", before), ("now", now), ("target", target)]))
}

/// The entry doesn't say what was before, so that the duration is measured against what the organization allows.
fn of_one_person(row: &Row<'_>, config: &Config) -> Direction {
    match length(row.details_duration()) {
        Some(Length::Seconds(seconds)) if seconds <= config.longest_session_hours * 3_600 => Direction::Stricter,
        Some(_) => Direction::Looser,
        None => Direction::Unclear,
    }
}

fn recovery(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let user = row.entity_id();
    if is_nobody(user) {
        return None;
    }
    let taken_over = row.window(windows::RECOVERY_THEN_IN_THEN_PASSKEY) >= TAKEN_OVER;
    if taken_over && has_settled(row, config) {
        let finding = row
            .finding(rules::RECOVERY_TAKEOVER, Severity::High)
            .key(user)
            .title(format!("{}: recovered, signed in from a new network, and given a passkey", row.entity_label()))
            .window(windows::RECOVERY_THEN_IN_THEN_PASSKEY);
        return Some(with_facts(finding, row, &[("client", row.context_client())]));
    }
    let changed = row.window(windows::RECOVERY_THEN_PASSKEY) >= RECOVERED_AND_PASSKEY;
    changed.then(|| {
        let finding = row
            .finding(rules::PASSKEY_AFTER_RECOVERY, Severity::Medium)
            .key(user)
            .title(format!("{}: recovered, and then a passkey was changed", row.entity_label()))
            .window(windows::RECOVERY_THEN_PASSKEY)
            .label("latest", row.action());
        with_facts(finding, row, &[])
    })
}

/// Each entry is about somebody else: the doer is what they have in common.
fn recovered_many(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let sets_anew = matches!(row.action(), "user_password_reset_by_admin" | "user_email_updated");
    let provisioned = matches!(row.context_provisioning(), "app" | "account");
    let people = row.window(windows::RECOVERED_24H);
    if !sets_anew || provisioned || people < config.recovered || row.is_by_nobody() {
        return None;
    }
    let known = match people {
        people if people >= config.recovered_medium.saturating_mul(3) => Severity::High,
        people if people >= config.recovered_medium => Severity::Medium,
        _ => Severity::Low,
    };
    let is_work = row.window(windows::DAYS_RECOVERED_28D) >= config.help_desk_days;
    let (severity, usual) = match row.usual(windows::USUAL_RECOVERED_A_DAY) {
        Usual::AtMost(usual) if is_work && people < usual.saturating_mul(3) => return None,
        Usual::AtMost(usual) => (known, usual.to_string()),
        Usual::Learning if known == Severity::High => (Severity::Medium, "can't tell yet".into()),
        Usual::Learning => (Severity::Low, "can't tell yet".into()),
    };
    let finding = row
        .finding(rules::RECOVERED_MANY, severity)
        .key(row.actor_id())
        .title(format!("{} set the passwords or addresses of {people} people anew within a day", row.who()))
        .window(windows::RECOVERED_24H)
        .label("people_24h", people.to_string())
        .label("usual_day", usual);
    Some(with_facts(finding, row, &[("last", row.entity_id())]))
}

/// Whoever was first seen later than this has no usual networks yet.
fn has_settled(row: &Row<'_>, config: &Config) -> bool {
    matches!(row.first_seen(windows::KNOWN), Seen::At(ms) if ms + config.settling_days * DAY_MS <= row.time_ms())
}

/// One alert for what one person did of one kind: a second admin who does the same is news.
fn act(row: &Row<'_>) -> String {
    format!("{} {}", row.action(), row.actor_id())
}

/// The facts that are given, and those that every finding here has.
fn with_facts(finding: Finding, row: &Row<'_>, facts: &[(&str, &str)]) -> Finding {
    let role = if row.actor_role().is_empty() { "unknown" } else { row.actor_role() };
    let always = [
        ("actor", row.actor_id()),
        ("actor_role", role),
        ("address", row.context_ip_address()),
        ("network", row.context_network()),
    ];
    finding.labels(always).labels(facts.iter().copied())
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let (some, many) = (self.recovered, self.recovered_medium);
        let order =
            (many < some).then(|| format!("`recovered_medium` is {many}; it can't be below `recovered` ({some})"));
        order.into_iter().collect()
    }
}
