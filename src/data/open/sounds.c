/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sound from files, one recording or a dataset of them. */
#include <string.h>

#include "data/open/files.h"

#define MOST_BYTES   (INT64_C(1) << 30)
#define MOST_SAMPLES (INT64_C(1) << 28)

struct sounds {
    qn_context *ctx;
    qn_context *own;
    struct qnd_list list;
    qn_sounds_opt opt;
};

static qn_status check_read(qn_sound_read_opt *o, const qn_sound_read_opt *opt)
{
    *o = opt ? *opt : (qn_sound_read_opt){0};
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i])
            return qnd_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->max_bytes < 0 || o->max_samples < 0)
        return qnd_error(QN_E_ARG, "max_bytes and max_samples may not be negative");
    o->max_bytes = o->max_bytes ? o->max_bytes : MOST_BYTES;
    o->max_samples = o->max_samples ? o->max_samples : MOST_SAMPLES;
    return QN_OK;
}

qn_status qn_sound_decode(qn_sound **out, const char *name, const void *data, size_t bytes, const qn_sound_read_opt *opt)
{
    qn_sound_read_opt o;
    qn_context *own = NULL;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!name || !data)
        return qnd_error(QN_E_ARG, "name or data is NULL");
    if ((st = check_read(&o, opt)) || (st = qnd_find_context(&own, &o.context)))
        return st;
    st = qnd_decode_wav(out, o.context, name, data, bytes, o.max_samples);
    qn_context_destroy(&own);
    return st;
}

static qn_status read_sound(qn_sound **out, qn_context *ctx, const char *path, int64_t max_bytes, int64_t max_samples)
{
    unsigned char *data = NULL;
    size_t bytes = 0;
    qn_status st;

    *out = NULL;
    if ((st = qnd_read_file(&data, &bytes, ctx, path, max_bytes)) == QN_OK)
        st = qnd_decode_wav(out, ctx, path, data, bytes, max_samples);
    qn_context_free(ctx, data);
    return st;
}

qn_status qn_sound_read(qn_sound **out, const char *path, const qn_sound_read_opt *opt)
{
    qn_sound_read_opt o;
    qn_context *own = NULL;
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!path)
        return qnd_error(QN_E_ARG, "path is NULL");
    if ((st = check_read(&o, opt)) || (st = qnd_find_context(&own, &o.context)))
        return st;
    st = read_sound(out, o.context, path, o.max_bytes, o.max_samples);
    qn_context_destroy(&own);
    return st;
}

static qn_status read_one(const void *user, int64_t i, void *out)
{
    const struct sounds *s = user;
    const char *path = s->list.path[i];
    qn_sound *sound = NULL, *mono = NULL;
    qn_status st;

    if ((st = read_sound(&sound, s->ctx, path, s->opt.max_bytes, s->opt.max_samples)))
        return st;
    if (s->opt.prep && sound->frames < 1)
        st = qnd_error(QN_E_FORMAT, "%s: the recording is empty", path);
    else if (out && s->opt.prep)
        st = qn_prep_load(s->opt.prep, &(qn_raw){.sound = sound}, out);
    else if (out && (st = qn_sound_convert(&mono, s->ctx, sound, s->opt.rate)) == QN_OK)
        st = qn_sound_place(out, s->opt.frames, mono->sample, mono->frames, s->opt.middle);
    qn_sound_destroy(&mono);
    qn_sound_destroy(&sound);
    return st;
}

static qn_status read_sounds(void *user, const int64_t *index, int64_t count, void *const *out)
{
    const struct sounds *s = user;

    return qnd_list_samples(&s->list, index, count, out, (size_t)s->opt.frames * sizeof(float), read_one, s);
}

static void close_sounds(void *user)
{
    struct sounds *s = user;
    qn_context *own = s->own;

    qn_prep_release(&s->opt.prep);
    qnd_list_free(&s->list);
    qn_context_free(s->ctx, s);
    qn_context_destroy(&own);
}

static qn_status check_sounds(qn_sounds_opt *o)
{
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i])
            return qnd_error(QN_E_ARG, "reserved[%zu] of the options is not zero", i);
    if (o->prep && qn_prep_get_kind(o->prep) != QN_PREP_SOUND)
        return qnd_error(QN_E_ARG, "the preparation is of no recordings");
    o->max_bytes = o->max_bytes ? o->max_bytes : MOST_BYTES;
    o->max_samples = o->max_samples ? o->max_samples : MOST_SAMPLES;
    if (o->rate < 0 || o->rate > QN_SOUND_MOST_RATE || o->frames < 0 || o->frames > MOST_SAMPLES || o->max_bytes < 0 ||
        o->max_samples < 0)
        return qnd_error(QN_E_ARG, "%lld frames at %d a second, or a limit: out of range", (long long)o->frames, o->rate);
    return QN_OK;
}

static qn_status find_rate(struct sounds *s)
{
    qn_sound *first = NULL;
    qn_status st;

    if (s->opt.prep) {
        s->opt.frames = qn_prep_sample(s->opt.prep)->shape.dim[0];
        return QN_OK;
    }
    if (!s->opt.rate) {
        if ((st = read_sound(&first, s->ctx, s->list.path[0], s->opt.max_bytes, s->opt.max_samples)))
            return st;
        s->opt.rate = first->rate;
        qn_sound_destroy(&first);
    }
    s->opt.frames = s->opt.frames ? s->opt.frames : s->opt.rate;
    return QN_OK;
}

qn_status qn_dataset_sounds(qn_dataset **out, const qn_files *files, const qn_sounds_opt *opt)
{
    static const char *const ends[] = {".wav", NULL};
    qn_sounds_opt o = opt ? *opt : (qn_sounds_opt){0};
    qn_context *own = NULL;
    struct sounds *s;
    qn_field field[2];
    qn_status st;

    if (!out)
        return qnd_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if ((st = check_sounds(&o)) || (st = qnd_find_context(&own, &o.context)))
        return st;
    if (!(s = qn_context_alloc(o.context, sizeof(*s)))) {
        qn_context_destroy(&own);
        return QN_E_HOST_MEMORY;
    }
    s->ctx = o.context;
    s->own = own;
    s->opt = o;
    s->opt.prep = qn_prep_retain(o.prep);
    if ((st = qnd_list_make(&s->list, s->ctx, files, ends)) || (st = qnd_list_check(&s->list, files, read_one, s)) ||
        (st = find_rate(s)))
        goto done;
    field[0] = (qn_field){"sound", QN_FIELD_INPUT, QN_F32, {1, {s->opt.frames}}};
    st = qnd_list_dataset(out, &s->list, field, &(qn_source){.read = read_sounds, .close = close_sounds, .user = s});
    s = NULL;
done:
    if (s)
        close_sounds(s);
    return st;
}
