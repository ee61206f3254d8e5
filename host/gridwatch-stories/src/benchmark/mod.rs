//! An open benchmark for detections on Slack audit logs: seeded weeks of an organization, and labelled attacks in them.
//!
//! [`Benchmark::run`] gives entries in the order of time, as an iterator that holds about a day and a half of them, labels,
//! and a table of networks. Pure: the same plan gives the same bytes, and ordinary life is the same with stories and
//! without, but for the stories' own entries.
//!
//! The life is meant to drown careless rules (`workday`, `routines`). The attacks follow published incidents and the
//! techniques that those name (`stories`). What an operator would tell a detector about the organization is in [`Facts`].
//! How often Slack's customers see which action is not public: rates are guesses.
//!
//! With an [`Extension`] the organization has another shape (`trades` has what people there do), and more stories are told:
//! attacks that no count over one person's hour shows, and trouble that looks like one (`stories::slipping`, `stories::trouble`).
//!
//! # How to add a story
//!
//! 1. Write a function that takes a `Script`, in the file of its kind. `s.member()`, `s.admin()` and `s.guest()` give people of
//!    its own; `s.intruder()`, `s.stolen()` and `s.desk()` say where an act comes from; `s.act()`, `s.bare()` and the like put
//!    it on record at the script's moment, which `s.wait()` and `s.pause()` move on. Draw from `s.stage.dice` who does how much
//!    in which order and what is left out, so that a detector can't be fitted to one telling.
//! 2. Say `s.decisive()` after the act by which an attentive reader could be sure, and `s.ordinary_work()` for what belongs to
//!    the people and not to the story.
//! 3. List it in the file's `PLOTS` (`TALES` in `slipping` and `trouble`), with how many people it takes, how many days, and
//!    what should be told of it by when. A family that is new gets a line in `FAMILIES` or `MORE_FAMILIES`. Append: people are
//!    given out in the order of the lists.
//! 4. Give it its numbers in `tests/stories/`: what must hold of its entries, for every seed.

mod clients;
mod extension;
mod life;
mod routines;
mod stage;
mod stories;
mod trades;
mod workday;
mod world;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::vec::IntoIter;

use serde::{Deserialize, Serialize};

use crate::internet::{self, ALL, NETWORKS, Network};
use crate::org::cast::{DOMAINS, PROVISIONING_CLIENT, Provisioning};
use crate::org::{Org, SimEntry, Story, User};
pub use extension::{Expected, Extension, Level, Shape};
use life::Job;
use workday::Past;
use world::{STRANGER, World};

pub(crate) const SECS_A_DAY: u64 = 86_400;

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Benchmark {
    pub seed: u64,
    /// People; raised to the 300 that stories and routines need.
    pub users: u32,
    /// Epoch seconds of the first possible entry.
    pub from: u64,
    /// Raised to 9: a slow attack takes three days, begins on a workday and needs some ordinary ones before it.
    pub days: u32,
    /// Whether any attack happens.
    pub stories: bool,
}

impl Default for Benchmark {
    /// 1,000 people over four weeks from Monday, 7 September 2026, with stories.
    fn default() -> Self {
        Self { seed: 1, users: 1_000, from: 1_788_739_200, days: 28, stories: true }
    }
}

impl Benchmark {
    pub const FEWEST_USERS: u32 = 300;
    pub const FEWEST_DAYS: u32 = 9;

    /// Plans the organization and tells its stories; ordinary life is made as [`Labelled::entries`] is read.
    pub fn run(&self) -> Labelled {
        self.run_with(&Extension::default())
    }

    /// The same with another shape of organization, or with more stories.
    pub fn run_with(&self, extension: &Extension) -> Labelled {
        let plain = *extension == Extension::default();
        let (users, days) = (self.users.max(extension.fewest_users()), self.days.max(extension.fewest_days()));
        let plan = Self { users, days, ..self.clone() };
        let world = World::new(&plan, extension.shape);
        let (mut told, mut stories) = if plan.stories { stories::tell(&world) } else { Default::default() };
        let (more, attacks, trouble) = stories::tell_more(&world, extension);
        told.extend(more);
        told.sort_by(in_order);
        stories.extend(attacks);
        stories.sort_by_key(|label| label.first_entry_at);
        let families = stories::FAMILIES.iter().chain(if plain { &[] } else { stories::MORE_FAMILIES });
        let labels = Labels {
            version: 1,
            facts: if plain { Facts::of(&world) } else { Facts::with_lists(&world) },
            families: families.map(|(name, means)| ((*name).into(), (*means).into())).collect(),
            plan,
            extension: (!plain).then(|| extension.clone()),
            stories,
            trouble,
        };
        Labelled { labels, world, told }
    }

