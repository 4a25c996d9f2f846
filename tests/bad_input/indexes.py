"""Indexes BAI, CSI, TBI and GZI: classes 54 and 62 to 66."""

import os
import struct

from files import (
    CONTIGS, bai, bam_header, bgzf, binning, blocks_of, csi, feature, indexed_bam, indexed_text, read, reg2bin, site,
    tabix_names, tbi, u32, vcf_head, virtual,
)

NAMES = [name for name, _ in CONTIGS]
MAX = 2**31 - 1
REGION = "region=chr1:40001-60000"
OLD, NEW = 1_500_000_000, 1_600_000_000


def sorted_reads(step=1000):
    placed = [(0, pos, read(f"a{pos}", pos=pos)) for pos in range(0, 90_000, step)]
    placed += [(1, pos, read(f"b{pos}", ref=1, pos=pos)) for pos in range(0, 40_000, step)]
    return placed


def sorted_sites(step=1000):
    return [site(pos) for pos in range(1, 90_000, step)] + [site(pos, chrom="chr2") for pos in range(1, 40_000, step)]


def span_of_site(line):
    chrom, pos = line.split(b"\t")[:2]
    return NAMES.index(chrom.decode()), int(pos) - 1, int(pos)


def span_of_feature(line):
    cells = line.split(b"\t")
    return NAMES.index(cells[0].decode()), int(cells[3]) - 1, int(cells[4])


def cases(t):
    t.reads, t.parts = indexed_bam(sorted_reads())
    t.sites, t.site_parts = indexed_text(vcf_head(), sorted_sites(), span_of_site, NAMES)
    long_contigs(t)
    unsorted(t)
    stale(t)
    foreign(t)
    counts(t)
    shapes(t)
    same_rows(t)


def beside(t, number, name, data, index, data_time=OLD, index_time=NEW):
    """Writes a file and its index, `{suffix: bytes}`, with times."""
    path = f"{number:02}_{name}"
    t.file(path, data)
    os.utime(t.path(path), (data_time, data_time))
    for suffix, content in index.items():
        t.file(path + suffix, content)
        os.utime(t.path(path + suffix), (index_time, index_time))


def long_contigs(t):
    long = [("chr1", 600_000_000), ("chr2", 2**31 - 1)]
    far = [(0, 100, read("a", pos=100)), (0, 550_000_000, read("b", pos=550_000_000)), (1, 2**31 - 100, read("c", ref=1, pos=2**31 - 100))]
    stored, parts = indexed_bam(far, contigs=long)
    starts = blocks_of(stored)
    whole = [(starts[0] << 16, starts[-1] << 16)]
    t.rows_are(54, "no_index.bam", stored, 1, why="without an index nothing limits a contig", read="region=chr1:550000001-550000010")
    # A BAI numbers bins up to 2^29 only: another one is a broken index.
    broken = [({37449 + 5: whole}, [], None), ({}, [], None)]
    beside(t, 54, "bai_beyond.bam", stored, {".bai": bai(broken)})
    t.error(54, "bai_beyond.bam", None, "bin & CSI", "-", "SAMv1 5.2: a BAI reaches to 2^29", read="region=chr1:550000001-550000010")
    deep, at = [{}, {}], len(bam_header(contigs=long))
    for ref, pos, record in far:
        chunk = virtual(starts, 512, at), virtual(starts, 512, at + len(record))
        deep[ref].setdefault(reg2bin(pos, pos + 10, 14, 6), (0, []))[1].append(chunk)
        at += len(record)
    beside(t, 54, "csi.bam", stored, {".csi": csi(deep, depth=6)})
    t.rows_are(54, "csi.bam", None, 1, why="CSIv1: depth 6 reaches to 2^32", read="region=chr1:550000001-550000010", check="max(pos) => 550000001")
    t.rows_are(54, "csi.bam", None, 1, why="and the last position of a BAM", read="region=chr2:2147483540-2147483560", check="max(pos) => 2147483549")
    text = vcf_head() + site(2**31 + 5) + site(2**40)
    t.rows_are(54, "beyond_2_31.vcf", text, 2, why="positions have 64 bits", check=f"max(pos) => {2**40}")
    t.rows_are(54, "beyond_2_31_region.vcf", text, 1, why="regions have 64 bits", read=f"region=chr1:{2**31 + 1}-{2**31 + 10}")
    t.rows_are(54, "beyond_2_31.gff3", b"##gff-version 3\n" + feature(2**31 + 1, 2**40), 1, why="positions have 64 bits", check=f'max("end") => {2**40}')
    t.rows_are(54, "beyond_2_31.bed", f"chr1\t{2**31}\t{2**40}\n".encode(), 1, why="positions have 64 bits", check=f'max("end") => {2**40}')


