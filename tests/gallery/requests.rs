//! What is promised of requests of people, for every store: each has a number of its own and clocks that
//! nobody moves, ends once, and tells nothing of a person who was erased.

use std::sync::Arc;

use chinhchu::gallery::{
    self, AnswerRequest, Erase, Erasure, Gallery, GalleryError, HoldName, OpenRequest, RequestAnswer, RequestCounts,
    RequestFilter, RequestKind, RequestState, Requester, StandingAction, SubjectRequest, Timestamp,
};

use crate::memory::{MemoryIndex, MemoryStore};
use crate::standing::note;
use crate::support::*;

promises!(
    embedded, super::embedded; sealed, super::embedded_and_sealed; memory, super::in_memory;
    postgres, crate::postgres::gallery => {
        a_request_is_kept_with_its_number_clocks_and_whoever_answered,
        a_request_ends_once,
        a_request_is_entered_and_answered_once_by_its_request_id,
        requests_are_listed_by_subject_by_state_and_by_what_is_late,
        an_erasure_ends_the_requests_about_its_record_and_what_stays_names_nobody,
        an_erasure_that_waits_ends_no_request,
        what_is_kept_of_somebody_who_only_asked_is_erased_as_well,
        a_number_is_never_given_out_twice,
    }
);

fn embedded() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path()).unwrap(), dir)
}

fn embedded_and_sealed() -> (Gallery, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open_sealed(dir.path()).unwrap(), dir)
}

fn in_memory() -> (Gallery, ()) {
    (Gallery::new(Arc::new(MemoryStore::default()), vec![Arc::new(MemoryIndex::default())]).unwrap(), ())
}

/// A request that was received at 1000, is to be acknowledged by 2000 and to end by 3000.
pub fn asked(subject: &str, kind: RequestKind) -> OpenRequest {
    OpenRequest {
        subject: id(subject),
        kind,
        requester: Requester::Person,
        received_at: Timestamp(1000),
        acknowledge_by: Timestamp(2000),
        complete_by: Timestamp(3000),
        by: id("clerk-of-the-test"),
        reason: note("words-of-the-test"),
    }
}

pub async fn opened(gallery: &Gallery, subject: &str, kind: RequestKind) -> u64 {
    gallery.open_request(&by(), asked(subject, kind), None).await.unwrap().0.number
}

pub async fn answered(gallery: &Gallery, number: u64, answer: RequestAnswer) -> Result<SubjectRequest, GalleryError> {
    let answer = AnswerRequest { number, answer, by: id("o-2"), reason: note("as was found") };
    gallery.answer_request(&by(), answer, None).await.map(|(request, _)| request)
}

async fn found(gallery: &Gallery, number: u64) -> SubjectRequest {
    gallery.subject_request(number).await.unwrap().unwrap()
}

async fn numbers(gallery: &Gallery, filter: RequestFilter) -> Vec<u64> {
    let page = gallery.requests_after(&filter, 0, 100).await.unwrap();
    assert_eq!(page.more_after, None);
    page.requests.iter().map(|request| request.number).collect()
}

fn erase(subject: &str) -> Erase {
    let reason = note("the person asked");
    Erase { subject: id(subject), requester: Requester::Person, finding_open: false, by: id("r-1"), reason }
}

async fn a_request_is_kept_with_its_number_clocks_and_whoever_answered(gallery: Gallery) {
    // Whoever asks need not be enrolled: that nothing is kept is an answer as well.
    let (request, receipt) = gallery.open_request(&by(), asked("a", RequestKind::Access), None).await.unwrap();
    assert!(request.number == 1 && !receipt.replayed);
    assert!(request == found(&gallery, 1).await, "what is answered is what is stored");
    assert_eq!(request.state(), RequestState::Open);
    assert!(request.subject == Some(id("a")) && request.requester == Requester::Person);
    let times = [request.received_at, request.acknowledge_by, request.complete_by].map(|at| at.0);
    assert_eq!(times, [1000, 2000, 3000]);
    assert!(request.opened.by == Some(id("clerk-of-the-test")) && request.opened.at.0 > 3000);
    let told = answered(&gallery, 1, RequestAnswer::Acknowledge).await.unwrap();
    assert_eq!(told.state(), RequestState::Acknowledged);
    let done = answered(&gallery, 1, RequestAnswer::Complete).await.unwrap();
    assert!(done.state() == RequestState::Completed && done.acknowledged == told.acknowledged);
    let (_, step) = done.closed.clone().unwrap();
    assert!(step.by == Some(id("o-2")) && step.reason == Some(note("as was found")));
    assert!(found(&gallery, 1).await == done && done.complete_by == Timestamp(3000), "no answer moves a clock");
}

