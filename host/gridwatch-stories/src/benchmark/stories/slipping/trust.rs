//! Those whom a list quiets, because it is their work, and those who get power that nobody counts.

use super::{Method, Place, Script, Tale};
use crate::benchmark::Level;
use crate::benchmark::SECS_A_DAY;
use crate::benchmark::life::Job;
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::stories::Plot;
use crate::benchmark::stories::tale::Wanted::AtLeast;
use crate::internet;
use crate::org::cast::App;
use crate::org::entry::{Context, Entity};
use crate::org::{details, entities, oauth};
use crate::wire::object;

pub(super) const TALES: &[Tale] = &[
    Tale {
        plot: Plot {
            name: "exporter-at-night",
            about: "Somebody whose work exporting is does it at night from a network that they never used.",
            references: &["T1078.004", "T1213.005", "SAT1037"],
            families: &["trust-ended"],
            tell: exporter_at_night,
        },
        takes: [0, 0, 0],
        days: 1,
        told: "this exporter exported at an unusual hour from a new network, and whether the result was fetched",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "quieted-admin-turns",
            about: "An admin of long standing opens private channels to himself at night and reads what is in them.",
            references: &["Ubiquiti 2020", "T1078.004", "T1098.003", "T1213.005"],
            families: &["trust-ended", "doer-behind"],
            tell: quieted_admin_turns,
        },
        takes: [0, 1, 0],
        days: 2,
        told: "this admin gave themselves so many private channels, at an hour and in a number that is new of them",
        wanted: AtLeast(Level::Medium, 2 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "bulk-app-tenfold",
            about: "An app that reads in bulk by order reads ten times as much in a day, from where it always is.",
            references: &["Salesloft Drift 2025", "T1528", "T1119"],
            families: &["app-day", "trust-ended"],
            tell: bulk_app_tenfold,
        },
        takes: [0, 0, 0],
        days: 1,
        told: "the app (not its installer) read so many files today, against its own usual number",
        wanted: AtLeast(Level::Medium, 6 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "durable-guest-entered",
            about: "A guest's end date is cleared; days later somebody signs in as them from a new place and collects.",
            references: &["T1136.003", "T1078.004", "SAT1046"],
            families: &["durable-guest-entered"],
            tell: durable_guest_entered,
        },
        takes: [1, 0, 1],
        days: 7,
        told: "a guest without an end came in from a new place: which guest, who made them durable, what was taken",
        wanted: AtLeast(Level::Medium, 2 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "five-settings-loosened",
            about: "One admin makes five protective settings laxer, one every day or so; none is the one everybody watches.",
            references: &["T1685", "T1556"],
            families: &["settings-in-numbers"],
            tell: five_settings_loosened,
        },
        takes: [0, 1, 0],
        days: 9,
        told: "this admin loosened so many settings in so many days: which, from what to what",
        wanted: AtLeast(Level::Medium, 12 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "one-piece-of-evidence",
            about: "One thing that an investigation would need is deleted, once, by somebody whose work it isn't.",
            references: &["T1070", "T1485"],
            families: &["evidence-removed"],
            tell: one_piece_of_evidence,
        },
        takes: [0, 1, 0],
        days: 1,
        told: "who deleted which piece of evidence",
        wanted: AtLeast(Level::Medium, 15 * MINUTE),
    },
    Tale {
        plot: Plot {
            name: "approver-as-doer",
            about: "One admin lets a dozen apps with wide scopes in; the installs are other people's.",
            references: &["T1671", "T1528", "SAT1010"],
            families: &["doer-behind", "scope-grows"],
            tell: approver_as_doer,
        },
        takes: [3, 1, 0],
        days: 1,
        told: "who approved so many apps within an hour, which ones, with which scopes",
        wanted: AtLeast(Level::Medium, HOUR),
    },
    Tale {
        plot: Plot {
            name: "weakened-by-one-used-by-another",
            about: "An admin makes a setting laxer, and the same day somebody else does what it stood against.",
            references: &["T1685", "T1567"],
            families: &["settings-in-numbers", "scope-grows"],
            tell: weakened_by_one_used_by_another,
        },
        takes: [1, 1, 0],
        days: 1,
        told: "which setting was loosened by whom, and who made use of it within hours, how often",
        wanted: AtLeast(Level::Medium, 2 * HOUR),
    },
];

