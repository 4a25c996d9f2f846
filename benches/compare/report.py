#!/usr/bin/env python3
"""Tables of kept runs, as markdown: report.py RUNS.jsonl"""
import json
import statistics
import sys

from tasks import TASKS

MEMORY_LIMIT = 100
GAIN_LIMIT = 0.9


def same(one, other):
    """Whether two answers agree: whole numbers and words exactly, decimals to a millionth or as far as both are printed."""
    one, other = one.split(), other.split()
    return len(one) == len(other) and all(map(same_word, one, other))


def same_word(a, b):
    if a == b:
        return True
    try:
        x, y = float(a), float(b)
    except ValueError:
        return False
    places = min(len(w.partition(".")[2]) for w in (a, b)) if "." in a and "." in b else 0
    return ("." in a or "." in b) and abs(x - y) <= max(1e-6 * abs(x), 10.0 ** -places if places else 0)


class Measures:
    """Of one peer at one task and number of threads."""

    def __init__(self, runs):
        done = [r for r in runs if r["code"] == 0]
        self.error = next((r.get("error", "failed") for r in runs if r["code"]), None)
        self.answer = next((r["answer"] for r in done if "answer" in r), None)
        # Whether it gave another answer in another run.
        self.steady = all(same(self.answer, r["answer"]) for r in done if "answer" in r)
        self.runs = len(done)
        if done and self.error is None:
            self.cpu = statistics.median(r["cpu"] for r in done)
            self.least = min(r["cpu"] for r in done)
            self.wall = statistics.median(r["wall"] for r in done)
            self.rss = max(r["rss"] for r in done)


class Results:
    def __init__(self, lines):
        runs = {}
        for line in lines:
            if "code" in line:
                runs.setdefault((line["task"], line["threads"]), {}).setdefault(line["peer"], []).append(line)
        self.of = {key: {peer: Measures(r) for peer, r in peers.items()} for key, peers in runs.items()}
        self.instructions = {l["peer"]: l["instructions"] for l in lines if "instructions" in l}
        self.head = next((l for l in lines if "host" in l), {})

    def usable(self, task, threads):
        """The measures of those that ran to the end."""
        return {p: m for p, m in self.of.get((task, threads), {}).items() if m.error is None}

    def differing(self, task, threads):
        """The peers whose answers are not ours."""
        found = {p: m for p, m in self.usable(task, threads).items() if p != "floor"}
        if "gf" not in found:
            return []
        return [p for p, m in found.items() if not m.steady or m.answer is None or not same(m.answer, found["gf"].answer)]


def target(results, task, threads, kind, limit):
    """What is promised, what is measured, and whether it is kept; None where it cannot be told."""
    found = results.usable(task.name, threads)
    gf = found.get("gf")
    if gf is None:
        return None
    peers = {p: m for p, m in found.items() if p not in ("gf", "floor")}
    if kind == "best":
        if not peers:
            return None
        name = min(peers, key=lambda p: peers[p].cpu)
        value = gf.cpu / peers[name].cpu
        return f"≤ {limit} × best ({name})", f"{value:.2f}", value <= limit
    if kind == "wall":
        return f"≤ {limit * 1000:.0f} ms", f"{gf.wall * 1000:.1f} ms", gf.wall <= limit
    if kind == "memory":
        return f"≤ {limit} MB", f"{gf.rss:.0f} MB", gf.rss <= limit
    if kind == "gain":
        one = results.usable(task.name, 1)
        if "floor" not in found or "floor" not in one or "gf" not in one:
            return None
        ours, floor = one["gf"].wall / gf.wall, one["floor"].wall / found["floor"].wall
        return f"≥ {limit} × the floor's gain", f"{ours:.2f} of {floor:.2f}", ours >= limit * floor
    if kind.startswith("net of "):
        peer = kind.removeprefix("net of ")
        start = results.usable("startup", threads)
        if peer not in found or "gf" not in start or peer not in start:
            return None
        value = (gf.cpu - start["gf"].cpu) / max(1e-4, found[peer].cpu - start[peer].cpu)
        return f"≤ {limit} × {peer}, less start-up", f"{value:.2f}", value <= limit
    if kind not in found:
        return None
    value = gf.cpu / found[kind].cpu
    return f"≤ {limit} × {kind}", f"{value:.2f}", value <= limit


