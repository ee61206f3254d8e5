//! Networks: who runs an address, and where it is, as tables that the configuration names say.
//!
//! A table is text, one range a line: `cidr,asn,country,latitude,longitude,kind`, of which everything after the range may be
//! left out or empty. Lines that start with `#` are remarks, and the first may be the names of the columns. A kind is one of
//! hosting, vpn, tor; office, home and mobile may be said too: that is where people are, so no rule goes by them.
//!
//! ```text
//! 198.51.100.0/24,AS64500,DE,52.52,13.40,
//! 198.51.100.128/25,AS64501,DE,,,vpn
//! 2001:db8::/32,AS64502,US
//! ```
//!
//! Where ranges of a table overlap, the narrowest one that holds an address speaks for it, alone. Several tables may be laid
//! over each other ([`Networks::over`]), and over a [`Database`]: what one leaves empty, the next one down may fill.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

const KINDS: &str = "hosting, vpn, tor, office, home, mobile";
/// Problems told of one table; a table of the wrong format would have as many as lines.
const MAX_PROBLEMS: usize = 20;
/// Mean radius of the earth (IUGG), in kilometres.
const EARTH_KM: f64 = 6_371.008_8;

/// All that is known of addresses. Empty by default: then nothing is.
#[derive(Clone, Debug, Default)]
pub struct Networks(Arc<Layers>);

#[derive(Clone, Debug, Default)]
struct Layers {
    /// The first has the first word.
    tables: Vec<Table>,
    /// Below all tables.
    databases: Vec<Arc<dyn Database>>,
}

/// Something larger than a table that knows addresses, held by the host. The same address has to get the same answer always.
pub trait Database: fmt::Debug + Send + Sync {
    fn of(&self, address: IpAddr) -> Option<Network>;
}

#[derive(Clone, Debug, Default)]
struct Table {
    /// Disjoint, in order.
    segments: Vec<Segment>,
    networks: Vec<Network>,
}

/// What the tables say, to be put together again. Databases aren't in it: they are files, and large.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SaidNetworks(Vec<SaidTable>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SaidTable {
    /// First and last address in hexadecimal, and the position of what is known of them.
    ranges: Vec<(String, String, u32)>,
    networks: Vec<Network>,
}

/// What is known of an address. What one line of a table says of its range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// `AS64500`, or "".
    pub asn: String,
    /// Who runs the autonomous system, or "".
    pub organization: String,
    /// ISO 3166-1 alpha-2, or "".
    pub country: String,
    pub place: Option<Place>,
    pub kind: Option<NetworkKind>,
    /// Where people are: office, home, mobile, or "".
    pub usage: String,
    /// What the organization calls it, if it is its own way out, or "".
    pub own: String,
}

/// What a network is for, where that makes its addresses say little of where somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NetworkKind {
    Hosting,
    Vpn,
    Tor,
}

/// Degrees north and east.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
}

/// Lines that say nothing usable, with their numbers from 1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", .problems.join("\n"))]
pub struct NotNetworks {
    pub problems: Vec<String>,
}

#[derive(Clone, Debug)]
struct Segment {
    first: u128,
    last: u128,
    /// Position in `networks`.
    network: u32,
}

impl Networks {
    /// Reads a table, or says what is wrong with it.
    ///
    /// # Errors
    /// Every line that is wrong, with its number.
    pub fn parse(text: &str) -> Result<Self, NotNetworks> {
        let lines = text.lines().enumerate().filter(|(at, line)| {
            !(line.trim().is_empty() || line.starts_with('#') || *at == 0 && line.starts_with("cidr,"))
        });
        Self::of_lines(lines, parse_line)
    }

