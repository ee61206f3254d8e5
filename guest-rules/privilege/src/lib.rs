//! Privilege granted: new admins and owners, roles and permissions, also through user groups; ownership handed over; power
//! that is used as soon as it is there.
//!
//! A role in a channel is not what a role in the organization is: where it holds is asked first. Every grant beyond a channel is
//! an alert, since there are few. What the log knows of granter and target, and the operator of who grants for a living, only
//! decides how loud it is.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Window, first_or, is_nobody, json};

gridwatch_sdk::module!(detect);

/// The value of a `…_then_used` with both steps done.
const BOTH_STEPS: u64 = 2;
/// Slack's own role for whoever manages a channel (admin.roles.addAssignments).
const CHANNEL_MANAGER: &str = "Rl0A";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "owner_transferred" => findings.add(ownership(row)),
        "service_owner_transferred" => findings.add(service_account(row)),
        // Groups gain members all day; it matters where the group carries a role.
        "user_added_to_usergroup" | "usergroup_updated" if !group_carries_role(row) => {}
        "usergroup_updated" if matches!(row.details_added_user_count(), "" | "0") => {}
        action if is_grant(action) => {
            findings.extend(granted(row, config));
            findings.extend(grant_then_use(row));
        }
        _ => findings.extend(grant_then_use(row)),
    }
}

fn is_grant(action: &str) -> bool {
    action.starts_with("role_")
        || matches!(
            action,
            "org_owner_created" | "permissions_assigned" | "user_added_to_usergroup" | "usergroup_updated"
        )
}

fn granted(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let target = Target::of(row);
    let granter = Granter::of(row, config);
    let to_self = target.person() == row.actor_id() && !row.is_by_nobody();
    let to_outsider = matches!(row.target_role(), "guest" | "bot");
    let by_provisioning = matches!(row.context_provisioning(), "app" | "account");
    let severity = match () {
        () if row.target_direction() == "taken" => return None,
        // Nobody has it yet.
        () if row.action() == "role_created" => Severity::Low,
        () if row.target_scope() == "channel" => in_channel(row, to_self)?,
        () if is_of_account_type(row) => of_account_type(row, &granter),
        // That provisioning grants to its own account is never its job either.
        () if to_self || to_outsider => Severity::Critical,
        () if by_provisioning => by_provisioning_to(row, config, &target),
        () if granter.is_out_of_place() => Severity::Critical,
        // Owners are made a few times in a company's life, and what a role may do concerns everybody who has it.
        () if is_in(&config.it_admins, row.actor_id()) => match row.action() {
            "role_change_to_owner" | "org_owner_created" | "role_updated" => Severity::Medium,
            _ => Severity::Low,
        },
        () if config.it_admins.is_empty() => by_reach(row),
        () => Severity::High,
    };
    let finding = row
        .finding(rules::GRANTED, severity)
        .key(if row.is_by_nobody() { target.key() } else { row.actor_id().into() })
        .label("action", row.action())
        .title(format!("{} {}{}", row.who(), did(row.action(), &target, to_self), which_role(row)))
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
        ("people_added", row.details_added_user_count()),
        ("provisioning", row.context_provisioning()),
        ("role", if is_in_place(row) { or_unknown(role_name(row)) } else { "" }),
        ("scope", if is_in_place(row) { or_unknown(row.target_scope()) } else { "" }),
        ("direction", if is_in_place(row) && row.target_direction().is_empty() { "unknown" } else { "" }),
        ("place_made_just_now", if is_of_account_type(row) { made_just_now(row) } else { "" }),
    ];
    Some(with_facts(finding, row, &facts))
}

/// Nobody has said who grants for a living: some admin is made each week, mostly by whoever made one before, and far more seldom
/// what rules everything.
fn by_reach(row: &Row<'_>) -> Severity {
    match (row.action(), row.target_scope()) {
        ("role_change_to_admin", _) if is_older(row, windows::GRANTED_BEFORE, DAY_MS) => Severity::Low,
        ("role_change_to_admin", _) => Severity::Medium,
        ("role_assigned" | "permissions_assigned", "workspace") => Severity::Low,
        _ => Severity::High,
    }
}

/// Owners aren't made by identity providers, nor do they change what a role may do.
fn by_provisioning_to(row: &Row<'_>, config: &Config, target: &Target) -> Severity {
    let expected = config.expected_admins.is_empty() || is_in(&config.expected_admins, target.person());
    match row.action() {
        "role_change_to_owner" | "org_owner_created" | "role_updated" => Severity::High,
        _ if expected => Severity::Informational,
        _ => Severity::Medium,
    }
}

/// A role or right that holds somewhere, as the entry ought to say.
fn is_in_place(row: &Row<'_>) -> bool {
    matches!(row.action(), "role_assigned" | "permissions_assigned")
}

/// Whoever makes a channel is made its manager, and makes others managers at will.
fn in_channel(row: &Row<'_>, to_self: bool) -> Option<Severity> {
    let is_manager =
        row.entity_id() == CHANNEL_MANAGER || row.entity_id().is_empty() && row.entity_name() == "Channel Manager";
    let of_guest = row.target_role() == "guest" && !to_self;
    (!is_manager || of_guest).then_some(Severity::Low)
}

