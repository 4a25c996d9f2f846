#!/usr/bin/env bash
# Makes every sample file of this folder from fixed seeds.
# Needs on PATH: samtools (with wgsim), bcftools, tabix + bgzip, bwa, gzip and python3
# (or PYTHON=...); no Python package is needed. Usage: tests/data/make.sh [output folder]
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dest=${1:-$here}
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
PYTHON=${PYTHON:-python3}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"               # relative names only, so that no path gets into a header
mkdir out
py() { "$PYTHON" "$here/make.py" "$@"; }
log() { echo "== $*" >&2; }

log reference
py ref                                  # ref.fa, targets.fa, chrM.fa, hla.fa, main.fa
samtools faidx ref.fa
bwa index ref.fa 2>/dev/null

log reads
sim() { # seed pairs len1 len2 fasta prefix
  wgsim -S "$1" -N "$2" -1 "$3" -2 "$4" -d 210 -s 30 -e 0.003 -r 0.003 -R 0.3 -X 0.4 -A 0.05 \
    "$5" "$6_1.fq" "$6_2.fq" >/dev/null 2>&1
}
sim 11  850 76 76 main.fa    a.main
sim 12  330 76 76 targets.fa a.tgt
sim 13   40 76 76 hla.fa     a.hla
sim 21  570 50 50 main.fa    b.main
sim 22  230 50 50 targets.fa b.tgt
sim 23  130 50 50 chrM.fa    b.mt
py reads                                # rg1_[12].fq, rg2_[12].fq, se.fq, spliced.sam
bwa mem -t 1 -K 10000000 ref.fa rg1_1.fq rg1_2.fq >rg1.sam 2>/dev/null
bwa mem -t 1 -K 10000000 ref.fa rg2_1.fq rg2_2.fq >rg2.sam 2>/dev/null
bwa mem -t 1 -K 10000000 -a ref.fa se.fq >se.sam 2>/dev/null
py merge >merged.sam
samtools fixmate --no-PG -m merged.sam fixed.bam
samtools sort --no-PG -T srt -o sorted.bam fixed.bam
samtools markdup --no-PG -T mkd sorted.bam marked.bam
samtools view --no-PG -h marked.bam | py decorate >final.sam
samtools view --no-PG -b -o out/sample.bam final.sam
samtools index -b out/sample.bam out/sample.bam.bai
samtools index -c out/sample.bam out/sample.bam.csi
py unsorted <final.sam | samtools view --no-PG -b -o out/sample.unindexed.bam -
samtools view --no-PG -H out/sample.bam | samtools view --no-PG -b -o out/header_only.bam -
samtools index -b out/header_only.bam out/header_only.bam.bai
py longcigar | samtools view --no-PG -b -o out/long_cigar.bam -
samtools index -b out/long_cigar.bam out/long_cigar.bam.bai

log variants
py vcf                                  # cohort.full.vcf, sites.vcf, out/cohort.vcf, out/header_only.vcf
bgzip -c cohort.full.vcf >out/cohort.vcf.gz
tabix -p vcf out/cohort.vcf.gz
bcftools index -c -o out/cohort.vcf.gz.csi out/cohort.vcf.gz
bgzip -c sites.vcf >out/sites.vcf.gz
tabix -p vcf out/sites.vcf.gz
members() { # file cut1 cut2 ... : plain gzip, one member between each two cuts (bytes)
  local f=$1 from=0 to; shift
  for to in "$@" "$(wc -c <"$f")"; do
    tail -c +$((from + 1)) "$f" | head -c $((to - from)) | gzip -n -9
    from=$to
  done
}
n=$(wc -c <out/cohort.vcf)
set +o pipefail                         # head closes the pipe early, on purpose
members out/cohort.vcf 1500 $((n / 2)) >out/cohort.gzip.vcf.gz   # cuts fall inside lines

log annotation, intervals
py gff                                  # genes.full.gff3, out/genes.gff3, out/*.bed
bgzip -c genes.full.gff3 >out/genes.gff3.gz
tabix -p gff out/genes.gff3.gz
gzip -n -9 -c out/genes.gff3 >out/genes.gzip.gff3.gz

log fastq
py fastq >out/reads.fastq
members out/reads.fastq $(($(wc -c <out/reads.fastq) / 2)) >out/reads.fastq.gz
set -o pipefail
bgzip -c out/reads.fastq >out/reads.fastq.bgz

log check
samtools quickcheck out/*.bam
for f in out/*.vcf out/*.vcf.gz; do bcftools view -Ou "$f" >/dev/null; done
bcftools norm -c e -f ref.fa -Ou out/cohort.vcf.gz >/dev/null 2>norm.log || { cat norm.log; exit 1; }
gzip -dc out/cohort.gzip.vcf.gz | cmp - out/cohort.vcf
gzip -dc out/genes.gzip.gff3.gz | cmp - out/genes.gff3
gzip -dc out/reads.fastq.gz | cmp - out/reads.fastq
bgzip -dc out/reads.fastq.bgz | cmp - out/reads.fastq
cp out/* "$dest"/
log done
