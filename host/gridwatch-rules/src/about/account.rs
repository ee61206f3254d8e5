//! An account as Slack's Web API describes it: the answer of `users.info`, down to what alerts tell.

use super::answer::{Answer, MAX_TEXT, NoAnswer, of_body};
use gridwatch_event::role::Role;
use gridwatch_event::text::clean;
use serde::{Deserialize, Serialize};

/// What `users.info` says of a user. What it leaves out (some of it goes by the token's scopes) is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    pub name: String,
    pub email: String,
    pub role: Option<Role>,
    pub guest: Option<bool>,
    pub bot: Option<bool>,
    pub external: Option<bool>,
    pub deactivated: Option<bool>,
    pub two_factor: Option<bool>,
}

#[derive(Default, Deserialize)]
struct Body {
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    real_name: Option<String>,
    name: Option<String>,
    profile: Option<Profile>,
    deleted: Option<bool>,
    has_2fa: Option<bool>,
    is_bot: Option<bool>,
    is_stranger: Option<bool>,
    is_restricted: Option<bool>,
    is_ultra_restricted: Option<bool>,
    is_admin: Option<bool>,
    is_owner: Option<bool>,
    is_primary_owner: Option<bool>,
    /// Of the whole organization, where the others are of the workspace that answers.
    enterprise_user: Option<Rank>,
}

#[derive(Default, Deserialize)]
struct Rank {
    is_admin: Option<bool>,
    is_owner: Option<bool>,
    is_primary_owner: Option<bool>,
}

#[derive(Deserialize)]
struct Profile {
    email: Option<String>,
}

impl Answer for Account {
    const METHOD: &'static str = "users.info";
    const ASKED_BY: &'static str = "user";
    const ALSO: &'static [(&'static str, &'static str)] = &[];

    fn from_body(body: &[u8]) -> Result<Self, NoAnswer> {
        of_body::<Body>(body)?.user.map(Self::of).ok_or(NoAnswer::Unreadable)
    }
}

impl Account {
    fn of(user: User) -> Self {
        let text = |text: Option<String>| clean(&text.unwrap_or_default(), MAX_TEXT);
        Self {
            role: user.role(),
            guest: user.is_guest(),
            bot: user.is_bot,
            external: user.is_stranger,
            deactivated: user.deleted,
            two_factor: user.has_2fa,
            name: text(user.real_name.or(user.name)),
            email: text(user.profile.and_then(|profile| profile.email)),
        }
    }
}

impl User {
    fn is_guest(&self) -> Option<bool> {
        let either = self.is_restricted == Some(true) || self.is_ultra_restricted == Some(true);
        self.is_restricted.or(self.is_ultra_restricted).map(|_| either)
    }

    /// The highest that it has anywhere. A deactivated account has none of these keys, and then no role.
    fn role(&self) -> Option<Role> {
        let none = Rank::default();
        let org = self.enterprise_user.as_ref().unwrap_or(&none);
        let either = |here: Option<bool>, there: Option<bool>| here == Some(true) || there == Some(true);
        let has_rank = self.is_admin.or(org.is_admin).or(self.is_restricted).is_some();
        Some(match () {
            () if self.is_bot == Some(true) => Role::Bot,
            () if either(self.is_primary_owner, org.is_primary_owner) => Role::PrimaryOwner,
            () if either(self.is_owner, org.is_owner) => Role::Owner,
            () if either(self.is_admin, org.is_admin) => Role::Admin,
            () if self.is_guest() == Some(true) => Role::Guest,
            () if has_rank => Role::Member,
            () => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(user: &str) -> Account {
        Account::from_body(format!(r#"{{"ok":true,"user":{user}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn the_highest_rank_anywhere_is_the_role() {
        for (user, role) in [
            (r#"{"is_admin":true,"is_owner":true,"is_primary_owner":false}"#, Some(Role::Owner)),
            (r#"{"is_admin":false,"enterprise_user":{"is_admin":true}}"#, Some(Role::Admin)),
            (r#"{"is_admin":false,"enterprise_user":{"is_primary_owner":true}}"#, Some(Role::PrimaryOwner)),
            (r#"{"is_admin":false,"is_restricted":true,"is_ultra_restricted":true}"#, Some(Role::Guest)),
            (r#"{"is_admin":false,"is_restricted":false}"#, Some(Role::Member)),
            (r#"{"is_bot":true}"#, Some(Role::Bot)),
            (r#"{"deleted":true}"#, None),
        ] {
            assert_eq!(account(user).role, role, "{user}");
        }
    }

    #[test]
    fn what_slack_leaves_out_is_unknown_and_a_refusal_is_no_account() {
        let said =
            account(r#"{"has_2fa":true,"is_stranger":false,"real_name":"Ada","profile":{"email":"a@b.example"}}"#);
        assert_eq!(
            (said.two_factor, said.external, said.guest, said.deactivated),
            (Some(true), Some(false), None, None)
        );
        assert_eq!((said.name.as_str(), said.email.as_str()), ("Ada", "a@b.example"));
        let refused = Account::from_body(br#"{"ok":false,"error":"user_not_found"}"#).unwrap_err();
        assert_eq!(refused, NoAnswer::Refused("user_not_found".into()));
        for body in [&b"<html>"[..], b"{}", br#"{"ok":true}"#, br#"{"ok":true,"user":7}"#] {
            assert!(Account::from_body(body).is_err());
        }
    }
}
