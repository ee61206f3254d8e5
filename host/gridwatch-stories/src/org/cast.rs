//! Who and what the organization consists of before anything happens: people, bots, offices, workspaces, channels, apps.
//!
//! Addresses are from ranges set aside for documentation and carrier NAT, mail is under `example`, so none is anybody's.

use super::dice::Dice;
use super::entities;
use super::entry::Context;
use super::names;
use super::{Enterprise, OrgPlan, Role, User, Workspace};
use crate::internet;
use crate::wire::object;

/// A person (or bot) with what the generator needs to have them act.
pub(crate) struct Person {
    pub(crate) user: User,
    /// The user object as it stands in an entry.
    pub(crate) wire: String,
    /// Index into [`Cast::workspaces`].
    pub(crate) workspace: usize,
    /// Index into [`Cast::offices`].
    pub(crate) office: usize,
    pub(crate) home_ip: String,
    pub(crate) desktop_ua: String,
    pub(crate) mobile_ua: String,
    /// The session of each device; replaced at each sign-in.
    pub(crate) desktop_session: u64,
    pub(crate) mobile_session: u64,
    /// Epoch seconds of the last failed sign-in, so that ordinary typing errors never look like an attack.
    pub(crate) last_failure: u64,
    /// Kept for a story: nothing suspicious happens to them by chance.
    pub(crate) reserved: bool,
}

pub(crate) struct Office {
    pub(crate) utc_offset_hours: i64,
    pub(crate) egress_ip: String,
    pub(crate) last_failures: [u64; 3],
}

pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) privacy: &'static str,
    pub(crate) org_shared: bool,
    pub(crate) team: String,
}

pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) scopes: &'static [&'static str],
    pub(crate) bot_scopes: &'static [&'static str],
}

/// How the identity provider shows in the log. Both were captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provisioning {
    /// Through an app that stands on each of its acts, without an address or a client.
    ByApp,
    /// As a person's account, known by its client; the app stands on some of its acts only.
    ByAccount,
}

impl Provisioning {
    /// Every other organization has the one, the rest the other.
    pub(crate) fn of(seed: u64) -> Self {
        if seed.is_multiple_of(2) { Self::ByAccount } else { Self::ByApp }
    }
}

/// The client of a provisioning integration that acts as a person's account, as captured.
pub(crate) const PROVISIONING_CLIENT: &str = "OKTA CPC Slack Integration";

/// Acts on which such an integration names its app. Captured: it does on some, and not on `user_deactivated` and
/// `user_removed_from_usergroup`.
const WITH_APP: &[&str] = &["user_created", "user_added_to_usergroup", "usergroup_updated"];

pub(crate) struct Cast {
    pub(crate) enterprise: Enterprise,
    pub(crate) workspaces: Vec<Workspace>,
    pub(crate) offices: Vec<Office>,
    /// Owner first, then IT, then everybody else, then those reserved for stories.
    pub(crate) people: Vec<Person>,
    pub(crate) bots: Vec<Person>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) apps: Vec<App>,
    /// Signs users up and off: see [`Provisioning`].
    pub(crate) provisioner: Person,
    pub(crate) provisioning: Provisioning,
    pub(crate) provisioning_app: App,
    /// How many of `people`, counted from the second, are IT.
    pub(crate) it_staff: usize,
}

/// Room for all stories: no two share a person.
pub(crate) const RESERVED: usize = 20;

/// Fewest people that make an office; smaller plans are raised to it (by [`RESERVED`] more when they have stories).
pub(crate) const FEWEST_PEOPLE: usize = 8;

const APPS: &[(&str, &[&str], &[&str])] = &[
    ("Google Drive", &["links:read", "links:write"], &["commands", "chat:write"]),
    ("Zoom", &[], &["commands", "chat:write", "users:read"]),
    ("Jira Cloud", &[], &["commands", "chat:write", "links:read"]),
    ("Polly", &[], &["commands", "chat:write"]),
    ("Giphy", &[], &["commands"]),
    ("PagerDuty", &[], &["commands", "chat:write", "users:read"]),
    ("Workday", &[], &["chat:write", "users:read"]),
    ("Donut", &[], &["chat:write", "channels:read"]),
    ("Trello", &["identity.basic"], &["commands", "chat:write", "links:read", "links:write"]),
    ("Calendly", &["users:read", "users:read.email"], &[]),
    ("Figma", &["users:read"], &["chat:write", "links:read", "links:write", "im:write"]),
    ("Loom", &[], &["links:read", "links:write", "team:read", "chat:write"]),
    ("Geekbot", &[], &["chat:write", "im:write", "users:read", "users:read.email", "reactions:read"]),
    ("Simple Poll", &[], &["commands", "chat:write", "chat:write.public", "users:read", "team:read"]),
];

