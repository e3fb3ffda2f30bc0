/*
 * Where results go: standard output, a file, a pipe, a viewer, or a pager in
 * front of the terminal.
 */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include "base/buf.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct output {
	FILE *file;          /* stdout, stderr or one of ours */
	char name[PATH_MAX]; /* as it was given; "" for standard output */
	int uses;            /* .once: commands until it falls back; 0: it stays */
	bool opens_viewer;   /* the file is shown to the user when it is closed */
	char temp_path[PATH_MAX]; /* that file; "" none */

	bool may_page;       /* the shell is interactive and the pager not off */
	const char *pager;   /* the command; NULL: $PAGER, else less */
	bool holds;          /* a result is being written that may turn out long */
	FILE *pipe;          /* the running pager */
	struct buf held;     /* what was written before it is known to be long */
	int n_lines;         /* lines in `held`, as the terminal folds them */
	bool failed;         /* the pager was left, or the file is full */
	int sys_errno;       /* with `failed`: why */
	bool has_lost;       /* a file of ours is not whole; it was said */
};

void output_init(struct output *output);
void output_fini(struct output *output);

bool output_is_terminal(const struct output *output);
/* A file of ours that has a name: what cannot be written there is an error. */
bool output_is_file(const struct output *output);

/* Writes what stands in `text` and empties it. False: nobody takes it any more. */
bool output_write(struct output *output, struct buf *text);

/* What was written is with the kernel, or the reason why not is kept. */
void output_flush(struct output *output);

/* Around one result: only there a pager may come up. */
void output_begin(struct output *output);
void output_end(struct output *output);

/* Back to standard output; what is open is closed, the viewer started. */
void output_reset(struct output *output);

/*
 * FILE, |COMMAND, stdout, stderr or off. False: said on standard error, output
 * is standard output.
 */
bool output_open(struct output *output, const char *name);

/* A new temporary file's path for a viewer, ending in `suffix`. */
bool output_make_temp(struct output *output, const char *suffix);
void output_clear_temp(struct output *output);

#endif
