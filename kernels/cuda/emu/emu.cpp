/* emu.cpp -- launches, the fibres that threads run on, and barriers. */
#include "state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#if !defined(__x86_64__)
#define OD_EMU_UCONTEXT
#endif
#ifdef OD_EMU_UCONTEXT
#include <ucontext.h>
#endif

enum { STACK = 256 * 1024, GUARD = 4096, HOST = EMU_MAX_THREADS };
enum order { ASCENDING, DESCENDING, RANDOM };
enum thread_state { UNSTARTED, RUNNABLE, AT_BARRIER, IN_WARP, EXITED };

struct thread {
	enum thread_state state;
	int fibre;
	const char *what, *file;             /* what it waits for, where */
	int line;
	unsigned mask;                       /* IN_WARP: lanes it waits for */
	void *arg;
	uint3 index;
};

struct fibre {
	int thread;
	void *sp, *fake;                     /* saved stack pointer; ASan's fake stack */
	const void *stack;                   /* lowest address, above the guard page */
	size_t stack_size;
#ifdef OD_EMU_UCONTEXT
	ucontext_t context;
#endif
};

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
uint32_t od_emu_generation;
struct emu_state emu;

static struct {
	enum order order;
	uint64_t seed, random;
	char name[32];
} schedule;

static struct thread threads[EMU_MAX_THREADS];
static unsigned warp_waiting[EMU_MAX_THREADS / EMU_WARP];    /* lanes IN_WARP */
static struct fibre fibres[EMU_MAX_THREADS + 1];             /* the last is the host's stack */
static int idle[EMU_MAX_THREADS], n_idle, n_fibres, current = HOST, previous = HOST;
static int order_of[EMU_MAX_THREADS], n_started, n_exited, n_at_barrier;
static int ready[EMU_MAX_THREADS], ready_first, n_ready;     /* a ring */
static od_emu_thunk thunk;
static void *thunk_args;

/* Static shared memory: the arrays of a block one after the other, with gaps that ASan guards. */
alignas(128) static char arena[2 * EMU_STATIC_SHARED];
static size_t arena_used, static_bytes;
static char *dynamic;

/* ---- order ---- */

extern "C" void
od_emu_schedule(const char *name)
{
	char *end = NULL;

	if (strcmp(name, "asc") == 0)
		schedule.order = ASCENDING;
	else if (strcmp(name, "desc") == 0)
		schedule.order = DESCENDING;
	else if (strncmp(name, "rand", 4) == 0 && (schedule.seed = strtoull(name + 4, &end, 10), *end == 0))
		schedule.order = RANDOM;
	else {
		fprintf(stderr, "emu: schedule '%s': want asc, desc or rand<seed>\n", name);
		abort();
	}
	schedule.random = schedule.seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
	snprintf(schedule.name, sizeof schedule.name, "%s", name);
}

static void
first_schedule(void)
{
	const char *name = getenv("OD_EMU_SCHED");

	if (!schedule.name[0])
		od_emu_schedule(name && *name ? name : "asc");
}

static uint64_t
next_random(void)
{
	schedule.random ^= schedule.random << 13;
	schedule.random ^= schedule.random >> 7;
	schedule.random ^= schedule.random << 17;
	return schedule.random * 0x2545f4914f6cdd1du >> 16;
}

static void
order_threads(void)
{
	int n = emu.n_threads;

	for (int i = 0; i < n; i++)
		order_of[i] = schedule.order == DESCENDING ? n - 1 - i : i;
	for (int i = n - 1; schedule.order == RANDOM && i > 0; i--) {
		int k = (int)(next_random() % (unsigned)(i + 1)), t = order_of[i];

		order_of[i] = order_of[k];
		order_of[k] = t;
	}
}

/* ---- reports ---- */

static void
print_index(const char *what, uint3 i)
{
	fprintf(stderr, "%s (%u,%u,%u)", what, i.x, i.y, i.z);
}

void
emu_print_thread(int t)
{
	print_index("thread", threads[t].index);
}

