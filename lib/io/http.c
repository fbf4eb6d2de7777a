#include "io/http.h"

#include <curl/curl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

#define SECRET_MIN 8               /* shorter than this is a placeholder ("none", "EMPTY"), and part of too many words */
#define SHOWN_MAX 300              /* bytes of a server's own words in a message */

struct job {
	struct job *next;
	size_t tag;
	struct od_buf request, answer;
	size_t max_answer;
	int tries;
	double due;                        /* not sent before this (monotonic seconds) */
	CURL *easy;                        /* of the try that runs */
	long code;
	bool too_long;
	enum od_status status;
	struct od_error err;
	char reason[CURL_ERROR_SIZE];
};

/* First in, first out. */
struct queue {
	struct job *first, *last;
};

struct od_http {
	CURLM *multi;
	struct curl_slist *headers;
	char *url, *shown, *ca_file;
	char *secrets[2];                  /* the key, the URL's password; NULL when there is none */
	struct od_http_options o;
	struct queue fresh, waiting, flying, done;    /* never tried; to be tried again; being tried; answered */
	int64_t n_flying, n_waiting;
	double hold;                       /* the server asked that nobody comes before this */
	struct od_rng rng;
	struct od_http_stats stats;
};

/* ---- small parts -------------------------------------------------------------------------------------------------------- */

static void
push(struct queue *q, struct job *j)
{
	j->next = NULL;
	if (q->last)
		q->last->next = j;
	else
		q->first = j;
	q->last = j;
}

static struct job *
pop(struct queue *q)
{
	struct job *j = q->first;

	if (j) {
		q->first = j->next;
		if (!q->first)
			q->last = NULL;
	}
	return j;
}

static void
take_out(struct queue *q, struct job *j)
{
	struct job *before = NULL;

	for (struct job *i = q->first; i != j; i = i->next)
		before = i;
	if (before)
		before->next = j->next;
	else
		q->first = j->next;
	if (q->last == j)
		q->last = before;
}

/* Takes out the first job that is due, if any. */
static struct job *
pop_due(struct queue *q, double t)
{
	struct job *j = q->first;

	while (j && j->due > t)
		j = j->next;
	if (j)
		take_out(q, j);
	return j;
}

static void
job_free(struct job *j)
{
	if (!j)
		return;
	curl_easy_cleanup(j->easy);
	od_buf_release(&j->request);
	od_buf_release(&j->answer);
	free(j);
}

/* Overwrites every secret in text[n]. */
static void
hide_secrets(const struct od_http *h, char *text, size_t n)
{
	for (size_t i = 0; i < 2; i++) {
		size_t len = h->secrets[i] ? strlen(h->secrets[i]) : 0;
		char *at = text;

		while (len >= SECRET_MIN && n && (at = memmem(at, n - (size_t)(at - text), h->secrets[i], len)))
			memset(at, '*', len);
	}
}

/* ---- what a server says about its failure ------------------------------------------------------------------------------- */

/* error.message, or what servers write in its place; NULL when there is none. */
static const char *
error_message(const json_t *body)
{
	static const char *const names[] = { "message", "detail", "error" };
	const json_t *e = json_object_get(body, "error");

	if (json_is_string(e))
		return json_string_value(e);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *v = json_object_get(e ? e : body, names[i]);

		if (json_is_string(v))
			return json_string_value(v);
	}
	return NULL;
}

/* Copies text, cut to SHOWN_MAX bytes. raw: it may be anything; what is not ASCII becomes '?'. */
static void
copy_shown(const struct od_http *h, char out[SHOWN_MAX + 1], const char *text, size_t n, bool raw)
{
	char *whole = od_strndup(text, n);       /* secrets go before the cut, or half of one could stay */
	size_t len = whole ? od_utf8_prefix(whole, n, SHOWN_MAX) : 0;

	if (whole)
		hide_secrets(h, whole, n);
	for (size_t i = 0; i < len; i++)
		out[i] = (raw && (whole[i] & 0x80)) || !whole[i] ? '?' : whole[i];
	out[len] = '\0';
	free(whole);
}

