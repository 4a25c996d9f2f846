"""biobear: exon on DataFusion."""
from common import answer, answer_groups, path, task, threads, unknown

import biobear
import pyarrow as pa
import pyarrow.compute as pc

session = biobear.connect()
session.execute(f"SET datafusion.execution.target_partitions = {threads}")


def rows(query):
    return session.sql(query).to_arrow()


def count(query):
    answer(rows(query).column(0)[0].as_py())


MAPPED = "CAST(mapping_quality AS int) >= 30 AND flag & 1024 = 0"
if task == "bam_count":
    count(f"SELECT count(*) FROM bam_scan('{path}')")
elif task == "bam_filter":
    count(f"SELECT count(*) FROM bam_scan('{path}') WHERE {MAPPED}")
elif task == "bam_proj4":
    table = rows(f"SELECT reference, start, mapping_quality, flag FROM bam_scan('{path}')")
    answer(table.num_rows, *(pc.sum(table[n].cast(pa.int64())).as_py() for n in ("start", "mapping_quality", "flag")))
elif task == "bam_groupby":
    table = rows("SELECT reference, count(*) AS n, avg(CAST(mapping_quality AS int)) AS q "
                 f"FROM bam_scan('{path}') GROUP BY reference")
    answer_groups(table["n"].to_pylist(), table["q"].to_pylist())
elif task == "vcf_count":
    count(f"SELECT count(*) FROM vcf_scan('{path}')")
elif task == "vcf_filter_agg":
    table = rows("SELECT chrom, count(*) AS n, avg(CAST(qual AS double)) AS q "
                 f"FROM vcf_scan('{path}') WHERE qual >= 30 AND array_to_string(filter, ';') = 'PASS' GROUP BY chrom")
    answer_groups(table["n"].to_pylist(), table["q"].to_pylist())
elif task == "vcf_af":
    frame = session.read_vcf_file(path, biobear.VCFReadOptions(parse_info=True)).to_polars()
    found = frame.filter(frame["info"].struct.field("AF").list.max() > 0.3)
    answer(found.height, found["pos"].cast(int).sum())
elif task == "fastq_count":
    count(f"SELECT count(*) FROM fastq_scan('{path}')")
else:
    unknown()
