//! Sinks of type "syslog": RFC 5424 messages over TLS (RFC 5425).
//!
//! The protocol has no acknowledgement: a write that succeeds says nothing about the receiver. So what was written within the last
//! `resend` seconds over a connection that breaks is written again over the next one, and the saved position stays so far behind, so
//! that the same holds for a death of our own. Nothing is missing by that as long as the receiver handles what it has read within
//! that time; what comes twice has the same id, and there is no more of it than of those seconds.

mod frame;
mod held;
mod send;
mod stream;

use super::batch::Limits;
use super::retry::Backoff;
use super::{Pace, Problem, Setup, Sink, Type};
use crate::clock::Clock;
use crate::http::Network;
use crate::reader::{Edge, MIB, Section};
use anyhow::Result;
use frame::Header;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stream::Address;

pub const TYPE: Type = Type {
    name: "syslog",
    keys: &[&[
        "address",
        "server_name",
        "ca_file",
        "client_cert_file",
        "client_key_file",
        "timeout",
        "facility",
        "hostname",
        "app_name",
        "enterprise_id",
        "resend",
        "retry_most",
    ]],
    configure,
    // rsyslog takes 8 KiB unless it is told otherwise, and the rest of a longer message for another message.
    max_line: 7 << 10,
    ..Type::USUAL
};

#[derive(Clone, Debug)]
struct ToSyslog {
    address: Address,
    network: Network,
    timeout: Duration,
    header: Header,
    resend: Duration,
    pace: Pace,
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    let address = section.required_text("address", "as in \"syslog.example.com:6514\"");
    let server_name = section.text("server_name");
    let address = address.and_then(|text| {
        let read = Address::read(&text, server_name.as_deref());
        read.map_err(|(key, what)| section.problem(key, what, "as in \"syslog.example.com:6514\"".to_owned())).ok()
    });
    let network = Network::read_certificates(section, edge);
    let timeout = Duration::from_secs(section.span("timeout", 1..=600, 30));
    let header = Header::read(section);
    let resend = Duration::from_secs(section.span("resend", 5..=3_600, 60));
    let most = Duration::from_secs(section.span("retry_most", 1..=3_600, 300));
    let pace = Pace {
        batch: Limits { records: 500, bytes: MIB as usize, age: Duration::ZERO },
        retry: Backoff { first: Duration::from_secs(1).min(most), most },
        // A connection, what is written again, and the batch.
        timeout: timeout * 3 + Duration::from_secs(5),
    };
    Some(Arc::new(ToSyslog { address: address?, network, timeout, header, resend, pace }))
}

impl Setup for ToSyslog {
    fn place(&self) -> String {
        self.address.to_string()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn open(&self, _: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        Ok(Box::new(send::SyslogSink::open(self, clock)?))
    }

    /// A connection on which nothing is said.
    fn check(&self, _: Clock) -> Result<String, Problem> {
        let connector = stream::Connector::new(&self.address, &self.network, self.timeout, self.resend);
        let connector = connector.map_err(|error| Problem { what: format!("{error:#}"), hint: None })?;
        let mut stream = connector.connect().map_err(stream::NoStream::problem)?;
        stream.close();
        Ok(format!("{} takes TLS connections, and its certificate is good; syslog says no more", self.address))
    }
}
