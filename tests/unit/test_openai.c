/* The client of OpenAI-compatible services against tests/fixtures/fault_server.py: bodies, answers, order, sharing, attempts. (How
 * it lives with a service that fails is tests/pipe/judge.t.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/openai.h"
#include "service_help.h"

/* The requests the server has seen since the last call; a new reference to a list of its log's lines. */
static json_t *
take_log(void)
{
	json_t *list = json_array(), *line;
	char *text = NULL;
	size_t n, pos = 0;

	if (od_path_exists(log_path)) {
		assert_int_equal(od_in_slurp(log_path, 1 << 20, &text, &n, NULL), OD_OK);
		while ((line = json_loads(text + pos, JSON_DISABLE_EOF_CHECK, NULL))) {
			json_array_append_new(list, line);
			pos = (size_t)(strchr(text + pos, '\n') - text) + 1;
		}
		free(text);
		unlink(log_path);
	}
	return list;
}

static struct od_openai *
open_service(const struct od_openai_options *from)
{
	struct od_openai_options o = *from;
	struct od_error err = OD_ERROR_INIT;
	struct od_openai *s = NULL;

	o.http.url = url;
	o.http.backoff = 0.01;
	if (od_openai_open(&s, &o, &err) != OD_OK)
		fail_msg("%s", err.msg);
	return s;
}

static enum od_status
ask(struct od_openai *s, const char *text, size_t tag, int64_t seed)
{
	json_t *m = json_pack("[{s:s, s:s}]", "role", "user", "content", text);
	struct od_openai_request r = { .model = "m", .messages = m, .temperature = NAN, .top_p = NAN, .seed = seed };
	enum od_status st = od_openai_ask(s, &r, tag, NULL);

	json_decref(m);
	return st;
}

static void
what_is_sent(void **state)
{
	static const char *const stop[] = { "\n", "\"x\"" };
	json_t *m = json_pack("[{s:s, s:s}]", "role", "user", "content", "worth:1"), *log, *extra = json_pack("{s:i}", "top_k", 5);
	struct od_openai_request chat = { .model = "m", .messages = m, .temperature = 0.1, .top_p = 1, .max_tokens = 7, .seed = 3,
		.n = 2, .logprobs = 4, .stop = stop, .n_stop = 2, .extra = extra };
	struct od_openai_request plain = { .model = "m", .prompt = "worth:2", .temperature = NAN, .top_p = NAN, .seed = -1,
		.logprobs = 2 };
	struct od_openai *s = open_service(&(struct od_openai_options)OD_OPENAI_OPTIONS_INIT);
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	char *text;

	(void)state;
	assert_int_equal(od_openai_ask(s, &chat, 9, NULL), OD_OK);
	assert_int_equal(od_openai_next(s, &a, NULL), OD_OK);
	assert_true(a.status == OD_OK && a.tag == 9 && a.n_choices == 2 && !a.cached);
	assert_string_equal(a.choices[0].text, "Because of this and that.\nScore: 1");
	assert_string_equal(a.choices[1].finish, "stop");
	assert_true(a.prompt_tokens == 1 && a.completion_tokens == 7 && a.choices[0].logprobs);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(a.json, "choices"), 0), "index")), 1);
	assert_int_equal(od_openai_next(s, &a, NULL), OD_EOF);
	od_openai_close(s);
	log = take_log();
	text = json_dumps(json_object_get(json_array_get(log, 0), "body"), JSON_COMPACT | JSON_REAL_PRECISION(15));
	assert_string_equal(text, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"worth:1\"}],\"temperature\":0.1,\"top_p\":1,"
		"\"max_tokens\":7,\"n\":2,\"logprobs\":true,\"top_logprobs\":4,\"stop\":[\"\\n\",\"\\\"x\\\"\"],\"top_k\":5,\"seed\":3}");
	free(text);
	assert_string_equal(json_string_value(json_object_get(json_array_get(log, 0), "path")), "/v1/chat/completions");
	assert_true(json_is_null(json_object_get(json_array_get(log, 0), "auth")));
	json_decref(log);

	s = open_service(&(struct od_openai_options){ .http = { .parallel = 1, .timeout = 20, .connect_timeout = 5, .max_answer = 1 << 20,
		.key = "sk-12345678" }, .plain = true, .attempts = 1 });
	assert_int_equal(od_openai_ask(s, &plain, 0, NULL), OD_OK);
	assert_int_equal(od_openai_next(s, &a, NULL), OD_OK);
	assert_string_equal(a.choices[0].text, "Because of this and that.\nScore: 2");
	od_openai_close(s);
	log = take_log();
	text = json_dumps(json_object_get(json_array_get(log, 0), "body"), JSON_COMPACT | JSON_REAL_PRECISION(15));
	assert_string_equal(text, "{\"model\":\"m\",\"prompt\":\"worth:2\",\"logprobs\":2}");
	free(text);
	assert_string_equal(json_string_value(json_object_get(json_array_get(log, 0), "path")), "/v1/completions");
	assert_string_equal(json_string_value(json_object_get(json_array_get(log, 0), "auth")), "Bearer sk-12345678");
	json_decref(log);
	json_decref(m);
	json_decref(extra);
	od_openai_answer_release(&a);
}

