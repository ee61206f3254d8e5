//! People from outside: organizations let in by Slack Connect, what they take, the policies that keep them out, and guests.
//!
//! Inviting is daily business and no alert; being let in is what counts. What people do inside their own organization,
//! with a channel of ours too, is in their audit log.

use gridwatch_sdk::change::Direction;
use gridwatch_sdk::settings;
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Usual, Window, first_or, json};

gridwatch_sdk::module!(detect);

/// Channels that outsiders have no business in.
const SENSITIVE: &str = "sensitive_channels";

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let lets_in = matches!(
        row.action(),
        "external_shared_channel_connected"
            | "external_shared_channel_reconnected"
            | "external_shared_channel_invite_accepted"
            | "external_shared_channel_invite_approved"
            | "external_shared_channel_host_transferred"
            | "external_shared_channel_access_upgraded"
            | "connect_dm_invite_accepted"
            | "channel_workspaces_updated"
            | "approved_orgs_added"
    );
    if lets_in {
        findings.extend(organization(row, config));
        findings.extend(many_channels(row, config));
    }
    findings.extend(drained(row));
    findings.extend(shared_outside(row));
    findings.extend(sent_outside(row, config));
    findings.extend(policy_changed(row));
    findings.extend(guest_made_durable(row));
    findings.extend(guests_created(row, config));
    findings.extend(invitations(row, config));
    findings.extend(approved_own_request(row));
}

/// The other organization, as far as an entry tells.
struct Outside<'b> {
    id: &'b str,
    name: &'b str,
    seen: Seen,
}

impl<'b> Outside<'b> {
    /// `None` if the entry names none. Two names of teams stand for both sides, ours too: ours are those that the operator
    /// says, and where the entry is from.
    fn of(row: &Row<'b>, config: &Config) -> Option<Self> {
        let (id, name) = (row.details_external_organization_id(), row.details_external_organization_name());
        if !id.is_empty() {
            return Some(Self { id, name, seen: row.first_seen(windows::ORGANIZATION_SEEN) });
        }
        let teams = [
            (row.details_added_team_id(), windows::ADDED_SEEN),
            (row.details_target_team(), windows::TARGET_SEEN),
            (row.details_origin_team(), windows::ORIGIN_SEEN),
        ];
        let is_ours = |id: &str| id == row.context_location_id() || config.own_teams.iter().any(|own| own == id);
        let theirs = teams.into_iter().filter(|(id, _)| !id.is_empty() && !is_ours(id));
        let theirs = theirs.map(|(id, window)| Self { id, name, seen: row.first_seen(window) });
        theirs.min_by_key(|outside| outside.familiarity())
    }

    fn familiarity(&self) -> u8 {
        match self.seen {
            Seen::Never => 0,
            Seen::Learning => 1,
            Seen::At(_) => 2,
        }
    }
}

fn organization(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let outside = Outside::of(row, config);
    let place = place(row);
    let known = |id: &str| config.known_partners.iter().any(|partner| partner == id);
    let partner = outside.as_ref().is_some_and(|outside| known(outside.id));
    let doubts = if partner { Doubts::default() } else { Doubts::of(row, config) };
    let base = match partner {
        true => (place == Place::Sensitive).then_some(Severity::Medium),
        false => rated(row.action(), outside.as_ref().map(|outside| outside.seen), place),
    };
    let severity = [base, doubts.severity()].into_iter().flatten().max()?;
    let (key, whom, seen) = match &outside {
        Some(Outside { id, name: "", seen }) => (*id, (*id).to_owned(), seen.word()),
        Some(Outside { id, name, seen }) => (*id, format!("{name} ({id})"), seen.word()),
        None => (row.entity_id(), "an organization that the entry doesn't name".into(), "can't tell"),
    };
    let finding = row
        .finding(rules::ORGANIZATION, severity)
        .key(key)
        .title(format!("{whom}: {}{}, by {}{}", did(row.action()), in_channel(row), row.who(), doubts.said()))
        .labels([
            ("organization", key),
            ("organization_name", row.details_external_organization_name()),
            ("seen_before", seen),
            ("place", place.word()),
            ("external_email", row.details_external_user_email()),
            ("freemail", &doubts.freemail),
            ("inviter", if doubts.uninvited.is_some() { "not in `allowed_inviters`" } else { "" }),
        ])
        .labels(facts(row));
    Some(doubts.uninvited.into_iter().fold(finding, Finding::window))
}