def unsorted(t):
    """Files against their header's word, with the index that a careless program makes of them."""
    positions = [(i * 37_003) % 90_000 for i in range(300)]
    inside = sum(40_000 <= pos < 60_000 for pos in positions)
    data, parts = indexed_bam([(0, pos, read(f"r{i}", pos=pos)) for i, pos in enumerate(positions)])
    beside(t, 19, "unsorted_indexed.bam", data, {".bai": bai(parts)})
    t.case(19, "unsorted_indexed.bam", None, "safe", inside, read=REGION, why="all rows of the region, or told")
    t.case(19, "unsorted_indexed.bam", None, "safe", 300, why="all of it, or that the index is of an unsorted file")
    t.rows_are(19, "unsorted_indexed.bam", None, 300, why="all of it does not need order", read="index=no")
    lines = [site(pos + 1) for pos in positions]
    data, parts = indexed_text(vcf_head(), lines, span_of_site, NAMES)
    beside(t, 44, "unsorted_indexed.vcf.gz", data, {".tbi": tbi(parts, NAMES)})
    t.case(44, "unsorted_indexed.vcf.gz", None, "safe", inside, read=REGION, why="all rows of the region, or told")
    contigs = [(i % 2, i * 150) for i in range(300)]
    data, parts = indexed_bam([(ref, pos, read(f"r{i}", ref=ref, pos=pos)) for i, (ref, pos) in enumerate(contigs)])
    beside(t, 19, "contigs_mixed.bam", data, {".bai": bai(parts)})
    t.case(19, "contigs_mixed.bam", None, "safe", 150, read="region=chr2", why="all rows of the contig, or told")


def stale(t):
    beside(t, 62, "older.bam", t.reads, {".bai": bai(t.parts)}, NEW, OLD)
    t.rows_are(62, "older.bam", None, 20, "older than the data", "told, as htslib does", read=REGION)
    beside(t, 62, "older.vcf.gz", t.sites, {".tbi": tbi(t.site_parts, NAMES)}, NEW, OLD)
    t.rows_are(62, "older.vcf.gz", None, 20, "older than the data", "told, as htslib does", read=REGION)
    # Rewritten: more records before those that the index knows.
    more, _ = indexed_bam([(0, 5, read(f"new{i}", pos=5)) for i in range(50)] + sorted_reads())
    beside(t, 62, "rewritten.bam", more, {".bai": bai(t.parts)}, NEW, OLD)
    t.case(62, "rewritten.bam", None, "safe", 20, read=REGION, why="never fewer rows; a wrong place is an error")
    t.case(62, "rewritten.bam", None, "safe", 180, read="all", why="partitions begin where the index says")
    fewer, _ = indexed_bam(sorted_reads(2000))
    beside(t, 62, "shorter.bam", fewer, {".bai": bai(t.parts)}, NEW, OLD)
    t.error(62, "shorter.bam", None, "index", "-", "it points past the file's end", read=REGION)
    more, _ = indexed_text(vcf_head(), [site(5, ident=f"new{i}") for i in range(50)] + sorted_sites(), span_of_site, NAMES)
    beside(t, 62, "rewritten.vcf.gz", more, {".tbi": tbi(t.site_parts, NAMES)}, NEW, OLD)
    t.case(62, "rewritten.vcf.gz", None, "safe", 20, read=REGION, why="never fewer rows without a word")


