use super::*;

const DEFAULT: &str = include_str!("../../../models/default/pack.toml");
const YUNET: &str = include_str!("../../../models/yunet/pack.toml");

#[test]
fn the_packs_that_come_with_the_program_parse() {
    let default = Manifest::parse(DEFAULT.as_bytes()).unwrap();
    assert_eq!((default.dimension(), default.networks().count()), (512, 5));
    let yunet = Manifest::parse(YUNET.as_bytes()).unwrap();
    assert!(yunet.landmarks.is_none());
    assert_ne!(default.recipe(), yunet.recipe());
}

#[test]
fn the_recipe_changes_with_what_moves_a_template_and_with_nothing_else() {
    let recipe = |text: &str| Manifest::parse(text.as_bytes()).unwrap().recipe();
    let base = recipe(DEFAULT);
    let moved = [
        ("\"bgr\"", "\"rgb\""),
        ("mean = [127.0]", "mean = [127.5]"),
        ("divisor = [256.0]", "divisor = [255.0]"),
        ("dimension = 512", "dimension = 512\nmirrored = true"),
        ("norm_sure = 3.0", "norm_sure = 2.5"),
        ("sha256 = \"f10b", "sha256 = \"f10c"),
    ];
    for (from, to) in moved {
        assert_ne!(recipe(&DEFAULT.replacen(from, to, 1)), base, "{from} -> {to}");
    }
    let unmoved = [
        ("name = \"default\"", "name = \"other\""),
        ("sha256 = \"afa7", "sha256 = \"afa8"),
        ("box_scale = 2.7", "box_scale = 4.0"),
        ("file = \"fr_feature.onnx\"", "file = \"renamed.onnx\""),
    ];
    for (from, to) in unmoved {
        assert_eq!(recipe(&DEFAULT.replacen(from, to, 1)), base, "{from} -> {to}");
    }
}

#[test]
fn a_file_outside_the_pack_is_refused() {
    for name in ["../fr_detect.onnx", "/etc/passwd", "a/b.onnx", "..", ".hidden", "", "a\\\\b.onnx"] {
        let text = DEFAULT.replacen("\"fr_detect.onnx\"", &format!("\"{name}\""), 1);
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PackError::UnsafePath { .. }), "{name}: {error}");
    }
}

#[test]
fn an_unknown_family_is_named_with_those_that_are_known() {
    let text = DEFAULT.replacen("\"ultraface\"", "\"retinaface\"", 1);
    let error = Manifest::parse(text.as_bytes()).unwrap_err();
    assert!(matches!(error, PackError::UnknownFamily { role: Role::Detector, .. }));
    let said = error.to_string();
    assert!(said.contains("retinaface") && said.contains("ultraface, yunet"), "{said}");
}

#[test]
fn a_newer_manifest_says_that_it_is_newer() {
    let text = DEFAULT.replacen("version = 1", "version = 2\nnews = true", 1);
    assert!(matches!(Manifest::parse(text.as_bytes()), Err(PackError::Version { found: 2, .. })));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases = [
        ("dimension = 512", "dimension = 0"),
        ("dimension = 512", "dimensions = 512"),
        ("norm_sure = 3.0", "norm_sure = -1.0"),
        ("divisor = [256.0]", "divisor = [0.0]"),
        ("divisor = [256.0]", "divisor = [nan]"),
        ("mean = [127.0]", "mean = [127.0, 1.0]"),
        ("sha256 = \"6c", "sha256 = \"zz"),
        ("\"pfld68\"", "\"detector\""),
        ("\"grey\"", "\"rgb\""),
        ("outputs = [\"scores\", \"boxes\"]", "outputs = [\"scores\"]"),
        ("[detector]", "[detektor]"),
        ("name = \"default\"", "name = \"\""),
    ];
    for (from, to) in cases {
        let text = DEFAULT.replacen(from, to, 1);
        assert_ne!(text, DEFAULT, "{from}");
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PackError::Manifest { .. }), "{to}: {error}");
    }
    assert!(Manifest::parse(&[0xff; 10]).is_err());
    assert!(Manifest::parse(&vec![b' '; 1 << 20]).is_err());
}
