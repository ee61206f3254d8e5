//! Who people say they are: names that look like another's, outsiders in the calls of an incident, addresses of foreign
//! domains, and users from nowhere.
//!
//! A name, a voice and a mailbox are what colleagues and support staff go by.

mod skeleton;

use gridwatch_sdk::change::{self, Direction};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Severity, first_or, json};
use skeleton::Likeness;

gridwatch_sdk::module!(detect);

/// Domain of the accounts that Slack makes for apps. Nobody can get an address there.
const BOTS: &str = "slack-bots.com";
/// The value of `knocked` with both steps done.
const LET_IN: u64 = 2;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let finding = match row.action() {
        "huddle_participant_joined" => outsider_in_huddle(row, config),
        "huddle_knock_accepted" => let_in(row, config),
        "pref.allow_huddles_transcriptions_changed" => transcription(row),
        "user_email_updated" => email_foreign(row, config),
        "user_created" => created_by_hand(row),
        _ => impersonation(row, config),
    };
    findings.extend(finding);
}

fn impersonation(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if config.known_accounts.iter().any(|id| id == user(row)) {
        return None;
    }
    let before = [
        row.details_previous_profile_real_name(),
        row.details_previous_profile_display_name(),
        row.details_previous_value(),
    ];
    let after = new_names(row);
    let likeness = |name: &str| skeleton::likeness(name, &config.protected_names);
    let taken = after.into_iter().filter_map(|name| Some((likeness(name)?, name)));
    let (likeness, name) = taken.max_by_key(|(likeness, _)| likeness.clone())?;
    // Whoever already looked like that did so at the first change, or before gridwatch.
    if before.iter().filter_map(|name| skeleton::likeness(name, &config.protected_names)).any(|l| l == likeness) {
        return None;
    }
    let (severity, like) = match &likeness {
        Likeness::OtherLetters(like) => (Severity::High, like.as_str()),
        Likeness::Same(like) => (Severity::Medium, like.as_str()),
        Likeness::TwoAlphabets => (Severity::Low, ""),
    };
    let of = first_or([row.entity_email(), row.actor_email(), user(row)], "somebody unnamed");
    let looks = if like.is_empty() { "has letters of two alphabets".into() } else { format!("looks like `{like}`") };
    let finding = row
        .finding(rules::IMPERSONATION, severity)
        .key(user(row))
        .title(format!("{of} took the name `{name}`, which {looks}"))
        .labels([
            ("name", name),
            ("looks_like", like),
            ("name_before", before.into_iter().find(|name| !name.is_empty()).unwrap_or_default()),
            ("role", row.entity_role()),
            ("address", row.context_ip_address()),
        ]);
    Some(finding)
}

/// The profile's; where the entry has none, what the user is called now.
fn new_names<'b>(row: &Row<'b>) -> Vec<&'b str> {
    let given = [row.details_new_profile_real_name(), row.details_new_profile_display_name(), row.details_new_value()];
    let given: Vec<&str> = given.into_iter().filter(|name| !name.is_empty()).collect();
    if given.is_empty() { vec![row.entity_name()] } else { given }
}

fn outsider_in_huddle(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let foreign = !config.own_domains.is_empty() && is_foreign(row.actor_email(), config);
    if config.incident_channels.is_empty() || !(row.actor_role() == "guest" || foreign) {
        return None;
    }
    let knocked = row.window(windows::KNOCKED) >= LET_IN;
    let came = row.window(windows::CAME_INTO_INCIDENT) > 0;
    let (severity, why) = match (in_incident_channel(row, config), came, knocked) {
        (true, _, _) => (Severity::High, "the huddle's channel"),
        (false, true, true) => (Severity::High, "came into an incident channel, and knocked"),
        (false, true, false) => (Severity::Medium, "came into an incident channel"),
        (false, false, _) => return None,
    };
    let finding = row
        .finding(rules::HUDDLE_INTRUSION, severity)
        .key(row.actor_id())
        .title(format!("{} of outside joined a huddle of an incident", row.who()))
        .window(windows::CAME_INTO_INCIDENT)
        .window(windows::KNOCKED)
        .labels([
            ("why", why),
            ("name", row.actor_name()),
            ("role", row.actor_role()),
            ("huddle", row.entity_id()),
            ("channel", channel(row)),
            ("address", row.context_ip_address()),
        ]);
    Some(finding)
}

fn let_in(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if !in_incident_channel(row, config) {
        return None;
    }
    let finding = row
        .finding(rules::HUDDLE_INTRUSION, Severity::Medium)
        .key(channel(row))
        .title(format!("{} let somebody who knocked into a huddle of an incident", row.who()))
        .labels([("huddle", row.entity_id()), ("channel", channel(row)), ("address", row.context_ip_address())]);
    Some(finding)
}

fn in_incident_channel(row: &Row<'_>, config: &Config) -> bool {
    config.incident_channels.iter().any(|id| id == channel(row))
}

