"""What is large on purpose: classes 67 to 69."""

from string import ascii_letters as LETTERS

from files import bam, bgzf, feature, gz, i32, read, reads, sam_line, sam_text, site, tag, vcf, vcf_head

MANY = 100_000


def cases(t):
    bombs(t)
    many(t)
    repetitive(t)


def bombs(t):
    zeros = gz(bytes(256 << 20), 9)
    for ending in ["vcf.gz", "bed.gz", "fastq.gz", "gff3.gz", "sam.gz", "bam"]:
        t.error(67, f"zeros_256_mb.{ending}", zeros, "", "-", "256 MB in 256 KB: nothing of it is a record")
    twice = gz(gz(bytes(512 << 20), 9), 9)
    t.error(67, "gzip_of_gzip.vcf.gz", twice, "", "-", "512 MB in 1 KB: compressed twice")
    t.error(67, "line_of_zeros.vcf.gz", gz(vcf([site(1)]) + bytes(200 << 20), 9), "limit|longer|times as many", "-", "a line above the limit, at a ratio of 1,000")
    t.error(67, "bgzf_line_of_zeros.vcf.gz", bgzf(vcf([site(1)]) + bytes(66 << 20)), "limit|longer", "-", "the same in BGZF")
    t.error(67, "bgzf_zeros.bam", bgzf(bytes(256 << 20)), "", "-", "256 MB of zeros are no header")
    records = bam(reads(1))[:-28] + bgzf(i32(63 << 20) + bytes(63 << 20))
    t.case(67, "record_63_mb.bam", records, "error", None, "", "-", why="63 MiB of zeros are no record: its name does not end at its length")
    same = b"chr1\t1\t2\t" + b"x" * 2_000_000 + b"\n"
    packed = gz(same * 60, 9)
    assert len(same) * 60 > 1000 * len(packed)
    t.error(67, "ratio.bed.gz", packed, "times as many", "offset", "more than 1,000:1 beyond 64 MiB")
    t.rows_are(67, "below_64_mb.bed.gz", gz(same * 15, 9), 15, why="30 MB, whatever the ratio")
    t.rows_are(67, "ratio.bed.bgz", bgzf(same * 60), 60, why="a block of BGZF is bounded, and so is what is held of it")
    mixed = b"".join(b"chr1\t%d\t%d\n" % (i, i + 5) for i in range(400_000))
    t.rows_are(67, "honest.bed.gz", gz(mixed), 400_000, why="an ordinary file")


def many(t):
    names = [f"contig{i}" for i in range(MANY)]
    contigs = [(name, 1000) for name in names]
    t.rows_are(68, "contigs.bam", bam(reads(), contigs=contigs), 3, why="linear in their number")
    t.rows_are(68, "contigs.sam", sam_text(contigs) + sam_line(rname="contig99999"), 1, why="linear in their number")
    lines = [f"##contig=<ID={name},length=1000>" for name in names]
    t.rows_are(68, "contigs.vcf", vcf_head(extra=lines) + site(5, chrom="contig99999"), 1, why="linear in their number")
    t.rows_are(68, "contigs_region.vcf", vcf_head(extra=lines) + site(5, chrom="contig99999"), 1, why="and so are regions", read="region=contig99999")
    sample_names = [f"s{i}" for i in range(MANY)]
    row = ["GT"] + ["0/1"] * MANY
    t.rows_are(68, "samples.vcf", vcf_head(samples=sample_names) + site(1, rest=row) + site(2, rest=row), 2, why="linear in their number")
    keys = [f'##INFO=<ID=K{i},Number=1,Type=Integer,Description="x">' for i in range(20_000)]
    t.rows_are(68, "info_keys.vcf", vcf_head(extra=keys) + site(1, info="K19999=5"), 1, why="linear in their number", read="columns=pos,info_k19999", check="max(info_k19999) => 5")
    t.rows_are(68, "contigs_of_records.vcf", vcf_head() + b"".join(site(1, chrom=name) for name in names), MANY, why="another contig on each line")
    t.rows_are(68, "contigs_of_records.bed", b"".join(b"c%d\t1\t2\n" % i for i in range(MANY)), MANY, why="another contig on each line")
    t.rows_are(68, "attribute_keys.gff3", b"##gff-version 3\n" + b"".join(feature(attributes=f"ID=a;k{i}=1") for i in range(3_000)), 3_000, why="another key on each line")
    keys = [a + b for a in "XYZ" for b in LETTERS]
    tags = [read(f"r{i}", tags=tag(key, "C", b"\1")) for i, key in enumerate(keys)]
    t.rows_are(68, "tag_keys.bam", bam(tags), len(keys), why="another tag on each record")


