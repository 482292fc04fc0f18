//! Pictures of cases that wait for an officer: made small from the captures and the chip's photo of a
//! decision that did not approve, and read by officers.

use std::sync::Arc;

use tokio::sync::{OnceCell, Semaphore};

use super::cases::Cases;
use crate::context::RequestContext;
use crate::gallery::{
    CasePicture, DecisionKey, Look, NewPictures, PICTURE_BYTES_MAX, PictureOf, ReadSet, RequestId, Timestamp,
};
use crate::imaging::{Limits, small_jpeg};
use crate::ledger::entry::Kind;
use crate::workflow::{Engine, WorkflowError, reach};

/// Longer side of a picture, in pixels: enough to compare faces on a screen.
const SIDE_MAX: u32 = 640;

/// Until when the pictures of a decision are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PicturesKept {
    /// At most until then: closing the transaction takes them away before.
    Until(Timestamp),
    /// None were: it approved, the gallery lies in the clear, or the operator keeps none.
    Never,
    /// They were, and are not any more: the transaction is closed, or their time is over.
    NoLonger,
}

impl PicturesKept {
    /// Its name in the log and in answers of the command line, where there are none.
    pub fn why_none(self) -> Option<&'static str> {
        match self {
            Self::Until(_) => None,
            Self::Never => Some("never_kept"),
            Self::NoLonger => Some("no_longer_kept"),
        }
    }
}

/// The pictures of a decision.
#[derive(Clone, PartialEq, Eq)]
pub struct CasePictures {
    /// Which decision.
    pub key: DecisionKey,
    /// Captures first, in their order; small JPEGs.
    pub pictures: Vec<CasePicture>,
    /// Captures and photos of which no picture could be made.
    pub left_out: u32,
    /// Until when they are kept, or why there are none.
    pub kept: PicturesKept,
}

opaque!(CasePictures);

/// Whose turn it is to make pictures: decoding takes memory and time of a core, and is done when the
/// photos' places among those that are analysed are others' already.
pub(super) struct PictureTurns(Semaphore);

impl Default for PictureTurns {
    /// One for every two cores: the networks have the others.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Semaphore::new((cores / 2).max(1)))
    }
}

/// What pictures are made of, as long as a decision is being made.
pub(super) struct PictureSources {
    captures: Arc<Vec<Vec<u8>>>,
    chip: Option<Arc<Vec<u8>>>,
    limits: Limits,
    lifetime_ms: u64,
    /// Made once, also where the decision is made anew.
    made: OnceCell<NewPictures>,
}

impl PictureSources {
    /// Of encoded captures, and the chip's photo as its files have it.
    pub(super) fn new(engine: &Engine, captures: Arc<Vec<Vec<u8>>>, chip: Option<Vec<u8>>) -> Self {
        let (limits, lifetime_ms) = (*engine.image_limits(), engine.case_rules().picture_lifetime_ms());
        Self { captures, chip: chip.map(Arc::new), limits, lifetime_ms, made: OnceCell::new() }
    }
}

/// Small pictures; what cannot be decoded is left out. One after another: each may take as much memory as
/// the limits allow.
fn small(captures: &[Vec<u8>], chip: Option<&[u8]>, limits: &Limits, lifetime_ms: u64) -> NewPictures {
    let of_captures = captures.iter().zip(0u32..).map(|(bytes, frame)| (PictureOf::Capture(frame), bytes.as_slice()));
    let (mut pictures, mut left_out) = (Vec::new(), 0);
    for (of, bytes) in of_captures.chain(chip.map(|bytes| (PictureOf::Chip, bytes))) {
        match small_jpeg(bytes, limits, SIDE_MAX, PICTURE_BYTES_MAX) {
            Some(jpeg) => pictures.push(CasePicture { of, jpeg }),
            None => left_out += 1,
        }
    }
    NewPictures { pictures, left_out, lifetime_ms }
}

