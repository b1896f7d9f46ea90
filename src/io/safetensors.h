/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * safetensors files: eight bytes with the header's length, a header in JSON, then the tensors' bytes, little-endian,
 * without gaps. docs/formats.md has what Quern adds. */
#ifndef QNI_IO_SAFETENSORS_H
#define QNI_IO_SAFETENSORS_H

#include "base/base.h"

/* The version written into "__metadata__" as "quern.format". Files of a newer one are refused, files without it read. */
#define QNI_SAFETENSORS_FORMAT 1

/* ---- safetensors.c: reading ---- */

struct qni_safetensors; /* an open file; tensors are read from it on demand, by many threads if need be */

struct qni_safetensors_entry {
    const char *name;
    const char *type; /* as in the file: "F32", "F64", ... */
    qn_dtype dtype;   /* where readable */
    bool readable;    /* Quern has that dtype */
    qn_shape shape;
    int64_t bytes;
    int64_t offset; /* in the file */
};

/* Read and check the header, and that it covers the rest of the file exactly. QN_E_FORMAT when anything is wrong,
 * QN_E_UNSUPPORTED for a newer format. */
qn_status qni_safetensors_open(struct qni_safetensors **out, qn_context *ctx, const char *path);
void qni_safetensors_close(struct qni_safetensors **s);

size_t qni_safetensors_count(const struct qni_safetensors *s);
/* Tensors are sorted by name; i is below the count. Lent until the close. */
const struct qni_safetensors_entry *qni_safetensors_get(const struct qni_safetensors *s, size_t i);
/* NULL when there is none of that name. */
const struct qni_safetensors_entry *qni_safetensors_find(const struct qni_safetensors *s, const char *name);
/* A text of "__metadata__"; NULL when there is none. Lent until the close. */
const char *qni_safetensors_metadata(const struct qni_safetensors *s, const char *key);

/* A tensor's bytes from `from` on, in native byte order; both whole elements. QN_E_SHAPE when that reaches outside,
 * QN_E_UNSUPPORTED when its type is not one of Quern's, QN_E_IO or QN_E_FORMAT when the file can no longer be read. */
qn_status qni_safetensors_read(const struct qni_safetensors *s, const struct qni_safetensors_entry *e, int64_t from,
                               void *to, size_t bytes);

/* ---- safetensors_out.c: writing, safe against a kill at any instant (see io/file.h) ---- */

struct qni_safetensors_out;

qn_status qni_safetensors_create(struct qni_safetensors_out **out, qn_context *ctx, const char *path);
/* First the texts and the tensors' descriptions. Tensor i is the i-th declared. */
qn_status qni_safetensors_put_metadata(struct qni_safetensors_out *o, const char *key, const char *text);
qn_status qni_safetensors_declare(struct qni_safetensors_out *o, const char *name, qn_dtype dtype,
                                  const qn_shape *shape);
/* Then their bytes, native order, whole elements: any tensor at any time, each from its start to its end in as many
 * pieces as you like. */
qn_status qni_safetensors_write(struct qni_safetensors_out *o, size_t tensor, const void *data, size_t bytes);
/* QN_E_STATE when bytes are missing. *o is gone, whether this succeeds or not. */
qn_status qni_safetensors_commit(struct qni_safetensors_out **o);
void qni_safetensors_discard(struct qni_safetensors_out **o);

/* Shared by both: the file's name of a dtype. */
const char *qni_safetensors_type(qn_dtype dtype);
/* Turn elements of `size` bytes around on machines that are not little-endian. */
void qni_little_endian(void *data, size_t bytes, size_t size);

#endif
