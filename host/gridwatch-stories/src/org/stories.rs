//! What deserves an alert, and near misses that don't, each with the rules that should see it.
//!
//! Every story has its own people, taken from those the daily life leaves alone.

use super::cast::{App, Cast, Person, session};
use super::dice::Dice;
use super::entry::{Context, Draft, Entity, Session};
use super::{OrgPlan, SimEntry, Story, details, entities};
use crate::wire::object;

const BURST: &str = "sign-in.burst";
const SPRAY: &str = "sign-in.spray";
const TAKEOVER: &str = "sign-in.failures-then-success";
const INSTALL: &str = "apps.install";
const EXPANDED: &str = "apps.scopes-expanded";
const ANOMALY: &str = "anomaly.reason";
const GRANTED: &str = "privilege.granted";
const OWNERSHIP: &str = "privilege.ownership";

const MINUTE: u64 = 60;

/// Adds all stories, spread over the period, and returns their labels.
pub(crate) fn tell(plan: &OrgPlan, cast: &Cast, dice: &mut Dice, entries: &mut Vec<SimEntry>) -> Vec<Story> {
    type Plot = fn(&mut Teller<'_>) -> (&'static str, &'static [&'static str]);
    const PLOTS: &[Plot] = &[
        failed_login_burst,
        password_spray,
        takeover_after_stuffing,
        scopes_expanded,
        scopes_unchanged,
        |teller| teller.anomaly("anomaly-session-fingerprint-asn", &["session_fingerprint", "asn"]),
        |teller| teller.anomaly("anomaly-tor", &["tor"]),
        |teller| teller.anomaly("anomaly-unknown-reason", &["quantum_entanglement"]),
        member_made_admin,
        self_granted_owner,
        ownership_transferred,
    ];
    let mut stories = Vec::new();
    let mut next = cast.first_reserved();
    for (i, plot) in PLOTS.iter().enumerate() {
        let slot = (plan.to - plan.from) / (PLOTS.len() as u64 + 1);
        let start = plan.from + slot * (i as u64 + 1) + dice.below(slot / 4);
        let mut teller = Teller { plan, cast, dice, start, next, hero: String::new(), told: Vec::new() };
        let (name, rules) = plot(&mut teller);
        next = teller.next;
        stories.push(Story {
            name: name.into(),
            from: teller.told.iter().map(|entry| entry.date_create).min().unwrap_or(start),
            to: teller.told.iter().map(|entry| entry.date_create).max().unwrap_or(start),
            actor: teller.hero,
            entry_ids: teller.told.iter().map(|entry| entry.id.clone()).collect(),
            expected_rules: rules.iter().map(|rule| (*rule).into()).collect(),
        });
        entries.append(&mut teller.told);
    }
    stories
}

/// One story being told.
struct Teller<'a> {
    plan: &'a OrgPlan,
    cast: &'a Cast,
    dice: &'a mut Dice,
    start: u64,
    /// Index of the next unused person.
    next: usize,
    hero: String,
    told: Vec<SimEntry>,
}

