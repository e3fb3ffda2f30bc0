/* The compiler of shapes: one pass over the tokens. */
#include "stream/scan_program.h"

#include <assert.h>
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
	size_t n_groups; /* tokens that are groups */
	bool has_failed;
	/* The run of fixed bytes that is being collected. */
	uint8_t bytes[MAX_RUN_BYTES];
	uint8_t limits[MAX_RUN_BYTES];
	size_t len;
	size_t n_checked;   /* bytes of it that the steps made so far look at */
	struct step *value; /* in front of the run, if it checks the beginning of it */
	bool has_time;      /* the time's step goes behind the checks of this run */
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

/* A step that checks some bytes of the run. */
static void set_check(const struct compiler *compiler, struct step *step, size_t at)
{
	size_t n = compiler->len - at < 32 ? compiler->len - at : 32;

	step->n_bytes = (uint32_t)n;
	memset(step->limits, ANYTHING, sizeof(step->limits));
	memcpy(step->bytes, compiler->bytes + at, n);
	memcpy(step->limits, compiler->limits + at, n);
}

/* The run is over: the steps that look at it. */
static void end_run(struct compiler *compiler)
{
	for (size_t at = 0; at < compiler->len; at += 32) {
		if (at == 0 && compiler->value != NULL)
			set_check(compiler, compiler->value, at);
		else
			set_check(compiler, add_step(compiler, STEP_CHECK, at), at);
	}
	compiler->value = NULL;
	if (compiler->has_time) {
		compiler->program->time_at = compiler->program->n_steps;
		(void)add_step(compiler, STEP_DIGITS_CODE, 0);
	}
	compiler->has_time = false;
}

/* A value of free length begins behind the run; the next run begins behind it. */
static struct step *add_value(struct compiler *compiler, enum step_kind kind)
{
	size_t at = compiler->len;

	end_run(compiler);
	compiler->len = 0;
	return add_step(compiler, kind, at);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The weights of `n` digits that end with the last of 16 places. */
static void set_weights(struct step *step, uint32_t n, uint8_t tens)
{
	for (uint32_t i = 16 - n; i < 16; i++)
		step->weights[i] = step->weights[16 + i] = i % 2 == 0 ? tens : 1;
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
		int64_t tick_us;
	} units[] = {
		[TIME_UNIT_S] = {12, 0, US_PER_S},
		[TIME_UNIT_MS] = {15, 0, US_PER_MS},
		[TIME_UNIT_US] = {16, 0, 1},
		[TIME_UNIT_NS] = {19, 3, 1},
	};
	enum time_unit unit = compiler->shape->event->time_unit;
	const char *text = compiler->shape->line + token->text;
	struct program *program = compiler->program;
	uint32_t n = token->len - units[unit].n_cut;
	int32_t at = (int32_t)compiler->len + (int32_t)n - 16;

	if (token->len > units[unit].max_digits || token->len <= units[unit].n_cut)
		return false;
	program->time_code = (struct step){.kind = STEP_DIGITS_CODE, .at = at};
	set_weights(&program->time_code, n, 16);
	program->time_value = (struct step){.kind = STEP_DIGITS_VALUE, .at = at};
	set_weights(&program->time_value, n, 10);
	for (uint32_t i = 0; i < token->len; i++) {
		bool is_first = i == 0 && token->len > 1;

		if (!is_digit(text[i]))
			return false;
		add_byte(compiler, is_first ? '1' : '0', is_first ? 8 : 9);
	}
	compiler->has_time = true;
	program->time = (struct time_form){.len = token->len, .tick_us = units[unit].tick_us};
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

/* Where the digits of HH:MM:SS.ffffff stand in it. */
static const uint8_t clock_places[12] = {0, 1, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14};

/* Sends the digit that is number `from` of them to a place in both halves. */
static void send_digit(struct step *step, uint32_t from, uint32_t to, uint8_t tens)
{
	step->shuffle[to] = step->shuffle[16 + to] = clock_places[from];
	step->weights[to] = step->weights[16 + to] = to % 2 == 0 ? tens : 1;
}

/* `n_digits`: hour, minute, second and what there is of a fraction, up to 12. */
static void make_spelled_steps(struct program *program, uint32_t n_digits, int32_t at)
{
	static const uint8_t value_places[12] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13};
	struct step *code = &program->time_code;
	struct step *value = &program->time_value;
	uint32_t n_code = 6 + program->time.n_fraction;

