//! The one table format: crcache's.
//!
//! Columns are as wide as their widest cell, two blanks between them, nothing after the last; the second line is
//! dashes as wide as each column.

use super::escape;

/// A table under construction. Cells are escaped when they come in.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<'a>(heads: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            rows: vec![heads.into_iter().map(str::to_owned).collect()],
        }
    }

    /// Adds a row with as many cells as there are heads.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let cells = cells
            .into_iter()
            .map(|cell| escape::line(cell.as_ref()).into_owned())
            .collect();
        self.rows.push(cells);
    }

    /// The text, ending in a line break.
    pub fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .map(|row| row.get(column).map_or(0, |cell| cell.chars().count()))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let mut out = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            push_row(&mut out, row, &widths);
            if number == 0 {
                push_row(&mut out, &dashes, &widths);
            }
        }
        out
    }
}

fn push_row(out: &mut String, row: &[String], widths: &[usize]) {
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        if column > 0 {
            out.push_str("  ");
        }
        out.push_str(cell);
        if column + 1 < widths.len() {
            let missing = width.saturating_sub(cell.chars().count());
            out.extend(std::iter::repeat_n(' ', missing));
        }
    }
    // An empty last cell leaves the padding of the one before it.
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crcache_bytes() {
        let mut table = Table::new(["source", "cached", "in-use", "max"]);
        table.row(["local", "0", "1", "1"]);
        assert_eq!(
            table.render(),
            "source  cached  in-use  max\n------  ------  ------  ---\nlocal   0       1       1\n"
        );
    }

    #[test]
    fn widths_count_characters_and_cells_are_escaped() {
        let mut table = Table::new(["a", "b"]);
        table.row(["größe", "\x1b[1m"]);
        table.row(["", ""]);
        assert_eq!(
            table.render(),
            "a      b\n-----  -------\ngröße  \\x1b[1m\n\n"
        );
    }
}
