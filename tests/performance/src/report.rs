//! What was measured, as a table and as JSON.

use serde_json::{Map, Value, json};
use std::fmt;

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    /// # Panics
    /// There are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Self { min: values[0], median, max: values[values.len() - 1] }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    Spread(Spread),
    /// What this row has not.
    Nothing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Spread> for Cell {
    fn from(spread: Spread) -> Self {
        Self::Spread(spread)
    }
}

/// A spread is its median, with the least and the most where they differ.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => f.write_str(&short(*number)),
            Self::Spread(Spread { min, median, max }) if min == max => f.write_str(&short(*median)),
            Self::Spread(Spread { min, median, max }) => {
                write!(f, "{} [{}-{}]", short(*median), short(*min), short(*max))
            }
            Self::Nothing => Ok(()),
        }
    }
}

/// Three digits, or all of those before the point.
fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 99.95 || n == 0.0 => format!("{number:.0}"),
        n if n >= 9.995 => format!("{number:.1}"),
        n if n >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// Rows of the same columns. A column's name ends with its unit.
#[derive(Clone, Debug)]
pub struct Report {
    pub bench: &'static str,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
    /// What is more than it may be.
    pub over: Vec<String>,
}

impl Report {
    pub fn new(bench: &'static str, columns: &[&'static str]) -> Self {
        Self { bench, columns: columns.to_vec(), rows: Vec::new(), over: Vec::new() }
    }

    /// # Panics
    /// It has not as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "{cells:?}");
        self.rows.push(cells);
    }

    /// One object for each row.
    pub fn json(&self) -> Value {
        let value = |cell: &Cell| match cell {
            Cell::Text(text) => json!(text),
            Cell::Number(number) => json!(number),
            Cell::Spread(Spread { min, median, max }) => json!({ "min": min, "median": median, "max": max }),
            Cell::Nothing => Value::Null,
        };
        let row = |cells: &Vec<Cell>| -> Map<String, Value> {
            self.columns.iter().zip(cells).map(|(column, cell)| ((*column).to_owned(), value(cell))).collect()
        };
        json!({ "bench": self.bench, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<Vec<String>> = std::iter::once(self.columns.iter().map(ToString::to_string).collect())
            .chain(self.rows.iter().map(|row| row.iter().map(ToString::to_string).collect()))
            .collect();
        let width = |at: usize| texts.iter().map(|row: &Vec<String>| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in &texts {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_and_both_ends() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0]), Spread { min: 1.0, median: 2.5, max: 4.0 });
    }

    #[test]
    fn a_report_is_a_table_and_json() {
        let mut report = Report::new("x", &["corpus", "ratio", "MB"]);
        report.row(vec!["a".into(), Spread::of([1.0, 2.0, 30.0]).into(), 1234.4.into()]);
        report.row(vec!["bcdefgh".into(), Cell::Nothing, 0.01.into()]);
        assert_eq!(
            report.to_string(),
            "corpus   ratio             MB\na        2.00 [1.00-30.0]  1234\nbcdefgh                    0.010\n"
        );
        let rows = json!([
            { "corpus": "a", "ratio": { "min": 1.0, "median": 2.0, "max": 30.0 }, "MB": 1234.4 },
            { "corpus": "bcdefgh", "ratio": null, "MB": 0.01 },
        ]);
        assert_eq!(report.json(), json!({ "bench": "x", "rows": rows }));
    }
}
