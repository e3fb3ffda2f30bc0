/*
 * Heads of requests: what is taken, what is refused
 * with which status, and that nothing is guessed.
 */
#include "daemon/http_request.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static int parse(char *copy, size_t size, const char *text, struct http_request *request)
{
	(void)snprintf(copy, size, "%s", text);
	return http_request_parse(copy, strlen(copy), request);
}

START_TEST(a_request_is_taken_apart)
{
	static const char text[] =
		"GET /query?sql=select%20%27a%2Bb%27+as+x&format=csv&empty HTTP/1.1\r\n"
		"Host: localhost:9188\r\nAccept: text/csv\r\n\r\n";
	struct http_request request;
	char copy[1024];

	ck_assert_int_eq(parse(copy, sizeof(copy), text, &request), (int)strlen(text));
	ck_assert_str_eq(request.path, "/query");
	ck_assert_str_eq(http_request_param(&request, "sql"), "select 'a+b' as x");
	ck_assert_str_eq(http_request_param(&request, "format"), "csv");
	ck_assert_str_eq(http_request_param(&request, "empty"), "");
	ck_assert_ptr_null(http_request_param(&request, "nosuch"));
	ck_assert_str_eq(request.host, "localhost");
	ck_assert_str_eq(request.accept, "text/csv");
	ck_assert(!request.is_closing && !request.is_head);
}
END_TEST

static const struct {
	const char *text;
	int status;
} refused[] = {
	{"POST / HTTP/1.1\r\n\r\n", -405},
	{"GET / HTTP/2.0\r\n\r\n", -505},
	{"GET /\r\n\r\n", -400},
	{"GET  / HTTP/1.1\r\n\r\n", -400},
	{"GET http://x/ HTTP/1.1\r\n\r\n", -400},
	{"GET /%zz HTTP/1.1\r\n\r\n", -400},
	{"GET /%00 HTTP/1.1\r\n\r\n", -400},
	{"GET /?a=% HTTP/1.1\r\n\r\n", -400},
	{"GET / HTTP/1.1\r\nHost : x\r\n\r\n", -400},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", -400},
	{"GET / HTTP/1.1\r\nno colon\r\n\r\n", -400},
	{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -501},
	{"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", -400},
	{"GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n", -400},
	{"GET /?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17 HTTP/1.1\r\nHost: a\r\n\r\n", -400},
	{"GET / HTTP/1.1\r\nAccept: a\r\n\r\n", -400},
};

START_TEST(what_is_not_understood_is_refused)
{
	struct http_request request;
	char copy[1024];

	ck_assert_int_eq(parse(copy, sizeof(copy), refused[_i].text, &request), refused[_i].status);
}
END_TEST

START_TEST(a_head_cut_anywhere_waits_for_the_rest)
{
	static const char text[] =
		"GET /metrics HTTP/1.1\r\nHost: [::1]:1\r\nConnection: TE, close\r\n\r\n";
	struct http_request request;
	char copy[256];

	for (size_t n = 0; n < strlen(text); n++) {
		memcpy(copy, text, n);
		ck_assert_int_eq(http_request_parse(copy, n, &request), 0);
	}
	ck_assert_int_gt(parse(copy, sizeof(copy), text, &request), 0);
	ck_assert_str_eq(request.host, "[::1]");
	ck_assert(request.is_closing);
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
	static char text[HTTP_HEAD_MAX_BYTES + 1];
	struct http_request request;

	memset(text, 'a', sizeof(text));
	ck_assert_int_eq(http_request_parse(text, HTTP_HEAD_MAX_BYTES, &request), -431);
	ck_assert_int_eq(http_request_parse(text, 100, &request), 0);
}
END_TEST

START_TEST(an_old_client_is_closed_unless_it_asks)
{
	struct http_request request;
	char copy[256];

	ck_assert_int_gt(parse(copy, sizeof(copy), "GET / HTTP/1.0\r\n\r\n", &request), 0);
	ck_assert(request.is_closing && request.is_old);
	ck_assert_int_gt(parse(copy, sizeof(copy),
				 "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &request),
		0);
	ck_assert(!request.is_closing);
}
END_TEST

START_TEST(any_bytes_are_survived)
{
	unsigned seed = 1;
	struct http_request request;
	char text[512];

	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)round % sizeof(text);

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			text[i] = "GET /?=&%25 HTTP/1.1\r\n\r\n:\t"[(seed >> 16) % 26];
		}
		(void)http_request_parse(text, n, &request);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_request");
	TCase *tcase = tcase_create("core");
	SRunner *runner = srunner_create(suite);
	int n_failed;

	tcase_add_test(tcase, a_request_is_taken_apart);
	tcase_add_loop_test(tcase, what_is_not_understood_is_refused, 0,
		(int)(sizeof(refused) / sizeof(refused[0])));
	tcase_add_test(tcase, a_head_cut_anywhere_waits_for_the_rest);
	tcase_add_test(tcase, a_head_without_end_is_refused);
	tcase_add_test(tcase, an_old_client_is_closed_unless_it_asks);
	tcase_add_test(tcase, any_bytes_are_survived);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? 0 : 1;
}
