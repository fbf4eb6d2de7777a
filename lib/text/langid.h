/* langid.h -- which language a text is in, by the naive Bayes classifier of the langdetect library (a port of Nakatani
 * Shuyo's language-detection) with its profiles: how often the 1-, 2- and 3-character sequences of each language's Wikipedia
 * occur.
 *
 * A trial draws sequences of the text at random, with repetition, and multiplies p(language) by (alpha / 10000 + frequency)
 * until one language has more than 0.99999; probabilities are means over 7 trials. The library draws alpha about 0.5 and the
 * sequences from an unseeded generator, so it may answer the same question differently; here alpha and sequences are those of
 * its seed 0, which makes answers a function of the text.
 *
 * Profiles are a directory, or an archive (tar, zip, compressed or not), of JSON files
 *   {"freq":{SEQUENCE:COUNT,...},"n_words":[N1,N2,N3],"name":"en"}
 * Its classes of Chinese characters that stand for one another are not used: a character that is not its class's
 * representative says nothing.
 */
#ifndef OD_TEXT_LANGID_H
#define OD_TEXT_LANGID_H

#include <stddef.h>

#include "base/error.h"

struct od_langid;

OD_MUST_CHECK enum od_status od_langid_open(struct od_langid **out, const char *path, struct od_error *err);
void od_langid_close(struct od_langid *l);         /* NULL is fine */
size_t od_langid_count(const struct od_langid *l); /* languages */
int od_langid_knows(const struct od_langid *l, const char *name);

/* *name: the likeliest language ("en", "zh-cn"), "unknown" when none has a tenth of the probability, or NULL when the text
 * (valid UTF-8) has no sequence that any profile knows: no letters, in short. *prob may be NULL. Memory of l; one thread at a
 * time. */
OD_MUST_CHECK enum od_status od_langid_detect(struct od_langid *l, const char *text, size_t n, const char **name, double *prob,
	struct od_error *err);

#endif
