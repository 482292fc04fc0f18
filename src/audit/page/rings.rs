//! Rings on the page, and the links between them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::bilingual::{Words, both, link_kind, outcome, rate_text, words};
use super::{RINGS_BYTES_MAX, Thumbnail, heading, note, text};
use crate::audit::results::{Capture, LinkFound, LinkKind, Results, RingFound, ring_id};
use crate::evaluation::{grouped, percent, printable};

/// Rings in a block; the first block is open.
const BLOCK_RINGS: usize = 100;
/// Links of a ring shown: the best, and the weakest.
const BEST_SHOWN: usize = 25;
const WEAKEST_SHOWN: usize = 5;
/// Members of a ring listed.
const MEMBERS_SHOWN: usize = 60;
/// Parts listed of a ring that only doubtful links make one.
const PARTS_SHOWN: usize = 10;
/// Members of a ring shown with a photo.
const PHOTOS_SHOWN: usize = 12;
/// Links between rings listed.
const BRIDGES_SHOWN: usize = 500;
/// Largest photo taken onto the page.
const PHOTO_BYTES_MAX: usize = 64 << 10;
/// Bytes of all photos together, as text.
const PHOTOS_BYTES_MAX: usize = 8_000_000;

/// A block of rings as it is shown.
struct RingBlock {
    first: usize,
    rings: Vec<Markup>,
}

/// All rings, in blocks.
pub(super) fn rings(data: &Results, thumbnail: Option<Thumbnail<'_>>) -> Markup {
    let rings = &data.rings;
    let title = heading(words("Các nhóm hồ sơ có chung khuôn mặt", "Rings of records that share a face"));
    if rings.is_empty() {
        return html! { (title) "\n" p { (both("Không có nhóm nào.", "There is none.")) } };
    }
    let order = both(
        "Nhóm chắc nhất đứng trước: xếp theo liên kết yếu nhất mà nhóm không thể thiếu, không theo số hồ sơ. Khi in, chỉ những khối đang \
         mở được in.",
        "The surest first: ranked by the weakest link that a ring cannot do without, not by size. What is open is what prints.",
    );
    let blocks = blocks(data, thumbnail);
    let more = (rings.len() - blocks.iter().map(|block| block.rings.len()).sum::<usize>()) as u64;
    html! {
        (title)
        (note(&order))
        @for (number, block) in blocks.iter().enumerate() {
            @let range = format!("{}–{}", block.first + 1, block.first + block.rings.len());
            "\n" details open[number == 0] {
                summary { (both(&format!("Nhóm {range}"), &format!("Rings {range}"))) }
                table {
                    (link_head(words("loại", "kind")))
                    @for ring in &block.rings { "\n" (ring) }
                }
            }
        }
        @if more > 0 {
            (note(&both(
                &format!("Còn {} nhóm nữa trong rings.csv.", grouped(more)),
                &format!("{} more rings are in rings.csv.", grouped(more)),
            )))
        }
    }
}

/// As many rings as there is room for.
fn blocks(data: &Results, thumbnail: Option<Thumbnail<'_>>) -> Vec<RingBlock> {
    let mut photos = PhotoBudget { thumbnail, left: PHOTOS_BYTES_MAX };
    let (mut bytes, mut blocks) = (0, Vec::new());
    for (block, of_block) in data.rings.chunks(BLOCK_RINGS).enumerate() {
        let first = block * BLOCK_RINGS;
        let rendered = of_block.iter().enumerate().map_while(|(i, ring)| {
            let rows = ring_rows(data, first + i, ring, &mut photos);
            bytes += rows.0.len();
            (bytes <= RINGS_BYTES_MAX).then_some(rows)
        });
        let rings: Vec<Markup> = rendered.collect();
        let is_whole = rings.len() == of_block.len();
        if !rings.is_empty() {
            blocks.push(RingBlock { first, rings });
        }
        if !is_whole {
            break;
        }
    }
    blocks
}

fn link_head(last: Words) -> Markup {
    let heads = [
        words("hồ sơ", "record"),
        words("hồ sơ", "record"),
        words("điểm", "score"),
        words("FMR", "FMR"),
        words("cặp mẫu", "template pairs"),
        words("ngẫu nhiên", "chance"),
        words("chất lượng", "quality"),
        words("ngày chụp", "captured"),
        last,
        words("mã", "id"),
    ];
    html! { thead { tr { @for head in heads { th { (head) } } } } }
}

