//! What people are told of a decision, in English and Vietnamese: the clerk what was
//! compared and what to do, the citizen what happened, what to bring, whom to ask and
//! how to contest.
//!
//! A reason's fact comes from its table. What to do comes from what the policy makes of
//! it and from the outcome, so that no sentence says otherwise than the decision.

use super::decide::{Decided, Weighed};
use super::evidence::Evidence;
use super::grounds::{Ground, Piece};
use super::policy::Consequence;
use crate::chip::{Reason, words::Effect};
use crate::gallery::Outcome;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// English, ASCII.
    pub en: String,
    /// Vietnamese.
    pub vi: String,
}

/// Longest sentence for a citizen, in characters: one text message.
pub const CITIZEN_CHARS_MAX: usize = 160;

/// English, then Vietnamese.
type Both = (&'static str, &'static str);

fn joined(parts: &[Both]) -> Sentence {
    let of = |text: fn(&Both) -> &'static str| {
        let parts: Vec<&str> = parts.iter().map(text).filter(|text| !text.is_empty()).collect();
        parts.join(" ")
    };
    Sentence { en: of(|both| both.0), vi: of(|both| both.1) }
}

// For the clerk: one reason.

/// What may help at the counter before anything else is done.
#[derive(Clone, Copy)]
enum Hint {
    None,
    /// Trying again may decide better.
    Again(Both),
    /// Something to do beside it.
    Also(Both),
}

fn hint(ground: Ground) -> Hint {
    const READ: Both = ("Read the chip again", "Hãy đọc lại chip");
    const CAPTURE: Both = (
        "Take the captures again in even light, looking into the camera",
        "Hãy chụp lại ở nơi sáng đều, nhìn thẳng vào máy ảnh",
    );
    const COMPARE: Both = ("Compare the original papers.", "Hãy đối chiếu giấy tờ gốc.");
    const OPERATOR: Both = ("Tell the operator.", "Hãy báo người vận hành.");
    match ground {
        Ground::ChipUnreadable | Ground::ChipFaceMissing => Hint::Again(READ),
        Ground::ChipMissing => Hint::Again(("Read the chip", "Hãy đọc chip")),
        Ground::QualityPoor | Ground::ChipFaceUnsure | Ground::ReferenceFaceUnsure => Hint::Again(CAPTURE),
        Ground::FramesRepeated | Ground::FramesStill => {
            Hint::Again(("Take several captures, one after the other", "Hãy chụp nhiều ảnh, lần lượt từng ảnh"))
        }
        Ground::RecordDisagrees => Hint::Also((
            "Compare the photos in the record with the original papers.",
            "Hãy đối chiếu các ảnh trong hồ sơ với giấy tờ gốc.",
        )),
        Ground::LivenessLow | Ground::CaptureIsChipPhoto | Ground::CaptureIsEnrolledPhoto => Hint::Again((
            "See that the person stands before the camera and take the captures again",
            "Hãy bảo đảm người thật đứng trước máy ảnh và chụp lại",
        )),
        Ground::ChipLapsed => Hint::Also(("Ask for a valid card.", "Hãy yêu cầu thẻ còn hạn.")),
        Ground::ChipUnanchored => Hint::Also((
            "Tell the operator to install the authority's certificate.",
            "Hãy báo người vận hành cài chứng thư gốc.",
        )),
        Ground::ChipNotProven => Hint::Also(("Look at the card itself.", "Hãy xem trực tiếp thẻ gốc.")),
        Ground::NumberDiffers => {
            Hint::Also(("Check that the right record is open.", "Hãy kiểm tra xem đã mở đúng hồ sơ chưa."))
        }
        Ground::NameDiffers
        | Ground::BirthDateDiffers
        | Ground::SexDiffers
        | Ground::ChipNumbersDisagree
        | Ground::NumberUnreadable
        | Ground::NameUnreadable
        | Ground::BirthDateUnreadable => Hint::Also(COMPARE),
        Ground::QualityMissing | Ground::LivenessMissing | Ground::DuplicatesMissing => Hint::Also(OPERATOR),
        _ => Hint::None,
    }
}

