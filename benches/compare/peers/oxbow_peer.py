"""oxbow: noodles readers into Arrow, one thread."""
from common import answer, answer_groups, out, path, region, tags, task, unknown

import oxbow
import pyarrow as pa
import pyarrow.compute as pc


def batches(source):
    return (pa.record_batch(batch) for batch in source.batches())


def table(source):
    return pa.Table.from_batches(list(batches(source)))


def count(source):
    answer(sum(batch.num_rows for batch in batches(source)))


def write(source, parquet):
    import pyarrow.parquet as pq
    writer = None
    for batch in batches(source):
        if writer is None:
            writer = (pq.ParquetWriter(out, batch.schema, compression="zstd") if parquet
                      else pa.ipc.new_file(pa.OSFile(out, "wb"), batch.schema))
        writer.write_batch(batch)
    writer.close()


if task == "bam_count":
    count(oxbow.from_bam(path, fields=["flag"]))
elif task in ("bam_filter", "bam_region"):
    regions = dict(regions=region) if task == "bam_region" else {}
    found = table(oxbow.from_bam(path, fields=["flag", "mapq"], **regions))
    flag, mapq = found["flag"].to_numpy(), found["mapq"].to_numpy()
    answer(int(((flag & 1024 == 0) & (mapq >= 30)).sum()))
elif task == "bam_proj4":
    found = table(oxbow.from_bam(path, fields=["rname", "pos", "mapq", "flag"]))
    answer(found.num_rows, *(pc.sum(found[n].cast(pa.int64())).as_py() for n in ("pos", "mapq", "flag")))
elif task == "bam_groupby":
    found = table(oxbow.from_bam(path, fields=["rname", "mapq"]))
    found = found.set_column(0, "rname", found["rname"].cast(pa.string())).group_by("rname")
    groups = found.aggregate([("mapq", "mean"), ("mapq", "count")])
    answer_groups(groups["mapq_count"].to_pylist(), groups["mapq_mean"].to_pylist())
elif task in ("bam_parquet", "bam_ipc"):
    write(oxbow.from_bam(path, tag_defs=tags), task == "bam_parquet")
elif task == "vcf_count":
    count(oxbow.from_vcf(path, fields=["pos"], info_fields=None, genotype_fields=None))
elif task == "vcf_filter_agg":
    found = table(oxbow.from_vcf(path, fields=["chrom", "qual", "filter"], info_fields=None, genotype_fields=None))
    passed = pc.equal(pc.list_value_length(found["filter"]), 0)
    found = found.filter(pc.and_(pc.greater_equal(found["qual"], 30), passed))
    columns = {"chrom": found["chrom"].cast(pa.string()), "qual": found["qual"].cast(pa.float64())}
    groups = pa.table(columns).group_by("chrom").aggregate([("qual", "mean"), ("qual", "count")])
    answer_groups(groups["qual_count"].to_pylist(), groups["qual_mean"].to_pylist())
elif task == "vcf_region":
    count(oxbow.from_vcf(path, fields=["pos"], info_fields=None, genotype_fields=None, regions=region))
elif task == "vcf_af":
    import polars as pl
    found = pl.from_arrow(table(oxbow.from_vcf(path, fields=["pos"], info_fields=["AF"])))
    found = found.filter(pl.col("info").struct.field("AF").list.max() > 0.3)
    answer(found.height, found["pos"].cast(pl.Int64).sum())
elif task == "vcf_parquet":
    write(oxbow.from_vcf(path), True)
elif task == "gff_exons_by_type":
    found = table(oxbow.from_gff(path, fields=["type"], attribute_defs=[("gene_type", "String")]))
    kind = pc.struct_field(found["attributes"], "gene_type").filter(pc.equal(found["type"].cast(pa.string()), "exon"))
    counts = pc.value_counts(kind).field("counts").to_pylist()
    answer(len(counts), sum(counts), max(counts))
elif task == "gff_region":
    count(oxbow.from_gff(path, regions=region))
elif task == "fastq_count":
    count(oxbow.from_fastq(path, fields=["name"], compression="gzip"))
else:
    unknown()
