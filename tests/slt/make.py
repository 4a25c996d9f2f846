#!/usr/bin/env python3
"""Writes the .slt files beside it. Expected rows are what a peer prints, run in tests/data, or are written here by hand with
the reason; never what gf says. Run it where samtools, bcftools, bedtools and awk are, and look at what git shows as changed.
Columns are separated by a space; the peers' tabs become spaces."""
import os, subprocess, sys

here = os.path.dirname(os.path.abspath(__file__))
data = os.path.join(here, "..", "data")
files = {}


def peer(file, sql, command, sort=True):
    """The rows of `sql` are the lines that `command` prints."""
    out = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=data, capture_output=True, text=True)
    # bedtools warns of contigs whose names are of several kinds.
    told = [l for l in out.stderr.splitlines() if l.strip() and "WARNING" not in l and not l.startswith("HLA-")]
    if out.returncode or told:
        sys.exit(f"{command}: {out.stderr}")
    rows = [" ".join(line.split("\t")) for line in out.stdout.splitlines()]
    block(file, sql, rows, "peer: " + command, sort)


def hand(file, sql, rows, why, sort=False):
    block(file, sql, rows, why, sort)


def block(file, sql, rows, why, sort):
    head = "query rowsort" if sort else "query"
    text = "".join(f"# {line}\n" for line in why.split("\n"))
    files.setdefault(file, []).append(text + f"{head}\n{sql}\n----\n" + "".join(r + "\n" for r in rows))


def error(file, sql, told, why="an error, by what it says"):
    files.setdefault(file, []).append(f"# {why}\nstatement error {told}\n{sql}\n")


# -- alignments
A = "alignments"
V = "samtools view"
peer(A, "SELECT count(*) FROM '@/sample.bam'", f"{V} -c sample.bam")
peer(A, "SELECT count(*) FROM read_bam('@/sample.bam', index => 'none')", f"{V} -c sample.bam")
peer(A, "SELECT count(*) FROM '@/sample.unindexed.bam'", f"{V} -c sample.unindexed.bam")
peer(A, "SELECT count(*) FROM '@/header_only.bam'", f"{V} -c header_only.bam")
peer(A, "SELECT rname, count(*) FROM '@/sample.bam' WHERE rname IS NOT NULL GROUP BY rname", f"{V} sample.bam | awk '$3!=\"*\"{{n[$3]++}} END{{for(c in n) print c\"\\t\"n[c]}}'")
peer(A, "SELECT count(*) FROM '@/sample.bam' WHERE rname IS NULL", f"{V} sample.bam | awk '$3==\"*\"' | wc -l")
for q in (0, 1, 30, 60, 255):
    peer(A, f"SELECT count(*) FROM '@/sample.bam' WHERE mapq >= {q}", f"{V} -c -q {q} sample.bam")
for name, bit in [("is_paired", 1), ("is_proper_pair", 2), ("is_unmapped", 4), ("is_mate_unmapped", 8), ("is_reverse", 16), ("is_secondary", 256), ("is_qc_fail", 512), ("is_duplicate", 1024), ("is_supplementary", 2048)]:
    peer(A, f"SELECT count(*) FROM '@/sample.bam' WHERE {name}(flag)", f"{V} -c -f {bit} sample.bam")
    peer(A, f"SELECT count(*) FROM '@/sample.bam' WHERE NOT {name}(flag)", f"{V} -c -F {bit} sample.bam")
peer(A, "SELECT count(*) FROM '@/sample.bam' WHERE flag & 1540 = 0", f"{V} -c -F 1540 sample.bam")
for region, sql in [("chr1", "rname = 'chr1'"), ("chr1:9000-11000", "in_region('chr1:9,000-11,000')"), ("chr2:1-100", "in_region(rname, pos, end, 'chr2:1-100')"), ("chrX:39000", "in_region('chrX:39k')"), ("HLA-A*01:01:01:01", "rname = 'HLA-A*01:01:01:01'"), ("chrUn_empty", "rname = 'chrUn_empty'")]:
    peer(A, f"SELECT count(*) FROM '@/sample.bam' WHERE {sql}", f"{V} -c sample.bam '{region}'")
    peer(A, f"SELECT count(*) FROM read_bam('@/sample.bam', region => '{region}')", f"{V} -c sample.bam '{region}'")
