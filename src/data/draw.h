/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Random numbers for changes of samples: by the run's seed and epoch and the sample's number, so that neither threads
 * nor the order in which samples are read matter. */
#ifndef QNI_DATA_DRAW_H
#define QNI_DATA_DRAW_H

#include <math.h>

#include "base/base.h"

struct qni_draw {
    uint32_t key[2], counter[4]; /* counter[0] counts */
    uint32_t word[4];
    int left; /* words not yet given */
};

/* stream: another one for each kind of change. */
static inline struct qni_draw qni_draw_begin(uint64_t seed, int64_t epoch, int64_t index, uint32_t stream)
{
    return (struct qni_draw){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)index, (uint32_t)epoch,
                    stream ^ (uint32_t)((uint64_t)index >> 32) ^ (uint32_t)((uint64_t)epoch >> 32)}};
}

static inline uint32_t qni_draw_word(struct qni_draw *d)
{
    if (!d->left) {
        qni_philox(d->word, d->counter, d->key);
        d->counter[0]++;
        d->left = 4;
    }
    return d->word[4 - d->left--];
}

/* Uniform in [low, high). */
static inline double qni_draw_uniform(struct qni_draw *d, double low, double high)
{
    return low + (high - low) * (double)qni_draw_word(d) * 0x1p-32;
}

/* 0 to n - 1; n at least 1 and below 2^32. */
static inline int64_t qni_draw_integer(struct qni_draw *d, int64_t n)
{
    return (int64_t)((uint64_t)qni_draw_word(d) * (uint64_t)n >> 32);
}

/* Two normal numbers of mean 0 and variance 1 (Box and Muller). */
static inline void qni_draw_normal(struct qni_draw *d, double out[2])
{
    const double radius = sqrt(-2 * log(((double)qni_draw_word(d) + 0.5) * 0x1p-32));
    const double angle = 6.283185307179586 * (double)qni_draw_word(d) * 0x1p-32;

    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

#endif
