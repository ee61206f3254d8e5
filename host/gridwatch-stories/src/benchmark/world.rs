//! What the benchmark's organization consists of: people with devices, sessions and networks; partners, services, files.
//!
//! Everything here is a function of the seed, the person and the day. So a story can ask for the session that its victim
//! has at some moment, and ordinary life is the same to the byte with stories and without.

use super::extension::Shape;
use super::life::{Job, Life, RESERVED, Shift, TEAMS, reserved_role};
use super::{Benchmark, SECS_A_DAY, clients};
use crate::internet::{self, Gateway, Network};
use crate::org::cast::{App, Cast, Channel, DOMAINS, Person, machine, user_wire};
use crate::org::dice::{Dice, mixed};
use crate::org::entities;
use crate::org::entry::{Context, Entity, Session, location_of, session_form};
use crate::org::{OrgPlan, Role, User, names};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    Desktop,
    Phone,
}

pub(crate) struct Partner {
    pub(crate) team: String,
    pub(crate) name: &'static str,
    pub(crate) network: &'static Network,
    pub(crate) people: Vec<Person>,
}

/// An account that no person stands behind, the app it acts through and the address it comes from.
pub(crate) struct Service {
    pub(crate) account: Person,
    pub(crate) app: App,
    pub(crate) ip: String,
    pub(crate) ua: &'static str,
}

pub(crate) struct World {
    pub(crate) plan: Benchmark,
    pub(crate) shape: Shape,
    pub(crate) cast: Cast,
    pub(crate) lives: Vec<Life>,
    /// The known ones, then the one that only a story brings in.
    pub(crate) partners: Vec<Partner>,
    /// Lawyers' search for evidence; acts in the name of whoever installed it.
    pub(crate) discovery: Service,
    pub(crate) backup: Service,
    pub(crate) ci: Service,
    /// Reads the audit log: us.
    pub(crate) watcher: App,
    /// Through which people let an assistant read Slack.
    pub(crate) assistant: App,
    /// An owner's account that nobody uses, kept for emergencies. Ordinary life knows nothing of it.
    pub(crate) emergency: Person,
    /// Nobody has a reason to touch these: a channel's index and a file's number.
    pub(crate) decoy_channel: usize,
    pub(crate) decoy_file: u64,
    pub(crate) first_day: u64,
    pub(crate) last_day: u64,
}

pub(crate) const DECOY_FILE: &str = "F0DEC0Y0001";

const PARTNERS: [&str; 5] = ["Contoso / Südwest", "Fabrikam", "Tailspin", "Northwind", "Wingtip Research"];
/// The partner that nobody has dealt with before.
pub(crate) const STRANGER: usize = 4;
const PEOPLE_A_PARTNER: usize = 12;

/// How often a line gets another address, in days.
const LEASE_DAYS: u64 = 9;

impl World {
    pub(crate) fn new(plan: &Benchmark, shape: Shape) -> Self {
        let seed = plan.seed;
        let (first_day, last_day) = (plan.from / SECS_A_DAY, plan.last_second() / SECS_A_DAY);
        let mut dice = Dice::new(seed);
        let org = OrgPlan { seed, users: plan.users, from: plan.from, stories: false, ..OrgPlan::default() };
        let mut cast = Cast::new(&org, &mut dice);
        let count = cast.people.len();
        for (n, index) in (count - RESERVED..count).enumerate() {
            cast.appoint(index, reserved_role(n));
        }
        // The security team, counsel and compliance are nobody's guests.
        (cast.it_staff + 1..=cast.it_staff + TEAMS).for_each(|index| cast.appoint(index, Role::Member));
        let lives = (0..count).map(|i| Life::new(seed, shape, i, &cast, first_day, last_day)).collect();
        let partners = (0..PARTNERS.len()).map(|n| partner(n, &mut dice)).collect();
        let decoy_channel = cast.channels.iter().rposition(|c| c.privacy == "public").unwrap_or(0);
        "incident-0".clone_into(&mut cast.channels[0].name);
        "payroll-passwords-old".clone_into(&mut cast.channels[decoy_channel].name);
        Self {
            plan: plan.clone(),
            shape,
            discovery: service("Onna Legal Search", &["discovery:read", "files:read"], 40, "ApiApp/1.0", &mut dice),
            backup: service("Vault Backup", &["admin", "discovery:read"], 130, "VaultBackup/7.2", &mut dice),
            ci: service("Build Robot", &["chat:write", "commands"], 131, "slack-cli/3.4.0", &mut dice),
            watcher: app("gridwatch", &["auditlogs:read"], &mut dice),
            assistant: app("Desk Assistant", &["search:read", "channels:history", "files:read"], &mut dice),
            emergency: emergency(seed, &cast),
            decoy_channel,
            decoy_file: mixed(seed, &[0xdec0]),
            cast,
            lives,
            partners,
            first_day,
            last_day,
        }
    }

