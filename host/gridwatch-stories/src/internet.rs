//! A made-up internet: which network an address belongs to, who runs it and where it is.
//!
//! Every address that the generators write is in one of these blocks (apart from loopback and the empty address), and all
//! are set aside: for documentation (RFC 5737, RFC 3849), carrier NAT (RFC 6598) or benchmarks (RFC 2544). So are the AS
//! numbers: for documentation (RFC 5398) or private use (RFC 6996). None is anybody's. Coordinates are of real cities, so
//! that speeds of travel can be computed.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// One block of addresses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    pub cidr: &'static str,
    pub asn: u32,
    /// ISO 3166, two letters.
    pub country: &'static str,
    pub lat: f64,
    pub lon: f64,
    pub kind: NetworkKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    Office,
    /// Fixed lines: homes and hotels.
    Home,
    Mobile,
    /// Servers for rent, and those of app makers.
    Hosting,
    /// Where many come out as one: the company's own VPN and commercial ones.
    Vpn,
    /// A relay that hides addresses: few exits in many countries, each for many people. Written as an empty field, for tables of
    /// networks seldom tell one.
    Relay,
    Tor,
}

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Office => "office",
            Self::Home => "home",
            Self::Mobile => "mobile",
            Self::Hosting => "hosting",
            Self::Vpn => "vpn",
            Self::Relay => "",
            Self::Tor => "tor",
        })
    }
}

/// A line of a networks table: `cidr,asn,country,lat,lon,kind`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cidr, asn, country, lat, lon, kind } = self;
        write!(f, "{cidr},{asn},{country},{lat},{lon},{kind}")
    }
}

use NetworkKind::{Home, Hosting, Mobile, Office, Relay, Tor, Vpn};

const fn net(cidr: &'static str, asn: u32, country: &'static str, lat: f64, lon: f64, kind: NetworkKind) -> Network {
    Network { cidr, asn, country, lat, lon, kind }
}

