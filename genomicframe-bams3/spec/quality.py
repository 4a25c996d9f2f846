"""Reads the base qualities of a BAMS3 page, from the layout alone: clear, not fast."""

import struct

import zstandard

LOWEST = 1 << 31
SIGMOID = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793, 47911, 53581,
    57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
]


class Input:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError("the page ends early")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        n = shift = 0
        while True:
            byte = self.u8()
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    def rest(self):
        return self.take(len(self.data) - self.at)


def rans1(data, n):
    """Codec 2: order-1 rANS."""
    page = Input(data)
    bits, count, clusters = page.u8(), page.u8() + 1, page.u8() + 1
    whole = 1 << bits
    cluster_of = page.take(count)
    tables = []
    for _ in range(clusters):
        slots, symbol = [], 0
        while symbol < count:
            f = page.varint()
            if f == 0:
                symbol += page.u8() + 1
                continue
            start = len(slots)
            slots += [(symbol, f, start)] * f
            symbol += 1
        assert len(slots) == whole and symbol == count
        tables.append(slots)
    states = list(struct.unpack("<8Q", page.take(64)))
    words = [word for (word,) in struct.iter_unpack("<I", page.rest())]
    each, at = 2 * -(-n // 16), 0
    lanes = [bytearray() for _ in range(8)]
    for _ in range(each // 2):
        for j, lane in enumerate(lanes):
            x = states[j]
            for _ in range(2):
                slot = x % whole
                symbol, f, start = tables[cluster_of[lane[-1] if lane else 0]][slot]
                x = f * (x // whole) + slot - start
                lane.append(symbol)
            if x < LOWEST:
                x = x << 32 | words[at]
                at += 1
            states[j] = x
    assert at == len(words) and states == [LOWEST] * 8
    return b"".join(lanes)[:n]


def squash(d):
    i, f = (d + 2048) >> 7, (d + 2048) & 127
    return (SIGMOID[i] * (128 - f) + SIGMOID[i + 1] * f) >> 7


def clamp(n, most):
    return max(-most, min(most, n))


def adaptive(data, count, lengths):
    """Codec 3: adaptive scores."""
    page = Input(data)
    branches = []

    def tree():
        if page.u8() == 0:
            return 256 + page.u8()
        node = len(branches)
        branches.append([0, 0])
        for side in (0, 1):
            branches[node][side] = tree()
        return node

    tree()
    stretch = []
    for d in range(-2047, 2048):
        stretch += [d] * ((squash(d) >> 4) + 1 - len(stretch))
    stretch += [2047] * (4096 - len(stretch))
    counters = [{}, {}]
    weights = [[1 << 15, 1 << 15] for _ in branches]
    low, high, x = 0, (1 << 64) - 1, int.from_bytes(page.take(8), "big")
    told = min(count, 64)
    q = [s if count <= 64 else s * 64 // count for s in range(count)]
    out = bytearray()
    for length in lengths:
        a = b = c = count - 1
        e = 0
        for i in range(length):
            contexts = (
                q[a] * told + q[max(b, c)],
                (q[a] * 16 + min(15, i // 16)) * 16 + min(15, e.bit_length()),
            )
            node = 0
            while node < 256:
                w, here = weights[node], node
                known = [counters[k].get((contexts[k], here), (1 << 21, 0)) for k in (0, 1)]
                s = [stretch[p >> 10] for p, _ in known]
                chance = squash(clamp((w[0] * s[0] + w[1] * s[1]) >> 16, 2047))
                mid = low + (high - low) // 65536 * chance
                bit = int(x <= mid)
                low, high = (low, mid) if bit else (mid + 1, high)
                if low >> 32 == high >> 32:
                    low, high = low << 32 & (1 << 64) - 1, (high << 32 & (1 << 64) - 1) | 0xFFFFFFFF
                    x = (x << 32 & (1 << 64) - 1) | int.from_bytes(page.take(4), "big")
                error = (bit * 65536 - chance) >> 5
                for k in (0, 1):
                    w[k] = clamp(w[k] + ((s[k] * error + 8192) >> 14), 1 << 18)
                    p, n = known[k]
                    p += ((bit * ((1 << 22) - 1) - p) * (131072 // (2 * n + 3))) >> 16
                    counters[k][contexts[k], here] = p, min(n + 1, 1023)
                node = branches[here][bit]
            symbol = node - 256
            out.append(symbol)
            e += abs(symbol - a)
            a, b, c = symbol, a, b
    assert page.at == len(data)
    return bytes(out)


def stream(page, count=0, lengths=()):
    codec, raw = page.u8(), page.varint()
    if codec == 0:
        return page.take(raw)
    data = page.take(page.varint())
    if codec == 1:
        out = zstandard.ZstdDecompressor().decompress(data, max_output_size=raw)
    elif codec == 2:
        out = rans1(data, raw)
    elif codec == 3:
        out = adaptive(data, count, lengths)
    else:
        raise ValueError(f"codec {codec}")
    assert len(out) == raw
    return out


def present_scores(page, lengths):
    wanted = sum(lengths)
    if wanted == 0:
        return b""
    count = page.u8() + 1
    if count <= 32:
        alphabet = page.take(count)
    else:
        bits = int.from_bytes(page.take(32), "little")
        alphabet = bytes(v for v in range(256) if bits >> v & 1)
    assert len(alphabet) == count
    if count == 1:
        return alphabet * wanted
    per_symbol = page.u8()
    assert count**per_symbol <= 256
    symbols = stream(page, count, lengths)
    assert len(symbols) == -(-wanted // per_symbol)
    spelt = [bytes(alphabet[s // count**i % count] for i in range(per_symbol)) for s in range(count**per_symbol)]
    return b"".join(spelt[s] for s in symbols)[:wanted]


def decode_quality(page: bytes, lengths: list[int]) -> bytes:
    """The scores of reads of these lengths; 255 for each base of a read that has none."""
    page = Input(page)
    missing = page.u8()
    if missing == 1:
        return b"\xff" * sum(lengths)
    bits = int.from_bytes(stream(page), "little") if missing == 2 else 0
    has = [not bits >> i & 1 for i in range(len(lengths))]
    scores = present_scores(page, [n for n, here in zip(lengths, has) if here])
    assert page.at == len(page.data)
    out, at = bytearray(), 0
    for n, here in zip(lengths, has):
        out += scores[at : at + n] if here else b"\xff" * n
        at += n * here
    return bytes(out)