    pub(crate) fn person(&self, i: usize) -> &Person {
        &self.cast.people[i]
    }

    /// People of one job, those kept for stories included.
    pub(crate) fn staff(&self, job: Job) -> impl Iterator<Item = usize> {
        self.lives.iter().enumerate().filter(move |(_, life)| life.job == job).map(|(i, _)| i)
    }

    /// Index of the first person kept for stories.
    pub(crate) fn first_reserved(&self) -> usize {
        self.cast.people.len() - RESERVED
    }

    /// Whoever is employed and not kept for a story.
    pub(crate) fn anybody(&self, day: u64, dice: &mut Dice) -> usize {
        const MOST_TRIES: usize = 50;
        let draw = |dice: &mut Dice| dice.below(self.first_reserved() as u64) as usize;
        let there = |i: &usize| self.lives[*i].job != Job::Guest && self.employs(*i, day);
        (0..MOST_TRIES).map(|_| draw(dice)).find(there).unwrap_or(1)
    }

    pub(crate) fn employs(&self, i: usize, day: u64) -> bool {
        (self.lives[i].first_day..=self.lives[i].last_day).contains(&day)
    }

    /// People of the early shift with a machine of their own, in the same order always. No story has them but those of the lists below: an
    /// operator's lists name people, so whoever a story needs on one has to be known before it is told.
    fn early(&self) -> Vec<usize> {
        let plain = |i: &usize| {
            let life = &self.lives[*i];
            let special = matches!(
                life.job,
                Job::It | Job::Security | Job::Counsel | Job::Compliance | Job::Guest | Job::Contractor
            );
            !special && life.shift == Shift::Early && life.first_day == 0 && life.last_day == u64::MAX
        };
        let mut early: Vec<usize> = (0..self.first_reserved()).filter(plain).collect();
        early.sort_by_key(|i| (self.lives[*i].job.shares_machines(), self.drawn(*i, [0x0ea7, 0])));
        early
    }

    /// People who have given notice, and leave after the period: one of them is a story's.
    pub(crate) fn under_notice(&self) -> Vec<usize> {
        const COUNT: usize = 3;
        self.early().into_iter().take(COUNT).collect()
    }

