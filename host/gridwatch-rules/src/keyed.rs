//! Maps that are asked of every event: a fast hash with a key of its own in each map. What people choose (names, user agents, addresses)
//! goes into it, so nobody may be able to choose texts of one hash.

use std::collections::HashMap;

pub(crate) type Key = foldhash::quality::RandomState;
pub(crate) type Map<K, V> = HashMap<K, V, Key>;
