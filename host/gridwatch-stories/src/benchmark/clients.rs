//! User agents, in the forms seen live: which one a machine has, by a number, and how it grows older week by week.

/// A computer with Slack's own client or, for one in four, a browser: Chrome, Firefox, Edge or Safari.
pub(crate) fn desktop(machine: u64, week: u64) -> String {
    let systems = ["Macintosh; Intel Mac OS X 10_15_7", "Windows NT 10.0; Win64; x64", "X11; Linux x86_64"];
    let system = systems[[0, 0, 1, 1, 1, 2][(machine % 6) as usize]];
    if (machine / 6).is_multiple_of(4) {
        return browser(machine / 24, system, week);
    }
    // Not everybody restarts when told to.
    let minor = 60 + week.saturating_sub(machine / 24 % 3);
    format!(
        "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.7204.100 Safari/537.36 \
         Slack_SSB/4.45.{minor} Electron/37.2.5"
    )
}

/// Half of the browsers are Chrome; Safari is on Macs only.
fn browser(nth: u64, system: &str, week: u64) -> String {
    let chromium = format!("Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome");
    let version = 138 + week / 4;
    match nth % 10 {
        0..5 => format!("{chromium}/{version}.0.0.0 Safari/537.36"),
        5..7 => format!("Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
        9 if system.starts_with("Macintosh") => {
            format!(
                "Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} Safari/605.1.15",
                week / 4
            )
        }
        _ => format!("{chromium}/{version}.0.0.0 Safari/537.36 Edg/{version}.0.0.0"),
    }
}

/// A browser of another kind than the one that this person has, if any: by a number.
pub(crate) fn other_browser(theirs: &str, nth: u64) -> &'static str {
    const BROWSERS: [(&str, &str); 4] = [
        ("Firefox", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        (
            "Chrome",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
        ),
        (
            "Edg/",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0",
        ),
        (
            "Version/",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
        ),
    ];
    // Slack's own client and Edge call themselves Chrome as well.
    let kind = ["Slack_SSB", "Edg/", "Firefox", "Version/", "Chrome"].into_iter().find(|kind| theirs.contains(kind));
    let fitting: Vec<_> = BROWSERS.iter().filter(|(of, _)| Some(*of) != kind).map(|(_, ua)| *ua).collect();
    fitting[(nth % fitting.len() as u64) as usize]
}

pub(crate) fn phone(machine: u64, week: u64) -> String {
    let minor = 10 + 2 * week;
    if machine % 10 < 6 {
        return format!("com.tinyspeck.chatlyio/26.09.{minor} (iPhone; iOS 18.{}; Scale/3.00)", machine / 10 % 6);
    }
    format!("slack/26.09.{minor}.0 (samsung SM-S{}; Android 14; en_US)", 901 + machine / 10 % 38)
}

/// What plays videos on a phone with this client.
pub(crate) fn media_player(client: &str) -> &'static str {
    if client.contains("iPhone") {
        "AppleCoreMedia/1.0.0.22G86 (iPhone; U; CPU OS 18_6 like Mac OS X; en_us)"
    } else {
        "stagefright/1.2 (Linux; Android 14)"
    }
}
