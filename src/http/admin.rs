//! What administrators do to running connections.

use actix_web::{HttpResponse, web};

use super::{ApiError, Site, extract::AuthUser, resource};
use crate::{auth::policy::Action, error::ErrorCode};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    let path = "/api/v1/ws/connections/{connection}";
    config.service(resource(path, "DELETE").route(web::delete().to(disconnect)));
}

async fn disconnect(site: web::Data<Site>, user: AuthUser, path: web::Path<String>) -> Result<HttpResponse, ApiError> {
    user.may(Action::Administer)?;
    if !site.gateway.disconnect(path.clone()).await {
        let sentence = "There is no such connection; it may have ended by itself";
        return Err(ApiError::new(ErrorCode::NotFound, sentence));
    }
    log::info!("event=disconnected_by_admin by={}", user.id());
    Ok(HttpResponse::NoContent().finish())
}
