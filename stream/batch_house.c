/*
 * What changes without counting: a query that was stopped, started or has
 * failed, prefixes that have become equal or part, files that went or are only
 * waiting. Decided before the batch, done when it is accepted.
 */
#include "stream/stream_private.h"

#include "base/mem.h"

#include <assert.h>

static int add_move(
	struct batch *batch, struct prefix *from, struct prefix *to, bool is_split, struct err *err)
{
	if (!mem_grow(&batch->moves, &batch->moves_cap, batch->n_moves + 1, sizeof(*batch->moves)))
		return err_nomem(err);
	batch->moves[batch->n_moves++] =
		(struct prefix_move){.from = from, .to = to, .is_split = is_split};
	return 0;
}

static size_t count_active(const struct batch *batch, const struct prefix *prefix)
{
	const struct stream *stream = batch->stream;
	size_t n = 0;

	for (size_t i = 0; i < stream->spec->n_queries; i++) {
		const struct query *query = stream->queries[i];

		if (stream->spec->queries[i].source == batch->intake->index &&
			query->totals.prefix_id == prefix->id && query_is_active(query))
			n++;
	}
	return n;
}

/* Queries that stay behind need a prefix of their own before the others move on. */
static int plan_splits(struct batch *batch, struct err *err)
{
	struct prefixes *prefixes = &batch->intake->prefixes;
	size_t n = prefixes->n;

	for (size_t i = 0; i < n; i++) {
		struct prefix *prefix = prefixes->list[i];
		size_t n_active = count_active(batch, prefix);
		struct prefix *part;
		int rc;

		if (n_active == 0 || n_active == prefix->n_queries || prefix->n_heap == 0)
			continue;
		part = prefixes_add(prefixes, batch->stream->next_prefix_id, err);
		if (part == NULL)
			return ERR_NOMEM;
		rc = add_move(batch, prefix, part, true, err);
		if (rc != 0) {
			prefixes_remove(prefixes, part);
			return rc;
		}
		batch->stream->next_prefix_id++;
		rc = prefix_copy(part, prefix, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static bool is_moving(const struct batch *batch, const struct prefix *prefix)
{
	for (size_t i = 0; i < batch->n_moves; i++) {
		if (batch->moves[i].from == prefix || batch->moves[i].to == prefix)
			return true;
	}
	return false;
}

/* Whom `prefix` can be merged into; NULL: nobody. */
static struct prefix *find_equal(const struct batch *batch, const struct prefix *prefix)
{
	const struct prefixes *prefixes = &batch->intake->prefixes;
	size_t n_active = count_active(batch, prefix);

	for (size_t i = 0; i < prefixes->n; i++) {
		struct prefix *other = prefixes->list[i];

		if (other == prefix || other->n_queries == 0 || is_moving(batch, other))
			continue;
		/*
		 * A prefix without queries is only a witness: one who knows as much will do. What
		 * it alone knows of files that went is needed when they come back: nobody would
		 * read them otherwise.
		 */
		if (prefix->n_queries == 0) {
			if (prefix_is_covered(prefixes, prefix, other) &&
				prefix_find_further_in_gone(prefixes, prefix, other, 0) == SIZE_MAX)
				return other;
			continue;
		}
		/* Those that are stopped would have to part again. */
		if (n_active != prefix->n_queries || count_active(batch, other) != other->n_queries)
			continue;
		/*
		 * The younger goes, so that one that has
		 * caught up joins those it caught up with.
		 */
		if (other->id < prefix->id && prefixes_are_equal(prefixes, prefix, other) &&
			prefix_may_become(prefixes, prefix, other))
			return other;
	}
	return NULL;
}

static int plan_merges(struct batch *batch, struct err *err)
{
	struct prefixes *prefixes = &batch->intake->prefixes;

	if (!batch->intake->may_merge || prefixes->n < 2)
		return 0;
	batch->intake->may_merge = false;
	for (size_t i = 0; i < prefixes->n; i++) {
		struct prefix *prefix = prefixes->list[i];
		struct prefix *other = is_moving(batch, prefix) ? NULL : find_equal(batch, prefix);
		int rc = other != NULL ? add_move(batch, prefix, other, false, err) : 0;

		if (rc != 0)
			return rc;
		prefix->is_leaving = other != NULL;
	}
	return 0;
}

const struct prefix *batch_prefix_after(const struct batch *batch, size_t query)
{
	const struct prefix *prefix = stream_prefix_of(batch->stream, query);

	for (size_t i = 0; i < batch->n_moves; i++) {
		const struct prefix_move *move = &batch->moves[i];

		if (move->from == prefix &&
			(!move->is_split || !query_is_active(batch->stream->queries[query])))
			return move->to;
	}
	return prefix;
}

/* What a prefix knew of files that went goes with it, so what it told of them is kept. */
static int plan_missed(struct batch *batch, struct err *err)
{
	const struct stream *stream = batch->stream;

	batch->n_missed = mem_new_array(stream->spec->n_queries, sizeof(*batch->n_missed));
	if (batch->n_missed == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < stream->spec->n_queries; i++) {
		if (stream->spec->queries[i].source != batch->intake->index)
			continue;
		batch->n_missed[i] = (int64_t)stream_prefix_of(stream, i)->n_missed -
				     (int64_t)prefixes_count_missed(&batch->intake->prefixes,
					     batch_prefix_after(batch, i));
	}
	return 0;
}

static bool has_changed_states(const struct batch *batch)
{
	const struct stream *stream = batch->stream;

	for (size_t i = 0; i < stream->spec->n_queries; i++) {
		if (stream->spec->queries[i].source == batch->intake->index &&
			stream->queries[i]->is_state_changed)
			return true;
	}
	return false;
}

int batch_plan_house(struct batch *batch, struct err *err)
{
	int rc = plan_splits(batch, err);

	if (rc == 0)
		rc = plan_merges(batch, err);
	if (rc == 0 && batch->n_moves > 0)
		rc = plan_missed(batch, err);
	if (rc != 0)
		return rc;
	return batch->n_moves > 0 || has_changed_states(batch);
}

/*
 * What went may come back: whoever joins others must not read again what it has counted, so they
 * stand there where it stood. What they have missed before that is told by now.
 */
static void take_over_gone(const struct prefixes *prefixes, const struct prefix_move *move)
{
	size_t slot = prefix_find_further_in_gone(prefixes, move->from, move->to, 0);

	for (; slot != SIZE_MAX;
		slot = prefix_find_further_in_gone(prefixes, move->from, move->to, slot + 1)) {
		const struct file *file = source_file(prefixes->source, slot);
		struct stand stand = prefix_stand(move->from, file, slot);

		prefix_put(move->to, slot, &stand);
	}
}

void batch_apply_moves(struct batch *batch)
{
	const struct stream *stream = batch->stream;
	struct prefixes *prefixes = &batch->intake->prefixes;

	for (size_t i = 0; batch->n_missed != NULL && i < stream->spec->n_queries; i++)
		stream->queries[i]->totals.n_missed += batch->n_missed[i];
	for (size_t i = 0; i < batch->n_moves; i++) {
		const struct prefix_move *move = &batch->moves[i];

		for (size_t j = 0; j < stream->spec->n_queries; j++) {
			struct query *query = stream->queries[j];

			if (stream->spec->queries[j].source != batch->intake->index ||
				query->totals.prefix_id != move->from->id ||
				(move->is_split && query_is_active(query)))
				continue;
			query->totals.prefix_id = move->to->id;
			move->from->n_queries--;
			move->to->n_queries++;
		}
		if (move->is_split)
			continue;
		take_over_gone(prefixes, move);
		prefixes_remove(prefixes, move->from);
	}
	if (batch->n_moves > 0) {
		batch->intake->turn = 0;
		prefixes_look_at_all(prefixes);
		prefixes_look_at_gone(prefixes);
	}
}

void batch_drop_moves(struct batch *batch)
{
	for (size_t i = 0; i < batch->n_moves; i++) {
		if (batch->moves[i].is_split)
			prefixes_remove(&batch->intake->prefixes, batch->moves[i].to);
		else
			batch->intake->may_merge = true;
		batch->moves[i].from->is_leaving = false;
	}
	batch->n_moves = 0;
}
