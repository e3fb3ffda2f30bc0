/*
 * Lines as producers write them, of many kinds, and copies of them with bytes
 * changed: what the fast path is compared with the judge on. Random, and
 * repeatable from a seed.
 */
#ifndef TESTS_STREAM_CORPORA_H
#define TESTS_STREAM_CORPORA_H

#include "base/buf.h"
#include "stream/event.h"

#include <stddef.h>
#include <stdint.h>

/* The state that all of these draw from; one thread. */
uint64_t draw(uint64_t below);
void draw_seed(uint64_t seed);
uint64_t draw_state(void);

struct corpus {
	const char *name;
	const char *time_field;
	enum time_unit unit;
	const char *fields[4];
	size_t n_fields;
	int64_t bucket_us;
	void (*add)(struct buf *buf, int i);
	int min_kernel_percent; /* of the unchanged lines, at least so many by a kernel */
};

#define N_CORPORA 23
extern const struct corpus corpora[N_CORPORA];

#define CORPUS_WORDS 27
extern const char *const corpus_words[CORPUS_WORDS];

/* The time of line i: it rises, and stays now and then. */
int64_t corpus_clock_s(int i);

/* A line of the sample stream. */
void corpus_add_notebook(struct buf *buf, int i);

/* A line of the shape that the number stands for: other names, kinds and order of values. */
void corpus_add_formed_line(struct buf *buf, uint64_t form, int i);

void corpus_add_lines(struct buf *buf, const struct corpus *corpus, int n_lines);

/* One byte or a few: flipped, set, inserted, deleted, doubled, or spliced from elsewhere. The bytes
 * are more than 64. */
void corpus_change_byte(struct buf *buf);

#endif
