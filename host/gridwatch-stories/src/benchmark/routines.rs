//! What the organization does as such: provisioning, upkeep, legal work, exports, partners, robots, Slack itself.

use super::SECS_A_DAY;
use super::extension::Shape;
use super::life::{FRIDAY, Job, MONDAY, weekday};
use super::stage::{HOUR, MINUTE, Stage};
use super::trades::{CUSTOMS, Custom};
use super::world::{Device, STRANGER, World, newcomer};
use crate::internet;
use crate::org::cast::DOMAINS;
use crate::org::dice::Dice;
use crate::org::entry::{Context, Entity, location_of};
use crate::org::{Role, SimEntry, background, entities, names, oauth, tail};
use crate::wire::object;

/// On which days something happens.
#[derive(Clone, Copy)]
enum When {
    Daily,
    Workdays,
    /// 0 is Sunday.
    On(u64),
    /// Every so many days.
    Every(u64),
    /// Once, so many days after the first.
    Once(u64),
}

/// How often on such a day.
#[derive(Clone, Copy)]
enum Times {
    Exactly(u64),
    PerThousand(u64),
}

use Times::{Exactly, PerThousand};
use When::{Daily, Every, On, Once, Workdays};

/// A routine begins at a random moment between two hours, UTC.
struct Routine(When, Times, [u64; 2], fn(&mut Stage<'_>));

const ROUTINES: &[Routine] = &[
    Routine(Workdays, PerThousand(3), [5, 7], sync_group),
    Routine(On(2), Exactly(1), [8, 15], promote_by_provisioning),
    Routine(On(4), Exactly(1), [8, 15], demote),
    Routine(Once(6), Exactly(1), [9, 12], promote_by_hand),
    Routine(On(3), Exactly(2), [8, 15], assign_role_in_workspace),
    Routine(Workdays, PerThousand(2), [7, 17], hand_over_channel),
    Routine(Workdays, PerThousand(1), [7, 16], reset_sessions_for_helpdesk),
    Routine(On(3), PerThousand(1), [8, 15], rename_after_marriage),
    Routine(Workdays, PerThousand(1), [8, 16], approve_app),
    Routine(Workdays, PerThousand(20), [6, 18], authorize_again),
    Routine(On(FRIDAY), Exactly(1), [9, 14], remove_directory_app),
    Routine(Daily, Exactly(5), [6, 20], deploy),
    Routine(Workdays, PerThousand(60), [0, 24], bot_upload),
    Routine(Workdays, PerThousand(1), [7, 17], invite_partner),
    Routine(Workdays, PerThousand(2), [7, 17], partner_reads),
    Routine(Workdays, PerThousand(1), [7, 17], partner_direct_message),
    Routine(On(3), Exactly(1), [9, 15], tidy_channels),
    Routine(On(MONDAY), Exactly(1), [9, 15], start_project),
    Routine(On(2), Exactly(1), [9, 14], five_make_fifty_channels),
    Routine(Once(3), Exactly(1), [9, 14], make_workspace),
    Routine(Once(7), Exactly(1), [5, 17], leave_in_a_batch),
    Routine(Once(22), Exactly(1), [5, 17], leave_in_a_batch),
    Routine(Once(6), Exactly(1), [5, 8], come_in_a_batch),
    Routine(On(3), PerThousand(1), [8, 15], hand_over_service),
    Routine(Daily, PerThousand(3), [6, 20], preview_a_link),
    Routine(Daily, Exactly(1), [2, 3], retention_job),
    Routine(Workdays, PerThousand(1), [7, 17], moderate),
    Routine(Workdays, PerThousand(2), [6, 18], dlp_hit),
    Routine(Workdays, Exactly(1), [8, 11], clear_dlp_queue),
    Routine(Every(3), Exactly(1), [9, 12], legal_search),
    Routine(On(2), Exactly(1), [9, 15], hold),
    Routine(Every(13), Exactly(1), [9, 15], release_old_hold),
    Routine(On(0), Exactly(1), [3, 4], weekly_export),
    Routine(Every(10), Exactly(1), [9, 12], compliance_export),
    Routine(Workdays, Exactly(4), [7, 17], search_audit_log),
    Routine(Workdays, Exactly(2), [7, 17], look_at_audit_dashboard),
    Routine(Every(9), Exactly(1), [9, 15], strengthen),
    Routine(Workdays, Exactly(2), [8, 16], quiet_preference),
    Routine(Daily, PerThousand(3), [0, 24], lone_anomaly),
    Routine(Workdays, PerThousand(2), [5, 20], denied_roamer),
    Routine(Workdays, PerThousand(1), [8, 16], public_link),
    Routine(Daily, PerThousand(2), [0, 24], slack_itself),
    Routine(Daily, PerThousand(2), [1, 5], refresh_tokens),
    Routine(Daily, PerThousand(8), [6, 20], long_tail),
];

/// Adds what the organization does on a day, UTC.
pub(crate) fn run(world: &World, day: u64, out: &mut Vec<SimEntry>) {
    let people = world.cast.people.len() as u64;
    for (n, Routine(when, times, [from, to], play)) in ROUTINES.iter().enumerate() {
        let due = match when {
            Daily => true,
            Workdays => !matches!(weekday(day), 0 | 6),
            On(wanted) => weekday(day) == *wanted,
            Every(days) => (day - world.first_day) % days == days - 1,
            Once(days) => day - world.first_day == *days,
        };
        if !due {
            continue;
        }
        let mut dice = Dice::of(world.plan.seed, &[0x40f1, n as u64, day]);
        let times = match times {
            Exactly(times) => *times,
            PerThousand(rate) => (people * rate + dice.below(1000)) / 1000,
        };
        let mut stage = Stage::new(world, dice, 0);
        for _ in 0..times {
            let secs = stage.dice.between(from * HOUR, to * HOUR - 1);
            stage.at = day * SECS_A_DAY + secs;
            play(&mut stage);
        }
        out.append(&mut stage.done);
    }
    customs(world, day, out);
}

/// What only organizations of other shapes do.
fn customs(world: &World, day: u64, out: &mut Vec<SimEntry>) {
    if world.shape == Shape::Mixed || matches!(weekday(day), 0 | 6) {
        return;
    }
    let people = world.cast.people.len() as u64;
    for (n, Custom(rate, [from, to], play)) in CUSTOMS.iter().enumerate() {
        let mut stage = Stage::new(world, Dice::of(world.plan.seed, &[0xc057, n as u64, day]), 0);
        for _ in 0..(people * rate + stage.dice.below(1000)) / 1000 {
            stage.at = day * SECS_A_DAY + stage.dice.between(from * HOUR, to * HOUR - 1);
            play(&mut stage);
        }
        out.append(&mut stage.done);
    }
}

/// One of a job who is not kept for a story.
fn one_of(stage: &mut Stage<'_>, job: Job) -> usize {
    let world = stage.world;
    let staff: Vec<usize> = world.staff(job).filter(|i| *i < world.first_reserved()).collect();
    *stage.dice.pick(&staff)
}

/// An IT person at their desk; those kept for stories do their share, so that they have a past as admins.
fn it_at_desk(stage: &mut Stage<'_>) -> (usize, Context) {
    let staff: Vec<usize> = stage.world.staff(Job::It).collect();
    let i = *stage.dice.pick(&staff);
    let context = stage.desk(i);
    (i, context)
}

fn anybody(stage: &mut Stage<'_>) -> usize {
    let day = stage.today();
    stage.world.anybody(day, &mut stage.dice)
}

fn sync_group(stage: &mut Stage<'_>) {
    let world = stage.world;
    let action = if stage.dice.percent(60) { "user_added_to_usergroup" } else { "user_removed_from_usergroup" };
    let group = entities::any("usergroup", &world.cast, &world.cast.provisioner, &mut stage.dice);
    // A sync writes all of a group's changes at once.
    for _ in 0..stage.dice.between(1, 12) {
        stage.provision(action, group.clone());
    }
    stage.wait(1);
    stage.provision("usergroup_updated", group);
}

/// IT's own people only: the identity provider has a group for it.
fn promote_by_provisioning(stage: &mut Stage<'_>) {
    let (target, _) = it_at_desk(stage);
    stage.provision("role_change_to_admin", entities::user(stage.world.person(target)));
}

fn demote(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let target = anybody(stage);
    let world = stage.world;
    stage.act("role_change_to_user", world.person(by), entities::user(world.person(target)), &context);
}

/// The owner makes somebody else of IT an admin of one more workspace.
fn promote_by_hand(stage: &mut Stage<'_>) {
    let (drawn, _) = it_at_desk(stage);
    let target = drawn.max(1);
    let context = stage.desk(0);
    let world = stage.world;
    stage.act("role_change_to_admin", world.person(0), entities::user(world.person(target)), &context);
}

/// IT gives somebody a system role in one workspace, mostly that of managing its channels.
fn assign_role_in_workspace(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let target = stage.anybody_but(by);
    let world = stage.world;
    let role = stage.dice.weighted(&[(60, 4), (30, 1), (10, 0)]);
    let scope = stage.dice.pick(&world.cast.workspaces).id.clone();
    stage.assign_role(role, world.person(by), world.person(target), &scope, &context);
}

/// Whoever made a channel makes a colleague its manager too, and at times gives the role up.
fn hand_over_channel(stage: &mut Stage<'_>) {
    let (from, to) = (anybody(stage), anybody(stage));
    let context = stage.desk(from);
    let world = stage.world;
    let channel = world.cast.channels[world.some_channel(&mut stage.dice)].id.clone();
    let (from, to) = (world.person(from), world.person(to));
    stage.assign_role(0, from, to, &channel, &context);
    if stage.dice.percent(40) {
        stage.pause(MINUTE);
        let details = background::role_details(&from.user.id, &channel);
        stage.record("role_removed", &from.wire, entities::system_role(0), &context, Some(details));
    }
}

/// One lost phone, one session reset.
fn reset_sessions_for_helpdesk(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let target = anybody(stage);
    let world = stage.world;
    stage.act("user_session_reset_by_admin", world.person(by), entities::user(world.person(target)), &context);
}

fn rename_after_marriage(stage: &mut Stage<'_>) {
    let target = anybody(stage);
    let person = stage.world.person(target);
    stage.provision_with("user_email_updated", entities::user(person), |o| {
        o.str("email", &person.user.email);
    });
}

/// Somebody asked for an app: IT approves it, and whoever asked ends the OAuth flow.
fn approve_app(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let who = anybody(stage);
    let world = stage.world;
    let app = stage.dice.pick(&world.cast.apps);
    stage.act("app_approved", world.person(by), entities::app(app), &context);
    stage.pause(10 * MINUTE);
    let location = location_of(&world.cast, world.person(who), &mut stage.dice);
    stage.done.extend(oauth::install(stage.at, app, world.person(who), location, &world.cast, &mut stage.dice));
}

/// Slack says "expanded" when an app is merely authorized again with the scopes it has.
fn authorize_again(stage: &mut Stage<'_>) {
    let who = anybody(stage);
    let world = stage.world;
    let app = stage.dice.pick(&world.cast.apps);
    let location = location_of(&world.cast, world.person(who), &mut stage.dice);
    stage.done.push(oauth::authorize_again(stage.at, app, world.person(who), location, &mut stage.dice));
}

fn remove_directory_app(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let world = stage.world;
    let app = entities::app(stage.dice.pick(&world.cast.apps));
    stage.act("app_uninstalled", world.person(by), app, &context);
}

/// A robot of the build system brings out the organization's own apps.
fn deploy(stage: &mut Stage<'_>) {
    let world = stage.world;
    let ci = &world.ci;
    let context = world.service_context(ci);
    let app = Entity { kind: "app", body: entities::app_body(&ci.app, false) };
    stage.act("app_manifest_updated", &ci.account, app.clone(), &context);
    stage.wait(20);
    stage.act("app_deployed", &ci.account, app, &context);
}

fn bot_upload(stage: &mut Stage<'_>) {
    let world = stage.world;
    let n = stage.dice.below(world.cast.bots.len() as u64) as usize;
    let bot = &world.cast.bots[n];
    let context = Context {
        ua: bot.desktop_ua.clone(),
        ip: internet::address(internet::app_makers(), 60 + n as u64),
        app: Some(entities::app_body(&world.cast.apps[n], true)),
        ..Context::server_side(world.cast.workspace_location(bot.workspace))
    };
    let id = stage.dice.id("F");
    stage.act("file_uploaded", bot, entities::named_file(&id, "build-report.html", "text/html"), &context);
}

/// (number of a known partner, one of its people)
fn some_partner(stage: &mut Stage<'_>) -> (usize, usize) {
    let n = stage.dice.below(STRANGER as u64) as usize;
    let person = stage.dice.below(stage.world.partners[n].people.len() as u64) as usize;
    (n, person)
}

fn invite_partner(stage: &mut Stage<'_>) {
    let host = anybody(stage);
    let (n, contact) = some_partner(stage);
    let world = stage.world;
    let partner = &world.partners[n];
    let context = stage.desk(host);
    let channel = world.some_channel(&mut stage.dice);
    let teams = [world.cast.enterprise.id.clone(), partner.team.clone()];
    let fill = |o: &mut crate::wire::Obj<'_>| {
        o.str("origin_team", &teams[0]).str("target_team", &teams[1]).flag("is_external_limited", false);
        o.str("external_organization_id", &partner.team).str("external_organization_name", partner.name);
    };
    stage.act_with("external_shared_channel_invite_sent", world.person(host), world.channel(channel), &context, fill);
    stage.pause(HOUR);
    let theirs = world.outside(partner, contact);
    let contact = &partner.people[contact];
    stage.act_with("external_shared_channel_invite_accepted", contact, world.channel(channel), &theirs, fill);
    stage.wait(4);
    stage.act_with("external_shared_channel_connected", contact, world.channel(channel), &theirs, fill);
}

/// Three to seven files, which is what a partner is there for.
fn partner_reads(stage: &mut Stage<'_>) {
    let (n, contact) = some_partner(stage);
    let world = stage.world;
    let context = world.outside(&world.partners[n], contact);
    for _ in 0..stage.dice.between(1, 3) {
        let file = world.some_file(&mut stage.dice);
        stage.download(&world.partners[n].people[contact], file, &context);
        stage.pause(9 * MINUTE);
    }
}

fn partner_direct_message(stage: &mut Stage<'_>) {
    let host = anybody(stage);
    let (n, contact) = some_partner(stage);
    let world = stage.world;
    let (partner, contact) = (&world.partners[n], &world.partners[n].people[contact]);
    let invite = stage.dice.id("I");
    let fill = |o: &mut crate::wire::Obj<'_>| {
        o.str("invite_id", &invite).str("external_organization_id", &partner.team);
        o.str("external_organization_name", partner.name).str("external_user_email", &contact.user.email);
    };
    let context = stage.desk(host);
    let who = world.person(host);
    stage.act_with("connect_dm_invite_generated", who, entities::user(who), &context, fill);
    stage.pause(2 * HOUR);
    stage.act_with("connect_dm_invite_accepted", who, entities::user(who), &context, fill);
}

