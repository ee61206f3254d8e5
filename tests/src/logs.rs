//! Gridwatch's logs, read by a second reader that shares no code with it: from the layout that `host/gridwatch-log/src/format.rs` states.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Records of a log by their numbers. Panics at anything that isn't as it should be.
pub fn records(folder: &Path, name: &str) -> BTreeMap<u64, Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("a folder").filter_map(|file| Some(file.ok()?.path()));
    let is_segment = |path: &std::path::PathBuf| {
        let name_of_it = path.file_name().expect("a name").to_string_lossy().into_owned();
        name_of_it.starts_with(&format!("{name}-")) && name_of_it.ends_with(".log")
    };
    let mut segments: Vec<_> = files.filter(is_segment).collect();
    segments.sort();
    let mut records = BTreeMap::new();
    for path in segments {
        let bytes = std::fs::read(&path).expect("a segment");
        assert_eq!(&bytes[..8], b"gridwlog", "{}", path.display());
        let mut at = 64;
        while at < bytes.len() {
            let short =
                |offset: usize| u32::from_le_bytes(bytes[at + offset..][..4].try_into().expect("four")) as usize;
            let first = u64::from_le_bytes(bytes[at + 8..][..8].try_into().expect("eight"));
            assert_eq!(&bytes[at..at + 4], b"gwb1", "{} at {at}", path.display());
            let (count, raw, packed) = (short(4), short(40), short(44));
            let payload = zstd::bulk::decompress(&bytes[at + 64..][..packed], raw).expect("a block");
            let mut begin = 4 * count;
            for n in 0..count {
                let length = u32::from_le_bytes(payload[4 * n..][..4].try_into().expect("four")) as usize;
                let record = payload[begin..][..length].to_vec();
                assert!(records.insert(first + n as u64, record).is_none(), "number {} twice", first + n as u64);
                begin += length;
            }
            at += 64 + packed;
        }
    }
    records
}

/// `seq` and Slack id of every entry in an archive that was judged, and of those in an archive of before.
pub fn archived(folder: &Path) -> Vec<(u64, String)> {
    let id = |raw: &[u8]| {
        let entry: Value = serde_json::from_slice(raw).expect("an entry");
        entry["id"].as_str().expect("an id").to_owned()
    };
    let mut archived = of_before(folder);
    let (last, entries) = (archived.last().map_or(0, |(seq, _)| *seq), records(folder, "entries"));
    for (seq, event) in records(folder, "order") {
        let entry = u64::from_be_bytes(event[..8].try_into().expect("eight"));
        let is_relearned = event[24] & 1 != 0;
        if !is_relearned && seq > last {
            archived.push((seq, id(&entries[&entry][22..])));
        }
    }
    archived
}

/// As `zstdcat` shows it, oldest segment first.
fn of_before(folder: &Path) -> Vec<(u64, String)> {
    let segments = std::fs::read_dir(folder).expect("the archive").filter_map(|f| Some(f.ok()?.path()));
    let mut segments: Vec<_> = segments.filter(|path| path.extension().is_some_and(|end| end == "zst")).collect();
    segments.sort();
    let content = segments
        .iter()
        .flat_map(|path| zstd::decode_all(std::fs::File::open(path).expect("a segment")).expect("whole frames only"));
    let content: Vec<u8> = content.collect();
    let record = |line: &[u8]| {
        let record: Value = serde_json::from_slice(line).expect("an archived record");
        (record["seq"].as_u64().expect("seq"), record["raw"]["id"].as_str().expect("id").to_owned())
    };
    content.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(record).collect()
}
