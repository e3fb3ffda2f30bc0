/*
 * The rounds of a kernel; see scan_kernel.h. Included by scan_kernel_*.c,
 * which choose KERNEL_LEVEL and the vectors.
 *
 * Each step is a function of its own over the state of the round in memory, and
 * ends in a jump to the next. Keeping the cursors in registers from step to
 * step looks better and is not: with all steps in one function compilers run
 * out of registers in each of them (measured: half the speed). Within a step
 * the cursors are unrolled by hand, so that nothing is left of the loop.
 *
 * The vectors (scan_vector_*.h) give:
 *
 *   fault_t, fault_*           what is wrong with one cursor's record
 *   times_t, times_*           the times of all cursors: digits to codes or
 *                              values, and whether each lies in its window
 *   round_is_wrong             whether any of both is wrong with anything
 *   check_t, check_*           up to 32 bytes against literal text and digits
 *   stop_t, stop_*, length_*   how long a text is, up to the byte that ends it
 *   compare_unmasked           the first bytes of 32 against a known text
 *   string, number, word       a value that nobody counts: where it ends
 */

/* clang-format off */
#define CURSOR(n, work) { enum { i = (n) }; work; }
#define EACH_CURSOR(work) do { CURSOR(0, work) CURSOR(1, work) CURSOR(2, work) \
	CURSOR(3, work) CURSOR(4, work) CURSOR(5, work) } while (0)
/* clang-format on */
_Static_assert(DICT_CURSORS == 6, "EACH_CURSOR is written for six");

/* What a round has found about its records. */
struct round {
	fault_t fault[DICT_CURSORS];
	times_t times;
	const char *at[DICT_CURSORS];
	uint64_t entry[DICT_CURSORS];  /* of the text or pair looked up last: its place in its table
					*/
	uint32_t number[DICT_CURSORS]; /* of the fields so far, where there are several */
	uint64_t cell[DICT_CURSORS];   /* in rows: where to count */
	uint64_t behind_us[DICT_CURSORS]; /* in rows: the time, behind the first row's start */
	uint32_t in_rows;                 /* a bit for each cursor: that place exists */
};

static inline bool next_step(struct kernel *kernel, struct round *round, const struct step *step)
{
	return step[1].run(kernel, round, step + 1);
}

/*
 * The cursors pass what is left of the last round's
 * records, and faults begin with the first bytes.
 */
static bool step_begin(struct kernel *kernel, struct round *round, const struct step *step)
{
	const check_t check = check_load(step);
	const uint64_t rest = kernel->rest;

	EACH_CURSOR({
		const char *at = round->at[i] + rest;

		round->at[i] = kernel->at[i] = at;
		round->fault[i] = check_at(at, &check);
	});
	return next_step(kernel, round, step);
}

static bool step_check(struct kernel *kernel, struct round *round, const struct step *step)
{
	const check_t check = check_load(step);
	const ptrdiff_t behind = step->at;

	EACH_CURSOR(fault_join(&round->fault[i], check_at(round->at[i] + behind, &check)));
	return next_step(kernel, round, step);
}

static bool step_digits_code(struct kernel *kernel, struct round *round, const struct step *step)
{
	times_code_digits(&round->times, round->at, step);
	return next_step(kernel, round, step);
}

static bool step_digits_value(struct kernel *kernel, struct round *round, const struct step *step)
{
	times_value_digits(&round->times, round->at, step);
	return next_step(kernel, round, step);
}

static bool step_spelled_code(struct kernel *kernel, struct round *round, const struct step *step)
{
	times_code_spelled(&round->times, round->at, step, &kernel->windows);
	return next_step(kernel, round, step);
}

static bool step_spelled_value(struct kernel *kernel, struct round *round, const struct step *step)
{
	times_value_spelled(&round->times, round->at, step, &kernel->windows);
	return next_step(kernel, round, step);
}

/* Groups. */

