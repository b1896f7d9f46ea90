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

/* The device that is asked about: all zero where there is none. */
struct about {
    struct qni_caps caps;
    struct qni_verdict v;
};

static qn_status get_device(struct about *d, const char *select)
{
    struct qni_found *found = NULL;
    qn_context *ctx = NULL;
    size_t i;
    qn_status st;

    memset(d, 0, sizeof(*d));
    if (!(st = qn_context_create(&ctx, NULL)) && !(st = qni_qualify_find(&found, &i, ctx, select))) {
        d->caps = found[i].caps;
        qni_verdict_get(&d->v, ctx, &d->caps);
    }
    if (ctx)
        qni_free(ctx, &found);
    qn_context_destroy(&ctx);
    return st;
}

static void print_json(const struct about *d)
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
            const qn_algorithm is = qni_algo_offered(op, op->algos[a], &d->caps, &d->v);

            json_object(&j, NULL);
            json_text(&j, "name", op->algos[a]->name);
            json_bool(&j, "cpu", op->algos[a]->cpu);
            json_bool(&j, "gpu", op->algos[a]->gpu);
            json_text(&j, "state", qn_algorithm_state_name(is.state));
            json_text(&j, "reason", *is.reason ? is.reason : NULL);
            if (is.state == QN_ALGORITHM_LEFT_OUT)
                json_text(&j, "left_out", is.reason);
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

/* Algorithms of a state are told below a heading. */
struct telling {
    qn_algorithm_state state;
    const char *heading, *device;
    bool any;
};

static void tell_algorithm(void *user, const qn_algorithm *is)
{
    struct telling *t = user;

    if (is->state != t->state)
        return;
    if (!t->any)
        printf("\n%s on %s:\n", t->heading, *t->device ? t->device : "any device");
    printf("%s/%s%s%s\n", is->operation, is->name, *is->reason ? ": " : "", is->reason);
    t->any = true;
}

static void print_table(const struct about *d)
{
    static const char *const marks[] = { "", " (left out)", " (untried)", " (qualified)", " (absent)" };
    static const struct {
        qn_algorithm_state state;
        const char *text;
    } headings[] = {
        { QN_ALGORITHM_LEFT_OUT, "left out, by the self-test," },
        { QN_ALGORITHM_UNTRIED, "untried, and off," },
        { QN_ALGORITHM_QUALIFIED, "qualified, by the self-test," },
        { QN_ALGORITHM_ABSENT, "absent" },
    };

    printf("%-24s %-9s %-24s %-9s %s\n", "operation", "family", "dtypes", "gradient", "algorithms, best first");
    for (size_t i = 0; qni_ops[i]; i++) {
        const struct qni_op *op = qni_ops[i];

        printf("%-24s %-9s %-24s %-9s", op->name, op->family, op->dtypes ? op->dtypes : "", op->grad ? "yes" : "no");
        for (size_t a = 0; op->algos && op->algos[a]; a++)
            printf("%s%s%s", a ? ", " : " ", op->algos[a]->name,
                   marks[qni_algo_offered(op, op->algos[a], &d->caps, &d->v).state]);
        printf("\n");
    }
    for (size_t i = 0; i < QNI_COUNT(headings); i++) {
        struct telling t = { headings[i].state, headings[i].text, d->caps.name, false };

        qni_algos_offered(&d->caps, &d->v, tell_algorithm, &t);
    }
}

static int run(int argc, char **argv)
{
    bool json = false;
    const char *select = NULL;
    const struct option options[] = {
        { "json", OPTION_FLAG, &json, NULL, "an array of objects, with the tests that cover each" },
        { "device", OPTION_TEXT, &select, "EXPR", "whose self-test is told of; the one in use unless given" },
    };
    const struct usage usage = {
        "ops", "[options]",
        "List the library's operations with their algorithms. QUERN_ALGO=FAMILY=ALGORITHM forces one.\n"
        "Below stand, with reasons, those that the device's self-test found wrong, which are left out, those that\n"
        "are off because it has not passed them, such as it has, and those whose library is not there.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong command line, 3 no such device.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    struct about d;
    qn_status st;
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc > 1)
        return usage_error(&usage, "unexpected argument %s", argv[1]);
    if ((st = get_device(&d, select)) && select) /* without a device there is a list all the same */
        return report("ops", st) == EXIT_NO_DEVICE ? EXIT_NO_DEVICE : st == QN_E_ARG ? EXIT_USAGE : EXIT_FAILED;
    if (json)
        print_json(&d);
    else
        print_table(&d);
    return EXIT_DONE;
}

const struct command command_ops = { "ops", run, "list the operations and their algorithms" };