/// By who comes, and to where.
fn rated(action: &str, seen: Option<Seen>, place: Place) -> Option<Severity> {
    let always = matches!(action, "approved_orgs_added" | "external_shared_channel_host_transferred");
    match (seen, place) {
        (Some(_), Place::Sensitive) | (Some(Seen::Never), Place::Private) => Some(Severity::High),
        (Some(Seen::Never), Place::Open) | (Some(Seen::Learning), Place::Private) => Some(Severity::Medium),
        _ if always => Some(Severity::Medium),
        (Some(Seen::Learning), Place::Open) | (Some(Seen::At(_)), Place::Private) => Some(Severity::Low),
        (Some(Seen::At(_)), Place::Open) => None,
        // Between workspaces of ours, it names nobody.
        (None, _) if action == "channel_workspaces_updated" => None,
        (None, Place::Sensitive) => Some(Severity::Medium),
        (None, _) => Some(Severity::Low),
    }
}

/// What makes an organization more of a worry, whether it was seen before or not.
#[derive(Default)]
struct Doubts {
    /// The domain, or "".
    freemail: String,
    /// The window that saw the invitation of somebody who isn't to send any.
    uninvited: Option<Window>,
}

impl Doubts {
    fn of(row: &Row<'_>, config: &Config) -> Self {
        // Who accepts is often the outsider; whose team it is tells.
        let theirs = row.actor_external() == "true" || row.actor_team() == row.details_external_organization_id();
        let emails = [row.details_external_user_email(), if theirs { row.actor_email() } else { "" }];
        let domains = emails.into_iter().flat_map(json::texts);
        let mut domains = domains.filter_map(|email| Some(email.rsplit_once('@')?.1.trim().to_ascii_lowercase()));
        let freemail = domains.find(|domain| config.freemail_domains.contains(domain)).unwrap_or_default();
        let windows = match row.action() {
            "connect_dm_invite_accepted" => &[windows::UNINVITED_BY_MESSAGE][..],
            "external_shared_channel_connected"
            | "external_shared_channel_invite_accepted"
            | "external_shared_channel_invite_approved" => &[windows::UNINVITED],
            _ => &[],
        };
        let asked = windows.iter().filter(|_| !config.allowed_inviters.is_empty());
        let uninvited = asked.copied().find(|window| row.window(*window) > 0);
        Self { freemail, uninvited }
    }

    fn severity(&self) -> Option<Severity> {
        match (self.uninvited, &*self.freemail) {
            (Some(_), _) => Some(Severity::High),
            (None, "") => None,
            (None, _) => Some(Severity::Medium),
        }
    }

    fn said(&self) -> String {
        let uninvited = self.uninvited.map_or("", |_| ", invited by somebody who isn't to invite");
        match &*self.freemail {
            "" => uninvited.into(),
            domain => format!("{uninvited}, with an address at {domain}"),
        }
    }
}

/// How much a channel holds that outsiders shouldn't see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Open,
    Private,
    Sensitive,
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Private => "private",
            Self::Sensitive => "sensitive",
        }
    }
}

fn place(row: &Row<'_>) -> Place {
    let listed = [fields::ENTITY_ID, fields::DETAILS_CHANNEL_ID].into_iter().any(|id| row.is_in(SENSITIVE, id));
    match row.entity_privacy() {
        _ if listed => Place::Sensitive,
        "private" => Place::Private,
        _ => Place::Open,
    }
}

