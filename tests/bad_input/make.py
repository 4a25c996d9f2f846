"""Writes one file or more for each class of bad input into a folder, and `cases.tsv`, which says what each must give.

    python3 make.py FOLDER

Only the standard library is used. What is expected follows from the formats' specifications and from what samtools,
bcftools and tabix do, not from what the library under test does.
"""

import os
import sys

import alignments
import changed
import hostile
import indexes
import texts
import variants
from table import Table


def main(folder):
    os.makedirs(folder, exist_ok=True)
    table = Table(folder)
    for module in (alignments, variants, indexes, texts, hostile, changed):
        module.cases(table)
    table.write()


if __name__ == "__main__":
    main(sys.argv[1])
