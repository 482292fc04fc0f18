//! The gallery: a record store and the indexes that follow it, as one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::entries;
use super::index::{Found, IndexFilter, VectorIndex};
use super::ledgered::Ledger;
use super::records::{Committed, ReadSet, Records};
use super::rules::{self, Command};
use super::store::RecordStore;
use super::{
    ANSWER_BYTES_MAX, CASE_PICTURES_MAX, Candidate, CaptureBand, CapturesFound, ChangeStanding, ClearPair, ClearedPair,
    DecisionFilter, DecisionKey, DecisionPage, Enrolment, Erase, Erasure, ErasureReceipt, Filter, GalleryError,
    GalleryId, GalleryRows, GallerySnapshot, LookUp, NewChallenge, NewDecision, PICTURE_BYTES_MAX, Receipt, RequestId,
    ResolveCommand, Restricted, Retry, Scope, Stats, StoredChallenge, StoredDecision, StoredPictures, Subject,
    SubjectId, Timestamp, UnclearPair, Watermark,
};
use crate::context::RequestContext;
use crate::face::{RecipeDigest, Template};
use crate::matching::compare;
use crate::search::{GraphReport, SearchError};

/// Candidates asked for beyond those wanted, of an index whose scores are not exact.
const SPARE: usize = 16;
/// Subjects read at a time to be scored again.
const READ_AT_ONCE: usize = 256;

/// Subjects, decisions and pairs in a [`RecordStore`], searched through a [`VectorIndex`] for each
/// recipe of their templates.
///
/// Acknowledged means durable and visible: when a write returns `Ok`, it survives a killed process
/// and a power cut, and every search that begins afterwards sees it. Searches are exact: scores
/// that an index gives only roughly are computed again from the stored templates.
///
/// Dropping it waits for the writes already begun and closes index and store.
pub struct Gallery {
    pub(super) store: Arc<dyn RecordStore>,
    /// One for each recipe; that of the gallery first.
    indexes: Vec<Arc<dyn VectorIndex>>,
    /// Held by whoever brings an index up to date.
    following: tokio::sync::Mutex<()>,
    /// Templates of commits under way.
    coming: AtomicU64,
    /// Where it keeps a transparency log.
    pub(super) ledger: Option<Ledger>,
}

impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gallery").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Templates of a commit under way, as long as it is.
struct Coming<'g> {
    gallery: &'g Gallery,
    templates: u64,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.gallery.coming.fetch_sub(self.templates, Ordering::AcqRel);
    }
}

impl Gallery {
    /// A gallery of these parts. `indexes` are of different recipes, one for each of the store's,
    /// the gallery's own first; none need be up to date.
    ///
    /// # Errors
    /// [`GalleryError::OtherRecipe`] where a recipe of the store has no index, or the first index
    /// is not of the store's first recipe.
    pub fn new(store: Arc<dyn RecordStore>, indexes: Vec<Arc<dyn VectorIndex>>) -> Result<Self, GalleryError> {
        let stored: Vec<RecipeDigest> = store.recipes().iter().map(|(recipe, _)| *recipe).collect();
        let indexed: Vec<RecipeDigest> = indexes.iter().map(|index| index.recipe()).collect();
        let Some((&own, &first)) = stored.first().zip(indexed.first()) else {
            return Err(GalleryError::Storage("a gallery needs an index of the store's recipe".into()));
        };
        // A template that no index holds would be found by no search.
        let missing = stored.iter().find(|recipe| !indexed.contains(recipe));
        match missing.or((own != first).then_some(&own)) {
            Some(&gallery) => Err(GalleryError::OtherRecipe { gallery, template: first }),
            None => {
                let (following, coming) = (Default::default(), AtomicU64::new(0));
                Ok(Self { store, indexes, following, coming, ledger: None })
            }
        }
    }

    fn own_index(&self) -> &dyn VectorIndex {
        // `new` refuses none.
        &*self.indexes[0]
    }

    /// The index that can compare with a template.
    fn index_for(&self, template: &Template) -> Result<&dyn VectorIndex, GalleryError> {
        let found = self.indexes.iter().find(|index| index.recipe() == template.recipe());
        let index =
            found.ok_or_else(|| GalleryError::OtherRecipe { gallery: self.recipe(), template: template.recipe() })?;
        let (expected, found) = (index.dimension(), template.vector().len());
        if expected == found { Ok(&**index) } else { Err(SearchError::Dimension { expected, found }.into()) }
    }

