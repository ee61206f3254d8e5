//! Kinds of export that one person starts and another may fetch, each with the windows that know who started one.

use crate::{Fields, windows};
use gridwatch_sdk::{Row, Window};

/// Who started exports of the kind: anybody, counted; and when the person at hand last did.
pub(crate) struct Kind {
    prefix: &'static str,
    pub(crate) by_anybody: Window,
    by_self: Window,
}

const KINDS: [Kind; 4] = [
    Kind {
        prefix: "manual_export",
        by_anybody: windows::MANUAL_EXPORT_STARTED,
        by_self: windows::MANUAL_EXPORT_STARTED_SELF,
    },
    Kind {
        prefix: "manual_user_export",
        by_anybody: windows::MANUAL_USER_EXPORT_STARTED,
        by_self: windows::MANUAL_USER_EXPORT_STARTED_SELF,
    },
    Kind {
        prefix: "channels_export",
        by_anybody: windows::CHANNELS_EXPORT_STARTED,
        by_self: windows::CHANNELS_EXPORT_STARTED_SELF,
    },
    Kind {
        prefix: "channel_audit_export",
        by_anybody: windows::CHANNEL_AUDIT_EXPORT_STARTED,
        by_self: windows::CHANNEL_AUDIT_EXPORT_STARTED_SELF,
    },
];

/// The kind of which this row is a download that somebody else started.
pub(crate) fn started_by_another(row: &Row<'_>) -> Option<Kind> {
    let (prefix, step) = row.action().rsplit_once('_')?;
    let kind = KINDS.into_iter().find(|kind| kind.prefix == prefix && step == "downloaded")?;
    (row.window(kind.by_anybody) > 0 && row.last_seen(kind.by_self).is_never()).then_some(kind)
}
