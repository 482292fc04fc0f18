// Texts of the desk, in both languages.

import { say } from "./text.js";

export const STEP_NAMES = {
  record: say("Hồ sơ", "Record"),
  card: say("Thẻ", "Card"),
  capture: say("Chụp ảnh", "Capture"),
  answer: say("Trả lời", "Answer"),
};

export const DESK = {
  steps: say("Các bước", "Steps"),
  done: say("(đã xong)", "(done)"),
  attempt: say("Lần thử {n}", "Attempt {n}"),
  transaction: say("Số giao dịch", "Transaction"),
  newCase: say("Hồ sơ mới", "New case"),
  next: say("Tiếp tục", "Continue"),
  back: say("Quay lại", "Back"),
  newCaseTitle: say("Bỏ hồ sơ đang làm?", "Leave this case?"),
  newCaseBody: say("Ảnh và dữ liệu đã nhập của hồ sơ này sẽ bị xóa khỏi trang.", "Its pictures and what you entered will be gone from the page."),
  newCaseSent: say(
    "Yêu cầu đã gửi mà chưa có trả lời. Hãy ghi lại số giao dịch để xem kết quả sau.",
    "The request was sent and no answer has come. Write the transaction number down to see the answer later.",
  ),
  leave: say("Bỏ và bắt đầu mới", "Leave it and begin anew"),
  stay: say("Ở lại", "Stay"),
  otherTab: say(
    "Hồ sơ đó đang mở ở một thẻ khác của trình duyệt. Thẻ này bắt đầu một hồ sơ mới.",
    "That case is open in another tab of the browser. This tab begins a new one.",
  ),
  handoffOtherTab: say(
    "Hồ sơ này đang mở ở một thẻ khác của trình duyệt. Hãy tiếp tục ở thẻ đó, hoặc đóng thẻ đó rồi thử lại.",
    "This case is open in another tab of the browser. Go on there, or close that tab and try again.",
  ),
  handoffGone: say(
    "Liên kết từ hệ thống chi trả đã hết hạn hoặc không đúng. Hãy mở lại từ hệ thống đó, hoặc nhập hồ sơ ở đây.",
    "The link from the benefit system has expired or is not valid. Open it again from there, or enter the record here.",
  ),
  handoffTaken: say(
    "Cán bộ khác đã nhận hồ sơ này từ hệ thống chi trả.",
    "Another clerk has taken this case over from the benefit system.",
  ),
  firstNotDecided: say(
    "Lần gửi trước (giao dịch {id}) chưa được quyết định: máy chủ không nhận được. Đây là hồ sơ do hệ thống chi trả chuyển sang.",
    "What was sent before (transaction {id}) was not decided: it did not reach the server. This is the record from the benefit system.",
  ),
  aside: say("Hồ sơ do hệ thống chi trả chuyển sang vẫn còn mở, chưa xong.", "A record from the benefit system is still open and not finished."),
  openAside: say("Mở hồ sơ đó", "Open it"),
  readCard: say(
    "Lần thử này: đọc thẻ trước, rồi chụp lại. Vẫn không có thẻ hoặc không đọc được thì chọn như vậy ở dưới.",
    "This attempt: read the card first, then take the pictures again. If there is still none, or it cannot be read, choose so below.",
  ),
  handedOver: say("Hồ sơ do hệ thống chi trả chuyển sang. Hãy kiểm tra rồi tiếp tục.", "The record came from the benefit system. Check it and go on."),
  resumed: say(
    "Trang đã được tải lại. Giao dịch vẫn là giao dịch cũ; trang không giữ ảnh, tên hay số nên cần nhập lại. Trường hợp đặc biệt đã chọn vẫn còn.",
    "The page was loaded again. It is the same transaction; the page keeps no picture, name or number, so enter them again. The special case that was chosen is kept.",
  ),
  enterAgain: say(
    "Lần thử {n} của cùng giao dịch. Trang không giữ ảnh, tên hay số của lần trước: hãy nhập lại hồ sơ và thẻ, vì phần để trống sẽ không được so sánh.",
    "Attempt {n} of the same transaction. The page keeps no picture, name or number of the one before: enter record and card again, since what is left empty is not compared.",
  ),
  resumedAnswer: say("Giao dịch này đã có trả lời. Đây là trả lời đó.", "This transaction has its answer already. This is it."),
  looking: say("Đang tìm trả lời của giao dịch…", "Looking for the transaction's answer…"),
  noneLeft: say(
    "Lần gửi này không được quyết định: giao dịch đã hết số lần thử. Dưới đây là trả lời của lần thử cuối.",
    "What was sent now was not decided: the transaction has no attempt left. Below is the answer to its last one.",
  ),
  renewed: say(
    "Chưa có quyết định nào về hồ sơ này: số giao dịch đó đã dùng cho một hồ sơ khác. Trang đã bắt đầu giao dịch mới. Hãy kiểm tra hồ sơ, rồi gửi lại.",
    "Nothing was decided about this record: that transaction was used for another one. A new transaction has begun. Check the record, then send again.",
  ),
  answerStays: say(
    "Lần thử này đã có trả lời và không đổi được nữa. Nút “Quay lại” của trình duyệt không làm mất gì và không gửi lại gì.",
    "This attempt has its answer, and it no longer changes. The browser's back button loses nothing and sends nothing again.",
  ),
  ordinaryPolicy: say(
    "Trường hợp này chưa có chính sách riêng: chính sách chung quyết định như với mọi hồ sơ, và có thể từ chối.",
    "No policy of its own is set for this case: the ordinary one decides as for any other, and may deny it.",
  ),
  collectorByHand: say(
    "Máy chủ chưa có chính sách cho người nhận thay, nên bàn này không xác nhận người nhận thay bằng máy và không gửi gì đi. Bấm “Tiếp tục” để in phiếu cho người có thẩm quyền giải quyết bằng giấy ủy quyền.",
    "No policy for collectors is set, so this desk cannot confirm a collector by machine and sends nothing. “Continue” gives a slip, for an officer to decide by the authorisation on paper.",
  ),
};