peer(A, "SELECT count(*) FROM read_bam('@/sample.bam', region => ['chr1:1-5000', 'chr1:4000-9000', 'chrX'])", f"{V} -c -M sample.bam chr1:1-5000 chr1:4000-9000 chrX")
peer(A, "SELECT count(*) FROM '@/sample.bam' WHERE in_regions(rname, pos, end, '@/targets3.bed')", f"{V} -c -L targets3.bed sample.bam")
peer(A, "SELECT qname, flag, rname, pos, mapq, cigar FROM '@/sample.bam' WHERE rname = 'chr2' AND pos <= 700", f"{V} sample.bam chr2:1-700 | awk '$4<=700' | cut -f1-6")
peer(A, "SELECT qname, rnext, pnext, tlen FROM '@/sample.bam' WHERE rname = 'chrM' AND pos < 400 AND is_paired(flag) AND rnext IS NOT NULL", f"{V} -f 1 sample.bam chrM:1-399 | awk '$4<400 && $7!=\"*\"{{print $1\"\\t\"($7==\"=\"?$3:$7)\"\\t\"$8\"\\t\"$9}}'")
peer(A, "SELECT qname, seq, qual FROM '@/sample.bam' WHERE rname = 'chr10' AND pos < 300 AND seq IS NOT NULL AND qual IS NOT NULL", f"{V} sample.bam chr10:1-299 | awk '$4<300 && $10!=\"*\" && $11!=\"*\"' | cut -f1,10,11")
peer(A, "SELECT count(*) FROM '@/sample.bam' WHERE seq IS NULL", f"{V} sample.bam | awk '$10==\"*\"' | wc -l")
peer(A, "SELECT tag_rg, count(*) FROM '@/sample.bam' WHERE tag_rg IS NOT NULL GROUP BY tag_rg", f"{V} sample.bam | grep -o 'RG:Z:[^[:blank:]]*' | cut -c6- | sort | uniq -c | awk '{{print $2\"\\t\"$1}}'")
peer(A, "SELECT sum(tag_nm), count(tag_nm) FROM '@/sample.bam'", f"{V} sample.bam | grep -o 'NM:i:[0-9]*' | awk -F: '{{s+=$3; n++}} END{{print s\"\\t\"n}}'")
peer(A, "SELECT count(*) FROM '@/sample.bam' WHERE tag_nm > 2 AND tag_rg = 'rg1'", f"{V} -c -e '[NM]>2 && [RG]==\"rg1\"' sample.bam")
peer(A, "SELECT min(pos), max(pos) FROM '@/sample.bam' WHERE rname = 'chr1'", f"{V} sample.bam chr1 | awk 'NR==1||$4<a{{a=$4}} $4>b{{b=$4}} END{{print a\"\\t\"b}}'")
peer(A, "SELECT sum(length(seq)) FROM '@/sample.bam' WHERE NOT is_secondary(flag) AND NOT is_supplementary(flag)", f"{V} -F 2304 sample.bam | awk '$10!=\"*\"{{s+=length($10)}} END{{print s}}'")
peer(A, "SELECT qname FROM '@/long_cigar.bam' WHERE length(cigar) > 100000", f"{V} long_cigar.bam | awk 'length($6)>100000' | cut -f1")
peer(A, "SELECT qname, pos FROM '@/sample.bam' WHERE rname = 'chr10' ORDER BY pos, qname, flag LIMIT 5", f"{V} sample.bam chr10 | LC_ALL=C sort -t$'\\t' -k4,4n -k1,1 -k2,2n | head -5 | cut -f1,4 || true", sort=False)
error(A, "SELECT nothing FROM '@/sample.bam'", "nothing")
error(A, "SELECT * FROM '@/none.bam'", "no such file")
error(A, "SELECT * FROM read_bam('@/panel.bed')", "panel.bed")
error(A, "SELECT * FROM read_bam('@/sample.bam', region => 'chr1:5-2')", "end lies before its start")
error(A, "SELECT * FROM read_bam('@/sample.bam', regions_of => 'chr1')", "no option is called regions_of")
hand(A, "SELECT count(*) FROM '@/sample.bam' WHERE mapq > NULL", ["0"], "a comparison with null is null, which keeps no row")
hand(A, "SELECT count(*) FROM '@/sample.bam' WHERE rname = 'chr1' AND rname = 'chr2'", ["0"], "no row has two contigs")
hand(A, "SELECT count(*) FROM (SELECT * FROM '@/sample.bam' LIMIT 17)", ["17"], "a limit below the number of rows is reached")
hand(A, "SELECT count(*) FROM (SELECT * FROM '@/sample.bam' LIMIT 0)", ["0"], "a limit of none")