static bool step_group_by_head(struct kernel *kernel, struct round *round, const struct step *step)
{
	const struct dict *dict = step->dict;
	const uint8_t *entries = dict->entries;
	const uint64_t factor = dict->factors[0];
	const uint32_t shift = dict->shift - DICT_ENTRY_SHIFT;
	const ptrdiff_t behind = step->at;

	EACH_CURSOR({
		const char *at = round->at[i] + behind;
		uint64_t entry = load_8(at) * factor >> shift & DICT_ENTRY_MASK;
		const uint8_t *pattern = entries + entry;

		round->entry[i] = entry;
		compare_unmasked(&round->fault[i], at, pattern, load_2(pattern + DICT_UNMASKED_AT));
		round->at[i] = at + load_2(pattern + DICT_LEN_AT);
	});
	return next_step(kernel, round, step);
}

static bool step_group_by_ends(struct kernel *kernel, struct round *round, const struct step *step)
{
	const struct dict *dict = step->dict;
	const stop_t stop = stop_load(step);
	const ptrdiff_t behind = step->at;
	const uint32_t fixed_len = dict->fixed_len;

	EACH_CURSOR({
		const char *at = round->at[i] + behind;
		uint32_t len = length_32(at, stop);
		uint64_t slot = dict_slot(dict, load_8(at) & dict_masks[len].head,
			load_8(at + len - 8) & dict_masks[len].tail);
		uint32_t n = len + fixed_len;

		round->entry[i] = slot << DICT_ENTRY_SHIFT;
		compare_unmasked(&round->fault[i], at, dict->entries + round->entry[i], 64 - n);
		round->at[i] = at + n;
	});
	return next_step(kernel, round, step);
}

static bool step_group_wide(struct kernel *kernel, struct round *round, const struct step *step)
{
	const struct dict *dict = step->dict;
	const stop_t stop = stop_load(step);
	const ptrdiff_t behind = step->at;
	const uint32_t fixed_len = dict->fixed_len;

	EACH_CURSOR({
		const char *at = round->at[i] + behind;
		uint32_t len = length_64(at, stop);
		uint64_t slot = dict_slot(dict, load_8(at) & dict_masks[len].head,
			load_8(at + len - 8) & dict_masks[len].tail);
		uint64_t entry = slot << DICT_WIDE_ENTRY_SHIFT;
		uint32_t n = len + fixed_len;

		round->entry[i] = entry;
		compare_unmasked(&round->fault[i], at, dict->entries + entry, n < 32 ? 64 - n : 32);
		compare_unmasked(&round->fault[i], at + 32, dict->entries + entry + 32,
			n < 32   ? 64
			: n < 64 ? 96 - n
				 : 32);
		round->at[i] = at + n;
	});
	return next_step(kernel, round, step);
}

/* The first of several fields: from its entry to its number. */
static bool step_first(struct kernel *kernel, struct round *round, const struct step *step)
{
	const uint8_t *numbers = dict_numbers(step->dict);

	EACH_CURSOR(round->number[i] = load_4(numbers + round->entry[i]));
	return next_step(kernel, round, step);
}

/* A later one: what stood before and the text looked up last make a pair. */
static bool step_pair(struct kernel *kernel, struct round *round, const struct step *step)
{
	const uint8_t *numbers = dict_numbers(step->dict);
	const struct pairs *pairs = step->pairs;

	EACH_CURSOR({
		uint64_t key = pairs_key(round->number[i], load_4(numbers + round->entry[i]));
		uint64_t slot = pairs_slot(pairs, key);

		round->fault[i] = fault_with(round->fault[i], pairs->entries[slot].key ^ key);
		round->number[i] = pairs->entries[slot].number;
		round->entry[i] = slot * sizeof(struct pair);
	});
	return next_step(kernel, round, step);
}

/* Other values. */

/* Behind a value there is always a literal; its beginning is checked with it. */
static inline void pass_value(
	struct round *round, int i, const char *at, uint64_t odd, const check_t *check)
{
	round->at[i] = at;
	fault_join(&round->fault[i], fault_with(check_at(at, check), odd));
}

static bool step_string(struct kernel *kernel, struct round *round, const struct step *step)
{
	const check_t check = check_load(step);
	const ptrdiff_t behind = step->at;

	EACH_CURSOR({
		uint64_t odd;
		const char *at = string(round->at[i] + behind, &odd);

		pass_value(round, i, at, odd, &check);
	});
	return next_step(kernel, round, step);
}

static bool step_number(struct kernel *kernel, struct round *round, const struct step *step)
{
	const check_t check = check_load(step);
	const ptrdiff_t behind = step->at;

	EACH_CURSOR({
		uint64_t odd;
		const char *at = number(round->at[i] + behind, &odd);

		pass_value(round, i, at, odd, &check);
	});
	return next_step(kernel, round, step);
}

