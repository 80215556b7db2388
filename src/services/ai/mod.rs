//! The assistant: users ask about their sheets, a provider answers, and progress is sent to all sockets of the user.
//! One actor per node, on its own thread, manages the questions: concurrency, the queue, and the budget of each user.
//! Every accepted question must end with exactly one `Complete` or `Failed`. Questions and answers must never be
//! logged.

mod analyst;
mod cells;
#[cfg(feature = "ai-http")]
mod chat;
#[cfg(feature = "ai-http")]
mod chunks;
#[cfg(feature = "ai-http")]
mod events;
#[cfg(feature = "ai-http")]
mod prompt;
mod provider;
#[cfg(feature = "ai-http")]
mod provider_error;
#[cfg(feature = "ai-http")]
mod reading;
mod remote_cancel;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix::prelude::*;
use futures_util::future::{AbortHandle, Aborted, abortable};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use self::{
    analyst::Analyst,
    provider::{Answer, Fault, ProgressReporter, Provider, Task},
    remote_cancel::IsCancelled,
};
use crate::{
    actors::{
        messages::{AskAssistant, AskerClosed, FinishAnswers},
        node::{AssistantLine, Node},
        scatter_gather::ScatterGather,
    },
    config::Ai,
    core::assistant::{
        AnswerFault, AnswerPhase,
        budget::{Allowance, BudgetLimits, Budgets, UsedUp},
        queue::{NoPlace, Queue, QueueLimits},
    },
    error::{ErrorCode, Refusal},
    ids::UserId,
    limits,
    logged::logged,
    metrics::AiOutcome,
};

/// The actor. One per node.
pub struct Assistant {
    node: Arc<Node>,
    provider: Rc<dyn Provider>,
    asks: FxHashMap<Name, Asked>,
    queue: Queue<UserId, Name>,
    budgets: Budgets<UserId>,
    elsewhere: ScatterGather<IsCancelled>,
    /// Incremented with each question, so that the late end of one is not taken for that of a later question with the
    /// same name.
    lives: u64,
    /// Notified when the last answer has ended. None while questions are accepted.
    finishing: Option<Vec<oneshot::Sender<()>>>,
}

/// The key of a question: the user, and the name that the client chose.
type Name = (UserId, Arc<str>);

/// A question that was accepted and has not ended.
struct Asked {
    ask: AskAssistant,
    life: u64,
    reporter: Rc<ProgressReporter>,
    taken: Instant,
    /// Stops the work. None while the question is queued.
    abort: Option<AbortHandle>,
}

/// The result of the work on a question.
type Outcome = Result<Result<Answer, Fault>, Aborted>;

/// The provider is not usable because the system's certificates can't be loaded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadProvider(String);

/// Starts the assistant and registers it with the node.
///
/// # Errors
/// If TLS to the provider can't be set up.
pub fn start(node: &Arc<Node>) -> Result<(), BadProvider> {
    let config = node.config.ai.clone();
    #[cfg(feature = "ai-http")]
    let chat = {
        let chat = |provider| chat::Chat::new(provider, node.metrics.clone());
        config.provider.clone().map(chat).transpose().map_err(|error| BadProvider(error.to_string()))?
    };
    let of_actor = node.clone();
    let assistant = Assistant::start_in_arbiter(&Arbiter::new().handle(), move |ctx| {
        ctx.set_mailbox_capacity(limits::ASSISTANT_MAILBOX_MAX);
        #[cfg(feature = "ai-http")]
        let provider: Rc<dyn Provider> = match chat {
            Some(chat) => Rc::new(chat),
            None => Rc::new(Analyst),
        };
        // The configuration has already rejected a provider.
        #[cfg(not(feature = "ai-http"))]
        let provider: Rc<dyn Provider> = Rc::new(Analyst);
        Assistant::new(of_actor, &config, provider)
    });
    let line = AssistantLine {
        ask: assistant.clone().recipient(),
        cancel: assistant.clone().recipient(),
        gone: assistant.clone().recipient(),
        heard: assistant.clone().recipient(),
        finish: assistant.recipient(),
    };
    // A node is started only once.
    let _ = node.assistant.set(line);
    Ok(())
}

