/* langid_profiles.c -- langdetect's classifier over its profiles; see langid.h. */
#include "text/langid_impl.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/jsonl.h"
#include "io/stream.h"
#include "text/langid_text.h"
#include "text/twister.h"

#define MAX_PROFILE ((size_t)16 << 20)

enum { MAX_LANGUAGES = 1000, TRIALS = 7, MAX_DRAWS = 1000, DRAWS_PER_CHECK = 5 };

static const double ALPHA = 0.5, ALPHA_WIDTH = 0.05, BASE_FREQUENCY = 10000, SURE = 0.99999, LEAST = 0.1;

/* How often one language has one sequence. */
struct entry {
	uint64_t gram;                             /* langid_text.h */
	double share;
	int language;
};

struct profiles {
	struct od_langid langid;                   /* first */
	char **name;                               /* [n] */
	size_t n, cap_name;
	struct entry *entry;                       /* [n_entries] ascending by sequence, then language */
	size_t n_entries, cap_entry;
	double *prob, *sum;                        /* [n] of one trial, of all */
	struct od_buf text;
	size_t *found, cap_found;                  /* first entries of the text's sequences */
};

static struct profiles *
of(struct od_langid *l)
{
	return (struct profiles *)l;
}

static void
close_profiles(struct od_langid *langid)
{
	struct profiles *l = of(langid);

	for (size_t i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
	free(l->entry);
	free(l->prob);
	free(l->sum);
	free(l->found);
	od_buf_release(&l->text);
	free(l);
}

static int
has_profile(const struct profiles *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!strcmp(l->name[i], name))
			return 1;
	}
	return 0;
}

static int
knows(const struct od_langid *l, const char *name)
{
	return has_profile((const struct profiles *)l, name);
}

static const char *
name_of(const struct od_langid *l)
{
	(void)l;
	return "langdetect";
}

/* ---- profiles ----------------------------------------------------------------------------------------------------------- */

static enum od_status
add_entries(struct profiles *l, json_t *freq, const double words[3], struct od_error *err)
{
	const char *key;
	json_t *v;

	json_object_foreach(freq, key, v) {
		struct entry e = { .language = (int)l->n };
		int length = od_gram_parse(key, &e.gram);

		if (!json_is_number(v) || json_number_value(v) < 0)
			return od_fail(err, OD_EFORMAT, "the count of '%s' is no number", key);
		if (length < 1 || length > 3)      /* others take no part */
			continue;
		e.share = json_number_value(v) / words[length - 1];
		if (!od_grow(&l->entry, &l->cap_entry, l->n_entries + 1, sizeof *l->entry))
			return od_fail_nomem(err, "language profiles", l->n_entries * sizeof *l->entry);
		l->entry[l->n_entries++] = e;
	}
	return OD_OK;
}

static enum od_status
add_profile(struct profiles *l, json_t *json, struct od_error *err)
{
	json_t *freq = json_object_get(json, "freq");
	const char *name = json_string_value(json_object_get(json, "name"));
	double words[3];
	enum od_status st;

	if (!json_is_object(freq) || !name || !*name)
		return od_fail(err, OD_EFORMAT, "no language profile: it needs members 'name', 'freq' and 'n_words'");
	if (has_profile(l, name) || l->n >= MAX_LANGUAGES)
		return od_fail(err, OD_EFORMAT, "a second profile of '%s', or too many", name);
	for (size_t i = 0; i < 3; i++) {
		words[i] = json_number_value(json_array_get(json_object_get(json, "n_words"), i));
		if (!(words[i] > 0))
			return od_fail(err, OD_EFORMAT, "member 'n_words' must be three counts");
	}
	st = add_entries(l, freq, words, err);
	if (st == OD_OK && (!od_grow(&l->name, &l->cap_name, l->n + 1, sizeof *l->name) || !(l->name[l->n] = od_strdup(name))))
		st = od_fail_nomem(err, "language profiles", l->n);
	l->n += st == OD_OK;
	return st;
}

