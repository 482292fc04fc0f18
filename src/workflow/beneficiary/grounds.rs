//! Why a decision came out as it did: a stable code, the evidence it is about,
//! and what to do next in English and Vietnamese. One table; codes never change
//! their meaning.

use serde::{Deserialize, Serialize};

use crate::gallery::Outcome;

/// A piece of evidence a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
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
}

impl Piece {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Chip,
        Self::Number,
        Self::Name,
        Self::BirthDate,
        Self::Sex,
        Self::Quality,
        Self::Liveness,
        Self::ChipFace,
        Self::ReferenceFace,
        Self::Duplicates,
    ];

    /// Its name in configuration and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chip => "chip",
            Self::Number => "number",
            Self::Name => "name",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::Quality => "quality",
            Self::Liveness => "liveness",
            Self::ChipFace => "chip_face",
            Self::ReferenceFace => "reference_face",
            Self::Duplicates => "duplicates",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|piece| piece.name() == name)
    }

    /// The ground for its not being there.
    pub fn missing(self) -> Ground {
        match self {
            Self::Chip => Ground::ChipMissing,
            Self::Number => Ground::NumberMissing,
            Self::Name => Ground::NameMissing,
            Self::BirthDate => Ground::BirthDateMissing,
            Self::Sex => Ground::SexMissing,
            Self::Quality => Ground::QualityMissing,
            Self::Liveness => Ground::LivenessMissing,
            Self::ChipFace => Ground::ChipFaceMissing,
            Self::ReferenceFace => Ground::ReferenceFaceMissing,
            Self::Duplicates => Ground::DuplicatesMissing,
        }
    }

    /// Whether it comes out of the chip, and so cannot be had without one.
    pub fn is_of_chip(self) -> bool {
        matches!(self, Self::Chip | Self::Number | Self::Name | Self::BirthDate | Self::Sex | Self::ChipFace)
    }
}

