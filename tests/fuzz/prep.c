/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A preparation's JSON. */
#include <stdlib.h>
#include <string.h>

#include <quern/data_table.h>

#include "fuzz.h"

/* What was accepted is written, read and written again as the same, and takes things or says why not. */
static void use(const qn_prep *p)
{
    static const char *const cells[4] = {"1", "a", NULL, "-2.5"};
    char words[96], *first, *second;
    qn_prep *copy = NULL;
    size_t n, m;

    fuzz_check(qn_prep_to_json(p, NULL, 0, &n) == QN_OK, "no JSON");
    first = calloc(1, n + 1);
    second = calloc(1, n + 1);
    fuzz_check(qn_prep_to_json(p, first, n + 1, &m) == QN_OK && m == n, "JSON of another length");
    fuzz_check(qn_prep_from_json(&copy, fuzz_context(), "p", first, n) == QN_OK, "what was written cannot be read");
    fuzz_check(qn_prep_to_json(copy, second, n + 1, &m) == QN_OK && m == n && !memcmp(first, second, n),
               "written again it differs");
    qn_prep_release(&copy);
    free(first);
    free(second);
    fuzz_check(strlen(qn_prep_describe(p, words, sizeof(words))) < sizeof(words), "too many words");
    if (qn_prep_get_kind(p) == QN_PREP_TABLE) {
        float *x = calloc((size_t)qn_prep_field(p)->shape.dim[0], sizeof(*x));

        qn_prep_run(p, &(qn_raw){.cell = cells, .cells = qn_prep_columns(p) <= 4 ? qn_prep_columns(p) : 4}, x);
        free(x);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    qn_prep *p = NULL;

    if (qn_prep_from_json(&p, fuzz_context(), "preparation", (const char *)data, bytes) == QN_OK)
        use(p);
    qn_prep_release(&p);
    return 0;
}
