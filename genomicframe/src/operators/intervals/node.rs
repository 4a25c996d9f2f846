//! The logical node of all verbs on intervals.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef, DataFusionError, Result, TableReference, internal_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use genomicframe_core::intervals::Windows;

use super::options::{MergeOptions, NearestOptions, Strands};
use super::place::{Indices, Places};

/// What is done with intervals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verb {
    /// How many intervals of the second input overlap each row; only of these strands, where some are told, as below.
    CountOverlaps(Option<Strands>),
    /// And how many of its bases they cover.
    Coverage(Option<Strands>),
    /// Each row beside those of the second input that lie nearest.
    Nearest(NearestOptions),
    /// What the second input leaves of each row.
    Subtract(Option<Strands>),
    /// The same of whole contigs; the second input has no others.
    Complement(Vec<String>),
    /// Each row in pieces.
    Windows(Windows),
    /// Rows that overlap or lie near as one.
    Merge(MergeOptions),
    /// Rows with the number of what they would merge to.
    Cluster(MergeOptions),
}

impl Verb {
    /// As the user calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::CountOverlaps(_) => "count_overlaps",
            Self::Coverage(_) => "coverage",
            Self::Nearest(_) => "nearest",
            Self::Subtract(_) => "subtract",
            Self::Complement(_) => "complement",
            Self::Windows(_) => "windows",
            Self::Merge(_) => "merge",
            Self::Cluster(_) => "cluster",
        }
    }

    /// The columns that it adds.
    fn adds(&self) -> Vec<Field> {
        let number = |name: &str, nullable: bool| Field::new(name, DataType::Int64, nullable);
        match self {
            Self::CountOverlaps(_) | Self::Merge(_) => vec![number("count", false)],
            Self::Coverage(_) => vec![
                number("count", false),
                number("covered", false),
                number("length", true),
                Field::new("fraction", DataType::Float64, true),
            ],
            Self::Nearest(_) => vec![number("distance", true)],
            Self::Cluster(_) => vec![number("cluster_id", true)],
            Self::Subtract(_) | Self::Complement(_) | Self::Windows(_) => Vec::new(),
        }
    }

    /// Rows get spans that they did not have.
    fn moves(&self) -> bool {
        matches!(self, Self::Subtract(_) | Self::Complement(_) | Self::Windows(_) | Self::Merge(_))
    }

    /// Whether rows of the second input are handed out, and not only looked at.
    pub(super) fn hands_out_second(&self) -> bool {
        matches!(self, Self::Nearest(_))
    }

    /// How far from the first input's rows those of the second one matter: 0 where they must overlap, `None` where all do.
    pub(super) fn reach(&self) -> Option<i64> {
        match self {
            Self::CountOverlaps(_) | Self::Coverage(_) | Self::Subtract(_) => Some(0),
            Self::Nearest(options) => options.reach(),
            _ => None,
        }
    }

    /// Of how many of its inputs, from the first on, it looks at the rows' strands.
    fn stranded_inputs(&self) -> usize {
        match self {
            Self::Merge(options) | Self::Cluster(options) => usize::from(options.stranded),
            Self::Nearest(options) => options.stranded_inputs(),
            _ => self.strands().map_or(0, |_| 2),
        }
    }

    /// Whether rows go together by their strands, so that all must have a column of them.
    fn needs_strands(&self) -> bool {
        match self {
            Self::Merge(options) | Self::Cluster(options) => options.stranded,
            _ => self.strands().is_some(),
        }
    }

    /// Which strands of rows of both inputs go together, where it matters.
    pub(super) fn strands(&self) -> Option<Strands> {
        match self {
            Self::Nearest(options) => options.strands(),
            Self::CountOverlaps(strands) | Self::Coverage(strands) | Self::Subtract(strands) => *strands,
            _ => None,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Nearest(options) => write!(f, ": {options}"),
            Self::Merge(options) | Self::Cluster(options) => write!(f, ": {options}"),
            Self::Windows(windows) => write!(f, ": size={}, step={}", windows.size(), windows.step()),
            _ => self.strands().map_or(Ok(()), |strands| write!(f, ": strand={strands:?}")),
        }
    }
}

/// A verb and the one or two inputs that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Intervals {
    pub(super) verb: Verb,
    inputs: Vec<LogicalPlan>,
    /// Of each input.
    places: Vec<Places>,
    added: Vec<FieldRef>,
    schema: DFSchemaRef,
}

