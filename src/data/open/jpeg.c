/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * JPEG by libjpeg-turbo. An error jumps back into decode(), which owns nothing: all that is to be given up hangs on the
 * job. What libjpeg only warns of, and then makes grey, is an error here. */
#include "data/open/files.h"

#if QND_JPEG

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#define MOST_SCANS 200 /* of a progressive image: each goes over all pixels */

struct job {
    struct jpeg_error_mgr error; /* the first member: libjpeg hands its address back */
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    qn_context *ctx;
    const char *name;
    const unsigned char *data;
    size_t bytes;
    int64_t max_pixels;
    qn_image *image;
    qn_status status;
};

static _Noreturn void fail(j_common_ptr common)
{
    struct job *j = (struct job *)common->err;
    char text[JMSG_LENGTH_MAX];

    if (!j->status) {
        j->error.format_message(common, text);
        j->status = j->error.msg_code == JERR_OUT_OF_MEMORY
                        ? qnd_error(QN_E_HOST_MEMORY, "%s: no memory to decode", j->name)
                        : qnd_error(QN_E_FORMAT, "%s: damaged JPEG: %s", j->name, text);
    }
    longjmp(j->back, 1);
}

static void warn(j_common_ptr common, int level)
{
    struct job *j = (struct job *)common->err;

    if (level >= 0)
        return;
    switch (j->error.msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
        return; /* nothing of the image is missing */
    case JWRN_JPEG_EOF:
        j->status = qnd_error(QN_E_FORMAT, "%s: truncated: the JPEG data stop after %zu bytes", j->name, j->bytes);
        break;
    default:
        break;
    }
    fail(common);
}

static void no_output(j_common_ptr common)
{
    (void)common;
}

static void count_scans(j_common_ptr common)
{
    struct job *j = (struct job *)common->err;

    if (j->jpeg.input_scan_number <= MOST_SCANS)
        return;
    j->status = qnd_error(QN_E_FORMAT, "%s: more than %d scans", j->name, MOST_SCANS);
    fail(common);
}

static void read_pixels(struct job *j)
{
    struct jpeg_decompress_struct *c = &j->jpeg;

    if ((j->status = qnd_image_fits(j->name, c->image_height, c->image_width, j->max_pixels)))
        fail((j_common_ptr)c);
    if (c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK) {
        j->status = qnd_error(QN_E_UNSUPPORTED, "%s: a CMYK image, expected grey or colours of a screen", j->name);
        fail((j_common_ptr)c);
    }
    c->out_color_space = c->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    c->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(c);
    if (c->output_components != (c->out_color_space == JCS_RGB ? 3 : 1)) {
        j->status = qnd_error(QN_E_FORMAT, "%s: %d channels", j->name, c->output_components);
        fail((j_common_ptr)c);
    }
    if ((j->status = qn_image_create(&j->image, j->ctx, c->output_height, c->output_width, c->output_components)))
        fail((j_common_ptr)c);
    while (c->output_scanline < c->output_height) {
        JSAMPROW row = j->image->pixel + (size_t)c->output_scanline * c->output_width * (size_t)c->output_components;

        jpeg_read_scanlines(c, &row, 1);
    }
    jpeg_finish_decompress(c);
}

static void decode(struct job *j)
{
    if (setjmp(j->back))
        return;
    jpeg_create_decompress(&j->jpeg);
    j->jpeg.progress = &j->progress;
    jpeg_mem_src(&j->jpeg, j->data, (unsigned long)j->bytes);
    jpeg_read_header(&j->jpeg, TRUE);
    read_pixels(j);
}

qn_status qnd_decode_jpeg(qn_image **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                          int64_t max_pixels)
{
    struct job j = {.ctx = ctx, .name = name, .data = data, .bytes = bytes, .max_pixels = max_pixels};

    j.jpeg.err = jpeg_std_error(&j.error);
    j.error.error_exit = fail;
    j.error.emit_message = warn;
    j.error.output_message = no_output;
    j.progress.progress_monitor = count_scans;
    decode(&j);
    jpeg_destroy_decompress(&j.jpeg);
    if (j.status)
        qn_image_destroy(&j.image);
    *out = j.image;
    return j.status;
}

#else

qn_status qnd_decode_jpeg(qn_image **out, qn_context *ctx, const char *name, const unsigned char *data, size_t bytes,
                          int64_t max_pixels)
{
    (void)out, (void)ctx, (void)data, (void)bytes, (void)max_pixels;
    return qnd_error(QN_E_UNSUPPORTED, "%s: JPEG, but libquern-data was built without libjpeg", name);
}

#endif
