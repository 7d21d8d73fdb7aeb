//! CSV files that people hand in: rows by the names of their columns, errors by the numbers of their lines.

/// A row: its line in the file, counted from 1, and its cells in the order in which the columns were asked for.
pub type CsvRow = (u64, Vec<String>);

/// Reads a CSV file with a header that names exactly these columns, in any order. Cells are trimmed.
///
/// # Errors
/// A sentence that says which line is wrong, and how: a column missing or unknown, a row of another width, text that is
/// not UTF-8.
pub fn read_csv(bytes: &[u8], columns: &[&str]) -> Result<Vec<CsvRow>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let header = reader.headers().map_err(|error| format!("line 1: {error}"))?.clone();
    let wanted = columns.join(",");
    if header.len() != columns.len() {
        return Err(format!("line 1: the header has {} columns; it must be `{wanted}`", header.len()));
    }
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let place = header.iter().position(|name| name == *column);
        places.push(place.ok_or_else(|| format!("line 1: no column `{column}`; the header must be `{wanted}`"))?);
    }
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(rows),
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                if record.len() != columns.len() {
                    return Err(format!(
                        "line {line}: {} cells where the header has {}; put a text with commas in quotes",
                        record.len(),
                        columns.len()
                    ));
                }
                rows.push((line, places.iter().map(|&place| record[place].to_owned()).collect()));
            }
            Err(error) => return Err(format!("line {line}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read_csv;

    #[test]
    fn rows_come_by_column_and_mistakes_by_line() {
        let rows = read_csv(b"b,a\n2, 1\n\"x, y\",3\n", &["a", "b"]).expect("sound");
        assert_eq!(rows, [(2, vec!["1".into(), "2".into()]), (3, vec!["3".into(), "x, y".into()])]);
        for (text, said) in [
            ("a\n1\n", "line 1: the header has 1 columns; it must be `a,b`"),
            ("a,c\n1,2\n", "line 1: no column `b`"),
            ("a,b\n1,2\n3\n", "line 3: 1 cells where the header has 2"),
            ("a,b\n1,2\n1,2,3\n", "line 3: 3 cells"),
        ] {
            let error = read_csv(text.as_bytes(), &["a", "b"]).expect_err(text);
            assert!(error.starts_with(said), "{error}");
        }
        assert!(read_csv(b"a,b\n1,\xff\n", &["a", "b"]).expect_err("not UTF-8").starts_with("line 2"));
    }
}
