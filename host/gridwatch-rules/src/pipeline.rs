//! The pipeline: from events in order to alerts, with everything between them but running the modules.
//!
//! ```text
//! prepare: directory, windows, one table of columns ─► a batch for each module
//!    (the caller runs the modules: as WASM, or natively in a module's own tests)
//! conclude: findings checked, evidence joined, folded ─► alerts to send, state rows to save
//! ```
//!
//! What comes out depends on the events and their order alone, never on how they were cut into batches.

use crate::about::{Memory, OrgKnowledge};
use crate::alert::{Actor, Alert, Counts, ModuleRef, SHADOW, Source};
use crate::answer;
use crate::apps::Apps;
use crate::basis::Basis;
use crate::batch::{Batch, Scratch, Table};
use crate::builtin;
use crate::by_action::ByAction;
use crate::conduct::SetAside;
use crate::declared::Declared;
use crate::directory::Directory;
use crate::echo::Echoes;
use crate::exception::{AppKnowledge, Exception, ExceptionMatch, Exceptions};
use crate::finding::{Finding, MAX_LABEL, RawFinding};
use crate::fold::{Folder, Occasion, Sent, Sight};
use crate::handling::Handling;
use crate::headline;
use crate::organization::Organization;
use crate::reading::{Clients, Reading};
use crate::risk::{Risk, RiskThreshold};
use crate::state::{self, Forgotten, StateOp, StateRow};
use crate::stub::Stub;
use crate::subject::Subjects;
use crate::unseen::Unseen;
use crate::windows::{Gate, WindowSize, Windows, at_positions};
use gridwatch_event::event::Event;
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::org::OrgId;
use gridwatch_event::part::Part;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::text::clean;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_event::zone::Zone;
use gridwatch_manifest::{Conditions, Field, Manifest};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A module in service.
#[derive(Clone, Debug)]
pub struct Service {
    pub manifest: Arc<Manifest>,
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// Sequence numbers this version answers for. A new version takes over where the old one's range ends.
    pub serves: Range<u64>,
}

/// A module in service, for as long as it is: what it made of a batch comes back under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// What one module is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub service: ServiceId,
    pub batch: Arc<Batch>,
}

/// What a module made of its batch.
#[derive(Clone, Debug, Default)]
pub struct ModuleOutcome {
    pub findings: Vec<RawFinding>,
    /// Rows it could not get over, each alone.
    pub dead: Vec<DeadRow>,
    /// Given once: from the row after this one on it judges nothing any more.
    pub set_aside: Option<SetAside>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    pub row: u32,
    pub reason: String,
}

/// Something a module did that someone should know of; never a reason to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub module: String,
    pub version: String,
    /// Slack's id of the event, so that it can be found again.
    pub event_id: String,
    /// Its sequence number; 0 in faults that an older gridwatch noted.
    #[serde(default)]
    pub seq: u64,
    pub reason: String,
}

/// A batch of events on its way through the modules.
#[derive(Debug)]
pub struct Prepared {
    /// One per module in service; empty where no event is for it.
    pub asked: Vec<Asked>,
    /// For each of them, the event of each row.
    rows: Vec<Vec<u32>>,
    /// gridwatch's own alerts, each with the event it is about.
    builtin: Vec<(usize, Builtin)>,
}

/// An alert of gridwatch's own about an event.
#[derive(Clone, Debug)]
enum Builtin {
    /// There is no other of its kind.
    Once(Alert),
    /// May come as often as Slack makes the same mistake, and is folded like a module's.
    Each(Alert),
}

/// What a batch of events came to.
#[derive(Debug, Default)]
pub struct Concluded {
    pub alerts: Vec<Alert>,
    pub faults: Vec<Fault>,
}

#[derive(Debug, Default)]
pub struct Pipeline {
    /// By name, so that what comes out doesn't depend on who came when.
    services: Vec<InService>,
    next_service: u32,
    declared: Declared,
    /// Union of the modules' fields: each is read from an event once.
    fields: Vec<Field>,
    /// The modules that want an action; emptied when a module comes or goes, and when windows do.
    subscribers: ByAction<Arc<[Subscriber]>>,
    windows: Windows,
    directory: Directory,
    organization: Organization,
    networks: Networks,
    provisioning: Provisioning,
    zone: Zone,
    clients: Clients,
    tables: Tables,
    memory: Memory,
    apps: Apps,
    exceptions: Arc<Exceptions>,
    /// Modules, and rules with their module's name, that nobody is to be told of.
    shadow: BTreeSet<String>,
    echoes: Echoes,
    unseen: Unseen,
    folder: Folder,
    risk: Risk,
    scratch: Scratch,
    /// Event time at which state was last swept.
    swept: UnixSeconds,
    /// Are changes of no interest to anybody?
    saves_nothing: bool,
    /// Do modules get every row they subscribed to?
    ignores_triggers: bool,
}

