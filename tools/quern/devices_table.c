/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The devices as a table: a line of figures and a line with the reason for each, and what its self-test changed. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices.h"
#include "quern.h"

#define CELL   64
#define WIDEST 48 /* bytes of a cell; longer ones end in "..." */
#define TOLD   3  /* most algorithms of a kind that are told of; --long tells of all */

enum column { PLACE, TYPE, MEMORY, GFLOPS, BANDWIDTH, SCORE, VERDICT, DRIVER, VENDOR, NAME, COLUMNS };

static const char *const heads[COLUMNS] = {
    "#", "type", "memory", "GFLOP/s", "GB/s", "score", "verdict", "driver", "vendor", "name",
};

#define GOOD "\033[1;32m" /* bold green */
#define BAD  "\033[31m"
#define DIM  "\033[2m"
#define END  "\033[0m"

/* Only on a terminal that has it, and only where the user did not say no (no-color.org). */
static bool has_colour(void)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no && *no) && terminal && *terminal && strcmp(terminal, "dumb");
}

/* On one line, and cut to a width. */
static void put_text(char cell[CELL], const char *text)
{
    if (strlen(text) > WIDEST)
        snprintf(cell, CELL, "%.*s...", WIDEST - 3, text);
    else
        snprintf(cell, CELL, "%s", *text ? text : "-");
    for (; *cell; cell++)
        if ((unsigned char)*cell < ' ')
            *cell = ' ';
}

static void put_figure(char cell[CELL], double value)
{
    if (value > 0)
        snprintf(cell, CELL, value < 100 ? "%.1f" : "%.0f", value);
    else
        snprintf(cell, CELL, "-");
}

static void fill_row(char row[COLUMNS][CELL], const qn_device_info *d)
{
    char total[24], free[24];

    snprintf(row[PLACE], CELL, "%d:%d", d->platform_index, d->device_index);
    put_text(row[TYPE], device_type_name(d->type));
    qni_bytes_text(d->global_bytes, total, sizeof(total));
    if (d->free_bytes)
        snprintf(row[MEMORY], CELL, "%s free of %s", qni_bytes_text(d->free_bytes, free, sizeof(free)), total);
    else
        snprintf(row[MEMORY], CELL, "%s", total);
    put_figure(row[GFLOPS], d->gflops);
    put_figure(row[BANDWIDTH], d->gbytes_per_s);
    put_figure(row[SCORE], d->usable ? d->score : 0);
    put_text(row[VERDICT], qn_verdict_name(d->verdict));
    put_text(row[DRIVER], d->driver);
    put_text(row[VENDOR], d->vendor);
    put_text(row[NAME], d->name);
}

static void print_row(const char *const cell[COLUMNS], const size_t width[COLUMNS])
{
    for (int c = 0; c < COLUMNS; c++) {
        bool right = c >= MEMORY && c <= SCORE;

        if (c + 1 == COLUMNS)
            printf("  %s", cell[c]);
        else
            printf(right ? "%s%*s" : "%s%-*s", c ? "  " : "", (int)width[c], cell[c]);
    }
}

/* Algorithms of a state that stand below a device. */
struct telling {
    qn_algorithm_state state;
    int indent, told, more;
    const char *shade, *end;
};

static void tell_algorithm(void *user, const qn_algorithm *is)
{
    struct telling *t = user;

    if (is->state != t->state || t->told == TOLD) {
        t->more += is->state == t->state;
        return;
    }
    printf("  %*s  %s%s: %s/%s%s%s%s\n", t->indent, "", t->shade, qn_algorithm_state_name(is->state), is->operation, is->name,
           *is->reason ? ": " : "", is->reason, t->end);
    t->told++;
}

/* Those that are left out; and of such as have to qualify first, which did, and where the device has their instructions, which
 * did not. */
static void tell_algorithms(const qn_context *ctx, const struct qni_caps *caps, int indent, bool colour)
{
    static const qn_algorithm_state states[] = { QN_ALGORITHM_LEFT_OUT, QN_ALGORITHM_UNTRIED, QN_ALGORITHM_QUALIFIED };
    struct qni_verdict v;

    qni_verdict_get(&v, ctx, caps);
    for (size_t i = 0; i < QNI_COUNT(states); i++) {
        struct telling t = { states[i], indent, 0, 0, colour ? DIM : "", colour ? END : "" };

        if (t.state == QN_ALGORITHM_UNTRIED && !caps->matrix && !caps->matrix_half)
            continue;
        qni_algos_offered(caps, &v, tell_algorithm, &t);
        if (t.more)
            printf("  %*s  %s%s: %d more: --long tells which%s\n", indent, "", t.shade, qn_algorithm_state_name(t.state), t.more,
                   t.end);
    }
}

void print_table(const qn_context *ctx, const struct qni_found *found, size_t count)
{
    const char *cells[COLUMNS];
    size_t width[COLUMNS];
    char row[COLUMNS][CELL];
    bool colour = has_colour();

    for (int c = 0; c < COLUMNS; c++)
        width[c] = strlen(heads[c]);
    for (int c = 0; c < COLUMNS; c++)
        cells[c] = row[c];
    for (size_t i = 0; i < count; i++) {
        fill_row(row, &found[i].info);
        for (int c = 0; c < COLUMNS; c++)
            width[c] = QNI_MAX(width[c], strlen(row[c]));
    }
    if (count) {
        printf("  ");
        print_row(heads, width);
        printf("\n");
    }
    for (size_t i = 0; i < count; i++) {
        const qn_device_info *d = &found[i].info;
        const char *shade = d->chosen ? GOOD : d->usable ? "" : BAD;

        fill_row(row, d);
        printf("%s%c ", colour ? shade : "", d->chosen ? '*' : ' ');
        print_row(cells, width);
        printf("%s\n  %*s  %s%s: %s%s\n", colour && *shade ? END : "", (int)width[PLACE], "", colour ? DIM : "", d->platform,
               d->reason, colour ? END : "");
        if (ctx)
            tell_algorithms(ctx, &found[i].caps, (int)width[PLACE], colour);
    }
}
