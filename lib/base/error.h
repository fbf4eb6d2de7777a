/* error.h -- how every fallible function of the library reports.
 *
 * A function that can fail returns enum od_status and takes a struct od_error * (which may be NULL). On failure it
 * writes one line there: what failed, the subject in single quotes, the reason; lower case, no full stop, no newline.
 * The library never prints, never exits and never reads the environment; tools print the line with their name in
 * front and turn the status into an exit code (tools/common/cli.h).
 *
 * The first error wins: code that cleans up after a failure passes err = NULL.
 */
#ifndef OD_BASE_ERROR_H
#define OD_BASE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define OD_MUST_CHECK __attribute__((warn_unused_result))
#define OD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define OD_MUST_CHECK
#define OD_PRINTF(fmt, args)
#endif

enum od_status {
	OD_OK = 0,
	OD_EOF,      /* no more records; not an error, carries no message */
	OD_EUSAGE,   /* the caller asked for something that makes no sense: an option, a combination (exit 2) */
	OD_ESYS,     /* a system call failed; errno kept in err->sys (exit 1) */
	OD_ENOMEM,   /* memory: an allocation failed or a plan does not fit (exit 1) */
	OD_EFORMAT,  /* input that is malformed, of the wrong type, or inconsistent (exit 3) */
	OD_ETRUNC,   /* input that ended early: a stream without its end, a file shorter than its header says (exit 3) */
	OD_EMISMATCH,/* two inputs that do not belong together: reference, tokenizer, rules, resume state (exit 3) */
	OD_EEXIST,   /* an output that is already there (exit 2) */
	OD_ENUMERIC, /* a loss or gradient that is not finite (exit 1) */
	OD_ESERVICE, /* an outside service failed (exit 5) */
	OD_EINTERRUPT, /* stopped by SIGINT or SIGTERM after saving; signal number in err->sys */
	OD_ESUPPORT  /* a valid request for something this build or version cannot do (exit 1) */
};

struct od_error {
	enum od_status status;
	int sys;           /* errno for OD_ESYS, signal number for OD_EINTERRUPT, else 0 */
	char msg[1024];    /* always NUL-terminated; control characters of subjects appear as '?' */
};

#define OD_ERROR_INIT { OD_OK, 0, "" }

/* Stores status and message and returns status, so that callers write `return od_fail(...)`. err may be NULL. */
enum od_status od_fail(struct od_error *err, enum od_status status, const char *fmt, ...) OD_PRINTF(3, 4);

/* As od_fail with OD_ESYS; appends ": " and the text of errno value 'sys'. */
enum od_status od_fail_sys(struct od_error *err, int sys, const char *fmt, ...) OD_PRINTF(3, 4);

/* OD_ENOMEM with "cannot allocate BYTES for WHAT". */
enum od_status od_fail_nomem(struct od_error *err, const char *what, unsigned long long bytes);

/* Puts context in front of an existing message ("prefs.jsonl:12: " ...). Returns err's status (OD_OK if NULL). */
enum od_status od_error_prefix(struct od_error *err, const char *fmt, ...) OD_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
