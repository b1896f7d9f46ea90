/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "optest_internal.h"

#include "fixture.h"

/* The next word that is not in a comment. */
static bool word(FILE *f, char out[96])
{
    while (fscanf(f, "%95s", out) == 1) {
        if (out[0] != '#')
            return true;
        for (int c = 0; c != '\n' && c != EOF;)
            c = fgetc(f);
    }
    return false;
}

static bool read_attr(FILE *f, struct fixture *x)
{
    return x->attrs < (int)QNI_COUNT(x->attr) &&
           fscanf(f, "%31s %63s", x->attr[x->attrs].key, x->attr[x->attrs].value) == 2 && ++x->attrs;
}

static bool read_tensor(FILE *f, struct fixture *x)
{
    struct fixture_tensor *t = &x->tensor[x->tensors];
    int64_t n;

    if (x->tensors == (int)QNI_COUNT(x->tensor) || fscanf(f, "%31s %d", t->name, &t->shape.rank) != 2 ||
        t->shape.rank < 0 || t->shape.rank > QN_MAX_RANK)
        return false;
    for (int i = 0; i < t->shape.rank; i++)
        if (fscanf(f, "%" SCNd64, &t->shape.dim[i]) != 1)
            return false;
    n = qni_elements(&t->shape);
    t->v = optest_alloc((size_t)n, sizeof(*t->v));
    x->tensors++;
    for (int64_t i = 0; i < n; i++)
        if (fscanf(f, "%lf", &t->v[i]) != 1)
            return false;
    return true;
}

bool fixture_next(FILE *f, struct fixture *x)
{
    char w[96];

    memset(x, 0, sizeof(*x));
    if (!word(f, w))
        return false;
    if (strcmp(w, "case") == 0 && word(f, x->name))
        while (word(f, w)) {
            if (strcmp(w, "end") == 0)
                return true;
            if (!(strcmp(w, "attr") == 0 ? read_attr(f, x) : strcmp(w, "tensor") == 0 && read_tensor(f, x)))
                break;
        }
    test_fail(__FILE__, __LINE__, "the fixtures are broken at case %s, %s", x->name, w);
    fixture_free(x);
    return false;
}

void fixture_free(struct fixture *x)
{
    for (int i = 0; i < x->tensors; i++)
        free(x->tensor[i].v);
    x->tensors = 0;
}

const char *fixture_attr(const struct fixture *x, const char *key)
{
    for (int i = 0; i < x->attrs; i++)
        if (strcmp(x->attr[i].key, key) == 0)
            return x->attr[i].value;
    return "";
}

double fixture_number(const struct fixture *x, const char *key, double otherwise)
{
    const char *v = fixture_attr(x, key);

    return *v ? strtod(v, NULL) : otherwise;
}

const struct fixture_tensor *fixture_tensor(const struct fixture *x, const char *name)
{
    for (int i = 0; i < x->tensors; i++)
        if (strcmp(x->tensor[i].name, name) == 0)
            return &x->tensor[i];
    return NULL;
}
