//! One person's day, made of ordinary things that look bad to a careless rule.
//!
//! What only other shapes of organization have is in `trades`.
//!
//! Typing errors and stale phones look like guessing, newcomers like a sweep, a video and a designer like mass download,
//! a commute like a stolen session, a trip like impossible travel. None of it is: every test of that is in
//! `tests/api/benchmark.rs`.

use super::clients;
use super::extension::Shape;
use super::life::{Job, Shift, weekday};
use super::stage::{HOUR, MINUTE, Stage};
use super::trades;
use super::world::{Device, World};
use crate::internet;
use crate::org::cast::App;
use crate::org::dice::{Dice, mixed};
use crate::org::entry::{Context, Entity, Session, location_of};
use crate::org::{Role, SimEntry, entities, oauth};

const VIDEO_ENTRIES: u64 = 19;

/// The sign-ins that were in force when somebody last worked; `None` before their first day.
#[derive(Clone, Copy, Default)]
pub(crate) struct Past {
    desktop: Option<u64>,
    phone: Option<u64>,
}

impl Past {
    /// How things stand before the period: whoever was there already is signed in.
    pub(crate) fn before(world: &World, i: usize) -> Self {
        // Nobody stays signed in on a machine that others use.
        if world.lives[i].first_day > 0 || world.lives[i].job.shares_machines() {
            return Self::default();
        }
        let signed_in = |device| Some(world.signed_in(i, device, world.first_day));
        Self { desktop: signed_in(Device::Desktop), phone: signed_in(Device::Phone) }
    }
}

/// What people do in one go.
#[derive(Clone, Copy)]
pub(super) enum Scene {
    /// By action and entity type.
    Act(&'static str, &'static str),
    Download,
    /// One video played: 19 entries of one file in 38 seconds.
    Video,
    /// Twenty-odd distinct files within an hour.
    GatherAssets,
    Join,
    Leave,
    /// A look into a few channels, some of which are then joined.
    Browse,
    Huddle,
    /// An assistant reads a few things for somebody.
    Assistant,
    MakeChannel,
    /// A harmless app of the directory, by an OAuth flow.
    AddApp,
    /// One that a developer wrote, from its own page.
    OwnApp,
    /// The end of a month: a few dozen files over an afternoon.
    CloseBooks,
    /// Somebody from outside is asked in as a guest.
    AskGuest,
    /// A shared channel or a conversation with somebody of a partner.
    AskPartner,
    /// Slack's own assistant answers, and reads for it.
    AskSlackbot,
    /// Slack finds a script of a developer's odd.
    OddScript,
}

use Scene::{Act, AddApp, Assistant, Browse, Download, GatherAssets, Huddle, Join, Leave, MakeChannel, OwnApp, Video};

/// Of everybody, out of a thousand or so.
const EVERYBODY: &[(u64, Scene)] = &[
    (230, Download),
    (6, Video),
    (80, Act("file_uploaded", "file")),
    (70, Act("file_shared", "file")),
    (5, Act("file_deleted", "file")),
    (110, Act("canvas_opened", "canvas")),
    (50, Act("canvas_edited", "canvas")),
    (10, Act("canvas_created", "canvas")),
    (12, Act("canvas_shared", "canvas")),
    (3, Act("canvas_downloaded", "canvas")),
    (2, Act("canvas_linksharing_enabled", "canvas")),
    (35, Act("list_opened", "list")),
    (20, Act("list_row_updated", "list")),
    (12, Act("list_row_created", "list")),
    (2, Act("list_shared", "list")),
    (1, Act("list_linksharing_enabled", "list")),
    (40, Join),
    (20, Leave),
    (22, Browse),
    (70, Huddle),
    (30, Act("slack_ai_summary_requested", "workspace")),
    (14, Act("slack_ai_file_summary_generated", "file")),
    (6, Act("slack_ai_message_translation_generated", "message")),
    (9, Assistant),
    (8, MakeChannel),
    (1, AddApp),
    (3, Act("emoji_added", "workspace")),
    (2, Act("user_profile_updated", "user")),
    (8, Act("user_added_reminder", "user")),
    (4, Act("private_message_forwarded", "message")),
    (2, Act("message_tombstoned", "message")),
    (3, Act("workflow_published", "workflow")),
    (2, Act("workflow_modified", "workflow")),
    (1, Act("file_public_link_created", "file")),
    (1, Act("user_passkey_name_edited", "user")),
    (2, Act("channel_renamed", "channel")),
];

