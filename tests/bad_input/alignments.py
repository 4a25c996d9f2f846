"""BAM and the BGZF below it: classes 1 to 26."""

import struct

from files import (
    CONTIGS, EOF_BLOCK, bam, bam_header, bgzf, block, blocks_of, contig, fastq, feature, gff, gz, i32, read, reads, sam,
    sam_text, sites, tag, u32, vcf, GOOD_READS,
)

MAX = 2**31 - 1
MIN = -(2**31)
HUGE_LENGTHS = [("negative", -1), ("least", MIN), ("huge", MAX)]


def cases(t):
    framing(t)
    header(t)
    fixed_fields(t)
    names_and_places(t)
    tags(t)
    long_cigars(t)
    blocks(t)
    wrong_kind(t)


def framing(t):
    good = bam(reads())
    whole = len(good) - len(EOF_BLOCK)
    text = bgzf(vcf(sites()))
    no_end = "SAMv1 4.1.2: without the end block a file is probably truncated"
    told = "end-of-file block"
    for name, data, rows in [
        ("no_eof.bam", good[:whole], 3),
        ("no_eof.vcf.gz", text[: -len(EOF_BLOCK)], 3),
        ("no_eof.gff3.gz", bgzf(gff(feature()), end=b""), 3),
        ("no_eof.fastq.gz", bgzf(fastq(*GOOD_READS), end=b""), 2),
        ("no_eof.bed.gz", bgzf(b"chr1\t1\t2\n", end=b""), 1),
        ("no_eof.sam.gz", bgzf(sam(), end=b""), 3),
    ]:
        t.error(1, name, data, told, "offset", no_end)
        t.rows_are(1, "allowed_" + name, data, rows, told, "the caller allows it", read="eof=no")
    t.error(1, "eof_cut_by_one.bam", good[:-1], told, "offset", no_end)
    t.error(1, "eof_cut_by_one_allowed.bam", good[:-1], "truncated", "offset", "allowed, but the block is cut", read="eof=no")

    many = reads(400)
    cut = bam(many, size=4096)
    starts = blocks_of(cut)
    for name, at in [("header", starts[2] + 9), ("magic", starts[2] + 2), ("data", starts[2] + 60), ("trailer", starts[3] - 3)]:
        why = "SAMv1 4.1: every block is whole"
        t.error(2, f"cut_in_{name}.bam", cut[:at], told, "offset", why)
        t.error(2, f"cut_in_{name}_allowed.bam", cut[:at], "truncated", "offset", why, read="eof=no")
        t.error(2, f"cut_in_{name}_then_eof.bam", cut[:at] + EOF_BLOCK, "BGZF|deflate", "offset", why)
    text = bgzf(vcf(sites() * 100), size=2048)
    at = blocks_of(text)[2] + 40
    t.error(2, "cut.vcf.gz", text[:at], told, "offset", "the same of text")
    t.error(2, "cut_allowed.vcf.gz", text[:at], "truncated", "offset", "the same of text", read="eof=no")
    text = bgzf(fastq(*GOOD_READS * 100), size=512)
    t.error(2, "cut_allowed.fastq.gz", text[: blocks_of(text)[2] + 40], "truncated", "offset", "the same", read="eof=no")

    raw = bam_header() + b"".join(reads())
    head, last = len(bam_header()), len(reads()[2])
    for name, n in [("fields", 20), ("size", last - 2), ("tags", 1)]:
        t.error(3, f"cut_in_{name}.bam", bgzf(raw[: len(raw) - n]), "record", "offset", "the file ends within a record")
    t.error(3, "cut_after_two_bytes.bam", bgzf(raw[: head + 2]), "record", "offset", "half a block_size")
    t.error(3, "cut_on_block_edge.bam", cut[: starts[3]] + EOF_BLOCK, "record", "offset", "a record goes on in the block that is missing")
    for name, n in [("magic", 2), ("l_text", 6), ("text", 30), ("n_ref", head - len(contig("chr1", 1)) * 2 - 2), ("contig", head - 3)]:
        t.error(3, f"header_cut_in_{name}.bam", bgzf(raw[:n]), "", "offset", "SAMv1 4.2: the header is whole")

    for name in ["bam", "sam", "vcf", "vcf.gz", "sam.gz"]:
        t.error(4, f"empty.{name}", b"", "empty|no data|no header|no BAM header|no VCF header", "-", f"a {name} has a header or a record")
    t.error(4, "empty", b"", "empty|known", "-", "nothing tells what it is")
    for name in ["fastq", "bed", "gff3"]:
        t.rows_are(4, f"empty.{name}", b"", 0, why="no header is needed: no lines are no records")
    for name in ["fastq.gz", "bed.gz", "gff3.gz", "bed.bgz"]:
        t.error(4, f"empty.{name}", b"", "empty", "-", "RFC 1952: nothing compressed takes 20 bytes")
    for name, data in [("bed.gz", gz(b"")), ("fastq.gz", gz(b"")), ("bed.bgz", bgzf(b""))]:
        t.rows_are(4, f"compressed_nothing.{name}", data, 0, why="the same, compressed")

    t.rows_are(5, "header_only.bam", bam([]), 0, why="a header is a whole file")
    t.rows_are(5, "no_contigs.bam", bam([], contigs=[]), 0, why="unaligned reads have no contigs")
    t.rows_are(5, "no_text.bam", bam([], text=b""), 0, why="SAMv1 4.2: l_text may be 0")
    t.rows_are(5, "header_only.sam", sam_text(), 0, why="a header is a whole file")
    t.rows_are(5, "header_only.vcf", vcf([]), 0, why="a header is a whole file")
    t.rows_are(5, "header_only.samples.vcf", vcf([], samples=["a", "b"]), 0, why="a header is a whole file")
    t.rows_are(5, "header_only.gff3", b"##gff-version 3\n", 0, why="a header is a whole file")
    t.rows_are(5, "track_only.bed", b'track name="x"\n', 0, why="a track line is no interval")

    t.error(6, "eof_only.bam", EOF_BLOCK, "header", "offset", "SAMv1 4.2: no magic")
    t.error(6, "eof_twice.bam", EOF_BLOCK * 2, "header", "offset", "SAMv1 4.2: no magic")
    t.error(6, "eof_only.vcf.gz", EOF_BLOCK, "header", "-", "VCF 1.1: ##fileformat is required")
    t.error(6, "eof_only.sam.gz", EOF_BLOCK, "header", "-", "neither header nor record")
    t.rows_are(6, "eof_only.bed.gz", EOF_BLOCK, 0, why="no lines are no records")
    t.rows_are(6, "eof_only.fastq.gz", EOF_BLOCK, 0, why="no lines are no records")