fn many_channels(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let channels = row.window(windows::CHANNELS_24H);
    let (new, unlisted) = (row.window(windows::NEW_24H) > 0, row.window(windows::UNLISTED_24H) > 0);
    if channels < config.drain_channels || !(new || unlisted) {
        return None;
    }
    let id = row.details_external_organization_id();
    Some(
        // While nobody knows which organizations are new, most are not.
        row.finding(rules::DRAIN, if new { Severity::High } else { Severity::Low })
            .key(id)
            .title(format!("{channels} channels were connected to {id} within a day of letting it in"))
            .window(windows::CHANNELS_24H)
            .label("channels_24h", channels.to_string())
            .labels([("organization", id), ("organization_name", row.details_external_organization_name())])
            .labels(facts(row)),
    )
}

fn drained(row: &Row<'_>) -> Option<Finding> {
    let all = [
        (windows::NEW_THEN_FILES, Severity::High),
        (windows::NEW_TARGET_THEN_FILES, Severity::High),
        (windows::NEW_ORIGIN_THEN_FILES, Severity::High),
        (windows::UNLISTED_THEN_FILES, Severity::Medium),
    ];
    let (window, severity) = all.into_iter().find(|(window, _)| row.window(*window) == 2)?;
    // The file may be the last to arrive, or what let them in.
    let ours = row.details_external_organization_id();
    let id = match row.action().ends_with("_downloaded") {
        true => row.actor_team(),
        false if !ours.is_empty() => ours,
        false if window == windows::NEW_ORIGIN_THEN_FILES => row.details_origin_team(),
        false => row.details_target_team(),
    };
    Some(
        row.finding(rules::DRAIN, severity)
            .key(id)
            .title(format!("People of {id} took many files within a day of being let in; last: {}", row.who()))
            .window(window)
            .labels([("organization", id), ("taker", row.actor_id())])
            .labels(facts(row)),
    )
}

/// A canvas, list or record that somebody of another organization gets.
fn shared_outside(row: &Row<'_>) -> Option<Finding> {
    let (severity, did) = match row.action() {
        "canvas_access_added" | "list_access_added" => (Severity::Low, "gave access to"),
        "record_shared" => (Severity::Low, "shared"),
        "canvas_ownership_transferred" | "list_ownership_transferred" => (Severity::Medium, "gave away"),
        _ => return None,
    };
    let is_outsider = row.details_is_external_user() == "true" || !row.last_seen(windows::OUTSIDERS).is_never();
    let (severity, whom, how) = match (row.last_seen(windows::CHANNEL_CONNECTED), row.last_seen(windows::CHANNEL_CUT)) {
        _ if is_outsider => (severity, first_or([row.details_user()], "a user"), "of another organization"),
        (Seen::At(connected), Seen::At(cut)) if cut >= connected => return None,
        // What a shared channel is for, unless the thing itself is given away.
        (Seen::At(_), _) => {
            let severity = if severity == Severity::Low { Severity::Informational } else { severity };
            (severity, row.details_channel(), "shared with another organization")
        }
        _ => return None,
    };
    let what = first_or([row.entity_name(), row.entity_id()], "something");
    Some(
        row.finding(rules::SHARED_OUTSIDE, severity)
            .key(key(row))
            .title(format!("{} {did} {what}: {whom}, {how}", row.who()))
            .labels([("action", row.action()), ("to", whom), ("access", row.details_access_level())])
            .labels([("object", row.entity_id())])
            .labels(facts(row)),
    )
}

