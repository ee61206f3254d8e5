//! How many of 5,000 real-looking names are taken for somebody else's. `cargo test -p lookalikes -- --nocapture` prints it.

use super::*;

/// Given names and surnames of many languages, in their own letters.
const GIVEN: &[&str] = &[
    "Anna",
    "Björn",
    "Chloé",
    "Dmitri",
    "Дмитрий",
    "Ольга",
    "Ελένη",
    "Νίκος",
    "Søren",
    "Łukasz",
    "José",
    "María",
    "Nguyễn",
    "Zoë",
    "İrem",
    "Ayşe",
    "Yuki",
    "美咲",
    "太郎",
    "지훈",
    "서연",
    "Mohammed",
    "محمد",
    "فاطمة",
    "Priya",
    "Arjun",
    "Siobhán",
    "Niamh",
    "Åsa",
    "Jürgen",
    "Müge",
    "Ivana",
    "Hrvoje",
    "Čedomir",
    "Ștefan",
    "Ioana",
    "Kofi",
    "Adaeze",
    "Thandi",
    "Lucía",
    "Gonçalo",
    "Ilona",
    "Márton",
    "Kateřina",
    "Oleksandr",
    "Олександр",
    "Grace",
    "Liam",
    "Will",
    "Bill",
];
const FAMILY: &[&str] = &[
    "Miller",
    "Müller",
    "Иванов",
    "Петрова",
    "Παπαδόπουλος",
    "O'Neill",
    "van der Berg",
    "García Márquez",
    "Ó Briain",
    "Nowak",
    "Þórsson",
    "Kowalska",
    "Nguyễn",
    "Trần",
    "Yılmaz",
    "Çelik",
    "山田",
    "佐藤",
    "김",
    "박",
    "الهاشمي",
    "Al-Rashid",
    "Patel",
    "Singh",
    "Okafor",
    "Mensah",
    "Dlamini",
    "Silva",
    "Gonçalves",
    "Horvat",
    "Novák",
    "Dvořáková",
    "Szabó",
    "Popescu",
    "Kovačević",
    "Шевченко",
    "Bondarenko",
    "Smith",
    "Jones",
    "McDonald",
    "D'Angelo",
    "Rossi",
    "Lindqvist",
    "Hansen",
    "Virtanen",
    "Mäkinen",
    "Tamm",
    "Bērziņš",
    "Kazlauskas",
    "Cohen",
];
/// What follows a name in Slack, often.
const AFTER: &[&str] = &["", " (Security)", " - Support EMEA", " | IT", " 🌍"];
/// Names of companies and apps, by parts.
const WHAT: &[&str] = &[
    "Acme",
    "Globex",
    "Initech",
    "Umbrella",
    "Stark",
    "Wayne",
    "Soylent",
    "Hooli",
    "Vandelay",
    "Aperture",
    "Cyberdyne",
    "Tyrell",
    "Wonka",
    "Gringotts",
    "Monarch",
    "Oscorp",
    "Nakatomi",
    "Duff",
    "Virtucon",
    "Zorg",
    "Team",
    "Sprint",
    "Deploy",
    "Release",
    "Stand-up",
    "Lunch",
    "Poll",
    "Kudos",
    "On-Call",
    "Incident",
    "Roadmap",
    "Budget",
    "Travel",
    "Expense",
    "Hiring",
    "Onboarding",
    "Feedback",
    "Survey",
    "Metrics",
    "Status",
];
const KIND: &[&str] = &[
    "Bot",
    "Helper",
    "Notes",
    "Reminder",
    "Tracker",
    "GmbH",
    "Inc.",
    "& Co",
    "S.A.",
    "Ltd",
    "Labs",
    "Cloud",
    "Drive",
    "Calendar",
    "Sync",
    "for Slack",
    "2.0",
    "365",
    "Dev",
    "Prod",
    "Group",
    "Partners",
    "Consulting",
    "Média",
    "Système",
];

fn names() -> impl Iterator<Item = String> {
    let people = GIVEN.iter().flat_map(|given| FAMILY.iter().map(move |family| (given, family)));
    let people = people.zip(AFTER.iter().cycle()).map(|((given, family), after)| format!("{given} {family}{after}"));
    let logins = GIVEN.iter().flat_map(|given| {
        FAMILY.iter().map(move |family| format!("{}.{}", given.to_lowercase(), family.to_lowercase()))
    });
    let things = WHAT.iter().flat_map(|what| KIND.iter().map(move |kind| format!("{what} {kind}")));
    people
        .chain(logins.step_by(2))
        .chain(things)
        .chain(WHAT.iter().flat_map(|what| (0..20).map(move |n| format!("{what}{n}"))))
}

#[test]
fn few_of_five_thousand_real_looking_names_are_taken_for_others() {
    let config = Config::default();
    let all: Vec<String> = names().take(5_000).collect();
    assert_eq!(all.len(), 5_000);
    let like = |names: &[String]| all.iter().filter(|name| looks::likest(name, names).is_some()).collect::<Vec<_>>();
    let dressed: Vec<&String> = all.iter().filter(|name| looks::is_dressed_up(name)).collect();
    let (people, apps) = (like(&config.protected_names), like(&config.protected_apps));
    let own = vec!["nordlicht.example".to_owned(), "nordlicht-gruppe.example".to_owned()];
    let domains = all.iter().map(|name| format!("{}.com", looks::skeleton(name)));
    let domains: Vec<String> = domains.filter(|domain| looks::domain_likeness(domain, &own).is_some()).collect();
    let wrong = people.len() + apps.len() + dressed.len() + domains.len();
    println!(
        "of 5,000 names: {} like a protected person, {} like a protected app, {} written with other letters, {} like an own domain \
         ({:.2} % of 20,000 answers): {people:?} {apps:?} {dressed:?} {domains:?}",
        people.len(),
        apps.len(),
        dressed.len(),
        domains.len(),
        wrong as f64 / 200.0
    );
    assert!(people.len() + apps.len() + domains.len() <= 5, "more than one in a thousand");
    assert!(dressed.len() <= 10, "more than two in a thousand");
}
