//! Risky apps: apps let in, and apps that gained scopes, rated by what they may do and by who let them; those that went on
//! to read in bulk; and many at once.
//!
//! An app outlives the session and the password of whoever installed it. Little of what it does with its token is in the
//! audit log, so the moment it is let in is the moment to look.

mod after;

use gridwatch_sdk::scopes::{self, Scopes};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Rule, Seen, Severity, is_nobody};

gridwatch_sdk::module!(detect);

/// Scopes shown in a title; all of them are in the labels.
const SHOWN: usize = 4;

/// The value of a `chain_…` with all steps done.
const WHOLE_CHAIN: u64 = 3;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "app_scopes_expanded" => findings.extend(scopes_expanded(row, config)),
        "file_downloaded" | "canvas_downloaded" | "list_downloaded" => {}
        action if after::is_change(action) => findings.extend(after::changed(row)),
        _ => {
            findings.extend(install(row, config));
            findings.extend(self_approved(row));
        }
    }
    findings.extend(chain(row));
    findings.extend(after::changed_then_reads(row));
    findings.extend(many_apps(row, config));
    findings.extend(after::many_approved(row, config));
    findings.extend(after::spread(row, config));
}

fn install(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let held = scopes::read(&[
        row.entity_scopes(),
        row.entity_scopes_bot(),
        row.entity_bot_scopes(),
        row.details_new_scopes(),
        row.details_scopes(),
        row.details_bot_scopes(),
    ]);
    let before = scopes_before(row);
    // Who says what was there before says what is there now; without it all of them are new.
    let added = if before.is_empty() { held.clone() } else { &scopes_now(row) - &before };
    let nothing_new = !before.is_empty() && added.is_empty();
    if nothing_new || is_known(app_id(row), &held, config) {
        return None;
    }
    let title = format!("{} {} {}: {}", row.who(), did(row.action()), app(row), scopes::brief(&added, SHOWN));
    let finding = rated(row, rules::INSTALL, &added, config)?.title(title);
    let finding = finding.label("scopes", scopes::brief(&held, usize::MAX));
    Some(if before.is_empty() { finding } else { with_change(finding, &added, &before) })
}

fn scopes_expanded(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (held, before) = (scopes_now(row), scopes_before(row));
    let added = &held - &before;
    if added.is_empty() || is_known(app_id(row), &held, config) {
        return None;
    }
    let title = format!("{} gave {} more: {}", row.who(), app(row), scopes::brief(&added, SHOWN));
    let finding = rated(row, rules::SCOPES_EXPANDED, &added, config)?.title(title);
    Some(with_change(finding, &added, &before))
}

fn with_change(finding: Finding, added: &Scopes, before: &Scopes) -> Finding {
    finding
        .label("scopes_added", scopes::brief(added, usize::MAX))
        .label("scopes_before", scopes::brief(before, usize::MAX))
}

/// One person on both sides of an approval, as far as the entry names them.
fn self_approved(row: &Row<'_>) -> Option<Finding> {
    let approver = row.details_approver_id();
    let requester = match (row.details_installer_user_id(), row.action()) {
        // Who approves is the actor; that they installed it, only the details could say.
        ("", "app_approved") => return None,
        ("", _) => row.actor_id(),
        (installer, _) => installer,
    };
    if approver != requester || is_nobody(approver) {
        return None;
    }
    Some(
        row.finding(rules::SELF_APPROVED, Severity::Low)
            .key(key(row))
            .title(format!("{} {} {}, approved by whoever asked for it", row.who(), did(row.action()), app(row)))
            .labels([("app", app_id(row)), ("approver", approver), ("address", row.context_ip_address())]),
    )
}

