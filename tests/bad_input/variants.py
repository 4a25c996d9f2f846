"""VCF and plain gzip: classes 27 to 49."""

import struct

from files import EOF_BLOCK, bgzf, block, fastq, feature, gff, gz, sam, site, sites, vcf, vcf_head, GOOD_READS

HEAD = vcf_head()
LINES = HEAD.count(b"\n")
SECOND = f"line {LINES + 2}"


def cases(t):
    headers(t)
    text(t)
    columns(t)
    positions(t)
    info(t)
    genotypes(t)
    values(t)
    large(t)
    order_and_spans(t)
    compression(t)
    other_formats(t)


def headers(t):
    no_columns = HEAD.replace(b"#CHROM", b"##CHROM")
    t.error(27, "no_chrom_line.vcf", no_columns + b"".join(sites()), "#CHROM", f"line {LINES + 1}", "VCF 1.5: the header ends with #CHROM")
    t.error(27, "header_cut.vcf", HEAD[:200], "#CHROM", f"line {HEAD[:200].count(bytes([10])) + 1}", "the header ends with #CHROM")
    t.error(27, "header_cut_at_line.vcf", HEAD[: HEAD.index(b"##INFO")], "#CHROM", f"line {HEAD[: HEAD.index(b'##INFO')].count(bytes([10]))}", "the header ends with #CHROM")
    t.error(27, "fileformat_only.vcf", b"##fileformat=VCFv4.3\n", "#CHROM", "line 1", "the header ends with #CHROM")
    t.error(27, "no_fileformat.vcf", HEAD[HEAD.index(b"\n") + 1 :] + site(1), "fileformat", "line 1", "VCF 1.1: required")
    t.error(27, "not_the_first_line.vcf", b"##x=y\n" + HEAD + site(1), "fileformat", "line 1", "VCF 1.1: the first line")
    for name, new in [
        ("column_missing", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tINFO"),
        ("lower_case", b"#chrom\tpos\tid\tref\talt\tqual\tfilter\tinfo"),
        ("spaces", b"#CHROM POS ID REF ALT QUAL FILTER INFO"),
        ("format_without_samples", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"),
        ("sample_without_format", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\ts1"),
        ("nine_is_not_format", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tX\ts1"),
    ]:
        old = HEAD[HEAD.index(b"#CHROM") : -1]
        t.error(27, f"{name}.vcf", HEAD.replace(old, new) + site(1), "CHROM", f"line {LINES}", "VCF 1.5: eight columns by name and tabs")

    def declared(name, line, outcome, text, check="-", info="X=1"):
        data = vcf_head(extra=[line]) + site(100, info=info) * 2
        if outcome == "warn":
            t.rows_are(27, f"{name}.vcf", data, 2, text, "bcftools reads it, with a warning; no value changes", check=check)
        else:
            t.rows_are(27, f"{name}.vcf", data, 2, why=text, check=check)

    declared("quote_unclosed", '##INFO=<ID=X,Number=1,Type=Integer,Description="open>', "warn", "line 2")
    declared("bracket_unclosed", "##INFO=<ID=X,Number=1,Type=Integer", "warn", "line 2")
    for name, number in [("number_minus_three", "-3"), ("number_2_31", "2147483648"), ("number_text", "many"), ("number_missing", "")]:
        declared(name, f'##INFO=<ID=X,Number={number},Type=Integer,Description="x">', "warn", "line 2", check="max(info_x[1]) => 1")
    declared("number_2_31_less_one", '##INFO=<ID=X,Number=2147483647,Type=Integer,Description="x">', "ok", "a count that no memory is taken for")
    declared("type_unknown", '##INFO=<ID=X,Number=1,Type=Complex,Description="x">', "warn", "line 2", check="max(info_x) => 1")
    declared("type_missing", '##INFO=<ID=X,Number=1,Description="x">', "warn", "line 2")
    declared("id_missing", '##INFO=<Number=1,Type=Integer,Description="x">', "warn", "line 2")
    declared("no_brackets", "##INFO=ID=X", "warn", "line 2")
    declared("flag_with_number", '##INFO=<ID=X,Number=1,Type=Flag,Description="x">', "warn", "line 2", info="X")
    declared("no_equals", "##INFO", "ok", "another meta line")
    declared("declared_twice", '##INFO=<ID=DP,Number=1,Type=String,Description="x">', "warn", "declared before", info="DP=1")


def text(t):
    good = vcf(sites())
    for name, data, rows in [
        ("vcf", good, 3), ("sam", sam(), 3), ("gff3", gff(feature()), 3), ("fastq", fastq(*GOOD_READS), 2), ("bed", b"chr1\t1\t2\nchr1\t3\t4\n", 2),
    ]:
        crlf = data.replace(b"\n", b"\r\n")
        t.rows_are(28, f"crlf.{name}", crlf, rows, why="lines of Windows")
        t.rows_are(28, f"crlf_no_last.{name}", crlf[:-2], rows, why="and no final line break")
        t.rows_are(28, f"no_final_newline.{name}", data[:-1], rows, why="the last line may end the file")
        t.rows_are(28, f"byte_order_mark.{name}", b"\xef\xbb\xbf" + data, rows, why="a UTF-8 mark is no data")
        t.error(28, f"utf16.{name}", data.decode().encode("utf-16"), "UTF-16|NUL|not", "-", "the text is UTF-16 with its mark")
        t.error(28, f"utf16_no_mark.{name}", data.decode().encode("utf-16-le"), "UTF-16|NUL|not", "-", "UTF-16 without a mark")
    t.rows_are(28, "blank_line.vcf", good + b"\n" + site(400), 4, "empty line", "bcftools skips it too")
    t.rows_are(28, "blank_lines_at_end.vcf", good + b"\n\n\n", 3, "empty line", "harmless")
    t.rows_are(28, "blank_line.bed", b"chr1\t1\t2\n\nchr1\t3\t4\n", 2, why="BED 1.4: blank lines are allowed")
    t.rows_are(28, "blank_line.gff3", gff(b"\n" + feature()), 3, why="GFF3: blank lines are ignored")
    t.error(28, "blank_line.sam", sam(b"\n"), "", "line 5", "SAMv1: no blank lines; samtools errors")
    t.error(28, "spaces.vcf", vcf([site(100), site(200).replace(b"\t", b" "), site(300)]), "tab", SECOND, "VCF 1.6: tab-delimited")
    t.error(28, "spaces.sam", sam(b"r 0 chr1 101 60 10M * 0 0 ACGTACGTAC IIIIIIIIII\n"), "", "line 5", "SAMv1 1.4: tab-delimited")
    t.error(28, "spaces.gff3", gff(feature().replace(b"\t", b" ")), "column|field", "line 3", "GFF3: tab-delimited")
    t.error(28, "carriage_returns_only.vcf", good.replace(b"\n", b"\r"), "", "line 1", "lines of old Macs; bcftools errors too")
    t.error(28, "carriage_returns_only.sam", sam().replace(b"\n", b"\r"), "", "line 1", "lines of old Macs")
    t.rows_are(28, "blank_at_line_end.vcf", vcf([site(100, info="DP=7"), site(200)]), 2, why="sound")


def columns(t):
    line = site(300)
    for name, cut in [("in_pos", 7), ("in_ref", 11), ("in_filter", 20), ("after_chrom", 4), ("after_tab", 5)]:
        t.error(29, f"{name}.vcf", vcf(sites()[:2]) + line[:cut], "fields", f"line {LINES + 3}", "the last line is cut: never dropped")
        t.error(29, f"{name}.vcf.gz", bgzf(vcf(sites()[:2]) + line[:cut]), "fields", f"line {LINES + 3}", "the same in BGZF that ends whole")
    head = vcf_head(samples=["a", "b", "c"])
    row = site(300, rest=["GT:DP", "0/1:3", "1/1:4", "0/0:5"])
    at = f"line {head.count(bytes([10])) + 2}"
    cut = head + site(100, rest=["GT:DP", "0/1:3", "1/1:4", "0/0:5"]) + row[: row.index(b"1/1") + 3]
    t.error(29, "in_samples.vcf", cut, "sample", at, "two samples where three are", 2)
    sam_cut = sam()
    t.error(29, "cut.sam", sam_cut[: len(sam_cut) - 40], "", "line 6", "the last line is cut", None)
    t.error(29, "cut.gff3", gff(feature())[:-20], "column|field", "line 4", "the last line is cut")
    t.error(29, "cut.bed", b"chr1\t1\t2\tx\nchr1\t3\t4", "column", "line 2", "the last line is cut")

    for name, samples in [("few", ["0/1", "1/1"]), ("many", ["0/1"] * 4), ("none", []), ("trailing_tab", ["0/1", "0/1", "0/1", ""])]:
        data = head + site(100, rest=["GT", "0/1", "0/1", "0/1"]) + site(200, rest=["GT", *samples])
        t.error(30, f"{name}.vcf", data, "sample|columns", at, "VCF 1.6.2: a column for each sample", 2)
    t.error(30, "no_format.vcf", head + site(100, rest=["GT", "0/1", "0/1", "0/1"]) + site(200), "sample|FORMAT", at, "no FORMAT where the header has samples", 2)
    t.error(30, "samples_unannounced.vcf", vcf([site(100), site(200, rest=["GT", "0/1"]), site(300)]), "columns", SECOND, "more columns than the header has", 3)

    def one(form, *values):
        return head + site(100, rest=["GT", "0/1", "0/1", "0/1"]) + site(200, rest=[form, *values])

    t.rows_are(31, "dropped.vcf", one("GT:DP:GL", "0/1", "0/1:5", "."), 2, why="VCF 1.6.2: trailing fields may be dropped", check="max(format_dp[2]) => 5")
    t.rows_are(31, "dropped_null.vcf", one("GT:DP:GL", "0/1", "0/1:5", "."), 2, why="and are null", check="count(format_dp[1]) => 0")
    t.error(31, "extra.vcf", one("GT:DP", "0/1:5:7", "0/1:5", "0/1:5"), "FORMAT", at, "more values than keys", 2)
    t.error(31, "extra_empty.vcf", one("GT:DP", "0/1:5:", "0/1:5", "0/1:5"), "FORMAT", at, "more values than keys", 2)
    t.error(31, "empty_key.vcf", one("GT::DP", "0/1:1:2", "0/1", "0/1"), "FORMAT", at, "a key has a name", 2)
    t.error(31, "empty_format.vcf", one("", "0/1", "0/1", "0/1"), "FORMAT", at, "a key has a name", 2)
    t.error(31, "gt_not_first.vcf", one("DP:GT", "1:0/1", "1:0/1", "1:0/1"), "FORMAT", at, "VCF 1.6.2: GT is first", 2)
    t.rows_are(31, "key_twice.vcf", one("GT:DP:DP", "0/1:1:2", "0/1", "0/1"), 2, "repeated FORMAT key", "the first holds", check="max(format_dp[1]) => 1")
    t.error(31, "empty_sample.vcf", one("GT", "0/1", "", "0/1"), "GT", at, "a missing value is a dot; bcftools errors too", 2)


def positions(t):
    for name, pos in [("zero", 0), ("2_31", 2**31), ("2_32", 2**32), ("most", 2**63 - 1), ("leading_zeros", "000200")]:
        t.rows_are(32, f"{name}.vcf", vcf([site(pos)]), 1, why="64 bits hold it; 0 is the telomere (VCF 1.6.1)", check=f"max(pos) => {int(pos)}")
    for name, pos in [
        ("minus_one", "-1"), ("least", -(2**63)), ("2_63", 2**63), ("2_64", 2**64), ("long", "9" * 400), ("text", "abc"), ("float", "1.5"),
        ("exponent", "1e3"), ("hex", "0x10"), ("empty", ""), ("dot", "."), ("space", " 200"), ("comma", "1,000"), ("minus", "-"),
    ]:
        t.error(32, f"{name}.vcf", vcf(sites(pos=pos)), "POS", SECOND, "never wrapped, never guessed", 3)


def info(t):
    for name, value in [
        ("least", "-2147483648"), ("2_31", "2147483648"), ("2_64", str(2**64)), ("text", "abc"), ("float", "1.5"), ("list", "1,2"), ("space", " 7"), ("plus", "+"),
    ]:
        t.error(33, f"{name}.vcf", vcf(sites(info=f"DP={value}")), "DP", SECOND, "VCF 1.3: 32 bits, and one value where Number is 1", 3)
    for name, value in [("dot", "DP=."), ("empty", "DP="), ("key_alone", "DP"), ("absent", "AF=0.5"), ("nothing", "."), ("semicolons", ";;DP=.;;")]:
        t.rows_are(33, f"{name}.vcf", vcf(sites(info=value)), 3, why="missing is null, as bcftools reads it", check="count(info_dp) => 2")
    t.error(33, "float_text.vcf", vcf(sites(info="AF=high")), "AF", SECOND, "a float is a number", 3)
    t.rows_are(33, "float_small.vcf", vcf(sites(info="AF=1e-300")), 3, why="below what 32 bits hold: rounds to 0, as bcftools")
    t.error(33, "end_text.vcf", vcf(sites(info="END=x")), "END", SECOND, "END is a number", 3)

    for name, value, expected in [("first", "AF=.,0.5;AC=1,2", "null element"), ("last", "AF=0.5,.;AC=1,2", "null element"), ("all", "AF=.,.;AC=1,2", "null elements")]:
        t.rows_are(34, f"{name}.vcf", vcf(sites(alt="C,G", info=value)), 3, why=f"{expected}; the row is kept", check="sum(cardinality(info_ac)) => 2")
    t.rows_are(34, "null_element.vcf", vcf(sites(alt="C,G", info="AC=.,2")), 3, why="the other element stays", check="max(info_ac[2]) => 2")
    t.rows_are(34, "too_few.vcf", vcf(sites(alt="C,G", info="AC=1")), 3, why="as bcftools view, a list of another length is kept", check="max(info_ac[1]) => 1")
    t.rows_are(34, "empty_element.vcf", vcf(sites(alt="C,G", info="AC=1,,2")), 3, why="as missing", check="max(info_ac[3]) => 2")

    t.rows_are(35, "key_twice.vcf", vcf(sites(info="DP=1;DP=2;AF=0.1")), 3, "repeated INFO key", "VCF 1.6.1: keys are not repeated; the first holds", check="min(info_dp) => 1")
    t.rows_are(35, "info_undeclared.vcf", vcf(sites(info="XX=abc")), 3, why="read as text when asked for", check="max(info_xx) => abc")
    t.rows_are(35, "filter_undeclared.vcf", vcf(sites(filters="weird;q10")), 3, why="text as written", check="max(filter) => weird;q10")
    t.rows_are(35, "contig_undeclared.vcf", vcf(sites(chrom="chrUn")), 3, why="headers often lack contigs", check="max(chrom) => chrUn")
    head = vcf_head(samples=["a"])
    t.rows_are(35, "format_undeclared.vcf", head + site(1, rest=["GT:XY", "0/1:abc"]), 1, why="read as text when asked for", check="max(format_xy[1]) => abc")
    for name, chrom in [("empty", ""), ("nul", "chr\x001"), ("half_bracket", "<chr1")]:
        t.error(35, f"contig_{name}.vcf", vcf(sites(chrom=chrom)), "CHROM", SECOND, "VCF 1.6.1: no contig's name", 3)


def genotypes(t):
    for name, samples in [("twice", ["a", "a"]), ("empty", ["a", ""]), ("nul", ["a", "b\0"])]:
        data = vcf_head(samples=samples) + site(1, rest=["GT", "0/1", "0/1"])
        t.error(36, f"sample_{name}.vcf", data, "sample", f"line {LINES}", "which one is meant could not be told")
    head = vcf_head(samples=["a"])
    at = f"line {LINES + 1}"
    for name, gt in [("2_31", "0/2147483648"), ("2_64", f"{2**64}/0"), ("digits", "9" * 300 + "/0"), ("text", "A/C"), ("negative", "-1/0"), ("slash", "/"), ("double_slash", "0//1"), ("space", "0 /1"), ("float", "0/1.5")]:
        t.error(37, f"{name}.vcf", head + site(1, rest=["GT", gt]), "GT", at, "VCF 1.6.2: allele numbers, or dots", 1)
    ploidy = "/".join(["0"] * 300)
    for name, gt in [("allele_not_there", "0/5"), ("ploidy_300", ploidy), ("haploid", "1"), ("missing", "./."), ("phased_first", "|0/1")]:
        t.rows_are(37, f"{name}.vcf", head + site(1, rest=["GT", gt]), 1, why="text as written, as bcftools shows it", check=f"max(format_gt[1]) => {gt}")
    for name, qual, shown in [("nan", "nan", "NaN"), ("nan_upper", "NaN", "NaN"), ("inf", "inf", "inf"), ("minus_inf", "-inf", "-inf"), ("infinity", "Infinity", "inf"), ("exponent", "1e3", "1000.0"), ("negative", "-5", "-5.0")]:
        t.rows_are(38, f"{name}.vcf", vcf([site(1, qual=qual)]), 1, why="VCF 1.3: NaN and infinities are floats", check=f"max(qual) => {shown}")
    for name, qual in [("text", "high"), ("hex", "0x1p3"), ("list", "1,2"), ("empty", ""), ("percent", "50%")]:
        t.error(38, f"{name}.vcf", vcf(sites(qual=qual)), "QUAL", SECOND, "no number", 3)
    for name, value in [("semicolon", "a%3Bb"), ("broken", "a%ZZb"), ("cut", "a%"), ("cut_later", "a%4"), ("nul", "a%00b")]:
        t.rows_are(39, f"{name}.vcf", vcf([site(1, info=f"NOTE={value}")]), 1, why="as written, as bcftools shows it", check=f"max(info_note) => {value}")
    for name, value in [("broken", "a%ZZb"), ("cut", "a%4")]:
        t.rows_are(39, f"{name}.gff3", gff(feature(attributes=f"ID=x;Note={value}")), 3, why="no escape: as written", check=f"max(attr_note) => {value}")
    t.rows_are(39, "valid.gff3", gff(feature(attributes="ID=x;Note=a%3Bb%25")), 3, why="GFF3: escapes are decoded", check="max(attr_note) => a;b%")
    t.rows_are(39, "not_utf8.gff3", gff(feature(attributes="ID=x;Note=%FF")), 3, why="what decodes to no text stays", check="max(attr_note) => %FF")


def values(t):
    head = vcf_head(samples=["a"])
    for what, bad in [("nul", b"\0"), ("not_utf8", b"\xff")]:
        for field, line, label in [
            ("chrom", site(200, chrom="chr@"), "CHROM"), ("id", site(200, ident="rs@"), "ID"), ("ref", site(200, ref="A@"), "REF"),
            ("alt", site(200, alt="C@"), "ALT"), ("filter", site(200, filters="q@"), "FILTER"), ("info", site(200, info="NOTE=x@"), "NOTE"),
        ]:
            data = vcf([site(100), line.replace(b"@", bad)])
            count = None if (what, field) == ("nul", "chrom") else 2
            t.error(40, f"{what}_in_{field}.vcf", data, label, SECOND, "VCF 1.2: UTF-8, without control characters", 2)
        data = head + site(100, rest=["GT:FT", "0/1:x@"]).replace(b"@", bad)
        t.error(40, f"{what}_in_sample.vcf", data, "FT|FORMAT", f"line {LINES + 1}", "the same", 1)
        t.error(40, f"{what}_in_name.sam", sam(b"r@\t0\tchr1\t101\t60\t10M\t*\t0\t0\tACGTACGTAC\tIIIIIIIIII\n".replace(b"@", bad)), "", "line 5", "SAMv1 1.4: printable", 3 if what == "not_utf8" else None)
        t.error(40, f"{what}_in_tag.sam", sam(b"r\t0\tchr1\t101\t60\t10M\t*\t0\t0\tACGTACGTAC\tIIIIIIIIII\tCO:Z:x@\n".replace(b"@", bad)), "", "line 5", "SAMv1 1.5: printable", 3 if what == "not_utf8" else None)
        t.error(40, f"{what}_in_attribute.gff3", gff(feature(attributes="ID=x@").replace(b"@", bad)), "attr|ID|attributes", "line 3", "GFF3: UTF-8", 3)
        t.error(40, f"{what}_in_seqid.gff3", gff(feature(seqid="c@").replace(b"@", bad)), "seqid", "line 3", "GFF3: UTF-8", 3)
        t.error(40, f"{what}_in_name.bed", b"chr1\t1\t2\tx\nchr1\t3\t4\tx@\n".replace(b"@", bad), "name", "line 2", "BED 1.5: ASCII", 2)
        t.error(40, f"{what}_in_chrom.bed", b"chr1\t1\t2\tx\nchr@\t3\t4\tx\n".replace(b"@", bad), "chrom", "line 2", "BED 1.5: ASCII", 2)
        t.error(40, f"{what}_in_id.fastq", fastq((b"a", b"ACGT", b"IIII"), (b"b" + bad, b"ACGT", b"IIII")), "id", "line 5", "a name is text", 2)
        t.error(40, f"{what}_in_seq.fastq", fastq((b"a", b"ACGT", b"IIII"), (b"b", b"AC" + bad + b"T", b"IIII")), "seq|sequence", "line", "bases are letters")


def large(t):
    long = "x" * 3_000_000
    t.rows_are(41, "line_3_mb.vcf", vcf([site(1, info=f"NOTE={long}"), site(2)]), 2, why="below the limit of a line", check="max(length(info_note)) => 3000000")
    t.rows_are(41, "line_3_mb.sam", sam(b"r\t0\tchr1\t101\t60\t10M\t*\t0\t0\tACGTACGTAC\tIIIIIIIIII\tCO:Z:" + long.encode() + b"\n"), 3, why="below the limit of a line")
    t.rows_are(41, "line_3_mb.gff3", gff(feature(attributes=f"ID={long}")), 3, why="below the limit of a line")
    t.rows_are(41, "line_3_mb.bed", f"chr1\t1\t2\t{long}\n".encode(), 1, why="below the limit of a line")
    t.rows_are(41, "line_3_mb.fastq", fastq((b"a", b"A" * 3_000_000, b"I" * 3_000_000)), 1, why="below the limit of a line")
    line = b"chr1\t1\t" + b"x" * (65 << 20)
    t.error(41, "line_65_mb.vcf.gz", gz(HEAD + line, 1), "limit|longer", "offset", "a line of more than 64 MiB")
    t.error(41, "line_65_mb.bed.gz", gz(b"chr1\t1\t2\n" + line, 1), "limit|longer", "offset", "a line of more than 64 MiB")
    t.error(41, "line_65_mb.bgzf.vcf.gz", bgzf(HEAD + line), "limit|longer", "offset", "a line of more than 64 MiB")
    head = vcf_head(samples=["a"])
    for n, outcome in [(1000, "rows"), (1001, "error"), (3000, "error")]:
        keys = ["GT"] + [f"K{i}" for i in range(n - 1)]
        data = head + site(1, rest=[":".join(keys), ":".join(["0/1"] + ["1"] * (n - 1))])
        if outcome == "rows":
            t.rows_are(41, f"format_keys_{n}.vcf", data, 1, why="1,000 keys are allowed a row", check="max(format_gt[1]) => 0/1")
        else:
            t.error(41, f"format_keys_{n}.vcf", data, "FORMAT & limit", f"line {LINES + 1}", "more than 1,000 keys in a row", 1)
    bomb = HEAD[: HEAD.index(b"##contig")] + b"##x=" + b"a" * (20 << 20) + b"\n" + HEAD[HEAD.index(b"##contig") :]
    t.rows_are(42, "header_20_mb.vcf.gz", gz(bomb + site(1), 9), 1, why="20 MB in 20 KB, below the limit of 64 MiB")
    bomb = HEAD[: HEAD.index(b"##contig")] + b"##x=" + b"a" * (66 << 20) + b"\n" + HEAD[HEAD.index(b"##contig") :]
    t.error(42, "header_66_mb.vcf.gz", gz(bomb + site(1), 9), "header", "-", "above the limit of 64 MiB")
    lines = b"##x=y\n" * (12 << 20)
    t.error(42, "header_lines_72_mb.vcf.gz", gz(b"##fileformat=VCFv4.3\n" + lines, 9), "header", "-", "above the limit of 64 MiB")
    t.error(42, "header_66_mb.sam.gz", gz(b"@CO\t" + b"a" * (66 << 20) + b"\n" + sam(), 9), "header|limit", "-", "above the limit of 64 MiB")
    t.error(42, "comments_66_mb.gff3.gz", gz(b"##gff-version 3\n#" + b"a" * (66 << 20) + b"\n" + feature(), 9), "limit|longer|times as many", "offset", "a line above the limit of 64 MiB")


def order_and_spans(t):
    t.rows_are(43, "end_before_pos.vcf", vcf(sites(info="END=50")), 3, "END before POS", "as bcftools: REF's end is taken", check='min("end") => 100')
    t.rows_are(43, "end_negative.vcf", vcf(sites(info="END=-5")), 3, "END before POS", "the same", check='min("end") => 100')
    t.rows_are(43, "end_most.vcf", vcf(sites(info=f"END={2**31 - 1}")), 3, why="64 bits hold it", check='max("end") => 2147483647')
    t.rows_are(43, "end_before_pos_region.vcf", vcf(sites(info="END=50")), 1, "END before POS", "and is what regions look at", read="region=chr1:200-200")
    t.error(43, "end_2_63.vcf", vcf(sites(info=f"END={2**63}")), "END", SECOND, "no number of 64 bits", 3)
    t.error(43, "ref_empty.vcf", vcf(sites(ref="")), "REF", SECOND, "VCF 1.6.1: REF is not empty", 3)
    t.rows_are(43, "pos_most_long_ref.vcf", vcf([site(2**63 - 1, ref="ACGT")]), 1, why="the end is capped, not wrapped", check=f'max("end") => {2**63 - 1}')
    t.error(43, "alt_empty.vcf", vcf(sites(alt="")), "ALT", SECOND, "a missing value is a dot", 3)
    unsorted = vcf([site(500), site(100), site(100, chrom="chr2"), site(90)])
    t.rows_are(44, "unsorted.vcf", unsorted, 4, why="a scan does not need order")
    t.rows_are(44, "unsorted_region.vcf", unsorted, 2, why="a region without an index is a filter over all", read="region=chr1:50-200")
    t.rows_are(44, "unsorted.vcf.gz", bgzf(unsorted), 2, why="the same in BGZF", read="region=chr1:50-200")


def compression(t):
    bed = b"chr1\t1\t2\nchr1\t3\t4\n"
    for name, data, rows in [("vcf", vcf(sites()), 3), ("gff3", gff(feature()), 3), ("sam", sam(), 3), ("fastq", fastq(*GOOD_READS), 2), ("bed", bed, 2)]:
        cut = len(data) * 2 // 3
        why = "the first bytes tell how it is stored"
        t.rows_are(45, f"members.{name}.gz", gz(data[:cut]) + gz(data[cut:]), rows, why="RFC 1952 2.2: all members")
        t.rows_are(45, f"bgzf.{name}.gz", bgzf(data), rows, why=why)
        t.rows_are(45, f"plain.{name}.gz", data, rows, why=why)
        t.rows_are(45, f"gzip_then_bgzf.{name}.gz", gz(data[:cut]) + bgzf(data[cut:]), rows, why="RFC 1952 2.2: all members")
        t.case(45, f"bgzf_then_gzip.{name}.gz", bgzf(data[:cut]) + gz(data[cut:]) + EOF_BLOCK, "safe", rows, "BGZF|gzip", "offset", "all members, or told", )
        whole = gz(data)
        t.error(46, f"cut.{name}.gz", whole[: len(whole) // 2], "truncated|gzip", "offset", "RFC 1952: the member is cut")
        t.error(46, f"cut_in_trailer.{name}.gz", whole[:-5], "truncated|gzip", "offset", "RFC 1952: the member is cut")
        t.rows_are(46, f"zeros.{name}.gz", whole + bytes(1024), rows, why="padding, as gzip itself takes it")
    whole = gz(vcf(sites()))
    t.error(46, "junk.vcf.gz", whole + b"\x1f\x8bjunk", "gzip", "offset", "not a member")
    t.error(46, "cut_in_header.vcf.gz", whole[:6], "truncated|gzip", "-", "the member's header is cut")
    t.error(46, "second_member_cut.vcf.gz", gz(HEAD + site(1)) + whole[:20], "truncated|gzip", "offset", "the second is cut")
    t.error(46, "crc.vcf.gz", whole[:-8] + bytes(4) + whole[-4:], "CRC32", "offset", "RFC 1952 2.3.1")
    t.error(46, "isize.vcf.gz", whole[:-4] + bytes(4), "ISIZE", "offset", "RFC 1952 2.3.1")
    t.error(46, "reserved_flags.vcf.gz", whole[:3] + b"\xe0" + whole[4:], "gzip", "-", "RFC 1952 2.3.1.2: reserved flags must be zero")
    t.error(46, "method.vcf.gz", whole[:2] + b"\x07" + whole[3:], "gzip|VCF|not", "-", "no deflate")
    t.error(46, "extra_field_cut.vcf.gz", whole[:3] + b"\x04" + whole[4:10] + b"\xff\xff" + whole[10:], "gzip|truncated", "-", "the header reaches past the file")
    name = whole[:3] + b"\x08" + whole[4:10] + b"a" * 200_000
    t.error(46, "name_without_end.vcf.gz", name, "gzip", "-", "a name of more than 128 KiB")
    t.rows_are(46, "name_and_comment.vcf.gz", whole[:3] + b"\x18" + whole[4:10] + b"a\0b\0" + whole[10:], 3, why="RFC 1952 2.3.1: optional fields")


def other_formats(t):
    header = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\0"
    record = struct.pack("<iiiifII", 0, 1, 1, 0, 0.0, 0, 0)

    def bcf(version=b"\2\2", l_text=None, l_shared=24, l_indiv=0):
        return bgzf(b"BCF" + version + struct.pack("<I", len(header) if l_text is None else l_text) + header + struct.pack("<II", l_shared, l_indiv) + record)

    why = "BCF is not read yet: told by its first bytes, whatever else is wrong with it"
    for number, name, data in [
        (47, "sound.bcf", bcf()), (47, "l_text_zero.bcf", bcf(l_text=0)), (47, "l_text_most.bcf", bcf(l_text=2**32 - 1)),
        (47, "l_shared_most.bcf", bcf(l_shared=2**32 - 1)), (47, "l_indiv_most.bcf", bcf(l_indiv=2**32 - 1)), (47, "bcf_named.vcf.gz", bcf()),
        (47, "bcf_named.bam", bcf()), (47, "raw.bcf", b"BCF\2\2" + struct.pack("<I", len(header)) + header), (48, "version_9.bcf", bcf(b"\x09\0")),
        (48, "version_1.bcf", bcf(b"\4")),
    ]:
        t.error(number, name, data, "BCF", "-", why)
    t.error(49, "gt_int16.bcf", bcf(), "BCF", "-", "BCF is not read yet, however it stores genotypes")
    why = "CRAM is not read yet: told by its first bytes, with what converts it"
    for number, name, data in [
        (50, "no_reference.cram", b"CRAM\3\0" + bytes(200)), (51, "cut.cram", b"CRAM\3\0"), (51, "version_2_1.cram", b"CRAM\2\1" + bytes(200)),
        (51, "version_3_1.cram", b"CRAM\3\1" + bytes(200)), (51, "version_9.cram", b"CRAM\x09\0" + bytes(200)), (51, "cram_named.bam", b"CRAM\3\0" + bytes(200)),
        (51, "cram_named.sam", b"CRAM\3\0" + bytes(200)), (51, "cram_named.vcf", b"CRAM\3\0" + bytes(200)), (52, "codecs.cram", b"CRAM\3\1" + bytes(200)),
    ]:
        t.error(number, name, data, "CRAM", "-", why)
