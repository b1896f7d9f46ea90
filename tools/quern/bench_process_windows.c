/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Figures of whole processes: how they are measured is not written for Windows. */
#include "bench.h"

qn_status bench_startup(struct bench *b)
{
    (void)b;
    return qn_error_set(QN_E_UNSUPPORTED, "startup is not measured on Windows");
}

qn_status bench_memory(struct bench *b)
{
    (void)b;
    return qn_error_set(QN_E_UNSUPPORTED, "memory is not measured on Windows");
}
