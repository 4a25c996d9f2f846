"""sites.vcf: annotated sites without samples, over the human contigs. cohort.vcf: genotypes of simulated ancestry."""
import os

import numpy as np

from common import BASES, HUMAN, N, load_reference, random, spread

CONSEQUENCES = [  # consequence, share, impact
    ("intron_variant", 0.52, "MODIFIER"), ("intergenic_variant", 0.22, "MODIFIER"),
    ("upstream_gene_variant", 0.06, "MODIFIER"), ("downstream_gene_variant", 0.06, "MODIFIER"),
    ("non_coding_transcript_exon_variant", 0.035, "MODIFIER"), ("3_prime_UTR_variant", 0.02, "MODIFIER"),
    ("5_prime_UTR_variant", 0.008, "MODIFIER"), ("missense_variant", 0.022, "MODERATE"),
    ("synonymous_variant", 0.014, "LOW"), ("regulatory_region_variant", 0.025, "MODIFIER"),
    ("splice_region_variant&intron_variant", 0.008, "LOW"), ("stop_gained", 0.002, "HIGH"),
    ("frameshift_variant", 0.003, "HIGH"), ("inframe_deletion", 0.003, "MODERATE")]
BIOTYPES = ["protein_coding", "lncRNA", "processed_transcript", "retained_intron", "nonsense_mediated_decay"]
INFO = [  # key, Number, Type
    ("AC", "A", "Integer"), ("AN", "1", "Integer"), ("AF", "A", "Float"), ("AC_afr", "A", "Integer"),
    ("AF_afr", "A", "Float"), ("AF_nfe", "A", "Float"), ("AF_eas", "A", "Float"), ("nhomalt", "A", "Integer"),
    ("faf95", "A", "Float"), ("DP", "1", "Integer"), ("FS", "1", "Float"), ("MQ", "1", "Float"),
    ("MQRankSum", "1", "Float"), ("QD", "1", "Float"), ("ReadPosRankSum", "1", "Float"), ("SOR", "1", "Float"),
    ("VQSLOD", "1", "Float"), ("variant_type", "1", "String"), ("allele_type", "A", "String"),
    ("n_alt_alleles", "1", "Integer"), ("lcr", "0", "Flag"), ("segdup", "0", "Flag"), ("culprit", "1", "String"),
    ("age_hist_het_bin_freq", "1", "String"), ("CSQ", ".", "String")]
TRANSITION = dict(zip("AGCT", "GATC"))
TRANSVERSIONS = {"A": "CT", "G": "CT", "C": "AG", "T": "AG"}


def header(contigs, filters, info, formats, samples):
    lines = ["##fileformat=VCFv4.2", '##FILTER=<ID=PASS,Description="All filters passed">']
    lines += ['##FILTER=<ID=%s,Description="%s">' % (name, name) for name in filters]
    lines += ['##INFO=<ID=%s,Number=%s,Type=%s,Description="%s">' % (*key, key[0]) for key in info]
    lines += ['##FORMAT=<ID=%s,Number=%s,Type=%s,Description="%s">' % (*key, key[0]) for key in formats]
    lines += ["##contig=<ID=%s,length=%d>" % contig for contig in contigs]
    columns = "#CHROM POS ID REF ALT QUAL FILTER INFO".split()
    return "\n".join(lines + ["\t".join(columns + (["FORMAT", *samples] if samples else []))]) + "\n"


def alleles(r, reference, kind, several, inserted):
    """REF, the alternate alleles, and what the first one is."""
    if kind < 0.885:
        first = TRANSITION[reference] if r.random() < 0.675 else TRANSVERSIONS[reference][int(r.integers(2))]
        others = [b for b in "ACGT" if b not in (reference, first)]
        return reference, [first] + others[:1] * several, "snv"
    if kind < 0.95:
        long = reference + inserted
        return long, [reference] + [long[:2]] * (several and len(long) > 2), "del"
    return reference, [reference + inserted] + [reference + inserted + "A"] * several, "ins"