/// A module that wants an action.
#[derive(Debug)]
struct Subscriber {
    module: usize,
    /// What its rules wait for, any of which is enough; `None` if it wants every event.
    gates: Option<Box<[Gate]>>,
}

#[derive(Debug)]
struct InService {
    id: ServiceId,
    service: Service,
    /// Positions of its fields in the table, and of its windows.
    columns: Vec<usize>,
    windows: Vec<usize>,
}

/// Longest name, address or id of an actor in an alert, in characters.
const MAX_NAME: usize = 128;
/// State is swept once for this much event time.
const SWEEP_S: u64 = 3_600;

impl Pipeline {
    pub fn new(services: Vec<Service>) -> Self {
        let mut pipeline = Self::default();
        services.into_iter().for_each(|service| _ = pipeline.add(service));
        pipeline
    }

    /// Says who runs which addresses, for the fields that are derived from them. Not to be changed between two readings of
    /// the same events: what comes out depends on it.
    pub fn with_networks(mut self, networks: Networks) -> Self {
        self.networks = networks;
        self
    }

    /// Other networks from the next batch on.
    pub fn set_networks(&mut self, networks: Networks) {
        self.networks = networks;
    }

    /// Says who provisions accounts, for `context.provisioning`. Like networks, not to be changed between two readings.
    pub fn with_provisioning(mut self, provisioning: Provisioning) -> Self {
        self.provisioning = provisioning;
        self
    }

    /// Says where days and hours of the week are told. Like networks, not to be changed between two readings.
    pub fn with_zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Gives the lookup tables that modules ask, so that alerts can say what they answered.
    pub fn with_tables(mut self, tables: Tables) -> Self {
        self.tables = tables;
        self
    }

    /// Bytes that all windows together may take, instead of [`crate::windows::MAX_TOTAL_BYTES`].
    pub fn with_state_max(mut self, bytes: usize) -> Self {
        self.windows.keep_at_most(bytes);
        self
    }

    /// Says which of several organizations the events are of.
    pub fn with_org(mut self, org: OrgId) -> Self {
        self.organization = Organization::of(org);
        self
    }

    /// What it takes for findings about one actor to add up, instead of the default.
    pub fn with_risk(mut self, threshold: RiskThreshold) -> Self {
        self.risk = Risk::new(threshold);
        self
    }

