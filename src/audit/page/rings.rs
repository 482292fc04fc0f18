//! Rings on the page, and the links between them.

use std::fmt::Write as _;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::words::{both, link_kind, outcome, rate_text, words};
use super::{RINGS_BYTES_MAX, Thumbnail, heading, note};
use crate::audit::results::{Capture, LinkFound, LinkKind, Results, RingFound, ring_id};
use crate::evaluation::{escape, grouped, percent};

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

/// All rings, in blocks.
pub(super) fn rings(data: &Results, thumbnail: Option<Thumbnail<'_>>, out: &mut dyn Write) -> io::Result<()> {
    heading(out, words("Các nhóm hồ sơ có chung khuôn mặt", "Rings of records that share a face"))?;
    let rings = &data.rings;
    if rings.is_empty() {
        return writeln!(out, "<p>{}</p>", both("Không có nhóm nào.", "There is none."));
    }
    note(
        out,
        &both(
            "Nhóm chắc nhất đứng trước: xếp theo liên kết yếu nhất mà nhóm không thể thiếu, không theo số hồ sơ. Khi in, chỉ những khối đang \
             mở được in.",
            "The surest first: ranked by the weakest link that a ring cannot do without, not by size. What is open is what prints.",
        ),
    )?;
    let (mut bytes, mut shown) = (0, 0);
    let mut photos = Photos { thumbnail, left: PHOTOS_BYTES_MAX };
    for (block, of_block) in rings.chunks(BLOCK_RINGS).enumerate() {
        let first = block * BLOCK_RINGS;
        let rendered: Vec<String> = of_block
            .iter()
            .enumerate()
            .map_while(|(i, ring)| {
                let text = ring_rows(data, first + i, ring, &mut photos);
                bytes += text.len();
                (bytes <= RINGS_BYTES_MAX).then_some(text)
            })
            .collect();
        if rendered.is_empty() {
            break;
        }
        let open = if block == 0 { " open" } else { "" };
        let range = format!("{}–{}", first + 1, first + rendered.len());
        let title = both(&format!("Nhóm {range}"), &format!("Rings {range}"));
        writeln!(out, "<details{open}><summary>{title}</summary><table>{}", link_head(words("loại", "kind").html()))?;
        rendered.iter().try_for_each(|text| out.write_all(text.as_bytes()))?;
        writeln!(out, "</table></details>")?;
        shown += rendered.len();
        if rendered.len() < of_block.len() {
            break;
        }
    }
    match (rings.len() - shown) as u64 {
        0 => Ok(()),
        more => note(
            out,
            &both(
                &format!("Còn {} nhóm nữa trong rings.csv.", grouped(more)),
                &format!("{} more rings are in rings.csv.", grouped(more)),
            ),
        ),
    }
}

fn link_head(last: String) -> String {
    let heads = [
        words("hồ sơ", "record"),
        words("hồ sơ", "record"),
        words("điểm", "score"),
        words("FMR", "FMR"),
        words("cặp mẫu", "template pairs"),
        words("ngẫu nhiên", "chance"),
        words("chất lượng", "quality"),
        words("ngày chụp", "captured"),
    ];
    let cells: String = heads.iter().map(|head| format!("<th>{}</th>", head.html())).collect();
    format!("<thead><tr>{cells}<th>{last}</th></tr></thead>")
}

