/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What attention needs around it: rotary positions, and the cache of keys and values. */
#ifndef QNI_ROTARY_H
#define QNI_ROTARY_H

#include "ops/op.h"

struct qni_rotary {
    float base;          /* 10000 as published */
    int32_t dims;        /* elements of a head that are turned; 0: all */
    int32_t interleaved; /* pairs are neighbours, else they are half of dims apart */
    int32_t inverse;     /* turn back */
};

extern const struct qni_op qni_op_rotary;       /* x [B,T,H,D], position [1] or [B] i32 or absent -> y */
extern const struct qni_op qni_op_cache_append; /* cache of k [B,C,H,D], of v [B,C,H,Dv], k [B,T,H,D], v, position -> lengths */

#endif
