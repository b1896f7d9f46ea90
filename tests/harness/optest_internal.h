/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef OPTEST_INTERNAL_H
#define OPTEST_INTERNAL_H

#include "optest.h"

/* A case while its tests run. */
struct optest_state {
    const struct optest_case *c;
    const struct qni_algo *algo; /* under test */
    qn_matmul operands;          /* what the algorithms under test round operands to */
    struct qni_caps caps;        /* the device's, which let them */
    struct qni_problem p;
    double *in[QNI_MAX_IN];    /* NULL where absent */
    double *after[QNI_MAX_IN]; /* what in[] must hold afterwards */
    double *out[QNI_MAX_OUT], *scale[QNI_MAX_OUT];
    double terms[QNI_MAX_OUT];
};

/* values.c */
void *optest_alloc(size_t n, size_t size); /* zeroed, never NULL */
void optest_encode(unsigned char *to, qn_dtype dtype, double v);
double optest_decode(const unsigned char *from, qn_dtype dtype);
void optest_fill(double *v, const struct qni_desc *d, enum optest_fill how, int64_t most);
bool optest_is_float(qn_dtype dtype);

/* compare.c: explain where values that came back differ from what was wanted. rounding: what is allowed of scale beside that. */
void optest_compare(const unsigned char *got, const struct qni_desc *d, const double *want, const double *scale,
                    double terms, double slack, double rounding, const char *what, int number);

/* gradient.c: the test "op/gradient: name"; arg is a struct optest_state. */
void optest_gradient(const void *arg);

#endif
