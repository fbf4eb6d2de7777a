/* about.c -- run.json: everything that makes the run what it is, so that it can be repeated, and resumed only as itself.
 * The finished OUT carries it as od-train.json. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic.h"
#include "io/map.h"
#include "train/train.h"

#define MAX_ABOUT ((size_t)16 << 20)

static json_t *
objective_json(const struct od_objective *o)
{
	return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:b, s:b, s:b, s:s}",
		"objective", od_objective_names[o->kind], "beta", o->beta, "eta", o->eta, "gamma", o->gamma,
		"tau-ref", o->tau_ref, "tau-good", o->tau_good, "lambda", o->lambda, "simpo-gamma", o->simpo_gamma,
		"label-smoothing", o->label_smoothing, "gate-margin", o->gate_margin, "qual", o->qual, "perf", o->perf,
		"length-norm", o->length_norm, "detach-perf", o->detach_perf, "gate", od_gate_names[o->gate]);
}

/* Settings that decide the bytes of the result: a resume must agree with all of them. */
static json_t *
settings_json(const struct train_options *o)
{
	const struct od_train_settings *s = &o->set;
	json_t *json = objective_json(&s->objective);
	json_t *more = json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I,"
		" s:b, s:I}", "sft-norm", s->sft_token_mean ? "token" : "sequence", "lr", s->lr, "beta1", s->beta1,
		"beta2", s->beta2, "adam-eps", s->eps, "weight-decay", s->weight_decay, "clip", s->clip,
		"schedule", od_decay_names[s->decay], "warmup-ratio", s->warmup_ratio,
		"warmup-steps", (json_int_t)s->warmup_steps, "batch", (json_int_t)s->batch,
		"epochs", (json_int_t)s->epochs, "steps", (json_int_t)s->steps, "micro-tokens", (json_int_t)o->micro_tokens, "seed", (json_int_t)s->seed,
		"shuffle", s->shuffle, "eval-every", (json_int_t)o->run.eval_every, "keep-best", o->run.keep_best,
		"patience", (json_int_t)o->run.patience);

	if (json && more)
		json_object_update(json, more);
	json_decref(more);
	return json;
}

/* Ranks go through the run in lockstep: what decides what comes next must be the same for all of them. Devices and threads
 * may differ. */
enum od_status
train_same_options(const struct train *t, struct od_error *err)
{
	const struct train_options *o = t->o;
	json_t *json = settings_json(o);
	char *mine = NULL, *theirs = NULL;
	enum od_status st = json && json_object_set_new(json, "work", json_pack("[b,b,b,b,b,s?,I,I]", o->resume, o->run.force,
		o->dry_run, o->dump_grad != NULL, o->eval != NULL, o->run.out, (json_int_t)o->run.save_every,
		(json_int_t)o->run.keep)) == 0 ? OD_OK : od_fail_nomem(err, "the settings", 0);

	if (st == OD_OK && (!(mine = json_dumps(json, JSON_SORT_KEYS)) || !(theirs = strdup(mine))))
		st = od_fail_nomem(err, "the settings", 0);
	st = od_ranks_agree(t->ranks, st, err);
	if (st == OD_OK)
		st = od_ranks_string(t->ranks, &theirs, err);
	if (st == OD_OK) {
		if (strcmp(mine, theirs) != 0)
			st = od_fail(err, OD_EUSAGE, "its options are not those of rank 0");
		st = od_ranks_agree(t->ranks, st, err);
	}
	json_decref(json);
	free(mine);
	free(theirs);
	return st;
}

static enum od_status
hash_spool(const struct train *t, const char *name, char hex[OD_HASH_HEX], struct od_error *err)
{
	char *path = od_path_join(t->dir, name);
	struct od_map m = OD_MAP_INIT;
	enum od_status st = path ? od_map_open(&m, path, err) : od_fail_nomem(err, "a path", strlen(t->dir));

	if (st == OD_OK)
		st = od_sha256_hex(m.data, m.n, hex, err);
	od_map_close(&m);
	free(path);
	return st;
}

static json_t *
dropped_json(const struct od_spool *s)
{
	json_t *json = json_object();

	for (int d = OD_KEEP + 1; json && d < OD_N_DROPS; d++)
		if (s->dropped[d])
			json_object_set_new(json, od_drop_names[d], json_integer(s->dropped[d]));
	return json;
}

static json_t *
strings_json(const char *const *s, size_t n)
{
	json_t *json = json_array();

	for (size_t i = 0; json && i < n; i++)
		json_array_append_new(json, json_string(s[i]));
	return json;
}

/* The command line without what a second start of the same run adds. */
static json_t *
command_json(const struct train *t)
{
	json_t *json = json_array();

	for (int i = 0; json && i < t->argc; i++)
		if (strcmp(t->argv[i], "--resume") != 0)
			json_array_append_new(json, json_string(i ? t->argv[i] : "od-train"));
	return json;
}

static json_t *
data_json(const struct od_spool *s, json_t *files, const char *hash)
{
	return json_pack("{s:o, s:I, s:o, s:I, s:I, s:s}", "files", files, "pairs", (json_int_t)s->pairs,
		"left_out", dropped_json(s), "cut", (json_int_t)s->cut, "skipped", (json_int_t)s->skipped,
		"sha256", hash);
}

