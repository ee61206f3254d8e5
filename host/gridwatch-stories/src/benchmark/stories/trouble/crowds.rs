//! Many people at once who come, go, travel or are let down by their networks.

use super::{Script, Tale};
use crate::benchmark::Level;
use crate::benchmark::SECS_A_DAY;
use crate::benchmark::life::Job;
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::stories::Plot;
use crate::benchmark::stories::tale::Wanted::AtMost;
use crate::benchmark::trades;
use crate::internet::{self, Gateway};
use crate::org::cast::session;
use crate::org::entities;
use crate::org::entry::{Context, Session};

pub(super) const TALES: &[Tale] = &[
    Tale {
        plot: Plot {
            name: "cohort-of-forty",
            about: "Forty people begin on one morning: all is new of them, and all take the same papers.",
            references: &["ordinary"],
            families: &[],
            tell: cohort_of_forty,
        },
        takes: [0, 0, 0],
        days: 4,
        told: "nothing, or that forty people began",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "bought-company",
            about: "Five hundred people of a bought company come in within a week, from a country where nobody was.",
            references: &["ordinary"],
            families: &[],
            tell: bought_company,
        },
        takes: [0, 1, 0],
        days: 10,
        told: "that a domain and its people were taken in; nothing of what each of them does",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "identity-provider-outage",
            about: "For an hour or two nobody can sign in who has to; then everybody does.",
            references: &["ordinary"],
            families: &[],
            tell: identity_provider_outage,
        },
        takes: [0, 2, 0],
        days: 1,
        told: "once, as such: sign-ins fail for so many people from everywhere, and none succeeds",
        wanted: AtMost(Level::Medium),
    },
    Tale {
        plot: Plot {
            name: "machines-handed-around",
            about: "In a training centre thirty people sign in on six machines, one after the other, at one new address.",
            references: &["ordinary"],
            families: &[],
            tell: machines_handed_around,
        },
        takes: [0, 0, 0],
        days: 2,
        told: "nothing",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "carrier-across-a-border",
            about: "For days a carrier lets its customers' phones out in another country; their desks stay where they are.",
            references: &["ordinary"],
            families: &[],
            tell: carrier_across_a_border,
        },
        takes: [0, 0, 0],
        days: 8,
        told: "nothing",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "private-relay-switched-on",
            about: "An update hides people's addresses: the same sessions come from a relay's exits and from home in turns.",
            references: &["ordinary"],
            families: &[],
            tell: private_relay_switched_on,
        },
        takes: [0, 0, 0],
        days: 9,
        told: "nothing",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "quarter-end",
            about: "Finance takes dozens of files a day for three days.",
            references: &["ordinary"],
            families: &[],
            tell: quarter_end,
        },
        takes: [0, 0, 0],
        days: 7,
        told: "nothing, or that finance takes much at once, as at every quarter's end",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "conference",
            about: "Sixty people fly to one hotel in another country, where all come out of one address.",
            references: &["ordinary"],
            families: &[],
            tell: conference,
        },
        takes: [0, 0, 0],
        days: 7,
        told: "nothing",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "recruiting-push",
            about: "A few recruiters ask fifty candidates in as guests within two days.",
            references: &["ordinary"],
            families: &[],
            tell: recruiting_push,
        },
        takes: [0, 0, 0],
        days: 5,
        told: "nothing, or that recruiting asked so many guests in",
        wanted: AtMost(Level::Low),
    },
    Tale {
        plot: Plot {
            name: "password-reset-day",
            about: "IT has everybody of a department choose a new password: sessions end, many mistype, phones lag behind.",
            references: &["ordinary"],
            families: &[],
            tell: password_reset_day,
        },
        takes: [0, 1, 0],
        days: 2,
        told: "at most that IT ended so many sessions, with the note that all of them are back",
        wanted: AtMost(Level::Medium),
    },
];

fn cohort_of_forty(s: &mut Script<'_>) {
    let people: Vec<_> = (0..s.between(38, 42)).map(|_| s.newcomer(s.own_domain())).collect();
    for person in &people {
        s.provision(person);
    }
    let morning = s.stage.at + SECS_A_DAY;
    let office = s.between(0, 3) as usize;
    let papers = s.between(24, 35);
    let at_home = s.world.shape == crate::benchmark::Shape::Home;
    for (n, person) in people.iter().enumerate() {
        s.stage.at = morning + s.between(0, HOUR);
        let ip = if at_home {
            internet::address(&internet::homes(office)[n % 2], 7_000 + n as u64 * 31)
        } else {
            s.world.cast.offices[office].egress_ip.clone()
        };
        let desk = Context {
            ip,
            ua: person.desktop_ua.clone(),
            session: Session::Number(person.desktop_session),
            ..Context::server_side(s.world.cast.workspace_location(person.workspace))
        };
        s.settle_in(person, &desk, papers);
        let phone = Context {
            ip: internet::address(&internet::homes(office)[2], n as u64 * 7),
            ua: person.mobile_ua.clone(),
            session: Session::Number(person.mobile_session),
            ..desk
        };
        s.act("user_login", person, entities::user(person), &phone);
    }
}