/// All blocks; none overlaps another.
pub(crate) const NETWORKS: &[Network] = &[
    // The organization's own, one for each office in the order of the cast, then its VPN.
    net("198.51.100.8/29", 64496, "DE", 52.52, 13.4, Office),
    net("198.51.100.16/29", 64496, "US", 40.71, -74.01, Office),
    net("198.51.100.24/29", 64496, "IN", 12.97, 77.59, Office),
    net("198.51.100.40/29", 64496, "JP", 35.68, 139.69, Office),
    net("198.51.100.128/28", 64496, "DE", 50.11, 8.68, Vpn),
    // Fixed lines and phones at home. The generators rely on this order: two of homes, one of phones, one of homes in IPv6.
    net("100.64.0.0/13", 64501, "DE", 52.52, 13.4, Home),
    net("100.72.0.0/14", 64502, "DE", 53.55, 9.99, Home),
    net("100.76.0.0/14", 64503, "DE", 50.11, 8.68, Mobile),
    net("2001:db8::/34", 64501, "DE", 52.52, 13.4, Home),
    net("100.80.0.0/13", 64504, "US", 40.71, -74.01, Home),
    net("100.88.0.0/14", 64505, "US", 42.36, -71.06, Home),
    net("100.92.0.0/14", 64506, "US", 40.71, -74.01, Mobile),
    net("2001:db8:4000::/34", 64504, "US", 40.71, -74.01, Home),
    net("100.96.0.0/13", 64507, "IN", 12.97, 77.59, Home),
    net("100.104.0.0/14", 64508, "IN", 13.08, 80.27, Home),
    net("100.108.0.0/14", 64509, "IN", 12.97, 77.59, Mobile),
    net("2001:db8:8000::/34", 64507, "IN", 12.97, 77.59, Home),
    net("100.112.0.0/13", 64510, "JP", 35.68, 139.69, Home),
    net("100.120.0.0/14", 64511, "JP", 35.44, 139.64, Home),
    net("100.124.0.0/14", 65536, "JP", 35.68, 139.69, Mobile),
    net("2001:db8:c000::/34", 64510, "JP", 35.68, 139.69, Home),
    // Where people travel: hotels, then phones of the same country.
    net("198.18.0.0/20", 4_200_000_001, "GB", 51.51, -0.13, Home),
    net("198.18.16.0/20", 4_200_000_002, "GB", 51.51, -0.13, Mobile),
    net("198.18.32.0/20", 4_200_000_003, "FR", 48.86, 2.35, Home),
    net("198.18.48.0/20", 4_200_000_004, "FR", 48.86, 2.35, Mobile),
    net("198.18.64.0/20", 4_200_000_005, "ES", 40.42, -3.7, Home),
    net("198.18.80.0/20", 4_200_000_006, "ES", 40.42, -3.7, Mobile),
    net("198.18.96.0/20", 4_200_000_007, "SG", 1.35, 103.82, Home),
    net("198.18.112.0/20", 4_200_000_008, "SG", 1.35, 103.82, Mobile),
    net("198.18.128.0/20", 4_200_000_009, "BR", -23.55, -46.63, Home),
    net("198.18.144.0/20", 4_200_000_010, "BR", -23.55, -46.63, Mobile),
    net("198.18.160.0/20", 4_200_000_011, "CA", 43.65, -79.38, Home),
    net("198.18.176.0/20", 4_200_000_012, "CA", 43.65, -79.38, Mobile),
    net("198.18.192.0/20", 4_200_000_013, "AU", -33.87, 151.21, Home),
    net("198.18.208.0/20", 4_200_000_014, "AU", -33.87, 151.21, Mobile),
    net("198.18.224.0/20", 4_200_000_015, "ZA", -26.2, 28.05, Home),
    net("198.18.240.0/20", 4_200_000_016, "ZA", -26.2, 28.05, Mobile),
    // Offices of partner organizations; the last is of one that nobody here has dealt with.
    net("198.19.1.0/24", 4_200_000_101, "DE", 48.14, 11.58, Office),
    net("198.19.2.0/24", 4_200_000_102, "US", 37.77, -122.42, Office),
    net("198.19.3.0/24", 4_200_000_103, "IN", 19.08, 72.88, Office),
    net("198.19.4.0/24", 4_200_000_104, "GB", 51.51, -0.13, Office),
    net("198.19.16.0/24", 4_200_000_105, "RO", 44.43, 26.1, Office),
    // Makers of apps, and the organization's own servers.
    net("192.0.2.0/25", 64500, "US", 39.04, -77.49, Hosting),
    net("192.0.2.128/25", 64497, "DE", 50.11, 8.68, Hosting),
    // Everything for rent.
    net("203.0.113.0/27", 65538, "NL", 52.37, 4.9, Hosting),
    net("203.0.113.32/27", 65539, "MD", 47.01, 28.86, Hosting),
    net("203.0.113.64/27", 65540, "CH", 47.37, 8.54, Tor),
    net("203.0.113.96/27", 65541, "SE", 59.33, 18.07, Vpn),
    net("198.19.128.0/19", 65542, "US", 45.84, -119.7, Hosting),
    net("198.19.160.0/19", 65543, "FI", 60.17, 24.94, Hosting),
    net("198.19.192.0/19", 65544, "SE", 59.33, 18.07, Vpn),
    net("198.19.224.0/19", 65545, "NL", 52.37, 4.9, Tor),
];

