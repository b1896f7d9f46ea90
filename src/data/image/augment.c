/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Random changes of images on their way through a dataset. Every sample draws the same number of words whatever the
 * options, so that one option does not move another's numbers. */
#include "data/data.h"
#include "data/draw.h"
#include "data/image/image.h"

#define STREAM UINT32_C(0x696d6167) /* "imag": no operation's stream, which count up from 0 */
#define ALIGN  64

struct augment {
    qn_dataset base;
    qn_dataset *from;
    qn_image_augment_opt opt;
    qn_image_size in, out;
    bool bytes;     /* the source's images are u8 */
    size_t whole;   /* of the scratch: the source's image, as it is and as f32 */
    size_t piece;   /* and one of the result's size */
};

struct drawn {
    int64_t top, left;
    bool flip, flip_vertical;
    qn_image_move move;
    qn_image_tint tint;
    int64_t hole_y, hole_x;
};

static struct drawn draw(const struct augment *a, const struct qni_read *r, int64_t index)
{
    struct qni_draw d = qni_draw_begin(r->seed, r->epoch, index, STREAM);
    const qn_image_augment_opt *o = &a->opt;
    const int64_t rows = a->in.height + 2 * o->pad - a->out.height, columns = a->in.width + 2 * o->pad - a->out.width;
    struct drawn x = {.move = {.fill = o->fill, .value = o->value}};
    const int64_t top = qni_draw_integer(&d, rows + 1), left = qni_draw_integer(&d, columns + 1);

    x.top = (o->centre ? rows / 2 : top) - o->pad;
    x.left = (o->centre ? columns / 2 : left) - o->pad;
    x.flip = qni_draw_word(&d) >> 31 && o->flip;
    x.flip_vertical = qni_draw_word(&d) >> 31 && o->flip_vertical;
    x.move.degrees = qni_draw_uniform(&d, -o->rotate, o->rotate);
    x.move.down = qni_draw_uniform(&d, -o->shift_height, o->shift_height) * (double)a->out.height;
    x.move.right = qni_draw_uniform(&d, -o->shift_width, o->shift_width) * (double)a->out.width;
    x.tint.brightness = qni_draw_uniform(&d, -o->brightness, o->brightness);
    x.tint.contrast = qni_draw_uniform(&d, -o->contrast, o->contrast);
    x.tint.saturation = qni_draw_uniform(&d, -o->saturation, o->saturation);
    x.tint.hue = qni_draw_uniform(&d, -o->hue, o->hue);
    x.hole_y = qni_draw_integer(&d, a->out.height);
    x.hole_x = qni_draw_integer(&d, a->out.width);
    return x;
}

static void cut_hole(const struct augment *a, float *image, const struct drawn *x)
{
    const int64_t side = a->opt.cutout, top = QNI_MAX(x->hole_y - side / 2, 0), left = QNI_MAX(x->hole_x - side / 2, 0);
    const int64_t bottom = QNI_MIN(x->hole_y - side / 2 + side, a->out.height);
    const int64_t right = QNI_MIN(x->hole_x - side / 2 + side, a->out.width);

    for (int64_t v = top; v < bottom; v++)
        for (int64_t i = (v * a->out.width + left) * a->out.channels; i < (v * a->out.width + right) * a->out.channels; i++)
            image[i] = a->opt.value;
}

static void normalise(const struct augment *a, float *image)
{
    const qn_image_augment_opt *o = &a->opt;
    bool wanted = false;

    for (int c = 0; c < 3; c++)
        wanted |= o->mean[c] != 0 || o->deviation[c] != 0;
    for (int64_t i = 0; wanted && i < a->out.height * a->out.width; i++)
        for (int c = 0; c < a->out.channels; c++) {
            float *p = image + i * a->out.channels + c;

            *p = (*p - o->mean[c]) / (o->deviation[c] != 0 ? o->deviation[c] : 1.0f);
        }
}

/* One image; whole is the source's as f32. */
static qn_status change(const struct augment *a, float *out, const float *whole, float *piece, const struct drawn *x)
{
    const bool moves = a->opt.rotate > 0 || a->opt.shift_height > 0 || a->opt.shift_width > 0;
    float *cut = moves ? piece : out;
    qn_status st;

    if ((st = qn_image_crop(cut, a->out.height, a->out.width, whole, &a->in, x->top, x->left, a->opt.value)) ||
        (x->flip && (st = qn_image_flip(cut, &a->out, false))) || (x->flip_vertical && (st = qn_image_flip(cut, &a->out, true))) ||
        (moves && (st = qn_image_warp(out, cut, &a->out, &x->move))) || (st = qn_image_colour(out, &a->out, &x->tint)))
        return st;
    cut_hole(a, out, x);
    normalise(a, out);
    return QN_OK;
}

