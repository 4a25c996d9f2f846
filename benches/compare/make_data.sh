#!/usr/bin/env bash
# Makes the benchmarks' data, the same for the same options, without a network. Parts that are there are kept.
#   benches/compare/make_data.sh OUT [--scale 1] [--seed 1] [--reads novaseq|hiseq|long] [--level 6] [--only PART,…]
# Parts: bam (with ref.fa and regions1000.bed), fastq (needs bam's reads, so both are made), sites, cohort, genes, beds.
# PYTHON is one with numpy and msprime; install_peers.sh installs it and the programs.
set -euo pipefail
out=$1 scale=1 seed=1 reads=novaseq level=6 only=bam,fastq,sites,cohort,genes,beds
shift
while (($#)); do
  case $1 in
    --scale) scale=$2 ;; --seed) seed=$2 ;; --reads) reads=$2 ;; --level) level=$2 ;; --only) only=$2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
here=$(cd "$(dirname "$0")" && pwd)
threads=$(nproc)
mkdir -p "$out"
# Data of other options must not be mistaken for these.
made="scale $scale seed $seed reads $reads level $level"
if [[ -e $out/made ]]; then
  [[ $(<"$out/made") == "$made" ]] || { echo "$out holds data of $(<"$out/made")" >&2; exit 1; }
elif [[ -n $(ls -A "$out") ]]; then
  echo "$out holds other files" >&2
  exit 1
fi
echo "$made" >"$out/made"

make() { # PART
  echo "making $1" >&2
  OMP_NUM_THREADS=1 "${PYTHON:-python3}" "$here/data/make.py" "$out" "$1" --seed "$seed" --scale "$scale" --reads "$reads"
}
wanted() { # PART FILE
  [[ ,$only, == *,$1,* && ! -e $out/$2 ]]
}
quiet() {
  "$@" 2>"$out/log" || { tail -5 "$out/log" >&2; return 1; }
}

# What is made last tells that a part is whole.
if wanted bam wgs.bam.bai || wanted fastq fq_R1.fastq.gz; then
  make reference
  samtools faidx "$out/ref.fa"
  make regions
  make reads
  group='@RG\tID:L1\tSM:NA00001\tLB:lib1\tPL:ILLUMINA'
  if [[ $reads == long ]]; then
    quiet minimap2 -t "$threads" -ax map-ont --MD -Y -R "$group" -o "$out/aligned.sam" "$out/ref.fa" "$out/reads_R1.fq"
  else
    quiet bwa index "$out/ref.fa"
    quiet bwa mem -t "$threads" -Y -K 100000000 -R "$group" -o "$out/pairs.sam" "$out/ref.fa" "$out"/reads_R?.fq
    quiet samblaster --addMateTags -i "$out/pairs.sam" -o "$out/aligned.sam"
  fi
  samtools sort -@"$threads" -m 600M -l "$level" -T "$out/sort" -o "$out/wgs.bam" "$out/aligned.sam" 2>/dev/null
  samtools index -@"$threads" "$out/wgs.bam"
  head -n "$(awk -v s="$scale" 'BEGIN {print int(500000 * s) * 4}')" "$out/reads_R1.fq" >"$out/fq_R1.fastq"
  bgzip -@"$threads" -l "$level" -c "$out/fq_R1.fastq" >"$out/fq_R1.bgzf.fastq.gz"
  gzip -"$level" -n -c "$out/fq_R1.fastq" >"$out/part.gz"
  mv "$out/part.gz" "$out/fq_R1.fastq.gz"
  rm -f "$out"/*.sam "$out"/*.fq "$out"/fq_R1.fastq "$out"/ref.fa.[!f]*
fi
for part in sites cohort; do
  wanted $part $part.vcf.gz.tbi || continue
  [[ $part == sites || -e $out/ref.fa ]] || make reference
  make $part
  bgzip -@"$threads" -l "$level" -f "$out/$part.vcf"
  tabix -f -p vcf "$out/$part.vcf.gz"
done
if wanted genes genes.gff3.gz.tbi; then
  make genes
  bgzip -@"$threads" -l "$level" -f "$out/genes.gff3"
  tabix -f -p gff "$out/genes.gff3.gz"
fi
if wanted beds chain.bed; then
  make beds
fi
rm -f "$out/log"
