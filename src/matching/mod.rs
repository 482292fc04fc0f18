//! Comparison of templates: score, fusion of several captures, and calibration of scores to error
//! rates.
//!
//! Every score that leaves the engine, 1:1 or 1:N, comes from [`Dot`]; whether a score is at or
//! above a threshold is decided on that value only.

mod agreement;
mod calibration;
mod curve;
mod dot;
#[cfg(test)]
pub(crate) mod fixture;
mod provenance;
pub mod worst_group;

pub use agreement::{TemplateLikeness, connected_groups, person_groups};
pub use calibration::{CALIBRATION_VERSION, Calibration, CalibrationError, GROUP_BYTES_MAX};
pub use curve::{Curve, FMR_FLOOR, Fmr, Fnmr, FnmrPoint, Knot, RateInterval, Reference, Tail, TailFactor, Threshold};
pub use dot::{Dot, dot};
pub use provenance::{CurveBasis, CurveChoice, CurveName, POOLED, Weighting};

use crate::face::{RecipeDigest, Template};

/// Two templates that cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the templates were made by different recipes ({left} and {right}); make both again with the same model pack")]
pub struct RecipeMismatch {
    /// Recipe of the one.
    pub left: RecipeDigest,
    /// Recipe of the other.
    pub right: RecipeDigest,
}

/// Comparison score of two templates: their cosine similarity, −1…1 up to
/// rounding, by the one fixed-order dot product.
///
/// # Errors
/// [`RecipeMismatch`] where they were made by different recipes.
pub fn compare(left: &Template, right: &Template) -> Result<f32, RecipeMismatch> {
    if left.recipe() != right.recipe() || left.vector().len() != right.vector().len() {
        return Err(RecipeMismatch { left: left.recipe(), right: right.recipe() });
    }
    Ok(dot(left.vector(), right.vector()))
}

/// The template of several captures of one person: the normalised mean of the
/// unit vectors, summed in the order given.
///
/// `None` for an empty slice, templates of different recipes, or vectors that
/// cancel out. One template comes back bit for bit.
pub fn fuse(templates: &[Template]) -> Option<Template> {
    let [first, rest @ ..] = templates else { return None };
    if rest.is_empty() {
        return Some(first.clone());
    }
    let mut sum: Vec<f64> = vec![0.0; first.vector().len()];
    for template in templates {
        if template.recipe() != first.recipe() || template.vector().len() != sum.len() {
            return None;
        }
        for (total, &value) in sum.iter_mut().zip(template.vector()) {
            *total += f64::from(value);
        }
    }
    let mean: Vec<f32> = sum.iter().map(|&total| (total / templates.len() as f64) as f32).collect();
    Template::from_raw(first.recipe(), &mean).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(recipe: u8, raw: &[f32]) -> Template {
        Template::from_raw(RecipeDigest([recipe; 32]), raw).expect("a vector")
    }

    #[test]
    fn templates_of_different_recipes_are_never_compared() {
        let (a, b) = (template(1, &[1.0, 0.0]), template(2, &[1.0, 0.0]));
        assert!(compare(&a, &b).is_err());
        assert!(fuse(&[a, b]).is_none());
    }

    #[test]
    fn the_score_is_symmetric_bit_for_bit() {
        let a = template(1, &(0..512).map(|i| ((i * 37 % 101) as f32).sin()).collect::<Vec<_>>());
        let b = template(1, &(0..512).map(|i| ((i * 53 % 97) as f32).cos()).collect::<Vec<_>>());
        assert_eq!(compare(&a, &b).unwrap().to_bits(), compare(&b, &a).unwrap().to_bits());
    }

    #[test]
    fn one_capture_fuses_to_itself() {
        let a = template(1, &[0.3, -0.4, 0.1]);
        assert_eq!(fuse(std::slice::from_ref(&a)).unwrap().vector(), a.vector());
    }

    #[test]
    fn captures_that_cancel_out_have_no_mean() {
        assert!(fuse(&[template(1, &[1.0, 0.0]), template(1, &[-1.0, 0.0])]).is_none());
    }
}
