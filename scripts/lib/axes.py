"""Writes models/default/axes.npy, the projection of the default pack, anew.

The last layer of Faceplugin's embedder is linear and has rank 192, near enough: its
singular values fall from 2.8 to 0.03 at the 192nd, and what is left moves no cosine by
more than 3e-5. Its left singular vectors are the axes in which all embeddings lie. The
matrix has these as its first 192 rows, over the embedder's 512 values, and then one row
for each of SFace's 128 values. It is made of the network's weights; nobody's face is in it.

Needs numpy and onnx (pip install numpy onnx).

    python3 scripts/lib/axes.py models/default/fr_feature.onnx models/default/axes.npy
"""

import sys

import numpy as np
import onnx
from onnx import numpy_helper

LAST_LAYER = "666"  # its weights, 512x512x1x1
AXES = 192
OTHER_VALUES = 128  # SFace's


def main():
    network, out = sys.argv[1:]
    weights = {tensor.name: tensor for tensor in onnx.load(network).graph.initializer}
    layer = numpy_helper.to_array(weights[LAST_LAYER]).reshape(512, 512).astype(np.float64)
    axes = np.linalg.svd(layer)[0][:, :AXES].T
    # A singular vector may point either way: the largest value is positive.
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(AXES), largest])[:, None]
    matrix = np.zeros((AXES + OTHER_VALUES, 512 + OTHER_VALUES), dtype=np.float32)
    matrix[:AXES, :512] = axes
    matrix[AXES:, 512:] = np.eye(OTHER_VALUES)
    np.save(out, matrix)


if __name__ == "__main__":
    main()
