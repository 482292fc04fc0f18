//! CSCA master lists (ICAO 9303-12, section 9): country certificates, signed by the country that
//! publishes the list.

use super::cms::SignedData;
use super::crypto::SignatureScheme;
use super::error::InStructure;
use super::tlv::TlvReader;
use super::x509::Certificate;
use super::{ParseError, oid};

const WHAT: &str = "the master list";
/// Largest list: the German one of 2024 has 800 KB.
pub(super) const LIST_BYTES_MAX: usize = 16 << 20;
/// Most certificates of a list.
const CERTIFICATES_MAX: usize = 10_000;

/// A parsed master list. Nothing in it is checked yet.
pub struct MasterList {
    data: SignedData,
    /// The country certificates that could be read.
    pub certificates: Vec<Certificate>,
    /// Those that could not: their place in the list, counted from 1, and why.
    pub unread: Vec<(usize, ParseError)>,
}

/// Why a master list is not to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterListError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    /// One of its certificates cannot be read, and the operator asked for all or nothing.
    #[error("certificate {number} of the master list cannot be read: {source}")]
    Certificate {
        /// Which one, counted from 1.
        number: usize,
        /// Why.
        source: ParseError,
    },
    /// Its signature does not hold, or not by a certificate for that purpose.
    #[error("the signature of the master list does not hold: {0}")]
    Signature(String),
    /// No country certificate, supplied or listed, issued its signer.
    #[error("the signer of the master list was not issued by any certificate supplied or listed")]
    Issuer,
}

/// Issuer of a list's signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voucher {
    /// A certificate the operator supplied beside the list.
    Operator,
    /// A certificate of the list itself: the operator trusts the list as a whole by installing it.
    List,
}

impl MasterList {
    /// Parses a list. Certificates that cannot be parsed are left out: few of the hundreds in a
    /// list matter for the cards at hand.
    ///
    /// # Errors
    /// [`MasterListError`] where the bytes are no master list.
    pub fn parse(bytes: &[u8]) -> Result<Self, MasterListError> {
        if bytes.len() > LIST_BYTES_MAX {
            return Err(ParseError::TooLarge { what: WHAT, max: LIST_BYTES_MAX }.into());
        }
        let data = SignedData::parse(bytes)?;
        if data.content_type != oid::MASTER_LIST {
            return Err(ParseError::malformed(WHAT).into());
        }
        let mut outer = TlvReader::new(&data.content);
        let mut fields = outer.expect(0x30).within(WHAT)?.children();
        fields.expect(0x02).within(WHAT)?;
        let (mut certificates, mut unread) = (Vec::new(), Vec::new());
        for (index, certificate) in fields.expect(0x31).within(WHAT)?.children().enumerate() {
            let certificate = certificate.within(WHAT)?;
            if index == CERTIFICATES_MAX {
                return Err(ParseError::TooLarge { what: WHAT, max: CERTIFICATES_MAX }.into());
            }
            match Certificate::parse(certificate.raw) {
                Ok(certificate) => certificates.push(certificate),
                Err(error) => unread.push((index + 1, error)),
            }
        }
        Ok(Self { data, certificates, unread })
    }

    /// Checks the list's signature, and that its signer was issued by one of
    /// `supplied` or of the list.
    ///
    /// # Errors
    /// [`MasterListError`] if the signature is wrong or the signer has no valid issuer.
    pub fn verify<'a>(
        &self,
        supplied: impl Iterator<Item = &'a Certificate>,
    ) -> Result<(SignatureScheme, Voucher), MasterListError> {
        let mut failure = MasterListError::Signature("the signer's certificate is missing".to_owned());
        for signer in &self.data.signers {
            for certificate in self.data.certificates.iter().filter(|certificate| signer.names(certificate)) {
                if !certificate.may_sign_master_lists() {
                    failure = MasterListError::Signature("its signer may not sign master lists".to_owned());
                    continue;
                }
                match signer.verify(&self.data, &certificate.key, |_, _| false) {
                    Ok(scheme) => return Ok((scheme, self.voucher(certificate, supplied)?)),
                    Err(error) => failure = MasterListError::Signature(error.to_string()),
                }
            }
        }
        Err(failure)
    }

    fn voucher<'a>(
        &self,
        signer: &Certificate,
        supplied: impl Iterator<Item = &'a Certificate>,
    ) -> Result<Voucher, MasterListError> {
        let issued = |issuer: &Certificate| {
            issuer.subject == signer.issuer && issuer.may_sign_certificates() && signer.verify_by(&issuer.key).is_ok()
        };
        if supplied.into_iter().any(issued) {
            Ok(Voucher::Operator)
        } else if self.certificates.iter().any(issued) {
            Ok(Voucher::List)
        } else {
            Err(MasterListError::Issuer)
        }
    }
}
