/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lists of files with labels, and whole files in memory; what images and sound have in common. */
#ifndef QND_FILES_H
#define QND_FILES_H

#include <quern/context.h>
#include <quern/data_files.h>

#include "data/open/gz.h"

/* ---- file.c ---- */

/* A whole file; an empty one and one beyond most bytes are errors. For qn_context_free(). */
qn_status qnd_read_file(unsigned char **out, size_t *bytes, const qn_context *ctx, const char *path, int64_t most);
/* What the caller gave, or a context of our own that datasets keep alive: *own is to be destroyed. */
qn_status qnd_find_context(qn_context **own, qn_context **ctx);

/* ---- list.c ---- */

struct qnd_list {
    qn_context *ctx;
    char **path;    /* [files] */
    int32_t *label; /* [files] */
    int64_t files, room;
    char **class_name; /* [classes] of a folder */
    int classes, class_room;
    bool labelled;
};

/* ends: endings of names in lower case, NULL behind the last. The context outlives the list. */
qn_status qnd_list_make(struct qnd_list *l, qn_context *ctx, const qn_files *files, const char *const *ends);
void qnd_list_free(struct qnd_list *l);
/* Reads file i into a sample; out NULL: only tries to. */
typedef qn_status (*qnd_list_read)(const void *user, int64_t i, void *out);
/* Leave out what cannot be read, and tell about it; an error when nothing remains or memory is short. */
qn_status qnd_list_check(struct qnd_list *l, const qn_files *files, qnd_list_read read, const void *user);
/* For a source's read: samples of so many bytes, and their labels. */
qn_status qnd_list_samples(const struct qnd_list *l, const int64_t *index, int64_t count, void *const *out, size_t bytes,
                           qnd_list_read read, const void *user);
/* A dataset of the list: field[0] is given, and has room for the label behind it. The source is closed where this fails. */
qn_status qnd_list_dataset(qn_dataset **out, const struct qnd_list *l, qn_field field[2], const qn_source *source);

/* ---- png.c, jpeg.c, wav.c ---- */

qn_status qnd_decode_png(qn_image **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_pixels);
qn_status qnd_decode_jpeg(qn_image **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                          int64_t max_pixels);
qn_status qnd_decode_wav(qn_sound **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_samples);
/* QN_E_FORMAT beyond max_pixels and QN_IMAGE_MOST. */
qn_status qnd_image_fits(const char *name, int64_t height, int64_t width, int64_t max_pixels);

#endif
