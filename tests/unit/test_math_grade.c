/* test_math_grade.c -- answers of math problems: extraction, normal spelling, number words, equality, LaTeX by value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grade/answer_text.h"
#include "grade/expr_value.h"
#include "grade/latex_parse.h"
#include "grade/math_answer.h"
#include "grade/math_equal.h"
#include "grade/number_words.h"
#include "grade/plain_parse.h"

struct change {
	const char *from, *to;
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- normal spelling ----------------------------------------------------------------------------------------------------- */

static void
check_normalised(enum od_math_grader g, bool keep_units, const char *from, const char *to)
{
	struct od_buf out = OD_BUF_INIT;

	assert_int_equal(od_math_normalise(g, keep_units, from, strlen(from), &out, NULL), OD_OK);
	if (strcmp(out.data, to) != 0)
		fail_msg("'%s' becomes '%s', not '%s'", from, out.data, to);
	od_buf_release(&out);
}

static void
spellings_are_made_one(void **state)
{
	static const struct change list[] = {
		{ "\\frac12", "\\frac{1}{2}" }, { "\\frac1{72}", "\\frac{1}{72}" }, { "\\frac{1}2", "\\frac{1}2" }, { "\\frac1", "\\frac1" },
		{ "\\dfrac{1}{2}+\\tfrac34", "\\frac{1}{2}+\\frac{3}{4}" }, { "3/4", "\\frac{3}{4}" }, { "-3/4", "\\frac{-3}{4}" },
		{ "03/4", "03/4" }, { "p/q", "p/q" }, { "a/b", "/b" }, { "\\sqrt2/2", "\\frac{\\sqrt{2}}{2}" }, { "1/2/3", "1/2/3" }, { "\\sqrt13x", "\\sqrt{13x}" },
		{ " 42. ", "42" }, { "3.000", "3" }, { "3.00x", "3x" }, { "3.05", "3.05" }, { "1.0.", "1" }, { ".5", "0.5" }, { "{.5}", "{0.5}" },
		{ "x=5", "5" }, { "k = 5", "5" }, { "kk=5", "5" }, { "kkk=5", "kkk=5" }, { "p=q=5", "p=q=5" },
		{ "\\$18", "18" }, { "18\\%", "18" }, { "50%", "50" }, { "90^\\circ", "90" }, { "90^{\\circ}", "90" }, { "\\left(1,2\\right)", "(1,2)" },
		{ "\\{1,2\\}", "{1,2}" }, { "12\\text{ cm}", "12" }, { "\\text{cm}", "" }, { "\\text{Tom}", "Tom" }, { "\\text{A}+1", "A+1" }, { "5\\mbox{ cm}^2", "5^2" },
		{ "12 cm", "12" }, { "12 miles per hour", "12" }, { "3 h", "3" }, { "h", "h" }, { "12cm", "12cm" }, { "5 sq. m", "50" },
		{ "two apples", "2" }, { "033", "33" }, { "Twenty-One", "21" }, { "x \\leq 5 ", "x\\le5" }, { "a \\neq b", "\\neb" },
		{ "\\emptyset", "{}" }, { "(-\\infty,\\infty)", "\\mathbb{R}" }, { "infinity", "\\infty" }, { "-inf", "-\\infty" },
		{ "1 and 2", "12" }, { "3j", "3i" }, { "3j+i", "3j+i" }, { "\\mathbf{v}", "{v}" }, { "", "" }, { "...", "" },
		{ "\\begin{array}{cc}1&2\\end{array}", "\\begin{pmatrix}1&2\\end{pmatrix}" },
		{ "\\begin{bmatrix}1\\\\2\\end{bmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}" }, { "\xd9\xa3.0", "\xd9\xa3" },
		{ "5\xc2\xb0", "5\xc2\xb0" }, { "5 \xe2\x80\x89m", "5\xe2\x80\x89" }
	};

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++)
		check_normalised(OD_MATH_QWEN, false, list[i].from, list[i].to);
	check_normalised(OD_MATH_QWEN, true, "12 cm", "12cm");
	check_normalised(OD_MATH_QWEN, false, "\\frac{1}{2}\\\\3", "\\frac{1}{2}\\\\3");
	check_normalised(OD_MATH_UNIDPO, false, "\\frac{1}{2}\\\\3\\ 4", "\\frac{1}{2}\\34");
}

