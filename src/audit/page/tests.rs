use crate::audit::left_out::{LeftOutCount, LeftOutUnit};
use crate::audit::results::tests::{HANGING, Made, PAIRS, found};
use crate::audit::results::{
    Capture, ChangedPair, ChangedRing, ChangesSummary, Clearing, Compared, PairChange, Results, RingChange, RunInfo,
};

fn page(found: &Made) -> String {
    page_of(found, &found.results())
}

fn page_of(found: &Made, results: &Results) -> String {
    let mut bytes = Vec::new();
    let thumbnail = |of: &Capture| found.thumbnail(of);
    results.write_page(&mut bytes, Some(&thumbnail)).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_page_is_self_contained_and_safe() {
    let text = page(&found(&PAIRS, "\"><script>alert('1')</script>&"));
    // The one address is the name of SVG's language.
    let addresses = text.matches("http").count() - text.matches("http://www.w3.org/2000/svg").count();
    // "http-equiv" is no address.
    assert_eq!(addresses, 1);
    for bad in ["<script", "@import", "url(", "javascript:", "onload", "<few>", "<gallery>", "<found>"] {
        assert!(!text.contains(bad), "{bad}");
    }
    assert!(text.contains("&quot;&gt;&lt;script&gt;alert('1')&lt;/script&gt;&amp;5"));
    assert!(text.contains("&lt;gallery&gt; &amp; &quot;more&quot;") && text.contains("default-src 'none'"));
}

/// Ids, attributes, filters and reasons are whoever's who wrote them.
#[test]
fn whatever_a_file_or_an_officer_brings_is_text_and_never_an_element() {
    let hostile = |what: &str| format!("\"><script>{what}</script>'&");
    let mut found = found(&HANGING, "\"><script>id</script>'&");
    found.records.facts = Some([hostile("schemes"), hostile("province"), hostile("enrolled"), hostile("captured")]);
    found.photo = Some(vec![0xFF, 0xD8, 0xFF, 0xE0]);
    found.compared = Compared {
        source: hostile("source"),
        against: Some(hostile("against")),
        since: Some(hostile("since")),
        filters: vec![hostile("filter")],
        recipe: Some(hostile("recipe")),
        left_out: vec![LeftOutCount {
            code: "WHY".into(),
            en: hostile("left out"),
            vi: hostile("bỏ qua"),
            count: 1,
            unit: LeftOutUnit::Photos,
        }],
        ..found.compared
    };
    found.chance.not_own = Some(hostile("chance"));
    found.chance.calibration.as_mut().unwrap().group = hostile("curve");
    let text = page(&found);
    assert!(!text.contains("<script") && !text.contains("</script"));
    for what in [
        "id", "schemes", "province", "enrolled", "captured", "source", "against", "since", "filter", "recipe",
        "left out", "bỏ qua", "chance", "curve",
    ] {
        assert!(text.contains(&format!("&quot;&gt;&lt;script&gt;{what}&lt;/script&gt;'&amp;")), "{what}");
    }
    // In attributes, too.
    assert!(text.contains("<img alt=\"&quot;&gt;&lt;script&gt;id&lt;/script&gt;'&amp;"));
}

/// The results of a second run, in which everything that a person wrote is `text`.
fn second_run(found: &Made, text: impl Fn(&str) -> String) -> Results {
    let mut results = found.results();
    results.summary.run = Some(RunInfo {
        began: "2026-11-29T08:00:00Z".into(),
        finished: "2026-11-29T09:00:00Z".into(),
        version: "1.2.3".into(),
        pack: Some(text("pack")),
        user: Some(text("user")),
        command: text("command"),
        templates: "ab".repeat(32),
    });
    results.summary.changes = Some(ChangesSummary {
        since: Some(text("earlier")),
        kept_in: text("kept in"),
        threshold_before: 0.4,
        records_new: Some(4_321),
        pairs_new: 1,
        pairs_gone: 1,
        rings_grown: 1,
        ..ChangesSummary::default()
    });
    let id = results.links[0].id.unwrap();
    let pair = |change, name: &str| ChangedPair { change, id, records: [text(name), text(name)], score: 0.9 };
    results.changed_pairs = vec![pair(PairChange::NewRecord, "new pair"), pair(PairChange::Cleared, "gone pair")];
    let ring = results.rings[0].id.unwrap();
    let (joined, left) = (vec![text("joined")], vec![text("left")]);
    results.changed_rings =
        vec![ChangedRing { change: RingChange::Grown, id: ring, members: 3, joined, left, others: vec![ring] }];
    for cleared in &mut results.cleared {
        cleared.clearing =
            Clearing { outcome: None, officer: text("officer"), reason: text("reason"), at: Some(1_700_000_000_000) };
    }
    results
}

#[test]
fn what_an_officer_or_a_command_brings_is_text_in_the_sections_of_runs_changes_and_cleared_pairs() {
    let found = found(&PAIRS, "s");
    let page = page_of(&found, &second_run(&found, |what| format!("\"><script>{what}</script>'&")));
    assert!(!page.contains("<script") && !page.contains("</script"));
    for what in [
        "pack",
        "user",
        "command",
        "earlier",
        "kept in",
        "new pair",
        "gone pair",
        "joined",
        "left",
        "officer",
        "reason",
    ] {
        assert!(page.contains(&format!("&quot;&gt;&lt;script&gt;{what}&lt;/script&gt;'&amp;")), "{what}");
    }
}

#[test]
fn the_page_says_which_run_it_is_of_what_has_changed_and_who_was_cleared() {
    let found = found(&PAIRS, "s");
    let results = second_run(&found, str::to_owned);
    let page = page_of(&found, &results);
    let section = |id: &str| {
        let begin = page.find(&format!("<section id=\"{id}\">")).expect("a section");
        &page[begin..begin + page[begin..].find("</section>").unwrap()]
    };
    for part in ["2026-11-29T08:00:00Z", "2026-11-29T09:00:00Z", "1.2.3", "pack", "user", "<code>command</code>"] {
        assert!(section("run").contains(part), "{part}");
    }
    for part in ["kept in", "4\u{202f}321", "0.4", "a record is new", "was cleared", "rings that gained members"] {
        assert!(section("changes").contains(part), "{part}");
    }
    // Apart from the rings, with the id that names it.
    let cleared = &page[page.find("Pairs that were cleared").expect("a heading")..];
    let id = results.cleared[0].id.unwrap().to_string();
    for part in
        [&*id, "<td>s8</td>", "<td>s9</td>", "officer", "2023-11-14T22:13:20Z", "reason", "cleared in the gallery"]
    {
        assert!(cleared.contains(part), "{part}");
    }
    assert_eq!(page.matches(&id).count(), 1);
    assert!(page.contains(&results.rings[0].id.unwrap().to_string()));
    // A first run of which nothing is known has neither.
    let first = page_of(&found, &found.results());
    assert!(!first.contains("<section"));
}

#[test]
fn the_page_says_in_both_languages_what_was_compared_found_and_left_out() {
    let text = page(&found(&PAIRS, "s"));
    for part in [
        "Chance explains most of what was found",
        "Phần lớn các cặp tìm thấy chỉ là ngẫu nhiên",
        "What was compared",
        "Đã so sánh những gì",
        "province 01",
        "audit-1",
        "2\u{202f}000\u{202f}000",
        "no face &lt;found&gt;",
        "không thấy mặt",
        "<b class=\"n\">1</b>",
        "<b class=\"n\">2</b>",
        "one person enrolled",
        "2021-05-06 / 2021-05-06",
        "62 / 62",
        "200 (100–400)",
        "<svg",
    ]
    .iter()
    .filter(|part| !part.starts_with("one person"))
    {
        assert!(text.contains(part), "{part}");
    }
    // What an investigator found stands where the kind of the link would.
    assert!(text.contains("<span lang=\"en\">fraud</span>"));
    assert_eq!(
        text.matches("lang=\"vi\">").count(),
        text.matches("lang=\"en\">").count() + 1,
        "every text twice, and the page"
    );
    for tag in [
        "table", "thead", "tbody", "tr", "th", "td", "h2", "details", "summary", "span", "b", "i", "p", "ul", "li",
        "svg", "main",
    ] {
        let opened = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn the_page_says_whose_error_rate_it_states() {
    let mut found = found(&PAIRS, "s");
    assert!(page(&found).contains("everybody whom the model pack was calibrated on"));
    found.chance.calibration.as_mut().unwrap().group = "set=<few> sex=F".into();
    let text = page(&found);
    assert!(text.contains("nhóm người có tỷ lệ cao nhất trong tập hiệu chuẩn: set=&lt;few&gt; sex=F"));
    assert!(
        text.contains("the group with the highest rate that the model pack was calibrated on: set=&lt;few&gt; sex=F")
    );
    found.chance.calibration = None;
    assert!(page(&found).contains("not by the calibration"));
}

#[test]
fn the_page_warns_of_rings_that_hang_on_a_doubtful_link_and_of_no_other() {
    // An officer must not take a ring of two people for one.
    let text = page(&found(&HANGING, "<s>"));
    assert_eq!(text.matches("it hangs on that of &lt;s&gt;20 and &lt;s&gt;21").count(), 1);
    assert_eq!(text.matches("chắc nhất là giữa &lt;s&gt;20 và &lt;s&gt;21").count(), 1);
    assert!(!page(&found(&PAIRS, "s")).contains("it hangs on that of"));
    // Each link says what share of those like it are chance, and of how many template pairs.
    assert!(text.contains("<td class=\"s\">1 / 4</td><td class=\"s\">100"), "{text}");
}

#[test]
fn nothing_found_is_a_page_too() {
    let text = page(&found(&[], "s"));
    assert!(text.contains("No pair of records reaches the threshold") && text.contains("There is none."));
}

#[test]
fn photos_are_on_the_page_where_they_are_given() {
    let mut found = found(&PAIRS, "s");
    assert!(!page(&found).contains("<img"));
    found.photo = Some(vec![0xFF, 0xD8, 0xFF, 0xE0, 1, 2]);
    let text = page(&found);
    // Every member once.
    assert_eq!(text.matches("src=\"data:image/jpeg;base64,/9j/4AEC\"").count(), 5);
    // What is no JPEG, or too large, is left out.
    found.photo = Some(b"<svg onload=alert(1)>".to_vec());
    assert!(!page(&found).contains("<img"));
    found.photo = Some([vec![0xFF, 0xD8, 0xFF], vec![0; 65 << 10]].concat());
    assert!(!page(&found).contains("<img"));
}

#[test]
fn ten_thousand_rings_stay_below_twenty_megabytes() {
    // Pairs and rings of six with all their links, under long names.
    let mut pairs = Vec::new();
    for ring in 0..10_000u32 {
        let size = if ring % 50 == 0 { 6 } else { 2 };
        for a in 0..size {
            pairs.extend((0..a).map(|b| (20 * ring + 2 * b, 20 * ring + 2 * a, 0.95)));
        }
    }
    let mut found = found(&pairs, "a-long-pseudonymous-id-of-a-subject-");
    let plain = page(&found);
    assert!(plain.len() < 20_000_000, "{}", plain.len());
    assert!(plain.contains("<b class=\"n\">10000</b>") && plain.matches("<details").count() == 100);
    // Photos are taken while there is room for them; no ring is lost for them.
    found.photo = Some([vec![0xFF, 0xD8, 0xFF], vec![7; 3000]].concat());
    let text = page(&found);
    assert!(text.len() < 20_000_000 + 100_000 && text.matches("<img").count() > 1000, "{}", text.len());
}
