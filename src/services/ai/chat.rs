//! A provider with an OpenAI-compatible endpoint. It retries only requests that may be retried, and only while the user
//! has received no text: an answer that has begun must never be restarted.

use std::{sync::Arc, time::Duration};

use futures_util::future::LocalBoxFuture;
use reqwest::{Client, Response, Url, header, redirect};
use tokio::time::{Instant, timeout_at};

use super::{
    analyst::{analyse, as_json},
    chunks::{ChatRequest, Message, StreamOptions},
    prompt,
    provider::{Answer, Fault, ProgressReporter, Provider, Task},
    provider_error::{Trouble, refused, stalled, unreachable},
    reading::Reading,
};
use crate::{
    config::AiProvider,
    core::analysis::Report,
    limits,
    logged::logged,
    metrics::{AiTokens, Metrics},
};

/// The endpoint and its HTTP client.
pub struct Chat {
    client: Client,
    url: Url,
    config: AiProvider,
    metrics: Arc<Metrics>,
}

impl Chat {
    /// Creates a client for this endpoint. It follows no redirects and uses no proxies from the environment.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub fn new(config: AiProvider, metrics: Arc<Metrics>) -> Result<Chat, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(limits::PROVIDER_CONNECT_MAX)
            .user_agent(concat!("convene/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Chat { client, url: config.completions_url(), config, metrics })
    }

    async fn ask(&self, task: Task, reporter: &ProgressReporter) -> Result<Answer, Fault> {
        let report = match task.table.clone() {
            Some(table) => Some(analyse(table, task.query.clone(), |_, _| {}).await?),
            None => None,
        };
        let body = self.body(task, report.as_ref()).await?;
        reporter.spend(body.chars().count());
        let mut attempt = 1;
        let text = loop {
            reporter.progress(5, "Asking the model");
            let mut reading = Reading::new(reporter);
            let trouble = match self.attempt(&body, &mut reading).await {
                Ok(text) => break text,
                Err(trouble) => trouble,
            };
            let (why, after, fault) = match trouble {
                Trouble::Passing { why, after, fault } if !reading.has_told() => (why, after, fault),
                Trouble::Passing { why, fault, .. } | Trouble::Final { why, fault } => {
                    log::warn!("event=ai_provider_failed attempt={attempt} why={why}", why = logged(&why));
                    return Err(fault);
                }
            };
            log::warn!("event=ai_provider_trouble attempt={attempt} why={why}", why = logged(&why));
            let pause = after.unwrap_or_else(|| pause_before(attempt));
            if attempt >= limits::PROVIDER_ATTEMPTS_MAX || pause > limits::PROVIDER_RETRY_AFTER_MAX {
                return Err(fault);
            }
            self.metrics.ai.retried();
            reporter.progress(5, "The model is busy; retrying");
            tokio::time::sleep(pause).await;
            attempt += 1;
        };
        let findings = report.map(|report| as_json(&report.findings)).transpose()?;
        Ok(Answer { result: text, findings })
    }

    /// Builds the request on the blocking pool, because a large table takes time.
    async fn body(&self, task: Task, report: Option<&Report>) -> Result<String, Fault> {
        let figures = report.map(|report| report.result.clone());
        let (model, characters) = (self.config.model.clone(), self.config.table_characters);
        let written = tokio::task::spawn_blocking(move || {
            let turn = prompt::user_turn(&task.query, task.table.as_ref(), figures.as_deref(), characters);
            let request = ChatRequest {
                model: &model,
                messages: [
                    Message { role: "system", content: prompt::SYSTEM },
                    Message { role: "user", content: &turn },
                ],
                stream: true,
                stream_options: StreamOptions { include_usage: true },
            };
            serde_json::to_string(&request).map_err(|error| error.to_string())
        });
        written.await.unwrap_or_else(|error| Err(error.to_string())).map_err(|why| {
            log::error!("event=ai_request_unwritable why={why}", why = logged(&why));
            Fault::unavailable("The request can't be encoded because of a server error; ask about another range")
        })
    }

    /// Sends the request once and reads the answer.
    async fn attempt(&self, body: &str, reading: &mut Reading<'_>) -> Result<String, Trouble> {
        let response = self.send(body).await?;
        reading.read(response, self.config.idle_timeout).await?;
        if let Some(usage) = reading.usage() {
            self.metrics.ai.tokens(AiTokens::Prompt, usage.prompt_tokens);
            self.metrics.ai.tokens(AiTokens::Completion, usage.completion_tokens);
        }
        reading.conclude()
    }

    async fn send(&self, body: &str) -> Result<Response, Trouble> {
        let mut request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        request = request.header(header::ACCEPT, "text/event-stream").body(body.to_owned());
        if let Some(key) = &self.config.api_key {
            request = request.bearer_auth(key.expose());
        }
        match timeout_at(Instant::now() + self.config.idle_timeout, request.send()).await {
            Err(_elapsed) => Err(stalled()),
            Ok(Err(error)) => Err(unreachable(error)),
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => Err(refused(&response)),
        }
    }
}

impl Provider for Chat {
    fn answer<'a>(&'a self, task: Task, reporter: &'a ProgressReporter) -> LocalBoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(self.ask(task, reporter))
    }

    fn name(&self) -> &'static str {
        "chat"
    }
}

/// Exponential back-off with a random part, so that clients do not retry all at the same time.
fn pause_before(attempt: u32) -> Duration {
    let (first, last) = (*limits::PROVIDER_RETRY.start(), *limits::PROVIDER_RETRY.end());
    let pause = first.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(last);
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_differ() {
        for attempt in 1..100 {
            let pause = pause_before(attempt);
            assert!(pause >= *limits::PROVIDER_RETRY.start() / 2 && pause <= *limits::PROVIDER_RETRY.end());
        }
        assert!((0..100).any(|_| pause_before(3) != pause_before(3)));
    }
}
