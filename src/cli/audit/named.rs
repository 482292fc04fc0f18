//! Pairs, rings and records by what somebody typed: a stable id or its beginning, a number, or the
//! ids of records.

use super::super::{Failure, outcome};
use crate::audit::{Clearing, IdKind, KeptAudit, LinkFound, PairFinding, PairNamed, StableId, TypedId};
use crate::gallery::SubjectId;

/// A pair of records that was named.
pub(super) struct PairChosen<'a> {
    /// The ids of the two, the first in byte order first.
    pub subjects: [SubjectId; 2],
    /// Best score of the two.
    pub score: f32,
    /// Its stable id, where it has one.
    pub id: Option<StableId>,
    /// Its link, where it is among those found.
    pub link: Option<&'a LinkFound>,
    /// Who cleared it, where it is among those cleared when the audit ended.
    pub clearing: Option<&'a Clearing>,
}

/// What of an audit was named.
pub(super) enum Chosen<'a> {
    /// A ring, by its place.
    Ring(u32),
    /// A record, by its number.
    Record(u32),
    /// A pair of records.
    Pair(PairChosen<'a>),
}

/// The pair that was typed: the number of a row in `pairs.csv`, an id, or the ids of two records.
pub(super) fn pair<'a>(kept: &'a KeptAudit, typed: &[String]) -> Result<PairChosen<'a>, Failure> {
    let found = match typed {
        [one, other] => of_records(kept, one, other)?,
        [name] if is_number(name) => by_number(kept, name)?,
        [name] => match TypedId::parse(name) {
            Some(id) if id.kind() == IdKind::Pair => by_id(kept, &id, name)?,
            Some(_) => {
                return Err(Failure::new(
                    "that is the id of a ring; name one of its pairs, which `chinhchu audit show` lists",
                ));
            }
            None => {
                return Err(Failure::new(
                    "a pair is an id that begins with P-, the number of its row in pairs.csv, or two subject ids",
                ));
            }
        },
        _ => None,
    };
    found.ok_or_else(|| {
        Failure::new("there is no such pair in this audit, neither among those found nor among those cleared")
    })
}

/// What was typed: the number of a ring, an id, or the id of a record; `None` where there is no
/// such thing. A whole number is a ring's, unless `is_record` says that it is a record's id.
pub(super) fn anything<'a>(kept: &'a KeptAudit, name: &str, is_record: bool) -> Result<Option<Chosen<'a>>, Failure> {
    let results = &kept.results;
    if is_number(name) && !is_record {
        let place = name.parse::<u64>().ok().and_then(|number| u32::try_from(number.checked_sub(1)?).ok());
        return Ok(place.filter(|&place| (place as usize) < results.rings.len()).map(Chosen::Ring));
    }
    if let Some(record) = results.record_named(name) {
        return Ok(Some(Chosen::Record(record)));
    }
    match TypedId::parse(name).filter(|_| !is_record) {
        Some(id) if id.kind() == IdKind::Ring => match results.rings_named(&id)[..] {
            [] => Ok(None),
            [place] => Ok(Some(Chosen::Ring(place))),
            ref several => {
                let ids = several.iter().filter_map(|&place| results.rings[place as usize].id);
                Err(ambiguous(name, ids))
            }
        },
        Some(id) => Ok(by_id(kept, &id, name)?.map(Chosen::Pair)),
        None => Ok(None),
    }
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn by_number<'a>(kept: &'a KeptAudit, number: &str) -> Result<Option<PairChosen<'a>>, Failure> {
    let row = number.parse().ok().and_then(|number| kept.results.pair(number));
    let Some(row) = row else { return Ok(None) };
    let link = kept.results.link_of(row);
    // Of a row its own score.
    Ok(Some(PairChosen { score: row.score, ..of_pair(kept, &PairNamed::Link(link))? }))
}

fn by_id<'a>(kept: &'a KeptAudit, id: &TypedId, typed: &str) -> Result<Option<PairChosen<'a>>, Failure> {
    let named = kept.results.pairs_named(id);
    // What was found of pairs that this audit does not list (any more) can be corrected, too.
    let is_listed = |of: &StableId| named.iter().any(|pair| pair.id().is_some_and(|id| id.is_same(of)));
    let elsewhere = kept.findings.pairs().filter_map(|entries| {
        let last = entries.last()?;
        let of = kept.pair_id(&last.subject_a, &last.subject_b)?;
        (id.names(&of) && !is_listed(&of)).then_some((last, of))
    });
    let elsewhere: Vec<(&PairFinding, StableId)> = elsewhere.collect();
    match (&named[..], &elsewhere[..]) {
        ([], []) => Ok(None),
        ([pair], []) => of_pair(kept, pair).map(Some),
        ([], [(last, of)]) => of_finding(last, Some(*of)).map(Some),
        (named, elsewhere) => {
            let ids = named.iter().filter_map(PairNamed::id).chain(elsewhere.iter().map(|(_, of)| *of));
            Err(ambiguous(typed, ids))
        }
    }
}

fn of_records<'a>(kept: &'a KeptAudit, one: &str, other: &str) -> Result<Option<PairChosen<'a>>, Failure> {
    match (kept.results.pair_of_records(one, other), kept.findings.history(one, other).last()) {
        (Some(pair), _) => of_pair(kept, &pair).map(Some),
        (None, Some(last)) => of_finding(last, kept.pair_id(one, other)).map(Some),
        (None, None) => Ok(None),
    }
}

fn of_pair<'a>(kept: &'a KeptAudit, pair: &PairNamed<'a>) -> Result<PairChosen<'a>, Failure> {
    let [a, b] = pair.records().map(|record| kept.results.records[record as usize].id.as_str());
    let (link, clearing) = match pair {
        PairNamed::Link(link) => (Some(*link), None),
        PairNamed::Cleared(cleared) => (None, Some(&cleared.clearing)),
    };
    Ok(PairChosen { subjects: subjects(a, b)?, score: pair.score(), id: pair.id(), link, clearing })
}

fn of_finding<'a>(last: &PairFinding, id: Option<StableId>) -> Result<PairChosen<'a>, Failure> {
    let subjects = subjects(&last.subject_a, &last.subject_b)?;
    Ok(PairChosen { subjects, score: last.score, id, link: None, clearing: None })
}

fn subjects(a: &str, b: &str) -> Result<[SubjectId; 2], Failure> {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    Ok([SubjectId::new(a).map_err(Failure::new)?, SubjectId::new(b).map_err(Failure::new)?])
}

/// Ids listed where one that was typed is the beginning of several.
const LISTED: usize = 5;

fn ambiguous(typed: &str, ids: impl Iterator<Item = StableId>) -> Failure {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    let more = ids.len().saturating_sub(LISTED);
    let listed = ids[..ids.len().min(LISTED)].join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Failure::new(format_args!(
        "{} is the beginning of several ids ({listed}{more}); type more of it",
        outcome::one_line(typed)
    ))
}
