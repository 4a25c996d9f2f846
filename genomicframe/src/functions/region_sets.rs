//! Whether a row's span overlaps a set of regions that a program holds: [`crate::expr::in_region_set`].
//!
//! What [`in_region`](super::regions) means, without a text for each region, of which there may be millions. SQL has no word
//! for a program's value, so the function is not registered.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use genomicframe_core::genome::{RegionSet, resolve_names};

use super::args;
use super::coordinates::Base;

/// The function's name.
pub(crate) const IN_REGION_SET: &str = "in_region_set";

/// The function of one set, over contig, start and end.
pub(crate) fn in_region_set(set: Arc<RegionSet>) -> ScalarUDF {
    // Lists are shared: a second spelling costs nothing.
    let spelled = Arc::new(resolve_names(&set, None).0);
    ScalarUDF::from(InRegionSet { set, spelled, signature: Signature::user_defined(Volatility::Immutable) })
}

/// The set that `function` asks about, if it is this one.
pub(crate) fn set_of(function: &ScalarUDF) -> Option<&Arc<RegionSet>> {
    Some(&function.inner().downcast_ref::<InRegionSet>()?.set)
}

#[derive(Debug)]
struct InRegionSet {
    set: Arc<RegionSet>,
    /// With both spellings of each contig.
    spelled: Arc<RegionSet>,
    signature: Signature,
}

impl PartialEq for InRegionSet {
    fn eq(&self, other: &Self) -> bool {
        self.set == other.set
    }
}

impl Eq for InRegionSet {}

impl Hash for InRegionSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.set.len().hash(state);
    }
}

impl ScalarUDFImpl for InRegionSet {
    fn name(&self) -> &str {
        IN_REGION_SET
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The regions are shown among the arguments, and tell the columns of two sets apart.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<_> = args.iter().map(|a| a.schema_name().to_string()).collect();
        Ok(format!("{IN_REGION_SET}({}, {})", args.join(", "), self.set))
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        Ok(format!("{IN_REGION_SET}({}, {})", args.join(", "), self.set))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [contig, start, end] if args::is_text(contig) && args::is_integer(start) && args::is_integer(end) => {
                Ok(vec![DataType::Utf8View, DataType::Int64, DataType::Int64])
            }
            _ => plan_err!("a set of regions is asked of a contig, a start and an end"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let contigs = args::text(&args.args, 0, rows)?;
        let (starts, ends) = (args::integers(&args.args, 1, rows)?, args::integers(&args.args, 2, rows)?);
        let shift = i64::from(args.arg_fields.get(1).is_some_and(|f| Base::of(f) == Some(Base::Zero)));
        let found = (0..rows).map(|row| {
            if contigs.is_null(row) {
                return Some(self.set.has_unplaced());
            }
            if starts.is_null(row) {
                return Some(false);
            }
            let start = starts.value(row).saturating_add(shift);
            let end = if ends.is_valid(row) { ends.value(row) } else { start };
            Some(self.spelled.overlaps(contigs.value(row), start, end))
        });
        Ok(ColumnarValue::Array(Arc::new(found.collect::<BooleanArray>())))
    }
}
