//! Data that leaves or disappears: exports, files, links, forwards, deletions.

use super::{Plot, Script};
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::org::entities;
use crate::org::entry::{Context, Entity};
use crate::wire::{Obj, object};

pub(super) const PLOTS: &[Plot] = &[
    Plot {
        name: "insider-export",
        about: "An admin whose work it isn't exports messages and downloads the result.",
        references: &["T1213.005", "SAT1037"],
        families: &["export"],
        tell: insider_export,
    },
    Plot {
        name: "export-relay",
        about: "One admin starts an export and another, at another network, downloads it.",
        references: &["T1213.005"],
        families: &["export"],
        tell: export_relay,
    },
    Plot {
        name: "insider-files",
        about: "A member takes far more files than ever before, some weeks before leaving.",
        references: &["T1530", "T1119"],
        families: &["files-collected"],
        tell: insider_files,
    },
    Plot {
        name: "public-link-burst",
        about: "A member makes public links of many files, canvases and lists.",
        references: &["T1567", "SAT1022"],
        families: &["external-sharing"],
        tell: public_link_burst,
    },
    Plot {
        name: "forward-exfiltration",
        about: "A member forwards private messages by the dozen and gives a private channel a mail address.",
        references: &["T1567", "T1048"],
        families: &["forwarding"],
        tell: forward_exfiltration,
    },
    Plot {
        name: "deletion-burst",
        about: "Somebody deletes messages and files by the dozen, or channels in bulk.",
        references: &["T1485", "T1070"],
        families: &["deletion-burst"],
        tell: deletion_burst,
    },
    Plot {
        name: "legal-hold-then-delete",
        about: "A hold on evidence is released by an admin, and within three days much is deleted.",
        references: &["T1070", "T1485"],
        families: &["legal-hold", "legal-hold-then-deletion", "deletion-burst"],
        tell: legal_hold_then_delete,
    },
    Plot {
        name: "retention-shortened",
        about: "An admin has messages and files kept for days instead of for ever.",
        references: &["T1070", "T1485"],
        families: &["retention-shortened"],
        tell: retention_shortened,
    },
    Plot {
        name: "decoy-touched",
        about: "Somebody who looks around touches the decoy channel and the decoy file.",
        references: &["T1213.005"],
        families: &["decoy"],
        tell: decoy_touched,
    },
];

fn exported(o: &mut Obj<'_>) {
    o.str("export_type", "ALL_TIME_STANDARD");
    o.str("export_start_ts", "2020-01-01 00:00:00").str("export_end_ts", "2026-09-01 00:00:00");
}

/// The kinds of export, as the first part of their actions' names.
const EXPORTS: &[&str] = &["manual_export", "manual_user_export", "channels_export", "channel_audit_export"];

fn insider_export(s: &mut Script<'_>) {
    let admin = s.admin();
    let context = s.console(admin);
    let kind = *s.stage.dice.pick(EXPORTS);
    for step in ["started", "completed", "downloaded"] {
        let entity = entities::enterprise(&s.world.cast);
        s.act_with(&format!("{kind}_{step}"), s.person(admin), entity, &context, exported);
        if step == "started" {
            s.decisive();
        }
        s.pause(50 * MINUTE);
    }
}

fn export_relay(s: &mut Script<'_>) {
    let (starter, fetcher) = (s.admin(), s.admin());
    let kind = *s.stage.dice.pick(EXPORTS);
    let enterprise = || entities::enterprise(&s.world.cast);
    let (one, two) = (enterprise(), enterprise());
    let context = s.console(starter);
    s.act_with(&format!("{kind}_started"), s.person(starter), one, &context, exported);
    s.pause(HOUR);
    s.act_with(&format!("{kind}_completed"), s.person(starter), two, &context, exported);
    s.pause(3 * HOUR);
    let ip = s.world.home_ip(fetcher, s.stage.day_of(fetcher));
    let context = Context { ip, ..s.console(fetcher) };
    let entity = entities::enterprise(&s.world.cast);
    s.act_with(&format!("{kind}_downloaded"), s.person(fetcher), entity, &context, exported);
    s.decisive();
}

fn insider_files(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let context = s.desk(member);
    let count = s.volume(60);
    let gap = s.gap(count, HOUR);
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..count {
        s.download(who, first + n, &context);
        s.decisive_at(n, 60);
        s.wait(gap);
    }
}

