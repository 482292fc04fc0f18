//! The reasons of chip findings in one table: a stable code, the effect on the verdict, and the
//! fact in Vietnamese and English. Codes never change their meaning. What to do about a finding is
//! not part of the fact: see [`Reason::advice`].

/// Effect of a finding on the verdict, in ascending order of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// None by itself; a policy may attach consequences.
    Note,
    /// The card is genuine but out of its own validity, or its signer's has not begun.
    /// AUTHENTIC becomes UNTRUSTED; any other verdict stands.
    Lapsed,
    /// Consistent, but no chain leads to an anchor.
    Unanchored,
    /// Something needed could not be read, so it could not be checked.
    Unreadable,
    /// The signer is not trustworthy, or the chip failed Active Authentication.
    Untrusted,
    /// A hash or a signature is wrong.
    Altered,
}

code_table! {
    /// Something a chip check found.
    Reason, effect: Effect
    /// What it does to the verdict.
    ;

    // Could not be read.
    /// No EF.SOD among the files.
    SodMissing, "SOD_MISSING", Unreadable,
        "The chip's security file (EF.SOD) is missing.",
        "Thiếu tệp bảo mật (EF.SOD) của chip.";
    /// EF.SOD is not a SignedData.
    SodUnreadable, "SOD_UNREADABLE", Unreadable,
        "The chip's security file (EF.SOD) is damaged.",
        "Tệp bảo mật (EF.SOD) của chip bị hỏng.";
    /// EF.SOD signs something that is not a list of data-group hashes.
    SodContentType, "SOD_CONTENT_TYPE", Unreadable,
        "The chip's security file does not hold a card's hashes.",
        "Tệp bảo mật của chip không chứa giá trị băm của thẻ.";
    /// The list of data-group hashes is broken.
    LdsObjectUnreadable, "LDS_OBJECT_UNREADABLE", Unreadable,
        "The list of hashes in the chip's security file is damaged.",
        "Danh sách giá trị băm trong tệp bảo mật của chip bị hỏng.";
    /// A hash function that is not read here.
    HashUnsupported, "HASH_UNSUPPORTED", Unreadable,
        "The card uses a hash function this system does not know.",
        "Thẻ dùng hàm băm mà hệ thống chưa hỗ trợ.";
    /// A signature algorithm or curve that is not read here.
    SignatureUnsupported, "SIGNATURE_UNSUPPORTED", Unreadable,
        "The card is signed in a way this system does not know.",
        "Thẻ được ký theo cách mà hệ thống chưa hỗ trợ.";
    /// EF.SOD came without the certificate of its signer.
    SignerCertificateMissing, "SIGNER_CERTIFICATE_MISSING", Unreadable,
        "The certificate of the card's signer is missing.",
        "Thiếu chứng thư của đơn vị ký thẻ.";
    /// EF.SOD came with a certificate that cannot be read, and with none that its signer names.
    SignerCertificateUnreadable, "SIGNER_CERTIFICATE_UNREADABLE", Unreadable,
        "The certificate of the card's signer is there but cannot be read.",
        "Có chứng thư của đơn vị ký thẻ nhưng không đọc được.";
    /// The search for a chain reached its bound: whether one exists is not known.
    ChainTooLong, "CHAIN_TOO_LONG", Unreadable,
        "The search for the chain of certificates was given up: too many certificates are installed under one name, or the chain is too long.",
        "Đã dừng tìm chuỗi chứng thư: có quá nhiều chứng thư cùng tên được cài, hoặc chuỗi quá dài.";
    /// A file beyond the size of any genuine one.
    FileTooLarge, "FILE_TOO_LARGE", Unreadable,
        "A chip file is larger than any card's.",
        "Một tệp của chip lớn hơn mức có thể có trên thẻ.";
    /// A file whose outer length does not fit.
    FileDamaged, "FILE_DAMAGED", Unreadable,
        "A chip file is cut short.",
        "Một tệp của chip bị cắt ngắn.";
    /// Two different files of one tag. The same bytes twice disagree with nothing.
    FileTwice, "FILE_TWICE", Unreadable,
        "A chip file came twice, with different content.",
        "Một tệp của chip bị gửi hai lần với nội dung khác nhau.";
    /// More files than a chip has.
    FilesTooMany, "FILES_TOO_MANY", Unreadable,
        "There are more files than a card has.",
        "Số tệp nhiều hơn mức có thể có trên thẻ.";
    /// A data group that is not what its tag says.
    GroupUnreadable, "GROUP_UNREADABLE", Unreadable,
        "Part of the chip's data cannot be read.",
        "Một phần dữ liệu của chip không đọc được.";
    /// DG2 holds no picture.
    PhotoUnreadable, "PHOTO_UNREADABLE", Unreadable,
        "The photo on the chip cannot be read.",
        "Không đọc được ảnh trên chip.";

    // A hash or a signature is wrong.
    /// A data group whose hash is not the signed one.
    GroupAltered, "GROUP_ALTERED", Altered,
        "Part of the chip's data is not what was signed: altered, or from another card.",
        "Một phần dữ liệu của chip không khớp với bản đã ký: bị sửa đổi hoặc thuộc thẻ khác.";
    /// DG1, DG2 or DG13 is there but the signed list does not name it.
    GroupNotSigned, "GROUP_NOT_SIGNED", Altered,
        "The chip carries personal data or a photo that its issuer did not sign.",
        "Chip chứa dữ liệu cá nhân hoặc ảnh không được cơ quan cấp ký.";
    /// The signed list itself was changed.
    HashesAltered, "HASHES_ALTERED", Altered,
        "The list of hashes on the chip was changed after signing.",
        "Danh sách giá trị băm trên chip đã bị sửa sau khi ký.";
    /// The signature over the list does not hold.
    SignatureWrong, "SIGNATURE_WRONG", Altered,
        "The signature on the chip is wrong.",
        "Chữ ký trên chip không đúng.";
    /// Signed attributes are missing or name another content type.
    SignedAttributesWrong, "SIGNED_ATTRIBUTES_WRONG", Altered,
        "What was signed is not a card's security file.",
        "Nội dung được ký không phải là tệp bảo mật của thẻ.";

    // Who signed it is not to be trusted.
    /// The signer's certificate is on its CSCA's revocation list.
    SignerRevoked, "SIGNER_REVOKED", Untrusted,
        "The certificate that signed this card has been revoked.",
        "Chứng thư đã ký thẻ này đã bị thu hồi.";
    /// Not a certificate that may sign documents.
    SignerUnsuitable, "SIGNER_UNSUITABLE", Untrusted,
        "The certificate that signed this card is not one for signing cards.",
        "Chứng thư đã ký thẻ không thuộc loại được phép ký thẻ.";
    /// By this machine's clock its validity has not begun.
    SignerNotYetValid, "SIGNER_NOT_YET_VALID", Lapsed,
        "By this machine's clock the certificate that signed this card is not valid yet.",
        "Theo đồng hồ của máy này, chứng thư đã ký thẻ chưa có hiệu lực.";
    /// The card was signed outside the certificate's validity.
    SignedOutOfValidity, "SIGNED_OUT_OF_VALIDITY", Untrusted,
        "The card was signed when its signer's certificate was not valid.",
        "Thẻ được ký khi chứng thư ký không còn hoặc chưa có hiệu lực.";
    /// Curve parameters that are no known curve's.
    CurveForged, "CURVE_FORGED", Untrusted,
        "A certificate of this card has curve parameters that are not valid.",
        "Một chứng thư của thẻ dùng tham số mã hóa không hợp lệ.";
    /// A key that is not valid.
    KeyInvalid, "KEY_INVALID", Untrusted,
        "A certificate of this card has an invalid key.",
        "Một chứng thư của thẻ có khóa không hợp lệ.";
    /// An anchor of the issuer's name and key did not sign it.
    ChainBroken, "CHAIN_BROKEN", Untrusted,
        "The signer's certificate is not from the authority it names.",
        "Chứng thư đã ký thẻ không do cơ quan nêu trong đó cấp.";
    /// Link certificates that lead back to themselves.
    ChainLoop, "CHAIN_LOOP", Untrusted,
        "The certificates lead in a circle.",
        "Chuỗi chứng thư bị lặp vòng.";
    /// The CSCA may not sign certificates.
    AnchorUnsuitable, "ANCHOR_UNSUITABLE", Untrusted,
        "The authority's certificate is not one that may issue signers.",
        "Chứng thư của cơ quan gốc không thuộc loại được phép cấp chứng thư ký.";
    /// The signer's validity begins after the CSCA certificate's has ended: an older
    /// certificate of the key is installed, or the key was used for too long.
    AnchorOutOfValidity, "ANCHOR_OUT_OF_VALIDITY", Unanchored,
        "The installed certificate of the authority ended before the validity of the signer's began.",
        "Chứng thư gốc đã cài hết hiệu lực trước khi chứng thư ký bắt đầu có hiệu lực.";
    /// The card names another state than its signer.
    CountryMismatch, "COUNTRY_MISMATCH", Untrusted,
        "The card is of one country and its signature of another.",
        "Thẻ thuộc một nước nhưng chữ ký thuộc nước khác.";
    /// The chip did not prove that it has its private key.
    ActiveAuthenticationFailed, "ACTIVE_AUTHENTICATION_FAILED", Untrusted,
        "The chip could not prove that it is the original.",
        "Chip không chứng minh được là bản gốc.";

    // Nothing vouches for it.
    /// No CSCA certificate was supplied.
    NoAnchors, "NO_ANCHORS", Unanchored,
        "The card is consistent, but no authority certificate is installed to vouch for it.",
        "Dữ liệu thẻ nhất quán, nhưng chưa cài chứng thư gốc để xác nhận.";
    /// None of the CSCA certificates is the issuer's.
    AnchorMissing, "ANCHOR_MISSING", Unanchored,
        "The card is consistent, but its authority's certificate is not installed.",
        "Dữ liệu thẻ nhất quán, nhưng chưa cài chứng thư gốc của cơ quan cấp.";
    /// The issuer is known by name, but signed with a key that is not installed.
    AnchorKeyMissing, "ANCHOR_KEY_MISSING", Unanchored,
        "The card is consistent, but its authority's key is not among those installed.",
        "Dữ liệu thẻ nhất quán, nhưng khóa của cơ quan cấp chưa được cài.";
    /// A link from one country's authority to another's that leads to no CSCA certificate.
    LinkOpen, "LINK_OPEN", Unanchored,
        "The card's authority is known only through a link certificate that leads nowhere.",
        "Cơ quan cấp chỉ được biết qua chứng thư liên kết không dẫn đến gốc nào.";

    // Genuine, but out of a validity.
    /// The day of expiry is past.
    CardExpired, "CARD_EXPIRED", Lapsed,
        "The card has expired.",
        "Thẻ đã hết hạn.";
    /// The day of issue is yet to come.
    CardNotYetValid, "CARD_NOT_YET_VALID", Lapsed,
        "By this machine's clock the card's day of issue is in the future.",
        "Ngày cấp của thẻ ở sau ngày hôm nay theo đồng hồ của máy này.";

    // Worth knowing.
    /// EF.SOD alone was given.
    NoGroupChecked, "NO_GROUP_CHECKED", Note,
        "Only the security file was given: no personal data and no photo were checked.",
        "Chỉ có tệp bảo mật: chưa kiểm tra dữ liệu cá nhân hay ảnh nào.";
    /// DG2 was not given.
    PhotoAbsent, "PHOTO_ABSENT", Note,
        "The photo of the chip (DG2) is not among the files.",
        "Không có ảnh của chip (DG2) trong các tệp.";
    /// The signed list does not name DG2.
    PhotoNotListed, "PHOTO_NOT_LISTED", Note,
        "The card's signed list names no photo (DG2).",
        "Danh sách đã ký của thẻ không có ảnh (DG2).";
    /// A data group, not one of those read for a decision, is not in the signed list.
    GroupUnsigned, "GROUP_UNSIGNED", Note,
        "A data group is not in the signed list and does not count.",
        "Một nhóm dữ liệu không có trong danh sách đã ký nên không được tính.";
    /// EF.COM and the signed list name different data groups.
    ComDisagrees, "COM_DISAGREES", Note,
        "The card's index (EF.COM) and its signed list name different data groups.",
        "Tệp mục lục (EF.COM) và danh sách đã ký nêu các nhóm dữ liệu khác nhau.";
    /// EF.COM cannot be read; it is not signed and nothing depends on it.
    ComUnreadable, "COM_UNREADABLE", Note,
        "The card's index (EF.COM) cannot be read.",
        "Không đọc được tệp mục lục (EF.COM) của thẻ.";
    /// SHA-1 somewhere in the chain of proof.
    WeakHash, "WEAK_HASH", Note,
        "The card relies on SHA-1, which is weak.",
        "Thẻ dựa vào SHA-1, một hàm băm yếu.";
    /// An RSA key under 2048 bits.
    WeakKey, "WEAK_KEY", Note,
        "The card relies on an RSA key of less than 2048 bits, which is weak.",
        "Thẻ dựa vào khóa RSA dưới 2048 bit, một khóa yếu.";
    /// The signer's certificate has expired since; it was valid at signing as far as is known.
    SignerExpired, "SIGNER_EXPIRED", Note,
        "The certificate that signed this card has expired since.",
        "Chứng thư đã ký thẻ này nay đã hết hạn.";
    /// No signing time, and the printed day of issue lies outside the signer's validity.
    PrintedOutsideSigner, "PRINTED_OUTSIDE_SIGNER", Note,
        "The day of issue printed on the card lies outside its signer's validity; when the chip was signed is not known.",
        "Ngày cấp in trên thẻ nằm ngoài thời hạn của chứng thư ký; không rõ chip được ký khi nào.";
    /// The signer's validity begins before that of the installed CSCA certificate.
    AnchorYounger, "ANCHOR_YOUNGER", Note,
        "The installed certificate of the authority begins later than the signer's; its key is the one that signed.",
        "Chứng thư gốc đã cài có hiệu lực sau chứng thư ký; khóa của nó đúng là khóa đã ký.";
    /// Signed outside the period of the private key.
    KeyPeriod, "KEY_PERIOD", Note,
        "The card was signed outside the period its signer's key was meant for.",
        "Thẻ được ký ngoài thời gian sử dụng dự kiến của khóa ký.";
    /// The anchor is a link certificate: signed by an earlier key of its country that is not
    /// installed, not by its own.
    AnchorRenewed, "ANCHOR_RENEWED", Note,
        "The authority's certificate is signed by its earlier key; it counts because it was installed.",
        "Chứng thư gốc được ký bằng khóa trước đó của chính cơ quan; được chấp nhận vì đã được cài đặt.";
    /// The next revocation list is overdue.
    CrlStale, "CRL_STALE", Note,
        "The revocation list is out of date.",
        "Danh sách thu hồi đã quá hạn.";
    /// A revocation list of this issuer that its key did not sign.
    CrlUnverified, "CRL_UNVERIFIED", Note,
        "A revocation list could not be verified and was not used.",
        "Một danh sách thu hồi không xác minh được nên không dùng.";
    /// EF.SOD names its signer's certificate in another way than the certificate does.
    SignerNamedLoosely, "SIGNER_NAMED_LOOSELY", Note,
        "The security file names its signer inexactly; the signature shows which it is.",
        "Tệp bảo mật nêu tên đơn vị ký không chính xác; chữ ký cho biết đơn vị nào.";
    /// EF.SOD says its content is of another type than it is.
    ContentTypeLoose, "CONTENT_TYPE_LOOSE", Note,
        "The security file declares its content by another name than the standard's.",
        "Tệp bảo mật khai báo nội dung bằng tên khác với tiêu chuẩn.";
    /// No challenge and response were given.
    ActiveAuthenticationAbsent, "ACTIVE_AUTHENTICATION_ABSENT", Note,
        "It was not shown that the original chip was present: a copy of its files would look the same.",
        "Chưa chứng minh được chip gốc có mặt: một bản sao các tệp cũng cho kết quả như vậy.";
    /// A response was given, but there is no signed key to check it with.
    ActiveAuthenticationUnproven, "ACTIVE_AUTHENTICATION_UNPROVEN", Note,
        "The chip's answer cannot be checked: the card has no signed key for it.",
        "Không kiểm tra được câu trả lời của chip: thẻ không có khóa đã ký cho việc này.";
    /// A check digit of the machine-readable zone is wrong though it was signed so.
    MrzCheckDigit, "MRZ_CHECK_DIGIT", Note,
        "A check digit in the machine-readable zone is wrong.",
        "Một chữ số kiểm tra ở vùng MRZ bị sai.";
    /// The number in DG1 and the number in DG13 differ.
    NumbersDisagree, "NUMBERS_DISAGREE", Note,
        "Two parts of the card give different numbers.",
        "Hai phần của thẻ cho hai số khác nhau.";
    /// The photo is not of the type its header declares.
    PhotoTypeLies, "PHOTO_TYPE_LIES", Note,
        "The photo is of another format than its header says.",
        "Ảnh có định dạng khác với phần đầu khai báo.";
    /// One of several templates or pictures of DG2 is broken or empty; another is used.
    PhotoPartlyUnreadable, "PHOTO_PARTLY_UNREADABLE", Note,
        "The chip holds several photo records; one that is damaged or empty was passed over.",
        "Chip có nhiều bản ghi ảnh; bản ghi hỏng hoặc trống đã được bỏ qua.";
    /// Something that may be left out (a signing time, a version) is not as its standard
    /// says, and was read as if it were left out.
    OptionalUnreadable, "OPTIONAL_UNREADABLE", Note,
        "Optional information on the chip is not written as its standard says and was not used.",
        "Một thông tin tùy chọn trên chip không đúng tiêu chuẩn nên không được dùng.";
    /// A signature holds with other parameters than its algorithm identifier says or
    /// leaves to their defaults (RFC 4055, 3.1).
    SignatureParametersLoose, "SIGNATURE_PARAMETERS_LOOSE", Note,
        "A signature holds, but the parameters it was made with are not those declared.",
        "Chữ ký đúng, nhưng tham số đã dùng khác với tham số được khai báo.";
    /// A chip file was given as hexadecimal or base64 text, not as the bytes the chip gave.
    FileIsText, "FILE_IS_TEXT", Note,
        "A chip file was given as hexadecimal or base64 text instead of its bytes, and was not used.",
        "Một tệp của chip được gửi dưới dạng chữ (hex hoặc base64) thay vì dữ liệu gốc nên không được dùng.";
    /// Lengths around the photo are off by a few bytes.
    LengthsOff, "LENGTHS_OFF", Note,
        "Lengths around the photo are off by a few bytes.",
        "Độ dài quanh ảnh lệch vài byte.";
    /// Bytes after the end of a file; they are not part of it.
    TrailingBytes, "TRAILING_BYTES", Note,
        "A chip file is followed by bytes that do not belong to it.",
        "Sau một tệp của chip có các byte không thuộc về nó.";
}

