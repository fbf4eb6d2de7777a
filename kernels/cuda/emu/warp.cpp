/* warp.cpp -- what the lanes of a warp do together, asynchronous copies, atomics. */
#include "state.h"

#include <vector>

static int
lane_id(void)
{
	return emu.thread % EMU_WARP;
}

/* The thread that is the given lane of the running warp. */
static int
thread_of(int lane)
{
	return emu.thread / EMU_WARP * EMU_WARP + lane;
}

/* ---- shuffles, votes ---- */

struct shuffle {
	uint64_t in, out;
	int from;
};

static void
exchange_shuffle(void *const args[EMU_WARP], unsigned mask)
{
	for (int i = 0; i < EMU_WARP; i++) {
		struct shuffle *s = static_cast<struct shuffle *>(args[i]);

		if (!s)
			continue;
		if (!(mask >> s->from & 1))
			emu_die("shuffle: lane %d reads lane %d, which its mask %#x lacks", i, s->from, mask);
		s->out = static_cast<struct shuffle *>(args[s->from])->in;
	}
}

/* The lane whose value is asked for; the own one where that lies outside of the segment of width lanes. */
static int
source_lane(enum od_emu_shfl_kind kind, int lane, int x, int width)
{
	int first = lane & ~(width - 1), from = lane;

	switch (kind) {
	case OD_EMU_SHFL:
		return first + (x & (width - 1));
	case OD_EMU_SHFL_UP:
		from = lane - x;
		return from >= first ? from : lane;
	case OD_EMU_SHFL_DOWN:
		from = lane + x;
		break;
	case OD_EMU_SHFL_XOR:
		from = lane ^ x;
		break;
	}
	return from < first + width ? from : lane;
}

uint64_t
od_emu_shuffle(const char *file, int line, enum od_emu_shfl_kind kind, unsigned mask, uint64_t value, int x, int width)
{
	static const char *const name[] = { "__shfl_sync", "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync" };
	struct shuffle s = { value, 0, 0 };

	if (width < 1 || width > EMU_WARP || (width & (width - 1)))
		emu_die("%s at %s:%d: width %d is no power of two up to 32", name[kind], file, line, width);
	if (kind != OD_EMU_SHFL && (x < 0 || x >= EMU_WARP))
		emu_die("%s at %s:%d: a distance of %d lanes", name[kind], file, line, x);
	s.from = source_lane(kind, lane_id(), x, width);
	emu_warp(file, line, name[kind], mask, &s, exchange_shuffle);
	return s.out;
}

struct vote {
	int in;
	unsigned out;
};

static void
exchange_vote(void *const args[EMU_WARP], unsigned mask)
{
	unsigned ballot = 0;

	(void)mask;
	for (int i = 0; i < EMU_WARP; i++)
		if (args[i] && static_cast<struct vote *>(args[i])->in)
			ballot |= 1u << i;
	for (int i = 0; i < EMU_WARP; i++)
		if (args[i])
			static_cast<struct vote *>(args[i])->out = ballot;
}

unsigned
od_emu_vote(const char *file, int line, enum od_emu_vote_kind kind, unsigned mask, int predicate)
{
	static const char *const name[] = { "__ballot_sync", "__any_sync", "__all_sync" };
	struct vote v = { predicate, 0 };

	emu_warp(file, line, name[kind], mask, &v, exchange_vote);
	return kind == OD_EMU_BALLOT ? v.out : kind == OD_EMU_ANY ? v.out != 0 : v.out == mask;
}

static void
exchange_nothing(void *const[EMU_WARP], unsigned)
{
	emu.warp_epoch[emu.thread / EMU_WARP]++;
}

void
od_emu_syncwarp(const char *file, int line, unsigned mask)
{
	emu_warp(file, line, "__syncwarp", mask, NULL, exchange_nothing);
}

/* ---- tensor cores ---- */

struct mma {
	float *d;
	const uint32_t *a, *b;
};

static float
half_of(uint32_t pair, int high)
{
	uint32_t u = high ? pair & 0xffff0000u : pair << 16;
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}

