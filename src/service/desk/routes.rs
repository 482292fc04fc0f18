//! Which request of a browser, or of a benefit system, is answered by what.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use qrcode::QrCode;
use qrcode::render::svg;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{ALLOW, IF_NONE_MATCH};
use tonic::codegen::http::{HeaderValue, Method as Verb, Request, Response, StatusCode};
use tower::Service;

use super::html::{self, Text};
use super::me::Known;
use super::{Desk, answers};
use crate::access::CertificateNames;
use crate::desk::{asset, page};
use crate::service::incoming::Peer;
use crate::service::layers::TracedRequest;
use crate::service::origin::{is_asked_on_loopback, is_from_here, is_navigation_or_from_here};
use crate::service::shared::Shared;

/// Largest form or record, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest time until it is there.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest text of a QR code, in bytes.
const QR_BYTES_MAX: usize = 200;

/// What answers the calls of the contract: the layers below.
pub(in crate::service) trait Calls:
    Service<TracedRequest, Response = Response<Body>, Error = std::convert::Infallible, Future: Send> + Clone + Send
{
}

impl<S> Calls for S where
    S: Service<TracedRequest, Response = Response<Body>, Error = std::convert::Infallible, Future: Send> + Clone + Send
{
}

impl Desk {
    /// The answer to a request for the pages.
    pub(in crate::service) async fn answer(
        &self,
        shared: &Arc<Shared>,
        calls: impl Calls,
        TracedRequest { trace, request }: TracedRequest,
    ) -> Response<Body> {
        let answers = &self.0.answers;
        let (parts, sent) = request.into_parts();
        let request = Request::from_parts(parts, ());
        let path = request.uri().path().to_owned();
        let is_post = request.method() == Verb::POST;
        let is_ours = if is_post { is_from_here(&request) } else { is_navigation_or_from_here(&request) };
        if !is_ours || (!self.0.cookies.is_tls && !is_asked_on_loopback(&request)) {
            return answers.empty(StatusCode::FORBIDDEN);
        }
        if request.method() != Verb::GET && !is_post {
            let mut response = answers.empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
            return response;
        }
        let below = |prefix| path.strip_prefix(prefix).filter(|rest: &&str| !rest.is_empty());
        if is_post {
            return match path.as_str() {
                "/desk/test-login" => self.test_sign_in(shared, &request, sent).await,
                "/desk/logout" => self.sign_out(&request).await,
                "/desk/sessions" => self.open_handoff(shared, calls, trace, &request, sent).await,
                _ => match below("/desk/handoff/").and_then(|rest| rest.strip_suffix("/done")) {
                    Some(id) => self.handoff_done(shared, calls, trace, &request, id).await,
                    None => self.not_here(),
                },
            };
        }
        match path.as_str() {
            "/desk" => answers.redirect("/desk/"),
            "/desk/" => self.desk_page(shared, &request).await,
            "/desk/officer" => self.officer_page(shared, &request).await,
            "/desk/me" => self.me(shared, &request).await,
            "/desk/login" => self.sign_in(&request).await,
            "/desk/callback" => self.signed_in(shared, &request).await,
            "/desk/qr.svg" => self.qr(&request),
            _ => {
                if let Some(found) = below("/desk/assets/").and_then(asset) {
                    return answers.asset(found, request.headers().get(IF_NONE_MATCH));
                }
                if let Some(id) = below("/desk/handoff/") {
                    return self.handoff(shared, &request, id).await;
                }
                if let Some(id) = below("/desk/sessions/") {
                    return self.handoff_state(shared, calls, trace, &request, id).await;
                }
                self.not_here()
            }
        }
    }

    fn not_here(&self) -> Response<Body> {
        self.text(StatusCode::NOT_FOUND, &html::NOT_HERE, Some(("/desk/", "Về trang quầy", "To the desk")))
    }

    /// A page that says what is the matter.
    pub(super) fn text(&self, status: StatusCode, text: &Text, link: Option<(&str, &str, &str)>) -> Response<Body> {
        self.0.answers.html(status, html::text_page(text, link))
    }

    /// The desk's page: also for whoever is not signed in, whom it offers to.
    async fn desk_page(&self, shared: &Shared, request: &Request<()>) -> Response<Body> {
        match self.known(shared, request).await {
            Ok(known) if !known.may_decide && known.may_resolve => self.0.answers.redirect("/desk/officer"),
            Ok(known) if !known.may_decide => self.other_role(),
            _ => self.page("desk"),
        }
    }

    /// The officers' page: of those who are signed in for officers alone. Whoever is not is asked by the page to sign
    /// in, not sent there from here: it alone knows which case the address names behind its #.
    async fn officer_page(&self, shared: &Shared, request: &Request<()>) -> Response<Body> {
        match self.known(shared, request).await {
            Ok(Known { may_resolve: false, .. }) => self.other_role(),
            _ => self.page("officer"),
        }
    }

    fn other_role(&self) -> Response<Body> {
        let again = Some(("/desk/login", "Đăng nhập bằng tài khoản khác", "Sign in with another account"));
        self.text(StatusCode::FORBIDDEN, &html::OTHER_ROLE, again)
    }

    fn page(&self, name: &str) -> Response<Body> {
        match page(name) {
            Some(found) => self.0.answers.page(found),
            None => self.not_here(),
        }
    }

    /// A QR code (ISO/IEC 18004) of a text of printable ASCII.
    fn qr(&self, request: &Request<()>) -> Response<Body> {
        let text = query(request, "text").unwrap_or_default();
        let is_plain =
            !text.is_empty() && text.len() <= QR_BYTES_MAX && text.bytes().all(|c| (b' '..=b'~').contains(&c));
        match QrCode::new(text.as_bytes()).ok().filter(|_| is_plain) {
            Some(code) => self.0.answers.svg(code.render::<svg::Color>().min_dimensions(200, 200).build()),
            None => self.0.answers.empty(StatusCode::BAD_REQUEST),
        }
    }
}

/// The names in the certificate of whoever asks.
pub(super) fn certificate(request: &Request<()>) -> Option<&CertificateNames> {
    request.extensions().get::<Peer>()?.certificate.as_deref()
}

/// A field of the query; `None` where it is not there, or is there twice.
pub(super) fn query(request: &Request<()>, name: &str) -> Option<String> {
    field(request.uri().query().unwrap_or_default().as_bytes(), name)
}

/// A field of a form; `None` where it is not there, or is there twice.
pub(super) fn field(form: &[u8], name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(form).filter(|(key, _)| key == name);
    let (_, value) = found.next()?;
    found.next().is_none().then(|| value.into_owned())
}

/// The body of a request, within its bounds.
///
/// # Errors
/// The status for one that is too large, or does not come.
pub(super) async fn whole(body: Body) -> Result<Bytes, StatusCode> {
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIME_MAX, whole).await {
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// The response with a cookie; so that routes need not know where it is written.
pub(super) use answers::with_cookie;
