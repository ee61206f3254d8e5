//! Acts: what a person does about an alert, noted as another record of it. The command line and the page both say it here.
//!
//! An act that was noted outlasts whatever happens next, and goes to the sinks like any revision. The same one again changes nothing, so
//! whoever got no answer says it again.

use crate::context::Process;
use crate::history::History;
use crate::store::Store;
use anyhow::Result;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::{self, Deed, Who};
use gridwatch_rules::handling::{Act, What};
use serde::{Deserialize, Serialize};

/// The alert as it is now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    pub alert: Box<Alert>,
    /// False if that was noted already.
    pub is_news: bool,
}

/// Notes what somebody did about the alert whose id this is, or begins with it, and has it delivered.
///
/// # Errors
/// No alert or several have that id, or it can't be saved.
pub fn note(process: &Process, alert: &str, act: Act, who: &Who) -> Result<Done> {
    let done = note_in(&process.store, alert, act, who)?;
    if done.is_news {
        process.bells.deliver.ring();
    }
    Ok(done)
}

/// The same where no gridwatch runs: it is delivered when one does.
///
/// # Errors
/// As [`note`].
pub fn note_in(store: &Store, alert: &str, act: Act, who: &Who) -> Result<Done> {
    let mut history = History::open(store.state_dir())?;
    let found = history.find(alert)?;
    let (said, noted) = (act.to_string(), act.clone());
    let deed = |alert: &Alert| deed(alert, &noted, who);
    let (alert, is_news) = store.commit_act(found, history.next(), act, deed)?;
    if is_news {
        tracing::info!(alert = alert.uid, act = said, "somebody did something about an alert");
    }
    Ok(Done { alert: Box::new(alert), is_news })
}

/// The act as the audit trail has it.
fn deed(alert: &Alert, act: &Act, who: &Who) -> Deed {
    let what = match act.what {
        What::Acknowledge => audit::What::AlertAcknowledge,
        What::Note => audit::What::AlertNote,
        What::Close(_) => audit::What::AlertClose,
        What::Reopen => audit::What::AlertReopen,
    };
    let who = Who { by: act.by.clone(), ..who.clone() };
    let deed = Deed::new(act.at, what, &who, &alert.uid).of_org(alert.org.name().unwrap_or_default());
    deed.with("rule", &alert.rule)
        .maybe("reason", act.what.reason().map(|reason| reason.name()))
        .with("text", &act.text)
}
