/* emu_mma.h -- the emulator's bodies of the primitives that device.h declares; included at its end. The macros hand on where
 * a kernel called. */
#ifndef OD_EMU_MMA_H
#define OD_EMU_MMA_H

static inline void
mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
	od_emu_mma_bf16(__FILE__, __LINE__, d, a, b);
}

static inline void
ldmatrix_x4(uint32_t r[4], const void *row)
{
	od_emu_ldmatrix(__FILE__, __LINE__, r, row, false);
}

static inline void
ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
	od_emu_ldmatrix(__FILE__, __LINE__, r, row, true);
}

static inline void
cp_async_16(void *to, const void *from, bool valid)
{
	od_emu_cp_async(__FILE__, __LINE__, to, from, valid);
}

static inline void
cp_async_commit(void)
{
	od_emu_cp_async_commit();
}

template <int N>
static inline void
cp_async_wait(void)
{
	od_emu_cp_async_wait(N);
}

#define mma_bf16(d, a, b) od_emu_mma_bf16(__FILE__, __LINE__, d, a, b)
#define ldmatrix_x4(r, row) od_emu_ldmatrix(__FILE__, __LINE__, r, row, false)
#define ldmatrix_x4_trans(r, row) od_emu_ldmatrix(__FILE__, __LINE__, r, row, true)
#define cp_async_16(to, from, valid) od_emu_cp_async(__FILE__, __LINE__, to, from, valid)

#endif
