//! Why a decision came out as it did: a stable code, the evidence it is about,
//! and the fact in English and Vietnamese. One table; codes never change their
//! meaning. What to do is no part of the fact: it comes from what the policy makes of
//! it and from the outcome ([`super::sentences`]).

use serde::{Deserialize, Serialize};

use crate::chip::{Reason, reason::Effect};

/// A kind of evidence that a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The chip's files are genuine.
    Chip,
    /// The chip's number is the claimed one.
    Number,
    /// The chip's name is the record's.
    Name,
    /// The chip's date of birth is the record's, as far as the record knows it.
    BirthDate,
    /// The chip's sex is the record's.
    Sex,
    /// The enrolled record draws from the scheme asked for.
    Scheme,
    /// The captures are good enough to be compared.
    Quality,
    /// The captures are of a person present.
    Liveness,
    /// The captures show the person in the chip's photo.
    ChipFace,
    /// The captures show the person enrolled under the claimed record.
    ReferenceFace,
    /// Nobody else in the gallery has this face.
    Duplicates,
    /// What was tried before: earlier attempts, and captures that took part in other transactions.
    History,
}

impl EvidenceKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Chip,
        Self::Number,
        Self::Name,
        Self::BirthDate,
        Self::Sex,
        Self::Scheme,
        Self::Quality,
        Self::Liveness,
        Self::ChipFace,
        Self::ReferenceFace,
        Self::Duplicates,
        Self::History,
    ];

    /// Its name in configuration and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chip => "chip",
            Self::Number => "number",
            Self::Name => "name",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::Scheme => "scheme",
            Self::Quality => "quality",
            Self::Liveness => "liveness",
            Self::ChipFace => "chip_face",
            Self::ReferenceFace => "reference_face",
            Self::Duplicates => "duplicates",
            Self::History => "history",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|piece| piece.name() == name)
    }

    /// The ground for its not being there.
    pub fn missing(self) -> ReasonCode {
        match self {
            Self::Chip => ReasonCode::ChipMissing,
            Self::Number => ReasonCode::NumberMissing,
            Self::Name => ReasonCode::NameMissing,
            Self::BirthDate => ReasonCode::BirthDateMissing,
            Self::Sex => ReasonCode::SexMissing,
            Self::Scheme => ReasonCode::SchemeMissing,
            Self::Quality => ReasonCode::QualityMissing,
            Self::Liveness => ReasonCode::LivenessMissing,
            Self::ChipFace => ReasonCode::ChipFaceMissing,
            Self::ReferenceFace => ReasonCode::ReferenceFaceMissing,
            Self::Duplicates => ReasonCode::DuplicatesMissing,
            Self::History => ReasonCode::HistoryMissing,
        }
    }

    /// Whether it comes out of the chip, and so cannot be had without one.
    pub fn is_of_chip(self) -> bool {
        matches!(self, Self::Chip | Self::Number | Self::Name | Self::BirthDate | Self::Sex | Self::ChipFace)
    }
}

