/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A safetensors file; the first byte says whether its length of the header is put right. */
#include "io/safetensors.h"

#include <stdlib.h>

#include "fuzz.h"

static void look_at_all(const struct qni_safetensors *s)
{
    for (size_t i = 0; i < qni_safetensors_count(s); i++) {
        const struct qni_safetensors_entry *e = qni_safetensors_get(s, i);
        void *to = malloc((size_t)e->bytes + 1);

        fuzz_check(qni_safetensors_find(s, e->name) == e, "a tensor is not found by its name");
        fuzz_check(qni_safetensors_read(s, e, 0, to, (size_t)e->bytes) == (e->readable ? QN_OK : QN_E_UNSUPPORTED),
                   "a tensor cannot be read");
        free(to);
    }
    qni_safetensors_metadata(s, "note");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct qni_safetensors *s = NULL;
    uint8_t *copy;

    if (bytes < 9 || bytes > 1 << 20)
        return 0;
    copy = malloc(bytes - 1);
    memcpy(copy, data + 1, bytes - 1);
    if (data[0] & 1)
        fuzz_header(copy, bytes - 1);
    if (qni_safetensors_open(&s, fuzz_context(), fuzz_file(copy, bytes - 1)) == QN_OK)
        look_at_all(s);
    else
        fuzz_check(!s && *qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
    qni_safetensors_close(&s);
    free(copy);
    return 0;
}