static bool step_word(struct kernel *kernel, struct round *round, const struct step *step)
{
	const check_t check = check_load(step);
	const ptrdiff_t behind = step->at;

	EACH_CURSOR({
		uint64_t odd;
		const char *at = word(round->at[i] + behind, &odd);

		pass_value(round, i, at, odd, &check);
	});
	return next_step(kernel, round, step);
}

/* The end of a round. */

static inline void count_in_window(uint8_t *counts, uint64_t entry, int i, uint32_t n)
{
	uint8_t *count = counts + entry + (size_t)i * 4;

	store_4(count, load_4(count) + n);
}

/* Looks whether all times are in their windows, and counts there if nothing at all is wrong. */
static bool step_count_windows(struct kernel *kernel, struct round *round, const struct step *step)
{
	(void)step;
	if (__builtin_expect(!times_in_windows(&round->times, &kernel->windows, round->fault), 0))
		return false;
	EACH_CURSOR(count_in_window(kernel->counts, round->entry[i], i, 1));
	return true;
}

/*
 * All of a round for the records that there are most of, where nothing but the
 * group has a free length and the time stands before it: what would pass
 * between the steps through memory stays in registers (a fifth of the work).
 */
static bool step_short(struct kernel *kernel, struct round *round, const struct step *step)
{
	const check_t check = check_load(step);
	const struct dict *dict = step[2].dict;
	const uint8_t *entries = dict->entries;
	const uint64_t factor = dict->factors[0];
	const uint32_t shift = dict->shift - DICT_ENTRY_SHIFT;
	const ptrdiff_t behind = step[2].at;
	const uint64_t rest = kernel->rest;
	uint8_t *counts = kernel->counts;
	fault_t fault[DICT_CURSORS];
	uint64_t entry[DICT_CURSORS];
	times_t times;

	EACH_CURSOR({
		const char *at = round->at[i] + rest;
		const uint8_t *pattern;

		kernel->at[i] = at;
		fault[i] = check_at(at, &check);
		at += behind;
		entry[i] = load_8(at) * factor >> shift & DICT_ENTRY_MASK;
		pattern = entries + entry[i];
		compare_unmasked(&fault[i], at, pattern, load_2(pattern + DICT_UNMASKED_AT));
		round->at[i] = at + load_2(pattern + DICT_LEN_AT);
	});
	times_clear(&times);
	times_code_digits(&times, kernel->at, step + 1);
	if (__builtin_expect(!times_in_windows(&times, &kernel->windows, fault), 0)) {
		EACH_CURSOR(round->fault[i] = fault[i]; round->entry[i] = entry[i]);
		round->times = times;
		return false;
	}
	EACH_CURSOR(count_in_window(counts, entry[i], i, 1));
	return true;
}

/*
 * The row by a multiplication with the reciprocal, which is one too low at
 * most: the rest tells. The rest also tells whether the time is in the row's
 * bucket, which may be shorter than the step between rows. False where the
 * rows have no place for it.
 */
static inline bool find_cell(const struct kernel *kernel, struct round *round, int i)
{
	const struct rows *rows = &kernel->rows;
	uint64_t behind_us = times_value(&round->times, i) * rows->value_us + rows->add_us[i];
	uint64_t row = (uint64_t)(((unsigned __int128)behind_us * rows->reciprocal) >> 64);
	uint64_t rest = behind_us - row * rows->unit_us;
	uint64_t group = load_4(kernel->numbers + round->entry[i]);
	bool is_low = rest >= rows->unit_us;

	row += is_low;
	rest -= is_low ? rows->unit_us : 0;
	round->cell[i] = row * rows->stride + group;
	round->behind_us[i] = behind_us;
	round->fault[i] = fault_with(round->fault[i],
		behind_us + rows->epoch_us > (uint64_t)(TIMESTAMP_MAX_US - TIMESTAMP_MIN_US));
	return (behind_us < rows->span_us) & (rest < rows->bucket_us) & (group < rows->stride);
}

