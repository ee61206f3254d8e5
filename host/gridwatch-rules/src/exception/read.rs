//! Reading a file of exceptions: the entries, or everything that is wrong with them, each with its place.

use super::{Bounds, Exception, Exceptions, Hours, Lowered, Who, covers};
use crate::apps::Scopes;
use crate::builtin;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::document::{Document, Problem, Section};
use gridwatch_manifest::{MAX_BYTES as MAX_MANIFEST_BYTES, Manifest, Severity};
use gridwatch_names::catalogue;
use gridwatch_names::suggest::did_you_mean;
use ipnet::{IpNet, Ipv4Net};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A larger file is no list that people keep.
pub const MAX_BYTES: u64 = 4 * MAX_MANIFEST_BYTES as u64;
const MAX_ENTRIES: usize = 2_000;
/// Texts in one list, and the length of one.
const MAX_TEXTS: usize = 1_000;
const MAX_TEXT: usize = 1_000;
const MAX_ID: usize = 64;
/// More than anything that is counted.
const MAX_VOLUME: u64 = 1_000_000_000;
/// How far ahead an end may be: a year. Whoever still wants the exception then looks at it again.
const MAX_AHEAD_S: u64 = 366 * DAY_S;
const DAY_S: u64 = 86_400;
/// The widest ranges of addresses.
const MIN_V4_BITS: u8 = 8;
const MIN_V6_BITS: u8 = 16;

/// The names that entries may use.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Rule → the actions it watches.
    rules: BTreeMap<String, Vec<String>>,
    /// Whether any address has an autonomous system.
    networks: bool,
}

impl Known {
    pub fn of<'m>(manifests: impl IntoIterator<Item = &'m Manifest>, has_networks: bool) -> Self {
        let rules = manifests.into_iter().flat_map(|manifest| {
            manifest.rules.iter().map(|rule| (format!("{}.{}", manifest.name, rule.id), rule.actions.clone()))
        });
        Self { rules: rules.collect(), networks: has_networks }
    }

    /// Another version of a module has these rules, and none of those that it had.
    pub fn renew(&mut self, manifest: &Manifest) {
        let of_it = format!("{}.", manifest.name);
        self.rules.retain(|rule, _| !rule.starts_with(&of_it));
        self.rules.extend(Self::of([manifest], self.networks).rules);
    }

    fn modules(&self) -> BTreeSet<&str> {
        self.rules.keys().filter_map(|rule| Some(rule.split_once('.')?.0)).collect()
    }
}

/// Reads a file. `now` decides how far ahead an end is.
///
/// # Errors
///
/// Everything that is wrong with the file, in its order: no entry of a file with an error is in force.
pub fn parse(text: &str, known: &Known, now: UnixSeconds) -> Result<Exceptions, Vec<Problem>> {
    if text.len() as u64 > MAX_BYTES {
        let what = format!("is larger than {MAX_BYTES} bytes");
        return Err(vec![Problem {
            place: None,
            key: String::new(),
            what,
            hint: Some("remove what has expired".into()),
        }]);
    }
    let document = Document::parse(text).map_err(|problem| vec![problem])?;
    let mut root = document.root();
    let mut entries: Vec<Exception> = Vec::new();
    for (i, section) in root.sections("exception").into_iter().enumerate() {
        let section = Entry::of(section, i);
        if i == MAX_ENTRIES {
            section.0.problem("", format!("there are more than {MAX_ENTRIES} entries"), None);
            break;
        }
        entries.extend(section.read(known, now, &entries));
    }
    let mut lowered: Vec<Lowered> = Vec::new();
    for (i, section) in root.sections("rule").into_iter().enumerate().take(MAX_ENTRIES) {
        lowered.extend(Entry::of(section, i).read_lowered(known, now, &lowered));
    }
    root.finish_with(whole_severity);
    let problems = document.into_problems();
    if problems.is_empty() { Ok(Exceptions { entries, lowered }) } else { Err(problems) }
}

/// Why some keys are unknown on purpose.
fn whole_severity(key: &str) -> Option<&'static str> {
    matches!(key, "severity" | "severities" | "product" | "all")
        .then_some("an exception is for a subject and named rules or actions, never for all of a severity")
}

/// One `[[exception]]`, or its `who`.
struct Entry<'d>(Section<'d>);

const WHO_KEYS: [&str; 6] = ["actor", "app", "ip", "asn", "channel", "organization"];

