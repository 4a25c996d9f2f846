"""SAM, GFF3, GTF, FASTQ, FASTA and BED: classes 53 and 55 to 61."""

from files import GFF, bgzf, fastq, feature, gff, gz, sam, sam_line, sam_text


def cases(t):
    sam_lines(t)
    sam_headers(t)
    features(t)
    attributes(t)
    gtf(t)
    reads(t)
    fasta(t)
    intervals(t)


def sam_lines(t):
    def second(name, text, why, **changes):
        t.error(53, f"{name}.sam", sam(sam_line(**changes)), text, "line 5", why)

    for name, pos in [("2_31", 2**31), ("2_32", 2**32), ("2_64", 2**64), ("negative", -1), ("text", "x"), ("empty", ""), ("float", "1.5"), ("plus", "+5")]:
        second(f"pos_{name}", "POS", "SAMv1 1.4: 0 to 2^31-1", pos=str(pos))
        second(f"pnext_{name}", "PNEXT", "SAMv1 1.4: 0 to 2^31-1", pnext=str(pos))
    for name, flag in [("65536", "65536"), ("negative", "-1"), ("hex", "0x4"), ("octal", "04"), ("text", "pP"), ("empty", "")]:
        second(f"flag_{name}", "FLAG", "SAMv1 1.4: 0 to 2^16-1", flag=flag)
    for name, mapq in [("256", "256"), ("negative", "-1"), ("empty", "")]:
        second(f"mapq_{name}", "MAPQ", "SAMv1 1.4: 0 to 2^8-1", mapq=mapq)
    for name, tlen in [("2_31", "2147483648"), ("text", "x"), ("empty", "")]:
        second(f"tlen_{name}", "TLEN", "SAMv1 1.4: 32 bits", tlen=tlen)
    for name, cigar in [("2_28", "268435456M"), ("2_64", f"{2**64}M"), ("unknown", "10Z"), ("no_number", "M10"), ("no_letter", "10"), ("empty", ""), ("negative", "-10M"), ("short", "9M"), ("long", "11M")]:
        second(f"cigar_{name}", "CIGAR", "SAMv1 1.4: ([0-9]+[MIDNSHPX=])+, and as long as SEQ", cigar=cigar)
    for name, qual in [("short", "I" * 9), ("long", "I" * 11), ("empty", ""), ("not_printable", "IIII\x01IIIII"), ("space", "IIII IIIII")]:
        second(f"qual_{name}", "QUAL", "SAMv1 1.4: as long as SEQ, ! to ~", qual=qual)
    second("qual_without_seq", "QUAL", "SAMv1 1.4: * where SEQ is *", seq="*", qual="III")
    for name, seq in [("digit", "ACGT1CGTAC"), ("empty", ""), ("space", "ACGT CGTAC")]:
        second(f"seq_{name}", "SEQ|QUAL", "SAMv1 1.4: letters, = and .", seq=seq)
    second("rname_unlisted", "RNAME", "SAMv1 1.4: an @SQ line names it", rname="chrX")
    second("rnext_unlisted", "RNEXT", "SAMv1 1.4: an @SQ line names it", rnext="chrX", pnext="5")
    second("qname_255", "QNAME", "SAMv1 1.4: at most 254 characters", qname="q" * 255)
    for name, tag in [
        ("no_type", "NM"), ("no_value", "NM:i"), ("text_for_integer", "NM:i:abc"), ("integer_2_32", f"NM:i:{2**32}"), ("integer_least", f"NM:i:{-(2**31) - 1}"),
        ("unknown_type", "XX:Q:1"), ("long_name", "NMX:i:1"), ("float", "XF:f:abc"), ("array_type", "XB:B:x,1"), ("array_value", "XB:B:i,x"),
        ("array_empty_value", "XB:B:i,1,,2"), ("character", "XA:A:ab"), ("hex", "XH:H:1"), ("hex_digit", "XH:H:GG"), 
    ]:
        second(f"tag_{name}", "", "SAMv1 1.5: TAG:TYPE:VALUE", tags=(tag,))
    for name, tag in [("empty", ""), ("digit_first", "1X:i:1")]:
        t.rows_are(53, f"tag_{name}.sam", sam(sam_line(tags=(tag,))), 3, why="against SAMv1 1.5, and read as samtools reads it")
    t.rows_are(53, "tag_twice.sam", sam(sam_line(tags=("NM:i:1", "NM:i:2"))), 3, "tag", "SAMv1 1.5: once each; the first holds", check="max(tag_nm) => 1")
    ten = b"\t".join(sam_line().split(b"\t")[:10]) + b"\n"
    t.error(53, "ten_columns.sam", sam(ten), "QUAL|fields", "line 5", "SAMv1 1.4: eleven fields")
    t.error(53, "one_column.sam", sam(b"r\n"), "fields", "line 5", "SAMv1 1.4: eleven fields")
    t.error(53, "only_tabs.sam", sam(b"\t" * 10 + b"\n"), "", "line 5", "SAMv1 1.4: fields are not empty")
    t.error(53, "header_after_records.sam", sam(b"@CO\tlate\n"), "header", "line 5", "SAMv1 1.3: before the records")
    t.rows_are(53, "secondary_without_seq.sam", sam(sam_line(seq="*", qual="*")), 3, why="SAMv1 1.4: SEQ may be *")
    t.rows_are(53, "unplaced.sam", sam(sam_line(rname="*", pos="0", cigar="*", flag="4")), 3, why="an unplaced read")
    t.rows_are(53, "mapped_without_cigar.sam", sam(sam_line(cigar="*")), 3, "CIGAR", "as htslib: read as unmapped")


