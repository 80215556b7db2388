//! REST errors: one JSON form for all, with the HTTP status of their code (docs/protocol.md, Errors). Details of
//! internal faults must only be logged.

use std::{fmt, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::schemas;
use crate::{
    actors::node::Clock,
    auth::{
        limiter::TryAgain,
        passwords::PasswordFault,
        policy::Denied,
        tokens::{SigningFault, TokenFault},
    },
    core::space::SpaceRefused,
    error::{ErrorCode, Refusal},
    logged::logged,
    store::StoreError,
};

/// A refusal as an HTTP response.
#[derive(Debug)]
pub struct ApiError {
    refusal: Refusal,
    /// Instead of the status of the refusal's code.
    status: Option<StatusCode>,
}

/// The body of every error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody<'a, T = ()> {
    #[schema(schema_with = schemas::error_word)]
    r#type: &'static str,
    /// One sentence for people that says what to do.
    #[schema(example = "name: is missing; send it as a string")]
    error: &'a str,
    /// For programs. It does not change between releases.
    #[schema(schema_with = schemas::error_code)]
    code: &'static str,
    /// Seconds until a retry makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after: Option<u32>,
    #[schema(schema_with = schemas::timestamp)]
    timestamp: String,
    /// `failed`, only under `/metaverse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<&'static str>,
    /// What failed in a request for several users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    data: Option<T>,
}

impl ApiError {
    pub(super) fn new(code: ErrorCode, sentence: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
        ApiError::from(Refusal::new(code, sentence))
    }

    /// A missing or invalid field. The sentence begins with its name.
    pub(super) fn field(name: &str, problem: impl fmt::Display) -> ApiError {
        ApiError::new(ErrorCode::InvalidMessage, format!("{name}: {problem}"))
    }

    pub(super) fn limited(what: &'static str, again: TryAgain) -> ApiError {
        let sentence = format!("Too many {what} from this address; try again in {} seconds", again.after_seconds);
        ApiError::from(Refusal::limited(sentence, again.after_seconds))
    }

    pub(super) fn too_many_requests(kind: &str, per_minute: u32, after_seconds: u32) -> ApiError {
        let sentence = format!(
            "You have sent more than {per_minute} {kind} requests within a minute; try again in {after_seconds} seconds"
        );
        ApiError::from(Refusal::limited(sentence, after_seconds))
    }

    /// The body of the request took longer than this.
    pub(super) fn slow_body(most: Duration) -> ApiError {
        let sentence = format!("The body did not arrive within {} seconds; send it again, faster", most.as_secs());
        let refusal = Refusal::new(ErrorCode::InvalidMessage, sentence);
        ApiError { refusal, status: Some(StatusCode::REQUEST_TIMEOUT) }
    }

    /// Metrics, at an address that does not serve them.
    pub(super) fn nothing_here() -> ApiError {
        ApiError::new(ErrorCode::NotFound, "There is no resource at this address; check the path")
    }

    /// An administrator's request, at an address that does not serve them.
    pub(super) fn administered_elsewhere() -> ApiError {
        let sentence = "This server takes administrators' requests at its internal address only; send it there";
        ApiError::new(ErrorCode::PermissionDenied, sentence)
    }

    pub(super) fn no_such_group() -> ApiError {
        ApiError::new(ErrorCode::NotFound, "The group does not exist; check its id")
    }

    pub(super) fn no_such_channel() -> ApiError {
        ApiError::new(ErrorCode::RoomNotFound, "The channel does not exist; check its id")
    }

    pub(super) fn no_such_user() -> ApiError {
        ApiError::new(ErrorCode::UserNotFound, "The user does not exist; check the id or the name")
    }

    /// The response in the form of the metaverse dialect.
    pub(super) fn failed(&self) -> HttpResponse {
        self.answer_as::<()>(HttpResponse::build(self.status_code()), Some("failed"), None)
    }

    /// The same, with data.
    pub(super) fn failed_with<T: Serialize>(&self, data: T) -> HttpResponse {
        self.answer_as(HttpResponse::build(self.status_code()), Some("failed"), Some(data))
    }

    /// The response with a status that the caller chooses.
    pub(super) fn answer(&self, response: HttpResponseBuilder) -> HttpResponse {
        self.answer_as::<()>(response, None, None)
    }

    fn answer_as<T: Serialize>(
        &self,
        mut response: HttpResponseBuilder,
        status: Option<&'static str>,
        data: Option<T>,
    ) -> HttpResponse {
        if let Some(seconds) = self.refusal.retry_after_seconds {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.refusal.code == ErrorCode::AuthenticationFailed {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(ErrorBody {
            r#type: "error",
            error: &self.refusal.sentence,
            code: self.refusal.code.name(),
            retry_after: self.refusal.retry_after_seconds,
            timestamp: Clock.now().to_string(),
            status,
            data,
        })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        let of_code = || StatusCode::from_u16(self.refusal.code.row().http_status).ok();
        self.status.or_else(of_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.answer(HttpResponse::build(self.status_code()))
    }
}

/// Answers paths without a route.
pub(super) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::nothing_here())
}

/// Answers a method that the path does not support.
pub(super) fn method_not_allowed(methods: &str) -> HttpResponse {
    let error = ApiError::new(ErrorCode::NotFound, format!("This address does not support the method; use {methods}"));
    let mut response = HttpResponse::MethodNotAllowed();
    response.insert_header((ALLOW, methods));
    error.answer(response)
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        ApiError { refusal, status: None }
    }
}

impl From<SpaceRefused> for ApiError {
    fn from(refused: SpaceRefused) -> ApiError {
        ApiError::from(Refusal::from(refused))
    }
}

impl From<TokenFault> for ApiError {
    fn from(fault: TokenFault) -> ApiError {
        ApiError::from(Refusal::from(fault))
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> ApiError {
        ApiError::from(Refusal::from(denied))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::Unavailable(why) => {
                log::warn!("event=store_unavailable why={why}", why = logged(&why));
                ApiError::from(Refusal::unavailable())
            }
            StoreError::Taken(what) => {
                ApiError::new(ErrorCode::Conflict, format!("This {what} is taken; choose another one"))
            }
            StoreError::Missing => {
                ApiError::new(ErrorCode::NotFound, "An object that this refers to does not exist; check the ids")
            }
            StoreError::Fault(why) => {
                log::error!("event=store_fault why={why}", why = logged(&why));
                ApiError::from(Refusal::internal())
            }
        }
    }
}

impl From<PasswordFault> for ApiError {
    fn from(fault: PasswordFault) -> ApiError {
        match fault {
            PasswordFault::Busy => ApiError::from(Refusal {
                code: ErrorCode::ServiceUnavailable,
                sentence: "Too many people are signing in at the moment; try again in a few seconds".into(),
                retry_after_seconds: Some(2),
            }),
            PasswordFault::Fault(why) => {
                log::error!("event=password_fault why={why}", why = logged(&why));
                ApiError::from(Refusal::internal())
            }
        }
    }
}

impl From<SigningFault> for ApiError {
    fn from(fault: SigningFault) -> ApiError {
        log::error!("event=signing_fault why={fault}", fault = logged(&fault));
        ApiError::from(Refusal::internal())
    }
}
