"""One table: the exact search and its peers on the same vectors. See bench-peers."""

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import faiss
import hnswlib
import numpy as np
from usearch.index import Index, MetricKind, search

K = 10
SCORE = 0.55
THREADS = os.cpu_count() or 1
# A single query cannot be spread over threads by a graph; the scans can.
HNSW = {"M": 32, "ef_construction": 200}
EFS = (64, 128, 256, 512, 1024, 2048)
RECALL_ENOUGH = 0.99


def median_ms(ask, queries):
    """Asks one query at a time; the median time and all answers."""
    for query in queries[:3]:
        ask(query)
    seconds, answers = [], []
    for query in queries:
        begin = time.perf_counter()
        answers.append(ask(query))
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds)) * 1e3, answers


def recall(answers, truth):
    """Share of the true best that was found."""
    found = sum(len(set(map(int, a)) & t) for a, t in zip(answers, truth))
    return found / sum(map(len, truth))


def ours(program, work, with_graph):
    """Runs the exact search; its report, and what it found."""
    command = [program, "--gallery", work / "g.npy", "--queries", work / "q.npy"]
    command += ["--nearest", str(K), "--within", str(SCORE), "--out", work / "r.json"]
    command += ["--graph"] if with_graph else []
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return report, json.loads((work / "r.json").read_text())


def along_axes(vectors, queries):
    """Both along the axes in which all vectors lie: the same inner products, fewer values."""
    some = vectors[:200_000]
    energies, axes = np.linalg.eigh((some.T @ some).astype(np.float64))
    # Ascending: those before hold less than a millionth together.
    first = int(np.searchsorted(np.cumsum(energies) / energies.sum(), 1e-6))
    axes = axes[:, first:].astype(np.float32)
    turned, asked = vectors @ axes, queries @ axes
    worst = np.abs(turned[:2000] @ asked.T - vectors[:2000] @ queries.T).max()
    print(f"graphs are built over {axes.shape[1]} axes; inner products differ by {worst:.1e} at most", flush=True)
    return turned, asked


def with_vectors(graph, vectors, work):
    """The same graph over other vectors: hnswlib 0.8 keeps each beside its links in the file."""
    old, new = work / "few.bin", work / "all.bin"
    graph.save_index(str(old))
    with open(old, "rb") as source, open(new, "wb") as target:
        head = source.read(96)
        _, _, count, size, label, links = struct.unpack_from("<6Q", head)
        width = vectors.shape[1] * 4
        target.write(struct.pack("<6Q", 0, count, count, links + width + 8, links + width, links) + head[48:])
        for _ in range(count):
            row = source.read(size)
            (number,) = struct.unpack_from("<Q", row, label)
            target.write(row[:links] + vectors[number].tobytes() + row[label:])
        target.write(source.read())
    carried = hnswlib.Index(space="ip", dim=vectors.shape[1])
    carried.load_index(str(new), max_elements=count)
    return carried


def graphs(vectors, queries, truth, lean_in=None):
    """For each graph: rows of the table, up to the first setting with enough recall.
    `lean_in` is a folder for files, where graphs are to be built over few axes."""
    few, asked = (vectors, queries) if lean_in is None else along_axes(vectors, queries)
    begin = time.perf_counter()
    graph = hnswlib.Index(space="ip", dim=few.shape[1])
    graph.init_index(max_elements=len(few), **HNSW)
    graph.add_items(few, num_threads=THREADS)
    build = time.perf_counter() - begin
    if lean_in is not None:
        graph = with_vectors(graph, vectors, lean_in)
    graph.set_num_threads(1)
    for ef in EFS:
        graph.set_ef(ef)
        ms, answers = median_ms(lambda q: graph.knn_query(q, k=K)[0][0], queries)
        yield f"hnswlib M={HNSW['M']} ef={ef}", build, ms, (share := recall(answers, truth))
        if share >= RECALL_ENOUGH:
            break
    del graph
    begin = time.perf_counter()
    links, effort = HNSW["M"], HNSW["ef_construction"]
    graph = Index(ndim=few.shape[1], metric=MetricKind.IP, dtype="f32", connectivity=links, expansion_add=effort)
    graph.add(np.arange(len(few)), few, threads=THREADS)
    build = time.perf_counter() - begin
    for ef in EFS:
        graph.expansion_search = ef
        ms, answers = median_ms(lambda q: graph.search(q, K).keys, asked)
        name = f"usearch HNSW M={links} ef={ef}" + ("" if lean_in is None else f" ({few.shape[1]} values)")
        yield name, build, ms, (share := recall(answers, truth))
        if share >= RECALL_ENOUGH:
            break


