"""cyvcf2: htslib's variants as Python objects."""
from common import answer, answer_groups, path, region, task, threads, unknown

from cyvcf2 import VCF

if task == "vcf_count":
    answer(sum(1 for _ in VCF(path, lazy=True, threads=threads)))
elif task == "vcf_filter_agg":
    counts, sums = {}, {}
    for v in VCF(path, threads=threads):
        if v.QUAL is not None and v.QUAL >= 30 and v.FILTER is None:
            counts[v.CHROM] = counts.get(v.CHROM, 0) + 1
            sums[v.CHROM] = sums.get(v.CHROM, 0) + v.QUAL
    answer_groups(counts.values(), [sums[contig] / counts[contig] for contig in counts])
elif task == "vcf_titv":
    snps = indels = transitions = transversions = 0
    for v in VCF(path, threads=threads):
        snvs = [v.REF + a for a in v.ALT if len(a) == len(v.REF) == 1]
        snps += bool(snvs)
        indels += any(len(a) != len(v.REF) for a in v.ALT)
        found = sum(pair in ("AG", "GA", "CT", "TC") for pair in snvs)
        transitions += found
        transversions += len(snvs) - found
    answer(snps, indels, transitions, transversions)
elif task == "vcf_region":
    answer(sum(1 for _ in VCF(path)(region)))
elif task == "vcf_af":
    count = positions = 0
    for v in VCF(path, threads=threads):
        af = v.INFO.get("AF")
        if af is not None and (max(a for a in af if a is not None) if isinstance(af, tuple) else af) > 0.3:
            count += 1
            positions += v.POS
    answer(count, positions)
elif task == "cohort_af":
    count = total = 0
    for v in VCF(path, threads=threads):
        called = v.genotype.array()[:, :2]
        count += 1
        total += (called > 0).sum() / (called >= 0).sum()
    answer(count, "%.6f" % total)
else:
    unknown()