/// What the shapes of organizations and their stories need beyond [`NETWORKS`]; none overlaps another. The order is relied on.
const MORE: &[Network] = &[
    // Lines whose IPv6 prefix changes, by office; then phones in IPv6.
    net("3fff::/24", 64501, "DE", 52.52, 13.4, Home),
    net("3fff:100::/24", 64504, "US", 40.71, -74.01, Home),
    net("3fff:200::/24", 64507, "IN", 12.97, 77.59, Home),
    net("3fff:300::/24", 64510, "JP", 35.68, 139.69, Home),
    net("3fff:400::/24", 64503, "DE", 50.11, 8.68, Mobile),
    net("3fff:500::/24", 64506, "US", 40.71, -74.01, Mobile),
    net("3fff:600::/24", 64509, "IN", 12.97, 77.59, Mobile),
    net("3fff:700::/24", 65536, "JP", 35.68, 139.69, Mobile),
    // The same carriers' gateways: far away in the country, then in another one.
    net("198.19.80.0/22", 64503, "DE", 48.14, 11.58, Mobile),
    net("198.19.84.0/22", 64506, "US", 39.0, -98.0, Mobile),
    net("198.19.88.0/22", 64509, "IN", 19.08, 72.88, Mobile),
    net("198.19.92.0/22", 65536, "JP", 33.59, 130.4, Mobile),
    net("198.19.64.0/22", 64503, "NL", 52.37, 4.9, Mobile),
    net("198.19.68.0/22", 64506, "CA", 43.65, -79.38, Mobile),
    net("198.19.72.0/22", 64509, "SG", 1.35, 103.82, Mobile),
    net("198.19.76.0/22", 65536, "KR", 37.57, 126.98, Mobile),
    // A relay: the exits of each country, in both families; the last are in a neighbouring one.
    net("198.19.32.0/22", 4_200_000_201, "DE", 52.52, 13.4, Relay),
    net("198.19.36.0/22", 4_200_000_201, "US", 34.05, -118.24, Relay),
    net("198.19.40.0/22", 4_200_000_201, "IN", 19.08, 72.88, Relay),
    net("198.19.44.0/22", 4_200_000_201, "JP", 35.68, 139.69, Relay),
    net("198.19.48.0/22", 4_200_000_201, "NL", 52.37, 4.9, Relay),
    net("3fff:800::/32", 4_200_000_201, "DE", 52.52, 13.4, Relay),
    net("3fff:801::/32", 4_200_000_201, "US", 34.05, -118.24, Relay),
    net("3fff:802::/32", 4_200_000_201, "IN", 19.08, 72.88, Relay),
    net("3fff:803::/32", 4_200_000_201, "JP", 35.68, 139.69, Relay),
    net("3fff:804::/32", 4_200_000_201, "NL", 52.37, 4.9, Relay),
    // More exits of commercial VPNs, then everything for rent in IPv6.
    net("203.0.113.128/27", 65546, "GB", 51.51, -0.13, Vpn),
    net("203.0.113.160/27", 65547, "US", 37.77, -122.42, Vpn),
    net("203.0.113.192/27", 65548, "CH", 47.37, 8.54, Vpn),
    net("3fff:a00::/24", 65542, "US", 45.84, -119.7, Hosting),
    net("3fff:b00::/24", 65543, "FI", 60.17, 24.94, Hosting),
    // A company that is bought: its office and its people's homes. Then a training centre that nobody has been in.
    net("198.19.17.0/24", 4_200_000_106, "IE", 53.35, -6.26, Office),
    net("198.19.96.0/20", 4_200_000_107, "IE", 53.35, -6.26, Home),
    net("3fff:900::/24", 4_200_000_107, "IE", 53.35, -6.26, Home),
    net("198.19.18.0/24", 4_200_000_108, "DE", 48.78, 9.18, Office),
    // Lines for rent in ordinary homes, out of which proxies are made.
    net("198.19.112.0/21", 4_200_000_109, "DE", 51.34, 12.37, Home),
    net("198.19.120.0/21", 4_200_000_110, "US", 32.78, -96.8, Home),
    // Homes in a country where nobody of the organization has been.
    net("198.19.19.0/24", 4_200_000_111, "KZ", 43.24, 76.89, Home),
];

/// [`NETWORKS`] and what the shapes need beyond them.
pub(crate) static ALL: LazyLock<Vec<Network>> = LazyLock::new(|| [NETWORKS, MORE].concat());

/// How a carrier's phones come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gateway {
    InCountry,
    Abroad,
}

/// The prefix of a home line or a phone in IPv6: `site` numbers the prefix (a /64), `host` the machine in it.
pub(crate) fn modern_line(office: usize, phone: bool, site: u64, host: u64) -> String {
    address_v6(&MORE[office + if phone { PER_OFFICE } else { 0 }], site, host)
}

/// Where a carrier lets phones out, by office.
pub(crate) fn gateway(office: usize, gateway: Gateway, n: u64) -> String {
    const FIRST: usize = 8;
    let at = FIRST + office + if gateway == Gateway::Abroad { PER_OFFICE } else { 0 };
    address(&MORE[at], n)
}

/// An exit of the relay: in the office's country, mostly.
pub(crate) fn relay_exit(office: usize, modern: bool, n: u64) -> String {
    const FIRST: usize = 16;
    const NEIGHBOUR: usize = 4;
    let place = if n % 11 == 7 { NEIGHBOUR } else { office };
    if modern {
        // Many come out of one /64.
        return address_v6(&MORE[FIRST + NEIGHBOUR + 1 + place], n / 11 % 24, n);
    }
    address(&MORE[FIRST + place], n / 11 % 200)
}

