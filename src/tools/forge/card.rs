use std::path::Path;

use super::certificate::serial;
use super::{CertificateDraft, KeyKind, TestAuthority, TestKey, revocation_list, signed_data};
use crate::chip::crypto::Hash;
use crate::chip::{Dg13, FaceEncoding, ParseError, check_digit, der, oid, picture_format};
use crate::dates::{Date, Moment};
use crate::imaging::Format;

/// Name of the test authority.
const AUTHORITY: &str = "CSCA";
/// Version of the biometric header around a photo.
const TEMPLATE_VERSION: [u8; 2] = [0x01, 0x01];
/// Years the authority and the signer are valid.
const AUTHORITY_YEARS: u16 = 20;
const SIGNER_YEARS: u16 = 15;

/// Who a test card is of.
#[derive(Debug, Clone)]
pub struct HolderDraft {
    /// Twelve digits.
    pub number: String,
    /// Full name with its marks.
    pub name: String,
    /// Surname in plain capitals.
    pub surname_plain: String,
    /// Given names in plain capitals.
    pub given_plain: String,
    /// Date of birth.
    pub birth: Date,
    /// Whether female.
    pub female: bool,
    /// Day of issue.
    pub issued: Date,
    /// Last day of validity.
    pub expires: Date,
}

impl HolderDraft {
    /// A person who does not exist: number of a province that does not either.
    pub fn nobody() -> Self {
        let date = |year, month, day| Date { year, month, day };
        Self {
            number: "999088000017".to_owned(),
            name: "NGUYỄN THỬ NGHIỆM".to_owned(),
            surname_plain: "NGUYEN".to_owned(),
            given_plain: "THU NGHIEM".to_owned(),
            birth: date(1988, 2, 1),
            female: false,
            issued: date(2023, 3, 15),
            expires: date(2033, 2, 1),
        }
    }
}

/// What is wrong with a test card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// One bit of the photo's file is flipped after signing; the picture itself can
    /// still be read.
    AlteredPhoto,
    /// A letter of DG1's name is changed after signing.
    AlteredName,
    /// EF.SOD is signed with another key than its certificate's.
    WrongSigner,
    /// The signer's certificate names the authority, but another key issued it.
    WrongAuthority,
    /// The signer's certificate is on the revocation list.
    Revoked,
    /// The signer is itself an authority.
    SignerIsAuthority,
    /// Signed before the signer's certificate was valid.
    SignedTooEarly,
    /// The card has expired.
    Expired,
    /// The card is issued in the future.
    NotYetValid,
    /// DG2 is there, but not in the signed list.
    PhotoNotSigned,
    /// Neither DG2 nor its hash is there.
    NoPhoto,
    /// DG2 is there twice, with different content.
    PhotoTwice,
    /// EF.SOD is cut short.
    SodCut,
    /// The signer's certificate has curve parameters of its own making.
    ForgedCurve,
    /// The card names another country than its signer.
    OtherCountry,
    /// Signed with SHA-1.
    WeakHash,
    /// DG2 holds no picture.
    EmptyPhoto,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::AlteredPhoto,
        Self::AlteredName,
        Self::WrongSigner,
        Self::WrongAuthority,
        Self::Revoked,
        Self::SignerIsAuthority,
        Self::SignedTooEarly,
        Self::Expired,
        Self::NotYetValid,
        Self::PhotoNotSigned,
        Self::NoPhoto,
        Self::PhotoTwice,
        Self::SodCut,
        Self::ForgedCurve,
        Self::OtherCountry,
        Self::WeakHash,
        Self::EmptyPhoto,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlteredPhoto => "altered-photo",
            Self::AlteredName => "altered-name",
            Self::WrongSigner => "wrong-signer",
            Self::WrongAuthority => "wrong-authority",
            Self::Revoked => "revoked",
            Self::SignerIsAuthority => "signer-is-authority",
            Self::SignedTooEarly => "signed-too-early",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::PhotoNotSigned => "photo-not-signed",
            Self::NoPhoto => "no-photo",
            Self::PhotoTwice => "photo-twice",
            Self::SodCut => "sod-cut",
            Self::ForgedCurve => "forged-curve",
            Self::OtherCountry => "other-country",
            Self::WeakHash => "weak-hash",
            Self::EmptyPhoto => "empty-photo",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flaw| flaw.name() == name)
    }
}

