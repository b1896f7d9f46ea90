/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Built where CLBlast's header was not found: the algorithm is there by name, and says why it cannot be used. */
#include "blas/blas.h"

#define LACKS "built without CLBlast: install its header, on Debian and Ubuntu libclblast-dev, and build again"

bool qni_blas_usable(void)
{
    return false;
}

const char *qni_blas_lacks(void)
{
    return LACKS;
}

size_t qni_blas_gemm_scratch(const struct qni_blas_gemm *g)
{
    (void)g;
    return 0;
}

struct qni_launch *qni_blas_gemm(struct qni_recorder *r, const struct qni_blas_gemm *g)
{
    (void)g;
    if (!r->status)
        r->status = qni_error(QN_E_UNSUPPORTED, LACKS);
    return qni_launch_add(r, "call", "call");
}
