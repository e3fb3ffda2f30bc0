/*
 * The rounds of a kernel; see scan_kernel.h. Included by scan_kernel_*.c,
 * which choose KERNEL_NAME and the vectors.
 *
 * The cursors are unrolled by hand: compilers keep them in registers only if
 * no loop is left when they decide that.
 */

/* clang-format off */
#define CURSOR(n, work) { enum { i = (n) }; work; }
#define EACH_CURSOR(work) do { CURSOR(0, work) CURSOR(1, work) CURSOR(2, work) \
	CURSOR(3, work) CURSOR(4, work) CURSOR(5, work) } while (0)
/* clang-format on */
_Static_assert(KERNEL_CURSORS == 6, "EACH_CURSOR is written for six");

/* What a round has found about its records. */
struct round {
	fault_t fault[KERNEL_CURSORS];
	times_t times;
	uint32_t slot[KERNEL_CURSORS];      /* of the group */
	uint64_t cell[KERNEL_CURSORS];      /* COUNT_ROWS: where to count */
	uint64_t behind_us[KERNEL_CURSORS]; /* COUNT_ROWS: the time, behind the first row's start */
};

static inline const char *group_next(
	fault_t *fault, const char *at, const struct step *step, uint32_t *slot)
{
	const struct pairs *pairs = step->pairs;
	uint32_t second, place;
	uint64_t key;

	at = group(fault, at, step, &second);
	key = pairs_key(*slot, dict_id(step->dict, second));
	place = pairs_slot(pairs, key);
	fault_add(fault, pairs->keys[place] ^ key);
	*slot = step->is_last ? place : pairs->ids[place];
	return at;
}

/*
 * The row by a multiplication with the reciprocal, which is one too low at
 * most: the rest tells. The rest also tells whether the time is in the row's
 * bucket, which may be shorter than the step between rows.
 */
static inline void find_cell(fault_t *fault, struct round *round, const struct rows *rows, int i)
{
	uint64_t value = times_value(&round->times, i);
	uint64_t behind_us = value * rows->value_us + rows->add_us[i];
	uint64_t row = (uint64_t)(((unsigned __int128)behind_us * rows->reciprocal) >> 64);
	uint64_t rest = behind_us - row * rows->unit_us;
	uint64_t group = rows->groups[round->slot[i]];
	bool is_low = rest >= rows->unit_us;

	row += is_low;
	rest -= is_low ? rows->unit_us : 0;
	fault_add(fault, (uint64_t)(behind_us >= rows->span_us) |
				 (uint64_t)(rest >= rows->bucket_us) |
				 (uint64_t)(group >= rows->stride));
	round->cell[i] = row * rows->stride + group;
	round->behind_us[i] = behind_us;
}

static inline void count_row(struct rows *rows, const struct round *round, int i)
{
	uint64_t behind_us = round->behind_us[i];

	rows->counts[round->cell[i]]++;
	rows->min_us = behind_us < rows->min_us ? behind_us : rows->min_us;
	rows->max_us = behind_us > rows->max_us ? behind_us : rows->max_us;
}

/* One record of a round in which another was wrong. */
static void count_alone(struct kernel *kernel, const struct round *round, bool is_in_rows, int i)
{
	struct windows *windows = &kernel->windows;

	kernel->n_counted++;
	if (is_in_rows) {
		count_row(&kernel->rows, round, i);
		return;
	}
	windows->counts[(size_t)i * windows->n_slots + round->slot[i]]++;
	times_see_one(&round->times, windows, i);
}

/* The end of the last round: counts the records that were right and tells which were not. */
static __attribute__((noinline)) uint32_t end_rounds(struct kernel *kernel,
	const struct round *round, const char *const at[KERNEL_CURSORS], bool is_in_rows)
{
	uint32_t failed = 0;

	for (int i = 0; i < KERNEL_CURSORS; i++) {
		if (fault_is_set(round->fault[i]) || times_fault_is_set(&round->times, i)) {
			failed |= UINT32_C(1) << i;
			continue;
		}
		kernel->at[i] = at[i];
		count_alone(kernel, round, is_in_rows, i);
	}
	return failed;
}

uint32_t KERNEL_NAME(struct kernel *kernel)
{
	struct windows *windows = &kernel->windows;
	struct rows *rows = &kernel->rows;
	const char *at[KERNEL_CURSORS];
	struct round round = {0};

	EACH_CURSOR(at[i] = kernel->at[i]);
	for (;; kernel->n_counted += KERNEL_CURSORS) {
		const struct step *step = kernel->steps;

		EACH_CURSOR(kernel->at[i] = at[i]; round.fault[i] = fault_none());
		times_clear(&round.times);
		for (;; step++) {
			switch (step->kind) {
			case STEP_CHECK:
				EACH_CURSOR(check(&round.fault[i], at[i] + step->at, step));
				continue;
			case STEP_TIME_DIGITS: times_from_digits(&round.times, at, step); continue;
			case STEP_TIME_ISO:
				times_from_iso(&round.times, at, step, windows);
				continue;
			case STEP_GROUP:
				EACH_CURSOR(at[i] = group(&round.fault[i], at[i] + step->at, step,
						    &round.slot[i]));
				continue;
			case STEP_GROUP_FIRST:
				EACH_CURSOR(at[i] = group(&round.fault[i], at[i] + step->at, step,
						    &round.slot[i]);
					    round.slot[i] = dict_id(step->dict, round.slot[i]));
				continue;
			case STEP_GROUP_NEXT:
				EACH_CURSOR(at[i] = group_next(&round.fault[i], at[i] + step->at,
						    step, &round.slot[i]));
				continue;
			case STEP_STRING:
				EACH_CURSOR(at[i] = string(&round.fault[i], at[i] + step->at));
				continue;
			case STEP_NUMBER:
				EACH_CURSOR(at[i] = number(&round.fault[i], at[i] + step->at));
				continue;
			case STEP_WORD:
				EACH_CURSOR(at[i] = word(&round.fault[i], at[i] + step->at));
				continue;
			case STEP_COUNT_WINDOW:
				EACH_CURSOR(at[i] += step->at);
				times_check_window(&round.times, windows);
				if (__builtin_expect(round_is_wrong(round.fault, &round.times), 0))
					return end_rounds(kernel, &round, at, false);
				EACH_CURSOR(windows->counts[(size_t)i * windows->n_slots +
							    round.slot[i]]++);
				times_see(&round.times, windows);
				break;
			case STEP_COUNT_ROWS:
				EACH_CURSOR(at[i] += step->at);
				EACH_CURSOR(find_cell(&round.fault[i], &round, rows, i));
				if (__builtin_expect(round_is_wrong(round.fault, &round.times), 0))
					return end_rounds(kernel, &round, at, true);
				EACH_CURSOR(count_row(rows, &round, i));
				break;
			}
			break;
		}
	}
}
