//! The OpenID provider: where people are sent to sign in, and the exchange of what they bring back for tokens.
//!
//! Source: OpenID Connect Core 1.0, 3.1; RFC 6749, 4.1 and 6; RFC 7636; RFC 8707.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{StatusCode, Uri};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::DeskError;
use crate::access::token::{DISCOVERY_BYTES_MAX, KeysFrom, SignInAddresses, TokenSettings};
use crate::access::token::{discovery_address, sign_in_addresses};
use crate::desk::{Begun, SignInSettings, Tokens};
use crate::private;
use crate::service::fetch::{FetchError, Fetcher};

/// Largest answer with tokens, in bytes.
const TOKENS_BYTES_MAX: usize = 64 << 10;
/// Largest file with a client's secret, in bytes.
const SECRET_BYTES_MAX: u64 = 4 << 10;
/// How long the provider's addresses are believed.
const ADDRESSES_AGE_MAX: Duration = Duration::from_secs(600);

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderFault {
    /// It cannot be asked, or its answer is none.
    #[error("the OpenID provider: {0}")]
    Away(String),
    /// It refuses: the code is wrong or used, or the session there is over.
    #[error("the OpenID provider gives no token: {0}")]
    Refused(StatusCode),
}

/// The provider of `[access.tokens]`, as this server's pages use it.
pub(super) struct Provider {
    settings: SignInSettings,
    secret: Option<Zeroizing<String>>,
    issuer: String,
    discovery: Uri,
    fetcher: Fetcher,
    /// Where it sends browsers back to.
    redirect: String,
    known: Mutex<Option<(Instant, Arc<SignInAddresses>)>>,
}

impl Provider {
    /// Reads the client's secret and the authorities. Asks nobody.
    pub(super) fn open(settings: &SignInSettings, tokens: &TokenSettings, address: &str) -> Result<Self, DeskError> {
        let bad = |key, why: String| DeskError { key, why };
        let issuer = tokens.rules.issuer().to_owned();
        let discovery = discovery_address(&issuer)
            .map_err(|why| bad("access.tokens.issuer", format!("people sign in there, and {why}")))?;
        let ca = match &tokens.keys {
            KeysFrom::Issuer { ca, .. } => ca.as_deref(),
            KeysFrom::File(_) => None,
        };
        let (fetcher, _) = Fetcher::new(ca).map_err(|error| bad("access.tokens.ca", error.to_string()))?;
        let secret = settings.client_secret.as_deref().map(|path| {
            let of = |why: String| bad("desk.sign_in.client_secret", format!("{}: {why}", path.display()));
            let bytes = Zeroizing::new(private::read_secret(path, SECRET_BYTES_MAX).map_err(|e| of(e.to_string()))?);
            let text = str::from_utf8(&bytes).map_err(|_| of("it is no text".to_owned()))?;
            Ok(Zeroizing::new(text.trim().to_owned()))
        });
        Ok(Self {
            settings: settings.clone(),
            secret: secret.transpose()?,
            issuer,
            discovery,
            fetcher,
            redirect: format!("{address}/desk/callback"),
            known: Mutex::default(),
        })
    }

    async fn addresses(&self) -> Result<Arc<SignInAddresses>, ProviderFault> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, addresses)) = &*known()
            && since.elapsed() < ADDRESSES_AGE_MAX
        {
            return Ok(Arc::clone(addresses));
        }
        let document = self.fetcher.get(&self.discovery, DISCOVERY_BYTES_MAX).await.map_err(away)?;
        let found = sign_in_addresses(&document, &self.issuer);
        let found = Arc::new(found.map_err(|error| ProviderFault::Away(error.to_string()))?);
        *known() = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }

    /// Where a browser is sent to sign in.
    pub(super) async fn authorization(&self, begun: &Begun) -> Result<String, ProviderFault> {
        let addresses = self.addresses().await?;
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect),
            ("scope", &self.settings.scope),
            ("state", &begun.state),
            ("code_challenge", &begun.challenge),
            ("code_challenge_method", "S256"),
        ];
        if let Some(resource) = &self.settings.resource {
            fields.push(("resource", resource));
        }
        let address = addresses.authorization.to_string();
        let join = if address.contains('?') { '&' } else { '?' };
        Ok(format!("{address}{join}{}", form(&fields)))
    }

    /// Where a browser is sent to sign out there as well.
    pub(super) async fn end_session(&self) -> Option<String> {
        let address = self.addresses().await.ok()?.end_session.as_ref()?.to_string();
        let join = if address.contains('?') { '&' } else { '?' };
        Some(format!("{address}{join}{}", form(&[("client_id", &self.settings.client_id)])))
    }

    /// The tokens for a code that a browser brought back.
    pub(super) async fn exchange(&self, code: &str, verifier: &str) -> Result<Tokens, ProviderFault> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", verifier),
        ];
        self.tokens(&fields, None).await
    }

    /// The next tokens.
    pub(super) async fn refresh(&self, refresh: Zeroizing<String>) -> Result<Tokens, ProviderFault> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)], Some(refresh.clone())).await
    }

    async fn tokens(
        &self,
        fields: &[(&str, &str)],
        earlier: Option<Zeroizing<String>>,
    ) -> Result<Tokens, ProviderFault> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            token_type: String,
            expires_in: Option<u64>,
            refresh_token: Option<String>,
        }
        let addresses = self.addresses().await?;
        let mut fields = fields.to_vec();
        fields.push(("client_id", &self.settings.client_id));
        if let Some(resource) = &self.settings.resource {
            fields.push(("resource", resource));
        }
        let basic = self.secret.as_ref().map(|secret| {
            let pair = Zeroizing::new([self.settings.client_id.as_str(), secret].map(encoded).join(":"));
            format!("Basic {}", STANDARD.encode(pair.as_bytes()))
        });
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        if let Some(basic) = &basic {
            headers.push(("authorization", basic));
        }
        let (status, body) =
            self.fetcher.post(&addresses.token, &headers, form(&fields), TOKENS_BYTES_MAX).await.map_err(away)?;
        let body = Zeroizing::new(body);
        if status != StatusCode::OK {
            return Err(match status.is_server_error() {
                true => ProviderFault::Away(format!("it answered {status}")),
                false => ProviderFault::Refused(status),
            });
        }
        let no_tokens = |_| ProviderFault::Away("its answer has no tokens".to_owned());
        let answer: Answer = serde_json::from_slice(&body).map_err(no_tokens)?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(ProviderFault::Away("its token is no bearer token".to_owned()));
        }
        Ok(Tokens {
            access: Zeroizing::new(answer.access_token),
            expires_at: answer
                .expires_in
                .and_then(|seconds| SystemTime::now().checked_add(Duration::from_secs(seconds))),
            refresh: answer.refresh_token.map(Zeroizing::new).or(earlier),
        })
    }
}

fn away(error: FetchError) -> ProviderFault {
    ProviderFault::Away(error.to_string())
}

/// A text as a value of a form.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// `application/x-www-form-urlencoded`.
fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
