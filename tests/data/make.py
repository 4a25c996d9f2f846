"""Helper of make.sh: everything that wgsim, bwa and samtools do not make. Standard library only."""
import random
import sys
import zlib

CONTIGS = [("chr1", 180000), ("chr2", 90000), ("chr10", 60000), ("chrX", 40000), ("chrM", 16000),
           ("HLA-A*01:01:01:01", 3500), ("chrUn_empty", 5000)]
LENGTH = dict(CONTIGS)
RANK = {c: i for i, (c, _) in enumerate(CONTIGS)}
# windows read more deeply than the rest (contig, start, end; 0-based)
TARGETS = [("chr1", 20000, 21600), ("chr1", 98000, 99500), ("chr2", 32500, 34000), ("chr10", 15800, 17200),
           ("chrX", 30000, 31200)]
REPEAT = ("chr1", 60000, 62000)  # copied to the places below: multi-mapping reads there
COPIES = [("chr1", 140000), ("chr2", 70000)]
COMP = str.maketrans("ACGTN", "TGCAN")
ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"


def rc(s):
    return s.translate(COMP)[::-1]


def dna(r, n, gc=0.42):
    return "".join(r.choices("ACGT", [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2], k=n))


def fasta(path, items):
    with open(path, "w") as f:
        for name, seq in items:
            f.write(">%s\n" % name)
            for i in range(0, len(seq), 60):
                f.write(seq[i:i + 60] + "\n")


def load_ref():
    ref, name = {}, None
    for line in open("ref.fa"):
        if line[0] == ">":
            name = line[1:].strip()
            ref[name] = []
        else:
            ref[name].append(line.strip())
    return {k: "".join(v) for k, v in ref.items()}


def make_ref():
    r = random.Random(1)
    ref = {c: list(dna(r, n)) for c, n in CONTIGS}
    c, s, e = REPEAT
    for c2, s2 in COPIES:
        ref[c2][s2:s2 + e - s] = ref[c][s:e]
    ref = {c: "".join(v) for c, v in ref.items()}
    fasta("ref.fa", [(c, ref[c]) for c, _ in CONTIGS])
    fasta("main.fa", [(c, ref[c]) for c, _ in CONTIGS[:5]])
    fasta("targets.fa", [("t%d" % i, ref[c][s:e]) for i, (c, s, e) in enumerate(TARGETS)])
    fasta("chrM.fa", [("m", ref["chrM"])])
    fasta("hla.fa", [("h", ref["HLA-A*01:01:01:01"])])


# ---------------------------------------------------------------- reads

def qual(r, n):
    """Binned qualities (F : , #) in long runs, worse towards the end."""
    if r.random() < 0.55:
        return "F" * n
    out = []
    while len(out) < n:
        bad = len(out) / n * 0.5
        q = r.choices("F:,", [1 - bad, bad * 0.7, bad * 0.3])[0]
        out.extend(q * (r.randint(12, 50) if q == "F" else r.randint(1, 3)))
    if r.random() < 0.03:
        k = r.randint(2, 12)
        out[n - k:n] = "#" * k
    return "".join(out[:n])


def read_fq(path):
    lines = open(path).read().split("\n")
    return [lines[i + 1] for i in range(0, len(lines) - 3, 4)]


