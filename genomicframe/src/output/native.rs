//! Rows as the text of the format they were read from: SAM, VCF, GFF, FASTQ, BED.

use std::any::Any;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use genomicframe_core::scan::{Dataset, Format, FormatId, text_of};

use super::writer::{Out, Text};
use crate::error::{Error, Result};
use crate::formats;
use crate::scan::{GenomicTable, as_native_text};

/// The format of a query's rows, and the header that belongs before them.
#[derive(Debug, Clone)]
pub struct Native {
    format: &'static dyn Format,
    datasets: Vec<Arc<dyn Dataset>>,
}

impl Native {
    /// The format of the one table that `frame` reads.
    ///
    /// # Errors
    /// When it reads no genomic file, or more than one table.
    pub fn of(frame: &DataFrame) -> Result<Self> {
        let mut found: Vec<Self> = Vec::new();
        frame.logical_plan().apply(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Ok(provider) = source_as_provider(&scan.source)
                && let Some(table) = (&*provider as &dyn Any).downcast_ref::<GenomicTable>()
                && let Some(format) = formats::by_id(table.format().0)
            {
                found.push(Self { format, datasets: table.datasets().cloned().collect() });
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        match (found.pop(), found.is_empty()) {
            (Some(native), true) => Ok(native),
            (None, _) => {
                Err(Error::invalid("the rows are not those of a genomic file, so they have no text of its format"))
            }
            (Some(_), false) => Err(Error::invalid("rows of several tables have no text of one format")),
        }
    }

    /// The format.
    pub fn format(&self) -> FormatId {
        self.format.id()
    }

    /// `frame` without the columns that the text does not need, so that they are not read.
    ///
    /// # Errors
    /// When the query cannot be planned.
    pub fn project(&self, frame: DataFrame) -> Result<DataFrame> {
        let all = frame.schema().columns();
        let has = |name: &str| all.iter().any(|c| c.name == name);
        let own = |name: &str| self.datasets.iter().any(|d| d.schema().column_with_name(name).is_some());
        let is_whole = self.datasets.iter().all(|d| d.schema().fields().iter().all(|f| has(f.name())));
        let needed = |name: &str| own(name) && (!is_whole || self.format.encodes(name));
        let needed = all.iter().filter(|c| needed(&c.name)).cloned().map(datafusion::logical_expr::Expr::Column);
        let needed: Vec<_> = needed.collect();
        // Rows without any column of the format are told to be so when they are written.
        Ok(if needed.is_empty() || needed.len() == all.len() { frame } else { frame.select(needed)? })
    }

    /// `plan` as a scan that hands out text, where it is nothing but a scan of all columns that the text needs.
    pub(super) fn shorten(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        as_native_text(plan, &|column| self.format.encodes(column))
    }

    /// The header of all files, which must be the same.
    fn header(&self) -> Result<&str> {
        let mut headers = self.datasets.iter().map(|d| d.header_text().unwrap_or_default());
        let first = headers.next().unwrap_or_default();
        if headers.any(|h| h != first) {
            let e =
                genomicframe_core::Error::invalid("the files have different headers, so their rows cannot share one");
            return Err(e.hint("write them one by one, or without a header").into());
        }
        Ok(first)
    }
}

/// A writer of native text.
pub(super) fn writer(native: Native, header: bool, out: Out) -> Result<Text> {
    let mut text = String::new();
    if header {
        text.push_str(native.header()?);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }
    Text::new(out, text.as_bytes(), move |batch| {
        if let Some(made) = text_of(batch) {
            return Ok(made);
        }
        let mut text = Vec::new();
        native.format.encode(batch, &mut text)?;
        Ok(text.into())
    })
}
