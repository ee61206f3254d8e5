//! Slack's Web API methods as far as playbooks name them: scope, arguments, limits, and whether an act can be taken back.
//!
//! Playbooks are checked against this table when a module is built, so a step can't promise a method, or a scope, that
//! doesn't exist. Scopes are those of a user token, which is what `admin.*` wants. From Slack's reference pages, May 2026; where
//! a page wasn't at hand, `limits` says what wasn't verified.

mod table;

use serde::{Deserialize, Serialize};
pub use table::METHODS;

/// One method of the Web API.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    pub name: &'static str,
    /// Any one of these will do; none where the method asks for no scope.
    pub scopes: &'static [&'static str],
    pub tier: Tier,
    pub effect: Effect,
    /// What it is done to: one call each, but for [`Fill::Users`].
    pub target: TargetKind,
    pub arguments: &'static [Argument],
    /// What it doesn't do, and what Slack refuses.
    pub limits: &'static str,
    /// What takes it back, where that is a call.
    pub undo: Option<&'static str>,
    /// Actions that Slack logs when it is done. The names match; the pairing is nowhere written down.
    pub echoes: &'static [&'static str],
}

/// Slack's rate tiers, for each method and workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    One,
    Two,
    Three,
    Four,
    Special,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Reads,
    /// Whoever it hits can be let back at once: signed in again, allowed, shared again.
    Reversible,
    /// Takes something that a person has to give back, if it can be given back.
    Lasting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    Nothing,
    User,
    Session,
    App,
    Channel,
    /// A channel and one other organization that it is shared with.
    SharedChannel,
    File,
    Workflow,
    Org,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: &'static str,
    pub fill: Fill,
    pub need: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    /// Left out where the alert doesn't know it.
    Optional,
}

/// Where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The target itself; of a session, its user, and of a shared channel, the channel.
    Target,
    /// All targets in one call.
    Users,
    SessionId,
    /// The other organization of a shared channel.
    SharedWith,
    /// Of the session, or the alert's workspace if there is but one.
    Workspace,
    Enterprise,
    /// The alert's channel if there is but one.
    Channel,
    Fixed(&'static str),
    /// Only a person knows; this stands in its place.
    Person(&'static str),
}

/// Whom a step is about, where an alert has both: whoever did it, or whoever it was done to. Also of apps: the one that made
/// the call, or the one that was installed. Without it a step is about the actor, and about the app that something was done
/// to; where there is none of these, about the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    Actor,
    Target,
    Both,
    /// Somebody or something that the alert doesn't name: a person finds out and fills it in.
    Others,
}

impl Tier {
    pub fn text(self) -> &'static str {
        match self {
            Self::One => "about 1 call a minute",
            Self::Two => "about 20 calls a minute",
            Self::Three => "about 50 calls a minute",
            Self::Four => "about 100 calls a minute",
            Self::Special => "hundreds of calls a minute",
        }
    }
}

impl Effect {
    pub fn text(self) -> &'static str {
        match self {
            Self::Reads => "reads only",
            Self::Reversible => "reversible",
            Self::Lasting => "cannot be undone by a call: `--execute` never does it",
        }
    }
}

impl Method {
    /// May a step say this of whom it is about?
    pub fn takes(&self, on: On) -> bool {
        match self.target {
            TargetKind::Nothing => false,
            TargetKind::User | TargetKind::Session | TargetKind::App => true,
            _ => on == On::Others,
        }
    }

    /// One call for all targets.
    pub fn is_bulk(&self) -> bool {
        self.arguments.iter().any(|argument| argument.fill == Fill::Users)
    }
}

