//! Joins. Left names stay; right ones that collide get `_right`.

use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::functions::core::expr_fn::{greatest, least};
use datafusion::logical_expr::{Expr, cast, lit, when};

use super::roles::Place;
use super::{GenomicFrame, fold};
use crate::error::{Error, Result};
use crate::operators::Strands;

/// Which rows overlap, beyond sharing a base, and which of them a join returns.
///
/// ```
/// use genomicframe::OverlapOptions;
/// use genomicframe::datafusion::common::JoinType;
///
/// // As `bedtools intersect -wao -s -f 0.5 -r`.
/// let options = OverlapOptions::new().how(JoinType::Left).same_strand().min_fraction(0.5).reciprocal();
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "options are nothing until a join takes them"]
pub struct OverlapOptions {
    how: JoinType,
    strand: Option<Strands>,
    min_bases: i64,
    min_fraction: f64,
    is_reciprocal: bool,
    containment: Option<Containment>,
    slack: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Containment {
    Within,
    Contains,
}

impl Default for OverlapOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OverlapOptions {
    /// Pairs of rows that share at least one base, on whatever strands.
    pub fn new() -> Self {
        let (strand, containment) = (None, None);
        Self {
            how: JoinType::Inner,
            strand,
            min_bases: 1,
            min_fraction: 0.0,
            is_reciprocal: false,
            containment,
            slack: 0,
        }
    }

    /// `Left`, `Right` and `Full` keep rows without a partner, with nulls beside them; `LeftSemi` and `LeftAnti` return the
    /// left side's rows with a partner and without one, each once.
    pub fn how(self, how: JoinType) -> Self {
        Self { how, ..self }
    }

    /// Only rows on the same strand. A row whose strand is not known has no partner. An alignment's strand is its flag's.
    pub fn same_strand(self) -> Self {
        Self { strand: Some(Strands::Same), ..self }
    }

    /// Only rows on opposite strands. A row whose strand is not known has no partner.
    pub fn opposite_strand(self) -> Self {
        Self { strand: Some(Strands::Opposite), ..self }
    }

    /// At least so many bases are shared.
    pub fn min_bases(self, bases: u32) -> Self {
        Self { min_bases: bases.into(), ..self }
    }

    /// At least this fraction of the left row's bases is shared, as `bedtools intersect -f`.
    pub fn min_fraction(self, fraction: f64) -> Self {
        Self { min_fraction: fraction, ..self }
    }

    /// The fraction holds of the right row's bases too, as `bedtools intersect -r`.
    pub fn reciprocal(self) -> Self {
        Self { is_reciprocal: true, ..self }
    }

    /// The left row lies within the right one.
    pub fn within(self) -> Self {
        Self { containment: Some(Containment::Within), ..self }
    }

    /// The left row contains the right one.
    pub fn contains(self) -> Self {
        Self { containment: Some(Containment::Contains), ..self }
    }

    /// So many bases may lie between the rows, as `bedtools window -w`. Rows that are that near share no base, so neither
    /// bases nor a fraction of them can be asked for too.
    pub fn slack(self, bases: u32) -> Self {
        Self { slack: bases.into(), ..self }
    }

    fn check(&self) -> Result<()> {
        let shares = self.min_bases > 1 || self.min_fraction > 0.0;
        match () {
            () if !(0.0..=1.0).contains(&self.min_fraction) => {
                Err(Error::invalid(format!("a fraction is between 0 and 1, not {}", self.min_fraction)))
            }
            () if self.slack > 0 && shares => {
                Err(Error::invalid("rows within a slack share no bases; ask for a slack, or for shared bases"))
            }
            () if matches!(self.how, JoinType::LeftMark | JoinType::RightMark) => {
                Err(Error::invalid(format!("{} is no join of frames", self.how)))
            }
            () => Ok(()),
        }
    }

