//! Apps, assistants and machines that do what they are not for.

use super::{Plot, SCRIPT, Script};
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::workday::assistant;
use crate::internet::NetworkKind::Hosting;
use crate::org::cast::App;
use crate::org::entities;
use crate::org::entry::{Context, Entity, Session};
use crate::wire::object;

pub(super) const PLOTS: &[Plot] = &[
    Plot {
        name: "rogue-app",
        about: "A member adds a harmless-looking app of no directory, it gets wider scopes, and then reads in bulk.",
        references: &["T1671", "T1528", "SAT1010"],
        families: &["app-powerful-install", "app-access-widened", "app-bulk-read"],
        tell: rogue_app,
    },
    Plot {
        name: "mcp-sweep",
        about: "An assistant reads channel after channel through MCP tools in the name of one person.",
        references: &["T1213.005", "T1119"],
        families: &["mcp-sweep", "app-bulk-read"],
        tell: mcp_sweep,
    },
    Plot {
        name: "app-governance-weakened",
        about: "Apps no longer need approval, the rule that held them back goes, and an app comes in.",
        references: &["T1685", "T1671"],
        families: &["app-governance-weakened", "app-powerful-install"],
        tell: app_governance_weakened,
    },
    Plot {
        name: "token-preserved-leaver",
        about: "The token of a leaver's app with wide scopes is kept, and the app reads from a rented server.",
        references: &["T1671", "SAT1036"],
        families: &["token-of-leaver", "app-bulk-read", "service-off-network"],
        tell: token_preserved_leaver,
    },
    Plot {
        name: "service-identity-off-network",
        about: "The build robot's token is used from a server that isn't the organization's.",
        references: &["T1550.001", "T1528"],
        families: &["service-off-network"],
        tell: service_identity_off_network,
    },
];

const MODEST: &[&str] = &["chat:write", "users:read"];
const WIDE: &[&str] = &["chat:write", "users:read", "channels:history", "groups:history", "files:read", "search:read"];
const POWERFUL: &[&str] = &["admin", "auditlogs:read", "channels:history", "files:read", "users:read.email"];

fn app(s: &mut Script<'_>, name: &'static str, scopes: &'static [&'static str]) -> App {
    App { id: s.stage.dice.id("A"), name, scopes, bot_scopes: &[] }
}

fn unapproved(app: &App) -> Entity {
    Entity { kind: "app", body: entities::app_body(app, false) }
}

/// Distributed or written in-house, but in no directory.
fn of_nobodys_directory(app: &App, distributed: bool) -> Entity {
    let body = object(|o| {
        o.str("id", &app.id).str("name", app.name).flag("is_distributed", distributed);
        o.flag("is_directory_approved", false).flag("is_workflow_app", false);
        o.strs("scopes", app.scopes).strs("bot_scopes", app.bot_scopes);
    });
    Entity { kind: "app", body }
}

fn install(s: &mut Script<'_>, who: usize, app: &App, context: &Context) {
    let person = s.person(who);
    s.act_with("app_installed", person, unapproved(app), context, |o| {
        o.flag("is_internal_integration", true).str("app_owner_id", &person.user.id);
        o.flag("is_token_rotation_enabled_app", false);
    });
}

/// The app's own doing, from its maker's rented server.
fn through(s: &mut Script<'_>, who: usize, app: &App) -> Context {
    let by_app = Some(entities::app_body(app, false));
    Context { app: by_app, ..s.stranger(who, Hosting, SCRIPT) }
}

fn rogue_app(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let modest = app(s, "Meeting Minutes Pro", MODEST);
    let wide = App { id: modest.id.clone(), name: modest.name, scopes: WIDE, bot_scopes: &[] };
    let server = through(s, victim, &wide);
    // From its own page, in the victim's browser; or by an OAuth flow, which ends at the app's server.
    let internal = s.stage.dice.percent(50);
    let context =
        if internal { s.desk(victim) } else { Context { app: None, session: Session::Null, ..server.clone() } };
    s.act_with("app_installed", who, of_nobodys_directory(&modest, !internal), &context, |o| {
        o.flag("is_internal_integration", internal).str("app_owner_id", if internal { &who.user.id } else { "" });
        o.flag("is_token_rotation_enabled_app", false);
    });
    s.pause(2 * HOUR);
    s.act_with("app_scopes_expanded", who, of_nobodys_directory(&wide, !internal), &context, |o| {
        o.flag("is_internal_integration", internal).strs("new_scopes", WIDE).strs("previous_scopes", MODEST);
    });
    s.decisive();
    s.pause(30 * MINUTE);
    let context = server;
    let count = s.volume(20);
    let gap = s.gap(count, HOUR);
    s.take_files(who, count, gap, &context);
}

fn mcp_sweep(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let context = assistant(s.world, victim);
    let all = s.world.cast.channels.len() as u64;
    let count = s.volume(25).min(all - 1);
    let gap = s.gap(count, HOUR);
    let channels: Vec<usize> = s.world.public_channels().chain(s.world.private_channels()).collect();
    for n in 0..count {
        let channel = s.world.channel(channels[n as usize]);
        s.act("mcp_slack_read_channel_tool_called", who, channel.clone(), &context);
        s.decisive_at(n, 25);
        if n % 4 == 0 {
            s.act("mcp_slack_search_public_and_private_tool_called", who, channel, &context);
        }
        s.wait(gap);
    }
}

fn app_governance_weakened(s: &mut Script<'_>) {
    let admin = s.admin();
    let who = s.person(admin);
    let context = s.console(admin);
    let pref = *s.stage.dice.pick(&["pref.app_whitelist_enabled", "pref.app_dir_only"]);
    s.set(pref, who, &context, "\"true\"", "\"false\"");
    s.decisive();
    s.pause(10 * MINUTE);
    s.bare("app_allowlist_rule_deactivated", who, entities::enterprise(&s.world.cast), &context);
    s.pause(20 * MINUTE);
    let powerful = app(s, "Directory Sync", POWERFUL);
    install(s, admin, &powerful, &context);
}

fn token_preserved_leaver(s: &mut Script<'_>) {
    let leaver = s.member();
    let who = s.person(leaver);
    let robot = app(s, "Weekly Numbers", WIDE);
    s.stage.provision("user_deactivated", entities::user(who));
    s.wait(5);
    s.stage.provision_with("app_token_preserved", unapproved(&robot), |o| {
        o.strs("scopes", WIDE);
    });
    s.pause(26 * HOUR);
    let context = through(s, leaver, &robot);
    let count = s.volume(20);
    let gap = s.gap(count, HOUR);
    for n in 0..count {
        let file = s.world.some_file(&mut s.stage.dice) + n;
        s.download(who, file, &context);
        if n == 0 {
            s.decisive();
        }
        s.wait(gap);
    }
}

fn service_identity_off_network(s: &mut Script<'_>) {
    let ci = &s.world.ci;
    s.also(ci.account.user.id.clone());
    let usual = s.world.service_context(ci);
    let ip = s.address(Hosting);
    let context = Context { ip, ..usual };
    for _ in 0..s.stage.dice.between(2, 5) {
        s.bare("app_manifest_updated", &ci.account, unapproved(&ci.app), &context);
        s.pause(3 * MINUTE);
        s.take_files(&ci.account, 3, 20, &context);
    }
    // One act from there is enough: machines have few networks.
    s.decisive = Some(0);
}
