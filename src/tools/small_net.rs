//! Fits a network of one hidden layer and a softmax of three: what stands in
//! [`ViewClassifier`](crate::face::quality::ViewClassifier).
//!
//! Cross-entropy with a penalty on weights, by Adam (Kingma and Ba, 2015) with a
//! rate that falls along a cosine to zero. The same bits on every machine: one
//! thread, sums in one order, seeded draws.

use crate::face::quality::ViewClass;
use crate::face::softmax;
use crate::random::SplitMix;

const OUTPUTS: usize = ViewClass::COUNT;
/// Hidden units. On `cfp-dev`, in folds by person, 64 do not find more covers than 32.
pub(super) const UNITS: usize = 32;
/// Passes over the rows.
const PASSES: usize = 30;
/// Training rows per step.
const BATCH: usize = 64;
/// Rate of the first step.
const RATE: f32 = 2e-3;
/// Weight of half the squared weights beside the mean cross-entropy.
const PENALTY: f32 = 1e-3;
/// Adam's forgetting of means and of mean squares, and what keeps it from dividing
/// by zero: those of the paper.
const FORGET: [f32; 2] = [0.9, 0.999];
const TINY: f32 = 1e-8;
const SEED: u64 = 20_261_122;

/// A row to learn from.
pub(super) struct TrainingRow {
    pub values: Vec<f32>,
    pub class: ViewClass,
    /// How much it counts.
    pub weight: f32,
}

/// The fitted network.
pub(super) struct Net {
    /// All numbers in one line: a group of [`UNITS`] for each value, then the units'
    /// biases, a group of outputs for each unit, the outputs' biases.
    numbers: Vec<f32>,
    inputs: usize,
}

/// Places of the parts of [`Net::numbers`].
struct NumberRanges<'a> {
    weights: &'a [[f32; UNITS]],
    bias: &'a [f32],
    out: &'a [[f32; OUTPUTS]],
    out_bias: &'a [f32],
}

impl Net {
    fn count(inputs: usize) -> usize {
        inputs * UNITS + UNITS + UNITS * OUTPUTS + OUTPUTS
    }

    fn parts(&self) -> NumberRanges<'_> {
        let (weights, rest) = self.numbers.split_at(self.inputs * UNITS);
        let (bias, rest) = rest.split_at(UNITS);
        let (out, out_bias) = rest.split_at(UNITS * OUTPUTS);
        NumberRanges { weights: weights.as_chunks().0, bias, out: out.as_chunks().0, out_bias }
    }

    /// Weights of hidden unit `unit`, its bias and its weights in the outputs.
    pub fn unit(&self, unit: usize) -> (Vec<f32>, f32, [f32; OUTPUTS]) {
        let parts = self.parts();
        (parts.weights.iter().map(|group| group[unit]).collect(), parts.bias[unit], parts.out[unit])
    }

    /// Biases of the outputs.
    pub fn bias(&self) -> [f32; OUTPUTS] {
        std::array::from_fn(|i| self.parts().out_bias[i])
    }

    /// Activations of the hidden units and chances of the classes.
    fn forward(&self, values: &[f32]) -> ([f32; UNITS], [f32; OUTPUTS]) {
        let parts = self.parts();
        let mut activations: [f32; UNITS] = std::array::from_fn(|i| parts.bias[i]);
        for (value, group) in values.iter().zip(parts.weights) {
            activations.iter_mut().zip(group).for_each(|(h, w)| *h += value * w);
        }
        activations.iter_mut().for_each(|h| *h = h.max(0.0));
        let mut logits: [f32; OUTPUTS] = std::array::from_fn(|i| parts.out_bias[i]);
        for (height, group) in activations.iter().zip(parts.out) {
            logits.iter_mut().zip(group).for_each(|(l, w)| *l += height * w);
        }
        (activations, softmax(logits))
    }

    /// Adds a row's slope to `slopes`, which lie as the numbers do.
    fn learn(&self, row: &TrainingRow, share: f32, slopes: &mut [f32]) {
        let (activations, chances) = self.forward(&row.values);
        let out: [f32; OUTPUTS] = std::array::from_fn(|i| {
            let target = if i == row.class as usize { 1.0 } else { 0.0 };
            (chances[i] - target) * row.weight * share
        });
        let parts = self.parts();
        let hidden: [f32; UNITS] = std::array::from_fn(|unit| {
            let back: f32 = parts.out[unit].iter().zip(out).map(|(w, slope)| w * slope).sum();
            if activations[unit] > 0.0 { back } else { 0.0 }
        });
        let (weights, rest) = slopes.split_at_mut(self.inputs * UNITS);
        for (value, group) in row.values.iter().zip(weights.as_chunks_mut::<UNITS>().0) {
            group.iter_mut().zip(hidden).for_each(|(slope, h)| *slope += value * h);
        }
        let (bias, rest) = rest.split_at_mut(UNITS);
        bias.iter_mut().zip(hidden).for_each(|(slope, h)| *slope += h);
        let (groups, out_bias) = rest.split_at_mut(UNITS * OUTPUTS);
        for (height, group) in activations.iter().zip(groups.as_chunks_mut::<OUTPUTS>().0) {
            group.iter_mut().zip(out).for_each(|(slope, o)| *slope += height * o);
        }
        out_bias.iter_mut().zip(out).for_each(|(slope, o)| *slope += o);
    }
}

