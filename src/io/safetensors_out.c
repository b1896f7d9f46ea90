/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tensors are laid out by the size of their elements, largest first, and then as declared, after a header padded to a
 * multiple of 8: every one is aligned, so that other readers may map it. */
#include "io/safetensors.h"

#include <stdio.h>

#include "io/file.h"
#include "io/json.h"

struct tensor {
    char *name;
    qn_dtype dtype;
    qn_shape shape;
    int64_t bytes, offset, written;
};

struct text {
    char *key, *value;
};

struct qni_safetensors_out {
    qn_context *ctx;
    struct qni_file_out *file;
    struct tensor *tensor;
    size_t tensors, tensor_room;
    struct text *text;
    size_t texts, text_room;
    bool laid_out; /* the header is written */
};

qn_status qni_safetensors_create(struct qni_safetensors_out **out, qn_context *ctx, const char *path)
{
    struct qni_safetensors_out *o = NULL;
    char format[16];
    qn_status st;

    *out = NULL;
    snprintf(format, sizeof(format), "%d", QNI_SAFETENSORS_FORMAT);
    if ((st = qni_calloc(ctx, &o, 1, sizeof(*o))) != QN_OK)
        return st;
    o->ctx = qni_context_retain(ctx);
    if ((st = qni_safetensors_put_metadata(o, "quern.format", format)) != QN_OK ||
        (st = qni_file_create(&o->file, ctx, path)) != QN_OK)
        goto done;
    *out = o;
    o = NULL;
done:
    qni_safetensors_discard(&o);
    return st;
}

qn_status qni_safetensors_put_metadata(struct qni_safetensors_out *o, const char *key, const char *text)
{
    struct text *t;
    qn_status st;

    if (o->laid_out)
        return qni_error(QN_E_STATE, "the header is written already");
    for (size_t i = 0; i < o->texts; i++)
        if (strcmp(o->text[i].key, key) == 0)
            return qni_error(QN_E_ARG, "two texts with the key '%.200s'", key);
    if ((st = qni_reserve(o->ctx, &o->text, &o->text_room, o->texts, sizeof(*o->text))) != QN_OK)
        return st;
    t = &o->text[o->texts++];
    *t = (struct text){0};
    if ((st = qni_strdup(o->ctx, &t->key, key)) != QN_OK)
        return st;
    return qni_strdup(o->ctx, &t->value, text);
}

qn_status qni_safetensors_declare(struct qni_safetensors_out *o, const char *name, qn_dtype dtype,
                                  const qn_shape *shape)
{
    struct tensor t = {.dtype = dtype, .shape = *shape};
    int64_t n;
    qn_status st;

    if (o->laid_out)
        return qni_error(QN_E_STATE, "the header is written already");
    if (strcmp(name, "__metadata__") == 0)
        return qni_error(QN_E_ARG, "a tensor may not be named '%s'", name);
    if ((st = qni_shape_elements(shape, dtype, &n)) != QN_OK ||
        (st = qni_reserve(o->ctx, &o->tensor, &o->tensor_room, o->tensors, sizeof(*o->tensor))) != QN_OK ||
        (st = qni_strdup(o->ctx, &t.name, name)) != QN_OK)
        return st;
    t.bytes = n * (int64_t)qn_dtype_bytes(dtype);
    o->tensor[o->tensors++] = t;
    return QN_OK;
}

static int compare_names(const void *user, uint32_t a, uint32_t b)
{
    const struct tensor *t = user;

    return strcmp(t[a].name, t[b].name);
}

static qn_status check_names(struct qni_safetensors_out *o)
{
    uint32_t *order = NULL;
    qn_status st;

    if ((st = qni_calloc(o->ctx, &order, o->tensors, sizeof(*order))) != QN_OK)
        return st;
    for (size_t i = 0; i < o->tensors; i++)
        order[i] = (uint32_t)i;
    qni_sort(order, o->tensors, compare_names, o->tensor);
    for (size_t i = 1; i < o->tensors && !st; i++)
        if (compare_names(o->tensor, order[i - 1], order[i]) == 0)
            st = qni_error(QN_E_ARG, "two tensors are named '%.200s'", o->tensor[order[i]].name);
    qni_free(o->ctx, &order);
    return st;
}

static void write_header(struct qni_safetensors_out *o, struct qni_text *t)
{
    struct qni_json_out json = {.text = t, .compact = true};

    qni_json_open(&json, NULL, '{');
    qni_json_open(&json, "__metadata__", '{');
    for (size_t i = 0; i < o->texts; i++)
        qni_json_put_text(&json, o->text[i].key, o->text[i].value);
    qni_json_close(&json, '}');
    for (size_t i = 0; i < o->tensors; i++) {
        const struct tensor *x = &o->tensor[i];

        qni_json_open(&json, x->name, '{');
        qni_json_put_text(&json, "dtype", qni_safetensors_type(x->dtype));
        qni_json_open(&json, "shape", '[');
        for (int k = 0; k < x->shape.rank; k++)
            qni_json_put_int(&json, NULL, x->shape.dim[k]);
        qni_json_close(&json, ']');
        qni_json_open(&json, "data_offsets", '[');
        qni_json_put_int(&json, NULL, x->offset);
        qni_json_put_int(&json, NULL, x->offset + x->bytes);
        qni_json_close(&json, ']');
        qni_json_close(&json, '}');
    }
    qni_json_close(&json, '}');
    while (t->status == QN_OK && t->length % 8)
        qni_text_add(t, " ");
}