static enum od_status
parse_profile(struct profiles *l, const char *text, size_t n, const char *name, struct od_error *err)
{
	json_t *json = NULL;
	enum od_status st = od_json_parse(text, n, name, &json, err);

	if (st != OD_OK)
		return st;
	st = add_profile(l, json, err);
	if (st != OD_OK)
		od_error_prefix(err, "'%s': ", name);
	json_decref(json);
	return st;
}

static enum od_status
read_directory(struct profiles *l, const char *path, struct od_error *err)
{
	struct dirent **list = NULL;
	int n = scandir(path, &list, NULL, alphasort);
	enum od_status st = n < 0 ? od_fail_sys(err, errno, "cannot read directory '%s'", path) : OD_OK;

	for (int i = 0; i < n; i++) {
		struct od_buf name = OD_BUF_INIT;
		char *text = NULL;
		size_t len;

		if (st == OD_OK && list[i]->d_name[0] != '.') {
			od_buf_printf(&name, "%s/%s", path, list[i]->d_name);
			st = od_buf_ok(&name) ? od_in_slurp(name.data, MAX_PROFILE, &text, &len, err) : od_fail_nomem(err, "a name", 1);
			if (st == OD_OK)
				st = parse_profile(l, text, len, name.data, err);
		}
		free(text);
		od_buf_release(&name);
		free(list[i]);
	}
	free(list);
	return st;
}

/* The member an archive stands at. */
static enum od_status
read_member(struct profiles *l, struct archive *ar, const char *name, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	la_ssize_t got = 0;
	enum od_status st;

	do {
		char *to = od_buf_reserve(&text, 65536);

		got = to ? archive_read_data(ar, to, 65536) : -1;
		text.len += got > 0 ? (size_t)got : 0;
	} while (got > 0 && text.len < MAX_PROFILE);
	if (!od_buf_ok(&text))
		st = od_fail_nomem(err, "a language profile", text.len);
	else if (got != 0)
		st = od_fail(err, OD_EFORMAT, "cannot read member '%s': %s", name, got < 0 ? archive_error_string(ar) : "too large");
	else
		st = parse_profile(l, text.data, text.len, name, err);
	od_buf_release(&text);
	return st;
}

