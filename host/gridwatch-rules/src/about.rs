//! About an alert: who did it, whether that is unusual for them, and from where.
//!
//! Everything comes from the log up to the event that made the alert, and from the tables of networks; it is worked out when
//! an alert is sent, and no rule reads it. What the log can't tell may be filled in from Slack's `users.info` by the host
//! ([`Account`]); each such value says where it comes from. What nobody knows stays unknown and is listed with the reason
//! ([`About::lacks`]).

mod account;
mod answer;
mod channels;
mod habits;
mod items;
mod memory;
mod people;
mod standing;

pub use account::Account;
pub use answer::{Answer, Conversation, NoAnswer};
pub use memory::{Memory, OrgKnowledge};
pub use standing::Standing;

use items::Asked;

use crate::alert::Alert;
use gridwatch_event::role::Role;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// People counted of any group before it is said to be "200 or more".
pub const MAX_COUNTED: u64 = 200;
/// Ids named of such a group.
pub const MAX_NAMED: usize = 10;
/// The lookup table of channels that need more care than others, which modules ask too.
pub const SENSITIVE_CHANNELS: &str = "sensitive_channels";
/// Who was away for longer counts as dormant.
pub const DORMANT_S: u64 = 30 * DAY_S;
pub(crate) const DAY_S: u64 = 86_400;
pub(crate) const HOUR_S: u64 = 3_600;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    pub actor: Person,
    /// The user to whom it was done, if it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Person>,
    /// Through what or whom the actor acted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acted_through: Vec<Through>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// The sign-in in which it was done, as it was before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Alerts about the same person in the 30 days before, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<Alerted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Peers>,
    /// What is unknown of the things above, and why.
    pub lacks: Vec<Lack>,
}

/// A value and where it is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sourced<T> {
    pub value: T,
    pub by: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Log,
    /// Slack's method `users.info`, asked then.
    UsersInfo(UnixMillis),
    /// `conversations.info`.
    ConversationsInfo(UnixMillis),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    pub id: String,
    pub name: String,
    pub email: String,
    /// USLACKUSER or USLACKSECURITY: no person at all.
    pub placeholder: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_at_event: Option<Sourced<Role>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_now: Option<Sourced<Role>>,
    /// System roles held at the event, by name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub system_roles: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<Sourced<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot: Option<Sourced<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<Sourced<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deactivated: Option<Sourced<bool>>,
    /// Did nothing in the [`DORMANT_S`] before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dormant: Option<Sourced<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_factor: Option<Sourced<bool>>,
    /// When the account was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Sourced<UnixSeconds>>,
}

/// Through what or whom somebody acted, or was made to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// An app in the name of who installed it: eDiscovery tools download as their installer.
    App { id: String, name: String, actor_installed_it: Option<bool> },
    /// Slackbot or another agent, for the actor.
    Agent { name: String },
    /// Somebody brought the actor in, or removed them: address and client are theirs.
    Inviter { id: String, name: String },
}

/// What the actor usually does, up to the event and with it. Where no person acted, what the one does to whom it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activity {
    /// Whose it is.
    pub of: String,
    /// Acts by family of action, in the 24 hours (to the hour) and the 30 days (to the day) up to the event.
    pub day: BTreeMap<String, u64>,
    pub month: BTreeMap<String, u64>,
    /// Entries that name them and that they didn't make: `by app: file`, `by others: channel`, `refused or flagged: user`.
    pub day_by_others: BTreeMap<String, u64>,
    pub month_by_others: BTreeMap<String, u64>,
    /// Their first act in this log, and the last one before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<UnixSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<UnixSeconds>,
    /// The last thing that only admins and owners do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_act: Option<AdminAct>,
    /// From where and with what they acted before this, the newest first; times to the hour.
    pub addresses: Vec<Seen>,
    pub networks: Vec<Seen>,
    pub countries: Vec<Seen>,
    pub clients: Vec<Seen>,
    /// Of the 30 days before.
    pub sessions: Vec<SeenSession>,
    /// The program of this event, and since when they have it.
    pub client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_before: Option<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminAct {
    pub action: String,
    pub time: UnixSeconds,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub value: String,
    pub first: UnixSeconds,
    pub last: UnixSeconds,
}

