//! Somebody else's account: stolen sessions, guessed passwords, abused recovery.

use super::{Plot, SCRIPT, Script};
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::internet::NetworkKind::{Hosting, Tor, Vpn};
use crate::org::cast::Person;
use crate::org::entities;
use crate::org::entry::Context;

pub(super) const PLOTS: &[Plot] = &[
    Plot {
        name: "stolen-cookie-support",
        about: "A bought session cookie is used from a rented server to look around, read files and reach IT support.",
        references: &["Electronic Arts 2021", "T1539", "T1550.004"],
        families: &["session-moved", "new-context-then-collection", "preview-sweep"],
        tell: stolen_cookie_support,
    },
    Plot {
        name: "stolen-cookie-channel-sweep",
        about: "A stolen session joins nearly every channel there is and downloads what lies in them.",
        references: &["Disney 2024", "T1539", "T1213.005"],
        families: &["session-moved", "join-sweep", "files-collected", "new-context-then-collection"],
        tell: stolen_cookie_channel_sweep,
    },
    Plot {
        name: "infostealer-login",
        about: "Credentials from an infected home computer: a plain sign-in through a VPN, then mass reading.",
        references: &["Nikkei 2025", "T1078.004", "T1213.005"],
        families: &["new-context-then-collection", "files-collected", "preview-sweep"],
        tell: infostealer_login,
    },
    Plot {
        name: "password-spray",
        about: "One server tries a few passwords on many accounts and gets into the last.",
        references: &["T1110.003"],
        families: &["login-spraying", "login-success-after-failures"],
        tell: password_spray,
    },
    Plot {
        name: "password-guessing",
        about: "Many wrong passwords for one account, from one server, without success.",
        references: &["T1110.001"],
        families: &["login-guessing"],
        tell: password_guessing,
    },
    Plot {
        name: "account-recovery-takeover",
        about: "The mail address is changed or the password reset, then a sign-in from elsewhere adds a passkey.",
        references: &["T1098.005", "T1078"],
        families: &["recovery-takeover"],
        tell: account_recovery_takeover,
    },
    Plot {
        name: "anomaly-ignored",
        about: "Slack ends the sessions of a scraper; it signs in again from the same network minutes later.",
        references: &["T1078.004"],
        families: &["anomaly", "anomaly-ignored"],
        tell: anomaly_ignored,
    },
    Plot {
        name: "ip-allowlist-pressure",
        about: "One account is refused at several addresses until one is let in.",
        references: &["T1078", "T1090"],
        families: &["ip-allowlist"],
        tell: ip_allowlist_pressure,
    },
    Plot {
        name: "session-fingerprint",
        about: "Slack finds that a session's cookie doesn't fit its client.",
        references: &["T1539"],
        families: &["anomaly"],
        tell: session_fingerprint,
    },
];

fn stolen_cookie_support(s: &mut Script<'_>) {
    let victim = s.member();
    s.ordinary_work(victim);
    let who = s.person(victim);
    let browser = s.browser(victim);
    let context = s.stolen(victim, Hosting, browser);
    let count = s.volume(30);
    let gap = s.gap(count, 30 * MINUTE);
    s.look_into(who, 1, gap, &context);
    s.decisive();
    s.look_into(who, count, gap, &context);
    let files = s.volume(10);
    s.take_files(who, files, gap, &context);
    // The way in to the rest was a friendly word with support.
    let channel = &s.world.cast.channels[s.world.some_channel(&mut s.stage.dice)].id;
    let huddle = entities::huddle(&[who], channel, s.stage.at, &mut s.stage.dice);
    s.bare("huddle_started", who, huddle, &context);
}

fn stolen_cookie_channel_sweep(s: &mut Script<'_>) {
    let victim = s.member();
    s.ordinary_work(victim);
    let who = s.person(victim);
    let context = s.stolen(victim, Hosting, SCRIPT);
    let channels: Vec<usize> = s.world.public_channels().collect();
    let count = (s.volume(25) * 2).min(channels.len() as u64);
    let gap = s.gap(count, HOUR);
    for (n, channel) in channels.into_iter().take(count as usize).enumerate() {
        s.join(who, channel, &context);
        if n == 0 {
            s.decisive();
        }
        s.wait(gap);
    }
    let files = s.volume(30);
    let gap = s.gap(files, HOUR);
    s.take_files(who, files, gap, &context);
}

fn infostealer_login(s: &mut Script<'_>) {
    let victim = s.member();
    s.ordinary_work(victim);
    let who = s.person(victim);
    let browser = s.browser(victim);
    let context = s.intruder(victim, Vpn, browser);
    s.log_in(who, &context);
    s.pause(4 * MINUTE);
    let count = s.volume(30);
    let gap = s.gap(count, 30 * MINUTE);
    s.look_into(who, count, gap, &context);
    let first = s.world.some_file(&mut s.stage.dice);
    let gap = s.gap(count, HOUR);
    for n in 0..count {
        s.download(who, first + n, &context);
        s.decisive_at(n, 30);
        s.wait(gap);
    }
}

