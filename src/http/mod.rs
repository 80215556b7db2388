//! REST and pages.

use actix_http::{Request, body::MessageBody};
use actix_service::{ServiceFactory, map_config};
use actix_web::{
    App,
    dev::{AppConfig, ServiceResponse},
    web,
};

/// The App of one worker.
pub fn app<F: Fn(&mut web::ServiceConfig)>(
    routes: F,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = ServiceResponse<impl MessageBody>,
    Error = actix_web::Error,
    InitError = (),
> {
    map_config(App::new().configure(|app| routes(app)), |_| AppConfig::default())
}