/// Old channels are archived, some renamed.
fn tidy_channels(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let world = stage.world;
    for _ in 0..stage.dice.between(5, 14) {
        let channel = world.some_channel(&mut stage.dice);
        let public = world.cast.channels[channel].privacy == "public";
        let archive = if public { "public_channel_archive" } else { "private_channel_archive" };
        let action = if stage.dice.percent(25) { "channel_renamed" } else { archive };
        stage.act(action, world.person(by), world.channel(channel), &context);
        stage.pause(40);
    }
}

/// A handful of new channels at once.
fn start_project(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let world = stage.world;
    for n in 0..stage.dice.between(4, 10) {
        stage.make_channel(world.person(by), n % 3 == 0, &context);
        stage.pause(50);
    }
}

/// Five ordinary members set up a project: ten channels each within most of an hour.
fn five_make_fifty_channels(stage: &mut Stage<'_>) {
    let begin = stage.at;
    for _ in 0..5 {
        let maker = anybody(stage);
        stage.at = begin;
        let context = stage.desk(maker);
        for n in 0..10 {
            let channel = stage.make_channel(stage.world.person(maker), n % 2 == 0, &context);
            let colleague = anybody(stage);
            if n % 3 == 0 && colleague != maker {
                let world = stage.world;
                stage.assign_role(0, world.person(maker), world.person(colleague), &channel.id, &context);
            }
            stage.pause(4 * MINUTE);
        }
    }
}

