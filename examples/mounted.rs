//! Convene inside your own actix-web App: your routes, Convene's REST routes and its sockets on one port.
//!
//!     cargo run --example mounted

use actix_web::{App, HttpServer, Responder, web};
use convene::{
    Connection, app,
    config::Config,
    http::{self, AppState},
    mount,
};

async fn hello() -> impl Responder {
    "This App has routes of its own; Convene's sockets are at /ws/channel/{id} and /ws/dm/{user}.\n"
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env(&[])?;
    let address = (config.listen.host.clone(), config.listen.port);
    actix::System::new().block_on(async move {
        let secret = config.auth.secret()?;
        let node = app::start(config, &secret).await?;
        let site = web::Data::new(AppState::new(&node, &secret)?);
        let own_app = move || {
            let routes = App::new().route("/", web::get().to(hello));
            routes.app_data(site.clone()).configure(http::configure).configure(mount(&node))
        };
        let server = HttpServer::new(own_app)
            // Lets Convene disconnect a client that stops reading, although the App owns its socket.
            .on_connect(Connection::remember)
            .bind(address)?;
        for bound in server.addrs() {
            println!("convene is listening on http://{bound}");
        }
        Ok(server.run().await?)
    })
}