def main():
    program, work, is_lean = sys.argv[1], Path(sys.argv[2]), "--lean" in sys.argv[3:]
    vectors, queries = np.load(work / "g.npy"), np.load(work / "q.npy")
    faiss.omp_set_num_threads(THREADS)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    flat_ms, answers = median_ms(lambda q: flat.search(q[None], K)[1][0], queries)
    truth = [set(map(int, answer)) for answer in answers]
    report, found = ours(program, work, with_graph=not is_lean)
    nearest_ms = report["nearest"]["median_ms"]
    exact = recall([[row for row, _ in result["nearest"]] for result in found], truth)
    # The same set but for scores that round differently elsewhere.
    scores = np.concatenate([vectors @ query for query in queries[:20]])
    borderline = int(np.sum(np.abs(scores - SCORE) < 1e-5))
    wanted = int(np.sum(scores >= SCORE))
    within = sum(len(result["within"]) for result in found[:20])

    rows = [("chinhchu exact", report["build_seconds"], nearest_ms, exact), ("faiss Flat float32", 0.0, flat_ms, 1.0)]
    own = report.get("graph", {})
    for one in own.get("tried", ()):
        name = f"chinhchu graph M={own['links']} ef={one['effort']}"
        rows.append((name, own["build_seconds"], one["median_ms"], one["recall"]))
    del flat
    begin = time.perf_counter()
    eight = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    eight.train(vectors[:100_000])
    eight.add(vectors)
    build = time.perf_counter() - begin
    ms, answers = median_ms(lambda q: eight.search(q[None], K)[1][0], queries)
    rows.append(("faiss SQ8", build, ms, recall(answers, truth)))
    del eight
    small = np.clip(np.round(vectors * 381), -127, 127).astype(np.int8)
    asked = np.clip(np.round(queries * 381), -127, 127).astype(np.int8)
    scan = lambda q: search(small, q, K, MetricKind.IP, exact=True, threads=THREADS).keys
    ms, answers = median_ms(scan, asked)
    rows.append(("usearch exact int8", 0.0, ms, recall(answers, truth)))
    del small
    rows.extend(graphs(vectors, queries, truth, work if is_lean else None))

    print(f"\n{len(vectors)} vectors, {len(queries)} single queries, best {K}, {THREADS} threads")
    print(f"{'':<36} {'build s':>9} {'median ms':>10} {'recall':>8} {'of ours':>8}")
    for name, build, ms, share in rows:
        print(f"{name:<36} {build:>9.1f} {ms:>10.3f} {share:>8.4f} {ms / nearest_ms:>7.1f}x")
    plain, one = report["plain_int8"]["median_ms"], report["within"]
    print(f"plain int8 scan in our program: {plain:.3f} ms, {report['plain_int8_gb_per_s']:.1f} GB/s")
    print(f"ours, within {SCORE}: {one['median_ms']:.3f} ms, {one['times_as_fast_as_plain_int8']:.1f} times as fast;")
    print(f"  found {within}, numpy {wanted} ({borderline} within 1e-5 of the score)")
    print(f"ours, nearest {K}: {report['nearest']['times_as_fast_as_plain_int8']:.1f} times as fast as plain")
    print(f"ours, bytes a template beside the vector: {report['bytes_per_template']:.0f}", flush=True)


if __name__ == "__main__":
    main()
