//! The server: takes its port, serves until it is told to stop, drains.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;
use tower::layer::util::{Identity, Stack};

use super::connections::{Connections, WhenFull};
use super::handlers::Handlers;
use super::incoming::Incoming;
use super::layers::RequestLayers;
use super::ledger;
use super::pb::beneficiary_server::BeneficiaryServer;
use super::pb::cases_server::CasesServer;
use super::pb::gallery_server::GalleryServer;
use super::pb::ledger_server::LedgerServer;
use super::pb::rights_server::RightsServer;
use super::pb::verification_server::VerificationServer;
use super::shared::Shared;
use super::tls;
use super::{Backend, DESCRIPTORS, LogKey, ServeError, ServeOptions};

/// HTTP/2 flow-control window of a stream: how many bytes of its message a caller may send
/// before the server reads them. A capture of 4 MiB is sent without a pause.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// The same of a connection, all its streams together.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Largest HTTP/2 frame. HTTP/2's default of 16 KiB costs hundreds of wake-ups per photo.
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// Longest time to wait for the backend to say whether it can serve. A backend that does not
/// answer counts as unable.
const READY_MAX: Duration = Duration::from_secs(2);
/// How often idle connections are cut and sums are logged.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// Time the last answers have to reach their callers once all calls are done.
const FLUSH_MAX: Duration = Duration::from_millis(500);

/// A server that holds its port and does not serve yet.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    backend: Arc<dyn Backend>,
    options: ServeOptions,
    log_key: LogKey,
}

/// Checks the options and takes the port.
///
/// # Errors
/// [`ServeError`] where an option makes no sense, the address is not loopback, the port cannot
/// be had, or the system has no random numbers for a log key.
pub async fn bind(backend: impl Backend, options: ServeOptions) -> Result<Bound, ServeError> {
    options.check()?;
    let log_key = options.log_key.clone().map_or_else(LogKey::random, Ok).map_err(ServeError::NoRandom)?;
    let failed = |source| ServeError::Bind { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address, backend: Arc::new(backend), options, log_key })
}

/// Binds and serves until `shutdown` resolves and the drain is over.
///
/// # Errors
/// As [`bind`] and [`Bound::serve`].
pub async fn serve(
    backend: impl Backend,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    bind(backend, options).await?.serve(shutdown).await
}

impl Bound {
    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves. Then health says NOT_SERVING, no new call is let in,
    /// calls in flight get [`ServeOptions::drain`] to finish, and those that still run are
    /// dropped and answered UNAVAILABLE.
    ///
    /// # Errors
    /// [`ServeError::Transport`] where the transport fails, [`ServeError::Reflection`] where
    /// the built-in descriptors are damaged.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { listener, address, backend, options, log_key } = self;
        let places = u32::try_from(options.requests_in_flight_max).unwrap_or(u32::MAX);
        let shared = Shared::new(&options, backend.keeps_ledger());
        let asked = Arc::clone(&backend);
        let _ = shared.keeps_pictures.set(Box::new(move || asked.keeps_pictures()));
        let cut = CancellationToken::new();
        let connections = Connections::new(options.connections_max, WhenFull::CutSilent, cut.clone());
        let handlers = Arc::new(Handlers::new(Arc::clone(&backend), &options, log_key, &shared));
        let (health, health_service) = tonic_health::server::health_reporter();
        set_health(&health, ServingStatus::Serving).await;

        let server = router(&options, handlers, health_service, &shared)?.serve_with_incoming_shutdown(
            Incoming::new(listener, Arc::clone(&connections), options.preface_max)
                .with_tls(options.tls.clone(), options.handshake_max),
            shared.closing.clone().cancelled_owned(),
        );
        tracing::debug!(%address, "serving");

        let mut server = pin!(server);
        tokio::select! {
            result = &mut server => return result.map_err(ServeError::from),
            () = shutdown => {}
            never = watch(&*backend, &health, options.ready_every) => match never {},
            never = tidy(&connections, &shared, options.idle_max) => match never {},
            never = tls::watch(options.tls.as_ref(), &connections, &health) => match never {},
            never = ledger::enter_noted(&*backend, &shared) => match never {},
        }
        tracing::info!(drain_s_max = options.drain.as_secs_f64(), "draining");
        set_health(&health, ServingStatus::NotServing).await;
        shared.closing.cancel();

