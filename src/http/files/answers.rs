//! Error responses of uploads and downloads: the usual JSON body, with the HTTP status that tus or HTTP requires, which
//! is more specific than that of the code.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};

use super::tus::{RESUMABLE, VERSION};
use crate::{
    auth::policy::Denied,
    error::{ErrorCode, Refusal},
    http::ApiError,
    services::files::{DownloadFault, UploadFault},
    store::StoreError,
};

/// The status for a checksum mismatch (tus 1.0, Checksum).
const CHECKSUM_MISMATCH: u16 = 460;

/// An error with its own status.
#[derive(Debug)]
pub struct Refused {
    status: StatusCode,
    error: ApiError,
}

impl Refused {
    pub fn new(status: StatusCode, code: ErrorCode, sentence: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
        Refused { status, error: ApiError::new(code, sentence) }
    }

    pub fn no_such_file() -> Refused {
        Refused::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, "The file does not exist; check its id")
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Refused {
        Refused { status: error.status_code(), error }
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Refused {
        ApiError::from(denied).into()
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        ApiError::from(error).into()
    }
}

impl From<UploadFault> for Refused {
    fn from(fault: UploadFault) -> Refused {
        let sentence = fault.to_string();
        let (status, code) = match fault {
            UploadFault::Store(error) => return error.into(),
            UploadFault::Storage(why) => {
                log::error!("event=storage_fault why=\"{why}\"");
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServiceUnavailable)
            }
            UploadFault::TooLarge { .. }
            | UploadFault::OverQuota { .. }
            | UploadFault::TooManyFiles { .. }
            | UploadFault::TooMuch => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageTooLong),
            UploadFault::TooManyParts => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::Conflict),
            UploadFault::TypeNotTaken(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::InvalidMessage),
            UploadFault::TooMany { .. } => {
                return ApiError::from(Refusal::limited(sentence, super::TOO_MANY_RETRY_SECONDS)).into();
            }
            UploadFault::Gone => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            UploadFault::Busy => (StatusCode::LOCKED, ErrorCode::Conflict),
            UploadFault::WrongOffset { .. } => (StatusCode::CONFLICT, ErrorCode::Conflict),
            UploadFault::ChecksumMismatch => {
                (StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST), ErrorCode::InvalidMessage)
            }
            UploadFault::Silent => (StatusCode::REQUEST_TIMEOUT, ErrorCode::InvalidMessage),
            UploadFault::Broken => (StatusCode::BAD_REQUEST, ErrorCode::InvalidMessage),
            UploadFault::Leaving => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServiceUnavailable),
        };
        Refused::new(status, code, sentence)
    }
}

impl From<DownloadFault> for Refused {
    fn from(fault: DownloadFault) -> Refused {
        let sentence = fault.to_string();
        match fault {
            DownloadFault::Store(error) => error.into(),
            // Already logged where it happened.
            DownloadFault::Storage(_) => {
                Refused::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServiceUnavailable, sentence)
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((RESUMABLE, VERSION));
        if self.status == StatusCode::PRECONDITION_FAILED {
            response.insert_header((super::tus::SUPPORTED, VERSION));
        }
        self.error.answer(response)
    }
}