/// The owner makes one more workspace.
fn make_workspace(stage: &mut Stage<'_>) {
    let desk = stage.desk(0);
    let world = stage.world;
    let context = Context { location: world.cast.enterprise_location(), ..desk };
    stage.done.extend(background::make_workspace(stage.at, world.person(0), &context, &mut stage.dice));
}

/// Accounts of people whom the identity provider knows and the log has not seen for long.
fn strangers(stage: &mut Stage<'_>, count: u64) -> Vec<Entity> {
    let team = &stage.world.cast.workspaces[0].id;
    let person = |stage: &mut Stage<'_>| {
        let number = stage.dice.between(10_000, 99_999) as usize;
        let (name, mailbox) = names::person(&mut stage.dice, number);
        let id = stage.dice.id("U");
        newcomer(&id, &name, &format!("{mailbox}@{}", DOMAINS[0]), Role::Member, team)
    };
    (0..count).map(|_| person(stage)).collect()
}

/// A contract ends, or a quarter: 25 leavers in a row, several a second.
fn leave_in_a_batch(stage: &mut Stage<'_>) {
    let world = stage.world;
    for (n, leaver) in strangers(stage, 25).into_iter().enumerate() {
        stage.provision("user_deactivated", leaver.clone());
        for _ in 0..stage.dice.between(1, 3) {
            let group = entities::any("usergroup", &world.cast, &world.cast.provisioner, &mut stage.dice);
            stage.provision("user_removed_from_usergroup", group);
        }
        stage.provision("user_session_invalidated", leaver.clone());
        if n % 10 == 3 {
            let app = entities::app(stage.dice.pick(&world.cast.apps));
            stage.provision_with("app_token_preserved", app, |o| {
                o.strs("scopes", &["chat:write"]);
            });
        }
        let secs = stage.dice.below(3);
        stage.wait(secs);
    }
}

