//! The client: what a user agent says of the program and its system, without the versions that change every week.
//!
//! `chrome/windows`, `slack-desktop/macos`, `slack-ios`; and `script/curl` for what no person sits in front of. A user agent
//! is whatever the client chooses to say, so a known one proves nothing; one that changes within a session does.

/// Longest family of a client that is in none of the lists, in characters.
const MAX_FAMILY: usize = 32;

/// Libraries and tools, by what their user agent contains in small letters. Which of them matter is the list that Elastic's
/// rules for stolen sessions go by, with a few of their kind.
const SCRIPTS: [(&str, &str); 17] = [
    ("python-requests", "python-requests"),
    ("python-httpx", "httpx"),
    ("httpx", "httpx"),
    ("aiohttp", "aiohttp"),
    ("python-urllib", "python-urllib"),
    ("go-http-client", "go-http-client"),
    ("okhttp", "okhttp"),
    ("headless", "headless"),
    ("phantomjs", "headless"),
    ("curl/", "curl"),
    ("wget/", "wget"),
    ("apache-httpclient", "java"),
    ("java/", "java"),
    ("java-http-client", "java"),
    ("axios/", "axios"),
    ("node-fetch", "node-fetch"),
    ("postman", "postman"),
];

/// Programs for people, the one that imitates another before the one it imitates: Edge says Chrome, Chrome says Safari.
const PROGRAMS: [(&str, &str); 12] = [
    ("slack_ssb", "slack-desktop"),
    ("electron", "electron"),
    ("edg/", "edge"),
    ("edga/", "edge"),
    ("edgios/", "edge"),
    ("opr/", "opera"),
    ("vivaldi", "vivaldi"),
    ("samsungbrowser", "samsung-browser"),
    ("firefox", "firefox"),
    ("fxios", "firefox"),
    ("chrome", "chrome"),
    ("crios", "chrome"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("windows", "windows"),
    ("android", "android"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("cros ", "chromeos"),
    ("mac os", "macos"),
    ("macintosh", "macos"),
    ("linux", "linux"),
];

/// Family and system of a user agent; "" of none.
pub fn client_of(ua: &str) -> String {
    let ua = ua.trim().to_ascii_lowercase();
    let find = |list: &[(&str, &'static str)]| list.iter().find(|(part, _)| ua.contains(part)).map(|(_, name)| *name);
    if ua.is_empty() {
        return String::new();
    }
    // First of all: an app may name the library that it was built with.
    if let Some(app) = slack_app(&ua) {
        return app.into();
    }
    if let Some(script) = find(&SCRIPTS) {
        return format!("script/{script}");
    }
    let program = find(&PROGRAMS).or_else(|| ua.contains("safari").then_some("safari"));
    let program = program.map_or_else(|| first_word(&ua), str::to_owned);
    match find(&SYSTEMS) {
        Some(system) => format!("{program}/{system}"),
        None => program,
    }
}

/// Is a client, as [`client_of`] names it, one that a person sits in front of?
pub fn is_for_people(client: &str) -> bool {
    let program = client.split('/').next().unwrap_or_default();
    matches!(program, "safari" | "slack-ios" | "slack-android") || PROGRAMS.iter().any(|(_, name)| *name == program)
}

/// Slack's own apps for phones, whose user agents start with the app's package name.
fn slack_app(ua: &str) -> Option<&'static str> {
    match () {
        () if ua.starts_with("com.tinyspeck.chatlyio") => Some("slack-ios"),
        () if ua.starts_with("com.slack") => Some("slack-android"),
        () if ua.starts_with("slack/") && ua.contains("android") => Some("slack-android"),
        () if ua.starts_with("slack/") && ua.contains("ios") => Some("slack-ios"),
        () => None,
    }
}

/// The product's name, up to its version.
fn first_word(ua: &str) -> String {
    let word = ua.split(|c: char| c == '/' || c.is_whitespace() || c == '(' || c == ';').next().unwrap_or_default();
    word.chars().filter(|c| !c.is_control()).take(MAX_FAMILY).collect()
}

#[cfg(test)]
mod tests {
    use super::client_of;

    #[test]
    fn a_client_is_its_family_and_system() {
        for (ua, want) in [
            ("", ""),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", "firefox/windows"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
                "chrome/macos",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36 Edg/128.0",
                "edge/windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "safari/macos",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.6723.137 Safari/537.36 Slack_SSB/4.45.69 Electron/32.2.5",
                "slack-desktop/linux",
            ),
            ("com.tinyspeck.chatlyio/26.09.20 (iPhone; iOS 18.3; Scale/3.00)", "slack-ios"),
            ("com.Slack/24.08.20 (Google Pixel 8; Android 15)", "slack-android"),
            ("python-requests/2.32.3", "script/python-requests"),
            ("python-httpx/0.27", "script/httpx"),
            ("Python/3.12 aiohttp/3.10.5", "script/aiohttp"),
            ("curl/8.9.1", "script/curl"),
            ("Go-http-client/2.0", "script/go-http-client"),
            ("slack/26.09.11.0 (samsung SM-S901; Android 14; en_US)", "slack-android"),
            ("okhttp/4.12.0", "script/okhttp"),
            ("Java/17.0.2", "script/java"),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/128.0.0.0 Safari/537.36",
                "script/headless",
            ),
            ("ApiApp/1.0 (+https://api.example)", "apiapp"),
        ] {
            assert_eq!(client_of(ua), want, "{ua}");
        }
    }

    #[test]
    fn a_new_version_is_the_same_client() {
        let ua = |version| format!("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/{version}.0");
        assert_eq!(client_of(&ua(128)), client_of(&ua(140)));
        assert!(client_of(&"x".repeat(5_000)).len() <= 32);
    }
}