impl<'d> Entry<'d> {
    /// Called by its id, or by its number where it has none.
    fn of(mut section: Section<'d>, number: usize) -> Self {
        let id = section.known_item("id").and_then(|id| id.get_ref().as_str()).filter(|id| !id.is_empty());
        let name = id.map_or_else(|| format!("exception {}", number + 1), |id| id.chars().take(MAX_ID).collect());
        Self(section.called(name))
    }

    /// `None` only after a problem was noted.
    fn read(mut self, known: &Known, now: UnixSeconds, before: &[Exception]) -> Option<Exception> {
        let line = self.0.place().map_or(1, |place| place.line);
        let id = self.id();
        if let Some(other) = before.iter().find(|other| Some(&other.id) == id.as_ref()) {
            self.0.problem("id", format!("the entry in line {} has the same id", other.line), None);
        }
        let (who, has_who) = self.who(known);
        let (rules, actions) = (self.rules(known), self.actions(known));
        let scopes_max = self.scopes_max();
        let bounds = self.bounds();
        if !self.0.has("rules") && !self.0.has("actions") {
            let hint = "an exception is for a subject and what it is known to set off: rules = [\"apps.install\"]";
            self.0.problem("rules", "is missing, and so is `actions`", hint.to_owned());
        }
        if has_who {
            self.check_scopes(&who, &rules, &actions, scopes_max.is_some(), known);
        }
        let reason = self.required("reason", "say why this is expected, for whoever meets it later");
        let owner = self.required("owner", "name who answers for it, a person or a team");
        let ticket = self.required("ticket", "name the ticket or document in which it was decided");
        let accepts = self.texts("accepts", true);
        let added = self.time("added", 0);
        let expires = self.expires(added, now);
        self.0.finish_with(whole_severity);
        Some(Exception {
            id: id?,
            who,
            rules,
            actions,
            scopes_max,
            bounds,
            reason: reason?,
            owner: owner?,
            ticket: ticket?,
            accepts,
            added,
            expires: expires?,
            line,
        })
    }

    /// One `[[rule]]`: a rule that is rated lower for everybody. `None` only after a problem was noted.
    fn read_lowered(mut self, known: &Known, now: UnixSeconds, before: &[Lowered]) -> Option<Lowered> {
        let line = self.0.place().map_or(1, |place| place.line);
        let id = self.id();
        let rule = self.required("rule", "name the rule, as in \"files.archives\"");
        if let Some((what, hint)) = rule.as_deref().and_then(|rule| lowered_problem(rule, known)) {
            self.0.problem("rule", what, hint);
        }
        if let Some(other) = before.iter().find(|other| Some(&other.rule) == rule.as_ref()) {
            self.0.problem("rule", format!("the entry in line {} is for the same rule", other.line), None);
        }
        let is_off = self.0.flag("off", false);
        const CHOICES: [(&str, Option<Severity>); 4] = [
            ("informational", Some(Severity::Informational)),
            ("low", Some(Severity::Low)),
            ("medium", Some(Severity::Medium)),
            ("high", Some(Severity::High)),
        ];
        let most = if self.0.has("most") { self.0.choice("most", &CHOICES, None) } else { None };
        if is_off == most.is_some() {
            let hint = "say most = \"low\", or off = true if nobody is to be told at all".to_owned();
            self.0.problem("most", "either `most` or `off = true` has to be given", hint);
        }
        let reason = self.required("reason", "say why this is right, for whoever meets it later");
        let owner = self.required("owner", "name who answers for it, a person or a team");
        let ticket = self.required("ticket", "name the ticket or document in which it was decided");
        let added = self.time("added", 0);
        let expires = self.expires(added, now);
        self.0.finish_with(whole_severity);
        Some(Lowered {
            id: id?,
            rule: rule?,
            most,
            reason: reason?,
            owner: owner?,
            ticket: ticket?,
            added,
            expires: expires?,
            line,
        })
    }

    fn bounds(&mut self) -> Bounds {
        let hours = self.0.text("hours").and_then(|text| {
            let hours = Hours::parse(&text);
            if hours.is_none() {
                let hint = "as in hours = \"22:00-05:30\", in UTC".to_owned();
                self.0.problem("hours", format!("`{text}` is no span of a day"), hint);
            }
            hours
        });
        let at_most = self.0.has("at_most").then(|| self.0.number("at_most", 1..=MAX_VOLUME, 1));
        Bounds { hours, at_most, labels: self.labels() }
    }

