/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * One call checks a case of an operation as it must be checked: every algorithm
 * that applies, against float64 loops, outputs pre-filled with NaN, buffers
 * between guard bands, run twice with equal bits. */
#ifndef OPTEST_H
#define OPTEST_H

#include "ops/op.h"
#include "test.h"

enum optest_fill {
    OPTEST_UNIFORM,  /* [-1, 1) */
    OPTEST_POSITIVE, /* [0.1, 1.1) */
    OPTEST_INTEGER,  /* 0 .. fill_max - 1, for index inputs and u8 */
    OPTEST_DISTINCT, /* a shuffled grid of distinct values in (-1, 1), never 0, so that maxima are unique */
    OPTEST_TIES,     /* small integers, so that maxima tie */
    OPTEST_ZERO_ONE  /* 0 or 1 */
};

struct optest_case {
    const char *name;
    const struct qni_op *op;
    const void *attr;
    int inputs;
    struct qni_desc in[QNI_MAX_IN];
    enum optest_fill fill[QNI_MAX_IN];
    int64_t fill_max[QNI_MAX_IN];
    unsigned absent, unwanted;
    struct qni_epilogue epilogue;
    /* float64 loops. in[i]: values as double (NULL when absent). Write out[o] in full, and into scale[o][e] the sum of
     * the absolute values of the terms added up in element e; terms[o] the largest number of terms of an element.
     * An error up to FLT_EPSILON * (4 + 2*sqrt(terms)) * scale (+ 1e-30) passes, and half a unit of an f16 or bf16
     * output; so where scale is left 0 the result must be exact. Integer outputs must be equal. Write the new values of
     * an input that the operation updates in place (op->updates) over in[i]. The epilogue is ref's to apply. */
    void (*ref)(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms);
    /* NULL, or change the numbers that were drawn for the inputs, where they depend on each other; keep them such as
     * their dtypes hold. */
    void (*prepare)(const struct qni_problem *p, double *const *in);
    const uint32_t *step, *device; /* NULL: zeros; or the words of the step and device blocks (QNI_STEP_WORDS each) */
    double slack;     /* 0 or a factor on the bound, for operations whose built-ins are allowed several ULP */
    /* Algorithms that round operands (p->caps->matmul says to what) are given numbers that need no rounding. chained: operands
     * are results too, whose rounding is allowed for. unrounded: numbers as they come; ref is to round them. */
    bool chained, unrounded;
    bool small_grad;  /* gradient is checked too, by finite differences of ref through the graph: keep it tiny,
                         * and away from kinks (OPTEST_DISTINCT) */
    unsigned no_grad; /* bit i: do not check the gradient of input i */
    unsigned saved;   /* bit o: output o is for the backward pass; no gradient flows through it */
};

/* Run a table of cases as tests "op/algorithm: name" and "op/gradient: name". Epilogue operands are among in[].
 * $QUERN_TEST_SMALL leaves out what an interpreter would take minutes for; $QUERN_DEBUG_ALLOC gives every tensor a
 * buffer of its own size instead of guard bands, for a checker that sees what leaves a buffer. */
void optest_run(const struct optest_case *cases, size_t n);
/* The same by the algorithms "matrix", "matrix_tf32" ... alone, which play each maker's matrix instructions, whatever the
 * device: "op/matrix: as NVIDIA: name". Gradients by finite differences are left to optest_run. */
void optest_run_played(const struct optest_case *cases, size_t n);
/* Those alone that round operands so, and of bf16 and f16 by the instructions of one maker. */
void optest_run_played_as(const struct optest_case *cases, size_t n, qn_matmul operands, enum qni_matrix maker);
/* The test device's, as a GPU's with NVIDIA's matrix instructions that was never tested, for what is chosen by them. */
struct qni_caps optest_matrix_caps(void);

/* Shorthand for a contiguous f32 / other operand. */
struct qni_desc optest_f32(int rank, ...); /* dims as int */
struct qni_desc optest_desc(qn_dtype dtype, int rank, ...);

/* For ref: activation of x; its derivative as a function of its result y (NaN where it is none). */
double optest_act(int act, double alpha, double x);
double optest_act_grad(int act, double alpha, double y);
/* For ref: what p's epilogue makes of v, element e of output 0; channels are the last axis. *scale goes with v. */
double optest_epilogue(const struct qni_problem *p, double *const *in, int64_t e, double v, double *scale);

#endif