def foreign(t):
    def bad(name, parts, text="", outcome="error", why="", region=REGION, rows=None, data=None):
        beside(t, 63, name, t.reads if data is None else data, {".bai": bai(parts)})
        t.case(63, name, None, outcome, rows, text or "-", read=region, why=why)

    other, other_parts = indexed_bam([(0, pos, read(f"x{pos}" * 9, pos=pos)) for pos in range(0, 90_000, 700)])
    bad("other_file.bam", other_parts, "index|record|block", why="its places are not this file's")
    beside(t, 63, "other_bam_of_three_contigs.bam", t.reads, {".bai": bai(t.parts + [({}, [], None)])})
    t.error(63, "other_bam_of_three_contigs.bam", None, "3 contigs", "-", "it has more contigs than the file", read=REGION)
    swapped = [t.parts[1], t.parts[0]]
    bad("contigs_swapped.bam", swapped, "index", why="its first contig is not the file's")
    bad("empty.bam", [({}, [], None), ({}, [], None)], "index", why="no records, where the file has some")
    end = len(t.reads) << 16

    def with_chunk(begin, stop):
        bins, windows, counts = t.parts[0]
        return [({**bins, 4681 + 2: [(begin, stop)], 4681 + 3: [(begin, stop)]}, windows, counts), t.parts[1]]

    some = t.parts[0][0][4681 + 2][0][0]
    starts = blocks_of(t.reads)
    bad("chunk_past_end.bam", with_chunk(end + (1 << 16), end + (2 << 16)), "index|past", why="no such bytes")
    bad("chunk_far_past_end.bam", with_chunk(2**63, 2**64 - 1), "index|past", why="no such bytes")
    bad("chunk_reversed.bam", with_chunk(some + 100, some), "chunk", why="it ends before it starts")
    bad("chunk_within_block.bam", with_chunk((starts[5] + 7) << 16, starts[9] << 16), "BGZF|index", why="no block begins there")
    bad("chunk_within_record.bam", with_chunk(some + 3, starts[-3] << 16), "record|index|block_size|past", why="no record begins there")
    bad("chunk_past_block.bam", with_chunk(starts[5] << 16 | 60_000, starts[9] << 16), "block|index", why="the block is shorter")
    windows = [2**62] * len(t.parts[0][1])
    bad("windows_past_end.bam", [(t.parts[0][0], windows, t.parts[0][2]), t.parts[1]], "window|index", why="they would hide every chunk")
    twice = bai(t.parts)
    one = binning(t.parts[0][0], t.parts[0][1], t.parts[0][2])
    bins = list(t.parts[0][0].items())
    body = struct.pack("<i", len(bins) + 1) + b"".join(u32(n) + struct.pack("<i", len(c)) + b"".join(struct.pack("<QQ", *p) for p in c) for n, c in [*bins, bins[0]])
    beside(t, 63, "bin_twice.bam", t.reads, {".bai": twice[:8] + body + struct.pack("<i", 0) + twice[8 + len(one):]})
    t.error(63, "bin_twice.bam", None, "bin", "-", "SAMv1 5.2: distinct bins", read=REGION)

    other = [site(pos, ident="a-longer-name" * 3) for pos in range(1, 90_000, 700)]
    _, parts = indexed_text(vcf_head(), other, span_of_site, NAMES)
    beside(t, 63, "other_file.vcf.gz", t.sites, {".tbi": tbi(parts, NAMES)})
    t.case(63, "other_file.vcf.gz", None, "safe", 20, read=REGION, why="its places are not this file's")
    beside(t, 63, "names_swapped.vcf.gz", t.sites, {".tbi": tbi(t.site_parts, NAMES[::-1])})
    t.case(63, "names_swapped.vcf.gz", None, "safe", 20, read=REGION, why="never rows of another region")
    beside(t, 63, "of_bed.vcf.gz", t.sites, {".tbi": tbi(t.site_parts, NAMES, preset=0x10000, columns=(1, 2, 3))})
    t.error(63, "of_bed.vcf.gz", None, "index", "-", "made for another format", read=REGION)
    beside(t, 63, "bai_beside_vcf.vcf.gz", t.sites, {".tbi": bai(t.site_parts)})
    t.error(63, "bai_beside_vcf.vcf.gz", None, "index", "-", "a BAI names no contigs", read=REGION)
    beside(t, 63, "tbi_beside_bam.bam", t.reads, {".bai": tbi(t.parts, NAMES)})
    t.error(63, "tbi_beside_bam.bam", None, "index", "-", "a tabix index is one of text", read=REGION)
    beside(t, 63, "no_index_at_all.bam", t.reads, {".bai": t.reads})
    t.error(63, "no_index_at_all.bam", None, "index", "-", "not one of the three", read=REGION)
    beside(t, 63, "empty_file.bam", t.reads, {".bai": b""})
    t.error(63, "empty_file.bam", None, "index", "-", "not one of the three", read=REGION)
    beside(t, 63, "cut.bam", t.reads, {".bai": bai(t.parts)[:-30]})
    t.error(63, "cut.bam", None, "index", "-", "cut short", read=REGION)
    beside(t, 63, "cut.vcf.gz", t.sites, {".tbi": tbi(t.site_parts, NAMES)[:60]})
    t.error(63, "cut.vcf.gz", None, "index|BGZF", "-", "cut short", read=REGION)
    beside(t, 63, "trailing.bam", t.reads, {".bai": bai(t.parts) + b"more"})
    t.error(63, "trailing.bam", None, "index", "-", "bytes follow its end", read=REGION)
    gff_lines = [feature(pos, pos + 10) for pos in range(1, 90_000, 1000)]
    data, parts = indexed_text(b"##gff-version 3\n", gff_lines, span_of_feature, NAMES)
    beside(t, 63, "of_vcf.gff3.gz", data, {".tbi": tbi(parts, NAMES)})
    t.error(63, "of_vcf.gff3.gz", None, "index", "-", "made for another format", read=REGION)


