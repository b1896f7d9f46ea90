/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * CLBlast 1.5.3 gives a CPU a GPU's tiles: on PoCL 3.1 with AVX-512, 10 GFLOP/s a core and 6.9 s to compile. These
 * make the indirect kernel one of vector tiles: work-groups of one, two vectors by eight in registers, no local memory:
 * 112 GFLOP/s a core and 4.5 s. Its other kernels move elements, and the direct one is for what is hardly worth a
 * launch, so they have what compiles fastest. Found by hand among 14 sets at n = 256 and 512; direct tiles of vectors
 * reached 32 GFLOP/s and took 39 s to compile. GEMMK stays 0: 1 is wrong before 1.6.3 where MWG and NWG differ. */
#include "blas/blas.h"

#define MOVE                                                                                                      \
    {"Copy", 4, {"COPY_DIMX", "COPY_DIMY", "COPY_VW", "COPY_WPT"}, {8, 8, 4, 1}},                                 \
        {"Pad", 4, {"PAD_DIMX", "PAD_DIMY", "PAD_WPTX", "PAD_WPTY"}, {8, 8, 1, 1}},                               \
        {"Transpose", 4, {"TRA_DIM", "TRA_PAD", "TRA_SHUFFLE", "TRA_WPT"}, {8, 0, 0, 1}},                         \
        {"Padtranspose", 3, {"PADTRA_PAD", "PADTRA_TILE", "PADTRA_WPT"}, {0, 8, 1}},                              \
        {"GemmRoutine", 1, {"XGEMM_MIN_INDIRECT_SIZE"}, {32}},                                                    \
        {"XgemmDirect", 10,                                                                                       \
         {"WGD", "MDIMCD", "NDIMCD", "MDIMAD", "NDIMBD", "KWID", "VWMD", "VWND", "PADA", "PADB"},                 \
         {8, 8, 8, 8, 8, 1, 1, 1, 0, 0}}

#define XGEMM(lanes)                                                                                                 \
    {"Xgemm", 16,                                                                                                    \
     {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB", "NDIMC", "NWG", "SA", "SB", "STRM", "STRN",   \
      "VWM", "VWN"},                                                                                                 \
     {0, 1, 16, 1, 1, 1, 2 * (lanes), 1, 1, 8, 0, 0, 0, 0, (lanes), 8}}

static const struct qni_blas_params wide[] = {XGEMM(16), MOVE};
static const struct qni_blas_params middle[] = {XGEMM(8), MOVE};
static const struct qni_blas_params narrow[] = {XGEMM(4), MOVE};

const struct qni_blas_params *qni_blas_params(const struct qni_caps *caps, size_t i)
{
    const struct qni_blas_params *set = caps->vector >= 16 ? wide : caps->vector >= 8 ? middle : narrow;

    return caps->shape == QNI_CPU_SHAPED && i < QNI_COUNT(wide) ? &set[i] : NULL;
}
