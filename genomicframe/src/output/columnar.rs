//! Formats that Arrow's own crates write: json and Arrow IPC.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};

use super::arrays::compact;
use super::writer::{BatchWriter, Encoder, Out, Text, each};
use crate::error::Result;

/// A writer of one JSON object per line; null values are written, so that every line has every key.
pub(super) fn json(out: Out) -> Result<Text> {
    Text::new(out, b"", |batch| {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
        writer.write(batch)?;
        writer.finish()?;
        Ok(writer.into_inner().into())
    })
}

/// The Arrow IPC stream format, which needs no seeking.
pub(super) struct IpcStream(StreamWriter<Out>);

impl IpcStream {
    pub(super) fn new(schema: &SchemaRef, out: Out) -> Result<Self> {
        Ok(Self(StreamWriter::try_new(out, schema)?))
    }
}

impl BatchWriter for IpcStream {
    type Piece = Vec<RecordBatch>;

    fn encoder(&self) -> Encoder<Vec<RecordBatch>> {
        compacted()
    }

    fn write(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        Ok(batches.iter().try_for_each(|batch| self.0.write(batch))?)
    }

    fn finish(self) -> Result<()> {
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
    type Piece = Vec<RecordBatch>;

    fn encoder(&self) -> Encoder<Vec<RecordBatch>> {
        compacted()
    }

    fn write(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        Ok(batches.iter().try_for_each(|batch| self.0.write(batch))?)
    }

    fn finish(self) -> Result<()> {
        self.0.into_inner()?.end()
    }
}

/// Arrow's writers hand buffers to the system as they lie, so what is left to do before is to drop what they hold in vain.
fn compacted() -> Encoder<Vec<RecordBatch>> {
    each(|batch| compact(&batch))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use datafusion::arrow::ipc::reader::{FileReader, StreamReader};

    use super::*;
    use crate::output::text::tests::every_kind;
    use crate::output::writer::tests::{bytes, written};

    #[test]
    fn json_has_every_key_on_every_line() {
        let text = written(|out| json(out).unwrap(), &every_kind());
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
    fn ipc_reads_back() {
        let batch = every_kind();
        let stream = bytes(|out| IpcStream::new(&batch.schema(), out).unwrap(), &batch);
        let read = StreamReader::try_new(Cursor::new(stream), None).unwrap().next().unwrap().unwrap();
        assert_eq!(read, batch);
        let file = bytes(|out| IpcFile::new(&batch.schema(), out).unwrap(), &batch);
        let read = FileReader::try_new(Cursor::new(file), None).unwrap().next().unwrap().unwrap();
        assert_eq!(read, batch);
    }
}
