/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Whole files: bounded reading, and writing that a kill at any instant cannot break. */
#ifndef QNI_IO_FILE_H
#define QNI_IO_FILE_H

#include "base/base.h"

/* Everything in a file of at most max_bytes, with a zero byte behind it; *data is for qni_free(). */
qn_status qni_file_read(const qn_context *ctx, const char *path, size_t max_bytes, char **data, size_t *bytes);

/* A file that takes its name only when it is complete: it is written as ".NAME.tmpN" in the same folder, flushed to the
 * disk, renamed, and the folder is flushed. Until the commit another file of that name stays as it is. A temporary that
 * a killed process left is used again by the next one, so that they do not pile up. One thread per file; several
 * processes and threads may write the same name: the last commit wins. */
struct qni_file_out;

qn_status qni_file_create(struct qni_file_out **out, qn_context *ctx, const char *path);
/* Bytes at any place; what is never written reads as zeros. A failure sticks until the commit, which then fails. */
qn_status qni_file_write_at(struct qni_file_out *f, int64_t offset, const void *data, size_t bytes);
/* Complete, and gone from *f whether that succeeds or not; the temporary is removed on failure. */
qn_status qni_file_commit(struct qni_file_out **f);
/* Remove the temporary; accepts NULL. */
void qni_file_discard(struct qni_file_out **f);
/* The three in one. */
qn_status qni_file_replace(qn_context *ctx, const char *path, const void *data, size_t bytes);

#endif
