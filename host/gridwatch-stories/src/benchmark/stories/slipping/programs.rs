//! Apps, tokens and assistants, and organizations and apps that look like others.

use super::{Script, Tale};
use crate::benchmark::Level;
use crate::benchmark::SECS_A_DAY;
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::stories::tale::Wanted::AtLeast;
use crate::benchmark::stories::{Plot, SCRIPT};
use crate::benchmark::trades::read_by_tool;
use crate::benchmark::workday::assistant;
use crate::benchmark::world::STRANGER;
use crate::internet::NetworkKind::Hosting;
use crate::org::cast::{App, Person};
use crate::org::entry::{Context, Entity};
use crate::org::{entities, oauth};
use crate::wire::{Obj, object};

pub(super) const TALES: &[Tale] = &[
    Tale {
        plot: Plot {
            name: "sleeper-app-wakes",
            about: "An app that was added half a year ago, and has done nothing for 120 days, reads files.",
            references: &["Salesloft Drift 2025", "T1671", "T1528"],
            families: &["app-awake"],
            tell: sleeper_app_wakes,
        },
        takes: [1, 0, 0],
        days: 2,
        told: "which app woke after how long, what it read, from where, and who had installed it",
        wanted: AtLeast(Level::Medium, 6 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "app-changes-after-install",
            about: "A modest app gets a second maker, wider scopes (the entry's entity is not the app) and then reads.",
            references: &["T1671", "T1098.003", "SAT1010"],
            families: &["app-after-installation"],
            tell: app_changes_after_install,
        },
        takes: [1, 0, 0],
        days: 6,
        told: "which app may now reach what, who changed it, and that it reads already",
        wanted: AtLeast(Level::Medium, 2 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "quiet-app-reads-all-day",
            about: "An app that only ever wrote reads some twenty-five files an hour for most of a day, from its maker's cloud.",
            references: &["Salesloft Drift 2025", "T1528", "T1119"],
            families: &["app-day"],
            tell: quiet_app_reads_all_day,
        },
        takes: [1, 0, 0],
        days: 2,
        told: "the app read so many files today and never did before",
        wanted: AtLeast(Level::Medium, 10 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "token-minted-then-used",
            about: "In somebody's browser a token is made, and within hours it is used from a rented server.",
            references: &["T1528", "T1550.001", "SAT1036"],
            families: &["minted-then-used"],
            tell: token_minted_then_used,
        },
        takes: [1, 0, 0],
        days: 1,
        told: "whose token was made when, and where it is used",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "assistant-for-its-owner",
            about: "Somebody's assistant goes through private channels for days and posts into a shared one.",
            references: &["Slack AI prompt injection 2024", "T1213.005", "T1119"],
            families: &["looked-at", "collected-slowly"],
            tell: assistant_for_its_owner,
        },
        takes: [1, 0, 0],
        days: 8,
        told: "whose assistant read so many channels, private ones among them, and where it wrote",
        wanted: AtLeast(Level::Medium, 12 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "look-alike-app",
            about: "An app is added by several people whose name differs from an installed one's in one letter's alphabet.",
            references: &["T1684.001", "T1671", "SAT1019"],
            families: &["look-alike", "scope-grows"],
            tell: look_alike_app,
        },
        takes: [4, 0, 0],
        days: 4,
        told: "an app looks like which other one, who added it, what it may read",
        wanted: AtLeast(Level::Medium, HOUR),
    },
    Tale {
        plot: Plot {
            name: "look-alike-partner",
            about: "An organization whose name and mail look like a known partner's is connected, and takes a few files.",
            references: &["T1684.001", "T1199", "SAT1019"],
            families: &["look-alike"],
            tell: look_alike_partner,
        },
        takes: [1, 0, 0],
        days: 3,
        told: "which organization looks like which partner, who let it in, what its people took",
        wanted: AtLeast(Level::Medium, HOUR),
    },
];

