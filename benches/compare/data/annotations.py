"""genes.gff3 in the shape of GENCODE, over the human contigs; regions.bed, 1,000 regions of 10 kb of the reference."""
import os

import numpy as np

from common import HUMAN, load_reference, random, spread

TYPES = [  # gene type, share, transcripts a gene, exons a transcript
    ("protein_coding", 0.335, 6.5, 9.5), ("lncRNA", 0.31, 3.0, 3.6), ("processed_pseudogene", 0.165, 1.05, 1.4),
    ("unprocessed_pseudogene", 0.045, 1.05, 1.4), ("misc_RNA", 0.037, 1, 1), ("snRNA", 0.032, 1, 1),
    ("miRNA", 0.031, 1, 1), ("TEC", 0.018, 1, 1), ("snoRNA", 0.016, 1, 1)]


class Numbers:
    gene = transcript = exon = 0


def gene(r, chrom, start, length, numbers):
    """The rows of a gene as (start, rank, end, line)."""
    shares = np.array([t[1] for t in TYPES])
    kind, _, transcripts, exons = TYPES[int(r.choice(len(TYPES), p=shares / shares.sum()))]
    numbers.gene += 1
    size = int(np.clip(r.lognormal(9.6 if kind == "protein_coding" else 7.5, 1.3), 80, min(900_000, length - start - 100)))
    pool = int(min(r.geometric(1 / exons) + 2 * (kind == "protein_coding"), max(1, size // 250), 120))
    starts = np.sort(r.choice(max(2, size // 200), pool, replace=False)) * 200 + start
    sizes = np.clip(r.lognormal(4.85, 0.7, pool), 20, 195).astype(int)
    name = f"ENSG{numbers.gene:011d}.{1 + numbers.gene % 17}"
    symbol = f"GENE{numbers.gene}"
    strand = "+-"[int(r.integers(2))]
    source = "HAVANA" if numbers.gene % 10 else "ENSEMBL"
    rows = []

    def row(rank, feature, begin, end, phase, attributes):
        rows.append((begin, rank, end, "\t".join([chrom, source, feature, str(begin), str(end), ".", strand, phase,
                                                 attributes]) + "\n"))

    about = f"gene_id={name};gene_type={kind};gene_name={symbol}"
    more = f"level={1 + numbers.gene % 3};hgnc_id=HGNC:{numbers.gene}"
    row(0, "gene", int(starts[0]) + 1, int((starts + sizes).max()), ".", f"ID={name};{about};{more}")
    for t in range(int(r.geometric(1 / transcripts))):
        numbers.transcript += 1
        id = f"ENST{numbers.transcript:011d}.{1 + numbers.transcript % 9}"
        used = np.flatnonzero(r.random(pool) < (0.85 if t == 0 else 0.6))
        used = used if len(used) else np.array([0])
        coding = kind == "protein_coding" and (t == 0 or r.random() < 0.55)
        type = kind if t == 0 or coding else "retained_intron"
        tags = f"protein_id=ENSP{numbers.transcript:011d}.1;tag=basic,appris_principal_1,CCDS" if coding else "tag=basic"
        common = (f"gene_id={name};transcript_id={id};gene_type={kind};gene_name={symbol};transcript_type={type};"
                  f"transcript_name={symbol}-{201 + t};{more};transcript_support_level={1 + t % 5};{tags};"
                  f"havana_transcript=OTTHUMT{numbers.transcript:011d}.1")
        row(1, "transcript", int(starts[used[0]]) + 1, int((starts + sizes)[used].max()), ".",
            f"ID={id};Parent={name};{common}")
        for k, e in enumerate((used if strand == "+" else used[::-1]).tolist()):
            numbers.exon += 1
            begin, end = int(starts[e]) + 1, int(starts[e] + sizes[e])
            exon = f"exon_number={k + 1};exon_id=ENSE{numbers.exon:011d}.1;{common}"
            row(2, "exon", begin, end, ".", f"ID=exon:{id}:{k + 1};Parent={id};{exon}")
            if coding:
                feature = "five_prime_UTR" if k == 0 else "CDS" if k < len(used) - 1 else "three_prime_UTR"
                row(3, feature, begin, end, str(k % 3) if feature == "CDS" else ".",
                    f"ID={feature}:{id}:{k + 1};Parent={id};{exon}")
    return rows


def write_genes(out, seed, count):
    r = random(seed, "genes")
    numbers = Numbers()
    with open(os.path.join(out, "genes.gff3"), "w") as file:
        file.write("##gff-version 3\n")
        for (chrom, length), n in zip(HUMAN, spread(r, HUMAN, count)):
            rows = []
            for start in r.integers(10_000, length - 40_000, int(n)).tolist():
                rows += gene(r, chrom, start, length, numbers)
            file.writelines(line for *_, line in sorted(rows))


def write_regions(out, seed):
    r = random(seed, "regions")
    contigs = [(n, len(s)) for n, s in load_reference(out).items() if len(s) > 100_000]
    weights = np.array([length for _, length in contigs], float)
    with open(os.path.join(out, "regions1000.bed"), "w") as file:
        for i in r.choice(len(contigs), 1000, p=weights / weights.sum()).tolist():
            name, length = contigs[i]
            start = int(r.integers(10_000, length - 20_000))
            file.write(f"{name}\t{start}\t{start + 10_000}\n")
