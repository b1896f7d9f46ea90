/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Cases with numbers in them, in the format of tests/fixtures/README.md. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <stdbool.h>
#include <stdio.h>

#include "test.h"

struct fixture_tensor {
    char name[32];
    qn_shape shape;
    double *v;
};

struct fixture {
    char name[96];
    struct {
        char key[32], value[64];
    } attr[16];
    struct fixture_tensor tensor[40];
    int attrs, tensors;
};

/* Read the next case; false at the end, or after a failed test where the file is broken. */
bool fixture_next(FILE *f, struct fixture *out);
void fixture_free(struct fixture *x);
/* An attribute, or "" and NULL where there is none. */
const char *fixture_attr(const struct fixture *x, const char *key);
double fixture_number(const struct fixture *x, const char *key, double otherwise);
const struct fixture_tensor *fixture_tensor(const struct fixture *x, const char *name);

#endif
