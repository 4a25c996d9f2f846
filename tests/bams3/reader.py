"""Reads BAMS3 1.0 datasets: a reference implementation, written from docs/bams3-spec.md alone. Clear, not fast.

    python3 reader.py DATASET [--region CHR[:START-END]]

Prints SAM text: the header and all records in order, or those that overlap a region (1-based, both ends included), of
which only the row groups that may hold them are read. Every checksum met on the way is verified; without a region that
is every one there is, and statistics and filters of names are compared with the rows. Exits with 1 and a message when
anything differs.

Needs zstandard, and pyarrow for the index. The numbers after § are the specification's; pages.py decodes what pages hold.
"""

import argparse
import hashlib
import json
import os
import re
import struct
import sys
import zlib
from collections import Counter
from urllib.parse import unquote

import pyarrow

from pages import (
    LONGEST, Broken, Consensus, Page, bases, cigar_text, cigars, edits, find_mates, follow_links, integers, layouts,
    mate_cigars, mate_places, mismatches, need, qualities, tag_kind, tag_values, template_lengths, texts,
)  # fmt: skip

# ------------------------------------------------------------------------------------------------- row groups (§5, §8)

COLUMNS = "- contig start span flag mapq length link mate tlen cigar name consensus bases quality layout".split()
INTS, MATES, TLEN, CIGARS, NAMES, CONSENSUS, BASES, QUALITY, LAYOUT, VALUES = range(1, 11)
MATE_CIGAR, MISMATCHES, EDITS = range(11, 14)
ENCODINGS = [0] + [INTS] * 7 + [MATES, TLEN, CIGARS, NAMES, CONSENSUS, BASES, QUALITY, LAYOUT]
# What tags have besides VALUES, by column.
TAG_ENCODINGS = {"MCZ\0": MATE_CIGAR, "MDZ\0": MISMATCHES, **{f"NM{kind}\0": EDITS for kind in "cCsSiI"}}
TAG_ENCODINGS = {int.from_bytes(key.encode(), "big"): encoding for key, encoding in TAG_ENCODINGS.items()}


