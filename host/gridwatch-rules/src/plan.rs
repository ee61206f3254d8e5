//! A plan: an alert's playbook with its subjects filled in, as calls that can be copied, and which of them may be done.
//!
//! Pure: what Slack says of people and tokens comes in as [`Safeguards`]. A step without a method, or with one that this
//! gridwatch doesn't know, is for a person. Only reversible calls whose every target was cleared can be executed at all.

use crate::alert::Alert;
use crate::subject::{Kept, Session, Shared, Subjects};
use gridwatch_event::role::Role;
use gridwatch_manifest::Step;
use gridwatch_names::method::{self, Argument, Effect, Fill, Method, Need, On, TargetKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whom and what no act may touch, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Safeguards {
    /// Ids from the configuration: people, and if wanted apps, channels and files.
    pub break_glass: BTreeSet<String>,
    /// Apps of gridwatch's own, from the configuration.
    pub own_apps: BTreeSet<String>,
    pub admins: Admins,
    /// What Slack says; `None` until it has been asked.
    pub asked: Option<Asked>,
}

/// What goes for admins and owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admins {
    /// Whoever confirms it sees the role.
    #[default]
    LikeOthers,
    /// A script does it, and named no step of its own accord.
    Spared,
}

/// Answers of `auth.test` and `users.info`.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Whose token reads the audit log. `None`: Slack didn't say, and then no act on a person is allowed.
    pub poller: Option<String>,
    pub responder: String,
    /// The organization of the responder's token.
    pub enterprise: Option<String>,
    /// Apps of the two tokens, as far as Slack says.
    pub own_apps: BTreeSet<String>,
    /// Does it say of both?
    pub knows_own_apps: bool,
    /// Who couldn't be found out about is not in it.
    pub roles: BTreeMap<String, Role>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponsePlan {
    pub steps: Vec<Planned>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// From 1, through all phases.
    pub number: usize,
    pub phase: Phase,
    pub text: String,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Verify,
    Contain,
    Then,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    ByHand,
    /// The alert is of a module that knows more methods than this gridwatch.
    UnknownMethod(String),
    Calls(Calls),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    pub method: &'static Method,
    /// At least one.
    pub planned: Vec<PlannedCall>,
    /// Mentions of targets that the alert had no room for.
    pub more: u64,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCall {
    /// Ids it is done to, of sessions `<user>/<session>`, of shared channels `<channel>/<organization>`. None where the method
    /// has no target, or the alert names none.
    pub targets: Vec<String>,
    pub arguments: Vec<(&'static str, String)>,
    /// Arguments that a person has to fill in first.
    pub missing: Vec<&'static str>,
    pub clearance: Clearance,
    /// What whoever confirms it should know.
    pub note: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clearance {
    Allowed,
    /// It depends on what Slack says of people and of the two tokens.
    Unasked,
    Refused(Refusal),
}

/// Why an act is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    PrimaryOwner,
    BreakGlass,
    Poller,
    Responder,
    Bot,
    BehindApp,
    OwnApp,
    UnknownOwnApps,
    Admin(Role),
    NotOurs,
    OwnOrg,
    UnknownRole,
    UnknownPoller,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin(role) => {
                return write!(
                    f,
                    "is an {}: `--yes` alone does nothing to admins and owners; name the step with `--step`, or confirm by hand",
                    role.name()
                );
            }
            Self::PrimaryOwner => "is the primary owner of the organization: Slack refuses, and nobody else could undo it",
            Self::BreakGlass => "is in `respond.break_glass`",
            Self::Poller => "owns the token that gridwatch reads the audit log with: it would go blind",
            Self::Responder => "owns the responder's own token",
            Self::Bot => "is a bot: Slack refuses, for it has no sessions; restrict its app instead",
            Self::BehindApp => "didn't do it: an app did, in this person's name; ending sessions leaves its token alive",
            Self::OwnApp => "is an app of gridwatch's own",
            Self::UnknownOwnApps => {
                "may be an app of gridwatch's own: Slack didn't say of which apps the two tokens are; list them in \
                 `respond.own_apps`"
            }
            Self::NotOurs => "is the other organization's channel: only its host can disconnect it",
            Self::OwnOrg => "is our own organization, or part of it, for all that Slack and the alert say",
            Self::UnknownRole => {
                "may be the primary owner for all that is known: Slack didn't say; the responder's token needs `users:read`"
            }
            Self::UnknownPoller => "may own the token that gridwatch reads the audit log with: Slack didn't say whose it is",
        })
    }
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Contain => "contain",
            Self::Then => "then",
        }
    }
}