/// The same at the other end: a class of new people, on one morning.
fn come_in_a_batch(stage: &mut Stage<'_>) {
    let world = stage.world;
    for joiner in strangers(stage, 20) {
        stage.provision("user_created", joiner);
        let group = entities::any("usergroup", &world.cast, &world.cast.provisioner, &mut stage.dice);
        stage.provision("user_added_to_usergroup", group);
        let secs = stage.dice.below(2);
        stage.wait(secs);
    }
}

/// A service account gets another owner: Slack has it among the acts on channels, and its entity is a user.
fn hand_over_service(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let world = stage.world;
    let service = [&world.discovery, &world.backup, &world.ci][stage.dice.below(3) as usize];
    stage.bare("service_owner_transferred", world.person(by), entities::user(&service.account), &context);
}

/// A robot that previews links follows one that needs a sign-in, and fails in the name of whoever's link it was.
fn preview_a_link(stage: &mut Stage<'_>) {
    const ROBOTS: &[&str] = &[
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    ];
    let who = anybody(stage);
    let world = stage.world;
    let context = Context {
        ip: internet::app_server(stage.dice.below(60)),
        ua: (*stage.dice.pick(ROBOTS)).into(),
        ..Context::server_side(location_of(&world.cast, world.person(who), &mut stage.dice))
    };
    for _ in 0..stage.dice.between(1, 3) {
        stage.fail_login(world.person(who), &context);
        let secs = stage.dice.below(2);
        stage.wait(secs);
    }
}

