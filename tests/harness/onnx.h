/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * ONNX's node tests: a model of one node, its inputs and what it must give. They are in shared/onnx, or where
 * $QUERN_SHARED says, and unpacked for the time of a test. */
#ifndef ONNX_H
#define ONNX_H

#include <stdbool.h>

#include "ops/op.h"
#include "test.h"

#define ONNX_VALUES 16
#define ONNX_NAME   64

struct onnx_tensor {
    qn_dtype dtype;
    qn_shape shape;
    void *data;                       /* elements, row-major; NULL where there is none */
};

struct onnx_case {
    char op[ONNX_NAME];
    int inputs, outputs;              /* of the node */
    char in_name[ONNX_VALUES][ONNX_NAME], out_name[ONNX_VALUES][ONNX_NAME]; /* "" where one is left out */
    struct onnx_tensor in[ONNX_VALUES], out[ONNX_VALUES];
    struct {
        char name[ONNX_NAME], text[ONNX_NAME];
        int64_t i;
        float f;
    } attr[16];
    int attrs;
};

/* Unpack the archive into a new folder; false (and no failed test) where there is none. */
bool onnx_unpack(char folder[256]);
void onnx_remove(const char *folder);
/* Read the test in a folder; false after a failed test. */
bool onnx_read(struct onnx_case *out, const char *folder);
void onnx_free(struct onnx_case *c);
int64_t onnx_int(const struct onnx_case *c, const char *attr, int64_t otherwise);
float onnx_float(const struct onnx_case *c, const char *attr, float otherwise);
const char *onnx_text(const struct onnx_case *c, const char *attr, const char *otherwise);
/* An input with data, by the operator's position; NULL where it is left out. */
const struct onnx_tensor *onnx_input(const struct onnx_case *c, int position);
/* Fail unless got [elements of want] agrees with f32 want within the archive's tolerance. */
void onnx_compare(const char *name, const struct onnx_tensor *want, const float *got);

#endif
