/* attn_walk.inc.h -- device: the tiles of keys that a tile of queries sees, and the tiles of queries that see one of keys.
 *
 * Everything is in positions within a sequence: a parent's tokens are at 0 .., its children's go on behind it. A query
 * sees the keys with qpos - window < kpos <= qpos (window 0: no lower bound); for a parent's keys the upper bound holds
 * by itself.
 */

/* Keys or queries: n tokens from buffer row 'row', the first at position pos; for queries also of which head. */
struct attn_span {
	int32_t row, n, pos, head;
};

template <typename T>
static __device__ inline T *
mat_at(const struct od_mat &m, int64_t row, int64_t col)
{
	return static_cast<T *>(m.data) + row * m.ld + col;
}

/* ---- the keys of a tile of queries: tiles from .. to - 1 of the parent's and, behind them, its own segment's ---- */

struct key_walk {
	int32_t parent_start, parent_len, start, len;      /* len: up to the last query */
	int32_t from, to;
};

template <int N>
static __device__ inline struct key_walk
key_walk_start(const struct attn_tile &t, int32_t window)
{
	struct key_walk w = { t.parent_start, t.parent_len, t.start, t.first + t.n, 0, 0 };
	int32_t n_parent = (t.parent_len + N - 1) / N, low = window > 0 ? t.parent_len + t.first - window + 1 : 0;

	low = low > 0 ? low : 0;                           /* the lowest position that a query of the tile sees */
	w.from = low < t.parent_len ? low / N : n_parent + (low - t.parent_len) / N;
	w.to = n_parent + (w.len + N - 1) / N;
	return w;
}

template <int N>
static __device__ inline struct attn_span
key_walk_at(const struct key_walk &w, int32_t i)
{
	int32_t n_parent = (w.parent_len + N - 1) / N;
	bool own = i >= n_parent;
	int32_t at = (own ? i - n_parent : i) * N, left = (own ? w.len : w.parent_len) - at;

	return { (own ? w.start : w.parent_start) + at, left < N ? left : N, (own ? w.parent_len : 0) + at, 0 };
}

/* ---- the queries of a tile of keys: for each head, the segment's own from the tile on, then every child's ---- */

struct query_walk {
	struct attn_tile t;
	const struct attn_child *child;
	int32_t reach;                                     /* queries at this position or later are out of the window */
	int32_t head, end_head, part;                      /* part 0: own segment, part i: child i - 1 */
	int32_t row, pos, at, limit;                       /* of the part: its first token's; the next query, their end */
};

static __device__ inline void
query_walk_part(struct query_walk *w)
{
	int32_t left;

	w->row = w->t.start;
	w->pos = w->t.parent_len;
	w->at = w->t.first;
	w->limit = w->t.len;
	if (w->part > 0) {
		struct attn_child c = w->child[w->t.child + w->part - 1];

		w->row = c.start;
		w->pos = w->t.len;
		w->at = 0;
		w->limit = c.len;
	}
	left = w->reach - w->pos;
	w->limit = w->limit < left ? w->limit : left;
}

static __device__ inline struct query_walk
query_walk_start(const struct attn_args &a, const struct attn_tile &t, int32_t kv)
{
	struct query_walk w = { t, a.child, INT32_MAX, kv * a.group, (kv + 1) * a.group, 0, 0, 0, 0, 0 };

	if (a.window > 0)
		w.reach = t.parent_len + t.first + t.n - 1 + a.window;
	query_walk_part(&w);
	return w;
}

/* The next tile of queries; n = 0 at the end. */
template <int N>
static __device__ inline struct attn_span
query_walk_next(struct query_walk *w)
{
	struct attn_span s;

	while (w->at >= w->limit) {
		if (++w->part > w->t.n_children) {
			w->part = 0;
			if (++w->head >= w->end_head)
				return { 0, 0, 0, 0 };
		}
		query_walk_part(w);
	}
	s = { w->row + w->at, w->limit - w->at < N ? w->limit - w->at : N, w->pos + w->at, w->head };
	w->at += N;
	return s;
}

/* ---- masks ---- */

/* Of the keys at pos .. pos + n - 1, numbered from 0: those that a query at qpos sees are [*from, *to). */
static __device__ inline void
keys_seen(const struct attn_span &k, int32_t qpos, int32_t window, int32_t *from, int32_t *to)
{
	int32_t upto = qpos - k.pos + 1;

	*to = upto < k.n ? upto : k.n;
	*from = window > 0 ? upto - window : 0;
}

/* Of the queries at pos .. pos + n - 1: those that see a key at kpos. */
static __device__ inline void
queries_seen(const struct attn_span &q, int32_t kpos, int32_t window, int32_t *from, int32_t *to)
{
	int32_t reach = window > 0 ? kpos - q.pos + window : q.n;

	*from = kpos - q.pos;
	*to = reach < q.n ? reach : q.n;
}

/* Whether some query at [q0, q1] sees some key at [k0, k1], and whether each sees all. */
static __device__ inline bool
any_seen(int32_t q0, int32_t q1, int32_t k0, int32_t k1, int32_t window)
{
	return k0 <= q1 && (window <= 0 || k1 > q0 - window);
}

static __device__ inline bool
all_seen(int32_t q0, int32_t q1, int32_t k0, int32_t k1, int32_t window)
{
	return k1 <= q0 && (window <= 0 || k0 > q1 - window);
}
