//! `chinhchu subject report`: what is kept of a person, why, and who looked.

use clap::Args;
use serde::Serialize;

use super::backend::GalleryArgs;
use super::case_records::CaseRecords;
use super::requests::RequestShown;
use super::rights::{BasisShown, StandingShown};
use super::settings::Settings;
use super::{Exit, Outcome, date, options, outcome, print, report_words};
use crate::gallery::{Source, SubjectId};
use crate::service::SubjectInfo;
use crate::workflow::rights::{RecordAccess, SubjectReport};

/// What was typed.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Of whom
    #[arg(value_name = "SUBJECT_ID", value_parser = options::id)]
    subject: SubjectId,
    #[command(flatten)]
    gallery: GalleryArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The `subject report` answer; field names are a contract.
#[derive(Serialize)]
struct ReportShown<'a> {
    found: bool,
    subject_id: &'a SubjectId,
    enrolled: bool,
    enrolled_at: Option<String>,
    updated_at: Option<String>,
    schemes: Vec<&'a str>,
    province: Option<&'a str>,
    unit: Option<&'a str>,
    templates: usize,
    template_sources: Vec<Source>,
    legal_bases: Vec<BasisShown<'a>>,
    restricted: bool,
    erasure_waits: bool,
    standing: Vec<StandingShown<'a>>,
    decisions: DecisionsShown,
    pairs: u64,
    /// Pictures that are kept of cases which wait for an officer.
    pictures: u64,
    /// Requests about the record, lowest number first.
    requests: Vec<RequestShown<'a>>,
    /// `null` where no transparency log is kept.
    accesses: Option<Vec<AccessShown<'a>>>,
    accesses_truncated: bool,
}

#[derive(Serialize)]
struct DecisionsShown {
    approved: u64,
    referred: u64,
    denied: u64,
    waiting: u64,
    first_at: Option<String>,
    last_at: Option<String>,
}

#[derive(Serialize)]
struct AccessShown<'a> {
    at: String,
    kind: &'a str,
    principal: &'a str,
    unit: Option<&'a str>,
}

/// Runs the command.
pub(super) async fn run(settings: &Settings, args: ReportArgs) -> Outcome {
    let records = CaseRecords::open("subject/report", settings, &args.gallery.place(settings)?).await?;
    let Some(report) = records.report(&args.subject).await? else {
        match args.json {
            true => print::json(&outcome::NotFound::default())?,
            false => print::answer("Không lưu giữ gì về mã này.\nNothing is kept of this id.")?,
        }
        return Ok(Exit::Negative);
    };
    let shown = shown(&report);
    match args.json {
        true => print::json(&shown)?,
        false => print::answer(&text(&shown, &report))?,
    }
    Ok(Exit::Success)
}

fn shown(report: &SubjectReport<SubjectInfo>) -> ReportShown<'_> {
    let of = report.subject.as_ref();
    let accesses = report.accesses.as_ref().map(|all| {
        let all = all.newest.iter().map(|RecordAccess { at, kind, principal, unit }| AccessShown {
            at: date::shown(*at),
            kind,
            principal,
            unit: unit.as_deref(),
        });
        all.collect()
    });
    ReportShown {
        found: true,
        subject_id: &report.id,
        enrolled: of.is_some(),
        enrolled_at: of.map(|of| date::shown(of.enrolled_at)),
        updated_at: of.map(|of| date::shown(of.updated_at)),
        schemes: of.into_iter().flat_map(|of| of.attributes.schemes.iter().map(String::as_str)).collect(),
        province: of.and_then(|of| of.attributes.province.as_deref()),
        unit: of.and_then(|of| of.attributes.unit.as_deref()),
        templates: of.map_or(0, |of| of.templates.len()),
        template_sources: of.into_iter().flat_map(|of| of.templates.iter().map(|one| one.source)).collect(),
        legal_bases: of.into_iter().flat_map(|of| of.legal_bases.iter().map(BasisShown::of)).collect(),
        restricted: of.is_some_and(|of| of.standing.is_restricted()),
        erasure_waits: of.is_some_and(|of| of.standing.erasure().is_some()),
        standing: of.into_iter().flat_map(|of| StandingShown::all(&of.standing)).collect(),
        decisions: DecisionsShown {
            approved: report.approved,
            referred: report.referred,
            denied: report.denied,
            waiting: report.waiting,
            first_at: report.decided.map(|(first, _)| date::shown(first)),
            last_at: report.decided.map(|(_, last)| date::shown(last)),
        },
        pairs: report.pairs,
        pictures: report.pictures,
        requests: report.requests.iter().map(RequestShown::of).collect(),
        accesses,
        accesses_truncated: report.accesses.as_ref().is_some_and(|all| all.truncated),
    }
}