fn bought_company(s: &mut Script<'_>) {
    const THEIRS: &str = "liffey-tools.example";
    let admin = s.admin();
    let by = s.person(admin);
    let console = s.console(admin);
    for action in ["domain_created", "domain_verified"] {
        s.act_with(action, by, entities::enterprise(&s.world.cast), &console, |o| {
            o.str("name", THEIRS);
        });
        s.pause(30 * MINUTE);
    }
    let waves = 5;
    let count = s.share(50, 500) / waves;
    for _ in 0..waves {
        let morning = s.stage.at;
        let people: Vec<_> = (0..count).map(|_| s.newcomer(THEIRS)).collect();
        people.iter().for_each(|person| s.provision(person));
        let papers = s.between(6, 14);
        for (n, person) in people.iter().enumerate() {
            s.stage.at = morning + HOUR + s.between(0, 6 * HOUR);
            let at_home = s.chance(35);
            let ip = if at_home {
                internet::bought_home(s.between(0, 4_000))
            } else {
                internet::bought_office(n as u64 % 3)
            };
            let context = Context {
                ip,
                ua: person.desktop_ua.clone(),
                session: Session::Number(person.desktop_session),
                ..Context::server_side(s.world.cast.workspace_location(person.workspace))
            };
            s.settle_in(person, &context, papers);
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn identity_provider_outage(s: &mut Script<'_>) {
    let (first, second) = (s.admin(), s.admin());
    let begin = s.stage.at;
    let lasts = s.between(75, 150) * MINUTE;
    let people = s.crowd(s.share(22, 260));
    for &i in &people {
        let desk = if s.chance(80) { s.desk(i) } else { s.phone(i) };
        s.stage.at = begin + s.between(0, lasts - 20 * MINUTE);
        for _ in 0..s.between(1, 4) {
            s.fail_login(s.person(i), &desk);
            s.pause(3 * MINUTE);
        }
    }
    // Those who look after it have passwords for such a day.
    for i in [first, second] {
        s.stage.at = begin + s.between(25 * MINUTE, 50 * MINUTE);
        let desk = s.desk(i);
        let who = s.person(i);
        s.act_with("user_login", who, entities::user(who), &desk, |o| {
            o.str("authentication_method", "password");
        });
    }
    for &i in &people {
        s.stage.at = begin + lasts + s.between(0, 70 * MINUTE);
        let desk = s.desk(i);
        let context = Context { session: Session::Number(session(&mut s.stage.dice)), ..desk };
        s.log_in(s.person(i), &context);
    }
}

fn machines_handed_around(s: &mut Script<'_>) {
    let count = s.between(22, 32);
    let people = s.crowd(count);
    let clients: Vec<String> = (0..6).map(|n| crate::benchmark::clients::desktop(n * 6 + 2, 1)).collect();
    let starts = s.between(7, 8) * HOUR;
    let morning = s.stage.today() * SECS_A_DAY + starts;
    for (n, &i) in people.iter().enumerate() {
        s.stage.at = morning + (n as u64 / 6) * 95 * MINUTE + s.between(0, 20 * MINUTE);
        let who = s.person(i);
        let context = Context {
            ip: internet::training_centre(),
            ua: clients[n % clients.len()].clone(),
            session: Session::Number(session(&mut s.stage.dice)),
            ..Context::server_side(s.world.cast.workspace_location(who.workspace))
        };
        if s.chance(25) {
            s.fail_login(who, &context);
            s.pause(20);
        }
        s.log_in(who, &context);
        for _ in 0..s.between(2, 6) {
            s.pause(8 * MINUTE);
            s.something(i, &context);
        }
        s.act("user_logout", who, entities::user(who), &context);
    }
}

fn carrier_across_a_border(s: &mut Script<'_>) {
    let office = s.between(0, 3) as usize;
    let people: Vec<usize> = s.crowd(140).into_iter().filter(|i| s.world.person(*i).office == office).collect();
    let days = s.between(3, 4);
    for day in 0..days {
        let morning = s.stage.at;
        for (n, &i) in people.iter().enumerate() {
            s.begin_at(i, morning, 9);
            for _ in 0..s.between(2, 5) {
                let exit = internet::gateway(office, Gateway::Abroad, n as u64 * 5 % 90 + day);
                let phone = Context { ip: exit, ..s.phone(i) };
                s.something(i, &phone);
                s.pause(20 * MINUTE);
                if s.chance(50) {
                    let desk = s.desk(i);
                    s.something(i, &desk);
                    s.pause(10 * MINUTE);
                }
            }
        }
        s.stage.at = morning;
        s.next_workday();
    }
    keep_present(s, &people);
}

/// Only those have a part in it who were drawn for it.
fn keep_present(s: &mut Script<'_>, people: &[usize]) {
    let ids: Vec<String> = people.iter().map(|i| s.person(*i).user.id.clone()).collect();
    s.actors.retain(|id| ids.contains(id));
}

fn private_relay_switched_on(s: &mut Script<'_>) {
    let count = s.between(18, 32);
    let people = s.crowd(count);
    let days = s.between(4, 5);
    for day in 0..days {
        let morning = s.stage.at;
        for &i in &people {
            s.begin_at(i, morning, 10);
            let office = s.person(i).office;
            for round in 0..s.between(3, 6) {
                let nth = s.world.drawn(i, [0x4e1a, (day << 8) | (round / 2)]);
                let usual = if s.chance(50) { s.desk(i) } else { s.phone(i) };
                let modern = s.chance(50);
                let hidden = Context { ip: internet::relay_exit(office, modern, nth), ..usual.clone() };
                s.something(i, &hidden);
                s.pause(3 * MINUTE);
                if s.chance(40) {
                    s.something(i, &usual);
                    s.pause(2 * MINUTE);
                }
            }
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn quarter_end(s: &mut Script<'_>) {
    let count = s.between(7, 13);
    let people = s.crowd_of(Job::Finance, count);
    for _ in 0..3 {
        let morning = s.stage.at;
        for &i in &people {
            s.begin_at(i, morning, 9);
            let count = s.between(35, 80);
            let first = s.world.some_file(&mut s.stage.dice);
            for n in 0..count {
                let desk = s.desk(i);
                s.download(s.person(i), first + n, &desk);
                s.pause(6 * MINUTE);
            }
            if s.chance(50) {
                let desk = s.desk(i);
                let list = entities::any("list", &s.world.cast, s.person(i), &mut s.stage.dice);
                s.act("list_downloaded", s.person(i), list, &desk);
            }
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn conference(s: &mut Script<'_>) {
    let people = s.crowd(s.share(10, 60));
    let (hotel, phones) = internet::abroad(s.between(0, 7));
    let lobby = internet::address(hotel, 1_000 + s.between(0, 40));
    for day in 0..3u64 {
        let morning = s.stage.at;
        for (n, &i) in people.iter().enumerate() {
            s.begin_at(i, morning, 8);
            let who = s.person(i);
            let usual = s.desk(i);
            let from_hotel = Context { ip: lobby.clone(), ..usual };
            if day == 0 {
                if n % 5 == 0 {
                    s.act("ip_allowlist_access_denied", who, entities::user(who), &from_hotel);
                    s.pause(5 * MINUTE);
                }
                let anew = Context { session: Session::Number(session(&mut s.stage.dice)), ..from_hotel.clone() };
                s.log_in(who, &anew);
                s.pause(5 * MINUTE);
            }
            for _ in 0..s.between(2, 6) {
                let by_phone = s.chance(45);
                let ip = internet::address(phones, 500 + (n as u64 * 3 + day) % 80);
                let context = if by_phone { Context { ip, ..s.phone(i) } } else { from_hotel.clone() };
                s.something(i, &context);
                s.pause(40 * MINUTE);
            }
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn recruiting_push(s: &mut Script<'_>) {
    let count = s.between(3, 5);
    let recruiters = s.crowd_of(Job::Recruiting, count);
    let count = s.between(45, 55);
    let begin = s.stage.at;
    for n in 0..count {
        let i = recruiters[(n % recruiters.len() as u64) as usize];
        s.stage.at = begin + n / (count / 2 + 1) * SECS_A_DAY + s.between(0, 5 * HOUR);
        let desk = s.desk(i);
        trades::ask_guest(&mut s.stage, s.world.person(i), &desk);
    }
    for &i in &recruiters {
        s.stage.at = begin + s.between(0, 6 * HOUR);
        let desk = s.desk(i);
        trades::ask_partner(&mut s.stage, s.world.person(i), &desk);
    }
}

fn password_reset_day(s: &mut Script<'_>) {
    let admin = s.admin();
    let by = s.person(admin);
    let console = s.console(admin);
    let people = s.crowd(s.share(18, 200));
    let ids: Vec<String> = people.iter().map(|i| s.person(*i).user.id.clone()).collect();
    s.act_with("bulk_session_reset_by_admin", by, entities::enterprise(&s.world.cast), &console, |o| {
        o.strs("succeeded_users", &ids).strs("failed_users", &[] as &[&str]);
    });
    let begin = s.stage.at;
    for &i in &people {
        s.stage.at = begin + s.between(5 * MINUTE, 5 * HOUR);
        let who = s.person(i);
        let desk = s.desk(i);
        let nobody_yet = Context { session: Session::Absent, ..desk.clone() };
        s.bare("user_password_reset_requested", who, entities::user(who), &nobody_yet);
        s.pause(4 * MINUTE);
        let mistakes = s.stage.dice.weighted(&[(60, 0), (25, 1), (10, 2), (5, 4)]);
        for _ in 0..mistakes {
            s.fail_login(who, &desk);
            s.pause(20);
        }
        let anew = Context { session: Session::Number(session(&mut s.stage.dice)), ..desk };
        s.log_in(who, &anew);
        if s.chance(12) {
            let phone = s.phone(i);
            for _ in 0..s.between(6, 11) {
                s.pause(35);
                s.fail_login(who, &phone);
            }
        }
    }
}
