//! From a document signer to an anchor.

use super::anchors::{Anchors, Authority};
use super::crypto::{Hash, Scheme, SignatureError};
use super::finding::Finding;
use super::sod::{signature_reason, weaknesses};
use super::time::Moment;
use super::words::Reason;
use super::x509::Certificate;

/// Longest chain: signer, link, link, …, anchor. Countries link one generation
/// to the next, and keep a handful.
const CHAIN_CERTIFICATES_MAX: usize = 8;
/// Most signatures checked while looking for a chain; bounds the time under
/// anchors made to mislead.
const SIGNATURES_MAX: usize = 24;

/// How far clocks may be apart from a validity.
const VALIDITY_SLACK_DAYS: i64 = 1;

/// A chain that was found.
pub(super) struct Chain<'a> {
    /// The certificates above the signer, the anchor last.
    pub authorities: Vec<&'a Authority>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
}

/// Looks for a chain of signatures from `signer` to an anchor of the operator, none past its validity when the validity of the one below began, none revoked.
/// All candidates are tried; the finding is that of the best try.
pub(super) fn build<'a>(anchors: &'a Anchors, signer: &Certificate, now: Moment) -> Result<Chain<'a>, Vec<Finding>> {
    if anchors.is_empty() {
        return Err(vec![Finding::of(Reason::NoAnchors)]);
    }
    let mut search = Search { anchors, now, signatures_left: SIGNATURES_MAX, best: None };
    let mut path = Vec::new();
    if search.climb(signer, &mut path) {
        let mut findings = search.revocation_notes(signer, &path);
        let mut below = signer;
        let authorities: Vec<&Authority> = path.iter().map(|&index| &anchors.authorities[index]).collect();
        for authority in &authorities {
            if below.not_before.plus_days(VALIDITY_SLACK_DAYS) < authority.certificate.not_before {
                findings.push(Finding::of(Reason::AnchorYounger));
            }
            // The scheme was found good on the way up; its hash may be weak.
            let hash = Scheme::resolve(&below.algorithm, None).map_or(Hash::Sha256, Scheme::hash);
            findings.extend(weaknesses(&authority.certificate, hash, "the signer's certificate"));
            below = &authority.certificate;
        }
        if authorities.last().is_some_and(|anchor| !anchor.is_self_signed()) {
            findings.push(Finding::of(Reason::AnchorRenewed));
        }
        return Ok(Chain { authorities, findings });
    }
    Err(vec![search.best.unwrap_or(Finding::of(Reason::AnchorMissing))])
}

struct Search<'a> {
    anchors: &'a Anchors,
    now: Moment,
    signatures_left: usize,
    best: Option<Finding>,
}

impl Search<'_> {
    /// Extends the path above `below` to an anchor.
    fn climb(&mut self, below: &Certificate, path: &mut Vec<usize>) -> bool {
        let candidates = self.candidates(below);
        if candidates.is_empty() {
            let open = if path.is_empty() { Reason::AnchorMissing } else { Reason::LinkOpen };
            self.remember(Finding::of(open));
            return false;
        }
        for index in candidates {
            if path.contains(&index) {
                self.remember(Finding::of(Reason::ChainLoop));
                continue;
            }
            if path.len() + 1 >= CHAIN_CERTIFICATES_MAX || self.signatures_left == 0 {
                self.remember(Finding::of(Reason::ChainTooLong));
                return false;
            }
            let authority = &self.anchors.authorities[index];
            self.signatures_left -= 1;
            if let Err(error) = below.verify_by(&authority.certificate.key) {
                self.remember(mismatch(below, authority, &error));
                continue;
            }
            if let Some(finding) = self.unsuitable(below, index) {
                self.remember(finding);
                continue;
            }
            path.push(index);
            if authority.is_anchor() || self.climb(&authority.certificate, path) {
                return true;
            }
            path.pop();
        }
        false
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
            out.sort_by_key(|&index| !self.anchors.authorities[index].certificate.has_key_id(id));
        }
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

    /// Keeps the gravest finding.
    fn remember(&mut self, finding: Finding) {
        let graver = |best: &Finding| finding.reason.effect() > best.reason.effect();
        let nearer =
            |best: &Finding| finding.reason.effect() == best.reason.effect() && best.reason == Reason::AnchorMissing;
        if self.best.as_ref().is_none_or(|best| graver(best) || nearer(best)) {
            self.best = Some(finding);
        }
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

/// What it means that an authority of the right name did not sign.
///
/// Where the certificate names its issuer's key and this authority has another,
/// the issuer is one that is not installed: countries keep one name over many
/// keys. Where it names this key, or none, the signature is simply not theirs.
fn mismatch(below: &Certificate, authority: &Authority, error: &SignatureError) -> Finding {
    let other_key = below.extensions.authority_key_id.as_ref().is_some_and(|id| !authority.certificate.has_key_id(id));
    let known = Scheme::resolve(&below.algorithm, None).is_some();
    match error {
        // A known algorithm that does not go with this key is another key's.
        SignatureError::Wrong | SignatureError::Algorithm(_) if known && other_key => {
            Finding::of(Reason::AnchorKeyMissing)
        }
        SignatureError::Wrong | SignatureError::Algorithm(_) if known => Finding::of(Reason::ChainBroken),
        error => Finding::of(signature_reason(error)).with(error),
    }
}
