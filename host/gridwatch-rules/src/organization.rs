//! Which enterprise a log belongs to.
//!
//! Slack writes it as the location of about half of the entries, and a workspace as that of the others. It never changes, so the
//! first entry that names it says it for all that come after: a query by organization then finds them all. What came before
//! stays without, so that an event looks the same however often it is read.

use crate::state::{Forgotten, ORGANIZATION, StateOp, StateRow};
use gridwatch_event::event::Event;
use gridwatch_event::org::OrgId;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Organization {
    /// What the configuration calls the organization whose log it is.
    org: OrgId,
    known: Option<Arc<str>>,
    is_new: bool,
}

impl Organization {
    pub fn of(org: OrgId) -> Self {
        Self { org, ..Self::default() }
    }

    /// Learns from an event, and tells it whose it is where it doesn't say so itself. In order of the events.
    pub fn place(&mut self, event: &mut Event) {
        if self.known.is_none()
            && let Some(named) = event.named_organization()
        {
            self.known = Some(named.into());
            self.is_new = true;
        }
        event.place_in(self.org.clone(), self.known.clone());
    }

    /// Puts it back as it was saved.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<(), Forgotten> {
        self.known = Some(row.json::<String>()?.into());
        Ok(())
    }

    pub fn take_changes(&mut self) -> Option<StateOp> {
        let known = self.known.as_deref().filter(|_| std::mem::take(&mut self.is_new))?;
        Some(StateOp::put(ORGANIZATION, &[], &known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;

    fn placed(organization: &mut Organization, location: &str) -> Option<String> {
        let raw = format!(r#"{{"id":"a","date_create":9,"action":"user_login","context":{{"location":{location}}}}}"#);
        let mut event = Event::new(1, UnixMillis(9_000), &Entry::from_json(&raw));
        organization.place(&mut event);
        event.organization().map(str::to_owned)
    }

    #[test]
    fn the_first_entry_that_names_it_says_it_for_those_after() {
        let mut organization = Organization::default();
        let (workspace, enterprise) = (r#"{"type":"workspace","id":"T1"}"#, r#"{"type":"enterprise","id":"E1"}"#);
        assert_eq!(placed(&mut organization, workspace), None);
        assert_eq!(placed(&mut organization, enterprise).as_deref(), Some("E1"));
        assert_eq!(placed(&mut organization, workspace).as_deref(), Some("E1"));
        let row = organization.take_changes().unwrap();
        assert_eq!(organization.take_changes(), None);
        let mut again = Organization::default();
        again.load(row.row().unwrap()).unwrap();
        assert_eq!(placed(&mut again, workspace).as_deref(), Some("E1"));
    }
}