/// What the operator of the reader can do about a finding, whatever a policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// A better reading may tell.
    ReadAgain,
    /// Files of two cards or two readings came together.
    OneCard,
    /// Not to be mended at the counter.
    Operator,
    /// Certificates are missing or old.
    UpdateCertificates,
    /// The clock may be wrong.
    Clock,
    /// Another card may do.
    ValidCard,
}

impl Advice {
    /// In English.
    pub fn en(self) -> &'static str {
        match self {
            Self::ReadAgain => "Read the chip again.",
            Self::OneCard => "Send the files of one reading of one card.",
            Self::Operator => "Tell the operator.",
            Self::UpdateCertificates => "Tell the operator to update the certificates.",
            Self::Clock => "Check this machine's clock.",
            Self::ValidCard => "Ask for a valid card.",
        }
    }

    /// In Vietnamese.
    pub fn vi(self) -> &'static str {
        match self {
            Self::ReadAgain => "Hãy đọc lại chip.",
            Self::OneCard => "Hãy gửi các tệp của một lần đọc một thẻ.",
            Self::Operator => "Hãy báo người vận hành.",
            Self::UpdateCertificates => "Hãy báo người vận hành cập nhật chứng thư.",
            Self::Clock => "Hãy kiểm tra đồng hồ của máy.",
            Self::ValidCard => "Hãy yêu cầu thẻ còn hạn.",
        }
    }
}