/// Fits the network; `None` without rows, or where they are of different lengths.
pub(super) fn fit(rows: &[TrainingRow]) -> Option<Net> {
    let inputs = rows.first()?.values.len();
    if rows.iter().any(|row| row.values.len() != inputs || row.values.iter().any(|v| !v.is_finite())) {
        return None;
    }
    let count = Net::count(inputs);
    let mut random = SplitMix(SEED);
    let mut net = Net { numbers: vec![0.0; count], inputs };
    // Weights start normal with the deviation that keeps the size of what they sum
    // (as a sum of uniform draws); biases at zero.
    let (first, rest) = net.numbers.split_at_mut(inputs * UNITS);
    let mut normal =
        |deviation: f32| (0..12).map(|_| (random.next() >> 40) as f32 / 16_777_216.0 - 0.5).sum::<f32>() * deviation;
    first.iter_mut().for_each(|w| *w = normal(1.0 / (inputs as f32).sqrt()));
    rest[UNITS..UNITS + UNITS * OUTPUTS].iter_mut().for_each(|w| *w = normal(1.0 / (UNITS as f32).sqrt()));
    let biases = [inputs * UNITS..inputs * UNITS + UNITS, count - OUTPUTS..count];

    let (mut means, mut squares) = (vec![0.0f32; count], vec![0.0f32; count]);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let steps = PASSES * rows.len().div_ceil(BATCH);
    let mut step = 0;
    for _ in 0..PASSES {
        random.choose(&mut order, rows.len());
        for batch in order.chunks(BATCH) {
            let mut slopes: Vec<f32> = net.numbers.iter().map(|w| PENALTY * w).collect();
            biases.iter().for_each(|range| slopes[range.clone()].fill(0.0));
            batch.iter().for_each(|&at| net.learn(&rows[at], 1.0 / batch.len() as f32, &mut slopes));
            step += 1;
            let rate = RATE * 0.5 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos());
            let [unseen_mean, unseen_square] = FORGET.map(|f| 1.0 - f.powi(step));
            for (((number, slope), mean), square) in
                net.numbers.iter_mut().zip(&slopes).zip(&mut means).zip(&mut squares)
            {
                *mean = FORGET[0] * *mean + (1.0 - FORGET[0]) * slope;
                *square = FORGET[1] * *square + (1.0 - FORGET[1]) * slope * slope;
                *number -= rate * (*mean / unseen_mean) / ((*square / unseen_square).sqrt() + TINY);
            }
        }
    }
    net.numbers.iter().all(|n| n.is_finite()).then_some(net)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [ViewClass; 3] = [ViewClass::Front, ViewClass::Turned, ViewClass::Covered];

    /// What no line tells apart: inside a ring, on it, outside.
    fn rings(count: usize) -> Vec<TrainingRow> {
        let mut random = SplitMix(3);
        let mut draw = || (random.next() >> 40) as f32 / 8_388_608.0 - 1.0;
        let mut rows = Vec::new();
        while rows.len() < count {
            let values = vec![draw() * 2.0, draw() * 2.0, draw()];
            let radius = values[0].hypot(values[1]);
            let class = CLASSES[[0.9, 1.6].iter().filter(|&&edge| radius > edge).count()];
            rows.push(TrainingRow { values, class, weight: 1.0 });
        }
        rows
    }

    fn likeliest(net: &Net, row: &TrainingRow) -> ViewClass {
        let chances = net.forward(&row.values).1;
        CLASSES.into_iter().max_by(|a, b| chances[*a as usize].total_cmp(&chances[*b as usize])).unwrap()
    }

    #[test]
    fn what_no_line_tells_apart_is_told_apart_and_twice_the_same() {
        let rows = rings(6000);
        let net = fit(&rows).unwrap();
        let right = rows.iter().filter(|row| likeliest(&net, row) == row.class).count();
        // The likeliest of the three alone is right for some 2500.
        assert!(right > 5100, "{right} of 6000");
        let few = &rows[..200];
        assert_eq!(fit(few).unwrap().numbers, fit(few).unwrap().numbers);
    }

    #[test]
    fn the_slope_is_that_of_the_loss() {
        let rows = rings(40);
        let mut net = fit(&rows).unwrap();
        let row = &rows[7];
        let loss = |net: &Net| -net.forward(&row.values).1[row.class as usize].ln() * row.weight;
        let mut slopes = vec![0.0; net.numbers.len()];
        net.learn(row, 1.0, &mut slopes);
        for (at, slope) in slopes.into_iter().enumerate() {
            let before = net.numbers[at];
            let step = 1e-2;
            net.numbers[at] = before + step;
            let above = loss(&net);
            net.numbers[at] = before - step;
            let measured = (above - loss(&net)) / (2.0 * step);
            net.numbers[at] = before;
            assert!((measured - slope).abs() < 0.02 + 0.05 * measured.abs(), "{at}: {measured} {slope}");
        }
    }

    #[test]
    fn nothing_to_learn_from_gives_no_network() {
        assert!(fit(&[]).is_none());
        let uneven = [2, 3].map(|n| TrainingRow { values: vec![0.0; n], class: ViewClass::Front, weight: 1.0 });
        assert!(fit(&uneven).is_none());
    }
}