const SLACK: &str = r#"{"id":"USLACKUSER","name":"","email":""}"#;

/// Every night what is past its date is deleted, by nobody.
fn retention_job(stage: &mut Stage<'_>) {
    let world = stage.world;
    let context = Context::server_side(world.cast.enterprise_location());
    let amount = stage.dice.between(80, 160);
    for n in 0..amount {
        let (action, entity) = if n % 5 == 0 {
            let file = world.some_file(&mut stage.dice);
            ("file_deleted", world.file(file))
        } else {
            ("message_tombstoned", entities::any("message", &world.cast, world.person(0), &mut stage.dice))
        };
        stage.record(action, SLACK, entity, &context, None);
        stage.wait(stage.at % 3);
    }
}

fn moderate(stage: &mut Stage<'_>) {
    let (by, context) = it_at_desk(stage);
    let world = stage.world;
    for _ in 0..stage.dice.between(2, 8) {
        let message = entities::any("message", &world.cast, world.person(by), &mut stage.dice);
        stage.bare("message_tombstoned", world.person(by), message, &context);
        stage.pause(30);
    }
}

fn dlp_hit(stage: &mut Stage<'_>) {
    let who = anybody(stage);
    let context = stage.desk(who);
    let world = stage.world;
    let message = entities::any("message", &world.cast, world.person(who), &mut stage.dice);
    stage.bare("native_dlp_rule_action_applied", world.person(who), message, &context);
}