words! {
    /// Something that speaks against an approval.
    Ground, piece: Piece
    /// The evidence it is about.
    ;

    // Evidence that is not there. Refers, unless the policy does without it.
    /// No chip files came.
    ChipMissing, "CHIP_MISSING", Chip,
        "The card's chip was not read. Read it, or refer the case.",
        "Chưa đọc chip của thẻ. Hãy đọc chip hoặc chuyển người có thẩm quyền.";
    /// The chip or the record gives no number.
    NumberMissing, "NUMBER_MISSING", Number,
        "The number on the card could not be compared with the record. Refer the case.",
        "Không so được số trên thẻ với hồ sơ. Hãy chuyển người có thẩm quyền.";
    /// The chip or the record gives no name.
    NameMissing, "NAME_MISSING", Name,
        "The name on the card could not be compared with the record. Refer the case.",
        "Không so được họ tên trên thẻ với hồ sơ. Hãy chuyển người có thẩm quyền.";
    /// The chip or the record gives no date of birth.
    BirthDateMissing, "BIRTH_DATE_MISSING", BirthDate,
        "The date of birth on the card could not be compared with the record. Refer the case.",
        "Không so được ngày sinh trên thẻ với hồ sơ. Hãy chuyển người có thẩm quyền.";
    /// The chip or the record gives no sex.
    SexMissing, "SEX_MISSING", Sex,
        "The sex on the card could not be compared with the record. Refer the case.",
        "Không so được giới tính trên thẻ với hồ sơ. Hãy chuyển người có thẩm quyền.";
    /// Quality was not measured.
    QualityMissing, "QUALITY_MISSING", Quality,
        "The quality of the captures was not measured. Refer the case, and tell the operator.",
        "Chưa đo được chất lượng ảnh chụp. Hãy chuyển người có thẩm quyền và báo người vận hành.";
    /// Liveness was not measured.
    LivenessMissing, "LIVENESS_MISSING", Liveness,
        "It was not measured whether a living person was captured. Refer the case, and tell the operator.",
        "Chưa đo được ảnh chụp có phải người thật không. Hãy chuyển người có thẩm quyền và báo người vận hành.";
    /// The chip has no photo that can be compared.
    ChipFaceMissing, "CHIP_FACE_MISSING", ChipFace,
        "The chip has no photo that can be compared. Read the chip again; if it stays so, refer the case.",
        "Chip không có ảnh dùng để so sánh được. Hãy đọc lại chip; nếu vẫn vậy, hãy chuyển người có thẩm quyền.";
    /// Nobody is enrolled under the claimed record.
    ReferenceFaceMissing, "REFERENCE_FACE_MISSING", ReferenceFace,
        "Nobody has been enrolled under this record yet. Refer the case.",
        "Hồ sơ này chưa có ảnh đăng ký. Hãy chuyển người có thẩm quyền.";
    /// The gallery was not searched.
    DuplicatesMissing, "DUPLICATES_MISSING", Duplicates,
        "It was not searched whether this face is on another record. Refer the case.",
        "Chưa tìm xem khuôn mặt này có ở hồ sơ khác không. Hãy chuyển người có thẩm quyền.";

    // What the chip check found.
    /// A hash or signature of the chip is wrong.
    ChipAltered, "CHIP_ALTERED", Chip,
        "The chip's data is not what its issuer signed. Do not accept this card.",
        "Dữ liệu của chip không đúng với bản cơ quan cấp đã ký. Không chấp nhận thẻ này.";
    /// Who signed the chip is not to be trusted.
    ChipUntrusted, "CHIP_UNTRUSTED", Chip,
        "The chip was signed by somebody who is not to be trusted. Do not accept this card.",
        "Chip do đơn vị không đáng tin ký. Không chấp nhận thẻ này.";
    /// The card is out of its own validity.
    ChipLapsed, "CHIP_LAPSED", Chip,
        "The card has expired or is not valid yet. Ask for a valid one, or refer the case.",
        "Thẻ đã hết hạn hoặc chưa có hiệu lực. Hãy yêu cầu thẻ còn hạn hoặc chuyển người có thẩm quyền.";
    /// The chip could not be read as a whole.
    ChipUnreadable, "CHIP_UNREADABLE", Chip,
        "The chip could not be read completely. Read it again; if it stays so, refer the case.",
        "Không đọc được đầy đủ chip. Hãy đọc lại; nếu vẫn vậy, hãy chuyển người có thẩm quyền.";
    /// Consistent, but no authority's certificate vouches for it.
    ChipUnanchored, "CHIP_UNANCHORED", Chip,
        "The chip is consistent, but no authority's certificate is installed that vouches for it.",
        "Dữ liệu chip nhất quán, nhưng chưa cài chứng thư gốc để xác nhận.";
    /// SHA-1 or a short RSA key stands behind it.
    ChipWeak, "CHIP_WEAK", Chip,
        "The card is protected by cryptography that is considered weak today.",
        "Thẻ được bảo vệ bằng mật mã nay bị coi là yếu.";
    /// The chip did not show that it is the original.
    ChipNotProven, "CHIP_NOT_PROVEN", Chip,
        "It was not shown that the original chip was present; a copy of its files would look the same.",
        "Chưa chứng minh được chip gốc có mặt; một bản sao các tệp cũng cho kết quả như vậy.";
    /// Two parts of the chip give different numbers.
    ChipNumbersDisagree, "CHIP_NUMBERS_DISAGREE", Number,
        "Two parts of the card give different numbers. Refer the case.",
        "Hai phần của thẻ cho số khác nhau. Hãy chuyển người có thẩm quyền.";

    // What the chip says against what the record says.
    /// The chip is of another number.
    NumberDiffers, "NUMBER_DIFFERS", Number,
        "The card's number is not that of the claimed record. Check that the right record is open.",
        "Số trên thẻ không phải số của hồ sơ. Hãy kiểm tra đã mở đúng hồ sơ.";
    /// The chip is of another name.
    NameDiffers, "NAME_DIFFERS", Name,
        "The name on the card is not that in the record. Compare them and refer the case.",
        "Họ tên trên thẻ không khớp với hồ sơ. Hãy đối chiếu và chuyển người có thẩm quyền.";
    /// The chip is of another date of birth.
    BirthDateDiffers, "BIRTH_DATE_DIFFERS", BirthDate,
        "The date of birth on the card is not that in the record. Compare them and refer the case.",
        "Ngày sinh trên thẻ không khớp với hồ sơ. Hãy đối chiếu và chuyển người có thẩm quyền.";
    /// The chip is of another sex.
    SexDiffers, "SEX_DIFFERS", Sex,
        "The sex on the card is not that in the record. Compare them and refer the case.",
        "Giới tính trên thẻ không khớp với hồ sơ. Hãy đối chiếu và chuyển người có thẩm quyền.";
    /// The record's number or the chip's cannot be compared.
    NumberUnreadable, "NUMBER_UNREADABLE", Number,
        "The number in the record cannot be read as that of a card. Refer the case.",
        "Không đối chiếu được số định danh: số trong hồ sơ không đọc được. Hãy chuyển hồ sơ cho người có thẩm quyền.";
    /// The record's name or the chip's cannot be read as a name.
    NameUnreadable, "NAME_UNREADABLE", Name,
        "The name in the record cannot be read. Refer the case.",
        "Không đối chiếu được họ tên: họ tên trong hồ sơ không đọc được. Hãy chuyển hồ sơ cho người có thẩm quyền.";
    /// The record's date of birth cannot be read as a date.
    BirthDateUnreadable, "BIRTH_DATE_UNREADABLE", BirthDate,
        "The date of birth in the record cannot be read. Refer the case.",
        "Không đối chiếu được ngày sinh: ngày sinh trong hồ sơ không đọc được. Hãy chuyển hồ sơ cho người có thẩm quyền.";

    // The captures.
    /// Too poor to be compared safely.
    QualityPoor, "QUALITY_POOR", Quality,
        "The captures are too poor. Take them again in even light, looking into the camera.",
        "Ảnh chụp chưa đạt. Hãy chụp lại ở nơi sáng đều, nhìn thẳng vào máy ảnh.";
    /// Looks like a picture of a person.
    LivenessLow, "LIVENESS_LOW", Liveness,
        "The captures look like a picture or a screen. See that the person stands before the camera and take them again.",
        "Ảnh chụp giống ảnh in hoặc màn hình. Hãy bảo đảm người thật đứng trước máy ảnh và chụp lại.";
    /// Like the chip's photo, but not enough.
    ChipFaceUnsure, "CHIP_FACE_UNSURE", ChipFace,
        "The face is not clearly that of the chip's photo. Take the captures again; if it stays so, refer the case.",
        "Chưa chắc khuôn mặt là người trong ảnh của chip. Hãy chụp lại; nếu vẫn vậy, hãy chuyển người có thẩm quyền.";
    /// Not the person in the chip's photo.
    ChipFaceDiffers, "CHIP_FACE_DIFFERS", ChipFace,
        "The face is not that of the chip's photo. Do not accept this claim.",
        "Khuôn mặt không phải người trong ảnh của chip. Không chấp nhận yêu cầu này.";
    /// Like the enrolled reference, but not enough.
    ReferenceFaceUnsure, "REFERENCE_FACE_UNSURE", ReferenceFace,
        "The face is not clearly the one enrolled under this record. Take the captures again; if it stays so, refer the case.",
        "Chưa chắc khuôn mặt là người đã đăng ký của hồ sơ. Hãy chụp lại; nếu vẫn vậy, hãy chuyển người có thẩm quyền.";
    /// Not the person enrolled.
    ReferenceFaceDiffers, "REFERENCE_FACE_DIFFERS", ReferenceFace,
        "The face is not the one enrolled under this record. Refer the case.",
        "Khuôn mặt không phải người đã đăng ký của hồ sơ. Hãy chuyển người có thẩm quyền.";
    /// Another record has the same face.
    DuplicateFace, "DUPLICATE_FACE", Duplicates,
        "The same face is on another record. Refer the case; the other record is named.",
        "Khuôn mặt này có ở hồ sơ khác. Hãy chuyển người có thẩm quyền; hồ sơ kia được nêu tên.";
}