/// An exit of one of the commercial VPNs.
pub(crate) fn vpn_exit(n: u64) -> String {
    const FIRST: usize = 26;
    const COUNTRIES: u64 = 3;
    match n % (COUNTRIES + 1) {
        COUNTRIES => address(commercial_vpn(), n / 4 % 60),
        country => address(&MORE[FIRST + country as usize], n / 4 % 20),
    }
}

/// A rented server in IPv6: `site` numbers the prefix.
pub(crate) fn rented_v6(provider: u64, site: u64, host: u64) -> String {
    const FIRST: usize = 29;
    address_v6(&MORE[FIRST + (provider % 2) as usize], site, host)
}

/// The office of the company that is bought.
pub(crate) fn bought_office(n: u64) -> String {
    const AT: usize = 31;
    address(&MORE[AT], n)
}

/// The homes of its people.
pub(crate) fn bought_home(n: u64) -> String {
    const AT: usize = 32;
    if n.is_multiple_of(5) { address_v6(&MORE[AT + 1], n, n ^ 0x5eed) } else { address(&MORE[AT], n) }
}

pub(crate) fn training_centre() -> String {
    const AT: usize = 34;
    address(&MORE[AT], 9)
}

/// Somebody's own line, rented out without their knowledge.
pub(crate) fn proxy(country: &str, n: u64) -> String {
    const FIRST: usize = 35;
    address(&MORE[FIRST + usize::from(country != "DE")], n)
}

/// A line in somebody's home where nobody of the organization ever is.
pub(crate) fn far_away(n: u64) -> String {
    const AT: usize = 37;
    address(&MORE[AT], n)
}

/// `site` and `host` in a block of a /64 or shorter, counted round.
fn address_v6(network: &Network, site: u64, host: u64) -> String {
    let (base, bits) = network.cidr.split_once('/').unwrap_or((network.cidr, "64"));
    let base: u128 = base.parse().unwrap_or(Ipv6Addr::UNSPECIFIED).into();
    let bits: u32 = bits.parse().unwrap_or(64);
    let site = u128::from(site) % (1 << (64 - bits.min(64)));
    Ipv6Addr::from(base | site << 64 | u128::from(host.max(1))).to_string()
}

/// Offices come first in [`NETWORKS`], then the company's VPN, then four blocks for each office's people.
pub(crate) const COMPANY_VPN: usize = 4;
const AT_HOME: usize = 5;
const PER_OFFICE: usize = 4;

/// Autonomous systems of the organization's offices, VPN and servers.
pub(crate) fn own_asns() -> Vec<u32> {
    const SERVERS: usize = 43;
    vec![NETWORKS[COMPANY_VPN].asn, NETWORKS[SERVERS].asn]
}

/// The blocks where the people of an office live: two of homes, then one of phones.
pub(crate) fn homes(office: usize) -> &'static [Network] {
    let first = AT_HOME + office * PER_OFFICE;
    &NETWORKS[first..first + PER_OFFICE - 1]
}

/// Countries to travel to: (hotel, phone) of each.
pub(crate) fn abroad(n: u64) -> (&'static Network, &'static Network) {
    const FIRST: usize = 21;
    const COUNTRIES: u64 = 8;
    let at = FIRST + 2 * (n % COUNTRIES) as usize;
    (&NETWORKS[at], &NETWORKS[at + 1])
}

/// The office of a partner organization; 4 is the unknown one.
pub(crate) fn partner(n: usize) -> &'static Network {
    const FIRST: usize = 37;
    &NETWORKS[FIRST + n]
}

/// Where the makers of apps run them.
pub(crate) fn app_makers() -> &'static Network {
    const AT: usize = 42;
    &NETWORKS[AT]
}

/// The server of one app: in its maker's own network, or in one of those that anybody can rent, at addresses that no story has.
pub(crate) fn app_server(draw: u64) -> String {
    const FIRST: u64 = 4_000;
    if draw.is_multiple_of(2) {
        return address(app_makers(), 80 + draw / 2 % 36);
    }
    address(rented(Hosting, draw / 2 % 2), FIRST + draw / 4 % 3_000)
}

/// The commercial VPN that some employees use at home.
pub(crate) fn commercial_vpn() -> &'static Network {
    rented(Vpn, 0)
}

