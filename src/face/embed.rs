//! The aligned face as numbers.

use std::sync::Arc;

use super::aligned::SIDE;
use super::error::{FaceError, PackError};
use super::geometry::Similarity;
use super::manifest::{EmbedderSpec, Manifest, NetworkSpec};
use super::print::FacePrint;
use super::projection::{Projection, append, length};
use super::runtime::{Network, Source};
use super::sample::{Beyond, Normalise, Scratch, warp};
use crate::imaging::RgbImage;

/// An aligned face, red, green and blue planes of 0…255.
type Aligned = [f32; 3 * SIDE * SIDE];

/// An embedder of the ArcFace family.
struct Embedder {
    network: Network,
    normalise: Normalise,
    mirrored: bool,
    /// Square root of its share in the score.
    share: f64,
    input: Vec<f32>,
}

impl Embedder {
    fn load(source: &Source<'_>, spec: &EmbedderSpec, share: f64) -> Result<Self, PackError> {
        let network = Network::load(source)?;
        let dimension = spec.dimension as i64;
        if !matches!(*network.shape(), [1 | -1, 3, 112 | -1, 112 | -1]) {
            return Err(source.unfit(format!("its input has the shape {:?}, not 1x3x112x112", network.shape())));
        }
        if !matches!(network.output_shapes()[0][..], [_, last] if last == dimension || last == -1) {
            let found = &network.output_shapes()[0];
            return Err(source.unfit(format!("its output has the shape {found:?}, pack.toml says 1x{dimension}")));
        }
        let (normalise, mirrored) = (Normalise::new(source.spec), spec.mirrored);
        Ok(Self { network, normalise, mirrored, share, input: vec![0.0; 3 * SIDE * SIDE] })
    }

    /// The embedding as the network gives it.
    fn embed(&mut self, aligned: &Aligned) -> Result<Vec<f32>, FaceError> {
        self.normalise.planes_of(aligned, &mut self.input);
        let mut embedding = self.run(<[f32]>::to_vec)?;
        if self.mirrored {
            self.input.chunks_exact_mut(SIDE).for_each(<[f32]>::reverse);
            let other = self.run(<[f32]>::to_vec)?;
            embedding.iter_mut().zip(other).for_each(|(a, b)| *a = (*a + b) / 2.0);
        }
        Ok(embedding)
    }

    fn run<R>(&mut self, read: impl FnOnce(&[f32]) -> R) -> Result<R, FaceError> {
        self.network.run([1, 3, SIDE, SIDE], &self.input, |outputs| Ok(read(outputs[0])))
    }
}

/// A face as the pack's embedders see it.
pub(super) struct Embedding {
    /// Values of a template.
    pub values: Vec<f32>,
    /// Length that the first embedder gave, in its own unit.
    pub norm: f32,
}

/// What makes a template of an aligned face: the pack's embedders, and its projection.
pub(super) struct Embedders {
    embedders: Vec<Embedder>,
    projection: Option<Arc<Projection>>,
    aligned: Box<Aligned>,
}

impl Embedders {
    /// Loads the embedders of `manifest`; `source` gives what a network is loaded from.
    pub fn load<'a>(
        manifest: &'a Manifest,
        projection: Option<Arc<Projection>>,
        source: impl Fn(&'a NetworkSpec) -> Result<Source<'a>, PackError>,
    ) -> Result<Self, PackError> {
        let total: f64 = manifest.embedders.iter().map(|spec| f64::from(spec.weight)).sum();
        let load = |spec: &'a EmbedderSpec| {
            Embedder::load(&source(&spec.network)?, spec, (f64::from(spec.weight) / total).sqrt())
        };
        let embedders = manifest.embedders.iter().map(load).collect::<Result<_, _>>()?;
        Ok(Self { embedders, projection, aligned: Box::new([0.0; 3 * SIDE * SIDE]) })
    }

    /// Lays the face onto the template.
    pub fn align(&mut self, image: &RgbImage, onto_template: &Similarity, scratch: &mut Scratch) {
        let aligned = &mut self.aligned[..];
        warp(image, &onto_template.inverse(), SIDE, Beyond::Black, &Normalise::PLAIN, scratch, aligned);
    }

    /// A print of the face aligned last.
    pub fn print(&self) -> FacePrint {
        FacePrint::of(&self.aligned[..])
    }

    /// The embedding of the face aligned last: a single embedder's values as they are,
    /// those of several weighed and put one behind the other; then projected.
    pub fn embed(&mut self) -> Result<Embedding, FaceError> {
        let broken = || FaceError::Inference("the embedding is zero or not finite".into());
        let raw = self.embedders.iter_mut().map(|embedder| embedder.embed(&self.aligned));
        let mut raw = raw.collect::<Result<Vec<_>, _>>()?;
        let norm = raw.first().map_or(0.0, |first| length(first)) as f32;
        if let ([_], None) = (&raw[..], &self.projection) {
            return Ok(Embedding { values: raw.swap_remove(0), norm });
        }
        let mut fused = Vec::with_capacity(raw.iter().map(Vec::len).sum());
        for (raw, embedder) in raw.iter().zip(&self.embedders) {
            append(raw, embedder.share, &mut fused).ok_or_else(broken)?;
        }
        let values = match &self.projection {
            Some(projection) => projection.apply(&fused),
            None => fused.into_iter().map(|v| v as f32).collect(),
        };
        Ok(Embedding { values, norm })
    }

    /// Runs the bare networks again on what they saw last, for benchmarks.
    pub fn rerun(&mut self) -> Result<(), FaceError> {
        for embedder in &mut self.embedders {
            (0..1 + usize::from(embedder.mirrored)).try_for_each(|_| embedder.run(|_| ()))?;
        }
        Ok(())
    }
}