const DEVELOPER: &[(u64, Scene)] = &[
    (20, Act("cli_login", "workspace")),
    (8, Act("app_manifest_updated", "app")),
    (1, OwnApp),
    (10, Assistant),
    (6, Act("workflow_v2_published", "workflow_v2")),
];
const DESIGNER: &[(u64, Scene)] =
    &[(60, Act("file_uploaded", "file")), (3, GatherAssets), (8, Act("file_public_link_created", "file"))];
const SUPPORT: &[(u64, Scene)] = &[(60, Join), (40, Leave), (30, Act("list_row_updated", "list"))];
const SALES: &[(u64, Scene)] = &[(20, Act("canvas_shared", "canvas")), (6, Act("canvas_access_added", "canvas"))];
/// Guests see little and may create nothing.
const GUEST: &[(u64, Scene)] =
    &[(60, Download), (20, Act("file_uploaded", "file")), (15, Act("canvas_opened", "canvas")), (5, Huddle)];

/// What a job adds to what everybody does.
fn of_job(shape: Shape, job: Job) -> &'static [(u64, Scene)] {
    match job {
        _ if shape != Shape::Mixed && !trades::of_job(job).is_empty() => trades::of_job(job),
        Job::Developer => DEVELOPER,
        Job::Designer => DESIGNER,
        Job::Support => SUPPORT,
        Job::Sales => SALES,
        _ => &[],
    }
}

/// Adds what a person does on the day that has this local date.
pub(crate) fn live(world: &World, i: usize, day: u64, past: &mut Past, out: &mut Vec<SimEntry>) {
    if !world.employs(i, day) {
        return;
    }
    let life = &world.lives[i];
    let mut dice = Dice::of(world.plan.seed, &[0xda11, i as u64, day]);
    let joined = life.first_day == day;
    let scenes = match busy(world, i, day, &mut dice) {
        _ if joined => 6,
        Some(scenes) => scenes,
        None => return,
    };
    let begin = world.midnight(i, day) + 3600 * world.shift(i, day).first_hour() as u64 + dice.between(0, 70 * MINUTE);
    let mut stage = Stage::new(world, dice, begin);
    let mut person = Workday { i, day, stage: &mut stage, gathered: false };
    if joined {
        person.arrive();
    }
    person.sign_in(past);
    if day < life.first_day + 3 && life.first_day > 0 && life.job != Job::Guest {
        person.find_ones_way();
    }
    for _ in 0..scenes {
        // A shift of eight hours and a half, whose last scene may run late.
        let at = begin + person.stage.dice.between(2 * MINUTE, 8 * HOUR + 30 * MINUTE);
        person.stage.at = at;
        person.play();
    }
    if life.job.shares_machines() {
        person.stage.at = begin + 8 * HOUR + 45 * MINUTE;
        person.leave_machine();
    }
    if life.last_day == day {
        person.stage.at = begin + 9 * HOUR;
        person.depart();
    }
    out.append(&mut stage.done);
}

/// How much somebody does that day; `None` when they don't work.
fn busy(world: &World, i: usize, day: u64, dice: &mut Dice) -> Option<u64> {
    let life = &world.lives[i];
    let weekend = matches!(weekday(day), 0 | 6);
    let on_holiday = is_holiday(world.country(i), day);
    // One week in sixteen is a vacation, one day in fifty is spent in bed.
    let vacation = mixed(world.plan.seed, &[0xfaca, i as u64, (day + 3) / 7]).is_multiple_of(16);
    let weekend_shift =
        life.job == Job::Support && mixed(world.plan.seed, &[0x0ca1, i as u64, day / 7]).is_multiple_of(4);
    // A factory and a call-centre know neither weekends nor holidays.
    let by_rota = life.job.shares_machines();
    let off = (weekend || on_holiday) && !by_rota;
    if (off || vacation) && !weekend_shift {
        return dice.percent(5).then(|| dice.between(1, 4));
    }
    if by_rota {
        // Five days out of seven, whichever they are.
        return ((life.phase + day) % 7 < 5).then(|| match life.job {
            Job::Worker => dice.between(2, 6),
            _ => dice.between(8, 20),
        });
    }
    let scenes = match life.job {
        Job::Guest => dice.between(2, 7),
        Job::Executive => dice.between(10, 22),
        _ if life.shift == Shift::Night => dice.between(5, 12),
        _ => dice.between(6, 18),
    };
    (!dice.percent(2)).then_some(scenes)
}

