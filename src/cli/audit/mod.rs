//! `chinhchu audit`: which records of a gallery share a face. Arguments in, answers out; the audit
//! itself, and the folder that keeps it, are [`crate::audit`].

mod calibration;
mod decide;
mod each;
mod findings;
mod input;
mod measure;
mod messages;
mod named;
mod plan;
mod show;
mod thumbnails;
mod typed;
mod watch;
mod whole;

use std::sync::Arc;

use self::plan::AuditPlan;
use self::typed::Afterwards;
pub use self::typed::AuditArgs;
use self::watch::AuditProgress;
use super::settings::Settings;
use super::{Failure, GlobalArgs, Outcome, evaluate, runtime};
use crate::audit::{AuditFolder, AuditStoreError};

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: AuditArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    match args.afterwards {
        Some(Afterwards::Show(show)) => show::run(show),
        Some(Afterwards::Decide(decide)) => decide::run(&Settings::new(global)?, decide),
        Some(Afterwards::Findings(findings)) => findings::run(findings),
        Some(Afterwards::Measure(measure)) => measure::run(measure),
        None => {
            let settings = Settings::new(global)?;
            let plan = AuditPlan::new(args, &settings)?;
            let folder = AuditFolder::open(&plan.out)?;
            let status = Arc::new(AuditProgress::default());
            status.end_at_signals()?;
            evaluate::start_threads(&settings);
            match &plan.each {
                Some(of) => each::run(&settings, &plan, of, &folder),
                None => whole::run(&settings, &plan, &folder, &status),
            }
        }
    }
}

impl From<AuditStoreError> for Failure {
    fn from(error: AuditStoreError) -> Self {
        Self::new(error)
    }
}
