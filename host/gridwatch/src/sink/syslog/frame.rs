//! One message: RFC 5424's header and the record, in RFC 5425's octet-counted frame.

use crate::reader::Section;
use crate::sink::{Delivery, Kind};
use serde_json::Value;

/// What is the same in all messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    facility: u8,
    hostname: String,
    app_name: String,
    enterprise_id: u64,
}

/// Log audit.
const FACILITY: u64 = 13;
/// What RFC 5612 set aside for examples.
const ENTERPRISE: u64 = 32_473;

impl Header {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let facility = section.number("facility", 0..=23, FACILITY) as u8;
        let enterprise_id = section.number("enterprise_id", 1..=u64::from(u32::MAX), ENTERPRISE);
        let mut word = |key, most: usize, usual: String| {
            let word = section.text(key).unwrap_or(usual);
            if word.len() > most || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
                section.problem(
                    key,
                    format!("is over {most} characters, or has one that no syslog header may have"),
                    None,
                );
            }
            word
        };
        let hostname = word("hostname", 255, own_hostname());
        let app_name = word("app_name", 48, "gridwatch".to_owned());
        Self { facility, hostname, app_name, enterprise_id }
    }

    /// `LENGTH MESSAGE`. The record's id is in the structured data, so that a receiver knows it without reading JSON.
    pub(super) fn frame(&self, delivery: &Delivery) -> Vec<u8> {
        let Self { facility, hostname, app_name, enterprise_id } = self;
        let priority = u16::from(*facility) * 8 + u16::from(severity(delivery));
        let (time, kind, id) = (delivery.time, delivery.kind.name(), parameter(&delivery.id));
        let head =
            format!("<{priority}>1 {time} {hostname} {app_name} - {kind} [gridwatch@{enterprise_id} id=\"{id}\"] ");
        let mut frame = format!("{} {head}", head.len() + delivery.bytes.len()).into_bytes();
        frame.extend_from_slice(&delivery.bytes);
        frame
    }
}

/// Syslog's severity: an alert as its own says; all else is informational.
fn severity(delivery: &Delivery) -> u8 {
    if delivery.kind != Kind::Alert {
        return 6;
    }
    let record: Value = serde_json::from_slice(&delivery.bytes).unwrap_or_default();
    let ecs = record.pointer("/event/severity").and_then(Value::as_u64);
    match record["severity_id"].as_u64().or(ecs) {
        Some(5) => 2,
        Some(4) => 3,
        Some(2) => 5,
        Some(0 | 1) => 6,
        _ => 4,
    }
}

/// RFC 5424, 6.3.3: these three are escaped. Control characters have no place in an id.
fn parameter(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// As the kernel has it; where that can't be seen, RFC 5424's word for nothing.
fn own_hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let is_fit = !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_fit { name.to_owned() } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::delivery;

    fn header() -> Header {
        Header { facility: 13, hostname: "host".into(), app_name: "gridwatch".into(), enterprise_id: ENTERPRISE }
    }

    fn text(delivery: &Delivery) -> String {
        String::from_utf8(header().frame(delivery)).unwrap()
    }

    #[test]
    fn a_frame_counts_its_octets_and_names_the_record() {
        let event = delivery(1_764_417_600_007, "{\"name\":\"Zoë\"}");
        let text = text(&event);
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        let want = "<110>1 2025-11-29T12:00:00.007Z host gridwatch - event [gridwatch@32473 id=\"r1764417600007\"] {\"name\":\"Zoë\"}";
        assert_eq!(message, want);
    }

    #[test]
    fn an_id_cannot_end_its_parameter() {
        let event = Delivery { id: "a\"]\\b\n".into(), ..delivery(1, "{}") };
        assert!(text(&event).contains("id=\"a\\\"\\]\\\\b \"]"), "{}", text(&event));
    }

    #[test]
    fn an_alert_is_as_grave_as_it_says() {
        for (record, priority) in [
            ("{\"severity_id\":5}", "<106>"),
            ("{\"severity_id\":4}", "<107>"),
            ("{\"severity_id\":3}", "<108>"),
            ("{\"event\":{\"severity\":2}}", "<109>"),
            ("{\"severity_id\":1}", "<110>"),
            ("{}", "<108>"),
        ] {
            let alert = Delivery { kind: Kind::Alert, ..delivery(1, record) };
            assert!(text(&alert).contains(priority), "{record}: {}", text(&alert));
        }
    }
}
