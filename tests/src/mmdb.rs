//! A writer of databases in MaxMind's format, for tests: as much of the format (version 2.0) as they need.

use serde_json::Value;
use std::net::Ipv4Addr;

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Between the tree and the data.
const GAP: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Nothing,
    Node(usize),
    /// Offset in the data.
    Data(u32),
}

/// A database of IPv4 ranges: address, length of its prefix, record.
pub fn database(kind: &str, ranges: &[(&str, u8, Value)]) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Next::Nothing; 2]], Vec::new());
    for (address, length, record) in ranges {
        let address: u32 = address.parse::<Ipv4Addr>().expect("an address").into();
        let at = u32::try_from(data.len()).expect("a small database");
        put(&mut data, record);
        let mut node = 0;
        for depth in 0..*length {
            let bit = (address >> (31 - depth) & 1) as usize;
            if depth + 1 == *length {
                nodes[node][bit] = Next::Data(at);
                break;
            }
            node = match nodes[node][bit] {
                Next::Node(next) => next,
                _ => {
                    nodes.push([Next::Nothing; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][bit] = Next::Node(next);
                    next
                }
            };
        }
    }
    let count = u32::try_from(nodes.len()).expect("a small database");
    let mut bytes = Vec::new();
    for next in nodes.iter().flatten() {
        let record = match next {
            Next::Nothing => count,
            Next::Node(node) => u32::try_from(*node).expect("a small database"),
            Next::Data(at) => count + GAP + at,
        };
        bytes.extend_from_slice(&record.to_be_bytes()[1..]);
    }
    bytes.extend_from_slice(&[0; GAP as usize]);
    bytes.extend(data);
    bytes.extend_from_slice(MARKER);
    metadata(&mut bytes, kind, count);
    bytes
}

fn metadata(bytes: &mut Vec<u8>, kind: &str, nodes: u32) {
    let numbers: [(&str, u8, u64); 6] = [
        ("binary_format_major_version", 5, 2),
        ("binary_format_minor_version", 5, 0),
        ("build_epoch", 9, 1_790_000_000),
        ("ip_version", 5, 4),
        ("node_count", 6, nodes.into()),
        ("record_size", 5, 24),
    ];
    head(bytes, 7, numbers.len() + 3);
    for (name, number_type, value) in numbers {
        text(bytes, name);
        number(bytes, number_type, value);
    }
    text(bytes, "database_type");
    text(bytes, kind);
    text(bytes, "description");
    head(bytes, 7, 0);
    text(bytes, "languages");
    head(bytes, 11, 0);
}

/// Texts, objects, and numbers: with a fraction as doubles, else as 32 bits.
fn put(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(value) => text(bytes, value),
        Value::Object(fields) => {
            head(bytes, 7, fields.len());
            for (name, value) in fields {
                text(bytes, name);
                put(bytes, value);
            }
        }
        Value::Number(value) => match value.as_u64() {
            Some(whole) => number(bytes, 6, whole),
            None => {
                head(bytes, 3, 8);
                bytes.extend_from_slice(&value.as_f64().expect("a number").to_be_bytes());
            }
        },
        other => panic!("no record has {other}"),
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    head(bytes, 2, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn number(bytes: &mut Vec<u8>, number_type: u8, value: u64) {
    let all = value.to_be_bytes();
    let used = &all[(value.leading_zeros() / 8) as usize..];
    head(bytes, number_type, used.len());
    bytes.extend_from_slice(used);
}

/// Type and size; types from 8 on are in a byte of their own, as are sizes from 29 on.
fn head(bytes: &mut Vec<u8>, value_type: u8, size: usize) {
    let (first, extended) = if value_type > 7 { (0, Some(value_type - 7)) } else { (value_type << 5, None) };
    let (short, long) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    bytes.push(first | u8::try_from(short).expect("five bits"));
    bytes.extend(extended);
    bytes.extend(long.map(|long| u8::try_from(long).expect("a short text")));
}