def sam_headers(t):
    sq = b"@SQ\tSN:chr1\tLN:1000\n"
    why = "SAMv1 1.3"
    for name, line in [("twice", b"@SQ\tSN:chr1\tLN:5\n"), ("no_name", b"@SQ\tLN:5\n"), ("no_length", b"@SQ\tSN:x\n"), ("length_text", b"@SQ\tSN:x\tLN:y\n"), ("length_negative", b"@SQ\tSN:x\tLN:-1\n"), ("length_2_64", b"@SQ\tSN:x\tLN:18446744073709551616\n"), ("name_star", b"@SQ\tSN:*\tLN:5\n"), ("name_equals", b"@SQ\tSN:=\tLN:5\n")]:
        t.error(53, f"sq_{name}.sam", sq + line + sam_line(), "SQ|SN|LN", "line 2", why)
    t.error(53, "no_header_line.sam", b"@HD\tVN:1.6\n@nonsense\n" + sam_line(), "header", "line 2", why)
    t.error(53, "not_utf8.sam", b"@HD\tVN:1.6\n@CO\t\xff\n" + sq + sam_line(), "UTF-8|header", "line 2", why)
    t.error(53, "no_header.sam", sam_line(), "RNAME", "line 1", "a contig that no @SQ line names")
    t.rows_are(53, "no_header_unplaced.sam", sam_line(rname="*", pos="0", cigar="*", flag="4"), 1, why="unplaced reads need no @SQ")
    t.rows_are(53, "pg_loop.sam", sam_text() + b"@PG\tID:a\tPP:b\n@PG\tID:b\tPP:a\n" + sam_line(), 1, why="no chain is followed")
    t.rows_are(53, "pg_self.sam", sam_text() + b"@PG\tID:a\tPP:a\n" + sam_line(), 1, why="no chain is followed")


