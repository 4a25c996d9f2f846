//! Columns: what the header declares, and what the query names beyond that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::genotypes::{Form, Wanted};
use super::header::{Declaration, Header, Number, Type};
use crate::error::{Error, Result};
use crate::scan::{Computed, ComputedValue, FieldType, OpenOptions};
use crate::schema;

/// Where a column's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Chrom,
    Pos,
    End,
    Id,
    Ref,
    Alt,
    Qual,
    Filter,
    /// An index into [`Columns::info`].
    Info(usize),
    /// An index into [`Columns::format`].
    Format(usize),
}

/// The values of an INFO or FORMAT key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    Int,
    Float,
    Text,
}

/// An INFO or FORMAT key that has a column.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// As the file writes it.
    pub name: String,
    /// Another spelling that counts as this key: of a column that the header does not declare.
    pub alias: Option<String>,
    pub kind: Kind,
    pub list: bool,
    /// For messages: `INFO/DP`.
    pub label: String,
}

/// The columns of a dataset.
#[derive(Debug)]
pub(super) struct Columns {
    pub schema: SchemaRef,
    /// Of each field of the schema.
    pub sources: Vec<Source>,
    pub info: Vec<Key>,
    pub format: Vec<Key>,
    /// Number of samples in a line.
    pub all_samples: usize,
    /// The samples wanted, as indices into a line's samples; in the order of the `format_*` lists.
    pub samples: Vec<usize>,
    /// Their names.
    pub sample_names: Vec<String>,
    /// Most keys that a line's FORMAT may have.
    pub most_keys: usize,
    pub warnings: Vec<String>,
}

impl Columns {
    pub(super) fn new(header: &Header, options: &OpenOptions) -> Result<Self> {
        let fixed = [
            (Source::Chrom, schema::contig("chrom")),
            (Source::Pos, schema::start("pos", false)),
            (Source::End, schema::end("end", false)),
            (Source::Id, schema::text("id")),
            (Source::Ref, schema::text("ref")),
            (Source::Alt, Field::new("alt", list(DataType::Utf8View), true)),
            (Source::Qual, Field::new("qual", DataType::Float32, true)),
            (Source::Filter, schema::text("filter")),
        ];
        let samples = select(&header.samples, options.samples.as_deref())?;
        let sample_names: Vec<String> = samples.iter().map(|i| header.samples[*i].clone()).collect();
        let names = sample_names.join("\t");
        let mut build = Build::default();
        for (source, field) in fixed {
            build.add(source, field);
        }
        for declaration in &header.info {
            build.key("INFO", declaration, None);
        }
        if !samples.is_empty() {
            for declaration in &header.format {
                build.key("FORMAT", declaration, Some(&names));
            }
            if header.format.is_empty() {
                // Such files exist, and their genotypes are what people want of them.
                let description = "Genotype, by the specification: the header declares no FORMAT key";
                build.key("FORMAT", &undeclared("GT", description), Some(&names));
            }
        }
        for column in &options.columns {
            build.asked_for(column, (!samples.is_empty()).then_some(names.as_str()));
        }
        let schema = Arc::new(Schema::new(build.fields));
        let Build { sources, info, format, warnings, .. } = build;
        let (all_samples, most_keys) = (header.samples.len(), options.limits.format_keys);
        Ok(Self { schema, sources, info, format, all_samples, samples, sample_names, most_keys, warnings })
    }

    /// How conditions on the column called `name` can be tested on a line: by its index in the schema.
    pub(super) fn testable(&self, name: &str) -> Option<(usize, FieldType)> {
        let index = self.schema.index_of(name).ok()?;
        let ty = match self.sources.get(index)? {
            Source::Pos | Source::End => FieldType::Int,
            Source::Qual => FieldType::Float,
            Source::Chrom | Source::Id | Source::Ref | Source::Filter => FieldType::Text,
            Source::Info(key) => match self.info.get(*key).filter(|k| !k.list)?.kind {
                Kind::Int => FieldType::Int,
                Kind::Float => FieldType::Float,
                Kind::Text => FieldType::Text,
                Kind::Flag => return None,
            },
            Source::Alt | Source::Format(_) => return None,
        };
        Some((index, ty))
    }
}

impl Columns {
    /// What is read for `computed`, and its field; `None` when this file has no such column or cannot compute it.
    pub(super) fn compute(&self, computed: &Computed) -> Option<(Wanted<'_>, Field)> {
        let column = self.schema.index_of(&computed.column).ok()?;
        let Source::Format(key) = *self.sources.get(column)? else { return None };
        let key = self.format.get(key)?;
        let form = match &computed.value {
            ComputedValue::OfSample(name) => Form::OfSample(self.sample_names.iter().position(|n| n == name)?),
            _ if key.name != "GT" => return None,
            ComputedValue::AlleleNumber => Form::AlleleNumber,
            ComputedValue::AlleleCount => Form::AlleleCount,
            ComputedValue::AlleleFrequency => Form::AlleleFrequency,
        };
        let mut of = None;
        if !computed.samples.is_empty() {
            let mut counted = vec![false; self.sample_names.len()];
            for name in &computed.samples {
                *counted.get_mut(self.sample_names.iter().position(|n| n == name)?)? = true;
            }
            of = Some(counted);
        }
        let ty = match (form, self.schema.field(column).data_type()) {
            (Form::OfSample(_), DataType::List(item)) => item.data_type().clone(),
            (Form::AlleleFrequency, _) => DataType::Float64,
            _ => DataType::Int64,
        };
        Some((Wanted { key, form, of }, Field::new(computed.to_string(), ty, true)))
    }
}

