/* cli.h -- what every tool's main shares: option tables, start and end, messages, progress.
 *
 * A tool describes its options in tables of struct od_opt that point into its own options struct; --help, --config,
 * --print-config, the man page test and the parser all read the same tables, so they cannot disagree. Tables compose:
 * a tool passes several groups (its own, the record selection of every reader, the objective's).
 *
 *   static const struct od_opt ref_opts[] = {
 *           OD_OPT_STR(struct ref_options, model, "model", "DIR", "reference model directory (required)"),
 *           OD_OPT_END
 *   };
 */
#ifndef OD_TOOLS_CLI_H
#define OD_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "io/jsonl.h"

enum od_opt_kind {
	OD_KIND_END, OD_KIND_FLAG, OD_KIND_NOFLAG, OD_KIND_STR, OD_KIND_INT, OD_KIND_DOUBLE, OD_KIND_SIZE, OD_KIND_ENUM,
	OD_KIND_SHARD                /* "I/N": two int64_t, I at the offset and N behind it */
};

struct od_opt {
	const char *name;            /* long name without dashes */
	char letter;                 /* short name or 0 */
	enum od_opt_kind kind;       /* FLAG sets a bool true, NOFLAG sets it false; DOUBLE double; INT, SIZE int64_t;
	                              * STR const char *; ENUM int index into choices */
	size_t offset;               /* of the member in the group's struct */
	const char *arg;             /* name of the argument in --help ("DIR"), NULL for flags */
	const char *help;            /* one sentence without full stop */
	const char *const *choices;  /* ENUM: NULL-terminated names */
	double min, max;             /* INT, DOUBLE: bounds, both 0 = none; refused outside, exit 2 */
};

#define OD_OPT_STR(T, m, n, a, h)      { n, 0, OD_KIND_STR, offsetof(T, m), a, h, NULL, 0, 0 }
#define OD_OPT_FLAG(T, m, n, h)        { n, 0, OD_KIND_FLAG, offsetof(T, m), NULL, h, NULL, 0, 0 }
#define OD_OPT_NOFLAG(T, m, n, h)      { n, 0, OD_KIND_NOFLAG, offsetof(T, m), NULL, h, NULL, 0, 0 }
#define OD_OPT_INT(T, m, n, a, lo, hi, h)    { n, 0, OD_KIND_INT, offsetof(T, m), a, h, NULL, lo, hi }
#define OD_OPT_DOUBLE(T, m, n, a, lo, hi, h) { n, 0, OD_KIND_DOUBLE, offsetof(T, m), a, h, NULL, lo, hi }
#define OD_OPT_SIZE(T, m, n, a, h)     { n, 0, OD_KIND_SIZE, offsetof(T, m), a, h, NULL, 0, 0 }
#define OD_OPT_ENUM(T, m, n, a, c, h)  { n, 0, OD_KIND_ENUM, offsetof(T, m), a, h, c, 0, 0 }
#define OD_OPT_END                     { NULL, 0, OD_KIND_END, 0, NULL, NULL, NULL, 0, 0 }

struct od_opt_group {
	const char *title;           /* heading in --help: "Records" */
	const struct od_opt *opts;
	void *base;                  /* the struct the offsets refer to */
	uint64_t *given;             /* may be NULL; bit i set when opts[i] was given on the command line or in --config
	                              * (not by default): lets a recipe fill only what the user left open */
};

struct od_tool {
	const char *name;            /* "od-ref" */
	const char *summary;         /* "add reference log-probs to preference pairs" */
	const char *usage;           /* "[OPTION...] --model DIR [FILE...]" */
	const char *epilog;          /* more text for --help, may be NULL */
};

/* Options that every tool has; in the first group of each. */
struct od_common_options {
	int64_t threads;             /* 0: all cores of the affinity mask */
	bool quiet;                  /* no progress, no notes; warnings and errors stay */
	bool framed;                 /* default: OD_FRAMED=1 in the environment */
	const char *config;
	bool print_config, help, version;
};

#define OD_COMMON_OPTIONS_INIT { 0, false, false, NULL, false, false, false }

extern const struct od_opt od_common_opts[];      /* base: struct od_common_options */
extern const struct od_opt od_record_opts[];      /* base: struct od_record_options (lib/io/jsonl.h) */

/* Start of main: remembers the tool's name, restores SIGPIPE's default, sets line buffering on stderr, reads
 * OD_FRAMED into c->framed. */
void od_cli_begin(const struct od_tool *tool, struct od_common_options *c);

/* Parses argv (GNU style: --name VALUE, --name=VALUE, --, options anywhere). --help, --version and --print-config
 * print to stdout and exit 0 here; a usage error prints one line and exits 2. --config FILE (JSON object with the same
 * names) is applied before the command line. A sub-command, if the tool has them, must already be taken off argv.
 * Returns the operands in order (memory of this module), their number in *n. */
const char *const *od_cli_parse(const struct od_opt_group *groups, size_t n_groups, int argc, char **argv, size_t *n);

/* End of main: closes stdout and reports a late write error, prints err ("od-ref: ...") when it holds one, maps to the
 * exit code: 0; 1 ESYS ENOMEM ENUMERIC ESUPPORT; 2 EUSAGE EEXIST; 3 EFORMAT ETRUNC EMISMATCH; 4 when 'skipped' > 0
 * and all else is well; 5 ESERVICE. EPIPE on stdout re-raises SIGPIPE silently; EINTERRUPT re-raises its signal. */
int od_cli_end(const struct od_error *err, int64_t skipped);

/* Prints err as od_cli_end would, at once; that prints it no second time. For a tool that must say it before something else. */
void od_cli_report(struct od_error *err);

/* Messages on stderr, one write(2) a line, tool's name in front. Notes are dropped under --quiet. */
void od_note(const char *fmt, ...) OD_PRINTF(1, 2);
void od_warn(const char *fmt, ...) OD_PRINTF(1, 2);

/* A process that works for another of the same command says nothing itself: no messages, no progress, its standard output
 * leads nowhere. off: it speaks again. */
void od_cli_mute(bool on);

/* Warns when a reader left malformed records out, naming the first; returns how many, for od_cli_end. */
int64_t od_cli_skipped(const struct od_jsonl *r);

/* Columns of the terminal at fd; 80 when it is none. */
int od_cli_width(int fd);

/* Refuses binary output to a terminal. */
OD_MUST_CHECK enum od_status od_cli_binary_stdout(struct od_error *err);

/* ---- progress: one line on a terminal's stderr, redrawn at most 6 times a second; silent elsewhere -------------- */
struct od_progress;
/* total < 0: unknown. unit: "pairs". NULL is returned (and accepted below) when stderr is no terminal or --quiet. */
struct od_progress *od_progress_begin(const char *what, int64_t total, const char *unit);
/* done: units so far. extra: text to show behind ("1,234 tok/s, loss 0.512"), may be NULL. */
void od_progress_update(struct od_progress *p, int64_t done, const char *extra);
void od_progress_end(struct od_progress *p);

#endif
