-- The tables of a gallery. Values are records, checksummed as in the embedded store.

-- One row: whoever commits holds it. What rises is counted here, without gaps.
CREATE TABLE gate (
    only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),
    commit int8 NOT NULL DEFAULT 0,            -- of the last commit
    template_next int8 NOT NULL DEFAULT 1,     -- id of the next template
    decision_next int8 NOT NULL DEFAULT 1,
    captures int8 NOT NULL DEFAULT 0,          -- number of the last capture
    subject_requests int8 NOT NULL DEFAULT 0,  -- number of the last request of a person
    subjects int8 NOT NULL DEFAULT 0,          -- how many there are
    templates int8 NOT NULL DEFAULT 0,
    requests int8 NOT NULL DEFAULT 0,
    challenges int8 NOT NULL DEFAULT 0,
    last_change int8 NOT NULL DEFAULT 0,       -- last commit that an index follows
    log_from int8 NOT NULL DEFAULT 0,          -- the log tells of every commit after this one
    entries int8                               -- of the transparency log; NULL where none is kept
);

CREATE TABLE facts (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);

-- Every commit: a random tag, by which whoever lost the answer knows its own, and what changed in
-- templates and in what subjects are searched by, where anything did.
CREATE TABLE commits (commit int8 PRIMARY KEY, tag bytea NOT NULL, changed bytea);
CREATE INDEX commits_that_changed ON commits (commit) WHERE changed IS NOT NULL;

CREATE TABLE subjects (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);

CREATE TABLE templates (id int8 PRIMARY KEY, recipe bytea NOT NULL, value bytea NOT NULL);
-- Vectors do not get smaller by compressing, and are read together with their row.
ALTER TABLE templates ALTER COLUMN value SET STORAGE EXTERNAL;
ALTER TABLE templates SET (toast_tuple_target = 8160);

CREATE TABLE requests (
    name text COLLATE "C" PRIMARY KEY,
    place int8 GENERATED ALWAYS AS IDENTITY,   -- in the order of their use, gaps and all
    done_at int8 NOT NULL,
    value bytea NOT NULL
);
CREATE UNIQUE INDEX requests_by_place ON requests (place);

CREATE TABLE decisions (
    transaction text COLLATE "C" NOT NULL,
    attempt int8 NOT NULL,
    number int8 NOT NULL UNIQUE,
    subject text COLLATE "C" NOT NULL,
    waits bool NOT NULL,
    head bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (transaction, attempt)
);
CREATE INDEX decisions_by_subject ON decisions (subject, number);
CREATE INDEX decisions_that_wait ON decisions (number) WHERE waits;

-- Each pair in both orders.
CREATE TABLE cleared (
    one text COLLATE "C" NOT NULL,
    other text COLLATE "C" NOT NULL,
    is_first bool NOT NULL,                    -- whether the pair is listed in this order
    value bytea NOT NULL,
    PRIMARY KEY (one, other)
);

CREATE TABLE captures (
    number int8 PRIMARY KEY,
    subject text COLLATE "C" NOT NULL,
    transaction text COLLATE "C" NOT NULL,
    attempt int8 NOT NULL,
    expires_at int8 NOT NULL,
    value bytea NOT NULL
);
CREATE INDEX captures_by_subject ON captures (subject);
CREATE INDEX captures_by_decision ON captures (transaction, attempt);

CREATE TABLE capture_bands (
    band bytea NOT NULL,
    number int8 NOT NULL REFERENCES captures ON DELETE CASCADE,
    PRIMARY KEY (band, number)
);
CREATE INDEX capture_bands_by_number ON capture_bands (number);

CREATE TABLE challenges (
    number int8 PRIMARY KEY,
    transaction text COLLATE "C" NOT NULL,
    asked_by bytea NOT NULL,
    expires_at int8 NOT NULL,
    value bytea NOT NULL
);
CREATE INDEX challenges_by_owner ON challenges (transaction, asked_by, number);

CREATE TABLE subject_requests (
    number int8 PRIMARY KEY,
    subject text COLLATE "C",                  -- NULL once the record was erased
    is_open bool NOT NULL,
    value bytea NOT NULL
);
CREATE INDEX subject_requests_by_subject ON subject_requests (subject, number);
CREATE INDEX subject_requests_open ON subject_requests (number) WHERE is_open;

CREATE TABLE ledger_entries (place int8 PRIMARY KEY, commitment bytea NOT NULL, entry bytea);
CREATE TABLE ledger_about (digest bytea NOT NULL, place int8 NOT NULL, PRIMARY KEY (digest, place));
CREATE INDEX ledger_about_by_place ON ledger_about (place);
CREATE TABLE ledger_tiles (level int8 NOT NULL, number int8 NOT NULL, hashes bytea NOT NULL, PRIMARY KEY (level, number));
CREATE TABLE ledger_checkpoints (size int8 PRIMARY KEY, note bytea NOT NULL);

INSERT INTO gate DEFAULT VALUES;
