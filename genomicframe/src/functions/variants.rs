//! Classes of variants: `is_snp(ref, alt)`, `is_indel`, `is_mnp`, `is_transition`, `is_transversion`, `variant_type`.
//!
//! `alt` is the list of alternate alleles, or a text that separates them by commas. A site has a class when **any** of
//! its alternate alleles has it, as `bcftools view -v` selects; bases compare without regard to case, shared bases at
//! both ends of two alleles do not count (`AC → AT` is a SNP), `*`, `<DEL>` and breakends are neither SNP, indel nor
//! MNP. A null or missing `ref` or `alt` gives `false`, never null.
//!
//! `variant_type` is `snp`, `indel`, `mnp`, `symbolic`, `breakend`, `spanning_deletion`, `other` (as many bases do not
//! come back: `CAG → TG`), `mixed` when alternate alleles differ in it, and `ref` when there is none.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, StringViewArray, StringViewBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use genomicframe_core::genome::alleles::{Change, Class};

use super::args;

/// `is_snp(ref, alt)`: a base replaced by another one.
pub fn is_snp() -> ScalarUDF {
    VariantFunction::of("is_snp", Question::Is(|class| matches!(class, Class::Snp(_))))
}

/// `is_indel(ref, alt)`: bases inserted or deleted.
pub fn is_indel() -> ScalarUDF {
    VariantFunction::of("is_indel", Question::Is(|class| class == Class::Indel))
}

/// `is_mnp(ref, alt)`: several neighbouring bases replaced by as many others.
pub fn is_mnp() -> ScalarUDF {
    VariantFunction::of("is_mnp", Question::Is(|class| class == Class::Mnp))
}

/// `is_transition(ref, alt)`: a SNP between A and G or C and T.
pub fn is_transition() -> ScalarUDF {
    VariantFunction::of("is_transition", Question::Is(|class| class == Class::Snp(Change::Transition)))
}

/// `is_transversion(ref, alt)`: a SNP between one of A, G and one of C, T.
pub fn is_transversion() -> ScalarUDF {
    VariantFunction::of("is_transversion", Question::Is(|class| class == Class::Snp(Change::Transversion)))
}

/// `variant_type(ref, alt)`: the class as text.
pub fn variant_type() -> ScalarUDF {
    VariantFunction::of("variant_type", Question::Which)
}

pub(super) fn all() -> [ScalarUDF; 6] {
    [is_snp(), is_indel(), is_mnp(), is_transition(), is_transversion(), variant_type()]
}

#[derive(Debug, Clone, Copy)]
enum Question {
    Is(fn(Class) -> bool),
    Which,
}

#[derive(Debug)]
struct VariantFunction {
    name: &'static str,
    question: Question,
    signature: Signature,
}

// The name tells the question.
impl PartialEq for VariantFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for VariantFunction {}