/// A test card to be made.
#[derive(Clone)]
pub struct CardDraft {
    /// Keys come from it: cards of one seed have one authority and one signer.
    pub seed: Vec<u8>,
    /// Key of authority and signer.
    pub key: KeyKind,
    /// Who it is of.
    pub holder: HolderDraft,
    /// The photo's file.
    pub photo: Vec<u8>,
    /// How DG2 wraps it.
    pub encoding: FaceEncoding,
    /// Whether there is a DG13.
    pub dg13: bool,
    /// What DG13 gives as the number, where it is not the holder's.
    pub dg13_number: Option<String>,
    /// Whether EF.SOD says when it was signed.
    pub signing_time: bool,
    /// First day of the signer's and the authority's validity, where it is not that of
    /// the year before the card's day of issue.
    pub signer_start: Option<Date>,
    /// Kind of the chip's own key, where it can do Active Authentication.
    pub active: Option<KeyKind>,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

impl CardDraft {
    /// A sound P-384 card of nobody with a DG13, valid now.
    pub fn new(seed: &[u8], photo: Vec<u8>) -> Self {
        Self {
            seed: seed.to_vec(),
            key: KeyKind::P384,
            holder: HolderDraft::nobody(),
            photo,
            encoding: FaceEncoding::Iso19794,
            dg13: true,
            dg13_number: None,
            signing_time: true,
            signer_start: None,
            active: None,
            flaw: None,
        }
    }

    /// Makes the card. The error is the parser's over what was made, and does
    /// not happen.
    ///
    /// # Errors
    /// [`ParseError`] where the draft makes a file that cannot be.
    pub fn forge(&self) -> Result<ForgedCard, ParseError> {
        let holder = self.dated_holder();
        let first_year = holder.issued.year.min(self.holder.issued.year);
        let year_before = Date { year: first_year.saturating_sub(1).max(1951), month: 1, day: 1 };
        let signer_start = self.signer_start.unwrap_or(year_before);
        let plus = |date: Date, years: u16| Date { year: date.year + years, ..date };
        let authority = TestAuthority::new(TestKey::new(&self.seed, "authority", self.key), AUTHORITY);
        let other = TestAuthority::new(TestKey::new(&self.seed, "impostor", self.key), AUTHORITY);
        let root = CertificateDraft::new(AUTHORITY, 1, signer_start, plus(signer_start, AUTHORITY_YEARS)).authority();
        let csca = authority.issue(&root, &authority.key)?;

        let hash = if self.is(Flaw::WeakHash) { Some(Hash::Sha1) } else { None };
        let mut signer_key = TestKey::new(&self.seed, "signer", self.key);
        if let Some(hash) = hash {
            signer_key = signer_key.with_hash(hash);
        }
        let signer_serial = serial(&self.seed, "signer");
        let mut draft =
            CertificateDraft::new("Document Signer", signer_serial, signer_start, plus(signer_start, SIGNER_YEARS));
        draft.authority = self.is(Flaw::SignerIsAuthority);
        draft.forged_curve = self.is(Flaw::ForgedCurve);
        // Without key identifiers only the name leads to the authority.
        draft.key_ids = !self.is(Flaw::WrongAuthority);
        let issuer = if self.is(Flaw::WrongAuthority) { &other } else { &authority };
        let signer = issuer.issue(&draft, &signer_key)?;

        let mut files = self.groups(&holder);
        let signed: Vec<(u8, Vec<u8>)> = files
            .iter()
            .filter(|(number, _)| !(*number == 2 && self.is(Flaw::PhotoNotSigned)))
            .map(|(number, bytes)| (*number, signer_key.hash().digest(bytes)))
            .collect();
        let object = security_object(signer_key.hash(), &signed);
        let signed_at = match self.flaw {
            Some(Flaw::SignedTooEarly) => Moment::of_date(signer_start).plus_days(-30),
            _ => Moment::of_date(holder.issued),
        };
        let signing_key = if self.is(Flaw::WrongSigner) { &other.key } else { &signer_key };
        let signed_at = self.signing_time.then_some(signed_at);
        let cms = signed_data(oid::LDS_SECURITY_OBJECT, &object, signing_key, &signer, signed_at);
        let mut sod = der::tlv(0x77, &cms);

        self.damage(&mut files, &mut sod);
        let numbers: Vec<u8> = files.iter().map(|(number, _)| *number).collect();
        let mut out = ForgedCard {
            files: vec![("EF_COM.bin".to_owned(), com(&numbers)), ("EF_SOD.bin".to_owned(), sod)],
            csca: csca.der().to_vec(),
            revocation_list: None,
            active: self.active.map(|kind| TestKey::new(&self.seed, "chip", kind)),
        };
        for (number, bytes) in files {
            let twice = number == 2 && self.is(Flaw::PhotoTwice);
            let mut again = bytes.clone();
            out.files.push((format!("DG{number}.bin"), bytes));
            if twice {
                // The same bytes twice would disagree with nothing.
                if let Some(last) = again.last_mut() {
                    *last ^= 1;
                }
                out.files.push((format!("DG{number}_again.bin"), again));
            }
        }
        if self.is(Flaw::Revoked) {
            let made = Moment::of_date(holder.issued);
            out.revocation_list = Some(revocation_list(&authority, &[signer_serial], made, made.plus_days(36_500)));
        }
        Ok(out)
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// The holder with the dates the flaw asks for.
    fn dated_holder(&self) -> HolderDraft {
        let mut holder = self.holder.clone();
        match self.flaw {
            Some(Flaw::Expired) => {
                holder.issued = Date { year: 2012, month: 3, day: 15 };
                holder.expires = Date { year: 2022, month: 3, day: 15 };
            }
            // A signer of today, a day of issue far off: only the card's own date tells.
            Some(Flaw::NotYetValid) => holder.issued = Date { year: holder.issued.year + 9, ..holder.issued },
            _ => {}
        }
        holder
    }

    fn groups(&self, holder: &HolderDraft) -> Vec<(u8, Vec<u8>)> {
        let state = if self.is(Flaw::OtherCountry) { "LAO" } else { "VNM" };
        let photo: &[u8] = if self.is(Flaw::EmptyPhoto) { b"not a picture" } else { &self.photo };
        let mut out = vec![(1, dg1(holder, state))];
        if !self.is(Flaw::NoPhoto) {
            out.push((2, dg2(photo, self.encoding)));
        }
        if self.dg13 {
            out.push((13, dg13(holder, self.dg13_number.as_ref().unwrap_or(&holder.number))));
        }
        if let Some(kind) = self.active {
            let key = TestKey::new(&self.seed, "chip", kind);
            out.push((15, der::tlv(0x6F, &TestKey::encode(key.spki()))));
        }
        out
    }

    fn damage(&self, files: &mut [(u8, Vec<u8>)], sod: &mut Vec<u8>) {
        let group = |files: &mut [(u8, Vec<u8>)], number: u8, change: &dyn Fn(&mut Vec<u8>)| {
            if let Some((_, bytes)) = files.iter_mut().find(|(found, _)| *found == number) {
                change(bytes);
            }
        };
        match self.flaw {
            // In the header before the picture, which stays readable: that it is
            // altered shows in its hash alone.
            Some(Flaw::AlteredPhoto) => group(files, 2, &|bytes| {
                let version = der::tlv(0x87, &TEMPLATE_VERSION);
                if let Some(at) = bytes.windows(version.len()).position(|window| window == version) {
                    bytes[at + version.len() - 1] ^= 1;
                }
            }),
            Some(Flaw::AlteredName) => group(files, 1, &|bytes| {
                let at = bytes.len() - 30;
                bytes[at] = if bytes[at] == b'X' { b'Y' } else { b'X' };
            }),
            Some(Flaw::SodCut) => sod.truncate(sod.len() * 2 / 3),
            _ => {}
        }
    }
}

/// A test card that was made.
#[derive(Clone)]
pub struct ForgedCard {
    /// Name and bytes of the chip's files.
    pub files: Vec<(String, Vec<u8>)>,
    /// Certificate of the test authority, DER: trust it in tests only.
    pub csca: Vec<u8>,
    /// The authority's revocation list, where the flaw asks for one.
    pub revocation_list: Option<Vec<u8>>,
    active: Option<TestKey>,
}

impl ForgedCard {
    /// What this chip answers to a challenge, where it can.
    pub fn answer(&self, challenge: &[u8]) -> Option<Vec<u8>> {
        self.active.as_ref().map(|key| key.answer(challenge))
    }

