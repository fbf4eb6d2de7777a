/* od-train -- trains a model on preference pairs. The order of things: options, the other ranks, model header and tokenizer,
 * input to spool, plan and memory, weights, self-test, then the run (lib/train).
 *
 * Of several ranks each comes through here. What touches the input and the run directory only rank 0 does; after each such
 * step od_ranks_agree tells the others, and they are given what they need to know of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "io/atomic.h"
#include "train/identity.h"
#include "train/train.h"

static volatile sig_atomic_t stop_signal;

static void
on_stop(int sig)
{
	stop_signal = sig;
}

/* From here on SIGINT and SIGTERM mean: save, then die of the signal. A second one kills at once. */
static void
catch_signals(void)
{
	struct sigaction a = { .sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&a.sa_mask);
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
}

/* ---- the run directory ----------------------------------------------------------------------------------------- */

static bool
has_file(const char *dir, const char *name)
{
	char *path = od_path_join(dir, name);
	bool yes = path && od_path_exists(path);

	free(path);
	return yes;
}

/* True when everything in dir is what od-train puts into a run directory: then it may be discarded. */
static bool
is_run_dir(const char *dir)
{
	static const char *const ours[] = { "spool.pairs", "eval.pairs", "run.json", "metrics.jsonl", "telemetry.jsonl",
		"step-", "." };
	DIR *d = opendir(dir);
	struct dirent *e;
	bool yes = d != NULL;

	while (yes && (e = readdir(d)) != NULL) {
		yes = false;
		for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
			yes = yes || strncmp(e->d_name, ours[i], strlen(ours[i])) == 0;
	}
	if (d)
		closedir(d);
	return yes;
}

static enum od_status
scratch_dir(struct train *t, struct od_error *err)
{
	const char *tmp = getenv("TMPDIR");

	t->dir = od_path_join(tmp && *tmp ? tmp : "/tmp", "od-train.XXXXXX");
	if (!t->dir)
		return od_fail_nomem(err, "a path", 0);
	if (!mkdtemp(t->dir))
		return od_fail_sys(err, errno, "cannot create directory '%s'", t->dir);
	t->made = true;
	return OD_OK;
}

/* One od-train at a time works in a run directory. */
static enum od_status
lock_dir(struct train *t, struct od_error *err)
{
	t->lock = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->lock < 0)
		return od_fail_sys(err, errno, "cannot open directory '%s'", t->dir);
	if (flock(t->lock, LOCK_EX | LOCK_NB) == 0)
		return OD_OK;
	close(t->lock);
	t->lock = -1;
	return errno == EWOULDBLOCK ? od_fail(err, OD_EEXIST, "another od-train is at work in '%s'", t->dir)
		: od_fail_sys(err, errno, "cannot lock '%s'", t->dir);
}

static enum od_status
make_run_dir(struct train *t, struct od_error *err)
{
	enum od_status st = od_make_dir(t->dir, err);

	if (st == OD_OK)
		st = lock_dir(t, err);
	t->made = st == OD_OK;
	return st;
}

static enum od_status
claim_existing(struct train *t, bool resume, struct od_error *err)
{
	bool live = has_file(t->dir, "run.json");
	enum od_status st = lock_dir(t, err);

	if (st != OD_OK)
		return st;
	if (live && resume) {
		t->resumable = true;
		return OD_OK;
	}
	if (live && !t->o->run.force)
		return od_fail(err, OD_EEXIST, "'%s' holds a run: --resume goes on with it, --force discards it", t->dir);
	if (!is_run_dir(t->dir))
		return od_fail(err, OD_EEXIST, "'%s' is there and is no run of od-train", t->dir);
	close(t->lock);
	t->lock = -1;
	st = od_remove_tree(t->dir, err);
	return st == OD_OK ? make_run_dir(t, err) : st;
}

/* *done: OUT is there already and there is nothing to resume. */
static enum od_status
claim_run_dir(struct train *t, bool *done, struct od_error *err)
{
	struct train_options *o = t->o;
	size_t len = o->run.out ? strlen(o->run.out) : 0;

	*done = false;
	if (o->dry_run || o->dump_grad)
		return scratch_dir(t, err);
	while (len > 1 && o->run.out[len - 1] == '/')
		len--;
	if (od_path_exists(o->run.out) && !o->run.force && !o->resume)
		return od_fail(err, OD_EEXIST, "'%s' exists already; --force replaces it", o->run.out);
	if (asprintf(&t->dir, "%.*s.run", (int)len, o->run.out) < 0)
		return od_fail_nomem(err, "a path", len);
	o->run.dir = t->dir;
	t->out = strndup(o->run.out, len);
	if (!t->out)
		return od_fail_nomem(err, "a path", len);
	o->run.out = t->out;
	*done = o->resume && od_path_exists(o->run.out);
	if (od_path_exists(t->dir) && !*done)
		return claim_existing(t, o->resume, err);
	return *done ? OD_OK : make_run_dir(t, err);
}