static inline void count_in_row(struct rows *rows, const struct round *round, int i)
{
	uint64_t behind_us = round->behind_us[i];

	rows->counts[round->cell[i]]++;
	rows->min_us = behind_us < rows->min_us ? behind_us : rows->min_us;
	rows->max_us = behind_us > rows->max_us ? behind_us : rows->max_us;
}

static void count_in_row_or_outside(struct kernel *kernel, const struct round *round, int i)
{
	struct rows *rows = &kernel->rows;

	if ((round->in_rows >> i & 1) != 0) {
		count_in_row(rows, round, i);
		rows->n_in_rows++;
		return;
	}
	rows->outside[rows->n_outside++] = (struct outside){
		.time_us = (int64_t)((uint64_t)rows->start_us + round->behind_us[i]),
		.group = load_4(kernel->numbers + round->entry[i]),
	};
}

static bool step_count_rows(struct kernel *kernel, struct round *round, const struct step *step)
{
	struct rows *rows = &kernel->rows;

	(void)step;
	round->in_rows = 0;
	EACH_CURSOR(round->in_rows |= (uint32_t)find_cell(kernel, round, i) << i);
	if (__builtin_expect(round_is_wrong(round->fault, &round->times) ||
				     rows->n_outside >= MAX_OUTSIDE,
		    0))
		return false;
	if (__builtin_expect(round->in_rows != (1u << DICT_CURSORS) - 1, 0)) {
		EACH_CURSOR(count_in_row_or_outside(kernel, round, i));
		return true;
	}
	EACH_CURSOR(count_in_row(rows, round, i));
	rows->n_in_rows += DICT_CURSORS;
	return true;
}

/*
 * The last round: counts the records that were right and tells which were not.
 * Which these are cannot be foreseen, so windows are counted without a branch
 * for each: a record that was wrong has an entry too, and adds nothing to it.
 */
static uint32_t end_rounds(struct kernel *kernel, const struct round *round, bool in_rows)
{
	uint32_t right = 0;

	EACH_CURSOR({
		/* Both are asked, as numbers, so that there is nothing to branch on. */
		unsigned is_wrong = (unsigned)fault_is_set(round->fault[i]) |
				    (unsigned)times_fault_is_set(&round->times, i);

		right |= (uint32_t)!is_wrong << i;
		kernel->at[i] = is_wrong ? kernel->at[i] : round->at[i] + kernel->rest;
		kernel->n_counted += !is_wrong;
	});
	if (in_rows) {
		EACH_CURSOR(if ((right >> i & 1) != 0) count_in_row_or_outside(kernel, round, i));
	} else {
		EACH_CURSOR(count_in_window(
			kernel->counts, round->entry[i], i, right >> i & 1));
		times_see(&round->times, &kernel->windows, right);
	}
	return right ^ ((1u << DICT_CURSORS) - 1);
}

static uint32_t run_rounds(struct kernel *kernel, bool in_rows)
{
	const struct step *steps = kernel->steps;
	struct round round;

	EACH_CURSOR(round.at[i] = kernel->at[i] - kernel->rest; round.entry[i] = 0;
		    round.number[i] = 0);
	times_clear(&round.times);
	while (steps->run(kernel, &round, steps))
		kernel->n_counted += DICT_CURSORS;
	return end_rounds(kernel, &round, in_rows);
}

const struct kernel_level KERNEL_LEVEL = {
	.steps =
		{
			[STEP_SHORT] = step_short,
			[STEP_BEGIN] = step_begin,
			[STEP_CHECK] = step_check,
			[STEP_DIGITS_CODE] = step_digits_code,
			[STEP_DIGITS_VALUE] = step_digits_value,
			[STEP_SPELLED_CODE] = step_spelled_code,
			[STEP_SPELLED_VALUE] = step_spelled_value,
			[STEP_GROUP_BY_HEAD] = step_group_by_head,
			[STEP_GROUP_BY_ENDS] = step_group_by_ends,
			[STEP_GROUP_WIDE] = step_group_wide,
			[STEP_FIRST] = step_first,
			[STEP_PAIR] = step_pair,
			[STEP_STRING] = step_string,
			[STEP_NUMBER] = step_number,
			[STEP_WORD] = step_word,
			[STEP_COUNT_WINDOWS] = step_count_windows,
			[STEP_COUNT_ROWS] = step_count_rows,
		},
	.run = run_rounds,
};
