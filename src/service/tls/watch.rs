//! Watches what is in force: when the server's certificate and the revocation lists expire, and
//! which connections are to be cut as their client's certificate is not valid any more.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::certificate::{days_until, shown};
use super::{InForce, Tls};
use crate::service::connections::Connections;

/// What the state of the server's certificate is called in the health service. It does not touch
/// the other services: as long as the certificate is valid, they work.
pub const CERTIFICATE_HEALTH: &str = "chinhchu.v1.Certificate";
/// Days before its expiry from which the log warns.
const WARN_DAYS: i64 = 30;
/// Days before its expiry from which health says NOT_SERVING.
const UNHEALTHY_DAYS: i64 = 7;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often the log repeats what has not changed.
const REPEAT_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How soon something expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    Far,
    Soon,
    VerySoon,
    Passed,
}

impl Expiry {
    fn of_certificate(expires_at: SystemTime, now: SystemTime) -> Self {
        match days_until(expires_at, now) {
            ..0 => Self::Passed,
            days if days < UNHEALTHY_DAYS => Self::VerySoon,
            days if days < WARN_DAYS => Self::Soon,
            _ => Self::Far,
        }
    }

    /// Of a revocation list that is issued anew at its own pace: soon is within the last quarter.
    fn of_list(issued_at: SystemTime, due_at: SystemTime, now: SystemTime) -> Self {
        let span = due_at.duration_since(issued_at).unwrap_or_default();
        match due_at.duration_since(now) {
            Err(_) => Self::Passed,
            Ok(left) if left < span / 4 => Self::Soon,
            Ok(_) => Self::Far,
        }
    }
}

/// Watches until it is dropped.
pub(in crate::service) async fn watch(
    tls: Option<&Tls>,
    connections: &Arc<Connections>,
    health: &HealthReporter,
) -> Infallible {
    let Some(tls) = tls else { return std::future::pending().await };
    let mut changes = tls.0.in_force.subscribe();
    let mut told: Option<((Expiry, Option<Expiry>), Instant)> = None;
    loop {
        let in_force = Arc::clone(&changes.borrow_and_update());
        let now = SystemTime::now();
        let certificate = Expiry::of_certificate(in_force.expires_at, now);
        let list = in_force.list.map(|(issued_at, due_at)| Expiry::of_list(issued_at, due_at, now));
        let state = (certificate, list);
        if told.is_none_or(|(was, at)| was != state || at.elapsed() >= REPEAT_EVERY) {
            tell(&in_force, certificate, list, now);
            told = Some((state, Instant::now()));
        }
        let status = match certificate {
            Expiry::VerySoon | Expiry::Passed => ServingStatus::NotServing,
            Expiry::Soon | Expiry::Far => ServingStatus::Serving,
        };
        health.set_service_status(CERTIFICATE_HEALTH, status).await;
        tls.0.failures.tell();
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_ok() {
                    told = None;
                    let in_force = tls.in_force();
                    cut(connections, "they are not let in any more", move |peer| !in_force.admits(peer)).await;
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                let now = SystemTime::now();
                // What a client sends along and nobody needs may expire, and changes nothing.
                let is_bad = move |peer: &super::PeerCertificate| peer.expires_at <= now && !in_force.admits(peer);
                cut(connections, "they have expired", is_bad).await;
            }
        }
    }
}

/// Cuts the connections whose client's certificate is so. Away from other work: signatures are
/// checked.
async fn cut(
    connections: &Arc<Connections>,
    why: &'static str,
    is_bad: impl Fn(&super::PeerCertificate) -> bool + Send + 'static,
) {
    let connections = Arc::clone(connections);
    let cut = tokio::task::spawn_blocking(move || connections.cut_certificates(is_bad)).await;
    match cut {
        Ok(0) => {}
        Ok(cut) => tracing::warn!(cut, why, "connections were cut for their clients' certificates"),
        Err(error) => tracing::error!(%error, "the clients' certificates could not be looked at"),
    }
}

/// Tells when what is in force expires.
fn tell(in_force: &InForce, certificate: Expiry, list: Option<Expiry>, now: SystemTime) {
    let (expires, days_left) = (shown(in_force.expires_at), days_until(in_force.expires_at, now));
    match certificate {
        Expiry::Far => tracing::info!(expires, days_left, "the server's certificate"),
        Expiry::Soon => tracing::warn!(expires, days_left, "the server's certificate expires soon: install a new one"),
        Expiry::VerySoon => {
            tracing::error!(expires, days_left, "the server's certificate is about to expire: install a new one");
        }
        Expiry::Passed => {
            tracing::error!(expires, "the server's certificate has expired, and clients refuse it: install a new one");
        }
    }
    let due = in_force.list.map(|(_, due_at)| shown(due_at)).unwrap_or_default();
    match list {
        None | Some(Expiry::Far) => {}
        Some(Expiry::Soon | Expiry::VerySoon) => {
            tracing::warn!(due, "the successor of a revocation list is due soon: install it");
        }
        Some(Expiry::Passed) => tracing::error!(
            due,
            "a revocation list is out of date, and new connections of its authority's clients are refused: install its successor"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_certificate_is_warned_of_from_30_days_and_unhealthy_from_7() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        for (expires_at, expected) in [
            (now + DAY * 30, Expiry::Far),
            (now + DAY * 30 - Duration::from_secs(1), Expiry::Soon),
            (now + DAY * 7, Expiry::Soon),
            (now + DAY * 7 - Duration::from_secs(1), Expiry::VerySoon),
            (now + Duration::from_secs(1), Expiry::VerySoon),
            (now - Duration::from_secs(1), Expiry::Passed),
        ] {
            assert_eq!(Expiry::of_certificate(expires_at, now), expected);
        }
    }

    #[test]
    fn a_list_is_warned_of_in_the_last_quarter_of_its_time() {
        let issued = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let at = |days| Expiry::of_list(issued, issued + DAY * 8, issued + DAY * days);
        assert_eq!([at(5), at(6), at(7), at(9)], [Expiry::Far, Expiry::Far, Expiry::Soon, Expiry::Passed]);
    }
}
