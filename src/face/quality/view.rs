//! View classifier: is a face frontal, turned away or covered? A network with one hidden layer over
//! the cells of the face, its points and measurements of light; small enough to be stored in
//! `quality.toml` and fitted in a minute (`tools::fit_quality`).
//!
//! ```text
//! cells in deviations z ─ z / 1.5, |z| − 1 ─┐
//! signals in deviations ────────────────────┴─ 32 × max(0, ·) ─ softmax of 3
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cells::CellTable;
use super::light::{CELL_VALUES, Grid, Light};
use super::signals::{INPUTS, Signals};
use crate::face::softmax;
use crate::hex;

/// Inputs are clipped at this many deviations.
const CLIP: f32 = 6.0;
/// Scales the deviations of cells to about one.
const CELL_SCALE: f32 = 1.5;
/// Approximate mean of their absolute values.
const SIZE_MEAN: f32 = 1.0;
/// Most hidden units of a model.
const UNITS_MAX: usize = 256;

/// Classes of view, in the order of the network's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewClass {
    /// Seen from the front, with nothing in front of it.
    Front,
    /// Turned far to the side.
    Turned,
    /// Something hides a part of it.
    Covered,
}

impl ViewClass {
    /// Number of classes.
    pub const COUNT: usize = 3;
}

/// The fitted network, as stored in `quality.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewClassifier {
    /// Signals among its inputs, beside the cells.
    pub signals: Vec<Standard>,
    /// Biases of the outputs: front, turned, covered.
    pub bias: [f32; ViewClass::COUNT],
    /// The hidden units.
    pub units: Vec<HiddenUnit>,
    /// Reference statistics of the fine cells, mirror-symmetric.
    pub cells: CellTable,
}

/// A signal brought to a mean of 0 and a deviation of 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// Name of the input.
    pub input: String,
    /// Its mean.
    pub mean: f32,
    /// Its standard deviation.
    pub deviation: f32,
}

/// A hidden unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenUnit {
    /// Bias.
    pub bias: f32,
    /// Its weight in each output.
    pub out: [f32; ViewClass::COUNT],
    /// Scale of its integer weights.
    pub step: f32,
    /// A weight for each input: cells, then signals.
    pub weights: Weights,
}

/// Weights of eight bits; in a file as hexadecimal digits, two's complement.
#[derive(Clone, PartialEq, Eq)]
pub struct Weights(pub Vec<i8>);

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({})", self.0.len())
    }
}

impl Serialize for Weights {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().map(|weight| weight.cast_unsigned()).collect();
        serializer.serialize_str(&hex::encode(&bytes))
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes =
            hex::decode(text).ok_or_else(|| serde::de::Error::custom("weights are pairs of hexadecimal digits"))?;
        Ok(Self(bytes.into_iter().map(u8::cast_signed).collect()))
    }
}

impl HiddenUnit {
    /// A unit of eight-bit weights nearest to these.
    pub fn nearest(weights: &[f32], bias: f32, out: [f32; ViewClass::COUNT]) -> Self {
        let largest = weights.iter().fold(0.0f32, |m, w| m.max(w.abs())).max(1e-6);
        let step = largest / 127.0;
        Self { bias, out, step, weights: Weights(weights.iter().map(|w| (w / step).round() as i8).collect()) }
    }
}

impl ViewClassifier {
    /// The input vector for a face: two values for each cell value, then the signals.
    pub(super) fn values(signals: &Signals, light: &Light, cells: &CellTable, standards: &[Standard]) -> Vec<f32> {
        let mut values = Vec::with_capacity(Grid::Fine.side().pow(2) * CELL_VALUES * 2);
        let deviations: Vec<f32> = light
            .patches
            .iter()
            .zip(cells.iter())
            .flat_map(|(cell, (median, deviation))| {
                [0, 1, 2, 3].map(|i: usize| ((cell[i] - median[i]) / deviation[i]).clamp(-CLIP, CLIP))
            })
            .collect();
        values.extend(deviations.iter().map(|z| z / CELL_SCALE));
        values.extend(deviations.iter().map(|z| z.abs() - SIZE_MEAN));
        values.extend(standards.iter().map(|standard| {
            let value = INPUTS.iter().position(|name| *name == standard.input).map_or(f32::NAN, |at| signals.0[at]);
            ((value - standard.mean) / standard.deviation).clamp(-CLIP, CLIP)
        }));
        values
    }

