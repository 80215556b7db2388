//! The seam between the assistant and whoever answers: what is asked, what comes of it, and how progress is told. Who answers
//! knows nothing of queues, budgets or sockets.

use std::{
    borrow::Cow,
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Recipient;
use futures_util::future::LocalBoxFuture;

use crate::{
    actors::messages::ToUser,
    core::{
        analysis::{Datum, Extent},
        assistant::{AnswerFault, AnswerNews, AnswerPhase},
        command::RawJson,
        personal::Personal,
    },
    ids::UserId,
    limits,
    logged::logged,
};

/// Who answers. Dropping the future stops the work, and whatever it has open ends at once.
pub trait Provider {
    /// Answers.
    fn answer<'a>(&'a self, task: Task, teller: &'a Teller) -> LocalBoxFuture<'a, Result<Answer, Fault>>;

    /// Its name in logs.
    fn name(&self) -> &'static str;
}

/// What is to be answered.
#[derive(Clone, Debug)]
pub struct Task {
    /// In the user's words.
    pub query: Arc<str>,
    /// What it is about.
    pub table: Option<Cells>,
}

/// The cells of a range, empty ones left out.
#[derive(Clone, Debug)]
pub struct Cells {
    /// The range as people write it.
    pub range: String,
    /// Row by row.
    pub data: Vec<Datum>,
    /// Whether these are all.
    pub extent: Extent,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The text.
    pub result: String,
    /// The same as data, where there is some.
    pub findings: Option<RawJson>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The kind.
    pub kind: AnswerFault,
    /// One sentence that says what to do.
    pub sentence: Cow<'static, str>,
}

impl Fault {
    /// The provider is away, too slow, or out of order.
    pub fn unavailable(sentence: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind: AnswerFault::Unavailable, sentence: sentence.into() }
    }

    /// What is asked about is not there, or not the user's to see.
    pub fn no_such_data(sentence: impl Into<Cow<'static, str>>) -> Fault {
        Fault { kind: AnswerFault::NoSuchData, sentence: sentence.into() }
    }
}

/// Tells the user's sockets how far one answer is.
pub struct Teller {
    users: Recipient<ToUser>,
    user: UserId,
    request: Arc<str>,
    percent: Cell<u8>,
    told_at: Cell<Option<Instant>>,
    spent_characters: Cell<u64>,
}

/// Progress without text is told no more often than this.
const PROGRESS_PACE: Duration = Duration::from_millis(100);

impl Teller {
    /// For one question of a user.
    pub fn new(users: Recipient<ToUser>, user: UserId, request: Arc<str>) -> Teller {
        let (percent, told_at, spent_characters) = (Cell::new(0), Cell::new(None), Cell::new(0));
        Teller { users, user, request, percent, told_at, spent_characters }
    }

    /// Progress, unless some was told a moment ago. The percentage never goes back.
    pub fn progress(&self, percent: u8, status: &str) {
        if self.told_at.get().is_none_or(|at| at.elapsed() >= PROGRESS_PACE) {
            self.tell_progress(percent, status, None);
        }
    }

    /// The next piece of the text.
    #[cfg(feature = "ai-http")]
    pub fn text(&self, percent: u8, delta: &str) {
        self.tell_progress(percent, "Writing the answer", Some(delta.into()));
    }

    fn tell_progress(&self, percent: u8, status: &str, delta: Option<Arc<str>>) {
        self.percent.set(self.percent.get().max(percent.min(99)));
        self.told_at.set(Some(Instant::now()));
        // what is lost comes again with the whole answer
        if self
            .users
            .try_send(self.news(AnswerPhase::Progress { percent: self.percent.get(), status: status.into(), delta }))
            .is_err()
        {
            log::warn!("event=ai_progress_lost user={} why=registry_full", logged(&self.user));
        }
    }

    /// Begins the news.
    pub fn start(&self, started: AnswerPhase) {
        if self.users.try_send(self.news(started)).is_err() {
            log::warn!("event=ai_start_lost user={} why=registry_full", logged(&self.user));
        }
    }

    /// The last news, which waits for its place where the others are dropped.
    pub fn end(&self, end: AnswerPhase) -> impl Future<Output = ()> + use<> {
        let told = self.users.send(self.news(end)).timeout(limits::ASK_TIMEOUT);
        let user = self.user.clone();
        async move {
            if told.await.is_err() {
                log::warn!("event=ai_end_lost user={user} why=registry_full", user = logged(&user));
            }
        }
    }

    fn news(&self, phase: AnswerPhase) -> ToUser {
        let news = AnswerNews { request: self.request.clone(), user: self.user.clone(), phase };
        ToUser { user: self.user.clone(), what: Arc::new(Personal::Answer(news)), but: None }
    }

    /// Counts characters that went to a provider or came from it.
    #[cfg(feature = "ai-http")]
    pub fn spend(&self, characters: usize) {
        self.spent_characters.set(self.spent_characters.get() + characters as u64);
    }

    /// How many those are.
    pub fn spent_characters(&self) -> u64 {
        self.spent_characters.get()
    }
}
