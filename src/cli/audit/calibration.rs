//! The model pack's calibration for what is audited.

use super::super::Failure;
use super::super::settings::Settings;
use crate::audit::Collection;
use crate::face::Pack;
use crate::matching::{Calibration, Curve};

/// The calibration of the model pack, if it is of this recipe and dimension.
pub(super) fn calibration(settings: &Settings, collection: &Collection) -> Result<Curve, Failure> {
    let pack = Pack::load(&settings.pack_folder()?).map_err(Failure::new)?;
    if let Some(recipe) = collection.recipe()
        && recipe != pack.recipe()
    {
        return Err(Failure::new(format_args!(
            "the templates are of recipe {recipe}, the model pack makes {}; name theirs with --pack, or ask for a --score",
            pack.recipe()
        )));
    }
    if pack.dimension() != collection.dimension() {
        return Err(Failure::new(format_args!(
            "the templates have {} values, those of the model pack {}; name theirs with --pack, or ask for a --score",
            collection.dimension(),
            pack.dimension()
        )));
    }
    let path = pack.calibration().ok_or_else(|| {
        Failure::new("the model pack has no calibration; ask for a --score, or run `chinhchu calibrate`")
    })?;
    let calibration = Calibration::load(&path, pack.recipe()).map_err(Failure::new)?;
    calibration.curve(settings.curve, 1).cloned().map_err(Failure::new)
}
