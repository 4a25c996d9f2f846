"""Decodes pages of names and texts of BAMS3 (specification, 7.1 to 7.4). Needs zstandard; otherwise nothing.

decode_names(page, n) and decode_text(page, n) return the n strings of a page as a list of bytes.
"""

import sys

import zstandard


class Input:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise ValueError("a page ends early")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def stream(self):
        codec, raw = self.u8(), self.varint()
        if codec == 0:
            return self.take(raw)
        if codec != 1:
            raise ValueError(f"stream codec {codec}")
        out = zstandard.ZstdDecompressor().decompress(self.take(self.varint()), max_output_size=raw)
        if len(out) != raw:
            raise ValueError("a stream of another length")
        return out


def bits(data, count, width):
    """`count` numbers of `width` bits, the lowest first."""
    whole = int.from_bytes(data, "little")
    return [whole >> i * width & (1 << width) - 1 for i in range(count)]


def signed(value):
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def integers(page, n):
    if n == 0:
        return []
    kind = page.u8()
    if kind & 127 == 0:
        values = [page.zigzag()] * n
    elif kind & 127 == 1:
        base, values = page.zigzag(), []
        while len(values) < n:
            count, width = min(128, n - len(values)), page.u8()
            values += [base + v for v in bits(page.take((count * width + 7) // 8), count, width)]
    elif kind & 127 == 2:
        base, width = page.zigzag(), page.u8()
        planes = [page.stream() for _ in range(width)]
        values = [base + sum(plane[i] << 8 * p for p, plane in enumerate(planes)) for i in range(n)]
    elif kind & 127 == 3:
        count = page.u8() + 1
        entries = [page.zigzag() for _ in range(count)]
        values = [entries[i] for i in page.stream()]
    else:
        raise ValueError(f"integer encoding {kind}")
    values = [signed(v) for v in values]
    if kind & 128:
        before = 0
        for i, value in enumerate(values):
            value %= 1 << 64
            before = signed(before + (value >> 1 ^ -(value & 1)))
            values[i] = before
    if len(values) != n:
        raise ValueError("another number of integers")
    return values


def unsigned(values):
    return [v % (1 << 64) for v in values]


def describe(page, n):
    """A column: its top, and how to come from a digit to a value; or its values."""
    kind = page.u8()
    if kind == 0:
        return 0, None, unsigned(integers(page, n))
    if kind == 1:
        base, top = page.varint(), page.varint()
        return top, lambda digit: base + digit, None
    if kind == 2:
        top = page.varint()
        return top, unsigned(integers(page, top + 1)).__getitem__, None
    raise ValueError(f"column encoding {kind}")


def columns(page, n, described):
    """The values of the columns described, after what is packed was read."""
    digits = [[0] * n for _ in described]
    packed = [i for i, (top, _, _) in enumerate(described) if top > 0]
    while packed:
        count, rows = page.u8(), page.u8()
        group, packed = packed[:count], packed[count:]
        product = 1
        for i in group:
            product *= described[i][0] + 1
        width, stored = (product**rows - 1).bit_length(), -(-n // rows)
        if not group or not rows or width > 64:
            raise ValueError("an impossible group")
        numbers = bits(page.take((stored * width + 7) // 8), stored, width)
        for row in range(n):
            number = numbers[row // rows]
            numbers[row // rows], number = divmod(number, product)
            for i in group:
                number, digits[i][row] = divmod(number, described[i][0] + 1)
    return [
        values if values is not None else [value(d) for d in own]
        for (_, value, values), own in zip(described, digits)
    ]


def template(page, n):
    fields, described = [], []
    for _ in range(page.u8()):
        kind = page.u8()
        if kind == 0:
            text = page.take(page.varint())
            fields.append(lambda row, _, text=text: text)
        elif kind == 1:
            least = page.u8()
            fields.append((lambda value, least=least: b"%0*d" % (least, value)))
            described.append((len(fields) - 1, describe(page, n)))
        elif kind == 2:
            width, size = page.u8(), page.u8()
            alphabet = page.take(size)

            def letters(value, width=width, size=size, alphabet=alphabet):
                out = bytearray()
                for _ in range(width):
                    value, digit = divmod(value, size)
                    out.append(alphabet[digit])
                return bytes(reversed(out))

            fields.append(letters)
            described.append((len(fields) - 1, describe(page, n)))
        elif kind == 3:
            entries = strings(page, page.varint())
            fields.append(entries.__getitem__)
            described.append((len(fields) - 1, describe(page, n)))
        elif kind == 4:
            texts = strings(page, n)
            fields.append(lambda row, _, texts=texts: texts[row])
        else:
            raise ValueError(f"field kind {kind}")
    values = dict(zip((at for at, _ in described), columns(page, n, [c for _, c in described])))
    return [
        b"".join(field(values[at][row]) if at in values else field(row, None) for at, field in enumerate(fields))
        for row in range(n)
    ]


def strings(page, n):
    if n == 0:
        return []
    encoding = page.u8()
    if encoding == 0:
        lengths, at, out = integers(page, n), 0, []
        data = page.stream()
        for length in lengths:
            out.append(data[at : at + length])
            at += length
        return out
    if encoding == 1:
        out = page.stream().split(b"\0")
        if out.pop() or len(out) != n:
            raise ValueError("another number of strings")
        return out
    if encoding == 2:
        return [page.take(page.varint())] * n
    if encoding == 3:
        entries = strings(page, page.varint())
        return [entries[i] for i in columns(page, n, [describe(page, n)])[0]]
    if encoding == 4:
        return template(page, n)
    if encoding == 5:
        count = page.varint()
        rows = integers(page, count)
        apart = dict(zip(rows, strings(page, count)))
        others = iter(strings(page, n - count))
        return [apart[row] if row in apart else next(others) for row in range(n)]
    raise ValueError(f"text encoding {encoding}")


def decode_text(page, n):
    """The n strings of a page of texts."""
    page = Input(page)
    out = strings(page, n)
    if page.at != len(page.data):
        raise ValueError("bytes follow the end of a page")
    return out


decode_names = decode_text

if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        for string in decode_text(file.read(), int(sys.argv[2])):
            sys.stdout.buffer.write(string + b"\n")
