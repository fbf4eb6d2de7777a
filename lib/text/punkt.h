/* punkt.h -- sentences by Punkt (Kiss and Strunk, Unsupervised Multilingual Sentence Boundary Detection, Computational
 * Linguistics 32, 2006), with trained parameters and the decisions of NLTK's tokenizer, which benchmarks count with.
 *
 * A '.', '?' or '!' that white space or punctuation follows may end a sentence. The word it ends and the word behind it are
 * looked up: abbreviations, collocations, words that begin sentences, and in which case a word was seen where
 * (section 4 of the paper). Sections in the code are the paper's.
 *
 * Parameters are a directory of four text files, as NLTK's punkt_tab has one a language:
 *   abbrev_types.txt      an abbreviation a line, without its last period
 *   collocations.tab      two words a line
 *   sent_starters.txt     a word a line
 *   ortho_context.tab     a word and a sum of bits: seen with an upper-case initial at the beginning of a sentence (2), inside (4),
 *                         somewhere (8); with a lower-case one (16, 32, 64)
 */
#ifndef OD_TEXT_PUNKT_H
#define OD_TEXT_PUNKT_H

#include <stddef.h>

#include "base/error.h"

struct od_punkt;

/* OD_ESYS when a file cannot be read, OD_EFORMAT naming file and line when it is not what it should be. */
OD_MUST_CHECK enum od_status od_punkt_open(struct od_punkt **out, const char *dir, struct od_error *err);
void od_punkt_close(struct od_punkt *p);           /* NULL is fine */

struct od_sentence {
	size_t start, end;                         /* bytes */
};

struct od_sentences {
	struct od_sentence *s;                     /* [n] */
	size_t n, cap;
};

#define OD_SENTENCES_INIT { NULL, 0, 0 }
void od_sentences_release(struct od_sentences *s);

/* The sentences of valid UTF-8, in order, replacing what is in out. A text without anything has none. */
OD_MUST_CHECK enum od_status od_punkt_sentences(const struct od_punkt *p, const char *text, size_t n, struct od_sentences *out,
	struct od_error *err);

#endif