static qn_status lay_out(struct qni_safetensors_out *o)
{
    struct qni_text t = {.ctx = o->ctx};
    unsigned char length[8];
    int64_t at = 0;
    qn_status st;

    if (o->laid_out)
        return QN_OK;
    if ((st = check_names(o)) != QN_OK)
        return st;
    for (size_t size = 8; size; size /= 2)
        for (size_t i = 0; i < o->tensors; i++)
            if (qn_dtype_bytes(o->tensor[i].dtype) == size) {
                o->tensor[i].offset = at;
                if (__builtin_add_overflow(at, o->tensor[i].bytes, &at) || at > INT64_MAX / 2)
                    return qni_error(QN_E_SHAPE, "the tensors are too large for a file");
            }
    write_header(o, &t);
    if ((st = t.status) != QN_OK)
        goto done;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)t.length >> 8 * i);
    if ((st = qni_file_write_at(o->file, 0, length, 8)) != QN_OK ||
        (st = qni_file_write_at(o->file, 8, t.data, t.length)) != QN_OK)
        goto done;
    for (size_t i = 0; i < o->tensors; i++)
        o->tensor[i].offset += 8 + (int64_t)t.length;
    o->laid_out = true;
done:
    qni_text_free(&t);
    return st;
}

/* Elements turned around in small pieces; on little-endian machines in one. */
static qn_status write_elements(struct qni_safetensors_out *o, int64_t offset, const void *data, size_t bytes,
                                size_t size)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    unsigned char piece[4096];
    qn_status st;

    for (size_t done = 0, n; done < bytes; done += n) {
        n = QNI_MIN(bytes - done, sizeof(piece));
        memcpy(piece, (const char *)data + done, n);
        qni_little_endian(piece, n, size);
        if ((st = qni_file_write_at(o->file, offset + (int64_t)done, piece, n)) != QN_OK)
            return st;
    }
    return QN_OK;
#else
    (void)size;
    return qni_file_write_at(o->file, offset, data, bytes);
#endif
}

qn_status qni_safetensors_write(struct qni_safetensors_out *o, size_t tensor, const void *data, size_t bytes)
{
    struct tensor *t;
    size_t size;
    qn_status st;

    if ((st = lay_out(o)) != QN_OK)
        return st;
    if (tensor >= o->tensors)
        return qni_error(QN_E_ARG, "tensor %zu, but %zu are declared", tensor, o->tensors);
    t = &o->tensor[tensor];
    size = qn_dtype_bytes(t->dtype);
    if (bytes > (uint64_t)(t->bytes - t->written) || bytes % size)
        return qni_error(QN_E_SHAPE, "%.200s: %zu bytes after %lld, but it has %lld", t->name, bytes,
                         (long long)t->written, (long long)t->bytes);
    if ((st = write_elements(o, t->offset + t->written, data, bytes, size)) == QN_OK)
        t->written += (int64_t)bytes;
    return st;
}

qn_status qni_safetensors_commit(struct qni_safetensors_out **out)
{
    struct qni_safetensors_out *o = *out;
    qn_status st = lay_out(o);

    for (size_t i = 0; i < o->tensors && !st; i++)
        if (o->tensor[i].written != o->tensor[i].bytes)
            st = qni_error(QN_E_STATE, "%.200s: %lld bytes were written, it has %lld", o->tensor[i].name,
                           (long long)o->tensor[i].written, (long long)o->tensor[i].bytes);
    if (st == QN_OK)
        st = qni_file_commit(&o->file);
    qni_safetensors_discard(out);
    return st;
}

void qni_safetensors_discard(struct qni_safetensors_out **out)
{
    struct qni_safetensors_out *o = *out;
    qn_context *ctx;

    if (!o)
        return;
    *out = NULL;
    ctx = o->ctx;
    qni_file_discard(&o->file);
    for (size_t i = 0; i < o->tensors; i++)
        qni_free(ctx, &o->tensor[i].name);
    for (size_t i = 0; i < o->texts; i++) {
        qni_free(ctx, &o->text[i].key);
        qni_free(ctx, &o->text[i].value);
    }
    qni_free(ctx, &o->tensor);
    qni_free(ctx, &o->text);
    qni_free(ctx, &o);
    qni_context_release(&ctx);
}