# -- variants
B = "variants"
Q = "bcftools query"
for name in ("cohort.vcf.gz", "cohort.vcf", "cohort.gzip.vcf.gz", "sites.vcf.gz", "header_only.vcf"):
    peer(B, f"SELECT count(*) FROM '@/{name}'", f"bcftools view -H {name} | wc -l")
peer(B, "SELECT chrom, count(*) FROM '@/cohort.vcf.gz' GROUP BY chrom", "bcftools view -H cohort.vcf.gz | cut -f1 | sort | uniq -c | awk '{print $2\"\\t\"$1}'")
peer(B, "SELECT chrom, pos, ref FROM '@/cohort.vcf.gz' WHERE chrom = 'chr10' AND pos < 5000", Q + " -r chr10 -f '%CHROM\\t%POS\\t%REF\\n' cohort.vcf.gz | awk '$2<5000'")
peer(B, "SELECT pos, array_to_string(alt, ',') FROM '@/cohort.vcf.gz' WHERE chrom = 'chr1' AND pos <= 3000 AND alt IS NOT NULL AND cardinality(alt) > 0", Q + " -t chr1:1-3000 -f '%POS\\t%ALT\\n' cohort.vcf.gz | awk '$2!=\".\"'")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE qual > 30", "bcftools view -H -i 'QUAL>30' cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE qual IS NULL", "bcftools view -H -i 'QUAL=\".\"' cohort.vcf.gz | wc -l")
peer(B, "SELECT filter, count(*) FROM '@/cohort.vcf.gz' GROUP BY filter", "bcftools view -H cohort.vcf.gz | cut -f7 | sed 's/^\\.$/NULL/' | sort | uniq -c | awk '{print $2\"\\t\"$1}'")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE is_pass(filter)", "bcftools view -H -f PASS cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE info_dp >= 150", "bcftools view -H -i 'INFO/DP>=150' cohort.vcf.gz | wc -l")
for op, n in ((">", "0.3"), (">=", "0.25"), ("<", "0.1"), ("=", "0.25")):
    peer(B, f"SELECT count(*) FROM '@/cohort.vcf.gz' WHERE info_af {op} {n}", f"bcftools view -H -i 'INFO/AF{op}{n}' cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE info_ac = 3", "bcftools view -H -i 'INFO/AC=3' cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE info_db", "bcftools view -H -i 'INFO/DB=1' cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE info_mq > 40", "bcftools view -H -i 'INFO/MQ>40' cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE cardinality(alt) > 1", "bcftools view -H -i 'N_ALT>1' cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE id IS NOT NULL", "bcftools view -H -k cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE info_dp IS NULL", "bcftools view -H -i 'INFO/DP=\".\"' cohort.vcf.gz | wc -l")
for region in ("chr1:50000-60000", "chr2:1-5000", "chr1:100000-", "chrM", "chrX:9000-9100"):
    peer(B, f"SELECT count(*) FROM read_vcf('@/cohort.vcf.gz', region => '{region}')", f"bcftools view -H -r {region} --regions-overlap 1 cohort.vcf.gz | wc -l")
    peer(B, f"SELECT count(*) FROM '@/cohort.vcf.gz' WHERE in_region('{region}')", f"bcftools view -H -r {region} --regions-overlap 1 cohort.vcf.gz | wc -l")