    /// What holds of a pair.
    fn conditions(&self, a: &Side, b: &Side) -> Result<Vec<Expr>> {
        let whole = |e: Expr| cast(e, datafusion::arrow::datatypes::DataType::Float64);
        let near = |e: Expr, by: i64| if by == 0 { e } else { e + lit(by) };
        let mut all = vec![
            a.contig.clone().eq(b.contig.clone()),
            near(a.first.clone(), -self.slack).lt_eq(b.last.clone()),
            near(a.last.clone(), self.slack).gt_eq(b.first.clone()),
        ];
        let shared = || {
            let (first, last) = ([&a.first, &b.first], [&a.last, &b.last]);
            let of = |ends: [&Expr; 2]| ends.into_iter().cloned().collect::<Vec<_>>();
            least(of(last)) - greatest(of(first)) + lit(1i64)
        };
        if self.min_bases > 1 {
            all.push(shared().gt_eq(lit(self.min_bases)));
        }
        if self.min_fraction > 0.0 {
            let enough = |side: &Side| {
                let length = side.last.clone() - side.first.clone() + lit(1i64);
                whole(shared()).gt_eq(whole(length) * lit(self.min_fraction))
            };
            all.push(enough(a));
            all.extend(self.is_reciprocal.then(|| enough(b)));
        }
        let inside = |inner: &Side, outer: &Side| {
            [inner.first.clone().gt_eq(outer.first.clone()), inner.last.clone().lt_eq(outer.last.clone())]
        };
        match self.containment {
            Some(Containment::Within) => all.extend(inside(a, b)),
            Some(Containment::Contains) => all.extend(inside(b, a)),
            None => {}
        }
        if let Some(strands) = self.strand {
            let strand = |side: &Side| {
                side.strand.clone().ok_or_else(|| Error::invalid("a side of the join has neither strand nor flag"))
            };
            let (a, b) = (strand(a)?, strand(b)?);
            match strands {
                Strands::Same => {
                    all.push(a.clone().eq(b));
                    all.push(a.in_list(vec![lit("+"), lit("-")], false));
                }
                // Two known strands that are not the same.
                Strands::Opposite => {
                    let other = when(a.clone().eq(lit("+")), lit("-")).when(a.eq(lit("-")), lit("+")).end()?;
                    all.push(other.eq(b));
                }
            }
        }
        Ok(all)
    }
}

/// A row's place, 1-based with both ends included, and its strand as `+` or `-`.
struct Side {
    contig: Expr,
    first: Expr,
    last: Expr,
    strand: Option<Expr>,
}

impl Side {
    fn of(schema: &DFSchema) -> Result<Self> {
        let place = Place::of(schema)?;
        let column = |name: &str| schema.columns().into_iter().find(|c| c.name == name).map(Expr::Column);
        let strand = match (column("strand"), column("flag")) {
            (Some(strand), _) => Some(strand),
            (None, Some(flag)) => {
                let reverse = datafusion::logical_expr::binary_expr(
                    flag,
                    datafusion::logical_expr::Operator::BitwiseAnd,
                    lit(REVERSE),
                );
                Some(when(reverse.eq(lit(0u16)), lit("+")).otherwise(lit("-"))?)
            }
            _ => None,
        };
        Ok(Self { contig: Expr::Column(place.contig.clone()), first: place.first(), last: place.last(), strand })
    }

