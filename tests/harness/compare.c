/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "optest_internal.h"

#define MOST_MISMATCHES 5

static const char *index_text(char *text, size_t bytes, const qn_shape *shape, int64_t e)
{
    int64_t index[QN_MAX_RANK];
    size_t n = 0;

    for (int i = shape->rank - 1; i >= 0; i--) {
        index[i] = e % shape->dim[i];
        e /= shape->dim[i];
    }
    text[0] = 0;
    for (int i = 0; i < shape->rank; i++)
        n += (size_t)snprintf(text + n, bytes - n, "%s%lld", i ? "," : "", (long long)index[i]);
    return text;
}

static double bound_of(qn_dtype dtype, double want, double scale, double terms, double slack, double rounding)
{
    double bound = ((double)FLT_EPSILON * (4 + 2 * sqrt(terms)) * (slack > 0 ? slack : 1) + rounding) * scale + 1e-30;

    if (!optest_is_float(dtype))
        bound = 0;
    else if (dtype == QN_F16) /* rounding when stored */
        bound += 0x1p-11 * fabs(want) + 0x1p-25;
    else if (dtype == QN_BF16)
        bound += 0x1p-8 * fabs(want);
    return bound;
}

void optest_compare(const unsigned char *got, const struct qni_desc *d, const double *want, const double *scale,
                    double terms, double slack, double rounding, const char *what, int number)
{
    const size_t size = qn_dtype_bytes(d->dtype);
    const int64_t n = qni_elements(&d->shape);
    int64_t wrong = 0;
    double worst = 0;
    char shape[128], index[128];
    unsigned char untouched[8];

    memset(untouched, 0xff, sizeof(untouched)); /* as outputs were filled */
    for (int64_t e = 0; e < n; e++) {
        const double v = optest_decode(got + (size_t)e * size, d->dtype);
        const double bound = bound_of(d->dtype, want[e], scale[e], terms, slack, rounding);
        const double error = fabs(v - want[e]);

        if (isnan(want[e]) ? isnan(v) : v == want[e] || error <= bound)
            continue;
        worst = fmax(worst, isnan(error) ? (double)INFINITY : error / fmax(bound, 1e-300));
        if (wrong++ >= MOST_MISMATCHES)
            continue;
        qni_shape_text(&d->shape, shape, sizeof(shape));
        index_text(index, sizeof(index), &d->shape, e);
        if (memcmp(got + (size_t)e * size, untouched, size) == 0)
            test_fail(__FILE__, __LINE__,
                      "%s %d %s at [%s]: not written, or made of scratch that is not set; want %.9g", what, number,
                      shape, index, want[e]);
        else
            test_fail(__FILE__, __LINE__, "%s %d %s at [%s]: %.9g, not %.9g; off by %.3g, allowed %.3g", what, number,
                      shape, index, v, want[e], error, bound);
    }
    if (wrong)
        test_fail(__FILE__, __LINE__, "%s %d: %lld of %lld wrong, at worst %.3g times what is allowed", what, number,
                  (long long)wrong, (long long)n, worst);
}
