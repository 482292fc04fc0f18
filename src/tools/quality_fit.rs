//! Fits a pack's quality model: ridge regressions of angles and scores, a small
//! view classifier, on the inputs that `face::quality` names.

use rayon::prelude::*;

use super::small_net::{self, TrainingRow, UNITS};
use crate::evaluation::FitError;
use crate::face::Pose;
use crate::face::quality::{
    CellTable, Form, HiddenUnit, QualityModel, Standard, Study, Term, ViewClass, ViewClassifier,
};
use crate::matching::compare;

/// Weight of the penalty on coefficients, per standardised input.
const RIDGE: f64 = 3.0;
/// A photo of a turned head counts as much as so many others, of which there are more.
const TURNED_WEIGHT: f32 = 3.0;
/// Standardised inputs are clipped here, as [`Form`] does.
const CLIP: f64 = 6.0;
/// Inputs of the capture quality beside points and odd cells.
const CAPTURE: &[&str] = &[
    "detection",
    "inside",
    "eye_distance_ln",
    "sharpness",
    "laplacian_ln",
    "lower_quartile",
    "upper_quartile",
    "evenness",
    "contrast",
];

/// Inputs of the view classifier beside points and cells.
const LOOKS: &[&str] =
    &["shift_ln", "detection", "sharpness", "laplacian_ln", "lower_quartile", "upper_quartile", "evenness", "contrast"];

/// What a photo of the fit shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// A face from the front, as photographed.
    Frontal,
    /// A head turned far to the side.
    Profile,
    /// A frontal face of which something hides a part.
    Covered,
    /// A frontal face spoiled in another way.
    Spoiled,
}

/// One photo of the fit.
#[derive(Clone)]
pub struct Example {
    /// What was seen.
    pub study: Study,
    /// Whose it is.
    pub subject: usize,
    /// What it shows.
    pub shows: Shows,
    /// Where the head points, by a network that looked at the unspoiled photo.
    pub pose: Option<Pose>,
}

/// Fits a model. `recipe`, `population` and `date` are written into it.
///
/// # Errors
/// [`FitError::TooFew`] where a kind of photo is missing, or a subject with two
/// frontal photos.
pub fn fit_quality(examples: &[Example], recipe: &str, population: &str, date: &str) -> Result<QualityModel, FitError> {
    let kind = |shows: Shows| move |e: &&Example| e.shows == shows;
    let too_few = FitError::TooFew { comparisons: examples.len() as u64, comparisons_min: 1000 };
    let ordinary = examples.iter().filter(kind(Shows::Frontal)).map(|e| &e.study);
    let [cells, fine] = Study::cells(ordinary).ok_or(too_few)?;
    let table = ExampleTable::new(examples, &cells);
    let all: Vec<usize> = (0..examples.len()).collect();
    let photos: Vec<usize> =
        all.iter().copied().filter(|&i| matches!(examples[i].shows, Shows::Frontal | Shows::Profile)).collect();
    let scores = mean_scores(examples);
    let posed: Vec<usize> = all.iter().copied().filter(|&i| examples[i].pose.is_some()).collect();
    let scored: Vec<usize> = photos.iter().copied().filter(|&i| scores[i].is_some()).collect();
    if posed.is_empty()
        || scored.is_empty()
        || [Shows::Profile, Shows::Covered].iter().any(|&s| !examples.iter().any(|e| e.shows == s))
    {
        return Err(too_few);
    }
    let angle = |of: fn(&Pose) -> f32| move |i: usize| examples[i].pose.as_ref().map_or(0.0, |p| f64::from(of(p)));
    let score = |i: usize| scores[i].unwrap_or(0.0);
    let points = Study::point_inputs();
    let capture: Vec<&str> = [points, &["shift_ln"], Study::odd_cell_inputs(), CAPTURE].concat();
    let utility: Vec<&str> = [capture.as_slice(), &["norm_ln"]].concat();
    let unsolved = FitError::NoTail;
    Ok(QualityModel {
        version: QualityModel::VERSION,
        recipe: recipe.to_owned(),
        population: population.to_owned(),
        date: date.to_owned(),
        photos: photos.len() as u64,
        yaw: table.ridge(points, &posed, angle(|p| p.yaw)).ok_or(unsolved)?,
        pitch: table.ridge(points, &posed, angle(|p| p.pitch)).ok_or(unsolved)?,
        capture: table.ridge(&capture, &scored, score).ok_or(unsolved)?,
        utility: table.ridge(&utility, &scored, score).ok_or(unsolved)?,
        view: view_classifier(examples, &table, &cells, fine).ok_or(unsolved)?,
        cells,
    })
}