/* ": what the server says", or nothing. */
static void
server_words(const struct od_http *h, const struct job *j, char out[SHOWN_MAX + 3])
{
	json_t *body = j->answer.len ? json_loadb(j->answer.data, j->answer.len, 0, NULL) : NULL;
	const char *message = error_message(body);
	char shown[SHOWN_MAX + 1] = "";

	if (message)
		copy_shown(h, shown, message, strlen(message), false);
	else if (!body && j->answer.len)
		copy_shown(h, shown, j->answer.data, j->answer.len, true);
	json_decref(body);
	out[0] = '\0';
	if (shown[0])
		snprintf(out, SHOWN_MAX + 3, ": %s", shown);
}

/* ---- the end of a try --------------------------------------------------------------------------------------------------- */

static bool
curl_may_pass(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT: case CURLE_PARTIAL_FILE: case CURLE_GOT_NOTHING: case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR: case CURLE_SSL_CONNECT_ERROR: case CURLE_HTTP2: case CURLE_HTTP2_STREAM:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:         /* an answer that is no HTTP: schemes were checked */
		return true;
	default:
		return false;
	}
}

static bool
status_may_pass(long code)
{
	return code == 408 || code == 425 || code == 429 || code >= 500;
}

/* Fills j->status and j->err for a try that ended; *again: it may pass. The message lacks the number of tries. */
static void
classify(const struct od_http *h, struct job *j, CURLcode rc, bool *again)
{
	const char *why = NULL;
	char words[SHOWN_MAX + 3];

	*again = false;
	j->status = OD_OK;
	if (j->too_long) {
		j->status = od_fail(&j->err, OD_ESERVICE, "service '%s' failed: an answer of more than %zu bytes", h->shown,
			h->o.max_answer);
	} else if (rc != CURLE_OK) {
		*again = curl_may_pass(rc);
		hide_secrets(h, j->reason, strlen(j->reason));
		j->status = od_fail(&j->err, OD_ESERVICE, "service '%s' failed: %.300s", h->shown,
			j->reason[0] ? j->reason : curl_easy_strerror(rc));
	} else if (j->code < 200 || j->code >= 300) {
		*again = status_may_pass(j->code);
		server_words(h, j, words);
		j->status = od_fail(&j->err, OD_ESERVICE, "service '%s' failed: HTTP status %ld%s", h->shown, j->code, words);
	} else if (h->o.check && !h->o.check(j->answer.data ? j->answer.data : "", j->answer.len, &why)) {
		*again = true;
		server_words(h, j, words);
		j->status = od_fail(&j->err, OD_ESERVICE, "service '%s' failed: %s%s", h->shown, why, words);
	}
}

/* Seconds before the next try of j; asked: what the server wants, 0 when it says nothing. */
static double
next_wait(struct od_http *h, const struct job *j, double asked)
{
	double w = fmin(h->o.max_wait, ldexp(h->o.backoff, j->tries < 60 ? j->tries - 1 : 60));

	return fmax(asked, w * (0.5 + 0.5 * od_rng_uniform(&h->rng)));
}

static void
end_try(struct od_http *h, struct job *j, CURLcode rc)
{
	curl_off_t asked = 0;
	bool again;

	curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &j->code);
	curl_easy_getinfo(j->easy, CURLINFO_RETRY_AFTER, &asked);
	curl_multi_remove_handle(h->multi, j->easy);
	curl_easy_cleanup(j->easy);
	j->easy = NULL;
	take_out(&h->flying, j);
	h->n_flying--;
	hide_secrets(h, j->answer.data, j->answer.len);
	classify(h, j, rc, &again);
	if (again && j->tries <= h->o.retries && (double)asked <= h->o.max_wait) {
		j->due = od_now() + next_wait(h, j, (double)asked);
		if (asked > 0 && (j->code == 429 || j->code == 503))
			h->hold = fmax(h->hold, od_now() + (double)asked);
		h->stats.retried++;
		push(&h->waiting, j);
		h->n_waiting++;
		return;
	}
	if (j->status != OD_OK && (double)asked > h->o.max_wait) {
		size_t n = strlen(j->err.msg);

		snprintf(j->err.msg + n, sizeof(j->err.msg) - n, " (it asks to come back after %lld s)", (long long)asked);
	} else if (j->status != OD_OK && j->tries > 1) {
		size_t n = strlen(j->err.msg);

		snprintf(j->err.msg + n, sizeof(j->err.msg) - n, " (%d tries)", j->tries);
	}
	push(&h->done, j);
}

