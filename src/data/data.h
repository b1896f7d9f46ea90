/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Datasets inside: the frame every kind of dataset fills in. Depends on base alone. */
#ifndef QNI_DATA_H
#define QNI_DATA_H

#include <quern/data.h>

#include "base/base.h"

/* What a reader of samples hands down through the datasets. */
struct qni_read {
    const int64_t *index; /* [count] in range */
    int64_t count;
    void *const *out;       /* [fields] NULL: not wanted */
    unsigned char *scratch; /* the dataset's scratch bytes, aligned to 64; this thread's alone */
    uint64_t seed;
    int64_t epoch;
};

struct qni_dataset_kind {
    qn_status (*read)(const qn_dataset *ds, const struct qni_read *r);
    void (*close)(qn_dataset *ds); /* gives up what the kind holds beside the frame; NULL when that is nothing */
};

/* The first member of every kind's own struct. */
struct qn_dataset {
    atomic_int references;
    qn_context *ctx;
    const struct qni_dataset_kind *kind;
    int64_t samples; /* QN_ANY is kept for sources that stream */
    int fields;
    qn_field *field;      /* [fields] names owned */
    size_t *sample_bytes; /* [fields] of one sample */
    size_t scratch;       /* bytes a reading thread must bring; a multiple of 64 */
    struct qni_classes *classes; /* NULL: they have no names */
};

/* Names of classes, shared by the datasets that are made of each other. */
struct qni_classes {
    atomic_int references;
    int n;
    char *text;        /* one after another, each with its zero */
    const char **name; /* [n] into it */
};

/* What is made of a dataset has its classes' names. */
void qni_dataset_keep_classes(qn_dataset *ds, const qn_dataset *from);

/* A zeroed struct of `bytes` with its frame filled in; the fields are checked and copied. kind is set by the caller
 * once the dataset is complete: until then closing it frees the frame alone. */
qn_status qni_dataset_new(void *out, size_t bytes, qn_context *ctx, int64_t samples, const qn_field *field, int fields);
qn_dataset *qni_dataset_retain(qn_dataset *ds);
/* Without the checks of qn_dataset_read(); scratch comes from the caller. */
static inline qn_status qni_dataset_read(const qn_dataset *ds, const struct qni_read *r)
{
    return ds->kind->read(ds, r);
}
/* All bytes of a field of all samples; QN_E_SHAPE beyond INT64_MAX. */
qn_status qni_field_bytes(const qn_field *field, int64_t samples, int64_t *out);
/* Memory whose address is a multiple of 4096 (scratch and slots); freed by qni_free(ctx, block). */
qn_status qni_pages(const qn_context *ctx, void **block, unsigned char **aligned, size_t bytes);

/* ---- bytes.c: qn_reader on a file ---- */

struct qni_file_reader {
    qn_reader reader; /* its user points here */
    int fd;           /* -1: closed */
};

qn_status qni_file_reader_open(struct qni_file_reader *f, const char *path);
void qni_file_reader_close(struct qni_file_reader *f);
/* Read up to bytes; *got is less only at the end. A failure has a message. */
qn_status qni_reader_read(const qn_reader *r, void *to, size_t bytes, size_t *got);
/* All of it, and a zero behind it; more than most bytes are QN_E_FORMAT. *out is for qni_free(), also after a failure. */
qn_status qni_reader_all(const qn_context *ctx, const qn_reader *r, int64_t most, char **out, size_t *n);

#endif
