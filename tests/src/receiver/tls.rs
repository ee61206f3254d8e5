//! Certificates for tests, made by Debian's `openssl`: an authority, a server's for localhost, and a client's.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

#[derive(Debug)]
pub struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    /// `None` where there is no `openssl`.
    pub fn make() -> Option<Self> {
        let certificates = Self { dir: tempfile::tempdir().expect("a folder") };
        let has =
            Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        if !has {
            println!("skipped: there is no openssl to make certificates with");
            return None;
        }
        certificates.authority();
        certificates.signed(
            "server",
            "localhost",
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        );
        certificates.signed("client", "gridwatch", "subjectAltName=DNS:gridwatch\nextendedKeyUsage=clientAuth\n");
        Some(certificates)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl").args(args).current_dir(self.dir.path()).output().expect("openssl");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn authority(&self) {
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key"];
        let rest = [
            "-x509",
            "-out",
            "ca.pem",
            "-days",
            "30",
            "-subj",
            "/CN=a test",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ];
        self.openssl(&[&["req"][..], &key, &rest].concat());
    }

    fn signed(&self, name: &str, subject: &str, extensions: &str) {
        std::fs::write(self.path("extensions"), extensions).expect("extensions");
        let (key, request, cert) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={subject}");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        self.openssl(&[&["req"][..], &curve, &["-keyout", &key, "-out", &request, "-subj", &subject]].concat());
        let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "extensions"];
        self.openssl(&[&["x509", "-req", "-in", &request, "-out", &cert][..], &by].concat());
        crate::host::private(&self.path(&key));
    }

    /// A server that knows this authority's clients alone, or takes any.
    pub fn server(&self, wants_client: bool) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().expect("versions of TLS");
        let builder = match wants_client {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = rustls::RootCertStore::empty();
                certificates(&self.path("ca.pem")).into_iter().for_each(|cert| roots.add(cert).expect("an authority"));
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).expect("a key");
        Arc::new(builder.with_single_cert(certificates(&self.path("server.pem")), key).expect("a certificate"))
    }
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let certificates = CertificateDer::pem_file_iter(path).expect("a file");
    certificates.map(|cert| cert.expect("a certificate")).collect()
}
