//! `quality.toml`: how a pack's signals become angles, probabilities and the two
//! overall values. Fitted by `examples/fit_quality.rs`, bound to a recipe.

use serde::{Deserialize, Serialize};

use super::cells::CellTable;
use super::light::Grid;
use super::signals::{COUNT, INPUTS, Signals};
use super::view::ViewClassifier;
use crate::face::RecipeDigest;
use crate::typed;

/// Version of the file format.
const VERSION: u32 = 2;
/// Inputs are clipped at this many deviations from their mean.
const CLIP: f64 = 6.0;
/// Sizes of the numbers of a form lie below this.
const NUMBER_MAX: f64 = 1e9;
/// Most terms of a form: an input each.
const TERMS_MAX: usize = COUNT;

/// A fitted quality model, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityModel {
    /// Version of the file format: 2.
    pub version: u32,
    /// Hexadecimal digest of the recipe whose faces it was fitted on.
    pub recipe: String,
    /// Population: data set and selection of photos.
    pub population: String,
    /// Day of the fit, `YYYY-MM-DD`.
    pub date: String,
    /// Photos it was fitted on.
    pub photos: u64,
    /// Turn of the head in degrees.
    pub yaw: Form,
    /// Nod of the head in degrees.
    pub pitch: Form,
    /// Expected score against another photo of the same person, without the embedder.
    pub capture: Form,
    /// The same, knowing the length of the embedding.
    pub utility: Form,
    /// Reference statistics of the coarse cells.
    pub cells: CellTable,
    /// Classifies a face as frontal, turned away or covered.
    #[serde(rename = "looks")]
    pub view: ViewClassifier,
}

/// Why a `quality.toml` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QualityError {
    /// Its values are invalid; the sentence says why.
    #[error("{0}")]
    Senseless(String),
    /// It was fitted on faces of another recipe.
    #[error("it is for recipe {found}, the model pack makes {expected}")]
    OtherRecipe {
        /// Recipe in the file.
        found: String,
        /// Recipe of the pack.
        expected: RecipeDigest,
    },
}

impl From<String> for QualityError {
    fn from(sentence: String) -> Self {
        Self::Senseless(sentence)
    }
}

/// `constant + Σ linear·z + square·z²`, where `z` is an input in deviations from
/// its mean, clipped at ±6. Summed in the order of the terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Value where every input is at its mean.
    pub constant: f64,
    /// One per input.
    pub terms: Vec<Term>,
}

/// One input's part of a [`Form`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Name of the input.
    pub input: String,
    /// Mean of the input.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
    /// Weight of the deviation.
    pub linear: f64,
    /// Weight of its square.
    pub square: f64,
}

impl QualityModel {
    /// Version of the file format this program reads and writes.
    pub const VERSION: u32 = VERSION;

    /// Reads a `quality.toml` and binds it to `recipe`.
    ///
    /// # Errors
    /// [`QualityError`] where it makes no sense, or is of another recipe and does.
    pub fn parse(text: &str, recipe: RecipeDigest) -> Result<Self, QualityError> {
        let model: Self = toml::from_str(text).map_err(|e| typed::plain(e.message()))?;
        if model.version != VERSION {
            return Err(format!("version {} is not known, this program reads {VERSION}", model.version).into());
        }
        for form in [&model.yaw, &model.pitch, &model.capture, &model.utility] {
            form.check()?;
        }
        if model.capture.terms.iter().any(|t| t.input == INPUTS[0]) {
            return Err("`capture` looks at the embedding".to_owned().into());
        }
        model.cells.check(Grid::Coarse)?;
        model.view.check()?;
        if model.recipe.parse() != Ok(recipe) {
            return Err(QualityError::OtherRecipe { found: model.recipe, expected: recipe });
        }
        Ok(model)
    }
}

impl Form {
    fn check(&self) -> Result<(), String> {
        // What is not a number is not below anything.
        let sane = |v: &f64| v.abs() < NUMBER_MAX;
        if self.terms.len() > TERMS_MAX || !sane(&self.constant) {
            return Err("a form has too many terms, or a constant that makes no sense".into());
        }
        for term in &self.terms {
            if !INPUTS.contains(&term.input.as_str()) {
                return Err("a term names an input that does not exist".into());
            }
            let Term { mean, deviation, linear, square, .. } = *term;
            if ![mean, deviation, linear, square].iter().all(sane) || deviation < 1e-9 {
                return Err("a term holds numbers that make no sense".into());
            }
        }
        Ok(())
    }

