#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* printf and strtod follow LC_NUMERIC. No tool here calls setlocale, so "C" holds; a program that links the library
 * and does call it still gets points and not commas through this swap of the one character. */
static void
swap_point(char *s, char from, char to)
{
	char *p = strchr(s, from);

	if (p)
		*p = to;
}

static char
locale_point(void)
{
	return localeconv()->decimal_point[0];
}

void
od_num_format(char text[OD_NUM_TEXT], double v)
{
	if (!isfinite(v)) {
		memcpy(text, "null", 5);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, OD_NUM_TEXT, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	swap_point(text, locale_point(), '.');
}

bool
od_num_double(const char *s, double *out)
{
	char copy[128], *end;
	size_t n = strlen(s);
	double v;

	if (n == 0 || n >= sizeof copy || strspn(s, "+-.0123456789eE") != n)
		return false;
	memcpy(copy, s, n + 1);
	swap_point(copy, '.', locale_point());
	v = strtod(copy, &end);
	if (*end || !isfinite(v))
		return false;
	*out = v;
	return true;
}

bool
od_num_int(const char *s, int64_t *out)
{
	char *end;
	long long v;

	if (!*s || isspace((unsigned char)*s))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end || errno)
		return false;
	*out = v;
	return true;
}

static int
suffix_shift(const char *s)
{
	static const char *const unit = "KMGT";
	const char *u = *s ? strchr(unit, toupper((unsigned char)*s)) : NULL;

	if (!*s || strcmp(s, "B") == 0)
		return 0;
	if (!u || (s[1] && strcmp(s + 1, "B") != 0 && strcmp(s + 1, "iB") != 0))
		return -1;
	return 10 * (int)(u - unit + 1);
}

bool
od_num_size(const char *s, int64_t *out)
{
	char number[64];
	size_t n = strspn(s, "0123456789.");
	int shift = suffix_shift(s + n);
	double v;

	if (n == 0 || n >= sizeof number || shift < 0)
		return false;
	memcpy(number, s, n);
	number[n] = '\0';
	if (!od_num_double(number, &v) || ldexp(v, shift) >= 9e18)
		return false;
	*out = (int64_t)ldexp(v, shift);
	return true;
}

void
od_num_human_bytes(char text[OD_NUM_TEXT], double bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	int u = 0;

	while (fabs(bytes) >= 1024 && u < 5) {
		bytes /= 1024;
		u++;
	}
	snprintf(text, OD_NUM_TEXT, u ? "%.2f %s" : "%.0f %s", bytes, unit[u]);
}

float
od_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, man = h & 1023, u;
	float f;

	if (exp == 0) {                              /* zero or subnormal: man * 2^-24 */
		f = ldexpf((float)man, -24);
		return sign ? -f : f;
	}
	u = sign | (exp == 31 ? 0x7f800000u : (exp + 112) << 23) | man << 13;
	memcpy(&f, &u, 4);
	return f;
}

uint16_t
od_f32_to_f16(float f)
{
	uint32_t u, man, half;
	int exp, drop;
	uint16_t sign;

	memcpy(&u, &f, 4);
	sign = (uint16_t)(u >> 16 & 0x8000);
	exp = (int)(u >> 23 & 255) - 112;
	man = u & 0x7fffff;
	if (exp == 143)                              /* infinity, NaN */
		return (uint16_t)(sign | 0x7c00 | (man ? 0x200 | man >> 13 : 0));
	if (exp < -10)
		return sign;
	drop = exp > 0 ? 13 : 14 - exp;              /* bits to round away; a subnormal loses more */
	man |= exp > 0 ? 0 : 0x800000;
	half = exp > 0 ? (uint32_t)exp << 10 | man >> 13 : man >> drop;
	if (exp >= 31)
		return (uint16_t)(sign | 0x7c00);
	if ((man & ((1u << drop) - 1)) > 1u << (drop - 1) ||
	    ((man & ((1u << drop) - 1)) == 1u << (drop - 1) && (half & 1)))
		half++;                                  /* may carry into the exponent, up to infinity: correct */
	return (uint16_t)(sign | half);
}
