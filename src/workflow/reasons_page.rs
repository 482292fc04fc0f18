//! `docs/reasons.md`: every code a caller can be given, with all sentences, written from
//! the tables. A test compares the file with them; with `CHINHCHU_WRITE_DOCS=1` it
//! writes the file instead.

use std::fmt::Write;

use super::beneficiary::{AppliedRule, Consequence, ReasonCode, citizen_reason, is_tried_again, resolved_sentence};
use super::reason::Reason;
use crate::chip;
use crate::face::quality::Flaw;
use crate::gallery::Outcome;

const HEAD: &str = "\
# Every code, and what people are told

Written from the tables in the source; `cargo test reasons_page` compares it with them, and with
`CHINHCHU_WRITE_DOCS=1` in the environment writes it anew. Codes never change their meaning; sentences may.

A reason of a decision states a fact. What to do follows from what the policy makes of it (accept, refer, deny) and
from the outcome. A reason that only follows from another one says so instead. The citizen is told of the reason that
comes first, in at most 160 characters.

";

/// The page.
fn page() -> String {
    let mut out = HEAD.to_owned();
    decisions(&mut out);
    out += "\n## What a chip check finds\n\n\
            The sentences of `chip inspect`. In a decision the action is the one its policy gives.\n\n\
            | code | effect | English | Vietnamese |\n|---|---|---|---|\n";
    for reason in chip::Reason::ALL {
        let (en, vi) = (reason.inspection_en(), reason.inspection_vi());
        let effect = chip::effect_code(reason.effect());
        let _ = writeln!(out, "| `{}` | {effect} | {en} | {vi} |", reason.code());
    }
    out += "\n## What is wrong with a picture\n\n| code | English | Vietnamese |\n|---|---|---|\n";
    for flaw in Flaw::ALL {
        let _ = writeln!(out, "| `{}` | {} | {} |", flaw.code(), flaw.en(), flaw.vi());
    }
    out += "\n## Why a request is refused\n\n| code | class | English | Vietnamese |\n|---|---|---|---|\n";
    for reason in Reason::ALL {
        let class = format!("{:?}", reason.class());
        let _ = writeln!(out, "| `{}` | {class} | {} | {} |", reason.code(), reason.en(), reason.vi());
    }
    out
}

fn decisions(out: &mut String) {
    *out += "## Reasons of a decision\n\n";
    for &ground in ReasonCode::ALL {
        let _ = writeln!(out, "### `{}`\n\nAbout: `{}`.\n", ground.code(), ground.piece().name());
        let governing = ground.governed_by();
        if governing != ground {
            let _ = writeln!(out, "Stands for `{}`, whose key of a policy governs it.\n", governing.code());
        }
        let again = is_tried_again(ground);
        let possible: Vec<Consequence> = ground.consequences_possible().collect();
        *out += "| to whom | English | Vietnamese |\n|---|---|---|\n";
        for &consequence in &possible {
            let outcome = match consequence {
                Consequence::Accept => Outcome::Approve,
                Consequence::Refer => Outcome::Refer,
                Consequence::Deny => Outcome::Deny,
            };
            for retake in [true, false] {
                if retake && (!again || outcome == Outcome::Approve) {
                    continue;
                }
                let told = AppliedRule { ground, consequence, follows: None }.sentence(outcome, retake);
                let when = if retake { ", to be tried again" } else { "" };
                let _ = writeln!(out, "| clerk, {}{when} | {} | {} |", consequence.name(), told.en, told.vi);
            }
        }
        for (name, outcome, retake) in [
            ("referred", Outcome::Refer, false),
            ("denied", Outcome::Deny, false),
            ("to be tried again", Outcome::Refer, true),
        ] {
            let decides = match outcome {
                Outcome::Deny => possible.contains(&Consequence::Deny),
                _ => possible.contains(&Consequence::Refer) && (again || !retake),
            };
            if !decides {
                continue;
            }
            let told = citizen_reason(ground, outcome, retake);
            let _ = writeln!(out, "| citizen, {name} | {} | {} |", told.en, told.vi);
        }
        out.push('\n');
    }
    let any = AppliedRule { ground: ReasonCode::NumberMissing, consequence: Consequence::Refer, follows: None };
    *out += "### Beside them\n\n| when | English | Vietnamese |\n|---|---|---|\n";
    let follows = AppliedRule { follows: Some(ReasonCode::ChipUnreadable), ..any };
    let photo = AppliedRule { ground: ReasonCode::ChipFaceMissing, ..follows }.sentence(Outcome::Refer, false);
    let follows = follows.sentence(Outcome::Refer, false);
    let lesser = any.sentence(Outcome::Deny, false);
    for (when, told) in [
        ("clerk: a reason that follows from another, such as `NUMBER_MISSING`", follows),
        ("clerk: `CHIP_FACE_MISSING` where it follows from another", photo),
        ("clerk: a reason that did not decide, such as `NUMBER_MISSING` in a denial", lesser),
        ("citizen: approved", resolved_sentence(Outcome::Approve)),
        ("citizen: denied by an officer", resolved_sentence(Outcome::Deny)),
    ] {
        let _ = writeln!(out, "| {when} | {} | {} |", told.en, told.vi);
    }
}

#[test]
fn the_page_of_reasons_is_what_the_tables_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md");
    if std::env::var_os("CHINHCHU_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page(), "docs/reasons.md is not what the tables say; run this test with CHINHCHU_WRITE_DOCS=1");
}

#[test]
fn one_register_and_one_spelling_throughout() {
    // The tables, and every other Vietnamese sentence in the source.
    let mut texts = vec![page()];
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                // This list names what it forbids.
                false if path.ends_with("workflow/reason.rs") || path.ends_with("beneficiary/sentences.rs") => {}
                false if path.ends_with("workflow/reasons_page.rs") => {}
                false => texts.push(std::fs::read_to_string(&path).unwrap_or_default()),
            }
        }
    }
    for no in ["Vui lòng", "huỷ", "khoá", "loá", "chuyển người có thẩm quyền", "Không so được", "Một số kiểm tra"]
    {
        assert!(texts.iter().all(|text| !text.contains(no)), "{no}");
    }
}