    /// `None` where an input is not known.
    pub(super) fn value(&self, signals: &Signals) -> Option<f32> {
        let mut sum = self.constant;
        for term in &self.terms {
            let at = INPUTS.iter().position(|name| *name == term.input)?;
            let z = ((f64::from(signals.0[at]) - term.mean) / term.deviation).clamp(-CLIP, CLIP);
            sum += term.linear * z + term.square * z * z;
        }
        sum.is_finite().then_some(sum as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::super::light::CELL_VALUES;
    use super::super::view::{HiddenUnit, Standard};
    use super::*;

    fn form() -> Form {
        let term = Term { input: "sharpness".into(), mean: 1.0, deviation: 2.0, linear: 0.5, square: 0.25 };
        Form { constant: 3.0, terms: vec![term] }
    }

    fn model() -> QualityModel {
        let fine = Grid::Fine.places().count();
        QualityModel {
            version: VERSION,
            recipe: "ab".repeat(32),
            population: "made up".into(),
            date: "2026-01-01".into(),
            photos: 1,
            yaw: form(),
            pitch: form(),
            capture: form(),
            utility: form(),
            cells: CellTable::neutral(Grid::Coarse),
            view: ViewClassifier {
                signals: vec![Standard { input: "nose_x".into(), mean: 56.0, deviation: 3.0 }],
                bias: [1.0, 0.0, -1.0],
                units: vec![HiddenUnit::nearest(&vec![0.5; fine * CELL_VALUES * 2 + 1], 0.1, [0.0, 1.0, 2.0])],
                cells: CellTable::neutral(Grid::Fine),
            },
        }
    }

    const RECIPE: RecipeDigest = RecipeDigest([0xab; 32]);

    #[test]
    fn a_form_is_what_its_documentation_says() {
        let mut signals = Signals([f32::NAN; COUNT]);
        assert_eq!(form().value(&signals), None, "an unknown input gives no value");
        signals.0[5] = 5.0;
        assert_eq!(form().value(&signals), Some(3.0 + 0.5 * 2.0 + 0.25 * 4.0));
        signals.0[5] = 1e9;
        assert_eq!(form().value(&signals), Some(3.0 + 0.5 * 6.0 + 0.25 * 36.0), "clipped");
    }

    #[test]
    fn what_is_stored_is_loaded_and_bound_to_its_recipe() {
        let text = toml::to_string(&model()).unwrap();
        assert_eq!(QualityModel::parse(&text, RECIPE).unwrap(), model());
        let other = RecipeDigest([1; 32]);
        let of_another = QualityError::OtherRecipe { found: "ab".repeat(32), expected: other };
        assert_eq!(QualityModel::parse(&text, other), Err(of_another));
    }

    #[test]
    fn senseless_models_are_refused() {
        type Spoiling = fn(&mut QualityModel);
        let changes: [Spoiling; 14] = [
            |m| m.version = 1,
            |m| m.view.bias[0] = f32::NAN,
            |m| m.view.signals[0].input = "norm_ln".into(),
            |m| m.view.signals[0].deviation = 0.0,
            |m| m.view.units[0].weights.0.truncate(3),
            |m| m.view.cells.median.truncate(4),
            |m| m.yaw.terms[0].input = "no such".into(),
            |m| m.yaw.terms[0].deviation = 0.0,
            |m| m.pitch.constant = f64::NAN,
            |m| m.pitch.constant = 1e300,
            |m| m.yaw.terms[0].mean = f64::INFINITY,
            |m| m.capture.terms[0].input = "norm_ln".into(),
            |m| m.cells.median.truncate(3),
            |m| m.cells.deviation[0] = 0.0,
        ];
        for change in changes {
            let mut changed = model();
            change(&mut changed);
            let text = toml::to_string(&changed).unwrap();
            assert!(QualityModel::parse(&text, RECIPE).is_err());
        }
        assert!(QualityModel::parse("version = 1", RECIPE).is_err());
    }
}