/// Public holidays that fall on workdays of the second half of a year.
fn is_holiday(country: &str, day: u64) -> bool {
    const HOLIDAYS: &[(&str, i8, i8)] = &[
        ("DE", 10, 3),
        ("DE", 12, 25),
        ("US", 9, 7),
        ("US", 11, 26),
        ("US", 12, 25),
        ("IN", 8, 15),
        ("IN", 10, 2),
        ("JP", 9, 21),
        ("JP", 9, 22),
        ("JP", 11, 3),
        ("*", 1, 1),
    ];
    let Ok(at) = jiff::Timestamp::from_second((day * 86_400) as i64) else { return false };
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    HOLIDAYS
        .iter()
        .any(|(of, month, day)| (*of == country || *of == "*") && (date.month(), date.day()) == (*month, *day))
}

struct Workday<'s, 'w> {
    i: usize,
    day: u64,
    stage: &'s mut Stage<'w>,
    /// Nobody gathers assets twice a day.
    gathered: bool,
}

impl Workday<'_, '_> {
    fn context(&mut self, device: Device) -> Context {
        let stage = &mut *self.stage;
        stage.world.context(self.i, device, self.day, stage.at, &mut stage.dice)
    }

    fn any_device(&mut self) -> Context {
        let at_desk = self.stage.dice.percent(78) || self.stage.world.lives[self.i].job.shares_machines();
        self.context(if at_desk { Device::Desktop } else { Device::Phone })
    }

    /// A joiner is created by provisioning, a guest by somebody of the house.
    fn arrive(&mut self) {
        let stage = &mut *self.stage;
        let world = stage.world;
        let person = world.person(self.i);
        let begin = stage.at;
        if person.user.role == Role::Guest {
            let host = world.anybody(self.day, &mut stage.dice);
            stage.at = begin - HOUR;
            let context = stage.desk(host);
            let host = world.person(host);
            stage.act("guest_created", host, entities::user(person), &context);
            stage.act("guest_expiration_set", host, entities::user(person), &context);
            stage.at = begin;
            let context = self.context(Device::Desktop);
            self.stage.act("guest_joined_workspace", person, entities::user(person), &context);
            let channel = self.stage.world.some_channel(&mut self.stage.dice);
            self.stage.invite(person, host, channel, &context);
        } else {
            stage.at = begin - 2 * HOUR;
            stage.provision("user_created", entities::user(person));
            // Several acts of one second are the rule.
            for _ in 0..stage.dice.between(1, 4) {
                let group = entities::any("usergroup", &world.cast, person, &mut stage.dice);
                stage.provision_with("user_added_to_usergroup", group, |o| {
                    o.str("user", &person.user.id);
                });
            }
            stage.at = begin;
            let context = self.context(Device::Desktop);
            self.stage.act("user_joined_workspace", person, entities::user(person), &context);
        }
    }

    /// Signs in on the devices whose session has ended, with what goes wrong at that.
    fn sign_in(&mut self, past: &mut Past) {
        let world = self.stage.world;
        let person = world.person(self.i);
        let now = world.signed_in(self.i, Device::Desktop, self.day);
        let before = past.desktop.replace(now);
        if before != Some(now) {
            let context = self.context(Device::Desktop);
            // The last two bytes number the machine: nobody logs out on one that is gone.
            let shares = world.lives[self.i].job.shares_machines();
            let same_machine = |nth: &u64| !shares && nth & 0xffff == now & 0xffff;
            if let Some(nth) = before.filter(|nth| same_machine(nth) && self.stage.dice.percent(40)) {
                let old = world.nth_session(self.i, Device::Desktop, nth);
                let context = Context { session: Session::Number(old), ..context.clone() };
                self.stage.act("user_logout", person, entities::user(person), &context);
                self.stage.pause(20);
            }
            let errors = self.stage.dice.weighted(&[(860, 0), (95, 1), (35, 2), (10, 5)]);
            for _ in 0..errors {
                self.stage.fail_login(person, &context);
                self.stage.pause(14);
            }
            if errors == 5 {
                // Forgotten: another password by mail, which the phone doesn't know yet.
                self.stage.act("user_password_reset_requested", person, entities::user(person), &context);
                self.stage.pause(3 * MINUTE);
            }
            self.enter(&context);
            if errors == 5 && !shares {
                self.stale_phone();
            }
            if world.lives[self.i].first_day == self.day && self.stage.dice.percent(60) {
                self.stage.pause(5 * MINUTE);
                let context = self.context(Device::Desktop);
                self.stage.act("user_passkey_created", person, entities::user(person), &context);
            }
        }
        if world.lives[self.i].job.shares_machines() {
            return;
        }
        let now = world.signed_in(self.i, Device::Phone, self.day);
        if past.phone.replace(now) != Some(now) {
            self.stage.pause(12 * MINUTE);
            let context = self.context(Device::Phone);
            self.enter(&context);
        }
    }