static void
number_words_are_word2numbers(void **state)
{
	static const struct change list[] = {
		{ "two million twenty three thousand and forty nine", "2023049" }, { "one hundred", "100" }, { "hundred", "100" },
		{ "two point three four", "2.34" }, { "point five", "0.5" }, { "five point", "5" }, { "five point ten", "5" },
		{ "zero point zero", "0.0" }, { "0012", "12" }, { "000", "0" }, { "NINE", "9" }, { "two-three", "5" },
		{ "two million five thousand", "2006005" },    /* its own arithmetic */
		{ "nineteen hundred and ten", "1910" }, { "two three four five six", "2" }, { "one two three", "5" }
	};
	static const char *const none[] = { "", "apples", "twofold", "thousand thousand", "thousand million", "five thousand one million",
		"point point", "-5", "1.5", "million five billion" };
	struct od_buf out = OD_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++) {
		od_buf_clear(&out);
		assert_true(od_number_words(list[i].from, strlen(list[i].from), &out));
		assert_string_equal(out.data, list[i].to);
	}
	for (size_t i = 0; i < COUNT(none); i++)
		assert_false(od_number_words(none[i], strlen(none[i]), &out));
	od_buf_release(&out);
}

/* ---- extraction ---------------------------------------------------------------------------------------------------------- */

static void
answers_are_found(void **state)
{
	static const struct change list[] = {
		{ "so \\boxed{1}, no, \\boxed{\\frac{3}{4}} it is", "\\frac{3}{4}" }, { "\\boxed{{1}", "{1}" }, { "\\boxed", "" },
		{ "\\boxed 7$ or", "7" }, { "\\boxed{}", "" }, { "The final answer is $5$. I hope it is correct. \\boxed{6}", "5" },
		{ "The answer is: 12.", "12" }, { "My final answer is 3 / 4", "\\frac{3}{4}" }, { "I have 3 or 4,200 apples", "4200" },
		{ "it is -3.5, done", "-3.5" }, { "v1.5.2", "0.2" }, { "- 5 -", "5" }, { "nothing", "" },
		{ "\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf 8\n\n\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf 9", "8" }, { "The answer is 5/", "5" },
		{ "\\boxed{1,\n  2}", "1,2" }, { "\xd0\xba\xd0\xb8\\boxed{4}", "4" }, { "\\boxed{5 apples}", "5" }
	};
	struct od_buf out = OD_BUF_INIT;
	bool none;

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++) {
		assert_int_equal(od_math_extract(OD_MATH_QWEN, NULL, list[i].from, strlen(list[i].from), &out, &none, NULL), OD_OK);
		assert_false(none);
		if (strcmp(out.data, list[i].to) != 0)
			fail_msg("'%s' gives '%s', not '%s'", list[i].from, out.data, list[i].to);
	}
	assert_int_equal(od_math_extract(OD_MATH_QWEN, NULL, "", 0, &out, &none, NULL), OD_OK);
	assert_true(none && !out.len);
	assert_int_equal(od_math_extract(OD_MATH_QWEN, NULL, "error", 5, &out, &none, NULL), OD_OK);
	assert_true(none && !out.len);
	od_buf_release(&out);
}

