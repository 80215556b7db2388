//! File settings: where uploads are stored, which types are accepted, and the quotas.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{ConfigError, Secret, variables::Variables};
use crate::limits;

/// Storage and quotas of uploads.
#[derive(Clone, Debug)]
pub struct Files {
    /// `FILES_DIR`, or the bucket of `FILES_S3_BUCKET`.
    pub place: FilePlace,
    /// `FILE_BYTES_MAX`: the size limit of one file.
    pub file_bytes_max: u64,
    /// `FILES_PER_USER_BYTES_MAX`: the size limit of all files of one user. None: no limit (0 in the variable).
    pub per_user_bytes_max: Option<u64>,
    /// `FILES_PER_USER_MAX`: the number of files of one user. None: no limit (0 in the variable).
    pub per_user_files_max: Option<u32>,
    /// `UPLOADS_PER_USER_MAX`: unfinished uploads per user.
    pub uploads_per_user_max: u32,
    /// `UPLOAD_EXPIRY_HOURS`: how long an unfinished upload is kept without progress.
    pub upload_expiry: Duration,
    /// `FILE_TYPES_ALLOWED`.
    pub types: FileTypes,
}

/// Where file contents are stored.
#[derive(Clone, Debug)]
pub enum FilePlace {
    /// A folder of this node, or one that all nodes share.
    Folder(PathBuf),
    /// A bucket of an S3-compatible server.
    Bucket(Box<Bucket>),
}

/// A bucket and how to reach it.
#[derive(Clone)]
pub struct Bucket {
    /// `FILES_S3_BUCKET`: its name.
    pub name: String,
    /// `FILES_S3_ENDPOINT`: the server's URL. Without it, AWS.
    pub endpoint: Option<String>,
    /// `FILES_S3_REGION`.
    pub region: String,
    /// `FILES_S3_PREFIX`: the start of every object name.
    pub prefix: String,
    /// `FILES_S3_ACCESS_KEY_ID` and `FILES_S3_SECRET_ACCESS_KEY`. Without them, the machine's role is used.
    pub keys: Option<BucketKeys>,
    /// `FILES_S3_PATH_STYLE`: how requests name the bucket.
    pub addressing: BucketAddressing,
}

/// An access key.
#[derive(Clone)]
pub struct BucketKeys {
    /// The key id.
    pub id: String,
    /// The secret key.
    pub secret: Secret,
}

/// How a request names the bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BucketAddressing {
    /// `https://server/bucket/object`.
    Path,
    /// `https://bucket.server/object`.
    Host,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({} at {:?})", self.name, self.endpoint)
    }
}

/// The accepted media types: patterns such as `image/*`. If empty, all types are accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileTypes(Vec<String>);

impl FileTypes {
    /// Whether a file of this media type is accepted.
    pub fn take(&self, mime_type: &str) -> bool {
        let bare = mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => bare.starts_with(start),
            None => *pattern == bare,
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }

    fn read(variables: &Variables<'_>) -> Result<FileTypes, ConfigError> {
        const NAME: &str = "FILE_TYPES_ALLOWED";
        let patterns: Vec<String> = variables.list(NAME).iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
        if patterns.len() > limits::FILE_TYPES_MAX {
            let problem = format!("names more than {} types; use patterns such as image/*", limits::FILE_TYPES_MAX);
            return Err(ConfigError::new(NAME, problem));
        }
        for pattern in &patterns {
            let sound = pattern.split_once('/').is_some_and(|(kind, rest)| {
                !kind.is_empty() && !kind.contains('*') && !rest.is_empty() && !rest.trim_end_matches('*').contains('*')
            });
            if !sound && pattern != "*" {
                let problem = "is not a media type; set it to a list such as image/*,application/pdf";
                return Err(ConfigError::value(NAME, pattern, problem));
            }
        }
        Ok(FileTypes(patterns))
    }
}

