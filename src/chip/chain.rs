//! From a document signer to an anchor.

use std::collections::HashMap;

use super::anchors::{Anchors, Authority};
use super::crypto::{Hash, SignatureError, SignatureScheme};
use super::finding::Finding;
use super::reason::{Effect, Reason};
use super::sod::{signature_reason, weaknesses};
use super::x509::Certificate;
use crate::dates::Moment;

/// Longest chain: signer, link, link, …, anchor. Countries link one generation
/// to the next, and keep a handful.
const CHAIN_CERTIFICATES_MAX: usize = 32;
/// Most signatures checked while looking for a chain. Every certificate is climbed from
/// once, so the honest lists of one country, some thirty certificates of one name, need a
/// few times that; the bound is on the time under anchors made to mislead.
const SIGNATURES_MAX: usize = 1024;

/// How far clocks may be apart from a validity.
const VALIDITY_SLACK_DAYS: i64 = 1;

/// A chain that was found.
pub(super) struct CertificateChain<'a> {
    /// The certificates above the signer, the anchor last.
    pub authorities: Vec<&'a Authority>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
}

/// Looks for a chain of signatures from `signer` to an anchor of the operator, none past its validity when the validity of the one below began, none revoked.
/// All candidates are tried; the finding is that of the best try, whatever the order the
/// certificates were loaded in. Where a bound ends the search before an anchor is found,
/// that alone is found: nothing is known then.
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
        // Found good on the way up; what it was made with is told here.
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
    /// Authorities from which no anchor was reached, and why. One that failed fails again:
    /// a way that was closed only because it led back to the path is open from the path.
    failed: HashMap<usize, Finding>,
    /// Whether something was left untried.
    bound_reached: bool,
}

impl ChainSearch<'_> {
    /// Extends the path above `below` to an anchor; or tells the gravest reason why not.
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

    /// Whether the authority last found ends the chain, or another above it does.
    ///
    /// A self-signed one ends it. A link certificate leads on to the key that signed it
    /// where that is installed; where nothing says anything against it but that the key is
    /// not, it counts itself, because it was installed: a country that has changed keys
    /// may hand out nothing else.
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

    /// Authorities of the issuer's name, and those of its key in the same
    /// country (a country may change its name). Those whose key identifier fits
    /// come first.
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
        // Whatever the order of loading: the key that is named, anchors before links, the
        // certificate that is valid for longest.
        out.sort_by_cached_key(|&index| {
            let authority = &self.anchors.authorities[index];
            let named =
                below.extensions.authority_key_id.as_ref().is_some_and(|id| authority.certificate.has_key_id(id));
            let ends = std::cmp::Reverse(authority.certificate.not_after);
            (!named, !authority.is_self_signed(), ends, authority.certificate.fingerprint())
        });
        // A certificate does not vouch for itself here: anchors are recognised by their own signature.
        out.retain(|&index| self.anchors.authorities[index].certificate.der() != below.der());
        out
    }

    /// Why an authority that did sign `below` may not have.
    fn unsuitable(&self, below: &Certificate, index: usize) -> Option<Finding> {
        let authority = &self.anchors.authorities[index].certificate;
        if authority.extensions.unknown_critical {
            return Some(Finding::of(Reason::AnchorUnsuitable));
        }
        // When `below` was issued is not written anywhere: only that it was made for the
        // time after its own beginning. An authority renews its certificate over one key,
        // so that it began later than what it signed tells nothing.
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

    /// Whether one of `signed_by` has the key of `index`: a link and its anchor
    /// share one.
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

/// How much a finding tells of why there is no chain: its effect, and among those of one
/// effect the more telling first, whatever the order of finding.
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

/// What it means that an authority of the right name did not sign.
///
/// Where the certificate names its issuer's key and this authority has another,
/// the issuer is one that is not installed: countries keep one name over many
/// keys. Where it names this key, or none, the signature is simply not theirs.
fn mismatch(below: &Certificate, authority: &Authority, error: &SignatureError) -> Finding {
    let other_key = below.extensions.authority_key_id.as_ref().is_some_and(|id| !authority.certificate.has_key_id(id));
    let known = SignatureScheme::resolve(&below.algorithm, None).is_some();
    match error {
        // Whatever is the matter with a key that is not the named one: it is another's.
        _ if known && other_key => Finding::of(Reason::AnchorKeyMissing),
        SignatureError::Wrong | SignatureError::Algorithm(_) if known => Finding::of(Reason::ChainBroken),
        error => Finding::of(signature_reason(error)).with(error),
    }
}
