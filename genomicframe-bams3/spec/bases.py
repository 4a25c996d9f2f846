"""Reads pages of bases, written from the specification alone: slow and plain.

decode_bases(consensus_page, page, contigs, starts, cigars, lengths, unmapped) -> list of bytes

`cigars` has a list of (length, letter) per read.
"""

import zstandard

CODES = b"=ACMGRSVTWYHKDBN"
ACGT = b"ACGT"


class Page:
    """Bytes read from the beginning (specification: streams and integers)."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        taken = self.data[self.at : self.at + n]
        assert len(taken) == n, "page ends early"
        self.at += n
        return taken

    def varint(self):
        n = shift = 0
        while True:
            byte = self.take(1)[0]
            n |= (byte & 0x7F) << shift
            if byte < 0x80:
                return n
            shift += 7

    def zigzag(self):
        return unzigzag(self.varint())

    def stream(self, expected=None):
        codec, raw = self.take(1)[0], self.varint()
        if codec == 0:
            data = self.take(raw)
        elif codec == 1:
            data = zstandard.ZstdDecompressor().decompress(self.take(self.varint()), max_output_size=raw)
        else:
            raise ValueError(f"stream codec {codec}")
        assert len(data) == raw and expected in (None, raw), "length of a stream"
        return data

    def integers(self, n):
        if n == 0:
            return []
        kind = self.take(1)[0]
        if kind & 127 == 0:
            values = [self.zigzag()] * n
        elif kind & 127 == 1:
            base, values = self.zigzag(), []
            while len(values) < n:
                count, width = min(128, n - len(values)), self.take(1)[0]
                bits = int.from_bytes(self.take((count * width + 7) // 8), "little")
                values += [signed(base + (bits >> i * width & (1 << width) - 1)) for i in range(count)]
        elif kind & 127 == 2:
            base, width = self.zigzag(), self.take(1)[0]
            planes = [self.stream(n) for _ in range(width)]
            values = [signed(base + int.from_bytes(value, "little")) for value in zip(*planes)]
        elif kind & 127 == 3:
            entries = [self.zigzag() for _ in range(self.take(1)[0] + 1)]
            values = [entries[i] for i in self.stream(n)]
        else:
            raise ValueError(f"integers of kind {kind}")
        if kind & 128:
            before = 0
            for i, value in enumerate(values):
                before = values[i] = signed(before + unzigzag(value % 2**64))
        return values

    def bases(self, n):
        """Packed bases."""
        letters = bytearray(two_bits(self.stream((n + 3) // 4), n, ACGT))
        runs = self.varint()
        if runs:
            gaps, lengths, codes = self.integers(runs), self.integers(runs), self.stream(runs)
            at = 0
            for gap, length, code in zip(gaps, lengths, codes):
                at += gap
                letters[at : at + length + 1] = CODES[code : code + 1] * (length + 1)
                at += length + 1
        assert len(letters) == n
        return bytes(letters)

    def end(self):
        assert self.at == len(self.data), "bytes after the end of a page"


def unzigzag(n):
    return n >> 1 ^ -(n & 1)


def signed(n):
    """As a signed number of 64 bits."""
    return (n + 2**63) % 2**64 - 2**63


def two_bits(packed, n, names):
    return [names[packed[i // 4] >> 2 * (i % 4) & 3] for i in range(n)]


def is_aligned(contig, start, cigar, length, unmapped):
    if unmapped or contig < 0 or start < 0 or length == 0 or any(op not in "MIDNSHP=X" for _, op in cigar):
        return False
    end = start + sum(n for n, op in cigar if op in "MDN=X")
    return end < 2**63 and length == sum(n for n, op in cigar if op in "MIS=X")


def segments(start, cigar):
    """(start, end) of each."""
    at, matched, deleted, found = start, 0, 0, []
    for n, op in cigar:
        if op in "M=X" and n:
            if matched == 0:
                found.append([at, at])
            at, matched = at + n, matched + n
            found[-1][1] = at
        elif op in "DN":
            deleted, at = deleted + n, at + n
            if op == "N" or deleted > matched:
                matched = deleted = 0
    return found


def covered(reads):
    """The number of each covered position, by (contig, position)."""
    positions = set()
    for contig, start, cigar in reads:
        for first, end in segments(start, cigar):
            positions.update((contig, at) for at in range(first, end))
    return {position: i for i, position in enumerate(sorted(positions))}


def decode_bases(consensus_page, page, contigs, starts, cigars, lengths, unmapped):
    columns = list(zip(contigs, starts, cigars, lengths, unmapped))
    aligned = [is_aligned(*read) for read in columns]
    cover = covered([read[:3] for read, yes in zip(columns, aligned) if yes])
    consensus = b""
    if cover:
        common = Page(consensus_page)
        consensus = bytes(two_bits(common.stream((len(cover) + 3) // 4), len(cover), ACGT))
        common.end()

    literal_count = 0
    for (_, _, cigar, length, _), yes in zip(columns, aligned):
        literal_count += sum(n for n, op in cigar if op in "IS") if yes else length

    page = Page(page)
    literals = page.bases(literal_count)
    counts = page.integers(sum(aligned))
    total = sum(counts)
    gaps = list(page.stream(total))
    wide = iter(page.integers(gaps.count(255)))
    symbols = two_bits(page.stream((total + 3) // 4), total, range(4))
    others = iter(page.stream(symbols.count(3)))
    page.end()
    gaps = [gap + next(wide) if gap == 255 else gap for gap in gaps]

    out, used = [], 0
    counts, differences = iter(counts), iter(zip(gaps, symbols))
    for (contig, at, cigar, length, _), yes in zip(columns, aligned):
        if not yes:
            out.append(literals[used : used + length])
            used += length
            continue
        bases = bytearray()
        for n, op in cigar:
            if op in "M=X":
                bases += bytes(consensus[cover[contig, at + i]] for i in range(n))
            elif op in "IS":
                bases += literals[used : used + n]
                used += n
            if op in "MDN=X":
                at += n
        where = 0
        for _ in range(next(counts)):
            gap, symbol = next(differences)
            where += gap
            bases[where] = CODES[next(others)] if symbol == 3 else ACGT[ACGT.index(bases[where]) ^ symbol + 1]
            where += 1
        out.append(bytes(bases))
    return out


if __name__ == "__main__":
    # Three reads of contig 0 and one without a place.
    example = decode_bases(
        bytes([0, 2, 0b1110_0100, 0b0100]),
        bytes([0, 1, 0b0011_1011, 1, 0, 4, 0, 0, 0, 1, 15, 1, 0, 1, 0b110, 0, 2, 3, 1, 0, 1, 0b1101, 0, 1, 15]),
        [0, 0, 0, -1],
        [10, 10, 12, -1],
        [[(4, "M")], [(1, "S"), (3, "M")], [(1, "="), (2, "D"), (2, "M")], []],
        [4, 4, 3, 2],
        [False, False, False, True],
    )
    assert example == [b"ACGT", b"TACA", b"GNC", b"GN"], example
