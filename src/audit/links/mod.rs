//! Links between records: one for all template pairs of two subjects, and what it says.

mod evidence;
mod groups;

pub use self::evidence::{Grade, LinkEvidence};
pub(crate) use self::groups::LinkGroups;
pub(in crate::audit) use self::groups::{LinkedSubjects, surest_first};

/// Two subjects some of whose templates score at or above the audit's threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordLink {
    /// The subject with the lower number.
    pub a: u32,
    /// The subject with the higher number.
    pub b: u32,
    /// Best score of the template pairs.
    pub score: f32,
    /// How many template pairs score at or above the audit's threshold.
    pub pairs: u32,
    /// How many were compared.
    pub compared: u64,
    /// The score that a twentieth of those reach; absent where below the threshold.
    pub several: Option<f32>,
    /// The best of them, by its place in the list that was gathered; the first of equals.
    pub best: u32,
    /// What it says (`LinkChance::grade`).
    pub evidence: LinkEvidence,
}

/// What [`gather`] made of template pairs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gathered {
    /// By (a, b), ascending.
    pub links: Vec<RecordLink>,
    /// Pairs of subjects that an officer cleared, by (a, b), ascending: apart from the links.
    pub cleared: Vec<ClearedLink>,
}

/// Two subjects whom an officer cleared: they share a face for a good reason.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClearedLink {
    /// The subject with the lower number.
    pub a: u32,
    /// The subject with the higher number.
    pub b: u32,
    /// Best score of the template pairs.
    pub score: f32,
    /// How many template pairs score at or above the audit's threshold.
    pub pairs: u32,
}

/// Makes one link of all template pairs of two subjects. `pairs` are (subject, subject,
/// score) of template pairs in the caller's order; those of one subject with itself are
/// passed over. `cleared` is asked with the lower number first, once for each two
/// subjects; `compared` how many template pairs of two were (`Meetings::pairs`). What the links say
/// is not known yet: `LinkChance::grade` says it.
pub fn gather(
    pairs: impl IntoIterator<Item = (u32, u32, f32)>,
    mut cleared: impl FnMut(u32, u32) -> bool,
    compared: impl Fn(u32, u32) -> u64,
) -> Gathered {
    let mut sorted: Vec<(u32, u32, f32, u32)> = (0u32..)
        .zip(pairs)
        .filter(|(_, (a, b, _))| a != b)
        .map(|(place, (a, b, score))| (a.min(b), a.max(b), score, place))
        .collect();
    sorted.sort_unstable_by(|x, y| (x.0, x.1).cmp(&(y.0, y.1)).then(y.2.total_cmp(&x.2)).then(x.3.cmp(&y.3)));
    let mut gathered = Gathered::default();
    for same in sorted.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)) {
        let (a, b, score, best) = same[0];
        let pairs = u32::try_from(same.len()).unwrap_or(u32::MAX);
        if cleared(a, b) {
            gathered.cleared.push(ClearedLink { a, b, score, pairs });
        } else {
            let compared = compared(a, b).max(same.len() as u64);
            let several = same.get(several(compared) as usize - 1).map(|pair| pair.2);
            gathered.links.push(RecordLink {
                a,
                b,
                score,
                pairs,
                compared,
                several,
                best,
                evidence: LinkEvidence::default(),
            });
        }
    }
    gathered
}

/// How many template pairs are a twentieth of so many, rounded up.
pub(in crate::audit) fn several(compared: u64) -> u64 {
    compared.div_ceil(20)
}

/// From which score on every link found is strong; `None` where the best is not.
pub(in crate::audit) fn strong_from(links: &[RecordLink]) -> Option<f32> {
    let of = |strong: bool| links.iter().filter(move |link| (link.evidence.grade() == Grade::Strong) == strong);
    let doubtful = of(false).map(|link| link.score).fold(f32::NEG_INFINITY, f32::max);
    of(true).map(|link| link.score).filter(|score| *score > doubtful).min_by(f32::total_cmp)
}

/// The largest chance of a strong link; `None` where none is.
pub(in crate::audit) fn strong_chance_max(links: &[RecordLink]) -> Option<f64> {
    let strong = links.iter().filter(|link| link.evidence.grade() == Grade::Strong);
    strong.map(|link| link.evidence.chance).max_by(f64::total_cmp)
}