/// Fires on the download as a rule, and on an earlier step when that arrives last.
fn chain(row: &Row<'_>) -> Option<Finding> {
    let (severity, window) = match () {
        () if row.window(windows::CHAIN_24H) >= WHOLE_CHAIN => (Severity::High, windows::CHAIN_24H),
        () if row.window(windows::CHAIN_7D) >= WHOLE_CHAIN => (Severity::Medium, windows::CHAIN_7D),
        () => return None,
    };
    let reading = row.entity_type() != "app";
    let (id, name) = match (reading, row.context_app_name()) {
        (true, "") => (row.context_app_id(), row.context_app_id().to_owned()),
        (true, name) => (row.context_app_id(), format!("{name} ({})", row.context_app_id())),
        (false, _) => (row.entity_id(), app(row)),
    };
    let finding = row
        .finding(rules::CHAIN, severity)
        .key(id)
        .title(format!("{name} was let in, gained scopes that read content, and downloads in bulk"))
        .window(window)
        .label("app", id)
        .label("in_the_name_of", row.who())
        .label("address", row.context_ip_address());
    let files = row.window(windows::FILES_BY_APP_24H);
    Some(if reading { finding.label("files_in_24h", files.to_string()) } else { finding })
}

fn many_apps(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if !matches!(row.action(), "app_installed" | "org_app_installed" | "cli_app_install") {
        return None;
    }
    let apps = row.window(windows::APPS_BY_USER_30M);
    let finding = row
        .finding(rules::MANY_APPS, Severity::Low)
        .key(row.actor_id())
        .title(format!("{} installed {apps} apps in 30 minutes", row.who()))
        .window(windows::APPS_BY_USER_30M)
        .label("apps", apps.to_string())
        .label("address", row.context_ip_address());
    (apps >= config.many_apps).then_some(finding)
}

/// The first that is given: `new_scopes`; the other spelling in details; the app's own. Not all together: lists of
/// another kind, such as bot scopes beside user scopes, would look added each time the app is authorized again.
fn scopes_now(row: &Row<'_>) -> Scopes {
    let spellings: [&[&str]; 3] = [
        &[row.details_new_scopes()],
        &[row.details_scopes(), row.details_bot_scopes()],
        &[row.entity_scopes(), row.entity_scopes_bot(), row.entity_bot_scopes()],
    ];
    let given = spellings.into_iter().map(scopes::read).find(|scopes| !scopes.is_empty());
    given.unwrap_or_default()
}

/// None of an app that had none, or whose entry doesn't say.
fn scopes_before(row: &Row<'_>) -> Scopes {
    scopes::read(&[row.details_previous_scopes(), row.details_old_scopes()])
}

/// The finding that these scopes in this app by this actor deserve, if any.
fn rated(row: &Row<'_>, rule: Rule, scopes: &Scopes, config: &Config) -> Option<Finding> {
    let (tier, doubts) = (scopes::highest_tier(scopes), doubts(row));
    let score = tier + doubts.iter().filter(|doubt| doubt.counts).count() as u64;
    let sees_all = config.high_scopes.iter().any(|scope| scopes.contains(scope));
    if is_harmless(row, tier, scopes) {
        return None;
    }
    let from_new = doubts.iter().any(|doubt| doubt.label == "network_seen_before" && doubt.counts);
    let is_modest = !scopes.is_empty() && tier < scopes::MUCH && !from_new;
    let severity = match score {
        // Developers make apps of their own every day, on the road too.
        _ if is_own_and_modest(row, scopes, tier) && !sees_all && score >= config.medium_score => match from_new {
            true => Severity::Low,
            false => Severity::Informational,
        },
        // What can't read anything isn't worth more, from where the person always is: developers make such apps every day.
        _ if is_modest && !sees_all && score >= config.medium_score => Severity::Low,
        _ if sees_all || score >= config.high_score => Severity::High,
        _ if score >= config.medium_score => Severity::Medium,
        _ => return None,
    };
    let finding = row
        .finding(rule, severity)
        .key(key(row))
        .label("app", app_id(row))
        .label("address", row.context_ip_address())
        .labels([("address_of", if row.context_whose() == "app" { "the app's server" } else { "" })])
        .label("tier", tier.to_string())
        .label("score", score.to_string())
        .labels([("read_by", Holder::of(row, scopes).said())])
        .labels([("unknown_scopes", &*scopes::unknown(scopes).into_iter().collect::<Vec<_>>().join(", "))]);
    Some(doubts.into_iter().fold(finding, |finding, d| finding.labels([(d.label, d.value)])))
}

