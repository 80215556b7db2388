//! REST: one file per resource, with its routes and JSON types. A route parses its request, asks the policy, and calls
//! the store or the gateway. It must never use an actor's address or write SQL.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{HttpRequest, Resource, Route, http::Method, web};

use crate::{
    actors::{
        gateway::Gateway,
        node::{Clock, Node},
    },
    auth::{
        limiter::AddressLimiter,
        passwords::Passwords,
        tokens::{Signer, Verifier},
    },
    config::{Administration, Config, Secret},
    core::user_rates::UserRates,
    ids::UserId,
    limits,
    metrics::Metrics,
    services::{
        files::{BadBucket, Files},
        search::Search,
    },
    store::Store,
};

mod admin;
mod auth;
mod blocks;
mod calls;
mod canvases;
mod conversations;
mod devices;
mod documents;
mod errors;
mod extract;
mod fields;
mod files;
mod groups;
mod health;
mod message_actions;
mod messages;
mod metaverse;
mod moderation;
mod notifications;
pub mod openapi;
pub mod page;
mod paths;
mod presence;
mod rooms;
mod search;
mod security;
mod sheets;
mod typed_notifications;
mod users;

pub use self::security::app;
use self::{errors::ApiError, health::HealthBoard};

/// The address at which a request came in. Apps that mount the routes have only a public one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// The address of all clients.
    Public,
    /// `INTERNAL_ADDRESS`.
    Internal,
}

impl Listener {
    fn of(request: &HttpRequest) -> Listener {
        request.app_data::<Listener>().copied().unwrap_or(Listener::Public)
    }
}

/// The state of the routes, shared by all workers.
pub struct AppState {
    store: Store,
    gateway: Gateway,
    files: Files,
    search: Search,
    config: Arc<Config>,
    verifier: Arc<Verifier>,
    signer: Signer,
    metrics: Arc<Metrics>,
    health: Arc<HealthBoard>,
    clock: Clock,
    passwords: Passwords,
    limiters: Mutex<Limiters>,
    rates: Mutex<RestRates>,
}

/// The attempts per address.
struct Limiters {
    logins: AddressLimiter,
    registrations: AddressLimiter,
}

/// The requests of each user.
#[derive(Default)]
struct RestRates {
    reads: UserRates,
    writes: UserRates,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

impl AppState {
    /// Creates the state for a node, whose tokens are signed with `secret`. Starts the health probe and the removal of
    /// expired uploads on the calling thread.
    ///
    /// # Errors
    /// A bucket whose settings are not usable.
    pub fn new(node: &Arc<Node>, secret: &Secret) -> Result<AppState, BadBucket> {
        let config = node.config.clone();
        let limiter = |attempts, window| AddressLimiter::new(attempts, window, limits::LOGIN_ADDRESSES_MAX);
        let limiters = Limiters {
            logins: limiter(config.auth.login_attempts_per_minute, MINUTE),
            registrations: limiter(config.auth.registrations_per_hour, HOUR),
        };
        Ok(AppState {
            store: node.store.clone(),
            files: Files::start(node)?,
            search: Search::new(node.store.clone(), node.moderation.clone()),
            gateway: Gateway::new(node.clone()),
            verifier: node.verifier.clone(),
            signer: Signer::new(&config.auth, secret),
            metrics: node.metrics.clone(),
            health: HealthBoard::watch(node),
            clock: node.clock,
            passwords: Passwords::default(),
            limiters: Mutex::new(limiters),
            rates: Mutex::default(),
            config,
        })
    }

    /// Whether metrics and details of health are hidden from this request, because there is an internal address for them.
    fn hides_operations(&self, request: &HttpRequest) -> bool {
        self.config.listen.internal.is_some() && Listener::of(request) == Listener::Public
    }

    /// Whether administration is refused to this request.
    fn refuses_administration(&self, request: &HttpRequest) -> bool {
        self.config.listen.administration() == Administration::InternalOnly && Listener::of(request) == Listener::Public
    }

    fn limiters(&self) -> MutexGuard<'_, Limiters> {
        // The counters stay usable even if a thread has panicked while it held the lock.
        self.limiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request of the user.
    ///
    /// # Errors
    /// 429 if the user has sent too many within a minute.
    fn charge(&self, user: &UserId, method: &Method) -> Result<(), ApiError> {
        let (budgets, now) = (&self.config.budgets, self.clock.now());
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let (rate, per_minute, kind) = match method.is_safe() {
            true => (&mut rates.reads, budgets.reads_per_minute, "read"),
            false => (&mut rates.writes, budgets.writes_per_minute, "changing"),
        };
        rate.take(user, per_minute, now).map_err(|seconds| ApiError::too_many_requests(kind, per_minute, seconds))
    }
}

/// Registers all REST routes. The app's data must contain the state.
pub fn configure(config: &mut web::ServiceConfig) {
    auth::configure(config);
    groups::configure(config);
    messages::configure(config);
    message_actions::configure(config);
    conversations::configure(config);
    calls::configure(config);
    search::configure(config);
    rooms::configure(config);
    metaverse::configure(config);
    sheets::configure(config);
    canvases::configure(config);
    documents::configure(config);
    notifications::configure(config);
    typed_notifications::configure(config);
    users::configure(config);
    devices::configure(config);
    presence::configure(config);
    admin::configure(config);
    blocks::configure(config);
    moderation::configure(config);
    files::configure(config);
    health::configure(config);
    openapi::configure(config);
}

/// A resource with these methods. Other methods are answered with 405 and the list of supported ones.
fn resource<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    #[cfg(test)]
    openapi::tests::registered(path, routes.iter().map(|(method, _)| method));
    let methods: Vec<_> = routes.iter().map(|(method, _)| method.as_str()).collect();
    let methods: Arc<str> = methods.join(", ").into();
    let others = web::to(move || {
        let methods = methods.clone();
        async move { errors::method_not_allowed(&methods) }
    });
    let resource = web::resource(path).default_service(others);
    routes.into_iter().fold(resource, |resource, (method, route)| resource.route(route.method(method)))
}

/// Runs the future to completion even if the client disconnects: for changes that need a second step.
async fn to_the_end<T: 'static>(work: impl Future<Output = Result<T, ApiError>> + 'static) -> Result<T, ApiError> {
    actix_web::rt::spawn(work).await.unwrap_or_else(|lost| {
        log::error!("event=request_lost why=\"{lost}\"");
        Err(crate::error::Refusal::internal().into())
    })
}

#[cfg(test)]
mod tests;
