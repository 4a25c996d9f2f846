//! The Arrow builders of a projection, chosen by the columns' types.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Builder, Int64Builder, ListBuilder, RecordBatch, RecordBatchOptions, UInt8Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::map_column::MapColumn;
pub(crate) use super::map_column::map_type;
use super::numbers::{double, int};
use super::text_column::TextColumn;
use crate::error::{Error, Result};
use crate::scan::BrokenRow;

/// The type of a list of integers.
pub(crate) fn ints_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

/// Columns being built.
pub(crate) struct Columns {
    /// Of all columns, though one alone may be built.
    all: SchemaRef,
    schema: SchemaRef,
    list: Vec<Column>,
    held: usize,
}

enum Column {
    Text(TextColumn),
    Int(Int64Builder),
    Double(Float64Builder),
    Small(UInt8Builder),
    Ints(ListBuilder<Int64Builder>),
    Map(Box<MapColumn>),
}

impl Column {
    fn new(kind: &DataType) -> Result<Self> {
        Ok(match kind {
            DataType::Utf8View => Self::Text(TextColumn::default()),
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Float64 => Self::Double(Float64Builder::new()),
            DataType::UInt8 => Self::Small(UInt8Builder::new()),
            other if *other == ints_type() => Self::Ints(ListBuilder::new(Int64Builder::new())),
            other if *other == map_type() => Self::Map(Box::default()),
            other => return Err(Error::unsupported(format!("no text format builds a column of {other}"))),
        })
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text(b) => b.finish()?,
            Self::Int(b) => Arc::new(b.finish()),
            Self::Double(b) => Arc::new(b.finish()),
            Self::Small(b) => Arc::new(b.finish()),
            Self::Ints(b) => Arc::new(b.finish()),
            Self::Map(b) => b.finish()?,
        })
    }
}

/// Bytes a value takes besides its text: a view, or a number and its validity.
const FIXED: usize = 16;

impl Columns {
    /// Builders of the columns `projection` of `schema`.
    ///
    /// # Errors
    /// When there is no such column.
    pub(crate) fn new(schema: &Schema, projection: &[usize]) -> Result<Self> {
        let schema =
            Arc::new(schema.project(projection).map_err(|e| {
                Error::invalid("the projection names a column that the file does not have").caused_by(e)
            })?);
        let mut columns = Self { all: Arc::clone(&schema), schema, list: Vec::new(), held: 0 };
        columns.restart(None)?;
        Ok(columns)
    }

    /// Begins anew with all columns, or with column `only` of them alone.
    ///
    /// # Errors
    /// When there is no such column.
    pub(crate) fn restart(&mut self, only: Option<usize>) -> Result<()> {
        self.schema = match only {
            Some(i) => Arc::new(self.all.project(&[i])?),
            None => Arc::clone(&self.all),
        };
        self.list = self.schema.fields().iter().map(|f| Column::new(f.data_type())).collect::<Result<_>>()?;
        self.held = 0;
        Ok(())
    }

    /// Appends the value of column `i`, read from the field's text as the column's type; `None` is null. Text is checked by
    /// [`Columns::check`].
    ///
    /// # Errors
    /// When the text is no such value.
    pub(crate) fn put(&mut self, i: usize, value: Option<&[u8]>) -> Result<()> {
        let name = self.schema.field(i).name();
        self.held += FIXED;
        match (&mut self.list[i], value) {
            (Column::Text(b), Some(bytes)) => {
                b.push(bytes);
                self.held += bytes.len();
            }
            (Column::Text(b), None) => b.push_null(),
            (Column::Int(b), value) => b.append_option(value.map(|v| int(v, name)).transpose()?),
            (Column::Double(b), value) => b.append_option(value.map(|v| double(v, name)).transpose()?),
            (Column::Small(b), value) => b.append_option(value.map(|v| small(v, name)).transpose()?),
            (Column::Ints(b), Some(bytes)) => {
                for item in items(bytes) {
                    b.values().append_value(int(item, name)?);
                    self.held += 8;
                }
                b.append(true);
            }
            (Column::Ints(b), None) => b.append(false),
            (Column::Map(b), _) => b.end_row()?,
        }
        Ok(())
    }