    /// Those from outside have a password and a second factor of their own, everybody else comes as people of the house do.
    fn enter(&mut self, context: &Context) {
        let life = &self.stage.world.lives[self.i];
        let person = self.stage.world.person(self.i);
        if life.job != Job::Contractor {
            return self.stage.log_in(person, context);
        }
        let second = if life.phase.is_multiple_of(3) { "sms" } else { "totp" };
        self.stage.act_with("user_login", person, entities::user(person), context, |o| {
            o.str("authentication_method", "password").str("secondary_authentication_method", second);
        });
    }

    /// A phone goes on with the old password for some minutes until its owner tells it the new one.
    fn stale_phone(&mut self) {
        let person = self.stage.world.person(self.i);
        let context = self.context(Device::Phone);
        let tries = self.stage.dice.between(8, 14);
        self.stage.pause(4 * MINUTE);
        for _ in 0..tries {
            self.stage.fail_login(person, &context);
            self.stage.pause(35);
        }
        self.stage.pause(20 * MINUTE);
        self.enter(&context);
    }

    /// The next shift signs in on the same machine; most sign out before.
    fn leave_machine(&mut self) {
        let person = self.stage.world.person(self.i);
        let context = self.context(Device::Desktop);
        if self.stage.dice.percent(85) {
            self.stage.act("user_logout", person, entities::user(person), &context);
        }
    }

    /// The first days: a look into channels, most of which are joined.
    fn find_ones_way(&mut self) {
        let person = self.stage.world.person(self.i);
        let joins = self.stage.dice.between(8, 24);
        let context = self.context(Device::Desktop);
        for _ in 0..joins {
            let channel = self.stage.world.some_public_channel(&mut self.stage.dice);
            if self.stage.dice.percent(50) {
                let entity = self.stage.world.channel(channel);
                self.stage.bare("public_channel_preview", person, entity, &context);
                self.stage.pause(20);
            }
            self.stage.join(person, channel, &context);
            self.stage.pause(90);
        }
    }

    /// Offboarding: provisioning closes the account; an app that was set up by a leaver may keep its token.
    fn depart(&mut self) {
        let stage = &mut *self.stage;
        let world = stage.world;
        let person = world.person(self.i);
        let guest = person.user.role == Role::Guest;
        let action = if guest { "guest_expired" } else { "user_deactivated" };
        stage.provision(action, entities::user(person));
        if !guest {
            let group = entities::any("usergroup", &world.cast, person, &mut stage.dice);
            stage.provision_with("user_removed_from_usergroup", group, |o| {
                o.str("user", &person.user.id);
            });
        }
        let secs = stage.dice.below(3);
        stage.wait(secs);
        stage.provision("user_session_invalidated", entities::user(person));
        if !guest && stage.dice.percent(40) {
            stage.wait(3);
            let app = entities::app(stage.dice.pick(&world.cast.apps));
            stage.provision_with("app_token_preserved", app, |o| {
                o.strs("scopes", &["chat:write"]);
            });
        }
    }