class Group:
    """A row group whose pages `fetch` gets by offset and size."""

    def __init__(self, entry, fetch):
        self.entry, self.fetch, self.rows = entry, fetch, entry["rows"]
        self.pages = {page["column"]: page for page in entry["pages"]}
        numbers_ = [page["column"] for page in entry["pages"]]
        need(numbers_ == sorted(set(numbers_)), "pages are not in the order of their columns")
        need(0 < self.rows <= 1 << 24, f"a row group of {self.rows} rows")

    def page(self, column, *encodings):
        entry = self.pages.get(column)
        need(entry is not None, f"column {column} has no page")
        need(entry["encoding"] in encodings, f"page encoding {entry['encoding']} of column {column} is not known")
        data = self.fetch(entry["offset"], entry["bytes"])
        need(zlib.crc32(data) == entry["crc32"], f"the checksum of a page of column {column} differs")
        return Page(data)

    def decode(self, name, read, *args):
        column = COLUMNS.index(name)
        page = self.page(column, ENCODINGS[column])
        values = read(page, *args)
        page.end()
        return values

    def ints(self, name, least, most):
        values = self.decode(name, integers, self.rows)
        need(all(least <= v <= most for v in values), f"a number beyond the range of {name}")
        return values

    def spans(self):
        """Contig, start and span of each row: what a region is compared with."""
        if COLUMNS.index("contig") in self.pages:
            contigs = self.ints("contig", -1, (1 << 31) - 1)
        else:
            need(self.entry["contig_first"] == self.entry["contig_last"], "column 1 has no page")
            contigs = [self.entry["contig_first"]] * self.rows
        return contigs, self.ints("start", -1, (1 << 31) - 1), self.ints("span", 1, 1 << 60)

    def records(self, names_of_contigs):
        """Each row's fields as SAM text (§8.3)."""
        contigs, starts, spans = self.spans()
        need(all(c < len(names_of_contigs) for c in contigs), "a contig that the header does not have")
        flags, mapqs = self.ints("flag", 0, 65535), self.ints("mapq", 0, 255)
        lengths = self.ints("length", 0, (1 << 32) - 1)
        need(sum(lengths) <= LONGEST, "a row group of too many bases")
        name_ids, rows_of_names = follow_links(self.ints("link", 0, self.rows))
        self.names = names = self.decode("name", texts, len(rows_of_names))
        mates = find_mates(rows_of_names, flags)
        places = self.decode("mate", mate_places, contigs, starts, mates)
        tlens = self.decode("tlen", template_lengths, contigs, starts, spans, flags, mates, places)
        row_cigars = self.decode("cigar", cigars, self.rows)
        consensus = self.decode("consensus", Consensus, contigs, starts, row_cigars, lengths, flags)
        sequences = self.decode("bases", bases, consensus, lengths)
        quals = self.decode("quality", qualities, lengths)
        tags = self.decode("layout", layouts, self.rows)
        values = self.tag_columns(tags, mates, row_cigars, consensus, sequences)
        self.check_statistics(contigs, starts, spans, flags, mapqs, tlens, lengths)

        def contig_name(contig):
            need(-1 <= contig < len(names_of_contigs), "a contig that the header does not have")
            return "*" if contig < 0 else names_of_contigs[contig]

        for row in range(self.rows):
            next_contig, next_start = places[row]
            same = next_contig == contigs[row] and next_contig >= 0
            quality = quals[row]
            fields = [
                names[name_ids[row]].decode("latin-1"),
                str(flags[row]),
                contig_name(contigs[row]),
                str(starts[row] + 1),
                str(mapqs[row]),
                cigar_text(row_cigars[row]),
                "=" if same else contig_name(next_contig),
                str(next_start + 1),
                str(tlens[row]),
                sequences[row].decode("ascii") or "*",
                "*" if not quality or quality[0] == 255 else bytes(q + 33 & 255 for q in quality).decode("latin-1"),
            ]
            for column in tags[row]:
                key, kind, _ = tag_kind(column)
                fields.append(f"{key}:{'i' if kind in 'cCsSiI' else kind}:{next(values[column])}")
            yield (contigs[row], starts[row], spans[row]), fields

    def tag_columns(self, tags, mates, row_cigars, consensus, sequences):
        owners = {}
        for row, columns in enumerate(tags):
            for column in columns:
                owners.setdefault(column, []).append(row)
        values = {}
        for column, rows in owners.items():
            _, kind, sub = tag_kind(column)
            page = self.page(column, VALUES, TAG_ENCODINGS.get(column, VALUES))
            encoding = self.pages[column]["encoding"]
            if encoding == MATE_CIGAR:
                found = mate_cigars(page, rows, mates, row_cigars)
            elif encoding == MISMATCHES:
                found = mismatches(page, consensus, sequences, rows)
            elif encoding == EDITS:
                found = edits(page, consensus, sequences, rows, kind)
            else:
                found = tag_values(page, kind, sub, len(rows))
            values[column] = iter(found)
            page.end()
        if self.entry["read_groups"] is not None:
            rg = int.from_bytes(b"RGZ\0", "big")
            found = set(tag_values(self.page(rg, VALUES), "Z", "\0", len(owners[rg]))) if rg in owners else set()
            # The index holds UTF-8, with U+FFFD for what is none.
            found = {name.encode("latin-1").decode("utf-8", "replace") for name in found}
            need(found == set(self.entry["read_groups"]), "the read groups differ from the index's")
        return values

    def check_statistics(self, contigs, starts, spans, flags, mapqs, tlens, lengths):
        """That the index says of the rows what is true (§4.3)."""
        placed = [row for row in range(self.rows) if contigs[row] >= 0 and starts[row] >= 0]
        ends = [starts[row] + spans[row] for row in placed]
        flag_or, flag_and = 0, 0xFFFF
        for flag in flags:
            flag_or, flag_and = flag_or | flag, flag_and & flag
        expected = {
            "contig_first": contigs[0],
            "contig_last": contigs[-1],
            "start_first": starts[0],
            "start_last": starts[-1],
            "start_min": min((starts[row] for row in placed), default=(1 << 63) - 1),
            "start_max": max((starts[row] for row in placed), default=-(1 << 63)),
            "end_min": min(ends, default=(1 << 63) - 1),
            "end_max": max(ends, default=-(1 << 63)),
            "unplaced": self.rows - len(placed),
            "mapq_min": min(mapqs),
            "mapq_max": max(mapqs),
            **{f"mapq_{step}": sum(q >= step for q in mapqs) for step in (1, 10, 20, 30, 60)},
            "tlen_min": min(tlens),
            "tlen_max": max(tlens),
            "length_min": min(lengths),
            "length_max": max(lengths),
            "flag_or": flag_or,
            "flag_and": flag_and,
        }
        for name, value in expected.items():
            need(self.entry[name] == value, f"{name} is {value} where the index says {self.entry[name]}")


# ------------------------------------------------------------------------------------------------ datasets (§2, §3, §4)


