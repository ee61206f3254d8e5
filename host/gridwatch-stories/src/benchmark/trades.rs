//! What people do for a living in organizations of other shapes than the mixed one, and what goes on around them there.
//!
//! Much of it looks bad to a careless rule: finance takes dozens of files when a month ends, recruiting asks strangers in,
//! marketing makes links that anybody can open, a developer's script makes Slack suspicious for weeks.

use super::life::{Job, weekday};
use super::stage::{HOUR, MINUTE, Stage};
use super::workday::Scene;
use super::workday::Scene::{
    Act, AskGuest, AskPartner, AskSlackbot, Assistant, Browse, CloseBooks, Download, GatherAssets,
};
use super::workday::Scene::{Huddle, Join, Leave, OddScript, OwnApp, Video};
use super::world::{Device, STRANGER, newcomer};
use crate::internet;
use crate::org::cast::{App, DOMAINS, Person};
use crate::org::entry::{Context, Session};
use crate::org::{Role, details, entities, names};
use crate::wire::{Obj, object};

const FINANCE: &[(u64, Scene)] = &[
    (50, Download),
    (25, CloseBooks),
    (20, Act("file_uploaded", "file")),
    (20, Act("file_shared", "file")),
    (25, Act("list_row_updated", "list")),
    (10, Act("slack_ai_file_summary_generated", "file")),
    (3, Act("list_downloaded", "list")),
    (2, Act("canvas_access_added", "canvas")),
];
const MARKETING: &[(u64, Scene)] = &[
    (40, Act("file_uploaded", "file")),
    (12, GatherAssets),
    (6, Act("file_public_link_created", "file")),
    (4, Act("file_public_link_revoked", "file")),
    (3, Act("canvas_linksharing_enabled", "canvas")),
    (15, Act("canvas_shared", "canvas")),
    (4, AskPartner),
    (1, AskGuest),
    (8, Act("emoji_added", "workspace")),
];
const RECRUITING: &[(u64, Scene)] = &[
    (40, Download),
    (4, AskGuest),
    (3, AskPartner),
    (10, Act("file_shared", "file")),
    (20, Act("list_row_created", "list")),
    (20, Act("list_row_updated", "list")),
];
const EXECUTIVE: &[(u64, Scene)] = &[
    (60, Act("slack_ai_summary_requested", "workspace")),
    (20, Act("slack_ai_file_summary_generated", "file")),
    (30, Assistant),
    (15, AskSlackbot),
    (12, Act("private_message_forwarded", "message")),
    (40, Huddle),
];
const CONTRACTOR: &[(u64, Scene)] = &[
    (40, Download),
    (20, Act("file_uploaded", "file")),
    (10, Act("canvas_edited", "canvas")),
    (10, Join),
    (6, Browse),
];
const AGENT: &[(u64, Scene)] = &[
    (60, Join),
    (50, Leave),
    (50, Act("list_row_updated", "list")),
    (40, Act("canvas_opened", "canvas")),
    (30, Download),
    (12, AskSlackbot),
    (6, Act("slack_ai_message_translation_generated", "message")),
];
/// Of the factory: little, and all of it about the line.
pub(super) const WORKER: &[(u64, Scene)] = &[
    (40, Act("canvas_opened", "canvas")),
    (40, Act("list_row_updated", "list")),
    (25, Act("list_opened", "list")),
    (20, Act("file_uploaded", "file")),
    (12, Download),
    (6, Video),
    (4, Huddle),
    (3, Act("slack_ai_message_translation_generated", "message")),
    (2, Join),
];
const IT: &[(u64, Scene)] = &[
    (10, Act("audit_logs_records_searched", "workspace")),
    (12, Act("list_row_updated", "list")),
    (6, Act("public_channel_preview", "channel")),
    (4, OwnApp),
    (8, Assistant),
];

const DEVELOPER: &[(u64, Scene)] = &[
    (20, Act("cli_login", "workspace")),
    (8, Act("app_manifest_updated", "app")),
    (1, OwnApp),
    (14, Assistant),
    (5, AskSlackbot),
    (8, OddScript),
    (6, Act("workflow_v2_published", "workflow_v2")),
];