/* ---- a try -------------------------------------------------------------------------------------------------------------- */

static size_t
take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct job *j = arg;

	(void)size;                              /* always 1 */
	j->too_long = n > j->max_answer - j->answer.len;
	if (j->too_long)
		return 0;
	od_buf_append(&j->answer, bytes, n);
	return j->answer.failed ? 0 : n;
}

static bool
set_options(const struct od_http *h, struct job *j)
{
	CURL *e = j->easy;
	bool bad = false;

#define SET(option, value) (bad |= curl_easy_setopt(e, option, value) != CURLE_OK)
	SET(CURLOPT_URL, h->url);
	SET(CURLOPT_USERAGENT, "omni-dpo/" OD_VERSION);
	SET(CURLOPT_HTTPHEADER, h->headers);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)j->request.len);
	SET(CURLOPT_POSTFIELDS, j->request.data);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(1e3 * h->o.connect_timeout));
	SET(CURLOPT_TIMEOUT_MS, (long)(1e3 * h->o.timeout));
	SET(CURLOPT_WRITEFUNCTION, take_bytes);
	SET(CURLOPT_WRITEDATA, j);
	SET(CURLOPT_PRIVATE, j);
	SET(CURLOPT_ERRORBUFFER, j->reason);
	if (h->ca_file)
		SET(CURLOPT_CAINFO, h->ca_file);
#undef SET
	/* CURLOPT_NOSIGNAL stays off: libcurl then keeps SIGPIPE, which TLS may raise, away from the tool. */
	return !bad;
}

static enum od_status
begin_try(struct od_http *h, struct job *j, struct od_error *err)
{
	j->tries++;
	j->code = 0;
	j->too_long = false;
	j->reason[0] = '\0';
	od_buf_clear(&j->answer);
	j->easy = curl_easy_init();
	if (!j->easy || !set_options(h, j) || curl_multi_add_handle(h->multi, j->easy) != CURLM_OK) {
		push(&h->done, j);               /* the client's end frees it */
		return od_fail_nomem(err, "a request", j->request.len);
	}
	push(&h->flying, j);
	h->n_flying++;
	h->stats.sent++;
	return OD_OK;
}

/* Sends what may be sent now. A request that waits for its next try keeps its place: a service that is down gets `parallel` of
 * them, not all there are. */
static enum od_status
send_due(struct od_http *h, struct od_error *err)
{
	double t = od_now();
	enum od_status st = OD_OK;

	while (st == OD_OK && h->n_flying < h->o.parallel && t >= h->hold) {
		struct job *j = pop_due(&h->waiting, t);

		if (j)
			h->n_waiting--;
		else if (h->n_flying + h->n_waiting < h->o.parallel)
			j = pop(&h->fresh);
		if (!j)
			break;
		st = begin_try(h, j, err);
	}
	return st;
}

/* Milliseconds until something has to be sent again; a second when nothing has. */
static int
sleep_ms(const struct od_http *h)
{
	double t = od_now(), next = t + 1;

	if (h->n_flying >= h->o.parallel)
		return 1000;
	for (const struct job *j = h->waiting.first; j; j = j->next)
		next = fmin(next, fmax(j->due, h->hold));
	if (h->fresh.first && h->n_flying + h->n_waiting < h->o.parallel)
		next = fmin(next, h->hold);
	return next <= t ? 0 : (int)ceil(1e3 * fmin(1, next - t));
}

static enum od_status
turn(struct od_http *h, struct od_error *err)
{
	enum od_status st = send_due(h, err);
	CURLMcode rc = CURLM_OK;
	CURLMsg *m;
	struct job *j;
	int n;

	if (st != OD_OK)
		return st;
	rc = curl_multi_perform(h->multi, &n);
	while (rc == CURLM_OK && (m = curl_multi_info_read(h->multi, &n))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &j);
		end_try(h, j, m->data.result);
	}
	if (rc == CURLM_OK && !h->done.first)
		rc = curl_multi_poll(h->multi, NULL, 0, sleep_ms(h), NULL);
	return rc == CURLM_OK ? OD_OK : od_fail(err, OD_ESERVICE, "cannot talk to '%s': %s", h->shown, curl_multi_strerror(rc));
}

