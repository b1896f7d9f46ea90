/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A fuzz target is one function; libFuzzer or replay.c calls it with bytes. It must not crash, hang, leak or take much
 * memory, whatever they are; and what the library accepts must be usable. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include <quern/context.h>
#include <quern/data.h>
#include <quern/device.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A context whose allocator refuses more than 64 MiB at once and 256 MiB in all. */
qn_context *fuzz_context(void);

/* A device for which no OpenCL is needed: it takes buffers and binaries, and computes nothing. ctx becomes its own. */
qn_device *fuzz_device(qn_context *ctx);

/* Bytes as a reader: set data and bytes, and reader.user to the struct itself. */
struct fuzz_bytes {
    const uint8_t *data;
    size_t bytes, at;
};
qn_status fuzz_read(void *user, void *to, size_t bytes, size_t *got);

/* Put the length at the beginning of a safetensors file right: the header goes up to the last brace. */
void fuzz_header(uint8_t *data, size_t bytes);

/* Bytes as a file: a path that stays valid until the next call. */
const char *fuzz_file(const uint8_t *data, size_t bytes);

/* A refusal has a message of one line; what was accepted can be read at both ends. Closes it. */
void fuzz_dataset(qn_status st, qn_dataset **ds);
void fuzz_check(int truth, const char *what);

#endif
