#!/usr/bin/env bash
# Installs what the comparison needs, in a folder: programs of Debian, Python libraries each in the newest version that
# installs, and samtools and bcftools newer than Debian's, built from the sources that pysam ships.
#   benches/compare/install_peers.sh FOLDER
# FOLDER/bin and FOLDER/venv hold what is not Debian's; what is there already is kept.
set -euo pipefail
mkdir -p "$1/bin" "$1/venv" "$1/src"
to=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
log=$to/install.log
: >"$log"
logged() { "$@" >>"$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }; }

# Programs, and the libraries that samtools is linked with.
packages=()
for package in samtools bcftools mosdepth tabix seqtk fastp bwa minimap2 samblaster isal mawk gcc make python3-venv \
  zlib1g-dev libbz2-dev liblzma-dev valgrind; do
  dpkg -s "$package" >/dev/null 2>&1 || packages+=("$package")
done
if ((${#packages[@]})); then
  logged apt-get update -qq
  DEBIAN_FRONTEND=noninteractive logged apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

# polars-bio and biobear each want a polars of their own.
venv() { # NAME LIBRARIES…
  local name=$1
  shift
  [[ -e $to/venv/$name/installed ]] && return
  python3 -m venv "$to/venv/$name"
  logged "$to/venv/$name/bin/pip" install -q --upgrade "$@"
  touch "$to/venv/$name/installed"
}
venv main numpy msprime pyarrow polars pysam cyvcf2 dnaio isal oxbow
venv polars-bio polars-bio numpy pyarrow
venv biobear biobear polars pyarrow

# The floor inflates with the libdeflate of our own build, or the ratio would compare two versions of it.
deflate=$(cargo metadata --format-version 1 --locked 2>>"$log" --manifest-path "$here/../../Cargo.toml" |
  "$to/venv/main/bin/python" -c 'import json, os, sys
print(*[os.path.dirname(p["manifest_path"]) for p in json.load(sys.stdin)["packages"] if p["name"] == "libdeflate-sys"])')
if [[ ! -e $to/src/libdeflate/libdeflate.a ]]; then
  cp -r "$deflate/libdeflate" "$to/src/"
  cd "$to/src/libdeflate"
  for source in lib/*.c lib/*/cpu_features.c; do logged gcc -O3 -I. -c "$source" -o "${source//\//_}.o"; done
  ar rcs libdeflate.a ./*.o
fi
deflate=$to/src/libdeflate
logged gcc -O3 -I"$deflate" -o "$to/bin/floor" "$here/floor/bgzf.c" "$deflate/libdeflate.a" -lpthread

# pysam's source distribution holds htslib, samtools and bcftools, without the view on a terminal and the plugins.
if [[ ! -e $to/bin/bcftools ]]; then
  version=$("$to/venv/main/bin/python" -c 'import pysam; print(pysam.__version__)')
  logged "$to/venv/main/bin/pip" download -q --no-binary pysam --no-deps -d "$to/src" "pysam==$version"
  tar xzf "$to/src/pysam-$version.tar.gz" -C "$to/src"
  cd "$to/src/pysam-$version/htslib"
  CPPFLAGS=-I$deflate LDFLAGS=-L$deflate CFLAGS=-O3 logged ./configure --with-libdeflate --disable-libcurl --disable-s3 \
    --disable-gcs
  logged make -j"$(nproc)" lib-static
  for program in samtools bcftools; do
    cd "$to/src/pysam-$version/$program"
    name=${program^^}_VERSION
    echo "#define $name \"$(sh version.sh)\"" >version.h
    touch config.h
    for word in CC CPPFLAGS CFLAGS LDFLAGS HTSDIR LIBS CURSES_LIB; do echo "#define SAMTOOLS_$word \"\"" >>version.h; done
    echo 'int bam_tview_main(int n, char **v) { return 1; }' >no_tview.c
    sources=(*.c)
    [[ $program == samtools ]] && sources+=(lz4/lz4.c)
    for source in "${sources[@]}"; do
      # The others are their copies for use inside Python.
      [[ $source == *pysam.c ]] || echo "$source"
    done | logged xargs -P "$(nproc)" -I{} sh -c \
      'gcc -O3 -w -DPLUGINPATH="\"\"" -DPLUGIN_EXT="\".so\"" -I. -I../htslib -Ilz4 -c {} -o $(basename {}).o'
    logged gcc -rdynamic -o "$to/bin/$program" ./*.o ../htslib/libhts.a "$deflate/libdeflate.a" -lz -lbz2 -llzma -lm \
      -lpthread -ldl
  done
fi

{
  "$to/bin/samtools" --version | head -1
  "$to/bin/bcftools" --version | head -1
  for package in bcftools mosdepth tabix seqtk fastp isal mawk; do
    echo "$package (Debian) $(dpkg-query -W -f '${Version}' "$package")"
  done
  echo "libdeflate $(sed -n 's/.*LIBDEFLATE_VERSION_STRING[[:space:]]*"\(.*\)"/\1/p' "$deflate/libdeflate.h")"
  for name in main polars-bio biobear; do
    "$to/venv/$name/bin/pip" list --format freeze 2>/dev/null |
      sed -n '/^\(pysam\|cyvcf2\|dnaio\|isal\|oxbow\|polars-bio\|biobear\|polars\|pyarrow\|numpy\)==/s/==/ /p' |
      sed "s/^polars \(.*\)/polars \1 (beside $name)/"
  done
} | sort -u >"$to/versions.txt"
cat "$to/versions.txt"
