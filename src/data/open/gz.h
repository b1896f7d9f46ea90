/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * libquern-data is a client of libquern's public interface: nothing of src/base is in its reach. */
#ifndef QND_GZ_H
#define QND_GZ_H

#include <stdio.h>
#include <zlib.h>

#include <quern/context.h>
#include <quern/data.h>

/* A file whose bytes are decompressed if it begins as gzip does, and given as they are if not. */
struct qnd_file {
    qn_reader reader; /* its user points here */
    const qn_context *ctx;
    int fd;
    bool gzip;
    bool ended; /* the last member is complete */
    bool in_member;
    z_stream z;
    bool z_open;
    unsigned char *piece; /* compressed bytes */
    size_t at, have;
    int64_t total; /* bytes read of the file */
};

/* path is borrowed until the close, which accepts a zeroed struct with fd -1. */
qn_status qnd_file_open(struct qnd_file *f, const qn_context *ctx, const char *path);
void qnd_file_close(struct qnd_file *f);

/* One line of message. */
qn_status qnd_error(qn_status st, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
