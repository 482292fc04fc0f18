//! Which run made the page: when, by which program, for whom and by which command.

use maud::{Markup, html};

use super::bilingual::words;
use super::{facts, heading, text};
use crate::audit::results::{Results, RunInfo};

/// What is known of the run; nothing where nothing is.
pub(super) fn run(data: &Results) -> Markup {
    let Some(RunInfo { began, finished, version, pack, user, command, templates: _ }) = &data.summary.run else {
        return html! {};
    };
    let unknown = || text("–");
    let rows = [
        (words("bắt đầu (UTC)", "began (UTC)"), text(began)),
        (words("kết thúc so sánh (UTC)", "finished comparing (UTC)"), text(finished)),
        (words("người chạy", "run by"), user.as_deref().map_or_else(unknown, text)),
        (words("lệnh", "command"), html! { code { (text(command)) } }),
        (words("phiên bản chinhchu", "version of chinhchu"), text(version)),
        (words("gói mô hình", "model pack"), pack.as_deref().map_or_else(unknown, text)),
    ];
    html! {
        "\n" section id="run" {
            (heading(words("Lần kiểm tra này", "This run")))
            (facts(&rows))
        }
    }
}