/* ---- the queue ---------------------------------------------------------------------------------------------------------- */

enum od_status
od_http_post(struct od_http *h, const char *body, size_t n, size_t tag, struct od_error *err)
{
	struct job *j = od_calloc(1, sizeof(*j));

	if (j) {
		j->tag = tag;
		j->max_answer = h->o.max_answer;
		od_buf_append(&j->request, body, n);
	}
	if (!j || !od_buf_ok(&j->request)) {
		job_free(j);
		return od_fail_nomem(err, "a request", n);
	}
	push(&h->fresh, j);
	return OD_OK;
}

enum od_status
od_http_wait(struct od_http *h, struct od_http_answer *answer, struct od_error *err)
{
	enum od_status st = OD_OK;
	struct job *j;

	while (st == OD_OK && !h->done.first) {
		if (!h->n_flying && !h->fresh.first && !h->waiting.first)
			return OD_EOF;
		st = turn(h, err);
	}
	if (st != OD_OK)
		return st;
	j = pop(&h->done);
	od_buf_release(&answer->body);
	*answer = (struct od_http_answer){ .tag = j->tag, .status = j->status, .code = j->code, .tries = j->tries,
		.body = j->answer, .err = j->err };
	j->answer = (struct od_buf)OD_BUF_INIT;
	if (j->status == OD_OK)
		answer->err = (struct od_error)OD_ERROR_INIT;        /* of an earlier try */
	job_free(j);
	return OD_OK;
}

const char *
od_http_url(const struct od_http *h)
{
	return h->shown;
}

struct od_http_stats
od_http_stats(const struct od_http *h)
{
	return h->stats;
}

void
od_http_answer_release(struct od_http_answer *a)
{
	od_buf_release(&a->body);
}

/* ---- opening and closing ------------------------------------------------------------------------------------------------ */

/* The part of an address as malloc'd text, "" when it is absent; NULL without memory. */
static char *
url_part(CURLU *u, CURLUPart part)
{
	char *text = NULL, *copy;

	(void)curl_url_get(u, part, &text, 0);
	copy = od_strdup(text ? text : "");
	curl_free(text);
	return copy;
}

/* Puts `more` behind the address's path, unless it ends with it. */
static CURLUcode
extend_path(CURLU *u, const char *more)
{
	char *path = url_part(u, CURLUPART_PATH);
	size_t n = path ? strlen(path) : 0, m = more ? strlen(more) : 0;
	struct od_buf whole = OD_BUF_INIT;
	CURLUcode rc = CURLUE_OUT_OF_MEMORY;

	if (path && m && (n < m || strcmp(path + n - m, more) != 0)) {
		while (n && path[n - 1] == '/')
			n--;
		od_buf_append(&whole, path, n);
		od_buf_str(&whole, more);
		if (od_buf_ok(&whole))
			rc = curl_url_set(u, CURLUPART_PATH, whole.data, 0);
	} else if (path) {
		rc = CURLUE_OK;
	}
	od_buf_release(&whole);
	free(path);
	return rc;
}

