//! Why a call of the client failed, made of a gRPC status and its details.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorDetails, ErrorInfo, StatusExt};

use super::ERROR_DOMAIN;
use super::convert::BadAnswer;
use super::refusal::{FIELD, MESSAGE_EN, MESSAGE_VI};
use super::tls::TlsError;
use super::trace::{TRACEPARENT, trace_id};

/// Why a call of the [`Client`](super::Client) failed, for programs and for people.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClientError {
    /// The gRPC code.
    pub code: Code,
    /// Stable code of the reason, such as `NO_FACE`. The client's own are
    /// `SERVER_UNREACHABLE`, `BAD_ADDRESS`, `BAD_ANSWER`, `DEADLINE_EXCEEDED`, and of TLS
    /// `SERVER_NOT_TRUSTED`, `CERTIFICATE_REFUSED`, `TLS_FAILED`, `TLS_FILE` and `TOKEN_FILE`.
    /// Empty where a server gave none.
    pub reason: String,
    /// What happened, in English, with the figures of this case.
    pub message: String,
    /// The sentence to show, in English.
    pub en: String,
    /// The sentence to show, in Vietnamese.
    pub vi: String,
    /// Name of the field at fault, where there is one.
    pub field: Option<String>,
    /// How long to wait before trying again, where that can help.
    pub retry_after: Option<Duration>,
    /// Id of the trace under which the server logged the call: 32 hexadecimal digits.
    pub trace: Option<String>,
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ClientError {}

impl ClientError {
    /// An error that the client itself finds.
    fn own(code: Code, reason: &str, en: &str, vi: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: en.to_owned(),
            en: en.to_owned(),
            vi: vi.to_owned(),
            field: None,
            retry_after: None,
            trace: None,
        }
    }

    pub(super) fn bad_address(message: String) -> Self {
        let own = Self::own(
            Code::InvalidArgument,
            "BAD_ADDRESS",
            "The server's address cannot be used.",
            "Địa chỉ máy chủ không hợp lệ.",
        );
        Self { message, ..own }
    }

    pub(super) fn unreachable(detail: &str) -> Self {
        let own = Self::own(
            Code::Unavailable,
            "SERVER_UNREACHABLE",
            "The server cannot be reached. Check that it runs and that the address is right.",
            "Không kết nối được máy chủ. Hãy kiểm tra máy chủ đang chạy và địa chỉ đúng.",
        );
        let message =
            format!("the server cannot be reached ({detail}); check that it runs and that the address is right");
        Self { message, ..own }
    }

    /// The server's certificate is not to be trusted.
    pub(super) fn not_trusted(why: &str) -> Self {
        let own = Self::own(
            Code::Unavailable,
            "SERVER_NOT_TRUSTED",
            "The server's certificate is not trusted. Do not go on; tell whoever runs the server.",
            "Chứng thư của máy chủ không đáng tin cậy. Hãy dừng lại và báo cho người quản trị máy chủ.",
        );
        Self { message: format!("the server's certificate is not trusted: {why}"), ..own }
    }

    /// The server does not let this client in, by its certificate.
    pub(super) fn certificate_refused(why: &str) -> Self {
        let own = Self::own(
            Code::Unauthenticated,
            "CERTIFICATE_REFUSED",
            "The server does not accept this machine's certificate. Tell whoever looks after this machine.",
            "Máy chủ không chấp nhận chứng thư của máy này. Hãy báo cho người quản trị máy này.",
        );
        Self { message: format!("the server refused the connection: {why}"), ..own }
    }

    /// The token of this client cannot be read.
    pub(super) fn bad_token(why: String) -> Self {
        let own = Self::own(
            Code::Unauthenticated,
            "TOKEN_FILE",
            "This client's token cannot be read. Sign in again, or tell whoever looks after this machine.",
            "Không đọc được mã truy cập của máy này. Hãy đăng nhập lại hoặc báo cho người quản trị máy này.",
        );
        Self { message: why, ..own }
    }

    /// No TLS came about.
    pub(super) fn tls_failed(why: &str) -> Self {
        let own = Self::own(
            Code::Unavailable,
            "TLS_FAILED",
            "No secure connection to the server came about. Check the address.",
            "Không thiết lập được kết nối bảo mật với máy chủ. Hãy kiểm tra địa chỉ.",
        );
        Self { message: format!("no secure connection came about: {why}"), ..own }
    }

    /// A file of this client cannot be used.
    pub(super) fn bad_files(error: &TlsError) -> Self {
        let own = Self::own(
            Code::FailedPrecondition,
            "TLS_FILE",
            "A certificate or key of this machine cannot be used. Tell whoever looks after this machine.",
            "Không dùng được chứng thư hoặc khóa của máy này. Hãy báo cho người quản trị máy này.",
        );
        Self { message: error.to_string(), ..own }
    }

    /// A status that the same error is made of again.
    pub(super) fn into_status(self) -> Status {
        let metadata = [(MESSAGE_EN.to_owned(), self.en), (MESSAGE_VI.to_owned(), self.vi)];
        let details = ErrorDetails::with_error_info(self.reason, ERROR_DOMAIN, metadata);
        Status::with_error_details(self.code, self.message, details)
    }

    fn deadline_exceeded() -> Self {
        Self::own(
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
            "The server did not answer in time. Try again.",
            "Máy chủ không trả lời kịp. Hãy thử lại.",
        )
    }
}