    /// Probabilities of the three classes; `None` if an input is unknown.
    pub(super) fn chances(&self, signals: &Signals, light: &Light) -> Option<[f32; ViewClass::COUNT]> {
        let values = Self::values(signals, light, &self.cells, &self.signals);
        let mut logits = self.bias;
        for unit in &self.units {
            let sum: f32 = values.iter().zip(&unit.weights.0).map(|(value, &w)| value * f32::from(w)).sum();
            let height = (unit.bias + unit.step * sum).max(0.0);
            logits.iter_mut().zip(unit.out).for_each(|(logit, weight)| *logit += height * weight);
        }
        // A value that is not known makes every sum NaN, which `max` would hide.
        let known = values.iter().all(|v| v.is_finite()) && logits.iter().all(|v| v.is_finite());
        known.then(|| softmax(logits))
    }

    /// The error is a sentence that says which numbers are invalid.
    pub(super) fn check(&self) -> Result<(), String> {
        self.cells.check(Grid::Fine)?;
        let values = self.cells.median.len() * 2 + self.signals.len();
        let sane = |v: f32| v.abs() < 1e6;
        if self.signals.len() > INPUTS.len() || self.units.len() > UNITS_MAX || !self.bias.iter().all(|&v| sane(v)) {
            return Err("`looks` has too many signals or units, or a bias that makes no sense".into());
        }
        for Standard { input, mean, deviation } in &self.signals {
            if !INPUTS.contains(&input.as_str())
                || input == INPUTS[0]
                || !sane(*mean)
                || !(1e-9..1e6).contains(deviation)
            {
                return Err("a signal of `looks` does not exist or holds numbers that make no sense".into());
            }
        }
        for unit in &self.units {
            let numbers = unit.out.iter().chain([&unit.bias, &unit.step]).all(|&v| sane(v));
            if !numbers || unit.weights.0.len() != values {
                return Err(format!("a unit of `looks` does not have {values} weights, or numbers that make no sense"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct StoredWeights {
        weights: Weights,
    }

    proptest! {
        #[test]
        fn weights_are_read_as_they_were_written(weights in prop::collection::vec(any::<i8>(), 0..50)) {
            let holder = StoredWeights { weights: Weights(weights) };
            let text = toml::to_string(&holder).unwrap();
            prop_assert_eq!(toml::from_str::<StoredWeights>(&text).unwrap(), holder);
        }

        #[test]
        fn eight_bits_are_near_enough(weights in prop::collection::vec(-3.0f32..3.0, 1..50)) {
            let unit = HiddenUnit::nearest(&weights, 0.0, [0.0; 3]);
            let largest = weights.iter().fold(0.0f32, |m, w| m.max(w.abs()));
            for (near, w) in unit.weights.0.iter().zip(&weights) {
                prop_assert!((f32::from(*near) * unit.step - w).abs() <= 0.51 * largest / 127.0 + 1e-6);
            }
        }

        #[test]
        fn chances_sum_to_one(logits in prop::array::uniform3(-100.0f32..100.0)) {
            let chances = softmax(logits);
            prop_assert!((chances.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            prop_assert!(chances.iter().all(|c| (0.0..=1.0).contains(c)));
        }
    }

    #[test]
    fn broken_weights_are_refused() {
        for text in ["weights = 'abc'", "weights = 'zz'", "weights = 'é'", "weights = 3"] {
            assert!(toml::from_str::<StoredWeights>(text).is_err(), "{text}");
        }
    }
}
