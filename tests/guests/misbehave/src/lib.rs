//! A module that misbehaves on request: a row's `details.misdeed` says how, its `details.amount` how much. What stands in the
//! setting `setup` it does while starting; `always MISDEED AMOUNT` there is what every row asks for that asks for nothing.
//!
//! A row without a misdeed gets one honest finding. It is written on the bare bindings because the SDK would not let it
//! lie. Exists in WASM only.

#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, reason = "what it does is the point: memory, stack and texts that no safe module would make")]

use gridwatch_sdk::guest::bindings;
use gridwatch_sdk::guest::bindings::exports::gridwatch::detect::rules::{Batch, Finding, Guest};
use gridwatch_sdk::guest::bindings::gridwatch::detect::types::Label;
use gridwatch_sdk::guest::bindings::gridwatch::detect::{kv, log, lookup};
use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Misbehave;

bindings::export!(Misbehave with_types_in bindings);

/// Positions in the manifest.
const ACTOR: usize = 0;
const MISDEED: usize = 1;
const AMOUNT: usize = 2;
const DOES: u32 = 0;
const ELSEWHERE: u32 = 1;
const MEDIUM: u8 = 3;

/// `evaluate` calls of this instance: state that a module must not rely on, and that shows when it was renewed.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// What rows do that ask for nothing, and how much of it.
static ALWAYS: OnceLock<(String, usize)> = OnceLock::new();

/// `allocate 100` in its parts; a lot, where nothing is said of how much.
fn split(misdeed: &str) -> (String, usize) {
    let (name, amount) = misdeed.split_once(' ').unwrap_or((misdeed, ""));
    (name.to_owned(), amount.parse().unwrap_or(1 << 20))
}

impl Guest for Misbehave {
    fn configure(config_json: String) -> Result<(), Vec<String>> {
        gridwatch_sdk::guest::tell_of_panics();
        for misdeed in gridwatch_sdk::json::texts(&config_json) {
            match (&*misdeed, misdeed.strip_prefix("always ")) {
                ("refuse", _) => return Err(vec!["too high".into(), "too low".into()]),
                (_, Some(always)) => ALWAYS.set(split(always)).map_err(|_| vec!["always twice".to_owned()])?,
                (misdeed, None) => {
                    let (misdeed, amount) = split(misdeed);
                    take(&misdeed, amount).map_err(|why| vec![why])?;
                }
            }
        }
        Ok(())
    }

    fn evaluate(rows: Batch) -> Result<Vec<Finding>, String> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let mut findings = Vec::new();
        for row in 0..rows.seqs.len() {
            let (misdeed, amount) = match (text(&rows, MISDEED, row), ALWAYS.get()) {
                ("", Some((misdeed, amount))) => (&**misdeed, *amount),
                (misdeed, _) => (misdeed, text(&rows, AMOUNT, row).parse().unwrap_or(0)),
            };
            let seen = || honest(&rows, row, "seen".to_owned());
            match misdeed {
                "" => findings.push(seen()),
                "findings" => findings.extend((0..amount).map(|_| seen())),
                "flood" => {
                    ask("log", amount, "", 0)?;
                    let of = |n| format!("{} {n}", rows.seqs[row]);
                    findings.extend((0..amount).map(|n| Finding { dedup_key: of(n), ..seen() }));
                }
                "error" => return Err("no \u{1b}[31mthanks".into()),
                "count-calls" => findings.push(honest(&rows, row, format!("call {calls}"))),
                "kv-read" => findings.push(honest(&rows, row, read(text(&rows, ACTOR, row), rows.times_ms[row]))),
                _ if let Some(lie) = lie(misdeed, amount, seen()) => findings.push(lie),
                _ => {
                    take(misdeed, amount)?;
                    ask(misdeed, amount, text(&rows, ACTOR, row), rows.times_ms[row])?;
                    findings.push(seen());
                }
            }
        }
        Ok(findings)
    }
}