peer(B, "SELECT pos, sample(format_gt, 'NA12891') FROM '@/cohort.vcf.gz' WHERE chrom = 'chrM' AND sample(format_gt, 'NA12891') IS NOT NULL", Q + " -r chrM -s NA12891 -f '%POS[\\t%GT]\\n' cohort.vcf.gz | awk '$2!=\".\"'")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE sample(format_gt, 'NA12878') = '0/1'", "bcftools view -s NA12878 cohort.vcf.gz | bcftools query -f '[%GT]\\n' | awk '$1==\"0/1\"' | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE sample(format_dp, 'HG00096') > 30", Q + " -s HG00096 -f '[%DP]\\n' cohort.vcf.gz | awk '$1!=\".\" && $1>30' | wc -l")
peer(B, "SELECT min(pos), max(pos), count(DISTINCT chrom) FROM '@/sites.vcf.gz'", Q + " -f '%CHROM\\t%POS\\n' sites.vcf.gz | awk 'NR==1||$2<a{a=$2} $2>b{b=$2} !($1 in s){s[$1];n++} END{print a\"\\t\"b\"\\t\"n}'")
peer(B, "SELECT info_dp, count(*) FROM '@/sites.vcf.gz' GROUP BY info_dp ORDER BY count(*) DESC, info_dp LIMIT 3", Q + " -f '%INFO/DP\\n' sites.vcf.gz | sort | uniq -c | sed 's/ \\.$/ NULL/' | sort -k1,1nr -k2,2n | head -3 | awk '{print $2\"\\t\"$1}'", sort=False)
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE array_to_string(info_ann, ',') LIKE '%missense%'", "bcftools view -H -i 'INFO/ANN~\"missense\"' cohort.vcf.gz | wc -l")
peer(B, "SELECT count(*) FROM '@/cohort.vcf.gz' WHERE in_regions(chrom, pos, end, '@/panel.bed')", "grep -vP '^(browser|track|#)' panel.bed | bedtools intersect -u -a <(bcftools view -H cohort.vcf.gz | awk -v OFS='\\t' '{e=$2+length($4)-1; if (match($8,/(^|;)END=[0-9]+/)) {split(substr($8,RSTART,RLENGTH),x,\"END=\"); if (x[2]>=$2) e=x[2]} print $1,$2-1,e}') -b - | wc -l")
hand(B, "SELECT is_snp('A', 'G'), is_snp('A', 'AG'), is_indel('A', 'AG'), is_transition('A', 'G'), is_transversion('A', 'C'), is_mnp('AC', 'GT')", ["true false true true true true"], "A and G are both purines, A and C are not; a SNP changes one base, an indel the length, an MNP several bases")
hand(B, "SELECT is_snp(NULL, 'G'), is_pass(NULL), is_pass('PASS'), is_pass('q10')", ["false false true false"], "documented: never null, so that NOT keeps all others")
error(B, "SELECT info_nothing FROM '@/header_only.vcf' WHERE no_column = 1", "no_column")
error(B, "SELECT sample(format_gt, 'nobody') FROM '@/cohort.vcf.gz'", "nobody")
error(B, "SELECT * FROM read_vcf('@/cohort.vcf.gz', samples => ['nobody'])", "nobody")

# -- annotations, reads, intervals
C = "annotations"
for name in ("genes.gff3.gz", "genes.gff3", "genes.gzip.gff3.gz"):
    peer(C, f"SELECT count(*) FROM '@/{name}'", f"zcat -f {name} | sed '/^##FASTA/,$d' | grep -vc '^#'")
