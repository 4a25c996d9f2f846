//! A proxy that notes requests and spoils answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
    /// It names another version than the one that it brings.
    Stale,
}

/// Decides by the request, and how often it was asked before.
type Schedule = dyn Fn(&Request, u64) -> Option<Fault> + Send + Sync;

#[derive(Default)]
struct State {
    upstream: String,
    latency: Mutex<Duration>,
    bytes_per_second: Mutex<Option<u64>>,
    line: Mutex<Option<Line>>,
    schedule: Mutex<Option<Arc<Schedule>>>,
    asked: Mutex<HashMap<Request, u64>>,
    log: Mutex<Vec<Request>>,
    faults: Mutex<u64>,
    answered: Mutex<Vec<Answered>>,
    one_by_one: Mutex<bool>,
    turn: tokio::sync::Mutex<()>,
}

/// What passes so many bytes in a second, and is free again at some time.
struct Line {
    bytes_per_second: u64,
    free: Instant,
}

/// A timer wakes too late by up to this, which must not slow a line down.
const LATE: Duration = Duration::from_millis(10);

impl Line {
    fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, free: Instant::now() }
    }

    /// When `bytes` more have passed.
    fn pass(&mut self, bytes: usize) -> Instant {
        let begins = self.free.max(Instant::now().checked_sub(LATE).unwrap_or(self.free));
        self.free = begins + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        self.free
    }
}

/// A request that was answered.
struct Answered {
    came: Instant,
    done: Instant,
    bytes: u64,
}

/// What was answered, all together.
#[derive(Debug, Clone, Copy)]
pub struct Answers {
    pub requests: usize,
    /// Of their bodies.
    pub bytes: u64,
    /// Requests of which each was sent when the one before was answered, at most. Those sent together are seen to be so only
    /// where there is [latency](Proxy::latency).
    pub round_trips: usize,
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

    /// From now on writes reach the server one by one: s3s-fs looks whether there is an object, and only then writes, so that
    /// of two conditional writes at the same time both may succeed, as they never do in S3.
    pub fn one_by_one(&self) {
        *self.state.one_by_one.lock().unwrap() = true;
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

    /// Of all bodies together.
    pub fn bandwidth(&self, bytes_per_second: u64) {
        *self.state.line.lock().unwrap() = Some(Line::new(bytes_per_second));
    }

    /// The requests since the last call, in the order in which they came.
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.log.lock().unwrap())
    }

    /// The answers since the last call.
    pub fn take_answers(&self) -> Answers {
        let mut answered = std::mem::take(&mut *self.state.answered.lock().unwrap());
        // The longest chain of intervals takes the one that ends first, again and again.
        answered.sort_by_key(|a| a.done);
        let mut last = None;
        let mut round_trips = 0;
        for a in &answered {
            if last.is_none_or(|done| a.came >= done) {
                (last, round_trips) = (Some(a.done), round_trips + 1);
            }
        }
        let bytes = answered.iter().map(|a| a.bytes).sum();
        Answers { requests: answered.len(), bytes, round_trips }
    }

    /// How many answers were spoilt.
    pub fn faults(&self) -> u64 {
        *self.state.faults.lock().unwrap()
    }
}

/// Bytes that are passed on at once.
const PIECE: usize = 256 << 10;

/// Requests of one connection, one after another.
async fn serve(mut client: TcpStream, state: &State) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut kept = None;
    loop {
        let (head, body) = head(&mut client).await?;
        let came = Instant::now();
        match answer(&mut client, &mut kept, (head, body), state).await? {
            After::Next { bytes } => {
                state.answered.lock().unwrap().push(Answered { came, done: Instant::now(), bytes });
            }
            After::Close { bytes } => {
                state.answered.lock().unwrap().push(Answered { came, done: Instant::now(), bytes });
                return client.shutdown().await;
            }
            After::Reset => return client.set_zero_linger(),
            After::Silence => return stay(client).await,
        }
    }
}

/// What becomes of a client's connection.
enum After {
    Next { bytes: u64 },
    Close { bytes: u64 },
    Reset,
    Silence,
}