impl std::hash::Hash for VariantFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl VariantFunction {
    fn of(name: &'static str, question: Question) -> ScalarUDF {
        ScalarUDF::from(Self { name, question, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for VariantFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        args::expect_count(self.name, "ref, alt", types, 2)?;
        match types {
            [reference, alt] if args::is_text(reference) => match args::element(alt) {
                Some(allele) if args::is_text(allele.data_type()) => {
                    Ok(vec![DataType::Utf8View, args::as_list(alt, &DataType::Utf8View)])
                }
                None if args::is_text(alt) => Ok(vec![DataType::Utf8View, DataType::Utf8View]),
                _ => plan_err!("{}(ref, alt) takes alt as a list of texts or as a text, not {alt}", self.name),
            },
            _ => plan_err!("{}(ref, alt) takes ref as a text", self.name),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.question {
            Question::Is(_) => DataType::Boolean,
            Question::Which => DataType::Utf8View,
        })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name, self.return_type(&[])?, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let reference = args::text(&args.args, 0, rows)?;
        let sites = Sites { reference, alt: Alternates::of(&args.args, rows)? };
        Ok(ColumnarValue::Array(match self.question {
            Question::Is(test) => {
                let found = (0..rows).map(|row| {
                    let mut found = false;
                    sites.each(row, |class| found |= test(class));
                    Some(found)
                });
                Arc::new(found.collect::<BooleanArray>())
            }
            Question::Which => {
                let mut out = StringViewBuilder::with_capacity(rows);
                for row in 0..rows {
                    let mut name = Class::Reference.name();
                    sites.each(row, |class| match class.name() {
                        "ref" => {}
                        other if name == "ref" || name == other => name = other,
                        _ => name = "mixed",
                    });
                    out.append_value(name);
                }
                Arc::new(out.finish())
            }
        }))
    }
}

/// Alternate alleles, however they are laid out.
enum Alternates {
    Lists(arrow::array::ListArray, StringViewArray),
    Texts(StringViewArray),
}

impl Alternates {
    fn of(args: &[ColumnarValue], rows: usize) -> Result<Self> {
        if args.get(1).is_some_and(|alt| args::element(&alt.data_type()).is_none()) {
            return Ok(Self::Texts(args::text(args, 1, rows)?));
        }
        let lists = args::list(args, 1, rows, &DataType::Utf8View)?;
        let values = lists.values().as_string_view().clone();
        Ok(Self::Lists(lists, values))
    }
}

struct Sites {
    reference: StringViewArray,
    alt: Alternates,
}

impl Sites {
    /// Hands over the class of each alternate allele of a site.
    fn each(&self, row: usize, mut class: impl FnMut(Class)) {
        if self.reference.is_null(row) {
            return;
        }
        let reference = self.reference.value(row).as_bytes();
        match &self.alt {
            Alternates::Lists(lists, values) if lists.is_valid(row) => {
                args::range(lists, row)
                    .filter(|i| values.is_valid(*i))
                    .for_each(|i| class(Class::of(reference, values.value(i).as_bytes())));
            }
            Alternates::Texts(texts) if texts.is_valid(row) => {
                texts.value(row).split(',').for_each(|alt| class(Class::of(reference, alt.as_bytes())));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::{rows, table};
    use arrow::array::{ArrayRef, ListBuilder};

    fn sites() -> Vec<(&'static str, ArrayRef)> {
        let mut alt = ListBuilder::new(StringViewBuilder::new());
        let mut reference = Vec::new();
        for (r, alts) in [
            (Some("A"), Some("G")),
            (Some("A"), Some("C,AT")),
            (Some("AC"), Some("GT")),
            (Some("A"), Some("*")),
            (Some("A"), Some("<DEL>")),
            (Some("A"), Some("<NON_REF>,T")),
            (Some("A"), None),
            (None, Some("G")),
        ] {
            reference.push(r);
            match alts {
                Some(alts) => alt.append_value(alts.split(',').map(Some)),
                None => alt.append_null(),
            }
        }
        vec![("ref", Arc::new(StringViewArray::from(reference))), ("alt", Arc::new(alt.finish()))]
    }

    #[tokio::test]
    async fn any_alternate_allele_decides_and_nothing_is_null() {
        let ctx = table("v", sites());
        let sql = "SELECT is_snp(ref, alt), is_indel(ref, alt), is_mnp(ref, alt), is_transition(ref, alt), is_transversion(ref, alt), variant_type(ref, alt) FROM v";
        assert_eq!(
            rows(&ctx, sql).await.unwrap(),
            [
                "true|false|false|true|false|snp",
                "true|true|false|false|true|mixed",
                "false|false|true|false|false|mnp",
                "false|false|false|false|false|spanning_deletion",
                "false|false|false|false|false|symbolic",
                "true|false|false|false|true|snp",
                "false|false|false|false|false|ref",
                "false|false|false|false|false|ref",
            ]
        );
        assert_eq!(rows(&ctx, "SELECT count(*) FROM v WHERE NOT is_snp(ref, alt)").await.unwrap(), ["5"]);
    }

    #[tokio::test]
    async fn alternates_as_text_are_separated_by_commas() {
        let ctx = table("v", sites());
        let sql = "SELECT variant_type('A', 'G'), variant_type('A', 'G,AT'), is_indel('A', 'G,AT'), is_snp('A', NULL)";
        assert_eq!(rows(&ctx, sql).await.unwrap(), ["snp|mixed|true|false"]);
        assert_eq!(rows(&ctx, "SELECT count(*) FROM v WHERE is_snp(ref, alt[1])").await.unwrap(), ["2"]);
        let e = rows(&ctx, "SELECT is_snp(1, alt) FROM v").await.unwrap_err().to_string();
        assert!(e.contains("takes ref as a text"), "{e}");
    }
}