    fn play(&mut self) {
        let job = self.stage.world.lives[self.i].job;
        let everybodys = match job {
            Job::Guest => GUEST,
            Job::Worker => trades::WORKER,
            _ => EVERYBODY,
        };
        // A quarter of the time goes to what only this job does.
        let own = of_job(self.stage.world.shape, job);
        let share = if self.stage.world.shape == Shape::Mixed { 12 } else { 40 };
        let special = !own.is_empty() && self.stage.dice.percent(share);
        let scene = self.stage.dice.weighted(if special { own } else { everybodys });
        let person = self.stage.world.person(self.i);
        let context = self.any_device();
        match scene {
            Act(action, kind) => self.simply(action, kind, context),
            Download => {
                let file = self.stage.world.some_file(&mut self.stage.dice);
                self.stage.download(person, file, &context);
            }
            Video => self.watch(),
            GatherAssets if std::mem::replace(&mut self.gathered, true) => {}
            GatherAssets => {
                let context = self.context(Device::Desktop);
                let first = self.stage.world.some_file(&mut self.stage.dice);
                for n in 0..self.stage.dice.between(20, 23) {
                    self.stage.download(person, first + n, &context);
                    self.stage.pause(2 * MINUTE);
                }
            }
            Join => self.join(&context),
            Leave => {
                let channel = self.stage.world.some_channel(&mut self.stage.dice);
                let entity = self.stage.world.channel(channel);
                self.stage.act_with("user_channel_leave", person, entity, &context, |o| {
                    o.str("type", "JOINED").flag("is_workflow", false);
                });
            }
            Browse => self.browse(&context),
            Huddle => self.talk(&context),
            Assistant => self.ask_assistant(),
            MakeChannel => {
                let private = self.stage.dice.percent(50);
                self.stage.make_channel(person, private, &context);
            }
            AddApp => {
                let world = self.stage.world;
                let stage = &mut *self.stage;
                let app = stage.dice.pick(&world.cast.apps);
                let location = location_of(&world.cast, person, &mut stage.dice);
                stage.done.extend(oauth::install(stage.at, app, person, location, &world.cast, &mut stage.dice));
            }
            OwnApp => {
                let context = self.context(Device::Desktop);
                self.add_own_app(&context);
            }
            Scene::CloseBooks if trades::closes_books(self.day) && !std::mem::replace(&mut self.gathered, true) => {
                let context = self.context(Device::Desktop);
                trades::close_books(self.stage, person, &context);
            }
            Scene::CloseBooks => self.simply("list_row_updated", "list", context),
            Scene::AskGuest => trades::ask_guest(self.stage, person, &context),
            Scene::AskPartner => trades::ask_partner(self.stage, person, &context),
            Scene::AskSlackbot => trades::ask_slackbot(self.stage, person, &context),
            // One developer in ten has such a script.
            Scene::OddScript if self.stage.world.lives[self.i].phase % 10 == 3 => {
                let context = self.context(Device::Desktop);
                trades::odd_script(self.stage, person, &context);
            }
            Scene::OddScript => self.ask_assistant(),
        }
    }

    /// An internal app is installed on its own page: with the person's browser and session.
    fn add_own_app(&mut self, context: &Context) {
        let person = self.stage.world.person(self.i);
        let app = App {
            id: self.stage.dice.id("A"),
            name: "Deploy Notes",
            scopes: &[],
            bot_scopes: &["chat:write", "incoming-webhook"],
        };
        let entity = Entity { kind: "app", body: entities::app_body(&app, false) };
        self.stage.act_with("app_installed", person, entity, context, |o| {
            o.flag("is_internal_integration", true).str("app_owner_id", &person.user.id);
            o.flag("is_token_rotation_enabled_app", false);
        });
        let team = &self.stage.world.cast.workspaces[person.workspace].id;
        let bot = entities::bot_account(&app, team, &mut self.stage.dice);
        self.stage.bare("user_created", person, bot, context);
    }

    fn simply(&mut self, action: &str, kind: &str, mut context: Context) {
        let world = self.stage.world;
        let person = world.person(self.i);
        let entity = match kind {
            "user" => entities::user(person),
            "file" => {
                let file = world.some_file(&mut self.stage.dice);
                world.file(file)
            }
            "channel" => {
                let channel = world.some_channel(&mut self.stage.dice);
                world.channel(channel)
            }
            _ => entities::any(kind, &world.cast, person, &mut self.stage.dice),
        };
        if action == "cli_login" {
            context = Context { ua: "slack-cli/3.4.0".into(), session: Session::Null, ..context };
        } else if action == "file_uploaded" && self.stage.dice.percent(6) {
            // Seen live: entries of files may lack the user agent and come from the loopback address.
            context = Context { ua: String::new(), ip: "127.0.0.1".into(), session: Session::Null, ..context };
        }
        self.stage.act(action, person, entity, &context);
    }

