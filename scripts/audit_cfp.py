"""Audits a labelled manifest with every person split in two, and holds what was found
against the truth. See scripts/audit-cfp."""

import collections
import csv
import json
import pathlib
import random
import shutil
import subprocess
import sys

RATES = ["1e-4", "1e-5", "1e-6"]
# What rings are held against, at which rate and with which seeds.
HELD_RATE = "1e-5"
SEEDS = [1, 2, 3]
TOP_RINGS = 50
TOP_OF_TWO_MAX = 2
RAND_INDEX_SHARE_MIN = 0.99


def evenly(photos, _seeded):
    """To two ids in turn."""
    return photos[::2], photos[1::2]


def unevenly(photos, seeded):
    """Some of the photos, in heavy-tailed numbers: most people have few and most ids one;
    of all people a k-th has 2k photos or more, of all first ids a k-th k or more."""
    photos = seeded.sample(photos, len(photos))
    heavy = lambda least: int(least / (1 - seeded.random()))
    photos = photos[: heavy(2)]
    first = min(len(photos) - 1, heavy(1))
    return photos[:first], photos[first:]


def split(manifest, out, only, deal, seed):
    """Deals each person's photos to two ids; the photos of each id."""
    photos, halves, seeded = {}, {}, random.Random(seed)
    path = out / "people.csv"
    with open(manifest, newline="") as rows:
        for row in csv.DictReader(rows):
            if not only or row["pose"] == only:
                photo = (pathlib.Path(manifest).parent / row["path"]).resolve()
                photos.setdefault(row["subject_id"], []).append(str(photo))
    with open(path, "w", newline="") as to:
        writer = csv.writer(to)
        writer.writerow(["subject_id", "path"])
        for person, of_person in photos.items():
            for half, of_half in zip("ab", deal(of_person, seeded)):
                halves[f"{person}-{half}"] = of_half
                writer.writerows([f"{person}-{half}", photo] for photo in of_half)
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


def rand_index(one, other):
    """Adjusted Rand index of two ways to divide the same things (Hubert and Arabie, 1985)."""
    pairs = lambda labels: sum(n * (n - 1) / 2 for n in collections.Counter(labels).values())
    things = list(one)
    both = pairs((one[thing], other[thing]) for thing in things)
    in_one, in_other, most = pairs(one.values()), pairs(other.values()), len(things) * (len(things) - 1) / 2
    by_chance = in_one * in_other / most
    return (both - by_chance) / ((in_one + in_other) / 2 - by_chance)


def rings_of(out, halves):
    """Figures of the rings of one audit, and what does not hold of them."""
    people = {subject: person(subject) for subject in halves}
    true_links, wrong_links = set(), set()
    with open(out / "pairs.csv", newline="", encoding="utf-8-sig") as rows:
        for row in csv.DictReader(rows):
            link = frozenset([row["subject_a"], row["subject_b"]])
            (true_links if len({person(subject) for subject in link}) == 1 else wrong_links).add(link)
    ring_of, members, hanging = {}, {}, set()
    with open(out / "rings.csv", newline="", encoding="utf-8-sig") as rows:
        for row in csv.DictReader(rows):
            ring_of[row["subject_id"]] = row["ring_id"]
            members.setdefault(int(row["ring_id"]), set()).add(person(row["subject_id"]))
            hanging |= {row["ring_id"]} if row["hangs_on_a"] else set()
    top = [members[ring] for ring in sorted(members)[:TOP_RINGS]]
    of_two = sum(1 for who in top if len(who) > 1)
    in_one = lambda link: len({ring_of.get(subject, subject) for subject in link}) == 1
    apart = sum(1 for link in true_links if not in_one(link))
    # A person has two ids: one link is all there is between them.
    by_true_links = {subject: subject for subject in halves}
    for link in true_links:
        by_true_links.update(dict.fromkeys(link, person(min(link))))
    is_, alone = rand_index(people, {s: ring_of.get(s, s) for s in halves}), rand_index(people, by_true_links)
    broken = []
    if of_two > TOP_OF_TWO_MAX:
        broken.append(f"{of_two} of the first {len(top)} rings join different people")
    if apart:
        broken.append(f"{apart} people found are not in one ring")
    if is_ < RAND_INDEX_SHARE_MIN * alone:
        broken.append(f"the adjusted Rand index is {is_:.4f}, and {alone:.4f} of true links alone")
    sizes = sorted(map(len, halves.values()))
    figures = [
        f"{sum(sizes)} ({sizes[len(sizes) // 2]}, {sizes[-1]})",
        f"{len(true_links)}",
        f"{len(wrong_links)}",
        f"{len(members)}",
        f"{len(hanging)}",
        f"{len(top) - of_two} of {len(top)}",
        f"{apart}",
        f"{is_:.4f}",
        f"{alone:.4f}",
    ]
    return figures, broken


def audited(program, people, out, cache, rate):
    """Audits with what is known of photos already: they are looked at once."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if cache.exists():
        shutil.copy(cache, out)
    summary = audit(program, people, out, rate)
    shutil.copy(out / "templates.cache", cache)
    return summary


def main():
    program, manifest, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    cache = folder / "templates.cache"
    columns = ["FMR", "score", "pairs found", "missed", "people found", "chance pairs", "expected, own",
               "expected, pack", "rings", "exactly one person's"]
    for name, only in [("all photos", None), ("frontal photos", "frontal")]:
        base = folder / name.split()[0]
        base.mkdir(parents=True, exist_ok=True)
        people, halves = split(manifest, base, only, evenly, 0)
        print(f"\n{name}: {sum(map(len, halves.values()))} of {len(halves)} subject ids\n")
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns))
        for rate in RATES:
            summary = audited(program, people, base / rate, cache, rate)
            print("| " + " | ".join([rate, *truth(base / rate, halves, summary)]) + " |", flush=True)
        left_out = summary["compared"]["left_out"]
        print("\nleft out: " + ("; ".join(f"{of['count']} {of['en']}" for of in left_out) or "nothing"))

    print(f"\nuneven numbers of photos, at FMR {HELD_RATE}\n")
    columns = ["photos", "seed", "photos (median and most of an id)", "true links", "chance links", "rings",
               "rings that hang on a doubtful link", "first rings of one person", "true links not in one ring",
               "adjusted Rand index", "… of true links alone"]
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    broken = []
    for name, only in [("all", None), ("frontal", "frontal")]:
        for seed in SEEDS:
            base = folder / f"uneven-{name}-{seed}"
            base.mkdir(parents=True, exist_ok=True)
            people, halves = split(manifest, base, only, unevenly, seed)
            audited(program, people, base / HELD_RATE, cache, HELD_RATE)
            figures, wrong = rings_of(base / HELD_RATE, halves)
            print("| " + " | ".join([name, str(seed), *figures]) + " |", flush=True)
            broken += [f"{name} photos, seed {seed}: {line}" for line in wrong]
    if broken:
        sys.exit("\n".join(["", *broken]))


main()
