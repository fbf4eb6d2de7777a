/* tokenizer_open.c -- the tokenizer of a model directory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/stream.h"
#include "text/tokenizer_impl.h"

#define MAX_FILE ((size_t)256 << 20)

const char *const od_tokenizer_files[] = {
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
	"chat_template.json", "vocab.json", "merges.txt", "tokenizer.model", NULL
};

/* Reads dir/name; a file that is not there gives *data = NULL when it is optional. */
static enum od_status
read_file(const char *dir, const char *name, bool optional, char **data, size_t *len, struct od_error *err)
{
	struct od_buf path = OD_BUF_INIT;
	struct od_error why = OD_ERROR_INIT;
	enum od_status st;

	*data = NULL;
	*len = 0;
	od_buf_printf(&path, "%s/%s", dir, name);
	if (!od_buf_ok(&path)) {
		st = od_fail_nomem(err, "a path", path.len);
	} else {
		st = od_in_slurp(path.data, MAX_FILE, data, len, &why);
		if (st == OD_ESYS && why.sys == ENOENT && optional)
			st = OD_OK;
		else if (st != OD_OK && err)
			*err = why;
	}
	od_buf_release(&path);
	return st;
}

enum od_status
od_tokenizer_open(struct od_tokenizer **out, const char *dir, struct od_error *err)
{
	struct od_tokenizer *t = NULL;
	struct od_buf name = OD_BUF_INIT;
	char *json = NULL, *config = NULL, *jinja = NULL;
	size_t n_json = 0, n_config = 0, n_jinja = 0;
	enum od_status st = read_file(dir, "tokenizer.json", false, &json, &n_json, err);

	if (st == OD_OK)
		st = read_file(dir, "tokenizer_config.json", true, &config, &n_config, err);
	/* Newer directories keep the chat template in a file of its own, which then wins. */
	if (st == OD_OK)
		st = read_file(dir, "chat_template.jinja", true, &jinja, &n_jinja, err);
	od_buf_printf(&name, "%s/tokenizer.json", dir);
	if (st == OD_OK)
		st = od_tokenizer_parse(&t, json, n_json, config, n_config,
			od_buf_ok(&name) ? name.data : dir, err);
	if (st != OD_OK && err && strncmp(err->msg, "tokenizer_config.json", 21) == 0)
		od_error_prefix(err, "%s/", dir);
	if (st == OD_OK && jinja) {
		free(t->chat_template);
		t->chat_template = jinja;
		jinja = NULL;
	}
	if (st == OD_OK)
		*out = t;
	od_buf_release(&name);
	free(json);
	free(config);
	free(jinja);
	return st;
}