#[derive(Default)]
struct Build {
    fields: Vec<Field>,
    names: HashSet<String>,
    sources: Vec<Source>,
    info: Vec<Key>,
    format: Vec<Key>,
    warnings: Vec<String>,
}

impl Build {
    fn add(&mut self, source: Source, field: Field) {
        self.names.insert(field.name().clone());
        self.sources.push(source);
        self.fields.push(field);
    }

    /// `samples` is given for FORMAT keys: their names, separated by tabs.
    fn key(&mut self, part: &str, declaration: &Declaration, samples: Option<&str>) {
        let prefix = part.to_ascii_lowercase();
        let id = &declaration.id;
        let mut name = format!("{prefix}_{}", id.to_ascii_lowercase());
        if self.names.contains(&name) {
            name = format!("{prefix}_{id}");
        }
        if self.names.contains(&name) {
            self.warnings.push(format!("{part}/{id} has no column: {name} is another key's"));
            return;
        }
        self.push(name, part, declaration, None, samples);
    }

    /// A column that a query names: the header may lack its key, which is then text.
    fn asked_for(&mut self, column: &str, samples: Option<&str>) {
        let name = column.to_ascii_lowercase();
        let (part, prefix) = if name.starts_with("info_") { ("INFO", 5) } else { ("FORMAT", 7) };
        let key = match column.get(prefix..) {
            Some(key) if !key.is_empty() && (part == "INFO" || name.starts_with("format_")) => key,
            _ => return,
        };
        if self.names.contains(&name) || self.names.contains(column) || (part == "FORMAT" && samples.is_none()) {
            return;
        }
        let declaration = undeclared(&key.to_ascii_uppercase(), "not declared by the header");
        let alias = (declaration.id != key).then(|| key.to_owned());
        self.push(column.to_owned(), part, &declaration, alias, samples.filter(|_| part == "FORMAT"));
    }

    fn push(&mut self, name: String, part: &str, d: &Declaration, alias: Option<String>, samples: Option<&str>) {
        let genotype = part == "FORMAT" && d.id == "GT";
        let (kind, ty) = match d.ty {
            _ if genotype => (Kind::Text, DataType::Utf8View),
            _ if d.number == Number::Zero => (Kind::Flag, DataType::Boolean),
            Type::Flag => (Kind::Flag, DataType::Boolean),
            Type::Integer => (Kind::Int, DataType::Int32),
            Type::Float => (Kind::Float, DataType::Float32),
            Type::Character | Type::String => (Kind::Text, DataType::Utf8View),
        };
        let many = matches!(d.number, Number::Many(_)) && !genotype;
        let ty = if many { list(ty) } else { ty };
        let ty = if samples.is_some() { list(ty) } else { ty };
        let mut metadata = vec![
            (schema::KEY, d.id.as_str()),
            (schema::NUMBER, d.number.as_str()),
            (schema::TYPE, d.ty.as_str()),
            (schema::DESCRIPTION, d.description.as_str()),
        ];
        metadata.extend(samples.map(|names| (schema::SAMPLES, names)));
        let key = Key { name: d.id.clone(), alias, kind, list: many, label: format!("{part}/{}", d.id) };
        let keys = if samples.is_some() { &mut self.format } else { &mut self.info };
        let source = if samples.is_some() { Source::Format(keys.len()) } else { Source::Info(keys.len()) };
        keys.push(key);
        self.add(source, schema::with(Field::new(name, ty, true), &metadata));
    }
}

fn undeclared(id: &str, description: &str) -> Declaration {
    Declaration { id: id.to_owned(), number: Number::One, ty: Type::String, description: description.to_owned() }
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", of, true)))
}

/// Samples spelled out in a message.
const SHOWN: usize = 5;

fn select(all: &[String], wanted: Option<&[String]>) -> Result<Vec<usize>> {
    let Some(wanted) = wanted else { return Ok((0..all.len()).collect()) };
    let mut left: HashMap<&str, usize> = all.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let index = |name: &String| {
        left.remove(name.as_str()).ok_or_else(|| {
            let shown: Vec<_> = all.iter().take(SHOWN).map(String::as_str).collect();
            let more = if all.len() > SHOWN { ", …" } else { "" };
            let why = if all.contains(name) { "a sample is asked for twice" } else { "the file has no such sample" };
            let of = format!("its {} samples: {}{more}", all.len(), shown.join(", "));
            Error::invalid(why).text(name.as_bytes()).hint(of)
        })
    };
    wanted.iter().map(index).collect()
}
