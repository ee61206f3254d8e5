//! Data that is gathered, shown or sent out little by little, or in somebody else's name.

use super::{Script, Tale};
use crate::benchmark::Level;
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::stories::Plot;
use crate::benchmark::stories::tale::Wanted::AtLeast;
use crate::benchmark::trades::read_by_tool;
use crate::benchmark::workday::assistant;
use crate::benchmark::{SECS_A_DAY, world::Device};
use crate::org::entities;
use crate::org::entry::Context;

pub(super) const TALES: &[Tale] = &[
    Tale {
        plot: Plot {
            name: "slow-fortnight",
            about: "Somebody who takes a handful of files a day takes four times as many for two weeks, never much at once.",
            references: &["Rippling and Deel 2025", "T1530", "T1119"],
            families: &["collected-slowly"],
            tell: slow_fortnight,
        },
        takes: [1, 0, 0],
        days: 16,
        told: "this person took so many files in so many days, of which channels, against their own usual number",
        wanted: AtLeast(Level::Medium, 12 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "looked-at-everything",
            about: "Somebody previews, opens, has summarized and has an assistant read much, and downloads nothing.",
            references: &["T1213.005", "T1119", "SAT1031"],
            families: &["looked-at"],
            tell: looked_at_everything,
        },
        takes: [1, 0, 0],
        days: 9,
        told: "this person looked at so many things in so many days, by which means, against their usual number",
        wanted: AtLeast(Level::Medium, 12 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "links-over-a-week",
            about: "One person opens a few files, canvases and lists to everybody each day for a week.",
            references: &["T1567", "SAT1022"],
            families: &["scope-grows"],
            tell: links_over_a_week,
        },
        takes: [1, 0, 0],
        days: 10,
        told: "this person made so many public links in so many days, with their names",
        wanted: AtLeast(Level::Medium, 12 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "dlp-hits-rise",
            about: "What one person sends hits the rules against leaks once, then twice, then all day.",
            references: &["T1567", "T1048"],
            families: &["scope-grows"],
            tell: dlp_hits_rise,
        },
        takes: [1, 0, 0],
        days: 9,
        told: "this person's messages hit the rules so many times this week, where others' hardly ever do",
        wanted: AtLeast(Level::Medium, 12 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "inviter-as-doer",
            about: "One person brings another's account into dozens of private channels; the entries are the other's.",
            references: &["T1098", "T1213.005"],
            families: &["doer-behind"],
            tell: inviter_as_doer,
        },
        takes: [2, 0, 0],
        days: 1,
        told: "who brought whom into how many private channels, and what the second then took",
        wanted: AtLeast(Level::Medium, HOUR),
    },
    Tale {
        plot: Plot {
            name: "programs-handed-out",
            about: "One account shares programs and disk images, named like papers, into a dozen channels.",
            references: &["DarkGate in Teams 2023", "T1534", "T1204.002"],
            families: &["scope-grows"],
            tell: programs_handed_out,
        },
        takes: [1, 0, 0],
        days: 1,
        told: "who handed out which programs to how many channels, and who has taken them already",
        wanted: AtLeast(Level::Medium, 2 * HOUR),
    },
    Tale {
        plot: Plot {
            name: "invitations-go-out",
            about: "One person invites a dozen organizations that nobody deals with to channels and conversations.",
            references: &["T1199", "T1534", "SAT1019"],
            families: &["scope-grows"],
            tell: invitations_go_out,
        },
        takes: [1, 0, 0],
        days: 4,
        told: "who invited how many organizations in two days, where hardly anybody invites any",
        wanted: AtLeast(Level::Medium, 12 * HOUR),
    },
];

