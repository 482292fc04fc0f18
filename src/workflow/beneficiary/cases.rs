//! Reading what was decided, who waits, which pairs were cleared and who is enrolled, page by page.
//! It takes a gallery and no networks: [`Cases`] is what a program without an engine works with.

use std::collections::HashMap;

use super::entered::others;
use super::flow;
use super::{BeneficiaryOutcome, CaptureSeen, ReasonCode, Scheme};
use crate::context::RequestContext;
use crate::gallery::{
    Attributes, ClearedPair, DecisionFilter, DecisionHead, DecisionKey, Filter, Gallery, GalleryError, IndexFilter,
    Look, PairState, ReadSet, RequestId, Restricted, Standing, Subject, SubjectHead, SubjectId, Timestamp,
};
use crate::ledger::entry::Kind;
use crate::workflow::identify::checked;
use crate::workflow::page_token::{self, List};
use crate::workflow::{CaseRules, Engine, Field, NumberIds, WorkflowError, reach};

/// Entries on a page where nobody names a number.
pub const PAGE_DEFAULT: usize = 100;
/// Most entries on a page.
pub const PAGE_MAX: usize = 1000;
/// Rows that one page looks at.
const LOOKED_AT_MAX: usize = 10_000;
/// Subjects read at a time.
const READ_AT_ONCE: usize = 256;

/// A decision with all that is stored of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseDecision {
    /// As it was answered, and what officers said of it since.
    pub outcome: BeneficiaryOutcome,
    /// Pseudonymous id of the record it is about.
    pub subject: SubjectId,
    /// What was to be drawn from.
    pub scheme: Scheme,
    /// Pseudonymous id of the clerk who presented it, where the request named one.
    pub presented_by: Option<SubjectId>,
    /// An officer is expected to look at it.
    pub waits: bool,
    /// Until when ([`CaseRules::answer_hours`]); `None` where it does not wait.
    pub answer_by: Option<Timestamp>,
}

/// A part of a list, and the token of the next one; `None` where there is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<T> {
    /// In the list's order. There may be none of them, and more later all the same.
    pub entries: Vec<T>,
    /// What to ask with for what follows.
    pub next: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// 1–[`PAGE_MAX`] entries; 0 means [`PAGE_DEFAULT`].
    pub size: usize,
    /// [`ListPage::next`] of the page before; empty for the first.
    pub token: String,
}

impl PageRequest {
    pub(in crate::workflow) fn size(&self) -> Result<usize, WorkflowError> {
        match self.size {
            0 => Ok(PAGE_DEFAULT),
            size @ 1..=PAGE_MAX => Ok(size),
            _ => {
                let detail = format!("a page has 1 to {PAGE_MAX} entries");
                Err(WorkflowError::OutOfRange { field: Field::Named("page_size"), detail })
            }
        }
    }
}

/// Which subjects to list or count. The default is all.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SubjectFilter {
    /// If set, only subjects that draw from this scheme.
    pub scheme: Option<String>,
    /// If set, only subjects of this province.
    pub province: Option<String>,
    /// If set, only records that stand so.
    pub standing: Option<StandingFilter>,
}

/// How records stand that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingFilter {
    /// They are restricted, or their erasure was asked for.
    Restricted,
    /// A legal hold is on them.
    Held,
    /// Their erasure was asked for and waits.
    ErasureWaits,
    /// The same, and nothing that the gallery knows of stands against it any more.
    ErasureReady,
}

impl StandingFilter {
    fn passes(self, standing: &Standing) -> bool {
        match self {
            Self::Restricted => standing.is_restricted(),
            Self::Held => !standing.holds().is_empty(),
            Self::ErasureWaits => standing.erasure().is_some(),
            Self::ErasureReady => standing.erasure().is_some() && standing.holds().is_empty(),
        }
    }
}

/// A subject as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectSummary {
    /// Pseudonymous id.
    pub subject: SubjectId,
    /// What is known beside the face.
    pub attributes: Attributes,
    /// Templates it has.
    pub templates: usize,
    /// First enrolment.
    pub enrolled_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// It is restricted, or its erasure was asked for.
    pub restricted: bool,
    /// Legal holds on it.
    pub holds: usize,
    /// Its erasure was asked for and waits.
    pub erasure_waits: bool,
}