const ACCEPTED: Both = ("The policy accepts this; go on.", "Chính sách chấp nhận điều này; hãy tiếp tục.");
const REFERRED: Both = ("Refer the case to an officer.", "Hãy chuyển hồ sơ cho người có thẩm quyền.");
const REFERRED_THEN: Both =
    ("; if it stays so, refer the case to an officer.", "; nếu vẫn vậy, hãy chuyển hồ sơ cho người có thẩm quyền.");
const DENIED: Both = ("Do not pay or serve on this claim.", "Không chi trả hoặc phục vụ theo yêu cầu này.");
const FOLLOWS: Both = (
    "This follows from a reason named before; deal with that one.",
    "Điều này là hệ quả của lý do nêu trước; hãy xử lý lý do đó.",
);
const AS_A_WHOLE: Both = ("Act on the decision as a whole.", "Hãy làm theo kết luận chung của quyết định này.");

/// The action a consequence asks for within an outcome.
fn action(consequence: Consequence, outcome: Outcome) -> Both {
    match (consequence, outcome) {
        (Consequence::Accept, Outcome::Approve) => ACCEPTED,
        (Consequence::Refer, Outcome::Refer) => REFERRED,
        (Consequence::Deny, Outcome::Deny) => DENIED,
        // It did not decide, and to say what it alone would lead to would contradict.
        _ => AS_A_WHOLE,
    }
}

/// Whether trying again is what helps against it.
pub fn is_tried_again(ground: Ground) -> bool {
    matches!(hint(ground), Hint::Again(_))
}

impl Weighed {
    /// What the clerk reads of this reason in a decision of this outcome: the fact, and
    /// what to do.
    pub fn sentence(&self, outcome: Outcome) -> Sentence {
        let fact = (self.ground.en(), self.ground.vi());
        if self.follows.is_some() {
            return joined(&[fact, FOLLOWS]);
        }
        let action = action(self.consequence, outcome);
        match hint(self.ground) {
            Hint::Again((en, vi)) if action == REFERRED => {
                let facts = joined(&[fact, (en, vi)]);
                Sentence { en: facts.en + REFERRED_THEN.0, vi: facts.vi + REFERRED_THEN.1 }
            }
            Hint::Also(also) if action != AS_A_WHOLE => joined(&[fact, also, action]),
            _ => joined(&[fact, action]),
        }
    }
}

/// What the clerk reads of a finding of the chip check in this decision.
pub fn chip_sentence(reason: Reason, decided: &Decided) -> Sentence {
    let ground = match (reason, reason.effect()) {
        (Reason::WeakHash | Reason::WeakKey, _) => Some(Ground::ChipWeak),
        (Reason::NumbersDisagree, _) => Some(Ground::ChipNumbersDisagree),
        (Reason::ActiveAuthenticationAbsent | Reason::ActiveAuthenticationUnproven, _) => Some(Ground::ChipNotProven),
        (_, Effect::Altered) => Some(Ground::ChipAltered),
        (_, Effect::Untrusted) => Some(Ground::ChipUntrusted),
        (_, Effect::Unreadable) => Some(Ground::ChipUnreadable),
        (_, Effect::Unanchored) => Some(Ground::ChipUnanchored),
        (_, Effect::Lapsed) => Some(Ground::ChipLapsed),
        (_, Effect::Note) => None,
    };
    let weighed = ground.and_then(|ground| decided.grounds.iter().find(|one| one.ground == ground));
    let advice = reason.advice().map_or(("", ""), |advice| (advice.en(), advice.vi()));
    let action = match weighed {
        Some(weighed) => action(weighed.consequence, decided.outcome),
        None if reason.effect() == Effect::Note && advice.0.is_empty() => (
            "This is a note; by itself it does not change the verdict.",
            "Đây là ghi chú; riêng điều này không làm thay đổi kết luận.",
        ),
        // A graver finding took its place.
        None if reason.effect() == Effect::Note => ("", ""),
        None => AS_A_WHOLE,
    };
    joined(&[(reason.en(), reason.vi()), advice, action])
}

// For the clerk: the decision as a whole.