    /// Reads a list of addresses and ranges, one a line, that are all of one kind.
    ///
    /// # Errors
    /// Every line that is wrong, with its number.
    pub fn parse_list(text: &str, kind: NetworkKind) -> Result<Self, NotNetworks> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).enumerate();
        let network = Network { kind: Some(kind), ..Network::default() };
        Self::of_lines(lines.filter(|(_, line)| !line.is_empty()), |line| Ok((parse_range(line)?, network.clone())))
    }

    /// Ranges that are the organization's own, by what it calls them.
    ///
    /// # Errors
    /// Every range that is wrong, with its place among them.
    pub fn own<'r>(ranges: impl IntoIterator<Item = (&'r str, &'r str)>) -> Result<Self, NotNetworks> {
        let ranges: Vec<(&str, &str)> = ranges.into_iter().collect();
        let called = ranges.iter().enumerate().map(|(at, (_, range))| (at, *range));
        let mut labels = ranges.iter().map(|(label, _)| *label);
        Self::of_lines(called, |range| {
            let own = labels.next().unwrap_or_default().to_owned();
            Ok((parse_range(range)?, Network { own, ..Network::default() }))
        })
    }

    /// This laid over another: where both know an address, this has the first word.
    pub fn over(mut self, below: Self) -> Self {
        let layers = Arc::make_mut(&mut self.0);
        layers.tables.extend(below.0.tables.iter().cloned());
        layers.databases.extend(below.0.databases.iter().cloned());
        self
    }

    /// This over a database.
    pub fn over_database(mut self, database: Arc<dyn Database>) -> Self {
        Arc::make_mut(&mut self.0).databases.push(database);
        self
    }

    pub fn said(&self) -> SaidNetworks {
        let range =
            |segment: &Segment| (format!("{:x}", segment.first), format!("{:x}", segment.last), segment.network);
        let table = |table: &Table| SaidTable {
            ranges: table.segments.iter().map(range).collect(),
            networks: table.networks.clone(),
        };
        SaidNetworks(self.0.tables.iter().map(table).collect())
    }

    /// Over the databases of others. `None` of what nobody can have said.
    pub fn of_said(said: SaidNetworks, databases_of: &Self) -> Option<Self> {
        let number = |text: &str| u128::from_str_radix(text, 16).ok();
        let table = |SaidTable { ranges, networks }| {
            let segment = |(first, last, network): (String, String, u32)| {
                networks.get(network as usize)?;
                Some(Segment { first: number(&first)?, last: number(&last)?, network })
            };
            let segments = ranges.into_iter().map(segment).collect::<Option<Vec<_>>>()?;
            Some(Table { segments, networks })
        };
        let tables = said.0.into_iter().map(table).collect::<Option<Vec<_>>>()?;
        Some(Self(Arc::new(Layers { tables, databases: databases_of.0.databases.clone() })))
    }

    /// Are these the very same, or a clone? Then all answers are the same.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What is known of an address, if it is one and anything is.
    pub fn of(&self, address: &str) -> Option<Cow<'_, Network>> {
        if self.is_empty() {
            return None;
        }
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let tables = self.0.tables.iter().filter_map(|table| table.of(address)).map(Cow::Borrowed);
        let databases = self.0.databases.iter().filter_map(|database| database.of(address)).map(Cow::Owned);
        tables.chain(databases).reduce(|known, below| Cow::Owned(known.into_owned().filled_from(&below)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.tables.is_empty() && self.0.databases.is_empty()
    }

    /// Does anything here tell what somebody might want to know of any address? For saying why it is unknown.
    pub fn knows_countries(&self) -> bool {
        !self.0.databases.is_empty() || self.0.tables.iter().any(|t| t.networks.iter().any(|n| !n.country.is_empty()))
    }

    fn of_lines<'l>(
        lines: impl Iterator<Item = (usize, &'l str)>,
        mut parse: impl FnMut(&str) -> Result<(Range, Network), String>,
    ) -> Result<Self, NotNetworks> {
        let (mut ranges, mut networks, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (at, line) in lines {
            match parse(line) {
                Ok((range, network)) => {
                    ranges.push((range, networks.len() as u32));
                    networks.push(network);
                }
                Err(problem) if problems.len() < MAX_PROBLEMS => problems.push(format!("line {}: {problem}", at + 1)),
                Err(_) => {}
            }
        }
        if !problems.is_empty() {
            return Err(NotNetworks { problems });
        }
        let table = Table { segments: disjoint(ranges), networks };
        let tables = if table.segments.is_empty() { vec![] } else { vec![table] };
        Ok(Self(Arc::new(Layers { tables, databases: vec![] })))
    }
}

impl Table {
    fn of(&self, address: IpAddr) -> Option<&Network> {
        let number = number_of(address);
        let at = self.segments.partition_point(|s| s.last < number);
        let segment = self.segments.get(at).filter(|s| s.first <= number)?;
        self.networks.get(segment.network as usize)
    }
}

impl Network {
    fn filled_from(mut self, below: &Self) -> Self {
        // The name goes with the number.
        if self.asn.is_empty() || self.asn == below.asn && self.organization.is_empty() {
            self.asn.clone_from(&below.asn);
            self.organization.clone_from(&below.organization);
        }
        // And the place with the country.
        if self.country.is_empty() || self.country == below.country {
            self.place = self.place.or(below.place);
        }
        for (mine, theirs) in
            [(&mut self.country, &below.country), (&mut self.usage, &below.usage), (&mut self.own, &below.own)]
        {
            if mine.is_empty() {
                mine.clone_from(theirs);
            }
        }
        // Where a table says that people are there, a list of rented addresses doesn't know better.
        if self.usage.is_empty() || self.kind.is_some() {
            self.kind = self.kind.or(below.kind);
        }
        self
    }
}

/// The range that stands for an address's network where no table knows it: /24 of IPv4, /48 of IPv6; "" of anything else.
pub fn prefix_of(address: &str) -> String {
    prefix(address, 48)
}

/// The range of an address that is one link: /24 of IPv4, of which nobody knows more, /64 of IPv6; "" of anything else.
pub fn subnet_of(address: &str) -> String {
    prefix(address, 64)
}

fn prefix(address: &str, of_ipv6: u8) -> String {
    let Ok(address) = address.parse::<IpAddr>() else {
        return String::new();
    };
    let address = address.to_canonical();
    let length = if address.is_ipv4() { 24 } else { of_ipv6 };
    ipnet::IpNet::new(address, length).map_or_else(|_| String::new(), |net| net.trunc().to_string())
}

impl NetworkKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hosting => "hosting",
            Self::Vpn => "vpn",
            Self::Tor => "tor",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Hosting, Self::Vpn, Self::Tor].into_iter().find(|kind| kind.name() == text)
    }
}