impl Assistant {
    fn new(node: Arc<Node>, config: &Ai, provider: Rc<dyn Provider>) -> Assistant {
        let queue = QueueLimits {
            at_once: config.at_once,
            at_once_per_user: config.at_once_per_user,
            waiting: config.waiting,
            waiting_per_user: limits::QUESTIONS_WAITING_PER_USER_MAX,
        };
        let budget = BudgetLimits {
            requests_per_hour: config.requests_per_hour,
            characters_per_day: config.characters_per_day,
            users_max: limits::ASSISTANT_USERS_REMEMBERED_MAX,
        };
        Assistant {
            node,
            provider,
            asks: FxHashMap::default(),
            queue: Queue::new(queue),
            budgets: Budgets::new(budget),
            elsewhere: ScatterGather::default(),
            lives: 0,
            finishing: None,
        }
    }

    // ---- accepting questions ----

    fn take(&mut self, ask: AskAssistant, ctx: &mut Context<Self>) -> Result<(), Refusal> {
        if self.finishing.is_some() {
            let sentence = "The server is about to restart and accepts no more questions; ask again in a minute";
            return Err(Refusal::new(ErrorCode::AiUnavailable, sentence));
        }
        let name = (ask.user.id.clone(), ask.question.request.clone());
        if self.asks.contains_key(&name) {
            let sentence =
                "A request with this `request_id` is still running; wait for its end, cancel it, or choose another id";
            return Err(Refusal::new(ErrorCode::Conflict, sentence));
        }
        let (user, request) = name.clone();
        self.queue.enter(&user, name.clone()).map_err(no_place)?;
        if let Err(used_up) = self.budgets.ask(&user, self.node.clock.now()) {
            self.queue.remove(&user, |waiting| *waiting == name);
            return Err(over_budget(used_up));
        }
        self.lives += 1;
        let reporter = Rc::new(ProgressReporter::new(self.node.registry.clone().recipient(), user, request));
        reporter.start(AnswerPhase::Started { query: ask.question.query.clone(), sheet: ask.question.sheet.clone() });
        let asked = Asked { ask, life: self.lives, reporter: reporter.clone(), taken: Instant::now(), abort: None };
        self.asks.insert(name.clone(), asked);
        self.begin_next(ctx);
        if self.asks.get(&name).is_some_and(|asked| asked.abort.is_none()) {
            reporter.progress(0, "Queued");
        }
        Ok(())
    }

    /// Starts queued questions within the limits.
    fn begin_next(&mut self, ctx: &mut Context<Self>) {
        while let Some((user, name)) = self.queue.begin() {
            let checked = self.budgets.check_characters(&user, self.node.clock.now());
            match (checked, self.asks.get_mut(&name)) {
                (Ok(()), Some(asked)) => {
                    let work =
                        work(self.node.clone(), self.provider.clone(), asked.ask.clone(), asked.reporter.clone());
                    let (work, abort) = abortable(work);
                    asked.abort = Some(abort);
                    let (life, reporter) = (asked.life, asked.reporter.clone());
                    ctx.spawn(work.into_actor(self).map(move |outcome, assistant, ctx| {
                        assistant.ended(&name, life, &reporter, outcome, ctx);
                    }));
                }
                (Err(used_up), Some(_)) => {
                    self.queue.done(&user);
                    let sentence = over_budget(used_up).sentence;
                    self.end(&name, failed(Fault { kind: AnswerFault::OverBudget, sentence }), ctx);
                }
                // A cancelled question leaves the queue.
                (_, None) => self.queue.done(&user),
            }
        }
        self.node.metrics.ai.load(self.queue.running(), self.queue.waiting());
    }