/// A sign-in, and with what and from where it was used last; times to the hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeenSession {
    pub id: String,
    pub first: UnixSeconds,
    pub last: UnixSeconds,
    pub network: String,
    pub client: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub id: String,
    /// actor or inviter.
    pub whose: String,
    /// Absent: never seen of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<SeenSession>,
}

/// An alert about the same person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerted {
    pub uid: String,
    pub rule: String,
    pub severity: Severity,
    pub first: UnixSeconds,
    pub last: UnixSeconds,
    /// What is found until then goes into it.
    pub until: UnixSeconds,
    /// May it still take findings?
    pub open: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    pub ip: String,
    /// actor, inviter, app or agent; "" if it is nobody's: Slack's own servers.
    pub whose: String,
    /// What the organization calls it, if it is its own.
    pub own: String,
    /// office, home, mobile, hosting, vpn, tor; loopback; own, of an own way out of which nothing else is said.
    pub kind: String,
    /// `AS64500`.
    pub asn: String,
    pub organization: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// When whoever it belongs to used this address and this network before; absent: never, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_before: Option<Seen>,
    /// Since when somebody there claimed to be its owner, and was refused or flagged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_before: Option<Seen>,
    /// Others who used it in the last 24 hours: some by id, and how many.
    pub others: BTreeSet<String>,
    pub others_total: u64,
    /// How many others somebody there claimed to be in that time.
    pub claimed_total: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    pub id: String,
    pub name: String,
    pub scopes: BTreeSet<String>,
    pub bot_scopes: BTreeSet<String>,
    /// In this log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<UnixSeconds>,
    /// Who installed it last.
    pub installer: String,
    /// By Slack's app directory, and by an admin of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory_approved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    /// In the 24 hours up to the event.
    pub installs: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Channel {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// With another organization (Slack Connect).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// With other workspaces of the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_shared: Option<bool>,
    /// In the lookup table [`SENSITIVE_CHANNELS`], if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Sourced<u64>>,
}

/// Who else did the same in the last 30 days, to the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peers {
    pub action: String,
    /// The actor not among them; at most [`MAX_COUNTED`], which then means "or more".
    pub people: u64,
    /// Those of them who have the actor's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_role: Option<u64>,
    /// How much of the 30 days the log had been watched.
    pub watched_s: u64,
}

/// Something unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// One of the labels of [`About::lines`].
    pub what: String,
    pub why: String,
}

impl Alerted {
    fn of(alert: &Alert) -> Self {
        Self {
            uid: alert.uid.clone(),
            rule: alert.rule.clone(),
            severity: alert.severity,
            first: alert.first,
            last: alert.last,
            until: alert.period_start.plus(alert.period_s),
            open: true,
        }
    }
}

impl<T> Sourced<T> {
    fn by_log(value: T) -> Self {
        Self { value, by: Source::Log }
    }
}

impl About {
    /// An alert about nobody's act has none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Everything that an alert should say, in a fixed order, as label and text: `unknown (why)` where it isn't known, and
    /// `none …` where there is nothing to know.
    pub fn lines(&self) -> Vec<(String, String)> {
        let why = |label: &str| self.lacks.iter().find(|lack| lack.what == label).map_or("not told", |lack| &lack.why);
        let text = |item: items::Item| {
            let text = item.text.unwrap_or_else(|| format!("unknown ({})", why(&item.label)));
            (item.label, text)
        };
        items::of(self).into_iter().map(text).collect()
    }

    /// What is known of the same, in the same order.
    pub fn known_lines(&self) -> Vec<(String, String)> {
        items::of(self).into_iter().filter_map(|item| Some((item.label, item.text?))).collect()
    }

