/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "quern.h"

int usage_error(const struct usage *u, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "quern %s: ", u->command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see quern %s --help\n", u->command);
    return EXIT_USAGE;
}

/* Keep a value; false when the text is none of the kind. */
static bool set_value(const struct option *o, const char *text)
{
    char *end = NULL;

    errno = 0;
    if (o->kind == OPTION_INT) {
        long long v = strtoll(text, &end, 10);

        *(int64_t *)o->value = v;
    } else if (o->kind == OPTION_REAL) {
        double v = strtod(text, &end);

        *(double *)o->value = v;
    } else {
        *(const char **)o->value = text;
        return true;
    }
    return *text && !*end && errno != ERANGE;
}

static const struct option *find(const struct usage *u, const char *name, size_t n)
{
    for (size_t i = 0; i < u->options; i++)
        if (strlen(u->option[i].name) == n && !strncmp(u->option[i].name, name, n))
            return &u->option[i];
    return NULL;
}

/* One option at argv[*i]; advances over a value of its own. */
static bool read_one(const struct usage *u, int argc, char **argv, int *i, int *code)
{
    const char *name = argv[*i] + 2;
    size_t n = strcspn(name, "=");
    const struct option *o = find(u, name, n);
    const char *value = name[n] ? name + n + 1 : NULL;

    if (!o) {
        *code = usage_error(u, "unknown option %s", argv[*i]);
        return false;
    }
    if (o->kind == OPTION_FLAG) {
        *(bool *)o->value = true;
        if (value)
            *code = usage_error(u, "--%s takes no value", o->name);
        return !value;
    }
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value || !set_value(o, value)) {
        *code = usage_error(u, value ? "--%s %s: expected %s" : "--%s%s needs %s", o->name, value ? value : "",
                            o->kind == OPTION_INT    ? "a whole number"
                            : o->kind == OPTION_REAL ? "a number"
                                                     : "a value");
        return false;
    }
    return true;
}

bool options_read(const struct usage *u, int *argc, char **argv, int *code)
{
    enum help_form form;
    int kept = 1;
    bool ended = false;

    for (int i = 1; i < *argc; i++)
        if (!strcmp(argv[i], "--")) {
            break;
        } else if (help_form_read(argv[i], &form)) {
            help_print(u, form);
            *code = EXIT_DONE;
            return false;
        }
    for (int i = 1; i < *argc; i++) {
        if (ended || argv[i][0] != '-' || !argv[i][1]) {
            argv[kept++] = argv[i];
        } else if (!strcmp(argv[i], "--")) {
            ended = true;
        } else if (argv[i][1] != '-') {
            *code = usage_error(u, "unknown option %s", argv[i]);
            return false;
        } else if (!read_one(u, *argc, argv, &i, code)) {
            return false;
        }
    }
    *argc = kept;
    return true;
}