code_table! {
    /// Something that speaks against an approval. Where two weigh the same, the one that
    /// stands first here comes first: what is shown to be wrong before what could not be
    /// shown, and that before what is not there.
    ReasonCode, piece: EvidenceKind
    /// The evidence it is about.
    ;

    // What is shown to be wrong with the card.
    /// A hash or signature of the chip is wrong.
    ChipAltered, "CHIP_ALTERED", Chip,
        "The chip's data is not what its issuer signed.",
        "Dữ liệu của chip không đúng với bản cơ quan cấp đã ký.";
    /// Who signed the chip is not to be trusted.
    ChipUntrusted, "CHIP_UNTRUSTED", Chip,
        "The certificate that signed the chip, or one that leads to it, is not to be trusted.",
        "Chứng thư đã ký chip, hoặc chứng thư dẫn đến nó, không đáng tin cậy.";
    /// The chip's answer in Active Authentication is not the original's, whoever signed it.
    /// Stands for CHIP_UNTRUSTED.
    ChipNotOriginal, "CHIP_NOT_ORIGINAL", Chip,
        "The chip's answer is not that of the original chip; a copy of its files would answer so.",
        "Câu trả lời của chip không phải của chip gốc; một bản sao các tệp sẽ trả lời như vậy.";
    /// The card names another country than its signature. Stands for CHIP_UNTRUSTED.
    ChipCountryDiffers, "CHIP_COUNTRY_DIFFERS", Chip,
        "The card names one country, and its signature is of another.",
        "Thẻ ghi một nước, nhưng chữ ký trên chip thuộc nước khác.";

    // What is shown to be wrong with the claim.
    /// Not the person in the chip's photo.
    ChipFaceDiffers, "CHIP_FACE_DIFFERS", ChipFace,
        "The face does not match the photo in the chip.",
        "Khuôn mặt không khớp với ảnh trong chip.";
    /// The chip is of another number.
    NumberDiffers, "NUMBER_DIFFERS", Number,
        "The card's number is not that of the claimed record.",
        "Số định danh trên thẻ không phải số của hồ sơ này.";
    /// Not the person enrolled.
    ReferenceFaceDiffers, "REFERENCE_FACE_DIFFERS", ReferenceFace,
        "The face does not match the photo enrolled in the record.",
        "Khuôn mặt không khớp với ảnh đã đăng ký trong hồ sơ.";
    /// The enrolled templates are of two people.
    RecordDisagrees, "RECORD_DISAGREES", ReferenceFace,
        "The photos enrolled in the record do not show one and the same person.",
        "Các ảnh đã đăng ký trong hồ sơ không phải của cùng một người.";
    /// Another record has the same face.
    DuplicateFace, "DUPLICATE_FACE", Duplicates,
        "The same face is on another record.",
        "Khuôn mặt này có ở hồ sơ khác.";
    /// More attempts about the record in a day than the policy allows.
    AttemptsMany, "ATTEMPTS_MANY", History,
        "This record was tried more often in one day than is allowed.",
        "Hồ sơ này đã được thử trong một ngày nhiều lần hơn mức cho phép.";
    /// The chip's photo was captured, or sent, in place of a person.
    CaptureIsChipPhoto, "CAPTURE_IS_CHIP_PHOTO", Liveness,
        "A capture is the photo in the chip itself, not a picture taken now.",
        "Có ảnh chụp chính là ảnh trong chip, không phải ảnh vừa chụp.";
    /// An enrolled photo was captured, or sent, in place of a person.
    CaptureIsEnrolledPhoto, "CAPTURE_IS_ENROLLED_PHOTO", Liveness,
        "A capture is a photo enrolled in the record, not a picture taken now.",
        "Có ảnh chụp chính là ảnh đã đăng ký trong hồ sơ, không phải ảnh vừa chụp.";
    /// A capture took part in another transaction.
    CaptureSeenBefore, "CAPTURE_SEEN_BEFORE", History,
        "A capture was used before, in another transaction.",
        "Có ảnh chụp đã được dùng trước đó trong một giao dịch khác.";
    /// One picture sent as several captures.
    FramesRepeated, "FRAMES_REPEATED", Liveness,
        "The captures hold the same picture more than once; it counts once.",
        "Có ảnh chụp được gửi nhiều lần; chỉ tính là một ảnh.";
    /// Captures between which nothing moves.
    FramesStill, "FRAMES_STILL", Liveness,
        "The face does not move between the captures; they count as one.",
        "Khuôn mặt không hề chuyển động giữa các ảnh chụp; chỉ tính là một ảnh.";
    /// Looks like a picture of a person.
    LivenessLow, "LIVENESS_LOW", Liveness,
        "The captures look like a picture or a screen.",
        "Ảnh chụp có vẻ là ảnh in hoặc màn hình.";
    /// Two parts of the chip give different numbers.
    ChipNumbersDisagree, "CHIP_NUMBERS_DISAGREE", Number,
        "Two parts of the card give different numbers.",
        "Hai phần của thẻ cho hai số khác nhau.";
    /// The chip is of another name.
    NameDiffers, "NAME_DIFFERS", Name,
        "The name on the card is not that in the record.",
        "Họ tên trên thẻ không khớp với hồ sơ.";
    /// The chip is of another date of birth.
    BirthDateDiffers, "BIRTH_DATE_DIFFERS", BirthDate,
        "The date of birth on the card is not that in the record.",
        "Ngày sinh trên thẻ không khớp với hồ sơ.";
    /// The chip is of another sex.
    SexDiffers, "SEX_DIFFERS", Sex,
        "The sex on the card is not that in the record.",
        "Giới tính trên thẻ không khớp với hồ sơ.";
    /// The enrolled record draws from other schemes alone.
    SchemeNotInRecord, "SCHEME_NOT_IN_RECORD", Scheme,
        "The record is not enrolled for this scheme.",
        "Hồ sơ chưa được đăng ký hưởng chế độ này.";
    /// The record is restricted, or its erasure was asked for: no decision about it approves by
    /// itself, and none is denied for it.
    RecordRestricted, "RECORD_RESTRICTED", ReferenceFace,
        "The record is restricted; it is not decided by machine.",
        "Hồ sơ đang được hạn chế xử lý; hệ thống không tự quyết định.";

    // What could not be had of the chip, or not be shown of it.
    /// The chip could not be read as a whole.
    ChipUnreadable, "CHIP_UNREADABLE", Chip,
        "The chip could not be read and checked completely.",
        "Chưa đọc và kiểm tra được đầy đủ dữ liệu của chip.";
    /// Files that the chip's signed list names did not come, and something needed is in them.
    ChipIncomplete, "CHIP_INCOMPLETE", Chip,
        "Only a part of the chip's signed data was read.",
        "Mới chỉ đọc được một phần dữ liệu đã ký của chip.";
    /// No chip files came.
    ChipMissing, "CHIP_MISSING", Chip,
        "The card's chip was not read.",
        "Chưa đọc chip của thẻ.";
    /// The card is out of its own validity.
    ChipLapsed, "CHIP_LAPSED", Chip,
        "The card has expired.",
        "Thẻ đã hết hạn.";
    /// The card's day of issue is yet to come. Stands for CHIP_LAPSED.
    ChipNotYetValid, "CHIP_NOT_YET_VALID", Chip,
        "By this machine's clock the card's day of issue is in the future.",
        "Theo đồng hồ của máy này, ngày cấp của thẻ chưa đến.";
    /// The validity of the certificate that signed the card is yet to begin. Stands for
    /// CHIP_LAPSED.
    ChipSignerNotYetValid, "CHIP_SIGNER_NOT_YET_VALID", Chip,
        "By this machine's clock the certificate that signed the card is not valid yet.",
        "Theo đồng hồ của máy này, chứng thư đã ký thẻ chưa có hiệu lực.";
    /// Consistent, but no authority's certificate vouches for it.
    ChipUnanchored, "CHIP_UNANCHORED", Chip,
        "The chip is consistent, but no authority's certificate is installed that vouches for it.",
        "Dữ liệu chip nhất quán, nhưng chưa cài chứng thư gốc để xác nhận.";
    /// SHA-1 or a short RSA key stands behind it.
    ChipWeak, "CHIP_WEAK", Chip,
        "The card is protected by cryptography that is considered weak today.",
        "Thẻ được bảo vệ bằng mật mã nay bị coi là yếu.";
    /// The challenge that the chip answered was not issued by this server for this transaction and
    /// caller, or its time was over, or a decision had used it.
    ChallengeNotIssued, "CHALLENGE_NOT_ISSUED", Chip,
        "The chip answered no open challenge of this server for this transaction; a recorded answer looks the same.",
        "Chip không trả lời mã thách thức còn hiệu lực của máy chủ cho giao dịch này; câu trả lời thu sẵn cũng như vậy.";
    /// The chip did not show that it is the original.
    ChipNotProven, "CHIP_NOT_PROVEN", Chip,
        "It was not shown that the original chip was present; a copy of its files would look the same.",
        "Chưa chứng minh được chip gốc có mặt; một bản sao các tệp cũng cho kết quả như vậy.";

    // What is written so that it could not be compared.
    /// The record's number cannot be compared.
    NumberUnreadable, "NUMBER_UNREADABLE", Number,
        "The number in the record is not written as that of a card, so it could not be compared.",
        "Không đối chiếu được số định danh: số ghi trong hồ sơ không đọc được như số thẻ.";
    /// The chip's number cannot be compared. Stands for NUMBER_UNREADABLE.
    ChipNumberUnreadable, "CHIP_NUMBER_UNREADABLE", Number,
        "The number on the card is not written as that of a citizen, so it could not be compared.",
        "Không đối chiếu được số định danh: số trên thẻ không đọc được như số định danh.";
    /// The record's name cannot be read as a name.
    NameUnreadable, "NAME_UNREADABLE", Name,
        "The name in the record is not written in letters that can be read, so it could not be compared.",
        "Không đối chiếu được họ tên: họ tên ghi trong hồ sơ bị lỗi chữ, không đọc được.";
    /// The chip's name cannot be read as a name. Stands for NAME_UNREADABLE.
    ChipNameUnreadable, "CHIP_NAME_UNREADABLE", Name,
        "The name on the card is not written in letters that can be read, so it could not be compared.",
        "Không đối chiếu được họ tên: họ tên trên thẻ bị lỗi chữ, không đọc được.";
    /// The record's date of birth cannot be read as a date.
    BirthDateUnreadable, "BIRTH_DATE_UNREADABLE", BirthDate,
        "The date of birth in the record is not written as a date, so it could not be compared.",
        "Không đối chiếu được ngày sinh: ngày sinh ghi trong hồ sơ không đọc được.";
    /// The chip's date of birth cannot be read as a date. Stands for BIRTH_DATE_MISSING.
    ChipBirthDateUnreadable, "CHIP_BIRTH_DATE_UNREADABLE", BirthDate,
        "The date of birth on the card is not written as a date, so it could not be compared.",
        "Không đối chiếu được ngày sinh: ngày sinh trên thẻ không đọc được.";

    // What could not be shown of the captures.
    /// Liveness is low, and the faces fill the pictures, which then says little. Stands for
    /// LIVENESS_LOW.
    FaceTooClose, "FACE_TOO_CLOSE", Liveness,
        "The face fills the picture, so liveness cannot be judged.",
        "Khuôn mặt chiếm gần hết ảnh nên chưa xác định được người thật.";
    /// Too poor to be compared safely.
    QualityPoor, "QUALITY_POOR", Quality,
        "The captures are too poor.",
        "Ảnh chụp chưa đạt chất lượng.";
    /// Like the chip's photo, but not enough.
    ChipFaceUnsure, "CHIP_FACE_UNSURE", ChipFace,
        "It is not certain enough that the face matches the photo in the chip.",
        "Chưa đủ chắc chắn khuôn mặt này khớp với ảnh trong chip.";
    /// Like the enrolled reference, but not enough.
    ReferenceFaceUnsure, "REFERENCE_FACE_UNSURE", ReferenceFace,
        "It is not certain enough that the face matches the photo enrolled in the record.",
        "Chưa đủ chắc chắn khuôn mặt này khớp với ảnh đã đăng ký trong hồ sơ.";

    // Evidence that is not there. Refers, unless the policy does without it.
    /// There is no photo of the chip to compare with: as a cause, because the chip that was
    /// read has none that can be compared.
    ChipFaceMissing, "CHIP_FACE_MISSING", ChipFace,
        "The chip has no photo that can be compared.",
        "Trong chip không có ảnh dùng để so sánh được.";
    /// Nobody is enrolled under the claimed record.
    ReferenceFaceMissing, "REFERENCE_FACE_MISSING", ReferenceFace,
        "Nobody has been enrolled under this record yet.",
        "Hồ sơ này chưa có ảnh đăng ký.";
    /// The chip or the record gives no number.
    NumberMissing, "NUMBER_MISSING", Number,
        "The number on the card could not be compared with the record.",
        "Không đối chiếu được số định danh trên thẻ với hồ sơ.";
    /// The chip or the record gives no name.
    NameMissing, "NAME_MISSING", Name,
        "The name on the card could not be compared with the record.",
        "Không đối chiếu được họ tên trên thẻ với hồ sơ.";
    /// The chip or the record gives no date of birth.
    BirthDateMissing, "BIRTH_DATE_MISSING", BirthDate,
        "The date of birth on the card could not be compared with the record.",
        "Không đối chiếu được ngày sinh trên thẻ với hồ sơ.";
    /// The chip or the record gives no sex.
    SexMissing, "SEX_MISSING", Sex,
        "The sex on the card could not be compared with the record.",
        "Không đối chiếu được giới tính trên thẻ với hồ sơ.";
    /// The enrolled record names no scheme, and was never verified for this one.
    SchemeMissing, "SCHEME_MISSING", Scheme,
        "The record names no scheme.",
        "Hồ sơ chưa ghi chế độ nào.";
    /// Liveness was not measured.
    LivenessMissing, "LIVENESS_MISSING", Liveness,
        "It was not measured whether a living person was captured.",
        "Chưa xác định được ảnh chụp có phải của người thật trước máy ảnh hay không.";
    /// Quality was not measured.
    QualityMissing, "QUALITY_MISSING", Quality,
        "The quality of the captures was not measured.",
        "Chưa đo được chất lượng ảnh chụp.";
    /// The gallery was not searched.
    DuplicatesMissing, "DUPLICATES_MISSING", Duplicates,
        "It was not searched whether this face is on another record.",
        "Chưa tìm xem khuôn mặt này có ở hồ sơ khác hay không.";
    /// Nobody looked at what was tried before.
    HistoryMissing, "HISTORY_MISSING", History,
        "Earlier attempts were not looked at.",
        "Chưa xem xét các lần thử trước đó.";
}