/* Collective: rank 0 claims, the others hear where the run lives. */
static enum od_status
claim_together(struct train *t, bool *done, struct od_error *err)
{
	struct od_ranks *r = t->ranks;
	bool flags[2] = { false, false };
	enum od_status st = r->rank == 0 ? claim_run_dir(t, done, err) : OD_OK;

	st = od_ranks_agree(r, st, err);
	if (st == OD_OK)
		st = od_ranks_string(r, &t->dir, err);
	if (st == OD_OK)
		st = od_ranks_string(r, &t->out, err);
	if (r->rank == 0)
		memcpy(flags, (bool[]){ *done, t->resumable }, sizeof flags);
	if (st == OD_OK)
		st = r->broadcast(r, 0, flags, sizeof flags, err);
	*done = flags[0];
	t->resumable = flags[1];
	t->o->run.dir = t->dir;
	t->o->run.out = t->out;
	t->o->run.start = t->o->model;
	return st;
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

/* Ranks of one machine that were told "cuda" take a GPU each. */
static enum od_status
open_device(struct train *t, struct od_error *err)
{
	struct od_device_options *d = &t->o->device;

	if (t->ranks->local_n > 1 && strcmp(d->device, "cuda") == 0) {
		if (asprintf(&t->device, "cuda:%d", t->ranks->local_rank) < 0) {
			t->device = NULL;
			return od_fail_nomem(err, "a device", 0);
		}
		d->device = t->device;
	}
	return od_device_open(&t->be, d, train_threads(t->ranks, t->o->common.threads), err);
}

/* Weights, gradients and moments are known before any data is. */
static enum od_status
check_room_for_model(struct train *t, struct od_error *err)
{
	struct od_footprint_of of = { &t->start.model.config, &t->start.model.params, t->be->type, t->be->host_memory,
		t->ranks->n, 0, 0, 0 };
	struct od_footprint f;
	enum od_status st = od_footprint(&of, &f, err);

	return st == OD_OK ? train_check_memory(t, f.total, " (weights, gradients and moments alone)", err) : st;
}

/* Configuration and layout: enough for the plan, and for refusing a bad directory before the input is read. Texts are rank
 * 0's business. */
static enum od_status
look_at_model(struct train *t, struct od_error *err)
{
	struct od_model *m = &t->start.model;
	struct od_safetensors *s = NULL;
	const char *dir = t->o->model;
	enum od_status st = od_config_load(&m->config, dir, err);

	if (st == OD_OK)
		st = od_safetensors_open_dir(&s, dir, err);
	if (st == OD_OK)
		st = od_params_layout(&m->params, &m->config, od_safetensors_find(s, "lm_head.weight") != NULL, err);
	od_safetensors_close(s);
	if (st == OD_OK && t->ranks->rank == 0 && has_file(dir, "tokenizer.json"))
		st = od_tokenizer_open(&t->start.tokenizer, dir, err);
	if (st == OD_OK)
		st = open_device(t, err);
	if (st == OD_OK && !t->o->dry_run)
		st = check_room_for_model(t, err);
	return od_ranks_agree(t->ranks, st, err);
}

/* ---- the self-test --------------------------------------------------------------------------------------------- */

/* Differences that mean another text or model under the same hashes, or numbers that belong to other records. */
static enum od_status
judge_identity(const struct train *t, const struct od_identity *id, struct od_error *err)
{
	const struct od_ref_info *ref = &t->spool.ref;
	bool same_numerics = strcmp(ref->numerics, t->be->numerics) == 0 && !t->spool.other_numerics;

	if (!same_numerics)
		od_warn("the reference was made with other numerics ('%s', here '%s'): log-probs differ by up to %.2g, "
			"which the gate's first condition sees at the start", ref->numerics, t->be->numerics, id->max_diff);
	else if (id->max_diff > OD_IDENTITY_TOLERANCE)
		return od_fail(err, OD_EMISMATCH, "self-test: the start model is the reference by its hash, but its log-probs "
			"of pair '%s' differ from the recorded ones by %.3g: the records' numbers belong to other texts",
			id->worst, id->max_diff);
	od_note("self-test: policy = reference on %lld pairs (largest difference %.2g); start loss %.6g, expected %.6g",
		(long long)id->pairs, id->max_diff, id->loss, id->expected);
	return OD_OK;
}

static enum od_status
self_test(struct train *t, struct od_error *err)
{
	struct od_identity id;
	bool due = t->spool.has_ref && strcmp(t->spool.ref.model, t->model.hash) == 0 && t->trainer.step == 0;
	enum od_status st = od_ranks_decide(t->ranks, &due, err);         /* only rank 0 has read the records */

	if (st != OD_OK || !due)
		return st;
	st = od_identity_check(&t->trainer, &id, err);
	if (st != OD_OK || id.pairs == 0)
		return st;
	return od_ranks_agree(t->ranks, t->ranks->rank == 0 ? judge_identity(t, &id, err) : OD_OK, err);
}

/* ---- what the user sees ---------------------------------------------------------------------------------------- */

static void
on_progress(void *ctx, const struct od_step_metrics *m, int64_t total)
{
	struct train *t = ctx;
	double accuracy = m->tally.accuracy / (double)m->tally.pairs;
	char extra[96], share[32] = "";

	(void)total;
	if (!isnan(accuracy))                        /* sft has none */
		snprintf(share, sizeof share, ", accuracy %.2f", accuracy);
	snprintf(extra, sizeof extra, "loss %.4g%s, %.0f tok/s", m->tally.loss, share,
		m->seconds > 0 ? (double)m->tally.tokens / m->seconds : 0);
	od_progress_update(t->progress, m->step, extra);
}

static void
on_evaluated(void *ctx, int64_t step, const struct od_tally *tally)
{
	double n = (double)tally->pairs;

	(void)ctx;
	if (isnan(tally->accuracy)) {
		od_note("step %lld: held-out loss %.6g (%lld records)", (long long)step, tally->loss, (long long)tally->pairs);
		return;
	}
	od_note("step %lld: held-out loss %.6g, accuracy %.4g, reward accuracy %.4g, margin %.4g (%lld pairs)",
		(long long)step, tally->loss, tally->accuracy / n, tally->reward_accuracy / n, tally->margin / n,
		(long long)tally->pairs);
}

static void
on_warn(void *ctx, const char *message)
{
	(void)ctx;
	od_warn("%s", message);
}

/* ---- gradient only --------------------------------------------------------------------------------------------- */

static enum od_status
write_gradient(const struct train *t, const float *grads, struct od_error *err)
{
	struct od_atomic_file file = OD_ATOMIC_FILE_INIT;
	enum od_status st = od_atomic_file_begin(&file, t->o->dump_grad, err);

	if (st == OD_OK)
		st = od_params_write(&t->model.params, grads, OD_F32, file.out, err);
	if (st == OD_OK)
		st = od_atomic_file_commit(&file, err);
	od_atomic_file_release(&file);
	return st;
}

static enum od_status
print_metrics(const struct od_step_metrics *m, struct od_error *err)
{
	struct od_buf line = OD_BUF_INIT;
	enum od_status st = OD_OK;

	od_metrics_step(&line, m);
	if (fwrite(line.data, 1, line.len, stdout) != line.len)
		st = od_fail_sys(err, errno, "cannot write '<stdout>'");
	od_buf_release(&line);
	return st;
}

/* The gradient into the file, the batch's metrics on standard output. */
static enum od_status
dump_gradient(struct train *t, struct od_error *err)
{
	int64_t total = t->model.params.total;
	bool leads = t->ranks->rank == 0;
	struct od_step_metrics m;
	float *grads = NULL;
	enum od_status st = od_trainer_gradient(&t->trainer, &m, NULL, err);

	if (st == OD_OK)
		st = od_trainer_norm(&t->trainer, &m.grad_norm, err);
	if (st != OD_OK)
		return st;
	m.clip_scale = 1;
	if (leads)
		st = od_alloc(&grads, (size_t)total, sizeof *grads, "the gradient", err);
	st = od_ranks_agree(t->ranks, st, err);
	if (st == OD_OK)
		st = od_trainer_fetch(&t->trainer, OD_GRADIENT, 0, total, grads, err);
	if (st == OD_OK && leads)
		st = write_gradient(t, grads, err);
	if (st == OD_OK && leads)
		st = print_metrics(&m, err);
	free(grads);
	return od_ranks_agree(t->ranks, st, err);
}

/* ---- the order of things --------------------------------------------------------------------------------------- */

/* Newest checkpoint: its directory (NULL: none) and state. */
static enum od_status
find_checkpoint(struct train *t, char **dir, struct od_error *err)
{
	int64_t *steps = NULL;
	size_t n = 0;
	enum od_status st = od_checkpoint_list(t->dir, &steps, &n, err);

	*dir = NULL;
	if (st == OD_OK && n) {
		if (asprintf(dir, "%s/step-%lld", t->dir, (long long)steps[n - 1]) < 0) {
			*dir = NULL;
			st = od_fail_nomem(err, "a path", 0);
		}
		if (st == OD_OK)
			st = od_checkpoint_open(*dir, &t->state, err);
	}
	free(steps);
	return st;
}

static enum od_status
same_start(const struct train *t, struct od_error *err)
{
	const char *was = json_string_value(json_object_get(json_object_get(t->about, "model"), "hash"));

	if (was && strcmp(was, t->model.hash) == 0)
		return OD_OK;
	return od_fail(err, OD_EMISMATCH, "cannot resume '%s': the model in '%s' is not the one it was started from",
		t->dir, t->o->model);
}

/* Ranks may have read different copies of "the same" directory. */
static enum od_status
same_model(const struct train *t, struct od_error *err)
{
	char theirs[OD_HASH_HEX];
	enum od_status st;

	memcpy(theirs, t->model.hash, sizeof theirs);
	st = t->ranks->broadcast(t->ranks, 0, theirs, sizeof theirs, err);
	if (st == OD_OK && strcmp(theirs, t->model.hash) != 0)
		st = od_fail(err, OD_EMISMATCH, "the model in '%s' is another one here than on rank 0", t->o->model);
	return od_ranks_agree(t->ranks, st, err);
}

static enum od_status
open_trainer(struct train *t, struct od_order *order, const char *checkpoint, struct od_error *err)
{
	const char *dir = checkpoint ? checkpoint : t->o->model;
	bool frozen = od_trainer_shards_weights(t->be, t->ranks);
	enum od_status st = od_ranks_agree(t->ranks, od_model_open(&t->model, dir, t->be, frozen, err), err);

	if (st == OD_OK)
		st = same_model(t, err);
	if (st != OD_OK)
		return st;
	if (t->about && !checkpoint)
		st = same_start(t, err);
	if (st == OD_OK)
		st = od_trainer_open(&t->trainer, &t->model, order, &t->o->set, train_eval_tokens(t), t->ranks, err);
	if (st == OD_OK)
		st = od_trainer_load_master(&t->trainer, dir, err);
	if (st == OD_OK && checkpoint)
		st = od_checkpoint_load(&t->trainer, checkpoint, &t->state, err);
	t->trainer.stop = &stop_signal;
	if (st == OD_OK && t->about)
		train_compare_machine(t);
	return od_ranks_agree(t->ranks, st, err);
}

/* Rank 0's part of the input, and the newest checkpoint where a run goes on. */
static enum od_status
read_input(struct train *t, char **checkpoint, struct od_error *err)
{
	enum od_status st = t->resumable ? train_read_about(t, err) : train_read_data(t, err);

	return st == OD_OK && t->resumable ? find_checkpoint(t, checkpoint, err) : st;
}

/* Every rank reads the spool that rank 0 made. */
static enum od_status
open_data(struct train *t, struct od_error *err)
{
	int64_t least, most;
	enum od_status st = train_open_data(t, err);

	if (st != OD_OK && t->ranks->rank != 0)
		od_error_prefix(err, "the run directory must be where all ranks can read it: ");
	st = od_ranks_agree(t->ranks, st, err);
	if (st == OD_OK)
		st = od_ranks_range(t->ranks, od_pairfile_count(t->pairs), &least, &most, err);
	if (st == OD_OK && least != most)
		st = od_fail(err, OD_EMISMATCH, "'%s' is not the same directory for all ranks: some see %lld pairs, others %lld",
			t->dir, (long long)least, (long long)most);
	return st;
}

/* Collective: from the input to what every rank knows of it. *checkpoint is malloc'd, NULL: none. */
static enum od_status
read_together(struct train *t, char **checkpoint, struct od_error *err)
{
	struct od_ranks *r = t->ranks;
	enum od_status st = od_ranks_agree(r, r->rank == 0 ? read_input(t, checkpoint, err) : OD_OK, err);

	if (st == OD_OK)
		st = od_ranks_string(r, checkpoint, err);
	if (st == OD_OK)
		st = r->broadcast(r, 0, &t->state, sizeof t->state, err);
	if (st == OD_OK)                             /* a resume takes it from the run */
		st = r->broadcast(r, 0, &t->o->set.micro_tokens, sizeof t->o->set.micro_tokens, err);
	return st == OD_OK ? open_data(t, err) : st;
}

/* Everything before the first update. *go: there is training to do. */
static enum od_status
prepare(struct train *t, bool *go, struct od_error *err)
{
	struct od_order order = { .epoch = -1 };
	struct train_plan plan;
	char *checkpoint = NULL;
	enum od_status st = read_together(t, &checkpoint, err);

	*go = false;
	if (st == OD_OK)
		st = od_ranks_agree(t->ranks, od_order_open(&order, t->pairs, t->o->set.batch, t->o->set.seed,
			t->o->set.shuffle, err), err);
	if (st == OD_OK)
		st = train_make_plan(t, &order, &plan, err);
	if (st != OD_OK)
		goto out;
	t->planned = plan.peak;
	if (plan.micro.max_pos > t->start.model.config.max_position_embeddings)
		od_warn("the longest sequence has %lld tokens, the model was made for %lld", (long long)plan.micro.max_pos,
			(long long)t->start.model.config.max_position_embeddings);
	if (t->o->dry_run)
		train_print_plan(t, &plan);
	st = od_ranks_agree(t->ranks, train_check_memory(t, plan.peak, "; --micro-tokens makes the activations smaller", err),
		err);
	if (st == OD_OK && !t->o->dry_run) {
		st = open_trainer(t, &order, checkpoint, err);
		*go = st == OD_OK;
	}
out:
	od_order_release(&order);
	free(checkpoint);
	return st;
}

/* How much memory the run took, of the rank that took most. */
static void
report_memory(const struct train *t)
{
	char peak[OD_NUM_TEXT], planned[OD_NUM_TEXT];
	int64_t least, most;

	if (od_ranks_range(t->ranks, (int64_t)train_peak_memory(), &least, &most, NULL) != OD_OK || most <= 0)
		return;
	od_num_human_bytes(peak, (double)most);
	od_num_human_bytes(planned, t->planned);
	od_note("peak memory of a process %s; planned %s%s", peak, planned, t->be->host_memory ? "" : " on the device");
}

static enum od_status
train(struct train *t, struct od_error *err)
{
	struct od_run *r = &t->run;
	enum od_status st;

	*r = (struct od_run){ .opt = &t->o->run, .trainer = &t->trainer, .held_out = t->held_out, .state = t->state,
		.saved_step = t->state.step > 0 ? t->state.step : -1, .progress = on_progress, .evaluated = on_evaluated,
		.warn = on_warn, .ctx = t };
	catch_signals();
	signal(SIGPIPE, SIG_IGN);                    /* a reader of the metrics that leaves must not end the run */
	st = od_run_open(r, err);
	t->progress = od_progress_begin("training", t->trainer.schedule.total, "updates");
	if (st == OD_OK)
		st = od_run_train(r, err);
	od_progress_end(t->progress);
	if (st == OD_OK)
		st = od_run_finish(r, t->about, err);
	if (st == OD_OK)
		report_memory(t);
	if (st == OD_OK)
		od_note("%lld updates; the model is in '%s'%s", (long long)t->trainer.step, t->o->run.out,
			r->stopped_early ? " (stopped early: --patience)" : "");
	if (st == OD_EINTERRUPT)
		snprintf(err->msg, sizeof err->msg, "interrupted after update %lld; --resume goes on",
			(long long)t->trainer.step);
	od_run_close(r);
	return st;
}

static void
say_recipe(const struct train *t)
{
	struct od_buf text = OD_BUF_INIT;

	if (!t->o->recipe)
		return;
	od_recipe_describe(t->o->recipe, &text);
	od_note("%s", od_buf_ok(&text) ? text.data : t->o->recipe->name);
	od_buf_release(&text);
}

/* Collective: run.json, which makes the run one that can be resumed. */
static enum od_status
describe_run(struct train *t, struct od_error *err)
{
	enum od_status st = OD_OK;

	if (t->ranks->rank == 0) {
		st = train_describe(t, &t->about, err);
		if (st == OD_OK)
			st = train_write_about(t, err);
		t->resumable = st == OD_OK;
	}
	return od_ranks_agree(t->ranks, st, err);
}

/* Devices that can reach each other exchange without the host. */
static enum od_status
join_devices(struct train *t, struct od_error *err)
{
	bool joined;
	enum od_status st = od_ranks_join_devices(t->ranks, t->be, &joined, err);

	if (st == OD_OK && t->ranks->n > 1 && !t->be->host_memory)
		od_note("the ranks' devices exchange %s", joined ? "by NCCL" : "through host memory: NCCL is not installed, or two "
			"ranks share a device");
	return st;
}

static enum od_status
run(struct train *t, struct od_error *err)
{
	bool done = false, go = false, resumed;
	enum od_status st;

	say_recipe(t);
	if (t->ranks->n > 1)
		od_note("%d ranks (%s), %d on this machine", t->ranks->n, t->ranks->how, t->ranks->local_n);
	st = train_same_options(t, err);
	if (st == OD_OK)
		st = look_at_model(t, err);
	if (st == OD_OK)
		st = join_devices(t, err);
	if (st == OD_OK)
		st = claim_together(t, &done, err);
	if (st == OD_OK && done) {
		od_note("'%s' is there: the run has finished", t->o->run.out);
		return od_ranks_agree(t->ranks, t->ranks->rank == 0 && od_path_exists(t->dir) ? od_run_sweep(&t->o->run, err)
			: OD_OK, err);
	}
	resumed = t->resumable;
	if (st == OD_OK)
		st = prepare(t, &go, err);
	if (st != OD_OK || !go)
		return st;
	if (t->o->dump_grad)
		return dump_gradient(t, err);
	if (!resumed) {
		st = self_test(t, err);
		if (st == OD_OK)
			st = describe_run(t, err);
	}
	return st == OD_OK ? train(t, err) : st;
}

static void
close_all(struct train *t)
{
	od_trainer_close(&t->trainer);
	if (t->be)
		od_model_close(&t->model);
	od_backend_close(t->be);
	od_pairfile_close(t->pairs);
	od_pairfile_close(t->held_out);
	od_params_release(&t->start.model.params);
	od_tokenizer_close(t->start.tokenizer);
	json_decref(t->about);
	/* What cannot be resumed is of no use to anyone. */
	if (t->made && !t->resumable)
		if (od_remove_tree(t->dir, NULL) != OD_OK)
			od_warn("cannot remove '%s'", t->dir);
	if (t->lock >= 0)
		close(t->lock);
	free(t->out);
	free(t->dir);
	free(t->device);
}

/* The last thing ranks do together. A launcher kills all processes when the first of them fails, so rank 0 speaks before any
 * leaves. One that has lost the others speaks for itself: rank 0 may not know. */
static void
leave(struct od_ranks *r, struct od_error *err)
{
	bool told = true;

	if (r->n == 1)
		return;
	if (r->lost) {
		od_cli_mute(false);
		od_error_prefix(err, "rank %d: ", r->rank);
	}
	od_cli_report(err);
	if (!r->lost && od_ranks_decide(r, &told, NULL) != OD_OK)
		od_warn("the ranks lost each other at the end");
	r->close(r, err->status == OD_OK ? 0 : 1);
}

int
main(int argc, char **argv)
{
	struct od_error err = OD_ERROR_INIT;
	struct train_launcher launcher;
	struct train_options o;
	struct train t = { .o = &o, .argc = argc, .argv = argv, .lock = -1, .state = OD_RUN_STATE_INIT };
	char **kept = calloc((size_t)argc + 1, sizeof *kept);      /* the parser reorders argv */
	enum od_status st;

	od_device_settle_threads(argv, OD_SPINS_PASS);
	if (kept)
		memcpy(kept, argv, (size_t)argc * sizeof *kept);
	t.argv = kept ? kept : argv;
	t.ranks = od_ranks_alone();
	train_find_launcher(&launcher);
	train_follow(&launcher);
	st = train_options_parse(&o, argc, argv, &t.files, &t.n_files, &err);
	if (st == OD_OK && o.plan)
		st = train_plan_shape(&o, &err);
	else if (st == OD_OK)
		st = train_join(&launcher, o.use_ranks, &t.ranks, &err);
	if (st == OD_OK && !o.plan)
		st = run(&t, &err);
	err.status = st;
	close_all(&t);
	leave(t.ranks, &err);
	free(kept);
	return od_cli_end(&err, t.spool.skipped + t.eval_spool.skipped);
}
