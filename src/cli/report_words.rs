//! The words in Vietnamese and English for each code that the report of a person has. Codes stand behind
//! them in brackets: by those the office finds the same elsewhere.

use super::{date, outcome};
use crate::gallery::{
    Clock, RequestKind, RequestState, Requester, Scheme, StandingAction, StandingEntry, SubjectRequest, Timestamp,
};
use crate::ledger::entry::{Kind, PrincipalKind};

/// The same in Vietnamese and in English.
type Words = (&'static str, &'static str);

/// `hạn chế xử lý / restricted [restricted]`.
fn with_code((vi, en): (&str, &str), code: &str) -> String {
    format!("{vi} / {en} [{code}]")
}

/// A scheme as it is kept; one that no vocabulary has stands as it is.
pub(super) fn scheme(kept: &str) -> String {
    let words = match Scheme::from_name(kept) {
        Some(Scheme::Social) => ("bảo hiểm xã hội", "social insurance"),
        Some(Scheme::Health) => ("bảo hiểm y tế", "health insurance"),
        Some(Scheme::Unemployment) => ("bảo hiểm thất nghiệp", "unemployment insurance"),
        None => return outcome::one_line(kept),
    };
    with_code(words, kept)
}

fn requester(of: Requester) -> Words {
    match of {
        Requester::Person => ("chủ thể dữ liệu", "the person"),
        Requester::Authority => ("cơ quan có thẩm quyền", "an authority"),
        Requester::Office => ("đơn vị quản lý hồ sơ", "the office"),
    }
}

/// What was said of how a record stands.
pub(super) fn standing(number: u32, in_force: bool, entry: &StandingEntry) -> String {
    let (vi, en) = match &entry.action {
        StandingAction::Restrict(by) => {
            let (vi, en) = requester(*by);
            (format!("hạn chế xử lý theo yêu cầu của {vi}"), format!("restricted by the request of {en}"))
        }
        StandingAction::AskErasure { requester: by, .. } => {
            let (vi, en) = requester(*by);
            (format!("{vi} yêu cầu xóa dữ liệu, chưa xóa được"), format!("erasure asked for by {en}, and had to wait"))
        }
        StandingAction::Lift => (
            "chấm dứt hạn chế xử lý, rút yêu cầu xóa".to_owned(),
            "the restriction ended, or the wish of erasure".to_owned(),
        ),
        StandingAction::LiftOne(ended) => (format!("chấm dứt mục số {ended}"), format!("number {ended} ended")),
        StandingAction::Hold(name) => {
            let name = outcome::one_line(name.as_str());
            (format!("áp dụng lệnh lưu giữ {name}"), format!("the legal hold {name} began"))
        }
        StandingAction::Release(name) => {
            let name = outcome::one_line(name.as_str());
            (format!("chấm dứt lệnh lưu giữ {name}"), format!("the legal hold {name} ended"))
        }
    };
    let what = with_code((vi.as_str(), en.as_str()), entry.action.name());
    let in_force = if in_force { "  đang có hiệu lực / in force" } else { "" };
    let (by, reason) = (outcome::one_line(entry.by.as_str()), outcome::one_line(entry.reason.as_str()));
    format!("{number}. {what}  {}{in_force}  người thực hiện / by {by}: {reason}", date::shown(entry.at))
}

fn request_kind(of: RequestKind) -> Words {
    match of {
        RequestKind::Access => ("được biết dữ liệu nào đang lưu giữ", "to be told what is kept"),
        RequestKind::Correction => ("chỉnh sửa dữ liệu", "that something be put right"),
        RequestKind::Restriction => ("hạn chế xử lý dữ liệu", "that the record be restricted"),
        RequestKind::Erasure => ("xóa dữ liệu", "that everything be erased"),
        RequestKind::Objection => {
            ("phản đối xử lý dữ liệu hoặc rút lại sự đồng ý", "objection to the processing, or withdrawal of consent")
        }
    }
}