impl ReasonCode {
    /// The ground whose key of a policy governs this one: itself, but for those that were
    /// split from another so that what is said of them is true. They have no key of their
    /// own, and a policy that was written before them means what it meant.
    pub fn governed_by(self) -> Self {
        match self {
            Self::ChipNotOriginal | Self::ChipCountryDiffers => Self::ChipUntrusted,
            Self::ChipNotYetValid | Self::ChipSignerNotYetValid => Self::ChipLapsed,
            Self::ChipNumberUnreadable => Self::NumberUnreadable,
            Self::ChipNameUnreadable => Self::NameUnreadable,
            // It was taken for one that the chip does not give.
            Self::ChipBirthDateUnreadable => Self::BirthDateMissing,
            Self::FaceTooClose => Self::LivenessLow,
            itself => itself,
        }
    }

    /// What a finding of the chip check comes to, where it comes to anything.
    pub(super) fn of_finding(reason: Reason) -> Option<Self> {
        Some(match (reason, reason.effect()) {
            (Reason::ActiveAuthenticationFailed, _) => Self::ChipNotOriginal,
            (Reason::CountryMismatch, _) => Self::ChipCountryDiffers,
            (Reason::CardNotYetValid, _) => Self::ChipNotYetValid,
            (Reason::SignerNotYetValid, _) => Self::ChipSignerNotYetValid,
            (Reason::WeakHash | Reason::WeakKey, _) => Self::ChipWeak,
            (Reason::NoGroupChecked | Reason::PhotoAbsent, _) => Self::ChipIncomplete,
            (Reason::PhotoNotListed, _) => Self::ChipFaceMissing,
            (Reason::NumbersDisagree, _) => Self::ChipNumbersDisagree,
            (Reason::ActiveAuthenticationAbsent | Reason::ActiveAuthenticationUnproven, _) => Self::ChipNotProven,
            (_, Effect::Altered) => Self::ChipAltered,
            (_, Effect::Untrusted) => Self::ChipUntrusted,
            (_, Effect::Unreadable) => Self::ChipUnreadable,
            (_, Effect::Unanchored) => Self::ChipUnanchored,
            (_, Effect::Lapsed) => Self::ChipLapsed,
            (_, Effect::Note) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_table::check_table;

    #[test]
    fn every_ground_has_its_own_code_and_a_sentence_in_both_languages() {
        check_table(ReasonCode::ALL, |ground| (ground.code(), ground.en(), ground.vi()), ReasonCode::from_code);
    }

    #[test]
    fn every_piece_of_evidence_can_be_missing_and_says_so_about_itself() {
        for piece in EvidenceKind::ALL {
            assert_eq!(piece.missing().piece(), piece);
            assert!(piece.missing().code().ends_with("_MISSING"));
            assert_eq!(EvidenceKind::from_name(piece.name()), Some(piece));
            assert_eq!(serde_json::to_value(piece).unwrap(), piece.name());
        }
    }
}
