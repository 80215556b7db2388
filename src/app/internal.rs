//! The internal address: REST for operators and monitoring, without pages and sockets. It stays open while the node drains, so
//! that the drain can be observed.

use std::sync::Arc;

use actix_server::ServerHandle;
use actix_web::web;

use super::RunError;
use crate::{
    actors::node::Node,
    http::{self, AppState, Listener},
    transport::server,
};

/// Starts to serve at `INTERNAL_ADDRESS`. None if there is none.
///
/// # Errors
/// An address that can't be used.
pub(super) fn start(node: &Arc<Node>, site: &web::Data<AppState>) -> Result<Option<ServerHandle>, RunError> {
    let Some(internal) = node.config.listen.internal else { return Ok(None) };
    let refused = |error| RunError::ListenInternal { address: internal.address, error };
    let listener = server::listener(&internal.address.ip().to_string(), internal.address.port()).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let site = site.clone();
    let app = move || http::app(site.clone(), Listener::Internal, |_no_more_routes| {});
    let running = server::serve_internal(node, listener, app).map_err(refused)?;
    log::info!("event=listening_internal url=http://{address}");
    let handle = running.handle();
    actix_rt::spawn(async move {
        if let Err(error) = running.await {
            log::error!("event=internal_stopped why=\"{error}\"");
        }
    });
    Ok(Some(handle))
}
