//! Repeated REST requests of one user over one connection, and their durations.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;

use crate::Result;
use crate::histogram::Histogram;
use crate::world;

pub struct Caller {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    root: String,
    token: String,
}

impl Caller {
    pub fn new(address: SocketAddr, member: usize) -> Result<Caller> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (root, token) = (format!("http://{address}"), world::token(member)?);
        Ok(Caller { runtime, http: reqwest::Client::new(), root, token })
    }

    /// The response to a GET request.
    pub fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.body(path)?)?)
    }

    fn body(&self, path: &str) -> Result<String> {
        self.runtime.block_on(async {
            let response = self.http.get(format!("{}{path}", self.root)).bearer_auth(&self.token).send().await?;
            let (status, body) = (response.status(), response.text().await?);
            if status.is_success() { Ok(body) } else { Err(format!("{path}: {status} {body}").into()) }
        })
    }

    /// Requests each path once, and passes each response to `check`. The duration ends with the last byte of the response: how
    /// long this program takes to parse it is not counted.
    pub fn time(
        &self,
        paths: impl IntoIterator<Item = String>,
        mut check: impl FnMut(&Value) -> Result<()>,
    ) -> Result<Histogram> {
        let mut latency = Histogram::default();
        for path in paths {
            let began = Instant::now();
            let body = self.body(&path)?;
            latency.record(began.elapsed());
            check(&serde_json::from_str(&body)?)?;
        }
        Ok(latency)
    }
}
