/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * One optimizer step over flat arrays: w the parameters, g their gradients, s0, s1, s2 the optimizer's slots.
 *
 *   g = clamp(g * scale, -clip, clip) where clip > 0;  w = w - w * decay * lr for elements below decay_end
 *   QN_RULE 0 SGD      without slot 0: w -= lr g;  m = p0 m - lr g;  w += m, or with QN_VARIANT 1 (Nesterov) p0 m - lr g
 *           1 Adam     m += (g - m) p0;  v += (g g - v) p1;  QN_VARIANT 1 (AMSGrad): s2 = max(s2, v) replaces v;
 *                      w -= m alpha / (sqrt(v) + epsilon), alpha = lr sqrt(1 - exp(p3 t)) / (1 - exp(p2 t)), t from 1
 *           2 RMSprop  v = p0 v + (1 - p0) g g;  QN_VARIANT 1 (centred): a = p0 a + (1 - p0) g, v - a a replaces v;
 *                      step = lr g / sqrt(v + epsilon);  with slot 2: step = m = p1 m + step;  w -= step
 *           3 Adagrad  s = s + g g;  w -= lr g / sqrt(s + epsilon)
 *           4 Adadelta v = p0 v + (1 - p0) g g;  d = g sqrt(u + epsilon) / sqrt(v + epsilon);
 *                      u = p0 u + (1 - p0) d d;  w -= lr d
 *           5 Adamax   m += (g - m) p0;  u = max(p1 u, |g|);  w -= m alpha / (u + epsilon), alpha = lr / (1 - exp(p2 t))
 *           6 Lion     w -= lr sign(p0 m + (1 - p0) g);  m = p1 m + (1 - p1) g
 *
 * Grid: groups of QN_L0 work-items on `chunk` elements each. Build parameters: QN_V, QN_L0..2, QN_RULE, QN_VARIANT,
 * QN_SLOT_BITS which slots there are, QN_SCALE 0 or 1. f32 only. */
#define QN_DTYPE 0
#include "common/types.clh"
#include "common/vec.clh"
#include "common/step.clh"

struct QN_NAME(rule) {
    float lr, alpha, epsilon, p0, p1;
};

static inline QN_VF QN_NAME(stepped)(QN_VF w, QN_VF g, QN_VF *s0, QN_VF *s1, QN_VF *s2, struct QN_NAME(rule) h)
{
#if QN_RULE == 0
#if QN_SLOT_BITS & 1
    *s0 = *s0 * h.p0 - g * h.lr;
    return w + (QN_VARIANT ? *s0 * h.p0 - g * h.lr : *s0);
#else
    return w - g * h.lr;
#endif
#elif QN_RULE == 1
    QN_VF v;

    *s0 += (g - *s0) * h.p0;
    v = *s1 += (g * g - *s1) * h.p1;
    if (QN_VARIANT)
        v = *s2 = fmax(*s2, v);
    return w - *s0 * h.alpha / (sqrt(v) + h.epsilon);
#elif QN_RULE == 2
    QN_VF v, step;

    v = *s0 = *s0 * h.p0 + g * g * (1.0f - h.p0);
    if (QN_VARIANT) {
        *s1 = *s1 * h.p0 + g * (1.0f - h.p0);
        v -= *s1 * *s1;
    }
    step = g * h.lr / sqrt(v + h.epsilon);
    if (QN_SLOT_BITS & 4)
        step = *s2 = *s2 * h.p1 + step;
    return w - step;
#elif QN_RULE == 3
    *s0 += g * g;
    return w - g * h.lr / sqrt(*s0 + h.epsilon);
#elif QN_RULE == 4
    QN_VF d;

    *s0 = *s0 * h.p0 + g * g * (1.0f - h.p0);
    d = g * sqrt(*s1 + h.epsilon) / sqrt(*s0 + h.epsilon);
    *s1 = *s1 * h.p0 + d * d * (1.0f - h.p0);
    return w - d * h.lr;
#elif QN_RULE == 5
    *s0 += (g - *s0) * h.p0;
    *s1 = fmax(*s1 * h.p1, fabs(g));
    return w - *s0 * h.alpha / (*s1 + h.epsilon);
#elif QN_RULE == 6
    QN_VF c = *s0 * h.p0 + g * (1.0f - h.p0);

    *s0 = *s0 * h.p1 + g * (1.0f - h.p1);
    return w - select(c, sign(c), isequal(c, c)) * h.lr; /* sign alone would make 0 of a NaN */
#else
#error "QN_RULE must be 0 to 6"
#endif
}

