//! Every reason a caller can be given: a stable code, and what to do next in
//! Vietnamese and English. One table; codes never change their meaning.

use super::WorkflowError;
use crate::face::FaceError;
use crate::gallery::GalleryError;
use crate::imaging::ImageError;
use crate::matching::CalibrationError;
use crate::search::SearchError;

/// Status class of a reason: who has to act, in the status codes of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// The request is wrong, whatever the state of the service.
    InvalidArgument,
    /// The request does not fit the state of the service.
    FailedPrecondition,
    /// What it names is not there.
    NotFound,
    /// What it would make is there.
    AlreadyExists,
    /// A bound is reached.
    ResourceExhausted,
    /// The service cannot at present; try again.
    Unavailable,
    /// The service is at fault.
    Internal,
    /// Stored data is damaged.
    DataLoss,
    /// The caller went away.
    Cancelled,
    /// The caller's deadline passed.
    DeadlineExceeded,
    /// It is not known who calls.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
}

code_table! {
    /// Why a request was not answered.
    Reason, class: StatusClass
    /// The status class.
    ;

    /// No bytes came.
    ImageEmpty, "IMAGE_EMPTY", InvalidArgument,
        "The photo is empty. Take it again.",
        "Ảnh trống. Hãy chụp lại.";
    /// Too many bytes, pixels, or too much memory to decode.
    ImageTooLarge, "IMAGE_TOO_LARGE", InvalidArgument,
        "The photo is too large. Send a smaller one.",
        "Ảnh quá lớn. Hãy gửi ảnh nhỏ hơn.";
    /// Not a format read here, or a rare kind of one.
    ImageFormat, "IMAGE_FORMAT", InvalidArgument,
        "This file is not a photo the system can read. Send JPEG, PNG, WebP, BMP or JPEG 2000.",
        "Tệp này không phải ảnh mà hệ thống đọc được. Hãy gửi ảnh JPEG, PNG, WebP, BMP hoặc JPEG 2000.";
    /// More than one frame.
    ImageAnimated, "IMAGE_ANIMATED", InvalidArgument,
        "The picture moves. Send a single still photo.",
        "Ảnh động. Hãy gửi một ảnh tĩnh.";
    /// Cut short or broken.
    ImageDamaged, "IMAGE_DAMAGED", InvalidArgument,
        "The photo is damaged or incomplete. Send it again.",
        "Ảnh bị hỏng hoặc thiếu dữ liệu. Hãy gửi lại ảnh.";
    /// Nothing was detected.
    NoFace, "NO_FACE", InvalidArgument,
        "No face was found. Take the photo again, from the front and in even light.",
        "Không tìm thấy khuôn mặt. Hãy chụp lại chính diện, ở nơi sáng đều.";
    /// Nothing was detected in a picture that is burnt out.
    ImageTooBright, "IMAGE_TOO_BRIGHT", InvalidArgument,
        "No face was found: the photo is burnt out. Use less light and take it again.",
        "Không tìm thấy khuôn mặt: ảnh bị cháy sáng. Hãy giảm ánh sáng và chụp lại.";
    /// Nothing was detected in a picture that is black.
    ImageTooDark, "IMAGE_TOO_DARK", InvalidArgument,
        "No face was found: the photo is black. Use more light and take it again.",
        "Không tìm thấy khuôn mặt: ảnh quá tối. Hãy tăng ánh sáng và chụp lại.";
    /// Eyes, nose or mouth are outside the picture.
    FaceCut, "FACE_CUT", InvalidArgument,
        "The face is cut off at the edge. Take the photo again with the whole face inside.",
        "Khuôn mặt bị cắt ở mép ảnh. Hãy chụp lại sao cho thấy trọn khuôn mặt.";
    /// The model packs in use take different faces of a picture for the one it is about.
    FaceAmbiguous, "FACE_AMBIGUOUS", InvalidArgument,
        "It is not clear whose face the photo shows. Take it again with one face in the picture.",
        "Không rõ ảnh chụp khuôn mặt của ai. Hãy chụp lại, trong ảnh chỉ có một khuôn mặt.";
    /// Too few pixels between the eyes.
    FaceTooSmall, "FACE_TOO_SMALL", InvalidArgument,
        "The face is too small. Move closer to the camera.",
        "Khuôn mặt quá nhỏ. Hãy lại gần máy ảnh hơn.";
    /// The profile in force finds flaws; each has a code and sentences of its own.
    CaptureRefused, "CAPTURE_REFUSED", InvalidArgument,
        "The picture is not good enough. Follow the advice given with it and take it again.",
        "Ảnh chưa đạt chất lượng. Hãy làm theo hướng dẫn kèm theo và chụp lại.";
    /// The liveness score is too low, or there is none.
    NotLive, "NOT_LIVE", InvalidArgument,
        "It could not be shown that a living person stands before the camera. Take the picture again, without glare; do not hold up a photo or a screen.",
        "Chưa xác nhận được người thật trước máy ảnh. Hãy chụp lại, tránh bị lóa; không dùng ảnh hoặc màn hình.";
    /// One picture sent twice, or frames without any motion.
    FramesRepeated, "FRAMES_REPEATED", InvalidArgument,
        "The captures are the same picture. Take several, one after the other.",
        "Các ảnh chụp là cùng một ảnh. Hãy chụp nhiều ảnh, lần lượt từng ảnh.";
    /// Frames of one probe are of different people.
    ProbesDisagree, "PROBES_DISAGREE", InvalidArgument,
        "The captures do not show one and the same person. Take them again with only that person in view.",
        "Các ảnh chụp không phải của cùng một người. Hãy chụp lại, chỉ để một người trong khung hình.";
    /// Photos of one enrolment are of different people.
    PhotosDisagree, "PHOTOS_DISAGREE", FailedPrecondition,
        "The photos do not show one and the same person. Send photos of one person, or let an officer look and vouch for them.",
        "Các ảnh không phải của cùng một người. Hãy gửi ảnh của một người, hoặc để người có thẩm quyền xem và xác nhận.";
    /// Photos added to a record are of another person.
    RecordDisagrees, "RECORD_DISAGREES", FailedPrecondition,
        "The photos do not show the person of this record. Check that the right record is open, or let an officer look and vouch for them.",
        "Ảnh không khớp với người đã đăng ký trong hồ sơ. Hãy kiểm tra xem đã mở đúng hồ sơ chưa, hoặc để người có thẩm quyền xem và xác nhận.";
    /// None, or more than five.
    PhotoCount, "PHOTO_COUNT", InvalidArgument,
        "Wrong number of photos. Send 1 to 5.",
        "Số lượng ảnh không đúng. Hãy gửi từ 1 đến 5 ảnh.";
    /// A number in the request makes no sense.
    OutOfRange, "OUT_OF_RANGE", InvalidArgument,
        "A value in the request is out of range. Correct it and send again.",
        "Một giá trị trong yêu cầu nằm ngoài phạm vi cho phép. Hãy sửa và gửi lại.";
    /// Empty, too long, or with control characters.
    BadSubjectId, "BAD_SUBJECT_ID", InvalidArgument,
        "The record's id is not valid. Use 1 to 128 bytes of text.",
        "Mã hồ sơ không hợp lệ. Hãy dùng chuỗi từ 1 đến 128 byte.";
    /// An id that looks like a citizen's, insurance or identity number.
    IdIsNumber, "ID_IS_NUMBER", InvalidArgument,
        "An id in the request looks like a card or insurance number. Use a pseudonymous id instead.",
        "Một mã trong yêu cầu giống số thẻ hoặc số bảo hiểm. Hãy dùng mã riêng, không dùng số thẻ hay số bảo hiểm.";
    /// Empty, too long, or not ASCII.
    BadRequestId, "BAD_REQUEST_ID", InvalidArgument,
        "The request id is not valid. Use 1 to 128 printable ASCII characters.",
        "Mã yêu cầu không hợp lệ. Hãy dùng từ 1 đến 128 ký tự ASCII in được.";
    /// Too many templates for one subject.
    TemplateCount, "TEMPLATE_COUNT", FailedPrecondition,
        "This would leave the record with too many photos. Replace the record instead.",
        "Hồ sơ sẽ có quá nhiều ảnh. Hãy thay thế hồ sơ.";
    /// The id is taken.
    SubjectExists, "SUBJECT_EXISTS", AlreadyExists,
        "This record is already enrolled. Replace it or add to it.",
        "Hồ sơ này đã được đăng ký. Hãy thay thế hoặc bổ sung.";
    /// The id is not enrolled.
    SubjectUnknown, "SUBJECT_UNKNOWN", NotFound,
        "There is no such record. Check the id.",
        "Không có hồ sơ này. Hãy kiểm tra lại mã hồ sơ.";
    /// Same request id, other content.
    RequestIdReused, "REQUEST_ID_REUSED", FailedPrecondition,
        "This request id was used for something else. Use a new one.",
        "Mã yêu cầu này đã được dùng cho việc khác. Hãy dùng mã mới.";
    /// Same transaction id and attempt, other content.
    TransactionReused, "TRANSACTION_REUSED", FailedPrecondition,
        "This transaction id was used for something else. Use a new one; for a retake, the next attempt number.",
        "Mã giao dịch này đã được dùng cho việc khác. Hãy dùng mã mới; nếu chụp lại, dùng số lần thử kế tiếp.";
    /// Not the attempt that follows the last one.
    AttemptOutOfOrder, "ATTEMPT_OUT_OF_ORDER", FailedPrecondition,
        "The attempt number does not follow the last one of this transaction. Send the next number.",
        "Số lần thử không nối tiếp lần trước của giao dịch này. Hãy gửi số kế tiếp.";
    /// More attempts than the policy allows.
    AttemptsUsedUp, "ATTEMPTS_USED_UP", FailedPrecondition,
        "All attempts of this transaction are used up. Refer the case to an officer.",
        "Giao dịch này đã hết số lần thử. Hãy chuyển hồ sơ cho người có thẩm quyền.";
    /// Approved or resolved.
    TransactionClosed, "TRANSACTION_CLOSED", FailedPrecondition,
        "This transaction is closed. Begin a new one.",
        "Giao dịch này đã kết thúc. Hãy tạo giao dịch mới.";
    /// No such transaction.
    TransactionUnknown, "TRANSACTION_UNKNOWN", NotFound,
        "There is no such transaction. Check its id.",
        "Không có giao dịch này. Hãy kiểm tra lại mã giao dịch.";
    /// The transaction has no such attempt.
    AttemptUnknown, "ATTEMPT_UNKNOWN", NotFound,
        "This transaction has no such attempt. Check the attempt number.",
        "Giao dịch này không có lần thử đó. Hãy kiểm tra lại số lần thử.";
    /// Approved, or followed by a later attempt.
    NotReferred, "NOT_REFERRED", FailedPrecondition,
        "An officer cannot answer this attempt. Check the transaction and its last attempt.",
        "Không thể xử lý lần thử này. Hãy kiểm tra lại mã giao dịch và lần thử cuối.";
    /// The officer presented the case or enrolled the record.
    OfficerInvolved, "OFFICER_INVOLVED", FailedPrecondition,
        "Whoever presented a case or enrolled its record does not answer it. Another officer must.",
        "Người đã tiếp nhận hồ sơ hoặc đăng ký khuôn mặt không được tự xử lý. Hãy chuyển cho người có thẩm quyền khác.";
    /// An officer's word on photos that need none.
    VouchNotNeeded, "VOUCH_NOT_NEEDED", FailedPrecondition,
        "These photos agree with each other. A registrar enrols them, without an officer's word.",
        "Các ảnh này đã khớp nhau. Hãy để cán bộ đăng ký tự đăng ký, không cần người có thẩm quyền xác nhận.";
    /// The name of a legal hold that cannot be one.
    BadHoldName, "BAD_HOLD_NAME", InvalidArgument,
        "Name the legal hold by its case file: 1 to 64 letters, digits and _ . / -, and nobody's number.",
        "Hãy ghi mã hồ sơ vụ việc làm tên lệnh lưu giữ: 1 đến 64 chữ cái không dấu, chữ số và _ . / -, không phải số của cá nhân.";
    /// A reference to a legal basis that cannot be kept.
    BadLegalBasis, "BAD_LEGAL_BASIS", InvalidArgument,
        "Give the legal basis as a reference of 1 to 200 characters in one line, without card or insurance numbers.",
        "Hãy ghi căn cứ pháp lý bằng một mã tham chiếu từ 1 đến 200 ký tự trên một dòng, không có số thẻ hay số bảo hiểm.";
    /// An enrolment without a legal basis, where the configuration requires one.
    LegalBasisMissing, "LEGAL_BASIS_MISSING", InvalidArgument,
        "Give the legal basis or the consent that this enrolment rests on.",
        "Hãy ghi căn cứ pháp lý hoặc sự đồng ý làm cơ sở cho việc đăng ký này.";
    /// A record that must stay as it is.
    RecordKept, "RECORD_KEPT", FailedPrecondition,
        "The record must stay as it is: a referral of it waits, it is restricted, or a legal hold is on it. Ask for its erasure, or settle that first.",
        "Phải giữ nguyên hồ sơ: có trường hợp chờ xử lý, hồ sơ đang bị hạn chế hoặc có lệnh lưu giữ. Hãy yêu cầu xóa hoặc giải quyết việc đó trước.";
    /// A record that is restricted.
    RecordRestricted, "RECORD_RESTRICTED", FailedPrecondition,
        "The record is restricted: nothing is added to it or decided of it by machine. Refer to an officer or auditor.",
        "Hồ sơ đang được hạn chế xử lý: hệ thống không bổ sung và không tự quyết định. Hãy chuyển cho người có thẩm quyền.";
    /// Nothing to lift.
    NotRestricted, "NOT_RESTRICTED", FailedPrecondition,
        "The record has no such restriction. Check that the right record is open, and the number.",
        "Hồ sơ này không có lệnh hạn chế xử lý đó. Hãy kiểm tra xem đã mở đúng hồ sơ và nêu đúng số chưa.";
    /// Several restrictions are in force, and none is named.
    RestrictionsSeveral, "RESTRICTIONS_SEVERAL", FailedPrecondition,
        "Several restrictions are in force on the record. Name the one that ends by its number; the record shows them.",
        "Hồ sơ đang có nhiều lệnh hạn chế xử lý. Hãy nêu số của lệnh cần chấm dứt; hồ sơ có ghi các số này.";
    /// A hold under the name of another.
    HoldNameTaken, "HOLD_NAME_TAKEN", AlreadyExists,
        "A legal hold of this name is on the record already, for another reason. Give this one a name of its own.",
        "Hồ sơ đã có lệnh lưu giữ mang tên này vì lý do khác. Hãy đặt tên riêng cho lệnh này.";
    /// No hold of that name.
    HoldUnknown, "HOLD_UNKNOWN", NotFound,
        "No legal hold of this name is on the record. Check the name.",
        "Hồ sơ không có lệnh lưu giữ nào mang tên này. Hãy kiểm tra lại tên.";
    /// No request of a person of that number.
    SubjectRequestUnknown, "SUBJECT_REQUEST_UNKNOWN", NotFound,
        "There is no request of a person with this number. Check the number.",
        "Không có yêu cầu nào của chủ thể dữ liệu mang số này. Hãy kiểm tra lại số.";
    /// A request of a person that has ended otherwise.
    SubjectRequestClosed, "SUBJECT_REQUEST_CLOSED", FailedPrecondition,
        "This request of a person has ended before, in another way. Enter a new one if it is asked for again.",
        "Yêu cầu này của chủ thể dữ liệu đã kết thúc theo cách khác. Nếu có yêu cầu lại, hãy ghi nhận yêu cầu mới.";
    /// The pair was never cleared.
    PairUnknown, "PAIR_UNKNOWN", NotFound,
        "This pair was not cleared. Check the two ids.",
        "Cặp hồ sơ này chưa từng được xác nhận. Hãy kiểm tra lại hai mã hồ sơ.";
    /// A page token of another list, gallery or server.
    BadPageToken, "BAD_PAGE_TOKEN", InvalidArgument,
        "The list cannot go on from here. Begin it again.",
        "Không thể xem tiếp danh sách từ đây. Hãy mở lại danh sách từ đầu.";
    /// An officer answered otherwise before.
    AlreadyResolved, "ALREADY_RESOLVED", FailedPrecondition,
        "An officer has already resolved this case in another way. Begin a new transaction if it must be decided again.",
        "Hồ sơ này đã được xử lý theo cách khác. Nếu cần quyết định lại, hãy tạo giao dịch mới.";
    /// An officer's reason that cannot be kept.
    BadNote, "BAD_NOTE", InvalidArgument,
        "Give a reason of 1 to 500 characters in one line, without card or insurance numbers.",
        "Hãy ghi lý do từ 1 đến 500 ký tự trên một dòng, không ghi số thẻ hay số bảo hiểm.";
    /// A pair of one.
    SamePair, "SAME_PAIR", InvalidArgument,
        "A pair is of two different records. Name two.",
        "Một cặp phải gồm hai hồ sơ khác nhau. Hãy nêu hai mã hồ sơ.";
    /// No such policy is configured.
    PolicyUnknown, "POLICY_UNKNOWN", InvalidArgument,
        "There is no policy of this name. Tell the operator.",
        "Không có chính sách nào mang tên này. Hãy báo người vận hành.";
    /// Templates of two recipes.
    RecipeMismatch, "RECIPE_MISMATCH", FailedPrecondition,
        "The templates come from different model packs and cannot be compared. Tell the operator.",
        "Các mẫu khuôn mặt thuộc các bộ mô hình khác nhau nên không thể so sánh. Hãy báo người vận hành.";
    /// No usable calibration.
    Calibration, "CALIBRATION", FailedPrecondition,
        "The engine has no error rates for this kind of comparison. Tell the operator.",
        "Hệ thống chưa có số liệu sai số cho kiểu so sánh này. Hãy báo người vận hành.";
    /// Started without --data.
    NoGallery, "NO_GALLERY", FailedPrecondition,
        "The engine runs without a gallery. Tell the operator.",
        "Hệ thống đang chạy không có kho dữ liệu. Hãy báo người vận hành.";
    /// The gallery keeps no transparency log.
    NoLedger, "NO_LEDGER", FailedPrecondition,
        "No transparency log is kept here. Tell the operator.",
        "Hệ thống chưa lưu nhật ký minh bạch. Hãy báo người vận hành.";
    /// No such entry of the log, or its contents were pruned.
    EntryUnknown, "ENTRY_UNKNOWN", NotFound,
        "The log has no such entry, or keeps its contents no longer. Check the id, or name the entry's number.",
        "Nhật ký không có mục này, hoặc không còn lưu nội dung. Hãy kiểm tra lại mã, hoặc dùng số thứ tự của mục.";
    /// The configured number of templates, or the memory for them, is used up.
    GalleryFull, "GALLERY_FULL", ResourceExhausted,
        "The gallery is full. Tell the operator.",
        "Kho dữ liệu đã đầy. Hãy báo người vận hành.";
    /// Every place is taken.
    Busy, "BUSY", ResourceExhausted,
        "The system is busy. Try again in a moment.",
        "Hệ thống đang bận. Hãy thử lại sau giây lát.";
    /// Nothing of this write was kept.
    DiskFull, "DISK_FULL", ResourceExhausted,
        "The disk is full; nothing was saved. Tell the operator.",
        "Ổ đĩa đã đầy, chưa lưu được gì. Hãy báo người vận hành.";
    /// Beyond the message limit.
    MessageTooLarge, "MESSAGE_TOO_LARGE", ResourceExhausted,
        "The request is too large. Send smaller or fewer photos.",
        "Yêu cầu quá lớn. Hãy gửi ảnh nhỏ hơn hoặc ít ảnh hơn.";
    /// Bytes that are no message of the wire contract.
    BadMessage, "BAD_MESSAGE", InvalidArgument,
        "The program sent a request the system does not understand. Tell the operator.",
        "Phần mềm gửi yêu cầu mà hệ thống không hiểu. Hãy báo người vận hành.";
    /// The server drains.
    ShuttingDown, "SHUTTING_DOWN", Unavailable,
        "The system is restarting. Try again in a moment.",
        "Hệ thống đang khởi động lại. Hãy thử lại sau giây lát.";
    /// The caller went away.
    Cancelled, "CANCELLED", Cancelled,
        "The request was cancelled. Send it again if it is still wanted.",
        "Yêu cầu đã bị hủy. Nếu vẫn cần, hãy gửi lại.";
    /// The caller's deadline passed.
    DeadlineExceeded, "DEADLINE_EXCEEDED", DeadlineExceeded,
        "The answer took too long. Try again.",
        "Quá thời gian chờ. Hãy thử lại.";
    /// A network failed.
    Inference, "INFERENCE", Internal,
        "The system failed on this photo. Take another; if it happens again, tell the operator.",
        "Hệ thống gặp lỗi với ảnh này. Hãy chụp ảnh khác; nếu vẫn lỗi, hãy báo người vận hành.";
    /// Missing, altered or unsuitable files.
    ModelPack, "MODEL_PACK", Internal,
        "The model pack cannot be used. Tell the operator.",
        "Không dùng được bộ mô hình. Hãy báo người vận hành.";
    /// The store failed.
    Storage, "STORAGE", Unavailable,
        "The storage failed and it is not certain that this was saved. Send the same request again, then tell the operator.",
        "Lỗi lưu trữ, chưa chắc dữ liệu đã được lưu. Hãy gửi lại đúng yêu cầu này, sau đó báo người vận hành.";
    /// A person must act.
    DataDamaged, "DATA_DAMAGED", DataLoss,
        "Stored data is damaged. Tell the operator.",
        "Dữ liệu lưu trữ bị hỏng. Hãy báo người vận hành.";
    /// Anything else.
    Internal, "INTERNAL", Internal,
        "The system failed. Try again, then tell the operator.",
        "Hệ thống gặp lỗi. Hãy thử lại, sau đó báo người vận hành.";
    /// Neither a certificate that the server knows nor a token came with the call.
    Unauthenticated, "UNAUTHENTICATED", Unauthenticated,
        "The system does not know who calls. Sign in, or have the machine's certificate set up.",
        "Hệ thống chưa biết ai gọi. Hãy đăng nhập, hoặc nhờ cài chứng thư cho máy.";
    /// The token is damaged, not for this server, or not signed by a key in use.
    TokenRefused, "TOKEN_REFUSED", Unauthenticated,
        "The sign-in is not valid here. Sign in again.",
        "Phiên đăng nhập không hợp lệ. Hãy đăng nhập lại.";
    /// The token's time is over.
    TokenExpired, "TOKEN_EXPIRED", Unauthenticated,
        "The sign-in has expired. Sign in again.",
        "Phiên đăng nhập đã hết hạn. Hãy đăng nhập lại.";
    /// The keys that tokens are checked by are not there, or too old.
    TokenUnchecked, "TOKEN_UNCHECKED", Unavailable,
        "The sign-in cannot be checked at present: the sign-in service does not answer. Try again soon.",
        "Chưa kiểm tra được phiên đăng nhập vì dịch vụ đăng nhập không trả lời. Hãy thử lại sau ít phút.";
    /// The certificate is valid and stands for no machine of the configuration.
    MachineUnknown, "MACHINE_UNKNOWN", PermissionDenied,
        "This machine's certificate is not registered here. Ask the operator to add it.",
        "Chứng thư của máy này chưa được đăng ký. Hãy báo người vận hành thêm máy.";
    /// Certificate and token name different units or provinces.
    CallerPlacesDiffer, "CALLER_PLACES_DIFFER", PermissionDenied,
        "The machine and the person signed in belong to different places. Use a machine of your own office.",
        "Máy và người đăng nhập thuộc hai đơn vị khác nhau. Hãy dùng máy của đơn vị mình.";
    /// No role of the caller may call the method.
    RoleNotAllowed, "ROLE_NOT_ALLOWED", PermissionDenied,
        "Your role may not do this. Ask somebody whose task it is.",
        "Vai trò của bạn không được làm việc này. Hãy nhờ người có nhiệm vụ.";
    /// What is asked for belongs to another unit or province.
    OutOfReach, "OUT_OF_REACH", PermissionDenied,
        "This case belongs to another unit or province. Hand it to them.",
        "Trường hợp này thuộc đơn vị hoặc tỉnh khác. Hãy chuyển cho nơi đó.";
    /// A field that the caller's role may not set.
    FieldNotAllowed, "FIELD_NOT_ALLOWED", PermissionDenied,
        "Your role may not choose this value. Leave it empty.",
        "Vai trò của bạn không được chọn giá trị này. Hãy để trống.";
    /// An id of a person or a unit in the request that is not the caller's own.
    NotYourId, "NOT_YOUR_ID", PermissionDenied,
        "The request names somebody else as its author. Leave the field empty, or sign in as that person.",
        "Yêu cầu ghi tên người khác. Hãy để trống ô này, hoặc đăng nhập bằng tài khoản của người đó.";
    /// The caller's own bound on calls is reached.
    LimitReached, "LIMIT_REACHED", ResourceExhausted,
        "You have made too many calls. Wait a little and try again.",
        "Bạn đã gửi quá nhiều yêu cầu. Hãy chờ một lát rồi thử lại.";
}