def positions(r, length, n):
    """Seven of ten anywhere, the others around hot spots."""
    spots = r.integers(10_000, length - 10_000, max(1, n // 40))
    near = r.choice(spots, n - int(n * 0.7)) + r.normal(0, 400, n - int(n * 0.7)).astype(int)
    return np.sort(np.concatenate([r.integers(10_001, length - 10_000, int(n * 0.7)), near]).clip(10_001))


def annotation(r, reference, alternate, which, position, gene):
    """A CSQ value: a transcript each, separated by commas."""
    name, _, impact = CONSEQUENCES[which]
    if name == "intergenic_variant":
        return f"{alternate}|{name}|{impact}|||||||"
    kind = BIOTYPES[int(r.integers(len(BIOTYPES)))]
    return ",".join(
        f"{alternate}|{name}|{impact}|GN{gene}|ENSG{gene:011d}|Transcript|ENST{gene * 7 + k:011d}.{k + 1}|{kind}|"
        f"{k + 1}/{k + 9}|ENST{gene * 7 + k:011d}.{k + 1}:c.{position % 5000}{reference[0]}>{alternate[0]}"
        for k in range(min(1 + int(r.geometric(0.5)), 7)))


def site(r, chrom, position, gene):
    """One line of sites.vcf."""
    inserted = BASES[r.integers(0, 4, min(int(r.geometric(0.42)), 50))].tobytes().decode()
    several = int(r.random() < 0.045)
    reference, alternates, kind = alleles(r, "ACGT"[int(r.choice(4, p=[0.295, 0.205, 0.205, 0.295]))], r.random(),
                                          several, inserted)
    number = 152_312 - min(int(r.exponential(1500)) // 2 * 2, 150_000)
    u = r.random(8)
    common = u[0] < 0.09
    count = int(r.beta(0.6, 1.2) * number) if common else min(int(np.exp(r.exponential(2.0))), number)
    count = 0 if u[1] < 0.02 else count
    counts = [count] if len(alternates) == 1 else [int(count * 0.85), max(1, count // 8)]
    each = lambda form, values: ",".join(form % v for v in values)
    shares = [c / number for c in counts]
    afr, nfe, eas = r.lognormal(0, 0.6, 3)
    filters = "AC0" if not counts[0] else "PASS" if u[2] < 0.87 else "AS_VQSR" if u[2] < 0.975 else "AS_VQSR;Inbreeding"
    quality = round(float(np.clip(np.exp(r.normal(7.0, 1.8)), 10, 9e6)), 2)
    which = int(r.choice(len(CONSEQUENCES), p=SHARES))
    z = r.normal(0, 1, 6)
    info = [
        f"AC={each('%d', counts)}", f"AN={number}", f"AF={each('%.5e', shares)}",
        f"AC_afr={each('%d', [c * 0.27 for c in counts])}", f"AF_afr={each('%.5e', [s * afr for s in shares])}",
        f"AF_nfe={each('%.5e', [s * nfe for s in shares])}", f"AF_eas={each('%.5e', [s * eas for s in shares])}",
        f"nhomalt={each('%d', [s * s * number / 2 for s in shares])}",
        f"faf95={each('%.5e', [s * 0.87 for s in shares])}", f"DP={int(number * max(3, 15.5 + 2.2 * z[0]))}",
        f"FS={1.6 * r.exponential():.3f}", f"MQ={60.0 if u[3] < 0.8 else 60 - 4 * u[4]:.2f}",
        f"MQRankSum={0.6 * z[1]:.3f}", f"QD={max(0.1, 15 + 5 * z[2]):.2f}", f"ReadPosRankSum={0.6 * z[3]:.3f}",
        f"SOR={np.exp(0.35 * z[4] - 0.25):.3f}", f"VQSLOD={4 + 5 * z[5]:.2f}",
        f"variant_type={'multi-' if several else ''}{kind}", f"allele_type={each('%s', [kind] * len(alternates))}",
        f"n_alt_alleles={len(alternates)}", *["lcr"] * int(u[5] < 0.05), *["segdup"] * int(u[6] < 0.06),
        f"culprit={'MQ' if u[5] > 0.5 else 'FS'}",
        f"age_hist_het_bin_freq={'|'.join(map(str, r.integers(0, 60, 10)))}",
        f"CSQ={annotation(r, reference, alternates[0], which, position, gene)}"]
    text = "." if u[7] < 0.005 else "%g" % quality if quality < 1e5 else "%.2f" % quality
    name = "rs%d" % r.integers(1000, 2_000_000_000) if r.random() < 0.85 else "."
    return "\t".join([chrom, str(position), name, reference, ",".join(alternates), text, filters, ";".join(info)]) + "\n"


SHARES = np.array([share for _, share, _ in CONSEQUENCES])
SHARES /= SHARES.sum()


def write_sites(out, seed, count):
    r = random(seed, "sites")
    with open(os.path.join(out, "sites.vcf"), "w") as file:
        file.write(header(HUMAN, ["AC0", "AS_VQSR", "Inbreeding"], INFO, [], []))
        for i, ((chrom, length), n) in enumerate(zip(HUMAN, spread(r, HUMAN, count))):
            for position in positions(r, length, int(n)).tolist():
                file.write(site(r, chrom, position, position // 60_000 + i * 5000))


def rendered(r, genotype, alleles, how_many):
    """Cells GT:DP:GQ:AD:PL of one genotype, which samples draw from."""
    cells = []
    for _ in range(how_many):
        depth = int(np.clip(r.negative_binomial(18, 0.38), 2, 90))
        if genotype == "./.":
            cells.append("./.:.:.:.:." if r.random() < 0.5 else "./.:%d:.:.:." % (depth % 3))
            continue
        one, other = map(int, genotype.split("/"))
        depths = [0] * alleles
        depths[one] = depth if one == other else int(r.binomial(depth, 0.5))
        depths[other] += depth - depths[one]
        likelihoods = r.integers(30, 1500, alleles * (alleles + 1) // 2).tolist()
        likelihoods[one + other * (other + 1) // 2] = 0
        numbers = ",".join(map(str, depths)), ",".join(map(str, likelihoods))
        cells.append("%s:%d:%d:%s:%s" % (genotype, depth, min(99, 3 * depth), *numbers))
    return cells


def write_cohort(out, seed, count, samples):
    """Sites of three contigs, with the linkage and frequencies that a coalescent gives."""
    import msprime
    reference = load_reference(out)
    r = random(seed, "cohort")
    drawn = 4096
    two = np.array(sum((rendered(r, g, 2, drawn) for g in ("0/0", "0/1", "1/1", "./.")), []), dtype=object)
    three = np.array(sum((rendered(r, g, 3, drawn) for g in ("0/0", "0/2", "1/2", "./.")), []), dtype=object)
    names = ["HG%05d" % (96 + 3 * i) for i in range(samples)]
    info = [("AC", "A", "Integer"), ("AF", "A", "Float"), ("AN", "1", "Integer"), ("DP", "1", "Integer"),
            ("QD", "1", "Float"), ("MQ", "1", "Float"), ("DB", "0", "Flag")]
    formats = [("GT", "1", "String"), ("DP", "1", "Integer"), ("GQ", "1", "Integer"), ("AD", "R", "Integer"),
               ("PL", "G", "Integer")]
    # Alternate alleles by state, as the cells have them.
    called = {False: np.array([[0], [1], [2], [0]]), True: np.array([[0, 0], [0, 1], [1, 1], [0, 0]])}
    with open(os.path.join(out, "cohort.vcf"), "w") as file:
        file.write(header([(n, len(s)) for n, s in reference.items()], ["LowVQSLOD"], info, formats, names))
        for i, (chrom, share) in enumerate([("chr1", 0.5), ("chr2", 0.3), ("chr3", 0.2)]):
            sequence, last, made, wanted = reference[chrom], 0, 0, int(count * share)
            ancestry = msprime.sim_ancestry(samples, population_size=14_000, recombination_rate=1.2e-8,
                                            sequence_length=len(sequence), random_seed=int(r.integers(1, 1 << 30)))
            mutations = msprime.sim_mutations(ancestry, rate=4e-8, random_seed=int(r.integers(1, 1 << 30)))
            step = max(1, mutations.num_sites // max(1, wanted))
            for variant in mutations.variants():
                position = int(variant.site.position) + 1
                if made >= wanted:
                    break
                if variant.site.id % step or position <= last or sequence[position - 1] == N:
                    continue
                last, made = position, made + 1
                base = chr(sequence[position - 1])
                several = made % 50 == 0
                alternates = r.permutation(list("ACGT".replace(base, "")))[:1 + several].tolist()
                if made % 9 == 0:
                    alternates[0] = base + "ACGT"[made % 4] * (1 + made % 5)
                state = (variant.genotypes.reshape(samples, 2) > 0).sum(1)
                state[r.random(samples) < 0.006] = 3
                cells = (three if several else two)[state * drawn + r.integers(0, drawn, samples)]
                counts = called[several][state].sum(0)
                number = 2 * int((state != 3).sum())
                fields = [chrom, str(position), "rs%d" % (position * 7 + i) if made % 5 else ".", base,
                          ",".join(alternates), "%.2f" % r.lognormal(7, 1.5), "PASS" if r.random() < 0.93 else "LowVQSLOD",
                          "AC=%s;AF=%s;AN=%d;DP=%d;QD=%.2f;MQ=%.2f%s" % (
                              ",".join(map(str, counts)), ",".join("%.4f" % (c / max(1, number)) for c in counts), number,
                              r.normal(28, 3) * samples, r.normal(16, 5), 60 - r.exponential(1), ";DB" if made % 5 else ""),
                          "GT:DP:GQ:AD:PL"]
                file.write("\t".join(fields + cells.tolist()) + "\n")
