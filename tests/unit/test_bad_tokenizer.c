/* test_bad_tokenizer.c -- files that are no tokenizer, or one this project cannot run: a status, a clear line, no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text_help.h"

#define V "'vocab':{'a':0,'b':1,'ab':2}"
#define M "'model':{'type':'BPE'," V ",'merges':['a b']}"
#define FILE_TEXT(model, rest) "{'model':{" model "}" rest "}"

struct bad {
	const char *text;
	enum od_status status;
	const char *part;
};

static const struct bad cases[] = {
	{ "", OD_EFORMAT, "t: line" },
	{ "{", OD_EFORMAT, "t: line 1: " },
	{ "[]", OD_EFORMAT, "must hold an object" },
	{ "\xff", OD_EFORMAT, "t: line" },
	{ "{'model':{'vocab':{'a':0,'a':1}}}", OD_EFORMAT, "duplicate object key" },
	{ "{}", OD_EFORMAT, "t: field 'model' is missing" },
	{ "{'model':3}", OD_EFORMAT, "field 'model' must be an object" },
	{ "{'model':{}}", OD_EFORMAT, "field 'vocab' is missing" },
	{ FILE_TEXT("'vocab':[]", ""), OD_EFORMAT, "field 'vocab' must be an object with tokens" },
	{ FILE_TEXT("'vocab':{}", ""), OD_EFORMAT, "field 'vocab' must be an object with tokens" },
	{ FILE_TEXT("'type':'WordPiece'", ""), OD_ESUPPORT, "tokenizer model 'WordPiece' is not supported" },
	{ FILE_TEXT("'type':1", ""), OD_ESUPPORT, "is not supported, only BPE" },
	{ FILE_TEXT("'dropout':0.1," V ",'merges':[]", ""), OD_ESUPPORT, "dropout" },
	{ FILE_TEXT("'end_of_word_suffix':'</w>'," V ",'merges':[]", ""), OD_ESUPPORT, "'end_of_word_suffix'" },
	{ FILE_TEXT("'vocab':{'a':'0'},'merges':[]", ""), OD_EFORMAT, "id of token 'a' must be an integer" },
	{ FILE_TEXT("'vocab':{'a':0.5},'merges':[]", ""), OD_EFORMAT, "id of token 'a' must be an integer" },
	{ FILE_TEXT("'vocab':{'a':-1},'merges':[]", ""), OD_EFORMAT, "id -1 of token 'a' is out of range" },
	{ FILE_TEXT("'vocab':{'a':2000000000},'merges':[]", ""), OD_EFORMAT, "id 2000000000 of token 'a' is out of range" },
	{ FILE_TEXT("'vocab':{'a':9223372036854775807},'merges':[]", ""), OD_EFORMAT, "is out of range" },
	{ FILE_TEXT("'vocab':{'a':0,'b':0},'merges':[]", ""), OD_EFORMAT, "id 0 belongs to two tokens, 'a' and 'b'" },
	{ FILE_TEXT(V, ""), OD_EFORMAT, "field 'merges' is missing" },
	{ FILE_TEXT(V ",'merges':{}", ""), OD_EFORMAT, "field 'merges' must be a list" },
	{ FILE_TEXT(V ",'merges':['a b','ab']", ""), OD_EFORMAT, "merge 1 must be two tokens" },
	{ FILE_TEXT(V ",'merges':['a b c']", ""), OD_EFORMAT, "merge 0 must be two tokens" },
	{ FILE_TEXT(V ",'merges':[' b']", ""), OD_EFORMAT, "merge 0 must be two tokens" },
	{ FILE_TEXT(V ",'merges':[['a']]", ""), OD_EFORMAT, "merge 0 must be two tokens" },
	{ FILE_TEXT(V ",'merges':[['a',1]]", ""), OD_EFORMAT, "merge 0 must be two tokens" },
	{ FILE_TEXT(V ",'merges':[['a','']]", ""), OD_EFORMAT, "merge 0 must be two tokens" },
	{ FILE_TEXT(V ",'merges':[1]", ""), OD_EFORMAT, "merge 0 must be two tokens" },
	{ FILE_TEXT(V ",'merges':['a z']", ""), OD_EFORMAT, "merge 0 names 'z', which is not in the vocabulary" },
	{ FILE_TEXT(V ",'merges':['a a']", ""), OD_EFORMAT, "merge 0 makes 'aa', which is not in the vocabulary" },
	{ FILE_TEXT(V ",'merges':[],'unk_token':'?'", ""), OD_EFORMAT, "unk_token '?' is not in the vocabulary" },
	{ FILE_TEXT(V ",'merges':[],'unk_token':3", ""), OD_EFORMAT, "field 'unk_token' must be a string" },
	{ FILE_TEXT(V ",'merges':[],'byte_fallback':1", ""), OD_EFORMAT, "field 'byte_fallback' must be true or false" },
	{ "{" M ",'added_tokens':{}}", OD_EFORMAT, "field 'added_tokens' must be a list" },
	{ "{" M ",'added_tokens':[3]}", OD_EFORMAT, "added_tokens 0: field 'content' is missing" },
	{ "{" M ",'added_tokens':[{'content':'x'}]}", OD_EFORMAT, "added_tokens 0: id of token 'x' must be an integer" },
	{ "{" M ",'added_tokens':[{'content':'x','id':0}]}", OD_EFORMAT, "id 0 belongs to two tokens, 'a' and 'x'" },
	{ "{" M ",'added_tokens':[{'content':'a','id':7}]}", OD_EFORMAT, "token 'a' has two ids, 0 and 7" },
	{ "{" M ",'added_tokens':[{'content':'x','id':99999999}]}", OD_EFORMAT, "id 99999999 of token 'x' is out of range" },
	{ "{" M ",'added_tokens':[{'content':'x','id':7,'special':'yes'}]}", OD_EFORMAT, "field 'special' must be true or" },
	{ "{" M ",'normalizer':{'type':'Odd'}}", OD_ESUPPORT, "t: normalizer: normalizer type 'Odd' is not supported" },
	{ "{" M ",'pre_tokenizer':'x'}", OD_EFORMAT, "t: pre_tokenizer: field 'type' is missing" },
	{ "{" M ",'pre_tokenizer':{'type':'Split','behavior':'Isolated','pattern':{'Regex':'('}}}", OD_EFORMAT,
		"pattern '(' is not valid: " },
	{ "{" M ",'decoder':{'type':'CTC'}}", OD_ESUPPORT, "decoder: decoder type 'CTC' is not supported" },
	{ "{" M ",'decoder':[]}", OD_EFORMAT, "decoder: field 'type' is missing" }
};

static void
refused(const char *text, const char *config, enum od_status status, const char *part)
{
	char *json = quoted(text), *settings = config ? quoted(config) : NULL;
	struct od_tokenizer *t = NULL;
	struct od_error err = OD_ERROR_INIT;
	enum od_status st = od_tokenizer_parse(&t, json, strlen(json), settings, settings ? strlen(settings) : 0, "t", &err);

	if (st != status || !strstr(err.msg, part))
		print_message("# %s: %d '%s'\n", text, (int)st, err.msg);
	assert_int_equal(st, status);
	assert_non_null(strstr(err.msg, part));
	assert_null(t);
	assert_int_equal(od_tokenizer_parse(&t, json, strlen(json), settings, settings ? strlen(settings) : 0, "t", NULL), status);
	free(json);
	free(settings);
}

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].text, NULL, cases[i].status, cases[i].part);
	refused("{" M "}", "{", OD_EFORMAT, "tokenizer_config.json: line 1");
	refused("{" M "}", "3", OD_EFORMAT, "tokenizer_config.json: ");
}

static void
refuses_deep_nesting(void **state)
{
	struct od_buf b = OD_BUF_INIT;

	(void)state;
	od_buf_str(&b, "{" M ",'normalizer':");
	for (int i = 0; i < 100000; i++)
		od_buf_str(&b, "[");
	refused(b.data, NULL, OD_EFORMAT, "maximum parsing depth");
	od_buf_release(&b);
}

/* Every prefix of a good file, and the file with each byte changed, parses or is refused. */
static void
survives_damage(void **state)
{
	char *good = quoted("{" M ",'normalizer':{'type':'NFC'},'pre_tokenizer':{'type':'Split','behavior':'Isolated',"
		"'pattern':{'Regex':'a+|b'}},'added_tokens':[{'id':7,'content':'<x>','special':true,'lstrip':true}]}");
	size_t n = strlen(good), refusals = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct od_tokenizer *t = NULL;
		struct od_error err = OD_ERROR_INIT;
		char was = good[i];

		assert_int_equal(od_tokenizer_parse(&t, good, i, NULL, 0, "t", &err), OD_EFORMAT);
		for (int k = 0; k < 8; k++) {
			struct od_ids ids = OD_IDS_INIT;

			good[i] = "\"\\{[,0\xffz"[k];
			if (od_tokenizer_parse(&t, good, n, NULL, 0, "t", &err) != OD_OK) {
				assert_true(err.msg[0] == 't');
				refusals++;
				continue;
			}
			assert_int_equal(od_tokenizer_encode(t, "ab <x>ba", 8, true, &ids, &err), OD_OK);
			od_ids_release(&ids);
			od_tokenizer_close(t);
		}
		good[i] = was;
	}
	assert_true(refusals > n);
	free(good);
}

