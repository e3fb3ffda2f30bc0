/* The compiler of shapes: one pass over the tokens. */
#include "stream/scan_program.h"

#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"

/* The longest run of fixed bytes between two values of free length. */
#define MAX_RUN_BYTES 1024

/* How much literal text behind a group's text is compared with it. */
#define MAX_TAIL_BYTES 8

#define ANYTHING 255

struct compiler {
	const struct shape *shape;
	struct program *program;
	size_t cap_steps;
	bool has_failed;
	/* The run of fixed bytes that is being collected. */
	uint8_t bytes[MAX_RUN_BYTES];
	uint8_t limits[MAX_RUN_BYTES];
	size_t len;
	size_t n_checked;      /* bytes of it that the steps made so far look at */
	struct step time_step; /* the time's, if it stands in the run: goes behind the checks */
	bool has_time_step;
};

static struct step *add_step(struct compiler *compiler, enum step_kind kind, size_t at)
{
	struct program *program = compiler->program;
	struct step *step = &program->steps[program->n_steps];

	if (program->n_steps == compiler->cap_steps) {
		compiler->has_failed = true;
		return step - 1;
	}
	program->n_steps++;
	*step = (struct step){.kind = kind, .at = (int32_t)at};
	return step;
}

static void add_byte(struct compiler *compiler, char byte, uint8_t limit)
{
	if (compiler->len == MAX_RUN_BYTES) {
		compiler->has_failed = true;
		return;
	}
	compiler->bytes[compiler->len] = (uint8_t)byte;
	compiler->limits[compiler->len++] = limit;
}

/* The run is over: the steps that look at it. */
static void end_run(struct compiler *compiler)
{
	for (size_t at = 0; at < compiler->len; at += 32) {
		size_t n = compiler->len - at < 32 ? compiler->len - at : 32;
		struct step *step = add_step(compiler, STEP_CHECK, at);

		step->n_bytes = (uint32_t)n;
		memset(step->limits, ANYTHING, sizeof(step->limits));
		memcpy(step->bytes, compiler->bytes + at, n);
		memcpy(step->limits, compiler->limits + at, n);
	}
	if (compiler->has_time_step)
		*add_step(compiler, compiler->time_step.kind, 0) = compiler->time_step;
	compiler->has_time_step = false;
}

/* A value of free length begins behind the run; the next run begins behind it. */
static struct step *add_value(struct compiler *compiler, enum step_kind kind)
{
	size_t at = compiler->len;

	end_run(compiler);
	compiler->len = 0;
	return add_step(compiler, kind, at);
}

/* --- times --------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * A plain integer. The kernels multiply up to 16 digits into 64 bits of
 * microseconds, so there is a longest form for each unit; of nanoseconds the
 * last three digits are checked and cut.
 */
static bool add_digits(struct compiler *compiler, const struct token *token)
{
	static const struct {
		uint32_t max_digits, n_cut;
		int64_t value_us;
	} units[] = {
		[TIME_UNIT_S] = {12, 0, US_PER_S},
		[TIME_UNIT_MS] = {15, 0, US_PER_MS},
		[TIME_UNIT_US] = {16, 0, 1},
		[TIME_UNIT_NS] = {19, 3, 1},
	};
	enum time_unit unit = compiler->shape->event->time_unit;
	const char *text = compiler->shape->line + token->text;
	struct step *step = &compiler->time_step;
	uint32_t n = token->len - units[unit].n_cut;

	if (token->len > units[unit].max_digits || token->len <= units[unit].n_cut)
		return false;
	*step = (struct step){.kind = STEP_TIME_DIGITS, .n_bytes = n};
	step->at = (int32_t)compiler->len + (int32_t)n - 16;
	for (uint32_t i = 16 - n; i < 16; i++)
		step->weights[i] = step->weights[16 + i] = i % 2 == 0 ? 10 : 1;
	for (uint32_t i = 0; i < token->len; i++) {
		bool is_first = i == 0 && token->len > 1;

		if (!is_digit(text[i]))
			return false;
		add_byte(compiler, is_first ? '1' : '0', is_first ? 8 : 9);
	}
	compiler->has_time_step = true;
	compiler->program->time =
		(struct time_form){.len = token->len, .value_us = units[unit].value_us};
	return true;
}

