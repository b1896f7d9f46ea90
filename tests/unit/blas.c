/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * No CLBlast, wherever it is installed: Quern's own products are there, and who insists on CLBlast is told. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "blas/blas.h"
#include "device/qualify.h"
#include "harness/test.h"
#include "ops/op.h"

/* In place of the C library's, for this program. */
void *dlopen(const char *name, int flags)
{
    void *(*next)(const char *, int);
    void *symbol = dlsym(RTLD_NEXT, "dlopen");

    memcpy(&next, &symbol, sizeof(next));
    return name && strstr(name, "clblast") ? NULL : next(name, flags);
}

static qn_status plan(qn_op **op, qn_device *dev)
{
    const qn_shape a = { 2, { 64, 48 } }, b = { 2, { 48, 80 } };

    return qn_op_matmul_plan(op, dev, &a, &b, NULL);
}

static void own(void)
{
    qn_op *op = NULL;

    CHECK(!qni_blas_usable());
    if (!test_device() || !CHECK_OK(plan(&op, test_device())))
        return;
    CHECK(strcmp(qn_op_algorithm(op), "clblast"));
    qn_op_destroy(&op);
}

static void told(void)
{
    static const struct qni_caps caps;
    static const struct qni_verdict v;
    const struct qni_op *op = qni_op_find("matmul");
    const qn_algorithm is = qni_algo_offered(op, qni_algo_find(op, "clblast"), &caps, &v);

    CHECK_STR(qn_algorithm_state_name(is.state), "absent");
    CHECK(strstr(is.reason, "on Debian and Ubuntu libclblast"));
    CHECK_INT(qni_algo_offered(op, qni_algo_find(op, "simple"), &caps, &v).state, QN_ALGORITHM_USED);
}

static void insisted(void)
{
    qn_device *dev = NULL;
    qn_op *op = NULL;

    setenv("QUERN_ALGO", "gemm=clblast", 1);
    if (CHECK_OK(qn_device_open(&dev, NULL, NULL)) &&
        CHECK_STATUS(plan(&op, dev), QN_E_UNSUPPORTED, "on Debian and Ubuntu libclblast"))
        CHECK(strstr(qn_last_error(), "CLBlast") && !op);
    qn_device_close(&dev);
    unsetenv("QUERN_ALGO");
}

int main(void)
{
    test_run("blas: without CLBlast a product is Quern's own", own);
    test_run("blas: what is not there is told", told);
    test_run("blas: who insists on CLBlast is told what to install", insisted);
    return test_end();
}
