//! *Ingestion*: which time was read, read again, is open or missing; how late entries come, what Slack says, and what the log has that
//! nobody knows.

use super::parts::{ago, count, live, nothing, number, time, whose, wide};
use super::{Page, Place, Reply};
use crate::look::now::news;
use crate::telemetry::health::span;
use crate::telemetry::ledger::{LedgerMirror, Unproven, Why};
use crate::telemetry::status::{OrgStatus, Poll};
use crate::web::chart;
use crate::web::html::{address, long, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use maud::{Markup, html};

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 86_400;
/// Ticks of a bar.
const TICKS: u64 = 90;
/// Stretches that aren't proven, and names that nobody knows, that are listed.
const LISTED: usize = 50;

/// What was read of one organization.
pub struct Ingestion {
    pub now: UnixMillis,
    pub orgs: Vec<(OrgId, OrgStatus, Option<LedgerMirror>)>,
}

/// # Errors
/// The state folder can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let (status, _) = asking.look()?;
    let ledger = |org: &OrgId| LedgerMirror::read(&asking.site.paths(org).ledger).ok();
    let orgs = status.unwrap_or_default().orgs;
    let orgs = orgs
        .into_iter()
        .map(|(org, of_org)| {
            let ledger = ledger(&org);
            (org, of_org, ledger)
        })
        .collect();
    let shown = Ingestion { now: asking.now, orgs };
    let own = address(&["ingestion"], &[("org", asking.org())]);
    let body = html! { h1 { "Ingestion" } (live("live", &own, &shown.markup())) };
    Page { place: Place::Ingestion, title: "Ingestion".into(), body }.reply(asking)
}

/// Of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Read {
    Unknown,
    Settled,
    Drained,
    Open,
    Refused,
}

impl Read {
    fn of(ledger: &LedgerMirror, from: UnixSeconds, to: UnixSeconds) -> Self {
        let (Some(first), Some(last)) = (ledger.read_from, ledger.watermark) else { return Self::Unknown };
        if to < first || from > last {
            return Self::Unknown;
        }
        let unproven = ledger.unproven(from, to);
        let state = |unproven: &Unproven| match unproven.why {
            Why::Refused => Self::Refused,
            Why::Unread => Self::Open,
            Why::AwaitsReread => Self::Drained,
        };
        unproven.iter().map(state).max().unwrap_or(Self::Settled)
    }

    fn class(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Settled => "settled",
            Self::Drained => "drained",
            Self::Open => "open",
            Self::Refused => "gap",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Unknown => "not asked for, or not yet",
            Self::Settled => "read, and read again as often as it is going to be",
            Self::Drained => "read; is read again for entries that come late",
            Self::Open => "not read to its end yet",
            Self::Refused => "Slack refuses it",
        }
    }
}

impl Ingestion {
    pub fn markup(&self) -> Markup {
        html! {
            @if self.orgs.is_empty() { (nothing("No organization is known yet: gridwatch has not run on this state folder.")) }
            @for (org, of_org, ledger) in &self.orgs {
                @let called = |what: &str| whose(what, org, self.orgs.len());
                @if self.orgs.len() > 1 { h2.org { (org) } }
                section aria-label=(called("Which time was read")) { (self.ledger(ledger.as_ref(), &called("What isn't proven"))) }
                div.columns {
                    section aria-label=(called("Polling")) { (self.polling(&of_org.poll)) }
                    section aria-label=(called("How late entries come")) { (lateness(&of_org.poll)) }
                }
                section aria-label=(called("What the log has that is not known")) { (self.drift(of_org, &called("Names that the built-in catalogue doesn't have"))) }
            }
        }
    }

    fn ledger(&self, ledger: Option<&LedgerMirror>, unproven: &str) -> Markup {
        html! {
            h2 { "Which time was read" }
            @match ledger {
                None => (nothing("Nothing has been written down yet: it is once the first stretch of time has been read.")),
                Some(ledger) => {
                    @if let Some((from, to)) = ledger.read_from.zip(ledger.watermark) { p { "Read from " (time(from)) " to " strong { (time(to)) } ", as of " (ago(ledger.written, self.now)) ". What is newer settles for " (ledger.settle_s) " s." } }
                    (self.bar(ledger, HOUR_S, "The last 90 hours, an hour each"))
                    (self.bar(ledger, DAY_S, "The last 90 days, a day each"))
                    p.legend {
                        @for read in [Read::Settled, Read::Drained, Read::Open, Read::Refused, Read::Unknown] { span { span.key.(read.class()) {} " " (read.text()) } " " }
                    }
                    (self.unproven(ledger, unproven))
                }
            }
        }
    }

    fn bar(&self, ledger: &LedgerMirror, step: u64, what: &str) -> Markup {
        let end = self.now.seconds().0.next_multiple_of(step);
        let tick = |n: u64| {
            let (from, to) = (
                UnixSeconds(end.saturating_sub((TICKS - n) * step)),
                UnixSeconds(end.saturating_sub((TICKS - n - 1) * step + 1)),
            );
            let read = Read::of(ledger, from, to);
            (read.class(), format!("from {from}: {}", read.text()))
        };
        let ticks: Vec<_> = (0..TICKS).map(tick).collect();
        let bad = ticks.iter().filter(|(class, _)| ["open", "gap"].contains(class)).count();
        let told = if bad == 0 { "none of them has a gap".to_owned() } else { format!("{bad} of them have a gap") };
        html! { figure { (chart::ticks(&format!("{what}; {told}"), &ticks)) figcaption { (what) "; " (told) } } }
    }

