//! Responses to browsers, with the headers that keep a page to itself.
//!
//! Source: Content Security Policy Level 3; OWASP Secure Headers.

use serde_json::Value;
use tonic::body::Body;
use tonic::codegen::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, REFERRER_POLICY, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use tonic::codegen::http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::desk::Asset;

/// What a response of this server says beside its content.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    policy: HeaderValue,
    is_tls: bool,
}

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

impl Answers {
    /// For pages that may ask this server and the reader's program `agent`.
    pub(super) fn new(agent: Option<&str>, is_tls: bool) -> Self {
        let agent = agent.map_or_else(String::new, |agent| format!(" {agent}"));
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; \
             media-src 'self' blob:; connect-src 'self'{agent}; form-action 'self'; frame-ancestors 'none'; \
             base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        );
        let policy = HeaderValue::try_from(policy).expect("an origin that was checked is a header's value");
        Self { policy, is_tls }
    }

    fn with(&self, status: StatusCode, kind: &'static str, bytes: impl Into<tonic::codegen::Bytes>) -> Response<Body> {
        let bytes = bytes.into();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if !bytes.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        // Not none: a form of ours would then come without its origin.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static("camera=(self), microphone=(), geolocation=()"));
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        if self.is_tls {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        if !bytes.is_empty() {
            *response.body_mut() = Body::new(http_body_util::Full::from(bytes));
        }
        response
    }

    /// Nothing.
    pub(super) fn empty(&self, status: StatusCode) -> Response<Body> {
        self.with(status, "", Vec::new())
    }

    /// JSON.
    pub(super) fn json(&self, status: StatusCode, value: &Value) -> Response<Body> {
        self.with(status, "application/json", value.to_string())
    }

    /// A page that the server wrote.
    pub(super) fn html(&self, status: StatusCode, page: String) -> Response<Body> {
        self.with(status, "text/html; charset=utf-8", page)
    }

    /// A drawing.
    pub(super) fn svg(&self, drawing: String) -> Response<Body> {
        self.with(StatusCode::OK, "image/svg+xml", drawing)
    }

    /// One of the pages. It is not kept, so that a browser's back button does not show one that was left: another
    /// person may sit there.
    pub(super) fn page(&self, page: &'static Asset) -> Response<Body> {
        self.with(StatusCode::OK, page.kind, page.bytes)
    }

    /// A file of the pages, or that the browser's copy is still right.
    pub(super) fn asset(&self, asset: &'static Asset, known: Option<&HeaderValue>) -> Response<Body> {
        let is_known = known.is_some_and(|known| known.as_bytes() == asset.etag.as_bytes());
        let mut response = match is_known {
            true => self.with(StatusCode::NOT_MODIFIED, asset.kind, Vec::new()),
            false => self.with(StatusCode::OK, asset.kind, asset.bytes),
        };
        let headers = response.headers_mut();
        // Kept, and asked for every time: a new program has new files.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, HeaderValue::from_str(&asset.etag).expect("digits in quotation marks"));
        response
    }

    /// Sends the browser on.
    pub(super) fn redirect(&self, to: &str) -> Response<Body> {
        let Ok(to) = HeaderValue::from_str(to) else { return self.empty(StatusCode::BAD_GATEWAY) };
        let mut response = self.empty(StatusCode::SEE_OTHER);
        response.headers_mut().insert(LOCATION, to);
        response
    }
}

/// The response with one more cookie.
pub(super) fn with_cookie(mut response: Response<Body>, cookie: &str) -> Response<Body> {
    let cookie = HeaderValue::from_str(cookie).expect("digits and attributes are a header's value");
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}
