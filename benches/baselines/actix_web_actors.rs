//! A plain broadcast server in the style of the actix examples: a `WebsocketContext` actor per socket, an actor per
//! room, one mailbox send per receiver. No store, no tokens, no limits.
//!
//! `GET /ws/channel/<room>?user=<id>` upgrades; JSON text is broadcast to everybody in the room with a `seq` added.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use actix::prelude::*;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_web_actors::ws;
use serde_json::Value;

/// A broadcast to one socket; the text is shared.
#[derive(Message, Clone)]
#[rtype(result = "()")]
struct Outgoing(actix_web::web::Bytes);

#[derive(Message)]
#[rtype(result = "()")]
struct Join {
    socket: Addr<Socket>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Leave {
    socket: Addr<Socket>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Broadcast(String);

#[derive(Default)]
struct Room {
    members: Vec<Addr<Socket>>,
    seq: u64,
}

impl Actor for Room {
    type Context = Context<Self>;
}

impl Handler<Join> for Room {
    type Result = ();

    #[allow(clippy::disallowed_methods)] // This baseline shows the usual form.
    fn handle(&mut self, join: Join, _: &mut Self::Context) {
        join.socket.do_send(Outgoing(web::Bytes::from_static(br#"{"type":"joined"}"#)));
        self.members.push(join.socket);
    }
}

impl Handler<Leave> for Room {
    type Result = ();

    fn handle(&mut self, leave: Leave, _: &mut Self::Context) {
        self.members.retain(|member| *member != leave.socket);
    }
}

impl Handler<Broadcast> for Room {
    type Result = ();

    #[allow(clippy::disallowed_methods)] // This baseline shows the usual form.
    fn handle(&mut self, broadcast: Broadcast, _: &mut Self::Context) {
        let Ok(Value::Object(mut message)) = serde_json::from_str(&broadcast.0) else { return };
        self.seq += 1;
        message.insert("seq".to_owned(), self.seq.into());
        let text = web::Bytes::from(Value::Object(message).to_string());
        for member in &self.members {
            member.do_send(Outgoing(text.clone()));
        }
    }
}

struct Socket {
    room: Addr<Room>,
}

impl Actor for Socket {
    type Context = ws::WebsocketContext<Self>;

    #[allow(clippy::disallowed_methods)] // This baseline shows the usual form.
    fn started(&mut self, context: &mut Self::Context) {
        self.room.do_send(Join { socket: context.address() });
    }

    #[allow(clippy::disallowed_methods)] // This baseline shows the usual form.
    fn stopped(&mut self, context: &mut Self::Context) {
        self.room.do_send(Leave { socket: context.address() });
    }
}

impl Handler<Outgoing> for Socket {
    type Result = ();

    fn handle(&mut self, outgoing: Outgoing, context: &mut Self::Context) {
        if let Ok(text) = outgoing.0.try_into() {
            context.write_raw(ws::Message::Text(text));
        }
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Socket {
    #[allow(clippy::disallowed_methods)] // This baseline shows the usual form.
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, context: &mut Self::Context) {
        match message {
            Ok(ws::Message::Text(text)) => self.room.do_send(Broadcast(text.to_string())),
            Ok(ws::Message::Ping(data)) => context.pong(&data),
            Ok(ws::Message::Close(_)) | Err(_) => context.stop(),
            Ok(ws::Message::Binary(_) | ws::Message::Continuation(_) | ws::Message::Pong(_) | ws::Message::Nop) => {}
        }
    }
}

#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Addr<Room>>>);

async fn enter(
    request: HttpRequest,
    payload: web::Payload,
    room: web::Path<String>,
    rooms: web::Data<Rooms>,
) -> Result<HttpResponse, actix_web::Error> {
    let mut rooms = rooms.0.lock().unwrap_or_else(PoisonError::into_inner);
    let room = rooms.entry(room.into_inner()).or_insert_with(|| Room::default().start()).clone();
    ws::WsResponseBuilder::new(Socket { room }, &request, payload).start()
}

/// Serves on a free port of 127.0.0.1, with one worker, until a signal.
pub fn serve() -> io::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let rooms = web::Data::new(Rooms::default());
        let app = move || App::new().app_data(rooms.clone()).route("/ws/channel/{room}", web::get().to(enter));
        let server = HttpServer::new(app).workers(1).tcp_nodelay(true).shutdown_timeout(1).bind("127.0.0.1:0")?;
        for address in server.addrs() {
            println!("actix-web-actors is listening on http://{address}");
        }
        server.run().await
    })
}