/// What a job adds to what everybody does, where it is something else than in the mixed organization.
pub(super) fn of_job(job: Job) -> &'static [(u64, Scene)] {
    match job {
        Job::Finance => FINANCE,
        Job::Marketing => MARKETING,
        Job::Recruiting => RECRUITING,
        Job::Executive => EXECUTIVE,
        Job::Contractor => CONTRACTOR,
        Job::Agent => AGENT,
        Job::It => IT,
        Job::Developer => DEVELOPER,
        _ => &[],
    }
}

/// The last two workdays of a month and the first three of the next, more or less.
pub(super) fn closes_books(day: u64) -> bool {
    let Ok(at) = jiff::Timestamp::from_second((day * super::SECS_A_DAY) as i64) else { return false };
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    !matches!(weekday(day), 0 | 6) && (date.day() <= 4 || date.day() + 2 > date.days_in_month())
}

pub(super) fn close_books(stage: &mut Stage<'_>, person: &Person, context: &Context) {
    let first = stage.world.some_file(&mut stage.dice);
    for n in 0..stage.dice.between(18, 40) {
        stage.download(person, first + n, context);
        stage.pause(5 * MINUTE);
    }
}

/// Somebody from outside gets an account for a while, comes in from wherever they are, and reads what they were asked for.
pub(super) fn ask_guest(stage: &mut Stage<'_>, host: &Person, context: &Context) {
    let world = stage.world;
    let team = &world.cast.workspaces[host.workspace].id;
    let number = stage.dice.between(10_000, 99_999) as usize;
    let (name, mailbox) = names::person(&mut stage.dice, number);
    let id = stage.dice.id("U");
    let guest = newcomer(&id, &name, &format!("{mailbox}@partner.example"), Role::Guest, team);
    stage.act("guest_created", host, guest.clone(), context);
    stage.act("guest_expiration_set", host, guest.clone(), context);
    stage.pause(5 * HOUR);
    let (ua, at_home) = (super::clients::desktop(stage.dice.below(1 << 32), 0), stage.dice.below(1 << 20));
    let theirs = Context {
        location: world.cast.workspace_location(host.workspace),
        ua,
        ip: internet::address(&internet::homes(host.office)[1], at_home),
        session: Session::Number(crate::org::cast::session(&mut stage.dice)),
        app: None,
        agent: None,
    };
    let channel = world.some_channel(&mut stage.dice);
    stage.record("guest_joined_workspace", &guest.body, guest.clone(), &theirs, None);
    let invited = object(|o| {
        o.str("type", "INVITED").raw("inviter", &host.wire).flag("is_workflow", false);
    });
    stage.record("guest_channel_join", &guest.body, world.channel(channel), context, Some(invited));
    for _ in 0..stage.dice.below(4) {
        let file = world.some_file(&mut stage.dice);
        stage.pause(20 * MINUTE);
        let file = world.file(file);
        stage.record("file_downloaded", &guest.body, file, &theirs, None);
    }
}

/// A known partner, by a shared channel or a direct message; with the keys that Slack's own types have for it.
pub(super) fn ask_partner(stage: &mut Stage<'_>, host: &Person, context: &Context) {
    let world = stage.world;
    let n = stage.dice.below(STRANGER as u64) as usize;
    let partner = &world.partners[n];
    let nth = stage.dice.below(partner.people.len() as u64) as usize;
    let (contact, theirs) = (&partner.people[nth], world.outside(partner, nth));
    let invite = stage.dice.id("I");
    let fill = |o: &mut Obj<'_>| {
        o.str("invite_id", &invite).str("external_organization_id", &partner.team);
        o.str("external_organization_name", partner.name).str("external_user_email", &contact.user.email);
    };
    if stage.dice.percent(40) {
        stage.act_with("connect_dm_invite_generated", host, entities::user(host), context, fill);
        stage.pause(HOUR);
        return stage.act_with("connect_dm_invite_accepted", contact, entities::user(contact), &theirs, fill);
    }
    let channel = world.some_channel(&mut stage.dice);
    for (action, who, from) in [
        ("external_shared_channel_invite_sent", host, context),
        ("external_shared_channel_invite_accepted", contact, &theirs),
        ("external_shared_channel_connected", contact, &theirs),
    ] {
        stage.act_with(action, who, world.channel(channel), from, fill);
        stage.pause(10 * MINUTE);
    }
}