def features(t):
    def second(name, line, text, why, **more):
        t.error(55, f"{name}.gff3", gff(line), text, "line 3", why, **more)

    eight = b"\t".join(feature().split(b"\t")[:8]) + b"\n"
    second("eight_columns", eight, "column", "GFF3: nine columns")
    second("ten_columns", feature()[:-1] + b"\tx\n", "column", "GFF3: nine columns")
    second("one_column", b"chr1\n", "column", "GFF3: nine columns")
    for name, start, end, text in [
        ("start_after_end", 200, 100, "end"), ("start_zero", 0, 100, "start"), ("start_negative", -5, 100, "start"), ("start_text", "x", 100, "start"), ("start_dot", ".", 100, "start"),
        ("start_empty", "", 100, "start"), ("start_float", "1.5", 100, "start"), ("end_2_63", 1, 2**63, "end"), ("end_2_64", 1, 2**64, "end"), ("end_text", 1, "x", "end"), ("end_dot", 1, ".", "end"),
    ]:
        second(name, feature(start, end), text, "GFF3: 1-based integers, start not after end")
    t.rows_are(55, "end_most.gff3", gff(feature(1, 2**63 - 1)), 3, why="64 bits hold it", check=f'max("end") => {2**63 - 1}')
    second("strand", feature(strand="x"), "strand", "GFF3: + - . ?", count=3)
    second("strand_empty", feature(strand=""), "strand", "GFF3: + - . ?", count=3)
    second("phase", feature(phase="3"), "phase", "GFF3: 0, 1, 2 or a dot", count=3)
    second("score", feature(score="high"), "score", "GFF3: a number or a dot", count=3)
    t.rows_are(55, "strand_unknown.gff3", gff(feature(strand="?")), 3, why="GFF3: stranded, but unknown")
    t.rows_are(55, "one_base.gff3", gff(feature(5, 5)), 3, why="both ends are part of it")


def attributes(t):
    for name, value in [
        ("spaces", "ID=a ; Name=b"), ("semicolons", ";;ID=a;;"), ("dot", "."), ("empty", ""), ("no_equals", "ID"), ("two_equals", "ID=a=b"), ("trailing", "ID=a;"), ("only_semicolons", ";;;"), ("quotes", 'ID="a;b"'),
    ]:
        t.rows_are(56, f"{name}.gff3", gff(feature(attributes=value)), 3, why="untidy, but it can be told what is meant")
    t.rows_are(56, "twice.gff3", gff(feature(attributes="ID=b;ID=c")), 3, "twice", "GFF3: once each; the first holds", check="max(attr_id) => b")
    cycle = GFF + feature(attributes="ID=a;Parent=b") + feature(attributes="ID=b;Parent=a") + feature(attributes="ID=c;Parent=c")
    t.rows_are(56, "parent_cycle.gff3", cycle, 3, why="no parent is followed")
    fasta = b"##FASTA\n>chr1\nACGT\tACGT\nchr1\tx\tgene\t1\t5\t.\t+\t.\tID=a\n"
    t.rows_are(56, "fasta.gff3", gff(feature()) + fasta, 3, why="GFF3: no records after ##FASTA")
    t.rows_are(56, "fasta_implied.gff3", gff(feature()) + fasta[8:], 3, why="GFF3: a line that begins with > begins FASTA")
    t.rows_are(56, "fasta.gff3.gz", bgzf(gff(feature()) + fasta * 50, size=128), 3, why="in every partition alike")
    t.rows_are(56, "no_version.gff3", feature() * 2, 2, why="many files lack it")
    t.rows_are(56, "version_later.gff3", feature() + GFF + feature(), 2, why="a comment like others")
    t.error(56, "version_2.gff", b"##gff-version 2\n" + feature(), "version 3", "line 1|-", "another format")
    t.rows_are(56, "directives.gff3", GFF + b"##sequence-region chr1 1 5\n###\n#comment\n##x\n" + feature(), 1, why="GFF3: directives are no records")


def gtf(t):
    line = b'chr1\tx\texon\t1\t5\t.\t+\t.\t%s\n'
    why = "GTF is not read yet: told, never guessed"
    for name, value in [("semicolon_in_quotes", b'gene_id "a;b";'), ("repeated", b'tag "a"; tag "b";'), ("escaped", b'note "a\\"b";'), ("unclosed", b'gene_id "a'), ("none", b""), ("comment", b'gene_id "a"; # x')]:
        t.error(57, f"{name}.gtf", line % value, "not a format|GTF", "-", why)
        t.error(57, f"{name}.gtf.gz", gz(line % value), "not a format|GTF", "-", why)