async fn a_request_ends_once(gallery: Gallery) {
    let number = opened(&gallery, "a", RequestKind::Correction).await;
    let refused = answered(&gallery, number, RequestAnswer::Refuse).await.unwrap();
    let again = answered(&gallery, number, RequestAnswer::Refuse).await.unwrap();
    assert!(again == refused, "the same is done already, and changes nothing");
    for other in [RequestAnswer::Complete, RequestAnswer::Acknowledge] {
        assert!(matches!(answered(&gallery, number, other).await, Err(GalleryError::RequestClosed)));
    }
    assert!(found(&gallery, number).await == refused);
    let unknown = answered(&gallery, number + 1, RequestAnswer::Complete).await;
    assert!(matches!(unknown, Err(GalleryError::UnknownRequest)));
}

async fn a_request_is_entered_and_answered_once_by_its_request_id(gallery: Gallery) {
    let open = async |name: &str, content| {
        gallery.open_request(&by(), asked("a", RequestKind::Access), Some(retry(name, content))).await
    };
    let (first, receipt) = open("once", 1).await.unwrap();
    opened(&gallery, "a", RequestKind::Access).await;
    let (again, replayed) = open("once", 1).await.unwrap();
    assert!(again == first && replayed.replayed && replayed.commit == receipt.commit);
    assert!(matches!(open("once", 2).await, Err(GalleryError::RequestIdReused)));
    assert_eq!(numbers(&gallery, RequestFilter::default()).await, [1, 2]);
    let answer = async |answer, content| {
        let answer = AnswerRequest { number: 1, answer, by: id("o-2"), reason: note("told") };
        gallery.answer_request(&by(), answer, Some(retry("answer", content))).await
    };
    answer(RequestAnswer::Acknowledge, 1).await.unwrap();
    answered(&gallery, 1, RequestAnswer::Complete).await.unwrap();
    let (late, receipt) = answer(RequestAnswer::Acknowledge, 1).await.unwrap();
    assert!(receipt.replayed && late.state() == RequestState::Completed, "as it stands now");
    assert!(matches!(answer(RequestAnswer::Refuse, 2).await, Err(GalleryError::RequestIdReused)));
}

async fn requests_are_listed_by_subject_by_state_and_by_what_is_late(gallery: Gallery) {
    let later = |by| OpenRequest { acknowledge_by: Timestamp(by), ..asked("b", RequestKind::Access) };
    opened(&gallery, "a", RequestKind::Access).await;
    for by_then in [2500, u64::MAX] {
        let open = OpenRequest { complete_by: Timestamp(u64::MAX), ..later(by_then) };
        gallery.open_request(&by(), open, None).await.unwrap();
    }
    opened(&gallery, "a", RequestKind::Erasure).await;
    answered(&gallery, 2, RequestAnswer::Acknowledge).await.unwrap();
    answered(&gallery, 4, RequestAnswer::Refuse).await.unwrap();
    let all = RequestFilter::default();
    assert_eq!(numbers(&gallery, all.clone()).await, [1, 2, 3, 4]);
    assert_eq!(numbers(&gallery, RequestFilter { subject: Some(id("a")), ..all.clone() }).await, [1, 4]);
    assert_eq!(numbers(&gallery, RequestFilter { subject: Some(id("c")), ..all.clone() }).await, [0; 0]);
    assert_eq!(numbers(&gallery, RequestFilter { open: true, ..all.clone() }).await, [1, 2, 3]);
    assert_eq!(numbers(&gallery, RequestFilter { subject: Some(id("a")), open: true, ..all.clone() }).await, [1]);
    let late = |at| RequestFilter { late_at: Some(Timestamp(at)), ..RequestFilter::default() };
    assert_eq!(numbers(&gallery, late(1999)).await, [0; 0]);
    assert_eq!(numbers(&gallery, late(2999)).await, [1], "one that was acknowledged has until its end");
    let counts = gallery.count_requests(Timestamp(2999)).await.unwrap();
    assert_eq!(counts, RequestCounts { open: 3, overdue: 1 });
    // Pages begin where the last one ended, and none is left out or shown twice.
    let (mut paged, mut after) = (Vec::new(), Some(0));
    while let Some(from) = after {
        let page = gallery.requests_after(&all, from, 1).await.unwrap();
        assert!(page.requests.len() <= 1);
        paged.extend(page.requests.iter().map(|request| request.number));
        after = page.more_after;
    }
    assert_eq!(paged, [1, 2, 3, 4]);
}

