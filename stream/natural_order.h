/* Names as people count: `file-2` before `file-10`. */
#ifndef STREAM_NATURAL_ORDER_H
#define STREAM_NATURAL_ORDER_H

/*
 * Runs of digits compare as numbers of any length, everything else by its
 * bytes; names that are equal so (`a1`, `a01`) compare by their bytes, so only
 * the same name gives 0. <0, 0, >0.
 */
int natural_order_compare(const char *a, const char *b);

#endif
