//! Checks a card: from its files to an [`Inspection`].

use std::collections::{BTreeMap, BTreeSet};

use super::active::{self, ActiveAuthentication, ChallengeResponse, Dg14, Dg15};
use super::anchors::Anchors;
use super::chain;
use super::com::Com;
use super::country;
use super::crypto::PublicKey;
use super::dg2::{Dg2, Dg2Photo};
use super::dg13::{Dg13, Dg13Scope};
use super::files::{ChipFiles, FileId};
use super::finding::{Finding, GroupState, Verdict};
use super::inspection::{AnchorUsed, Inspection, SignerUsed};
use super::mrz::Mrz;
use super::reason::Reason;
use super::sod::{SecurityObject, Sod};
use super::x509::Certificate;
use crate::dates::Moment;

/// Tolerance at both ends of a validity period, for clocks that are off and days of issue.
const VALIDITY_SLACK_DAYS: i64 = 1;
/// Most data groups of a card.
const GROUPS: std::ops::RangeInclusive<u8> = 1..=16;

/// How to check a card.
#[derive(Clone)]
pub struct CheckOptions {
    /// The moment to check at.
    pub now: Moment,
    /// Challenge and response of Active Authentication, where the reader ran it.
    pub active: Option<ChallengeResponse>,
    /// How much of DG13 to read.
    pub scope: Dg13Scope,
}

impl Default for CheckOptions {
    /// Now, without Active Authentication, sensitive fields unread.
    fn default() -> Self {
        Self { now: Moment::now(), active: None, scope: Dg13Scope::Identity }
    }
}

/// Checks a card. Never fails: unreadable files are findings, too.
pub fn inspect(files: &ChipFiles, anchors: &Anchors, options: &CheckOptions) -> Inspection {
    let mut card = Inspection {
        verdict: Verdict::Unreadable,
        findings: files.findings().to_vec(),
        data_groups: BTreeMap::new(),
        security_object: None,
        signer: None,
        anchor: None,
        // A response that was sent proves nothing until it is verified.
        active_authentication: match options.active {
            Some(_) => ActiveAuthentication::Unproven,
            None => ActiveAuthentication::Absent,
        },
        com: None,
        mrz: None,
        dg2: None,
        dg13: None,
        active_key: None,
        protocols: Vec::new(),
        unrecognised: files.unrecognised(),
    };
    card.read_groups(files, options);
    match files.get(FileId::Sod) {
        None => card.findings.push(Finding::of(Reason::SodMissing)),
        Some(bytes) => match Sod::parse(bytes) {
            Err(finding) => card.findings.push(finding),
            Ok(sod) => card.authenticate(files, &sod, anchors, options),
        },
    }
    card.check_validity(options.now);
    card.check_presence(files);
    card.findings = Finding::in_order(card.findings);
    card.verdict = Verdict::of(&card.findings);
    card
}

impl Inspection {
    /// Parses EF.COM and the data groups; what cannot be parsed becomes a finding.
    fn read_groups(&mut self, files: &ChipFiles, options: &CheckOptions) {
        let unreadable = |group, error| Finding::in_group(Reason::GroupUnreadable, group).with(error);
        let group = |number| files.get(FileId::Group(number));
        match files.get(FileId::Com).map(Com::parse) {
            Some(Ok(com)) => self.com = Some(com),
            Some(Err(error)) => self.findings.push(Finding::of(Reason::ComUnreadable).with(error)),
            None => {}
        }
        match group(1).map(|bytes| Mrz::parse(bytes, options.now.date())) {
            Some(Ok(mrz)) => {
                if !mrz.wrong_check_digits.is_empty() {
                    let fields = mrz.wrong_check_digits.join(", ");
                    self.findings.push(Finding::in_group(Reason::MrzCheckDigit, 1).with(fields));
                }
                self.mrz = Some(mrz);
            }
            Some(Err(error)) => self.findings.push(unreadable(1, error)),
            None => {}
        }
        match group(2).map(Dg2::parse) {
            Some(Ok(dg2)) => {
                if dg2.photos.iter().all(|photo| photo.format.is_none()) {
                    self.findings.push(Finding::in_group(Reason::PhotoUnreadable, 2).with("no known picture format"));
                }
                if dg2.photos.iter().any(Dg2Photo::declared_type_differs) {
                    self.findings.push(Finding::in_group(Reason::PhotoTypeLies, 2));
                }
                if dg2.unread > 0 {
                    let unread = Finding::in_group(Reason::PhotoPartlyUnreadable, 2);
                    self.findings.push(unread.with(format!("{} passed over", dg2.unread)));
                }
                if dg2.lengths_off {
                    self.findings.push(Finding::in_group(Reason::LengthsOff, 2));
                }
                self.dg2 = Some(dg2);
            }
            Some(Err(error)) => self.findings.push(Finding::in_group(Reason::PhotoUnreadable, 2).with(error)),
            None => {}
        }
        match group(13).map(|bytes| Dg13::parse(bytes, options.scope)) {
            Some(Ok(dg13)) => self.dg13 = Some(dg13),
            // Only Vietnam's layout of DG13 is known; other issuers define their own.
            Some(Err(error)) if self.is_vietnamese() => self.findings.push(unreadable(13, error)),
            _ => {}
        }
        // Nothing but Active Authentication needs these two.
        let optional = |group, error| Finding::in_group(Reason::OptionalUnreadable, group).with(error);
        match group(14).map(Dg14::parse) {
            Some(Ok(dg14)) => {
                self.protocols = dg14.protocols.iter().map(|arcs| super::oid::dotted(arcs)).collect();
            }
            Some(Err(error)) => self.findings.push(optional(14, error)),
            None => {}
        }
        match group(15).map(Dg15::parse) {
            Some(Ok(dg15)) => {
                let described = PublicKey::from_spki(&dg15.key).map(|key| key.describe());
                self.active_key = Some(described.unwrap_or_else(|error| error.to_string()));
            }
            Some(Err(error)) => self.findings.push(optional(15, error)),
            None => {}
        }
    }