type Label = (&'static str, &'static [&'static str]);

impl<'a> Teller<'a> {
    fn person(&mut self) -> &'a Person {
        let person = &self.cast.people[self.next];
        self.next += 1;
        if self.hero.is_empty() {
            self.hero = person.user.id.clone();
        }
        person
    }

    /// Where somebody usually works.
    fn usual(&mut self, person: &Person) -> Context {
        let mut context = Context::of_person(self.cast, person, self.dice);
        let is_phone = context.ua == person.mobile_ua;
        context.session = Session::Number(if is_phone { person.mobile_session } else { person.desktop_session });
        context
    }

    /// From an address where nobody of the organization has ever been.
    fn elsewhere(&mut self, person: &Person, host: u64, ua: &str) -> Context {
        Context {
            ip: format!("203.0.113.{host}"),
            ua: ua.into(),
            session: Session::Absent,
            ..Context::server_side(self.cast.workspace_location(person.workspace))
        }
    }

    fn act(
        &mut self,
        after_secs: u64,
        action: &str,
        who: &Person,
        entity: Entity,
        context: Context,
        details: Option<String>,
    ) {
        let at = (self.start + after_secs).min(self.plan.to);
        let entry = Draft { at, action, actor: &who.wire, entity, context, details }.write(self.dice);
        self.told.push(entry);
    }

    fn anomaly(&mut self, name: &'static str, reasons: &[&str]) -> Label {
        let victim = self.person();
        let ua = victim.desktop_ua.clone();
        let mut context = self.elsewhere(victim, 77, &ua);
        context.session = Session::Number(victim.desktop_session);
        let acted_us = details::detected_act_us(self.start, self.dice);
        let details = object(|o| {
            o.uint("action_timestamp", acted_us).str("location", "Unknown").strs("reason", reasons);
            o.str("previous_ip_address", &victim.home_ip).str("previous_ua", &victim.desktop_ua);
            if reasons.contains(&"asn") {
                o.strs("ip_address_details", &["new-asn", "cloud-asn"]);
            }
        });
        self.act(0, "anomaly", victim, entities::user(victim), context, Some(details));
        (name, &[ANOMALY])
    }
}

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
const SCRIPT: &str = "Python/3.13 slackclient/3.43.0 Linux/6.8";

/// 14 failures for one user within six minutes, and nobody gets in.
fn failed_login_burst(teller: &mut Teller<'_>) -> Label {
    let victim = teller.person();
    for i in 0..14 {
        let context = teller.elsewhere(victim, 14, BROWSER);
        teller.act(i * 27, "user_login_failed", victim, entities::user(victim), context, None);
    }
    ("failed-login-burst", &[BURST])
}

/// One address, nine users, two or three failures each over 25 minutes; the last one's third guess is followed by the right one.
fn password_spray(teller: &mut Teller<'_>) -> Label {
    let victims: Vec<&Person> = (0..9).map(|_| teller.person()).collect();
    // Round after round over all users, as a spray goes: 9 + 9 + 4 = 22 failures.
    let rounds = victims.iter().chain(&victims).chain(&victims[5..]);
    for (i, victim) in (0..).zip(rounds) {
        let context = teller.elsewhere(victim, 22, SCRIPT);
        teller.act(i * 25 * MINUTE / 22, "user_login_failed", victim, entities::user(victim), context, None);
    }
    let entered = victims[8];
    teller.hero = entered.user.id.clone();
    let mut context = teller.elsewhere(entered, 22, SCRIPT);
    context.session = Session::Number(session(teller.dice));
    teller.act(25 * MINUTE, "user_login", entered, entities::user(entered), context, None);
    ("password-spray", &[SPRAY])
}

/// Seven failures, then success from an address never seen; that session brings in an app that reads everything.
fn takeover_after_stuffing(teller: &mut Teller<'_>) -> Label {
    let victim = teller.person();
    for i in 0..7 {
        let context = teller.elsewhere(victim, 33, BROWSER);
        teller.act(i * 95, "user_login_failed", victim, entities::user(victim), context, None);
    }
    let mut context = teller.elsewhere(victim, 34, BROWSER);
    context.session = Session::Number(session(teller.dice));
    teller.act(12 * MINUTE, "user_login", victim, entities::user(victim), context.clone(), None);
    let app = App {
        id: teller.dice.id("A"),
        name: "Backup Helper",
        scopes: &["admin", "auditlogs:read", "channels:history", "groups:history", "files:read", "search:read"],
        bot_scopes: &["chat:write"],
    };
    let entity = Entity { kind: "app", body: entities::app_body(&app, false) };
    let details = object(|o| {
        o.flag("is_internal_integration", true).str("app_owner_id", &victim.user.id);
        o.flag("is_token_rotation_enabled_app", false);
    });
    teller.act(18 * MINUTE, "app_installed", victim, entity, context, Some(details));
    ("takeover-after-stuffing", &[TAKEOVER, INSTALL])
}

fn scope_change(teller: &mut Teller<'_>, previous: &'static [&'static str], new: &'static [&'static str]) {
    let member = teller.person();
    let app = App { id: teller.dice.id("A"), name: "Stand-up Notes", scopes: new, bot_scopes: &[] };
    let details = object(|o| {
        o.flag("is_internal_integration", true).flag("is_token_rotation_enabled_app", false);
        o.strs("new_scopes", new).strs("previous_scopes", previous);
    });
    let context = teller.usual(member);
    let entity = Entity { kind: "app", body: entities::app_body(&app, false) };
    teller.act(0, "app_scopes_expanded", member, entity, context, Some(details));
}

/// A member's app gains the means to read files and history.
fn scopes_expanded(teller: &mut Teller<'_>) -> Label {
    const NEW: &[&str] = &["chat:write", "users:read", "files:read", "channels:history", "search:read"];
    scope_change(teller, &["chat:write", "users:read"], NEW);
    ("app-scopes-expanded", &[EXPANDED])
}

/// Slack says "expanded" when an app is merely authorized again with the same scopes.
fn scopes_unchanged(teller: &mut Teller<'_>) -> Label {
    const SAME: &[&str] = &["channels:history", "files:read", "chat:write"];
    scope_change(teller, SAME, SAME);
    ("app-scopes-unchanged", &[])
}

fn member_made_admin(teller: &mut Teller<'_>) -> Label {
    let (granter, target) = (teller.person(), teller.person());
    let context = teller.usual(granter);
    teller.act(0, "role_change_to_admin", granter, entities::user(target), context, None);
    ("member-made-admin", &[GRANTED])
}

fn self_granted_owner(teller: &mut Teller<'_>) -> Label {
    let member = teller.person();
    let context = teller.usual(member);
    teller.act(0, "role_change_to_owner", member, entities::user(member), context, None);
    ("self-granted-owner", &[GRANTED])
}

fn ownership_transferred(teller: &mut Teller<'_>) -> Label {
    let owner = &teller.cast.people[0];
    let heir = teller.person();
    teller.hero = owner.user.id.clone();
    let context = teller.usual(owner);
    teller.act(0, "owner_transferred", owner, entities::user(heir), context, None);
    ("ownership-transferred", &[OWNERSHIP])
}
