//! Nothing of its own: the fuzz targets are in `fuzz_targets/`.
