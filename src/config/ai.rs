//! The assistant's settings: which provider answers questions, and the limits on questions.

use std::time::Duration;

use url::Url;

use super::{ConfigError, Secret, variables::Variables};

const BASE_URL: &str = "AI_BASE_URL";
const MODEL: &str = "AI_MODEL";
const API_KEY: &str = "AI_API_KEY";

/// The assistant's settings.
#[derive(Clone, Debug)]
pub struct Ai {
    /// The provider that answers questions. Without one, the built-in analyst does.
    pub provider: Option<AiProvider>,
    /// `AI_CONCURRENCY_MAX`: questions that this node processes at the same time.
    pub at_once: usize,
    /// `AI_CONCURRENCY_PER_USER`: the share of these that one user may have.
    pub at_once_per_user: usize,
    /// `AI_QUEUE_MAX`: questions that may be queued.
    pub waiting: usize,
    /// `AI_REQUESTS_PER_HOUR`: questions per user in any hour; 0: no limit, which is the default for the analyst,
    /// because it costs nothing.
    pub requests_per_hour: usize,
    /// `AI_CHARACTERS_PER_DAY`: characters that one user may send to and receive from the provider in a day; 0: no
    /// limit.
    pub characters_per_day: u64,
    /// `AI_TIMEOUT_SECONDS`: how long processing one question may take; queueing does not count.
    pub timeout: Duration,
}

/// An OpenAI-compatible endpoint.
#[derive(Clone, Debug)]
pub struct AiProvider {
    /// `AI_BASE_URL`, in the form that OpenAI's own clients expect, such as `https://api.openai.com/v1`.
    pub base_url: Url,
    /// `AI_API_KEY`.
    pub api_key: Option<Secret>,
    /// `AI_MODEL`.
    pub model: String,
    /// `AI_IDLE_TIMEOUT_SECONDS`: how long the provider may send nothing, before an answer begins or within one.
    pub idle_timeout: Duration,
    /// `AI_TABLE_CHARACTERS_MAX`: characters of the sheet's cells that are sent along with a question.
    pub table_characters: usize,
}

