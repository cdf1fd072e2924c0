//! Rows at the bottom of a terminal that are drawn anew in place, below lines that stay.
//!
//! The cursor rests behind the last row, and no row reaches the edge: what the terminal itself echoes there (`^C`) stays in that
//! row and goes with it.

use std::fmt::Write as _;
use std::io::Write;

/// Columns that rows leave free at the edge.
const MARGIN: usize = 6;

/// See the module.
pub(super) struct Rows<W> {
    out: W,
    /// So many are on the screen.
    drawn: usize,
}

impl<W: Write> Rows<W> {
    /// None yet.
    pub(super) fn new(out: W) -> Self {
        Self { out, drawn: 0 }
    }

    /// Lines that stay, and below them these rows, as far as they fit into the size (columns and rows).
    pub(super) fn show(&mut self, lines: &[String], rows: &[String], size: (usize, usize)) {
        let (columns, height) = size;
        let mut picture = self.back();
        for line in lines {
            picture.push_str(line);
            picture.push_str("\x1b[K\r\n");
        }
        let fitting = rows.iter().take(height.saturating_sub(1)).enumerate();
        for (number, row) in fitting {
            if number > 0 {
                picture.push_str("\r\n");
            }
            picture.extend(row.chars().take(columns.saturating_sub(MARGIN)));
            picture.push_str("\x1b[K");
            self.drawn = number + 1;
        }
        picture.push_str("\x1b[J");
        self.write(&picture);
    }

    /// Takes the rows away.
    pub(super) fn clear(&mut self) {
        let mut picture = self.back();
        picture.push_str("\x1b[J");
        self.write(&picture);
    }

    /// To where the first row begins.
    fn back(&mut self) -> String {
        let mut way = String::from("\r");
        let up = std::mem::take(&mut self.drawn).saturating_sub(1);
        if up > 0 {
            // Writing to a text cannot fail.
            let _written = write!(way, "\x1b[{up}A");
        }
        way
    }

    /// In one write, so that nothing flickers. A terminal that is gone reads nothing.
    fn write(&mut self, picture: &str) {
        let written = self.out.write_all(picture.as_bytes());
        let _nobody_looks = written.and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of so many columns that obeys what we say, without end.
    struct Screen {
        columns: usize,
        cells: Vec<Vec<char>>,
        row: usize,
        column: usize,
    }

    impl Screen {
        fn new(columns: usize) -> Self {
            Self {
                columns,
                cells: vec![Vec::new()],
                row: 0,
                column: 0,
            }
        }

        fn take(&mut self, text: &str) {
            let mut letters = text.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    '\r' => self.column = 0,
                    '\n' => self.down(),
                    '\x1b' => {
                        assert_eq!(letters.next(), Some('['));
                        let mut number = String::new();
                        let last = loop {
                            match letters.next().unwrap() {
                                digit if digit.is_ascii_digit() => number.push(digit),
                                other => break other,
                            }
                        };
                        match last {
                            'A' => self.row -= number.parse::<usize>().unwrap(),
                            'K' => self.cells[self.row].truncate(self.column),
                            'J' => {
                                self.cells[self.row].truncate(self.column);
                                self.cells.truncate(self.row + 1);
                            }
                            other => panic!("`{other}` is not known"),
                        }
                    }
                    letter => {
                        if self.column == self.columns {
                            self.column = 0;
                            self.down();
                        }
                        let row = &mut self.cells[self.row];
                        row.resize(row.len().max(self.column + 1), ' ');
                        row[self.column] = letter;
                        self.column += 1;
                    }
                }
            }
        }

        fn down(&mut self) {
            self.row += 1;
            if self.row == self.cells.len() {
                self.cells.push(Vec::new());
            }
        }

        fn lines(&self) -> Vec<String> {
            let rows = self.cells.iter();
            rows.map(|row| row.iter().collect::<String>().trim_end().to_owned())
                .collect()
        }
    }

    #[test]
    fn what_a_terminal_echoes_leaves_no_row_behind() {
        let mut screen = Screen::new(20);
        let mut rows = Rows::new(Vec::new());
        let texts = |all: &[&str]| -> Vec<String> { all.iter().map(|&text| text.into()).collect() };
        let size = (20, 10);
        let long = "a row that is far too long";
        rows.show(
            &texts(&["first", "second"]),
            &texts(&[long, long, long]),
            size,
        );
        screen.take(&String::from_utf8(std::mem::take(&mut rows.out)).unwrap());
        let cut = "a row that is";
        assert_eq!(screen.lines(), ["first", "second", cut, cut, cut]);
        for _ in 0..2 {
            screen.take("^C");
        }
        rows.show(&texts(&["third"]), &texts(&["total"]), size);
        screen.take(&String::from_utf8(std::mem::take(&mut rows.out)).unwrap());
        assert_eq!(screen.lines(), ["first", "second", "third", "total"]);
        screen.take("^C");
        rows.clear();
        rows.show(&texts(&["end"]), &[], size);
        screen.take(&String::from_utf8(std::mem::take(&mut rows.out)).unwrap());
        assert_eq!(screen.lines(), ["first", "second", "third", "end", ""]);
    }

    #[test]
    fn no_more_than_fit() {
        let mut rows = Rows::new(Vec::new());
        let many: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        rows.show(&[], &many, (20, 4));
        let mut screen = Screen::new(20);
        screen.take(&String::from_utf8(rows.out).unwrap());
        assert_eq!(screen.lines(), ["0", "1", "2"]);
    }
}