/// Files and messages that somebody sends to where another organization reads along.
fn sent_outside(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (count, usual, least, window, what, to) = match row.action() {
        "file_shared" => (
            row.window(windows::SHARED_OUT_24H),
            row.usual(windows::USUAL_SHARED_OUT_A_DAY),
            config.sent_files,
            windows::SHARED_OUT_24H,
            "files",
            row.details_shared_with_channel_id(),
        ),
        "private_message_forwarded" => (
            row.window(windows::FORWARDED_OUT_24H),
            row.usual(windows::USUAL_FORWARDED_OUT_A_DAY),
            config.sent_messages,
            windows::FORWARDED_OUT_24H,
            "private messages",
            row.details_destination_channel(),
        ),
        _ => return None,
    };
    let (severity, usual) = match usual {
        _ if count < least || row.is_by_nobody() || row.actor_external() == "true" => return None,
        Usual::Learning => (Severity::Low, "can't tell yet".to_owned()),
        Usual::AtMost(usual) if count >= usual.saturating_mul(config.sent_times) => {
            (Severity::Medium, usual.to_string())
        }
        Usual::AtMost(_) => return None,
    };
    Some(
        row.finding(rules::SENT_OUTSIDE, severity)
            .key(row.actor_id())
            .title(format!("{} sent {count} {what} into channels of other organizations in a day", row.who()))
            .window(window)
            .labels([("what", what), ("to", to)])
            .label("count_24h", count.to_string())
            .label("usual_day", usual)
            .labels(facts(row)),
    )
}

fn policy_changed(row: &Row<'_>) -> Option<Finding> {
    let is_policy = row.action().starts_with("pref.") || row.action().starts_with("slack_connect_");
    let (before, after) = (row.details_previous_value(), row.details_new_value());
    let (severity, direction) = match settings::direction(row.action(), before, after).filter(|_| is_policy)? {
        Direction::Looser => (Severity::Medium, "looser"),
        Direction::Unclear => (Severity::Low, "can't be told"),
        Direction::Stricter => return None,
    };
    let said = |value| first_or([value], "nothing");
    let title = match (before, after) {
        ("", "") => format!("{}: {}", row.who(), row.action()),
        _ => format!("{}: {} from {} to {}", row.who(), row.action(), said(before), said(after)),
    };
    Some(
        row.finding(rules::POLICY, severity)
            .key(key(row))
            .title(title)
            .labels([("action", row.action()), ("direction", direction), ("before", before), ("after", after)])
            .labels([("pref", row.details_pref_name())])
            .labels(facts(row)),
    )
}

fn guest_made_durable(row: &Row<'_>) -> Option<Finding> {
    if row.window(windows::DURABLE_THEN_CHANNELS) != 3 {
        return None;
    }
    // Who joins is the actor, and the context the inviter's; before, the guest is whom it is done to.
    let joined = row.action().ends_with("_channel_join");
    let (id, name) = match joined {
        true => (row.actor_id(), row.who()),
        false => (row.entity_id(), row.entity_label()),
    };
    Some(
        row.finding(rules::GUEST_DURABLE, Severity::Medium)
            .key(id)
            .title(format!("Guest {name} lost their end date and joined several private channels"))
            .window(windows::DURABLE_THEN_CHANNELS)
            .labels([("guest", id)])
            .labels(facts(row)),
    )
}

fn guests_created(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let guests = row.window(windows::GUESTS_24H);
    if row.action() != "guest_created" || guests < config.burst_guests {
        return None;
    }
    Some(
        row.finding(rules::GUESTS_CREATED, Severity::Low)
            .key(row.actor_id())
            .title(format!("{} created {guests} guests within a day", row.who()))
            .window(windows::GUESTS_24H)
            .label("guests_24h", guests.to_string())
            .labels(facts(row)),
    )
}

fn invitations(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let sends = matches!(row.action(), "external_shared_channel_invite_sent" | "connect_dm_invite_generated");
    let (sent, usual) = (row.window(windows::INVITED_48H), row.usual(windows::USUAL_INVITED_A_DAY));
    let known = |id: &str| config.known_partners.iter().any(|partner| partner == id);
    if !sends || sent < config.invitations || row.is_by_nobody() || known(row.details_external_organization_id()) {
        return None;
    }
    let is_trade = row.window(windows::DAYS_INVITED_28D) >= config.trade_days;
    let high = sent >= config.invitations_high;
    let (severity, said) = match usual {
        Usual::AtMost(usual) if is_trade && sent < usual.saturating_mul(3) => return None,
        Usual::AtMost(usual) => (if high { Severity::High } else { Severity::Medium }, usual.to_string()),
        Usual::Learning => (if high { Severity::Medium } else { Severity::Low }, "can't tell yet".into()),
    };
    let last = [row.details_external_organization_name(), row.details_external_user_email()];
    Some(
        row.finding(rules::INVITATIONS, severity)
            .key(row.actor_id())
            .title(format!("{} invited {sent} people or organizations from outside within two days", row.who()))
            .window(windows::INVITED_48H)
            .label("invitations_48h", sent.to_string())
            .label("usual_day", said)
            .labels([("last_invited", first_or(last, row.entity_email()))])
            .labels(facts(row)),
    )
}