impl fmt::Display for FileTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// A larger value is a typo.
const BYTES_MAX: u64 = 1 << 50;
const FILES_MAX: u32 = 100_000_000;

impl Files {
    pub(super) fn read(variables: &Variables<'_>, data_dir: &Path) -> Result<Files, ConfigError> {
        let bytes = |name, default| variables.number(name, 0..=BYTES_MAX, default, "bytes, such as 1073741824");
        let per_user = bytes("FILES_PER_USER_BYTES_MAX", limits::FILES_PER_USER_BYTES_MAX)?;
        let hours = "hours, such as 24";
        let expiry = variables.number("UPLOAD_EXPIRY_HOURS", 1..=8_760, limits::UPLOAD_EXPIRY_HOURS, hours)?;
        let at_once = "uploads, such as 100";
        let files = limits::FILES_PER_USER_MAX;
        let files = variables.number("FILES_PER_USER_MAX", 0..=FILES_MAX, files, "files, such as 10000")?;
        Ok(Files {
            place: place(variables, data_dir)?,
            file_bytes_max: bytes("FILE_BYTES_MAX", limits::FILE_BYTES_MAX)?,
            per_user_bytes_max: (per_user > 0).then_some(per_user),
            per_user_files_max: (files > 0).then_some(files),
            uploads_per_user_max: variables.number(
                "UPLOADS_PER_USER_MAX",
                1..=10_000,
                limits::UPLOADS_PER_USER_MAX,
                at_once,
            )?,
            upload_expiry: Duration::from_secs(expiry * 60 * 60),
            types: FileTypes::read(variables)?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        match &self.place {
            FilePlace::Folder(folder) => lines.push(("FILES_DIR", folder.display().to_string())),
            FilePlace::Bucket(bucket) => bucket.describe(lines),
        }
        lines.push(("FILE_BYTES_MAX", self.file_bytes_max.to_string()));
        lines.push(("FILES_PER_USER_BYTES_MAX", self.per_user_bytes_max.unwrap_or(0).to_string()));
        lines.push(("FILES_PER_USER_MAX", self.per_user_files_max.unwrap_or(0).to_string()));
        lines.push(("UPLOADS_PER_USER_MAX", self.uploads_per_user_max.to_string()));
        lines.push(("UPLOAD_EXPIRY_HOURS", (self.upload_expiry.as_secs() / 60 / 60).to_string()));
        lines.push(("FILE_TYPES_ALLOWED", self.types.to_string()));
    }
}

impl Bucket {
    fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("FILES_S3_BUCKET", self.name.clone()));
        lines.extend(self.endpoint.iter().map(|endpoint| ("FILES_S3_ENDPOINT", endpoint.clone())));
        lines.push(("FILES_S3_REGION", self.region.clone()));
        lines.push(("FILES_S3_PREFIX", self.prefix.clone()));
        lines.push(("FILES_S3_PATH_STYLE", (self.addressing == BucketAddressing::Path).to_string()));
        if let Some(keys) = &self.keys {
            lines.push(("FILES_S3_ACCESS_KEY_ID", keys.id.clone()));
            lines.push(("FILES_S3_SECRET_ACCESS_KEY", "(given)".to_owned()));
        }
    }
}

