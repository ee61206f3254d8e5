//! Power and its guards: admins who grant, exempt, relax, blind and lock out.

use super::{Plot, Script};
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::internet::NetworkKind::{Hosting, Vpn};
use crate::org::cast::Person;
use crate::org::entities;
use crate::org::entry::{Context, Entity};
use crate::wire::Obj;

pub(super) const PLOTS: &[Plot] = &[
    Plot {
        name: "sso-exemption",
        about: "An account is exempted from single sign-on, signs in with a password, and gets power.",
        references: &["T1556", "SAT1017"],
        families: &["sso-exemption", "privilege-granted"],
        tell: sso_exemption,
    },
    Plot {
        name: "weaken-act-restore",
        about: "An admin relaxes a control, does what it stood against, and puts it back within four hours.",
        references: &["T1685", "T1556.006"],
        families: &["weaken-act-restore", "control-relaxed"],
        tell: weaken_act_restore,
    },
    Plot {
        name: "dormant-admin",
        about: "An admin who hasn't acted as one for long does so, from another network.",
        references: &["T1078.004"],
        families: &["dormant-admin", "session-moved", "new-context-then-collection"],
        tell: dormant_admin,
    },
    Plot {
        name: "grant-then-use",
        about: "A member is made an admin, or gets a system role, and uses that the same day.",
        references: &["T1098.003"],
        families: &["privilege-granted", "grant-then-use"],
        tell: grant_then_use,
    },
    Plot {
        name: "ownership-taken",
        about: "The organization gets another owner.",
        references: &["T1098.003", "T1531"],
        families: &["ownership", "privilege-granted"],
        tell: ownership_taken,
    },
    Plot {
        name: "mfa-disabled",
        about: "Two-factor authentication is no longer demanded.",
        references: &["T1556.006"],
        families: &["control-relaxed"],
        tell: mfa_disabled,
    },
    Plot {
        name: "federation-change",
        about: "Another identity provider is trusted, or a domain taken in.",
        references: &["T1484.002", "SAT1041"],
        families: &["federation"],
        tell: federation_change,
    },
    Plot {
        name: "audit-blinding",
        about: "Slack's answers to anomalies, its list of trusted networks and the audit log's retention change, our app goes.",
        references: &["T1685", "T1685.002"],
        families: &["watcher-blinded"],
        tell: audit_blinding,
    },
    Plot {
        name: "ekm-tampering",
        about: "The organization's own encryption keys are removed or no longer logged.",
        references: &["T1600", "T1685.002"],
        families: &["encryption"],
        tell: ekm_tampering,
    },
    Plot {
        name: "session-reset-wave",
        about: "One admin ends the sessions of sixty people and more.",
        references: &["T1531", "T1499.003"],
        families: &["session-reset-wave"],
        tell: session_reset_wave,
    },
];

fn of_the_org(s: &Script<'_>) -> Entity {
    entities::enterprise(&s.world.cast)
}

fn policy(o: &mut Obj<'_>) {
    o.str("policy_name", "email_password").str("authentication_mode", "password");
}

fn sso_exemption(s: &mut Script<'_>) {
    let (admin, account) = (s.admin(), s.member());
    let (by, who) = (s.person(admin), s.person(account));
    let console = s.console(admin);
    s.act_with("auth_policy_entity_assigned", by, entities::user(who), &console, policy);
    s.decisive();
    s.pause(25 * MINUTE);
    let browser = s.browser(account);
    let context = s.intruder(account, Vpn, browser);
    s.act_with("user_login", who, entities::user(who), &context, |o| {
        o.str("authentication_method", "password");
    });
    s.pause(15 * MINUTE);
    grant(s, by, who, &console);
    s.pause(HOUR);
    s.act_with("auth_policy_entity_removed", by, entities::user(who), &console, policy);
}