/// A block of this kind that no office, partner, app maker or employee comes from, except for commercial VPNs.
pub(crate) fn rented(kind: NetworkKind, n: u64) -> &'static Network {
    const FIRST: usize = 44;
    let fitting: Vec<_> = NETWORKS[FIRST..].iter().filter(|network| network.kind == kind).collect();
    // The larger blocks come last and are asked for first.
    fitting[fitting.len() - 1 - (n % fitting.len() as u64) as usize]
}

/// The `n`-th usable IPv4 address of a block, counted round.
pub(crate) fn address(network: &Network, n: u64) -> String {
    let (base, bits) = parts(network.cidr);
    let usable = (1u64 << (32 - bits)) - 2;
    Ipv4Addr::from(base + 1 + (n % usable) as u32).to_string()
}

/// First address and prefix length of an IPv4 block.
fn parts(cidr: &str) -> (u32, u32) {
    let (base, bits) = cidr.split_once('/').unwrap_or((cidr, "32"));
    let base: Ipv4Addr = base.parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
    (base.into(), bits.parse().unwrap_or(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_in_the_table_are_as_the_functions_say() {
        assert!(NETWORKS[..4].iter().all(|n| n.kind == Office));
        assert_eq!(NETWORKS[COMPANY_VPN].kind, Vpn);
        for (i, office) in NETWORKS[..4].iter().enumerate() {
            let kinds: Vec<_> = homes(i).iter().map(|n| n.kind).collect();
            assert_eq!(kinds, [Home, Home, Mobile]);
            assert!(homes(i).iter().all(|n| n.country == office.country));
        }
        for n in 0..8 {
            let (hotel, phone) = abroad(n);
            assert_eq!((hotel.kind, phone.kind, hotel.country), (Home, Mobile, phone.country));
            assert!(hotel.cidr.starts_with("198.18."));
        }
        assert!((0..5).all(|n| partner(n).cidr.starts_with("198.19.") && partner(n).kind == Office));
        assert_eq!(app_makers().cidr, "192.0.2.0/25");
        for kind in [Hosting, Vpn, Tor] {
            assert!((0..4).all(|n| rented(kind, n).asn >= 65538));
        }
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for network in ALL.iter().filter(|n| !n.cidr.contains(':')) {
            let (base, bits) = parts(network.cidr);
            let size = 1u64 << (32 - bits);
            assert_eq!(u64::from(base) % size, 0, "{network}");
            spans.push((base, base + (size - 1) as u32));
        }
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{spans:?}");
    }

    #[test]
    fn what_shapes_add_is_where_the_functions_say() {
        let of = |ip: &str| {
            let number = |ip: &str| match ip.parse().expect("an address") {
                std::net::IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
                std::net::IpAddr::V6(ip) => (u128::from(ip), 128),
            };
            let (ip, width) = number(ip);
            let holds = |network: &&Network| {
                let (base, bits) = network.cidr.split_once('/').expect("a range");
                let ((base, of), bits) = (number(base), bits.parse::<u32>().expect("bits"));
                of == width && ip >> (width - bits) == base >> (width - bits)
            };
            *ALL.iter().find(holds).expect("a network of the table")
        };
        for (office, there) in NETWORKS[..4].iter().enumerate() {
            for n in [0, 7, 1_000, u64::MAX] {
                let line = of(&modern_line(office, false, n, n));
                assert_eq!((line.kind, line.country), (Home, there.country));
                assert_eq!(of(&modern_line(office, true, n, n)).kind, Mobile);
                let (near, far) =
                    (of(&gateway(office, Gateway::InCountry, n)), of(&gateway(office, Gateway::Abroad, n)));
                assert_eq!((near.asn, near.country), (homes(office)[2].asn, there.country));
                assert!(far.asn == near.asn && far.country != near.country);
                assert!([true, false].map(|modern| of(&relay_exit(office, modern, n)).kind) == [Relay, Relay]);
                assert_eq!(of(&vpn_exit(n)).kind, Vpn);
                assert_eq!(of(&rented_v6(n, n, n)).kind, Hosting);
                assert_eq!((of(&bought_home(n)).country, of(&bought_office(n)).country), ("IE", "IE"));
                assert_eq!(of(&proxy(there.country, n)).kind, Home);
                assert_eq!((of(&far_away(n)).kind, of(&far_away(n)).country), (Home, "KZ"));
            }
        }
        assert_eq!(of(&training_centre()).kind, Office);
    }
}