    /// What is unknown, in one line: the labels with the same reason together.
    pub fn unknown_line(&self) -> Option<String> {
        let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
        for lack in &self.lacks {
            match by_reason.iter_mut().find(|(why, _)| *why == lack.why) {
                Some((_, labels)) => labels.push(&lack.what),
                None => by_reason.push((&lack.why, vec![&lack.what])),
            }
        }
        let each = by_reason.into_iter().map(|(why, labels)| format!("{} ({why})", labels.join(", ")));
        let all: Vec<String> = each.collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Ids of users of whom `users.info` could tell more.
    pub fn wanted(&self) -> BTreeSet<&str> {
        let people = [Some(&self.actor), self.target.as_ref()].into_iter().flatten();
        people.filter(|p| p.wants_account()).map(|person| person.id.as_str()).collect()
    }

    /// Fills in what the log doesn't tell of a user, and the role now, which Slack knows better as long as it was asked later.
    pub fn fill(&mut self, id: &str, account: &Account, at: UnixMillis, event: UnixSeconds) {
        for person in [Some(&mut self.actor), self.target.as_mut()].into_iter().flatten().filter(|p| p.id == id) {
            person.fill(account, at, event);
        }
        self.note_lacks(Some((Thing::User(id), "the log doesn't tell, and neither does users.info")));
    }

    /// Why `users.info` was of no help, for what it would have told of a user.
    pub fn unfilled(&mut self, id: &str, why: &str) {
        self.note_lacks(Some((Thing::User(id), &format!("the log doesn't tell; users.info: {why}"))));
    }

    /// The channel of which `conversations.info` could tell more.
    pub fn wanted_channel(&self) -> Option<&str> {
        self.channel.as_ref().map(|channel| channel.id.as_str()).filter(|id| id.starts_with(['C', 'G']))
    }

    /// Fills in what the log doesn't tell of the channel.
    pub fn fill_channel(&mut self, answer: &Conversation, at: UnixMillis) {
        if let Some(channel) = &mut self.channel {
            let by = Source::ConversationsInfo(at);
            channel.members = answer.members.map(|value| Sourced { value, by });
            channel.private = channel.private.or(answer.private);
            channel.shared = channel.shared.or(answer.shared);
            if channel.name.is_empty() {
                channel.name.clone_from(&answer.name);
            }
        }
        self.note_lacks(Some((Thing::Channel, "the log doesn't tell, and neither does conversations.info")));
    }

    /// Why `conversations.info` was of no help.
    pub fn unfilled_channel(&mut self, why: &str) {
        self.note_lacks(Some((Thing::Channel, &format!("the log doesn't tell; conversations.info: {why}"))));
    }

    /// Lists what is unknown anew. Of somebody or something that Slack was asked about, there is a newer reason.
    fn note_lacks(&mut self, asked: Option<(Thing<'_>, &str)>) {
        let unknown = items::of(self).into_iter().filter(|item| item.text.is_none());
        let lack = |item: items::Item| {
            let before = self.lacks.iter().find(|lack| lack.what == item.label);
            let why = match (asked.filter(|(thing, _)| self.tells(*thing, &item)), before) {
                (Some((_, why)), _) => why.to_owned(),
                (None, Some(lack)) => lack.why.clone(),
                (None, None) => item.why,
            };
            Lack { what: item.label, why }
        };
        self.lacks = unknown.map(lack).collect();
    }

    /// Would an answer about the thing have told the item?
    fn tells(&self, thing: Thing<'_>, item: &items::Item) -> bool {
        match (item.asked, thing) {
            (Asked::Conversations, Thing::Channel) => true,
            (Asked::Users { of_target: false }, Thing::User(id)) => self.actor.id == id,
            (Asked::Users { of_target: true }, Thing::User(id)) => self.target.as_ref().is_some_and(|t| t.id == id),
            _ => false,
        }
    }
}

/// What Slack was asked about.
#[derive(Clone, Copy, Debug)]
enum Thing<'i> {
    User(&'i str),
    Channel,
}

impl Person {
    /// Is there something that `users.info` could tell? It always knows two-factor and the role of today.
    fn wants_account(&self) -> bool {
        !self.id.is_empty() && !self.placeholder
    }

    fn fill(&mut self, account: &Account, at: UnixMillis, event: UnixSeconds) {
        let by = Source::UsersInfo(at);
        let is_newer = at >= event.millis();
        if let Some(value) = account.role
            && (self.role_now.is_none() || is_newer)
        {
            self.role_now = Some(Sourced { value, by });
        }
        let flags = [
            (&mut self.guest, account.guest),
            (&mut self.bot, account.bot),
            (&mut self.external, account.external),
            (&mut self.deactivated, account.deactivated),
            (&mut self.two_factor, account.two_factor),
        ];
        for (mine, theirs) in flags {
            if let (None, Some(value)) = (&mine, theirs) {
                *mine = Some(Sourced { value, by });
            }
        }
        for (mine, theirs) in [(&mut self.name, &account.name), (&mut self.email, &account.email)] {
            if mine.is_empty() {
                mine.clone_from(theirs);
            }
        }
    }
}

#[cfg(test)]
mod tests;