fn app(s: &mut Script<'_>, name: &'static str, scopes: &'static [&'static str]) -> App {
    let app = App { id: s.stage.dice.id("A"), name, scopes, bot_scopes: &[] };
    s.also(app.id.clone());
    app
}

fn entity(app: &App) -> Entity {
    Entity { kind: "app", body: entities::app_body(app, false) }
}

fn added(o: &mut Obj<'_>, owner: &str) {
    o.flag("is_internal_integration", true).str("app_owner_id", owner).flag("is_token_rotation_enabled_app", false);
}

/// The app's own acts, from an address that it keeps.
fn through(s: &mut Script<'_>, who: usize, app: &App, rented: bool) -> Context {
    let location = s.world.cast.workspace_location(s.person(who).workspace);
    let by_app = Some(entities::app_body(app, false));
    let server = oauth::server(app, location);
    if rented {
        let ip = s.address(Hosting);
        return Context { ip, ua: SCRIPT.into(), app: by_app, ..server };
    }
    Context { app: by_app, ..server }
}

/// What it did in its first weeks is no part of the story, and lies before the organization's other entries.
fn sleeper_app_wakes(s: &mut Script<'_>) {
    let owner = s.member();
    let who = s.person(owner);
    let robot = app(s, "Quarterly Numbers", &["files:read", "channels:history", "groups:history", "chat:write"]);
    let theirs = through(s, owner, &robot, false);
    let wakes = s.stage.at;
    let (slept, lived) = (s.between(121, 160), s.between(10, 40));
    s.meanwhile(|s| {
        s.stage.at = wakes - (slept + lived) * SECS_A_DAY;
        let desk = s.desk(owner);
        s.act_with("app_installed", who, entity(&robot), &desk, |o| added(o, &who.user.id));
        for _ in 0..4 {
            s.pause(2 * SECS_A_DAY);
            s.bare("file_uploaded", who, s.world.file(s.stage.at), &theirs);
        }
    });
    s.stage.at = wakes;
    let elsewhere = s.chance(60);
    let context = through(s, owner, &robot, elsewhere);
    let count = s.between(15, 60);
    let gap = s.between(2, 9) * MINUTE;
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..count {
        s.download(who, first + n, &context);
        s.decisive_at(n, 5);
        s.pause(gap);
    }
}

const MODEST: &[&str] = &["chat:write", "users:read"];
const WIDE: &[&str] = &["chat:write", "users:read", "channels:history", "groups:history", "im:history", "files:read"];

fn app_changes_after_install(s: &mut Script<'_>) {
    let owner = s.member();
    let who = s.person(owner);
    let modest = app(s, "Shift Planner", MODEST);
    let wide = App { id: modest.id.clone(), name: modest.name, scopes: WIDE, bot_scopes: &[] };
    let desk = s.desk(owner);
    s.meanwhile(|s| s.act_with("app_installed", who, entity(&modest), &desk, |o| added(o, &who.user.id)));
    let later = s.between(1, 3);
    s.wait(later * SECS_A_DAY);
    let mut steps = vec![
        ("app_collaborator_added", s.chance(70)),
        ("app_manifest_updated", s.chance(70)),
        ("app_variable_added", s.chance(40)),
    ];
    if s.chance(50) {
        steps.reverse();
    }
    let desk = s.desk(owner);
    let second = s.stage.dice.id("U");
    for (action, taken) in steps {
        if !taken {
            continue;
        }
        if action == "app_collaborator_added" {
            s.act_with(action, who, entity(&modest), &desk, |o| {
                o.str("target_user_id", &second).str("app_owner_id", &who.user.id);
                o.flag("is_internal_integration", true);
            });
        } else {
            s.act(action, who, entity(&modest), &desk);
        }
        s.pause(25 * MINUTE);
    }
    // Slack's own examples have a workspace there, and its types an app.
    let of = match s.between(0, 2) {
        0 => entity(&wide),
        1 => entities::workspace(&s.world.cast, who.workspace),
        _ => entities::user(who),
    };
    s.act_with("app_scopes_expanded", who, of, &desk, |o| {
        o.flag("is_internal_integration", true).strs("new_scopes", WIDE).strs("previous_scopes", MODEST);
        o.str("app_id", &modest.id);
    });
    s.decisive();
    s.pause(40 * MINUTE);
    let context = through(s, owner, &wide, true);
    let count = s.between(8, 18);
    s.take_files(who, count, 3 * MINUTE, &context);
}

