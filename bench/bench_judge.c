/*
 * How fast the judge is, without reading: made lines in memory, fed in pieces
 * of 256 KiB as a reader would. Prints bytes and events a second of the
 * thread's own time, of the best of some passes, since the worst tell about the
 * machine's other work. The argument `narrow`, `wide` or `malformed` asks for
 * one kind of lines only; the last are such as streams have among good ones.
 */
#include "base/buf.h"
#include "stream/event.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOTAL_BYTES (64u << 20)
#define FEED_BYTES  (256u << 10)
#define PASSES      7

static int count_event(void *context, const struct event *event)
{
	uint64_t *sum = context;

	sum[0]++;
	sum[1] += (uint64_t)event->time_us + event->values[0].len;
	return 0;
}

static int count_reject(void *context, const struct reject *reject)
{
	uint64_t *sum = context;

	(void)reject;
	sum[2]++;
	return 0;
}

static int ignore_array(void *context, enum judge_array what)
{
	(void)context;
	(void)what;
	return 0;
}

static void add_narrow(struct buf *buf, unsigned i)
{
	buf_printf(buf, "{\"time\":%u,\"action\":\"%s\"}\n", 1469501107 + i / 3,
		i * 2654435761u >> 31 != 0 ? "Open" : "Close");
}

static void add_wide(struct buf *buf, unsigned i)
{
	buf_printf(buf,
		"{\"id\": %u, \"user\": {\"name\": \"u%u\", \"tags\": [1, 2]}, \"action\": \"%s\", "
		"\"time\": \"2016-07-26T%02u:%02u:%02uZ\", \"ok\": true, \"score\": 0.25}\n",
		100000 + i % 900000, 1000 + i % 9000, i * 2654435761u >> 31 != 0 ? "Open" : "Close",
		i / 3600 % 24, i / 60 % 60, i % 60);
}

static void add_malformed(struct buf *buf, unsigned i)
{
	static const char *const lines[] = {"not json at all\n", "{\"action\":\"Open\"}\n",
		"{\"time\":\"yesterday\"}\n", "42\n", "\xFF\xFE\n",
		"{\"time\":1469501107,\"action\":\"Op\x01n\"}\n", "{\"time\":14695\n",
		"{\"time\":1469501107,\"action\":\"Clo\n"};

	buf_add_text(buf, lines[(i * 2654435761u >> 16) % (sizeof(lines) / sizeof(*lines))]);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void feed_all(struct judge *judge, const struct buf *buf, const struct judge_sink *sink)
{
	struct err err = ERR_INIT;
	size_t at = 0, len, consumed;

	judge_begin(judge, &POSITION_START, 0);
	for (len = FEED_BYTES; at < buf->len; len = FEED_BYTES) {
		if (len > buf->len - at)
			len = buf->len - at;
		if (judge_feed(judge, buf->data + at, len, at + len == buf->len, &consumed, sink,
			    &err) != 0)
			abort();
		at += consumed;
	}
}

static void measure(const char *name, void (*add)(struct buf *buf, unsigned i))
{
	static const char *const fields[] = {"action"};
	const struct event_shape shape = {"time", TIME_UNIT_S, 16 << 20, fields, 1};
	uint64_t sum[3] = {0};
	const struct judge_sink sink = {sum, count_event, count_reject, ignore_array};
	struct judge *judge = judge_new(&shape);
	struct buf buf = {0};
	double best = 1e9, start, took;
	unsigned i;
	int pass;

	for (i = 0; buf.len < TOTAL_BYTES; i++)
		add(&buf, i);
	if (!buf_ok(&buf) || judge == NULL)
		abort();
	for (pass = 0; pass < PASSES; pass++) {
		start = now_s();
		feed_all(judge, &buf, &sink);
		took = now_s() - start;
		if (took < best)
			best = took;
	}
	printf("%-9s %6.3f GB/s %7.2f M events/s  (%llu events, %llu rejects a pass)\n", name,
		(double)buf.len / best / 1e9, (double)sum[0] / PASSES / best / 1e6,
		(unsigned long long)(sum[0] / PASSES), (unsigned long long)(sum[2] / PASSES));
	judge_free(judge);
	buf_fini(&buf);
}

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "narrow") == 0)
		measure("narrow", add_narrow);
	if (argc < 2 || strcmp(argv[1], "wide") == 0)
		measure("wide", add_wide);
	if (argc < 2 || strcmp(argv[1], "malformed") == 0)
		measure("malformed", add_malformed);
	return 0;
}
