"""What fastp's report says: reads, bases, mean quality, GC in percent."""
import json
import sys

with open(sys.argv[1]) as file:
    report = json.load(file)
before = report["summary"]["before_filtering"]
quality = report["read1_before_filtering"]["quality_curves"]["mean"]
if before["total_bases"] != before["total_reads"] * len(quality):
    # It tells means by position and not of how many bases.
    sys.exit("fastp tells no mean quality of reads of several lengths")
print("ANSWER", before["total_reads"], before["total_bases"], "%.3f" % (sum(quality) / len(quality)),
      "%.2f" % (100 * before["gc_content"]))
