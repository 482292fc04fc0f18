//! The tables, version by version, and bringing a schema to the version of this program.
//!
//! Numbers that rise are in the one row of `gate`, which every commit locks. `facts` holds what the
//! embedded store has in its table `gallery`, and the head of the transparency log. Names are compared
//! byte by byte (`COLLATE "C"`), whatever the language of the database.

use deadpool_postgres::Object;

use super::super::record::fault::StoreError;
use super::options::PostgresOptions;
use super::sql::{number, signed};
use crate::gallery::GalleryError;

/// Steps from nothing to the tables of this program; step 1 is the first. One that was in a release is
/// never changed, others are only added.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// Number of the advisory lock under which one process at a time changes schemas: "chinhchu".
const LOCK: i64 = i64::from_be_bytes(*b"chinhchu");

/// The oldest server with `transaction_timeout`, which frees the gate of a process that hangs.
const SERVER_MIN: i32 = 170_000;

/// Brings the schema to the version of this program; makes it where there is none and the options allow
/// that. A schema of a newer program is refused and left as it is.
pub(super) async fn migrate(client: &mut Object, options: &PostgresOptions) -> Result<(), StoreError> {
    let schema = &options.schema;
    let checked = "SELECT current_setting('server_version_num')::int4, current_setting('synchronous_commit')";
    let row = client.query_one(checked, &[]).await?;
    let (version, durability): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if version < SERVER_MIN {
        return Err(refused(format!("the server is of version {}; chinhchu needs 17 or newer", version / 10_000)));
    }
    if durability == "off" {
        return Err(refused(
            "synchronous_commit is off for this user or database: what was answered could be lost; set it to on, or to \
             remote_apply where a standby must have it, too"
                .to_owned(),
        ));
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let there = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1), \
                 to_regclass($2) IS NOT NULL";
    let row = transaction.query_one(there, &[schema, &format!("{schema}.schema_versions")]).await?;
    let (has_schema, has_versions): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let found = match has_versions {
        true => number(&transaction.query_one("SELECT coalesce(max(version), 0) FROM schema_versions", &[]).await?, 0)?,
        false if options.create && options.id.is_none() => 0,
        false => return Err(GalleryError::NotThere(options.place()).into()),
    };
    let known = STEPS.len() as u64;
    if found > known {
        return Err(refused(format!(
            "the schema {schema} is of version {found}, and this chinhchu knows {known}; run a chinhchu that is as new as \
             the one that changed it"
        )));
    }
    if !has_schema {
        // The name is one that needs no quotes: see `connect`.
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
    }
    if !has_versions {
        let table =
            "CREATE TABLE schema_versions (version int8 PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";
        transaction.batch_execute(table).await?;
    }
    for (version, step) in (1u64..).zip(STEPS).skip_while(|(version, _)| *version <= found) {
        transaction.batch_execute(step).await?;
        transaction.execute("INSERT INTO schema_versions (version) VALUES ($1)", &[&signed(version)]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn refused(why: String) -> StoreError {
    GalleryError::Postgres(why).into()
}