    /// People who leave within the period, guests apart.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = usize> {
        let lives = self.lives.iter().enumerate();
        lives.filter(|(_, life)| life.last_day != u64::MAX && life.job != Job::Guest).map(|(i, _)| i)
    }

    /// Whose account is worth most to an attacker, and who is a story's victim for that.
    pub(crate) fn chief(&self) -> usize {
        self.early().last().copied().unwrap_or(0)
    }

    /// Seconds that the local clock of somebody's office is ahead of UTC.
    pub(crate) fn utc_offset(&self, i: usize) -> i64 {
        self.cast.offices[self.person(i).office].utc_offset_hours * 3600
    }

    /// Local midnight, in epoch seconds.
    pub(crate) fn midnight(&self, i: usize, day: u64) -> u64 {
        (day * SECS_A_DAY).saturating_add_signed(-self.utc_offset(i))
    }

    pub(crate) fn country(&self, i: usize) -> &'static str {
        internet::NETWORKS[self.person(i).office].country
    }

    pub(crate) fn drawn(&self, i: usize, parts: [u64; 2]) -> u64 {
        mixed(self.plan.seed, &[i as u64, parts[0], parts[1]])
    }

    /// Number of the sign-in that is in force on a day: another number, another session. A new machine needs one too.
    pub(crate) fn signed_in(&self, i: usize, device: Device, day: u64) -> u64 {
        if self.lives[i].job.shares_machines() {
            // Each shift begins with a sign-in, at another machine.
            return day << 16 | self.shared_machine(i, day);
        }
        let phase = self.lives[i].phase;
        let nth = match device {
            Device::Desktop => (day + phase) / (7 + phase % 21),
            Device::Phone => (day + phase / 3) / (30 + phase % 40),
        };
        nth << 16 | self.nth_machine(i, day)
    }

    /// Which of the machines that stand about in their office somebody sits at.
    fn shared_machine(&self, i: usize, day: u64) -> u64 {
        const PEOPLE_A_MACHINE: usize = 12;
        self.drawn(i, [21, day]) % (self.cast.people.len() / PEOPLE_A_MACHINE).max(1) as u64
    }

    /// When somebody's work begins; those who share machines take turns, week by week.
    pub(crate) fn shift(&self, i: usize, day: u64) -> Shift {
        const ROTA: [Shift; 3] = [Shift::Early, Shift::Late, Shift::Night];
        let life = &self.lives[i];
        if life.job.shares_machines() { ROTA[((life.phase + (day + 3) / 7) % 3) as usize] } else { life.shift }
    }

    /// Once in a year or two somebody gets another computer and phone.
    fn nth_machine(&self, i: usize, day: u64) -> u64 {
        let phase = self.lives[i].phase;
        (day + phase * 3) / (350 + phase % 300)
    }

    pub(crate) fn session(&self, i: usize, device: Device, day: u64) -> u64 {
        self.nth_session(i, device, self.signed_in(i, device, day))
    }

    pub(crate) fn nth_session(&self, i: usize, device: Device, signed_in: u64) -> u64 {
        let nth = signed_in << 1 | u64::from(device == Device::Phone);
        900_000_000_000 + self.drawn(i, [1, nth]) % 12_000_000_000_000
    }

    /// Clients update themselves weekly.
    pub(crate) fn ua(&self, i: usize, device: Device, day: u64) -> String {
        let machine = if self.lives[i].job.shares_machines() {
            let office = self.person(i).office as u64;
            mixed(self.plan.seed, &[0xde5c, office, self.shared_machine(i, day)])
        } else {
            self.drawn(i, [2 + u64::from(device == Device::Phone), self.nth_machine(i, day)])
        };
        let week = (day - self.first_day.min(day)) / 7;
        match device {
            Device::Desktop => clients::desktop(machine, week),
            Device::Phone => clients::phone(machine, week),
        }
    }

    /// The country where somebody is on a trip that week, as hotel and phone networks.
    pub(crate) fn trip(&self, i: usize, day: u64) -> Option<(&'static Network, &'static Network)> {
        let draw = self.drawn(i, [4, (day + 3) / 7]);
        let percent = match self.lives[i].job {
            Job::Worker | Job::Agent => 0,
            Job::Sales | Job::Executive => 8,
            _ => 2,
        };
        (draw % 100 < percent).then(|| internet::abroad(draw / 100))
    }

    /// Address at home, which changes when the lease ends; IPv6 prefixes stay.
    pub(crate) fn home_ip(&self, i: usize, day: u64) -> String {
        let person = self.person(i);
        if person.home_ip.contains(':') {
            return person.home_ip.clone();
        }
        let phase = self.lives[i].phase;
        let isp = &internet::homes(person.office)[(phase % 2) as usize];
        internet::address(isp, self.drawn(i, [5, (day + phase) / (LEASE_DAYS + phase % 30)]))
    }

    /// Phones share few carrier addresses and get another one every hour.
    pub(crate) fn carrier_ip(&self, i: usize, at: u64) -> String {
        let carrier = &internet::homes(self.person(i).office)[2];
        internet::address(carrier, self.drawn(i, [6, at / 3600]) % 512)
    }

    /// Where somebody's device is at a moment of their working day.
    pub(crate) fn ip(&self, i: usize, device: Device, day: u64, at: u64, dice: &mut Dice) -> String {
        let phase = self.lives[i].phase;
        if let Some((hotel, phone)) = self.trip(i, day) {
            let network = if device == Device::Phone && dice.percent(60) { phone } else { hotel };
            return internet::address(network, self.drawn(i, [7, day]) % 900);
        }
        if self.shape == Shape::Home {
            return self.ip_at_home(i, device, day, at, dice);
        }
        let at_office = self.works_in_office(i, day);
        match device {
            _ if self.lives[i].job.shares_machines() => self.cast.offices[self.person(i).office].egress_ip.clone(),
            Device::Phone if dice.percent(45) => self.carrier_ip(i, at),
            _ if at_office && dice.percent(92) => self.cast.offices[self.person(i).office].egress_ip.clone(),
            // A quarter of those at home go through the company's VPN, one in sixty through one of their own.
            Device::Desktop if phase.is_multiple_of(4) => {
                internet::address(&internet::NETWORKS[internet::COMPANY_VPN], phase % 6)
            }
            _ if phase % 61 == 5 => internet::address(internet::commercial_vpn(), phase % 40),
            _ => self.home_ip(i, day),
        }
    }

    /// Somebody who is never in an office, on the line that they have.
    fn ip_at_home(&self, i: usize, device: Device, day: u64, at: u64, dice: &mut Dice) -> String {
        let (office, phase) = (self.person(i).office, self.lives[i].phase);
        if device == Device::Phone && dice.percent(45) {
            let nth = self.drawn(i, [28, at / 3600]);
            return match nth / 7 % 100 {
                0..45 => internet::modern_line(office, true, nth, nth ^ phase),
                45..80 => internet::gateway(office, Gateway::InCountry, nth % 300),
                _ => self.carrier_ip(i, at),
            };
        }
        match Line::of(self.drawn(i, [20, 0])) {
            Line::Lease => self.home_ip(i, day),
            Line::Nightly => internet::address(&internet::homes(office)[0], self.drawn(i, [22, day])),
            Line::RotatingPrefix => {
                let site = self.drawn(i, [23, day / (1 + phase % 3)]);
                internet::modern_line(office, false, site, self.drawn(i, [24, day]))
            }
            Line::BothFamilies if dice.percent(50) => {
                internet::modern_line(office, false, phase, self.drawn(i, [24, day]))
            }
            Line::BothFamilies => internet::address(&internet::homes(office)[1], self.drawn(i, [22, day / 20])),
            Line::Carrier => internet::gateway(office, Gateway::InCountry, self.drawn(i, [25, at / 7200]) % 300),
            Line::Relay => internet::relay_exit(office, dice.percent(50), self.drawn(i, [26, at / 14_400])),
            Line::Vpn => internet::vpn_exit(self.drawn(i, [27, day / 2])),
            Line::CompanyVpn => internet::address(&internet::NETWORKS[internet::COMPANY_VPN], phase % 6),
        }
    }

    pub(crate) fn works_in_office(&self, i: usize, day: u64) -> bool {
        let percent = match self.shape {
            Shape::Mixed => 62,
            Shape::Offices => 90,
            Shape::Home => 0,
            Shape::Shared => 75,
        };
        self.lives[i].job != Job::Guest && self.drawn(i, [8, day]) % 100 < percent
    }

    /// An ordinary act of somebody at a moment.
    pub(crate) fn context(&self, i: usize, device: Device, day: u64, at: u64, dice: &mut Dice) -> Context {
        Context {
            location: location_of(&self.cast, self.person(i), dice),
            ua: self.ua(i, device, day),
            ip: self.ip(i, device, day, at, dice),
            session: session_form(self.session(i, device, day), dice),
            app: None,
            agent: None,
        }
    }

    /// A file that exists: the same number is always the same file.
    pub(crate) fn file(&self, number: u64) -> Entity {
        if number == self.decoy_file {
            return entities::named_file(DECOY_FILE, "vpn-passwords.xlsx", "application/vnd.ms-excel");
        }
        let mut dice = Dice::of(self.plan.seed, &[0xf11e, number]);
        entities::file(&mut dice)
    }

    /// Files get about: most reads are of few of them.
    pub(crate) fn some_file(&self, dice: &mut Dice) -> u64 {
        let all = self.cast.people.len() as u64 * 30;
        let widest = dice.between(1, all);
        dice.below(widest)
    }

    pub(crate) fn public_channels(&self) -> impl Iterator<Item = usize> {
        let channels = self.cast.channels.iter().enumerate();
        channels.filter(|(i, c)| c.privacy == "public" && *i != self.decoy_channel).map(|(i, _)| i)
    }

    pub(crate) fn private_channels(&self) -> impl Iterator<Item = usize> {
        self.cast.channels.iter().enumerate().filter(|(_, c)| c.privacy != "public").map(|(i, _)| i)
    }

    /// Any channel but the decoy.
    pub(crate) fn some_channel(&self, dice: &mut Dice) -> usize {
        let other = (self.decoy_channel + 1) % self.cast.channels.len();
        let drawn = dice.below(self.cast.channels.len() as u64) as usize;
        if drawn == self.decoy_channel { other } else { drawn }
    }

    /// One that everybody may look into, but not the decoy.
    pub(crate) fn some_public_channel(&self, dice: &mut Dice) -> usize {
        let public: Vec<usize> = self.public_channels().collect();
        *dice.pick(&public)
    }

    /// One that didn't exist before.
    pub(crate) fn new_channel(&self, private: bool, dice: &mut Dice) -> Channel {
        let number = self.cast.channels.len() + dice.below(10_000) as usize;
        let team = dice.pick(&self.cast.workspaces).id.clone();
        Channel {
            id: dice.id("C"),
            name: names::channel(dice, number),
            privacy: if private { "private" } else { "public" },
            org_shared: false,
            team,
        }
    }

    pub(crate) fn channel(&self, index: usize) -> Entity {
        entities::channel(&self.cast.channels[index])
    }

    /// Acts of a service carry its app and come from its server.
    pub(crate) fn service_context(&self, service: &Service) -> Context {
        Context {
            ip: service.ip.clone(),
            ua: service.ua.into(),
            app: Some(entities::app_body(&service.app, true)),
            ..Context::server_side(self.cast.enterprise_location())
        }
    }

    /// Somebody of another organization, at their own office.
    pub(crate) fn outside(&self, partner: &Partner, n: usize) -> Context {
        let person = &partner.people[n];
        Context {
            location: self.cast.workspace_location(0),
            ua: person.desktop_ua.clone(),
            ip: internet::address(partner.network, n as u64 % 3),
            session: Session::Number(person.desktop_session),
            app: None,
            agent: None,
        }
    }
}