impl Place {
    /// The shortest way over the ground to another place, in kilometres, on a round earth.
    pub fn km_to(self, other: Self) -> f64 {
        let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
        let across = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let h = half(self.latitude, other.latitude) + across * half(self.longitude, other.longitude);
        2.0 * EARTH_KM * h.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// IPv4 as IPv4-mapped IPv6, so that both are one space and an address in either spelling is found.
fn number_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

struct Range {
    first: u128,
    last: u128,
}

fn parse_line(line: &str) -> Result<(Range, Network), String> {
    let mut parts = line.split(',').map(|part| part.trim().trim_matches('"'));
    let mut next = || parts.next().unwrap_or_default();
    let (cidr, asn, country, latitude, longitude, kind) = (next(), next(), next(), next(), next(), next());
    let range = parse_range(cidr)?;
    let is_usage = matches!(kind, "" | "office" | "home" | "mobile");
    let network = Network {
        asn: parse_asn(asn)?,
        country: parse_country(country)?,
        place: parse_place(latitude, longitude)?,
        kind: match NetworkKind::parse(kind) {
            None if !is_usage => return Err(format!("`{kind}` is not a kind of network; allowed are {KINDS}")),
            kind => kind,
        },
        usage: if is_usage { kind.to_owned() } else { String::new() },
        ..Network::default()
    };
    Ok((range, network))
}

fn parse_range(text: &str) -> Result<Range, String> {
    let range: ipnet::IpNet = match text.parse::<IpAddr>() {
        Ok(one) => one.into(),
        Err(_) => text.parse().map_err(|_| format!("`{text}` is not an address range; write 198.51.100.0/24"))?,
    };
    Ok(Range { first: number_of(range.network()), last: number_of(range.broadcast()) })
}

fn parse_asn(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("AS").unwrap_or(text);
    match digits.parse::<u32>() {
        _ if text.is_empty() => Ok(String::new()),
        Ok(number) => Ok(format!("AS{number}")),
        Err(_) => Err(format!("`{text}` is not an autonomous system number; write AS64500")),
    }
}

fn parse_country(text: &str) -> Result<String, String> {
    match text.is_empty() || text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a country code; write two capital letters (ISO 3166-1)")),
    }
}

fn parse_place(latitude: &str, longitude: &str) -> Result<Option<Place>, String> {
    if latitude.is_empty() && longitude.is_empty() {
        return Ok(None);
    }
    let degrees = |text: &str, most: f64| text.parse::<f64>().ok().filter(|d| d.abs() <= most);
    match (degrees(latitude, 90.0), degrees(longitude, 180.0)) {
        (Some(latitude), Some(longitude)) => Ok(Some(Place { latitude, longitude })),
        _ => Err(format!("`{latitude}`, `{longitude}` is not a position; write degrees north and east")),
    }
}

/// Cuts ranges that lie inside each other (CIDR ranges never cross) into disjoint ones, the narrowest winning. Of two equal
/// ranges the later line wins.
fn disjoint(mut ranges: Vec<(Range, u32)>) -> Vec<Segment> {
    ranges.sort_by_key(|(range, network)| (range.first, std::cmp::Reverse(range.last), *network));
    let mut segments = Vec::with_capacity(ranges.len());
    // The ranges that hold the place up to which everything is cut, widest first.
    let (mut open, mut from): (Vec<Segment>, u128) = (Vec::new(), 0);
    for (range, network) in ranges {
        while let Some(inner) = open.pop_if(|inner| inner.last < range.first) {
            cut(&mut segments, &inner, &mut from, inner.last);
        }
        if let Some(outer) = open.last()
            && let Some(before) = range.first.checked_sub(1)
        {
            cut(&mut segments, outer, &mut from, before);
        }
        from = range.first;
        open.push(Segment { first: range.first, last: range.last, network });
    }
    while let Some(inner) = open.pop() {
        cut(&mut segments, &inner, &mut from, inner.last);
    }
    segments
}

/// Gives `owner` what lies between `from` and `last`, if anything, and moves `from` past it.
fn cut(segments: &mut Vec<Segment>, owner: &Segment, from: &mut u128, last: u128) {
    let first = (*from).max(owner.first);
    if first <= last {
        segments.push(Segment { first, last, network: owner.network });
        *from = last.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_says_who_runs_an_address_and_where_it_is() {
        let table = "# documentation ranges\n198.51.100.0/24,AS64500,DE,52.52,13.40,\n\n198.51.100.128/25,64501,,,,vpn\n2001:db8::/32,AS64502,US\n203.0.113.9,AS64503";
        let networks = Networks::parse(table).unwrap();
        let asn = |address| networks.of(address).map_or(String::new(), |n| n.asn.clone());
        assert_eq!(asn("198.51.100.1"), "AS64500");
        assert_eq!(asn("198.51.100.200"), "AS64501", "the narrower range");
        assert_eq!(asn("::ffff:198.51.100.1"), "AS64500", "the same address in another spelling");
        assert_eq!([asn("2001:db8:5::1"), asn("203.0.113.9")], ["AS64502", "AS64503"]);
        assert_eq!([asn("198.51.101.1"), asn("203.0.113.10"), asn("nowhere"), asn("")], [const { String::new() }; 4]);
        let vpn = networks.of("198.51.100.200").unwrap();
        assert_eq!((vpn.country.as_str(), vpn.place, vpn.kind), ("", None, Some(NetworkKind::Vpn)));
    }

    #[test]
    fn what_a_table_leaves_empty_the_next_one_down_fills() {
        #[derive(Debug)]
        struct Everywhere;
        impl Database for Everywhere {
            fn of(&self, _: IpAddr) -> Option<Network> {
                let place = Some(Place { latitude: 40.0, longitude: -74.0 });
                let (asn, organization) = ("AS64599".into(), "Example Net".into());
                Some(Network { asn, organization, country: "US".into(), place, ..Network::default() })
            }
        }
        let table = Networks::parse("198.51.100.0/24,AS64500,DE\n198.51.101.0/24,,,,,home\n198.51.102.0/24").unwrap();
        let own = Networks::own([("Berlin", "198.51.100.0/25")]).unwrap();
        let tor = Networks::parse_list("# exits\n\n198.51.101.7\n198.51.102.7 # a remark\n", NetworkKind::Tor).unwrap();
        let networks = table.over(own).over(tor).over_database(Arc::new(Everywhere));
        let of = |address| networks.of(address).unwrap().into_owned();
        let office = of("198.51.100.7");
        assert_eq!((office.asn.as_str(), office.country.as_str(), office.own.as_str()), ("AS64500", "DE", "Berlin"));
        assert_eq!((office.organization.as_str(), office.place), ("", None), "of another number, in another country");
        assert_eq!((of("198.51.101.7").kind, of("198.51.101.7").usage.as_str()), (None, "home"));
        let exit = of("198.51.102.7");
        assert_eq!(
            (exit.kind, exit.organization.as_str(), exit.country.as_str()),
            (Some(NetworkKind::Tor), "Example Net", "US")
        );
        assert_eq!(of("203.0.113.1").asn, "AS64599");
        let bad = Networks::parse_list("198.51.100.7\nexit.example", NetworkKind::Tor).unwrap_err();
        assert!(bad.problems[0].starts_with("line 2: `exit.example`"), "{bad}");
    }

    #[test]
    fn every_bad_line_is_told_with_its_number() {
        let bad = "x,AS1\n10.0.0.0/8,ASX\n10.0.0.0/8,,de\n10.0.0.0/8,,,91,0\n10.0.0.0/8,,,1\n10.0.0.0/8,,,,,cloud";
        let problems = Networks::parse(bad).unwrap_err().problems;
        for (at, part) in ["`x`", "`ASX`", "`de`", "`91`", "``", "`cloud`"].iter().enumerate() {
            assert!(
                problems[at].starts_with(&format!("line {}: ", at + 1)) && problems[at].contains(part),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn an_address_no_table_knows_stands_in_its_prefix() {
        assert_eq!(prefix_of("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(prefix_of("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(prefix_of("2001:db8:1:2::3"), "2001:db8:1::/48");
        assert_eq!((prefix_of("10.0.0"), prefix_of("")), (String::new(), String::new()));
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let place = |latitude, longitude| Place { latitude, longitude };
        let berlin_to_new_york = place(52.52, 13.405).km_to(place(40.7128, -74.006));
        assert!((6_380.0..6_390.0).contains(&berlin_to_new_york), "{berlin_to_new_york}");
        assert!(place(0.0, 179.9).km_to(place(0.0, -179.9)) < 25.0, "across the date line");
        assert_eq!(place(1.0, 2.0).km_to(place(1.0, 2.0)), 0.0);
    }

    proptest! {
        #[test]
        fn the_narrowest_range_speaks(ranges in prop::collection::vec((0_u32..4096, 20_u8..=32), 0..40), ask in 0_u32..4096) {
            let nets: Vec<ipnet::Ipv4Net> =
                ranges.iter().map(|(host, length)| ipnet::Ipv4Net::new((0x0a00_0000 + host).into(), *length).unwrap().trunc()).collect();
            let table: Vec<String> = nets.iter().enumerate().map(|(i, net)| format!("{net},AS{i}")).collect();
            let networks = Networks::parse(&table.join("\n")).unwrap();
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + ask);
            let holding = nets.iter().enumerate().filter(|(_, net)| net.contains(&address));
            let want = holding.max_by_key(|(i, net)| (net.prefix_len(), *i)).map(|(i, _)| format!("AS{i}"));
            prop_assert_eq!(networks.of(&address.to_string()).map(|n| n.asn.clone()), want);
        }
    }
}