    /// Writes the chip's files into `folder` and what the operator would
    /// install into `folder/csca`.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let anchors = folder.join("csca");
        std::fs::create_dir_all(&anchors)?;
        for (name, bytes) in &self.files {
            std::fs::write(folder.join(name), bytes)?;
        }
        std::fs::write(anchors.join("test_csca.cer"), &self.csca)?;
        if let Some(list) = &self.revocation_list {
            std::fs::write(anchors.join("test_csca.crl"), list)?;
        }
        Ok(())
    }
}

fn com(groups: &[u8]) -> Vec<u8> {
    const TAGS: [u8; 16] =
        [0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70];
    let tags: Vec<u8> = groups.iter().filter_map(|&number| TAGS.get(usize::from(number) - 1).copied()).collect();
    der::wrap(0x60, &[&der::tlv(0x5F01, b"0107"), &der::tlv(0x5F36, b"040000"), &der::tlv(0x5C, &tags)])
}

fn security_object(hash: Hash, groups: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = groups
        .iter()
        .map(|(number, digest)| der::sequence(&[&der::integer(&[*number]), &der::octets(digest)]))
        .collect();
    der::sequence(&[&der::integer(&[0]), &der::sequence(&[&der::oid(hash.oid())]), &der::tlv(0x30, &entries.concat())])
}

/// A TD1 zone in the manner of Vietnam's card.
fn dg1(holder: &HolderDraft, state: &str) -> Vec<u8> {
    let pad = |text: &str, length: usize| {
        let mut field: Vec<u8> = text.bytes().map(|byte| if byte == b' ' { b'<' } else { byte }).collect();
        field.resize(length, b'<');
        field
    };
    let short = |date: Date| format!("{:02}{:02}{:02}", date.year % 100, date.month, date.day);
    let checked = |field: Vec<u8>| {
        let digit = check_digit(&field);
        [field, vec![digit]].concat()
    };
    // The document number is the last nine digits of the citizen's.
    let tail = holder.number.get(holder.number.len().saturating_sub(9)..).unwrap_or(&holder.number);
    let mut first = pad(&format!("ID{state}"), 5);
    first.extend(checked(pad(tail, 9)));
    first.extend(pad(&format!("{}  ", holder.number), 14));
    let own_check = check_digit(holder.number.as_bytes());
    first.push(own_check);
    let mut second = checked(pad(&short(holder.birth), 6));
    second.push(if holder.female { b'F' } else { b'M' });
    second.extend(checked(pad(&short(holder.expires), 6)));
    second.extend(pad(state, 3));
    second.extend(pad("", 11));
    let composite = [&first[5..30], &second[..7], &second[8..15], &second[18..29]].concat();
    second.push(check_digit(&composite));
    let name = pad(&format!("{}  {}", holder.surname_plain, holder.given_plain), 30);
    der::tlv(0x61, &der::tlv(0x5F1F, &[first, second, name].concat()))
}

/// DG2 around one picture.
fn dg2(photo: &[u8], encoding: FaceEncoding) -> Vec<u8> {
    let format = picture_format(photo);
    let jpeg2000 = matches!(format, Some(Format::Jp2 | Format::J2k));
    let (tag, record, kind) = match encoding {
        FaceEncoding::Iso19794 => {
            let image_length = 20 + 12 + photo.len();
            let mut record = b"FAC\x00010\x00".to_vec();
            record.extend(((14 + image_length) as u32).to_be_bytes());
            record.extend(1u16.to_be_bytes());
            record.extend((image_length as u32).to_be_bytes());
            record.extend([0; 16]);
            // Full frontal; JPEG or JPEG 2000; the size is left to the picture.
            record.extend([0x01, u8::from(jpeg2000)]);
            record.extend([0; 10]);
            record.extend(photo);
            (0x5F2E, record, 8u8)
        }
        FaceEncoding::Iso39794 => {
            let code = if jpeg2000 { 4 } else { 2 };
            let information = der::tlv(0xA1, &der::tlv(0xA0, &der::tlv(0x80, &[code])));
            let flat = der::wrap(0xA0, &[&der::tlv(0x80, photo), &information]);
            let image = der::tlv(0xA1, &der::tlv(0xA0, &flat));
            let representation = der::sequence(&[&der::tlv(0x80, &[0]), &image]);
            let version = der::wrap(0xA0, &[&der::tlv(0x80, &[3]), &der::tlv(0x81, &2019u16.to_be_bytes())]);
            let block = der::wrap(0x65, &[&version, &der::tlv(0xA1, &representation)]);
            (0x7F2E, der::tlv(0xA1, &block), 42u8)
        }
    };
    let header = der::wrap(0xA1, &[&der::tlv(0x87, &TEMPLATE_VERSION), &der::tlv(0x88, &[0x00, kind])]);
    let template = der::wrap(0x7F60, &[&header, &der::tlv(tag, &record)]);
    der::tlv(0x75, &der::wrap(0x7F61, &[&der::integer(&[1]), &template]))
}

fn dg13(holder: &HolderDraft, number: &str) -> Vec<u8> {
    let long = |date: Date| format!("{:02}/{:02}/{:04}", date.day, date.month, date.year);
    let one = |id: u8, text: &str| (id, vec![text.to_owned()]);
    Dg13::encode(&[
        one(0x01, number),
        one(0x02, &holder.name),
        one(0x03, &long(holder.birth)),
        one(0x04, if holder.female { "Nữ" } else { "Nam" }),
        one(0x05, "Việt Nam"),
        one(0x06, "Thử"),
        one(0x07, "Không"),
        one(0x08, "Xã Thử, Huyện Nghiệm"),
        one(0x09, "Xã Thử, Huyện Nghiệm"),
        one(0x0A, "Thẻ thử nghiệm"),
        one(0x0B, &long(holder.issued)),
        one(0x0C, &long(holder.expires)),
        (0x0D, vec!["CHA THỬ".to_owned(), "MẸ THỬ".to_owned()]),
    ])
}
