//! User agents, in the forms seen live: which one a machine has, by a number, and how it grows older week by week.

/// A computer with Slack's own client or, for one in four, a browser.
pub(crate) fn desktop(machine: u64, week: u64) -> String {
    let systems = ["Macintosh; Intel Mac OS X 10_15_7", "Windows NT 10.0; Win64; x64", "X11; Linux x86_64"];
    let system = systems[[0, 0, 1, 1, 1, 2][(machine % 6) as usize]];
    if (machine / 6).is_multiple_of(4) {
        let version = 138 + week / 4;
        return format!(
            "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
        );
    }
    // Not everybody restarts when told to.
    let minor = 60 + week.saturating_sub(machine / 24 % 3);
    format!(
        "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.7204.100 Safari/537.36 \
         Slack_SSB/4.45.{minor} Electron/37.2.5"
    )
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
