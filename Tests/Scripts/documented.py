# SPDX-License-Identifier: Apache-2.0
"""What the pages say of errors: the rows of their tables with the columns File, Error and When."""

import errno
import fnmatch
import os
import re

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
PAGES = ["interface.md", "rmpsim.md", "faults.md"]
HEADER = ["File", "Error", "When"]
# EOPNOTSUPP and ENOTSUP are one number; the page has the first name.
NAMES = errno.errorcode | {errno.EOPNOTSUPP: "EOPNOTSUPP"}


def cells(line):
    """The cells of a table's line; None where it is none. A | in a code span is written \\|."""
    if not line.startswith("|"):
        return None
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]


def rows():
    """All pairs of what is called, such as `mkdir rmpsim/guests/NAME` or the path of an attribute, and an error."""
    found = []
    for page in PAGES:
        inside = False
        with open(os.path.join(DOCS, page), encoding="utf-8") as text:
            for line in text:
                row = cells(line)
                if row == HEADER:
                    inside = True
                elif row is None:
                    inside = False
                elif inside and not set(row[0]) <= set("-: "):
                    found += pairs(*row)
    assert found, "the pages have no table of errors"
    return list(dict.fromkeys(found))


def pairs(files, error, when):
    """The pairs of a row: `FOLDER/FILE`, `FILE in the same folder`, ...; `mkdir: ` or `rmdir: ` may begin the reason."""
    names = re.findall(r"`([^`]+)`", files)
    assert names and re.fullmatch(r"`E[A-Z0-9]+`", error), f"cannot be read: {files} {error}"
    call = re.match(r"(mkdir|rmdir): ", when)
    folder = os.path.dirname(names[0])
    paths = [name if "/" in name else f"{folder}/{name}" for name in names]
    return [(f"{call[1]} {path}" if call else path, error.strip("`")) for path in paths]


class Page:
    """The errors that a call may give."""

    def __init__(self):
        self.rows = rows()
        # A removed item's files share one row of the page.
        self.removed = {os.path.dirname(path) for path, name in self.rows if name == "ENOENT" and " " not in path}

    @staticmethod
    def pattern(path):
        return re.sub(r"\bcpuN\b", "cpu*", path.replace("NAME", "*"))

    def errors(self, call):
        """The names of the errors that are documented for a call on a path below the mount point."""
        known = {name for path, name in self.rows if fnmatch.fnmatchcase(call, self.pattern(path))}
        if any(fnmatch.fnmatchcase(os.path.dirname(call), self.pattern(folder)) for folder in self.removed):
            known.add("ENOENT")
        return known
