//! Convene inside an actix-web App of one's own: the embedder's routes and Convene's sockets on one port.
//!
//!     cargo run --example mounted
//!
//! Tokens come from `convene token --user alice`, which shares the secret in `./data`.

use actix_web::{App, HttpServer, Responder, web};
use convene::{Connection, app, config::Config, mount};

async fn hello() -> impl Responder {
    "This App has routes of its own; Convene's sockets are at /ws/channel/{id} and /ws/dm/{user}.\n"
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let address = (config.listen.host.clone(), config.listen.port);
    actix::System::new().block_on(async move {
        let secret = config.auth.secret()?;
        let node = app::start(config, &secret).await?;
        let server = HttpServer::new(move || App::new().route("/", web::get().to(hello)).configure(mount(&node)))
            // lets a client that stops reading be cut, although its socket is the App's
            .on_connect(Connection::remember)
            .bind(address)?;
        for bound in server.addrs() {
            println!("convene is mounted on http://{bound}");
        }
        Ok(server.run().await?)
    })
}
