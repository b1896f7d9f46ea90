/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sequences of one length, and texts as a dataset of them. */
#include "data/data.h"
#include "data/text/text.h"

qn_status qn_sequence_pad(int32_t *out, int64_t length, const int32_t *in, int64_t count, const qn_pad_opt *opt)
{
    const qn_pad_opt o = opt ? *opt : (qn_pad_opt){0};
    int64_t kept, first, to;

    if (length < 0 || count < 0 || (length && !out) || (count && !in))
        return qni_error(QN_E_ARG, "%lld numbers to a length of %lld%s", (long long)count, (long long)length,
                         length < 0 || count < 0 ? "" : ", a pointer is NULL");
    kept = QNI_MIN(count, length);
    first = o.cut_behind ? 0 : count - kept;
    to = o.pad_behind ? 0 : length - kept;
    for (int64_t i = 0; i < length; i++)
        out[i] = i >= to && i < to + kept ? in[first + i - to] : o.value;
    return QN_OK;
}

/* One text's numbers into a row; *room grows with the longest text. */
static qn_status fill_row(const qn_tokenizer *t, const char *text, int32_t *row, int64_t length, const qn_pad_opt *pad,
                          int32_t **number, size_t *room)
{
    int64_t count = 0;
    qn_status st;

    if (!text)
        return qni_error(QN_E_ARG, "it is NULL");
    if ((st = qn_tokenizer_encode(t, text, *number, (int64_t)*room, &count)))
        return st;
    if ((size_t)count > *room) {
        if ((st = qni_realloc(t->ctx, number, (size_t)count, sizeof(**number))))
            return st;
        *room = (size_t)count;
        if ((st = qn_tokenizer_encode(t, text, *number, count, &count)))
            return st;
    }
    return qn_sequence_pad(row, length, *number, count, pad);
}

qn_status qn_dataset_texts(qn_dataset **out, const qn_tokenizer *t, const char *const *text, const int32_t *label, int64_t texts,
                           int64_t length, const qn_pad_opt *pad)
{
    int32_t *all = NULL, *number = NULL;
    size_t room = 0, numbers;
    qn_status st = QN_OK;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!t || texts < 0 || (texts && !text) || length < 1 || length > INT32_MAX)
        return qni_error(QN_E_ARG, "%lld texts of length %lld%s", (long long)texts, (long long)length,
                         t && (text || !texts) ? "" : ", a pointer is NULL");
    if (qni_mul_overflows((size_t)texts, (size_t)length, &numbers))
        return qni_error(QN_E_HOST_MEMORY, "%lld texts do not fit in an address space", (long long)texts);
    if ((st = qni_calloc(t->ctx, &all, numbers, sizeof(*all))))
        return st;
    for (int64_t i = 0; i < texts && !st; i++)
        if ((st = fill_row(t, text[i], all + i * length, length, pad, &number, &room)))
            qni_error_prefix("text %lld: ", (long long)i);
    if (!st)
        st = qn_dataset_arrays(out, texts,
                               (const qn_array[]){{{"text", QN_FIELD_INPUT, QN_I32, {1, {length}}}, all},
                                                  {{"label", QN_FIELD_TARGET, QN_I32, {0, {0}}}, label}},
                               label ? 2 : 1, &(qn_arrays_opt){.context = t->ctx, .copy = true});
    qni_free(t->ctx, &number);
    qni_free(t->ctx, &all);
    return st;
}