        // All places are free when no call is in flight.
        let drain_until = Instant::now() + options.drain;
        let drained = async { timeout_at(drain_until, shared.places.acquire_many(places)).await.is_ok() };
        let ended = tokio::select! {
            // The last connection has closed.
            result = &mut server => Some(result),
            drained = drained => {
                if !drained {
                    tracing::warn!("the drain is over; calls still in flight are dropped");
                }
                None
            }
        };
        shared.ended.cancel();
        // Connections close by themselves once idle. Those that a health watch or a caller that
        // does not read keeps open are cut.
        let result = match ended {
            Some(result) => result,
            None => timeout(FLUSH_MAX, &mut server).await.unwrap_or(Ok(())),
        };
        cut.cancel();
        shared.refusals.log();
        shared.refusals.log_not_authorised(Instant::now().into_std(), true);
        ledger::enter_last(&*backend, &shared).await;
        tracing::info!("stopped");
        result.map_err(ServeError::from)
    }
}

/// All services behind the request layers.
pub(super) fn router(
    options: &ServeOptions,
    handlers: Arc<Handlers>,
    health: HealthServer<impl Health>,
    shared: &Arc<Shared>,
) -> Result<Router<Stack<RequestLayers, Identity>>, ServeError> {
    let bytes_max = options.message_bytes_max;
    let verification = VerificationServer::from_arc(Arc::clone(&handlers)).max_decoding_message_size(bytes_max);
    let beneficiary = BeneficiaryServer::from_arc(Arc::clone(&handlers)).max_decoding_message_size(bytes_max);
    let cases = CasesServer::from_arc(Arc::clone(&handlers)).max_decoding_message_size(bytes_max);
    let ledger = LedgerServer::from_arc(Arc::clone(&handlers)).max_decoding_message_size(bytes_max);
    let rights = RightsServer::from_arc(Arc::clone(&handlers)).max_decoding_message_size(bytes_max);
    let gallery = GalleryServer::from_arc(handlers).max_decoding_message_size(bytes_max);
    Ok(Server::builder()
        // JSON comes over either.
        .accept_http1(true)
        .http2_keepalive_interval(Some(options.keepalive))
        .http2_keepalive_timeout(Some(options.keepalive))
        .max_concurrent_streams(options.streams_per_connection_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .layer(RequestLayers(Arc::clone(shared)))
        .add_service(verification)
        .add_service(beneficiary)
        .add_service(cases)
        .add_service(gallery)
        .add_service(ledger)
        .add_service(rights)
        .add_service(health)
        .add_service(reflection()?.build_v1()?)
        .add_service(reflection()?.build_v1alpha()?))
}

/// Reflection over all services.
fn reflection() -> Result<tonic_reflection::server::Builder<'static>, ServeError> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET))
}

/// Sets the overall health and that of every service.
async fn set_health(health: &HealthReporter, status: ServingStatus) {
    let services = [
        "",
        VerificationServer::<Handlers>::NAME,
        GalleryServer::<Handlers>::NAME,
        BeneficiaryServer::<Handlers>::NAME,
        CasesServer::<Handlers>::NAME,
        LedgerServer::<Handlers>::NAME,
        RightsServer::<Handlers>::NAME,
    ];
    for service in services {
        health.set_service_status(service, status).await;
    }
}

/// Asks the backend every so often whether it can serve, and sets the health accordingly.
async fn watch(backend: &dyn Backend, health: &HealthReporter, every: Duration) -> std::convert::Infallible {
    let mut able = true;
    loop {
        tokio::time::sleep(every).await;
        let ready = timeout(every.max(READY_MAX), backend.ready()).await;
        let now_able = matches!(ready, Ok(Ok(())));
        if now_able != able {
            able = now_able;
            tracing::warn!(able, "health changed");
            set_health(health, if able { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
        }
    }
}

/// Cuts idle connections, and logs how many were cut and how many calls were refused.
async fn tidy(connections: &Connections, shared: &Shared, idle_max: Duration) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(TIDY_EVERY.min(idle_max)).await;
        connections.cut_idle(idle_max);
        let (for_others, idle) = connections.take_cut();
        if for_others > 0 {
            tracing::warn!(cut = for_others, "the bound on connections was reached: silent ones were cut for others");
        }
        if idle > 0 {
            tracing::info!(cut = idle, "idle connections were cut");
        }
        shared.refusals.log();
        shared.refusals.log_not_authorised(Instant::now().into_std(), false);
    }
}
