/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * One work-item for each element of the result: for problems and devices that nothing better takes. */
#include "ops/gemm/gemm.h"

static bool applies(const struct qni_problem *p)
{
    return qni_gemm_epilogue(p);
}

static void emit(const struct qni_problem *p, struct qni_recorder *r)
{
    const int64_t local = p->caps->shape == QNI_GPU_SHAPED ? QNI_MIN(64, (int64_t)p->caps->group_items) : 1;
    struct qni_launch *l;
    struct qni_gemm g;
    int64_t all;

    qni_gemm_numbers(&g, p);
    all = g.batch * g.M * g.N;
    if (!all)
        return;
    l = qni_launch_add(r, "gemm/simple", "gemm");
    qni_gemm_define_epilogue(r, l, &p->epilogue);
    qni_in(r, l, 0, p->in[0].dtype);
    qni_in(r, l, 1, p->in[1].dtype);
    qni_out(r, l, 0, p->out[0].dtype);
    qni_gemm_epilogue_operands(r, l, p, true);
    qni_i64(r, l, all);
    qni_i64(r, l, g.M);
    qni_i64(r, l, g.N);
    qni_i64(r, l, g.K);
    qni_i64(r, l, g.ta ? 1 : g.lda);
    qni_i64(r, l, g.ta ? g.lda : 1);
    qni_i64(r, l, g.tb ? 1 : g.ldb);
    qni_i64(r, l, g.tb ? g.ldb : 1);
    qni_i64(r, l, g.sums > 1 ? 0 : g.stride_a);
    qni_i64(r, l, g.sums > 1 ? 0 : g.stride_b);
    qni_i64(r, l, g.sums);
    qni_i64(r, l, g.stride_a);
    qni_i64(r, l, g.stride_b);
    qni_f32(r, l, p->epilogue.alpha);
    qni_grid(r, l, 1, &(int64_t){qni_ceil_div(all, local)}, &local);
    qni_work(l, 2 * (uint64_t)all * (uint64_t)(g.K * g.sums), sizeof(float) * (uint64_t)all);
}

const struct qni_algo qni_gemm_simple = {.name = "simple", .applies = applies, .emit = emit};
