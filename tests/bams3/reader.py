"""Reads BAMS3 1.0 datasets: a reference implementation, written from docs/bams3-spec.md alone. Clear, not fast.

    python3 reader.py DATASET [--region CHR[:START-END]]

Prints SAM text: the header and all records in order, or those that overlap a region (1-based, both ends included), of
which only the row groups that may hold them are read. Every checksum met on the way is verified; without a region that
is every one there is, and the statistics are compared with the rows. Exits with 1 and a message when anything differs.

Needs zstandard, and pyarrow for the index. The numbers after § are the specification's.
"""

import argparse
import bisect
import hashlib
import json
import os
import re
import struct
import sys
import zlib
from collections import Counter
from urllib.parse import unquote

import pyarrow
import zstandard

U64 = (1 << 64) - 1
LONGEST = 1 << 30
BASES = b"=ACMGRSVTWYHKDBN"
ACGT = b"ACGT"
OPERATIONS = "MIDNSHP=X"
PAIRED, UNMAPPED, REVERSE, FIRST, LAST, NOT_PRIMARY = 0x1, 0x4, 0x10, 0x40, 0x80, 0x900


class Broken(Exception):
    """The dataset is damaged, or of a version or feature that this reader does not know."""


def need(condition, message):
    if not condition:
        raise Broken(message)


def signed(n):
    """The signed number of 64 bits that is n modulo 2^64."""
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)


def unzigzag(n):
    return n >> 1 ^ -(n & 1)


def bits(data, count, width):
    """`count` numbers of `width` bits, the lowest first."""
    if width == 0:
        return [0] * count
    out, mask = [], (1 << width) - 1
    # Eight numbers fill `width` bytes.
    for at in range(0, len(data), width):
        held = int.from_bytes(data[at : at + width], "little")
        out.extend(held >> i * width & mask for i in range(8))
    return out[:count]


# ---------------------------------------------------------------------------------------------------- streams (§6)


class Page:
    """Bytes read from the beginning."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(n <= len(self.data) - self.at, "a page ends early")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        n = 0
        for shift in range(0, 64, 7):
            byte = self.u8()
            n |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise Broken("a number beyond 64 bits")
        need(n <= U64, "a number beyond 64 bits")
        return n

    def zigzag(self):
        return unzigzag(self.varint())

    def length(self, most):
        n = self.varint()
        need(n <= most, f"a length of {n} where {most} is the most possible")
        return n

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        need(self.at == len(self.data), "bytes follow the end of a page")

    def stream(self, expected=None, scores=None):
        """A stream's raw bytes. Only pages of qualities give what codec 3 needs: `scores`, a count and lengths."""
        codec, raw = self.u8(), self.length(LONGEST)
        need(expected in (None, raw), f"a stream of {raw} bytes where {expected} belong")
        data = self.take(raw if codec == 0 else self.length(len(self.data) - self.at))
        if codec == 1:
            try:
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=raw)
            except zstandard.ZstdError as error:
                raise Broken(f"broken zstd data: {error}") from None
        elif codec == 2:
            data = rans(data, raw)
        elif codec == 3 and scores:
            data = adaptive(data, *scores)
        else:
            need(codec == 0, f"stream codec {codec} is not known")
        need(len(data) == raw, f"a stream of {len(data)} bytes claims {raw}")
        return data


