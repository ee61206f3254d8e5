//! Apps after they were let in: who and what changes them, who lets many of them in, and how far one spreads.

use super::*;
use gridwatch_sdk::first_or;

pub(crate) fn is_change(action: &str) -> bool {
    matches!(
        action,
        "app_collaborator_added"
            | "app_manifest_updated"
            | "app_variable_added"
            | "admin_app_config_updated"
            | "child_app_manifest_created"
            | "child_app_manifest_updated"
            | "cli_app_deploy"
            | "function_distribution_permission_set"
            | "function_distribution_permission_added"
    )
}

pub(crate) fn changed(row: &Row<'_>) -> Option<Finding> {
    let (strong, stranger, from_new) = (is_strong(row), is_stranger(row), is_from_new_network(row));
    let as_user = !reads_as_bot_alone(row);
    let collaborator = row.action() == "app_collaborator_added";
    let severity = match () {
        () if strong && as_user && (collaborator || stranger && from_new) => Severity::Medium,
        () if collaborator || strong && (as_user && (stranger || from_new) || stranger && from_new) => Severity::Low,
        () => return None,
    };
    let whom = if collaborator { first_or([row.details_target_user_id()], "somebody unnamed") } else { "" };
    let title = match collaborator {
        true => format!("{} made {whom} a collaborator of {}", row.who(), app(row)),
        false => format!("{} {} {}", row.who(), did(row.action()), app(row)),
    };
    let yes = |holds: bool| if holds { "yes" } else { "" };
    Some(
        row.finding(rules::CHANGED, severity)
            .key(key(row))
            .title(title)
            .labels([("app", app_id(row)), ("action", row.action()), ("collaborator", row.details_target_user_id())])
            .labels([("reads_or_administers", yes(strong)), ("first_work_at_it", yes(stranger))])
            .labels([("from_new_network", yes(from_new)), ("permissions_updated", row.details_permissions_updated())])
            .labels([("actor_role", row.actor_role()), ("address", row.context_ip_address())]),
    )
}

fn did(action: &str) -> &'static str {
    match action {
        "app_manifest_updated" | "child_app_manifest_updated" => "changed the manifest of",
        "child_app_manifest_created" => "made a child app of",
        "app_variable_added" => "added a variable to",
        "cli_app_deploy" => "deployed other code of",
        "function_distribution_permission_set" | "function_distribution_permission_added" => {
            "changed who may use functions of"
        }
        _ => "configured",
    }
}

/// May it read content or administer, as far as the log said what it may?
fn is_strong(row: &Row<'_>) -> bool {
    let said = [windows::STRONG_AS_USER, windows::STRONG_AS_BOT, windows::STRONG_BY_WIDENING];
    let held = scopes::read(&[row.entity_scopes(), row.entity_scopes_bot(), row.entity_bot_scopes()]);
    said.into_iter().any(|window| !row.last_seen(window).is_never()) || scopes::highest_tier(&held) >= scopes::MUCH
}

/// Are the scopes that read a bot's, as far as the log said? Where it was invited it reads, and not wherever a user is.
fn reads_as_bot_alone(row: &Row<'_>) -> bool {
    let as_user = [windows::STRONG_AS_USER, windows::STRONG_BY_WIDENING];
    let of_user = scopes::read(&[row.entity_scopes()]);
    let said = as_user.into_iter().any(|window| !row.last_seen(window).is_never());
    is_strong(row) && !said && scopes::highest_tier(&of_user) < scopes::MUCH
}

fn is_stranger(row: &Row<'_>) -> bool {
    row.first_seen(windows::WORKS_AT_IT).is_never()
}

fn is_from_new_network(row: &Row<'_>) -> bool {
    let known = matches!(row.first_seen(windows::KNOWN), Seen::At(_));
    let new = row.first_seen(windows::NETWORKS).is_never() || !row.last_seen(windows::CAME_FROM_NEW).is_never();
    row.context_whose() == "actor" && !row.context_network().is_empty() && known && new
}

/// Fires on the download as a rule, and on an earlier step when that arrives last.
pub(crate) fn changed_then_reads(row: &Row<'_>) -> Option<Finding> {
    if row.window(windows::CHANGED_THEN_READS) < WHOLE_CHAIN {
        return None;
    }
    let reading = row.action().ends_with("_downloaded");
    let (id, name) = match reading {
        true => (row.context_app_id(), first_or([row.context_app_name()], row.context_app_id()).to_owned()),
        false => (app_id(row), app(row)),
    };
    Some(
        row.finding(rules::CHANGED_THEN_READS, Severity::High)
            .key(id)
            .title(format!("{name} was changed after its installation, gained scopes that read content, and downloads"))
            .window(windows::CHANGED_THEN_READS)
            .label("app", id)
            .label("in_the_name_of", row.who())
            .label("address", row.context_ip_address()),
    )
}

pub(crate) fn many_approved(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.action() != "app_approved" {
        return None;
    }
    let (approver, window) = match row.details_approver_id() {
        "" => (row.actor_id(), windows::APPROVED_60M),
        id => (id, windows::APPROVED_BY_60M),
    };
    let apps = row.window(window);
    let severity = match apps {
        apps if apps >= config.many_approved_high => Severity::High,
        apps if apps >= config.many_approved => Severity::Medium,
        _ => return None,
    };
    let who = if approver == row.actor_id() { row.who() } else { approver };
    Some(
        row.finding(rules::MANY_APPROVED, severity)
            .key(approver)
            .title(format!(
                "{who} approved {apps} apps that read content or administer within an hour, last {}",
                app(row)
            ))
            .window(window)
            .label("apps", apps.to_string())
            .labels([("approver", approver), ("last_asked_by", row.details_installer_user_id()), ("app", app_id(row))])
            .label("address", row.context_ip_address()),
    )
}

pub(crate) fn spread(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let people = row.window(windows::INSTALLERS_24H);
    let installs = matches!(row.action(), "app_installed" | "org_app_installed" | "cli_app_install");
    if !installs || people < config.spread || row.entity_is_directory_approved() != "false" {
        return None;
    }
    let strong = is_strong(row);
    let severity = match (people, row.details_is_internal_integration()) {
        (_, "true") => Severity::Low,
        (people, _) if people >= config.spread_high => {
            if strong {
                Severity::High
            } else {
                Severity::Medium
            }
        }
        (people, _) if people >= config.spread_medium => {
            if strong {
                Severity::Medium
            } else {
                Severity::Low
            }
        }
        _ if strong => Severity::Low,
        _ => Severity::Informational,
    };
    Some(
        row.finding(rules::SPREAD, severity)
            .key(app_id(row))
            .title(format!("{people} people installed {} within a day", app(row)))
            .window(windows::INSTALLERS_24H)
            .label("people_24h", people.to_string())
            .labels([("app", app_id(row)), ("reads_or_administers", if strong { "yes" } else { "" })])
            .label("address", row.context_ip_address()),
    )
}
