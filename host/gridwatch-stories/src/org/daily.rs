//! Ordinary days: office hours by time zone, quiet weekends, and nothing that deserves an alert.

use super::cast::{Cast, Person, lot, session};
use super::dice::Dice;
use super::entities;
use super::entry::{Context, Draft, Entity, Session, location_of};
use super::{OrgPlan, Role, SimEntry, background, details, oauth, tail};
use crate::internet;
use crate::wire::object;

/// Something that one person does in one go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    Download,
    /// One video played: 19 entries of one file within 38 seconds.
    Video,
    Upload,
    Share,
    Login,
    /// A typing error.
    FailedLogin,
    Logout,
    Join,
    Leave,
    CreateChannel,
    Preview,
    BotPost,
    InstallApp,
    /// An app is authorized again with the scopes it has.
    AuthorizeAgain,
    Provision,
    Preference,
    Anomaly,
    /// A restart of the client: an act by nobody.
    Placeholder,
    Tail,
}

const SCENES: &[(u64, Scene)] = &[
    (340, Scene::Download),
    (3, Scene::Video),
    (90, Scene::Upload),
    (70, Scene::Share),
    (110, Scene::Login),
    (7, Scene::FailedLogin),
    (30, Scene::Logout),
    (75, Scene::Join),
    (25, Scene::Leave),
    (14, Scene::CreateChannel),
    (60, Scene::Preview),
    (90, Scene::BotPost),
    (2, Scene::InstallApp),
    (4, Scene::AuthorizeAgain),
    (5, Scene::Provision),
    (4, Scene::Preference),
    (2, Scene::Anomaly),
    (4, Scene::Placeholder),
    (50, Scene::Tail),
];

impl Scene {
    /// How many entries it makes, always: plans ask for exact numbers of them.
    fn entries(self) -> u64 {
        match self {
            Self::Video => VIDEO_ENTRIES,
            Self::CreateChannel | Self::InstallApp => 2,
            _ => 1,
        }
    }
}

const VIDEO_ENTRIES: u64 = 19;
const VIDEO_SECS: u64 = 38;

/// No person mistypes a password twice within this time, and no office more than three times within an hour.
const BETWEEN_TYPING_ERRORS_SECS: u64 = 6 * 3600;

struct Planned {
    at: u64,
    person: usize,
    scene: Scene,
}

/// Adds exactly `count` entries of ordinary life.
pub(crate) fn live(plan: &OrgPlan, cast: &mut Cast, dice: &mut Dice, count: u64, entries: &mut Vec<SimEntry>) {
    let quiet = tail::quiet();
    entries.reserve(count as usize);
    for planned in calendar(plan, cast, dice, count) {
        play(&planned, cast, dice, &quiet, entries);
    }
}