export const RECORD = {
  title: say("Hồ sơ hưởng", "The benefit record"),
  subjectId: say("Mã hồ sơ", "Record id"),
  fromSystem: say("Do hệ thống chi trả chuyển sang; không sửa ở đây.", "It came from the benefit system, and is not changed here."),
  ofTransaction: say(
    "Các lần thử của một giao dịch là về cùng một hồ sơ nên không sửa ở đây. Hồ sơ khác: bấm “Hồ sơ mới”.",
    "All attempts of a transaction are about one record, so it is not changed here. For another, choose “New case”.",
  ),
  subjectIdHint: say("Không phải số thẻ hay số bảo hiểm.", "Never a card or insurance number."),
  scheme: say("Chế độ", "Scheme"),
  number: say("Số định danh trong hồ sơ", "Citizen's number in the record"),
  name: say("Họ và tên trong hồ sơ", "Full name in the record"),
  birthDate: say("Ngày sinh trong hồ sơ", "Date of birth in the record"),
  birthDateHint: say("07/03/1958, 03/1958 hoặc 1958", "07/03/1958 (day first), 03/1958 or 1958"),
  sex: say("Giới tính", "Sex"),
  asItStands: say(
    "Ghi như hồ sơ đang có, kể cả khi thiếu. Chỉ để so với chip, không lưu.",
    "As the record has it, gaps and all. Compared with the chip, not kept.",
  ),
  special: say("Trường hợp đặc biệt", "Special cases"),
  specialHint: say("trẻ em, nhận thay, không nhìn được vào máy ảnh, khăn hoặc băng, tại nhà", "child, collector, cannot look, veil or bandage, home visit"),
  person: say("Ai đang ở đây?", "Who is here?"),
  idEmpty: say("Hãy nhập mã hồ sơ.", "Enter the record's id."),
  idLong: say("Mã hồ sơ quá dài (tối đa 128 byte).", "The id is too long (128 bytes at most)."),
};

