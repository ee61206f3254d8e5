//! Accounts in other hands, where no single one of them shows it.

use super::{Method, Place, Script, Tale};
use crate::benchmark::Level;
use crate::benchmark::SECS_A_DAY;
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::stories::tale::Wanted::AtLeast;
use crate::benchmark::stories::{Plot, SCRIPT};
use crate::internet::{self, NetworkKind};
use crate::org::cast::{App, Person, machine};
use crate::org::entry::{Context, Entity, Session};
use crate::org::{Role, User, entities, names};
use crate::wire::object;

pub(super) const TALES: &[Tale] = &[
    Tale {
        plot: Plot {
            name: "one-place-several-people",
            about: "From one address that is new to each of them, several people's accounts are used within hours.",
            references: &["Snowflake customers 2024", "Scattered Spider 2023", "T1078.004", "T1213.005"],
            families: &["many-from-one-place", "sign-in-method"],
            tell: one_place_several_people,
        },
        takes: [7, 0, 0],
        days: 1,
        told: "one intruder is in several accounts: the address, all of the people, what was taken",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "spray-by-network",
            about: "Night after night one provider's addresses try a few people twice each; in the end one is entered.",
            references: &["Midnight Blizzard 2024", "T1110.003", "T1078.004"],
            families: &["spraying-by-network"],
            tell: spray_by_network,
        },
        takes: [1, 0, 0],
        days: 15,
        told: "a slow spray from one provider, with the number of people tried; and loudly, who was entered from there",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "spray-in-ipv6",
            about: "Each try comes from another address of one IPv6 prefix, each at another person; one is right.",
            references: &["T1110.003", "T1090.003"],
            families: &["spraying-by-network"],
            tell: spray_in_ipv6,
        },
        takes: [1, 0, 0],
        days: 3,
        told: "many people's passwords were tried from one IPv6 prefix, and who was entered from it",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "magic-link-past-sso",
            about: "Somebody who always comes through the identity provider comes by a link in a mail, from another line.",
            references: &["Retool 2023", "T1078.004", "T1114.002", "SAT1017"],
            families: &["sign-in-method"],
            tell: magic_link_past_sso,
        },
        takes: [1, 0, 0],
        days: 1,
        told: "this person came past the identity provider, from a new place, and what they took",
        wanted: AtLeast(Level::Medium, 2 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "session-interleaved",
            about: "One session works at its owner's desk and elsewhere in the same minutes, with the same user agent.",
            references: &["Okta support system 2023", "T1539", "T1550.004"],
            families: &["two-places-at-once"],
            tell: session_interleaved,
        },
        takes: [1, 0, 0],
        days: 1,
        told: "one session is in two networks at once: both networks, and what was taken from the second",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "tor-without-sign-in",
            about: "A few acts in somebody's session come from a Tor exit; nobody signed in there.",
            references: &["T1090.003", "T1550.004"],
            families: &["bad-network"],
            tell: tor_without_sign_in,
        },
        takes: [1, 0, 0],
        days: 1,
        told: "this person's session was used through Tor, and for what",
        wanted: AtLeast(Level::Medium, HOUR),
    },
    Tale {
        plot: Plot {
            name: "recovered-then-entered",
            about: "An admin brings a leaver's account back, and soon somebody comes in with it from a new place.",
            references: &["T1098", "T1078.004", "SAT1046"],
            families: &["recovered-then-entered"],
            tell: recovered_then_entered,
        },
        takes: [0, 1, 0],
        days: 8,
        told: "whose account was brought back by whom, where it was then used, and what was taken",
        wanted: AtLeast(Level::Medium, HOUR),
    },
    Tale {
        plot: Plot {
            name: "provisioning-turns",
            about: "The identity provider's integration acts from a VPN: it gives somebody another mail address, and their \
                        account is entered.",
            references: &["Okta customers 2023", "T1098", "T1556.007"],
            families: &["trust-ended", "recovered-then-entered"],
            tell: provisioning_turns,
        },
        takes: [1, 0, 0],
        days: 2,
        told: "the identity provider's integration acts from a new network, and whose account it handed over",
        wanted: AtLeast(Level::High, HOUR),
    },
    Tale {
        plot: Plot {
            name: "one-address-many-troubles",
            about: "From one address one person's password is tried, another is signed in, and an app of a third acts.",
            references: &["T1078.004", "T1110.001", "T1528"],
            families: &["many-from-one-place"],
            tell: one_address_many_troubles,
        },
        takes: [3, 0, 0],
        days: 1,
        told: "one address is in several kinds of trouble: whom it failed for, whom it got in as, which app acts from it",
        wanted: AtLeast(Level::High, 2 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "other-identity-provider",
            about: "Somebody comes through single sign-on like everybody, but another identity provider vouches for them.",
            references: &["Scattered Spider 2023", "T1484.002", "T1556.007", "SAT1041"],
            families: &["sign-in-method"],
            tell: other_identity_provider,
        },
        takes: [1, 0, 0],
        days: 1,
        told: "which identity provider vouched for whom, and that nobody else comes through it",
        wanted: AtLeast(Level::Medium, HOUR),
    },
];

