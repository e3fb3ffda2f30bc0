/*
 * The configuration: defaults, the file, the command line, the environment,
 * each value with where it came from; judged as a whole, then immutable and
 * reference-counted, so that threads share it without a lock and a reload is
 * a new one.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "sql/store.h"
#include "stream/spec.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct config {
	char *file;          /* the path read; NULL: none */
	char *socket;
	unsigned socket_mode;
	char *socket_group;  /* NULL: none */
	bool is_socket_group_written; /* then it must be given to the socket, as a default it is tried */
	char *postgres;      /* path of the PostgreSQL socket; NULL: off */
	char *state_dir;
	char *timezone;
	int threads;         /* resolved: >= 1 */
	int max_sessions;
	int max_running_queries; /* resolved: >= 1 */
	int64_t query_timeout_us;
	int64_t idle_transaction_timeout_us;
	int64_t query_memory_bytes;
	int64_t max_result_bytes;
	char *snapshot_file; /* NULL: off */
	int64_t snapshot_interval_us;
	int log_level;
	char *http_listen;   /* NULL: off */
	struct spec spec;
	struct setting *settings; /* every effective value and its origin, for `settings` and --print-config */
	size_t n_settings;
	_Atomic int n_refs;
};

/* One --set, or an option that is short for one. */
struct config_override {
	const char *section, *key, *value;
	const char *origin; /* "--events", "--set" */
};

struct config_request {
	const char *file;       /* --config; NULL: none named */
	bool read_default_file; /* /etc/tallyd/tallyd.conf, where it exists */
	const struct config_override *overrides;
	size_t n_overrides;
};

/* ERR_CONFIG with one line "FILE:LINE: section.key: reason, what would be right". */
int config_read(struct config **config, const struct config_request *request, struct err *err)
	__attribute__((warn_unused_result));

struct config *config_ref(struct config *config);
void config_unref(struct config *config);

/* The INI text of all effective values, each with ` ; from ORIGIN`. */
void config_print(const struct config *config, struct buf *out);

/* Directories too: what --check-config judges beyond config_read. */
int config_check_directories(const struct config *config, struct err *err)
	__attribute__((warn_unused_result));

/*
 * For a reload: what only a restart can change stays as `running` has it.
 * `waiting` receives the names of those keys that the file has otherwise,
 * separated by ", ".
 */
int config_keep_running(struct config *fresh, const struct config *running, struct buf *waiting,
	struct err *err) __attribute__((warn_unused_result));

#endif