export const CARD = {
  title: say("Thẻ căn cước", "The identity card"),
  titleCollector: say("Thẻ căn cước của người nhận thay", "The collector's identity card"),
  drop: say("Kéo tệp, thư mục hoặc ZIP của phần mềm đọc thẻ vào đây", "Drop the reader software's files, folder or ZIP here"),
  files: say("Chọn tệp hoặc ZIP", "Choose files or a ZIP"),
  folder: say("Chọn thư mục", "Choose a folder"),
  agent: say("Đầu đọc thẻ ở máy này", "The reader at this machine"),
  agentRead: say("Đọc thẻ", "Read the card"),
  agentStop: say("Dừng", "Stop"),
  agentAsk: say(
    "Lần đầu, trình duyệt hỏi có cho trang này truy cập thiết bị trên máy hay không. Hãy bấm “Cho phép”.",
    "The first time, the browser asks whether this page may reach devices on this machine. Choose “Allow”.",
  ),
  agentDenied: say(
    "Trình duyệt đã chặn trang này với chương trình đọc thẻ. Bấm biểu tượng bên trái địa chỉ trang, mục “Truy cập mạng cục bộ” chọn “Cho phép”, rồi thử lại.",
    "The browser blocks this page from the reader. Click the icon left of the page's address, set “Local network access” to “Allow”, and try again.",
  ),
  agentUnreachable: say(
    "Không thấy chương trình đọc thẻ ở máy này. Kiểm tra chương trình đang chạy và đầu đọc đã cắm. Hoặc dùng tệp của phần mềm đọc thẻ.",
    "The reader's program does not answer on this machine. See that it runs and that the reader is plugged in, or use the files of the reader's software.",
  ),
  agentRefused: say("Chương trình đọc thẻ trả lời không đúng quy ước. Hãy báo người vận hành.", "The reader's program answers in another way than agreed. Tell the operator."),
  agentWaiting: say("Đặt thẻ lên đầu đọc và giữ yên…", "Place the card on the reader and keep it there…"),
  agentNone: say("Không có thẻ trên đầu đọc.", "No card on the reader."),
  agentUnreadable: say("Đầu đọc không đọc được thẻ này. Lau thẻ và đặt lại.", "The reader cannot read this card. Wipe it and place it again."),
  reading: say("Đang đọc tệp…", "Reading the files…"),
  wait: say("Thẻ đang được đọc. Hãy đợi đọc xong, xem kết quả rồi tiếp tục.", "The card is being read. Wait for it, look at the result, then go on."),
  none: say("Không thấy tệp nào của chip.", "None of the chip's files were found."),
  textOnly: say(
    "Phần mềm đọc thẻ chỉ đưa chữ và ảnh, không đưa tệp của chip (không có SOD). Những thứ đó không kiểm tra được. Hãy xuất tệp gốc (SOD, DG1, DG2) hoặc dùng phần mềm khác.",
    "The reader's software gave text and a photo only, not the chip's files (no SOD); nothing can be checked. Export the original files (SOD, DG1, DG2), or use other software.",
  ),
  verdicts: say("Kết luận của phần mềm đọc thẻ không được dùng; máy chủ tự kiểm tra.", "The reader software's own verdicts are not used; the server checks for itself."),
  ignored: say("Bỏ qua {n} tệp không phải của chip.", "{n} files that are not the chip's were left out."),
  differing: say(
    "Có tệp của hai thẻ khác nhau ({kinds}). Hãy chọn thư mục của một thẻ.",
    "There are files of two cards ({kinds}). Choose the folder of one card.",
  ),
  read: say("Đã đọc {n} tệp của chip, {size} KB.", "{n} of the chip's files were read, {size} KB."),
  complete: say("Có đủ SOD, DG1 và DG2. Máy chủ sẽ kiểm tra.", "SOD, DG1 and DG2 are there. The server will check them."),
  missing: say(
    "Thiếu {kinds}. Có thể đọc lại thẻ, hoặc tiếp tục: máy chủ sẽ trả lời theo những gì có.",
    "{kinds} missing. Read the card again, or go on: the server answers by what is there.",
  ),
  cut: say("Tệp {kind} bị cắt ngắn. Hãy đọc lại thẻ.", "File {kind} is cut short. Read the card again."),
  clear: say("Đọc thẻ khác", "Another card"),
  way: say("Nếu không đọc được thẻ", "If the card cannot be read"),
  choose: say("Hãy đọc thẻ, hoặc chọn “Không có thẻ” hay “Không đọc được chip”.", "Read the card, or choose “No card” or “The chip cannot be read”."),
  problems: {
    not_zip: say(
      "Tệp ZIP không đúng hoặc bị cắt ngắn. Hãy xuất hoặc chép lại.",
      "This is no whole ZIP file: it may have been cut short. Export or copy it again.",
    ),
    damaged: say("Tệp ZIP bị hỏng. Hãy xuất hoặc chép lại.", "The ZIP file is damaged. Export or copy it again."),
    nested: say("Đây là ZIP nằm trong ZIP. Hãy giải nén tệp ngoài, rồi chọn tệp này.", "This is a ZIP inside a ZIP. Unpack the outer one, then choose this one."),
    encrypted: say("ZIP có mật khẩu. Hãy xuất lại không mật khẩu.", "The ZIP has a password. Export it without one."),
    unsupported: say("ZIP dùng cách nén không hỗ trợ.", "The ZIP is packed in a way that is not supported."),
    too_many: say("Quá nhiều tệp. Chọn thư mục của một thẻ.", "Too many files. Choose the folder of one card."),
    too_large: say("Tệp quá lớn để là tệp của chip.", "Too large for a file of the chip."),
    unreadable: say("Không đọc được tệp.", "The file cannot be read."),
  },
};