def targets(results, task, threads):
    wanted = list(task.targets)
    if threads > 1 and task.file and task.file != "fastq_gz":
        wanted.append(("gain", GAIN_LIMIT))
    if threads > 1 and task.streaming:
        wanted.append(("memory", MEMORY_LIMIT))
    return [t for t in (target(results, task, threads, *w) for w in wanted) if t]


def write(lines):
    """The report, and whether all answers agree."""
    results = Results(lines)
    head, right = results.head, True
    promised = ["| task | threads | target | measured | |", "|---|---|---|---|---|"]
    measured = ["| task | threads | | CPU s, median | min | wall s | MB | × best peer | × floor | runs |",
                "|---|---|---|---|---|---|---|---|---|---|"]
    wrong = []
    for task in TASKS:
        for threads in sorted(t for name, t in results.of if name == task.name):
            found = results.usable(task.name, threads)
            for peer, m in results.of[task.name, threads].items():
                if m.error is not None:
                    wrong.append(f"- {task.name}, {threads} threads: {peer} failed: {' '.join(m.error.split())[-200:]}")
                    right = right and peer != "gf"
            differing = results.differing(task.name, threads)
            if differing:
                right = False
                wrong.append(f"- {task.name}, {threads} threads: **answers differ**: " + ", ".join(
                    f"{p} `{found[p].answer}`" for p in ["gf", *(d for d in differing if d != "gf")]))
            believed = "gf" in found and not differing
            if believed:
                for promise, value, kept in targets(results, task, threads):
                    promised.append(f"| {task.name} | {threads} | {promise} | {value} | {'met' if kept else '**not met**'} |")
            best = min((m.cpu for p, m in found.items() if p not in ("gf", "floor")), default=None)
            floor = found["floor"].cpu if "floor" in found else None
            rank = {"gf": -1, "floor": 1}
            for peer, m in sorted(found.items(), key=lambda item: (rank.get(item[0], 0), item[1].cpu)):
                ratio = f"{m.cpu / best:.2f}" if best and believed and peer != "floor" else ""
                above = f"{m.cpu / floor:.2f}" if floor and believed and peer != "floor" else ""
                measured.append(f"| {task.name} | {threads} | {peer} | {m.cpu:.3f} | {m.least:.3f} | {m.wall:.3f} | "
                                f"{m.rss:.0f} | {ratio} | {above} | {m.runs} |")
    text = ["# Comparison with peers", "",
            f"{head.get('date')}, {head.get('host')}: {head.get('cores')} cores, {head.get('processor')}. "
            f"Commit {head.get('commit')}, {head.get('gf')}. Data: {head.get('data')}"
            f"{', read without indexes' if head.get('unindexed') else ''}; bytes: " + ", ".join(
                f"{name} {size}" for name, size in head.get("sizes", {}).items()) + ".", "",
            "Peers: " + ", ".join(head.get("versions", [])) + ".", "",
            "CPU is user and system time of the whole process tree; runs are interleaved, those of one thread pinned to "
            "one core. The floor inflates the file and checks its checksums, nothing else.", ""]
    if wrong:
        text += ["## Wrong", "", *wrong, ""]
    text += ["## Targets", "", *promised, ""]
    if results.instructions:
        text += ["Instructions to print the version: " + ", ".join(
            f"{peer} {count / 1e6:.1f} million" for peer, count in results.instructions.items() if count) + ".", ""]
    text += ["## Measured", "", *measured]
    return "\n".join(text), right


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(write([json.loads(line) for line in file])[0])
