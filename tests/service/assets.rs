//! Finding what the set-up fetched: weights, ONNX Runtime, sample photos.