static void
print_where(void)
{
	const struct od_emu_launch_args *l = emu.launch;

	if (!l)
		return;
	fprintf(stderr, "kernel %s (launched at %s:%d, order %s), ", l->name, l->file, l->line, schedule.name);
	print_index("block", blockIdx);
	if (emu.thread >= 0)
		print_index(", thread", threads[emu.thread].index);
	fprintf(stderr, ": ");
}

static void __attribute__((noreturn))
die_now(void)
{
	fprintf(stderr, "\n");
	fflush(NULL);
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_print_stack_trace();
#endif
	abort();
}

void
emu_die(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "emu: ");
	print_where();
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	die_now();
}

static int
same_place(const struct thread *a, const struct thread *b)
{
	return a->state == b->state && a->line == b->line && a->what == b->what
		&& (a->file == b->file || (a->file && b->file && strcmp(a->file, b->file) == 0));
}

/* Where all threads of the block are, equal places counted together. */
static void __attribute__((noreturn))
die_with_places(const char *why)
{
	static bool shown[EMU_MAX_THREADS];

	emu.thread = -1;
	fprintf(stderr, "emu: ");
	print_where();
	fprintf(stderr, "%s:", why);
	for (int i = 0; i < emu.n_threads; i++) {
		struct thread *t = &threads[i];
		int n = 0;

		for (int k = i; !shown[i] && k < emu.n_threads; k++)
			if (same_place(t, &threads[k])) {
				shown[k] = k > i || shown[k];
				n++;
			}
		if (n == 0)
			continue;
		fprintf(stderr, "\nemu:   %d thread%s", n, n > 1 ? "s" : "");
		if (t->state == AT_BARRIER || t->state == IN_WARP)
			fprintf(stderr, " in %s at %s:%d", t->what, t->file, t->line);
		else
			fprintf(stderr, " %s", t->state == EXITED ? "exited" : t->state == UNSTARTED ? "unstarted" : "running");
		print_index(", the first is", t->index);
		if (t->state == IN_WARP)
			fprintf(stderr, ", it waits for lanes %#x of which %#x came", t->mask,
				warp_waiting[i / EMU_WARP] & t->mask);
	}
	die_now();
}

/* ---- switching stacks ---- */

/* Saves the registers a call preserves and the stack pointer, takes the others'. */
#ifndef OD_EMU_UCONTEXT
extern "C" void od_emu_switch(void **save, void *to);
__asm__(
	".text\n"
	".globl od_emu_switch\n"
	".type od_emu_switch, @function\n"
	"od_emu_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size od_emu_switch, .-od_emu_switch\n");
#endif

static void worker(void);

/* A stack that begins in worker(). */
static void
make_fibre(struct fibre *f, int i)
{
	char *low = emu.stacks + (size_t)i * (STACK + GUARD);

	if (mprotect(low, GUARD, PROT_NONE) != 0)
		emu_die("cannot protect a stack");
	f->stack = low + GUARD;
	f->stack_size = STACK;
#ifndef OD_EMU_UCONTEXT
	void **top = reinterpret_cast<void **>(low + GUARD + STACK);

	top[-2] = reinterpret_cast<void *>(worker);  /* where ret goes; top[-1] stands for worker's return address */
	f->sp = &top[-8];
#else
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = low + GUARD;
	f->context.uc_stack.ss_size = STACK;
	makecontext(&f->context, worker, 0);
#endif
}

/* After a switch to the fibre that is now current: ASan says what stack we came from, which is how we learn the host's. */
static void
arrived(void)
{
#ifdef __SANITIZE_ADDRESS__
	const void *stack;
	size_t size;

	__sanitizer_finish_switch_fiber(fibres[current].fake, &stack, &size);
	if (previous == HOST) {
		fibres[HOST].stack = stack;
		fibres[HOST].stack_size = size;
	}
#endif
}

static void
enter_fibre(int i)
{
	struct fibre *from = &fibres[current], *to = &fibres[i];

	previous = current;
	current = i;
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(&from->fake, to->stack, to->stack_size);
#endif
#ifndef OD_EMU_UCONTEXT
	od_emu_switch(&from->sp, to->sp);
#else
	swapcontext(&from->context, &to->context);
#endif
	arrived();
}