    /// Sets what hashes of windows' keys begin with, unless saved state says what they began with.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.windows.set_seed(seed);
        self
    }

    /// Makes an alert of each finding, for asking what single ones say.
    pub fn without_folding(mut self) -> Self {
        self.folder = Folder::apart();
        self
    }

    /// The final numbers of all that is untold, as if nothing more came.
    pub fn rest(&mut self) -> Vec<Alert> {
        self.folder.rest(UnixSeconds(u64::MAX), UnixMillis::default()).into_iter().map(|sent| sent.alert).collect()
    }

    /// Says what nobody is to be told of, from the next batch on.
    pub fn except(&mut self, exceptions: Arc<Exceptions>) {
        self.exceptions = exceptions;
    }

    /// Says which modules (`sign-in`) and rules (`sign-in.burst`) run in shadow: what they find is folded and kept, and nobody is told.
    pub fn set_shadow(&mut self, shadow: BTreeSet<String>) {
        self.shadow = shadow;
    }

    /// Says what gridwatch's own responder has done, so that findings on the echoes of it are suppressed. An event is judged
    /// by what is known when it comes, so an act has to be in before its echo.
    pub fn set_echoes(&mut self, echoes: Echoes) {
        self.echoes = echoes;
    }

    /// Puts a module into service. Its windows keep what they have counted if name and spec are the same as before.
    pub fn add(&mut self, service: Service) -> ServiceId {
        let manifest = service.manifest.clone();
        self.declared.enter(&manifest.name, &manifest.windows);
        self.windows.declare(&manifest.name, &manifest.windows);
        let id = ServiceId(self.next_service);
        self.next_service += 1;
        let columns = manifest.fields.iter().map(|field| self.column(field)).collect();
        let windows = self.windows.positions(&manifest.name, &manifest.windows);
        let order = |s: &Service| (s.manifest.name.clone(), s.serves.start);
        let place = self.services.partition_point(|there| order(&there.service) <= order(&service));
        self.services.insert(place, InService { id, service, columns, windows });
        self.subscribers.clear();
        id
    }

    /// Has the windows of a module count that is going to come into service.
    pub fn announce(&mut self, manifest: &Manifest) {
        self.declared.enter(&manifest.name, &manifest.windows);
        self.windows.declare(&manifest.name, &manifest.windows);
    }

    /// A module that was announced is in service, or isn't going to be.
    pub fn has_come(&mut self, manifest: &Manifest) {
        self.declared.leave(&manifest.name, &manifest.windows, self.windows.newest());
    }

    /// Takes a module out of service. Its windows go on counting, in case it comes back.
    pub fn retire(&mut self, id: ServiceId) {
        let Some(at) = self.services.iter().position(|there| there.id == id) else { return };
        let InService { service, .. } = self.services.remove(at);
        self.declared.leave(&service.manifest.name, &service.manifest.windows, self.windows.newest());
        self.subscribers.clear();
    }

    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|s| &s.service)
    }

    /// What a module in service says of itself.
    pub fn manifest(&self, id: ServiceId) -> Option<&Arc<Manifest>> {
        self.services.iter().find(|there| there.id == id).map(|there| &there.service.manifest)
    }

    /// SHA-256 of the component of a module in service.
    pub fn digest(&self, id: ServiceId) -> Option<&str> {
        self.services.iter().find(|there| there.id == id).map(|there| &*there.service.digest)
    }

    /// Puts a saved state row back; all of them are given once, at start, in the order of their keys.
    ///
    /// # Errors
    /// The row can't be read, and changes nothing. Whoever saved it should say so, and delete it.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), Forgotten> {
        let row = StateRow::open(key, value)?;
        self.subscribers.clear();
        match row.part {
            state::DECLARED => {
                if let Some((module, windows)) = self.declared.load(row)? {
                    self.windows.declare(module, windows);
                }
                Ok(())
            }
            state::WINDOWS => self.windows.load(row),
            state::DIRECTORY | state::HOME => self.directory.load(row),
            state::ORGANIZATION => self.organization.load(row),
            state::ABOUT => self.memory.load(row),
            state::ALERTS => self.folder.load(row),
            state::RISK => self.risk.load(row),
            state::APPS => self.apps.load(row),
            state::DRIFT => self.unseen.load(row),
            state::PIPELINE => {
                let (newest, swept) = row.json()?;
                self.windows.resume_at(newest);
                self.swept = swept;
                Ok(())
            }
            _ => Err(row.forgotten("it is no state of the pipeline")),
        }
    }

    /// Tells events, in order and before anything else is done with them, which enterprise they belong to.
    pub fn place(&mut self, events: &mut [Event]) {
        events.iter_mut().for_each(|event| self.organization.place(event));
    }

    /// Takes in events, in order, and makes each module's batch of them.
    pub fn prepare(&mut self, events: &[Event]) -> Prepared {
        let mut table = Table::new(self.fields.len());
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); self.services.len()];
        let mut at_table = rows.clone();
        let mut values: Vec<Vec<Vec<u64>>> = self.services.iter().map(|s| vec![Vec::new(); s.windows.len()]).collect();
        let mut builtin = Vec::new();
        for (at, event) in events.iter().enumerate() {
            builtin.extend(self.builtin(event).into_iter().map(|alert| (at, alert)));
            // A later version of an entry happened when the first did: it is no act of its own.
            if !event.is_first_version() {
                continue;
            }
            let subscribers = self.subscribers(event);
            let reading = Reading::of(event, &self.directory, &self.networks)
                .with_provisioning(&self.provisioning)
                .with_zone(&self.zone)
                .with_clients(&self.clients);
            self.windows.feed(&reading);
            let mut row = None;
            for Subscriber { module, gates } in subscribers.iter() {
                let in_service = &self.services[*module];
                let windows = &mut self.windows;
                let looks = gates.as_ref().is_none_or(|gates| gates.iter().any(|gate| windows.passes(gate, &reading)));
                if !looks || !in_service.service.serves.contains(&event.seq) {
                    continue;
                }
                rows[*module].push(at as u32);
                at_table[*module].push(*row.get_or_insert_with(|| table.start_row(event)));
                for column in &in_service.columns {
                    table.set(*column, || reading.text(&self.fields[*column]));
                }
                for (column, position) in values[*module].iter_mut().zip(&in_service.windows) {
                    column.push(self.windows.value(*position, &reading));
                }
            }
        }
        let asked = self.services.iter().zip(&at_table).zip(values).map(|((module, rows), windows)| {
            let batch = Batch { windows: windows.concat(), ..table.project(rows, &module.columns, &mut self.scratch) };
            Asked { service: module.id, batch: Arc::new(batch) }
        });
        Prepared { asked: asked.collect(), rows, builtin }
    }

    /// Learns what an event says of people and actions, and has gridwatch's own to say about it.
    fn builtin(&mut self, event: &Event) -> Vec<Builtin> {
        let mut builtin = Vec::new();
        if event.is_first_version() {
            self.directory.learn(event);
            if self.unseen.learn(event) {
                builtin.push(Builtin::Once(builtin::unknown_action(event, self.actor(event))));
            }
        }
        // All of it is told by marks, and nearly no event has one.
        if !event.marks.is_empty() {
            builtin.extend(builtin::unreadable_entry(event, self.actor(event)).map(Builtin::Each));
            builtin.extend(builtin::entry_changed(event, self.actor(event)).map(Builtin::Each));
        }
        builtin
    }

    /// Checks and folds what the modules said. Nobody may come or go between the two.
    pub fn conclude(
        &mut self,
        events: &[Event],
        prepared: &Prepared,
        outcomes: impl IntoIterator<Item = (ServiceId, ModuleOutcome)>,
    ) -> Concluded {
        let mut concluded = Concluded::default();
        let (mut findings, mut builtin) = (Vec::new(), prepared.builtin.clone());
        for (id, outcome) in outcomes {
            let Some(i) = self.services.iter().position(|there| there.id == id) else { continue };
            let set_aside = outcome.set_aside.as_ref();
            let set_aside = set_aside.and_then(|set_aside| self.set_aside(i, events, prepared, set_aside));
            builtin.extend(set_aside.map(|(at, alert)| (at, Builtin::Each(alert))));
            self.check(i, events, prepared, outcome, &mut findings, &mut concluded.faults);
        }
        // In the order of events first, so that batch size can't be seen in what is sent.
        findings.sort_by_key(|(event, module, _)| (*event, *module));
        builtin.sort_by_key(|(event, _)| *event);
        let (mut builtin, mut findings) = (builtin.into_iter().peekable(), findings.into_iter().peekable());
        for (at, event) in events.iter().enumerate() {
            let newest = self.windows.newest_as_of(event.seq);
            let is_news = event.is_first_version();
            if is_news {
                self.apps.learn(event);
                self.memory.learn_channel(event);
            }
            let mut sent = self.folder.rest(newest, event.first_seen);
            while let Some((_, alert)) = builtin.next_if(|(of, _)| *of == at) {
                match alert {
                    Builtin::Once(alert) => sent.push(Sent { alert, occasion: Occasion::Headline }),
                    Builtin::Each(alert) => {
                        let sight = Sight::of(event, &alert, &[], newest);
                        sent.extend(self.folder.fold(alert, &sight));
                    }
                }
            }
            while let Some((_, module, finding)) = findings.next_if(|(of, ..)| *of == at) {
                let rule = &self.services[module].service.manifest.rules[finding.rule];
                let (news, most) = (&rule.news.clone(), rule.severity);
                let mut alert = self.alert(module, events, prepared, at, finding);
                self.suppress(&mut alert, event);
                let sum =
                    self.risk.learn(&alert, headline::doing_app(event), newest).map(|sum| builtin::risk(sum, &alert));
                let most = if alert.labels.contains_key("severity_lowered") { alert.severity } else { most };
                let sight = Sight { most: Some(most), ..Sight::of(event, &alert, news, newest) };
                sent.extend(self.folder.fold(alert, &sight));
                if let Some((sum, rules)) = sum {
                    let sight = Sight { objects: rules, ..Sight::of(event, &sum, builtin::risk_news(), newest) };
                    sent.extend(self.folder.fold(sum, &sight));
                }
            }
            // What is known is told as of the event: before it is learned, and only of what is sent.
            self.tell_about(event, &mut sent);
            if is_news {
                self.memory.learn(event, &self.networks);
            }
            for mut sent in sent {
                if sent.alert.organization.is_none() {
                    sent.alert.organization = event.organization_id();
                }
                if sent.occasion != Occasion::Closing {
                    self.memory.learn_alert(&sent.alert, event);
                }
                concluded.alerts.push(sent.alert);
            }
        }
        self.directory.settle();
        self.sweep();
        concluded
    }

    /// Names in entries that the catalogue doesn't have.
    pub fn unseen(&self) -> &Unseen {
        &self.unseen
    }

    /// What each window counts.
    pub fn window_sizes(&self) -> Vec<WindowSize<'_>> {
        self.windows.sizes()
    }

    /// Bytes that all windows take, estimated from above.
    pub fn window_bytes(&self) -> usize {
        self.windows.bytes()
    }

    /// Gives modules every row that they subscribed to, whatever their rules wait for: what comes out is the same, or a trigger hides
    /// something.
    pub fn without_triggers(mut self) -> Self {
        self.ignores_triggers = true;
        self
    }

    /// Nothing is going to be saved: no changes are given back any more.
    pub fn without_saving(mut self) -> Self {
        self.windows.save_nothing();
        self.saves_nothing = true;
        self
    }

    fn column(&mut self, field: &Field) -> usize {
        self.fields.iter().position(|f| f == field).unwrap_or_else(|| {
            self.fields.push(field.clone());
            self.fields.len() - 1
        })
    }

    fn subscribers(&mut self, event: &Event) -> Arc<[Subscriber]> {
        let Self { subscribers, services, windows, ignores_triggers, .. } = self;
        let action = event.action();
        let mut subscriber = |(module, in_service): (usize, &InService)| {
            let rules = in_service.service.manifest.rules.iter().filter_map(|rule| rule.looks_at(action));
            let rules: Vec<Vec<&Conditions>> = rules.collect();
            let looks_at_all = *ignores_triggers || rules.iter().any(Vec::is_empty);
            let gate = |when: &Conditions| windows.gate(&at_positions(when, &in_service.windows));
            (!rules.is_empty()).then(|| Subscriber {
                module,
                gates: (!looks_at_all)
                    .then(|| rules.into_iter().flatten().filter(|when| when.can_hold()).map(gate).collect()),
            })
        };
        subscribers.get(event, || services.iter().enumerate().filter_map(&mut subscriber).collect()).clone()
    }

    fn check(
        &self,
        module: usize,
        events: &[Event],
        prepared: &Prepared,
        outcome: ModuleOutcome,
        findings: &mut Vec<(usize, usize, Finding)>,
        faults: &mut Vec<Fault>,
    ) {
        let (manifest, rows) = (&self.services[module].service.manifest, &prepared.rows[module]);
        let event_of = |row: u32| rows.get(row as usize).map(|at| &events[*at as usize]);
        let fault = |row, reason: String| Fault {
            module: manifest.name.clone(),
            version: manifest.version.to_string(),
            event_id: event_of(row).map(|e| e.id().to_owned()).unwrap_or_default(),
            seq: event_of(row).map_or(0, |e| e.seq),
            reason,
        };
        faults.extend(outcome.dead.into_iter().map(|dead| fault(dead.row, dead.reason)));
        for raw in outcome.findings {
            let row = raw.row;
            match raw
                .check(&prepared.asked[module].batch, manifest, |row| events[rows[row] as usize].action().to_owned())
            {
                Ok(finding) => findings.push((rows[finding.row] as usize, module, finding)),
                Err(invalid) => faults.push(fault(row, invalid.to_string())),
            }
        }
    }

    /// The alert about a module that judges nothing any more, with the position of its event.
    fn set_aside(
        &self,
        module: usize,
        events: &[Event],
        prepared: &Prepared,
        set_aside: &SetAside,
    ) -> Option<(usize, Alert)> {
        let service = &self.services[module].service;
        let at = *prepared.rows[module].get(set_aside.row as usize)? as usize;
        Some((at, builtin::module_set_aside(&service.manifest, &service.digest, set_aside, &events[at])))
    }

    /// The alert that one finding makes by itself.
    fn alert(&self, module: usize, events: &[Event], prepared: &Prepared, at: usize, finding: Finding) -> Alert {
        let (event, in_service, rows) = (&events[at], &self.services[module], &prepared.rows[module]);
        let service = &in_service.service;
        let rule = &service.manifest.rules[finding.rule];
        let name = format!("{}.{}", service.manifest.name, rule.id);
        let (uid, period_start) = Alert::identity(&name, &finding.dedup_key, event.time, rule.fold_s);
        let reading = Reading::of(event, &self.directory, &self.networks)
            .with_provisioning(&self.provisioning)
            .with_zone(&self.zone);
        let basis = Basis::of(&finding, &reading, &service.manifest, &prepared.asked[module].batch, &self.tables);
        let mut evidence: Vec<Arc<Stub>> = finding
            .windows
            .iter()
            .flat_map(|w| self.windows.evidence(in_service.windows[*w], &reading, crate::alert::MAX_EVIDENCE))
            .chain(finding.evidence.iter().map(|row| Stub::of(&events[rows[*row] as usize])))
            .chain([Stub::of(event)])
            .collect();
        evidence.sort_by_key(|stub| (stub.time, stub.seq));
        evidence.dedup_by(|a, b| a.seq == b.seq);
        evidence.drain(..evidence.len().saturating_sub(crate::alert::MAX_EVIDENCE));
        Alert {
            uid,
            org: OrgId::default(),
            revision: 1,
            source: Source::Fold,
            severity: finding.severity,
            reason: headline::reason(rule, finding.severity),
            title: headline::with_doer(&finding.title, event),
            rule: name,
            rule_title: rule.title.clone(),
            condition: rule.condition.clone(),
            module: ModuleRef {
                name: service.manifest.name.clone(),
                version: service.manifest.version.to_string(),
                digest: service.digest.clone(),
            },
            dedup_key: finding.dedup_key,
            period_start,
            period_s: rule.fold_s,
            findings: 1,
            counts: Counts::default(),
            days: 0,
            news: Vec::new(),
            first: evidence.first().map_or(event.time, |s| s.time),
            last: evidence.last().map_or(event.time, |s| s.time),
            opened: event.first_seen,
            seen: event.first_seen,
            actor: self.actor(event),
            others: Vec::new(),
            recent: self.memory.recent(event),
            evidence_total: evidence.len() as u64,
            evidence,
            labels: finding.labels.into_iter().collect(),
            subjects: Subjects::of(event, &self.directory),
            attack: rule.attack.clone(),
            playbook: answer::of(&rule.playbook, event),
            basis,
            organization: event.organization_id(),
            suppressed_by: None,
            handling: Handling::default(),
            over: None,
            about: Box::default(),
        }
        .of_org(event.org())
    }

    fn tell_about(&mut self, event: &Event, sent: &mut [Sent]) {
        let mut headlines = sent.iter_mut().filter(|sent| sent.occasion == Occasion::Headline).peekable();
        if headlines.peek().is_none() {
            return;
        }
        let known = OrgKnowledge {
            directory: &self.directory,
            apps: &self.apps,
            networks: &self.networks,
            tables: &self.tables,
        };
        let about = self.memory.about(event, known);
        for sent in headlines {
            (*sent.alert.about).clone_from(&about);
            self.folder.remember(&sent.alert.uid, &about);
        }
    }

    /// Suppresses the alert of a finding on this event if it is the echo of a response of ours or an exception holds for it, or
    /// says what keeps an exception from doing so.
    fn suppress(&self, alert: &mut Alert, event: &Event) {
        if let Some(response) = self.echoes.covers(event) {
            return alert.suppress(&format!("response {response}"));
        }
        if self.shadow.contains(&alert.module.name) || self.shadow.contains(&alert.rule) {
            return alert.suppress(SHADOW);
        }
        let known = AppKnowledge { networks: &self.networks, apps: &self.apps };
        match self.exceptions.matching(&*alert, event, known) {
            ExceptionMatch::None => self.lower(alert, event),
            ExceptionMatch::Suppressed(exception) if let Some(beyond) = self.beyond(exception, alert, event) => {
                alert.labels.insert("beyond_exception".to_owned(), clean(&beyond, MAX_LABEL));
            }
            ExceptionMatch::Suppressed(exception) => {
                alert.suppress(&exception.id);
                let labels = exception.labels().map(|(name, text)| (name.to_owned(), clean(&text, MAX_LABEL)));
                alert.labels.extend(labels);
            }
            ExceptionMatch::Exceeded(exception, excess) => {
                let what = clean(&format!("{}: {excess}", exception.id), MAX_LABEL);
                alert.labels.insert("beyond_exception".to_owned(), what);
            }
        }
    }

    /// What of a period's findings is more than the exception hides: each by itself may be little.
    fn beyond(&self, exception: &Exception, alert: &Alert, event: &Event) -> Option<String> {
        let at_most = exception.bounds.at_most?;
        let hidden = self.folder.hidden(alert, &exception.id, &Sight::of(event, alert, &[], event.time));
        (hidden > at_most)
            .then(|| format!("{}: {hidden} different things where at most {at_most} are allowed", exception.id))
    }

    /// Rates a finding lower where a team has decided so of its rule, for everybody.
    fn lower(&self, alert: &mut Alert, event: &Event) {
        let Some(lowered) = self.exceptions.lowering(&alert.rule, event.time) else { return };
        let text = clean(&lowered.text(), MAX_LABEL);
        match lowered.most {
            None => {
                alert.suppress(&lowered.id);
                alert.labels.insert("rule_off".to_owned(), text);
            }
            Some(most) if most < alert.severity => {
                alert.reason = clean(&format!("lowered from {} by {}", alert.severity.name(), lowered.id), MAX_LABEL);
                alert.severity = most;
                alert.labels.insert("severity_lowered".to_owned(), text);
            }
            Some(_) => {}
        }
    }

    fn actor(&self, event: &Event) -> Actor {
        let id = event.actor_id();
        Actor {
            id: clean(id, MAX_NAME),
            name: clean(&text(event.actor(), "name"), MAX_NAME),
            email: clean(&text(event.actor(), "email"), MAX_NAME),
            role_at_event: self.directory.role_at(id, event),
            role_now: self.directory.role_now(id, event),
        }
    }

    fn sweep(&mut self) {
        let newest = self.windows.newest();
        if newest >= self.swept.plus(SWEEP_S) {
            self.swept = newest;
            if self.declared.expire(newest) {
                self.windows.keep_only(self.declared.windows());
                self.subscribers.clear();
                for there in &mut self.services {
                    let manifest = &there.service.manifest;
                    there.windows = self.windows.positions(&manifest.name, &manifest.windows);
                }
            }
            self.folder.expire(newest);
            self.risk.expire(newest);
        }
    }

    /// What there is to save since it was asked last, in the same commit as the alerts. Evidence of events before that can't be asked for any more.
    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let mut changes = self.windows.take_changes();
        if self.saves_nothing {
            return changes;
        }
        changes.extend(self.declared.take_changes());
        changes.extend(self.directory.take_changes());
        changes.extend(self.organization.take_changes());
        changes.extend(self.memory.take_changes());
        changes.extend(self.apps.take_changes());
        changes.extend(self.folder.take_changes());
        changes.extend(self.risk.take_changes());
        changes.extend(self.unseen.take_changes());
        changes.push(StateOp::put(state::PIPELINE, &[], &(self.windows.newest(), self.swept)));
        changes
    }
}