impl Ai {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Ai, ConfigError> {
        let provider = AiProvider::read(variables)?;
        let requests_per_hour = if provider.is_some() { 60 } else { 0 };
        Ok(Ai {
            provider,
            at_once: variables.number("AI_CONCURRENCY_MAX", 1..=1_000, 8, "a number such as 8")?,
            at_once_per_user: variables.number("AI_CONCURRENCY_PER_USER", 1..=1_000, 2, "a number such as 2")?,
            waiting: variables.number("AI_QUEUE_MAX", 0..=100_000, 256, "a number such as 256")?,
            requests_per_hour: variables.number(
                "AI_REQUESTS_PER_HOUR",
                0..=10_000,
                requests_per_hour,
                "a number such as 60, or 0 for no limit",
            )?,
            characters_per_day: variables.number(
                "AI_CHARACTERS_PER_DAY",
                0..=1_000_000_000_000,
                2_000_000,
                "a number such as 2000000, or 0 for no limit",
            )?,
            timeout: variables.seconds("AI_TIMEOUT_SECONDS", 1..=3_600, 120)?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        if let Some(provider) = &self.provider {
            lines.push((BASE_URL, provider.base_url.to_string()));
            lines.push((MODEL, provider.model.clone()));
            lines.extend(provider.api_key.iter().map(|_| (API_KEY, "(given)".to_owned())));
            lines.push(("AI_IDLE_TIMEOUT_SECONDS", provider.idle_timeout.as_secs().to_string()));
            lines.push(("AI_TABLE_CHARACTERS_MAX", provider.table_characters.to_string()));
        }
        lines.push(("AI_CONCURRENCY_MAX", self.at_once.to_string()));
        lines.push(("AI_CONCURRENCY_PER_USER", self.at_once_per_user.to_string()));
        lines.push(("AI_QUEUE_MAX", self.waiting.to_string()));
        lines.push(("AI_REQUESTS_PER_HOUR", self.requests_per_hour.to_string()));
        lines.push(("AI_CHARACTERS_PER_DAY", self.characters_per_day.to_string()));
        lines.push(("AI_TIMEOUT_SECONDS", self.timeout.as_secs().to_string()));
    }

    pub(super) fn warn(&self, warnings: &mut Vec<String>) {
        let Some(provider) = &self.provider else { return };
        let loopback = matches!(provider.base_url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if provider.base_url.scheme() == "http" && provider.api_key.is_some() && !loopback {
            let sentence = "AI_BASE_URL is http: AI_API_KEY and the users' questions are sent unencrypted; use https, or a private network";
            warnings.push(sentence.into());
        }
    }
}

impl AiProvider {
    fn read(variables: &Variables<'_>) -> Result<Option<AiProvider>, ConfigError> {
        let idle_timeout = variables.seconds("AI_IDLE_TIMEOUT_SECONDS", 1..=3_600, 30)?;
        let table_characters =
            variables.number("AI_TABLE_CHARACTERS_MAX", 0..=10_000_000, 40_000, "characters, such as 40000")?;
        let Some(text) = variables.text(BASE_URL) else { return Ok(None) };
        if cfg!(not(feature = "ai-http")) {
            let problem =
                "is set, but this program was built without the feature ai-http; unset it, or build with that feature";
            return Err(ConfigError::new(BASE_URL, problem));
        }
        let base_url = base_url(&text)?;
        let Some(model) = variables.text(MODEL) else {
            let problem = "is not set, but AI_BASE_URL is; set it to a model that the provider has";
            return Err(ConfigError::new(MODEL, problem));
        };
        let api_key = variables.text(API_KEY);
        if api_key.as_deref().is_some_and(|key| key.chars().any(|c| !c.is_ascii_graphic())) {
            let problem = "contains a space or a character that is not allowed in a header; set it to the key alone";
            return Err(ConfigError::new(API_KEY, problem));
        }
        let api_key = api_key.map(Secret::new);
        Ok(Some(AiProvider { base_url, api_key, model, idle_timeout, table_characters }))
    }

    /// The URL for chat completions. A base without a path is taken to mean a whole server, whose API begins at `/v1`
    /// as OpenAI's does.
    pub fn completions_url(&self) -> Url {
        let mut url = self.base_url.clone();
        let path = url.path().trim_end_matches('/');
        let path = if path.is_empty() { "/v1".to_owned() } else { path.to_owned() };
        url.set_path(&format!("{path}/chat/completions"));
        url
    }
}

/// Errors never quote the URL, because it may contain a key.
fn base_url(text: &str) -> Result<Url, ConfigError> {
    const FORM: &str = "set it to the base URL that OpenAI's clients expect, such as https://api.openai.com/v1";
    let wrong = |what: &str| ConfigError::new(BASE_URL, format!("{what}; {FORM}"));
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("contains a user or a password; put the key into AI_API_KEY"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    if url.path().trim_end_matches('/').ends_with("/chat/completions") {
        return Err(wrong("includes the endpoint, which is appended automatically"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};

    fn completions(base: &str) -> String {
        let given = config(&[("AI_BASE_URL", base), ("AI_MODEL", "m")]).unwrap();
        given.ai.provider.unwrap().completions_url().to_string()
    }

    #[test]
    fn without_a_url_the_analyst_answers() {
        let ai = config(&[("AI_API_KEY", "x"), ("AI_MODEL", "m")]).unwrap().ai;
        assert!(ai.provider.is_none() && ai.requests_per_hour == 0);
        assert_eq!(config(&[("AI_REQUESTS_PER_HOUR", "9")]).unwrap().ai.requests_per_hour, 9);
        let asking = config(&[("AI_BASE_URL", "http://localhost"), ("AI_MODEL", "m")]).unwrap();
        assert_eq!(asking.ai.requests_per_hour, 60);
    }

    #[test]
    fn the_base_is_what_other_clients_take() {
        assert_eq!(completions("https://api.openai.com/v1"), "https://api.openai.com/v1/chat/completions");
        assert_eq!(completions("https://api.openai.com/v1/"), "https://api.openai.com/v1/chat/completions");
        assert_eq!(completions("http://localhost:11434"), "http://localhost:11434/v1/chat/completions");
        assert_eq!(completions("http://[::1]:8080/openai/v1"), "http://[::1]:8080/openai/v1/chat/completions");
    }

    #[test]
    fn a_wrong_base_is_named_without_the_secret_in_it() {
        for (url, problem) in [
            ("hush", "is not a URL"),
            ("ftp://hush/v1", "is neither http nor https"),
            ("file:///hush", "is neither http nor https"),
            ("https://user:hush@host/v1", "put the key into AI_API_KEY"),
            ("https://host/v1?key=hush", "has a query or a fragment"),
            ("https://host/v1/chat/completions", "includes the endpoint"),
        ] {
            let sentence = refusal(&[("AI_BASE_URL", url), ("AI_MODEL", "m")]);
            assert!(sentence.starts_with("AI_BASE_URL: ") && sentence.contains(problem), "{url}: {sentence}");
            assert!(!sentence.contains("hush"), "{sentence}");
        }
        assert!(refusal(&[("AI_BASE_URL", "https://host/v1")]).starts_with("AI_MODEL: is not set"));
        let key = refusal(&[("AI_BASE_URL", "https://host/v1"), ("AI_MODEL", "m"), ("AI_API_KEY", "hush\nhush")]);
        assert!(key.starts_with("AI_API_KEY: ") && !key.contains("hush"), "{key}");
    }

    #[test]
    fn neither_debug_nor_description_show_the_key() {
        let given = [("AI_BASE_URL", "http://host.example/v1"), ("AI_MODEL", "m"), ("AI_API_KEY", "hush")];
        let config = config(&given).unwrap();
        let text = format!("{config:?} {:?}", config.describe());
        assert!(!text.contains("hush") && text.contains("http://host.example/v1"), "{text}");
        assert!(config.warnings().iter().any(|warning| warning.starts_with("AI_BASE_URL is http")));
    }
}
