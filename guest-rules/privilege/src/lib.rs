//! Privilege granted: new admins and owners, roles and permissions, also through user groups; ownership handed over; power
//! that is used as soon as it is there.
//!
//! Every grant is an alert, since there are few. What the log knows of granter and target, and the operator of who grants
//! for a living, only decides how loud it is.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Window, is_nobody, json};

gridwatch_sdk::module!(detect);

/// The value of a `…_then_used` with both steps done.
const BOTH_STEPS: u64 = 2;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "owner_transferred" | "service_owner_transferred" => findings.add(ownership(row)),
        // Groups gain members all day; it matters where the group carries a role.
        "user_added_to_usergroup" if !group_carries_role(row) => {}
        action if is_grant(action) => {
            findings.add(granted(row, config));
            findings.extend(grant_then_use(row));
        }
        _ => findings.extend(grant_then_use(row)),
    }
}

fn is_grant(action: &str) -> bool {
    action.starts_with("role_")
        || matches!(action, "org_owner_created" | "permissions_assigned" | "user_added_to_usergroup")
}

fn granted(row: &Row<'_>, config: &Config) -> Finding {
    let target = Target::of(row);
    let granter = Granter::of(row, config);
    let to_self = target.person() == row.actor_id() && !row.is_by_nobody();
    let to_outsider = matches!(row.target_role(), "guest" | "bot");
    let severity = match () {
        // Nobody has it yet.
        () if row.action() == "role_created" => Severity::Low,
        // That a provisioning app grants to its own account is never its job either.
        () if to_self || to_outsider => Severity::Critical,
        () if is_in(&config.provisioning_apps, row.context_app_id()) => by_provisioning(config, &target),
        () if granter.is_out_of_place() => Severity::Critical,
        // Owners are made a few times in a company's life, and what a role may do concerns everybody who has it.
        () if is_in(&config.it_admins, row.actor_id()) => match row.action() {
            "role_change_to_owner" | "org_owner_created" | "role_updated" => Severity::Medium,
            _ => Severity::Low,
        },
        () => Severity::High,
    };
    let finding = row
        .finding(rules::GRANTED, severity)
        .key(if row.is_by_nobody() { target.key() } else { row.actor_id().into() })
        .label("action", row.action())
        .title(format!("{} {}", row.who(), did(row.action(), &target, to_self)))
        .label("target", &target.id);
    let yes = |holds: bool| if holds { "yes" } else { "" };
    let facts = [
        ("self_granted", yes(to_self)),
        ("granter_admin_since_yesterday", yes(granter.is_new_admin)),
        ("granter_from_new_network", yes(granter.is_from_new_network)),
        ("target_role_before", row.target_role()),
        ("app", row.context_app_id()),
        ("app_name", row.context_app_name()),
        ("permissions", row.details_changed_permissions()),
        ("joined", &target.joined),
    ];
    with_facts(finding, row, &facts)
}

fn by_provisioning(config: &Config, target: &Target) -> Severity {
    let expected = config.expected_admins.is_empty() || is_in(&config.expected_admins, target.person());
    if expected { Severity::Informational } else { Severity::Medium }
}

/// What speaks against whoever grants.
struct Granter {
    is_commoner: bool,
    is_new_admin: bool,
    is_from_new_network: bool,
}

impl Granter {
    fn of(row: &Row<'_>, config: &Config) -> Self {
        let became = !row.last_seen(windows::BECAME_ADMIN).is_never();
        let long_known = is_older(row, windows::KNOWN, config.settling_days * DAY_MS);
        Self {
            is_commoner: matches!(row.actor_role(), "member" | "guest" | "bot"),
            is_new_admin: became && !had_power(row),
            is_from_new_network: long_known && !row.last_seen(windows::SIGNED_IN_FROM_NEW).is_never(),
        }
    }

    fn is_out_of_place(&self) -> bool {
        self.is_commoner || self.is_new_admin || self.is_from_new_network
    }
}

/// So long ago that it can't have been by what was granted within a day.
fn had_power(row: &Row<'_>) -> bool {
    is_older(row, windows::USED_BEFORE, DAY_MS) || is_older(row, windows::GRANTED_BEFORE, DAY_MS)
}

/// First seen at least so long ago.
fn is_older(row: &Row<'_>, window: Window, age_ms: u64) -> bool {
    matches!(row.first_seen(window), Seen::At(ms) if ms + age_ms <= row.time_ms())
}

fn is_in(ids: &[String], id: &str) -> bool {
    ids.iter().any(|known| known == id)
}

