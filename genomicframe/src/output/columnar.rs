//! Formats that Arrow's own crates write: json, Arrow IPC and Parquet.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::arrow::json::writer::{LineDelimited, Writer as JsonWriter, WriterBuilder};
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::writer::{BatchWriter, Out};
use crate::error::{Error, Result};

/// One JSON object per line; null values are written, so that every line has every key.
pub(super) struct Json(JsonWriter<Out, LineDelimited>);

impl Json {
    pub(super) fn new(out: Out) -> Self {
        Self(WriterBuilder::new().with_explicit_nulls(true).build(out))
    }
}

impl BatchWriter for Json {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.0.finish()?;
        self.0.into_inner().end()
    }
}

/// The Arrow IPC stream format, which needs no seeking.
pub(super) struct IpcStream(StreamWriter<Out>);

impl IpcStream {
    pub(super) fn new(schema: &SchemaRef, out: Out) -> Result<Self> {
        Ok(Self(StreamWriter::try_new(out, schema)?))
    }
}

impl BatchWriter for IpcStream {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.into_inner()?.end()
    }
}

/// The Arrow IPC file format.
pub(super) struct IpcFile(FileWriter<Out>);

impl IpcFile {
    pub(super) fn new(schema: &SchemaRef, out: Out) -> Result<Self> {
        Ok(Self(FileWriter::try_new(out, schema)?))
    }
}

impl BatchWriter for IpcFile {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.into_inner()?.end()
    }
}

/// Parquet, compressed with zstd.
pub(super) struct Parquet(ArrowWriter<Out>);

/// Bytes of a row group that are held in memory.
const ROW_GROUP: usize = 128 << 20;

impl Parquet {
    pub(super) fn new(schema: &SchemaRef, out: Out) -> Result<Self> {
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(zstd).build();
        Ok(Self(ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties)).map_err(parquet)?))
    }
}

impl BatchWriter for Parquet {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(parquet)?;
        // Rows of sequences are long: a bound on rows alone would let a group grow to gigabytes.
        if self.0.memory_size() > ROW_GROUP {
            self.0.flush().map_err(parquet)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut out = self.0.into_inner().map_err(parquet)?;
        out.flush().map_err(|e| parquet(e.into()))
    }
}

fn parquet(e: ParquetError) -> Error {
    DataFusionError::from(e).into()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use datafusion::arrow::ipc::reader::{FileReader, StreamReader};
    use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReader;

    use super::*;
    use crate::output::text::tests::every_kind;
    use crate::output::writer::tests::{Shared, written};

    fn bytes(make: impl FnOnce(Out) -> Box<dyn BatchWriter>) -> bytes::Bytes {
        let shared = Shared::default();
        let mut writer = make(Out::new(Box::new(shared.clone())));
        writer.write(&every_kind()).unwrap();
        writer.finish().unwrap();
        let bytes = shared.0.lock().unwrap().clone();
        bytes.into()
    }

    #[test]
    fn json_has_every_key_on_every_line() {
        let text = written(|out| Ok(Box::new(Json::new(out))), &every_kind());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"text":"a,\"b\"\tc","int":-9223372036854775808,"small":255,"float":0.1,"flag":true,"list":[0.25,null,3.0],"tags":{"NM":"i:5","MD":"Z:10A"}}"#
        );
        assert_eq!(
            lines[1],
            r#"{"text":null,"int":null,"small":null,"float":null,"flag":null,"list":null,"tags":null}"#
        );
    }

    #[test]
    fn binary_formats_read_back() {
        let batch = every_kind();
        let stream = bytes(|out| Box::new(IpcStream::new(&batch.schema(), out).unwrap()));
        let read = StreamReader::try_new(Cursor::new(stream), None).unwrap().next().unwrap().unwrap();
        assert_eq!(read, batch);
        let file = bytes(|out| Box::new(IpcFile::new(&batch.schema(), out).unwrap()));
        let read = FileReader::try_new(Cursor::new(file), None).unwrap().next().unwrap().unwrap();
        assert_eq!(read, batch);
        let file = bytes(|out| Box::new(Parquet::new(&batch.schema(), out).unwrap()));
        let read = ParquetRecordBatchReader::try_new(file, 1024).unwrap().next().unwrap().unwrap();
        assert_eq!(read, batch);
    }
}