export const KIND_NAMES = {
  SOD: say("Chữ ký (SOD)", "Signature (SOD)"),
  DG1: say("Dòng máy đọc (DG1)", "Machine readable lines (DG1)"),
  DG2: say("Ảnh (DG2)", "Photo (DG2)"),
  DG13: say("Thông tin tiếng Việt (DG13)", "Vietnamese fields (DG13)"),
  DG14: say("Khóa (DG14)", "Keys (DG14)"),
  DG15: say("Khóa xác thực (DG15)", "Authentication key (DG15)"),
  COM: say("Mục lục (COM)", "Index (COM)"),
};

export const CAPTURE = {
  title: say("Chụp khuôn mặt", "The face"),
  titleCollector: say("Chụp khuôn mặt người nhận thay", "The collector's face"),
  video: say("Hình trực tiếp từ máy ảnh", "Live picture of the camera"),
  starting: say("Đang mở máy ảnh…", "Opening the camera…"),
  shoot: say("Chụp bằng tay", "Take one by hand"),
  file: say("Chọn ảnh từ tệp", "Choose photos"),
  camera: say("Máy ảnh", "Camera"),
  cameraNumber: say("Máy ảnh {n}", "Camera {n}"),
  frames: say("Ảnh đã chụp", "Pictures"),
  frame: say("Ảnh {n}", "Picture {n}"),
  empty: say("chưa có", "not yet"),
  again: say("Chụp lại", "Take again"),
  good: say("Đạt", "Good"),
  looking: say("Đang xem…", "Looking…"),
  taken: say("Đã chụp {n}/3", "{n} of 3 taken"),
  paused: say("Đã tạm dừng tự chụp", "Taking pictures by itself is paused"),
  goOn: say("Tiếp tục tự chụp", "Go on by itself"),
  enough: say("Đủ ảnh. Xin cảm ơn", "That is enough. Thank you"),
  send: say("Gửi để quyết định", "Send for a decision"),
  fewer: say("Nên có 3 ảnh; ít hơn vẫn gửi được.", "Three are better; fewer can be sent."),
  willSend: say("Sẽ gửi khoảng {size} KB.", "About {size} KB will be sent."),
  large: say("Tệp của chip lớn; gửi qua mạng chậm có thể lâu.", "The chip's files are large; a slow line takes a while."),
  noFace: say("Không chụp được khuôn mặt nào", "No picture of the face is possible"),
  noFile: say("Không mở được ảnh “{name}”. Hãy dùng JPEG hoặc PNG.", "“{name}” cannot be opened. Use JPEG or PNG."),
  full: say("Tối đa 5 ảnh.", "Five pictures at most."),
  replace: say("Ảnh này không dùng được. Hãy chụp lại.", "This picture cannot be used. Take it again."),
  retry: say("Mở lại máy ảnh", "Open the camera again"),
  wayOut: say("Vẫn có thể chọn ảnh vừa chụp bằng máy khác, qua nút “Chọn ảnh từ tệp”.", "Photos just taken with another device can be chosen with “Choose photos”."),
  causes: {
    insecure: say(
      "Trình duyệt chỉ cho dùng máy ảnh ở địa chỉ bắt đầu bằng https. Hãy mở trang này bằng địa chỉ https do người vận hành cung cấp.",
      "Browsers allow the camera only at addresses that begin with https. Open this page at the https address that the operator gave.",
    ),
    unsupported: say("Trình duyệt này không dùng được máy ảnh. Hãy dùng Chrome, Edge, Firefox hoặc Safari mới.", "This browser cannot use a camera. Use a current Chrome, Edge, Firefox or Safari."),
    denied: say(
      "Trình duyệt đã chặn máy ảnh. Bấm biểu tượng máy ảnh hoặc ổ khóa cạnh địa chỉ trang, chọn “Cho phép”, rồi bấm “Mở lại máy ảnh”.",
      "The browser blocks the camera. Click the camera or lock icon beside the address, choose “Allow”, then “Open the camera again”.",
    ),
    none: say("Không thấy máy ảnh. Kiểm tra dây cắm, rồi bấm “Mở lại máy ảnh”.", "No camera was found. Check its cable, then choose “Open the camera again”."),
    busy: say(
      "Máy ảnh đang được chương trình khác dùng (Zoom, Zalo, Teams…). Đóng chương trình đó rồi bấm “Mở lại máy ảnh”.",
      "Another program uses the camera (Zoom, Zalo, Teams…). Close it, then choose “Open the camera again”.",
    ),
    ended: say("Máy ảnh đã ngắt. Kiểm tra dây cắm, rồi bấm “Mở lại máy ảnh”.", "The camera was disconnected. Check its cable, then choose “Open the camera again”."),
    other: say("Không mở được máy ảnh. Rút ra cắm lại, rồi bấm “Mở lại máy ảnh”.", "The camera cannot be opened. Unplug it, plug it in again, then choose “Open the camera again”."),
  },
};