/// Whose token the scopes that read content are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// A person's: it reads wherever they are.
    User,
    /// A bot's, which reads where it was invited, or where it can join.
    Bot,
    /// Nothing reads, or the entry doesn't tell the two apart.
    Unknown,
}

impl Holder {
    fn of(row: &Row<'_>, scopes: &Scopes) -> Self {
        let lists = [row.entity_scopes_bot(), row.entity_bot_scopes(), row.details_bot_scopes()];
        let of_bot = scopes::read(&lists);
        let of_user = &scopes::read(&[row.entity_scopes(), row.details_scopes()]) - &of_bot;
        let mut reading = scopes.iter().filter(|scope| scopes::tier(scope) >= scopes::MUCH).peekable();
        // An empty list of the bot's says that it has none; no list, that nobody said whose the others are.
        match lists.iter().all(|list| list.is_empty()) || reading.peek().is_none() {
            true => Self::Unknown,
            false if reading.any(|scope| of_user.contains(scope)) => Self::User,
            false => Self::Bot,
        }
    }

    fn said(self) -> &'static str {
        match self {
            Self::User => "a user's token, wherever the user is",
            Self::Bot => "a bot, where it was invited or can join",
            Self::Unknown => "",
        }
    }
}

/// An app of the house that can't read anything, and is not let in from a rented server or Tor, where no developer of the house sits.
fn is_own_and_modest(row: &Row<'_>, scopes: &Scopes, tier: u64) -> bool {
    let internal = row.details_is_internal_integration() == "true";
    let rented = matches!(row.context_network_kind(), "hosting" | "tor");
    internal && !rented && !scopes.is_empty() && tier < scopes::MUCH
}

/// Nothing that anybody could be harmed by, whoever lets it in: its scopes are given and are none of those that read, rule or pass
/// for somebody; or they are of the second tier at most and Slack has reviewed the app. No scopes given may be any, and of what
/// somebody of the house wrote (an internal integration) nobody but its author knows more than the scopes.
fn is_harmless(row: &Row<'_>, tier: u64, scopes: &Scopes) -> bool {
    let reviewed = row.entity_is_directory_approved() == "true";
    let internal = row.details_is_internal_integration() == "true";
    !scopes.is_empty() && !internal && (tier < scopes::SOME || tier < scopes::MUCH && reviewed)
}

/// What one person lets in is one alert; what nobody in particular does, each app.
fn key<'b>(row: &Row<'b>) -> &'b str {
    let ids = [row.doer_or(app_id(row)), row.entity_id()];
    ids.into_iter().find(|id| !id.is_empty()).unwrap_or_default()
}

/// Something that makes the same scopes more of a worry.
struct Doubt<'b> {
    label: &'static str,
    value: &'b str,
    /// One more to the score.
    counts: bool,
}

fn doubts<'b>(row: &Row<'b>) -> [Doubt<'b>; 6] {
    let said = |text: &'b str| if text.is_empty() { "unknown" } else { text };
    let doubt = |label, value, counts| Doubt { label, value, counts };
    let role = said(row.actor_role());
    let approved = said(row.entity_is_directory_approved());
    let internal = said(row.details_is_internal_integration());
    let seen = match row.first_seen(windows::APP_SEEN) {
        _ if row.target_app().is_empty() => "unknown",
        Seen::Never => "not in 90 days",
        Seen::Learning => "can't tell yet",
        Seen::At(_) => "yes",
    };
    let refused = if row.last_seen(windows::WAS_REFUSED).is_never() { "" } else { "within 180 days" };
    let network = match (row.first_seen(windows::NETWORKS), row.first_seen(windows::KNOWN)) {
        _ if row.context_whose() != "actor" || row.context_network().is_empty() => "unknown",
        (Seen::Never, Seen::At(_)) => "not in 90 days",
        (Seen::At(_), _) if !row.last_seen(windows::CAME_FROM_NEW).is_never() => "only lately",
        (Seen::At(_), _) => "yes",
        _ => "can't tell yet",
    };
    [
        // Unknown counts: better one look too many than an installer who is nobody's admin and never looked at.
        doubt("actor_role", role, !matches!(role, "admin" | "owner" | "primary_owner")),
        doubt("directory_approved", approved, approved == "false"),
        doubt("internal_integration", internal, internal == "true"),
        doubt("app_seen_before", seen, seen == "not in 90 days"),
        doubt("refused_before", refused, refused == "within 180 days"),
        doubt("network_seen_before", network, matches!(network, "not in 90 days" | "only lately")),
    ]
}

