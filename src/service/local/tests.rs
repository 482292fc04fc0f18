//! Tests with both ends in one process, a real gallery and a real socket.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::pb::piece::Content;
use super::pb::snapshots_server::SnapshotsServer;
use super::server::Snapshots;
use super::{LocalError, SOCKET, Snapshot, VERSION, pb, socket};
use crate::context::RequestContext;
use crate::face::{RecipeDigest, Template};
use crate::gallery::{
    self, Attributes, ClearPair, EmbeddedOptions, EnrolMode, Enrolment, Gallery, NewTemplate, Note, SnapshotPart,
    Source, SubjectId, Timestamp,
};

const RECIPE: RecipeDigest = RecipeDigest([9; 32]);
const DIMENSION: usize = 512;

fn id(text: &str) -> SubjectId {
    SubjectId::new(text).unwrap()
}

fn enrolment(number: u32, templates: u32) -> Enrolment {
    let new = |of: u32| {
        let raw: Vec<f32> = (0..DIMENSION as u32).map(|i| ((i * 7 + of * 13 + number * 31) as f32).sin()).collect();
        NewTemplate {
            template: Template::from_raw(RECIPE, &raw).unwrap(),
            source: [Source::Chip, Source::Live, Source::Other][of as usize % 3],
            captured_at: of.is_multiple_of(2).then_some(Timestamp(u64::from(of) + 5)),
            quality: of.is_multiple_of(3).then_some(0.1 + of as f32),
        }
    };
    Enrolment {
        by: None,
        legal_basis: None,
        subject: id(&format!("người-{number:04}")),
        mode: EnrolMode::Create,
        attributes: Attributes {
            schemes: (0..number % 3).map(|scheme| format!("scheme-{scheme}")).collect(),
            province: number.is_multiple_of(2).then(|| "79".to_owned()),
            unit: number.is_multiple_of(5).then(|| "u".to_owned()),
        },
        templates: (0..templates).map(new).collect(),
        agreement: crate::gallery::Agreement::Known,
    }
}

/// A gallery of so many subjects with so many templates each.
async fn gallery(folder: &Path, subjects: u32, templates: u32) -> Arc<Gallery> {
    let gallery = gallery::open(folder, RECIPE, DIMENSION, EmbeddedOptions::default()).unwrap();
    for number in 0..subjects {
        gallery.enrol(&RequestContext::internal("test"), enrolment(number, templates), None).await.unwrap();
    }
    Arc::new(gallery)
}

/// A gallery that is larger than all buffers of both ends and the socket.
async fn large_gallery(folder: &Path) -> Arc<Gallery> {
    gallery(folder, 120, 16).await
}

struct Serving {
    closing: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    fn start(of: Snapshots) -> Self {
        let closing = CancellationToken::new();
        let task = tokio::spawn(of.serve(closing.clone().cancelled_owned()));
        Self { closing, task }
    }

    async fn end(self) {
        self.closing.cancel();
        self.task.await.unwrap();
    }
}

