//! A proxy that notes requests and spoils answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::Random;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub url: String,
    pub range: Option<String>,
}

/// What is done to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503 instead of it.
    SlowDown,
    /// The connection is reset before it.
    Reset,
    /// It ends in the middle.
    Truncate,
    /// A bit of its body is another.
    Flip,
    /// It never comes.
    Hang,
    /// It stops in the middle, and the connection stays.
    Stall,
    /// The server answers, and the connection is reset before anything of that comes.
    Lost,
}

/// Decides by the request, and how often it was asked before.
type Schedule = dyn Fn(&Request, u64) -> Option<Fault> + Send + Sync;

#[derive(Default)]
struct State {
    upstream: String,
    latency: Mutex<Duration>,
    bytes_per_second: Mutex<Option<u64>>,
    schedule: Mutex<Option<Arc<Schedule>>>,
    asked: Mutex<HashMap<Request, u64>>,
    log: Mutex<Vec<Request>>,
}

/// Stands before a server until it is dropped.
pub struct Proxy {
    /// `http://127.0.0.1:port`
    pub url: String,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    /// Before the server at `upstream`.
    pub async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let state = Arc::new(State { upstream, ..State::default() });
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that goes away is none of the proxy's business.
                    let _ = serve(client, &state).await;
                });
            }
        });
        Self { url, state, serving }
    }

    /// From now on.
    pub fn fault(&self, schedule: impl Fn(&Request, u64) -> Option<Fault> + Send + Sync + 'static) {
        *self.state.schedule.lock().unwrap() = Some(Arc::new(schedule));
        self.state.asked.lock().unwrap().clear();
    }

    /// Before each answer.
    pub fn latency(&self, latency: Duration) {
        *self.state.latency.lock().unwrap() = latency;
    }

    /// Of each answer's body.
    pub fn throttle(&self, bytes_per_second: u64) {
        *self.state.bytes_per_second.lock().unwrap() = Some(bytes_per_second);
    }

    /// The requests since the last call, in the order in which they came.
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }
}

/// One request and its answer.
async fn serve(mut client: TcpStream, state: &State) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (head, mut body) = head(&mut client).await?;
    let lines: Vec<&str> = head.split("\r\n").collect();
    let mut words = lines[0].split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let request = Request { method: word(), url: word(), range: field(&lines, "range").map(str::to_owned) };
    state.log.lock().unwrap().push(request.clone());
    let length: usize = field(&lines, "content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    while body.len() < length {
        let mut more = vec![0; 1 << 16];
        let size = client.read(&mut more).await?;
        if size == 0 {
            return Ok(());
        }
        body.extend_from_slice(&more[..size]);
    }
    let schedule = state.schedule.lock().unwrap().clone();
    let before = {
        let mut asked = state.asked.lock().unwrap();
        let times = asked.entry(request.clone()).or_insert(0);
        *times += 1;
        *times - 1
    };
    let fault = schedule.and_then(|s| s(&request, before));
    let latency = *state.latency.lock().unwrap();
    tokio::time::sleep(latency).await;
    match fault {
        Some(Fault::SlowDown) => {
            let text = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            let head = format!("HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
            client.write_all(head.as_bytes()).await?;
            if request.method != "HEAD" {
                client.write_all(text.as_bytes()).await?;
            }
            return client.shutdown().await;
        }
        Some(Fault::Reset) => return client.set_zero_linger(),
        Some(Fault::Hang) => return stay(client).await,
        _ => {}
    }
    let mut server = TcpStream::connect(&state.upstream).await?;
    let kept = lines[1..].iter().filter(|l| !l.is_empty() && !l.to_ascii_lowercase().starts_with("connection:"));
    let asked = kept.fold(format!("{}\r\n", lines[0]), |text, line| text + line + "\r\n") + "connection: close\r\n\r\n";
    server.write_all(asked.as_bytes()).await?;
    server.write_all(&body).await?;
    let (head, mut body) = self::head(&mut server).await?;
    server.read_to_end(&mut body).await?;
    if fault == Some(Fault::Lost) {
        return client.set_zero_linger();
    }
    let kept = head.split("\r\n").filter(|l| !l.is_empty() && !l.to_ascii_lowercase().starts_with("connection:"));
    let answer = kept.fold(String::new(), |text, line| text + line + "\r\n") + "connection: close\r\n\r\n";
    client.write_all(answer.as_bytes()).await?;
    let half = body.len() / 2;
    match fault {
        Some(Fault::Truncate) => body.truncate(half),
        Some(Fault::Stall) => {
            client.write_all(&body[..half]).await?;
            return stay(client).await;
        }
        Some(Fault::Flip) if !body.is_empty() => {
            let at = Random(body.len() as u64 + before).below(body.len() as u64);
            body[at as usize] ^= 1 << (at % 8);
        }
        _ => {}
    }
    let rate = *state.bytes_per_second.lock().unwrap();
    match rate {
        None => client.write_all(&body).await?,
        Some(rate) => {
            let piece = (rate / 50).max(1) as usize;
            for piece in body.chunks(piece) {
                client.write_all(piece).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    client.shutdown().await
}

/// Says nothing more, until the client goes.
async fn stay(mut client: TcpStream) -> std::io::Result<()> {
    client.read_to_end(&mut Vec::new()).await.map(|_| ())
}

/// A message's head, and what of its body came along.
async fn head(from: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut got = Vec::new();
    loop {
        if let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n") {
            let body = got.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&got).into_owned(), body));
        }
        let mut more = [0; 1 << 14];
        let size = from.read(&mut more).await?;
        if size == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        got.extend_from_slice(&more[..size]);
    }
}

fn field<'a>(lines: &[&'a str], name: &str) -> Option<&'a str> {
    let pairs = lines.iter().filter_map(|line| line.split_once(':'));
    pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The address of a server that takes connections and never answers.
pub async fn silence() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(stay(client));
        }
    });
    address
}

/// The address of a server that answers everything by this status, and a body that repeats the request.
pub async fn parrot(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (asked, _) = head(&mut client).await?;
                let body = format!("<Error><Code>Odd</Code><Said>{asked}</Said></Error>");
                let head =
                    format!("HTTP/1.1 {status} Odd\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                client.write_all((head + &body).as_bytes()).await?;
                client.shutdown().await
            });
        }
    });
    address
}
