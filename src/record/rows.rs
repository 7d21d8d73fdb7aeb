//! CSV files that people hand in: rows by the names of their columns, errors by the numbers of their lines.

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvRow {
    /// Its line in the file, counted from 1.
    pub line: u64,
    /// The cells of the columns that must be there, in the order in which they were asked for.
    pub cells: Vec<String>,
    /// The cells of the columns that may be there, in the same way; `None` where the file has no such column.
    pub optional: Vec<Option<String>>,
}

/// Reads a CSV file with a header that names these columns, and no others, in any order. Cells are trimmed.
///
/// # Errors
/// A sentence that says which line is wrong, and how: a column missing, unknown or there twice, a row of another width,
/// text that is not UTF-8.
pub fn read_csv(bytes: &[u8], columns: &[&str], optional: &[&str]) -> Result<Vec<CsvRow>, String> {
    let mut rows = Vec::new();
    visit_csv(bytes, columns, optional, &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// The same, a row at a time, for files of millions of them.
///
/// # Errors
/// As [`read_csv`], and what `visit` finds wrong with a row.
pub fn visit_csv(
    bytes: &[u8],
    columns: &[&str],
    optional: &[&str],
    visit: &mut dyn FnMut(CsvRow) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let header = reader.headers().map_err(|error| format!("line 1: {error}"))?.clone();
    let more = if optional.is_empty() { String::new() } else { format!(", and may have `{}`", optional.join("`, `")) };
    let wanted = format!("it must be `{}`{more}", columns.join(","));
    if !(columns.len()..=columns.len() + optional.len()).contains(&header.len()) {
        return Err(format!("line 1: the header has {} columns; {wanted}", header.len()));
    }
    let place = |column: &str| header.iter().position(|name| name == column);
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        places.push(place(column).ok_or_else(|| format!("line 1: the header has no column `{column}`; {wanted}"))?);
    }
    let more: Vec<Option<usize>> = optional.iter().map(|column| place(column)).collect();
    let known = |at: usize| places.contains(&at) || more.contains(&Some(at));
    if let Some((_, name)) = header.iter().enumerate().find(|&(at, _)| !known(at)) {
        let what = if place(name).is_some_and(known) { "twice the column" } else { "the unknown column" };
        return Err(format!("line 1: the header has {what} `{name}`; {wanted}"));
    }
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(line, |place| place.line() + blank_lines(bytes, place.byte()));
                if record.len() != header.len() {
                    return Err(format!(
                        "line {line}: {} cells where the header has {}; put a text with commas in quotes",
                        record.len(),
                        header.len()
                    ));
                }
                let cell = |place: usize| record[place].to_owned();
                visit(CsvRow {
                    line,
                    cells: places.iter().map(|&place| cell(place)).collect(),
                    optional: more.iter().map(|place| place.map(cell)).collect(),
                })?;
            }
            Err(error) => return Err(format!("line {line}: {error}")),
        }
    }
}

/// Blank lines before a record: the reader passes over them, and says where they begin.
fn blank_lines(bytes: &[u8], from: u64) -> u64 {
    let rest = bytes.get(from as usize..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    blank.filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::{CsvRow, read_csv};

    fn row(line: u64, cells: [&str; 2], optional: Option<&str>) -> CsvRow {
        CsvRow { line, cells: cells.map(str::to_owned).into(), optional: vec![optional.map(str::to_owned)] }
    }

    #[test]
    fn rows_come_by_column_and_mistakes_by_line() {
        let rows = read_csv(b"b,a\n2, 1\n\"x, y\",3\n", &["a", "b"], &["c"]).expect("sound");
        assert_eq!(rows, [row(2, ["1", "2"], None), row(3, ["3", "x, y"], None)]);
        let rows = read_csv(b"b,c,a\n2,,1\n", &["a", "b"], &["c"]).expect("sound");
        assert_eq!(rows, [row(2, ["1", "2"], Some(""))]);
        for (text, said) in [
            ("a\n1\n", "line 1: the header has 1 columns; it must be `a,b`, and may have `c`"),
            ("a,c\n1,2\n", "line 1: the header has no column `b`"),
            ("a,b,d\n1,2,3\n", "line 1: the header has the unknown column `d`"),
            ("a,b,a\n1,2,3\n", "line 1: the header has twice the column `a`"),
            ("a,b\n1,2\n3\n", "line 3: 1 cells where the header has 2"),
            ("a,b\n1,2\n1,2,3\n", "line 3: 3 cells"),
            ("a,b\r\n\r\n1,2\r\n\r\n\r\n1\r\n", "line 6: 1 cells"),
        ] {
            let error = read_csv(text.as_bytes(), &["a", "b"], &["c"]).expect_err(text);
            assert!(error.starts_with(said), "{error}");
        }
        assert!(read_csv(b"a,b\n1,\xff\n", &["a", "b"], &[]).expect_err("not UTF-8").starts_with("line 2"));
    }
}
