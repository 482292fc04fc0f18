//! Checks certificates of clients: chain, validity, purpose and revocation.
//!
//! A certificate whose issuer has a revocation list must be one that the list speaks for; an issuer
//! without a list has certificates that cannot be revoked, which the log says when the files are
//! read. A list whose successor was due counts for nothing: certificates of its issuer are refused
//! until a newer one is read.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::certificate::Parsed;

/// Verifies by rustls; certificates of issuers with a list twice.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    /// Certificates that no list speaks for pass.
    any: Arc<dyn ClientCertVerifier>,
    /// They do not pass. The caller's own certificate alone is looked at, as those between may be
    /// of an authority without a list.
    listed: Arc<dyn ClientCertVerifier>,
    /// Names of the issuers that have a list, in DER.
    issuers: Vec<Vec<u8>>,
}

impl ClientVerifier {
    /// `lists` are of `issuers`, names in DER.
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        lists: Vec<CertificateRevocationListDer<'static>>,
        issuers: Vec<Vec<u8>>,
        required: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let builder = || {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
                .with_crls(lists.clone())
                .enforce_revocation_expiration();
            if required { builder } else { builder.allow_unauthenticated() }
        };
        Ok(Self {
            any: builder().allow_unknown_revocation_status().build()?,
            listed: builder().only_check_end_entity_revocation().build()?,
            issuers,
        })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.any.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.any.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.any.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.any.verify_client_cert(own, between, now)?;
        // Whoever it is must be readable to whoever decides what it may do.
        let unreadable = || Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
        let issuer = Parsed::new(own).ok_or_else(unreadable)?.issuer;
        match self.issuers.contains(&issuer) {
            true => self.listed.verify_client_cert(own, between, now),
            false => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.any.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.any.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.any.supported_verify_schemes()
    }
}
