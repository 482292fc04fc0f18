//! Precomputed templates in a `.npy` matrix.

use std::fs::File;
use std::path::Path;

use crate::cli::Failure;
use crate::face::{Pack, RecipeDigest, Template};
use crate::regular;

/// Rows of a `.npy` matrix of float32.
pub(super) struct TemplateMatrix {
    shown: String,
    values: npyz::NpyReader<f32, std::io::BufReader<File>>,
    dimension: usize,
    recipe: RecipeDigest,
}

impl TemplateMatrix {
    pub fn open(path: &Path, rows: u64, pack: &Pack) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let bad = |what: &dyn std::fmt::Display| Failure::new(format_args!("--templates {shown}: {what}"));
        let file = regular::open(path).map_err(|e| bad(&format_args!("cannot be opened ({e}); check the path")))?;
        let npy = npyz::NpyFile::new(std::io::BufReader::new(file))
            .map_err(|e| bad(&format_args!("is no .npy file ({e}); `chinhchu embed` writes one")))?;
        let dimension = pack.dimension();
        if npy.shape() != [rows, dimension as u64] || npy.order() != npyz::Order::C {
            let shape = format!("{:?}", npy.shape());
            return Err(bad(&format_args!("its shape is {shape}, not [{rows}, {dimension}]: rows of this manifest")));
        }
        let values = npy.data::<f32>().map_err(|e| bad(&format_args!("its values are not float32 ({e:?})")))?;
        Ok(Self { shown, values, dimension, recipe: pack.recipe() })
    }

    /// The next template; `None` for a row of zeros and beyond the last row.
    pub fn next(&mut self) -> Result<Option<Template>, Failure> {
        let mut vector = Vec::with_capacity(self.dimension);
        for value in self.values.by_ref().take(self.dimension) {
            vector.push(value.map_err(|e| {
                Failure::new(format_args!("--templates {}: cannot be read ({e}); write it again", self.shown))
            })?);
        }
        // A vector not of length 1 is no template: `embed` writes zeros for photos that failed.
        Ok(Template::from_parts(self.recipe, vector, 1.0).ok())
    }
}
