//! Parquet: a task encodes a row group, the writer puts it into the file.

use std::io::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::types::SchemaDescriptor;

use super::writer::{BatchWriter, Encode, Encoder, Group, Out};
use crate::error::{Error, Result};

/// A row group is held in memory until it is whole, several at a time, and is what a reader can skip.
const ROW_GROUP: Group = Group { rows: 1 << 20, bytes: 32 << 20 };

/// Writes Parquet, compressed with zstd.
pub(super) struct Parquet {
    file: SerializedFileWriter<Out>,
    schema: SchemaRef,
}

impl Parquet {
    pub(super) fn new(schema: &SchemaRef, out: Out) -> Result<Self> {
        let writer = ArrowWriter::try_new(out, Arc::clone(schema), Some(properties().build())).map_err(parquet)?;
        let (file, _) = writer.into_serialized_writer().map_err(parquet)?;
        Ok(Self { file, schema: Arc::clone(schema) })
    }
}

impl BatchWriter for Parquet {
    type Piece = Vec<ArrowColumnChunk>;

    fn encoder(&self) -> Encoder<Vec<ArrowColumnChunk>> {
        let (schema, columns) = (Arc::clone(&self.schema), Arc::new(self.file.schema_descr().clone()));
        Arc::new(move || {
            let (schema, columns) = (Arc::clone(&schema), Arc::clone(&columns));
            Box::new(RowGroup { schema, columns, writers: Vec::new() })
        })
    }

    fn group(&self) -> Group {
        ROW_GROUP
    }

    fn write(&mut self, columns: Vec<ArrowColumnChunk>) -> Result<()> {
        let mut group = self.file.next_row_group().map_err(parquet)?;
        for column in columns {
            column.append_to_row_group(&mut group).map_err(parquet)?;
        }
        group.close().map(|_| ()).map_err(parquet)
    }

    fn finish(self) -> Result<()> {
        let mut out = self.file.into_inner().map_err(parquet)?;
        out.flush().map_err(|e| parquet(e.into()))
    }
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()))
}

/// A row group under construction.
struct RowGroup {
    schema: SchemaRef,
    columns: Arc<SchemaDescriptor>,
    /// Of each column of the file, made for the values of the first batch.
    writers: Vec<ArrowColumnWriter>,
}

impl RowGroup {
    fn encode(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        if self.writers.is_empty() {
            let properties = Arc::new(fitting(&self.columns, batch).build());
            // Only what makes column writers is wanted of it: nothing of a group is written before all of it is encoded.
            let nowhere = SerializedFileWriter::new(io::sink(), self.columns.root_schema_ptr(), properties)?;
            let factory = ArrowRowGroupWriterFactory::new(&nowhere, Arc::clone(&self.schema));
            self.writers = factory.create_column_writers(0)?;
        }
        let mut writers = self.writers.iter_mut();
        for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
            for (leaf, writer) in compute_leaves(field, column)?.iter().zip(&mut writers) {
                writer.write(leaf)?;
            }
        }
        Ok(())
    }
}

impl Encode<Vec<ArrowColumnChunk>> for RowGroup {
    fn add(&mut self, batch: RecordBatch) -> Result<()> {
        self.encode(&batch).map_err(parquet)
    }

    fn finish(self: Box<Self>) -> Result<Vec<ArrowColumnChunk>> {
        self.writers.into_iter().map(|writer| writer.close().map_err(parquet)).collect()
    }
}

/// Encodings that fit the values. A dictionary costs a look-up per value: it pays where values repeat, and not for the short
/// keys and values of maps, which compress as well without. Least and greatest values cost a comparison each: they let a
/// reader skip pages of numbers and of few texts, but none of lists, maps, or texts that are all different.
fn fitting(columns: &SchemaDescriptor, sample: &RecordBatch) -> WriterPropertiesBuilder {
    let mut leaves = Vec::new();
    sample.columns().iter().for_each(|column| add_leaves(column, false, &mut leaves));
    let mut properties = properties();
    for (column, (leaf, in_map)) in columns.columns().iter().zip(leaves) {
        let (path, of) = (column.path(), column.physical_type());
        let dictionary = !in_map && repeats(&leaf);
        properties = properties.set_column_dictionary_enabled(path.clone(), dictionary);
        if !dictionary && matches!(of, Type::INT32 | Type::INT64) {
            properties = properties.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        if column.max_rep_level() > 0 || (of == Type::BYTE_ARRAY && !dictionary) {
            properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
    }
    properties
}

/// The arrays that become Parquet's columns, in the order of these, and whether each lies in a map.
fn add_leaves(array: &ArrayRef, in_map: bool, leaves: &mut Vec<(ArrayRef, bool)>) {
    match array.data_type() {
        DataType::List(_) => add_leaves(array.as_list::<i32>().values(), in_map, leaves),
        DataType::LargeList(_) => add_leaves(array.as_list::<i64>().values(), in_map, leaves),
        DataType::FixedSizeList(..) => add_leaves(array.as_fixed_size_list().values(), in_map, leaves),
        DataType::Map(..) => array.as_map().entries().columns().iter().for_each(|c| add_leaves(c, true, leaves)),
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|c| add_leaves(c, in_map, leaves)),
        _ => leaves.push((Arc::clone(array), in_map)),
    }
}

/// Values looked at, and the bits that their hashes are told apart by.
const SAMPLE: usize = 4096;
const HASHES: usize = 1 << 16;

/// Whether at most half of the first values are different ones.
fn repeats(leaf: &ArrayRef) -> bool {
    let sample = leaf.slice(0, leaf.len().min(SAMPLE));
    let mut hashes = vec![0; sample.len()];
    if create_hashes([&sample], &RandomState::default(), &mut hashes).is_err() {
        return true;
    }
    let mut seen = vec![0u64; HASHES / 64];
    let mut different = 0;
    for hash in hashes {
        let (word, bit) = (hash as usize % HASHES / 64, 1 << (hash % 64));
        different += usize::from(seen[word] & bit == 0);
        seen[word] |= bit;
    }
    2 * different <= sample.len()
}

fn parquet(e: ParquetError) -> Error {
    DataFusionError::from(e).into()
}

#[cfg(test)]
mod tests {
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReader;

    use super::*;
    use crate::output::text::tests::every_kind;
    use crate::output::writer::tests::bytes;

    #[test]
    fn a_row_group_reads_back() {
        let batch = every_kind();
        let file = bytes(|out| Parquet::new(&batch.schema(), out).unwrap(), &batch);
        let read = ParquetRecordBatchReader::try_new(bytes::Bytes::from(file), 1024).unwrap().next().unwrap().unwrap();
        assert_eq!(read, batch);
    }
}
