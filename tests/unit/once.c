/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Kernels that leave their work to a function. */
#include <stdlib.h>

#include "program/program.h"

#include "test.h"

/* What is made of a source; it has as many lines. */
static void check(const char *source, const char *want)
{
    struct qni_text t = { .ctx = test_device()->ctx };
    int lines = 0;

    qni_once_add(&t, source);
    CHECK_OK(t.status);
    CHECK_STR(t.data, want);
    for (const char *c = source; *c; c++)
        lines += *c == '\n';
    for (const char *c = t.data; *c; c++)
        lines -= *c == '\n';
    CHECK_INT(lines, 0);
    qni_text_free(&t);
}

#define GRID_TYPES "size_t qn_id0, size_t qn_id1, size_t qn_id2"
#define GRID "get_global_id(0), get_global_id(1), get_global_id(2)"

static void split(void)
{
    if (!test_device())
        return;
    check("int f(int x)\n{\n    return x;\n}\n\n"
          "/* of a __kernel */\n"
          "__kernel __attribute__((A(B, C)))\nvoid QN_NAME(fill)(__global const float *restrict y, long y0,\n     int n)\n"
          "{\n    if (n) {\n        y[get_global_id(0)] = get_global_id(1) + get_global_id(axis);\n    }\n}\n"
          "int last;\n",
          "int f(int x)\n{\n    return x;\n}\n\n"
          "/* of a __kernel */\n"
          "static __attribute__((noinline)) \nvoid QN_NAME(fill_item)(__global const float *restrict y, long y0,\n     int n, "
          GRID_TYPES ")\n"
          "{\n    if (n) {\n        y[qn_id0] = qn_id1 + get_global_id(axis);\n    }\n"
          "} __kernel __attribute__((A(B, C))) void QN_NAME(fill)(__global const float *restrict y, long y0,      int n) "
          "{ QN_NAME(fill_item)(y, y0, n, " GRID "); }\n"
          "int last;\n");
    check("__kernel void QN_NAME(a)(int *x)\n{\n}\n__kernel void QN_NAME(b)(int y)\n{\n}\n",
          "static __attribute__((noinline)) void QN_NAME(a_item)(int *x, " GRID_TYPES ")\n{\n} "
          "__kernel void QN_NAME(a)(int *x) { QN_NAME(a_item)(x, " GRID "); }\n"
          "static __attribute__((noinline)) void QN_NAME(b_item)(int y, " GRID_TYPES ")\n{\n} "
          "__kernel void QN_NAME(b)(int y) { QN_NAME(b_item)(y, " GRID "); }\n");
}

static void keep(void)
{
    static const char *const kept[] = {
        "",
        "float x;\n",
        "__kernel void other(int x)\n{\n}\n",                                             /* not by QN_NAME */
        "__kernel void QN_NAME(a)(QN_PARAMETERS, int x)\n{\n}\n",                         /* what are they called? */
        "__kernel void QN_NAME(a)(int x\n#if QN_B\n, int y\n#endif\n)\n{\n}\n",
        "__kernel void QN_NAME(a)(int x)\n{\n    __local float panel[2 * 8];\n}\n",       /* only a kernel may have it */
        "__kernel void QN_NAME(a)(int x)\n{\n    f(x);\n",                                /* without an end */
        "    __kernel void QN_NAME(a)(int x)\n{\n}\n",
    };

    if (!test_device())
        return;
    for (size_t i = 0; i < QNI_COUNT(kept); i++)
        check(kept[i], kept[i]);
    check("__kernel void QN_NAME(a)(__local int *x)\n{\n    __local int *y = x;\n\n    y[1] = 0;\n}\n",
          "static __attribute__((noinline)) void QN_NAME(a_item)(__local int *x, " GRID_TYPES ")\n"
          "{\n    __local int *y = x;\n\n    y[1] = 0;\n} "
          "__kernel void QN_NAME(a)(__local int *x) { QN_NAME(a_item)(x, " GRID "); }\n");
}

int main(void)
{
    test_run("once: a kernel becomes a function and a kernel that calls it", split);
    test_run("once: what cannot be taken apart stays as it is", keep);
    return test_end();
}
