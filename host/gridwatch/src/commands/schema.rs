//! `gridwatch schema`: the mapping as a table, the views as JSON Schemas, and what a view loses of a corpus.
//!
//! Everything is printed from what the program itself maps with, so it can't be out of date.

use super::{FAILED, values};
use crate::input::{self, Events};
use crate::record::PRODUCT;
use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use gridwatch_views::loss::Report;
use gridwatch_views::ocsf::{self, ActionMapping, Class};
use gridwatch_views::{RawData, View, ecs};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Options {
    /// markdown or json: the mapping, a row per action; json-schema: what a view writes.
    #[arg(long, default_value = "markdown", value_enum)]
    format: Format,
    /// The view that --format json-schema is about: ocsf, ocsf-1.1.0, ecs or raw.
    #[arg(long, default_value = "ocsf", value_parser = values::view)]
    view: View,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Markdown,
    Json,
    JsonSchema,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure what a view keeps of a corpus: leaves by value, actions with a class, events valid against the schema.
    ///
    /// Exits with 1 if a leaf is lost or an event isn't valid.
    Loss {
        /// Files or folders with entries, as `normalize` takes them; `-` is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// ocsf, ocsf-1.1.0, ecs or raw.
        #[arg(long, default_value = "ocsf", value_parser = values::view)]
        view: View,
        /// As one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// # Errors
/// A file isn't there, or standard output refuses.
pub fn run(options: &Options) -> Result<u8> {
    if let Some(Command::Loss { files, view, json }) = &options.command {
        return lost(files, *view, *json);
    }
    let mut out = std::io::stdout().lock();
    match options.format {
        Format::Markdown => table(&mut out)?,
        Format::Json => table_json(&mut out)?,
        Format::JsonSchema => json_schema(options.view, &mut out)?,
    }
    Ok(0)
}

fn lost(files: &[PathBuf], view: View, json: bool) -> Result<u8> {
    let (report, read) = loss(files, view)?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, view, &mut out)?;
    }
    read.print("kept as Base Events", &mut std::io::stderr().lock())?;
    Ok(if report.is_clean() && read.is_whole() { 0 } else { FAILED })
}

/// One row per action of Slack's catalogue, in Markdown.
fn table(out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        "| Slack action | group | OCSF 1.8.0 class | activity | OCSF 1.1.0 | status | severity | ECS category | ECS type |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    for row in ocsf::mapping_rows() {
        let (category, kind) = ecs::categories(row.action);
        let cells = [
            format!("`{}`", row.action),
            row.group.to_owned(),
            format!("{} ({})", row.class.name(), row.class.uid()),
            format!("{} ({})", row.activity_name, row.activity_id),
            format!(
                "{} ({}): {} ({})",
                row.class_1_1.name(),
                row.class_1_1.uid(),
                row.activity_name_1_1,
                row.activity_id_1_1
            ),
            row.status.to_owned(),
            row.severity.name().to_owned(),
            category.join(", "),
            kind.join(", "),
        ];
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// The same as a JSON list.
fn table_json(out: &mut dyn Write) -> Result<()> {
    let rows: Vec<Value> = ocsf::mapping_rows().map(|row| row_json(&row)).collect();
    writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    Ok(())
}

fn row_json(row: &ActionMapping) -> Value {
    let (category, kind) = ecs::categories(row.action);
    let activity = |class: Class, id: u64, name: &str| json!({ "class_uid": class.uid(), "class_name": class.name(), "activity_id": id, "activity_name": name });
    json!({
        "action": row.action,
        "group": row.group,
        "ocsf": activity(row.class, row.activity_id, row.activity_name),
        "ocsf-1.1.0": activity(row.class_1_1, row.activity_id_1_1, row.activity_name_1_1),
        "ecs": { "event.category": category, "event.type": kind },
        "status": row.status,
        "severity": row.severity.name(),
    })
}

/// The JSON Schema of what a view writes.
fn json_schema(view: View, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(&view.json_schema())?)?;
    Ok(())
}

/// Every entry of files through a view: what arrives, what is mapped, what is valid; and what the files were made of.
fn loss(paths: &[PathBuf], view: View) -> Result<(Report, input::Report)> {
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&view.json_schema()).context("the view's JSON Schema")?;
    let mut report = Report::default();
    let mut events = Events::open(paths)?;
    for event in events.by_ref() {
        let line = view.event_line(&event, &PRODUCT, RawData::Include);
        report.add(view, &event, &line, problem(&validator, view, &line));
    }
    Ok((report, events.into_report()))
}

/// What the schema has to say against a line. The raw view may have to show bytes that are no JSON.
fn problem(validator: &Validator, view: View, line: &str) -> Option<String> {
    let value: Value = match serde_json::from_str(line) {
        Ok(value) => value,
        Err(_) if view == View::Raw => return None,
        Err(error) => return Some(format!("no JSON: {error}")),
    };
    let error = validator.iter_errors(&value).next()?;
    Some(format!("{}: {}", error.instance_path(), clipped(&error.to_string())))
}

fn clipped(text: &str) -> String {
    const MAX: usize = 160;
    text.char_indices().nth(MAX).map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

/// The report for a person.
fn print(report: &Report, view: View, out: &mut dyn Write) -> Result<()> {
    const SHOWN: usize = 20;
    let share = |part: u64, of: u64| if of == 0 { 100.0 } else { part as f64 * 100.0 / of as f64 };
    writeln!(out, "view      {}, {} entries", view.name(), report.entries)?;
    writeln!(
        out,
        "leaves    {} in, {} out by value ({:.2} %)",
        report.leaves_in,
        report.leaves_out,
        share(report.leaves_out, report.leaves_in)
    )?;
    let unmapped: u64 = report.actions_unmapped.values().sum();
    writeln!(
        out,
        "actions   {} distinct ones have a class of their own; {} have none ({unmapped} entries, kept as Base Event)",
        report.actions_mapped,
        report.actions_unmapped.len(),
    )?;
    writeln!(
        out,
        "valid     {} of {} ({:.2} %) against the view's JSON Schema",
        report.valid,
        report.entries,
        share(report.valid, report.entries)
    )?;
    if report.unreadable > 0 {
        writeln!(out, "          {} entries are not JSON objects; their bytes are kept", report.unreadable)?;
    }
    for (title, counts) in
        [("lost", &report.lost), ("invalid", &report.invalid), ("no class", &report.actions_unmapped)]
    {
        let mut worst: Vec<(&String, &u64)> = counts.iter().collect();
        worst.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (name, count) in worst.into_iter().take(SHOWN) {
            writeln!(out, "{title:<9} {count:>8}  {name}")?;
        }
    }
    Ok(())
}