    fn watch(&mut self) {
        let person = self.stage.world.person(self.i);
        let on_phone = self.stage.dice.percent(30);
        let mut context = self.context(if on_phone { Device::Phone } else { Device::Desktop });
        if on_phone {
            context.ua = clients::media_player(&context.ua).into();
        }
        let (id, part) = (self.stage.dice.id("F"), self.stage.dice.between(1, 60));
        let entity = entities::named_file(&id, &format!("all-hands-{part}.mp4"), "video/mp4");
        for n in 0..VIDEO_ENTRIES {
            self.stage.bare("file_downloaded", person, entity.clone(), &context);
            // Eighteen steps of two seconds and two of three: 38.
            self.stage.wait(2 + u64::from(n % 9 == 8));
        }
    }

    /// Of one's own accord, or brought in by somebody.
    fn join(&mut self, context: &Context) {
        let world = self.stage.world;
        let person = world.person(self.i);
        let inviter = world.anybody(self.day, &mut self.stage.dice);
        if inviter == self.i || self.stage.dice.percent(60) {
            let channel = world.some_public_channel(&mut self.stage.dice);
            return self.stage.join(person, channel, context);
        }
        let channel = world.some_channel(&mut self.stage.dice);
        let inviters = self.stage.desk(inviter);
        self.stage.invite(person, world.person(inviter), channel, &inviters);
    }

    fn browse(&mut self, context: &Context) {
        let world = self.stage.world;
        let person = world.person(self.i);
        for _ in 0..self.stage.dice.between(1, 6) {
            let channel = world.some_public_channel(&mut self.stage.dice);
            self.stage.bare("public_channel_preview", person, world.channel(channel), context);
            self.stage.pause(25);
            if self.stage.dice.percent(35) {
                self.stage.join(person, channel, context);
            }
        }
    }

    fn talk(&mut self, context: &Context) {
        let world = self.stage.world;
        let person = world.person(self.i);
        let channel = &world.cast.channels[world.some_channel(&mut self.stage.dice)].id;
        let (id, started) = (self.stage.dice.id("R"), self.stage.at);
        let huddle = entities::call(&id, &[person], channel, started, 0);
        let starts = self.stage.dice.percent(40);
        let action = if starts { "huddle_started" } else { "huddle_participant_joined" };
        self.stage.bare(action, person, huddle.clone(), context);
        self.stage.pause(15 * MINUTE);
        self.stage.bare("huddle_participant_left", person, huddle, context);
        if starts {
            let over = entities::call(&id, &[person], channel, started, self.stage.at);
            self.stage.bare("huddle_ended", person, over, context);
        }
    }

    /// Two to six reads or searches: the assistant's app is in the context, and it runs on its maker's servers.
    fn ask_assistant(&mut self) {
        const READS: &[(u64, &str)] = &[
            (30, "mcp_slack_search_public_tool_called"),
            (15, "mcp_slack_search_public_and_private_tool_called"),
            (25, "mcp_slack_read_channel_tool_called"),
            (15, "mcp_slack_read_thread_tool_called"),
            (8, "mcp_slack_read_user_profile_tool_called"),
            (7, "mcp_slack_read_canvas_tool_called"),
        ];
        let world = self.stage.world;
        let context = assistant(world, self.i);
        for _ in 0..self.stage.dice.between(2, 6) {
            let action = self.stage.dice.weighted(READS);
            let channel = world.some_channel(&mut self.stage.dice);
            self.stage.act(action, world.person(self.i), world.channel(channel), &context);
            self.stage.pause(8);
        }
    }
}

/// The assistant at work for somebody.
pub(crate) fn assistant(world: &World, i: usize) -> Context {
    Context {
        ip: internet::address(internet::app_makers(), i as u64 % 20),
        ua: "desk-assistant/2.1 (mcp)".into(),
        app: Some(entities::app_body(&world.assistant, true)),
        ..Context::server_side(world.cast.workspace_location(world.person(i).workspace))
    }
}