def reads(t):
    for name, data, rows, check in [
        ("two_lines", b"@a\nACGT\nACGT\n+\nIIII\nIIII\n", 1, "max(seq) => ACGTACGT"), ("at_first_quality", b"@a\nACGT\n+\n@III\n@b\nACGT\n+\n@@@@\n", 2, "max(id) => b"),
        ("plus_first_quality", b"@a\nACGT\n+\n+III\n", 1, "-"), ("name_repeated", b"@a x\nACGT\n+a x\nIIII\n", 1, "-"), ("id_repeated", b"@a x\nACGT\n+a\nIIII\n", 1, "-"),
        ("wrapped_at_quality", b"@a\nACGT\nACGT\n+\nIIII\n@III\n@b\nA\n+\nI\n", 2, "max(id) => b"),
    ]:
        t.rows_are(58, f"{name}.fastq", data, rows, why="Cock et al. 2010: lengths decide, not first characters", check=check)
    t.error(58, "other_name.fastq", fastq((b"a", b"ACGT", b"IIII")) + b"@b\nACGT\n+c\nIIII\n", "name", "line 7", "the + line names another record")

    def second(name, record, text, place, **more):
        t.error(59, f"{name}.fastq", fastq((b"a", b"ACGT", b"IIII")) + record + fastq((b"c", b"ACGT", b"IIII")), text, place, "four parts, as many qualities as bases", **more)

    second("short_quality", b"@b\nACGT\n+\nIII\n", "qualities", "line 8")
    second("long_quality", b"@b\nACGT\n+\nIIIII\n", "qualities", "line 8")
    second("no_quality", b"@b\nACGT\n+\n", "qualities", "line")
    second("no_plus", b"@b\nACGT\nIIII\n", "", "line")
    second("no_at", b"b\nACGT\n+\nIIII\n", "@", "line 5")
    second("no_sequence", b"@b\n+\nIIII\n", "sequence", "line 6")
    second("low_quality", b"@b\nACGT\n+\nII\x1fI\n", "qual", "line")
    second("space_quality", b"@b\nACGT\n+\nII I\n", "qual", "line")
    second("high_quality", b"@b\nACGT\n+\nII\x7fI\n", "qual", "line")
    second("space_in_sequence", b"@b\nAC T\n+\nIIII\n", "seq", "line")
    second("blank_within", b"\n", "blank", "line")
    t.rows_are(59, "empty_sequence.fastq", fastq((b"a", b"ACGT", b"IIII"), (b"b", b"", b""), (b"c", b"A", b"I")), 3, why="trimmers leave such records", check="min(seq) => ")
    t.rows_are(59, "blank_at_end.fastq", fastq((b"a", b"ACGT", b"IIII")) + b"\n\n", 1, why="harmless")
    whole = fastq((b"a", b"ACGT", b"IIII"), (b"b", b"ACGT", b"IIII"))
    for name, n in [("in_quality", 2), ("after_plus", 6), ("in_plus", 8), ("in_sequence", 9), ("in_name", 13)]:
        t.error(59, f"cut_{name}.fastq", whole[:-n], "cut|qualities|end", "line|offset", "the last record is cut: never dropped")
    t.error(59, "cut.fastq.gz", bgzf(whole[:-7]), "cut|qualities|end", "line|offset", "the same in BGZF that ends whole")
    t.error(59, "odd_line.fastq", b"junk\n" + whole, "@|known", "line 1|-", "no record")


def fasta(t):
    why = "FASTA is not read yet: told, never garbage rows"
    for name, data in [
        ("sound.fa", b">a\nACGT\n"), ("names_twice.fasta", b">a\nA\n>a\nC\n"), ("empty_name.fa", b">\nACGT\n"), ("empty_sequence.fa", b">a\n>b\nA\n"), ("carriage_returns.fa", b">a\rACGT\r"),
        ("nul.fa", b">a\nAC\0T\n"), ("ragged.fa", b">a\nACGT\nAC\nACGT\n"), ("compressed.fa.gz", gz(b">a\nACGT\n")), ("bgzf.fa.gz", bgzf(b">a\nACGT\n")),
    ]:
        t.error(60, name, data, "FASTA", "-", why)
    t.error(60, "no_start.fa", b"ACGT\n", "known|FASTA", "-", why)
    for ending in ["fastq", "sam", "vcf", "bed", "gff3", "bam"]:
        t.error(60, f"fasta_named.{ending}", b">a\nACGT\nACGT\n", "FASTA", "-", why)


