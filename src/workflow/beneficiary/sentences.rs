//! What people are told of a decision, in English and Vietnamese: the clerk what was
//! compared and what to do, the citizen what happened, what to bring, whom to ask and
//! how to contest.
//!
//! A reason's fact comes from its table. What to do comes from what the policy makes of
//! it and from the outcome, so that no sentence says otherwise than the decision.

use super::decide::{AppliedRule, Decided};
use super::evidence::Evidence;
use super::policy::Consequence;
use super::reason_code::{EvidenceKind, ReasonCode};
use crate::chip::{
    Reason,
    reason::{Advice, Effect},
};
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

impl Sentence {
    fn or_referred(self) -> Self {
        Self { en: self.en + REFERRED_THEN.0, vi: self.vi + REFERRED_THEN.1 }
    }

    fn at_the_next_attempt(self) -> Self {
        Self { en: self.en + " under the next attempt.", vi: self.vi + " ở lần thử kế tiếp." }
    }
}

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

fn hint(ground: ReasonCode) -> Hint {
    const READ: Both = ("Read the chip again", "Hãy đọc lại chip");
    const CAPTURE: Both = (
        "Take the captures again in even light, looking into the camera",
        "Hãy chụp lại ở nơi sáng đều, nhìn thẳng vào máy ảnh",
    );
    const COMPARE: Both = ("Compare the original papers.", "Hãy đối chiếu giấy tờ gốc.");
    const OPERATOR: Both = ("Tell the operator.", "Hãy báo người vận hành.");
    match ground {
        ReasonCode::ChipUnreadable | ReasonCode::ChipIncomplete | ReasonCode::ChallengeNotIssued => Hint::Again(READ),
        ReasonCode::ChipMissing => Hint::Again(("Read the chip", "Hãy đọc chip")),
        ReasonCode::FaceTooClose => Hint::Again((
            "Have the person move back from the camera and take the captures again",
            "Hãy hướng dẫn lùi ra xa máy ảnh và chụp lại",
        )),
        ReasonCode::QualityPoor | ReasonCode::ChipFaceUnsure | ReasonCode::ReferenceFaceUnsure => Hint::Again(CAPTURE),
        ReasonCode::FramesRepeated | ReasonCode::FramesStill => {
            Hint::Again(("Take several captures, one after the other", "Hãy chụp nhiều ảnh, lần lượt từng ảnh"))
        }
        ReasonCode::RecordDisagrees => Hint::Also((
            "Compare the photos in the record with the original papers.",
            "Hãy đối chiếu các ảnh trong hồ sơ với giấy tờ gốc.",
        )),
        ReasonCode::LivenessLow
        | ReasonCode::CaptureIsChipPhoto
        | ReasonCode::CaptureIsEnrolledPhoto
        | ReasonCode::CaptureSeenBefore => Hint::Again((
            "See that the person stands before the camera and take the captures again",
            "Hãy bảo đảm người thật đứng trước máy ảnh và chụp lại",
        )),
        ReasonCode::ChipLapsed => Hint::Also((Advice::ValidCard.en(), Advice::ValidCard.vi())),
        ReasonCode::ChipNotYetValid | ReasonCode::ChipSignerNotYetValid => {
            Hint::Also((Advice::Clock.en(), Advice::Clock.vi()))
        }
        ReasonCode::ChipUnanchored => Hint::Also((
            "Tell the operator to install the authority's certificate.",
            "Hãy báo người vận hành cài chứng thư gốc.",
        )),
        ReasonCode::ChipNotProven | ReasonCode::ChipNotOriginal => {
            Hint::Also(("Look at the card itself.", "Hãy xem trực tiếp thẻ gốc."))
        }
        ReasonCode::NumberDiffers => {
            Hint::Also(("Check that the right record is open.", "Hãy kiểm tra xem đã mở đúng hồ sơ chưa."))
        }
        ReasonCode::NameDiffers
        | ReasonCode::BirthDateDiffers
        | ReasonCode::SexDiffers
        | ReasonCode::ChipNumbersDisagree
        | ReasonCode::NumberUnreadable
        | ReasonCode::ChipNumberUnreadable
        | ReasonCode::NameUnreadable
        | ReasonCode::ChipNameUnreadable
        | ReasonCode::BirthDateUnreadable
        | ReasonCode::ChipBirthDateUnreadable => Hint::Also(COMPARE),
        ReasonCode::QualityMissing
        | ReasonCode::LivenessMissing
        | ReasonCode::DuplicatesMissing
        | ReasonCode::HistoryMissing => Hint::Also(OPERATOR),
        ReasonCode::AttemptsMany => Hint::Also((
            "The officer sees the earlier attempts with the case.",
            "Người có thẩm quyền xem được các lần thử trước cùng hồ sơ.",
        )),
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
pub fn is_tried_again(ground: ReasonCode) -> bool {
    matches!(hint(ground), Hint::Again(_))
}

impl AppliedRule {
    /// What the clerk reads of this reason in a decision of this outcome: the fact, and
    /// what to do. To try again only where the decision says so.
    pub fn sentence(&self, outcome: Outcome, retake: bool) -> Sentence {
        let fact = match (self.ground, self.follows) {
            // The chip may well have a photo; it was not to be had.
            (ReasonCode::ChipFaceMissing, Some(_)) => (
                "The face could not be compared with the photo in the chip.",
                "Không đối chiếu được khuôn mặt với ảnh trong chip.",
            ),
            (ground, _) => (ground.en(), ground.vi()),
        };
        if self.follows.is_some() {
            return joined(&[fact, FOLLOWS]);
        }
        let action = action(self.consequence, outcome);
        match hint(self.ground) {
            Hint::Again(again) if action == REFERRED && retake => joined(&[fact, again]).or_referred(),
            Hint::Again(again) if action == DENIED && retake => joined(&[fact, action, again]).at_the_next_attempt(),
            Hint::Also(also) if action != AS_A_WHOLE => joined(&[fact, also, action]),
            _ => joined(&[fact, action]),
        }
    }
}

/// What the clerk reads of a finding of the chip check in this decision.
pub fn chip_sentence(reason: Reason, decided: &Decided) -> Sentence {
    let weighed = ReasonCode::of_finding(reason).and_then(|ground| {
        // In decisions of earlier programs one stands for the other.
        let named = |ground| decided.grounds.iter().find(|one| one.ground == ground);
        named(ground).or_else(|| named(ground.governed_by()))
    });
    // To read it again only where the decision says so.
    let again = |advice: &Advice| matches!(advice, Advice::ReadAgain | Advice::OneCard);
    let advice = reason.advice().filter(|advice| !again(advice) || (decided.retake && weighed.is_some()));
    let text = advice.map_or(("", ""), |advice| (advice.en(), advice.vi()));
    let action = match weighed {
        Some(weighed) => action(weighed.consequence, decided.outcome),
        None if reason.effect() == Effect::Note && advice.is_none() => (
            "This is a note; by itself it does not change the verdict.",
            "Đây là ghi chú; riêng điều này không làm thay đổi kết luận.",
        ),
        // A graver finding took its place.
        None if reason.effect() == Effect::Note => ("", ""),
        None => AS_A_WHOLE,
    };
    if action == REFERRED && advice.as_ref().is_some_and(again) {
        let open = (text.0.trim_end_matches('.'), text.1.trim_end_matches('.'));
        return joined(&[(reason.en(), reason.vi()), open]).or_referred();
    }
    joined(&[(reason.en(), reason.vi()), text, action])
}

// For the clerk: the decision as a whole.

fn piece_name(piece: EvidenceKind) -> Both {
    match piece {
        EvidenceKind::Chip => ("the chip of the card", "chip của thẻ"),
        EvidenceKind::Number => ("the number", "số định danh"),
        EvidenceKind::Name => ("the name", "họ tên"),
        EvidenceKind::BirthDate => ("the date of birth", "ngày sinh"),
        EvidenceKind::Sex => ("the sex", "giới tính"),
        EvidenceKind::Scheme => ("the scheme", "chế độ hưởng"),
        EvidenceKind::Quality => ("the quality of the captures", "chất lượng ảnh chụp"),
        EvidenceKind::Liveness => ("whether a living person was captured", "người thật trước máy ảnh"),
        EvidenceKind::ChipFace => ("the photo in the chip", "ảnh trong chip"),
        EvidenceKind::ReferenceFace => ("an enrolled photo", "ảnh đã đăng ký trong hồ sơ"),
        EvidenceKind::Duplicates => ("whether the face is on another record", "trùng khuôn mặt với hồ sơ khác"),
        EvidenceKind::History => ("earlier attempts", "các lần thử trước"),
    }
}

/// The decision in a sentence for the clerk: with an approval what was compared, what
/// was not, and what the policy accepts; otherwise what to do.
pub fn decision_sentence(decided: &Decided, evidence: &Evidence) -> Sentence {
    match decided.outcome {
        Outcome::Approve => approved(decided, evidence),
        Outcome::Refer if decided.retake => {
            let again = again(decided);
            let (en, vi) = (format!("Referred: {}", lower(&again.en)), format!("Chuyển xử lý: {}", lower(&again.vi)));
            Sentence { en, vi }.or_referred()
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
            let (en, vi) = (format!("{} {}", denied.en, again.en), format!("{} {}", denied.vi, again.vi));
            Sentence { en, vi }.at_the_next_attempt()
        }
    }
}

/// What to try again.
fn again(decided: &Decided) -> Sentence {
    let against =
        || decided.grounds.iter().filter(|one| one.consequence > Consequence::Accept && one.follows.is_none());
    let chip = against().any(|one| one.ground.piece().is_of_chip() && one.ground != ReasonCode::ChipFaceUnsure);
    let captures = against().any(|one| !one.ground.piece().is_of_chip() || one.ground == ReasonCode::ChipFaceUnsure);
    let because = |ground| against().any(|one| one.ground == ground);
    let read = match chip {
        // What was never read is not read again.
        true if because(ReasonCode::ChipMissing) => Some(("read the chip", "đọc chip")),
        true => Some(("read the chip again", "đọc lại chip")),
        false => None,
    };
    let capture = match captures || read.is_none() {
        true if because(ReasonCode::FaceTooClose) => {
            Some(("take the captures again from further away", "chụp lại ảnh ở khoảng cách xa hơn"))
        }
        true => Some(("take the captures again", "chụp lại ảnh")),
        false => None,
    };
    let list = |of: fn(&Both) -> &'static str, and: &str| {
        [&read, &capture].into_iter().flatten().map(of).collect::<Vec<_>>().join(and)
    };
    let en = list(|both| both.0, " and ");
    let (first, rest) = en.split_at(1);
    Sentence { en: first.to_uppercase() + rest, vi: format!("Hãy {}", list(|both| both.1, " và ")) }
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
        (record.number, EvidenceKind::Number),
        (record.name, EvidenceKind::Name),
        (record.birth_date, EvidenceKind::BirthDate),
        (record.sex, EvidenceKind::Sex),
    ];
    let agree: Vec<Both> =
        fields.into_iter().filter(|(state, _)| state.agrees()).map(|(_, piece)| piece_name(piece)).collect();
    let no_chip = decided.without.contains(&EvidenceKind::Chip);
    // Without a chip, that nothing of it was compared goes without saying.
    let unchecked =
        decided.without.iter().filter(|piece| !(no_chip && piece.is_of_chip() && **piece != EvidenceKind::Chip));
    let mut unchecked: Vec<Both> = unchecked.map(|&piece| piece_name(piece)).collect();
    let mut accepted: Vec<Both> = Vec::new();
    for weighed in &decided.grounds {
        match weighed.ground {
            ReasonCode::ChipUnanchored => unchecked.push(("who issued the chip", "cơ quan cấp chip")),
            ReasonCode::ChipNotProven => unchecked.push(("that the chip is the original", "chip có phải bản gốc")),
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
fn happened(ground: ReasonCode) -> Both {
    match ground {
        ReasonCode::ChipAltered
        | ReasonCode::ChipUntrusted
        | ReasonCode::ChipNotOriginal
        | ReasonCode::ChipCountryDiffers
        | ReasonCode::ChipUnanchored
        | ReasonCode::ChallengeNotIssued
        | ReasonCode::ChipNotProven => ("Your card could not be confirmed.", "Chưa xác nhận được thẻ của ông/bà."),
        ReasonCode::ChipUnreadable => {
            ("Your card could not be checked in full.", "Chưa kiểm tra được đầy đủ chip trên thẻ.")
        }
        ReasonCode::ChipIncomplete => ("Your card was not read in full.", "Chưa đọc hết dữ liệu trên chip của thẻ."),
        ReasonCode::ChipMissing => ("The chip of your card was not read.", "Chưa đọc được chip trên thẻ."),
        ReasonCode::ChipLapsed => ("Your card has expired.", "Thẻ của ông/bà đã hết hạn."),
        ReasonCode::ChipNotYetValid | ReasonCode::ChipSignerNotYetValid => {
            ("Your card's validity could not be confirmed.", "Chưa xác nhận được hiệu lực của thẻ.")
        }
        ReasonCode::ChipWeak => ("Your card is of an older kind.", "Thẻ của ông/bà thuộc loại cũ."),
        ReasonCode::ChipNumbersDisagree => ("Your card shows two numbers.", "Thẻ của ông/bà ghi hai số khác nhau."),
        ReasonCode::NumberDiffers => ("Card and record differ in the number.", "Số trên thẻ chưa khớp với hồ sơ."),
        ReasonCode::NameDiffers => ("Card and record differ in the name.", "Họ tên trên thẻ chưa khớp với hồ sơ."),
        ReasonCode::BirthDateDiffers => {
            ("Card and record differ in the birth date.", "Ngày sinh trên thẻ chưa khớp với hồ sơ.")
        }
        ReasonCode::SexDiffers => ("Card and record differ in the sex.", "Giới tính trên thẻ chưa khớp với hồ sơ."),
        ReasonCode::NumberUnreadable => ("The number in your record is unclear.", "Số ghi trong hồ sơ chưa rõ."),
        ReasonCode::ChipNumberUnreadable => ("The number on your card is unclear.", "Số đọc từ thẻ chưa rõ."),
        ReasonCode::ChipNameUnreadable => ("The name on your card is unclear.", "Họ tên đọc từ thẻ chưa rõ."),
        ReasonCode::ChipBirthDateUnreadable => {
            ("The birth date on your card is unclear.", "Ngày sinh đọc từ thẻ chưa rõ.")
        }
        ReasonCode::NameUnreadable => ("The name in your record is unclear.", "Họ tên ghi trong hồ sơ chưa rõ."),
        ReasonCode::BirthDateUnreadable => {
            ("The birth date in your record is unclear.", "Ngày sinh ghi trong hồ sơ chưa rõ.")
        }
        ReasonCode::SchemeNotInRecord => ("Your record does not list this scheme yet.", "Hồ sơ chưa ghi chế độ này."),
        ReasonCode::SchemeMissing => ("Your record lists no scheme yet.", "Hồ sơ chưa ghi chế độ nào."),
        ReasonCode::ChipFaceDiffers | ReasonCode::ChipFaceUnsure => {
            ("Your picture did not match the card's.", "Ảnh chụp chưa khớp với ảnh trong thẻ.")
        }
        ReasonCode::ReferenceFaceDiffers | ReasonCode::ReferenceFaceUnsure => {
            ("Your picture did not match the record's.", "Ảnh chụp chưa khớp với ảnh trong hồ sơ.")
        }
        ReasonCode::RecordDisagrees => {
            ("The photos in your record must be looked at.", "Cần xem lại các ảnh trong hồ sơ.")
        }
        ReasonCode::RecordRestricted => {
            ("Your record is restricted at present.", "Hồ sơ của ông/bà đang được hạn chế xử lý.")
        }
        ReasonCode::FramesRepeated
        | ReasonCode::FramesStill
        | ReasonCode::CaptureIsChipPhoto
        | ReasonCode::CaptureIsEnrolledPhoto
        | ReasonCode::CaptureSeenBefore => ("New pictures are needed.", "Cần chụp thêm ảnh mới."),
        ReasonCode::DuplicateFace | ReasonCode::DuplicatesMissing => {
            ("Records must be compared first.", "Cần đối chiếu thêm giữa các hồ sơ.")
        }
        ReasonCode::AttemptsMany | ReasonCode::HistoryMissing => {
            ("Earlier attempts must be looked at.", "Cần xem lại các lần thử trước.")
        }
        ReasonCode::FaceTooClose => ("The pictures were taken too close.", "Ảnh được chụp quá gần."),
        ReasonCode::LivenessLow
        | ReasonCode::QualityPoor
        | ReasonCode::LivenessMissing
        | ReasonCode::QualityMissing => ("The pictures were not clear enough.", "Ảnh chụp chưa đủ rõ."),
        ReasonCode::ChipFaceMissing => ("Your card gave no photo to compare with.", "Chưa có ảnh từ thẻ để đối chiếu."),
        ReasonCode::ReferenceFaceMissing => ("Your record has no photo yet.", "Hồ sơ chưa có ảnh đăng ký."),
        ReasonCode::NumberMissing => ("Your number could not be compared.", "Chưa đối chiếu được số định danh."),
        ReasonCode::NameMissing => ("Your name could not be compared.", "Chưa đối chiếu được họ tên."),
        ReasonCode::BirthDateMissing => ("Your birth date could not be compared.", "Chưa đối chiếu được ngày sinh."),
        ReasonCode::SexMissing => ("Your sex could not be compared.", "Chưa đối chiếu được giới tính."),
    }
}

/// What to bring, whom to ask, how to contest.
const BRING_AND_ASK: Both = (
    "Bring your card and original papers; ask or contest at the Social Security office.",
    "Hãy mang thẻ và giấy tờ gốc; hỏi hoặc khiếu nại tại cơ quan BHXH.",
);

/// What a citizen is told of one reason that stood in the way.
pub fn citizen_reason(ground: ReasonCode, outcome: Outcome, retake: bool) -> Sentence {
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

    /// Whether a sentence asks for another try.
    fn tells_to_try_again(sentence: &Sentence) -> bool {
        let Sentence { en, vi } = sentence;
        let en = ["again", "Read the chip", "Take several", "Send the files"].iter().any(|part| en.contains(part));
        let vi = ["lại", "Hãy đọc chip", "Hãy chụp", "Hãy gửi"].iter().any(|part| vi.contains(part));
        assert_eq!(en, vi, "{sentence:?}");
        en
    }

    fn decided(grounds: &[ReasonCode], outcome: Outcome, retake: bool) -> Decided {
        let consequence = if outcome == Outcome::Deny { Consequence::Deny } else { Consequence::Refer };
        let weighed = |&ground: &ReasonCode| AppliedRule { ground, consequence, follows: None };
        Decided { outcome, grounds: grounds.iter().map(weighed).collect(), without: vec![], retake }
    }

    #[test]
    fn nobody_is_told_to_try_again_where_the_decision_offers_no_retake() {
        for &ground in ReasonCode::ALL {
            for outcome in [Outcome::Refer, Outcome::Deny] {
                let last = decided(&[ground], outcome, false);
                assert!(!tells_to_try_again(&last.grounds[0].sentence(outcome, false)));
                assert!(!tells_to_try_again(&decision_sentence(&last, &Evidence::default())));
                let citizen = citizen_sentence(&last);
                assert!(!says(&citizen, "try again", "thử lại"), "{citizen:?}");
                for &reason in Reason::ALL {
                    assert!(!tells_to_try_again(&chip_sentence(reason, &last)), "{reason:?}");
                }
            }
        }
        let more = decided(&[ReasonCode::ChipUnreadable], Outcome::Refer, true);
        let told = chip_sentence(Reason::SodUnreadable, &more);
        assert!(told.en.contains("Read the chip again; if it stays so, refer"), "{told:?}");
        assert!(says(&citizen_sentence(&more), "try again", "thử lại"));
    }

    #[test]
    fn a_chip_that_was_never_read_is_read_and_not_read_again_and_who_is_too_close_moves_back() {
        let told =
            |grounds: &[ReasonCode]| decision_sentence(&decided(grounds, Outcome::Refer, true), &Evidence::default());
        let never = told(&[ReasonCode::ChipMissing]);
        assert!(never.vi.contains("hãy đọc chip;") && never.en.contains("Referred: read the chip;"), "{never:?}");
        let both = told(&[ReasonCode::ChipMissing, ReasonCode::QualityPoor]);
        assert!(both.vi.contains("hãy đọc chip và chụp lại ảnh;"), "{both:?}");
        assert!(both.en.contains("read the chip and take the captures again;"), "{both:?}");
        for ground in [ReasonCode::ChipUnreadable, ReasonCode::ChipIncomplete] {
            assert!(told(&[ground]).vi.contains("hãy đọc lại chip;"), "{ground:?}");
        }
        let close = told(&[ReasonCode::FaceTooClose]);
        assert!(close.vi.contains("xa hơn") && close.en.contains("from further away"), "{close:?}");
        let weighed = decided(&[ReasonCode::FaceTooClose], Outcome::Refer, true).grounds[0];
        let told = weighed.sentence(Outcome::Refer, true);
        assert!(told.vi.contains("lùi ra xa") && told.en.contains("move back"), "{told:?}");
        assert!(!told.vi.contains("ảnh in"), "{told:?}");
    }

    #[test]
    fn what_is_said_of_a_chip_is_true_of_what_was_found() {
        let told = |ground: ReasonCode| AppliedRule { ground, consequence: Consequence::Refer, follows: None };
        for ground in [ReasonCode::ChipNotOriginal, ReasonCode::ChipCountryDiffers] {
            assert!(!says(&told(ground).sentence(Outcome::Refer, false), "trust", "tin cậy"), "{ground:?}");
        }
        for ground in [ReasonCode::ChipNotYetValid, ReasonCode::ChipSignerNotYetValid] {
            let sentence = told(ground).sentence(Outcome::Refer, false);
            assert!(says(&sentence, "clock", "đồng hồ") && !says(&sentence, "expired", "hết hạn"), "{sentence:?}");
            assert!(!says(&sentence, "ask for a valid card", "yêu cầu thẻ"), "{sentence:?}");
        }
        // The photo of a chip that was not read may be a good one.
        let photo = told(ReasonCode::ChipFaceMissing);
        let following = AppliedRule { follows: Some(ReasonCode::ChipMissing), ..photo };
        assert!(says(&photo.sentence(Outcome::Refer, false), "has no photo", "không có ảnh"));
        assert!(!says(&following.sentence(Outcome::Refer, false), "no photo", "không có ảnh"));
        // Each side that cannot be read by its own name, for the clerk and for the citizen.
        for (record, chip) in [
            (ReasonCode::NumberUnreadable, ReasonCode::ChipNumberUnreadable),
            (ReasonCode::NameUnreadable, ReasonCode::ChipNameUnreadable),
            (ReasonCode::BirthDateUnreadable, ReasonCode::ChipBirthDateUnreadable),
        ] {
            for (ground, is_record) in [(record, true), (chip, false)] {
                let clerk = (ground.en(), ground.vi());
                assert_eq!(
                    (clerk.0.contains("in the record"), clerk.1.contains("trong hồ sơ")),
                    (is_record, is_record)
                );
                let citizen = happened(ground);
                assert_eq!((citizen.0.contains("record"), citizen.1.contains("hồ sơ")), (is_record, is_record));
            }
        }
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
        for &ground in ReasonCode::ALL {
            for consequence in CONSEQUENCES {
                for (outcome, retake) in OUTCOMES.into_iter().flat_map(|outcome| [(outcome, false), (outcome, true)]) {
                    let sentence = AppliedRule { ground, consequence, follows: None }.sentence(outcome, retake);
                    check(&sentence);
                    let again = tells_to_try_again(&sentence);
                    let decides = action(consequence, outcome) != AS_A_WHOLE && outcome != Outcome::Approve;
                    assert_eq!(again, retake && decides && is_tried_again(ground), "{sentence:?}");
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
        let facts = ReasonCode::ALL.iter().map(|ground| (ground.en(), ground.vi()));
        for (en, vi) in facts.chain(Reason::ALL.iter().map(|reason| (reason.en(), reason.vi()))) {
            assert!(!vi.contains("Hãy") && !vi.contains("chuyển hồ sơ") && !vi.contains("Không chấp nhận"), "{vi}");
            assert!(!en.contains("Refer") && !en.contains("Do not") && !en.contains("again"), "{en}");
        }
    }

    #[test]
    fn no_finding_of_the_chip_contradicts_the_decision() {
        for &reason in Reason::ALL {
            for ground in
                [ReasonCode::ChipUntrusted, ReasonCode::ChipAltered, ReasonCode::ChipUnreadable, ReasonCode::ChipWeak]
            {
                for (consequence, outcome) in CONSEQUENCES.into_iter().zip(OUTCOMES) {
                    let weighed = AppliedRule { ground, consequence, follows: None };
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
        for &ground in ReasonCode::ALL {
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
