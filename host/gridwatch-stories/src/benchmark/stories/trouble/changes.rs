//! Changes of what the organization works with, and who works on it: done on purpose, announced, and large.

use super::{Script, Tale};
use crate::benchmark::Level;
use crate::benchmark::SECS_A_DAY;
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::stories::Plot;
use crate::benchmark::stories::tale::Wanted::AtMost;
use crate::benchmark::trades::{odd_script, read_by_tool};
use crate::benchmark::workday::assistant;
use crate::org::cast::App;
use crate::org::entry::Context;
use crate::org::{entities, oauth};

pub(super) const TALES: &[Tale] = &[
    Tale {
        plot: Plot {
            name: "ai-roll-out",
            about: "IT lets everybody use assistants; from that day many do, by the dozen reads a day.",
            references: &["ordinary"],
            families: &[],
            tell: ai_roll_out,
        },
        takes: [0, 1, 0],
        days: 9,
        told: "at most that IT allowed assistants; nothing of those who use them",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "workspaces-merged",
            about: "Two workspaces become one: channels move by the hundred and people join by the hundred.",
            references: &["ordinary"],
            families: &[],
            tell: workspaces_merged,
        },
        takes: [0, 1, 0],
        days: 4,
        told: "at most, once, that IT merges workspaces",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "new-admin-tidies",
            about: "Somebody becomes an admin by way of the identity provider and tidies up what nobody did for years.",
            references: &["ordinary"],
            families: &[],
            tell: new_admin_tidies,
        },
        takes: [1, 0, 0],
        days: 8,
        told: "that somebody became an admin, if at all; not each thing that they tidied",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "vendor-renews-scopes",
            about: "An app's maker asks everybody to authorize it again, with one scope more that harms nobody.",
            references: &["ordinary"],
            families: &[],
            tell: vendor_renews_scopes,
        },
        takes: [0, 0, 0],
        days: 4,
        told: "nothing, or once that the app gained a harmless scope",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "file-sync-migration",
            about: "An app that IT approved and added copies two thousand files to another store.",
            references: &["ordinary"],
            families: &[],
            tell: file_sync_migration,
        },
        takes: [0, 1, 0],
        days: 7,
        told: "one alert at most: which app reads so much, and that IT approved and added it",
        wanted: AtMost(Level::Medium),
    },
    Tale {
        plot: Plot {
            name: "scripted-anomalies",
            about: "Slack finds one engineer's script odd, twice an hour for days.",
            references: &["ordinary"],
            families: &[],
            tell: scripted_anomalies,
        },
        takes: [1, 0, 0],
        days: 9,
        told: "one alert that says it goes on",
        wanted: AtMost(Level::Medium),
    },
];

