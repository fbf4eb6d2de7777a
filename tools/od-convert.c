/* od-convert: models between GGUF and Hugging Face directories, and new ones. What is done is in tools/convert/convert.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/convert.h"
#include "io/atomic.h"
#include "io/stream.h"
#include "tools/common/cli.h"

struct options {
	struct od_common_options common;
	int dtype;
	int64_t shard_size;
	bool force;
	struct cv_init_options init;
};

static const char *const dtypes[] = { [CV_AUTO] = "auto", [CV_F32] = "f32", [CV_BF16] = "bf16", NULL };

static const struct od_opt convert_opts[] = {
	OD_OPT_ENUM(struct options, dtype, "dtype", "TYPE", dtypes,
		"auto, f32 or bf16; auto keeps a directory's types and takes f32 out of GGUF"),
	OD_OPT_SIZE(struct options, shard_size, "shard-size", "BYTES",
		"split the weights of a directory into files of at most this size"),
	OD_OPT_FLAG(struct options, force, "force", "replace an existing output"),
	OD_OPT_END
};

#define T struct cv_init_options

static const struct od_opt init_opts[] = {
	OD_OPT_STR(T, init, "init", "CONFIG", "write a model of random weights with this config.json instead of converting one"),
	OD_OPT_INT(T, seed, "seed", "N", 0, 9e18, "seed of the random weights"),
	OD_OPT_DOUBLE(T, std, "std", "S", 0, 100,
		"deviation of the random weights (0: the configuration's initializer_range, else 0.02)"),
	OD_OPT_STR(T, tokenizer, "tokenizer", "DIR", "with --init: take the tokenizer of this directory"),
	OD_OPT_STR(T, chars, "chars", "TEXT", "write a tokenizer whose tokens are the characters of TEXT, with --init or alone"),
	OD_OPT_STR(T, vocab_from, "vocab-from", "FILE", "the same, with the characters of a text file"),
	OD_OPT_END
};

#undef T

static const struct od_tool tool = {
	"od-convert",
	"convert models between GGUF and Hugging Face directories, and make new ones",
	"[OPTION...] IN OUT\n       od-convert [OPTION...] --init CONFIG OUT",
	"IN is a GGUF file, a GGUF file inside an archive (archive.zip:path/model.gguf), or a model\n"
	"directory. OUT is a directory, or a GGUF file when its name ends in .gguf.\n",
};

static bool
is_dir(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

static bool
ends_in_gguf(const char *path)
{
	size_t n = strlen(path);

	return n > 5 && strcmp(path + n - 5, ".gguf") == 0;
}

/* A plain file that can be mapped as it is; anything else goes through the stream layer. */
static bool
is_plain_gguf(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[4] = "";
	struct stat sb;
	bool is;

	if (fd < 0)
		return false;
	is = fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) && read(fd, magic, 4) == 4 && memcmp(magic, "GGUF", 4) == 0;
	close(fd);
	return is;
}

static bool
is_empty_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = d != NULL;

	while (empty && (e = readdir(d)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d)
		closedir(d);
	return empty;
}

/* --force takes away nothing but what looks like an output of the kind that is to be written. */
static bool
may_replace(const char *out)
{
	static const char *const marks[] = { "config.json", "tokenizer.json" };
	bool model = false;

	if (ends_in_gguf(out) || !is_dir(out))
		return ends_in_gguf(out) && !is_dir(out);
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		char *path = od_path_join(out, marks[i]);

		model = model || (path && od_path_exists(path));
		free(path);
	}
	return model || is_empty_dir(out);
}

