//! Drawings, as SVG without a line of script or style in it: colours come from the sheet, by class.

use super::html::plain;
use maud::{Markup, html};

/// A column of a drawing: what it stands for, and how high each of its parts is, the gravest at the bottom.
#[derive(Clone, Debug)]
pub struct Column {
    pub label: String,
    pub parts: Vec<(&'static str, u64)>,
}

impl Column {
    fn sum(&self) -> u64 {
        self.parts.iter().map(|(_, n)| n).sum()
    }
}

/// Columns beside each other, each a stack.
pub fn stacks(what: &str, columns: &[Column]) -> Markup {
    const HEIGHT: f64 = 96.0;
    const STEP: f64 = 12.0;
    let most = columns.iter().map(Column::sum).max().unwrap_or(0).max(1) as f64;
    let width = STEP * columns.len().max(1) as f64;
    let bars = columns.iter().enumerate().flat_map(|(n, column)| {
        let mut top = HEIGHT;
        column
            .parts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(move |(class, count)| {
                let height = (*count as f64 / most * (HEIGHT - 4.0)).max(2.0);
                top -= height;
                (n as f64 * STEP + 1.0, top, height, *class)
            })
            .collect::<Vec<_>>()
    });
    html! {
        svg.stacks role="img" aria-label=(plain(what)) viewBox=(format!("0 0 {width:.0} {HEIGHT:.0}")) preserveAspectRatio="none" {
            @for (x, y, height, class) in bars {
                rect class=(class) x=(format!("{x:.1}")) y=(format!("{y:.1}")) width=(STEP - 2.0) height=(format!("{height:.1}")) {}
            }
            @for (n, column) in columns.iter().enumerate() {
                rect.hit x=(n as f64 * STEP) y="0" width=(STEP) height=(HEIGHT) { title { (plain(&column.label)) } }
            }
        }
    }
}

/// A row of ticks, each with its state as class, and what it stands for.
pub fn ticks(what: &str, ticks: &[(&'static str, String)]) -> Markup {
    const STEP: usize = 8;
    html! {
        svg.ticks role="img" aria-label=(plain(what)) viewBox=(format!("0 0 {} 28", STEP * ticks.len().max(1))) preserveAspectRatio="none" {
            @for (n, (class, label)) in ticks.iter().enumerate() {
                rect class=(class) x=(n * STEP + 1) y="0" width=(STEP - 2) height="28" rx="2" { title { (plain(label)) } }
            }
        }
    }
}

/// How much of the most: a bar for a cell of a table.
pub fn bar(part: u64, most: u64, class: &'static str) -> Markup {
    let width = if most == 0 { 0.0 } else { (part as f64 / most as f64 * 100.0).min(100.0) };
    html! {
        svg.bar aria-hidden="true" viewBox="0 0 100 8" preserveAspectRatio="none" {
            rect.ground x="0" y="0" width="100" height="8" {}
            rect class=(class) x="0" y="0" width=(format!("{width:.1}")) height="8" {}
        }
    }
}

/// Numbers of days beside each other, for a cell of a table.
pub fn spark(what: &str, numbers: &[u64]) -> Markup {
    let most = numbers.iter().copied().max().unwrap_or(0).max(1) as f64;
    html! {
        svg.spark role="img" aria-label=(plain(what)) viewBox=(format!("0 0 {} 20", 4 * numbers.len().max(1))) preserveAspectRatio="none" {
            @for (n, number) in numbers.iter().enumerate().filter(|(_, number)| **number > 0) {
                @let height = (*number as f64 / most * 19.0).max(1.5);
                rect x=(4 * n) y=(format!("{:.1}", 20.0 - height)) width="3" height=(format!("{height:.1}")) {}
            }
        }
    }
}

/// Moments on a line of time, in rows: `(row, from 0 to 1, class, what)`.
pub fn moments(what: &str, rows: usize, moments: &[(usize, f64, &'static str, String)]) -> Markup {
    const WIDTH: f64 = 1_000.0;
    let height = 22 * rows.max(1);
    html! {
        svg.moments role="img" aria-label=(plain(what)) viewBox=(format!("0 0 {WIDTH:.0} {height}")) {
            @for row in 0..rows {
                line x1="0" x2=(WIDTH) y1=(row * 22 + 11) y2=(row * 22 + 11) {}
            }
            @for (row, at, class, label) in moments {
                circle class=(class) cx=(format!("{:.1}", 8.0 + at * (WIDTH - 16.0))) cy=(row * 22 + 11) r="6" { title { (plain(label)) } }
            }
        }
    }
}