/* Bytes of a spelled time from `from` that look like `form`, where d stands for a digit. */
static bool looks_like(const char *text, size_t len, size_t from, const char *form)
{
	for (size_t i = 0; form[i] != '\0'; i++) {
		if (from + i >= len ||
			(form[i] == 'd' ? !is_digit(text[from + i]) : text[from + i] != form[i]))
			return false;
	}
	return true;
}

#define DATE_BYTES   10
#define SECOND_BYTES 19 /* up to the seconds */

/* The length of date, time of day and fraction; 0: not in the one form that kernels know. */
static size_t spelled_length(const char *text, size_t len)
{
	size_t n = SECOND_BYTES;

	if (!looks_like(text, len, 0, "dddd-dd-dd") || !looks_like(text, len, 11, "dd:dd:dd"))
		return 0;
	if (n < len && text[n] == '.') {
		for (n++; n < len && is_digit(text[n]); n++)
			;
	}
	return n;
}

static bool add_spelled(struct compiler *compiler, const struct token *token)
{
	const char *text = compiler->shape->line + token->text;
	struct time_form *form = &compiler->program->time;
	struct step *step = &compiler->time_step;
	size_t n = spelled_length(text, token->len);
	int64_t with_zone, without_zone;

	if (n == 0 || !timestamp_parse(text, token->len, &with_zone) ||
		!timestamp_parse(text, n, &without_zone))
		return false;
	*form = (struct time_form){
		.is_spelled = true,
		.len = token->len,
		.separator = text[DATE_BYTES],
		.value_us = 1,
		.zone_us = with_zone - without_zone,
	};
	*step = (struct step){.kind = STEP_TIME_ISO, .at = (int32_t)compiler->len};
	memset(step->shuffle, 0x80, sizeof(step->shuffle));
	/* HH:MM:SS.ffffff, from which the digits go to the places that times_from_iso tells. */
	for (uint8_t i = 0; i < 15 && i < n - 11; i++) {
		static const uint8_t places[15] = {
			0, 1, 16, 2, 3, 16, 4, 5, 16, 8, 9, 10, 11, 12, 13};
		uint8_t place = places[i];

		if (place == 16)
			continue;
		step->shuffle[place] = step->shuffle[16 + place] = i;
		step->weights[place] = step->weights[16 + place] = place % 2 == 0 ? 10 : 1;
	}
	for (size_t i = 0; i < token->len; i++) {
		bool is_number = i < n && is_digit(text[i]);

		if (i < DATE_BYTES)
			add_byte(compiler, 0, ANYTHING);
		else
			add_byte(compiler, is_number ? '0' : text[i], is_number ? 9 : 0);
	}
	compiler->has_time_step = true;
	return true;
}

/* --- groups and other values --------------------------------------------- */

/*
 * The literal behind a group's text: its first byte ends the text. A short one
 * goes into the pattern as a whole. Returns how much of it does.
 */
static size_t tail_length(const struct token *literal)
{
	return literal->len - 1 <= MAX_TAIL_BYTES ? literal->len : 1;
}

/* The number of literal bytes that the step has taken; 0: failed. */
static size_t add_group(
	struct compiler *compiler, const struct token *token, const struct token *literal)
{
	struct program *program = compiler->program;
	const char *text = compiler->shape->line + literal->text;
	size_t n = tail_length(literal);
	size_t which = program->n_groups;
	bool is_only = compiler->shape->event->n_fields == 1;
	struct step *step;