/// An analyst clears what were false positives.
fn clear_dlp_queue(stage: &mut Stage<'_>) {
    let by = one_of(stage, Job::Security);
    let context = stage.desk(by);
    let world = stage.world;
    for _ in 0..stage.dice.between(1, 6) {
        let message = entities::any("message", &world.cast, world.person(by), &mut stage.dice);
        stage.bare("native_dlp_violation_deleted", world.person(by), message, &context);
        stage.pause(MINUTE);
    }
}

/// The app that searches for evidence reads many files; the actor is whoever installed it.
fn legal_search(stage: &mut Stage<'_>) {
    let world = stage.world;
    let Some(installer) = world.staff(Job::Counsel).next() else { return };
    let context = world.service_context(&world.discovery);
    let first = world.some_file(&mut stage.dice);
    for n in 0..stage.dice.between(80, 200) {
        stage.download(world.person(installer), first + n, &context);
        stage.pause(9);
    }
}

fn hold_named(stage: &mut Stage<'_>) -> Entity {
    let case = stage.dice.between(1, 40);
    let id = stage.dice.id("Lh");
    let body = object(|o| {
        o.str("id", &id).str("name", &format!("Case 2026-{case}"));
    });
    Entity { kind: "legal_hold_policy", body }
}

fn hold(stage: &mut Stage<'_>) {
    let by = one_of(stage, Job::Counsel);
    let context = stage.desk(by);
    let who = stage.world.person(by);
    let policy = hold_named(stage);
    for action in ["legal_hold_policy_created", "legal_hold_policy_entities_added", "legal_hold_policy_updated"] {
        stage.bare(action, who, policy.clone(), &context);
        stage.pause(6 * MINUTE);
    }
}

/// A case is closed. That night the retention job deletes as ever.
fn release_old_hold(stage: &mut Stage<'_>) {
    let by = one_of(stage, Job::Counsel);
    let context = stage.desk(by);
    let who = stage.world.person(by);
    let policy = hold_named(stage);
    stage.bare("legal_hold_policy_released", who, policy, &context);
}

