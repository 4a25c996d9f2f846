//! Rows to SAM text (SAMv1 §1.4).

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, UInt8Type, UInt16Type};

use crate::error::{Error, Result};
use crate::text::numbers::write_int;

/// Appends a line per row. The batch needs every fixed column of the alignment schema and `tags`.
///
/// Missing values are written as the specification asks: `*`, or 0 for positions.
///
/// # Errors
/// When a column is missing.
pub fn encode(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let column = |name: &str| {
        batch.column_by_name(name).ok_or_else(|| Error::invalid(format!("SAM text needs the column {name}")))
    };
    let text = |name: &str| Ok::<_, Error>(column(name)?.as_string_view());
    let (qname, rname, cigar) = (text("qname")?, text("rname")?, text("cigar")?);
    let (rnext, seq, qual) = (text("rnext")?, text("seq")?, text("qual")?);
    let (flag, mapq) = (column("flag")?.as_primitive::<UInt16Type>(), column("mapq")?.as_primitive::<UInt8Type>());
    let (pos, pnext) = (column("pos")?.as_primitive::<Int64Type>(), column("pnext")?.as_primitive::<Int64Type>());
    let tlen = column("tlen")?.as_primitive::<Int32Type>();
    let tags = column("tags")?.as_map();
    let (keys, values) = (tags.keys().as_string_view(), tags.values().as_string_view());
    let optional = |a: &arrow::array::StringViewArray, row: usize, out: &mut Vec<u8>| {
        out.extend_from_slice(if a.is_null(row) { b"*" } else { a.value(row).as_bytes() });
        out.push(b'\t');
    };
    let number = |n: i64, out: &mut Vec<u8>| {
        write_int(n, out);
        out.push(b'\t');
    };
    let place = |a: &arrow::array::Int64Array, row: usize| if a.is_null(row) { 0 } else { a.value(row) };
    for row in 0..batch.num_rows() {
        optional(qname, row, out);
        number(flag.value(row).into(), out);
        optional(rname, row, out);
        number(place(pos, row), out);
        number(mapq.value(row).into(), out);
        optional(cigar, row, out);
        if rnext.is_valid(row) && rname.is_valid(row) && rnext.value(row) == rname.value(row) {
            out.extend_from_slice(b"=\t");
        } else {
            optional(rnext, row, out);
        }
        number(place(pnext, row), out);
        number(tlen.value(row).into(), out);
        optional(seq, row, out);
        optional(qual, row, out);
        out.pop();
        let offsets = tags.value_offsets();
        for i in offsets[row] as usize..offsets[row + 1] as usize {
            out.push(b'\t');
            out.extend_from_slice(keys.value(i).as_bytes());
            out.push(b':');
            out.extend_from_slice(values.value(i).as_bytes());
        }
        out.push(b'\n');
    }
    Ok(())
}
