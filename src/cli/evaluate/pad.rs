//! `chinhchu evaluate --pad`: presentation attack detection test.

use super::super::labelled::{LIVENESS, LabelledArgs, LabelledSet, Loader};
use super::super::settings::Settings;
use super::super::{Exit, Failure, Outcome, outcome, print};
use super::{EvaluateArgs, json_bytes, summary};
use crate::evaluation::{
    BONA_FIDE, Bootstrap, ManifestColumn, PadDocument, PhotoSet, Presentation, pad, pad_frames, pad_page, pad_text,
};
use crate::face::Wants;
use crate::workflow::beneficiary::Policy;

/// Runs the test and writes its report.
pub(super) fn run_pad(args: &EvaluateArgs, settings: &Settings) -> Outcome {
    let cache = args.out.join("liveness.cache");
    let wants = Wants { liveness: true, ..Wants::default() };
    let loader = Loader::new(settings, &args.labelled, Some(&cache), wants)?;
    let mut loaded = loader.load(&args.labelled, &["attack".to_owned()])?;
    loaded.inputs.date.clone_from(&args.date);
    let LabelledSet { set, inputs, .. } = &loaded;
    let scores = set.measures.iter().find(|measure| measure.name == LIVENESS);
    let Some(scores) = scores else {
        return Err(Failure::new(
            "no photo has a liveness score; the model pack names no liveness network, or no photo shows a face",
        ));
    };
    let attacks = set.column("attack");
    if let Some(attacks) = attacks {
        check_attacks(set, attacks, &args.labelled)?;
    }
    let presentations: Vec<Presentation> = (0..set.len() as u32)
        .map(|photo| {
            let attack = attacks.map_or("", |column| column.value(photo)).trim();
            Presentation {
                attack: (!attack.is_empty() && !attack.eq_ignore_ascii_case(BONA_FIDE)).then(|| attack.to_owned()),
                subject: set.subject(photo),
                score: scores.values.get(photo as usize).copied().flatten(),
            }
        })
        .collect();
    let bootstrap = Bootstrap { repetitions: args.replicates, seed: args.seed };
    let policy = settings.policies.find("").map(|(_, policy)| policy.liveness_min());
    let threshold = args.liveness_threshold.or(policy).unwrap_or_else(|| Policy::default().liveness_min());
    let mut rates = pad(&presentations, set.subjects(), threshold, bootstrap);
    rates.frames = (args.frames > 0).then(|| {
        let frames_max = usize::from(args.frames);
        pad_frames(&presentations, set.subjects(), threshold, frames_max, args.seeds, bootstrap)
    });
    let document = PadDocument::new(inputs.clone(), bootstrap, rates);
    args.write("index.html", pad_page(&document).as_bytes())?;
    args.write("report.json", &json_bytes(&document)?)?;
    if args.json {
        print::json(&document)?;
    } else {
        let text = pad_text(&document.pad, outcome::one_line);
        let left_out = summary::left_out(&document.left_out);
        print::answer(&format!("{text}{left_out}\nreport: {}", args.out.join("index.html").display()))?;
    }
    Ok(if document.left_out.count == 0 { Exit::Success } else { Exit::Negative })
}

/// Words for bona fide presentations that must not be taken for attack types.
const LIVE_WORDS: [&str; 8] = ["live", "real", "genuine", "bonafide", "bona-fide", "bona fide", "none", "no"];

/// Refuses attack types that are words for bona fide presentations: those would count as an attack
/// that always succeeds.
fn check_attacks(set: &PhotoSet, attacks: &ManifestColumn, args: &LabelledArgs) -> Result<(), Failure> {
    let is_live = |value: &str| LIVE_WORDS.iter().any(|word| value.trim().eq_ignore_ascii_case(word));
    match (0..set.len() as u32).find(|&photo| is_live(attacks.value(photo))) {
        None => Ok(()),
        Some(photo) => Err(Failure::new(format_args!(
            "{}line {}: the attack is \"{}\"; for live people leave the column attack empty, or write bona_fide",
            args.manifest_named(),
            set.lines.get(photo as usize).copied().unwrap_or(0),
            attacks.value(photo).trim()
        ))),
    }
}
