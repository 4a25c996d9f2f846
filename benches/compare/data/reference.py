"""ref.fa: isochores, few CpG, repeats and duplications (so that some reads map nowhere uniquely), runs of N."""
import os

import numpy as np

from common import CONTIGS, N, bases, mutated, random, reverse_complement


def families(r):
    """Repeats as (consensus copies, share of the genome, mean divergence)."""
    alu = np.concatenate([bases(r, 282, 0.60), np.full(22, ord("A"), np.uint8)])
    line = bases(r, 6000, 0.42)
    other = [bases(r, int(r.integers(150, 3000)), r.uniform(0.36, 0.52)) for _ in range(400)]
    return [([mutated(r, alu, 0.03 * k) for k in range(8)], 0.105, 0.11),
            ([mutated(r, line, 0.03 * k) for k in range(6)], 0.17, 0.12),
            (other, 0.16, 0.19)]


def put(r, sequence, piece, at):
    if r.random() < 0.5:
        piece = reverse_complement(piece)
    end = min(len(sequence), at + len(piece))
    sequence[at:end] = piece[:end - at]


def contig(r, length, repeats):
    sequence = np.empty(length, np.uint8)
    at = 0
    while at < length:
        n = int(min(length - at, r.integers(80_000, 300_000)))
        sequence[at:at + n] = bases(r, n, float(np.clip(r.normal(0.405, 0.05), 0.33, 0.60)))
        at += n
    cpg = np.flatnonzero((sequence[:-1] == ord("C")) & (sequence[1:] == ord("G")))
    cpg = cpg[r.random(len(cpg)) < 0.78]
    sequence[cpg] = ord("T")
    for copies, share, divergence in repeats:
        mean = min(900, np.mean([len(c) for c in copies]))
        for _ in range(int(length * share / mean)):
            copy = copies[r.integers(len(copies))]
            piece = copy[-int(min(len(copy), 100 + r.exponential(mean))):]
            put(r, sequence, mutated(r, piece, float(np.clip(r.normal(divergence, 0.05), 0.01, 0.3))),
                int(r.integers(0, length)))
    for _ in range(max(1, int(length * 0.09 / 20_000))):
        n = int(min(60_000, 3000 + r.exponential(17_000), length // 4))
        start, at = r.integers(0, length - n, 2)
        put(r, sequence, mutated(r, sequence[start:start + n], r.uniform(0, 0.01)), int(at))
    sequence[:10_000] = sequence[-10_000:] = N
    middle = length // 3
    sequence[middle:middle + length // 60] = N
    return sequence


def write(out, seed, scale):
    r = random(seed, "reference")
    repeats = families(r)
    contigs = [(name, contig(r, max(250_000, int(length * min(1, scale))), repeats)) for name, length in CONTIGS]
    contigs.append(("chrM", bases(r, 16_569, 0.44)))
    for i in range(12):
        source = contigs[int(r.integers(0, 8))][1]
        n = int(r.integers(5000, 30_000))
        start = int(r.integers(20_000, len(source) - n - 20_000))
        piece = mutated(r, source[start:start + n], 0.02)
        piece[piece == N] = ord("A")
        contigs.append(("chrUn_KI27%04dv1" % (320 + i), piece))
    with open(os.path.join(out, "ref.fa"), "wb") as file:
        for name, sequence in contigs:
            file.write(b">%s\n" % name.encode())
            text = sequence.tobytes()
            file.writelines(text[i:i + 60] + b"\n" for i in range(0, len(text), 60))