export const ANSWER = {
  sendingTitle: say("Đang gửi", "Sending"),
  sent: say("Đã gửi {sent}/{total} KB", "{sent} of {total} KB sent"),
  comparing: say("Đã gửi xong, đang so sánh…", "Sent; comparing…"),
  resending: say(
    "Mất kết nối. Trang đang gửi lại đúng yêu cầu này; mỗi lần thử chỉ được quyết định một lần.",
    "The connection was lost. The same request is being sent again; an attempt is decided only once.",
  ),
  waiting: say("Hệ thống đang bận. Trang sẽ tự gửi lại.", "The system is busy. The page sends it again by itself."),
  lostTitle: say("Chưa nhận được trả lời", "No answer has come"),
  lostBody: say(
    "Ảnh vẫn còn ở trang này. Khi có mạng, trang tự gửi lại đúng yêu cầu này. Không bị tính hai lần.",
    "The pictures are still on this page. Once there is a network it sends the same request again. Nothing counts twice.",
  ),
  unknownTitle: say("Chưa biết yêu cầu đã gửi được trả lời thế nào", "It is not known how the request that was sent was answered"),
  unknownBody: say(
    "Trang chưa hỏi được kết quả, nên chưa nhận hồ sơ nào khác vào giao dịch này. Hãy tìm lại, hoặc ghi lại số giao dịch và bắt đầu hồ sơ mới.",
    "The result could not be looked up, so nothing else is taken under this transaction. Look again, or write its number down and begin a new case.",
  ),
  lookAgain: say("Tìm lại", "Look again"),
  reusedTitle: say("Chưa quyết định gì về lần gửi này", "Nothing was decided about what was sent now"),
  reusedSame: say(
    "Giao dịch này đã có trả lời cho một lần gửi trước về cùng hồ sơ. Ảnh và thẻ vừa nhập không được so sánh, và trả lời đó không phải cho người đang ở đây nếu là người khác.",
    "This transaction has its answer already, to an earlier request about the same record. The card and pictures just entered were not compared, and that answer is not about whoever is here now, if it is somebody else.",
  ),
  reusedHandoff: say(
    "Hệ thống chi trả đã dùng số giao dịch này cho một hồ sơ hay một lần gửi khác. Không có trả lời nào cho hồ sơ này. Hãy mở lại từ hệ thống đó với số giao dịch mới.",
    "The benefit system has used this transaction for another record or request. There is no answer for this record. Open it again from that system, with a new transaction.",
  ),
  showEarlier: say("Bỏ phần vừa nhập, xem trả lời trước", "Drop what was entered, and see the earlier answer"),
  resend: say("Gửi lại yêu cầu này", "Send this request again"),
  failedTitle: say("Chưa quyết định được", "Nothing was decided"),
  change: say("Sửa rồi gửi lại", "Change it and send again"),
  retakeTitle: say("Cần chụp lại", "Take the pictures again"),
  retakeCardTitle: say("Cần đọc thẻ, rồi chụp lại", "Read the card, then take the pictures again"),
  reasons: say("Lý do", "Reasons"),
  accepted: say("Chính sách chấp nhận", "Accepted by the policy"),
  tips: say("Khi chụp lại", "When taking the pictures again"),
  retake: say("Chụp lại (lần thử {n})", "Take again (attempt {n})"),
  retakeCard: say("Đọc thẻ và chụp lại (lần thử {n})", "Read the card and take again (attempt {n})"),
  citizen: say("Nói với người dân", "For the citizen"),
  turn: say("Quay màn hình cho dân xem", "Turn the screen round"),
  print: say("In phiếu", "Print the receipt"),
  goBack: say("Về hệ thống chi trả", "Back to the benefit system"),
  finishing: say("Đang báo hệ thống chi trả…", "Telling the benefit system…"),
  notTold: say("Chưa báo được hệ thống chi trả.", "The benefit system could not be told."),
  noReturn: say("Kết quả đã báo cho hệ thống chi trả. Có thể đóng thẻ này.", "The benefit system has the result. This tab can be closed."),
  leaveToOfficer: say("Không chụp lại, chuyển cho người có thẩm quyền", "No retake; leave it to an officer"),
  left: {
    OUTCOME_REFER: {
      clerk: say("Chuyển xử lý: người có thẩm quyền xem hồ sơ này và quyết định.", "Referred: an officer looks at this case and decides."),
      citizen: say("Cán bộ có thẩm quyền sẽ xem hồ sơ của ông/bà rồi trả lời. Xin giữ phiếu này.", "An officer will look at your case and answer. Keep this receipt."),
    },
    OUTCOME_DENY: {
      clerk: say("Từ chối: không chi trả hoặc phục vụ theo yêu cầu này.", "Denied: do not pay or serve on this claim."),
      citizen: say(
        "Hôm nay chưa giải quyết được cho ông/bà. Ông/bà có thể đề nghị cán bộ có thẩm quyền xem lại. Xin giữ phiếu này.",
        "It could not be settled today. You may ask for an officer to look at it. Keep this receipt.",
      ),
    },
  },
  refresh: say("Xem người có thẩm quyền đã trả lời chưa", "See whether an officer has answered"),
  notYet: say("Chưa có trả lời của người có thẩm quyền.", "No officer has answered yet."),
  usedUp: say(
    "Không còn lần thử nào nữa. Hồ sơ chuyển cho người có thẩm quyền xem; in phiếu đưa người dân giữ.",
    "No attempt is left. The case goes to an officer; print the receipt for the citizen.",
  ),
  referred: say("Người có thẩm quyền sẽ xem hồ sơ này. In phiếu đưa người dân giữ.", "An officer will look at this case. Print the receipt for the citizen."),
  denied: say(
    "Người dân có thể đề nghị xem lại: người có thẩm quyền mở được hồ sơ bằng số giao dịch trên phiếu.",
    "The citizen may ask for a review: an officer can open the case by the transaction number on the receipt.",
  ),
  byOfficer: say("Người có thẩm quyền đã trả lời", "An officer has answered"),
  officerApproved: say("Hồ sơ của ông/bà đã được cán bộ xem và xác nhận.", "An officer has looked at your case and confirmed it."),
  officerDenied: say(
    "Cán bộ đã xem hồ sơ và chưa giải quyết được. Ông/bà có thể hỏi hoặc khiếu nại tại cơ quan BHXH.",
    "An officer has looked at your case and could not settle it. You may ask or contest at the Social Security office.",
  ),
};