    fn unproven(&self, ledger: &LedgerMirror, called: &str) -> Markup {
        let unproven = ledger.unproven(UnixSeconds(0), UnixSeconds(u64::MAX));
        let table = html! {
            table {
                caption { "What isn't proven, newest first" }
                thead { tr { th scope="col" { "from" } th scope="col" { "to" } th scope="col" { "long" } th scope="col" { "why" } th scope="col" { "again by" } } }
                tbody {
                    @for Unproven { from, to, why, due } in unproven.iter().rev().take(LISTED) {
                        tr { td { (time(*from)) } td { (time(*to)) } td { (span(to.0.saturating_sub(from.0) + 1)) } td { (why.text()) } td { @if let Some(due) = due { (time(*due)) } } }
                    }
                }
            }
        };
        html! {
            @if unproven.is_empty() { (nothing("All of it was read as often as it is going to be: there is no gap.")) }
            @else { (wide(called, &table)) }
        }
    }

    fn polling(&self, poll: &Poll) -> Markup {
        html! {
            h2 { "Polling" }
            dl {
                dt { "last page" } dd { @match poll.last_success { Some(at) => (ago(at, self.now)), None => "none yet" } }
                dt { "pages" } dd { (number(poll.pages)) }
                dt { "entries" } dd { (number(poll.stored)) " new, " (number(poll.duplicates)) " seen before, " (number(poll.changed)) " changed" }
                dt { "requests" } dd { (format!("{:.0}", poll.requests_per_minute)) " a minute allowed"
                    @if poll.refused_early > 0 { "; " span.mark.bad { (number(poll.refused_early)) " refused early" } " before half of that was used: another collector takes from the same budget" }
                }
                @if let Some(ahead) = poll.clock_ahead_s { dt { "clock" } dd { (match ahead { 0 => "as Slack's".to_owned(), ahead if ahead > 0 => format!("{} ahead of Slack's", span(ahead.unsigned_abs())), ahead => format!("{} behind Slack's", span(ahead.unsigned_abs())) }) } }
                @if poll.sampled > 0 { dt { "looked at again" } dd { (number(poll.sampled)) " old ranges, " (number(poll.sampled_late)) " late entries found there" } }
                @if poll.respelled > 0 { dt { "other bytes" } dd { (number(poll.respelled)) " entries that say the same in other bytes" } }
                @if poll.dropped_versions > 0 { dt { "dropped" } dd.bad { (number(poll.dropped_versions)) " versions beyond what is kept of an id" } }
                @for (name, progress) in [("catching up", &poll.catching_up), ("older entries", &poll.backfill)] {
                    @if let Some(progress) = progress { dt { (name) } dd { (format!("{:.0} %", progress.percent)) ", at " (time(progress.at)) @if let Some(left) = progress.left_s { ", about " (span(left)) " left" } } }
                }
                @if let Some(why) = &poll.paused { dt { "paused" } dd.bad { (long(why)) } }
                @if let Some(why) = &poll.waiting { dt { "waits" } dd { (long(why)) } }
                @for (label, advice) in news(poll) { dt { (text(label)) } dd.bad { (long(advice)) } }
                @if let Some(token) = &poll.token { dt { "token" } dd { @match token.expires { Some(at) => { "expires " (time(at)) }, None => "is exchanged" } @if let Some(refused) = &token.refused { " " span.mark.bad { "refused" } " " (long(refused)) } } }
            }
        }
    }

    fn drift(&self, org: &OrgStatus, called: &str) -> Markup {
        let (catalogue, detect) = (&org.catalogue, &org.detect);
        html! {
            h2 { "What the log has that is not known" }
            dl {
                dt { "Slack's lists" }
                dd {
                    @match (&catalogue.checked, &catalogue.error) {
                        (_, Some(error)) => { span.mark.bad { "could not be read" } " " (long(error)) }
                        (Some(checked), None) => { (long(&checked.drift.summary())) ", " (ago(checked.at, self.now)) }
                        (None, None) => "not looked at yet"
                    }
                }
                @for (mark, n) in &detect.marked { dt { "marked" } dd { (count(*n, "event")) ": " (text(mark)) } }
            }
            @if !detect.unseen.is_empty() {
                (wide(called, &html! {
                    table {
                        caption { "Names that the built-in catalogue doesn't have" }
                        thead { tr { th scope="col" { "what" } th scope="col" { "name" } th scope="col" { "events" } } }
                        tbody { @for (kind, name, n) in detect.unseen.iter().take(LISTED) { tr { td { (text(kind)) } td { code { (text(name)) } } td.n { (number(*n)) } } } }
                    }
                }))
                @if detect.unseen.len() > LISTED { p.faint { "and " (detect.unseen.len() - LISTED) " more" } }
            }
        }
    }
}

fn lateness(poll: &Poll) -> Markup {
    let most = poll.lateness.iter().map(|(_, n)| *n).max().unwrap_or(0);
    html! {
        h2 { "How late entries come" }
        @if most == 0 { (nothing("No entry has come yet.")) }
        @else {
            table.bars {
                thead { tr { th scope="col" { "within" } th scope="col" { "entries" } th scope="col" { span.unseen { "share" } } } }
                tbody { @for (within, n) in poll.lateness.iter().skip_while(|(_, n)| *n == 0) { tr { th scope="row" { (if *within == u64::MAX { "later".to_owned() } else { span(*within) }) } td.n { (number(*n)) } td { (chart::bar(*n, most, "low")) } } } }
            }
        }
    }
}
