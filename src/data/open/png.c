/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * PNG by libpng. An error jumps back into decode(), which owns nothing: all that is to be given up hangs on the job. */
#include "data/open/files.h"

#if QND_PNG

#include <png.h>
#include <setjmp.h>
#include <string.h>

#define MOST_CHUNK ((png_alloc_size_t)1 << 23) /* bytes that a text or profile may unpack to */

struct job {
    png_structp png;
    png_infop info;
    qn_context *ctx;
    const char *name;
    const unsigned char *data;
    size_t bytes, at;
    int64_t max_pixels;
    qn_image *image;
    qn_status status; /* of a failure, with its message */
};

static png_voidp take(png_structp png, png_alloc_size_t bytes)
{
    struct job *j = png_get_mem_ptr(png);
    void *p = qn_context_alloc(j->ctx, bytes);

    j->status = p ? j->status : QN_E_HOST_MEMORY;
    return p;
}

static void give_back(png_structp png, png_voidp p)
{
    const struct job *j = png_get_mem_ptr(png);

    qn_context_free(j->ctx, p);
}

static _Noreturn void fail(png_structp png, png_const_charp what)
{
    struct job *j = png_get_error_ptr(png);

    if (!j->status)
        j->status = qnd_error(QN_E_FORMAT, "%s: damaged PNG: %.200s", j->name, what);
    png_longjmp(png, 1);
}

static void warn(png_structp png, png_const_charp what)
{
    (void)png, (void)what;
}

static void give_bytes(png_structp png, png_bytep to, size_t bytes)
{
    struct job *j = png_get_io_ptr(png);

    if (bytes > j->bytes - j->at) {
        j->status = qnd_error(QN_E_FORMAT, "%s: truncated: the PNG data stop after %zu bytes", j->name, j->bytes);
        png_error(png, "truncated");
    }
    memcpy(to, j->data + j->at, bytes);
    j->at += bytes;
}

static void read_pixels(struct job *j)
{
    const png_uint_32 height = png_get_image_height(j->png, j->info), width = png_get_image_width(j->png, j->info);
    const int colours = png_get_color_type(j->png, j->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
    int passes;

    if ((j->status = qnd_image_fits(j->name, height, width, j->max_pixels)))
        png_error(j->png, "too large");
    png_set_scale_16(j->png);
    png_set_palette_to_rgb(j->png);
    png_set_expand_gray_1_2_4_to_8(j->png);
    png_set_strip_alpha(j->png);
    passes = png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    if (png_get_rowbytes(j->png, j->info) != (size_t)width * (size_t)colours)
        png_error(j->png, "rows of another length than expected");
    if ((j->status = qn_image_create(&j->image, j->ctx, height, width, colours)))
        png_error(j->png, "no memory");
    while (passes--)
        for (png_uint_32 y = 0; y < height; y++)
            png_read_row(j->png, j->image->pixel + (size_t)y * width * (size_t)colours, NULL);
    png_read_end(j->png, NULL);
}

static void decode(struct job *j)
{
    if (setjmp(png_jmpbuf(j->png)))
        return;
    png_set_read_fn(j->png, j, give_bytes);
    png_set_user_limits(j->png, QN_IMAGE_MOST, QN_IMAGE_MOST);
    png_set_chunk_malloc_max(j->png, MOST_CHUNK);
    png_set_chunk_cache_max(j->png, 100);
    if (!(j->info = png_create_info_struct(j->png)))
        png_error(j->png, "out of memory");
    png_read_info(j->png, j->info);
    read_pixels(j);
}

qn_status qnd_decode_png(qn_image **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_pixels)
{
    struct job j = {.ctx = ctx, .name = name, .data = data, .bytes = bytes, .max_pixels = max_pixels};

    j.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &j, fail, warn, &j, take, give_back);
    if (!j.png)
        return j.status ? j.status : qnd_error(QN_E_HOST_MEMORY, "%s: libpng cannot be started", name);
    decode(&j);
    png_destroy_read_struct(&j.png, &j.info, NULL);
    if (j.status)
        qn_image_destroy(&j.image);
    *out = j.image;
    return j.status;
}

#else

qn_status qnd_decode_png(qn_image **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                         int64_t max_pixels)
{
    (void)out, (void)ctx, (void)data, (void)bytes, (void)max_pixels;
    return qnd_error(QN_E_UNSUPPORTED, "%s: PNG, but libquern-data was built without libpng", name);
}

#endif