/// One ring: a line about it, its members, its links. Photos are taken while their
/// bytes last.
fn ring_rows(data: &Results, place: usize, ring: &RingFound, photos: &mut PhotoBudget<'_>) -> Markup {
    let id = ring_id(place as u32);
    let four = |score: f32| format!("{score:.4}");
    let links: Vec<&LinkFound> = ring.links.iter().map(|&link| &data.links[link as usize]).collect();
    let (best, weakest) = match links.len() {
        n if n <= BEST_SHOWN + WEAKEST_SHOWN => (&links[..], &[][..]),
        n => (&links[..BEST_SHOWN], &links[n - WEAKEST_SHOWN..]),
    };
    let left = links.len() - best.len() - weakest.len();
    html! {
        tbody id={ "r" (id) } {
            tr.h {
                th colspan="10" {
                    b.n { (id) }
                    @if let Some(id) = ring.id { i { (id) } }
                    i.c { (ring.members.len()) }
                    i.k { (links.len()) }
                    i.b { (four(ring.best_score)) }
                    i.w { (four(ring.weakest_link)) }
                    i.o { (four(ring.holds_to)) }
                    i.e { (format!("{:.1}", ring.evidence)) }
                }
            }
            "\n" tr.m {
                td colspan="10" {
                    @for (i, &member) in ring.members.iter().take(MEMBERS_SHOWN).enumerate() {
                        @if i > 0 { " · " }
                        (member_text(data, member))
                    }
                    (more(ring.members.len().saturating_sub(MEMBERS_SHOWN), "rings.csv"))
                    (hangs_on(data, ring))
                    (photos.of(data, &links))
                }
            }
            "\n"
            @for link in best { (link_row(data, link)) }
            @if left > 0 { tr.m { td colspan="10" { (more(left, "pairs.csv")) } } "\n" }
            @for link in weakest { (link_row(data, link)) }
        }
    }
}

/// Which doubtful link a ring hangs on, and what it would be without.
fn hangs_on(data: &Results, ring: &RingFound) -> Markup {
    let Some(link) = ring.hangs_on.map(|link| &data.links[link as usize]) else { return html! {} };
    let [a, b] = [link.a, link.b].map(|record| &data.records[record as usize].id);
    let (score, parts) = (link.score, ring.parts.len());
    let warning = both(
        &format!(
            "Nhóm này chỉ được nối bằng liên kết ngờ, chắc nhất là giữa {a} và {b} (điểm {score:.4}). Chỉ theo các liên kết chắc thì đây là \
             {parts} phần, có thể của những người khác nhau."
        ),
        &format!(
            "Only doubtful links make this one ring; it hangs on that of {a} and {b} (score {score:.4}). By strong links alone it is {parts} \
             parts, perhaps of different people."
        ),
    );
    // Where every part is one record the list of members has said it all.
    let parts = if ring.parts.iter().all(|part| part.len() == 1) { &[][..] } else { &ring.parts[..] };
    html! {
        br; i { (warning) }
        @for part in parts.iter().take(PARTS_SHOWN) {
            br; "– "
            @for (i, &member) in part.iter().take(MEMBERS_SHOWN).enumerate() {
                @if i > 0 { " · " }
                (text(&data.records[member as usize].id))
            }
            (more(part.len().saturating_sub(MEMBERS_SHOWN), "rings.csv"))
        }
        (more(parts.len().saturating_sub(PARTS_SHOWN), "rings.csv"))
    }
}

pub(super) fn more(count: usize, file: &str) -> Markup {
    let of = grouped(count as u64);
    html! { @if count > 0 { " … " (both(&format!("{of} nữa trong {file}"), &format!("{of} more in {file}"))) } }
}

fn member_text(data: &Results, member: u32) -> Markup {
    let facts = &data.records[member as usize];
    let known: Vec<&str> = [&facts.schemes, &facts.province, &facts.enrolled]
        .into_iter()
        .map(String::as_str)
        .filter(|f| !f.is_empty())
        .collect();
    html! {
        b { (text(&facts.id)) }
        @if facts.second_gallery { sup { "2" } }
        @if !known.is_empty() { " (" (text(&known.join("; "))) ")" }
    }
}

/// Photos of members, while their bytes last.
struct PhotoBudget<'a> {
    thumbnail: Option<Thumbnail<'a>>,
    left: usize,
}