fn approved_own_request(row: &Row<'_>) -> Option<Finding> {
    (row.window(windows::REQUESTED_THEN_APPROVED) == 2).then(|| {
        row.finding(rules::SELF_APPROVED, Severity::Medium)
            .key(row.actor_id())
            .title(format!("{} asked to connect a channel and approved it themselves{}", row.who(), in_channel(row)))
            .window(windows::REQUESTED_THEN_APPROVED)
            .labels([("channel", row.entity_id())])
            .labels(facts(row))
    })
}

fn did(action: &str) -> &'static str {
    match action {
        "approved_orgs_added" => "added to the approved organizations",
        "connect_dm_invite_accepted" => "direct messages opened",
        "external_shared_channel_host_transferred" => "became host",
        "external_shared_channel_access_upgraded" => "got more access",
        "external_shared_channel_invite_accepted" | "external_shared_channel_invite_approved" => "let in",
        _ => "connected",
    }
}

fn in_channel(row: &Row<'_>) -> String {
    match (row.entity_type(), row.entity_name()) {
        ("channel", "") => format!(" ({})", row.entity_id()),
        ("channel", name) => format!(" (#{name}, {})", row.entity_id()),
        _ => String::new(),
    }
}

/// One person's changes are one alert. Nobody's aren't one person's: there the action is what they have in common.
fn key<'b>(row: &Row<'b>) -> &'b str {
    if row.is_by_nobody() { row.action() } else { row.actor_id() }
}

fn facts<'b>(row: &Row<'b>) -> [(&'static str, &'b str); 3] {
    [("actor_role", row.actor_role()), ("actor_team", row.actor_team()), ("address", row.context_ip_address())]
}

/// The first that is given, the e-mail before the name: a name can be changed by whoever bears it.
impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let wrong = self.known_partners.iter().filter(|id| self.own_teams.contains(id));
        let both = wrong.map(|id| format!("`{id}` is in `known_partners` and in `own_teams`; it can't be both"));
        let is_domain =
            |text: &&String| text.contains('.') && !text.contains('@') && **text == text.to_ascii_lowercase();
        let wrong = self.freemail_domains.iter().filter(|text| !is_domain(text));
        let domains = wrong.map(|text| format!("`freemail_domains` has `{text}`; write a domain, as `gmail.com`"));
        let wrong = self.allowed_inviters.iter().filter(|id| !id.starts_with(['U', 'W']));
        let inviters = wrong.map(|id| format!("`allowed_inviters` has `{id}`; a user's id starts with U or W"));
        let (some, high) = (self.invitations, self.invitations_high);
        let order =
            (high < some).then(|| format!("`invitations_high` is {high}; it can't be below `invitations` ({some})"));
        both.chain(domains).chain(inviters).chain(order).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_could_never_fit_are_told() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let config = Config {
            known_partners: vec!["T1".into(), "T2".into()],
            own_teams: vec!["T2".into()],
            freemail_domains: vec!["gmx.de".into(), "@gmx.de".into(), "GMX.de".into(), "gmx".into()],
            allowed_inviters: vec!["W1".into(), "dora".into()],
            ..Config::default()
        };
        let told = config.problems();
        let names = ["`T2`", "`@gmx.de`", "`GMX.de`", "`gmx`", "`dora`"];
        assert!(told.len() == 5 && told.iter().zip(names).all(|(told, name)| told.contains(name)), "{told:?}");
    }
}