fn place(variables: &Variables<'_>, data_dir: &Path) -> Result<FilePlace, ConfigError> {
    let Some(name) = variables.text("FILES_S3_BUCKET") else {
        let folder = variables.text("FILES_DIR").map_or_else(|| data_dir.join("files"), PathBuf::from);
        return Ok(FilePlace::Folder(folder));
    };
    if cfg!(not(feature = "s3")) {
        let problem = "is set, but this program was built without the feature s3; unset it, or build with that feature";
        return Err(ConfigError::new("FILES_S3_BUCKET", problem));
    }
    let endpoint = variables.text("FILES_S3_ENDPOINT");
    if let Some(url) = &endpoint {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['@', '?', '#'])) {
            let problem =
                "is not the URL of an S3 server; set it to one such as https://s3.example.org:9000, without the keys";
            return Err(ConfigError::new("FILES_S3_ENDPOINT", problem));
        }
    }
    let keys = match (variables.text("FILES_S3_ACCESS_KEY_ID"), variables.text("FILES_S3_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => Some(BucketKeys { id, secret: Secret::new(secret) }),
        (None, None) => None,
        (Some(_), None) => {
            let problem = "is not set although FILES_S3_ACCESS_KEY_ID is; set both, or none to use the machine's role";
            return Err(ConfigError::new("FILES_S3_SECRET_ACCESS_KEY", problem));
        }
        (None, Some(_)) => {
            let problem =
                "is not set although FILES_S3_SECRET_ACCESS_KEY is; set both, or none to use the machine's role";
            return Err(ConfigError::new("FILES_S3_ACCESS_KEY_ID", problem));
        }
    };
    // Servers other than AWS seldom have a host name per bucket.
    let by_path = variables.boolean("FILES_S3_PATH_STYLE", endpoint.is_some())?;
    let prefix = variables.text("FILES_S3_PREFIX").unwrap_or_else(|| "convene".into());
    Ok(FilePlace::Bucket(Box::new(Bucket {
        name,
        endpoint: endpoint.map(|url| url.trim_end_matches('/').to_owned()),
        region: variables.text("FILES_S3_REGION").unwrap_or_else(|| "us-east-1".into()),
        prefix: prefix.trim_matches('/').to_owned(),
        keys,
        addressing: if by_path { BucketAddressing::Path } else { BucketAddressing::Host },
    })))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{config, refusal},
        *,
    };

    #[test]
    fn files_are_kept_in_the_data_folder_unless_a_bucket_is_named() {
        let files = config(&[("DATA_DIR", "/srv/convene")]).unwrap().files;
        assert!(matches!(files.place, FilePlace::Folder(folder) if folder == Path::new("/srv/convene/files")));
        let s3 = [
            ("FILES_S3_BUCKET", "team"),
            ("FILES_S3_ENDPOINT", "http://s3:9000/"),
            ("FILES_S3_ACCESS_KEY_ID", "id"),
            ("FILES_S3_SECRET_ACCESS_KEY", "hush hush"),
        ];
        let config = config(&s3).unwrap();
        let FilePlace::Bucket(bucket) = &config.files.place else { panic!("a bucket was named") };
        assert_eq!(bucket.endpoint.as_deref(), Some("http://s3:9000"));
        assert_eq!((bucket.addressing, bucket.prefix.as_str()), (BucketAddressing::Path, "convene"));
        let shown = format!("{config:?} {:?}", config.describe());
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn half_a_key_and_a_password_in_the_url_are_refused() {
        let sentence = refusal(&[("FILES_S3_BUCKET", "b"), ("FILES_S3_ACCESS_KEY_ID", "id")]);
        assert!(sentence.starts_with("FILES_S3_SECRET_ACCESS_KEY: is not set"), "{sentence}");
        let sentence = refusal(&[("FILES_S3_BUCKET", "b"), ("FILES_S3_ENDPOINT", "http://u:hush@h")]);
        assert!(sentence.starts_with("FILES_S3_ENDPOINT: ") && !sentence.contains("hush"), "{sentence}");
    }

    #[test]
    fn types_are_taken_by_pattern() {
        let types = config(&[("FILE_TYPES_ALLOWED", "image/*, application/PDF")]).unwrap().files.types;
        assert!(types.take("image/png") && types.take("Application/pdf; x=1"));
        assert!(!types.take("text/html") && !types.take("imagex/png"));
        assert!(FileTypes::default().take("anything/at-all"));
        assert!(refusal(&[("FILE_TYPES_ALLOWED", "pictures")]).starts_with("FILE_TYPES_ALLOWED: \"pictures\" is not"));
    }
}
