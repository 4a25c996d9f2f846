//! Samples' values: `sample(format_gt, 'NA12878')`, `allele_frequency(format_gt)` and its parts.
//!
//! A `format_*` column is a list with one element per sample, whose names are the column's metadata. Of a VCF file's column
//! the scan answers these calls itself, and does not build the list.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, ListArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use genomicframe_core::schema::SAMPLES;

use super::args;

/// `sample(format_gt, 'NA12878')`: the value of one sample.
///
/// The name is a constant; one that the file does not have is an error before the query runs. Null where the list is
/// null or the sample's value is missing.
pub fn sample() -> ScalarUDF {
    ScalarUDF::from(Sample { signature: Signature::user_defined(Volatility::Immutable) })
}

/// `allele_frequency(format_gt, 'NA12878', …)`: the share of called alleles that are not the reference allele.
///
/// Counts over the samples named, which the file must have, or over all of the list; summed over alternate alleles: for `0/1`, `1|2`, `./.` it is 3 / 4. A missing
/// allele (`.`) is not called. Null where no allele is called or the list is null. What `bcftools +fill-tags -- -t AF`
/// writes, summed over the alternate alleles.
pub fn allele_frequency() -> ScalarUDF {
    Alleles::function("allele_frequency", Counted::Frequency)
}

/// `allele_number(format_gt, 'NA12878', …)`: how many alleles are called, of the samples named or of all of the list. Null
/// where the list is null.
///
/// For `0/1`, `1|2`, `./.` it is 4: what `bcftools +fill-tags -- -t AN` writes.
pub fn allele_number() -> ScalarUDF {
    Alleles::function("allele_number", Counted::Number)
}

/// `allele_count(format_gt, 'NA12878', …)`: how many of the called alleles are not the reference allele, of the samples named
/// or of all of the list. Null where the list is null.
///
/// For `0/1`, `1|2`, `./.` it is 3: what `bcftools +fill-tags -- -t AC` writes, summed over the alternate alleles.
pub fn allele_count() -> ScalarUDF {
    Alleles::function("allele_count", Counted::Count)
}

pub(super) fn all() -> [ScalarUDF; 4] {
    [sample(), allele_frequency(), allele_number(), allele_count()]
}

/// Where the calls are computed: of a column, as near to the scan as can be, which may then read less.
fn placement(args: &[ExpressionPlacement]) -> ExpressionPlacement {
    match args {
        [ExpressionPlacement::Column, rest @ ..] if rest.iter().all(|p| *p == ExpressionPlacement::Literal) => {
            ExpressionPlacement::MoveTowardsLeafNodes
        }
        _ => ExpressionPlacement::KeepInPlace,
    }
}

/// How many names an error repeats.
const SHOWN: usize = 5;

