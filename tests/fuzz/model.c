/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte of options; then a model as JSON, or a whole file whose length of the header is put right. What is accepted is
 * written, read and written again as the same. */
#include "io/file.h"
#include "model/save.h"

#include <stdlib.h>

#include "fuzz.h"

#define MOST_AT_ONCE (512 << 10) /* so that nobody waits for the initial values of large weights */

static void *limited_realloc(void *user, void *p, size_t bytes)
{
    (void)user;
    return bytes > MOST_AT_ONCE ? NULL : realloc(p, bytes);
}

static void *limited_alloc(void *user, size_t bytes)
{
    return limited_realloc(user, NULL, bytes);
}

static void plain_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static qn_device *device(void)
{
    static qn_device *dev;
    qn_context *ctx = NULL;

    if (!dev) {
        fuzz_check(qn_context_create(&ctx, &(qn_context_opt){ .alloc = limited_alloc, .realloc = limited_realloc,
                                                              .free = plain_free, .store_dir = "" }) == QN_OK, "no context");
        dev = fuzz_device(ctx);
    }
    return dev;
}

static void refused(qn_status st, const qn_model *m)
{
    fuzz_check(!m && *qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
    fuzz_check(st == QN_E_FORMAT || st == QN_E_UNSUPPORTED || st == QN_E_HOST_MEMORY || st == QN_E_DEVICE_MEMORY,
               qn_last_error());
}

static void write_again(const qn_model *m)
{
    struct qni_text first = { .ctx = device()->ctx }, second = { .ctx = device()->ctx };
    qn_model *copy = NULL;

    if (qni_model_text(&first, m, NULL) == QN_OK && qni_model_from_text(&copy, device(), "t", first.data) == QN_OK) {
        fuzz_check(qni_model_text(&second, copy, NULL) == QN_OK && !strcmp(first.data, second.data), "written again it differs");
        qn_model_destroy(&copy);
    } else {
        fuzz_check(first.status == QN_E_HOST_MEMORY, "what was written cannot be read");
    }
    qni_text_free(&first);
    qni_text_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    qn_model *m = NULL;
    qn_status st;
    uint8_t *copy;

    if (bytes < 10)
        return 0;
    copy = malloc(bytes);
    memcpy(copy, data + 1, bytes - 1);
    copy[bytes - 1] = '\0';
    if (data[0] & 1) {
        fuzz_header(copy, bytes - 1);
        st = qn_model_load(&m, device(), fuzz_file(copy, bytes - 1));
    } else {
        st = qni_model_from_text(&m, device(), "t", (const char *)copy);
    }
    if (st)
        refused(st, m);
    else
        write_again(m);
    qn_model_destroy(&m);
    free(copy);
    return 0;
}
