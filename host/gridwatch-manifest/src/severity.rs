//! How grave an alert is.

use serde::{Deserialize, Serialize};

/// OCSF's severity_id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
}

impl Severity {
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The nearest severity to a number that a module sent.
    pub fn from_id(id: u8) -> Self {
        match id {
            0 | 1 => Self::Informational,
            2 => Self::Low,
            3 => Self::Medium,
            4 => Self::High,
            _ => Self::Critical,
        }
    }

    pub fn id(self) -> u8 {
        self as u8
    }

    /// The noise budget of what nobody is woken by: Low is skimmed once a day, Informational kept for whoever asks.
    pub(crate) fn usual_budget(self) -> Option<f64> {
        match self {
            Self::Informational => Some(10.0),
            Self::Low => Some(1.0),
            Self::Medium | Self::High | Self::Critical => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}