def header(t):
    body = b"".join(reads())
    for name, n in HUGE_LENGTHS + [("over_the_limit", 65 << 20)]:
        t.error(7, f"l_text_{name}.bam", bam(reads(), l_text=n), "l_text", "offset", "checked against what is there before memory is taken")
    size = len(sam_text())
    t.error(7, "l_text_long.bam", bam(reads(), l_text=size + 5), "", "offset", "the dictionary is misread")
    t.error(7, "l_text_beyond.bam", bam(reads(), l_text=100_000), "text", "offset", "longer than the file")
    t.error(7, "l_text_short.bam", bam(reads(), l_text=size - 5), "", "offset", "text is read as n_ref")
    t.error(7, "l_text_zero.bam", bam(reads(), l_text=0), "", "offset", "text is read as n_ref")
    t.rows_are(7, "text_padded.bam", bam(reads(), text=sam_text() + b"\0" * 50), 3, why="SAMv1 4.2: text may be padded with NUL")

    for name, n in HUGE_LENGTHS + [("over_the_limit", 11_000_000)]:
        t.error(8, f"n_ref_{name}.bam", bam(reads(), n_ref=n), "n_ref|contig|cut", "offset", "checked before memory is taken")
    t.error(8, "n_ref_one_more.bam", bam(reads(), n_ref=3), "contig 2", "offset", "a record is read as a contig")
    t.error(8, "n_ref_one_less.bam", bam(reads(), n_ref=1), "record", "offset", "a contig is read as a record")
    t.error(8, "n_ref_ten_million.bam", bam([], n_ref=9_999_999), "contig 2|cut", "offset", "below the limit, but not there")

    def dictionary(*contigs):
        text = sam_text()
        return bgzf(b"BAM\1" + i32(len(text)) + text + i32(len(contigs)) + b"".join(contigs) + body)

    for name, n in HUGE_LENGTHS + [("zero", 0), ("long", 500_000)]:
        t.error(9, f"l_name_{name}.bam", dictionary(contig("chr1", 1000, l_name=n), contig("chr2", 1000)), "name", "offset", "SAMv1 4.2: the NUL is counted")
    t.error(9, "l_name_short.bam", dictionary(contig("chr1", 1000, l_name=4), contig("chr2", 1000)), "name", "offset", "the name is not ended")

    for name, data in [
        ("l_ref_negative", dictionary(contig("chr1", -1), contig("chr2", 1000))),
        ("l_ref_least", dictionary(contig("chr1", 1000), contig("chr2", MIN))),
    ]:
        t.error(10, f"{name}.bam", data, "l_ref", "offset", "SAMv1 4.2: a length is not negative")
    for name, one in [
        ("nul_inside", contig(b"ch\0r1", 1000)),
        ("no_nul", contig("chr1", 1000, l_name=4, nul=b"")),
        ("empty", contig("", 1000)),
        ("not_utf8", contig(b"chr\xff", 1000)),
        ("twice", contig("chr2", 1000)),
    ]:
        t.error(10, f"name_{name}.bam", dictionary(one, contig("chr2", 1000)), "name", "offset", "SAMv1 1.2.1, 4.2: names are NUL-terminated and differ")

    differ = "differ"
    for name, text in [
        ("other_name", sam_text([("chrX", 100_000), ("chr2", 50_000)])),
        ("other_length", sam_text([("chr1", 1), ("chr2", 50_000)])),
        ("fewer", sam_text(CONTIGS[:1])),
        ("more", sam_text([*CONTIGS, ("chr3", 5)])),
        ("other_order", sam_text(CONTIGS[::-1])),
    ]:
        t.rows_are(11, f"{name}.bam", bam(reads(), text=text), 3, differ, "the binary dictionary is what records refer to", check="min(rname) => chr1")
    t.rows_are(11, "no_sq_lines.bam", bam(reads(), text=b"@HD\tVN:1.6\n"), 3, why="SAMv1 4.2: @SQ lines may be left out")
    t.rows_are(11, "no_text.bam", bam(reads(), text=b""), 3, why="SAMv1 4.2: the text may be empty")