/// What happens when, oldest first: sessions begin and end in the order of time.
fn calendar(plan: &OrgPlan, cast: &Cast, dice: &mut Dice, count: u64) -> Vec<Planned> {
    let mut planned = Vec::with_capacity(count as usize);
    let mut left = count;
    while left > 0 {
        let person = dice.below(cast.people.len() as u64) as usize;
        let mut scene = scene_for(&cast.people[person], dice);
        let mut at = working_moment(plan, cast.offices[cast.people[person].office].utc_offset_hours, dice);
        if left < scene.entries() || scene == Scene::Video && plan.to - plan.from < VIDEO_SECS {
            scene = Scene::Download;
        }
        if scene == Scene::Video {
            at = at.min(plan.to - VIDEO_SECS);
        }
        left -= scene.entries();
        planned.push(Planned { at, person, scene });
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

/// People kept for a story do nothing that their story could be confused with.
fn scene_for(person: &Person, dice: &mut Dice) -> Scene {
    match dice.weighted(SCENES) {
        Scene::Login | Scene::FailedLogin | Scene::Logout | Scene::Video | Scene::Anomaly if person.reserved => {
            Scene::Download
        }
        Scene::CreateChannel | Scene::InstallApp | Scene::AuthorizeAgain | Scene::Tail
            if person.user.role == Role::Guest =>
        {
            Scene::Download
        }
        scene => scene,
    }
}

/// A moment of the period, likelier in the office hours of that zone.
fn working_moment(plan: &OrgPlan, utc_offset_hours: i64, dice: &mut Dice) -> u64 {
    /// Chance in a hundred that somebody is at work, by local hour.
    const BY_HOUR: [u64; 24] =
        [2, 1, 1, 1, 1, 3, 8, 30, 75, 100, 100, 95, 60, 80, 100, 95, 90, 70, 35, 18, 14, 12, 8, 4];
    const MOST_TRIES: usize = 60;
    let mut at = plan.from;
    for _ in 0..MOST_TRIES {
        at = dice.between(plan.from, plan.to);
        if plan.around_the_clock {
            break;
        }
        let local_hours = at as i64 / 3600 + utc_offset_hours;
        let by_hour = BY_HOUR[local_hours.rem_euclid(24) as usize];
        // 1 January 1970 was a Thursday.
        let weekend = matches!((local_hours.div_euclid(24) + 4).rem_euclid(7), 0 | 6);
        let chance = if weekend { by_hour / 12 + 1 } else { by_hour };
        if dice.percent(chance) {
            break;
        }
    }
    at
}

fn play(
    planned: &Planned,
    cast: &mut Cast,
    dice: &mut Dice,
    quiet: &[(&'static str, &'static str)],
    entries: &mut Vec<SimEntry>,
) {
    let at = planned.at;
    let mut scene = planned.scene;
    if scene == Scene::FailedLogin && !may_mistype(cast, planned.person, at) {
        scene = Scene::Download;
    }
    if scene == Scene::Login {
        sign_in(&mut cast.people[planned.person], dice);
    }
    let cast = &*cast;
    let person = &cast.people[planned.person];
    let act = Act { at, cast, person };
    match scene {
        Scene::Download => {
            let file = entities::file(dice);
            entries.push(act.write("file_downloaded", file, dice));
        }
        Scene::Video => act.play_video(dice, entries),
        Scene::Upload => entries.push(act.upload(dice)),
        Scene::Share => {
            let file = entities::file(dice);
            entries.push(act.write("file_shared", file, dice));
        }
        Scene::Login => entries.push(act.login(dice)),
        Scene::FailedLogin => entries.push(act.mistype(dice)),
        Scene::Logout => entries.push(act.bare("user_logout", dice)),
        Scene::Join => entries.push(act.join(dice)),
        Scene::Leave => entries.push(act.leave(dice)),
        Scene::CreateChannel => {
            let context = Context::of_person(cast, person, dice);
            entries.extend(background::make_channel(at, person, dice.pick(&cast.channels), &context, dice));
        }
        Scene::Preview => {
            let open: Vec<_> = cast.channels.iter().filter(|channel| channel.privacy == "public").collect();
            let channel = dice.pick(if open.is_empty() {
                return entries.push(act.upload(dice));
            } else {
                &open
            });
            entries.push(act.write("public_channel_preview", entities::channel(channel), dice));
        }
        Scene::BotPost => entries.push(background::bot_post(at, cast, dice)),
        Scene::InstallApp => {
            let with_bot: Vec<_> = cast.apps.iter().filter(|app| !app.bot_scopes.is_empty()).collect();
            let (app, location) = (*dice.pick(&with_bot), location_of(cast, person, dice));
            entries.extend(oauth::install(at, app, person, location, cast, dice));
        }
        Scene::AuthorizeAgain => {
            let (app, location) = (dice.pick(&cast.apps), location_of(cast, person, dice));
            entries.push(oauth::authorize_again(at, app, person, location, dice));
        }
        Scene::Provision => entries.push(background::provision(at, cast, dice)),
        Scene::Preference => entries.push(background::preference(at, cast, dice)),
        Scene::Anomaly => entries.push(act.anomaly(dice)),
        Scene::Placeholder => entries.push(background::placeholder(at, cast, dice)),
        Scene::Tail => {
            let (group, action) = *dice.pick(quiet);
            let actor = if tail::is_everybodys(group) { person } else { background::it_person(cast, dice) };
            let context = Context::of_person(cast, actor, dice);
            entries.push(tail::entry((group, action), at, cast, actor, context, dice));
        }
    }
}

/// Records a typing error unless it would be one too many.
fn may_mistype(cast: &mut Cast, person: usize, at: u64) -> bool {
    let person = &mut cast.people[person];
    let office = &mut cast.offices[person.office];
    let oldest = office.last_failures[0];
    if at < person.last_failure + BETWEEN_TYPING_ERRORS_SECS || at < oldest + 3600 {
        return false;
    }
    person.last_failure = at;
    office.last_failures.rotate_left(1);
    office.last_failures[2] = at;
    true
}

fn sign_in(person: &mut Person, dice: &mut Dice) {
    if dice.percent(60) {
        person.desktop_session = session(dice);
    } else {
        person.mobile_session = session(dice);
    }
}

/// An act by a person with nothing special about it.
struct Act<'a> {
    at: u64,
    cast: &'a Cast,
    person: &'a Person,
}

impl Act<'_> {
    fn write(&self, action: &str, entity: Entity, dice: &mut Dice) -> SimEntry {
        let context = Context::of_person(self.cast, self.person, dice);
        let details = details::of(action, self.at, self.cast, self.person, dice);
        Draft { at: self.at, action, actor: &self.person.wire, entity, context, details }.write(dice)
    }

    /// An act on oneself.
    fn bare(&self, action: &str, dice: &mut Dice) -> SimEntry {
        self.write(action, entities::user(self.person), dice)
    }

    fn login(&self, dice: &mut Dice) -> SimEntry {
        let context = Context::of_person(self.cast, self.person, dice);
        let details =
            dice.percent(70).then(|| details::of("user_login", self.at, self.cast, self.person, dice)).flatten();
        let (actor, entity) = (&self.person.wire, entities::user(self.person));
        Draft { at: self.at, action: "user_login", actor, entity, context, details }.write(dice)
    }

    /// Nobody is signed in yet, so there is no session.
    fn mistype(&self, dice: &mut Dice) -> SimEntry {
        let context = Context { session: Session::Absent, ..Context::of_person(self.cast, self.person, dice) };
        let (actor, entity) = (&self.person.wire, entities::user(self.person));
        Draft { at: self.at, action: "user_login_failed", actor, entity, context, details: None }.write(dice)
    }

    /// The phone got another address: the lone `ip_address` that is mere noise.
    fn anomaly(&self, dice: &mut Dice) -> SimEntry {
        let [_, block, host] = lot(dice);
        let ip = internet::address(&internet::homes(self.person.office)[2], block << 8 | host);
        let context = Context { ip, ..Context::of_person(self.cast, self.person, dice) };
        let details = details::of("anomaly", self.at, self.cast, self.person, dice);
        let (actor, entity) = (&self.person.wire, entities::user(self.person));
        Draft { at: self.at, action: "anomaly", actor, entity, context, details }.write(dice)
    }

    fn upload(&self, dice: &mut Dice) -> SimEntry {
        let mut context = Context::of_person(self.cast, self.person, dice);
        if dice.percent(8) {
            // Seen live: entries of files may lack the user agent and come from the loopback address.
            context.ua = String::new();
            context.ip = "127.0.0.1".into();
            context.session = Session::Null;
        }
        let (actor, entity) = (&self.person.wire, entities::file(dice));
        Draft { at: self.at, action: "file_uploaded", actor, entity, context, details: None }.write(dice)
    }

    fn play_video(&self, dice: &mut Dice, entries: &mut Vec<SimEntry>) {
        let id = dice.id("F");
        let name = format!("all-hands-{}.mp4", dice.between(1, 60));
        let entity = entities::named_file(&id, &name, "video/mp4");
        let context = Context::of_person(self.cast, self.person, dice);
        for i in 0..VIDEO_ENTRIES {
            let at = self.at + i * VIDEO_SECS / (VIDEO_ENTRIES - 1);
            let (actor, entity, context) = (&self.person.wire, entity.clone(), context.clone());
            entries.push(Draft { at, action: "file_downloaded", actor, entity, context, details: None }.write(dice));
        }
    }

    /// An invited person's join carries the inviter's address and user agent (documented).
    fn join(&self, dice: &mut Dice) -> SimEntry {
        let channel = entities::channel(dice.pick(&self.cast.channels));
        let inviter = dice.pick(&self.cast.people);
        let invited = dice.percent(35) && inviter.user.id != self.person.user.id;
        let context = Context::of_person(self.cast, if invited { inviter } else { self.person }, dice);
        let details = object(|o| {
            o.str("type", if invited { "INVITED" } else { "JOINED" });
            if invited {
                o.raw("inviter", &inviter.wire);
            }
            o.flag("is_workflow", false);
        });
        let guest = self.person.user.role == Role::Guest;
        let action = if guest { "guest_channel_join" } else { "user_channel_join" };
        let actor = &self.person.wire;
        Draft { at: self.at, action, actor, entity: channel, context, details: Some(details) }.write(dice)
    }

    fn leave(&self, dice: &mut Dice) -> SimEntry {
        let entity = entities::channel(dice.pick(&self.cast.channels));
        let context = Context::of_person(self.cast, self.person, dice);
        let details = Some(object(|o| {
            o.str("type", "JOINED").flag("is_workflow", false);
        }));
        let guest = self.person.user.role == Role::Guest;
        let action = if guest { "guest_channel_leave" } else { "user_channel_leave" };
        Draft { at: self.at, action, actor: &self.person.wire, entity, context, details }.write(dice)
    }
}