static inline QN_VF QN_NAME(decayed)(QN_VF w, float keep, long i, long end)
{
    QN_VF d = w - w * keep;

    if (i + QN_V <= end)
        return d;
    if (i >= end)
        return w;
#if QN_V > 1
    {
        float a[QN_V], b[QN_V];

        QN_VN(vstore)(d, 0, a);
        QN_VN(vstore)(w, 0, b);
        for (int k = (int)(end - i); k < QN_V; k++)
            a[k] = b[k];
        d = QN_VN(vload)(0, a);
    }
#endif
    return d;
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(update)(__global float *restrict w, long w0, __global const float *restrict g, long g0,
                     __global float *s0, long s00, __global float *s1, long s10, __global float *s2, long s20,
                     __global const float *restrict scale, long scale0, __global const uint *restrict step, long step0,
                     __global const uint *restrict device, long device0, long n, int chunk, long decay_end, float decay,
                     float clip, float epsilon, float p0, float p1, float p2, float p3)
{
    const long first = (long)(get_global_id(0) / QN_L0) * chunk;
    const long last = min(n, first + chunk);
    const float lr = as_float(step[step0 + QN_STEP_LR]);
    const float t = (float)(device[device0 + QN_DEVICE_ITERATION] + 1);
    const float keep = decay * lr;
    const float factor = QN_SCALE ? scale[scale0] : 1.0f;
    struct QN_NAME(rule) h;

    h.lr = lr;
    h.alpha = QN_RULE == 1 ? lr * sqrt(-expm1(p3 * t)) / -expm1(p2 * t) : QN_RULE == 5 ? lr / -expm1(p2 * t) : 0.0f;
    h.epsilon = epsilon;
    h.p0 = p0;
    h.p1 = p1;
    w += w0;
    g += g0;
    s0 += s00;
    s1 += s10;
    s2 += s20;
    for (long i = first + (long)get_local_id(0) * QN_V; i < last; i += QN_L0 * QN_V) {
        const int lanes = (int)min((long)QN_V, last - i);
        QN_VF vw, vg, v0 = 0, v1 = 0, v2 = 0;
#if QN_V > 1
        float rest[5][QN_V]; /* of the last elements, when they do not fill a vector */

        if (lanes < QN_V) {
            for (int k = 0; k < QN_V; k++) { /* not < lanes: it unrolls, and rest needs no memory */
                rest[0][k] = rest[1][k] = rest[2][k] = rest[3][k] = rest[4][k] = 0;
                if (k >= lanes)
                    continue;
                rest[0][k] = w[i + k];
                rest[1][k] = g[i + k];
                if (QN_SLOT_BITS & 1)
                    rest[2][k] = s0[i + k];
                if (QN_SLOT_BITS & 2)
                    rest[3][k] = s1[i + k];
                if (QN_SLOT_BITS & 4)
                    rest[4][k] = s2[i + k];
            }
            vw = QN_VN(vload)(0, rest[0]);
            vg = QN_VN(vload)(0, rest[1]);
            v0 = QN_VN(vload)(0, rest[2]);
            v1 = QN_VN(vload)(0, rest[3]);
            v2 = QN_VN(vload)(0, rest[4]);
        } else
#endif
        {
            vw = qn_vload(w, i);
            vg = qn_vload(g, i);
            if (QN_SLOT_BITS & 1)
                v0 = qn_vload(s0, i);
            if (QN_SLOT_BITS & 2)
                v1 = qn_vload(s1, i);
            if (QN_SLOT_BITS & 4)
                v2 = qn_vload(s2, i);
        }
        vg *= factor;
        if (clip > 0)
            vg = clamp(vg, (QN_VF)-clip, (QN_VF)clip);
        if (decay != 0)
            vw = QN_NAME(decayed)(vw, keep, i, decay_end);
        vw = QN_NAME(stepped)(vw, vg, &v0, &v1, &v2, h);
#if QN_V > 1
        if (lanes < QN_V) {
            QN_VN(vstore)(vw, 0, rest[0]);
            QN_VN(vstore)(v0, 0, rest[2]);
            QN_VN(vstore)(v1, 0, rest[3]);
            QN_VN(vstore)(v2, 0, rest[4]);
            for (int k = 0; k < QN_V; k++) {
                if (k >= lanes)
                    continue;
                w[i + k] = rest[0][k];
                if (QN_SLOT_BITS & 1)
                    s0[i + k] = rest[2][k];
                if (QN_SLOT_BITS & 2)
                    s1[i + k] = rest[3][k];
                if (QN_SLOT_BITS & 4)
                    s2[i + k] = rest[4][k];
            }
        } else
#endif
        {
            qn_vstore(w, i, vw);
            if (QN_SLOT_BITS & 1)
                qn_vstore(s0, i, v0);
            if (QN_SLOT_BITS & 2)
                qn_vstore(s1, i, v1);
            if (QN_SLOT_BITS & 4)
                qn_vstore(s2, i, v2);
        }
    }
}