/* The kernel goes on, in thread t. */
static void
set_thread(int t)
{
	emu.thread = t;
	threadIdx = threads[t].index;
}

/* ---- the scheduler ---- */

static void
push_ready(int t)
{
	threads[t].state = RUNNABLE;
	ready[(ready_first + n_ready++) % EMU_MAX_THREADS] = t;
}

static int
pop_ready(void)
{
	int t;

	if (schedule.order == RANDOM) {
		int k = (ready_first + (int)(next_random() % (unsigned)n_ready)) % EMU_MAX_THREADS;

		t = ready[k];
		ready[k] = ready[ready_first];
	} else {
		t = ready[ready_first];
	}
	ready_first = (ready_first + 1) % EMU_MAX_THREADS;
	n_ready--;
	return t;
}

/* Whether the next to run is a thread that waited, not one that has not begun. */
static bool
prefer_ready(void)
{
	if (n_ready == 0 || n_started == emu.n_threads)
		return n_ready > 0;
	return schedule.order != RANDOM || next_random() % 2;
}

/* Runs something else; returns when this fibre has something to do again. */
static void
dispatch(void)
{
	int next;

	if (prefer_ready()) {
		next = threads[pop_ready()].fibre;
	} else if (n_started < emu.n_threads) {
		if (n_idle == 0) {
			make_fibre(&fibres[n_fibres], n_fibres);
			idle[n_idle++] = n_fibres++;
		}
		next = idle[--n_idle];
	} else if (n_exited == emu.n_threads) {
		next = HOST;
	} else if (n_exited > 0) {
		die_with_places("threads wait for others that have exited or wait elsewhere");
	} else {
		die_with_places("threads wait for each other at different places");
	}
	if (next != current)
		enter_fibre(next);
}

/* Each fibre is a worker: it runs threads that have not begun, so that only a thread that waits costs a switch. */
static void
worker(void)
{
	arrived();
	for (;;) {
		while (n_started < emu.n_threads && !(schedule.order == RANDOM && prefer_ready())) {
			int t = order_of[n_started++];

			threads[t].state = RUNNABLE;
			threads[t].fibre = fibres[current].thread = current;
			set_thread(t);
			emu.in_kernel = 1;
			thunk(thunk_args);
			emu.in_kernel = 0;
			threads[emu.thread].state = EXITED;
			n_exited++;
		}
		idle[n_idle++] = current;
		dispatch();
	}
}

/* The running thread waits until somebody calls push_ready for it. */
static void
wait_as(int t)
{
	dispatch();
	set_thread(t);
}

/* ---- barriers ---- */

static void
release_barrier(void)
{
	const struct thread *first = &threads[order_of[0]];

	for (int i = 1; i < emu.n_threads; i++)
		if (!same_place(first, &threads[order_of[i]]))
			die_with_places("threads of a block meet in different barriers");
	for (int i = 0; i < emu.n_threads; i++)
		push_ready(order_of[i]);
	n_at_barrier = 0;
	emu.epoch++;
}

static void
park(int t, enum thread_state state, const char *what, const char *file, int line)
{
	threads[t].state = state;
	threads[t].what = what;
	threads[t].file = file;
	threads[t].line = line;
}

void
od_emu_syncthreads(const char *file, int line)
{
	int t = emu.thread;

	emu.in_kernel = 0;
	park(t, AT_BARRIER, "__syncthreads", file, line);
	if (++n_at_barrier == emu.n_threads)
		release_barrier();
	wait_as(t);
	emu.in_kernel = 1;
}

