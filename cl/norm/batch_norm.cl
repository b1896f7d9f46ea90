/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Batch normalisation of x[rows, C], each channel by its mean and variance over the rows.
 *
 *   stats  partial[chunk, 0, c], partial[chunk, 1, c] = mean and sum of squared deviations of a chunk of rows of x - x[0]
 *   merge  mean[c], rstd[c] = 1 / sqrt(variance + epsilon) of all rows;  moving = moving * momentum + new * (1 - momentum)
 *   apply  y = act((x - mean) * rstd * gamma + beta + residual);  QN_VARIANCE 1: rstd holds the variance
 *
 * and with n = (x - mean) * rstd
 *
 *   grad_sums   partial[chunk, 0, c], partial[chunk, 1, c] = sum of dy, sum of dy * n
 *   grad_merge  sums[0, c] = dbeta, sums[1, c] = dgamma over all rows
 *   grad_apply  dx = gamma * rstd * (dy - dbeta / rows - n * dgamma / rows) * act'(aux)
 *
 * A chunk is taken in blocks of QN_BLOCK rows that stay in the cache: first the block's mean, then the deviations from
 * it, then block joins block by Chan's formula; all relative to the first row, so that nothing large cancels.
 *
 * Grid: see norm/channels.clh; merges have one chunk. `given` bits: 1 gamma, 2 beta, 4 the moving averages, 8 residual;
 * and in grad_merge 1 dgamma, 2 dbeta are wanted. Build parameters: QN_DTYPE, QN_V (C >= QN_V), QN_B, QN_ACT,
 * QN_ACT_GRAD, QN_VARIANCE, QN_L0..2. */
#include "common/types.clh"
#include "common/vec.clh"
#include "common/act.clh"
#include "norm/channels.clh"

#define QN_BLOCK 32

/* Statistics and parameters are f32 whatever QN_DTYPE is. */
#if QN_V == 1
#define QN_LOADF(p) (*(p))
#define QN_STOREF(v, p) (*(p) = (v))
#else
#define QN_LOADF(p) QN_VN(vload)(0, p)
#define QN_STOREF(v, p) QN_VN(vstore)(v, 0, p)
#endif

/* (n, mean, m2) joined by (k, mean_k, m2_k). */
static inline void QN_NAME(join)(float n, QN_VF *mean, QN_VF *m2, float k, QN_VF mean_k, QN_VF m2_k)
{
    const float w = n + k > 0 ? k / (n + k) : 0.0f;
    const QN_VF d = mean_k - *mean;

    *mean += d * w;
    *m2 += m2_k + d * d * (n * w);
}

