//! The columns of the fields that every line has, under construction.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int64Array};

use super::info::Finder;
use super::line::{Line, optional};
use super::schema::{Key, Kind, Source};
use super::values::Cells;
use crate::error::Result;
use crate::scan::Warnings;
use crate::text::lists::Broken;
use crate::text::repeated::RepeatedText;
use crate::text::text_column::TextColumn;

/// One column.
pub(super) enum FixedColumn {
    Chrom(RepeatedText),
    Pos(Vec<i64>),
    End(Vec<i64>),
    Id(TextColumn),
    Ref(TextColumn),
    Alt(Cells),
    Qual(Float32Builder),
    Filter(RepeatedText),
}

impl FixedColumn {
    /// `None` for the column of an INFO or FORMAT key.
    pub(super) fn new(source: Source) -> Option<Self> {
        Some(match source {
            Source::Chrom => Self::Chrom(RepeatedText::default()),
            Source::Pos => Self::Pos(Vec::new()),
            Source::End => Self::End(Vec::new()),
            Source::Id => Self::Id(TextColumn::default()),
            Source::Ref => Self::Ref(TextColumn::default()),
            Source::Alt => {
                let (name, label) = ("ALT".to_owned(), "ALT".to_owned());
                Self::Alt(Cells::new(&Key { name, alias: None, kind: Kind::Text, list: true, label }))
            }
            Source::Qual => Self::Qual(Float32Builder::new()),
            Source::Filter => Self::Filter(RepeatedText::default()),
            Source::Info(_) | Source::Format(_) => return None,
        })
    }

    /// Appends the line's value; returns how many bytes of text it has. Text is checked by [`FixedColumn::check`].
    ///
    /// # Errors
    /// When the field is malformed.
    pub(super) fn push(&mut self, line: &Line<'_>, end: &Finder, warnings: &mut Warnings) -> Result<usize> {
        match self {
            Self::Chrom(b) => b.push(Some(line.chrom), "CHROM")?,
            Self::Pos(b) => b.push(line.pos()?),
            Self::End(b) => {
                let end = line.end(line.pos()?, end)?;
                if end.ignored {
                    warnings.add("INFO/END before POS: the end of REF is taken");
                }
                b.push(end.position);
            }
            Self::Id(b) => {
                b.push_option(optional(line.id, "ID")?);
                return Ok(line.id.len());
            }
            Self::Ref(b) => {
                b.push(line.reference()?);
                return Ok(line.reference.len());
            }
            Self::Alt(b) => {
                b.push(optional(line.alt, "ALT")?)?;
                return Ok(line.alt.len());
            }
            Self::Qual(b) => b.append_option(line.qual()?),
            Self::Filter(b) => b.push(optional(line.filter, "FILTER")?, "FILTER")?,
        }
        Ok(0)
    }

    /// Checks the text of the lines appended since the last call.
    ///
    /// # Errors
    /// With the number among them of the first that has text that is none.
    pub(super) fn check(&mut self) -> Result<(), Broken> {
        match self {
            Self::Id(b) => b.check("ID"),
            Self::Ref(b) => b.check("REF"),
            Self::Alt(b) => b.check(),
            // Checked one by one, since each is kept once.
            Self::Chrom(_) | Self::Filter(_) => Ok(()),
            Self::Pos(_) | Self::End(_) | Self::Qual(_) => Ok(()),
        }
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Chrom(b) | Self::Filter(b) => b.finish()?,
            Self::Pos(b) | Self::End(b) => {
                let room = Vec::with_capacity(b.len());
                Arc::new(Int64Array::from(std::mem::replace(b, room)))
            }
            Self::Id(b) | Self::Ref(b) => b.finish()?,
            Self::Alt(b) => b.finish()?,
            Self::Qual(b) => Arc::new(b.finish()),
        })
    }
}