    /// What it is known by, wherever it is stored.
    pub fn id(&self) -> GalleryId {
        self.store.id()
    }

    /// Recipes of the templates it may hold, its own first, each with the number of templates
    /// that are there.
    ///
    /// # Errors
    /// As [`RecordStore::changes`].
    pub async fn templates_by_recipe(&self) -> Result<Vec<(RecipeDigest, u64)>, GalleryError> {
        self.follow().await?;
        Ok(self.counted())
    }

    fn counted(&self) -> Vec<(RecipeDigest, u64)> {
        let all = IndexFilter { restricted: Restricted::Included, ..IndexFilter::default() };
        self.indexes.iter().map(|index| (index.recipe(), index.count(&all))).collect()
    }

    /// Recipes of the templates it may hold, its own first.
    pub fn recipes(&self) -> impl Iterator<Item = RecipeDigest> {
        self.indexes.iter().map(|index| index.recipe())
    }

    /// The recipe that it was opened for.
    pub fn recipe(&self) -> RecipeDigest {
        self.own_index().recipe()
    }

    /// Values in a template of that recipe.
    pub fn dimension(&self) -> usize {
        self.own_index().dimension()
    }

    /// How the graph for look-ups stands; `None` where none is kept.
    pub fn graph_report(&self) -> Option<GraphReport> {
        self.own_index().graph_report()
    }

    /// How much is stored.
    pub fn stats(&self) -> Stats {
        let sizes = self.store.sizes();
        Stats { subjects: sizes.subjects, templates: sizes.templates, by_recipe: self.counted() }
    }

    /// Adds or changes one subject. With a [`Retry`], doing it again with the same request id and
    /// content returns the first receipt and changes nothing.
    ///
    /// # Errors
    /// [`GalleryError::RequestIdReused`] for the same request id with other content;
    /// [`GalleryError::TemplateCount`], [`GalleryError::SubjectExists`],
    /// [`GalleryError::PhotosDisagree`], [`GalleryError::RecordDisagrees`],
    /// [`GalleryError::OtherRecipe`], [`GalleryError::Search`]; as [`RecordStore::commit`].
    pub async fn enrol(
        &self,
        context: &RequestContext,
        enrolment: Enrolment,
        retry: Option<Retry>,
    ) -> Result<Receipt, GalleryError> {
        self.check(&enrolment)?;
        Ok(self.commit(context, Command::Enrol(enrolment, retry)).await?.receipt)
    }

    fn check(&self, enrolment: &Enrolment) -> Result<(), GalleryError> {
        rules::check_enrolment(enrolment)?;
        enrolment.templates.iter().try_for_each(|new| self.index_for(&new.template).map(drop))
    }

    /// Removes a subject with all its templates. In a sealed gallery its key is destroyed with it, where no
    /// decision about it and no request of it is left that is sealed under that.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`] where there is none; [`GalleryError::RequestIdReused`]; as
    /// [`RecordStore::commit`].
    pub async fn remove(
        &self,
        context: &RequestContext,
        subject: &SubjectId,
        retry: Option<Retry>,
    ) -> Result<Receipt, GalleryError> {
        let committed = self.commit(context, Command::Remove(subject.clone(), retry)).await;
        let Committed { receipt, gives_up_key, .. } = self.unless_keys_wait(committed).await?;
        // Of a retry it is not known, and the earlier call may have ended before it came to this.
        if self.store.is_sealed() && (gives_up_key || receipt.replayed) {
            self.destroy_keys().await?;
        }
        Ok(receipt)
    }

    /// What a removal or an erasure came to. That nothing is kept of somebody is said only once no key waits to be
    /// destroyed, as after one that was committed and failed at the key store.
    async fn unless_keys_wait(&self, committed: Result<Committed, GalleryError>) -> Result<Committed, GalleryError> {
        if matches!(committed, Err(GalleryError::UnknownSubject)) && self.store.is_sealed() {
            self.store.destroy_keys().await?;
        }
        committed
    }

    /// Destroys the keys that were given up. In this order: what an index file held of the record is gone
    /// when its key is.
    async fn destroy_keys(&self) -> Result<(), GalleryError> {
        for index in &self.indexes {
            index.forget_files().await?;
        }
        self.store.destroy_keys().await
    }