fn slow_fortnight(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let (days, evenings, forwards) = (s.between(9, 10), s.chance(50), s.chance(40));
    for day in 0..days {
        let morning = s.stage.at;
        for _ in 0..s.between(2, 4) {
            let desk = s.desk(member);
            for _ in 0..s.between(5, 8) {
                s.one_file(who, &desk);
                s.pause(3 * MINUTE);
            }
            s.pause(80 * MINUTE);
        }
        if evenings && s.chance(60) {
            let home = s.stage.at(member, Device::Desktop);
            for _ in 0..s.between(2, 6) {
                if forwards {
                    let message = entities::any("message", &s.world.cast, who, &mut s.stage.dice);
                    s.act("private_message_forwarded", who, message, &home);
                } else {
                    s.one_file(who, &home);
                }
                s.pause(4 * MINUTE);
            }
        }
        if day == 4 {
            s.decisive();
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

/// From their own desk, in working hours.
fn looked_at_everything(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let days = s.between(4, 5);
    let left_out = s.between(0, 3);
    for day in 0..days {
        let morning = s.stage.at;
        let desk = s.desk(member);
        for round in 0..s.between(4, 5) {
            let kind = (round + day) % 4;
            if kind == left_out {
                continue;
            }
            for _ in 0..s.between(9, 16) {
                match kind {
                    0 => {
                        let channel = s.world.some_public_channel(&mut s.stage.dice);
                        s.bare("public_channel_preview", who, s.world.channel(channel), &desk);
                    }
                    1 => {
                        let canvas = entities::any("canvas", &s.world.cast, who, &mut s.stage.dice);
                        s.act("canvas_opened", who, canvas, &desk);
                    }
                    2 => s.bare("slack_ai_summary_requested", who, entities::enterprise(&s.world.cast), &desk),
                    _ => {
                        let channel = s.world.some_channel(&mut s.stage.dice);
                        let context = assistant(s.world, member);
                        read_by_tool(&mut s.stage, "mcp_slack_read_channel_tool_called", who, channel, &context);
                    }
                }
                s.pause(2 * MINUTE);
            }
            s.pause(30 * MINUTE);
        }
        if day == 2 {
            s.decisive();
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn links_over_a_week(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let mut made = 0;
    for _ in 0..s.between(5, 6) {
        let morning = s.stage.at;
        let desk = s.desk(member);
        for _ in 0..s.between(3, 4) {
            match s.between(0, 4) {
                0 => {
                    let canvas = entities::any("canvas", &s.world.cast, who, &mut s.stage.dice);
                    s.bare("canvas_linksharing_enabled", who, canvas, &desk);
                }
                1 => {
                    let list = entities::any("list", &s.world.cast, who, &mut s.stage.dice);
                    s.bare("list_linksharing_enabled", who, list, &desk);
                }
                _ => {
                    let file = s.world.some_file(&mut s.stage.dice);
                    s.bare("file_public_link_created", who, s.world.file(file), &desk);
                }
            }
            made += 1;
            if made == 12 {
                s.decisive();
            }
            s.pause(90 * MINUTE);
        }
        s.stage.at = morning;
        s.next_workday();
    }
}

fn dlp_hits_rise(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let mut today = 1;
    for day in 0..s.between(4, 5) {
        let morning = s.stage.at;
        let desk = s.desk(member);
        for _ in 0..today {
            let message = entities::any("message", &s.world.cast, who, &mut s.stage.dice);
            s.bare("native_dlp_rule_action_applied", who, message, &desk);
            s.pause(20 * MINUTE);
        }
        if day == 2 {
            s.decisive();
        }
        today += s.between(1, 2) + day;
        s.stage.at = morning;
        s.next_workday();
    }
}

fn inviter_as_doer(s: &mut Script<'_>) {
    let (inviter, invited) = (s.member(), s.member());
    let (by, who) = (s.person(inviter), s.person(invited));
    let inviters = s.desk(inviter);
    let channels: Vec<usize> = s.world.private_channels().collect();
    let count = (s.between(40, 70) as usize).min(channels.len());
    for (n, channel) in channels.into_iter().take(count).enumerate() {
        s.stage.invite(who, by, channel, &inviters);
        if n == 19 {
            s.decisive();
        }
        s.pause(12);
    }
    s.pause(20 * MINUTE);
    let elsewhere = s.chance(40);
    let desk = s.desk(invited);
    let ip = s.world.home_ip(invited, s.stage.at / SECS_A_DAY);
    let context = if elsewhere { Context { ip, ..desk } } else { desk };
    let count = s.between(12, 30);
    s.take_files(who, count, 70, &context);
}

/// Named like papers: what they are stands in the type.
const PROGRAMS: &[(&str, &str)] = &[
    ("Salary-Review-2026.iso", "application/x-iso9660-image"),
    ("Invoice_48213.pdf.scr", "application/x-msdownload"),
    ("Org-Chart.one", "application/msonenote"),
    ("VPN-Update.msi", "application/x-msi"),
    ("Benefits.html.lnk", "application/x-ms-shortcut"),
    ("Holiday-Plan.img", "application/octet-stream"),
    ("Teams-Plan.7z", "application/x-7z-compressed"),
];

fn programs_handed_out(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let desk = s.desk(member);
    let kinds = s.between(1, 3) as usize;
    let first = s.between(0, PROGRAMS.len() as u64 - 1) as usize;
    let programs: Vec<_> = (0..kinds)
        .map(|n| {
            let (name, mime) = PROGRAMS[(first + n) % PROGRAMS.len()];
            let id = s.stage.dice.id("F");
            entities::named_file(&id, name, mime)
        })
        .collect();
    for program in &programs {
        s.bare("file_uploaded", who, program.clone(), &desk);
        s.pause(MINUTE);
    }
    let mut taken = 0;
    for n in 0..s.between(9, 18) {
        let program = &programs[n as usize % kinds];
        let channel = s.world.cast.channels[s.world.some_channel(&mut s.stage.dice)].id.clone();
        s.act_with("file_shared", who, program.clone(), &desk, |o| {
            o.obj("shared_with", |with| {
                with.str("channel_id", &channel).str("access_level", "read");
            });
        });
        if n == 5 {
            s.decisive();
        }
        s.pause(3 * MINUTE);
        if s.chance(50) && taken < 6 {
            let day = s.stage.today();
            let reader = s.world.anybody(day, &mut s.stage.dice);
            let theirs = s.desk(reader);
            s.bare("file_downloaded", s.person(reader), program.clone(), &theirs);
            taken += 1;
        }
    }
}

fn invitations_go_out(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let count = s.between(10, 22);
    for n in 0..count {
        let desk = s.desk(member);
        let (team, invite) = (s.stage.dice.id("T"), s.stage.dice.id("I"));
        let number = s.between(100, 999);
        let to_channel = s.chance(50);
        let channel = s.world.some_channel(&mut s.stage.dice);
        let (action, entity) = if to_channel {
            ("external_shared_channel_invite_sent", s.world.channel(channel))
        } else {
            ("connect_dm_invite_generated", entities::user(who))
        };
        s.act_with(action, who, entity, &desk, |o| {
            o.str("invite_id", &invite).str("external_organization_id", &team);
            o.str("external_organization_name", &format!("Venture {number}"));
            o.str("external_user_email", &format!("office@venture{number}.example"));
        });
        if n == 7 {
            s.decisive();
        }
        s.pause(25 * MINUTE);
        if n == count / 2 {
            s.next_workday();
        }
    }
}
