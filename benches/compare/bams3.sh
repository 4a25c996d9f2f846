#!/usr/bin/env bash
# BAMS3 beside samtools on the same BAM: sizes, conversion, scans, a region, the way back.
#   benches/compare/bams3.sh IN.bam [RUNS=5] [REGION]       prints a table; keep it with host and date
# Runs are interleaved, so that a busy moment hits all; medians are shown. Answers are compared before any time is.
set -euo pipefail
bam=$1 runs=${2:-5} region=${3:-}
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml" -p genomicframe-bams3 --example measure
measure=$(cargo metadata --format-version 1 --no-deps --manifest-path "$here/Cargo.toml" |
  sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/examples/measure
TIMEFORMAT='%U %S %R'

# Seconds of CPU and of wall clock of a command, one line per run, in a file per name.
run() {
  local name=$1
  shift
  { time "$@" >"$work/out" 2>"$work/err"; } 2>>"$work/$name.times" || { cat "$work/err" >&2; exit 1; }
}
median() { # FILE EXPRESSION
  awk "{print $2}" "$work/$1.times" | sort -g | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}'
}
cpu() { median "$1" '$1+$2'; }
wall() { median "$1" '$3'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }
size() { find "$1" -type f -printf '%s\n' | awk '{s+=$1} END {printf "%d", s}'; }

for level in fast default small; do "$measure" convert "$bam" "$work/$level.bams3" "$level" 2 >"$work/$level.columns"; done
set="$work/default.bams3"
samtools view -C -o "$work/3.0.cram" --output-fmt-option version=3.0 --output-fmt-option no_ref=1 "$bam" 2>/dev/null
reads=$(samtools view -c "$bam")
[[ $("$measure" scan "$set" none 1 | cut -d' ' -f2) == "$reads" ]] || { echo "rows differ" >&2; exit 1; }
"$measure" export "$set" "$work/back.bam" 2 >/dev/null
[[ $(samtools view --no-PG -h "$work/back.bam" | md5sum) == $(samtools view --no-PG -h "$bam" | md5sum) ]] ||
  { echo "the BAM made of the dataset differs" >&2; exit 1; }

for ((i = 0; i < runs; i++)); do
  run bam-rewrite samtools view -b -@2 -o "$work/rewritten.bam" "$bam"
  run convert "$measure" convert "$bam" "$work/again.bams3" default 2
  run export "$measure" export "$set" "$work/again.bam" 2
  run count samtools view -c "$bam"
  run scan4 "$measure" scan "$set" rname,pos,mapq,flag 1
  run scan4-in-process "$measure" scan "$set" rname,pos,mapq,flag 5
  tail -1 "$work/out" | awk '{print $NF, 0, $NF}' >>"$work/scan4-last.times"
  run bams3-all "$measure" scan "$set" all 1
  run bam-all "$measure" scan "$bam" all 1
done

bytes=$(stat -c %s "$bam")
echo "$(date -u +%F), $(uname -n), $(nproc) cores, $(samtools --version | head -1)"
echo "$(basename "$bam"): $reads reads, $bytes bytes; medians of $runs interleaved runs"
echo
echo "size, of the BAM's: CRAM 3.0 without reference $(ratio "$(stat -c %s "$work/3.0.cram")" "$bytes")"
for level in fast default small; do echo "  $level $(ratio "$(size "$work/$level.bams3")" "$bytes")"; done
echo "conversion, 2 threads: $(cpu convert) CPU s, $(wall convert) s; samtools view -b -@2: $(cpu bam-rewrite) CPU s, $(wall bam-rewrite) s"
echo "  reads/s, of samtools': by CPU $(ratio "$(cpu bam-rewrite)" "$(cpu convert)"), by clock $(ratio "$(wall bam-rewrite)" "$(wall convert)")"
echo "  reads/s per core: $(ratio "$reads" "$(cpu convert)")"
echo "back to BAM, 2 threads: $(cpu export) CPU s, $(wall export) s; of samtools' speed: $(ratio "$(wall bam-rewrite)" "$(wall export)")"
echo "scan of rname, pos, mapq, flag: $(cpu scan4) CPU s; samtools view -c: $(cpu count) CPU s"
echo "  less CPU, as whole processes: $(ratio "$(cpu count)" "$(cpu scan4)") times; in process: $(ratio "$(cpu count)" "$(median scan4-last '$1')") times"
echo "scan of all columns to Arrow, 1 thread: BAMS3 $(cpu bams3-all) CPU s, our BAM scan $(cpu bam-all) CPU s: $(ratio "$(cpu bam-all)" "$(cpu bams3-all)") times faster"
if [[ -n $region ]]; then
  read -r _ rows _ less _ <<<"$("$measure" scan "$set" rname,pos,mapq,flag 1 "$region")"
  read -r _ _ _ more _ <<<"$("$measure" scan "$bam" rname,pos,mapq,flag 1 "$region")"
  [[ $rows == $(samtools view -c "$bam" "$region") ]] || { echo "rows of $region differ" >&2; exit 1; }
  echo "$region, 4 columns, $rows reads: $less bytes, BAM with its index $more: $(ratio "$((100 * less))" "$more") %"
fi