/* The first is the slowest, and comes first; equal ones are sent once, whether they wait or have been answered. */
static void
order_and_sharing(void **state)
{
	struct od_openai *s = open_service(&(struct od_openai_options)OD_OPENAI_OPTIONS_INIT);
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	char text[64], wanted[64];
	struct od_openai_stats stats;
	json_t *log;

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "%s worth:%zu", i ? "x" : "fault:slow", i % 20);
		assert_int_equal(ask(s, text, i, -1), OD_OK);
	}
	assert_int_equal(od_openai_pending(s), 40);
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(od_openai_next(s, &a, NULL), OD_OK);
		snprintf(wanted, sizeof(wanted), "Because of this and that.\nScore: %zu", i % 20);
		assert_true(a.status == OD_OK && a.tag == i);
		assert_string_equal(a.choices[0].text, wanted);
		if (i == 30) {
			assert_int_equal(ask(s, "x worth:19", 40, -1), OD_OK);          /* number 39 has its answer */
			assert_int_equal(ask(s, "x worth:1", 41, 5), OD_OK);            /* another seed is another request */
		}
	}
	assert_true(od_openai_next(s, &a, NULL) == OD_OK && a.tag == 40);
	assert_true(od_openai_next(s, &a, NULL) == OD_OK && a.tag == 41);
	assert_int_equal(od_openai_next(s, &a, NULL), OD_EOF);
	log = take_log();
	assert_int_equal(json_array_size(log), 22);
	stats = od_openai_stats(s);
	assert_true(stats.requests == 22 && stats.sent == 22 && stats.shared == 20 && stats.again == 0);
	json_decref(log);
	od_openai_answer_release(&a);
	od_openai_close(s);
}

static enum od_status
refuse_low(void *ctx, const struct od_openai_answer *a, struct od_error *err)
{
	int *calls = ctx;

	++*calls;
	return strstr(a->choices[0].text, "Score: 1") ? od_fail(err, OD_EFORMAT, "too low") : OD_OK;
}

static void
what_is_of_no_use(void **state)
{
	struct od_openai_options o = OD_OPENAI_OPTIONS_INIT;
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	char cache[300];
	struct od_openai *s;
	struct od_openai_stats stats;
	int calls = 0;
	json_t *log;

	(void)state;
	snprintf(cache, sizeof(cache), "%s/cache", dir);
	o.cache = cache;
	o.usable = refuse_low;
	o.ctx = &calls;
	for (int run = 0; run < 2; run++) {
		s = open_service(&o);
		assert_int_equal(ask(s, "worth:1", 0, 100), OD_OK);
		assert_int_equal(ask(s, "worth:2", 1, 100), OD_OK);
		assert_int_equal(ask(s, "worth:1", 2, 100), OD_OK);
		assert_int_equal(ask(s, "fault:context worth:3", 3, -1), OD_OK);
		assert_int_equal(od_openai_next(s, &a, NULL), OD_OK);
		assert_int_equal(a.status, OD_EFORMAT);
		assert_string_equal(a.err.msg, "too low");
		assert_int_equal(od_openai_next(s, &a, NULL), OD_OK);
		assert_true(a.status == OD_OK && a.cached == (run == 1));
		assert_int_equal(od_openai_next(s, &a, NULL), OD_OK);
		assert_int_equal(a.status, OD_EFORMAT);
		assert_int_equal(od_openai_next(s, &a, NULL), OD_OK);
		assert_int_equal(a.status, OD_EFORMAT);
		assert_non_null(strstr(a.err.msg, "maximum context length"));
		stats = od_openai_stats(s);
		assert_true(stats.again == 2 && stats.useless == 2 && stats.cached == run && stats.shared == 1);
		od_openai_close(s);
		log = take_log();
		assert_int_equal(json_array_size(log), run ? 4 : 5);
		for (size_t i = 0, seed = 100; i < json_array_size(log); i++) {
			const json_t *body = json_object_get(json_array_get(log, i), "body");
			const json_t *m = json_array_get(json_object_get(body, "messages"), 0);

			if (strcmp(json_string_value(json_object_get(m, "content")), "worth:1") == 0)
				assert_int_equal(json_integer_value(json_object_get(body, "seed")), seed++);
		}
		json_decref(log);
	}
	od_openai_answer_release(&a);
}