def counts(t):
    sound = bai(t.parts)
    for name, n in [("negative", -1), ("huge", MAX), ("least", -(2**31))]:
        why = "checked against the bytes that are there before memory is taken"
        for field, index in [
            ("n_ref", {".bai": bai(t.parts, n_ref=n)}),
            ("n_bin", {".bai": b"BAI\1" + struct.pack("<i", 2) + binning({}, [], None, n_bin=n) + sound}),
            ("n_chunk", {".bai": b"BAI\1" + struct.pack("<i", 1) + binning({4681: [(0, 1)]}, [], None, n_chunk=n)}),
            ("n_intv", {".bai": b"BAI\1" + struct.pack("<i", 1) + binning({}, [], None, n_intv=n)}),
            ("csi_n_ref", {".csi": csi([{}, {}], n_ref=n)}),
            ("csi_l_aux", {".csi": csi([{}, {}], l_aux=n)}),
        ]:
            beside(t, 64, f"{field}_{name}.bam", t.reads, index)
            t.error(64, f"{field}_{name}.bam", None, field.removeprefix("csi_"), "-", why, read=REGION)
        for field, index in [
            ("n_ref", tbi(t.site_parts, NAMES, n_ref=n)),
            ("l_nm", tbi(t.site_parts, NAMES, l_nm=n)),
        ]:
            beside(t, 64, f"tbi_{field}_{name}.vcf.gz", t.sites, {".tbi": index})
            t.error(64, f"tbi_{field}_{name}.vcf.gz", None, field, "-", why, read=REGION)
    for name, n in [("huge", 2**64 - 1), ("large", 2**40), ("one_more", 2)]:
        beside(t, 64, f"gzi_count_{name}.vcf.gz", t.sites, {".gzi": struct.pack("<QQQ", n, 0, 0)})
        t.case(64, f"gzi_count_{name}.vcf.gz", None, "safe", 130, why="checked before memory is taken; only cuts need it")
    beside(t, 64, "gzi_not_sorted.vcf.gz", t.sites, {".gzi": struct.pack("<QQQQQ", 2, 900, 1000, 30, 20)})
    t.case(64, "gzi_not_sorted.vcf.gz", None, "safe", 130, why="its places are not blocks")
    beside(t, 64, "gzi_past_end.vcf.gz", t.sites, {".gzi": struct.pack("<QQQ", 1, 2**50, 2**50)})
    t.case(64, "gzi_past_end.vcf.gz", None, "safe", 130, why="its places are not blocks")
    names = tbi(t.site_parts, NAMES[:1])
    beside(t, 64, "fewer_names.vcf.gz", t.sites, {".tbi": names})
    t.error(64, "fewer_names.vcf.gz", None, "names", "-", "two contigs but one name", read=REGION)
    beside(t, 64, "names_without_nul.vcf.gz", t.sites, {".tbi": bgzf(b"TBI\1" + struct.pack("<i", 2) + tabix_names(NAMES)[:-1] + b"x" + b"".join(binning(*p) for p in t.site_parts))})
    t.error(64, "names_without_nul.vcf.gz", None, "names", "-", "the last name does not end", read=REGION)
    t.rows_are(64, "counts_false.bam", t.reads, 130, why="no index is needed to read all")
    lying = [(t.parts[0][0], t.parts[0][1], (1000, 0)), t.parts[1]]
    beside(t, 64, "pseudo_bin_false.bam", t.reads, {".bai": bai(lying)})
    t.rows_are(64, "pseudo_bin_false.bam", None, 20, why="what the pseudo-bin counts decides no region", read=REGION)
    bomb = bgzf(b"TBI\1" + bytes(300 << 20), end=b"")
    beside(t, 64, "inflates_to_300_mb.vcf.gz", t.sites, {".tbi": bomb})
    t.error(64, "inflates_to_300_mb.vcf.gz", None, "index", "-", "an index does not inflate a thousandfold", read=REGION)