    /// The values that labels may have, by label.
    fn labels(&mut self) -> BTreeMap<String, Vec<String>> {
        if !self.0.has("labels") {
            return BTreeMap::new();
        }
        let section = self.0.section("labels");
        let mut labels = BTreeMap::new();
        for (label, item) in section.entries() {
            let values = match item.get_ref().as_str() {
                Some(text) => vec![text.to_owned()],
                None => section.free_texts(label, item).unwrap_or_default(),
            };
            let values = self.bounded("labels", Some(values), false);
            labels.insert(label.to_owned(), values);
        }
        labels
    }

    fn id(&mut self) -> Option<String> {
        let id = self.required("id", "it is what suppressed alerts name, as in \"backup-bot\"")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !id.chars().all(fits) || id.len() > MAX_ID {
            self.0.problem(
                "id",
                format!("`{id}` is not a valid id"),
                format!("use a-z, 0-9, -, _ and ., at most {MAX_ID}"),
            );
        }
        Some(id)
    }

    /// The subject, and whether anything was said of it.
    fn who(&mut self, known: &Known) -> (Who, bool) {
        let hint =
            "name the subject, as in who = { actor = \"W0123\" }; there are actor, app, ip, asn, channel, organization";
        if !self.0.has("who") {
            self.0.problem("who", "is missing", hint.to_owned());
            return (Who::default(), false);
        }
        let mut section = Self(self.0.section("who"));
        if !section.0.is_present() {
            return (Who::default(), false);
        }
        let who = Who {
            actor: section.slack_ids("actor", &['W', 'U']),
            app: section.slack_ids("app", &['A']),
            ip: section.ranges(),
            asn: section.asns(known),
            channel: section.slack_ids("channel", &['C', 'G', 'D']),
            organization: section.slack_ids("organization", &['T', 'E']),
        };
        if WHO_KEYS.iter().all(|key| !section.0.has(key)) {
            self.0.problem("who", "names nobody", hint.to_owned());
        }
        section.0.finish();
        (who, true)
    }

    fn slack_ids(&mut self, key: &'static str, first: &[char]) -> Vec<String> {
        let is_id = |text: &str| {
            text.starts_with(first)
                && text.len() <= 64
                && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        };
        let ids = self.one_or_more(key);
        for id in ids.iter().filter(|id| !is_id(id)) {
            let begins: Vec<String> = first.iter().map(|c| format!("{c}…")).collect();
            let what = match id.contains('*') {
                true => format!("`{id}` would match anybody"),
                false => format!("`{id}` is not a Slack id"),
            };
            self.0.problem(key, what, format!("name each by the id that Slack gave it, {}", begins.join(" or ")));
        }
        ids
    }

    fn ranges(&mut self) -> Vec<IpNet> {
        let texts = self.one_or_more("ip");
        let net = |text: &String| match range(text) {
            Ok(net) => Some(net),
            Err((what, hint)) => {
                self.0.problem("ip", what, hint.to_owned());
                None
            }
        };
        texts.iter().filter_map(net).collect()
    }

    fn asns(&mut self, known: &Known) -> Vec<String> {
        let asns = self.one_or_more("asn");
        if !asns.is_empty() && !known.networks {
            let hint = "say who runs which addresses: `networks` in [detect]";
            self.0.problem("asn", "no table of networks is configured, so no address has one", hint.to_owned());
        }
        for asn in asns.iter().filter(|asn| asn.strip_prefix("AS").is_none_or(|n| n.parse::<u32>().is_err())) {
            self.0.problem(
                "asn",
                format!("`{asn}` is not an autonomous system number"),
                "as in \"AS64500\"".to_owned(),
            );
        }
        asns
    }

    fn rules(&mut self, known: &Known) -> Vec<String> {
        let rules = self.texts("rules", false);
        let more_than_one = known.modules().len() > 1;
        if more_than_one && known.rules.keys().all(|rule| rules.iter().any(|pattern| covers(pattern, rule))) {
            let hint = "name the rules that the subject is known to set off".to_owned();
            self.0.problem("rules", "covers every rule there is", hint);
        }
        for rule in &rules {
            if let Some((what, hint)) = rule_problem(rule, known) {
                self.0.problem("rules", what, hint);
            }
        }
        rules
    }

