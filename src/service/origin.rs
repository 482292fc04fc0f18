//! Where a request comes from, as far as a browser says: from a page of this server or of another site.

use tonic::codegen::http::header::{HOST, ORIGIN};
use tonic::codegen::http::{HeaderName, Request, uri};

use crate::access::token;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether a request comes from no page, or from a page of this server. A browser says where a page is
/// from; other programs say nothing.
///
/// In plain text the server is on loopback alone, so that a page of its own names a loopback address:
/// another name that leads here is a trick (DNS rebinding).
pub(super) fn is_from_here<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    if headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let here = authority(request);
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let is_same = here.is_some_and(|here| here.eq_ignore_ascii_case(authority));
    is_same && (scheme == "https" || is_loopback(authority))
}

fn is_loopback(authority: &str) -> bool {
    authority.parse::<uri::Authority>().is_ok_and(|authority| token::is_loopback(authority.host()))
}

/// Whether a person follows a link, or a page of this server asks: what a page of another site loads or embeds
/// is neither.
pub(super) fn is_navigation_or_from_here<B>(request: &Request<B>) -> bool {
    let navigates = request.headers().get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
    (navigates && request.headers().get(ORIGIN).is_none()) || is_from_here(request)
}

/// The name by which the server was asked.
pub(super) fn authority<B>(request: &Request<B>) -> Option<&str> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    request.uri().authority().map(|authority| authority.as_str()).or(host)
}

/// Whether the server was asked by a name of this machine itself. Another name that leads here is a trick
/// (DNS rebinding), where the server is on loopback alone.
pub(super) fn is_asked_on_loopback<B>(request: &Request<B>) -> bool {
    authority(request).is_some_and(is_loopback)
}
