//! An office whose server knows its callers: the machine of a desk by its certificate, people by
//! tokens.

use serde_json::json;

use crate::made::{Made, Server};
use crate::signer::{Signer, key_set};
use crate::support::{Ran, run, text};

/// A desk of the unit Q1, which registers as well, and people by tokens.
const ACCESS: &str = "\
client_certificates = \"optional\"
[access.machines.desk]
uri = \"spiffe://vss.test/desk\"
roles = [\"counter\", \"registrar\"]
unit = \"Q1\"
[access.tokens]
issuer = \"https://login.example.vn\"
audience = \"chinhchu\"
keys = \"jwks.json\"
";

/// Its configuration and keys, and how its people connect to a server of it.
pub struct Office {
    pub made: Made,
    signer: Signer,
}

impl Office {
    /// With more in its configuration.
    pub fn open(more: &str) -> Self {
        let made = Made::new();
        let signer = Signer::ed25519([1; 32]);
        std::fs::write(made.beside("jwks.json"), key_set(&[signer.jwk("one")])).unwrap();
        made.configure(&format!("{ACCESS}{more}"));
        Self { made, signer }
    }

    /// The folder of its gallery.
    pub fn people(&self) -> String {
        self.made.beside("people")
    }

    /// Starts its server, which makes the gallery where it is not there.
    pub fn server(&self, more: &[&str]) -> Server {
        Server::start_with(&self.made, &[&["--create", "--data", &self.people()], more].concat())
    }

    /// A file with the token of somebody with these roles, who works for the whole country.
    pub fn token(&self, subject: &str, role: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": "https://login.example.vn", "aud": "chinhchu", "sub": subject, "roles": [role], "province": "*",
            "iat": now, "exp": now + 600,
        });
        let path = self.made.beside(&format!("{subject}.token"));
        std::fs::write(&path, self.signer.token("one", &claims)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A command of the desk's machine.
    pub fn by_desk(&self, server: &Server, command: &[&str]) -> Ran {
        let [ca, cert, key] = ["ca.pem", "desk.pem", "desk.key"].map(|name| text(&self.made.path(name)));
        run([command, &["--server", &server.url, "--ca", &ca, "--cert", &cert, "--key", &key]].concat())
    }

    /// A command of whoever has this token.
    pub fn by(&self, server: &Server, token: &str, command: &[&str]) -> Ran {
        let ca = text(&self.made.path("ca.pem"));
        run([command, &["--server", &server.url, "--ca", &ca, "--token-file", token]].concat())
    }

    /// A command on the folder, whose server has ended.
    pub fn here(&self, command: &[&str]) -> Ran {
        run([command, &["--config", &self.made.config(), "--data", &self.people()]].concat())
    }
}