impl ResponsePlan {
    pub fn of(alert: &Alert, safeguards: &Safeguards) -> Self {
        let playbook = &alert.playbook;
        let phases =
            [(Phase::Verify, &playbook.verify), (Phase::Contain, &playbook.contain), (Phase::Then, &playbook.then)];
        let steps = phases.into_iter().flat_map(|(phase, steps)| steps.iter().map(move |step| (phase, step)));
        let view = View { subjects: &alert.subjects, safeguards };
        let planned = |(i, (phase, step)): (usize, (Phase, &Step))| Planned {
            number: i + 1,
            phase,
            text: step.text.clone(),
            how: view.how(step),
        };
        Self { steps: steps.enumerate().map(planned).collect() }
    }

    /// Everybody that an executable step would act on: whom Slack has to be asked about.
    pub fn people(&self) -> BTreeSet<String> {
        let calls = self.steps.iter().filter_map(|step| match &step.how {
            How::Calls(calls) if calls.method.effect == Effect::Reversible => Some(calls),
            _ => None,
        });
        let of_people = calls.filter(|calls| matches!(calls.method.target, TargetKind::User | TargetKind::Session));
        let targets = of_people.flat_map(|calls| calls.planned.iter().flat_map(|call| &call.targets));
        targets.map(|target| head_of(target).to_owned()).collect()
    }
}

impl Calls {
    /// May this act of theirs be done by `--execute`?
    pub fn is_executable(&self, act: &PlannedCall) -> bool {
        let is_whole = act.missing.is_empty() && !act.targets.is_empty();
        self.method.effect == Effect::Reversible && is_whole && act.clearance == Clearance::Allowed
    }
}

impl PlannedCall {
    /// The call that takes it back, if one does.
    pub fn undo(&self, method: &Method) -> Option<(&'static Method, Self)> {
        let undo = method.undo.and_then(method::called)?;
        let value = |argument: &Argument| self.arguments.iter().find(|(name, _)| *name == argument.name).cloned();
        Some((undo, Self { arguments: undo.arguments.iter().filter_map(value).collect(), ..self.clone() }))
    }

    /// The same for some of its targets.
    pub fn only(&self, method: &Method, targets: &BTreeSet<String>) -> Self {
        let targets: Vec<String> = self.targets.iter().filter(|target| targets.contains(*target)).cloned().collect();
        let is_list = |name: &str| method.arguments.iter().any(|a| a.name == name && a.fill == Fill::Users);
        let value = |(name, value): &(&'static str, String)| match is_list(name) {
            true => (*name, targets.join(",")),
            false => (*name, value.clone()),
        };
        Self { arguments: self.arguments.iter().map(value).collect(), targets, ..self.clone() }
    }

    /// The call as a line for a shell, with a variable in the token's place. All values are ids, numbers or words.
    pub fn curl(&self, method: &Method, api: &str) -> String {
        let token = match method.name {
            "auth.revoke" => "TOKEN_TO_REVOKE",
            "team.externalTeams.disconnect" | "conversations.declineSharedInvite" => "SLACK_BOT_TOKEN",
            _ => "SLACK_RESPONDER_TOKEN",
        };
        let mut line = format!("curl -sS -X POST {api}/{} -H \"Authorization: Bearer ${token}\"", method.name);
        for (name, value) in &self.arguments {
            line.push_str(&format!(" -d {name}={value}"));
        }
        line
    }
}

/// What of a target is in the log as what something was done to: of a session its user, of a shared channel the channel.
pub fn head_of(target: &str) -> &str {
    target.split_once('/').map_or(target, |(head, _)| head)
}

struct View<'a> {
    subjects: &'a Subjects,
    safeguards: &'a Safeguards,
}

