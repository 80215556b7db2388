//! Makes a trailing slash in a path equivalent to none.

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Uri,
        header::LOCATION,
        uri::{Parts, PathAndQuery},
    },
    middleware::Next,
};

/// Marks a request whose path had a trailing slash. Relative URLs in the response then start one level deeper.
pub(super) struct HadSlash;

/// Removes the slash before routing. The API reference refers to its files by relative URLs, so it redirects instead.
pub(super) async fn without_slash(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let path = request.path().trim_end_matches('/');
    if path.is_empty() || path.len() == request.path().len() {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    if path == "/api/docs" {
        let moved = HttpResponse::PermanentRedirect().insert_header((LOCATION, "../docs")).finish();
        return Ok(request.into_response(moved).map_into_right_body());
    }
    let trimmed = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    if let Ok(trimmed) = PathAndQuery::try_from(trimmed) {
        let mut parts: Parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(trimmed);
        if let Ok(uri) = Uri::from_parts(parts) {
            request.match_info_mut().get_mut().update(&uri);
            request.head_mut().uri = uri;
            request.extensions_mut().insert(HadSlash);
        }
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}
