//! Pairs of records that were cleared: apart from the rings, and not hidden.

use maud::{Markup, html};

use super::bilingual::{both, outcome, words};
use super::rings::more;
use super::{heading, note, text};
use crate::audit::results::{ClearedFound, Results, listed};
use crate::evaluation::grouped;

/// Pairs listed.
const SHOWN: usize = 500;

/// All that were found and are cleared.
pub(super) fn cleared(data: &Results) -> Markup {
    if data.cleared.is_empty() {
        return html! {};
    }
    let heads = [
        words("mã", "id"),
        words("hồ sơ", "record"),
        words("hồ sơ", "record"),
        words("điểm", "score"),
        words("cặp mẫu", "template pairs"),
        words("kết luận", "found to be"),
        words("cán bộ", "officer"),
        words("ngày (UTC)", "when (UTC)"),
        words("lý do", "reason"),
    ];
    let remark = both(
        "Các cặp này đạt ngưỡng nhưng đã được cán bộ xác nhận là hai người; chúng không nối nhóm nào và không tính vào các con số trên.",
        "These pairs reach the threshold and were cleared by an officer as two people: they join no ring, and no figure above counts them.",
    );
    let count = grouped(data.cleared.len() as u64);
    html! {
        (heading(words("Các cặp đã được xác nhận là hai người", "Pairs that were cleared")))
        (note(&remark))
        "\n" details open {
            summary { (both(&format!("{count} cặp"), &format!("{count} pairs"))) }
            table {
                thead { tr { @for head in heads { th { (head) } } } }
                tbody {
                    "\n"
                    @for found in data.cleared.iter().take(SHOWN) { (row(data, found)) "\n" }
                }
            }
            "\n" (more(data.cleared.len().saturating_sub(SHOWN), "cleared.csv"))
        }
    }
}

fn row(data: &Results, found: &ClearedFound) -> Markup {
    let id = |record: u32| text(&data.records[record as usize].id);
    let clearing = &found.clearing;
    html! {
        tr.m {
            td.s { @if let Some(id) = found.id { (id) } }
            td { (id(found.a)) }
            td { (id(found.b)) }
            td.s { (format!("{:.4}", found.score)) }
            td.s { (grouped(u64::from(found.pairs))) }
            td {
                @match clearing.outcome {
                    Some(found) => (outcome(found)),
                    None => (words("xác nhận trong kho", "cleared in the gallery")),
                }
            }
            td { (text(&clearing.officer)) }
            td.s { @if let Some(at) = clearing.at { (listed::moment(at)) } }
            td { (text(&clearing.reason)) }
        }
    }
}
