/* options.c -- what od-train can be told. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

#define T struct train_options

static const char *const sft_norms[] = { "sequence", "token", NULL };

static const struct od_opt run_opts[] = {
	OD_OPT_STR(T, model, "model", "DIR", "model directory the training starts from (required)"),
	OD_OPT_STR(T, run.out, "out", "OUT", "directory of the trained model; the run lives in OUT.run until it is done"),
	OD_OPT_FLAG(T, resume, "resume", "go on with the run in OUT.run"),
	OD_OPT_FLAG(T, run.force, "force", "replace an existing OUT, discard an existing OUT.run"),
	OD_OPT_FLAG(T, dry_run, "dry-run", "print the plan (data, updates, memory) and stop"),
	OD_OPT_FLAG(T, plan, "plan", "print memory and traffic of a model for any number of ranks and stop; needs no data"),
	OD_OPT_INT(T, world, "world", "N", 1, 1 << 20, "with --plan: number of ranks"),
	OD_OPT_SIZE(T, gpu_memory, "gpu-memory", "SIZE", "with --plan: memory of a device (80G): what fits into it"),
	OD_OPT_INT(T, length, "length", "L", 0, 1 << 30,
		"with --plan: tokens of the longest pair, prompt and both responses (0: as a micro-batch)"),
	OD_OPT_NOFLAG(T, use_ranks, "no-ranks", "run alone, also where a launcher such as mpirun started several processes"),
	OD_OPT_STR(T, dump_grad, "dump-grad", "FILE", "write the gradient of the first batch, before clipping, and stop"),
	OD_OPT_STR(T, eval, "eval", "FILE", "held-out pairs, evaluated before and after training"),
	OD_OPT_INT(T, run.eval_every, "eval-every", "N", 0, 1e15, "also evaluate every N updates (0: not)"),
	OD_OPT_INT(T, run.save_every, "save-every", "N", 0, 1e15,
		"save a checkpoint every N updates (0: every half hour, while the run lasts)"),
	OD_OPT_INT(T, run.keep, "keep", "K", 1, 1e9, "checkpoints to keep, the newest"),
	OD_OPT_FLAG(T, run.keep_best, "keep-best", "keep the checkpoint of the lowest held-out loss and make it the result"),
	OD_OPT_INT(T, run.patience, "patience", "N", 0, 1e9,
		"stop after N evaluations without a new lowest held-out loss (0: never)"),
	OD_OPT_STR(T, run.metrics, "metrics", "FILE", "copy of the metrics, a JSON line an update ('-': standard output)"),
	OD_OPT_STR(T, run.telemetry, "telemetry", "FILE", "copy of the telemetry, a JSON line a pair and update"),
	OD_OPT_DOUBLE(T, peak_tflops, "peak-tflops", "X", 0, 1e9, "speed of the machine, for the metrics' mfu (0: unknown)"),
	OD_OPT_STR(T, fields[0], "prompt-field", "PATH", "member that holds the prompt (prompt)"),
	OD_OPT_STR(T, fields[1], "chosen-field", "PATH", "member that holds the chosen response (chosen)"),
	OD_OPT_STR(T, fields[2], "rejected-field", "PATH", "member that holds the rejected response (rejected)"),
	OD_OPT_END
};

enum { OPT_LR, OPT_SCHEDULE, OPT_WARMUP_RATIO, OPT_WARMUP_STEPS, OPT_BATCH, OPT_EPOCHS, OPT_STEPS, OPT_SFT_NORM,
	OPT_SEED };

static const struct od_opt optimiser_opts[] = {
	[OPT_LR] = OD_OPT_DOUBLE(T, set.lr, "lr", "X", 0, 1e300, "peak learning rate"),
	[OPT_SCHEDULE] = OD_OPT_ENUM(T, set.decay, "schedule", "NAME", od_decay_names, "learning rate after the warm-up"),
	[OPT_WARMUP_RATIO] = OD_OPT_DOUBLE(T, set.warmup_ratio, "warmup-ratio", "R", 0, 1, "share of updates that warm up"),
	[OPT_WARMUP_STEPS] = OD_OPT_INT(T, set.warmup_steps, "warmup-steps", "N", -1, 1e15,
		"updates that warm up (-1: by the ratio)"),
	[OPT_BATCH] = OD_OPT_INT(T, set.batch, "batch", "N", 1, 1e9, "pairs of an update"),
	[OPT_EPOCHS] = OD_OPT_INT(T, set.epochs, "epochs", "N", 1, 1e9, "passes over the data"),
	[OPT_STEPS] = OD_OPT_INT(T, set.steps, "steps", "N", 0, 1e15, "updates to make, whatever the epochs (0: by the epochs)"),
	[OPT_SFT_NORM] = OD_OPT_ENUM(T, sft_norm, "sft-norm", "HOW", sft_norms,
		"objective sft: mean of sequence means, or over all tokens of a batch"),
	/* stands before the record options' --seed and so takes its place; train_options_parse hands the value on */
	[OPT_SEED] = OD_OPT_INT(T, seed, "seed", "N", 0, 9e18, "seed of the order of pairs, and of --sample when given"),
	OD_OPT_DOUBLE(T, set.beta1, "beta1", "X", 0, 0.999999999, "AdamW: decay of the first moment"),
	OD_OPT_DOUBLE(T, set.beta2, "beta2", "X", 0, 0.999999999, "AdamW: decay of the second moment"),
	OD_OPT_DOUBLE(T, set.eps, "adam-eps", "X", 0, 1, "AdamW: added to the root of the second moment"),
	OD_OPT_DOUBLE(T, set.weight_decay, "weight-decay", "X", 0, 1e6, "decoupled decay of every parameter"),
	OD_OPT_DOUBLE(T, set.clip, "clip", "X", 0, 1e30, "bound of the gradient's norm (0: none)"),
	OD_OPT_INT(T, micro_tokens, "micro-tokens", "N", 0, 1 << 30,
		"tokens that run through the model at once (0: as suits the device); memory, not results, depends on it"),
	OD_OPT_SIZE(T, memory, "memory", "SIZE",
		"memory the run may take (0: what is there); what does not fit is made again in backward: slower, the same bytes"),
	OD_OPT_NOFLAG(T, set.shuffle, "no-shuffle", "take the pairs in the order they come"),
	OD_OPT_END
};

