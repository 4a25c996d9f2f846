//! Which rows a request wants, decided on the raw line.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::genome::{Contigs, resolve_names};
use crate::scan::{FieldType, Fields, ScanRequest, Segment, SpanFilter, Test};

/// The request's regions and predicate.
#[derive(Debug)]
pub(crate) struct RowFilter {
    spans: Option<SpanFilter>,
    test: Option<Test>,
}

impl RowFilter {
    /// `contigs` resolve aliases, as for the plan; `indexed`: an index chose what is read.
    ///
    /// # Errors
    /// When a condition names something that `field` does not know.
    pub(crate) fn new(
        request: &ScanRequest,
        contigs: Option<&Contigs>,
        indexed: bool,
        field: &impl Fn(&str) -> Option<(usize, FieldType)>,
    ) -> Result<Self> {
        let spans = request
            .regions
            .as_ref()
            .map(|regions| SpanFilter::new(Arc::new(resolve_names(regions, contigs).0), indexed));
        let (conditions, _) = request.predicate.besides(request.regions.as_deref());
        let refused = || Error::invalid(format!("a scan cannot apply the condition {}", request.predicate));
        let test = Test::bind_all(&conditions, field).ok_or_else(refused)?;
        Ok(Self { spans, test: (!conditions.is_empty()).then_some(test) })
    }

    /// The records of `segment` follow.
    pub(crate) fn begin(&mut self, segment: &Segment) {
        if let Some(spans) = &mut self.spans {
            spans.begin(segment);
        }
    }

    /// Whether no row that follows in the segment is wanted.
    pub(crate) fn is_over(&self) -> bool {
        self.spans.as_ref().is_some_and(SpanFilter::is_past)
    }

    /// Whether every row is wanted.
    pub(crate) fn keeps_all(&self) -> bool {
        self.spans.is_none() && self.test.is_none()
    }

    /// Whether the row is wanted.
    ///
    /// # Errors
    /// When a field it is tested by is malformed, or the file must be sorted and is not.
    pub(crate) fn keeps(&mut self, row: &impl Fields) -> Result<bool> {
        if let Some(spans) = &mut self.spans {
            let kept = match row.span()? {
                Some((contig, start, end)) => spans.keeps(contig, start, end)?,
                None => spans.keeps_unplaced(),
            };
            if !kept {
                return Ok(false);
            }
        }
        match &self.test {
            Some(test) => test.passes(row),
            None => Ok(true),
        }
    }
}
