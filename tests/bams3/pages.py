"""Pages of BAMS3 1.0: streams (§6) and encodings (§7) of docs/bams3-spec.md, decoded from its text alone."""

import bisect
import struct

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

    def number(self, contig, position, n):
        """The number of a position, if it and the n - 1 after it are covered, else None."""
        at = bisect.bisect(self.runs, [contig, position, 1 << 64]) - 1
        if at < 0 or self.runs[at][0] != contig or position + n > self.runs[at][2]:
            return None
        return self.before[at] + position - self.runs[at][1]


class Consensus:
    """The consensus of a row group, and the rows that lie on it (§7.9, §7.11)."""

    def __init__(self, page, contigs, starts, row_cigars, lengths, flags):
        self.columns = list(zip(contigs, starts, row_cigars, lengths, flags))
        self.aligned = [is_aligned(*row) for row in self.columns]
        self.cover = Cover([row[:3] for row, yes in zip(self.columns, self.aligned) if yes])
        self.bases, n = b"", self.cover.positions
        if n:
            self.bases = bytes(ACGT[two] for two in two_bits(page.stream((n + 3) // 4), n))

    def at(self, contig, position, n):
        """Its bases from a position on; None unless all are covered."""
        at = self.cover.number(contig, position, n)
        return None if at is None else self.bases[at : at + n]


def bases(page, consensus, lengths):
    """The bases of each row (§7.11)."""
    columns, aligned = consensus.columns, consensus.aligned
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
                    read += consensus.at(contig, position, n)
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


# ---------------------------------------------------------------------------------------------------- tags (§7.13–7.16)

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


def expected(consensus, row, read):
    """MD and NM of a row of the bases `read`, the consensus taken for the reference; None: nothing expected (§7.16)."""
    if not consensus.aligned[row]:
        return None
    contig, position, cigar, _, _ = consensus.columns[row]
    text, matching, edits, at = bytearray(), 0, 0, 0
    for n, op in cigar:
        if n == 0:
            continue
        if op in "M=X":
            for own, common in zip(read[at : at + n], consensus.at(contig, position, n)):
                if own == common:
                    matching += 1
                else:
                    text += b"%d%c" % (matching, common)
                    matching, edits = 0, edits + 1
        elif op == "D":
            deleted = consensus.at(contig, position, n)
            if deleted is None:
                return None
            text += b"%d^%s" % (matching, deleted)
            matching, edits = 0, edits + n
        elif op == "I":
            edits += n
        at += n if op in "MIS=X" else 0
        position += n if op in "MDN=X" else 0
    return (text + b"%d" % matching).decode("ascii"), edits


def told_or_expected(page, consensus, sequences, owners, read_told, which):
    """Of each value's row what is expected, MD (0) or NM (1), or the next value told."""
    kinds = page.stream(len(owners))
    told = iter(read_told(page, kinds.count(0)))
    out = []
    for row, kind in zip(owners, kinds):
        value = expected(consensus, row, sequences[row]) if kind == 1 else None
        need(kind == 0 or value is not None, "a value that cannot be expected")
        out.append(value[which] if kind else next(told))
    return out


def mismatches(page, consensus, sequences, owners):
    """Values of MD:Z (§7.16)."""
    read_told = lambda page, n: [value.decode("latin-1") for value in texts(page, n)]
    out = told_or_expected(page, consensus, sequences, owners, read_told, 0)
    need(sum(map(len, out)) <= LONGEST, "too much text")
    return out


def edits(page, consensus, sequences, owners, kind):
    """Values of NM of an integer type (§7.16)."""
    out = told_or_expected(page, consensus, sequences, owners, integers, 1)
    least, most = RANGES[kind]
    need(all(least <= v <= most for v in out), f"a number beyond type {kind}")
    return [str(v) for v in out]