export const RECEIPT = {
  title: say("Phiếu kết quả", "Receipt"),
  slipTitle: say("Phiếu chuyển cho người có thẩm quyền", "Slip for an officer"),
  transaction: say("Số giao dịch", "Transaction"),
  attempt: say("Lần thử", "Attempt"),
  time: say("Thời gian", "Time"),
  unit: say("Đơn vị", "Unit"),
  noUnit: say("(chưa ghi)", "(not named)"),
  outcome: say("Kết quả", "Outcome"),
  qr: say("Mã QR của số giao dịch", "QR code of the transaction number"),
  keep: say(
    "Hãy giữ phiếu này. Cán bộ BHXH xem lại được hồ sơ bằng số giao dịch. Phiếu không ghi tên hay số thẻ.",
    "Keep this receipt. Social Security staff can open the case by the transaction number. It names no person and no card.",
  ),
  keepSlip: say(
    "Phiếu này là tất cả những gì có về lần này: hệ thống không lưu gì, không có số để tra cứu. In hai bản: một cho người dân, một cho người có thẩm quyền. Phiếu không ghi tên hay số thẻ.",
    "This paper is all there is of this visit: nothing is in the system, and no number leads to it. Print two: one for the citizen, one for the officer. It names no person and no card.",
  ),
  keepSlipEarlier: say(
    "Lần này hệ thống không lưu gì. Số giao dịch trên phiếu dẫn tới lần thử trước, mà cán bộ BHXH xem lại được. In hai bản: một cho người dân, một cho người có thẩm quyền. Phiếu không ghi tên hay số thẻ.",
    "Nothing of this visit is in the system. The transaction number leads to the attempt before, which Social Security staff can open. Print two: one for the citizen, one for the officer. It names no person and no card.",
  ),
  test: say("PHIẾU THỬ NGHIỆM – không có giá trị", "TEST RECEIPT – not valid"),
};