G = "zcat genes.gff3.gz | grep -v '^#'"
peer(C, "SELECT feature, count(*) FROM '@/genes.gff3.gz' GROUP BY feature", G + " | cut -f3 | sort | uniq -c | awk '{print $2\"\\t\"$1}'")
peer(C, "SELECT strand, count(*) FROM '@/genes.gff3.gz' GROUP BY strand", G + " | cut -f7 | sed 's/^\\.$/NULL/' | sort | uniq -c | awk '{print $2\"\\t\"$1}'")
peer(C, "SELECT phase, count(*) FROM '@/genes.gff3.gz' WHERE feature = 'CDS' GROUP BY phase", G + " | awk '$3==\"CDS\"' | cut -f8 | sed 's/^\\.$/NULL/' | sort | uniq -c | awk '{print $2\"\\t\"$1}'")
peer(C, "SELECT seqid, start, end FROM '@/genes.gff3.gz' WHERE feature = 'gene' AND seqid = 'chrX'", G + " | awk '$3==\"gene\" && $1==\"chrX\"' | cut -f1,4,5")
peer(C, "SELECT attr_id FROM '@/genes.gff3.gz' WHERE feature = 'gene' AND seqid = 'chr2'", G + " | awk '$3==\"gene\" && $1==\"chr2\"' | grep -o 'ID=[^;]*' | cut -c4-")
peer(C, "SELECT count(*) FROM '@/genes.gff3.gz' WHERE attr_parent = 'gene0001.t1'", G + " | grep -cP 'Parent=gene0001\\.t1(;|$)'")
peer(C, "SELECT sum(end - start + 1) FROM '@/genes.gff3.gz' WHERE feature = 'exon'", G + " | awk '$3==\"exon\"{s+=$5-$4+1} END{print s}'")
peer(C, "SELECT count(*) FROM '@/genes.gff3.gz' WHERE score IS NULL", G + " | awk '$6==\".\"' | wc -l")
peer(C, "SELECT count(*) FROM read_gff('@/genes.gff3.gz', region => 'chr2:10000-40000')", "tabix genes.gff3.gz chr2:10000-40000 | wc -l")
peer(C, "SELECT count(*) FROM '@/genes.gff3.gz' WHERE in_region('chr1:1-50,000')", "tabix genes.gff3.gz chr1:1-50000 | wc -l")
hand(C, "SELECT attr_note FROM '@/genes.gff3.gz' WHERE attr_id = 'gene0001'", ["kinase, putative"], "`Note=kinase%2C putative`: percent signs are decoded")
for name in ("reads.fastq", "reads.fastq.gz", "reads.fastq.bgz"):
    peer(C, f"SELECT count(*), sum(length(seq)), sum(length(qual)) FROM '@/{name}'", "awk 'NR%4==2{s+=length($0)} NR%4==0{q+=length($0)} END{print NR/4\"\\t\"s\"\\t\"q}' reads.fastq")
    peer(C, f"SELECT count(*) FROM '@/{name}' WHERE qual LIKE '@%'".replace("LIKE '@%'", "LIKE chr(64) || '%'"), "awk 'NR%4==0 && /^@/' reads.fastq | wc -l")
peer(C, "SELECT id, length(seq) FROM '@/reads.fastq' LIMIT 3", "awk 'NR%4==1{print substr($1,2)} NR%4==2{print length($0)}' reads.fastq | paste - - | head -3 || true", sort=False)
peer(C, "SELECT count(*) FROM '@/reads.fastq' WHERE description IS NULL", "awk 'NR%4==1 && NF==1' reads.fastq | wc -l")
P = "grep -vP '^(browser|track|#)' panel.bed"
peer(C, "SELECT chrom, start, end, name FROM '@/panel.bed' WHERE chrom = 'chr1'", P + " | awk '$1==\"chr1\"' | cut -f1-4")
peer(C, "SELECT count(*), sum(end - start) FROM '@/targets3.bed'", "awk '{s+=$3-$2} END{print NR\"\\t\"s}' targets3.bed")
peer(C, "SELECT chrom, start, end FROM '@/targets3.bed' WHERE start = end", "awk '$2==$3' targets3.bed")
peer(C, "SELECT count(*), sum(block_count) FROM '@/blocks12.bed'", "awk '{s+=$10} END{print NR\"\\t\"s}' blocks12.bed")
peer(C, "SELECT CAST(max(score) AS int), CAST(min(score) AS int) FROM '@/panel.bed'", P + " | awk 'NR==1||$5<a{a=$5} $5>b{b=$5} END{print b\"\\t\"a}'")
error(C, "SELECT * FROM '@/panel.bed' a, '@/panel.bed' b WHERE start = 1", "start")

