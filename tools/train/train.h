/* train.h -- the parts of od-train: options.c (tables, recipe), data.c (input to spool), plan.c (sizes and memory),
 * shape.c (--plan: the same for a shape and any number of ranks), launch.c (the other ranks), about.c (run.json and
 * od-train.json), od-train.c (the order of things). */
#ifndef OD_TOOLS_TRAIN_H
#define OD_TOOLS_TRAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "common/cli.h"
#include "common/device_opts.h"
#include "common/objective_opts.h"
#include "common/rules_opts.h"
#include "text/tokenizer.h"
#include "train/footprint.h"
#include "train/ranks.h"
#include "train/run.h"
#include "train/spool.h"

struct train_options {
	struct od_common_options common;
	struct od_record_options records;
	struct od_rules_options rules;
	struct od_device_options device;
	struct od_objective_options objective;
	struct od_train_settings set;
	struct od_run_options run;                 /* out, metrics, telemetry, eval_every, ... */
	const char *model, *eval, *dump_grad;
	const char *fields[3];                     /* prompt, chosen, rejected */
	int64_t seed;
	int64_t micro_tokens;                      /* as asked for; 0: set.micro_tokens is chosen for the device */
	int64_t memory;                            /* bytes the plan may take; 0: what is there */
	int sft_norm;
	double peak_tflops;
	bool resume, dry_run, use_ranks;
	bool plan;                                 /* --plan, for ... */
	int64_t world, gpu_memory, length;         /* so many ranks, so many bytes (0: not said), pairs so long (0: not said) */
	uint64_t given;                            /* of the optimiser's group */
	const struct od_recipe *recipe;            /* NULL: none */
};

/* Defaults, the command line, --config; then the recipe for what was left open. Exits as od_cli_parse does. */
OD_MUST_CHECK enum od_status train_options_parse(struct train_options *o, int argc, char **argv,
	const char *const **files, size_t *n_files, struct od_error *err);

/* The model as far as it can be known without loading it. */
struct train_model {
	struct od_model model;                     /* config and params; no weights until od_model_open */
	struct od_tokenizer *tokenizer;            /* NULL: the directory has none */
};

/* Everything one run has open. */
struct train {
	struct train_options *o;
	int argc;
	char **argv;
	const char *const *files;
	size_t n_files;

	char *dir;                                 /* OUT.run, or a temporary directory */
	char *out;                                 /* OUT without a slash at its end */
	int lock;                                  /* on dir; -1: none, as on all ranks but the first */
	bool made;                                 /* dir is our making: it goes when we end, unless ... */
	bool resumable;                            /* ... it holds a run that can be resumed, or finished */

	struct od_ranks *ranks;
	char *device;                              /* this rank's, where the user's words were for all; or NULL */

	struct train_model start;
	struct od_backend *be;
	struct od_model model;                     /* loaded */
	struct od_spool spool, eval_spool;
	struct od_pairfile *pairs, *held_out;
	struct od_trainer trainer;
	struct od_run run;
	struct od_run_state state;
	json_t *about;                             /* run.json; on rank 0 */
	double planned;                            /* bytes of the plan */
	struct od_progress *progress;
};

/* ---- data.c ---------------------------------------------------------------------------------------------------- */
OD_MUST_CHECK enum od_status train_read_data(struct train *t, struct od_error *err);       /* input -> spool files */
OD_MUST_CHECK enum od_status train_open_data(struct train *t, struct od_error *err);       /* spool files -> pairs */
void train_report_data(const struct od_spool *s, const struct od_objective *o, const char *what);

/* ---- plan.c ---------------------------------------------------------------------------------------------------- */
struct train_plan {
	struct od_schedule schedule;
	struct od_micro_peak micro;
	int64_t pairs, held_out, tokens, flat_tokens, scored_tokens;
	struct od_footprint memory;                /* of the rank that needs most */
	double index, peak;                        /* bytes */
	double available;                          /* on the device; 0: unknown */
};
int64_t train_eval_tokens(const struct train *t);                        /* largest held-out batch, 0: none */
/* Collective. Fills *p; where the user asked for no size of micro-batches, chooses the largest that fits every device. */
OD_MUST_CHECK enum od_status train_make_plan(struct train *t, struct od_order *order, struct train_plan *p,
	struct od_error *err);
void train_print_footprint(const struct od_footprint *f);
double train_peak_memory(void);                                          /* of this process so far; -1: unknown */
void train_print_plan(const struct train *t, const struct train_plan *p);
/* OD_ENOMEM when the peak is more than the device has left. */
OD_MUST_CHECK enum od_status train_check_memory(const struct train *t, double peak, const char *micro_hint,
	struct od_error *err);

/* ---- shape.c --------------------------------------------------------------------------------------------------- */
OD_MUST_CHECK enum od_status train_plan_shape(const struct train_options *o, struct od_error *err);    /* --plan */

/* ---- launch.c -------------------------------------------------------------------------------------------------- */
/* What the environment says: one of n processes (0: of an unknown number), and by which variable. */
struct train_launcher {
	int n, rank;
	const char *variable;
};
void train_find_launcher(struct train_launcher *l);
/* All but rank 0 are silent from the start: a bad option is told once. */
void train_follow(const struct train_launcher *l);
/* The ranks of the job, or one process alone when there is no launcher or none is wanted. All but rank 0 fall silent. */
OD_MUST_CHECK enum od_status train_join(const struct train_launcher *l, bool wanted, struct od_ranks **ranks,
	struct od_error *err);
int train_threads(const struct od_ranks *r, int64_t asked);              /* for the backend; 0: all it may use */

/* ---- about.c --------------------------------------------------------------------------------------------------- */
/* Collective. OD_EUSAGE when the ranks were not all asked for the same work. */
OD_MUST_CHECK enum od_status train_same_options(const struct train *t, struct od_error *err);
OD_MUST_CHECK enum od_status train_describe(struct train *t, json_t **about, struct od_error *err);
OD_MUST_CHECK enum od_status train_write_about(const struct train *t, struct od_error *err);
OD_MUST_CHECK enum od_status train_read_about(struct train *t, struct od_error *err);      /* for --resume */
void train_compare_machine(const struct train *t);                                         /* warns; --resume */

#endif
