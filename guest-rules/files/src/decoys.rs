//! Decoys: files, channels and accounts that exist to be found by those who look around.

use crate::{Config, Fields, has, rules, windows};
use gridwatch_sdk::{Finding, Row, Severity, first_or};

pub(crate) fn touched(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (what, id) = decoy(row, config)?;
    let nobody = row.is_by_nobody();
    // What retention deletes is nobody's curiosity.
    let retention = nobody && matches!(row.action(), "file_deleted" | "canvas_deleted" | "list_deleted");
    if retention || has(&config.decoy_keepers, row.actor_id()) || has(&config.bulk_apps, row.context_app_id()) {
        return None;
    }
    let name = first_or([row.entity_name(), row.entity_title()], id);
    let invited = if row.details_inviter().is_empty() { "" } else { ", brought in by somebody" };
    let title = match what {
        "user" if row.actor_id() == id => format!("{} of the decoy user {}", said(row.action()), row.who()),
        _ => format!("{}: {} of the decoy {what} {name}{invited}", row.who(), said(row.action())),
    };
    let finding = row
        .finding(rules::DECOY, Severity::High)
        .key(if nobody { id } else { row.actor_id() })
        .title(title)
        .label("decoy", id)
        .label("did", row.action())
        .labels([("actor", row.actor_id()), ("address", row.context_ip_address()), ("client", row.context_client())])
        .labels([("app", row.context_app_id())]);
    Some(finding)
}

/// Which decoy an entry is about: what kind, and its id. Whatever a decoy user does counts, but not whatever is done to a decoy: an
/// upload is how one comes to be, the scanner's verdict is nobody's touch.
fn decoy<'b>(row: &Row<'b>, config: &Config) -> Option<(&'static str, &'b str)> {
    let touched = [("file", windows::DECOY_FILE), ("channel", windows::DECOY_CHANNEL), ("user", windows::DECOY_USER)];
    let touched = touched.into_iter().find(|(_, window)| row.window(*window) > 0);
    let by_one = has(&config.decoy_users, row.actor_id()).then(|| ("user", row.actor_id()));
    touched.map(|(what, _)| (what, row.entity_id())).or(by_one)
}

/// An action in words: `public_channel_preview` is "public channel preview".
fn said(action: &str) -> String {
    action.replace('_', " ")
}