def intervals(t):
    good = b"chr1\t1\t5\tx\n"

    def second(name, line, text, **more):
        t.error(61, f"{name}.bed", good + line + good, text, "line 2", "BED 1.5", **more)

    for name, line, text in [
        ("two_columns", b"chr1\t1\n", "column"), ("one_column", b"chr1\n", "column"), ("three_columns", b"chr1\t1\t5\n", "column"), ("five_columns", b"chr1\t1\t5\tx\t7\n", "column"),
        ("start_after_end", b"chr1\t9\t5\tx\n", "end"), ("negative", b"chr1\t-1\t5\tx\n", "start"), ("end_negative", b"chr1\t1\t-5\tx\n", "end"), ("start_text", b"chr1\ta\t5\tx\n", "start"),
        ("start_empty", b"chr1\t\t5\tx\n", "start"), ("start_float", b"chr1\t1.5\t5\tx\n", "start"), ("start_thousands", b"chr1\t1,000\t5000\tx\n", "start"), ("end_2_63", b"chr1\t1\t9223372036854775808\tx\n", "end"),
        ("end_2_64", b"chr1\t1\t18446744073709551616\tx\n", "end"), ("chrom_empty", b"\t1\t5\tx\n", "chrom"),
    ]:
        second(name, line, text)
    t.error(61, "two_columns_first.bed", b"chr1\t1\n", "column", "line 1|-", "BED 1.5: at least three columns")
    t.error(61, "one_column_first.bed", b"chr1\n", "column", "line 1|-", "BED 1.5: at least three columns")
    t.rows_are(61, "zero_length.bed", good + b"chr1\t5\t5\tx\n", 2, why="BED 1.5: between two bases; kept", check='max("end") => 5')
    t.rows_are(61, "zero_length_at_zero.bed", b"chr1\t0\t0\n", 1, why="before the first base; kept", check='max("end") => 0')
    t.rows_are(61, "end_most.bed", b"chr1\t1\t9223372036854775807\n", 1, why="64 bits hold it", check='max("end") => 9223372036854775807')
    t.rows_are(61, "track_lines.bed", b"browser position chr1\ntrack name=x\n#c\n" + good + b"track name=y\n" + good, 2, why="BED 1.4: track lines are no intervals")
    t.rows_are(61, "spaces.bed", b"chr1 1 5 x\nchr1 2 6 y\n", 2, why="BED 1.5: fields may be separated by spaces")
    twelve = b"chr1\t0\t100\tx\t0\t+\t0\t100\t0\t%s\t%s\t%s\n"
    t.rows_are(61, "blocks.bed", twelve % (b"2", b"10,10", b"0,90"), 1, why="sound")
    t.rows_are(61, "blocks_comma.bed", twelve % (b"2", b"10,10,", b"0,90,"), 1, why="as UCSC writes them")
    for name, count, sizes, starts, text in [("more", b"3", b"10,10", b"0,90", "block"), ("fewer", b"1", b"10,10", b"0,90", "block"), ("starts", b"2", b"10,10", b"0", "block"), ("huge", b"2147483647", b"10,10", b"0,90", "block")]:
        sound = twelve % (b"2", b"10,10", b"0,90")
        t.error(61, f"blocks_{name}.bed", sound + twelve % (count, sizes, starts), text, "line 2", "BED 1.5: blockCount is their number", 2)
        t.rows_are(61, f"blocks_{name}_span.bed", sound + twelve % (count, sizes, starts), 2, why="the blocks are not read", read="columns=chrom,name")
    why = "among the first lines are no BED fields there: other columns (BED n+m), read as text"
    for name, count, sizes in [("text", b"2", b"a,b"), ("negative", b"-1", b"10,10")]:
        t.rows_are(61, f"blocks_{name}.bed", sound + twelve % (count, sizes, b"0,90"), 2, why=why, check=f"max(column_11) => {max(sizes, b'10,10').decode()}")
    t.rows_are(61, "score.bed", good[:-1] + b"\t5\n" + b"chr1\t1\t5\tx\thigh\n", 2, why=why, check="max(column_5) => high")
    t.rows_are(61, "tab_only.bed", good + b"\t\t\t\n" + good, 2, why="BED 1.4: a line of blanks is a blank line")
