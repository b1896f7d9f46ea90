/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * IDX: two zero bytes, the type of the values, the rank, the sizes as big-endian 32-bit numbers, then the values,
 * big-endian, row by row, and nothing after them. */
#include "data/data.h"
#include "data/memory.h"

#define MOST_BYTES  (INT64_C(1) << 33)
#define FIRST_BLOCK ((int64_t)1 << 24) /* memory grows with what arrives, not with what a header says */

enum { CODE_U8 = 8, CODE_I8 = 9, CODE_I16 = 11, CODE_I32 = 12, CODE_F32 = 13, CODE_F64 = 14 };

struct idx {
    const char *name;
    int code;
    int rank;
    int64_t dim[QN_MAX_RANK];
    int64_t values; /* product of the sizes */
    unsigned char *data;
};

/* The types of values, by their code. */
static const struct {
    const char *name;
    int bytes;
} types[256] = {
    [CODE_U8] = {"u8", 1},   [CODE_I8] = {"i8", 1},   [CODE_I16] = {"i16", 2},
    [CODE_I32] = {"i32", 4}, [CODE_F32] = {"f32", 4}, [CODE_F64] = {"f64", 8},
};

static qn_status read_header(struct idx *x, const qn_reader *r, int64_t *bytes)
{
    unsigned char head[4 + 4 * QN_MAX_RANK];
    size_t got;
    qn_status st;

    if ((st = qni_reader_read(r, head, 4, &got)) != QN_OK)
        return st;
    if (got == 0)
        return qni_error(QN_E_FORMAT, "%s: empty, expected an IDX file", x->name);
    if (got < 4)
        return qni_error(QN_E_FORMAT, "%s: ends after %zu bytes, inside the header", x->name, got);
    if (head[0] || head[1])
        return qni_error(QN_E_FORMAT, "%s: not an IDX file: begins with bytes %02x %02x, expected 00 00", x->name,
                         head[0], head[1]);
    if (!types[head[2]].bytes)
        return qni_error(QN_E_FORMAT, "%s: type code 0x%02x at byte 2, expected 0x08 to 0x0e", x->name, head[2]);
    if (head[3] < 1 || head[3] > QN_MAX_RANK)
        return qni_error(QN_E_FORMAT, "%s: rank %d at byte 3, expected 1 to %d", x->name, head[3], QN_MAX_RANK);
    x->code = head[2];
    x->rank = head[3];
    if ((st = qni_reader_read(r, head + 4, 4 * (size_t)x->rank, &got)) != QN_OK)
        return st;
    if (got < 4 * (size_t)x->rank)
        return qni_error(QN_E_FORMAT, "%s: ends after %zu bytes, inside the header", x->name, got + 4);
    x->values = 1;
    for (int i = 0; i < x->rank; i++) {
        const unsigned char *p = head + 4 + 4 * i;

        x->dim[i] = (int64_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
        if (i > 0 && x->dim[i] == 0)
            return qni_error(QN_E_FORMAT, "%s: axis %d has size 0", x->name, i);
        if (__builtin_mul_overflow(x->values, x->dim[i], &x->values))
            return qni_error(QN_E_FORMAT, "%s: the sizes' product overflows at axis %d", x->name, i);
    }
    if (__builtin_mul_overflow(x->values, (int64_t)types[x->code].bytes, bytes))
        return qni_error(QN_E_FORMAT, "%s: the sizes' product overflows", x->name);
    return QN_OK;
}

static qn_status read_values(qn_context *ctx, struct idx *x, const qn_reader *r, int64_t bytes, int64_t max_bytes)
{
    int64_t header = 4 + 4 * x->rank, have = 0, room = 0;
    char extra;
    size_t got;
    qn_status st;

    if (bytes > max_bytes)
        return qni_error(QN_E_FORMAT, "%s: the header announces %lld bytes of values, the limit is %lld", x->name,
                         (long long)bytes, (long long)max_bytes);
    if (r->most && bytes > r->most - header)
        return qni_error(QN_E_FORMAT, "%s: the header announces %lld bytes of values, but there are at most %lld",
                         x->name, (long long)bytes, (long long)QNI_MAX(r->most - header, 0));
    do {
        room = QNI_MIN(bytes, room ? 2 * room : FIRST_BLOCK);
        if ((st = qni_realloc(ctx, &x->data, (size_t)room, 1)) != QN_OK ||
            (st = qni_reader_read(r, x->data + have, (size_t)(room - have), &got)) != QN_OK)
            return st;
        have += (int64_t)got;
        if (have < room)
            return qni_error(QN_E_FORMAT, "%s: truncated: the header announces %lld bytes of values, found %lld",
                             x->name, (long long)bytes, (long long)have);
    } while (room < bytes);
    if ((st = qni_reader_read(r, &extra, 1, &got)) != QN_OK)
        return st;
    if (got)
        return qni_error(QN_E_FORMAT, "%s: goes on after the %lld bytes of values that the header announces", x->name,
                         (long long)bytes);
    return QN_OK;
}

static uint32_t big_endian(const unsigned char *p, int bytes)
{
    uint32_t v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static qn_status describe_images(const struct idx *x, const qn_idx_opt *opt, qn_field *field, bool *expand)
{
    if (x->code != CODE_U8 && x->code != CODE_F32)
        return qni_error(QN_E_UNSUPPORTED, "%s: values of type %s, expected u8 or f32", x->name, types[x->code].name);
    *field = (qn_field){.name = "image", .role = QN_FIELD_INPUT, .shape.rank = x->rank - 1};
    memcpy(field->shape.dim, x->dim + 1, (size_t)(x->rank - 1) * sizeof(x->dim[0]));
    if (x->rank <= 3 && x->rank != 2) /* [N,H,W]: one channel; [N]: one number */
        field->shape.dim[field->shape.rank++] = 1;
    field->dtype = x->code == CODE_U8 && opt->keep_u8 ? QN_U8 : QN_F32;
    *expand = x->code == CODE_U8 && !opt->keep_u8;
    return QN_OK;
}

static void to_native(struct idx *x)
{
    for (int64_t i = 0; i < x->values; i++) {
        uint32_t v = big_endian(x->data + 4 * i, 4);

        memcpy(x->data + 4 * i, &v, 4);
    }
}

static qn_status convert_labels(qn_context *ctx, struct idx *x, const qn_idx_opt *opt)
{
    int bytes = types[x->code].bytes, spare = 8 * (4 - bytes);
    int32_t *label = NULL;
    qn_status st;

    if (x->code == CODE_F32 || x->code == CODE_F64)
        return qni_error(QN_E_UNSUPPORTED, "%s: labels of type %s, expected integers", x->name, types[x->code].name);
    if ((st = qni_calloc(ctx, &label, (size_t)x->values, sizeof(*label))) != QN_OK)
        return st;
    for (int64_t i = 0; i < x->values; i++) {
        uint32_t v = big_endian(x->data + bytes * i, bytes);

        if (x->code != CODE_U8 && spare) /* extend the sign */
            v = (v ^ (UINT32_C(0x80000000) >> spare)) - (UINT32_C(0x80000000) >> spare);
        label[i] = (int32_t)v;
        if (label[i] < 0 || (opt->classes && label[i] >= opt->classes)) {
            st = opt->classes ? qni_error(QN_E_FORMAT, "%s: label %lld is %d, expected 0 to %d", x->name, (long long)i,
                                          (int)label[i], opt->classes - 1)
                              : qni_error(QN_E_FORMAT, "%s: label %lld is %d, expected 0 or more", x->name,
                                          (long long)i, (int)label[i]);
            qni_free(ctx, &label);
            return st;
        }
    }
    qni_free(ctx, &x->data);
    x->data = (unsigned char *)label;
    return QN_OK;
}

static qn_status load(qn_context *ctx, struct idx *x, const qn_reader *r, int64_t max_bytes)
{
    int64_t bytes = 0;
    qn_status st;

    if (!r->read || !r->name)
        return qni_error(QN_E_ARG, "a reader has no %s", r->read ? "name" : "read function");
    x->name = r->name;
    if ((st = read_header(x, r, &bytes)) != QN_OK)
        return st;
    return read_values(ctx, x, r, bytes, max_bytes);
}

static qn_status check_opt(const qn_idx_opt *opt)
{
    for (size_t i = 0; i < QNI_COUNT(opt->reserved); i++)
        if (opt->reserved[i])
            return qni_error(QN_E_ARG, "reserved[%zu] of the IDX options is not zero", i);
    if (!(opt->divisor >= 0) || opt->classes < 0 || opt->max_bytes < 0)
        return qni_error(QN_E_ARG, "divisor, classes and max_bytes of the IDX options may not be negative");
    return QN_OK;
}

qn_status qn_dataset_idx_from(qn_dataset **out, const qn_reader *images, const qn_reader *labels, const qn_idx_opt *opt)
{
    static const qn_idx_opt defaults;
    struct idx x = {0}, y = {0};
    struct qni_memory_field data[2] = {{0}};
    qn_field field[2] = {{0}};
    qn_context *ctx = NULL;
    int64_t max_bytes;
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!images)
        return qni_error(QN_E_ARG, "images is NULL");
    opt = opt ? opt : &defaults;
    max_bytes = opt->max_bytes ? opt->max_bytes : MOST_BYTES;
    if ((st = check_opt(opt)) != QN_OK || (st = qni_context_get(&ctx, opt->context)) != QN_OK)
        return st;
    if ((st = load(ctx, &x, images, max_bytes)) != QN_OK ||
        (st = describe_images(&x, opt, &field[0], &data[0].expand)) != QN_OK)
        goto done;
    if (x.code == CODE_F32)
        to_native(&x);
    if (labels) {
        if ((st = load(ctx, &y, labels, max_bytes)) != QN_OK)
            goto done;
        if (y.rank != 1)
            st = qni_error(QN_E_FORMAT, "%s: rank %d, expected labels of rank 1", y.name, y.rank);
        else if (y.dim[0] != x.dim[0])
            st = qni_error(QN_E_FORMAT, "%s: %lld labels, but %s has %lld images", y.name, (long long)y.dim[0], x.name,
                           (long long)x.dim[0]);
        else
            st = convert_labels(ctx, &y, opt);
        if (st)
            goto done;
        field[1] = (qn_field){.name = "label", .role = QN_FIELD_TARGET, .dtype = QN_I32};
    }
    data[0].data = data[0].owned = x.data;
    data[1].data = data[1].owned = y.data;
    st = qni_dataset_memory(out, ctx, x.dim[0], field, labels ? 2 : 1, data, opt->divisor > 0 ? opt->divisor : 255.0f);
    if (st == QN_OK)
        x.data = y.data = NULL;
done:
    qni_free(ctx, &x.data);
    qni_free(ctx, &y.data);
    qni_context_release(&ctx);
    return st;
}

qn_status qn_dataset_idx(qn_dataset **out, const char *images, const char *labels, const qn_idx_opt *opt)
{
    struct qni_file_reader x = {.fd = -1}, y = {.fd = -1};
    qn_status st;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!images)
        return qni_error(QN_E_ARG, "images is NULL");
    if ((st = qni_file_reader_open(&x, images)) != QN_OK ||
        (labels && (st = qni_file_reader_open(&y, labels)) != QN_OK))
        goto done;
    st = qn_dataset_idx_from(out, &x.reader, labels ? &y.reader : NULL, opt);
done:
    qni_file_reader_close(&x);
    qni_file_reader_close(&y);
    return st;
}
