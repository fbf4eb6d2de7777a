#include "grade/math_units.h"

#include <stdint.h>
#include <string.h>

#include "grade/answer_text.h"

/* The words of the reference graders, in their order, which decides ("sq m" is gone before "m" is looked for). A point stands for any
 * one character. */
static const char *const units[] = {
	"east", "degree", "mph", "kmph", "ft", "m sqaure", " m east", "sq m", "deg", "mile", "q .", "monkey", "prime", "ratio",
	"profit of rs", "rd", "o", "gm", "p . m", "lb", "tile", "per", "dm", "lt", "gain", "ab", "way", "west", "a .", "b .", "c .",
	"d .", "e .", "f .", "g .", "h .", "t", "a", "h", "no change", "men", "soldier", "pie", "bc", "excess", "st", "inches", "noon",
	"percent", "by", "gal", "kmh", "c", "acre", "rise", "a . m", "th", "\u03c0 r 2", "sq", "mark", "l", "toy", "coin", "sq . m",
	"gallon", "\u00b0 f", "profit", "minw", "yr", "women", "feet", "am", "pm", "hr", "cu cm", "square", "v \u00e2 \u20ac \u2122",
	"are", "rupee", "rounds", "cubic", "cc", "mtr", "s", "ohm", "number", "kmph", "day", "hour", "minute", "min", "second", "man",
	"woman", "sec", "cube", "mt", "sq inch", "mp", "\u220f cm \u00b3", "hectare", "more", "sec", "unit", "cu . m", "cm 2", "rs .",
	"rs", "kg", "g", "month", "km", "m", "cm", "mm", "apple", "liter", "loss", "yard", "pure", "year", "increase", "decrease", "d",
	"less", "Surface", "litre", "pi sq m", "s .", "metre", "meter", "inch"
};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

/* Which bytes occur, folded onto 64 bits: units with another byte cannot be there. */
static uint64_t
byte_set(const char *s, size_t n)
{
	uint64_t set = 0;

	for (size_t i = 0; i < n; i++)
		set |= (uint64_t)1 << (s[i] & 63);
	return set;
}

static uint64_t
unit_set(const char *unit, bool plural)
{
	uint64_t set = plural ? (uint64_t)1 << ('s' & 63) : 0;

	for (; *unit; unit++)
		set |= *unit == '.' ? 0 : (uint64_t)1 << (*unit & 63);
	return set;
}

/* Bytes of s that the unit covers at i, or 0. */
static size_t
match_unit(const char *s, size_t n, size_t i, const char *unit, bool plural)
{
	size_t start = i, len;

	for (; *unit; unit++, i += len) {
		if (i >= n)
			return 0;
		if (*unit == '.')
			od_text_at(s, n, i, &len);
		else if (s[i] == *unit)
			len = 1;
		else
			return 0;
	}
	if (plural && (i >= n || s[i] != 's'))
		return 0;
	return i + plural - start;
}

/* The end of the unit at i when a boundary follows; *after is the end of that boundary. 0: none. */
static size_t
bounded_unit(const char *s, size_t n, size_t i, const char *unit, bool plural, size_t *after)
{
	size_t len = match_unit(s, n, i, unit, plural), k = 0;

	if (!len)
		return 0;
	if (i + len < n && od_text_is_word(od_text_at(s, n, i + len, &k)))
		return 0;
	*after = i + len + k;
	return i + len;
}

/* One scan of b for one unit into out, whose old content goes. A boundary belongs to one find only. */
static bool
remove_unit(const struct od_buf *b, struct od_buf *out, const char *unit, bool plural)
{
	const char *s = b->data;
	size_t n = b->len, copied = 0, i = 0, end, after, len;
	bool found = false;

	od_buf_clear(out);
	while (i < n) {
		end = i ? 0 : bounded_unit(s, n, 0, unit, plural, &after);
		len = 0;
		if (!end && (unsigned char)s[i] < 0x80 && od_text_is_word((unsigned char)s[i])) {
			i++;
			continue;
		}
		if (!end && !od_text_is_word(od_text_at(s, n, i, &len)))
			end = bounded_unit(s, n, i + len, unit, plural, &after);
		else if (!end)
			od_text_at(s, n, i, &len);
		if (!end) {
			i += len;
			continue;
		}
		found = true;
		od_buf_append(out, s + copied, i + len - copied);
		copied = end;
		i = after;
	}
	if (found)
		od_buf_append(out, s + copied, n - copied);
	return found && out->len;
}

void
od_math_remove_units(struct od_buf *b)
{
	struct od_buf other = OD_BUF_INIT, swap;
	uint64_t set = b->failed ? 0 : byte_set(b->data, b->len);

	for (size_t i = 0; !b->failed && i < 4 * N_UNITS; i++) {
		const char *unit = units[i % N_UNITS];
		bool plural = i / N_UNITS % 2;

		if ((unit_set(unit, plural) & ~set) || !remove_unit(b, &other, unit, plural))
			continue;
		swap = *b;
		*b = other;
		other = swap;
		set = byte_set(b->data, b->len);
	}
	od_buf_release(&other);
}