fn quiet_app_reads_all_day(s: &mut Script<'_>) {
    let owner = s.member();
    let who = s.person(owner);
    let writer = app(s, "Release Notes", &["chat:write", "files:write", "files:read"]);
    let context = through(s, owner, &writer, false);
    let begin = s.stage.at;
    s.meanwhile(|s| {
        for day in (1..=5).rev() {
            s.stage.at = begin - day * SECS_A_DAY;
            let file = s.world.some_file(&mut s.stage.dice);
            s.bare("file_uploaded", who, s.world.file(file), &context);
        }
    });
    s.stage.at = begin;
    let (hours, an_hour) = (s.between(12, 15), s.between(20, 26));
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..hours * an_hour {
        s.download(who, first + n, &context);
        s.decisive_at(n, 120);
        s.wait(HOUR / an_hour);
    }
}

/// By an app of the victim's own or at Slack's command line.
fn token_minted_then_used(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    s.ordinary_work(victim);
    let desk = s.desk(victim);
    let ip = s.address(Hosting);
    let context = if s.chance(55) {
        let own = app(s, "My Export", &["channels:history", "groups:history", "files:read", "search:read"]);
        s.act_with("app_installed", who, entity(&own), &desk, |o| added(o, &who.user.id));
        Context { ip, ..through(s, victim, &own, true) }
    } else {
        let at_command_line =
            Context { ua: "slack-cli/3.4.0".into(), session: crate::org::entry::Session::Null, ..desk };
        s.bare("cli_login", who, entities::workspace(&s.world.cast, who.workspace), &at_command_line);
        Context { ip, ..at_command_line }
    };
    s.pause(90 * MINUTE);
    let count = s.between(6, 20);
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..count {
        s.download(who, first + n, &context);
        if n == 0 {
            s.decisive();
        }
        s.pause(3 * MINUTE);
    }
}

fn assistant_for_its_owner(s: &mut Script<'_>) {
    let owner = s.member();
    let who = s.person(owner);
    s.also(s.world.assistant.id.clone());
    let context = assistant(s.world, owner);
    let private: Vec<usize> = s.world.private_channels().collect();
    // It begins somewhere among the private ones.
    let turned = s.stage.dice.below(private.len() as u64) as usize;
    let mut channels: Vec<usize> = private.into_iter().chain(s.world.public_channels()).collect();
    channels.rotate_left(turned);
    let mut read = 0;
    for _ in 0..s.between(2, 3) {
        let morning = s.stage.at;
        for _ in 0..s.between(50, 80) {
            let channel = channels[read as usize % channels.len()];
            let action =
                if read % 5 == 4 { "mcp_slack_read_thread_tool_called" } else { "mcp_slack_read_channel_tool_called" };
            read_by_tool(&mut s.stage, action, who, channel, &context);
            s.decisive_at(read, 80);
            read += 1;
            s.pause(4 * MINUTE);
        }
        s.stage.at = morning;
        s.next_workday();
    }
    for _ in 0..s.between(1, 4) {
        let shared = s.world.some_channel(&mut s.stage.dice);
        read_by_tool(&mut s.stage, "mcp_slack_send_message_tool_called", who, shared, &context);
        s.pause(2 * MINUTE);
    }
}

/// Cyrillic letters, a full stop that isn't one, a digit, two letters that look like one.
const APPS_LIKE_OTHERS: &[&str] =
    &["Zооm", "Gооgle Drive", "Jira CIoud", "PagerDuty\u{200b}", "Рolly", "Calend1y", "Fiɡma"];