/// One ring: a line about it, its members, its links. Photos are taken while their
/// bytes last.
fn ring_rows(data: &Results, place: usize, ring: &RingFound, photos: &mut Photos<'_>) -> String {
    let id = ring_id(place as u32);
    let mut text = format!(
        "<tbody id=r{id}><tr class=h><th colspan=9><b class=n>{id}</b><i class=c>{}</i><i class=k>{}</i>\
         <i class=b>{:.4}</i><i class=w>{:.4}</i><i class=o>{:.4}</i><i class=e>{:.1}</i></th></tr>\n<tr class=m><td colspan=9>",
        ring.members.len(),
        ring.links.len(),
        ring.best_score,
        ring.weakest_link,
        ring.holds_to,
        ring.evidence
    );
    let members: Vec<String> =
        ring.members.iter().take(MEMBERS_SHOWN).map(|&member| member_text(data, member)).collect();
    text.push_str(&members.join(" · "));
    more(&mut text, ring.members.len().saturating_sub(MEMBERS_SHOWN), "rings.csv");
    hangs_on(data, ring, &mut text);
    photos.of(data, ring, &mut text);
    text.push_str("</td></tr>\n");

    let links = &ring.links;
    let (best, weakest) = match links.len() {
        n if n <= BEST_SHOWN + WEAKEST_SHOWN => (&links[..], &[][..]),
        n => (&links[..BEST_SHOWN], &links[n - WEAKEST_SHOWN..]),
    };
    best.iter().for_each(|&link| link_row(data, &data.links[link as usize], &mut text));
    let left = links.len() - best.len() - weakest.len();
    if left > 0 {
        text.push_str("<tr class=m><td colspan=9>");
        more(&mut text, left, "pairs.csv");
        text.push_str("</td></tr>\n");
    }
    weakest.iter().for_each(|&link| link_row(data, &data.links[link as usize], &mut text));
    text.push_str("</tbody>\n");
    text
}

/// Which doubtful link a ring hangs on, and what it would be without.
fn hangs_on(data: &Results, ring: &RingFound, text: &mut String) {
    let Some(link) = ring.hangs_on.map(|link| &data.links[link as usize]) else { return };
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
    text.push_str(&format!("<br><i>{warning}</i>"));
    // Where every part is one record the list of members has said it all.
    if ring.parts.iter().all(|part| part.len() == 1) {
        return;
    }
    for part in ring.parts.iter().take(PARTS_SHOWN) {
        let ids: Vec<String> =
            part.iter().take(MEMBERS_SHOWN).map(|&member| escape(&data.records[member as usize].id)).collect();
        text.push_str(&format!("<br>– {}", ids.join(" · ")));
        more(text, part.len().saturating_sub(MEMBERS_SHOWN), "rings.csv");
    }
    more(text, ring.parts.len().saturating_sub(PARTS_SHOWN), "rings.csv");
}

fn more(text: &mut String, count: usize, file: &str) {
    if count > 0 {
        let count = grouped(count as u64);
        text.push_str(" … ");
        text.push_str(&both(&format!("{count} nữa trong {file}"), &format!("{count} more in {file}")));
    }
}

fn member_text(data: &Results, member: u32) -> String {
    let facts = &data.records[member as usize];
    let known: Vec<String> = [&facts.schemes, &facts.province, &facts.enrolled]
        .into_iter()
        .filter(|f| !f.is_empty())
        .map(|f| escape(f))
        .collect();
    let side = if facts.second_gallery { "<sup>2</sup>" } else { "" };
    match known.is_empty() {
        true => format!("<b>{}</b>{side}", escape(&facts.id)),
        false => format!("<b>{}</b>{side} ({})", escape(&facts.id), known.join("; ")),
    }
}

/// Photos of members, while their bytes last.
struct Photos<'a> {
    thumbnail: Option<Thumbnail<'a>>,
    left: usize,
}

impl Photos<'_> {
    /// A photo of each of the first members: the one of its best link.
    fn of(&mut self, data: &Results, ring: &RingFound, text: &mut String) {
        let Some(thumbnail) = self.thumbnail else { return };
        let mut seen: Vec<u32> = Vec::new();
        for link in ring.links.iter().map(|&link| &data.links[link as usize]) {
            let pair = &data.pairs[link.best as usize];
            for capture in [pair.a, pair.b].map(|capture| &data.captures[capture as usize]) {
                if seen.len() >= PHOTOS_SHOWN {
                    return;
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
                let id = escape(&data.records[capture.record as usize].id);
                let line = if seen.is_empty() { "<br>" } else { "" };
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    "{line}<img alt=\"{id}\" title=\"{id}\" src=\"data:image/jpeg;base64,{}\">",
                    STANDARD.encode(&photo)
                );
                seen.push(capture.record);
            }
        }
    }
}