def fixed_fields(t):
    def second(number, file, text, why, count=None, **changes):
        t.error(number, file, bam(reads(**changes)), text, "offset", why, count)

    for name, n in HUGE_LENGTHS + [("zero", 0), ("small", 31), ("without_name", 32), ("over_the_limit", (64 << 20) + 1)]:
        second(12, f"block_size_{name}.bam", "block_size", "SAMv1 4.2: at least the fixed fields, at most what is there", size=n)
    second(12, "block_size_one_more.bam", "", "the next record is misread", size=len(reads()[0]) - 3)
    second(12, "block_size_one_less.bam", "", "the record is cut", size=len(reads()[0]) - 5)
    raw = bam_header() + b"".join(reads())
    t.error(12, "last_block_size_reaches_past.bam", bgzf(raw + i32(10_000) + b"x" * 50), "record", "offset", "the file ends within it")
    t.error(12, "last_block_size_63_mib.bam", bgzf(raw + i32(63 << 20) + b"x" * 50), "record", "offset", "claims 63 MiB which are not there")

    for name, n in [("most", 65535), ("more_than_fits", 20)]:
        second(13, f"n_cigar_{name}.bam", "n_cigar|l_seq|fields need", "SAMv1 4.2: n_cigar_op operations lie in the record", n_cigar=n)
    second(13, "n_cigar_one_more.bam", "CIGAR|tag|fields", "bases are read as an operation", n_cigar=2, count=3)
    second(13, "n_cigar_one_less.bam", "tag|CIGAR|fields", "an operation is read as bases", n_cigar=0, count=3)

    for name, cigar in [("short", ((9, 0),)), ("long", ((11, 0),)), ("clip", ((5, 4), (6, 0)))]:
        second(14, f"cigar_{name}.bam", "CIGAR", "SAMv1 1.4: M, I, S, = and X sum to the length of SEQ", count=3, cigar=cigar)
    for op in [9, 10, 15]:
        second(14, f"operation_{op}.bam", "CIGAR", "SAMv1 4.2: operations are 0 to 8", count=3, cigar=((5, 0), (1, op), (5, 0)))
    t.rows_are(14, "no_sequence.bam", bam(reads(seq="", qual=b"")), 3, why="SAMv1 1.4: SEQ may be *, whatever CIGAR says")
    t.rows_are(14, "no_cigar.bam", bam(reads(cigar=(), flag=4)), 3, why="SAMv1 1.4: CIGAR may be *")
    t.rows_are(14, "zero_length_operation.bam", bam(reads(cigar=((10, 0), (0, 1)))), 3, why="harmless, and samtools reads it")

    for name, n in HUGE_LENGTHS:
        second(15, f"l_seq_{name}.bam", "l_seq", "SAMv1 4.2: bases and qualities lie in the record", l_seq=n)
    second(15, "l_seq_more.bam", "l_seq", "longer than the record", l_seq=500)
    second(15, "l_seq_one_more.bam", "l_seq|tag|CIGAR", "qualities reach past the record", l_seq=11)
    second(15, "l_seq_two_less.bam", "tag|CIGAR", "qualities are read as tags", l_seq=8, count=3)
    second(15, "l_seq_zero.bam", "tag", "bases are read as tags", l_seq=0, count=3)


