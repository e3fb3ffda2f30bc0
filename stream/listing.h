/*
 * The files of a source as they are now, apart from the running stream: listed
 * once, in the source's order, all to be read from their first byte.
 *
 * A file that is not under its name any more when its turn comes is put aside.
 * When all others are read the directory is listed again: what was renamed is
 * known by its identity and read under its new name, what is gone is not read.
 */
#ifndef STREAM_LISTING_H
#define STREAM_LISTING_H

#include "base/err.h"
#include "stream/prefix.h"
#include "stream/source.h"
#include "stream/spec.h"

/* A file as it was when the source was listed. */
struct listed {
	const struct file *file; /* as it is by now; its address is good until listing_close */
	char *name; /* relative to the source's directory; good until the next call */
	int64_t size;
	size_t slot;
};

struct listing {
	struct source *source;
	struct prefixes prefixes;
	struct prefix *prefix; /* its heap holds what is still to be read */
	struct listed *aside;  /* names are its own */
	size_t n_aside, aside_cap;
	size_t n_tried;        /* of those put aside, in order: handed out again, or given up */
	size_t n_looked_for;   /* of those put aside: the last look was for them, too */
	int n_looks;
};

/*
 * What a failure leaves is released. A directory that cannot be read is ERR_IO
 * with the source's sentence.
 */
int listing_open(struct listing *listing, const struct source_spec *spec, struct err *err)
	__attribute__((warn_unused_result));
void listing_close(struct listing *listing);

/* 1: the next file; 0: no more. May list the directory again; fails only for lack of memory. */
int listing_next(struct listing *listing, struct listed *listed, struct err *err)
	__attribute__((warn_unused_result));

/*
 * What listing_next gave, or what a plan took from the heap, was not under its
 * name (ERR_MISSING).
 */
int listing_put_aside(struct listing *listing, const struct listed *listed, struct err *err)
	__attribute__((warn_unused_result));
int listing_put_slot_aside(struct listing *listing, size_t slot, struct err *err)
	__attribute__((warn_unused_result));

/*
 * For those who plan from the heap, when it is empty: what was put aside and is
 * found again is in it, where `prefix` stands. Fails only for lack of memory.
 */
int listing_refill(struct listing *listing, struct err *err) __attribute__((warn_unused_result));

#endif
