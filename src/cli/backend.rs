//! Who does the work: an engine in this process, or a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tonic::Code;

use super::connection::{ConnectionArgs, ServerAddress};
use super::settings::Settings;
use super::{Failure, models};
use crate::context::RequestContext;
use crate::face::RecipeDigest;
use crate::gallery::{self, EmbeddedOptions, Gallery, GalleryError, Receipt, RequestId, SubjectId};
use crate::service::{Client, ClientError};
use crate::workflow::reason::{Reason, StatusClass};
use crate::workflow::{
    Engine, EnrolOutcome, EnrolRequest, Field, IdentifyOutcome, IdentifyRequest, VerifyRequest, VerifyShown,
    WorkflowError,
};

/// Where the gallery is, as typed.
#[derive(Debug, Args)]
pub struct GalleryArgs {
    /// Folder of the gallery [default: as configured]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Ask a running server instead of working here
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    server: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Where the gallery is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    Server(ServerAddress),
}

impl GalleryArgs {
    /// Decides: what was typed, else the configuration.
    pub(super) fn place(&self, settings: &Settings) -> Result<Place, Failure> {
        match (&self.server, self.data.as_ref().or(settings.data.as_ref())) {
            (Some(url), _) => Ok(Place::Server(self.connection.to(url))),
            (None, Some(folder)) => Ok(Place::Folder(folder.clone())),
            (None, None) => Err(Failure::new("no gallery named; give --data DIR, or --server URL of a running server")),
        }
    }
}

impl Place {
    /// The officer as typed; `None` where the server knows who it is.
    pub(super) fn officer(&self, typed: Option<SubjectId>) -> Result<Option<SubjectId>, Failure> {
        match (typed, self) {
            (Some(officer), _) => Ok(Some(officer)),
            (None, Self::Server(server)) if server.names_caller() => Ok(None),
            (None, _) => Err(Failure::new(
                "--officer ID (or --by ID) is missing: nothing else says who answers; only --server with --token-file does, to a \
                 server that knows its callers",
            )),
        }
    }
}

/// Does the work. A server finds out by itself who calls, so only an engine of this process is
/// given the context.
#[derive(Clone)]
pub(super) enum Backend {
    Engine(Engine),
    Server(Box<Client>),
}

impl Backend {
    /// A server.
    pub(super) async fn connect(server: &ServerAddress) -> Result<Self, Failure> {
        Ok(Self::Server(Box::new(server.connect().await?)))
    }

    /// An engine without a gallery, for `photos` photos at a time.
    pub(super) fn engine(settings: &Settings, photos: usize) -> Result<Self, Failure> {
        Ok(Self::Engine(settings.open_engine(photos)?))
    }

    /// A gallery, which must be there.
    pub(super) async fn existing(settings: &Settings, place: &Place, photos: usize) -> Result<Self, Failure> {
        Self::gallery(settings, place, photos, false).await
    }

    /// A gallery; made where there is none, if that was asked for.
    pub(super) async fn gallery(
        settings: &Settings,
        place: &Place,
        photos: usize,
        create: bool,
    ) -> Result<Self, Failure> {
        match place {
            Place::Server(server) => Self::connect(server).await,
            Place::Folder(folder) => {
                let options = EmbeddedOptions { create, ..settings.gallery_options(folder)? };
                Ok(Self::Engine(open_gallery(settings, folder, photos, options)?))
            }
        }
    }

    /// 1:1.
    pub(super) async fn verify(
        &self,
        context: &RequestContext,
        request: VerifyRequest,
    ) -> Result<VerifyShown, CallError> {
        match self {
            Self::Engine(engine) => Ok(engine.verify(context, request).await?.into()),
            Self::Server(client) => Ok(client.verify_shown(request).await?),
        }
    }

    /// 1:N.
    pub(super) async fn identify(
        &self,
        context: &RequestContext,
        request: IdentifyRequest,
    ) -> Result<IdentifyOutcome, CallError> {
        match self {
            Self::Engine(engine) => Ok(engine.identify(context, request).await?),
            Self::Server(client) => Ok(client.identify(request).await?),
        }
    }

    /// Enrols one subject.
    pub(super) async fn enrol(
        &self,
        context: &RequestContext,
        request: EnrolRequest,
    ) -> Result<EnrolOutcome, CallError> {
        match self {
            Self::Engine(engine) => Ok(engine.enrol(context, request).await?),
            Self::Server(client) => Ok(client.enrol(request).await?),
        }
    }

