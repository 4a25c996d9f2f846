"""exons.bed and chain.bed in the shape of AIList's sets of these names: many short intervals in clumps, and more of them
of which a few are very long and hold thousands of others. Sorted as `sort -k1,1 -k2,2n` does."""
import os

import numpy as np

from common import HUMAN, random, spread


def short(r, n):
    return r.lognormal(4.9, 0.8, n)


def nested(r, n):
    return np.where(r.random(n) < 0.97, r.lognormal(5.2, 1.4, n), r.lognormal(10.5, 1.6, n))


def write(out, seed, name, n, lengths, clump):
    r = random(seed, name)
    numbers = dict(zip(HUMAN, spread(r, HUMAN, n)))
    with open(os.path.join(out, name + ".bed"), "w") as file:
        for (contig, size), k in sorted(numbers.items()):
            centres = r.integers(0, size - 1000, max(1, k // clump))
            near = r.choice(centres, k) + r.normal(0, 3000, k)
            starts = np.where(r.random(k) < 0.75, near, r.integers(0, size, k)).astype(np.int64).clip(0, size - 2)
            ends = np.minimum(starts + lengths(r, k).astype(np.int64).clip(1), size)
            order = np.lexsort((ends, starts))
            file.writelines(f"{contig}\t{a}\t{b}\n" for a, b in zip(starts[order].tolist(), ends[order].tolist()))


def write_beds(out, seed, exons, chain):
    write(out, seed, "exons", exons, short, 14)
    write(out, seed, "chain", chain, nested, 20)