impl Reason {
    /// What helps, where something does.
    pub fn advice(self) -> Option<Advice> {
        match self {
            Self::SodMissing
            | Self::SodUnreadable
            | Self::SodContentType
            | Self::LdsObjectUnreadable
            | Self::FileTooLarge
            | Self::FileDamaged
            | Self::GroupUnreadable
            | Self::PhotoUnreadable
            | Self::NoGroupChecked
            | Self::PhotoAbsent => Some(Advice::ReadAgain),
            Self::FileTwice | Self::FilesTooMany | Self::GroupAltered => Some(Advice::OneCard),
            Self::HashUnsupported
            | Self::SignatureUnsupported
            | Self::SignerCertificateMissing
            | Self::SignerCertificateUnreadable
            | Self::FileIsText
            | Self::ChainLoop
            | Self::ChainTooLong
            | Self::AnchorUnsuitable
            | Self::CrlStale
            | Self::CrlUnverified => Some(Advice::Operator),
            Self::AnchorOutOfValidity
            | Self::NoAnchors
            | Self::AnchorMissing
            | Self::AnchorKeyMissing
            | Self::LinkOpen => Some(Advice::UpdateCertificates),
            Self::SignerNotYetValid | Self::CardNotYetValid => Some(Advice::Clock),
            Self::CardExpired => Some(Advice::ValidCard),
            _ => None,
        }
    }

