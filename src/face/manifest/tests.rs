use super::*;

/// One embedder, in the first version of the format.
const ONE: &str = include_str!("../../../models/faceplugin/pack.toml");
/// Two embedders and a projection.
const DEFAULT: &str = include_str!("../../../models/default/pack.toml");
const SFACE: &str = include_str!("../../../models/sface/pack.toml");
const YUNET: &str = include_str!("../../../models/yunet/pack.toml");

#[test]
fn the_packs_that_come_with_the_program_parse() {
    let parsed = |text: &str| Manifest::parse(text.as_bytes()).unwrap();
    let (one, default, sface, yunet) = (parsed(ONE), parsed(DEFAULT), parsed(SFACE), parsed(YUNET));
    assert_eq!((one.dimension(), one.networks().count()), (512, 5));
    assert_eq!((default.dimension(), default.networks().count()), (288, 6));
    assert_eq!((sface.dimension(), yunet.dimension()), (128, 128));
    assert!(yunet.landmarks.is_none());
    let recipes: std::collections::HashSet<_> = [&one, &default, &sface, &yunet].map(|pack| pack.recipe().0).into();
    assert_eq!(recipes.len(), 4);
}

/// Galleries hold this digest: a change would shut them out.
#[test]
fn the_recipe_of_the_pack_that_was_the_default_first_is_what_it_was() {
    let recipe = Manifest::parse(ONE.as_bytes()).unwrap().recipe().to_string();
    assert_eq!(recipe, "e92e9cb0cbed07f4259a5fe05452d3464788b8be100f731ec429c5c6a6128f97");
}

#[test]
fn the_recipe_covers_weights_order_and_projection() {
    let recipe = |text: &str| Manifest::parse(text.as_bytes()).unwrap().recipe();
    let changed = |from: &str, to: &str| {
        assert!(DEFAULT.contains(from), "{from}");
        recipe(&DEFAULT.replacen(from, to, 1))
    };
    let base = recipe(DEFAULT);
    assert_ne!(changed("weight = 0.3", "weight = 0.4"), base);
    assert_ne!(changed("dimension = 288", "dimension = 287"), base);
    let projection = DEFAULT.find("[projection]").unwrap();
    let digest = DEFAULT[projection..].find("sha256 = \"").unwrap() + projection + 10;
    let mut other = DEFAULT.to_owned();
    other.replace_range(digest..digest + 4, if DEFAULT[digest..].starts_with("0000") { "1111" } else { "0000" });
    assert_ne!(recipe(&other), base);
    assert_eq!(changed("file = \"projection.npy\"", "file = \"renamed.npy\""), base);
}

#[test]
fn embedders_that_cannot_be_fused_are_refused_with_the_reason() {
    let said = |edit: &dyn Fn(String) -> String| {
        let text = edit(DEFAULT.to_owned());
        assert_ne!(text, DEFAULT);
        Manifest::parse(text.as_bytes()).unwrap_err().to_string()
    };
    let replaced =
        |pairs: &[(&str, &str)]| said(&|text| pairs.iter().fold(text, |text, (from, to)| text.replacen(from, to, 1)));
    let none = replaced(&[("weight = 0.3", "weight = 0.0"), ("weight = 0.7", "weight = 0.0")]);
    assert!(none.contains("sum to nothing"), "{none}");
    assert!(replaced(&[("weight = 0.3", "weight = 0.0")]).contains("weight 0"));
    for weight in ["-0.3", "nan", "inf", "1e9"] {
        assert!(replaced(&[("weight = 0.3", &format!("weight = {weight}"))]).contains("weight"), "{weight}");
    }
    assert!(replaced(&[("dimension = 288", "dimension = 0")]).contains("dimension"));
    assert!(replaced(&[("\"projection.npy\"", "\"../projection.npy\"")]).contains("plain file name"));
    assert!(replaced(&[("face_recognition_sface_2021dec_int8bq.onnx", "fr_feature.onnx")]).contains("same file"));
    assert!(replaced(&[("dimension = 128", "dimension = 128\nnorm_sure = 1.0")]).contains("norm_sure"));
    assert!(replaced(&[("version = 2", "version = 1")]).contains("version 1 has one [embedder]"));
    assert!(replaced(&[("[[embedders]]", "[embedder]"), ("[[embedders]]", "[other]")]).contains("unknown field"));
    // An embedder of another kind, aligned otherwise: its values cannot stand beside these.
    let two = DEFAULT.rfind("family = \"arcface112\"").unwrap();
    let said = said(&|mut text| {
        text.replace_range(two + 10..two + 20, "facenet160");
        text
    });
    assert!(said.contains("facenet160") && said.contains("arcface112"), "{said}");
    let many = said_of(&DEFAULT.replacen("[projection]", &format!("{}[projection]", EMBEDDER.repeat(3)), 1));
    assert!(many.contains("5 embedders"), "{many}");
}