static void
references_come_from_fields(void **state)
{
	static const struct {
		const char *dataset, *field, *to;
	} list[] = {
		{ "gsm8k", "9 * 2 = <<9*2=18>>18\n#### 18", "18" }, { "math500", "So it is $\\boxed{\\frac12}$.", "\\frac{1}{2}" },
		{ "math", "p - q", "p-q" }, { "minerva_math", "So \\boxed{5 cm}", "5cm" }, { "minerva_math", "5 cm \\neq 4", "5 cm \\ne 4" },
		{ "olympiadbench", "$5$", "5" }, { "aime24", "033", "33" }, { "amc23", "27.0", "27" }, { "gaokao2023en", "$x=3$", "3" }
	};
	struct od_error err = OD_ERROR_INIT;
	const struct od_math_dataset *d;
	struct od_buf out = OD_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(list); i++) {
		assert_int_equal(od_math_dataset_find(&d, list[i].dataset, NULL), OD_OK);
		assert_int_equal(od_math_reference(OD_MATH_QWEN, d, list[i].field, strlen(list[i].field), &out, NULL), OD_OK);
		assert_string_equal(out.data, list[i].to);
	}
	od_buf_release(&out);
	assert_int_equal(od_math_dataset_find(&d, "gsm", &err), OD_EUSAGE);
	assert_non_null(strstr(err.msg, "gsm8k"));
}

/* ---- equality ------------------------------------------------------------------------------------------------------------ */

static bool
equal(enum od_math_grader g, const char *a, const char *b, bool symbolic)
{
	bool is;

	assert_int_equal(od_math_equal(g, a, strlen(a), b, strlen(b), symbolic, &is, NULL), OD_OK);
	return is;
}

static void
check_equal(const struct change *list, size_t n, bool want)
{
	for (size_t i = 0; i < n; i++) {
		if (equal(OD_MATH_QWEN, list[i].from, list[i].to, true) != want)
			fail_msg("'%s' for '%s' is %s", list[i].from, list[i].to, want ? "wrong" : "right");
	}
}

static void
equal_answers_are_equal(void **state)
{
	static const struct change list[] = {
		{ "42", "42" }, { "4200", "42" }, { "0.42", "42" }, { "50%", "0.5" }, { "12.5\\%", "0.125" }, { "1,234", "1234" }, { "1e3", "1000" },
		{ "1.00009", "1" }, { "Yes", "yes" }, { "(b)", "B" }, { "A or C", "C" }, { "[0,1]", "[0,1]" }, { "(0.5,1]", "(\\frac{1}{2},1]" },
		{ "(1)", "1" }, { "{1}", "1" }, { "\\begin{pmatrix}1\\\\0.5\\end{pmatrix}", "\\begin{pmatrix}1\\\\\\frac{1}{2}\\end{pmatrix}" },
		{ "x=5", "5" }, { "5", "x=5" }, { "y=x+1", "y-1=x" }, { "x-y=0", "y-x=0" }, { "\\frac{1}{2}", "0.5" }, { "\\frac{180}{1}", "180" },
		{ "\\sqrt{400}", "20" }, { "1.4\\times10^{3}", "1400" }, { "2^10", "1024" }, { "3!", "6" }, { "\\binom{5}{2}", "10" }, { "|{-3}|", "3" },
		{ "\\lfloor2.5\\rfloor", "2" }, { "\\log_{2}8", "3" }, { "\\log_28", "3" }, { "\\lg100", "2" }, { "\\sin(0)+1", "1" },
		{ "\\sqrt[3]{8}", "2" }, { "3x5", "15" }, { "1,-2", "1" }, { "145^", "145" }, { "(x+1)^{2}", "x^{2}+2x+1" }, { "2*n", "2n" },
		{ "\\frac{x}{7}+\\frac{2}{7}", "\\frac{x+2}{7}" }, { "\\sec^{2}y", "\\tan^{2}y+1" }, { "\\sin^{-1}x", "\\arcsin x" },
		{ "e^{x}e^{y}", "e^{x+y}" }, { "f(x)+1", "1+f(x)" }, { "\\sum_{n=1}^{4}n", "10" }, { "\\prod_{n=1}^{4}n", "24" },
		{ "\\sum_{n=0}^{\\infty}x^{n+1}", "\\sum_{n=0}^{\\infty}x^{1+n}" }, { "\\int2xdx", "\\int{x}2dx" }, { "x<3", "3>x" }, { "{1,2}", "{2,1}" },
		{ "{2,1/2}", "{0.5,2}" }, { "1<2", "3<4" }, { "m_{1}", "m_1" }, { "\\frac{d}{2}", "0.5d" }, { "100!", "100!" },
		{ "\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}" }
	};

	(void)state;
	check_equal(list, COUNT(list), true);
	assert_false(equal(OD_MATH_QWEN, "\\frac{1}{2}", "0.5", false));
}

