//! A believable Enterprise Grid organization and its audit log, from a seed.
//!
//! Pure: no clock and no ambient randomness, so the same [`OrgPlan`] gives the same bytes. What happens by chance is kept
//! harmless (see `tail::is_alarming`); what should raise an alert is in a [`Story`], with the rules that should see it.

pub(crate) mod background;
pub(crate) mod cast;
mod daily;
pub(crate) mod details;
pub(crate) mod dice;
pub(crate) mod entities;
pub(crate) mod entry;
pub(crate) mod names;
pub(crate) mod oauth;
mod stories;
pub(crate) mod tail;

use serde::{Deserialize, Serialize};

use crate::internet::{NETWORKS, Network};
use cast::Cast;
use dice::Dice;
use entry::Context;

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrgPlan {
    pub seed: u64,
    /// People; raised to the fewest that the stories need (28, or 8 without stories).
    pub users: u32,
    /// Epoch seconds of the first possible entry.
    pub from: u64,
    /// Epoch seconds of the last possible entry.
    pub to: u64,
    /// Exact number of entries. Stories and `every_action` are never cut short for it. `None`: what the people would do.
    pub entries: Option<u64>,
    /// Whether anything worth an alert happens.
    pub stories: bool,
    /// At least one entry of each action in the catalogue, the alarming ones too. They carry no labels.
    pub every_action: bool,
    /// Whether an hour is as busy as any other, for tests that read an hour of the present: no nights, no weekends.
    pub around_the_clock: bool,
}

impl Default for OrgPlan {
    /// 200 people over a week of September 2026 (Monday to Sunday, UTC), with stories.
    fn default() -> Self {
        Self {
            seed: 1,
            users: 200,
            from: 1_788_739_200,
            to: 1_789_343_999,
            entries: None,
            stories: true,
            every_action: false,
            around_the_clock: false,
        }
    }
}

/// A generated organization.
#[derive(Debug, Clone)]
pub struct Org {
    pub enterprise: Enterprise,
    pub workspaces: Vec<Workspace>,
    /// People first, then bots and service accounts.
    pub users: Vec<User>,
    /// Oldest first.
    pub entries: Vec<SimEntry>,
    pub stories: Vec<Story>,
}

impl Org {
    /// Every block of addresses that its entries come from; see [`Network`] for the form of a networks table.
    pub fn networks(&self) -> &'static [Network] {
        NETWORKS
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enterprise {
    pub id: String,
    pub name: String,
    pub domain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    pub id: String,
    pub name: String,
    pub domain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: String,
    pub name: String,
    pub email: String,
    pub role: Role,
}

/// A user's standing in the organization at the start of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    PrimaryOwner,
    Owner,
    Admin,
    Member,
    Guest,
    Bot,
}

impl Role {
    /// Slack's `account_type`. `FULL_MEMBER` was captured, `WORKSPACE_OWNER` as the name of an account type's role; the others
    /// are guesses in that style.
    fn account_type(self) -> &'static str {
        match self {
            Self::PrimaryOwner => "PRIMARY_OWNER",
            Self::Owner => "WORKSPACE_OWNER",
            Self::Admin => "WORKSPACE_ADMIN",
            Self::Member => "FULL_MEMBER",
            Self::Guest => "MULTI_CHANNEL_GUEST",
            Self::Bot => "BOT",
        }
    }
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimEntry {
    pub id: String,
    /// Epoch seconds.
    pub date_create: u64,
    pub action: String,
    /// The exact bytes of the entry: an object, with `/` written as `\/`.
    pub json: String,
    /// Epoch milliseconds from which `/logs` shows it. Normally `date_create` in milliseconds; later for a late entry.
    pub visible_at_ms: u64,
}

impl SimEntry {
    /// An entry from its wire form, shown as soon as its `date_create` is reached.
    ///
    /// # Errors
    /// It is no JSON object, or has no `id`, `date_create` or `action`.
    pub fn from_wire(json: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            id: String,
            date_create: u64,
            action: String,
        }
        let json = json.trim().to_owned();
        let head: Head = serde_json::from_str(&json)?;
        Ok(Self {
            id: head.id,
            date_create: head.date_create,
            action: head.action,
            json,
            visible_at_ms: head.date_create.saturating_mul(1000),
        })
    }
}

/// Something that happened on purpose, labelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    pub name: String,
    /// Epoch seconds of its first and last entry.
    pub from: u64,
    pub to: u64,
    /// User id of whom it is about: the victim, or the one who did it.
    pub actor: String,
    pub entry_ids: Vec<String>,
    /// Rules that must alert; empty for a near miss that must stay quiet.
    pub expected_rules: Vec<String>,
}

/// Fewest entries of ordinary life beside which the some twenty of a new workspace still look ordinary.
const WITH_A_NEW_WORKSPACE: u64 = 1_000;

/// Generates the organization; see [`OrgPlan`].
pub fn generate(plan: &OrgPlan) -> Org {
    let plan = &OrgPlan { to: plan.to.max(plan.from), ..plan.clone() };
    let mut dice = Dice::new(plan.seed);
    let mut cast = Cast::new(plan, &mut dice);
    let mut entries = Vec::new();
    let stories = if plan.stories { stories::tell(plan, &cast, &mut dice, &mut entries) } else { Vec::new() };
    if plan.every_action {
        tail::one_of_each(plan, &cast, &mut dice, &mut entries);
    }
    if plan.entries.is_none_or(|all| all >= WITH_A_NEW_WORKSPACE + entries.len() as u64) {
        let owner = &cast.people[0];
        let context = Context::of_person(&cast, owner, &mut dice);
        entries.extend(background::make_workspace(plan.from + (plan.to - plan.from) / 5, owner, &context, &mut dice));
    }
    let total = plan.entries.unwrap_or_else(|| usual_volume(plan, cast.people.len()));
    let users = cast.directory();
    daily::live(plan, &mut cast, &mut dice, total.saturating_sub(entries.len() as u64), &mut entries);
    entries.sort_by_key(|entry| entry.date_create);
    Org { enterprise: cast.enterprise, workspaces: cast.workspaces, users, entries, stories }
}

/// About seven entries a person and day.
fn usual_volume(plan: &OrgPlan, people: usize) -> u64 {
    ((plan.to - plan.from) * people as u64 * 7 / 86_400).max(50)
}