fn exported(o: &mut crate::wire::Obj<'_>) {
    o.str("export_type", "ALL_TIME_STANDARD");
    o.str("export_start_ts", "2026-01-01 00:00:00").str("export_end_ts", "2026-09-01 00:00:00");
}

/// The same account every Sunday night; it fetches the result the next morning.
fn weekly_export(stage: &mut Stage<'_>) {
    let world = stage.world;
    let context = world.service_context(&world.backup);
    stage.at = stage.today() * SECS_A_DAY + 3 * HOUR;
    for (action, wait) in [
        ("scheduled_export_started", 41 * MINUTE),
        ("scheduled_export_completed", 5 * HOUR),
        ("scheduled_export_downloaded", 0),
    ] {
        stage.act_with(action, &world.backup.account, entities::enterprise(&world.cast), &context, exported);
        stage.wait(wait);
    }
}

fn compliance_export(stage: &mut Stage<'_>) {
    let by = one_of(stage, Job::Compliance);
    let context = stage.desk(by);
    let world = stage.world;
    for action in ["manual_user_export_started", "manual_user_export_completed", "manual_user_export_downloaded"] {
        stage.act_with(action, world.person(by), entities::enterprise(&world.cast), &context, exported);
        stage.pause(25 * MINUTE);
    }
}

fn search_audit_log(stage: &mut Stage<'_>) {
    let by = one_of(stage, Job::Security);
    let context = stage.desk(by);
    let world = stage.world;
    stage.bare("audit_logs_records_searched", world.person(by), entities::enterprise(&world.cast), &context);
}

/// Each page of the dashboard is an entry that calls itself an anomaly.
fn look_at_audit_dashboard(stage: &mut Stage<'_>) {
    let by = if stage.dice.percent(60) { one_of(stage, Job::Security) } else { it_at_desk(stage).0 };
    let desk = stage.desk(by);
    let world = stage.world;
    let context = Context { location: world.cast.enterprise_location(), ..desk };
    for _ in 0..stage.dice.between(3, 12) {
        let enterprise = entities::enterprise(&world.cast);
        stage.bare("audit_logs_records_searched_anomaly", world.person(by), enterprise, &context);
        stage.pause(15);
    }
}

/// Settings made stricter, which no rule should mind.
fn strengthen(stage: &mut Stage<'_>) {
    const STRICTER: &[(&str, &str, &str)] = &[
        ("pref.two_factor_auth_changed", "\"false\"", "\"true\""),
        ("pref.session_duration_changed", "\"2592000\"", "\"1209600\""),
        ("pref.disallow_public_file_urls", "\"false\"", "\"true\""),
        ("pref.app_whitelist_enabled", "\"false\"", "\"true\""),
        ("pref.sso_setting_changed", "\"optional\"", "\"required\""),
    ];
    let (by, context) = it_at_desk(stage);
    let (pref, before, after) = *stage.dice.pick(STRICTER);
    let world = stage.world;
    let context = Context { location: world.cast.enterprise_location(), ..context };
    stage.set(pref, world.person(by), &context, before, after);
}

fn quiet_preference(stage: &mut Stage<'_>) {
    const QUIET: &[&str] =
        &["pref.enterprise_default_channels", "pref.dnd_start_hour", "pref.display_real_names", "pref.allow_huddles"];
    let (by, context) = it_at_desk(stage);
    let action = *stage.dice.pick(QUIET);
    let world = stage.world;
    let place = stage.dice.below(world.cast.workspaces.len() as u64) as usize;
    stage.act(action, world.person(by), entities::workspace(&world.cast, place), &context);
}

/// Slack notices that an address is new; for one in ten, a traveller, that the network is too.
fn lone_anomaly(stage: &mut Stage<'_>) {
    let who = anybody(stage);
    let world = stage.world;
    let context = stage.at(who, Device::Phone);
    let abroad = stage.dice.percent(10);
    let person = world.person(who);
    let day = stage.day_of(who);
    let (before, ua) = (world.home_ip(who, day), context.ua.clone());
    let acted_us = crate::org::details::detected_act_us(stage.at, &mut stage.dice);
    stage.act_with("anomaly", person, entities::user(person), &context, |o| {
        o.uint("action_timestamp", acted_us).str("location", "Unknown");
        o.strs("reason", if abroad { &["asn", "ip_address"] } else { &["ip_address"] });
        o.str("previous_ip_address", &before).str("previous_ua", &ua);
    });
}

