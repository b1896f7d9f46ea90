/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
const char *command_path;

struct pipe {
    int fd;
    char *text;
    size_t length;
};

/* Append what is there; false at the end. */
static bool drain(struct pipe *p)
{
    char part[4096];
    ssize_t n = read(p->fd, part, sizeof(part));

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    p->text = realloc(p->text, p->length + (size_t)n + 1);
    memcpy(p->text + p->length, part, (size_t)n);
    p->length += (size_t)n;
    p->text[p->length] = '\0';
    return true;
}

static void collect(struct pipe p[2], pid_t child, const char *until, int number)
{
    struct pollfd wait[2];

    for (int open = 2; open > 0;) {
        for (int i = 0; i < 2; i++)
            wait[i] = (struct pollfd){ .fd = p[i].fd, .events = POLLIN };
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++)
            if (wait[i].fd >= 0 && wait[i].revents && !drain(&p[i])) {
                close(p[i].fd);
                p[i].fd = -1;
                open--;
            }
        if (until && strstr(p[0].text, until)) {
            kill(child, number);
            until = NULL;
        }
    }
}

void command_run_until(struct command_result *r, const char *words, const char *until, int number)
{
    char copy[4096], *argv[64] = { (char *)command_path };
    struct pipe p[2] = { { .text = calloc(1, 1) }, { .text = calloc(1, 1) } };
    posix_spawn_file_actions_t actions;
    int ends[2][2], n = 1, state = 0;
    pid_t child = -1;

    snprintf(copy, sizeof(copy), "%s", words);
    for (char *w = strtok(copy, " "); w && n < 63; w = strtok(NULL, " "))
        argv[n++] = w;
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 2; i++) {
        if (pipe(ends[i]))
            abort();
        p[i].fd = ends[i][0];
        posix_spawn_file_actions_adddup2(&actions, ends[i][1], 1 + i);
    }
    for (int i = 0; i < 4; i++)
        posix_spawn_file_actions_addclose(&actions, ends[i / 2][i % 2]);
    if (posix_spawn(&child, command_path, &actions, NULL, argv, environ))
        child = -1;
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 2; i++)
        close(ends[i][1]);
    collect(p, child, until, number);
    while (child > 0 && waitpid(child, &state, 0) < 0 && errno == EINTR)
        ;
    r->code = child < 0 ? 127 : WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
    r->out = p[0].text;
    r->err = p[1].text;
}

bool command_run(struct command_result *r, const char *words, int code)
{
    command_run_until(r, words, NULL, 0);
    if (r->code != code)
        test_fail(__FILE__, __LINE__, "%s: exit status %d, expected %d; it said: %.300s", words, r->code, code,
                  *r->err ? r->err : r->out);
    return r->code == code;
}

void command_free(struct command_result *r)
{
    free(r->out);
    free(r->err);
}

int command_lines(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

struct qni_json *command_line_json(const char *text, int i)
{
    static qn_context *ctx;
    struct qni_json *json = NULL;
    const char *end;

    if (!ctx && !CHECK_OK(qn_context_create(&ctx, NULL)))
        return NULL;
    for (; i > 0 && text; i--)
        text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL;
    end = text ? strchr(text, '\n') : NULL;
    if (!end) {
        test_fail(__FILE__, __LINE__, "there is no such line");
        return NULL;
    }
    CHECK_OK(qni_json_parse(&json, ctx, "a line", text, (size_t)(end - text), 0));
    return json;
}

double command_number(const struct qni_json *json, const char *key)
{
    struct qni_json_at at;
    double v = NAN;

    if (!json)
        return NAN;
    at = qni_json_root(json);
    CHECK_OK(qni_json_get_double(&at, key, &v));
    return v;
}
