//! From templates found to subjects found.

use std::collections::HashMap;
use std::sync::Arc;

use super::Label;
use crate::gallery::{Candidate, SubjectId};
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

/// Answers several searches, reading the index once for all of them as far as
/// that goes. One answer for each, in their order.
pub(super) fn find(view: &View<Label>, searches: &[(&[f32], Asked)]) -> Result<Vec<Vec<Candidate>>, SearchError> {
    let wanted = |asked| match asked {
        Asked::Within(score) => Wanted::Within(score),
        Asked::Nearest(k) => Wanted::Nearest(first_take(k)),
    };
    let templates: Vec<_> = searches.iter().map(|&(query, asked)| (query, wanted(asked))).collect();
    let found = view.many(&templates, |_, _, _| true)?;
    let answers = found.into_iter().zip(searches).map(|(hits, &(query, asked))| match asked {
        Asked::Within(_) => Ok(by_subject(hits)),
        Asked::Nearest(k) => nearest(view, query, k, hits),
    });
    answers.collect()
}

/// Templates to take at first for the `k` best subjects.
fn first_take(k: usize) -> usize {
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
    query: &[f32],
    k: usize,
    mut hits: Vec<Hit<Label>>,
) -> Result<Vec<Candidate>, SearchError> {
    if k == 0 {
        return Ok(Vec::new());
    }
    let mut wanted = first_take(k);
    loop {
        let all = hits.len() < wanted || hits.len() as u64 == view.len();
        let last = hits.last().map(|hit| hit.score);
        let mut candidates = by_subject(hits);
        let settled = matches!((candidates.get(k - 1), last), (Some(kth), Some(last)) if kth.score > last);
        if all || settled {
            candidates.truncate(k);
            return Ok(candidates);
        }
        wanted = wanted.saturating_mul(4);
        hits = view.nearest(query, wanted, |_| true)?;
    }
}

/// The best template of each subject, best subject first, ties by subject id.
/// `hits` come best first, ties by template id, so a subject's first is its best.
fn by_subject(hits: Vec<Hit<Label>>) -> Vec<Candidate> {
    let mut best: HashMap<Arc<SubjectId>, (u64, f32)> = HashMap::new();
    for hit in hits {
        best.entry(hit.label).or_insert((hit.key, hit.score));
    }
    let mut candidates: Vec<Candidate> = best
        .into_iter()
        .map(|(subject, (template_id, score))| Candidate { subject: SubjectId::clone(&subject), template_id, score })
        .collect();
    candidates.sort_unstable_by(|a, b| {
        b.score.partial_cmp(&a.score).unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.subject.cmp(&b.subject))
    });
    candidates
}