/* All lanes of the mask have come: exchanges, and lets them go on. */
static void
release_warp(int warp, unsigned mask, emu_exchange exchange)
{
	void *args[EMU_WARP] = { 0 };
	int base = warp * EMU_WARP;
	const struct thread *me = &threads[emu.thread];

	for (int i = 0; i < EMU_WARP; i++) {
		if (!(mask >> i & 1))
			continue;
		if (threads[base + i].mask != mask || !same_place(me, &threads[base + i]))
			die_with_places("lanes of a warp meet in different primitives or with different masks");
		args[i] = threads[base + i].arg;
	}
	if (exchange)
		exchange(args, mask);
	warp_waiting[warp] &= ~mask;
	for (int i = 0; i < EMU_WARP; i++) {
		int lane = schedule.order == DESCENDING ? EMU_WARP - 1 - i : i;

		if (mask >> lane & 1)
			push_ready(base + lane);
	}
}

void
emu_warp(const char *file, int line, const char *name, unsigned mask, void *arg, emu_exchange exchange)
{
	int t = emu.thread, warp = t / EMU_WARP, lane = t % EMU_WARP, left = emu.n_threads - warp * EMU_WARP;

	emu.in_kernel = 0;
	if (!(mask >> lane & 1))
		emu_die("%s at %s:%d: the mask %#x lacks lane %d, which calls", name, file, line, mask, lane);
	if (left < EMU_WARP && mask >> left)
		emu_die("%s at %s:%d: the mask %#x names lanes beyond the block's %d threads", name, file, line, mask,
			emu.n_threads);
	park(t, IN_WARP, name, file, line);
	threads[t].mask = mask;
	threads[t].arg = arg;
	warp_waiting[warp] |= 1u << lane;
	if ((warp_waiting[warp] & mask) == mask)
		release_warp(warp, mask, exchange);
	wait_as(t);
	emu.in_kernel = 1;
}

/* ---- shared memory ---- */

/* Arrays begin at odd multiples of 16, so that nothing is aligned better than device.h promises. */
void *
od_emu_shared_new(struct od_emu_slot *slot, size_t bytes, const char *name)
{
	size_t at = (arena_used + 63) / 32 * 32 + 16;
	int in_kernel = emu.in_kernel;

	emu.in_kernel = 0;
	static_bytes += (bytes + 15) / 16 * 16;
	if (static_bytes > EMU_STATIC_SHARED)
		emu_die("static shared memory beyond %d bytes at '%s': nvcc refuses it", EMU_STATIC_SHARED, name);
	if (static_bytes + emu.launch->shared > EMU_ALL_SHARED)
		emu_die("static and dynamic shared memory beyond %d bytes", EMU_ALL_SHARED);
	if (at + bytes > sizeof arena || emu.n_pieces == (int)(sizeof emu.piece / sizeof emu.piece[0]))
		emu_die("too many shared arrays, at '%s'", name);
	arena_used = at + bytes;
	ASAN_UNPOISON_MEMORY_REGION(arena + at, bytes);
	memset(arena + at, 0xff, bytes);
	emu.piece[emu.n_pieces++] = emu_piece{ arena + at, bytes, name };
	slot->at = arena + at;
	slot->generation = od_emu_generation;
	emu.in_kernel = in_kernel;
	return slot->at;
}

void *
od_emu_dyn_shared(void)
{
	return emu.piece[0].at;
}

int
emu_piece_of(const void *p, size_t bytes)
{
	for (int i = 0; i < emu.n_pieces; i++) {
		const struct emu_piece *s = &emu.piece[i];
		size_t offset = (size_t)(static_cast<const char *>(p) - s->at);

		if (offset < s->bytes && bytes <= s->bytes - offset)
			return i;
	}
	return -1;
}

/* A heap block of the exact size for the launch; piece 0, also when it is empty. */
static void
make_dynamic(size_t bytes)
{
	void *p;

	if (posix_memalign(&p, 128, bytes + 16) != 0)
		emu_die("no memory");
	dynamic = static_cast<char *>(p);
	ASAN_POISON_MEMORY_REGION(dynamic, 16);
	emu.piece[0] = emu_piece{ dynamic + 16, bytes, "dynamic shared memory" };
}

static void
fresh_shared(void)
{
	ASAN_POISON_MEMORY_REGION(arena, sizeof arena);
	arena_used = static_bytes = 0;
	emu.n_pieces = 1;
	memset(emu.piece[0].at, 0xff, emu.piece[0].bytes);
}