fn exporter_at_night(s: &mut Script<'_>) {
    let staff: Vec<usize> = s.world.staff(Job::Compliance).collect();
    let by_machine = s.chance(40);
    let i = *s.stage.dice.pick(&staff);
    let place = *s.stage.dice.pick(&[Place::Rented, Place::Vpn, Place::Proxy]);
    let ip = s.lair(i, place);
    let hours = s.between(1, 4);
    s.stage.at = s.world.midnight(i, s.stage.today()) + hours * HOUR;
    let (who, context) = if by_machine {
        (&s.world.backup.account, Context { ip, ..s.world.service_context(&s.world.backup) })
    } else {
        let context = s.intruder_at(i, place);
        (s.person(i), Context { ip, ..context })
    };
    s.also(who.user.id.clone());
    if !by_machine && s.chance(60) {
        s.sign_in(i, &context, Method::SingleSignOn);
        s.pause(10 * MINUTE);
    }
    let kind = *s.stage.dice.pick(&["manual_user_export", "channels_export", "manual_export"]);
    let fetched = s.chance(80);
    for step in ["started", "completed", "downloaded"] {
        if step == "downloaded" && !fetched {
            break;
        }
        let until = details::day_and_time(s.stage.at);
        let entity = entities::enterprise(&s.world.cast);
        s.act_with(&format!("{kind}_{step}"), who, entity, &context, |o| {
            o.str("export_type", "ALL_TIME_STANDARD").str("export_start_ts", "2020-01-01 00:00:00");
            o.str("export_end_ts", &until);
        });
        if step == "started" {
            s.decisive();
        }
        s.pause(25 * MINUTE);
    }
}

fn quieted_admin_turns(s: &mut Script<'_>) {
    let admin = s.admin();
    let who = s.person(admin);
    let evening = s.between(21, 23);
    s.stage.at = s.world.midnight(admin, s.stage.day_of(admin)) + evening * HOUR;
    let ip = s.world.home_ip(admin, s.stage.day_of(admin));
    let context = Context { ip, ..s.console(admin) };
    let channels: Vec<usize> = s.world.private_channels().collect();
    let count = (s.between(10, 18) as usize).min(channels.len());
    let first = s.between(0, (channels.len() - count) as u64) as usize;
    let (by_role, opens) = (s.chance(60), s.chance(40));
    for (n, &channel) in channels[first..first + count].iter().enumerate() {
        let id = s.world.cast.channels[channel].id.clone();
        if by_role {
            s.stage.assign_role(0, who, who, &id, &context);
            s.wait(20);
        }
        if opens && n % 4 == 3 {
            s.bare("private_channel_converted_to_public", who, s.world.channel(channel), &context);
        } else {
            s.join(who, channel, &context);
        }
        if n == 7 {
            s.decisive();
        }
        s.pause(2 * MINUTE);
    }
    let count = s.between(14, 30);
    s.take_files(who, count, 70, &context);
}

fn bulk_app_tenfold(s: &mut Script<'_>) {
    let world = s.world;
    let installer = world.staff(Job::Counsel).next().unwrap_or(0);
    s.also(s.person(installer).user.id.clone());
    s.also(world.discovery.app.id.clone());
    let context = world.service_context(&world.discovery);
    let count = s.between(1_300, 2_000);
    let gap = s.between(18, 28);
    s.stage.at = s.stage.today() * SECS_A_DAY + 6 * HOUR;
    let first = world.some_file(&mut s.stage.dice);
    for n in 0..count {
        s.download(s.person(installer), first + n, &context);
        if n == 600 {
            s.decisive();
        }
        s.wait(gap);
    }
}

fn durable_guest_entered(s: &mut Script<'_>) {
    let (guest, host) = (s.guest(), s.member());
    let (who, by) = (s.person(guest), s.person(host));
    let desk = s.desk(host);
    s.bare("guest_expiration_cleared", by, entities::user(who), &desk);
    let later = s.between(2, 5);
    s.wait(later * SECS_A_DAY);
    if s.chance(50) {
        let channels: Vec<usize> = s.world.private_channels().collect();
        for _ in 0..s.between(1, 2) {
            let (channel, desk) = (*s.stage.dice.pick(&channels), s.desk(host));
            s.stage.invite(who, by, channel, &desk);
            s.pause(20 * MINUTE);
        }
    }
    let place = *s.stage.dice.pick(&[Place::Vpn, Place::Proxy, Place::Rented]);
    let context = s.intruder_at(guest, place);
    let method = *s.stage.dice.pick(&[Method::Password, Method::MagicLink]);
    s.sign_in(guest, &context, method);
    s.decisive();
    s.pause(6 * MINUTE);
    let count = s.between(8, 25);
    s.take_files(who, count, 60, &context);
}