fn piece_name(piece: Piece) -> Both {
    match piece {
        Piece::Chip => ("the chip of the card", "chip của thẻ"),
        Piece::Number => ("the number", "số định danh"),
        Piece::Name => ("the name", "họ tên"),
        Piece::BirthDate => ("the date of birth", "ngày sinh"),
        Piece::Sex => ("the sex", "giới tính"),
        Piece::Scheme => ("the scheme", "chế độ hưởng"),
        Piece::Quality => ("the quality of the captures", "chất lượng ảnh chụp"),
        Piece::Liveness => ("whether a living person was captured", "người thật trước máy ảnh"),
        Piece::ChipFace => ("the photo in the chip", "ảnh trong chip"),
        Piece::ReferenceFace => ("an enrolled photo", "ảnh đã đăng ký trong hồ sơ"),
        Piece::Duplicates => ("whether the face is on another record", "trùng khuôn mặt với hồ sơ khác"),
    }
}

/// The decision in a sentence for the clerk: with an approval what was compared, what
/// was not, and what the policy accepts; otherwise what to do.
pub fn decision_sentence(decided: &Decided, evidence: &Evidence) -> Sentence {
    match decided.outcome {
        Outcome::Approve => approved(decided, evidence),
        Outcome::Refer if decided.retake => {
            let again = again(decided);
            Sentence {
                en: format!("Referred: {}{}", lower(again.0), REFERRED_THEN.0),
                vi: format!("Chuyển xử lý: {}{}", lower(again.1), REFERRED_THEN.1),
            }
        }
        Outcome::Refer => joined(&[
            ("Referred:", "Chuyển xử lý:"),
            ("refer the case to an officer, who must look at it.", "hãy chuyển hồ sơ cho người có thẩm quyền xem xét."),
        ]),
        Outcome::Deny => {
            let denied = joined(&[
                ("Denied:", "Từ chối:"),
                ("do not pay or serve on this claim.", "không chi trả hoặc phục vụ theo yêu cầu này."),
            ]);
            if !decided.retake {
                return denied;
            }
            let again = again(decided);
            Sentence {
                en: format!("{} {} under the next attempt.", denied.en, again.0),
                vi: format!("{} {} ở lần thử kế tiếp.", denied.vi, again.1),
            }
        }
    }
}