fn one_place_several_people(s: &mut Script<'_>) {
    let count = s.between(4, 7);
    let people: Vec<usize> = (0..count).map(|_| s.member()).collect();
    let place = *s.stage.dice.pick(&[Place::Rented, Place::Vpn, Place::Proxy]);
    let method = *s.stage.dice.pick(&[Method::Password, Method::Password, Method::SingleSignOn]);
    let ip = s.lair(people[0], place);
    let (looks, gap) = (s.chance(60), s.between(8, 70) * MINUTE);
    for (n, &i) in people.iter().enumerate() {
        let context = Context { ip: ip.clone(), ..s.intruder_at(i, place) };
        let who = s.person(i);
        s.sign_in(i, &context, method);
        if n == 1 {
            s.decisive();
        }
        s.pause(4 * MINUTE);
        if looks {
            let count = s.between(3, 9);
            s.look_into(who, count, 40, &context);
        }
        let count = s.between(5, 16);
        s.take_files(who, count, 45, &context);
        s.pause(gap);
    }
}

/// From before midnight, UTC, to after it.
fn spray_by_network(s: &mut Script<'_>) {
    let entered = s.member();
    let nights = s.between(7, 11);
    let (provider, own) = (s.between(0, 1), s.pool.own.as_ref().map_or(0, |own| own.first_address));
    let network = internet::rented(NetworkKind::Hosting, provider);
    let begin = s.stage.today() * SECS_A_DAY + 22 * HOUR;
    let tries_the_entered = s.chance(50);
    let browser = s.browser(entered);
    let at = |s: &mut Script<'_>, night: u64| Context {
        ip: internet::address(network, own + night),
        ..s.stranger(entered, NetworkKind::Hosting, if night % 3 == 1 { SCRIPT } else { browser })
    };
    for night in 0..nights {
        s.stage.at = begin + night * SECS_A_DAY + s.between(0, 40 * MINUTE);
        let context = at(s, night);
        for n in 0..s.between(5, 8) {
            let day = s.stage.today();
            let anybody = s.world.anybody(day, &mut s.stage.dice);
            let who = s.person(if n == 2 && tries_the_entered { entered } else { anybody });
            for _ in 0..2 {
                s.fail_login(who, &context);
                s.pause(4 * MINUTE);
            }
            s.pause(25 * MINUTE);
        }
    }
    s.stage.at = begin + nights * SECS_A_DAY + s.between(0, 3 * HOUR);
    let context = Context { session: s.intruder(entered, NetworkKind::Hosting, "").session, ..at(s, nights) };
    s.sign_in(entered, &context, Method::Password);
    s.decisive();
    if s.chance(70) {
        s.pause(10 * MINUTE);
        let count = s.between(5, 20);
        s.take_files(s.person(entered), count, 60, &context);
    }
}

/// Some of the names that are tried don't exist: they have no id.
fn spray_in_ipv6(s: &mut Script<'_>) {
    let entered = s.member();
    let (provider, prefix) = (s.between(0, 1), s.between(1, 200) << 16);
    let one_network = s.chance(40);
    let browser = s.browser(entered);
    let count = s.between(30, 60);
    for n in 0..count {
        let (site, host) = (if one_network { 0 } else { n * 37 % 65_536 }, s.between(1, 1 << 40));
        let ip = internet::rented_v6(provider, prefix | site, host);
        let context = Context { ip, ..s.stranger(entered, NetworkKind::Hosting, browser) };
        if s.chance(15) {
            let (name, mailbox) = names::person(&mut s.stage.dice, n as usize);
            let nobody = object(|o| {
                o.str("id", "").str("name", &name).str("email", &crate::benchmark::trades::mailbox(&mailbox));
            });
            let entity = Entity { kind: "user", body: nobody.clone() };
            s.stage.record("user_login_failed", &nobody, entity, &context, None);
        } else {
            let day = s.stage.today();
            let anybody = s.world.anybody(day, &mut s.stage.dice);
            s.fail_login(s.person(anybody), &context);
        }
        s.pause(9 * MINUTE);
    }
    let ip = internet::rented_v6(provider, prefix | 7, 0xbeef);
    let context = Context { ip, ..s.intruder(entered, NetworkKind::Hosting, browser) };
    if s.chance(50) {
        s.fail_login(s.person(entered), &context);
        s.pause(2 * MINUTE);
    }
    s.sign_in(entered, &context, Method::Password);
    s.decisive();
    s.pause(20 * MINUTE);
    let count = s.between(4, 15);
    s.take_files(s.person(entered), count, 90, &context);
}