static const struct od_tool tool = {
	"od-train", "train a model on preference pairs", "[OPTION...] --model DIR --out OUT [FILE...]",
	"Reads pairs with scores and reference log-probs (od-score, od-ref), as JSONL or as the tensor stream\n"
	"of od-ref --tensors, from FILEs or standard input. OUT appears when training has finished.\n",
};

#define GIVEN(o, i) ((o)->given >> (i) & 1)

/* What the user left open comes from the recipe, and what that leaves open from the objective's defaults. */
static enum od_status
fill_from_recipe(struct train_options *o, struct od_error *err)
{
	const struct od_recipe *r;
	enum od_status st = od_rules_options_recipe(&o->rules, &o->recipe, err);

	if (st == OD_OK)
		st = od_objective_options_finish(&o->objective, o->recipe, err);
	r = o->recipe;
	if (st != OD_OK || !r)
		return st;
	if (!GIVEN(o, OPT_LR))
		o->set.lr = r->lr;
	if (!GIVEN(o, OPT_WARMUP_RATIO))
		o->set.warmup_ratio = r->warmup_ratio;
	if (!GIVEN(o, OPT_EPOCHS))
		o->set.epochs = r->epochs;
	if (!GIVEN(o, OPT_BATCH))
		o->set.batch = r->batch;
	if (!GIVEN(o, OPT_SFT_NORM))
		o->sft_norm = r->sft_token_mean;
	return OD_OK;
}

static enum od_status
check_options(const struct train_options *o, struct od_error *err)
{
	bool trains = !o->dry_run && !o->dump_grad;

	if (!o->model)
		return od_fail(err, OD_EUSAGE, "option '--model' is required");
	if (o->plan)
		return OD_OK;
	if (o->world != 1 || o->gpu_memory || o->length)
		return od_fail(err, OD_EUSAGE, "option '--%s' goes with '--plan'", o->world != 1 ? "world"
			: o->gpu_memory ? "gpu-memory" : "length");
	if (trains && (!o->run.out || !*o->run.out))
		return od_fail(err, OD_EUSAGE, "option '--out' is required");
	if (o->resume && !trains)
		return od_fail(err, OD_EUSAGE, "option '--resume' does not go with '--dry-run' or '--dump-grad'");
	if (o->resume && o->run.force)
		return od_fail(err, OD_EUSAGE, "options '--resume' and '--force' contradict each other");
	if (!o->eval && (o->run.eval_every || o->run.keep_best || o->run.patience))
		return od_fail(err, OD_EUSAGE, "option '--%s' needs '--eval'", o->run.eval_every ? "eval-every"
			: o->run.keep_best ? "keep-best" : "patience");
	if (o->sft_norm && !o->objective.o.length_norm)
		return od_fail(err, OD_EUSAGE, "option '--sft-norm token' does not go with '--no-length-norm'");
	return OD_OK;
}

enum od_status
train_options_parse(struct train_options *o, int argc, char **argv, const char *const **files, size_t *n_files,
	struct od_error *err)
{
	struct od_opt_group groups[] = {
		{ "Run", run_opts, o, NULL },
		{ "Optimiser", optimiser_opts, o, &o->given },
		{ "Objective", od_objective_opts, &o->objective, &o->objective.given },
		{ "Device", od_device_opts, &o->device, NULL },
		{ "Token rules", od_rules_opts, &o->rules, &o->rules.given },
		{ "Records", od_record_opts, &o->records, NULL },
		{ "Common", od_common_opts, &o->common, NULL },
	};
	enum od_status st;

	*o = (struct train_options){
		.common = OD_COMMON_OPTIONS_INIT, .records = OD_RECORD_OPTIONS_INIT, .rules = OD_RULES_OPTIONS_INIT,
		.objective = OD_OBJECTIVE_OPTIONS_INIT, .device = OD_DEVICE_OPTIONS_INIT, .seed = 42, .use_ranks = true, .world = 1,
		.set = { .lr = 1e-6, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1, .warmup_ratio = 0.1,
			.warmup_steps = -1, .batch = 128, .epochs = 1, .shuffle = true },
		.run = { .keep = 1, .save_seconds = 1800 },
	};
	od_cli_begin(&tool, &o->common);
	*files = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, n_files);
	st = fill_from_recipe(o, err);
	if (st == OD_OK)
		st = check_options(o, err);
	o->set.seed = (uint64_t)o->seed;
	if (GIVEN(o, OPT_SEED))
		o->records.seed = (uint64_t)o->seed;
	o->set.micro_tokens = o->micro_tokens;
	o->set.objective = o->objective.o;
	o->set.sft_token_mean = o->sft_norm == 1;
	o->run.peak_flops = o->peak_tflops * 1e12;
	return st;
}
