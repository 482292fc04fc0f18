//! One card from files to verdict.

use std::collections::BTreeMap;

use super::active::{self, ActiveAuthentication, ChallengeResponse, Dg14, Dg15};
use super::anchors::Anchors;
use super::chain;
use super::country;
use super::crypto::PublicKey;
use super::dg2::{Dg2, Dg2Photo};
use super::dg13::{Dg13, Dg13Id, Dg13Scope};
use super::error::InStructure;
use super::files::{ChipFiles, FileId};
use super::finding::{Finding, GroupState, Verdict};
use super::mrz::Mrz;
use super::personal::{BirthDate, Personal, Sex};
use super::reason::{Effect, Reason};
use super::sod::{SecurityObject, Sod};
use super::tlv::TlvReader;
use super::x509::Certificate;
use super::{Name, ParseError};
use crate::dates::{Date, Moment};
use crate::numbers::is_a_number;
use crate::text;

/// How far clocks and days of issue may be apart from a validity.
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

/// EF.COM: the card's unsigned index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Com {
    /// LDS version, such as `0107`.
    pub lds_version: String,
    /// Data groups it lists, in order.
    pub groups: Vec<u8>,
}

impl Com {
    /// Parses an EF.COM file.
    ///
    /// # Errors
    /// [`ParseError`] where the file is no EF.COM.
    pub fn parse(file: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "EF.COM";
        let mut fields = TlvReader::new(file).expect(0x60).within(WHAT)?.children();
        let version = fields.expect(0x5F01).within(WHAT)?.value;
        let tags = fields.find(0x5C).within(WHAT)?.ok_or(ParseError::malformed(WHAT))?;
        let mut groups = Vec::new();
        for &tag in tags.value {
            match FileId::from_tag(u32::from(tag)) {
                Some(FileId::Group(number)) if !groups.contains(&number) => groups.push(number),
                Some(FileId::Group(_)) => {}
                _ => return Err(ParseError::malformed(WHAT)),
            }
        }
        Ok(Self { lds_version: String::from_utf8_lossy(version).into_owned(), groups })
    }
}

/// The document signer's certificate and what its signature came to.
#[derive(Debug, Clone)]
pub struct SignerUsed {
    /// Subject of the certificate.
    pub subject: Name,
    /// Issuer of the certificate.
    pub issuer: Name,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Start of its validity.
    pub not_before: Moment,
    /// End of its validity.
    pub not_after: Moment,
    /// Kind of key, such as `P-384`.
    pub key: String,
    /// Signature scheme of EF.SOD, where the signature holds.
    pub scheme: Option<String>,
    /// Its signingTime attribute.
    pub signing_time: Option<Moment>,
}

/// The anchor a chain ended in.
#[derive(Debug, Clone)]
pub struct AnchorUsed {
    /// The country authority.
    pub subject: Name,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Start of its validity.
    pub not_before: Moment,
    /// End of its validity.
    pub not_after: Moment,
    /// Kind of key.
    pub key: String,
    /// The operator's file it came from.
    pub source: String,
    /// Link certificates between it and the signer.
    pub links: usize,
}

/// The card holder, by signed data only. DG13 takes precedence over DG1: it has the name with
/// diacritics and full dates.
#[derive(Debug, Clone, Default)]
pub struct Holder {
    /// The citizen's number; elsewhere the personal number.
    pub number: Option<Personal>,
    /// Further numbers that the card gives as the citizen's number, on cards that contradict
    /// themselves ([`Reason::NumbersDisagree`]).
    pub other_numbers: Vec<Personal>,
    /// Numbers of earlier identity cards, where DG13 names them.
    pub former_numbers: Vec<Personal>,
    /// Document number of the machine-readable zone.
    pub document_number: Option<Personal>,
    /// Full name: with diacritics from DG13, else in capitals from the machine-readable zone.
    pub name: Option<Personal>,
    /// The name in the machine-readable zone, in capitals without diacritics.
    pub name_plain: Option<Personal>,
    /// Date of birth.
    pub birth: Option<BirthDate>,
    /// The alternative reading a century earlier, if only the machine-readable zone gives the date
    /// and its two-digit year is ambiguous.
    pub birth_other: Option<BirthDate>,
    /// Whether the chip has a date of birth, but an invalid one.
    pub birth_unreadable: bool,
    /// Sex.
    pub sex: Option<Sex>,
    /// Day of issue, from DG13: about the age of the photo.
    pub issued: Option<Date>,
    /// Last day of validity; `None` too for a card without one.
    pub expires: Option<Date>,
}

/// The result of a chip check.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The verdict.
    pub verdict: Verdict,
    /// All findings, the gravest first.
    pub findings: Vec<Finding>,
    /// State of every data group that is present or listed in EF.SOD.
    pub data_groups: BTreeMap<u8, GroupState>,
    /// The signed list of hashes.
    pub security_object: Option<SecurityObject>,
    /// The document signer.
    pub signer: Option<SignerUsed>,
    /// The anchor in which the signer's chain ends.
    pub anchor: Option<AnchorUsed>,
    /// Whether the chip showed that it is the original.
    pub active_authentication: ActiveAuthentication,
    /// EF.COM.
    pub com: Option<Com>,
    /// DG1.
    pub mrz: Option<Mrz>,
    /// DG2.
    pub dg2: Option<Dg2>,
    /// DG13.
    pub dg13: Option<Dg13>,
    /// Kind of key in DG15.
    pub active_key: Option<String>,
    /// Security protocols in DG14, as dotted identifiers.
    pub protocols: Vec<String>,
    /// Number of files in the folder that are no chip files.
    pub unrecognised: usize,
}