/// (setting, value before, laxer), both as JSON. None of them is the one that everybody watches.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("pref.session_duration_changed", r#""1209600""#, r#""7776000""#),
    ("pref.slack_connect_dm_only_verified_orgs", r#""true""#, r#""false""#),
    ("pref.block_file_download_for_unapproved_ip", r#""true""#, r#""false""#),
    ("pref.enterprise_mobile_device_check", r#""true""#, r#""false""#),
    ("pref.two_factor_prevent_sms_changed", r#""true""#, r#""false""#),
    ("pref.invites_only_admins_changed", r#""true""#, r#""false""#),
    ("pref.block_download_and_copy_on_untrusted_mobile", r#""true""#, r#""false""#),
    ("pref.mobile_secondary_auth_timeout_changed", r#""300""#, r#""86400""#),
    ("pref.disallow_public_file_urls", r#""true""#, r#""false""#),
    (
        "pref.who_can_manage_ext_shared_channels",
        r#"{"type":["ORG_ADMINS_AND_OWNERS"]}"#,
        r#"{"type":["TOPLEVEL_ADMINS_AND_OWNERS_AND_SELECTED"]}"#,
    ),
    ("pref.max_guest_duration", r#""30""#, r#""0""#),
];

fn five_settings_loosened(s: &mut Script<'_>) {
    let admin = s.admin();
    let who = s.person(admin);
    let mut left: Vec<usize> = (0..SETTINGS.len()).collect();
    let same_day = s.chance(30);
    for n in 0..5 {
        let (pref, before, laxer) = SETTINGS[left.remove(s.stage.dice.below(left.len() as u64) as usize)];
        let console = s.console(admin);
        s.set(pref, who, &console, before, laxer);
        if n == 2 {
            s.decisive();
        }
        if same_day && n == 1 {
            s.pause(3 * HOUR);
        } else {
            s.next_workday();
        }
    }
}

fn one_piece_of_evidence(s: &mut Script<'_>) {
    let admin = s.admin();
    let who = s.person(admin);
    let context = s.console(admin);
    let hold = |s: &mut Script<'_>| {
        let id = s.stage.dice.id("Lh");
        let body = object(|o| {
            o.str("id", &id).str("name", "Case 2026-31");
        });
        Entity { kind: "legal_hold_policy", body }
    };
    let action = *s.stage.dice.pick(&[
        "channel_audit_export_deleted",
        "manual_user_export_deleted",
        "search_query_audit_logs_export_deleted",
        "legal_hold_policy_entities_deleted",
        "native_dlp_violation_deleted",
    ]);
    let entity = match action {
        "legal_hold_policy_entities_deleted" => hold(s),
        "native_dlp_violation_deleted" => entities::any("message", &s.world.cast, who, &mut s.stage.dice),
        _ => entities::enterprise(&s.world.cast),
    };
    s.bare(action, who, entity, &context);
    s.decisive();
}

const WIDE: [&[&str]; 3] = [
    &["chat:write", "channels:history", "groups:history", "files:read"],
    &["channels:read", "channels:history", "search:read", "users:read.email"],
    &["files:read", "files:write", "groups:history", "im:history"],
];

/// On half of the approvals the actor is whoever asked, and the approver stands in the details alone.
fn approver_as_doer(s: &mut Script<'_>) {
    const NAMES: &[&str] =
        &["Notes Relay", "Standup Helper", "Poll Maker", "Thread Mirror", "Quick Digest", "Lunch Bot"];
    let admin = s.admin();
    let asked: Vec<usize> = (0..3).map(|_| s.member()).collect();
    let by = s.person(admin);
    let count = s.between(9, 15);
    for n in 0..count {
        let app = App {
            id: s.stage.dice.id("A"),
            name: NAMES[(n % NAMES.len() as u64) as usize],
            scopes: WIDE[(n % 3) as usize],
            bot_scopes: &[],
        };
        let who = asked[s.between(0, 2) as usize];
        let in_details_only = s.chance(50);
        let (actor, context) = if in_details_only { (s.person(who), s.desk(who)) } else { (by, s.desk(admin)) };
        let entity = || Entity { kind: "app", body: entities::app_body(&app, false) };
        s.act_with("app_approved", actor, entity(), &context, |o| {
            o.str("resolution", "approved").flag("app_previously_resolved", false);
            o.str("approver_id", &by.user.id).str("approval_type", "manual");
        });
        if n == 4 {
            s.decisive();
        }
        s.pause(2 * MINUTE);
        if s.chance(70) {
            let location = s.world.cast.workspace_location(s.person(who).workspace);
            let server = Context { ip: internet::app_server(n), ..oauth::server(&app, location) };
            s.act_with("app_installed", s.person(who), entity(), &server, |o| {
                o.flag("is_internal_integration", false).str("app_owner_id", "");
                o.flag("is_token_rotation_enabled_app", false);
            });
        }
        s.pause(3 * MINUTE);
    }
}

fn weakened_by_one_used_by_another(s: &mut Script<'_>) {
    let (admin, member) = (s.admin(), s.member());
    let (by, who) = (s.person(admin), s.person(member));
    let console = s.console(admin);
    let links = s.chance(60);
    let (pref, before, after) = if links {
        ("pref.disallow_public_file_urls", r#""true""#, r#""false""#)
    } else {
        ("pref.block_file_download_for_unapproved_ip", r#""true""#, r#""false""#)
    };
    s.set(pref, by, &console, before, after);
    s.pause(2 * HOUR);
    let desk = s.desk(member);
    let ip = s.world.home_ip(member, s.stage.day_of(member));
    let context = if links { desk } else { Context { ip, ..desk } };
    for n in 0..s.between(3, 9) {
        let file = s.world.some_file(&mut s.stage.dice);
        if links {
            s.bare("file_public_link_created", who, s.world.file(file), &context);
        } else {
            s.download(who, file, &context);
        }
        if n == 1 {
            s.decisive();
        }
        s.pause(6 * MINUTE);
    }
}