# -- joins and verbs
D = "intervals"
BAMBED = "<(samtools view -F 4 sample.bam | awk -v OFS='\\t' '{n=$6; l=0; while (match(n,/^[0-9]+[MIDNSHP=X]/)) {k=substr(n,1,RLENGTH); o=substr(k,length(k)); v=substr(k,1,length(k)-1); if (o ~ /[MDN=X]/) l+=v; n=substr(n,RLENGTH+1)} if (l==0) l=1; print $3,$4-1,$4-1+l,$1}')"
GENES = "<(zcat genes.gff3.gz | awk -v OFS='\\t' '$3==\"gene\"{print $1,$4-1,$5}')"
PANEL = "<(grep -vP '^(browser|track|#)' panel.bed | cut -f1-3)"
J = "overlaps(r.rname, r.pos, r.end, p.chrom, p.start, p.end)"
peer(D, f"SELECT count(*) FROM '@/sample.bam' r JOIN '@/panel.bed' p ON {J} WHERE NOT is_unmapped(r.flag)", f"bedtools intersect -a {BAMBED} -b {PANEL} -wa -wb | wc -l")
peer(D, f"SELECT count(*) FROM '@/sample.bam' r WHERE NOT is_unmapped(flag) AND EXISTS (SELECT 1 FROM '@/panel.bed' p WHERE {J})", f"bedtools intersect -a {BAMBED} -b {PANEL} -u | wc -l")
peer(D, f"SELECT count(*) FROM '@/sample.bam' r WHERE NOT is_unmapped(flag) AND NOT EXISTS (SELECT 1 FROM '@/panel.bed' p WHERE {J})", f"bedtools intersect -a {BAMBED} -b {PANEL} -v | wc -l")
peer(D, f"SELECT p.chrom, p.start, p.end, count(r.qname) FROM '@/panel.bed' p LEFT JOIN (SELECT * FROM '@/sample.bam' WHERE NOT is_unmapped(flag)) r ON {J} GROUP BY p.chrom, p.start, p.end, p.name", f"bedtools intersect -a {PANEL} -b {BAMBED} -c")
peer(D, "SELECT count(*) FROM '@/genes.gff3.gz' g JOIN '@/panel.bed' p ON overlaps(g.seqid, g.start, g.end, p.chrom, p.start, p.end) WHERE g.feature = 'gene'", f"bedtools intersect -a {GENES} -b {PANEL} -wa -wb | wc -l")
peer(D, "SELECT count(*) FROM '@/sample.bam' r LEFT JOIN '@/panel.bed' p ON " + J + " WHERE NOT is_unmapped(r.flag)", f"bedtools intersect -a {BAMBED} -b {PANEL} -loj | wc -l")
peer(D, "SELECT chrom, start, end FROM merge('@/panel.bed')", f"sort -k1,1 -k2,2n {PANEL} | bedtools merge -i -")
peer(D, "SELECT a.chrom, a.start, a.end FROM subtract('@/panel.bed', '@/blocks12.bed') a", f"bedtools subtract -a {PANEL} -b <(cut -f1-3 blocks12.bed)")
peer(D, "SELECT chrom, start, end, count FROM count_overlaps('@/panel.bed', '@/blocks12.bed')", f"bedtools intersect -c -a {PANEL} -b <(cut -f1-3 blocks12.bed)")
error(D, "SELECT * FROM merge('@/panel.bed', nothing => 1)", "merge has no argument nothing")
error(D, "SELECT * FROM count_overlaps('@/panel.bed')", "count_overlaps takes two inputs")