impl Engine {
    /// The pictures to keep with a decision that does not approve: of each capture of 2 to 12 megapixels some
    /// 40 ms of one core, of a chip's photo 20 ms, off the threads that serve.
    pub(super) async fn pictures_of(&self, sources: &PictureSources) -> Result<NewPictures, WorkflowError> {
        let make = || async move {
            // Never closed.
            let turn = self.decision_service().picture_turns.0.acquire().await;
            let PictureSources { captures, chip, limits, lifetime_ms, .. } = sources;
            let (captures, chip, limits, lifetime_ms) = (Arc::clone(captures), chip.clone(), *limits, *lifetime_ms);
            let work = move || small(&captures, chip.as_ref().map(|chip| chip.as_slice()), &limits, lifetime_ms);
            let made = tokio::task::spawn_blocking(work).await.map_err(|_| WorkflowError::Answer);
            drop(turn);
            made
        };
        sources.made.get_or_try_init(make).await.cloned()
    }

    /// [`Cases::pictures`] of the engine's gallery.
    ///
    /// # Errors
    /// As there, and [`WorkflowError::NoGallery`].
    pub async fn case_pictures(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CasePictures>, WorkflowError> {
        self.cases()?.pictures(context, transaction, attempt).await
    }
}

impl Cases<'_> {
    /// The pictures of a decision that did not approve, as long as they are kept; `None` where there is
    /// no such decision. `attempt` `None` is the last one. That they were looked at is entered before they
    /// are given, and so is that there are none. Whoever presented the case may look as well: answering
    /// it is what they may not.
    ///
    /// # Errors
    /// [`WorkflowError::OutOfReach`] for a decision of another place, and the errors of the gallery, also
    /// where the look cannot be entered; [`WorkflowError::DeadlineExceeded`] where the deadline has passed
    /// already.
    pub async fn pictures(
        &self,
        context: &RequestContext,
        transaction: &RequestId,
        attempt: Option<u32>,
    ) -> Result<Option<CasePictures>, WorkflowError> {
        context.check_deadline()?;
        let key = DecisionKey::new(transaction.clone(), attempt.unwrap_or(1))?;
        let records = self.gallery.read(ReadSet { decision: Some(key), ..ReadSet::default() }).await?;
        let found = if attempt.is_some() { records.decision } else { records.last_decision };
        let look = Look::new(Kind::PictureRead);
        let Some(decision) = found else {
            let look = look.at_transaction(transaction, attempt).coming_to("unknown");
            self.gallery.enter_look(context, look).await?;
            return Ok(None);
        };
        reach::check(context, decision.unit.as_deref(), decision.province.as_deref())?;
        let stored = match decision.pictures_until {
            Some(_) => self.gallery.pictures(&decision.key).await?,
            None => None,
        };
        let kept = match (decision.pictures_until, &stored) {
            (None, _) => PicturesKept::Never,
            (Some(_), None) => PicturesKept::NoLonger,
            (Some(_), Some(stored)) => PicturesKept::Until(stored.kept_until),
        };
        let (pictures, left_out) = stored.map(|stored| (stored.pictures, stored.left_out)).unwrap_or_default();
        let look = look.at_transaction(transaction, Some(decision.key.attempt)).at([decision.subject]);
        let look = look.of_records(pictures.len());
        let look = kept.why_none().into_iter().fold(look, Look::coming_to);
        self.gallery.enter_look(context, look).await?;
        Ok(Some(CasePictures { key: decision.key, pictures, left_out, kept }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imaging::{RgbImage, decode, resized_jpeg};

    #[test]
    fn pictures_are_small_in_order_and_what_is_none_is_counted() {
        let large = RgbImage::new(1600, 1200, vec![120; 1600 * 1200 * 3]).unwrap();
        let large = resized_jpeg(&large, 1600, 1200, 90).unwrap();
        let captures = [large.clone(), b"no picture".to_vec(), large.clone()];
        let limits = Limits::default();
        let made = small(&captures, Some(&large), &limits, 7);
        let of: Vec<PictureOf> = made.pictures.iter().map(|picture| picture.of).collect();
        assert_eq!(of, [PictureOf::Capture(0), PictureOf::Capture(2), PictureOf::Chip]);
        assert_eq!((made.left_out, made.lifetime_ms), (1, 7));
        for picture in &made.pictures {
            let decoded = decode(&picture.jpeg, &limits).unwrap().image;
            assert_eq!((decoded.width(), decoded.height()), (640, 480));
        }
    }
}
