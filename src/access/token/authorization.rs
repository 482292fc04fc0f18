//! The token in a call's `authorization` header.
//!
//! Source: RFC 6750, 2.1; RFC 9110, 11.1 (names of schemes have no case).

use super::TokenError;

const SCHEME: &str = "Bearer";

/// The token among the values of a call's `authorization` header; `None` where it has none.
///
/// # Errors
/// [`TokenError::Malformed`] where there are several, or one of another scheme: which of them a
/// proxy before this server has checked could not be told.
pub fn bearer<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a str>, TokenError> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(TokenError::Malformed);
    }
    let (scheme, token) =
        std::str::from_utf8(value).ok().and_then(|value| value.split_once(' ')).ok_or(TokenError::Malformed)?;
    let token = token.trim_matches(' ');
    match scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty() && !token.contains(' ') {
        true => Ok(Some(token)),
        false => Err(TokenError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_is_found_and_nothing_else_is_taken_for_one() {
        let of = |values: &[&'static str]| bearer(values.iter().map(|value| value.as_bytes()));
        assert_eq!(of(&[]), Ok(None));
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(of(&[value]), Ok(Some("a.b.c")), "{value}");
        }
        for values in
            [&["Basic YTpi"][..], &["a.b.c"], &["Bearer"], &[""], &["Bearer a.b.c", "Bearer a.b.c"], &["DPoP a.b.c"]]
        {
            assert_eq!(of(values), Err(TokenError::Malformed), "{values:?}");
        }
        assert_eq!(bearer([&b"Bearer \xff"[..]]), Err(TokenError::Malformed));
    }
}