    /// Appends a whole number that was parsed, to a column of these.
    pub(crate) fn put_int(&mut self, i: usize, value: i64) -> bool {
        let Column::Int(b) = &mut self.list[i] else { return false };
        b.append_value(value);
        self.held += FIXED;
        true
    }

    /// Appends text that was decoded.
    ///
    /// # Errors
    /// When the column holds no text, and the text is no such value.
    pub(crate) fn put_str(&mut self, i: usize, value: &str) -> Result<()> {
        match &mut self.list[i] {
            Column::Text(b) => b.push_str(value),
            _ => return self.put(i, Some(value.as_bytes())),
        }
        self.held += FIXED + value.len();
        Ok(())
    }

    /// Adds an entry to the map of column `i`, which [`Columns::put`] ends; `false` when it has one of this key already.
    ///
    /// # Errors
    /// When the column holds no maps, or the key is no text.
    pub(crate) fn put_entry(&mut self, i: usize, key: &[u8], value: Option<&[u8]>) -> Result<bool> {
        let name = self.schema.field(i).name();
        let Column::Map(b) = &mut self.list[i] else { return Err(Error::invalid("not a map").field(name)) };
        self.held += 2 * FIXED + key.len() + value.map_or(0, <[u8]>::len);
        b.put(key, value, name)
    }

    /// The same of text that was decoded.
    ///
    /// # Errors
    /// When the column holds no maps.
    pub(crate) fn put_entry_str(&mut self, i: usize, key: &str, value: Option<&str>) -> Result<bool> {
        let name = self.schema.field(i).name();
        let Column::Map(b) = &mut self.list[i] else { return Err(Error::invalid("not a map").field(name)) };
        self.held += 2 * FIXED + key.len() + value.map_or(0, str::len);
        b.put_str(key, value, name)
    }

    /// Checks the text of the rows that were put since the last call.
    ///
    /// # Errors
    /// With the first row whose text is not UTF-8 or has a NUL byte.
    pub(crate) fn check(&mut self) -> Result<(), BrokenRow> {
        let Self { schema, list, .. } = self;
        let texts = list.iter_mut().zip(schema.fields()).filter_map(|(column, field)| match column {
            Column::Text(b) => b.check(field.name()).err(),
            Column::Map(b) => b.check(field.name()).err(),
            _ => None,
        });
        match texts.min_by_key(|(index, _)| *index) {
            Some((index, error)) => Err(BrokenRow { index, error }),
            None => Ok(()),
        }
    }

    /// Bytes of values held, about.
    pub(crate) fn bytes(&self) -> usize {
        self.held
    }

    /// What was built since the last call.
    ///
    /// # Errors
    /// When the columns do not all have `rows` rows.
    pub(crate) fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.held = 0;
        let arrays = self.list.iter_mut().map(Column::finish).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }
}

fn small(bytes: &[u8], name: &str) -> Result<u8> {
    u8::try_from(int(bytes, name)?).map_err(|_| Error::corrupt("not between 0 and 255").field(name).text(bytes))
}

/// Column `only` of `projection`, or all of it.
pub(crate) fn one_or_all(projection: &[usize], only: Option<usize>) -> Vec<usize> {
    match only {
        Some(i) => projection.get(i..=i).unwrap_or_default().to_vec(),
        None => projection.to_vec(),
    }
}

/// The items of a comma-separated list, which may end with a comma.
pub(crate) fn items(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = bytes.strip_suffix(b",").unwrap_or(bytes);
    let whole = (!list.is_empty()).then_some(list);
    whole.into_iter().flat_map(|l| l.split(|b| *b == b','))
}