fn look_alike_app(s: &mut Script<'_>) {
    let count = s.between(2, 4);
    let people: Vec<usize> = (0..count).map(|_| s.member()).collect();
    let name = *s.stage.dice.pick(APPS_LIKE_OTHERS);
    let false_friend = app(s, name, &["channels:history", "files:read", "users:read.email"]);
    let ip = s.address(Hosting);
    for (n, &i) in people.iter().enumerate() {
        let who = s.person(i);
        let location = s.world.cast.workspace_location(who.workspace);
        let server = Context { ip: ip.clone(), ..oauth::server(&false_friend, location) };
        let body = object(|o| {
            o.str("id", &false_friend.id).str("name", false_friend.name).flag("is_distributed", true);
            o.flag("is_directory_approved", false).flag("is_workflow_app", false);
            o.strs("scopes", false_friend.scopes).strs("bot_scopes", &[] as &[&str]);
        });
        s.act_with("app_installed", who, Entity { kind: "app", body }, &server, |o| {
            o.flag("is_internal_integration", false).str("app_owner_id", "");
            o.flag("is_token_rotation_enabled_app", false);
        });
        if n == 0 {
            s.decisive();
        }
        s.pause(9 * HOUR);
    }
}

/// (name that looks like a known partner's, its mail domain)
const PARTNERS_LIKE_OTHERS: &[(&str, &str)] = &[
    ("Fabrikаm", "fabrikam-group.example"),
    ("Fabrikarn", "fabrikarn.example"),
    ("Tai1spin", "tai1spin.example"),
    ("Northvvind", "northvvind.example"),
    ("Contоso / Südwest", "c0ntoso.example"),
];

fn look_alike_partner(s: &mut Script<'_>) {
    let host = s.member();
    let by = s.person(host);
    let desk = s.desk(host);
    let (name, domain) = *s.stage.dice.pick(PARTNERS_LIKE_OTHERS);
    let team = s.stage.dice.id("T");
    let contacts: Vec<Person> = (0..s.between(1, 2)).map(|n| contact(s, n, domain, &team)).collect();
    let stranger = &s.world.partners[STRANGER];
    let theirs = Context { ua: contacts[0].desktop_ua.clone(), ..s.world.outside(stranger, 0) };
    let invite = s.stage.dice.id("I");
    let channels: Vec<usize> = s.world.private_channels().collect();
    let fill = |o: &mut Obj<'_>| {
        o.str("invite_id", &invite).str("external_organization_id", &team).str("external_organization_name", name);
        o.str("external_user_email", &contacts[0].user.email);
    };
    for n in 0..s.between(1, 3) {
        let channel = *s.stage.dice.pick(&channels);
        s.act_with("external_shared_channel_invite_sent", by, s.world.channel(channel), &desk, fill);
        s.pause(20 * MINUTE);
        s.act_with("external_shared_channel_invite_accepted", &contacts[0], s.world.channel(channel), &theirs, fill);
        if n == 0 {
            s.decisive();
        }
        s.wait(4);
        s.act_with("external_shared_channel_connected", &contacts[0], s.world.channel(channel), &theirs, fill);
        s.pause(30 * MINUTE);
    }
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..s.between(3, 8) {
        s.download(&contacts[(n % contacts.len() as u64) as usize], first + n, &theirs);
        s.pause(40 * MINUTE);
    }
}

fn contact(s: &mut Script<'_>, n: u64, domain: &str, team: &str) -> Person {
    let id = s.stage.dice.id("U");
    let user = crate::org::User {
        id,
        name: format!("contact{n}"),
        email: format!("contact{n}@{domain}"),
        role: crate::org::Role::Member,
    };
    let ua = crate::benchmark::clients::desktop(s.between(0, 1 << 30), 0);
    crate::org::cast::machine(user, Some(team), 0, &ua, &mut s.stage.dice)
}