fn text<'e>(object: Option<Part<'e>>, name: &str) -> Cow<'e, str> {
    object.map(|object| object.text(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::{ResponseRow, Stage};
    use gridwatch_event::entry::Entry;
    use serde_json::json;
    use std::collections::BTreeMap;

    const AT: u64 = 1_790_000_000;

    /// A module that finds every session reset worth a word, one alert for each admin and day.
    fn pipeline() -> Pipeline {
        let manifest = Manifest::parse(
            r#"
            name = "resets"
            version = "1.0.0"
            abi = "gridwatch:detect@1"
            title = "t"
            fields = ["action"]
            [[rule]]
            id = "any"
            title = "A reset"
            actions = ["user_session_reset_by_admin"]
            condition = "c"
            threshold = "1"
            severity = "low"
            fold = "24h"
            attack = []
            playbook = { verify = [{ do = "ask" }], contain = [{ do = "ask" }] }
            "#,
        );
        let service = Service { manifest: Arc::new(manifest.unwrap()), digest: "d".into(), serves: 0..u64::MAX };
        Pipeline::new(vec![service])
    }

    /// Two rules on resets, of which each may wait for something.
    fn waiting(triggers: [&str; 2]) -> Pipeline {
        let rule = |(id, trigger): (&str, &str)| {
            format!(
                r#"
                [[rule]]
                id = "{id}"
                title = "A reset"
                actions = ["user_session_reset_by_admin"]
                {trigger}
                condition = "c"
                threshold = "1"
                severity = "low"
                fold = "24h"
                attack = []
                playbook = {{ verify = [{{ do = "ask" }}], contain = [{{ do = "ask" }}] }}
                "#
            )
        };
        let text = r#"
            name = "resets"
            version = "1.0.0"
            abi = "gridwatch:detect@1"
            title = "t"
            fields = ["action"]
            [[window]]
            name = "by_admin"
            kind = "count"
            actions = ["user_session_reset_by_admin"]
            key = ["actor.id"]
            span = "1h"
            "#;
        let manifest = Manifest::parse(&format!("{text}{}{}", rule(("a", triggers[0])), rule(("b", triggers[1]))));
        let service = Service { manifest: Arc::new(manifest.unwrap()), digest: "d".into(), serves: 0..u64::MAX };
        Pipeline::new(vec![service])
    }

    #[test]
    fn a_module_is_given_what_any_of_its_rules_waits_for() {
        let often = "trigger = [{ when = { window = \"by_admin\", at_least = 2 } }]";
        let of_w9 = "trigger = [{ only = { \"entity.id\" = [\"W9\"] }, not = { \"actor.id\" = [\"WB\"] } }]";
        let never = "trigger = [{ only = { \"entity.id\" = [\"W0\"] } }]";
        let events = [reset(1, "WA", "W1"), reset(2, "WA", "W2"), reset(3, "WB", "W9"), reset(4, "WC", "W9")];
        let given = |mut pipeline: Pipeline| {
            let prepared = pipeline.prepare(&events);
            let batch = &prepared.asked[0].batch;
            let rows = batch.seqs.iter().enumerate();
            rows.map(|(row, seq)| (*seq, batch.window_at(0, row))).collect::<Vec<_>>()
        };
        let all = vec![(1, 1), (2, 2), (3, 1), (4, 1)];
        assert_eq!(given(waiting([often, never])), [(2, 2)], "the windows read what they would for every event");
        assert_eq!(given(waiting([often, of_w9])), [(2, 2), (4, 1)]);
        assert_eq!(given(waiting([never, never])), []);
        assert_eq!(given(waiting([often, ""])), all, "a rule that waits for nothing looks at every event");
        assert_eq!(given(waiting([often, never]).without_triggers()), all);
    }

    fn reset(seq: u64, actor: &str, target: &str) -> Event {
        let entry = json!({
            "id": format!("e{seq}"), "date_create": AT + seq, "action": "user_session_reset_by_admin",
            "actor": { "type": "user", "user": { "id": actor } },
            "entity": { "type": "user", "user": { "id": target } },
        });
        Event::new(seq, UnixMillis(AT * 1_000), &Entry::from_json(&entry.to_string()))
    }

    fn find_each(pipeline: &mut Pipeline, events: &[Event]) -> Vec<Alert> {
        let prepared = pipeline.prepare(events);
        let finding = |row| RawFinding { row, severity: 2, dedup_key: "WRESP".into(), ..RawFinding::default() };
        let findings = (0..events.len() as u32).map(finding).collect();
        let outcome = ModuleOutcome { findings, ..ModuleOutcome::default() };
        pipeline.conclude(events, &prepared, [(prepared.asked[0].service, outcome)]).alerts
    }

    fn responded(target: &str) -> Echoes {
        Echoes::of(&[ResponseRow {
            id: "r-1".into(),
            at: UnixMillis(AT * 1_000),
            stage: Stage::Intent,
            alert: "gw-1".into(),
            rule: "m.r".into(),
            method: "admin.users.session.reset".into(),
            targets: vec![target.into()],
            arguments: BTreeMap::new(),
            responder: "WRESP".into(),
            by: "ops".into(),
            reason: String::new(),
            error: None,
        }])
    }

    #[test]
    fn an_echo_is_suppressed_apart_and_swallows_no_other_finding() {
        let events = [reset(1, "WRESP", "W1"), reset(2, "WRESP", "W2"), reset(3, "WRESP", "W1")];
        let mut pipeline = pipeline();
        pipeline.set_echoes(responded("W1"));
        let alerts = find_each(&mut pipeline, &events);
        let told: Vec<(Option<&str>, &str, u64)> =
            alerts.iter().map(|a| (a.suppressed_by.as_deref(), a.evidence[0].id.as_str(), a.revision.into())).collect();
        assert_eq!(told, [(Some("response r-1"), "e1", 1), (None, "e2", 1)]);
        assert_ne!(alerts[0].uid, alerts[1].uid);
        let again = find_each(&mut self::pipeline(), &events);
        assert_eq!(again[0].uid, alerts[1].uid, "an alert's id doesn't hang on what was suppressed beside it");
    }

    #[test]
    fn what_a_rule_in_shadow_finds_is_kept_apart_and_adds_to_nothing() {
        let events = [reset(1, "WA", "W1"), reset(2, "WA", "W2")];
        for shadow in ["resets", "resets.any"] {
            let mut pipeline = pipeline();
            pipeline.set_shadow([shadow.to_owned()].into());
            let alerts = find_each(&mut pipeline, &events);
            assert!(alerts.iter().all(Alert::is_shadow) && !alerts.is_empty(), "{alerts:?}");
            pipeline.set_shadow([].into());
            let told = find_each(&mut pipeline, &[reset(3, "WA", "W3")]);
            assert!(told.iter().any(|alert| alert.suppressed_by.is_none() && alert.findings == 1), "{told:?}");
        }
    }

    #[test]
    fn subjects_are_gathered_from_all_findings_of_an_alert() {
        let mut pipeline = pipeline();
        let events = (1..=10).map(|i| reset(i, "W0ADMIN", &format!("W{i}"))).chain([reset(5_000, "W0ADMIN", "W11")]);
        let events: Vec<Event> = events.collect();
        let alerts = find_each(&mut pipeline, &events);
        let last = alerts.last().unwrap();
        assert_eq!((last.findings, last.subjects.users.ids.len()), (10, 10));
        assert_eq!(last.subjects.actors.ids.first().map(String::as_str), Some("W0ADMIN"));
    }
}
