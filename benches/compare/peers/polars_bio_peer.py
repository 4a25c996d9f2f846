"""polars-bio: DataFusion with noodles readers, tables as Polars frames."""
import os

from common import answer, answer_groups, out, path, region_parts, tags, task, threads, unknown

# With one worker thread polars-bio 0.36 can wait for itself for ever; the process is pinned to its core all the same.
if threads == 1:
    os.environ["TOKIO_WORKER_THREADS"] = "4"

import polars as pl
import polars_bio as pb

pb.set_option("datafusion.execution.target_partitions", str(threads))
c = pl.col


def sql(register, query, **options):
    register(path, "t", **options)
    return pb.sql(query).collect()


def total(frame, *names):
    return [frame[name].cast(pl.Int64).sum() for name in names]


if task == "bam_count":
    answer(sql(pb.register_bam, "SELECT count(*) AS n FROM t")["n"][0])
elif task == "bam_filter":
    answer(sql(pb.register_bam, "SELECT count(*) AS n FROM t WHERE mapping_quality >= 30 AND flags & 1024 = 0")["n"][0])
elif task == "bam_flagstat":
    is_set = "sum(CASE WHEN %s THEN 1 ELSE 0 END)"
    conditions = ["flags & 4 = 0", "flags & 1024 <> 0", "flags & 3 = 3 AND flags & 2308 = 0", "flags & 2048 <> 0"]
    row = sql(pb.register_bam, "SELECT count(*) AS n, " + ", ".join(
        f"{is_set % condition} AS c{i}" for i, condition in enumerate(conditions)) + " FROM t").row(0)
    answer(*map(int, row))
elif task == "bam_proj4":
    table = pb.scan_bam(path).select("chrom", "start", "mapping_quality", "flags").collect()
    answer(table.height, *total(table, "start", "mapping_quality", "flags"))
elif task == "bam_groupby":
    table = sql(pb.register_bam, "SELECT chrom, count(*) AS n, avg(mapping_quality) AS q FROM t GROUP BY chrom")
    answer_groups(table["n"], table["q"])
elif task == "bam_region":
    contig, start, end = region_parts()
    found = pb.scan_bam(path).filter(
        (c("chrom") == contig) & (c("start") <= end) & (c("end") >= start) & (c("mapping_quality") >= 30))
    answer(found.select("flags").collect().filter(c("flags") & 1024 == 0).height)
elif task == "bam_parquet":
    pb.scan_bam(path, tag_fields=[tag for tag, _ in tags]).sink_parquet(out, compression="zstd")
elif task == "bam_ipc":
    pb.scan_bam(path, tag_fields=[tag for tag, _ in tags]).sink_ipc(out, compression="uncompressed")
elif task == "vcf_count":
    answer(sql(pb.register_vcf, "SELECT count(*) AS n FROM t", info_fields=[])["n"][0])
elif task == "vcf_filter_agg":
    table = sql(pb.register_vcf, "SELECT chrom, count(*) AS n, avg(qual) AS q FROM t WHERE qual >= 30 AND "
                "filter = 'PASS' GROUP BY chrom", info_fields=[])
    answer_groups(table["n"], table["q"])
elif task == "vcf_titv":
    sites = pb.scan_vcf(path, info_fields=[]).select("ref", "alt").collect().with_row_index()
    alleles = sites.with_columns(c("alt").str.split("|"), r=c("ref").str.len_bytes()).explode("alt")
    alleles = alleles.with_columns(a=c("alt").str.len_bytes())
    snvs = alleles.filter((c("r") == 1) & (c("a") == 1))
    transitions = snvs.filter((c("ref") + c("alt")).is_in(["AG", "GA", "CT", "TC"])).height
    answer(snvs["index"].n_unique(), alleles.filter(c("r") != c("a"))["index"].n_unique(), transitions,
           snvs.height - transitions)
elif task == "vcf_af":
    found = pb.scan_vcf(path, info_fields=["AF"]).select("start", "AF").collect().filter(c("AF").list.max() > 0.3)
    answer(found.height, *total(found, "start"))
elif task == "vcf_region":
    contig, start, end = region_parts()
    found = pb.scan_vcf(path, info_fields=[]).filter((c("chrom") == contig) & (c("start") <= end) & (c("end") >= start))
    answer(found.select("start").collect().height)
elif task in ("vcf_parquet", "cohort_parquet"):
    pb.scan_vcf(path).sink_parquet(out, compression="zstd")
elif task == "cohort_af":
    table = pb.scan_vcf(path, info_fields=[], format_fields=["GT"]).select(c("genotypes").struct.field("GT")).collect()
    pairs = table.with_row_index().explode("GT").group_by("index", "GT").len()
    called = pairs.with_columns(c("GT").str.count_matches(r"[0-9]+").alias("an"),
                                c("GT").str.count_matches(r"[1-9][0-9]*").alias("ac"))
    sites = called.group_by("index").agg((c("ac") * c("len")).sum(), (c("an") * c("len")).sum())
    answer(sites.height, "%.6f" % (sites["ac"] / sites["an"]).sum())
elif task == "gff_exons_by_type":
    table = pb.scan_gff(path, attr_fields=["gene_type"]).filter(c("type") == "exon").group_by("gene_type").len().collect()
    answer(table.height, table["len"].sum(), table["len"].max())
elif task == "gff_region":
    contig, start, end = region_parts()
    found = pb.scan_gff(path).filter((c("chrom") == contig) & (c("start") <= end) & (c("end") >= start))
    answer(found.select("start").collect().height)
elif task == "fastq_count":
    answer(sql(pb.register_fastq, "SELECT count(*) AS n FROM t")["n"][0])
elif task == "vcf_x_exons":
    sites, genes = path.split(",")
    variants = pb.scan_vcf(sites, info_fields=[]).select(["chrom", "start", "end"])
    features = pb.scan_gff(genes, attr_fields=["gene_name"])
    exons = features.filter(c("type") == "exon").select(["chrom", "start", "end", "gene_name"])
    table = pb.overlap(variants, exons).group_by("gene_name_2").len().collect()
    answer(table.height, table["len"].sum())
elif task.startswith("iv_"):
    beds = [pb.scan_bed(bed).select("chrom", "start", "end") for bed in path.split(",")]
    if task == "iv_count":
        answer(pb.count_overlaps(*beds).select(c("count").cast(pl.Int64).sum()).collect().item())
    elif task == "iv_pairs":
        answer(pb.overlap(*beds).collect().height)
    elif task == "iv_nearest":
        found = pb.nearest(*beds).select(n=pl.len(), s=c("distance").cast(pl.Int64).sum())
        answer(*found.collect().row(0))
    elif task == "iv_coverage":
        answer(*pb.coverage(*beds).select(n=pl.len(), s=c("coverage").cast(pl.Int64).sum()).collect().row(0))
    elif task == "iv_merge":
        # Its starts count from 1, and it leaves intervals apart that only touch, unless told so.
        bases = (c("end") - c("start") + 1).cast(pl.Int64).sum()
        answer(*pb.merge(*beds, min_dist=1).select(n=pl.len(), s=bases).collect().row(0))
    else:
        unknown()
else:
    unknown()
