//! Guests, partners and those who pretend: people who shouldn't be where they are.

use super::{Plot, Script};
use crate::benchmark::stage::{HOUR, MINUTE};
use crate::benchmark::world::{STRANGER, newcomer};
use crate::org::{Role, entities};
use crate::wire::{Obj, object};

pub(super) const PLOTS: &[Plot] = &[
    Plot {
        name: "connect-drain",
        about: "An organization never dealt with is connected to a channel, and its people take the files.",
        references: &["T1199", "T1537"],
        families: &["connect-new-organization", "connect-drain"],
        tell: connect_drain,
    },
    Plot {
        name: "guest-made-durable",
        about: "A guest's end date is cleared, and private channels follow.",
        references: &["T1136.003", "SAT1046"],
        families: &["guest-made-durable"],
        tell: guest_made_durable,
    },
    Plot {
        name: "huddle-in-incident",
        about: "A guest whose name looks like IT's gets into the incident channel, is let into the huddle, and listens.",
        references: &["LAPSUS$ 2022", "G1004", "T1684.001"],
        families: &["huddle-intrusion", "impersonation"],
        tell: huddle_in_incident,
    },
    Plot {
        name: "impersonation-profile",
        about: "A member's profile takes a name that differs from Slackbot's or IT's only in the alphabet.",
        references: &["T1684.001", "SAT1019"],
        families: &["impersonation"],
        tell: impersonation_profile,
    },
];

fn connect_drain(s: &mut Script<'_>) {
    const THRESHOLD: u64 = 10;
    let host = s.member();
    let context = s.desk(host);
    let stranger = &s.world.partners[STRANGER];
    let ours = s.world.cast.enterprise.id.clone();
    let about = |o: &mut Obj<'_>| {
        o.str("origin_team", &ours).str("target_team", &stranger.team).flag("is_external_limited", false);
        o.str("external_organization_id", &stranger.team).str("external_organization_name", stranger.name);
    };
    let channels: Vec<usize> = s.world.private_channels().collect();
    let many = s.stage.dice.between(2, 5) as usize;
    for &channel in &channels[..many.min(channels.len())] {
        let channel = s.world.channel(channel);
        s.act_with("external_shared_channel_invite_sent", s.person(host), channel.clone(), &context, about);
        s.pause(4 * MINUTE);
        let theirs = s.world.outside(stranger, 0);
        let contact = &stranger.people[0];
        s.act_with("external_shared_channel_invite_accepted", contact, channel.clone(), &theirs, about);
        s.wait(3);
        s.act_with("external_shared_channel_connected", contact, channel, &theirs, about);
        s.pause(3 * MINUTE);
    }
    let takers = s.stage.dice.between(1, 3);
    let ids: Vec<String> = stranger.people[..takers as usize].iter().map(|p| p.user.id.clone()).collect();
    ids.into_iter().for_each(|id| s.also(id));
    let count = s.volume(THRESHOLD);
    let gap = s.gap(count, 6 * HOUR);
    let first = s.world.some_file(&mut s.stage.dice);
    for n in 0..count {
        let taker = (n % takers) as usize;
        let theirs = s.world.outside(stranger, taker);
        s.download(&stranger.people[taker], first + n, &theirs);
        s.decisive_at(n, THRESHOLD);
        s.wait(gap);
    }
}

fn guest_made_durable(s: &mut Script<'_>) {
    let (admin, host) = (s.admin(), s.guest());
    let (by, guest) = (s.person(admin), s.person(host));
    let console = s.desk(admin);
    s.act("guest_created", by, entities::user(guest), &console);
    s.pause(5 * HOUR);
    let durable = *s.stage.dice.pick(&["guest_expiration_cleared", "guest_transferred_to_external_user"]);
    s.bare(durable, by, entities::user(guest), &console);
    s.pause(HOUR);
    let channels: Vec<usize> = s.world.private_channels().collect();
    // The window is two weeks.
    s.cant_be_slow();
    for n in 0..s.volume(3) {
        s.invite(guest, by, channels[n as usize % channels.len()], &console);
        s.decisive_at(n, 3);
        s.pause(20 * MINUTE);
    }
}

fn huddle_in_incident(s: &mut Script<'_>) {
    let guest = s.guest();
    let responder = s.member();
    let (who, lets_in) = (s.person(guest), s.person(responder));
    let context = s.desk(guest);
    rename(s, guest, "ІT Helpdesk");
    s.pause(20 * MINUTE);
    let incident = s.world.cast.channels.iter().position(|c| c.name.starts_with("incident")).unwrap_or(0);
    let theirs = s.desk(responder);
    s.invite(who, lets_in, incident, &theirs);
    s.pause(30 * MINUTE);
    let channel = &s.world.cast.channels[incident].id;
    let huddle = entities::huddle(&[lets_in, who], channel, s.stage.at, &mut s.stage.dice);
    s.bare("huddle_knock_accepted", lets_in, huddle.clone(), &theirs);
    s.decisive();
    s.wait(3);
    s.bare("huddle_participant_joined", who, huddle.clone(), &context);
    s.pause(40 * MINUTE);
    s.bare("huddle_participant_left", who, huddle, &context);
}

/// A profile before and after, as the entry carries both.
fn rename(s: &mut Script<'_>, who: usize, new: &str) {
    let person = s.person(who);
    let context = s.desk(who);
    let profile = |name: &str| {
        object(|o| {
            o.str("real_name", name).str("display_name", name);
        })
    };
    let (before, after) = (profile(&person.user.name), profile(new));
    // The entity already shows the new name.
    let renamed = newcomer(&person.user.id, new, &person.user.email, Role::Member, "");
    s.act_with("user_profile_updated", person, renamed, &context, |o| {
        o.raw("previous_profile", &before).raw("new_profile", &after);
    });
}

fn impersonation_profile(s: &mut Script<'_>) {
    // Cyrillic: the o of the first, the e and p of the second, the I of the third.
    const NAMES: &[&str] = &["Slackbоt", "Hеlр Desk", "ІT Support"];
    let member = s.member();
    let name = *s.stage.dice.pick(NAMES);
    rename(s, member, name);
}
