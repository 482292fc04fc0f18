//! Certificate path validation: from the document signer to a trust anchor (ICAO 9303-12, RFC 5280
//! section 6).

use std::collections::HashMap;

use super::anchors::{Anchors, Authority};
use super::crypto::{Hash, SignatureError, SignatureScheme};
use super::finding::Finding;
use super::reason::{Effect, Reason};
use super::sod::{signature_reason, weaknesses};
use super::x509::Certificate;
use crate::dates::Moment;

/// Longest chain: signer, link certificates, anchor. Countries link each key to the next and keep
/// only a few.
const CHAIN_CERTIFICATES_MAX: usize = 32;
/// Most signatures checked in one search. Each certificate is expanded once, so the genuine
/// certificates of one country, some thirty with one name, need a few times that; the bound limits
/// the time with certificates crafted to prolong the search.
const SIGNATURES_MAX: usize = 1024;

/// Tolerance at both ends of a validity period, for clocks that are off.
const VALIDITY_SLACK_DAYS: i64 = 1;

/// A chain of certificates from a document signer to an anchor.
pub(super) struct CertificateChain<'a> {
    /// The certificates above the signer, the anchor last.
    pub authorities: Vec<&'a Authority>,
    /// Findings about certificates of the chain.
    pub findings: Vec<Finding>,
}

/// Searches for a chain of signatures from `signer` to an anchor. No certificate in it is revoked, and none had expired
/// when the validity of the certificate it issued began. All candidates are tried; on failure the gravest finding is
/// returned, whatever the order in which certificates were loaded. Where a bound ends the search before an anchor is
/// found, the only finding is [`Reason::ChainTooLong`].
pub(super) fn build<'a>(
    anchors: &'a Anchors,
    signer: &Certificate,
    now: Moment,
) -> Result<CertificateChain<'a>, Vec<Finding>> {
    if anchors.is_empty() {
        return Err(vec![Finding::of(Reason::NoAnchors)]);
    }
    let mut search =
        ChainSearch { anchors, now, signatures_left: SIGNATURES_MAX, failed: HashMap::new(), bound_reached: false };
    let mut path = Vec::new();
    if let Err(finding) = search.climb(signer, &mut path) {
        let bounded = search.bound_reached;
        return Err(vec![if bounded { Finding::of(Reason::ChainTooLong) } else { finding }]);
    }
    let mut findings = search.revocation_notes(signer, &path);
    let mut below = signer;
    let authorities: Vec<&Authority> = path.iter().map(|&index| &anchors.authorities[index]).collect();
    for authority in &authorities {
        if below.not_before.plus_days(VALIDITY_SLACK_DAYS) < authority.certificate.not_before {
            findings.push(Finding::of(Reason::AnchorYounger));
        }
        // The search has verified this signature; here its scheme is reported where it is weak or
        // not the declared one.
        let declared = SignatureScheme::resolve(&below.algorithm, None);
        let scheme = below.verify_by(&authority.certificate.key).ok();
        if let Some(scheme) = scheme.filter(|scheme| declared != Some(*scheme)) {
            let detail = format!("certificate: {}", scheme.describe_in_full());
            findings.push(Finding::of(Reason::SignatureParametersLoose).with(detail));
        }
        let hash = scheme.map_or(Hash::Sha256, SignatureScheme::hash);
        findings.extend(weaknesses(&authority.certificate, hash, "the signer's certificate"));
        below = &authority.certificate;
    }
    if authorities.last().is_some_and(|anchor| !anchor.is_self_signed()) {
        findings.push(Finding::of(Reason::AnchorRenewed));
    }
    Ok(CertificateChain { authorities, findings })
}

struct ChainSearch<'a> {
    anchors: &'a Anchors,
    now: Moment,
    signatures_left: usize,
    /// Authorities from which no anchor was reached, and why; they are not tried again. (A path
    /// rejected only because it returned to a certificate of the current path is still explored
    /// from that certificate.)
    failed: HashMap<usize, Finding>,
    /// Whether a bound ended the search before every candidate was tried.
    bound_reached: bool,
}