static enum od_status
check_target(const char *in, const char *out, bool force, struct od_error *err)
{
	struct stat a, b;

	if (strcmp(out, "-") == 0)
		return od_fail(err, OD_EUSAGE, "cannot write a model to standard output");
	if (stat(in, &a) == 0 && stat(out, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return od_fail(err, OD_EUSAGE, "input and output are both '%s'", out);
	if (!od_path_exists(out))
		return OD_OK;
	if (!force)
		return od_fail(err, OD_EEXIST, "cannot write '%s': it exists (--force replaces it)", out);
	if (!may_replace(out))
		return od_fail(err, OD_EEXIST, "cannot replace '%s': it does not look like a model of this kind", out);
	return OD_OK;
}

/* Copies a stream into a file, since GGUF is read by mapping. */
static enum od_status
extract(const char *name, const char *path, struct od_error *err)
{
	enum { CHUNK = 1 << 20 };
	struct od_out *out = NULL;
	struct od_in *in = NULL;
	struct od_progress *progress;
	char *buf = malloc(CHUNK);
	enum od_status st;
	size_t got = 1;

	st = buf ? od_in_open(&in, name, err) : od_fail_nomem(err, "a copy buffer", CHUNK);
	if (st == OD_OK)
		st = od_out_open(&out, path, err);
	progress = od_progress_begin("extracting", -1, "bytes");
	while (st == OD_OK && got > 0) {
		st = od_in_read(in, buf, CHUNK, &got, err);
		if (st == OD_OK && got)
			st = od_out_write(out, buf, got, err);
		if (st == OD_OK)
			od_progress_update(progress, od_in_offset(in), NULL);
	}
	od_progress_end(progress);
	if (st == OD_OK)
		st = od_out_close(out, err);
	else
		od_out_close(out, NULL);
	od_in_close(in);
	free(buf);
	return st;
}

static void
report(const struct cv_model *m, const char *out)
{
	int64_t elements = 0;

	for (size_t i = 0; i < m->n; i++)
		elements += m->tensors[i].n_elements;
	od_note("wrote '%s': %zu tensors, %.1f million parameters", out, m->n, (double)elements / 1e6);
}

static enum od_status
to_directory(const struct options *o, const char *in, const char *out, struct od_error *err)
{
	struct od_atomic_dir d = OD_ATOMIC_DIR_INIT;
	struct cv_model m = CV_MODEL_INIT;
	char *unpacked = NULL;
	enum od_status st = OD_OK;

	if (is_dir(in))
		st = cv_open_dir(&m, in, err);
	else if (is_plain_gguf(in))
		st = cv_open_gguf(&m, in, err);
	if (st == OD_OK)
		st = od_atomic_dir_begin(&d, out, err);
	if (st == OD_OK)
		st = cv_remove_on_signal(d.temp, err);
	if (st == OD_OK && !m.weights && !m.gguf) {
		unpacked = od_path_join(d.temp, ".input.gguf");
		st = unpacked ? extract(in, unpacked, err) : od_fail_nomem(err, "a path", strlen(out));
		if (st == OD_OK)
			st = cv_open_gguf(&m, unpacked, err);
		if (unpacked)
			unlink(unpacked);                /* the map keeps it */
	}
	if (st == OD_OK)
		st = cv_write_dir(&m, d.temp, (enum cv_dtype)o->dtype, o->shard_size, err);
	if (st == OD_OK)
		st = od_atomic_dir_commit(&d, o->force, err);
	if (st == OD_OK)
		report(&m, out);
	od_atomic_dir_release(&d);
	cv_release(&m);
	free(unpacked);
	return st;
}

static enum od_status
to_gguf(const struct options *o, const char *in, const char *out, struct od_error *err)
{
	struct od_atomic_file f = OD_ATOMIC_FILE_INIT;
	struct cv_model m = CV_MODEL_INIT;
	enum od_status st;

	if (!is_dir(in))
		return od_fail(err, OD_EUSAGE, "cannot make a GGUF file from '%s': it is not a model directory", in);
	if (o->shard_size > 0)
		return od_fail(err, OD_EUSAGE, "--shard-size is for directories, not GGUF files");
	st = cv_open_dir(&m, in, err);
	if (st == OD_OK)
		st = od_atomic_file_begin(&f, out, err);
	if (st == OD_OK && f.temp)
		st = cv_remove_on_signal(f.temp, err);
	if (st == OD_OK)
		st = cv_write_gguf(&m, f.out, (enum cv_dtype)o->dtype, err);
	if (st == OD_OK)
		st = od_atomic_file_commit(&f, err);
	if (st == OD_OK)
		report(&m, out);
	od_atomic_file_release(&f);
	cv_release(&m);
	return st;
}

/* ---- a new model ------------------------------------------------------------------------------------------------- */

static bool
is_new(const struct cv_init_options *o)
{
	return o->init || o->chars || o->vocab_from;
}

static enum od_status
check_new(const struct options *o, const char *out, struct od_error *err)
{
	const struct cv_init_options *i = &o->init;

	if (!!i->chars + !!i->vocab_from + !!i->tokenizer > 1)
		return od_fail(err, OD_EUSAGE, "--chars, --vocab-from and --tokenizer each name a tokenizer: choose one");
	if (i->tokenizer && !i->init)
		return od_fail(err, OD_EUSAGE, "--tokenizer needs --init");
	if (ends_in_gguf(out))
		return od_fail(err, OD_EUSAGE, "a new model is a directory: make '%s' from one", out);
	return check_target(i->init ? i->init : "", out, o->force, err);
}

static enum od_status
make_new(const struct options *o, const char *out, struct od_error *err)
{
	struct od_atomic_dir d = OD_ATOMIC_DIR_INIT;
	struct cv_model m = CV_MODEL_INIT;
	enum od_status st = check_new(o, out, err);

	if (st == OD_OK)
		st = od_atomic_dir_begin(&d, out, err);
	if (st == OD_OK)
		st = cv_remove_on_signal(d.temp, err);
	if (st == OD_OK)
		st = cv_write_tokenizer(&o->init, d.temp, err);
	if (st == OD_OK && o->init.init)
		st = cv_open_init(&m, &o->init, d.temp, err);
	if (st == OD_OK && o->init.init)
		st = cv_write_dir(&m, d.temp, (enum cv_dtype)o->dtype, o->shard_size, err);
	if (st == OD_OK)
		st = od_atomic_dir_commit(&d, o->force, err);
	if (st == OD_OK && o->init.init)
		report(&m, out);
	od_atomic_dir_release(&d);
	cv_release(&m);
	return st;
}

static enum od_status
run(const struct options *o, const char *const *operands, size_t n, struct od_error *err)
{
	enum od_status st;

	if (is_new(&o->init) && n != 1)
		return od_fail(err, OD_EUSAGE, "a new model needs one operand, OUT, not %zu", n);
	if (is_new(&o->init))
		return make_new(o, operands[0], err);
	if (o->init.tokenizer)
		return od_fail(err, OD_EUSAGE, "--tokenizer needs --init");
	if (n != 2)
		return od_fail(err, OD_EUSAGE, "needs two operands, IN and OUT, not %zu", n);
	st = check_target(operands[0], operands[1], o->force, err);
	if (st != OD_OK)
		return st;
	return (ends_in_gguf(operands[1]) ? to_gguf : to_directory)(o, operands[0], operands[1], err);
}

int
main(int argc, char **argv)
{
	struct options o = { .common = OD_COMMON_OPTIONS_INIT };
	const struct od_opt_group groups[] = {
		{ "Conversion", convert_opts, &o, NULL },
		{ "New models", init_opts, &o.init, NULL },
		{ "Common", od_common_opts, &o.common, NULL },
	};
	struct od_error err = OD_ERROR_INIT;
	const char *const *operands;
	size_t n;

	od_cli_begin(&tool, &o.common);
	operands = od_cli_parse(groups, sizeof groups / sizeof *groups, argc, argv, &n);
	(void)run(&o, operands, n, &err);
	return od_cli_end(&err, 0);
}
