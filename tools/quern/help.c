/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What a command's table of options is good for: help, its manual page, and what completes its command line in bash, zsh
 * and fish. */
#include <string.h>

#include "quern.h"

static const struct option help_option = { "help", OPTION_FLAG, NULL, NULL, "show this and end" };

static const char *const forms[] = { "text", "man", "bash", "zsh", "fish" };

bool help_form_read(const char *argument, enum help_form *form)
{
    if (!strcmp(argument, "--help") || !strcmp(argument, "-h")) {
        *form = HELP_TEXT;
        return true;
    }
    if (strncmp(argument, "--help=", 7))
        return false;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (!strcmp(argument + 7, forms[i])) {
            *form = (enum help_form)i;
            return true;
        }
    return false;
}

/* The table's options, then the one that all commands have; NULL at the end. */
static const struct option *option_at(const struct usage *u, size_t i)
{
    return i < u->options ? &u->option[i] : i == u->options ? &help_option : NULL;
}

static const char *default_text(const struct option *o, char *text, size_t bytes)
{
    text[0] = '\0';
    if (o->kind == OPTION_INT)
        snprintf(text, bytes, "%lld", (long long)*(const int64_t *)o->value);
    else if (o->kind == OPTION_REAL)
        snprintf(text, bytes, "%g", *(const double *)o->value);
    else if (o->kind == OPTION_TEXT && *(const char *const *)o->value)
        snprintf(text, bytes, "%s", *(const char *const *)o->value);
    return text;
}

/* A list's names in a column of their own. */
static void print_choices(const struct choices *c, void (*print)(const char *text))
{
    const char *name, *about;
    int width = 0;

    for (size_t i = 0; (name = c->at(i, &about)); i++)
        width = (int)strlen(name) > width ? (int)strlen(name) : width;
    print("\n");
    print(c->title);
    print("\n");
    for (size_t i = 0; (name = c->at(i, &about)); i++) {
        char left[64];

        snprintf(left, sizeof(left), "  %-*s ", width, name);
        print(left);
        print(about);
        print("\n");
    }
}

static void print_plain(const char *text)
{
    fputs(text, stdout);
}

static void print_text(const struct usage *u)
{
    const struct option *o;

    printf("Usage: quern %s %s\n\n%s", u->command, u->arguments, u->text);
    for (size_t i = 0; i < u->choices; i++)
        print_choices(&u->choice[i], print_plain);
    printf("\nOptions:\n");
    for (size_t i = 0; (o = option_at(u, i)); i++) {
        char left[64], value[128];

        snprintf(left, sizeof(left), "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        printf("  %-22s %s%s", left, strlen(left) > 22 ? "\n                         " : "", o->meaning);
        if (*default_text(o, value, sizeof(value)))
            printf(" (%s)", value);
        printf("\n");
    }
}

/* ---- the manual ---- */

void help_man_text(const char *text)
{
    bool begins = true; /* a line, where dots and quotes mean something to troff */

    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
        begins = *text == '\n';
    }
}

void help_man_title(const char *command, const char *summary)
{
    printf(".\\\" Written by quern itself from its table of options.\n.TH QUERN");
    for (const char *c = command; *c; c++) {
        if (c == command)
            fputs("\\-", stdout);
        putchar(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    }
    printf(" 1 \"\" \"Quern %s\" \"User Commands\"\n.SH NAME\nquern%s%s \\- ", qn_version(), *command ? "\\-" : "", command);
    help_man_text(summary);
    putchar('\n');
}

static void print_man(const struct usage *u)
{
    const struct option *o;

    printf(".SH SYNOPSIS\n.B quern %s\n", u->command);
    help_man_text(u->arguments);
    printf("\n.SH DESCRIPTION\n.nf\n");
    help_man_text(u->text);
    for (size_t i = 0; i < u->choices; i++)
        print_choices(&u->choice[i], help_man_text);
    printf(".fi\n.SH OPTIONS\n");
    for (size_t i = 0; (o = option_at(u, i)); i++) {
        char value[128];

        printf(".TP\n.B \\-\\-");
        help_man_text(o->name);
        if (o->argument)
            printf(" \\fI%s\\fR", o->argument);
        putchar('\n');
        help_man_text(o->meaning);
        if (*default_text(o, value, sizeof(value))) {
            fputs(" (default: ", stdout);
            help_man_text(value);
            putchar(')');
        }
        putchar('\n');
    }
    printf(".SH \"SEE ALSO\"\n.BR quern (1)\n");
}

/* ---- completion ---- */

static bool names(const struct option *o, const char *argument)
{
    return o->argument && !strcmp(o->argument, argument);
}

/* The words that may follow "quern COMMAND", and after which of them a file or folder is named. */
static void print_bash(const struct usage *u)
{
    const struct option *o;

    printf("        %s)\n            options='", u->command);
    for (size_t i = 0; (o = option_at(u, i)); i++)
        printf("%s--%s", i ? " " : "", o->name);
    printf("'\n            files='");
    for (size_t i = 0; (o = option_at(u, i)); i++)
        if (names(o, "FILE"))
            printf(" --%s ", o->name);
    printf("'\n            folders='");
    for (size_t i = 0; (o = option_at(u, i)); i++)
        if (names(o, "DIR"))
            printf(" --%s ", o->name);
    printf("'\n            values='");
    for (size_t i = 0; (o = option_at(u, i)); i++)
        if (o->argument)
            printf(" --%s ", o->name);
    printf("'\n            ;;\n");
}

/* Text between single quotes, without the characters in `but`. */
static void print_quoted(const char *text, const char *but)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(but, *text))
            printf("\\%c", *text);
        else
            putchar(*text);
}

static void print_zsh(const struct usage *u)
{
    const struct option *o;

    printf("        %s)\n            _arguments \\\n", u->command);
    for (size_t i = 0; (o = option_at(u, i)); i++) {
        printf("                '--%s%s[", o->name, o->argument ? "=" : "");
        print_quoted(o->meaning, "[]:\\");
        putchar(']');
        if (o->argument)
            printf(":%s:%s", o->argument, names(o, "FILE") ? "_files" : names(o, "DIR") ? "_files -/" : "");
        printf("' \\\n");
    }
    printf("                '*:argument:_files'\n            ;;\n");
}

static void print_fish(const struct usage *u)
{
    const struct option *o;

    for (size_t i = 0; (o = option_at(u, i)); i++) {
        const char *takes = !o->argument ? "" : names(o, "FILE") || names(o, "DIR") ? " -r -F" : " -x";

        printf("complete -c quern -n '__fish_seen_subcommand_from %s' -l %s%s -d '", u->command, o->name, takes);
        for (const char *c = o->meaning; *c; c++)
            printf(*c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
        printf("'\n");
    }
}

void help_print(const struct usage *u, enum help_form form)
{
    static void (*const print[])(const struct usage *u) = { print_text, print_man, print_bash, print_zsh, print_fish };

    print[form](u);
}
