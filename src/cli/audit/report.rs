//! From pairs to files.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::super::{Failure, print};
use super::folder::{Folder, PAGE, PAIRS, RINGS, SUMMARY};
use super::{Plan, pair_numbers, words, work};
use crate::audit::{
    Audited, Chance, Clock, Collection, Compared, Cost, Findings, LinkChance, LocalChance, Meetings, Outcome,
    ReportData, Summary, Thumbnail, Twice, Verdict, gather, rings,
};
use crate::search::Pair;

/// What the comparison gave.
pub(super) struct Found<'a> {
    pub collection: &'a Collection,
    pub plan: &'a Plan,
    pub chance: Chance,
    pub score: f32,
    /// Each pair of templates counted once.
    pub comparisons: u64,
    /// By two records, how many template pairs those were.
    pub meetings: &'a Meetings,
    /// By rows of the two sides.
    pub pairs: Vec<Pair>,
    pub findings: Findings,
    /// Templates of both galleries.
    pub twice: Option<&'a Twice>,
    pub thumbnail: Option<Thumbnail<'a>>,
}

impl Found<'_> {
    /// Writes everything, the summary last. `clock` runs since the comparison ended.
    pub(super) fn write(
        mut self,
        folder: &Folder,
        begun: Instant,
        mut cost: Cost,
        mut clock: Clock,
    ) -> Result<Summary, Failure> {
        let collection = self.collection;
        self.pairs = in_one_order(collection, self.twice, std::mem::take(&mut self.pairs));
        let findings = self.findings.iter().map(|f| (f.subject_a.clone(), f.subject_b.clone(), f.outcome));
        let outcomes: BTreeMap<(u32, u32), Outcome> = pair_numbers(collection, findings);
        let is_cleared = |a: u32, b: u32| {
            collection.cleared().binary_search(&(a, b)).is_ok() || outcomes.get(&(a, b)) == Some(&Outcome::Twins)
        };
        let owner = |row: u32| collection.groups()[row as usize];
        let owners = |pair: &Pair| (owner(pair.a).min(owner(pair.b)), owner(pair.a).max(owner(pair.b)));
        let scores = self.pairs.iter().filter(|pair| {
            let (a, b) = owners(pair);
            !is_cleared(a, b)
        });
        let local = LocalChance::new(&self.chance, self.score, scores.map(|pair| pair.score));
        let by_owner = self.pairs.iter().map(|pair| (owner(pair.a), owner(pair.b), pair.score));
        let mut gathered = gather(by_owner, is_cleared, |a, b| self.meetings.pairs(a, b));
        let link_chance = LinkChance::grade(&self.chance, self.meetings, self.score, &mut gathered.links);
        let rings = rings(&gathered.links);
        let compared = self.compared(gathered.cleared);
        let records = Audited::new(collection, outcomes.clone()).with_thumbnails(self.thumbnail);
        let mut data = ReportData {
            records: &records,
            compared: &compared,
            pairs: &self.pairs,
            links: &gathered.links,
            rings: &rings,
            chance: &self.chance,
            local: &local,
            link_chance: &link_chance,
            seconds: 0.0,
            cost: None,
        };
        folder.write(PAIRS, |out| data.write_pairs(out, self.plan.csv_locale))?;
        folder.write(RINGS, |out| data.write_rings(out, self.plan.csv_locale))?;
        folder.write(PAGE, |out| data.write_page(out))?;
        cost.report += clock.lap();
        data.cost = Some(cost.finished());
        data.seconds = begun.elapsed().as_secs_f64();
        folder.write(SUMMARY, |out| data.write_summary(out))?;
        Ok(data.summary())
    }

    fn compared(&self, cleared: u64) -> Compared {
        let Self { collection, plan, .. } = self;
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Compared {
            source: plan.first.name(),
            against: plan.second.as_ref().map(super::Source::name),
            since: plan.since.as_deref().map(name),
            filters: plan.filters.lines.clone(),
            recipe: collection.recipe().map(|recipe| recipe.to_string()),
            threshold: self.score,
            asked: plan.asked,
            templates: collection.rows() as u64,
            subjects: collection.subjects_with_templates() as u64,
            comparisons: self.comparisons,
            left_out: words::left_out(collection.left_out()),
            cleared,
        }
    }
}

/// Rows of one collection instead of two sides; a pair that was met from either side is
/// one.
fn in_one_order(collection: &Collection, twice: Option<&Twice>, mut pairs: Vec<Pair>) -> Vec<Pair> {
    if !collection.has_second() {
        return pairs;
    }
    let offset = collection.first_rows() as u32;
    pairs.retain(|pair| !twice.is_some_and(|twice| twice.is_second_time(pair.a, pair.b)));
    pairs.iter_mut().for_each(|pair| pair.b += offset);
    pairs
}

/// What a person in front of a terminal wants to know.
pub(super) fn text(summary: &Summary, folder: &Path) -> String {
    let s = |is_one: bool| if is_one { "" } else { "s" };
    let mut text = format!(
        "{} pair{} of {} records at a score of {:.4} or above{}: {} ring{} of {} records",
        work::grouped(summary.pairs),
        s(summary.pairs == 1),
        work::grouped(summary.subjects),
        summary.threshold,
        summary.fmr.map(|fmr| format!(" (FMR {})", print::rate(fmr))).unwrap_or_default(),
        work::grouped(summary.rings),
        s(summary.rings == 1),
        work::grouped(summary.ring_members),
    );
    if let Some(chance) = summary.chance {
        text += &format!(
            "\nto expect by chance: {} pairs ({} to {}){}",
            print::rate(chance.value),
            print::rate(chance.low),
            print::rate(chance.high),
            print::extrapolated(chance.extrapolated)
        );
    }
    if let Some(curve) = &summary.calibration {
        text += &print::curve(curve);
    }
    match summary.explained.map(|explained| explained.verdict) {
        Some(Verdict::Mostly) => text += "\nCHANCE EXPLAINS MOST OF WHAT WAS FOUND; ask for a lower --fmr",
        Some(Verdict::PerhapsMostly) => text += "\nchance may explain most of what was found; ask for a lower --fmr",
        _ => {}
    }
    let left_out: u64 = summary.compared.left_out.iter().map(|left_out| left_out.count).sum();
    if left_out > 0 {
        text += &format!("\n{} were left out; summary.json says why", work::grouped(left_out));
    }
    if summary.compared.cleared > 0 {
        text += &format!("\n{} pairs of records were cleared before", work::grouped(summary.compared.cleared));
    }
    text + &format!("\nreport: {}", folder.join(PAGE).display())
}
