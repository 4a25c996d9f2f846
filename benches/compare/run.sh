#!/usr/bin/env bash
# Compares gf with its peers, all in one command: installs the peers, makes the data, builds gf and the floors, runs every
# task, and prints the report. docs/benchmarking.md tells what is measured.
#   benches/compare/run.sh [--scale 1] [--seed 1] [--reads novaseq|hiseq|long] [--level 6]      of the data
#                          [--tasks 'bam_*,…'] [--peers NAME,…] [--threads 1,2] [--repeats 5] [--unindexed]
#                          [--work FOLDER]      for peers and data; default target/compare
#                          [--data FOLDER]      data that is there already
#                          [--keep FOLDER]      for report.md and runs.jsonl; default in the work folder
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/compare data='' keep=''
making=() running=()
while (($#)); do
  case $1 in
    --unindexed) running+=("$1"); shift; continue ;;
    --scale | --seed | --reads | --level) making+=("$1" "${2:?}") ;;
    --tasks | --peers | --threads | --repeats | --timeout) running+=("$1" "${2:?}") ;;
    --work) work=${2:?} ;; --data) data=${2:?} ;; --keep) keep=${2:?} ;;
    -h | --help) sed -n '2,/^set/s/^# \?//p' "$0"; exit ;;
    *) echo "unknown option $1; --help lists them" >&2; exit 2 ;;
  esac
  shift 2
done

"$here/install_peers.sh" "$work" >&2
if [[ -z $data ]]; then
  data=$work/data$(printf '%s' "${making[@]/--/-}")
  PYTHON=$work/venv/main/bin/python PATH=$work/bin:$PATH "$here/make_data.sh" "$data" "${making[@]}"
fi
# With the features of every other command of the workspace, so that nothing is built twice.
cargo build --release --locked --all-features --manifest-path "$root/Cargo.toml" --bin gf --example inflate >&2
target=$(cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
  sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
keep=${keep:-$work/results}
mkdir -p "$keep"
"$work/venv/main/bin/python" "$here/run.py" --work "$work" --data "$data" --gf "$target/release/gf" \
  --inflate "$target/release/examples/inflate" --keep "$keep/runs.jsonl" "${running[@]}" | tee "$keep/report.md"