def names_and_places(t):
    def second(number, file, text, why, count=None, **changes):
        t.error(number, file, bam(reads(**changes)), text, "offset", why, count)

    why = "SAMv1 4.2: the name ends with its only NUL"
    second(16, "l_read_name_zero.bam", "read_name", why, l_name=0)
    second(16, "l_read_name_one_less.bam", "read_name", why, l_name=2)
    second(16, "l_read_name_one_more.bam", "read_name", why, l_name=4)
    second(16, "l_read_name_beyond.bam", "l_read_name|fields need", why, l_name=255)
    second(16, "nul_inside.bam", "read_name", why, name=b"r\x001")
    second(16, "no_nul.bam", "read_name", why, nul=b"x")
    t.error(16, "not_utf8.bam", bam(reads(name=b"r\xff")), "read_name", "offset", "SAMv1 1.4: QNAME is printable", 3)
    t.rows_are(16, "empty_name.bam", bam(reads(name="")), 3, why="a lone NUL: samtools reads an empty name")

    for name, n in [("one_past", 2), ("minus_two", -2), ("huge", MAX), ("least", MIN)]:
        why = "SAMv1 4.2: -1, or a number in the dictionary"
        second(17, f"ref_{name}.bam", "refID", why, ref=n)
        second(17, f"mate_{name}.bam", "next_refID", why, mate=n, mate_pos=5)
    t.error(17, "no_dictionary.bam", bam(reads(), contigs=[]), "refID", "offset", "a contig where there is none")

    for name, n in [("minus_two", -2), ("least", MIN)]:
        second(18, f"pos_{name}.bam", "pos", "SAMv1 4.2: -1, or a 0-based position", pos=n)
    t.rows_are(18, "pos_last.bam", bam(reads(pos=MAX)), 3, "past the end", "kept, as samtools does; 64 bits hold the 1-based position", check="max(pos) => 2147483648")
    t.rows_are(18, "pos_past_contig.bam", bam(reads(pos=200_000)), 3, "past the end", "kept, as samtools does", check="max(pos) => 200001")
    t.rows_are(18, "mate_pos_least.bam", bam(reads(mate=0, mate_pos=MIN)), 3, "negative", "kept, as samtools does", check="min(pnext) => -2147483647")
    t.rows_are(18, "unplaced.bam", bam(reads(ref=-1, pos=-1, flag=4, cigar=())), 3, why="an unplaced read")

    unsorted = [read("a", pos=5000), read("b", pos=100), read("c", ref=1, pos=7), read("d", pos=90)]
    t.rows_are(19, "unsorted.bam", bam(unsorted), 4, why="the header's SO:coordinate is not relied on")
    t.rows_are(19, "unsorted_region.bam", bam(unsorted), 2, why="a region without an index is a filter over all", read="region=chr1:50-200")
    t.rows_are(19, "unsorted_two_regions.bam", bam(unsorted), 4, why="the same", read="region=chr2,chr1")


