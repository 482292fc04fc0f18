//! The body of a request over HTTP/1.1 that is answered before all of it is read. What is left is read and
//! dropped: a client that sends all before it listens would else find the connection broken, and never
//! hear the answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::codegen::http::{Request, Version};

/// Longest time for what is left, and most of it in bytes: more than clients send by mistake.
const REST_MAX: Duration = Duration::from_secs(5);
const REST_BYTES_MAX: usize = 256 << 20;

/// Has what is left of a request's body read, once its call is over, within bounds. Over HTTP/2 a stream just
/// ends.
pub(in crate::service) fn drained(request: Request<Body>) -> Request<Body> {
    // Whoever asks first waits with the body for the answer.
    let waits = request.headers().contains_key("expect");
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() || waits {
        return request;
    }
    request.map(|body| Body::new(Drained { body, bytes_left: REST_BYTES_MAX }))
}

struct Drained {
    body: Body,
    bytes_left: usize,
}

impl http_body::Body for Drained {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len());
                self.bytes_left = self.bytes_left.saturating_sub(bytes);
            }
            Some(Err(_)) | None => self.body = Body::empty(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.body);
        let mut bytes_left = self.bytes_left;
        // Without a runtime the server is gone, and so is the connection.
        let Some(runtime) = tokio::runtime::Handle::try_current().ok().filter(|_| !body.is_end_stream()) else {
            return;
        };
        let rest = async move {
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, |data| data.len());
                if bytes > bytes_left {
                    break;
                }
                bytes_left -= bytes;
            }
        };
        drop(runtime.spawn(tokio::time::timeout(REST_MAX, rest)));
    }
}