/// The place of a sample in the list that `field` describes.
fn index(field: &Field, name: &ScalarValue) -> Result<usize> {
    let Some(Some(name)) = name.try_as_str() else {
        return plan_err!("sample(format_gt, 'NA12878') takes the sample's name as a constant text");
    };
    let Some(names) = field.metadata().get(SAMPLES) else {
        return plan_err!(
            "sample: {} is not a column of samples' values; give a format_* column as the table has it",
            field.name()
        );
    };
    if let Some(at) = names.split('\t').position(|n| n == name) {
        return Ok(at);
    }
    let count = names.split('\t').count();
    let some: Vec<_> = names.split('\t').take(SHOWN).collect();
    let more = if count > SHOWN { format!(" and {} more", count - SHOWN) } else { String::new() };
    plan_err!("there is no sample {name:?}; there are {}{more}", some.join(", "))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sample {
    signature: Signature,
}

impl ScalarUDFImpl for Sample {
    fn name(&self) -> &str {
        "sample"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The name stays as it is: a cast would hide that it is a constant.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        args::expect_count(self.name(), "format_gt, 'NA12878'", types, 2)?;
        match types {
            [values @ DataType::List(_), name] if args::is_text(name) => Ok(vec![values.clone(), name.clone()]),
            _ => plan_err!("sample(format_gt, 'NA12878') takes a format_* column and a sample's name"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first().and_then(args::element) {
            Some(element) => Ok(element.data_type().clone()),
            None => internal_err!("sample takes a list"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let (Some(field), Some(name)) = (args.arg_fields.first(), args.scalar_arguments.get(1)) else {
            return internal_err!("sample takes two arguments");
        };
        index(field, name.unwrap_or(&ScalarValue::Null))?;
        let mut metadata = field.metadata().clone();
        metadata.remove(SAMPLES);
        let data_type = self.return_type(std::slice::from_ref(field.data_type()))?;
        Ok(Arc::new(Field::new(self.name(), data_type, true).with_metadata(metadata)))
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        placement(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (Some(field), Some(ColumnarValue::Scalar(name))) = (args.arg_fields.first(), args.args.get(1)) else {
            return plan_err!("sample(format_gt, 'NA12878') takes the sample's name as a constant text");
        };
        let index = index(field, name)?;
        let lists = args::column(&args.args, 0, args.number_rows, field.data_type())?;
        let Some(lists) = lists.as_list_opt::<i32>() else { return internal_err!("sample takes a list") };
        Ok(ColumnarValue::Array(take(lists.values(), &elements(lists, index), None)?))
    }
}

/// Where each row's `index`-th element stands among the values.
fn elements(lists: &ListArray, index: usize) -> UInt64Array {
    let place = |row: usize| {
        let range = args::range(lists, row);
        (lists.is_valid(row) && index < range.len()).then(|| (range.start + index) as u64)
    };
    (0..lists.len()).map(place).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Alleles {
    name: &'static str,
    counted: Counted,
    signature: Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    Number,
    Count,
    Frequency,
}

impl Alleles {
    fn function(name: &'static str, counted: Counted) -> ScalarUDF {
        ScalarUDF::from(Self { name, counted, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for Alleles {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [lists, names @ ..]
                if args::element(lists).is_some_and(|e| args::is_text(e.data_type()))
                    && names.iter().all(args::is_text) =>
            {
                // Names stay as they are: a cast would hide that they are constants.
                Ok(std::iter::once(args::as_list(lists, &DataType::Utf8View)).chain(names.iter().cloned()).collect())
            }
            _ => {
                plan_err!("{}(format_gt, 'NA12878', …) takes samples' genotypes, a list of texts, and names", self.name)
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.counted {
            Counted::Frequency => DataType::Float64,
            Counted::Number | Counted::Count => DataType::Int64,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(field) = args.arg_fields.first() {
            for name in args.scalar_arguments.iter().skip(1) {
                index(field, name.unwrap_or(&ScalarValue::Null))?;
            }
        }
        Ok(Arc::new(Field::new(self.name(), self.return_type(&[])?, true)))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        placement(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(field) = args.arg_fields.first() else { return internal_err!("{} has no argument", self.name) };
        let named = args.args[1..].iter().map(|name| match name {
            ColumnarValue::Scalar(name) => index(field, name),
            ColumnarValue::Array(_) => plan_err!("{}: a sample's name is a constant text", self.name),
        });
        let named: Vec<usize> = named.collect::<Result<_>>()?;
        let lists = args::list(&args.args, 0, args.number_rows, &DataType::Utf8View)?;
        let genotypes = lists.values().as_string_view();
        let counts = (0..lists.len()).map(|row| {
            if lists.is_null(row) {
                return None;
            }
            let (mut called, mut alternate) = (0, 0);
            let range = args::range(&lists, row);
            let is_counted = |i: &usize| named.is_empty() || named.contains(&(i - range.start));
            for i in range.clone().filter(is_counted).filter(|i| genotypes.is_valid(*i)) {
                for allele in genotypes.value(i).split(['/', '|']).filter(|a| !matches!(*a, "" | ".")) {
                    called += 1;
                    alternate += i64::from(allele != "0");
                }
            }
            Some((called, alternate))
        });
        let frequency = |(called, alternate): (i64, i64)| (called > 0).then(|| alternate as f64 / called as f64);
        Ok(ColumnarValue::Array(match self.counted {
            Counted::Number => Arc::new(counts.map(|c| Some(c?.0)).collect::<Int64Array>()),
            Counted::Count => Arc::new(counts.map(|c| Some(c?.1)).collect::<Int64Array>()),
            Counted::Frequency => Arc::new(counts.map(|c| frequency(c?)).collect::<Float64Array>()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::{add, plan, rows, table};
    use arrow::array::{ArrayRef, ListBuilder, StringViewBuilder};
    use datafusion::prelude::SessionContext;

    fn cohort() -> SessionContext {
        let mut gt = ListBuilder::new(StringViewBuilder::new());
        gt.append_value([Some("0/1"), Some("1|2"), Some("./.")]);
        gt.append_value([Some("0/0"), Some("0"), None]);
        gt.append_value([Some("./."), Some(".|."), Some(".")]);
        gt.append_value([Some("/0|1"), Some("1"), Some("0/1/1")]);
        gt.append_null();
        let gt: ArrayRef = Arc::new(gt.finish());
        let field = Field::new("format_gt", gt.data_type().clone(), true);
        let field = genomicframe_core::schema::with(field, &[(SAMPLES, "NA12878\tHG002\tHG003")]);
        let ctx = table("other", vec![("plain", Arc::clone(&gt))]);
        add(&ctx, "v", vec![(field, gt)]);
        ctx
    }

    #[tokio::test]
    async fn a_sample_is_found_by_name() {
        let ctx = cohort();
        let sql = "SELECT sample(format_gt, 'HG002'), sample(format_gt, 'HG003') FROM v";
        let expected = ["1|2|./.", "0|null", ".|.|.", "1|0/1/1", "null|null"];
        assert_eq!(rows(&ctx, sql).await.unwrap(), expected);
        // Also behind a filter and of a slice.
        let sql = "SELECT sample(format_gt, 'NA12878') FROM v WHERE sample(format_gt, 'HG002') = '1' LIMIT 3";
        assert_eq!(rows(&ctx, sql).await.unwrap(), ["/0|1"]);
    }

    #[tokio::test]
    async fn an_unknown_sample_is_an_error_that_names_others() {
        let ctx = cohort();
        for sql in ["SELECT sample(format_gt, 'X1') FROM v", "SELECT * FROM v WHERE sample(format_gt, 'X1') = '0'"] {
            let e = plan(&ctx, sql).await.unwrap_err().to_string();
            assert!(e.contains(r#"no sample "X1"; there are NA12878, HG002, HG003"#), "{e}");
        }
        let e = rows(&ctx, "SELECT sample(plain, 'HG002') FROM other").await.unwrap_err().to_string();
        assert!(e.contains("plain is not a column of samples' values"), "{e}");
        assert!(rows(&ctx, "SELECT sample(format_gt, format_gt[1]) FROM v").await.is_err());
    }

    #[tokio::test]
    async fn frequency_is_over_called_alleles() {
        let ctx = cohort();
        let answers = rows(&ctx, "SELECT allele_frequency(format_gt) FROM v").await.unwrap();
        assert_eq!(answers, ["0.75", "0.0", "null", "0.6666666666666666", "null"]);
        let answers = rows(&ctx, "SELECT allele_number(format_gt), allele_count(format_gt) FROM v").await.unwrap();
        assert_eq!(answers, ["4|3", "3|0", "0|0", "6|4", "null|null"]);
        assert!(rows(&ctx, "SELECT allele_frequency('0/1')").await.is_err());
        let two = "SELECT allele_count(format_gt, 'HG003', 'NA12878'), allele_frequency(format_gt, 'HG002') FROM v";
        assert_eq!(rows(&ctx, two).await.unwrap(), ["1|1.0", "0|0.0", "0|null", "3|1.0", "null|null"]);
        let e = rows(&ctx, "SELECT allele_count(format_gt, 'HG002', 'X1') FROM v").await.unwrap_err().to_string();
        assert!(e.contains(r#"no sample "X1""#), "{e}");
    }
}
