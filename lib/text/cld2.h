/* cld2.h -- the one call of the Compact Language Detector 2 that is made, as C. */
#ifndef OD_TEXT_CLD2_H
#define OD_TEXT_CLD2_H

#ifdef __cplusplus
extern "C" {
#endif

/* n bytes of UTF-8 without control characters other than white space. Returns the library's code of the language that most of
 * the text is in, at best guess, "un" for none; *percent: how much of the text is in it; *letters: bytes of text that it went
 * by, with a space around each run of letters. Static memory. */
const char *od_cld2_detect(const char *text, int n, int *percent, int *letters);

const char *od_cld2_version(void);         /* "V2.0 - 20141016" */

#ifdef __cplusplus
}
#endif

#endif