/// How somebody who works at home gets out.
#[derive(Clone, Copy)]
enum Line {
    /// The same address for a week or more.
    Lease,
    /// Another one every night.
    Nightly,
    /// IPv6, with a prefix that changes and a machine's number that does too.
    RotatingPrefix,
    /// IPv4 and IPv6 in turns, within minutes.
    BothFamilies,
    /// A router without a line, behind a carrier's gateway that stands anywhere in the country.
    Carrier,
    Relay,
    Vpn,
    CompanyVpn,
}

impl Line {
    fn of(draw: u64) -> Self {
        match draw % 100 {
            0..24 => Self::Lease,
            24..38 => Self::Nightly,
            38..54 => Self::RotatingPrefix,
            54..66 => Self::BothFamilies,
            66..76 => Self::Carrier,
            76..84 => Self::Relay,
            84..90 => Self::Vpn,
            _ => Self::CompanyVpn,
        }
    }
}

fn partner(n: usize, dice: &mut Dice) -> Partner {
    let team = dice.id("T");
    let people = (0..PEOPLE_A_PARTNER).map(|i| outsider(n, i, &team, dice)).collect();
    Partner { team, name: PARTNERS[n], network: internet::partner(n), people }
}

fn outsider(partner: usize, i: usize, team: &str, dice: &mut Dice) -> Person {
    let id = dice.id("U");
    let email = format!("contact{i}@partner{partner}.example");
    let user = User { id, name: format!("contact{i}"), email, role: Role::Member };
    let ua = clients::desktop(dice.below(1 << 32), 0);
    machine(user, Some(team), 0, &ua, dice)
}