impl Cast {
    pub(crate) fn new(plan: &OrgPlan, dice: &mut Dice) -> Self {
        let reserved = if plan.stories { RESERVED } else { 0 };
        let count = (plan.users as usize).max(FEWEST_PEOPLE + reserved);
        let enterprise = Enterprise { id: dice.id("E"), name: "Nordlicht Group".into(), domain: "nordlicht".into() };
        let workspaces = workspaces(dice);
        let offices = offices();
        let it_staff = (count / 100).clamp(2, 12);
        let people = (0..count)
            .map(|i| {
                let role = match i {
                    0 => Role::PrimaryOwner,
                    1 => Role::Owner,
                    i if i <= it_staff => Role::Admin,
                    i if i < count - reserved && dice.percent(4) => Role::Guest,
                    _ => Role::Member,
                };
                let mut person = person(dice, i, role, &enterprise.id, &workspaces, offices.len());
                person.reserved = i >= count - reserved;
                person
            })
            .collect();
        let apps: Vec<App> =
            APPS.iter().map(|&(name, scopes, bot_scopes)| App { id: dice.id("A"), name, scopes, bot_scopes }).collect();
        let bots = apps.iter().take(5).map(|app| bot(dice, app, &workspaces)).collect();
        let provisioning_app =
            App { id: dice.id("A"), name: "Okta SCIM Provisioning", scopes: &["admin"], bot_scopes: &[] };
        let provisioning = Provisioning::of(plan.seed);
        let provisioner = service_account(dice, provisioning, &workspaces);
        let channels = (0..(count / 2).clamp(24, 400)).map(|i| channel(dice, i, &workspaces)).collect();
        Self {
            enterprise,
            workspaces,
            offices,
            people,
            bots,
            channels,
            apps,
            provisioner,
            provisioning,
            provisioning_app,
            it_staff,
        }
    }

    /// Where an act of the identity provider comes from.
    pub(crate) fn provisioning(&self, action: &str) -> Context {
        let nowhere = Context::server_side(self.enterprise_location());
        let app = || Some(entities::app_body(&self.provisioning_app, true));
        match self.provisioning {
            Provisioning::ByApp => Context { app: app(), ..nowhere },
            Provisioning::ByAccount => Context {
                ua: PROVISIONING_CLIENT.into(),
                ip: internet::address(internet::app_makers(), 118),
                app: if WITH_APP.contains(&action) { app() } else { None },
                ..nowhere
            },
        }
    }

    /// Gives somebody another standing than chance gave them.
    pub(crate) fn appoint(&mut self, index: usize, role: Role) {
        let person = &mut self.people[index];
        person.user.role = role;
        let domain = domain_of(index, role);
        let mailbox = person.user.email.split('@').next().unwrap_or_default();
        person.user.email = format!("{mailbox}@{domain}");
        person.wire = user_wire(&person.user, Some(&self.workspaces[person.workspace].id), true, true);
    }

    /// The public directory: people, then bots, then the service account.
    pub(crate) fn directory(&self) -> Vec<User> {
        let everyone = self.people.iter().chain(&self.bots).chain(std::iter::once(&self.provisioner));
        everyone.map(|person| person.user.clone()).collect()
    }

    /// The people that stories are about, in order.
    pub(crate) fn first_reserved(&self) -> usize {
        self.people.len() - self.people.iter().filter(|person| person.reserved).count()
    }

    pub(crate) fn workspace_wire(&self, index: usize) -> String {
        let workspace = &self.workspaces[index];
        place_wire(None, &workspace.id, &workspace.name, &workspace.domain)
    }

    pub(crate) fn enterprise_wire(&self) -> String {
        place_wire(None, &self.enterprise.id, &self.enterprise.name, &self.enterprise.domain)
    }

    /// `context.location` of an act in a workspace.
    pub(crate) fn workspace_location(&self, index: usize) -> String {
        let workspace = &self.workspaces[index];
        place_wire(Some("workspace"), &workspace.id, &workspace.name, &workspace.domain)
    }

    /// `context.location` of an act on the whole organization.
    pub(crate) fn enterprise_location(&self) -> String {
        place_wire(Some("enterprise"), &self.enterprise.id, &self.enterprise.name, &self.enterprise.domain)
    }
}

fn place_wire(kind: Option<&str>, id: &str, name: &str, domain: &str) -> String {
    object(|place| {
        if let Some(kind) = kind {
            place.str("type", kind);
        }
        place.str("id", id).str("name", name).str("domain", domain);
    })
}

fn workspaces(dice: &mut Dice) -> Vec<Workspace> {
    let named =
        [("Nordlicht HQ", "nordlicht-hq"), ("Engineering", "nordlicht-eng"), ("Sales & Café", "nordlicht-sales")];
    named
        .iter()
        .map(|(name, domain)| Workspace { id: dice.id("T"), name: (*name).into(), domain: (*domain).into() })
        .collect()
}

fn offices() -> Vec<Office> {
    // Berlin, New York, Bengaluru rounded to a full hour, Tokyo; no daylight saving.
    let zones = [1, -5, 5, 9];
    (1..)
        .zip(zones)
        .map(|(i, utc_offset_hours)| Office {
            utc_offset_hours,
            egress_ip: format!("198.51.100.{}", i * 10),
            last_failures: [0; 3],
        })
        .collect()
}