/* Fills url, shown and the password. */
static enum od_status
take_url(struct od_http *h, const struct od_http_options *o, struct od_error *err)
{
	CURLU *u = curl_url();
	CURLUcode rc = u ? curl_url_set(u, CURLUPART_URL, o->url, CURLU_NON_SUPPORT_SCHEME) : CURLUE_OUT_OF_MEMORY;
	char *scheme = rc == CURLUE_OK ? url_part(u, CURLUPART_SCHEME) : NULL;
	enum od_status st = OD_OK;

	/* (What cannot be parsed is not repeated: there may be a password in it.) */
	if (rc != CURLUE_OK && rc != CURLUE_OUT_OF_MEMORY)
		st = od_fail(err, OD_EUSAGE, "cannot use the address of the service: %s; it looks like http://host:8080/v1",
			curl_url_strerror(rc));
	else if (scheme && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		st = od_fail(err, OD_EUSAGE, "cannot use the address of the service: it must begin with http:// or https://");
	if (st == OD_OK && rc == CURLUE_OK && extend_path(u, o->path) == CURLUE_OK) {
		h->secrets[1] = url_part(u, CURLUPART_PASSWORD);
		h->url = url_part(u, CURLUPART_URL);
		curl_url_set(u, CURLUPART_USER, NULL, 0);
		curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
		curl_url_set(u, CURLUPART_QUERY, NULL, 0);
		curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
		h->shown = url_part(u, CURLUPART_URL);
	}
	if (st == OD_OK && (!scheme || !h->url || !h->shown || !h->secrets[1]))
		st = od_fail_nomem(err, "the address of a service", strlen(o->url));
	free(scheme);
	curl_url_cleanup(u);
	return st;
}

static bool
add_header(struct od_http *h, const char *text)
{
	struct curl_slist *longer = curl_slist_append(h->headers, text);

	if (longer)
		h->headers = longer;
	return longer != NULL;
}

static enum od_status
take_key(struct od_http *h, const struct od_http_options *o, struct od_error *err)
{
	struct od_buf line = OD_BUF_INIT;
	bool ok = add_header(h, "Content-Type: application/json") && add_header(h, "Expect:");

	for (const char *c = o->key; c && *c; c++)
		if ((unsigned char)*c <= 0x20 || *c == 0x7f)
			return od_fail(err, OD_EUSAGE, "cannot use the key of the service: it holds a space or a control character");
	for (const char *c = o->key_header; c && *c; c++)
		if ((unsigned char)*c <= 0x20 || *c == 0x7f || *c == ':')
			return od_fail(err, OD_EUSAGE, "cannot use '%s' as the name of a header", o->key_header);
	if (o->key && *o->key) {
		h->secrets[0] = od_strdup(o->key);
		od_buf_printf(&line, "%s: %s%s", o->key_header ? o->key_header : "Authorization", o->key_header ? "" : "Bearer ",
			o->key);
		ok = ok && h->secrets[0] && od_buf_ok(&line) && add_header(h, line.data);
		if (line.data)
			explicit_bzero(line.data, line.len);
		od_buf_release(&line);
	}
	return ok ? OD_OK : od_fail_nomem(err, "headers", 0);
}

enum od_status
od_http_open(struct od_http **out, const struct od_http_options *opt, struct od_error *err)
{
	struct od_http *h = NULL;
	enum od_status st = od_alloc(&h, 1, sizeof(*h), "a service", err);

	if (st != OD_OK)
		return st;
	h->o = *opt;
	h->rng = od_rng_init(opt->seed, 0);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		h->multi = curl_multi_init();
	if (!h->multi)
		st = od_fail_nomem(err, "a service", 0);
	if (st == OD_OK)
		st = take_url(h, opt, err);
	if (st == OD_OK)
		st = take_key(h, opt, err);
	if (st == OD_OK && opt->ca_file && !(h->ca_file = od_strdup(opt->ca_file)))
		st = od_fail_nomem(err, "a name", strlen(opt->ca_file));
	h->o.url = h->o.path = h->o.key = h->o.key_header = h->o.ca_file = NULL;      /* the caller's */
	if (st == OD_OK) {
		curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)opt->parallel);
		*out = h;
	} else {
		od_http_close(h);
	}
	return st;
}

static void
drop(struct od_http *h, struct queue *q)
{
	struct job *j;

	while ((j = pop(q))) {
		if (j->easy)
			curl_multi_remove_handle(h->multi, j->easy);
		job_free(j);
	}
}

void
od_http_close(struct od_http *h)
{
	if (!h)
		return;
	drop(h, &h->fresh);
	drop(h, &h->waiting);
	drop(h, &h->flying);
	drop(h, &h->done);
	curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->headers);
	free(h->url);
	free(h->shown);
	free(h->ca_file);
	for (size_t i = 0; i < 2; i++) {
		if (h->secrets[i])
			explicit_bzero(h->secrets[i], strlen(h->secrets[i]));
		free(h->secrets[i]);
	}
	free(h);
	curl_global_cleanup();
}
