//! A store of layout 5, which is changed where it lies: it had a row for each entry that was seen, and lists of them by the day.
//!
//! Each step moves some of these rows into runs, in one commit, and the first says that the layout is a new one. Killed in between, the next
//! start goes on. All else is as it was.

use super::changes::Changes;
use super::rows::{FORMAT_KEY, SEEN_5, SEEN_ON_5};
use super::seen::{Identity, Row, UNREADABLE};
use super::{Damaged, FORMAT, OrgStore, SWEEP, Store};
use anyhow::Result;

/// The layout that is changed.
pub(super) const LAYOUT: u32 = 5;

impl Store {
    /// Takes what was seen out of the rows that layout 5 had for it.
    ///
    /// # Errors
    /// Rows are missing, or the disk refuses.
    pub(super) fn change_layout_5(&self) -> Result<()> {
        let parts: Vec<OrgStore> = self.parts();
        for part in parts {
            part.change_seen()?;
        }
        if super::layout(&self.rows.db)? == Some(LAYOUT) {
            let mut batch = Changes::default();
            batch.insert(FORMAT_KEY, FORMAT.to_string());
            self.rows.commit(batch)?;
        }
        Ok(())
    }
}

impl OrgStore {
    fn change_seen(&self) -> Result<()> {
        if self.scan(SEEN_5).next().is_none() && self.scan(SEEN_ON_5).next().is_none() {
            return Ok(());
        }
        tracing::warn!("which entries were seen is saved anew, as this gridwatch has it; that may take a while");
        self.rows.check_kind(&self.prefix, SEEN_5)?;
        self.rows.check_kind(&self.prefix, SEEN_ON_5)?;
        loop {
            let (mut rows, mut batch) = (Vec::new(), Changes::default());
            for row in self.scan(SEEN_5).take(SWEEP) {
                let (key, value) = row?;
                let odd = |_| Damaged("an entry seen has another key".into());
                let identity: Identity = self.rest(SEEN_5, &key).try_into().map_err(odd)?;
                let read = SEEN_5.open(&key, &value).ok().and_then(Row::of_layout_4);
                // One that can't be read was delivered, whatever it said.
                rows.push((identity, read.unwrap_or_else(|| Row { versions: vec![UNREADABLE], ..Row::default() })));
                batch.remove(&*key);
            }
            if rows.is_empty() {
                break;
            }
            let newest = rows.iter().map(|(_, row)| row.day).max().unwrap_or_default();
            for (_, row) in rows.iter_mut().filter(|(_, row)| row.versions == [UNREADABLE]) {
                row.day = newest;
            }
            let noted = self.note_seen(&mut batch, rows.iter().map(|(identity, row)| (identity, row)))?;
            batch.insert(FORMAT_KEY, FORMAT.to_string());
            self.rows.commit(batch)?;
            self.keep_seen(noted);
        }
        let mut batch = Changes::default();
        for key in self.scan(SEEN_ON_5).keys() {
            batch.remove(&*key?);
        }
        self.rows.commit(batch)
    }
}
