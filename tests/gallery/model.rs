//! A gallery as a sorted map, and the embedded one compared with it.

use std::collections::BTreeMap;

use chinhchu::gallery::{EnrolMode, Gallery, GalleryError, Receipt, StoredTemplate};
use chinhchu::matching::compare;
use proptest::prelude::*;

use crate::disk::Disk;
use crate::support::*;

#[derive(Debug, Clone)]
pub enum Step {
    Enrol(u8, EnrolMode, Vec<u64>),
    Remove(u8),
    /// The last write again, under its request id.
    Again,
    /// Closes the gallery and opens it.
    Reopen,
    /// Cuts the power and opens what is left.
    Cut,
    Search(u64, usize),
}

/// What should be stored: the seeds of each subject's templates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model(pub BTreeMap<String, Vec<u64>>);

impl Model {
    /// Does a write as the trait says; `None` where it is refused.
    pub fn apply(&mut self, step: &Step) -> Option<u32> {
        match step {
            Step::Enrol(subject, mode, seeds) => {
                let known = self.0.get(&name(*subject)).cloned();
                let seeds = match (known, mode) {
                    (Some(_), EnrolMode::Create) => return None,
                    (Some(mut old), EnrolMode::Add) => {
                        old.extend(seeds);
                        old
                    }
                    _ => seeds.clone(),
                };
                let count = seeds.len() as u32;
                self.0.insert(name(*subject), seeds);
                Some(count)
            }
            Step::Remove(subject) => self.0.remove(&name(*subject)).map(|_| 0),
            _ => None,
        }
    }
}

pub fn name(subject: u8) -> String {
    format!("s{subject}")
}

pub async fn write(gallery: &Gallery, step: &Step, request: u64) -> Result<Receipt, GalleryError> {
    let retry = Some(retry(format!("r{request}"), request as u8));
    match step {
        Step::Enrol(subject, mode, seeds) => {
            gallery.enrol(&by(), enrolment(&name(*subject), *mode, seeds), retry).await
        }
        Step::Remove(subject) => gallery.remove(&by(), &id(name(*subject)), retry).await,
        _ => unreachable!("not a write"),
    }
}

/// Whether the gallery holds exactly this, in its store and in its index.
pub async fn holds(gallery: &Gallery, model: &Model) -> Result<(), String> {
    let ids = gallery.list(None, usize::MAX).await.map_err(|error| error.to_string())?;
    if ids.iter().map(|id| id.as_str()).ne(model.0.keys()) {
        return Err(format!("subjects {:?}", ids.iter().map(|id| id.as_str()).collect::<Vec<_>>()));
    }
    let stats = gallery.stats();
    if (stats.subjects as usize, stats.templates as usize) != (model.0.len(), model.0.values().map(Vec::len).sum()) {
        return Err(format!("{stats:?}"));
    }
    let probe = template(3);
    let mut expected = Vec::new();
    for (id, seeds) in ids.iter().zip(model.0.values()) {
        let subject =
            gallery.subject(id).await.map_err(|error| error.to_string())?.ok_or("a listed subject is gone")?;
        let stored: Vec<_> = subject.templates.iter().map(|t| t.content.clone()).collect();
        if stored != seeds.iter().map(|&seed| new_template(seed)).collect::<Vec<_>>() {
            return Err(format!("templates of {}", id.as_str()));
        }
        let score = |t: &StoredTemplate| compare(&probe, &t.content.template).unwrap();
        let scores = subject.templates.iter().map(|t| (score(t), t.id));
        let best = scores.reduce(|a, b| if b.0 > a.0 { b } else { a }).unwrap();
        expected.push((best.0, id.as_str().to_owned(), best.1));
    }
    expected.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
    let found = gallery.within(&probe, -1.5).await.map_err(|error| error.to_string())?;
    let found: Vec<_> = found.into_iter().map(|c| (c.score, c.subject.as_str().to_owned(), c.template_id)).collect();
    if found == expected { Ok(()) } else { Err(format!("found {found:?} instead of {expected:?}")) }
}

pub async fn assert_holds(gallery: &Gallery, model: &Model) {
    if let Err(difference) = holds(gallery, model).await {
        panic!("the gallery is not as it should be: {difference}");
    }
}

pub fn a_write() -> impl Strategy<Value = Step> {
    let mode = prop::sample::select(vec![EnrolMode::Create, EnrolMode::Replace, EnrolMode::Add]);
    prop_oneof![
        4 => (0u8..6, mode, prop::collection::vec(0u64..300, 1..4)).prop_map(|(s, m, seeds)| Step::Enrol(s, m, seeds)),
        1 => (0u8..6).prop_map(Step::Remove),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => a_write(),
        1 => Just(Step::Again),
        1 => Just(Step::Reopen),
        1 => Just(Step::Cut),
        2 => (0u64..300, 0usize..8).prop_map(|(seed, k)| Step::Search(seed, k)),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_gallery_answers_as_a_sorted_map_does(steps in steps()) {
        let mut disk = Disk::default();
        let mut gallery = Some(disk.open().unwrap());
        let mut model = Model::default();
        let mut last: Option<(Step, u64, Receipt)> = None;
        for (request, step) in (0u64..).zip(&steps) {
            let open = gallery.as_ref().unwrap();
            match step {
                Step::Enrol(..) | Step::Remove(_) => {
                    let expected = model.apply(step);
                    let got = block_on(write(open, step, request));
                    prop_assert_eq!(got.as_ref().ok().map(|receipt| receipt.templates), expected);
                    match (got, step) {
                        (Ok(receipt), _) => last = Some((step.clone(), request, receipt)),
                        (Err(error), Step::Remove(_)) => prop_assert!(matches!(error, GalleryError::UnknownSubject)),
                        (Err(error), _) => prop_assert!(matches!(error, GalleryError::SubjectExists)),
                    }
                }
                Step::Again => {
                    if let Some((step, request, receipt)) = &last {
                        let again = block_on(write(open, step, *request)).unwrap();
                        prop_assert_eq!(again, Receipt { replayed: true, ..receipt.clone() });
                    }
                }
                Step::Reopen => {
                    drop(gallery.take());
                    gallery = Some(disk.open().unwrap());
                    block_on(assert_holds(gallery.as_ref().unwrap(), &model));
                }
                Step::Cut => {
                    disk = Disk::holding(disk.cut());
                    gallery = Some(disk.open().unwrap());
                    block_on(assert_holds(gallery.as_ref().unwrap(), &model));
                }
                Step::Search(seed, k) => {
                    let all = block_on(open.within(&template(*seed), -1.5)).unwrap();
                    let nearest = block_on(open.nearest(&template(*seed), *k)).unwrap();
                    prop_assert_eq!(&nearest, &all[..all.len().min(*k)]);
                }
            }
        }
        block_on(assert_holds(gallery.as_ref().unwrap(), &model));
    }
}
