/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * CLBlast's product, when it is asked for: its programs are compiled at the first run. */
#include "blas/blas.h"
#include "ops/gemm/gemm.h"

static bool applies(const struct qni_problem *p)
{
    struct qni_gemm g;

    if (!qni_epilogue_empty(&p->epilogue))
        return false;
    qni_gemm_numbers(&g, p);
    /* One who asks for it by name where it cannot be opened is to get a message. */
    return g.K && (strstr(p->caps->algo, "gemm=clblast") || qni_blas_usable());
}

static void numbers(struct qni_blas_gemm *out, const struct qni_gemm *g)
{
    *out = (struct qni_blas_gemm){.ta = g->ta, .tb = g->tb, .M = g->M, .N = g->N, .K = g->K};
    out->lda = g->lda;
    out->ldb = g->ldb;
    out->ldc = g->N;
    out->times = g->batch * g->sums;
    out->stride_a = g->stride_a;
    out->stride_b = g->stride_b;
    out->stride_c = g->sums > 1 ? 0 : g->M * g->N;
    out->sum = g->sums > 1;
}

static void sizes(const struct qni_problem *p, struct qni_sizes *out)
{
    struct qni_blas_gemm b;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    numbers(&b, &g);
    if (g.batch && g.M && g.N)
        out->scratch = qni_blas_gemm_scratch(&b);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    struct qni_blas_gemm b;
    struct qni_launch *l;
    struct qni_gemm g;

    qni_gemm_numbers(&g, p);
    numbers(&b, &g);
    if (!g.batch || !g.M || !g.N)
        return;
    l = qni_blas_gemm(r, &b);
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_scratch(r, l, QN_F32, 0);
}

const struct qni_algo qni_gemm_clblast = {.name = "clblast", .applies = applies, .sizes = sizes, .emit = emit,
                                          .lacks = qni_blas_lacks};