/// The method of this name.
pub fn called(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// What is wrong with a playbook's step, if anything.
pub fn problem(name: &str, scope: Option<&str>, on: Option<On>) -> Option<String> {
    let Some(method) = called(name) else {
        let hint = match nearest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "leave `method` out of a step that is done by hand, and say where in the admin pages".to_owned(),
        };
        return Some(format!("`{name}` is not a Web API method that gridwatch knows; {hint}"));
    };
    match scope {
        Some(scope) if !method.scopes.contains(&scope) => Some(match method.scopes {
            [] => format!("`{name}` needs no scope, so `{scope}` neither; leave `scope` out"),
            scopes => {
                format!("`{name}` does not accept the scope `{scope}`; write scope = \"{}\"", scopes.join("\" or \""))
            }
        }),
        _ if on.is_some_and(|on| !method.takes(on)) => Some(format!(
            "`on` tells actor and target apart for methods about people, sessions and apps; of `{name}` it can at most be \
             \"others\", where the alert doesn't name what it is to be done to"
        )),
        _ => None,
    }
}

/// The method that shares the most with a name that is none: its last word and another one, or its family.
fn nearest(name: &str) -> Option<&'static str> {
    let shared = |method: &&Method| method.name.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let words = |name: &str| name.to_ascii_lowercase().split('.').rev().map(str::to_owned).collect::<Vec<_>>();
    let wanted = words(name);
    let is_alike = |method: &&Method| {
        let known = words(method.name);
        known[0] == wanted[0] && known[1..].iter().any(|word| wanted[1..].contains(word))
    };
    let by_last = METHODS.iter().find(is_alike);
    let best = METHODS.iter().max_by_key(|method| (shared(method), std::cmp::Reverse(method.name.len())));
    let by_family = best.filter(|method| shared(method) * 2 > name.len());
    by_last.or(by_family).map(|method| method.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn rows_are_sorted_and_whole() {
        assert!(METHODS.windows(2).all(|pair| pair[0].name < pair[1].name), "in order, each once");
        for method in METHODS {
            let name = method.name;
            assert!(method.echoes.iter().all(|action| catalogue::is_action(action)), "{name}: {:?}", method.echoes);
            let takes_target = method.arguments.iter().any(|a| matches!(a.fill, Fill::Target | Fill::Users));
            assert_eq!(takes_target, method.target != TargetKind::Nothing, "{name}");
            assert!(method.undo.is_none_or(|undo| called(undo).is_some_and(|u| u.target == method.target)), "{name}");
            assert!(method.effect == Effect::Reads || !method.limits.is_empty() || !method.scopes.is_empty(), "{name}");
            assert!(
                method.effect != Effect::Reversible || !method.echoes.is_empty(),
                "{name}: what does Slack log of it?"
            );
        }
    }

    #[test]
    fn exactly_these_acts_can_be_taken_back() {
        let reversible = METHODS.iter().filter(|method| method.effect == Effect::Reversible).map(|method| method.name);
        assert_eq!(
            reversible.collect::<Vec<_>>(),
            [
                "admin.apps.restrict",
                "admin.conversations.disconnectShared",
                "admin.users.session.invalidate",
                "admin.users.session.reset",
                "admin.users.session.resetBulk",
                "files.revokePublicURL",
            ]
        );
    }

    #[test]
    fn a_step_that_slack_could_not_do_is_told_with_a_hint() {
        for (name, scope, on, part) in [
            ("admin.users.session.resett", None, None, "did you mean `admin.users.session.reset`"),
            ("users.session.invalidate", None, None, "did you mean `admin.users.session.invalidate`"),
            ("exports.cancel", None, None, "done by hand"),
            ("admin.users.session.reset", Some("admin"), None, "write scope = \"admin.users:write\""),
            ("auth.revoke", Some("the token itself"), None, "leave `scope` out"),
            ("files.delete", Some("files:write"), Some(On::Actor), "`on` tells actor and target apart"),
            ("admin.barriers.list", None, Some(On::Others), "`on` tells actor and target apart"),
        ] {
            let problem = problem(name, scope, on).unwrap_or_else(|| panic!("{name} is fine"));
            assert!(problem.contains(part), "{problem}");
        }
        assert_eq!(problem("conversations.kick", Some("groups:write"), Some(On::Target)), None);
        assert_eq!(problem("files.revokePublicURL", None, Some(On::Others)), None);
        assert_eq!(problem("admin.users.session.reset", None, None), None);
    }
}
