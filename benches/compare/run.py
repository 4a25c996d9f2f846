#!/usr/bin/env python3
"""Runs the tasks, ours and the peers' in turn, and keeps every run as a line of JSON.

Answers are compared before any time is shown: where they differ there is no ratio, and the exit code is 1.
CPU is user and system time of the whole process tree. Runs with one thread are pinned to one core.
"""
import argparse
import datetime
import fnmatch
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time

import report
from tasks import TASKS

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {"bam": "wgs.bam", "sites": "sites.vcf.gz", "cohort": "cohort.vcf.gz", "genes": "genes.gff3.gz",
         "fastq": "fq_R1.bgzf.fastq.gz", "fastq_gz": "fq_R1.fastq.gz", "regions_bed": "regions1000.bed",
         "exons": "exons.bed", "chain": "chain.bed"}
INDEXES = (".bai", ".csi", ".tbi", ".gzi")
FLOOR = "{floor} {t} {%s}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, help="the folder of install_peers.sh")
    parser.add_argument("--data", required=True, help="the folder of make_data.sh")
    parser.add_argument("--gf", required=True)
    parser.add_argument("--inflate", required=True, help="the example `inflate`, the floor of plain gzip")
    parser.add_argument("--tasks", default="*", help="names with * and ?, separated by commas")
    parser.add_argument("--peers", default="*", help="the same; gf and the floor always run")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--unindexed", action="store_true", help="read the files as if they had no indexes")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--keep", required=True, help="the file for the runs; what is there is kept")
    return parser.parse_args()


def chosen(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns.split(","))


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")[0]


def without_indexes(data, folder):
    """A folder of links to the data and not to the indexes."""
    for name in os.listdir(data):
        if not name.endswith(INDEXES):
            os.symlink(os.path.join(os.path.abspath(data), name), os.path.join(folder, name))
    return folder


def places(args, data):
    """What stands for the names in commands, and the environment that tells Python peers the same."""
    found = {key: os.path.join(data, name) for key, name in FILES.items()}
    for program in ("samtools", "bcftools", "floor"):
        found[program] = os.path.join(args.work, "bin", program)
    for venv in ("main", "polars-bio", "biobear"):
        found[venv] = os.path.join(args.work, "venv", venv, "bin", "python")
    # Debian's.
    found["mosdepth"] = "mosdepth"
    found.update(gf=args.gf, inflate=args.inflate, here=HERE, site_region="chr7:50000001-60000000")
    tags = {}
    view = subprocess.Popen([found["samtools"], "view", found["bam"]], stdout=subprocess.PIPE, text=True)
    for line, _ in zip(view.stdout, range(1000)):
        for tag in line.rstrip("\n").split("\t")[11:]:
            name, kind, _ = tag.split(":", 2)
            tags[name] = kind
    view.kill()
    found["tag_columns"] = ", ".join(f"tag_{tag.lower()}" for tag in tags)
    with open(os.path.join(data, "ref.fa.fai")) as file:
        contig, length = file.read().split("\n")[1].split("\t")[:2]
    start = int(length) * 3 // 11
    found["region"] = f"{contig}:{start + 1}-{start + min(1_000_000, int(length) // 3)}"
    with open(found["regions_bed"]) as file:
        regions = [line.split() for line in file]
    found["regions"] = " ".join(f"{c}:{int(start) + 1}-{end}" for c, start, end in regions)
    return found, ",".join(f"{tag}:{kind}" for tag, kind in tags.items())


def filled(command, values):
    for key, value in values.items():
        command = command.replace("{%s}" % key, str(value))
    return command


def answer(text):
    """The last line, without the word that marks it."""
    lines = [line for line in text.split("\n") if line.strip()]
    return " ".join(lines[-1].removeprefix("ANSWER").split()) if lines else ""