def shapes(t):
    for name, changes in [
        ("depth_ten", {"depth": 10}), ("depth_huge", {"depth": MAX}), ("depth_negative", {"depth": -1}), ("min_shift_70", {"min_shift": 70}),
        ("min_shift_huge", {"min_shift": MAX}), ("min_shift_negative", {"min_shift": -1}), ("both", {"min_shift": 40, "depth": 9}),
    ]:
        beside(t, 65, f"{name}.bam", t.reads, {".csi": csi([{}, {}], **changes)})
        t.error(65, f"{name}.bam", None, "min_shift", "-", "no such windows: shifts would overflow", read=REGION)
    beside(t, 65, "depth_zero.bam", t.reads, {".csi": csi([{0: (0, [(t.parts[0][0][4681][0][0], len(t.reads) << 16)])}, {}], depth=0, min_shift=20)})
    t.case(65, "depth_zero.bam", None, "safe", 20, why="one bin: unusual and sound", read=REGION)
    beside(t, 65, "bin_beyond_depth.bam", t.reads, {".csi": csi([{4681: (0, [(0, 1)])}, {}], depth=2)})
    t.error(65, "bin_beyond_depth.bam", None, "bin", "-", "no such bin at this depth", read=REGION)


def same_rows(t):
    beside(t, 66, "bai.bam", t.reads, {".bai": bai(t.parts)})
    deep = [{n: (0, c) for n, c in bins.items()} for bins, _, _ in t.parts]
    beside(t, 66, "csi.bam", t.reads, {".csi": csi(deep)})
    beside(t, 66, "tbi.vcf.gz", t.sites, {".tbi": tbi(t.site_parts, NAMES)})
    site_deep = [{n: (0, c) for n, c in bins.items()} for bins, _, _ in t.site_parts]
    beside(t, 66, "csi.vcf.gz", t.sites, {".csi": csi(site_deep, aux=tabix_names(NAMES))})
    gff_lines = [feature(pos, pos + 10) for pos in range(1, 90_000, 1000)] + [feature(pos, pos + 10, "chr2") for pos in range(1, 40_000, 1000)]
    data, parts = indexed_text(b"##gff-version 3\n", gff_lines, span_of_feature, NAMES)
    beside(t, 66, "tbi.gff3.gz", data, {".tbi": tbi(parts, NAMES, preset=0, columns=(1, 4, 5))})
    for name in ["bai.bam", "csi.bam", "tbi.vcf.gz", "csi.vcf.gz", "tbi.gff3.gz"]:
        for region, rows in [("chr1:40001-60000", 20), ("chr2", 40), ("chr1:89001-200000", 1), ("chr2:50000-60000", 0)]:
            t.rows_are(66, name, None, rows, why="the same with the index", read=f"region={region}")
            t.rows_are(66, name, None, rows, why="and without it", read=f"region={region}; index=no")
        t.rows_are(66, name, None, 130, why="all of it")
