/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Where the wanted item stands among all. */
#include <math.h>

#include "data/events/events.h"

/* A NaN is below every number. */
static bool at_least(float a, float b)
{
    return isnan(b) || a >= b;
}

static bool is_seen(const int32_t *seen, int64_t length, int64_t item)
{
    for (int64_t i = 0; i < length; i++)
        if (seen[i] == item)
            return true;
    return false;
}

static int64_t rank_of(const float *score, int64_t items, int32_t wanted, const int32_t *seen, int64_t length)
{
    int64_t rank = 1;

    for (int64_t i = 1; i < items; i++)
        rank += i != wanted && at_least(score[i], score[wanted]) && !(seen && is_seen(seen, length, i));
    return rank;
}

qn_status qn_rank(qn_ranking *out, const float *score, int64_t samples, int64_t items, const int32_t *wanted, int k,
                  const int32_t *seen, int64_t length)
{
    qn_ranking sum = {0};

    if (!out || samples < 0 || (samples && (!score || !wanted)) || items < 2 || k < 1 || length < 0)
        return qni_error(QN_E_ARG, "%lld samples of %lld items, the first %d, %lld seen%s", (long long)samples, (long long)items, k,
                         (long long)length, out ? "" : ", out is NULL");
    for (int64_t i = 0; i < samples; i++) {
        int64_t rank;

        if (wanted[i] < 1 || wanted[i] >= items)
            return qni_error(QN_E_ARG, "sample %lld wants item %d, expected 1 to %lld", (long long)i, (int)wanted[i],
                             (long long)items - 1);
        rank = rank_of(score + i * items, items, wanted[i], seen ? seen + i * length : NULL, length);
        sum.hit += rank <= k;
        sum.ndcg += rank <= k ? 1 / log2(1 + (double)rank) : 0;
        sum.mrr += 1 / (double)rank;
    }
    if (samples)
        sum = (qn_ranking){sum.hit / (double)samples, sum.ndcg / (double)samples, sum.mrr / (double)samples};
    *out = sum;
    return QN_OK;
}