	if (!dict_init(&program->dicts[which], text, n))
		return 0;
	program->n_groups++;
	program->fields[which] = token->field;
	program->is_bare[which] = token->kind != TOKEN_STRING;
	if (which > 0 && !pairs_init(&program->pairs[which]))
		return 0;
	step = add_value(compiler, which > 0 ? STEP_GROUP_NEXT
				   : is_only ? STEP_GROUP
					     : STEP_GROUP_FIRST);
	memset(step->bytes, text[0], sizeof(step->bytes));
	step->dict = &program->dicts[which];
	step->pairs = &program->pairs[which];
	return n;
}

/* The last of the group steps gives a slot to count in; the others a number for the next. */
static void mark_last_group(struct program *program)
{
	struct step *last = NULL;

	for (size_t i = 0; i < program->n_steps; i++) {
		struct step *step = &program->steps[i];

		if (step->kind == STEP_GROUP_FIRST || step->kind == STEP_GROUP_NEXT)
			last = step;
	}
	if (last == NULL)
		return;
	if (last->kind == STEP_GROUP_FIRST)
		last->kind = STEP_GROUP;
	last->is_last = true;
}

/* One token; `literal_from` bytes of a literal are taken already, and *taken of the next are now.
 */
static bool compile_token(
	struct compiler *compiler, size_t which, size_t literal_from, size_t *taken)
{
	const struct token *token = &compiler->shape->tokens[which];
	const char *text = compiler->shape->line + token->text;

	*taken = 0;
	if (token->kind == TOKEN_LITERAL) {
		for (size_t i = literal_from; i < token->len; i++)
			add_byte(compiler, text[i], 0);
		return true;
	}
	if (token->role == ROLE_TIME)
		return token->kind == TOKEN_NUMBER ? add_digits(compiler, token)
						   : add_spelled(compiler, token);
	if (token->role == ROLE_GROUP) {
		*taken = add_group(compiler, token, token + 1);
		return *taken > 0;
	}
	(void)add_value(compiler, token->kind == TOKEN_STRING   ? STEP_STRING
				  : token->kind == TOKEN_NUMBER ? STEP_NUMBER
								: STEP_WORD);
	return true;
}

static bool compile(struct compiler *compiler)
{
	const struct shape *shape = compiler->shape;
	size_t taken = 0;

	for (size_t i = 0; i < shape->n_tokens; i++) {
		if (!compile_token(compiler, i, taken, &taken))
			return false;
	}
	(void)add_value(compiler, STEP_COUNT_WINDOW);
	mark_last_group(compiler->program);
	return !compiler->has_failed;
}

bool program_init(struct program *program, const struct shape *shape)
{
	struct compiler *compiler = calloc(1, sizeof(*compiler));
	/* A check for each 32 bytes, and at most two steps and two checks a token. */
	size_t cap = 4 * shape->n_tokens + shape->len / 32 + 4;
	bool is_done = false;

	*program = (struct program){0};
	program->steps = aligned_alloc(64, cap * sizeof(*program->steps));
	if (compiler != NULL && program->steps != NULL) {
		compiler->shape = shape;
		compiler->program = program;
		compiler->cap_steps = cap;
		is_done = compile(compiler);
	}
	free(compiler);
	if (!is_done)
		program_fini(program);
	return is_done;
}

void program_fini(struct program *program)
{
	for (size_t i = 0; i < SHAPE_MAX_FIELDS; i++) {
		dict_fini(&program->dicts[i]);
		pairs_fini(&program->pairs[i]);
	}
	free(program->steps);
	*program = (struct program){0};
}

void program_count_in(struct program *program, bool in_rows)
{
	program->steps[program->n_steps - 1].kind = in_rows ? STEP_COUNT_ROWS : STEP_COUNT_WINDOW;
}

uint32_t program_n_slots(const struct program *program)
{
	if (program->n_groups == 0)
		return 1;
	if (program->n_groups == 1)
		return program->dicts[0].n_slots;
	return program->pairs[program->n_groups - 1].n_slots;
}