    /// Whether reading the chip once more may find otherwise.
    pub fn may_be_misread(self) -> bool {
        self.effect() == Effect::Unreadable && matches!(self.advice(), Some(Advice::ReadAgain | Advice::OneCard))
    }

    /// Fact, advice, and what the effect alone asks for where no policy speaks: for an
    /// inspection. In English.
    pub fn inspection_en(self) -> String {
        let action = match self.effect() {
            Effect::Altered | Effect::Untrusted => Some("Do not accept this card."),
            Effect::Unreadable | Effect::Unanchored | Effect::Lapsed => Some("Refer the case to an officer."),
            Effect::Note if self.advice().is_none() => {
                Some("This is a note; by itself it does not change the verdict.")
            }
            Effect::Note => None,
        };
        sentences([Some(self.en()), self.advice().map(Advice::en), action])
    }

    /// The same in Vietnamese.
    pub fn inspection_vi(self) -> String {
        let action = match self.effect() {
            Effect::Altered | Effect::Untrusted => Some("Không chấp nhận thẻ này."),
            Effect::Unreadable | Effect::Unanchored | Effect::Lapsed => {
                Some("Hãy chuyển hồ sơ cho người có thẩm quyền.")
            }
            Effect::Note if self.advice().is_none() => {
                Some("Đây là ghi chú; riêng điều này không làm thay đổi kết luận.")
            }
            Effect::Note => None,
        };
        sentences([Some(self.vi()), self.advice().map(Advice::vi), action])
    }
}

fn sentences<const N: usize>(parts: [Option<&str>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_table::check_table;

    #[test]
    fn every_reason_has_its_own_code_and_a_sentence_in_both_languages() {
        check_table(Reason::ALL, |reason| (reason.code(), reason.en(), reason.vi()), Reason::from_code);
    }
}
