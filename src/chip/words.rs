//! Everything a chip check can find: a stable code, what it does to the
//! verdict, and what to do next in Vietnamese and English. One table; codes
//! never change their meaning.

/// What a finding does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing by itself; a policy may weigh it.
    Note,
    /// The card is genuine but out of its own validity. AUTHENTIC becomes
    /// UNTRUSTED; any other verdict stands.
    Lapsed,
    /// Consistent, but nothing vouches for it.
    Unanchored,
    /// Could not be read, so could not be checked.
    Unreadable,
    /// Who signed it is not to be trusted.
    Untrusted,
    /// A hash or a signature is wrong.
    Altered,
}

words! {
    /// Something a chip check found.
    Reason, effect: Effect
    /// What it does to the verdict.
    ;

    // Could not be read.
    /// No EF.SOD among the files.
    SodMissing, "SOD_MISSING", Unreadable,
        "The chip's security file (EF.SOD) is missing. Read the chip again.",
        "Thiếu tệp bảo mật (EF.SOD) của chip. Hãy đọc lại chip.";
    /// EF.SOD is not a SignedData.
    SodUnreadable, "SOD_UNREADABLE", Unreadable,
        "The chip's security file (EF.SOD) is damaged. Read the chip again.",
        "Tệp bảo mật (EF.SOD) của chip bị hỏng. Hãy đọc lại chip.";
    /// EF.SOD signs something that is not a list of data-group hashes.
    SodContentType, "SOD_CONTENT_TYPE", Unreadable,
        "The chip's security file does not hold a card's hashes. Read the chip again; if it stays so, refer the case.",
        "Tệp bảo mật của chip không chứa giá trị băm của thẻ. Hãy đọc lại chip; nếu vẫn vậy, hãy chuyển người có thẩm quyền.";
    /// The list of data-group hashes is broken.
    LdsObjectUnreadable, "LDS_OBJECT_UNREADABLE", Unreadable,
        "The list of hashes in the chip's security file is damaged. Read the chip again.",
        "Danh sách giá trị băm trong tệp bảo mật của chip bị hỏng. Hãy đọc lại chip.";
    /// A hash function that is not read here.
    HashUnsupported, "HASH_UNSUPPORTED", Unreadable,
        "The card uses a hash function this system does not know. Tell the operator.",
        "Thẻ dùng hàm băm mà hệ thống chưa hỗ trợ. Hãy báo người vận hành.";
    /// A signature algorithm or curve that is not read here.
    SignatureUnsupported, "SIGNATURE_UNSUPPORTED", Unreadable,
        "The card is signed in a way this system does not know. Tell the operator.",
        "Thẻ được ký theo cách mà hệ thống chưa hỗ trợ. Hãy báo người vận hành.";
    /// EF.SOD came without the certificate of its signer.
    SignerCertificateMissing, "SIGNER_CERTIFICATE_MISSING", Unreadable,
        "The certificate of the card's signer is missing. Tell the operator.",
        "Thiếu chứng thư của đơn vị ký thẻ. Hãy báo người vận hành.";
    /// A file beyond the size of any genuine one.
    FileTooLarge, "FILE_TOO_LARGE", Unreadable,
        "A chip file is larger than any card's. Read the chip again.",
        "Một tệp của chip lớn hơn mức có thể có trên thẻ. Hãy đọc lại chip.";
    /// A file whose outer length does not fit.
    FileDamaged, "FILE_DAMAGED", Unreadable,
        "A chip file is cut short. Read the chip again.",
        "Một tệp của chip bị cắt ngắn. Hãy đọc lại chip.";
    /// The same file twice.
    FileTwice, "FILE_TWICE", Unreadable,
        "A chip file came twice. Send the files of one reading of one card.",
        "Một tệp của chip bị trùng lặp. Hãy gửi các tệp của một lần đọc một thẻ.";
    /// More files than a chip has.
    FilesTooMany, "FILES_TOO_MANY", Unreadable,
        "There are more files than a card has. Send the files of one card.",
        "Số tệp nhiều hơn mức có thể có trên thẻ. Hãy gửi các tệp của một thẻ.";
    /// A data group that is not what its tag says.
    GroupUnreadable, "GROUP_UNREADABLE", Unreadable,
        "Part of the chip's data cannot be read. Read the chip again; if it stays so, refer the case.",
        "Một phần dữ liệu của chip không đọc được. Hãy đọc lại chip; nếu vẫn vậy, hãy chuyển người có thẩm quyền.";
    /// DG2 holds no picture.
    PhotoUnreadable, "PHOTO_UNREADABLE", Unreadable,
        "The photo on the chip cannot be read. Read the chip again; if it stays so, refer the case.",
        "Không đọc được ảnh trên chip. Hãy đọc lại chip; nếu vẫn vậy, hãy chuyển người có thẩm quyền.";

    // A hash or a signature is wrong.
    /// A data group whose hash is not the signed one.
    GroupAltered, "GROUP_ALTERED", Altered,
        "Part of the chip's data is not what was signed: altered, or from another card. Do not accept this card.",
        "Một phần dữ liệu của chip không khớp với bản đã ký: bị sửa đổi hoặc thuộc thẻ khác. Không chấp nhận thẻ này.";
    /// DG1, DG2 or DG13 is there but the signed list does not name it.
    GroupNotSigned, "GROUP_NOT_SIGNED", Altered,
        "The chip carries personal data or a photo that its issuer did not sign. Do not accept this card.",
        "Chip chứa dữ liệu cá nhân hoặc ảnh không được cơ quan cấp ký. Không chấp nhận thẻ này.";
    /// The signed list itself was changed.
    HashesAltered, "HASHES_ALTERED", Altered,
        "The list of hashes on the chip was changed after signing. Do not accept this card.",
        "Danh sách giá trị băm trên chip đã bị sửa sau khi ký. Không chấp nhận thẻ này.";
    /// The signature over the list does not hold.
    SignatureWrong, "SIGNATURE_WRONG", Altered,
        "The signature on the chip is wrong. Do not accept this card.",
        "Chữ ký trên chip không đúng. Không chấp nhận thẻ này.";
    /// Signed attributes are missing or name another content type.
    SignedAttributesWrong, "SIGNED_ATTRIBUTES_WRONG", Altered,
        "What was signed is not a card's security file. Do not accept this card.",
        "Nội dung được ký không phải là tệp bảo mật của thẻ. Không chấp nhận thẻ này.";

    // Who signed it is not to be trusted.
    /// The signer's certificate is on its CSCA's revocation list.
    SignerRevoked, "SIGNER_REVOKED", Untrusted,
        "The certificate that signed this card has been revoked. Do not accept this card.",
        "Chứng thư ký thẻ này đã bị thu hồi. Không chấp nhận thẻ này.";
    /// Not a certificate that may sign documents.
    SignerUnsuitable, "SIGNER_UNSUITABLE", Untrusted,
        "The certificate that signed this card is not one for signing cards. Do not accept this card.",
        "Chứng thư ký thẻ này không dùng để ký thẻ. Không chấp nhận thẻ này.";
    /// By this machine's clock its validity has not begun.
    SignerNotYetValid, "SIGNER_NOT_YET_VALID", Lapsed,
        "The certificate that signed this card is not valid yet. Check this machine's clock, then refer the case.",
        "Chứng thư ký thẻ này chưa có hiệu lực. Hãy kiểm tra đồng hồ của máy, sau đó chuyển người có thẩm quyền.";
    /// The card was signed outside the certificate's validity.
    SignedOutOfValidity, "SIGNED_OUT_OF_VALIDITY", Untrusted,
        "The card was signed when its signer's certificate was not valid. Refer the case.",
        "Thẻ được ký khi chứng thư ký không còn hoặc chưa có hiệu lực. Hãy chuyển người có thẩm quyền.";
    /// Curve parameters that are no known curve's.
    CurveForged, "CURVE_FORGED", Untrusted,
        "A certificate of this card uses a curve of its own making. Do not accept this card.",
        "Một chứng thư của thẻ dùng đường cong tự tạo. Không chấp nhận thẻ này.";
    /// A key that is not valid.
    KeyInvalid, "KEY_INVALID", Untrusted,
        "A certificate of this card has an invalid key. Do not accept this card.",
        "Một chứng thư của thẻ có khoá không hợp lệ. Không chấp nhận thẻ này.";
    /// An anchor of the issuer's name and key did not sign it.
    ChainBroken, "CHAIN_BROKEN", Untrusted,
        "The signer's certificate is not from the authority it names. Do not accept this card.",
        "Chứng thư ký không do cơ quan mà nó nêu tên cấp. Không chấp nhận thẻ này.";
    /// Link certificates that lead back to themselves.
    ChainLoop, "CHAIN_LOOP", Untrusted,
        "The certificates lead in a circle. Tell the operator.",
        "Các chứng thư dẫn vòng tròn. Hãy báo người vận hành.";
    /// More certificates than a genuine chain has.
    ChainTooLong, "CHAIN_TOO_LONG", Untrusted,
        "The chain of certificates is too long. Tell the operator.",
        "Chuỗi chứng thư quá dài. Hãy báo người vận hành.";
    /// The CSCA may not sign certificates.
    AnchorUnsuitable, "ANCHOR_UNSUITABLE", Untrusted,
        "The authority's certificate is not one that may issue signers. Tell the operator.",
        "Chứng thư của cơ quan gốc không được phép cấp chứng thư ký. Hãy báo người vận hành.";
    /// The signer's validity begins after the CSCA certificate's has ended: an older
    /// certificate of the key is installed, or the key was used for too long.
    AnchorOutOfValidity, "ANCHOR_OUT_OF_VALIDITY", Unanchored,
        "The authority's certificate was not valid when it issued the signer. Refer the case.",
        "Chứng thư gốc không có hiệu lực khi cấp chứng thư ký. Hãy chuyển người có thẩm quyền.";
    /// The card names another state than its signer.
    CountryMismatch, "COUNTRY_MISMATCH", Untrusted,
        "The card is of one country and its signature of another. Do not accept this card.",
        "Thẻ thuộc một nước nhưng chữ ký thuộc nước khác. Không chấp nhận thẻ này.";
    /// The chip did not prove that it has its private key.
    ActiveAuthenticationFailed, "ACTIVE_AUTHENTICATION_FAILED", Untrusted,
        "The chip could not prove that it is the original. Do not accept this card.",
        "Chip không chứng minh được là bản gốc. Không chấp nhận thẻ này.";

    // Nothing vouches for it.
    /// No CSCA certificate was supplied.
    NoAnchors, "NO_ANCHORS", Unanchored,
        "The card is consistent, but no authority certificate is installed to vouch for it. Refer the case.",
        "Dữ liệu thẻ nhất quán, nhưng chưa cài chứng thư gốc để xác nhận. Hãy chuyển người có thẩm quyền.";
    /// None of the CSCA certificates is the issuer's.
    AnchorMissing, "ANCHOR_MISSING", Unanchored,
        "The card is consistent, but its authority's certificate is not installed. Refer the case.",
        "Dữ liệu thẻ nhất quán, nhưng chưa cài chứng thư gốc của cơ quan cấp. Hãy chuyển người có thẩm quyền.";
    /// The issuer is known by name, but signed with a key that is not installed.
    AnchorKeyMissing, "ANCHOR_KEY_MISSING", Unanchored,
        "The card is consistent, but its authority's key is not among those installed. Refer the case; tell the operator to update the certificates.",
        "Dữ liệu thẻ nhất quán, nhưng khoá của cơ quan cấp chưa được cài. Hãy chuyển người có thẩm quyền và báo người vận hành cập nhật chứng thư.";
    /// A link certificate that leads to no CSCA certificate.
    LinkOpen, "LINK_OPEN", Unanchored,
        "The card's authority is known only through a link certificate that leads nowhere. Tell the operator.",
        "Cơ quan cấp chỉ được biết qua chứng thư liên kết không dẫn đến gốc nào. Hãy báo người vận hành.";

    // Genuine, but out of its own validity.
    /// The day of expiry is past.
    CardExpired, "CARD_EXPIRED", Lapsed,
        "The card has expired. Ask for a valid one.",
        "Thẻ đã hết hạn. Hãy yêu cầu thẻ còn hạn.";
    /// The day of issue is yet to come.
    CardNotYetValid, "CARD_NOT_YET_VALID", Lapsed,
        "The card's day of issue is in the future. Check this machine's clock, then refer the case.",
        "Ngày cấp của thẻ ở tương lai. Hãy kiểm tra đồng hồ của máy, sau đó chuyển người có thẩm quyền.";

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
        "Thẻ dựa vào khoá RSA dưới 2048 bit, một khoá yếu.";
    /// The signer's certificate has expired since; it was valid at signing as far as is known.
    SignerExpired, "SIGNER_EXPIRED", Note,
        "The certificate that signed this card has expired since.",
        "Chứng thư ký thẻ này nay đã hết hạn.";
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
        "Thẻ được ký ngoài thời gian sử dụng dự kiến của khoá ký.";
    /// The anchor is signed by an earlier key of the same authority, not by its own.
    AnchorRenewed, "ANCHOR_RENEWED", Note,
        "The authority's certificate is signed by its earlier key; it counts because it was installed.",
        "Chứng thư gốc được ký bằng khoá trước đó của chính cơ quan; được chấp nhận vì đã được cài đặt.";
    /// The next revocation list is overdue.
    CrlStale, "CRL_STALE", Note,
        "The revocation list is out of date. Tell the operator.",
        "Danh sách thu hồi đã quá hạn. Hãy báo người vận hành.";
    /// A revocation list of this issuer that its key did not sign.
    CrlUnverified, "CRL_UNVERIFIED", Note,
        "A revocation list could not be verified and was not used. Tell the operator.",
        "Một danh sách thu hồi không xác minh được nên không dùng. Hãy báo người vận hành.";
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
        "It was not shown that the original chip was present: a copy of its files would pass.",
        "Chưa chứng minh được chip gốc có mặt: một bản sao các tệp cũng sẽ qua được.";
    /// A response was given, but there is no signed key to check it with.
    ActiveAuthenticationUnproven, "ACTIVE_AUTHENTICATION_UNPROVEN", Note,
        "The chip's answer cannot be checked: the card has no signed key for it.",
        "Không kiểm tra được câu trả lời của chip: thẻ không có khoá đã ký cho việc này.";
    /// A check digit of the machine-readable zone is wrong though it was signed so.
    MrzCheckDigit, "MRZ_CHECK_DIGIT", Note,
        "A check digit in the machine-readable zone is wrong.",
        "Một số kiểm tra trong vùng đọc máy không đúng.";
    /// The number in DG1 and the number in DG13 differ.
    NumbersDisagree, "NUMBERS_DISAGREE", Note,
        "Two parts of the card give different numbers. Refer the case.",
        "Hai phần của thẻ cho số khác nhau. Hãy chuyển người có thẩm quyền.";
    /// The photo is not of the type its header declares.
    PhotoTypeLies, "PHOTO_TYPE_LIES", Note,
        "The photo is of another format than its header says.",
        "Ảnh có định dạng khác với phần đầu khai báo.";
    /// Lengths around the photo are off by a few bytes.
    LengthsOff, "LENGTHS_OFF", Note,
        "Lengths around the photo are off by a few bytes.",
        "Độ dài quanh ảnh lệch vài byte.";
    /// Bytes after the end of a file; they are not part of it.
    TrailingBytes, "TRAILING_BYTES", Note,
        "A chip file is followed by bytes that do not belong to it.",
        "Sau một tệp của chip có các byte không thuộc về nó.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::check_table;

    #[test]
    fn every_reason_has_its_own_code_and_a_sentence_in_both_languages() {
        check_table(Reason::ALL, |reason| (reason.code(), reason.en(), reason.vi()), Reason::from_code);
    }
}