fn public_link_burst(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let context = s.desk(member);
    let count = s.volume(5);
    let gap = s.gap(count, HOUR);
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..count {
        match n % 3 {
            0 => s.bare("file_public_link_created", who, s.world.file(first + n), &context),
            1 => {
                let canvas = entities::any("canvas", &s.world.cast, who, &mut s.stage.dice);
                s.bare("canvas_linksharing_enabled", who, canvas, &context);
            }
            _ => {
                let list = entities::any("list", &s.world.cast, who, &mut s.stage.dice);
                s.bare("list_linksharing_enabled", who, list, &context);
            }
        }
        s.decisive_at(n, 5);
        s.wait(gap);
    }
}

fn forward_exfiltration(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let context = s.desk(member);
    let count = s.volume(20);
    let gap = s.gap(count, HOUR);
    for n in 0..count {
        let message = entities::any("message", &s.world.cast, who, &mut s.stage.dice);
        s.act("private_message_forwarded", who, message, &context);
        s.decisive_at(n, 20);
        s.wait(gap);
    }
    let channel = s.world.private_channels().next().unwrap_or(0);
    s.bare("channel_email_address_created", who, s.world.channel(channel), &context);
}

/// Messages and files, one by one.
fn delete(s: &mut Script<'_>, who: usize, context: &Context) {
    let count = s.volume(50);
    let gap = s.gap(count, HOUR);
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..count {
        let person = s.person(who);
        let message = entities::any("message", &s.world.cast, person, &mut s.stage.dice);
        let (action, entity) =
            if n % 4 == 0 { ("file_deleted", s.world.file(first + n)) } else { ("message_tombstoned", message) };
        s.bare(action, person, entity, context);
        s.decisive_at(n, 50);
        s.wait(gap);
    }
}

fn deletion_burst(s: &mut Script<'_>) {
    let admin = s.admin();
    let context = s.desk(admin);
    if s.stage.dice.percent(60) {
        return delete(s, admin, &context);
    }
    let count = s.volume(3);
    let gap = s.gap(count, HOUR);
    let channels: Vec<usize> = s.world.public_channels().collect();
    for n in 0..count {
        let channel = s.world.channel(channels[n as usize]);
        s.act_with("public_channel_deleted", s.person(admin), channel, &context, |o| {
            o.str("initiated_by", "admin.conversations.bulkDelete");
        });
        s.decisive_at(n, 3);
        s.wait(gap);
    }
}

fn legal_hold_then_delete(s: &mut Script<'_>) {
    let admin = s.admin();
    let context = s.desk(admin);
    let id = s.stage.dice.id("Lh");
    let body = object(|o| {
        o.str("id", &id).str("name", "Case 2026-7");
    });
    let action = *s.stage.dice.pick(&["legal_hold_policy_released", "legal_hold_policy_entities_deleted"]);
    s.bare(action, s.person(admin), Entity { kind: "legal_hold_policy", body }, &context);
    s.pause(20 * HOUR);
    delete(s, admin, &context);
}

fn retention_shortened(s: &mut Script<'_>) {
    let admin = s.admin();
    let who = s.person(admin);
    let context = s.console(admin);
    for pref in ["pref.public_channel_retention_changed", "pref.dm_retention_changed", "pref.file_retention_changed"] {
        s.set(pref, who, &context, "\"RETAIN_ALL\"", "\"EXPIRE_ALL\"");
        if pref.contains("public") {
            s.decisive();
        }
        s.pause(2 * MINUTE);
    }
    let channel = s.world.private_channels().next().unwrap_or(0);
    s.act_with("channel_retention_changed", who, s.world.channel(channel), &context, |o| {
        o.raw("old_retention_policy", r#"{"type":"RETAIN_ALL","duration_days":0}"#);
        o.raw("new_retention_policy", r#"{"type":"EXPIRE_MSGS","duration_days":3}"#);
    });
}

fn decoy_touched(s: &mut Script<'_>) {
    let member = s.member();
    let who = s.person(member);
    let context = s.desk(member);
    let decoy = s.world.decoy_channel;
    s.bare("public_channel_preview", who, s.world.channel(decoy), &context);
    s.decisive();
    s.pause(MINUTE);
    if s.stage.dice.percent(60) {
        s.join(who, decoy, &context);
        s.pause(2 * MINUTE);
    }
    let file = s.world.decoy_file;
    s.download(who, file, &context);
}