    /// Restricts or holds a record, or ends that. With a [`Retry`] as in [`Gallery::enrol`]. A restriction of
    /// another requester, or for another reason, stands beside those there are.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`]; [`GalleryError::NotRestricted`] where there is nothing to
    /// lift; [`GalleryError::SeveralRestrictions`] where [`StandingAction::Lift`](super::StandingAction::Lift)
    /// does not say which; [`GalleryError::UnknownHold`] where there is none of that name;
    /// [`GalleryError::HoldNameTaken`] where there is one, for another reason;
    /// [`GalleryError::RequestIdReused`]; as [`RecordStore::commit`].
    pub async fn change_standing(
        &self,
        context: &RequestContext,
        change: ChangeStanding,
        retry: Option<Retry>,
    ) -> Result<Receipt, GalleryError> {
        Ok(self.commit(context, Command::ChangeStanding(change, retry)).await?.receipt)
    }

    /// Takes away everything that is kept of a subject: the record, its templates, every decision
    /// about it with what belongs to it, and pairs. Where a referral of it waits for an officer, a
    /// legal hold is on it or a finding is open, the record is restricted instead; once that has
    /// ended, asking again erases it. The subject's id may be enrolled anew later.
    ///
    /// # Errors
    /// [`GalleryError::UnknownSubject`] where nothing is kept of it; [`GalleryError::RecordKept`]
    /// where it is not enrolled and a referral waits; [`GalleryError::RequestIdReused`]; as
    /// [`RecordStore::commit`].
    pub async fn erase(
        &self,
        context: &RequestContext,
        erase: Erase,
        retry: Option<Retry>,
    ) -> Result<ErasureReceipt, GalleryError> {
        let committed = self.commit(context, Command::Erase(erase, retry)).await;
        let Committed { receipt, erasure, entry, .. } = self.unless_keys_wait(committed).await?;
        let erasure = erasure.ok_or_else(|| GalleryError::Storage("the store did not say what was erased".into()))?;
        if erasure == Erasure::Erased {
            self.destroy_keys().await?;
        }
        Ok(ErasureReceipt { erasure, receipt, entry })
    }

    /// Stores a decision with its transaction id and whatever must be there together with it: an
    /// enrolment, and where it approves, the time of this verification for its scheme. The flag
    /// says that an earlier call with the same content had done it; the decision returned is then
    /// the earlier one.
    ///
    /// # Errors
    /// [`GalleryError::TransactionReused`] for other content under a used key or another subject
    /// or scheme under a used transaction; [`GalleryError::AttemptOutOfOrder`];
    /// [`GalleryError::TransactionClosed`] after an approval or a resolution;
    /// [`GalleryError::Outdated`] where what it rests on has changed, or somebody with the same
    /// face came after the search, or the challenge that it uses up is open no more: it must be made anew; [`GalleryError::SubjectExists`] where the
    /// enrolment came too late; as [`RecordStore::commit`].
    pub async fn decide(
        &self,
        context: &RequestContext,
        decision: NewDecision,
    ) -> Result<(StoredDecision, bool), GalleryError> {
        if decision.answer.len() > ANSWER_BYTES_MAX {
            return Err(GalleryError::Storage("the answer of a decision is too long to be stored".into()));
        }
        if let Some(enrolment) = &decision.enrolment {
            self.check(enrolment)?;
        }
        let pictures = decision.pictures.iter().flat_map(|new| &new.pictures);
        let is_too_long = pictures.clone().any(|picture| picture.jpeg.len() > PICTURE_BYTES_MAX);
        if is_too_long || pictures.count() > CASE_PICTURES_MAX {
            return Err(GalleryError::Storage(
                "the pictures of a decision are too many or too long to be stored".into(),
            ));
        }
        self.commit_decision(context, Command::Decide(decision)).await
    }