/// How many subjects and templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectCount {
    /// Subjects.
    pub subjects: u64,
    /// Their templates, of all recipes.
    pub templates: u64,
}

/// A decision with captures that were used before.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatedCapture {
    /// The decision.
    pub decision: DecisionHead,
    /// Unit that presented it, where it was named.
    pub unit: Option<String>,
    /// The earlier uses.
    pub captures: Vec<CaptureSeen>,
}

/// The cases of a gallery, and the rules by which officers work on them.
#[derive(Clone, Copy)]
pub struct Cases<'a> {
    pub(super) gallery: &'a Gallery,
    pub(super) rules: &'a CaseRules,
    pub(super) number_ids: NumberIds,
}

impl<'a> Cases<'a> {
    /// Those of a gallery that no engine has open.
    pub fn new(gallery: &'a Gallery, rules: &'a CaseRules, number_ids: NumberIds) -> Self {
        Self { gallery, rules, number_ids }
    }

    /// A subject with its templates.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`], [`WorkflowError::OutOfReach`], [`WorkflowError::DeadlineExceeded`];
    /// as [`Gallery::subject`].
    pub async fn subject(&self, context: &RequestContext, subject: &SubjectId) -> Result<Subject, WorkflowError> {
        context.check_deadline()?;
        let look = Look::new(Kind::RecordRead).at([subject.clone()]);
        let Some(found) = self.gallery.subject(subject).await? else {
            // That somebody is not enrolled is an answer, too.
            self.gallery.enter_look(context, look.coming_to("unknown")).await?;
            return Err(GalleryError::UnknownSubject.into());
        };
        let Attributes { unit, province, .. } = &found.attributes;
        reach::check(context, unit.as_deref(), province.as_deref())?;
        self.gallery.enter_look(context, look.of_records(1)).await?;
        Ok(found)
    }

