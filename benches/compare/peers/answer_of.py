"""What a written file holds, so that files of different libraries can be compared: answer_of.py KIND FILE, not timed.

Prints the rows and sums over columns that every library writes, whatever it calls them.
"""
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

kind, path = sys.argv[1:3]
with open(path, "rb") as file:
    magic = file.read(6)
if magic[:4] == b"PAR1":
    batches = pq.ParquetFile(path).iter_batches()
elif magic == b"ARROW1":
    file = pa.ipc.open_file(path)
    batches = (file.get_batch(i) for i in range(file.num_record_batches))
else:
    batches = pa.ipc.open_stream(path)


def column(batch, *names):
    """The first of the columns that is there; `a/b` is field b of the struct a."""
    for name in names:
        outer, *inner = name.split("/")
        if outer in batch.schema.names:
            found = batch.column(outer)
            if not inner:
                return found
            if pa.types.is_struct(found.type) and found.type.get_field_index(inner[0]) >= 0:
                return pc.struct_field(found, inner[0])
    sys.exit(f"{path} has none of {names}: {batch.schema.names}")


def flat(values):
    while pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or "list_view" in str(values.type):
        values = values.flatten()
    return values


def total(values):
    values = flat(values)
    if pa.types.is_floating(values.type):
        return pc.sum(values.cast(pa.float64())).as_py() or 0.0
    return pc.sum(values.cast(pa.int64())).as_py() or 0


def length(values):
    values = flat(values)
    if values.type in (pa.string_view(), pa.binary_view()):
        values = values.cast(pa.large_string())
    return pc.sum(pc.binary_length(values)).as_py() or 0


rows, sums = 0, None
for batch in batches:
    rows += batch.num_rows
    if kind == "bam":
        found = [total(column(batch, "pos", "start")), total(column(batch, "flag", "flags")),
                 length(column(batch, "qname", "name")), length(column(batch, "cigar")),
                 length(column(batch, "seq", "sequence")), length(column(batch, "qual", "quality_scores")),
                 total(column(batch, "tag_nm", "NM", "tags/NM")), length(column(batch, "tag_md", "MD", "tags/MD"))]
    elif kind == "bam4":
        found = [total(column(batch, name)) for name in ("pos", "mapq", "flag")]
    elif kind == "vcf":
        found = [total(column(batch, "pos", "start")), length(column(batch, "ref")),
                 total(column(batch, "info_an", "AN", "info/AN")), total(column(batch, "info_ac", "AC", "info/AC")),
                 total(column(batch, "info_af", "AF", "info/AF")), length(column(batch, "info_csq", "CSQ", "info/CSQ"))]
    else:
        found = [total(column(batch, "pos", "start")), length(column(batch, "ref")),
                 total(column(batch, "info_an", "AN", "info/AN")), length(column(batch, "format_gt", "genotypes/GT")),
                 total(column(batch, "format_dp", "genotypes/DP")), total(column(batch, "format_ad", "genotypes/AD"))]
    sums = found if sums is None else [a + b for a, b in zip(sums, found)]
print("ANSWER", rows, *("%.6f" % s if isinstance(s, float) else s for s in sums or []))
