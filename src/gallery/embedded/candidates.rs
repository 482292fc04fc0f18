//! From templates found to subjects found.

use std::collections::HashMap;
use std::sync::Arc;

use super::Label;
use crate::gallery::{Candidate, SubjectId};
use crate::search::{Hit, SearchError, View};

/// Templates asked for beyond twice the subjects wanted: enough that subjects
/// with a few templates each are served by one scan.
const SPARE: usize = 64;

/// Every subject with a template at or above `score`.
pub(super) fn within(view: &View<Label>, query: &[f32], score: f32) -> Result<Vec<Candidate>, SearchError> {
    Ok(by_subject(view.within(query, score, |_| true)?))
}

/// The `k` subjects whose best template scores highest.
///
/// Exact: takes the best templates until the k-th best subject is strictly
/// better than the last template taken, so that no template left out could
/// change who is among the k, their order or their best template.
pub(super) fn nearest(view: &View<Label>, query: &[f32], k: usize) -> Result<Vec<Candidate>, SearchError> {
    if k == 0 {
        return view.nearest(query, 0, |_| true).map(|_| Vec::new());
    }
    let mut wanted = k.saturating_mul(2).saturating_add(SPARE);
    loop {
        let hits = view.nearest(query, wanted, |_| true)?;
        let all = hits.len() < wanted || hits.len() as u64 == view.len();
        let last = hits.last().map(|hit| hit.score);
        let mut candidates = by_subject(hits);
        let settled = matches!((candidates.get(k - 1), last), (Some(kth), Some(last)) if kth.score > last);
        if all || settled {
            candidates.truncate(k);
            return Ok(candidates);
        }
        wanted = wanted.saturating_mul(4);
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