    /// Decisions in which a capture was used that had taken part in another transaction, in the
    /// order in which they were made.
    ///
    /// # Errors
    /// As [`Cases::decisions`].
    pub async fn repeated_captures(
        &self,
        context: &RequestContext,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: &PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, WorkflowError> {
        let reason = Some(ReasonCode::CaptureSeenBefore.code().to_owned());
        let filter = DecisionFilter { since, until, reason, ..DecisionFilter::default() };
        let found = self.listed(context, &filter, page).await?;
        let mut entries = Vec::with_capacity(found.entries.len());
        for decision in found.entries {
            let Some(stored) = self.gallery.decision(&decision.key).await? else { continue };
            let unit = stored.unit.clone();
            let history = flow::outcome(stored)?.evidence.history;
            let captures = history.and_then(|history| history.captures).unwrap_or_default();
            entries.push(RepeatedCapture { decision, unit, captures });
        }
        let shown = entries.iter().flat_map(|one: &RepeatedCapture| {
            let others = one.captures.iter().map(|capture| capture.subject.clone());
            std::iter::once(one.decision.subject.clone()).chain(others)
        });
        let look = Look::new(Kind::LookUp).of_records(entries.len()).at(shown);
        self.gallery.enter_look(context, look).await?;
        Ok(ListPage { entries, next: found.next })
    }

    /// A decision as it was answered, and what officers said of it since; `None` where there was
    /// none. `attempt` `None` is the last one.
    ///
    /// # Errors
    /// [`WorkflowError::Answer`] for one that cannot be read, [`WorkflowError::OutOfReach`] for one
    /// of another place, and the errors of the gallery; [`WorkflowError::DeadlineExceeded`] where
    /// the deadline has passed already.
    pub async fn case(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CaseDecision>, WorkflowError> {
        context.check_deadline()?;
        let key = DecisionKey::new(transaction.clone(), attempt.unwrap_or(1))?;
        let wanted = ReadSet { decision: Some(key), ..ReadSet::default() };
        let records = self.gallery.read(wanted).await?;
        let found = if attempt.is_some() { records.decision } else { records.last_decision.clone() };
        let look = Look::new(Kind::RecordRead);
        let Some(stored) = found else {
            let look = look.at_transaction(transaction, attempt).coming_to("unknown");
            self.gallery.enter_look(context, look).await?;
            return Ok(None);
        };
        reach::check(context, stored.unit.as_deref(), stored.province.as_deref())?;
        let look = look.at_transaction(transaction, Some(stored.key.attempt)).at([stored.subject.clone()]);
        let outcome = flow::outcome(stored.clone())?;
        self.gallery.enter_look(context, look.at(others(&outcome.evidence)).of_records(1)).await?;
        let is_last = records.last_decision.is_some_and(|last| last.key == stored.key);
        let waits = is_last && stored.waits();
        Ok(Some(CaseDecision {
            subject: stored.subject.clone(),
            scheme: Scheme::from_text(&stored.scheme).ok_or(WorkflowError::Answer)?,
            presented_by: stored.presented_by.clone(),
            waits,
            answer_by: waits.then(|| self.rules.answer_by(stored.decided_at)),
            outcome,
        }))
    }

    /// Decisions in the order in which they were made; those that wait for an officer alone where
    /// the filter says so.
    ///
    /// # Errors
    /// [`WorkflowError::PageToken`], [`WorkflowError::OutOfRange`] for the size of a page,
    /// [`WorkflowError::OutOfReach`] for a caller without a place, and the errors of the gallery; [`WorkflowError::DeadlineExceeded`] where the deadline has passed
    /// already.
    pub async fn decisions(
        &self,
        context: &RequestContext,
        filter: &DecisionFilter,
        page: &PageRequest,
    ) -> Result<ListPage<DecisionHead>, WorkflowError> {
        let found = self.listed(context, filter, page).await?;
        self.enter_list(context, found.entries.iter().map(|head| head.subject.clone())).await?;
        Ok(found)
    }

    /// Enters that a page with these subjects was shown.
    async fn enter_list(
        &self,
        context: &RequestContext,
        shown: impl ExactSizeIterator<Item = SubjectId> + Send,
    ) -> Result<(), WorkflowError> {
        let look = Look::new(Kind::LookUp).of_records(shown.len()).at(shown);
        Ok(self.gallery.enter_look(context, look).await?)
    }

    async fn listed(
        &self,
        context: &RequestContext,
        filter: &DecisionFilter,
        page: &PageRequest,
    ) -> Result<ListPage<DecisionHead>, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery;
        let filter = &reach::narrow(context, filter)?;
        let list = if filter.waiting { List::Referrals } else { List::Decisions };
        let after = page_token::number(page_token::decode(list, gallery.id(), &page.token)?)?;
        let found = gallery.decisions_after(filter, after, page.size()?).await?;
        let next = found.more_after.map(|number| page_token::encode(list, gallery.id(), &number.to_le_bytes()));
        let mut entries = found.decisions;
        for head in entries.iter_mut().filter(|head| head.waits) {
            head.answer_by = Some(self.rules.answer_by(head.decided_at));
        }
        Ok(ListPage { entries, next })
    }

    /// Pairs that officers cleared, those that stand like this where that is said, by the ids of
    /// both.
    ///
    /// # Errors
    /// As [`Cases::decisions`].
    pub async fn pairs(
        &self,
        context: &RequestContext,
        state: Option<PairState>,
        page: &PageRequest,
    ) -> Result<ListPage<ClearedPair>, WorkflowError> {
        let found = self.listed_pairs(context, state, page).await?;
        let shown = found.entries.iter().flat_map(|pair| [pair.first.clone(), pair.second.clone()]);
        let look = Look::new(Kind::LookUp).of_records(found.entries.len()).at(shown);
        self.gallery.enter_look(context, look).await?;
        Ok(found)
    }

    async fn listed_pairs(
        &self,
        context: &RequestContext,
        state: Option<PairState>,
        page: &PageRequest,
    ) -> Result<ListPage<ClearedPair>, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery;
        let place = page_token::decode(List::Pairs, gallery.id(), &page.token)?;
        let mut after = place.map(|place| pair_of(&place)).transpose()?;
        let (size, now) = (page.size()?, Timestamp::now());
        let mut entries = Vec::new();
        for _ in 0..LOOKED_AT_MAX / PAGE_MAX {
            let found = gallery.cleared_pairs(after.as_ref(), PAGE_MAX).await?;
            let is_end = found.len() < PAGE_MAX;
            for pair in found {
                if entries.len() == size {
                    let next = after.as_ref().map(|ids| token_of(gallery.id(), ids));
                    return Ok(ListPage { entries, next });
                }
                after = Some((pair.first.clone(), pair.second.clone()));
                if state.is_none_or(|state| pair.state(now) == state) {
                    entries.push(pair);
                }
            }
            if is_end {
                return Ok(ListPage { entries, next: None });
            }
        }
        Ok(ListPage { entries, next: after.as_ref().map(|ids| token_of(gallery.id(), ids)) })
    }