    /// Records what an officer made of a decision that did not approve, and where that closes it
    /// with an approval the time of this verification. The flag as in [`Gallery::decide`].
    ///
    /// # Errors
    /// [`GalleryError::UnknownTransaction`], [`GalleryError::UnknownAttempt`];
    /// [`GalleryError::NotReferred`] where it approved or a later attempt follows;
    /// [`GalleryError::AlreadyResolved`] where officers closed it otherwise, or this one has
    /// approved before; [`GalleryError::OfficerInvolved`] for one who presented the case or
    /// enrolled the subject; as [`RecordStore::commit`].
    pub async fn resolve(
        &self,
        context: &RequestContext,
        command: ResolveCommand,
    ) -> Result<(StoredDecision, bool), GalleryError> {
        // The log tells of whom: a command alone names the transaction.
        let about = match &self.ledger {
            None => None,
            Some(_) => self.decision(&command.key).await?.map(|decision| decision.subject),
        };
        let Committed { receipt, decision, .. } = self.commit_about(context, Command::Resolve(command), about).await?;
        Ok((decision.ok_or(GalleryError::UnknownTransaction)?, receipt.replayed))
    }

    async fn commit_decision(
        &self,
        context: &RequestContext,
        command: Command,
    ) -> Result<(StoredDecision, bool), GalleryError> {
        let Committed { receipt, decision, .. } = self.commit(context, command).await?;
        Ok((decision.ok_or(GalleryError::UnknownTransaction)?, receipt.replayed))
    }

    /// Keeps a challenge of Active Authentication, which one decision may use up. Beyond
    /// [`CHALLENGES_MAX`](super::CHALLENGES_MAX) of one owner the oldest ends.
    ///
    /// # Errors
    /// As [`RecordStore::commit`].
    pub async fn issue_challenge(
        &self,
        context: &RequestContext,
        challenge: NewChallenge,
    ) -> Result<StoredChallenge, GalleryError> {
        let Committed { challenge, .. } = self.commit(context, Command::Issue(challenge)).await?;
        challenge.ok_or_else(|| GalleryError::Storage("the store did not say which challenge it keeps".into()))
    }

    /// Remembers that two subjects share a face for a good reason, at least one of whom is
    /// enrolled. A pair that is in force stays as it is, and the receipt says replayed. Where it
    /// takes more than one officer, it is in force once so many have cleared it. Removing or
    /// replacing either subject forgets it.
    ///
    /// # Errors
    /// [`GalleryError::SamePair`], [`GalleryError::UnknownSubject`]; as [`RecordStore::commit`].
    pub async fn clear_pair(
        &self,
        context: &RequestContext,
        mut clear: ClearPair,
    ) -> Result<(ClearedPair, Receipt), GalleryError> {
        if clear.first > clear.second {
            std::mem::swap(&mut clear.first, &mut clear.second);
        }
        self.commit_pair(context, Command::Clear(clear)).await
    }

    /// Ends the clearing of a pair: both are reported as duplicates of each other again. What
    /// officers said before is kept with it.
    ///
    /// # Errors
    /// [`GalleryError::SamePair`], [`GalleryError::UnknownPair`]; as [`RecordStore::commit`].
    pub async fn unclear_pair(
        &self,
        context: &RequestContext,
        mut unclear: UnclearPair,
    ) -> Result<(ClearedPair, Receipt), GalleryError> {
        if unclear.first > unclear.second {
            std::mem::swap(&mut unclear.first, &mut unclear.second);
        }
        self.commit_pair(context, Command::Unclear(unclear)).await
    }

    async fn commit_pair(
        &self,
        context: &RequestContext,
        command: Command,
    ) -> Result<(ClearedPair, Receipt), GalleryError> {
        let Committed { receipt, pair, .. } = self.commit(context, command).await?;
        Ok((pair.ok_or(GalleryError::UnknownPair)?, receipt))
    }

    /// Commits a command and makes it visible to searches.
    pub(super) async fn commit(&self, context: &RequestContext, command: Command) -> Result<Committed, GalleryError> {
        self.commit_about(context, command, None).await
    }

    pub(super) async fn commit_about(
        &self,
        context: &RequestContext,
        command: Command,
        about: Option<SubjectId>,
    ) -> Result<Committed, GalleryError> {
        let coming = self.announce(&command).await?;
        let command = match &self.ledger {
            Some(ledger) => entries::entered(context, command, &ledger.key, about.as_ref())?,
            None => command,
        };
        let committed = self.store.commit(context, command).await?;
        self.sign_entered().await?;
        // Also of what an earlier call had done whose caller went before it was visible.
        self.follow().await?;
        drop(coming);
        Ok(committed)
    }