/// Somebody tries once without the VPN.
fn denied_roamer(stage: &mut Stage<'_>) {
    let who = anybody(stage);
    let context = stage.at(who, Device::Phone);
    let person = stage.world.person(who);
    stage.act("ip_allowlist_access_denied", person, entities::user(person), &context);
}

/// Made for a press release, and taken back by the more careful.
fn public_link(stage: &mut Stage<'_>) {
    let who = anybody(stage);
    let context = stage.desk(who);
    let world = stage.world;
    let file = world.some_file(&mut stage.dice);
    stage.bare("file_public_link_created", world.person(who), world.file(file), &context);
    if stage.dice.percent(40) {
        stage.pause(3 * HOUR);
        stage.bare("file_public_link_revoked", world.person(who), world.file(file), &context);
    }
}

fn slack_itself(stage: &mut Stage<'_>) {
    let world = stage.world;
    let context = Context::server_side(world.cast.enterprise_location());
    stage.record("usergroup_update_enqueued", SLACK, entities::workspace(&world.cast, 0), &context, None);
}

fn refresh_tokens(stage: &mut Stage<'_>) {
    let world = stage.world;
    let context = world.service_context(&world.ci);
    let by = &world.ci.account;
    let token = entities::any("external_auth_oauth2_token", &world.cast, by, &mut stage.dice);
    stage.act("external_auth_oauth2_token_refreshed", by, token, &context);
}

/// Now and then anything of the catalogue that nobody need be alarmed about.
fn long_tail(stage: &mut Stage<'_>) {
    let world = stage.world;
    // Never a channel, for one of them is a decoy, and nothing that a story could be known by.
    const TELLING: &[&str] = &["data_deletion", "huddle_knock", "transcription", "workflow_trigger"];
    let harmless = |(group, action): &(&str, &str)| {
        entities::kind_for(group, action) != "channel" && !TELLING.iter().any(|part| action.contains(part))
    };
    let quiet: Vec<_> = tail::quiet().into_iter().filter(harmless).collect();
    let (group, action) = *stage.dice.pick(&quiet);
    let everybodys = tail::is_everybodys(group);
    let who = if everybodys { anybody(stage) } else { it_at_desk(stage).0 };
    let context = stage.desk(who);
    let entry = tail::entry((group, action), stage.at, &world.cast, world.person(who), context, &mut stage.dice);
    stage.done.push(entry);
}

#[cfg(test)]
mod tests {
    use super::super::Benchmark;
    use super::*;

    /// Too rare to be found by looking at some days of an organization.
    #[test]
    fn settings_are_only_made_stricter() {
        let plan = Benchmark { users: 300, ..Benchmark::default() };
        let world = World::new(&plan, Shape::Mixed);
        let mut stage = Stage::new(&world, Dice::new(1), plan.from);
        (0..100).for_each(|_| strengthen(&mut stage));
        let mut seen = std::collections::BTreeSet::new();
        for entry in &stage.done {
            let value: serde_json::Value = serde_json::from_str(&entry.json).expect("an entry");
            let text = |key: &str| value["details"][key].as_str().expect("text").to_owned();
            let (before, after) = (text("previous_value"), text("new_value"));
            let stricter = match before.parse::<u64>() {
                Ok(before) => after.parse::<u64>().expect("seconds") < before,
                Err(_) => matches!((&*before, &*after), ("false", "true") | ("optional", "required")),
            };
            assert!(stricter, "{}", entry.json);
            seen.insert(entry.action.clone());
        }
        assert_eq!(seen.len(), 5);
    }
}