export const SLIP = {
  title: say("Không chụp được khuôn mặt", "No picture of the face is possible"),
  body: say(
    "Không có ảnh khuôn mặt thì hệ thống không so sánh được: chưa có quyết định, và hệ thống không lưu gì về lần này. Người dân không bị từ chối. In phiếu và tự chuyển một bản cho người có thẩm quyền: họ không thấy trường hợp này trong hệ thống.",
    "Without a picture of the face nothing can be compared: nothing has been decided, and nothing of this visit is in the system. The citizen is not refused. Print the slip and hand a copy to an officer yourself: the case is on no list of theirs.",
  ),
  collectorTitle: say("Người nhận thay: giải quyết bằng giấy", "A collector: settled on paper"),
  collectorBody: say(
    "Bàn này không xác nhận người nhận thay bằng máy: chưa có quyết định, không có gì được gửi đi, và hệ thống không lưu gì. Người dân không bị từ chối. In phiếu và tự chuyển một bản, cùng giấy ủy quyền, cho người có thẩm quyền: họ không thấy trường hợp này trong hệ thống.",
    "This desk cannot confirm a collector by machine: nothing has been decided or sent, and nothing is in the system. The citizen is not refused. Print the slip and hand a copy, with the authorisation, to an officer yourself: the case is on no list of theirs.",
  ),
  collectorReason: say("Không có chính sách cho người nhận thay", "No policy for collectors is set"),
  collectorCitizen: say(
    "Ông/bà đến nhận thay. Cán bộ sẽ xem giấy ủy quyền và giải quyết trực tiếp. Ông/bà giữ phiếu này, mang thẻ của mình và giấy ủy quyền gốc.",
    "You have come to collect for somebody else. An officer will look at the authorisation and settle it in person. Keep this slip, and bring your own card and the original authorisation.",
  ),
  why: say("Vì sao không chụp được?", "Why is no picture possible?"),
  reasons: {
    medical: say("Băng, bệnh hoặc thương tích ở mặt", "Bandage, illness or injury"),
    refuses: say("Người dân không muốn chụp", "The person does not wish it"),
    camera: say("Máy ảnh hỏng, không có cách chụp khác", "The camera fails, and there is no other"),
    found: say("Hệ thống không tìm thấy khuôn mặt", "The system finds no face"),
    other: say("Lý do khác", "Another reason"),
  },
  subject: say("Mã hồ sơ", "Record id"),
  kind: say("Trường hợp", "Case"),
  reason: say("Lý do", "Reason"),
  citizen: say(
    "Hôm nay chưa chụp được ảnh. Cán bộ sẽ giải quyết trực tiếp. Ông/bà giữ phiếu này và mang thẻ, giấy tờ gốc.",
    "No picture could be taken today. An officer will settle it in person. Keep this slip and bring your card and original papers.",
  ),
  print: say("In phiếu", "Print the slip"),
  decided: say("chưa có quyết định", "nothing decided"),
};