static enum od_status
read_archive(struct profiles *l, const char *path, struct od_error *err)
{
	struct archive *ar = archive_read_new();
	struct archive_entry *entry;
	int rc = ARCHIVE_FATAL;
	enum od_status st = OD_OK;

	if (!ar)
		return od_fail_nomem(err, "an archive", 1);
	archive_read_support_filter_all(ar);
	archive_read_support_format_tar(ar);
	archive_read_support_format_zip(ar);
	if (archive_read_open_filename(ar, path, 65536) == ARCHIVE_OK) {
		while (st == OD_OK && ((rc = archive_read_next_header(ar, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN)) {
			if (archive_entry_filetype(entry) == AE_IFREG)
				st = read_member(l, ar, archive_entry_pathname(entry), err);
		}
	}
	if (st == OD_OK && rc != ARCHIVE_EOF)
		st = od_fail(err, OD_EFORMAT, "'%s' is neither a directory nor an archive of language profiles: %s", path,
			archive_error_string(ar) ? archive_error_string(ar) : "unreadable");
	archive_read_free(ar);
	return st;
}

/* ---- detection ---------------------------------------------------------------------------------------------------------- */

/* The first entry of a sequence, or n_entries. */
static size_t
lookup(const struct profiles *l, uint64_t gram)
{
	size_t lo = 0, hi = l->n_entries;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->entry[mid].gram < gram)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n_entries && l->entry[lo].gram == gram ? lo : l->n_entries;
}

/* l->found: every sequence of the text that a profile knows, as often as it occurs. */
static enum od_status
find_grams(struct profiles *l, size_t *n, struct od_error *err)
{
	struct od_gram_walk walk = OD_GRAM_WALK_INIT(l->text.data, l->text.len);
	uint64_t grams[3];
	int k;

	*n = 0;
	while ((k = od_gram_next(&walk, grams)) >= 0) {
		for (int i = 0; i < k; i++) {
			size_t at = lookup(l, grams[i]);

			if (at == l->n_entries)
				continue;
			if (!od_grow(&l->found, &l->cap_found, *n + 1, sizeof *l->found))
				return od_fail_nomem(err, "a text's sequences", *n);
			l->found[(*n)++] = at;
		}
	}
	return OD_OK;
}

/* Bayes' rule for one sequence: those that a language does not have weigh alpha / 10000. */
static void
update(struct profiles *l, size_t at, double alpha)
{
	double weight = alpha / BASE_FREQUENCY;
	uint64_t gram = l->entry[at].gram;

	for (size_t i = 0; i < l->n; i++) {
		double share = 0;

		if (at < l->n_entries && l->entry[at].gram == gram && l->entry[at].language == (int)i)
			share = l->entry[at++].share;
		l->prob[i] *= weight + share;
	}
}

/* Makes the sum 1; returns the largest. */
static double
normalize(struct profiles *l)
{
	double sum = 0, most = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->prob[i];
	for (size_t i = 0; i < l->n; i++) {
		l->prob[i] /= sum;
		most = l->prob[i] > most ? l->prob[i] : most;
	}
	return most;
}

static void
trial(struct profiles *l, struct od_twister *random, size_t n)
{
	double alpha = ALPHA + od_twister_normal(random) * ALPHA_WIDTH;

	for (size_t i = 0; i < l->n; i++)
		l->prob[i] = 1.0 / (double)l->n;
	for (int i = 0;; i++) {
		update(l, l->found[od_twister_below(random, (uint32_t)n)], alpha);
		if (i % DRAWS_PER_CHECK == 0 && (normalize(l) > SURE || i >= MAX_DRAWS))
			break;
	}
	for (size_t i = 0; i < l->n; i++)
		l->sum[i] += l->prob[i] / TRIALS;
}

static enum od_status
detect(struct od_langid *langid, const char *text, size_t n, const char **name, double *prob, struct od_error *err)
{
	struct profiles *l = of(langid);
	struct od_twister random;
	size_t n_found = 0, best = 0;
	enum od_status st = od_langid_text(text, n, &l->text, err);

	if (st == OD_OK)
		st = find_grams(l, &n_found, err);
	if (st != OD_OK || !n_found)
		return st;
	memset(l->sum, 0, l->n * sizeof *l->sum);
	od_twister_seed(&random, 0);
	for (int t = 0; t < TRIALS; t++)
		trial(l, &random, n_found);
	for (size_t i = 1; i < l->n; i++)
		best = l->sum[i] > l->sum[best] ? i : best;
	*name = l->sum[best] > LEAST ? l->name[best] : "unknown";
	if (prob)
		*prob = l->sum[best];
	return OD_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

static const struct od_langid_way way = { name_of, knows, detect, close_profiles };

static int
by_gram(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->gram != y->gram)
		return x->gram < y->gram ? -1 : 1;
	return x->language - y->language;
}

enum od_status
od_langid_open(struct od_langid **out, const char *path, struct od_error *err)
{
	struct profiles *l = NULL;
	struct stat s;
	enum od_status st = od_alloc(&l, 1, sizeof *l, "language profiles", err);

	if (st != OD_OK)
		return st;
	l->langid.way = &way;
	if (stat(path, &s) != 0)
		st = od_fail_sys(err, errno, "cannot open language profiles '%s'", path);
	else if (S_ISDIR(s.st_mode))
		st = read_directory(l, path, err);
	else
		st = read_archive(l, path, err);
	if (st == OD_OK && l->n < 2)
		st = od_fail(err, OD_EFORMAT, "'%s' has no two language profiles", path);
	if (st == OD_OK)
		st = od_alloc(&l->prob, l->n, sizeof *l->prob, "probabilities", err);
	if (st == OD_OK)
		st = od_alloc(&l->sum, l->n, sizeof *l->sum, "probabilities", err);
	if (st == OD_OK) {
		qsort(l->entry, l->n_entries, sizeof *l->entry, by_gram);
		*out = &l->langid;
	} else {
		close_profiles(&l->langid);
	}
	return st;
}
