//! What has changed since the earlier run.

use maud::{Markup, html};

use super::bilingual::{Words, words};
use super::rings::more;
use super::{facts, heading, text};
use crate::audit::results::{ChangedPair, ChangedRing, ChangesSummary, PairChange, Results, RingChange};
use crate::evaluation::grouped;

/// Pairs, and rings, listed.
const SHOWN: usize = 100;
/// Records of a ring listed.
const RECORDS_SHOWN: usize = 20;

/// What has changed; nothing where there was no earlier run.
pub(super) fn changes(data: &Results) -> Markup {
    let Some(changes) = &data.summary.changes else { return html! {} };
    let ChangesSummary { since, kept_in, threshold_before, records_new, records_left, .. } = changes;
    let at = since.as_deref().unwrap_or("–");
    let number = |of: &Option<u64>| text(&of.map_or_else(|| "–".to_owned(), grouped));
    let mut rows = vec![
        (words("lần trước kết thúc (UTC)", "the earlier run finished (UTC)"), text(at)),
        (words("lần trước được giữ trong", "the earlier run is kept in"), text(kept_in)),
        (words("hồ sơ mới", "records new"), number(records_new)),
        (words("hồ sơ không còn", "records gone"), number(records_left)),
        (words("cặp hồ sơ mới", "pairs of records new"), text(&grouped(changes.pairs_new))),
        (words("cặp hồ sơ không còn", "pairs of records gone"), text(&grouped(changes.pairs_gone))),
    ];
    if *threshold_before != data.summary.threshold {
        rows.push((words("ngưỡng lần trước (điểm)", "threshold then (score)"), text(&threshold_before.to_string())));
    }
    let of_rings = [
        (RingChange::New, changes.rings_new),
        (RingChange::Grown, changes.rings_grown),
        (RingChange::Shrunk, changes.rings_shrunk),
        (RingChange::Exchanged, changes.rings_exchanged),
        (RingChange::Merged, changes.rings_merged),
        (RingChange::Split, changes.rings_split),
        (RingChange::Gone, changes.rings_gone),
    ];
    rows.extend(
        of_rings
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(change, count)| (ring_change(change), text(&grouped(count)))),
    );
    let new = changes.pairs_new as usize;
    let (new, gone) = data.changed_pairs.split_at(new.min(data.changed_pairs.len()));
    html! {
        "\n" section id="changes" {
            (heading(words("Thay đổi so với lần trước", "What has changed since the earlier run")))
            (facts(&rows))
            (pairs(words("Cặp mới", "New pairs"), new))
            (pairs(words("Cặp không còn", "Pairs that are gone"), gone))
            (rings(&data.changed_rings))
        }
    }
}

fn pairs(title: Words, pairs: &[ChangedPair]) -> Markup {
    html! {
        @if !pairs.is_empty() {
            "\n" details {
                summary { (title) }
                table {
                    tbody {
                        "\n"
                        @for pair in pairs.iter().take(SHOWN) {
                            tr {
                                td.s { (pair.id) }
                                td { (text(&pair.records[0])) }
                                td { (text(&pair.records[1])) }
                                td.s { (format!("{:.4}", pair.score)) }
                                td { (pair_change(pair.change)) }
                            }
                            "\n"
                        }
                    }
                }
                (more(pairs.len().saturating_sub(SHOWN), "changes.csv"))
            }
        }
    }
}

fn rings(rings: &[ChangedRing]) -> Markup {
    html! {
        @if !rings.is_empty() {
            "\n" details {
                summary { (words("Nhóm đã thay đổi", "Rings that are not as they were")) }
                table {
                    tbody {
                        "\n"
                        @for ring in rings.iter().take(SHOWN) {
                            tr {
                                td.s { (ring.id) }
                                td { (ring_change(ring.change)) }
                                td { (records(words("thêm", "joined"), &ring.joined)) }
                                td { (records(words("bớt", "left"), &ring.left)) }
                                td.s { @for other in &ring.others { (other) " " } }
                            }
                            "\n"
                        }
                    }
                }
                (more(rings.len().saturating_sub(SHOWN), "changes.csv"))
            }
        }
    }
}

fn records(what: Words, records: &[String]) -> Markup {
    html! {
        @if !records.is_empty() {
            (what) ": "
            @for (place, record) in records.iter().take(RECORDS_SHOWN).enumerate() {
                @if place > 0 { " · " }
                (text(record))
            }
            (more(records.len().saturating_sub(RECORDS_SHOWN), "changes.csv"))
        }
    }
}

fn pair_change(change: PairChange) -> Words {
    match change {
        PairChange::NewRecord => words("hồ sơ mới", "a record is new"),
        PairChange::ClearedNoMore => words("không còn được xác nhận là hai người", "cleared no more"),
        PairChange::NewlyFound => words("nay mới đạt ngưỡng", "reaches the threshold now"),
        PairChange::RecordLeft => words("hồ sơ không còn", "a record is gone"),
        PairChange::Cleared => words("đã được xác nhận là hai người", "was cleared"),
        PairChange::NotFound => words("không còn đạt ngưỡng", "does not reach the threshold any more"),
    }
}

fn ring_change(change: RingChange) -> Words {
    match change {
        RingChange::New => words("nhóm mới", "rings new"),
        RingChange::Grown => words("nhóm có thêm hồ sơ", "rings that gained members"),
        RingChange::Shrunk => words("nhóm mất hồ sơ", "rings that lost members"),
        RingChange::Exchanged => words("nhóm vừa thêm vừa mất hồ sơ", "rings that gained and lost members"),
        RingChange::Merged => words("nhóm gộp từ nhiều nhóm", "rings that several became"),
        RingChange::Split => words("nhóm tách ra", "rings that were part of another"),
        RingChange::Gone => words("nhóm không còn", "rings gone"),
    }
}