/// Reads to the end or to an error.
async fn rest(snapshot: &mut Snapshot) -> Result<Vec<SnapshotPart>, LocalError> {
    let mut parts = Vec::new();
    while let Some(part) = snapshot.next().await? {
        parts.push(part);
    }
    Ok(parts)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_through_the_socket_is_what_the_gallery_hands_on() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = gallery(folder.path(), 300, 3).await;
    let clear = |officer| ClearPair {
        first: id("người-0001"),
        second: id("người-0002"),
        officer: id(officer),
        reason: Note::new("twins").unwrap(),
        officers_needed: 2,
        lifetime_ms: Some(1 << 40),
    };
    for officer in ["o-7", "o-8"] {
        gallery.clear_pair(&RequestContext::internal("test"), clear(officer)).await.unwrap();
    }
    let mut direct = gallery.snapshot().await.unwrap();
    let serving = Serving::start(Snapshots::bind(folder.path(), Arc::clone(&gallery)).unwrap());
    let mode = std::fs::metadata(folder.path().join(SOCKET)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut snapshot = Snapshot::open(folder.path()).await.unwrap();
    // Stored after the snapshot was taken.
    gallery.enrol(&RequestContext::internal("test"), enrolment(999, 1), None).await.unwrap();
    let head = snapshot.head();
    assert_eq!((head.recipes.as_slice(), head.subjects, head.templates), ([(RECIPE, DIMENSION)].as_slice(), 300, 900));
    assert_eq!(head.template_next, direct.head().template_next);
    let parts = rest(&mut snapshot).await.unwrap();
    assert!(snapshot.next().await.unwrap().is_none());
    assert_eq!(parts.len(), 301);
    for part in parts {
        assert!(direct.next().await.unwrap() == Some(part), "a part differs");
    }
    assert!(direct.next().await.unwrap().is_none());

    serving.end().await;
    assert!(!folder.path().join(SOCKET).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_are_handed_on_at_once_and_a_place_falls_free_with_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = large_gallery(folder.path()).await;
    let serving = Serving::start(Snapshots::bind(folder.path(), gallery).unwrap());
    let mut held = Vec::new();
    let refused = loop {
        match Snapshot::open(folder.path()).await {
            Ok(snapshot) => held.push(snapshot),
            Err(error) => break error,
        }
    };
    assert_eq!(held.len(), 2);
    let told = refused.to_string();
    assert!(matches!(refused, LocalError::Refused { .. }) && told.contains("run the same command again"), "{told}");
    held.pop();
    let begun = Instant::now();
    let mut other = loop {
        match Snapshot::open(folder.path()).await {
            Ok(snapshot) => break snapshot,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(rest(&mut other).await.unwrap().len(), 120);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_cuts_snapshots_with_an_error_whether_they_are_read_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = large_gallery(folder.path()).await;
    let serving = Serving::start(Snapshots::bind(folder.path(), Arc::clone(&gallery)).unwrap());
    let mut read = Snapshot::open(folder.path()).await.unwrap();
    let mut unread = Snapshot::open(folder.path()).await.unwrap();
    assert!(read.next().await.unwrap().is_some());
    serving.end().await;
    for snapshot in [&mut read, &mut unread] {
        let error = rest(snapshot).await.err().expect("a cut snapshot has no end");
        assert!(matches!(error, LocalError::Refused { .. } | LocalError::Cut { .. }), "{error}");
        assert!(error.to_string().contains("run the same command again"), "{error}");
    }
    // The server does not keep the gallery.
    let begun = Instant::now();
    while Arc::strong_count(&gallery) > 1 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server still holds the gallery");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(gallery);
    gallery::open(folder.path(), RECIPE, DIMENSION, EmbeddedOptions::default()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_another_user_is_turned_away_by_either_end() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = gallery(folder.path(), 2, 1).await;
    let uid = socket::own_uid().unwrap();
    let serving = Serving::start(Snapshots::for_user(folder.path(), gallery, uid + 1).unwrap());
    let error = Snapshot::open(folder.path()).await.err().expect("turned away");
    assert!(matches!(error, LocalError::Cut { .. }), "{error}");
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_a_killed_server_is_replaced_and_told_from_one_that_serves() {
    let folder = tempfile::tempdir().unwrap();
    let gallery = gallery(folder.path(), 2, 1).await;
    let not_served = |error: LocalError| {
        let told = error.to_string();
        assert!(matches!(error, LocalError::NotServed { .. }) && told.contains("stop it while"), "{told}");
    };
    not_served(Snapshot::open(folder.path()).await.err().unwrap());
    // A killed process leaves a socket without a listener.
    drop(socket::listen(folder.path()).unwrap());
    assert!(folder.path().join(SOCKET).exists());
    not_served(Snapshot::open(folder.path()).await.err().unwrap());
    let serving = Serving::start(Snapshots::bind(folder.path(), gallery).unwrap());
    assert_eq!(rest(&mut Snapshot::open(folder.path()).await.unwrap()).await.unwrap().len(), 2);
    serving.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_long_path_works_too() {
    let top = tempfile::tempdir().unwrap();
    let folder = (0..6).fold(top.path().to_owned(), |path: PathBuf, n| path.join(format!("{n}").repeat(50)));
    std::fs::create_dir_all(&folder).unwrap();
    let gallery = gallery(&folder, 2, 1).await;
    let serving = Serving::start(Snapshots::bind(&folder, gallery).unwrap());
    assert_eq!(rest(&mut Snapshot::open(&folder).await.unwrap()).await.unwrap().len(), 2);
    serving.end().await;
    assert!(!folder.join(SOCKET).exists());
}

/// A server that sends these messages, whatever they are.
struct Faulty(Vec<Content>);

#[tonic::async_trait]
impl pb::snapshots_server::Snapshots for Faulty {
    type ReadStream = std::pin::Pin<Box<dyn Stream<Item = Result<pb::Piece, Status>> + Send>>;

    async fn read(&self, _: Request<pb::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let pieces: Vec<_> = self.0.iter().map(|content| Ok(pb::Piece { content: Some(content.clone()) })).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(pieces))))
    }

    type RowsStream = std::pin::Pin<Box<dyn Stream<Item = Result<pb::RowsPiece, Status>> + Send>>;

    async fn rows(&self, _: Request<pb::RowsRequest>) -> Result<Response<Self::RowsStream>, Status> {
        Err(Status::unimplemented("it hands on records alone"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_does_not_end_or_does_not_add_up_is_an_error() {
    let head = |subjects: u64, version: u32| {
        let recipe = RECIPE.0.to_vec();
        let (templates, template_next) = (subjects, 9);
        let beside = Vec::new();
        let (dimension, taken_at_ms) = (2, 1);
        Content::Head(pb::Head {
            version,
            recipe,
            dimension,
            subjects,
            templates,
            template_next,
            taken_at_ms,
            beside,
            master_key: Vec::new(),
        })
    };
    let batch = |vector: &[f32]| {
        let vector = crate::float32::encode(vector);
        let stored = pb::StoredVector { id: 1, vector, origin: pb::Origin::Live.into(), ..Default::default() };
        let subject = pb::EnrolledSubject { id: "a".to_owned(), templates: vec![stored], ..Default::default() };
        Content::Batch(pb::Batch { subjects: vec![subject], cleared: Vec::new() })
    };
    let of_recipe = |recipe: u32| match batch(&[0.6, 0.8]) {
        Content::Batch(mut batch) => {
            batch.subjects[0].templates[0].recipe = recipe;
            Content::Batch(batch)
        }
        other => other,
    };
    let end = |subjects: u64| Content::End(pb::End { subjects, templates: subjects, cleared: 0 });
    let unit = [0.6, 0.8];
    let cases: [(&str, Vec<Content>, bool); 9] = [
        ("as it should be", vec![head(1, VERSION), batch(&unit), end(1)], true),
        ("no end", vec![head(1, VERSION), batch(&unit)], false),
        ("fewer than promised", vec![head(2, VERSION), batch(&unit), end(1)], false),
        ("fewer than said at the end", vec![head(2, VERSION), batch(&unit), end(2)], false),
        ("another version", vec![head(1, VERSION + 2), batch(&unit), end(1)], false),
        ("a recipe that the head does not name", vec![head(1, VERSION + 1), of_recipe(1), end(1)], false),
        ("no head", vec![batch(&unit), end(1)], false),
        ("another dimension", vec![head(1, VERSION), batch(&[1.0]), end(1)], false),
        ("no unit vector", vec![head(1, VERSION), batch(&[0.6, 0.9]), end(1)], false),
    ];
    for (what, pieces, good) in cases {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio_stream::wrappers::UnixListenerStream::new(socket::listen(folder.path()).unwrap());
        let server = Server::builder().add_service(SnapshotsServer::new(Faulty(pieces)));
        let serving = tokio::spawn(server.serve_with_incoming(listener));
        let found = async { rest(&mut Snapshot::open(folder.path()).await?).await }.await;
        assert_eq!(found.is_ok(), good, "{what}: {:?}", found.err());
        serving.abort();
    }
}