def check_path(path):
    """That a path stays within the dataset, however often percent signs are decoded (§3.3)."""
    need(isinstance(path, str) and len(path.encode()) <= 1024, "a path longer than any object's")
    need("://" not in path and ":" not in path.split("/")[0], f"a path with a scheme or a drive: {path!r}")
    while True:
        need(not re.search(r"[\\\x00-\x1f\x7f-\x9f]", path), f"a path with odd characters: {path!r}")
        need(not {"", ".", ".."} & set(path.split("/")), f"a path that leaves the dataset: {path!r}")
        decoded = unquote(path, errors="replace")
        need(decoded.count("/") == path.count("/"), f"a path with an encoded slash: {path!r}")
        if decoded == path:
            return
        path = decoded


class NameFilters:
    """A Bloom filter of read names per row group (§4.4)."""

    def __init__(self, data, groups):
        page = Page(data)
        need(page.take(8) == b"BAMS3BLM", "no filters of read names")
        (count,) = struct.unpack("<I", page.take(4))
        need(count == groups, f"filters of {count} row groups where the dataset has {groups}")
        sizes = struct.unpack(f"<{count}I", page.take(4 * count))
        need(all(sizes), "a filter of no words")
        self.filters = [page.take(8 * words) for words in sizes]
        page.end()

    def may_have(self, group, name):
        held = self.filters[group]
        a, b = struct.unpack("<QQ", hashlib.sha256(name).digest()[:16])
        numbers = ((a + i * (b | 1)) % (1 << 64) % (8 * len(held)) for i in range(7))
        # Words are little-endian, so a bit's byte is the same with words of one byte.
        return all(held[n // 8] >> n % 8 & 1 for n in numbers)


class Dataset:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "_metadata.json"), "rb") as file:
            self.root = self.parse_root(file.read())
        self.id = bytes.fromhex(self.root["dataset"])
        need(len(self.id) == 16, "an id that is not 16 bytes")
        self.header = self.object(self.root["header"])
        self.object(self.root["header_json"])
        self.filters = None
        if self.root.get("qname_index") is not None:
            self.filters = NameFilters(self.object(self.root["qname_index"]), self.root["totals"]["groups"])
        self.contigs = []
        for line in self.header.decode("utf-8").splitlines():
            if line.startswith("@SQ\t"):
                fields = dict(field.split(":", 1) for field in line.split("\t")[1:] if ":" in field)
                need("SN" in fields, "an @SQ line without a name")
                self.contigs.append(fields["SN"])

    @staticmethod
    def parse_root(data):
        try:
            root = json.loads(data)
        except ValueError as error:
            raise Broken(f"no JSON root: {error}") from None
        need(isinstance(root, dict) and root.get("format") == "bams3", "its format is not bams3")
        version = str(root.get("version"))
        need(version.split(".")[0] == "1", f"a dataset of BAMS3 {version}; this reader reads 1.x")
        at = len(data) - 67
        need(data[at - 12 : at] == b'"checksum":"' and data[-3:] == b'"}\n', "the root does not end with its checksum")
        found = hashlib.sha256(data[:at] + b"0" * 64 + data[at + 64 :]).hexdigest()
        need(data[at : at + 64] == found.encode(), "the checksum of the root differs")
        need(not root.get("requires"), f"it requires {root.get('requires')}")
        return root

    def path(self, path):
        check_path(path)
        return os.path.join(self.folder, *path.split("/"))

    def object(self, said):
        """An object that the root names, checked."""
        with open(self.path(said["path"]), "rb") as file:
            data = file.read(said["bytes"] + 1)
        need(len(data) == said["bytes"], f"{said['path']} has another size")
        need(hashlib.sha256(data).hexdigest() == said["sha256"], f"the SHA-256 of {said['path']} differs")
        return data

    def chunks(self, wanted=lambda statistics: True):
        """The entries of the chunks in the index objects whose statistics are wanted."""
        for part in self.root["index"]:
            if not wanted(part["stats"]):
                continue
            table = pyarrow.ipc.open_stream(self.object(part)).read_all()
            chunks = table.to_pylist()
            rows = sum(group["rows"] for chunk in chunks for group in chunk["groups"])
            need((len(chunks), rows) == (part["chunks"], part["stats"]["rows"]), f"{part['path']} has other chunks")
            yield from chunks

    def groups(self, chunk, wanted=None):
        """The wanted row groups of a chunk; all, and then the whole chunk is checked, if it is None."""
        with open(self.path(chunk["path"]), "rb") as file:

            def fetch(offset, size):
                file.seek(offset)
                data = file.read(size)
                need(len(data) == size, f"{chunk['path']} is cut short")
                return data

            if wanted is None:
                data = file.read()
                need(hashlib.sha256(data).digest() == chunk["sha256"], f"the SHA-256 of {chunk['path']} differs")
                spans = sorted((p["offset"], p["bytes"]) for group in chunk["groups"] for p in group["pages"])
                ends = [52] + [offset + size for offset, size in spans]
                need([offset for offset, _ in spans] + [len(data)] == ends, f"{chunk['path']}: pages leave gaps")
            self.check_chunk(fetch(0, 52), chunk)
            for group in chunk["groups"]:
                if wanted is None or wanted(group):
                    yield Group(group, fetch)

    def check_chunk(self, header, chunk):
        magic, major, _, groups, dataset, ordinal, rows, crc = struct.unpack("<8sHHI16sQQI", header)
        need(magic == b"BAMS3CHK", f"{chunk['path']} is no chunk")
        need(crc == zlib.crc32(header[:48]), f"the checksum of the header of {chunk['path']} differs")
        need(major == 1, f"a chunk of BAMS3 {major}.x")
        need(dataset == self.id, f"{chunk['path']} is another dataset's")
        need(ordinal == chunk["ordinal"], f"{chunk['path']} is chunk {ordinal}")
        told = (len(chunk["groups"]), sum(group["rows"] for group in chunk["groups"]))
        need((groups, rows) == told, f"{chunk['path']} has other rows than the index says")

    def region(self, text):
        """Number of the contig, 0-based start, end (exclusive)."""
        if text in self.contigs:
            return self.contigs.index(text), 0, 1 << 62
        match = re.fullmatch(r"(.+):([0-9,]+)-([0-9,]+)", text)
        need(match and match[1] in self.contigs, f"no contig of this dataset: {text}")
        start, end = (int(n.replace(",", "")) for n in match.group(2, 3))
        return self.contigs.index(match[1]), start - 1, end