static void
what_ends_a_run(void **state)
{
	static const struct { const char *text, *message; } cases[] = {
		{ "fault:503", "failed: HTTP status 503: overloaded (3 tries)" },
		{ "fault:400", "failed: HTTP status 400: temperature must not be this" },
		{ "fault:401", "failed: HTTP status 401: Incorrect API key provided: ***********!" },
		{ "fault:404", "failed: HTTP status 404: the model does not exist" },
		{ "fault:500", "failed: HTTP status 500: <html>Internal ?[31m? error</html> (3 tries)" },
		{ "fault:nojson", "failed: an answer that is no JSON: <html>welcome</html> (3 tries)" },
		{ "fault:weird", "failed: an answer without 'choices' (3 tries)" },
		{ "fault:error200", "failed: an answer without 'choices': the upstream is gone (3 tries)" },
		{ "fault:429long", "failed: HTTP status 429: come back tomorrow (it asks to come back after 86400 s)" },
		{ "fault:redirect", "failed: HTTP status 302" },
		{ "fault:big", "failed: an answer of more than 33554432 bytes" },
	};
	struct od_openai_options o = OD_OPENAI_OPTIONS_INIT;
	struct od_openai_answer a = OD_OPENAI_ANSWER_INIT;
	char start[100];

	(void)state;
	o.http.key = "sk-12345678";
	o.http.retries = 2;
	snprintf(start, sizeof(start), "service '%schat/completions' failed", url);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct od_openai *s = open_service(&o);
		struct od_error err = OD_ERROR_INIT;

		assert_int_equal(ask(s, cases[i].text, 0, -1), OD_OK);
		assert_int_equal(od_openai_next(s, &a, &err), OD_ESERVICE);
		if (strncmp(err.msg, start, strlen(start)) != 0 || !strstr(err.msg, cases[i].message) ||
			strlen(strstr(err.msg, cases[i].message)) != strlen(cases[i].message) || strstr(err.msg, "12345678"))
			fail_msg("'%s' is not '%s'", err.msg, cases[i].message);
		od_openai_close(s);
	}
	json_decref(take_log());
	od_openai_answer_release(&a);
}

static void
addresses(void **state)
{
	static const struct { const char *url, *shown; } good[] = {
		{ "http://h:1/v1", "http://h:1/v1/chat/completions" },
		{ "https://me:pass-word@h/v1/?api-version=3#x", "https://h/v1/chat/completions" },
		{ "http://h/v1/chat/completions", "http://h/v1/chat/completions" },
		{ "http://h", "http://h/chat/completions" },
	};
	static const char *const bad[] = { "", "h:8080/v1", "ftp://h/v1", "http://", "file:///etc/passwd", "http://u:pass-word@h:99999999/" };
	struct od_openai_options o = OD_OPENAI_OPTIONS_INIT;
	struct od_openai *s = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		o.http.url = good[i].url;
		assert_int_equal(od_openai_open(&s, &o, NULL), OD_OK);
		assert_string_equal(od_openai_url(s), good[i].shown);
		od_openai_close(s);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct od_error err = OD_ERROR_INIT;

		o.http.url = bad[i];
		if (od_openai_open(&s, &o, &err) != OD_EUSAGE || strstr(err.msg, "pass-word"))
			fail_msg("'%s': %s", bad[i], err.msg);
	}
	o.http.url = "http://h";
	o.http.key = "a\nHost: evil";
	assert_int_equal(od_openai_open(&s, &o, NULL), OD_EUSAGE);
	o.http.key = "a";
	o.http.key_header = "x: y";
	assert_int_equal(od_openai_open(&s, &o, NULL), OD_EUSAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent), cmocka_unit_test(order_and_sharing), cmocka_unit_test(what_is_of_no_use),
		cmocka_unit_test(what_ends_a_run), cmocka_unit_test(addresses)
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