impl Inspection {
    /// The photo of the chip, where its hash is signed and the signature holds. Callers must check
    /// the verdict as well.
    pub fn photo(&self) -> Option<&Dg2Photo> {
        if !self.is_signed(2) {
            return None;
        }
        // Several pictures: the first whose format is known.
        let photos = &self.dg2.as_ref()?.photos;
        photos.iter().find(|photo| photo.format.is_some()).or(photos.first())
    }

    /// Whether a data group is signed, by a signature that holds.
    pub fn is_signed(&self, group: u8) -> bool {
        self.signer.as_ref().is_some_and(|signer| signer.scheme.is_some())
            && self.data_groups.get(&group) == Some(&GroupState::Matches)
    }

    /// Who the card is of, by signed data alone; `None` where neither DG1 nor
    /// DG13 is signed.
    pub fn holder(&self) -> Option<Holder> {
        let mrz = self.mrz.as_ref().filter(|_| self.is_signed(1));
        let dg13 = self.dg13.as_ref().filter(|_| self.is_signed(13));
        if mrz.is_none() && dg13.is_none() {
            return None;
        }
        let zone_name = mrz.map(|mrz| mrz.name.clone());
        let full_birth = dg13.and_then(Dg13::birth);
        let zone_number = mrz.and_then(|mrz| mrz.personal_number.as_ref());
        let mut numbers: Vec<Personal> = Vec::new();
        for shown in dg13.into_iter().flat_map(Dg13::numbers).chain(zone_number) {
            if numbers.iter().all(|known| text::number(known.reveal()) != text::number(shown.reveal())) {
                numbers.push(shown.clone());
            }
        }
        // Placeholders such as `-` are used only if there is no number, and never count as a second
        // number.
        numbers.sort_by_key(|shown| !is_a_number(&text::number(shown.reveal())));
        let mut numbers = numbers.into_iter();
        let number = numbers.next();
        let birth = full_birth.or(mrz.and_then(|mrz| mrz.birth));
        let names_birth =
            dg13.is_some_and(|dg13| dg13.first(Dg13Id::Birth).is_some()) || mrz.is_some_and(|mrz| mrz.birth_unreadable);
        Some(Holder {
            number,
            other_numbers: numbers.filter(|shown| is_a_number(&text::number(shown.reveal()))).collect(),
            former_numbers: dg13.map(Dg13::former_numbers).unwrap_or_default(),
            document_number: mrz.map(|mrz| mrz.document_number.clone()),
            name: dg13.and_then(|dg13| dg13.name().cloned()).or(zone_name.clone()),
            name_plain: zone_name,
            birth,
            birth_unreadable: birth.is_none() && names_birth,
            birth_other: mrz.and_then(|mrz| mrz.birth_other).filter(|_| full_birth.is_none()),
            sex: dg13.and_then(Dg13::sex).or(mrz.and_then(|mrz| mrz.sex)),
            issued: dg13.and_then(Dg13::issued),
            expires: mrz.and_then(|mrz| mrz.expires).or(dg13.and_then(Dg13::expires)),
        })
    }

    /// The reasons of all findings, the gravest first, each once.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for finding in &self.findings {
            if !reasons.contains(&finding.reason) {
                reasons.push(finding.reason);
            }
        }
        reasons
    }

    /// Whether there is a finding with this reason.
    pub fn found(&self, reason: Reason) -> bool {
        self.findings.iter().any(|finding| finding.reason == reason)
    }

    /// Whether a finding says that a validity period has ended or not begun, whatever the verdict.
    pub fn has_lapsed(&self) -> bool {
        self.findings.iter().any(|finding| finding.reason.effect() == Effect::Lapsed)
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
                if dg2.photos.iter().any(Dg2Photo::type_lies) {
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

    fn is_vietnamese(&self) -> bool {
        self.mrz.as_ref().is_none_or(|mrz| mrz.issuing_state == "VNM")
    }

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
            && !com.groups.iter().copied().collect::<std::collections::BTreeSet<_>>().iter().eq(object.groups.keys())
        {
            self.findings.push(Finding::of(Reason::ComDisagrees));
        }
    }

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

    fn check_active(&mut self, files: &ChipFiles, options: &CheckOptions) {
        let Some(exchange) = &options.active else { return };
        let signed = |number| files.get(FileId::Group(number)).filter(|_| self.is_signed(number));
        let dg14 = signed(14).and_then(|bytes| Dg14::parse(bytes).ok());
        self.active_authentication = match signed(15).and_then(|bytes| Dg15::parse(bytes).ok()) {
            Some(dg15) => active::check(&dg15, dg14.as_ref(), exchange),
            None => ActiveAuthentication::Unproven,
        };
    }

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