/// Fires on the act as a rule, and on the grant when that arrives last; then what the granted did before isn't to be seen.
fn grant_then_use(row: &Row<'_>) -> Option<Finding> {
    let chains = [windows::MADE_ADMIN_THEN_USED, windows::ASSIGNED_THEN_USED, windows::JOINED_THEN_USED];
    let chain = chains.into_iter().find(|chain| row.window(*chain) >= BOTH_STEPS)?;
    let late = is_grant(row.action()).then(|| Target::of(row));
    let (severity, id, name) = match &late {
        Some(target) => (Severity::Medium, target.person(), target.person_name()),
        None => (Severity::Critical, row.actor_id(), row.who()),
    };
    if is_nobody(id) || late.is_none() && is_older(row, windows::USED_BEFORE, DAY_MS) {
        return None;
    }
    let finding = row
        .finding(rules::GRANT_THEN_USE, severity)
        .key(id)
        .title(format!("{name} got power and used it within a day"))
        .window(chain)
        .label("act", if late.is_some() { "arrived before the grant" } else { row.action() });
    Some(with_facts(finding, row, &[]))
}

fn ownership(row: &Row<'_>) -> Finding {
    let (target, whole) = (Target::of(row), row.action() == "service_owner_transferred");
    let of = if whole { "the organization" } else { "a workspace" };
    let finding = row
        .finding(rules::OWNERSHIP, Severity::Critical)
        .key(if row.is_by_nobody() { &*target.id } else { row.actor_id() })
        .title(format!("{} transferred ownership of {of} to {}", row.who(), target.name))
        .label("target", &target.id);
    with_facts(finding, row, &[("target_role_before", row.target_role())])
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
    /// Who joins, if the target is a group that carries a role and the entry says it.
    joined: String,
}

impl Target {
    /// The entity if it can hold privilege; where the entity is the role, whom the details name, which may be no user.
    fn of(row: &Row<'_>) -> Self {
        let id = row.entity_id();
        let by_details = [row.details_target_user(), row.details_target_entity_id(), row.details_target_entity()];
        let named = by_details.into_iter().flat_map(json::texts).next();
        match (row.entity_type(), named) {
            ("user", _) => Self::new(id, first([row.entity_email(), row.entity_name(), id])),
            ("usergroup", _) => {
                Self { joined: row.target_id().into(), ..Self::new(id, &format!("group {} ({id})", row.entity_name())) }
            }
            (_, Some(target)) => Self::new(&target, &target),
            (_, None) => Self::new(id, first([row.entity_name(), id, ""])),
        }
    }

    fn new(id: &str, name: &str) -> Self {
        Self { id: id.into(), name: name.into(), joined: String::new() }
    }

    /// Of what nobody in particular did: each who joins a group is an alert, and so is the group itself.
    fn key(&self) -> String {
        if self.joined.is_empty() { self.id.clone() } else { format!("{} {}", self.id, self.joined) }
    }

    /// Whoever holds the privilege in the end.
    fn person(&self) -> &str {
        if self.joined.is_empty() { &self.id } else { &self.joined }
    }

    fn person_name(&self) -> &str {
        if self.joined.is_empty() { &self.name } else { &self.joined }
    }
}

fn did(action: &str, target: &Target, to_self: bool) -> String {
    let name = if to_self { "themselves" } else { target.person_name() };
    let group = &target.name;
    match action {
        "role_change_to_admin" => format!("made {name} admin"),
        "role_change_to_owner" => format!("made {name} owner"),
        "org_owner_created" => format!("made {name} owner of the organization"),
        "role_assigned" => format!("assigned a role to {name}"),
        "permissions_assigned" => format!("assigned permissions to {name}"),
        "role_created" => format!("made a role: {group}"),
        "role_updated" => format!("changed what a role may do: {group}"),
        "role_added_to_usergroup" => format!("gave a role to {group}"),
        "role_modified_on_usergroup" => format!("changed the role of {group}"),
        _ if target.joined.is_empty() => format!("added somebody to {group}, which carries a role"),
        _ => format!("added {name} to {group}, which carries a role"),
    }
}

/// The first that is given, the e-mail before the name: a name can be changed by whoever bears it.
fn first(names: [&str; 3]) -> &str {
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("somebody unnamed")
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let no_app = self.provisioning_apps.iter().filter(|id| !id.starts_with('A'));
        let app = |id| format!("`provisioning_apps` has `{id}`; an app's id starts with A");
        let people = [("it_admins", &self.it_admins), ("expected_admins", &self.expected_admins)];
        let no_user = people.into_iter().flat_map(|(name, ids)| {
            let wrong = ids.iter().filter(|id| !id.starts_with(['U', 'W']) || is_nobody(id));
            wrong.map(move |id| format!("`{name}` has `{id}`; a person's id starts with U or W"))
        });
        no_app.map(app).chain(no_user).collect()
    }
}