    /// Keeps room in the indexes for the templates of a command.
    async fn announce(&self, command: &Command) -> Result<Coming<'_>, GalleryError> {
        let mut templates = command.templates();
        if let Some(subject) = command.replaces() {
            let wanted = ReadSet { subjects: vec![subject.clone()], ..ReadSet::default() };
            let leaving = self.store.read(wanted).await?.head(subject).map_or(0, |head| head.templates.len());
            templates = templates.saturating_sub(leaving as u64);
        }
        let before = self.coming.fetch_add(templates, Ordering::AcqRel);
        let coming = Coming { gallery: self, templates };
        if templates > 0 {
            self.indexes.iter().try_for_each(|index| index.room_for(before + templates))?;
        }
        Ok(coming)
    }

    /// Brings the indexes up to everything that was acknowledged.
    async fn follow(&self) -> Result<Watermark, GalleryError> {
        let wanted = self.store.last_change();
        for index in &self.indexes {
            if index.watermark() >= wanted {
                continue;
            }
            let _only = self.following.lock().await;
            while index.watermark() < wanted {
                let before = index.watermark();
                index.apply(self.store.changes(before).await?).await?;
                if index.watermark() == before {
                    return Err(GalleryError::Behind);
                }
            }
        }
        Ok(wanted)
    }

    /// Reads records, all of them as of one commit.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn read(&self, wanted: ReadSet) -> Result<Records, GalleryError> {
        self.store.read(wanted).await
    }

    /// The receipt of an earlier write with this request id, so that a retry need not even be
    /// computed.
    ///
    /// # Errors
    /// [`GalleryError::RequestIdReused`] for other content; as [`RecordStore::read`].
    pub async fn receipt(&self, retry: &Retry) -> Result<Option<Receipt>, GalleryError> {
        let wanted = ReadSet { request: Some(retry.request_id.clone()), ..ReadSet::default() };
        match self.store.read(wanted).await?.request {
            Some(request) if request.content == retry.content => {
                self.follow().await?;
                Ok(Some(request.receipt()))
            }
            Some(_) => Err(GalleryError::RequestIdReused),
            None => Ok(None),
        }
    }

    /// One subject with its templates.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn subject(&self, subject: &SubjectId) -> Result<Option<Subject>, GalleryError> {
        let wanted = ReadSet { subjects: vec![subject.clone()], templates: true, ..ReadSet::default() };
        self.store.read(wanted).await?.subject(subject)
    }

    /// Up to `limit` subject ids in the store's own order, which does not change, those after `after`.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn list(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<SubjectId>, GalleryError> {
        self.store.subjects_after(after, limit).await
    }

    /// One decision.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn decision(&self, key: &DecisionKey) -> Result<Option<StoredDecision>, GalleryError> {
        let wanted = ReadSet { decision: Some(key.clone()), ..ReadSet::default() };
        Ok(self.store.read(wanted).await?.decision)
    }

    /// The pictures of a decision, as far as they are kept still.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn pictures(&self, key: &DecisionKey) -> Result<Option<StoredPictures>, GalleryError> {
        let wanted = ReadSet { decision: Some(key.clone()), pictures: true, ..ReadSet::default() };
        let found = self.store.read(wanted).await?.pictures;
        Ok(found.filter(|pictures| pictures.kept_until > Timestamp::now()))
    }

    /// Whether what is stored lies sealed. A gallery in the clear may come to be sealed while it is open.
    pub fn is_sealed(&self) -> bool {
        self.store.is_sealed()
    }

    /// The last attempt of a transaction.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn last_decision(&self, transaction: &RequestId) -> Result<Option<StoredDecision>, GalleryError> {
        let first = DecisionKey { transaction: transaction.clone(), attempt: 1 };
        let wanted = ReadSet { decision: Some(first), ..ReadSet::default() };
        Ok(self.store.read(wanted).await?.last_decision)
    }

    /// Those with whom a subject shares a face for a good reason, in byte order.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn cleared_with(&self, subject: &SubjectId) -> Result<Vec<SubjectId>, GalleryError> {
        let wanted = ReadSet { cleared_with: Some(subject.clone()), ..ReadSet::default() };
        Ok(self.store.read(wanted).await?.cleared_with)
    }

    /// Up to `limit` cleared pairs, however they stand, in the store's own order, those after `after`.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn cleared_pairs(
        &self,
        after: Option<&(SubjectId, SubjectId)>,
        limit: usize,
    ) -> Result<Vec<ClearedPair>, GalleryError> {
        self.store.pairs_after(after, limit).await
    }

    /// Decisions that pass the filter, lowest number first, those after `after`: up to `limit` of
    /// them, and perhaps fewer than there are.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn decisions_after(
        &self,
        filter: &DecisionFilter,
        after: u64,
        limit: usize,
    ) -> Result<DecisionPage, GalleryError> {
        self.store.decisions_after(filter, after, limit).await
    }

    /// Captures that share a key with those looked up, oldest first.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn captures_sharing(&self, bands: &[CaptureBand]) -> Result<CapturesFound, GalleryError> {
        self.store.captures_sharing(bands).await
    }

    /// Everything as it is now, to be read while the gallery is in use.
    ///
    /// # Errors
    /// As [`RecordStore::snapshot`].
    pub async fn snapshot(&self) -> Result<GallerySnapshot, GalleryError> {
        self.store.snapshot().await
    }

    /// Every row as it is stored now, to be read while the gallery is in use.
    ///
    /// # Errors
    /// As [`RecordStore::rows`].
    pub async fn rows(&self) -> Result<GalleryRows, GalleryError> {
        self.store.rows().await
    }

    /// Templates of all subjects who pass the filter, of every recipe: how many the searches by
    /// all of them compare with.
    ///
    /// # Errors
    /// As [`RecordStore::read`].
    pub async fn templates_in(&self, filter: &Filter) -> Result<u64, GalleryError> {
        let attributes = IndexFilter {
            scheme: filter.scheme.clone(),
            province: filter.province.clone(),
            excluded: Default::default(),
            restricted: filter.restricted,
        };
        self.follow().await?;
        let count: u64 = self.indexes.iter().map(|index| index.count(&attributes)).sum();
        if filter.excluded.is_empty() && filter.claimed.is_none() {
            return Ok(count);
        }
        let named = filter.excluded.iter().chain(&filter.claimed).cloned().collect();
        let wanted = ReadSet { subjects: named, cleared_with: filter.claimed.clone(), ..ReadSet::default() };
        let records = self.store.read(wanted).await?;
        let out: HashMap<&SubjectId, usize> = records
            .subjects
            .iter()
            .chain(&records.cleared_heads)
            .filter(|head| attributes.passes(&head.attributes, head.standing.is_restricted()))
            .map(|head| (&head.id, head.templates.len()))
            .collect();
        Ok(count.saturating_sub(out.values().sum::<usize>() as u64))
    }

    /// The filter with everybody it leaves out by name.
    async fn resolved(&self, filter: &Filter) -> Result<IndexFilter, GalleryError> {
        let Filter { scheme, province, excluded, claimed, restricted } = filter.clone();
        let mut resolved = IndexFilter { scheme, province, excluded, restricted };
        if let Some(claimed) = claimed {
            resolved.excluded.extend(self.cleared_with(&claimed).await?);
            resolved.excluded.insert(claimed);
        }
        Ok(resolved)
    }

    /// Subjects by face, best first, ties by subject id, those alone who pass the filter. Exact:
    /// what searching all and leaving the others out would give.
    ///
    /// # Errors
    /// [`GalleryError::OtherRecipe`]; [`GalleryError::Search`] for a score that is no number; as
    /// [`RecordStore::read`] and [`VectorIndex::search`].
    pub async fn search(
        &self,
        probe: &Template,
        scope: Scope,
        filter: &Filter,
    ) -> Result<Vec<Candidate>, GalleryError> {
        Ok(self.find(probe, scope, filter).await?.candidates)
    }

    /// The same, and as of which commit it was searched.
    ///
    /// # Errors
    /// As [`Gallery::search`].
    pub async fn find(&self, probe: &Template, scope: Scope, filter: &Filter) -> Result<Found, GalleryError> {
        let index = self.index_for(probe)?;
        if let Scope::Within(score) = scope
            && !score.is_finite()
        {
            return Err(SearchError::BadScore.into());
        }
        let filter = self.resolved(filter).await?;
        self.find_in(index, probe, scope, &filter).await
    }

    async fn find_in(
        &self,
        index: &dyn VectorIndex,
        probe: &Template,
        scope: Scope,
        filter: &IndexFilter,
    ) -> Result<Found, GalleryError> {
        let at_least = self.follow().await?;
        let error = index.score_error();
        if error <= 0.0 {
            return index.search(probe, scope, filter, at_least).await;
        }
        let mut wanted = match scope {
            Scope::Within(score) => Scope::Within(score - error),
            Scope::Nearest(k) => Scope::Nearest(k.saturating_add(SPARE)),
        };
        loop {
            let rough = index.search(probe, wanted, filter, at_least).await?;
            let last = rough.candidates.last().map(|candidate| candidate.score);
            let found = rough.candidates.len();
            let mut candidates = self.scored_again(probe, rough.candidates).await?;
            match (scope, wanted) {
                (Scope::Nearest(k), Scope::Nearest(asked)) => {
                    let kth = k.checked_sub(1).and_then(|kth| candidates.get(kth));
                    // Whoever was left out scores no more than the last one, give or take the error.
                    let is_settled =
                        kth.zip(last).is_some_and(|(kth, last)| kth.score > last + error) || k == 0 || found < asked;
                    if !is_settled {
                        wanted = Scope::Nearest(asked.saturating_mul(4));
                        continue;
                    }
                    candidates.truncate(k);
                }
                (Scope::Within(score), _) => candidates.retain(|candidate| candidate.score >= score),
                (Scope::Nearest(_), Scope::Within(_)) => {}
            }
            return Ok(Found { candidates, as_of: rough.as_of });
        }
    }

    /// The candidates with the exact score of each one's best template, in order.
    async fn scored_again(&self, probe: &Template, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, GalleryError> {
        let mut exact = Vec::with_capacity(candidates.len());
        for some in candidates.chunks(READ_AT_ONCE) {
            let subjects: Vec<SubjectId> = some.iter().map(|candidate| candidate.subject.clone()).collect();
            let records = self.store.read(ReadSet { subjects, templates: true, ..ReadSet::default() }).await?;
            let templates: HashMap<u64, &Template> =
                records.templates.iter().map(|stored| (stored.id, &stored.content.template)).collect();
            for head in &records.subjects {
                let score = |id: &u64| Some((*id, compare(probe, templates.get(id)?).ok()?));
                let best = head.templates.iter().filter_map(score).max_by(|one, other| {
                    // Of equal ones the oldest.
                    one.1.total_cmp(&other.1).then_with(|| other.0.cmp(&one.0))
                });
                exact.extend(best.map(|(template_id, score)| Candidate {
                    subject: head.id.clone(),
                    template_id,
                    score,
                }));
            }
        }
        exact.sort_unstable_by(Candidate::best_first);
        Ok(exact)
    }

    /// The `k` subjects whose best template scores highest, for somebody who looks through a
    /// gallery: where the index keeps a graph for it, some of them may be missed; the scores of
    /// those found are exact, and nobody is found who does not pass the filter. Never what a
    /// decision rests on. Without a graph the answer is exact.
    ///
    /// # Errors
    /// As [`Gallery::search`].
    pub async fn look_up(&self, probe: &Template, k: usize, filter: &Filter) -> Result<LookUp, GalleryError> {
        let index = self.index_for(probe)?;
        let filter = self.resolved(filter).await?;
        self.follow().await?;
        match index.look_up(probe, k, &filter).await? {
            Ok(found) => Ok(found),
            Err(instead) => {
                let found = self.find_in(index, probe, Scope::Nearest(k), &filter).await?;
                Ok(LookUp::exactly(found.candidates, instead))
            }
        }
    }

    /// The `k` subjects whose best template scores highest, best first, ties by subject id.
    ///
    /// # Errors
    /// As [`Gallery::search`].
    pub async fn nearest(&self, probe: &Template, k: usize) -> Result<Vec<Candidate>, GalleryError> {
        self.search(probe, Scope::Nearest(k), &Filter::default()).await
    }

    /// Every subject with a template at or above `score`, best first, ties by subject id.
    ///
    /// # Errors
    /// As [`Gallery::search`].
    pub async fn within(&self, probe: &Template, score: f32) -> Result<Vec<Candidate>, GalleryError> {
        self.search(probe, Scope::Within(score), &Filter::default()).await
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        self.indexes.iter().for_each(|index| index.close());
        self.store.close();
    }
}
