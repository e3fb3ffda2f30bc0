-- What only the checkpoint holds. No query can be named like these tables.

-- A source keeps its id when it is renamed; its path tells it then.
CREATE TABLE "state:sources"(
	id INTEGER PRIMARY KEY,
	name TEXT COLLATE NOCASE,
	path TEXT
);

-- One row a query, those included that the configuration no longer names.
CREATE TABLE "state:queries"(
	id INTEGER PRIMARY KEY,
	name TEXT COLLATE NOCASE UNIQUE,
	source_id INTEGER,
	definition TEXT,     -- spec_query_definition(); NULL: rebuild it in any case
	uuid TEXT,           -- Spark's query id
	message TEXT,
	exception TEXT,
	batch_id INTEGER,    -- the rest is struct query_totals; batch_id NULL: no batch yet
	prefix_id INTEGER,   -- below zero while the query is not configured
	n_files INTEGER,
	n_bytes INTEGER,
	n_events INTEGER,
	n_rejects INTEGER,
	n_late INTEGER,
	n_refused INTEGER,
	n_groups INTEGER,
	watermark_us INTEGER,
	max_time_us INTEGER,
	retention_end_us INTEGER,
	started_at_us INTEGER,
	state INTEGER,
	n_missed INTEGER
);

-- The identity of the file whose row in `files` has the same row id.
CREATE TABLE "state:files"(
	key INTEGER PRIMARY KEY,
	inode INTEGER,
	birth_ns INTEGER,
	fp_offset INTEGER,
	fp_head INTEGER,
	fp_tail INTEGER,
	device INTEGER,
	change_mark INTEGER,
	mtime_ns INTEGER,
	is_compressed INTEGER,
	path BLOB            -- where it is no UTF-8, which `files` cannot hold
);

-- Where each prefix stands in each file it has read from. Prefixes below zero
-- are those of queries that the configuration no longer names.
CREATE TABLE "state:offsets"(
	source_id INTEGER,
	file_id INTEGER,
	prefix_id INTEGER,
	offset INTEGER,
	skip INTEGER,
	line INTEGER,
	flags INTEGER,
	unpacked INTEGER,
	PRIMARY KEY(source_id, file_id, prefix_id)
) WITHOUT ROWID;
