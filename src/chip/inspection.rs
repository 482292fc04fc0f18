//! The result of a chip check: verdict, findings, and the data that was read.

use std::collections::BTreeMap;

use super::Name;
use super::active::ActiveAuthentication;
use super::com::Com;
use super::dg2::{Dg2, Dg2Photo};
use super::dg13::Dg13;
use super::finding::{Finding, GroupState, Verdict};
use super::mrz::Mrz;
use super::reason::{Effect, Reason};
use super::sod::SecurityObject;
use crate::dates::Moment;

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