impl PhotoBudget<'_> {
    /// A photo of each of the first members: the one of its best link.
    fn of(&mut self, data: &Results, links: &[&LinkFound]) -> Markup {
        let Some(thumbnail) = self.thumbnail else { return html! {} };
        let mut seen: Vec<u32> = Vec::new();
        let mut shown = Vec::new();
        for pair in links.iter().map(|link| &data.pairs[link.best as usize]) {
            for capture in [pair.a, pair.b].map(|capture| &data.captures[capture as usize]) {
                if seen.len() >= PHOTOS_SHOWN {
                    break;
                }
                if seen.contains(&capture.record) {
                    continue;
                }
                // One that is there and fits; the next link may have another.
                let Some(photo) = thumbnail(capture) else { continue };
                let bytes = photo.len().div_ceil(3) * 4;
                if photo.len() > PHOTO_BYTES_MAX || bytes > self.left || !photo.starts_with(&[0xFF, 0xD8, 0xFF]) {
                    continue;
                }
                self.left -= bytes;
                seen.push(capture.record);
                shown.push((&data.records[capture.record as usize].id, STANDARD.encode(&photo)));
            }
        }
        html! {
            @if !shown.is_empty() { br; }
            @for (id, photo) in &shown {
                img alt=(printable(id)) title=(printable(id)) src={ "data:image/jpeg;base64," (photo) };
            }
        }
    }
}

fn link_row(data: &Results, link: &LinkFound) -> Markup {
    let last = link.finding.map_or_else(|| link_kind(link.kind), outcome);
    row(data, link, &html! { (last) })
}

fn row(data: &Results, link: &LinkFound, last: &Markup) -> Markup {
    // The best pair's captures, in the order of the link's records.
    let best = &data.pairs[link.best as usize];
    let [mut a, mut b] = [best.a, best.b].map(|capture| &data.captures[capture as usize]);
    if a.record == link.b {
        std::mem::swap(&mut a, &mut b);
    }
    let quality = |of: &Capture| of.quality.map_or_else(|| "–".to_owned(), |q| format!("{q:.0}"));
    let day = |of: &Capture| if of.captured.is_empty() { text("–") } else { text(&of.captured) };
    let id = |record: u32| text(&data.records[record as usize].id);
    html! {
        tr class=[(link.kind != LinkKind::Strong).then_some("d")] {
            td { (id(link.a)) }
            td { (id(link.b)) }
            td.s { (format!("{:.4}", link.score)) }
            td.s { (rate_text(best.fmr)) }
            td.s { (grouped(u64::from(link.pairs))) " / " (link.compared.map_or_else(|| "–".to_owned(), grouped)) }
            td.s { (percent(link.chance_share)) }
            td.s { (quality(a)) " / " (quality(b)) }
            td.s { (day(a)) " / " (day(b)) }
            td { (last) }
            td.s { @if let Some(id) = link.id { (id) } }
        }
        "\n"
    }
}

/// Links that were not followed.
pub(super) fn bridges(data: &Results) -> Markup {
    let bridges = &data.bridges;
    let title = heading(words("Liên kết ngờ, không nối", "Links that were not followed"));
    if bridges.is_empty() {
        return html! { (title) "\n" p { (both("Không có.", "There is none.")) } };
    }
    let remark = both(
        "Mỗi liên kết này có thể là hai người khác nhau nhưng giống nhau; một mình nó không đủ để nối hai nhóm hay đưa một hồ sơ vào nhóm.",
        "Each may be two people who look alike; alone it is not enough to join two rings, or to take a record into one.",
    );
    let count = grouped(bridges.len() as u64);
    html! {
        (title)
        (note(&remark))
        "\n" details open {
            summary { (both(&format!("{count} liên kết"), &format!("{count} links"))) }
            table {
                (link_head(words("giữa", "between")))
                tbody {
                    "\n"
                    @for bridge in bridges.iter().take(BRIDGES_SHOWN).map(|&link| &data.links[link as usize]) {
                        (row(data, bridge, &ends(data, bridge)))
                    }
                }
            }
            "\n" (more(bridges.len().saturating_sub(BRIDGES_SHOWN), "pairs.csv"))
        }
    }
}

/// The rings at either end, or what was found.
fn ends(data: &Results, bridge: &LinkFound) -> Markup {
    if let Some(found) = bridge.finding {
        return html! { (outcome(found)) };
    }
    let end = |record: u32| match data.records[record as usize].ring.map(ring_id) {
        Some(id) => html! { a href={ "#r" (id) } class="n" { (id) } },
        None => both("một hồ sơ", "one record"),
    };
    html! { (end(bridge.a)) " – " (end(bridge.b)) }
}
