//! The cookies of the pages (RFC 6265bis): how they are named, set, read and taken back.

/// Names the session of somebody who is signed in.
pub const SESSION_COOKIE: &str = "chinhchu-desk";
/// Ties a sign-in under way to the browser that began it.
pub const SIGN_IN_COOKIE: &str = "chinhchu-sign-in";

/// Cookies of a server, inside TLS or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    /// Connections are encrypted. Then a cookie's name begins with `__Host-`: no other host, and no
    /// page in the clear, can set one of that name.
    pub is_tls: bool,
}

impl Cookies {
    /// The value of a header `set-cookie` for the life of the browser.
    pub fn set(self, name: &str, value: &str) -> String {
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{}", self.full(name), self.secure())
    }

    /// The same, so that the browser forgets it.
    pub fn clear(self, name: &str) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", self.full(name), self.secure())
    }

    /// The value of a cookie among the headers `cookie` of a request. `None` where it is not there, is
    /// there more than once, or is none that this server sets.
    pub fn find<'a>(self, headers: impl Iterator<Item = &'a [u8]>, name: &str) -> Option<&'a str> {
        let full = self.full(name);
        let pairs = headers.filter_map(|header| str::from_utf8(header).ok()).flat_map(|header| header.split(';'));
        let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(found, _)| *found == full);
        let (_, value) = values.next()?;
        let is_ours = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        (values.next().is_none() && is_ours).then_some(value)
    }

    fn full(self, name: &str) -> String {
        if self.is_tls { format!("__Host-{name}") } else { name.to_owned() }
    }

    fn secure(self) -> &'static str {
        if self.is_tls { "; Secure" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name_once_or_not_at_all() {
        let value = "a".repeat(64);
        let tls = Cookies { is_tls: true };
        let find = |header: &str| tls.find([header.as_bytes()].into_iter(), SESSION_COOKIE).map(str::to_owned);
        assert_eq!(find(&format!("x=1; __Host-chinhchu-desk={value}")), Some(value.clone()));
        // One that a page in the clear, or another host, could have set.
        assert_eq!(find(&format!("chinhchu-desk={value}")), None);
        // Two: one of them is somebody else's.
        assert_eq!(find(&format!("__Host-chinhchu-desk={value}; __Host-chinhchu-desk={value}")), None);
        assert_eq!(find("__Host-chinhchu-desk=short"), None);
        assert_eq!(find(&format!("__Host-chinhchu-desk={}", "é".repeat(32))), None);
        let clear = Cookies { is_tls: false };
        let header = format!("chinhchu-desk={value}");
        assert_eq!(clear.find([header.as_bytes()].into_iter(), SESSION_COOKIE), Some(&*value));
    }

    #[test]
    fn no_script_and_no_other_site_gets_a_cookie() {
        for is_tls in [false, true] {
            let cookies = Cookies { is_tls };
            for set in [cookies.set(SESSION_COOKIE, "v"), cookies.clear(SESSION_COOKIE)] {
                assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"), "{set}");
                assert_eq!(set.contains("Secure"), is_tls, "{set}");
                assert!(!set.contains("Domain"), "{set}");
            }
        }
    }
}
