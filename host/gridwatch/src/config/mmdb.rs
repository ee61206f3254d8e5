//! Databases of addresses in MaxMind's format: a city (or country) database and one of autonomous systems.
//!
//! Held in memory as they are in the file. A record that can't be read counts as unknown; a file that is no database, or one
//! of another kind, is refused when the configuration is read.

use gridwatch_event::network::{Database, Network, Place};
use maxminddb::{Reader, geoip2};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// The largest databases have about 200 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Where an address is.
pub struct Places(Reader<Vec<u8>>);

/// Who runs it.
pub struct Systems(Reader<Vec<u8>>);

impl Places {
    /// # Errors
    /// The file can't be read, or is no such database.
    pub fn open(path: &Path) -> Result<Self, String> {
        open(path, &["City", "Country", "Enterprise"]).map(Self)
    }

    /// Seconds since 1970, as the database says.
    pub fn made(&self) -> u64 {
        self.0.metadata().build_epoch
    }
}

impl Systems {
    /// # Errors
    /// The file can't be read, or is no such database.
    pub fn open(path: &Path) -> Result<Self, String> {
        open(path, &["ASN", "ISP"]).map(Self)
    }

    /// Seconds since 1970, as the database says.
    pub fn made(&self) -> u64 {
        self.0.metadata().build_epoch
    }
}

impl Database for Places {
    fn of(&self, address: IpAddr) -> Option<Network> {
        let city = self.0.lookup(address).ok()?.decode::<geoip2::City<'_>>().ok()??;
        let place = match (city.location.latitude, city.location.longitude) {
            (Some(latitude), Some(longitude)) if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 => {
                Some(Place { latitude, longitude })
            }
            _ => None,
        };
        let country = city.country.iso_code.unwrap_or_default().to_owned();
        Some(Network { country, place, ..Network::default() })
    }
}

impl Database for Systems {
    fn of(&self, address: IpAddr) -> Option<Network> {
        let system = self.0.lookup(address).ok()?.decode::<geoip2::Asn<'_>>().ok()??;
        let organization = system.autonomous_system_organization.unwrap_or_default();
        let organization = gridwatch_event::text::clean(organization, 200);
        let asn = format!("AS{}", system.autonomous_system_number?);
        Some(Network { asn, organization, ..Network::default() })
    }
}

fn open(path: &Path, kinds: &[&str]) -> Result<Reader<Vec<u8>>, String> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    if !meta.is_file() || meta.len() > MAX_BYTES {
        return Err(format!("{shown} is not a file, or is larger than {MAX_BYTES} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let reader = Reader::from_source(bytes).map_err(|e| format!("{shown} is not a MaxMind database: {e}"))?;
    let kind = &reader.metadata().database_type;
    if !kinds.iter().any(|wanted| kind.contains(wanted)) {
        return Err(format!("{shown} is a database of type `{kind}`; wanted is one of {}", kinds.join(", ")));
    }
    // A file that was cut off still has its head and its end.
    let probe = [IpAddr::from([1, 1, 1, 1]), IpAddr::from([203, 0, 113, 1])];
    for address in probe {
        reader.lookup(address).map_err(|e| format!("{shown} is damaged: {e}"))?;
    }
    Ok(reader)
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({})", self.0.metadata().database_type)
    }
}

impl fmt::Debug for Systems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Systems({})", self.0.metadata().database_type)
    }
}
