//! Small pages that the server writes itself, where there is no page to load: signing in for trying out, and
//! what stands in the way of a page.

use maud::{DOCTYPE, Markup, html};

/// A page with a heading and a text, each in Vietnamese and in English.
pub(super) struct Text {
    pub title_vi: &'static str,
    pub title_en: &'static str,
    pub text_vi: &'static str,
    pub text_en: &'static str,
}

pub(super) const SIGN_IN_FAILED: Text = Text {
    title_vi: "Chưa đăng nhập được",
    title_en: "You are not signed in",
    text_vi: "Lần đăng nhập này đã quá thời gian, bị hủy, hoặc không bắt đầu từ trình duyệt này. Hãy đăng nhập lại.",
    text_en: "This sign-in took too long, was cancelled, or did not begin in this browser. Sign in again.",
};
pub(super) const PROVIDER_AWAY: Text = Text {
    title_vi: "Dịch vụ đăng nhập không trả lời",
    title_en: "The sign-in service does not answer",
    text_vi: "Hãy thử lại sau ít phút. Nếu vẫn không được, hãy báo cho bộ phận kỹ thuật.",
    text_en: "Try again in a few minutes. If it goes on, tell your technical support.",
};
pub(super) const ACCOUNT_REFUSED: Text = Text {
    title_vi: "Tài khoản này chưa dùng được ở đây",
    title_en: "This account cannot be used here",
    text_vi: "Dịch vụ đăng nhập nhận ra bạn, nhưng tài khoản chưa có quyền trên hệ thống này hoặc thuộc đơn vị khác \
              với máy này. Hãy báo cho người quản lý tài khoản.",
    text_en: "The sign-in service knows you, but the account has no rights on this system, or belongs to another unit \
              than this machine. Tell whoever looks after accounts.",
};
pub(super) const NO_SIGN_IN: Text = Text {
    title_vi: "Máy chủ này chưa có cách đăng nhập",
    title_en: "There is no way to sign in here",
    text_vi: "Người vận hành cần đặt [desk.sign_in] hoặc chứng thư của máy trong cấu hình.",
    text_en: "Its operator configures [desk.sign_in], or a certificate for this machine.",
};
pub(super) const OTHER_ROLE: Text = Text {
    title_vi: "Trang này không dành cho tài khoản của bạn",
    title_en: "This page is not for your account",
    text_vi: "Tài khoản của bạn không có vai trò cần cho trang này.",
    text_en: "Your account does not have the role that this page is for.",
};
pub(super) const NOT_HERE: Text = Text {
    title_vi: "Không có trang này",
    title_en: "There is no such page",
    text_vi: "Địa chỉ không đúng.",
    text_en: "The address is wrong.",
};
pub(super) const TOO_MANY: Text = Text {
    title_vi: "Quá nhiều người đang đăng nhập",
    title_en: "Too many people are signed in",
    text_vi: "Hãy thử lại sau ít phút.",
    text_en: "Try again in a few minutes.",
};

/// The page of a text, with a link to go on by.
pub(super) fn text_page(text: &Text, link: Option<(&str, &str, &str)>) -> String {
    let body = html! {
        h1 { (text.title_vi) }
        p lang="en" { strong { (text.title_en) } }
        p { (text.text_vi) }
        p lang="en" { (text.text_en) }
        @if let Some((address, vi, en)) = link {
            p { a href=(address) { (vi) " · " span lang="en" { (en) } } }
        }
    };
    whole(text.title_vi, &body)
}

/// The page on which a test person is chosen: names with their roles.
pub(super) fn test_sign_in_page<'a>(people: impl Iterator<Item = (&'a str, String)>, next: &str) -> String {
    let body = html! {
        h1 { "Đăng nhập thử" }
        p lang="en" { strong { "Test sign-in" } }
        p { "Máy chủ này chỉ để thử: ai mở trang cũng chọn được một người thử." }
        p lang="en" { "This server is for trying out: whoever opens this page can be any of the test people." }
        form method="post" action="/desk/test-login" {
            input type="hidden" name="next" value=(next);
            label for="person" { "Người thử · " span lang="en" { "Test person" } }
            select id="person" name="person" required {
                @for (name, roles) in people {
                    option value=(name) { (name) " (" (roles) ")" }
                }
            }
            button type="submit" class="primary" { "Đăng nhập · " span lang="en" { "Sign in" } }
        }
    };
    whole("Đăng nhập thử", &body)
}

fn whole(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="vi" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Chính chủ" }
                link rel="stylesheet" href="/desk/assets/base.css";
            }
            body { main class="plain-page" { (body) } }
        }
    };
    page.into_string()
}