	*code = (struct step){.kind = STEP_SPELLED_CODE, .at = at};
	*value = (struct step){.kind = STEP_SPELLED_VALUE, .at = at};
	memset(code->shuffle, 0x80, sizeof(code->shuffle));
	memset(value->shuffle, 0x80, sizeof(value->shuffle));
	for (uint32_t i = 0; i < n_digits; i++) {
		send_digit(code, i, 16 - n_code + i, 16);
		send_digit(value, i, value_places[i], 10);
	}
	/* Bytes of the code, the last pair of digits first, twice in each half. */
	memset(code->limits, 0x99, sizeof(code->limits));
	for (uint32_t quarter = 0; quarter < 32; quarter += 8) {
		uint8_t *second = code->limits + quarter + program->time.n_fraction / 2;

		second[0] = 0x59;
		second[1] = 0x59;
		second[2] = 0x23;
	}
}

static bool add_spelled(struct compiler *compiler, const struct token *token)
{
	static const int64_t ticks_us[] = {US_PER_S, 0, 10000, 0, 100, 0, 1};
	const char *text = compiler->shape->line + token->text;
	struct time_form *form = &compiler->program->time;
	size_t n = spelled_length(text, token->len);
	uint32_t n_fraction = n > SECOND_BYTES + 1 ? (uint32_t)n - SECOND_BYTES - 1 : 0;
	int64_t with_zone, without_zone;

	if (n == 0 || !timestamp_parse(text, token->len, &with_zone) ||
		!timestamp_parse(text, n, &without_zone))
		return false;
	/* Digits behind the microseconds are checked and cut. */
	if (n_fraction > 6)
		n_fraction = 6;
	*form = (struct time_form){
		.is_spelled = true,
		.len = token->len,
		.separator = text[DATE_BYTES],
		.n_fraction = (n_fraction + 1) / 2 * 2,
		.zone_us = with_zone - without_zone,
	};
	form->tick_us = ticks_us[form->n_fraction];
	make_spelled_steps(compiler->program, 6 + n_fraction, (int32_t)compiler->len);
	for (size_t i = 0; i < token->len; i++) {
		bool is_number = i < n && is_digit(text[i]);

		if (i < DATE_BYTES)
			add_byte(compiler, 0, ANYTHING);
		else
			add_byte(compiler, is_number ? '0' : text[i], is_number ? 9 : 0);
	}
	compiler->has_time = true;
	return true;
}

/*
 * The literal behind a group's text: its first byte ends the text. A short one
 * goes into the pattern as a whole. Returns how much of it does.
 */
static size_t tail_length(const struct token *literal)
{
	return literal->len <= MAX_TAIL_BYTES ? literal->len : 1;
}

/*
 * Eight bytes that stand behind a text; true if always these. Behind a record's
 * end the next one begins; where none does, one record is a miss.
 */
static bool bytes_behind(const struct shape *shape, const struct token *literal, char behind[8])
{
	const struct token *first = &shape->tokens[0];
	size_t n = literal->len < 8 ? literal->len : 8;
	size_t n_more = 0;

	memset(behind, 0, 8);
	memcpy(behind, shape->line + literal->text, n);
	if (literal == &shape->tokens[shape->n_tokens - 1] && first->kind == TOKEN_LITERAL)
		n_more = first->len < 8 - n ? first->len : 8 - n;
	memcpy(behind + n, shape->line + first->text, n_more);
	return n + n_more == 8;
}