def repetitive(t):
    """Each shape at two sizes: the second, four times as large, must not take sixteen times as long."""
    head = vcf_head(samples=["a"])
    for name, of in [
        ("tabs.vcf", lambda n: vcf([site(1)]) + b"\t" * n + b"\n"),
        ("tabs.sam", lambda n: sam_text() + b"\t" * n + b"\n"),
        ("tabs.bed", lambda n: b"chr1\t1\t2\n" + b"x\t" * n + b"\n"),
        ("tabs.gff3", lambda n: b"##gff-version 3\n" + b"x\t" * n + b"\n"),
    ]:
        for times in [1, 4]:
            t.error(69, f"{times}_{name}", of(250_000 * times), "", "line", "linear time")
    for name, of in [
        ("info_semicolons.vcf", lambda n: vcf([site(1, info=";" * n)])),
        ("info_same_key.vcf", lambda n: vcf([site(1, info="X=1;" * n)])),
        ("info_almost_end.vcf", lambda n: vcf([site(1, info="xEND;" * n)])),
        ("info_keys.vcf", lambda n: vcf([site(1, info=";".join(f"k{i}=1" for i in range(n // 4)))])),
        ("alternates.vcf", lambda n: vcf([site(1, alt="C," * n + "C")])),
        ("filters.vcf", lambda n: vcf([site(1, filters="q;" * n + "q")])),
        ("numbers.vcf", lambda n: vcf([site(1, info="AC=" + "1," * n + "1")])),
        ("digits.vcf", lambda n: vcf([site("0" * n + "1")])),
        ("meta_commas.vcf", lambda n: vcf_head(extra=["##INFO=<ID=X," + "a=b," * n + ">"]) + site(1)),
        ("meta_quotes.vcf", lambda n: vcf_head(extra=['##INFO=<ID=X,Description="' + '\\"' * n + '">']) + site(1)),
        ("meta_lines.vcf", lambda n: vcf_head(extra=["##x=y"] * n) + site(1)),
        ("alleles.vcf", lambda n: head + site(1, rest=["GT", "0/" * n + "0"])),
        ("semicolons.gff3", lambda n: b"##gff-version 3\n" + feature(attributes=";" * n)),
        ("same_key.gff3", lambda n: b"##gff-version 3\n" + feature(attributes="a=1;" * n)),
        ("keys.gff3", lambda n: b"##gff-version 3\n" + feature(attributes=";".join(f"k{i}=1" for i in range(n // 4)))),
        ("percents.gff3", lambda n: b"##gff-version 3\n" + feature(attributes="ID=" + "%41" * n)),
        ("comments.gff3", lambda n: b"##gff-version 3\n" + b"#\n" * n + feature()),
        ("blank_lines.bed", lambda n: b"\n" * n + b"chr1\t1\t2\n"),
        ("comments.sam", lambda n: b"@CO\tx\n" * n + sam_text() + sam_line()),
        ("cigar.sam", lambda n: sam_text() + sam_line(cigar="1M1I" * (n // 2), seq="A" * (n // 2 * 2), qual="*")),
        ("tags.sam", lambda n: sam_text() + sam_line(tags=[f"X{LETTERS[i % 52]}:i:1" for i in range(n)])),
        ("array.sam", lambda n: sam_text() + sam_line(tags=["XB:B:c" + ",1" * n])),
        ("wrapped.fastq", lambda n: b"@a\n" + b"A\n" * n + b"+\n" + b"I\n" * n),
    ]:
        for times in [1, 4]:
            t.rows_are(69, f"{times}_{name}", of(100_000 * times), 1, "*", "linear time")
    t.rows_are(69, "1_blank_tabs.bed", b"chr1\t1\t2\n" + b"\t" * 250_000 + b"\n", 1, why="linear time")
    t.rows_are(69, "4_blank_tabs.bed", b"chr1\t1\t2\n" + b"\t" * 1_000_000 + b"\n", 1, why="linear time")
    tiny = [read(f"r{i}", seq="", qual=b"", cigar=()) for i in range(1000)]
    t.rows_are(69, "1_empty_blocks.bam", bam([])[:-28] + (bgzf(b"") * 25_000) + bgzf(b"".join(tiny)), 1000, why="empty blocks")
    t.rows_are(69, "4_empty_blocks.bam", bam([])[:-28] + (bgzf(b"") * 100_000) + bgzf(b"".join(tiny)), 1000, why="empty blocks")
    t.rows_are(69, "1_members.bed.gz", gz(b"chr1\t1\t2\n") * 5_000, 5_000, why="a member for each line")
    t.rows_are(69, "4_members.bed.gz", gz(b"chr1\t1\t2\n") * 20_000, 20_000, why="a member for each line")
