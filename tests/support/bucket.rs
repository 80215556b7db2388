//! An S3 server with the operations that Convene needs: one bucket in memory; signatures are not checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use actix_web::http::header::{CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use super::proxy::Proxy;

pub const NAME: &str = "files";
const BODY_BYTES_MAX: usize = 128 * 1024 * 1024;
const A_DATE: &str = "Sat, 21 Nov 2026 10:00:00 GMT";

/// Objects by key, multipart uploads by id, and how many more objects are accepted.
#[derive(Default)]
struct Contents {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    begun: usize,
    takes: Option<usize>,
}

/// The bucket, behind a proxy that can be cut.
pub struct Bucket {
    contents: Arc<Mutex<Contents>>,
    pub line: Proxy,
}

impl Bucket {
    /// Starts an empty one on a separate thread.
    pub fn start() -> Bucket {
        let contents = Arc::<Mutex<Contents>>::default();
        let (served, (port_told, port)) = (web::Data::from(contents.clone()), mpsc::channel());
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let limit = web::PayloadConfig::new(BODY_BYTES_MAX);
                    App::new().app_data(served.clone()).app_data(limit).default_service(web::to(answer))
                };
                let server =
                    HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").expect("a free port");
                port_told.send(server.addrs()[0].port()).expect("the test waits for it");
                server.run().await
            })
        });
        let port = port.recv_timeout(Duration::from_secs(10)).expect("the bucket's thread should start");
        Bucket { contents, line: Proxy::to(port) }
    }

    /// The settings with which a server stores its files here.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("FILES_S3_BUCKET", NAME.to_owned()),
            ("FILES_S3_ENDPOINT", format!("http://127.0.0.1:{}", self.line.port())),
            ("FILES_S3_ACCESS_KEY_ID", "id".to_owned()),
            ("FILES_S3_SECRET_ACCESS_KEY", "secret".to_owned()),
        ]
    }

    /// The sizes of the objects, ordered by key.
    pub fn sizes(&self) -> Vec<usize> {
        self.contents().objects.values().map(Vec::len).collect()
    }

    /// Accepts this many more objects, then none until this is called again.
    pub fn take(&self, objects: Option<usize>) {
        self.contents().takes = objects;
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.contents)
    }
}

fn lock(contents: &Mutex<Contents>) -> MutexGuard<'_, Contents> {
    contents.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(contents: web::Data<Mutex<Contents>>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let mut contents = lock(&contents);
    let key = request.path().trim_start_matches('/').split_once('/').map_or("", |(_bucket, key)| key).to_owned();
    let query =
        web::Query::<BTreeMap<String, String>>::from_query(request.query_string()).expect("a query").into_inner();
    let upload = query.get("uploadId");
    match (request.method(), upload) {
        (&Method::GET, _) if query.contains_key("list-type") => contents.list(&query["prefix"]),
        (&Method::GET, _) => {
            contents.read(&key, request.headers().get(RANGE).map(|range| range.to_str().expect("ASCII")))
        }
        (&Method::PUT, Some(id)) => contents.part(id, query["partNumber"].parse().expect("a number"), body.to_vec()),
        (&Method::PUT, None) => contents.keep(key, body.to_vec(), HttpResponse::Ok()),
        (&Method::POST, Some(id)) => contents.join(key, id),
        (&Method::POST, None) if query.contains_key("uploads") => contents.begin(),
        (&Method::POST, None) if query.contains_key("delete") => contents.delete(&String::from_utf8_lossy(&body)),
        (&Method::DELETE, Some(id)) => {
            contents.uploads.remove(id);
            HttpResponse::NoContent().finish()
        }
        other => panic!("the bucket does not know {other:?} of {}", request.uri()),
    }
}

fn missing() -> HttpResponse {
    HttpResponse::NotFound().body("<Error><Code>NoSuchKey</Code></Error>")
}

impl Contents {
    /// 400: an error that is not retried.
    fn keep(&mut self, key: String, bytes: Vec<u8>, mut kept: actix_web::HttpResponseBuilder) -> HttpResponse {
        match &mut self.takes {
            Some(0) => return HttpResponse::BadRequest().body("<Error><Code>InvalidRequest</Code></Error>"),
            Some(left) => *left -= 1,
            None => {}
        }
        self.objects.insert(key, bytes);
        let done = "<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>";
        kept.insert_header((ETAG, "\"x\"")).body(done)
    }

    fn begin(&mut self) -> HttpResponse {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.uploads.insert(id.clone(), BTreeMap::new());
        let told = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        HttpResponse::Ok().body(told)
    }

    fn part(&mut self, id: &str, number: u32, bytes: Vec<u8>) -> HttpResponse {
        let Some(upload) = self.uploads.get_mut(id) else { return missing() };
        upload.insert(number, bytes);
        HttpResponse::Ok().insert_header((ETAG, format!("\"{number}\""))).finish()
    }

    fn join(&mut self, key: String, id: &str) -> HttpResponse {
        let Some(upload) = self.uploads.remove(id) else { return missing() };
        self.keep(key, upload.into_values().flatten().collect(), HttpResponse::Ok())
    }

    fn read(&self, key: &str, range: Option<&str>) -> HttpResponse {
        let Some(bytes) = self.objects.get(key) else { return missing() };
        let mut found = HttpResponse::build(if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
        found.insert_header((ETAG, "\"x\"")).insert_header((LAST_MODIFIED, A_DATE));
        let Some(range) = range else { return found.body(bytes.clone()) };
        let (first, last) = range.trim_start_matches("bytes=").split_once('-').expect("a bounded range");
        let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
        let last = last.min(bytes.len() - 1);
        found.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{}", bytes.len())));
        found.body(bytes[first..=last].to_vec())
    }

    fn list(&self, prefix: &str) -> HttpResponse {
        let within = self.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let entry = |(key, bytes): (&String, &Vec<u8>)| {
            let size = bytes.len();
            let at = "2026-11-21T10:00:00.000Z";
            format!("<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>{at}</LastModified></Contents>")
        };
        let entries: String = within.map(entry).collect();
        HttpResponse::Ok().body(format!("<ListBucketResult>{entries}</ListBucketResult>"))
    }

    fn delete(&mut self, asked: &str) -> HttpResponse {
        let keys = asked.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        let mut told = String::new();
        for (key, _) in keys {
            self.objects.remove(key);
            told += &format!("<Deleted><Key>{key}</Key></Deleted>");
        }
        HttpResponse::Ok().body(format!("<DeleteResult>{told}</DeleteResult>"))
    }
}