    /// Whether the card is Vietnamese, or has no readable machine-readable zone.
    fn is_vietnamese(&self) -> bool {
        self.mrz.as_ref().is_none_or(|mrz| mrz.issuing_state == "VNM")
    }

    /// Passive authentication (ICAO 9303-11, 5.1): signature, hashes, chain, then what follows from them.
    fn authenticate(&mut self, files: &ChipFiles, sod: &Sod, anchors: &Anchors, options: &CheckOptions) {
        self.compare_hashes(files, &sod.object);
        self.security_object = Some(sod.object.clone());
        if sod.object.versions_unread {
            self.findings.push(Finding::of(Reason::OptionalUnreadable).with("LDS version"));
        }
        let check = sod.check_signature(anchors.signers());
        self.findings.extend(check.findings);
        let Some(signer) = check.signer else { return };
        self.signer = Some(SignerUsed {
            subject: signer.subject.clone(),
            issuer: signer.issuer.clone(),
            serial: signer.serial_hex(),
            not_before: signer.not_before,
            not_after: signer.not_after,
            key: describe_key(&signer),
            scheme: check.scheme.map(|scheme| scheme.describe()),
            signing_time: check.signing_time,
        });
        if check.scheme.is_none() {
            return;
        }
        if !signer.may_sign_documents() {
            self.findings.push(Finding::of(Reason::SignerUnsuitable));
        }
        self.check_signer_validity(&signer, check.signing_time, options.now);
        match chain::build(anchors, &signer, options.now) {
            Err(findings) => self.findings.extend(findings),
            Ok(found) => {
                self.findings.extend(found.findings);
                if let Some(anchor) = found.authorities.last() {
                    let certificate = &anchor.certificate;
                    self.anchor = Some(AnchorUsed {
                        subject: certificate.subject.clone(),
                        serial: certificate.serial_hex(),
                        not_before: certificate.not_before,
                        not_after: certificate.not_after,
                        key: describe_key(certificate),
                        source: anchor.source.clone(),
                        links: found.authorities.len() - 1,
                    });
                }
            }
        }
        self.check_country(&signer);
        self.check_active(files, options);
    }

    /// Compares the hashes of all data groups with the signed ones.
    fn compare_hashes(&mut self, files: &ChipFiles, object: &SecurityObject) {
        for number in GROUPS {
            let state = match (files.get(FileId::Group(number)), object.groups.get(&number)) {
                (None, None) => continue,
                (None, Some(_)) => GroupState::Absent,
                (Some(_), None) => GroupState::NotInSod,
                (Some(bytes), Some(hash)) if object.hash.digest(bytes) == *hash => GroupState::Matches,
                (Some(_), Some(_)) => GroupState::Differs,
            };
            match (state, number) {
                (GroupState::Differs, _) => self.findings.push(Finding::in_group(Reason::GroupAltered, number)),
                // An attacker would add identity data or a photo.
                (GroupState::NotInSod, 1 | 2 | 13) => {
                    self.findings.push(Finding::in_group(Reason::GroupNotSigned, number));
                }
                (GroupState::NotInSod, _) => self.findings.push(Finding::in_group(Reason::GroupUnsigned, number)),
                _ => {}
            }
            self.data_groups.insert(number, state);
        }
        if let Some(com) = &self.com
            && !com.groups.iter().copied().collect::<BTreeSet<_>>().iter().eq(object.groups.keys())
        {
            self.findings.push(Finding::of(Reason::ComDisagrees));
        }
    }