impl Reason {
    /// The reason behind an error.
    pub fn of(error: &WorkflowError) -> Self {
        match error {
            WorkflowError::Face { source, .. } => Self::of_face(source),
            WorkflowError::FaceAmbiguous { .. } => Self::FaceAmbiguous,
            WorkflowError::SameGeneration { .. } => Self::ModelPack,
            WorkflowError::PageToken => Self::BadPageToken,
            WorkflowError::OutOfReach => Self::OutOfReach,
            WorkflowError::PhotoCount { .. } => Self::PhotoCount,
            WorkflowError::CaptureRefused { .. } => Self::CaptureRefused,
            WorkflowError::NotLive { .. } => Self::NotLive,
            WorkflowError::FramesRepeated => Self::FramesRepeated,
            WorkflowError::ProbesDisagree => Self::ProbesDisagree,
            WorkflowError::OutOfRange { .. } => Self::OutOfRange,
            WorkflowError::BadId { .. } => Self::BadSubjectId,
            WorkflowError::NumberAsId { .. } => Self::IdIsNumber,
            WorkflowError::LegalBasisMissing => Self::LegalBasisMissing,
            WorkflowError::Busy { .. } => Self::Busy,
            WorkflowError::DeadlineExceeded(_) => Self::DeadlineExceeded,
            WorkflowError::Calibration(CalibrationError::BadRate(_)) => Self::OutOfRange,
            WorkflowError::PolicyRate { .. } => Self::Calibration,
            WorkflowError::Calibration(_) => Self::Calibration,
            WorkflowError::Recipe(_) => Self::RecipeMismatch,
            WorkflowError::Gallery(error) => Self::of_gallery(error),
            WorkflowError::Pack(_) => Self::ModelPack,
            WorkflowError::NoGallery => Self::NoGallery,
            WorkflowError::Policy => Self::PolicyUnknown,
            WorkflowError::Attempts { .. } => Self::AttemptsUsedUp,
            WorkflowError::ChipCheck => Self::Internal,
            WorkflowError::Answer => Self::DataDamaged,
        }
    }

