"""The tasks: what is asked, our command, the peers' commands, and the target.

A command is one line of bash that prints its answer last, or a pair of such a line and a second one that prints the
answer of what the first wrote; only the first is timed. In both are replaced: {t} threads and {x} threads beside the
first, {o} a file of the run's own, {null} the same but /dev/null in timed runs, {here} this folder; programs {gf}
{samtools} {mosdepth} {bcftools} {main} {polars-bio} {biobear} {floor} {inflate}; the data's files {bam} {sites} {cohort} {genes}
{fastq} {fastq_gz} {regions_bed} {exons} {chain}; {tag_columns}, {region}, {site_region} and {regions}.
"""
from dataclasses import dataclass, field


@dataclass
class Task:
    name: str
    what: str
    # The data's file, for the floor; empty for tasks that do not read all of it.
    file: str
    gf: object
    peers: dict
    # (kind, limit): see `target` in report.py
    targets: list = field(default_factory=list)
    needs_index: bool = False
    # Whether memory must not grow with the file.
    streaming: bool = True


def python(peer, task, file="{bam}", interpreter="main"):
    return "{%s} {here}/peers/%s_peer.py %s %s {o}" % (interpreter, peer, task, file)


def polars_bio(task, file="{bam}"):
    return python("polars_bio", task, file, "polars-bio")


def biobear(task, file="{bam}"):
    return python("biobear", task, file, "biobear")


def oxbow(task, file="{bam}"):
    return python("oxbow", task, file)


def sql(query):
    return '{gf} sql --threads {t} --no-header "%s"' % query


def written(kind, command, file="{o}"):
    """A command that writes a file, and the answer that the file holds."""
    return command, "{main} {here}/peers/answer_of.py %s %s" % (kind, file)


def groups(table, key, value, condition):
    """Groups, rows, and the sum of the groups' means."""
    return sql(f"SELECT count(*), sum(n), sum(q) FROM (SELECT {key}, count(*) AS n, avg({value}) AS q "
               f"FROM '{table}' {condition} GROUP BY {key})")


WANTED = "'mapq >= 30 AND NOT is_duplicate(flag)'"
AWK_GROUPS = r"""'{n[$1]++; s[$1]+=$2} END {for (k in n) {g++; a+=n[k]; b+=s[k]/n[k]} printf "%d %d %.6f\n", g, a, b}'"""
FLAGSTAT = r"""awk 'NR==1 {a=$1} / duplicates$/ && !d {d=$1} / mapped \(/ && !m {m=$1} /properly/ {p=$1} """ \
           r"""/ supplementary$/ {s=$1} END {print a, m, d, p, s}'"""
DEPTHS = r"""'{s+=($3-$2)*$4; if ($4>m) m=$4} END {print NR, s, m}'"""
MEANS = r"""'{s+=sprintf("%.2f", $4)} END {printf "%d %.0f\n", NR, s}'"""
COLUMNS = "qname, flag, rname, pos, end, mapq, cigar, rnext, pnext, tlen, seq, qual, {tag_columns}"

