//! The interface between the assistant and providers: the task, the answer, and progress reports. A provider must not
//! know about queues, budgets or sockets.

use std::{
    borrow::Cow,
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Recipient;
use futures_util::future::LocalBoxFuture;

use crate::{
    actors::messages::PublishToUser,
    core::{
        analysis::{Datum, Extent},
        assistant::{AnswerEvent, AnswerFault, AnswerPhase},
        command::RawJson,
        user_event::UserEvent,
    },
    ids::UserId,
    limits,
    logged::logged,
};

/// A provider of answers. Dropping the future stops the work and closes its connections at once.
pub trait Provider {
    /// Answers the task.
    fn answer<'a>(&'a self, task: Task, reporter: &'a ProgressReporter) -> LocalBoxFuture<'a, Result<Answer, Fault>>;

    /// The provider's name in logs.
    fn name(&self) -> &'static str;
}

/// A question to answer.
#[derive(Clone, Debug)]
pub struct Task {
    /// The user's text.
    pub query: Arc<str>,
    /// The cells that the question is about.
    pub table: Option<Cells>,
}

/// The non-empty cells of a range.
#[derive(Clone, Debug)]
pub struct Cells {
    /// The range in spreadsheet notation.
    pub range: String,
    /// Row by row.
    pub data: Vec<Datum>,
    /// Whether these are all cells of the range.
    pub extent: Extent,
}

/// The answer to a question.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The text.
    pub result: String,
    /// The result as structured data, if available.
    pub findings: Option<RawJson>,
}

/// Why a question has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The kind of failure.
    pub kind: AnswerFault,
    /// One sentence that says what to do.
    pub sentence: Cow<'static, str>,
}

impl Fault {
    /// The provider is unreachable, too slow, or failing.
    pub fn unavailable(sentence: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind: AnswerFault::Unavailable, sentence: sentence.into() }
    }

    /// The data does not exist, or the user may not read it.
    pub fn no_such_data(sentence: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind: AnswerFault::NoSuchData, sentence: sentence.into() }
    }
}

/// Reports the progress of one answer to the user's sockets.
pub struct ProgressReporter {
    users: Recipient<PublishToUser>,
    user: UserId,
    request: Arc<str>,
    percent: Cell<u8>,
    told_at: Cell<Option<Instant>>,
    spent_characters: Cell<u64>,
}

/// The minimum time between progress reports without text.
const PROGRESS_PACE: Duration = Duration::from_millis(100);

impl ProgressReporter {
    /// Creates a reporter for one question of a user.
    pub fn new(users: Recipient<PublishToUser>, user: UserId, request: Arc<str>) -> ProgressReporter {
        let (percent, told_at, spent_characters) = (Cell::new(0), Cell::new(None), Cell::new(0));
        ProgressReporter { users, user, request, percent, told_at, spent_characters }
    }

    /// Reports progress, unless the last report was just sent. The percentage never decreases.
    pub fn progress(&self, percent: u8, status: &str) {
        if self.told_at.get().is_none_or(|at| at.elapsed() >= PROGRESS_PACE) {
            self.report_progress(percent, status, None);
        }
    }

    /// Reports the next piece of the text.
    #[cfg(feature = "ai-http")]
    pub fn text(&self, percent: u8, delta: &str) {
        self.report_progress(percent, "Writing the answer", Some(delta.into()));
    }

    fn report_progress(&self, percent: u8, status: &str, delta: Option<Arc<str>>) {
        self.percent.set(self.percent.get().max(percent.min(99)));
        self.told_at.set(Some(Instant::now()));
        // A lost piece is contained in the complete answer.
        if self
            .users
            .try_send(self.news(AnswerPhase::Progress { percent: self.percent.get(), status: status.into(), delta }))
            .is_err()
        {
            log::warn!("event=ai_progress_lost user={} why=registry_full", logged(&self.user));
        }
    }

    /// Reports the start.
    pub fn start(&self, started: AnswerPhase) {
        if self.users.try_send(self.news(started)).is_err() {
            log::warn!("event=ai_start_lost user={} why=registry_full", logged(&self.user));
        }
    }

    /// Reports the end. Unlike progress, it waits until the registry accepts it.
    pub fn end(&self, end: AnswerPhase) -> impl Future<Output = ()> + use<> {
        let told = self.users.send(self.news(end)).timeout(limits::ASK_TIMEOUT);
        let user = self.user.clone();
        async move {
            if told.await.is_err() {
                log::warn!("event=ai_end_lost user={user} why=registry_full", user = logged(&user));
            }
        }
    }

    fn news(&self, phase: AnswerPhase) -> PublishToUser {
        let news = AnswerEvent { request: self.request.clone(), user: self.user.clone(), phase };
        PublishToUser { user: self.user.clone(), what: Arc::new(UserEvent::Answer(news)), but: None }
    }

    /// Counts characters sent to a provider or received from it.
    #[cfg(feature = "ai-http")]
    pub fn spend(&self, characters: usize) {
        self.spent_characters.set(self.spent_characters.get() + characters as u64);
    }

    /// The number of characters counted.
    pub fn spent_characters(&self) -> u64 {
        self.spent_characters.get()
    }
}
