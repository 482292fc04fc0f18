//! What backups promise, on rows that are made up.
