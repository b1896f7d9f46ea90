/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Running the quern command, or another program, and looking at what it says. */
#ifndef TEST_COMMAND_H
#define TEST_COMMAND_H

#include "io/json.h"
#include "test.h"

struct command_result {
    int code;      /* exit status; -N: killed by signal N */
    char *out;     /* stdout, for the caller to free */
    char *err;     /* stderr likewise */
};

/* Where the command is; set by the test's main. */
extern const char *command_path;

/* Run `command_path WORDS`, words separated by blanks. When stdout shows `until`, send it `number`. */
void command_run_until(struct command_result *r, const char *words, const char *until, int number);
/* Run it and check the exit status; the outputs are shown when it is another one. */
bool command_run(struct command_result *r, const char *words, int code);
void command_free(struct command_result *r);

/* Line i of text as a JSON document; NULL, and a failed test, when there is none. */
struct qni_json *command_line_json(const char *text, int i);
int command_lines(const char *text);
/* A number of an object; NaN, and a failed test, when it is not there. */
double command_number(const struct qni_json *json, const char *key);

#endif