static qn_status read_augment(const qn_dataset *ds, const struct qni_read *r)
{
    const struct augment *a = (const struct augment *)ds;
    const int64_t numbers = a->in.height * a->in.width * a->in.channels;
    unsigned char *source = r->scratch;
    float *whole = (float *)(r->scratch + (a->bytes ? a->whole / 2 : 0)), *piece = (float *)(r->scratch + a->whole);
    struct qni_read one = *r;
    void *out[QN_MAX_FIELDS];
    qn_status st;

    one.count = 1;
    one.out = out;
    one.scratch = r->scratch + a->whole + a->piece;
    for (int64_t i = 0; i < r->count; i++) {
        struct drawn x = draw(a, r, r->index[i]);

        one.index = r->index + i;
        for (int f = 0; f < ds->fields; f++)
            out[f] = r->out[f] ? (unsigned char *)r->out[f] + (size_t)i * ds->sample_bytes[f] : NULL;
        out[0] = r->out[0] ? source : NULL;
        if ((st = qni_dataset_read(a->from, &one)))
            return st;
        if (!r->out[0])
            continue;
        for (int64_t k = 0; a->bytes && k < numbers; k++)
            whole[k] = (float)source[k] / 255.0f;
        if ((st = change(a, (float *)r->out[0] + (size_t)i * (ds->sample_bytes[0] / sizeof(float)), whole, piece, &x)))
            return st;
    }
    return QN_OK;
}

static void close_augment(qn_dataset *ds)
{
    qn_dataset_close(&((struct augment *)ds)->from);
}

static const struct qni_dataset_kind augment_kind = {read_augment, close_augment};

static bool within(double v, double most)
{
    return v >= 0 && v <= most;
}

static qn_status check(const qn_image_augment_opt *o)
{
    for (size_t i = 0; i < QNI_COUNT(o->reserved); i++)
        if (o->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the changes' options is not zero", i);
    if (o->pad < 0 || o->pad > QN_IMAGE_MOST || o->height < 0 || o->width < 0 || o->cutout < 0 || (!o->height != !o->width))
        return qni_error(QN_E_ARG, "pad %d, a piece of %d x %d or cutout %d is out of range", o->pad, o->height, o->width,
                         o->cutout);
    if (!within(o->rotate, 180) || !within(o->shift_height, 1) || !within(o->shift_width, 1) ||
        (unsigned)o->fill > QN_FILL_NEAREST)
        return qni_error(QN_E_ARG, "rotate %g, shift %g and %g or fill %d is out of range", o->rotate, o->shift_height,
                         o->shift_width, (int)o->fill);
    if (!within(o->brightness, 1) || !within(o->contrast, 1) || !within(o->saturation, 1) || !within(o->hue, 0.5))
        return qni_error(QN_E_ARG, "brightness %g, contrast %g, saturation %g or hue %g is out of range", o->brightness,
                         o->contrast, o->saturation, o->hue);
    for (int c = 0; c < 3; c++)
        if (!isfinite(o->mean[c]) || !isfinite(o->deviation[c]) || o->deviation[c] < 0)
            return qni_error(QN_E_ARG, "mean %g and deviation %g of channel %d", (double)o->mean[c], (double)o->deviation[c], c);
    return QN_OK;
}

static qn_status fit(struct augment *a, const qn_field *f)
{
    char text[160];

    if (f->role != QN_FIELD_INPUT || f->shape.rank != 3 || (f->dtype != QN_F32 && f->dtype != QN_U8) ||
        (f->shape.dim[2] != 1 && f->shape.dim[2] != 3))
        return qni_error(QN_E_SHAPE, "the first field, '%.100s', is %s %s, expected an input f32 or u8 [H,W,1 or 3]", f->name,
                         qn_dtype_name(f->dtype), qni_shape_text(&f->shape, text, sizeof(text)));
    a->in = (qn_image_size){f->shape.dim[0], f->shape.dim[1], (int)f->shape.dim[2]};
    a->out = a->in;
    if (a->opt.height) {
        a->out.height = a->opt.height;
        a->out.width = a->opt.width;
    }
    if (a->out.height > a->in.height + 2 * a->opt.pad || a->out.width > a->in.width + 2 * a->opt.pad)
        return qni_error(QN_E_SHAPE, "a piece of %lld x %lld out of images of %lld x %lld with %d around",
                         (long long)a->out.height, (long long)a->out.width, (long long)a->in.height, (long long)a->in.width,
                         a->opt.pad);
    a->bytes = f->dtype == QN_U8;
    return qni_image_check(&a->in) ? QN_E_SHAPE : QN_OK;
}

static size_t aligned(const qn_image_size *s)
{
    return (size_t)qni_round_up(s->height * s->width * s->channels * (int64_t)sizeof(float), ALIGN);
}

qn_status qn_dataset_image_augment(qn_dataset **out, qn_dataset *from, const qn_image_augment_opt *opt)
{
    struct augment *a = NULL, wanted = {0};
    qn_field field[QN_MAX_FIELDS];
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!from || !opt)
        return qni_error(QN_E_ARG, "the source or opt is NULL");
    wanted.opt = *opt;
    if ((st = check(opt)) || (st = fit(&wanted, &from->field[0])))
        return st;
    memcpy(field, from->field, (size_t)from->fields * sizeof(field[0]));
    field[0].dtype = QN_F32;
    field[0].shape.dim[0] = wanted.out.height;
    field[0].shape.dim[1] = wanted.out.width;
    if ((st = qni_dataset_new(&a, sizeof(*a), from->ctx, from->samples, field, from->fields)))
        return st;
    a->opt = wanted.opt;
    a->in = wanted.in;
    a->out = wanted.out;
    a->bytes = wanted.bytes;
    a->whole = aligned(&a->in) * (a->bytes ? 2 : 1);
    a->piece = aligned(&a->out);
    a->base.scratch = a->whole + a->piece + from->scratch;
    a->from = qni_dataset_retain(from);
    qni_dataset_keep_classes(&a->base, from);
    a->base.kind = &augment_kind;
    *out = &a->base;
    return QN_OK;
}