fn link_row(data: &Results, link: &LinkFound, text: &mut String) {
    let last = match link.finding {
        Some(found) => outcome(found).html(),
        None => link_kind(link.kind).html(),
    };
    row(data, link, &last, text);
}

fn row(data: &Results, link: &LinkFound, last: &str, text: &mut String) {
    // The best pair's captures, in the order of the link's records.
    let best = &data.pairs[link.best as usize];
    let [mut a, mut b] = [best.a, best.b].map(|capture| &data.captures[capture as usize]);
    if a.record == link.b {
        std::mem::swap(&mut a, &mut b);
    }
    let quality = |of: &Capture| of.quality.map_or_else(|| "–".to_owned(), |q| format!("{q:.0}"));
    let day = |of: &Capture| if of.captured.is_empty() { "–".to_owned() } else { escape(&of.captured) };
    let [id_a, id_b] = [link.a, link.b].map(|record| escape(&data.records[record as usize].id));
    let class = if link.kind == LinkKind::Strong { "" } else { " class=d" };
    let fmr = rate_text(best.fmr);
    let compared = link.compared.map_or_else(|| "–".to_owned(), grouped);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<tr{class}><td>{id_a}<td>{id_b}<td class=s>{:.4}<td class=s>{fmr}<td class=s>{} / {}<td class=s>{}<td class=s>{} / {}<td class=s>{} / {}<td>{last}</tr>",
        link.score,
        grouped(u64::from(link.pairs)),
        compared,
        percent(link.chance_share),
        quality(a),
        quality(b),
        day(a),
        day(b),
    );
}

/// Links that were not followed.
pub(super) fn bridges(data: &Results, out: &mut dyn Write) -> io::Result<()> {
    let bridges = &data.bridges;
    heading(out, words("Liên kết ngờ, không nối", "Links that were not followed"))?;
    if bridges.is_empty() {
        return writeln!(out, "<p>{}</p>", both("Không có.", "There is none."));
    }
    note(
        out,
        &both(
            "Mỗi liên kết này có thể là hai người khác nhau nhưng giống nhau; một mình nó không đủ để nối hai nhóm hay đưa một hồ sơ vào nhóm.",
            "Each may be two people who look alike; alone it is not enough to join two rings, or to take a record into one.",
        ),
    )?;
    let title = both(
        &format!("{} liên kết", grouped(bridges.len() as u64)),
        &format!("{} links", grouped(bridges.len() as u64)),
    );
    writeln!(
        out,
        "<details open><summary>{title}</summary><table>{}<tbody>",
        link_head(words("giữa", "between").html())
    )?;
    for bridge in bridges.iter().take(BRIDGES_SHOWN).map(|&link| &data.links[link as usize]) {
        let mut text = String::new();
        row(data, bridge, &ends(data, bridge), &mut text);
        out.write_all(text.as_bytes())?;
    }
    writeln!(out, "</tbody></table>")?;
    let mut text = String::new();
    more(&mut text, bridges.len().saturating_sub(BRIDGES_SHOWN), "pairs.csv");
    writeln!(out, "{text}</details>")
}

/// The rings at either end, or what was found.
fn ends(data: &Results, bridge: &LinkFound) -> String {
    if let Some(found) = bridge.finding {
        return outcome(found).html();
    }
    let end = |record: u32| match data.records[record as usize].ring.map(ring_id) {
        Some(id) => format!("<a href=#r{id} class=n>{id}</a>"),
        None => both("một hồ sơ", "one record"),
    };
    format!("{} – {}", end(bridge.a), end(bridge.b))
}