/// Of a huddle; "" where the entry doesn't say.
fn channel<'b>(row: &Row<'b>) -> &'b str {
    if row.entity_channel_id().is_empty() { row.details_channel_id() } else { row.entity_channel_id() }
}

fn transcription(row: &Row<'_>) -> Option<Finding> {
    let (before, after) = (row.details_previous_value(), row.details_new_value());
    let (what, direction) = match change::of_permission(before, after) {
        Direction::Stricter => return None,
        Direction::Looser => ("let huddles be transcribed", ""),
        Direction::Unclear => ("changed whether huddles can be transcribed; which way can't be told", "can't be told"),
    };
    let finding = row
        .finding(rules::TRANSCRIPTION, Severity::Low)
        .key(row.doer_or(row.action()))
        .title(format!("{} {what}", row.who()))
        .labels([("from", before), ("to", after), ("direction", direction), ("address", row.context_ip_address())]);
    Some(finding)
}

fn email_foreign(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let told = json::texts(row.details_email()).into_iter().next().unwrap_or_default();
    let email = if told.contains('@') { told.as_str() } else { row.entity_email() };
    let guessed = config.own_domains.is_empty();
    let foreign = if guessed {
        let others = [row.entity_email(), row.actor_email()].map(domain);
        let mut given = others.iter().filter(|domain| !domain.is_empty()).peekable();
        given.peek().is_some() && given.all(|other| *other != domain(email))
    } else {
        is_foreign(email, config)
    };
    if !foreign || domain(email).is_empty() || domain(email) == BOTS {
        return None;
    }
    let provisioned = matches!(row.context_provisioning(), "app" | "account");
    let severity = match guessed || provisioned || row.entity_role() == "guest" {
        true => Severity::Low,
        false => Severity::Medium,
    };
    let finding = row
        .finding(rules::EMAIL_FOREIGN, severity)
        .key(row.doer_or(user(row)))
        .title(format!(
            "{} gave {} the address {email}",
            row.who(),
            first_or([row.entity_name(), user(row)], "somebody unnamed")
        ))
        .labels([
            ("email", email),
            ("email_before", if row.entity_email() == email { "" } else { row.entity_email() }),
            ("own_domains", if guessed { "not told" } else { "" }),
            ("app", row.context_app_id()),
            ("address", row.context_ip_address()),
        ]);
    Some(finding)
}

fn is_foreign(email: &str, config: &Config) -> bool {
    let domain = domain(email);
    let is_below = |own: &String| {
        let own = own.to_ascii_lowercase();
        domain == own || domain.strip_suffix(&own).is_some_and(|sub| sub.ends_with('.'))
    };
    !domain.is_empty() && !config.own_domains.iter().any(is_below)
}

/// "" of what is no address.
fn domain(email: &str) -> String {
    email.rsplit_once('@').map_or_else(String::new, |(_, domain)| domain.trim().to_ascii_lowercase())
}

fn created_by_hand(row: &Row<'_>) -> Option<Finding> {
    let provisioned = !row.context_provisioning().is_empty();
    if provisioned || row.last_seen(windows::PROVISIONS).is_never() || domain(row.entity_email()) == BOTS {
        return None;
    }
    let finding = row
        .finding(rules::CREATED_BY_HAND, Severity::Low)
        .key(row.doer_or(user(row)))
        .title(format!(
            "{} created user {}",
            row.who(),
            first_or([row.entity_email(), row.entity_name(), user(row)], "somebody unnamed")
        ))
        .labels([
            ("app", row.context_app_id()),
            ("app_name", row.context_app_name()),
            ("actor_role", row.actor_role()),
            ("address", row.context_ip_address()),
        ]);
    Some(finding)
}

/// Whom it is about: the entity, else the actor.
fn user<'b>(row: &Row<'b>) -> &'b str {
    if row.entity_type() == "user" && !row.entity_id().is_empty() { row.entity_id() } else { row.actor_id() }
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let lists: [(&str, &Vec<String>, &[char]); 2] = [
            ("known_accounts", &self.known_accounts, &['U', 'W']),
            ("incident_channels", &self.incident_channels, &['C', 'G']),
        ];
        for (name, ids, begin) in lists {
            let wrong = ids.iter().filter(|id| !id.starts_with(begin));
            problems.extend(wrong.map(|id| format!("`{name}` has `{id}`; such an id starts with {begin:?}")));
        }
        let wrong = self.own_domains.iter().filter(|domain| domain.contains('@') || !domain.contains('.'));
        problems.extend(wrong.map(|domain| format!("`own_domains` has `{domain}`; write it as `example.com`")));
        let wrong = self.protected_names.iter().filter(|name| skeleton::is_empty(name));
        problems.extend(wrong.map(|name| format!("`protected_names` has `{name}`, which has no letter or digit")));
        problems
    }
}
