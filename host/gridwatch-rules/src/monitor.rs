//! What gridwatch watches of itself: how much an organization usually logs, and which troubles somebody has been told of.
//!
//! Pure: times, counts and what is wrong come in, expectations and alerts go out. Whoever looks is `watch::monitor` of the program.

pub mod heartbeat;
pub mod rhythm;
pub mod tail;
pub mod trend;
pub mod troubles;

pub use heartbeat::Heartbeat;
pub use rhythm::{Quiet, Rhythm};
pub use tail::Tail;
pub use trend::Trend;
pub use troubles::{Sign, Troubles, Unknown};
