//! `travel`: how fast somebody would have had to move between two sightings.

use crate::reading::Reading;
use crate::windows::Seeing;
use crate::windows::member::Window;
use crate::windows::near::NearHit;
use gridwatch_event::network::Place;

/// Places are kept to a ten-thousandth of a degree, about ten metres.
const PER_DEGREE: f64 = 10_000.0;

/// A place as a value.
fn tag(place: Place) -> u64 {
    let number = |degrees: f64| u64::from((degrees * PER_DEGREE).round() as i32 as u32);
    number(place.latitude) << 32 | number(place.longitude)
}

fn place(tag: u64) -> Place {
    let degrees = |bits: u64| f64::from(bits as u32 as i32) / PER_DEGREE;
    Place { latitude: degrees(tag >> 32), longitude: degrees(tag) }
}

/// Where an event was, as a value.
pub(in crate::windows) fn place_of(reading: &Reading<'_>) -> Option<u64> {
    Some(tag(reading.network()?.place?))
}

/// The fastest way between the event's sighting and its neighbours, in km/h, with the neighbour that makes it. Ways under
/// `min_km` don't count.
pub(in crate::windows) fn fastest(window: &Window, min_km: u64, seeing: &Seeing<'_, '_>) -> Option<(u64, NearHit)> {
    let (key, column) = (seeing.read_key(window)?, window.columns[0]);
    let here = place(place_of(seeing.reading)?);
    let near = seeing.near(window, key, |_, row| row.value(column?));
    let event = seeing.event();
    let order = (event.time, event.seq);
    let before = near.hits.iter().rev().find(|h| h.order() < order);
    let after = near.hits.iter().find(|h| h.order() > order);
    let speed = |hit: &NearHit| {
        let km = here.km_to(place(hit.tag));
        // Two places in one second are as fast as can be said.
        let seconds = hit.time.0.abs_diff(event.time.0).max(1);
        (km >= min_km as f64).then(|| ((km * 3_600.0 / seconds as f64) as u64, *hit))
    };
    before.into_iter().chain(after).filter_map(speed).max_by_key(|(speed, hit)| (*speed, hit.order()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_being_a_tag() {
        for (latitude, longitude) in
            [(52.52, 13.405), (-33.8688, 151.2093), (40.7128, -74.006), (90.0, -180.0), (0.0, 0.0)]
        {
            let again = place(tag(Place { latitude, longitude }));
            assert!(
                (again.latitude - latitude).abs() < 1e-4 && (again.longitude - longitude).abs() < 1e-4,
                "{again:?}"
            );
        }
    }
}