#if QN_L1 > 1
/* All slots' moments joined in a fixed order, given to slot 0. */
static inline void QN_NAME(join_slots)(float n, float *mean, float *m2, __local float *buffer)
{
    const int items = QN_L0 * QN_L1, i = (int)(get_local_id(1) * QN_L0 + get_local_id(0));

    buffer[i] = n;
    buffer[i + items] = *mean;
    buffer[i + 2 * items] = *m2;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = QN_L1 / 2; k > 0; k /= 2) {
        if ((int)get_local_id(1) < k) {
            const int o = i + k * QN_L0;

            QN_NAME(join)(n, mean, m2, buffer[o], buffer[o + items], buffer[o + 2 * items]);
            n += buffer[o];
            buffer[i] = n;
            buffer[i + items] = *mean;
            buffer[i + 2 * items] = *m2;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
#endif

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(batch_norm_stats)(__global const QN_T *restrict x, long x0, __global float *restrict partial,
                               long partial0, int rows, int rows_each, int C, int blocks)
{
    const int chunk = (int)get_global_id(2), first = chunk * rows_each, last = min(rows, first + rows_each);
    QN_VF mean[QN_B], m2[QN_B], shift[QN_B];
    float n = 0;
    int c[QN_B];

    QN_EACH
        c[j] = QN_NAME(channel)(C, blocks, j);
    x += x0;
    partial += partial0 + (long)chunk * 2 * C;
    QN_EACH {
        shift[j] = qn_vload(x, c[j]);
        mean[j] = m2[j] = 0;
    }
    for (int row = first + (int)get_local_id(1); row < last;) {
        const int count = min(QN_BLOCK, (last - row + QN_L1 - 1) / QN_L1);
        QN_VF sum[QN_B], square[QN_B];

        QN_EACH
            sum[j] = square[j] = 0;
        for (int i = 0; i < count; i++)
            QN_EACH
                sum[j] += qn_vload(x, (long)(row + i * QN_L1) * C + c[j]) - shift[j];
        QN_EACH
            sum[j] /= (float)count;
        for (int i = 0; i < count; i++)
            QN_EACH {
                const QN_VF d = qn_vload(x, (long)(row + i * QN_L1) * C + c[j]) - shift[j] - sum[j];

                square[j] += d * d;
            }
        QN_EACH
            QN_NAME(join)(n, &mean[j], &m2[j], (float)count, sum[j], square[j]);
        n += (float)count;
        row += count * QN_L1;
    }
#if QN_L1 > 1
    __local float buffer[3 * QN_L0 * QN_L1];
    QN_NAME(join_slots)(n, &mean[0], &m2[0], buffer);
#endif
    if (QN_NAME(vectors_first)(C, blocks) < QN_NAME(vectors_end)(C, blocks) && get_local_id(1) == 0)
        QN_EACH {
            QN_STOREF(mean[j], partial + c[j]);
            QN_STOREF(m2[j], partial + C + c[j]);
        }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(batch_norm_merge)(__global const QN_T *restrict x, long x0, __global const float *restrict partial,
                               long partial0, __global float *restrict mean_out, long mean0, __global float *restrict rstd_out,
                                   long rstd0,
                               __global float *restrict moving_mean, long moving_mean0,
                               __global float *restrict moving_variance, long moving_variance0, int rows, int rows_each,
                               int C, int blocks, int chunks, float epsilon, float momentum, float rest, int given)
{
    QN_VF mean[QN_B], m2[QN_B], old_mean[QN_B], old_variance[QN_B];
    float n = 0;
    int c[QN_B];

    QN_EACH
        c[j] = QN_NAME(channel)(C, blocks, j);
    partial += partial0;
    mean_out += mean0;
    rstd_out += rstd0;
    moving_mean += moving_mean0;
    moving_variance += moving_variance0;
    QN_EACH
        mean[j] = m2[j] = 0;
    for (int chunk = (int)get_local_id(1); chunk < chunks; chunk += QN_L1) {
        const float count = (float)min(rows_each, rows - chunk * rows_each);

        QN_EACH
            QN_NAME(join)(n, &mean[j], &m2[j], count, QN_LOADF(partial + (long)chunk * 2 * C + c[j]),
                          QN_LOADF(partial + ((long)chunk * 2 + 1) * C + c[j]));
        n += count;
    }
#if QN_L1 > 1
    __local float buffer[3 * QN_L0 * QN_L1];
    QN_NAME(join_slots)(n, &mean[0], &m2[0], buffer);
#endif
    if (QN_NAME(vectors_first)(C, blocks) >= QN_NAME(vectors_end)(C, blocks) || get_local_id(1) != 0)
        return;
    QN_EACH {
        m2[j] /= (float)max(rows, 1);
        if (rows > 0)
            mean[j] += qn_vload(x, x0 + c[j]);
    }
    QN_EACH {
        QN_STOREF(mean[j], mean_out + c[j]);
        QN_STOREF((QN_VF)1 / sqrt(m2[j] + epsilon), rstd_out + c[j]);
    }
    if (!(given & 4) || rows == 0)
        return;
    /* Vectors may overlap: all are read before any is written. */
    QN_EACH {
        old_mean[j] = QN_LOADF(moving_mean + c[j]);
        old_variance[j] = QN_LOADF(moving_variance + c[j]);
    }
    QN_EACH {
        QN_STOREF(old_mean[j] * momentum + mean[j] * rest, moving_mean + c[j]);
        QN_STOREF(old_variance[j] * momentum + m2[j] * rest, moving_variance + c[j]);
    }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(batch_norm_apply)(__global const QN_T *restrict x, long x0, __global const float *gamma, long gamma0,
                               __global const float *beta, long beta0, __global const float *mean, long mean0,
                               __global const float *rstd, long rstd0, __global const QN_T *residual, long residual0,
                               __global QN_T *restrict y, long y0, int rows, int rows_each, int C, int blocks,
                               float epsilon, float alpha, int given)
{
    const int first = (int)get_global_id(2) * rows_each, last = min(rows, first + rows_each);
    QN_VF m[QN_B], f[QN_B], b[QN_B];
    int c[QN_B];

    QN_EACH
        c[j] = QN_NAME(channel)(C, blocks, j);
    if (QN_NAME(vectors_first)(C, blocks) >= QN_NAME(vectors_end)(C, blocks))
        return;
    x += x0;
    y += y0;
    residual += residual0;
    QN_EACH {
        f[j] = QN_LOADF(rstd + rstd0 + c[j]);
        if (QN_VARIANCE)
            f[j] = (QN_VF)1 / sqrt(f[j] + epsilon);
        if (given & 1)
            f[j] *= QN_LOADF(gamma + gamma0 + c[j]);
        m[j] = given & 4 ? QN_LOADF(mean + mean0 + c[j]) : (QN_VF)0;
        b[j] = given & 2 ? QN_LOADF(beta + beta0 + c[j]) : (QN_VF)0;
    }
    for (int row = first + (int)get_local_id(1); row < last; row += QN_L1)
        QN_EACH {
            const long i = (long)row * C + c[j];
            QN_VF v = (qn_vload(x, i) - m[j]) * f[j] + b[j];

            if (given & 8)
                v += qn_vload(residual, i);
            qn_vstore(y, i, qn_act(v, alpha));
        }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(batch_norm_grad_sums)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict x, long x0,
                                   __global const float *restrict mean, long mean0, __global const float *restrict rstd,
                                   long rstd0, __global float *restrict partial, long partial0, int rows, int rows_each,
                                   int C, int blocks)
{
    const int chunk = (int)get_global_id(2), first = chunk * rows_each, last = min(rows, first + rows_each);
    QN_VF m[QN_B], f[QN_B], sum[QN_B], dot[QN_B];
    int c[QN_B];

    QN_EACH
        c[j] = QN_NAME(channel)(C, blocks, j);
    dy += dy0;
    x += x0;
    partial += partial0 + (long)chunk * 2 * C;
    QN_EACH {
        m[j] = QN_LOADF(mean + mean0 + c[j]);
        f[j] = QN_LOADF(rstd + rstd0 + c[j]);
        sum[j] = dot[j] = 0;
    }
    for (int row = first + (int)get_local_id(1); row < last;) {
        const int count = min(QN_BLOCK, (last - row + QN_L1 - 1) / QN_L1);
        QN_VF s[QN_B], t[QN_B];

        QN_EACH
            s[j] = t[j] = 0;
        for (int i = 0; i < count; i++)
            QN_EACH {
                const long at = (long)(row + i * QN_L1) * C + c[j];
                const QN_VF d = qn_vload(dy, at);

                s[j] += d;
                t[j] += d * (qn_vload(x, at) - m[j]);
            }
        QN_EACH {
            sum[j] += s[j];
            dot[j] += t[j] * f[j];
        }
        row += count * QN_L1;
    }
#if QN_L1 > 1
    __local float buffer[QN_L0 * QN_L1];
    sum[0] = QN_NAME(slots_sum)(sum[0], buffer);
    dot[0] = QN_NAME(slots_sum)(dot[0], buffer);
#endif
    if (QN_NAME(vectors_first)(C, blocks) < QN_NAME(vectors_end)(C, blocks) && get_local_id(1) == 0)
        QN_EACH {
            QN_STOREF(sum[j], partial + c[j]);
            QN_STOREF(dot[j], partial + C + c[j]);
        }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(batch_norm_grad_merge)(__global const float *restrict partial, long partial0, __global float *restrict sums,
                                    long sums0, __global float *restrict dgamma, long dgamma0,
                                    __global float *restrict dbeta, long dbeta0, int C, int blocks, int chunks, int given)
{
    QN_VF sum[QN_B], dot[QN_B];
    int c[QN_B];

    QN_EACH
        c[j] = QN_NAME(channel)(C, blocks, j);
    partial += partial0;
    sums += sums0;
    dgamma += dgamma0;
    dbeta += dbeta0;
    QN_EACH
        sum[j] = dot[j] = 0;
    for (int chunk = (int)get_local_id(1); chunk < chunks; chunk += QN_L1)
        QN_EACH {
            sum[j] += QN_LOADF(partial + (long)chunk * 2 * C + c[j]);
            dot[j] += QN_LOADF(partial + ((long)chunk * 2 + 1) * C + c[j]);
        }
#if QN_L1 > 1
    __local float buffer[QN_L0 * QN_L1];
    sum[0] = QN_NAME(slots_sum)(sum[0], buffer);
    dot[0] = QN_NAME(slots_sum)(dot[0], buffer);
#endif
    if (QN_NAME(vectors_first)(C, blocks) < QN_NAME(vectors_end)(C, blocks) && get_local_id(1) == 0)
        QN_EACH {
            QN_STOREF(sum[j], sums + c[j]);
            QN_STOREF(dot[j], sums + C + c[j]);
            if (given & 1)
                QN_STOREF(dot[j], dgamma + c[j]);
            if (given & 2)
                QN_STOREF(sum[j], dbeta + c[j]);
        }
}

__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))
void QN_NAME(batch_norm_grad_apply)(__global const QN_T *restrict dy, long dy0, __global const QN_T *restrict x, long x0,
                                    __global const float *gamma, long gamma0, __global const float *restrict mean,
                                    long mean0, __global const float *restrict rstd, long rstd0,
                                    __global const float *restrict sums, long sums0, __global const QN_T *aux, long aux0,
                                    __global QN_T *restrict dx, long dx0, int rows, int rows_each, int C, int blocks,
                                    float share, float alpha, int given)
{
    const int first = (int)get_global_id(2) * rows_each, last = min(rows, first + rows_each);
    QN_VF m[QN_B], f[QN_B], a[QN_B], b[QN_B];
    int c[QN_B];

    QN_EACH
        c[j] = QN_NAME(channel)(C, blocks, j);
    if (QN_NAME(vectors_first)(C, blocks) >= QN_NAME(vectors_end)(C, blocks))
        return;
    dy += dy0;
    x += x0;
    aux += aux0;
    dx += dx0;
    QN_EACH {
        const QN_VF r = QN_LOADF(rstd + rstd0 + c[j]);

        m[j] = QN_LOADF(mean + mean0 + c[j]);
        f[j] = given & 1 ? r * QN_LOADF(gamma + gamma0 + c[j]) : r;
        a[j] = QN_LOADF(sums + sums0 + c[j]) * share;
        b[j] = QN_LOADF(sums + sums0 + C + c[j]) * share * r;
    }
    for (int row = first + (int)get_local_id(1); row < last; row += QN_L1)
        QN_EACH {
            const long i = (long)row * C + c[j];
            QN_VF g = (qn_vload(dy, i) - a[j] - (qn_vload(x, i) - m[j]) * b[j]) * f[j];

#if QN_ACT_GRAD
            g = qn_act_grad(g, qn_vload(aux, i), alpha);
#endif
            qn_vstore(dx, i, g);
        }
}
