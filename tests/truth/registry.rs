//! An image registry on a loopback port of the first node, which is this machine: one that answers late, one
//! that is busy at first, one that says no. The protocol is the OCI distribution specification's, as much of
//! it as a pull needs; a container runtime speaks plain HTTP with a registry on `localhost`.
//!
//! ```text
//! /v2/slow/NAME      gives an image, and lets its layer wait
//! /v2/busy/NAME      answers 429 for a time, then gives an image
//! /v2/closed/NAME    answers 403
//! /v2/missing/NAME   answers 404
//! ```

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::sandbox::seen::{Seen, Stopwatch, ensure};

/// How long the slow image's layer lets wait.
pub(crate) const SLOW: Duration = Duration::from_secs(20);
/// How long the busy one sends everybody away; the kubelet comes again after 10 s, then after 20 s.
const BUSY: Duration = Duration::from_secs(15);
/// Longest request.
const LARGEST: usize = 16 << 10;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The registry.
pub(crate) struct Registry {
    port: u16,
    run: String,
}

/// What is served.
struct Shelf {
    slow: Image,
    busy: Image,
    /// Runs since the busy image was first asked for.
    asked: OnceLock<Stopwatch>,
}

/// An image whose one program does nothing, for ever.
struct Image {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layer: Vec<u8>,
}

/// An answer to a request.
struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
    after: Duration,
}

impl Registry {
    /// Opens it; `cache` is the sandbox's, which has the program.
    pub(crate) fn open(cache: &Path) -> Seen<Self> {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
        let run = format!("{:08x}", u32::from_ne_bytes(bytes));
        let program = program(cache)?;
        // A node has each layer once: the two must differ from each other, and from those of every run before.
        let image = |name| Image::new(&program, &format!("{name} {run}"));
        let shelf = Arc::new(Shelf { slow: image("slow")?, busy: image("busy")?, asked: OnceLock::new() });
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shelf = Arc::clone(&shelf);
                thread::spawn(move || {
                    // A runtime that hangs up comes again, or the trial tells of it.
                    let _hung_up = serve(connection, &shelf);
                });
            }
        });
        Ok(Self { port, run })
    }

    /// Puts the registry's address and this run's tag into manifests.
    pub(crate) fn named_in(&self, objects: &str) -> String {
        objects.replace("$REGISTRY", &format!("localhost:{}", self.port)).replace("$RUN", &self.run)
    }
}

/// Returns the sandbox's pause program, which needs nothing else in its image.
fn program(cache: &Path) -> Seen<PathBuf> {
    let folder = cache.join("binaries");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let is_pause =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pause-"));
    let found = entries.flatten().map(|entry| entry.path()).find(is_pause);
    found.ok_or_else(|| format!("no pause program in {}", folder.display()))
}

impl Image {
    fn new(program: &Path, salt: &str) -> Seen<Self> {
        let layer = layer(program, salt)?;
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Entrypoint": ["/program"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let described = |media_type: &str, content: &[u8]| -> Value {
            json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": described(CONFIG, &config), "layers": [described(LAYER, &layer)],
        });
        Ok(Self { manifest: manifest.to_string().into_bytes(), config, layer })
    }
}

/// Returns a file system with the program and a file that makes it unlike any other.
fn layer(program: &Path, salt: &str) -> Seen<Vec<u8>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("truth-image");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    std::fs::copy(program, folder.join("program")).map_err(failed)?;
    std::fs::write(folder.join("salt"), salt).map_err(failed)?;
    let tar = Command::new("tar").args(["--create", "program", "salt"]).current_dir(&folder).output();
    let tar = tar.map_err(|error| format!("tar: {error}"))?;
    ensure!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr));
    Ok(tar.stdout)
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(content))
}

/// Answers the one request of a connection.
fn serve(mut connection: TcpStream, shelf: &Shelf) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LARGEST {
        let mut byte = [0];
        connection.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let answer = shelf.answer(path);
    let Answer { status, content_type, body, after } = &answer;
    let (length, digest) = (body.len(), digest(body));
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Docker-Content-Digest: {digest}\r\nConnection: close\r\n\r\n"
    )?;
    connection.flush()?;
    wait(*after);
    if method == "HEAD" { Ok(()) } else { connection.write_all(body) }
}

#[expect(clippy::disallowed_methods, reason = "a slow registry takes its time")]
fn wait(time: Duration) {
    thread::sleep(time);
}

impl Shelf {
    fn answer(&self, path: &str) -> Answer {
        let refused = |status, code: &str| {
            let body = json!({"errors": [{"code": code, "message": "this is a test"}]});
            Answer {
                status,
                content_type: "application/json",
                body: body.to_string().into_bytes(),
                after: Duration::ZERO,
            }
        };
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts.as_slice() {
            ["v2", "slow", _, what, which] => self.slow.answer(what, which, SLOW),
            ["v2", "busy", ..] if self.asked.get_or_init(Stopwatch::start).elapsed() < BUSY => {
                refused("429 Too Many Requests", "TOOMANYREQUESTS")
            }
            ["v2", "busy", _, what, which] => self.busy.answer(what, which, Duration::ZERO),
            ["v2", "closed", ..] => refused("403 Forbidden", "DENIED"),
            _ => refused("404 Not Found", "MANIFEST_UNKNOWN"),
        }
    }
}

impl Image {
    fn answer(&self, what: &str, which: &str, layer_after: Duration) -> Answer {
        let (content_type, body, after) = match what {
            "manifests" => (MANIFEST, &self.manifest, Duration::ZERO),
            _ if which == digest(&self.config) => ("application/octet-stream", &self.config, Duration::ZERO),
            _ => ("application/octet-stream", &self.layer, layer_after),
        };
        Answer { status: "200 OK", content_type, body: body.clone(), after }
    }
}