/// Expected, and with no scope beyond what is expected of it. No scopes given proves nothing.
fn is_known(app_id: &str, held: &Scopes, config: &Config) -> bool {
    let known = config.known_apps.iter().filter_map(|known| known.split_once(':'));
    let mut at_most = known.filter(|(id, _)| *id == app_id).map(|(_, max)| scopes::read(&[max]));
    !held.is_empty() && at_most.any(|max| held.is_subset(&max))
}

/// "" where the entity is no app and the details don't name one.
fn app_id<'b>(row: &Row<'b>) -> &'b str {
    row.target_app()
}

/// Name and id: names are chosen by the app's author.
fn app(row: &Row<'_>) -> String {
    match (row.entity_type(), row.entity_name(), app_id(row)) {
        (_, _, "") => "an unnamed app".into(),
        ("app", name, id) if !name.is_empty() => format!("{name} ({id})"),
        (_, _, id) => id.into(),
    }
}

fn did(action: &str) -> &'static str {
    match action {
        "app_approved" => "approved",
        "org_app_installed" | "org_app_upgraded_to_org_install" => "installed for the whole organization",
        "org_app_workspace_added" => "added to a workspace",
        "app_resources_granted" => "granted resources to",
        "bot_token_upgraded" => "upgraded the bot token of",
        "app_deployed" => "deployed",
        "child_app_auto_installed" => "had installed automatically",
        _ => "installed",
    }
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.medium_score > self.high_score {
            problems.push(format!(
                "`medium_score` is {}; it can't be above `high_score` ({})",
                self.medium_score, self.high_score
            ));
        }
        let wrong = self.high_scopes.iter().filter(|scope| scopes::read(&[scope]) != Scopes::from([scope.to_string()]));
        problems.extend(wrong.map(|scope| format!("`high_scopes` has `{scope}`; write one scope, in lower case")));
        let orders = [
            ("many_approved", self.many_approved, "many_approved_high", self.many_approved_high),
            ("spread", self.spread, "spread_medium", self.spread_medium),
            ("spread_medium", self.spread_medium, "spread_high", self.spread_high),
        ];
        let wrong = orders.into_iter().filter(|(_, low, _, high)| high < low);
        problems.extend(
            wrong.map(|(low_name, low, name, high)| {
                format!("`{name}` is {high}; it can't be below `{low_name}` ({low})")
            }),
        );
        let is_app =
            |known: &&String| known.starts_with('A') && known.split_once(':').is_some_and(|(_, max)| !max.is_empty());
        let wrong = self.known_apps.iter().filter(|known| !is_app(known));
        problems.extend(wrong.map(|known| format!("`known_apps` has `{known}`; write `A0123:chat:write,users:read`")));
        let wrong = self.bulk_apps.iter().filter(|id| !id.starts_with('A'));
        problems.extend(wrong.map(|id| format!("`bulk_apps` has `{id}`; an app's id starts with A")));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_could_never_fit_are_told() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let config = Config {
            high_scopes: vec!["auditlogs:read".into(), "Admin".into(), "admin,files:read".into(), "".into()],
            bulk_apps: vec!["B1".into()],
            ..Config::default()
        };
        let told = config.problems();
        let names = ["`Admin`", "`admin,files:read`", "``", "`B1`"];
        assert!(told.len() == 4 && told.iter().zip(names).all(|(told, name)| told.contains(name)), "{told:?}");
    }
}