    fn actions(&mut self, known: &Known) -> Vec<String> {
        let actions = self.texts("actions", false);
        let watched =
            |action: &str| known.rules.values().flatten().any(|pattern| catalogue::pattern_matches(pattern, action));
        for action in &actions {
            if action.contains('*') {
                let hint = "name each action that is meant".to_owned();
                self.0.problem("actions", format!("`{action}` is a pattern"), hint);
            } else if !catalogue::is_action(action) {
                let hint = did_you_mean(action, catalogue::actions()).map(|near| format!("did you mean `{near}`?"));
                self.0.problem("actions", format!("`{action}` is not in Slack's catalogue of actions"), hint);
            } else if !watched(action) {
                self.0.problem("actions", format!("no rule watches `{action}`: there is nothing to suppress"), None);
            }
        }
        actions
    }

    fn scopes_max(&mut self) -> Option<Scopes> {
        if !self.0.has("scopes_max") {
            return None;
        }
        let scopes = self.texts("scopes_max", true);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | ':' | '_' | '-');
        for scope in scopes.iter().filter(|scope| !scope.chars().all(fits)) {
            let hint = "name each scope that the app may have, as in \"chat:write\"".to_owned();
            self.0.problem("scopes_max", format!("`{scope}` is not a scope"), hint);
        }
        Some(scopes.into_iter().collect())
    }

    /// An app that may have any scope is allowed everything it may ever become.
    fn check_scopes(&self, who: &Who, rules: &[String], actions: &[String], given: bool, known: &Known) {
        if who.app.is_empty() && given {
            self.0.problem("scopes_max", "is for entries that name an app", "add app = \"A…\" to `who`".to_owned());
        }
        let about_apps = |pattern: &String| match pattern.as_str() {
            "*" => true,
            pattern => {
                catalogue::actions().any(|action| catalogue::pattern_matches(pattern, action) && is_about_apps(action))
            }
        };
        let covered = known.rules.iter().filter(|(rule, _)| rules.iter().any(|pattern| covers(pattern, rule)));
        let needed = match actions {
            [] => covered.flat_map(|(_, patterns)| patterns).any(about_apps),
            actions => actions.iter().any(|action| is_about_apps(action)),
        };
        if !who.app.is_empty() && needed && !given {
            let hint = "list all that the app may have: scopes_max = [\"chat:write\"]; one more, and the alert fires"
                .to_owned();
            self.0.problem("scopes_max", "is missing, and the entry covers what apps are given", hint);
        }
    }

    fn expires(&mut self, added: Option<UnixSeconds>, now: UnixSeconds) -> Option<UnixSeconds> {
        if !self.0.has("expires") {
            let hint = "say until when, as in expires = 2026-12-31; at most a year ahead".to_owned();
            self.0.problem("expires", "is missing", hint);
        }
        if added.is_some_and(|added| added > now.plus(DAY_S)) {
            self.0.problem("added", "is in the future", "say when it was decided".to_owned());
        }
        // The day that is named is the last one.
        let expires = self.time("expires", DAY_S)?;
        let since = added.unwrap_or(now);
        if expires > since.plus(MAX_AHEAD_S + DAY_S) {
            let from = if added.is_some() { "`added`" } else { "now" };
            self.0.problem("expires", format!("is more than a year from {from}"), "review it within a year".to_owned());
        }
        if added.is_some_and(|added| expires <= added) {
            self.0.problem("expires", "is before `added`", None);
        }
        Some(expires)
    }

    /// A TOML date or one in quotes, or a time with its zone. A date means that many seconds after its start, in UTC.
    fn time(&mut self, key: &'static str, of_date_s: u64) -> Option<UnixSeconds> {
        let item = self.0.known_item(key)?;
        let text = match (item.get_ref().as_datetime(), item.get_ref().as_str()) {
            (Some(time), _) => time.to_string(),
            (None, Some(text)) => text.to_owned(),
            (None, None) => {
                self.0.wrong_type(key, item, "a date, as in 2026-12-31");
                return None;
            }
        };
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == "2026-12-31".len());
        let second = match date {
            Some(date) => date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp().as_second()),
            None => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second),
        };
        let second = second.and_then(|second| u64::try_from(second).ok());
        if second.is_none() {
            let hint = "write 2026-12-31, or 2026-12-31T18:00:00Z".to_owned();
            self.0.problem(key, format!("`{text}` is not a date"), hint);
        }
        second.map(|second| UnixSeconds(second).plus(if date.is_some() { of_date_s } else { 0 }))
    }

    fn required(&mut self, key: &'static str, hint: &str) -> Option<String> {
        let text = self.0.required_text(key, hint)?;
        if text.len() > MAX_TEXT {
            self.0.problem(key, format!("is longer than {MAX_TEXT} bytes"), None);
        }
        Some(text)
    }

    /// A text, or a list of some.
    fn one_or_more(&mut self, key: &'static str) -> Vec<String> {
        let texts = self.0.one_or_more(key);
        self.bounded(key, texts, false)
    }

    fn texts(&mut self, key: &'static str, may_be_empty: bool) -> Vec<String> {
        let texts = self.0.texts(key);
        self.bounded(key, texts, may_be_empty)
    }

    fn bounded(&self, key: &str, texts: Option<Vec<String>>, may_be_empty: bool) -> Vec<String> {
        let Some(texts) = texts else { return Vec::new() };
        if texts.is_empty() && !may_be_empty {
            self.0.problem(key, "is empty", "leave it out, or name something".to_owned());
        }
        if texts.len() > MAX_TEXTS || texts.iter().any(|text| text.len() > MAX_TEXT) {
            self.0.problem(key, format!("is longer than {MAX_TEXTS} texts of {MAX_TEXT} bytes"), None);
        }
        texts
    }
}