fn magic_link_past_sso(s: &mut Script<'_>) {
    let victim = s.member();
    s.meanwhile(|s| {
        s.ordinary_work(victim);
    });
    let who = s.person(victim);
    let context = s.intruder_at(victim, Place::Proxy);
    let by_link = s.chance(65);
    if !by_link {
        let nobody_yet = Context { session: Session::Absent, ..context.clone() };
        s.bare("user_password_reset_requested", who, entities::user(who), &nobody_yet);
        s.pause(6 * MINUTE);
    }
    s.sign_in(victim, &context, if by_link { Method::MagicLink } else { Method::Password });
    s.decisive();
    s.pause(5 * MINUTE);
    if s.chance(40) {
        s.bare("user_passkey_created", who, entities::user(who), &context);
        s.pause(4 * MINUTE);
    }
    for _ in 0..s.between(2, 7) {
        s.bare("slack_ai_summary_requested", who, entities::enterprise(&s.world.cast), &context);
        s.pause(2 * MINUTE);
    }
    let count = s.between(6, 20);
    s.take_files(who, count, 70, &context);
}

fn session_interleaved(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let place = *s.stage.dice.pick(&[Place::Rented, Place::Tor, Place::Vpn, Place::Proxy]);
    let ip = s.lair(victim, place);
    let count = s.between(12, 26);
    for n in 0..count {
        let desk = s.desk(victim);
        if n % 3 != 1 {
            s.meanwhile(|s| s.one_file(who, &desk));
            s.pause(70);
        }
        let context = Context { ip: ip.clone(), ..desk };
        s.one_file(who, &context);
        if n == 1 {
            s.decisive();
        }
        s.pause(2 * MINUTE);
    }
}

fn tor_without_sign_in(s: &mut Script<'_>) {
    let victim = s.member();
    let usual = s.ordinary_work(victim);
    let who = s.person(victim);
    let mut acts = ["canvas_downloaded", "user_passkey_created", "canvas_opened", "list_downloaded", "file_downloaded"];
    let first = s.between(0, 4) as usize;
    acts.rotate_left(first);
    let same_client = s.chance(60);
    let browser = s.browser(victim);
    let ip = s.lair(victim, Place::Tor);
    let ua = if same_client { usual.ua.clone() } else { browser.to_owned() };
    let context = Context { ip, ua, ..usual };
    for (n, action) in acts.iter().take(s.between(1, 3) as usize).enumerate() {
        let entity = match action.split('_').next() {
            Some("canvas") => entities::any("canvas", &s.world.cast, who, &mut s.stage.dice),
            Some("list") => entities::any("list", &s.world.cast, who, &mut s.stage.dice),
            Some("file") => s.world.file(s.world.some_file(&mut s.stage.dice)),
            _ => entities::user(who),
        };
        s.bare(action, who, entity, &context);
        if n == 0 {
            s.decisive();
        }
        s.pause(6 * MINUTE);
    }
}

/// Somebody who isn't there any more; what they did before they left is no part of the story.
fn leaver(s: &mut Script<'_>) -> Person {
    let number = s.between(10_000, 99_999) as usize;
    let (name, mailbox) = names::person(&mut s.stage.dice, number);
    let id = s.stage.dice.id("U");
    let user = User { id, name, email: crate::benchmark::trades::mailbox(&mailbox), role: Role::Member };
    let (team, ua) =
        (s.world.cast.workspaces[0].id.clone(), crate::benchmark::clients::desktop(s.between(0, 1 << 30), 0));
    machine(user, Some(&team), 0, &ua, &mut s.stage.dice)
}

