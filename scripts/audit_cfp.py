"""Audits a labelled manifest with every person split in two, and holds what was found
against the truth. See scripts/audit-cfp."""

import csv
import json
import pathlib
import shutil
import subprocess
import sys

RATES = ["1e-4", "1e-5", "1e-6"]


def split(manifest, out, only):
    """Deals each person's photos to two ids in turn; how many of whom each id has."""
    halves, dealt = {}, {}
    path = out / "people.csv"
    with open(manifest, newline="") as rows, open(path, "w", newline="") as to:
        writer = csv.writer(to)
        writer.writerow(["subject_id", "path"])
        for row in csv.DictReader(rows):
            if only and row["pose"] != only:
                continue
            person = row["subject_id"]
            half = dealt.get(person, 0) % 2
            dealt[person] = dealt.get(person, 0) + 1
            subject = f"{person}-{'ab'[half]}"
            photo = (pathlib.Path(manifest).parent / row["path"]).resolve()
            halves.setdefault(subject, []).append(str(photo))
            writer.writerow([subject, photo])
    return path, halves


def person(subject):
    return subject.rsplit("-", 1)[0]


def audit(program, manifest, out, rate):
    command = [program, "audit", "--manifest", str(manifest), "--fmr", rate, "--out", str(out), "--json"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if ran.returncode not in (0, 1):
        sys.exit("the audit failed")
    return json.loads(ran.stdout)


def truth(out, halves, summary):
    """Figures of one audit."""
    people = {person(subject) for subject in halves}
    mates = sum(len(halves.get(f"{who}-a", [])) * len(halves.get(f"{who}-b", [])) for who in people)
    found, chance, linked = 0, 0, set()
    with open(out / "pairs.csv", newline="", encoding="utf-8-sig") as rows:
        for row in csv.DictReader(rows):
            if person(row["subject_a"]) == person(row["subject_b"]):
                found += 1
                linked.add(person(row["subject_a"]))
            else:
                chance += 1
    rings = {}
    with open(out / "rings.csv", newline="", encoding="utf-8-sig") as rows:
        for row in csv.DictReader(rows):
            rings.setdefault(row["ring_id"], set()).add(row["subject_id"])
    pure = sum(1 for ring in rings.values() if len(ring) == 2 and len({person(s) for s in ring}) == 1)
    own, pack = summary["chance"], summary["chance_by_calibration"]
    interval = lambda e: f"{e['value']:.3g} ({e['low']:.2g} to {e['high']:.2g})" if e else "-"
    return [
        f"{summary['threshold']:.3f}",
        f"{found} of {mates}",
        f"{mates - found}",
        f"{len(linked)} of {len(people)}",
        f"{chance}",
        interval(own),
        interval(pack),
        f"{len(rings)}",
        f"{pure}",
    ]


def main():
    program, manifest, folder = sys.argv[1:]
    columns = ["FMR", "score", "pairs found", "missed", "people found", "chance pairs", "expected, own",
               "expected, pack", "rings", "exactly one person's"]
    for name, only in [("all photos", None), ("frontal photos", "frontal")]:
        base = pathlib.Path(folder) / name.split()[0]
        base.mkdir(parents=True, exist_ok=True)
        people, halves = split(manifest, base, only)
        print(f"\n{name}: {sum(map(len, halves.values()))} of {len(halves)} subject ids\n")
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns))
        for rate in RATES:
            out = base / rate
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            # Photos are looked at once.
            cache = pathlib.Path(folder) / "templates.cache"
            if cache.exists():
                shutil.copy(cache, out)
            summary = audit(program, people, out, rate)
            shutil.copy(out / "templates.cache", cache)
            print("| " + " | ".join([rate, *truth(out, halves, summary)]) + " |", flush=True)
        left_out = summary["compared"]["left_out"]
        print("\nleft out: " + ("; ".join(f"{of['count']} {of['en']}" for of in left_out) or "nothing"))


main()