class Runner:
    def __init__(self, values, tags, timeout, scratch):
        self.values, self.tags, self.timeout, self.scratch = values, tags, timeout, scratch
        self.cores = sorted(os.sched_getaffinity(0))

    def environment(self, task, threads):
        values = dict(os.environ, LC_ALL="C", THREADS=str(threads), TAGS=self.tags, PYTHONDONTWRITEBYTECODE="1",
                      REGION=self.values["region" if task.name.startswith("bam") else "site_region"])
        for name in ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "TOKIO_WORKER_THREADS"):
            values[name] = str(threads)
        return values

    def run(self, command, task, threads, core=None):
        """The measures of one process tree."""
        def begin():
            os.setsid()
            if core is not None:
                os.sched_setaffinity(0, {core})

        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            begun = time.perf_counter()
            process = subprocess.Popen(["bash", "-o", "pipefail", "-c", command], stdout=out, stderr=err,
                                       env=self.environment(task, threads), preexec_fn=begin)
            signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, self.timeout)
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:  # an interrupt: it has a session of its own, and would go on
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            wall = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            text, told = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        measured = dict(cpu=usage.ru_utime + usage.ru_stime, system=usage.ru_stime, wall=wall,
                        rss=usage.ru_maxrss / 1024, code=process.returncode)
        # `head` ends the program before it: no failure.
        if process.returncode in (0, 141, -13):
            measured.update(code=0, answer=answer(text))
        else:
            measured.update(error=told.strip()[-400:])
        return measured

    def once(self, task, command, threads, repeat, check):
        """One timed run, and the answer: of the run itself, or, when `check` is set, of what it wrote."""
        line, *after = [command] if isinstance(command, str) else command
        out = os.path.join(self.scratch, "out")
        values = dict(t=threads, x=threads - 1, o=out, null="/dev/null", **self.values)
        core = self.cores[repeat % len(self.cores)] if threads == 1 else None
        measured = self.run(filled(line, values), task, threads, core)
        if after:
            measured.pop("answer", None)
        if after and check and measured["code"] == 0:
            if "{null}" in command[0]:
                self.run(filled(command[0], dict(values, null=out)), task, threads)
            checked = self.run(filled(after[0], values), task, threads)
            measured.update(code=checked["code"], **{k: checked[k] for k in ("answer", "error") if k in checked})
        for name in os.listdir(self.scratch):
            path = os.path.join(self.scratch, name)
            if os.path.isfile(path):
                measured["written"] = measured.get("written", 0) + os.path.getsize(path)
                os.remove(path)
        return measured


def instructions(command):
    """Of a whole process, as callgrind counts them."""
    told = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
                          capture_output=True, text=True, check=False).stderr
    return next((int(line.split()[-1]) for line in told.split("\n") if "Collected" in line), None)


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    keep = open(args.keep, "a")
    lines = []

    def add(**line):
        lines.append(line)
        keep.write(json.dumps(line) + "\n")
        keep.flush()

    with tempfile.TemporaryDirectory(dir=args.work) as links, tempfile.TemporaryDirectory(dir=args.work) as scratch:
        data = without_indexes(args.data, links) if args.unindexed else args.data
        values, tags = places(args, data)
        made = os.path.join(args.data, "made")
        with open(os.path.join(args.work, "versions.txt")) as file:
            versions = file.read().split("\n")
        add(host=platform.node(), cores=os.cpu_count(), date=datetime.datetime.now(datetime.UTC).strftime("%F"),
            processor=first_line("sh", "-c", "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo"),
            commit=first_line("git", "-C", HERE, "describe", "--always", "--dirty"), gf=first_line(args.gf, "--version"),
            data=open(made).read().strip() if os.path.exists(made) else os.path.basename(args.data),
            sizes={name: os.path.getsize(values[name]) for name in FILES if os.path.exists(values[name])},
            unindexed=args.unindexed, repeats=args.repeats, versions=[v for v in versions if v])
        runner = Runner(values, tags, args.timeout, scratch)
        for task in TASKS:
            if not chosen(task.name, args.tasks) or (args.unindexed and task.needs_index):
                continue
            commands = {"gf": task.gf}
            commands.update({p: c for p, c in task.peers.items() if chosen(p, args.peers)})
            if task.file:
                commands["floor"] = "{inflate} {fastq_gz}" if task.file == "fastq_gz" else FLOOR % task.file
            failed = set()
            for repeat in range(args.repeats):
                for threads in map(int, args.threads.split(",")):
                    order = list(commands)
                    turn = (repeat + threads) % len(order)
                    for peer in order[turn:] + order[:turn]:
                        if peer in failed:
                            continue
                        measured = runner.once(task, commands[peer], threads, repeat, check=repeat == 0)
                        add(task=task.name, peer=peer, threads=threads, repeat=repeat, **measured)
                        if measured["code"]:
                            failed.add(peer)
                        print(f"{task.name:18} {threads} {peer:14} cpu {measured['cpu']:7.3f} wall {measured['wall']:7.3f}"
                              f" {measured['rss']:6.0f} MB  {measured.get('answer', measured.get('error', ''))[-100:]}",
                              file=sys.stderr)
            if task.name == "startup":
                for peer in ("gf", "samtools"):
                    add(task=task.name, peer=peer, instructions=instructions([values[peer], "--version"]))
    text, right = report.write(lines)
    print(text)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    # A process's peak memory counts from before it becomes another program: this one is kept small.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