/* The number of literal bytes that the step has taken; 0: failed. */
static size_t add_group(
	struct compiler *compiler, const struct token *token, const struct token *literal)
{
	struct program *program = compiler->program;
	const char *text = compiler->shape->line + literal->text;
	char behind[8];
	bool is_constant = bytes_behind(compiler->shape, literal, behind);
	size_t n = tail_length(literal);
	size_t which = program->n_groups;
	struct step *step;

	if (!dict_init(&program->dicts[which], behind, n, is_constant))
		return 0;
	program->n_groups++;
	program->fields[which] = token->field;
	program->is_bare[which] = token->kind != TOKEN_STRING;
	if (which > 0 && !pairs_init(&program->pairs[which]))
		return 0;
	step = add_value(compiler, STEP_GROUP_BY_HEAD);
	memset(step->bytes, text[0], sizeof(step->bytes));
	step->dict = &program->dicts[which];
	if (compiler->n_groups == 1)
		return n;
	step = add_step(compiler, which > 0 ? STEP_PAIR : STEP_FIRST, 0);
	step->dict = &program->dicts[which];
	step->pairs = &program->pairs[which];
	return n;
}

/*
 * One token; `literal_from` bytes of a literal are
 * taken already, and *taken of the next are now.
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
	compiler->value = add_value(compiler, token->kind == TOKEN_STRING   ? STEP_STRING
					      : token->kind == TOKEN_NUMBER ? STEP_NUMBER
									    : STEP_WORD);
	return true;
}

static bool compile(struct compiler *compiler)
{
	const struct shape *shape = compiler->shape;
	size_t taken = 0;

	for (size_t i = 0; i < shape->n_tokens; i++)
		compiler->n_groups += shape->tokens[i].role == ROLE_GROUP;
	for (size_t i = 0; i < shape->n_tokens; i++) {
		if (!compile_token(compiler, i, taken, &taken))
			return false;
	}
	compiler->program->rest = compiler->len;
	(void)add_value(compiler, STEP_COUNT_WINDOWS);
	/* Each record begins with a bracket. */
	assert(compiler->program->steps[0].kind == STEP_CHECK);
	compiler->program->steps[0].kind = STEP_BEGIN;
	return !compiler->has_failed;
}

bool program_init(struct program *program, const struct shape *shape)
{
	struct compiler *compiler = calloc(1, sizeof(*compiler));
	/* A check for each 32 bytes, and a few steps and checks a token. */
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

static bool is_short(const struct program *program)
{
	static const enum step_kind kinds[] = {
		STEP_BEGIN, STEP_DIGITS_CODE, STEP_GROUP_BY_HEAD, STEP_COUNT_WINDOWS};

	for (size_t i = 0; i < program->n_steps; i++) {
		if (i == sizeof(kinds) / sizeof(*kinds) || program->steps[i].kind != kinds[i])
			return false;
	}
	return true;
}

void program_link(struct program *program, const struct kernel_level *level, bool in_rows)
{
	static const enum step_kind kinds[] = {
		[DICT_BY_HEAD] = STEP_GROUP_BY_HEAD,
		[DICT_BY_ENDS] = STEP_GROUP_BY_ENDS,
		[DICT_WIDE] = STEP_GROUP_WIDE,
	};

	program->steps[program->time_at] = in_rows ? program->time_value : program->time_code;
	program->steps[program->n_steps - 1].kind = in_rows ? STEP_COUNT_ROWS : STEP_COUNT_WINDOWS;
	for (size_t i = 0; i < program->n_steps; i++) {
		struct step *step = &program->steps[i];

		if (step->kind >= STEP_GROUP_BY_HEAD && step->kind <= STEP_GROUP_WIDE)
			step->kind = kinds[step->dict->kind];
		/* cppcheck-suppress assignBoolToPointer ; they are functions that return bool */
		step->run = level->steps[step->kind];
	}
	if (is_short(program))
		/* cppcheck-suppress assignBoolToPointer ; the same */
		program->steps[0].run = level->steps[STEP_SHORT];
}
