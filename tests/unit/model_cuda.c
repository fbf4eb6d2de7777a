/* model_cuda.c -- whole models on the CUDA backend: a GPU, or its emulation. */
#define OD_TEST_DEVICE "cuda"
#include "model_device.h"