    fn renamed(self, names: &Names) -> Result<Self> {
        let new = |e| rebase(e, names);
        let strand = self.strand.map(new).transpose()?;
        Ok(Self { contig: new(self.contig)?, first: new(self.first)?, last: new(self.last)?, strand })
    }
}

/// The flag of reads on the reverse strand.
const REVERSE: u16 = 16;

impl GenomicFrame {
    /// Joins rows whose columns of these names are equal; the right side's are left out, as they are the same.
    pub fn join(self, other: Self, on: &[&str]) -> Self {
        let keys: Vec<String> = on.iter().map(|name| fold(name)).collect();
        let right = other.query;
        self.then(|left| {
            let (right, names) = rename(&left, right?)?;
            let right_keys: Vec<String> = keys.iter().map(|k| renamed(&names, k)).collect();
            let column = |k: &String| Column::new_unqualified(k.clone());
            let (l, r): (Vec<_>, Vec<_>) = keys.iter().map(column).zip(right_keys.iter().map(column)).unzip();
            let joined = left.join_on(right, JoinType::Inner, l.into_iter().zip(r).map(|(l, r)| equal(l, r)))?;
            let dropped: Vec<&str> = right_keys.iter().map(String::as_str).collect();
            Ok(joined.drop_columns(&dropped)?)
        })
    }

    /// Joins rows whose spans share at least one base, whatever the two sides' coordinate bases.
    ///
    /// Every pair is a row. Rows without a place join nothing. The smaller side is read first, and of the other one only what
    /// lies in its regions.
    pub fn join_by_overlap(self, other: Self) -> Self {
        self.join_by_overlap_with(other, OverlapOptions::new())
    }

    /// As [`GenomicFrame::join_by_overlap`], with options.
    ///
    /// ```
    /// use genomicframe::prelude::*;
    /// use genomicframe::OverlapOptions;
    ///
    /// # fn main() -> genomicframe::Result<()> {
    /// # let bam = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// # let gff = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/genes.gff3");
    /// let genes = GenomicFrame::scan_gff(gff)?.filter(col("feature").eq(lit("gene")));
    /// let inside = GenomicFrame::scan_bam(bam)?.join_by_overlap_with(genes, OverlapOptions::new().within());
    /// println!("{} pairs of a read and a gene that it lies in", inside.count()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_by_overlap_with(self, other: Self, options: OverlapOptions) -> Self {
        let right = other.query;
        self.then(|left| {
            options.check()?;
            let right = right?;
            let (a, b) = (Side::of(left.schema())?, Side::of(right.schema())?);
            let (right, names) = rename(&left, right)?;
            let on = options.conditions(&a, &b.renamed(&names)?)?;
            Ok(left.join_on(right, options.how, on)?)
        })
    }

    /// Keeps the rows whose spans share at least one base with a row of `other`, each once: a panel, a gene, other calls.
    pub fn filter_by_overlap(self, other: Self) -> Self {
        self.join_by_overlap_with(other, OverlapOptions::new().how(JoinType::LeftSemi))
    }
}

fn equal(left: Column, right: Column) -> Expr {
    Expr::Column(left).eq(Expr::Column(right))
}

/// Old and new names of the right side's columns.
pub(super) type Names = Vec<(String, String)>;

fn renamed(names: &Names, name: &str) -> String {
    names.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new.as_str()).to_owned()
}

/// The right side with names that the left does not have, and without table names, so that a file can be joined to itself.
pub(super) fn rename(left: &DataFrame, right: DataFrame) -> Result<(DataFrame, Names)> {
    let is_taken = |name: &str, names: &Names| {
        left.schema().has_column_with_unqualified_name(name) || names.iter().any(|(_, new)| new == name)
    };
    let mut names = Names::new();
    let mut exprs = Vec::new();
    for (relation, field) in right.schema().iter() {
        let mut new = field.name().clone();
        while is_taken(&new, &names) {
            new.push_str("_right");
        }
        exprs.push(Expr::Column(Column::new(relation.cloned(), field.name())).alias(new.clone()));
        names.push((field.name().clone(), new));
    }
    Ok((right.select(exprs)?, names))
}

/// The expression over the renamed columns.
fn rebase(expr: Expr, names: &Names) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let rebased = expr.transform(|e| {
        Ok(match e {
            Expr::Column(c) => Transformed::yes(Expr::Column(Column::new_unqualified(renamed(names, &c.name)))),
            other => Transformed::no(other),
        })
    })?;
    Ok(rebased.data)
}