    /// Checks that the document signer's certificate was valid when it signed.
    fn check_signer_validity(&mut self, signer: &Certificate, signed_at: Option<Moment>, now: Moment) {
        if now.plus_days(VALIDITY_SLACK_DAYS) < signer.not_before {
            self.findings.push(Finding::of(Reason::SignerNotYetValid));
        }
        if now > signer.not_after {
            self.findings.push(Finding::of(Reason::SignerExpired).with(signer.not_after));
        }
        let outside = |at: Moment, from: Option<Moment>, until: Option<Moment>| {
            from.is_some_and(|from| at.plus_days(VALIDITY_SLACK_DAYS) < from)
                || until.is_some_and(|until| at > until.plus_days(VALIDITY_SLACK_DAYS))
        };
        let validity = (Some(signer.not_before), Some(signer.not_after));
        if let Some(at) = signed_at {
            if outside(at, validity.0, validity.1) {
                self.findings.push(Finding::of(Reason::SignedOutOfValidity).with(at));
            } else if outside(at, signer.extensions.key_period.0, signer.extensions.key_period.1) {
                self.findings.push(Finding::of(Reason::KeyPeriod));
            }
            return;
        }
        // The printed day of issue is not the time of signing, so this is a note only.
        let printed = self.holder().and_then(|holder| holder.issued).map(Moment::of_date);
        if printed.is_some_and(|at| outside(at, validity.0, validity.1)) {
            self.findings.push(Finding::of(Reason::PrintedOutsideSigner));
        }
    }

    /// The card's issuing state must be the country of its document signer.
    fn check_country(&mut self, signer: &Certificate) {
        let Some(mrz) = self.mrz.as_ref().filter(|_| self.is_signed(1)) else { return };
        let Some(country) = signer.issuer.country().or_else(|| signer.subject.country()) else { return };
        if country::is_same_country(&mrz.issuing_state, &country) == Some(false) {
            let detail = format!("card {}, signer {country}", mrz.issuing_state);
            self.findings.push(Finding::of(Reason::CountryMismatch).with(detail));
        }
    }

    /// Checks Active Authentication with the signed keys of DG14 and DG15.
    fn check_active(&mut self, files: &ChipFiles, options: &CheckOptions) {
        let Some(exchange) = &options.active else { return };
        let signed = |number| files.get(FileId::Group(number)).filter(|_| self.is_signed(number));
        let dg14 = signed(14).and_then(|bytes| Dg14::parse(bytes).ok());
        self.active_authentication = match signed(15).and_then(|bytes| Dg15::parse(bytes).ok()) {
            Some(dg15) => active::check(&dg15, dg14.as_ref(), exchange),
            None => ActiveAuthentication::Unproven,
        };
    }

    /// Checks the card's own dates of issue and expiry.
    fn check_validity(&mut self, now: Moment) {
        // Unsigned data says nothing about validity.
        let Some(holder) = self.holder() else { return };
        let today = now.date();
        if holder.expires.is_some_and(|expires| expires < today) {
            self.findings.push(Finding::of(Reason::CardExpired));
        }
        if holder.issued.is_some_and(|issued| Moment::of_date(issued) > now.plus_days(VALIDITY_SLACK_DAYS)) {
            self.findings.push(Finding::of(Reason::CardNotYetValid));
        }
        if !holder.other_numbers.is_empty() {
            self.findings.push(Finding::of(Reason::NumbersDisagree));
        }
    }

    /// Adds findings about missing data groups and about Active Authentication.
    fn check_presence(&mut self, files: &ChipFiles) {
        if let Some(object) = &self.security_object {
            if files.groups().next().is_none() {
                self.findings.push(Finding::of(Reason::NoGroupChecked));
            }
            if !object.groups.contains_key(&2) {
                self.findings.push(Finding::of(Reason::PhotoNotListed));
            }
        }
        if files.get(FileId::Group(2)).is_none() {
            self.findings.push(Finding::of(Reason::PhotoAbsent));
        }
        let reason = match self.active_authentication {
            ActiveAuthentication::Proven => return,
            ActiveAuthentication::Failed => Reason::ActiveAuthenticationFailed,
            ActiveAuthentication::Unproven => Reason::ActiveAuthenticationUnproven,
            ActiveAuthentication::Absent => Reason::ActiveAuthenticationAbsent,
        };
        self.findings.push(Finding::of(reason));
    }
}

fn describe_key(certificate: &Certificate) -> String {
    PublicKey::from_spki(&certificate.key).map_or_else(|error| error.to_string(), |key| key.describe())
}
