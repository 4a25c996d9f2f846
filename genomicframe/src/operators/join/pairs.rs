//! Rows found for a batch become rows of the join.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use datafusion::arrow::compute::{filter, prep_null_mask_filter, take};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::metrics::Time;

/// What a join's rows are made of. Left is the side that was read first.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) schema: SchemaRef,
    /// For each column of the output, where it comes from.
    pub(super) columns: Vec<ColumnIndex>,
    /// What must hold of a pair besides its overlap.
    pub(super) residual: Option<JoinFilter>,
    pub(super) join_type: JoinType,
    /// Time that is spent on rows of the right side.
    pub(super) time: Time,
    /// Most rows of a batch.
    pub(super) batch_size: usize,
}

/// Rows of a side's batch.
pub(super) type Side<'a> = (&'a RecordBatch, &'a UInt32Array);

/// Rows of both sides that belong together.
pub(super) struct Pairs {
    pub(super) left: UInt32Array,
    pub(super) right: UInt32Array,
}

impl Output {
    /// Whether each pair is a row.
    pub(super) fn has_pairs(&self) -> bool {
        matches!(self.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full)
    }

    /// Whether it matters which rows of the left side have a partner.
    pub(super) fn marks_left(&self) -> bool {
        matches!(self.join_type, JoinType::Left | JoinType::Full | JoinType::LeftSemi | JoinType::LeftAnti)
    }

    /// Whether it matters which rows of the right side have a partner.
    pub(super) fn marks_right(&self) -> bool {
        use JoinType::{Full, Right, RightAnti, RightMark, RightSemi};
        matches!(self.join_type, Right | Full | RightSemi | RightAnti | RightMark)
    }

    /// Whether a marked row is handed out, and not one that is not.
    pub(super) fn wants_marked(&self) -> bool {
        matches!(self.join_type, JoinType::LeftSemi | JoinType::RightSemi)
    }

    /// Whether only the number of pairs is asked.
    pub(super) fn is_count(&self) -> bool {
        self.join_type == JoinType::Inner && self.residual.is_none() && self.columns.is_empty()
    }

    /// The pairs of which the residual holds.
    pub(super) fn kept(&self, pairs: Pairs, left: &RecordBatch, right: &RecordBatch) -> Result<Pairs> {
        let Some(residual) = &self.residual else { return Ok(pairs) };
        let columns = residual.column_indices().iter().map(|c| {
            let (batch, rows) = if c.side == JoinSide::Left { (left, &pairs.left) } else { (right, &pairs.right) };
            Ok(take(batch.column(c.index), rows, None)?)
        });
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.left.len()));
        let batch = RecordBatch::try_new_with_options(
            Arc::clone(residual.schema()),
            columns.collect::<Result<_>>()?,
            &options,
        )?;
        let holds = residual.expression().evaluate(&batch)?.into_array(batch.num_rows())?;
        let holds = holds.as_boolean();
        let holds = if holds.null_count() > 0 { prep_null_mask_filter(holds) } else { holds.clone() };
        let kept = |rows: &UInt32Array| {
            Ok::<_, datafusion::error::DataFusionError>(filter(rows, &holds)?.as_primitive().clone())
        };
        Ok(Pairs { left: kept(&pairs.left)?, right: kept(&pairs.right)? })
    }

    /// Rows of both sides beside each other; the columns of a side that has none are null.
    pub(super) fn rows(&self, left: Option<Side<'_>>, right: Option<Side<'_>>) -> Result<RecordBatch> {
        let rows = left.or(right).map_or(0, |(_, rows)| rows.len());
        let columns = self.columns.iter().zip(self.schema.fields()).map(|(c, field)| {
            match if c.side == JoinSide::Left { left } else { right } {
                Some((batch, rows)) => Ok(take(batch.column(c.index), rows, None)?),
                None => Ok(new_null_array(field.data_type(), rows)),
            }
        });
        self.batch(columns.collect::<Result<_>>()?, rows)
    }

    /// All rows of the right side, each with its mark.
    pub(super) fn marked(&self, batch: &RecordBatch, marks: BooleanArray) -> Result<RecordBatch> {
        let marks = Arc::new(marks) as ArrayRef;
        let column = |c: &ColumnIndex| if c.side == JoinSide::None { &marks } else { batch.column(c.index) };
        self.batch(self.columns.iter().map(|c| Arc::clone(column(c))).collect(), batch.num_rows())
    }

    /// Rows without columns.
    pub(super) fn counted(&self, rows: usize) -> Result<RecordBatch> {
        self.batch(Vec::new(), rows)
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