impl Intervals {
    /// # Errors
    /// When an input has no columns of contig, start and end, or no strand where one is needed.
    pub(crate) fn try_new(verb: Verb, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut places: Vec<Places> =
            inputs.iter().map(|input| Places::of(input.schema(), verb.name())).collect::<Result<_>>()?;
        // A strand that nobody looks at need not be read.
        places.iter_mut().skip(verb.stranded_inputs()).for_each(|places| places.strand = None);
        let Some(first) = inputs.first() else { return internal_err!("{} has an input", verb.name()) };
        if verb.needs_strands() && places.iter().any(|places| places.strand.is_none()) {
            return Err(DataFusionError::Plan(format!("{} by strand needs a column strand", verb.name())));
        }
        let free =
            |name: &str| matches!(verb, Verb::Merge(_)) || !first.schema().has_column_with_unqualified_name(name);
        let added = verb.adds().into_iter().map(|field| {
            let mut name = field.name().clone();
            while !free(&name) {
                name.push_str("_right");
            }
            Arc::new(field.with_name(name))
        });
        let added = added.collect();
        Self::with(verb, inputs, places, added)
    }

    fn with(verb: Verb, inputs: Vec<LogicalPlan>, places: Vec<Places>, added: Vec<FieldRef>) -> Result<Self> {
        let (Some(first), Some(place)) = (inputs.first(), places.first()) else {
            return internal_err!("{} has an input", verb.name());
        };
        let mut fields: Vec<(Option<TableReference>, FieldRef)> = Vec::new();
        let own = |column| first.schema().qualified_field_from_column(column);
        if matches!(verb, Verb::Merge(_)) {
            for column in [&place.contig, &place.start, &place.end].into_iter().chain(&place.strand) {
                fields.push((None, Arc::clone(own(column)?.1)));
            }
        } else {
            fields.extend(first.schema().iter().map(|(relation, field)| (relation.cloned(), Arc::clone(field))));
        }
        if verb.moves() {
            for (_, field) in &mut fields {
                if [&place.start, &place.end].iter().any(|column| column.name == *field.name()) {
                    *field = Arc::new(field.as_ref().clone().with_data_type(DataType::Int64));
                }
            }
        }
        if let (Verb::Nearest(_), Some(second)) = (&verb, inputs.get(1)) {
            let nullable = |field: &FieldRef| Arc::new(field.as_ref().clone().with_nullable(true));
            fields.extend(second.schema().iter().map(|(relation, field)| (relation.cloned(), nullable(field))));
        }
        fields.extend(added.iter().map(|field| (None, Arc::clone(field))));
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { verb, inputs, places, added, schema })
    }

    /// Columns whose filters mean the same above and below: as they are called here, and in the first input.
    pub(super) fn handed_through(&self) -> Vec<(Column, Column)> {
        let (Some(first), Some(place)) = (self.inputs.first(), self.places.first()) else { return Vec::new() };
        match self.verb {
            // What is numbered, or left of a contig, depends on all rows.
            Verb::Cluster(_) | Verb::Complement(_) => Vec::new(),
            // Rows of different contigs are never one.
            Verb::Merge(_) => vec![(Column::from_name(&place.contig.name), place.contig.clone())],
            _ => {
                let moved = |column: &Column| self.verb.moves() && (*column == place.start || *column == place.end);
                let columns = first.schema().columns().into_iter().filter(|column| !moved(column));
                columns.map(|column| (column.clone(), column)).collect()
            }
        }
    }

    /// Where the inputs' rows lie.
    pub(super) fn indices(&self) -> Result<Vec<Indices>> {
        self.inputs.iter().zip(&self.places).map(|(input, places)| places.indices(input.schema())).collect()
    }

    pub(super) fn arrow_schema(&self) -> SchemaRef {
        Arc::clone(self.schema.inner())
    }
}

impl PartialOrd for Intervals {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.verb.partial_cmp(&other.verb) {
            Some(Ordering::Equal) => self.inputs.partial_cmp(&other.inputs),
            order => order,
        }
    }
}

impl UserDefinedLogicalNodeCore for Intervals {
    fn name(&self) -> &str {
        "Intervals"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.inputs.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intervals: {}", self.verb)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Self::with(self.verb.clone(), inputs, self.places.clone(), self.added.clone())
    }

    /// Of each input the columns that are handed out and wanted, and those that tell where rows lie.
    fn necessary_children_exprs(&self, wanted: &[usize]) -> Option<Vec<Vec<usize>>> {
        let mut first = 0;
        let mut needed = Vec::with_capacity(self.inputs.len());
        for (i, (input, places)) in self.inputs.iter().zip(&self.places).enumerate() {
            let indices = places.indices(input.schema()).ok()?;
            let mut columns: Vec<usize> =
                [indices.contig, indices.start, indices.end].into_iter().chain(indices.strand).collect();
            let hands_out = match self.verb {
                Verb::Merge(_) => false,
                Verb::Nearest(_) => true,
                _ => i == 0,
            };
            if hands_out {
                let range = first..first + input.schema().fields().len();
                columns.extend(wanted.iter().filter(|column| range.contains(column)).map(|column| column - first));
                first = range.end;
            }
            columns.sort_unstable();
            columns.dedup();
            needed.push(columns);
        }
        Some(needed)
    }
}
