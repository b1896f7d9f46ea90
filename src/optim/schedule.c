/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Learning rates by step. */
#include <math.h>

#include "optim/optim.h"

#define PI 3.14159265358979323846

double qn_schedule_factor(const qn_schedule *s, int64_t step)
{
    double t, share;

    if (!s)
        return 1;
    if (step < s->warmup)
        return (double)QNI_MAX(step, 0) / (double)s->warmup;
    t = (double)(step - s->warmup) / (double)QNI_MAX(s->steps, 1);
    switch (s->kind) {
    case QN_SCHEDULE_CONSTANT: return 1;
    case QN_SCHEDULE_STEP: return pow((double)s->rate, floor(t));
    case QN_SCHEDULE_EXPONENTIAL: return pow((double)s->rate, t);
    case QN_SCHEDULE_COSINE: share = t < 1 ? 0.5 * (1 + cos(PI * t)) : 0; break;
    case QN_SCHEDULE_POLYNOMIAL: share = t < 1 ? pow(1 - t, (double)s->power) : 0; break;
    default: return 1;
    }
    return (double)s->end + (1 - (double)s->end) * share;
}

qn_status qni_schedule_resolve(qn_schedule *s)
{
    for (size_t i = 0; i < QNI_COUNT(s->reserved); i++)
        if (s->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the schedule is not zero", i);
    if ((unsigned)s->kind > QN_SCHEDULE_POLYNOMIAL)
        return qni_error(QN_E_ARG, "there is no schedule %d", (int)s->kind);
    if (s->rate == 0.0f)
        s->rate = 0.96f;
    if (s->power == 0.0f)
        s->power = 1.0f;
    if (s->warmup < 0 || s->steps < (s->kind != QN_SCHEDULE_CONSTANT) || !(s->rate > 0.0f && s->rate <= 1e3f) ||
        !(s->end >= 0.0f && s->end <= 1e3f) || !(s->power > 0.0f && s->power <= 1e3f))
        return qni_error(QN_E_ARG, "a schedule of %lld steps after %lld, rate %g, end %g, power %g is out of range",
                         (long long)s->steps, (long long)s->warmup, (double)s->rate, (double)s->end, (double)s->power);
    return QN_OK;
}