def rans(data, n):
    """Stream codec 2: order-1 rANS (§6.1)."""
    page, lowest = Page(data), 1 << 31
    precision, count, clusters = page.u8(), page.u8() + 1, page.u8() + 1
    need(1 <= precision <= 12 and clusters <= 64 and 1 <= n <= 1 << 24, "an rANS stream beyond its limits")
    whole = 1 << precision
    cluster_of = page.take(count)
    need(max(cluster_of) < clusters, "a cluster that there is not")
    tables = []
    for _ in range(clusters):
        slots, symbol = [], 0
        while symbol < count:
            f = page.length(whole)
            if f == 0:
                symbol += page.u8() + 1
                continue
            slots += [(symbol, f, len(slots))] * f
            symbol += 1
        need(len(slots) == whole and symbol == count, "frequencies do not add up")
        tables.append(slots)
    states = list(struct.unpack("<8Q", page.take(64)))
    words = page.rest()
    need(all(lowest <= x < lowest << 32 for x in states) and len(words) % 4 == 0, "a broken rANS stream")
    words = [word for (word,) in struct.iter_unpack("<I", words)]
    each, at = 2 * -(-n // 16), 0
    lanes = [bytearray() for _ in range(8)]
    last = [0] * 8
    for _ in range(each // 2):
        for j, lane in enumerate(lanes):
            x, symbol = states[j], last[j]
            for _ in range(2):
                slot = x & whole - 1
                symbol, f, start = tables[cluster_of[symbol]][slot]
                x = f * (x >> precision) + slot - start
                lane.append(symbol)
            if x < lowest:
                need(at < len(words), "an rANS stream ends early")
                x = x << 32 | words[at]
                at += 1
            states[j], last[j] = x, symbol
    need(at == len(words) and states == [lowest] * 8, "an rANS stream does not end as it began")
    return b"".join(lanes)[:n]


SIGMOID = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793, 47911, 53581,
    57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
]  # fmt: skip


def squash(d):
    i, f = d + 2048 >> 7, d + 2048 & 127
    return SIGMOID[i] * (128 - f) + SIGMOID[i + 1] * f >> 7


def clamp(n, most):
    return max(-most, min(most, n))


def tree(page, count):
    """A binary tree in preorder: of each inner node its branches; a leaf is 256 more than its symbol."""
    branches, leaves = [], []

    def read(depth):
        need(depth <= 64 and len(branches) < count, "a tree that is too deep or too large")
        kind = page.u8()
        need(kind < 2, "a broken tree")
        if kind == 0:
            leaves.append(page.u8())
            return 256 + leaves[-1]
        node = len(branches)
        branches.append([0, 0])
        branches[node][0] = read(depth + 1)
        branches[node][1] = read(depth + 1)
        return node

    read(0)
    need(sorted(leaves) == list(range(count)), "a tree that does not have each symbol once")
    return branches


def adaptive(data, count, lengths):
    """Stream codec 3: adaptive scores (§6.2)."""
    page = Page(data)
    branches = tree(page, count)
    stretch = []
    for d in range(-2047, 2048):
        stretch += [d] * ((squash(d) >> 4) + 1 - len(stretch))
    stretch += [2047] * (4096 - len(stretch))
    counters = [{}, {}]
    weights = [[1 << 15, 1 << 15] for _ in branches]
    low, high, x = 0, U64, int.from_bytes(page.take(8), "big")
    told = min(count, 64)
    q = [s if count <= 64 else s * 64 // count for s in range(count)]
    out = bytearray()
    for length in lengths:
        a = b = c = count - 1
        e = 0
        for i in range(length):
            contexts = (
                (q[a] * told + q[max(b, c)]) << 8,
                ((q[a] * 16 + min(15, i // 16)) * 16 + min(15, e.bit_length())) << 8,
            )
            node = 0
            while node < 256:
                keys = contexts[0] | node, contexts[1] | node
                known = [counters[k].get(keys[k], (1 << 21, 0)) for k in (0, 1)]
                s = stretch[known[0][0] >> 10], stretch[known[1][0] >> 10]
                w = weights[node]
                chance = squash(clamp(w[0] * s[0] + w[1] * s[1] >> 16, 2047))
                mid = low + (high - low >> 16) * chance
                bit = int(x <= mid)
                if bit:
                    high = mid
                else:
                    low = mid + 1
                if low >> 32 == high >> 32:
                    low, high = low << 32 & U64, high << 32 & U64 | 0xFFFFFFFF
                    x = x << 32 & U64 | int.from_bytes(page.take(4), "big")
                error = (bit << 16) - chance >> 5
                for k in (0, 1):
                    w[k] = clamp(w[k] + (s[k] * error + 8192 >> 14), 1 << 18)
                    p, n = known[k]
                    p += (bit * 0x3FFFFF - p) * (131072 // (2 * n + 3)) >> 16
                    counters[k][keys[k]] = p, min(n + 1, 1023)
                node = branches[node][bit]
            symbol = node - 256
            out.append(symbol)
            e += abs(symbol - a)
            a, b, c = symbol, a, b
    page.end()
    return bytes(out)


# --------------------------------------------------------------------------------------------------- integers (§7.1)


def integers(page, n):
    if n == 0:
        return []
    kind = page.u8()
    base_kind = kind & 127
    if base_kind == 0:
        values = [page.zigzag()] * n
    elif base_kind == 1:
        base, values = page.zigzag(), []
        while len(values) < n:
            count, width = min(128, n - len(values)), page.u8()
            need(width <= 64, f"integers of {width} bits")
            values += [signed(base + v) for v in bits(page.take((count * width + 7) // 8), count, width)]
    elif base_kind == 2:
        base, width = page.zigzag(), page.u8()
        need(1 <= width <= 8, f"integers of {width} bytes")
        planes = [page.stream(n) for _ in range(width)]
        values = [signed(base + int.from_bytes(value, "little")) for value in zip(*planes)]
    elif base_kind == 3:
        entries = [page.zigzag() for _ in range(page.u8() + 1)]
        places = page.stream(n)
        need(max(places) < len(entries), "an entry beyond its dictionary")
        values = [entries[i] for i in places]
    else:
        raise Broken(f"integer encoding {kind} is not known")
    if kind & 128:
        before = 0
        for i, value in enumerate(values):
            before = values[i] = signed(before + unzigzag(value & U64))
    return values


# -------------------------------------------------------------------------------- packed columns and texts (§7.2–7.4)


class Packed:
    """Columns of n numbers: described one by one, then read together (§7.2)."""

    def __init__(self, n):
        self.n, self.columns = n, []

    def describe(self, page):
        """Notes a column: its top, and either its values or what leads from a digit to a value."""
        kind = page.u8()
        if kind == 0:
            self.columns.append((0, [v & U64 for v in integers(page, self.n)], None))
        elif kind == 1:
            base, top = page.varint(), page.varint()
            need(base + top <= U64, "a range beyond 64 bits")
            self.columns.append((top, None, lambda digit: base + digit))
        elif kind == 2:
            top = page.length(max(self.n - 1, 0))
            entries = [v & U64 for v in integers(page, top + 1)]
            self.columns.append((top, None, entries.__getitem__))
        else:
            raise Broken(f"column encoding {kind} is not known")

    def finish(self, page):
        """The values of all columns."""
        digits = [[0] * self.n for _ in self.columns]
        left = [i for i, (top, _, _) in enumerate(self.columns) if top > 0]
        while left:
            count, rows = page.u8(), page.u8()
            group, left = left[:count], left[count:]
            radices = [self.columns[i][0] + 1 for i in group]
            product = 1
            for radix in radices:
                product *= radix
            valid = len(group) == count > 0 and 1 <= rows <= 64 and product**rows <= 1 << 64
            need(valid, f"a group of {count} columns, {rows} rows at a time")
            width, stored = (product**rows - 1).bit_length(), -(-self.n // rows)
            row = 0
            for number in bits(page.take((stored * width + 7) // 8), stored, width):
                for row in range(row, min(row + rows, self.n)):
                    number, here = divmod(number, product)
                    for i, radix in zip(group, radices):
                        here, digits[i][row] = divmod(here, radix)
                row += 1
                need(number == 0 or row == self.n, "a packed number beyond its range")
        return [
            values if values is not None else [value(d) for d in own]
            for (_, values, value), own in zip(self.columns, digits)
        ]


def pick(entries, places):
    need(all(i < len(entries) for i in places), "an entry beyond its dictionary")
    return [entries[i] for i in places]


def texts(page, n, depth=0):
    """A page of n texts (§7.3)."""
    if n == 0:
        return []
    need(depth < 8, "pages too deep within each other")
    kind = page.u8()
    if kind == 0:
        lengths = integers(page, n)
        need(all(0 <= length <= LONGEST for length in lengths), "impossible lengths of strings")
        data, at, out = page.stream(sum(lengths)), 0, []
        for length in lengths:
            out.append(data[at : at + length])
            at += length
        return out
    if kind == 1:
        out = page.stream().split(b"\0")
        need(out.pop() == b"" and len(out) == n, "another number of strings")
        return out
    if kind == 2:
        return [page.take(page.varint())] * n
    if kind == 3:
        entries = texts(page, page.length(n), depth + 1)
        column = Packed(n)
        column.describe(page)
        return pick(entries, column.finish(page)[0])
    if kind == 4:
        return template(page, n, depth + 1)
    if kind == 5:
        count = page.length(n)
        rows = integers(page, count)
        need(all(a < b for a, b in zip([-1] + rows, rows + [n])), "rows of strings are out of order")
        apart = dict(zip(rows, texts(page, count, depth + 1)))
        others = iter(texts(page, n - count, depth + 1))
        return [apart[row] if row in apart else next(others) for row in range(n)]
    raise Broken(f"text encoding {kind} is not known")


def letters(value, width, alphabet):
    out = bytearray()
    for _ in range(width):
        value, digit = divmod(value, len(alphabet))
        out.append(alphabet[digit])
    need(value == 0, "a number beyond its letters")
    return bytes(reversed(out))


def template(page, n, depth):
    """Strings of common fields (§7.4)."""
    fields, packed = [], Packed(n)
    for _ in range(page.u8()):
        kind = page.u8()
        own = len(packed.columns)
        if kind == 0:
            text = page.take(page.varint())
            fields.append((None, lambda _, text=text: [text] * n))
            continue
        if kind == 4:
            all_texts = texts(page, n, depth + 1)
            fields.append((None, lambda _, all_texts=all_texts: all_texts))
            continue
        if kind == 1:
            least = page.u8()
            need(1 <= least <= 20, "a number of impossible width")
            spell = lambda values, least=least: [b"%0*d" % (least, v) for v in values]
        elif kind == 2:
            width, size = page.u8(), page.u8()
            need(1 <= width <= 64 and 2 <= size <= 64, "letters of an impossible alphabet")
            alphabet = page.take(size)
            spell = lambda values, w=width, alphabet=alphabet: [letters(v, w, alphabet) for v in values]
        elif kind == 3:
            entries = texts(page, page.length(n), depth + 1)
            spell = lambda values, entries=entries: pick(entries, values)
        else:
            raise Broken(f"field kind {kind} is not known")
        packed.describe(page)
        fields.append((own, spell))
    values = packed.finish(page)
    spelt = [spell(None if own is None else values[own]) for own, spell in fields]
    return [b"".join(parts) for parts in zip(*spelt)] if spelt else [b""] * n


# ------------------------------------------------------------------------------ names, mates and CIGARs (§7.5–7.8)


def follow_links(links):
    """For each row the number of its name, and for each name its rows (§7.5)."""
    n = len(links)
    need(all(0 <= link and row + link < n for row, link in enumerate(links)), "a link that leaves its group")
    targets = [row + link for row, link in enumerate(links) if link]
    need(len(set(targets)) == len(targets), "two links to one row")
    ids, names = [None] * n, []
    for row, link in enumerate(links):
        if ids[row] is None:
            ids[row] = len(names)
            names.append([])
        names[ids[row]].append(row)
        if link:
            ids[row + link] = ids[row]
    return ids, names


def find_mates(names, flags):
    """Each row's mate in the group, or None (§7.5)."""
    mates = [None] * len(flags)
    for rows in names:
        primary = [row for row in rows if not flags[row] & NOT_PRIMARY]
        first = next((row for row in primary if flags[row] & (FIRST | LAST) == FIRST), None)
        last = next((row for row in primary if flags[row] & (FIRST | LAST) == LAST), None)
        for row in rows:
            kind = flags[row] & (PAIRED | FIRST | LAST)
            mates[row] = {PAIRED | FIRST: last, PAIRED | LAST: first}.get(kind)
    return mates


def mate_places(page, contigs, starts, mates):
    """Contig and start of each row's mate (§7.6)."""
    kinds = page.stream(len(starts))
    near = iter(integers(page, kinds.count(2)))
    far_contigs = iter(integers(page, kinds.count(3)))
    far_starts = iter(integers(page, kinds.count(3)))
    out = []
    for row, kind in enumerate(kinds):
        need(kind < 4 and (kind > 0 or mates[row] is not None), "a mate's place that cannot be")
        if kind == 0:
            out.append((contigs[mates[row]], starts[mates[row]]))
        elif kind == 1:
            out.append((-1, -1))
        elif kind == 2:
            out.append((contigs[row], signed(starts[row] + next(near))))
        else:
            out.append((next(far_contigs), next(far_starts)))
    return out


def template_lengths(page, contigs, starts, spans, flags, mates, places):
    """TLEN of each row (§7.7)."""

    def first_sequenced(row):
        return starts[row] + (spans[row] - 1 if flags[row] & REVERSE else 0)

    def by_mate(row, mate):
        if (flags[row] | flags[mate]) & UNMAPPED or contigs[row] != contigs[mate] or contigs[row] < 0:
            return 0
        if rule == 1:
            distance = first_sequenced(mate) - first_sequenced(row)
            return distance + (distance > 0) - (distance < 0)
        length = max(starts[r] + spans[r] for r in (row, mate)) - min(starts[row], starts[mate])
        is_leftmost = starts[row] < starts[mate] or (starts[row] == starts[mate] and flags[row] & FIRST)
        return length if is_leftmost else -length

    rule = page.u8()
    need(rule in (1, 2), f"template length rule {rule} is not known")
    kinds = page.stream(len(starts))
    told = iter(integers(page, kinds.count(2)))
    out = []
    for row, kind in enumerate(kinds):
        need(kind < 3 and (kind > 0 or mates[row] is not None), "a template length that cannot be")
        if kind == 0:
            out.append(by_mate(row, mates[row]))
        elif kind == 1:
            out.append(0)
        else:
            expected = places[row][1] - starts[row] - (spans[row] if flags[row] & REVERSE else 0)
            out.append(signed(expected + next(told)))
    need(all(-(1 << 31) <= n < 1 << 31 for n in out), "a template length beyond 32 bits")
    return out


def cigars(page, rows):
    """Of each row a list of (length, operation) (§7.8)."""
    distinct = page.length(rows)
    ids = integers(page, rows)
    need(all(0 <= i < distinct for i in ids), "an entry beyond its dictionary")
    counts = integers(page, distinct)
    need(all(0 <= count <= 1 << 28 for count in counts), "too many operations")
    codes = page.stream(sum(counts))
    lengths = integers(page, len(codes))
    need(all(c < len(OPERATIONS) for c in codes), "an unknown operation")
    need(all(0 <= n < 1 << 28 for n in lengths), "an operation's length is beyond 28 bits")
    operations = [(n, OPERATIONS[c]) for n, c in zip(lengths, codes)]
    entries, at = [], 0
    for count in counts:
        entries.append(operations[at : at + count])
        at += count
    return [entries[i] for i in ids]


def cigar_text(cigar):
    return "".join(f"{n}{op}" for n, op in cigar) or "*"


# ------------------------------------------------------------------------------------------------ bases (§7.9–7.11)


def two_bits(packed, n):
    return [packed[i >> 2] >> 2 * (i & 3) & 3 for i in range(n)]


def packed_bases(page, n):
    out = bytearray(ACGT[two] for two in two_bits(page.stream((n + 3) // 4), n))
    runs = page.length(n)
    if runs == 0:
        return bytes(out)
    gaps, lengths, codes = integers(page, runs), integers(page, runs), page.stream(runs)
    at = 0
    for gap, length, code in zip(gaps, lengths, codes):
        need(gap >= 0 and length >= 0 and code < 16, "a run of bases that cannot be")
        at += gap
        need(at + length < n, "a run of bases that there are not")
        out[at : at + length + 1] = BASES[code : code + 1] * (length + 1)
        at += length + 1
    return bytes(out)


def is_aligned(contig, start, cigar, length, flag):
    if flag & UNMAPPED or contig < 0 or start < 0 or length == 0:
        return False
    return length == sum(n for n, op in cigar if op in "MIS=X")


def segments(start, cigar):
    """The stretches of positions that an aligned read covers (§7.9)."""
    begin = end = at = start
    matched = deleted = 0
    for n, op in cigar:
        if op in "M=X":
            if matched == 0:
                begin = at
            at, matched = at + n, matched + n
            end = at
        elif op == "D" and deleted + n <= matched:
            at, deleted = at + n, deleted + n
        elif op in "DN":
            if begin < end:
                yield begin, end
            at, matched, deleted = at + n, 0, 0
            begin = end
    if begin < end:
        yield begin, end


class Cover:
    """Numbers the covered positions."""

    def __init__(self, reads):
        self.runs, self.before, self.positions = [], [], 0
        for contig, begin, end in sorted((c, *s) for c, start, cigar in reads for s in segments(start, cigar)):
            if self.runs and self.runs[-1][0] == contig and begin <= self.runs[-1][2]:
                self.runs[-1][2] = max(self.runs[-1][2], end)
            else:
                self.runs.append([contig, begin, end])
        for _, begin, end in self.runs:
            self.before.append(self.positions)
            self.positions += end - begin

    def number(self, contig, position):
        at = bisect.bisect(self.runs, [contig, position, 1 << 64]) - 1
        return self.before[at] + position - self.runs[at][1]


def bases(consensus_page, page, contigs, starts, row_cigars, lengths, flags):
    """The bases of each row (§7.11)."""
    columns = list(zip(contigs, starts, row_cigars, lengths, flags))
    aligned = [is_aligned(*row) for row in columns]
    cover = Cover([row[:3] for row, yes in zip(columns, aligned) if yes])
    consensus = b""
    if cover.positions:
        consensus = bytes(ACGT[two] for two in two_bits(consensus_page.stream((cover.positions + 3) // 4), cover.positions))
    consensus_page.end()

    literal = [sum(n for n, op in row[2] if op in "IS") if yes else row[3] for row, yes in zip(columns, aligned)]
    literals = packed_bases(page, sum(literal))
    counts = integers(page, sum(aligned))
    total = sum(counts)
    need(min(counts, default=0) >= 0 and total <= sum(lengths), "more differences than bases")
    gaps = page.stream(total)
    wide = iter(integers(page, gaps.count(255)))
    gaps = [gap + next(wide) if gap == 255 else gap for gap in gaps]
    symbols = two_bits(page.stream((total + 3) // 4), total)
    others = page.stream(symbols.count(3))
    need(max(others, default=0) < 16, "a code that no base has")
    others, counts, differences = iter(others), iter(counts), iter(zip(gaps, symbols))

    out, used = [], 0
    for (contig, position, cigar, length, _), yes in zip(columns, aligned):
        if not yes:
            out.append(literals[used : used + length])
            used += length
            continue
        read = bytearray()
        for n, op in cigar:
            if op in "M=X":
                if n:
                    at = cover.number(contig, position)
                    read += consensus[at : at + n]
                position += n
            elif op in "IS":
                read += literals[used : used + n]
                used += n
            elif op in "DN":
                position += n
        at = -1
        for _ in range(next(counts)):
            gap, symbol = next(differences)
            at += gap + 1
            need(gap >= 0 and at < length, "a difference beyond its read's end")
            if symbol == 3:
                read[at] = BASES[next(others)]
            else:
                need(read[at] in ACGT, "a difference from no base of the consensus")
                read[at] = ACGT[ACGT.index(read[at]) ^ symbol + 1]
        out.append(bytes(read))
    return out


# --------------------------------------------------------------------------------------------------- qualities (§7.12)


def scores(page, lengths):
    """The scores of reads of these lengths, one after the other."""
    wanted = sum(lengths)
    if wanted == 0:
        return b""
    count = page.u8() + 1
    if count <= 32:
        alphabet = page.take(count)
    else:
        held = int.from_bytes(page.take(32), "little")
        alphabet = bytes(v for v in range(256) if held >> v & 1)
    ascending = all(a < b for a, b in zip(alphabet, alphabet[1:]))
    need(len(alphabet) == count and ascending, "an alphabet that is not ascending scores")
    if count == 1:
        return alphabet * wanted
    per_symbol = page.u8()
    need(1 <= per_symbol <= 8 and count**per_symbol <= 256, "symbols of too many scores")
    symbols = page.stream(-(-wanted // per_symbol), (count, lengths) if per_symbol == 1 else None)
    need(max(symbols) < count**per_symbol, "a symbol beyond its alphabet")
    spelt = [bytes(alphabet[s // count**i % count] for i in range(per_symbol)) for s in range(count**per_symbol)]
    return b"".join(spelt[s] for s in symbols)[:wanted]


def qualities(page, lengths):
    """The scores of each read; 255 for each base of one that has none."""
    missing = page.u8()
    need(missing < 3, f"missing qualities of kind {missing} are not known")
    if missing == 1:
        return [b"\xff" * n for n in lengths]
    held = int.from_bytes(page.stream((len(lengths) + 7) // 8), "little") if missing == 2 else 0
    is_there = [not held >> i & 1 for i in range(len(lengths))]
    present = scores(page, [n for n, here in zip(lengths, is_there) if here])
    out, at = [], 0
    for n, here in zip(lengths, is_there):
        out.append(present[at : at + n] if here else b"\xff" * n)
        at += n if here else 0
    return out


# ---------------------------------------------------------------------------------------------------- tags (§7.13–7.15)

RANGES = {"c": (-128, 127), "C": (0, 255), "s": (-32768, 32767), "S": (0, 65535)}
RANGES |= {"i": (-(1 << 31), (1 << 31) - 1), "I": (0, (1 << 32) - 1), "f": (0, (1 << 32) - 1)}


def layouts(page, rows):
    """The tags of each row: a list of column numbers (§7.13)."""
    distinct = []
    for _ in range(page.length(rows)):
        data = page.take(4 * page.length(len(page.data) // 4))
        distinct.append([number for (number,) in struct.iter_unpack(">I", data)])
        for number in distinct[-1]:
            key, kind, sub = tag_kind(number)
            valid = sub in RANGES if kind == "B" else sub == "\0" and (kind in RANGES or kind in "AZH")
            need(valid and key != "\0\0", "a tag of no type that BAM knows")
    ids = integers(page, rows)
    need(all(0 <= i < len(distinct) for i in ids), "a layout that there is not")
    return [distinct[i] for i in ids]


def tag_kind(column):
    """Its two characters, its type, its subtype."""
    text = column.to_bytes(4, "big").decode("latin-1")
    return text[:2], text[2], text[3]


def numbers(page, kind, n):
    """n numbers as SAM text."""
    values = integers(page, n)
    least, most = RANGES[kind]
    need(all(least <= v <= most for v in values), f"a number beyond type {kind}")
    if kind == "f":
        return ["%g" % struct.unpack("<f", v.to_bytes(4, "little")) for v in values]
    return [str(v) for v in values]


def tag_values(page, kind, sub, n):
    """n values as SAM text (§7.14)."""
    if kind == "A":
        return list(page.stream(n).decode("latin-1"))
    if kind in "ZH":
        return [value.decode("latin-1") for value in texts(page, n)]
    if kind != "B":
        return numbers(page, kind, n)
    counts = integers(page, n)
    need(all(0 <= count <= 1 << 28 for count in counts), "too many array elements")
    elements, at, out = numbers(page, sub, sum(counts)), 0, []
    for count in counts:
        out.append(",".join([sub, *elements[at : at + count]]))
        at += count
    return out


def mate_cigars(page, owners, mates, row_cigars):
    """Values of MC:Z, told by the mate (§7.15)."""
    kinds = page.stream(len(owners))
    told = iter(texts(page, kinds.count(0)))
    out = []
    for row, kind in zip(owners, kinds):
        need(kind == 0 or (kind == 1 and mates[row] is not None), "a mate's CIGAR that cannot be")
        out.append(cigar_text(row_cigars[mates[row]]) if kind else next(told).decode("latin-1"))
    return out


# ------------------------------------------------------------------------------------------------- row groups (§5, §8)

COLUMNS = "- contig start span flag mapq length link mate tlen cigar name consensus bases quality layout".split()
INTS, MATES, TLEN, CIGARS, NAMES, CONSENSUS, BASES_PAGE, QUALITY, LAYOUT, VALUES, MATE_CIGAR = range(1, 12)
ENCODINGS = [0] + [INTS] * 7 + [MATES, TLEN, CIGARS, NAMES, CONSENSUS, BASES_PAGE, QUALITY, LAYOUT]
MC = int.from_bytes(b"MCZ\0", "big")


class Group:
    """A row group whose pages `fetch` gets by offset and size."""

    def __init__(self, entry, fetch):
        self.entry, self.fetch, self.rows = entry, fetch, entry["rows"]
        self.pages = {page["column"]: page for page in entry["pages"]}
        numbers_ = [page["column"] for page in entry["pages"]]
        need(numbers_ == sorted(set(numbers_)), "pages are not in the order of their columns")
        need(0 < self.rows <= 1 << 24, f"a row group of {self.rows} rows")

    def page(self, column, *encodings):
        entry = self.pages.get(column)
        need(entry is not None, f"column {column} has no page")
        need(entry["encoding"] in encodings, f"page encoding {entry['encoding']} of column {column} is not known")
        data = self.fetch(entry["offset"], entry["bytes"])
        need(zlib.crc32(data) == entry["crc32"], f"the checksum of a page of column {column} differs")
        return Page(data)

    def decode(self, name, read, *args):
        column = COLUMNS.index(name)
        page = self.page(column, ENCODINGS[column])
        values = read(page, *args)
        page.end()
        return values

    def ints(self, name, least, most):
        values = self.decode(name, integers, self.rows)
        need(all(least <= v <= most for v in values), f"a number beyond the range of {name}")
        return values

    def spans(self):
        """Contig, start and span of each row: what a region is compared with."""
        if COLUMNS.index("contig") in self.pages:
            contigs = self.ints("contig", -1, (1 << 31) - 1)
        else:
            need(self.entry["contig_first"] == self.entry["contig_last"], "column 1 has no page")
            contigs = [self.entry["contig_first"]] * self.rows
        return contigs, self.ints("start", -1, (1 << 31) - 1), self.ints("span", 1, 1 << 60)

    def records(self, names_of_contigs):
        """Each row's fields as SAM text (§8.3)."""
        contigs, starts, spans = self.spans()
        need(all(c < len(names_of_contigs) for c in contigs), "a contig that the header does not have")
        flags, mapqs = self.ints("flag", 0, 65535), self.ints("mapq", 0, 255)
        lengths = self.ints("length", 0, (1 << 32) - 1)
        need(sum(lengths) <= LONGEST, "a row group of too many bases")
        name_ids, rows_of_names = follow_links(self.ints("link", 0, self.rows))
        names = self.decode("name", texts, len(rows_of_names))
        mates = find_mates(rows_of_names, flags)
        places = self.decode("mate", mate_places, contigs, starts, mates)
        tlens = self.decode("tlen", template_lengths, contigs, starts, spans, flags, mates, places)
        row_cigars = self.decode("cigar", cigars, self.rows)
        consensus = self.page(COLUMNS.index("consensus"), CONSENSUS)
        sequences = self.decode(
            "bases", lambda page: bases(consensus, page, contigs, starts, row_cigars, lengths, flags)
        )
        quals = self.decode("quality", qualities, lengths)
        tags = self.decode("layout", layouts, self.rows)
        values = self.tag_columns(tags, mates, row_cigars)
        self.check_statistics(contigs, starts, spans, flags, mapqs, tlens, lengths)

        def contig_name(contig):
            need(-1 <= contig < len(names_of_contigs), "a contig that the header does not have")
            return "*" if contig < 0 else names_of_contigs[contig]

        for row in range(self.rows):
            next_contig, next_start = places[row]
            same = next_contig == contigs[row] and next_contig >= 0
            quality = quals[row]
            fields = [
                names[name_ids[row]].decode("latin-1"),
                str(flags[row]),
                contig_name(contigs[row]),
                str(starts[row] + 1),
                str(mapqs[row]),
                cigar_text(row_cigars[row]),
                "=" if same else contig_name(next_contig),
                str(next_start + 1),
                str(tlens[row]),
                sequences[row].decode("ascii") or "*",
                "*" if not quality or quality[0] == 255 else bytes(q + 33 & 255 for q in quality).decode("latin-1"),
            ]
            for column in tags[row]:
                key, kind, _ = tag_kind(column)
                fields.append(f"{key}:{'i' if kind in 'cCsSiI' else kind}:{next(values[column])}")
            yield (contigs[row], starts[row], spans[row]), fields

    def tag_columns(self, tags, mates, row_cigars):
        owners = {}
        for row, columns in enumerate(tags):
            for column in columns:
                owners.setdefault(column, []).append(row)
        values = {}
        for column, rows in owners.items():
            _, kind, sub = tag_kind(column)
            page = self.page(column, VALUES, *([MATE_CIGAR] if column == MC else []))
            if self.pages[column]["encoding"] == MATE_CIGAR:
                values[column] = iter(mate_cigars(page, rows, mates, row_cigars))
            else:
                values[column] = iter(tag_values(page, kind, sub, len(rows)))
            page.end()
        if self.entry["read_groups"] is not None:
            rg = int.from_bytes(b"RGZ\0", "big")
            found = set(tag_values(self.page(rg, VALUES), "Z", "\0", len(owners[rg]))) if rg in owners else set()
            # The index holds UTF-8, with U+FFFD for what is none.
            found = {name.encode("latin-1").decode("utf-8", "replace") for name in found}
            need(found == set(self.entry["read_groups"]), "the read groups differ from the index's")
        return values

    def check_statistics(self, contigs, starts, spans, flags, mapqs, tlens, lengths):
        """That the index says of the rows what is true (§4.3)."""
        placed = [row for row in range(self.rows) if contigs[row] >= 0 and starts[row] >= 0]
        ends = [starts[row] + spans[row] for row in placed]
        flag_or, flag_and = 0, 0xFFFF
        for flag in flags:
            flag_or, flag_and = flag_or | flag, flag_and & flag
        expected = {
            "contig_first": contigs[0],
            "contig_last": contigs[-1],
            "start_first": starts[0],
            "start_last": starts[-1],
            "start_min": min((starts[row] for row in placed), default=(1 << 63) - 1),
            "start_max": max((starts[row] for row in placed), default=-(1 << 63)),
            "end_min": min(ends, default=(1 << 63) - 1),
            "end_max": max(ends, default=-(1 << 63)),
            "unplaced": self.rows - len(placed),
            "mapq_min": min(mapqs),
            "mapq_max": max(mapqs),
            **{f"mapq_{step}": sum(q >= step for q in mapqs) for step in (1, 10, 20, 30, 60)},
            "tlen_min": min(tlens),
            "tlen_max": max(tlens),
            "length_min": min(lengths),
            "length_max": max(lengths),
            "flag_or": flag_or,
            "flag_and": flag_and,
        }
        for name, value in expected.items():
            need(self.entry[name] == value, f"{name} is {value} where the index says {self.entry[name]}")


# ------------------------------------------------------------------------------------------------ datasets (§2, §3, §4)


def check_path(path):
    """That a path stays within the dataset, however often percent signs are decoded (§3.3)."""
    need(isinstance(path, str) and len(path.encode()) <= 1024, "a path longer than any object's")
    need("://" not in path and ":" not in path.split("/")[0], f"a path with a scheme or a drive: {path!r}")
    while True:
        need(not re.search(r"[\\\x00-\x1f\x7f-\x9f]", path), f"a path with odd characters: {path!r}")
        need(not {"", ".", ".."} & set(path.split("/")), f"a path that leaves the dataset: {path!r}")
        decoded = unquote(path, errors="replace")
        need(decoded.count("/") == path.count("/"), f"a path with an encoded slash: {path!r}")
        if decoded == path:
            return
        path = decoded


class Dataset:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "_metadata.json"), "rb") as file:
            self.root = self.parse_root(file.read())
        self.id = bytes.fromhex(self.root["dataset"])
        need(len(self.id) == 16, "an id that is not 16 bytes")
        self.header = self.object(self.root["header"])
        self.object(self.root["header_json"])
        self.contigs = []
        for line in self.header.decode("utf-8").splitlines():
            if line.startswith("@SQ\t"):
                fields = dict(field.split(":", 1) for field in line.split("\t")[1:] if ":" in field)
                self.contigs.append(fields["SN"])

    @staticmethod
    def parse_root(data):
        try:
            root = json.loads(data)
        except ValueError as error:
            raise Broken(f"no JSON root: {error}") from None
        need(isinstance(root, dict) and root.get("format") == "bams3", "its format is not bams3")
        version = str(root.get("version"))
        need(version.split(".")[0] == "1", f"a dataset of BAMS3 {version}; this reader reads 1.x")
        at = len(data) - 67
        need(data[at - 12 : at] == b'"checksum":"' and data[-3:] == b'"}\n', "the root does not end with its checksum")
        found = hashlib.sha256(data[:at] + b"0" * 64 + data[at + 64 :]).hexdigest()
        need(data[at : at + 64] == found.encode(), "the checksum of the root differs")
        need(not root.get("requires"), f"it requires {root.get('requires')}")
        return root

    def path(self, path):
        check_path(path)
        return os.path.join(self.folder, *path.split("/"))

    def object(self, said):
        """An object that the root names, checked."""
        with open(self.path(said["path"]), "rb") as file:
            data = file.read(said["bytes"] + 1)
        need(len(data) == said["bytes"], f"{said['path']} has another size")
        need(hashlib.sha256(data).hexdigest() == said["sha256"], f"the SHA-256 of {said['path']} differs")
        return data

    def chunks(self, wanted=lambda statistics: True):
        """The entries of the chunks in the index objects whose statistics are wanted."""
        for part in self.root["index"]:
            if not wanted(part["stats"]):
                continue
            table = pyarrow.ipc.open_stream(self.object(part)).read_all()
            chunks = table.to_pylist()
            rows = sum(group["rows"] for chunk in chunks for group in chunk["groups"])
            need((len(chunks), rows) == (part["chunks"], part["stats"]["rows"]), f"{part['path']} has other chunks")
            yield from chunks

    def groups(self, chunk, wanted=None):
        """The wanted row groups of a chunk; all, and then the whole chunk is checked, if it is None."""
        with open(self.path(chunk["path"]), "rb") as file:

            def fetch(offset, size):
                file.seek(offset)
                data = file.read(size)
                need(len(data) == size, f"{chunk['path']} is cut short")
                return data

            if wanted is None:
                data = file.read()
                need(hashlib.sha256(data).digest() == chunk["sha256"], f"the SHA-256 of {chunk['path']} differs")
                spans = sorted((p["offset"], p["bytes"]) for group in chunk["groups"] for p in group["pages"])
                ends = [52] + [offset + size for offset, size in spans]
                need([offset for offset, _ in spans] + [len(data)] == ends, f"{chunk['path']}: pages leave gaps")
            self.check_chunk(fetch(0, 52), chunk)
            for group in chunk["groups"]:
                if wanted is None or wanted(group):
                    yield Group(group, fetch)

    def check_chunk(self, header, chunk):
        magic, major, _, groups, dataset, ordinal, rows, crc = struct.unpack("<8sHHI16sQQI", header)
        need(magic == b"BAMS3CHK", f"{chunk['path']} is no chunk")
        need(crc == zlib.crc32(header[:48]), f"the checksum of the header of {chunk['path']} differs")
        need(major == 1, f"a chunk of BAMS3 {major}.x")
        need(dataset == self.id, f"{chunk['path']} is another dataset's")
        need(ordinal == chunk["ordinal"], f"{chunk['path']} is chunk {ordinal}")
        told = (len(chunk["groups"]), sum(group["rows"] for group in chunk["groups"]))
        need((groups, rows) == told, f"{chunk['path']} has other rows than the index says")

    def region(self, text):
        """Number of the contig, 0-based start, end (exclusive)."""
        if text in self.contigs:
            return self.contigs.index(text), 0, 1 << 62
        match = re.fullmatch(r"(.+):([0-9,]+)-([0-9,]+)", text)
        need(match and match[1] in self.contigs, f"no contig of this dataset: {text}")
        start, end = (int(n.replace(",", "")) for n in match.group(2, 3))
        return self.contigs.index(match[1]), start - 1, end


def write_region(dataset, out, contig, start, end):
    """The rows that overlap a region, in order (§8.2)."""

    def wanted(statistics):
        last = statistics["contig_last"]
        if statistics["contig_first"] < 0 or contig < statistics["contig_first"] or 0 <= last < contig:
            return False
        return statistics["start_min"] < end and statistics["end_max"] > start

    for chunk in dataset.chunks(wanted):
        if any(wanted(group) for group in chunk["groups"]):
            for group in dataset.groups(chunk, wanted):
                for (own, begin, span), fields in group.records(dataset.contigs):
                    if own == contig and 0 <= begin < end and begin + span > start:
                        out(fields)


def write_all(dataset, out):
    """All rows in order; whatever the root says of them is compared."""
    ordinals, contigs, rows, groups, size, stored = [], Counter(), 0, 0, 0, Counter()
    before = (-1, -1)
    for chunk in dataset.chunks():
        ordinals.append(chunk["ordinal"])
        size += chunk["bytes"]
        need(os.path.getsize(dataset.path(chunk["path"])) == chunk["bytes"], f"{chunk['path']} has another size")
        for group in dataset.groups(chunk):
            groups, rows = groups + 1, rows + group.rows
            stored.update((page["column"], page["bytes"]) for page in [])
            for page in group.entry["pages"]:
                stored[page["column"]] += page["bytes"]
            for (contig, start, _), fields in group.records(dataset.contigs):
                place = (contig, start) if contig >= 0 else (1 << 32, -1)
                need(before <= place, "rows are not in coordinate order")
                before = place
                contigs[str(contig)] += 1
                out(fields)
    totals = dataset.root["totals"]
    need(ordinals == list(range(totals["chunks"])), "chunks are missing, or out of order")
    need((groups, size) == (totals["groups"], totals["bytes"]), "the totals differ from the chunks'")
    need(rows == (totals["stats"]["rows"] if totals["stats"] else 0), "the total of rows differs")
    need(contigs == totals["contigs"], "the rows of contigs differ from the totals")
    said = {column["id"]: column["bytes"] for column in dataset.root["columns"]}
    need(said == dict(stored), "the columns differ from those that the root lists")


def main():
    parser = argparse.ArgumentParser(description="Prints a BAMS3 dataset as SAM text.")
    parser.add_argument("dataset")
    parser.add_argument("--region", help="CHR or CHR:START-END, 1-based, both included")
    arguments = parser.parse_args()
    write = sys.stdout.buffer.write
    try:
        dataset = Dataset(arguments.dataset)
        write(dataset.header)
        out = lambda fields: write("\t".join(fields).encode("latin-1") + b"\n")
        if arguments.region:
            write_region(dataset, out, *dataset.region(arguments.region))
        else:
            write_all(dataset, out)
    except (Broken, OSError, pyarrow.ArrowException, KeyError, TypeError) as error:
        sys.exit(f"{arguments.dataset}: {error or type(error).__name__}")


if __name__ == "__main__":
    main()