/* ---- directories -------------------------------------------------------------------------------------- */

static void
write_text(const char *dir, const char *name, const char *text)
{
	char path[512], *q = quoted(text);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(q, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(q);
}

static void
reads_directories(void **state)
{
	char dir[] = "/tmp/od-tokenizer-XXXXXX", path[512];
	static const char *const names[] = { "tokenizer.json", "tokenizer_config.json", "chat_template.jinja" };
	struct od_tokenizer *t = NULL;
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(od_tokenizer_open(&t, dir, &err), OD_ESYS);
	assert_int_equal(err.sys, ENOENT);
	assert_non_null(strstr(err.msg, "tokenizer.json"));
	write_text(dir, names[0], "{" M "}");
	assert_int_equal(od_tokenizer_open(&t, dir, &err), OD_OK);
	assert_int_equal(od_tokenizer_eos(t), -1);
	od_tokenizer_close(t);
	write_text(dir, names[1], "{'eos_token':'b','chat_template':'old'}");
	write_text(dir, names[2], "new");
	assert_int_equal(od_tokenizer_open(&t, dir, &err), OD_OK);
	assert_int_equal(od_tokenizer_eos(t), 1);
	assert_string_equal(od_tokenizer_chat_template(t), "new");
	od_tokenizer_close(t);
	write_text(dir, names[1], "{'eos_token':");
	assert_int_equal(od_tokenizer_open(&t, dir, &err), OD_EFORMAT);
	assert_non_null(strstr(err.msg, "/tokenizer_config.json: line 1"));
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_deep_nesting),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(reads_directories),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
