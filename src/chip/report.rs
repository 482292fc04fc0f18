//! An inspection as JSON: personal fields masked unless asked for.

use serde_json::{Map, Value, json};

use super::dg2::Dg2Photo;
use super::dg13::Dg13;
use super::inspection::Inspection;
use super::mrz::Mrz;
use super::personal::Personal;
use super::reason::Effect;

/// Whether personal fields are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fields {
    /// Masked with asterisks.
    #[default]
    Masked,
    /// In full. Only for display to the user who asked for it.
    Revealed,
}

impl Inspection {
    /// The inspection as one JSON object: `verdict`, `reasons` (`code`,
    /// `effect`, `en`, `vi`, where it applies `data_group` and `detail`),
    /// `data_groups` (`DG1`: `matches`, …), `signer`, `anchor` and what else is
    /// known.
    pub fn to_json(&self, fields: Fields) -> Value {
        let reasons: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                let mut reason = json!({
                    "code": finding.reason.code(),
                    "effect": effect_code(finding.reason.effect()),
                    "en": finding.reason.inspection_en(),
                    "vi": finding.reason.inspection_vi(),
                });
                if let Some(group) = finding.group {
                    reason["data_group"] = json!(format!("DG{group}"));
                }
                if let Some(detail) = &finding.detail {
                    reason["detail"] = json!(detail);
                }
                reason
            })
            .collect();
        let groups: Map<String, Value> =
            self.data_groups.iter().map(|(number, state)| (format!("DG{number}"), json!(state.code()))).collect();
        let signer = self.signer.as_ref().map(|signer| {
            json!({
                "subject": signer.subject,
                "issuer": signer.issuer,
                "serial": signer.serial,
                "not_before": signer.not_before,
                "not_after": signer.not_after,
                "key": signer.key,
                "signature": signer.scheme,
                "signing_time": signer.signing_time,
            })
        });
        let anchor = self.anchor.as_ref().map(|anchor| {
            json!({
                "subject": anchor.subject,
                "serial": anchor.serial,
                "not_before": anchor.not_before,
                "not_after": anchor.not_after,
                "key": anchor.key,
                "source": anchor.source,
                "links": anchor.links,
            })
        });
        json!({
            "verdict": self.verdict.code(),
            "reasons": reasons,
            "data_groups": groups,
            "signer": signer,
            "anchor": anchor,
            "hash": self.security_object.as_ref().map(|object| object.hash.name()),
            "lds_version": self.security_object.as_ref().and_then(|object| object.lds_version.clone()),
            "active_authentication": self.active_authentication,
            "active_authentication_key": self.active_key,
            "protocols": self.protocols,
            "photos": self.dg2.as_ref().map(|dg2| dg2.photos.iter().map(photo).collect::<Vec<_>>()),
            "mrz": self.mrz.as_ref().map(|mrz| zone(mrz, fields)),
            "dg13": self.dg13.as_ref().map(|dg13| full(dg13, fields)),
            "files_unrecognised": self.unrecognised,
        })
    }
}

/// The stable name of an effect.
pub(crate) fn effect_code(effect: Effect) -> &'static str {
    match effect {
        Effect::Note => "note",
        Effect::Lapsed => "lapsed",
        Effect::Unanchored => "unanchored",
        Effect::Unreadable => "unreadable",
        Effect::Untrusted => "untrusted",
        Effect::Altered => "altered",
    }
}

fn show(value: &Personal, fields: Fields) -> String {
    match fields {
        Fields::Masked => value.masked(),
        Fields::Revealed => value.reveal().to_owned(),
    }
}

fn photo(photo: &Dg2Photo) -> Value {
    json!({
        "format": photo.format.map(|format| format!("{format:?}").to_lowercase()),
        "bytes": photo.bytes.len(),
        "declared": photo.declared.map(|declared| format!("{declared:?}").to_lowercase()),
        "declared_width": photo.declared_size.0,
        "declared_height": photo.declared_size.1,
        "encoding": format!("{:?}", photo.encoding).to_lowercase(),
        "feature_points": photo.feature_points,
    })
}

fn zone(mrz: &Mrz, fields: Fields) -> Value {
    let star =
        |value: Option<String>| value.map(|value| if fields == Fields::Masked { "***".to_owned() } else { value });
    json!({
        "layout": format!("{:?}", mrz.layout).to_uppercase(),
        "document_code": mrz.document_code,
        "issuing_state": mrz.issuing_state,
        "nationality": mrz.nationality,
        "document_number": show(&mrz.document_number, fields),
        "personal_number": mrz.personal_number.as_ref().map(|number| show(number, fields)),
        "name": show(&mrz.name, fields),
        "birth_date": star(mrz.birth.map(|birth| birth.reveal_iso())),
        "birth_date_other_century": star(mrz.birth_other.map(|birth| birth.reveal_iso())),
        "sex": star(mrz.sex.map(|sex| sex.reveal().to_owned())),
        "expires": mrz.expires.map(|date| date.to_string()),
        "wrong_check_digits": mrz.wrong_check_digits,
    })
}

fn full(dg13: &Dg13, fields: Fields) -> Value {
    let entries: Map<String, Value> = dg13
        .entries
        .iter()
        .map(|entry| {
            let shown: Option<Vec<String>> =
                entry.values.as_ref().map(|values| values.iter().map(|value| show(value, fields)).collect());
            // One that was not read is named, without a value.
            (entry.id.label(), json!(shown))
        })
        .collect();
    Value::Object(entries)
}
