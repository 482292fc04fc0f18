//! From templates found to subjects found.

use std::collections::HashMap;

use super::label::{Label, LabelFilter, Labels};
use crate::gallery::Candidate;
use crate::gallery::embedded::database::Pinned;
use crate::search::{Hit, SearchError, View, Wanted};

/// Templates asked for beyond twice the subjects wanted: enough that subjects
/// with a few templates each are served by one scan.
const SPARE: usize = 16;

/// What is asked of the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Asked {
    /// Every subject with a template at or above the score.
    Within(f32),
    /// The subjects whose best template scores highest, so many.
    Nearest(usize),
}

/// One search.
pub(super) struct Question<'a> {
    pub(super) query: &'a [f32],
    pub(super) asked: Asked,
    pub(super) label_filter: LabelFilter,
}

/// Answers several searches, reading the index once for all of them as far as
/// that goes. One answer for each, in their order. `originals` are needed where the
/// view is not whole.
pub(super) fn find(
    view: &View<Label>,
    labels: &Labels,
    questions: &[Question<'_>],
    originals: Option<&Pinned>,
) -> Result<Vec<Vec<Candidate>>, SearchError> {
    let wanted = |asked| match asked {
        Asked::Within(score) => Wanted::Within(score),
        Asked::Nearest(k) => Wanted::Nearest(first_take(k)),
    };
    let wanted: Vec<Wanted> = questions.iter().map(|question| wanted(question.asked)).collect();
    let each: Vec<_> = questions.iter().zip(wanted).collect();
    let found = templates(view, &each, originals)?;
    let answers = found.into_iter().zip(questions).map(|(hits, question)| match question.asked {
        Asked::Within(_) => Ok(by_subject(hits, labels)),
        Asked::Nearest(k) => nearest(view, labels, question, k, hits, originals),
    });
    answers.collect()
}

fn templates(
    view: &View<Label>,
    searches: &[(&Question<'_>, Wanted)],
    originals: Option<&Pinned>,
) -> Result<Vec<Vec<Hit<Label>>>, SearchError> {
    let asked: Vec<_> = searches.iter().map(|(question, wanted)| (question.query, *wanted)).collect();
    let narrow: Vec<bool> = searches.iter().map(|(question, _)| question.label_filter.is_narrow()).collect();
    let passes = |search: usize, _, label: &Label| searches[search].0.label_filter.passes(*label);
    match originals {
        Some(originals) => view.many_filtered(&asked, passes, &narrow, originals),
        None => view.many_filtered(&asked, passes, &narrow, &crate::search::NoOriginals),
    }
}

/// Templates to take at first for the `k` best subjects.
pub(super) fn first_take(k: usize) -> usize {
    if k == 0 { 0 } else { k.saturating_mul(2).saturating_add(SPARE) }
}

/// The `k` subjects whose best template scores highest; `hits` are the
/// [`first_take`] best templates.
///
/// Exact: takes the best templates until the k-th best subject is strictly
/// better than the last template taken, so that no template left out could
/// change who is among the k, their order or their best template.
fn nearest(
    view: &View<Label>,
    labels: &Labels,
    question: &Question<'_>,
    k: usize,
    mut hits: Vec<Hit<Label>>,
    originals: Option<&Pinned>,
) -> Result<Vec<Candidate>, SearchError> {
    if k == 0 {
        return Ok(Vec::new());
    }
    let mut wanted = first_take(k);
    loop {
        let all = hits.len() < wanted || hits.len() as u64 == view.len();
        if let Some(candidates) = settled(hits, k, all, labels) {
            return Ok(candidates);
        }
        wanted = next_take(wanted);
        let found = templates(view, &[(question, Wanted::Nearest(wanted))], originals)?;
        hits = found.into_iter().next().unwrap_or_default();
    }
}

/// Templates to take where so many did not settle it.
pub(super) fn next_take(wanted: usize) -> usize {
    wanted.saturating_mul(4)
}

/// The `k` best subjects, where more templates than `hits` cannot change them: because
/// these are `all`, or because the k-th is strictly better than the last of them.
pub(super) fn settled(hits: Vec<Hit<Label>>, k: usize, all: bool, labels: &Labels) -> Option<Vec<Candidate>> {
    let last = hits.last().map(|hit| hit.score);
    let mut candidates = by_subject(hits, labels);
    let kth = k.checked_sub(1).and_then(|kth| candidates.get(kth));
    let settled = all || matches!((kth, last), (Some(kth), Some(last)) if kth.score > last);
    candidates.truncate(k);
    settled.then_some(candidates)
}

/// The best template of each subject, best subject first, ties by subject id.
/// `hits` come best first, ties by template id, so a subject's first is its best.
fn by_subject(hits: Vec<Hit<Label>>, labels: &Labels) -> Vec<Candidate> {
    let mut best: HashMap<u32, (u64, f32)> = HashMap::new();
    for hit in hits {
        best.entry(hit.label.subject).or_insert((hit.key, hit.score));
    }
    let (numbers, best): (Vec<u32>, Vec<(u64, f32)>) = best.into_iter().unzip();
    // Every number in the index was given to somebody.
    let subjects = labels.ids(numbers.into_iter());
    let each = subjects.into_iter().zip(best);
    let mut candidates: Vec<Candidate> = each
        .filter_map(|(subject, (template_id, score))| Some(Candidate { subject: subject?, template_id, score }))
        .collect();
    candidates.sort_unstable_by(Candidate::best_first);
    candidates
}