def tags(t):
    def second(name, tags, text, why="SAMv1 4.2.4"):
        t.error(20, name, bam(reads(tags=tags)), text, "offset", why, 3)

    second("cut_in_name.bam", b"N", "tags")
    second("no_type.bam", b"NM", "tags|tag NM")
    second("no_value.bam", b"NMi", "NM")
    second("value_cut.bam", b"NMi\1\0", "NM")
    second("no_nul.bam", b"RGZabc", "RG")
    second("hex_no_nul.bam", b"XHH1AF", "XH")
    second("unknown_type.bam", b"XXQ\1\2\3\4", "XX")
    second("double_type.bam", b"XXd" + bytes(8), "XX")
    second("array_unknown_type.bam", b"XBBx" + u32(1) + b"\0", "XB")
    second("array_of_text.bam", b"XBBA" + u32(1) + b"a", "XB")
    second("array_no_type.bam", b"XBB", "XB")
    second("array_count_cut.bam", b"XBBI\1\0", "XB")
    for name, n in [("huge", 2**32 - 1), ("overflow", 2**30), ("one_more", 3)]:
        second(f"array_count_{name}.bam", b"XBBI" + u32(n) + bytes(8), "XB", "checked against the record before memory is taken")
    second("after_a_sound_one.bam", tag("NM", "i", i32(1)) + b"XXQ\1", "XX")
    twice = tag("NM", "C", b"\1") + tag("NM", "C", b"\2")
    t.rows_are(20, "twice.bam", bam(reads(tags=twice)), 3, "tag", "SAMv1 1.5: once each; the first holds", check="max(tag_nm) => 1")
    t.rows_are(20, "other_type.bam", bam(reads(tags=tag("NM", "Z", b"x\0"))), 3, "the tag NM has values of another type", "SAMtags: NM is an integer; read as the file has it, and told")
    t.error(20, "text_not_utf8.bam", bam(reads(tags=tag("CO", "Z", b"\xff\xfe\0"))), "tag", "offset", "SAMv1 1.5: printable text", 3)
    t.rows_are(20, "empty_array.bam", bam(reads(tags=tag("XB", "B", b"i" + u32(0)))), 3, why="an array may be empty")
    t.rows_are(20, "empty_text.bam", bam(reads(tags=tag("CO", "Z", b"\0"))), 3, why="text may be empty")


def long_cigars(t):
    ops = [(1, 0), (1, 1)] * 35_000
    packed = b"".join(u32(n << 4 | op) for n, op in ops)
    seq = "AC" * 35_000
    holder = ((len(seq), 4), (35_000, 3))
    long = dict(cigar=holder, seq=seq, tags=tag("CG", "B", b"I" + u32(len(ops)) + packed))
    t.rows_are(21, "long.bam", bam(reads(**long)), 3, why="SAMv1 4.2.2: the operations stand in CG", check="max(length(cigar)) => 140000")
    t.rows_are(21, "long_signed.bam", bam(reads(**{**long, "tags": tag("CG", "B", b"i" + u32(len(ops)) + packed)})), 3, why="as htslib, signed integers are taken too", check="max(length(cigar)) => 140000")
    t.rows_are(21, "long_end.bam", bam(reads(**long)), 3, why="its end is that of the operations", check='max("end") => 35100')
    short = u32(4 << 4) + u32(6 << 4)
    base = dict(cigar=((10, 4), (10, 3)), seq="ACGTACGTAC")
    for name, value in [("text", tag("CG", "Z", b"10M\0")), ("integer", tag("CG", "i", i32(5)))]:
        t.rows_are(22, f"{name}.bam", bam(reads(**base, tags=value)), 3, "the tag CG has values of another type", "not CG:B,I: a tag like all others", check="max(cigar) => 10S10N")
    for name, value in [("empty", tag("CG", "B", b"I" + u32(0))), ("one_byte_each", tag("CG", "B", b"c" + u32(8) + short))]:
        t.rows_are(22, f"{name}.bam", bam(reads(**base, tags=value)), 3, why="not CG:B,I: a tag like all others", check="max(cigar) => 10S10N")
    t.rows_are(22, "no_holder.bam", bam(reads(tags=tag("CG", "B", b"I" + u32(2) + short))), 3, why="the CIGAR is no <SEQ>S<n>N: CG is a plain tag", check="max(cigar) => 10M")
    wrong = u32(4 << 4) + u32(5 << 4)
    t.error(22, "covers_less.bam", bam(reads(**base, tags=tag("CG", "B", b"I" + u32(2) + wrong))), "CIGAR", "offset", "its operations do not cover SEQ", 3)
    unknown = u32(10 << 4) + u32(1 << 4 | 11)
    t.error(22, "unknown_operation.bam", bam(reads(**base, tags=tag("CG", "B", b"I" + u32(2) + unknown))), "CIGAR", "offset", "operations are 0 to 8", 3)
    t.error(22, "count_huge.bam", bam(reads(**base, tags=b"CGBI" + u32(2**32 - 1) + short)), "CG", "offset", "checked before memory is taken", 3)