/* Gathers A and B from the lanes' fragments (device.h has the layout), multiplies, adds to the lanes' parts of D. */
static void
exchange_mma(void *const args[EMU_WARP], unsigned)
{
	float a[16][16], b[16][8];

	for (int lane = 0; lane < EMU_WARP; lane++) {
		const struct mma *m = static_cast<const struct mma *>(args[lane]);
		int g = lane / 4, c = 2 * (lane % 4);

		for (int i = 0; i < 8; i++)
			a[g + 8 * (i / 2 % 2)][c + 8 * (i / 4) + i % 2] = half_of(m->a[i / 2], i % 2);
		for (int i = 0; i < 4; i++)
			b[c + 8 * (i / 2) + i % 2][g] = half_of(m->b[i / 2], i % 2);
	}
	for (int lane = 0; lane < EMU_WARP; lane++) {
		float *d = static_cast<const struct mma *>(args[lane])->d;
		int g = lane / 4, c = 2 * (lane % 4);

		for (int i = 0; i < 4; i++) {
			float sum = d[i];

			for (int k = 0; k < 16; k++)
				sum += a[g + 8 * (i / 2)][k] * b[k][c + i % 2];
			d[i] = sum;
		}
	}
}

void
od_emu_mma_bf16(const char *file, int line, float d[4], const uint32_t a[4], const uint32_t b[2])
{
	struct mma m = { d, a, b };

	emu_warp(file, line, "mma_bf16", 0xffffffffu, &m, exchange_mma);
}

struct ldmatrix {
	uint32_t *r;
	const char *row;
	bool transpose;
	const void *pc;
};

/* Element j of row i of a tile goes to the lane and half that hold it; two of the receiving lanes count as the readers,
 * so that whoever wrote the row without a barrier is another thread than one of them. */
static void
exchange_ldmatrix(void *const args[EMU_WARP], unsigned)
{
	for (int from = 0; from < EMU_WARP; from++) {
		const struct ldmatrix *m = static_cast<const struct ldmatrix *>(args[from]);
		int tile = from / 8, i = from % 8;
		uint16_t row[8];

		memcpy(row, m->row, sizeof row);
		emu_touch(m->row, sizeof row, EMU_READ, thread_of(m->transpose ? i / 2 : 4 * i), m->pc);
		emu_touch(m->row, sizeof row, EMU_READ, thread_of(m->transpose ? 4 + i / 2 : 4 * i + 1), m->pc);
		for (int j = 0; j < 8; j++) {
			int lane = m->transpose ? 4 * j + i / 2 : 4 * i + j / 2;
			uint32_t *r = static_cast<const struct ldmatrix *>(args[lane])->r + tile;

			memcpy(reinterpret_cast<char *>(r) + 2 * (m->transpose ? i % 2 : j % 2), &row[j], 2);
		}
	}
}

static void
check_shared(const char *name, const char *file, int line, const void *p)
{
	if ((uintptr_t)p % 16)
		emu_die("%s at %s:%d: address %p is not 16-byte aligned", name, file, line, p);
	if (emu_piece_of(p, 16) < 0)
		emu_die("%s at %s:%d: %p and the 16 bytes there are not of one shared array", name, file, line, p);
}

void
od_emu_ldmatrix(const char *file, int line, uint32_t r[4], const void *row, bool transpose)
{
	struct ldmatrix m = { r, static_cast<const char *>(row), transpose, __builtin_return_address(0) };

	check_shared("ldmatrix", file, line, row);
	emu_warp(file, line, transpose ? "ldmatrix_x4_trans" : "ldmatrix_x4", 0xffffffffu, &m, exchange_ldmatrix);
}

/* ---- asynchronous copies ---- */

struct copy {
	void *to;
	char data[16];
	unsigned group;
};

/* Never destroyed: exit handlers may come later than a launch from one of them. */
static struct copies {
	unsigned group;                    /* that copies now join */
	std::vector<struct copy> pending;
} *copies;
static bool copies_used;