/// Answers one request, by the server's connection `kept` if there is one.
async fn answer(
    client: &mut TcpStream,
    kept: &mut Option<TcpStream>,
    (head, mut body): (String, Vec<u8>),
    state: &State,
) -> std::io::Result<After> {
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
            return Ok(After::Close { bytes: 0 });
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
    let is_in_turn = *state.one_by_one.lock().unwrap() && request.method == "PUT";
    let _turn = if is_in_turn { Some(state.turn.lock().await) } else { None };
    let fault = schedule.and_then(|s| s(&request, before));
    *state.faults.lock().unwrap() += u64::from(fault.is_some());
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
            return Ok(After::Close { bytes: 0 });
        }
        Some(Fault::Reset) => return Ok(After::Reset),
        Some(Fault::Hang) => return Ok(After::Silence),
        _ => {}
    }
    // Of an answer to a range the length is told, so that another may follow it.
    let is_last = request.range.is_none();
    let mut server = match kept.take() {
        Some(server) => server,
        None => TcpStream::connect(&state.upstream).await?,
    };
    server.set_nodelay(true)?;
    let close = if is_last { "connection: close\r\n" } else { "" };
    let headers = |lines: &[&str]| {
        let others = lines.iter().filter(|l| !l.is_empty() && !l.to_ascii_lowercase().starts_with("connection:"));
        others.fold(String::new(), |text, line| text + line + "\r\n") + close + "\r\n"
    };
    server.write_all(headers(&lines).as_bytes()).await?;
    server.write_all(&body).await?;
    let (head, mut piece) = self::head(&mut server).await?;
    let lines: Vec<&str> = head.split("\r\n").collect();
    let told = field(&lines, "content-length").and_then(|v| v.parse::<usize>().ok());
    let length = match told {
        _ if request.method == "HEAD" => 0,
        Some(length) => length,
        None if is_last => {
            server.read_to_end(&mut piece).await?;
            piece.len()
        }
        None => return Err(std::io::ErrorKind::InvalidData.into()),
    };
    if fault == Some(Fault::Lost) {
        return Ok(After::Reset);
    }
    let head = match fault {
        Some(Fault::Stale) => {
            let is_version = |line: &&str| line.to_ascii_lowercase().starts_with("etag:");
            let others: Vec<&str> = lines.iter().map(|l| if is_version(l) { "etag: \"stale\"" } else { *l }).collect();
            headers(&others)
        }
        _ => headers(&lines),
    };
    client.write_all(head.as_bytes()).await?;
    let end = match fault {
        Some(Fault::Truncate | Fault::Stall) => length / 2,
        _ => length,
    };
    let flipped = (fault == Some(Fault::Flip) && length > 0)
        .then(|| Random(length as u64 + before).below(length as u64) as usize);
    let rate = *state.bytes_per_second.lock().unwrap();
    let mut own = rate.map(Line::new);
    let most = rate.map_or(PIECE, |rate| (rate as usize / 50).clamp(1, PIECE));
    let mut sent = 0;
    // What came with the head; then what is read into the buffer.
    let mut buffer = piece;
    let came = buffer.len();
    buffer.resize(came.max(PIECE.min(length)), 0);
    while sent < end {
        let first = if sent == 0 { came } else { 0 };
        let size = match first {
            0 => server.read(&mut buffer).await?,
            n => n,
        };
        if size == 0 {
            return Ok(After::Close { bytes: sent as u64 });
        }
        let piece = &mut buffer[..size.min(end - sent)];
        if let Some(at) = flipped.and_then(|at| at.checked_sub(sent)).filter(|at| *at < piece.len()) {
            piece[at] ^= 1 << (at % 8);
        }
        for part in piece.chunks(most) {
            let shared = state.line.lock().unwrap().as_mut().map(|line| line.pass(part.len()));
            if let Some(at) = shared.max(own.as_mut().map(|line| line.pass(part.len()))) {
                tokio::time::sleep_until(at.into()).await;
            }
            client.write_all(part).await?;
        }
        sent += piece.len();
    }
    let bytes = sent as u64;
    match fault {
        Some(Fault::Stall) => Ok(After::Silence),
        Some(Fault::Truncate) => Ok(After::Close { bytes }),
        _ if is_last => Ok(After::Close { bytes }),
        _ => {
            let ends = field(&lines, "connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
            *kept = (!ends).then_some(server);
            Ok(After::Next { bytes })
        }
    }
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

/// The address of a server of one file, of which it makes the ranges: `text` again and again up to `size`.
pub async fn echo(text: String, size: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Any range of up to a repeat begins within the first text.
    let most = 8 << 20;
    let repeated: Arc<str> = text.repeat(most / text.len() + 2).into();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (repeated, period) = (Arc::clone(&repeated), text.len() as u64);
            tokio::spawn(async move {
                loop {
                    let (asked, _) = head(&mut client).await?;
                    let lines: Vec<&str> = asked.split("\r\n").collect();
                    let range = field(&lines, "range").and_then(|r| r.strip_prefix("bytes="));
                    let (start, end) = range.and_then(|r| r.split_once('-')).unwrap_or(("0", ""));
                    let start: u64 = start.parse().unwrap();
                    let end = end.parse::<u64>().map_or(size, |last| size.min(last + 1));
                    let (length, from) = ((end - start) as usize, (start % period) as usize);
                    let head = format!(
                        "HTTP/1.1 206 Partial Content\r\ncontent-length: {length}\r\netag: \"1\"\r\n\
                         last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
                         content-range: bytes {start}-{}/{size}\r\n\r\n",
                        end - 1
                    );
                    client.write_all(head.as_bytes()).await?;
                    client.write_all(&repeated.as_bytes()[from..from + length]).await?;
                }
                #[expect(unreachable_code, reason = "names the type of the errors that end it")]
                Ok::<(), std::io::Error>(())
            });
        }
    });
    address
}
