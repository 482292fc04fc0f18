//! Why a capture is not good enough, and what to do about it.

code_table! {
    /// A fault of a capture.
    Flaw;

    /// Too few pixels between the eyes.
    FarAway, "MOVE_CLOSER",
        "The face is too small in the picture. Move closer to the camera.",
        "Khuôn mặt trong ảnh quá nhỏ. Hãy lại gần máy ảnh hơn.";
    /// The face fills the picture and its liveness score is low, which is unreliable in such a
    /// picture. Found beside quality, where liveness is measured; see [`Flaw::is_of_quality`].
    Close, "MOVE_BACK",
        "The face fills the picture, so liveness cannot be judged. Move back from the camera and take the picture again.",
        "Khuôn mặt choán gần hết ảnh nên chưa xác định được người thật. Hãy lùi ra xa máy ảnh và chụp lại.";
    /// Far too little light.
    Dark, "TOO_DARK",
        "The face is too dark. Put more light in front of the face.",
        "Khuôn mặt quá tối. Hãy tăng ánh sáng chiếu từ phía trước.";
    /// Far too much light.
    Bright, "TOO_BRIGHT",
        "The face is too bright. Use less light, or turn away from the lamp.",
        "Khuôn mặt quá sáng. Hãy giảm ánh sáng hoặc tránh đèn chiếu thẳng.";
    /// Out of focus, moved, or a dirty lens.
    Blurred, "BLURRED",
        "The picture is blurred. Hold still, clean the lens and take it again.",
        "Ảnh bị mờ. Hãy giữ yên, lau ống kính và chụp lại.";
    /// The picture was compressed too much.
    Compressed, "COMPRESSED",
        "The picture was compressed too strongly. Send it at a higher quality.",
        "Ảnh bị nén quá mạnh. Hãy gửi ảnh có chất lượng cao hơn.";
    /// The head is turned to the side.
    Turned, "LOOK_STRAIGHT",
        "The head is turned to the side. Look straight into the camera.",
        "Đầu đang quay sang bên. Hãy nhìn thẳng vào máy ảnh.";
    /// The chin is too high or too low.
    Nodded, "LEVEL_HEAD",
        "The chin is too high or too low. Hold the camera at eye level and look straight into it.",
        "Cằm quá cao hoặc quá thấp. Hãy để máy ảnh ngang tầm mắt và nhìn thẳng.";
    /// The head or the camera leans.
    Tilted, "HOLD_UPRIGHT",
        "The head or the camera leans to the side. Hold both upright.",
        "Đầu hoặc máy ảnh bị nghiêng. Hãy giữ thẳng.";
    /// Something is before the face.
    Occluded, "UNCOVER_FACE",
        "A part of the face is covered. Take off mask, glasses or hat and keep hands and hair away.",
        "Một phần khuôn mặt bị che. Hãy bỏ khẩu trang, kính, mũ; không để tay hoặc tóc che mặt.";
    /// Light is reflected over both eyes, by glasses as a rule.
    Glare, "AVOID_GLARE",
        "Light is reflected over both eyes. Lower the chin a little or move the lamp until the eyes can be seen, or take off the glasses.",
        "Ánh sáng phản chiếu che cả hai mắt. Hãy hơi cúi đầu hoặc đổi hướng đèn cho đến khi thấy rõ mắt, hoặc bỏ kính.";
    /// The face reaches past the edge.
    Cut, "WHOLE_FACE",
        "The face reaches past the edge of the picture. Move it to the middle.",
        "Khuôn mặt vượt ra ngoài mép ảnh. Hãy đưa mặt vào giữa khung hình.";
    /// Another person is in the picture.
    OtherFace, "ONE_PERSON",
        "Another person is in the picture. One person at a time, please.",
        "Có người khác trong ảnh. Mỗi lần chỉ chụp một người.";
    /// One side is much darker.
    Uneven, "EVEN_LIGHT",
        "The light is uneven. Turn towards the light until no side of the face is in shadow.",
        "Ánh sáng không đều. Hãy quay về phía nguồn sáng để mặt không bị tối một bên.";
    /// Everything is grey: fog, glare, a screen.
    Flat, "LOW_CONTRAST",
        "The picture has too little contrast. Clean the lens and avoid glare.",
        "Ảnh thiếu độ tương phản. Hãy lau ống kính và tránh bị lóa.";
    /// The eyes are closed.
    EyesClosed, "OPEN_EYES",
        "The eyes are closed or nearly so. Open the eyes and take the picture again.",
        "Mắt đang nhắm hoặc gần nhắm. Hãy mở mắt và chụp lại.";
    /// The mouth is wide open.
    MouthOpen, "CLOSE_MOUTH",
        "The mouth is wide open. Close the mouth.",
        "Miệng đang mở rộng. Hãy khép miệng.";
    /// No single measure is out of range, but the overall capture quality is too low.
    Poor, "POOR_CAPTURE",
        "The picture as a whole is too poor. Take it again, from the front, near and in good light.",
        "Chất lượng ảnh nói chung quá kém. Hãy chụp lại: chính diện, gần và đủ sáng.";
    /// The predicted utility is too low.
    Useless, "POOR_TEMPLATE",
        "Too little of the face can be used for matching. Take the picture again.",
        "Ảnh không đủ thông tin để đối chiếu khuôn mặt. Hãy chụp lại.";
}

impl Flaw {
    /// Whether it lowers the quality for comparison. Other flaws are advice only: no decision and
    /// no refusal for quality rests on them.
    pub fn is_of_quality(self) -> bool {
        self != Self::Close
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_table::check_table;

    #[test]
    fn every_flaw_has_a_code_of_its_own_and_two_sentences_that_say_what_to_do() {
        check_table(Flaw::ALL, |flaw| (flaw.code(), flaw.en(), flaw.vi()), Flaw::from_code);
        for flaw in Flaw::ALL {
            // What is wrong, then what to do.
            assert!(flaw.en().matches('.').count() >= 2 && flaw.vi().matches('.').count() >= 2, "{flaw:?}");
        }
    }
}
