//! Those whom a list of the operator's raises: what they do is ordinary of anybody else.

use super::{Method, Place, Script, Tale};
use crate::benchmark::Level;
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::stories::Plot;
use crate::benchmark::stories::tale::Wanted::AtLeast;
use crate::internet;
use crate::org::entities;
use crate::org::entry::Context;

pub(super) const TALES: &[Tale] = &[
    Tale {
        plot: Plot {
            name: "leaver-takes-along",
            about: "Somebody who has given notice takes some two dozen files a day, and sends some of what they read on.",
            references: &["Rippling and Deel 2025", "T1530", "T1567"],
            families: &["watched-closely"],
            tell: leaver_takes_along,
        },
        takes: [0, 0, 0],
        // Four workdays with a weekend in between.
        days: 7,
        told: "this leaver took so many files in a day, and what they gave out",
        wanted: AtLeast(Level::Medium, HOUR),
    },
    Tale {
        plot: Plot {
            name: "executive-elsewhere",
            about: "An executive's account is used from an ordinary line in a country where nobody of the house ever is.",
            references: &["T1078.004", "T1566.004"],
            families: &["watched-closely"],
            tell: executive_elsewhere,
        },
        takes: [0, 0, 0],
        days: 1,
        told: "which executive's account is used from which new country, and with which client",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "emergency-account-used",
            about: "The account that is kept for emergencies is tried, entered, and used, and there is no emergency.",
            references: &["T1078.004", "T1098"],
            families: &["watched-closely"],
            tell: emergency_account_used,
        },
        takes: [0, 0, 0],
        days: 1,
        told: "the emergency account was signed in to, from where",
        wanted: AtLeast(Level::High, 15 * MINUTE),
    },
];

/// An hour's files are anybody's, and so is the day.
fn leaver_takes_along(s: &mut Script<'_>) {
    let people = s.world.under_notice();
    let leaver = *s.stage.dice.pick(&people);
    s.cast(leaver);
    let who = s.person(leaver);
    let mut taken = 0;
    for _ in 0..s.between(2, 4) {
        let morning = s.stage.at;
        let desk = s.desk(leaver);
        let first = s.world.some_file(&mut s.stage.dice);
        for n in 0..s.between(22, 34) {
            s.download(who, first + n, &desk);
            taken += 1;
            if taken == 20 {
                s.decisive();
            }
            s.pause(9 * MINUTE);
        }
        for _ in 0..s.between(0, 4) {
            let message = entities::any("message", &s.world.cast, who, &mut s.stage.dice);
            s.act("private_message_forwarded", who, message, &desk);
            s.pause(5 * MINUTE);
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn executive_elsewhere(s: &mut Script<'_>) {
    let chief = s.world.chief();
    s.cast(chief);
    let who = s.person(chief);
    let n = s.between(0, 200);
    let context = Context { ip: internet::far_away(n), ..s.intruder_at(chief, Place::Proxy) };
    if s.chance(70) {
        let method = *s.stage.dice.pick(&[Method::SingleSignOn, Method::Password]);
        s.sign_in(chief, &context, method);
        s.decisive();
        s.pause(3 * MINUTE);
    }
    for n in 0..s.between(2, 6) {
        let canvas = entities::any("canvas", &s.world.cast, who, &mut s.stage.dice);
        s.act("canvas_opened", who, canvas, &context);
        if n == 0 && s.decisive.is_none() {
            s.decisive();
        }
        s.pause(4 * MINUTE);
    }
    let count = s.between(2, 6);
    s.take_files(who, count, 80, &context);
}

fn emergency_account_used(s: &mut Script<'_>) {
    let who = &s.world.emergency;
    s.also(who.user.id.clone());
    let member = s.world.under_notice()[0];
    let place = *s.stage.dice.pick(&[Place::Rented, Place::Vpn, Place::Proxy]);
    let context = s.intruder_at(member, place);
    for _ in 0..s.between(0, 2) {
        s.fail_login(who, &context);
        s.pause(MINUTE);
    }
    s.act_with("user_login", who, entities::user(who), &context, |o| {
        o.str("authentication_method", "password");
    });
    s.decisive();
    s.pause(4 * MINUTE);
    let target = s.world.anybody(s.stage.today(), &mut s.stage.dice);
    let did =
        *s.stage.dice.pick(&["user_password_reset_by_admin", "role_change_to_admin", "user_session_reset_by_admin"]);
    s.act(did, who, entities::user(s.person(target)), &context);
}
