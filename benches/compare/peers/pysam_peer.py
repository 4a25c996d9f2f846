"""pysam: htslib's records as Python objects."""
from common import answer, answer_groups, path, region_parts, task, threads, unknown

import pysam


def reads():
    return pysam.AlignmentFile(path, threads=threads).fetch(until_eof=True)


def wanted(found):
    return sum(1 for read in found if read.mapping_quality >= 30 and not read.flag & 1024)


if task == "bam_count":
    answer(sum(1 for _ in reads()))
elif task == "bam_filter":
    answer(wanted(reads()))
elif task == "bam_region":
    contig, start, end = region_parts()
    answer(wanted(pysam.AlignmentFile(path).fetch(contig, start - 1, end)))
elif task == "bam_groupby":
    counts, sums = {}, {}
    for read in reads():
        contig = read.reference_id
        counts[contig] = counts.get(contig, 0) + 1
        sums[contig] = sums.get(contig, 0) + read.mapping_quality
    answer_groups(counts.values(), [sums[contig] / counts[contig] for contig in counts])
elif task == "gff_region":
    contig, start, end = region_parts()
    answer(sum(1 for _ in pysam.TabixFile(path).fetch(contig, start - 1, end)))
else:
    unknown()
