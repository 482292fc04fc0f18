"""Makes the projection of a model pack: `models/default/projection.npy` and that of `models/sface`.

A projection takes the embedders' values, scaled and one behind the other, to the values of the template (see
src/face/projection.rs). It has two parts:

- Axes. The last layer of Faceplugin's embedder is linear and its singular values fall from 2.8 to less than 0.1 at the
  160th: its left singular vectors are the axes in which all embeddings lie. With 160 of them no cosine of 4,113 photos
  moves by more than 5e-4, and FNMR by nothing. SFace's 128 values stay as they are.
- A centre, which is subtracted. Cosines are taken about the mean of the East- and South-East-Asian people of
  `asia-dev`, not about the middle of all faces: people it is for are then less alike to each other. It is one mean of
  1,048 people; nobody's template can be read from it. Every person, of both sexes, and every set weighs the same; groups
  of fewer than 50 people are left out.

Without templates the matrix has no centre; with it, the templates are those that such a pack makes:

    projection.py --embedder models/default/fr_feature.onnx --out projection.npy
    chinhchu embed --pack PACK-WITHOUT-A-CENTRE --manifest asia-dev/manifest.csv --out templates.npy
    projection.py --embedder models/default/fr_feature.onnx --out projection.npy \\
                  --templates templates.npy --manifest asia-dev/manifest.csv

Without --embedder the pack has SFace alone. The result is the same in every run; its SHA-256 belongs into pack.toml.
Needs numpy and onnx (pip install numpy onnx).
"""

import argparse
import csv
import sys

import numpy as np
import onnx
from onnx import numpy_helper

LAST_LAYER = "666"  # the weights of the embedder's last layer, 512x512x1x1
VALUES = 512  # the embedder's
AXES = 160
SFACE_VALUES = 128
PEOPLE_MIN = 50


def axes(network):
    """The embedder's axes as rows, the ones with the most first."""
    weights = {tensor.name: tensor for tensor in onnx.load(network).graph.initializer}
    layer = numpy_helper.to_array(weights[LAST_LAYER]).reshape(VALUES, VALUES).astype(np.float64)
    rows = np.linalg.svd(layer)[0][:, :AXES].T
    # A singular vector may point either way: the largest value is positive.
    largest = rows[np.arange(AXES), np.abs(rows).argmax(axis=1)]
    return rows * np.sign(largest)[:, None]


def centre(templates, manifest):
    """The mean of the people in a manifest with the columns subject_id, sex and set."""
    groups = {}
    for vector, row in zip(templates.astype(np.float64), manifest):
        if row["sex"] in ("F", "M") and vector.any():
            photos = groups.setdefault((row["set"], row["sex"]), {}).setdefault(row["subject_id"], [])
            photos.append(vector / np.linalg.norm(vector))
    means = {
        group: np.mean([np.mean(photos, axis=0) for photos in people.values()], axis=0)
        for group, people in sorted(groups.items())
        if len(people) >= PEOPLE_MIN
    }
    for group in means:
        print("{}: {} people".format(" ".join(group), len(groups[group])), file=sys.stderr)
    by_sex = [np.mean([mean for (_, of), mean in means.items() if of == sex], axis=0) for sex in ("F", "M")]
    return np.mean(by_sex, axis=0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--embedder", help="Faceplugin's embedder, where the pack has it")
    parser.add_argument("--templates", help=".npy of templates made without a centre, in the manifest's order")
    parser.add_argument("--manifest", help="CSV with subject_id, sex and set")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    if bool(arguments.templates) != bool(arguments.manifest):
        parser.error("--templates and --manifest go together")
    first = axes(arguments.embedder) if arguments.embedder else np.zeros((0, 0))
    matrix = np.zeros((len(first) + SFACE_VALUES, first.shape[1] + SFACE_VALUES))
    matrix[: len(first), : first.shape[1]] = first
    matrix[len(first) :, first.shape[1] :] = np.eye(SFACE_VALUES)
    if arguments.templates:
        with open(arguments.manifest, encoding="utf-8", newline="") as file:
            manifest = list(csv.DictReader(file))
        matrix = np.column_stack([matrix, -centre(np.load(arguments.templates), manifest)])
    np.save(arguments.out, matrix.astype(np.float32))


if __name__ == "__main__":
    main()