/// The organization's own, one of them that of a company it once bought. None is anybody's.
pub(crate) const DOMAINS: [&str; 2] = ["nordlicht.example", "aurora-labs.example"];

fn domain_of(index: usize, role: Role) -> &'static str {
    match role {
        Role::Guest => "partner.example",
        _ => DOMAINS[usize::from(index % 11 == 7)],
    }
}

fn person(
    dice: &mut Dice,
    index: usize,
    role: Role,
    enterprise: &str,
    workspaces: &[Workspace],
    offices: usize,
) -> Person {
    let (name, mailbox) = names::person(dice, index);
    let workspace = dice.below(workspaces.len() as u64) as usize;
    let prefix = if dice.percent(60) { "U" } else { "W" };
    let id = dice.id(prefix);
    let domain = domain_of(index, role);
    let user = User { id, name, email: format!("{mailbox}@{domain}"), role };
    // The sample entries have the organization there as well.
    let team = if dice.percent(30) { enterprise } else { &workspaces[workspace].id };
    let wire = user_wire(&user, Some(team), dice.percent(90), !dice.percent(2));
    let modern = dice.percent(12);
    let line = if modern { [0, dice.below(0xffff), dice.between(1, 0xff)] } else { lot(dice) };
    let office = dice.below(offices as u64) as usize;
    let home_ip = if modern {
        // A quarter of the documentation prefix for each office, as the table of networks has it.
        let site = office << 14 | index & 0x3fff;
        format!("2001:db8:{site:x}:{:x}::{:x}", line[1], line[2])
    } else {
        internet::address(&internet::homes(office)[line[0] as usize % 2], line[1] << 8 | line[2])
    };
    Person {
        user,
        wire,
        workspace,
        office,
        home_ip,
        desktop_ua: names::desktop_ua(dice),
        mobile_ua: names::mobile_ua(dice),
        desktop_session: session(dice),
        mobile_session: session(dice),
        last_failure: 0,
        reserved: false,
    }
}

/// Three numbers that make an address within somebody's block.
pub(crate) fn lot(dice: &mut Dice) -> [u64; 3] {
    [dice.between(64, 127), dice.below(256), dice.between(1, 254)]
}

/// Thirteen or fourteen digits, as seen live.
pub(crate) fn session(dice: &mut Dice) -> u64 {
    dice.between(900_000_000_000, 12_999_999_999_999)
}

pub(crate) fn user_wire(user: &User, team: Option<&str>, with_account_type: bool, with_email: bool) -> String {
    object(|o| {
        o.str("id", &user.id).str("name", &user.name);
        // Both an empty and a missing e-mail and team were seen live.
        o.str("email", if with_email { &user.email } else { "" });
        if let Some(team) = team {
            o.str("team", team);
        }
        if with_account_type {
            o.str("account_type", user.role.account_type());
        }
    })
}

fn bot(dice: &mut Dice, app: &App, workspaces: &[Workspace]) -> Person {
    let workspace = dice.below(workspaces.len() as u64) as usize;
    let team = &workspaces[workspace].id;
    let user = User {
        id: dice.id("U"),
        name: app.name.to_lowercase().replace(' ', "_"),
        email: bot_address(app, team),
        role: Role::Bot,
    };
    machine(user, Some(team), workspace, "ApiApp/1.0", dice)
}

/// Slack documents the form.
pub(crate) fn bot_address(app: &App, team: &str) -> String {
    format!("botuser-{team}-{}@slack-bots.com", app.id)
}

/// By account it is that of whoever set the integration up, and looks like anybody's.
fn service_account(dice: &mut Dice, provisioning: Provisioning, workspaces: &[Workspace]) -> Person {
    let (name, mailbox) = match provisioning {
        Provisioning::ByApp => ("Okta Provisioning", "okta-provisioning"),
        Provisioning::ByAccount => ("Robin Keller", "robin.keller"),
    };
    let user =
        User { id: dice.id("W"), name: name.into(), email: format!("{mailbox}@nordlicht.example"), role: Role::Admin };
    machine(user, Some(&workspaces[0].id), 0, "", dice)
}

pub(crate) fn machine(user: User, team: Option<&str>, workspace: usize, ua: &str, dice: &mut Dice) -> Person {
    let wire = user_wire(&user, team, true, true);
    Person {
        user,
        wire,
        workspace,
        office: 0,
        home_ip: String::new(),
        desktop_ua: ua.into(),
        mobile_ua: ua.into(),
        desktop_session: session(dice),
        mobile_session: session(dice),
        last_failure: 0,
        reserved: false,
    }
}

fn channel(dice: &mut Dice, index: usize, workspaces: &[Workspace]) -> Channel {
    let public = dice.percent(70);
    // Private channels of old are groups.
    let old = !public && dice.percent(15);
    Channel {
        id: dice.id(if old { "G" } else { "C" }),
        name: names::channel(dice, index),
        privacy: if public { "public" } else { "private" },
        org_shared: dice.percent(10),
        team: dice.pick(workspaces).id.clone(),
    }
}