    /// Subjects in byte order of their ids.
    ///
    /// # Errors
    /// As [`Cases::decisions`]; [`WorkflowError::OutOfRange`] for a scheme or province that is
    /// none.
    pub async fn subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectSummary>, WorkflowError> {
        let found = self.listed_subjects(context, filter, page).await?;
        self.enter_list(context, found.entries.iter().map(|one| one.subject.clone())).await?;
        Ok(found)
    }

    async fn listed_subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectSummary>, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery;
        let standing = filter.standing;
        let filter = index_filter(filter)?;
        let place = page_token::decode(List::Subjects, gallery.id(), &page.token)?;
        let mut after = place.map(page_token::subject).transpose()?;
        let size = page.size()?;
        let mut entries = Vec::new();
        for _ in 0..LOOKED_AT_MAX / READ_AT_ONCE {
            let (heads, more) = self.heads_after(after.as_ref()).await?;
            for head in heads {
                if entries.len() == size {
                    let next = after.map(|id| page_token::encode(List::Subjects, gallery.id(), id.as_str().as_bytes()));
                    return Ok(ListPage { entries, next });
                }
                after = Some(head.id.clone());
                if filter.passes(&head.attributes, head.standing.is_restricted())
                    && self.stands(&head, standing).await?
                {
                    entries.push(SubjectSummary {
                        subject: head.id,
                        attributes: head.attributes,
                        templates: head.templates.len(),
                        enrolled_at: head.enrolled_at,
                        updated_at: head.updated_at,
                        restricted: head.standing.is_restricted(),
                        holds: head.standing.holds().len(),
                        erasure_waits: head.standing.erasure().is_some(),
                    });
                }
            }
            match more {
                Some(more) => after = Some(more),
                None => return Ok(ListPage { entries, next: None }),
            }
        }
        let next = after.map(|id| page_token::encode(List::Subjects, gallery.id(), id.as_str().as_bytes()));
        Ok(ListPage { entries, next })
    }

    /// How many subjects pass the filter, and how many templates they have. With a filter the whole
    /// gallery is gone through.
    ///
    /// # Errors
    /// As [`Cases::subjects`]; [`WorkflowError::DeadlineExceeded`] also where the deadline passes
    /// meanwhile.
    pub async fn count_subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
    ) -> Result<SubjectCount, WorkflowError> {
        let count = self.counted(context, filter).await?;
        let look = Look { records: Some(count.subjects), ..Look::new(Kind::LookUp) };
        self.gallery.enter_look(context, look).await?;
        Ok(count)
    }

    /// Whether a record stands as is asked for.
    async fn stands(&self, head: &SubjectHead, standing: Option<StandingFilter>) -> Result<bool, WorkflowError> {
        let Some(wanted) = standing else { return Ok(true) };
        if !wanted.passes(&head.standing) {
            return Ok(false);
        }
        if wanted != StandingFilter::ErasureReady {
            return Ok(true);
        }
        let about = ReadSet { decisions_about: Some(head.id.clone()), ..ReadSet::default() };
        Ok(!self.gallery.read(about).await?.about.iter().any(|decision| decision.waits))
    }

    async fn counted(&self, context: &RequestContext, filter: SubjectFilter) -> Result<SubjectCount, WorkflowError> {
        context.check_deadline()?;
        let gallery = self.gallery;
        let (is_all, standing) = (filter == SubjectFilter::default(), filter.standing);
        let filter = index_filter(filter)?;
        if is_all {
            let stats = gallery.stats();
            return Ok(SubjectCount { subjects: stats.subjects, templates: stats.templates });
        }
        let mut count = SubjectCount { subjects: 0, templates: 0 };
        let mut after = None;
        loop {
            let (heads, more) = self.heads_after(after.as_ref()).await?;
            for head in heads.iter().filter(|head| filter.passes(&head.attributes, head.standing.is_restricted())) {
                if !self.stands(head, standing).await? {
                    continue;
                }
                count.subjects += 1;
                count.templates += head.templates.len() as u64;
            }
            match more {
                Some(more) => after = Some(more),
                None => return Ok(count),
            }
            context.check_deadline()?;
        }
    }

    /// Up to [`READ_AT_ONCE`] subjects in the store's order, those after `after`, and the id
    /// to go on after where there may be more.
    async fn heads_after(
        &self,
        after: Option<&SubjectId>,
    ) -> Result<(Vec<SubjectHead>, Option<SubjectId>), WorkflowError> {
        let gallery = self.gallery;
        let subjects = gallery.list(after, READ_AT_ONCE).await?;
        let next = subjects.last().filter(|_| subjects.len() == READ_AT_ONCE).cloned();
        // A page may end in the middle of them: a list goes on after its last one in the store's order.
        let places: HashMap<SubjectId, usize> = subjects.iter().cloned().zip(0..).collect();
        // One that was removed meanwhile is not among them.
        let mut heads = gallery.read(ReadSet { subjects, ..ReadSet::default() }).await?.subjects;
        heads.sort_unstable_by_key(|head| places.get(&head.id).copied());
        Ok((heads, next))
    }
}