/// Two to three tries for each account over most of an hour; the last account's last try is right.
fn password_spray(s: &mut Script<'_>) {
    let entered = s.member();
    let day = s.stage.today();
    let count = s.volume(9) as usize;
    let mut victims: Vec<usize> = (0..count).map(|_| s.world.anybody(day, &mut s.stage.dice)).collect();
    victims.sort_unstable();
    victims.dedup();
    let ids: Vec<String> = victims.iter().map(|i| s.person(*i).user.id.clone()).collect();
    ids.into_iter().for_each(|id| s.also(id));
    victims.push(entered);
    let context = s.stranger(entered, Hosting, SCRIPT);
    let tries = 2 * victims.len();
    let gap = s.gap(tries as u64, HOUR);
    for n in 0..tries {
        let who = s.person(victims[n % victims.len()]);
        s.fail_login(who, &context);
        s.decisive_at(n as u64, 15);
        s.wait(gap);
    }
    let session = s.intruder(entered, Hosting, SCRIPT).session;
    s.log_in(s.person(entered), &Context { session, ..context });
}

fn password_guessing(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let browser = s.browser(victim);
    let context = s.stranger(victim, Hosting, browser);
    let count = s.volume(10);
    let gap = s.gap(count, 10 * MINUTE);
    for n in 0..count {
        s.fail_login(who, &context);
        s.decisive_at(n, 10);
        s.wait(gap);
    }
}

fn account_recovery_takeover(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let browser = s.browser(victim);
    let context = s.intruder(victim, Hosting, browser);
    let user = || entities::user(who);
    if s.stage.dice.percent(50) {
        let admin = s.admin();
        let console = s.console(admin);
        let by = s.person(admin);
        s.act_with("user_email_updated", by, user(), &console, |o| {
            o.str("email", "help@nordlicht-mail.example");
        });
    } else {
        let context = Context { session: crate::org::entry::Session::Absent, ..context.clone() };
        s.bare("user_password_reset_requested", who, user(), &context);
    }
    s.pause(20 * MINUTE);
    s.log_in(who, &context);
    s.pause(6 * MINUTE);
    s.bare("user_passkey_created", who, user(), &context);
    s.decisive();
}

/// Slack's verdict on what one did a minute before.
fn verdict(s: &mut Script<'_>, who: &Person, reasons: &[&str], context: &Context, usual: &Context) {
    let acted_us = crate::org::details::detected_act_us(s.stage.at, &mut s.stage.dice);
    s.act_with("anomaly", who, entities::user(who), context, |o| {
        o.uint("action_timestamp", acted_us).str("location", "Unknown").strs("reason", reasons);
        o.str("previous_ip_address", &usual.ip).str("previous_ua", &usual.ua);
        if reasons.contains(&"asn") {
            o.strs("ip_address_details", &["new-asn", "cloud-asn"]);
        }
    });
}

fn anomaly_ignored(s: &mut Script<'_>) {
    const SLACK_SECURITY: &str = r#"{"id":"USLACKSECURITY","name":"","email":""}"#;
    let victim = s.member();
    let usual = s.ordinary_work(victim);
    let who = s.person(victim);
    let context = s.stolen(victim, Hosting, "Go-http-client/2.0");
    verdict(s, who, &["unexpected_scraping", "asn", "ip_address"], &context, &usual);
    s.wait(2);
    let server_side = Context::server_side(context.location.clone());
    let user = entities::user(who);
    s.stage.record("user_sessions_reset_by_anomaly_event_response", SLACK_SECURITY, user, &server_side, None);
    s.pause(9 * MINUTE);
    let again = Context { session: s.intruder(victim, Hosting, "").session, ..context };
    s.log_in(who, &again);
    s.decisive();
    s.pause(2 * MINUTE);
    s.take_files(who, 6, 30, &again);
}

fn ip_allowlist_pressure(s: &mut Script<'_>) {
    let victim = s.member();
    let who = s.person(victim);
    let count = s.volume(5);
    let gap = s.gap(count, 6 * HOUR);
    for _ in 0..count {
        let browser = s.browser(victim);
        let context = s.stranger(victim, Vpn, browser);
        s.act("ip_allowlist_access_denied", who, entities::user(who), &context);
        s.wait(gap);
    }
    let browser = s.browser(victim);
    let context = s.intruder(victim, Hosting, browser);
    s.log_in(who, &context);
    s.decisive();
}

fn session_fingerprint(s: &mut Script<'_>) {
    const VERDICTS: &[&[&str]] = &[
        &["session_fingerprint", "asn", "ip_address"],
        &["tor"],
        &["spoofed_user_agent", "unexpected_client", "unexpected_api_call_volume"],
    ];
    let victim = s.member();
    let usual = s.ordinary_work(victim);
    let reasons = *s.stage.dice.pick(VERDICTS);
    let kind = if reasons.contains(&"tor") { Tor } else { Hosting };
    let browser = s.browser(victim);
    let context = s.stolen(victim, kind, browser);
    verdict(s, s.person(victim), reasons, &context, &usual);
}