enum od_status
train_describe(struct train *t, json_t **about, struct od_error *err)
{
	const struct od_ref_info *ref = &t->spool.ref;
	char hash[OD_HASH_HEX], eval_hash[OD_HASH_HEX], rules[128];
	json_t *json;
	enum od_status st = hash_spool(t, "spool.pairs", hash, err);

	if (st == OD_OK && t->held_out)
		st = hash_spool(t, "eval.pairs", eval_hash, err);
	if (st != OD_OK)
		return st;
	od_rules_name(&t->spool.rules, rules);
	json = json_pack("{s:s, s:s, s:o, s:{s:s, s:s, s:s}, s:s, s:o, s:{s:s, s:s, s:s, s:s}, s:o, s:{s:I, s:I, s:I},"
		" s:{s:I, s:s}}", "tool", "od-train", "version", OD_VERSION, "command", command_json(t),
		"model", "path", t->o->model, "hash", t->model.hash,
		"tokenizer", t->start.tokenizer ? od_tokenizer_hash(t->start.tokenizer) : "", "rules", rules,
		"data", data_json(&t->spool, strings_json(t->files, t->n_files), hash),
		"reference", "model", ref->model, "tokenizer", ref->tokenizer, "rules", ref->rules,
		"numerics", ref->numerics,
		"settings", settings_json(t->o), "schedule", "updates", (json_int_t)t->trainer.schedule.total,
		"warmup", (json_int_t)t->trainer.schedule.warmup, "micro_tokens", (json_int_t)t->o->set.micro_tokens, "machine", "threads", (json_int_t)omp_get_max_threads(),
		"numerics", t->be->numerics);
	if (json && t->ranks->n > 1)
		json_object_set_new(json_object_get(json, "machine"), "ranks", json_integer(t->ranks->n));
	if (json && t->held_out)
		json_object_set_new(json, "held_out", data_json(&t->eval_spool, strings_json(&t->o->eval, 1), eval_hash));
	if (json && t->o->recipe)
		json_object_set_new(json, "recipe", json_string(t->o->recipe->name));
	if (!json)
		return od_fail_nomem(err, "the run's description", 0);
	*about = json;
	return OD_OK;
}

enum od_status
train_write_about(const struct train *t, struct od_error *err)
{
	char *path = od_path_join(t->dir, "run.json");
	char *text = json_dumps(t->about, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	enum od_status st = path && text ? od_atomic_write(path, text, strlen(text), err)
		: od_fail_nomem(err, "run.json", 0);

	free(path);
	free(text);
	return st;
}

/* ---- resume ---------------------------------------------------------------------------------------------------- */

static enum od_status
same_settings(const json_t *theirs, const struct train_options *o, struct od_error *err)
{
	json_t *ours = settings_json(o), *mine;
	const char *name;
	enum od_status st = ours ? OD_OK : od_fail_nomem(err, "the settings", 0);

	json_object_foreach(ours, name, mine) {
		const json_t *was = json_object_get(theirs, name);
		char *a, *b;

		if (st != OD_OK || json_equal(was, mine))
			continue;
		a = was ? json_dumps(was, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
		b = json_dumps(mine, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		st = od_fail(err, OD_EMISMATCH, "cannot resume '%s': it was started with '%s' %s, this command says %s",
			o->run.dir, name, a ? a : "absent", b ? b : "?");
		free(a);
		free(b);
	}
	json_decref(ours);
	return st;
}

static enum od_status
same_spool(const struct train *t, const char *name, const char *section, struct od_error *err)
{
	const char *want = json_string_value(json_object_get(json_object_get(t->about, section), "sha256"));
	char have[OD_HASH_HEX];
	enum od_status st = hash_spool(t, name, have, err);

	if (st == OD_OK && (!want || strcmp(want, have) != 0))
		st = od_fail(err, OD_EFORMAT, "%s/%s: the spooled pairs are damaged: not the file that was written", t->dir,
			name);
	return st;
}

/* The bytes of a result are a promise for one machine, number of threads and number of ranks only. */
void
train_compare_machine(const struct train *t)
{
	const json_t *was = json_object_get(t->about, "machine");
	const char *numerics = json_string_value(json_object_get(was, "numerics"));
	long long threads = json_integer_value(json_object_get(was, "threads"));

	long long ranks = json_object_get(was, "ranks") ? json_integer_value(json_object_get(was, "ranks")) : 1;

	if (ranks != t->ranks->n)
		od_warn("the run had %lld rank%s, now it has %d: results may differ in the last digits", ranks,
			ranks == 1 ? "" : "s", t->ranks->n);
	if (threads != omp_get_max_threads())
		od_warn("the run had %lld threads, now it has %d: results may differ in the last digits", threads,
			omp_get_max_threads());
	if (numerics && strcmp(numerics, t->be->numerics) != 0)
		od_warn("the run had the numerics '%s', now they are '%s'", numerics, t->be->numerics);
}

enum od_status
train_read_about(struct train *t, struct od_error *err)
{
	char *path = od_path_join(t->dir, "run.json"), *text = NULL;
	size_t len;
	enum od_status st = path ? od_in_slurp(path, MAX_ABOUT, &text, &len, err) : od_fail_nomem(err, "a path", 0);

	if (st == OD_OK)
		st = od_json_parse(text, len, path, &t->about, err);
	if (st == OD_OK)
		st = same_settings(json_object_get(t->about, "settings"), t->o, err);
	if (st == OD_OK && t->o->set.micro_tokens == 0)        /* chosen at the start: the same now, whatever is free now */
		t->o->set.micro_tokens = json_integer_value(json_object_get(json_object_get(t->about, "schedule"),
			"micro_tokens"));
	if (st == OD_OK && (json_object_get(t->about, "held_out") != NULL) != (t->o->eval != NULL))
		st = od_fail(err, OD_EMISMATCH, "cannot resume '%s': it was started %s '--eval'", t->dir,
			t->o->eval ? "without" : "with");
	if (st == OD_OK)
		st = same_spool(t, "spool.pairs", "data", err);
	if (st == OD_OK && t->o->eval)
		st = same_spool(t, "eval.pairs", "held_out", err);
	free(text);
	free(path);
	return st;
}
