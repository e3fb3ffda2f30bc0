-- Tables of both databases: the mirror, which users ask, and the checkpoint.
-- The columns, their order and their types are the contract. A query's own
-- table is made by schema.c from its configuration. Row ids carry the owner in
-- their upper bits (see schema.h), so that trimming is a range of keys.

CREATE TABLE progress(
	query TEXT,
	batch_id INTEGER,
	timestamp TIMESTAMP TEXT COLLATE TS,
	trigger_ms REAL,
	files INTEGER,
	bytes INTEGER,
	num_input_rows INTEGER,
	input_rows_per_second REAL,
	processed_rows_per_second REAL,
	groups INTEGER,
	groups_updated INTEGER,
	late INTEGER,
	watermark TIMESTAMP TEXT COLLATE TS,
	json TEXT
);

CREATE TABLE files(
	source TEXT,
	path TEXT,
	size INTEGER,
	offset INTEGER,
	mtime TIMESTAMP TEXT COLLATE TS,
	events INTEGER,
	rejects INTEGER,
	state TEXT,
	batch_id INTEGER,
	reason TEXT
);

CREATE TABLE rejects(
	source TEXT,
	file TEXT,
	line INTEGER,
	offset INTEGER,
	reason TEXT,
	detail TEXT,
	text TEXT
);

CREATE TABLE reject_totals(
	source TEXT,
	reason TEXT,
	count INTEGER,
	PRIMARY KEY(source, reason)
) WITHOUT ROWID;
