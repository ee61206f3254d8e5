//! Privilege granted: new admins and owners, roles and permissions, also through user groups; ownership handed over.
//!
//! Every grant is an alert, since there are few. What the log knows of granter and target only decides how loud it is.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Severity, json};

gridwatch_sdk::module!(detect);

/// Slack's stand-ins where nobody in particular acted: never the target of their own grant.
const NOBODY: [&str; 3] = ["", "USLACKUSER", "USLACKSECURITY"];

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "owner_transferred" | "service_owner_transferred" => findings.add(ownership(row)),
        // Groups gain members all day; it matters where the group carries a role.
        "user_added_to_usergroup" if !group_carries_role(row) => {}
        _ => findings.add(granted(row, config)),
    }
}

fn granted(row: &Row<'_>, config: &Config) -> Finding {
    let target = Target::of(row);
    let to_self = target.id == row.actor_id() && !NOBODY.contains(&row.actor_id());
    let to_outsider = matches!(row.entity_role(), "guest" | "bot");
    let by_commoner = matches!(row.actor_role(), "member" | "guest" | "bot");
    let provisioned = config.provisioning_apps.iter().any(|id| id == row.context_app_id());
    let severity = match (to_self || to_outsider, by_commoner) {
        // A provisioning app's service account may well be no admin; that it grants to itself is never its job.
        (false, _) if provisioned => Severity::Informational,
        (false, false) => Severity::High,
        _ => Severity::Critical,
    };
    let name = if to_self { "themselves" } else { &target.name };
    let finding = row
        .finding(rules::GRANTED, severity)
        .key(&target.id)
        .title(format!("{} {}", who_acted(row), did(row.action(), name)))
        .label("target", &target.id);
    let facts = [
        ("self_granted", if to_self { "yes" } else { "" }),
        ("target_role_before", row.entity_role()),
        ("app", row.context_app_id()),
        ("app_name", row.context_app_name()),
        ("permissions", row.details_changed_permissions()),
    ];
    with_facts(finding, row, &facts)
}

fn ownership(row: &Row<'_>) -> Finding {
    let (target, whole) = (Target::of(row), row.action() == "service_owner_transferred");
    let of = if whole { "the organization" } else { "a workspace" };
    let finding = row
        .finding(rules::OWNERSHIP, Severity::Critical)
        .key(&target.id)
        .title(format!("{} transferred ownership of {of} to {}", who_acted(row), target.name))
        .label("target", &target.id);
    with_facts(finding, row, &[("target_role_before", row.entity_role())])
}

/// The facts that are given, and those that every finding here has.
fn with_facts(finding: Finding, row: &Row<'_>, facts: &[(&str, &str)]) -> Finding {
    let role = if row.actor_role().is_empty() { "unknown" } else { row.actor_role() };
    let always = [("actor_role", role), ("address", row.context_ip_address())];
    let given = always.iter().chain(facts).filter(|(_, value)| !value.is_empty());
    given.fold(finding, |finding, (key, value)| finding.label(*key, *value))
}

fn group_carries_role(row: &Row<'_>) -> bool {
    row.entity_type() == "usergroup" && row.window(windows::GROUP_GOT_ROLE) > row.window(windows::GROUP_LOST_ROLE)
}

/// Who gets the privilege.
struct Target {
    id: String,
    name: String,
}

impl Target {
    /// The entity if it can hold privilege; where the entity is the role, whom the details name.
    fn of(row: &Row<'_>) -> Self {
        let id = row.entity_id();
        let by_details = [row.details_target_user(), row.details_target_entity_id(), row.details_target_entity()];
        let named = by_details.into_iter().flat_map(json::texts).next();
        match (row.entity_type(), named) {
            ("user", _) => Self::new(id, first([row.entity_email(), row.entity_name(), id])),
            ("usergroup", _) => Self::new(id, &format!("group {} ({id})", row.entity_name())),
            (_, Some(target)) => Self::new(&target, &target),
            (_, None) => Self::new(id, first([row.entity_name(), id, ""])),
        }
    }

    fn new(id: &str, name: &str) -> Self {
        let (id, name) = (id.into(), name.into());
        Self { id, name }
    }
}

fn did(action: &str, target: &str) -> String {
    match action {
        "role_change_to_admin" => format!("made {target} admin"),
        "role_change_to_owner" => format!("made {target} owner"),
        "org_owner_created" => format!("made {target} owner of the organization"),
        "role_assigned" => format!("assigned a role to {target}"),
        "permissions_assigned" => format!("assigned permissions to {target}"),
        "role_added_to_usergroup" => format!("gave a role to {target}"),
        _ => format!("added somebody to {target}, which carries a role"),
    }
}

fn who_acted<'b>(row: &Row<'b>) -> &'b str {
    match row.actor_id() {
        "USLACKUSER" | "USLACKSECURITY" => "Slack (no actor named)",
        id => first([row.actor_email(), row.actor_name(), id]),
    }
}

/// The first that is given, the e-mail before the name: a name can be changed by whoever bears it.
fn first(names: [&str; 3]) -> &str {
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("somebody unnamed")
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let wrong = self.provisioning_apps.iter().filter(|id| !id.starts_with('A'));
        let problem = |id| format!("`provisioning_apps` has `{id}`; an app's id starts with A");
        wrong.map(problem).collect()
    }
}
