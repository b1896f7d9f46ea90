/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Mixup: a sample and another one, read into scratch, and their weighted mean. */
#include "data/data.h"
#include "data/draw.h"
#include "data/image/image.h"

#define STREAM       UINT32_C(0x6d697875) /* "mixu": no operation's stream, which count up from 0 */
#define ALIGN        ((size_t)64)
#define MOST_CLASSES (1 << 20)

struct mixup {
    qn_dataset base;
    qn_dataset *from;
    double alpha;
    bool class_of[QN_MAX_FIELDS];  /* i32 in the source, f32 [classes] here */
    size_t offset[QN_MAX_FIELDS]; /* of the other sample's fields in the scratch; classes have room for two */
    size_t own;
};

/* From the gamma distribution (Marsaglia and Tsang 2000), its logarithm: small shapes give numbers below a double's. */
static double log_gamma_draw(struct qni_draw *d, double shape)
{
    const double s = shape < 1 ? shape + 1 : shape, b = s - 1.0 / 3, c = 1 / sqrt(9 * b);
    const double small = shape < 1 ? log(((double)qni_draw_word(d) + 0.5) * 0x1p-32) / shape : 0;

    for (;;) {
        double normal[2], v, u;

        qni_draw_normal(d, normal);
        u = ((double)qni_draw_word(d) + 0.5) * 0x1p-32;
        v = 1 + c * normal[0];
        v = v * v * v;
        if (v > 0 && log(u) < normal[0] * normal[0] / 2 + b - b * v + b * log(v))
            return log(b * v) + small;
    }
}

static double beta_draw(struct qni_draw *d, double alpha)
{
    const double a = log_gamma_draw(d, alpha), b = log_gamma_draw(d, alpha);

    return 1 / (1 + exp(b - a));
}

static qn_status mix_class(float *out, int64_t classes, const int32_t pair[2], double share)
{
    for (int i = 0; i < 2; i++)
        if (pair[i] < 0 || pair[i] >= classes)
            return qni_error(QN_E_ARG, "class %d, expected 0 to %lld", (int)pair[i], (long long)classes - 1);
    memset(out, 0, (size_t)classes * sizeof(*out));
    out[pair[0]] += (float)share;
    out[pair[1]] += (float)(1 - share);
    return QN_OK;
}

static qn_status read_one(const struct mixup *m, const struct qni_read *r, int64_t i)
{
    const qn_dataset *ds = &m->base;
    struct qni_draw d = qni_draw_begin(r->seed, r->epoch, r->index[i], STREAM);
    const int64_t pair[2] = {r->index[i], QNI_MIN((int64_t)(qni_draw_uniform(&d, 0, 1) * (double)ds->samples), ds->samples - 1)};
    const double share = beta_draw(&d, m->alpha);
    struct qni_read one = *r;
    void *out[QN_MAX_FIELDS];
    qn_status st;

    one.count = 1;
    one.out = out;
    one.scratch = r->scratch + m->own;
    for (int k = 0; k < 2; k++) {
        one.index = &pair[k];
        for (int f = 0; f < ds->fields; f++) {
            unsigned char *to = r->out[f] ? (unsigned char *)r->out[f] + (size_t)i * ds->sample_bytes[f] : NULL;
            unsigned char *aside = r->scratch + m->offset[f];

            out[f] = !to ? NULL : m->class_of[f] ? aside + (size_t)k * sizeof(int32_t) : k ? aside : to;
            if (k && ds->field[f].role == QN_FIELD_WEIGHT)
                out[f] = NULL;
        }
        if ((st = qni_dataset_read(m->from, &one)))
            return st;
    }
    for (int f = 0; f < ds->fields; f++) {
        float *to = out[f] ? (float *)((unsigned char *)r->out[f] + (size_t)i * ds->sample_bytes[f]) : NULL;
        const float *other = (const float *)(r->scratch + m->offset[f]);

        if (to && m->class_of[f]) {
            if ((st = mix_class(to, ds->field[f].shape.dim[0], (const int32_t *)other, share)))
                return st;
            continue;
        }
        for (size_t k = 0; to && k < ds->sample_bytes[f] / sizeof(float); k++)
            to[k] = (float)(share * (double)to[k] + (1 - share) * (double)other[k]);
    }
    return QN_OK;
}

static qn_status read_mixup(const qn_dataset *ds, const struct qni_read *r)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < r->count && !st; i++)
        st = read_one((const struct mixup *)ds, r, i);
    return st;
}

static void close_mixup(qn_dataset *ds)
{
    qn_dataset_close(&((struct mixup *)ds)->from);
}

static const struct qni_dataset_kind mixup_kind = {read_mixup, close_mixup};

qn_status qn_dataset_mixup(qn_dataset **out, qn_dataset *from, double alpha, int classes)
{
    qn_field field[QN_MAX_FIELDS];
    bool class_of[QN_MAX_FIELDS] = {false};
    struct mixup *m = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from)
        return qni_error(QN_E_ARG, "the source is NULL");
    if (!(alpha >= 1e-3 && alpha <= 1e6) || classes < 0 || classes > MOST_CLASSES)
        return qni_error(QN_E_ARG, "alpha %g or %d classes is out of range", alpha, classes);
    if (from->samples == QN_ANY)
        return qni_error(QN_E_UNSUPPORTED, "the number of the source's samples is not known");
    memcpy(field, from->field, (size_t)from->fields * sizeof(field[0]));
    for (int f = 0; f < from->fields; f++) {
        qn_field *x = &field[f];

        class_of[f] = x->role == QN_FIELD_TARGET && x->dtype == QN_I32 && x->shape.rank == 0 && classes;
        if (!class_of[f] && x->dtype != QN_F32)
            return qni_error(QN_E_SHAPE, "field '%.100s' is %s, which cannot be mixed%s", x->name, qn_dtype_name(x->dtype),
                             x->role == QN_FIELD_TARGET && !classes ? " without the number of classes" : "");
        if (class_of[f]) {
            x->dtype = QN_F32;
            x->shape = qni_shape(1, (int64_t)classes);
        }
    }
    if ((st = qni_dataset_new(&m, sizeof(*m), from->ctx, from->samples, field, from->fields)))
        return st;
    m->alpha = alpha;
    memcpy(m->class_of, class_of, sizeof(class_of));
    for (int f = 0; f < from->fields; f++) {
        m->offset[f] = m->own;
        m->own += (QNI_MAX(m->base.sample_bytes[f], 2 * sizeof(int32_t)) + ALIGN - 1) & ~(ALIGN - 1);
    }
    m->base.scratch = m->own + from->scratch;
    m->from = qni_dataset_retain(from);
    qni_dataset_keep_classes(&m->base, from);
    m->base.kind = &mixup_kind;
    *out = &m->base;
    return QN_OK;
}