fn said_of(text: &str) -> String {
    Manifest::parse(text.as_bytes()).unwrap_err().to_string()
}

const EMBEDDER: &str = r#"
[[embedders]]
family = "arcface112"
file = "other.onnx"
sha256 = "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258"
licence = "MIT"
source = "nowhere"
input = "data"
outputs = ["fc1"]
colour = "rgb"
mean = [0.0]
divisor = [1.0]
dimension = 128

"#;

#[test]
fn the_recipe_changes_with_what_moves_a_template_and_with_nothing_else() {
    let recipe = |text: &str| Manifest::parse(text.as_bytes()).unwrap().recipe();
    let base = recipe(ONE);
    let moved = [
        ("\"bgr\"", "\"rgb\""),
        ("mean = [127.0]", "mean = [127.5]"),
        ("divisor = [256.0]", "divisor = [255.0]"),
        ("dimension = 512", "dimension = 512\nmirrored = true"),
        ("norm_sure = 3.0", "norm_sure = 2.5"),
        ("sha256 = \"f10b", "sha256 = \"f10c"),
    ];
    for (from, to) in moved {
        assert_ne!(recipe(&ONE.replacen(from, to, 1)), base, "{from} -> {to}");
    }
    let unmoved = [
        ("name = \"faceplugin\"", "name = \"other\""),
        ("sha256 = \"afa7", "sha256 = \"afa8"),
        ("box_scale = 2.7", "box_scale = 4.0"),
        ("file = \"fr_feature.onnx\"", "file = \"renamed.onnx\""),
    ];
    for (from, to) in unmoved {
        assert_eq!(recipe(&ONE.replacen(from, to, 1)), base, "{from} -> {to}");
    }
}

#[test]
fn a_file_outside_the_pack_is_refused() {
    for name in ["../fr_detect.onnx", "/etc/passwd", "a/b.onnx", "..", ".hidden", "", "a\\\\b.onnx"] {
        let text = ONE.replacen("\"fr_detect.onnx\"", &format!("\"{name}\""), 1);
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PackError::UnsafePath { .. }), "{name}: {error}");
    }
}

#[test]
fn an_unknown_family_is_named_with_those_that_are_known() {
    let text = ONE.replacen("\"ultraface\"", "\"retinaface\"", 1);
    let error = Manifest::parse(text.as_bytes()).unwrap_err();
    assert!(matches!(error, PackError::UnknownFamily { role: Role::Detector, .. }));
    let said = error.to_string();
    assert!(said.contains("retinaface") && said.contains("ultraface, yunet"), "{said}");
}

#[test]
fn a_newer_manifest_says_that_it_is_newer() {
    let text = ONE.replacen("version = 1", "version = 3\nnews = true", 1);
    assert!(matches!(Manifest::parse(text.as_bytes()), Err(PackError::Version { found: 3, .. })));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases = [
        ("dimension = 512", "dimension = 0"),
        ("dimension = 512", "dimension = 512\nweight = 1.0"),
        ("[pose]", "[projection]\nfile = \"p.npy\"\nsha256 = \"00\"\ndimension = 3\n[pose]"),
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
        ("name = \"faceplugin\"", "name = \"\""),
    ];
    for (from, to) in cases {
        let text = ONE.replacen(from, to, 1);
        assert_ne!(text, ONE, "{from}");
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PackError::Manifest { .. }), "{to}: {error}");
    }
    assert!(Manifest::parse(&[0xff; 10]).is_err());
    assert!(Manifest::parse(&vec![b' '; 1 << 20]).is_err());
}
