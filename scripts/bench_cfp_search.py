"""Real embeddings among face-like vectors: see scripts/bench-cfp-search."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

# How many of the best.
NEAREST = 10
QUERIES = 400
# Rows that the axes of the made-up vectors are taken from.
SAMPLE = 20_000
# Room for what float32 sums in another order give: hits nearer to the limit than this
# are told apart by nobody but the engine's own dot product.
ROUNDING = 2e-5


def main() -> int:
    program, manifest, templates, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    limit = float(sys.argv[5])
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    vectors = np.load(templates)
    if len(vectors) != len(rows):
        print(f"bench-cfp-search: {templates} is not of {manifest}; take it away and run again", file=sys.stderr)
        return 2
    usable = np.linalg.norm(vectors, axis=1) > 0.5
    # Frontal photos: those that a counter takes. Of each person the even ones are enrolled.
    frontal = [i for i, row in enumerate(rows) if usable[i] and row.get("pose", "frontal") == "frontal"]
    seen, enrolled, asking = {}, [], []
    for i in frontal:
        place = seen.get(rows[i]["subject_id"], 0)
        seen[rows[i]["subject_id"]] = place + 1
        (enrolled if place % 2 == 0 else asking).append(i)
    faces = np.load(work / "faces.npy", mmap_mode="r")
    real = vectors[enrolled]
    # Turned so that the others lie along the axes that real embeddings lie along: a gallery
    # is of one kind, and its index is fitted to that. Evenly among the others, so that blocks
    # are as mixed as in a gallery that grew.
    gallery = faces @ (axes(faces[:SAMPLE]) @ axes(vectors[usable]).T)
    places = np.linspace(0, len(gallery) - 1, len(real)).astype(np.int64)
    gallery[places] = real
    queries = vectors[asking][np.linspace(0, len(asking) - 1, min(QUERIES, len(asking))).astype(np.int64)]
    np.save(work / "g.npy", gallery)
    np.save(work / "q.npy", queries)

    out = work / "results.json"
    arguments = [program, "--gallery", work / "g.npy", "--queries", work / "q.npy", "--within", str(limit)]
    arguments += ["--nearest", str(NEAREST), "--out", out]
    answer = json.loads(subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout)
    wrong, hits = compare(gallery, queries, limit, json.loads(out.read_text()))

    print(f"== {len(gallery)} rows, {len(real)} of them of cfp-dev ({len(seen)} people), {len(queries)} queries")
    print(f"kernel {answer['kernel']}, {answer['threads']} threads, {answer['bytes_per_template']:.0f} bytes a template")
    print(f"plain scan {answer['plain_int8']['median_ms']:.2f} ms, {answer['plain_int8_gb_per_s']:.1f} GB/s")
    for name in ("within", "nearest"):
        one = answer[name]
        batch = one.get("throughput_of_a_batch_over_single")
        print(
            f"{name:<8} median {one['median_ms']:.2f} ms, p99 {one['p99_ms']:.2f} ms, "
            f"{one['times_as_fast_as_plain_int8']:.1f} times as fast as the plain scan"
            + (f", in batches of 64 {batch:.2f} times the throughput" if batch else "")
        )
    # Whatever the program tells of its passes.
    for name, told in [("", answer), ("within ", answer["within"]), ("nearest ", answer["nearest"])]:
        for key, value in told.items():
            if "surviv" in key:
                print(f"{name}{key}: {value}")
    print(f"hits a query within {limit}: {hits:.2f}; result sets that differ from comparing every row: {wrong}")
    return 1 if wrong else 0


def axes(rows: np.ndarray) -> np.ndarray:
    """The axes of some rows, a column each, from the weakest to the strongest."""
    rows = np.asarray(rows, dtype=np.float64)
    return np.linalg.eigh(rows.T @ rows)[1].astype(np.float32)


def compare(gallery: np.ndarray, queries: np.ndarray, limit: float, results: list) -> tuple[int, float]:
    """Result sets that differ, and hits of a search for all."""
    wrong = hits = 0
    for first in range(0, len(queries), 64):
        some = queries[first : first + 64].astype(np.float64)
        scores = np.concatenate([block.astype(np.float64) @ some.T for block in np.array_split(gallery, 64)])
        for column, result in enumerate(results[first : first + 64]):
            truth = scores[:, column]
            within = {row for row, _ in result["within"]}
            hits += len(within)
            sure = set(np.flatnonzero(truth >= limit + ROUNDING).tolist())
            possible = set(np.flatnonzero(truth >= limit - ROUNDING).tolist())
            nearest = [row for row, _ in result["nearest"]]
            last = np.partition(truth, -NEAREST)[-NEAREST]
            best = len(nearest) == len(set(nearest)) == NEAREST and truth[nearest].min() >= last - ROUNDING
            same = all(abs(truth[row] - score) <= ROUNDING for row, score in result["within"] + result["nearest"])
            wrong += not (sure <= within <= possible and best and same)
    return wrong, hits / max(len(queries), 1)


if __name__ == "__main__":
    sys.exit(main())
