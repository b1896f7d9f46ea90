/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_ELTWISE_KERNEL_H
#define QNI_ELTWISE_KERNEL_H

#include "ops/eltwise/eltwise.h"

/* How an input is read: not at all, element for element, one number, a row's elements, one number a row. */
enum qni_elt_mode { QNI_ELT_UNREAD, QNI_ELT_FULL, QNI_ELT_SCALAR, QNI_ELT_VECTOR, QNI_ELT_SPLAT };

struct qni_elt_layout {
    int rank;                            /* after merging, at least 1; the last axis is a row's columns */
    int64_t dim[QN_MAX_RANK];
    int64_t stride[QNI_ELT_IN][QN_MAX_RANK];
    enum qni_elt_mode mode[QNI_ELT_IN];
    bool strided;                        /* some input is neither whole nor a scalar */
};

/* ---- layout.c ---- */

void qni_elt_lay_out(const struct qni_eltwise *e, const struct qni_desc *in, const qn_shape *out, struct qni_elt_layout *l);
bool qni_elt_is_strided(const struct qni_elt_layout *l, int i);

/* ---- text.c ---- */

struct qni_elt_writer {
    struct qni_text text;
    const struct qni_eltwise *e;
    struct qni_elt_layout layout;
    unsigned unwanted;
    int lanes;                           /* 1: coalesced */
    bool random;
    uint64_t live;                       /* bit n: operand n is computed or loaded */
    qn_dtype in[QNI_ELT_IN], result[QNI_ELT_CODES];
};

qn_dtype qni_elt_output_dtype(const struct qni_elt_writer *w, int o);
bool qni_elt_writes(const struct qni_elt_writer *w, int o);
/* Is an instruction's alpha (AFFINE: and beta) an argument, as what may vary must be? */
bool qni_elt_takes_numbers(int kind);
bool qni_elt_draws(int kind);
/* The whole kernel, named eltwise, into w->text. */
void qni_elt_write(struct qni_elt_writer *w);

#endif