/// Slack's own assistant acts for somebody, at their address, and says so; it also uses the tools that others have.
pub(super) fn ask_slackbot(stage: &mut Stage<'_>, person: &Person, context: &Context) {
    let context = Context { agent: Some("Slackbot"), ..context.clone() };
    for _ in 0..stage.dice.between(1, 4) {
        let world = stage.world;
        match stage.dice.below(4) {
            0 => {
                let channel = world.some_channel(&mut stage.dice);
                read_by_tool(stage, "mcp_slack_read_channel_tool_called", person, channel, &context);
            }
            1 => {
                let file = world.some_file(&mut stage.dice);
                stage.bare("slack_ai_file_summary_generated", person, world.file(file), &context);
            }
            2 => stage.bare("slack_ai_summary_requested", person, entities::enterprise(&world.cast), &context),
            _ => stage.act("slack_ai_skill_invoked", person, entities::user(person), &context),
        }
        stage.pause(12);
    }
}

/// A tool that reads one channel, with the keys of Slack's own types: which of them stand together is a guess.
pub(crate) fn read_by_tool(stage: &mut Stage<'_>, action: &str, person: &Person, channel: usize, context: &Context) {
    let world = stage.world;
    let id = world.cast.channels[channel].id.clone();
    let tool = action.trim_start_matches("mcp_").trim_end_matches("_tool_called").to_owned();
    // Only what reads one channel is about that channel.
    let of_one = tool.contains("channel") || tool.contains("thread");
    let entity = if of_one { world.channel(channel) } else { entities::enterprise(&world.cast) };
    let argument = if of_one { "channel_id" } else { "query" };
    let value = if of_one { id } else { "plan".to_owned() };
    stage.act_with(action, person, entity, context, |o| {
        o.str("tool_name", &tool).strs("argument_keys", &[argument]);
        o.obj("arguments", |arguments| {
            arguments.str(argument, &value);
        });
        o.flag("success", true).flag("read_only", !tool.contains("send")).flag("destructive", false);
    });
}

/// Slack says what it finds odd of a program that signs in as its owner: day after day, in one of three ways.
pub(super) fn odd_script(stage: &mut Stage<'_>, person: &Person, context: &Context) {
    let acted_us = details::detected_act_us(stage.at, &mut stage.dice);
    let reason = *stage.dice.pick(&["user_agent", "unexpected_client", "unexpected_api_call_volume"]);
    stage.act_with("anomaly", person, entities::user(person), context, |o| {
        o.uint("action_timestamp", acted_us).str("location", "Germany").strs("reason", &[reason]);
        match reason {
            "user_agent" => o.str("previous_ua", "python-requests/2.32.3"),
            "unexpected_client" => o.str("detected_client", "python").str("detected_os", "linux"),
            _ => o.str("api_call_method", "conversations.history"),
        };
    });
}