def blocks(t):
    good = bam(reads(200), size=2048)
    starts = blocks_of(good)
    begin, end = starts[3], starts[4]
    for n in range(8):
        at = begin + 18 + (end - begin - 26) * n // 8
        flipped = good[:at] + bytes([good[at] ^ 1 << n]) + good[at + 1 :]
        t.error(23, f"bit_in_data_{n}.bam", flipped, "BGZF", "offset", "RFC 1952 2.3.1: CRC32 and ISIZE are checked")

    def replaced(**changes):
        raw = (bam_header() + b"".join(reads(200)))[3 * 2048 : 4 * 2048]
        return good[:begin] + block(raw, **changes) + good[end:]

    for name, changes in [
        ("crc", {"crc": 0}), ("isize_zero", {"isize": 0}), ("isize_one_more", {"isize": 2049}),
        ("isize_one_less", {"isize": 2047}), ("isize_64k_and_one", {"isize": 65537}), ("isize_most", {"isize": 2**32 - 1}),
        ("bsize_zero", {"bsize": 0}), ("bsize_small", {"bsize": 20}), ("bsize_most", {"bsize": 65535}),
        ("bsize_one_more", {"bsize": end - begin}), ("bsize_one_less", {"bsize": end - begin - 2}),
    ]:
        t.error(23, f"{name}.bam", replaced(**changes), "BGZF|deflate|EOF|gzip", "offset", "RFC 1952, SAMv1 4.1")
    first = bytearray(good)
    struct.pack_into("<H", first, 16, 0)
    t.error(23, "first_bsize_zero.bam", bytes(first), "BGZF", "offset", "of the first block")
    struct.pack_into("<H", first, 16, 65535)
    t.error(23, "first_bsize_most.bam", bytes(first), "BGZF", "offset", "of the first block")
    for name, field, value in [("magic", 1, 0), ("method", 2, 7), ("no_extra", 3, 0), ("subfield_name", 12, 88), ("subfield_length", 14, 3), ("extra_length_zero", 10, 0), ("extra_length_most", 11, 255)]:
        broken = bytearray(good)
        broken[begin + field] = value
        t.error(23, f"block_{name}.bam", bytes(broken), "BGZF|gzip", "offset", "SAMv1 4.1")
    text = bgzf(vcf(sites() * 100), size=2048)
    at = blocks_of(text)[2] + 30
    t.error(23, "bit_in_data.vcf.gz", text[:at] + bytes([text[at] ^ 4]) + text[at + 1 :], "BGZF", "offset", "the same of text")
    reserved = block(b"")[:18] + b"\x07\0" + bytes(8)
    t.error(23, "reserved_block_type.bam", good[:begin] + reserved[:16] + struct.pack("<H", len(reserved) - 1) + reserved[18:] + good[begin:], "BGZF", "offset", "RFC 1951 3.2.3: type 3 is an error")

    raw = bam_header() + b"".join(reads())
    cut = len(raw) // 2
    for name, data, rows in [
        ("empty_blocks.bam", EOF_BLOCK * 3 + block(raw[:cut]) + EOF_BLOCK * 2 + block(raw[cut:]) + EOF_BLOCK * 2, 3),
        ("eof_within_record.bam", block(raw[:-20]) + EOF_BLOCK + block(raw[-20:]) + EOF_BLOCK, 3),
        ("one_byte_blocks.bam", bgzf(raw, size=1), 3),
        ("stored_blocks.bam", block(raw, level=0) + EOF_BLOCK, 3),
        ("concatenated.fastq.gz", bgzf(fastq(*GOOD_READS)) * 2, 4),
        ("concatenated.bed.gz", bgzf(b"chr1\t1\t2\n") * 3, 3),
        ("one_byte_blocks.vcf.gz", bgzf(vcf(sites()), size=1), 3),
    ]:
        t.rows_are(24, name, data, rows, why="RFC 1952 2.2: members follow one another")
    t.rows_are(24, "concatenated.vcf.gz", bgzf(vcf(sites())) * 2, 6, "#", "the second header is told")
    t.rows_are(24, "concatenated.gff3.gz", bgzf(gff(feature())) * 2, 6, why="comments may stand anywhere")
    t.error(24, "concatenated.bam", bam(reads()) * 2, "block_size|record", "offset", "a header is no record; samtools errors too")

    why = "what follows the last record is no record"
    t.error(25, "text_after_eof.bam", bam(reads()) + b"hello", "end-of-file block", "offset", why)
    t.error(25, "zeros_after_eof.bam", bam(reads()) + bytes(512), "end-of-file block", "offset", why)
    t.error(25, "text_after_eof_allowed.bam", bam(reads()) + b"hello, world", "BGZF", "offset", why, read="eof=no")
    t.error(25, "junk_between.bam", bam(reads()) + b"some junk of forty bytes, no gzip member" + EOF_BLOCK, "BGZF", "offset", why)
    t.error(25, "inflated_junk.bam", bgzf(raw + b"some junk"), "record|block_size", "offset", why)
    t.error(25, "inflated_zeros.bam", bgzf(raw + bytes(100)), "block_size", "offset", why)
    t.error(25, "inflated_one_byte.bam", bgzf(raw + b"x"), "record|block_size", "offset", why)
    t.error(25, "junk_line.vcf.gz", bgzf(vcf(sites()) + b"\x01\x02junk"), "CHROM|POS|fields", "line", why)
    t.error(25, "junk_after_member.vcf.gz", gz(vcf(sites())) + b"junk", "gzip", "offset", why)


