//! Checks the folders that the server is going to write to before anything else fails because of them, so that the error names
//! the setting. It creates missing folders and must never write into them.

use std::{fs, io, path::PathBuf};

use crate::config::{Config, FilePlace, SecretSource};

/// A folder that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: \"{}\" {problem}", .folder.display())]
pub struct BadFolder {
    setting: &'static str,
    folder: PathBuf,
    problem: String,
}

/// Checks `DATA_DIR` and `FILES_DIR`, as far as this configuration uses them.
///
/// # Errors
/// A folder that is a file, can't be created, or may not be written to.
pub(super) fn check(config: &Config) -> Result<(), BadFolder> {
    let data = &config.storage.data_dir;
    let has_secret = matches!(&config.auth.secret, SecretSource::Kept(_));
    let has_database = config.storage.database.file().is_some_and(|file| file.starts_with(data));
    if has_secret || has_database {
        usable("DATA_DIR", data)?;
    }
    match &config.files.place {
        FilePlace::Folder(folder) => usable("FILES_DIR", folder),
        FilePlace::Bucket(_) => Ok(()),
    }
}

fn usable(setting: &'static str, folder: &PathBuf) -> Result<(), BadFolder> {
    let bad = |problem| Err(BadFolder { setting, folder: folder.clone(), problem });
    if folder.exists() && !folder.is_dir() {
        return bad("is a file, not a folder; set it to a folder, or move that file away".to_owned());
    }
    if let Err(why) = fs::create_dir_all(folder) {
        return bad(format!("can't be created ({why}); set it to a folder where this user may write"));
    }
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(folder, access) {
        Ok(()) => Ok(()),
        Err(why) => {
            let user = rustix::process::geteuid().as_raw();
            let why = io::Error::from(why);
            bad(format!(
                "may not be written to by this user (uid {user}: {why}); give it write permission, or set {setting} to a folder \
                 where this user may write"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    fn refusal(variables: &[(&str, &str)]) -> Option<String> {
        check(&config(variables).unwrap()).err().map(|bad| bad.to_string())
    }

    #[test]
    fn a_folder_that_is_none_is_named_with_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("file"), folder.path().join("a/b"));
        fs::write(&file, "x").unwrap();
        let [file, new] = [file, new].map(|path| path.display().to_string());
        let said = refusal(&[("DATA_DIR", &file)]).unwrap();
        assert!(said.starts_with("DATA_DIR: ") && said.contains("is a file, not a folder"), "{said}");
        let said = refusal(&[("DATA_DIR", &new), ("FILES_DIR", &file)]).unwrap();
        assert!(said.starts_with("FILES_DIR: "), "{said}");
        let said = refusal(&[("DATA_DIR", &format!("{file}/x"))]).unwrap();
        assert!(said.starts_with("DATA_DIR: ") && said.contains("can't be created"), "{said}");
        assert_eq!(refusal(&[("DATA_DIR", &new)]), None);
        assert!(folder.path().join("a/b").is_dir());
    }

    #[test]
    fn a_folder_that_is_not_used_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files").display().to_string();
        let given = [
            ("DATA_DIR", "/dev/null/x"),
            ("DATABASE_URL", "postgres://h/d"),
            ("JWT_SECRET_KEY", "a secret of more than thirty-two bytes"),
            ("FILES_DIR", &files),
        ];
        assert_eq!(refusal(&given), None);
    }
}
