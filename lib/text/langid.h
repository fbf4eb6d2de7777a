/* langid.h -- which language a text is in. Two ways to tell:
 *
 * PROFILES (od_langid_open): the naive Bayes classifier of the langdetect library (a port of Nakatani Shuyo's
 * language-detection) with its profiles: how often the 1-, 2- and 3-character sequences of each language's Wikipedia occur.
 * A trial draws sequences of the text at random, with repetition, and multiplies p(language) by (alpha / 10000 + frequency)
 * until one language has more than 0.99999; probabilities are means over 7 trials. The library draws alpha about 0.5 and the
 * sequences from an unseeded generator, so it may answer the same question differently; here alpha and sequences are those of
 * its seed 0, which makes answers a function of the text.
 * Profiles are a directory, or an archive (tar, zip, compressed or not), of JSON files
 *   {"freq":{SEQUENCE:COUNT,...},"n_words":[N1,N2,N3],"name":"en"}
 * Its classes of Chinese characters that stand for one another are not used: a character that is not its class's
 * representative says nothing.
 *
 * CLD2 (od_langid_cld2): the Compact Language Detector 2, a library whose tables are part of it, so nothing has to be given.
 * It is another classifier: of 2,704 responses to IFEval's prompts its answer was langdetect's for 2,649 (98.0 %), and the
 * verdicts that hang on it, strict and loose, agreed in 910 of 940 cases (96.8 %). What differs is mostly a few words or a
 * list of names, which langdetect takes for German or Somali.
 *
 * Languages have langdetect's codes ("en", "he", "no", "zh-cn", "zh-tw"), whichever way tells them.
 */
#ifndef OD_TEXT_LANGID_H
#define OD_TEXT_LANGID_H

#include <stddef.h>

#include "base/error.h"

struct od_langid;

OD_MUST_CHECK enum od_status od_langid_open(struct od_langid **out, const char *path, struct od_error *err);
OD_MUST_CHECK enum od_status od_langid_cld2(struct od_langid **out, struct od_error *err);
void od_langid_close(struct od_langid *l);         /* NULL is fine */

const char *od_langid_name(const struct od_langid *l);     /* "langdetect", or "CLD2" and its version */
int od_langid_knows(const struct od_langid *l, const char *name);

/* *name: the likeliest language, "unknown" when nothing is likely (of profiles: none has a tenth of the probability), or NULL
 * when there is nothing to go by (text, valid UTF-8, has no sequence that any profile knows: no letters, in short). *prob may
 * be NULL; of CLD2 it is the share of the text that is in the language. Memory of l; one thread at a time. */
OD_MUST_CHECK enum od_status od_langid_detect(struct od_langid *l, const char *text, size_t n, const char **name, double *prob,
	struct od_error *err);

#endif
