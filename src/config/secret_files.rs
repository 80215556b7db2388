//! Secrets that are read from files, as orchestrators provide them: the value of `<NAME>_FILE` is the path of a file with the
//! value of `<NAME>`. This is the only list of settings that contain secrets. Errors must never quote a value.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use super::{ConfigError, variables::Variables};

/// Settings that contain secrets, each with the setting that names a file instead.
const SECRETS: [(&str, &str); 10] = [
    ("AI_API_KEY", "AI_API_KEY_FILE"),
    ("DATABASE_URL", "DATABASE_URL_FILE"),
    ("DB_PASSWORD", "DB_PASSWORD_FILE"),
    ("FILES_S3_ACCESS_KEY_ID", "FILES_S3_ACCESS_KEY_ID_FILE"),
    ("FILES_S3_SECRET_ACCESS_KEY", "FILES_S3_SECRET_ACCESS_KEY_FILE"),
    ("ICE_TURN_PASSWORD", "ICE_TURN_PASSWORD_FILE"),
    ("ICE_TURN_SECRET", "ICE_TURN_SECRET_FILE"),
    ("JWT_SECRET_KEY", "JWT_SECRET_KEY_FILE"),
    ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE"),
    ("REDIS_URL", "REDIS_URL_FILE"),
];

/// A larger file is not a secret.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// The values that come from files, and the settings that name these files.
#[derive(Default)]
pub(super) struct SecretFiles {
    /// By the name of the setting without `_FILE`.
    values: BTreeMap<&'static str, String>,
    /// The path by the name of the setting with `_FILE`.
    paths: BTreeMap<&'static str, String>,
}

impl SecretFiles {
    /// Reads all files that are named.
    ///
    /// # Errors
    /// A file that can't be read or is empty, or a setting that is given directly as well.
    pub(super) fn read(variables: &Variables<'_>) -> Result<SecretFiles, ConfigError> {
        let mut files = SecretFiles::default();
        for (name, name_of_file) in SECRETS {
            let Some(path) = variables.text(name_of_file) else { continue };
            if variables.text(name).is_some() {
                let problem = format!("is set, and {name} is set as well; unset one of the two");
                return Err(ConfigError::new(name_of_file, problem));
            }
            files.values.insert(name, contents(name_of_file, &path)?);
            files.paths.insert(name_of_file, path);
        }
        Ok(files)
    }

    /// The value of a setting that comes from a file.
    pub(super) fn value(&self, name: &str) -> Option<&String> {
        self.values.get(name)
    }

    /// The paths by the names of the settings that were given.
    pub(super) fn paths(&self) -> BTreeMap<&'static str, String> {
        self.paths.clone()
    }

    /// The names of all settings that name such a file.
    pub(super) fn names() -> impl Iterator<Item = String> {
        SECRETS.iter().map(|(_, name_of_file)| (*name_of_file).to_owned())
    }
}

/// The text of the file without surrounding white space, because most editors end a file with a line break.
fn contents(name: &'static str, path: &str) -> Result<String, ConfigError> {
    let wrong = |problem: &str| ConfigError::value(name, path, problem);
    let mut text = String::new();
    let read =
        File::open(Path::new(path)).and_then(|file| file.take(SECRET_FILE_BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|why| wrong(&format!("can't be read ({why}); set it to a text file that this user may read")))?;
    if text.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(wrong("is too large for a secret; set it to a file that contains the value alone"));
    }
    match text.trim() {
        "" => Err(wrong("is empty; write the value into it")),
        value => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{config, refusal},
        *,
    };

    fn file(folder: &Path, name: &str, text: &str) -> String {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    #[test]
    fn secrets_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let secret = file(folder.path(), "jwt", &format!("{}\n", "hush".repeat(8)));
        let database = file(folder.path(), "database", "postgres://u:hush@h/d\r\n");
        let redis = file(folder.path(), "redis", "redis://:hush@cache");
        let given = [
            ("JWT_SECRET_KEY_FILE", secret.as_str()),
            ("DATABASE_URL_FILE", &database),
            ("REDIS_URL_FILE", &redis),
            ("WS_HOST", "0.0.0.0"),
        ];
        let config = config(&given).unwrap();
        assert_eq!(config.auth.secret().unwrap().expose(), "hush".repeat(8));
        assert_eq!(config.storage.database.as_str(), "postgres://u:hush@h/d");
        assert_eq!(config.cluster.redis.as_ref().unwrap().password.as_ref().unwrap().expose(), "hush");
        let described = config.describe();
        assert!(described.contains(&("JWT_SECRET_KEY_FILE", secret)), "{described:?}");
        assert!(config.is_given("JWT_SECRET_KEY_FILE") && config.is_given("DATABASE_URL"));
        let shown = format!("{described:?} {config:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_value_and_a_file_are_one_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "jwt", "hush");
        for (name, name_of_file) in SECRETS {
            let sentence = refusal(&[(name, "hush"), (name_of_file, &path)]);
            assert!(sentence.starts_with(&format!("{name_of_file}: is set, and {name} is set as well")), "{sentence}");
        }
    }

    #[test]
    fn a_file_without_a_secret_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let empty = file(folder.path(), "empty", " \n");
        let huge = file(folder.path(), "huge", &"hush".repeat(20_000));
        let refused = |path: &str| refusal(&[("JWT_SECRET_KEY_FILE", path)]);
        assert!(refused("/nowhere").starts_with("JWT_SECRET_KEY_FILE: \"/nowhere\" can't be read"));
        assert!(refused(&empty).ends_with("is empty; write the value into it"));
        assert!(refused(&folder.path().display().to_string()).contains("can't be read"));
        let sentence = refused(&huge);
        assert!(sentence.contains("is too large") && !sentence.contains("hush"), "{sentence}");
        let short = file(folder.path(), "short", "short");
        let refused = refusal(&[("JWT_SECRET_KEY_FILE", short.as_str()), ("WS_HOST", "0.0.0.0")]);
        assert!(refused.starts_with("JWT_SECRET_KEY: is shorter"), "{refused}");
    }

    /// Whoever adds a secret must add it to the list above.
    #[test]
    fn all_settings_that_hold_secrets_may_come_from_files() {
        let known = config(&[]).unwrap().given.known;
        let is_secret = |name: &&String| {
            ["PASSWORD", "SECRET", "SECRET_KEY", "API_KEY", "ACCESS_KEY"].iter().any(|end| name.ends_with(end))
        };
        let missing: Vec<_> =
            known.iter().filter(is_secret).filter(|name| !SECRETS.iter().any(|(secret, _)| secret == name)).collect();
        assert!(missing.is_empty(), "not in SECRETS: {missing:?}");
    }
}
