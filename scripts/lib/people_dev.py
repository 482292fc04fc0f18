#!/usr/bin/env python3
"""Writes the joined manifest of scripts/lib/people-dev to standard output.

    people_dev.py CFP-MANIFEST ASIA-MANIFEST    either may be empty

Paths start at the folder the joined manifest lies in, .cache.
"""

import csv
import os
import sys


def rows(manifest):
    folder = os.path.dirname(manifest)
    with open(manifest, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            row["path"] = os.path.relpath(os.path.join(folder, row["path"]), ".cache")
            yield row


def main():
    cfp, asia = sys.argv[1:]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["subject_id", "path", "population", "set", "sex"])
    if cfp:
        for row in rows(cfp):
            if row["pose"] == "frontal":
                out.writerow(["cfp-" + row["subject_id"], row["path"], "cfp-dev", "cfp-dev", ""])
    if asia:
        for row in rows(asia):
            if row["sex"] in ("F", "M"):
                out.writerow(["asia-" + row["subject_id"], row["path"], "asia-dev", row["set"], row["sex"]])


if __name__ == "__main__":
    main()
