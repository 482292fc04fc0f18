//! The record store in PostgreSQL, over a server of the tests' own: what it promises beyond the contract of
//! record stores, which `store_contract` and the others run over it, too.

mod promises;
mod server;

use std::sync::Arc;

use chinhchu::face::RecipeDigest;
use chinhchu::gallery::{self, Gallery, LedgerSetup, PostgresOptions, RecordStore, VectorIndex};

pub use self::server::server;
use crate::memory::MemoryIndex;
use crate::support::{DIMENSION, RECIPE};

/// An empty store in a schema of its own; `None` where there is no server.
pub fn store() -> Option<(Arc<dyn RecordStore>, ())> {
    Some((open(server()?.options()), ()))
}

pub fn open(options: PostgresOptions) -> Arc<dyn RecordStore> {
    gallery::open_postgres(RECIPE, DIMENSION, options).unwrap()
}

/// An empty gallery, searched in memory.
pub fn gallery() -> Option<(Gallery, ())> {
    let (store, ()) = store()?;
    Some((Gallery::new(store, vec![Arc::new(MemoryIndex::default())]).unwrap(), ()))
}

/// The same with a transparency log.
pub fn gallery_with_log(ledger: LedgerSetup) -> Option<(Gallery, ())> {
    let key = ledger.key.clone();
    let store = open(PostgresOptions { ledger: Some(ledger), ..server()?.options() });
    let gallery = Gallery::new(store, vec![Arc::new(MemoryIndex::default())]).unwrap();
    Some((gallery.with_ledger(key), ()))
}

/// The same for several recipes, each with its index.
pub fn gallery_of(recipes: &[(RecipeDigest, usize)], indexes: Vec<Arc<dyn VectorIndex>>) -> Option<(Gallery, ())> {
    let (recipe, dimension) = recipes[0];
    let options = PostgresOptions { recipes_beside: recipes[1..].to_vec(), ..server()?.options() };
    let store = gallery::open_postgres(recipe, dimension, options).unwrap();
    Some((Gallery::new(store, indexes).unwrap(), ()))
}