    /// Epoch seconds of the last possible entry.
    pub fn last_second(&self) -> u64 {
        self.from + u64::from(self.days) * SECS_A_DAY - 1
    }
}

/// What is known about a generated log. As JSON this is the labels file: the fields of this type and of [`Label`] and
/// [`Facts`], with their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Of this format: 1.
    pub version: u32,
    pub plan: Benchmark,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Extension>,
    pub facts: Facts,
    /// What the family names in the stories mean.
    pub families: BTreeMap<String, String>,
    /// In order of their first entry.
    pub stories: Vec<Label>,
    /// What looks like an attack and is none, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trouble: Vec<Label>,
}

/// One attack, or one trouble. Entries that are in no attack are ordinary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub story: String,
    pub description: String,
    /// What it follows: names of incidents, technique ids of ATT&CK and (SAT…) of Push Security's SaaS matrix.
    pub references: Vec<String>,
    pub variant: Variant,
    /// User ids: the victim or the insider first, then whoever else took part, and ids of apps that did.
    pub actors: Vec<String>,
    /// Epoch seconds of the first act of the attack, and of the last.
    pub first_entry_at: u64,
    pub last_entry_at: u64,
    /// Epoch seconds of the act by which an attentive reader could be sure: alerts after it are late.
    pub decisive_at: u64,
    pub decisive_entry: String,
    /// Oldest first.
    pub entry_ids: Vec<String>,
    /// Kinds of rule that should see it; one is enough to have found it. None of what is ordinary.
    pub families: Vec<String>,
    /// What should be told of it; of the plain benchmark's own stories nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
}

/// How hard it is to see by counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Well above the usual thresholds, or nothing in it is counted.
    Plain,
    /// At the usual threshold or up to two above.
    Near,
    /// Above the threshold in sum, but eight times as slow as its window asks for.
    Slow,
}

/// What an operator would tell a detector, because the log alone doesn't say it. Ids, unless said otherwise. The default is what
/// an operator says who says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// CIDRs of the organization's own.
    pub corporate_egress: Vec<String>,
    /// Numbers of the autonomous systems that the organization's offices, VPN and servers are in.
    pub own_asns: Vec<u32>,
    /// The organization (E…) and its workspaces (T…).
    pub own_teams: Vec<String>,
    pub email_domains: Vec<String>,
    /// User ids of those whose work it is to administer Slack. An admin among them may still turn on it: stories do that.
    pub it_admins: Vec<String>,
    /// User ids of those who set and lift legal holds.
    pub legal_team: Vec<String>,
    /// User ids of those whose work is exporting.
    pub export_actors: Vec<String>,
    /// User ids of those whose work is searching the audit log and clearing DLP violations.
    pub security_team: Vec<String>,
    /// Apps that read in bulk by order: legal search, backup.
    pub bulk_apps: Vec<String>,
    /// Apps that run on the organization's own servers: backup, build robot.
    pub service_apps: Vec<String>,
    pub provisioning_app: String,
    /// User id and client under which the identity provider acts, where it does so as a person's account.
    pub provisioning_accounts: Vec<String>,
    pub provisioning_clients: Vec<String>,
    /// The app that reads the audit log.
    pub watcher_app: String,
    /// Organizations that are dealt with every day.
    pub known_partners: Vec<String>,
    /// Private channels of legal, payroll and recruiting.
    pub sensitive_channels: Vec<String>,
    pub incident_channels: Vec<String>,
    pub decoy_channels: Vec<String>,
    pub decoy_files: Vec<String>,
    /// User ids of people who leave, or have given notice; like the following, only with an [`Extension`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leavers: Vec<String>,
    /// User ids of those whose accounts are worth most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub executives: Vec<String>,
    /// User ids of accounts that nobody uses but in emergencies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<String>,
}