/// Power over a workspace or the whole organization: as an admin, or by a system role, which says where it holds.
fn grant(s: &mut Script<'_>, by: &Person, to: &Person, context: &Context) {
    const USERS_ADMIN: usize = 1;
    const ROLES_ADMIN: usize = 2;
    let cast = &s.world.cast;
    match s.stage.dice.below(4) {
        0 => s.stage.assign_role(USERS_ADMIN, by, to, &cast.workspaces[to.workspace].id, context),
        1 => s.stage.assign_role(ROLES_ADMIN, by, to, &cast.enterprise.id, context),
        _ => s.bare("role_change_to_admin", by, entities::user(to), context),
    }
}

/// (control, value before, relaxed)
const CONTROLS: &[(&str, &str, &str)] = &[
    ("pref.two_factor_auth_changed", "\"true\"", "\"false\""),
    ("pref.disallow_public_file_urls", "\"true\"", "\"false\""),
    ("pref.sso_setting_changed", "\"required\"", "\"optional\""),
    ("ip_allowlist", "", ""),
    ("native_dlp_rule", "", ""),
];

fn switch(s: &mut Script<'_>, who: usize, control: &(&str, &str, &str), relax: bool) {
    let context = s.console(who);
    let person = s.person(who);
    let entity = of_the_org(s);
    match (control, relax) {
        (("ip_allowlist", ..), true) => s.bare("ip_allowlist_disabled", person, entity, &context),
        (("ip_allowlist", ..), false) => s.bare("ip_allowlist_enabled", person, entity, &context),
        (("native_dlp_rule", ..), true) => s.bare("native_dlp_rule_deactivated", person, entity, &context),
        (("native_dlp_rule", ..), false) => s.bare("native_dlp_rule_reactivated", person, entity, &context),
        ((pref, before, relaxed), true) => s.set(pref, person, &context, before, relaxed),
        ((pref, before, relaxed), false) => s.set(pref, person, &context, relaxed, before),
    }
}

fn weaken_act_restore(s: &mut Script<'_>) {
    let admin = s.admin();
    let control = s.stage.dice.pick(CONTROLS);
    switch(s, admin, control, true);
    s.pause(20 * MINUTE);
    let context = s.console(admin);
    let kind = *s.stage.dice.pick(&["manual_export", "channels_export"]);
    s.act(&format!("{kind}_started"), s.person(admin), of_the_org(s), &context);
    s.pause(HOUR);
    s.act(&format!("{kind}_downloaded"), s.person(admin), of_the_org(s), &context);
    s.pause(20 * MINUTE);
    switch(s, admin, control, false);
    s.decisive();
}

fn dormant_admin(s: &mut Script<'_>) {
    let admin = s.dormant_admin();
    s.ordinary_work(admin);
    let who = s.person(admin);
    let browser = s.browser(admin);
    let stolen = s.stolen(admin, Hosting, browser);
    let context = Context { location: s.world.cast.enterprise_location(), ..stolen };
    s.bare("audit_logs_records_searched", who, of_the_org(s), &context);
    s.pause(10 * MINUTE);
    s.act("manual_user_export_started", who, of_the_org(s), &context);
    s.decisive();
    s.pause(HOUR);
    s.act("manual_user_export_downloaded", who, of_the_org(s), &context);
}

fn grant_then_use(s: &mut Script<'_>) {
    let (granter, target) = (s.admin(), s.member());
    let context = s.desk(granter);
    let who = s.person(target);
    let by = s.person(granter);
    grant(s, by, who, &context);
    s.pause(2 * HOUR);
    let context = s.console(target);
    match s.stage.dice.below(3) {
        0 => s.act("channels_export_started", who, of_the_org(s), &context),
        1 => s.set("pref.sso_setting_changed", who, &context, "\"required\"", "\"optional\""),
        _ => {
            let hold = entities::any("legal_hold_policy", &s.world.cast, who, &mut s.stage.dice);
            s.bare("legal_hold_policy_released", who, hold, &context);
        }
    }
    s.decisive();
}