# -- the language
E = "language"
hand(E, "SELECT 1 AS end, 2 AS \"End\"", ["1 2"], "`end` is a name like others; quotes keep case")
hand(E, "SELECT CASE WHEN end > 1 THEN 'a' ELSE 'b' END FROM (VALUES (1), (2)) t(end)", ["b", "a"], "`end` as a column and as the end of CASE")
hand(E, "SELECT x FROM (VALUES (1), (NULL), (3)) t(x) WHERE x <> 1", ["3"], "null is not unequal to 1")
hand(E, "SELECT count(*), count(x), sum(x) FROM (VALUES (1), (NULL), (3)) t(x)", ["3 2 4"], "nulls are counted by * alone")
hand(E, "SELECT x IS NULL, x = 1 OR true, x = 1 AND false FROM (VALUES (CAST(NULL AS int))) t(x)", ["true true false"], "logic of three values")
hand(E, "SELECT 2 NOT IN (1, NULL), 1 IN (1, NULL)", ["NULL true"], "not among values of which one is unknown: unknown")
hand(E, "WITH t AS (SELECT chrom, end - start AS n FROM '@/targets3.bed'), u AS (SELECT chrom, sum(n) AS n FROM t GROUP BY chrom) SELECT count(*) = (SELECT count(DISTINCT chrom) FROM '@/targets3.bed') FROM u", ["true"], "a group for each contig")
hand(E, "SELECT (SELECT count(*) FROM '@/targets3.bed') + (SELECT count(*) FROM '@/blocks12.bed')", ["90"], "60 lines and 30 lines")
hand(E, "SELECT count(*) FROM (SELECT chrom FROM '@/targets3.bed' UNION ALL SELECT chrom FROM '@/blocks12.bed')", ["90"], "60 lines and 30 lines")
hand(E, "SELECT count(*) FROM read_bed(['@/targets3.bed', '@/targets3.bed'])", ["120"], "a file named twice is read twice")
hand(E, "SELECT count(*) FROM '@/targets3.bed' a JOIN '@/targets3.bed' b ON a.chrom = b.chrom AND a.start = b.start AND a.end = b.end", ["60"], "no interval of targets3.bed stands twice (sort -u has 60 lines)")
peer(E, "SELECT chrom, start, row_number() OVER (PARTITION BY chrom ORDER BY start, end) FROM '@/targets3.bed'", "LC_ALL=C sort -k1,1 -k2,2n -k3,3n targets3.bed | awk '{print $1\"\\t\"$2\"\\t\"++n[$1]}'")
peer(E, "SELECT chrom, start, lag(end) OVER (PARTITION BY chrom ORDER BY start, end) FROM '@/targets3.bed'", "LC_ALL=C sort -k1,1 -k2,2n -k3,3n targets3.bed | awk '{print $1\"\\t\"$2\"\\t\"($1==c?e:\"NULL\"); c=$1; e=$3}'")
peer(E, "SELECT chrom, sum(end - start) AS n FROM '@/targets3.bed' GROUP BY chrom HAVING sum(end - start) > 5000 ORDER BY n DESC", "awk '{n[$1]+=$3-$2} END{for(c in n) if (n[c]>5000) print c\"\\t\"n[c]}' targets3.bed | sort -k2,2nr", sort=False)
peer(E, "SELECT DISTINCT chrom FROM '@/targets3.bed'", "cut -f1 targets3.bed | sort -u")
peer(E, "SELECT chrom FROM '@/targets3.bed' EXCEPT SELECT chrom FROM '@/blocks12.bed'", "comm -23 <(cut -f1 targets3.bed | sort -u) <(cut -f1 blocks12.bed | sort -u)")
peer(E, "SELECT chrom FROM '@/targets3.bed' INTERSECT SELECT chrom FROM '@/blocks12.bed'", "comm -12 <(cut -f1 targets3.bed | sort -u) <(cut -f1 blocks12.bed | sort -u)")
peer(E, "SELECT count(*) FROM '@/*.fastq'", "echo $(($(wc -l < reads.fastq) / 4))")
error(E, "SELEC 1", "Expected")
error(E, "SELECT * FROM '@/*.nothing'", "no file matches the glob")
error(E, "SELECT count(*) FROM no_table", "no_table")
error(E, "SELECT no_function(1)", "no_function")
error(E, "SELECT 1 / 0", "Divide by zero")
error(E, "SELECT CAST('x' AS int)", "x")

for name, blocks in files.items():
    with open(os.path.join(here, name + ".slt"), "w") as out:
        out.write("# Written by make.py, which says where each row comes from.\n\n" + "\n".join(blocks))
    print(name, len(blocks))