static void
other_answers_are_not(void **state)
{
	static const struct change list[] = {
		{ "42", "43" }, { "420", "42" }, { "1.0002", "1" }, { "", "1" }, { "A", "B" }, { "bad", "B" }, { "(0,1)", "(1,0)" }, { "(0,1)", "(0,1,2)" },
		{ "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1\\\\3\\end{pmatrix}" },
		{ "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\\\3\\end{pmatrix}" },
		{ "kkk=5", "5" }, { "y=x+1", "y=x+2" }, { "\\pi", "3.14159" }, { "x", "y" }, { "x^{2}", "x" }, { "\\sqrt{x^{2}}", "x" },
		{ "\\log(xy)", "\\log(x)+\\log(y)" }, { "f(x)", "f(y)" }, { "f(x)", "g(x)" }, { "x(y+1)", "xy+x" }, { "\\frac{1}{0}", "0" },
		{ "{1,2}", "{1,3}" }, { "{1,2}", "{1,2,3}" }, { "1<2", "2<1" }, { "x<3", "x<4" }, { "x", "x=3=y" }, { "\\frac{1", "\\frac{1}{2}" },
		{ "\\infty", "-\\infty" }, { "i", "1" }, { "\\sum_{n=0}^{\\infty}x^{n}", "\\sum_{n=1}^{\\infty}x^{n}" }
	};

	(void)state;
	check_equal(list, COUNT(list), false);
}

static void
the_variant_differs_where_it_should(void **state)
{
	(void)state;
	assert_true(equal(OD_MATH_QWEN, "330001", "330000", true));
	assert_false(equal(OD_MATH_UNIDPO, "330001", "330000", true));
	assert_true(equal(OD_MATH_UNIDPO, "33000000", "330000", true));
	assert_true(equal(OD_MATH_UNIDPO, "3300.01", "330000", true));
	assert_true(equal(OD_MATH_UNIDPO, "0.330001", "0.33", true));
	assert_false(equal(OD_MATH_QWEN, "Area=26", "26", true));
	assert_true(equal(OD_MATH_UNIDPO, "Area=26", "26", true));
	assert_true(equal(OD_MATH_UNIDPO, "26", "Area=26", true));
}

/* ---- LaTeX and typed mathematics ------------------------------------------------------------------------------------------- */

static void
check_value(const char *latex, double want)
{
	struct od_expr_pool p = OD_EXPR_POOL_INIT;
	int e = od_latex_parse(&p, latex, strlen(latex));
	double v;

	if (e < 0 || !od_expr_real(&p, e, &v) || !(fabs(v - want) <= 1e-12 * fabs(want)))
		fail_msg("'%s' is not %g", latex, want);
	od_expr_release(&p);
}

static void
latex_has_values(void **state)
{
	(void)state;
	check_value("-2^{2}", -4);
	check_value("2\\cdot3+4/8", 6.5);
	check_value("1-2-3", -4);
	check_value("12/3/2", 2);
	check_value("\\frac{1}{2}\\frac12", 0.25);
	check_value("2\\sqrt{9}\\sqrt{4}", 12);
	check_value("\\sin^{2}(1)+\\cos^{2}1", 1);
	check_value("1,234,567.5", 1234567.5);
	check_value("1,2345", 1234 * 5);
	check_value("0.50.5", 0.25);
	check_value("{[(2)]}", 2);
	check_value("2^{3^{2}}", 512);
	check_value("\\exp(0)", 1);
}

static void
what_is_no_latex_is_refused(void **state)
{
	static const char *const bad[] = { "", ")", "\\frac{1}", "\\sqrt", "{", "{1,2}", "x_", "x=", "5;", "\xcf\x80", "\\", "&", "\\\\" };
	struct od_expr_pool p = OD_EXPR_POOL_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		od_expr_clear(&p);
		if (od_latex_parse(&p, bad[i], strlen(bad[i])) >= 0)
			fail_msg("'%s' is read", bad[i]);
	}
	od_expr_release(&p);
}

