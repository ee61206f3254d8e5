//! Look-alikes: apps, organizations and new accounts whose names or domains can be taken for those of others.
//!
//! What looks like what is read by `gridwatch_sdk::looks`: the confusables of Unicode's UTS #39, made coarser, and edit distance. A name
//! that is exactly another's is no disguise: it is told only where two of them can't be.

use gridwatch_sdk::looks::{self, Likeness};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Severity, first_or, scopes};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let finding = match row.action() {
        "user_created" | "guest_created" => person(row, config),
        action if action.starts_with("external_") || action.starts_with("connect_") => partner(row, config),
        _ => named_app(row, config),
    };
    findings.extend(finding);
}

fn named_app(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (id, name) = (row.target_app(), row.entity_name());
    if row.entity_type() != "app" || name.is_empty() || row.entity_is_directory_approved() == "true" {
        return None;
    }
    let dressed = looks::is_dressed_up(name);
    // What acts is this app itself, or another of that look.
    let another_acts = !row.last_seen(windows::ACTS_ALIKE).is_never() && row.last_seen(windows::ACTS_ITSELF).is_never();
    let twins = row.window(windows::APPS_ALIKE) > 1 || another_acts;
    let like = looks::likest(name, &config.protected_apps);
    let held = scopes::read(&[row.entity_scopes(), row.entity_bot_scopes()]);
    let (severity, whom) = match like {
        Some((Likeness::Confusable, of)) => (Severity::High, of),
        _ if dressed && twins => (Severity::High, "an app that is known here"),
        _ if dressed && scopes::highest_tier(&held) >= scopes::MUCH => (Severity::Medium, "another app, maybe"),
        Some((Likeness::Near, of)) => (Severity::Low, of),
        _ => return None,
    };
    let finding = row
        .finding(rules::APP, severity)
        .key(first_or([id], row.entity_id()))
        .title(format!("App {name} ({id}) looks like {whom}; added by {}", row.who()))
        .label("name", name)
        .labels([("looks_like", whom), ("written_with", if dressed { "other letters" } else { "" })])
        .labels([("app", id), ("scopes", &*scopes::brief(&held, 8)), ("address", row.context_ip_address())]);
    Some(finding)
}

fn partner(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (id, name) = (row.details_external_organization_id(), row.details_external_organization_name());
    if config.known_partners.iter().any(|known| known == id) {
        return None;
    }
    let dressed = looks::is_dressed_up(name);
    let twins = !id.is_empty() && row.window(windows::PARTNERS_ALIKE) > 1;
    let is_new = !matches!(row.first_seen(windows::PARTNER_SEEN), Seen::At(_));
    let domain = domain(row.details_external_user_email());
    let by_domain = looks::domain_likeness(domain, &config.own_domains);
    let (severity, whom) = match by_domain {
        _ if dressed && twins => (Severity::High, "an organization that is known here"),
        Some((Likeness::Confusable, own)) => (Severity::High, own),
        Some((Likeness::Same, own)) => (Severity::Medium, own),
        // The other of the two is no news, each time that it is dealt with.
        _ if twins && is_new => (Severity::Medium, "an organization that is known here"),
        _ if dressed => (Severity::Medium, "another organization, maybe"),
        Some((Likeness::Near, own)) => (Severity::Low, own),
        None => return None,
    };
    let shown = first_or([name, domain], "An organization");
    let finding = row
        .finding(rules::PARTNER, severity)
        .key(first_or([id, domain], row.actor_id()))
        .title(format!("{shown} looks like {whom}; {} by {}", did(row.action()), row.who()))
        .labels([("organization", id), ("name", name), ("domain", domain), ("looks_like", whom)])
        .labels([("written_with", if dressed { "other letters" } else { "" }), ("channel", row.entity_id())])
        .labels([("address", row.context_ip_address())]);
    Some(finding)
}

fn did(action: &str) -> &'static str {
    match action {
        "external_shared_channel_invite_sent" | "connect_dm_invite_generated" => "invited",
        "external_shared_channel_connected" => "connected",
        _ => "let in",
    }
}

fn person(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if matches!(row.context_provisioning(), "app" | "account") {
        return None;
    }
    let (name, domain) = (row.entity_name(), domain(row.entity_email()));
    // The part before the at sign is what people read in a list.
    let local = row.entity_email().split('@').next().unwrap_or_default();
    let by_name =
        [name, local].into_iter().filter_map(|name| looks::likest(name, &config.protected_names)).max_by_key(|l| l.0);
    let by_domain = looks::domain_likeness(domain, &config.own_domains);
    let (severity, whom) = match (by_name, by_domain) {
        (Some((Likeness::Confusable, of)), _) | (_, Some((Likeness::Confusable, of))) => (Severity::High, of),
        (Some((Likeness::Same, of)), _) => (Severity::Medium, of),
        (_, Some((_, of))) if row.action() == "guest_created" => (Severity::Medium, of),
        (Some((Likeness::Near, of)), _) | (_, Some((_, of))) => (Severity::Low, of),
        (None, None) => return None,
    };
    let finding = row
        .finding(rules::PERSON, severity)
        .key(first_or([row.entity_id()], name))
        .title(format!(
            "{} created {} ({}), which looks like {whom}",
            row.who(),
            first_or([name], "an account"),
            row.entity_email()
        ))
        .labels([("account", row.entity_id()), ("name", name), ("email", row.entity_email()), ("looks_like", whom)])
        .labels([("actor_role", row.actor_role()), ("address", row.context_ip_address())]);
    Some(finding)
}

/// "" of what is no address.
fn domain(email: &str) -> &str {
    email.rsplit_once('@').map_or("", |(_, domain)| domain.trim())
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let lists = [("protected_apps", &self.protected_apps), ("protected_names", &self.protected_names)];
        let empty = lists.into_iter().flat_map(|(list, names)| names.iter().map(move |name| (list, name)));
        let empty = empty.filter(|(_, name)| looks::skeleton(name).is_empty());
        let empty = empty.map(|(list, name)| format!("`{list}` has `{name}`, which has no letter or digit"));
        let wrong = self.own_domains.iter().filter(|domain| domain.contains('@') || !domain.contains('.'));
        empty.chain(wrong.map(|domain| format!("`own_domains` has `{domain}`; write it as `example.com`"))).collect()
    }
}

#[cfg(test)]
mod false_positives;
