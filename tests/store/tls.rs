//! Connections to PostgreSQL over TLS.

use std::path::Path;

use convene::store::{Store, StoreError, StoreOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::fixture::Server;

/// A certificate authority.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for `localhost` from that authority.
async fn tls_server(authority: &CertifiedIssuer<'static, KeyPair>, folder: &Path) -> Server {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let (certificate_file, key_file) = (folder.join("server.pem"), folder.join("server.key"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    // Root may own the key if the server's group can read it. The simplest that PostgreSQL accepts is its own user.
    let server = Server::start(&[]).await;
    for file in [&certificate_file, &key_file] {
        let name = file.file_name().unwrap();
        let place = server.folder.join("data").join(name);
        let owner = std::fs::metadata(server.folder.join("data")).unwrap();
        std::fs::copy(file, &place).unwrap();
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        std::os::unix::fs::chown(&place, Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    for setting in ["ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl = on"] {
        server.execute("postgres", &format!("ALTER SYSTEM SET {setting}")).await;
    }
    server.execute("postgres", "SELECT pg_reload_conf()").await;
    server
}

async fn ping(server: &Server, host: &str, parameters: &str) -> Result<(), StoreError> {
    let url = format!("postgres://convene@{host}:{}/postgres?{parameters}", server.port);
    Store::open(&url, &StoreOptions::default()).await?.ping().await
}

fn written(folder: &TempDir, name: &str, authority: &CertifiedIssuer<'static, KeyPair>) -> String {
    let file = folder.path().join(name);
    std::fs::write(&file, authority.pem()).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn a_certificate_counts_only_from_the_right_authority_for_the_right_name() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let (ours_file, theirs_file) = (written(&folder, "ours.pem", &ours), written(&folder, "theirs.pem", &theirs));
    let server = tls_server(&ours, folder.path()).await;
    // The setting takes effect shortly after the reload.
    let good = format!("sslmode=verify-full&sslrootcert={ours_file}");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while let Err(error) = ping(&server, "localhost", &good).await {
        assert!(std::time::Instant::now() < deadline, "{error}");
    }
    ping(&server, "localhost", &format!("sslmode=require&sslrootcert={ours_file}")).await.unwrap();
    ping(&server, "127.0.0.1", "sslmode=disable").await.unwrap();
    for (host, parameters) in [
        ("127.0.0.1", good.clone()),
        ("localhost", format!("sslmode=verify-full&sslrootcert={theirs_file}")),
        ("localhost", "sslmode=require".into()),
    ] {
        let Err(StoreError::Unavailable(reason)) = ping(&server, host, &parameters).await else {
            panic!("{host} {parameters} was accepted");
        };
        assert!(reason.to_string().contains("certificate"), "{reason}");
    }
    let missing = ping(&server, "localhost", "sslmode=require&sslrootcert=/nowhere.pem").await;
    assert!(matches!(missing, Err(StoreError::Fault(reason)) if reason.contains("/nowhere.pem")));
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let root = written(&folder, "ours.pem", &authority("ours"));
    let server = Server::start(&[]).await;
    let refused = ping(&server, "localhost", &format!("sslmode=require&sslrootcert={root}")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}