def make_reads():
    r = random.Random(2)
    ref = load_ref()
    count = 0

    def name(lane):
        nonlocal count
        count += 1
        return "A7:%d:%d:%d" % (lane, 1101 + count // 700, 1000 + count * 37 % 25013)

    for lane, prefixes in ((1, ("a.main", "a.tgt", "a.hla")), (2, ("b.main", "b.tgt", "b.mt"))):
        n = 76 if lane == 1 else 50
        pairs = []
        for p in prefixes:
            pairs += zip(read_fq(p + "_1.fq"), read_fq(p + "_2.fq"))
        pairs = [list(p) for p in pairs]
        for p in r.sample(pairs, 70):  # adapter read-through: soft clips
            k, w = r.randint(10, 25), r.randrange(2)
            p[w] = p[w][:n - k] + ADAPTER[:k]
        for p in r.sample(pairs, 40):  # longer deletions and insertions
            w, at = r.randrange(2), n // 2
            if r.random() < 0.5:
                p[w] = p[w][:at] + dna(r, r.randint(2, 6)) + p[w][at:]
            else:
                p[w] = p[w][:at] + p[w][at + r.randint(2, 6):]
            p[w] = p[w][:n]
        for p in r.sample(pairs, 20):  # uncalled bases
            w, at = r.randrange(2), r.randrange(n - 12)
            p[w] = p[w][:at] + "N" * 2 + p[w][at + 2:]
        pairs += [list(p) for p in r.sample(pairs[:600], 35)]  # duplicates
        for _ in range(25):  # chimeric first read: supplementary alignments
            (c1, l1), (c2, l2) = r.choices(CONTIGS[:4], k=2)
            s1, s2, half = r.randrange(l1 - 500), r.randrange(l2 - 500), n // 2
            a, b = ref[c1][s1:s1 + half], ref[c2][s2:s2 + n - half]
            if r.random() < 0.5:
                b = rc(b)
            pairs.append([a + b, rc(ref[c1][s1 + 150:s1 + 150 + n])])
        for _ in range(20):  # one mate is not in the reference: placed, unmapped
            c, l = r.choice(CONTIGS[:5])
            s = r.randrange(l - n)
            p = [ref[c][s:s + n], dna(r, n)]
            pairs.append(p if r.random() < 0.5 else p[::-1])
        for _ in range(25):  # neither is: unplaced, unmapped
            pairs.append([dna(r, n), dna(r, n)])
        r.shuffle(pairs)
        with open("rg%d_1.fq" % lane, "w") as f1, open("rg%d_2.fq" % lane, "w") as f2:
            for p in pairs:
                nm = name(lane)
                for f, s in zip((f1, f2), p):
                    f.write("@%s\n%s\n+\n%s\n" % (nm, s, qual(r, len(s))))
    c, s, e = REPEAT
    with open("se.fq", "w") as f:  # single reads of the repeat: secondary alignments
        for _ in range(30):
            at = s + r.randrange(e - s - 76)
            q = ref[c][at:at + 76]
            f.write("@%s\n%s\n+\n%s\n" % (name(1), q if r.random() < 0.5 else rc(q), qual(r, 76)))
    with open("spliced.sam", "w") as f:  # spliced reads, MAPQ 255 as STAR writes them
        for i in range(70):
            c, l = r.choice(CONTIGS[:4])
            s, a, intron, b = r.randrange(l - 5000), r.randint(15, 35), r.choice((80, 350, 1200, 4000)), 0
            if i % 10 == 0:  # two introns
                m = r.randint(8, 14)
                ops = [(a, "M"), (intron, "N"), (m, "M"), (90, "N"), (50 - a - m, "M")]
            elif i % 10 == 1:
                ops = [(a, "="), (1, "X"), (49 - a, "=")]
            elif i % 10 == 2:
                ops = [(4, "S"), (a, "M"), (intron, "N"), (46 - a, "M")]
            else:
                ops = [(a, "M"), (intron, "N"), (50 - a, "M")]
            seq, p = [], s
            for k, op in ops:
                if op in "M=":
                    seq.append(ref[c][p:p + k])
                elif op == "X":
                    seq.append({"A": "G", "C": "T", "G": "A", "T": "C"}[ref[c][p]])
                elif op == "S":
                    seq.append("T" * k)
                p += 0 if op == "S" else k
            seq = "".join(seq)
            f.write("\t".join([name(2), r.choice(("0", "16")), c, str(s + 1), "255",
                               "".join("%d%s" % o for o in ops), "*", "0", "0", seq, qual(r, len(seq)),
                               "NM:i:%d" % (i % 10 == 1), "nM:i:0", "NH:i:1", "ts:A:" + r.choice("+-")]) + "\n")


def header(so):
    h = ["@HD\tVN:1.6\tSO:" + so]
    h += ["@SQ\tSN:%s\tLN:%d" % c for c in CONTIGS]
    h += ["@RG\tID:rg1\tSM:NA12878\tLB:lib1\tPL:ILLUMINA\tPU:A7.1", "@RG\tID:rg2\tSM:NA12878\tLB:lib2\tPL:ILLUMINA\tPU:A7.2"]
    return h


def make_merge():
    pg = [x.rstrip("\n") for x in open("rg1.sam") if x.startswith("@PG")]
    print("\n".join(header("unsorted") + pg + ["@CO\tsimulated reads; made by tests/data/make.sh"]))
    for path, rg in (("rg1.sam", 1), ("rg2.sam", 2), ("se.sam", 1), ("spliced.sam", 2)):
        for line in open(path):
            if line[0] != "@":
                print(line.rstrip("\n") + "\tRG:Z:rg%d" % rg)


def make_decorate():
    r = random.Random(3)
    n = 0
    for line in sys.stdin:
        line = line.rstrip("\n")
        if line[0] == "@":
            print(line)
            continue
        f = line.split("\t")
        tags = f[11:]
        n += 1
        u = r.random()
        if u < 0.02:
            f[10] = "*"
        elif u < 0.03:
            f[9] = f[10] = "*"
        if r.random() < 0.012 and not int(f[1]) & 4:
            f[4] = "255"
        if r.random() < 0.04:
            tags = []
        else:
            # htslib stores an integer in the smallest type that holds it, so the range picks the type
            if n % 12 == 0:
                tags.append("X1:i:%d" % r.randint(-128, -1))  # c
            if n % 12 == 1:
                tags.append("X2:i:%d" % r.randint(0, 255))  # C
            if n % 12 == 2:
                tags.append("X3:i:%d" % r.randint(-32768, -129))  # s
            if n % 12 == 3:
                tags.append("X4:i:%d" % r.randint(256, 65535))  # S
            if n % 12 == 4:
                tags.append("X5:i:%d" % r.choice((-2147483648, -32769, r.randint(-2 ** 31, -32769))))  # i
            if n % 12 == 5:
                tags.append("X6:i:%d" % r.choice((4294967295, 65536, r.randint(65536, 2 ** 32 - 1))))  # I
            if n % 12 == 6:  # one tag, every width
                tags.append("XW:i:%d" % r.choice((-1, 7, 200, -300, 40000, -70000, 70000, 4000000000)))
            if n % 15 == 7:
                tags.append("XQ:A:" + r.choice("abcXYZ!*"))
            if n % 15 == 8:
                tags.append("XF:f:" + r.choice(("0", "0.5", "-1.25", "3.14159", "1e-10", "6.02e+23")))
            if n % 15 == 9:
                tags.append("XZ:Z:" + r.choice(("hello", "two words", "a:b;c,d", "x=1|y=2", "")))
            if n % 15 == 10:
                tags.append("XH:H:" + r.choice(("1AE301", "00FF", "DEADBEEF")))
            if n % 9 == 0:
                tags.append("CM:i:%d" % r.randint(1, 400))
            if n % 9 in (1, 0) and r.random() < 0.6:
                tags.append("cm:f:" + r.choice(("0.25", "1.5", "12.75", "-3")))
            lims = (("c", -128, 127), ("C", 0, 255), ("s", -32768, 32767), ("S", 0, 65535), ("i", -2 ** 31, 2 ** 31 - 1),
                    ("I", 0, 2 ** 32 - 1))
            k = n % 60
            if k < 6:
                t, lo, hi = lims[k]
                vals = [lo, hi] + [r.randint(lo, hi) for _ in range(r.randint(0, 3))]
                tags.append("Y%d:B:%s,%s" % (k + 1, t, ",".join(map(str, vals))))
            if k == 6:
                tags.append("Y7:B:f," + ",".join(r.choice(("0.5", "-2", "1e+10", "0.125")) for _ in range(r.randint(1, 4))))
        print("\t".join(f[:11] + tags))


def make_unsorted():
    lines = [x.rstrip("\n") for x in sys.stdin]
    for h in lines:
        if h.startswith("@HD"):
            print("@HD\tVN:1.6\tSO:unsorted")
        elif h[0] == "@":
            print(h)
    body = [x for x in lines if x[0] != "@"]
    body = [x for x in body if zlib.crc32(x.split("\t")[0].encode()) % 1000 < 126]
    random.Random(4).shuffle(body)
    print("\n".join(body))


def make_longcigar():
    print("\n".join(header("coordinate")))
    n = 35001
    print("\t".join(["short1", "0", "chr1", "900", "60", "20M", "*", "0", "0", "ACGTA" * 4, "F" * 20, "RG:Z:rg1", "NM:i:0"]))
    print("\t".join(["long1", "0", "chr1", "1001", "60", "1M1I" * n, "*", "0", "0", "AC" * n, "I" * 2 * n, "RG:Z:rg1",
                     "NM:i:%d" % n]))
    print("\t".join(["short2", "16", "chr2", "5000", "37", "5S15M", "*", "0", "0", "TTTTA" * 4, "F" * 20, "RG:Z:rg2",
                     "NM:i:1"]))


# ---------------------------------------------------------------- variants

SAMPLES = ["NA12878", "NA12891", "NA12892", "HG00096", "HG00097", "HG00099"]
MALES = {1, 3}
VCF_HEADER = """##fileformat=VCFv4.3
##fileDate=20240131
##source=make.py
##reference=ref.fa
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=q10,Description="Quality below 10">
##FILTER=<ID=s50,Description="Less than 50% of samples have data">
##FILTER=<ID=LowQual,Description="Low quality, as \\"seen\\" by the caller">
##ALT=<ID=DEL,Description="Deletion">
##ALT=<ID=INS,Description="Insertion of novel sequence">
##ALT=<ID=DUP,Description="Duplication">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count in genotypes, for each ALT allele">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency, for each ALT allele">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Total number of alleles in called genotypes">
##INFO=<ID=DP,Number=1,Type=Integer,Description="Total depth">
##INFO=<ID=DB,Number=0,Type=Flag,Description="dbSNP membership">
##INFO=<ID=MQ,Number=1,Type=Float,Description="RMS mapping quality">
##INFO=<ID=ANN,Number=.,Type=String,Description="Functional annotations: 'Allele | Annotation | Impact | Gene'">
##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence. Format: Allele|Consequence|SYMBOL|Note">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type of structural variant">
##INFO=<ID=END,Number=1,Type=Integer,Description="End position of the variant">
##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="Difference in length between REF and ALT alleles">
##INFO=<ID=MATEID,Number=.,Type=String,Description="ID of mate breakends">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Read depth">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Allelic depths (ref, alts)">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Phred-scaled genotype likelihoods">
##FORMAT=<ID=FT,Number=1,Type=String,Description="Genotype-level filter">"""
TRANSITION = {"A": "G", "G": "A", "C": "T", "T": "C"}


def vcf_sites(r, ref):
    """(contig, pos, ref allele, [alts], {sv info}, id or None)"""
    out = []

    def snp(b):
        return TRANSITION[b] if r.random() < 0.67 else r.choice([x for x in "ACGT" if x not in (b, TRANSITION[b])])

    def left(c, pos, a, b):
        """Left-align and trim one indel (pos is 1-based)."""
        s = ref[c]
        while a[-1] == b[-1] and (len(a) > 1 and len(b) > 1 or pos > 1):
            a, b = a[:-1], b[:-1]
            if not a or not b:
                pos -= 1
                a, b = s[pos - 1] + a, s[pos - 1] + b
        while len(a) > 1 and len(b) > 1 and a[0] == b[0]:
            a, b, pos = a[1:], b[1:], pos + 1
        return pos, a, b

    nbnd = 0
    for c, n in (("chr1", 620), ("chr2", 375), ("chr10", 250), ("chrX", 155), ("chrM", 45)):
        s = ref[c]
        for pos in sorted(r.sample(range(50, LENGTH[c] - 200), n)):
            b, u = s[pos - 1], r.random()
            if u < 0.66:
                out.append((c, pos, b, [snp(b)], {}, None))
            elif u < 0.75:
                k = r.choice((1, 1, 1, 2, 3, 4, 7, 15, 30))
                p, a, d = left(c, pos, s[pos - 1:pos + k], b)
                out.append((c, p, a, [d], {}, None))
                if k >= 4 and p + 2 < LENGTH[c]:  # a SNP under the deletion
                    b2 = s[p + 1]
                    alt = snp(b2)
                    out.append((c, p + 2, b2, [alt, "*"] if r.random() < 0.6 else ["*", alt], {}, None))
            elif u < 0.83:
                p, a, d = left(c, pos, b, b + dna(r, r.choice((1, 1, 1, 2, 3, 5, 8, 20))))
                out.append((c, p, a, [d], {}, None))
            elif u < 0.86:
                k = r.choice((2, 2, 3, 5))
                a = s[pos - 1:pos - 1 + k]
                out.append((c, pos, a, ["".join(TRANSITION[x] for x in a)], {}, None))
            elif u < 0.90:
                out.append((c, pos, b, r.sample([x for x in "ACGT" if x != b], r.choice((2, 2, 2, 3))), {}, None))
            elif u < 0.92:
                out.append((c, pos, s[pos - 1:pos + 2], [b, snp(b) + s[pos:pos + 2], s[pos - 1:pos + 2] + "AT"], {}, None))
            elif u < 0.955:
                out.append((c, pos, b, [], {}, None))
            elif u < 0.985 and c != "chrM":
                t = r.choice(("DEL", "DEL", "INS", "DUP"))
                k = r.choice((60, 120, 800, 3000))
                end = pos if t == "INS" else min(pos + k, LENGTH[c])
                ln = k if t == "INS" else end - pos
                out.append((c, pos, b, ["<%s>" % t], {"SVTYPE": t, "END": end, "SVLEN": -ln if t == "DEL" else ln}, None))
            elif u < 0.992 and c != "chrM":
                nbnd += 1
                c2 = r.choice([x for x, _ in CONTIGS[:4] if x != c])
                p2 = r.randrange(100, LENGTH[c2] - 100)
                b2, ids = ref[c2][p2 - 1], ["bnd%d%s" % (nbnd, x) for x in "AB"]
                if r.random() < 0.5:
                    alts = "%s]%s:%d]" % (b, c2, p2), "%s]%s:%d]" % (b2, c, pos)
                else:
                    alts = "%s[%s:%d[" % (b, c2, p2), "]%s:%d]%s" % (c, pos, b2)
                out.append((c, pos, b, [alts[0]], {"SVTYPE": "BND", "MATEID": ids[1]}, ids[0]))
                out.append((c2, p2, b2, [alts[1]], {"SVTYPE": "BND", "MATEID": ids[0]}, ids[1]))
            else:
                out.append((c, pos, b, [snp(b)], {}, None))
    for c, pos, end in (("chr1", 10007, 75000), ("chr1", 60500, 171000), ("chr2", 4001, 49999), ("chrX", 9000, 35000)):
        out.append((c, pos, ref[c][pos - 1], ["<DEL>"], {"SVTYPE": "DEL", "END": end, "SVLEN": pos - end}, None))
    out.append(("chr1", 30000, ref["chr1"][29999:30220], [ref["chr1"][29999]], {}, None))  # a long REF
    out.sort(key=lambda x: (RANK[x[0]], x[1]))
    return out


def genotypes(r, c, nalt):
    """Allele tuples per sample; NA12878 is the daughter of NA12891 and NA12892."""
    w = [1.0] + [r.choice((0.05, 0.1, 0.3, 0.6, 1.5)) for _ in range(nalt)]
    gts = []
    for i in range(6):
        ploidy = 1 if c == "chrM" or c == "chrX" and i in MALES else 2
        gts.append(tuple(r.choices(range(nalt + 1), w, k=ploidy)))
    if c == "chrM":
        gts[0] = gts[2]
    else:
        gts[0] = (r.choice(gts[1]), r.choice(gts[2]))
    if nalt and not any(max(g) for g in gts):
        gts[3] = gts[3][:-1] + (1,)
    return gts


def vcf_record(r, site):
    c, pos, refa, alts, sv, vid = site
    nalt = len(alts)
    phased = c == "chr10" or r.random() < 0.15
    u = r.random()
    if sv:
        fmt = ["GT", "GQ"] if u < 0.7 else ["GT"]
    elif u < 0.6:
        fmt = ["GT", "AD", "DP", "GQ", "PL"]
    elif u < 0.75:
        fmt = ["GT", "DP", "GQ", "FT"]
    elif u < 0.9:
        fmt = ["GT", "GQ", "DP"]
    elif u < 0.96:
        fmt = ["GT"]
    else:
        fmt = ["GT", "AD", "DP", "FT", "GQ", "PL"]
    cells, ac, an, depth = [], [0] * nalt, 0, 0
    for g in genotypes(r, c, nalt):
        sep = "|" if phased and r.random() < 0.97 else "/"
        u = r.random()
        if u < 0.03:
            g = (None,) * len(g)
        elif u < 0.042 and len(g) == 2:
            g = (g[0], None) if r.random() < 0.5 else (None, g[1])
        elif len(g) == 2 and sep == "/":
            g = tuple(sorted(g))
        known = [a for a in g if a is not None]
        an += len(known)
        for a in known:
            if a:
                ac[a - 1] += 1
        gt = sep.join("." if a is None else str(a) for a in g)
        if not known:
            u = r.random()
            if u < 0.6:
                cells.append(gt)  # trailing fields dropped
            elif u < 0.8 and fmt[1:2] == ["AD"]:
                cells.append(":".join([gt, ",".join("0" * (nalt + 1)), "0"]))
                # GQ, PL dropped
            else:
                cells.append(":".join([gt] + ["."] * (len(fmt) - 1)))
            continue
        dp = max(1, int(r.gauss(28 if len(g) == 2 else 15, 6)))
        ad = [0] * (nalt + 1)
        for _ in range(dp):
            ad[r.choice(known)] += 1
        gq = min(99, 3 * dp + r.randint(-2, 2) if len(set(known)) == 1 else 99)
        pl = []
        gg = [(j, k) for k in range(nalt + 1) for j in range(k + 1)] if len(g) == 2 else [(k,) for k in range(nalt + 1)]
        for x in gg:
            miss = sum(1 for a in known if a not in x) + sum(1 for a in x if a not in known)
            pl.append(0 if tuple(sorted(known)) == tuple(sorted(x)) else max(gq, miss * dp * 12 + (dp * 7) % 10))
        if len(known) < len(g):
            pl = None
        v = {"GT": gt, "DP": str(dp), "GQ": "." if r.random() < 0.01 else str(max(1, gq)),
             "AD": ",".join(map(str, ad)), "PL": ",".join(map(str, pl)) if pl else ".",
             "FT": r.choice(("LowGQ", "LowGQ;LowDP", ".")) if r.random() < 0.15 else "PASS"}
        if r.random() < 0.006:
            v["AD"] = ",".join([str(ad[0])] + ["."] * nalt)
        depth += dp
        cell = [v[k] for k in fmt]
        while len(cell) > 1 and cell[-1] == "." and r.random() < 0.7:
            cell.pop()
        cells.append(":".join(cell))
    info = []
    if nalt and r.random() < 0.97:
        acs = [str(x) for x in ac]
        if r.random() < 0.02:
            acs[-1] = "."
        info.append("AC=" + ",".join(acs))
        afs = ["%.4g" % (x / an) if an else "." for x in ac]
        u = r.random()
        if u < 0.04:
            afs[r.randrange(nalt)] = "."
        elif u < 0.06:
            afs[0] = "1.500e-03"
        info.append("AF=" + ",".join(afs))
    info.append("AN=%d" % an)
    if not sv and r.random() < 0.95:
        info.append("DP=%d" % depth)
    known_id = r.random() < 0.4
    if known_id and not vid:
        info.append("DB")
    if not sv and r.random() < 0.85:
        info.append("MQ=" + r.choice(("60", "60.00", "59.87", "58.31", "42.5", "37.02")))
    for k in ("SVTYPE", "END", "SVLEN", "MATEID"):
        if k in sv:
            info.append("%s=%s" % (k, sv[k]))
    if nalt and not sv:
        gene = "GENE%d" % (pos // 4000 + 1)
        if r.random() < 0.14:
            info.append("ANN=" + ",".join("%s|%s|%s|%s" % ((a,) + r.choice((
                ("missense_variant", "MODERATE"), ("synonymous_variant", "LOW"), ("intron_variant", "MODIFIER"))) + (gene,))
                for a in alts))
        if r.random() < 0.10:
            info.append("CSQ=%s|%s|%s|%s" % (alts[0], r.choice(("missense_variant&splice_region_variant", "intron_variant")), gene,
                                             r.choice(("p.%3D", "benign%3B reviewed".replace(" ", "%20"), "a%2Cb", "x%3Ay%3Bz%2C", "100%25"))))
    if r.random() < 0.02:
        info = ["."]
        if sv:
            info = ["%s=%s" % (k, sv[k]) for k in ("SVTYPE", "END", "SVLEN", "MATEID") if k in sv]
    u = r.random()
    qual = "." if u < 0.04 else str(r.randint(3, 3000)) if u < 0.15 else "%.2f" % r.uniform(3, 4000)
    if u > 0.99:
        qual = "0"
    flt = r.choices(("PASS", ".", "q10", "LowQual", "s50", "q10;s50", "LowQual;q10"), (75, 8, 5, 5, 2, 3, 2))[0]
    if vid is None:
        vid = "."
        if known_id:
            vid = "rs%d" % r.randint(10 ** 5, 10 ** 9)
            if r.random() < 0.04:
                vid += ";rs%d" % r.randint(10 ** 5, 10 ** 9)
    return [c, str(pos), vid, refa, ",".join(alts) or ".", qual, flt, ";".join(info), ":".join(fmt)] + cells


def make_vcf():
    r = random.Random(5)
    ref = load_ref()
    lines = VCF_HEADER.split("\n")
    at = 1 + max(i for i, x in enumerate(lines) if x.startswith("##reference"))
    lines[at:at] = ["##contig=<ID=%s,length=%d>" % c for c in CONTIGS]
    cols = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"] + SAMPLES
    recs = [vcf_record(r, s) for s in vcf_sites(r, ref)]
    for x in recs:
        assert ref[x[0]].startswith(x[3], int(x[1]) - 1), x

    def write(path, recs, ncol=None):
        with open(path, "w") as f:
            keep = [x for x in lines if ncol is None or not x.startswith("##FORMAT")]
            f.write("\n".join(keep) + "\n")
            for x in [cols] + recs:
                f.write("\t".join(x[:ncol]) + "\n")

    write("cohort.full.vcf", recs)
    write("out/cohort.vcf", recs[:300])
    write("out/header_only.vcf", [])
    write("sites.vcf", [recs[i] for i in sorted(r.sample(range(len(recs)), 400))], 8)


# ---------------------------------------------------------------- annotation, intervals

def make_gff():
    r = random.Random(6)
    feats, mrnas, gid = [], [], 0
    src = "sim"
    notes = ["kinase%2C putative", "two words%3B one semicolon", "binds%20DNA", "50%25 identity%2C low coverage", "plain note",
             "a%3Db%26c"]

    def add(c, s, e, typ, attrs, strand="+", phase=".", score=".", rank=9):
        feats.append((RANK[c], s, -e, rank, len(feats), "\t".join(
            [c, src, typ, str(s), str(e), score, strand, phase, ";".join("%s=%s" % a for a in attrs)])))

    for c, n in (("chr1", 27), ("chr2", 13), ("chr10", 9), ("chrX", 5), ("chrM", 4), ("HLA-A*01:01:01:01", 1)):
        for k in range(n):
            gid += 1
            slot = LENGTH[c] // n
            lo = slot * k + 100
            length = r.randint(min(900, slot // 2), min(5500, slot - 400))
            gs = lo + r.randrange(max(1, slot - length - 200))
            ge, strand = gs + length - 1, r.choice("+-")
            g = "gene%04d" % gid
            sym = "HLA-A" if c.startswith("HLA") else "MT-G%d" % (k + 1) if c == "chrM" else "SIM%d" % gid
            coding = r.random() < 0.85
            attrs = [("ID", g), ("Name", sym), ("gene_type", "protein_coding" if coding else "lncRNA")]
            if r.random() < 0.4:
                attrs.append(("Dbxref", "GeneID:%d,HGNC:%d" % (r.randint(1, 99999), r.randint(1, 40000)) +
                              (",MIM:%d" % r.randint(100000, 620000) if r.random() < 0.4 else "")))
            if r.random() < 0.3:
                attrs.append(("Alias", ",".join("%s%s" % (sym, x) for x in r.choice(("A", "AB", "XYZ")))))
            if r.random() < 0.4:
                attrs.append(("Note", r.choice(notes)))
            add(c, gs, ge, "gene", attrs, strand, score="%.1f" % r.uniform(1, 1000) if r.random() < 0.4 else ".", rank=0)
            for t in range(1 if c == "chrM" else r.choice((1, 1, 2))):
                tid = "%s.t%d" % (g, t + 1)
                nex = 1 if c == "chrM" else r.choice((2, 3, 4, 4, 5))
                cuts = sorted(r.sample(range(gs // 20 + 2, ge // 20 - 1), 2 * nex - 2))
                edges = [gs] + [x * 20 for x in cuts] + [ge]
                exons = [(edges[2 * i], edges[2 * i + 1]) for i in range(nex)]  # 1-based, closed
                add(c, gs, ge, "mRNA" if coding else "lnc_RNA", [("ID", tid), ("Parent", g), ("Name", "%s-20%d" % (sym, t + 1))],
                    strand, rank=1)
                order = exons if strand == "+" else exons[::-1]
                for i, (s, e) in enumerate(order):
                    add(c, s, e, "exon", [("ID", "%s.e%d" % (tid, i + 1)), ("Parent", tid)], strand, rank=2)
                thick = None
                if coding:
                    total = sum(e - s + 1 for s, e in exons)
                    u5 = min(r.randint(5, 90), total // 4)
                    u3 = min(r.randint(5, 120), total // 4)
                    u3 += (total - u5 - u3) % 3
                    done, cds, done_cds = 0, [], 0
                    for s, e in order:
                        n_ = e - s + 1
                        parts = ((done, 0, u5, "five_prime_UTR"), (done, u5, total - u3, "CDS"),
                                 (done, total - u3, total, "three_prime_UTR"))
                        for off, a, b, typ in parts:
                            x, y = max(off, a), min(off + n_, b)
                            if x >= y:
                                continue
                            ps, pe = (s + x - off, s + y - off - 1) if strand == "+" else (e - (y - off) + 1, e - (x - off))
                            if typ == "CDS":
                                ph = str(-done_cds % 3)
                                done_cds += y - x
                                cds += [ps, pe]
                                add(c, ps, pe, typ, [("ID", tid + ".cds"), ("Parent", tid)], strand, ph, rank=3)
                            else:
                                add(c, ps, pe, typ, [("Parent", tid)], strand, rank=4)
                        done += n_
                    thick = (min(cds) - 1, max(cds))
                mrnas.append((c, gs - 1, ge, tid, strand, thick or (gs - 1, gs - 1), exons))
    for i in range(135):
        c, l = r.choices(CONTIGS[:5], (8, 5, 3, 2, 1))[0]
        s = r.randrange(1, l - 700)
        e, score = s + r.randint(10, 600), r.choice((".", "%.2f" % r.uniform(0, 100), "%.1e" % r.uniform(1e-9, 1e-5), "0"))
        if i % 3 == 0:
            add(c, s, e, "repeat_region", [("ID", "rep%d" % i), ("Name", r.choice(("AluY", "L1PA2", "(CA)n"))), ("Note", r.choice(notes))],
                ".", score=score)
        elif i % 3 == 1:
            add(c, s, e, "sequence_feature", [("ID", "feat%d" % i), ("Note", r.choice(notes))], "?", score=score)
        else:
            add(c, s, e, "regulatory_region", [("ID", "reg%d" % i), ("Dbxref", "ENSR:%d,GO:%07d" % (i, i * 31))], r.choice("+-."), score=score)
    feats.sort()
    lines = ["##gff-version 3"] + ["##sequence-region %s 1 %d" % c for c in CONTIGS] + ["# simulated gene models"]
    lines += [f[-1] for f in feats]  # no "###" among them: tabix queries fail on a '#' line after the header
    with open("genes.full.gff3", "w") as f:
        f.write("\n".join(lines) + "\n")
    with open("out/genes.gff3", "w") as f:
        f.write("\n".join(lines[:200]) + "\n###\n##FASTA\n>chrSmall a small sequence\n")
        s = dna(r, 150)
        f.write("".join(s[i:i + 60] + "\n" for i in range(0, 150, 60)))

    rows = r.sample(mrnas, 30)
    rows.sort(key=lambda m: (RANK[m[0]], m[1]))
    with open("out/blocks12.bed", "w") as f:
        for c, s, e, tid, strand, thick, ex in rows:
            f.write("\t".join(map(str, [c, s, e, tid, r.randint(0, 1000), strand, thick[0], thick[1],
                                        r.choice(("0", "255,0,0", "0,0,255")), len(ex),
                                        "".join("%d," % (b - a + 1) for a, b in ex),
                                        "".join("%d," % (a - 1 - s) for a, b in ex)])) + "\n")

    def intervals(n):
        out = []
        for _ in range(n):
            c, l = r.choices(CONTIGS[:5], (9, 5, 3, 2, 1))[0]
            s = r.randrange(0, l - 2000)
            out.append((c, s, s + r.choice((1, 75, 120, 300, 900, 1800))))
        return sorted(out, key=lambda x: (RANK[x[0]], x[1], x[2]))

    iv = [(c, s, e) for c, s, e in TARGETS] + [("HLA-A*01:01:01:01", 0, 3500), ("chr1", 0, 100), ("chr1", 179000, 180000)]
    iv = sorted(iv + intervals(32), key=lambda x: (RANK[x[0]], x[1], x[2]))
    with open("out/panel.bed", "w") as f:
        f.write("browser position chr1:20001-21600\n#comment: a made-up gene panel\n"
                "track name=panel description=\"Made-up gene panel\" useScore=1\n")
        for i, (c, s, e) in enumerate(iv):
            if i == 20:
                f.write("# second half\n")
            f.write("\t".join([c, str(s), str(e), "panel_%02d" % (i + 1), str(r.randint(0, 1000)), r.choice("++--.")]) + "\n")
    iv = sorted(intervals(59) + [("chr2", 40000, 40000)], key=lambda x: (RANK[x[0]], x[1], x[2]))
    with open("out/targets3.bed", "w") as f:
        for x in iv:
            f.write("%s\t%d\t%d\n" % x)


# ---------------------------------------------------------------- fastq

def make_fastq():
    r = random.Random(7)
    seqs = read_fq("a.main_1.fq")
    for i in range(400):
        n = r.choice((36, 50, 50, 61, 76, 76, r.randint(20, 76)))
        s = seqs[i][:n]
        if i % 25 == 3:
            k = r.randrange(n - 4)
            s = s[:k] + "NNN" + s[k + 3:]
        q = qual(r, n)
        if i % 10 == 4:
            q = "@" + q[1:]
        elif i % 10 == 7:
            q = "+" + q[1:]
        elif i % 50 == 5:  # the whole range of qualities
            q = "".join(chr(33 + (j * 41) // (n - 1)) for j in range(n))
        elif i % 100 == 6:
            q = "+" * n
        elif i % 100 == 8:
            q = "@" * n
        name = "A7:1:%d:%d" % (1101 + i // 200, 1000 + i * 37)
        if i % 3 == 0:
            name += " 1:N:0:ACGTACGT"
        elif i % 20 == 1:
            name += " length=%d  comment with words" % n
        print("@%s\n%s\n+\n%s" % (name, s, q))


if __name__ == "__main__":
    {"ref": make_ref, "reads": make_reads, "merge": make_merge, "decorate": make_decorate, "unsorted": make_unsorted,
     "longcigar": make_longcigar, "vcf": make_vcf, "gff": make_gff, "fastq": make_fastq}[sys.argv[1]]()