/// What to try again.
fn again(decided: &Decided) -> Both {
    let against =
        || decided.grounds.iter().filter(|one| one.consequence > Consequence::Accept && one.follows.is_none());
    let chip = against().any(|one| one.ground.piece().is_of_chip() && one.ground != Ground::ChipFaceUnsure);
    let captures = against().any(|one| !one.ground.piece().is_of_chip() || one.ground == Ground::ChipFaceUnsure);
    match (chip, captures) {
        (true, true) => ("Read the chip again and take the captures again", "Hãy đọc lại chip và chụp lại ảnh"),
        (true, false) => ("Read the chip again", "Hãy đọc lại chip"),
        _ => ("Take the captures again", "Hãy chụp lại ảnh"),
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn approved(decided: &Decided, evidence: &Evidence) -> Sentence {
    let faces = match (&evidence.chip_face, &evidence.reference_face) {
        (Some(_), Some(_)) => (
            "the face matches the photo in the chip and the photo enrolled in the record",
            "khuôn mặt khớp với ảnh trong chip và với ảnh đã đăng ký trong hồ sơ",
        ),
        (Some(_), None) => ("the face matches the photo in the chip", "khuôn mặt khớp với ảnh trong chip"),
        _ => ("the face matches the photo enrolled in the record", "khuôn mặt khớp với ảnh đã đăng ký trong hồ sơ"),
    };
    let record = evidence.record;
    let fields = [
        (record.number, Piece::Number),
        (record.name, Piece::Name),
        (record.birth_date, Piece::BirthDate),
        (record.sex, Piece::Sex),
    ];
    let agree: Vec<Both> =
        fields.into_iter().filter(|(state, _)| state.agrees()).map(|(_, piece)| piece_name(piece)).collect();
    let no_chip = decided.without.contains(&Piece::Chip);
    // Without a chip, that nothing of it was compared goes without saying.
    let unchecked = decided.without.iter().filter(|piece| !(no_chip && piece.is_of_chip() && **piece != Piece::Chip));
    let mut unchecked: Vec<Both> = unchecked.map(|&piece| piece_name(piece)).collect();
    let mut accepted: Vec<Both> = Vec::new();
    for weighed in &decided.grounds {
        match weighed.ground {
            Ground::ChipUnanchored => unchecked.push(("who issued the chip", "cơ quan cấp chip")),
            Ground::ChipNotProven => unchecked.push(("that the chip is the original", "chip có phải bản gốc")),
            ground => accepted.push((ground.en(), ground.vi())),
        }
    }
    let list = |of: &[Both], text: fn(&Both) -> &'static str| of.iter().map(text).collect::<Vec<_>>().join(", ");
    let say = |text: fn(&Both) -> &'static str, heads: [&str; 4]| {
        let mut out = format!("{}{}", heads[0], text(&faces));
        if !agree.is_empty() {
            out += &format!("; {}: {}", heads[1], list(&agree, text));
        }
        out.push('.');
        if !unchecked.is_empty() {
            out += &format!(" {}: {}.", heads[2], list(&unchecked, text));
        }
        for fact in &accepted {
            out += &format!(" {}: {}", heads[3], text(fact));
        }
        out
    };
    Sentence {
        en: say(|both| both.0, ["Approved: ", "card and record agree in", "Not checked", "Accepted by the policy"]),
        vi: say(|both| both.1, ["Chấp thuận: ", "thẻ và hồ sơ khớp nhau về", "Chưa kiểm tra", "Chính sách chấp nhận"]),
    }
}

// For the citizen.

/// What happened, without accusing anybody. Short, so that the rest has room.
fn happened(ground: Ground) -> Both {
    match ground {
        Ground::ChipAltered | Ground::ChipUntrusted | Ground::ChipUnanchored | Ground::ChipNotProven => {
            ("Your card could not be confirmed.", "Chưa xác nhận được thẻ của ông/bà.")
        }
        Ground::ChipUnreadable => ("Your card could not be read in full.", "Chưa đọc được đầy đủ chip trên thẻ."),
        Ground::ChipMissing => ("The chip of your card was not read.", "Chưa đọc được chip trên thẻ."),
        Ground::ChipLapsed => ("Your card's validity could not be confirmed.", "Chưa xác nhận được hiệu lực của thẻ."),
        Ground::ChipWeak => ("Your card is of an older kind.", "Thẻ của ông/bà thuộc loại cũ."),
        Ground::ChipNumbersDisagree => ("Your card shows two numbers.", "Thẻ của ông/bà ghi hai số khác nhau."),
        Ground::NumberDiffers => ("Card and record differ in the number.", "Số trên thẻ chưa khớp với hồ sơ."),
        Ground::NameDiffers => ("Card and record differ in the name.", "Họ tên trên thẻ chưa khớp với hồ sơ."),
        Ground::BirthDateDiffers => {
            ("Card and record differ in the birth date.", "Ngày sinh trên thẻ chưa khớp với hồ sơ.")
        }
        Ground::SexDiffers => ("Card and record differ in the sex.", "Giới tính trên thẻ chưa khớp với hồ sơ."),
        Ground::NumberUnreadable => ("The number in your record is unclear.", "Số ghi trong hồ sơ chưa rõ."),
        Ground::NameUnreadable => ("The name in your record is unclear.", "Họ tên ghi trong hồ sơ chưa rõ."),
        Ground::BirthDateUnreadable => {
            ("The birth date in your record is unclear.", "Ngày sinh ghi trong hồ sơ chưa rõ.")
        }
        Ground::SchemeNotInRecord => ("Your record does not list this scheme yet.", "Hồ sơ chưa ghi chế độ này."),
        Ground::SchemeMissing => ("Your record lists no scheme yet.", "Hồ sơ chưa ghi chế độ nào."),
        Ground::ChipFaceDiffers | Ground::ChipFaceUnsure => {
            ("Your picture did not match the card's.", "Ảnh chụp chưa khớp với ảnh trong thẻ.")
        }
        Ground::ReferenceFaceDiffers | Ground::ReferenceFaceUnsure => {
            ("Your picture did not match the record's.", "Ảnh chụp chưa khớp với ảnh trong hồ sơ.")
        }
        Ground::RecordDisagrees => ("The photos in your record must be looked at.", "Cần xem lại các ảnh trong hồ sơ."),
        Ground::FramesRepeated | Ground::FramesStill | Ground::CaptureIsChipPhoto | Ground::CaptureIsEnrolledPhoto => {
            ("New pictures are needed.", "Cần chụp thêm ảnh mới.")
        }
        Ground::DuplicateFace | Ground::DuplicatesMissing => {
            ("Records must be compared first.", "Cần đối chiếu thêm giữa các hồ sơ.")
        }
        Ground::LivenessLow | Ground::QualityPoor | Ground::LivenessMissing | Ground::QualityMissing => {
            ("The pictures were not clear enough.", "Ảnh chụp chưa đủ rõ.")
        }
        Ground::ChipFaceMissing => ("The photo in your card was not readable.", "Chưa đọc được ảnh trong thẻ."),
        Ground::ReferenceFaceMissing => ("Your record has no photo yet.", "Hồ sơ chưa có ảnh đăng ký."),
        Ground::NumberMissing => ("Your number could not be compared.", "Chưa đối chiếu được số định danh."),
        Ground::NameMissing => ("Your name could not be compared.", "Chưa đối chiếu được họ tên."),
        Ground::BirthDateMissing => ("Your birth date could not be compared.", "Chưa đối chiếu được ngày sinh."),
        Ground::SexMissing => ("Your sex could not be compared.", "Chưa đối chiếu được giới tính."),
    }
}

/// What to bring, whom to ask, how to contest.
const BRING_AND_ASK: Both = (
    "Bring your card and original papers; ask or contest at the Social Security office.",
    "Hãy mang thẻ và giấy tờ gốc; hỏi hoặc khiếu nại tại cơ quan BHXH.",
);

/// What a citizen is told of one reason that stood in the way.
pub fn citizen_reason(ground: Ground, outcome: Outcome, retake: bool) -> Sentence {
    let next = match outcome {
        _ if retake => ("Please try again now.", "Hãy thử lại ngay."),
        Outcome::Deny => ("Not settled today.", "Hôm nay chưa giải quyết được."),
        _ => ("An officer will look at it.", "Cán bộ sẽ xem xét hồ sơ."),
    };
    joined(&[happened(ground), next, BRING_AND_ASK])
}

/// The decision in a sentence for the citizen, of at most [`CITIZEN_CHARS_MAX`]
/// characters: by the reason that comes first.
pub fn citizen_sentence(decided: &Decided) -> Sentence {
    let first = decided.grounds.iter().find(|one| one.consequence > Consequence::Accept);
    match (decided.outcome, first) {
        (Outcome::Approve, _) | (_, None) => resolved_sentence(Outcome::Approve),
        (outcome, Some(first)) => citizen_reason(first.ground, outcome, decided.retake),
    }
}

/// What a citizen is told once an officer has looked, or where nothing stood in the way.
pub fn resolved_sentence(outcome: Outcome) -> Sentence {
    match outcome {
        Outcome::Approve => joined(&[(
            "The check is done and your request is approved. Questions: ask at the Social Security office.",
            "Đã đối chiếu xong, yêu cầu của ông/bà được chấp thuận. Nếu cần hỏi, hãy đến cơ quan BHXH.",
        )]),
        Outcome::Deny | Outcome::Refer => joined(&[
            (
                "An officer has looked at your case. Not settled today.",
                "Cán bộ đã xem hồ sơ, hôm nay chưa giải quyết được.",
            ),
            BRING_AND_ASK,
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Outcome; 3] = [Outcome::Approve, Outcome::Refer, Outcome::Deny];
    const CONSEQUENCES: [Consequence; 3] = [Consequence::Accept, Consequence::Refer, Consequence::Deny];

    fn says(sentence: &Sentence, en: &str, vi: &str) -> bool {
        let (one, other) = (sentence.en.to_lowercase().contains(en), sentence.vi.to_lowercase().contains(vi));
        assert_eq!(one, other, "{sentence:?}");
        one
    }

    fn check(sentence: &Sentence) {
        let Sentence { en, vi } = sentence;
        assert!(en.is_ascii() && en.ends_with('.') && vi.ends_with('.') && !vi.is_ascii(), "{sentence:?}");
        assert!(!en.contains("  ") && !vi.contains("  ") && !en.contains("..") && !vi.contains(".."), "{sentence:?}");
        // One register, one spelling, and a record is `hồ sơ`.
        for no in ["Vui lòng", "Xin ", "huỷ", "hoá", "loá", "khoá", "chuyển người"] {
            assert!(!vi.contains(no), "{no}: {vi}");
        }
    }

    #[test]
    fn no_reason_contradicts_the_outcome_whatever_a_policy_makes_of_it() {
        for &ground in Ground::ALL {
            for consequence in CONSEQUENCES {
                for outcome in OUTCOMES {
                    let sentence = Weighed { ground, consequence, follows: None }.sentence(outcome);
                    check(&sentence);
                    let refers = says(&sentence, "refer the case", "chuyển hồ sơ");
                    let denies = says(&sentence, "do not pay or serve", "không chi trả hoặc phục vụ");
                    let accepts = says(&sentence, "policy accepts", "chính sách chấp nhận");
                    assert_eq!(refers, (consequence, outcome) == (Consequence::Refer, Outcome::Refer), "{sentence:?}");
                    assert_eq!(denies, (consequence, outcome) == (Consequence::Deny, Outcome::Deny), "{sentence:?}");
                    assert_eq!(accepts, (consequence, outcome) == (Consequence::Accept, Outcome::Approve));
                    assert!(sentence.vi.starts_with(ground.vi()) && sentence.vi.len() > ground.vi().len() + 5);
                }
            }
        }
    }

    #[test]
    fn a_fact_says_nothing_of_what_to_do() {
        let facts = Ground::ALL.iter().map(|ground| (ground.en(), ground.vi()));
        for (en, vi) in facts.chain(Reason::ALL.iter().map(|reason| (reason.en(), reason.vi()))) {
            assert!(!vi.contains("Hãy") && !vi.contains("chuyển hồ sơ") && !vi.contains("Không chấp nhận"), "{vi}");
            assert!(!en.contains("Refer") && !en.contains("Do not") && !en.contains("again"), "{en}");
        }
    }

    #[test]
    fn no_finding_of_the_chip_contradicts_the_decision() {
        for &reason in Reason::ALL {
            for ground in [Ground::ChipUntrusted, Ground::ChipAltered, Ground::ChipUnreadable, Ground::ChipWeak] {
                for (consequence, outcome) in CONSEQUENCES.into_iter().zip(OUTCOMES) {
                    let weighed = Weighed { ground, consequence, follows: None };
                    let decided = Decided { outcome, grounds: vec![weighed], without: vec![], retake: false };
                    let sentence = chip_sentence(reason, &decided);
                    check(&sentence);
                    assert!(!says(&sentence, "refer the case", "chuyển hồ sơ") || outcome == Outcome::Refer);
                    assert!(!says(&sentence, "do not pay", "không chi trả") || outcome == Outcome::Deny);
                    assert!(!sentence.vi.contains("Không chấp nhận"), "{}", sentence.vi);
                }
            }
        }
    }

    #[test]
    fn the_citizen_is_told_what_happened_and_what_to_do_in_one_short_text_without_being_accused() {
        let mut all = vec![resolved_sentence(Outcome::Approve), resolved_sentence(Outcome::Deny)];
        for &ground in Ground::ALL {
            for outcome in [Outcome::Refer, Outcome::Deny] {
                for retake in [false, true] {
                    let sentence = citizen_reason(ground, outcome, retake);
                    assert!(says(&sentence, "bring your card", "mang thẻ") && says(&sentence, "contest", "khiếu nại"));
                    assert!(says(&sentence, "social security", "bhxh"));
                    all.push(sentence);
                }
            }
        }
        for sentence in all {
            check(&sentence);
            let longest = sentence.vi.chars().count().max(sentence.en.len());
            assert!(longest <= CITIZEN_CHARS_MAX, "{longest}: {sentence:?}");
            for accuses in ["giả", "gian", "lừa", "trùng", "không phải", "fake", "fraud", "forged", "altered", "trust"]
            {
                let shown = format!("{} {}", sentence.en.to_lowercase(), sentence.vi.to_lowercase());
                assert!(!shown.replace("giải", "").contains(accuses), "{accuses}: {sentence:?}");
            }
        }
    }
}
