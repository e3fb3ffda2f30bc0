/*
 * Any bytes, sent as the heads of HTTP requests: each is taken, refused with a
 * status that has a text, or waits for more. What is taken stays within the
 * bytes that came, and would not have been taken a byte earlier.
 */
#include "base/buf.h"
#include "daemon/http_request.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(const char *text, const struct buf *bytes)
{
	return text >= bytes->data && text + strlen(text) < bytes->data + bytes->len;
}

static bool is_status(int rc)
{
	static const int known[] = {400, 405, 431, 501, 505};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (rc == -known[i])
			return true;
	return false;
}

static void request_check(const struct http_request *request, const struct buf *bytes)
{
	assert(is_within(request->path, bytes) && request->path[0] == '/');
	assert(request->host == NULL ? request->is_old : is_within(request->host, bytes));
	assert(request->accept[0] == '\0' || is_within(request->accept, bytes));
	assert(request->n_params <= HTTP_MAX_PARAMS);
	for (size_t i = 0; i < request->n_params; i++) {
		assert(is_within(request->params[i].name, bytes));
		assert(request->params[i].value[0] == '\0' ||
			is_within(request->params[i].value, bytes));
		assert(http_request_param(request, request->params[i].name) != NULL);
	}
}

/* One head of a fresh copy, as a session that has read so many bytes would. */
static int parse(const uint8_t *data, size_t size, bool is_checked)
{
	struct http_request request;
	struct buf bytes = {0};
	int rc;

	buf_add(&bytes, (const char *)data, size);
	assert(buf_ok(&bytes));
	rc = http_request_parse(bytes.data, bytes.len, &request);
	assert(rc >= 0 ? (size_t)rc <= size : is_status(rc));
	if (rc > 0 && is_checked)
		request_check(&request, &bytes);
	buf_fini(&bytes);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 0) {
		int rc = parse(data, size, true);

		if (rc <= 0)
			break;
		assert(parse(data, (size_t)rc, true) == rc);
		assert(rc == 1 || parse(data, (size_t)rc - 1, false) == 0);
		data += rc;
		size -= (size_t)rc;
	}
	return 0;
}
