-- What only the mirror holds: it is made anew at every start.

CREATE TABLE queries(
	name TEXT,
	source TEXT,
	state TEXT,
	message TEXT,
	is_streaming INTEGER,
	is_data_available INTEGER,
	is_trigger_active INTEGER,
	"window" TEXT,
	slide TEXT,
	session TEXT,
	group_by TEXT,
	output_mode TEXT,
	watermark TEXT,
	batch_id INTEGER,
	files INTEGER,
	files_behind INTEGER,
	bytes INTEGER,
	events INTEGER,
	rejects INTEGER,
	late INTEGER,
	refused INTEGER,
	"groups" INTEGER,
	started_at TIMESTAMP TEXT COLLATE TS,
	exception TEXT
);

CREATE TABLE newest_events(
	query TEXT,
	time TIMESTAMP TEXT COLLATE TS
);

CREATE TABLE settings(
	name TEXT,
	value TEXT,
	origin TEXT
);