static void
typed_mathematics_is_read_whole(void **state)
{
	static const char *const bad[] = { "2x", "033", "1,", "", "(1", "a b", "x and y", "2^x", "f(", "{1", "1+" };
	struct od_expr_pool p = OD_EXPR_POOL_INIT;
	double v;

	(void)state;
	assert_true(od_expr_real(&p, od_plain_parse(&p, "2*pi**2 - sqrt(4)/E", 19, false), &v));
	assert_true(fabs(v - (2 * M_PI * M_PI - 2 / M_E)) < 1e-12);
	assert_true(od_expr_real(&p, od_plain_parse(&p, "6^3", 3, false), &v) && v == 5);
	assert_true(od_expr_real(&p, od_plain_parse(&p, "6^3", 3, true), &v) && v == 216);
	for (size_t i = 0; i < COUNT(bad); i++) {
		int e = od_plain_parse(&p, bad[i], strlen(bad[i]), false);

		if (e >= 0 && p.node[e].kind != OD_EXPR_SEQUENCE)
			fail_msg("'%s' is read", bad[i]);
	}
	od_expr_release(&p);
}

/* Deep, long and hostile text takes neither the stack nor the day. */
static void
garbage_ends(void **state)
{
	static const char *const unit[] = { "(", "\\sqrt{", "x^{", "\\frac{1}{", "f(", "\\sin", "\\sin^22", "x_a", "|", "-", "!", "[{", "1,", "\\log_",
		"\\sum_{n=0}^{9}", "((1,2),", "a=", "\\begin{pmatrix}1&", "\\\\", "9", "two ", "\\text{", "\\boxed{", "\xe2\x80\x89", ".0" };
	struct od_buf text = OD_BUF_INIT, out = OD_BUF_INIT;
	bool none, is;

	(void)state;
	for (size_t i = 0; i < COUNT(unit); i++) {
		od_buf_clear(&text);
		while (text.len < 200000)
			od_buf_str(&text, unit[i]);
		for (size_t n = 9000; n <= text.len; n += text.len - 9000) {
			while (((unsigned char)text.data[n] & 0xc0) == 0x80)
				n--;
			assert_int_equal(od_math_extract(OD_MATH_QWEN, NULL, text.data, n, &out, &none, NULL), OD_OK);
			assert_int_equal(od_math_equal(OD_MATH_QWEN, text.data, n, "x+1", 3, true, &is, NULL), OD_OK);
			assert_int_equal(od_math_equal(OD_MATH_UNIDPO, "(1,2)", 5, text.data, n, true, &is, NULL), OD_OK);
		}
	}
	od_buf_release(&text);
	od_buf_release(&out);
}

static void
numbers_are_pythons(void **state)
{
	static const char *const bad[] = { "", " ", "-", ".", "1_", "_1", "1__0", "1e", "e5", "0x10", "1 2", "infinit", "1.2.3", "--1" };
	double v;

	(void)state;
	assert_true(od_text_float(" 1_000.5 ", 9, &v) && v == 1000.5);
	assert_true(od_text_float("+.5E-1", 6, &v) && v == 0.05);
	assert_true(od_text_float("-Infinity", 9, &v) && isinf(v) && v < 0);
	assert_true(od_text_float("NaN", 3, &v) && isnan(v));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(od_text_float(bad[i], strlen(bad[i]), &v));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_are_made_one), cmocka_unit_test(number_words_are_word2numbers), cmocka_unit_test(answers_are_found),
		cmocka_unit_test(references_come_from_fields), cmocka_unit_test(equal_answers_are_equal), cmocka_unit_test(other_answers_are_not),
		cmocka_unit_test(the_variant_differs_where_it_should), cmocka_unit_test(latex_has_values),
		cmocka_unit_test(what_is_no_latex_is_refused), cmocka_unit_test(typed_mathematics_is_read_whole), cmocka_unit_test(garbage_ends),
		cmocka_unit_test(numbers_are_pythons)
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