/// A right that all accounts of a type get, and nobody in particular.
fn is_of_account_type(row: &Row<'_>) -> bool {
    row.entity_type() == "account_type_role" && row.target_id().is_empty()
}

fn of_account_type(row: &Row<'_>, granter: &Granter) -> Severity {
    let holders = row.entity_name().to_ascii_uppercase();
    let has = |word: &str| holders.contains(word);
    let severity = match (row.target_scope(), row.target_direction()) {
        _ if granter.is_out_of_place() => Severity::Critical,
        _ if has("OWNER") || has("ADMIN") => Severity::Low,
        _ if has("GUEST") || has("RESTRICTED") || holders.is_empty() => Severity::High,
        ("workspace", "given") => Severity::Medium,
        // The organization, or not said.
        _ => Severity::High,
    };
    match made_just_now(row) {
        "yes" => Severity::Informational,
        "unknown" => severity.min(Severity::Low),
        _ => severity,
    }
}

/// Was the place made within minutes, so that Slack is setting it up? The log may be too young to tell.
fn made_just_now(row: &Row<'_>) -> &'static str {
    match row.target_place() {
        _ if !row.last_seen(windows::PLACE_MADE).is_never() => "yes",
        "new" => "yes",
        "unknown" => "unknown",
        _ => "no",
    }
}

fn role_name<'b>(row: &Row<'b>) -> &'b str {
    if row.entity_name().is_empty() { row.entity_id() } else { row.entity_name() }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
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
    let target = Target::of(row);
    let finding = row
        .finding(rules::OWNERSHIP, Severity::Critical)
        .key(if row.is_by_nobody() { &*target.id } else { row.actor_id() })
        .title(format!("{} transferred primary ownership to {}", row.who(), target.name))
        .label("target", &target.id);
    with_facts(finding, row, &[("target_role_before", row.target_role())])
}

fn service_account(row: &Row<'_>) -> Finding {
    let target = Target::of(row);
    let to_self = target.id == row.actor_id() && !row.is_by_nobody();
    let odd = to_self || row.target_role() == "guest" || matches!(row.actor_role(), "member" | "guest" | "bot");
    let name = if to_self { "themselves" } else { &target.name };
    let finding = row
        .finding(rules::SERVICE_ACCOUNT, if odd { Severity::Medium } else { Severity::Low })
        .key(if row.is_by_nobody() { &*target.id } else { row.actor_id() })
        .title(format!("{} made {name} the owner of a service account", row.who()))
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
    /// ` for WORKSPACE_ADMIN` of a place, if the target is all accounts of a type there.
    of_type: String,
}

impl Target {
    /// The entity if it can hold privilege; where the entity is the role, whom the details name, which may be no user.
    fn of(row: &Row<'_>) -> Self {
        let id = row.entity_id();
        let by_details = [row.details_target_user(), row.details_target_entity_id(), row.details_target_entity()];
        let named = by_details.into_iter().flat_map(json::texts).next();
        match (row.entity_type(), named) {
            ("user", _) => Self::new(id, row.entity_label()),
            ("usergroup", _) => {
                Self { joined: row.target_id().into(), ..Self::new(id, &format!("group {} ({id})", row.entity_name())) }
            }
            ("account_type_role", Some(place)) if row.target_id().is_empty() => {
                Self { of_type: format!(" for {}", or_unknown(row.entity_name())), ..Self::new(&place, &place) }
            }
            (_, Some(target)) => Self::new(&target, &target),
            (_, None) => Self::new(id, first_or([row.entity_name(), id], "something unnamed")),
        }
    }

    fn new(id: &str, name: &str) -> Self {
        Self { id: id.into(), name: name.into(), joined: String::new(), of_type: String::new() }
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

/// Which role it is, and how far it reaches.
fn which_role(row: &Row<'_>) -> String {
    if row.action() != "role_assigned" || row.entity_name().is_empty() {
        return String::new();
    }
    match row.target_scope() {
        "" => format!(": {}", row.entity_name()),
        scope => format!(": {}, for one {scope}", row.entity_name()).replace("one organization", "the organization"),
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
        "permissions_assigned" => format!("assigned permissions to {name}{}", target.of_type),
        "role_created" => format!("made a role: {group}"),
        "role_updated" => format!("changed what a role may do: {group}"),
        "role_added_to_usergroup" => format!("gave a role to {group}"),
        "role_modified_on_usergroup" => format!("changed the role of {group}"),
        "usergroup_updated" => format!("added people to {group}, which carries a role"),
        _ if target.joined.is_empty() => format!("added somebody to {group}, which carries a role"),
        _ => format!("added {name} to {group}, which carries a role"),
    }
}

/// The first that is given, the e-mail before the name: a name can be changed by whoever bears it.
impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let people = [("it_admins", &self.it_admins), ("expected_admins", &self.expected_admins)];
        let wrong = people.into_iter().flat_map(|(name, ids)| {
            let wrong = ids.iter().filter(|id| !id.starts_with(['U', 'W']) || is_nobody(id));
            wrong.map(move |id| format!("`{name}` has `{id}`; a person's id starts with U or W"))
        });
        wrong.collect()
    }
}
