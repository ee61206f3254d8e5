//! Receivers of syslog over TLS: Debian's rsyslog, and one that breaks connections.

use super::tls::Certificates;
use super::{Door, Fault, Weather};
use serde_json::Value;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// rsyslog with GnuTLS's or OpenSSL's driver, writing what it gets into a file.
#[derive(Debug)]
pub struct Rsyslog {
    pub port: u16,
    dir: tempfile::TempDir,
    process: Option<Child>,
}

impl Rsyslog {
    /// `None` where it isn't installed (`apt-get install rsyslog rsyslog-openssl`).
    pub fn start(certificates: &Certificates) -> Option<Self> {
        let has_driver =
            ["/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so", "/usr/lib/aarch64-linux-gnu/rsyslog/lmnsd_ossl.so"];
        if !has_driver.iter().any(|path| std::path::Path::new(path).exists()) {
            println!("skipped: rsyslog and rsyslog-openssl are not installed");
            return None;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
        let cert = |name: &str| certificates.path(name).display().to_string();
        let text = format!(
            "global(DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"{}\" DefaultNetstreamDriverCertFile=\"{}\"\n\
             DefaultNetstreamDriverKeyFile=\"{}\" workDirectory=\"{dir}\")\n\
             module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"x509/name\"\n\
             PermittedPeer=[\"gridwatch\"])\n\
             template(name=\"t\" type=\"string\" string=\"%structured-data%\\t%msg%\\n\")\n\
             input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"r\")\n\
             ruleset(name=\"r\") {{ action(type=\"omfile\" file=\"{dir}/out\" template=\"t\") }}\n",
            cert("ca.pem"),
            cert("server.pem"),
            cert("server.key"),
            dir = dir.path().display(),
        );
        std::fs::write(dir.path().join("rsyslog.conf"), text).expect("its configuration");
        let mut rsyslog = Self { port, dir, process: None };
        rsyslog.start_again();
        Some(rsyslog)
    }

    pub fn start_again(&mut self) {
        let (config, pid) = (self.dir.path().join("rsyslog.conf"), self.dir.path().join("pid"));
        let _ = std::fs::remove_file(&pid);
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).expect("a log");
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(config).arg("-i").arg(pid).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("rsyslogd"));
        let port = self.port;
        crate::host::until("rsyslog listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
            // The line that it was at.
            let out = self.dir.path().join("out");
            let text = std::fs::read(&out).unwrap_or_default();
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let _ = std::fs::File::options().write(true).open(out).and_then(|file| file.set_len(whole as u64));
        }
    }

    /// Id and record of each message, in order. Panics on one that isn't whole.
    pub fn records(&self) -> Vec<(String, Value)> {
        let text = std::fs::read(self.dir.path().join("out")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let of = |line: &str| {
            let (data, record) = line.split_once('\t').unwrap_or_else(|| panic!("no message of ours: {line}"));
            let id = data.split('"').nth(1).unwrap_or_else(|| panic!("no id: {line}")).to_owned();
            let record = serde_json::from_str(record.trim()).unwrap_or_else(|error| panic!("{error}: {line}"));
            (id, record)
        };
        whole.lines().filter(|line| !line.is_empty()).map(of).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads frames as RFC 5425 has them.
#[derive(Debug)]
pub struct Syslog {
    pub door: Door,
    ids: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicU64>,
}

impl Syslog {
    /// Resets each connection after so many frames; later ones live longer, so that it comes to an end.
    pub fn start(certificates: &Certificates, frames: usize) -> Self {
        Self::with(certificates, move |connection, frame| match frame >= frames * connection {
            true => Reading::Reset,
            false => Reading::On,
        })
    }

    /// Reads as its weather is: `ResetMidBody` and `Slow` are known to it.
    pub fn in_weather(certificates: &Certificates, weather: &Weather) -> Self {
        let weather = weather.clone();
        Self::with(certificates, move |_, frame| match weather.now() {
            Some(Fault::ResetMidBody) if frame > 0 => Reading::Reset,
            Some(Fault::Slow(ms)) => Reading::After(Duration::from_millis(ms)),
            _ => Reading::On,
        })
    }

    /// `how` is asked with the number of the connection, from 1, and how many of its frames were read.
    fn with(certificates: &Certificates, how: impl Fn(usize, usize) -> Reading + Send + Sync + 'static) -> Self {
        let (ids, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let (keeps, count, tls) = (ids.clone(), connections.clone(), certificates.server(true));
        let door = Door::open(move |socket| {
            let n = count.fetch_add(1, Ordering::SeqCst) + 1;
            let connection = rustls::ServerConnection::new(tls.clone()).expect("TLS");
            read(rustls::StreamOwned::new(connection, socket), |frame| how(n as usize, frame), &keeps);
        });
        Self { door, ids, connections }
    }

    pub fn port(&self) -> u16 {
        self.door.port()
    }

    pub fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What becomes of the next frame.
#[derive(Clone, Copy, Debug)]
enum Reading {
    On,
    After(Duration),
    Reset,
}

/// What is unread when it ends makes closing a reset.
fn read(mut stream: impl Read, how: impl Fn(usize) -> Reading, ids: &Mutex<Vec<String>>) {
    for number in 0.. {
        match how(number) {
            Reading::On => {}
            Reading::After(wait) => std::thread::sleep(wait),
            Reading::Reset => return,
        }
        let mut length = 0_usize;
        loop {
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            match byte[0] {
                b' ' => break,
                digit => {
                    assert!(digit.is_ascii_digit(), "no octet count");
                    length = length * 10 + usize::from(digit - b'0');
                }
            }
        }
        assert!(length <= 8_192, "longer than a receiver has to take: {length}");
        let mut frame = vec![0; length];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        let text = String::from_utf8(frame).expect("UTF-8");
        let (head, record) = text.split_once("\"] ").expect("structured data and a message");
        assert!(head.starts_with('<') && head.contains(" gridwatch - "), "{head}");
        let id = head.rsplit_once("id=\"").expect("an id").1;
        let record: Value = serde_json::from_str(record).expect("a whole record");
        assert_eq!(record["metadata"]["uid"], id);
        ids.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
    }
}