/// A target before the call is made of it.
struct Aim {
    key: String,
    session: Option<Session>,
    shared: Option<Shared>,
    is_behind_app: bool,
}

impl Aim {
    fn at(id: &str) -> Self {
        Self { key: id.to_owned(), session: None, shared: None, is_behind_app: false }
    }

    /// Of a session its user, of a shared channel the channel.
    fn head(&self) -> &str {
        head_of(&self.key)
    }

    fn note(&self) -> Option<&'static str> {
        let shared = self.shared.as_ref()?;
        shared.ours.is_none().then_some("nobody says whose channel it is: if it is theirs, Slack refuses")
    }
}

impl View<'_> {
    fn how(&self, step: &Step) -> How {
        let Some(name) = &step.method else { return How::ByHand };
        let Some(method) = method::called(name) else { return How::UnknownMethod(name.clone()) };
        let (aims, more) = self.aims(method.target, step.on);
        How::Calls(Calls { method, planned: self.calls(method, &aims), more })
    }

    fn calls(&self, method: &Method, aims: &[Aim]) -> Vec<PlannedCall> {
        if aims.is_empty() {
            return vec![self.act(method, &[], self.cleared(method))];
        }
        let judged = aims.iter().map(|aim| (aim, self.clearance(method, aim)));
        if !method.is_bulk() {
            return judged.map(|(aim, clearance)| self.act(method, &[aim], clearance)).collect();
        }
        let (good, refused): (Vec<_>, Vec<_>) = judged.partition(|(_, clearance)| *clearance == self.cleared(method));
        let good: Vec<&Aim> = good.into_iter().map(|(aim, _)| aim).collect();
        let together = (!good.is_empty()).then(|| self.act(method, &good, self.cleared(method)));
        let alone = refused.into_iter().map(|(aim, clearance)| self.act(method, &[aim], clearance));
        together.into_iter().chain(alone).collect()
    }

    fn act(&self, method: &Method, aims: &[&Aim], clearance: Clearance) -> PlannedCall {
        let (mut arguments, mut missing) = (Vec::new(), Vec::new());
        for argument in method.arguments {
            match (self.value(argument.fill, method, aims), argument.need) {
                (Some(value), _) => arguments.push((argument.name, value)),
                (None, Need::Optional) => {}
                (None, Need::Required) => {
                    arguments.push((argument.name, placeholder(argument, method.target)));
                    missing.push(argument.name);
                }
            }
        }
        let targets = aims.iter().map(|aim| aim.key.clone()).collect();
        PlannedCall { targets, arguments, missing, clearance, note: aims.first().and_then(|aim| aim.note()) }
    }

    fn value(&self, fill: Fill, method: &Method, aims: &[&Aim]) -> Option<String> {
        let aim = aims.first();
        let session = aim.and_then(|aim| aim.session.as_ref());
        match fill {
            Fill::Target => match method.target {
                TargetKind::Session | TargetKind::SharedChannel => aim.map(|aim| aim.head().to_owned()),
                _ => aim.map(|aim| aim.key.clone()),
            },
            Fill::Users => {
                let keys: Vec<&str> = aims.iter().map(|aim| aim.key.as_str()).collect();
                (!keys.is_empty()).then(|| keys.join(","))
            }
            Fill::SessionId => session.map(|session| session.id.clone()),
            Fill::SharedWith => aim.and_then(|aim| aim.shared.as_ref()).map(|shared| shared.org.clone()),
            Fill::Workspace => {
                session.and_then(|session| session.team.clone()).or_else(|| only(&self.subjects.workspaces))
            }
            Fill::Enterprise => {
                let asked = self.safeguards.asked.as_ref().and_then(|asked| asked.enterprise.clone());
                asked.or_else(|| only(&self.subjects.enterprises))
            }
            Fill::Channel => only(&self.subjects.channels),
            Fill::Fixed(text) => Some(text.to_owned()),
            Fill::Person(_) => None,
        }
    }

    /// The targets of a step, and how many more there were.
    fn aims(&self, target: TargetKind, on: Option<On>) -> (Vec<Aim>, u64) {
        let s = self.subjects;
        let kept = match target {
            TargetKind::Nothing => return (Vec::new(), 0),
            _ if on == Some(On::Others) => return (Vec::new(), 0),
            TargetKind::Session => return self.sessions(on),
            TargetKind::User => return self.users(on),
            TargetKind::App => match on {
                Some(On::Actor) => vec![&s.calling_apps],
                Some(On::Target) => vec![&s.apps],
                Some(On::Both) => vec![&s.apps, &s.calling_apps],
                Some(On::Others) => vec![],
                None if s.apps.is_empty() => vec![&s.calling_apps],
                None => vec![&s.apps],
            },
            TargetKind::SharedChannel if !s.shared.is_empty() => return self.shared(),
            TargetKind::Channel | TargetKind::SharedChannel => vec![&s.channels],
            TargetKind::File => vec![&s.files],
            TargetKind::Workflow => vec![&s.workflows],
            TargetKind::Org => vec![&s.orgs],
        };
        let ids: BTreeSet<&String> = kept.iter().flat_map(|kept| &kept.ids).collect();
        (ids.into_iter().map(|id| Aim::at(id)).collect(), kept.iter().map(|kept| kept.more).sum())
    }

    fn users(&self, on: Option<On>) -> (Vec<Aim>, u64) {
        let s = self.subjects;
        let nobody_did_it = s.actors.is_empty() && s.behind_apps.is_empty();
        let (by, to) = match on {
            Some(On::Target) => (false, true),
            Some(On::Both) => (true, true),
            Some(On::Others) => (false, false),
            Some(On::Actor) => (true, false),
            None => (true, nobody_did_it),
        };
        let chosen = [(by, &s.actors), (to, &s.users)].into_iter().filter(|(wanted, _)| *wanted);
        let kept: Vec<&Kept<String>> = chosen.map(|(_, kept)| kept).collect();
        let ids: BTreeSet<&String> = kept.iter().flat_map(|kept| &kept.ids).collect();
        let behind = s.behind_apps.ids.iter().filter(|id| by && !ids.contains(id));
        let behind = behind.map(|id| Aim { is_behind_app: true, ..Aim::at(id) });
        (ids.iter().map(|id| Aim::at(id)).chain(behind).collect(), kept.iter().map(|kept| kept.more).sum())
    }

    fn sessions(&self, on: Option<On>) -> (Vec<Aim>, u64) {
        let sessions = &self.subjects.sessions;
        let is_meant = |session: &&Session| on != Some(On::Target) || self.subjects.users.ids.contains(&session.user);
        let aim = |session: &Session| Aim {
            key: format!("{}/{}", session.user, session.id),
            session: Some(session.clone()),
            ..Aim::at(&session.user)
        };
        (sessions.ids.iter().filter(is_meant).map(aim).collect(), sessions.more)
    }

    /// Each channel with each organization once. Entries that disagree about whose it is say nothing.
    fn shared(&self) -> (Vec<Aim>, u64) {
        let mut aims: BTreeMap<String, Aim> = BTreeMap::new();
        for shared in &self.subjects.shared.ids {
            let key = format!("{}/{}", shared.channel, shared.org);
            let aim = aims.entry(key.clone()).or_insert_with(|| Aim { shared: Some(shared.clone()), ..Aim::at(&key) });
            if let Some(known) = &mut aim.shared {
                known.ours = match (known.ours, shared.ours) {
                    (Some(a), Some(b)) if a != b => None,
                    (a, b) => a.or(b),
                };
            }
        }
        (aims.into_values().collect(), self.subjects.shared.more)
    }

    fn clearance(&self, method: &Method, aim: &Aim) -> Clearance {
        if method.effect == Effect::Reads {
            return Clearance::Allowed;
        }
        let protected = &self.safeguards.break_glass;
        if protected.contains(&aim.key) || protected.contains(aim.head()) {
            return Clearance::Refused(Refusal::BreakGlass);
        }
        let refusal = match method.target {
            TargetKind::User | TargetKind::Session => self.refusal_of_person(aim),
            TargetKind::App => self.refusal_of_app(&aim.key),
            TargetKind::SharedChannel => aim.shared.as_ref().and_then(|shared| self.refusal_of_shared(shared)),
            TargetKind::Org => self.is_own_org(&aim.key).then_some(Refusal::OwnOrg),
            _ => None,
        };
        refusal.map_or(self.cleared(method), Clearance::Refused)
    }

    /// What nothing speaks against: of people and apps only once Slack has been asked.
    fn cleared(&self, method: &Method) -> Clearance {
        let takes_asking = matches!(method.target, TargetKind::User | TargetKind::Session | TargetKind::App);
        match takes_asking && method.effect != Effect::Reads && self.safeguards.asked.is_none() {
            true => Clearance::Unasked,
            false => Clearance::Allowed,
        }
    }

    fn refusal_of_app(&self, app: &str) -> Option<Refusal> {
        let configured = &self.safeguards.own_apps;
        match &self.safeguards.asked {
            _ if configured.contains(app) => Some(Refusal::OwnApp),
            Some(asked) if asked.own_apps.contains(app) => Some(Refusal::OwnApp),
            Some(asked) if !asked.knows_own_apps && configured.is_empty() => Some(Refusal::UnknownOwnApps),
            _ => None,
        }
    }

    fn refusal_of_shared(&self, shared: &Shared) -> Option<Refusal> {
        match shared.ours {
            _ if self.is_own_org(&shared.org) => Some(Refusal::OwnOrg),
            Some(false) => Some(Refusal::NotOurs),
            _ => None,
        }
    }

    /// An entry names two sides without saying which is ours, so whoever read it may have taken us for the other.
    fn is_own_org(&self, org: &str) -> bool {
        let asked = self.safeguards.asked.as_ref().and_then(|asked| asked.enterprise.as_deref());
        let alerts = [&self.subjects.enterprises, &self.subjects.workspaces];
        asked == Some(org) || alerts.iter().any(|kept| kept.ids.contains(org))
    }

    fn refusal_of_person(&self, aim: &Aim) -> Option<Refusal> {
        let user = aim.head();
        if aim.is_behind_app {
            return Some(Refusal::BehindApp);
        }
        let logged = self.subjects.roles.get(user).copied().unwrap_or_default();
        let said = self.safeguards.asked.as_ref();
        if let Some(asked) = said {
            match &asked.poller {
                None => return Some(Refusal::UnknownPoller),
                Some(poller) if poller == user => return Some(Refusal::Poller),
                Some(_) if asked.responder == user => return Some(Refusal::Responder),
                Some(_) => {}
            }
        }
        // Slack's word of today goes before the log's of then.
        match said.map_or(logged, |asked| asked.roles.get(user).copied().unwrap_or_default()) {
            Role::PrimaryOwner => Some(Refusal::PrimaryOwner),
            Role::Bot => Some(Refusal::Bot),
            Role::Unknown if said.is_some() => Some(Refusal::UnknownRole),
            role @ (Role::Admin | Role::Owner) if self.safeguards.admins == Admins::Spared => {
                Some(Refusal::Admin(role))
            }
            _ => None,
        }
    }
}

fn only(kept: &Kept<String>) -> Option<String> {
    kept.ids.first().filter(|_| kept.ids.len() == 1 && kept.more == 0).cloned()
}

/// What stands in a call where a person has to put something.
fn placeholder(argument: &Argument, target: TargetKind) -> String {
    let text = match (argument.fill, target) {
        (Fill::Person(text), _) => text,
        (Fill::SessionId, _) => "SESSION_ID",
        (Fill::SharedWith, _) => "THEIR_ORG_ID",
        (Fill::Workspace, _) => "WORKSPACE_ID",
        (Fill::Enterprise, _) => "ORG_ID",
        (Fill::Channel, _) | (_, TargetKind::Channel | TargetKind::SharedChannel) => "CHANNEL_ID",
        (Fill::Users, _) => "USER_IDS",
        (_, TargetKind::App) => "APP_ID",
        (_, TargetKind::File) => "FILE_ID",
        (_, TargetKind::Workflow) => "WORKFLOW_ID",
        (_, TargetKind::Org) => "THEIR_ORG_ID",
        _ => "USER_ID",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests;