    /// The reason a photo gave no template.
    pub fn of_face(error: &FaceError) -> Self {
        match error {
            FaceError::Image(error) => match error {
                ImageError::Empty => Self::ImageEmpty,
                ImageError::TooManyBytes { .. }
                | ImageError::TooManyPixels { .. }
                | ImageError::TooMuchMemory { .. } => Self::ImageTooLarge,
                ImageError::UnknownFormat | ImageError::Unsupported { .. } => Self::ImageFormat,
                ImageError::Animated => Self::ImageAnimated,
                ImageError::Truncated(_) | ImageError::Malformed { .. } => Self::ImageDamaged,
            },
            FaceError::NoFace => Self::NoFace,
            FaceError::TooBright => Self::ImageTooBright,
            FaceError::TooDark => Self::ImageTooDark,
            FaceError::FaceCut => Self::FaceCut,
            FaceError::FaceTooSmall { .. } => Self::FaceTooSmall,
            FaceError::Inference(_) => Self::Inference,
            FaceError::Cancelled => Self::Cancelled,
        }
    }

    /// The reason the gallery refused or failed.
    pub fn of_gallery(error: &GalleryError) -> Self {
        match error {
            GalleryError::BadSubjectId => Self::BadSubjectId,
            GalleryError::BadRequestId => Self::BadRequestId,
            GalleryError::TemplateCount { .. } => Self::TemplateCount,
            GalleryError::SubjectExists => Self::SubjectExists,
            GalleryError::UnknownSubject => Self::SubjectUnknown,
            GalleryError::PhotosDisagree => Self::PhotosDisagree,
            GalleryError::RecordDisagrees => Self::RecordDisagrees,
            GalleryError::RequestIdReused => Self::RequestIdReused,
            GalleryError::TransactionReused => Self::TransactionReused,
            GalleryError::AttemptOutOfOrder { .. } => Self::AttemptOutOfOrder,
            GalleryError::TransactionClosed => Self::TransactionClosed,
            GalleryError::UnknownTransaction => Self::TransactionUnknown,
            GalleryError::UnknownAttempt => Self::AttemptUnknown,
            GalleryError::NotReferred => Self::NotReferred,
            GalleryError::OfficerInvolved => Self::OfficerInvolved,
            GalleryError::VouchNotNeeded => Self::VouchNotNeeded,
            GalleryError::UnknownPair => Self::PairUnknown,
            GalleryError::AlreadyResolved => Self::AlreadyResolved,
            // Of a decision that is made anew, and still not in time.
            GalleryError::Outdated => Self::Busy,
            GalleryError::Behind | GalleryError::LogTooShort => Self::Storage,
            GalleryError::BadNote => Self::BadNote,
            GalleryError::BadHoldName => Self::BadHoldName,
            GalleryError::BadLegalBasis => Self::BadLegalBasis,
            GalleryError::RecordKept => Self::RecordKept,
            GalleryError::RecordRestricted => Self::RecordRestricted,
            GalleryError::NotRestricted => Self::NotRestricted,
            GalleryError::SeveralRestrictions { .. } => Self::RestrictionsSeveral,
            GalleryError::HoldNameTaken => Self::HoldNameTaken,
            GalleryError::UnknownHold => Self::HoldUnknown,
            GalleryError::UnknownRequest => Self::SubjectRequestUnknown,
            GalleryError::RequestClosed => Self::SubjectRequestClosed,
            GalleryError::SamePair => Self::SamePair,
            GalleryError::OtherRecipe { .. } => Self::RecipeMismatch,
            GalleryError::Search(SearchError::Full { .. } | SearchError::Memory { .. }) => Self::GalleryFull,
            GalleryError::Search(SearchError::Unreadable | SearchError::Missing | SearchError::Stopped) => {
                Self::Storage
            }
            // No request names a vector or a score: these are the engine's own.
            GalleryError::Search(_) => Self::Internal,
            GalleryError::DiskFull => Self::DiskFull,
            GalleryError::Closing => Self::ShuttingDown,
            GalleryError::Storage(_)
            | GalleryError::Postgres(_)
            | GalleryError::NotAllowed { .. }
            | GalleryError::InUse(_)
            | GalleryError::NotThere(_)
            | GalleryError::AlreadyThere(_)
            | GalleryError::RestoringInterrupted(_)
            | GalleryError::NoBackup
            | GalleryError::OtherFiles(_)
            | GalleryError::OtherGallery { .. }
            | GalleryError::LedgerNeeded
            | GalleryError::LedgerKey
            | GalleryError::LedgerSigner
            | GalleryError::SealingNeeded(_)
            | GalleryError::NotSealed(_)
            | GalleryError::SealedBefore { .. }
            | GalleryError::OtherKeyStore(_)
            | GalleryError::KeyStoreTaken { .. }
            | GalleryError::OlderKeyStore(_)
            | GalleryError::KeyStore(_) => Self::Storage,
            GalleryError::NoLedger => Self::NoLedger,
            GalleryError::UnknownEntry => Self::EntryUnknown,
            GalleryError::Entry(_) => Self::Internal,
            GalleryError::NewerVersion { .. } | GalleryError::Damaged { .. } | GalleryError::Ledger(_) => {
                Self::DataDamaged
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_table::check_table;

    #[test]
    fn every_reason_has_its_own_code_and_a_sentence_in_both_languages() {
        check_table(Reason::ALL, |reason| (reason.code(), reason.en(), reason.vi()), Reason::from_code);
    }

    #[test]
    fn a_deadline_is_told_in_the_same_words_by_whoever_finds_that_it_passed() {
        let error = WorkflowError::from(crate::context::DeadlinePassed);
        assert_eq!(Reason::of(&error), Reason::DeadlineExceeded);
        assert_eq!(error.to_string(), Reason::DeadlineExceeded.en());
    }

    #[test]
    fn every_reason_says_what_to_do() {
        for reason in Reason::ALL {
            let vi = reason.vi();
            assert!(vi.contains("Hãy ") || vi.contains(" hãy "), "{vi}");
            for no in ["Vui lòng", "huỷ", "hoá", "khoá", "loá", "chuyển người", "đối tượng"] {
                assert!(!vi.contains(no), "{no}: {vi}");
            }
        }
    }
}