/// Every photo and its mirror image.
fn view_classifier(
    examples: &[Example],
    table: &ExampleTable,
    coarse: &CellTable,
    fine: CellTable,
) -> Option<ViewClassifier> {
    let all: Vec<usize> = (0..examples.len()).collect();
    let signals: Vec<Standard> = table
        .design(&[Study::point_inputs(), LOOKS].concat(), &all)
        .terms
        .into_iter()
        .map(|Term { input, mean, deviation, .. }| Standard {
            input,
            mean: short(mean) as f32,
            deviation: short(deviation) as f32,
        })
        .collect();
    let rows: Vec<TrainingRow> = examples
        .par_iter()
        .flat_map_iter(|example| {
            let (class, weight) = match example.shows {
                Shows::Frontal | Shows::Spoiled => (ViewClass::Front, 1.0),
                Shows::Profile => (ViewClass::Turned, TURNED_WEIGHT),
                Shows::Covered => (ViewClass::Covered, 1.0),
            };
            example.study.view_inputs(coarse, &fine, &signals).map(|values| TrainingRow { values, class, weight })
        })
        .collect();
    let net = small_net::fit(&rows)?;
    let short = |v: f32| short(f64::from(v)) as f32;
    let unit = |at: usize| {
        let (weights, bias, out) = net.unit(at);
        let unit = HiddenUnit::nearest(&weights, short(bias), out.map(short));
        HiddenUnit { step: short(unit.step), ..unit }
    };
    Some(ViewClassifier { signals, bias: net.bias().map(short), units: (0..UNITS).map(unit).collect(), cells: fine })
}

/// Nine digits are far more than the photos support, and keep the file short.
fn short(v: f64) -> f64 {
    format!("{v:.8e}").parse().unwrap_or(v)
}

