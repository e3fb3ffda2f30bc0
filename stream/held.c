/* Texts stand in one growing buffer; until an item is asked for they are known by their offsets. */
#include "stream/held.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>

void held_init(struct held *held, size_t n_fields)
{
	*held = (struct held){.n_fields = n_fields};
}

void held_fini(struct held *held)
{
	free(held->items);
	free(held->values);
	buf_fini(&held->texts);
}

static size_t keep_text(struct held *held, const char *text, size_t len)
{
	size_t at = held->texts.len;

	buf_add(&held->texts, text, len);
	return at;
}

static int add(struct held *held, const struct held_item *item, struct err *err)
{
	if (!buf_ok(&held->texts) ||
		!mem_grow(&held->items, &held->cap, held->n + 1, sizeof(*item)))
		return err_nomem(err);
	held->items[held->n++] = *item;
	return 0;
}

int held_add_event(struct held *held, const struct event *event, size_t max_json, struct err *err)
{
	struct held_item item = {.event = *event, .first_value = held->n_values};

	if (item.event.json_len > max_json)
		item.event.json_len = max_json;
	item.text = keep_text(held, event->json, item.event.json_len);
	if (!mem_grow(&held->values, &held->values_cap, held->n_values + held->n_fields,
		    sizeof(*held->values)))
		return err_nomem(err);
	for (size_t i = 0; i < held->n_fields; i++) {
		struct event_value value = event->values[i];

		if (value.kind == EVENT_VALUE_TEXT)
			value.text =
				(const char *)(uintptr_t)keep_text(held, value.text, value.len);
		held->values[held->n_values++] = value;
	}
	return add(held, &item, err);
}

int held_add_reject(struct held *held, const struct reject *reject, struct err *err)
{
	struct held_item item = {
		.is_reject = true, .reject = *reject, .first_value = held->n_values};

	item.text = keep_text(held, reject->text, reject->text_len);
	return add(held, &item, err);
}

void held_cut(struct held *held, size_t n)
{
	if (n < held->n) {
		held->n_values = held->items[n].first_value;
		held->texts.len = held->items[n].text;
	}
	if (n == 0)
		buf_clear(&held->texts);
	held->n = n;
}

const struct held_item *held_at(struct held *held, size_t i)
{
	struct held_item *item = &held->items[i];
	struct event_value *values = held->values + item->first_value;
	/* An item without any text may come before the buffer has memory. */
	const char *texts = held->texts.data != NULL ? held->texts.data : "";

	if (item->is_reject) {
		item->reject.text = texts + item->text;
		return item;
	}
	for (size_t j = 0; j < held->n_fields; j++) {
		if (values[j].kind == EVENT_VALUE_TEXT)
			values[j].text = texts + (uintptr_t)values[j].text;
	}
	item->event.json = texts + item->text;
	item->event.values = values;
	return item;
}