impl ChainSearch<'_> {
    /// Extends `path` above `below` up to an anchor. The error is the gravest finding of all
    /// candidates.
    fn climb(&mut self, below: &Certificate, path: &mut Vec<usize>) -> Result<(), Finding> {
        let candidates = self.candidates(below);
        let open = if path.is_empty() { Reason::AnchorMissing } else { Reason::LinkOpen };
        let mut worst = Finding::of(open);
        let mut keep = |finding: Finding| {
            if gravity(&finding) > gravity(&worst) {
                worst = finding;
            }
        };
        for index in candidates {
            let authority = &self.anchors.authorities[index];
            if self.signatures_left == 0 {
                self.bound_reached = true;
                break;
            }
            self.signatures_left -= 1;
            if let Err(error) = below.verify_by(&authority.certificate.key) {
                keep(mismatch(below, authority, &error));
                continue;
            }
            if let Some(finding) = self.unsuitable(below, index) {
                keep(finding);
            } else if path.contains(&index) {
                keep(Finding::of(Reason::ChainLoop));
            } else if let Some(finding) = self.failed.get(&index) {
                keep(finding.clone());
            } else if path.len() + 1 >= CHAIN_CERTIFICATES_MAX {
                self.bound_reached = true;
            } else {
                path.push(index);
                match self.rest_of_chain(index, path) {
                    Ok(()) => return Ok(()),
                    Err(finding) => {
                        path.pop();
                        self.failed.insert(index, finding.clone());
                        keep(finding);
                    }
                }
            }
        }
        Err(worst)
    }

    /// Completes the chain from authority `index`, or says why that cannot be done.
    ///
    /// A self-signed authority ends the chain. From a link certificate the search goes on to the
    /// key that signed it, if that is installed. If the only objection is that it is not installed,
    /// the link certificate itself is the anchor, because the operator installed it: some countries
    /// publish nothing else after a change of keys.
    fn rest_of_chain(&mut self, index: usize, path: &mut Vec<usize>) -> Result<(), Finding> {
        let authority = &self.anchors.authorities[index];
        if authority.is_self_signed() {
            return Ok(());
        }
        match self.climb(&authority.certificate, path) {
            Err(finding)
                if authority.is_link() && !self.bound_reached && finding.reason.effect() == Effect::Unanchored =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Authorities whose subject is the issuer's name, and those of the same country with the
    /// issuer's key identifier (authorities may change their name). Those whose key identifier
    /// matches come first.
    fn candidates(&self, below: &Certificate) -> Vec<usize> {
        let mut out: Vec<usize> = self.anchors.by_subject.get(&below.issuer).cloned().unwrap_or_default();
        if let Some(id) = &below.extensions.authority_key_id {
            let country = below.issuer.country();
            for &index in self.anchors.by_key_id.get(id).into_iter().flatten() {
                let subject = &self.anchors.authorities[index].certificate.subject;
                if !out.contains(&index) && country.is_some() && subject.country() == country {
                    out.push(index);
                }
            }
        }
        // Independent of the order of loading: matching key identifier first, then anchors before
        // link certificates, then the latest end of validity.
        out.sort_by_cached_key(|&index| {
            let authority = &self.anchors.authorities[index];
            let named =
                below.extensions.authority_key_id.as_ref().is_some_and(|id| authority.certificate.has_key_id(id));
            let ends = std::cmp::Reverse(authority.certificate.not_after);
            (!named, !authority.is_self_signed(), ends, authority.certificate.fingerprint())
        });
        // A certificate is no candidate for its own issuer: [`Authority::is_self_signed`] recognises
        // anchors.
        out.retain(|&index| self.anchors.authorities[index].certificate.der() != below.der());
        out
    }

    /// The finding that rules out an authority although its key did sign `below`.
    fn unsuitable(&self, below: &Certificate, index: usize) -> Option<Finding> {
        let authority = &self.anchors.authorities[index].certificate;
        if authority.extensions.unknown_critical {
            return Some(Finding::of(Reason::AnchorUnsuitable));
        }
        // Certificates do not say when they were issued, only when their validity begins.
        // Authorities renew their certificate over the same key, so an authority whose validity
        // begins after that of `below` is no contradiction.
        if below.not_before > authority.not_after.plus_days(VALIDITY_SLACK_DAYS) {
            return Some(Finding::of(Reason::AnchorOutOfValidity));
        }
        let revoked = self.anchors.lists.iter().any(|revocations| {
            revocations.list.issuer == authority.subject
                && revocations.list.revokes(&below.serial)
                && self.same_key_signed(revocations.signed_by(&self.anchors.authorities), index)
        });
        revoked.then(|| Finding::of(Reason::SignerRevoked).with(format!("serial {}", below.serial_hex())))
    }

    /// Whether one of `signed_by` has the same key as authority `index`: a link certificate and the
    /// self-signed one of the same key differ only in issuer.
    fn same_key_signed(&self, signed_by: &[usize], index: usize) -> bool {
        let key = &self.anchors.authorities[index].certificate.key;
        signed_by.iter().any(|&other| self.anchors.authorities[other].certificate.key == *key)
    }

    fn revocation_notes(&self, signer: &Certificate, path: &[usize]) -> Vec<Finding> {
        let mut out = Vec::new();
        for revocations in self.anchors.lists.iter().filter(|one| one.list.issuer == signer.issuer) {
            let signed_by = revocations.signed_by(&self.anchors.authorities);
            if signed_by.is_empty() {
                out.push(Finding::of(Reason::CrlUnverified));
            } else if path.first().is_some_and(|&index| self.same_key_signed(signed_by, index))
                && revocations.list.next_update.is_some_and(|next| next < self.now)
            {
                out.push(Finding::of(Reason::CrlStale));
            }
        }
        out
    }
}

/// Order of findings about a missing chain: by effect on the verdict, then by how specific the
/// cause is.
fn gravity(finding: &Finding) -> (Effect, u8) {
    let rank = match finding.reason {
        Reason::SignerRevoked => 6,
        Reason::CurveForged | Reason::KeyInvalid => 5,
        Reason::AnchorUnsuitable => 4,
        Reason::ChainLoop => 3,
        Reason::ChainBroken | Reason::AnchorOutOfValidity => 2,
        Reason::AnchorKeyMissing | Reason::LinkOpen => 1,
        _ => 0,
    };
    (finding.reason.effect(), rank)
}

/// The finding for an authority with the issuer's name whose key did not sign the certificate.
///
/// If the certificate names its issuer's key identifier and this authority has another, the real
/// issuer is not installed: countries keep one name over many keys. If it names this key, or none,
/// the signature is wrong.
fn mismatch(below: &Certificate, authority: &Authority, error: &SignatureError) -> Finding {
    let other_key = below.extensions.authority_key_id.as_ref().is_some_and(|id| !authority.certificate.has_key_id(id));
    let known = SignatureScheme::resolve(&below.algorithm, None).is_some();
    match error {
        // Errors of a key other than the named one do not matter: it is another authority's.
        _ if known && other_key => Finding::of(Reason::AnchorKeyMissing),
        SignatureError::Wrong | SignatureError::Algorithm(_) if known => Finding::of(Reason::ChainBroken),
        error => Finding::of(signature_reason(error)).with(error),
    }
}