def write_region(dataset, out, contig, start, end):
    """The rows that overlap a region, in order (§8.2)."""

    def wanted(statistics):
        last = statistics["contig_last"]
        if statistics["contig_first"] < 0 or contig < statistics["contig_first"] or 0 <= last < contig:
            return False
        return statistics["start_min"] < end and statistics["end_max"] > start

    for chunk in dataset.chunks(wanted):
        if any(wanted(group) for group in chunk["groups"]):
            for group in dataset.groups(chunk, wanted):
                for (own, begin, span), fields in group.records(dataset.contigs):
                    if own == contig and 0 <= begin < end and begin + span > start:
                        out(fields)


def write_all(dataset, out):
    """All rows in order; whatever the root says of them is compared."""
    ordinals, contigs, rows, groups, size, stored = [], Counter(), 0, 0, 0, Counter()
    before, totals = (-1, -1), dataset.root["totals"]
    for chunk in dataset.chunks():
        ordinals.append(chunk["ordinal"])
        size += chunk["bytes"]
        need(os.path.getsize(dataset.path(chunk["path"])) == chunk["bytes"], f"{chunk['path']} has another size")
        for group in dataset.groups(chunk):
            rows += group.rows
            for page in group.entry["pages"]:
                stored[page["column"]] += page["bytes"]
            for (contig, start, _), fields in group.records(dataset.contigs):
                place = (contig, start) if contig >= 0 else (1 << 32, -1)
                need(before <= place, "rows are not in coordinate order")
                before = place
                contigs[str(contig)] += 1
                out(fields)
            for name in group.names if dataset.filters else []:
                need(groups < totals["groups"], "more row groups than the root says")
                need(dataset.filters.may_have(groups, name), "a filter lacks a name of its row group")
            groups += 1
    need(ordinals == list(range(totals["chunks"])), "chunks are missing, or out of order")
    need((groups, size) == (totals["groups"], totals["bytes"]), "the totals differ from the chunks'")
    need(rows == (totals["stats"]["rows"] if totals["stats"] else 0), "the total of rows differs")
    need(contigs == totals["contigs"], "the rows of contigs differ from the totals")
    said = {column["id"]: column["bytes"] for column in dataset.root["columns"]}
    need(said == dict(stored), "the columns differ from those that the root lists")


def main():
    parser = argparse.ArgumentParser(description="Prints a BAMS3 dataset as SAM text.")
    parser.add_argument("dataset")
    parser.add_argument("--region", help="CHR or CHR:START-END, 1-based, both included")
    arguments = parser.parse_args()
    write = sys.stdout.buffer.write
    try:
        dataset = Dataset(arguments.dataset)
        write(dataset.header)
        out = lambda fields: write("\t".join(fields).encode("latin-1") + b"\n")
        if arguments.region:
            write_region(dataset, out, *dataset.region(arguments.region))
        else:
            write_all(dataset, out)
    except (Broken, OSError, pyarrow.ArrowException, KeyError, TypeError) as error:
        sys.exit(f"{arguments.dataset}: {error or type(error).__name__}")


if __name__ == "__main__":
    main()
