/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The quern command: one sub-command a file, each a row in main.c's table.
 * Results go to stdout, everything else to stderr. */
#ifndef QUERN_TOOL_H
#define QUERN_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <quern/quern.h>

/* Exit codes; `quern --help` lists them. */
enum {
    EXIT_DONE = 0,      /* it worked */
    EXIT_FAILED = 1,    /* it did not; stderr says why */
    EXIT_USAGE = 2,     /* the command line is wrong */
    EXIT_NO_DEVICE = 3, /* no OpenCL library, or no device that can be used */
    EXIT_SIGNAL = 128   /* plus the signal's number: ended early by SIGINT or SIGTERM */
};

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the sub-command's name; returns an exit code */
    const char *summary;               /* half a line, no full stop */
};

extern const struct command command_bench, command_devices, command_evaluate, command_generate, command_inspect, command_ops,
    command_predict, command_report, command_train;

/* Print "quern NAME: STATUS: message" for the last error; the exit code that fits. */
int report(const char *command, qn_status status);

/* A context whose warnings go to stderr, and the device that select means (NULL: the default one). */
qn_status open_device(qn_context **ctx, qn_device **dev, const char *select);
/* The same, where operands may be rounded. */
qn_status open_rounding_device(qn_context **ctx, qn_device **dev, const char *select, qn_matmul matmul);

/* ---- options.c ---- */

enum option_kind { OPTION_FLAG, OPTION_INT, OPTION_REAL, OPTION_TEXT };

struct option {
    const char *name;       /* without the dashes */
    enum option_kind kind;
    void *value;            /* bool, int64_t, double or const char *, already holding the default */
    const char *argument;   /* "N", "FILE"; NULL for a flag */
    const char *meaning;
};

/* Names that an argument may be, with half a line about each. */
struct choices {
    const char *title;                                 /* "MODEL is one of" */
    const char *(*at)(size_t i, const char **about);   /* NULL behind the last */
};

struct usage {
    const char *command;    /* "train" */
    const char *arguments;  /* "MODEL [options]" */
    const char *text;       /* what it does, one or more lines, each ending in a newline */
    const struct option *option;
    size_t options;
    const struct choices *choice; /* shown behind the text */
    size_t choices;
};

/* Read options from argv[1..*argc), "--name value" and "--name=value"; "--" ends them. What is no option is moved to
 * argv[1..*argc). False when the command is to end at once with *code: help was asked for, or a mistake explained. */
bool options_read(const struct usage *u, int *argc, char **argv, int *code);
/* Explain a mistake in the arguments; EXIT_USAGE. */
int usage_error(const struct usage *u, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- help.c: a command's table in words; the forms other than text are for manual pages and shells ---- */

enum help_form { HELP_TEXT, HELP_MAN, HELP_BASH, HELP_ZSH, HELP_FISH };

/* Is it "--help", "-h" or "--help=FORM"? */
bool help_form_read(const char *argument, enum help_form *form);
/* All of the text, or one command's part of the page or script that main.c begins. */
void help_print(const struct usage *u, enum help_form form);
/* The head of a manual page; command is "" for quern's own. */
void help_man_title(const char *command, const char *summary);
void help_man_text(const char *text);

/* ---- json.c: writing JSON; numbers and text come out right whatever the locale and the bytes ---- */

struct json {
    FILE *out;
    int depth;       /* of arrays and objects that are open */
    bool more;       /* something stands before the next value in this array or object */
    bool lines;      /* a line for each member of the outermost two levels; else all in one, without spaces */
};

/* key is NULL inside an array and at the top. */
void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_text(struct json *j, const char *key, const char *value); /* NULL writes null */
void json_int(struct json *j, const char *key, int64_t value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_real(struct json *j, const char *key, double value);      /* seven digits at most; null when not finite */
void json_bool(struct json *j, const char *key, bool value);
/* Bytes of the UTF-8 character at s, or 0 when it is none. */
int utf8_character(const unsigned char *s);

#endif
