//! Views: what an event or an alert looks like outside. Chosen per sink, read by no detection.
//!
//! A view takes an event apart leaf by leaf and puts each leaf somewhere: total, lossless, and the same bytes every time.

pub mod ocsf;

mod fields;
mod leaves;

/// gridwatch itself, as the views name it.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    pub version: &'a str,
}

impl Product<'_> {
    pub(crate) const NAME: &'static str = "gridwatch";
}
