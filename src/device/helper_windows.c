/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Helper programs are not started on Windows: devices are used without a self-test. */
#include "device/qualify.h"

qn_status qni_helper_find(char *path, size_t bytes, const qn_context *ctx)
{
    (void)path;
    (void)bytes;
    (void)ctx;
    return qni_error(QN_E_UNSUPPORTED, "helper programs are not started on Windows");
}

qn_status qni_helper_start(struct qni_helper *h, const char *path, char *const argv[])
{
    (void)h;
    (void)path;
    (void)argv;
    return qni_error(QN_E_UNSUPPORTED, "helper programs are not started on Windows");
}

const char *qni_helper_line(struct qni_helper *h, char *line, size_t bytes, int limit_s)
{
    (void)h;
    (void)line;
    (void)bytes;
    (void)limit_s;
    return NULL;
}

void qni_helper_stop(struct qni_helper *h)
{
    (void)h;
}
