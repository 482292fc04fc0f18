//! Why a bearer token is refused: stable codes, with what to do about each. No part of a token
//! stands in them.

use std::fmt;

/// Whose fault a refusal is, and so what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFault {
    /// The token's: another one may be accepted (`UNAUTHENTICATED`).
    Token,
    /// The server has no keys to check any token with: the same one may be accepted later
    /// (`UNAVAILABLE`).
    Keys,
}

code_table! {
    /// Why a bearer token is refused.
    ///
    /// `docs/tokens.md` lists them; a test compares the page with this table.
    TokenError, fault: TokenFault
    /// Whose fault it is.
    ;

    /// Not three parts of base64url in the compact form, or their content is no JSON object.
    Malformed, "TOKEN_MALFORMED", Token,
        "The bearer token is not a signed JSON Web Token; sign in again.",
        "Mã thông báo không phải là JSON Web Token có chữ ký; hãy đăng nhập lại.";
    /// Longer than [`BYTES_MAX`](super::BYTES_MAX).
    TooLong, "TOKEN_TOO_LONG", Token,
        "The bearer token is longer than 8 KiB; have the provider put fewer claims into it.",
        "Mã thông báo dài hơn 8 KiB; hãy cấu hình máy chủ đăng nhập đưa ít thông tin hơn vào đó.";
    /// The header's `typ` is neither `JWT` nor `at+jwt`, or the claims say it is another kind.
    WrongKind, "TOKEN_WRONG_KIND", Token,
        "The token is not an access token; send the access token, not an ID or refresh token.",
        "Đây không phải là mã truy cập; hãy gửi mã truy cập, không gửi mã định danh hay mã làm mới.";
    /// The header names extensions that must be understood (`crit`).
    Extension, "TOKEN_EXTENSION", Token,
        "The token uses an extension that this server does not know; have the provider leave it out.",
        "Mã thông báo dùng phần mở rộng mà máy chủ này không biết; hãy tắt phần đó ở máy chủ đăng nhập.";
    /// `cnf`: whoever shows it must prove a key, which is not checked here.
    BoundToKey, "TOKEN_BOUND_TO_KEY", Token,
        "The token is bound to a key (cnf) that this server does not check; have the provider issue plain bearer tokens.",
        "Mã thông báo gắn với một khóa (cnf) mà máy chủ này không kiểm tra; hãy cấp mã thông báo thường.";
    /// The algorithm is not among those configured; `none` and HMAC never are.
    Algorithm, "TOKEN_ALGORITHM", Token,
        "The token is signed by an algorithm that this server does not accept; sign in again, or change the provider's client.",
        "Thuật toán ký của mã thông báo không được chấp nhận; hãy đăng nhập lại hoặc sửa cấu hình máy chủ đăng nhập.";
    /// No key of the issuer has its id, or several fit a token without one.
    KeyUnknown, "TOKEN_KEY_UNKNOWN", Token,
        "The token is signed by a key that the issuer does not publish, or no longer; sign in again.",
        "Khóa ký mã thông báo không có, hoặc không còn, trong danh sách của nơi cấp; hãy đăng nhập lại.";
    /// The signature is not that of the key.
    Signature, "TOKEN_SIGNATURE", Token,
        "The signature of the token is wrong; sign in again.",
        "Chữ ký của mã thông báo không đúng; hãy đăng nhập lại.";
    /// `iss` is not the configured issuer.
    Issuer, "TOKEN_ISSUER", Token,
        "The token was issued by another provider than the one this server trusts.",
        "Mã thông báo do nơi khác cấp, không phải nơi mà máy chủ này tin cậy.";
    /// `aud` does not have the configured audience.
    Audience, "TOKEN_AUDIENCE", Token,
        "The token was issued for another service (aud); request one for this service.",
        "Mã thông báo được cấp cho dịch vụ khác (aud); hãy xin mã cho dịch vụ này.";
    /// `exp` has passed, the clock skew counted.
    Expired, "TOKEN_EXPIRED", Token,
        "The token has expired; sign in again.",
        "Mã thông báo đã hết hạn; hãy đăng nhập lại.";
    /// `nbf` or `iat` lies in the future, beyond the clock skew.
    NotYetValid, "TOKEN_NOT_YET_VALID", Token,
        "The token is from the future; compare the clocks of provider and server.",
        "Mã thông báo có thời điểm ở tương lai; hãy so đồng hồ của máy chủ đăng nhập và máy chủ này.";
    /// It is valid for longer than the configured bound.
    LivesTooLong, "TOKEN_LIVES_TOO_LONG", Token,
        "The token is valid for longer than this server accepts; have the provider issue shorter ones.",
        "Mã thông báo có hiệu lực dài hơn mức cho phép; hãy cấu hình máy chủ đăng nhập cấp mã ngắn hạn hơn.";
    /// `exp`, `iat` or `nbf` is missing or no time.
    Times, "TOKEN_TIMES", Token,
        "The token does not say when it was issued (iat) and when it expires (exp), as numbers.",
        "Mã thông báo không ghi thời điểm cấp (iat) và hết hạn (exp) dưới dạng số.";
    /// `sub` is missing, too long, or has characters that an id must not have.
    Subject, "TOKEN_SUBJECT", Token,
        "The token names nobody (sub), or by an id of more than 128 bytes or with characters that cannot be seen.",
        "Mã thông báo không ghi người dùng (sub), hoặc định danh dài hơn 128 byte hay có ký tự không nhìn thấy.";
    /// `sub` looks like somebody's citizen or insurance number.
    SubjectIsNumber, "TOKEN_SUBJECT_IS_NUMBER", Token,
        "The token names the person by what looks like a citizen or insurance number; have the provider use a pseudonym.",
        "Mã thông báo dùng số giống số định danh hoặc số bảo hiểm của cá nhân; hãy dùng mã giả danh.";
    /// The claim with the roles is neither a text nor a list of texts.
    RolesClaim, "TOKEN_ROLES", Token,
        "The claim with the roles is not a list of names; correct the provider's mapping of claims.",
        "Phần vai trò trong mã thông báo không phải là danh sách tên; hãy sửa cấu hình máy chủ đăng nhập.";
    /// The claim with the unit is no short text.
    UnitClaim, "TOKEN_UNIT", Token,
        "The claim with the unit is not one text of at most 64 bytes; correct the provider's mapping of claims.",
        "Phần đơn vị trong mã thông báo không phải là văn bản ngắn; hãy sửa cấu hình máy chủ đăng nhập.";
    /// The claim with the province is no short text.
    ProvinceClaim, "TOKEN_PROVINCE", Token,
        "The claim with the province is not one text of at most 64 bytes; correct the provider's mapping of claims.",
        "Phần tỉnh trong mã thông báo không phải là văn bản ngắn; hãy sửa cấu hình máy chủ đăng nhập.";
    /// The issuer's keys have not been read yet.
    KeysMissing, "TOKEN_KEYS_MISSING", Keys,
        "The server has not been able to read the issuer's keys yet; try again later and tell the operator.",
        "Máy chủ chưa đọc được khóa của nơi cấp mã thông báo; hãy thử lại sau và báo người vận hành.";
    /// The issuer could not be asked for so long that its last keys are no longer used.
    KeysTooOld, "TOKEN_KEYS_TOO_OLD", Keys,
        "The issuer has been away for so long that its keys are no longer used; try again later and tell the operator.",
        "Nơi cấp mã thông báo ngừng trả lời quá lâu nên khóa cũ không còn được dùng; hãy thử lại sau và báo người vận hành.";
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.en())
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_table::check_table;

    #[test]
    fn every_refusal_has_a_code_and_says_what_to_do_in_both_languages() {
        check_table(TokenError::ALL, |e| (e.code(), e.en(), e.vi()), TokenError::from_code);
    }

    #[test]
    fn only_missing_keys_are_worth_a_retry_with_the_same_token() {
        let retried = TokenError::ALL.iter().filter(|e| e.fault() == TokenFault::Keys);
        assert_eq!(retried.collect::<Vec<_>>(), [&TokenError::KeysMissing, &TokenError::KeysTooOld]);
    }

    #[test]
    fn the_page_lists_every_refusal_and_no_other() {
        let page = include_str!("../../../docs/tokens.md");
        let listed: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("| `TOKEN_")?.split('`').next()).collect();
        let all: Vec<&str> = TokenError::ALL.iter().map(|e| &e.code()["TOKEN_".len()..]).collect();
        assert_eq!(listed, all);
    }
}