fn recovered_then_entered(s: &mut Script<'_>) {
    let admin = s.admin();
    let by = s.person(admin);
    let who = leaver(s);
    s.also(who.user.id.clone());
    let theirs = Context {
        ip: s.world.cast.offices[0].egress_ip.clone(),
        ua: who.desktop_ua.clone(),
        session: Session::Number(who.desktop_session),
        ..Context::server_side(s.world.cast.workspace_location(0))
    };
    let was_gone_days = s.between(2, 5);
    s.meanwhile(|s| {
        s.stage.log_in(&who, &theirs);
        for _ in 0..6 {
            s.one_file(&who, &theirs);
            s.pause(30 * MINUTE);
        }
        s.stage.provision("user_deactivated", entities::user(&who));
    });
    s.wait(was_gone_days * SECS_A_DAY);
    let console = s.console(admin);
    s.bare("user_reactivated", by, entities::user(&who), &console);
    s.pause(MINUTE);
    let mut handed_over = ["user_password_reset_by_admin", "user_email_updated"];
    if s.chance(40) {
        handed_over.reverse();
    }
    for action in handed_over.iter().take(s.between(1, 2) as usize) {
        if *action == "user_email_updated" {
            s.act_with(action, by, entities::user(&who), &console, |o| {
                o.str("email", "h.lindqvist@nordlicht-mail.example");
            });
        } else {
            s.bare(action, by, entities::user(&who), &console);
        }
        s.pause(2 * MINUTE);
    }
    s.pause(15 * MINUTE);
    let place = *s.stage.dice.pick(&[Place::Vpn, Place::Proxy, Place::Rented]);
    let context = s.intruder_at(admin, place);
    s.act_with("user_login", &who, entities::user(&who), &context, |o| {
        o.str("authentication_method", "password");
    });
    s.decisive();
    s.pause(5 * MINUTE);
    if s.chance(40) {
        s.bare("user_passkey_created", &who, entities::user(&who), &context);
        s.pause(3 * MINUTE);
    }
    let count = s.between(10, 28);
    s.take_files(&who, count, 60, &context);
}

fn provisioning_turns(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let provisioner = &s.world.cast.provisioner;
    s.also(provisioner.user.id.clone());
    let ip = s.lair(victim, Place::Vpn);
    // Where the integration has an app, an attacker with its token still has it.
    let theirs = |action: &str| Context { ip: ip.clone(), ..s.world.cast.provisioning(action) };
    let (mail, made) = (theirs("user_email_updated"), theirs("user_created"));
    let helper = if s.chance(50) {
        let helper = leaver(s);
        s.bare("user_created", provisioner, entities::user(&helper), &made);
        s.pause(8 * MINUTE);
        Some(helper)
    } else {
        None
    };
    s.act_with("user_email_updated", provisioner, entities::user(who), &mail, |o| {
        o.str("email", "finance@nordlicht-group.example");
    });
    s.decisive();
    s.pause(7 * MINUTE);
    let context = s.intruder_at(victim, Place::Vpn);
    let nobody_yet = Context { session: Session::Absent, ..context.clone() };
    s.bare("user_password_reset_requested", who, entities::user(who), &nobody_yet);
    s.pause(9 * MINUTE);
    s.sign_in(victim, &context, Method::Password);
    s.pause(5 * MINUTE);
    let count = s.between(4, 18);
    s.take_files(who, count, 80, &context);
    if let Some(helper) = helper {
        s.act_with("user_login", &helper, entities::user(&helper), &context, |o| {
            o.str("authentication_method", "password");
        });
    }
}

fn one_address_many_troubles(s: &mut Script<'_>) {
    let (tried, entered, owner) = (s.member(), s.member(), s.member());
    let place = *s.stage.dice.pick(&[Place::Rented, Place::Vpn]);
    let ip = s.lair(entered, place);
    let robot =
        App { id: s.stage.dice.id("A"), name: "Desk Sync", scopes: &["files:read", "chat:write"], bot_scopes: &[] };
    s.also(robot.id.clone());
    let mut steps = [0, 1, 2];
    let first = s.between(0, 2) as usize;
    steps.rotate_left(first);
    for (n, step) in steps.into_iter().enumerate() {
        let who = [tried, entered, owner][step];
        let context = Context { ip: ip.clone(), ..s.intruder_at(who, place) };
        match step {
            // Too few to be told of for themselves.
            0 => {
                for _ in 0..s.between(3, 6) {
                    s.fail_login(s.person(who), &context);
                    s.pause(40);
                }
            }
            1 => {
                s.sign_in(who, &context, Method::SingleSignOn);
                s.pause(5 * MINUTE);
                let count = s.between(2, 8);
                s.take_files(s.person(who), count, 90, &context);
            }
            _ => {
                let app = Some(entities::app_body(&robot, false));
                let context = Context { app, ua: SCRIPT.into(), session: Session::Null, ..context };
                let count = s.between(3, 9);
                s.take_files(s.person(who), count, 60, &context);
            }
        }
        if n == 1 {
            s.decisive();
        }
        s.pause(70 * MINUTE);
    }
}

fn other_identity_provider(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let place = *s.stage.dice.pick(&[Place::Vpn, Place::Proxy]);
    let context = s.intruder_at(victim, place);
    let config = s.stage.dice.id("Ic");
    s.act_with("user_login", who, entities::user(who), &context, |o| {
        o.str("idp_config_id", &config).str("config_type", "saml");
        o.str("idp_entity_id", "https://sso.nordlicht-login.example/saml").str("idp_entity_id_hash", "5b08aa21");
        o.str("label", "Backup SSO").str("authentication_method", "saml");
    });
    s.decisive();
    s.pause(8 * MINUTE);
    let count = s.between(3, 14);
    s.take_files(who, count, 80, &context);
}
