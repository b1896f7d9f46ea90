/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Datasets of recordings: as features, and changed at random. */
#include "data/data.h"
#include "data/draw.h"
#include "data/sound/features.h"

#define STREAM UINT32_C(0x736f756e) /* "soun": no operation's stream, which count up from 0 */

struct change {
    qn_context *ctx;
    int64_t samples;
    size_t bytes[QN_MAX_FIELDS];
    int fields;
    qn_features *features;
    qn_sound_augment_opt augment;
};

static void close_change(void *user)
{
    struct change *c = user;
    qn_context *ctx = c->ctx;

    qn_features_destroy(&c->features);
    qni_free(ctx, &c);
    qni_context_release(&ctx);
}

/* Everything but the recording. */
static void copy_others(const struct change *c, const qn_sample *s)
{
    for (int f = 1; f < c->fields; f++)
        if (s->out[f] && c->bytes[f])
            memcpy(s->out[f], s->in[f], c->bytes[f]);
}

static qn_status make_features(void *user, const qn_sample *s)
{
    const struct change *c = user;

    copy_others(c, s);
    return s->out[0] ? qn_features_run(c->features, s->out[0], s->in[0], c->samples) : QN_OK;
}

static qn_status augment(void *user, const qn_sample *s)
{
    const struct change *c = user;
    struct qni_draw d = qni_draw_begin(s->seed, s->epoch, s->index, STREAM);
    const double most = c->augment.shift * (double)c->samples;
    const int64_t shift = (int64_t)floor(qni_draw_uniform(&d, -most, most) + 0.5);
    const double gain = pow(10, qni_draw_uniform(&d, -c->augment.gain, c->augment.gain) / 20);
    const double noise = qni_draw_uniform(&d, 0, c->augment.noise);
    const float *in = s->in[0];
    float *out = s->out[0];
    double normal[2];

    copy_others(c, s);
    for (int64_t i = 0; out && i < c->samples; i++) {
        const int64_t from = i - shift;
        double v = from >= 0 && from < c->samples ? gain * (double)in[from] : 0;

        if (noise > 0) {
            if (i % 2 == 0)
                qni_draw_normal(&d, normal);
            v += noise * normal[i % 2];
        }
        out[i] = (float)v;
    }
    return QN_OK;
}

static qn_status begin(struct change **out, const qn_dataset *from)
{
    const qn_field *first = qn_dataset_field(from, 0);
    char text[160];
    qn_status st;

    if (first->role != QN_FIELD_INPUT || first->dtype != QN_F32 || first->shape.rank != 1)
        return qni_error(QN_E_SHAPE, "the first field, '%.100s', is %s %s, expected an input f32 [samples]", first->name,
                         qn_dtype_name(first->dtype), qni_shape_text(&first->shape, text, sizeof(text)));
    if ((st = qni_calloc(from->ctx, out, 1, sizeof(**out))))
        return st;
    (*out)->ctx = qni_context_retain(from->ctx);
    (*out)->samples = first->shape.dim[0];
    (*out)->fields = from->fields;
    memcpy((*out)->bytes, from->sample_bytes, (size_t)from->fields * sizeof(size_t));
    return QN_OK;
}

qn_status qn_dataset_features(qn_dataset **out, qn_dataset *from, qn_features *features)
{
    qn_field field[QN_MAX_FIELDS];
    struct change *c = NULL;
    int64_t frames;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from || !features)
        return qni_error(QN_E_ARG, "%s NULL", from ? "the features are" : "the source is");
    if ((st = begin(&c, from)))
        return st;
    c->features = qni_features_retain(features);
    if ((frames = qn_features_frames(features, c->samples)) < 1) {
        st = qni_error(QN_E_SHAPE, "recordings of %lld samples are shorter than a frame", (long long)c->samples);
        goto done;
    }
    memcpy(field, from->field, (size_t)from->fields * sizeof(field[0]));
    field[0].shape = qni_shape(2, frames, qn_features_width(features));
    st = qn_dataset_map(out, from, &(qn_map_opt){
        .field = field, .fields = from->fields, .map = make_features, .close = close_change, .user = c});
done:
    if (st)
        close_change(c);
    return st;
}

qn_status qn_dataset_sound_augment(qn_dataset **out, qn_dataset *from, const qn_sound_augment_opt *opt)
{
    struct change *c = NULL;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from || !opt)
        return qni_error(QN_E_ARG, "the source or opt is NULL");
    for (size_t i = 0; i < QNI_COUNT(opt->reserved); i++)
        if (opt->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the changes' options is not zero", i);
    if (!(opt->shift >= 0 && opt->shift <= 1) || !(opt->gain >= 0 && opt->gain <= 200) ||
        !(opt->noise >= 0 && opt->noise <= 1e6))
        return qni_error(QN_E_ARG, "shift %g, gain %g or noise %g is out of range", opt->shift, opt->gain, opt->noise);
    if ((st = begin(&c, from)))
        return st;
    c->augment = *opt;
    if ((st = qn_dataset_map(out, from, &(qn_map_opt){.map = augment, .close = close_change, .user = c})))
        close_change(c);
    return st;
}
