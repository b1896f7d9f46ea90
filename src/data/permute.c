/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Fisher-Yates with counter-based random numbers: key the seed, counter (draw, epoch, stream). A 64-bit number times
 * the range, high word: the bias is below range / 2^64. */
#include "data/loader.h"

#define STREAM UINT32_C(0x73687566) /* "shuf": no operation's stream, which count up from 0 */

struct draws {
    uint32_t counter[4], key[2], word[4];
    int used; /* words of this block */
};

static void start(struct draws *d, uint64_t seed, int64_t epoch)
{
    /* The counter's third word takes the epoch's low half; the high half, in practice 0, changes the stream. */
    *d = (struct draws){.counter = {0, 0, (uint32_t)epoch, STREAM ^ (uint32_t)((uint64_t)epoch >> 32)},
                        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                        .used = 4};
}

/* The high word of a 64-bit product. */
static uint64_t high_word(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32); /* at most (2^32 - 1)^2 + 2^32 - 2: no overflow */
    uint64_t low = (uint32_t)middle + a0 * b1;

    return a1 * b1 + (middle >> 32) + (low >> 32);
}

static uint64_t below(struct draws *d, uint64_t range)
{
    uint64_t random;

    if (d->used == 4) {
        qni_philox(d->word, d->counter, d->key);
        if (++d->counter[0] == 0)
            d->counter[1]++;
        d->used = 0;
    }
    random = (uint64_t)d->word[d->used + 1] << 32 | d->word[d->used];
    d->used += 2;
    return high_word(random, range);
}

void qni_permutation32(uint32_t *out, uint32_t n, uint64_t seed, int64_t epoch)
{
    struct draws d;

    start(&d, seed, epoch);
    for (uint32_t i = 0; i < n; i++) { /* inside out: i goes to a place among the first i + 1 */
        uint32_t j = (uint32_t)below(&d, (uint64_t)i + 1);

        out[i] = out[j];
        out[j] = i;
    }
}

void qni_permutation64(uint64_t *out, uint64_t n, uint64_t seed, int64_t epoch)
{
    struct draws d;

    start(&d, seed, epoch);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t j = below(&d, i + 1);

        out[i] = out[j];
        out[j] = i;
    }
}
