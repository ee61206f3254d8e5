//! Names of fields: Slack's own paths, those of the Elastic Common Schema as gridwatch's view writes them, and gridwatch's.

use gridwatch_manifest::Field;
use gridwatch_names::catalogue;
use gridwatch_names::suggest::did_you_mean;

/// The Elastic Common Schema, where it says of an event what a field says.
const ECS: [(&str, &str); 24] = [
    ("client.ip", "context.ip_address"),
    ("event.action", "action"),
    ("event.id", "id"),
    ("event.reason", "details.reason"),
    ("file.extension", "entry.entity.file.name#ending"),
    ("file.name", "entry.entity.file.name"),
    ("group.id", "entry.entity.usergroup.id"),
    ("group.name", "entry.entity.usergroup.name"),
    ("source.address", "context.ip_address"),
    ("source.geo.country_iso_code", "context.country"),
    ("source.ip", "context.ip_address"),
    ("tls.client.ja3", "details.client_ja3_fingerprint"),
    ("user.email", "actor.email"),
    ("user.full_name", "actor.name"),
    ("user.id", "actor.id"),
    ("user.name", "actor.name"),
    ("user.roles", "actor.role"),
    ("user.target.email", "entry.entity.user.email"),
    ("user.target.full_name", "entry.entity.user.name"),
    ("user.target.id", "target.id"),
    ("user.target.name", "entry.entity.user.name"),
    ("user.target.roles", "target.role"),
    ("user_agent.original", "context.ua"),
    ("organization.id", "entry.context.location.id"),
];

/// The field of a manifest that a Sigma rule's means.
///
/// # Errors
/// What no entry of the audit log has, with what may have been meant.
pub(crate) fn of(name: &str) -> Result<String, String> {
    if let Some((_, field)) = ECS.iter().find(|(ecs, _)| *ecs == name) {
        return Ok((*field).to_owned());
    }
    let parts: Vec<&str> = name.split('.').collect();
    let is_type = |part: &str| catalogue::entity_types().any(|(known, _)| known == part);
    let field = match parts.as_slice() {
        ["date_create"] => "entry.date_create".to_owned(),
        // Whoever acts is a user.
        ["actor", "user", rest @ ..] if !rest.is_empty() => format!("actor.{}", rest.join(".")),
        ["entity", kind, rest @ ..] if !rest.is_empty() && is_type(kind) => format!("entry.{name}"),
        _ => name.to_owned(),
    };
    match Field::parse(&field) {
        Ok(parsed) if parsed.matcher().is_none() => Ok(field),
        _ => {
            let near = did_you_mean(name, ECS.iter().map(|(ecs, _)| *ecs).chain(["action", "id", "date_create"]));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(format!(
                "`{name}` is no field of Slack's audit log: write Slack's path (action, actor.user.email, entity.file.name, \
                 context.ip_address, details.…), its ECS name (event.action, user.email, source.ip) or a field of gridwatch's{near}"
            ))
        }
    }
}
