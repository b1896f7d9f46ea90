/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "train/same.h"

static float element(uint64_t seed, uint64_t kernel, int64_t e, double limit)
{
    uint64_t z = ((seed << 48) + (kernel << 32) + (uint64_t)e + 1) * UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z = z ^ (z >> 31);
    return (float)(limit * ((double)(z >> 40) / 8388608.0 - 1.0));
}

void same_weights(qn_model *m, uint64_t seed)
{
    uint64_t k = 0;

    for (int i = 0; i < qn_model_weights(m); i++) {
        const char *name;
        qn_shape s;
        int64_t n;
        double fan;
        float *w;

        CHECK_OK(qn_model_weight_info(m, i, &name, &s, NULL));
        if (!strstr(name, "kernel") && !strstr(name, "embeddings"))
            continue;
        n = qni_elements(&s);
        fan = (double)(n / s.dim[s.rank - 1] + n / s.dim[s.rank - 2]);
        if (!(w = malloc((size_t)n * sizeof(*w)))) {
            test_fail(__FILE__, __LINE__, "out of memory");
            return;
        }
        for (int64_t e = 0; e < n; e++)
            w[e] = element(seed, k, e, sqrt(6.0 / fan));
        k++;
        CHECK_OK(qn_model_weight_write(m, i, w, (size_t)n * sizeof(*w)));
        free(w);
    }
}

int same_below(uint32_t *state, int n)
{
    *state = *state * 1664525u + 1013904223u;
    return (int)(*state >> 16) % n;
}

double same_loss(const char *run, int step, double loss, double f32, double f64, double first)
{
    const double scale = fmax(f32, first / 10), off = fabs(loss - f32) / scale;

    if (!(off <= fmax(1e-4, 4 * fabs(f32 - f64) / scale)))
        test_fail(__FILE__, __LINE__, "%s, step %d: loss %.9g, elsewhere %.9g in f32, %.9g in f64", run, step, loss, f32, f64);
    return off;
}