fn text(rows: &Batch, column: usize, row: usize) -> &str {
    let id = rows.texts[column * rows.seqs.len() + row] as usize;
    let bytes = &rows.dict_bytes[rows.dict_offsets[id] as usize..rows.dict_offsets[id + 1] as usize];
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn honest(rows: &Batch, row: usize, title: String) -> Finding {
    Finding {
        row: row as u32,
        rule: DOES,
        severity: MEDIUM,
        dedup_key: text(rows, ACTOR, row).to_owned(),
        title,
        evidence: vec![rows.seqs[row]],
        windows: Vec::new(),
        labels: Vec::new(),
    }
}

/// Findings that are not true, or not fit to be shown.
fn lie(misdeed: &str, amount: usize, seen: Finding) -> Option<Finding> {
    let label = |key: String, value: String| Label { key, value };
    let long = || "\u{1b}[2J\u{202e}x".repeat(amount);
    Some(match misdeed {
        "lie-row" => Finding { row: seen.row + amount as u32, ..seen },
        "lie-rule" => Finding { rule: 2, ..seen },
        "lie-severity" => Finding { severity: u8::MAX, ..seen },
        "lie-evidence" => Finding { evidence: vec![amount as u64], ..seen },
        "lie-window" => Finding { windows: vec![1], ..seen },
        "lie-action" => Finding { rule: ELSEWHERE, ..seen },
        "long-texts" => Finding { title: long(), dedup_key: long(), labels: vec![label(long(), long())], ..seen },
        "many-labels" => {
            let labels = (0..amount).map(|i| label(format!("{i:05}"), String::new())).collect();
            Finding { labels, ..seen }
        }
        "much-evidence" => Finding { evidence: vec![seen.evidence[0]; amount], ..seen },
        // SAFETY: none. The host must not believe that what says it is text is UTF-8.
        "not-utf8" => Finding { title: unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) }, ..seen },
        _ => return None,
    })
}

/// Takes time, memory, stack or nothing at all: what needs no host function.
fn take(misdeed: &str, amount: usize) -> Result<(), String> {
    match misdeed {
        "spin" => loop {
            black_box(amount);
        },
        // In thousands of turns.
        "burn" => (0..amount).for_each(|_| (0..1_000).for_each(|turn| _ = black_box(turn))),
        // In KiB, a page of 64 at a time, as an allocator would.
        "allocate" => (0..amount.div_ceil(64)).for_each(|_| {
            black_box(core::arch::wasm32::memory_grow(0, 1));
        }),
        "recurse" => {
            black_box(depth(amount));
        }
        "panic" => panic!("as I was told to"),
        "unreachable" => core::arch::wasm32::unreachable(),
        _ => {}
    }
    Ok(())
}

#[inline(never)]
fn depth(left: usize) -> usize {
    if black_box(left) == 0 { 0 } else { black_box(depth(left - 1)) + 1 }
}

/// Asks the host for too much.
fn ask(misdeed: &str, amount: usize, actor: &str, now_ms: u64) -> Result<(), String> {
    let put_until = |key: String, value: Vec<u8>, expires_ms: u64| {
        kv::set_many(&[kv::Item { key, value, expires_ms }]).map_err(|code| format!("kv code {code}"))
    };
    let put = |key: String, value: Vec<u8>| put_until(key, value, u64::MAX);
    match misdeed {
        "log" => (0..amount).for_each(|i| log::write(4, &format!("line {i}"))),
        "log-long" => log::write(4, &"é".repeat(amount)),
        "look-up" => {
            for _ in 0..amount {
                lookup::contains_many("names", &[0]).map_err(|code| format!("lookup code {code}"))?;
            }
        }
        "look-up-nowhere" => {
            lookup::contains_many("no such table", &[0]).map_err(|code| format!("lookup code {code}"))?;
        }
        // An id that isn't one is the empty text, not somebody else's memory.
        "look-up-beyond" => {
            lookup::contains_many("names", &[u32::MAX, u32::MAX - 1]).map_err(|code| format!("lookup code {code}"))?;
        }
        "kv-write" => put(actor.to_owned(), vec![7; amount])?,
        // For so many minutes of event time. The value says when it was written.
        "kv-write-for" => {
            put_until(actor.to_owned(), now_ms.to_string().into_bytes(), now_ms + amount as u64 * 60_000)?;
        }
        "kv-key" => put("k".repeat(amount), Vec::new())?,
        "kv-write-then-panic" => {
            put(actor.to_owned(), vec![7; amount])?;
            panic!("after writing");
        }
        _ => {}
    }
    Ok(())
}

/// What a row sees under a key, through the SDK: of what the host has, what has not expired by then.
fn read(key: &str, now_ms: u64) -> String {
    match gridwatch_sdk::kv::get_many(&[key.to_owned()], now_ms).first() {
        Some(Some(value)) if value.first().is_some_and(u8::is_ascii_digit) => {
            String::from_utf8_lossy(value).into_owned()
        }
        Some(Some(value)) => format!("{} bytes", value.len()),
        _ => "nothing".into(),
    }
}