/// How often a thousand people have it on a workday, between which hours of UTC, and what.
pub(super) struct Custom(pub(super) u64, pub(super) [u64; 2], pub(super) fn(&mut Stage<'_>));

/// What organizations of other shapes do as such, beside what the mixed one does.
pub(super) const CUSTOMS: &[Custom] = &[
    Custom(6, [3, 5], sync_profiles),
    Custom(1, [8, 16], lend_admin_role),
    Custom(1, [2, 4], archive_of_the_day),
    Custom(2, [7, 17], change_an_app),
    Custom(3, [6, 18], tool_of_a_vendor),
    Custom(2, [7, 17], clean_up_after_oneself),
    Custom(1, [7, 17], block_a_download),
];

fn anybody(stage: &mut Stage<'_>) -> usize {
    let day = stage.today();
    stage.world.anybody(day, &mut stage.dice)
}

fn it(stage: &mut Stage<'_>) -> (usize, Context) {
    let staff: Vec<usize> = stage.world.staff(Job::It).collect();
    let i = *stage.dice.pick(&staff);
    let context = stage.desk(i);
    (i, context)
}

/// The directory of the personnel department is the truth about titles: captured provisioning writes profiles by the dozen.
fn sync_profiles(stage: &mut Stage<'_>) {
    for _ in 0..stage.dice.between(1, 8) {
        let who = anybody(stage);
        let person = stage.world.person(who);
        let profile = |title: &str| {
            object(|o| {
                o.str("real_name", &person.user.name).str("display_name", &person.user.name).str("title", title);
            })
        };
        let (before, after) = (profile("Associate"), profile("Senior Associate"));
        stage.provision_with("user_profile_updated", entities::user(person), |o| {
            o.raw("previous_profile", &before).raw("new_profile", &after);
        });
        let secs = stage.dice.below(3);
        stage.wait(secs);
    }
}

/// The help desk gives somebody a system role for an afternoon.
fn lend_admin_role(stage: &mut Stage<'_>) {
    let (by, context) = it(stage);
    let to = stage.anybody_but(by);
    let world = stage.world;
    let scope = stage.dice.pick(&world.cast.workspaces).id.clone();
    stage.assign_role(4, world.person(by), world.person(to), &scope, &context);
    stage.pause(3 * HOUR);
    let details = crate::org::background::role_details(&world.person(to).user.id, &scope);
    stage.record("role_removed", &world.person(by).wire, entities::system_role(4), &context, Some(details));
}

/// The compliance vendor takes what was said the day before.
fn archive_of_the_day(stage: &mut Stage<'_>) {
    let world = stage.world;
    let context = world.service_context(&world.backup);
    for action in ["scheduled_export_started", "scheduled_export_completed", "scheduled_export_downloaded"] {
        let until = stage.at;
        stage.act_with(action, &world.backup.account, entities::enterprise(&world.cast), &context, |o| {
            o.str("export_type", "DAILY").str("export_start_ts", &details::day_and_time(until - 86_400));
            o.str("export_end_ts", &details::day_and_time(until));
        });
        stage.pause(25 * MINUTE);
    }
}

/// A developer's own app gets a colleague, and another version.
fn change_an_app(stage: &mut Stage<'_>) {
    let (who, with) = (anybody(stage), anybody(stage));
    let world = stage.world;
    let (person, other) = (world.person(who), world.person(with));
    let context = stage.desk(who);
    let app = App {
        id: stage.dice.id("A"),
        name: "Deploy Notes",
        scopes: &[],
        bot_scopes: &["chat:write", "incoming-webhook"],
    };
    let entity = crate::org::entry::Entity { kind: "app", body: entities::app_body(&app, false) };
    stage.act_with("app_collaborator_added", person, entity.clone(), &context, |o| {
        o.str("target_user_id", &other.user.id).str("app_owner_id", &person.user.id);
        o.flag("is_internal_integration", true);
    });
    stage.pause(HOUR);
    stage.act("app_manifest_updated", person, entity, &context);
}

/// An assistant of a vendor's, let in by its owner, at the vendor's.
fn tool_of_a_vendor(stage: &mut Stage<'_>) {
    const TOOLS: &[&str] = &[
        "mcp_slack_search_public_tool_called",
        "mcp_slack_read_channel_tool_called",
        "mcp_slack_read_thread_tool_called",
        "mcp_slack_read_user_profile_tool_called",
        "mcp_slack_list_user_channels_tool_called",
    ];
    let who = anybody(stage);
    let world = stage.world;
    let context = super::workday::assistant(world, who);
    for _ in 0..stage.dice.between(1, 9) {
        let (action, channel) = (*stage.dice.pick(TOOLS), world.some_channel(&mut stage.dice));
        read_by_tool(stage, action, world.person(who), channel, &context);
        stage.pause(8);
    }
}

/// Somebody takes back some things that they wrote or uploaded.
fn clean_up_after_oneself(stage: &mut Stage<'_>) {
    let who = anybody(stage);
    let world = stage.world;
    let context = stage.at(who, Device::Desktop);
    for _ in 0..stage.dice.between(2, 9) {
        let file = world.some_file(&mut stage.dice);
        stage.bare("file_deleted", world.person(who), world.file(file), &context);
        stage.pause(MINUTE);
    }
}

/// A phone that isn't managed may not take files.
fn block_a_download(stage: &mut Stage<'_>) {
    let who = anybody(stage);
    let world = stage.world;
    let context = stage.at(who, Device::Phone);
    let file = world.some_file(&mut stage.dice);
    stage.bare("file_download_blocked", world.person(who), world.file(file), &context);
}

/// An account of a domain of ours.
pub(crate) fn mailbox(name: &str) -> String {
    format!("{name}@{}", DOMAINS[0])
}