/// The report for the person: each line, and each code in it, in Vietnamese, then in English.
fn text(of: &ReportShown<'_>, report: &SubjectReport<SubjectInfo>) -> String {
    let mut text = String::new();
    let mut both = |vi: &str, en: &str, what: &str| text += &format!("{vi} / {en}: {what}\n");
    let or_none = |what: String| if what.is_empty() { "không có / none".to_owned() } else { what };
    both("Mã hồ sơ", "record", &outcome::one_line(of.subject_id.as_str()));
    match &of.enrolled_at {
        Some(at) => both("Đăng ký lần đầu", "first enrolled", at),
        None => both("Đăng ký", "enrolled", "không / no"),
    }
    let schemes: Vec<String> = of.schemes.iter().map(|scheme| report_words::scheme(scheme)).collect();
    both("Chế độ", "schemes", &or_none(schemes.join(", ")));
    let place = of.province.into_iter().chain(of.unit).map(outcome::one_line).collect::<Vec<_>>().join(", ");
    both("Tỉnh, đơn vị", "province, unit", &or_none(place));
    both("Số mẫu khuôn mặt (không phải ảnh)", "face templates (no photos)", &of.templates.to_string());
    let bases: Vec<String> =
        of.legal_bases.iter().map(|one| format!("{} ({})", outcome::one_line(one.legal_basis), one.at)).collect();
    both("Căn cứ pháp lý", "legal basis", &or_none(bases.join("; ")));
    let DecisionsShown { approved, referred, denied, waiting, first_at, last_at } = &of.decisions;
    both("Số lần chấp thuận", "decisions that approved", &approved.to_string());
    both("Số lần chuyển xem xét", "decisions that referred", &referred.to_string());
    both("Số lần từ chối", "decisions that denied", &denied.to_string());
    both("Đang chờ xử lý", "waiting for an officer", &waiting.to_string());
    if let (Some(first), Some(last)) = (first_at, last_at) {
        both("Từ ngày, đến ngày", "first and last decision", &format!("{first}, {last}"));
    }
    both("Cặp hồ sơ giống khuôn mặt đã được xác nhận", "pairs that officers cleared", &of.pairs.to_string());
    both("Ảnh đang lưu của các lần chờ xử lý", "pictures kept of cases that wait", &of.pictures.to_string());
    both("Hạn chế xử lý", "restricted", if of.restricted { "có / yes" } else { "không / no" });
    if of.erasure_waits {
        both("Yêu cầu xóa đang chờ", "an erasure waits", "có / yes");
    }
    let standing = report.subject.iter().flat_map(|subject| subject.standing.numbered());
    for (number, in_force, entry) in standing {
        both("Diễn biến", "what was done", &report_words::standing(number, in_force, entry));
    }
    for request in &report.requests {
        both("Yêu cầu", "request", &report_words::request(request));
    }
    match &of.accesses {
        None => both("Ai đã xem", "who looked", "không có nhật ký / no log is kept"),
        Some(all) => {
            let more = if of.accesses_truncated { ", mới nhất / the newest" } else { "" };
            both("Số lần xem hoặc thay đổi", "looked at or changed", &format!("{}{more}", all.len()));
            for one in all {
                let unit = one.unit.map(|unit| format!("  {}", outcome::one_line(unit))).unwrap_or_default();
                let (kind, principal) = (report_words::look(one.kind), report_words::principal(one.principal));
                text += &format!("  {}  {kind}  {principal}{unit}\n", one.at);
            }
        }
    }
    text.trim_end().to_owned()
}