fn ownership_taken(s: &mut Script<'_>) {
    let taker = s.member();
    let who = s.person(taker);
    let context = s.console(taker);
    let owner = s.world.person(0);
    match s.stage.dice.below(3) {
        0 => s.bare("role_change_to_owner", who, entities::user(who), &context),
        1 => s.bare("owner_transferred", owner, entities::user(who), &context),
        _ => s.bare("org_owner_created", owner, entities::user(who), &context),
    }
}

fn mfa_disabled(s: &mut Script<'_>) {
    let admin = s.admin();
    let context = s.console(admin);
    s.set("pref.two_factor_auth_changed", s.person(admin), &context, "\"true\"", "\"false\"");
    s.decisive();
    s.pause(3 * MINUTE);
    s.set("pref.two_factor_prevent_sms_changed", s.person(admin), &context, "\"true\"", "\"false\"");
}

fn federation_change(s: &mut Script<'_>) {
    const CHANGES: &[&[&str]] = &[
        &["idp_configuration_added", "idp_prod_configuration_updated"],
        &["domain_created", "domain_verified", "enterprise_managed_auth_rebound"],
        &["seamless_auth_org_created", "seamless_auth_user_token_created"],
    ];
    let admin = s.admin();
    let context = s.console(admin);
    for action in *s.stage.dice.pick(CHANGES) {
        s.act(action, s.person(admin), of_the_org(s), &context);
        if s.stage.done.len() == 1 {
            s.decisive();
        }
        s.pause(15 * MINUTE);
    }
}

fn audit_blinding(s: &mut Script<'_>) {
    let admin = s.admin();
    let who = s.person(admin);
    let context = s.console(admin);
    s.set("pref.anomaly_event_response_changed", who, &context, "\"enabled\"", "\"disabled\"");
    s.decisive();
    s.pause(8 * MINUTE);
    // Both spellings are Slack's own.
    let twin = *s.stage.dice.pick(&[
        "user_anomaly_event_response_allowlist_changed",
        "user_anomaly_event_reponse_allowlist_changed",
        "usergroup_anomaly_event_response_allowlist_changed",
    ]);
    s.act_with(twin, who, entities::user(who), &context, |o| {
        o.strs("new_value", &[&who.user.id]).raw("previous_value", "[]");
    });
    s.pause(8 * MINUTE);
    s.set("pref.ext_audit_log_retention_duration_changed", who, &context, "\"365\"", "\"30\"");
    s.pause(30 * MINUTE);
    let ours = Entity { kind: "app", body: entities::app_body(&s.world.watcher, false) };
    s.act("app_uninstalled", who, ours, &context);
}

fn ekm_tampering(s: &mut Script<'_>) {
    const ACTS: &[&[&str]] = &[
        &["ekm_logging_config_set", "ekm_key_removed", "ekm_slackbot_logging_notification_sent"],
        &["ekm_unenrolled", "ekm_slackbot_unenroll_notification_sent"],
        &["ekm_key_added", "ekm_key_removed", "ekm_clear_cache_set"],
    ];
    let admin = s.admin();
    let context = s.console(admin);
    for action in *s.stage.dice.pick(ACTS) {
        s.act(action, s.person(admin), of_the_org(s), &context);
        if matches!(*action, "ekm_key_removed" | "ekm_unenrolled") {
            s.decisive();
        }
        s.pause(6 * MINUTE);
    }
}

fn session_reset_wave(s: &mut Script<'_>) {
    const THRESHOLD: u64 = 60;
    let admin = s.admin();
    // The window is a day, and a story has three at most.
    s.cant_be_slow();
    let context = s.desk(admin);
    let count = s.volume(THRESHOLD).min(s.world.first_reserved() as u64);
    let gap = (20 * HOUR / count).min(5 * MINUTE);
    let first = s.stage.dice.below(s.world.first_reserved() as u64);
    for n in 0..count {
        let target = ((first + n) % s.world.first_reserved() as u64) as usize;
        s.act("user_session_reset_by_admin", s.person(admin), entities::user(s.person(target)), &context);
        s.decisive_at(n, THRESHOLD);
        s.wait(gap);
    }
}
