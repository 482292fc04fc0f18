//! What a link says: how unlikely chance is to give one like it.

/// Most powers of ten that a link weighs: no fitted tail tells one in a million from
/// less.
const WEIGHT_MAX: f64 = 6.0;
/// Up to which share of chance a link is strong.
const STRONG_SHARE_MAX: f64 = 0.05;
/// Above which share of chance a link is more likely chance than not.
const DOUBTFUL_SHARE_MAX: f64 = 0.5;

/// How much a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Grade {
    /// Of links like it, more than half are chance.
    #[default]
    LikelyChance,
    /// Of links like it, more than one in twenty are chance, and up to half.
    Doubtful,
    /// Of links like it, at most one in twenty is chance.
    Strong,
}

/// What a link says, by what chance gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkEvidence {
    /// How likely as high scores are among so many template pairs of two strangers, at
    /// most.
    pub chance: f64,
    /// Share of chance among links that are about as unlikely, 0…1.
    pub chance_share: f64,
    /// The same where chance gives as much as the upper end of its interval.
    pub chance_share_high: f64,
}

impl LinkEvidence {
    /// Powers of ten that chance is unlikely by, 0…6, even where it gives as much as the
    /// upper end of its interval: what the link weighs.
    pub fn weight(&self) -> f64 {
        -self.chance_share_high.max(10f64.powf(-WEIGHT_MAX)).log10()
    }

    /// In a word.
    pub fn grade(&self) -> Grade {
        match self {
            Self { chance_share_high, .. } if *chance_share_high <= STRONG_SHARE_MAX => Grade::Strong,
            Self { chance_share, .. } if *chance_share <= DOUBTFUL_SHARE_MAX => Grade::Doubtful,
            _ => Grade::LikelyChance,
        }
    }
}

impl Default for LinkEvidence {
    /// Of a link that nothing was said of yet: none.
    fn default() -> Self {
        Self { chance: 1.0, chance_share: 1.0, chance_share_high: 1.0 }
    }
}
