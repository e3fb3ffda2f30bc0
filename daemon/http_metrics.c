/*
 * /metrics: one statement after the other, a family each, gathered into one
 * body; what no table knows stands at the end.
 */
#include "daemon/http_private.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct metric_family totals_family = {.name = "tallyd_group_events",
	.type = "gauge",
	.help = "Sum of a group's counts over all windows."};

static void add_plain(struct http_session *http, const char *name, const char *help, int64_t value)
{
	struct metric_family family = {.name = name, .type = "gauge", .help = help};

	metric_add_head(&http->body, &family, http->sink.is_openmetrics);
	buf_printf(&http->body, "%s %" PRId64 "\n", name, value);
}

/* The second number of statm is the resident pages. */
static int64_t resident_bytes(void)
{
	long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*s %lld", &pages) != 1)
		pages = 0;
	(void)fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* The fields are labels, as they are columns of the query's table. */
static void totals_ask(struct http_session *http, const struct query_spec *query)
{
	const char **fields = mem_new_array(query->n_group_by + 1, sizeof(*fields));

	if (fields == NULL) {
		session_close(&http->session);
		return;
	}
	for (size_t i = 0; i < query->n_group_by; i++)
		fields[i] = query->group_by[i].column;
	buf_clear(&http->sql);
	metric_add_totals_sql(&http->sql, query->name, fields, query->n_group_by);
	free((void *)fields);
	/* The head stands once, in front of the first query that has a row. */
	http->sink.omits_head = http->sink.has_head;
	http->sink.family = &totals_family;
	http_start(http);
}

/* The next family is asked for, or the answer given. */
static void metrics_next(struct http_session *http)
{
	const struct metric_family *family = metric_family_at(http->family);
	const struct spec *spec = &http->session.service->config->spec;

	if (family != NULL) {
		http->family++;
		http->sink.family = family;
		buf_clear(&http->sql);
		buf_add_text(&http->sql, family->sql);
		http_start(http);
		return;
	}
	if (http->has_totals && http->total < spec->n_queries) {
		if (http->total == 0)
			http->sink.has_head = false;
		totals_ask(http, &spec->queries[http->total++]);
		return;
	}
	add_plain(http, "tallyd_resident_memory_bytes", "Resident memory of the daemon.",
		resident_bytes());
	add_plain(http, "tallyd_up", "1 when the daemon answered.", 1);
	if (http->sink.is_openmetrics)
		buf_add_text(&http->body, "# EOF\n");
	http_answer(http, 200, http_content_type(http), http->body.data, http->body.len);
	buf_fini(&http->body);
}

void http_metrics_start(struct http_session *http, const struct http_request *request)
{
	http->on_gathered = metrics_next;
	http->family = 0;
	http->total = 0;
	http->has_totals = http_request_param(request, "totals") != NULL;
	http->sink.format = HTTP_METRIC;
	http->sink.omits_head = false;
	http->sink.has_head = false;
	http->sink.is_openmetrics = strstr(request->accept, "application/openmetrics-text") != NULL;
	metrics_next(http);
}
