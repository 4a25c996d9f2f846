//! A file with regions, a filter and columns as SQL.

use genomicframe::{Error, OnError, Result};

use crate::args::FileArgs;

/// Rows of a file.
pub(crate) struct Query<'a> {
    pub(crate) file: &'a FileArgs,
    pub(crate) regions: &'a [String],
    pub(crate) filter: Option<&'a str>,
    pub(crate) columns: &'a str,
    pub(crate) limit: Option<u64>,
}

impl Query<'_> {
    /// The statement.
    ///
    /// # Errors
    /// When regions are asked of a file that can have none.
    pub(crate) fn sql(&self) -> Result<String> {
        let from = self.from()?;
        // A line of its own for what the user wrote: a comment in it ends there.
        let mut sql = format!("SELECT {}\nFROM {from}", self.columns);
        if let Some(filter) = self.filter {
            sql.push_str(&format!("\nWHERE (\n{filter}\n)"));
        }
        if let Some(limit) = self.limit {
            sql.push_str(&format!("\nLIMIT {limit}"));
        }
        Ok(sql)
    }

    /// The table.
    ///
    /// # Errors
    /// When regions are asked of a file that can have none.
    pub(crate) fn from(&self) -> Result<String> {
        let path = quoted(&self.file.file);
        if is_table_file(&self.file.file) {
            if !self.regions.is_empty() {
                return Err(Error::invalid(format!("{} is not a genomic file, so it has no regions", self.file.file)));
            }
            return Ok(path);
        }
        let mut call = format!("read_files({path}");
        if !self.regions.is_empty() {
            let regions: Vec<_> = self.regions.iter().map(|r| quoted(r)).collect();
            call.push_str(&format!(", region => [{}]", regions.join(", ")));
        }
        if let Some(index) = &self.file.index {
            call.push_str(&format!(", index => {}", quoted(index)));
        }
        if self.file.allow_missing_eof {
            call.push_str(", allow_missing_eof => true");
        }
        if self.file.on_error != OnError::Fail {
            call.push_str(&format!(", on_error => '{}'", self.file.on_error));
        }
        Ok(call + ")")
    }
}

/// A text literal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Results that were written before, and are read by the engine itself.
fn is_table_file(path: &str) -> bool {
    [".parquet", ".csv", ".json", ".ndjson", ".arrow"].iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(path: &str, regions: &[&str], filter: Option<&str>) -> Result<String> {
        let file = FileArgs { file: path.into(), ..FileArgs::default() };
        let regions: Vec<_> = regions.iter().map(|r| (*r).to_owned()).collect();
        Query { file: &file, regions: &regions, filter, columns: "*", limit: Some(5) }.sql()
    }

    #[test]
    fn quotes_in_paths_and_regions_are_doubled() {
        assert_eq!(
            sql("it's.bam", &["chr1:1-5", "HLA'x"], None).unwrap(),
            "SELECT *\nFROM read_files('it''s.bam', region => ['chr1:1-5', 'HLA''x'])\nLIMIT 5"
        );
    }

    #[test]
    fn a_filter_stays_within_its_parentheses() {
        let text = sql("x.bam", &[], Some("mapq > 3 -- good")).unwrap();
        assert_eq!(text, "SELECT *\nFROM read_files('x.bam')\nWHERE (\nmapq > 3 -- good\n)\nLIMIT 5");
    }

    #[test]
    fn results_are_read_back_without_regions() {
        assert_eq!(sql("x.parquet", &[], None).unwrap(), "SELECT *\nFROM 'x.parquet'\nLIMIT 5");
        assert!(sql("x.parquet", &["chr1"], None).unwrap_err().is_invalid());
    }
}
