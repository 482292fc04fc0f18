use std::fmt;
use std::str::FromStr;

use super::projection::length;
use crate::hex;

/// SHA-256 of the recipe that makes a template: every network it goes through,
/// colour order, normalisation, alignment, averaging. Templates of different
/// recipes live in different spaces and are never compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecipeDigest(pub [u8; 32]);

impl fmt::Display for RecipeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for RecipeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipeDigest({self})")
    }
}

impl FromStr for RecipeDigest {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode_array(text).map(Self).ok_or(TemplateError::BadDigest)
    }
}

/// Why numbers did not become a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A value is NaN or infinite, or all are zero.
    #[error("the vector is zero or has values that are not finite; make the template again")]
    NotAVector,
    /// The text is not 64 hexadecimal digits.
    #[error("a recipe digest is 64 hexadecimal digits")]
    BadDigest,
}

/// A face as numbers: a unit vector and the digest of the recipe that made it.
///
/// `vector` has Euclidean length 1 up to rounding; its dimension is that of the
/// pack. `norm` is the length of the (first) embedder's embedding before normalisation, in
/// its own unit: low values go with poor photos.
#[derive(Clone, PartialEq)]
pub struct Template {
    recipe: RecipeDigest,
    vector: Vec<f32>,
    norm: f32,
}

impl Template {
    /// Normalises `raw`, an embedding as the network gave it, with the length
    /// computed in `f64` in index order so that the result is reproducible.
    ///
    /// # Errors
    /// [`TemplateError`] for no values, one that is not finite, or a vector of length zero.
    pub fn from_raw(recipe: RecipeDigest, raw: &[f32]) -> Result<Self, TemplateError> {
        let norm = length(raw);
        if !norm.is_finite() || norm < f64::from(f32::MIN_POSITIVE) {
            return Err(TemplateError::NotAVector);
        }
        let vector = raw.iter().map(|&v| (f64::from(v) / norm) as f32).collect();
        Ok(Self { recipe, vector, norm: norm as f32 })
    }

    /// The same with the length of an embedding that `raw` was made of.
    pub(super) fn with_norm(self, norm: f32) -> Self {
        Self { norm, ..self }
    }

    /// Restores a stored template without touching its bits.
    ///
    /// # Errors
    /// [`TemplateError`] as [`Template::from_raw`], and for a vector whose length is not 1.
    pub fn from_parts(recipe: RecipeDigest, vector: Vec<f32>, norm: f32) -> Result<Self, TemplateError> {
        // Also false for NaN. A unit vector of f32 values is within 1e-3 of 1.
        if (length(&vector) - 1.0).abs() <= 1e-3 {
            Ok(Self { recipe, vector, norm })
        } else {
            Err(TemplateError::NotAVector)
        }
    }

    /// The recipe that made it.
    pub fn recipe(&self) -> RecipeDigest {
        self.recipe
    }

    /// The unit vector.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// Length of the embedding before normalisation.
    pub fn norm(&self) -> f32 {
        self.norm
    }
}

impl fmt::Debug for Template {
    // A leaked template harms a person for life: never print its values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({} values of recipe {})", self.vector.len(), self.recipe)
    }
}