fn app(name: &'static str, scopes: &'static [&'static str], dice: &mut Dice) -> App {
    App { id: dice.id("A"), name, scopes, bot_scopes: &[] }
}

fn service(
    name: &'static str,
    scopes: &'static [&'static str],
    host: u64,
    ua: &'static str,
    dice: &mut Dice,
) -> Service {
    let app = app(name, scopes, dice);
    let user = User {
        id: dice.id("U"),
        name: name.to_lowercase().replace(' ', "-"),
        email: format!("{}@nordlicht.example", name.to_lowercase().replace(' ', ".")),
        role: Role::Member,
    };
    let account = machine(user, None, 0, ua, dice);
    Service { account, app, ip: format!("192.0.2.{host}"), ua }
}

fn emergency(seed: u64, cast: &Cast) -> Person {
    let mut dice = Dice::of(seed, &[0xe3e6]);
    let (name, email) = ("emergency-access".to_owned(), format!("emergency-access@{}", DOMAINS[0]));
    let user = User { id: dice.id("W"), name, email, role: Role::Owner };
    machine(user, Some(&cast.workspaces[0].id), 0, "", &mut dice)
}

/// The wire form of somebody who is not of the cast, in the words of Slack.
pub(crate) fn newcomer(id: &str, name: &str, email: &str, role: Role, team: &str) -> Entity {
    let user = User { id: id.into(), name: name.into(), email: email.into(), role };
    Entity { kind: "user", body: user_wire(&user, Some(team), true, true) }
}
