/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern ops: every operation the library has, from its own table. */
#include <string.h>

#include "device/qualify.h"
#include "ops/op.h"
#include "quern.h"

/* "a b" as an array of words. */
static void words(struct json *j, const char *key, const char *text)
{
    json_array(j, key);
    while (text && *text) {
        size_t n = strcspn(text, " ");
        char word[32];

        snprintf(word, sizeof(word), "%.*s", (int)n, text);
        if (n)
            json_text(j, NULL, word);
        text += n + (text[n] == ' ');
    }
    json_array_end(j);
}

/* The verdict on the default device; nothing where there is none. */
static void get_verdict(struct qni_verdict *v, qn_device_info *d)
{
    struct qni_found *found = NULL;
    const struct qni_cl *cl;
    qn_context *ctx = NULL;
    size_t count, i;

    memset(v, 0, sizeof(*v));
    if (!qn_context_create(&ctx, NULL) && !qni_cl_get(&cl, ctx) && !qni_device_find(&found, &count, ctx, cl) &&
        !qni_device_choose(&i, ctx, found, count, NULL)) {
        qni_verdict_get(v, ctx, &found[i].caps);
        *d = found[i].info;
    }
    if (ctx)
        qni_free(ctx, &found);
    qn_context_destroy(&ctx);
}

static void print_json(const struct qni_verdict *v)
{
    struct json j = { .out = stdout, .lines = true };

    json_array(&j, NULL);
    for (size_t i = 0; qni_ops[i]; i++) {
        const struct qni_op *op = qni_ops[i];

        json_object(&j, NULL);
        json_text(&j, "name", op->name);
        json_text(&j, "family", op->family);
        words(&j, "dtypes", op->dtypes);
        json_bool(&j, "gradient", op->grad != NULL);
        json_bool(&j, "epilogue", op->flags & QNI_OP_EPILOGUE);
        json_array(&j, "algorithms");
        for (size_t a = 0; op->algos && op->algos[a]; a++) {
            const struct qni_finding *f;

            json_object(&j, NULL);
            json_text(&j, "name", op->algos[a]->name);
            json_bool(&j, "cpu", op->algos[a]->cpu);
            json_bool(&j, "gpu", op->algos[a]->gpu);
            if ((f = qni_verdict_find(v, op->name, op->algos[a]->name)))
                json_text(&j, "left_out", f->reason);
            json_object_end(&j);
        }
        json_array_end(&j);
        json_array(&j, "tests");
        for (size_t t = 0; op->tests && op->tests[t]; t++)
            json_text(&j, NULL, op->tests[t]);
        json_array_end(&j);
        json_object_end(&j);
    }
    json_array_end(&j);
}

static void print_table(const struct qni_verdict *v, const qn_device_info *d)
{
    bool any = false;

    printf("%-24s %-8s %-24s %-9s %s\n", "operation", "family", "dtypes", "gradient", "algorithms, best first");
    for (size_t i = 0; qni_ops[i]; i++) {
        const struct qni_op *op = qni_ops[i];

        printf("%-24s %-8s %-24s %-9s", op->name, op->family, op->dtypes ? op->dtypes : "", op->grad ? "yes" : "no");
        for (size_t a = 0; op->algos && op->algos[a]; a++)
            printf("%s%s", a ? ", " : " ", op->algos[a]->name);
        printf("\n");
    }
    for (size_t i = 0; i < v->findings; i++)
        if (v->finding[i].algorithm) {
            if (!any)
                printf("\nleft out on %s, by its self-test:\n", d->name);
            printf("%s: %s\n", v->finding[i].name, v->finding[i].reason);
            any = true;
        }
}

static int run(int argc, char **argv)
{
    bool json = false;
    const struct option options[] = {
        { "json", OPTION_FLAG, &json, NULL, "an array of objects, with the tests that cover each" },
    };
    const struct usage usage = {
        "ops", "[options]",
        "List the library's operations with their algorithms. QUERN_ALGO=FAMILY=ALGORITHM forces one.\n"
        "Those that the self-test of the device in use found wrong are told below.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong command line.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    struct qni_verdict v;
    qn_device_info d = { 0 };
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc > 1)
        return usage_error(&usage, "unexpected argument %s", argv[1]);
    get_verdict(&v, &d);
    if (json)
        print_json(&v);
    else
        print_table(&v, &d);
    return EXIT_DONE;
}

const struct command command_ops = { "ops", run, "list the operations and their algorithms" };
