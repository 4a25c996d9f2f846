"""The pieces of files: BGZF blocks, BAM records, indexes, lines. Nothing here comes from the library under test."""

import gzip
import struct
import zlib

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

CONTIGS = [("chr1", 100_000), ("chr2", 50_000)]


def block(raw, bsize=None, crc=None, isize=None, level=6):
    """One BGZF block (SAMv1 4.1), its fields as they should be unless given."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    data = deflate.compress(raw) + deflate.flush()
    bsize = len(data) + 25 if bsize is None else bsize
    crc = zlib.crc32(raw) if crc is None else crc
    isize = len(raw) if isize is None else isize
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", bsize)
    return head + data + struct.pack("<II", crc, isize)


def bgzf(raw, size=65280, end=EOF_BLOCK):
    """All of `raw` in blocks of `size` bytes."""
    return b"".join(block(raw[i : i + size]) for i in range(0, len(raw), size)) + end


def blocks_of(stored):
    """Where each block of a sound BGZF file begins."""
    at, starts = 0, []
    while at < len(stored):
        starts.append(at)
        at += struct.unpack_from("<H", stored, at + 16)[0] + 1
    return starts


def gz(raw, level=6):
    """One gzip member that is no BGZF block."""
    return gzip.compress(raw, level, mtime=0)


def i32(n):
    return struct.pack("<i", n)


def u32(n):
    return struct.pack("<I", n)


def sam_text(contigs=CONTIGS, order="coordinate"):
    lines = [f"@HD\tVN:1.6\tSO:{order}"] + [f"@SQ\tSN:{name}\tLN:{length}" for name, length in contigs]
    return ("\n".join(lines) + "\n").encode()


def bam_header(contigs=CONTIGS, text=None, l_text=None, n_ref=None):
    text = sam_text(contigs) if text is None else text
    out = b"BAM\1" + i32(len(text) if l_text is None else l_text) + text
    out += i32(len(contigs) if n_ref is None else n_ref)
    return out + b"".join(contig(name, length) for name, length in contigs)


def contig(name, length, l_name=None, nul=b"\0"):
    name = name.encode() if isinstance(name, str) else name
    return i32(len(name) + 1 if l_name is None else l_name) + name + nul + i32(length)


def reg2bin(start, end, min_shift=14, depth=5):
    """The smallest bin of `start..end`, 0-based (SAMv1 5.3, CSIv1)."""
    end -= 1
    shift, first = min_shift, ((1 << depth * 3) - 1) // 7
    for level in range(depth, 0, -1):
        if start >> shift == end >> shift:
            return first + (start >> shift)
        shift += 3
        first -= 1 << (level - 1) * 3
    return 0


BASES = {base: i for i, base in enumerate("=ACMGRSVTWYHKDBN")}


def packed(seq):
    codes = [BASES[base] for base in seq] + ([0] if len(seq) % 2 else [])
    return bytes(codes[i] << 4 | codes[i + 1] for i in range(0, len(codes), 2))


def read(
    name="r", ref=0, pos=100, flag=0, mapq=60, cigar=((10, 0),), seq="ACGTACGTAC", qual=None, mate=-1, mate_pos=-1,
    tlen=0, tags=b"", nul=b"\0", l_name=None, n_cigar=None, l_seq=None, size=None,
):
    """A BAM record (SAMv1 4.2); `pos` is 0-based. Lengths are as they should be unless given."""
    name = name.encode() if isinstance(name, str) else name
    span = sum(n for n, op in cigar if op in (0, 2, 3, 7, 8)) or 1
    body = struct.pack(
        "<iiBBHHHiiii", ref, pos, len(name) + 1 if l_name is None else l_name, mapq,
        reg2bin(max(pos, 0), max(pos, 0) + span) & 0xFFFF, len(cigar) if n_cigar is None else n_cigar, flag,
        len(seq) if l_seq is None else l_seq, mate, mate_pos, tlen,
    )
    body += name + nul + b"".join(u32(n << 4 | op) for n, op in cigar)
    body += packed(seq) + (b"\x28" * len(seq) if qual is None else qual) + tags
    return i32(len(body) if size is None else size) + body


def reads(n=3, **changes):
    """Sound reads; `changes` are those of the last but one."""
    return [read(**{"name": f"r{i}", "pos": 100 * i, **(changes if i == n - 2 else {})}) for i in range(n)]


def bam(records, end=EOF_BLOCK, size=65280, **header):
    return bgzf(bam_header(**header) + b"".join(records), size, end)


def tag(key, kind, value):
    return key.encode() + kind.encode() + value


# Indexes


def virtual(starts, size, at):
    """The virtual offset of the inflated byte `at` of a file in blocks of `size` bytes that begin at `starts`."""
    return starts[at // size] << 16 | at % size


def bai(contigs, magic=b"BAI\1", n_ref=None, unplaced=0):
    """`contigs`: for each, a dictionary of bins to chunks, a list of windows, and counts or None."""
    out = magic + i32(len(contigs) if n_ref is None else n_ref)
    return out + b"".join(binning(*one) for one in contigs) + (b"" if unplaced is None else struct.pack("<Q", unplaced))


def binning(bins, windows, counts, n_bin=None, n_chunk=None, n_intv=None):
    extra = 1 if counts else 0
    out = i32(len(bins) + extra if n_bin is None else n_bin)
    for number, chunks in bins.items():
        out += u32(number) + i32(len(chunks) if n_chunk is None else n_chunk)
        out += b"".join(struct.pack("<QQ", *chunk) for chunk in chunks)
    if counts:
        out += u32(37450) + i32(2) + struct.pack("<QQQQ", 0, 0, *counts)
    out += i32(len(windows) if n_intv is None else n_intv)
    return out + b"".join(struct.pack("<Q", offset) for offset in windows)


def csi(contigs, min_shift=14, depth=5, aux=b"", l_aux=None, n_ref=None, unplaced=0):
    """`contigs`: for each, a dictionary of bins to (loffset, chunks)."""
    out = b"CSI\1" + struct.pack("<iii", min_shift, depth, len(aux) if l_aux is None else l_aux) + aux
    out += i32(len(contigs) if n_ref is None else n_ref)
    for bins in contigs:
        out += i32(len(bins))
        for number, (first, chunks) in bins.items():
            out += struct.pack("<IQi", number, first, len(chunks))
            out += b"".join(struct.pack("<QQ", *chunk) for chunk in chunks)
    return bgzf(out + struct.pack("<Q", unplaced))


def tabix_names(names, preset=2, columns=(1, 2, 0), meta=ord("#"), skip=0, l_nm=None):
    joined = b"".join(name.encode() + b"\0" for name in names)
    return struct.pack("<iiiiiii", preset, *columns, meta, skip, len(joined) if l_nm is None else l_nm) + joined


def tbi(contigs, names, n_ref=None, unplaced=0, **head):
    out = b"TBI\1" + i32(len(contigs) if n_ref is None else n_ref) + tabix_names(names, **head)
    out += b"".join(binning(*one) for one in contigs)
    return bgzf(out + (b"" if unplaced is None else struct.pack("<Q", unplaced)))


def index_of(spans, contigs, shift=14):
    """Bins and windows of records, each a (contig, start, end, from, to): 0-based spans and virtual offsets."""
    out = [({}, [], [0, 0]) for _ in range(contigs)]
    for ref, start, end, begin, stop in spans:
        if ref < 0:
            continue
        bins, windows, counts = out[ref]
        counts[0] += 1
        bins.setdefault(reg2bin(start, end), []).append((begin, stop))
        for window in range(start >> shift, ((end - 1) >> shift) + 1):
            windows.extend([0] * (window + 1 - len(windows)))
            windows[window] = begin if windows[window] == 0 else min(windows[window], begin)
    for bins, windows, _ in out:
        for i in range(1, len(windows)):
            windows[i] = windows[i] or windows[i - 1]
    return [(bins, windows, tuple(counts) if sum(counts) else None) for bins, windows, counts in out]


def indexed_bam(records, size=512, **header):
    """A BAM of small blocks and the parts of its BAI; `records` are (contig, pos, record)."""
    head = bam_header(**header)
    raw = head + b"".join(record for _, _, record in records)
    stored = bgzf(raw, size)
    starts, at, spans = blocks_of(stored), len(head), []
    for ref, pos, record in records:
        spans.append((ref, pos, pos + 10, virtual(starts, size, at), virtual(starts, size, at + len(record))))
        at += len(record)
    return stored, index_of(spans, len(header.get("contigs", CONTIGS)))


def indexed_text(head, lines, span, names, size=512):
    """A BGZF text of small blocks and the parts of its TBI; `span` tells contig, start and end of a line, 0-based."""
    raw = head + b"".join(lines)
    stored = bgzf(raw, size)
    starts, at, spans = blocks_of(stored), len(head), []
    for line in lines:
        ref, start, end = span(line)
        spans.append((ref, start, end, virtual(starts, size, at), virtual(starts, size, at + len(line))))
        at += len(line)
    return stored, index_of(spans, len(names))


# Text


def vcf_head(samples=(), extra=(), version="VCFv4.3"):
    lines = [f"##fileformat={version}", *extra]
    lines += [f"##contig=<ID={name},length={length}>" for name, length in CONTIGS]
    lines += [
        '##FILTER=<ID=q10,Description="low">',
        '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">',
        '##INFO=<ID=DB,Number=0,Type=Flag,Description="Known">',
        '##INFO=<ID=NOTE,Number=1,Type=String,Description="Text">',
        '##INFO=<ID=END,Number=1,Type=Integer,Description="End">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        '##FORMAT=<ID=GL,Number=G,Type=Float,Description="Likelihoods">',
        '##FORMAT=<ID=FT,Number=1,Type=String,Description="Filter">',
    ]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    columns += ["FORMAT", *samples] if samples else []
    return ("\n".join(lines) + "\n" + "\t".join(columns) + "\n").encode()


def site(pos, chrom="chr1", ident=".", ref="A", alt="C", qual="50", filters="PASS", info="DP=7", rest=()):
    return ("\t".join([chrom, str(pos), ident, ref, alt, qual, filters, info, *rest]) + "\n").encode()


def vcf(lines, **head):
    return vcf_head(**head) + b"".join(lines)


def sites(**changes):
    """Three sound sites, but for `changes` of the second."""
    second = {"pos": 200, **changes}
    return [site(100), site(**second), site(300)]


def sam_line(**changes):
    fields = dict(
        qname="r", flag="0", rname="chr1", pos="101", mapq="60", cigar="10M", rnext="*", pnext="0", tlen="0",
        seq="ACGTACGTAC", qual="I" * 10, tags=(),
    )
    fields.update(changes)
    tags = fields.pop("tags")
    return ("\t".join([*fields.values(), *tags]) + "\n").encode()


def sam(changed=None, header=None):
    """Three sound lines, or `changed` in place of the second."""
    header = sam_text() if header is None else header
    return header + sam_line() + (sam_line() if changed is None else changed) + sam_line()


def feature(start=100, end=200, seqid="chr1", kind="gene", score=".", strand="+", phase=".", attributes="ID=a"):
    return ("\t".join([seqid, "x", kind, str(start), str(end), score, strand, phase, attributes]) + "\n").encode()


GFF = b"##gff-version 3\n"


def gff(changed, head=GFF):
    return head + feature() + changed + feature()


def fastq(*records):
    return b"".join(b"@%s\n%s\n+\n%s\n" % record for record in records)


GOOD_READS = (b"a", b"ACGT", b"IIII"), (b"b", b"GGCC", b"IIII")
