/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A device expression; what is accepted fits a device or does not, and its opposite does the other. */
#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static struct qni_found device(bool cpu)
{
    struct qni_found f = { .info = { .platform_index = cpu, .gflops = cpu ? 100 : 0, .score = 7 } };

    snprintf(f.caps.name, sizeof(f.caps.name), "%s", cpu ? "Intel(R) Xeon(R)" : "gfx1100");
    snprintf(f.caps.platform, sizeof(f.caps.platform), "Portable");
    snprintf(f.caps.vendor, sizeof(f.caps.vendor), "AMD");
    snprintf(f.caps.driver, sizeof(f.caps.driver), "535.113.01");
    snprintf(f.caps.uuid, sizeof(f.caps.uuid), "8680f206-0c00-0332-faff-fffb8b1f0000");
    snprintf(f.caps.pci, sizeof(f.caps.pci), "%s", cpu ? "0000:02:00.0" : "0000:01:00.0");
    f.info.type = cpu ? QN_DEVICE_CPU : QN_DEVICE_GPU;
    f.caps.global_bytes = UINT64_C(12) << 30;
    f.caps.cl_major = 3;
    f.caps.units = 8;
    return f;
}

static void ask(const struct qni_expr *e, const struct qni_expr *opposite)
{
    bool named;

    for (int i = 0; i < 2; i++) {
        struct qni_found f = device(i == 1);
        bool fits = qni_expr_fits(e, &f, (size_t)i, &named);

        fuzz_check(fits || !named, "it names what does not fit");
        fuzz_check(!opposite || qni_expr_fits(opposite, &f, (size_t)i, &named) != fits, "it fits and does not");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct qni_expr e, opposite;
    char *text = malloc(bytes + 1), *not = malloc(bytes + 4);

    memcpy(text, data, bytes);
    text[bytes] = '\0';
    snprintf(not, bytes + 4, "!(%s)", text);
    if (qni_expr_parse(&e, text) != QN_OK)
        fuzz_check(*qn_last_error() && !strchr(qn_last_error(), '\n'), "an error without a line of message");
    else if (strpbrk(text, "&|!~<>=\"") && qni_expr_parse(&opposite, not) == QN_OK) /* a name alone has fewer signs */
        ask(&e, &opposite);
    else
        ask(&e, NULL);
    free(text);
    free(not);
    return 0;
}
