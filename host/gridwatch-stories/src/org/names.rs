//! Names of people, channels and files, and user agents in the forms seen live.

use super::dice::Dice;

const GIVEN: &[&str] = &[
    "Zoë",
    "Jürgen",
    "Noor",
    "Søren",
    "María",
    "Łukasz",
    "Aiko",
    "Priya",
    "Chinedu",
    "Elif",
    "Tomás",
    "Ingrid",
    "Wei",
    "Fatima",
    "Oleksandr",
    "Ravi",
    "Hanna",
    "Yūki",
    "Mateo",
    "Anaïs",
    "Björn",
    "Siobhán",
    "Kwame",
    "Leïla",
    "David",
    "Grace",
    "陽菜",
];
const FAMILY: &[&str] = &[
    "Müller",
    "O’Brien",
    "Nguyễn",
    "Kowalski",
    "García",
    "Ivanova",
    "Tanaka",
    "Patel",
    "Okafor",
    "Yılmaz",
    "Silva",
    "Larsen",
    "Chen",
    "Haddad",
    "Шевченко",
    "Iyer",
    "Virtanen",
    "Satō",
    "Rossi",
    "Lefèvre",
    "Svensson",
    "Byrne",
    "Mensah",
    "Cohen",
];
const TOPICS: &[&str] = &[
    "general",
    "random",
    "deploys",
    "incident",
    "design",
    "recruiting",
    "payroll",
    "q3-planning",
    "café-corner",
    "on-call",
    "customer-success",
    "legal",
    "launch",
    "data-platform",
    "mobile",
    "brand",
    "offsite",
    "standup",
];
const FILES: &[(&str, &str, &str)] = &[
    ("quarterly-review", "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("budget", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("meeting notes", "txt", "text/plain"),
    ("screenshot", "png", "image/png"),
    ("offer-letter", "pdf", "application/pdf"),
    ("Präsentation", "pdf", "application/pdf"),
    ("photo", "jpg", "image/jpeg"),
    ("export", "csv", "text/csv"),
];

/// A display name and a mailbox that is unique by `index`.
pub(crate) fn person(dice: &mut Dice, index: usize) -> (String, String) {
    let (given, family) = (dice.pick(GIVEN), dice.pick(FAMILY));
    let ascii = |name: &str| name.to_lowercase().chars().filter(char::is_ascii_lowercase).collect::<String>();
    let mailbox = format!("{}.{}{index}", ascii(given), ascii(family));
    // A name without a Latin letter leaves only the number.
    (format!("{given} {family}"), mailbox.trim_start_matches('.').to_owned())
}

pub(crate) fn channel(dice: &mut Dice, index: usize) -> String {
    format!("{}-{index}", dice.pick(TOPICS))
}

/// (name, MIME type) of an ordinary document.
pub(crate) fn file(dice: &mut Dice) -> (String, &'static str) {
    let (stem, extension, mime) = *dice.pick(FILES);
    (format!("{stem}-{}.{extension}", dice.between(1, 999)), mime)
}

pub(crate) fn desktop_ua(dice: &mut Dice) -> String {
    let system = *dice.pick(&["Macintosh; Intel Mac OS X 10_15_7", "Windows NT 10.0; Win64; x64", "X11; Linux x86_64"]);
    let minor = dice.between(60, 72);
    if dice.percent(25) {
        return format!(
            "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
            minor + 70
        );
    }
    format!(
        "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.137 Safari/537.36 \
         Slack_SSB/4.45.{minor} Electron/32.2.5"
    )
}

pub(crate) fn mobile_ua(dice: &mut Dice) -> String {
    let minor = dice.between(10, 60);
    if dice.percent(60) {
        return format!("com.tinyspeck.chatlyio/26.09.{minor} (iPhone; iOS 18.{}; Scale/3.00)", dice.below(6));
    }
    format!("slack/26.09.{minor}.0 (samsung SM-S{}; Android 14; en_US)", dice.between(901, 938))
}