/// A rule that is rated lower for everybody is named by itself.
fn lowered_problem(rule: &str, known: &Known) -> Option<(String, Option<String>)> {
    if rule.contains('*') {
        return Some((
            format!("`{rule}` is a pattern"),
            Some("name each rule, with an owner and an end of its own".to_owned()),
        ));
    }
    rule_problem(rule, known)
}

/// What is wrong with the name of a rule, and what to do about it.
fn rule_problem(rule: &str, known: &Known) -> Option<(String, Option<String>)> {
    if rule.split_once('.').is_some_and(|(module, _)| module == builtin::NAME) {
        let what = format!("`{rule}` is gridwatch's own rule, which no exception can suppress");
        return Some((what, Some("name the rules of modules that it sums up, or filter it after the sink".to_owned())));
    }
    if known.rules.contains_key(rule) {
        return None;
    }
    match (rule.contains('*'), rule.strip_suffix(".*")) {
        (true, Some(module)) if known.modules().contains(module) => None,
        (true, Some(module)) if !module.contains('*') => {
            let near = did_you_mean(module, known.modules()).map(|near| format!("did you mean `{near}.*`?"));
            Some((format!("there is no module `{module}`"), near))
        }
        (true, _) => {
            let hint = "name the rules, or all of one module as in \"apps.*\"".to_owned();
            Some((format!("`{rule}` covers more than one module's rules"), Some(hint)))
        }
        (false, _) => {
            let near = did_you_mean(rule, known.rules.keys().map(String::as_str));
            let hint =
                near.map_or("`gridwatch detections` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
            Some((format!("no module in service has a rule `{rule}`"), Some(hint)))
        }
    }
}

/// Actions by which apps come in, gain power or get tokens.
fn is_about_apps(action: &str) -> bool {
    matches!(catalogue::group_of(action), Some("app" | "app_approval_automation_rule" | "slack_cli"))
        || action.contains("_token_")
        || action.starts_with("child_app_")
}

/// A range of addresses, or one. An IPv4 range in IPv6's spelling is the IPv4 range: it mustn't be wider than one may be.
fn range(text: &str) -> Result<IpNet, (String, &'static str)> {
    let net: IpNet = match text.parse::<IpAddr>() {
        Ok(one) => one.to_canonical().into(),
        Err(_) => {
            text.parse().map_err(|_| (format!("`{text}` is not an address range"), "as in \"198.51.100.0/24\""))?
        }
    };
    let net = match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - 96).map_or(net, IpNet::V4),
            None => net,
        },
        net => net,
    };
    let (least, hint) = match net {
        IpNet::V4(_) => (MIN_V4_BITS, "name the ranges that are yours, at most a /8 each"),
        IpNet::V6(_) => (MIN_V6_BITS, "name the ranges that are yours, at most a /16 each"),
    };
    match net.prefix_len() >= least {
        true => Ok(net.trunc()),
        false => Err((format!("`{text}` is wider than a /{least}"), hint)),
    }
}