/// The clerk's sentence for a decision as a whole, in English and Vietnamese.
pub fn sentence(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Approve => (
            "Approved: this is the person the card and the record belong to.",
            "Chấp thuận: đây đúng là người của thẻ và của hồ sơ.",
        ),
        Outcome::Refer => {
            ("Referred: a person in charge must look at this case.", "Chuyển xử lý: người có thẩm quyền cần xem xét.")
        }
        Outcome::Deny => ("Denied: do not pay or serve on this claim.", "Từ chối: không chi trả theo yêu cầu này."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::check_table;

    #[test]
    fn every_ground_has_its_own_code_and_a_sentence_in_both_languages() {
        check_table(Ground::ALL, |ground| (ground.code(), ground.en(), ground.vi()), Ground::from_code);
        for outcome in [Outcome::Approve, Outcome::Refer, Outcome::Deny] {
            let (en, vi) = sentence(outcome);
            assert!(en.is_ascii() && !vi.is_ascii() && en.ends_with('.') && vi.ends_with('.'));
        }
    }

    #[test]
    fn every_piece_of_evidence_can_be_missing_and_says_so_about_itself() {
        for piece in Piece::ALL {
            assert_eq!(piece.missing().piece(), piece);
            assert!(piece.missing().code().ends_with("_MISSING"));
            assert_eq!(Piece::from_name(piece.name()), Some(piece));
            assert_eq!(serde_json::to_value(piece).unwrap(), piece.name());
        }
    }
}