/// Mean score of each photo against the other frontal photos of its subject.
fn mean_scores(examples: &[Example]) -> Vec<Option<f64>> {
    examples
        .par_iter()
        .enumerate()
        .map(|(i, example)| {
            let others = examples
                .iter()
                .enumerate()
                .filter(|(j, o)| *j != i && o.subject == example.subject && o.shows == Shows::Frontal);
            let scores: Vec<f64> = others
                .filter_map(|(_, o)| compare(&example.study.template, &o.study.template).ok())
                .map(f64::from)
                .collect();
            (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
        })
        .collect()
}

/// The inputs of every example.
struct ExampleTable {
    rows: Vec<Vec<f32>>,
}

/// Standardised inputs and their squares, for some of the examples.
struct Design {
    terms: Vec<Term>,
    rows: Vec<Vec<f64>>,
}

impl ExampleTable {
    fn new(examples: &[Example], cells: &CellTable) -> Self {
        Self { rows: examples.par_iter().map(|e| e.study.inputs(cells)).collect() }
    }

    /// Inputs that the pack does not give are left out.
    fn design(&self, inputs: &[&str], of: &[usize]) -> Design {
        let mut terms = Vec::new();
        let mut columns = Vec::new();
        for &input in inputs {
            let Some(at) = Study::input_names().iter().position(|name| *name == input) else { continue };
            let values: Vec<f64> = of.iter().map(|&i| f64::from(self.rows[i][at])).collect();
            if values.iter().any(|v| !v.is_finite()) {
                continue;
            }
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            let deviation = variance.sqrt().max(1e-6);
            terms.push(Term { input: input.to_owned(), mean, deviation, linear: 0.0, square: 0.0 });
            columns.push(values.into_iter().map(|v| ((v - mean) / deviation).clamp(-CLIP, CLIP)).collect::<Vec<_>>());
        }
        let rows = (0..of.len())
            .map(|i| {
                let mut row = vec![1.0];
                row.extend(columns.iter().flat_map(|column| [column[i], column[i] * column[i]]));
                row
            })
            .collect();
        Design { terms, rows }
    }

    fn ridge(&self, inputs: &[&str], of: &[usize], target: impl Fn(usize) -> f64) -> Option<Form> {
        let design = self.design(inputs, of);
        let targets: Vec<f64> = of.iter().map(|&i| target(i)).collect();
        let solution = least_squares(&design.rows, &targets)?;
        Some(design.form(&solution))
    }
}

impl Design {
    fn form(self, solution: &[f64]) -> Form {
        let pairs = solution[1..].as_chunks::<2>().0;
        let terms = self.terms.into_iter().zip(pairs).map(|(term, &[linear, square])| Term { linear, square, ..term });
        let terms = terms
            .map(|t| Term {
                mean: short(t.mean),
                deviation: short(t.deviation),
                linear: short(t.linear),
                square: short(t.square),
                ..t
            })
            .collect();
        Form { constant: short(solution[0]), terms }
    }
}

/// Minimises `Σ (target − row·x)² + RIDGE·|x|²`, the constant (first column)
/// unpenalised, by Cholesky's decomposition of the normal equations.
fn least_squares(rows: &[Vec<f64>], targets: &[f64]) -> Option<Vec<f64>> {
    let n = rows.first()?.len();
    let mut matrix = vec![0.0; n * n];
    let mut right = vec![0.0; n];
    for (row, target) in rows.iter().zip(targets) {
        for i in 0..n {
            right[i] += row[i] * target;
            for j in 0..=i {
                matrix[i * n + j] += row[i] * row[j];
            }
        }
    }
    for i in 0..n {
        matrix[i * n + i] += if i == 0 { 1e-9 } else { RIDGE };
    }
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - sum;
            matrix[i * n + j] = if i == j {
                if rest <= 0.0 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / matrix[j * n + j]
            };
        }
    }
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| matrix[i * n + k] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
        right[i] = (right[i] - sum) / matrix[i * n + i];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs that wander through −2…2 without repeating together.
    fn table(count: usize) -> ExampleTable {
        let inputs = Study::input_names().len();
        let value = |i: usize, k: usize| ((i * (k * k + 7) + k) % 101) as f32 / 25.0 - 2.0;
        ExampleTable { rows: (0..count).map(|i| (0..inputs).map(|k| value(i, k)).collect()).collect() }
    }

    fn read(form: &Form, table: &ExampleTable, i: usize) -> f64 {
        form.terms.iter().fold(form.constant, |sum, t| {
            let at = Study::input_names().iter().position(|n| *n == t.input).unwrap();
            let z = (f64::from(table.rows[i][at]) - t.mean) / t.deviation;
            sum + t.linear * z + t.square * z * z
        })
    }

    #[test]
    fn a_known_form_is_recovered() {
        let table = table(4000);
        let all: Vec<usize> = (0..4000).collect();
        let nose = Study::input_names().iter().position(|n| *n == "nose_x").unwrap();
        let truth = |i: usize| 3.0 + 2.0 * f64::from(table.rows[i][nose]);
        let form = table.ridge(Study::point_inputs(), &all, truth).unwrap();
        for i in [0, 17, 1234, 3999] {
            assert!((read(&form, &table, i) - truth(i)).abs() < 0.02);
        }
    }

    #[test]
    fn an_input_the_pack_does_not_give_is_left_out() {
        let mut table = table(500);
        let nose = Study::input_names().iter().position(|n| *n == "nose_x").unwrap();
        table.rows.iter_mut().for_each(|row| row[nose] = f32::NAN);
        let form = table.ridge(Study::point_inputs(), &(0..500).collect::<Vec<_>>(), |_| 1.0).unwrap();
        assert_eq!(form.terms.len(), Study::point_inputs().len() - 1);
    }
}