impl Facts {
    /// What an operator answers on the first day, by the names of settings under which detectors ask for it:
    ///
    /// | setting | what |
    /// |---|---|
    /// | `export_actors`, `security_team`, `responders`, `legal_team`, `it_admins` | who does what for a living |
    /// | `provisioning_apps`, `provisioning_accounts`, `provisioning_clients` | the identity provider, by what shows of it |
    /// | `bulk_apps`, `service_apps`, `own_app` | the apps that read in bulk, those that run on own machines, and the one that reads the audit log |
    /// | `own_teams`, `own_domains`, `own_networks` | what is the organization's own |
    /// | `known_partners` | organizations dealt with every day |
    /// | `incident_channels`, `decoy_channels`, `decoy_files` | what is dear, and what nobody has a reason to touch |
    /// | `leavers`, `executives`, `break_glass` | whom to watch more closely |
    pub fn settings(&self) -> Vec<(&'static str, Vec<String>)> {
        let one = |id: &String| if id.is_empty() { Vec::new() } else { vec![id.clone()] };
        vec![
            ("export_actors", self.export_actors.clone()),
            ("security_team", self.security_team.clone()),
            ("responders", self.security_team.clone()),
            ("legal_team", self.legal_team.clone()),
            ("it_admins", self.it_admins.clone()),
            ("bulk_apps", self.bulk_apps.clone()),
            ("provisioning_apps", one(&self.provisioning_app)),
            ("provisioning_accounts", self.provisioning_accounts.clone()),
            ("provisioning_clients", self.provisioning_clients.clone()),
            ("own_app", one(&self.watcher_app)),
            ("service_apps", self.service_apps.clone()),
            ("own_teams", self.own_teams.clone()),
            ("own_domains", self.email_domains.clone()),
            ("own_networks", self.own_asns.iter().map(|asn| format!("AS{asn}")).collect()),
            ("known_partners", self.known_partners.clone()),
            ("incident_channels", self.incident_channels.clone()),
            ("decoy_channels", self.decoy_channels.clone()),
            ("decoy_files", self.decoy_files.clone()),
            ("leavers", self.leavers.clone()),
            ("executives", self.executives.clone()),
            ("break_glass", self.break_glass.clone()),
        ]
    }

    /// The same of lookup tables.
    pub fn tables(&self) -> Vec<(&'static str, Vec<String>)> {
        vec![
            ("corporate_egress", self.corporate_egress.clone()),
            ("sensitive_channels", self.sensitive_channels.clone()),
        ]
    }

    fn of(world: &World) -> Self {
        let team = |job| world.staff(job).map(|i| world.person(i).user.id.clone()).collect::<Vec<_>>();
        let channels = |wanted: &[&str]| {
            let fits = |name: &str| wanted.iter().any(|word| name.starts_with(word));
            let there = world.cast.channels.iter().enumerate();
            there.filter(|(i, c)| *i != world.decoy_channel && fits(&c.name)).map(|(_, c)| c).collect::<Vec<_>>()
        };
        let private = |c: &&&crate::org::cast::Channel| c.privacy != "public";
        let by_account = world.cast.provisioning == Provisioning::ByAccount;
        let own_teams = std::iter::once(&world.cast.enterprise.id).chain(world.cast.workspaces.iter().map(|w| &w.id));
        Self {
            corporate_egress: vec!["198.51.100.0/24".into()],
            own_asns: internet::own_asns(),
            own_teams: own_teams.cloned().collect(),
            email_domains: DOMAINS.map(String::from).into(),
            it_admins: team(Job::It),
            legal_team: team(Job::Counsel),
            export_actors: [team(Job::Compliance), vec![world.backup.account.user.id.clone()]].concat(),
            security_team: team(Job::Security),
            bulk_apps: vec![world.discovery.app.id.clone(), world.backup.app.id.clone()],
            service_apps: vec![world.backup.app.id.clone(), world.ci.app.id.clone()],
            provisioning_app: world.cast.provisioning_app.id.clone(),
            provisioning_accounts: by_account.then(|| world.cast.provisioner.user.id.clone()).into_iter().collect(),
            provisioning_clients: by_account.then(|| PROVISIONING_CLIENT.into()).into_iter().collect(),
            watcher_app: world.watcher.id.clone(),
            known_partners: world.partners[..STRANGER].iter().map(|p| p.team.clone()).collect(),
            sensitive_channels: channels(&["legal", "payroll", "recruiting"])
                .iter()
                .filter(private)
                .map(|c| c.id.clone())
                .collect(),
            incident_channels: channels(&["incident"]).iter().map(|c| c.id.clone()).collect(),
            decoy_channels: vec![world.cast.channels[world.decoy_channel].id.clone()],
            decoy_files: vec![world::DECOY_FILE.into()],
            ..Self::default()
        }
    }

    /// The same, and the lists of those who are watched more closely.
    fn with_lists(world: &World) -> Self {
        let ids = |people: Vec<usize>| people.into_iter().map(|i| world.person(i).user.id.clone()).collect();
        let chiefs = world.staff(Job::Executive).chain([world.chief()]).collect();
        Self {
            leavers: ids(world.leaving().chain(world.under_notice()).collect()),
            executives: ids(chiefs),
            break_glass: vec![world.emergency.user.id.clone()],
            ..Self::of(world)
        }
    }
}

/// A generated log, with what is known about it.
pub struct Labelled {
    pub labels: Labels,
    world: World,
    /// The stories' entries, oldest first.
    told: Vec<SimEntry>,
}

impl std::fmt::Debug for Labelled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Labelled").field("labels", &self.labels).finish_non_exhaustive()
    }
}