impl Engine {
    /// The cases of the engine's gallery.
    pub(in crate::workflow) fn cases(&self) -> Result<Cases<'_>, WorkflowError> {
        Ok(Cases::new(self.gallery()?, self.case_rules(), self.number_ids()))
    }

    /// [`Cases::case`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn case(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CaseDecision>, WorkflowError> {
        self.cases()?.case(context, transaction, attempt).await
    }

    /// [`Cases::decisions`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn decisions(
        &self,
        context: &RequestContext,
        filter: &DecisionFilter,
        page: &PageRequest,
    ) -> Result<ListPage<DecisionHead>, WorkflowError> {
        self.cases()?.decisions(context, filter, page).await
    }

    /// [`Cases::repeated_captures`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn repeated_captures(
        &self,
        context: &RequestContext,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: &PageRequest,
    ) -> Result<ListPage<RepeatedCapture>, WorkflowError> {
        self.cases()?.repeated_captures(context, since, until, page).await
    }

    /// [`Cases::pairs`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn pairs(
        &self,
        context: &RequestContext,
        state: Option<PairState>,
        page: &PageRequest,
    ) -> Result<ListPage<ClearedPair>, WorkflowError> {
        self.cases()?.pairs(context, state, page).await
    }

    /// [`Cases::subjects`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
        page: &PageRequest,
    ) -> Result<ListPage<SubjectSummary>, WorkflowError> {
        self.cases()?.subjects(context, filter, page).await
    }

    /// [`Cases::count_subjects`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn count_subjects(
        &self,
        context: &RequestContext,
        filter: SubjectFilter,
    ) -> Result<SubjectCount, WorkflowError> {
        self.cases()?.count_subjects(context, filter).await
    }
}

fn index_filter(filter: SubjectFilter) -> Result<IndexFilter, WorkflowError> {
    let SubjectFilter { scheme, province, .. } = filter;
    let Filter { scheme, province, .. } = checked(Filter { scheme, province, ..Filter::default() })?;
    // Lists and counts are of all records, as they stand.
    Ok(IndexFilter { scheme, province, restricted: Restricted::Included, ..IndexFilter::default() })
}

/// No id holds a control character.
const BETWEEN: u8 = 0;

fn token_of(gallery: crate::gallery::GalleryId, (first, second): &(SubjectId, SubjectId)) -> String {
    let place = [first.as_str().as_bytes(), &[BETWEEN], second.as_str().as_bytes()].concat();
    page_token::encode(List::Pairs, gallery, &place)
}

fn pair_of(place: &[u8]) -> Result<(SubjectId, SubjectId), WorkflowError> {
    let at = place.iter().position(|byte| *byte == BETWEEN).ok_or(WorkflowError::PageToken)?;
    let id = |bytes: &[u8]| page_token::subject(bytes.to_vec());
    Ok((id(&place[..at])?, id(&place[at + 1..])?))
}
