/*
 * XXH64 against published values, and against libzstd,
 * which puts its lower half behind each frame.
 */
#include "stream/xxh64.h"

#include "tests/run.h"

#include <endian.h>
#include <string.h>
#include <zstd.h>

START_TEST(published_values)
{
	static const struct {
		const char *text;
		uint64_t seed, hash;
	} known[] = {
		{"", 0, UINT64_C(0xef46db3751d8e999)},
		{"a", 0, UINT64_C(0xd24ec4f1a98c6e5b)},
		{"abc", 0, UINT64_C(0x44bc2cf5ad770999)},
		{"xxhash", 0, UINT64_C(0x32dd38952c4bc720)},
		{"xxhash", 20141025, UINT64_C(0xb559b98d844e0635)},
		{"Nobody inspects the spammish repetition", 0, UINT64_C(0xfbcea83c8a378bf1)},
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		ck_assert_uint_eq(
			xxh64(known[i].text, strlen(known[i].text), known[i].seed), known[i].hash);
}
END_TEST

START_TEST(every_length_up_to_two_kilobytes_as_libzstd_has_it)
{
	static unsigned char bytes[2048];
	static unsigned char frame[4096];
	ZSTD_CCtx *context = ZSTD_createCCtx();
	uint32_t sum;
	size_t len;
	size_t n;

	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	for (len = 0; len < sizeof(bytes); len++) {
		n = ZSTD_compress2(context, frame, sizeof(frame), bytes, len);
		ck_assert(!ZSTD_isError(n));
		memcpy(&sum, frame + n - 4, 4);
		ck_assert_uint_eq((uint32_t)xxh64(bytes, len, 0), le32toh(sum));
		bytes[len] = (unsigned char)(len * 167 + 13);
	}
	ZSTD_freeCCtx(context);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xxh64");
	TCase *tc = tcase_create("xxh64");

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, published_values);
	tcase_add_test(tc, every_length_up_to_two_kilobytes_as_libzstd_has_it);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
