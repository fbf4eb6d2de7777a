#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "score/reformat.h"
#include "service_help.h"

/* The server says what stands behind "say:", with \n for a line break. */
static struct od_reformat *
open_reformat(const char *rubric)
{
	struct od_reformat_options o = { .service = OD_OPENAI_OPTIONS_INIT, .model = "m", .seed = -1 };
	struct od_reformat *r = NULL;
	struct od_error err = OD_ERROR_INIT;

	o.service.http.url = url;
	o.service.http.backoff = 0.01;
	o.service.attempts = 2;
	if (od_rubric_parse(&o.rubric, rubric, strlen(rubric), "r", NULL, false, &err) != OD_OK ||
		od_reformat_open(&r, &o, &err) != OD_OK)
		fail_msg("%s", err.msg);
	return r;
}

static void
white_space_may_change(void **state)
{
	static const struct { const char *text, *said, *steps, *message; } cases[] = {
		{ "a b.\n\n\nc = 2", "<steps>a b.\\n\\nc =\\n2 </steps>", "a b.\n\nc =\n2", NULL },
		{ "same", "x <steps>same</steps> y", "same", NULL },
		{ "", "<steps> \\n</steps>", "", NULL },
		{ "one two", "<steps>one too</steps>", NULL, "the model changed the solution at 'oo'" },
		{ "one", "<steps>one</steps", NULL, "the judge's answer does not match '(?s)<steps>(.*)</steps>'" },
		{ "one", "<steps>one\\n\\ntwo</steps>", NULL, "the model changed the solution at 'two'" },
		{ "one two", "<steps>one</steps>", NULL, "the model changed the solution at ''" },
		{ "x", "fault:length", NULL, "the solution in steps was cut off" },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct od_reformat *r = open_reformat("score: (?s)<steps>(.*)</steps>\n%user\nT: {response}\n{instruction}");
	struct od_ask asks[N];
	struct od_reformatted out[N] = { { .status = OD_OK } };
	json_t *prompts[N];
	char prompt[200];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		snprintf(prompt, sizeof(prompt), "%s%s", strncmp(cases[i].said, "fault", 5) == 0 ? "" : "say:", cases[i].said);
		prompts[i] = json_string(prompt);
		asks[i] = (struct od_ask){ .prompt = prompts[i], .text = cases[i].text, .len = strlen(cases[i].text), .id = "" };
	}
	for (int run = 0; run < 2; run++) {              /* buffers are used again */
		assert_int_equal(od_reformat_steps(r, asks, N, out, NULL), OD_OK);
		for (size_t i = 0; i < N; i++) {
			assert_int_equal(out[i].status, cases[i].message ? OD_EFORMAT : OD_OK);
			if (cases[i].message && !strstr(out[i].err.msg, cases[i].message))
				fail_msg("'%s' is not '%s'", out[i].err.msg, cases[i].message);
			if (!cases[i].message)
				assert_string_equal(out[i].text.data, cases[i].steps);
		}
	}
	assert_int_equal(od_openai_stats(od_reformat_service(r)).again, 10);
	for (size_t i = 0; i < N; i++) {
		json_decref(prompts[i]);
		od_buf_release(&out[i].text);
	}
	od_reformat_close(r);
}

static void
what_ends_it(void **state)
{
	struct od_reformat_options o = { .service = OD_OPENAI_OPTIONS_INIT, .model = "m", .seed = -1 };
	struct od_reformat *r = open_reformat("%user\n{response} {instruction}");
	json_t *prompt = json_string("fault:404");
	struct od_ask ask = { .prompt = prompt, .text = "x", .len = 1, .id = "" };
	struct od_reformatted out = { .status = OD_OK };
	struct od_error err = OD_ERROR_INIT;

	(void)state;
	assert_int_equal(od_reformat_steps(r, &ask, 1, &out, &err), OD_ESERVICE);
	assert_non_null(strstr(err.msg, "HTTP status 404"));
	od_reformat_close(r);
	json_decref(prompt);
	r = NULL;
	o.service.http.url = url;
	assert_int_equal(od_rubric_parse(&o.rubric, "%user\n{response_a}{response_b}", 30, "r", NULL, false, &err), OD_OK);
	assert_int_equal(od_reformat_open(&r, &o, &err), OD_EFORMAT);
	assert_string_equal(err.msg, "a rubric for steps must ask one question, about {response}");
	assert_null(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(white_space_may_change), cmocka_unit_test(what_ends_it) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