impl Labelled {
    /// All entries in the order of time. Each call begins anew.
    pub fn entries(&self) -> Entries<'_> {
        let people = self.world.cast.people.len();
        Entries {
            world: &self.world,
            told: &self.told,
            pasts: (0..people).map(|i| Past::before(&self.world, i)).collect(),
            next_day: self.world.first_day,
            pending: Vec::new(),
            ready: Vec::new().into_iter(),
        }
    }

    /// What the stories add to ordinary life, oldest first: their entries, and those of their people's ordinary hours around them.
    pub fn told(&self) -> &[SimEntry] {
        &self.told
    }

    /// Every block of addresses that entries come from.
    pub fn networks(&self) -> &'static [Network] {
        if self.labels.extension.is_some() { &ALL } else { NETWORKS }
    }

    /// People first, then bots and service accounts.
    pub fn users(&self) -> Vec<User> {
        let services = [&self.world.discovery, &self.world.backup, &self.world.ci];
        let mut users = self.world.cast.directory();
        users.extend(services.map(|service| service.account.user.clone()));
        users.extend(self.labels.extension.is_some().then(|| self.world.emergency.user.clone()));
        users
    }

    /// Writes all entries, one a line, and returns how many.
    ///
    /// # Errors
    /// `out` refuses.
    pub fn write_entries(&self, out: &mut impl Write) -> io::Result<u64> {
        let mut count = 0;
        for entry in self.entries() {
            out.write_all(entry.json.as_bytes())?;
            out.write_all(b"\n")?;
            count += 1;
        }
        Ok(count)
    }

    /// Writes [`Labels`] as JSON.
    ///
    /// # Errors
    /// `out` refuses.
    pub fn write_labels(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &self.labels)?;
        out.write_all(b"\n")
    }

    /// Writes the table of networks: a line of names, then one for each block.
    ///
    /// # Errors
    /// `out` refuses.
    pub fn write_networks(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "cidr,asn,country,lat,lon,kind")?;
        self.networks().iter().try_for_each(|network| writeln!(out, "{network}"))
    }

    /// The same as an [`Org`], to be served by the simulator. Holds all entries at once.
    pub fn into_org(self) -> Org {
        let entries = self.entries().collect();
        let users = self.users();
        let stories = self.labels.stories.into_iter().map(|label| Story {
            name: label.story,
            from: label.first_entry_at,
            to: label.last_entry_at,
            actor: label.actors.into_iter().next().unwrap_or_default(),
            entry_ids: label.entry_ids,
            expected_rules: Vec::new(),
        });
        let stories = stories.collect();
        let cast = self.world.cast;
        Org { enterprise: cast.enterprise, workspaces: cast.workspaces, users, entries, stories }
    }
}

/// All entries, made day by day.
pub struct Entries<'a> {
    world: &'a World,
    /// What the stories still have to add.
    told: &'a [SimEntry],
    pasts: Vec<Past>,
    /// Days since 1970, by the local date of those who live it.
    next_day: u64,
    /// Made, but later than something that is yet to be made may be.
    pending: Vec<SimEntry>,
    ready: IntoIter<SimEntry>,
}

impl std::fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("next_day", &self.next_day).finish_non_exhaustive()
    }
}

/// No local date begins longer than this before it does in UTC.
const EAST_SECS: u64 = 12 * 3600;

impl Iterator for Entries<'_> {
    type Item = SimEntry;

    fn next(&mut self) -> Option<SimEntry> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Some(entry);
            }
            // In the east, the day after the last begins within the period.
            if self.next_day > self.world.last_day + 1 {
                return None;
            }
            self.live_a_day();
        }
    }
}

impl Entries<'_> {
    fn live_a_day(&mut self) {
        let (first, last) = (self.world.plan.from, self.world.plan.last_second());
        let mut made = std::mem::take(&mut self.pending);
        for (i, past) in self.pasts.iter_mut().enumerate() {
            workday::live(self.world, i, self.next_day, past, &mut made);
        }
        routines::run(self.world, self.next_day, &mut made);
        made.retain(|entry| (first..=last).contains(&entry.date_create));
        self.next_day += 1;
        let over = self.next_day > self.world.last_day + 1;
        let safe = if over { u64::MAX } else { self.next_day * SECS_A_DAY - EAST_SECS };
        let (due, later) = self.told.split_at(self.told.partition_point(|entry| entry.date_create < safe));
        self.told = later;
        made.extend_from_slice(due);
        made.sort_unstable_by(in_order);
        self.pending = made.split_off(made.partition_point(|entry| entry.date_create < safe));
        self.ready = made.into_iter();
    }
}

/// By time, and within a second by id.
fn in_order(a: &SimEntry, b: &SimEntry) -> std::cmp::Ordering {
    (a.date_create, &a.id).cmp(&(b.date_create, &b.id))
}
