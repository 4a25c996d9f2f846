"""What the Python peers share: every one is called as PEER.py TASK FILE OUT, and prints its answer as the last line.

TAGS and REGION come from the environment, so that all peers of a task have the same work; THREADS too.
"""
import os
import re
import sys

task, path, out = sys.argv[1:4]
threads = int(os.environ.get("THREADS", "1"))
# NM:i,MD:Z,… as the file's first records have them
tags = [tuple(tag.split(":")) for tag in os.environ.get("TAGS", "").split(",") if tag]
region = os.environ.get("REGION", "")


def region_parts():
    contig, start, end = re.fullmatch(r"(.+):(\d+)-(\d+)", region).groups()
    return contig, int(start), int(end)


def answer(*values):
    print("ANSWER", *values)


def unknown():
    sys.exit(f"this peer has no task {task}")


def answer_groups(counts, means):
    """Of a group by: groups, rows, and the sum of the groups' means."""
    means = [mean or 0 for mean in means]
    answer(len(means), sum(counts), "%.6f" % sum(means))
