/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The table of operations says true things: names are there once, and the tests it names exist and are about them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "test.h"

/* The whole of a file of the source tree, to be freed; NULL when there is none. */
static char *read_source(const char *folder, const char *name)
{
    char path[1024], *text = NULL;
    size_t n = 0, more;
    FILE *f;

    snprintf(path, sizeof(path), TEST_SOURCE_DIR "/tests/%s%s", folder, name);
    if (!(f = fopen(path, "rb")))
        return NULL;
    do {
        text = realloc(text, n + 65537);
        if (!text)
            abort();
        n += more = fread(text + n, 1, 65536, f);
    } while (more);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* Is name there as a word, or as the last part of one, as in qni_op_NAME? */
static bool mentions(const char *text, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = text; (at = strstr(at, name)); at += n)
        if (at > text && !isalnum((unsigned char)at[-1]) && !isalnum((unsigned char)at[n]) && at[n] != '_')
            return true;
    return false;
}

/* "op/gemm" is a program that tests/op/meson.build lists; *about: does its source mention the operation? */
static bool exists(const char *test, const char *name, bool *about)
{
    const char *slash = strchr(test, '/');
    char suite[64], quoted[96], *list, *source;
    bool ok;

    *about = false;
    if (!slash)
        return false;
    snprintf(suite, sizeof(suite), "%.*s", (int)(slash - test), test);
    snprintf(quoted, sizeof(quoted), "\n    '%s',\n", slash + 1);
    list = read_source(suite, "/meson.build");
    source = read_source(test, ".c");
    ok = list && source && strstr(list, quoted);
    *about = ok && mentions(source, name);
    free(list);
    free(source);
    return ok;
}

static void named_tests(void)
{
    for (size_t i = 0; qni_ops[i]; i++) {
        const struct qni_op *op = qni_ops[i];
        bool about = false, any = false;

        for (size_t t = 0; op->tests && op->tests[t]; t++) {
            if (!exists(op->tests[t], op->name, &about))
                test_fail(__FILE__, __LINE__, "%s names the test %s, which does not exist", op->name, op->tests[t]);
            any |= about;
        }
        if (!any)
            test_fail(__FILE__, __LINE__, "no test that %s names is about it", op->name);
    }
}

static void once(void)
{
    for (size_t i = 0; qni_ops[i]; i++) {
        const struct qni_op *op = qni_ops[i];

        CHECK(qni_op_find(op->name) == op);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(qni_ops[k]->name, op->name))
                test_fail(__FILE__, __LINE__, "%s is in the table twice", op->name);
        CHECK(op->family && *op->family && op->dtypes && *op->dtypes && op->algos && op->algos[0]);
        for (size_t a = 0; op->algos && op->algos[a]; a++)
            CHECK(qni_algo_find(op, op->algos[a]->name) == op->algos[a]);
        if (op->flags & QNI_OP_NO_GRADIENT)
            CHECK(!op->grad);
    }
}

int main(void)
{
    test_run("ops: every name is there once, and so are its algorithms'", once);
    test_run("ops: the tests that an operation names exist and are about it", named_tests);
    return test_end();
}