fn ai_roll_out(s: &mut Script<'_>) {
    let admin = s.admin();
    let by = s.person(admin);
    let console = s.console(admin);
    for pref in ["pref.slack_ai_allowed_workspaces_changed", "pref.slack_ai_allow_recap_changed"] {
        if s.chance(80) {
            s.act(pref, by, entities::enterprise(&s.world.cast), &console);
            s.pause(2 * MINUTE);
        }
    }
    s.act("app_approved", by, entities::app(&s.world.assistant), &console);
    let people = s.crowd(s.share(14, 150));
    for &i in &people {
        s.pause(6);
        s.bare("license_assigned", by, entities::user(s.person(i)), &console);
    }
    s.next_workday();
    let days = s.between(3, 4);
    for _ in 0..days {
        let morning = s.stage.at;
        for &i in &people {
            if s.chance(25) {
                continue;
            }
            s.begin_at(i, morning, 10);
            let through = assistant(s.world, i);
            let desk = s.desk(i);
            for n in 0..s.between(5, 18) {
                let who = s.person(i);
                if n % 3 == 2 {
                    s.bare("slack_ai_summary_requested", who, entities::enterprise(&s.world.cast), &desk);
                } else {
                    let channel = s.world.some_public_channel(&mut s.stage.dice);
                    let action = *s.stage.dice.pick(&[
                        "mcp_slack_search_public_tool_called",
                        "mcp_slack_read_channel_tool_called",
                        "mcp_slack_read_thread_tool_called",
                    ]);
                    read_by_tool(&mut s.stage, action, who, channel, &through);
                }
                s.pause(12 * MINUTE);
            }
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn workspaces_merged(s: &mut Script<'_>) {
    let admin = s.admin();
    let by = s.person(admin);
    let console = s.console(admin);
    let workspaces = &s.world.cast.workspaces;
    let (from, to) = (workspaces[2].id.clone(), workspaces[0].id.clone());
    for action in ["migration_scheduled", "workspace_accepted_migration"] {
        s.bare(action, by, entities::workspace(&s.world.cast, 2), &console);
        s.pause(3 * HOUR);
    }
    let channels: Vec<usize> = s.world.public_channels().chain(s.world.private_channels()).collect();
    for channel in channels.into_iter().take(s.between(80, 150) as usize) {
        s.act_with("channel_moved", by, s.world.channel(channel), &console, |o| {
            o.str("source_team", &from).str("destination_team", &to).str("initiated_by", "admin.conversations.move");
        });
        let secs = s.between(0, 3);
        s.wait(secs);
        if s.chance(30) {
            s.act_with("channel_workspaces_updated", by, s.world.channel(channel), &console, |o| {
                o.str("shared_to", &to).strs("teams_shared_with", &[&from, &to]);
            });
        }
    }
    let people = s.crowd(s.share(25, 250));
    for &i in &people {
        s.stage.provision("user_joined_workspace", entities::user(s.world.person(i)));
        let secs = s.between(0, 2);
        s.wait(secs);
    }
    s.bare("migration_completed", by, entities::workspace(&s.world.cast, 0), &console);
}

fn new_admin_tidies(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    s.stage.provision("role_change_to_admin", entities::user(who));
    s.next_workday();
    for _ in 0..s.between(2, 3) {
        let morning = s.stage.at;
        let console = s.console(member);
        for _ in 0..s.between(14, 26) {
            let channel = s.world.some_channel(&mut s.stage.dice);
            let public = s.world.cast.channels[channel].privacy == "public";
            let archive = if public { "public_channel_archive" } else { "private_channel_archive" };
            let action = if s.chance(20) { "channel_renamed" } else { archive };
            s.bare(action, who, s.world.channel(channel), &console);
            s.pause(MINUTE);
        }
        for _ in 0..s.between(1, 4) {
            let app = s.stage.dice.below(s.world.cast.apps.len() as u64) as usize;
            s.act("app_uninstalled", who, entities::app(&s.world.cast.apps[app]), &console);
            s.pause(5 * MINUTE);
        }
        if s.chance(60) {
            let target = s.world.anybody(s.stage.today(), &mut s.stage.dice);
            s.act("user_session_reset_by_admin", who, entities::user(s.person(target)), &console);
            s.pause(5 * MINUTE);
        }
        s.set("pref.session_duration_changed", who, &console, r#""2592000""#, r#""1209600""#);
        s.stage.at = morning;
        s.next_workday();
    }
}

fn vendor_renews_scopes(s: &mut Script<'_>) {
    const HARMLESS: &[&str] = &["team:read", "emoji:read", "dnd:read"];
    let world = s.world;
    let app = &world.cast.apps[s.between(0, world.cast.apps.len() as u64 - 1) as usize];
    let more = *s.stage.dice.pick(HARMLESS);
    let before: Vec<&str> = app.scopes.iter().chain(app.bot_scopes).copied().collect();
    let after: Vec<&str> = before.iter().copied().chain([more]).collect();
    let begin = s.stage.at;
    for i in s.crowd(s.share(12, 90)) {
        s.stage.at = begin + s.between(0, 1) * SECS_A_DAY + s.between(0, 6 * HOUR);
        let who = s.person(i);
        let server = oauth::server(app, world.cast.workspace_location(who.workspace));
        s.act_with("app_scopes_expanded", who, entities::app(app), &server, |o| {
            o.flag("is_internal_integration", false).strs("new_scopes", &after).strs("previous_scopes", &before);
            o.flag("granular_bot_token", true);
        });
    }
}

fn file_sync_migration(s: &mut Script<'_>) {
    let admin = s.admin();
    let by = s.person(admin);
    let console = s.console(admin);
    let app = App {
        id: s.stage.dice.id("A"),
        name: "Cloud Drive Transfer",
        scopes: &["files:read", "channels:read", "users:read"],
        bot_scopes: &[],
    };
    s.also(app.id.clone());
    s.act_with("app_approved", by, entities::app(&app), &console, |o| {
        o.str("resolution", "approved").str("approver_id", &by.user.id).flag("app_previously_resolved", false);
    });
    s.pause(HOUR);
    let server = oauth::server(&app, s.world.cast.enterprise_location());
    s.act_with("app_installed", by, entities::app(&app), &server, |o| {
        o.flag("is_internal_integration", false).str("app_owner_id", "").flag("is_token_rotation_enabled_app", true);
    });
    s.pause(2 * HOUR);
    let context = Context { app: Some(entities::app_body(&app, true)), ..server };
    let first = s.world.some_file(&mut s.stage.dice);
    let (days, a_day) = (s.between(2, 3), s.between(700, 900));
    for day in 0..days {
        let begin = s.stage.at;
        for n in 0..a_day {
            s.download(by, first + day * a_day + n, &context);
            s.wait(22);
        }
        s.stage.at = begin;
        s.next_workday();
    }
}

fn scripted_anomalies(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let begin = s.stage.at;
    let days = s.between(6, 8);
    for half_hour in 0..days * 48 {
        s.stage.at = begin + half_hour * 30 * MINUTE + s.between(0, 20 * MINUTE);
        let desk = s.desk(member);
        odd_script(&mut s.stage, who, &desk);
    }
}
