"""The table of cases: `cases.tsv`, a row each.

| column | what it says |
|---|---|
| class | the class of bad input |
| file | within the folder |
| read | `all`, or settings joined by `; `: `region=`, `format=`, `columns=`, `index=no`, `eof=no` (a missing end-of-file block is allowed) |
| outcome | `rows`: so many; `error`; `safe`: so many or an error; `none`: the class does not concern us; `elsewhere`: another test covers it |
| number | of rows; of an error the records that may be counted all the same, or `-` where counting must fail too |
| text | what the warning or the error must say; parts joined by ` & ` |
| place | of an error: `line 3`, `offset` (a byte or virtual offset), or `-` where there is none |
| check | `expression => text`, what it must be over the rows |
| why | the reason |
"""

import os

COLUMNS = ["class", "file", "read", "outcome", "number", "text", "place", "check", "why"]


class Table:
    def __init__(self, folder):
        self.folder = folder
        self.rows = []
        self.names = set()

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        """Writes a file."""
        with open(self.path(name), "wb") as out:
            out.write(data)

    def case(self, number, name, data, outcome, count, text="-", place="-", why="", read="all", check="-"):
        """A case; `data` of None: the file is there already."""
        name = f"{number:02}_{name}"
        if data is not None:
            assert name not in self.names, name
            self.names.add(name)
            self.file(name, data)
        row = [number, name, read, outcome, "-" if count is None else count, text, place, check, why]
        assert all("\t" not in str(cell) and "\n" not in str(cell) for cell in row), row
        self.rows.append(row)

    def rows_are(self, number, name, data, count, warning="-", why="", **more):
        """A file that is read, perhaps with a warning."""
        self.case(number, name, data, "rows", count, warning, why=why, **more)

    def error(self, number, name, data, text, place, why="", count=None, **more):
        """A file that must be refused; `count`: its records may be counted all the same."""
        self.case(number, name, data, "error", count, text, place, why=why, **more)

    def absent(self, number, why, outcome="none"):
        """A class without files."""
        self.rows.append([number, "-", "-", outcome, "-", "-", "-", "-", why])

    def write(self):
        with open(self.path("cases.tsv"), "w", encoding="utf-8") as out:
            for row in [COLUMNS, *self.rows]:
                out.write("\t".join(str(cell) for cell in row) + "\n")
