"""Simulated reads of a diploid donor: pairs of 150 bp, with binned or full qualities, or long reads."""
import os
import uuid

import numpy as np

from common import BASES, N, bases, load_reference, other_base, random, reverse_complement, COMPLEMENT

LENGTH = 150
ADAPTER = np.frombuffer(b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCACATTACTCGATCTCGTATGCCGTCTTCTGCTTG" + b"G" * 100, np.uint8)
HEADS = {"novaseq": b"@A00744:187:HT5WYDSX3:", "hiseq": b"@HISEQ2:187:C5WYDACXX1:"}


def donor(reference, seed):
    """Two haplotypes of each contig: a variant every 1,000 bases, of eight one an indel, two thirds heterozygous."""
    r = random(seed, "donor")
    haplotypes = ([], [])
    for sequence in reference.values():
        at = np.unique(r.integers(200, len(sequence) - 200, r.poisson(len(sequence) * 9.8e-4)))
        at = at[sequence[at] != N]
        kind, zygosity = r.random(len(at)), r.random(len(at))
        lengths = np.minimum(60, r.geometric(0.35, len(at)))
        alternate = other_base(r, sequence[at])
        for which, pieces in enumerate(haplotypes):
            has = (zygosity < 0.34) | ((zygosity < 0.67) if which == 0 else (zygosity >= 0.67))
            out, done = [], 0
            for p, k, base, n in zip(at[has].tolist(), kind[has], alternate[has], lengths[has].tolist()):
                if p < done:
                    continue
                out.append(sequence[done:p])
                if k < 0.867:
                    out.append(np.array([base], np.uint8))
                    done = p + 1
                elif k < 0.934:
                    out += [sequence[p:p + 1], bases(r, n, 0.42)]
                    done = p + 1
                else:
                    out.append(sequence[p:p + 1])
                    done = p + 1 + n
            out.append(sequence[done:])
            pieces.append(np.concatenate(out))
    return haplotypes


def binned_qualities(r, n, bad):
    """Four values, in runs, as instruments since 2017 write them."""
    quality = np.empty((n, LENGTH), np.uint8)
    state = np.zeros(n, np.uint8)
    for cycle in range(LENGTH):
        ramp = 0.35 + 1.4 * (cycle / LENGTH) ** 2 + (1.5 if cycle < 3 else 0)
        leave = r.random(n) < np.minimum(0.5, 0.06 * bad * ramp)
        back = r.random(n) < np.maximum(0.15, 0.72 - 0.05 * bad)
        lower = np.where(r.random(n) < 0.5, 1, 2)
        state = np.where(state == 0, np.where(leave, lower, 0), np.where(back, 0, lower)).astype(np.uint8)
        quality[:, cycle] = state
    return np.array([37, 25, 11], np.uint8)[quality]


def full_qualities(r, n, bad):
    """All values from 2 to 41, falling along the read."""
    quality = np.empty((n, LENGTH), np.uint8)
    walk = r.normal(0, 1, n)
    for cycle in range(LENGTH):
        walk = 0.86 * walk + 0.51 * r.normal(0, 1, n)
        mean = 39.5 + (1.2 - 2.2 * bad) * (0.5 + 0.9 * cycle / LENGTH) - 7 * (cycle / LENGTH) ** 3 - 4 * (cycle < 4)
        quality[:, cycle] = np.clip(np.rint(mean + 3.1 * np.minimum(walk, 1.0)), 2, 41)
    tail = (bad > 4) & (r.random(n) < 0.5)
    quality[tail[:, None] & (np.arange(LENGTH) >= r.integers(60, LENGTH, n)[:, None])] = 2
    return quality


class Fragments:
    """Where fragments of the donor lie: haplotype, start, length."""

    def __init__(self, reference, haplotypes):
        self.names = list(reference)
        self.genome = [np.concatenate(h) for h in haplotypes]
        self.lengths = [np.array([len(s) for s in h]) for h in haplotypes]
        self.offsets = [np.concatenate([[0], np.cumsum(n)]) for n in self.lengths]
        self.gc = [np.concatenate([[0], np.cumsum(np.isin(g, (67, 71)), dtype=np.int32)]) for g in self.genome]
        self.gaps = [np.concatenate([[0], np.cumsum(g == N, dtype=np.int32)]) for g in self.genome]
        weights = np.array([len(s) * (45 if n == "chrM" else 1) for n, s in reference.items()], float)
        self.weights = weights / weights.sum()

    def draw(self, r, n):
        """About `n` of them, fewer where G and C are rare or frequent; one in twelve twice."""
        tried = int(n * 1.5)
        haplotype = r.integers(0, 2, tried)
        contig = r.choice(len(self.names), tried, p=self.weights)
        size = np.clip(np.rint(r.normal(430, 95, tried)), 90, 900).astype(np.int64)
        start, gc, gaps = np.empty(tried, np.int64), np.empty(tried), np.empty(tried)
        for h in (0, 1):
            k = haplotype == h
            room = np.maximum(1, self.lengths[h][contig[k]] - size[k] - 1)
            start[k] = self.offsets[h][contig[k]] + (r.random(k.sum()) * room).astype(np.int64)
            end = start[k] + size[k]
            gc[k] = (self.gc[h][end] - self.gc[h][start[k]]) / size[k]
            gaps[k] = self.gaps[h][end] - self.gaps[h][start[k]]
        taken = np.flatnonzero((gaps == 0) & (r.random(tried) < np.exp(-((gc - 0.43) / 0.20) ** 2)))[:n]
        copies = int(len(taken) * 0.085)
        taken[-copies:] = taken[r.integers(0, len(taken) - copies, copies)]
        taken = r.permutation(taken)
        return haplotype[taken], start[taken], size[taken]


def ends(r, fragments, n):
    """The bases of both ends of `n` fragments, without sequencing errors."""
    haplotype, start, size = fragments.draw(r, n)
    n = len(start)
    along = np.arange(LENGTH)
    pair = [np.empty((n, LENGTH), np.uint8), np.empty((n, LENGTH), np.uint8)]
    for h in (0, 1):
        k = np.flatnonzero(haplotype == h)
        genome = fragments.genome[h]
        pair[0][k] = genome[np.minimum(start[k][:, None] + along, len(genome) - 1)]
        pair[1][k] = COMPLEMENT[genome[np.maximum((start[k] + size[k] - 1)[:, None] - along, 0)]]
    for i in np.flatnonzero(size < LENGTH).tolist():
        for mate in pair:
            mate[i, size[i]:] = ADAPTER[:LENGTH - size[i]]
    # One in 200 is chimeric (supplementary alignments), one in 80 is junk at one end or both (unmapped).
    for i, j, cut, which in zip(r.choice(n, n // 200, replace=False), r.integers(0, n, n // 200),
                                r.integers(45, 105, n // 200), r.integers(0, 2, n // 200)):
        pair[which][i, cut:] = pair[1 - which][j, cut:]
    junk = r.choice(n, n // 80, replace=False)
    for mate, k in zip(pair, (junk, junk[:len(junk) // 2])):
        mate[k] = bases(r, len(k) * LENGTH, 0.5).reshape(-1, LENGTH)
    swap = r.random(n) < 0.5
    pair[0][swap], pair[1][swap] = pair[1][swap], pair[0][swap].copy()
    return pair


def records(head, mate, tile, x, y, sequence, quality):
    """FASTQ records of one length, as one array of bytes."""
    n = len(sequence)
    parts = [np.broadcast_to(np.frombuffer(head + b"1:", np.uint8), (n, len(head) + 2))]
    for values, digits in ((np.full(n, tile), 4), (x, 5), (y, 5)):
        places = 10 ** np.arange(digits - 1, -1, -1)
        parts += [(48 + values[:, None] // places % 10).astype(np.uint8), np.full((n, 1), ord(":"), np.uint8)]
    tail = np.frombuffer(b" %d:N:0:ATTACTCG+AGGCTATA\n" % mate, np.uint8)
    parts[-1] = np.broadcast_to(tail, (n, len(tail)))
    parts += [sequence, np.broadcast_to(np.frombuffer(b"\n+\n", np.uint8), (n, 3)), quality + 33]
    parts.append(np.full((n, 1), ord("\n"), np.uint8))
    return np.concatenate(parts, axis=1).tobytes()


def write_pairs(out, seed, pairs, profile):
    """reads_R1.fq and reads_R2.fq."""
    reference = load_reference(out)
    fragments = Fragments(reference, donor(reference, seed))
    r = random(seed, profile)
    qualities = binned_qualities if profile == "novaseq" else full_qualities
    error = (10 ** (-np.arange(64) / 10.0) * 1.2 + 4e-4).astype(np.float32)
    with open(os.path.join(out, "reads_R1.fq"), "wb") as one, open(os.path.join(out, "reads_R2.fq"), "wb") as two:
        done, tile = 0, 1101
        while done < pairs:
            pair = ends(r, fragments, min(100_000, pairs - done))
            n = len(pair[0])
            y = 10_000 + np.sort(r.integers(0, 36_000, n))
            x = r.integers(10_000, 32_768, n)
            for mate, file in ((1, one), (2, two)):
                bad = np.clip(r.gamma(0.7, 1.0, n) * (1.0 if mate == 1 else 1.5), 0.05, 12)
                quality = qualities(r, n, bad)
                flat = pair[mate - 1].ravel()
                wrong = np.flatnonzero(r.random(flat.size, dtype=np.float32) < error[quality.ravel()])
                flat[wrong] = other_base(r, flat[wrong])
                unread = np.flatnonzero(r.random(flat.size, dtype=np.float32) < 6e-5)
                flat[unread] = N
                quality.ravel()[unread] = 2
                file.write(records(HEADS[profile], mate, tile, x, y, flat.reshape(n, LENGTH), quality))
            done += n
            tile = tile + 1 if tile % 100 < 78 else tile // 100 * 100 + 101


def write_long(out, seed, count):
    """reads_R1.fq with reads of 1 to 60 kb, of nanopore's qualities and errors."""
    reference = load_reference(out)
    haplotypes = donor(reference, seed)
    r = random(seed, "long")
    big = np.array([len(s) if len(s) > 100_000 else 0 for s in reference.values()], float)
    kernel = np.exp(-np.arange(12) / 4.0)
    kernel /= np.sqrt((kernel * kernel).sum())
    with open(os.path.join(out, "reads_R1.fq"), "wb") as file:
        for _ in range(count):
            genome = haplotypes[int(r.integers(2))][int(r.choice(len(big), p=big / big.sum()))]
            size = int(min(np.clip(r.lognormal(9.05, 0.42), 1000, 60_000), len(genome) - 10))
            start = int(r.integers(0, len(genome) - size))
            sequence = genome[start:start + size]
            sequence = sequence[sequence != N]
            if len(sequence) < 500:
                continue
            if r.random() < 0.5:
                sequence = reverse_complement(sequence)
            wave = np.convolve(r.normal(0, 1, len(sequence)), kernel, "same")
            quality = np.clip(np.rint(r.normal(21, 4) + 7.5 * wave), 2, 50).astype(np.int64)
            wrong, u = 10 ** (-quality / 10.0), r.random(len(sequence))
            sequence = np.where((u >= wrong * 0.45) & (u < wrong * 0.8), BASES[r.integers(0, 4, len(sequence))], sequence)
            copies = np.where(u < wrong * 0.45, 0, np.where((u >= wrong * 0.8) & (u < wrong * 1.1), 2, 1))
            name = uuid.UUID(bytes=r.bytes(16), version=4)
            file.write(b"@%s runid=8f1d3c ch=%d\n" % (str(name).encode(), int(r.integers(1, 3000))))
            file.write(np.repeat(sequence, copies).tobytes() + b"\n+\n")
            file.write((np.repeat(quality, copies) + 33).astype(np.uint8).tobytes() + b"\n")
