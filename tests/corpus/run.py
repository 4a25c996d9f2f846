#!/usr/bin/env python3
"""Reads every file of a public corpus with `gf`, each in a process of its own, and compares what came with its verdict.

    tests/corpus/run.py --corpus DIR --gf target/release/gf > corpus.md

DIR holds MANIFEST.tsv, a line per file: path, format, counts of records by reference tools, and a class:

    must_count   `gf count` and the rows of `gf view` are exactly that number
    must_error   reading all columns is an error
    others       anything but a panic, an abort, a hang or memory beyond the bound

Every file is also read with `--on-error skip`: rows and records skipped together must be what the other tools count.
Ends with 1 where a promise was broken. Needs Python 3 and nothing else.
"""

import argparse
import collections
import csv
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

READ = {"bam", "sam", "vcf", "gff", "gff3", "bed", "fastq"}
UNREAD = {"bcf", "cram", "fasta", "gtf"}
SECONDS = 20
ADDRESSES = 4 << 30
MEMORY = 256 << 20

POSITION = re.compile(r"\b(line \d+|byte \d+|virtual offset \d+|record \d+)")
HINT = re.compile(r"\([^()]*(\([^()]*\)[^()]*)*\)\s*$")
FIELD = re.compile(r"(?:line \d+|byte \d+|offset [\d:]+|record \d+): [@#\w/ ]+: ")

Run = collections.namedtuple("Run", "code out rows err memory seconds crash")


def run(command):
    """The exit code, first line, number of lines and errors of a command, with what it used."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, preexec_fn=limit)
        hung = False
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - started > SECONDS:
                process.kill()
                hung, (_, status, usage) = True, os.wait4(process.pid, 0)
                break
            time.sleep(0.002)
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        first = out.readline().decode(errors="replace").strip()
        rows = (1 if first else 0) + sum(1 for _ in out)
        message = err.read().decode(errors="replace").strip()
        crash = "hangs" if hung else ""
        if not hung and (process.returncode < 0 or process.returncode > 2 or "panicked" in message):
            crash = f"crashes with {process.returncode}"
        memory = usage.ru_maxrss * 1024
        return Run(process.returncode, first, rows, message, memory, time.monotonic() - started, crash)


def expected(entry):
    counts = [entry[k] for k in ("n_hts124", "n_hts116", "n_other") if entry[k] not in ("-", "err", "")]
    return int(counts[0]) if counts else None


def error_of(run):
    """The error message itself, without warnings that stand before it."""
    lines = [l for l in run.err.splitlines() if l.strip() and not l.startswith("gf: warning: ")]
    errors = [i for i, l in enumerate(lines) if l.startswith("error")]
    return " ".join(l.strip() for l in lines[errors[0]:]) if errors else " ".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--gf", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="paths that hold this text")
    parser.add_argument("--errors", type=pathlib.Path, help="write every error message here")
    options = parser.parse_args()
    gf = str(options.gf.resolve())
    os.chdir(options.corpus)
    with open("MANIFEST.tsv", newline="") as manifest:
        entries = [e for e in csv.DictReader(manifest, delimiter="\t") if options.only in e["path"]]

    with tempfile.NamedTemporaryFile(suffix=".bed") as small:
        small.write(b"chr1\t0\t1\n")
        small.flush()
        base = max(run([gf, "view", small.name, "--format", "json"]).memory for _ in range(3))

    broken, messages = [], []
    table = collections.defaultdict(collections.Counter)
    most = (0, "")
    for entry in entries:
        path, of = entry["path"], entry["format"]
        if of not in READ | UNREAD:
            continue
        kind = entry["class"]
        seen = table[(of, kind)]
        seen["files"] += 1
        count = run([gf, "count", path])
        view = run([gf, "view", path, "--format", "json"])
        skip = run([gf, "view", path, "--format", "json", "--on-error", "skip"])
        null = run([gf, "view", path, "--format", "json", "--on-error", "null"])
        for how, r in (("count", count), ("view", view), ("skip", skip), ("null", null)):
            if r.crash:
                broken.append((path, f"{how} {r.crash}: {r.err[:200]}"))
                seen["crashed"] += 1
            if r.memory > base + MEMORY:
                broken.append((path, f"{how} takes {r.memory >> 20} MB, a small file {base >> 20} MB"))
            most = max(most, (r.memory - base, path))
        for how, r in (("count", count), ("view", view)):
            if r.code == 1 and (not messages or messages[-1][:2] != (path, error_of(r))):
                messages.append((path, error_of(r), how))
        n = expected(entry)
        seen["error" if view.code else "rows"] += 1
        if of in UNREAD:
            if view.code == 0 and view.rows:
                broken.append((path, f"is not read and gives {view.rows} rows"))
            continue
        if kind == "must_count" and n is not None:
            right = count.code == 0 and count.out == str(n) and view.code == 0 and view.rows == n
            seen["right"] += right
            if not right:
                got = count.out if count.code == 0 else count.err[:200]
                rows = view.rows if view.code == 0 else view.err[:200]
                broken.append((path, f"should be {n}: count gives {got}; view {rows}"))
            if skip.code != 0 or skip.rows != n or null.code != 0 or null.rows != n:
                broken.append((path, f"should be {n}: {skip.rows} with skip, {null.rows} with null {skip.err[:100]}"))
        elif kind == "must_error":
            seen["right"] += view.code != 0
            if view.code == 0:
                broken.append((path, f"should be an error and gives {view.rows} rows; reference: {entry['oracle_note'][:150]}"))
            if skip.code == 0 and not skip.err:
                broken.append((path, "skips without a word"))
            if null.code == 0 and not null.err:
                broken.append((path, "makes nulls without a word"))

    print(f"{len(entries)} files; memory at most {most[0] >> 20} MB above the {base >> 20} MB of a small file ({most[1]})\n")
    print("| format | class | files | read | error | as it must be |\n|---|---|---:|---:|---:|---:|")
    for (of, kind), seen in sorted(table.items()):
        right = seen["right"] if kind in ("must_count", "must_error") and of in READ else "–"
        print(f"| {of} | {kind} | {seen['files']} | {seen['rows']} | {seen['error']} | {right} |")

    told = [(p, m) for p, m, _ in messages if entries]
    has = {
        "name the file": [os.path.basename(p) in m for p, m in told],
        "say where": [bool(POSITION.search(m)) for _, m in told],
        "name the field": [bool(FIELD.search(m)) for _, m in told],
        "say what to do": [bool(HINT.search(m)) for _, m in told],
    }
    print(f"\n{len(told)} errors, of which")
    for what, found in has.items():
        print(f"- {sum(found)} ({100 * sum(found) / max(1, len(found)):.1f} %) {what}")
    if options.errors:
        with open(options.errors, "w") as file:
            for (p, m), *flags in zip(told, *has.values()):
                file.write("".join("-FPFH"[i + 1] if f else "-" for i, f in enumerate(flags)) + f"\t{p}\t{m}\n")
    print(f"\n{len(broken)} promises broken")
    for path, what in broken:
        print(f"- {path}: {what}")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