    // ---- ending questions ----

    /// Handles the end of the work on a question. Its connections are closed.
    fn ended(
        &mut self,
        name: &Name,
        life: u64,
        reporter: &ProgressReporter,
        outcome: Outcome,
        ctx: &mut Context<Self>,
    ) {
        let (user, _) = name;
        self.queue.done(user);
        self.budgets.spend(user, reporter.spent_characters(), self.node.clock.now());
        if let Ok(answer) = outcome
            && let Some(asked) = self.asks.get(name).filter(|asked| asked.life == life)
        {
            let end = match answer {
                Ok(Answer { result, findings }) => {
                    let processing_time_ms = u64::try_from(asked.taken.elapsed().as_millis()).unwrap_or(u64::MAX);
                    AnswerPhase::Complete { result: result.into(), findings, processing_time_ms }
                }
                Err(fault) => failed(fault),
            };
            self.end(name, end, ctx);
        }
        self.begin_next(ctx);
    }

    /// Stops the work on a question, or removes it from the queue, and reports the reason to the user.
    fn stop(&mut self, name: &Name, fault: Fault, ctx: &mut Context<Self>) {
        match self.asks.get(name).map(|asked| asked.abort.clone()) {
            Some(Some(abort)) => abort.abort(),
            Some(None) => drop(self.queue.remove(&name.0, |waiting| waiting == name)),
            None => return,
        }
        self.end(name, failed(fault), ctx);
        self.node.metrics.ai.load(self.queue.running(), self.queue.waiting());
    }

    /// Cancels a question. Returns whether it existed.
    fn cancel(&mut self, name: &Name, ctx: &mut Context<Self>) -> bool {
        let is_there = self.asks.contains_key(name);
        let sentence = "The request was cancelled; send it again if you still need it";
        self.stop(name, Fault { kind: AnswerFault::Cancelled, sentence: sentence.into() }, ctx);
        is_there
    }

    /// Sends the final event of a question.
    fn end(&mut self, name: &Name, end: AnswerPhase, ctx: &mut Context<Self>) {
        let Some(asked) = self.asks.remove(name) else { return };
        let outcome = match &end {
            AnswerPhase::Complete { .. } => AiOutcome::Complete,
            AnswerPhase::Failed { fault: AnswerFault::Cancelled, .. } => AiOutcome::Cancelled,
            AnswerPhase::Failed { fault: AnswerFault::OverBudget, .. } => AiOutcome::OverBudget,
            AnswerPhase::Failed { fault: AnswerFault::NoSuchData, .. } => AiOutcome::NoSuchData,
            AnswerPhase::Failed { fault: AnswerFault::Unavailable, .. }
            | AnswerPhase::Started { .. }
            | AnswerPhase::Progress { .. } => AiOutcome::Unavailable,
        };
        let took = asked.taken.elapsed();
        self.node.metrics.ai.ended(outcome, took);
        let (provider, characters) = (self.provider.name(), asked.reporter.spent_characters());
        let (user, outcome, took_ms) = (&name.0, outcome.name(), took.as_millis());
        log::info!(
            "event=ai_ended user={user} provider={provider} outcome={outcome} took_ms={took_ms} characters={characters}",
            user = logged(&user)
        );
        let told = asked.reporter.end(end);
        let is_last = self.asks.is_empty();
        ctx.spawn(told.into_actor(self).map(move |(), assistant, _| {
            if is_last {
                assistant.finished();
            }
        }));
    }

    /// Notifies the waiters if no question is left.
    fn finished(&mut self) {
        if self.asks.is_empty()
            && let Some(waiting) = &mut self.finishing
        {
            for waiting in waiting.drain(..) {
                // A waiter may have given up.
                let _ = waiting.send(());
            }
        }
    }
}

