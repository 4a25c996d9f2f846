"""Makes one part of the benchmarks' data, as text: make.py OUT PART [--seed N] [--scale S] [--reads PROFILE].

The same numpy gives the same bytes. make_data.sh makes all parts, aligns, compresses and indexes them.
"""
import argparse
import os

import annotations
import intervals
import reads
import reference
import variants

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out")
parser.add_argument("part", choices=["reference", "reads", "sites", "cohort", "genes", "regions", "beds"])
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--scale", type=float, default=1.0)
parser.add_argument("--reads", choices=["novaseq", "hiseq", "long"], default="novaseq")
args = parser.parse_args()
os.makedirs(args.out, exist_ok=True)


def scaled(n):
    return max(1, int(n * args.scale))


match args.part:
    case "reference":
        reference.write(args.out, args.seed, args.scale)
    case "reads" if args.reads == "long":
        reads.write_long(args.out, args.seed, scaled(12_000))
    case "reads":
        reads.write_pairs(args.out, args.seed, scaled(1_100_000), args.reads)
    case "sites":
        variants.write_sites(args.out, args.seed, scaled(400_000))
    case "cohort":
        variants.write_cohort(args.out, args.seed, scaled(16_000), 600)
    case "genes":
        annotations.write_genes(args.out, args.seed, scaled(32_000))
    case "regions":
        annotations.write_regions(args.out, args.seed)
    case "beds":
        intervals.write_beds(args.out, args.seed, scaled(438_000), scaled(2_000_000))
