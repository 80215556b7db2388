//! The secret that signs tokens, and the file that stores a generated secret. A secret must never appear in logs or
//! errors.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use super::ConfigError;

/// A secret text. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps the text unchanged.
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        Secret(text.into())
    }

    /// The text, for signing and encryption.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The length of a generated secret.
const SECRET_BYTES: usize = 32;

/// Reads the secret from this file. Generates it first if the file does not exist.
pub(super) fn load_or_create(path: &Path) -> Result<Secret, ConfigError> {
    if !path.exists() {
        create(path).map_err(|why| unusable(path, "created", why))?;
    }
    load(path)
}

/// Reads the secret from this file. The file must exist: a server that is running would not accept tokens signed with a
/// new secret.
pub(super) fn load(path: &Path) -> Result<Secret, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => checked(path, &text),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let problem = format!(
                "is not set, and there is no secret at {}; run this with the DATA_DIR or the JWT_SECRET_KEY of the server",
                path.display()
            );
            Err(ConfigError::new("JWT_SECRET_KEY", problem))
        }
        Err(why) => Err(unusable(path, "read", why)),
    }
}

fn unusable(path: &Path, what: &str, why: io::Error) -> ConfigError {
    let problem = format!(
        "the file {} can't be {what} ({why}); set DATA_DIR to a folder where this user may write, or set JWT_SECRET_KEY",
        path.display()
    );
    ConfigError::new("DATA_DIR", problem)
}

fn checked(path: &Path, text: &str) -> Result<Secret, ConfigError> {
    let text = text.trim();
    if text.len() < SECRET_BYTES {
        let problem = format!(
            "is not set, and the file {} contains no secret; set the variable, or remove the file to generate a new secret",
            path.display()
        );
        return Err(ConfigError::new("JWT_SECRET_KEY", problem));
    }
    Ok(Secret::new(text))
}

/// Writes the whole file under a temporary name, then links it into place. If another process was faster, the link
/// fails and all processes use that one's secret.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)));
    let made = write_draft(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&draft);
    made.and(removed)
}

fn write_draft(draft: &Path) -> io::Result<()> {
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, sync::Barrier, thread};

    use super::*;

    #[test]
    fn a_made_secret_is_random_private_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/jwt_secret");
        let secret = load_or_create(&path).unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_create(&path).unwrap(), secret);
        let other = load_or_create(&folder.path().join("other")).unwrap();
        assert_ne!(other, secret);
        assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn processes_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt_secret");
        let start = Barrier::new(8);
        let secrets: Vec<Secret> = thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        load_or_create(&path).unwrap()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn a_file_without_a_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt_secret");
        fs::write(&path, "\n").unwrap();
        assert!(load_or_create(&path).unwrap_err().to_string().contains("contains no secret"));
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
    }
}
