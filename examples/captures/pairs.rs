//! Pairs of different captures: which are taken for one picture.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::time::Instant;

use chinhchu::face::fingerprint::{Band, CaptureProbe, Nearness};

/// A capture as it is stored and as it is looked up; the keys that are looked up in order.
pub struct Capture {
    pub probe: CaptureProbe,
    pub stored_bands: Vec<Band>,
    pub bands: Vec<Band>,
}

impl Capture {
    /// Whether a store would compare this capture with `stored` at all.
    pub fn shares_a_band(&self, stored: &Self) -> bool {
        stored.stored_bands.iter().any(|band| self.bands.binary_search(band).is_ok())
    }
}

/// Captures by subject and sitting.
#[derive(Default)]
pub struct Looks(Vec<Look>);

struct Look {
    subject: String,
    sitting: Option<String>,
    path: String,
    capture: Capture,
}

/// What pairs of one kind came to.
#[derive(Default)]
struct Tally {
    pairs: usize,
    /// Pairs that share a key; that are near as well; and nearer than those of one sitting are.
    compared: usize,
    near: usize,
    light: usize,
    distances: Vec<u32>,
}

impl Looks {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn add(&mut self, subject: &str, path: &str, capture: Capture) {
        self.0.push(Look { subject: subject.to_owned(), sitting: sitting(path), path: path.to_owned(), capture });
    }

    /// Looks every capture up among those before it, as a store does in the order of time.
    pub fn print(&self, what: &str, table: &mut Option<csv::Writer<File>>) -> Result<(), Box<dyn Error>> {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        for (at, new) in self.0.iter().enumerate() {
            for stored in &self.0[..at] {
                let kind = match (new.subject == stored.subject, new.sitting == stored.sitting) {
                    (false, _) => "different people",
                    (true, true) if new.sitting.is_some() => "one person, one sitting",
                    (true, _) => "one person, other days",
                };
                let tally = tallies.entry(kind).or_default();
                tally.pairs += 1;
                let shares = new.capture.shares_a_band(&stored.capture);
                tally.compared += usize::from(shares);
                // Different people are many: only those that a store would compare.
                if !shares && new.subject != stored.subject {
                    continue;
                }
                let nearness = new.capture.probe.nearness(stored.capture.probe.fingerprint());
                tally.near += usize::from(shares && nearness.is_same(false));
                tally.light += usize::from(shares && nearness.is_same(true));
                if let Nearness::Near { distance } = nearness {
                    tally.distances.push(distance);
                    if let Some(table) = table {
                        table.write_record([kind, &new.path, &stored.path, &distance.to_string()])?;
                    }
                }
            }
        }
        for (kind, mut tally) in tallies {
            tally.distances.sort_unstable();
            let part = |of: usize| of as f64 / tally.pairs as f64;
            println!(
                "{what}, {kind}: {} pairs; {:.1e} share a key; taken for one picture {} ({:.1e}), within one sitting {} \
                 ({:.1e}); nearest {:?}",
                tally.pairs,
                part(tally.compared),
                tally.near,
                part(tally.near),
                tally.light,
                part(tally.light),
                tally.distances.iter().take(5).collect::<Vec<_>>()
            );
        }
        self.print_found_again(what);
        self.print_cost();
        Ok(())
    }

    /// Of how many captures another one of the same person is taken for the same picture.
    fn print_found_again(&self, what: &str) {
        let again = self.0.iter().enumerate().filter(|(at, new)| {
            let others =
                self.0.iter().enumerate().filter(|(other, stored)| other != at && stored.subject == new.subject);
            others.map(|(_, stored)| stored).any(|stored| {
                new.capture.shares_a_band(&stored.capture)
                    && new.capture.probe.nearness(stored.capture.probe.fingerprint()).is_same(false)
            })
        });
        println!("{what}: {} of {} are taken for another one of the same person", again.count(), self.len());
    }

    fn print_cost(&self) {
        let Some(first) = self.0.first() else { return };
        let begun = Instant::now();
        let same = self
            .0
            .iter()
            .filter(|look| black_box(&first.capture.probe).nearness(look.capture.probe.fingerprint()).is_same(false));
        black_box(same.count());
        println!("a comparison takes {:.2} µs", 1e6 * begun.elapsed().as_secs_f64() / self.len() as f64);
    }
}

/// The sitting of a capture, where its name tells: `pad-dev`'s are subject, glasses, light,
/// sitting and frame.
fn sitting(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let parts: Vec<&str> = name.split('_').collect();
    (parts.len() == 5).then(|| parts[..4].join("_"))
}