async fn work(
    node: Arc<Node>,
    provider: Rc<dyn Provider>,
    ask: AskAssistant,
    reporter: Rc<ProgressReporter>,
) -> Result<Answer, Fault> {
    let patience = node.config.ai.timeout;
    let answer = async {
        if ask.question.sheet.is_some() {
            reporter.progress(1, "Reading the sheet");
        }
        let table = cells::asked_about(&node, &ask).await?;
        provider.answer(Task { query: ask.question.query.clone(), table }, &reporter).await
    };
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_elapsed| {
        let seconds = patience.as_secs();
        Err(Fault::unavailable(format!(
            "The answer took longer than {seconds} seconds; ask a simpler question, or about fewer cells"
        )))
    })
}

fn failed(fault: Fault) -> AnswerPhase {
    AnswerPhase::Failed { fault: fault.kind, sentence: fault.sentence.into() }
}

fn no_place(no_place: NoPlace) -> Refusal {
    let sentence = match no_place {
        NoPlace::Full => "The assistant's queue is full; ask again in a minute",
        NoPlace::FullForUser => "Too many of your questions are queued; wait for one to end, or cancel one",
    };
    Refusal::new(ErrorCode::AiUnavailable, sentence)
}

fn over_budget(used_up: UsedUp) -> Refusal {
    let seconds = used_up.retry_after_seconds;
    let sentence = match used_up.what {
        Allowance::Requests => {
            format!("You have reached your limit of questions per hour; ask again in {seconds} seconds")
        }
        Allowance::Characters => {
            format!(
                "Your questions and answers have reached your limit of characters per day; ask again in {seconds} seconds"
            )
        }
    };
    Refusal { retry_after_seconds: Some(seconds), ..Refusal::new(ErrorCode::RateLimitExceeded, sentence) }
}

impl Actor for Assistant {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(limits::ASSISTANT_FORGETS, |assistant, _| {
            assistant.budgets.forget_idle(assistant.node.clock.now());
        });
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        // Nothing else runs on this thread.
        Arbiter::current().stop();
    }
}

impl Handler<AskAssistant> for Assistant {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, ask: AskAssistant, ctx: &mut Self::Context) -> Self::Result {
        self.take(ask, ctx).inspect_err(|refusal| self.node.metrics.ai.refused(refusal.code))
    }
}

impl Handler<AskerClosed> for Assistant {
    type Result = ();

    fn handle(&mut self, gone: AskerClosed, ctx: &mut Self::Context) {
        let is_theirs = |asked: &Asked| asked.ask.user.id == gone.user && asked.ask.conn == gone.conn;
        let theirs: Vec<Name> =
            self.asks.iter().filter(|(_, asked)| is_theirs(asked)).map(|(name, _)| name.clone()).collect();
        for name in theirs {
            let sentence = "The connection on which this was asked has closed; ask again if you still need the answer";
            self.stop(&name, Fault { kind: AnswerFault::Cancelled, sentence: sentence.into() }, ctx);
        }
        self.begin_next(ctx);
    }
}

impl Handler<FinishAnswers> for Assistant {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, FinishAnswers { within }: FinishAnswers, ctx: &mut Self::Context) -> Self::Result {
        let waiting = self.finishing.get_or_insert_default();
        if self.asks.is_empty() {
            return Box::pin(std::future::ready(()));
        }
        let (done, all_done) = oneshot::channel();
        waiting.push(done);
        log::info!("event=ai_finishing answers={} within_ms={}", self.asks.len(), within.as_millis());
        ctx.run_later(within, |assistant, ctx| {
            let left: Vec<Name> = assistant.asks.keys().cloned().collect();
            for name in left {
                let sentence = "The server restarts before the answer is ready; ask again in a minute";
                assistant.stop(&name, Fault::unavailable(sentence), ctx);
            }
        });
        Box::pin(async move {
            // The caller waits longer than this, so an error means that the actor has stopped.
            let _ = all_done.await;
        })
    }
}
