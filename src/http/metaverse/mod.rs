//! `/metaverse`: spaces, their members, and invites. Answers have the form of the metaverse dialect, camelCase and with a
//! `status`, also errors. Rules and permissions are those of its sockets; none may be decided here.

pub(super) mod invites;
pub(super) mod spaces;

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, fields::query_number, openapi::schemas};
use crate::{
    auth::tokens::query_value,
    core::{command::ListPage, profile::Author, space::SpaceRefused},
    ids::{RoomId, UserId},
    limits,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    spaces::configure(config);
    invites::configure(config);
}

/// An answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Success<T> {
    #[schema(schema_with = schemas::success_word)]
    status: &'static str,
    /// One sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'static str>,
    data: T,
}

impl<T: Serialize> Success<T> {
    fn of(data: T) -> HttpResponse {
        HttpResponse::Ok().json(Success { status: "success", message: None, data })
    }

    fn said(message: &'static str, data: T) -> HttpResponse {
        HttpResponse::Ok().json(Success { status: "success", message: Some(message), data })
    }
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = MetaversePerson)]
pub(super) struct PersonJson {
    #[schema(schema_with = schemas::user_id)]
    id: String,
    username: String,
}

impl From<&Author> for PersonJson {
    fn from(author: &Author) -> PersonJson {
        PersonJson { id: author.id.to_string(), username: author.username().to_owned() }
    }
}

/// Adds `status` to errors.
pub(super) async fn with_status(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let response = next.call(request).await?;
    let failed = response.response().error().and_then(|error| error.as_error::<ApiError>()).map(ApiError::failed);
    Ok(match failed {
        Some(failed) => response.into_response(failed).map_into_right_body(),
        None => response.map_into_left_body(),
    })
}

/// Reads `page` and `limit` from a query.
fn page(query: &str, default: i64, most: i64) -> Result<ListPage, ApiError> {
    let present = |name| query_value(query, name).filter(|text| !text.is_empty());
    let number = match present("page") {
        None => 1,
        Some(text) => query_number(&text, "page", 1..=limits::PAGE_NUMBER_MAX)?,
    };
    let limit = match present("limit") {
        None => default,
        Some(text) => super::fields::query_limit(&text, most)?,
    };
    Ok(ListPage { number, limit })
}

/// A malformed id is answered like an unknown one.
fn space_id(text: &str) -> Result<RoomId, ApiError> {
    text.parse().map_err(|_| SpaceRefused::NoSuchSpace.into())
}

/// See [`space_id`].
fn user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::new(text).map_err(|_| SpaceRefused::NoSuchUser.into())
}