TASKS = [
    Task("startup", "print the version", "", ("{gf} --version >/dev/null", "echo done"),
         {"samtools": ("{samtools} --version >/dev/null", "echo done")}, [("wall", 0.010)]),
    Task("first_row", "the first row of an indexed region", "",
         "{gf} view --threads {t} --no-header --format native --limit 1 {bam} {region}",
         {"samtools": "{samtools} view {bam} {region} 2>/dev/null | head -1"}, [("wall", 0.060)], needs_index=True),

    Task("bam_count", "count, all records read", "bam", "{gf} count --threads {t} --index none {bam}", {
        "samtools": "{samtools} view -c -@{x} {bam}",
        "polars-bio": polars_bio("bam_count"), "biobear": biobear("bam_count"), "oxbow": oxbow("bam_count"),
        "pysam": python("pysam", "bam_count"),
    }, [("floor", 1.15), ("samtools", 1.0)]),
    Task("bam_count_index", "count from the index", "", "{gf} count --threads {t} {bam}",
         {"samtools": "{samtools} idxstats {bam} | awk '{n+=$3+$4} END {print n}'"}, needs_index=True),
    Task("bam_filter", "count where mapq >= 30 and not a duplicate", "bam",
         "{gf} count --threads {t} {bam} --where " + WANTED, {
             "samtools": "{samtools} view -c -@{x} -q 30 -F 1024 {bam}",
             "polars-bio": polars_bio("bam_filter"), "biobear": biobear("bam_filter"), "oxbow": oxbow("bam_filter"),
             "pysam": python("pysam", "bam_filter"),
         }, [("floor", 1.15), ("samtools", 1.0)]),
    Task("bam_flagstat", "flagstat", "bam", "{gf} stats --threads {t} {bam} | " + FLAGSTAT, {
        "samtools": "{samtools} flagstat -@{x} {bam} | " + FLAGSTAT, "polars-bio": polars_bio("bam_flagstat"),
    }, [("floor", 1.15), ("samtools", 1.0)]),
    Task("bam_proj4", "rname, pos, mapq, flag to Arrow", "bam", written(
        "bam4", "{gf} sql --threads {t} --format arrow \"SELECT rname, pos, mapq, flag FROM '{bam}'\" >{null}"), {
            "polars-bio": polars_bio("bam_proj4"), "biobear": biobear("bam_proj4"), "oxbow": oxbow("bam_proj4"),
        }, [("best", 0.45)]),
    Task("bam_groupby", "count and mean mapq by contig", "bam", groups("{bam}", "rname", "mapq", ""), {
        "samtools|awk": "{samtools} view -@{x} {bam} | cut -f3,5 | awk " + AWK_GROUPS,
        "polars-bio": polars_bio("bam_groupby"), "biobear": biobear("bam_groupby"), "oxbow": oxbow("bam_groupby"),
        "pysam": python("pysam", "bam_groupby"),
    }, [("best", 0.45)]),
    Task("bam_ipc", "all columns and tags to Arrow IPC", "bam", written(
        "bam", f"{{gf}} sql --threads {{t}} \"SELECT {COLUMNS} FROM '{{bam}}'\" --format arrow -o {{o}}"), {
            "polars-bio": written("bam", polars_bio("bam_ipc")), "oxbow": written("bam", oxbow("bam_ipc")),
        }, [("best", 0.35)]),
    Task("bam_parquet", "all columns and tags to Parquet", "bam", written(
        "bam", f"{{gf}} sql --threads {{t}} \"SELECT {COLUMNS} FROM '{{bam}}'\" --format parquet -o {{o}}"), {
            "polars-bio": written("bam", polars_bio("bam_parquet")), "oxbow": written("bam", oxbow("bam_parquet")),
        }, [("best", 0.45)]),
    Task("bam_sam_text", "SAM text", "bam",
         ("{gf} view --threads {t} --no-header --format native {bam} >{null}", "md5sum <{o}"),
         {"samtools": ("{samtools} view -@{x} {bam} >{null}", "md5sum <{o}")}, [("samtools", 1.0)]),
    # biobear 0.23 leaves records out of regions.
    Task("bam_region", "count in 1 Mb, where mapq >= 30 and not a duplicate", "",
         "{gf} count --threads {t} {bam} {region} --where " + WANTED, {
             "samtools": "{samtools} view -c -@{x} -q 30 -F 1024 {bam} {region}",
             "polars-bio": polars_bio("bam_region"), "oxbow": oxbow("bam_region"),
             "pysam": python("pysam", "bam_region"),
         }, [("net of samtools", 1.5)], needs_index=True),
    # Others take one region a call, or count a read once for each region.
    Task("bam_1000regions", "count in 1,000 regions of 10 kb", "", "{gf} count --threads {t} {bam} {regions}",
         {"samtools": "{samtools} view -c -@{x} -M -L {regions_bed} {bam}"}, [("samtools", 1.0)], needs_index=True),

    # Both write text; mosdepth compresses its own.
    Task("bam_depth", "depth of each base, reads counted whole", "bam",
         ("{gf} depth --threads {t} --fast --no-header {bam} >{null}", "awk " + DEPTHS + " {o}"), {
             "mosdepth": ("{mosdepth} -t {x} -x {o} {bam}", "gzip -dc {o}.per-base.bed.gz | awk " + DEPTHS),
         }, [("best", 0.67)]),
    Task("bam_depth_exact", "depth of each base, aligned bases, mates once", "bam",
         ("{gf} depth --threads {t} --no-header {bam} >{null}", "awk " + DEPTHS + " {o}"), {
             "mosdepth": ("{mosdepth} -t {x} {o} {bam}", "gzip -dc {o}.per-base.bed.gz | awk " + DEPTHS),
         }, [("best", 0.67)]),
    Task("bam_win500", "mean depth in windows of 500 bp", "bam",
         ("{gf} depth --threads {t} --fast --by 500 --no-header {bam} >{null}", "awk " + MEANS + " {o}"), {
             "mosdepth": ("{mosdepth} -t {x} -x -n -b 500 {o} {bam}", "gzip -dc {o}.regions.bed.gz | awk " + MEANS),
         }, [("best", 0.67)]),

    Task("vcf_count", "count, all records read", "sites", "{gf} count --threads {t} --index none {sites}", {
        "bcftools": r"{bcftools} query -f '\n' {sites} | wc -l",
        "bgzip|grep": "bgzip -dc -@{t} {sites} | grep -vc '^#'",
        "polars-bio": polars_bio("vcf_count", "{sites}"), "biobear": biobear("vcf_count", "{sites}"),
        "oxbow": oxbow("vcf_count", "{sites}"), "cyvcf2": python("cyvcf2", "vcf_count", "{sites}"),
    }, [("floor", 1.3)]),
    Task("vcf_count_index", "count from the index", "", "{gf} count --threads {t} {sites}",
         {"bcftools": "{bcftools} index -n {sites}"}, needs_index=True),
    Task("vcf_filter_agg", "count and mean QUAL by contig, of PASS with QUAL >= 30", "sites",
         groups("{sites}", "chrom", "qual", "WHERE qual >= 30 AND filter = 'PASS'"), {
             "bcftools": r"{bcftools} query -i 'QUAL>=30 && FILTER=\"PASS\"' -f '%CHROM\t%QUAL\n' {sites} | awk "
                         .replace('\\"', '"') + AWK_GROUPS,
             "bgzip|awk": "bgzip -dc -@{t} {sites} | cut -f1,6,7 | awk '!/^#/ && $3==\"PASS\" && $2!=\".\" && $2>=30' | awk "
                          + AWK_GROUPS,
             "polars-bio": polars_bio("vcf_filter_agg", "{sites}"), "biobear": biobear("vcf_filter_agg", "{sites}"),
             "oxbow": oxbow("vcf_filter_agg", "{sites}"), "cyvcf2": python("cyvcf2", "vcf_filter_agg", "{sites}"),
         }, [("bcftools", 0.8)]),
    Task("vcf_titv", "sites with SNPs and indels, transitions, transversions", "sites",
         r"""{gf} stats --threads {t} {sites} | awk -F'\t' '/^number of SNPs/ {s=$2} /^number of indels/ {i=$2} """
         r"""/^ts, tv/ {a=$2; b=$3} END {print s, i, a, b}'""", {
             "bcftools": r"""{bcftools} stats --threads {x} {sites} | awk -F'\t' '$1=="SN" && $3~/of SNPs/ {s=$4} """
                         r"""$1=="SN" && $3~/of indels/ {i=$4} $1=="TSTV" {a=$3; b=$4} END {print s, i, a, b}'""",
             "polars-bio": polars_bio("vcf_titv", "{sites}"), "cyvcf2": python("cyvcf2", "vcf_titv", "{sites}"),
         }, [("best", 0.5)]),
    Task("vcf_af", "count and sum of positions where any AF > 0.3", "sites",
         sql("SELECT count(*), sum(pos) FROM '{sites}' WHERE info_af > 0.3"), {
             "bcftools": r"{bcftools} query -i 'INFO/AF>0.3' -f '%POS\n' {sites} | awk '{s+=$1} END {printf "
                         r""""%d %.0f\n", NR, s}'""",
             "polars-bio": polars_bio("vcf_af", "{sites}"), "biobear": biobear("vcf_af", "{sites}"),
             "oxbow": oxbow("vcf_af", "{sites}"), "cyvcf2": python("cyvcf2", "vcf_af", "{sites}"),
         }, [("best", 0.5)]),
    # biobear 0.23 leaves records out, as in bam_region.
    Task("vcf_region", "count in 10 Mb", "", "{gf} count --threads {t} {sites} {site_region}", {
        "bcftools": "{bcftools} view -H --regions-overlap 1 {sites} {site_region} | wc -l",
        "tabix": "tabix {sites} {site_region} | wc -l",
        "polars-bio": polars_bio("vcf_region", "{sites}"), "oxbow": oxbow("vcf_region", "{sites}"),
        "cyvcf2": python("cyvcf2", "vcf_region", "{sites}"),
    }, needs_index=True),
    Task("vcf_parquet", "all columns and INFO to Parquet", "sites", written(
        "vcf", "{gf} sql --threads {t} \"SELECT * FROM '{sites}'\" --format parquet -o {o}"), {
            "polars-bio": written("vcf", polars_bio("vcf_parquet", "{sites}")),
            "oxbow": written("vcf", oxbow("vcf_parquet", "{sites}")),
        }, [("best", 0.45)]),
    Task("cohort_af", "allele frequency of each site from its genotypes", "cohort",
         sql("SELECT count(*), sum(allele_frequency(format_gt)) FROM '{cohort}'"), {
             # The plugin is Debian's: pysam ships none.
             "bcftools": r"bcftools +fill-tags {cohort} -Ou --threads {x} -- -t AN,AC | {bcftools} query "
                         r"-f '%AC\t%AN\n' | awk '{k=split($1, a, \",\"); c=0; for (i=1; i<=k; i++) c+=a[i]; "
                         r"s+=c/$2} END {printf \"%d %.6f\n\", NR, s}'".replace('\\"', '"'),
             "polars-bio": polars_bio("cohort_af", "{cohort}"), "cyvcf2": python("cyvcf2", "cohort_af", "{cohort}"),
         }, [("bcftools", 0.45)]),
    # oxbow takes 30 ms a record.
    Task("cohort_parquet", "all columns, INFO and genotypes to Parquet", "cohort", written(
        "cohort", "{gf} sql --threads {t} \"SELECT * FROM '{cohort}'\" --format parquet -o {o}"), {
            "polars-bio": written("cohort", polars_bio("cohort_parquet", "{cohort}")),
        }, [("best", 0.3)]),

    # biobear 0.23 gives attributes the values of other keys.
    Task("gff_exons_by_type", "exons by gene type", "genes",
         sql("SELECT count(*), sum(n), max(n) FROM (SELECT attr_gene_type, count(*) AS n FROM '{genes}' "
             "WHERE feature = 'exon' GROUP BY attr_gene_type)"), {
             "awk": "bgzip -dc -@{t} {genes} | awk -F'\\t' '$3==\"exon\" {match($9, /gene_type=[^;]*/); "
                    "n[substr($9, RSTART, RLENGTH)]++} END {for (k in n) {g++; s+=n[k]; if (n[k]>m) m=n[k]} print g, s, m}'",
             "polars-bio": polars_bio("gff_exons_by_type", "{genes}"), "oxbow": oxbow("gff_exons_by_type", "{genes}"),
         }, [("awk", 0.6)]),
    Task("gff_region", "count in 10 Mb", "", "{gf} count --threads {t} {genes} {site_region}", {
        "tabix": "tabix {genes} {site_region} | wc -l", "polars-bio": polars_bio("gff_region", "{genes}"),
        "oxbow": oxbow("gff_region", "{genes}"), "pysam": python("pysam", "gff_region", "{genes}"),
    }, [("wall", 0.060)], needs_index=True),

    Task("fastq_count_bgzf", "count, BGZF", "fastq", "{gf} count --threads {t} {fastq}", {
        "bgzip|wc": "bgzip -dc -@{t} {fastq} | wc -l | awk '{print $1/4}'",
        "dnaio": python("dnaio", "fastq_count", "{fastq}"), "polars-bio": polars_bio("fastq_count", "{fastq}"),
        "biobear": biobear("fastq_count", "{fastq}"), "oxbow": oxbow("fastq_count", "{fastq}"),
    }, [("dnaio", 1.0)]),
    Task("fastq_count_gz", "count, plain gzip", "fastq_gz", "{gf} count --threads {t} {fastq_gz}", {
        "igzip|wc": "igzip -dc {fastq_gz} | wc -l | awk '{print $1/4}'",
        "dnaio": python("dnaio", "fastq_count", "{fastq_gz}"),
        "polars-bio": polars_bio("fastq_count", "{fastq_gz}"),
        "biobear": biobear("fastq_count", "{fastq_gz}"), "oxbow": oxbow("fastq_count", "{fastq_gz}"),
    }, [("floor", 1.15)]),
    Task("fastq_qc", "reads, bases, mean quality, GC, by position", "fastq",
         r"""{gf} stats --threads {t} {fastq} | awk -F'\t' '$1=="reads" {n=$2} $1=="bases" {b=$2} $1=="GC" {g=$2+0} """
         r"""$1=="mean quality" {q=$2} END {print n, b, q, g}'""", {
        "seqtk": r"""seqtk fqchk -q 0 {fastq} | awk '$1=="ALL" {b=$2; g=$4+$5; q=$8} $1=="1" {n=$2} """
                 r"""END {printf "%d %.0f %.1f %.1f\n", n, b, q, g}'""",
        "fastp": ("fastp -w {t} -A -G -Q -L -i {fastq} -j {o} -h /dev/null 2>/dev/null",
                  "{main} {here}/peers/fastp_answer.py {o}"),
    }, [("seqtk", 0.8)]),

    # bedtools reads intervals in order. It says 0 for what overlaps, and one more than the bases between for the rest.
    Task("iv_count", "overlaps of 0.44 M intervals with 2 M, counted", "",
         sql("SELECT sum(count) FROM count_overlaps('{exons}', '{chain}')"), {
             "bedtools": "bedtools intersect -c -sorted -a {exons} -b {chain} | awk '{s+=$NF} END {print s}'",
             "polars-bio": polars_bio("iv_count", "{exons},{chain}"),
         }, [("bedtools", 0.67), ("polars-bio", 0.33)], streaming=False),
    Task("iv_pairs", "pairs of 0.44 M intervals and 2 M that overlap, as text", "",
         ("{gf} sql --threads {t} --format tsv --no-header \"SELECT a.chrom, a.start, a.end, b.chrom, b.start, b.end "
          "FROM '{exons}' a JOIN '{chain}' b ON overlaps(a.chrom, a.start, a.end, b.chrom, b.start, b.end)\" | wc -l"), {
             "bedtools": "bedtools intersect -wa -wb -sorted -a {exons} -b {chain} | wc -l",
             "polars-bio": polars_bio("iv_pairs", "{exons},{chain}"),
         }, [("bedtools", 0.67), ("polars-bio", 0.33)], streaming=False),
    Task("vcf_x_exons", "variants in exons by gene: how many genes, how many pairs", "",
         sql("SELECT count(*), sum(n) FROM (SELECT attr_gene_name, count(*) AS n FROM '{genes}' g JOIN '{sites}' v ON "
             "overlaps(g.seqid, g.start, g.end, v.chrom, v.pos, v.end) WHERE g.feature = 'exon' GROUP BY attr_gene_name)"), {
             "polars-bio": polars_bio("vcf_x_exons", "{sites},{genes}"),
         }, [("polars-bio", 0.67)], streaming=False),
    Task("iv_nearest", "the nearest of 2 M intervals to each of 0.44 M", "",
         sql("SELECT count(*), sum(distance) FROM nearest('{exons}', '{chain}')"), {
             "bedtools": "bedtools closest -t first -d -a {exons} -b {chain} | "
                         "awk '{if ($NF>0) s+=$NF-1; n++} END {print n, s}'",
             "polars-bio": polars_bio("iv_nearest", "{exons},{chain}"),
         }, [("bedtools", 0.67), ("polars-bio", 0.33)], streaming=False),
    Task("iv_coverage", "bases of 0.44 M intervals that 2 M cover", "",
         sql("SELECT count(*), sum(covered) FROM coverage('{exons}', '{chain}')"), {
             "bedtools": "bedtools coverage -sorted -a {exons} -b {chain} | awk '{s+=$5; n++} END {print n, s}'",
             "polars-bio": polars_bio("iv_coverage", "{exons},{chain}"),
         }, [("bedtools", 0.67), ("polars-bio", 0.33)], streaming=False),
    Task("iv_merge", "2 M intervals merged", "",
         sql("SELECT count(*), sum(end - start) FROM merge('{chain}')"), {
             "bedtools": "bedtools merge -i {chain} | awk '{s+=$3-$2; n++} END {printf \"%d %.0f\\n\", n, s}'",
             "polars-bio": polars_bio("iv_merge", "{chain}"),
         }, [("bedtools", 0.67), ("polars-bio", 0.33)], streaming=False),
]