async fn an_erasure_ends_the_requests_about_its_record_and_what_stays_names_nobody(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    for kind in [RequestKind::Access, RequestKind::Erasure, RequestKind::Correction] {
        opened(&gallery, "a", kind).await;
    }
    let of_another = opened(&gallery, "b", RequestKind::Access).await;
    answered(&gallery, 2, RequestAnswer::Acknowledge).await.unwrap();
    answered(&gallery, 3, RequestAnswer::Refuse).await.unwrap();
    assert_eq!(gallery.erase(&by(), erase("a"), None).await.unwrap().erasure, Erasure::Erased);
    for (number, state) in [(1, RequestState::Superseded), (2, RequestState::Completed), (3, RequestState::Refused)] {
        let request = found(&gallery, number).await;
        assert_eq!(
            (request.state(), request.received_at, request.complete_by),
            (state, Timestamp(1000), Timestamp(3000))
        );
        assert_eq!(request.acknowledged.is_some(), number == 2);
        assert!(request.subject.is_none(), "{number}");
        let (_, closed) = request.closed.unwrap();
        let steps = [Some(request.opened), request.acknowledged, Some(closed)];
        assert!(steps.iter().flatten().all(|step| step.by.is_none() && step.reason.is_none() && step.at.0 > 3000));
    }
    assert_eq!(numbers(&gallery, RequestFilter { subject: Some(id("a")), ..RequestFilter::default() }).await, [0; 0]);
    assert_eq!(numbers(&gallery, RequestFilter { open: true, ..RequestFilter::default() }).await, [of_another]);
    assert_eq!(numbers(&gallery, RequestFilter::default()).await, [1, 2, 3, 4]);
    let late = answered(&gallery, 1, RequestAnswer::Complete).await;
    assert!(matches!(late, Err(GalleryError::RequestClosed)));
}

async fn an_erasure_that_waits_ends_no_request(gallery: Gallery) {
    create(&gallery, "a", &[1]).await.unwrap();
    let number = opened(&gallery, "a", RequestKind::Erasure).await;
    let action = StandingAction::Hold(HoldName::new("VKS-12").unwrap());
    let hold = gallery::ChangeStanding { subject: id("a"), action, by: id("o-1"), reason: note("order") };
    gallery.change_standing(&by(), hold, None).await.unwrap();
    assert!(matches!(gallery.erase(&by(), erase("a"), None).await.unwrap().erasure, Erasure::Waits(_)));
    let request = found(&gallery, number).await;
    assert!(request.is_open() && request.subject == Some(id("a")) && request.late(Timestamp(3000)).is_some());
}

async fn what_is_kept_of_somebody_who_only_asked_is_erased_as_well(gallery: Gallery) {
    let number = opened(&gallery, "a", RequestKind::Access).await;
    assert_eq!(gallery.erase(&by(), erase("a"), None).await.unwrap().erasure, Erasure::Erased);
    assert!(found(&gallery, number).await.subject.is_none());
    let again = gallery.erase(&by(), erase("a"), None).await;
    assert!(matches!(again, Err(GalleryError::UnknownSubject)), "nothing is kept any more");
}

async fn a_number_is_never_given_out_twice(gallery: Gallery) {
    opened(&gallery, "a", RequestKind::Access).await;
    gallery.erase(&by(), erase("a"), None).await.unwrap();
    assert_eq!(opened(&gallery, "a", RequestKind::Access).await, 2);
}

/// A folder of before has none of the tables, clear or sealed.
#[test]
fn a_gallery_whose_tables_are_missing_gets_them() {
    use redb::{Database, TableDefinition};
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for is_sealed in [false, true] {
        let open = || if is_sealed { open_sealed(dir.path()) } else { open(dir.path()) };
        block_on(async { create(&open().unwrap(), "a", &[1]).await.unwrap() });
        let folder = if is_sealed { data.as_path() } else { dir.path() };
        let database = Database::open(folder.join("chinhchu.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        for table in ["subject_requests", "open_requests"] {
            assert!(transaction.delete_table(TableDefinition::<u64, &[u8]>::new(table)).unwrap());
        }
        let listed = TableDefinition::<&str, &[u8]>::new("requests_of_subject");
        assert!(transaction.delete_table(listed).unwrap());
        transaction.commit().unwrap();
        drop(database);
        block_on(async {
            let gallery = open().unwrap();
            assert_eq!(opened(&gallery, "a", RequestKind::Access).await, 1);
            assert!(gallery.subject(&id("a")).await.unwrap().is_some());
        });
        // Another gallery lies in the folder that the sealed one is made in.
        if !is_sealed {
            for entry in std::fs::read_dir(dir.path()).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
    }
}