    /// Removes one subject.
    pub(super) async fn remove(
        &self,
        context: &RequestContext,
        subject: &SubjectId,
        id: Option<RequestId>,
    ) -> Result<Receipt, CallError> {
        match self {
            Self::Engine(engine) => Ok(engine.remove(context, subject, id).await?),
            Self::Server(client) => Ok(client.remove(subject, id).await?),
        }
    }

    /// Whether a subject is enrolled.
    pub(super) async fn has(&self, context: &RequestContext, subject: &SubjectId) -> Result<bool, CallError> {
        let found = match self {
            Self::Engine(engine) => engine.subject(context, subject).await.map(drop).map_err(CallError::from),
            Self::Server(client) => client.subject(subject).await.map(drop).map_err(CallError::from),
        };
        match found {
            Ok(()) => Ok(true),
            Err(error) if error.is(Reason::SubjectUnknown) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// An engine with the embedded gallery in `folder`. The gallery closes when the last clone
/// of the engine is dropped.
pub(super) fn open_gallery(
    settings: &Settings,
    folder: &Path,
    photos: usize,
    options: EmbeddedOptions,
) -> Result<Engine, Failure> {
    let engine = settings.open_engine(photos)?;
    let gallery = gallery_of(folder, &engine, options).map_err(|failure| settings.blame_folder(folder, failure))?;
    let engine = engine.with_gallery(gallery).map_err(Failure::new)?;
    Ok(engine.with_number_ids(settings.number_ids).with_legal_basis(settings.legal_basis))
}

/// The embedded gallery in `folder`, for an engine.
pub(super) fn gallery_of(folder: &Path, engine: &Engine, options: EmbeddedOptions) -> Result<Arc<Gallery>, Failure> {
    opened(folder, engine.pack().name(), &engine.recipes(), options).map(Arc::new)
}

/// The embedded gallery in `folder`, for templates of these recipes, of which the model pack of
/// this name makes the first.
pub(super) fn opened(
    folder: &Path,
    pack: &str,
    recipes: &[(RecipeDigest, usize)],
    options: EmbeddedOptions,
) -> Result<Gallery, Failure> {
    let Some((&(recipe, dimension), beside)) = recipes.split_first() else {
        return Err(Failure::new("no model pack to open the gallery with; this is a defect of chinhchu"));
    };
    let options = EmbeddedOptions { recipes_beside: beside.to_vec(), ..options };
    let opened = gallery::open(folder, recipe, dimension, options);
    opened.map_err(|error| not_opened(folder, pack, error))
}

/// Why a gallery cannot be opened.
pub(super) fn not_opened(folder: &Path, pack: &str, error: GalleryError) -> Failure {
    match error {
        GalleryError::OtherRecipe { gallery, .. } => Failure::new(made_with(folder, gallery, pack)),
        error => Failure::new(error),
    }
}

/// What to do about a gallery of another recipe: templates cannot be converted, and those
/// of two recipes are never compared.
fn made_with(folder: &Path, recipe: RecipeDigest, pack: &str) -> String {
    let folder = folder.display();
    match models::folder_of(recipe) {
        Some(made_with) => format!(
            "the gallery {folder} holds templates of another model pack than `{pack}`: have both enrol and search, \
             --second-pack {0}; where it holds none of `{pack}`, go on with its own pack alone, --pack {0}, or enrol its \
             people again, from their photos, into a new folder",
            made_with.display()
        ),
        None => format!(
            "the gallery {folder} holds templates of a model pack of recipe {recipe}, which is none of those under models/; \
             name that pack by --pack or --second-pack"
        ),
    }
}

/// Why a call was not answered, wherever it went.
#[derive(Debug)]
pub(super) struct CallError {
    /// Stable code of its reason; not every one of a server's is a [`Reason`].
    pub reason: String,
    /// Which part of the request it is about, as [`Field`] is written.
    field: Option<String>,
    /// What happened and what to do, in English.
    pub message: String,
    /// When a try is likely to succeed, where the engine is busy.
    pub retry_after: Option<Duration>,
    /// Every other row of a list would fail in the same way: the fault is not in
    /// the row.
    pub stops_a_run: bool,
}

impl From<WorkflowError> for CallError {
    fn from(error: WorkflowError) -> Self {
        let reason = Reason::of(&error);
        let stops_a_run = match reason.class() {
            StatusClass::Unavailable
            | StatusClass::DataLoss
            | StatusClass::DeadlineExceeded
            | StatusClass::Cancelled => true,
            StatusClass::Internal => reason != Reason::Inference,
            StatusClass::ResourceExhausted | StatusClass::FailedPrecondition => is_the_services(reason.code()),
            StatusClass::Unauthenticated | StatusClass::PermissionDenied => true,
            StatusClass::InvalidArgument | StatusClass::NotFound | StatusClass::AlreadyExists => false,
        };
        let retry_after = match &error {
            WorkflowError::Busy { retry_after_ms } => Some(Duration::from_millis(*retry_after_ms)),
            _ => None,
        };
        // The path that was typed says more than the field's name.
        let (field, message) = match error {
            WorkflowError::Face { field, source } => (Some(field.to_string()), source.to_string()),
            other => (None, other.to_string()),
        };
        Self { reason: reason.code().to_owned(), field, message, retry_after, stops_a_run }
    }
}

impl From<ClientError> for CallError {
    fn from(error: ClientError) -> Self {
        let stops_a_run = match error.code {
            Code::ResourceExhausted | Code::FailedPrecondition => is_the_services(&error.reason),
            Code::Internal => error.reason != Reason::Inference.code(),
            Code::InvalidArgument | Code::OutOfRange | Code::NotFound | Code::AlreadyExists => false,
            _ => true,
        };
        // What went wrong inside is in the server's log alone; this finds it there.
        let trace = error.trace.filter(|_| matches!(error.code, Code::Internal | Code::DataLoss | Code::Unavailable));
        let ClientError { reason, message, field, retry_after, .. } = error;
        let message = match &field {
            Some(field) => message.strip_prefix(&format!("{field}: ")).unwrap_or(&message).to_owned(),
            None => message,
        };
        let message = match trace {
            Some(trace) => format!("{message} (trace {trace} in the server's log)"),
            None => message,
        };
        Self { reason, field, message, retry_after, stops_a_run }
    }
}

/// Of the reasons whose class does not tell: those no other row would escape.
fn is_the_services(reason: &str) -> bool {
    let all = [Reason::DiskFull, Reason::GalleryFull, Reason::RecipeMismatch, Reason::Calibration, Reason::NoGallery];
    all.iter().any(|known| known.code() == reason)
}

impl CallError {
    /// Whether it is this reason.
    pub(super) fn is(&self, reason: Reason) -> bool {
        self.reason == reason.code()
    }

    /// The failure to print, naming the file the user typed.
    pub(super) fn told(&self, roles: &Roles) -> Failure {
        match self.field.as_deref().and_then(|field| roles.name(field)) {
            Some(name) => Failure::new(format_args!("{name}: {}", self.message)),
            None => Failure::new(&self.message),
        }
    }
}

/// The files behind the fields of a request, as typed.
pub(super) struct Roles(Vec<(String, String)>);

impl Roles {
    /// No files.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// A reference and its probes. Standard input can be only one of them.
    pub(super) fn verify(reference: &Path, probes: &[PathBuf]) -> Result<Self, Failure> {
        let mut roles = vec![(Field::Reference.to_string(), format!("reference {}", reference.display()))];
        roles.extend(
            probes
                .iter()
                .enumerate()
                .map(|(i, path)| (Field::Probe(i).to_string(), format!("probe {}", path.display()))),
        );
        stdin_once(std::iter::once(reference).chain(probes.iter().map(PathBuf::as_path)))?;
        Ok(Self(roles))
    }

    /// Photos of one person.
    pub(super) fn photos(paths: &[PathBuf]) -> Result<Self, Failure> {
        stdin_once(paths.iter().map(PathBuf::as_path))?;
        let name = |path: &PathBuf| format!("photo {}", path.display());
        let both = |(i, path)| [(Field::Probe(i).to_string(), name(path)), (Field::Photo(i).to_string(), name(path))];
        Ok(Self(paths.iter().enumerate().flat_map(both).collect()))
    }

    fn name(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(of, _)| of == field).map(|(_, name)| name.as_str())
    }
}

fn stdin_once<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
    if paths.filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::new("standard input (`-`) can be only one photo; name files for the others"));
    }
    Ok(())
}
