"""The tables of a study file, version by version.

A study file is SQLite with `application_id` APPLICATION_ID and the version in `user_version`.
Every version has one step that makes it out of the version before; a step is never changed once
it was released.
"""

from __future__ import annotations

APPLICATION_ID = 0x43724C31

_FIRST = """
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL               -- JSON
) WITHOUT ROWID;

CREATE TABLE subject (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE recording (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    subject_id INTEGER NOT NULL REFERENCES subject,
    fields TEXT NOT NULL,             -- JSON: fields of the file pattern
    start_s REAL NOT NULL,            -- unix seconds; 0 without a clock
    has_clock INTEGER NOT NULL,
    duration_s REAL NOT NULL,
    grid_offset_ns INTEGER NOT NULL DEFAULT 0,
    added_at TEXT NOT NULL
);
CREATE INDEX recording_of_subject ON recording (subject_id);

CREATE TABLE recording_file (
    recording_id INTEGER NOT NULL REFERENCES recording ON DELETE CASCADE,
    source TEXT NOT NULL,             -- what modalities call the file
    relative_path TEXT,               -- from the study's folder; NULL on another drive
    absolute_path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    settings TEXT NOT NULL,           -- JSON: how the file is read (SourceConfig)
    label_columns TEXT NOT NULL,      -- JSON: columns that are no signals
    position INTEGER NOT NULL,
    PRIMARY KEY (recording_id, source)
) WITHOUT ROWID;

CREATE TABLE rater (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    kind TEXT NOT NULL CHECK (kind IN ('person', 'file', 'model', 'consensus'))
);

-- No id is given twice: edits hold those of classes that are gone.
CREATE TABLE label_class (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('state', 'event', 'mark')),
    colour TEXT NOT NULL,
    keys TEXT NOT NULL,               -- JSON
    position INTEGER NOT NULL
);

CREATE TABLE edit (
    id INTEGER PRIMARY KEY,
    recording_id INTEGER NOT NULL REFERENCES recording ON DELETE CASCADE,
    rater_id INTEGER NOT NULL REFERENCES rater,
    place INTEGER NOT NULL,           -- order of the edits of one rater in one recording
    made_at TEXT NOT NULL,            -- UTC
    what TEXT NOT NULL,               -- in words
    removed TEXT NOT NULL,            -- JSON: labels before
    added TEXT NOT NULL,              -- JSON: labels after
    state TEXT NOT NULL CHECK (state IN ('done', 'undone', 'dropped'))
);
CREATE INDEX edit_of_rater ON edit (recording_id, rater_id, place);
CREATE INDEX edit_by_rater ON edit (rater_id);
CREATE INDEX edit_undone ON edit (recording_id, rater_id) WHERE state = 'undone';

CREATE TABLE label (
    id INTEGER PRIMARY KEY,
    recording_id INTEGER NOT NULL REFERENCES recording ON DELETE CASCADE,
    rater_id INTEGER NOT NULL REFERENCES rater,
    class_id INTEGER NOT NULL REFERENCES label_class,
    kind TEXT NOT NULL CHECK (kind IN ('state', 'event', 'mark')),
    start_ns INTEGER NOT NULL,        -- from the recording's start
    end_ns INTEGER NOT NULL,
    modality TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL CHECK (source IN ('human', 'imported', 'model')),
    confidence REAL,
    edit_id INTEGER NOT NULL REFERENCES edit ON DELETE CASCADE,
    CHECK (end_ns > start_ns OR kind <> 'state' AND end_ns = start_ns)
);
-- With the end, how much is labelled is counted without the table.
CREATE INDEX label_in_time ON label (recording_id, rater_id, kind, start_ns, end_ns);
CREATE INDEX label_of_class ON label (class_id);
CREATE INDEX label_of_edit ON label (edit_id);
CREATE INDEX label_by_rater ON label (rater_id);

-- One state at a time. The neighbours are enough: all others keep their distance already.
CREATE TRIGGER one_state_at_a_time BEFORE INSERT ON label WHEN NEW.kind = 'state' BEGIN
    SELECT RAISE(ABORT, 'two states at one time') WHERE
        (SELECT end_ns FROM label
         WHERE recording_id = NEW.recording_id AND rater_id = NEW.rater_id AND kind = 'state'
           AND start_ns <= NEW.start_ns ORDER BY start_ns DESC LIMIT 1) > NEW.start_ns
        OR
        (SELECT start_ns FROM label
         WHERE recording_id = NEW.recording_id AND rater_id = NEW.rater_id AND kind = 'state'
           AND start_ns > NEW.start_ns ORDER BY start_ns LIMIT 1) < NEW.end_ns;
END;

CREATE TABLE sign_off (
    recording_id INTEGER NOT NULL REFERENCES recording ON DELETE CASCADE,
    rater_id INTEGER NOT NULL REFERENCES rater,
    signed_at TEXT NOT NULL,
    PRIMARY KEY (recording_id, rater_id)
) WITHOUT ROWID;

-- Who did what and when. Names stand as text: they outlive what they name.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,                 -- UTC
    who TEXT NOT NULL,
    recording TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_of_recording ON audit (recording);
"""

STEPS: dict[int, str] = {1: _FIRST}
"""SQL that makes a version out of the one before."""