fn request_state(of: RequestState) -> Words {
    match of {
        RequestState::Open => ("chưa trả lời", "not answered yet"),
        RequestState::Acknowledged => ("đã xác nhận tiếp nhận", "acknowledged"),
        RequestState::Completed => ("đã thực hiện", "carried out"),
        RequestState::Refused => ("đã từ chối", "refused"),
        RequestState::Superseded => ("hồ sơ đã được xóa trước khi thực hiện", "the record was erased before"),
    }
}

/// A request of a person, as it stands now.
pub(super) fn request(of: &SubjectRequest) -> String {
    let kind = with_code(request_kind(of.kind), of.kind.name());
    let (by_vi, by_en) = requester(of.requester);
    let state = with_code(request_state(of.state()), of.state().name());
    let mut line = format!(
        "{}. {kind}  người yêu cầu / asked by: {by_vi} / {by_en}  {state}  nhận ngày / received {}",
        of.number,
        date::shown(of.received_at)
    );
    match &of.closed {
        Some((_, step)) => line += &format!("  kết thúc / ended {}", date::shown(step.at)),
        None => line += &format!("  hạn thực hiện / complete by {}", date::shown(of.complete_by)),
    }
    if of.state() == RequestState::Open {
        line += &format!("  hạn xác nhận / acknowledge by {}", date::shown(of.acknowledge_by));
    }
    if let Some(late) = of.late(Timestamp::now()) {
        let (vi, en) = match late.clock {
            Clock::Acknowledge => ("quá hạn xác nhận", "late to acknowledge"),
            Clock::Complete => ("quá hạn thực hiện", "late to complete"),
        };
        let (days, unit) = (late.days, if late.days == 1 { "day" } else { "days" });
        line += &format!("  {vi} {days} ngày / {days} {unit} {en}");
    }
    line
}

/// What was done with a record, by the kind of its entry in the log.
pub(super) fn look(kind: &str) -> String {
    let words = match Kind::from_name(kind) {
        Some(kind) => entry_kind(kind),
        // Of a newer server.
        None => ("việc khác", "something else"),
    };
    with_code(words, kind)
}

fn entry_kind(of: Kind) -> Words {
    match of {
        Kind::Decision => ("quyết định tại quầy", "a decision at the counter"),
        Kind::OfficerAnswer => ("người có thẩm quyền trả lời", "an officer's answer"),
        Kind::PairCleared => ("xác nhận cặp hồ sơ giống khuôn mặt", "a pair of records that share a face was cleared"),
        Kind::PairUncleared => ("chấm dứt việc xác nhận cặp hồ sơ", "the clearing of a pair ended"),
        Kind::Enrolment => ("đăng ký hoặc bổ sung mẫu khuôn mặt", "enrolled, or a template was added"),
        Kind::Replacement => ("thay mẫu khuôn mặt", "templates were replaced"),
        Kind::Removal => ("gỡ hồ sơ", "the record was removed"),
        Kind::Restriction => ("hạn chế xử lý hoặc chấm dứt hạn chế", "restricted, or a restriction ended"),
        Kind::Identify => ("hồ sơ hiện ra khi tìm theo khuôn mặt", "found or shown by a search for a face"),
        Kind::LookUp => ("hồ sơ có trong danh sách hoặc số đếm", "listed or counted"),
        Kind::RecordRead => ("xem hồ sơ", "the record was read"),
        Kind::PictureRead => ("xem ảnh", "a picture was read"),
        Kind::Export => ("xuất dữ liệu", "data were written out"),
        Kind::Snapshot => ("sao toàn bộ kho dữ liệu", "the whole gallery was handed on"),
        Kind::AccessRefused => ("một lần truy cập bị từ chối", "a call was refused"),
        Kind::Start => ("khởi động hệ thống", "the program was started"),
        Kind::Configuration => ("cấu hình mới có hiệu lực", "a configuration came into force"),
        Kind::KeysChanged => ("thay khóa", "keys were changed"),
        Kind::RolesChanged => ("thay đổi quyền truy cập", "roles were changed"),
        Kind::PackChanged => ("thay bộ mô hình", "the model pack was changed"),
        Kind::CalibrationChanged => ("thay số liệu sai số", "the calibration was changed"),
        Kind::Calls => ("số lần gọi không lưu lại gì", "calls that store nothing"),
        Kind::Pruned => ("xóa nội dung nhật ký đã cũ", "old contents of the log were taken away"),
        Kind::Hold => ("áp dụng hoặc chấm dứt lệnh lưu giữ", "a legal hold began or ended"),
        Kind::Erasure => ("xóa dữ liệu, hoặc yêu cầu xóa phải chờ", "erased, or an erasure had to wait"),
        Kind::SubjectRequest => ("ghi nhận hoặc trả lời yêu cầu của chủ thể dữ liệu", "a request of the person"),
        Kind::Restored => ("khôi phục kho dữ liệu từ bản sao lưu", "the gallery was restored from a backup"),
        Kind::Retention => ("xóa dữ liệu hết hạn lưu giữ", "data that are kept no longer were taken away"),
    }
}