def wrong_kind(t):
    raw = bam_header() + b"".join(reads())
    t.rows_are(26, "plain_gzip.bam", gz(raw), 3, why="found out by its first bytes; samtools reads it too")
    t.rows_are(26, "raw.bam", raw, 3, why="found out by its first bytes; samtools reads it too")
    t.rows_are(26, "vcf_named.bam", vcf(sites()), 3, why="the content counts, not the name")
    t.rows_are(26, "bam_named.vcf", bam(reads()), 3, why="the content counts, not the name")
    t.rows_are(26, "sam_named.bam", sam(), 3, why="the content counts, not the name")
    t.rows_are(26, "bgzf_not_named.vcf", bgzf(vcf(sites())), 3, why="the content counts, not the name")
    t.rows_are(26, "fastq_named.bam", fastq(*GOOD_READS), 2, why="the content counts, not the name")
    t.rows_are(26, "gzip_of_gzip_inner_named.bed", gz(b"chr1\t1\t2\n"), 1, why="the content counts, not the name")
    t.error(26, "gzip_twice.vcf.gz", gz(gz(vcf(sites()))), "gzip|compressed", "-", "compressed twice")
    page = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
    for ending in ["bam", "vcf", "vcf.gz", "bed", "fastq", "gff3", "sam"]:
        t.error(26, f"web_page.{ending}", page, "", "-", "a failed download")
    for name, magic in [
        ("zip", b"PK\3\4\x14\0\0\0"), ("xz", b"\xfd7zXZ\0\0\4"), ("bzip2", b"BZh91AY&SY"), ("zstd", b"\x28\xb5\x2f\xfd\x24\0"),
        ("parquet", b"PAR1\x15\0"), ("png", b"\x89PNG\r\n\x1a\n"), ("hdf5", b"\x89HDF\r\n\x1a\n"),
    ]:
        for ending in ["bam", "vcf", "bed", "fastq"]:
            t.error(26, f"{name}.{ending}", magic + bytes(range(200)), "|".join([name, "not a", "unsupported", "known"]), "-", "another format under a familiar name")
    t.error(26, "bai_named.bam", b"BAI\1" + i32(0), "", "-", "an index is no data")
    t.error(26, "noise.bam", bytes((i * 73 + 41) % 256 for i in range(4096)), "", "-", "noise")
