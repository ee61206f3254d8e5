//! What an alert may tell of who, whether that is usual, and from where: all of it, and with any text in every place.

use gridwatch_event::role::Role;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_rules::about::{
    About, Activity, Address, AdminAct, Alerted, App, Channel, Lack, Peers, Person, Seen, SeenSession, Session, Source,
    Sourced, Through,
};

const TIME: UnixSeconds = UnixSeconds(1_700_000_000);

/// Every part of it.
pub fn full() -> About {
    of("198.51.100.7", |text| text.to_owned())
}

/// The same with one text in the place of all.
pub fn hostile(text: &str) -> About {
    of(text, |_| text.to_owned())
}

fn of(ip: &str, text: impl Fn(&str) -> String) -> About {
    let seen = || Seen { value: text("198.51.100.7"), first: TIME, last: UnixSeconds(TIME.0 + 60) };
    let session = || SeenSession {
        id: text("912345678"),
        first: TIME,
        last: TIME,
        network: text("AS64500"),
        client: text("firefox/windows"),
    };
    About {
        actor: person(&text, "W0A", Source::Log),
        target: Some(person(&text, "W0T", Source::UsersInfo(UnixMillis(1_700_000_000_123)))),
        acted_through: vec![
            Through::App { id: text("A0X"), name: text("Helper"), actor_installed_it: Some(true) },
            Through::Agent { name: text("Slackbot") },
            Through::Inviter { id: text("W0I"), name: text("Ivy") },
        ],
        activity: Some(Activity {
            of: text("W0A"),
            day: [(text("file"), 12)].into(),
            day_by_others: [(text("by app: file"), 5)].into(),
            month_by_others: [(text("refused or flagged: user"), 9)].into(),
            sessions: vec![session()],
            month: [(text("user"), 30)].into(),
            first: Some(TIME),
            before: Some(TIME),
            admin_act: Some(AdminAct { action: text("app_approved"), time: TIME }),
            addresses: vec![seen()],
            networks: vec![seen()],
            countries: vec![seen()],
            clients: vec![seen()],
            client: text("firefox/windows"),
            client_before: Some(seen()),
        }),
        session: Some(Session { id: text("912345678"), whose: text("actor"), before: Some(session()) }),
        alerts: vec![Alerted {
            uid: text("gw-0"),
            rule: text("apps.install"),
            severity: Severity::High,
            first: TIME,
            last: TIME,
            until: TIME,
            open: true,
        }],
        address: Some(Address {
            ip: ip.to_owned(),
            whose: text("actor"),
            own: text("Berlin office"),
            kind: text("office"),
            asn: text("AS64500"),
            organization: text("Nordlicht"),
            country: text("DE"),
            before: Some(seen()),
            network_before: Some(seen()),
            claimed_before: Some(seen()),
            claimed_total: 3,
            others: [text("W0Z")].into(),
            others_total: 7,
        }),
        app: Some(App {
            id: text("A0Y"),
            name: text("Exporter"),
            scopes: [text("admin")].into(),
            bot_scopes: [text("chat:write")].into(),
            first: Some(TIME),
            installer: text("W0J"),
            directory_approved: Some(false),
            approved: Some(true),
            installs: 2,
        }),
        channel: Some(Channel {
            id: text("C0C"),
            name: text("deals"),
            private: Some(true),
            shared: Some(true),
            org_shared: Some(false),
            sensitive: Some(true),
            members: Some(Sourced { value: 42, by: Source::ConversationsInfo(UnixMillis(1_700_000_000_123)) }),
        }),
        peers: Some(Peers { action: text("file_downloaded"), people: 200, same_role: Some(3), watched_s: 86_400 }),
        lacks: vec![Lack { what: text("channel's members"), why: text("the log doesn't tell") }],
    }
}

fn person(text: &impl Fn(&str) -> String, id: &str, by: Source) -> Person {
    Person {
        id: text(id),
        name: text("Ada"),
        email: text("ada@corp.example"),
        placeholder: false,
        role_at_event: Some(Sourced { value: Role::Guest, by: Source::Log }),
        role_now: Some(Sourced { value: Role::Admin, by }),
        system_roles: [text("Users Admin")].into(),
        guest: Some(Sourced { value: true, by }),
        bot: Some(Sourced { value: false, by }),
        external: Some(Sourced { value: false, by }),
        deactivated: Some(Sourced { value: false, by }),
        dormant: Some(Sourced { value: false, by: Source::Log }),
        two_factor: Some(Sourced { value: true, by }),
        created: Some(Sourced { value: TIME, by: Source::Log }),
    }
}