impl From<BadAnswer> for ClientError {
    fn from(error: BadAnswer) -> Self {
        let own = Self::own(
            Code::Internal,
            "BAD_ANSWER",
            "The server's answer makes no sense. Use a client and a server of the same version.",
            "Không hiểu câu trả lời của máy chủ. Hãy dùng phần mềm cùng phiên bản với máy chủ.",
        );
        Self { message: error.to_string(), ..own }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        // Details that do not decode are not of a chinhchu server.
        let details = status.check_error_details_vec().unwrap_or_default();
        if details.is_empty() {
            return without_details(&status);
        }
        let mut error = Self {
            trace: status.metadata().get(TRACEPARENT).and_then(|value| trace_id(value.as_bytes())),
            ..Self::own(status.code(), "", status.message(), status.message())
        };
        for detail in details {
            match detail {
                ErrorDetail::ErrorInfo(info) if info.domain == ERROR_DOMAIN => {
                    let ErrorInfo { reason, mut metadata, .. } = info;
                    error.reason = reason;
                    error.field = metadata.remove(FIELD).or(error.field);
                    error.vi = metadata.remove(MESSAGE_VI).unwrap_or(error.vi);
                    error.en = metadata.remove(MESSAGE_EN).unwrap_or(error.en);
                }
                ErrorDetail::RetryInfo(retry) => error.retry_after = retry.retry_delay,
                _ => {}
            }
        }
        error
    }
}

/// The error of a status without details, which the transport or another server made.
fn without_details(status: &Status) -> ClientError {
    match status.code() {
        Code::DeadlineExceeded => ClientError::deadline_exceeded(),
        // What tonic's own timer answers.
        Code::Cancelled if status.message() == tonic::TimeoutExpired(()).to_string() => {
            ClientError::deadline_exceeded()
        }
        // Another server, or one of another version.
        code @ (Code::Unimplemented | Code::Unauthenticated | Code::PermissionDenied | Code::NotFound) => {
            let own = ClientError::own(
                code,
                "",
                "What answers at this address is not a chinhchu server of this version.",
                "Địa chỉ này không phải máy chủ chinhchu cùng phiên bản.",
            );
            let message =
                format!("what answers is no chinhchu server of this version ({code:?}: {})", status.message());
            ClientError { message, ..own }
        }
        // A connection that is refused, lost, or closed by a server that stops gives any of the
        // other codes, depending on how far it got.
        _ => ClientError::unreachable(status.message()),
    }
}