void
emu_async_reset(void)
{
	if (!copies)
		copies = new struct copies[EMU_MAX_THREADS]();
	for (int i = 0; copies_used && i < EMU_MAX_THREADS; i++) {
		copies[i].group = 0;
		copies[i].pending.clear();
	}
	copies_used = false;
}

/* Reads at once and writes at the wait: the strictest the device may do. Until then the target is NaN. */
void
od_emu_cp_async(const char *file, int line, void *to, const void *from, bool valid)
{
	struct copies *mine = &copies[emu.thread];
	struct copy c = { to, { 0 }, mine->group };

	emu.in_kernel = 0;
	check_shared("cp_async_16", file, line, to);
	if (valid && (uintptr_t)from % 16)
		emu_die("cp_async_16 at %s:%d: source %p is not 16-byte aligned", file, line, from);
	if (valid) {
		emu_touch(from, sizeof c.data, EMU_READ, emu.thread, __builtin_return_address(0));
		memcpy(c.data, from, sizeof c.data);
	}
	emu_touch(to, sizeof c.data, EMU_COPY_BEGINS, emu.thread, __builtin_return_address(0));
	memset(to, 0xff, sizeof c.data);
	mine->pending.push_back(c);
	copies_used = true;
	emu.in_kernel = 1;
}

void
od_emu_cp_async_commit(void)
{
	copies[emu.thread].group++;
	copies_used = true;
}

void
od_emu_cp_async_wait(int keep)
{
	struct copies *mine = &copies[emu.thread];
	size_t n = 0;

	emu.in_kernel = 0;
	for (const struct copy &c : mine->pending) {
		if (c.group + (unsigned)keep >= mine->group) {
			mine->pending[n++] = c;
			continue;
		}
		emu_touch(c.to, sizeof c.data, EMU_COPY_ENDS, emu.thread, __builtin_return_address(0));
		memcpy(c.to, c.data, sizeof c.data);
	}
	mine->pending.resize(n);
	emu.in_kernel = 1;
}

/* ---- atomics ---- */

template <typename T, typename F>
static inline T __attribute__((always_inline))
atomic(T *p, F change)
{
	T old;

	emu.in_kernel = 0;
	if ((uintptr_t)p % sizeof *p)
		emu_die("atomic: address %p is not %zu-byte aligned", static_cast<void *>(p), sizeof *p);
	emu_touch(p, sizeof *p, EMU_ATOMIC, emu.thread, __builtin_return_address(0));
	old = *p;
	*p = change(old);
	emu.in_kernel = 1;
	return old;
}

int atomicAdd(int *p, int x) { return atomic(p, [x](int o) { return (int)((unsigned)o + (unsigned)x); }); }
unsigned atomicAdd(unsigned *p, unsigned x) { return atomic(p, [x](unsigned o) { return o + x; }); }
float atomicAdd(float *p, float x) { return atomic(p, [x](float o) { return o + x; }); }
double atomicAdd(double *p, double x) { return atomic(p, [x](double o) { return o + x; }); }
int atomicMax(int *p, int x) { return atomic(p, [x](int o) { return o > x ? o : x; }); }
int atomicMin(int *p, int x) { return atomic(p, [x](int o) { return o < x ? o : x; }); }
unsigned atomicMax(unsigned *p, unsigned x) { return atomic(p, [x](unsigned o) { return o > x ? o : x; }); }
unsigned atomicMin(unsigned *p, unsigned x) { return atomic(p, [x](unsigned o) { return o < x ? o : x; }); }
int atomicOr(int *p, int x) { return atomic(p, [x](int o) { return o | x; }); }
unsigned atomicOr(unsigned *p, unsigned x) { return atomic(p, [x](unsigned o) { return o | x; }); }
int atomicExch(int *p, int x) { return atomic(p, [x](int) { return x; }); }
int atomicCAS(int *p, int old, int x) { return atomic(p, [old, x](int o) { return o == old ? x : o; }); }

unsigned long long
atomicAdd(unsigned long long *p, unsigned long long x)
{
	return atomic(p, [x](unsigned long long o) { return o + x; });
}
