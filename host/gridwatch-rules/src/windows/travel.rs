//! Travel: how fast somebody would have had to move between two sightings.

use super::hit::Hit;
use gridwatch_event::network::Place;
use gridwatch_event::time::UnixSeconds;

/// Places are kept to a ten-thousandth of a degree, about ten metres.
const PER_DEGREE: f64 = 10_000.0;

/// A place as a hit's tag.
pub(super) fn tag(place: Place) -> u64 {
    let number = |degrees: f64| u64::from((degrees * PER_DEGREE).round() as i32 as u32);
    number(place.latitude) << 32 | number(place.longitude)
}

fn place(tag: u64) -> Place {
    let degrees = |bits: u64| f64::from(bits as u32 as i32) / PER_DEGREE;
    Place { latitude: degrees(tag >> 32), longitude: degrees(tag) }
}

/// The fastest way between a sighting and its neighbours among `hits` (in order, its own may be among them), in km/h, with
/// the neighbour that makes it. Ways under `min_km` don't count.
pub(super) fn fastest<'k>(
    hits: &[&'k Hit],
    own: u64,
    order: (UnixSeconds, u64),
    min_km: u64,
) -> Option<(u64, &'k Hit)> {
    let before = hits.iter().rev().find(|h| h.order() < order);
    let after = hits.iter().find(|h| h.order() > order);
    let speed = |hit: &&'k Hit| {
        let km = place(own).km_to(place(hit.tag));
        // Two places in one second are as fast as can be said.
        let seconds = hit.stub.time.0.abs_diff(order.0.0).max(1);
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