/* ---- launches ---- */

static cudaError_t
refused(const struct od_emu_launch_args *l)
{
	uint64_t threads_asked = (uint64_t)l->block.x * l->block.y * l->block.z;

	if (threads_asked == 0 || threads_asked > EMU_MAX_THREADS || l->block.x > 1024 || l->block.y > 1024 || l->block.z > 64)
		return cudaErrorInvalidConfiguration;
	if (l->grid.x == 0 || l->grid.y == 0 || l->grid.z == 0 || l->grid.x > 0x7fffffff || l->grid.y > 65535
		|| l->grid.z > 65535)
		return cudaErrorInvalidConfiguration;
	if (l->shared > emu_shared_limit(l->kernel))
		return cudaErrorInvalidValue;
	return cudaSuccess;
}

static void
run_block(uint64_t block)
{
	const struct od_emu_launch_args *l = emu.launch;

	blockIdx.x = (unsigned)(block % l->grid.x);
	blockIdx.y = (unsigned)(block / l->grid.x % l->grid.y);
	blockIdx.z = (unsigned)(block / l->grid.x / l->grid.y);
	od_emu_generation++;
	emu.epoch = 0;
	memset(emu.warp_epoch, 0, sizeof emu.warp_epoch);
	memset(warp_waiting, 0, sizeof warp_waiting);
	for (int i = 0; i < emu.n_threads; i++)
		threads[i].state = UNSTARTED;
	n_started = n_exited = n_at_barrier = n_ready = ready_first = 0;
	fresh_shared();
	emu_async_reset();
	order_threads();
	dispatch();
	emu.thread = -1;
}

static uint64_t
gcd(uint64_t a, uint64_t b)
{
	return b == 0 ? a : gcd(b, a % b);
}

/* Random order: block (offset + i * step) mod n, with a step that meets every block once. */
static void
run_blocks(uint64_t n)
{
	uint64_t step = 1, offset = 0;

	if (schedule.order == DESCENDING) {
		step = n - 1;
		offset = n - 1;
	} else if (schedule.order == RANDOM) {
		offset = next_random() % n;
		do
			step = n > 1 ? 1 + next_random() % (n - 1) : 1;
		while (gcd(step, n) != 1);
	}
	for (uint64_t i = 0, b = offset; i < n; i++, b = (b + step) % n)
		run_block(b);
}

static void
set_up_threads(dim3 block)
{
	emu.n_threads = (int)(block.x * block.y * block.z);
	for (int i = 0; i < emu.n_threads; i++) {
		unsigned k = (unsigned)i;

		threads[i].index = uint3{ k % block.x, k / block.x % block.y, k / block.x / block.y };
	}
}

static void
make_stacks(void)
{
	void *p;

	if (emu.stacks)
		return;
	emu.stacks_size = (size_t)EMU_MAX_THREADS * (STACK + GUARD);
	p = mmap(NULL, emu.stacks_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		emu_die("no memory for stacks");
	emu.stacks = static_cast<char *>(p);
	emu.arena = arena;
	emu.arena_size = sizeof arena;
}

void
od_emu_run(const struct od_emu_launch_args *launch, od_emu_thunk f, void *args, size_t args_size)
{
	cudaError_t e = refused(launch);

	if (emu.launch)
		emu_die("a launch of %s from within a kernel", launch->name);
	if (e) {
		emu_fail(e);
		return;
	}
	first_schedule();
	make_stacks();
	emu.launch = launch;
	emu.args = static_cast<const char *>(args);
	emu.args_size = args_size;
	emu.thread = -1;
	emu.first_generation = od_emu_generation + 1;
	thunk = f;
	thunk_args = args;
	gridDim = launch->grid;
	blockDim = launch->block;
	set_up_threads(launch->block);
	make_dynamic(launch->shared);
	emu_device_begin();
	run_blocks((uint64_t)launch->grid.x * launch->grid.y * launch->grid.z);
	emu_device_end();
	ASAN_UNPOISON_MEMORY_REGION(dynamic, 16);
	free(dynamic);
	emu.launch = NULL;
}