/// Of which kind whoever did it is.
pub(super) fn principal(kind: &str) -> String {
    let words = match PrincipalKind::from_name(kind) {
        Some(PrincipalKind::Anonymous) => ("không rõ là ai", "somebody unknown"),
        Some(PrincipalKind::OsUser) => ("người dùng của máy chủ", "a user of the server's machine"),
        Some(PrincipalKind::Machine) => ("một máy", "a machine"),
        Some(PrincipalKind::Person) => ("một người", "a person"),
        Some(PrincipalKind::Internal) => ("chính hệ thống", "the program itself"),
        None => ("loại khác", "of another kind"),
    };
    with_code(words, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::{HoldName, Note, SubjectId};

    /// Asserts Vietnamese, English and the code.
    fn assert_in_both(line: &str, code: &str) {
        let (vi, rest) = line.split_once(" / ").unwrap_or_else(|| panic!("no English half: {line}"));
        assert!(!vi.is_ascii(), "no Vietnamese half: {line}");
        assert!(!vi.contains(code), "a code in the Vietnamese half: {line}");
        assert!(rest.contains(&format!("[{code}]")), "no code: {line}");
    }

    #[test]
    fn every_code_of_a_report_has_words_in_vietnamese_and_in_english() {
        for kind in Kind::ALL {
            assert_in_both(&look(kind.name()), kind.name());
        }
        for kind in PrincipalKind::ALL {
            assert_in_both(&principal(kind.name()), kind.name());
        }
        for one in Scheme::ALL {
            assert_in_both(&scheme(one.name()), one.name());
        }
        assert_eq!(scheme("pension"), "pension", "what no vocabulary has stands as it was stored");
        assert_in_both(&look("of_tomorrow"), "of_tomorrow");
        let name = HoldName::new("VKS-12").unwrap();
        for action in [
            StandingAction::Restrict(Requester::Person),
            StandingAction::Restrict(Requester::Authority),
            StandingAction::Restrict(Requester::Office),
            StandingAction::Lift,
            StandingAction::LiftOne(1),
            StandingAction::Hold(name.clone()),
            StandingAction::Release(name),
            StandingAction::AskErasure { requester: Requester::Person, finding_open: true },
        ] {
            let (by, reason) = (SubjectId::new("o-1").unwrap(), Note::new("asked").unwrap());
            let entry = StandingEntry { action, by, reason, at: Timestamp(1) };
            assert_in_both(&standing(2, true, &entry), entry.action.name());
        }
        for kind in RequestKind::ALL {
            assert_in_both(&with_code(request_kind(kind), kind.name()), kind.name());
        }
        use RequestState::{Acknowledged, Completed, Open, Refused, Superseded};
        for state in [Open, Acknowledged, Completed, Refused, Superseded] {
            assert_in_both(&with_code(request_state(state), state.name()), state.name());
        }
    }
}
