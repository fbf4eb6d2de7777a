/* http.h -- POSTs of JSON to one address over HTTP or HTTPS, many in flight at once (libcurl's multi interface).
 *
 * A client is a queue: od_http_post puts a request in, od_http_wait takes the next answer out, in the order of arrival with the
 * tag it was asked under; whoever wants the order of asking keeps answers by tag (openai.h does). Nothing runs outside
 * od_http_wait. Several clients may be open; one is used by one thread.
 *
 * A try that fails in a way that may pass is made again, up to `retries` times: no connection, a connection that breaks,
 * a body that ends early or that `check` refuses, a time-out, status 408, 425, 429 and 5xx. The wait before try k is
 * backoff * 2^(k-1), at most max_wait, times a random share between a half and one (from `seed`); where the server says
 * Retry-After (seconds or a date), at least that long, and after 429 and 503 nobody else is sent before that either. A
 * Retry-After beyond max_wait gives up. All other failures are final at once.
 *
 * TLS is verified, always. Proxies are libcurl's defaults (the variables http_proxy, https_proxy, no_proxy). Redirections are
 * not followed. Connections are kept and shared.
 *
 * Secrets are the key and a password in the URL. They are sent and appear nowhere else: where a server repeats one of at least
 * 8 bytes, in an error or in an answer, it is overwritten with asterisks.
 */
#ifndef OD_IO_HTTP_H
#define OD_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct od_http;

struct od_http_options {
	const char *url;                           /* http:// or https://; user:password@ is sent and never shown */
	const char *path;                          /* put behind the address's own path unless that ends with it; NULL */
	const char *key;                           /* NULL: none */
	const char *key_header;                    /* the header that carries the key, bare; NULL: "Authorization: Bearer KEY" */
	const char *ca_file;                       /* certificates to trust (PEM) instead of the system's; NULL */
	int64_t parallel;                          /* requests in flight or between two tries, at least 1 */
	int64_t retries;                           /* further tries of one request */
	double connect_timeout, timeout;           /* seconds: until connected; of a whole try */
	double backoff, max_wait;                  /* seconds, above */
	size_t max_answer;                         /* bytes; a longer answer is final */
	uint64_t seed;                             /* of the random share of waits */
	/* Whether a 2xx body is an answer at all; NULL takes any. `why` is a static text for the message. */
	bool (*check)(const char *body, size_t n, const char **why);
};

#define OD_HTTP_OPTIONS_INIT { .parallel = 8, .retries = 5, .connect_timeout = 30, .timeout = 600, .backoff = 1, \
	.max_wait = 120, .max_answer = (size_t)32 << 20 }

/* One answer. It is the reader's: released by od_http_answer_release or the next od_http_wait. */
struct od_http_answer {
	size_t tag;
	enum od_status status;                     /* OD_OK: a 2xx that passed the check; OD_ESERVICE */
	long code;                                 /* HTTP status of the last try; 0: there was none */
	int tries;
	struct od_buf body;                        /* of the last try, errors included */
	struct od_error err;                       /* "service 'URL' failed: HTTP status 503: overloaded (6 tries)" */
};

#define OD_HTTP_ANSWER_INIT { .body = OD_BUF_INIT, .err = OD_ERROR_INIT }

struct od_http_stats {
	int64_t sent;                              /* tries, retries included */
	int64_t retried;
};

/* Strings are copied. OD_EUSAGE for an address or a key that cannot be sent. */
OD_MUST_CHECK enum od_status od_http_open(struct od_http **out, const struct od_http_options *opt, struct od_error *err);

/* Queues a request; body[n] is copied. Never waits. */
OD_MUST_CHECK enum od_status od_http_post(struct od_http *h, const char *body, size_t n, size_t tag, struct od_error *err);

/* The next answer; OD_EOF when nothing is queued or in flight. A service that fails is in answer->status; what is returned is
 * OD_OK, or that this process cannot go on. */
OD_MUST_CHECK enum od_status od_http_wait(struct od_http *h, struct od_http_answer *answer, struct od_error *err);

const char *od_http_url(const struct od_http *h);          /* for messages: no credentials, no query */
struct od_http_stats od_http_stats(const struct od_http *h);
void od_http_answer_release(struct od_http_answer *a);
void od_http_close(struct od_http *h);                     /* what is in flight is dropped; NULL is fine */

#endif
