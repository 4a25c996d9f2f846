"""What the makers of data share: bases, the contigs, random generators, the reference."""
import os

import numpy as np

BASES = np.frombuffer(b"ACGT", np.uint8)
CODE = np.full(256, 4, np.uint8)
COMPLEMENT = np.full(256, ord("N"), np.uint8)
for _i, (_base, _other) in enumerate(zip(b"ACGT", b"TGCA")):
    CODE[_base] = _i
    COMPLEMENT[_base] = _other
N = ord("N")

# The reference that reads come from, 64 Mb at scale 1 and above.
CONTIGS = [("chr%d" % (i + 1), n * 1_000_000) for i, n in enumerate([14, 11, 10, 8, 7, 6, 5, 3])]
# The human contigs that sites and annotations are spread over; they need no sequence.
HUMAN = [248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717, 133797422,
         135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616, 64444167,
         46709983, 50818468, 156040895, 57227415]
HUMAN = [("chr%s" % n, length) for n, length in zip([*range(1, 23), "X", "Y"], HUMAN)]


def random(seed, step):
    """A generator of its own for each step, so that steps can be made alone."""
    return np.random.default_rng([seed, sum(step.encode())])


def bases(r, n, gc):
    """`n` random bases with that share of G and C."""
    p = np.array([1 - gc, gc, gc, 1 - gc]) / 2
    return BASES[np.searchsorted(np.cumsum(p), r.random(n), side="right").clip(0, 3)]


def other_base(r, old):
    """For each base another one; N becomes A, C or G."""
    return BASES[(CODE[old].clip(0, 3) + 1 + r.integers(0, 3, len(old))) % 4]


def mutated(r, sequence, share):
    sequence = sequence.copy()
    at = np.flatnonzero(r.random(len(sequence)) < share)
    sequence[at] = other_base(r, sequence[at])
    return sequence


def reverse_complement(sequence):
    return COMPLEMENT[sequence[::-1]]


def load_reference(out):
    """Contig -> bases, in the file's order."""
    contigs = {}
    with open(os.path.join(out, "ref.fa"), "rb") as file:
        for record in file.read().split(b">")[1:]:
            name, lines = record.split(b"\n", 1)
            contigs[name.decode()] = np.frombuffer(lines.replace(b"\n", b""), np.uint8)
    return contigs


def spread(r, contigs, n):
    """How many of `n` things fall on each contig, by their lengths."""
    weights = np.array([length for _, length in contigs], float)
    return np.bincount(r.choice(len(contigs), n, p=weights / weights.sum()), minlength=len(contigs))
