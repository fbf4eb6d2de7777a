/* nccl.h -- the few functions of NCCL 2 that nccl.cu calls, as the library exports them (libnccl.so.2). They are found at run
 * time, so neither its headers nor the library are needed to build or to start; the emulator answers them through memory that
 * its processes share.
 */
#ifndef OD_CUDA_NCCL_H
#define OD_CUDA_NCCL_H

#include <cuda_runtime.h>
#include <stddef.h>

extern "C" {
typedef struct ncclComm *ncclComm_t;
typedef struct {
	char internal[128];
} ncclUniqueId;
typedef int ncclResult_t;                      /* 0: success */
enum { OD_NCCL_FLOAT = 7, OD_NCCL_BFLOAT16 = 9, OD_NCCL_SUM = 0 };

ncclResult_t ncclGetVersion(int *version);
ncclResult_t ncclGetUniqueId(ncclUniqueId *id);
ncclResult_t ncclCommInitRank(ncclComm_t *comm, int n, ncclUniqueId id, int rank);
ncclResult_t ncclCommDestroy(ncclComm_t comm);
ncclResult_t ncclReduceScatter(const void *send, void *receive, size_t receive_count, int type, int op, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t ncclAllGather(const void *send, void *receive, size_t send_count, int type, ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclReduce(const void *send, void *receive, size_t count, int type, int op, int root, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t ncclBroadcast(const void *send, void *receive, size_t count, int type, int root, ncclComm_t comm,
	cudaStream_t stream);
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);
const char *ncclGetErrorString(ncclResult_t result);
}

#endif
